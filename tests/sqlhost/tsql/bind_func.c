/*  Function calls: a table of what is rendered as a call of ts_<name>, and the special forms. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bind.h"

/*  args, a letter for each argument (the last one goes on for more):
 *      s text  i bigint  f float  d datetime2 (7)  b varbinary  x as it is  w a bare word
 *  result:
 *      i int  I bigint  s nvarchar (4000)  S as the first argument's text type  n sysname  b bit
 *      f float  d datetime  D datetime2 (7)  x varbinary (8000)  v varchar (8000)  u guid
 *      1 as the first argument  3 the third's  N numeric (38, 0)  m smallint  q nvarchar (258)
 *  more letters for args: t a time, else datetime  z a number, else float */
typedef struct {
    const char *name;
    int least;
    int most;
    const char *args;
    char result;
} s_function_t;

static const s_function_t s_functions[] = {{"ABS", 1, 1, "z", '1'},
                                           {"APPLOCK_MODE", 3, 3, "sss", 'n'},
                                           {"APPLOCK_TEST", 4, 4, "ssss", 'm'},
                                           {"APP_NAME", 0, 0, "", 'n'},
                                           {"ASCII", 1, 1, "s", 'i'},
                                           {"CEILING", 1, 1, "z", '1'},
                                           {"CHAR", 1, 1, "i", 'v'},
                                           {"CHARINDEX", 2, 3, "ssi", 'i'},
                                           {"CHECKSUM", 1, 100, "s", 'i'},
                                           {"BINARY_CHECKSUM", 1, 100, "s", 'i'},
                                           {"COL_LENGTH", 2, 2, "ss", 'm'},
                                           {"COL_NAME", 2, 2, "ii", 'n'},
                                           {"CONCAT", 1, 254, "s", 's'},
                                           {"CONCAT_WS", 2, 254, "s", 's'},
                                           {"CONNECTIONPROPERTY", 1, 1, "s", 'n'},
                                           {"CONTEXT_INFO", 0, 0, "", 'x'},
                                           {"CURRENT_TRANSACTION_ID", 0, 0, "", 'I'},
                                           {"CURSOR_STATUS", 2, 2, "ss", 'm'},
                                           {"DATABASEPROPERTYEX", 2, 2, "ss", 'n'},
                                           {"DATEADD", 3, 3, "wit", '3'},
                                           {"DATEDIFF", 3, 3, "wdd", 'i'},
                                           {"DATEDIFF_BIG", 3, 3, "wdd", 'I'},
                                           {"DATEFROMPARTS", 3, 3, "iii", 'D'},
                                           {"DATENAME", 2, 2, "wd", 'n'},
                                           {"DATEPART", 2, 2, "wd", 'i'},
                                           {"DAY", 1, 1, "d", 'i'},
                                           {"DB_ID", 0, 1, "s", 'm'},
                                           {"DB_NAME", 0, 1, "i", 'n'},
                                           {"EOMONTH", 1, 2, "di", 'D'},
                                           {"ERROR_LINE", 0, 0, "", 'i'},
                                           {"ERROR_MESSAGE", 0, 0, "", 's'},
                                           {"ERROR_NUMBER", 0, 0, "", 'i'},
                                           {"ERROR_PROCEDURE", 0, 0, "", 'n'},
                                           {"ERROR_SEVERITY", 0, 0, "", 'i'},
                                           {"ERROR_STATE", 0, 0, "", 'i'},
                                           {"EXP", 1, 1, "f", 'f'},
                                           {"FLOOR", 1, 1, "z", '1'},
                                           {"FN_HADR_IS_PRIMARY_REPLICA", 1, 1, "s", 'b'},
                                           {"FORMATMESSAGE", 1, 20, "s", 's'},
                                           {"HASHBYTES", 2, 2, "sb", 'x'},
                                           {"HAS_DBACCESS", 1, 1, "s", 'i'},
                                           {"HAS_PERMS_BY_NAME", 3, 5, "sssss", 'i'},
                                           {"HOST_NAME", 0, 0, "", 'n'},
                                           {"IDENT_CURRENT", 1, 1, "s", 'N'},
                                           {"ISDATE", 1, 1, "s", 'i'},
                                           {"ISNUMERIC", 1, 1, "s", 'i'},
                                           {"IS_MEMBER", 1, 1, "s", 'i'},
                                           {"IS_ROLEMEMBER", 1, 2, "ss", 'i'},
                                           {"IS_SRVROLEMEMBER", 1, 2, "ss", 'i'},
                                           {"LEFT", 2, 2, "si", 'S'},
                                           {"LEN", 1, 1, "s", 'i'},
                                           {"LOG", 1, 2, "ff", 'f'},
                                           {"LOG10", 1, 1, "f", 'f'},
                                           {"LOWER", 1, 1, "s", 'S'},
                                           {"LTRIM", 1, 1, "s", 'S'},
                                           {"MONTH", 1, 1, "d", 'i'},
                                           {"NCHAR", 1, 1, "i", 's'},
                                           {"NEWID", 0, 0, "", 'u'},
                                           {"NEWSEQUENTIALID", 0, 0, "", 'u'},
                                           {"OBJECTPROPERTY", 2, 2, "is", 'i'},
                                           {"OBJECTPROPERTYEX", 2, 2, "is", 'n'},
                                           {"OBJECT_DEFINITION", 1, 1, "i", 's'},
                                           {"OBJECT_ID", 1, 2, "ss", 'i'},
                                           {"OBJECT_NAME", 1, 2, "ii", 'n'},
                                           {"OBJECT_SCHEMA_NAME", 1, 2, "ii", 'n'},
                                           {"ORIGINAL_DB_NAME", 0, 0, "", 'n'},
                                           {"ORIGINAL_LOGIN", 0, 0, "", 'n'},
                                           {"PARSENAME", 2, 2, "si", 'n'},
                                           {"PATINDEX", 2, 2, "ss", 'i'},
                                           {"PI", 0, 0, "", 'f'},
                                           {"POWER", 2, 2, "ff", 'f'},
                                           {"QUOTENAME", 1, 2, "ss", 'q'},
                                           {"REPLACE", 3, 3, "sss", 's'},
                                           {"REPLICATE", 2, 2, "si", 's'},
                                           {"REVERSE", 1, 1, "s", 'S'},
                                           {"RIGHT", 2, 2, "si", 'S'},
                                           {"ROUND", 2, 3, "zii", '1'},
                                           {"ROWCOUNT_BIG", 0, 0, "", 'I'},
                                           {"RTRIM", 1, 1, "s", 'S'},
                                           {"SCHEMA_ID", 0, 1, "s", 'i'},
                                           {"SCHEMA_NAME", 0, 1, "i", 'n'},
                                           {"SCOPE_IDENTITY", 0, 0, "", 'N'},
                                           {"SERVERPROPERTY", 1, 1, "s", 'n'},
                                           {"SESSIONPROPERTY", 1, 1, "s", 'i'},
                                           {"SIGN", 1, 1, "z", '1'},
                                           {"SPACE", 1, 1, "i", 'v'},
                                           {"SQRT", 1, 1, "f", 'f'},
                                           {"SQUARE", 1, 1, "f", 'f'},
                                           {"STR", 1, 3, "fii", 'v'},
                                           {"STUFF", 4, 4, "siis", 's'},
                                           {"SUSER_ID", 0, 1, "s", 'i'},
                                           {"SUSER_NAME", 0, 1, "i", 'n'},
                                           {"SUSER_SID", 0, 1, "s", 'x'},
                                           {"SUSER_SNAME", 0, 1, "b", 'n'},
                                           {"TRIM", 1, 1, "s", 'S'},
                                           {"TYPE_NAME", 1, 1, "i", 'n'},
                                           {"UNICODE", 1, 1, "s", 'i'},
                                           {"UPPER", 1, 1, "s", 'S'},
                                           {"USER_ID", 0, 1, "s", 'i'},
                                           {"USER_NAME", 0, 1, "i", 'n'},
                                           {"DATABASE_PRINCIPAL_ID", 0, 1, "s", 'i'},
                                           {"XACT_STATE", 0, 0, "", 'm'},
                                           {"YEAR", 1, 1, "d", 'i'},
                                           {NULL, 0, 0, NULL, 0}};

