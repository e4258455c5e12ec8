/*  Data files: one SQLite file a database, behind the log. See internal.h.
 *
 *      meta     applied: every log record below this LSN is in the file
 *      catalog  the catalog's bytes (image.h), one row
 *      line     table, rid, row's bytes
 *
 *  A checkpoint takes what changed since the last one (the lock is held for that only) and writes
 *  it in one SQLite transaction together with `applied`: the file is always a consistent state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sqlhost/engine/internal.h"

void
sh_data_path (sh_instance_t *instance, const sh_db_t *db, char *out, size_t size)
{
    snprintf (out, size, "%s/db%d.mdf", instance->directory, db->info.id);
}

static sh_status_t
s_fail (sqlite3 *sqlite, const sh_db_t *db, sh_error_t *error)
{
    return sh_fail (error, 823, 24, 1, "The data file of database %s cannot be read or written: %s",
                    db->info.name, sqlite3_errmsg (sqlite));
}

static sh_status_t
s_open (sh_instance_t *instance, sh_db_t *db, sh_error_t *error)
{
    char path[4096];
    if (db->file)
        return SH_OK;
    sh_data_path (instance, db, path, sizeof path);
    if (sqlite3_open (path, &db->file) != SQLITE_OK ||
        !sh_sql_run (db->file, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;", error) ||
        !sh_sql_run (db->file,
                     "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER);"
                     "CREATE TABLE IF NOT EXISTS catalog (id INTEGER PRIMARY KEY, body BLOB);"
                     "CREATE TABLE IF NOT EXISTS line (tab INTEGER, rid INTEGER, body BLOB,"
                     " PRIMARY KEY (tab, rid)) WITHOUT ROWID;",
                     error)) {
        s_fail (db->file, db, error);
        sh_data_close (db);
        return SH_ERROR;
    }
    return SH_OK;
}

void
sh_data_close (sh_db_t *db)
{
    sqlite3_close (db->file);
    db->file = NULL;
}

void
sh_data_remove (sh_instance_t *instance, sh_db_t *db)
{
    char path[4096], side[4200];
    sh_data_close (db);
    sh_data_path (instance, db, path, sizeof path);
    unlink (path);
    snprintf (side, sizeof side, "%s-wal", path);
    unlink (side);
    snprintf (side, sizeof side, "%s-shm", path);
    unlink (side);
}

/*  ---- loading ---- */

static bool
s_load_rows (sh_db_t *db)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2 (db->file, "SELECT tab, rid, body FROM line ORDER BY tab, rid", -1,
                            &statement, NULL) != SQLITE_OK)
        return false;
    sh_table_t *table = NULL;
    bool fits = true;
    int result = SQLITE_ROW;
    while (fits && (result = sqlite3_step (statement)) == SQLITE_ROW) {
        int object_id = sqlite3_column_int (statement, 0);
        if (!table || table->def->object_id != object_id)
            table = sh_image_table_by_id (db->image, object_id);
        sh_reader_t in = {.data = sqlite3_column_blob (statement, 2),
                          .size = (size_t)sqlite3_column_bytes (statement, 2)};
        sh_row_t *row = table ? sh_row_read (&in) : NULL;
        fits = row && row->count == table->def->column_count;
        if (fits)
            sh_slot_set (table, sh_slot_add (table, sqlite3_column_int64 (statement, 1)), row, NULL,
                         NULL);
        else
            sh_row_drop (row);
    }
    sqlite3_finalize (statement);
    return fits && result == SQLITE_DONE;
}

static bool
s_load_catalog (sh_db_t *db)
{
    sqlite3_stmt *statement = NULL;
    bool fits = true;
    if (sqlite3_prepare_v2 (db->file,
                            "SELECT body, (SELECT value FROM meta WHERE name = 'applied')"
                            " FROM catalog WHERE id = 1",
                            -1, &statement, NULL) != SQLITE_OK)
        return false;
    if (sqlite3_step (statement) == SQLITE_ROW) {
        fits = sh_image_read_catalog (db->image, sqlite3_column_blob (statement, 0),
                                      (size_t)sqlite3_column_bytes (statement, 0));
        db->applied = sqlite3_column_int64 (statement, 1);
    }
    sqlite3_finalize (statement);
    return fits;
}

sh_status_t
sh_data_load (sh_instance_t *instance, sh_db_t *db, sh_error_t *error)
{
    db->image = sh_image_new (db->info.id);
    db->applied = 0;
    sh_status_t status = s_open (instance, db, error);
    if (status != SH_OK)
        return status;
    if (!s_load_catalog (db) || !s_load_rows (db))
        return sh_fail (error, 824, 24, 2, "The data file of database %s is damaged.",
                        db->info.name);
    return SH_OK;
}

/*  ---- checkpoint ---- */

typedef struct {
    int object_id;
    int64_t rid;
    sh_row_t *row; /* held; NULL = gone */
} s_line_t;

typedef struct {
    s_line_t *lines;
    size_t count, capacity;
    sh_bytes_t catalog;
    int *dropped;
    size_t dropped_count;
    int64_t applied;
    bool rewrite;
} s_work_t;

