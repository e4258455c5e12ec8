/*  tests/unit/sqlhost/test_request.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/request.h"
#include "tests/sqlhost/tds/utf.h"
#include "tests/sqlhost/tds/wiretype.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*  ALL_HEADERS with a transaction descriptor, as clients send it. */
static void
put_headers (sh_writer_t *out)
{
    sh_writer_u32 (out, 22);
    sh_writer_u32 (out, 18);
    sh_writer_u16 (out, 2);
    sh_writer_u64 (out, 0);
    sh_writer_u32 (out, 1);
}

static void
put_name (sh_writer_t *out, const char *name, size_t length_bytes)
{
    sh_writer_uint (out, strlen (name), length_bytes);
    sh_utf_to_utf16 (out, name, strlen (name));
}

/*  ---- batches ---- */

static void
a_batch_is_read_with_and_without_headers (void **state)
{
    sh_writer_t data = {0}, text = {0};
    const char *why;
    (void)state;
    sh_utf_to_utf16 (&data, "SELECT N'\xE2\x82\xAC'", 13);
    assert_true (sh_tds_request_batch (data.data, data.size, SH_TDS_71, &text, &why));
    assert_string_equal (sh_writer_text (&text), "SELECT N'\xE2\x82\xAC'");
    sh_writer_clear (&data);
    sh_writer_clear (&text);
    put_headers (&data);
    sh_utf_to_utf16 (&data, "x", 1);
    assert_true (sh_tds_request_batch (data.data, data.size, SH_TDS_72, &text, &why));
    assert_string_equal (sh_writer_text (&text), "x");
    sh_writer_clear (&text);
    assert_false (sh_tds_request_batch (data.data, data.size - 1, SH_TDS_72, &text, &why));
    sh_writer_free (&data);
    sh_writer_free (&text);
}

static void
headers_that_do_not_add_up_are_refused (void **state)
{
    static const struct {
        uint32_t total, length;
        bool good;
    } cases[] = {{22, 18, true},  {3, 18, false}, {0, 18, false},          {23, 18, false},
                 {22, 19, false}, {22, 5, false}, {22, 0xFFFFFFFF, false}, {0xFFFFFFFF, 18, false},
                 {4, 18, true},   {22, 0, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t data[22] = {0};
        for (size_t k = 0; k < 4; k++) {
            data[k] = (uint8_t)(cases[i].total >> (8 * k));
            data[4 + k] = (uint8_t)(cases[i].length >> (8 * k));
        }
        sh_reader_t reader = sh_reader_make (data, sizeof data);
        assert_int_equal (sh_tds_request_headers (&reader, SH_TDS_74), cases[i].good);
    }
}

/*  ---- transaction manager ---- */

static bool
transaction_text (const sh_writer_t *data, char *out, size_t size, bool *refused)
{
    sh_writer_t text = {0};
    const char *why = NULL;

    bool good =
        sh_tds_request_transaction (data->data, data->size, SH_TDS_74, &text, refused, &why);
    snprintf (out, size, "%s", good ? sh_writer_text (&text) : why);
    sh_writer_free (&text);
    return good;
}

static void
transaction_requests_become_statements (void **state)
{
    char text[256];
    bool refused;
    sh_writer_t data = {0};
    (void)state;
    put_headers (&data);
    sh_writer_u16 (&data, 5);
    sh_writer_u8 (&data, 2);
    sh_writer_u8 (&data, 6);
    sh_utf_to_utf16 (&data, "a]b", 3);
    assert_true (transaction_text (&data, text, sizeof text, &refused));
    assert_string_equal (
        text, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION [a]]b]");
    data.size = 22;
    sh_writer_u16 (&data, 7);
    sh_writer_u8 (&data, 0);
    sh_writer_u8 (&data, 0);
    assert_true (transaction_text (&data, text, sizeof text, &refused));
    assert_string_equal (text, "COMMIT TRANSACTION");
    data.size = 22;
    sh_writer_u16 (&data, 8);
    sh_writer_u8 (&data, 0);
    sh_writer_u8 (&data, 1); /* and begin the next */
    sh_writer_u8 (&data, 0);
    sh_writer_u8 (&data, 0);
    assert_true (transaction_text (&data, text, sizeof text, &refused));
    assert_string_equal (text, "ROLLBACK TRANSACTION; BEGIN TRANSACTION");
    data.size = 22;
    sh_writer_u16 (&data, 9);
    sh_writer_u8 (&data, 2);
    sh_utf_to_utf16 (&data, "s", 1);
    assert_true (transaction_text (&data, text, sizeof text, &refused));
    assert_string_equal (text, "SAVE TRANSACTION [s]");
    sh_writer_free (&data);
}

