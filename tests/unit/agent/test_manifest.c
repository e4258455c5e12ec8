#include "tests/unit/agent/tests.h"

#include "agent/shell/manifest.h"

#define S_TEXT "{\"set\": 17, \"text\": \"a manifest in three parts\"}"

typedef struct {
    tests_place_t *place;
    bm_manifests_t *manifests;
    bm_manifest_part_t part;
} s_world_t;

static int
s_setup (void **state)
{
    s_world_t *world = bm_alloc (sizeof *world);
    world->place = tests_place_new ();
    world->manifests = bm_manifests_new ();
    world->part = (bm_manifest_part_t){.owner = "key",
                                       .folder = world->place->backups,
                                       .file_name = "BTS_1.btsmark.json",
                                       .parts = 3};
    bm_digest_sha256 (S_TEXT, strlen (S_TEXT), world->part.digest);
    *state = world;
    return 0;
}

static int
s_teardown (void **state)
{
    s_world_t *world = *state;
    bm_manifests_destroy (&world->manifests);
    tests_place_free (world->place);
    free (world);
    return 0;
}

/*  Part 0, 1 or 2 of S_TEXT. */
static bm_status_t
s_take (s_world_t *world, uint32_t part, bm_manifest_whole_t **whole_p)
{
    bm_error_t error = {0};
    size_t third = strlen (S_TEXT) / 3, start = part * third;
    world->part.part = part;
    world->part.content = (const uint8_t *)S_TEXT + start;
    world->part.size = part == 2 ? strlen (S_TEXT) - start : third;
    return bm_manifests_take (world->manifests, &world->part, 0, whole_p, &error);
}

static void
parts_become_one_file_when_the_last_one_came (void **state)
{
    s_world_t *world = *state;
    bm_error_t error = {0};
    bm_manifest_whole_t *whole = NULL;
    assert_int_equal (s_take (world, 0, &whole), BM_OK);
    assert_int_equal (s_take (world, 1, &whole), BM_OK);
    assert_int_equal (s_take (world, 1, &whole), BM_OK); /* repeated */
    assert_null (whole);
    assert_int_equal (s_take (world, 2, &whole), BM_OK);
    assert_non_null (whole);
    char *file = NULL;
    if (bm_manifest_write (whole, &file, &error) != BM_OK)
        fail_msg ("%s", error.text);
    bm_manifest_whole_destroy (&whole);
    char *text = zfile_exists (file) ? bm_alloc (200) : NULL;
    assert_non_null (text);
    FILE *stream = fopen (file, "re");
    assert_int_equal (fread (text, 1, 199, stream), strlen (S_TEXT));
    fclose (stream);
    assert_string_equal (text, S_TEXT);
    char *left = bm_format ("%s.part", file);
    assert_int_equal (access (left, F_OK), -1);
    free (left);
    free (text);
    free (file);
}

static void
a_missing_part_drops_the_others (void **state)
{
    s_world_t *world = *state;
    bm_manifest_whole_t *whole = NULL;
    assert_int_equal (s_take (world, 0, &whole), BM_OK);
    assert_int_equal (s_take (world, 2, &whole), BM_PROTOCOL);
    assert_int_equal (s_take (world, 1, &whole), BM_PROTOCOL);
    assert_int_equal (s_take (world, 0, &whole), BM_OK);
    assert_int_equal (s_take (world, 1, &whole), BM_OK);
    assert_int_equal (s_take (world, 2, &whole), BM_OK);
    assert_non_null (whole);
    bm_manifest_whole_destroy (&whole);
}

static void
a_wrong_digest_writes_nothing (void **state)
{
    s_world_t *world = *state;
    bm_manifest_whole_t *whole = NULL;
    world->part.digest[0] ^= 1;
    assert_int_equal (s_take (world, 0, &whole), BM_OK);
    assert_int_equal (s_take (world, 1, &whole), BM_OK);
    assert_int_equal (s_take (world, 2, &whole), BM_PROTOCOL);
    assert_null (whole);
}

static void
another_owner_cannot_add_to_it (void **state)
{
    s_world_t *world = *state;
    bm_manifest_whole_t *whole = NULL;
    assert_int_equal (s_take (world, 0, &whole), BM_OK);
    world->part.owner = "another key";
    assert_int_equal (s_take (world, 1, &whole), BM_PROTOCOL);
    world->part.owner = "key";
    assert_int_equal (s_take (world, 1, &whole), BM_OK);
}

static void
a_manifest_is_limited (void **state)
{
    s_world_t *world = *state;
    bm_error_t error = {0};
    bm_manifest_whole_t *whole = NULL;
    uint8_t *large = bm_alloc (BM_LIMIT_MANIFEST_BYTES);
    world->part.parts = 2;
    world->part.content = large;
    world->part.size = BM_LIMIT_MANIFEST_BYTES;
    assert_int_equal (bm_manifests_take (world->manifests, &world->part, 0, &whole, &error), BM_OK);
    world->part.part = 1;
    world->part.size = 1;
    assert_int_equal (bm_manifests_take (world->manifests, &world->part, 0, &whole, &error),
                      BM_LIMIT);
    world->part.parts = 0;
    assert_int_equal (bm_manifests_take (world->manifests, &world->part, 0, &whole, &error),
                      BM_PROTOCOL);
    free (large);
}

static void
a_folder_that_is_not_there_is_a_clear_error (void **state)
{
    (void)state;
    bm_error_t error = {0};
    char *file = NULL;
    uint8_t content[] = "x";
    bm_manifest_whole_t whole = {.folder = (char *)"/tmp/btsmark-no-such-folder",
                                 .file_name = (char *)"a.btsmark.json",
                                 .content = content,
                                 .size = 1};
    assert_int_equal (bm_manifest_write (&whole, &file, &error), BM_IO);
    assert_non_null (strstr (error.text, "btsmark-no-such-folder"));
}

int
main (void)
{
    zsys_handler_set (NULL);
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {T (parts_become_one_file_when_the_last_one_came),
                                       T (a_missing_part_drops_the_others),
                                       T (a_wrong_digest_writes_nothing),
                                       T (another_owner_cannot_add_to_it),
                                       T (a_manifest_is_limited),
                                       T (a_folder_that_is_not_there_is_a_clear_error)};
#undef T
    return cmocka_run_group_tests (tests, NULL, NULL);
}
