/*  Retention over real hosts: what a dry run says is what goes, the marks that are kept can be rebuilt from the files that are left,
 *  and what is not ours, or cannot be decided, stays. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

enum { HOSTS = 3, PERIODS = 3 };

typedef struct fixture {
    bm_cluster_t *cluster;
    bm_ran_t ran;
    int64_t first_set[PERIODS]; /* the full set that begins each */
    char *foreign, *stranger;   /* a log backup of somebody else; a file that is no backup */
    char *moved, *from;         /* a file that an operator took away */
} fixture_t;

static fixture_t s_it;

#define RUN(...) bm_cluster_btsmark (s_it.cluster, &s_it.ran, __VA_ARGS__, NULL)

static json_t *
s_json (void)
{
    if (!s_it.ran.json)
        fail_msg ("stdout is not one JSON object:\n%s\nstderr:\n%s", s_it.ran.out, s_it.ran.err);
    return s_it.ran.json;
}

static const char *
s_text (json_t *object, const char *key)
{
    return json_string_value (json_object_get (object, key));
}

static bool
s_is (json_t *object, const char *key, const char *text)
{
    const char *value = s_text (object, key);
    return value && strcmp (value, text) == 0;
}

static bool
s_exists (const char *file)
{
    return access (file, F_OK) == 0;
}

/*  Which of the three stretches of a full and its logs a set belongs to. */
static int
s_period (json_t *file)
{
    json_int_t set = json_integer_value (json_object_get (file, "set_id"));
    int period = PERIODS - 1;
    while (period > 0 && set < s_it.first_set[period])
        period--;
    return period;
}

/*  Files of `btsmark clean --json` that go, by period; manifests apart. */
typedef struct counts {
    size_t goes[PERIODS], stays[PERIODS], manifests, foreign;
} counts_t;

static counts_t
s_count (void)
{
    counts_t counts = {{0}, {0}, 0, 0};
    size_t i;
    json_t *file;
    json_array_foreach (json_object_get (s_json (), "files"), i, file)
    {
        if (s_is (file, "rule", "not-ours"))
            counts.foreign++;
        else if (s_is (file, "rule", "manifest"))
            counts.manifests++;
        else if (json_is_true (json_object_get (file, "goes")))
            counts.goes[s_period (file)]++;
        else
            counts.stays[s_period (file)]++;
    }
    return counts;
}

static void
s_expect (size_t first, size_t second, size_t third)
{
    counts_t counts = s_count ();
    if (counts.goes[0] != first || counts.goes[1] != second || counts.goes[2] != third)
        fail_msg ("%zu, %zu, %zu files of the periods go, expected %zu, %zu, %zu:\n%s",
                  counts.goes[0], counts.goes[1], counts.goes[2], first, second, third,
                  s_it.ran.out);
}

/* ---- the history ------------------------------------------------------------------------------------------------- */

static void
s_period_of_runs (int period)
{
    if (period)
        assert_int_equal (RUN ("force-full"), 0);
    for (int i = 0; i < 2; i++) {
        if (RUN ("run", "--json", "--quiet") != 0)
            fail_msg ("the run failed:\n%s\n%s", s_it.ran.out, s_it.ran.err);
        if (i == 0)
            s_it.first_set[period] = json_integer_value (json_object_get (
                json_array_get (json_object_get (s_json (), "sets"), 0), "set_id"));
    }
}

/*  Somebody else's log backup between two of ours, a file of nobody, and marks of years ago. */
static void
s_others (void)
{
    s_it.foreign = bm_format ("%s/backup/SQL02/by_hand.trn", bm_cluster_dir (s_it.cluster));
    s_it.stranger = bm_format ("%s/backup/SQL02/old_job.bak", bm_cluster_dir (s_it.cluster));
    char *batch = bm_format ("BACKUP LOG BizTalkMsgBoxDb TO DISK = N'%s'", s_it.foreign);
    bm_cluster_exec (s_it.cluster, 1, batch);
    free (batch);
    FILE *file = fopen (s_it.stranger, "w");
    assert_non_null (file);
    fputs ("not made by btsmark\n", file);
    fclose (file);
    bm_cluster_exec (s_it.cluster, 1,
                     "INSERT INTO BizTalkMsgBoxDb.dbo.MarkLog (MarkName) VALUES "
                     "(N'BTS_2020_01_01_00_00_00_000'), (N'a name without a time')");
}

