/*  An instance: opening, logins, databases, sessions, faults, many threads at once. */
#include "tests/unit/sqlhost/engine_fixture.h"

static void
the_system_databases_and_msdb_tables_are_there_at_first (void **state)
{
    fx_t *fx = *state;
    static const char *const names[] = {"master", "tempdb", "model", "msdb", "A"};
    sh_db_info_t *dbs;
    size_t count = sh_db_list (fx->instance, &dbs);
    assert_int_equal (count, 5);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal (dbs[i].name, names[i]);
        assert_int_equal (dbs[i].id, (int)i + 1);
        assert_int_equal (dbs[i].state, SH_STATE_ONLINE);
    }
    assert_int_equal (dbs[4].recovery, SH_RECOVERY_FULL);
    assert_memory_equal (dbs[4].fork_guid, dbs[4].family_guid, 16);
    free (dbs);
    static const char *const tables[] = {"backupset",      "backupmediaset", "backupmediafamily",
                                         "logmarkhistory", "restorehistory", "sysjobs"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        fx_expect (fx_read (fx->s[0], SH_DB_MSDB, tables[i]), "");
    assert_string_equal (sh_instance_name (fx->instance), "SQL01");
    fx_reopen (fx);
    assert_true (fx->db == 5);
}

static void
a_data_directory_serves_one_process (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_instance_t *second = NULL;
    sh_options_t options = {.directory = fx->data};
    assert_int_equal (sh_instance_open (&second, &options, &error), SH_ERROR);
    assert_non_null (strstr (error.text, "in use"));
}

static void
logins_are_checked_by_their_password_and_survive (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_login_info_t info;
    fx_ok (sh_login_create (fx->instance, "Backup", "secret", false, &error), &error);
    assert_int_equal (sh_login_create (fx->instance, "backup", "x", false, &error), SH_ERROR);
    assert_int_equal (error.number, 15025);
    fx_reopen (fx);
    assert_true (sh_login_check (fx->instance, "BACKUP", "secret", &info));
    assert_string_equal (info.name, "Backup");
    assert_false (sh_login_check (fx->instance, "Backup", "Secret", NULL));
    assert_false (sh_login_check (fx->instance, "Backup", "", NULL));
    assert_false (sh_login_check (fx->instance, "nobody", "secret", NULL));
    bool yes = true;
    fx_ok (sh_login_alter (fx->instance, "Backup", "new", "A", &yes, NULL, &error), &error);
    assert_true (sh_login_check (fx->instance, "Backup", "new", &info));
    assert_true (info.sysadmin);
    assert_string_equal (info.default_database, "A");
    fx_ok (sh_login_alter (fx->instance, "Backup", NULL, NULL, NULL, &yes, &error), &error);
    assert_false (sh_login_check (fx->instance, "Backup", "new", NULL));
    fx_ok (sh_login_drop (fx->instance, "Backup", &error), &error);
    assert_int_equal (sh_login_drop (fx->instance, "Backup", &error), SH_ERROR);
    assert_int_equal (error.number, 15151);
}

