/*  tests/e2e/cluster.c: see cluster.h. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <poll.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/clock.h"
#include "tests/e2e/cluster.h"

#define MAX_ARGUMENTS 48
#define START_MS      120000
#define RUN_MS        180000
#define S_SKIPPED     77 /* as tests/CMakeLists.txt tells ctest */

typedef struct s_host {
    char *instance, *address, *agent;
} s_host_t;

struct bm_cluster {
    char *dir;
    s_host_t *hosts;
    size_t host_count;
    char **paths; /* given out by bm_cluster_path */
    size_t path_count;
    bm_secret_t *password;
    bool given; /* on SQL Servers that were given */
    bool clean; /* bm_cluster_assert_clean_end held */
};

static const char *
s_environment (const char *name)
{
    const char *value = getenv (name);
    if (!value)
        fail_msg ("%s is not set: run the tests through ctest or tests/run.sh", name);
    return value;
}

static char *
s_slurp (const char *path)
{
    FILE *file = fopen (path, "rb");
    if (!file)
        return NULL;
    char *text = bm_alloc (1);
    size_t size = 0, got;
    char buffer[65536];
    while ((got = fread (buffer, 1, sizeof buffer, file)) > 0) {
        text = bm_realloc (text, size + got + 1);
        memcpy (text + size, buffer, got);
        size += got;
        text[size] = '\0';
    }
    fclose (file);
    return text;
}

const char *
bm_cluster_dir (const bm_cluster_t *self)
{
    return self->dir;
}

const char *
bm_cluster_path (bm_cluster_t *self, const char *format, ...)
{
    va_list arguments;
    char *tail = NULL;
    va_start (arguments, format);
    int rc = vasprintf (&tail, format, arguments);
    va_end (arguments);
    bm_require (rc >= 0);
    self->paths = bm_realloc (self->paths, (self->path_count + 1) * sizeof (char *));
    self->paths[self->path_count] = bm_format ("%s/%s", self->dir, tail);
    free (tail);
    return self->paths[self->path_count++];
}

/*  Lines of DIR/hosts: instance, address, agent's endpoint. The first instance of an endpoint names its agent. */
static void
s_read_hosts (bm_cluster_t *self)
{
    char *text = s_slurp (bm_cluster_path (self, "hosts"));
    assert_non_null (text);
    char endpoints[64][128];
    char *rest = text, *line;
    while ((line = strsep (&rest, "\n")) && *line) {
        s_host_t host = {0};
        char *instance = strsep (&line, "\t");
        char *address = strsep (&line, "\t");
        assert_non_null (line);
        host.instance = bm_strdup (instance);
        host.address = bm_strdup (address);
        host.agent = bm_format ("SQL%02zu", self->host_count + 1);
        assert_true (self->host_count < 64);
        snprintf (endpoints[self->host_count], sizeof endpoints[0], "%s", line);
        for (size_t i = 0; i < self->host_count; i++)
            if (strcmp (endpoints[i], line) == 0) {
                free (host.agent);
                host.agent = bm_strdup (self->hosts[i].agent);
                break;
            }
        self->hosts = bm_realloc (self->hosts, (self->host_count + 1) * sizeof (s_host_t));
        self->hosts[self->host_count++] = host;
    }
    free (text);
}

/*  Runs deploy/sandbox.sh. Returns what it said on stderr (freed by the caller), NULL when it failed or did not end. */
static char *
s_sandbox_says (const bm_cluster_t *self, const char *command, int hosts, int databases,
                bool workload)
{
    char *script = bm_format ("%s/deploy/sandbox.sh", s_environment ("BTSMARK_SOURCE"));
    char *host_text = bm_format ("%d", hosts), *database_text = bm_format ("%d", databases);
    const char *arguments[] = {
        script,    command,       self->dir,     hosts ? "--hosts" : NULL,
        host_text, "--databases", database_text, workload ? "--workload" : NULL,
        NULL};
    bm_process_t *process = bm_process_spawn (arguments);
    bm_ran_t ran = {0};
    int code = bm_process_wait_end (process, &ran, START_MS);
    char *says = code == 0 ? bm_strdup (ran.err) : NULL;
    if (!says)
        print_error ("%s%sdeploy/sandbox.sh %s failed with %d (folder %s)\n", ran.out, ran.err,
                     command, code, self->dir);
    bm_ran_clear (&ran);
    bm_process_destroy (&process);
    free (host_text);
    free (database_text);
    free (script);
    return says;
}

static void
s_sandbox (const bm_cluster_t *self, const char *command, int hosts, int databases, bool workload)
{
    char *says = s_sandbox_says (self, command, hosts, databases, workload);
    if (!says)
        fail_msg ("deploy/sandbox.sh %s failed", command);
    free (says);
}

