#include "common/secret.h"
#include "tests/unit/common/tests.h"

typedef struct {
    char *folder;
    char *path;
} s_place_t;

static int
s_setup (void **state)
{
    s_place_t *place = bm_alloc (sizeof *place);
    place->folder = tests_folder_new ();
    *state = place;
    return 0;
}

static int
s_teardown (void **state)
{
    s_place_t *place = *state;
    if (place->path)
        tests_file_remove (place->path);
    tests_folder_remove (place->folder);
    free (place);
    return 0;
}

static bm_secret_t *
s_read (s_place_t *place, const void *data, size_t size, mode_t mode, bm_error_t *error)
{
    if (place->path)
        tests_file_remove (place->path);
    place->path = tests_file (place->folder, "secret", data, size, mode);
    return bm_secret_from_file (place->path, error);
}

static void
the_first_line_of_a_private_file_is_the_secret (void **state)
{
    s_place_t *place = *state;
    static const char *const files[] = {"pa ss;word", "pa ss;word\n", "pa ss;word\r\n",
                                        "pa ss;word\nsecond line\n"};
    for (size_t i = 0; i < 4; i++)
        for (int strict = 0; strict < 2; strict++) {
            bm_error_t error = {0};
            bm_secret_t *secret =
                s_read (place, files[i], strlen (files[i]), strict ? 0400 : 0600, &error);
            assert_non_null (secret);
            assert_string_equal (bm_secret_reveal (secret), "pa ss;word");
            bm_secret_destroy (&secret);
            assert_null (secret);
            bm_secret_destroy (&secret);
        }
}

static void
a_file_that_others_can_read_is_refused_with_the_remedy (void **state)
{
    s_place_t *place = *state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        bm_error_t error = {0};
        assert_null (s_read (place, "x\n", 2, modes[i], &error));
        assert_int_equal (error.status, BM_CONFIG_SECRET);
        assert_non_null (strstr (error.remedy, "chmod 0600"));
        assert_non_null (strstr (error.text, place->path));
        assert_int_equal (bm_secret_check_file (place->path, NULL), BM_CONFIG_SECRET);
    }
}

static void
what_is_not_a_file_is_refused (void **state)
{
    s_place_t *place = *state;
    bm_error_t error = {0};
    assert_null (bm_secret_from_file ("/nonexistent/secret", &error));
    assert_int_equal (error.status, BM_CONFIG_SECRET);
    assert_non_null (strstr (error.text, "/nonexistent/secret"));
    assert_null (bm_secret_from_file (place->folder, &error));
    char *fifo = bm_format ("%s/fifo", place->folder);
    assert_int_equal (mkfifo (fifo, 0600), 0);
    assert_null (bm_secret_from_file (fifo, &error)); /* and it does not wait for a writer */
    tests_file_remove (fifo);
}

static void
a_foreign_owner_is_refused (void **state)
{
    s_place_t *place = *state;
    if (geteuid () != 0)
        skip (); /* only root can give a file away */
    bm_error_t error = {0};
    place->path = tests_file (place->folder, "secret", "x\n", 2, 0600);
    assert_int_equal (chown (place->path, 12345, (gid_t)-1), 0);
    assert_null (bm_secret_from_file (place->path, &error));
    assert_non_null (strstr (error.text, "12345"));
}

static void
empty_and_binary_and_oversized_lines_are_refused (void **state)
{
    s_place_t *place = *state;
    bm_error_t error = {0};
    assert_null (s_read (place, "", 0, 0600, &error));
    assert_int_equal (error.status, BM_CONFIG_SECRET);
    assert_null (s_read (place, "\nsecond", 7, 0600, &error));
    assert_null (s_read (place, "a\0b\n", 4, 0600, &error));
    char line[1100];
    memset (line, 'x', sizeof line);
    bm_secret_t *secret = s_read (place, line, 1024, 0600, &error);
    assert_non_null (secret);
    assert_int_equal (strlen (bm_secret_reveal (secret)), 1024);
    bm_secret_destroy (&secret);
    assert_null (s_read (place, line, 1025, 0600, &error));
    assert_non_null (strstr (error.text, "longer"));
    assert_null (s_read (place, line, 1100, 0600, &error));
}

static void
wiped_memory_is_zero (void **state)
{
    (void)state;
    char text[] = "secret";
    bm_secret_wipe (text, sizeof text);
    for (size_t i = 0; i < sizeof text; i++)
        assert_int_equal (text[i], 0);
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (the_first_line_of_a_private_file_is_the_secret),
        T (a_file_that_others_can_read_is_refused_with_the_remedy),
        T (what_is_not_a_file_is_refused),
        T (a_foreign_owner_is_refused),
        T (empty_and_binary_and_oversized_lines_are_refused),
        T (wiped_memory_is_zero),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
