/*  "sqlhost (letters)": a virtual table whose rows come from the slot that the query names.
 *
 *  Columns: c0 ... cn-1, then the hidden slot (the argument in FROM), rid and ver. Equality on all
 *  columns of an index becomes a seek, so that only matching rows are met (and waited for). */
#include "vtab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    sqlite3_vtab base;
    sh_processor_t *connection;
    int columns;
} s_table_t;

typedef struct {
    sqlite3_vtab_cursor base;
    sh_processor_t *connection;
    sh_slot_t *slot;
    sh_cursor_t *cursor; /* of the engine */
    size_t row;          /* of rows in memory */
    size_t last;
    bool end;
} s_cursor_t;

enum { S_PLAN_SCAN = 0, S_PLAN_SEEK = 1, S_PLAN_RID = 2 };

static int
s_connect (sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
           char **error)
{
    (void)error;
    const char *letters = argc > 3 ? argv[3] : "-";
    sh_buffer_t sql = {0};
    sh_buffer_puts (&sql, "CREATE TABLE x(");
    int columns = 0;
    for (const char *c = letters; *c && *c != '-'; c++, columns++)
        sh_buffer_printf (&sql, "c%d%s,", columns,
                          *c == 't'   ? " COLLATE TSQL"
                          : *c == 'd' ? " COLLATE TSQLNUM"
                                      : "");
    sh_buffer_puts (&sql, "slot HIDDEN, rid HIDDEN, ver HIDDEN)");
    int rc = sqlite3_declare_vtab (db, sh_buffer_text (&sql));
    sh_buffer_free (&sql);
    if (rc != SQLITE_OK)
        return rc;
    s_table_t *self = sqlite3_malloc (sizeof *self);
    if (!self)
        return SQLITE_NOMEM;
    *self = (s_table_t){.connection = aux, .columns = columns};
    *out = &self->base;
    return SQLITE_OK;
}

static int
s_disconnect (sqlite3_vtab *base)
{
    sqlite3_free (base);
    return SQLITE_OK;
}

/*  The slot constraint's literal tells which source this is. */
static sh_slot_t *
s_find_slot (const s_table_t *self, sqlite3_index_info *info, int *constraint)
{
    for (int i = 0; i < info->nConstraint; i++) {
        sqlite3_value *value = NULL;
        if (info->aConstraint[i].iColumn != self->columns ||
            info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ || !info->aConstraint[i].usable)
            continue;
        *constraint = i;
        if (sqlite3_vtab_rhs_value (info, i, &value) != SQLITE_OK || !value)
            return NULL;
        size_t slot = (size_t)sqlite3_value_int64 (value);
        return slot < self->connection->slot_count ? &self->connection->slots[slot] : NULL;
    }
    *constraint = -1;
    return NULL;
}

/*  Equal columns of an index, if there is one for them. */
static int
s_plan_seek (const sh_slot_t *slot, const s_table_t *self, sqlite3_index_info *info, char *columns,
             size_t size, bool *unique)
{
    int equal[SH_KEY_COLUMNS_MAX], constraints[SH_KEY_COLUMNS_MAX], count = 0;
    for (int i = 0; i < info->nConstraint && count < SH_KEY_COLUMNS_MAX; i++) {
        const int column = info->aConstraint[i].iColumn;
        if (!info->aConstraint[i].usable || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ ||
            column < 0 || column >= self->columns)
            continue;
        bool known = false;
        for (int k = 0; k < count; k++)
            known |= equal[k] == column;
        if (known)
            continue;
        equal[count] = column;
        constraints[count++] = i;
    }
    if (!count || sh_table_seek_index (slot->table, equal, count, unique) < 0)
        return 0;
    size_t at = 0;
    for (int k = 0; k < count; k++) {
        info->aConstraintUsage[constraints[k]].argvIndex = k + 2;
        int written = snprintf (columns + at, size - at, "%d,", equal[k]);
        at += written > 0 ? (size_t)written : 0;
    }
    return count;
}

static bool
s_plan_rid (const s_table_t *self, sqlite3_index_info *info)
{
    for (int i = 0; i < info->nConstraint; i++)
        if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == self->columns + 1 &&
            info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ) {
            info->aConstraintUsage[i].argvIndex = 2;
            return true;
        }
    return false;
}

static int
s_best_index (sqlite3_vtab *base, sqlite3_index_info *info)
{
    s_table_t *self = (s_table_t *)base;
    int constraint;
    sh_slot_t *slot = s_find_slot (self, info, &constraint);
    if (constraint < 0)
        return SQLITE_CONSTRAINT;
    if (!slot)
        return SQLITE_ERROR;
    info->aConstraintUsage[constraint].argvIndex = 1;
    info->aConstraintUsage[constraint].omit = 1;
    double rows = slot->table
                      ? (double)sh_table_row_count (self->connection->session->engine, slot->table)
                      : (double)slot->rows->row_count;
    info->idxNum = S_PLAN_SCAN;
    info->estimatedCost = rows + 10;
    info->estimatedRows = (sqlite3_int64)rows + 1;
    char columns[SH_KEY_COLUMNS_MAX * 6];
    bool unique = false;
    if (slot->table && s_plan_seek (slot, self, info, columns, sizeof columns, &unique)) {
        info->idxNum = S_PLAN_SEEK;
        info->idxStr = sqlite3_mprintf ("%s", columns);
        info->needToFreeIdxStr = 1;
        info->estimatedCost = 2;
        info->estimatedRows = unique ? 1 : 10;
        if (unique)
            info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    } else if (!slot->table && s_plan_rid (self, info)) {
        info->idxNum = S_PLAN_RID;
        info->estimatedCost = 1;
        info->estimatedRows = 1;
        info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    }
    return SQLITE_OK;
}

