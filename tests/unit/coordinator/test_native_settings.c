#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/limits.h"
#include "coordinator/shell/native_settings.h"

/*  What becomes of these lines of [backup]; *error says what is wrong. The texts are the configuration's: *config_p. */
static bm_status_t
s_read (const char *lines, bool native, bm_config_t **config_p, bm_native_settings_t *settings,
        bm_error_t *error)
{
    char *text = bm_format ("[backup]\n%s\n", lines);
    memset (error, 0, sizeof *error);
    memset (settings, 0, sizeof *settings);
    *config_p = bm_config_parse ("test.ini", text, error);
    free (text);
    if (!*config_p)
        return error->status;
    return bm_native_settings_read (*config_p, bm_config_find (*config_p, "backup", ""), native,
                                    settings, error);
}

static void
what_is_written_is_handed_over (void **state)
{
    (void)state;
    bm_config_t *config;
    bm_native_settings_t settings;
    bm_error_t error;
    if (s_read ("stripes = 4\nmax-transfer-size = 1024 KiB\nbuffer-count = 32\n"
                "encryption-algorithm = aes-256\nencryption-certificate = Backup Cert",
                true, &config, &settings, &error))
        fail_msg ("%s", error.text);
    Btsmark__NativeOptions options = BTSMARK__NATIVE_OPTIONS__INIT;
    bm_native_settings_put (&settings, &options);
    assert_int_equal (options.stripes, 4);
    assert_int_equal (options.max_transfer_bytes, 1048576);
    assert_int_equal (options.buffer_count, 32);
    assert_string_equal (options.encryption_algorithm, "AES_256");
    assert_string_equal (options.certificate, "Backup Cert");
    assert_string_equal (options.credential, "");
    bm_config_destroy (&config);
}

static void
nothing_written_is_sql_servers_own (void **state)
{
    (void)state;
    bm_config_t *config;
    bm_native_settings_t settings;
    bm_error_t error;
    for (int native = 0; native < 2; native++) {
        assert_int_equal (s_read ("", native, &config, &settings, &error), BM_OK);
        assert_int_equal (settings.stripes, 1);
        assert_int_equal (settings.max_transfer_bytes, 0);
        assert_int_equal (settings.buffer_count, 0);
        assert_string_equal (settings.encryption_algorithm, "");
        assert_string_equal (settings.credential, "");
        bm_config_destroy (&config);
    }
}

static void
limits_hold_at_n_and_break_at_n_plus_1 (void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        bool ok;
    } cases[] = {{"stripes = 64", true},
                 {"stripes = 65", false},
                 {"stripes = 0", false},
                 {"max-transfer-size = 4 MiB", true},
                 {"max-transfer-size = 4194304", true},
                 {"max-transfer-size = 65536", true},
                 {"max-transfer-size = 64 KiB", true},
                 {"max-transfer-size = 65 KiB", false},
                 {"max-transfer-size = 4160 KiB", false},
                 {"max-transfer-size = 5 MiB", false},
                 {"max-transfer-size = 1 MB", false},
                 {"max-transfer-size = -65536", false},
                 {"max-transfer-size = 99999999999999999999", false},
                 {"max-transfer-size = much", false},
                 {"buffer-count = 65536", true},
                 {"buffer-count = 65537", false},
                 {"encryption-algorithm = aes-512", false},
                 {"encryption-algorithm = aes-128", false},
                 {"encryption-certificate = C", false},
                 {"encryption-algorithm = none\nencryption-certificate = C", false},
                 {"encryption-algorithm = triple-des\nencryption-certificate = C", true},
                 {"credential = K\nstripes = 2", false},
                 {"credential = K", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bm_config_t *config;
        bm_native_settings_t settings;
        bm_error_t error;
        bool ok = s_read (cases[i].lines, true, &config, &settings, &error) == BM_OK;
        if (ok != cases[i].ok)
            fail_msg ("%s: %s", cases[i].lines, error.text);
        if (!ok) {
            assert_int_equal (error.status, BM_CONFIG);
            assert_non_null (strstr (error.text, "test.ini"));
        }
        bm_config_destroy (&config);
    }
}

static void
keys_of_native_are_refused_where_they_would_be_ignored (void **state)
{
    (void)state;
    static const char *const lines[] = {
        "stripes = 2", "max-transfer-size = 1 MiB", "buffer-count = 1",
        "encryption-algorithm = aes-256\nencryption-certificate = C", "credential = K"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        bm_config_t *config;
        bm_native_settings_t settings;
        bm_error_t error;
        assert_int_equal (s_read (lines[i], false, &config, &settings, &error), BM_CONFIG);
        assert_non_null (strstr (error.text, "method = native"));
        bm_config_destroy (&config);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_is_written_is_handed_over),
        cmocka_unit_test (nothing_written_is_sql_servers_own),
        cmocka_unit_test (limits_hold_at_n_and_break_at_n_plus_1),
        cmocka_unit_test (keys_of_native_are_refused_where_they_would_be_ignored)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