static size_t
s_count (const sh_expr_t *args)
{
    size_t count = 0;
    for (; args; args = args->next)
        count++;
    return count;
}

static sh_frag_t
s_now (sh_bind_t *b, bool utc, bool fine)
{
    int64_t ticks = utc ? sh_ticks_utc () : sh_ticks_local ();
    sh_value_t value = sh_value_ticks (fine ? ticks : sh_ticks_to_datetime (ticks));
    sh_type_t type = sh_type_of (fine ? SH_TYPE_DATETIME2 : SH_TYPE_DATETIME);
    type.scale = fine ? 7 : 0;
    return sh_bind_parameter (b, &value, type);
}

static sh_frag_t
s_argument (sh_bind_t *b, const sh_expr_t *arg, char letter)
{
    sh_type_t type = {0};
    switch (letter) {
        case 'w':
            /*  A datepart: a bare word. */
            if (arg->kind != SH_EXPR_COLUMN || arg->path.schema)
                return sh_bind_fail (b, 1023, 15, 1,
                                     "Invalid parameter 1 specified for the function.");
            {
                sh_value_t word = sh_value_text (arg->path.object);
                return sh_bind_parameter (b, &word, sh_type_nvarchar (128));
            }
        case 's':
            type = sh_type_nvarchar (SH_MAX);
            break;
        case 'i':
            type = sh_type_of (SH_TYPE_BIGINT);
            break;
        case 'f':
            type = sh_type_of (SH_TYPE_FLOAT);
            break;
        case 't':
            /*  A time type stays; anything else becomes datetime. */
            {
                sh_frag_t time = sh_bind_expr (b, arg);
                return sh_type_is_time (&time.type)
                           ? time
                           : sh_bind_convert (b, time, sh_type_of (SH_TYPE_DATETIME));
            }
        case 'z':
            /*  A number stays; text becomes float. */
            {
                sh_frag_t number = sh_bind_expr (b, arg);
                return sh_type_is_number (&number.type)
                           ? number
                           : sh_bind_convert (b, number, sh_type_of (SH_TYPE_FLOAT));
            }
        case 'd':
            type = sh_type_of (SH_TYPE_DATETIME2);
            type.scale = 7;
            break;
        case 'b':
            type = sh_type_make (SH_TYPE_VARBINARY, SH_MAX);
            break;
        default:
            return sh_bind_expr (b, arg);
    }
    return sh_bind_convert (b, sh_bind_expr (b, arg), type);
}

