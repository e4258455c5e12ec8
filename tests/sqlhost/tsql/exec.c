/*  Statements: dispatch and control flow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp.h"

enum { S_RAISE_ARGS_MAX = 20 };

/*  ---- flow ---- */

static sh_flow_t
s_if (sh_session_t *self, const sh_stmt_t *stmt)
{
    bool truth;
    sh_status_t status = sh_eval_condition (self, stmt->cond, &truth);
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status != SH_OK)
        return flow;
    self->last_rowcount = 0;
    if (truth)
        return sh_exec (self, stmt->body);
    return stmt->other ? sh_exec (self, stmt->other) : SH_FLOW_NEXT;
}

static sh_flow_t
s_while (sh_session_t *self, const sh_stmt_t *stmt)
{
    for (;;) {
        bool truth = false;
        self->frame->statement_line = stmt->line;
        sh_status_t status = sh_esession_check (self->engine, &self->error);
        if (status == SH_OK)
            status = sh_eval_condition (self, stmt->cond, &truth);
        sh_flow_t flow = sh_raise (self, status, stmt->line);
        if (status != SH_OK || !truth)
            return flow;
        flow = sh_exec (self, stmt->body);
        if (flow == SH_FLOW_BREAK)
            return SH_FLOW_NEXT;
        if (flow != SH_FLOW_NEXT && flow != SH_FLOW_CONTINUE)
            return flow;
    }
}

static sh_flow_t
s_try (sh_session_t *self, const sh_stmt_t *stmt)
{
    self->try_depth++;
    self->frame->try_depth++;
    sh_flow_t flow = sh_exec_list (self, stmt->body);
    self->frame->try_depth--;
    self->try_depth--;
    if (flow != SH_FLOW_CATCH || self->pending.not_in == self->frame)
        return flow;
    const sh_caught_t *outer = self->catching;
    sh_caught_t caught = self->pending;
    self->catching = &caught;
    self->last_error = caught.error.number;
    flow = sh_exec_list (self, stmt->other);
    self->catching = outer;
    return flow;
}

static const sh_stmt_t *
s_label (const sh_stmt_t *list, const char *label)
{
    for (; list; list = list->next)
        if (list->kind == SH_STMT_LABEL && sh_same (list->text, label))
            return list;
    return NULL;
}

sh_flow_t
sh_exec_list (sh_session_t *self, const sh_stmt_t *list)
{
    const sh_stmt_t *stmt = list;
    while (stmt) {
        sh_flow_t flow = sh_exec (self, stmt);
        if (flow == SH_FLOW_GOTO) {
            const sh_stmt_t *target = s_label (list, self->frame->label);
            if (!target)
                return flow;
            stmt = target;
            continue;
        }
        if (flow != SH_FLOW_NEXT)
            return flow;
        stmt = stmt->next;
    }
    return SH_FLOW_NEXT;
}

static sh_flow_t
s_return (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_frame_t *frame = self->frame;
    if (!stmt->cond)
        return SH_FLOW_RETURN;
    sh_status_t status;
    if (frame->is_function) {
        sh_value_clear (&frame->result);
        status = sh_eval_to (self, stmt->cond, &frame->result_type, &frame->result);
    } else {
        sh_value_t value;
        sh_type_t type = sh_type_of (SH_TYPE_INT);
        int error = self->last_error;
        status = sh_eval_to (self, stmt->cond, &type, &value);
        frame->status = status == SH_OK && value.kind == SH_INT ? (int32_t)value.as.integer : 0;
        if (status == SH_OK) {
            self->last_error = error;
            return SH_FLOW_RETURN;
        }
    }
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    return status == SH_OK ? SH_FLOW_RETURN : flow;
}

/*  ---- variables ---- */

static sh_status_t
s_declare_table (sh_session_t *self, sh_var_t *var, const sh_variable_t *declared)
{
    if (var->table)
        return SH_OK; /* in a loop: it stays */
    char *name = sh_printf ("@%.60s_%d_%u", var->name + 1, sh_esession_id (self->engine),
                            ++self->temp_counter);
    sh_resolved_t where = {.db_id = SH_DB_TEMPDB, .schema = "dbo", .object = name, .temp = true};
    sh_write_t write;
    sh_status_t status = sh_write_begin (self, &write);
    if (status == SH_OK)
        status = sh_write_end (self, &write,
                               sh_create_table (self, &where, declared->columns, declared->keys));
    if (status == SH_OK)
        var->table = name;
    else
        free (name);
    return status;
}

