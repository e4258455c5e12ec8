#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "common/sql_internal.h"

static bm_sql_query_t *
s_new (const char *text, bool is_call)
{
    bm_sql_query_t *self = bm_alloc (sizeof *self);
    self->text = bm_strdup (text);
    self->is_call = is_call;
    return self;
}

bm_sql_query_t *
bm_sql_query_new (const char *batch)
{
    return s_new (batch, false);
}

bm_sql_query_t *
bm_sql_call_new (const char *procedure)
{
    return s_new (procedure, true);
}

void
bm_sql_query_destroy (bm_sql_query_t **self_p)
{
    bm_sql_query_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->parameter_count; i++) {
        free (self->parameters[i].name);
        free (self->parameters[i].text);
    }
    free (self->parameters);
    free (self->text);
    free (self);
}

void
bm_sql_query_inline (bm_sql_query_t *self)
{
    bm_require (!self->is_call);
    self->is_inline = true;
}

static bm_sql_parameter_t *
s_add (bm_sql_query_t *self, bm_sql_kind_t kind, const char *name)
{
    bm_require (name[0] == '@' &&
                strspn (name + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
                                  "VWXYZ0123456789_") == strlen (name + 1));
    self->parameters =
        bm_realloc (self->parameters, (self->parameter_count + 1) * sizeof *self->parameters);
    bm_sql_parameter_t *parameter = &self->parameters[self->parameter_count++];
    *parameter = (bm_sql_parameter_t){.kind = kind, .name = bm_strdup (name)};
    return parameter;
}

void
bm_sql_query_text (bm_sql_query_t *self, const char *name, const char *value)
{
    s_add (self, BM_SQL_TEXT, name)->text = bm_strdup (value);
}

void
bm_sql_query_int (bm_sql_query_t *self, const char *name, int64_t value)
{
    s_add (self, BM_SQL_INT, name)->number = value;
}

void
bm_sql_query_bit (bm_sql_query_t *self, const char *name, bool value)
{
    s_add (self, BM_SQL_BIT, name)->bit = value;
}

void
bm_sql_query_output_text (bm_sql_query_t *self, const char *name)
{
    s_add (self, BM_SQL_OUTPUT, name);
}

void
bm_sql_query_on_message (bm_sql_query_t *self, bm_sql_on_message_fn *function, void *argument)
{
    self->on_message = function;
    self->argument = argument;
}

void
bm_sql_query_timeout_ms (bm_sql_query_t *self, int64_t timeout_ms)
{
    self->timeout_ms = timeout_ms;
}

/*  db-lib says NULL with a length of 0, so an empty string cannot be a parameter; and a longer text than
 *  nvarchar (4000) would lose characters. */
static bool
s_fits (const char *text)
{
    return !text || (*text && bm_names_length (text) <= BM_SQL_PARAMETER_CHARS);
}

bool
bm_sql_query_is_rpc (const bm_sql_query_t *self)
{
    if (self->is_inline || (!self->is_call && (self->parameter_count == 0 || !s_fits (self->text))))
        return false;
    for (size_t i = 0; i < self->parameter_count; i++)
        if (!s_fits (self->parameters[i].text))
            return false;
    return true;
}

/*  Appends in place of bm_format: batches are built from many pieces. */
static void
s_put (char **text_p, const char *piece)
{
    size_t old = *text_p ? strlen (*text_p) : 0;
    size_t more = strlen (piece);
    *text_p = bm_realloc (*text_p, old + more + 1);
    memcpy (*text_p + old, piece, more + 1);
}

static const char *
s_type (const bm_sql_parameter_t *parameter)
{
    switch (parameter->kind) {
        case BM_SQL_INT:
            return "bigint";
        case BM_SQL_BIT:
            return "bit";
        default:
            return s_fits (parameter->text) || !*parameter->text ? "nvarchar(4000)"
                                                                 : "nvarchar(max)";
    }
}

static void
s_put_value (char **text_p, const bm_sql_parameter_t *parameter)
{
    char *value = NULL;
    if (parameter->kind == BM_SQL_INT)
        value = bm_format ("%" PRId64, parameter->number);
    else if (parameter->kind == BM_SQL_BIT)
        value = bm_format ("%d", parameter->bit);
    else if (parameter->text)
        value = bm_names_literal (parameter->text);
    else
        value = bm_strdup ("NULL");
    s_put (text_p, value);
    free (value);
}

/*  DECLARE on the batch's first line, so that the line numbers of messages stay right. */
static char *
s_plain_batch (const bm_sql_query_t *self)
{
    char *text = NULL;
    for (size_t i = 0; i < self->parameter_count; i++) {
        s_put (&text, i ? ", " : "DECLARE ");
        s_put (&text, self->parameters[i].name);
        s_put (&text, " ");
        s_put (&text, s_type (&self->parameters[i]));
        s_put (&text, " = ");
        s_put_value (&text, &self->parameters[i]);
    }
    if (text)
        s_put (&text, "; ");
    s_put (&text, self->text);
    return text;
}