static int
s_setup (void **state)
{
    (void)state;
    s_it.cluster = bm_cluster_start (HOSTS, 8, false);
    bm_cluster_edit (s_it.cluster, "btsmark.ini", "[coordinator]",
                     "[retention]\nkeep-marks = 1000\nkeep-time = 0\n\n[coordinator]");
    for (int period = 0; period < PERIODS; period++) {
        s_period_of_runs (period);
        if (period == PERIODS - 1)
            s_others ();
    }
    /*  The last period's last run comes after the others' backup. */
    assert_int_equal (RUN ("run", "--json", "--quiet"), 0);
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    bm_cluster_stop (&s_it.cluster);
    bm_ran_clear (&s_it.ran);
    free (s_it.foreign);
    free (s_it.stranger);
    free (s_it.moved);
    free (s_it.from);
    return 0;
}

/* ---- what is left rebuilds the marks ----------------------------------------------------------------------------- */

static void
s_assert_cuts (size_t host, const char *database, const char *mark)
{
    char *pattern = bm_format ("%s/backup/%s/%s_%s_*.bak", bm_cluster_dir (s_it.cluster),
                               bm_cluster_instance (s_it.cluster, host),
                               bm_cluster_instance (s_it.cluster, host), database);
    glob_t found = {0};
    if (glob (pattern, 0, NULL, &found) != 0)
        fail_msg ("no file is left of %s", pattern);
    const char **arguments = bm_alloc ((found.gl_pathc + 10) * sizeof *arguments);
    char *program = bm_format ("%s/sqlhost-cut", getenv ("BTSMARK_BUILD"));
    size_t count = 0;
    arguments[count++] = program;
    for (size_t i = 0; i < found.gl_pathc; i++)
        arguments[count++] = found.gl_pathv[i];
    if (strcmp (database, "BizTalkMsgBoxDb") == 0)
        arguments[count++] = s_it.foreign;
    const char *rest[] = {"--database", database, "--table", "MarkLog", "--mark", mark, NULL};
    for (size_t i = 0; rest[i]; i++)
        arguments[count++] = rest[i];
    bm_ran_t cut = {0};
    bm_process_t *process = bm_process_spawn (arguments);
    if (bm_process_wait_end (process, &cut, 30000) != 0 || !strstr (cut.out, mark))
        fail_msg ("%s cannot be brought to %s any more: %s", database, mark, cut.err);
    bm_process_destroy (&process);
    bm_ran_clear (&cut);
    free (program);
    free (arguments);
    globfree (&found);
    free (pattern);
}