static sh_flow_t
s_declare (sh_session_t *self, const sh_stmt_t *stmt)
{
    for (const sh_variable_t *v = stmt->variables; v; v = v->next) {
        sh_var_t *var = sh_var_find (self, v->name);
        sh_status_t status = SH_OK;
        if (!var)
            continue;
        if (v->type.is_table)
            status = s_declare_table (self, var, v);
        else if (v->init) {
            sh_value_t value;
            status = sh_eval_to (self, v->init, &var->type, &value);
            if (status == SH_OK) {
                sh_value_clear (&var->value);
                var->value = value;
            }
        }
        if (status != SH_OK)
            return sh_raise (self, status, v->line);
        if (v->init)
            self->last_rowcount = 1;
    }
    return SH_FLOW_NEXT;
}

static sh_flow_t
s_set_var (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_var_t *var = sh_var_find (self, stmt->text);
    sh_value_t value = sh_value_null ();
    sh_status_t status;
    if (!var || var->table)
        status =
            sh_error_set (self, 137, 15, 1, "Must declare the scalar variable \"%s\".", stmt->text);
    else {
        sh_expr_t old = {.kind = SH_EXPR_VAR, .text = stmt->text, .line = stmt->line};
        sh_expr_t sum = {
            .kind = SH_EXPR_BINARY, .op = stmt->op, .a = &old, .b = stmt->cond, .line = stmt->line};
        status = sh_eval_to (self, stmt->op == SH_OP_EQ ? stmt->cond : &sum, &var->type, &value);
    }
    if (status == SH_OK) {
        sh_value_clear (&var->value);
        var->value = value;
        self->last_rowcount = 1;
    }
    return sh_raise (self, status, stmt->line);
}

/*  ---- messages ---- */

static sh_flow_t
s_print (sh_session_t *self, const sh_stmt_t *stmt)
{
    char *text = NULL;
    sh_status_t status = sh_eval_text (self, stmt->cond, &text);
    if (status == SH_OK) {
        sh_error_t message = {.state = 1};
        snprintf (message.text, sizeof message.text, "%s", text ? text : "");
        sh_out_message (self, &message, stmt->line);
        self->last_rowcount = 0;
    }
    free (text);
    return sh_raise (self, status, stmt->line);
}

/*  One conversion of RAISERROR's format, from behind the percent sign; returns the text behind it. */
static const char *
s_format_one (const char *format, const sh_value_t *value, sh_buffer_t *out)
{
    char spec[24] = "%";
    size_t at = 1;
    while (*format && strchr ("-+0 #123456789.", *format) && at < 12)
        spec[at++] = *format++;
    if (strncmp (format, "I64", 3) == 0)
        format += 3;
    char kind = *format ? *format++ : 's';
    long long number = value && value->kind == SH_INT ? value->as.integer : 0;
    if (kind == 's' || !strchr ("diuoxX", kind)) {
        spec[at++] = 's';
        spec[at] = 0;
        const char *text = value && value->kind == SH_TEXT ? value->as.text : "(null)";
        sh_buffer_t room = {0};
        /*  The width of a text is all that matters; it is applied by hand. */
        long width = strtol (spec + 1 + (spec[1] == '-'), NULL, 10);
        sh_buffer_puts (&room, text);
        for (long i = (long)room.size; spec[1] != '-' && i < width; i++)
            sh_buffer_putc (out, ' ');
        sh_buffer_puts (out, text);
        for (long i = (long)room.size; spec[1] == '-' && i < width; i++)
            sh_buffer_putc (out, ' ');
        sh_buffer_free (&room);
        return format;
    }
    char digits[40];
    switch (kind) {
        case 'o':
            snprintf (digits, sizeof digits, "%llo", (unsigned long long)number);
            break;
        case 'x':
            snprintf (digits, sizeof digits, "%llx", (unsigned long long)number & 0xFFFFFFFF);
            break;
        case 'X':
            snprintf (digits, sizeof digits, "%llX", (unsigned long long)number & 0xFFFFFFFF);
            break;
        default:
            snprintf (digits, sizeof digits, "%lld", number);
    }
    spec[at] = 0;
    const char *flags = spec + 1;
    bool zero = *flags == '0', left = *flags == '-';
    long width = strtol (flags + (zero || left), NULL, 10);
    long pad = width - (long)strlen (digits);
    for (long i = 0; !left && i < pad; i++)
        sh_buffer_putc (out, zero ? '0' : ' ');
    sh_buffer_puts (out, digits);
    for (long i = 0; left && i < pad; i++)
        sh_buffer_putc (out, ' ');
    return format;
}

