/*  Databases: see catalog.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"
#include "tests/sqlhost/engine/path.h"

sh_db_t *
sh_db_by_id (sh_instance_t *self, int db_id)
{
    for (size_t i = 0; i < self->db_count; i++) {
        sh_db_t *db = self->dbs[i];
        if (db && db->info.id == db_id)
            return db;
    }
    return NULL;
}

sh_db_t *
sh_db_by_name (sh_instance_t *self, const char *name)
{
    for (size_t i = 0; i < self->db_count; i++)
        if (sh_name_equal (self->dbs[i]->info.name, name))
            return self->dbs[i];
    return NULL;
}

bool
sh_db_logged (const sh_db_t *db)
{
    return db->info.id != SH_DB_TEMPDB;
}

/*  Is another session in a single-user database? */
static bool
s_taken (sh_esession_t *session, const sh_db_t *db)
{
    sh_esession_t *holder;
    sh_lock_key_t key = sh_key_db (db->info.id);
    return sh_lock_holders (session, &key, SH_LOCK_X, &holder, 1) > 0;
}

sh_db_t *
sh_db_use (sh_esession_t *session, int db_id, sh_error_t *error)
{
    sh_db_t *db = sh_db_by_id (session->instance, db_id);
    if (!db) {
        sh_fail (error, 911, 16, 1,
                 "Database with id %d does not exist. Make sure that the name is entered "
                 "correctly.",
                 db_id);
        return NULL;
    }
    switch (db->info.state) {
        case SH_STATE_ONLINE:
        case SH_STATE_EMERGENCY:
            break;
        case SH_STATE_OFFLINE:
            sh_fail (error, 942, 14, 4, "Database '%s' cannot be opened because it is offline.",
                     db->info.name);
            return NULL;
        case SH_STATE_RESTORING:
            sh_fail (error, 927, 14, 2,
                     "Database '%s' cannot be opened. It is in the middle of a restore.",
                     db->info.name);
            return NULL;
        default:
            sh_fail (error, 926, 14, 1,
                     "Database '%s' cannot be opened. It has been marked SUSPECT by recovery. See "
                     "the error log for more information.",
                     db->info.name);
            return NULL;
    }
    if (db->info.access == SH_ACCESS_SINGLE && s_taken (session, db)) {
        sh_fail (error, 924, 14, 1,
                 "Database '%s' is already open and can only have one user at a time.",
                 db->info.name);
        return NULL;
    }
    return db;
}

sh_status_t
sh_db_usable (sh_esession_t *session, int db_id, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    const sh_db_t *db = sh_db_use (session, db_id, error);
    sh_unlock_instance (session->instance);
    return db ? SH_OK : SH_ERROR;
}

/*  ---- describing ---- */

/*  Has a transaction that is open now changed something there? */
static bool
s_in_use_by_transaction (const sh_instance_t *instance, int db_id)
{
    for (const sh_esession_t *s = instance->sessions; s; s = s->next)
        for (size_t i = 0; s->txn && s->txn->changes > 0 && i < s->txn->database_count; i++)
            if (s->txn->databases[i] == db_id)
                return true;
    return false;
}

/*  What stops the next truncation, the first that holds in the order in which it would go away:
 *  "Factors that can delay log truncation" in Microsoft's "The transaction log". */
static sh_reuse_wait_t
s_reuse_wait (const sh_instance_t *instance, const sh_db_t *db)
{
    if (db->info.recovery != SH_RECOVERY_SIMPLE && db->chain_lsn > 0 && db->log_since_backup > 0)
        return SH_REUSE_LOG_BACKUP;
    if (db->holds > 0)
        return SH_REUSE_ACTIVE_BACKUP;
    if (s_in_use_by_transaction (instance, db->info.id))
        return SH_REUSE_ACTIVE_TRANSACTION;
    return SH_REUSE_NOTHING;
}

/*  Files grow by 8 MB, as CREATE DATABASE of SQL Server 2019 sets it. */
static int64_t
s_file_size (int64_t used)
{
    const int64_t step = 8 * 1024 * 1024;
    return (used / step + 1) * step;
}

static void
s_show_file (const sh_instance_t *instance, const char *local, char out[1024])
{
    char *shown = sh_path_shown (instance, local);
    sh_copy (out, 1024, shown);
    free (shown);
}

