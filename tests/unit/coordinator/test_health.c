#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "coordinator/core/health.h"

#define MINUTE       INT64_C (60000)
#define NOW          (INT64_C (1800000000) * 1000000)
#define AGO(minutes) (NOW - (minutes)*MINUTE * 1000)

static bm_health_run_t s_runs[8];
static bm_outcome_t s_outcomes[20];

/*  A group whose last run was good, 10 minutes ago, as every quarter of an hour. */
static bm_health_t
s_sound (void)
{
    for (size_t i = 0; i < 8; i++)
        s_runs[i] = (bm_health_run_t){.run = 100 - i,
                                      .command = "run",
                                      .status = "OK",
                                      .started_us = AGO (10 + 15 * (int64_t)i)};
    for (size_t i = 0; i < 20; i++)
        s_outcomes[i] = BM_OUTCOME_CLEAN;
    return (bm_health_t){.now_us = NOW,
                         .runs = s_runs,
                         .run_count = 8,
                         .marks_known = true,
                         .usable = {"BTS_new", AGO (10), BM_OUTCOME_CLEAN},
                         .recovery_point_ms = 30 * MINUTE,
                         .full_us = AGO (300),
                         .full_age_ms = 2 * 24 * 60 * MINUTE,
                         .any_complete = true,
                         .outcomes = s_outcomes,
                         .outcome_count = 20,
                         .worst_fence_ms = 200,
                         .lease_ms = 11000};
}

/*  The one finding above "ok" has this level, topic and word; level OK = there is none. */
static void
s_expect_one (bm_findings_t *findings, bm_level_t level, const char *topic, const char *word)
{
    size_t count = 0;
    const bm_finding_t *found = NULL;
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].level != BM_LEVEL_OK) {
            found = &findings->items[i];
            count++;
            if (count > 1 || level == BM_LEVEL_OK)
                print_error ("%s: %s\n", found->topic, found->text);
        }
    assert_int_equal (count, level == BM_LEVEL_OK ? 0 : 1);
    if (found) {
        assert_int_equal (found->level, level);
        assert_string_equal (found->topic, topic);
        if (!strstr (found->text, word))
            fail_msg ("\"%s\" does not say \"%s\"", found->text, word);
    }
    bm_findings_clear (findings);
}

static void
s_expect (const bm_health_t *health, bm_level_t level, const char *topic, const char *word)
{
    bm_findings_t findings = {0};
    bm_health_group (health, &findings);
    s_expect_one (&findings, level, topic, word);
}

static void
a_sound_group_has_no_finding (void **state)
{
    (void)state;
    bm_health_t health = s_sound ();
    s_expect (&health, BM_LEVEL_OK, "", "");
    health.running = true;
    s_runs[0].status = NULL;
    s_expect (&health, BM_LEVEL_OK, "", "");
}

static void
before_the_first_run_there_is_a_note (void **state)
{
    (void)state;
    bm_health_t health = {.now_us = NOW, .full_us = -1, .worst_fence_ms = -1, .marks_known = true};
    health.recovery_point_ms = 30 * MINUTE;
    s_expect (&health, BM_LEVEL_NOTE, "last-run", "no run yet");
}

static void
the_last_run_is_told_unless_it_was_good (void **state)
{
    (void)state;
    bm_health_t health = s_sound ();
    s_runs[0].status = "SET_INCOMPLETE";
    s_runs[0].text = "OrdersDb has no room";
    s_expect (&health, BM_LEVEL_FAILURE, "last-run", "OrdersDb has no room");
    bm_findings_t findings = {0};
    bm_health_group (&health, &findings);
    assert_int_equal (bm_findings_status (&findings), BM_SET_INCOMPLETE);
    bm_findings_clear (&findings);
    s_runs[0].status = "WARNINGS";
    s_expect (&health, BM_LEVEL_NOTE, "last-run", "warnings");
    s_runs[0].status = NULL;
    s_expect (&health, BM_LEVEL_WARNING, "last-run", "killed");
}

static void
never_succeeded_is_a_failure_of_its_own (void **state)
{
    (void)state;
    bm_health_t health = s_sound ();
    health.any_complete = false;
    health.full_us = -1;
    health.usable.name = NULL;
    s_expect (&health, BM_LEVEL_FAILURE, "never-succeeded", "ever complete");
}

static void
a_schedule_that_fires_no_more_is_noticed (void **state)
{
    (void)state;
    bm_health_t health = s_sound ();
    health.recovery_point_ms = 0;
    health.now_us = AGO (10) + 31 * MINUTE * 1000; /* a minute of grace on twice 15 */
    s_expect (&health, BM_LEVEL_OK, "", "");
    health.now_us++;
    health.now_us += 1000;
    s_expect (&health, BM_LEVEL_WARNING, "schedule", "15 min");
    health.running = true;
    s_expect (&health, BM_LEVEL_OK, "", "");
    health.running = false;
    health.run_count = 3; /* too few to know what is usual */
    s_expect (&health, BM_LEVEL_OK, "", "");
}

