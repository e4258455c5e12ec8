/*  tests/unit/coordinator/test_chain.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "coordinator/core/chain.h"

#define FULL(first, last)                                                                          \
    {                                                                                              \
        .kind = BM_LINK_FULL, .first_lsn = first, .last_lsn = last, .fork = "A"                    \
    }
#define LOG(first, last)                                                                           \
    {                                                                                              \
        .kind = BM_LINK_LOG, .first_lsn = first, .last_lsn = last, .fork = "A"                     \
    }

static void
an_lsn_has_1_to_25_digits (void **state)
{
    (void)state;
    assert_true (bm_lsn_valid ("0"));
    assert_true (bm_lsn_valid ("1234567890123456789012345"));
    assert_false (bm_lsn_valid ("12345678901234567890123456"));
    assert_false (bm_lsn_valid (""));
    assert_false (bm_lsn_valid (NULL));
    assert_false (bm_lsn_valid ("12a"));
    assert_false (bm_lsn_valid ("-1"));
    assert_false (bm_lsn_valid (" 1"));
}

static void
lsns_are_compared_as_numbers_of_any_length (void **state)
{
    (void)state;
    assert_true (bm_lsn_compare ("9", "10") < 0);
    assert_true (bm_lsn_compare ("10", "9") > 0);
    assert_int_equal (bm_lsn_compare ("0010", "10"), 0);
    assert_int_equal (bm_lsn_compare ("0", "000"), 0);
    assert_true (bm_lsn_compare ("37000000048800001", "37000000048800002") < 0);
    /*  beyond 64 and 80 bits */
    assert_true (bm_lsn_compare ("9999999999999999999999998", "9999999999999999999999999") < 0);
}

static void
a_range_holds_its_first_and_not_its_last (void **state)
{
    (void)state;
    assert_true (bm_lsn_within ("10", "10", "20"));
    assert_true (bm_lsn_within ("19", "10", "20"));
    assert_false (bm_lsn_within ("20", "10", "20"));
    assert_false (bm_lsn_within ("9", "10", "20"));
    assert_false (bm_lsn_within ("x", "10", "20"));
    assert_false (bm_lsn_within ("15", NULL, "20"));
    assert_false (bm_lsn_within ("15", "10", ""));
}

static void
logs_join_with_equal_or_overlapping_ends (void **state)
{
    (void)state;
    assert_true (bm_chain_joins ("20", "20", "30"));
    assert_true (bm_chain_joins ("25", "20", "30"));
    assert_true (bm_chain_joins ("30", "20", "30"));
    assert_false (bm_chain_joins ("19", "20", "30"));
    assert_false (bm_chain_joins ("31", "20", "30"));
    assert_false (bm_chain_joins ("?", "20", "30"));
    assert_false (bm_chain_joins ("25", "", "30"));
    assert_false (bm_chain_joins ("25", "20", NULL));
}

static void
a_full_and_joined_logs_cover_a_mark (void **state)
{
    (void)state;
    const bm_link_t links[] = {LOG ("30", "40"), FULL ("5", "12"), LOG ("10", "20"),
                               LOG ("20", "30")};
    size_t path[4];
    bm_coverage_t coverage = bm_chain_cover (links, 4, "35", "A", path);
    assert_true (coverage.covered);
    assert_int_equal (coverage.used, 4);
    assert_int_equal (path[0], 1);
    assert_int_equal (path[1], 2);
    assert_int_equal (path[2], 3);
    assert_int_equal (path[3], 0);
}

static void
only_the_logs_up_to_the_mark_are_used (void **state)
{
    (void)state;
    const bm_link_t links[] = {FULL ("5", "12"), LOG ("10", "20"), LOG ("20", "30"),
                               LOG ("30", "40")};
    bm_coverage_t coverage = bm_chain_cover (links, 4, "15", NULL, NULL);
    assert_true (coverage.covered);
    assert_int_equal (coverage.used, 2);
    /*  a mark at the very end of a log is in the next one */
    coverage = bm_chain_cover (links, 4, "20", NULL, NULL);
    assert_int_equal (coverage.used, 3);
    /*  a mark right where the full ended */
    coverage = bm_chain_cover (links, 4, "12", NULL, NULL);
    assert_true (coverage.covered);
}

