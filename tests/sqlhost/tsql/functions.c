/*  Registration, conversion, arithmetic and aggregates. */
#include "functions.h"
#include "rights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab.h"

sh_session_t *
sh_function_session (sqlite3_context *context)
{
    return sh_processor_session (sqlite3_user_data (context));
}

void
sh_function_fail (sqlite3_context *context, sh_status_t status)
{
    sh_processor_stop (sqlite3_user_data (context), status);
    sqlite3_result_error (context, "sqlhost", -1);
}

bool
sh_any_null (int argc, sqlite3_value **argv)
{
    for (int i = 0; i < argc; i++)
        if (sqlite3_value_type (argv[i]) == SQLITE_NULL)
            return true;
    return false;
}

const char *
sh_arg_text (sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text (value);
    return text ? text : "";
}

void
sh_result_text (sqlite3_context *context, const char *text)
{
    if (text)
        sqlite3_result_text (context, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_result_null (context);
}

static void
s_error (sqlite3_context *context, int number, const char *text)
{
    sh_error_set (sh_function_session (context), number, 16, 1, "%s", text);
    sh_function_fail (context, SH_ERROR);
}

/*  ts_conv (x, from id, size, precision, scale... ) as sh_bind_cast renders it: from (id, size,
 *  precision, scale), to (the same), style, try. */
static void
s_conv (sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    sh_type_t from = {.id = (sh_type_id_t)sqlite3_value_int (argv[1]),
                      .size = sqlite3_value_int (argv[2]),
                      .precision = (uint8_t)sqlite3_value_int (argv[3]),
                      .scale = (uint8_t)sqlite3_value_int (argv[4])};
    sh_type_t to = {.id = (sh_type_id_t)sqlite3_value_int (argv[5]),
                    .size = sqlite3_value_int (argv[6]),
                    .precision = (uint8_t)sqlite3_value_int (argv[7]),
                    .scale = (uint8_t)sqlite3_value_int (argv[8])};
    sh_session_t *session = sh_function_session (context);
    sh_value_t in = sh_from_sqlite (argv[0], &from), out;
    if (sh_convert (&in, &from, &to, sqlite3_value_int (argv[9]), &out, &session->error)) {
        sh_to_sqlite (context, &out);
        sh_value_clear (&out);
    } else if (sqlite3_value_int (argv[10]))
        sqlite3_result_null (context);
    else
        sh_function_fail (context, SH_ERROR);
}

static void
s_overflow (sqlite3_context *context, sh_type_id_t id)
{
    char text[120];
    snprintf (text, sizeof text, "Arithmetic overflow error converting expression to data type %s.",
              sh_type_name (id));
    s_error (context, 8115, text);
}

/*  False: overflow. */
static bool
s_compute (char op, int64_t a, int64_t b, int64_t *out)
{
    switch (op) {
        case '+':
            return !__builtin_add_overflow (a, b, out);
        case '-':
            return !__builtin_sub_overflow (a, b, out);
        case '*':
            return !__builtin_mul_overflow (a, b, out);
        case '/':
            if (b == -1)
                return !__builtin_sub_overflow (INT64_C (0), a, out);
            *out = a / b;
            return true;
        case '%':
            *out = b == -1 ? 0 : a % b;
            return true;
        case '&':
            *out = a & b;
            return true;
        case '|':
            *out = a | b;
            return true;
        default:
            *out = a ^ b;
            return true;
    }
}

/*  ts_op ('+', a, b, type id): integers and floats. */
static void
s_op (sqlite3_context *context, int argc, sqlite3_value **argv)
{
    char op = *sh_arg_text (argv[0]);
    if (sh_any_null (argc, argv))
        return;
    sh_type_t type = sh_type_of ((sh_type_id_t)sqlite3_value_int (argv[3]));
    if (sh_type_kind (&type) == SH_DOUBLE) {
        double a = sqlite3_value_double (argv[1]), b = sqlite3_value_double (argv[2]);
        if (op == '/' && b == 0) {
            s_error (context, 8134, "Divide by zero error encountered.");
            return;
        }
        sqlite3_result_double (context, op == '+'   ? a + b
                                        : op == '-' ? a - b
                                        : op == '*' ? a * b
                                                    : a / b);
        return;
    }
    int64_t a = sqlite3_value_int64 (argv[1]), b = sqlite3_value_int64 (argv[2]), out;
    if ((op == '/' || op == '%') && b == 0) {
        s_error (context, 8134, "Divide by zero error encountered.");
        return;
    }
    bool fits = s_compute (op, a, b, &out);
    if (type.id == SH_TYPE_INT)
        fits = fits && out >= INT32_MIN && out <= INT32_MAX;
    else if (type.id == SH_TYPE_SMALLINT)
        fits = fits && out >= INT16_MIN && out <= INT16_MAX;
    else if (type.id == SH_TYPE_TINYINT)
        fits = fits && out >= 0 && out <= 255;
    if (fits)
        sqlite3_result_int64 (context, out);
    else
        s_overflow (context, type.id);
}

/*  ts_dec ('+', a, b, scale, precision) */
static void
s_dec (sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sh_decimal_t a, b, out;
    if (sh_any_null (argc, argv))
        return;
    sh_decimal_parse (sh_arg_text (argv[1]), &a);
    sh_decimal_parse (sh_arg_text (argv[2]), &b);
    int failure =
        sh_decimal_compute (*sh_arg_text (argv[0]), &a, &b, sqlite3_value_int (argv[3]), &out);
    if (!failure && !sh_decimal_fits (&out, sqlite3_value_int (argv[4])))
        failure = 8115;
    if (failure == 8134)
        s_error (context, 8134, "Divide by zero error encountered.");
    else if (failure)
        s_overflow (context, SH_TYPE_NUMERIC);
    else {
        char text[64];
        sh_decimal_print (&out, text, sizeof text);
        sh_result_text (context, text);
    }
}

/*  ts_var (name): the variable as it stands at this row. */
static void
s_var (sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    const sh_var_t *var = sh_var_find (sh_function_session (context), sh_arg_text (argv[0]));
    if (var)
        sh_to_sqlite (context, &var->value);
}

/*  ts_udf (db, schema, name, arguments...): their types are the parameters'. */
static void
s_udf (sqlite3_context *context, int argc, sqlite3_value **argv)
{
    sh_session_t *session = sh_function_session (context);
    const sh_module_t *module = NULL;
    int db_id = sqlite3_value_int (argv[0]);
    sh_status_t status = sh_module_open (session->engine, db_id, "FN", sh_arg_text (argv[1]),
                                         sh_arg_text (argv[2]), &module, &session->error);
    if (status == SH_END)
        status =
            sh_error_set (session, 208, 16, 1, "Invalid object name '%s'.", sh_arg_text (argv[2]));
    if (status == SH_OK && sh_check_object (session, db_id, module->schema, module->name,
                                            module->object_id, "EXECUTE") != SH_OK) {
        sh_module_close (session->engine, &module);
        status = SH_ERROR;
    }
    if (status != SH_OK) {
        sh_function_fail (context, status);
        return;
    }
    sh_script_t *script = sh_script_acquire (session, module);
    sh_value_t values[64], result = sh_value_null ();
    sh_type_t types[64];
    size_t count = 0;
    if (script && script->body->module)
        for (const sh_variable_t *p = script->body->module->parameters;
             p && count < 64 && (int)count + 3 < argc; p = p->next) {
            types[count] = p->type.type;
            values[count] = sh_from_sqlite (argv[count + 3], &types[count]);
            count++;
        }
    status = script ? sh_function_call (session, db_id, module, values, types, count, &result)
                    : SH_ERROR;
    if (script)
        sh_script_release (session, script);
    sh_module_close (session->engine, &module);
    if (status == SH_OK)
        sh_to_sqlite (context, &result);
    else
        sh_function_fail (context, status);
    sh_value_clear (&result);
}

/*  ---- aggregates ---- */

typedef struct {
    sqlite3_value *value;
    int count;
} s_single_t;

static void
s_single_step (sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    s_single_t *self = sqlite3_aggregate_context (context, sizeof *self);
    if (!self)
        return;
    if (self->count++) {
        s_error (
            context, 512,
            "Subquery returned more than 1 value. This is not permitted when the subquery follows "
            "=, !=, <, <= , >, >= or when the subquery is used as an expression.");
        return;
    }
    self->value = sqlite3_value_dup (argv[0]);
}

static void
s_single_final (sqlite3_context *context)
{
    s_single_t *self = sqlite3_aggregate_context (context, 0);
    if (!self || !self->value)
        return;
    sqlite3_result_value (context, self->value);
    sqlite3_value_free (self->value);
    self->value = NULL;
}

/*  SQLite gives memory that is aligned for 8 bytes: the decimal is kept as bytes. */
typedef struct {
    unsigned char sum[sizeof (sh_decimal_t)];
    bool any;
    bool overflow;
} s_sum_t;

static void
s_sum_add (sqlite3_context *context, sqlite3_value *value, char op)
{
    s_sum_t *self = sqlite3_aggregate_context (context, sizeof *self);
    sh_decimal_t one, before, after;
    if (!self || sqlite3_value_type (value) == SQLITE_NULL)
        return;
    sh_decimal_parse (sh_arg_text (value), &one);
    memcpy (&before, self->sum, sizeof before);
    if (!self->any)
        before.scale = one.scale;
    self->any = true;
    if (sh_decimal_compute (op, &before, &one, one.scale, &after))
        self->overflow = true;
    else
        memcpy (self->sum, &after, sizeof after);
}

static void
s_sum_step (sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    s_sum_add (context, argv[0], '+');
}

static void
s_sum_inverse (sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    s_sum_add (context, argv[0], '-');
}

static void
s_sum_value (sqlite3_context *context)
{
    s_sum_t *self = sqlite3_aggregate_context (context, 0);
    if (!self || !self->any)
        return;
    if (self->overflow) {
        s_overflow (context, SH_TYPE_NUMERIC);
        return;
    }
    char text[64];
    sh_decimal_t sum;
    memcpy (&sum, self->sum, sizeof sum);
    sh_decimal_print (&sum, text, sizeof text);
    sh_result_text (context, text);
}

/*  ---- registration ---- */

static const sh_sql_entry_t s_core[] = {{"ts_conv", 11, true, s_conv}, {"ts_op", 4, true, s_op},
                                        {"ts_dec", 5, true, s_dec},    {"ts_var", 1, false, s_var},
                                        {"ts_udf", -1, false, s_udf},  {NULL, 0, false, NULL}};

static bool
s_register (sqlite3 *db, sh_processor_t *processor, const sh_sql_entry_t *entries)
{
    for (const sh_sql_entry_t *entry = entries; entry->name; entry++) {
        int flags = SQLITE_UTF8 | (entry->constant ? SQLITE_DETERMINISTIC : 0);
        if (sqlite3_create_function_v2 (db, entry->name, entry->count, flags, processor, entry->run,
                                        NULL, NULL, NULL) != SQLITE_OK)
            return false;
    }
    return true;
}

bool
sh_functions_register (sqlite3 *db, sh_processor_t *processor)
{
    return s_register (db, processor, s_core) && s_register (db, processor, sh_text_functions) &&
           s_register (db, processor, sh_number_functions) &&
           s_register (db, processor, sh_time_functions) &&
           s_register (db, processor, sh_system_functions) &&
           s_register (db, processor, sh_right_functions) &&
           sqlite3_create_function_v2 (db, "ts_single", 1, SQLITE_UTF8, processor, NULL,
                                       s_single_step, s_single_final, NULL) == SQLITE_OK &&
           sqlite3_create_window_function (db, "ts_sum", 1, SQLITE_UTF8, processor, s_sum_step,
                                           s_sum_value, s_sum_value, s_sum_inverse,
                                           NULL) == SQLITE_OK;
}
