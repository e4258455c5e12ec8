#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/digest.h"
#include "common/limits.h"
#include "coordinator/shell/manifest.h"

static const bm_backup_t s_log = {.server = "SQL01",
                                  .instance = "SQL01\\A",
                                  .database = "Bestellungen \xc3\xa4\"]",
                                  .type = BM_SET_LOG,
                                  .uuid = "0f0e0d0c-0000-0000-0000-000000000001",
                                  .device = "D:\\Backup\\SQL01_x_Log_BTS_1.bak",
                                  .position = 2,
                                  .first_lsn = "35000000012300001",
                                  .last_lsn = "1234567890123456789012345",
                                  .checkpoint_lsn = "35000000012300001",
                                  .database_backup_lsn = "35000000000100037",
                                  .first_fork = "k1",
                                  .last_fork = "k1",
                                  .family = "f1",
                                  .started = "2026-11-21 02:15:00.000",
                                  .finished = "2026-11-21 02:15:01.000",
                                  .bytes = 4096,
                                  .compressed_bytes = 1024,
                                  .file_bytes = -1,
                                  .recovery_model = "FULL",
                                  .user = "sa",
                                  .has_checksums = true,
                                  .ours = true,
                                  .set_id = 17,
                                  .mark = "BTS_2026_11_21_02_15_01_327",
                                  .mark_lsn = "35000000012400001"};

static bm_manifest_t *
sample (void)
{
    bm_manifest_t *m = bm_manifest_new ();
    m->group = bm_strdup ("BizTalk Group");
    m->product_version = bm_strdup ("0.1.0");
    m->run = 1795000000;
    m->set_id = 17;
    m->type = BM_SET_LOG;
    m->sequence = bm_strdup (s_log.mark);
    m->mark = bm_strdup (s_log.mark);
    m->has_outcome = true;
    m->outcome = BM_OUTCOME_UNCHECKED;
    m->complete = true;
    m->began_us = 1795000000000000;
    m->ended_us = 1795000010500000;
    m->window_us = 9300;
    m->fence_ms = 41;
    m->group_databases = 2;
    bm_backup_t full = s_log;
    full.type = BM_SET_FULL;
    full.uuid = "0f0e0d0c-0000-0000-0000-000000000002";
    full.mark = full.mark_lsn = NULL;
    full.more_devices = (char *)"D:\\Backup\\2of3 \xc3\xa4.bak\nE:\\3of3.bak";
    bm_manifest_add (m, &s_log, &full, "\\\\SQL01\\Backup\\SQL01_x_Log_BTS_1.bak");
    bm_backup_t missing = {
        .server = "SQL02", .database = "BizTalkDTADb", .type = BM_SET_LOG, .file_bytes = -1};
    bm_manifest_add (m, &missing, NULL, NULL);
    return m;
}

static char *
built (size_t *size_p, char sha256[BM_MANIFEST_SHA256_BYTES])
{
    bm_error_t error = {0};
    bm_manifest_t *m = sample ();
    char *text = NULL;
    if (bm_manifest_build (m, &text, size_p, sha256, &error))
        fail_msg ("%s", error.text);
    bm_manifest_destroy (&m);
    return text;
}

static void
what_was_written_is_read_back_whole (void **state)
{
    (void)state;
    size_t size, again;
    char sha256[BM_MANIFEST_SHA256_BYTES], sha256_again[BM_MANIFEST_SHA256_BYTES];
    char *text = built (&size, sha256);
    bm_error_t error = {0};
    bm_manifest_t *m = bm_manifest_parse ("m", text, size, &error);
    if (!m)
        fail_msg ("%s", error.text);
    assert_string_equal (m->group, "BizTalk Group");
    assert_int_equal (m->run, 1795000000);
    assert_int_equal (m->outcome, BM_OUTCOME_UNCHECKED);
    assert_int_equal (m->ended_us, 1795000010500000);
    assert_int_equal (m->database_count, 2);
    const bm_backup_t *b = &m->databases[0].backup;
    assert_string_equal (b->database, s_log.database);
    assert_string_equal (b->last_lsn, s_log.last_lsn);
    assert_string_equal (b->device, s_log.device);
    assert_int_equal (b->position, 2);
    assert_int_equal (b->file_bytes, -1);
    assert_true (m->databases[0].has_full);
    assert_string_equal (m->databases[0].full.uuid, "0f0e0d0c-0000-0000-0000-000000000002");
    assert_null (b->more_devices);
    assert_string_equal (m->databases[0].full.more_devices,
                         "D:\\Backup\\2of3 \xc3\xa4.bak\nE:\\3of3.bak");
    assert_null (m->databases[1].backup.device);
    assert_false (m->databases[1].has_full);
    /*  Canonical: the same content is the same text. */
    char *text_again;
    assert_int_equal (bm_manifest_build (m, &text_again, &again, sha256_again, &error), BM_OK);
    assert_string_equal (text_again, text);
    assert_string_equal (sha256, sha256_again);
    free (text_again);
    free (text);
    bm_manifest_destroy (&m);
}

