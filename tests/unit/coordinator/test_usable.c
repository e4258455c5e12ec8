/*  tests/unit/coordinator/test_usable.c
 *  Which marks the group can be restored to: by hand, and against an oracle over random histories.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/coordinator/random_group.h"

#define FULL(first, last)                                                                          \
    {                                                                                              \
        .kind = BM_LINK_FULL, .first_lsn = first, .last_lsn = last, .fork = "A"                    \
    }
#define LOG(first, last)                                                                           \
    {                                                                                              \
        .kind = BM_LINK_LOG, .first_lsn = first, .last_lsn = last, .fork = "A"                     \
    }

/*  Two databases with a full and two logs each; the second's last log ends before the third mark. */
static const bm_link_t s_one[] = {FULL ("1", "10"), LOG ("10", "20"), LOG ("20", "40")};
static const bm_link_t s_two[] = {FULL ("1", "10"), LOG ("10", "20"), LOG ("20", "30")};
static const bm_member_t s_members[] = {{"SQL01", "One", s_one, 3, true},
                                        {"SQL02", "Two", s_two, 3, true}};

static bm_usability_t
s_judge (const bm_member_t *members, size_t count, bm_outcome_t outcome,
         const bm_mark_standing_t *standings, size_t standing_count)
{
    bm_usable_t *usable = bm_usable_new (members, count);
    bm_mark_t mark = {.name = "M",
                      .has_outcome = true,
                      .outcome = outcome,
                      .standings = standings,
                      .standing_count = standing_count};
    bm_usability_t verdict = bm_usable_judge (usable, &mark);
    bm_usable_destroy (&usable);
    bm_usable_destroy (&usable);
    return verdict;
}

static void
a_clean_mark_that_every_chain_covers_is_usable (void **state)
{
    (void)state;
    const bm_mark_standing_t standings[] = {{0, "25", "A"}, {1, "25", "a"}};
    bm_usability_t it = s_judge (s_members, 2, BM_OUTCOME_CLEAN, standings, 2);
    assert_int_equal (it.use, BM_USE_YES);
    assert_int_equal (it.why, BM_USE_FINE);
    assert_int_equal (it.standing, SIZE_MAX);
}

static void
an_unchecked_or_doubtful_mark_is_usable_on_demand_only (void **state)
{
    (void)state;
    const bm_mark_standing_t standings[] = {{0, "25", "A"}, {1, "25", "A"}};
    bm_outcome_t outcomes[] = {BM_OUTCOME_UNCHECKED, BM_OUTCOME_DOUBTFUL};
    for (size_t i = 0; i < 2; i++) {
        bm_usability_t it = s_judge (s_members, 2, outcomes[i], standings, 2);
        assert_int_equal (it.use, BM_USE_ON_DEMAND);
        assert_int_equal (it.why, BM_USE_OUTCOME);
        assert_true (it.covered);
    }
}

static void
a_mark_that_is_not_in_every_database_is_never_offered (void **state)
{
    (void)state;
    const bm_mark_standing_t standings[] = {{0, "25", "A"}, {1, "25", "A"}};
    bm_outcome_t outcomes[] = {BM_OUTCOME_NONE, BM_OUTCOME_TORN, BM_OUTCOME_UNPROVEN,
                               BM_OUTCOME_UNKNOWN};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal (s_judge (s_members, 2, outcomes[i], standings, 2).use, BM_USE_NO);
    bm_usable_t *usable = bm_usable_new (s_members, 2);
    bm_mark_t open = {.name = "M", .standings = standings, .standing_count = 2};
    assert_int_equal (bm_usable_judge (usable, &open).use, BM_USE_NO);
    bm_usable_destroy (&usable);
}

static void
the_database_and_the_end_of_its_chain_are_named (void **state)
{
    (void)state;
    const bm_mark_standing_t standings[] = {{0, "35", "A"}, {1, "35", "A"}};
    bm_usability_t it = s_judge (s_members, 2, BM_OUTCOME_CLEAN, standings, 2);
    assert_int_equal (it.use, BM_USE_NO);
    assert_int_equal (it.why, BM_USE_NOT_COVERED);
    assert_int_equal (it.standing, 1);
    assert_int_equal (it.against, 1);
    assert_int_equal (it.coverage.why, BM_UNCOVERED_END);
    assert_string_equal (it.coverage.reach, "30");
}