void
sh_db_describe (sh_instance_t *instance, const sh_db_t *db, sh_db_info_t *out)
{
    *out = db->info;
    out->has_full_backup = db->chain_lsn > 0;
    out->log_reuse_wait = s_reuse_wait (instance, db);
    char file[1024];
    sh_data_path (instance, db, file, sizeof file);
    s_show_file (instance, file, out->data_file);
    snprintf (file, sizeof file, "%s/instance.db", instance->directory);
    s_show_file (instance, file, out->log_file);
    int64_t rows = 0;
    for (size_t i = 0; db->image && i < db->image->table_count; i++)
        rows += db->image->tables[i]->bytes;
    out->size_bytes = s_file_size (rows);
    out->log_bytes = s_file_size (db->log_peak);
    out->log_used_bytes = db->log_used;
    out->log_since_backup_bytes = db->log_since_backup;
}

sh_status_t
sh_db_find (sh_instance_t *instance, const char *name, sh_db_info_t *info)
{
    sh_lock_instance (instance);
    const sh_db_t *db = sh_db_by_name (instance, name);
    if (db && info)
        sh_db_describe (instance, db, info);
    sh_unlock_instance (instance);
    return db ? SH_OK : SH_END;
}

sh_status_t
sh_db_get (sh_instance_t *instance, int db_id, sh_db_info_t *info)
{
    sh_lock_instance (instance);
    const sh_db_t *db = sh_db_by_id (instance, db_id);
    if (db && info)
        sh_db_describe (instance, db, info);
    sh_unlock_instance (instance);
    return db ? SH_OK : SH_END;
}

size_t
sh_db_list (sh_instance_t *instance, sh_db_info_t **out)
{
    sh_lock_instance (instance);
    size_t count = instance->db_count;
    *out = sh_mem_alloc (count * sizeof **out);
    for (size_t i = 0; i < count; i++)
        sh_db_describe (instance, instance->dbs[i], &(*out)[i]);
    sh_unlock_instance (instance);
    return count;
}

/*  ---- making, recovering ---- */

void
sh_db_free (sh_db_t *db)
{
    sh_image_free (db->image);
    sh_data_close (db);
    free (db);
}

sh_db_t *
sh_db_make (sh_instance_t *self, int id, const char *name, sh_recovery_t recovery,
            sh_error_t *error)
{
    sh_db_t *db = sh_mem_alloc (sizeof *db);
    db->info.id = id;
    sh_copy (db->info.name, sizeof db->info.name, name);
    sh_copy (db->info.owner, sizeof db->info.owner, "sa");
    sh_copy (db->info.collation, sizeof db->info.collation, "SQL_Latin1_General_CP1_CI_AS");
    sh_guid_make (db->info.guid);
    sh_guid_make (db->info.family_guid);
    memcpy (db->info.fork_guid, db->info.family_guid, 16);
    db->info.created = sh_ticks_to_datetime (sh_ticks_local ());
    db->info.recovery = recovery;
    db->info.compatibility = 150;
    db->image = sh_image_new (id);
    db->applied = self->log.next;
    db->truncated = self->log.next;
    db->rewrite = true;
    if (sh_log_save_db (self, db, error) != SH_OK) {
        sh_db_free (db);
        return NULL;
    }
    self->dbs = sh_grow (self->dbs, self->db_count, &self->db_capacity, sizeof (sh_db_t *));
    size_t at = self->db_count++;
    while (at > 0 && self->dbs[at - 1]->info.id > id) {
        self->dbs[at] = self->dbs[at - 1];
        at--;
    }
    self->dbs[at] = db;
    sh_db_changed (self, db);
    return db;
}

typedef struct {
    sh_db_t *db;
    int64_t failed_lsn;
    char text[256];
} s_redo_t;

static bool
s_redo (void *arg, const sh_log_row_t *row)
{
    s_redo_t *redo = arg;
    redo->db->changed_since_checkpoint = true;
    if (sh_image_redo (redo->db->image, row->body, row->size, redo->text, sizeof redo->text))
        return true;
    redo->failed_lsn = row->lsn;
    return false;
}