static void
s_format (const char *format, const sh_value_t *values, size_t count, sh_buffer_t *out)
{
    size_t next = 0;
    while (*format) {
        if (format[0] == '%' && format[1] == '%') {
            sh_buffer_putc (out, '%');
            format += 2;
        } else if (format[0] == '%' && format[1]) {
            format = s_format_one (format + 1, next < count ? &values[next] : NULL, out);
            next++;
        } else
            sh_buffer_putc (out, *format++);
    }
}

static sh_status_t
s_int_arg (sh_session_t *self, const sh_expr_t *expr, int64_t *out)
{
    sh_value_t value;
    sh_type_t type = sh_type_of (SH_TYPE_INT);
    sh_status_t status = sh_eval_to (self, expr, &type, &value);
    *out = status == SH_OK && value.kind == SH_INT ? value.as.integer : 0;
    return status;
}

static sh_status_t
s_raise_arguments (sh_session_t *self, const sh_expr_t *args, sh_value_t *values, size_t *count)
{
    for (; args && *count < S_RAISE_ARGS_MAX; args = args->next) {
        sh_value_t raw;
        sh_type_t type, text = sh_type_nvarchar (SH_MAX);
        sh_status_t status = sh_eval (self, args, &raw, &type);
        if (status != SH_OK)
            return status;
        if (raw.kind == SH_INT || raw.kind == SH_TEXT || raw.kind == SH_NULL)
            values[*count] = raw;
        else {
            bool ok = sh_convert (&raw, &type, &text, 0, &values[*count], &self->error);
            sh_value_clear (&raw);
            if (!ok)
                return SH_ERROR;
        }
        ++*count;
    }
    return SH_OK;
}

/*  Those of sys.messages that system procedures raise by their number. */
static const char *
s_message_text (int64_t number)
{
    static const struct {
        int number;
        const char *text;
    } messages[] = {{14234, "The specified '%s' is invalid (valid values are returned by %s)."},
                    {14261, "The specified %s ('%s') already exists."},
                    {14262, "The specified %s ('%s') does not exist."},
                    {14269, "Job '%s' is already targeted at server '%s'."}};
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (messages[i].number == number)
            return messages[i].text;
    return NULL;
}

/*  RAISERROR (message, severity, state, arguments...) */
static sh_status_t
s_raiserror_build (sh_session_t *self, const sh_stmt_t *stmt, sh_error_t *error)
{
    sh_value_t first, values[S_RAISE_ARGS_MAX];
    sh_type_t type;
    size_t count = 0;
    int64_t severity = 0, state = 1;
    const sh_expr_t *a = stmt->args;
    if (!a->next || !a->next->next)
        return sh_error_set (self, 102, 15, 1, "Incorrect syntax near 'RAISERROR'.");
    sh_status_t status = sh_eval (self, a, &first, &type);
    if (status == SH_OK)
        status = s_int_arg (self, a->next, &severity);
    if (status == SH_OK)
        status = s_int_arg (self, a->next->next, &state);
    if (status == SH_OK)
        status = s_raise_arguments (self, a->next->next->next, values, &count);
    if (status == SH_OK && severity > 18 && !self->sysadmin)
        status =
            sh_error_set (self, 2754, 16, 1,
                          "Error severity levels greater than 18 can only be specified by members "
                          "of the sysadmin role, using the WITH LOG option.");
    if (status == SH_OK) {
        sh_buffer_t text = {0};
        error->number = 50000;
        if (first.kind == SH_INT) {
            const char *known = s_message_text (first.as.integer);
            error->number = (int)first.as.integer;
            if (known)
                s_format (known, values, count, &text);
            else
                sh_buffer_printf (&text,
                                  "Error %d, severity %d, state %d was raised, but no message with "
                                  "that error number was found in sys.messages.",
                                  error->number, (int)severity, (int)state);
        } else
            s_format (first.kind == SH_TEXT ? first.as.text : "", values, count, &text);
        error->severity = (int)(severity < 0 ? 0 : severity > 25 ? 25 : severity);
        error->state = state < 0 ? 1 : (int)(state & 255);
        snprintf (error->text, sizeof error->text, "%s", sh_buffer_text (&text));
        sh_buffer_free (&text);
    }
    for (size_t i = 0; i < count; i++)
        sh_value_clear (&values[i]);
    sh_value_clear (&first);
    return status;
}

