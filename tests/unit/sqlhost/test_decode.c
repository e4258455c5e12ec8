/*  tests/unit/sqlhost/test_decode.c
 *  What encode writes, decode reads back: the roundtrip of every type; then what decode refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/decode.h"
#include "tests/sqlhost/tds/encode.h"
#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/wiretype.h"
#include "tests/unit/sqlhost/fake_backend.h"

static const uint32_t s_versions[] = {SH_TDS_71, SH_TDS_72, SH_TDS_73, SH_TDS_74};

/*  Decodes from memory of the exact size. */
static sh_decode_t
decode (const uint8_t *data, size_t size, uint32_t version, sh_decode_type_t *type,
        sh_value_t *value)
{
    uint8_t *exact = malloc (size ? size : 1);
    memcpy (exact, data, size);
    sh_reader_t reader = sh_reader_make (exact, size);
    *value = sh_value_null ();
    sh_decode_t result = sh_decode_type (&reader, version, type);
    if (result == SH_DECODE_OK)
        result = sh_decode_value (&reader, type, value);
    if (result == SH_DECODE_OK && sh_reader_left (&reader) > 0)
        result = SH_DECODE_MALFORMED;
    free (exact);
    return result;
}

static void
check_same (const sh_value_t *back, const sh_value_t *value, const sh_type_t *type)
{
    if (type->id == SH_TYPE_MONEY || type->id == SH_TYPE_SMALLMONEY)
        assert_string_equal (back->as.text, "-1234.5000");
    else if (type->id == SH_TYPE_SMALLDATETIME)
        assert_int_equal (back->as.ticks / SH_TICKS_PER_SECOND / 60,
                          value->as.ticks / SH_TICKS_PER_SECOND / 60);
    else if (type->id == SH_TYPE_DATE)
        assert_int_equal (back->as.ticks, value->as.ticks / SH_TICKS_PER_DAY * SH_TICKS_PER_DAY);
    else
        assert_true (sh_value_equal (back, value));
}

static void
every_type_comes_back_in_every_version (void **state)
{
    sh_sink_column_t columns[FAKE_COLUMNS];
    sh_value_t values[FAKE_COLUMNS];
    (void)state;
    fake_types (columns);
    fake_values (values);
    for (size_t v = 0; v < 4; v++)
        for (int i = 0; i < FAKE_COLUMNS; i++) {
            const sh_type_t *type = &columns[i].type;
            sh_writer_t out = {0};
            sh_decode_type_t back_type;
            sh_value_t back;
            bool text = s_versions[v] < SH_TDS_73 &&
                        (type->id == SH_TYPE_DATE || type->id == SH_TYPE_TIME ||
                         type->id == SH_TYPE_DATETIME2);
            sh_encode_type (&out, s_versions[v], SH_PLACE_RETURN, type);
            assert_true (sh_encode_value (&out, s_versions[v], SH_PLACE_RETURN, type, &values[i]));
            assert_int_equal (decode (out.data, out.size, s_versions[v], &back_type, &back),
                              SH_DECODE_OK);
            if (!text)
                check_same (&back, &values[i], type);
            sh_decode_free_value (&back);
            /*  Cut anywhere, it is malformed and not read past its end. */
            for (size_t size = 0; size < out.size; size++) {
                assert_int_not_equal (decode (out.data, size, s_versions[v], &back_type, &back),
                                      SH_DECODE_OK);
                sh_decode_free_value (&back);
            }
            sh_writer_free (&out);
        }
}

static void
every_null_comes_back_in_every_version (void **state)
{
    sh_sink_column_t columns[FAKE_COLUMNS];
    sh_value_t null = sh_value_null ();
    (void)state;
    fake_types (columns);
    for (size_t v = 0; v < 4; v++)
        for (int i = 0; i < FAKE_COLUMNS; i++) {
            sh_writer_t out = {0};
            sh_decode_type_t type;
            sh_value_t back;
            sh_encode_type (&out, s_versions[v], SH_PLACE_RETURN, &columns[i].type);
            assert_true (
                sh_encode_value (&out, s_versions[v], SH_PLACE_RETURN, &columns[i].type, &null));
            assert_int_equal (decode (out.data, out.size, s_versions[v], &type, &back),
                              SH_DECODE_OK);
            assert_int_equal (back.kind, SH_NULL);
            sh_writer_free (&out);
        }
}