static void
distributed_transactions_are_refused_and_cut_requests_malformed (void **state)
{
    char text[256];
    bool refused;
    sh_writer_t data = {0};
    (void)state;
    put_headers (&data);
    assert_false (transaction_text (&data, text, sizeof text, &refused));
    assert_false (refused);
    sh_writer_u16 (&data, 1);
    assert_false (transaction_text (&data, text, sizeof text, &refused));
    assert_true (refused);
    data.size = 22;
    sh_writer_u16 (&data, 5);
    assert_false (transaction_text (&data, text, sizeof text, &refused));
    assert_false (refused);
    sh_writer_u8 (&data, 6); /* no such isolation level */
    sh_writer_u8 (&data, 0);
    assert_false (transaction_text (&data, text, sizeof text, &refused));
    assert_false (refused);
    sh_writer_free (&data);
}

/*  ---- calls ---- */

static void
put_int_parameter (sh_writer_t *out, const char *name, uint8_t status, int32_t value)
{
    put_name (out, name, 1);
    sh_writer_u8 (out, status);
    sh_writer_u8 (out, SH_WIRE_INTN);
    sh_writer_u8 (out, 4);
    sh_writer_u8 (out, 4);
    sh_writer_u32 (out, (uint32_t)value);
}

static void
several_calls_in_a_message_are_read_one_by_one (void **state)
{
    static const struct {
        uint32_t version;
        uint8_t separator;
    } dialects[] = {{SH_TDS_71, 0x80}, {SH_TDS_72, 0xFF}, {SH_TDS_74, 0xFE}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sh_writer_t data = {0};
        sh_tds_call_t call;
        const char *why;
        put_name (&data, "dbo.p", 2);
        sh_writer_u16 (&data, 2);
        put_int_parameter (&data, "@a", 1, -7);
        put_int_parameter (&data, "", 2, 9);
        sh_writer_u8 (&data, dialects[i].separator);
        sh_writer_u16 (&data, 0xFFFF);
        sh_writer_u16 (&data, SH_PROC_EXECUTESQL);
        sh_writer_u16 (&data, 0);
        sh_reader_t reader = sh_reader_make (data.data, data.size);
        assert_int_equal (sh_tds_call_read (&reader, dialects[i].version, &call, &why),
                          SH_TDS_CALL_READ);
        assert_string_equal (call.rpc.name, "dbo.p");
        assert_int_equal (call.rpc.number, SH_PROC_NONE);
        assert_int_equal (call.options, 2);
        assert_int_equal (call.rpc.parameter_count, 2);
        assert_string_equal (call.rpc.parameters[0].name, "@a");
        assert_true (call.rpc.parameters[0].output);
        assert_false (call.rpc.parameters[0].use_default);
        assert_int_equal (call.rpc.parameters[0].value.as.integer, -7);
        assert_int_equal (call.rpc.parameters[0].type.id, SH_TYPE_INT);
        assert_true (call.rpc.parameters[1].use_default);
        sh_tds_call_free (&call);
        assert_int_equal (sh_tds_call_read (&reader, dialects[i].version, &call, &why),
                          SH_TDS_CALL_READ);
        assert_string_equal (call.rpc.name, "sp_executesql");
        assert_int_equal (call.rpc.number, SH_PROC_EXECUTESQL);
        sh_tds_call_free (&call);
        assert_int_equal (sh_tds_call_read (&reader, dialects[i].version, &call, &why),
                          SH_TDS_CALL_END);
        sh_writer_free (&data);
    }
}

static sh_tds_call_result_t
read_exact (const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc (size ? size : 1);
    sh_tds_call_t call;
    const char *why;

    memcpy (exact, data, size);
    sh_reader_t reader = sh_reader_make (exact, size);
    sh_tds_call_result_t result = sh_tds_call_read (&reader, SH_TDS_74, &call, &why);
    sh_tds_call_free (&call);
    free (exact);
    return result;
}