/*  A start that fails half-way, or a test without a teardown that fails, leaves processes that nobody ends, and they burden
 *  every test after it. The folder stays, to look at. */
static bm_cluster_t *s_alive;

static void
s_end_what_was_left (void)
{
    if (!s_alive)
        return;
    free (s_sandbox_says (s_alive, s_alive->given ? "drop" : "stop", 0, 0, false));
    print_message ("kept: %s\n", s_alive->dir);
}

bool
bm_cluster_is_given (const bm_cluster_t *self)
{
    return self->given;
}

void
bm_cluster_needs_stand_in (const bm_cluster_t *self, const char *why)
{
    if (!self->given)
        return;
    print_message ("SKIPPED: on a given SQL Server there is no %s\n", why);
    skip ();
}

void
bm_cluster_program_needs_stand_in (const char *why)
{
    const char *list = getenv ("BTSMARK_SQLSERVER_HOSTS");
    if (!list || !*list)
        return;
    printf ("SKIPPED: on a given SQL Server there is no %s\n", why);
    exit (S_SKIPPED);
}

void
bm_cluster_needs_files (const bm_cluster_t *self)
{
    const char *files = getenv ("BTSMARK_SQLSERVER_FILES");
    if (!files || strcmp (files, "local") != 0)
        bm_cluster_needs_stand_in (self, "way to the backup files from this machine");
}

/*  The number of SQL Servers that were given. Fewer than the test needs: the whole program says so and ends as skipped. */
static size_t
s_given (int hosts)
{
    const char *list = getenv ("BTSMARK_SQLSERVER_HOSTS");
    if (!list || !*list)
        return 0;
    size_t count = 1;
    for (const char *c = list; *c; c++)
        count += *c == ',';
    if (count < (size_t)hosts) {
        printf ("SKIPPED: %d SQL Servers are needed, BTSMARK_SQLSERVER_HOSTS names %zu\n", hosts,
                count);
        exit (S_SKIPPED);
    }
    return count;
}

