#include "bind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sh_frag_t
sh_bind_of (const char *sql, sh_type_t type)
{
    sh_frag_t frag = {.sql = sql, .type = type, .nullable = true};
    return frag;
}

sh_frag_t
sh_bind_failed (sh_bind_t *b)
{
    b->failed = true;
    return sh_bind_of ("NULL", sh_type_of (SH_TYPE_NONE));
}

sh_frag_t
sh_bind_fail (sh_bind_t *b, int number, int severity, int state, const char *format, ...)
{
    if (!b->failed) {
        char text[1024];
        va_list args;
        va_start (args, format);
        vsnprintf (text, sizeof text, format, args);
        va_end (args);
        sh_error_set (b->session, number, severity, state, "%s", text);
    }
    return sh_bind_failed (b);
}

sh_frag_t
sh_bind_parameter (sh_bind_t *b, const sh_value_t *value, sh_type_t type)
{
    if (value->kind == SH_NULL)
        return sh_bind_of ("NULL", type);
    if (value->kind == SH_INT && value->as.integer >= 0)
        return sh_bind_of (sh_arena_printf (b->arena, "%lld", (long long)value->as.integer), type);
    if ((b->parameter_count & (b->parameter_count - 1)) == 0)
        b->parameters =
            sh_realloc (b->parameters,
                        (b->parameter_count ? b->parameter_count * 2 : 1) * sizeof *b->parameters);
    b->parameters[b->parameter_count++] = sh_value_copy (value);
    return sh_bind_of (sh_arena_printf (b->arena, "?%zu", b->parameter_count), type);
}

/*  Does a value of one type stand as it is for the other? */
static bool
s_fits (const sh_type_t *from, const sh_type_t *to)
{
    if (from->id == SH_TYPE_NONE || sh_type_same (from, to))
        return true;
    if (sh_type_kind (from) != sh_type_kind (to))
        return false;
    switch (sh_type_kind (to)) {
        case SH_INT:
            return from->id <= to->id;
        case SH_DOUBLE:
            return to->id == SH_TYPE_FLOAT;
        case SH_TEXT:
            if (to->id == SH_TYPE_CHAR || to->id == SH_TYPE_NCHAR)
                return false;
            return to->size == SH_MAX || to->id == SH_TYPE_TEXT || to->id == SH_TYPE_NTEXT ||
                   (from->size > 0 && from->size <= to->size);
        case SH_BLOB:
            return to->id != SH_TYPE_BINARY &&
                   (to->size == SH_MAX || (from->size > 0 && from->size <= to->size));
        case SH_DECIMAL:
            return false;
        case SH_DATETIME:
            return (to->id == SH_TYPE_DATETIME2 && from->id != SH_TYPE_TIME && to->scale == 7);
        default:
            return true;
    }
}

sh_frag_t
sh_bind_cast (sh_bind_t *b, sh_frag_t frag, sh_type_t to, const char *style, bool try_it)
{
    sh_type_t from = frag.type;
    sh_frag_t out = frag;
    out.type = to;
    out.is_column = false;
    out.identity = false;
    out.name = NULL;
    out.sql = sh_arena_printf (b->arena, "ts_conv(%s,%d,%d,%d,%d,%d,%d,%d,%d,%s,%d)", frag.sql,
                               (int)from.id, from.size, from.precision, from.scale, (int)to.id,
                               to.size, to.precision, to.scale, style ? style : "0", try_it);
    return out;
}

sh_frag_t
sh_bind_convert (sh_bind_t *b, sh_frag_t frag, sh_type_t to)
{
    if (b->failed)
        return frag;
    if (s_fits (&frag.type, &to)) {
        frag.type = to;
        return frag;
    }
    return sh_bind_cast (b, frag, to, NULL, false);
}

const char *
sh_bind_collated (sh_bind_t *b, sh_frag_t frag)
{
    if (frag.is_column && !frag.collation)
        return frag.sql; /* its declaration has it */
    if (sh_type_is_text (&frag.type))
        return sh_arena_printf (b->arena, "%s COLLATE %s", frag.sql,
                                frag.collation ? frag.collation : "TSQL");
    if (sh_type_kind (&frag.type) == SH_DECIMAL)
        return sh_arena_printf (b->arena, "%s COLLATE TSQLNUM", frag.sql);
    return frag.sql;
}

size_t
sh_bind_slot (sh_bind_t *b)
{
    b->slots = sh_realloc (b->slots, (b->slot_count + 1) * sizeof *b->slots);
    b->slots[b->slot_count] = (sh_slot_t){0};
    return b->slot_count++;
}