static int
s_open (sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    s_cursor_t *self = sqlite3_malloc (sizeof *self);
    if (!self)
        return SQLITE_NOMEM;
    *self = (s_cursor_t){.connection = ((s_table_t *)base)->connection, .end = true};
    *out = &self->base;
    return SQLITE_OK;
}

static int
s_close (sqlite3_vtab_cursor *base)
{
    s_cursor_t *self = (s_cursor_t *)base;
    if (self->cursor)
        sh_cursor_close (&self->cursor);
    sqlite3_free (self);
    return SQLITE_OK;
}

static int
s_failed (s_cursor_t *self, sh_status_t status)
{
    self->end = true;
    self->connection->status = status;
    return SQLITE_ERROR;
}

static int
s_step (s_cursor_t *self)
{
    sh_status_t status = sh_cursor_next (self->cursor, &self->connection->session->error);
    if (status == SH_END)
        self->end = true;
    else if (status != SH_OK)
        return s_failed (self, status);
    return SQLITE_OK;
}

static int
s_filter_table (s_cursor_t *self, int plan, const char *columns, int argc, sqlite3_value **argv)
{
    sh_scan_t scan = self->slot->scan;
    int equal[SH_KEY_COLUMNS_MAX];
    sh_value_t values[SH_KEY_COLUMNS_MAX];
    const sh_table_def_t *def = sh_table_def (self->slot->table);
    if (plan == S_PLAN_SEEK) {
        char *at = (char *)(uintptr_t)columns;
        for (int i = 0; i + 1 < argc; i++) {
            equal[i] = (int)strtol (at, &at, 10);
            at++;
            values[i] = sh_from_sqlite (argv[i + 1], &def->columns[equal[i]].type);
            if (values[i].kind == SH_NULL)
                return SQLITE_OK; /* nothing equals NULL: at the end */
        }
        scan.equal_count = argc - 1;
        scan.equal_columns = equal;
        scan.equal_values = values;
    }
    sh_status_t status = sh_cursor_open (self->connection->session->engine, self->slot->table,
                                         &scan, &self->cursor, &self->connection->session->error);
    if (status != SH_OK)
        return s_failed (self, status);
    self->end = false;
    return s_step (self);
}

static int
s_filter (sqlite3_vtab_cursor *base, int plan, const char *columns, int argc, sqlite3_value **argv)
{
    s_cursor_t *self = (s_cursor_t *)base;
    if (self->cursor)
        sh_cursor_close (&self->cursor);
    self->end = true;
    size_t slot = argc > 0 ? (size_t)sqlite3_value_int64 (argv[0]) : SIZE_MAX;
    if (slot >= self->connection->slot_count)
        return SQLITE_ERROR;
    self->slot = &self->connection->slots[slot];
    if (self->slot->table)
        return s_filter_table (self, plan, columns, argc, argv);
    self->row = 0;
    self->last = self->slot->rows->row_count;
    if (plan == S_PLAN_RID) {
        sqlite3_int64 rid = sqlite3_value_int64 (argv[1]);
        if (rid < 0 || (size_t)rid >= self->last)
            return SQLITE_OK;
        self->row = (size_t)rid;
        self->last = self->row + 1;
    }
    self->end = self->row >= self->last;
    return SQLITE_OK;
}

static int
s_next (sqlite3_vtab_cursor *base)
{
    s_cursor_t *self = (s_cursor_t *)base;
    if (self->slot->table)
        return s_step (self);
    self->end = ++self->row >= self->last;
    return SQLITE_OK;
}

static int
s_eof (sqlite3_vtab_cursor *base)
{
    return ((s_cursor_t *)base)->end;
}

static int
s_column (sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    s_cursor_t *self = (s_cursor_t *)base;
    int columns = ((s_table_t *)base->pVtab)->columns;
    bool stored = self->slot->table != NULL;
    if (column < columns)
        sh_to_sqlite (context, stored ? &sh_cursor_values (self->cursor)[column]
                                      : &sh_rowset_row (self->slot->rows, self->row)[column]);
    else if (column == columns + 1)
        sqlite3_result_int64 (context, stored ? sh_cursor_rid (self->cursor) : (int64_t)self->row);
    else if (column == columns + 2)
        sqlite3_result_int64 (context, stored ? sh_cursor_version (self->cursor) : 0);
    return SQLITE_OK;
}

static int
s_rowid (sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    s_cursor_t *self = (s_cursor_t *)base;
    *rowid = self->slot->table ? sh_cursor_rid (self->cursor) : (int64_t)self->row;
    return SQLITE_OK;
}

static const sqlite3_module s_module = {.iVersion = 1,
                                        .xCreate = s_connect,
                                        .xConnect = s_connect,
                                        .xBestIndex = s_best_index,
                                        .xDisconnect = s_disconnect,
                                        .xDestroy = s_disconnect,
                                        .xOpen = s_open,
                                        .xClose = s_close,
                                        .xFilter = s_filter,
                                        .xNext = s_next,
                                        .xEof = s_eof,
                                        .xColumn = s_column,
                                        .xRowid = s_rowid};

bool
sh_vtab_register (sh_processor_t *connection)
{
    return sqlite3_create_module (connection->db, "sqlhost", &s_module, connection) == SQLITE_OK;
}
