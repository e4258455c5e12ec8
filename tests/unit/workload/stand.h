/*  tests/unit/workload/stand.h
 *  Two instances of the stand-in with a small group, made from deploy/sql/group: SQL02 holds two MessageBoxes, SQL03 the
 *  tracking databases and two databases with orders. Ended by their process ids.
 */
#ifndef BM_TESTS_STAND_H
#define BM_TESTS_STAND_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "common/sql.h"
#include "tests/unit/common/tests.h"
#include "tests/workload/group.h"

#define STAND_INSTANCES 2

extern char **environ;

typedef struct {
    char *folder;
    pid_t processes[STAND_INSTANCES];
    char *addresses[STAND_INSTANCES];
    bm_secret_t *password;
    bm_work_group_t *group;
} stand_t;

static const char *const stand_names[STAND_INSTANCES] = {"SQL02", "SQL03"};
/*  Database and the scripts that make it. */
static const char *const stand_databases[][4] = {
    {"SQL02", "BizTalkMsgBoxDb", "backup-setup.sql", "messagebox.sql"},
    {"SQL02", "BizTalkMsgBoxDb2", "backup-setup.sql", "messagebox.sql"},
    {"SQL03", "BizTalkDTADb", "backup-setup.sql", "tracking.sql"},
    {"SQL03", "BAMPrimaryImport", "backup-setup.sql", "bam.sql"},
    {"SQL03", "OrdersDb", "backup-setup.sql", NULL},
    {"SQL03", "Custom9", "backup-setup.sql", NULL},
};
#define STAND_DATABASES (sizeof stand_databases / sizeof *stand_databases)

/*  A test program that fails in its set-up leaves no server behind. */
static pid_t stand_processes[STAND_INSTANCES];

static inline void
stand_kill_all (void)
{
    for (size_t i = 0; i < STAND_INSTANCES; i++)
        if (stand_processes[i] > 0)
            kill (stand_processes[i], SIGKILL);
}

static inline char *
stand_build_path (const char *program)
{
    const char *build = getenv ("BTSMARK_BUILD");
    return bm_format ("%s/%s", build ? build : ".", program);
}