static void
an_empty_string_is_not_null (void **state)
{
    static const int32_t sizes[] = {10, SH_MAX};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const sh_type_t type = sh_type_make (SH_TYPE_NVARCHAR, sizes[i]);
        const sh_value_t empty = sh_value_text ("");
        sh_writer_t out = {0};
        sh_decode_type_t back_type;
        sh_value_t back;
        sh_encode_type (&out, SH_TDS_74, SH_PLACE_RETURN, &type);
        assert_true (sh_encode_value (&out, SH_TDS_74, SH_PLACE_RETURN, &type, &empty));
        assert_int_equal (decode (out.data, out.size, SH_TDS_74, &back_type, &back), SH_DECODE_OK);
        assert_int_equal (back.kind, SH_TEXT);
        assert_int_equal (back.size, 0);
        assert_int_equal (back_type.type.size, sizes[i]);
        sh_decode_free_value (&back);
        sh_writer_free (&out);
    }
}

static void
fixed_types_of_old_clients_are_read (void **state)
{
    static const struct {
        uint8_t data[12];
        size_t size;
        sh_type_id_t id;
        const char *text;
    } cases[] = {{{SH_WIRE_INT1, 200}, 2, SH_TYPE_TINYINT, "200"},
                 {{SH_WIRE_BIT, 1}, 2, SH_TYPE_BIT, "1"},
                 {{SH_WIRE_INT2, 0xFE, 0xFF}, 3, SH_TYPE_SMALLINT, "-2"},
                 {{SH_WIRE_INT4, 0xFE, 0xFF, 0xFF, 0xFF}, 5, SH_TYPE_INT, "-2"},
                 {{SH_WIRE_MONEY4, 0x10, 0x27, 0, 0}, 5, SH_TYPE_SMALLMONEY, "1.0000"},
                 {{SH_WIRE_MONEY, 1, 0, 0, 0, 0, 0, 0, 0}, 9, SH_TYPE_MONEY, "429496.7296"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sh_decode_type_t type;
        sh_value_t value;
        char text[32];
        assert_int_equal (decode (cases[i].data, cases[i].size, SH_TDS_71, &type, &value),
                          SH_DECODE_OK);
        assert_int_equal (type.type.id, cases[i].id);
        if (value.kind == SH_INT)
            snprintf (text, sizeof text, "%lld", (long long)value.as.integer);
        else
            snprintf (text, sizeof text, "%s", value.as.text);
        assert_string_equal (text, cases[i].text);
        sh_decode_free_value (&value);
    }
}

static void
sizes_that_cannot_be_are_malformed (void **state)
{
    static const struct {
        uint8_t data[24];
        size_t size;
    } cases[] = {
        {{SH_WIRE_INTN, 3, 0}, 3},                          /* no such int */
        {{SH_WIRE_INTN, 4, 2, 0, 0}, 5},                    /* value shorter than its type */
        {{SH_WIRE_INTN, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0}, 11}, /* longer */
        {{SH_WIRE_NUMERICN, 17, 39, 0, 0}, 5},
        {{SH_WIRE_NUMERICN, 17, 5, 6, 0}, 5},
        {{SH_WIRE_NUMERICN, 5, 5, 0, 4, 1, 0, 0, 0}, 9},
        {{SH_WIRE_DATETIME2N, 8, 0}, 3},
        {{SH_WIRE_NVARCHAR, 3, 0, 0, 0, 0, 0, 0, 0, 0}, 10},             /* half a character */
        {{SH_WIRE_NVARCHAR, 2, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 1, 0}, 14}, /* past its size */
        {{SH_WIRE_VARCHAR, 0x41, 0x1F, 0, 0, 0, 0, 0, 0, 0}, 10},        /* 8001 */
        {{SH_WIRE_DATEN, 3, 0xFF, 0xFF, 0xFF}, 5},                       /* past 9999-12-31 */
        {{SH_WIRE_TIMEN, 0, 3, 0x80, 0x51, 0x01}, 6},                    /* 24:00:00 */
        {{SH_WIRE_DATETIME, 0, 0, 0, 0, 0, 0x82, 0x8B, 0x01}, 9},        /* 24:00:00 */
        {{SH_WIRE_DATETIME, 0, 0, 0, 0x80, 0, 0, 0, 0}, 9},
        {{SH_WIRE_GUID, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0}, 11}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sh_decode_type_t type;
        sh_value_t value;
        assert_int_equal (decode (cases[i].data, cases[i].size, SH_TDS_74, &type, &value),
                          SH_DECODE_MALFORMED);
        sh_decode_free_value (&value);
    }
}

static void
short_strings_have_at_most_8000_bytes (void **state)
{
    (void)state;
    for (unsigned extra = 0; extra < 2; extra++) {
        sh_writer_t out = {0};
        sh_decode_type_t type;
        sh_value_t value;
        sh_writer_u8 (&out, SH_WIRE_VARBINARY);
        sh_writer_u16 (&out, (uint16_t)(SH_LIMIT_SHORT_BYTES + extra));
        sh_writer_u16 (&out, 0xFFFF);
        assert_int_equal (decode (out.data, out.size, SH_TDS_74, &type, &value),
                          extra ? SH_DECODE_MALFORMED : SH_DECODE_OK);
        sh_writer_free (&out);
    }
}

static void
chunks_must_add_up (void **state)
{
    static const struct {
        uint64_t total;
        uint32_t chunks[3];
        bool good;
    } cases[] = {{6, {2, 4, 0}, true},           {SH_PLP_UNKNOWN, {2, 4, 0}, true},
                 {SH_PLP_UNKNOWN, {0}, true},    {0, {0}, true},
                 {7, {2, 4, 0}, false},          {5, {2, 4, 0}, false},
                 {6, {2, 0xFFFFFFFF, 0}, false}, {3, {3, 0}, false}}; /* half a character */
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sh_writer_t out = {0};
        sh_decode_type_t type;
        sh_value_t value;
        sh_writer_u8 (&out, SH_WIRE_NVARCHAR);
        sh_writer_u16 (&out, 0xFFFF);
        sh_writer_bytes (&out, sh_encode_collation, 5);
        sh_writer_u64 (&out, cases[i].total);
        for (size_t k = 0; k < 3; k++) {
            sh_writer_u32 (&out, cases[i].chunks[k]);
            if (cases[i].chunks[k] == 0)
                break;
            for (uint32_t b = 0; b < cases[i].chunks[k] && b < 8; b++)
                sh_writer_u8 (&out, b % 2 ? 0 : 'a');
        }
        assert_int_equal (decode (out.data, out.size, SH_TDS_72, &type, &value),
                          cases[i].good ? SH_DECODE_OK : SH_DECODE_MALFORMED);
        sh_decode_free_value (&value);
        sh_writer_free (&out);
    }
}

