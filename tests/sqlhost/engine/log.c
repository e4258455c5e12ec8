/*  The instance's log: instance.db, one SQLite file. See internal.h.
 *
 *  A committed transaction is a row of `log` and a row of `part` for each database that it
 *  changed, written in ONE SQLite transaction: that is the commit point of everything. WAL with
 *  synchronous=NORMAL: a SQLite commit is then in the kernel's page cache, which outlives the
 *  process but not the machine, and a process that dies is what we are tested for. Option fsync
 *  asks for FULL.
 *
 *  LSNs look like SQL Server's: virtual log file * 10^15 + block * 10^5 + slot. One counter
 *  serves the instance; each database sees the part of it that is its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

#define S_FILE  INT64_C (1000000000000000)
#define S_BLOCK INT64_C (100000)

enum { S_BLOCKS_A_FILE = 131072, S_FIRST_FILE = 31 };

int64_t
sh_lsn_after (int64_t lsn, size_t bytes)
{
    int64_t file = lsn / S_FILE, block = lsn % S_FILE / S_BLOCK;
    block += 8 + (int64_t)(bytes / 512);
    if (block >= S_BLOCKS_A_FILE) {
        file++;
        block = 16;
    }
    return file * S_FILE + block * S_BLOCK + 1;
}

static sh_status_t
s_fail (sqlite3 *sqlite, const char *doing, sh_error_t *error)
{
    return sh_fail (error, 9001, 21, 1, "The log of the instance is not available: %s: %s", doing,
                    sqlite3_errmsg (sqlite));
}

bool
sh_sql_run (sqlite3 *sqlite, const char *sql, sh_error_t *error)
{
    if (sqlite3_exec (sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    s_fail (sqlite, sql, error);
    return false;
}

static sqlite3_stmt *
s_prepare (sqlite3 *sqlite, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2 (sqlite, sql, -1, &statement, NULL);
    sh_require (result == SQLITE_OK || result == SQLITE_BUSY || result == SQLITE_IOERR);
    return statement;
}

static const char s_schema[] =
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS db (id INTEGER PRIMARY KEY, name TEXT, info BLOB);"
    "CREATE TABLE IF NOT EXISTS login (name TEXT PRIMARY KEY COLLATE NOCASE, sid BLOB, salt BLOB,"
    " hash BLOB, sysadmin INTEGER, disabled INTEGER, created INTEGER, db TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS log (lsn INTEGER PRIMARY KEY, next INTEGER, xid INTEGER,"
    " time INTEGER, mark TEXT, description TEXT, user TEXT);"
    "CREATE TABLE IF NOT EXISTS part (lsn INTEGER, db INTEGER, marked INTEGER, body BLOB,"
    " PRIMARY KEY (lsn, db));"
    "CREATE INDEX IF NOT EXISTS part_db ON part (db, lsn);"
    "CREATE TABLE IF NOT EXISTS prepared (uow BLOB PRIMARY KEY, xid INTEGER, name TEXT, login TEXT,"
    " begin INTEGER) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS prepared_part (uow BLOB, db INTEGER, body BLOB,"
    " PRIMARY KEY (uow, db));";

static sqlite3 *
s_connect (const sh_instance_t *instance, sh_error_t *error)
{
    char path[4096];
    sqlite3 *sqlite = NULL;
    snprintf (path, sizeof path, "%s/instance.db", instance->directory);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2 (path, &sqlite, flags, NULL) != SQLITE_OK) {
        s_fail (sqlite, path, error);
        sqlite3_close (sqlite);
        return NULL;
    }
    sqlite3_busy_timeout (sqlite, 10000);
    return sqlite;
}

sqlite3 *
sh_log_reader (sh_instance_t *instance)
{
    return s_connect (instance, NULL);
}

int64_t
sh_log_meta (sh_instance_t *instance, const char *key, int64_t missing)
{
    sqlite3_stmt *statement =
        s_prepare (instance->log.sqlite, "SELECT value FROM meta WHERE name = ?");
    sqlite3_bind_text (statement, 1, key, -1, SQLITE_STATIC);
    if (sqlite3_step (statement) == SQLITE_ROW)
        missing = sqlite3_column_int64 (statement, 0);
    sqlite3_finalize (statement);
    return missing;
}

void
sh_log_set_meta (sh_instance_t *instance, const char *key, int64_t value)
{
    sqlite3_stmt *statement =
        s_prepare (instance->log.sqlite, "INSERT OR REPLACE INTO meta VALUES (?, ?)");
    sqlite3_bind_text (statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64 (statement, 2, value);
    sqlite3_step (statement);
    sqlite3_finalize (statement);
}

/*  The next LSN: behind the last record, or behind what a truncation left. */
static int64_t
s_next_lsn (sh_instance_t *instance)
{
    int64_t next = sh_log_meta (instance, "next_lsn", S_FIRST_FILE * S_FILE + 16 * S_BLOCK + 1);
    sqlite3_stmt *statement = s_prepare (instance->log.sqlite, "SELECT max(next) FROM log");
    if (sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_int64 (statement, 0) > next)
        next = sqlite3_column_int64 (statement, 0);
    sqlite3_finalize (statement);
    return next;
}

