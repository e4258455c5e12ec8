/*  tests/unit/coordinator/live_sql.h
 *  A stand-in process with a management database made by deploy/sql/group, for tests of what T-SQL really does. Everything in a
 *  temporary folder; ended by its id.
 */
#ifndef BM_LIVE_SQL_H
#define BM_LIVE_SQL_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/sql.h"

typedef struct {
    char folder[64];
    char password_file[96];
    char address[64];
    pid_t process;
    bm_secret_t *password;
} live_t;

static inline char *
live_read_file (const char *path)
{
    FILE *file = fopen (path, "r");
    if (!file)
        return NULL;
    char *text = NULL, buffer[4096];
    size_t size = 0, got;
    FILE *whole = open_memstream (&text, &size);
    while ((got = fread (buffer, 1, sizeof buffer, file)) > 0)
        fwrite (buffer, 1, got, whole);
    fclose (file);
    fclose (whole);
    return text;
}

/*  Runs the batches of a script, which GO on lines of its own separates. NULL, or what failed (freed by the caller). */
static inline char *
live_script (bm_sql_t *sql, char *text)
{
    char *at = text;
    while (at && *at) {
        char *end = at, *next = NULL;
        for (char *line = at; line; line = strchr (line, '\n') ? strchr (line, '\n') + 1 : NULL)
            if (strncmp (line, "GO", 2) == 0 && (line[2] == '\n' || line[2] == '\r' || !line[2])) {
                end = line;
                next = line + 2;
                break;
            }
        if (end == at && !next)
            end = at + strlen (at);
        char *batch = strndup (at, (size_t)(end - at));
        bm_error_t error = {0};
        bool empty = strspn (batch, " \r\n\t") == strlen (batch);
        bm_status_t status = empty ? BM_OK : bm_sql_exec (sql, batch, NULL, &error);
        char *failed = status ? bm_format ("%s\nin: %.200s", error.text, batch) : NULL;
        free (batch);
        if (failed)
            return failed;
        at = next;
    }
    return NULL;
}

static inline bm_sql_t *
live_sql (const live_t *self, const char *database)
{
    bm_sql_login_t login = {.server = self->address,
                            .access = {.encrypt = BM_SQL_ENCRYPT_OFF},
                            .user = "sa",
                            .password = self->password,
                            .database = database,
                            .program = "test"};
    bm_error_t error = {0};
    bm_sql_t *sql = bm_sql_open (&login, &error);
    if (!sql)
        fprintf (stderr, "%s\n", error.text);
    return sql;
}

static inline bool
live_make_group (live_t *self)
{
    const char *source = getenv ("BTSMARK_SOURCE");
    bm_sql_t *sql = live_sql (self, "master");
    char create[] =
        "CREATE DATABASE BizTalkMgmtDb\nGO\nALTER DATABASE BizTalkMgmtDb SET RECOVERY FULL\nGO\n"
        "USE BizTalkMgmtDb\n";
    char *failed = sql ? live_script (sql, create) : bm_strdup ("no session");
    const char *const names[] = {"backup-setup.sql", "management.sql"};
    for (size_t i = 0; i < 2 && !failed; i++) {
        char *path = bm_format ("%s/deploy/sql/group/%s", source ? source : ".", names[i]);
        char *text = live_read_file (path);
        failed = text ? live_script (sql, text) : bm_format ("%s cannot be read", path);
        free (text);
        free (path);
    }
    if (failed)
        fprintf (stderr, "the management database cannot be made: %s\n", failed);
    bool made = !failed;
    free (failed);
    bm_sql_close (&sql);
    return made;
}

/*  Waits for the ready line, "HOST:PORT". */
static inline bool
live_read_ready (live_t *self, int fd)
{
    size_t length = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (length < sizeof self->address - 1 && poll (&wait, 1, 30000) == 1) {
        if (read (fd, self->address + length, 1) != 1)
            break;
        if (self->address[length] == '\n') {
            self->address[length] = '\0';
            return true;
        }
        length++;
    }
    return false;
}

/*  0 = serves; 1 = there is no stand-in in the build folder; -1 = failed. `option` and its value (or NULL) go to the stand-in,
 *  "%s" in the value is an empty folder of ours, <folder>/files. */
static inline int
live_start_with (live_t *self, const char *option, const char *value)
{
    const char *build = getenv ("BTSMARK_BUILD");
    memset (self, 0, sizeof *self);
    char *program = bm_format ("%s/sqlhost", build ? build : "build");
    if (access (program, X_OK) != 0) {
        free (program);
        return 1;
    }
    snprintf (self->folder, sizeof self->folder, "/tmp/bm-live-XXXXXX");
    if (!mkdtemp (self->folder))
        return -1;
    snprintf (self->password_file, sizeof self->password_file, "%s/sa", self->folder);
    int fd = open (self->password_file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write (fd, "Live!2026\n", 10) != 10)
        return -1;
    close (fd);
    self->password = bm_secret_new ("Live!2026");
    int ready[2];
    if (pipe (ready) != 0)
        return -1;
    self->process = fork ();
    if (self->process == 0) {
        char *data = bm_format ("%s/data", self->folder), *number = bm_format ("%d", ready[1]);
        char *log = bm_format ("%s/log", self->folder);
        mkdir (data, 0700);
        int out = open (log, O_WRONLY | O_CREAT, 0600);
        dup2 (out, 1);
        dup2 (out, 2);
        char *files = bm_format ("%s/files", self->folder);
        mkdir (files, 0700);
        const char *place = value ? strstr (value, "%s") : NULL;
        char *whole = place ? bm_format ("%.*s%s/files%s", (int)(place - value), value,
                                         self->folder, place + 2)
                            : bm_strdup (value);
        execl (program, program, "--name", "SQL01", "--data", data, "--listen", "127.0.0.1:0",
               "--sa-password-file", self->password_file, "--ready-fd", number, option, whole,
               (char *)NULL);
        _exit (127);
    }
    close (ready[1]);
    bool serves = live_read_ready (self, ready[0]);
    close (ready[0]);
    free (program);
    return serves && live_make_group (self) ? 0 : -1;
}

static inline int
live_start (live_t *self)
{
    return live_start_with (self, NULL, NULL);
}

static inline void
live_stop (live_t *self)
{
    if (self->process > 0) {
        kill (self->process, SIGKILL);
        waitpid (self->process, NULL, 0);
    }
    bm_secret_destroy (&self->password);
    if (*self->folder) {
        /*  Only what was made there: one level of data below the folder of ours. */
        pid_t child = fork ();
        if (child == 0) {
            execlp ("rm", "rm", "-rf", "--", self->folder, (char *)NULL);
            _exit (127);
        }
        waitpid (child, NULL, 0);
    }
}

#endif
