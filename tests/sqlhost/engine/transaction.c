/*  Transactions: see transaction.h.
 *
 *  A transaction's changes are pending versions in the tables' slots and a list to undo them by.
 *  Commit turns the list into a log record, writes it, and then makes the pending versions the
 *  committed ones; nothing releases the instance's lock between the two. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sqlhost/engine/internal.h"

sh_status_t
sh_txn_begin_locked (sh_esession_t *session, const char *name, bool user, sh_error_t *error)
{
    sh_require (!session->txn);
    sh_status_t status = sh_esession_check_locked (session, error);
    if (status == SH_OK) {
        sh_txn_t *txn = sh_mem_alloc (sizeof *txn);
        txn->id = session->instance->next_txn++;
        txn->session = session;
        txn->user = user;
        txn->begin_time = sh_ticks_local ();
        if (!name)
            name = user ? "user_transaction" : "implicit";
        sh_copy (txn->name, sizeof txn->name, name);
        session->txn = txn;
    }
    return status;
}

sh_status_t
sh_txn_begin (sh_esession_t *session, const char *name, bool user, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = sh_txn_begin_locked (session, name, user, error);
    sh_unlock_instance (session->instance);
    return status;
}

void
sh_txn_set_user (sh_esession_t *session, const char *name)
{
    sh_lock_instance (session->instance);
    session->txn->user = true;
    if (name)
        sh_copy (session->txn->name, sizeof session->txn->name, name);
    sh_unlock_instance (session->instance);
}

bool
sh_txn_active (const sh_esession_t *session)
{
    return session->txn != NULL;
}

int64_t
sh_txn_id (const sh_esession_t *session)
{
    return session->txn ? session->txn->id : 0;
}

const char *
sh_txn_name (const sh_esession_t *session)
{
    return session->txn ? session->txn->name : "";
}

sh_status_t
sh_txn_mark (sh_esession_t *session, const char *name, const char *description, sh_error_t *error)
{
    sh_txn_t *txn = session->txn;
    sh_status_t status = SH_OK;
    sh_lock_instance (session->instance);
    if (txn->marked)
        status = sh_fail (error, 3920, 10, 1,
                          "The WITH MARK option only applies to the first BEGIN TRAN WITH MARK "
                          "statement. The option is ignored.");
    else {
        txn->marked = true;
        sh_copy (txn->mark, sizeof txn->mark, name);
        sh_copy (txn->description, sizeof txn->description, description);
    }
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- changes ---- */

static bool
s_touched (const sh_txn_t *txn, int db_id)
{
    for (size_t i = 0; i < txn->database_count; i++)
        if (txn->databases[i] == db_id)
            return true;
    return false;
}

sh_status_t
sh_txn_touch (sh_esession_t *session, int db_id, sh_error_t *error)
{
    sh_txn_t *txn = session->txn;
    sh_require (txn != NULL);
    sh_db_t *db = sh_db_use (session, db_id, error);
    if (!db)
        return SH_ERROR;
    if (db->info.read_only || db->info.standby)
        return sh_fail (error, 3906, 16, 1,
                        "Failed to update database \"%s\" because the database is read-only.",
                        db->info.name);
    if (s_touched (txn, db_id))
        return SH_OK;
    sh_lock_key_t key = sh_key_db (db_id);
    sh_status_t status = sh_lock_take (session, &key, SH_LOCK_S, SH_FOR_TXN, NULL, error);
    if (status != SH_OK)
        return status;
    txn->databases =
        sh_grow (txn->databases, txn->database_count, &txn->database_capacity, sizeof (int));
    txn->databases[txn->database_count++] = db_id;
    return SH_OK;
}

sh_undo_t *
sh_txn_undo (sh_esession_t *session, sh_undo_kind_t kind, sh_table_t *table)
{
    sh_txn_t *txn = session->txn;
    txn->undo = sh_grow (txn->undo, txn->undo_count, &txn->undo_capacity, sizeof *txn->undo);
    sh_undo_t *undo = &txn->undo[txn->undo_count++];
    memset (undo, 0, sizeof *undo);
    undo->kind = kind;
    if (table) {
        undo->table = sh_table_hold (table);
        undo->db_id = table->db_id;
    }
    return undo;
}