static sh_flow_t
s_raiserror (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_error_t error = {0};
    sh_status_t status = s_raiserror_build (self, stmt, &error);
    if (status != SH_OK)
        return sh_raise (self, status, stmt->line);
    self->error = error;
    self->last_error = stmt->flag2 ? error.number : 0;
    self->last_rowcount = 0;
    sh_flow_t flow = sh_raise_user (self, stmt->line, false);
    if (stmt->flag && !self->sink->flush (self->sink))
        self->sink_gone = true;
    return flow;
}

static sh_flow_t
s_throw (sh_session_t *self, const sh_stmt_t *stmt)
{
    if (!stmt->args) {
        if (!self->catching) {
            sh_error_set (
                self, 10704, 15, 1,
                "To rethrow an error, a THROW statement must be used inside a CATCH block. "
                "Insert the THROW statement inside a CATCH block, or add error parameters to "
                "the THROW statement.");
            return sh_raise (self, SH_ERROR, stmt->line);
        }
        self->error = self->catching->error;
        return sh_raise_user (self, self->catching->line, true);
    }
    int64_t number = 0, state = 1;
    char *text = NULL;
    sh_status_t status = s_int_arg (self, stmt->args, &number);
    if (status == SH_OK && stmt->args->next)
        status = sh_eval_text (self, stmt->args->next, &text);
    if (status == SH_OK && stmt->args->next && stmt->args->next->next)
        status = s_int_arg (self, stmt->args->next->next, &state);
    if (status == SH_OK)
        sh_error_set (self, (int)number, 16, (int)state, "%s", text ? text : "");
    free (text);
    return status == SH_OK ? sh_raise_user (self, stmt->line, true)
                           : sh_raise (self, status, stmt->line);
}

/*  ---- WAITFOR, USE ---- */

/*  'hh:mm:ss.mmm' or a datetime: milliseconds of its time. */
static sh_status_t
s_delay (sh_session_t *self, const sh_stmt_t *stmt, int64_t *ms)
{
    sh_value_t value, time;
    sh_type_t type, to = {.id = SH_TYPE_TIME, .scale = 7};
    sh_status_t status = sh_eval (self, stmt->cond, &value, &type);
    if (status != SH_OK)
        return status;
    if (!sh_convert (&value, &type, &to, 0, &time, &self->error))
        status = sh_error_set (self, 148, 15, 1,
                               "Incorrect time syntax in time string '%s' used with WAITFOR.",
                               value.kind == SH_TEXT ? value.as.text : "");
    *ms = status == SH_OK && time.kind == SH_DATETIME ? time.as.ticks / SH_TICKS_PER_MS : 0;
    if (status == SH_OK && stmt->flag) {
        int64_t now = sh_ticks_local () % SH_TICKS_PER_DAY / SH_TICKS_PER_MS;
        int64_t day = SH_TICKS_PER_DAY / SH_TICKS_PER_MS;
        *ms = (*ms - now + day) % day;
    }
    sh_value_clear (&value);
    return status;
}

static sh_flow_t
s_waitfor (sh_session_t *self, const sh_stmt_t *stmt)
{
    int64_t ms;
    sh_status_t status = s_delay (self, stmt, &ms);
    if (status == SH_OK) {
        sh_esession_request (self->engine, "WAITFOR", self->statement_text, self->db_id);
        status = sh_esession_wait (self->engine, ms, &self->error);
        sh_esession_request (self->engine, "SELECT", self->statement_text, self->db_id);
    }
    return sh_raise (self, status, stmt->line);
}

static sh_flow_t
s_use (sh_session_t *self, const sh_stmt_t *stmt)
{
    bool top = self->frame->level == 0;
    if (self->frame->procedure) {
        sh_error_set (self, 154, 15, 1,
                      "a USE database statement is not allowed in a procedure, "
                      "function or trigger.");
        return sh_raise (self, SH_ERROR, stmt->line);
    }
    sh_status_t status = sh_session_use (self, stmt->text, top);
    if (status == SH_OK && top)
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    return sh_raise (self, status, stmt->line);
}

/*  ---- dispatch ---- */

