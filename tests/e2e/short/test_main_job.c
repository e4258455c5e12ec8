/*  The main job, as an administrator would check it: two runs, then plain SQL at every instance. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/e2e/cluster.h"

typedef struct s_fixture {
    bm_cluster_t *cluster;
    bm_ran_t first, second;
} s_fixture_t;

static s_fixture_t fixture;

static int
s_setup (void **state)
{
    (void)state;
    fixture.cluster = bm_cluster_start (3, 8, true);
    bm_cluster_btsmark (fixture.cluster, &fixture.first, "run", "--json", NULL);
    bm_cluster_btsmark (fixture.cluster, &fixture.second, "run", "--json", NULL);
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    bm_cluster_stop (&fixture.cluster);
    bm_ran_clear (&fixture.first);
    bm_ran_clear (&fixture.second);
    return 0;
}

static json_t *
s_set (const bm_ran_t *ran, size_t index)
{
    if (!ran->json)
        fail_msg ("stdout is not one JSON object:\n%s\nstderr:\n%s", ran->out, ran->err);
    json_t *set = json_array_get (json_object_get (ran->json, "sets"), index);
    if (!set)
        fail_msg ("no set %zu in:\n%s\nstderr:\n%s", index, ran->out, ran->err);
    return set;
}

static const char *
s_text (json_t *object, const char *key)
{
    const char *text = json_string_value (json_object_get (object, key));
    if (!text)
        fail_msg ("no text \"%s\" in %s", key, json_dumps (object, JSON_INDENT (1)));
    return text;
}

static void
first_run_takes_a_full_and_a_log_set_second_run_a_log_set_only (void **state)
{
    (void)state;
    assert_int_equal (fixture.first.exit_code, 0);
    assert_int_equal (fixture.second.exit_code, 0);
    assert_string_equal (s_text (s_set (&fixture.first, 0), "type"), "db");
    assert_string_equal (s_text (s_set (&fixture.first, 1), "type"), "lg");
    assert_string_equal (s_text (s_set (&fixture.second, 0), "type"), "lg");
    assert_int_equal (json_array_size (json_object_get (fixture.second.json, "sets")), 1);
}

static void
every_set_is_complete_and_holds_all_eight_databases (void **state)
{
    (void)state;
    json_t *sets[] = {s_set (&fixture.first, 0), s_set (&fixture.first, 1),
                      s_set (&fixture.second, 0)};
    for (size_t i = 0; i < 3; i++) {
        assert_true (json_is_true (json_object_get (sets[i], "complete")));
        json_t *databases = json_object_get (sets[i], "databases");
        assert_int_equal (json_array_size (databases), 8);
        for (size_t k = 0; k < 8; k++)
            assert_string_equal (s_text (json_array_get (databases, k), "status"), "ok");
    }
    char *incomplete =
        bm_cluster_value (fixture.cluster, 0,
                          "SELECT COUNT(*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory "
                          "WHERE SetComplete = 0",
                          "n");
    assert_string_equal (incomplete, "0");
    free (incomplete);
    char *rows = bm_cluster_value (
        fixture.cluster, 0, "SELECT COUNT(*) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory", "n");
    assert_string_equal (rows, "24");
    free (rows);
}

static size_t
s_host_of (json_t *database)
{
    /*  A custom database is listed by an alias "sql03.sandbox.example,1433": the first five letters say which. */
    const char *server = s_text (database, "server");
    for (size_t i = 0; i < bm_cluster_hosts (fixture.cluster); i++)
        if (strncasecmp (bm_cluster_instance (fixture.cluster, i), server, 5) == 0)
            return i;
    fail_msg ("no host %s", server);
    return 0;
}

static void
s_assert_one (size_t host, char *batch, const char *what)
{
    char *n = bm_cluster_value (fixture.cluster, host, batch, "n");
    if (!n || strcmp (n, "1") != 0)
        fail_msg ("%s: %s, expected 1 from %s", what, n ? n : "no row", batch);
    free (n);
    free (batch);
}