static void
a_foreign_log_is_a_link_and_a_gap_only_when_its_file_is_missing (void **state)
{
    (void)state;
    bm_link_t links[] = {FULL ("1", "10"), LOG ("10", "20"), LOG ("20", "40")};
    const bm_member_t members[] = {{"SQL01", "One", links, 3, true}};
    const bm_mark_standing_t standings[] = {{0, "25", "A"}};
    links[1].foreign = true;
    assert_int_equal (s_judge (members, 1, BM_OUTCOME_CLEAN, standings, 1).use, BM_USE_YES);
    links[1].unreadable = true;
    bm_usability_t it = s_judge (members, 1, BM_OUTCOME_CLEAN, standings, 1);
    assert_int_equal (it.coverage.why, BM_UNCOVERED_LOG_MISSING);
    assert_int_equal (it.coverage.at, 1);
    links[1].unreadable = false;
    links[0].unreadable = true;
    it = s_judge (members, 1, BM_OUTCOME_CLEAN, standings, 1);
    assert_int_equal (it.coverage.why, BM_UNCOVERED_FULL_MISSING);
    assert_int_equal (it.coverage.at, 0);
}

static void
a_set_that_one_database_missed_costs_that_set_and_not_the_later_ones (void **state)
{
    (void)state;
    /*  No log of its own for the mark at 15; the next one holds both. */
    const bm_link_t late[] = {FULL ("1", "10"), LOG ("10", "30")};
    const bm_member_t members[] = {s_members[0], {"SQL02", "Two", late, 2, true}};
    const bm_mark_standing_t first[] = {{0, "15", "A"}, {1, "15", "A"}};
    const bm_mark_standing_t second[] = {{0, "25", "A"}, {1, "25", "A"}};
    assert_int_equal (s_judge (members, 2, BM_OUTCOME_CLEAN, first, 2).use, BM_USE_YES);
    assert_int_equal (s_judge (members, 2, BM_OUTCOME_CLEAN, second, 2).use, BM_USE_YES);
}

static void
a_mark_is_judged_by_the_group_as_it_was (void **state)
{
    (void)state;
    /*  The second database joined later: it has nothing to do with the mark. */
    const bm_mark_standing_t before[] = {{0, "25", "A"}};
    assert_int_equal (s_judge (s_members, 2, BM_OUTCOME_CLEAN, before, 1).use, BM_USE_YES);
    /*  One that left since still counts. */
    bm_member_t members[] = {s_members[0], s_members[1]};
    members[1].present = false;
    const bm_mark_standing_t both[] = {{0, "35", "A"}, {1, "35", "A"}};
    assert_int_equal (s_judge (members, 2, BM_OUTCOME_CLEAN, both, 2).use, BM_USE_NO);
    assert_int_equal (s_judge (members, 2, BM_OUTCOME_CLEAN, both, 0).use, BM_USE_NO);
    assert_int_equal (s_judge (members, 2, BM_OUTCOME_CLEAN, both, 0).why, BM_USE_NO_GROUP);
}

static void
the_same_lsn_on_two_forks_is_two_moments (void **state)
{
    (void)state;
    bm_link_t links[] = {FULL ("1", "10"), LOG ("10", "30"), FULL ("15", "20"), LOG ("20", "30")};
    links[2].fork = links[3].fork = "B";
    const bm_member_t members[] = {{"SQL01", "One", links, 4, true}};
    const bm_mark_standing_t on_a[] = {{0, "12", "A"}}, on_b[] = {{0, "12", "B"}},
                             nowhere[] = {{0, "25", NULL}}, plain[] = {{0, "12", NULL}},
                             unheard[] = {{0, "25", "C"}};
    assert_int_equal (s_judge (members, 1, BM_OUTCOME_CLEAN, on_a, 1).use, BM_USE_YES);
    assert_int_equal (s_judge (members, 1, BM_OUTCOME_CLEAN, on_b, 1).use, BM_USE_NO);
    assert_int_equal (s_judge (members, 1, BM_OUTCOME_CLEAN, unheard, 1).use, BM_USE_NO);
    /*  Unknown: one fork alone holds 12, two hold 25. */
    assert_int_equal (s_judge (members, 1, BM_OUTCOME_CLEAN, plain, 1).use, BM_USE_YES);
    bm_usability_t it = s_judge (members, 1, BM_OUTCOME_CLEAN, nowhere, 1);
    assert_int_equal (it.use, BM_USE_NO);
    assert_int_equal (it.why, BM_USE_FORK);
}

