/*  tests/unit/coordinator/test_retention_commands.c
 *  `marks` and `retain` over a catalogue: what they print, at several widths, and what they refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "coordinator/commands/command.h"
#include "coordinator/shell/catalogue_retention.h"

#define USABLE "BTS_2026_11_21_02_15_01_327"
#define BROKEN "BTS_2026_11_21_02_30_01_327"

static char s_folder[64], s_ini[128], s_catalogue[128];

static void
s_write (const char *name, const char *text)
{
    char path[160];
    snprintf (path, sizeof path, "%s/%s", s_folder, name);
    FILE *file = fopen (path, "w");
    assert_non_null (file);
    fputs (text, file);
    fclose (file);
    assert_int_equal (chmod (path, 0600), 0);
}

/*  One database; a usable mark, and one that its log does not reach. */
static void
s_fill (void)
{
    bm_error_t error = {0};
    bm_catalogue_t *catalogue = bm_catalogue_open (s_catalogue, "G", &error);
    assert_non_null (catalogue);
    bm_catalogue_close (&catalogue);
    sqlite3 *db = NULL;
    assert_int_equal (sqlite3_open (s_catalogue, &db), SQLITE_OK);
    char *sql = bm_format (
        "INSERT INTO runs VALUES (1, 'run', %lld, %lld, 'OK', 0, '');"
        "INSERT INTO databases VALUES ('SQL01', 'OrdersDb', 'SQL01', 'f', 'k', 1, 1, 0);"
        "INSERT INTO sets (set_id, type, run, complete, databases, began_us) VALUES "
        "(1, 'db', 1, 1, 1, 10), (2, 'lg', 1, 1, 1, 20), (3, 'lg', 1, 0, 1, 30);"
        "INSERT INTO set_databases VALUES (1, 'SQL01', 'OrdersDb', 'SQL01'), "
        "(2, 'SQL01', 'OrdersDb', 'SQL01'), (3, 'SQL01', 'OrdersDb', 'SQL01');"
        "INSERT INTO rounds (run, number, set_id, mark, outcome, began_us) VALUES "
        "(1, 1, 2, '" USABLE "', 'clean', %lld), (1, 2, 3, '" BROKEN "', 'clean', %lld);"
        "INSERT INTO mark_proofs VALUES ('" USABLE
        "', 'SQL01', 'OrdersDb', 'SQL01', 1, 1, 1, '150', 't', 21, 'k'), ('" BROKEN
        "', 'SQL01', 'OrdersDb', 'SQL01', 1, 1, 1, '170', 't', 21, 'k');"
        "INSERT INTO backups (uuid, server, instance, database, type, device, first_lsn, last_lsn, "
        "last_fork, file_bytes, ours, set_id, recorded, seen_us) VALUES "
        "('u1', 'SQL01', 'SQL01', 'OrdersDb', 'db', '/b/1', '100', '110', 'k', 7, 1, 1, 1, 12), "
        "('u2', 'SQL01', 'SQL01', 'OrdersDb', 'lg', '/b/2', '105', '160', 'k', 7, 1, 2, 1, 13);",
        (long long)bm_clock_utc_us (), (long long)bm_clock_utc_us (),
        (long long)(bm_clock_utc_us () - 1500000000), (long long)(bm_clock_utc_us () - 600000000));
    char *why = NULL;
    if (sqlite3_exec (db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg ("%s", why);
    free (sql);
    sqlite3_close (db);
}

static int
s_setup (void **state)
{
    (void)state;
    snprintf (s_folder, sizeof s_folder, "/tmp/bm-commands-XXXXXX");
    if (!mkdtemp (s_folder))
        return -1;
    snprintf (s_ini, sizeof s_ini, "%s/btsmark.ini", s_folder);
    snprintf (s_catalogue, sizeof s_catalogue, "%s/catalogue.db", s_folder);
    s_write ("key", "x");
    s_write ("pw", "x");
    s_write ("btsmark.ini",
             "[group]\nname = G\nmanagement-server = nowhere:1433\nlogin = x\npassword-file = pw\n"
             "[coordinator]\nkey-file = key\ncatalogue = catalogue.db\n"
             "[agent A]\naddress = tcp://127.0.0.1:1\n"
             "server-key = rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\n");
    setenv ("BTSMARK_CONFIG", s_ini, 1);
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    static const char *const names[] = {
        "key", "pw", "btsmark.ini", "catalogue.db", "catalogue.db-wal", "catalogue.db-shm"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[160];
        snprintf (path, sizeof path, "%s/%s", s_folder, names[i]);
        unlink (path);
    }
    unsetenv ("BTSMARK_CONFIG");
    return rmdir (s_folder);
}

/*  Calls it with stdout on a terminal of so many columns (0 = no terminal, a file); what it wrote goes to `out`. */
static int
s_call (const bm_command_t *command, unsigned short columns, char out[8192], int argc,
        const char **arguments)
{
    char *argv[8] = {(char *)command->name};
    for (int i = 0; i < argc; i++)
        argv[i + 1] = (char *)arguments[i];
    char path[] = "/tmp/bm-commands-out-XXXXXX";
    int reading = columns ? posix_openpt (O_RDWR | O_NOCTTY) : mkstemp (path), writing = reading;
    assert_true (reading >= 0);
    if (columns) {
        assert_true (grantpt (reading) == 0 && unlockpt (reading) == 0);
        writing = open (ptsname (reading), O_RDWR | O_NOCTTY);
        struct winsize size = {.ws_row = 24, .ws_col = columns};
        assert_int_equal (ioctl (writing, TIOCSWINSZ, &size), 0);
    }
    fflush (stdout);
    int saved = dup (STDOUT_FILENO);
    dup2 (writing, STDOUT_FILENO);
    int code = bm_command_call (command, argc + 1, argv);
    fflush (stdout);
    dup2 (saved, STDOUT_FILENO);
    close (saved);
    if (!columns)
        lseek (reading, 0, SEEK_SET);
    ssize_t size = read (reading, out, 8191);
    out[size < 0 ? 0 : size] = '\0';
    if (columns)
        close (writing);
    close (reading);
    unlink (path);
    return code;
}

#define CALL(command, columns, out, ...)                                                           \
    s_call (command, columns, out,                                                                 \
            (int)(sizeof ((const char *[]){__VA_ARGS__}) / sizeof (char *)),                       \
            (const char *[]){__VA_ARGS__})

static size_t
s_longest_line (const char *text)
{
    size_t longest = 0;
    while (*text) {
        size_t length = strcspn (text, "\r\n");
        longest = length > longest ? length : longest;
        text += length;
        text += strspn (text, "\r\n");
    }
    return longest;
}

static void
marks_tells_the_recovery_point_first_and_fits_80_and_40_columns (void **state)
{
    (void)state;
    char out[8192];
    s_fill ();
    static const unsigned short widths[] = {120, 80, 40};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal (CALL (&bm_command_marks, widths[i], out, "--limit", "5"), 0);
        assert_ptr_equal (strstr (out, "recovery point:"), out);
        assert_non_null (strstr (out, widths[i] > 60 ? USABLE ", 25 min ago" : USABLE ","));
        assert_non_null (strstr (out, BROKEN));
        assert_non_null (strstr (out, "OrdersDb"));
        if (s_longest_line (out) > widths[i])
            fail_msg ("wider than %d columns:\n%s", widths[i], out);
        if (widths[i] == 40) {
            assert_non_null (strstr (out, "usable: yes"));
            assert_non_null (strstr (out, "usable: NO"));
        }
    }
}

static void
marks_json_names_the_database_and_why (void **state)
{
    (void)state;
    char out[8192];
    s_fill ();
    assert_int_equal (CALL (&bm_command_marks, 0, out, "--json"), 0);
    json_t *json = json_loads (out, 0, NULL);
    assert_non_null (json);
    json_t *mark = json_array_get (json_object_get (json, "marks"), 0);
    assert_string_equal (json_string_value (json_object_get (mark, "mark")), BROKEN);
    assert_true (json_is_false (json_object_get (mark, "usable")));
    assert_string_equal (json_string_value (json_object_get (mark, "database")), "OrdersDb");
    assert_non_null (strstr (json_string_value (json_object_get (mark, "why")), "LSN 160"));
    mark = json_object_get (json, "latest");
    assert_string_equal (json_string_value (json_object_get (mark, "mark")), USABLE);
    assert_int_equal (json_integer_value (json_object_get (mark, "set_id")), 2);
    json_decref (json);
    assert_int_equal (CALL (&bm_command_marks, 0, out, "--json", "--usable"), 0);
    json = json_loads (out, 0, NULL);
    assert_int_equal (json_array_size (json_object_get (json, "marks")), 1);
    json_decref (json);
}

static void
marks_without_a_catalogue_says_what_makes_it (void **state)
{
    (void)state;
    char out[8192];
    assert_int_equal (CALL (&bm_command_marks, 0, out, "--json"), 14);
    assert_non_null (strstr (out, "btsmark run"));
    assert_int_not_equal (access (s_catalogue, F_OK), 0);
    assert_int_equal (CALL (&bm_command_retain, 0, out, "1", "--reason", "x"), 14);
    assert_int_not_equal (access (s_catalogue, F_OK), 0);
}

static void
retain_refuses_what_cannot_be_meant (void **state)
{
    (void)state;
    char out[8192];
    s_fill ();
    const bm_command_t *retain = &bm_command_retain;
    assert_int_equal (CALL (retain, 0, out, "2"), 2); /* no reason */
    assert_int_equal (CALL (retain, 0, out, "two", "--reason", "x"), 2);
    assert_int_equal (CALL (retain, 0, out, "0", "--reason", "x"), 2);
    assert_int_equal (CALL (retain, 0, out, "9", "--reason", "x"), 2); /* unknown */
    assert_int_equal (CALL (retain, 0, out, "3", "--reason", "x"), 2); /* no files */
    assert_int_equal (CALL (retain, 0, out, "2", "--reason", "x", "--until", "soon"), 2);
    assert_int_equal (CALL (retain, 0, out, "2", "--reason", "x", "--until", "2020-01-01"), 2);
    assert_int_equal (CALL (retain, 0, out, "2", "--release", "--reason", "x"), 2);
    assert_int_equal (CALL (retain, 0, out, "2", "--release"), 2); /* it is not retained */
    assert_int_equal (CALL (retain, 0, out, "--release"), 2);
    assert_int_equal (s_call (retain, 0, out, 0, NULL), 0);
    assert_non_null (strstr (out, "No set is retained"));
}

static void
retain_keeps_lists_and_releases (void **state)
{
    (void)state;
    char out[8192];
    s_fill ();
    const bm_command_t *retain = &bm_command_retain;
    assert_int_equal (CALL (retain, 0, out, "2", "--reason", "upgrade", "--until", "2999-12-31"),
                      0);
    assert_int_equal (CALL (retain, 0, out, "--json"), 0);
    json_t *json = json_loads (out, 0, NULL);
    json_t *row = json_array_get (json_object_get (json, "retained"), 0);
    assert_int_equal (json_integer_value (json_object_get (row, "set_id")), 2);
    assert_string_equal (json_string_value (json_object_get (row, "until")),
                         "2999-12-31T23:59:59.999Z");
    assert_true (json_is_true (json_object_get (row, "holds")));
    json_decref (json);
    assert_int_equal (CALL (&bm_command_marks, 40, out, "--usable"), 0);
    assert_non_null (strstr (out, "upgrade"));
    assert_int_equal (CALL (retain, 0, out, "2", "--release"), 0);
    assert_int_equal (s_call (retain, 0, out, 0, NULL), 0);
    assert_non_null (strstr (out, "No set is retained"));
}

#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        T (marks_tells_the_recovery_point_first_and_fits_80_and_40_columns),
        T (marks_json_names_the_database_and_why),
        T (marks_without_a_catalogue_says_what_makes_it),
        T (retain_refuses_what_cannot_be_meant),
        T (retain_keeps_lists_and_releases),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
