/*  Trouble before anything is touched: each gives a clear error with its remedy, the right exit code, and harms nothing. */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

static bm_cluster_t *cluster;
static bm_ran_t ran;

static int
s_setup (void **state)
{
    (void)state;
    cluster = bm_cluster_start (2, 6, false);
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    bm_cluster_stop (&cluster);
    bm_ran_clear (&ran);
    return 0;
}

/*  `run --json` ends with `exit_code`, the error's name, and a text that holds `says`; a remedy is always there. */
static void
s_expect (int exit_code, const char *name, const char *says)
{
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    if (!ran.json)
        fail_msg ("stdout is not one JSON object:\n%s\nstderr:\n%s", ran.out, ran.err);
    json_t *error = json_object_get (ran.json, "error");
    const char *got = json_string_value (json_object_get (error, "name"));
    const char *text = json_string_value (json_object_get (error, "text"));
    const char *remedy = json_string_value (json_object_get (error, "remedy"));
    if (code != exit_code || !got || strcmp (got, name) != 0 || !text || !strstr (text, says))
        fail_msg ("expected %d %s \"%s\", got %d:\n%s\n%s", exit_code, name, says, code, ran.out,
                  ran.err);
    assert_int_equal (json_integer_value (json_object_get (ran.json, "exit")), exit_code);
    if (!remedy || !*remedy)
        fail_msg ("no remedy for %s", name);
}

static void
s_expect_good (void)
{
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    if (code != 0)
        fail_msg ("a good run was expected, it ended with %d:\n%s\n%s", code, ran.out, ran.err);
}

static void
an_unknown_key_is_refused_with_file_and_line (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]", "[coordinator]\ncatalog = x.db");
    s_expect (10, "CONFIG", "catalog");
    assert_non_null (strstr (ran.out, "btsmark.ini"));
    bm_cluster_edit (cluster, "btsmark.ini", "\ncatalog = x.db", "");
}

static void
a_bad_value_is_refused_with_what_is_allowed (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[schedule]\nfull-every = fortnight\n\n[coordinator]");
    s_expect (10, "CONFIG", "fortnight");
    bm_cluster_edit (cluster, "btsmark.ini", "[schedule]\nfull-every = fortnight\n\n", "");
}

static void
a_missing_configuration_file_is_named (void **state)
{
    (void)state;
    bm_cluster_run (cluster, &ran, "btsmark", "run", "--json", "-c",
                    bm_cluster_path (cluster, "nowhere.ini"), NULL);
    assert_int_equal (ran.exit_code, 10);
    assert_non_null (ran.json);
    assert_non_null (strstr (ran.out, "nowhere.ini"));
}

static void
a_missing_password_file_is_named (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "password-file = sa.password",
                     "password-file = missing.password");
    s_expect (10, "CONFIG_SECRET", "missing.password");
    bm_cluster_edit (cluster, "btsmark.ini", "password-file = missing.password",
                     "password-file = sa.password");
}

static void
a_password_file_that_others_can_read_is_refused (void **state)
{
    (void)state;
    assert_int_equal (chmod (bm_cluster_path (cluster, "sa.password"), 0644), 0);
    s_expect (10, "CONFIG_SECRET", "sa.password");
    assert_int_equal (chmod (bm_cluster_path (cluster, "sa.password"), 0600), 0);
}

static void
a_key_file_that_others_can_read_is_refused (void **state)
{
    (void)state;
    assert_int_equal (chmod (bm_cluster_path (cluster, "keys/coordinator"), 0640), 0);
    s_expect (10, "CONFIG_SECRET", "keys/coordinator");
    assert_int_equal (chmod (bm_cluster_path (cluster, "keys/coordinator"), 0600), 0);
}