static void
a_cut_call_is_malformed_or_ends_between_parameters (void **state)
{
    sh_writer_t data = {0};
    size_t whole[3];
    (void)state;
    put_name (&data, "p", 2);
    sh_writer_u16 (&data, 0);
    whole[0] = data.size;
    put_int_parameter (&data, "@a", 0, 1);
    whole[1] = data.size;
    put_int_parameter (&data, "@b", 0, 2);
    whole[2] = data.size;
    for (size_t size = 1; size <= data.size; size++) {
        bool good = size == whole[0] || size == whole[1] || size == whole[2];
        assert_int_equal (read_exact (data.data, size),
                          good ? SH_TDS_CALL_READ : SH_TDS_CALL_MALFORMED);
    }
    sh_writer_free (&data);
}

static void
a_call_has_at_most_2100_parameters (void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        sh_writer_t data = {0};
        put_name (&data, "p", 2);
        sh_writer_u16 (&data, 0);
        for (size_t i = 0; i < SH_LIMIT_RPC_PARAMETERS + extra; i++)
            put_int_parameter (&data, "", 0, 1);
        assert_int_equal (read_exact (data.data, data.size),
                          extra ? SH_TDS_CALL_MALFORMED : SH_TDS_CALL_READ);
        sh_writer_free (&data);
    }
}

static void
names_of_calls_are_limited (void **state)
{
    char name[SH_LIMIT_RPC_NAME + 2];
    (void)state;
    memset (name, 'p', sizeof name);
    for (size_t extra = 0; extra < 2; extra++) {
        sh_writer_t data = {0};
        name[SH_LIMIT_RPC_NAME + extra] = 0;
        put_name (&data, name, 2);
        sh_writer_u16 (&data, 0);
        assert_int_equal (read_exact (data.data, data.size),
                          extra ? SH_TDS_CALL_MALFORMED : SH_TDS_CALL_READ);
        sh_writer_free (&data);
        memset (name, 'p', sizeof name);
    }
    for (size_t extra = 0; extra < 2; extra++) {
        sh_writer_t data = {0};
        put_name (&data, "p", 2);
        sh_writer_u16 (&data, 0);
        name[SH_LIMIT_PARAMETER_NAME + extra] = 0;
        put_int_parameter (&data, name, 0, 1);
        assert_int_equal (read_exact (data.data, data.size),
                          extra ? SH_TDS_CALL_MALFORMED : SH_TDS_CALL_READ);
        sh_writer_free (&data);
        memset (name, 'p', sizeof name);
    }
}

static void
an_unknown_procedure_number_is_malformed (void **state)
{
    (void)state;
    for (unsigned number = 0; number < 18; number++) {
        const uint8_t data[] = {0xFF, 0xFF, (uint8_t)number, 0, 0, 0};
        assert_int_equal (read_exact (data, sizeof data),
                          number >= 1 && number <= 15 ? SH_TDS_CALL_READ : SH_TDS_CALL_MALFORMED);
    }
}

static void
an_unknown_type_names_its_parameter (void **state)
{
    sh_writer_t data = {0};
    sh_tds_call_t call;
    const char *why;
    (void)state;
    put_name (&data, "p", 2);
    sh_writer_u16 (&data, 0);
    put_int_parameter (&data, "@a", 0, 1);
    put_name (&data, "@b", 1);
    sh_writer_u8 (&data, 0);
    sh_writer_u8 (&data, 0x67);
    sh_reader_t reader = sh_reader_make (data.data, data.size);
    assert_int_equal (sh_tds_call_read (&reader, SH_TDS_74, &call, &why), SH_TDS_CALL_BAD_TYPE);
    assert_int_equal (call.bad_parameter, 2);
    assert_int_equal (call.bad_type, 0x67);
    sh_tds_call_free (&call);
    sh_writer_free (&data);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_batch_is_read_with_and_without_headers),
        cmocka_unit_test (headers_that_do_not_add_up_are_refused),
        cmocka_unit_test (transaction_requests_become_statements),
        cmocka_unit_test (distributed_transactions_are_refused_and_cut_requests_malformed),
        cmocka_unit_test (several_calls_in_a_message_are_read_one_by_one),
        cmocka_unit_test (a_cut_call_is_malformed_or_ends_between_parameters),
        cmocka_unit_test (a_call_has_at_most_2100_parameters),
        cmocka_unit_test (names_of_calls_are_limited),
        cmocka_unit_test (an_unknown_procedure_number_is_malformed),
        cmocka_unit_test (an_unknown_type_names_its_parameter),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
