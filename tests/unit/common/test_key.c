#include <czmq.h>

#include "common/key.h"
#include "tests/unit/common/tests.h"

typedef struct {
    char *folder;
    char *path;
    char *public_path;
} s_place_t;

static int
s_setup (void **state)
{
    s_place_t *place = bm_alloc (sizeof *place);
    place->folder = tests_folder_new ();
    place->path = bm_format ("%s/key", place->folder);
    place->public_path = bm_format ("%s/key.pub", place->folder);
    *state = place;
    return 0;
}

static int
s_teardown (void **state)
{
    s_place_t *place = *state;
    tests_file_remove (place->path);
    tests_file_remove (place->public_path);
    tests_folder_remove (place->folder);
    free (place);
    return 0;
}

static mode_t
s_mode (const char *path)
{
    struct stat found;
    assert_int_equal (stat (path, &found), 0);
    return found.st_mode & 07777;
}

static void
a_made_key_can_be_loaded_and_is_private (void **state)
{
    s_place_t *place = *state;
    char public_text[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    assert_int_equal (bm_key_generate (place->path, "mgmt", public_text, &error), BM_OK);
    assert_int_equal (s_mode (place->path), 0600);
    assert_int_equal (s_mode (place->public_path), 0644);
    bm_key_t *key = bm_key_load (place->path, &error);
    assert_non_null (key);
    assert_string_equal (bm_key_public (key), public_text);
    assert_true (bm_key_public_valid (public_text));
    assert_true (bm_key_public_valid (bm_key_secret (key)));
    zcert_t *cert = zcert_load (place->public_path);
    assert_non_null (cert);
    assert_string_equal (zcert_public_txt (cert), public_text);
    zcert_destroy (&cert);
    bm_key_destroy (&key);
    assert_null (key);
    bm_key_destroy (&key);
}

static void
a_public_file_holds_no_secret (void **state)
{
    s_place_t *place = *state;
    char public_text[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    assert_int_equal (bm_key_generate (place->path, "mgmt", public_text, &error), BM_OK);
    assert_int_equal (chmod (place->public_path, 0600), 0);
    assert_null (bm_key_load (place->public_path, &error));
    assert_int_equal (error.status, BM_CONFIG_SECRET);
}

static void
a_key_is_never_overwritten (void **state)
{
    s_place_t *place = *state;
    char public_text[BM_KEY_TEXT_BYTES];
    char second[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    assert_int_equal (bm_key_generate (place->path, "a", public_text, &error), BM_OK);
    assert_int_equal (bm_key_generate (place->path, "a", second, &error), BM_USAGE);
    assert_int_equal (unlink (place->path), 0); /* a stray public half is kept too */
    assert_int_equal (bm_key_generate (place->path, "a", second, &error), BM_USAGE);
    assert_int_equal (access (place->path, F_OK), -1);
    assert_int_equal (bm_key_generate ("/nonexistent/key", "a", second, &error), BM_IO);
}

static void
a_key_that_others_can_read_is_refused (void **state)
{
    s_place_t *place = *state;
    char public_text[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    assert_int_equal (bm_key_generate (place->path, "a", public_text, &error), BM_OK);
    assert_int_equal (chmod (place->path, 0644), 0);
    assert_null (bm_key_load (place->path, &error));
    assert_int_equal (error.status, BM_CONFIG_SECRET);
    assert_non_null (strstr (error.remedy, "chmod 0600"));
}

static void
a_missing_key_says_how_to_make_one (void **state)
{
    (void)state;
    bm_error_t error = {0};
    assert_null (bm_key_load ("/nonexistent/key", &error));
    assert_int_equal (error.status, BM_CONFIG_SECRET);
    assert_non_null (strstr (error.remedy, "keygen"));
}

static void
a_malformed_key_is_refused (void **state)
{
    s_place_t *place = *state;
    static const char *const files[] = {
        "",
        "garbage",
        "curve\n    public-key = \"short\"\n    secret-key = \"short\"\n",
        /* two halves that do not belong together */
        ("curve\n public-key = \"E!.E3[T?cM4Ayy*&u>%m]Rk8lrn7xxX*tcr>pWGx\"\n secret-key = "
         "\"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\"\n"),
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bm_error_t error = {0};
        free (tests_file (place->folder, "key", files[i], strlen (files[i]), 0600));
        assert_null (bm_key_load (place->path, &error));
        assert_int_equal (error.status, BM_CONFIG_SECRET);
    }
}

static void
a_public_key_has_forty_characters_of_z85 (void **state)
{
    (void)state;
    assert_true (bm_key_public_valid ("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"));
    assert_false (bm_key_public_valid ("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI"));
    assert_false (bm_key_public_valid ("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hIDD"));
    assert_false (bm_key_public_valid ("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI\x01"));
    assert_false (bm_key_public_valid (""));
    assert_false (bm_key_public_valid (NULL));
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_made_key_can_be_loaded_and_is_private),
        T (a_public_file_holds_no_secret),
        T (a_key_is_never_overwritten),
        T (a_key_that_others_can_read_is_refused),
        T (a_missing_key_says_how_to_make_one),
        T (a_malformed_key_is_refused),
        T (a_public_key_has_forty_characters_of_z85),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