bm_cluster_t *
bm_cluster_start (int hosts, int databases, bool workload)
{
    bool given = s_given (hosts) > 0;
    bm_cluster_t *self = bm_alloc (sizeof *self);
    self->given = given;
    const char *tmp = getenv ("TMPDIR");
    self->dir = bm_format ("%s/btsmark-e2e-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null (mkdtemp (self->dir));
    static bool registered;
    if (!registered && atexit (s_end_what_was_left) == 0)
        registered = true;
    s_alive = self;
    s_sandbox (self, "start", hosts, databases, workload);
    s_read_hosts (self);
    bm_error_t error = {0};
    self->password = bm_secret_from_file (bm_cluster_path (self, "sa.password"), &error);
    if (!self->password)
        fail_msg ("%s", error.text);
    static bool sql_ready;
    if (!sql_ready && bm_sql_init (&error) != BM_OK)
        fail_msg ("%s", error.text);
    sql_ready = true;
    return self;
}

static void
s_remove_tree (const char *path)
{
    DIR *folder = opendir (path);
    if (folder) {
        struct dirent *entry;
        while ((entry = readdir (folder))) {
            if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
                continue;
            char *child = bm_format ("%s/%s", path, entry->d_name);
            struct stat info;
            if (lstat (child, &info) == 0 && S_ISDIR (info.st_mode))
                s_remove_tree (child);
            else
                unlink (child);
            free (child);
        }
        closedir (folder);
    }
    rmdir (path);
}

void
bm_cluster_stop (bm_cluster_t **self_p)
{
    bm_cluster_t *self = *self_p;
    if (!self)
        return;
    s_sandbox (self, self->given ? "drop" : "stop", 0, 0, false);
    s_alive = NULL;
    if (getenv ("BTSMARK_KEEP") || !self->clean)
        print_message ("kept: %s\n", self->dir);
    else
        s_remove_tree (self->dir);
    for (size_t i = 0; i < self->host_count; i++) {
        free (self->hosts[i].instance);
        free (self->hosts[i].address);
        free (self->hosts[i].agent);
    }
    for (size_t i = 0; i < self->path_count; i++)
        free (self->paths[i]);
    free (self->paths);
    free (self->hosts);
    bm_secret_destroy (&self->password);
    free (self->dir);
    free (self);
    *self_p = NULL;
}

size_t
bm_cluster_hosts (const bm_cluster_t *self)
{
    return self->host_count;
}

const char *
bm_cluster_instance (const bm_cluster_t *self, size_t host)
{
    return self->hosts[host].instance;
}

const char *
bm_cluster_manifests (bm_cluster_t *self, size_t host)
{
    const char *files = getenv ("BTSMARK_SQLSERVER_FILES");
    const char *folder = getenv ("BTSMARK_SQLSERVER_BACKUP_PATH");
    if (self->given && folder && files && strcmp (files, "local") == 0)
        return folder;
    return bm_cluster_path (self, "backup/%s",
                            self->given ? self->hosts[host].agent : self->hosts[host].instance);
}

const char *
bm_cluster_address (const bm_cluster_t *self, size_t host)
{
    return self->hosts[host].address;
}

const char *
bm_cluster_agent (const bm_cluster_t *self, size_t host)
{
    return self->hosts[host].agent;
}

bm_sql_t *
bm_cluster_sql (bm_cluster_t *self, size_t host, const char *database)
{
    bm_sql_login_t login = {.server = self->hosts[host].address,
                            .access = {.ca_file = bm_cluster_path (self, "keys/ca.pem")},
                            .user = "sa",
                            .password = self->password,
                            .database = database,
                            .program = "btsmark-test"};
    if (self->given) {
        const char *user = getenv ("BTSMARK_SQLSERVER_LOGIN");
        const char *authorities = getenv ("BTSMARK_SQLSERVER_CA_FILE");
        login.user = user ? user : "sa";
        login.access.ca_file = authorities ? authorities : "none";
    }
    bm_error_t error = {0};
    bm_sql_t *sql = bm_sql_open (&login, &error);
    if (!sql)
        fail_msg ("%s: %s", self->hosts[host].instance, error.text);
    return sql;
}

static bm_sql_result_t *
s_query (bm_cluster_t *self, size_t host, const char *batch)
{
    bm_sql_t *sql = bm_cluster_sql (self, host, NULL);
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    if (bm_sql_exec (sql, batch, &result, &error) != BM_OK)
        fail_msg ("%s: %s\n%s", self->hosts[host].instance, error.text, batch);
    bm_sql_close (&sql);
    return result;
}

char *
bm_cluster_value (bm_cluster_t *self, size_t host, const char *batch, const char *column)
{
    bm_sql_result_t *result = s_query (self, host, batch);
    const char *columns[] = {column, NULL};
    int set = bm_sql_result_find (result, columns);
    char *value = NULL;
    if (set >= 0 && bm_sql_result_rows (result, set) > 0)
        value = bm_strdup (bm_sql_result_text (result, set, 0, column));
    bm_sql_result_destroy (&result);
    return value;
}

void
bm_cluster_exec (bm_cluster_t *self, size_t host, const char *batch)
{
    bm_sql_result_t *result = s_query (self, host, batch);
    bm_sql_result_destroy (&result);
}

void
bm_cluster_fault (bm_cluster_t *self, size_t host, const char *name, const char *value)
{
    bm_cluster_needs_stand_in (self, "fault on demand");
    char *batch = bm_format ("EXEC master.dbo.sqlhost_fault N'%s', N'%s'", name, value);
    bm_cluster_exec (self, host, batch);
    free (batch);
}

/*  argv of a program of the build folder; `first` and the rest are put behind it. */
static void
s_arguments (const char **argv, size_t count, va_list rest)
{
    const char *argument;
    while ((argument = va_arg (rest, const char *))) {
        bm_require (count < MAX_ARGUMENTS - 1);
        argv[count++] = argument;
    }
    argv[count] = NULL;
}

static char *
s_program (const char *name)
{
    return name[0] == '/' ? bm_strdup (name)
                          : bm_format ("%s/%s", s_environment ("BTSMARK_BUILD"), name);
}

int
bm_cluster_run (bm_cluster_t *self, bm_ran_t *ran, const char *program, ...)
{
    const char *argv[MAX_ARGUMENTS];
    if (strcmp (program, "sqlhost-cut") == 0)
        bm_cluster_needs_stand_in (self, "backup file that sqlhost-cut can read");
    char *path = s_program (program);
    argv[0] = path;
    va_list rest;
    va_start (rest, program);
    s_arguments (argv, 1, rest);
    va_end (rest);
    bm_process_t *process = bm_process_spawn (argv);
    int code = bm_process_wait_end (process, ran, RUN_MS);
    bm_process_destroy (&process);
    free (path);
    return code;
}

/*  btsmark COMMAND -c FILE ... */
static bm_process_t *
s_spawn_btsmark (bm_cluster_t *self, va_list rest)
{
    const char *argv[MAX_ARGUMENTS];
    char *path = s_program ("btsmark");
    argv[0] = path;
    argv[1] = va_arg (rest, const char *);
    argv[2] = "-c";
    argv[3] = bm_cluster_path (self, "btsmark.ini");
    s_arguments (argv, 4, rest);
    bm_process_t *process = bm_process_spawn (argv);
    free (path);
    return process;
}

int
bm_cluster_btsmark (bm_cluster_t *self, bm_ran_t *ran, ...)
{
    va_list rest;
    va_start (rest, ran);
    bm_process_t *process = s_spawn_btsmark (self, rest);
    va_end (rest);
    int code = bm_process_wait_end (process, ran, RUN_MS);
    bm_process_destroy (&process);
    return code;
}

bm_process_t *
bm_cluster_spawn_btsmark (bm_cluster_t *self, ...)
{
    va_list rest;
    va_start (rest, self);
    bm_process_t *process = s_spawn_btsmark (self, rest);
    va_end (rest);
    return process;
}

pid_t
bm_cluster_process (bm_cluster_t *self, const char *name)
{
    if (strncmp (name, "sqlhost-", 8) == 0)
        bm_cluster_needs_stand_in (self, "process of SQL Server to stop or kill");
    char *text = s_slurp (bm_cluster_path (self, "run/%s.pid", name));
    if (!text)
        fail_msg ("%s was not started", name);
    pid_t pid = (pid_t)strtol (text, NULL, 10);
    free (text);
    return pid;
}

/*  Waits for the end of a process that is not our child. */
static void
s_wait_gone (pid_t pid, const char *name)
{
    int fd = (int)syscall (SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int rc = poll (&wait, 1, 60000);
    close (fd);
    if (rc != 1)
        fail_msg ("%s (process %d) did not end in 60 s", name, (int)pid);
}

void
bm_cluster_kill (bm_cluster_t *self, const char *name, int signal)
{
    pid_t pid = bm_cluster_process (self, name);
    if (kill (pid, signal) != 0 && errno != ESRCH)
        fail_msg ("%s: %s", name, strerror (errno));
    if (signal != SIGSTOP && signal != SIGCONT)
        s_wait_gone (pid, name);
}

void
bm_cluster_resume (bm_cluster_t *self)
{
    s_sandbox (self, "start", 0, 0, false);
}

char *
bm_cluster_log (bm_cluster_t *self, const char *name)
{
    return s_slurp (bm_cluster_path (self, "log/%s.log", name));
}

bool
bm_sanitizer_reported (const char *text)
{
    return strstr (text, "AddressSanitizer") || strstr (text, "LeakSanitizer") ||
           strstr (text, "ThreadSanitizer") || strstr (text, "runtime error:");
}

static bool
s_allowed (const char *line, const char *const *allowed)
{
    for (size_t i = 0; allowed && allowed[i]; i++)
        if (strstr (line, allowed[i]))
            return true;
    return false;
}

static void
s_assert_log (bm_cluster_t *self, const char *name, const char *const *allowed)
{
    char *text = s_slurp (bm_cluster_path (self, "log/%s", name));
    if (!text)
        return;
    if (strstr (text, bm_secret_reveal (self->password)))
        fail_msg ("the password of sa stands in %s", name);
    char *rest = text, *line;
    while ((line = strsep (&rest, "\n")))
        if (bm_sanitizer_reported (line)) {
            fprintf (stderr, "%s\n%s\n", line, rest ? rest : ""); /* cmocka cuts long texts */
            fail_msg ("a sanitizer's report in %s", name);
        } else if (strstr (line, " ERROR ") && !s_allowed (line, allowed))
            fail_msg ("%s: %s", name, line);
    free (text);
}

void
bm_cluster_assert_logs (bm_cluster_t *self, const char *const *allowed)
{
    DIR *folder = opendir (bm_cluster_path (self, "log"));
    assert_non_null (folder);
    struct dirent *entry;
    while ((entry = readdir (folder)))
        if (entry->d_name[0] != '.')
            s_assert_log (self, entry->d_name, allowed);
    closedir (folder);
}

void
bm_cluster_assert_clean_end (bm_cluster_t *self, const char *const *allowed)
{
    char *says = s_sandbox_says (self, "stop", 0, 0, false);
    if (!says || *says)
        fail_msg ("a process did not end as it should: %s", says ? says : "sandbox.sh failed");
    free (says);
    bm_cluster_assert_logs (self, allowed);
    self->clean = true;
}

void
bm_cluster_edit (bm_cluster_t *self, const char *file, const char *from, const char *to)
{
    const char *path = bm_cluster_path (self, "%s", file);
    char *text = s_slurp (path);
    char *at = text ? strstr (text, from) : NULL;
    if (!at)
        fail_msg ("\"%s\" does not stand in %s", from, file);
    FILE *out = fopen (path, "wb");
    assert_non_null (out);
    fprintf (out, "%.*s%s%s", (int)(at - text), text, to, at + strlen (from));
    assert_int_equal (fclose (out), 0);
    free (text);
}
