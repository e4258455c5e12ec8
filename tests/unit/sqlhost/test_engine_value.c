/*  Values, time and guids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sqlhost/engine/value.h"

static void
s_expect_equal (sh_value_t a, sh_value_t b, bool equal)
{
    assert_int_equal (sh_value_equal (&a, &b), equal);
    if (equal)
        assert_true (sh_value_hash (&a) == sh_value_hash (&b));
}

static void
equality_is_sql_equality_and_equal_values_hash_alike (void **state)
{
    (void)state;
    s_expect_equal (sh_value_text ("Abc"), sh_value_text ("aBC  "), true);
    s_expect_equal (sh_value_text ("\xC3\x84"), sh_value_text ("\xC3\xA4"), true); /* umlauts */
    s_expect_equal (sh_value_text ("abc"), sh_value_text ("abd"), false);
    s_expect_equal (sh_value_int (12), sh_value_decimal ("012.000"), true);
    s_expect_equal (sh_value_int (12), sh_value_double (12), true);
    s_expect_equal (sh_value_decimal ("-0.0"), sh_value_int (0), true);
    s_expect_equal (sh_value_decimal ("31000000000001600001"),
                    sh_value_decimal ("31000000000001600002"), false);
    s_expect_equal (sh_value_text ("1"), sh_value_int (1), false);
    s_expect_equal (sh_value_null (), sh_value_null (), true);
}

static void
order_is_by_number_then_by_text (void **state)
{
    (void)state;
    sh_value_t ordered[] = {
        sh_value_null (),       sh_value_decimal ("-10.5"), sh_value_int (-10),
        sh_value_decimal ("9"), sh_value_int (10),          sh_value_double (10.5),
        sh_value_text ("A"),    sh_value_text ("b"),        sh_value_text ("ba"),
    };
    for (size_t i = 0; i < sizeof ordered / sizeof ordered[0]; i++)
        for (size_t k = 0; k < sizeof ordered / sizeof ordered[0]; k++)
            assert_int_equal (sh_value_compare (&ordered[i], &ordered[k]), (i > k) - (i < k));
}

static void
a_copy_lives_on_its_own (void **state)
{
    (void)state;
    char text[] = "text";
    sh_value_t value = sh_value_text (text);
    sh_value_t copy = sh_value_copy (&value);
    text[0] = 'n';
    assert_string_equal (copy.as.text, "text");
    sh_value_clear (&copy);
    assert_int_equal (copy.kind, SH_NULL);
}

static void
ticks_and_civil_time_are_inverse (void **state)
{
    (void)state;
    static const sh_civil_t known[] = {{1, 1, 1, 0, 0, 0, 0},
                                       {1900, 1, 1, 0, 0, 0, 0},
                                       {1970, 1, 1, 0, 0, 0, 0},
                                       {2000, 2, 29, 23, 59, 59, 9999999},
                                       {9999, 12, 31, 23, 59, 59, 9999999}};
    static const int64_t ticks[] = {0, SH_TICKS_1900, SH_TICKS_UNIX, INT64_C (630874655999999999),
                                    INT64_C (3155378975999999999)};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        sh_civil_t back;
        assert_true (sh_ticks_from_civil (&known[i]) == ticks[i]);
        sh_ticks_to_civil (ticks[i], &back);
        assert_memory_equal (&back, &known[i], sizeof back);
    }
    for (int64_t day = 0; day < 4000 * 365; day += 13) {
        sh_civil_t civil;
        sh_ticks_to_civil (day * SH_TICKS_PER_DAY + 1, &civil);
        assert_true (sh_ticks_from_civil (&civil) == day * SH_TICKS_PER_DAY + 1);
    }
}

static void
datetime_is_rounded_to_a_three_hundredth_of_a_second (void **state)
{
    (void)state;
    static const int ms_in[] = {0, 1, 2, 4, 5, 6, 8, 998, 999},
                     ms_out[] = {0, 0, 3, 3, 7, 7, 7, 997, 1000};
    for (size_t i = 0; i < sizeof ms_in / sizeof ms_in[0]; i++)
        assert_true (sh_ticks_to_datetime (ms_in[i] * (int64_t)SH_TICKS_PER_MS) ==
                     ms_out[i] * (int64_t)SH_TICKS_PER_MS);
}

static void
guids_print_and_parse (void **state)
{
    (void)state;
    uint8_t guid[16], back[16], other[16];
    char text[37];
    assert_true (sh_guid_parse ("{6F9619FF-8B86-D011-B42D-00C04FC964FF}", guid));
    assert_int_equal (guid[0], 0xFF); /* the first group is little endian */
    sh_guid_print (guid, text);
    assert_string_equal (text, "6F9619FF-8B86-D011-B42D-00C04FC964FF");
    assert_false (sh_guid_parse ("6F9619FF-8B86-D011-B42D-00C04FC964F", back));
    assert_false (sh_guid_parse ("6F9619FF-8B86-D011-B42D-00C04FC964FF0", back));
    assert_false (sh_guid_parse ("", back));
    sh_guid_make (guid);
    sh_guid_make (other);
    assert_memory_not_equal (guid, other, 16);
}

static void
types_print_as_sys_types_names_them (void **state)
{
    (void)state;
    char text[64];
    sh_type_t type = sh_type_numeric (25, 0);
    sh_type_print (&type, text, sizeof text);
    assert_string_equal (text, "numeric(25,0)");
    type = sh_type_make (SH_TYPE_NVARCHAR, SH_MAX);
    sh_type_print (&type, text, sizeof text);
    assert_string_equal (text, "nvarchar(max)");
    type = sh_type_make (SH_TYPE_INT, 0);
    sh_type_print (&type, text, sizeof text);
    assert_string_equal (text, "int");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (equality_is_sql_equality_and_equal_values_hash_alike),
        cmocka_unit_test (order_is_by_number_then_by_text),
        cmocka_unit_test (a_copy_lives_on_its_own),
        cmocka_unit_test (ticks_and_civil_time_are_inverse),
        cmocka_unit_test (datetime_is_rounded_to_a_three_hundredth_of_a_second),
        cmocka_unit_test (guids_print_and_parse),
        cmocka_unit_test (types_print_as_sys_types_names_them),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
