/*  Against the stand-in: what the statements really do to MarkLog, to its locks and to a mark that is being set. */
#include "tests/unit/agent/tests.h"

#include "agent/shell/trim.h"
#include "common/names.h"
#include "tests/unit/coordinator/live_sql.h"

static live_t s_live;
static bool s_no_live;

static void
a_time_is_that_of_mark_names_and_nothing_else (void **state)
{
    (void)state;
    assert_true (bm_trim_time_ok ("2026_11_21_02_15_01_327"));
    static const char *const bad[] = {"",
                                      "2026_11_21",
                                      "2026-11-21 02:15:01.327",
                                      "2026_11_21_02_15_01_3270",
                                      "2026_11_21_02_15_01_32x",
                                      "2026_11_21_02_15_01'327",
                                      "%%%%_%%_%%_%%_%%_%%_%%%"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false (bm_trim_time_ok (bad[i]));
}

typedef struct {
    bm_sql_t *sql;
    char *database; /* of the test */
} s_place_t;

static void
s_exec (bm_sql_t *sql, const char *batch)
{
    bm_error_t error = {0};
    if (bm_sql_exec (sql, batch, NULL, &error) != BM_OK)
        fail_msg ("%s\nin: %.300s", error.text, batch);
}

static int64_t
s_count (bm_sql_t *sql, const char *database, const char *where)
{
    bm_error_t error = {0};
    bm_sql_result_t *result = NULL;
    char *quoted = bm_names_quote (database);
    char *batch = bm_format ("SELECT COUNT (*) AS n FROM %s.dbo.MarkLog WITH (READPAST)%s%s;",
                             quoted, *where ? " WHERE " : "", where);
    if (bm_sql_exec (sql, batch, &result, &error) != BM_OK)
        fail_msg ("%s", error.text);
    int set = bm_sql_result_find (result, (const char *[]){"n", NULL});
    int64_t count = bm_sql_result_int (result, set, 0, "n", -1);
    bm_sql_result_destroy (&result);
    free (batch);
    free (quoted);
    return count;
}

static int
s_setup (void **state)
{
    static int made;
    s_place_t *place = bm_alloc (sizeof *place);
    *state = place;
    if (s_no_live)
        return 0;
    place->sql = live_sql (&s_live, "master");
    if (!place->sql)
        return -1;
    place->database = bm_format ("Trim %d'; DROP TABLE MarkLog --]", ++made);
    char *quoted = bm_names_quote (place->database);
    char *create = bm_format ("CREATE DATABASE %s;", quoted);
    char *table = bm_format ("CREATE TABLE %s.dbo.MarkLog (MarkName nvarchar(128) NULL);", quoted);
    s_exec (place->sql, create);
    s_exec (place->sql, table);
    free (table);
    free (create);
    free (quoted);
    return 0;
}

static int
s_teardown (void **state)
{
    s_place_t *place = *state;
    bm_sql_close (&place->sql);
    free (place->database);
    free (place);
    return 0;
}

/*  So many rows of distinct marks, a minute apart from 2026-01-<day> on. */
static void
s_fill (const s_place_t *place, int day, int count)
{
    char *quoted = bm_names_quote (place->database);
    for (int i = 0; i < count; i += 500) {
        char *batch = bm_format ("INSERT INTO %s.dbo.MarkLog (MarkName) VALUES ", quoted);
        for (int k = i; k < count && k < i + 500; k++) {
            char *more = bm_format ("%s%s(N'BTS_2026_01_%02d_%02d_%02d_00_000')", batch,
                                    k > i ? ", " : "", day, k / 60 % 24, k % 60);
            free (batch);
            batch = more;
        }
        s_exec (place->sql, batch);
        free (batch);
    }
    free (quoted);
}

static void
s_add (const s_place_t *place, const char *name)
{
    char *quoted = bm_names_quote (place->database), *literal = bm_names_literal (name);
    char *batch = bm_format ("INSERT INTO %s.dbo.MarkLog (MarkName) VALUES (%s);", quoted, literal);
    s_exec (place->sql, batch);
    free (batch);
    free (literal);
    free (quoted);
}

/*  The rows that went, or would go. */
static uint64_t
s_trim (const s_place_t *place, const char *before, const char *const *keep, size_t kept,
        bool dry_run, const char *word)
{
    char *databases[] = {place->database};
    Btsmark__TrimMarks order = BTSMARK__TRIM_MARKS__INIT;
    order.databases = databases;
    order.n_databases = 1;
    order.before = (char *)(uintptr_t)before;
    order.keep = (char **)(uintptr_t)keep;
    order.n_keep = kept;
    order.dry_run = dry_run;
    bm_trim_t trim = {.instance = "SQL01", .sql = place->sql};
    Btsmark__MarksTrimmed *trimmed = bm_trim_run (&trim, &order);
    assert_int_equal (trimmed->n_databases, 1);
    const Btsmark__TrimmedDatabase *one = trimmed->databases[0];
    if (!one->fault != !word || (word && !strstr (one->fault->text, word)))
        fail_msg ("%s", one->fault ? one->fault->text : "no fault");
    uint64_t rows = one->rows;
    btsmark__marks_trimmed__free_unpacked (trimmed, NULL);
    return rows;
}

static void
marks_before_the_time_go_and_no_others (void **state)
{
    if (s_no_live)
        skip ();
    const s_place_t *place = *state;
    static const char *const odd[] = {"BTS_2026_01_01",           "by hand",
                                      "X2026_01_01_00_00_00_000", "_2026_01_01_00_00_00_000x",
                                      "2026_01_01_00_00_00_000",  "BTS_2026_01_0x_00_00_00_000"};
    s_fill (place, 1, 1440);
    s_fill (place, 2, 60);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        s_add (place, odd[i]);
    s_add (place, "LONGNAME_2026_01_01_05_00_00_000"); /* a prefix of 8 */
    static const char *const keep[] = {"BTS_2026_01_01_12_00_00_000",
                                       "bts_2026_01_01_00_00_00_000"};
    const char *before = "2026_01_02_00_00_00_000";
    assert_int_equal (s_trim (place, before, keep, 2, true, NULL), 1440 - 2 + 1);
    assert_int_equal (s_count (place->sql, place->database, ""), 1440 + 60 + 6 + 1);
    assert_int_equal (s_trim (place, before, keep, 2, false, NULL), 1440 - 2 + 1);
    assert_int_equal (s_count (place->sql, place->database, ""), 2 + 60 + 6);
    assert_int_equal (
        s_count (place->sql, place->database, "MarkName LIKE N'BTS[_]2026[_]01[_]02%'"), 60);
    assert_int_equal (s_trim (place, before, keep, 2, false, NULL), 0);
}

/*  One name with more rows than one DELETE takes. */
static void
a_name_with_many_rows_goes_in_several_steps (void **state)
{
    if (s_no_live)
        skip ();
    const s_place_t *place = *state;
    for (int i = 0; i < 5; i++) {
        char *quoted = bm_names_quote (place->database);
        char *batch = bm_format ("INSERT INTO %s.dbo.MarkLog (MarkName) VALUES ", quoted);
        for (int k = 0; k < 500; k++) {
            char *more = bm_format ("%s%s(N'BTS_2026_01_01_00_00_00_000')", batch, k ? ", " : "");
            free (batch);
            batch = more;
        }
        s_exec (place->sql, batch);
        free (batch);
        free (quoted);
    }
    assert_int_equal (s_trim (place, "2026_01_02_00_00_00_000", NULL, 0, false, NULL), 2500);
}

/*  A mark that is being set holds its row; it neither waits for us nor do we for it. */
static void
a_mark_in_the_making_is_passed_over (void **state)
{
    if (s_no_live)
        skip ();
    const s_place_t *place = *state;
    bm_sql_t *other = live_sql (&s_live, "master");
    char *quoted = bm_names_quote (place->database);
    char *batch = bm_format ("BEGIN TRANSACTION; INSERT INTO %s.dbo.MarkLog (MarkName) VALUES "
                             "(N'BTS_2026_01_01_23_59_59_000');",
                             quoted);
    s_fill (place, 1, 10);
    s_exec (other, batch);
    int64_t began = bm_clock_mono_ms ();
    assert_int_equal (s_trim (place, "2026_01_02_00_00_00_000", NULL, 0, false, NULL), 10);
    assert_true (bm_clock_mono_ms () - began < 4000); /* LOCK_TIMEOUT was not waited for */
    s_exec (other, "COMMIT TRANSACTION;");
    assert_int_equal (s_count (place->sql, place->database, ""), 1);
    bm_sql_close (&other);
    free (batch);
    free (quoted);
}

/*  Whoever holds the whole table keeps us waiting for as long as LOCK_TIMEOUT, and no longer. */
static void
a_locked_table_is_a_fault_and_not_a_wait (void **state)
{
    if (s_no_live)
        skip ();
    const s_place_t *place = *state;
    bm_sql_t *other = live_sql (&s_live, "master");
    char *quoted = bm_names_quote (place->database);
    char *batch = bm_format (
        "BEGIN TRANSACTION; SELECT COUNT (*) FROM %s.dbo.MarkLog WITH (TABLOCKX, HOLDLOCK);",
        quoted);
    s_fill (place, 1, 10);
    s_exec (other, batch);
    assert_int_equal (s_trim (place, "2026_01_02_00_00_00_000", NULL, 0, false, "1222"), 0);
    s_exec (other, "ROLLBACK TRANSACTION;");
    assert_int_equal (s_trim (place, "2026_01_02_00_00_00_000", NULL, 0, false, NULL), 10);
    bm_sql_close (&other);
    free (batch);
    free (quoted);
}

static void
a_database_without_the_table_says_so_and_the_others_go_on (void **state)
{
    if (s_no_live)
        skip ();
    const s_place_t *place = *state;
    char *databases[] = {(char *)"nowhere", (char *)"master", place->database};
    Btsmark__TrimMarks order = BTSMARK__TRIM_MARKS__INIT;
    order.databases = databases;
    order.n_databases = 3;
    order.before = (char *)"2026_01_02_00_00_00_000";
    s_fill (place, 1, 3);
    bm_trim_t trim = {.instance = "SQL01", .sql = place->sql};
    Btsmark__MarksTrimmed *trimmed = bm_trim_run (&trim, &order);
    assert_non_null (trimmed->databases[0]->fault);
    assert_non_null (strstr (trimmed->databases[1]->fault->text, "MarkLog"));
    assert_null (trimmed->databases[2]->fault);
    assert_int_equal (trimmed->databases[2]->rows, 3);
    btsmark__marks_trimmed__free_unpacked (trimmed, NULL);
}

static bool
s_yes (void *argument)
{
    (void)argument;
    return true;
}

static void
a_stop_and_a_lost_login_are_told (void **state)
{
    if (s_no_live)
        skip ();
    const s_place_t *place = *state;
    char *databases[] = {place->database};
    Btsmark__TrimMarks order = BTSMARK__TRIM_MARKS__INIT;
    bm_error_t error = {0};
    order.databases = databases;
    order.n_databases = 1;
    order.before = (char *)"2026_01_02_00_00_00_000";
    s_fill (place, 1, 3);
    bm_trim_t trim = {.instance = "SQL01", .sql = place->sql, .stop = s_yes};
    Btsmark__MarksTrimmed *trimmed = bm_trim_run (&trim, &order);
    assert_string_equal (trimmed->databases[0]->fault->status, "STOPPED");
    assert_int_equal (s_count (place->sql, place->database, ""), 3);
    btsmark__marks_trimmed__free_unpacked (trimmed, NULL);
    bm_fail (&error, BM_SQL_LOGIN, "login refused");
    trim = (bm_trim_t){.instance = "SQL01", .error = &error};
    trimmed = bm_trim_run (&trim, &order);
    assert_string_equal (trimmed->fault->status, "SQL_LOGIN");
    assert_string_equal (trimmed->databases[0]->fault->status, "SQL_LOGIN");
    btsmark__marks_trimmed__free_unpacked (trimmed, NULL);
}

int
main (void)
{
    bm_error_t error = {0};
    zsys_handler_set (NULL);
    if (bm_sql_init (&error) != BM_OK)
        return 1;
    int started = live_start (&s_live);
    if (started < 0) {
        live_stop (&s_live);
        return 1;
    }
    s_no_live = started > 0;
    if (s_no_live)
        printf ("SKIPPED: the tests of MarkLog: no stand-in in the build folder\n");
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_time_is_that_of_mark_names_and_nothing_else),
        T (marks_before_the_time_go_and_no_others),
        T (a_name_with_many_rows_goes_in_several_steps),
        T (a_mark_in_the_making_is_passed_over),
        T (a_locked_table_is_a_fault_and_not_a_wait),
        T (a_database_without_the_table_says_so_and_the_others_go_on),
        T (a_stop_and_a_lost_login_are_told)};
#undef T
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    live_stop (&s_live);
    bm_sql_exit ();
    return failed;
}
