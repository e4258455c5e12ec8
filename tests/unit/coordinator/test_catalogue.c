#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "coordinator/shell/catalogue.h"

static char s_folder[64], s_path[128];
static bm_error_t s_error; /* of the last OK */

static const bm_group_database_t s_group[] = {
    {.server = "SQL01",
     .instance = "SQL01",
     .database = "BizTalkMgmtDb",
     .family = "f1",
     .fork = "k1"},
    {.server = "SQL02",
     .instance = "SQL02\\B",
     .database = "BizTalkDTADb",
     .family = "f2",
     .fork = "k2"},
};

static int
setup (void **state)
{
    (void)state;
    snprintf (s_folder, sizeof s_folder, "/tmp/bm-catalogue-XXXXXX");
    if (!mkdtemp (s_folder))
        return -1;
    snprintf (s_path, sizeof s_path, "%s/catalogue.db", s_folder);
    return 0;
}

static int
teardown (void **state)
{
    (void)state;
    const char *const names[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[160];
        snprintf (path, sizeof path, "%s%s", s_path, names[i]);
        unlink (path);
    }
    return rmdir (s_folder);
}

static bm_catalogue_t *
opened (void)
{
    bm_error_t error = {0};
    bm_catalogue_t *catalogue = bm_catalogue_open (s_path, "G", &error);
    if (!catalogue)
        fail_msg ("%s", error.text);
    return catalogue;
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        s_error = (bm_error_t){0};                                                                 \
        if ((call) != BM_OK)                                                                       \
            fail_msg ("%s", s_error.text);                                                         \
    } while (0)

static uint64_t
run_of (bm_catalogue_t *catalogue)
{
    uint64_t run = 0;
    OK (bm_catalogue_run_open (catalogue, "run", &run, &s_error));
    return run;
}

static bm_backup_t
backup_of (const char *uuid, size_t database, bm_set_type_t type, const char *first,
           const char *last)
{
    return (bm_backup_t){.server = (char *)s_group[database].server,
                         .instance = (char *)s_group[database].instance,
                         .database = (char *)s_group[database].database,
                         .type = type,
                         .uuid = (char *)uuid,
                         .device = "/b/x_BTS_1.bak",
                         .position = 1,
                         .first_lsn = (char *)first,
                         .last_lsn = (char *)last,
                         .first_fork = (char *)s_group[database].fork,
                         .last_fork = (char *)s_group[database].fork,
                         .family = (char *)s_group[database].family,
                         .started = "2026-11-21 02:15:00.000",
                         .finished = "2026-11-21 02:15:01.000",
                         .bytes = 100,
                         .file_bytes = -1};
}

static void
a_new_file_is_private_and_opens_again (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    assert_true (bm_catalogue_is_new (catalogue));
    assert_string_equal (bm_catalogue_group (catalogue), "G");
    bm_catalogue_close (&catalogue);
    assert_null (catalogue);
    struct stat facts;
    assert_int_equal (stat (s_path, &facts), 0);
    assert_int_equal (facts.st_mode & 0777, 0600);
    catalogue = opened ();
    assert_false (bm_catalogue_is_new (catalogue));
    bm_catalogue_close (&catalogue);
}

static void
another_groups_catalogue_is_refused (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    bm_catalogue_close (&catalogue);
    bm_error_t error = {0};
    assert_null (bm_catalogue_open (s_path, "H", &error));
    assert_int_equal (error.status, BM_CATALOGUE);
    assert_non_null (strstr (error.text, "\"G\""));
}

static void
a_damaged_file_is_refused_and_left_alone (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    run_of (catalogue);
    bm_catalogue_close (&catalogue);
    int fd = open (s_path, O_RDWR);
    assert_true (fd >= 0);
    char junk[4096];
    memset (junk, 0x5a, sizeof junk);
    for (off_t at = 4096; at < 12 * 4096; at += 4096)
        assert_int_equal (pwrite (fd, junk, sizeof junk, at), sizeof junk);
    close (fd);
    bm_error_t error = {0};
    assert_null (bm_catalogue_open (s_path, "G", &error));
    assert_int_equal (error.status, BM_CATALOGUE);
    assert_non_null (strstr (error.remedy, "move the file"));
    assert_int_equal (access (s_path, F_OK), 0);

    assert_int_equal (truncate (s_path, 0), 0);
    fd = open (s_path, O_RDWR);
    assert_int_equal (write (fd,
                             "this is no database, but a text of more than 100 bytes; "
                             "............................................",
                             100),
                      100);
    close (fd);
    assert_null (bm_catalogue_open (s_path, "G", &error));
    assert_int_equal (error.status, BM_CATALOGUE);
}