/*  Starts a program that says it is ready with a line of its own; returns the line. */
static inline char *
stand_spawn (pid_t *process, char *const *arguments)
{
    int ready[2];
    assert_int_equal (pipe (ready), 0);
    fcntl (ready[0], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_adddup2 (&actions, ready[1], 9);
    assert_int_equal (posix_spawn (process, arguments[0], &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy (&actions);
    close (ready[1]);
    char line[256] = "";
    struct pollfd wait = {.fd = ready[0], .events = POLLIN};
    ssize_t got = poll (&wait, 1, 30000) == 1 ? read (ready[0], line, sizeof line - 1) : 0;
    close (ready[0]);
    if (got <= 0)
        fail_msg ("%s did not start", arguments[0]);
    line[strcspn (line, "\n")] = '\0';
    return bm_strdup (line);
}

static inline void
stand_start_instance (stand_t *self, size_t instance)
{
    char *program = stand_build_path ("sqlhost");
    char *data = bm_format ("%s/%s", self->folder, stand_names[instance]);
    char *password = bm_format ("%s/sa", self->folder);
    char *const arguments[] = {program,
                               (char *)"--name",
                               (char *)(uintptr_t)stand_names[instance],
                               (char *)"--data",
                               data,
                               (char *)"--listen",
                               (char *)"127.0.0.1:0",
                               (char *)"--sa-password-file",
                               password,
                               (char *)"--log-level",
                               (char *)"error",
                               (char *)"--ready-fd",
                               (char *)"9",
                               NULL};
    self->addresses[instance] = stand_spawn (&self->processes[instance], arguments);
    stand_processes[instance] = self->processes[instance];
    free (program);
    free (data);
    free (password);
}

static inline bm_sql_t *
stand_open (const stand_t *self, size_t instance)
{
    bm_sql_login_t login = {.server = self->addresses[instance],
                            .access = {.encrypt = BM_SQL_ENCRYPT_OFF},
                            .user = "sa",
                            .password = self->password,
                            .program = "test"};
    bm_error_t error = {0};
    bm_sql_t *sql = bm_sql_open (&login, &error);
    if (!sql)
        fail_msg ("%s", error.text);
    return sql;
}

static inline void
stand_exec (bm_sql_t *sql, const char *batch)
{
    bm_error_t error = {0};
    if (bm_sql_exec (sql, batch, NULL, &error))
        fail_msg ("%s\n%s", error.text, batch);
}

/*  Runs a script of deploy/sql/group: batches between lines that say GO. */
static inline void
stand_script (bm_sql_t *sql, const char *name)
{
    const char *source = getenv ("BTSMARK_SOURCE");
    char *path = bm_format ("%s/deploy/sql/group/%s", source ? source : ".", name);
    FILE *file = fopen (path, "re");
    assert_non_null (file);
    char line[4096];
    char *batch = bm_strdup ("");
    while (fgets (line, sizeof line, file)) {
        if (strcmp (line, "GO\n") == 0) {
            stand_exec (sql, batch);
            *batch = '\0';
        } else {
            char *longer = bm_format ("%s%s", batch, line);
            free (batch);
            batch = longer;
        }
    }
    free (batch);
    fclose (file);
    free (path);
}

static inline void
stand_make_databases (stand_t *self, size_t instance)
{
    bm_sql_t *sql = stand_open (self, instance);
    for (size_t i = 0; i < STAND_DATABASES; i++) {
        if (strcmp (stand_databases[i][0], stand_names[instance]) != 0)
            continue;
        char *batch = bm_format ("CREATE DATABASE [%s]", stand_databases[i][1]);
        stand_exec (sql, batch);
        free (batch);
        batch = bm_format ("ALTER DATABASE [%s] SET RECOVERY FULL", stand_databases[i][1]);
        stand_exec (sql, batch);
        free (batch);
        batch = bm_format ("USE [%s]", stand_databases[i][1]);
        stand_exec (sql, batch);
        free (batch);
        stand_script (sql, stand_databases[i][2]);
        if (stand_databases[i][3])
            stand_script (sql, stand_databases[i][3]);
        else
            stand_exec (sql, "CREATE TABLE dbo.Orders (OrderId int NOT NULL PRIMARY KEY, Item "
                             "nvarchar(64) NOT NULL)");
        if (strcmp (stand_databases[i][1], "BizTalkMsgBoxDb") == 0 ||
            strcmp (stand_databases[i][1], "OrdersDb") == 0)
            stand_script (sql, "routed.sql");
        stand_exec (sql, "USE master");
    }
    bm_sql_close (&sql);
}

static inline bool
stand_is_there (void)
{
    char *program = stand_build_path ("sqlhost");
    bool there = access (program, X_OK) == 0;
    free (program);
    return there;
}

static inline stand_t *
stand_new (void)
{
    stand_t *self = bm_alloc (sizeof *self);
    atexit (stand_kill_all);
    self->folder = tests_folder_new ();
    free (tests_file (self->folder, "sa", "Secret#1\n", 9, 0600));
    self->password = bm_secret_new ("Secret#1");
    self->group = bm_work_group_new ("sa", self->password);
    bm_error_t error = {0};
    assert_int_equal (bm_sql_init (&error), BM_OK);
    for (size_t i = 0; i < STAND_INSTANCES; i++) {
        stand_start_instance (self, i);
        stand_make_databases (self, i);
        char *text = bm_format ("%s=%s", stand_names[i], self->addresses[i]);
        assert_int_equal (bm_work_group_add (self->group, text, &error), BM_OK);
        free (text);
    }
    if (bm_work_group_discover (self->group, &error))
        fail_msg ("%s", error.text);
    return self;
}

/*  The folder and everything in it. */
static inline void
stand_remove (const char *path)
{
    DIR *listing = opendir (path);
    for (struct dirent *entry; listing && (entry = readdir (listing));) {
        if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
            continue;
        char *child = bm_format ("%s/%s", path, entry->d_name);
        if (unlink (child) != 0)
            stand_remove (child);
        free (child);
    }
    if (listing)
        closedir (listing);
    rmdir (path);
}

static inline void
stand_destroy (stand_t *self)
{
    for (size_t i = 0; i < STAND_INSTANCES; i++) {
        kill (self->processes[i], SIGTERM);
        int status = -1;
        waitpid (self->processes[i], &status, 0);
        assert_int_equal (status, 0); /* also: its sanitizers found nothing */
        stand_processes[i] = 0;
        free (self->addresses[i]);
    }
    bm_sql_exit ();
    bm_work_group_destroy (&self->group);
    bm_secret_destroy (&self->password);
    stand_remove (self->folder);
    free (self->folder);
    free (self);
}

/*  Backs up every database of an instance into the stand's folder. */
static inline void
stand_backup (const stand_t *self, size_t instance, bool full, const char *name)
{
    bm_sql_t *sql = stand_open (self, instance);
    for (size_t i = 0; i < STAND_DATABASES; i++) {
        if (strcmp (stand_databases[i][0], stand_names[instance]) != 0)
            continue;
        const char *database = stand_databases[i][1];
        char *batch = bm_format ("BACKUP %s [%s] TO DISK = N'%s/%s_%s_%s_%s.bak'",
                                 full ? "DATABASE" : "LOG", database, self->folder,
                                 stand_names[instance], database, full ? "Full" : "Log", name);
        stand_exec (sql, batch);
        free (batch);
    }
    bm_sql_close (&sql);
}

/*  The marked transaction of one instance over all its databases. */
static inline void
stand_mark (const stand_t *self, size_t instance, const char *mark)
{
    bm_sql_t *sql = stand_open (self, instance);
    char *batch =
        bm_format ("SET XACT_ABORT ON; BEGIN TRANSACTION %s WITH MARK N'%s'; ", mark, mark);
    for (size_t i = 0; i < STAND_DATABASES; i++) {
        if (strcmp (stand_databases[i][0], stand_names[instance]) != 0)
            continue;
        char *longer =
            bm_format ("%sEXEC [%s].dbo.sp_SetMark N'%s'; ", batch, stand_databases[i][1], mark);
        free (batch);
        batch = longer;
    }
    char *whole = bm_format ("%sCOMMIT TRANSACTION", batch);
    stand_exec (sql, whole);
    free (whole);
    free (batch);
    bm_sql_close (&sql);
}

#endif
