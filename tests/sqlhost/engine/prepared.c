/*  Prepared branches on disk: tables `prepared` and `prepared_part` of instance.db, one row a branch and one a database
 *  that it changed, with the very operations its commit record will have. What is stored there is not in the log: a
 *  restart makes open transactions of it again, whose locks are taken before anybody can log in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

static sqlite3_stmt *
s_prepare (sh_instance_t *instance, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2 (instance->log.sqlite, sql, -1, &statement, NULL);
    return statement;
}

static bool
s_run (sqlite3_stmt *statement)
{
    bool done = statement && sqlite3_step (statement) == SQLITE_DONE;
    sqlite3_finalize (statement);
    return done;
}

/*  ---- writing ---- */

static bool
s_insert_head (sh_instance_t *instance, const sh_branch_t *branch, const sh_txn_t *txn)
{
    sqlite3_stmt *statement = s_prepare (instance, "INSERT INTO prepared VALUES (?, ?, ?, ?, ?)");
    if (!statement)
        return false;
    sqlite3_bind_blob (statement, 1, branch->uow, 16, SQLITE_STATIC);
    sqlite3_bind_int64 (statement, 2, txn->id);
    sqlite3_bind_text (statement, 3, txn->name, -1, SQLITE_STATIC);
    sqlite3_bind_text (statement, 4, txn->session->login, -1, SQLITE_STATIC);
    sqlite3_bind_int64 (statement, 5, txn->begin_time);
    return s_run (statement);
}

static bool
s_insert_part (sh_instance_t *instance, const sh_branch_t *branch, const sh_part_t *part)
{
    sqlite3_stmt *statement = s_prepare (instance, "INSERT INTO prepared_part VALUES (?, ?, ?)");
    if (!statement)
        return false;
    sqlite3_bind_blob (statement, 1, branch->uow, 16, SQLITE_STATIC);
    sqlite3_bind_int (statement, 2, part->db_id);
    sqlite3_bind_blob64 (statement, 3, part->body.data, part->body.size, SQLITE_STATIC);
    return s_run (statement);
}

sh_status_t
sh_prepared_write (sh_instance_t *instance, sh_branch_t *branch, sh_error_t *error)
{
    sh_txn_t *txn = branch->session->txn;
    sqlite3 *sqlite = instance->log.sqlite;
    sh_part_t *parts;
    size_t count = sh_txn_parts (txn, &parts);
    bool done = sh_sql_run (sqlite, "BEGIN IMMEDIATE", error);
    if (done) {
        done = s_insert_head (instance, branch, txn);
        for (size_t i = 0; done && i < count; i++)
            done = s_insert_part (instance, branch, &parts[i]);
        if (!done)
            sh_fail (error, 9001, 21, 1,
                     "The log of the instance is not available: storing a prepared branch: %s",
                     sqlite3_errmsg (sqlite));
        done = done && sh_sql_run (sqlite, "COMMIT", error);
        if (!done)
            sqlite3_exec (sqlite, "ROLLBACK", NULL, NULL, NULL);
    }
    for (size_t i = 0; i < count; i++)
        sh_bytes_free (&parts[i].body);
    free (parts);
    return done ? SH_OK : SH_ERROR;
}

static bool
s_delete (sh_instance_t *instance, const char *sql, const uint8_t uow[16])
{
    sqlite3_stmt *statement = s_prepare (instance, sql);
    if (statement)
        sqlite3_bind_blob (statement, 1, uow, 16, SQLITE_STATIC);
    return s_run (statement);
}

/*  The head first: parts without one are nobody's, and go when the same unit of work is forgotten. */
bool
sh_prepared_forget (sh_instance_t *instance, const uint8_t uow[16])
{
    return s_delete (instance, "DELETE FROM prepared WHERE uow = ?", uow) &&
           s_delete (instance, "DELETE FROM prepared_part WHERE uow = ?", uow);
}

/*  ---- recovering ---- */

typedef struct {
    sh_esession_t *carrier;
    sh_db_t *db;
    sh_reader_t in;
} s_redo_t;

static sh_table_t *
s_table (const s_redo_t *redo, int object_id)
{
    sh_table_t *table = sh_image_table_by_id (redo->db->image, object_id);
    if (table)
        table->mutex = &redo->carrier->instance->mutex;
    return table;
}