static sh_flow_t
s_dispatch_flow (sh_session_t *self, const sh_stmt_t *stmt)
{
    switch (stmt->kind) {
        case SH_STMT_BLOCK:
            return sh_exec_list (self, stmt->body);
        case SH_STMT_IF:
            return s_if (self, stmt);
        case SH_STMT_WHILE:
            return s_while (self, stmt);
        case SH_STMT_TRY:
            return s_try (self, stmt);
        case SH_STMT_BREAK:
            return SH_FLOW_BREAK;
        case SH_STMT_CONTINUE:
            return SH_FLOW_CONTINUE;
        case SH_STMT_GOTO:
            self->frame->label = stmt->text;
            return SH_FLOW_GOTO;
        case SH_STMT_LABEL:
            return SH_FLOW_NEXT;
        case SH_STMT_RETURN:
            return s_return (self, stmt);
        case SH_STMT_DECLARE:
            return s_declare (self, stmt);
        case SH_STMT_SET_VAR:
            return s_set_var (self, stmt);
        case SH_STMT_PRINT:
            return s_print (self, stmt);
        case SH_STMT_RAISERROR:
            return s_raiserror (self, stmt);
        case SH_STMT_THROW:
            return s_throw (self, stmt);
        case SH_STMT_WAITFOR:
            return s_waitfor (self, stmt);
        case SH_STMT_USE:
            return s_use (self, stmt);
        default:
            return SH_FLOW_SCOPE;
    }
}

static sh_flow_t
s_dispatch (sh_session_t *self, const sh_stmt_t *stmt)
{
    switch (stmt->kind) {
        case SH_STMT_SELECT:
            return sh_exec_select (self, stmt);
        case SH_STMT_INSERT:
        case SH_STMT_UPDATE:
        case SH_STMT_DELETE:
        case SH_STMT_TRUNCATE:
            return sh_exec_dml (self, stmt);
        case SH_STMT_EXEC:
            return sh_exec_call (self, stmt);
        case SH_STMT_EXEC_STRING:
            return sh_exec_string (self, stmt);
        case SH_STMT_SET_OPTION:
            return sh_exec_set (self, stmt);
        case SH_STMT_BEGIN_TRAN:
        case SH_STMT_COMMIT:
        case SH_STMT_ROLLBACK:
        case SH_STMT_SAVE_TRAN:
            return sh_exec_tran (self, stmt);
        case SH_STMT_DECLARE_CURSOR:
        case SH_STMT_OPEN:
        case SH_STMT_FETCH:
        case SH_STMT_CLOSE:
        case SH_STMT_DEALLOCATE:
            return sh_exec_cursor (self, stmt);
        case SH_STMT_CREATE_DATABASE:
        case SH_STMT_ALTER_DATABASE:
        case SH_STMT_CREATE_TABLE:
        case SH_STMT_ALTER_TABLE:
        case SH_STMT_CREATE_INDEX:
        case SH_STMT_CREATE_SCHEMA:
        case SH_STMT_DROP:
            return sh_exec_ddl (self, stmt);
        case SH_STMT_CREATE_MODULE:
            return sh_exec_module (self, stmt);
        case SH_STMT_BACKUP:
            return sh_exec_backup (self, stmt);
        case SH_STMT_RESTORE:
            return sh_exec_restore (self, stmt);
        case SH_STMT_KILL:
        case SH_STMT_PRINCIPAL:
        case SH_STMT_PERMISSION:
        case SH_STMT_CHECKPOINT:
        case SH_STMT_DBCC:
        case SH_STMT_RECONFIGURE:
        case SH_STMT_SHUTDOWN:
            return sh_exec_admin (self, stmt);
        default:
            return s_dispatch_flow (self, stmt);
    }
}

static bool
s_is_work (sh_stmt_kind_t kind)
{
    return kind >= SH_STMT_SELECT;
}

sh_flow_t
sh_exec (sh_session_t *self, const sh_stmt_t *stmt)
{
    self->frame->statement_line = stmt->line;
    if (self->sink_gone)
        return SH_FLOW_STOP;
    sh_status_t status = sh_esession_check (self->engine, &self->error);
    if (status != SH_OK)
        return sh_raise (self, status, stmt->line);
    if (s_is_work (stmt->kind) && sh_fault_count_down (self->instance, SH_FAULT_ERROR_AT)) {
        int number = (int)sh_fault_get (self->instance, SH_FAULT_ERROR_NUMBER);
        sh_error_set (self, number ? number : 50000, 16, 1, "Error %d: a fault on demand.", number);
        return sh_raise (self, SH_ERROR, stmt->line);
    }
    return s_dispatch (self, stmt);
}
