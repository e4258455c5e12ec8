/*  The report on straddled marks: 5, 50 and 200 branch events a second, and the forced twin. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tests/e2e/straddle.h"

enum { ROUNDS = 40, FORCED = 20, SLOW_MS = 300 };

static const struct {
    const char *name;
    int64_t rate;
    int slow_ms;
} s_series[] = {{"5 a second", 5, 0},
                {"50 a second", 50, 0},
                {"200 a second", 200, 0},
                {"slow COMMIT, forced", 50, SLOW_MS}};
enum { SERIES = sizeof s_series / sizeof *s_series };

/*  BTSMARK_STRADDLE_ROUNDS asks for more (or fewer) of each rate. */
static size_t
s_rounds (size_t series)
{
    const char *asked = getenv ("BTSMARK_STRADDLE_ROUNDS");
    if (s_series[series].slow_ms)
        return FORCED;
    return asked ? strtoul (asked, NULL, 10) : ROUNDS;
}

static void
no_clean_mark_is_straddled_at_any_rate_and_a_quiet_group_gets_clean_marks (void **state)
{
    (void)state;
    bm_cluster_t *cluster = bm_straddle_cluster ();
    bm_straddle_row_t rows[SERIES];
    for (size_t i = 0; i < SERIES; i++) {
        rows[i] = bm_straddle_rounds (cluster, s_series[i].name, s_series[i].rate, s_rounds (i),
                                      s_series[i].slow_ms);
        bm_straddle_print (&rows[i], i == 0);
    }
    for (size_t i = 0; i < SERIES; i++)
        assert_int_equal (rows[i].clean_straddled, 0);
    if (rows[0].whole_clean * 10 < rows[0].whole * 9)
        fail_msg ("at 5 a second only %zu of %zu whole marks are called clean", rows[0].whole_clean,
                  rows[0].whole);
    /*  The twin: who takes these marks without asking the check takes at least one straddled in 20. */
    assert_true (rows[3].straddled * 20 >= rows[3].rounds);
    bm_cluster_assert_clean_end (cluster, NULL);
    bm_cluster_stop (&cluster);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (
        no_clean_mark_is_straddled_at_any_rate_and_a_quiet_group_gets_clean_marks)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