static void
a_later_schema_is_refused (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    bm_catalogue_close (&catalogue);
    sqlite3 *db;
    assert_int_equal (sqlite3_open (s_path, &db), SQLITE_OK);
    assert_int_equal (sqlite3_exec (db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close (db);
    bm_error_t error = {0};
    assert_null (bm_catalogue_open (s_path, "G", &error));
    assert_int_equal (error.status, BM_CATALOGUE);
    assert_non_null (strstr (error.remedy, "newer"));
}

static void
s_exec (const char *sql)
{
    sqlite3 *db;
    assert_int_equal (sqlite3_open (s_path, &db), SQLITE_OK);
    assert_int_equal (sqlite3_exec (db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close (db);
}

static void
an_earlier_schema_is_brought_up_to_date_by_a_run_of_its_own_group_only (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    bm_catalogue_close (&catalogue);
    s_exec ("DROP INDEX backups_standing; DROP INDEX backups_device; DROP TABLE retained;"
            "DROP TABLE claims; DROP TABLE removals; ALTER TABLE backups DROP COLUMN file_state;"
            "ALTER TABLE backups DROP COLUMN file_state_us;"
            "ALTER TABLE backups DROP COLUMN more_devices; ALTER TABLE sets DROP COLUMN cleaned_us;"
            "ALTER TABLE mark_proofs DROP COLUMN fork; ALTER TABLE rounds DROP COLUMN closed;"
            "PRAGMA user_version = 1");
    bm_error_t error = {0};
    assert_null (bm_catalogue_open_read_only (s_path, &error));
    assert_non_null (strstr (error.remedy, "run `btsmark run` once"));
    error = (bm_error_t){0};
    assert_null (bm_catalogue_open (s_path, "another group", &error));
    assert_non_null (strstr (error.text, "belongs to the group"));
    s_exec ("ALTER TABLE rounds ADD COLUMN closed"); /* it was not there: nothing was touched */
    s_exec ("ALTER TABLE rounds DROP COLUMN closed");
    catalogue = opened ();
    bm_catalogue_close (&catalogue);
    s_exec ("SELECT closed FROM rounds; SELECT file_state FROM backups; SELECT * FROM removals");
    catalogue = bm_catalogue_open_read_only (s_path, &error);
    assert_non_null (catalogue);
    bm_catalogue_close (&catalogue);
}

static void
an_epoch_never_comes_twice (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t last = run_of (catalogue);
    assert_true (last > 1700000000);
    for (int i = 0; i < 5; i++) {
        uint64_t run = run_of (catalogue);
        assert_true (run > last);
        last = run;
    }
    bm_catalogue_close (&catalogue);
    /*  A clock that was set back: the newest run is an hour ahead of now. */
    sqlite3 *db;
    assert_int_equal (sqlite3_open (s_path, &db), SQLITE_OK);
    char sql[128];
    snprintf (sql, sizeof sql,
              "INSERT INTO runs (run, command, started_us) VALUES (%llu, 'run', 0)",
              (unsigned long long)last + 3600);
    assert_int_equal (sqlite3_exec (db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close (db);
    catalogue = opened ();
    assert_true (run_of (catalogue) > last + 3600);
    bm_catalogue_close (&catalogue);
}

static void
a_run_that_was_killed_is_shown_as_open (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t first = run_of (catalogue);
    OK (bm_catalogue_run_close (catalogue, first, BM_NO_MARK, 21, "no mark", &s_error));
    uint64_t second = run_of (catalogue);
    OK (bm_catalogue_event (catalogue, second, "lock-lost", "why", &s_error));
    bm_run_row_t *rows;
    size_t count;
    OK (bm_catalogue_runs (catalogue, 10, &rows, &count, &s_error));
    assert_int_equal (count, 2);
    assert_int_equal (rows[0].run, second);
    assert_null (rows[0].status);
    assert_int_equal (rows[0].ended_us, -1);
    assert_string_equal (rows[1].status, "NO_MARK");
    assert_int_equal (rows[1].exit_code, 21);
    bm_run_rows_destroy (&rows, count);
    /*  Until the next one, which tells that it will never end. */
    run_of (catalogue);
    OK (bm_catalogue_runs (catalogue, 10, &rows, &count, &s_error));
    assert_int_equal (count, 3);
    assert_null (rows[0].status);
    assert_string_equal (rows[1].status, "IN_DOUBT");
    assert_true (rows[1].ended_us > 0);
    assert_string_equal (rows[2].status, "NO_MARK");
    bm_run_rows_destroy (&rows, count);
    bm_catalogue_close (&catalogue);
}

/*  I9. The child is killed with SIGKILL right after the function has returned. */
static void
an_intent_is_on_the_disk_when_the_function_returns (void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal (pipe (pipes), 0);
    pid_t child = fork ();
    if (child == 0) {
        uint64_t run;
        bm_catalogue_t *catalogue = bm_catalogue_open (s_path, "G", NULL);
        if (catalogue && bm_catalogue_run_open (catalogue, "run", &run, NULL) == BM_OK &&
            bm_catalogue_set_open (catalogue, run, 7, BM_SET_LOG, "BTS_1",
                                   "2026-11-21 02:15:00.000", s_group, 2, NULL) == BM_OK &&
            bm_catalogue_round_intent (catalogue, run, 1, 7, "BTS_1", 5, s_group, 2, NULL) ==
                BM_OK &&
            write (pipes[1], "x", 1) == 1)
            pause ();
        _exit (1);
    }
    close (pipes[1]);
    char byte;
    assert_int_equal (read (pipes[0], &byte, 1), 1);
    kill (child, SIGKILL);
    assert_int_equal (waitpid (child, NULL, 0), child);
    close (pipes[0]);

    bm_catalogue_t *catalogue = opened ();
    bm_error_t error = {0};
    bm_open_t *things = bm_catalogue_open_things (catalogue, &error);
    assert_non_null (things);
    assert_int_equal (bm_open_rounds (things), 1);
    assert_string_equal (bm_open_mark (things, 0), "BTS_1");
    bm_settle_in_t in = {0};
    bm_open_fill (things, &in);
    assert_int_equal (in.rounds[0].set_id, 7);
    assert_int_equal (in.rounds[0].database_count, 2);
    assert_int_equal (in.set_count, 1);
    assert_int_equal (in.sets[0].database_count, 2);
    assert_int_equal (in.sets[0].type, BM_SET_LOG);
    bm_open_destroy (&things);
    bm_catalogue_close (&catalogue);
}

static void
a_marks_name_is_never_used_again (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_round_intent (catalogue, run, 1, 1, "BTS_1", 0, s_group, 2, &s_error));
    bm_error_t error = {0};
    assert_int_equal (
        bm_catalogue_round_intent (catalogue, run, 2, 1, "BTS_1", 0, s_group, 2, &error),
        BM_CATALOGUE);
    /*  The failed transaction left nothing and blocks nothing. */
    OK (bm_catalogue_round_intent (catalogue, run, 2, 1, "BTS_2", 0, s_group, 2, &s_error));
    bm_catalogue_close (&catalogue);
}

static void
a_round_with_an_outcome_is_not_open_but_an_unknown_one_is (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_round_intent (catalogue, run, 1, 1, "BTS_1", 0, s_group, 2, &s_error));
    OK (bm_catalogue_round_intent (catalogue, run, 2, 1, "BTS_2", 0, s_group, 2, &s_error));
    OK (bm_catalogue_round_outcome (catalogue, run, 1, "BTS_1", 1, BM_OUTCOME_TORN, BM_FENCES_FELL,
                                    "why", 1500, 20, &s_error));
    OK (bm_catalogue_round_outcome (catalogue, run, 2, "BTS_2", 1, BM_OUTCOME_UNKNOWN,
                                    BM_FENCES_STOOD, "why", -1, -1, &s_error));
    /*  A round that never came to its intent has a row all the same. */
    OK (bm_catalogue_round_outcome (catalogue, run, 3, "BTS_3", 1, BM_OUTCOME_NONE,
                                    BM_FENCES_UNKNOWN, "why", -1, -1, &s_error));
    bm_journal_round_t *rows;
    size_t count;
    OK (bm_catalogue_rounds (catalogue, 1, 10, &rows, &count, &s_error));
    assert_int_equal (count, 3);
    assert_int_equal (rows[0].number, 3);
    assert_int_equal (rows[0].outcome, BM_OUTCOME_NONE);
    assert_int_equal (rows[2].outcome, BM_OUTCOME_TORN);
    assert_int_equal (rows[2].window_us, 1500);
    assert_int_equal (rows[1].window_us, -1);
    bm_journal_rounds_destroy (&rows, count);
    bm_error_t error = {0};
    bm_open_t *things = bm_catalogue_open_things (catalogue, &error);
    assert_int_equal (bm_open_rounds (things), 1);
    assert_string_equal (bm_open_mark (things, 0), "BTS_2");
    bm_settle_in_t in = {0};
    bm_open_fill (things, &in);
    assert_int_equal (in.rounds[0].fences, BM_FENCES_STOOD);
    bm_open_destroy (&things);
    bm_catalogue_close (&catalogue);
}

static void
a_set_lives_from_its_id_to_its_end (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_set_open (catalogue, run, 7, BM_SET_LOG, "BTS_1", "2026-11-21 02:15:00.000",
                               s_group, 2, &s_error));
    int64_t order = 0;
    OK (bm_catalogue_order_open (catalogue, run, 7, "SQL01", "SQL01", "BizTalkMgmtDb", BM_SET_LOG,
                                 "BTS_1", "BTS_1", &order, &s_error));
    bm_backup_t backup = backup_of ("A0-1", 0, BM_SET_LOG, "100", "200");
    backup.ours = true;
    backup.set_id = 7;
    backup.mark = "BTS_1";
    backup.mark_lsn = "150";
    bm_sql_message_t message = {3014, 0, 1, 1, "", "BACKUP LOG processed 5 pages"};
    bm_sql_messages_t messages = {&message, 1, 0};
    OK (bm_catalogue_order_close (catalogue, order, "ok", NULL, 12, &messages, &backup, &s_error));
    bm_outcome_t outcome = BM_OUTCOME_UNCHECKED;
    OK (bm_catalogue_set_mark (catalogue, 7, "BTS_1", NULL, &outcome, 900, 30, &s_error));
    OK (bm_catalogue_backup_recorded (catalogue, "a0-1", &s_error));
    OK (bm_catalogue_set_end (catalogue, 7, true, &s_error));

    bm_set_row_t *set;
    OK (bm_catalogue_set (catalogue, 7, &set, &s_error));
    assert_true (set->complete && set->has_outcome && !set->closed);
    assert_int_equal (set->outcome, BM_OUTCOME_UNCHECKED);
    assert_int_equal (set->backups, 1);
    assert_int_equal (set->databases, 2);
    assert_int_equal (set->window_us, 900);
    assert_string_equal (set->mark, "BTS_1");
    bm_set_rows_destroy (&set, 1);
    OK (bm_catalogue_set (catalogue, 8, &set, &s_error));
    assert_null (set);

    bm_order_row_t *orders;
    size_t count;
    OK (bm_catalogue_orders (catalogue, 7, &orders, &count, &s_error));
    assert_int_equal (count, 1);
    assert_string_equal (orders[0].status, "ok");
    assert_int_equal (orders[0].messages, 1);
    bm_order_rows_destroy (&orders, count);
    bm_sql_messages_t *read;
    OK (bm_catalogue_order_messages (catalogue, order, &read, &s_error));
    assert_int_equal (read->count, 1);
    assert_int_equal (read->items[0].number, 3014);
    bm_sql_messages_destroy (&read);

    bm_backups_t backups = {0};
    OK (bm_catalogue_set_backups (catalogue, 7, &backups, &s_error));
    assert_int_equal (backups.count, 1);
    assert_string_equal (backups.items[0].uuid, "a0-1");
    assert_true (backups.items[0].recorded && backups.items[0].ours);
    assert_string_equal (backups.items[0].mark_lsn, "150");
    assert_int_equal (backups.items[0].file_bytes, -1);
    bm_backups_clear (&backups);
    bm_catalogue_close (&catalogue);
}

static void
the_greatest_set_id_is_remembered_wherever_it_was_seen (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    int64_t greatest = -1;
    OK (bm_catalogue_set_max (catalogue, &greatest, &s_error));
    assert_int_equal (greatest, 0);
    OK (bm_catalogue_set_open (catalogue, run, 7, BM_SET_FULL, "s", "t", s_group, 2, &s_error));
    OK (bm_catalogue_set_seen (catalogue, 9, &s_error));
    OK (bm_catalogue_set_seen (catalogue, 8, &s_error));
    OK (bm_catalogue_set_max (catalogue, &greatest, &s_error));
    assert_int_equal (greatest, 9);
    OK (bm_catalogue_set_open (catalogue, run, 10, BM_SET_LOG, "s", "t", s_group, 2, &s_error));
    OK (bm_catalogue_set_max (catalogue, &greatest, &s_error));
    assert_int_equal (greatest, 10);
    bm_catalogue_close (&catalogue);
}

static void
a_complete_full_closes_the_older_ones_under_repair (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_set_open (catalogue, run, 1, BM_SET_FULL, "s1", "t", s_group, 2, &s_error));
    OK (bm_catalogue_set_open (catalogue, run, 2, BM_SET_LOG, "s2", "t", s_group, 2, &s_error));
    OK (bm_catalogue_set_open (catalogue, run, 3, BM_SET_FULL, "s3", "t", s_group, 2, &s_error));
    OK (bm_catalogue_set_end (catalogue, 2, true, &s_error));
    bm_set_row_t *set;
    OK (bm_catalogue_set (catalogue, 1, &set, &s_error));
    assert_false (set->closed);
    bm_set_rows_destroy (&set, 1);
    OK (bm_catalogue_set_end (catalogue, 3, true, &s_error));
    OK (bm_catalogue_set (catalogue, 1, &set, &s_error));
    assert_true (set->closed);
    bm_set_rows_destroy (&set, 1);
    bm_catalogue_close (&catalogue);
}

static void
a_backup_is_known_by_its_uuid_and_facts_only_grow (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    bm_backup_t backup = backup_of ("u1", 0, BM_SET_LOG, "100", "200");
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    backup.ours = true;
    backup.set_id = 4;
    backup.uuid = "U1";
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    backup.ours = false;
    backup.set_id = 0;
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    bm_backups_t backups = {0};
    OK (bm_catalogue_backups (catalogue, "sql01", "biztalkmgmtdb", &backups, &s_error));
    assert_int_equal (backups.count, 1);
    assert_true (backups.items[0].ours);
    assert_int_equal (backups.items[0].set_id, 4);
    bm_backups_clear (&backups);
    backup.uuid = NULL;
    bm_error_t error = {0};
    assert_int_equal (bm_catalogue_backup_put (catalogue, &backup, &error), BM_CATALOGUE);
    bm_catalogue_close (&catalogue);
}

static void
a_chain_is_read_by_lsn_and_starts_with_its_own_full (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    const struct {
        const char *uuid;
        bm_set_type_t type;
        const char *first, *last;
    } rows[] = {{"l2", BM_SET_LOG, "1500", "2500"},
                {"f1", BM_SET_FULL, "900", "1000"},
                {"f2", BM_SET_FULL, "1800", "2000"},
                {"l1", BM_SET_LOG, "99", "1500"}};
    for (size_t i = 0; i < 4; i++) {
        bm_backup_t backup = backup_of (rows[i].uuid, 0, rows[i].type, rows[i].first, rows[i].last);
        OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    }
    bm_backups_t backups = {0};
    OK (bm_catalogue_backups (catalogue, NULL, NULL, &backups, &s_error));
    assert_int_equal (backups.count, 4);
    const char *const order[] = {"l1", "f1", "l2", "f2"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal (backups.items[i].uuid, order[i]);
    bm_backup_t full;
    bool found;
    OK (bm_catalogue_chain_start (catalogue, &backups.items[0], &full, &found, &s_error));
    assert_true (found);
    assert_string_equal (full.uuid, "f1");
    bm_backup_clear (&full);
    OK (bm_catalogue_chain_start (catalogue, &backups.items[2], &full, &found, &s_error));
    assert_true (found);
    assert_string_equal (full.uuid, "f2");
    bm_backup_clear (&full);
    bm_backup_t other = backup_of ("x", 1, BM_SET_LOG, "100", "9000");
    OK (bm_catalogue_chain_start (catalogue, &other, &full, &found, &s_error));
    assert_false (found);
    bm_backups_clear (&backups);
    bm_catalogue_close (&catalogue);
}

static void
a_restored_database_closes_its_old_fork (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_databases_put (catalogue, run, s_group, 2, &s_error));
    char *fork;
    OK (bm_catalogue_fork (catalogue, "sql01", "BizTalkMgmtDb", &fork, &s_error));
    assert_string_equal (fork, "k1");
    free (fork);
    OK (bm_catalogue_fork (catalogue, "SQL09", "BizTalkMgmtDb", &fork, &s_error));
    assert_null (fork);
    bm_backup_t backup = backup_of ("u1", 0, BM_SET_LOG, "100", "200");
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    /*  What discovery sees does not change the fork by itself: that the fork differs is the fact that settling needs. */
    bm_group_database_t later = s_group[0];
    later.fork = "k9";
    OK (bm_catalogue_databases_put (catalogue, run, &later, 1, &s_error));
    OK (bm_catalogue_fork (catalogue, "SQL01", "BizTalkMgmtDb", &fork, &s_error));
    assert_string_equal (fork, "k1");
    free (fork);
    OK (bm_catalogue_fork_change (catalogue, "SQL01", "BizTalkMgmtDb", "k9", &s_error));
    OK (bm_catalogue_fork (catalogue, "SQL01", "BizTalkMgmtDb", &fork, &s_error));
    assert_string_equal (fork, "k9");
    free (fork);
    bm_backups_t backups = {0};
    OK (bm_catalogue_backups (catalogue, "SQL01", "BizTalkMgmtDb", &backups, &s_error));
    assert_int_equal (backups.count, 0);
    bm_backups_clear (&backups);
    bm_catalogue_close (&catalogue);
}

static void
an_answered_proof_is_not_lost_to_an_unanswered_one (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    bm_mark_proof_t proof = {.mark = "BTS_1",
                             .server = "SQL01",
                             .database = "BizTalkMgmtDb",
                             .asked = true,
                             .in_marklog = true,
                             .in_history = true,
                             .lsn = "150"};
    OK (bm_catalogue_proof_put (catalogue, &proof, &s_error));
    bm_mark_proof_t silent = {.mark = "BTS_1", .server = "SQL01", .database = "BizTalkMgmtDb"};
    OK (bm_catalogue_proof_put (catalogue, &silent, &s_error));
    char *lsn;
    OK (bm_catalogue_mark_lsn (catalogue, "BTS_1", "sql01", "biztalkmgmtdb", &lsn, &s_error));
    assert_string_equal (lsn, "150");
    free (lsn);
    OK (bm_catalogue_mark_lsn (catalogue, "BTS_2", "sql01", "biztalkmgmtdb", &lsn, &s_error));
    assert_null (lsn);
    bm_catalogue_close (&catalogue);
}

static void
settling_is_stored_whole_and_closes_what_it_settled (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_set_open (catalogue, run, 7, BM_SET_LOG, "BTS_1", "t", s_group, 2, &s_error));
    OK (bm_catalogue_set_mark (catalogue, 7, "BTS_1", NULL, NULL, -1, -1, &s_error));
    OK (bm_catalogue_round_intent (catalogue, run, 1, 7, "BTS_1", 0, s_group, 2, &s_error));
    int64_t order;
    OK (bm_catalogue_order_open (catalogue, run, 7, "SQL01", "SQL01", "BizTalkMgmtDb", BM_SET_LOG,
                                 "BTS_1", "BTS_1", &order, &s_error));
    OK (bm_catalogue_order_open (catalogue, run, 7, "SQL02", "SQL02", "BizTalkDTADb", BM_SET_LOG,
                                 "BTS_1", "BTS_1", &order, &s_error));
    uint64_t next = run_of (catalogue);
    bm_settle_outcome_t outcome = {run, 1, 7, "BTS_1", BM_OUTCOME_DOUBTFUL, true, "why"};
    bm_backup_t backup = backup_of ("u1", 0, BM_SET_LOG, "100", "200");
    backup.ours = true;
    backup.set_id = 7;
    int64_t close_id = 7;
    bm_settle_out_t out = {.outcomes = &outcome,
                           .outcome_count = 1,
                           .backups = {&backup, 1},
                           .close = &close_id,
                           .close_count = 1};
    OK (bm_catalogue_settled (catalogue, next, &out, &s_error));
    bm_order_row_t *orders;
    size_t count;
    OK (bm_catalogue_orders (catalogue, 7, &orders, &count, &s_error));
    assert_int_equal (count, 2);
    assert_string_equal (orders[0].status, "ok");
    assert_string_equal (orders[0].uuid, "u1");
    assert_string_equal (orders[1].status, "unknown");
    bm_order_rows_destroy (&orders, count);
    bm_set_row_t *set;
    OK (bm_catalogue_set (catalogue, 7, &set, &s_error));
    assert_true (set->closed && set->has_outcome);
    assert_int_equal (set->outcome, BM_OUTCOME_DOUBTFUL);
    bm_set_rows_destroy (&set, 1);
    bm_error_t error = {0};
    bm_open_t *things = bm_catalogue_open_things (catalogue, &error);
    bm_settle_in_t in = {0};
    bm_open_fill (things, &in);
    assert_int_equal (in.round_count, 0);
    assert_int_equal (in.set_count, 0);
    /*  Its row is still owed to adm_BackupHistory. */
    assert_int_equal (in.known_count, 1);
    bm_open_destroy (&things);
    bm_catalogue_close (&catalogue);
}

static void
backups_are_read_since_the_last_complete_set (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_databases_put (catalogue, run, s_group, 2, &s_error));
    OK (bm_catalogue_set_open (catalogue, run, 1, BM_SET_FULL, "s", "t", s_group, 1, &s_error));
    bm_backup_t backup = backup_of ("u1", 0, BM_SET_FULL, "100", "200");
    backup.ours = backup.recorded = true;
    backup.set_id = 1;
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    bm_error_t error = {0};
    bm_open_t *things = bm_catalogue_open_things (catalogue, &error);
    assert_null (bm_open_since (things, "SQL01", "BizTalkMgmtDb"));
    bm_open_destroy (&things);
    OK (bm_catalogue_set_end (catalogue, 1, true, &s_error));
    things = bm_catalogue_open_things (catalogue, &error);
    assert_string_equal (bm_open_since (things, "sql01", "biztalkmgmtdb"), "2026-11-21 00:15:00");
    assert_null (bm_open_since (things, "SQL02", "BizTalkDTADb"));
    /*  What the databases will list again is known, and nothing older. */
    bm_settle_in_t in = {0};
    bm_open_fill (things, &in);
    assert_int_equal (in.known_count, 1);
    bm_open_destroy (&things);
    backup.uuid = "u0";
    backup.set_id = 0;
    backup.started = "2026-11-20 23:59:59.000";
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    backup.uuid = "u2";
    backup.started = "2026-11-21 03:00:00.000";
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    OK (bm_catalogue_set_open (catalogue, run, 2, BM_SET_LOG, "s", "t", s_group, 1, &s_error));
    OK (bm_catalogue_set_end (catalogue, 2, false, &s_error));
    things = bm_catalogue_open_things (catalogue, &error);
    bm_open_fill (things, &in);
    assert_int_equal (in.known_count, 2);
    bm_open_destroy (&things);
    bm_catalogue_close (&catalogue);
}