static void
a_key_the_agent_does_not_know_is_told_apart_from_an_agent_that_is_down (void **state)
{
    (void)state;
    assert_int_equal (bm_cluster_run (cluster, &ran, "btsmark", "keygen",
                                      bm_cluster_path (cluster, "keys/stranger"), NULL),
                      0);
    bm_cluster_edit (cluster, "btsmark.ini", "key-file = keys/coordinator",
                     "key-file = keys/stranger");
    s_expect (12, "REFUSED", "SQL01");
    bm_cluster_edit (cluster, "btsmark.ini", "key-file = keys/stranger",
                     "key-file = keys/coordinator");
}

static void
a_wrong_server_key_is_told_apart_too (void **state)
{
    (void)state;
    FILE *file = fopen (bm_cluster_path (cluster, "keys/agent-SQL01.public"), "r");
    assert_non_null (file);
    char right[64] = "", wrong[64];
    assert_non_null (fgets (right, sizeof right, file));
    fclose (file);
    right[strcspn (right, "\n")] = '\0';
    file = fopen (bm_cluster_path (cluster, "keys/coordinator.public"), "r");
    assert_non_null (file);
    assert_non_null (fgets (wrong, sizeof wrong, file));
    fclose (file);
    wrong[strcspn (wrong, "\n")] = '\0';
    bm_cluster_edit (cluster, "btsmark.ini", right, wrong);
    s_expect (12, "WRONG_SERVER_KEY", "SQL01");
    bm_cluster_edit (cluster, "btsmark.ini", wrong, right);
}

static void
an_instance_that_no_agent_serves_is_named_with_the_line_to_add (void **state)
{
    (void)state;
    bm_cluster_exec (
        cluster, 0,
        "INSERT INTO BizTalkMgmtDb.dbo.adm_OtherBackupDatabases VALUES (N'Far', N'FarDb', "
        "N'FARSERVER', N'-')");
    s_expect (10, "CONFIG_UNSERVED", "FARSERVER");
    assert_non_null (strstr (ran.out, "aliases"));
    bm_cluster_exec (cluster, 0,
                     "DELETE FROM BizTalkMgmtDb.dbo.adm_OtherBackupDatabases WHERE DatabaseName = "
                     "N'FarDb'");
}

static void
a_wrong_sql_password_is_a_refused_login (void **state)
{
    (void)state;
    FILE *file = fopen (bm_cluster_path (cluster, "wrong.password"), "w");
    assert_non_null (file);
    fputs ("nonsense\n", file);
    fclose (file);
    assert_int_equal (chmod (bm_cluster_path (cluster, "wrong.password"), 0600), 0);
    bm_cluster_edit (cluster, "btsmark.ini", "password-file = sa.password",
                     "password-file = wrong.password");
    s_expect (13, "SQL_LOGIN", "sa");
    bm_cluster_edit (cluster, "btsmark.ini", "password-file = wrong.password",
                     "password-file = sa.password");
}

static void
the_backup_lock_held_by_a_stranger_is_busy_and_nothing_is_touched (void **state)
{
    (void)state;
    bm_sql_t *stranger = bm_cluster_sql (cluster, 0, "BizTalkMgmtDb");
    bm_error_t error = {0};
    bm_sql_result_t *result = NULL;
    assert_int_equal (
        bm_sql_exec (stranger,
                     "EXEC sp_getapplock @Resource = N'BTS_BackupJob_Lock', @LockMode = "
                     "N'Exclusive', @LockOwner = N'Session'",
                     &result, &error),
        BM_OK);
    bm_sql_result_destroy (&result);
    bm_cluster_edit (cluster, "btsmark.ini", "login = sa", "lock-wait = 1 s\nlogin = sa");
    char *before = bm_cluster_value (
        cluster, 0, "SELECT NextBackupSetId AS n FROM BizTalkMgmtDb.dbo.adm_BackupSetId", "n");
    s_expect (11, "LOCK_BUSY", "btsmark-test");
    char *after = bm_cluster_value (
        cluster, 0, "SELECT NextBackupSetId AS n FROM BizTalkMgmtDb.dbo.adm_BackupSetId", "n");
    assert_string_equal (before, after);
    free (before);
    free (after);
    bm_cluster_edit (cluster, "btsmark.ini", "lock-wait = 1 s\n", "");
    bm_sql_close (&stranger);
}

