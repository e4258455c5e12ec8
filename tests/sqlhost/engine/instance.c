/*  Opening and closing an instance, its checkpointer. See instance.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/sqlhost/engine/internal.h"

enum { S_CHECKPOINT_MS = 1000, S_CHECKPOINT_CHANGES = 5000 };

void
sh_lock_instance (sh_instance_t *self)
{
    pthread_mutex_lock (&self->mutex);
}

void
sh_unlock_instance (sh_instance_t *self)
{
    pthread_mutex_unlock (&self->mutex);
}

void
sh_wake_all (sh_instance_t *self)
{
    for (sh_esession_t *s = self->sessions; s; s = s->next)
        pthread_cond_signal (&s->wake);
}

static void s_note (sh_instance_t *self, const char *format, va_list arguments)
    __attribute__ ((format (printf, 2, 0)));

static void
s_note (sh_instance_t *self, const char *format, va_list arguments)
{
    char path[4096], text[2048];
    sh_civil_t now;
    vsnprintf (text, sizeof text, format, arguments);
    sh_ticks_to_civil (sh_ticks_local (), &now);
    snprintf (path, sizeof path, "%s/ERRORLOG", self->directory);
    FILE *file = fopen (path, "ae");
    if (!file)
        return;
    fprintf (file, "%04d-%02d-%02d %02d:%02d:%02d.%02d %s\n", now.year, now.month, now.day,
             now.hour, now.minute, now.second, now.fraction / 100000, text);
    fclose (file);
}

void
sh_note_locked (sh_instance_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    s_note (self, format, arguments);
    va_end (arguments);
}

void
sh_instance_note (sh_instance_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    sh_lock_instance (self);
    s_note (self, format, arguments);
    sh_unlock_instance (self);
    va_end (arguments);
}

const char *
sh_instance_name (const sh_instance_t *self)
{
    return self->name;
}

const char *
sh_instance_machine (const sh_instance_t *self)
{
    return self->machine;
}

const char *
sh_instance_directory (const sh_instance_t *self)
{
    return self->directory;
}

int64_t
sh_instance_started (const sh_instance_t *self)
{
    return self->started;
}

/*  ---- checkpoints ---- */

/*  Below this LSN nobody needs the database's log: it is in the data file, in a log backup (or
 *  there is no chain), and no running backup reads it. */
static int64_t
s_truncation_point (const sh_db_t *db)
{
    int64_t point = db->applied;
    if (db->info.recovery != SH_RECOVERY_SIMPLE && db->chain_lsn > 0 && db->chain_lsn < point)
        point = db->chain_lsn;
    if (db->holds > 0 && db->hold_lsn < point)
        point = db->hold_lsn;
    return point;
}

sh_status_t
sh_instance_checkpoint (sh_instance_t *self, sh_error_t *error)
{
    sh_status_t status = SH_OK;
    pthread_mutex_lock (&self->checkpoint_mutex);
    sh_lock_instance (self);
    self->uncheckpointed = 0;
    for (size_t i = 0; i < self->db_count; i++) {
        sh_db_t *db = self->dbs[i];
        if (!db->image || !sh_db_logged (db))
            continue;
        sh_error_t own = {0};
        if (sh_data_checkpoint (self, db, &own) != SH_OK) {
            sh_note_locked (self, "Checkpoint: %s", own.text);
            status = sh_fail (error, own.number, own.severity, own.state, "%s", own.text);
            continue;
        }
        int64_t point = s_truncation_point (db);
        if (point > db->truncated) {
            sh_log_truncate (self, db->info.id, point);
            db->truncated = point;
        }
    }
    sh_unlock_instance (self);
    pthread_mutex_unlock (&self->checkpoint_mutex);
    return status;
}

