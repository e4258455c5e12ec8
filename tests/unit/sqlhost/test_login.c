/*  tests/unit/sqlhost/test_login.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/limits.h"
#include "tests/unit/sqlhost/login_record.h"

#include <stdlib.h>

/*  Recorded from FreeTDS 1.3.17: user sa, a password with characters of two and three bytes. */
static const uint8_t s_login_71[] = {
    0xC6, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x71, 0x00, 0x10, 0x00, 0x00, 0x06, 0x83, 0xF2, 0xF8,
    0xE3, 0x3D, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xE0, 0x03, 0x00, 0x00, 0x88, 0xFF, 0xFF, 0xFF,
    0x36, 0x04, 0x00, 0x00, 0x56, 0x00, 0x02, 0x00, 0x5A, 0x00, 0x02, 0x00, 0x5E, 0x00, 0x05, 0x00,
    0x68, 0x00, 0x04, 0x00, 0x70, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x82, 0x00, 0x0B, 0x00,
    0x98, 0x00, 0x0A, 0x00, 0xAC, 0x00, 0x0D, 0x00, 0x02, 0xFC, 0x00, 0x00, 0x00, 0x01, 0xC6, 0x00,
    0x00, 0x00, 0xC6, 0x00, 0x00, 0x00, 0x76, 0x00, 0x6D, 0x00, 0x73, 0x00, 0x61, 0x00, 0xA0, 0xA5,
    0xEB, 0xA5, 0x6F, 0xA7, 0x22, 0xA5, 0xB6, 0xA5, 0x54, 0x00, 0x53, 0x00, 0x51, 0x00, 0x4C, 0x00,
    0x31, 0x00, 0x32, 0x00, 0x37, 0x00, 0x2E, 0x00, 0x30, 0x00, 0x2E, 0x00, 0x30, 0x00, 0x2E, 0x00,
    0x31, 0x00, 0x54, 0x00, 0x44, 0x00, 0x53, 0x00, 0x2D, 0x00, 0x4C, 0x00, 0x69, 0x00, 0x62, 0x00,
    0x72, 0x00, 0x61, 0x00, 0x72, 0x00, 0x79, 0x00, 0x75, 0x00, 0x73, 0x00, 0x5F, 0x00, 0x65, 0x00,
    0x6E, 0x00, 0x67, 0x00, 0x6C, 0x00, 0x69, 0x00, 0x73, 0x00, 0x68, 0x00, 0x42, 0x00, 0x69, 0x00,
    0x7A, 0x00, 0x54, 0x00, 0x61, 0x00, 0x6C, 0x00, 0x6B, 0x00, 0x4D, 0x00, 0x67, 0x00, 0x6D, 0x00,
    0x74, 0x00, 0x44, 0x00, 0x62, 0x00};

static const uint8_t s_login_74[] = {
    0xD9, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x74, 0x00, 0x10, 0x00, 0x00, 0x06, 0x83, 0xF2, 0xF8,
    0xE4, 0x3D, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xE0, 0x03, 0x00, 0x18, 0x88, 0xFF, 0xFF, 0xFF,
    0x36, 0x04, 0x00, 0x00, 0x5E, 0x00, 0x02, 0x00, 0x62, 0x00, 0x02, 0x00, 0x66, 0x00, 0x05, 0x00,
    0x70, 0x00, 0x04, 0x00, 0x78, 0x00, 0x09, 0x00, 0x8A, 0x00, 0x04, 0x00, 0x8E, 0x00, 0x0B, 0x00,
    0xA4, 0x00, 0x0A, 0x00, 0xB8, 0x00, 0x0D, 0x00, 0x02, 0xFC, 0x00, 0x00, 0x00, 0x01, 0xD2, 0x00,
    0x00, 0x00, 0xD2, 0x00, 0x00, 0x00, 0xD2, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x76, 0x00,
    0x6D, 0x00, 0x73, 0x00, 0x61, 0x00, 0xA0, 0xA5, 0xEB, 0xA5, 0x6F, 0xA7, 0x22, 0xA5, 0xB6, 0xA5,
    0x54, 0x00, 0x53, 0x00, 0x51, 0x00, 0x4C, 0x00, 0x31, 0x00, 0x32, 0x00, 0x37, 0x00, 0x2E, 0x00,
    0x30, 0x00, 0x2E, 0x00, 0x30, 0x00, 0x2E, 0x00, 0x31, 0x00, 0xD2, 0x00, 0x00, 0x00, 0x54, 0x00,
    0x44, 0x00, 0x53, 0x00, 0x2D, 0x00, 0x4C, 0x00, 0x69, 0x00, 0x62, 0x00, 0x72, 0x00, 0x61, 0x00,
    0x72, 0x00, 0x79, 0x00, 0x75, 0x00, 0x73, 0x00, 0x5F, 0x00, 0x65, 0x00, 0x6E, 0x00, 0x67, 0x00,
    0x6C, 0x00, 0x69, 0x00, 0x73, 0x00, 0x68, 0x00, 0x42, 0x00, 0x69, 0x00, 0x7A, 0x00, 0x54, 0x00,
    0x61, 0x00, 0x6C, 0x00, 0x6B, 0x00, 0x4D, 0x00, 0x67, 0x00, 0x6D, 0x00, 0x74, 0x00, 0x44, 0x00,
    0x62, 0x00, 0x0A, 0x01, 0x00, 0x00, 0x00, 0x01, 0xFF};