static void
the_same_mark_stands_in_every_databases_marklog_and_logmarkhistory (void **state)
{
    (void)state;
    json_t *sets[] = {s_set (&fixture.first, 1), s_set (&fixture.second, 0)};
    for (size_t i = 0; i < 2; i++) {
        const char *mark = s_text (sets[i], "mark");
        assert_string_equal (s_text (sets[i], "outcome"), "clean");
        json_t *databases = json_object_get (sets[i], "databases");
        for (size_t k = 0; k < json_array_size (databases); k++) {
            json_t *database = json_array_get (databases, k);
            const char *name = s_text (database, "database");
            size_t host = s_host_of (database);
            s_assert_one (
                host,
                bm_format ("SELECT COUNT(*) AS n FROM [%s].dbo.MarkLog WHERE MarkName = N'%s'",
                           name, mark),
                "MarkLog");
            s_assert_one (host,
                          bm_format ("SELECT COUNT(*) AS n FROM msdb.dbo.logmarkhistory WHERE "
                                     "database_name = N'%s' AND mark_name = N'%s' AND lsn = %s",
                                     name, mark, s_text (database, "mark_lsn")),
                          "logmarkhistory");
            s_assert_one (
                host,
                bm_format ("SELECT COUNT(*) AS n FROM msdb.dbo.backupset WHERE database_name = "
                           "N'%s' AND type = 'L' AND first_lsn = %s AND last_lsn = %s AND "
                           "first_lsn <= %s AND last_lsn > %s",
                           name, s_text (database, "first_lsn"), s_text (database, "last_lsn"),
                           s_text (database, "mark_lsn"), s_text (database, "mark_lsn")),
                "backupset");
        }
    }
}

static json_t *
s_database (json_t *set, const char *name)
{
    json_t *databases = json_object_get (set, "databases");
    for (size_t k = 0; k < json_array_size (databases); k++)
        if (strcmp (s_text (json_array_get (databases, k), "database"), name) == 0)
            return json_array_get (databases, k);
    fail_msg ("%s is not in the set", name);
    return NULL;
}

static void
lsn_ranges_join_from_set_to_set_and_every_file_is_on_disk (void **state)
{
    (void)state;
    json_t *databases = json_object_get (s_set (&fixture.first, 1), "databases");
    for (size_t k = 0; k < json_array_size (databases); k++) {
        json_t *earlier = json_array_get (databases, k);
        json_t *later = s_database (s_set (&fixture.second, 0), s_text (earlier, "database"));
        assert_string_equal (s_text (earlier, "last_lsn"), s_text (later, "first_lsn"));
    }
    bm_cluster_needs_files (fixture.cluster);
    json_t *sets[] = {s_set (&fixture.first, 1), s_set (&fixture.second, 0)};
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < json_array_size (databases); k++)
            assert_int_equal (
                access (s_text (json_array_get (json_object_get (sets[i], "databases"), k), "file"),
                        R_OK),
                0);
}

static void
each_host_has_the_manifest_of_each_set_and_it_hashes_right (void **state)
{
    (void)state;
    for (size_t i = 0; i < bm_cluster_hosts (fixture.cluster); i++) {
        char *path = bm_format ("%s/%s.btsmark.json", bm_cluster_manifests (fixture.cluster, i),
                                s_text (s_set (&fixture.second, 0), "mark"));
        json_t *manifest = json_load_file (path, 0, NULL);
        if (!manifest)
            fail_msg ("%s is missing or no JSON", path);
        assert_int_equal (json_array_size (json_object_get (manifest, "databases")), 8);
        json_decref (manifest);
        free (path);
    }
}

static void
a_database_listed_under_an_alias_is_backed_up_once_on_its_real_instance (void **state)
{
    (void)state;
    json_t *orders = s_database (s_set (&fixture.second, 0), "OrdersDb");
    char *start = bm_format ("%s_OrdersDb_Log_", bm_cluster_instance (fixture.cluster, 2));
    for (char *c = start; *c; c++)
        if (*c == '\\')
            *c = '_';
    assert_non_null (strstr (s_text (orders, "file"), start));
    free (start);
}

static void
history_lists_what_was_done_for_a_person_and_for_a_program (void **state)
{
    (void)state;
    bm_ran_t ran = {0};
    assert_int_equal (bm_cluster_btsmark (fixture.cluster, &ran, "history", NULL), 0);
    assert_non_null (strstr (ran.out, s_text (s_set (&fixture.second, 0), "mark")));
    assert_int_equal (bm_cluster_btsmark (fixture.cluster, &ran, "history", "--json", NULL), 0);
    assert_non_null (ran.json);
    bm_ran_clear (&ran);
}

static void
every_process_ends_cleanly_and_no_log_holds_an_error_or_the_password (void **state)
{
    (void)state;
    bm_cluster_assert_clean_end (fixture.cluster, NULL);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (first_run_takes_a_full_and_a_log_set_second_run_a_log_set_only),
        cmocka_unit_test (every_set_is_complete_and_holds_all_eight_databases),
        cmocka_unit_test (the_same_mark_stands_in_every_databases_marklog_and_logmarkhistory),
        cmocka_unit_test (lsn_ranges_join_from_set_to_set_and_every_file_is_on_disk),
        cmocka_unit_test (each_host_has_the_manifest_of_each_set_and_it_hashes_right),
        cmocka_unit_test (a_database_listed_under_an_alias_is_backed_up_once_on_its_real_instance),
        cmocka_unit_test (history_lists_what_was_done_for_a_person_and_for_a_program),
        cmocka_unit_test (every_process_ends_cleanly_and_no_log_holds_an_error_or_the_password),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