sh_status_t
sh_log_open (sh_instance_t *instance, sh_error_t *error)
{
    sh_log_t *log = &instance->log;
    log->sqlite = s_connect (instance, error);
    if (!log->sqlite)
        return SH_ERROR;
    if (!sh_sql_run (log->sqlite, "PRAGMA journal_mode=WAL", error) ||
        !sh_sql_run (log->sqlite,
                     instance->fsync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                     error) ||
        !sh_sql_run (log->sqlite, s_schema, error))
        return SH_ERROR;
    log->insert_log = s_prepare (log->sqlite, "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)");
    log->insert_part = s_prepare (log->sqlite, "INSERT INTO part VALUES (?, ?, ?, ?)");
    log->next = s_next_lsn (instance);
    return SH_OK;
}

void
sh_log_close (sh_instance_t *instance)
{
    sqlite3_finalize (instance->log.insert_log);
    sqlite3_finalize (instance->log.insert_part);
    sqlite3_close (instance->log.sqlite);
    instance->log.sqlite = NULL;
}

/*  ---- records ---- */

static bool
s_insert_part (sh_log_t *log, int64_t lsn, const sh_part_t *part)
{
    sqlite3_stmt *statement = log->insert_part;
    sqlite3_bind_int64 (statement, 1, lsn);
    sqlite3_bind_int (statement, 2, part->db_id);
    sqlite3_bind_int (statement, 3, part->marked);
    sqlite3_bind_blob64 (statement, 4, part->body.data, part->body.size, SQLITE_STATIC);
    bool done = sqlite3_step (statement) == SQLITE_DONE;
    sqlite3_reset (statement);
    sqlite3_clear_bindings (statement);
    return done;
}

static bool
s_insert_record (sh_log_t *log, const sh_record_t *record, int64_t next)
{
    sqlite3_stmt *statement = log->insert_log;
    sqlite3_bind_int64 (statement, 1, record->lsn);
    sqlite3_bind_int64 (statement, 2, next);
    sqlite3_bind_int64 (statement, 3, record->xid);
    sqlite3_bind_int64 (statement, 4, record->time);
    sqlite3_bind_text (statement, 5, record->mark, -1, SQLITE_STATIC);
    sqlite3_bind_text (statement, 6, record->description, -1, SQLITE_STATIC);
    sqlite3_bind_text (statement, 7, record->user, -1, SQLITE_STATIC);
    bool done = sqlite3_step (statement) == SQLITE_DONE;
    sqlite3_reset (statement);
    sqlite3_clear_bindings (statement);
    for (size_t i = 0; done && i < record->part_count; i++)
        done = s_insert_part (log, record->lsn, &record->parts[i]);
    return done;
}

/*  A record's own bytes beside its body, about. */
enum { S_RECORD_BYTES = 96 };

static void
s_count_bytes (sh_instance_t *instance, const sh_part_t *part)
{
    sh_db_t *db = sh_db_by_id (instance, part->db_id);
    int64_t bytes = (int64_t)part->body.size + S_RECORD_BYTES;
    if (!db)
        return;
    db->log_used += bytes;
    db->log_since_backup += bytes;
    if (db->log_used > db->log_peak)
        db->log_peak = db->log_used;
}

void
sh_log_measure (sh_instance_t *instance, sh_db_t *db)
{
    sqlite3_stmt *statement =
        s_prepare (instance->log.sqlite, "SELECT count(*), total(length(body)),"
                                         " count(CASE WHEN lsn >= ?2 THEN 1 END),"
                                         " total(CASE WHEN lsn >= ?2 THEN length(body) END)"
                                         " FROM part WHERE db = ?1");
    sqlite3_bind_int (statement, 1, db->info.id);
    sqlite3_bind_int64 (statement, 2, db->chain_lsn);
    if (sqlite3_step (statement) == SQLITE_ROW) {
        db->log_used = sqlite3_column_int64 (statement, 0) * S_RECORD_BYTES +
                       sqlite3_column_int64 (statement, 1);
        db->log_since_backup = sqlite3_column_int64 (statement, 2) * S_RECORD_BYTES +
                               sqlite3_column_int64 (statement, 3);
    }
    if (db->log_used > db->log_peak)
        db->log_peak = db->log_used;
    sqlite3_finalize (statement);
}