static void
a_server_that_is_spelled_otherwise_keeps_its_chain (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_databases_put (catalogue, run, s_group, 2, &s_error));
    OK (bm_catalogue_set_open (catalogue, run, 1, BM_SET_FULL, "s", "t", s_group, 2, &s_error));
    bm_backup_t backup = backup_of ("u1", 1, BM_SET_FULL, "100", "200");
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    bm_group_database_t renamed[] = {s_group[0], s_group[1]};
    size_t count;
    OK (bm_catalogue_respell (catalogue, renamed, 2, &count, &s_error));
    assert_int_equal (count, 0);
    renamed[1].server = "sql02.example.com,1433";
    OK (bm_catalogue_respell (catalogue, renamed, 2, &count, &s_error));
    assert_int_equal (count, 1);
    bm_backup_t log = backup_of ("u2", 1, BM_SET_LOG, "150", "300"), full = {0};
    log.server = (char *)renamed[1].server;
    bool found = false;
    OK (bm_catalogue_chain_start (catalogue, &log, &full, &found, &s_error));
    assert_true (found);
    assert_string_equal (full.server, "sql02.example.com,1433");
    bm_backup_clear (&full);
    char *fork = NULL;
    OK (bm_catalogue_fork (catalogue, renamed[1].server, "BizTalkDTADb", &fork, &s_error));
    assert_string_equal (fork, "k2");
    free (fork);
    bm_error_t error = {0};
    bm_open_t *things = bm_catalogue_open_things (catalogue, &error);
    bm_settle_in_t in = {0};
    bm_open_fill (things, &in);
    assert_int_equal (in.set_count, 1);
    for (size_t i = 0; i < in.sets[0].database_count; i++)
        assert_string_not_equal (in.sets[0].databases[i].server, "SQL02");
    bm_open_destroy (&things);
    bm_catalogue_close (&catalogue);
}

