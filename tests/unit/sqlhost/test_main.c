/*  tests/unit/sqlhost/test_main.c
 *  sqlhost as a process: its options, its ready line, its end. Runs BTSMARK_BUILD/sqlhost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sybdb.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSWORD "Very-Secret-1"

static char s_folder[64];
static char s_program[512];
static int s_message; /* the last message's number */

/*  ---- processes ---- */

typedef struct {
    pid_t pid;
    char address[96]; /* from --ready-fd; "" when it ended without one */
} child_t;

static const char *
path_of (const char *name)
{
    static char path[8][160];
    static unsigned next;

    next = (next + 1) % 8;
    snprintf (path[next], sizeof path[next], "%s/%s", s_folder, name);
    return path[next];
}

static void
write_file (const char *name, const char *text)
{
    FILE *file = fopen (path_of (name), "w");
    assert_non_null (file);
    fputs (text, file);
    fclose (file);
}

static char *
read_file (const char *name)
{
    char *text = calloc (1, 65536);
    FILE *file = fopen (path_of (name), "r");
    if (file) {
        size_t size = fread (text, 1, 65535, file);
        text[size] = 0;
        fclose (file);
    }
    return text;
}

/*  Starts sqlhost with the arguments (NULL ends them); stderr goes to the file "log", stdout to
 *  "out". Waits for the ready line or the end of the process. */
