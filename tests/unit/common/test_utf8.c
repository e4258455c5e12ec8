#include "common/utf8.h"
#include "tests/unit/common/tests.h"

static bool
s_valid (const char *text)
{
    return bm_utf8_valid (text, strlen (text));
}

static void
well_formed_text_is_valid (void **state)
{
    (void)state;
    assert_true (s_valid (""));
    assert_true (s_valid ("plain"));
    assert_true (s_valid ("\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF"));
    assert_true (s_valid ("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80"));
}

static void
malformed_text_is_not (void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",     /* a continuation alone */
        "\xC0\x80", /* overlong */
        "\xC1\xBF",
        "\xE0\x9F\xBF",
        "\xF0\x8F\xBF\xBF",
        "\xED\xA0\x80",     /* a surrogate */
        "\xF4\x90\x80\x80", /* beyond the last character */
        "\xF5\x80\x80\x80",
        "\xFF",
        "a\xC3", /* cut */
        "\xE2\x82",
        "\xF0\x9F\x98",
        "\xC3(",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false (s_valid (bad[i]));
    assert_false (bm_utf8_valid ("a\0b", 3));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (well_formed_text_is_valid),
        cmocka_unit_test (malformed_text_is_not),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