static void
a_gap_in_the_logs_is_found (void **state)
{
    (void)state;
    const bm_link_t links[] = {FULL ("5", "12"), LOG ("10", "20"), LOG ("21", "30")};
    bm_coverage_t coverage = bm_chain_cover (links, 3, "25", "A", NULL);
    assert_false (coverage.covered);
    assert_int_equal (coverage.why, BM_UNCOVERED_GAP);
    assert_int_equal (coverage.at, 2); /* what comes after the gap */
    assert_string_equal (coverage.reach, "20");
    assert_int_equal (coverage.used, 0);
}

static void
a_mark_beyond_the_last_log_is_not_covered (void **state)
{
    (void)state;
    const bm_link_t links[] = {FULL ("5", "12"), LOG ("10", "20")};
    assert_false (bm_chain_cover (links, 2, "20", "A", NULL).covered);
    assert_false (bm_chain_cover (links, 2, "9", "A", NULL).covered);
    assert_false (bm_chain_cover (links, 2, "", "A", NULL).covered);
    assert_false (bm_chain_cover (links, 0, "15", "A", NULL).covered);
}

static void
an_older_full_serves_when_the_newest_one_does_not (void **state)
{
    (void)state;
    const bm_link_t links[] = {FULL ("1", "5"), LOG ("1", "20"), FULL ("30", "31"),
                               LOG ("20", "29"), LOG ("29", "30")};
    size_t path[5];
    /*  The second full ends after 29 and nothing joins it; the mark before it needs the first one. */
    bm_coverage_t coverage = bm_chain_cover (links, 5, "25", "A", path);
    assert_true (coverage.covered);
    assert_int_equal (path[0], 0);
    /*  Two fulls that end alike are both tried. */
    const bm_link_t twins[] = {FULL ("1", "5"), FULL ("2", "5")};
    assert_false (bm_chain_cover (twins, 2, "7", "A", NULL).covered);
    const bm_link_t broken[] = {FULL ("1", "5"), LOG ("4", "40"), FULL ("6", "50"),
                                LOG ("60", "80")};
    coverage = bm_chain_cover (broken, 4, "39", "A", path);
    assert_true (coverage.covered);
    assert_int_equal (path[0], 0);
    assert_false (bm_chain_cover (broken, 4, "70", "A", NULL).covered);
}

static void
copy_only_logs_unreadable_files_and_other_forks_are_no_links (void **state)
{
    (void)state;
    bm_link_t links[] = {FULL ("5", "12"), LOG ("10", "20")};
    assert_true (bm_chain_cover (links, 2, "15", "A", NULL).covered);
    assert_false (bm_chain_cover (links, 2, "15", "B", NULL).covered);
    links[1].copy_only = true;
    assert_false (bm_chain_cover (links, 2, "15", "A", NULL).covered);
    links[1].copy_only = false;
    links[1].unreadable = true;
    assert_false (bm_chain_cover (links, 2, "15", "A", NULL).covered);
    links[1].unreadable = false;
    links[1].fork = "B";
    assert_false (bm_chain_cover (links, 2, "15", "A", NULL).covered);
    links[1].fork = "";
    assert_true (bm_chain_cover (links, 2, "15", "A", NULL).covered);
    links[1].last_lsn = "junk";
    assert_false (bm_chain_cover (links, 2, "15", "A", NULL).covered);
    links[1].last_lsn = "20";
    /*  a copy-only full is as good a base as any */
    links[0].copy_only = true;
    assert_true (bm_chain_cover (links, 2, "15", "", NULL).covered);
}

static void
empty_logs_do_not_break_the_chain (void **state)
{
    (void)state;
    const bm_link_t links[] = {FULL ("5", "12"), LOG ("10", "20"), LOG ("20", "20"),
                               LOG ("20", "30")};
    assert_true (bm_chain_cover (links, 4, "25", "A", NULL).covered);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_lsn_has_1_to_25_digits),
        cmocka_unit_test (lsns_are_compared_as_numbers_of_any_length),
        cmocka_unit_test (a_range_holds_its_first_and_not_its_last),
        cmocka_unit_test (logs_join_with_equal_or_overlapping_ends),
        cmocka_unit_test (a_full_and_joined_logs_cover_a_mark),
        cmocka_unit_test (only_the_logs_up_to_the_mark_are_used),
        cmocka_unit_test (a_gap_in_the_logs_is_found),
        cmocka_unit_test (a_mark_beyond_the_last_log_is_not_covered),
        cmocka_unit_test (an_older_full_serves_when_the_newest_one_does_not),
        cmocka_unit_test (copy_only_logs_unreadable_files_and_other_forks_are_no_links),
        cmocka_unit_test (empty_logs_do_not_break_the_chain),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