static void
the_promised_recovery_point_is_kept_or_a_failure (void **state)
{
    (void)state;
    bm_health_t health = s_sound ();
    health.usable.at_us = AGO (30);
    s_expect (&health, BM_LEVEL_OK, "", "");
    health.usable.at_us--;
    s_expect (&health, BM_LEVEL_FAILURE, "recovery-point", "BTS_new, is 30 min old");
    health.on_demand = (bm_health_mark_t){"BTS_newer", AGO (3), BM_OUTCOME_UNCHECKED};
    s_expect (&health, BM_LEVEL_FAILURE, "recovery-point", "BTS_newer, 3 min old, is unchecked");
    health.usable.name = NULL;
    s_expect (&health, BM_LEVEL_FAILURE, "recovery-point", "no usable mark; BTS_newer");
    health.recovery_point_ms = 0;
    s_expect (&health, BM_LEVEL_OK, "", "");
}

static void
an_old_full_is_a_warning (void **state)
{
    (void)state;
    bm_health_t health = s_sound ();
    health.full_us = NOW - health.full_age_ms * 1000;
    s_expect (&health, BM_LEVEL_OK, "", "");
    health.full_us--;
    s_expect (&health, BM_LEVEL_WARNING, "full-age", "2 d old");
    health.full_us = -1;
    s_expect (&health, BM_LEVEL_WARNING, "full-age", "no complete full");
}

static void
a_group_whose_marks_are_mostly_doubtful_is_told_so (void **state)
{
    (void)state;
    bm_health_t health = s_sound ();
    for (size_t i = 0; i < 10; i++)
        s_outcomes[i] = BM_OUTCOME_DOUBTFUL;
    s_expect (&health, BM_LEVEL_OK, "", "");
    s_outcomes[10] = BM_OUTCOME_DOUBTFUL;
    s_expect (&health, BM_LEVEL_WARNING, "marks", "11 of the last 20 marks are doubtful");
    for (size_t i = 0; i < 11; i++)
        s_outcomes[i] = BM_OUTCOME_UNCHECKED;
    s_expect (&health, BM_LEVEL_WARNING, "marks", "unchecked");
    health.outcome_count = 9;
    s_expect (&health, BM_LEVEL_OK, "", "");
}

static void
what_was_left_open_is_counted (void **state)
{
    (void)state;
    bm_health_t health = s_sound ();
    health.open_marks = 2;
    s_expect (&health, BM_LEVEL_WARNING, "in-doubt", "2 mark(s)");
    health.open_marks = 0;
    health.owed_manifests = 3;
    s_expect (&health, BM_LEVEL_WARNING, "manifests", "3 manifest(s)");
    health.owed_manifests = 0;
    health.worst_fence_ms = 5500;
    s_expect (&health, BM_LEVEL_OK, "", "");
    health.worst_fence_ms++;
    s_expect (&health, BM_LEVEL_WARNING, "fence", "5501 ms of at most 11000 ms");
}

static void
a_log_that_nobody_backs_up_is_named_with_its_size (void **state)
{
    (void)state;
    bm_findings_t findings = {0};
    bm_health_database_t it = {.server = "SQL01",
                               .database = "OrdersDb",
                               .log_reuse_wait = "LOG_BACKUP",
                               .log_bytes = 300 << 20,
                               .log_backup_age_ms = 60 * MINUTE,
                               .log_patience_ms = 60 * MINUTE,
                               .has_full = true};
    bm_health_database (&it, &findings);
    s_expect_one (&findings, BM_LEVEL_OK, "", "");
    it.log_backup_age_ms++;
    bm_health_database (&it, &findings);
    s_expect_one (&findings, BM_LEVEL_WARNING, "log-reuse", "300 MiB");
    it.log_reuse_wait = "NOTHING";
    bm_health_database (&it, &findings);
    s_expect_one (&findings, BM_LEVEL_OK, "", "");
    it.log_reuse_wait = "LOG_BACKUP";
    it.log_backup_age_ms = -1;
    bm_health_database (&it, &findings);
    s_expect_one (&findings, BM_LEVEL_WARNING, "log-reuse", "never backed up");
    it.has_full = false; /* there can be no log backup yet */
    it.wants_compression = true;
    bm_health_database (&it, &findings);
    s_expect_one (&findings, BM_LEVEL_NOTE, "compression", "@bCompression");
}

static void
room_for_one_more_full_is_a_warning (void **state)
{
    (void)state;
    bm_findings_t findings = {0};
    bm_health_room ("SQL01", "/b", 2000, 1000, &findings);
    s_expect_one (&findings, BM_LEVEL_OK, "", "");
    bm_health_room ("SQL01", "/b", 1999, 1000, &findings);
    s_expect_one (&findings, BM_LEVEL_WARNING, "space", "not for two");
    bm_health_room ("SQL01", "/b", 999, 1000, &findings); /* the vote says it */
    s_expect_one (&findings, BM_LEVEL_OK, "", "");
    bm_health_room ("SQL01", "/b", -1, 1000, &findings);
    s_expect_one (&findings, BM_LEVEL_NOTE, "space", "cannot be told");
}