void
sh_db_recover (sh_instance_t *self, sh_db_t *db)
{
    sh_error_t error = {0};
    s_redo_t redo = {.db = db};
    if (!sh_db_logged (db)) {
        db->image = sh_image_new (db->info.id);
        return;
    }
    sh_log_measure (self, db);
    bool fine = sh_data_load (self, db, &error) == SH_OK;
    if (fine &&
        !sh_log_read (self->log.sqlite, db->info.id, db->applied, INT64_MAX, s_redo, &redo)) {
        fine = false;
        sh_fail (&error, 3313, 21, 1, "redoing the log record at LSN %lld: %s",
                 (long long)redo.failed_lsn, redo.text);
    }
    if (fine)
        return;
    sh_note_locked (self, "Database %s is SUSPECT: %s", db->info.name, error.text);
    sh_image_free (db->image);
    db->image = NULL;
    db->info.state = SH_STATE_SUSPECT;
}

/*  ---- CREATE DATABASE ---- */

static sh_status_t
s_not_in_transaction (sh_esession_t *session, const char *statement, sh_error_t *error)
{
    if (!session->txn || !session->txn->user)
        return SH_OK;
    return sh_fail (error, 226, 16, 6,
                    "%s statement not allowed within multi-statement transaction.", statement);
}

sh_status_t
sh_db_create (sh_esession_t *session, const char *name, int *db_id, sh_error_t *error)
{
    sh_instance_t *instance = session->instance;
    sh_lock_instance (instance);
    sh_status_t status = s_not_in_transaction (session, "CREATE DATABASE", error);
    if (status == SH_OK && sh_db_by_name (instance, name))
        status = sh_fail (error, 1801, 16, 3,
                          "Database '%s' already exists. Choose a different database name.", name);
    if (status == SH_OK) {
        int id = instance->next_db_id++;
        sh_log_set_meta (instance, "next_db_id", instance->next_db_id);
        sh_db_t *db = sh_db_make (instance, id, name, SH_RECOVERY_FULL, error);
        status = db ? SH_OK : SH_ERROR;
        if (db) {
            sh_copy (db->info.owner, sizeof db->info.owner, session->login);
            sh_log_save_db (instance, db, NULL);
            if (db_id)
                *db_id = id;
            sh_note_locked (instance, "Database %s was created.", name);
        }
    }
    sh_unlock_instance (instance);
    return status;
}

/*  ---- DROP DATABASE ---- */

static sh_status_t
s_may_drop (sh_esession_t *session, const char *name, int *db_id, sh_error_t *error)
{
    const sh_db_t *db = sh_db_by_name (session->instance, name);
    sh_status_t status = s_not_in_transaction (session, "DROP DATABASE", error);
    if (status != SH_OK)
        return status;
    if (!db)
        return sh_fail (error, 3701, 11, 1,
                        "Cannot drop the database '%s', because it does not exist or you do not "
                        "have permission.",
                        name);
    if (db->info.id <= SH_DB_MSDB)
        return sh_fail (error, 3708, 16, 1,
                        "Cannot drop the database '%s' because it is a system database.", name);
    *db_id = db->info.id;
    if (session->db_id == db->info.id || db->holds > 0 || s_taken (session, db))
        return sh_fail (error, 3702, 16, 4,
                        "Cannot drop database \"%s\" because it is currently in use.", name);
    return SH_OK;
}

sh_status_t
sh_db_drop (sh_esession_t *session, const char *name, sh_error_t *error)
{
    sh_instance_t *instance = session->instance;
    int db_id = 0;
    pthread_mutex_lock (&instance->checkpoint_mutex);
    sh_lock_instance (instance);
    sh_status_t status = s_may_drop (session, name, &db_id, error);
    if (status == SH_OK)
        status = sh_log_forget_db (instance, db_id, error);
    if (status == SH_OK) {
        size_t at = 0;
        while (instance->dbs[at]->info.id != db_id)
            at++;
        sh_data_remove (instance, instance->dbs[at]);
        sh_db_free (instance->dbs[at]);
        instance->db_count--;
        memmove (&instance->dbs[at], &instance->dbs[at + 1],
                 (instance->db_count - at) * sizeof (sh_db_t *));
        sh_note_locked (instance, "Database %s was dropped.", name);
    }
    sh_unlock_instance (instance);
    pthread_mutex_unlock (&instance->checkpoint_mutex);
    return status;
}