static void
s_undo_free (sh_undo_t *undo)
{
    sh_row_drop (undo->row);
    sh_def_free (undo->def);
    sh_table_free (undo->table);
    sh_node_drop (undo->node);
}

static void
s_undo_one (sh_txn_t *txn, sh_undo_t *undo)
{
    sh_table_t *table = undo->table;
    sh_db_t *db = sh_db_by_id (txn->session->instance, undo->db_id);
    switch (undo->kind) {
        case SH_UNDO_ROW: {
            sh_slot_t *slot = sh_slot_find (table, undo->rid);
            slot->logged = false;
            sh_slot_set (table, slot, slot->committed, undo->row, undo->was_owner ? txn : NULL);
            undo->row = NULL;
            break;
        }
        case SH_UNDO_CREATE_TABLE:
            sh_image_remove_table (db->image, table);
            break;
        case SH_UNDO_DROP_TABLE:
            table->dropped_by = NULL;
            break;
        case SH_UNDO_DEFINE:
            sh_def_free (sh_table_swap_def (table, undo->def));
            undo->def = NULL;
            break;
        case SH_UNDO_IDENTITY:
            table->identity_last = undo->identity_last;
            table->identity_used = undo->identity_used;
            break;
        case SH_UNDO_PUT_NODE:
            sh_image_remove_node (db->image, undo->node);
            break;
        case SH_UNDO_DROP_NODE:
            undo->node->dropped_by = NULL;
            break;
    }
    s_undo_free (undo);
}

static void
s_undo_to (sh_txn_t *txn, size_t position)
{
    while (txn->undo_count > position)
        s_undo_one (txn, &txn->undo[--txn->undo_count]);
    while (txn->save_count > 0 && txn->saves[txn->save_count - 1].position > position)
        txn->save_count--;
}

static void
s_end (sh_esession_t *session)
{
    sh_txn_t *txn = session->txn;
    for (size_t i = 0; i < txn->undo_count; i++)
        s_undo_free (&txn->undo[i]);
    free (txn->undo);
    free (txn->saves);
    free (txn->databases);
    sh_branch_t *branch = txn->branch;
    free (txn);
    session->txn = NULL;
    sh_lock_give_all (session, SH_FOR_TXN);
    if (branch && branch->state == SH_TXN_ACTIVE)
        sh_branch_drop_locked (session->instance, branch);
}

void
sh_txn_rollback_locked (sh_esession_t *session)
{
    s_undo_to (session->txn, 0);
    s_end (session);
}

void
sh_txn_rollback (sh_esession_t *session)
{
    sh_lock_instance (session->instance);
    if (session->txn)
        sh_txn_rollback_locked (session);
    sh_unlock_instance (session->instance);
}

size_t
sh_txn_position (const sh_esession_t *session)
{
    return session->txn ? session->txn->undo_count : 0;
}

void
sh_txn_rollback_to (sh_esession_t *session, size_t position)
{
    sh_lock_instance (session->instance);
    if (session->txn)
        s_undo_to (session->txn, position);
    sh_unlock_instance (session->instance);
}

void
sh_txn_save (sh_esession_t *session, const char *name)
{
    sh_txn_t *txn = session->txn;
    sh_lock_instance (session->instance);
    txn->saves = sh_grow (txn->saves, txn->save_count, &txn->save_capacity, sizeof *txn->saves);
    sh_save_t *save = &txn->saves[txn->save_count++];
    sh_copy (save->name, sizeof save->name, name);
    save->position = txn->undo_count;
    sh_unlock_instance (session->instance);
}

/*  Names of transactions and savepoints are case-sensitive, also on a server that is not. */
sh_status_t
sh_txn_rollback_save (sh_esession_t *session, const char *name)
{
    sh_txn_t *txn = session->txn;
    sh_status_t status = SH_END;
    sh_lock_instance (session->instance);
    for (size_t i = txn ? txn->save_count : 0; i-- > 0;)
        if (strncmp (txn->saves[i].name, name, 32) == 0) {
            s_undo_to (txn, txn->saves[i].position);
            txn->save_count = i + 1;
            status = SH_OK;
            break;
        }
    sh_unlock_instance (session->instance);
    return status;
}