static void
types_that_we_do_not_take_are_named (void **state)
{
    static const uint8_t tokens[] = {0x67, 0x62, 0xF0, 0xF3, 0x2B, 0x00, 0xFF};
    (void)state;
    for (size_t i = 0; i < sizeof tokens; i++) {
        sh_decode_type_t type;
        sh_value_t value;
        assert_int_equal (decode (&tokens[i], 1, SH_TDS_74, &type, &value), SH_DECODE_UNKNOWN_TYPE);
        assert_int_equal (type.token, tokens[i]);
    }
}

static void
no_changed_byte_makes_it_read_outside (void **state)
{
    static const uint8_t replacements[] = {0x00, 0x01, 0x7F, 0xFE, 0xFF};
    sh_sink_column_t columns[FAKE_COLUMNS];
    sh_value_t values[FAKE_COLUMNS];
    (void)state;
    fake_types (columns);
    fake_values (values);
    for (int i = 0; i < FAKE_COLUMNS; i++) {
        sh_writer_t out = {0};
        sh_encode_type (&out, SH_TDS_74, SH_PLACE_RETURN, &columns[i].type);
        sh_encode_value (&out, SH_TDS_74, SH_PLACE_RETURN, &columns[i].type, &values[i]);
        for (size_t at = 0; at < out.size; at++) {
            uint8_t kept = out.data[at];
            for (size_t k = 0; k < sizeof replacements; k++) {
                sh_decode_type_t type;
                sh_value_t value;
                out.data[at] = replacements[k];
                decode (out.data, out.size, SH_TDS_74, &type, &value);
                sh_decode_free_value (&value);
            }
            out.data[at] = kept;
        }
        sh_writer_free (&out);
    }
}

