/*  tests/unit/sqlhost/test_utf.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/utf.h"

#include <string.h>

static void
check_both_ways (const char *text, const char *utf16, size_t size)
{
    sh_writer_t out = {0};

    assert_int_equal (sh_utf_to_utf16 (&out, text, strlen (text)), size);
    assert_memory_equal (out.data, utf16, size);
    assert_int_equal (sh_utf_utf16_size (text, strlen (text)), size);
    sh_writer_clear (&out);
    assert_true (sh_utf_from_utf16 (&out, (const uint8_t *)utf16, size));
    assert_string_equal (sh_writer_text (&out), text);
    sh_writer_free (&out);
}

static void
text_of_every_length_goes_both_ways (void **state)
{
    (void)state;
    check_both_ways ("a", "a\0", 2);
    check_both_ways ("\xC3\xA4", "\xE4\x00", 2);
    check_both_ways ("\xE2\x82\xAC", "\xAC\x20", 2);
    check_both_ways ("\xF0\x9F\x98\x80", "\x3D\xD8\x00\xDE", 4);
    check_both_ways ("\xF4\x8F\xBF\xBF", "\xFF\xDB\xFF\xDF", 4);
    check_both_ways ("\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF",
                     "\x7F\x00\x80\x00\xFF\x07\x00\x08\xFF\xFF", 10);
}

static void
check_from (const char *utf16, size_t size, const char *expected)
{
    sh_writer_t out = {0};

    assert_true (sh_utf_from_utf16 (&out, (const uint8_t *)utf16, size));
    assert_string_equal (sh_writer_text (&out), expected);
    sh_writer_free (&out);
}

static void
half_a_pair_becomes_the_replacement_character (void **state)
{
    (void)state;
    check_from ("\x3D\xD8", 2, "\xEF\xBF\xBD");
    check_from ("\x00\xDE", 2, "\xEF\xBF\xBD");
    check_from ("\x3D\xD8"
                "a\0",
                4,
                "\xEF\xBF\xBD"
                "a");
    check_from ("\x3D\xD8\x3D\xD8\x00\xDE", 6, "\xEF\xBF\xBD\xF0\x9F\x98\x80");
}

static void
half_a_unit_is_refused (void **state)
{
    sh_writer_t out = {0};
    (void)state;
    assert_false (sh_utf_from_utf16 (&out, (const uint8_t *)"a\0b", 3));
    assert_int_equal (out.size, 0);
    assert_true (sh_utf_from_utf16 (&out, (const uint8_t *)"", 0));
    sh_writer_free (&out);
}

static void
utf8_that_is_none_becomes_the_replacement_character (void **state)
{
    static const char *const bad[] = {"\x80",             /* a continuation alone */
                                      "\xC3",             /* cut */
                                      "\xC0\x80",         /* overlong */
                                      "\xE0\x80\x80",     /* overlong */
                                      "\xF0\x80\x80\x80", /* overlong */
                                      "\xED\xA0\x80",     /* a surrogate */
                                      "\xF4\x90\x80\x80", /* past U+10FFFF */
                                      "\xFF",
                                      "\xE2\x82"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sh_writer_t out = {0};
        size_t size = strlen (bad[i]);
        assert_int_equal (sh_utf_to_utf16 (&out, bad[i], size), size * 2);
        for (size_t k = 0; k < size; k++)
            assert_memory_equal (out.data + 2 * k, "\xFD\xFF", 2);
        sh_writer_free (&out);
    }
}

static void
windows_1252_goes_both_ways (void **state)
{
    sh_writer_t text = {0}, back = {0};
    uint8_t all[256];
    (void)state;
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)i;
    sh_utf_from_cp1252 (&text, all, sizeof all);
    assert_int_equal (sh_utf_to_cp1252 (&back, (const char *)text.data, text.size), sizeof all);
    assert_memory_equal (back.data, all, sizeof all);
    sh_writer_clear (&text);
    sh_utf_from_cp1252 (&text, (const uint8_t *)"\x80\x9F", 2);
    assert_string_equal (sh_writer_text (&text), "\xE2\x82\xAC\xC5\xB8");
    sh_writer_clear (&back);
    sh_utf_to_cp1252 (&back, "\xD0\x96", 2);
    assert_string_equal (sh_writer_text (&back), "?");
    sh_writer_free (&text);
    sh_writer_free (&back);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (text_of_every_length_goes_both_ways),
        cmocka_unit_test (half_a_pair_becomes_the_replacement_character),
        cmocka_unit_test (half_a_unit_is_refused),
        cmocka_unit_test (utf8_that_is_none_becomes_the_replacement_character),
        cmocka_unit_test (windows_1252_goes_both_ways),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
