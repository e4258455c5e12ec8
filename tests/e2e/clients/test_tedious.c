/*  sqlhost with tedious, the client of Node applications. The cases stand in tedious.js; tedious itself comes from npm, as
 *  package-lock.json pins it, into the build folder. Without Node, or npm's registry, every case says SKIPPED and why. */
#include <sys/stat.h>

#include "tests/e2e/clients/stand.h"

#define S_INSTALL_MS 240000

static stand_t *s_stand;
static char *s_skipped; /* why, or NULL */
static char *s_modules; /* NODE_PATH=... */

/*  The last line that says something. */
static char *
s_last_line (char *text)
{
    size_t size = strlen (text);
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        text[--size] = '\0';
    char *last = strrchr (text, '\n');
    return last ? last + 1 : text;
}

/*  npm ci in BUILD/tedious, unless what is there is what the lock file pins. */
static void
s_install (void)
{
    char *folder = bm_format ("%s/tedious", getenv ("BTSMARK_BUILD"));
    char *sources = bm_format ("%s/tests/e2e/clients", getenv ("BTSMARK_SOURCE"));
    static const char script[] =
        "command -v node >/dev/null && command -v npm >/dev/null || { echo 'node and npm are not "
        "installed (deploy/install-deps.sh test)' >&2; exit 3; }\n"
        "mkdir -p \"$0\" && cd \"$0\" || exit 1\n"
        "cmp -s \"$1/package-lock.json\" installed.json && [ -d node_modules/tedious ] && exit 0\n"
        "rm -f installed.json\n"
        "cp \"$1/package.json\" \"$1/package-lock.json\" . || exit 1\n"
        "npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=60000 >&2 "
        "|| exit 2\n"
        "cp package-lock.json installed.json\n";
    bm_ran_t ran = {0};
    const char *arguments[] = {"/bin/sh", "-c", script, folder, sources, NULL};
    bm_process_t *install = bm_process_spawn (arguments);
    if (bm_process_wait_end (install, &ran, S_INSTALL_MS) != 0)
        s_skipped =
            bm_format ("SKIPPED: tedious could not be installed: %s", s_last_line (ran.err));
    bm_process_destroy (&install);
    bm_ran_clear (&ran);
    s_modules = bm_format ("NODE_PATH=%s/node_modules", folder);
    free (folder);
    free (sources);
}

static bm_ran_t s_ran; /* all cases */

static void
s_run (void)
{
    char *script = bm_format ("%s/tests/e2e/clients/tedious.js", getenv ("BTSMARK_SOURCE"));
    stand_run (&s_ran, (const char *[]){s_modules, "node", script, s_stand->port,
                                        stand_path (s_stand, "sa.password"),
                                        stand_path (s_stand, "ca.pem"), NULL});
    free (script);
}

static void
s_skip_without_tedious (void)
{
    if (!s_skipped)
        return;
    print_message ("%s\n", s_skipped);
    skip ();
}

static void
s_case (const char *name)
{
    s_skip_without_tedious ();
    char *good = bm_format ("ok %s\n", name);
    const char *line = strstr (s_ran.out, good);
    if (!line)
        fail_msg ("tedious: %s:\n%s%s", name, s_ran.out, s_ran.err);
    free (good);
}
#define S_CASE(test, name)                                                                         \
    static void test (void **state)                                                                \
    {                                                                                              \
        (void)state;                                                                               \
        s_case (name);                                                                             \
    }

S_CASE (a_login_names_user_database_and_program, "login")
S_CASE (a_wrong_password_is_told, "wrong_password")
S_CASE (all_is_encrypted_or_nothing, "encryption")
S_CASE (an_untrusted_certificate_ends_it, "untrusted_certificate")
S_CASE (result_sets_and_messages_come_in_order, "result_sets")
S_CASE (errors_carry_number_state_procedure_and_line, "errors")
S_CASE (parameters_of_every_type_come_back, "parameters")
S_CASE (a_procedure_gives_outputs_and_a_status, "calls")
S_CASE (a_prepared_statement_runs_again, "prepared")
S_CASE (transactions_and_savepoints_hold, "transactions")
S_CASE (a_running_batch_is_cancelled, "cancel")
S_CASE (a_running_batch_is_cancelled_over_tls, "cancel_encrypted")
S_CASE (large_values_are_whole, "large_values")
S_CASE (many_rows_arrive, "many_rows")
S_CASE (a_reset_session_is_as_after_login, "reset")

/*  A case of tedious.js that no test here looks for would be one that may fail unseen. */
static void
no_case_of_the_script_failed (void **state)
{
    (void)state;
    s_skip_without_tedious ();
    assert_int_equal (s_ran.exit_code, 0);
    if (strncmp (s_ran.out, "ok ", 3) != 0 || strstr (s_ran.out, "\nfailed "))
        fail_msg ("%s%s", s_ran.out, s_ran.err);
}

static int
s_begin (void **state)
{
    (void)state;
    s_install ();
    s_stand = stand_new ();
    if (!s_skipped)
        s_run ();
    return 0;
}

static int
s_end (void **state)
{
    (void)state;
    stand_destroy (&s_stand);
    bm_ran_clear (&s_ran);
    free (s_skipped);
    free (s_modules);
    return 0;
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_login_names_user_database_and_program),
        cmocka_unit_test (a_wrong_password_is_told),
        cmocka_unit_test (all_is_encrypted_or_nothing),
        cmocka_unit_test (an_untrusted_certificate_ends_it),
        cmocka_unit_test (result_sets_and_messages_come_in_order),
        cmocka_unit_test (errors_carry_number_state_procedure_and_line),
        cmocka_unit_test (parameters_of_every_type_come_back),
        cmocka_unit_test (a_procedure_gives_outputs_and_a_status),
        cmocka_unit_test (a_prepared_statement_runs_again),
        cmocka_unit_test (transactions_and_savepoints_hold),
        cmocka_unit_test (a_running_batch_is_cancelled),
        cmocka_unit_test (a_running_batch_is_cancelled_over_tls),
        cmocka_unit_test (large_values_are_whole),
        cmocka_unit_test (many_rows_arrive),
        cmocka_unit_test (a_reset_session_is_as_after_login),
        cmocka_unit_test (no_case_of_the_script_failed),
    };
    return cmocka_run_group_tests (tests, s_begin, s_end);
}
