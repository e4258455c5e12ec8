/*  BACKUP DATABASE and BACKUP LOG: see backup.h.
 *
 *  A full is the state at its checkpoint LSN (rows are immutable, so holding them is the
 *  snapshot) and every log record from there to its end. A log backup is the records from the
 *  last one's end to now. LSNs as in msdb.dbo.backupset: last_lsn is the NEXT record's, so that
 *  the next first_lsn is equal to it. */
#include "tests/sqlhost/engine/backup.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/configuration.h"
#include "tests/sqlhost/engine/writer.h"

typedef struct {
    int object_id;
    int64_t rid;
    sh_row_t *row; /* held */
} s_line_t;

typedef struct {
    sh_esession_t *session;
    const sh_backup_t *backup;
    sh_writer_t writer;
    sh_backup_header_t header;
    sh_bytes_t catalog;
    s_line_t *lines;
    size_t line_count, line_capacity;
    int64_t done, total; /* progress: rows or records */
    int told_percent;
    bool checksum_default; /* of the server */
    sh_status_t status;    /* of a callback */
    sh_error_t *error;
} s_job_t;

/*  ---- before ---- */

static sh_status_t
s_check_log (const sh_db_t *db, sh_error_t *error)
{
    if (db->info.id == SH_DB_MASTER)
        return sh_fail (error, 4212, 16, 1,
                        "Cannot back up the log of the master database. Use BACKUP DATABASE "
                        "instead.");
    if (db->info.recovery == SH_RECOVERY_SIMPLE)
        return sh_fail (error, 4208, 16, 1,
                        "The statement BACKUP LOG is not allowed while the recovery model is "
                        "SIMPLE. Use BACKUP DATABASE or change the recovery model using ALTER "
                        "DATABASE.");
    if (db->chain_lsn == 0)
        return sh_fail (error, 4214, 16, 1,
                        "BACKUP LOG cannot be performed because there is no current database "
                        "backup.");
    return SH_OK;
}

static sh_status_t
s_check (const s_job_t *job, sh_db_t **out, sh_error_t *error)
{
    const sh_esession_t *session = job->session;
    if (session->txn && session->txn->user)
        return sh_fail (error, 3021, 16, 0,
                        "Cannot perform a backup or restore operation within a transaction.");
    if (job->backup->file_count < 1 || job->backup->file_count > SH_BACKUP_FILES_MAX)
        return sh_fail (error, 3205, 16, 1,
                        "Too many backup devices specified for backup or restore; only %d are "
                        "allowed.",
                        SH_BACKUP_FILES_MAX);
    sh_db_t *db = sh_db_use (job->session, job->backup->db_id, error);
    if (!db)
        return SH_ERROR;
    if (db->info.id == SH_DB_TEMPDB)
        return sh_fail (error, 3147, 16, 1,
                        "Backup and restore operations are not allowed on database tempdb.");
    if (db->info.standby)
        return sh_fail (error, 3036, 16, 1,
                        "The database \"%s\" is in warm-standby state (set by executing RESTORE "
                        "WITH STANDBY) and cannot be backed up until the entire restore sequence "
                        "is completed.",
                        db->info.name);
    *out = db;
    return job->backup->log ? s_check_log (db, error) : SH_OK;
}

/*  One full and one log backup of a database at a time; the next one waits its turn. */
static sh_status_t
s_take_turn (const s_job_t *job, sh_error_t *error)
{
    sh_lock_key_t turn = {
        .kind = SH_ON_BACKUP, .db_id = job->backup->db_id, .object_id = job->backup->log};
    sh_lock_key_t db = sh_key_db (job->backup->db_id);
    sh_status_t status =
        sh_lock_take (job->session, &turn, SH_LOCK_X, SH_FOR_STATEMENT, NULL, error);
    if (status == SH_ERROR && error && error->number == 1222)
        return sh_fail (error, 3023, 16, 2,
                        "Backup, file manipulation operations (such as ALTER DATABASE ADD FILE) "
                        "and encryption changes on a database must be serialized. Reissue the "
                        "statement after the current backup or file manipulation operation is "
                        "completed.");
    if (status == SH_OK)
        status = sh_lock_take (job->session, &db, SH_LOCK_S, SH_FOR_STATEMENT, NULL, error);
    if (status != SH_OK)
        sh_lock_give (job->session, &turn, SH_LOCK_X, SH_FOR_STATEMENT);
    return status;
}

