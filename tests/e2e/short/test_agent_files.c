/*  A group whose agents get at backup files in three ways (themselves, through a mount, through SQL Server), backed up in
 *  stripes by BACKUP of btsmark's own: taken, brought to a mark, described by manifests, and cleaned up on every host. */
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

enum { LOCAL, MOUNTED, THROUGH_SQL, HOSTS, STRIPES = 2 };

static bm_cluster_t *s_cluster;
static bm_ran_t s_ran;

#define RUN(...) bm_cluster_btsmark (s_cluster, &s_ran, __VA_ARGS__, NULL)

static void
s_expect (const char *command)
{
    if (RUN (command, "--json") != 0 || !s_ran.json)
        fail_msg ("%s: exit %d\n%s\n%s", command, s_ran.exit_code, s_ran.out, s_ran.err);
}

static char *
s_folder (size_t host)
{
    return bm_format ("%s/backup/%s", bm_cluster_dir (s_cluster),
                      bm_cluster_instance (s_cluster, host));
}

/*  The instance's section says how its agent gets at files. */
static void
s_set_files (size_t host, const char *lines)
{
    char *section = bm_format ("[instance %s]", bm_cluster_instance (s_cluster, host));
    char *more = bm_format ("%s\n%s", section, lines);
    char *file = bm_format ("agent-%s.ini", bm_cluster_agent (s_cluster, host));
    bm_cluster_edit (s_cluster, file, section, more);
    free (file);
    free (more);
    free (section);
}

static int
s_setup (void **state)
{
    (void)state;
    s_cluster = bm_cluster_start (HOSTS, 8, true);
    bm_cluster_needs_stand_in (s_cluster, "backup file that this test could cut at a mark");
    bm_cluster_edit (s_cluster, "btsmark.ini", "[coordinator]",
                     "[backup]\nmethod = native\nstripes = 2\nmax-transfer-size = 128 KiB\n\n"
                     "[retention]\nkeep-marks = 1\nkeep-time = 0\n\n[coordinator]");
    char *folder = s_folder (MOUNTED),
         *manifests = bm_format ("%s/manifests", bm_cluster_dir (s_cluster));
    char *mounted = bm_format ("files = unc:%s => %s\n", folder, folder);
    char *through = bm_format ("files = sql\nmanifest-path = %s\n", manifests);
    assert_int_equal (mkdir (manifests, 0700), 0);
    s_set_files (MOUNTED, mounted);
    s_set_files (THROUGH_SQL, through);
    bm_cluster_kill (s_cluster, "agent-SQL01", SIGTERM);
    bm_cluster_kill (s_cluster, "agent-SQL03", SIGTERM);
    bm_cluster_resume (s_cluster);
    free (through);
    free (mounted);
    free (manifests);
    free (folder);
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    bm_cluster_stop (&s_cluster);
    bm_ran_clear (&s_ran);
    return 0;
}