static sh_type_t
s_result (char code, const sh_frag_t *args, size_t count)
{
    sh_type_t type = {0};
    switch (code) {
        case 'i':
            return sh_type_of (SH_TYPE_INT);
        case 'I':
            return sh_type_of (SH_TYPE_BIGINT);
        case 'm':
            return sh_type_of (SH_TYPE_SMALLINT);
        case 'b':
            return sh_type_of (SH_TYPE_BIT);
        case 'n':
            return sh_type_nvarchar (128);
        case 'q':
            return sh_type_nvarchar (258);
        case 'f':
            return sh_type_of (SH_TYPE_FLOAT);
        case 'd':
            return sh_type_of (SH_TYPE_DATETIME);
        case 'D':
            type = sh_type_of (SH_TYPE_DATETIME2);
            type.scale = 7;
            return type;
        case 'x':
            return sh_type_make (SH_TYPE_VARBINARY, 8000);
        case 'v':
            return sh_type_make (SH_TYPE_VARCHAR, 8000);
        case 'u':
            return sh_type_of (SH_TYPE_UNIQUEIDENTIFIER);
        case 'N':
            return sh_type_numeric (38, 0);
        case '1':
            return args[0].type;
        default:
            break;
    }
    /*  Text: as long as what went in, in its kind. */
    type = sh_type_nvarchar (4000);
    for (size_t i = 0; i < count; i++)
        if (args[i].type.size == SH_MAX && code != 'S')
            type.size = SH_MAX;
    return type;
}