/*  ---- ALTER DATABASE ---- */

/*  Waits until no other session is in the database; with ROLLBACK IMMEDIATE they are killed. */
static sh_status_t
s_alone (sh_esession_t *session, int db_id, bool kill, sh_error_t *error)
{
    sh_lock_key_t key = sh_key_db (db_id);
    if (kill) {
        sh_esession_t *others[256];
        size_t count = sh_lock_holders (session, &key, SH_LOCK_X, others, 256);
        for (size_t i = 0; i < count; i++) {
            others[i]->killed = true;
            pthread_cond_signal (&others[i]->wake);
            if (others[i]->on_kill)
                others[i]->on_kill (others[i]->on_kill_arg);
        }
    }
    return sh_lock_pass (session, &key, SH_LOCK_X, error);
}

static void
s_set_recovery (sh_instance_t *instance, sh_db_t *db, sh_recovery_t recovery)
{
    if (recovery == SH_RECOVERY_SIMPLE) {
        db->chain_lsn = 0; /* the chain is broken; only a full begins a new one */
        db->info.bulk_logged_work = false;
        sh_log_measure (instance, db);
    }
    db->info.recovery = recovery;
}

static sh_status_t
s_change_state (sh_esession_t *session, sh_db_t *db, const sh_db_change_t *change,
                sh_error_t *error)
{
    if (change->state == SH_STATE_ONLINE && !db->image)
        return sh_fail (error, 926, 14, 1,
                        "Database '%s' cannot be opened. It has been marked SUSPECT by recovery.",
                        db->info.name);
    if (change->state == SH_STATE_OFFLINE && db->info.id <= SH_DB_MSDB)
        return sh_fail (error, 5058, 16, 1, "Option 'OFFLINE' cannot be set in database '%s'.",
                        db->info.name);
    bool alone = change->state == SH_STATE_OFFLINE || change->read_only >= 0 ||
                 change->access == SH_ACCESS_SINGLE || change->rename;
    return alone ? s_alone (session, db->info.id, change->rollback_immediate, error) : SH_OK;
}

static sh_status_t
s_alter (sh_esession_t *session, int db_id, const sh_db_change_t *change, sh_error_t *error)
{
    sh_db_t *db = sh_db_by_id (session->instance, db_id);
    sh_status_t status = s_not_in_transaction (session, "ALTER DATABASE", error);
    if (status != SH_OK)
        return status;
    if (!db)
        return sh_fail (error, 5011, 14, 5, "The database does not exist.");
    if (db_id == SH_DB_TEMPDB && change->recovery >= 0)
        return sh_fail (error, 5058, 16, 1,
                        "Option 'RECOVERY' cannot be set in database 'tempdb'.");
    if (change->rename && sh_db_by_name (session->instance, change->rename))
        return sh_fail (error, 1801, 16, 3,
                        "Database '%s' already exists. Choose a different database name.",
                        change->rename);
    status = s_change_state (session, db, change, error);
    db = sh_db_by_id (session->instance, db_id); /* a wait may have outlived it */
    if (status != SH_OK || !db)
        return status == SH_OK ? sh_fail (error, 5011, 14, 5, "The database does not exist.")
                               : status;
    if (change->state >= 0)
        db->info.state = (sh_db_state_t)change->state;
    if (change->recovery >= 0)
        s_set_recovery (session->instance, db, (sh_recovery_t)change->recovery);
    if (change->durability >= 0)
        db->info.durability = (sh_durability_t)change->durability;
    if (change->access >= 0)
        db->info.access = (sh_access_t)change->access;
    if (change->read_only >= 0)
        db->info.read_only = change->read_only != 0;
    if (change->standby >= 0)
        db->info.standby = change->standby != 0;
    if (change->compatibility >= 0)
        db->info.compatibility = change->compatibility;
    if (change->rename)
        sh_copy (db->info.name, sizeof db->info.name, change->rename);
    if (change->owner)
        sh_copy (db->info.owner, sizeof db->info.owner, change->owner);
    return sh_log_save_db (session->instance, db, error);
}

sh_status_t
sh_db_alter (sh_esession_t *session, int db_id, const sh_db_change_t *change, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_alter (session, db_id, change, error);
    sh_unlock_instance (session->instance);
    return status;
}
