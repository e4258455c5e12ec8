/*  The query processor: private SQLite connections in memory whose virtual tables read the engine.
 *
 *  One connection serves one open query; a function called by a query opens the next one. So no
 *  schema ever changes under a running statement of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "vtab.h"

struct sh_query {
    sh_processor_t *connection;
    sh_arena_t *arena;
    sqlite3_stmt *stmt;
    sh_field_t *fields;
    size_t count;
    sh_value_t *parameters;
    size_t parameter_count;
    sh_value_t *row; /* the values that sh_query_value hands out */
};

sh_session_t *
sh_processor_session (sh_processor_t *connection)
{
    return connection->session;
}

void
sh_processor_stop (sh_processor_t *connection, sh_status_t status)
{
    connection->status = status;
}

/*  ---- connections ---- */

static int
s_collate (void *arg, int a_size, const void *a, int b_size, const void *b)
{
    (void)arg;
    return sh_text_compare (a, (size_t)a_size, b, (size_t)b_size);
}

static int
s_trimmed (const char *text, int size)
{
    while (size && text[size - 1] == ' ')
        size--;
    return size;
}

static int
s_collate_binary (void *arg, int a_size, const void *a, int b_size, const void *b)
{
    (void)arg;
    a_size = s_trimmed (a, a_size);
    b_size = s_trimmed (b, b_size);
    int order = memcmp (a, b, (size_t)(a_size < b_size ? a_size : b_size));
    return order ? order : a_size - b_size;
}

static int
s_collate_number (void *arg, int a_size, const void *a, int b_size, const void *b)
{
    char left[64], right[64];
    (void)arg;
    snprintf (left, sizeof left, "%.*s", a_size, (const char *)a);
    snprintf (right, sizeof right, "%.*s", b_size, (const char *)b);
    return sh_decimal_text_compare (left, right);
}

/*  Now and then while SQLite works: was the session cancelled or killed? */
static int
s_progress (void *arg)
{
    sh_processor_t *connection = arg;
    sh_status_t status =
        sh_esession_check (connection->session->engine, &connection->session->error);
    if (status == SH_OK)
        return 0;
    connection->status = status;
    return 1;
}

static sh_processor_t *
s_connection_open (sh_session_t *session)
{
    sh_processor_t *self = sh_alloc (sizeof *self);
    self->session = session;
    if (sqlite3_open_v2 (":memory:", &self->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY |
                             SQLITE_OPEN_NOMUTEX,
                         NULL) != SQLITE_OK)
        abort ();
    sqlite3_create_collation (self->db, "TSQL", SQLITE_UTF8, NULL, s_collate);
    sqlite3_create_collation (self->db, "TSQLBIN", SQLITE_UTF8, NULL, s_collate_binary);
    sqlite3_create_collation (self->db, "TSQLNUM", SQLITE_UTF8, NULL, s_collate_number);
    sqlite3_progress_handler (self->db, 2000, s_progress, self);
    if (!sh_functions_register (self->db, self) || !sh_vtab_register (self))
        abort ();
    self->next = session->connections;
    session->connections = self;
    return self;
}

static sh_processor_t *
s_acquire (sh_session_t *session)
{
    sh_processor_t *connection = session->connections;
    while (connection && connection->busy)
        connection = connection->next;
    if (!connection)
        connection = s_connection_open (session);
    connection->busy = true;
    connection->status = SH_OK;
    return connection;
}

void
sh_processors_close (sh_session_t *self)
{
    while (self->connections) {
        sh_processor_t *connection = self->connections;
        self->connections = connection->next;
        sqlite3_close (connection->db);
        for (size_t i = 0; i < connection->layout_count; i++)
            free (connection->layouts[i]);
        free (connection->layouts);
        free (connection);
    }
}

