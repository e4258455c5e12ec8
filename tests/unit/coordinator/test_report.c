/*  tests/unit/coordinator/test_report.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "coordinator/shell/progress.h"
#include "coordinator/shell/report.h"

static bm_report_t *
s_report (void)
{
    bm_report_t *report = bm_report_new ("run");
    report->group = bm_strdup ("test");
    report->run = 17;
    report->ended_us = report->began_us + 5000000;
    bm_report_set_t *set = bm_report_set_add (report, 41, BM_SET_LOG, 2);
    set->mark = bm_strdup ("BTS_X");
    set->has_outcome = true;
    set->outcome = BM_OUTCOME_UNCHECKED;
    set->window_us = 1234;
    set->fence_ms = 56;
    bm_report_attempt_add (set, "BTS_W", BM_OUTCOME_TORN, "SQL02 rolled back", NULL);
    bm_report_database_t *database = &set->databases[0];
    database->server = bm_strdup ("SQL01");
    database->database = bm_strdup ("A");
    database->file = bm_strdup ("D:\\B\\a.bak");
    database->bytes = 2048;
    database->first_lsn = bm_strdup ("38000000012300001");
    database->last_lsn = bm_strdup ("38000000012400001");
    database->ms = 12;
    database->status = BM_DATABASE_OK;
    database->recorded = true;
    database[1].server = bm_strdup ("SQL02");
    database[1].database = bm_strdup ("B");
    database[1].status = BM_DATABASE_FAILED;
    bm_fail (&database[1].error, BM_BACKUP_FAILED, "3201: no such folder");
    return report;
}

/*  Every key of the contract is there, absent = null. */
static void
s_assert_keys (json_t *object, const char *const *keys)
{
    for (size_t i = 0; keys[i]; i++)
        if (!json_object_get (object, keys[i]))
            fail_msg ("no key %s", keys[i]);
}

static void
the_object_has_every_key_of_the_contract (void **state)
{
    (void)state;
    bm_report_t *report = s_report ();
    json_t *json = bm_report_json (report);
    s_assert_keys (json, (const char *[]){"sets", "warnings", "error", "exit", NULL});
    json_t *set = json_array_get (json_object_get (json, "sets"), 0);
    s_assert_keys (set, (const char *[]){"set_id", "type", "mark", "outcome", "complete",
                                         "window_us", "fence_ms", "attempts", "databases", "reason",
                                         "in_flight", NULL});
    json_t *databases = json_object_get (set, "databases");
    for (size_t i = 0; i < 2; i++)
        s_assert_keys (json_array_get (databases, i),
                       (const char *[]){"server", "database", "file", "bytes", "first_lsn",
                                        "last_lsn", "mark_lsn", "ms", "status", "messages", NULL});
    json_t *first = json_array_get (databases, 0);
    assert_string_equal (json_string_value (json_object_get (first, "first_lsn")),
                         "38000000012300001");
    assert_true (json_is_null (json_object_get (first, "mark_lsn")));
    assert_true (json_is_null (json_object_get (json_array_get (databases, 1), "bytes")));
    assert_true (json_is_null (json_object_get (json, "error")));
    json_t *attempt = json_array_get (json_object_get (set, "attempts"), 0);
    assert_string_equal (json_string_value (json_object_get (attempt, "outcome")), "torn");
    assert_string_equal (json_string_value (json_object_get (attempt, "reason")),
                         "SQL02 rolled back");
    assert_int_equal (json_array_size (json_object_get (attempt, "in_flight")), 0);
    json_decref (json);
    bm_report_destroy (&report);
    bm_report_destroy (&report);
}

static void
what_was_in_flight_is_told_by_instance_unit_of_work_and_database (void **state)
{
    (void)state;
    static const char *const names[] = {"SQL01", "SQL02"}, *const databases[] = {"BizTalkMsgBoxDb"};
    bm_inflight_branch_t branch = {.unit_of_work = "0D5E6A5C",
                                   .transaction_state = 5,
                                   .databases = databases,
                                   .database_count = 1};
    bm_inflight_sample_t quiet = {.ran = true, .prepares = 5},
                         busy = {
                             .ran = true, .prepares = 7, .branches = &branch, .branch_count = 1};
    bm_inflight_t *inflight = bm_inflight_new (names, 2);
    for (size_t i = 0; i < 2; i++) {
        bm_inflight_before (inflight, i, &quiet);
        bm_inflight_after (inflight, i, &quiet);
    }
    assert_null (bm_report_in_flight_json (inflight));
    bm_inflight_after (inflight, 1, &busy);
    json_t *found = bm_report_in_flight_json (inflight);
    assert_int_equal (json_array_size (found), 1);
    json_t *one = json_array_get (found, 0);
    assert_string_equal (json_string_value (json_object_get (one, "instance")), "SQL02");
    assert_true (json_is_null (json_object_get (one, "not_run")));
    assert_int_equal (json_integer_value (json_object_get (one, "prepared_between")), 2);
    assert_int_equal (json_integer_value (json_object_get (one, "listed_after")), 1);
    json_t *after = json_array_get (json_object_get (one, "after"), 0);
    assert_string_equal (json_string_value (json_object_get (after, "unit_of_work")), "0D5E6A5C");
    assert_string_equal (json_string_value (json_object_get (after, "state")), "prepared");
    assert_string_equal (
        json_string_value (json_array_get (json_object_get (after, "databases"), 0)),
        "BizTalkMsgBoxDb");
    json_decref (found);
    bm_inflight_destroy (&inflight);
}

