#include "common/config.h"
#include "common/limits.h"
#include "tests/unit/common/tests.h"

static bm_config_t *
s_good (const char *text)
{
    bm_error_t error = {0};
    bm_config_t *config = bm_config_parse ("/etc/btsmark/test.ini", text, &error);
    if (!config)
        fail_msg ("%s", error.text);
    return config;
}

/*  The text is refused, at that line, with that word. */
static void
s_refused (const char *text, int line, const char *word)
{
    bm_error_t error = {0};
    bm_config_t *config = bm_config_parse ("test.ini", text, &error);
    assert_null (config);
    assert_int_equal (error.status, BM_CONFIG);
    char *place = bm_format ("test.ini:%d: ", line);
    if (strncmp (error.text, place, strlen (place)) != 0 || !strstr (error.text, word))
        fail_msg ("expected %s...%s, got %s", place, word, error.text);
    free (place);
}

static void
sections_and_values_are_read (void **state)
{
    (void)state;
    bm_config_t *config =
        s_good ("\xEF\xBB\xBF; comment\r\n[group]\r\nname = BizTalk Group \r\n\r\n"
                "[agent SQL01]\naddress=tcp://a:1\n   # indented comment\n"
                "[agent SQL02\\I]\nempty =\nquoted = \" a ;b # c \"\n");
    assert_int_equal (bm_config_sections (config), 3);
    assert_string_equal (bm_config_section_kind (config, 0), "group");
    assert_string_equal (bm_config_section_name (config, 0), "");
    assert_string_equal (bm_config_section_name (config, 2), "SQL02\\I");
    assert_int_equal (bm_config_section_line (config, 1), 5);
    assert_int_equal (bm_config_find (config, "agent", "sql01"), 1);
    assert_int_equal (bm_config_find (config, "agent", "SQL03"), -1);
    const char *value;
    bm_config_text (config, 0, "name", NULL, &value, NULL);
    assert_string_equal (value, "BizTalk Group");
    bm_config_text (config, 1, "address", NULL, &value, NULL);
    assert_string_equal (value, "tcp://a:1");
    bm_config_text (config, 2, "empty", "x", &value, NULL);
    assert_string_equal (value, "");
    bm_config_text (config, 2, "quoted", "x", &value, NULL);
    assert_string_equal (value, " a ;b # c ");
    bm_config_text (config, 2, "absent", "fallback", &value, NULL);
    assert_string_equal (value, "fallback");
    bm_config_text (config, -1, "absent", NULL, &value, NULL);
    assert_null (value);
    assert_int_equal (bm_config_finish (config, NULL), BM_OK);
    bm_config_destroy (&config);
    bm_config_destroy (&config);
}

static void
what_libinih_would_cut_join_or_hide_is_refused (void **state)
{
    (void)state;
    s_refused ("[a]\nx = 1\n  y = 2\n", 3, "indented");
    s_refused ("[a]\nx = 1\n\tgoes on\n", 3, "indented");
    s_refused (" [a]\n", 1, "indented");
    s_refused ("[a]\nx = 1\n[b]\n[A]\n[a]\n", 5, "line 1");
    s_refused ("[agent S]\n[agent s]\n", 2, "line 1");
    s_refused ("[a]\nx = 1\ny = 2\nx = 1\n", 4, "line 2");
    s_refused ("[a]\npassword = secret ;not a comment\n", 2, "quotes");
    s_refused ("[a]\nx = 10 # ten\n", 2, "quotes");
    s_refused ("[a]\nx = \"open\n", 2, "quote");
    s_refused ("[a]\nx = \"a\" b\n", 2, "quote");
    s_refused ("[a]\nx = \"a\"b\"\n", 2, "quote");
    s_refused ("[a]\nx: 1\n", 2, "key = value");
    s_refused ("[a]\nno value\n", 2, "key = value");
    s_refused ("[a]\nx y = 1\n", 2, "letters");
    s_refused ("[a]\n= 1\n", 2, "letters");
    s_refused ("x = 1\n", 1, "before");
    s_refused ("[a\n", 1, "section");
    s_refused ("[a] ; comment\n", 1, "section");
    s_refused ("[]\n", 1, "section");
    s_refused ("[a]\nx = \xFF\n", 2, "UTF-8");
}