/*  The type that an argument had before it was made text. */
static sh_type_t
s_text_type (sh_type_t original)
{
    if (!sh_type_is_text (&original))
        return sh_type_make (SH_TYPE_VARCHAR, 8000);
    sh_type_t type = original;
    if (type.id == SH_TYPE_CHAR || type.id == SH_TYPE_TEXT)
        type.id = SH_TYPE_VARCHAR;
    if (type.id == SH_TYPE_NCHAR || type.id == SH_TYPE_NTEXT || type.id == SH_TYPE_XML)
        type.id = SH_TYPE_NVARCHAR;
    if (original.id == SH_TYPE_TEXT || original.id == SH_TYPE_NTEXT || original.id == SH_TYPE_XML)
        type.size = SH_MAX;
    return type;
}

static sh_frag_t
s_call (sh_bind_t *b, const s_function_t *function, const sh_expr_t *expr)
{
    size_t count = s_count (expr->args);
    sh_frag_t args[256];
    if (count < (size_t)function->least || count > (size_t)function->most)
        return sh_bind_fail (b, 174, 15, 1, "The %s function requires %d argument(s).",
                             function->name, function->least);
    sh_buffer_t sql = {0};
    sh_buffer_puts (&sql, "ts_");
    for (const char *c = function->name; *c; c++)
        sh_buffer_putc (&sql, *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c);
    sh_buffer_putc (&sql, '(');
    size_t i = 0, letters = strlen (function->args);
    sh_type_t first = sh_type_of (SH_TYPE_NONE);
    for (const sh_expr_t *arg = expr->args; arg && !b->failed; arg = arg->next, i++) {
        char letter = function->args[i < letters ? i : letters - 1];
        if (i == 0 && function->result == 'S') {
            sh_frag_t raw = sh_bind_expr (b, arg);
            first = s_text_type (raw.type);
            args[i] = sh_bind_convert (b, raw, sh_type_nvarchar (SH_MAX));
        } else
            args[i] = s_argument (b, arg, letter);
        sh_buffer_printf (&sql, "%s%s", i ? "," : "", args[i].sql);
    }
    sh_buffer_putc (&sql, ')');
    sh_type_t type = function->result == 'S'   ? first
                     : function->result == '3' ? args[2].type
                                               : s_result (function->result, args, count);
    sh_frag_t out = sh_bind_of (sh_arena_strdup (b->arena, sh_buffer_text (&sql)), type);
    sh_buffer_free (&sql);
    if (function->result == '3' && !b->failed) {
        /*  Rounded as its type is. */
        out.type = sh_type_of (SH_TYPE_DATETIME2);
        out.type.scale = 7;
        out = sh_bind_cast (b, out, type, NULL, false);
    }
    return out;
}

/*  ---- special forms ---- */

static sh_frag_t
s_coalesce (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_frag_t args[64];
    size_t count = 0;
    sh_type_t type = sh_type_of (SH_TYPE_NONE);
    for (const sh_expr_t *arg = expr->args; arg && count < 64; arg = arg->next) {
        args[count] = sh_bind_expr (b, arg);
        type = sh_type_common (&type, &args[count++].type);
    }
    if (b->failed || count < 2)
        return sh_bind_fail (b, 102, 15, 1, "Incorrect syntax near 'COALESCE'.");
    sh_buffer_t sql = {0};
    for (size_t i = 0; i < count; i++)
        sh_buffer_printf (&sql, "%s%s", i ? "," : "coalesce(",
                          sh_bind_convert (b, args[i], type).sql);
    sh_buffer_putc (&sql, ')');
    sh_frag_t out = sh_bind_of (sh_arena_strdup (b->arena, sh_buffer_text (&sql)), type);
    sh_buffer_free (&sql);
    return out;
}

/*  ISNULL takes the first one's type. */
static sh_frag_t
s_isnull (sh_bind_t *b, const sh_expr_t *expr)
{
    if (s_count (expr->args) != 2)
        return sh_bind_fail (b, 174, 15, 1, "The isnull function requires 2 argument(s).");
    sh_frag_t first = sh_bind_expr (b, expr->args), second = sh_bind_expr (b, expr->args->next);
    sh_type_t type = first.type.id == SH_TYPE_NONE ? second.type : first.type;
    second = sh_bind_convert (b, second, type);
    sh_frag_t out =
        sh_bind_of (sh_arena_printf (b->arena, "coalesce(%s,%s)", first.sql, second.sql), type);
    out.nullable = second.nullable;
    return out;
}

