/*  Exact numbers, times as text, types where they meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sqlhost/tsql/convert.h"

static void
s_compute (char op, const char *a, const char *b, int scale, const char *wanted, int failure)
{
    sh_decimal_t x, y, out;
    char text[64] = "";
    assert_true (sh_decimal_parse (a, &x));
    assert_true (sh_decimal_parse (b, &y));
    assert_int_equal (sh_decimal_compute (op, &x, &y, scale, &out), failure);
    if (failure)
        return;
    sh_decimal_print (&out, text, sizeof text);
    assert_string_equal (text, wanted);
}

static void
decimals_hold_38_digits_and_no_more (void **state)
{
    (void)state;
    sh_decimal_t number;
    char text[64];
    assert_true (sh_decimal_parse ("99999999999999999999999999999999999999", &number));
    sh_decimal_print (&number, text, sizeof text);
    assert_string_equal (text, "99999999999999999999999999999999999999");
    assert_false (sh_decimal_parse ("999999999999999999999999999999999999990", &number));
    assert_false (sh_decimal_parse ("1x", &number));
    assert_false (sh_decimal_parse ("", &number));
    assert_true (sh_decimal_parse (" -0.050 ", &number));
    sh_decimal_print (&number, text, sizeof text);
    assert_string_equal (text, "-0.050");
    assert_true (sh_decimal_scale (&number, 1));
    sh_decimal_print (&number, text, sizeof text);
    assert_string_equal (text, "-0.1"); /* half away from zero */
}

static void
decimals_compute_exactly (void **state)
{
    (void)state;
    s_compute ('+', "0.1", "0.2", 1, "0.3", 0);
    s_compute ('-', "1", "0.001", 3, "0.999", 0);
    s_compute ('*', "-1.5", "2.5", 2, "-3.75", 0);
    s_compute ('/', "1", "3", 6, "0.333333", 0);
    s_compute ('/', "-7", "2", 6, "-3.500000", 0);
    s_compute ('%', "7.5", "2", 1, "1.5", 0);
    s_compute ('/', "1", "0", 6, "", 8134);
    s_compute ('%', "1", "0", 0, "", 8134);
    s_compute ('*', "99999999999999999999999999999999999999", "10", 0, "", 8115);
    s_compute ('+', "99999999999999999999999999999999999999", "1", 0, "", 8115);
    assert_int_equal (sh_decimal_text_compare ("9", "10"), -1);
    assert_int_equal (sh_decimal_text_compare ("1.50", "1.5"), 0);
    assert_int_equal (sh_decimal_text_compare ("-1", "-2"), 1);
}

static void
times_are_read_in_the_forms_that_sql_server_takes (void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *wanted; /* style 121; NULL: none */
    } cases[] = {{"2014-05-06 14:15:01.327", "2014-05-06 14:15:01.327"},
                 {"2014-05-06T14:15:01.327Z", "2014-05-06 14:15:01.327"},
                 {"2014-05-06T14:15:01+02:00", "2014-05-06 12:15:01.000"},
                 {"20140506", "2014-05-06 00:00:00.000"},
                 {"20140506 14:15", "2014-05-06 14:15:00.000"},
                 {"05/06/2014", "2014-05-06 00:00:00.000"},
                 {"5.6.14", "2014-05-06 00:00:00.000"},
                 {"1/1/50", "1950-01-01 00:00:00.000"},
                 {"May 6 2014 2:15PM", "2014-05-06 14:15:00.000"},
                 {"May  6 2014  2:15:01:327AM", "2014-05-06 02:15:01.327"},
                 {"6 May 2014", "2014-05-06 00:00:00.000"},
                 {"2015", "2015-01-01 00:00:00.000"},
                 {"14:15", "1900-01-01 14:15:00.000"},
                 {"", "1900-01-01 00:00:00.000"},
                 {"2014-02-29", NULL},
                 {"2014-13-01", NULL},
                 {"25:00", NULL},
                 {"2014-05-06 14:60", NULL},
                 {"yesterday", NULL},
                 {"2014-05-06 x", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ticks;
        char text[64];
        sh_type_t type = sh_type_of (SH_TYPE_DATETIME);
        bool ok = sh_time_parse (cases[i].text, &ticks);
        if (ok != (cases[i].wanted != NULL))
            fail_msg ("%s: %d", cases[i].text, ok);
        if (!ok)
            continue;
        assert_true (sh_time_format (ticks, &type, 121, text, sizeof text));
        assert_string_equal (text, cases[i].wanted);
    }
}

static void
types_meet_by_precedence (void **state)
{
    (void)state;
    sh_type_t integer = sh_type_of (SH_TYPE_INT), bigint = sh_type_of (SH_TYPE_BIGINT),
              text = sh_type_make (SH_TYPE_VARCHAR, 10), wide = sh_type_nvarchar (4),
              exact = sh_type_numeric (5, 2), none = sh_type_of (SH_TYPE_NONE),
              time = sh_type_of (SH_TYPE_DATETIME);
    assert_int_equal (sh_type_common (&integer, &bigint).id, SH_TYPE_BIGINT);
    assert_int_equal (sh_type_common (&integer, &text).id, SH_TYPE_INT);
    assert_int_equal (sh_type_common (&text, &time).id, SH_TYPE_DATETIME);
    assert_int_equal (sh_type_common (&none, &time).id, SH_TYPE_DATETIME);
    sh_type_t both = sh_type_common (&text, &wide);
    assert_int_equal (both.id, SH_TYPE_NVARCHAR);
    assert_int_equal (both.size, 10);
    both = sh_type_common (&integer, &exact);
    assert_int_equal (both.precision, 12);
    assert_int_equal (both.scale, 2);
}

static void
text_is_counted_in_utf16_units_and_never_split (void **state)
{
    (void)state;
    const char *text = "a\xC3\xA4\xF0\x9F\x98\x80z"; /* a, ä, an emoji, z */
    assert_int_equal (sh_text_units (text, strlen (text)), 5);
    assert_int_equal (sh_text_prefix (text, strlen (text), 2), 3);
    assert_int_equal (sh_text_prefix (text, strlen (text), 3), 3);
    assert_int_equal (sh_text_prefix (text, strlen (text), 4), 7);
    assert_int_equal (sh_text_prefix (text, strlen (text), 99), 8);
}

static void
a_column_refuses_what_would_be_cut (void **state)
{
    (void)state;
    sh_error_t error = {0};
    sh_value_t out, in = sh_value_text ("abcd  ");
    sh_type_t from = sh_type_nvarchar (6), four = sh_type_nvarchar (4),
              three = sh_type_nvarchar (3);
    assert_true (sh_convert_column (&in, &from, &four, "t", "c", &out, &error));
    assert_string_equal (out.as.text, "abcd");
    sh_value_clear (&out);
    assert_false (sh_convert_column (&in, &from, &three, "t", "c", &out, &error));
    assert_int_equal (error.number, 2628);
    assert_true (sh_convert (&in, &from, &three, 0, &out, &error)); /* a variable takes it, cut */
    assert_string_equal (out.as.text, "abc");
    sh_value_clear (&out);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (decimals_hold_38_digits_and_no_more),
        cmocka_unit_test (decimals_compute_exactly),
        cmocka_unit_test (times_are_read_in_the_forms_that_sql_server_takes),
        cmocka_unit_test (types_meet_by_precedence),
        cmocka_unit_test (text_is_counted_in_utf16_units_and_never_split),
        cmocka_unit_test (a_column_refuses_what_would_be_cut)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