const char *
sh_processor_layout (sh_processor_t *connection, const char *letters)
{
    size_t i = 0;
    while (i < connection->layout_count && strcmp (connection->layouts[i] + 8, letters) != 0)
        i++;
    if (i == connection->layout_count) {
        char name[8];
        snprintf (name, sizeof name, "v%u", (unsigned)(i % 1000000));
        char *sql = sh_printf ("CREATE VIRTUAL TABLE temp.%s USING sqlhost(%s)", name,
                               *letters ? letters : "-");
        int rc = sqlite3_exec (connection->db, sql, NULL, NULL, NULL);
        free (sql);
        if (rc != SQLITE_OK)
            return NULL;
        connection->layouts =
            sh_realloc (connection->layouts, (i + 1) * sizeof *connection->layouts);
        /*  Name in the first eight bytes, letters behind. */
        char *layout = sh_alloc (8 + strlen (letters) + 1);
        memcpy (layout, name, sizeof name);
        memcpy (layout + 8, letters, strlen (letters) + 1);
        connection->layouts[i] = layout;
        connection->layout_count++;
    }
    return connection->layouts[i];
}

/*  ---- values across ---- */

sh_value_t
sh_from_sqlite (sqlite3_value *value, const sh_type_t *type)
{
    int kind = sqlite3_value_type (value);
    if (kind == SQLITE_NULL)
        return sh_value_null ();
    switch (sh_type_kind (type)) {
        case SH_INT:
            return sh_value_int (sqlite3_value_int64 (value));
        case SH_DOUBLE:
            return sh_value_double (sqlite3_value_double (value));
        case SH_DATETIME:
            return sh_value_ticks (sqlite3_value_int64 (value));
        case SH_DECIMAL: {
            const char *text = (const char *)sqlite3_value_text (value);
            return sh_value_decimal (text ? text : "0");
        }
        case SH_BLOB: {
            const void *data = sqlite3_value_blob (value);
            return sh_value_blob (data ? data : "", (size_t)sqlite3_value_bytes (value));
        }
        case SH_GUID: {
            uint8_t guid[16] = {0};
            const void *data = sqlite3_value_blob (value);
            if (data && sqlite3_value_bytes (value) == 16)
                memcpy (guid, data, 16);
            return sh_value_guid (guid);
        }
        default: {
            const char *text = (const char *)sqlite3_value_text (value);
            return sh_value_text_n (text ? text : "", (size_t)sqlite3_value_bytes (value));
        }
    }
}

void
sh_to_sqlite (sqlite3_context *context, const sh_value_t *value)
{
    switch (value->kind) {
        case SH_NULL:
            sqlite3_result_null (context);
            break;
        case SH_INT:
            sqlite3_result_int64 (context, value->as.integer);
            break;
        case SH_DOUBLE:
            sqlite3_result_double (context, value->as.real);
            break;
        case SH_DATETIME:
            sqlite3_result_int64 (context, value->as.ticks);
            break;
        case SH_TEXT:
        case SH_DECIMAL:
            sqlite3_result_text64 (context, value->as.text, value->size, SQLITE_TRANSIENT,
                                   SQLITE_UTF8);
            break;
        case SH_BLOB:
            if (value->size)
                sqlite3_result_blob64 (context, value->as.blob, value->size, SQLITE_TRANSIENT);
            else
                sqlite3_result_zeroblob (context, 0);
            break;
        case SH_GUID:
            sqlite3_result_blob64 (context, value->as.guid, 16, SQLITE_TRANSIENT);
            break;
    }
}

static void
s_bind_value (sqlite3_stmt *stmt, int index, const sh_value_t *value)
{
    switch (value->kind) {
        case SH_NULL:
            sqlite3_bind_null (stmt, index);
            break;
        case SH_INT:
            sqlite3_bind_int64 (stmt, index, value->as.integer);
            break;
        case SH_DOUBLE:
            sqlite3_bind_double (stmt, index, value->as.real);
            break;
        case SH_DATETIME:
            sqlite3_bind_int64 (stmt, index, value->as.ticks);
            break;
        case SH_TEXT:
        case SH_DECIMAL:
            sqlite3_bind_text64 (stmt, index, value->as.text, value->size, SQLITE_STATIC,
                                 SQLITE_UTF8);
            break;
        case SH_BLOB:
            if (value->size)
                sqlite3_bind_blob64 (stmt, index, value->as.blob, value->size, SQLITE_STATIC);
            else
                sqlite3_bind_zeroblob (stmt, index, 0);
            break;
        case SH_GUID:
            sqlite3_bind_blob64 (stmt, index, value->as.guid, 16, SQLITE_STATIC);
            break;
    }
}