sh_status_t
sh_log_write (sh_instance_t *instance, sh_record_t *records, size_t count, sh_error_t *error)
{
    sh_log_t *log = &instance->log;
    int64_t next = log->next;
    if (!sh_sql_run (log->sqlite, "BEGIN IMMEDIATE", error))
        return SH_ERROR;
    bool done = true;
    for (size_t i = 0; done && i < count; i++) {
        size_t bytes = 0;
        for (size_t k = 0; k < records[i].part_count; k++)
            bytes += records[i].parts[k].body.size;
        records[i].lsn = next;
        next = sh_lsn_after (next, bytes);
        done = s_insert_record (log, &records[i], next) &&
               (!records[i].prepared || sh_prepared_forget (instance, records[i].prepared));
    }
    if (done)
        done = sh_sql_run (log->sqlite, "COMMIT", error);
    if (!done) {
        s_fail (log->sqlite, "writing a record", error);
        sqlite3_exec (log->sqlite, "ROLLBACK", NULL, NULL, NULL);
        return SH_ERROR;
    }
    log->next = next;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < records[i].part_count; k++)
            s_count_bytes (instance, &records[i].parts[k]);
    return SH_OK;
}

static void
s_run_bound (sqlite3 *sqlite, const char *sql, int db_id, int64_t lsn)
{
    sqlite3_stmt *statement = s_prepare (sqlite, sql);
    sqlite3_bind_int (statement, 1, db_id);
    sqlite3_bind_int64 (statement, 2, lsn);
    sqlite3_step (statement);
    sqlite3_finalize (statement);
}

void
sh_log_truncate (sh_instance_t *instance, int db_id, int64_t below)
{
    sqlite3 *sqlite = instance->log.sqlite;
    if (!sh_sql_run (sqlite, "BEGIN IMMEDIATE", NULL))
        return;
    sh_log_set_meta (instance, "next_lsn", instance->log.next);
    /*  Only records that lose a part are looked at: other databases may keep long logs. */
    s_run_bound (sqlite,
                 "DELETE FROM log WHERE lsn IN (SELECT lsn FROM part WHERE db = ?1 AND"
                 " lsn < ?2) AND NOT EXISTS (SELECT 1 FROM part WHERE part.lsn = log.lsn"
                 " AND db <> ?1)",
                 db_id, below);
    s_run_bound (sqlite, "DELETE FROM part WHERE db = ?1 AND lsn < ?2", db_id, below);
    sh_sql_run (sqlite, "COMMIT", NULL);
    sh_db_t *db = sh_db_by_id (instance, db_id);
    if (db)
        sh_log_measure (instance, db);
}

bool
sh_log_read (sqlite3 *sqlite, int db_id, int64_t from, int64_t to,
             bool (*each) (void *arg, const sh_log_row_t *row), void *arg)
{
    sqlite3_stmt *statement =
        s_prepare (sqlite, "SELECT part.lsn, xid, time, CASE WHEN marked THEN mark END,"
                           " description, user, body FROM part JOIN log ON log.lsn = part.lsn"
                           " WHERE part.db = ? AND part.lsn >= ? AND part.lsn < ?"
                           " ORDER BY part.lsn");
    if (!statement)
        return false;
    sqlite3_bind_int (statement, 1, db_id);
    sqlite3_bind_int64 (statement, 2, from);
    sqlite3_bind_int64 (statement, 3, to);
    int result = SQLITE_ROW;
    bool going = true;
    while (going && (result = sqlite3_step (statement)) == SQLITE_ROW) {
        sh_log_row_t row = {.lsn = sqlite3_column_int64 (statement, 0),
                            .xid = sqlite3_column_int64 (statement, 1),
                            .time = sqlite3_column_int64 (statement, 2),
                            .mark = (const char *)sqlite3_column_text (statement, 3),
                            .description = (const char *)sqlite3_column_text (statement, 4),
                            .user = (const char *)sqlite3_column_text (statement, 5),
                            .body = sqlite3_column_blob (statement, 6),
                            .size = (size_t)sqlite3_column_bytes (statement, 6)};
        going = each (arg, &row);
    }
    sqlite3_finalize (statement);
    return going && result == SQLITE_DONE;
}

/*  ---- databases ---- */

