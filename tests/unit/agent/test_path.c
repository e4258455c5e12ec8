#include "tests/unit/agent/tests.h"

#include "agent/shell/path.h"

static void
s_expect (const char *path, const char *clean)
{
    bm_error_t error = {0};
    char *got = bm_path_normalise (path, &error);
    if (clean) {
        if (!got)
            fail_msg ("%s: %s", path, error.text);
        assert_string_equal (got, clean);
    } else if (got)
        fail_msg ("%s became %s", path, got);
    else
        assert_int_equal (error.status, BM_PATH_NOT_ALLOWED);
    free (got);
}

static void
absolute_folders_are_brought_to_one_form (void **state)
{
    (void)state;
    s_expect ("/var/backups", "/var/backups");
    s_expect ("/var//backups/", "/var/backups");
    s_expect ("/", "/");
    s_expect ("D:\\Backup\\", "D:\\Backup");
    s_expect ("D:/Backup/x", "D:\\Backup\\x");
    s_expect ("\\\\nas\\share\\", "\\\\nas\\share");
    s_expect ("/with space/\xC3\xA4", "/with space/\xC3\xA4");
    s_expect ("/a..b/c.", "/a..b/c.");
    s_expect ("D:\\", "D:\\");
    s_expect ("https://acct.blob.core.windows.net//backup/",
              "https://acct.blob.core.windows.net/backup");
    s_expect ("s3://host:9000/bucket", "s3://host:9000/bucket");
}

static void
whatever_could_leave_its_place_is_refused (void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "relative",
                               "./x",
                               "/a/../b",
                               "/a/..",
                               "/a/./b",
                               "D:\\a\\..\\b",
                               "D:relative",
                               "\\single",
                               "/a'b",
                               "/a\"b",
                               "/a*",
                               "/a\nb",
                               "/a|b",
                               "/\x7F",
                               "https://",
                               "https://a/../b",
                               "https://a/b?sig=x",
                               "http://a/b",
                               "D:\\a\\.. \\b",
                               "D:\\a\\...\\b",
                               "D:\\a \\b",
                               "D:\\a.bak:stream",
                               "\\\\?\\C:\\a",
                               "\\\\.\\C:\\a",
                               "\\\\nas\\D:\\a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        s_expect (bad[i], NULL);
}

static void
a_path_is_limited (void **state)
{
    (void)state;
    char *path = bm_alloc (BM_LIMIT_PATH_BYTES + 2);
    memset (path, 'a', BM_LIMIT_PATH_BYTES);
    path[0] = '/';
    s_expect (path, path);
    path[BM_LIMIT_PATH_BYTES] = 'a';
    s_expect (path, NULL);
    free (path);
}

static void
a_path_lies_within_a_root_by_whole_names (void **state)
{
    (void)state;
    assert_true (bm_path_within ("/var/backups", "/var/backups"));
    assert_true (bm_path_within ("/var/backups/x", "/var/backups"));
    assert_false (bm_path_within ("/var/backups2", "/var/backups"));
    assert_false (bm_path_within ("/var", "/var/backups"));
    assert_false (bm_path_within ("/VAR/backups", "/var/backups"));
    assert_true (bm_path_within ("/anything", "/"));
    assert_true (bm_path_within ("d:\\BACKUP\\x", "D:\\Backup"));
    assert_false (bm_path_within ("D:\\Backups", "D:\\Backup"));
    assert_false (bm_path_within ("/var", "D:\\var"));
    assert_true (bm_path_within ("d:\\Backup", "D:\\"));
    assert_true (bm_path_within ("D:\\", "D:\\"));
    assert_false (bm_path_within ("E:\\Backup", "D:\\"));
    assert_true (bm_path_within ("https://a/b/c", "https://a/b"));
    assert_false (bm_path_within ("https://a/bc", "https://a/b"));
    assert_false (bm_path_within ("https://a/b", "/"));
    assert_string_equal (bm_path_below ("D:\\Backup\\x\\y", "D:\\Backup"), "x\\y");
    assert_string_equal (bm_path_below ("D:\\x", "D:\\"), "x");
    assert_string_equal (bm_path_below ("/a/b", "/"), "a/b");
    assert_string_equal (bm_path_below ("/a/b", "/a/b"), "");
}

static void
names_of_files_and_marks_are_plain (void **state)
{
    (void)state;
    assert_true (bm_path_file_name_ok ("BTS_2026_11_21.btsmark.json"));
    assert_false (bm_path_file_name_ok (""));
    assert_false (bm_path_file_name_ok (".hidden"));
    assert_false (bm_path_file_name_ok ("a/b"));
    assert_false (bm_path_file_name_ok ("a\\b"));
    assert_false (bm_path_file_name_ok ("a..b"));
    assert_false (bm_path_file_name_ok ("a b"));
    assert_true (bm_path_mark_ok ("BTS_2026_11_21_02_15_01_327"));
    assert_true (bm_path_mark_ok ("12345678901234567890123456789012"));
    assert_false (bm_path_mark_ok ("123456789012345678901234567890123"));
    assert_false (bm_path_mark_ok (""));
    assert_false (bm_path_mark_ok ("a'b"));
    assert_false (bm_path_mark_ok ("a/b"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (absolute_folders_are_brought_to_one_form),
                                       cmocka_unit_test (whatever_could_leave_its_place_is_refused),
                                       cmocka_unit_test (a_path_is_limited),
                                       cmocka_unit_test (a_path_lies_within_a_root_by_whole_names),
                                       cmocka_unit_test (names_of_files_and_marks_are_plain)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
