#include <stdlib.h>
#include <string.h>
#include "coordinator/core/chain.h"
#include "coordinator/shell/catalogue_file.h"

/* ---- orders ---- */

bm_status_t
bm_catalogue_order_open (bm_catalogue_t *self, uint64_t run, int64_t set_id, const char *server,
                         const char *instance, const char *database, bm_set_type_t type,
                         const char *sequence, const char *mark, int64_t *order_p,
                         bm_error_t *error)
{
    bm_status_t status =
        bm_catalogue_run (self, error,
                          "INSERT INTO orders (run, set_id, server, instance, database, type, "
                          "sequence, mark, began_us) "
                          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                          "iitttttti", (int64_t)run, set_id, server, instance, database,
                          bm_set_type_name (type), sequence, mark, bm_catalogue_now ());
    *order_p = status ? 0 : sqlite3_last_insert_rowid (self->db);
    return status;
}

bm_status_t
bm_catalogue_order_close (bm_catalogue_t *self, int64_t order, const char *order_status,
                          const char *fault_text, int64_t ms, const bm_sql_messages_t *messages,
                          const bm_backup_t *backup, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    if (!status)
        status = bm_catalogue_run (
            self, error,
            "UPDATE orders SET status = ?, text = ?, ms = ?, ended_us = ?, uuid = ? "
            "WHERE order_id = ?",
            "ttiiti", order_status, fault_text, ms, bm_catalogue_now (),
            backup ? backup->uuid : NULL, order);
    for (size_t i = 0; !status && messages && i < messages->count; i++) {
        const bm_sql_message_t *m = &messages->items[i];
        status = bm_catalogue_run (self, error,
                                   "INSERT INTO messages (order_id, number, severity, state, line, "
                                   "procedure, text) VALUES (?, ?, ?, ?, ?, ?, ?)",
                                   "iiiiitt", order, (int64_t)m->number, (int64_t)m->severity,
                                   (int64_t)m->state, (int64_t)m->line, m->procedure, m->text);
    }
    if (!status && backup)
        status = bm_catalogue_backup_write (self, backup, error);
    return bm_catalogue_end (self, status, error);
}

bm_status_t
bm_catalogue_orders (bm_catalogue_t *self, int64_t set_id, bm_order_row_t **rows_p, size_t *count_p,
                     bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error,
        "SELECT order_id, set_id, run, type, server, instance, database, sequence, mark, status, "
        "text, "
        "uuid, began_us, coalesce (ended_us, -1), coalesce (ms, -1), "
        "(SELECT count(*) FROM messages m WHERE m.order_id = orders.order_id) "
        "FROM orders WHERE set_id = ? ORDER BY order_id",
        "i", set_id);
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_order_row_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->order = sqlite3_column_int64 (s, 0);
        row->set_id = sqlite3_column_int64 (s, 1);
        row->run = (uint64_t)sqlite3_column_int64 (s, 2);
        bm_record_type_parse ((const char *)sqlite3_column_text (s, 3), &row->type);
        row->server = bm_catalogue_text (s, 4);
        row->instance = bm_catalogue_text (s, 5);
        row->database = bm_catalogue_text (s, 6);
        row->sequence = bm_catalogue_text (s, 7);
        row->mark = bm_catalogue_text (s, 8);
        row->status = bm_catalogue_text (s, 9);
        row->text = bm_catalogue_text (s, 10);
        row->uuid = bm_catalogue_text (s, 11);
        row->began_us = sqlite3_column_int64 (s, 12);
        row->ended_us = sqlite3_column_int64 (s, 13);
        row->ms = sqlite3_column_int64 (s, 14);
        row->messages = (size_t)sqlite3_column_int64 (s, 15);
    }
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_orders_run (bm_catalogue_t *self, uint64_t run, bool *running_p, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error, "SELECT 1 FROM orders WHERE run = ? AND status IS NULL LIMIT 1", "i",
        (int64_t)run);
    *running_p = bm_catalogue_step (self, s, &status, error);
    sqlite3_finalize (s);
    return status;
}

void
bm_order_rows_destroy (bm_order_row_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        bm_order_row_t *row = &(*rows_p)[i];
        free (row->server);
        free (row->instance);
        free (row->database);
        free (row->sequence);
        free (row->mark);
        free (row->status);
        free (row->text);
        free (row->uuid);
    }
    free (*rows_p);
    *rows_p = NULL;
}