static void
every_flipped_bit_is_found (void **state)
{
    (void)state;
    size_t size;
    char sha256[BM_MANIFEST_SHA256_BYTES];
    char *text = built (&size, sha256);
    for (size_t bit = 0; bit < size * 8; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
        bm_error_t error = {0};
        bm_manifest_t *m = bm_manifest_parse ("m", text, size, &error);
        if (m)
            fail_msg ("bit %zu of byte %zu was not missed", bit % 8, bit / 8);
        assert_int_equal (error.status, BM_VERIFY_FAILED);
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
    }
    free (text);
}

static void
a_cut_or_lengthened_file_is_found (void **state)
{
    (void)state;
    size_t size;
    char sha256[BM_MANIFEST_SHA256_BYTES];
    char *text = built (&size, sha256);
    for (size_t cut = 0; cut < size; cut++)
        assert_null (bm_manifest_parse ("m", text, cut, NULL));
    char *longer = bm_format ("%s\n", text);
    assert_null (bm_manifest_parse ("m", longer, size + 1, NULL));
    free (longer);
    free (text);
}

/*  Gives a changed text a hash that fits, as a forger would. */
static char *
rehashed (json_t *root)
{
    json_object_set_new (root, "sha256", json_string (""));
    char *plain = json_dumps (root, JSON_SORT_KEYS | JSON_COMPACT),
         *line = bm_format ("%s\n", plain);
    uint8_t digest[BM_DIGEST_BYTES];
    char hex[BM_DIGEST_TEXT_BYTES];
    bm_digest_sha256 (line, strlen (line), digest);
    json_object_set_new (root, "sha256", json_string (bm_digest_text (digest, hex)));
    free (plain);
    free (line);
    plain = json_dumps (root, JSON_SORT_KEYS | JSON_COMPACT);
    line = bm_format ("%s\n", plain);
    free (plain);
    return line;
}

static void
any_json_library_can_check_the_hash (void **state)
{
    (void)state;
    size_t size;
    char sha256[BM_MANIFEST_SHA256_BYTES];
    char *text = built (&size, sha256);
    json_t *root = json_loads (text, 0, NULL);
    assert_string_equal (json_string_value (json_object_get (root, "sha256")), sha256);
    char *again = rehashed (root);
    assert_string_equal (again, text);
    free (again);
    free (text);
    json_decref (root);
}

static void
a_field_of_the_wrong_kind_is_refused_even_with_a_fitting_hash (void **state)
{
    (void)state;
    static const char *const changes[] = {
        "{\"format\":2}",           "{\"group\":null}",          "{\"set_id\":\"17\"}",
        "{\"set_id\":-1}",          "{\"type\":\"xx\"}",         "{\"outcome\":\"fine\"}",
        "{\"complete\":1}",         "{\"began\":\"yesterday\"}", "{\"databases\":{}}",
        "{\"databases\":[{}]}",     "{\"databases\":[17]}",      "{\"window_us\":\"9\"}",
        "{\"group\":\"a\\u0000b\"}"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        size_t size;
        char sha256[BM_MANIFEST_SHA256_BYTES];
        char *text = built (&size, sha256);
        json_t *root = json_loads (text, 0, NULL),
               *change = json_loads (changes[i], JSON_ALLOW_NUL, NULL);
        assert_non_null (change);
        json_object_update (root, change);
        char *forged = rehashed (root);
        bm_error_t error = {0};
        bm_manifest_t *m = bm_manifest_parse ("m", forged, strlen (forged), &error);
        if (m)
            fail_msg ("%s was taken", changes[i]);
        assert_int_equal (error.status, BM_VERIFY_FAILED);
        free (forged);
        free (text);
        json_decref (root);
        json_decref (change);
    }
}