static void
s_give_turn (const s_job_t *job)
{
    sh_lock_key_t turn = {
        .kind = SH_ON_BACKUP, .db_id = job->backup->db_id, .object_id = job->backup->log};
    sh_lock_key_t db = sh_key_db (job->backup->db_id);
    sh_lock_give (job->session, &turn, SH_LOCK_X, SH_FOR_STATEMENT);
    sh_lock_give (job->session, &db, SH_LOCK_S, SH_FOR_STATEMENT);
}

/*  ---- the state that is backed up ---- */

static const char *
s_recovery_name (sh_recovery_t recovery)
{
    if (recovery == SH_RECOVERY_SIMPLE)
        return "SIMPLE";
    return recovery == SH_RECOVERY_FULL ? "FULL" : "BULK-LOGGED";
}

static bool
s_has_checksums (const s_job_t *job)
{
    if (job->backup->checksum != SH_CHOICE_DEFAULT)
        return job->backup->checksum == SH_CHOICE_YES;
    return job->writer.compress || job->checksum_default;
}

static void
s_fill_header (s_job_t *job, const sh_db_t *db)
{
    sh_backup_header_t *h = &job->header;
    const sh_instance_t *instance = job->session->instance;
    sh_copy (h->name, sizeof h->name, job->backup->name);
    sh_copy (h->description, sizeof h->description, job->backup->description);
    h->log = job->backup->log;
    h->compressed = job->writer.compress;
    h->checksums = s_has_checksums (job);
    h->expires = job->backup->expires;
    h->block_size = job->backup->block_size > 0 ? job->backup->block_size : 512;
    sh_copy (h->media_name, sizeof h->media_name, job->backup->media_name);
    sh_copy (h->media_description, sizeof h->media_description, job->backup->media_description);
    h->copy_only = job->backup->copy_only;
    h->begins_log_chain = h->log && !h->copy_only && db->chain_begins;
    h->bulk_logged = h->log && db->info.bulk_logged_work;
    h->read_only = db->info.read_only;
    h->single_user = db->info.access == SH_ACCESS_SINGLE;
    sh_copy (h->user_name, sizeof h->user_name, job->session->login);
    sh_copy (h->server_name, sizeof h->server_name, instance->name);
    sh_copy (h->machine_name, sizeof h->machine_name, instance->machine);
    sh_copy (h->database_name, sizeof h->database_name, db->info.name);
    h->database_created = db->info.created;
    h->started = sh_ticks_to_datetime (sh_ticks_local ());
    h->database_backup_lsn = db->base_lsn;
    h->compatibility = db->info.compatibility;
    sh_copy (h->collation, sizeof h->collation, db->info.collation);
    sh_copy (h->recovery, sizeof h->recovery, s_recovery_name (db->info.recovery));
    sh_guid_make (h->set_guid);
    memcpy (h->database_guid, db->info.guid, 16);
    memcpy (h->family_guid, db->info.family_guid, 16);
    memcpy (h->first_fork, db->info.fork_guid, 16);
    memcpy (h->last_fork, db->info.fork_guid, 16);
    sh_db_info_t info;
    sh_db_describe (job->session->instance, db, &info);
    sh_copy (h->data_file, sizeof h->data_file, info.data_file);
    sh_copy (h->log_file, sizeof h->log_file, info.log_file);
    h->data_bytes = info.size_bytes;
    h->log_bytes = info.log_bytes;
}

static void
s_hold_log (sh_db_t *db, int64_t lsn)
{
    if (db->holds == 0 || lsn < db->hold_lsn)
        db->hold_lsn = lsn;
    db->holds++;
}