void
sh_txn_note_bulk (sh_esession_t *session, int db_id)
{
    sh_lock_instance (session->instance);
    sh_db_t *db = sh_db_by_id (session->instance, db_id);
    if (db && db->info.recovery == SH_RECOVERY_BULK_LOGGED && !db->info.bulk_logged_work) {
        db->info.bulk_logged_work = true;
        sh_log_save_db (session->instance, db, NULL);
    }
    sh_unlock_instance (session->instance);
}

/*  ---- commit: the record ---- */

typedef struct {
    sh_part_t part;
    uint32_t counts[3];
    bool used;
} s_build_t;

static bool
s_put_module (const sh_txn_t *txn, const sh_undo_t *undo, sh_bytes_t *out)
{
    const sh_node_t *node = undo->node;
    if (undo->kind == SH_UNDO_PUT_NODE) {
        if (node->dropped_by == txn)
            return false;
        sh_put_u8 (out, SH_OP_MODULE);
        sh_module_write (out, &node->body);
        return true;
    }
    if (node->created_by == txn)
        return false;
    sh_put_u8 (out, SH_OP_UNMODULE);
    sh_put_u32 (out, (uint32_t)node->body.object_id);
    return true;
}

/*  A definition or a module. False: nothing of it lasts beyond the transaction. */
static bool
s_put_ddl (const sh_txn_t *txn, const sh_undo_t *undo, sh_bytes_t *out)
{
    const sh_table_t *table = undo->table;
    if (!table)
        return s_put_module (txn, undo, out);
    bool gone = table->dropped_by == txn, new = table->created_by == txn;
    switch (undo->kind) {
        case SH_UNDO_CREATE_TABLE:
            if (gone)
                return false;
            sh_put_u8 (out, SH_OP_CREATE);
            sh_def_put (out, table->def);
            return true;
        case SH_UNDO_DROP_TABLE:
            if (new)
                return false;
            sh_put_u8 (out, SH_OP_DROP);
            sh_put_u32 (out, (uint32_t)table->def->object_id);
            return true;
        case SH_UNDO_DEFINE:
            /*  A new table's CREATE carries the last definition already. */
            if (gone || new)
                return false;
            sh_put_u8 (out, SH_OP_DEFINE);
            sh_def_put (out, table->def);
            return true;
        case SH_UNDO_IDENTITY:
            if (!gone)
                sh_op_identity (out, table);
            return !gone;
        default:
            return false;
    }
}

/*  The net change of a row, once. */
static bool
s_put_row (sh_txn_t *txn, const sh_undo_t *undo, s_build_t *build)
{
    sh_table_t *table = undo->table;
    sh_slot_t *slot = sh_slot_find (table, undo->rid);
    if (table->dropped_by == txn || slot->owner != txn || slot->logged)
        return false;
    slot->logged = true;
    if (!slot->committed && !slot->pending)
        return false;
    sh_bytes_t *out = &build->part.body;
    int id = table->def->object_id;
    if (!slot->committed) {
        if (table->identity_used && table->identity_logged != txn->id) {
            sh_op_identity (out, table);
            table->identity_logged = txn->id;
        }
        sh_op_row (out, SH_OP_INSERT, id, undo->rid, slot->pending);
        build->counts[0]++;
    } else if (slot->pending) {
        sh_op_row (out, SH_OP_UPDATE, id, undo->rid, slot->pending);
        build->counts[1]++;
    } else {
        sh_op_row (out, SH_OP_DELETE, id, undo->rid, NULL);
        build->counts[2]++;
    }
    return true;
}

/*  Definitions first: rows are logged in their last shape. */
static void
s_build (sh_txn_t *txn, s_build_t *builds)
{
    for (size_t i = 0; i < txn->database_count; i++)
        builds[i].part.db_id = txn->databases[i];
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < txn->undo_count; i++) {
            const sh_undo_t *undo = &txn->undo[i];
            bool is_row = undo->kind == SH_UNDO_ROW;
            if (is_row != (pass == 1))
                continue;
            s_build_t *build = builds;
            while (build->part.db_id != undo->db_id)
                build++;
            build->used |=
                is_row ? s_put_row (txn, undo, build) : s_put_ddl (txn, undo, &build->part.body);
        }
}