static sh_frag_t
s_nullif (sh_bind_t *b, const sh_expr_t *expr)
{
    if (s_count (expr->args) != 2)
        return sh_bind_fail (b, 174, 15, 1, "The nullif function requires 2 argument(s).");
    sh_expr_t compare = {.kind = SH_EXPR_COMPARE,
                         .op = SH_OP_EQ,
                         .a = expr->args,
                         .b = expr->args->next,
                         .line = expr->line};
    const char *equal = sh_bind_condition (b, &compare);
    sh_frag_t first = sh_bind_expr (b, expr->args);
    if (b->failed)
        return first;
    return sh_bind_of (
        sh_arena_printf (b->arena, "(CASE WHEN %s THEN NULL ELSE %s END)", equal, first.sql),
        first.type);
}

static sh_frag_t
s_choose (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_expr_t rest = *expr;
    rest.args = expr->args ? expr->args->next : NULL;
    if (s_count (expr->args) < 2)
        return sh_bind_fail (b, 174, 15, 1, "The choose function requires 2 argument(s).");
    const char *index =
        sh_bind_convert (b, sh_bind_expr (b, expr->args), sh_type_of (SH_TYPE_INT)).sql;
    sh_type_t type = sh_type_of (SH_TYPE_NONE);
    for (const sh_expr_t *arg = rest.args; arg; arg = arg->next) {
        sh_frag_t frag = sh_bind_expr (b, arg);
        type = sh_type_common (&type, &frag.type);
    }
    sh_buffer_t sql = {0};
    sh_buffer_printf (&sql, "(CASE %s", index);
    int i = 1;
    for (const sh_expr_t *arg = rest.args; arg && !b->failed; arg = arg->next)
        sh_buffer_printf (&sql, " WHEN %d THEN %s", i++,
                          sh_bind_convert (b, sh_bind_expr (b, arg), type).sql);
    sh_buffer_puts (&sql, " END)");
    sh_frag_t out = sh_bind_of (sh_arena_strdup (b->arena, sh_buffer_text (&sql)), type);
    sh_buffer_free (&sql);
    return out;
}

static sh_frag_t
s_datalength (sh_bind_t *b, const sh_expr_t *expr)
{
    if (s_count (expr->args) != 1)
        return sh_bind_fail (b, 174, 15, 1, "The datalength function requires 1 argument(s).");
    sh_frag_t a = sh_bind_expr (b, expr->args);
    return sh_bind_of (sh_arena_printf (b->arena, "ts_datalength(%s,%d)", a.sql, (int)a.type.id),
                       sh_type_of (a.type.size == SH_MAX ? SH_TYPE_BIGINT : SH_TYPE_INT));
}

/*  SUBSTRING works on binary too. */
static sh_frag_t
s_substring (sh_bind_t *b, const sh_expr_t *expr)
{
    if (s_count (expr->args) != 3)
        return sh_bind_fail (b, 174, 15, 1, "The substring function requires 3 argument(s).");
    sh_frag_t a = sh_bind_expr (b, expr->args);
    sh_type_t whole = sh_type_of (SH_TYPE_BIGINT);
    sh_frag_t from = sh_bind_convert (b, sh_bind_expr (b, expr->args->next), whole);
    sh_frag_t size = sh_bind_convert (b, sh_bind_expr (b, expr->args->next->next), whole);
    if (b->failed)
        return a;
    if (sh_type_is_binary (&a.type)) {
        sh_type_t type = a.type;
        type.id = SH_TYPE_VARBINARY;
        return sh_bind_of (
            sh_arena_printf (b->arena, "ts_subbin(%s,%s,%s)", a.sql, from.sql, size.sql), type);
    }
    sh_type_t type = s_text_type (a.type);
    a = sh_bind_convert (b, a, sh_type_nvarchar (SH_MAX));
    return sh_bind_of (
        sh_arena_printf (b->arena, "ts_substring(%s,%s,%s)", a.sql, from.sql, size.sql), type);
}

