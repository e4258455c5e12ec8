/*  The program itself: command line, exit codes, and the end that cannot be a clean one. */
#include "tests/unit/agent/tests.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/agent/fake_sql.h"

static char s_program[512];

typedef struct {
    pid_t pid;
    int out;   /* stdout and stderr */
    int ready; /* --ready-fd 3 */
    char text[65536];
    size_t size;
} s_process_t;

static s_process_t *
s_spawn (const char *const *arguments)
{
    int out[2], ready[2];
    s_process_t *process = bm_alloc (sizeof *process);
    assert_int_equal (pipe2 (out, O_CLOEXEC), 0);
    assert_int_equal (pipe2 (ready, O_CLOEXEC), 0);
    process->pid = fork ();
    assert_true (process->pid >= 0);
    if (process->pid == 0) {
        dup2 (out[1], STDOUT_FILENO);
        dup2 (out[1], STDERR_FILENO);
        if (ready[1] == 3)
            fcntl (3, F_SETFD, 0);
        else
            dup2 (ready[1], 3);
        execv (s_program, (char *const *)(uintptr_t)arguments);
        _exit (127);
    }
    close (out[1]);
    close (ready[1]);
    process->out = out[0];
    process->ready = ready[0];
    return process;
}

/*  Reads up to the end of the file, `stop` bytes of a line, or 30 s. */
static size_t
s_read (int fd, char *text, size_t room, bool line)
{
    size_t used = 0;
    struct pollfd item = {.fd = fd, .events = POLLIN};
    while (used + 1 < room && poll (&item, 1, 30000) == 1) {
        ssize_t got = read (fd, text + used, line ? 1 : room - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        if (line && text[used - 1] == '\n')
            break;
    }
    text[used] = 0;
    return used;
}

/*  Its exit code; what it wrote stands in process->text until s_free. */
static int
s_end (s_process_t *process)
{
    int status = 0;
    s_read (process->out, process->text, sizeof process->text, false);
    assert_int_equal (waitpid (process->pid, &status, 0), process->pid);
    if (!WIFEXITED (status))
        fail_msg ("ended by signal %d: %s", WTERMSIG (status), process->text);
    return WEXITSTATUS (status);
}

static void
s_free (s_process_t *process)
{
    close (process->out);
    close (process->ready);
    free (process);
}

static void
s_expect (const char *const *arguments, int code, const char *word)
{
    s_process_t *process = s_spawn (arguments);
    int got = s_end (process);
    if (got != code || !strstr (process->text, word))
        fail_msg ("exit %d: %s", got, process->text);
    s_free (process);
}

typedef struct {
    tests_place_t *place;
    fake_sql_t *sql;
    char *ini;
} s_world_t;

static int
s_setup (void **state)
{
    s_world_t *world = bm_alloc (sizeof *world);
    world->place = tests_place_new ();
    world->sql = fake_sql_new ();
    world->ini = tests_path (world->place, "agent.ini");
    *state = world;
    return 0;
}

static int
s_teardown (void **state)
{
    s_world_t *world = *state;
    fake_sql_free (world->sql);
    tests_place_free (world->place);
    free (world->ini);
    free (world);
    return 0;
}

static void
the_command_line_teaches (void **state)
{
    s_world_t *world = *state;
    s_expect ((const char *[]){"btsmark-agent", "--help", NULL}, 0, "keygen");
    s_expect ((const char *[]){"btsmark-agent", "--version", NULL}, 0, BTSMARK_VERSION);
    s_expect ((const char *[]){"btsmark-agent", NULL}, 2, "-c FILE");
    s_expect ((const char *[]){"btsmark-agent", "--colour", NULL}, 2, "--help");
    s_expect ((const char *[]){"btsmark-agent", "-c", world->ini, "more", NULL}, 2, "more");
    s_expect ((const char *[]){"btsmark-agent", "-c", world->ini, "--log-level", "loud", NULL}, 2,
              "loud");
    s_expect ((const char *[]){"btsmark-agent", "-c", world->ini, NULL}, 10, "agent.ini");
}

static void
check_tells_what_the_configuration_means (void **state)
{
    s_world_t *world = *state;
    tests_configure (world->place, "127.0.0.1:1", "");
    s_expect ((const char *[]){"btsmark-agent", "-c", world->ini, "--check", NULL}, 0,
              world->place->full_key);
    tests_write (world->place, "agent.ini", "[agent]\nname = SQL01\nkey-file = nowhere\n");
    s_expect ((const char *[]){"btsmark-agent", "-c", world->ini, "--check", NULL}, 10, "nowhere");
}

static void
it_says_when_it_serves_and_ends_cleanly (void **state)
{
    s_world_t *world = *state;
    char endpoint[128];
    tests_configure (world->place, sh_server_address (world->sql->server), "");
    s_process_t *process =
        s_spawn ((const char *[]){"btsmark-agent", "-c", world->ini, "--ready-fd", "3", NULL});
    assert_true (s_read (process->ready, endpoint, sizeof endpoint, true) > 0);
    endpoint[strcspn (endpoint, "\n")] = 0;
    assert_int_equal (strncmp (endpoint, "tcp://127.0.0.1:", 16), 0);
    tests_client_t *client = tests_client_new (world->place, "full", endpoint);
    tests_greet (client);
    kill (process->pid, SIGTERM);
    assert_int_equal (s_end (process), 0);
    assert_non_null (strstr (process->text, "nothing is held and nothing runs"));
    assert_null (strstr (process->text, "ERROR"));
    assert_null (strstr (process->text, "secret"));
    assert_null (strstr (process->text, "dangling"));
    tests_client_free (client);
    s_free (process);
}

/*  Neither attention nor KILL ends the backup: the agent says what it does not know, and goes. */
static void
what_does_not_end_is_reported_as_unknown_at_the_stop_deadline (void **state)
{
    s_world_t *world = *state;
    char endpoint[128];
    tests_configure (world->place, sh_server_address (world->sql->server), "stop-deadline = 1 s\n");
    fake_set (world->sql, &world->sql->hold_backup, true);
    fake_set (world->sql, &world->sql->deaf, true);
    s_process_t *process =
        s_spawn ((const char *[]){"btsmark-agent", "-c", world->ini, "--ready-fd", "3", NULL});
    assert_true (s_read (process->ready, endpoint, sizeof endpoint, true) > 0);
    endpoint[strcspn (endpoint, "\n")] = 0;
    tests_client_t *client = tests_client_new (world->place, "full", endpoint);
    tests_greet (client);
    Btsmark__Backup backup = BTSMARK__BACKUP__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    backup.instance = (char *)"SQL01";
    backup.database = (char *)"X";
    backup.type = BTSMARK__SET_TYPE__FULL;
    backup.method = BTSMARK__METHOD__PROCEDURE;
    backup.sequence = (char *)"BTS_1";
    order.body_case = BTSMARK__ENVELOPE__BODY_BACKUP;
    order.backup = &backup;
    tests_send (client, &order);
    assert_true (fake_wait (world->sql, &world->sql->backups, 1));
    kill (process->pid, SIGTERM);
    Btsmark__Envelope *answer = tests_receive (client);
    assert_int_equal (answer->body_case, BTSMARK__ENVELOPE__BODY_BACKUP_DONE);
    assert_int_equal (answer->backup_done->status, BTSMARK__BACKUP_STATUS__BACKUP_UNKNOWN);
    tests_free (answer);
    assert_int_equal (s_end (process), 13);
    assert_non_null (strstr (process->text, "did not end before the stop deadline"));
    tests_client_free (client);
    s_free (process);
}

int
main (void)
{
    const char *build = getenv ("BTSMARK_BUILD");
    snprintf (s_program, sizeof s_program, "%s/btsmark-agent", build ? build : ".");
    if (access (s_program, X_OK) != 0) {
        printf ("SKIPPED: %s is not built (BTSMARK_BUILD names the build folder)\n", s_program);
        return 0;
    }
    zsys_handler_set (NULL);
    signal (SIGPIPE, SIG_IGN);
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (the_command_line_teaches), T (check_tells_what_the_configuration_means),
        T (it_says_when_it_serves_and_ends_cleanly),
        T (what_does_not_end_is_reported_as_unknown_at_the_stop_deadline)};
#undef T
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    zsys_shutdown ();
    return failed;
}
