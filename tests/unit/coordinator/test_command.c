/*  tests/unit/coordinator/test_command.c
 *  The command line: what is refused, and how it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "coordinator/commands/command.h"

static bm_options_t s_seen;
static int s_runs;

static int
s_note (const bm_options_t *options)
{
    s_seen = *options;
    s_runs++;
    return 0;
}

static const bm_option_t s_own[] = {{"sets", BM_OPTION_COUNT, "N", "the newest N sets"},
                                    {"usable", BM_OPTION_FLAG, NULL, "only usable ones"},
                                    {"until", BM_OPTION_TEXT, "DATE", "for how long"},
                                    {NULL, BM_OPTION_FLAG, NULL, NULL}};

static const bm_command_t s_command = {
    "try", "", "help of try\n", BM_TAKES_JSON | BM_TAKES_QUIET, s_note, s_own, NULL};
static const bm_command_t s_with_argument = {"one",  "",    "help of one\n", BM_TAKES_JSON,
                                             s_note, s_own, "FILE"};
static const bm_command_t s_with_choice = {
    "maybe", "", "help of maybe\n", BM_TAKES_JSON, s_note, s_own, "[SET]"};

/*  Calls it with these arguments; what it writes on stdout goes to *out when that is given. */
static int
s_call (const bm_command_t *command, char **out, int argc, const char **arguments)
{
    char *argv[12] = {(char *)command->name};
    for (int i = 0; i < argc; i++)
        argv[i + 1] = (char *)arguments[i];
    char path[] = "/tmp/btsmark-test-command-XXXXXX";
    int file = mkstemp (path), saved = dup (STDOUT_FILENO);
    assert_true (file >= 0 && saved >= 0);
    fflush (stdout);
    dup2 (file, STDOUT_FILENO);
    int code = bm_command_call (command, argc + 1, argv);
    fflush (stdout);
    dup2 (saved, STDOUT_FILENO);
    close (saved);
    off_t size = lseek (file, 0, SEEK_END);
    char *text = bm_alloc ((size_t)size + 1);
    assert_true (pread (file, text, (size_t)size, 0) == size);
    close (file);
    unlink (path);
    if (out)
        *out = text;
    else
        free (text);
    return code;
}

#define CALL(out, ...)                                                                             \
    s_call (&s_command, out, (int)(sizeof ((const char *[]){__VA_ARGS__}) / sizeof (char *)),      \
            (const char *[]){__VA_ARGS__})

static void
options_reach_the_command (void **state)
{
    (void)state;
    s_runs = 0;
    assert_int_equal (CALL (NULL, "-c", "x.ini", "--json", "-q", "--sets", "7"), 0);
    assert_int_equal (s_runs, 1);
    assert_string_equal (s_seen.config, "x.ini");
    assert_true (s_seen.json && s_seen.quiet && !s_seen.events);
    assert_int_equal (bm_option_count (&s_seen, "sets", 20), 7);
    assert_false (bm_option_given (&s_seen, "usable"));
    assert_null (bm_option_text (&s_seen, "until"));
}

static void
a_command_s_own_options_are_known_by_their_names (void **state)
{
    (void)state;
    assert_int_equal (CALL (NULL, "--usable", "--until=2031-01-01"), 0);
    assert_true (bm_option_given (&s_seen, "usable"));
    assert_string_equal (bm_option_text (&s_seen, "until"), "2031-01-01");
    assert_int_equal (bm_option_count (&s_seen, "sets", 20), 20);
}

static void
a_text_that_is_empty_and_an_option_given_twice_are_usage_errors (void **state)
{
    (void)state;
    s_runs = 0;
    assert_int_equal (CALL (NULL, "--until", ""), 2);
    assert_int_equal (CALL (NULL, "--until", "a", "--until", "b"), 2);
    assert_int_equal (CALL (NULL, "--until"), 2);
    assert_int_equal (s_runs, 0);
}

static void
one_argument_is_taken_where_the_command_has_one (void **state)
{
    (void)state;
    const char *arguments[] = {"a", "b"};
    s_runs = 0;
    assert_int_equal (s_call (&s_with_argument, NULL, 0, arguments), 2);
    assert_int_equal (s_call (&s_with_argument, NULL, 2, arguments), 2);
    assert_int_equal (s_call (&s_with_choice, NULL, 2, arguments), 2);
    assert_int_equal (s_runs, 0);
    assert_int_equal (s_call (&s_with_argument, NULL, 1, arguments), 0);
    assert_string_equal (s_seen.argument, "a");
    assert_int_equal (s_call (&s_with_choice, NULL, 1, arguments), 0);
    assert_string_equal (s_seen.argument, "a");
    assert_int_equal (s_call (&s_with_choice, NULL, 0, arguments), 0);
    assert_null (s_seen.argument);
}

static void
the_environment_names_the_configuration_when_no_option_does (void **state)
{
    (void)state;
    setenv ("BTSMARK_CONFIG", "/elsewhere.ini", 1);
    assert_int_equal (CALL (NULL, "-q"), 0);
    assert_string_equal (s_seen.config, "/elsewhere.ini");
    unsetenv ("BTSMARK_CONFIG");
    assert_int_equal (CALL (NULL, "-q"), 0);
    assert_string_equal (s_seen.config, BM_CONFIG_DEFAULT);
}

