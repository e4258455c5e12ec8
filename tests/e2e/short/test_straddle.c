/*  A few marks while messages are routed between MessageBoxes on two hosts by distributed transaction. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/e2e/straddle.h"

enum { ROUNDS = 5, SLOW_MS = 300 };

static void
no_clean_mark_is_straddled_by_a_distributed_transaction (void **state)
{
    (void)state;
    bm_cluster_t *cluster = bm_straddle_cluster ();
    bm_straddle_row_t rows[2];
    rows[0] = bm_straddle_rounds (cluster, "as it comes", 5, ROUNDS, 0);
    bm_straddle_print (&rows[0], true);
    rows[1] = bm_straddle_rounds (cluster, "slow COMMIT, forced", 50, ROUNDS, SLOW_MS);
    bm_straddle_print (&rows[1], false);
    assert_int_equal (rows[0].clean_straddled + rows[1].clean_straddled, 0);
    assert_true (rows[0].clean > 0);
    /*  The twin: who takes these marks without asking the check takes straddled ones. */
    assert_true (rows[1].straddled > 0);
    bm_cluster_assert_clean_end (cluster, NULL);
    bm_cluster_stop (&cluster);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (no_clean_mark_is_straddled_by_a_distributed_transaction)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