static void
s_assert_usable_marks_cut (size_t expected)
{
    static const struct {
        size_t host;
        const char *database;
    } databases[] = {{0, "BizTalkMgmtDb"},       {0, "SSODB"},
                     {0, "BizTalkRuleEngineDb"}, {1, "BizTalkMsgBoxDb"},
                     {1, "BizTalkMsgBoxDb2"},    {2, "BizTalkDTADb"},
                     {2, "BAMPrimaryImport"},    {2, "OrdersDb"}};
    assert_int_equal (RUN ("marks", "--usable", "--json"), 0);
    json_t *marks = json_incref (json_object_get (s_json (), "marks")), *mark;
    size_t i;
    assert_int_equal (json_array_size (marks), expected);
    json_array_foreach (marks, i, mark) for (size_t k = 0; k < 8; k++)
        s_assert_cuts (databases[k].host, databases[k].database, s_text (mark, "mark"));
    json_decref (marks);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void
every_mark_is_usable_also_over_somebody_elses_log_backup (void **state)
{
    (void)state;
    assert_int_equal (RUN ("marks", "--json"), 0);
    json_t *latest = json_object_get (s_json (), "latest");
    assert_true (json_is_true (json_object_get (latest, "usable")));
    s_assert_usable_marks_cut (7);
}

static void
with_many_marks_to_keep_nothing_goes (void **state)
{
    (void)state;
    assert_int_equal (RUN ("clean", "--dry-run", "--json"), 0);
    s_expect (0, 0, 0);
    counts_t counts = s_count ();
    assert_int_equal (counts.stays[0], 24);
    assert_int_equal (counts.foreign, 1);
}

static void
a_dry_run_says_what_a_real_one_deletes_and_touches_nothing (void **state)
{
    (void)state;
    bm_cluster_edit (s_it.cluster, "btsmark.ini", "keep-marks = 1000", "keep-marks = 2");
    char *set = bm_format ("%lld", (long long)s_it.first_set[1] + 1);
    assert_int_equal (RUN ("retain", set, "--reason", "before the upgrade"), 0);
    free (set);
    assert_int_equal (RUN ("clean", "--dry-run", "--json"), 0);
    s_expect (24, 0, 0);
    json_t *planned = json_deep_copy (json_object_get (s_json (), "files")), *file, *done;
    size_t i, k, went = 0;
    json_array_foreach (planned, i, file) assert_true (s_exists (s_text (file, "file")));

    assert_int_equal (RUN ("clean", "--json"), 0);
    s_expect (24, 0, 0);
    assert_int_equal (json_array_size (json_object_get (s_json (), "files")),
                      json_array_size (planned));
    json_array_foreach (planned, i, file)
    {
        bool goes = json_is_true (json_object_get (file, "goes"));
        if (s_exists (s_text (file, "file")) == goes)
            fail_msg ("%s: the dry run said %s", s_text (file, "file"), goes ? "goes" : "stays");
        json_array_foreach (json_object_get (s_json (), "files"), k, done)
        {
            if (!s_is (done, "file", s_text (file, "file")) ||
                !s_is (done, "server", s_text (file, "server")))
                continue;
            assert_string_equal (s_text (done, "rule"), s_text (file, "rule"));
            assert_string_equal (s_text (done, "why"), s_text (file, "why"));
            if (goes)
                assert_string_equal (s_text (done, "fate"), "deleted");
            went += goes;
        }
    }
    assert_int_equal (went, 24 + 3 * HOSTS); /* and the manifests of three sets on each host */
    json_decref (planned);
}

static void
the_kept_marks_are_rebuilt_from_what_is_left (void **state)
{
    (void)state;
    s_assert_usable_marks_cut (5);
    assert_int_equal (RUN ("marks", "--all", "--json"), 0);
    json_t *marks = json_object_get (s_json (), "marks");
    json_t *oldest = json_array_get (marks, json_array_size (marks) - 1);
    assert_int_equal (json_array_size (marks), 7);
    assert_true (json_is_false (json_object_get (oldest, "usable")));
    assert_non_null (strstr (s_text (oldest, "why"), "deleted by retention"));
}

static void
what_is_not_ours_and_what_a_kept_set_needs_stays (void **state)
{
    (void)state;
    assert_true (s_exists (s_it.foreign) && s_exists (s_it.stranger));
    assert_int_equal (RUN ("clean", "--dry-run", "--json"), 0);
    size_t i, retained = 0;
    json_t *file;
    json_array_foreach (json_object_get (s_json (), "files"), i, file)
    {
        if (s_is (file, "file", s_it.foreign))
            assert_string_equal (s_text (file, "rule"), "not-ours");
        retained += s_is (file, "rule", "retained");
    }
    assert_int_equal (retained, 16); /* the retained set's logs, and the fulls they need */
    char *rows = bm_cluster_value (s_it.cluster, 0,
                                   "SELECT COUNT(*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory "
                                   "WHERE SetComplete = 1",
                                   "n");
    assert_true (strtol (rows, NULL, 10) >= 7 * 8); /* no row before its time */
    free (rows);
}

static void
rows_of_marklog_go_when_no_backup_reaches_so_far_back (void **state)
{
    (void)state;
    char *old = bm_cluster_value (s_it.cluster, 1,
                                  "SELECT COUNT(*) AS n FROM BizTalkMsgBoxDb.dbo.MarkLog WHERE "
                                  "MarkName = N'BTS_2020_01_01_00_00_00_000'",
                                  "n");
    char *other = bm_cluster_value (s_it.cluster, 1,
                                    "SELECT COUNT(*) AS n FROM BizTalkMsgBoxDb.dbo.MarkLog WHERE "
                                    "MarkName = N'a name without a time'",
                                    "n");
    char *present = bm_cluster_value (s_it.cluster, 1,
                                      "SELECT COUNT(*) AS n FROM BizTalkMsgBoxDb.dbo.MarkLog", "n");
    assert_string_equal (old, "0");
    assert_string_equal (other, "1");
    assert_string_equal (present, "8"); /* that name, and seven marks */
    free (old);
    free (other);
    free (present);
}

static void
a_file_that_an_operator_took_away_makes_older_marks_count (void **state)
{
    (void)state;
    json_t *file;
    size_t i;
    assert_int_equal (RUN ("clean", "--dry-run", "--json"), 0);
    json_array_foreach (json_object_get (s_json (), "files"), i,
                        file) if (!s_it.from && s_period (file) == 2 &&
                                  s_is (file, "database", "OrdersDb") &&
                                  strstr (s_text (file, "file"), "_Log_")) s_it.from =
        strdup (s_text (file, "file"));
    assert_non_null (s_it.from);
    s_it.moved = bm_format ("%s.away", s_it.from);
    assert_int_equal (rename (s_it.from, s_it.moved), 0);
    char *set = bm_format ("%lld", (long long)s_it.first_set[1] + 1);
    assert_int_equal (RUN ("retain", set, "--release"), 0);
    free (set);
    /*  The newest two marks that are usable now are of the second period: it must not go. */
    assert_int_equal (RUN ("clean", "--json"), 0);
    s_expect (0, 0, 0);
    assert_int_equal (RUN ("marks", "--json"), 0);
    json_t *newest = json_array_get (json_object_get (s_json (), "marks"), 0);
    assert_true (json_is_false (json_object_get (newest, "usable")));
    assert_non_null (strstr (s_text (newest, "why"), s_it.from));
    assert_string_equal (s_text (newest, "database"), "OrdersDb");
}

static void
nothing_goes_anywhere_while_one_host_cannot_be_asked (void **state)
{
    (void)state;
    assert_int_equal (rename (s_it.moved, s_it.from), 0);
    bm_cluster_kill (s_it.cluster, "agent-SQL03", SIGTERM);
    assert_int_equal (RUN ("clean", "--json"), 13);
    s_expect (0, 0, 0);
    assert_non_null (s_text (s_json (), "stop"));
    assert_int_equal (RUN ("clean", "--dry-run", "--json"), 13);
    s_expect (0, 0, 0);
    bm_cluster_resume (s_it.cluster);
}

static void
the_job_s_last_step_deletes_what_was_held_back_and_settles_a_file_that_is_gone (void **state)
{
    (void)state;
    assert_int_equal (RUN ("clean", "--dry-run", "--json"), 0);
    s_expect (0, 24, 0);
    json_t *planned = json_deep_copy (json_object_get (s_json (), "files")), *file;
    size_t i;
    bool removed = false;
    json_array_foreach (planned, i,
                        file) if (json_is_true (json_object_get (file, "goes")) && !removed)
    {
        assert_int_equal (unlink (s_text (file, "file")), 0);
        removed = true;
    }
    assert_int_equal (RUN ("run", "--json", "--quiet"), 0);
    json_array_foreach (planned, i, file) if (json_is_true (json_object_get (file, "goes")))
        assert_false (s_exists (s_text (file, "file")));
    json_decref (planned);
    assert_int_equal (RUN ("clean", "--json"), 0);
    s_expect (0, 0, 0);
    assert_int_equal (json_array_size (json_object_get (s_json (), "warnings")), 0);
    assert_true (s_exists (s_it.foreign) && s_exists (s_it.stranger));
    s_assert_usable_marks_cut (4);
}

static void
marks_are_told_with_the_management_server_gone (void **state)
{
    (void)state;
    bm_cluster_kill (s_it.cluster, "sqlhost-SQL01", SIGTERM);
    assert_int_equal (RUN ("marks", "--json"), 0);
    assert_true (json_is_object (json_object_get (s_json (), "latest")));
    assert_true (
        json_is_false (json_object_get (json_object_get (s_json (), "catalogue"), "stale")));
    bm_cluster_resume (s_it.cluster);
}

static void
the_end_is_clean (void **state)
{
    (void)state;
    bm_cluster_assert_clean_end (s_it.cluster, (const char *const[]){NULL});
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_mark_is_usable_also_over_somebody_elses_log_backup),
        cmocka_unit_test (with_many_marks_to_keep_nothing_goes),
        cmocka_unit_test (a_dry_run_says_what_a_real_one_deletes_and_touches_nothing),
        cmocka_unit_test (the_kept_marks_are_rebuilt_from_what_is_left),
        cmocka_unit_test (what_is_not_ours_and_what_a_kept_set_needs_stays),
        cmocka_unit_test (rows_of_marklog_go_when_no_backup_reaches_so_far_back),
        cmocka_unit_test (a_file_that_an_operator_took_away_makes_older_marks_count),
        cmocka_unit_test (nothing_goes_anywhere_while_one_host_cannot_be_asked),
        cmocka_unit_test (
            the_job_s_last_step_deletes_what_was_held_back_and_settles_a_file_that_is_gone),
        cmocka_unit_test (marks_are_told_with_the_management_server_gone),
        cmocka_unit_test (the_end_is_clean),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