static bool
s_redo_row (s_redo_t *redo, int op)
{
    sh_table_t *table = s_table (redo, (int)sh_get_u32 (&redo->in));
    int64_t rid = sh_get_i64 (&redo->in);
    sh_row_t *row = op == SH_OP_DELETE ? NULL : sh_row_read (&redo->in);
    bool fits = table && rid > 0 && !redo->in.failed &&
                (op == SH_OP_DELETE || (row && row->count == table->def->column_count));
    sh_slot_t *slot = fits ? sh_slot_find (table, rid) : NULL;
    bool there = slot && slot->committed;
    if (!fits || there != (op != SH_OP_INSERT)) {
        sh_row_drop (row);
        return false;
    }
    sh_lock_key_t object = sh_key_object (table), key = sh_key_row (table, rid);
    sh_lock_take (redo->carrier, &object, SH_LOCK_IX, SH_FOR_TXN, NULL, NULL);
    sh_lock_take (redo->carrier, &key, SH_LOCK_X, SH_FOR_TXN, NULL, NULL);
    sh_slot_change (redo->carrier, table, slot ? slot : sh_slot_add (table, rid), row);
    return true;
}

/*  A value that was given out is not given out again, whatever becomes of the branch. */
static bool
s_redo_identity (s_redo_t *redo)
{
    sh_table_t *table = s_table (redo, (int)sh_get_u32 (&redo->in));
    int64_t last = sh_get_i64 (&redo->in);
    bool used = sh_get_u8 (&redo->in) != 0;
    if (!table || redo->in.failed)
        return false;
    if (used && (!table->identity_used || last > table->identity_last)) {
        table->identity_last = last;
        table->identity_used = true;
    }
    sh_txn_undo (redo->carrier, SH_UNDO_IDENTITY, table);
    sh_undo_t *undo = &redo->carrier->txn->undo[redo->carrier->txn->undo_count - 1];
    undo->identity_last = table->identity_last;
    undo->identity_used = table->identity_used;
    return true;
}

static bool
s_redo_part (sh_branch_t *branch, sh_db_t *db, const void *data, size_t size)
{
    s_redo_t redo = {.carrier = branch->carrier, .db = db, .in = {.data = data, .size = size}};
    if (sh_txn_touch (branch->carrier, db->info.id, NULL) != SH_OK || !db->image)
        return false;
    for (;;) {
        int op = sh_get_u8 (&redo.in);
        if (redo.in.failed)
            return false;
        if (op == SH_OP_END)
            return true;
        bool done = op == SH_OP_IDENTITY ? s_redo_identity (&redo)
                    : op == SH_OP_INSERT || op == SH_OP_UPDATE || op == SH_OP_DELETE
                        ? s_redo_row (&redo, op)
                        : false;
        if (!done)
            return false;
    }
}

static bool
s_redo_parts (sh_instance_t *instance, sh_branch_t *branch)
{
    sqlite3_stmt *statement =
        s_prepare (instance, "SELECT db, body FROM prepared_part WHERE uow = ? ORDER BY db");
    if (!statement)
        return false;
    sqlite3_bind_blob (statement, 1, branch->uow, 16, SQLITE_STATIC);
    bool done = true;
    int result = SQLITE_ROW;
    while (done && (result = sqlite3_step (statement)) == SQLITE_ROW) {
        sh_db_t *db = sh_db_by_id (instance, sqlite3_column_int (statement, 0));
        done = db && s_redo_part (branch, db, sqlite3_column_blob (statement, 1),
                                  (size_t)sqlite3_column_bytes (statement, 1));
    }
    sqlite3_finalize (statement);
    return done && result == SQLITE_DONE;
}

static void
s_recover_one (sh_instance_t *instance, sqlite3_stmt *head)
{
    uint8_t uow[16];
    char text[37];
    if (sqlite3_column_bytes (head, 0) != 16)
        return;
    memcpy (uow, sqlite3_column_blob (head, 0), 16);
    sh_guid_print (uow, text);
    sh_branch_t *branch = sh_branch_recover_locked (
        instance, uow, sqlite3_column_int64 (head, 1), (const char *)sqlite3_column_text (head, 2),
        (const char *)sqlite3_column_text (head, 3), sqlite3_column_int64 (head, 4));
    if (s_redo_parts (instance, branch)) {
        sh_note_locked (instance,
                        "The distributed transaction with UOW %s is in doubt. Use KILL UOW WITH "
                        "COMMIT or WITH ROLLBACK to end it.",
                        text);
        return;
    }
    sh_txn_rollback_locked (branch->carrier);
    sh_branch_drop_locked (instance, branch);
    sh_note_locked (instance,
                    "The distributed transaction with UOW %s cannot be recovered: a database it "
                    "changed is not online. It stays stored; start again when it is.",
                    text);
}

void
sh_prepared_recover (sh_instance_t *instance)
{
    sqlite3_stmt *head =
        s_prepare (instance, "SELECT uow, xid, name, login, begin FROM prepared ORDER BY xid");
    while (head && sqlite3_step (head) == SQLITE_ROW)
        s_recover_one (instance, head);
    sqlite3_finalize (head);
}