/*  How many files a pattern below the cluster's folder finds. */
static size_t
s_files (const char *pattern)
{
    char *whole = bm_format ("%s/%s", bm_cluster_dir (s_cluster), pattern);
    glob_t found = {0};
    size_t count = glob (whole, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree (&found);
    free (whole);
    return count;
}

static void
every_backup_stands_in_stripes_with_its_manifest_where_the_agent_can_write (void **state)
{
    (void)state;
    s_expect ("run");
    assert_int_equal (s_files ("backup/*/*_Full_*_1of2.bak"), 8);
    assert_int_equal (s_files ("backup/*/*_Full_*_2of2.bak"), 8);
    assert_int_equal (s_files ("backup/*/*_Log_*_2of2.bak"), 8);
    assert_int_equal (s_files ("backup/*/*.bak"), 32);
    assert_int_equal (s_files ("backup/SQL01/*.btsmark.json"), 2);
    assert_int_equal (s_files ("backup/SQL02/*.btsmark.json"), 2);
    assert_int_equal (s_files ("backup/SQL03/*.btsmark.json"), 0);
    assert_int_equal (s_files ("manifests/*.btsmark.json"), 2);
}

static void
a_manifest_names_every_stripe (void **state)
{
    (void)state;
    char *pattern = bm_format ("%s/manifests/BTS_*.btsmark.json", bm_cluster_dir (s_cluster));
    glob_t found = {0};
    assert_int_equal (glob (pattern, 0, NULL, &found), 0);
    json_t *manifest = json_load_file (found.gl_pathv[0], 0, NULL), *database;
    assert_non_null (manifest);
    json_t *databases = json_object_get (manifest, "databases");
    size_t i;
    assert_int_equal (json_array_size (databases), 8);
    json_array_foreach (databases, i, database)
    {
        json_t *files = json_object_get (database, "files");
        assert_int_equal (json_array_size (files), STRIPES);
        assert_string_equal (json_string_value (json_array_get (files, 0)),
                             json_string_value (json_object_get (database, "file")));
        for (size_t k = 0; k < STRIPES; k++)
            assert_int_equal (access (json_string_value (json_array_get (files, k)), F_OK), 0);
    }
    json_decref (manifest);
    globfree (&found);
    free (pattern);
}

/*  The history has room for one file: the first. */
static void
the_history_has_one_row_for_each_database (void **state)
{
    (void)state;
    char *rows = bm_cluster_value (s_cluster, 0,
                                   "SELECT COUNT (*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory "
                                   "WHERE SetComplete = 1 AND BackupFileName LIKE N'%[_]1of2.bak'",
                                   "n");
    assert_string_equal (rows, "16");
    free (rows);
}

static void
s_assert_cut (const char *instance, const char *database, const char *mark)
{
    char *pattern =
        bm_format ("%s/backup/%s/*_%s_*.bak", bm_cluster_dir (s_cluster), instance, database);
    glob_t found = {0};
    assert_int_equal (glob (pattern, 0, NULL, &found), 0);
    const char **arguments = bm_alloc ((found.gl_pathc + 8) * sizeof *arguments);
    char *program = bm_format ("%s/sqlhost-cut", getenv ("BTSMARK_BUILD"));
    size_t count = 0;
    arguments[count++] = program;
    for (size_t i = 0; i < found.gl_pathc; i++)
        arguments[count++] = found.gl_pathv[i];
    const char *rest[] = {"--database", database, "--table", "MarkLog", "--mark", mark, NULL};
    for (size_t i = 0; rest[i]; i++)
        arguments[count++] = rest[i];
    bm_ran_t cut = {0};
    bm_process_t *process = bm_process_spawn (arguments);
    if (bm_process_wait_end (process, &cut, 30000) != 0 || !strstr (cut.out, mark))
        fail_msg ("%s cannot be brought to %s: %s", database, mark, cut.err);
    bm_process_destroy (&process);
    bm_ran_clear (&cut);
    free (program);
    free (arguments);
    globfree (&found);
    free (pattern);
}

/*  What was needed for older marks goes on every host, through whatever way leads there; what the newest mark needs stays. */
static void
cleaning_reaches_every_host_and_leaves_what_the_newest_mark_needs (void **state)
{
    (void)state;
    s_expect ("force-full");
    s_expect ("run");
    s_expect ("run");
    s_expect ("run"); /* its last step cleans, as the job's does */
    s_expect ("clean");
    assert_int_equal (s_files ("backup/*/*.bak"), 16 + 3 * 16);
    for (size_t host = 0; host < HOSTS; host++) {
        char *folder = bm_format ("backup/%s/*_Full_*.bak", bm_cluster_instance (s_cluster, host));
        assert_int_equal (s_files (folder), (size_t)(host == 1 ? 2 : 3) * STRIPES);
        free (folder);
    }
    assert_int_equal (s_files ("manifests/*.btsmark.json"), 4);
    assert_int_equal (s_files ("backup/SQL02/*.btsmark.json"), 4);
    s_expect ("marks");
    const char *mark =
        json_string_value (json_object_get (json_object_get (s_ran.json, "latest"), "mark"));
    assert_non_null (mark);
    char *name = bm_strdup (mark);
    s_assert_cut ("SQL01", "BizTalkMgmtDb", name);
    s_assert_cut ("SQL02", "BizTalkMsgBoxDb", name);
    s_assert_cut ("SQL03", "BizTalkDTADb", name);
    free (name);
}

/*  A mount of another folder would be noticed when the backups are needed: so it is looked at before each one. */
static void
a_mount_of_another_folder_stops_the_full_before_it_begins (void **state)
{
    (void)state;
    char *right = s_folder (MOUNTED),
         *wrong = bm_format ("%s/manifests", bm_cluster_dir (s_cluster));
    char *from = bm_format ("files = unc:%s => %s", right, right);
    char *to = bm_format ("files = unc:%s => %s", right, wrong);
    bm_cluster_edit (s_cluster, "agent-SQL01.ini", from, to);
    bm_cluster_kill (s_cluster, "agent-SQL01", SIGTERM);
    bm_cluster_resume (s_cluster);
    size_t before = s_files ("backup/SQL02/*.bak");
    assert_int_equal (RUN ("full", "--json"), 20);
    assert_non_null (strstr (s_ran.out, "is not the folder that SQL Server calls"));
    assert_int_equal (s_files ("backup/SQL02/*_Full_*.bak"), 4);
    assert_true (s_files ("backup/SQL02/*.bak") >= before);
    bm_cluster_edit (s_cluster, "agent-SQL01.ini", to, from);
    bm_cluster_kill (s_cluster, "agent-SQL01", SIGTERM);
    bm_cluster_resume (s_cluster);
    s_expect ("full");
    free (to);
    free (from);
    free (wrong);
    free (right);
}

static void
nothing_left_an_error_behind (void **state)
{
    (void)state;
    bm_cluster_assert_clean_end (s_cluster, NULL);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (
            every_backup_stands_in_stripes_with_its_manifest_where_the_agent_can_write),
        cmocka_unit_test (a_manifest_names_every_stripe),
        cmocka_unit_test (the_history_has_one_row_for_each_database),
        cmocka_unit_test (cleaning_reaches_every_host_and_leaves_what_the_newest_mark_needs),
        cmocka_unit_test (a_mount_of_another_folder_stops_the_full_before_it_begins),
        cmocka_unit_test (nothing_left_an_error_behind)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