static void
a_value_of_more_than_libinihs_200_bytes_is_whole (void **state)
{
    (void)state;
    char value[4001];
    memset (value, 'p', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    char *text = bm_format ("[a]\npath = %s\nnext = 1\n", value);
    bm_config_t *config = s_good (text);
    const char *read;
    bm_config_text (config, 0, "path", NULL, &read, NULL);
    assert_string_equal (read, value);
    free (text);
    bm_config_destroy (&config);
}

/*  A file of one section and one value, `line` bytes long in its second line. */
static char *
s_with_line (size_t line)
{
    char *text = bm_alloc (line + 8);
    memcpy (text, "[a]\nx=", 6);
    memset (text + 6, 'v', line - 2);
    memcpy (text + 4 + line, "\n", 2);
    return text;
}

static void
a_line_may_be_as_long_as_the_limit_and_no_longer (void **state)
{
    (void)state;
    char *text = s_with_line (BM_LIMIT_CONFIG_LINE);
    bm_config_t *config = s_good (text);
    bm_config_destroy (&config);
    free (text);
    text = s_with_line (BM_LIMIT_CONFIG_LINE + 1);
    s_refused (text, 2, "longer");
    free (text);
}

static void
a_name_may_have_49_bytes_and_no_more (void **state)
{
    (void)state;
    const char *name = "a123456789b123456789c123456789d123456789e12345678";
    char *text = bm_format ("[%s]\n%s = 1\n", name, name);
    bm_config_t *config = s_good (text);
    const char *value;
    bm_config_text (config, 0, name, NULL, &value, NULL);
    assert_string_equal (value, "1");
    bm_config_destroy (&config);
    free (text);
    text = bm_format ("[%sx]\n", name);
    s_refused (text, 1, "49");
    free (text);
    text = bm_format ("[a]\n%sx = 1\n", name);
    s_refused (text, 2, "49");
    free (text);
}

static void
a_file_may_be_as_large_as_the_limit_and_no_larger (void **state)
{
    (void)state;
    char *folder = tests_folder_new ();
    char *data = bm_alloc (BM_LIMIT_CONFIG_BYTES + 1);
    for (size_t i = 0; i <= BM_LIMIT_CONFIG_BYTES; i++)
        data[i] = i % 80 == 79 ? '\n' : ';';
    for (size_t i = 80; i <= BM_LIMIT_CONFIG_BYTES; i += 80)
        data[i] = ';';
    bm_error_t error = {0};
    char *path = tests_file (folder, "c.ini", data, BM_LIMIT_CONFIG_BYTES, 0644);
    bm_config_t *config = bm_config_load (path, &error);
    assert_non_null (config);
    assert_string_equal (bm_config_path (config), path);
    bm_config_destroy (&config);
    tests_file_remove (path);
    path = tests_file (folder, "c.ini", data, BM_LIMIT_CONFIG_BYTES + 1, 0644);
    assert_null (bm_config_load (path, &error));
    assert_non_null (strstr (error.text, "larger"));
    tests_file_remove (path);
    assert_null (bm_config_load (path = bm_format ("%s/absent.ini", folder), &error));
    assert_int_equal (error.status, BM_CONFIG);
    free (path);
    free (data);
    tests_folder_remove (folder);
}

static void
numbers_are_checked (void **state)
{
    (void)state;
    bm_config_t *config =
        s_good ("[a]\nlow = 1\nhigh = 9\nunder = 0\nover = 10\nword = x\nhalf = 1.5\n"
                "huge = 99999999999999999999\nneg = -3\n");
    int64_t value;
    bm_error_t error = {0};
    assert_int_equal (bm_config_int (config, 0, "low", 5, 1, 9, &value, &error), BM_OK);
    assert_int_equal (value, 1);
    assert_int_equal (bm_config_int (config, 0, "high", 5, 1, 9, &value, &error), BM_OK);
    assert_int_equal (value, 9);
    assert_int_equal (bm_config_int (config, 0, "absent", 5, 1, 9, &value, &error), BM_OK);
    assert_int_equal (value, 5);
    assert_int_equal (bm_config_int (config, 0, "neg", 5, -3, 9, &value, &error), BM_OK);
    assert_int_equal (value, -3);
    static const char *const bad[] = {"under", "over", "word", "half", "huge"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal (bm_config_int (config, 0, bad[i], 5, 1, 9, &value, &error), BM_CONFIG);
        assert_non_null (strstr (error.text, "from 1 to 9"));
        assert_non_null (strstr (error.text, "test.ini:"));
    }
    bm_config_destroy (&config);
}

static void
durations_have_units (void **state)
{
    (void)state;
    bm_config_t *config = s_good ("[a]\na = 500 ms\nb = 10 s\nc = 15min\nd = 2 h\ne = 14 d\nf = 7\n"
                                  "bad1 = 5 m\nbad2 = s\nbad3 = -1 s\nbad4 = 1 s 2\nbad5 = 30 d\n"
                                  "bad6 = 9223372036854775807 d\n");
    static const struct {
        const char *key;
        int64_t ms;
    } good[] = {{"a", 500},     {"b", 10000},      {"c", 900000},
                {"d", 7200000}, {"e", 1209600000}, {"f", 7000}};
    int64_t value;
    bm_error_t error = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal (
            bm_config_duration (config, 0, good[i].key, 1, 1000, 0, 1209600000, &value, &error),
            BM_OK);
        assert_int_equal (value, good[i].ms);
    }
    for (int i = 1; i <= 6; i++) {
        char key[8];
        snprintf (key, sizeof key, "bad%d", i);
        assert_int_equal (
            bm_config_duration (config, 0, key, 1, 1000, 0, 1209600000, &value, &error), BM_CONFIG);
        assert_non_null (strstr (error.text, "14 d"));
    }
    bm_config_destroy (&config);
}

