/*  tests/sqlhost/tds/request.c */
#include "tests/sqlhost/tds/request.h"

#include "tests/sqlhost/tds/decode.h"
#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/utf.h"

#include <stdlib.h>
#include <string.h>

bool
sh_tds_request_headers (sh_reader_t *in, uint32_t version)
{
    if (version < SH_TDS_72)
        return true;
    size_t total = sh_reader_u32 (in);
    if (in->failed || total < 4 || total - 4 > sh_reader_left (in))
        return false;
    sh_reader_t headers = sh_reader_make (sh_reader_take (in, total - 4), total - 4);
    while (sh_reader_left (&headers) > 0) {
        size_t length = sh_reader_u32 (&headers);
        if (headers.failed || length < 6 || !sh_reader_take (&headers, length - 4))
            return false;
    }
    return true;
}

static bool
s_bad (const char **why, const char *reason)
{
    *why = reason;
    return false;
}

bool
sh_tds_request_batch (const uint8_t *data, size_t size, uint32_t version, sh_writer_t *out,
                      const char **why)
{
    sh_reader_t reader = sh_reader_make (data, size);

    if (!sh_tds_request_headers (&reader, version))
        return s_bad (why, "a batch's ALL_HEADERS are malformed");
    size_t left = sh_reader_left (&reader);
    if (!sh_utf_from_utf16 (out, sh_reader_take (&reader, left), left))
        return s_bad (why, "a batch's text has half a character");
    return true;
}

/*  ---- transaction manager requests ---- */

enum { TM_BEGIN = 5, TM_COMMIT = 7, TM_ROLLBACK = 8, TM_SAVE = 9 };

static void
s_text (sh_writer_t *out, const char *text)
{
    sh_writer_bytes (out, text, strlen (text));
}

/*  B_VARBYTE of UTF-16, appended as " [name]" with ']' doubled; nothing for an empty name. */
static bool
s_transaction_name (sh_reader_t *in, sh_writer_t *out)
{
    size_t size = sh_reader_u8 (in);
    const uint8_t *data = sh_reader_take (in, size);
    sh_writer_t name = {0};

    if (!data || !sh_utf_from_utf16 (&name, data, size))
        return false;
    if (name.size > 0) {
        s_text (out, " [");
        for (size_t i = 0; i < name.size; i++) {
            if (name.data[i] == ']')
                sh_writer_u8 (out, ']');
            sh_writer_u8 (out, name.data[i]);
        }
        s_text (out, "]");
    }
    sh_writer_free (&name);
    return true;
}

static bool
s_begin (sh_reader_t *in, sh_writer_t *out)
{
    static const char *const levels[] = {
        NULL, "READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT"};
    uint8_t level = sh_reader_u8 (in);

    if (in->failed || level >= sizeof levels / sizeof levels[0])
        return false;
    if (levels[level]) {
        s_text (out, "SET TRANSACTION ISOLATION LEVEL ");
        s_text (out, levels[level]);
        s_text (out, "; ");
    }
    s_text (out, "BEGIN TRANSACTION");
    return s_transaction_name (in, out);
}

/*  COMMIT and ROLLBACK may begin the next transaction in the same request (fBeginXact). */
static bool
s_end (sh_reader_t *in, sh_writer_t *out, const char *statement)
{
    s_text (out, statement);
    if (!s_transaction_name (in, out))
        return false;
    uint8_t flags = sh_reader_u8 (in);
    if (in->failed || !(flags & 1))
        return !in->failed;
    s_text (out, "; ");
    return s_begin (in, out);
}

bool
sh_tds_request_transaction (const uint8_t *data, size_t size, uint32_t version, sh_writer_t *out,
                            bool *refused, const char **why)
{
    sh_reader_t reader = sh_reader_make (data, size);
    bool good = sh_tds_request_headers (&reader, version);
    uint16_t what = good ? sh_reader_u16 (&reader) : 0;

    *refused = false;
    if (!good || reader.failed)
        return s_bad (why, "a transaction manager request is cut");
    switch (what) {
        case TM_BEGIN:
            good = s_begin (&reader, out);
            break;
        case TM_COMMIT:
            good = s_end (&reader, out, "COMMIT TRANSACTION");
            break;
        case TM_ROLLBACK:
            good = s_end (&reader, out, "ROLLBACK TRANSACTION");
            break;
        case TM_SAVE:
            s_text (out, "SAVE TRANSACTION");
            good = s_transaction_name (&reader, out);
            break;
        default:
            *refused = true;
            return s_bad (why, "distributed transactions are not supported by sqlhost");
    }
    return good || s_bad (why, "a transaction manager request is malformed");
}

/*  ---- remote procedure calls ---- */

static const char *const s_procedures[] = {NULL,
                                           "sp_cursor",
                                           "sp_cursoropen",
                                           "sp_cursorprepare",
                                           "sp_cursorexecute",
                                           "sp_cursorprepexec",
                                           "sp_cursorunprepare",
                                           "sp_cursorfetch",
                                           "sp_cursoroption",
                                           "sp_cursorclose",
                                           "sp_executesql",
                                           "sp_prepare",
                                           "sp_execute",
                                           "sp_prepexec",
                                           "sp_prepexecrpc",
                                           "sp_unprepare"};