static child_t
start (const char *const *arguments)
{
    child_t child = {0};
    const char *list[40] = {s_program, "--ready-fd", "3"};
    size_t count = 3;
    int ends[2];

    while (*arguments)
        list[count++] = *arguments++;
    assert_int_equal (pipe (ends), 0);
    child.pid = fork ();
    assert_true (child.pid >= 0);
    if (child.pid == 0) {
        int log = open (path_of ("log"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int out = open (path_of ("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2 (out, STDOUT_FILENO);
        dup2 (log, STDERR_FILENO);
        dup2 (ends[1], 9);
        dup2 (9, 3);
        for (int fd = 4; fd < 32; fd++)
            close (fd);
        execv (s_program, (char *const *)(uintptr_t)list);
        _exit (127);
    }
    close (ends[1]);
    size_t used = 0;
    struct pollfd item = {.fd = ends[0], .events = POLLIN};
    while (poll (&item, 1, 30000) > 0) {
        ssize_t got = read (ends[0], child.address + used, sizeof child.address - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        if (memchr (child.address, '\n', used))
            break;
    }
    close (ends[0]);
    child.address[strcspn (child.address, "\n")] = 0;
    return child;
}

/*  The exit code; -1 when a signal ended it; fails the test when it does not end. */
static int
end_of (const child_t *child)
{
    int status = 0;
    struct pollfd item = {.fd = (int)syscall (SYS_pidfd_open, child->pid, 0), .events = POLLIN};

    assert_true (item.fd >= 0);
    int ended = poll (&item, 1, 30000);
    close (item.fd);
    if (ended <= 0)
        kill (child->pid, SIGKILL);
    waitpid (child->pid, &status, 0);
    if (ended <= 0)
        fail_msg ("sqlhost did not end");
    return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

static int
run (const char *const *arguments)
{
    child_t child = start (arguments);
    return end_of (&child);
}

static child_t
serve (const char *extra, const char *value)
{
    const char *arguments[] = {"--data",
                               path_of ("data"),
                               "--name",
                               "SQL01",
                               "--listen",
                               "127.0.0.1:0",
                               "--sa-password-file",
                               path_of ("sa.password"),
                               extra,
                               value,
                               NULL};
    write_file ("sa.password", PASSWORD "\nignored\n");
    child_t child = start (arguments);
    if (child.address[0] == 0) {
        char *log = read_file ("log");
        print_error ("sqlhost does not serve: %s", log);
        free (log);
        fail ();
    }
    return child;
}

static int
stop (const child_t *child)
{
    kill (child->pid, SIGTERM);
    return end_of (child);
}

static int
remove_one (const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove (path);
}

static int
set_up (void **state)
{
    (void)state;
    snprintf (s_folder, sizeof s_folder, "/tmp/sqlhost-test-XXXXXX");
    return mkdtemp (s_folder) ? 0 : -1;
}

/*  No log may hold the password, whatever the test did. */
static int
tear_down (void **state)
{
    char *log = read_file ("log"), *out = read_file ("out");
    (void)state;
    bool leaked = strstr (log, PASSWORD) || strstr (out, PASSWORD);
    free (log);
    free (out);
    nftw (s_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return leaked ? -1 : 0;
}

/*  ---- db-lib ---- */

static int
on_message (DBPROCESS *process, DBINT number, int level, int severity, char *text, char *server,
            char *procedure, int line)
{
    (void)process, (void)level, (void)severity, (void)text, (void)server, (void)procedure;
    (void)line;
    s_message = number;
    return 0;
}

static int
on_error (DBPROCESS *process, int severity, int number, int os, char *text, char *os_text)
{
    (void)process, (void)severity, (void)number, (void)os, (void)text, (void)os_text;
    return INT_CANCEL;
}

static DBPROCESS *
dial (const child_t *child, const char *password)
{
    LOGINREC *login = dblogin ();
    DBSETLUSER (login, "sa");
    DBSETLPWD (login, password);
    DBPROCESS *process = dbopen (login, child->address);
    dbloginfree (login);
    return process;
}

/*  ---- the promises ---- */

static void
wrong_usage_ends_with_2 (void **state)
{
    (void)state;
    assert_int_equal (run ((const char *const[]){NULL}), 2);
    assert_int_equal (run ((const char *const[]){"--data", s_folder, "--bogus", NULL}), 2);
    assert_int_equal (run ((const char *const[]){"--data", s_folder, "more", NULL}), 2);
    assert_int_equal (run ((const char *const[]){"--data", s_folder, "--log-level", "loud", NULL}),
                      2);
    assert_int_equal (run ((const char *const[]){"--data", s_folder, "--fault", "x", NULL}), 2);
    assert_int_equal (run ((const char *const[]){"--data", s_folder, "--ready-fd", "77", NULL}), 2);
    assert_int_equal (run ((const char *const[]){"--data", s_folder, "--connections", "0", NULL}),
                      2);
    assert_int_equal (
        run ((const char *const[]){"--data", s_folder, "--connections", "1025", NULL}), 2);
}

static void
help_and_version_end_with_0 (void **state)
{
    (void)state;
    assert_int_equal (run ((const char *const[]){"--help", NULL}), 0);
    char *out = read_file ("out");
    assert_non_null (strstr (out, "--sa-password-file"));
    free (out);
    assert_int_equal (run ((const char *const[]){"--version", NULL}), 0);
    out = read_file ("out");
    assert_int_equal (strncmp (out, "sqlhost ", 8), 0);
    free (out);
}

static void
a_new_instance_without_a_password_is_refused (void **state)
{
    (void)state;
    assert_int_equal (run ((const char *const[]){"--data", path_of ("data"), "--name", "S", NULL}),
                      1);
    char *log = read_file ("log");
    assert_non_null (strstr (log, "--sa-password-file"));
    free (log);
}

static void
a_password_file_that_holds_none_is_refused (void **state)
{
    (void)state;
    write_file ("sa.password", "\n");
    const char *const empty[] = {"--data", path_of ("data"),     "--name",
                                 "S",      "--sa-password-file", path_of ("sa.password"),
                                 NULL};
    assert_int_equal (run (empty), 1);
    const char *const missing[] = {
        "--data", path_of ("data"), "--name", "S", "--sa-password-file", path_of ("none"), NULL};
    assert_int_equal (run (missing), 1);
    char *log = read_file ("log");
    assert_non_null (strstr (log, "No such file"));
    free (log);
}

static void
an_unknown_fault_is_refused (void **state)
{
    (void)state;
    write_file ("sa.password", PASSWORD);
    const char *const arguments[] = {"--data",
                                     path_of ("data"),
                                     "--name",
                                     "S",
                                     "--sa-password-file",
                                     path_of ("sa.password"),
                                     "--fault",
                                     "no_such=1",
                                     "--listen",
                                     "127.0.0.1:0",
                                     NULL};
    assert_int_equal (run (arguments), 1);
}

static void
it_serves_and_stops_on_sigterm (void **state)
{
    (void)state;
    child_t child = serve (NULL, NULL);
    assert_int_equal (strncmp (child.address, "127.0.0.1:", 10), 0);
    assert_null (dial (&child, "wrong"));
    assert_int_equal (s_message, 18456);
    DBPROCESS *process = dial (&child, PASSWORD);
    assert_non_null (process);
    dbcmd (process, "SELECT CAST (SERVERPROPERTY ('servername') AS varchar (30))");
    assert_int_equal (dbsqlexec (process), SUCCEED);
    assert_int_equal (dbresults (process), SUCCEED);
    assert_int_equal (dbnextrow (process), REG_ROW);
    assert_int_equal (dbdatlen (process, 1), 5);
    assert_memory_equal (dbdata (process, 1), "SQL01", 5);
    assert_int_equal (stop (&child), 0);
    dbclose (process);
}

/*  Asks until the statement says 1, at most so often; every answer is an event of the server's. */
static void
ask_until_one (DBPROCESS *process, const char *text)
{
    for (int i = 0; i < 20000; i++) {
        int answer = 0;
        dbcmd (process, text);
        assert_int_equal (dbsqlexec (process), SUCCEED);
        while (dbresults (process) != NO_MORE_RESULTS)
            while (dbnextrow (process) == REG_ROW)
                answer = *(DBINT *)dbdata (process, 1);
        if (answer == 1)
            return;
    }
    fail_msg ("never so: %s", text);
}

static void
it_stops_while_a_batch_waits (void **state)
{
    (void)state;
    child_t child = serve (NULL, NULL);
    DBPROCESS *process = dial (&child, PASSWORD), *watcher = dial (&child, PASSWORD);
    assert_non_null (process);
    assert_non_null (watcher);
    dbcmd (process, "WAITFOR DELAY '00:10:00'");
    assert_int_equal (dbsqlsend (process), SUCCEED);
    ask_until_one (watcher, "SELECT COUNT (*) FROM sys.dm_exec_requests WHERE command = 'WAITFOR'");
    assert_int_equal (stop (&child), 0);
    dbclose (process);
    dbclose (watcher);
}

static void
the_password_is_kept_and_can_be_set_anew (void **state)
{
    (void)state;
    child_t child = serve (NULL, NULL);
    assert_int_equal (stop (&child), 0);
    const char *const again[] = {"--data", path_of ("data"), "--listen", "127.0.0.1:0", NULL};
    child = start (again);
    DBPROCESS *process = dial (&child, PASSWORD);
    assert_non_null (process);
    dbclose (process);
    assert_int_equal (stop (&child), 0);
    write_file ("sa.password", "Another-1");
    const char *const anew[] = {"--data",      path_of ("data"),     "--listen",
                                "127.0.0.1:0", "--sa-password-file", path_of ("sa.password"),
                                NULL};
    child = start (anew);
    assert_null (dial (&child, PASSWORD));
    process = dial (&child, "Another-1");
    assert_non_null (process);
    dbclose (process);
    assert_int_equal (stop (&child), 0);
}

static void
a_fault_of_the_command_line_strikes (void **state)
{
    (void)state;
    child_t child = serve ("--fault", "refuse_login=1");
    s_message = 0;
    assert_null (dial (&child, PASSWORD));
    assert_int_equal (s_message, 18456);
    assert_int_equal (stop (&child), 0);
}

static void
a_taken_port_is_said (void **state)
{
    (void)state;
    child_t child = serve (NULL, NULL);
    const char *const arguments[] = {"--data",   path_of ("other"),    "--name",
                                     "S2",       "--sa-password-file", path_of ("sa.password"),
                                     "--listen", child.address,        NULL};
    assert_int_equal (run (arguments), 1);
    char *log = read_file ("log");
    assert_non_null (strstr (log, "cannot listen at"));
    free (log);
    assert_int_equal (stop (&child), 0);
}

#define ALONE(test) cmocka_unit_test_setup_teardown (test, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        ALONE (wrong_usage_ends_with_2),
        ALONE (help_and_version_end_with_0),
        ALONE (a_new_instance_without_a_password_is_refused),
        ALONE (a_password_file_that_holds_none_is_refused),
        ALONE (an_unknown_fault_is_refused),
        ALONE (it_serves_and_stops_on_sigterm),
        ALONE (it_stops_while_a_batch_waits),
        ALONE (the_password_is_kept_and_can_be_set_anew),
        ALONE (a_fault_of_the_command_line_strikes),
        ALONE (a_taken_port_is_said),
    };
    const char *build = getenv ("BTSMARK_BUILD");

    snprintf (s_program, sizeof s_program, "%s/sqlhost", build ? build : "build");
    setenv ("FREETDSCONF", "/dev/null", 1);
    dbinit ();
    dbsetlogintime (20);
    dbmsghandle (on_message);
    dberrhandle (on_error);
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    dbexit ();
    return failed;
}