/*  The scratch of s_build: the next one logs everything again. */
static void
s_unbuild (sh_txn_t *txn)
{
    for (size_t i = 0; i < txn->undo_count; i++) {
        const sh_undo_t *undo = &txn->undo[i];
        sh_slot_t *slot = undo->kind == SH_UNDO_ROW ? sh_slot_find (undo->table, undo->rid) : NULL;
        if (slot)
            slot->logged = false;
        if (undo->table && undo->table->identity_logged == txn->id)
            undo->table->identity_logged = 0;
    }
}

size_t
sh_txn_parts (sh_txn_t *txn, sh_part_t **parts)
{
    size_t most = txn->database_count, count = 0;
    s_build_t *builds = sh_mem_alloc (most * sizeof *builds);
    *parts = sh_mem_alloc (most * sizeof **parts);
    s_build (txn, builds);
    s_unbuild (txn);
    for (size_t i = 0; i < most; i++) {
        sh_part_t *part = &builds[i].part;
        if (builds[i].used && sh_db_logged (sh_db_by_id (txn->session->instance, part->db_id))) {
            sh_op_end (&part->body, builds[i].counts);
            (*parts)[count++] = *part;
        } else
            sh_bytes_free (&part->body);
    }
    free (builds);
    return count;
}

/*  ---- commit: afterwards ---- */

static void
s_apply_one (sh_txn_t *txn, sh_undo_t *undo)
{
    sh_table_t *table = undo->table;
    sh_db_t *db = sh_db_by_id (txn->session->instance, undo->db_id);
    switch (undo->kind) {
        case SH_UNDO_ROW: {
            sh_slot_t *slot = sh_slot_find (table, undo->rid);
            slot->logged = false;
            if (slot->owner == txn) {
                sh_slot_set (table, slot, sh_row_hold (slot->pending), NULL, NULL);
                if (sh_db_logged (db))
                    sh_table_mark_dirty (table, slot);
            }
            break;
        }
        case SH_UNDO_CREATE_TABLE:
            table->created_by = NULL;
            break;
        case SH_UNDO_DROP_TABLE:
            sh_image_remove_table (db->image, table);
            break;
        case SH_UNDO_PUT_NODE:
            undo->node->created_by = NULL;
            break;
        case SH_UNDO_DROP_NODE:
            sh_image_remove_node (db->image, undo->node);
            break;
        case SH_UNDO_DEFINE:
        case SH_UNDO_IDENTITY:
            break;
    }
    sh_db_changed (txn->session->instance, db);
}

static void
s_apply (sh_txn_t *txn)
{
    for (size_t i = 0; i < txn->undo_count; i++)
        s_apply_one (txn, &txn->undo[i]);
    for (size_t i = 0; i < txn->undo_count; i++)
        if (txn->undo[i].kind == SH_UNDO_ROW && txn->undo[i].db_id == SH_DB_TEMPDB)
            sh_table_compact (txn->undo[i].table);
}

/*  ---- commit: marks ---- */

/*  The row of msdb.dbo.logmarkhistory for one database. */
static bool
s_mark_row (sh_txn_t *txn, const sh_db_t *db, int64_t lsn, int64_t time, sh_system_row_t *out)
{
    char text[24];
    snprintf (text, sizeof text, "%lld", (long long)lsn);
    sh_named_t values[] = {
        {"database_name", sh_value_text (db->info.name)},
        {"mark_name", sh_value_text (txn->mark)},
        {"description", txn->description[0] ? sh_value_text (txn->description) : sh_value_null ()},
        {"user_name", sh_value_text (txn->session->login)},
        {"lsn", sh_value_decimal (text)},
        {"mark_time", sh_value_ticks (sh_ticks_to_datetime (time))},
    };
    sh_system_row (txn->session->instance, "logmarkhistory", values,
                   sizeof values / sizeof values[0], out);
    return out->row != NULL;
}

typedef struct {
    s_build_t *builds;
    sh_part_t *parts; /* of the databases that were changed and are logged */
    size_t part_count;
    sh_part_t msdb;
    sh_system_row_t *rows;
    size_t row_count;
    int *unmarked; /* databases that dropped the mark */
    size_t unmarked_count;
} s_commit_t;