static void
expect_owed (bm_catalogue_t *catalogue, uint64_t run, const char *const *instances, size_t expected)
{
    bm_owed_manifest_t *owed;
    size_t count;
    OK (bm_catalogue_manifests_owed (catalogue, run, &owed, &count, &s_error));
    assert_int_equal (count, expected);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal (owed[i].set_id, 1);
        assert_string_equal (owed[i].instance, instances[i]);
    }
    bm_owed_manifests_destroy (&owed, count);
}

static void
a_manifest_is_owed_until_an_instance_has_what_is_known_now (void **state)
{
    (void)state;
    const char *const both[] = {"SQL01", "SQL02\\B"};
    bm_catalogue_t *catalogue = opened ();
    uint64_t run = run_of (catalogue);
    OK (bm_catalogue_databases_put (catalogue, run, s_group, 2, &s_error));
    OK (bm_catalogue_set_open (catalogue, run, 1, BM_SET_FULL, "s", "t", s_group, 2, &s_error));
    uint64_t next = run + 1;
    expect_owed (catalogue, next, both, 0); /* it has no backup: there is nothing to restore */
    bm_backup_t backup = backup_of ("u1", 0, BM_SET_FULL, "100", "200");
    backup.set_id = 1;
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
    expect_owed (catalogue, run, both, 0); /* the run itself writes it at its end */
    expect_owed (catalogue, next, both, 2);
    OK (bm_catalogue_set_end (catalogue, 1, false, &s_error));
    OK (bm_catalogue_manifest_put (catalogue, 1, "SQL01", "/b/1.btsmark.json", "x", &s_error));
    expect_owed (catalogue, next, &both[1], 1);
    OK (bm_catalogue_manifest_put (catalogue, 1, "SQL02\\B", "/c/1.btsmark.json", "x", &s_error));
    expect_owed (catalogue, next, both, 0);
    OK (bm_catalogue_set_end (catalogue, 1, true, &s_error));
    expect_owed (catalogue, next, both, 2); /* those that stand there say incomplete */
    bm_catalogue_close (&catalogue);
}

