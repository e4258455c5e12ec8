/*  Three days without one host, and the day it is back, on real processes: wall time runs ahead for all of them at once
 *  (common/clock.c), six hours before each run. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

enum { HOUR = 3600, DAY = 24 * HOUR, STEPS = 12, AWAY = 2 };

static bm_cluster_t *cluster;
static bm_ran_t ran;
static char clock_file[] = "/tmp/bm-clock-XXXXXX";
static long shift_s;

static void
s_set_clock (long seconds)
{
    char text[32];
    int length = snprintf (text, sizeof text, "%ld\n", seconds);
    char beside[sizeof clock_file + 8];
    snprintf (beside, sizeof beside, "%s.next", clock_file);
    FILE *file = fopen (beside, "w");
    assert_non_null (file);
    assert_int_equal (fwrite (text, 1, (size_t)length, file), length);
    assert_int_equal (fclose (file), 0);
    assert_int_equal (rename (beside, clock_file), 0); /* nobody reads half of it */
    shift_s = seconds;
}

/*  It is 02:00 UTC of tomorrow for everybody, whatever the hour is: the days then begin where the test says. */
static int
s_setup (void **state)
{
    (void)state;
    int file = mkstemp (clock_file);
    assert_true (file >= 0);
    close (file);
    setenv ("BTSMARK_TEST_CLOCK", clock_file, 1);
    s_set_clock (DAY - (long)(time (NULL) % DAY) + 2 * HOUR);
    cluster = bm_cluster_start (3, 8, false);
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[schedule]\nfull-every = d\n\n[coordinator]\nconnect-timeout = 2 s");
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    bm_cluster_stop (&cluster);
    bm_ran_clear (&ran);
    unsetenv ("BTSMARK_TEST_CLOCK");
    unlink (clock_file);
    return 0;
}

static void
s_run (int expected)
{
    int code = bm_cluster_btsmark (cluster, &ran, "run", "--json", NULL);
    if (code != expected || !ran.json)
        fail_msg ("%ld hours after the start: %d was expected, it ended with %d:\n%s\n%s",
                  shift_s / HOUR, expected, code, ran.out, ran.err);
}

static json_t *
s_set (size_t index)
{
    json_t *set = json_array_get (json_object_get (ran.json, "sets"), index);
    if (!set)
        fail_msg ("no set %zu in:\n%s\n%s", index, ran.out, ran.err);
    return set;
}

static const char *
s_text (json_t *object, const char *key)
{
    const char *text = json_string_value (json_object_get (object, key));
    return text ? text : "";
}

static size_t
s_sets (void)
{
    return json_array_size (json_object_get (ran.json, "sets"));
}

static size_t
s_count_ok (json_t *set)
{
    size_t ok = 0, i;
    json_t *database;
    json_array_foreach (json_object_get (set, "databases"), i, database)
    {
        ok += strcmp (s_text (database, "status"), "ok") == 0;
    }
    return ok;
}

static long
s_number (size_t host, const char *batch)
{
    char *n = bm_cluster_value (cluster, host, batch, "n");
    long number = n ? strtol (n, NULL, 10) : -1;
    free (n);
    return number;
}

/*  How many databases of the group an instance has, and the most fulls that one of them took. */
static long
s_group_databases (size_t host)
{
    return s_number (host, "SELECT COUNT (DISTINCT database_name) AS n FROM msdb.dbo.backupset "
                           "WHERE type = 'L'");
}

static long
s_fulls (size_t host)
{
    return s_number (host, "SELECT MAX (c) AS n FROM (SELECT COUNT (*) AS c FROM "
                           "msdb.dbo.backupset WHERE type = 'D' GROUP BY database_name) AS fulls");
}

static void
s_assert_processes_shifted (void)
{
    char *now = bm_cluster_value (cluster, 0,
                                  "SELECT DATEDIFF (hour, '2000-01-01', "
                                  "SYSUTCDATETIME ()) AS n",
                                  "n");
    const long hours = ((long)time (NULL) + shift_s - 946684800L) / HOUR;
    assert_in_range (strtol (now, NULL, 10), hours - 1, hours + 1);
    free (now);
}

static void
three_days_without_a_host_cost_nobody_an_extra_full_and_one_run_repairs_everything (void **state)
{
    (void)state;
#ifdef NDEBUG
    print_message ("SKIPPED: wall time can be moved in debug builds only\n");
    skip ();
#endif
    s_assert_processes_shifted ();
    s_run (0);
    long well = s_group_databases (0) + s_group_databases (1), away = s_group_databases (AWAY);
    assert_int_equal (well + away, 8);
    assert_true (away > 0);
    bm_cluster_kill (cluster, "agent-SQL03", SIGKILL);
    bm_cluster_kill (cluster, "sqlhost-SQL03", SIGKILL);
    int64_t newest_full = 0;
    for (int step = 1; step <= STEPS; step++) {
        s_set_clock (shift_s + 6 * HOUR);
        s_run (13);
        bool new_day = step % 4 == 0; /* 02:00 again */
        assert_int_equal (s_sets (), new_day ? 2 : 1);
        if (new_day) {
            assert_string_equal (s_text (s_set (0), "type"), "db");
            newest_full = json_integer_value (json_object_get (s_set (0), "set_id"));
        }
        json_t *log = s_set (s_sets () - 1);
        assert_string_equal (s_text (log, "type"), "lg");
        assert_int_equal (s_count_ok (log), well); /* no log grows: each run backs them all up */
    }
    assert_int_equal (s_fulls (0), 4);
    assert_int_equal (s_fulls (1), 4);

    bm_cluster_resume (cluster);
    s_set_clock (shift_s + 6 * HOUR);
    s_run (0);
    assert_int_equal (s_sets (), 2);
    assert_int_equal (json_integer_value (json_object_get (s_set (0), "set_id")), newest_full);
    assert_int_equal (s_count_ok (s_set (0)), away);
    assert_int_equal (json_array_size (json_object_get (s_set (0), "databases")), away);
    for (size_t i = 0; i < 2; i++)
        assert_true (json_is_true (json_object_get (s_set (i), "complete")));
    assert_int_equal (s_count_ok (s_set (1)), 8);
    assert_int_equal (s_fulls (0), 4);
    assert_int_equal (s_fulls (1), 4);
    assert_int_equal (s_fulls (AWAY), 2);
    char *rows = bm_format ("SELECT COUNT (*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE "
                            "BackupSetId = %lld AND BackupType = 'db' AND SetComplete = 1",
                            (long long)newest_full);
    assert_int_equal (s_number (0, rows), 8);
    free (rows);

    s_set_clock (shift_s + 6 * HOUR);
    s_run (0);
    assert_int_equal (s_sets (), 1);
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
        cmocka_unit_test (
            three_days_without_a_host_cost_nobody_an_extra_full_and_one_run_repairs_everything),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_unexpected_error),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