static char *
s_plain_call (const bm_sql_query_t *self)
{
    char *declare = bm_strdup ("DECLARE @bm_return int");
    char *call = bm_format ("; EXEC @bm_return = %s", self->text);
    char *select = bm_strdup ("; SELECT @bm_return AS bm_return");
    for (size_t i = 0; i < self->parameter_count; i++) {
        const bm_sql_parameter_t *parameter = &self->parameters[i];
        char *item = NULL;
        s_put (&call, i ? ", " : " ");
        s_put (&call, parameter->name);
        s_put (&call, " = ");
        if (parameter->kind == BM_SQL_OUTPUT) {
            item = bm_format (", @bm_out%zu nvarchar(4000)", i);
            s_put (&declare, item);
            free (item);
            item = bm_format ("@bm_out%zu OUTPUT", i);
            s_put (&call, item);
            free (item);
            item = bm_format (", @bm_out%zu AS [%s]", i, parameter->name);
            s_put (&select, item);
        } else {
            s_put_value (&call, parameter);
        }
        free (item);
    }
    s_put (&declare, call);
    s_put (&declare, select);
    free (call);
    free (select);
    return declare;
}

char *
bm_sql_query_plain (const bm_sql_query_t *self)
{
    return self->is_call ? s_plain_call (self) : s_plain_batch (self);
}

static RETCODE
s_add_text (DBPROCESS *process, const char *name, const char *text)
{
    static BYTE nothing[1] = {0};
    if (!text)
        return dbrpcparam (process, name, 0, SYBVARCHAR, -1, 0, nothing);
    return dbrpcparam (process, name, 0, SYBVARCHAR, -1, (DBINT)strlen (text),
                       (BYTE *)(uintptr_t)text);
}

static RETCODE
s_add_parameter (DBPROCESS *process, const bm_sql_parameter_t *parameter)
{
    static BYTE nothing[1] = {0};
    switch (parameter->kind) {
        case BM_SQL_INT:
            return dbrpcparam (process, parameter->name, 0, SYBINT8, -1, -1,
                               (BYTE *)(uintptr_t)&parameter->number);
        case BM_SQL_BIT:
            return dbrpcparam (process, parameter->name, 0, SYBBIT, -1, -1,
                               (BYTE *)(uintptr_t)&parameter->bit);
        case BM_SQL_OUTPUT:
            return dbrpcparam (process, parameter->name, DBRPCRETURN, SYBVARCHAR,
                               BM_SQL_PARAMETER_CHARS, 0, nothing);
        default:
            return s_add_text (process, parameter->name, parameter->text);
    }
}

/*  "@a nvarchar(4000), @n bigint": the second argument of sp_executesql. */
static char *
s_declaration (const bm_sql_query_t *self)
{
    char *text = NULL;
    for (size_t i = 0; i < self->parameter_count; i++) {
        const bm_sql_parameter_t *parameter = &self->parameters[i];
        s_put (&text, i ? ", " : "");
        s_put (&text, parameter->name);
        s_put (&text, " ");
        s_put (&text, s_type (parameter));
        s_put (&text, parameter->kind == BM_SQL_OUTPUT ? " OUTPUT" : "");
    }
    return text;
}

static RETCODE
s_send_rpc (const bm_sql_query_t *self, DBPROCESS *process)
{
    char *declaration = self->is_call ? NULL : s_declaration (self);
    RETCODE code = dbrpcinit (process, self->is_call ? self->text : "sp_executesql", 0);
    if (code == SUCCEED && !self->is_call)
        code = s_add_text (process, "@stmt", self->text);
    if (code == SUCCEED && !self->is_call)
        code = s_add_text (process, "@params", declaration);
    for (size_t i = 0; code == SUCCEED && i < self->parameter_count; i++)
        code = s_add_parameter (process, &self->parameters[i]);
    if (code == SUCCEED)
        code = dbrpcsend (process);
    else
        dbrpcinit (process, "", DBRPCRESET);
    free (declaration);
    return code;
}

RETCODE
bm_sql_query_send (const bm_sql_query_t *self, DBPROCESS *process)
{
    dbfreebuf (process);
    if (bm_sql_query_is_rpc (self))
        return s_send_rpc (self, process);
    char *batch = bm_sql_query_plain (self);
    RETCODE code = dbcmd (process, batch);
    free (batch);
    return code == SUCCEED ? dbsqlsend (process) : code;
}
