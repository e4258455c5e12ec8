#include "common/clock.h"
#include "common/names.h"
#include "tests/unit/common/tests.h"

static void
a_mark_is_named_as_biztalk_names_it (void **state)
{
    (void)state;
    char mark[BM_MARK_BYTES];
    int64_t at = bm_clock_parse_rfc3339 ("2014-05-06T14:15:01.327Z");
    assert_int_equal (bm_names_mark ("BTS", at, 0, mark, NULL), BM_OK);
    assert_string_equal (mark, "BTS_2014_05_06_14_15_01_327");
    bm_names_mark ("BTS", at, 120, mark, NULL);
    assert_string_equal (mark, "BTS_2014_05_06_16_15_01_327");
    bm_names_mark ("BTS", at, -15 * 60, mark, NULL);
    assert_string_equal (mark, "BTS_2014_05_05_23_15_01_327");
}

static void
a_mark_is_rounded_to_three_hundredths_of_a_second (void **state)
{
    (void)state;
    static const struct {
        const char *time;
        const char *end;
    } cases[] = {
        {"2014-05-06T14:15:01.000Z", "01_000"}, {"2014-05-06T14:15:01.001Z", "01_000"},
        {"2014-05-06T14:15:01.002Z", "01_003"}, {"2014-05-06T14:15:01.004Z", "01_003"},
        {"2014-05-06T14:15:01.005Z", "01_007"}, {"2014-05-06T14:15:01.008Z", "01_007"},
        {"2014-05-06T14:15:01.009Z", "01_010"}, {"2014-05-06T14:15:01.999Z", "02_000"},
    };
    char mark[BM_MARK_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bm_names_mark ("BTS", bm_clock_parse_rfc3339 (cases[i].time), 0, mark, NULL);
        assert_string_equal (mark + strlen (mark) - 6, cases[i].end);
    }
}

static void
punctuation_of_a_prefix_is_scrubbed (void **state)
{
    (void)state;
    char mark[BM_MARK_BYTES];
    int64_t at = bm_clock_parse_rfc3339 ("2014-05-06T14:15:01.000Z");
    bm_names_mark ("a b.c\\d/", at, 0, mark, NULL);
    assert_string_equal (mark, "a_b_c_d__2014_05_06_14_15_01_000");
    bm_names_mark ("]=?`'\"x", at, 0, mark, NULL);
    assert_string_equal (mark, "]=?`x_2014_05_06_14_15_01_000");
}

static void
a_prefix_has_at_most_eight_characters (void **state)
{
    (void)state;
    char mark[BM_MARK_BYTES];
    bm_error_t error = {0};
    assert_int_equal (bm_names_mark ("12345678", 0, 0, mark, &error), BM_OK);
    assert_int_equal (bm_names_length (mark), BM_LIMIT_MARK_CHARS);
    assert_int_equal (bm_names_mark ("123456789", 0, 0, mark, &error), BM_USAGE);
    assert_non_null (strstr (error.text, "123456789"));
    assert_int_equal (bm_names_mark ("ääääääää", 0, 0, mark, &error), BM_OK);
    assert_int_equal (bm_names_length (mark), BM_LIMIT_MARK_CHARS);
    assert_int_equal (bm_names_mark ("äääääääää", 0, 0, mark, &error), BM_USAGE);
}

static void
identifiers_and_literals_are_quoted (void **state)
{
    (void)state;
    char *text = bm_names_quote ("a]b]]");
    assert_string_equal (text, "[a]]b]]]]]");
    free (text);
    text = bm_names_quote ("");
    assert_string_equal (text, "[]");
    free (text);
    text = bm_names_literal ("it's '' so");
    assert_string_equal (text, "N'it''s '''' so'");
    free (text);
}

static void
names_are_equal_without_regard_to_case (void **state)
{
    (void)state;
    assert_true (bm_names_equal ("SQL01\\Inst", "sql01\\INST"));
    assert_false (bm_names_equal ("SQL01", "SQL011"));
    assert_false (bm_names_equal ("SQL011", "SQL01"));
    assert_false (bm_names_equal ("a[", "a{"));
    assert_true (bm_names_equal ("", ""));
}

static void
a_path_is_joined_with_its_own_separator (void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/backup", "/backup/f"},        {"/backup/", "/backup/f"},
        {"D:\\b", "D:\\b\\f"},           {"D:\\b\\", "D:\\b\\f"},
        {"\\\\nas\\b", "\\\\nas\\b\\f"}, {"relative", "relative/f"},
        {"/odd\\name", "/odd\\name/f"},  {"", "f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = bm_names_join_path (cases[i][0], "f");
        assert_string_equal (path, cases[i][1]);
        free (path);
    }
}

static void
a_backup_file_is_named_as_biztalk_names_it (void **state)
{
    (void)state;
    char *file =
        bm_names_backup_file ("SERVER", "BizTalkMsgBoxDb", false, "BTS_2010_03_04_11_00_01_123");
    assert_string_equal (file, "SERVER_BizTalkMsgBoxDb_Log_BTS_2010_03_04_11_00_01_123.bak");
    free (file);
    file = bm_names_backup_file ("S\\I", "D", true, "M");
    assert_string_equal (file, "S_I_D_Full_M.bak");
    free (file);
}

static void
the_server_in_a_file_name_is_cut_at_thirty_characters (void **state)
{
    (void)state;
    char *file = bm_names_backup_file ("123456789012345678901234567890", "D", true, "M");
    assert_string_equal (file, "123456789012345678901234567890_D_Full_M.bak");
    free (file);
    file = bm_names_backup_file ("1234567890123456789012345678901", "D", true, "M");
    assert_string_equal (file, "123456789012345678901234567890_D_Full_M.bak");
    free (file);
    file = bm_names_backup_file ("ä23456789012345678901234567890X", "D", true, "M");
    assert_string_equal (file, "ä23456789012345678901234567890_D_Full_M.bak");
    free (file);
}

static void
lengths_are_counted_in_utf16_units (void **state)
{
    (void)state;
    assert_int_equal (bm_names_length (""), 0);
    assert_int_equal (bm_names_length ("abc"), 3);
    assert_int_equal (bm_names_length ("ä€"), 2);
    assert_int_equal (bm_names_length ("\xF0\x9F\x98\x80"), 2);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_mark_is_named_as_biztalk_names_it),
        cmocka_unit_test (a_mark_is_rounded_to_three_hundredths_of_a_second),
        cmocka_unit_test (punctuation_of_a_prefix_is_scrubbed),
        cmocka_unit_test (a_prefix_has_at_most_eight_characters),
        cmocka_unit_test (identifiers_and_literals_are_quoted),
        cmocka_unit_test (names_are_equal_without_regard_to_case),
        cmocka_unit_test (a_path_is_joined_with_its_own_separator),
        cmocka_unit_test (a_backup_file_is_named_as_biztalk_names_it),
        cmocka_unit_test (the_server_in_a_file_name_is_cut_at_thirty_characters),
        cmocka_unit_test (lengths_are_counted_in_utf16_units),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