static void
an_lsn_that_is_none_is_refused (void **state)
{
    (void)state;
    bm_manifest_t *m = sample ();
    free (m->databases[0].backup.first_lsn);
    m->databases[0].backup.first_lsn = bm_strdup ("12x");
    char *text, sha256[BM_MANIFEST_SHA256_BYTES];
    size_t size;
    bm_error_t error = {0};
    assert_int_equal (bm_manifest_build (m, &text, &size, sha256, &error), BM_OK);
    assert_null (bm_manifest_parse ("m", text, size, &error));
    assert_non_null (strstr (error.text, "first_lsn"));
    free (text);
    bm_manifest_destroy (&m);
}

static void
a_text_that_is_not_utf8_is_refused_before_it_is_written (void **state)
{
    (void)state;
    bm_manifest_t *m = sample ();
    free (m->group);
    m->group = bm_strdup ("\xff");
    char *text, sha256[BM_MANIFEST_SHA256_BYTES];
    size_t size;
    bm_error_t error = {0};
    assert_int_equal (bm_manifest_build (m, &text, &size, sha256, &error), BM_PROTOCOL);
    assert_null (text);
    bm_manifest_destroy (&m);
}

static void
the_limits_of_size_and_databases_hold (void **state)
{
    (void)state;
    char *text, sha256[BM_MANIFEST_SHA256_BYTES];
    size_t size;
    bm_error_t error = {0};
    bm_manifest_t *m = sample ();
    bm_backup_t small = {.server = "S", .database = "D", .type = BM_SET_LOG};
    while (m->database_count < BM_LIMIT_DATABASES)
        bm_manifest_add (m, &small, NULL, NULL);
    assert_int_equal (bm_manifest_build (m, &text, &size, sha256, &error), BM_OK);
    bm_manifest_t *read = bm_manifest_parse ("m", text, size, &error);
    assert_non_null (read);
    assert_int_equal (read->database_count, BM_LIMIT_DATABASES);
    bm_manifest_destroy (&read);
    free (text);
    bm_manifest_add (m, &small, NULL, NULL);
    assert_int_equal (bm_manifest_build (m, &text, &size, sha256, &error), BM_LIMIT);
    bm_manifest_destroy (&m);

    /*  Exactly as many bytes as are allowed, then one more. */
    m = sample ();
    assert_int_equal (bm_manifest_build (m, &text, &size, sha256, &error), BM_OK);
    size_t room = BM_LIMIT_MANIFEST_BYTES - size + strlen (m->group);
    free (text);
    for (size_t more = 0; more < 2; more++) {
        free (m->group);
        m->group = bm_alloc (room + more + 1);
        memset (m->group, 'g', room + more);
        bm_status_t status = bm_manifest_build (m, &text, &size, sha256, &error);
        assert_int_equal (status, more ? BM_LIMIT : BM_OK);
        if (!more) {
            assert_int_equal (size, BM_LIMIT_MANIFEST_BYTES);
            read = bm_manifest_parse ("m", text, size, &error);
            assert_non_null (read);
            bm_manifest_destroy (&read);
            assert_null (bm_manifest_parse ("m", text, size + 1, &error));
            assert_int_equal (error.status, BM_LIMIT);
        }
        free (text);
    }
    bm_manifest_destroy (&m);
}

static void
the_file_is_named_by_its_mark_or_set (void **state)
{
    (void)state;
    bm_manifest_t *m = sample ();
    char *name = bm_manifest_file_name (m);
    assert_string_equal (name, "BTS_2026_11_21_02_15_01_327.btsmark.json");
    free (name);
    free (m->mark);
    m->mark = NULL;
    name = bm_manifest_file_name (m);
    assert_string_equal (name, "17.btsmark.json");
    free (name);
    bm_manifest_destroy (&m);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_was_written_is_read_back_whole),
        cmocka_unit_test (every_flipped_bit_is_found),
        cmocka_unit_test (a_cut_or_lengthened_file_is_found),
        cmocka_unit_test (any_json_library_can_check_the_hash),
        cmocka_unit_test (a_field_of_the_wrong_kind_is_refused_even_with_a_fitting_hash),
        cmocka_unit_test (an_lsn_that_is_none_is_refused),
        cmocka_unit_test (a_text_that_is_not_utf8_is_refused_before_it_is_written),
        cmocka_unit_test (the_limits_of_size_and_databases_hold),
        cmocka_unit_test (the_file_is_named_by_its_mark_or_set),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