static void
clocks_may_differ_so_much_and_no_more (void **state)
{
    (void)state;
    bm_findings_t findings = {0};
    bm_health_clock ("SQL01", "the agent", -5000, 5000, &findings);
    s_expect_one (&findings, BM_LEVEL_OK, "", "");
    bm_health_clock ("SQL01", "the agent", -5001, 5000, &findings);
    s_expect_one (&findings, BM_LEVEL_WARNING, "clock", "5 s behind");
    bm_health_clock ("SQL01", "SQL Server", 7200000, 5000, &findings);
    s_expect_one (&findings, BM_LEVEL_WARNING, "clock", "SQL Server on SQL01 is 2 h 00 min ahead");
}

static bm_health_link_t
s_link (bool full, const char *first, const char *last, bool ours)
{
    return (bm_health_link_t){.first_lsn = first,
                              .last_lsn = last,
                              .device = full ? "full.bak" : first,
                              .full = full,
                              .ours = ours,
                              .at_us = NOW};
}

static void
a_gap_is_a_failure_until_a_later_full_heals_it (void **state)
{
    (void)state;
    bm_findings_t findings = {0};
    bm_health_link_t links[] = {
        s_link (true, "100", "110", true), s_link (false, "300", "400", true),
        s_link (false, "100", "200", true), s_link (false, "200", "300", true),
        s_link (true, "500", "510", true)};
    bm_health_chain ("SQL01", "OrdersDb", links, 4, &findings);
    s_expect_one (&findings, BM_LEVEL_OK, "", "");
    links[3].last_lsn = "299";
    bm_health_chain ("SQL01", "OrdersDb", links, 4, &findings);
    s_expect_one (&findings, BM_LEVEL_FAILURE, "chain", "gap between 200 and 300");
    bm_health_chain ("SQL01", "OrdersDb", links, 5, &findings);
    s_expect_one (&findings, BM_LEVEL_NOTE, "chain", "began anew");
}

static void
a_log_that_somebody_else_took_is_named (void **state)
{
    (void)state;
    bm_findings_t findings = {0};
    bm_health_link_t links[] = {s_link (true, "100", "110", true),
                                s_link (false, "100", "200", true),
                                s_link (false, "200", "300", false)};
    bm_health_chain ("SQL01", "OrdersDb", links, 3, &findings);
    s_expect_one (&findings, BM_LEVEL_WARNING, "chain", "somebody else");
    links[0].ours = false; /* a foreign full is harmless */
    bm_health_chain ("SQL01", "OrdersDb", links, 2, &findings);
    s_expect_one (&findings, BM_LEVEL_OK, "", "");
    links[1] = s_link (true, "400", "410", true); /* what lies before the newest full is past */
    bm_health_chain ("SQL01", "OrdersDb", links, 3, &findings);
    s_expect_one (&findings, BM_LEVEL_OK, "", "");
}

static void
ages_are_said_as_people_say_them (void **state)
{
    (void)state;
    char text[BM_HEALTH_AGE_BYTES];
    assert_string_equal (bm_health_age (-5, text), "0 s");
    assert_string_equal (bm_health_age (59999, text), "59 s");
    assert_string_equal (bm_health_age (60000, text), "1 min");
    assert_string_equal (bm_health_age (3600000, text), "1 h 00 min");
    assert_string_equal (bm_health_age (86400000, text), "1 d");
    assert_string_equal (bm_health_age (90000000, text), "1 d 1 h");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_sound_group_has_no_finding),
        cmocka_unit_test (before_the_first_run_there_is_a_note),
        cmocka_unit_test (the_last_run_is_told_unless_it_was_good),
        cmocka_unit_test (never_succeeded_is_a_failure_of_its_own),
        cmocka_unit_test (a_schedule_that_fires_no_more_is_noticed),
        cmocka_unit_test (the_promised_recovery_point_is_kept_or_a_failure),
        cmocka_unit_test (an_old_full_is_a_warning),
        cmocka_unit_test (a_group_whose_marks_are_mostly_doubtful_is_told_so),
        cmocka_unit_test (what_was_left_open_is_counted),
        cmocka_unit_test (a_log_that_nobody_backs_up_is_named_with_its_size),
        cmocka_unit_test (room_for_one_more_full_is_a_warning),
        cmocka_unit_test (clocks_may_differ_so_much_and_no_more),
        cmocka_unit_test (a_gap_is_a_failure_until_a_later_full_heals_it),
        cmocka_unit_test (a_log_that_somebody_else_took_is_named),
        cmocka_unit_test (ages_are_said_as_people_say_them),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