static void
messages_of_sql_server_are_kept_whole (void **state)
{
    (void)state;
    bm_sql_message_t items[] = {{3201, 16, 1, 5, (char *)"sp_BackupBizTalk", (char *)"cannot open"},
                                {3013, 16, 1, 5, (char *)"", (char *)"terminating"}};
    bm_sql_messages_t messages = {items, 2, 0};
    json_t *array = bm_report_messages_json (&messages);
    assert_int_equal (json_array_size (array), 2);
    json_t *first = json_array_get (array, 0);
    s_assert_keys (
        first, (const char *[]){"number", "severity", "state", "procedure", "line", "text", NULL});
    assert_int_equal (json_integer_value (json_object_get (first, "number")), 3201);
    assert_true (json_is_null (json_object_get (json_array_get (array, 1), "procedure")));
    json_decref (array);
    array = bm_report_messages_json (NULL);
    assert_int_equal (json_array_size (array), 0);
    json_decref (array);
}

static void
the_most_severe_error_gives_the_exit_code_and_of_equals_the_first (void **state)
{
    (void)state;
    bm_report_t *report = bm_report_new ("run");
    bm_error_t not_ready = {0}, incomplete = {0}, config = {0}, none = {0};
    bm_fail (&not_ready, BM_NOT_READY, "first");
    bm_fail (&incomplete, BM_SET_INCOMPLETE, "second");
    bm_fail (&config, BM_CONFIG_UNSERVED, "third");
    bm_report_fail (report, &none);
    assert_int_equal (bm_report_exit_code (report), 0);
    bm_report_fail (report, &not_ready);
    bm_report_fail (report, &incomplete);
    assert_int_equal (bm_report_exit_code (report), 20);
    assert_string_equal (report->error.text, "first");
    bm_report_fail (report, &config);
    bm_report_fail (report, &not_ready);
    assert_int_equal (bm_report_exit_code (report), 10);
    bm_report_destroy (&report);
}

static void
warnings_are_success_unless_the_configuration_asks_for_their_own_code (void **state)
{
    (void)state;
    bm_report_t *report = bm_report_new ("run");
    bm_report_warn (report, "the log of %s is large", "A");
    bm_report_warn (report, "the log of %s is large", "A");
    assert_int_equal (report->warning_count, 1);
    assert_int_equal (bm_report_exit_code (report), 0);
    report->exit_on_warnings = true;
    assert_int_equal (bm_report_exit_code (report), 3);
    bm_report_destroy (&report);
}

static void
the_text_says_what_failed_and_what_to_do (void **state)
{
    (void)state;
    bm_report_t *report = s_report ();
    bm_error_t error = {0};
    bm_fail (&error, BM_SET_INCOMPLETE, "set 41: a backup is missing: SQL02.B");
    bm_report_fail (report, &error);
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream (&text, &size);
    bm_report_text (report, memory);
    fclose (memory);
    static const char *const says[] = {
        "INCOMPLETE",  "1 of 2 databases", "BTS_X", "unchecked", "3201: no such folder",
        "what to do:", "exit code 20",     "torn",  "2.0 KiB"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        if (!strstr (text, says[i]))
            fail_msg ("\"%s\" is not in:\n%s", says[i], text);
    free (text);
    bm_report_destroy (&report);
}

static void
sizes_and_durations_read_well (void **state)
{
    (void)state;
    char text[BM_PROGRESS_TEXT_BYTES];
    assert_string_equal (bm_progress_bytes (-1, text), "?");
    assert_string_equal (bm_progress_bytes (1023, text), "1023 B");
    assert_string_equal (bm_progress_bytes (1024, text), "1.0 KiB");
    assert_string_equal (bm_progress_bytes (1288490189, text), "1.2 GiB");
    assert_string_equal (bm_progress_duration (-1, text), "-");
    assert_string_equal (bm_progress_duration (340, text), "340 ms");
    assert_string_equal (bm_progress_duration (1500, text), "1.5 s");
    assert_string_equal (bm_progress_duration (125000, text), "2 min 05 s");
    assert_string_equal (bm_progress_duration (3660000, text), "1 h 01 min");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_object_has_every_key_of_the_contract),
        cmocka_unit_test (what_was_in_flight_is_told_by_instance_unit_of_work_and_database),
        cmocka_unit_test (messages_of_sql_server_are_kept_whole),
        cmocka_unit_test (the_most_severe_error_gives_the_exit_code_and_of_equals_the_first),
        cmocka_unit_test (warnings_are_success_unless_the_configuration_asks_for_their_own_code),
        cmocka_unit_test (the_text_says_what_failed_and_what_to_do),
        cmocka_unit_test (sizes_and_durations_read_well),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