/*  ---- encode's own refusals ---- */

static void
values_that_do_not_fit_are_refused (void **state)
{
    const struct {
        sh_type_t type;
        sh_value_t value;
        bool fits;
    } cases[] = {
        {sh_type_make (SH_TYPE_TINYINT, 0), sh_value_int (255), true},
        {sh_type_make (SH_TYPE_TINYINT, 0), sh_value_int (256), false},
        {sh_type_make (SH_TYPE_TINYINT, 0), sh_value_int (-1), false},
        {sh_type_make (SH_TYPE_SMALLINT, 0), sh_value_int (32768), false},
        {sh_type_make (SH_TYPE_INT, 0), sh_value_int (INT64_C (2147483648)), false},
        {sh_type_make (SH_TYPE_INT, 0), sh_value_text ("12"), true},
        {sh_type_make (SH_TYPE_INT, 0), sh_value_text ("x"), false},
        {sh_type_make (SH_TYPE_INT, 0), sh_value_blob ("x", 1), false},
        {sh_type_make (SH_TYPE_SMALLMONEY, 0), sh_value_decimal ("214748.3647"), true},
        {sh_type_make (SH_TYPE_SMALLMONEY, 0), sh_value_decimal ("214748.3648"), false},
        {sh_type_numeric (5, 0), sh_value_decimal ("4294967295"), true},
        {sh_type_numeric (5, 0), sh_value_decimal ("4294967296"), false},
        {sh_type_make (SH_TYPE_NVARCHAR, 3), sh_value_text ("abc"), true},
        {sh_type_make (SH_TYPE_NVARCHAR, 3), sh_value_text ("abcd"), false},
        {sh_type_make (SH_TYPE_NVARCHAR, 30), sh_value_int (-5), true},
        {sh_type_make (SH_TYPE_VARBINARY, 3), sh_value_text ("abc"), false},
        {sh_type_make (SH_TYPE_SMALLDATETIME, 0), sh_value_ticks (SH_TICKS_1900 - 1), false},
        {sh_type_make (SH_TYPE_DATETIME2, 0), sh_value_ticks (-1), false},
        {sh_type_make (SH_TYPE_UNIQUEIDENTIFIER, 0), sh_value_text ("x"), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sh_writer_t out = {0};
        if (sh_encode_value (&out, SH_TDS_74, SH_PLACE_COLUMN, &cases[i].type, &cases[i].value) !=
            cases[i].fits)
            fail_msg ("case %zu", i);
        sh_writer_free (&out);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_type_comes_back_in_every_version),
        cmocka_unit_test (every_null_comes_back_in_every_version),
        cmocka_unit_test (an_empty_string_is_not_null),
        cmocka_unit_test (fixed_types_of_old_clients_are_read),
        cmocka_unit_test (sizes_that_cannot_be_are_malformed),
        cmocka_unit_test (short_strings_have_at_most_8000_bytes),
        cmocka_unit_test (chunks_must_add_up),
        cmocka_unit_test (types_that_we_do_not_take_are_named),
        cmocka_unit_test (no_changed_byte_makes_it_read_outside),
        cmocka_unit_test (values_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