static sh_frag_t
s_rand (sh_bind_t *b)
{
    /*  One value for the statement, as in SQL Server. */
    b->session->random = b->session->random * UINT64_C (6364136223846793005) + 1442695040888963407u;
    sh_value_t value = sh_value_double ((double)(b->session->random >> 11) / 9007199254740992.0);
    return sh_bind_parameter (b, &value, sh_type_of (SH_TYPE_FLOAT));
}

/*  ---- aggregates and windows ---- */

static const char *
s_over (sh_bind_t *b, const sh_over_t *over)
{
    if (!over)
        return "";
    sh_buffer_t sql = {0};
    sh_buffer_puts (&sql, " OVER (");
    for (const sh_expr_t *item = over->partition; item && !b->failed; item = item->next)
        sh_buffer_printf (&sql, "%s%s", item == over->partition ? "PARTITION BY " : ",",
                          sh_bind_collated (b, sh_bind_expr (b, item)));
    for (const sh_order_t *item = over->order; item && !b->failed; item = item->next)
        sh_buffer_printf (&sql, "%s%s%s", item == over->order ? " ORDER BY " : ",",
                          sh_bind_collated (b, sh_bind_expr (b, item->expr)),
                          item->descending ? " DESC" : "");
    if (over->frame)
        sh_buffer_printf (&sql, " %s", over->frame);
    sh_buffer_putc (&sql, ')');
    const char *text = sh_arena_strdup (b->arena, sh_buffer_text (&sql));
    sh_buffer_free (&sql);
    return text;
}

static sh_frag_t
s_sum (sh_bind_t *b, const char *name, const char *distinct, sh_frag_t a, const char *over)
{
    bool average = strcasecmp (name, "AVG") == 0;
    if (a.type.id == SH_TYPE_NONE || !sh_type_is_number (&a.type) || a.type.id == SH_TYPE_BIT)
        return sh_bind_fail (b, 8117, 16, 1, "Operand data type %s is invalid for %s operator.",
                             a.type.id ? sh_type_name (a.type.id) : "NULL",
                             average ? "avg" : "sum");
    sh_type_t type = a.type;
    if (sh_type_kind (&type) == SH_DECIMAL) {
        sh_type_t wide = sh_type_numeric (38, sh_type_as_numeric (&type).scale);
        if (type.id == SH_TYPE_NUMERIC)
            type = wide;
        const char *sum = sh_arena_printf (b->arena, "ts_sum(%s%s)%s", distinct, a.sql, over);
        if (!average)
            return sh_bind_of (sum, type);
        if (type.id == SH_TYPE_NUMERIC && type.scale < 6)
            type.scale = 6;
        return sh_bind_of (
            sh_arena_printf (b->arena, "ts_dec('/',%s,nullif(count(%s%s)%s,0),%d,38)", sum,
                             distinct, a.sql, over, sh_type_as_numeric (&type).scale),
            type);
    }
    if (sh_type_kind (&type) == SH_DOUBLE)
        return sh_bind_of (sh_arena_printf (b->arena, "%s(%s%s)%s", average ? "avg" : "sum",
                                            distinct, a.sql, over),
                           sh_type_of (SH_TYPE_FLOAT));
    if (type.id != SH_TYPE_BIGINT)
        type.id = SH_TYPE_INT;
    sh_frag_t sum = sh_bind_of (sh_arena_printf (b->arena, "sum(%s%s)%s", distinct, a.sql, over),
                                sh_type_of (SH_TYPE_BIGINT));
    if (average)
        return sh_bind_of (sh_arena_printf (b->arena, "(%s/nullif(count(%s%s)%s,0))", sum.sql,
                                            distinct, a.sql, over),
                           type);
    return sh_bind_convert (b, sum, type);
}

static sh_frag_t
s_count_function (sh_bind_t *b, const sh_expr_t *expr, const char *over)
{
    sh_type_t type =
        sh_type_of (sh_same (expr->path.object, "COUNT_BIG") ? SH_TYPE_BIGINT : SH_TYPE_INT);
    sh_frag_t out;
    if (expr->star)
        out = sh_bind_of (sh_arena_printf (b->arena, "count(*)%s", over), type);
    else if (s_count (expr->args) != 1)
        return sh_bind_fail (b, 174, 15, 1, "The count function requires 1 argument(s).");
    else
        out = sh_bind_of (
            sh_arena_printf (b->arena, "count(%s%s)%s", expr->distinct ? "DISTINCT " : "",
                             sh_bind_collated (b, sh_bind_expr (b, expr->args)), over),
            type);
    out.nullable = false;
    return out;
}