static void
s_gather (sh_txn_t *txn, s_commit_t *commit, int64_t time)
{
    sh_instance_t *instance = txn->session->instance;
    size_t most = txn->database_count;
    commit->builds = sh_mem_alloc (most * sizeof *commit->builds);
    commit->parts = sh_mem_alloc (most * sizeof *commit->parts);
    commit->rows = sh_mem_alloc (most * sizeof *commit->rows);
    commit->unmarked = sh_mem_alloc (most * sizeof *commit->unmarked);
    s_build (txn, commit->builds);
    for (size_t i = 0; i < most; i++) {
        s_build_t *build = &commit->builds[i];
        const sh_db_t *db = sh_db_by_id (instance, build->part.db_id);
        if (!build->used || !sh_db_logged (db))
            continue;
        sh_op_end (&build->part.body, build->counts);
        if (txn->marked && db->info.bulk_logged_work)
            commit->unmarked[commit->unmarked_count++] = db->info.id;
        else if (txn->marked) {
            build->part.marked = true;
            if (s_mark_row (txn, db, instance->log.next, time, &commit->rows[commit->row_count]))
                commit->row_count++;
        }
        commit->parts[commit->part_count++] = build->part;
    }
    if (commit->row_count > 0)
        sh_system_put (&commit->msdb, commit->rows, commit->row_count);
}

static void
s_gathered_free (sh_txn_t *txn, s_commit_t *commit)
{
    for (size_t i = 0; i < txn->database_count; i++)
        sh_bytes_free (&commit->builds[i].part.body);
    sh_bytes_free (&commit->msdb.body);
    free (commit->builds);
    free (commit->parts);
    free (commit->rows);
}

/*  Messages 3923; the lock is released while each is sent. */
static void
s_tell_unmarked (sh_esession_t *session, const s_commit_t *commit, const char *mark)
{
    for (size_t i = 0; i < commit->unmarked_count; i++) {
        char name[129];
        const sh_db_t *db = sh_db_by_id (session->instance, commit->unmarked[i]);
        sh_copy (name, sizeof name, db ? db->info.name : "?");
        sh_esession_tell (session, 3923, 10, 1,
                          "Mark '%s' is ignored in database '%s': it has bulk-logged operations "
                          "that are not backed up yet.",
                          mark, name);
    }
}

/*  *lsn = 0 when there was nothing to log. */
static sh_status_t
s_log (sh_txn_t *txn, s_commit_t *commit, int64_t time, int64_t *lsn, sh_error_t *error)
{
    sh_instance_t *instance = txn->session->instance;
    const uint8_t *prepared = txn->branch ? txn->branch->uow : NULL;
    sh_record_t records[2] = {{.xid = txn->id,
                               .time = time,
                               .mark = txn->marked ? txn->mark : NULL,
                               .description = txn->marked ? txn->description : NULL,
                               .user = txn->session->login,
                               .parts = commit->parts,
                               .part_count = commit->part_count,
                               .prepared = prepared},
                              {.time = time, .parts = &commit->msdb, .part_count = 1}};
    *lsn = 0;
    if (commit->part_count == 0)
        return !prepared || sh_prepared_forget (instance, prepared)
                   ? SH_OK
                   : sh_fail (error, 9001, 21, 1, "The log of the instance is not available.");
    if (sh_fault_count_locked (instance, SH_FAULT_KILL_BEFORE_COMMIT))
        _exit (137);
    sh_status_t status = sh_log_write (instance, records, commit->row_count > 0 ? 2 : 1, error);
    if (status == SH_OK && sh_fault_count_locked (instance, SH_FAULT_KILL_AFTER_COMMIT))
        _exit (137);
    *lsn = records[0].lsn;
    return status;
}

sh_status_t
sh_txn_commit_locked (sh_esession_t *session, int64_t *lsn, sh_error_t *error)
{
    sh_txn_t *txn = session->txn;
    s_commit_t commit = {.msdb = {.db_id = SH_DB_MSDB}};
    int64_t time = sh_ticks_local ();
    char mark[33];
    sh_copy (mark, sizeof mark, txn->mark);
    s_gather (txn, &commit, time);
    sh_status_t status = s_log (txn, &commit, time, lsn, error);
    if (status == SH_OK) {
        s_apply (txn);
        sh_system_apply (session->instance, commit.rows, commit.row_count);
    } else
        sh_system_drop (commit.rows, commit.row_count);
    s_gathered_free (txn, &commit);
    if (status == SH_OK)
        s_end (session);
    else if (txn->branch)
        s_unbuild (txn);
    else
        sh_txn_rollback_locked (session);
    if (status == SH_OK)
        s_tell_unmarked (session, &commit, mark);
    free (commit.unmarked);
    return status;
}