static void
s_snapshot (s_job_t *job, const sh_image_t *image)
{
    sh_image_put_catalog (&job->catalog, image);
    for (size_t i = 0; i < image->table_count; i++) {
        const sh_table_t *table = image->tables[i];
        for (size_t k = 0; !table->created_by && k < table->slot_count; k++) {
            sh_row_t *row = table->slots[k].committed;
            if (!row)
                continue;
            job->lines =
                sh_grow (job->lines, job->line_count, &job->line_capacity, sizeof *job->lines);
            job->lines[job->line_count++] = (s_line_t){.object_id = table->def->object_id,
                                                       .rid = table->slots[k].rid,
                                                       .row = sh_row_hold (row)};
        }
    }
    job->total = (int64_t)job->line_count;
}

/*  The checkpoint record of a full, without a change: so every full has an LSN of its own. */
static sh_status_t
s_write_checkpoint (sh_instance_t *instance, const sh_db_t *db, int64_t *lsn, sh_error_t *error)
{
    static const uint32_t none[3] = {0, 0, 0};
    sh_part_t part = {.db_id = db->info.id};
    sh_op_end (&part.body, none);
    sh_record_t record = {.time = sh_ticks_local (), .parts = &part, .part_count = 1};
    sh_status_t status = sh_log_write (instance, &record, 1, error);
    *lsn = record.lsn;
    sh_bytes_free (&part.body);
    return status;
}

/*  Fixes what is backed up. Under the lock. */
static sh_status_t
s_begin (s_job_t *job, sh_db_t *db, sh_error_t *error)
{
    sh_instance_t *instance = job->session->instance;
    s_fill_header (job, db);
    job->writer.hold_after = sh_fault_locked (instance, SH_FAULT_BACKUP_HOLD_AFTER);
    job->writer.drop = sh_fault_count_locked (instance, SH_FAULT_DROP_BACKUP);
    if (job->backup->log) {
        job->header.first_lsn = db->chain_lsn;
        job->header.checkpoint_lsn = db->base_lsn;
        job->header.last_lsn = instance->log.next;
    } else {
        if (s_write_checkpoint (instance, db, &job->header.first_lsn, error) != SH_OK)
            return SH_ERROR;
        job->header.checkpoint_lsn = job->header.first_lsn;
        s_snapshot (job, db->image);
    }
    s_hold_log (db, job->header.first_lsn);
    return SH_OK;
}

/*  ---- writing ---- */

/*  percent_complete, and STATS' messages. */
static void
s_progress (s_job_t *job)
{
    double exact = job->total > 0 ? (double)job->done * 100.0 / (double)job->total : 100;
    int percent = (int)exact;
    sh_lock_instance (job->session->instance);
    job->session->percent = exact;
    int step = job->backup->stats;
    while (step > 0 && job->told_percent + step <= percent) {
        job->told_percent += step;
        sh_esession_tell (job->session, 3211, 10, 1, "%d percent processed.", job->told_percent);
    }
    sh_unlock_instance (job->session->instance);
}

static sh_status_t
s_write_rows (s_job_t *job, sh_error_t *error)
{
    sh_bytes_t item = {0};
    sh_status_t status =
        sh_writer_put (&job->writer, SH_CHUNK_CATALOG, job->catalog.data, job->catalog.size, error);
    for (size_t i = 0; i < job->line_count && status == SH_OK; i++) {
        uint32_t before = job->writer.sequence;
        item.size = 0;
        sh_put_u32 (&item, (uint32_t)job->lines[i].object_id);
        sh_put_i64 (&item, job->lines[i].rid);
        sh_row_put (&item, job->lines[i].row);
        status = sh_writer_put (&job->writer, SH_CHUNK_ROWS, item.data, item.size, error);
        job->done++;
        if (job->writer.sequence != before)
            s_progress (job);
    }
    sh_bytes_free (&item);
    return status;
}

