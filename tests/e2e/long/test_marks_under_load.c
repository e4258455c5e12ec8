/*  50 marks while messages flow: each is cut from the files on disk and checked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/e2e/marks.h"

static void
marks_set_under_load_lose_double_and_invent_nothing (void **state)
{
    (void)state;
    bm_cluster_t *cluster = bm_cluster_start (3, 8, true);
    bm_ran_t ran = {0};
    if (bm_cluster_btsmark (cluster, &ran, "full", "--json", NULL) != 0)
        fail_msg ("the full backups the chains begin with:\n%s\n%s", ran.out, ran.err);
    bm_ran_clear (&ran);
    bm_marks_under_load (cluster, 50);
    bm_cluster_assert_clean_end (cluster, NULL);
    bm_cluster_stop (&cluster);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (marks_set_under_load_lose_double_and_invent_nothing)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