static void
a_path_that_the_agent_does_not_allow_is_refused_by_the_agent (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[backup]\npath = /var/elsewhere\n\n[coordinator]");
    s_expect (20, "PATH_NOT_ALLOWED", "/var/elsewhere");
    bm_cluster_edit (cluster, "btsmark.ini", "[backup]\npath = /var/elsewhere\n\n", "");
}

static void
a_path_that_does_not_exist_is_named_before_a_mark_is_placed (void **state)
{
    (void)state;
    bm_cluster_needs_stand_in (cluster, "backup folder that a test may move away");
    const char *path = bm_cluster_path (cluster, "backup/SQL02");
    assert_int_equal (rename (path, bm_cluster_path (cluster, "backup/away")), 0);
    s_expect (20, "NOT_READY", "backup/SQL02");
    assert_int_equal (rename (bm_cluster_path (cluster, "backup/away"), path), 0);
}

static void
the_agent_refuses_a_bad_configuration_with_a_clear_line (void **state)
{
    (void)state;
    bm_cluster_edit (cluster, "agent-SQL01.ini", "[agent]", "[agent]\nparalel = 3");
    bm_cluster_run (cluster, &ran, "btsmark-agent", "-c",
                    bm_cluster_path (cluster, "agent-SQL01.ini"), NULL);
    assert_int_equal (ran.exit_code, 10);
    assert_non_null (strstr (ran.err, "paralel"));
    bm_cluster_edit (cluster, "agent-SQL01.ini", "\nparalel = 3", "");
    assert_int_equal (chmod (bm_cluster_path (cluster, "keys/agent-SQL01"), 0644), 0);
    bm_cluster_run (cluster, &ran, "btsmark-agent", "-c",
                    bm_cluster_path (cluster, "agent-SQL01.ini"), NULL);
    assert_int_equal (chmod (bm_cluster_path (cluster, "keys/agent-SQL01"), 0600), 0);
    assert_int_equal (ran.exit_code, 10);
    assert_non_null (strstr (ran.err, "0600"));
}

static void
after_all_of_it_a_run_is_good (void **state)
{
    (void)state;
    s_expect_good ();
}

static void
every_process_ends_cleanly_and_no_log_holds_an_unexpected_error (void **state)
{
    (void)state;
    bm_cluster_assert_clean_end (cluster, NULL);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_unknown_key_is_refused_with_file_and_line),
        cmocka_unit_test (a_bad_value_is_refused_with_what_is_allowed),
        cmocka_unit_test (a_missing_configuration_file_is_named),
        cmocka_unit_test (a_missing_password_file_is_named),
        cmocka_unit_test (a_password_file_that_others_can_read_is_refused),
        cmocka_unit_test (a_key_file_that_others_can_read_is_refused),
        cmocka_unit_test (a_key_the_agent_does_not_know_is_told_apart_from_an_agent_that_is_down),
        cmocka_unit_test (a_wrong_server_key_is_told_apart_too),
        cmocka_unit_test (an_instance_that_no_agent_serves_is_named_with_the_line_to_add),
        cmocka_unit_test (a_wrong_sql_password_is_a_refused_login),
        cmocka_unit_test (the_backup_lock_held_by_a_stranger_is_busy_and_nothing_is_touched),
        cmocka_unit_test (a_path_that_the_agent_does_not_allow_is_refused_by_the_agent),
        cmocka_unit_test (a_path_that_does_not_exist_is_named_before_a_mark_is_placed),
        cmocka_unit_test (the_agent_refuses_a_bad_configuration_with_a_clear_line),
        cmocka_unit_test (after_all_of_it_a_run_is_good),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
