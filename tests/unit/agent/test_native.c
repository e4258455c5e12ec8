#include "tests/unit/agent/tests.h"

#include "agent/shell/native.h"
#include "agent/shell/path.h"
#include "common/names.h"

static void
s_expect_batch (const Btsmark__Backup *order, const char *folder, const char *batch)
{
    bm_error_t error = {0};
    if (bm_native_check (order->native, folder, &error) != BM_OK)
        fail_msg ("%s", error.text);
    bm_native_t *native = bm_native_new (order, "SQL01", folder, &error);
    if (!native)
        fail_msg ("%s", error.text);
    assert_string_equal (native->batch, batch);
    bm_native_destroy (&native);
    bm_native_destroy (&native);
}

static Btsmark__Backup
s_order (Btsmark__SetType type, const char *database)
{
    Btsmark__Backup order = BTSMARK__BACKUP__INIT;
    order.database = (char *)database;
    order.type = type;
    order.method = BTSMARK__METHOD__NATIVE;
    order.sequence = (char *)"BTS_1";
    order.context = (char *)"btsmark run 17";
    return order;
}

static void
a_backup_has_checksums_and_never_appends (void **state)
{
    (void)state;
    Btsmark__Backup order = s_order (BTSMARK__SET_TYPE__LOG, "X");
    s_expect_batch (&order, "/b",
                    "BACKUP LOG [X] TO DISK = N'/b/SQL01_X_Log_BTS_1.bak' WITH CHECKSUM, FORMAT, "
                    "INIT, NAME = N'btsmark run 17', DESCRIPTION = N'BTS_1', NO_COMPRESSION, "
                    "STATS = 5;");
    order.type = BTSMARK__SET_TYPE__FULL;
    order.compress = true;
    order.context = (char *)"";
    s_expect_batch (&order, "D:\\B",
                    "BACKUP DATABASE [X] TO DISK = N'D:\\B\\SQL01_X_Full_BTS_1.bak' WITH CHECKSUM, "
                    "FORMAT, INIT, NAME = N'btsmark', DESCRIPTION = N'BTS_1', COMPRESSION, "
                    "STATS = 5;");
}

static void
stripes_encryption_and_sizes_stand_where_they_are_asked_for (void **state)
{
    (void)state;
    Btsmark__Backup order = s_order (BTSMARK__SET_TYPE__FULL, "X");
    Btsmark__NativeOptions options = BTSMARK__NATIVE_OPTIONS__INIT;
    options.stripes = 2;
    options.max_transfer_bytes = 4194304;
    options.buffer_count = 50;
    options.encryption_algorithm = (char *)"AES_256";
    options.certificate = (char *)"Backup]Cert";
    order.native = &options;
    s_expect_batch (
        &order, "/b",
        "BACKUP DATABASE [X] TO DISK = N'/b/SQL01_X_Full_BTS_1_1of2.bak', DISK = "
        "N'/b/SQL01_X_Full_BTS_1_2of2.bak' WITH CHECKSUM, FORMAT, INIT, NAME = "
        "N'btsmark run 17', DESCRIPTION = N'BTS_1', NO_COMPRESSION, MAXTRANSFERSIZE = "
        "4194304, BUFFERCOUNT = 50, ENCRYPTION (ALGORITHM = AES_256, SERVER CERTIFICATE "
        "= [Backup]]Cert]), STATS = 5;");
}

static void
a_url_is_no_disk_and_takes_a_credential (void **state)
{
    (void)state;
    Btsmark__Backup order = s_order (BTSMARK__SET_TYPE__LOG, "X");
    Btsmark__NativeOptions options = BTSMARK__NATIVE_OPTIONS__INIT;
    options.credential = (char *)"it's mine";
    order.native = &options;
    s_expect_batch (&order, "https://acct.blob.core.windows.net/bts",
                    "BACKUP LOG [X] TO URL = "
                    "N'https://acct.blob.core.windows.net/bts/SQL01_X_Log_BTS_1.bak' WITH "
                    "CHECKSUM, FORMAT, NAME = N'btsmark run 17', DESCRIPTION = N'BTS_1', "
                    "NO_COMPRESSION, CREDENTIAL = N'it''s mine', STATS = 5;");
}

/*  Whatever a database is called, it stays one identifier, and its file one name in the folder. */
static void
names_cannot_leave_their_quotes_or_their_folder (void **state)
{
    (void)state;
    static const char *const names[] = {"a]b",
                                        "a'b",
                                        "'; DROP TABLE x --",
                                        "a b",
                                        "K\xC3\xB6ln \xE2\x82\xAC",
                                        "../../etc/passwd",
                                        "a\\b",
                                        "a:b",
                                        "..",
                                        "con|x*?"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bm_error_t error = {0};
        Btsmark__Backup order = s_order (BTSMARK__SET_TYPE__LOG, names[i]);
        bm_native_t *native = bm_native_new (&order, "SQL01\\BTS", "/b", &error);
        assert_non_null (native);
        char *quoted = bm_names_quote (names[i]);
        char *head = bm_format ("BACKUP LOG %s TO DISK = N'/b/", quoted);
        assert_int_equal (strncmp (native->batch, head, strlen (head)), 0);
        char *clean = bm_path_normalise (native->files[0], &error);
        if (!clean)
            fail_msg ("%s: %s", native->files[0], error.text);
        assert_string_equal (clean, native->files[0]);
        assert_null (strchr (native->files[0] + 3, '/'));
        assert_null (strpbrk (native->files[0], "'\\:"));
        free (clean);
        free (head);
        free (quoted);
        bm_native_destroy (&native);
    }
}