static void
s_put_db (sh_bytes_t *out, const sh_db_t *db)
{
    const sh_db_info_t *info = &db->info;
    sh_put_text (out, info->owner);
    sh_put (out, info->guid, 16);
    sh_put (out, info->family_guid, 16);
    sh_put (out, info->fork_guid, 16);
    sh_put_i64 (out, info->created);
    sh_put_u8 (out, (uint8_t)info->state);
    sh_put_u8 (out, (uint8_t)info->recovery);
    sh_put_u8 (out, (uint8_t)info->access);
    sh_put_u8 (out, info->read_only);
    sh_put_u8 (out, info->standby);
    sh_put_u32 (out, (uint32_t)info->compatibility);
    sh_put_text (out, info->collation);
    sh_put_u8 (out, info->bulk_logged_work);
    sh_put_i64 (out, db->chain_lsn);
    sh_put_i64 (out, db->base_lsn);
    sh_put_u8 (out, db->chain_begins);
    sh_put (out, db->base_guid, 16);
    sh_put_u8 (out, (uint8_t)info->durability);
}

static void
s_get_bytes (sh_reader_t *in, uint8_t out[16])
{
    const void *data = sh_get (in, 16);
    if (data)
        memcpy (out, data, 16);
}

static bool
s_get_db (sh_reader_t *in, sh_db_t *db)
{
    sh_db_info_t *info = &db->info;
    char *owner = sh_get_text (in);
    s_get_bytes (in, info->guid);
    s_get_bytes (in, info->family_guid);
    s_get_bytes (in, info->fork_guid);
    info->created = sh_get_i64 (in);
    info->state = (sh_db_state_t)sh_get_u8 (in);
    info->recovery = (sh_recovery_t)sh_get_u8 (in);
    info->access = (sh_access_t)sh_get_u8 (in);
    info->read_only = sh_get_u8 (in) != 0;
    info->standby = sh_get_u8 (in) != 0;
    info->compatibility = (int)sh_get_u32 (in);
    char *collation = sh_get_text (in);
    info->bulk_logged_work = sh_get_u8 (in) != 0;
    db->chain_lsn = sh_get_i64 (in);
    db->base_lsn = sh_get_i64 (in);
    db->chain_begins = sh_get_u8 (in) != 0;
    s_get_bytes (in, db->base_guid);
    /*  A directory that was made before this was kept ends here. */
    info->durability = in->at < in->size ? (sh_durability_t)sh_get_u8 (in) : SH_DURABILITY_DISABLED;
    sh_copy (info->owner, sizeof info->owner, owner);
    sh_copy (info->collation, sizeof info->collation, collation);
    free (owner);
    free (collation);
    return !in->failed;
}

sh_status_t
sh_log_save_db (sh_instance_t *instance, const sh_db_t *db, sh_error_t *error)
{
    sqlite3 *sqlite = instance->log.sqlite;
    sh_bytes_t body = {0};
    s_put_db (&body, db);
    sqlite3_stmt *statement = s_prepare (sqlite, "INSERT OR REPLACE INTO db VALUES (?, ?, ?)");
    sqlite3_bind_int (statement, 1, db->info.id);
    sqlite3_bind_text (statement, 2, db->info.name, -1, SQLITE_STATIC);
    sqlite3_bind_blob64 (statement, 3, body.data, body.size, SQLITE_STATIC);
    bool done = sqlite3_step (statement) == SQLITE_DONE;
    sqlite3_finalize (statement);
    sh_bytes_free (&body);
    return done ? SH_OK : s_fail (sqlite, "storing a database's state", error);
}

sh_status_t
sh_log_forget_db (sh_instance_t *instance, int db_id, sh_error_t *error)
{
    char sql[256];
    snprintf (sql, sizeof sql, "BEGIN IMMEDIATE; DELETE FROM db WHERE id = %d; COMMIT", db_id);
    if (!sh_sql_run (instance->log.sqlite, sql, error))
        return SH_ERROR;
    sh_log_truncate (instance, db_id, INT64_MAX);
    return SH_OK;
}

sh_status_t
sh_log_load_dbs (sh_instance_t *instance, sh_error_t *error)
{
    sqlite3_stmt *statement =
        s_prepare (instance->log.sqlite, "SELECT id, name, info FROM db ORDER BY id");
    sh_status_t status = SH_OK;
    while (status == SH_OK && sqlite3_step (statement) == SQLITE_ROW) {
        sh_db_t *db = sh_mem_alloc (sizeof *db);
        db->info.id = sqlite3_column_int (statement, 0);
        sh_copy (db->info.name, sizeof db->info.name,
                 (const char *)sqlite3_column_text (statement, 1));
        sh_reader_t in = {.data = sqlite3_column_blob (statement, 2),
                          .size = (size_t)sqlite3_column_bytes (statement, 2)};
        if (!s_get_db (&in, db)) {
            status =
                sh_fail (error, 9001, 21, 2, "The state of database %s is damaged.", db->info.name);
            free (db);
            break;
        }
        instance->dbs =
            sh_grow (instance->dbs, instance->db_count, &instance->db_capacity, sizeof (sh_db_t *));
        instance->dbs[instance->db_count++] = db;
    }
    sqlite3_finalize (statement);
    return status;
}