/*  ---- queries ---- */

/*  What a failed SQLite call means: the error that a callback left, or SQLite's own. */
static sh_status_t
s_failure (sh_query_t *self)
{
    sh_processor_t *connection = self->connection;
    if (connection->status != SH_OK)
        return connection->status;
    const char *text = sqlite3_errmsg (connection->db);
    if (strstr (text, "integer overflow"))
        return sh_error_set (connection->session, 8115, 16, 2,
                             "Arithmetic overflow error converting expression to data type int.");
    return sh_error_set (connection->session, 8624, 16, 1, "Internal query processor error: %s.",
                         text);
}

static const char *
s_assigned (sh_arena_t *arena, const sh_select_t *select)
{
    const char *names = NULL;
    for (const sh_item_t *item = select->items; item; item = item->next)
        if (item->variable)
            names = sh_arena_printf (arena, "%s%s\n", names ? names : "\n", item->variable);
    return names && select->from ? names : NULL;
}

static void
s_take_slots (sh_query_t *self, sh_bind_t *b)
{
    self->connection->slots = b->slots;
    self->connection->slot_count = b->slot_count;
    self->parameters = b->parameters;
    self->parameter_count = b->parameter_count;
}

static sh_status_t
s_prepare (sh_query_t *self, const sh_bound_t *bound)
{
    self->count = bound->count;
    self->fields = sh_arena_alloc (self->arena, (bound->count + 1) * sizeof *self->fields);
    self->row = sh_arena_alloc (self->arena, (bound->count + 1) * sizeof *self->row);
    for (size_t i = 0; i < bound->count; i++) {
        sh_field_t *field = &self->fields[i];
        /*  The AST may go before the query does. */
        field->name =
            sh_arena_strdup (self->arena, bound->columns[i].name ? bound->columns[i].name : "");
        field->type = bound->columns[i].type;
        if (field->type.id == SH_TYPE_NONE)
            field->type.id = SH_TYPE_INT;
        field->nullable = bound->columns[i].nullable;
        field->identity = bound->columns[i].identity;
    }
    if (sqlite3_prepare_v2 (self->connection->db, bound->sql, -1, &self->stmt, NULL) != SQLITE_OK)
        return s_failure (self);
    for (size_t i = 0; i < self->parameter_count; i++)
        s_bind_value (self->stmt, (int)i + 1, &self->parameters[i]);
    return SH_OK;
}

sh_status_t
sh_query_open (sh_session_t *self, const sh_select_t *select, const sh_query_options_t *options,
               sh_query_t **out)
{
    sh_query_t *query = sh_alloc (sizeof *query);
    query->connection = s_acquire (self);
    query->arena = sh_arena_new ();
    sh_bind_t b = {.session = self,
                   .connection = query->connection,
                   .arena = query->arena,
                   .db_id = self->db_id,
                   .options = options,
                   .assigned = s_assigned (query->arena, select)};
    sh_cte_scope_t ctes = {.ctes = options ? options->ctes : NULL};
    if (ctes.ctes)
        b.ctes = &ctes;
    sh_bound_t bound = {0};
    bool ok = sh_bind_select (&b, select, &bound);
    s_take_slots (query, &b);
    sh_status_t status = SH_ERROR;
    if (ok)
        status = s_prepare (query, &bound);
    else if (query->connection->status != SH_OK)
        status = query->connection->status;
    if (status == SH_OK)
        *out = query;
    else
        sh_query_close (&query);
    return status;
}

sh_status_t
sh_query_next (sh_query_t *query)
{
    int rc = sqlite3_step (query->stmt);
    if (rc == SQLITE_DONE)
        return SH_END;
    if (rc != SQLITE_ROW)
        return s_failure (query);
    return SH_OK;
}

size_t
sh_query_count (const sh_query_t *query)
{
    return query->count;
}

const sh_field_t *
sh_query_fields (const sh_query_t *query)
{
    return query->fields;
}

