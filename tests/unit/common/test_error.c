#include "tests/unit/common/tests.h"

static void
every_status_has_a_name_an_exit_code_and_a_sentence (void **state)
{
    (void)state;
    for (int i = 0; i < BM_STATUS_COUNT; i++) {
        bm_status_t status = (bm_status_t)i;
        assert_true (strlen (bm_status_name (status)) > 0);
        assert_true (strlen (bm_status_meaning (status)) > 0);
        assert_in_range (bm_status_exit_code (status), 0, 40);
        assert_int_equal (bm_status_by_name (bm_status_name (status)), status);
        if (status != BM_OK)
            assert_true (strlen (bm_status_remedy (status)) > 0);
    }
    assert_int_equal (bm_status_by_name ("NO_SUCH_STATUS"), BM_BUG);
    assert_int_equal (bm_status_by_name (NULL), BM_BUG);
}

static void
an_error_carries_its_text_and_the_default_remedy (void **state)
{
    (void)state;
    bm_error_t error = {0};
    assert_int_equal (bm_fail (&error, BM_LOCK_BUSY, "session %d", 7), BM_LOCK_BUSY);
    assert_int_equal (error.status, BM_LOCK_BUSY);
    assert_string_equal (error.text, "session 7");
    assert_string_equal (error.remedy, bm_status_remedy (BM_LOCK_BUSY));
    bm_error_remedy (&error, "wait %d s", 3);
    assert_string_equal (error.remedy, "wait 3 s");
    assert_int_equal (bm_error_wrap (&error, "on %s", "SQL01"), BM_LOCK_BUSY);
    assert_string_equal (error.text, "on SQL01: session 7");
    bm_fail (&error, BM_IO, "again: %s", error.text);
    assert_string_equal (error.text, "again: on SQL01: session 7");
    assert_int_equal (bm_fail (NULL, BM_IO, "nobody listens"), BM_IO);
    bm_error_remedy (NULL, "nobody listens");
}

static void
a_text_that_is_too_long_is_cut_at_a_character (void **state)
{
    (void)state;
    bm_error_t error = {0};
    char text[1100];
    memset (text, 'x', sizeof text);
    memcpy (text + 1022, "\xC3\xA4", 2); /* the second byte would be the 1024th */
    text[1099] = '\0';
    bm_fail (&error, BM_IO, "%s", text);
    assert_int_equal (strlen (error.text), 1022);
    memset (text, 'x', sizeof text - 1);
    memcpy (text + 1021, "\xC3\xA4", 2);
    bm_fail (&error, BM_IO, "%s", text);
    assert_int_equal (strlen (error.text), 1023);
    bm_error_wrap (&error, "%s", "\xE2\x82\xAC");
    assert_int_equal (strlen (error.text), 1023);
    assert_memory_equal (error.text, "\xE2\x82\xAC: x", 6);
}

static void
the_worse_of_two_is_the_more_severe (void **state)
{
    (void)state;
    assert_int_equal (bm_status_worse (BM_OK, BM_WARNINGS), BM_WARNINGS);
    assert_int_equal (bm_status_worse (BM_NO_MARK, BM_WARNINGS), BM_NO_MARK);
    assert_int_equal (bm_status_worse (BM_SET_INCOMPLETE, BM_UNREACHABLE), BM_UNREACHABLE);
    assert_int_equal (bm_status_worse (BM_BUG, BM_CONFIG), BM_BUG);
    assert_int_equal (bm_status_worse (BM_LOCK_BUSY, BM_MARK_DOUBTFUL), BM_MARK_DOUBTFUL);
    for (int i = 0; i < BM_STATUS_COUNT; i++) { /* every exit code has its place */
        assert_int_equal (bm_status_worse (BM_OK, (bm_status_t)i), i);
        assert_int_equal (bm_status_worse ((bm_status_t)i, BM_OK), i);
    }
}

static void
memory_is_zeroed_and_formats_are_whole (void **state)
{
    (void)state;
    char *memory = bm_alloc (64);
    for (int i = 0; i < 64; i++)
        assert_int_equal (memory[i], 0);
    memory = bm_realloc (memory, 128);
    free (memory);
    assert_null (bm_strdup (NULL));
    char *text = bm_format ("%s-%d", "a", 12);
    assert_string_equal (text, "a-12");
    free (text);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_status_has_a_name_an_exit_code_and_a_sentence),
        cmocka_unit_test (an_error_carries_its_text_and_the_default_remedy),
        cmocka_unit_test (a_text_that_is_too_long_is_cut_at_a_character),
        cmocka_unit_test (the_worse_of_two_is_the_more_severe),
        cmocka_unit_test (memory_is_zeroed_and_formats_are_whole),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
