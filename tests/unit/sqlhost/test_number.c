/*  tests/unit/sqlhost/test_number.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/number.h"

#include <string.h>

#define NINES_38 "99999999999999999999999999999999999999"

static void
decimal_text_goes_both_ways (void **state)
{
    static const struct {
        const char *in;
        unsigned scale;
        const char *out;
    } cases[] = {
        {"0", 0, "0"},
        {"-0", 2, "0.00"},
        {"12.5", 2, "12.50"},
        {"-12.505", 2, "-12.51"},
        {"12.504", 2, "12.50"},
        {"999.995", 2, "1000.00"},
        {".5", 1, "0.5"},
        {"5.", 0, "5"},
        {"+7", 0, "7"},
        {"0.00", 4, "0.0000"},
        {"18446744073709551616", 0, "18446744073709551616"},
        {NINES_38, 0, NINES_38},
        {"-" NINES_38, 0, "-" NINES_38},
        {"1000000000000000000000000000000000000.5", 1, "1000000000000000000000000000000000000.5"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sh_number_t number;
        char text[48];
        assert_true (sh_number_parse (cases[i].in, strlen (cases[i].in), cases[i].scale, &number));
        sh_number_print (&number, cases[i].scale, text);
        assert_string_equal (text, cases[i].out);
    }
}

static void
text_that_is_no_number_is_refused (void **state)
{
    static const char *const cases[] = {"", "-", ".", "1.2.3", "1e5", " 1", "1 ", "--1", "0x1"};
    sh_number_t number;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_false (sh_number_parse (cases[i], strlen (cases[i]), 0, &number));
}

static void
a_number_has_at_most_38_digits (void **state)
{
    sh_number_t number;
    (void)state;
    assert_true (sh_number_parse (NINES_38, 38, 0, &number));
    assert_false (sh_number_parse (NINES_38 "9", 39, 0, &number));
    assert_false (sh_number_parse (NINES_38, 38, 1, &number));
    assert_true (sh_number_parse ("000" NINES_38, 41, 0, &number));
}

static void
the_bytes_of_a_precision_are_those_of_the_format (void **state)
{
    (void)state;
    assert_int_equal (sh_number_bytes (1), 5);
    assert_int_equal (sh_number_bytes (9), 5);
    assert_int_equal (sh_number_bytes (10), 9);
    assert_int_equal (sh_number_bytes (19), 9);
    assert_int_equal (sh_number_bytes (20), 13);
    assert_int_equal (sh_number_bytes (28), 13);
    assert_int_equal (sh_number_bytes (29), 17);
    assert_int_equal (sh_number_bytes (38), 17);
}

static void
int64_is_kept_to_its_ends (void **state)
{
    static const int64_t values[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        sh_number_t number = sh_number_from_int (values[i]);
        int64_t back;
        assert_true (sh_number_to_int (&number, &back));
        assert_int_equal (back, values[i]);
    }
    sh_number_t number;
    int64_t back;
    assert_true (sh_number_parse ("9223372036854775808", 19, 0, &number));
    assert_false (sh_number_to_int (&number, &back));
    assert_true (sh_number_parse ("-9223372036854775809", 20, 0, &number));
    assert_false (sh_number_to_int (&number, &back));
}

static void
day_numbers_become_dates (void **state)
{
    static const struct {
        int64_t day;
        int year, month, of_month;
    } cases[] = {{0, 1, 1, 1},           {58, 1, 2, 28},        {59, 1, 3, 1},
                 {364, 1, 12, 31},       {365, 2, 1, 1},        {693595, 1900, 1, 1},
                 {719162, 1970, 1, 1},   {730178, 2000, 2, 29}, {738886, 2024, 1, 2},
                 {3652058, 9999, 12, 31}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int year, month, day;
        sh_number_date (cases[i].day, &year, &month, &day);
        assert_int_equal (year, cases[i].year);
        assert_int_equal (month, cases[i].month);
        assert_int_equal (day, cases[i].of_month);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (decimal_text_goes_both_ways),
        cmocka_unit_test (text_that_is_no_number_is_refused),
        cmocka_unit_test (a_number_has_at_most_38_digits),
        cmocka_unit_test (the_bytes_of_a_precision_are_those_of_the_format),
        cmocka_unit_test (int64_is_kept_to_its_ends),
        cmocka_unit_test (day_numbers_become_dates),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