static void *
s_checkpointer (void *arg)
{
    sh_instance_t *self = arg;
    sh_lock_instance (self);
    while (self->checkpointer_runs) {
        int64_t deadline = sh_now_ms () + S_CHECKPOINT_MS;
        struct timespec until = {.tv_sec = (time_t)(deadline / 1000),
                                 .tv_nsec = (long)(deadline % 1000) * 1000000};
        pthread_cond_timedwait (&self->checkpoint_wake, &self->mutex, &until);
        if (!self->checkpointer_runs || self->uncheckpointed == 0)
            continue;
        sh_unlock_instance (self);
        sh_instance_checkpoint (self, NULL);
        sh_lock_instance (self);
    }
    sh_unlock_instance (self);
    return NULL;
}

void
sh_db_changed (sh_instance_t *self, sh_db_t *db)
{
    db->changed_since_checkpoint = true;
    if (++self->uncheckpointed == S_CHECKPOINT_CHANGES)
        pthread_cond_signal (&self->checkpoint_wake);
}

/*  ---- open ---- */

static sh_status_t
s_take_directory (sh_instance_t *self, sh_error_t *error)
{
    char path[4096];
    if (mkdir (self->directory, 0755) != 0 && errno != EEXIST)
        return sh_fail (error, 17058, 16, 1, "cannot make the data directory %s: %s",
                        self->directory, strerror (errno));
    snprintf (path, sizeof path, "%s/instance.lock", self->directory);
    self->directory_lock = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (self->directory_lock < 0)
        return sh_fail (error, 17058, 16, 2, "cannot open %s: %s", path, strerror (errno));
    if (flock (self->directory_lock, LOCK_EX | LOCK_NB) != 0)
        return sh_fail (error, 17058, 16, 3, "%s is in use by another sqlhost", self->directory);
    return SH_OK;
}

static char *
s_stored_name (sh_instance_t *self)
{
    sqlite3_stmt *statement = NULL;
    char *name = NULL;
    if (sqlite3_prepare_v2 (self->log.sqlite, "SELECT value FROM setting WHERE name = 'server'", -1,
                            &statement, NULL) == SQLITE_OK &&
        sqlite3_step (statement) == SQLITE_ROW)
        name = sh_mem_strdup ((const char *)sqlite3_column_text (statement, 0));
    sqlite3_finalize (statement);
    return name;
}

static void
s_store_name (sh_instance_t *self)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2 (self->log.sqlite, "INSERT OR REPLACE INTO setting VALUES ('server', ?)",
                            -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_text (statement, 1, self->name, -1, SQLITE_STATIC);
        sqlite3_step (statement);
    }
    sqlite3_finalize (statement);
}

static void
s_name (sh_instance_t *self, const char *given)
{
    char *stored = s_stored_name (self);
    if (!given)
        given = stored ? stored : "SQLHOST";
    self->name = sh_mem_strdup (given);
    free (stored);
    s_store_name (self);
    sh_copy (self->machine, sizeof self->machine, self->name);
    char *backslash = strchr (self->machine, '\\');
    if (backslash)
        *backslash = 0;
}

static sh_status_t
s_make_system_dbs (sh_instance_t *self, sh_error_t *error)
{
    static const struct {
        int id;
        const char *name;
        sh_recovery_t recovery;
    } system[] = {{SH_DB_MASTER, "master", SH_RECOVERY_SIMPLE},
                  {SH_DB_TEMPDB, "tempdb", SH_RECOVERY_SIMPLE},
                  {SH_DB_MODEL, "model", SH_RECOVERY_FULL},
                  {SH_DB_MSDB, "msdb", SH_RECOVERY_SIMPLE}};
    for (size_t i = 0; i < sizeof system / sizeof system[0]; i++)
        if (!sh_db_by_id (self, system[i].id) &&
            !sh_db_make (self, system[i].id, system[i].name, system[i].recovery, error))
            return SH_ERROR;
    return SH_OK;
}

