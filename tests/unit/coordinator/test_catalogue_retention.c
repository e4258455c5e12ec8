/*  tests/unit/coordinator/test_catalogue_retention.c
 *  What the catalogue knows of files, marks, retained sets, claims and deletions; and a file of the first schema.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "coordinator/shell/freshness.h"
#include "coordinator/shell/marks.h"
#include "tests/unit/coordinator/schema_1.h"

static char s_folder[64], s_path[128];
static bm_error_t s_error;

#define OK(call)                                                                                   \
    do {                                                                                           \
        s_error = (bm_error_t){0};                                                                 \
        if ((call) != BM_OK)                                                                       \
            fail_msg ("%s", s_error.text);                                                         \
    } while (0)

static int
s_setup (void **state)
{
    (void)state;
    snprintf (s_folder, sizeof s_folder, "/tmp/bm-catalogue-XXXXXX");
    if (!mkdtemp (s_folder))
        return -1;
    snprintf (s_path, sizeof s_path, "%s/catalogue.db", s_folder);
    return 0;
}

static int
s_teardown (void **state)
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
s_opened (void)
{
    bm_error_t error = {0};
    bm_catalogue_t *catalogue = bm_catalogue_open (s_path, "G", &error);
    if (!catalogue)
        fail_msg ("%s", error.text);
    return catalogue;
}

/* ---- an old file ------------------------------------------------------------------------------------------------- */