static void
a_reader_makes_nothing_and_sees_all (void **state)
{
    (void)state;
    bm_error_t error = {0};
    assert_null (bm_catalogue_open_read_only (s_path, &error));
    assert_int_equal (error.status, BM_CATALOGUE);
    assert_int_not_equal (access (s_path, F_OK), 0);
    bm_catalogue_t *writer = opened ();
    uint64_t run = run_of (writer);
    bm_catalogue_t *reader = bm_catalogue_open_read_only (s_path, &error);
    assert_non_null (reader);
    bm_run_row_t *rows;
    size_t count;
    OK (bm_catalogue_runs (reader, 1, &rows, &count, &s_error));
    assert_int_equal (rows[0].run, run);
    bm_run_rows_destroy (&rows, count);
    assert_int_equal (bm_catalogue_event (reader, run, "x", "y", &error), BM_CATALOGUE);
    bm_catalogue_close (&reader);
    bm_catalogue_close (&writer);
}

#define T(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        T (a_new_file_is_private_and_opens_again),
        T (another_groups_catalogue_is_refused),
        T (a_damaged_file_is_refused_and_left_alone),
        T (a_later_schema_is_refused),
        T (an_earlier_schema_is_brought_up_to_date_by_a_run_of_its_own_group_only),
        T (an_epoch_never_comes_twice),
        T (a_run_that_was_killed_is_shown_as_open),
        T (an_intent_is_on_the_disk_when_the_function_returns),
        T (a_marks_name_is_never_used_again),
        T (a_round_with_an_outcome_is_not_open_but_an_unknown_one_is),
        T (a_set_lives_from_its_id_to_its_end),
        T (the_greatest_set_id_is_remembered_wherever_it_was_seen),
        T (a_complete_full_closes_the_older_ones_under_repair),
        T (a_backup_is_known_by_its_uuid_and_facts_only_grow),
        T (a_chain_is_read_by_lsn_and_starts_with_its_own_full),
        T (a_restored_database_closes_its_old_fork),
        T (an_answered_proof_is_not_lost_to_an_unanswered_one),
        T (settling_is_stored_whole_and_closes_what_it_settled),
        T (backups_are_read_since_the_last_complete_set),
        T (a_server_that_is_spelled_otherwise_keeps_its_chain),
        T (a_manifest_is_owed_until_an_instance_has_what_is_known_now),
        T (a_reader_makes_nothing_and_sees_all),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