static sh_status_t
s_open (sh_instance_t *self, const sh_options_t *options, sh_error_t *error)
{
    if (s_take_directory (self, error) != SH_OK || sh_log_open (self, error) != SH_OK)
        return SH_ERROR;
    s_name (self, options->server_name);
    self->next_db_id = (int)sh_log_meta (self, "next_db_id", 5);
    self->next_txn = sh_log_meta (self, "next_txn", 1000);
    sh_log_set_meta (self, "next_txn", self->next_txn + 1000000);
    if (sh_log_load_dbs (self, error) != SH_OK)
        return SH_ERROR;
    for (size_t i = 0; i < self->db_count; i++)
        sh_db_recover (self, self->dbs[i]);
    if (s_make_system_dbs (self, error) != SH_OK || sh_system_make (self, error) != SH_OK)
        return SH_ERROR;
    sh_prepared_recover (self);
    return SH_OK;
}

static void
s_conditions_make (sh_instance_t *self)
{
    pthread_condattr_t attributes;
    pthread_mutex_init (&self->mutex, NULL);
    pthread_mutex_init (&self->checkpoint_mutex, NULL);
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->checkpoint_wake, &attributes);
    pthread_condattr_destroy (&attributes);
}

static void
s_free (sh_instance_t *self)
{
    sh_branch_free_all (self);
    for (size_t i = 0; i < self->db_count; i++)
        sh_db_free (self->dbs[i]);
    free (self->dbs);
    if (self->log.sqlite)
        sh_log_close (self);
    sh_lock_table_free (&self->locks);
    if (self->directory_lock >= 0)
        close (self->directory_lock);
    pthread_cond_destroy (&self->checkpoint_wake);
    pthread_mutex_destroy (&self->checkpoint_mutex);
    pthread_mutex_destroy (&self->mutex);
    sh_path_free (self);
    free (self->directory);
    free (self->name);
    free (self);
}

sh_status_t
sh_instance_open (sh_instance_t **out, const sh_options_t *options, sh_error_t *error)
{
    sh_instance_t *self = sh_mem_alloc (sizeof *self);
    self->directory_lock = -1;
    self->directory = sh_mem_strdup (options->directory);
    self->fsync = options->fsync;
    self->started = sh_ticks_local ();
    s_conditions_make (self);
    sh_lock_instance (self);
    sh_status_t status = s_open (self, options, error);
    sh_unlock_instance (self);
    if (status == SH_OK) {
        /*  msdb's tables were made without log records: they must be in its file before any row. */
        status = sh_instance_checkpoint (self, error);
    }
    if (status == SH_OK) {
        self->checkpointer_runs = true;
        sh_require (pthread_create (&self->checkpointer, NULL, s_checkpointer, self) == 0);
        sh_instance_note (self, "sqlhost %s is up on %s.", self->name, self->directory);
        *out = self;
    } else
        s_free (self);
    return status;
}

void
sh_instance_shutdown (sh_instance_t *self)
{
    sh_lock_instance (self);
    self->stopping = true;
    sh_wake_all (self);
    sh_unlock_instance (self);
}

void
sh_instance_close (sh_instance_t **self_p)
{
    sh_instance_t *self = *self_p;
    if (!self)
        return;
    sh_lock_instance (self);
    sh_require (self->sessions == NULL);
    sh_branch_free_all (self);
    self->checkpointer_runs = false;
    pthread_cond_signal (&self->checkpoint_wake);
    /*  Identity values that no commit has logged reach the data file here. */
    for (size_t i = 0; i < self->db_count; i++)
        if (self->dbs[i]->image && sh_db_logged (self->dbs[i]))
            self->dbs[i]->changed_since_checkpoint = true;
    sh_unlock_instance (self);
    pthread_join (self->checkpointer, NULL);
    sh_instance_checkpoint (self, NULL);
    sh_instance_note (self, "sqlhost %s has stopped.", self->name);
    s_free (self);
    *self_p = NULL;
}