/*  True when the function is one of them; *out is filled. */
static bool
s_aggregate (sh_bind_t *b, const sh_expr_t *expr, sh_frag_t *out)
{
    static const char *const ranks[] = {"ROW_NUMBER", "RANK", "DENSE_RANK", NULL};
    static const char *const values[] = {"LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE", NULL};
    const char *name = expr->path.object;
    const char *distinct = expr->distinct ? "DISTINCT " : "";
    for (size_t i = 0; ranks[i]; i++)
        if (sh_same (name, ranks[i])) {
            *out =
                sh_bind_of (sh_arena_printf (b->arena, "%s()%s", ranks[i], s_over (b, expr->over)),
                            sh_type_of (SH_TYPE_BIGINT));
            return true;
        }
    if (sh_same (name, "COUNT") || sh_same (name, "COUNT_BIG")) {
        *out = s_count_function (b, expr, s_over (b, expr->over));
        return true;
    }
    if (sh_same (name, "SUM") || sh_same (name, "AVG")) {
        sh_frag_t a = expr->args ? sh_bind_expr (b, expr->args) : sh_bind_failed (b);
        *out = b->failed ? a : s_sum (b, name, distinct, a, s_over (b, expr->over));
        return true;
    }
    if ((sh_same (name, "MIN") || sh_same (name, "MAX")) && s_count (expr->args) == 1) {
        sh_frag_t a = sh_bind_expr (b, expr->args);
        *out = sh_bind_of (sh_arena_printf (b->arena, "%s(%s)%s", name, sh_bind_collated (b, a),
                                            s_over (b, expr->over)),
                           a.type);
        return true;
    }
    if (sh_same (name, "STRING_AGG") && s_count (expr->args) == 2) {
        sh_type_t text = sh_type_nvarchar (SH_MAX);
        sh_frag_t a = sh_bind_convert (b, sh_bind_expr (b, expr->args), text);
        sh_frag_t separator = sh_bind_convert (b, sh_bind_expr (b, expr->args->next), text);
        *out = sh_bind_of (sh_arena_printf (b->arena, "group_concat(%s,%s)", a.sql, separator.sql),
                           text);
        return true;
    }
    for (size_t i = 0; values[i]; i++)
        if (sh_same (name, values[i]) && expr->args) {
            sh_frag_t a = sh_bind_expr (b, expr->args);
            const char *offset = "";
            if (expr->args->next)
                offset = sh_arena_printf (b->arena, ",%s", sh_bind_expr (b, expr->args->next).sql);
            *out = sh_bind_of (sh_arena_printf (b->arena, "%s(%s%s)%s", values[i], a.sql, offset,
                                                s_over (b, expr->over)),
                               a.type);
            return true;
        }
    return false;
}

/*  ---- the user's own functions ---- */

static sh_frag_t
s_user_call (sh_bind_t *b, const sh_expr_t *expr, int db_id, const sh_module_def_t *def)
{
    sh_value_t schema = sh_value_text (expr->path.schema ? expr->path.schema : "dbo");
    sh_value_t name = sh_value_text (expr->path.object);
    sh_type_t text = sh_type_nvarchar (128);
    sh_buffer_t sql = {0};
    sh_buffer_printf (&sql, "ts_udf(%d,%s,%s", db_id, sh_bind_parameter (b, &schema, text).sql,
                      sh_bind_parameter (b, &name, text).sql);
    const sh_expr_t *arg = expr->args;
    for (const sh_variable_t *parameter = def->parameters; parameter && !b->failed;
         parameter = parameter->next) {
        if (!arg) {
            sh_bind_fail (b, 313, 16, 2,
                          "An insufficient number of arguments were supplied for the procedure or "
                          "function %s.",
                          expr->path.object);
            break;
        }
        const sh_expr_t *value = arg->kind == SH_EXPR_DEFAULT ? parameter->init : arg;
        sh_frag_t frag =
            value ? sh_bind_expr (b, value) : sh_bind_of ("NULL", parameter->type.type);
        sh_buffer_printf (&sql, ",%s", sh_bind_convert (b, frag, parameter->type.type).sql);
        arg = arg->next;
    }
    if (arg)
        sh_bind_fail (b, 8144, 16, 2, "Procedure or function %s has too many arguments specified.",
                      expr->path.object);
    sh_buffer_putc (&sql, ')');
    sh_frag_t out =
        sh_bind_of (sh_arena_strdup (b->arena, sh_buffer_text (&sql)), def->returns.type);
    sh_buffer_free (&sql);
    return out;
}

