#include <fcntl.h>
#include <pthread.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/unit/common/tests.h"

/*  stderr goes into a file while a test writes lines. */
typedef struct {
    char *folder;
    char *path;
    int saved;
} s_capture_t;

static int
s_setup (void **state)
{
    s_capture_t *capture = bm_alloc (sizeof *capture);
    capture->folder = tests_folder_new ();
    capture->path = tests_file (capture->folder, "log", "", 0, 0600);
    capture->saved = dup (STDERR_FILENO);
    int file = open (capture->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    dup2 (file, STDERR_FILENO);
    close (file);
    *state = capture;
    return 0;
}

static int
s_teardown (void **state)
{
    s_capture_t *capture = *state;
    dup2 (capture->saved, STDERR_FILENO);
    close (capture->saved);
    tests_file_remove (capture->path);
    tests_folder_remove (capture->folder);
    free (capture);
    return 0;
}

static char *
s_text (const s_capture_t *capture)
{
    FILE *file = fopen (capture->path, "re");
    char *text = bm_alloc (1024 * 1024);
    size_t size = fread (text, 1, 1024 * 1024 - 1, file);
    text[size] = '\0';
    fclose (file);
    return text;
}

static void
a_line_has_time_level_and_program (void **state)
{
    bm_log_open ("agent", BM_LOG_INFO);
    bm_log_info ("hello %d", 1);
    char *text = s_text (*state);
    assert_non_null (strstr (text, " INFO  agent: hello 1\n"));
    text[24] = '\0';
    assert_true (bm_clock_parse_rfc3339 (text) > 0);
    free (text);
}

static void
only_the_asked_levels_are_written (void **state)
{
    bm_log_open ("agent", BM_LOG_WARNING);
    assert_int_equal (bm_log_level (), BM_LOG_WARNING);
    bm_log_error ("one");
    bm_log_warning ("two");
    bm_log_info ("three");
    bm_log_debug ("four");
    char *text = s_text (*state);
    assert_non_null (strstr (text, "ERROR agent: one\n"));
    assert_non_null (strstr (text, "WARN  agent: two\n"));
    assert_null (strstr (text, "three"));
    assert_null (strstr (text, "four"));
    free (text);
}

static void
a_message_stays_one_line (void **state)
{
    bm_log_open ("agent", BM_LOG_INFO);
    bm_log_info ("a\nb\x1b[31mc");
    char *text = s_text (*state);
    assert_non_null (strstr (text, "a b [31mc\n"));
    assert_ptr_equal (strchr (text, '\n'), text + strlen (text) - 1);
    free (text);
}

static void
an_oversized_message_is_cut_and_still_a_line (void **state)
{
    char *huge = bm_alloc (20001);
    memset (huge, 'x', 20000);
    bm_log_open ("agent", BM_LOG_INFO);
    bm_log_info ("%s", huge);
    char *text = s_text (*state);
    assert_in_range (strlen (text), 8000, 8192);
    assert_int_equal (text[strlen (text) - 1], '\n');
    free (text);
    free (huge);
}

static void *
s_write_lines (void *argument)
{
    for (int i = 0; i < 200; i++)
        bm_log_info ("thread %s ends", (const char *)argument);
    return NULL;
}

static void
lines_of_several_threads_do_not_mix (void **state)
{
    bm_log_open ("agent", BM_LOG_INFO);
    pthread_t threads[4];
    static char names[4][2] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        pthread_create (&threads[i], NULL, s_write_lines, names[i]);
    for (int i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
    char *text = s_text (*state);
    int lines = 0;
    for (char *line = text; *line; line = strchr (line, '\n') + 1, lines++)
        assert_memory_equal (line + 24, " INFO  agent: thread ", 21);
    assert_int_equal (lines, 800);
    free (text);
}

static void
level_names_are_parsed (void **state)
{
    (void)state;
    bm_log_level_t level;
    bm_error_t error = {0};
    assert_int_equal (bm_log_level_parse ("error", &level, &error), BM_OK);
    assert_int_equal (level, BM_LOG_ERROR);
    assert_int_equal (bm_log_level_parse ("debug", &level, &error), BM_OK);
    assert_int_equal (level, BM_LOG_DEBUG);
    assert_int_equal (bm_log_level_parse ("loud", &level, &error), BM_USAGE);
    assert_non_null (strstr (error.text, "loud"));
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_line_has_time_level_and_program),
        T (only_the_asked_levels_are_written),
        T (a_message_stays_one_line),
        T (an_oversized_message_is_cut_and_still_a_line),
        T (lines_of_several_threads_do_not_mix),
        cmocka_unit_test (level_names_are_parsed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
