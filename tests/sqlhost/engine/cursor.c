/*  Reading rows: see row.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

struct sh_cursor {
    sh_esession_t *session;
    sh_table_t *table;
    sh_isolation_t isolation;
    unsigned hints;
    int equal_count;
    int *equal_columns;
    sh_value_t *equal_values;
    /*  locks */
    unsigned table_mode; /* taken for the statement: given back at the end */
    unsigned row_mode;   /* 0 = the table lock covers, or dirty reads */
    bool keep_rows;      /* row locks stay to the transaction's end */
    int64_t target_rid;  /* the row that holds our U, 0 = none */
    /*  place */
    int index; /* a seek's index, -1 = a scan */
    int64_t *rids;
    size_t rid_count, rid_at;
    int64_t last_rid;
    /*  the row we stand on */
    sh_row_t *row;
    int64_t rid;
};

/*  All of the index's columns must be given; a unique one is best. */
int
sh_table_seek_index (const sh_table_t *table, const int *columns, int count, bool *unique)
{
    int best = -1;
    for (int i = 0; i < table->def->index_count; i++) {
        const sh_index_t *index = &table->def->indexes[i];
        int found = 0;
        for (int k = 0; k < index->column_count; k++)
            for (int j = 0; j < count; j++)
                if (columns[j] == index->columns[k]) {
                    found++;
                    break;
                }
        if (found < index->column_count || index->column_count == 0)
            continue;
        if (best < 0 || (index->unique && !table->def->indexes[best].unique))
            best = i;
    }
    if (unique)
        *unique = best >= 0 && table->def->indexes[best].unique;
    return best;
}

/*  ---- opening ---- */

static bool
s_changes (const sh_cursor_t *self)
{
    return (self->hints & (SH_HINT_UPDLOCK | SH_HINT_XLOCK | SH_HINT_TARGET)) != 0;
}

/*  What the hints want of the data itself, be it the row or the table. */
static unsigned
s_data_mode (const sh_cursor_t *self)
{
    if (self->hints & SH_HINT_XLOCK)
        return SH_LOCK_X;
    return s_changes (self) ? SH_LOCK_U : SH_LOCK_S;
}

static sh_status_t
s_lock_table (sh_cursor_t *self, sh_error_t *error)
{
    unsigned mode = SH_LOCK_IS;
    bool keep = self->isolation >= SH_REPEATABLE_READ;
    bool changes = s_changes (self);
    if (self->hints & SH_HINT_TABLOCKX) {
        mode = SH_LOCK_X;
        keep = true;
    } else if (self->isolation == SH_SERIALIZABLE) {
        mode = s_data_mode (self);
    } else if (self->hints & SH_HINT_TABLOCK) {
        mode = s_data_mode (self);
        keep |= changes;
    } else if (changes) {
        mode = SH_LOCK_IX;
        keep = true;
    } else if (self->isolation == SH_READ_UNCOMMITTED)
        return SH_OK;
    bool covers = mode == SH_LOCK_S || mode == SH_LOCK_U || mode == SH_LOCK_X;
    if (!covers) {
        self->row_mode = s_data_mode (self);
        self->keep_rows = self->session->txn && (self->isolation == SH_REPEATABLE_READ ||
                                                 (self->hints & (SH_HINT_UPDLOCK | SH_HINT_XLOCK)));
    }
    keep = keep && self->session->txn;
    sh_lock_key_t key = sh_key_object (self->table);
    int64_t no_wait = 0;
    sh_status_t status =
        sh_lock_take (self->session, &key, mode, keep ? SH_FOR_TXN : SH_FOR_STATEMENT,
                      self->hints & SH_HINT_NOWAIT ? &no_wait : NULL, error);
    if (status == SH_OK && !keep)
        self->table_mode = mode;
    return status;
}