static void
check_recorded (const uint8_t *data, size_t size, uint32_t version, bool extension)
{
    sh_login7_t login;
    const char *why = "";

    if (!sh_login7_parse (data, size, &login, &why))
        fail_msg ("%s", why);
    assert_int_equal (login.tds_version, version);
    assert_int_equal (login.packet_size, 4096);
    assert_int_equal (login.extension, extension);
    assert_false (login.integrated);
    assert_false (login.change_password);
    assert_string_equal (login.user, "sa");
    assert_string_equal (login.password, "P\xC3\xA4\xE2\x82\xACx1");
    assert_string_equal (login.host_name, "vm");
    assert_string_equal (login.app_name, "TSQL");
    assert_string_equal (login.server_name, "127.0.0.1");
    assert_string_equal (login.library, "TDS-Library");
    assert_string_equal (login.language, "us_english");
    assert_string_equal (login.database, "BizTalkMgmtDb");
    sh_login7_free (&login);
}

static void
recorded_logins_of_7_1_and_7_4_are_read (void **state)
{
    (void)state;
    check_recorded (s_login_71, sizeof s_login_71, SH_TDS_71, false);
    check_recorded (s_login_74, sizeof s_login_74, SH_TDS_74, true);
}

/*  In memory of its exact size, so that a read past the end is seen. */
static bool
parses (const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc (size ? size : 1);
    sh_login7_t login;
    const char *why = NULL;

    memcpy (exact, data, size);
    bool good = sh_login7_parse (exact, size, &login, &why);
    if (good)
        sh_login7_free (&login);
    else
        assert_non_null (why);
    free (exact);
    return good;
}

static void
a_cut_login_is_refused_at_every_length (void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof s_login_71; size++)
        assert_false (parses (s_login_71, size));
    for (size_t size = 0; size < sizeof s_login_74; size++)
        assert_false (parses (s_login_74, size));
}

static void
no_changed_byte_makes_it_read_outside (void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
    uint8_t data[sizeof s_login_74];
    (void)state;
    for (size_t at = 0; at < sizeof data; at++)
        for (size_t i = 0; i < sizeof values; i++) {
            memcpy (data, s_login_74, sizeof data);
            data[at] = values[i];
            parses (data, sizeof data);
        }
}

static void
an_offset_outside_or_inside_the_fixed_part_is_refused (void **state)
{
    uint8_t data[sizeof s_login_74];
    (void)state;
    for (size_t entry = 36; entry <= 68; entry += 4) {
        memcpy (data, s_login_74, sizeof data);
        data[entry + 2] = 1;
        data[entry + 3] = 0;
        data[entry] = 93; /* in the fixed part */
        data[entry + 1] = 0;
        assert_false (parses (data, sizeof data));
        data[entry] = sizeof data; /* behind the end */
        assert_false (parses (data, sizeof data));
    }
}

static char *
text_of (size_t characters)
{
    char *text = malloc (characters + 1);
    memset (text, 'n', characters);
    text[characters] = 0;
    return text;
}