static bool
s_write_record (void *arg, const sh_log_row_t *row)
{
    s_job_t *job = arg;
    sh_bytes_t item = {0};
    sh_put_i64 (&item, row->lsn);
    sh_put_i64 (&item, row->xid);
    sh_put_i64 (&item, row->time);
    sh_put_text (&item, row->mark);
    sh_put_text (&item, row->description);
    sh_put_text (&item, row->user);
    sh_put_u32 (&item, (uint32_t)row->size);
    sh_put (&item, row->body, row->size);
    uint32_t before = job->writer.sequence;
    job->status = sh_writer_put (&job->writer, SH_CHUNK_LOG, item.data, item.size, job->error);
    sh_bytes_free (&item);
    if (job->backup->log && ++job->done > 0 && job->writer.sequence != before)
        s_progress (job);
    return job->status == SH_OK;
}

static bool
s_count_record (void *arg, const sh_log_row_t *row)
{
    (void)row;
    ((s_job_t *)arg)->total++;
    return true;
}

static sh_status_t
s_write_log (s_job_t *job, sh_error_t *error)
{
    int db_id = job->backup->db_id;
    int64_t from = job->header.first_lsn, to = job->header.last_lsn;
    sqlite3 *reader = sh_log_reader (job->session->instance);
    if (!reader)
        return sh_fail (error, 3447, 16, 1, "Could not activate or scan all of the log files.");
    job->status = SH_OK;
    job->error = error;
    bool done = (!job->backup->log || sh_log_read (reader, db_id, from, to, s_count_record, job)) &&
                sh_log_read (reader, db_id, from, to, s_write_record, job);
    sqlite3_close (reader);
    if (!done && job->status == SH_OK)
        return sh_fail (error, 3447, 16, 1, "Could not activate or scan all of the log files.");
    return job->status;
}

static sh_status_t
s_write (s_job_t *job, sh_error_t *error)
{
    sh_status_t status = sh_writer_begin (&job->writer, &job->header, error);
    if (status == SH_OK && !job->backup->log) {
        status = s_write_rows (job, error);
        /*  Everything that was committed meanwhile belongs to the full. */
        sh_lock_instance (job->session->instance);
        job->header.last_lsn = job->session->instance->log.next;
        sh_unlock_instance (job->session->instance);
    }
    if (status == SH_OK)
        status = s_write_log (job, error);
    job->header.finished = sh_ticks_to_datetime (sh_ticks_local ());
    if (status == SH_OK)
        status = sh_writer_end (&job->writer, &job->header, error);
    if (status == SH_OK) {
        job->done = job->total = 1;
        s_progress (job);
    }
    return status;
}

/*  ---- after ---- */

static void
s_tell_success (s_job_t *job, double seconds)
{
    const char *verb = job->header.log ? "LOG" : "DATABASE";
    long long pages = (job->header.bytes + 8191) / 8192;
    if (seconds < 0.001)
        seconds = 0.001;
    sh_lock_instance (job->session->instance);
    sh_esession_tell (job->session, 4035, 10, 1,
                      "Processed %lld pages for database '%s', file '%s%s' on file %d.", pages,
                      job->header.database_name, job->header.database_name,
                      job->header.log ? "_log" : "", job->header.position);
    sh_esession_tell (job->session, 3014, 10, 1,
                      "BACKUP %s successfully processed %lld pages in %.3f seconds (%.3f MB/sec).",
                      verb, pages, seconds, (double)job->header.bytes / 1048576.0 / seconds);
    sh_unlock_instance (job->session->instance);
}

/*  What the backup means for the next one. */
static void
s_advance_chain (const s_job_t *job, sh_db_t *db)
{
    if (job->header.copy_only)
        return;
    if (job->header.log) {
        if (db->chain_lsn == 0)
            return; /* broken by SIMPLE while we wrote */
        db->chain_lsn = job->header.last_lsn;
        db->chain_begins = false;
        db->info.bulk_logged_work = false;
        sh_log_measure (job->session->instance, db);
        return;
    }
    db->base_lsn = job->header.checkpoint_lsn;
    memcpy (db->base_guid, job->header.set_guid, 16);
    if (db->info.recovery != SH_RECOVERY_SIMPLE && db->chain_lsn == 0) {
        db->chain_lsn = job->header.first_lsn;
        db->chain_begins = true;
        sh_log_measure (job->session->instance, db);
    }
}