static void
s_expect_name (const char *server, const char *database, const char *name)
{
    char *got = bm_native_file_name (server, database, true, "M", 1, 1);
    assert_string_equal (got, name);
    free (got);
}

static void
s_expect_different (const char *server, const char *database, const char *server2,
                    const char *database2)
{
    char *one = bm_native_file_name (server, database, true, "M", 1, 1);
    char *two = bm_native_file_name (server2, database2, true, "M", 1, 1);
    if (strcasecmp (one, two) == 0)
        fail_msg ("%s of (%s, %s) and of (%s, %s)", one, server, database, server2, database2);
    free (one);
    free (two);
}

static void
file_names_tell_every_server_and_database_apart (void **state)
{
    (void)state;
    s_expect_name ("SQL01", "BizTalkMgmtDb", "SQL01_BizTalkMgmtDb_Full_M.bak");
    s_expect_name ("SQL01\\BTS", "Db", "SQL01$BTS_Db_Full_M.bak");
    /*  BizTalk's procedure cuts the server at 30 characters. */
    s_expect_name ("A123456789-B123456789-C123456789\\BTS", "Db",
                   "A123456789-B123456789-C123456789$BTS_Db_Full_M.bak");
    s_expect_different ("A_B", "C", "A", "B_C");
    s_expect_different ("S", "a/b", "S", "a_b");
    s_expect_different ("S", "a/b", "S", "a:b");
    s_expect_different ("S\\I", "D", "S$I", "D");
    char longest[BM_LIMIT_NAME_BYTES + 1];
    memset (longest, 'x', sizeof longest);
    longest[300] = 0;
    char *other = bm_format ("%sy", longest);
    s_expect_different ("S", longest, "S", other);
    free (other);
    char *name =
        bm_native_file_name (longest, longest, false, "BTS_2026_11_21_02_15_01_327_12345", 64, 64);
    assert_true (strlen (name) <= 255);
    assert_non_null (strstr (name, "_64of64.bak"));
    free (name);
}

static void
a_device_name_is_limited (void **state)
{
    (void)state;
    bm_error_t error = {0};
    Btsmark__Backup order = s_order (BTSMARK__SET_TYPE__LOG, "X");
    const size_t name = strlen ("/SQL01_X_Log_BTS_1.bak");
    char folder[BM_NATIVE_DEVICE_CHARS + 2];
    memset (folder, 'f', sizeof folder);
    folder[0] = '/';
    folder[BM_NATIVE_DEVICE_CHARS - name] = 0;
    bm_native_t *native = bm_native_new (&order, "SQL01", folder, &error);
    assert_non_null (native);
    bm_native_destroy (&native);
    folder[BM_NATIVE_DEVICE_CHARS - name] = 'f';
    folder[BM_NATIVE_DEVICE_CHARS - name + 1] = 0;
    assert_null (bm_native_new (&order, "SQL01", folder, &error));
    assert_int_equal (error.status, BM_NOT_READY);
    assert_non_null (strstr (error.text, "260"));
}

static void
options_that_do_not_fit_are_refused (void **state)
{
    (void)state;
    const struct {
        uint32_t stripes, transfer, buffers;
        const char *algorithm, *certificate, *credential, *folder;
        bool ok;
    } cases[] = {{64, 0, 0, "", "", "", "/b", true},
                 {65, 0, 0, "", "", "", "/b", false},
                 {0, 65536, 0, "", "", "", "/b", true},
                 {0, 65537, 0, "", "", "", "/b", false},
                 {0, 4194304, 0, "", "", "", "/b", true},
                 {0, 4259840, 0, "", "", "", "/b", false},
                 {0, 0, 65536, "", "", "", "/b", true},
                 {0, 0, 65537, "", "", "", "/b", false},
                 {0, 0, 0, "AES_128", "c", "", "/b", true},
                 {0, 0, 0, "TRIPLE_DES_3KEY", "c", "", "/b", true},
                 {0, 0, 0, "AES_256) --", "c", "", "/b", false},
                 {0, 0, 0, "AES_256", "", "", "/b", false},
                 {0, 0, 0, "", "c", "", "/b", false},
                 {0, 0, 0, "", "", "k", "/b", false},
                 {0, 0, 0, "", "", "k", "https://a/b", true},
                 {2, 0, 0, "", "", "k", "https://a/b", false},
                 {2, 0, 0, "", "", "", "https://a/b", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Btsmark__NativeOptions options = BTSMARK__NATIVE_OPTIONS__INIT;
        options.stripes = cases[i].stripes;
        options.max_transfer_bytes = cases[i].transfer;
        options.buffer_count = cases[i].buffers;
        options.encryption_algorithm = (char *)cases[i].algorithm;
        options.certificate = (char *)cases[i].certificate;
        options.credential = (char *)cases[i].credential;
        bm_error_t error = {0};
        bool ok = bm_native_check (&options, cases[i].folder, &error) == BM_OK;
        if (ok != cases[i].ok)
            fail_msg ("case %zu: %s", i, error.text);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_backup_has_checksums_and_never_appends),
        cmocka_unit_test (stripes_encryption_and_sizes_stand_where_they_are_asked_for),
        cmocka_unit_test (a_url_is_no_disk_and_takes_a_credential),
        cmocka_unit_test (names_cannot_leave_their_quotes_or_their_folder),
        cmocka_unit_test (file_names_tell_every_server_and_database_apart),
        cmocka_unit_test (a_device_name_is_limited),
        cmocka_unit_test (options_that_do_not_fit_are_refused)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
