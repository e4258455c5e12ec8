#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/settle.h"

#define S_DEAD  "btsmark-agent SQL01/SQL01 btsmark run 16 @0000000000001111"
#define S_OURS  "btsmark-agent SQL01/SQL01 query @000000000000abcd"
#define S_OTHER "btsmark-agent SQL02/OTHER btsmark run 16 @0000000000001111"

/*  What is there, and what happens to it. */
typedef struct {
    bool dead, backing_up; /* the leftover session */
    int backup_ends_at;    /* at which look it is gone by itself; 0 = never */
    int looks, kills;
    int killed_spid;
} s_host_t;

static void
s_answer_sessions (fake_session_t *session, s_host_t *host)
{
    if (++host->looks == host->backup_ends_at)
        host->dead = false;
    const char *command = host->backing_up ? "BACKUP DATABASE" : NULL;
    fake_rows (session, "bm_spid,program_name,command", host->dead ? 3 : 2,
               (const char *[]){"60", S_OURS, NULL, "61", S_OTHER, NULL, "62", S_DEAD, command});
}

static bool
s_script (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    s_host_t *host = ((sql_place_t *)session->fake->argument)->argument;
    const char *name = rpc ? fake_parameter (rpc, "@name") : "";
    *run = SH_RUN_DONE;
    if (strstr (text, "dm_exec_sessions"))
        s_answer_sessions (session, host);
    else if (strstr (text, "KILL ")) {
        host->kills++;
        host->killed_spid = (int)strtol (strstr (text, "KILL ") + 5, NULL, 10);
        host->dead = false;
    } else if (strstr (text, "AS found")) {
        fake_rows (session, "found", 1, (const char *[]){"BTS_B"});
        fake_rows (session, "oldest", 1, (const char *[]){"BTS_0"});
    } else if (strstr (text, "logmarkhistory"))
        fake_rows (session, "mark_name,lsn,mark_time", 1,
                   (const char *[]){"BTS_B", "42", "2026-11-21 03:15:01.330"});
    else if (strstr (text, "backupmediafamily")) {
        assert_string_equal (name, "X");
        fake_rows (session, "backup_set_id,physical_device_name,last_fork", 2,
                   (const char *[]){"9", "/b/9.bak", "FORK", "8", "/b/8.bak", "FORK"});
    } else if (strstr (text, "database_recovery_status"))
        fake_rows (session, "recovery_fork", 0, NULL);
    else
        return false;
    return true;
}

static Btsmark__Settled *
s_settle (sql_place_t *place, s_host_t *host, uint32_t wait_ms)
{
    char *databases[] = {(char *)"X"}, *marks[] = {(char *)"BTS_A", (char *)"BTS_B"};
    Btsmark__Settle order = BTSMARK__SETTLE__INIT;
    order.databases = databases;
    order.n_databases = 1;
    order.marks = marks;
    order.n_marks = 2;
    order.wait_ms = wait_ms;
    place->argument = host;
    place->fake->script = s_script;
    bm_settle_t settle = {.instance = "SQL01", .start_id = 0xABCD, .sql = place->sql};
    return bm_settle_run (&settle, &order);
}

static void
the_truth_is_read_for_each_database (void **state)
{
    s_host_t host = {0};
    Btsmark__Settled *settled = s_settle (*state, &host, 0);
    assert_null (settled->fault);
    const Btsmark__SettledDatabase *one = settled->databases[0];
    assert_true (one->asked);
    assert_int_equal (one->n_marks_found, 1);
    assert_string_equal (one->marks_found[0], "BTS_B");
    assert_string_equal (one->oldest_mark, "BTS_0");
    assert_int_equal (one->n_proofs, 1);
    assert_true (one->proofs[0]->in_marklog);
    assert_string_equal (one->proofs[0]->lsn, "42");
    assert_int_equal (one->n_backups, 2);
    assert_int_equal (one->backups[0]->backup_set_id, 9);
    assert_string_equal (one->recovery_fork, "FORK"); /* the view is hidden: of the newest backup */
    assert_int_equal (settled->killed_sessions, 0);
    assert_int_equal (host.kills, 0); /* our own sessions and other instances' are left alone */
    btsmark__settled__free_unpacked (settled, NULL);
}

static void
a_leftover_session_is_ended_before_the_truth_is_read (void **state)
{
    s_host_t host = {.dead = true};
    Btsmark__Settled *settled = s_settle (*state, &host, 60000);
    assert_int_equal (host.kills, 1);
    assert_int_equal (host.killed_spid, 62);
    assert_int_equal (settled->killed_sessions, 1);
    assert_int_equal (settled->n_ended, 1);
    assert_true (settled->databases[0]->asked);
    btsmark__settled__free_unpacked (settled, NULL);
}

static void
a_leftover_backup_is_waited_for (void **state)
{
    s_host_t host = {.dead = true, .backing_up = true, .backup_ends_at = 3};
    Btsmark__Settled *settled = s_settle (*state, &host, 60000);
    assert_int_equal (host.kills, 0);
    assert_int_equal (host.looks, 3);
    assert_true (settled->databases[0]->asked);
    btsmark__settled__free_unpacked (settled, NULL);
}

static void
a_leftover_backup_that_takes_too_long_is_ended (void **state)
{
    s_host_t host = {.dead = true, .backing_up = true};
    Btsmark__Settled *settled = s_settle (*state, &host, 1);
    assert_int_equal (host.kills, 1);
    btsmark__settled__free_unpacked (settled, NULL);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        SQL_TEST (the_truth_is_read_for_each_database),
        SQL_TEST (a_leftover_session_is_ended_before_the_truth_is_read),
        SQL_TEST (a_leftover_backup_is_waited_for),
        SQL_TEST (a_leftover_backup_that_takes_too_long_is_ended)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