static void
booleans_choices_and_lists_are_checked (void **state)
{
    (void)state;
    bm_config_t *config =
        s_good ("[a]\nyes = yes\nno = false\nmaybe = maybe\nmode = warn\nbad = war\n"
                "list = one, two words ,three\nhole = a,,b\nend = a,\n");
    bool flag;
    int index;
    bm_error_t error = {0};
    assert_int_equal (bm_config_bool (config, 0, "yes", false, &flag, &error), BM_OK);
    assert_true (flag);
    assert_int_equal (bm_config_bool (config, 0, "no", true, &flag, &error), BM_OK);
    assert_false (flag);
    assert_int_equal (bm_config_bool (config, 0, "maybe", true, &flag, &error), BM_CONFIG);
    assert_int_equal (bm_config_choice (config, 0, "mode", "fail|warn", 0, &index, &error), BM_OK);
    assert_int_equal (index, 1);
    assert_int_equal (bm_config_choice (config, 0, "absent", "fail|warn", 0, &index, &error),
                      BM_OK);
    assert_int_equal (index, 0);
    assert_int_equal (bm_config_choice (config, 0, "bad", "fail|warn", 0, &index, &error),
                      BM_CONFIG);
    assert_non_null (strstr (error.text, "fail|warn"));
    const char *const *values;
    size_t count;
    assert_int_equal (bm_config_list (config, 0, "list", &values, &count, &error), BM_OK);
    assert_int_equal (count, 3);
    assert_string_equal (values[1], "two words");
    assert_null (values[3]);
    assert_int_equal (bm_config_list (config, 0, "absent", &values, &count, &error), BM_OK);
    assert_int_equal (count, 0);
    assert_null (values[0]);
    assert_int_equal (bm_config_list (config, 0, "hole", &values, &count, &error), BM_CONFIG);
    assert_int_equal (bm_config_list (config, 0, "end", &values, &count, &error), BM_CONFIG);
    bm_config_destroy (&config);
}

static void
a_required_text_must_be_there (void **state)
{
    (void)state;
    bm_config_t *config = s_good ("[agent A]\nempty =\nfull = x\n");
    const char *value;
    bm_error_t error = {0};
    assert_int_equal (bm_config_need_text (config, 0, "full", &value, &error), BM_OK);
    assert_int_equal (bm_config_need_text (config, 0, "empty", &value, &error), BM_CONFIG);
    assert_int_equal (bm_config_need_text (config, 0, "gone", &value, &error), BM_CONFIG);
    assert_non_null (strstr (error.text, "[agent A] must say gone"));
    assert_int_equal (bm_config_need_text (config, -1, "gone", &value, &error), BM_CONFIG);
    bm_config_destroy (&config);
}

static void
a_file_stands_beside_the_configuration (void **state)
{
    (void)state;
    char *folder = tests_folder_new ();
    const char text[] = "[a]\nkey = keys/a.key\nabsolute = /k\n";
    char *path = tests_file (folder, "c.ini", text, sizeof text - 1, 0644);
    bm_config_t *config = bm_config_load (path, NULL);
    const char *value;
    char *expected = bm_format ("%s/keys/a.key", folder);
    bm_config_file (config, 0, "key", NULL, &value, NULL);
    assert_string_equal (value, expected);
    bm_config_file (config, 0, "absolute", NULL, &value, NULL);
    assert_string_equal (value, "/k");
    bm_config_file (config, 0, "absent", NULL, &value, NULL);
    assert_null (value);
    bm_config_destroy (&config);
    free (expected);
    tests_file_remove (path);
    tests_folder_remove (folder);
}

static void
an_unknown_key_is_named_with_the_nearest_known_one (void **state)
{
    (void)state;
    bm_config_t *config =
        s_good ("[round]\nlease = 1\nmark-retrys = 3\n[rond]\nlease = 1\n[bare]\n");
    int64_t value;
    bm_error_t error = {0};
    bm_config_int (config, 0, "lease", 0, 0, 9, &value, NULL);
    bm_config_int (config, 0, "mark-retries", 0, 0, 9, &value, NULL);
    bm_config_know_section (config, 2);
    bm_config_know_section (config, -1);
    assert_int_equal (bm_config_finish (config, &error), BM_CONFIG);
    assert_non_null (
        strstr (error.text, "line 3: there is no key mark-retrys (did you mean mark-retries?)"));
    assert_non_null (strstr (error.text, "line 4: there is no section [rond]"));
    assert_null (strstr (error.text, "bare"));
    bm_config_destroy (&config);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (sections_and_values_are_read),
        cmocka_unit_test (what_libinih_would_cut_join_or_hide_is_refused),
        cmocka_unit_test (a_value_of_more_than_libinihs_200_bytes_is_whole),
        cmocka_unit_test (a_line_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test (a_name_may_have_49_bytes_and_no_more),
        cmocka_unit_test (a_file_may_be_as_large_as_the_limit_and_no_larger),
        cmocka_unit_test (numbers_are_checked),
        cmocka_unit_test (durations_have_units),
        cmocka_unit_test (booleans_choices_and_lists_are_checked),
        cmocka_unit_test (a_required_text_must_be_there),
        cmocka_unit_test (a_file_stands_beside_the_configuration),
        cmocka_unit_test (an_unknown_key_is_named_with_the_nearest_known_one),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