/*  Under the lock. */
static sh_status_t
s_finish (s_job_t *job, sh_db_t *db, sh_backup_result_t *result, sh_error_t *error)
{
    sh_instance_t *instance = job->session->instance;
    int set_id = 0;
    sh_status_t status = SH_OK;
    if (sh_fault_count_locked (instance, SH_FAULT_HISTORY_FAIL))
        status = SH_ERROR;
    else
        status = sh_history_backup (instance, &job->header, job->writer.names,
                                    job->writer.new_media, &set_id, error);
    s_advance_chain (job, db);
    sh_log_save_db (instance, db, NULL);
    instance->uncheckpointed++; /* log may be cut now */
    if (result) {
        memcpy (result->set_guid, job->header.set_guid, 16);
        result->position = job->header.position;
        result->bytes = job->header.bytes;
        result->stored_bytes = job->header.stored_bytes;
        result->first_lsn = job->header.first_lsn;
        result->last_lsn = job->header.last_lsn;
        result->backup_set_id = set_id;
    }
    sh_note_locked (instance, "%s backed up: %s, first LSN %lld, last LSN %lld, file '%s' (%d).",
                    job->header.log ? "Log was" : "Database", job->header.database_name,
                    (long long)job->header.first_lsn, (long long)job->header.last_lsn,
                    job->writer.names[0], job->header.position);
    if (status != SH_OK)
        return sh_fail (error, 3009, 16, 1,
                        "Could not insert a backup or restore history/detail record in the msdb "
                        "database. This may indicate a problem with the msdb database. The "
                        "backup/restore operation was still successful.");
    return SH_OK;
}

/*  The turn is ours. */
static sh_status_t
s_run (s_job_t *job, sh_backup_result_t *result, sh_error_t *error)
{
    sh_instance_t *instance = job->session->instance;
    sh_db_t *db = NULL;
    int64_t began = sh_now_ms ();
    sh_status_t status = sh_writer_open (&job->writer, job->session, job->backup, error);
    if (status != SH_OK)
        return status;
    sh_lock_instance (instance);
    status = s_check (job, &db, error);
    sh_require (status != SH_OK || db);
    if (status == SH_OK)
        status = s_begin (job, db, error);
    sh_unlock_instance (instance);
    if (status == SH_OK) {
        status = s_write (job, error);
        bool good = status == SH_OK;
        sh_lock_instance (instance);
        if (good)
            status = s_finish (job, db, result, error);
        else
            sh_note_locked (instance, "BACKUP failed to complete the command BACKUP %s %s.",
                            job->header.log ? "LOG" : "DATABASE", job->header.database_name);
        db->holds--;
        job->session->percent = 0;
        sh_unlock_instance (instance);
        if (good)
            s_tell_success (job, (double)(sh_now_ms () - began) / 1000.0);
    }
    sh_writer_close (&job->writer);
    return status;
}

sh_status_t
sh_backup (sh_esession_t *session, const sh_backup_t *backup, sh_backup_result_t *result,
           sh_error_t *error)
{
    sh_error_t own = {0};
    s_job_t *job = sh_mem_alloc (sizeof *job);
    sh_db_t *db = NULL;
    job->session = session;
    job->backup = backup;
    job->checksum_default = sh_config_in_use (session->instance, SH_CONFIG_CHECKSUM_DEFAULT) != 0;
    if (!error)
        error = &own;
    sh_lock_instance (session->instance);
    sh_status_t status = s_check (job, &db, error);
    if (status == SH_OK)
        status = s_take_turn (job, error);
    sh_unlock_instance (session->instance);
    if (status == SH_OK) {
        status = s_run (job, result, error);
        sh_lock_instance (session->instance);
        s_give_turn (job);
        sh_unlock_instance (session->instance);
    }
    for (size_t i = 0; i < job->line_count; i++)
        sh_row_drop (job->lines[i].row);
    free (job->lines);
    sh_bytes_free (&job->catalog);
    free (job);
    return status;
}