/*  A marked commit waits for what is prepared; every other one that has something to log waits for marked ones. */
static sh_status_t
s_wait (sh_esession_t *session, sh_error_t *error)
{
    static const char wait[] = "TRAN_MARKLATCH_EX";
    const sh_txn_t *txn = session->txn;
    if (!txn->marked) {
        sh_status_t status = SH_OK;
        if (session->killed || session->instance->stopping)
            status = sh_esession_check_locked (session, error);
        return status == SH_OK && txn->undo_count > 0 ? sh_stall_pass (session, error) : status;
    }
    sh_status_t status =
        sh_fault_wait_locked (session, wait, SH_FAULT_COMMIT_DELAY_MS, SH_FAULT_COMMIT_HOLD, error);
    if (status == SH_OK)
        status = sh_stall_begin (session, error);
    if (status == SH_OK)
        status = sh_fault_wait_locked (session, wait, SH_FAULT_MARK_STALL_DELAY_MS,
                                       SH_FAULT_MARK_STALL_HOLD, error);
    return status;
}

sh_status_t
sh_txn_commit (sh_esession_t *session, sh_error_t *error)
{
    int64_t lsn;
    sh_lock_instance (session->instance);
    sh_require (session->txn != NULL);
    sh_status_t status = s_wait (session, error);
    if (status == SH_OK)
        status = sh_txn_commit_locked (session, &lsn, error);
    else if (status == SH_KILLED ||
             (status == SH_ERROR &&
              !sh_fault_locked (session->instance, SH_FAULT_MARK_TIMEOUT_KEEPS)))
        sh_txn_rollback_locked (session);
    sh_stall_end (session);
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- listing ---- */

void
sh_txn_describe (const sh_txn_t *txn, sh_txn_info_t *info)
{
    const sh_branch_t *branch = txn->branch;
    memset (info, 0, sizeof *info);
    info->id = txn->id;
    info->session_id = txn->session->id;
    sh_copy (info->name, sizeof info->name, txn->name);
    info->user = txn->user;
    info->marked = txn->marked;
    info->begin_time = txn->begin_time;
    info->changes = txn->changes;
    info->state = branch ? branch->state : SH_TXN_ACTIVE;
    info->db_state = txn->changes > 0 ? SH_TXN_DB_ACTIVE : SH_TXN_DB_STARTED;
    if (branch) {
        info->distributed = true;
        memcpy (info->uow, branch->uow, 16);
        if (branch->state == SH_TXN_PREPARED)
            info->db_state = SH_TXN_DB_PREPARED;
        if (branch->busy) { /* its commit has begun, its record is to come */
            info->state = SH_TXN_COMMITTING;
            info->db_state = SH_TXN_DB_COMMITTING;
        }
    }
    for (size_t i = 0; i < txn->database_count && i < 32; i++)
        info->databases[info->database_count++] = txn->databases[i];
}

size_t
sh_txn_list (sh_instance_t *instance, sh_txn_info_t **out)
{
    size_t count = 0, capacity = 0;
    *out = NULL;
    sh_lock_instance (instance);
    sh_branch_settle_locked (instance);
    for (const sh_esession_t *s = instance->sessions; s; s = s->next)
        if (s->txn) {
            *out = sh_grow (*out, count, &capacity, sizeof **out);
            sh_txn_describe (s->txn, &(*out)[count++]);
        }
    for (const sh_branch_t *b = instance->branches; b; b = b->next)
        if (b->state != SH_TXN_ACTIVE) {
            *out = sh_grow (*out, count, &capacity, sizeof **out);
            if (b->carrier->txn)
                sh_txn_describe (b->carrier->txn, &(*out)[count++]);
            else
                (*out)[count++] = b->info;
        }
    sh_unlock_instance (instance);
    return count;
}