static int
s_by_rid (const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/*  Every rid that has, or had before an open change, or will have these values. */
static void
s_collect_seek (sh_cursor_t *self)
{
    const sh_index_t *index = &self->table->def->indexes[self->index];
    sh_value_t values[SH_COLUMNS_MAX] = {{0}};
    size_t cursor = SIZE_MAX, capacity = 0;
    int64_t rid;
    for (int i = 0; i < self->equal_count; i++)
        values[self->equal_columns[i]] = self->equal_values[i];
    uint64_t hash = sh_key_hash (index, values);
    while ((rid = sh_key_next (&self->table->keys[self->index], hash, &cursor)) != 0) {
        self->rids = sh_grow (self->rids, self->rid_count, &capacity, sizeof *self->rids);
        self->rids[self->rid_count++] = rid;
    }
    if (self->rid_count > 1)
        qsort (self->rids, self->rid_count, sizeof *self->rids, s_by_rid);
}

sh_status_t
sh_cursor_open (sh_esession_t *session, sh_table_t *table, const sh_scan_t *scan, sh_cursor_t **out,
                sh_error_t *error)
{
    sh_cursor_t *self = sh_mem_alloc (sizeof *self);
    size_t count = (size_t)scan->equal_count;
    self->session = session;
    self->table = table;
    self->isolation = scan->isolation;
    self->hints = scan->hints;
    self->equal_count = scan->equal_count;
    self->equal_columns = sh_mem_alloc (count * sizeof *self->equal_columns);
    self->equal_values = sh_mem_alloc (count * sizeof *self->equal_values);
    for (size_t i = 0; i < count; i++) {
        self->equal_columns[i] = scan->equal_columns[i];
        self->equal_values[i] = sh_value_copy (&scan->equal_values[i]);
    }
    sh_lock_instance (session->instance);
    self->index = sh_table_seek_index (table, self->equal_columns, self->equal_count, NULL);
    sh_status_t status = s_lock_table (self, error);
    if (status == SH_OK && self->index >= 0)
        s_collect_seek (self);
    sh_unlock_instance (session->instance);
    *out = self;
    if (status != SH_OK)
        sh_cursor_close (out);
    return status;
}

/*  ---- moving ---- */

static void
s_leave_row (sh_cursor_t *self)
{
    if (self->target_rid) {
        sh_lock_key_t key = sh_key_row (self->table, self->target_rid);
        sh_lock_give (self->session, &key, self->row_mode, SH_FOR_STATEMENT);
        self->target_rid = 0;
    }
    sh_row_drop (self->row);
    self->row = NULL;
}

static bool
s_equals (const sh_cursor_t *self, const sh_row_t *row)
{
    if (!row)
        return false;
    for (int i = 0; i < self->equal_count; i++)
        if (self->equal_values[i].kind == SH_NULL ||
            !sh_value_equal (&row->values[self->equal_columns[i]], &self->equal_values[i]))
            return false;
    return true;
}

/*  The next slot to look at, NULL at the end. */
static sh_slot_t *
s_next_slot (sh_cursor_t *self)
{
    sh_table_t *table = self->table;
    if (self->index >= 0) {
        while (self->rid_at < self->rid_count) {
            sh_slot_t *slot = sh_slot_find (table, self->rids[self->rid_at++]);
            /*  A seek does not meet a row that only shares the hash. */
            if (slot && (s_equals (self, slot->committed) || s_equals (self, slot->pending)))
                return slot;
        }
        return NULL;
    }
    size_t at = sh_slot_at (table, self->last_rid + 1);
    while (at < table->slot_count && !table->slots[at].committed && !table->slots[at].owner)
        at++;
    if (at >= table->slot_count)
        return NULL;
    self->last_rid = table->slots[at].rid;
    return &table->slots[at];
}

/*  Waits for, and where it is due keeps, the lock of a row. SH_CHANGED: passed over (READPAST). */
static sh_status_t
s_lock_row (sh_cursor_t *self, int64_t rid, sh_error_t *error)
{
    sh_esession_t *session = self->session;
    sh_lock_key_t key = sh_key_row (self->table, rid);
    int64_t no_wait = 0;
    if (self->row_mode == 0)
        return SH_OK;
    bool free = sh_lock_free_for (session, &key, self->row_mode);
    if (!free && (self->hints & SH_HINT_READPAST))
        return SH_CHANGED;
    if (!self->keep_rows && !(self->hints & SH_HINT_TARGET)) {
        if (free)
            return SH_OK;
        if (self->hints & SH_HINT_NOWAIT)
            return sh_fail (error, 1222, 16, 45, "Lock request time out period exceeded.");
        return sh_lock_pass (session, &key, self->row_mode, error);
    }
    sh_owner_t owner = self->keep_rows ? SH_FOR_TXN : SH_FOR_STATEMENT;
    sh_status_t status = sh_lock_take (session, &key, self->row_mode, owner,
                                       self->hints & SH_HINT_NOWAIT ? &no_wait : NULL, error);
    if (status == SH_OK && !self->keep_rows)
        self->target_rid = rid;
    return status;
}

static sh_row_t *
s_visible (const sh_cursor_t *self, const sh_slot_t *slot)
{
    if (slot->owner && self->isolation == SH_READ_UNCOMMITTED && self->row_mode == 0)
        return slot->pending;
    return sh_slot_visible (slot, self->session->txn);
}

static sh_status_t
s_next (sh_cursor_t *self, sh_error_t *error)
{
    for (;;) {
        sh_status_t status = sh_esession_check_locked (self->session, error);
        s_leave_row (self);
        sh_slot_t *slot = status == SH_OK ? s_next_slot (self) : NULL;
        if (!slot)
            return status == SH_OK ? SH_END : status;
        int64_t rid = slot->rid;
        status = s_lock_row (self, rid, error);
        if (status == SH_CHANGED)
            continue;
        if (status != SH_OK)
            return status;
        slot = sh_slot_find (self->table, rid); /* the wait may have moved or ended it */
        sh_row_t *row = slot ? s_visible (self, slot) : NULL;
        if (row && s_equals (self, row)) {
            self->row = sh_row_hold (row);
            self->rid = rid;
            return SH_OK;
        }
    }
}

sh_status_t
sh_cursor_next (sh_cursor_t *cursor, sh_error_t *error)
{
    sh_lock_instance (cursor->session->instance);
    sh_status_t status = s_next (cursor, error);
    sh_unlock_instance (cursor->session->instance);
    return status;
}

const sh_value_t *
sh_cursor_values (const sh_cursor_t *cursor)
{
    return cursor->row->values;
}

int64_t
sh_cursor_rid (const sh_cursor_t *cursor)
{
    return cursor->rid;
}

int64_t
sh_cursor_version (const sh_cursor_t *cursor)
{
    return cursor->row->serial;
}

void
sh_cursor_close (sh_cursor_t **cursor_p)
{
    sh_cursor_t *self = *cursor_p;
    if (!self)
        return;
    sh_lock_instance (self->session->instance);
    s_leave_row (self);
    if (self->table_mode) {
        sh_lock_key_t key = sh_key_object (self->table);
        sh_lock_give (self->session, &key, self->table_mode, SH_FOR_STATEMENT);
    }
    sh_unlock_instance (self->session->instance);
    for (int i = 0; i < self->equal_count; i++)
        sh_value_clear (&self->equal_values[i]);
    free (self->equal_columns);
    free (self->equal_values);
    free (self->rids);
    free (self);
    *cursor_p = NULL;
}