static void
s_sql (sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec (db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg ("%s: %s", why, sql);
}

/*  One database, a full and a log set with a mark; the second log backup is somebody else's. */
static const char *const s_old_rows[] = {
    "INSERT INTO meta VALUES ('group', 'G')",
    "INSERT INTO runs VALUES (1700000000, 'run', 1, 2, 'OK', 0, '')",
    "INSERT INTO databases VALUES ('SQL01', 'Db', 'SQL01', 'f', 'k', 1700000000, 1700000000, 0)",
    "INSERT INTO sets VALUES (1, 'db', 1700000000, 'BTS_1', NULL, 't', NULL, 1, NULL, 1, 10, 11, "
    "NULL, NULL)",
    "INSERT INTO sets VALUES (2, 'lg', 1700000000, 'BTS_2', 'BTS_2', 't', 'clean', 1, NULL, 1, 20, "
    "21, 5, 5)",
    "INSERT INTO set_databases VALUES (1, 'SQL01', 'Db', 'SQL01'), (2, 'SQL01', 'Db', 'SQL01')",
    "INSERT INTO rounds VALUES (1700000000, 1, 2, 'BTS_2', 'clean', 1, 'fine', 20, 21, 5, 5)",
    "INSERT INTO round_databases VALUES (1700000000, 1, 'SQL01', 'Db', 'SQL01')",
    "INSERT INTO mark_proofs VALUES ('BTS_2', 'SQL01', 'Db', 'SQL01', 1, 1, 1, '150', 't', 21)",
    "INSERT INTO backups (uuid, server, instance, database, type, device, first_lsn, last_lsn, "
    "last_fork, file_bytes, ours, set_id, recorded, seen_us) VALUES "
    "('u1', 'SQL01', 'SQL01', 'Db', 'db', '/b/1.bak', '100', '110', 'k', 7, 1, 1, 1, 12), "
    "('u2', 'SQL01', 'SQL01', 'Db', 'lg', '/b/x.trn', '105', '130', 'k', 7, 0, NULL, 0, 13), "
    "('u3', 'SQL01', 'SQL01', 'Db', 'lg', '/b/2.bak', '130', '160', 'k', 7, 1, 2, 1, 22)",
    "PRAGMA user_version = 1"};

static void
s_make_old (void)
{
    sqlite3 *db = NULL;
    assert_int_equal (sqlite3_open (s_path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof SCHEMA_1 / sizeof *SCHEMA_1; i++)
        s_sql (db, SCHEMA_1[i]);
    for (size_t i = 0; i < sizeof s_old_rows / sizeof *s_old_rows; i++)
        s_sql (db, s_old_rows[i]);
    sqlite3_close (db);
}

static void
a_file_of_the_first_schema_is_taken_over_with_all_that_it_knows (void **state)
{
    (void)state;
    s_make_old ();
    bm_catalogue_t *catalogue = s_opened ();
    char *reason = NULL;
    OK (bm_catalogue_unverified (catalogue, &reason, &s_error));
    assert_null (reason); /* it has been relied on before */
    bm_marks_t *marks = bm_marks_load (catalogue, 0, &s_error);
    assert_non_null (marks);
    assert_int_equal (marks->count, 1);
    assert_int_equal (marks->latest, 0);
    assert_string_equal (marks->marks[0].name, "BTS_2");
    assert_int_equal (marks->marks[0].at_us, 20);
    assert_int_equal (marks->stored_count, 3);
    bm_marks_destroy (&marks);
    bm_catalogue_close (&catalogue);
    catalogue = s_opened (); /* and once is enough */
    bm_catalogue_close (&catalogue);
}

/* ---- files and marks --------------------------------------------------------------------------------------------- */

static char *
s_why (bm_catalogue_t *catalogue)
{
    bm_marks_t *marks = bm_marks_load (catalogue, 10, &s_error);
    assert_non_null (marks);
    assert_true (marks->count >= 1);
    char *why = bm_marks_why (marks, 0);
    bm_marks_destroy (&marks);
    return why;
}

static void
s_expect_why (bm_catalogue_t *catalogue, const char *words, const char *more)
{
    char *why = s_why (catalogue);
    if (!strstr (why, words) || !strstr (why, more))
        fail_msg ("\"%s\" lacks \"%s\" or \"%s\"", why, words, more);
    free (why);
}

static void
a_missing_file_is_named_and_counts_again_when_it_is_back (void **state)
{
    (void)state;
    s_make_old ();
    bm_catalogue_t *catalogue = s_opened ();
    bm_file_seen_t seen = {"sql01", "/b/x.trn", BM_FILE_MISSING};
    OK (bm_catalogue_files_seen (catalogue, &seen, 1, &s_error));
    s_expect_why (catalogue, "/b/x.trn", "made by others");
    seen.state = BM_FILE_PRESENT;
    OK (bm_catalogue_files_seen (catalogue, &seen, 1, &s_error));
    char *why = s_why (catalogue);
    assert_string_equal (why, "");
    free (why);
    seen = (bm_file_seen_t){"SQL01", "/b/1.bak", BM_FILE_MISSING};
    OK (bm_catalogue_files_seen (catalogue, &seen, 1, &s_error));
    s_expect_why (catalogue, "full backup", "Db on SQL01");
    bm_catalogue_close (&catalogue);
}

static void
gaps_and_ends_are_told_with_their_lsns (void **state)
{
    (void)state;
    s_make_old ();
    sqlite3 *db = NULL;
    assert_int_equal (sqlite3_open (s_path, &db), SQLITE_OK);
    s_sql (db, "DELETE FROM backups WHERE uuid = 'u2'");
    bm_catalogue_t *catalogue = s_opened ();
    s_expect_why (catalogue, "no log backup holds LSN 110 to 130", "/b/2.bak");
    s_sql (db, "DELETE FROM backups WHERE uuid = 'u3'");
    s_expect_why (catalogue, "up to LSN 110", "before the mark");
    s_sql (db, "DELETE FROM backups");
    s_expect_why (catalogue, "no full backup", "Db on SQL01");
    s_sql (db, "UPDATE mark_proofs SET in_history = 0");
    s_expect_why (catalogue, "not proved", "Db");
    s_sql (db, "UPDATE rounds SET outcome = 'torn', reason = 'SQL02 is missing'");
    s_expect_why (catalogue, "SQL02 is missing", "some databases only");
    s_sql (db, "UPDATE rounds SET outcome = NULL, reason = NULL");
    s_expect_why (catalogue, "not settled", "");
    sqlite3_close (db);
    bm_catalogue_close (&catalogue);
}

static void
a_removed_file_is_forgotten_and_its_set_is_marked_as_cleaned (void **state)
{
    (void)state;
    s_make_old ();
    bm_catalogue_t *catalogue = s_opened ();
    bm_removal_t removals[] = {{.kind = "backup",
                                .instance = "SQL01",
                                .file = "/b/2.bak",
                                .database = "Db",
                                .set_id = 2,
                                .bytes = -1,
                                .why = "old"},
                               {.kind = "backup",
                                .instance = "SQL01",
                                .file = "/b/1.bak",
                                .database = "Db",
                                .set_id = 1,
                                .bytes = 7,
                                .why = "old"}};
    OK (bm_catalogue_manifest_put (catalogue, 2, "SQL01", "/b/BTS_2.btsmark.json", "x", &s_error));
    OK (bm_catalogue_removals_open (catalogue, 1700000000, INT64_MAX, removals, 2, &s_error));
    assert_true (removals[0].removal > 0 && removals[1].removal > removals[0].removal);
    bm_removal_end_t ends[] = {{removals[0].removal, 9, "deleted", NULL},
                               {removals[1].removal, -1, "left", "no"}};
    OK (bm_catalogue_removals_close (catalogue, ends, 2, &s_error));
    s_expect_why (catalogue, "deleted by retention", "");
    bm_set_row_t *row = NULL;
    OK (bm_catalogue_set (catalogue, 2, &row, &s_error));
    assert_true (row->cleaned_us > 0);
    bm_set_rows_destroy (&row, 1);
    OK (bm_catalogue_oldest_kept (catalogue, &row, &s_error));
    assert_int_equal (row->set_id, 1);
    bm_set_rows_destroy (&row, 1);
    bm_manifest_row_t *manifests = NULL;
    size_t count = 0;
    OK (bm_catalogue_manifests (catalogue, 0, &manifests, &count, &s_error));
    assert_int_equal (count, 1);
    assert_int_equal (manifests[0].set_id, 2);
    bm_manifest_rows_destroy (&manifests, count);
    bm_stored_t *stored = NULL;
    OK (bm_catalogue_stored (catalogue, &stored, &count, &s_error));
    assert_int_equal (count, 2);
    bm_stored_destroy (&stored, count);
    bm_catalogue_close (&catalogue);
}

static void
a_mark_stands_on_the_fork_its_database_had_then (void **state)
{
    (void)state;
    s_make_old ();
    bm_catalogue_t *catalogue = s_opened ();
    bm_mark_proof_t proof = {.mark = "BTS_2",
                             .server = "SQL01",
                             .instance = "SQL01",
                             .database = "Db",
                             .asked = true,
                             .in_marklog = true,
                             .in_history = true,
                             .lsn = "150"};
    OK (bm_catalogue_proof_put (catalogue, &proof, &s_error));
    OK (bm_catalogue_fork_change (catalogue, "SQL01", "Db", "other", &s_error));
    OK (bm_catalogue_proof_put (catalogue, &proof, &s_error));
    bm_marks_t *marks = bm_marks_load (catalogue, 0, &s_error);
    assert_string_equal (marks->marks[0].standings[0].fork, "k");
    assert_int_equal (marks->latest, 0); /* its backups are closed, and still bring it back */
    bm_marks_destroy (&marks);
    bm_catalogue_close (&catalogue);
}

/* ---- retained sets and claims ------------------------------------------------------------------------------------ */

static void
a_retained_set_keeps_its_last_reason_until_it_is_released (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = s_opened ();
    bm_retained_row_t *rows = NULL;
    size_t count = 0;
    bool was = false;
    OK (bm_catalogue_retain (catalogue, 7, -1, "first", "me", &s_error));
    OK (bm_catalogue_retain (catalogue, 7, 1000, "second", "you", &s_error));
    OK (bm_catalogue_retained (catalogue, &rows, &count, &s_error));
    assert_int_equal (count, 1);
    assert_string_equal (rows[0].reason, "second");
    assert_string_equal (rows[0].person, "you");
    assert_int_equal (rows[0].until_us, 1000);
    bm_retained_rows_destroy (&rows, count);
    OK (bm_catalogue_release (catalogue, 7, &was, &s_error));
    assert_true (was);
    OK (bm_catalogue_release (catalogue, 7, &was, &s_error));
    assert_false (was);
    bm_catalogue_close (&catalogue);
}

static void
a_claim_holds_until_its_time_or_its_end (void **state)
{
    (void)state;
    bm_catalogue_t *catalogue = s_opened ();
    int64_t now_us = bm_clock_utc_us (), first = 0, second = 0;
    bm_claim_row_t *rows = NULL;
    size_t count = 0;
    OK (bm_catalogue_claim (catalogue, "verify", 0, "BTS_2", "x", now_us + 60000000, &first,
                            &s_error));
    OK (bm_catalogue_claim (catalogue, "restore", 5, NULL, NULL, now_us - 1, &second, &s_error));
    OK (bm_catalogue_claims (catalogue, &rows, &count, &s_error));
    assert_int_equal (count, 1);
    assert_int_equal (rows[0].claim, first);
    assert_string_equal (rows[0].mark, "BTS_2");
    bm_claim_rows_destroy (&rows, count);
    OK (bm_catalogue_claim_renew (catalogue, second, now_us + 60000000, &s_error));
    OK (bm_catalogue_claim_end (catalogue, first, &s_error));
    OK (bm_catalogue_claims (catalogue, &rows, &count, &s_error));
    assert_int_equal (count, 1);
    assert_int_equal (rows[0].set_id, 5);
    bm_claim_rows_destroy (&rows, count);
    bm_catalogue_close (&catalogue);
}

/* ---- freshness --------------------------------------------------------------------------------------------------- */

static bm_freshness_t
s_freshness (bm_catalogue_t *catalogue, int64_t now_us)
{
    bm_freshness_t freshness;
    OK (bm_freshness_read (catalogue, now_us, &freshness, &s_error));
    return freshness;
}

static void
a_catalogue_is_stale_when_runs_stay_away_far_longer_than_usual (void **state)
{
    (void)state;
    const int64_t minute = 60000000;
    bm_catalogue_t *catalogue = s_opened ();
    assert_true (s_freshness (catalogue, 0).stale);
    assert_int_equal (s_freshness (catalogue, 0).last_run_us, -1);
    sqlite3 *db = NULL;
    assert_int_equal (sqlite3_open (s_path, &db), SQLITE_OK);
    for (int i = 0; i < 5; i++) {
        char sql[160];
        snprintf (
            sql, sizeof sql,
            "INSERT INTO runs (run, command, started_us, status) VALUES (%d, '%s', %lld, 'OK')",
            i + 1, i == 4 ? "clean" : "run", (long long)(i * 20 * minute));
        s_sql (db, sql);
    }
    sqlite3_close (db);
    /*  The last one only cleaned: backups were last taken 60 minutes after the first. */
    bm_freshness_t freshness = s_freshness (catalogue, 120 * minute);
    assert_int_equal (freshness.last_run_us, 60 * minute);
    assert_int_equal (freshness.usual_us, 20 * minute);
    assert_false (freshness.stale);
    assert_true (s_freshness (catalogue, 120 * minute + 1).stale);
    bm_catalogue_close (&catalogue);
}

static void
ages_are_told_in_the_largest_unit_that_says_enough (void **state)
{
    (void)state;
    static const struct {
        int64_t s;
        const char *text;
    } expected[] = {{-5, "0 s"},   {59, "59 s"},     {60, "1 min"},  {7199, "119 min"},
                    {7200, "2 h"}, {172799, "47 h"}, {172800, "2 d"}};
    char text[BM_AGE_BYTES];
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal (bm_freshness_age (expected[i].s * 1000000, text), expected[i].text);
}

#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        T (a_file_of_the_first_schema_is_taken_over_with_all_that_it_knows),
        T (a_missing_file_is_named_and_counts_again_when_it_is_back),
        T (gaps_and_ends_are_told_with_their_lsns),
        T (a_removed_file_is_forgotten_and_its_set_is_marked_as_cleaned),
        T (a_mark_stands_on_the_fork_its_database_had_then),
        T (a_retained_set_keeps_its_last_reason_until_it_is_released),
        T (a_claim_holds_until_its_time_or_its_end),
        T (a_catalogue_is_stale_when_runs_stay_away_far_longer_than_usual),
        cmocka_unit_test (ages_are_told_in_the_largest_unit_that_says_enough),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