static sh_frag_t
s_user_function (sh_bind_t *b, const sh_expr_t *expr)
{
    sh_session_t *session = b->session;
    int db_id = b->db_id;
    char text[600];
    sh_name_text (&expr->path, text, sizeof text);
    if (expr->path.database) {
        sh_db_info_t info;
        if (sh_db_find (session->instance, expr->path.database, &info) != SH_OK)
            return sh_bind_fail (b, 4121, 16, 1, "Cannot find the function \"%s\".", text);
        db_id = info.id;
    }
    const sh_module_t *module = NULL;
    sh_status_t status = sh_module_open (session->engine, db_id, "FN", expr->path.schema,
                                         expr->path.object, &module, &session->error);
    if (status == SH_END)
        return sh_bind_fail (b, 4121, 16, 1,
                             "Cannot find either column \"%s\" or the user-defined function or "
                             "aggregate \"%s\", or the name is ambiguous.",
                             expr->path.schema, text);
    if (status != SH_OK) {
        sh_processor_stop (b->connection, status);
        return sh_bind_failed (b);
    }
    sh_script_t *script = sh_script_acquire (session, module);
    sh_frag_t out;
    if (!script || !script->body->module)
        out = sh_bind_failed (b);
    else
        out = s_user_call (b, expr, db_id, script->body->module);
    if (script)
        sh_script_release (session, script);
    sh_module_close (session->engine, &module);
    return out;
}

sh_frag_t
sh_bind_function (sh_bind_t *b, const sh_expr_t *expr)
{
    static const struct {
        const char *name;
        sh_frag_t (*bind) (sh_bind_t *, const sh_expr_t *);
    } special[] = {{"COALESCE", s_coalesce},     {"ISNULL", s_isnull},
                   {"NULLIF", s_nullif},         {"CHOOSE", s_choose},
                   {"DATALENGTH", s_datalength}, {"SUBSTRING", s_substring}};
    const char *name = expr->path.object;
    sh_frag_t out;
    if (expr->path.schema && !sh_same (expr->path.schema, "sys"))
        return s_user_function (b, expr);
    if (s_aggregate (b, expr, &out))
        return out;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (sh_same (name, special[i].name))
            return special[i].bind (b, expr);
    if (sh_same (name, "GETDATE") || sh_same (name, "CURRENT_TIMESTAMP"))
        return s_now (b, false, false);
    if (sh_same (name, "GETUTCDATE"))
        return s_now (b, true, false);
    if (sh_same (name, "SYSDATETIME"))
        return s_now (b, false, true);
    if (sh_same (name, "SYSUTCDATETIME"))
        return s_now (b, true, true);
    if (sh_same (name, "RAND"))
        return s_rand (b);
    if (sh_same (name, "SYSTEM_USER"))
        return sh_bind_of ("ts_suser_sname()", sh_type_nvarchar (128));
    if (sh_same (name, "CURRENT_USER") || sh_same (name, "USER") || sh_same (name, "SESSION_USER"))
        return sh_bind_of ("ts_user_name()", sh_type_nvarchar (128));
    for (const s_function_t *function = s_functions; function->name; function++)
        if (sh_same (name, function->name))
            return s_call (b, function, expr);
    /*  SQL Server ends after "name."; it knows more functions than we do. */
    return sh_bind_fail (b, 195, 15, 10,
                         "'%s' is not a recognized built-in function name. (Not one that sqlhost "
                         "supports.)",
                         name);
}