static void
names_have_at_most_128_characters (void **state)
{
    (void)state;
    for (size_t field = 0; field < 9; field++) {
        if (field == 5)
            continue;
        for (size_t extra = 0; extra < 2; extra++) {
            login_record_t record = {.version = SH_TDS_74};
            char *text = text_of (SH_LIMIT_LOGIN_NAME + extra);
            sh_writer_t out = {0};
            record.names[field] = text;
            login_record_build (&record, &out);
            assert_int_equal (parses (out.data, out.size), extra == 0);
            sh_writer_free (&out);
            free (text);
        }
    }
}

static void
a_nul_inside_a_name_is_refused (void **state)
{
    login_record_t record = {.version = SH_TDS_72, .names = {"h", "user"}};
    sh_writer_t out = {0};
    (void)state;
    login_record_build (&record, &out);
    assert_true (parses (out.data, out.size));
    out.data[94 + 2 + 2] = 0; /* the 's' of user */
    assert_false (parses (out.data, out.size));
    sh_writer_free (&out);
}

static void
a_record_has_at_most_its_limit_of_bytes (void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        login_record_t record = {.version = SH_TDS_71};
        sh_writer_t out = {0};
        login_record_build (&record, &out);
        size_t size = SH_LIMIT_LOGIN_BYTES + extra;
        uint8_t *data = calloc (1, size);
        memcpy (data, out.data, out.size);
        assert_int_equal (parses (data, size), extra == 0);
        free (data);
        sh_writer_free (&out);
    }
}

static void
the_version_spoken_is_the_clients_or_our_highest (void **state)
{
    static const struct {
        uint32_t asked, spoken;
    } pairs[] = {{0x70000000, 0x70000000}, {0x71000000, SH_TDS_71}, {0x71000001, SH_TDS_71},
                 {0x72090002, SH_TDS_72},  {0x730A0003, SH_TDS_73}, {0x730B0003, SH_TDS_73},
                 {0x74000004, SH_TDS_74},  {0x80000000, SH_TDS_74}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        login_record_t record = {.version = pairs[i].asked};
        sh_writer_t out = {0};
        sh_login7_t login;
        const char *why;
        login_record_build (&record, &out);
        assert_true (sh_login7_parse (out.data, out.size, &login, &why));
        assert_int_equal (login.tds_version, pairs[i].spoken);
        assert_int_equal (login.asked_version, pairs[i].asked);
        sh_login7_free (&login);
        sh_writer_free (&out);
    }
}

static void
flags_of_integrated_and_new_password_are_seen (void **state)
{
    login_record_t record = {.version = SH_TDS_73, .flags2 = 0x80, .flags3 = 0x11};
    sh_writer_t out = {0};
    sh_login7_t login;
    const char *why;
    (void)state;
    login_record_build (&record, &out);
    assert_true (sh_login7_parse (out.data, out.size, &login, &why));
    assert_true (login.integrated);
    assert_true (login.change_password);
    assert_false (login.extension); /* came with 7.4 */
    sh_login7_free (&login);
    sh_writer_free (&out);
}

/*  ---- PRELOGIN ---- */

/*  Recorded from FreeTDS 1.3.17, version 7.4. */
static const uint8_t s_prelogin[] = {0x00, 0x00, 0x1A, 0x00, 0x06, 0x01, 0x00, 0x20, 0x00, 0x01,
                                     0x02, 0x00, 0x21, 0x00, 0x0C, 0x03, 0x00, 0x2D, 0x00, 0x04,
                                     0x04, 0x00, 0x31, 0x00, 0x01, 0xFF, 0x09, 0x00, 0x00, 0x00,
                                     0x00, 0x00, 0x00, 'M',  'S',  'S',  'Q',  'L',  'S',  'e',
                                     'r',  'v',  'e',  'r',  0x00, 0xE4, 0x3D, 0x00, 0x00, 0x00};

static void
a_recorded_prelogin_is_read_and_a_cut_one_refused (void **state)
{
    sh_prelogin_t prelogin;
    const char *why;
    (void)state;
    assert_true (sh_prelogin_parse (s_prelogin, sizeof s_prelogin, &prelogin, &why));
    assert_true (prelogin.has_encryption);
    assert_int_equal (prelogin.encryption, SH_ENCRYPT_OFF);
    assert_true (prelogin.has_mars);
    assert_int_equal (prelogin.mars, 0);
    assert_true (prelogin.has_thread_id);
    for (size_t size = 0; size < sizeof s_prelogin; size++) {
        uint8_t *exact = malloc (size ? size : 1);
        memcpy (exact, s_prelogin, size);
        assert_false (sh_prelogin_parse (exact, size, &prelogin, &why));
        free (exact);
    }
}