static void
latest_is_the_newest_usable_mark (void **state)
{
    (void)state;
    const bm_mark_standing_t at_15[] = {{0, "15", "A"}}, at_25[] = {{0, "25", "A"}},
                             at_50[] = {{0, "50", "A"}};
    bm_mark_t marks[] = {{"M1", 1, 1, true, BM_OUTCOME_CLEAN, 100, at_15, 1},
                         {"M3", 3, 3, true, BM_OUTCOME_DOUBTFUL, 300, at_25, 1},
                         {"M2", 2, 2, true, BM_OUTCOME_CLEAN, 200, at_25, 1},
                         {"M4", 4, 4, true, BM_OUTCOME_CLEAN, 400, at_50, 1}};
    bm_usable_t *usable = bm_usable_new (s_members, 2);
    assert_int_equal (bm_usable_latest (usable, marks, 4), 2);
    assert_int_equal (bm_usable_latest (usable, marks + 1, 1), SIZE_MAX);
    bm_usable_destroy (&usable);
}

/* ---- against the oracle ------------------------------------------------------------------------------------------ */

/*  The path that is answered is really one. */
static void
s_check_path (const bm_member_t *member, const bm_mark_standing_t *standing, const size_t *path,
              size_t used)
{
    assert_true (used >= 2);
    assert_int_equal (member->links[path[0]].kind, BM_LINK_FULL);
    unsigned mark = oracle_lsn (standing->lsn),
             reach = oracle_lsn (member->links[path[0]].last_lsn);
    assert_true (reach <= mark);
    for (size_t i = 1; i < used; i++) {
        const bm_link_t *log = &member->links[path[i]];
        assert_true (log->kind == BM_LINK_LOG && !log->copy_only && !log->unreadable);
        assert_string_equal (log->fork, standing->fork);
        assert_true (oracle_lsn (log->first_lsn) <= reach && reach <= oracle_lsn (log->last_lsn));
        assert_true (i + 1 == used || oracle_lsn (log->last_lsn) <= mark);
        reach = oracle_lsn (log->last_lsn);
    }
    assert_true (mark < reach);
}

static void
coverage_is_what_brute_force_finds_over_random_histories (void **state)
{
    (void)state;
    static random_group_t group;
    size_t usable_marks = 0, unusable = 0, paths = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        random_group (&group, seed);
        bool there[MEMBERS][LINKS];
        size_t path[LINKS];
        oracle_there (&group, there);
        bm_usable_t *usable = bm_usable_new (group.members, group.member_count);
        for (size_t i = 0; i < group.mark_count; i++) {
            const bm_mark_t *mark = &group.marks[i];
            bool expected = oracle_restorable (&group, mark, there);
            bm_usability_t verdict = bm_usable_judge (usable, mark);
            if (verdict.covered != expected)
                fail_msg ("seed %llu, mark %s: covered %d, brute force says %d",
                          (unsigned long long)seed, mark->name, verdict.covered, expected);
            bool clean = mark->has_outcome && mark->outcome == BM_OUTCOME_CLEAN;
            assert_int_equal (verdict.use == BM_USE_YES, expected && clean);
            usable_marks += verdict.use == BM_USE_YES;
            unusable += !expected;
            for (size_t k = 0; k < mark->standing_count; k++)
                for (int choice = BM_CHAIN_ANY_FULL; choice <= BM_CHAIN_OUR_FULL; choice++) {
                    const bm_mark_standing_t *it = &mark->standings[k];
                    bm_coverage_t coverage =
                        bm_usable_path (usable, mark, k, (bm_chain_choice_t)choice, path);
                    assert_int_equal (coverage.covered,
                                      oracle_covers (&group.members[it->member], there[it->member],
                                                     it->lsn, it->fork));
                    if (coverage.covered)
                        s_check_path (&group.members[it->member], it, path, coverage.used);
                    paths += coverage.covered;
                }
        }
        bm_usable_destroy (&usable);
    }
    /*  The histories are worth something: both kinds come often. */
    assert_true (usable_marks > 1500 && unusable > 1500 && paths > 5000);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_clean_mark_that_every_chain_covers_is_usable),
        cmocka_unit_test (an_unchecked_or_doubtful_mark_is_usable_on_demand_only),
        cmocka_unit_test (a_mark_that_is_not_in_every_database_is_never_offered),
        cmocka_unit_test (the_database_and_the_end_of_its_chain_are_named),
        cmocka_unit_test (a_foreign_log_is_a_link_and_a_gap_only_when_its_file_is_missing),
        cmocka_unit_test (a_set_that_one_database_missed_costs_that_set_and_not_the_later_ones),
        cmocka_unit_test (a_mark_is_judged_by_the_group_as_it_was),
        cmocka_unit_test (the_same_lsn_on_two_forks_is_two_moments),
        cmocka_unit_test (latest_is_the_newest_usable_mark),
        cmocka_unit_test (coverage_is_what_brute_force_finds_over_random_histories),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