static void
databases_are_made_and_dropped (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    int b = fx_make_db (fx, "B");
    assert_int_equal (sh_db_create (fx->s[0], "b", NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 1801);
    sh_esession_use (fx->s[1], b);
    assert_int_equal (sh_db_drop (fx->s[0], "B", &error), SH_ERROR);
    assert_int_equal (error.number, 3702);
    sh_esession_use (fx->s[1], SH_DB_MASTER);
    fx_ok (sh_db_drop (fx->s[0], "B", &error), &error);
    assert_int_equal (sh_db_drop (fx->s[0], "B", &error), SH_ERROR);
    assert_int_equal (error.number, 3701);
    assert_int_equal (sh_db_drop (fx->s[0], "msdb", &error), SH_ERROR);
    assert_int_equal (error.number, 3708);
    fx_begin (fx->s[0]);
    assert_int_equal (sh_db_create (fx->s[0], "C", NULL, &error), SH_ERROR);
    assert_int_equal (error.number, 226);
    sh_txn_rollback (fx->s[0]);
    assert_true (fx_make_db (fx, "B") > b); /* ids are not used again */
    fx_reopen (fx);
    assert_int_equal (sh_db_find (fx->instance, "B", NULL), SH_OK);
}

static void
an_offline_database_is_refused_with_942_and_comes_back (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_table_t *table = NULL;
    sh_db_change_t change = SH_DB_CHANGE_NONE;
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    change.state = SH_STATE_OFFLINE;
    fx_ok (sh_db_alter (fx->s[0], fx->db, &change, &error), &error);
    assert_int_equal (sh_table_open (fx->s[0], fx->db, NULL, "T", &table, &error), SH_ERROR);
    assert_int_equal (error.number, 942);
    fx_reopen (fx);
    assert_int_equal (sh_db_usable (fx->s[0], fx->db, &error), SH_ERROR);
    change.state = SH_STATE_ONLINE;
    fx_ok (sh_db_alter (fx->s[0], fx->db, &change, &error), &error);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=a ");
}

static void
rollback_immediate_kills_who_is_in_the_way (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_db_change_t change = SH_DB_CHANGE_NONE;
    change.state = SH_STATE_OFFLINE;
    fx_begin (fx->s[1]);
    fx_insert (fx->s[1], fx->db, "T", 1, "a");
    sh_esession_set_lock_timeout (fx->s[0], 0);
    assert_int_equal (sh_db_alter (fx->s[0], fx->db, &change, &error), SH_ERROR);
    assert_int_equal (error.number, 1222);
    change.rollback_immediate = true;
    sh_db_alter (fx->s[0], fx->db, &change, &error);
    assert_int_equal (sh_txn_commit (fx->s[1], &error), SH_KILLED);
    fx_ok (sh_db_alter (fx->s[0], fx->db, &change, &error), &error);
}

static void
a_single_user_database_lets_one_session_in (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_db_change_t change = SH_DB_CHANGE_NONE;
    change.access = SH_ACCESS_SINGLE;
    sh_esession_use (fx->s[0], fx->db);
    fx_ok (sh_db_alter (fx->s[0], fx->db, &change, &error), &error);
    fx_ok (sh_db_usable (fx->s[0], fx->db, &error), &error);
    assert_int_equal (sh_db_usable (fx->s[1], fx->db, &error), SH_ERROR);
    assert_int_equal (error.number, 924);
}

static void
sessions_are_listed_with_what_they_do (void **state)
{
    fx_t *fx = *state;
    sh_session_info_t *list;
    sh_esession_set_context_info (fx->s[1], "btsmark", 7);
    sh_esession_request (fx->s[1], "SELECT", "select 1", fx->db);
    fx_begin (fx->s[1]);
    size_t count = sh_esession_list (fx->instance, &list);
    assert_int_equal (count, FX_SESSIONS);
    assert_int_equal (list[0].session_id, 51);
    assert_int_equal (list[1].session_id, 52);
    assert_memory_equal (list[1].context_info, "btsmark", 7);
    assert_string_equal (list[1].command, "SELECT");
    assert_string_equal (list[1].text, "select 1");
    assert_string_equal (list[1].program_name, "test");
    assert_int_equal (list[1].db_id, fx->db);
    assert_true (list[1].transaction_is_user && list[1].transaction_id != 0);
    free (list);
    sh_esession_close (&fx->s[0]);
    sh_session_options_t options = {.login_name = "x"};
    assert_int_equal (sh_esession_open (fx->instance, &options, &fx->s[0], NULL), SH_OK);
    assert_int_equal (sh_esession_id (fx->s[0]), 51);
    sh_txn_info_t *txns;
    assert_int_equal (sh_txn_list (fx->instance, &txns), 1);
    assert_int_equal (txns[0].session_id, 52);
    free (txns);
}

static void
faults_are_set_by_name (void **state)
{
    fx_t *fx = *state;
    assert_true (sh_fault_set (fx->instance, "error_at", "3:1205"));
    assert_int_equal (sh_fault_get (fx->instance, SH_FAULT_ERROR_AT), 3);
    assert_int_equal (sh_fault_get (fx->instance, SH_FAULT_ERROR_NUMBER), 1205);
    assert_false (sh_fault_count_down (fx->instance, SH_FAULT_ERROR_AT));
    assert_false (sh_fault_count_down (fx->instance, SH_FAULT_ERROR_AT));
    assert_true (sh_fault_count_down (fx->instance, SH_FAULT_ERROR_AT));
    assert_false (sh_fault_count_down (fx->instance, SH_FAULT_ERROR_AT));
    assert_true (sh_fault_set (fx->instance, "kill_at_commit", "after:2"));
    assert_int_equal (sh_fault_get (fx->instance, SH_FAULT_KILL_AFTER_COMMIT), 2);
    assert_true (sh_fault_set (fx->instance, "all", "off"));
    assert_int_equal (sh_fault_get (fx->instance, SH_FAULT_KILL_AFTER_COMMIT), 0);
    assert_false (sh_fault_set (fx->instance, "no_such_fault", "1"));
    assert_false (sh_fault_set (fx->instance, "latency_ms", "soon"));
    assert_false (sh_fault_set (fx->instance, "latency_ms", "1:2"));
    assert_false (sh_fault_set (fx->instance, "kill_at_commit", "sometimes"));
}

static void
tempdb_is_empty_after_a_restart (void **state)
{
    fx_t *fx = *state;
    sh_table_t *table = NULL;
    fx_make_t (fx->s[0], SH_DB_TEMPDB, "#t");
    fx_insert (fx->s[0], SH_DB_TEMPDB, "#t", 1, "a");
    fx_expect (fx_read (fx->s[0], SH_DB_TEMPDB, "#t"), "1=a ");
    fx_reopen (fx);
    assert_int_equal (sh_table_open (fx->s[0], SH_DB_TEMPDB, NULL, "#t", &table, NULL), SH_END);
}

/*  ---- many at once ---- */

enum { S_ROUNDS = 150, S_ACCOUNTS = 6 };

/*  Moves one from an account to another; a deadlock victim tries again. */
static bool
s_move (fx_task_t *task, int from, int to)
{
    sh_esession_t *s = task->s;
    fx_begin (s);
    for (int step = 0; step < 2; step++) {
        int k = step ? to : from;
        fx_rows_t rows = fx_seek (s, task->fx->db, "T", k, SH_HINT_UPDLOCK);
        char text[32];
        sh_status_t status = rows.status;
        if (status == SH_END) {
            long value = strtol (strchr (rows.text, '=') + 1, NULL, 10) + (step ? 1 : -1);
            snprintf (text, sizeof text, "%ld", value);
            status = fx_try_change (s, task->fx->db, "T", k, text, &rows.error);
        }
        if (status != SH_OK) {
            if (rows.error.number != 1205)
                fail_msg ("%d %s", rows.error.number, rows.error.text);
            sh_txn_rollback (s);
            return false;
        }
    }
    fx_commit (s);
    return true;
}

static void
s_mover (void *arg)
{
    fx_task_t *task = arg;
    unsigned seed = (unsigned)task->number;
    for (int i = 0; i < S_ROUNDS; i++) {
        seed = seed * 1103515245u + 12345u;
        int from = (int)(seed >> 16) % S_ACCOUNTS;
        int to = (from + 1 + (int)(seed >> 20) % (S_ACCOUNTS - 1)) % S_ACCOUNTS;
        while (!s_move (task, from, to))
            sched_yield ();
    }
}

static void
s_backer (void *arg)
{
    fx_task_t *task = arg;
    for (int i = 0; i < 10 && task->status == SH_OK; i++)
        task->status = fx_try_backup (task->fx, task->s, task->fx->db, i % 5 != 0, "all.bak", NULL,
                                      &task->error);
}

static long
s_sum (const char *text)
{
    long sum = 0;
    for (const char *p = text; (p = strchr (p, '=')) != NULL; p++)
        sum += strtol (p + 1, NULL, 10);
    return sum;
}

static bool
s_add (void *arg, int64_t rid, const sh_value_t *values)
{
    (void)rid;
    *(long *)arg += strtol (values[1].as.text, NULL, 10);
    return true;
}

static void
money_is_neither_made_nor_lost_by_many_sessions (void **state)
{
    fx_t *fx = *state;
    fx_task_t movers[4] = {{0}}, backer = {0};
    for (int i = 0; i < S_ACCOUNTS; i++)
        fx_insert (fx->s[0], fx->db, "T", i, "1000");
    for (int i = 0; i < 4; i++) {
        movers[i].number = i + 1;
        fx_start (&movers[i], fx, fx->s[i + 1], s_mover);
    }
    fx_start (&backer, fx, fx->s[5], s_backer);
    for (int i = 0; i < 4; i++)
        fx_join (&movers[i]);
    fx_join (&backer);
    fx_ok (backer.status, &backer.error);
    assert_int_equal (s_sum (fx_read (fx->s[0], fx->db, "T").text), 1000 * S_ACCOUNTS);
    fx_reopen (fx);
    assert_int_equal (s_sum (fx_read (fx->s[0], fx->db, "T").text), 1000 * S_ACCOUNTS);
    char path[128];
    const char *files[] = {path};
    sh_cut_t *cut = NULL;
    sh_error_t error = {0};
    sh_cut_options_t options = {.files = files, .file_count = 1};
    fx_path (fx, "all.bak", path);
    if (sh_cut_open (&cut, &options, &error) != SH_CUT_OK)
        fail_msg ("%s", error.text);
    long sum = 0;
    sh_cut_rows (cut, (size_t)sh_cut_find (cut, NULL, "T"), s_add, &sum);
    sh_cut_close (&cut);
    assert_int_equal (sum, 1000 * S_ACCOUNTS);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        FX_TEST (the_system_databases_and_msdb_tables_are_there_at_first),
        FX_TEST (a_data_directory_serves_one_process),
        FX_TEST (logins_are_checked_by_their_password_and_survive),
        FX_TEST (databases_are_made_and_dropped),
        FX_TEST (an_offline_database_is_refused_with_942_and_comes_back),
        FX_TEST (rollback_immediate_kills_who_is_in_the_way),
        FX_TEST (a_single_user_database_lets_one_session_in),
        FX_TEST (sessions_are_listed_with_what_they_do),
        FX_TEST (faults_are_set_by_name),
        FX_TEST (tempdb_is_empty_after_a_restart),
        FX_TEST (money_is_neither_made_nor_lost_by_many_sessions),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