static void
s_collect_line (s_work_t *work, const sh_table_t *table, sh_slot_t *slot)
{
    work->lines = sh_grow (work->lines, work->count, &work->capacity, sizeof *work->lines);
    work->lines[work->count++] = (s_line_t){
        .object_id = table->def->object_id, .rid = slot->rid, .row = sh_row_hold (slot->committed)};
}

static void
s_collect_table (s_work_t *work, sh_table_t *table)
{
    if (table->created_by)
        return;
    if (work->rewrite) {
        for (size_t i = 0; i < table->slot_count; i++)
            if (table->slots[i].committed)
                s_collect_line (work, table, &table->slots[i]);
    }
    for (size_t i = 0; i < table->dirty_count; i++) {
        sh_slot_t *slot = sh_slot_find (table, table->dirty[i]);
        if (!slot)
            continue;
        slot->dirty = false;
        if (!work->rewrite)
            s_collect_line (work, table, slot);
    }
    table->dirty_count = 0;
    sh_table_compact (table);
}

/*  Under the lock. */
static void
s_collect (sh_instance_t *instance, sh_db_t *db, s_work_t *work)
{
    sh_image_t *image = db->image;
    work->applied = instance->log.next;
    work->rewrite = db->rewrite;
    for (size_t i = 0; i < image->table_count; i++)
        s_collect_table (work, image->tables[i]);
    sh_image_put_catalog (&work->catalog, image);
    work->dropped = image->dropped;
    work->dropped_count = image->dropped_count;
    image->dropped = NULL;
    image->dropped_count = image->dropped_capacity = 0;
    image->catalog_dirty = false;
    db->changed_since_checkpoint = false;
    db->rewrite = false;
}

static bool
s_run_int (sqlite3 *sqlite, const char *sql, int64_t a)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2 (sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_int64 (statement, 1, a);
    bool done = sqlite3_step (statement) == SQLITE_DONE;
    sqlite3_finalize (statement);
    return done;
}

static bool
s_write_lines (sqlite3 *sqlite, const s_work_t *work)
{
    sqlite3_stmt *put = NULL, *remove = NULL;
    bool done = sqlite3_prepare_v2 (sqlite, "INSERT OR REPLACE INTO line VALUES (?, ?, ?)", -1,
                                    &put, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2 (sqlite, "DELETE FROM line WHERE tab = ? AND rid = ?", -1,
                                    &remove, NULL) == SQLITE_OK;
    sh_bytes_t body = {0};
    for (size_t i = 0; done && i < work->count; i++) {
        const s_line_t *line = &work->lines[i];
        sqlite3_stmt *statement = line->row ? put : remove;
        sqlite3_bind_int (statement, 1, line->object_id);
        sqlite3_bind_int64 (statement, 2, line->rid);
        if (line->row) {
            body.size = 0;
            sh_row_put (&body, line->row);
            sqlite3_bind_blob64 (statement, 3, body.data, body.size, SQLITE_STATIC);
        }
        done = sqlite3_step (statement) == SQLITE_DONE;
        sqlite3_reset (statement);
    }
    sqlite3_finalize (put);
    sqlite3_finalize (remove);
    sh_bytes_free (&body);
    return done;
}

static bool
s_write_catalog (sqlite3 *sqlite, const s_work_t *work)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2 (sqlite, "INSERT OR REPLACE INTO catalog VALUES (1, ?)", -1, &statement,
                            NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_blob64 (statement, 1, work->catalog.data, work->catalog.size, SQLITE_STATIC);
    bool done = sqlite3_step (statement) == SQLITE_DONE;
    sqlite3_finalize (statement);
    return done;
}

static bool
s_write (sqlite3 *sqlite, const s_work_t *work)
{
    bool done = sh_sql_run (sqlite, "BEGIN IMMEDIATE", NULL);
    if (done && work->rewrite)
        done = sh_sql_run (sqlite, "DELETE FROM line", NULL);
    for (size_t i = 0; done && i < work->dropped_count; i++)
        done = s_run_int (sqlite, "DELETE FROM line WHERE tab = ?", work->dropped[i]);
    done = done && s_write_lines (sqlite, work) && s_write_catalog (sqlite, work) &&
           s_run_int (sqlite, "INSERT OR REPLACE INTO meta VALUES ('applied', ?)", work->applied) &&
           sh_sql_run (sqlite, "COMMIT", NULL);
    if (!done)
        sqlite3_exec (sqlite, "ROLLBACK", NULL, NULL, NULL);
    return done;
}

sh_status_t
sh_data_checkpoint (sh_instance_t *instance, sh_db_t *db, sh_error_t *error)
{
    s_work_t work = {0};
    if (!db->image)
        return SH_OK;
    if (!db->changed_since_checkpoint && !db->rewrite) {
        /*  Nothing happened here: records up to now need no redo, whatever the file says. */
        db->applied = instance->log.next;
        return SH_OK;
    }
    s_collect (instance, db, &work);
    sh_unlock_instance (instance);
    bool done = s_open (instance, db, error) == SH_OK && s_write (db->file, &work);
    sh_status_t status = done ? SH_OK : s_fail (db->file, db, error);
    for (size_t i = 0; i < work.count; i++)
        sh_row_drop (work.lines[i].row);
    free (work.lines);
    free (work.dropped);
    sh_bytes_free (&work.catalog);
    sh_lock_instance (instance);
    if (done)
        db->applied = work.applied;
    else
        db->rewrite = true;
    return status;
}