bm_status_t
bm_catalogue_order_messages (bm_catalogue_t *self, int64_t order, bm_sql_messages_t **messages_p,
                             bm_error_t *error)
{
    bm_sql_messages_t *messages = bm_alloc (sizeof *messages);
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error,
                                            "SELECT number, severity, state, line, procedure, text "
                                            "FROM messages WHERE order_id = ? ORDER BY rowid",
                                            "i", order);
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_sql_message_t *m = bm_catalogue_grow (&messages->items, &messages->count, sizeof *m);
        m->number = sqlite3_column_int (s, 0);
        m->severity = sqlite3_column_int (s, 1);
        m->state = sqlite3_column_int (s, 2);
        m->line = sqlite3_column_int (s, 3);
        m->procedure = bm_catalogue_text (s, 4);
        m->text = bm_catalogue_text (s, 5);
    }
    sqlite3_finalize (s);
    *messages_p = messages;
    return status;
}

/* ---- backups ---- */

bm_status_t
bm_catalogue_backup_write (bm_catalogue_t *self, const bm_backup_t *b, bm_error_t *error)
{
    if (!b->uuid || !*b->uuid || !b->server || !b->database)
        return bm_fail (
            error, BM_CATALOGUE,
            "a backup of %s without its backup_set_uuid cannot be stored in the catalogue %s",
            b->database ? b->database : "a database", self->path);
    /*  Facts of msdb do not change; what the backup is to us is only ever added. */
    return bm_catalogue_run (
        self, error,
        "INSERT INTO backups (" BM_BACKUP_COLUMNS
        ", seen_us) VALUES (lower (?), ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif (?, 0), ?, ?, ?, ?, ?) "
        "ON CONFLICT (uuid) DO UPDATE SET "
        "file_bytes = CASE WHEN excluded.file_bytes > 0 THEN excluded.file_bytes ELSE file_bytes "
        "END, "
        "ours = max (ours, excluded.ours), set_id = coalesce (excluded.set_id, set_id), "
        "mark = coalesce (excluded.mark, mark), mark_lsn = coalesce (excluded.mark_lsn, mark_lsn), "
        "recorded = max (recorded, excluded.recorded), "
        "more_devices = coalesce (more_devices, excluded.more_devices)",
        "tttttt"
        "i"
        "ttttttttt"
        "iii"
        "tt"
        "iii"
        "i"
        "tt"
        "iti",
        b->uuid, b->server, b->instance, b->database, bm_set_type_name (b->type), b->device,
        (int64_t)b->position, b->first_lsn, b->last_lsn, b->checkpoint_lsn, b->database_backup_lsn,
        b->first_fork, b->last_fork, b->family, b->started, b->finished, b->bytes,
        b->compressed_bytes, b->file_bytes, b->recovery_model, b->user, (int64_t)b->copy_only,
        (int64_t)b->has_checksums, (int64_t)b->ours, b->set_id, b->mark, b->mark_lsn,
        (int64_t)b->recorded, b->more_devices, bm_catalogue_now ());
}

bm_status_t
bm_catalogue_backup_put (bm_catalogue_t *self, const bm_backup_t *backup, bm_error_t *error)
{
    return bm_catalogue_backup_write (self, backup, error);
}

bm_status_t
bm_catalogue_backup_recorded (bm_catalogue_t *self, const char *uuid, bm_error_t *error)
{
    return bm_catalogue_run (self, error, "UPDATE backups SET recorded = 1 WHERE uuid = lower (?)",
                             "t", uuid);
}