static void
what_the_command_does_not_take_is_a_usage_error (void **state)
{
    (void)state;
    s_runs = 0;
    assert_int_equal (CALL (NULL, "--files"), 2);
    assert_int_equal (CALL (NULL, "--nonsense"), 2);
    assert_int_equal (CALL (NULL, "-c"), 2);
    assert_int_equal (CALL (NULL, "stray"), 2);
    assert_int_equal (CALL (NULL, "--log-level", "loud"), 2);
    assert_int_equal (s_runs, 0);
}

static void
numbers_are_checked_at_their_limits (void **state)
{
    (void)state;
    assert_int_equal (CALL (NULL, "--sets", "1"), 0);
    assert_int_equal (CALL (NULL, "--sets", "100000"), 0);
    assert_int_equal (CALL (NULL, "--sets", "0"), 2);
    assert_int_equal (CALL (NULL, "--sets", "100001"), 2);
    assert_int_equal (CALL (NULL, "--sets", "3x"), 2);
}

static void
a_usage_error_is_one_json_object_when_json_is_asked_for (void **state)
{
    (void)state;
    char *out = NULL;
    assert_int_equal (CALL (&out, "--nonsense", "--json"), 2);
    json_t *json = json_loads (out, 0, NULL);
    assert_non_null (json);
    json_t *error = json_object_get (json, "error");
    assert_string_equal (json_string_value (json_object_get (error, "name")), "USAGE");
    assert_non_null (strstr (json_string_value (json_object_get (error, "text")), "--nonsense"));
    assert_int_equal (json_integer_value (json_object_get (json, "exit")), 2);
    json_decref (json);
    free (out);
}

static void
the_version_is_told_by_every_command (void **state)
{
    (void)state;
    char *out = NULL;
    s_runs = 0;
    assert_int_equal (CALL (&out, "--version"), 0);
    assert_string_equal (out, "btsmark " BTSMARK_VERSION "\n");
    assert_int_equal (s_runs, 0);
    free (out);
}

static void
help_goes_to_stdout_and_runs_nothing (void **state)
{
    (void)state;
    char *out = NULL;
    s_runs = 0;
    assert_int_equal (CALL (&out, "--help"), 0);
    assert_non_null (strstr (out, "help of try"));
    assert_non_null (strstr (out, "--sets N"));
    assert_null (strstr (out, "--files"));
    assert_int_equal (s_runs, 0);
    free (out);
}

static void
every_command_teaches_with_an_example_and_a_summary (void **state)
{
    (void)state;
    for (size_t i = 0; bm_commands[i]; i++) {
        assert_non_null (strstr (bm_commands[i]->help, "Example"));
        assert_true (strlen (bm_commands[i]->summary) > 10);
        assert_ptr_equal (bm_command_find (bm_commands[i]->name), bm_commands[i]);
    }
    assert_null (bm_command_find ("nonsense"));
}

static void
keygen_writes_a_private_key_and_prints_what_to_add_and_never_overwrites (void **state)
{
    (void)state;
    char folder[] = "/tmp/btsmark-test-keygen-XXXXXX";
    assert_non_null (mkdtemp (folder));
    char *file = bm_format ("%s/key", folder), *public_file = bm_format ("%s/key.pub", folder);
    char *out = NULL;
    assert_int_equal (s_call (&bm_command_keygen, &out, 1, (const char *[]){file}), 0);
    assert_non_null (strstr (out, "public-key ="));
    assert_non_null (strstr (out, "server-key ="));
    struct stat info;
    assert_int_equal (stat (file, &info), 0);
    assert_int_equal (info.st_mode & 0777, 0600);
    assert_int_equal (s_call (&bm_command_keygen, NULL, 1, (const char *[]){file}), 2);
    unlink (file);
    unlink (public_file);
    assert_int_equal (rmdir (folder), 0);
    free (file);
    free (public_file);
    free (out);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (options_reach_the_command),
        cmocka_unit_test (a_command_s_own_options_are_known_by_their_names),
        cmocka_unit_test (a_text_that_is_empty_and_an_option_given_twice_are_usage_errors),
        cmocka_unit_test (one_argument_is_taken_where_the_command_has_one),
        cmocka_unit_test (the_environment_names_the_configuration_when_no_option_does),
        cmocka_unit_test (what_the_command_does_not_take_is_a_usage_error),
        cmocka_unit_test (numbers_are_checked_at_their_limits),
        cmocka_unit_test (a_usage_error_is_one_json_object_when_json_is_asked_for),
        cmocka_unit_test (the_version_is_told_by_every_command),
        cmocka_unit_test (help_goes_to_stdout_and_runs_nothing),
        cmocka_unit_test (every_command_teaches_with_an_example_and_a_summary),
        cmocka_unit_test (keygen_writes_a_private_key_and_prints_what_to_add_and_never_overwrites),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