static void
a_prelogin_has_at_most_its_limit_of_options (void **state)
{
    sh_prelogin_t prelogin;
    const char *why;
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        sh_writer_t out = {0};
        for (size_t i = 0; i < SH_LIMIT_PRELOGIN_OPT + extra; i++) {
            sh_writer_u8 (&out, 9);
            sh_writer_u32 (&out, 0);
        }
        sh_writer_u8 (&out, 0xFF);
        assert_int_equal (sh_prelogin_parse (out.data, out.size, &prelogin, &why), extra == 0);
        sh_writer_free (&out);
    }
    uint8_t large[SH_LIMIT_PRELOGIN + 1] = {0xFF};
    assert_true (sh_prelogin_parse (large, SH_LIMIT_PRELOGIN, &prelogin, &why));
    assert_false (sh_prelogin_parse (large, SH_LIMIT_PRELOGIN + 1, &prelogin, &why));
}

/*  2.2.6.5: the server's answers, by what it has and wants and what the client sent. */
static void
encryption_is_agreed_on_as_ms_tds_says (void **state)
{
    static const struct {
        bool available, forced;
        uint8_t client, answer;
    } rows[] = {{false, false, SH_ENCRYPT_OFF, SH_ENCRYPT_NOT_SUP},
                {false, false, SH_ENCRYPT_ON, SH_ENCRYPT_NOT_SUP},
                {false, false, SH_ENCRYPT_NOT_SUP, SH_ENCRYPT_NOT_SUP},
                {true, false, SH_ENCRYPT_OFF, SH_ENCRYPT_OFF},
                {true, false, SH_ENCRYPT_ON, SH_ENCRYPT_ON},
                {true, false, SH_ENCRYPT_REQ, SH_ENCRYPT_ON},
                {true, false, SH_ENCRYPT_NOT_SUP, SH_ENCRYPT_NOT_SUP},
                {true, true, SH_ENCRYPT_OFF, SH_ENCRYPT_REQ},
                {true, true, SH_ENCRYPT_ON, SH_ENCRYPT_ON},
                {true, true, SH_ENCRYPT_NOT_SUP, SH_ENCRYPT_REQ}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sh_prelogin_t client = {.has_encryption = true, .encryption = rows[i].client};
        assert_int_equal (sh_prelogin_encryption (&client, rows[i].available, rows[i].forced),
                          rows[i].answer);
    }
    sh_prelogin_t silent = {0};
    assert_int_equal (sh_prelogin_encryption (&silent, true, false), SH_ENCRYPT_NOT_SUP);
    assert_int_equal (sh_prelogin_encryption (&silent, true, true), SH_ENCRYPT_REQ);
}

static void
our_prelogin_offers_encryption_as_told_and_no_mars (void **state)
{
    sh_writer_t out = {0};
    sh_prelogin_t prelogin;
    const char *why;
    (void)state;
    sh_prelogin_answer (&out, SH_ENCRYPT_REQ);
    assert_true (sh_prelogin_parse (out.data, out.size, &prelogin, &why));
    assert_int_equal (prelogin.encryption, SH_ENCRYPT_REQ);
    assert_true (prelogin.has_mars);
    assert_int_equal (prelogin.mars, 0);
    sh_writer_free (&out);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (recorded_logins_of_7_1_and_7_4_are_read),
        cmocka_unit_test (a_cut_login_is_refused_at_every_length),
        cmocka_unit_test (no_changed_byte_makes_it_read_outside),
        cmocka_unit_test (an_offset_outside_or_inside_the_fixed_part_is_refused),
        cmocka_unit_test (names_have_at_most_128_characters),
        cmocka_unit_test (a_nul_inside_a_name_is_refused),
        cmocka_unit_test (a_record_has_at_most_its_limit_of_bytes),
        cmocka_unit_test (the_version_spoken_is_the_clients_or_our_highest),
        cmocka_unit_test (flags_of_integrated_and_new_password_are_seen),
        cmocka_unit_test (a_recorded_prelogin_is_read_and_a_cut_one_refused),
        cmocka_unit_test (a_prelogin_has_at_most_its_limit_of_options),
        cmocka_unit_test (our_prelogin_offers_encryption_as_told_and_no_mars),
        cmocka_unit_test (encryption_is_agreed_on_as_ms_tds_says),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