void
bm_catalogue_backup_row (sqlite3_stmt *s, bm_backup_t *b)
{
    char **const texts[] = {&b->uuid, &b->server, &b->instance, &b->database};
    for (int i = 0; i < 4; i++)
        *texts[i] = bm_catalogue_text (s, i);
    bm_record_type_parse ((const char *)sqlite3_column_text (s, 4), &b->type);
    b->device = bm_catalogue_text (s, 5);
    b->position = sqlite3_column_int (s, 6);
    char **const lsns[] = {
        &b->first_lsn,  &b->last_lsn,  &b->checkpoint_lsn, &b->database_backup_lsn,
        &b->first_fork, &b->last_fork, &b->family,         &b->started,
        &b->finished};
    for (int i = 0; i < 9; i++)
        *lsns[i] = bm_catalogue_text (s, 7 + i);
    b->bytes = sqlite3_column_int64 (s, 16);
    b->compressed_bytes = sqlite3_column_int64 (s, 17);
    b->file_bytes = sqlite3_column_int64 (s, 18);
    b->recovery_model = bm_catalogue_text (s, 19);
    b->user = bm_catalogue_text (s, 20);
    b->copy_only = sqlite3_column_int (s, 21);
    b->has_checksums = sqlite3_column_int (s, 22);
    b->ours = sqlite3_column_int (s, 23);
    b->set_id = sqlite3_column_int64 (s, 24);
    b->mark = bm_catalogue_text (s, 25);
    b->mark_lsn = bm_catalogue_text (s, 26);
    b->recorded = sqlite3_column_int (s, 27);
    b->more_devices = bm_catalogue_text (s, 28);
}

bm_status_t
bm_catalogue_backups_read (bm_catalogue_t *self, sqlite3_stmt *statement, bm_backups_t *backups,
                           bm_error_t *error)
{
    bm_status_t status = BM_OK;
    while (bm_catalogue_step (self, statement, &status, error)) {
        bm_backup_t backup = {0};
        bm_catalogue_backup_row (statement, &backup);
        bm_backups_add (backups, &backup);
        bm_backup_clear (&backup);
    }
    sqlite3_finalize (statement);
    return status;
}

/*  LSNs are decimal text of different length: the longer one is the greater. */
#define S_BY_LSN                                                                                   \
    "ORDER BY server, database, length (first_lsn), first_lsn, length (last_lsn), last_lsn"

bm_status_t
bm_catalogue_backups (bm_catalogue_t *self, const char *server, const char *database,
                      bm_backups_t *backups, bm_error_t *error)
{
    return bm_catalogue_backups_read (
        self,
        bm_catalogue_prepare (
            self, error,
            "SELECT " BM_BACKUP_COLUMNS " FROM backups WHERE closed = 0 AND "
            "(?1 IS NULL OR server = ?1) AND (?2 IS NULL OR database = ?2) " S_BY_LSN,
            "tt", server, database),
        backups, error);
}

bm_status_t
bm_catalogue_set_backups (bm_catalogue_t *self, int64_t set_id, bm_backups_t *backups,
                          bm_error_t *error)
{
    return bm_catalogue_backups_read (
        self,
        bm_catalogue_prepare (
            self, error, "SELECT " BM_BACKUP_COLUMNS " FROM backups WHERE set_id = ? " S_BY_LSN,
            "i", set_id),
        backups, error);
}

/*  Fulls have no fork in older msdb copies: then the chain is judged by LSN alone. */
static bool
s_same_fork (const char *a, const char *b)
{
    return !a || !b || !*a || !*b || sqlite3_stricmp (a, b) == 0;
}

bm_status_t
bm_catalogue_chain_start (bm_catalogue_t *self, const bm_backup_t *log, bm_backup_t *full,
                          bool *found_p, bm_error_t *error)
{
    *found_p = false;
    memset (full, 0, sizeof *full);
    bm_backups_t fulls = {0};
    bm_status_t status = bm_catalogue_backups_read (
        self,
        bm_catalogue_prepare (self, error,
                              "SELECT " BM_BACKUP_COLUMNS
                              " FROM backups WHERE closed = 0 AND type = 'db' "
                              "AND copy_only = 0 AND server = ? AND database = ? " S_BY_LSN,
                              "tt", log->server, log->database),
        &fulls, error);
    for (size_t i = fulls.count; !status && !*found_p && i-- > 0;) {
        const bm_backup_t *candidate = &fulls.items[i];
        if (!bm_lsn_valid (candidate->last_lsn) || !bm_lsn_valid (log->last_lsn) ||
            bm_lsn_compare (candidate->last_lsn, log->last_lsn) > 0 ||
            !s_same_fork (candidate->last_fork, log->first_fork))
            continue;
        bm_backup_copy (full, candidate);
        *found_p = true;
    }
    bm_backups_clear (&fulls);
    return status;
}
