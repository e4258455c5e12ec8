/*  tests/unit/coordinator/test_translate.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "coordinator/shell/translate.h"

static Btsmark__Fault
s_fault (const char *status, const char *text, const char *remedy)
{
    Btsmark__Fault fault = BTSMARK__FAULT__INIT;
    fault.status = (char *)status;
    fault.text = (char *)text;
    fault.remedy = (char *)remedy;
    return fault;
}

static void
a_fault_becomes_its_error_with_text_and_remedy (void **state)
{
    (void)state;
    Btsmark__Fault fault = s_fault ("SQL_LOGIN", "18456: login failed", "correct the password");
    bm_error_t error = {0};
    assert_int_equal (bm_translate_fault (&fault, &error), BM_SQL_LOGIN);
    assert_string_equal (error.text, "18456: login failed");
    assert_string_equal (error.remedy, "correct the password");
    assert_int_equal (bm_translate_fault (NULL, &error), BM_OK);
}

static void
a_status_that_this_version_does_not_know_is_a_protocol_error_and_not_our_bug (void **state)
{
    (void)state;
    static const char *const names[] = {"FROM_THE_FUTURE", "OK", ""};
    for (size_t i = 0; i < 3; i++) {
        Btsmark__Fault fault = s_fault (names[i], "text", "");
        bm_error_t error = {0};
        assert_int_equal (bm_translate_fault (&fault, &error), BM_PROTOCOL);
        assert_string_equal (error.text, "text");
    }
}

static void
several_faults_become_one_error_that_names_each (void **state)
{
    (void)state;
    Btsmark__Fault a = s_fault ("NOT_READY", "it is OFFLINE", ""),
                   b = s_fault ("IO", "no room", "");
    Btsmark__Fault *list[] = {&a, &b};
    bm_error_t error = {0};
    assert_int_equal (bm_translate_faults (list, 2, &error), BM_NOT_READY);
    assert_string_equal (error.text, "it is OFFLINE; no room");
    assert_int_equal (bm_translate_faults (NULL, 0, &error), BM_OK);
}

static void
empty_texts_of_a_row_are_not_known_and_its_identity_is_in_lower_case (void **state)
{
    (void)state;
    Btsmark__BackupRow row = BTSMARK__BACKUP_ROW__INIT;
    row.database = (char *)"A";
    row.type = (char *)"L";
    row.uuid = (char *)"AB-CD";
    row.first_lsn = (char *)"100";
    bm_backup_t backup;
    bm_translate_backup (&row, "alias", "SQL01", -1, &backup);
    assert_string_equal (backup.uuid, "ab-cd");
    assert_string_equal (backup.server, "alias");
    assert_int_equal (backup.type, BM_SET_LOG);
    assert_null (backup.device);
    assert_null (backup.last_lsn);
    assert_int_equal (backup.file_bytes, -1);
    bm_backup_clear (&backup);
}

static void
an_answer_that_is_none_of_ours_is_unknown (void **state)
{
    (void)state;
    assert_int_equal (bm_translate_commit (BTSMARK__COMMIT_ANSWER__COMMIT_DONE), BM_COMMIT_DONE);
    assert_int_equal (bm_translate_commit (BTSMARK__COMMIT_ANSWER__COMMIT_UNSPECIFIED),
                      BM_COMMIT_UNKNOWN);
    assert_int_equal (bm_translate_commit ((Btsmark__CommitAnswer)99), BM_COMMIT_UNKNOWN);
    assert_int_equal (bm_translate_status (BTSMARK__BACKUP_STATUS__BACKUP_OK), BM_DATABASE_OK);
    assert_int_equal (bm_translate_status (BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED),
                      BM_DATABASE_FAILED);
    assert_int_equal (bm_translate_status ((Btsmark__BackupStatus)99), BM_DATABASE_UNKNOWN);
}

static void
every_message_is_kept (void **state)
{
    (void)state;
    Btsmark__SqlMessage a = BTSMARK__SQL_MESSAGE__INIT, b = BTSMARK__SQL_MESSAGE__INIT;
    Btsmark__SqlMessage *list[] = {&a, &b};
    a.number = 3923;
    a.text = (char *)"ignored";
    b.number = 3013;
    bm_sql_messages_t *messages = bm_translate_messages (list, 2);
    assert_int_equal (messages->count, 2);
    assert_string_equal (messages->items[0].text, "ignored");
    assert_true (bm_translate_has_message (list, 2, 3923));
    assert_false (bm_translate_has_message (list, 2, 3201));
    bm_sql_messages_destroy (&messages);
    assert_null (bm_translate_messages (NULL, 0));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_fault_becomes_its_error_with_text_and_remedy),
        cmocka_unit_test (
            a_status_that_this_version_does_not_know_is_a_protocol_error_and_not_our_bug),
        cmocka_unit_test (several_faults_become_one_error_that_names_each),
        cmocka_unit_test (empty_texts_of_a_row_are_not_known_and_its_identity_is_in_lower_case),
        cmocka_unit_test (an_answer_that_is_none_of_ours_is_unknown),
        cmocka_unit_test (every_message_is_kept),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