sh_value_t
sh_query_value (const sh_query_t *query, size_t column)
{
    return sh_from_sqlite (sqlite3_column_value (query->stmt, (int)column),
                           &query->fields[column].type);
}

void
sh_query_close (sh_query_t **query_p)
{
    sh_query_t *self = *query_p;
    if (!self)
        return;
    sh_processor_t *connection = self->connection;
    sqlite3_finalize (self->stmt);
    for (size_t i = 0; i < connection->slot_count; i++) {
        if (connection->slots[i].table)
            sh_table_close (connection->session->engine, &connection->slots[i].table);
        sh_rowset_destroy (&connection->slots[i].own_rows);
    }
    free (connection->slots);
    connection->slots = NULL;
    connection->slot_count = 0;
    connection->busy = false;
    for (size_t i = 0; i < self->parameter_count; i++)
        sh_value_clear (&self->parameters[i]);
    free (self->parameters);
    sh_arena_destroy (&self->arena);
    free (self);
    *query_p = NULL;
}

sh_status_t
sh_query_rows (sh_session_t *self, const sh_select_t *select, const sh_query_options_t *options,
               sh_rowset_t **out)
{
    sh_query_t *query = NULL;
    sh_status_t status = sh_query_open (self, select, options, &query);
    if (status != SH_OK)
        return status;
    sh_rowset_t *rows = sh_rowset_new ();
    for (size_t i = 0; i < query->count; i++) {
        sh_rowset_add_field (rows, query->fields[i].name, query->fields[i].type,
                             query->fields[i].nullable);
        rows->fields[i].identity = query->fields[i].identity;
    }
    while ((status = sh_query_next (query)) == SH_OK) {
        for (size_t i = 0; i < query->count; i++)
            query->row[i] = sh_query_value (query, i);
        sh_rowset_push (rows, query->row);
    }
    sh_query_close (&query);
    if (status == SH_END) {
        *out = rows;
        return SH_OK;
    }
    sh_rowset_destroy (&rows);
    return status;
}

/*  ---- expressions ---- */

static bool
s_literal_value (const sh_expr_t *expr, sh_value_t *value, sh_type_t *type)
{
    if (expr->kind != SH_EXPR_LITERAL)
        return false;
    if (expr->literal == SH_TOKEN_STRING || expr->literal == SH_TOKEN_NSTRING) {
        size_t units = sh_text_units (expr->text, strlen (expr->text));
        bool unicode = expr->literal == SH_TOKEN_NSTRING;
        *value = sh_value_own (expr->text, strlen (expr->text));
        *type = sh_type_make (unicode ? SH_TYPE_NVARCHAR : SH_TYPE_VARCHAR,
                              units > (unicode ? 4000u : 8000u) ? SH_MAX
                              : units                           ? (int32_t)units
                                                                : 1);
        return true;
    }
    if (expr->literal == SH_TOKEN_END) {
        *value = sh_value_null ();
        *type = sh_type_of (SH_TYPE_NONE);
        return true;
    }
    if (expr->literal == SH_TOKEN_INT && strlen (expr->text) < 10) {
        *value = sh_value_int (strtoll (expr->text, NULL, 10));
        *type = sh_type_of (SH_TYPE_INT);
        return true;
    }
    return false;
}

/*  Whole numbers and conditions over them, as loops and @@ERROR tests have them, need no query
 *  processor. False: it does. Never an error: what overflows goes the long way. */