/*  `characters` of UTF-16 into an allocated name without NUL inside. */
static bool
s_name (sh_reader_t *in, size_t characters, char **name)
{
    const uint8_t *data = sh_reader_take (in, characters * 2);
    sh_writer_t out = {0};

    if (!data)
        return false;
    sh_utf_from_utf16 (&out, data, characters * 2);
    size_t size = out.size;
    *name = sh_writer_release (&out);
    return strlen (*name) == size;
}

static bool
s_procedure (sh_reader_t *in, sh_tds_call_t *call)
{
    size_t length = sh_reader_u16 (in);

    if (length != 0xFFFF)
        return length > 0 && length <= SH_LIMIT_RPC_NAME && s_name (in, length, &call->name);
    uint16_t number = sh_reader_u16 (in);
    if (in->failed || number == 0 || number >= sizeof s_procedures / sizeof s_procedures[0])
        return false;
    sh_writer_t out = {0};
    s_text (&out, s_procedures[number]);
    call->name = sh_writer_release (&out);
    call->rpc.number = number;
    return true;
}

static sh_rpc_parameter_t *
s_new_parameter (sh_tds_call_t *call)
{
    if (call->count == call->capacity) {
        call->capacity = call->capacity ? call->capacity * 2 : 8;
        sh_rpc_parameter_t *grown = sh_wire_alloc (call->capacity * sizeof *grown);
        if (call->count > 0)
            memcpy (grown, call->parameters, call->count * sizeof *grown);
        free (call->parameters);
        call->parameters = grown;
    }
    return &call->parameters[call->count++];
}

/*  StatusFlags of a parameter */
enum { PARAMETER_OUTPUT = 1, PARAMETER_DEFAULT = 2, PARAMETER_ENCRYPTED = 8 };

static sh_tds_call_result_t
s_parameter (sh_reader_t *in, uint32_t version, sh_tds_call_t *call, const char **why)
{
    sh_decode_type_t type;
    char *name = NULL;
    size_t length = sh_reader_u8 (in);

    *why = "a parameter's name is malformed";
    if (call->count == SH_LIMIT_RPC_PARAMETERS) {
        *why = "a call has more parameters than the limit";
        return SH_TDS_CALL_MALFORMED;
    }
    sh_rpc_parameter_t *parameter = s_new_parameter (call);
    bool good = length <= SH_LIMIT_PARAMETER_NAME && s_name (in, length, &name);
    parameter->name = name;
    if (!good)
        return SH_TDS_CALL_MALFORMED;
    uint8_t status = sh_reader_u8 (in);
    parameter->output = status & PARAMETER_OUTPUT;
    parameter->use_default = status & PARAMETER_DEFAULT;
    sh_decode_t result = sh_decode_type (in, version, &type);
    if (result == SH_DECODE_OK)
        result = sh_decode_value (in, &type, &parameter->value);
    if (result == SH_DECODE_UNKNOWN_TYPE || (status & PARAMETER_ENCRYPTED)) {
        call->bad_parameter = call->count;
        call->bad_type = type.token;
        return SH_TDS_CALL_BAD_TYPE;
    }
    *why = "a parameter's type or value is malformed";
    parameter->type = type.type;
    return result == SH_DECODE_OK ? SH_TDS_CALL_READ : SH_TDS_CALL_MALFORMED;
}

/*  2.2.6.6 BatchFlag and NoExecFlag stand where a parameter's name length would: between calls. */
static bool
s_at_separator (const sh_reader_t *in, uint32_t version)
{
    uint8_t next = in->data[in->at];

    if (version < SH_TDS_72)
        return next == 0x80;
    return next == 0xFF || next == 0xFE;
}

sh_tds_call_result_t
sh_tds_call_read (sh_reader_t *in, uint32_t version, sh_tds_call_t *call, const char **why)
{
    *call = (sh_tds_call_t){0};
    if (sh_reader_left (in) == 0)
        return SH_TDS_CALL_END;
    if (!s_procedure (in, call)) {
        *why = "a call's procedure name is malformed";
        return SH_TDS_CALL_MALFORMED;
    }
    call->options = sh_reader_u16 (in);
    if (in->failed) {
        *why = "a call is cut";
        return SH_TDS_CALL_MALFORMED;
    }
    while (sh_reader_left (in) > 0) {
        if (s_at_separator (in, version)) {
            sh_reader_u8 (in);
            break;
        }
        sh_tds_call_result_t result = s_parameter (in, version, call, why);
        if (result != SH_TDS_CALL_READ)
            return result;
    }
    call->rpc.name = call->name;
    call->rpc.parameters = call->parameters;
    call->rpc.parameter_count = call->count;
    return SH_TDS_CALL_READ;
}

void
sh_tds_call_free (sh_tds_call_t *call)
{
    for (size_t i = 0; i < call->count; i++) {
        free ((void *)(uintptr_t)call->parameters[i].name);
        sh_decode_free_value (&call->parameters[i].value);
    }
    free (call->parameters);
    free (call->name);
    *call = (sh_tds_call_t){0};
}