static bool
s_quick_int (sh_session_t *self, const sh_expr_t *expr, int depth, int64_t *out)
{
    sh_value_t value;
    sh_type_t type;
    int64_t a, b;
    switch (expr->kind) {
        case SH_EXPR_LITERAL:
            if (expr->literal != SH_TOKEN_INT || strlen (expr->text) > 9)
                return false;
            *out = strtoll (expr->text, NULL, 10);
            return true;
        case SH_EXPR_VAR: {
            const sh_var_t *var = sh_var_find (self, expr->text);
            if (!var || var->type.id != SH_TYPE_INT || var->value.kind != SH_INT)
                return false;
            *out = var->value.as.integer;
            return true;
        }
        case SH_EXPR_GLOBAL:
            if (!sh_global (self, expr->text, &value, &type))
                return false;
            *out = value.kind == SH_INT ? value.as.integer : 0;
            bool whole = value.kind == SH_INT && type.id == SH_TYPE_INT;
            sh_value_clear (&value);
            return whole;
        case SH_EXPR_BINARY:
            if (depth > 20 || (expr->op != SH_OP_ADD && expr->op != SH_OP_SUB) ||
                !s_quick_int (self, expr->a, depth + 1, &a) ||
                !s_quick_int (self, expr->b, depth + 1, &b))
                return false;
            *out = expr->op == SH_OP_ADD ? a + b : a - b;
            return *out >= INT32_MIN && *out <= INT32_MAX;
        default:
            return false;
    }
}

static bool
s_quick_condition (sh_session_t *self, const sh_expr_t *expr, bool *truth)
{
    int64_t a, b;
    if (expr->kind != SH_EXPR_COMPARE || !s_quick_int (self, expr->a, 0, &a) ||
        !s_quick_int (self, expr->b, 0, &b))
        return false;
    switch (expr->op) {
        case SH_OP_EQ:
            *truth = a == b;
            return true;
        case SH_OP_NE:
            *truth = a != b;
            return true;
        case SH_OP_LT:
            *truth = a < b;
            return true;
        case SH_OP_LE:
            *truth = a <= b;
            return true;
        case SH_OP_GT:
            *truth = a > b;
            return true;
        default:
            *truth = a >= b;
            return true;
    }
}

sh_status_t
sh_eval (sh_session_t *self, const sh_expr_t *expr, sh_value_t *value, sh_type_t *type)
{
    if (s_literal_value (expr, value, type))
        return SH_OK;
    if (expr->kind == SH_EXPR_VAR) {
        const sh_var_t *var = sh_var_find (self, expr->text);
        if (var && !var->table) {
            *value = sh_value_copy (&var->value);
            *type = var->type;
            return SH_OK;
        }
    }
    if (expr->kind == SH_EXPR_GLOBAL && sh_global (self, expr->text, value, type))
        return SH_OK;
    sh_item_t item = {.expr = (sh_expr_t *)(uintptr_t)expr};
    sh_select_t select = {.items = &item, .line = expr->line};
    sh_query_t *query = NULL;
    *value = sh_value_null ();
    sh_status_t status = sh_query_open (self, &select, NULL, &query);
    if (status != SH_OK)
        return status;
    status = sh_query_next (query);
    if (status == SH_OK) {
        sh_value_t borrowed = sh_query_value (query, 0);
        *value = sh_value_copy (&borrowed);
        *type = query->fields[0].type;
    }
    sh_query_close (&query);
    return status;
}

sh_status_t
sh_eval_to (sh_session_t *self, const sh_expr_t *expr, const sh_type_t *to, sh_value_t *value)
{
    sh_value_t raw;
    sh_type_t type;
    *value = sh_value_null ();
    sh_status_t status = sh_eval (self, expr, &raw, &type);
    if (status != SH_OK)
        return status;
    if (!sh_convert (&raw, &type, to, 0, value, &self->error))
        status = SH_ERROR;
    sh_value_clear (&raw);
    return status;
}

sh_status_t
sh_eval_condition (sh_session_t *self, const sh_expr_t *expr, bool *truth)
{
    sh_value_t value;
    sh_type_t type;
    if (s_quick_condition (self, expr, truth))
        return SH_OK;
    sh_status_t status = sh_eval (self, expr, &value, &type);
    *truth = status == SH_OK && value.kind == SH_INT && value.as.integer != 0;
    sh_value_clear (&value);
    return status;
}

sh_status_t
sh_eval_text (sh_session_t *self, const sh_expr_t *expr, char **text)
{
    sh_value_t value;
    sh_type_t wide = sh_type_nvarchar (SH_MAX);
    *text = NULL;
    sh_status_t status = sh_eval_to (self, expr, &wide, &value);
    if (status == SH_OK && value.kind == SH_TEXT)
        *text = sh_strdup (value.as.text);
    sh_value_clear (&value);
    return status;
}
