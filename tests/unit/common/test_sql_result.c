#include "common/limits.h"
#include "common/sql_internal.h"
#include "tests/unit/common/tests.h"

static void
s_add (bm_sql_messages_t *messages, int number, int severity, const char *text)
{
    bm_sql_message_t message = {number, severity, 1, 1, (char *)"p", (char *)(uintptr_t)text};
    bm_sql_messages_add (messages, &message);
}

static void
a_message_that_always_comes_last_is_never_the_cause (void **state)
{
    (void)state;
    bm_sql_result_t *result = bm_sql_result_new ();
    assert_null (bm_sql_result_cause (result));
    s_add (&result->messages, 3014, 10, "processed");
    assert_null (bm_sql_result_cause (result));
    s_add (&result->messages, 3013, 16, "abnormally");
    assert_int_equal (bm_sql_result_cause (result)->number, 3013); /* better than none */
    s_add (&result->messages, 3201, 16, "cannot open");
    s_add (&result->messages, 50000, 16, "failed");
    assert_int_equal (bm_sql_result_cause (result)->number, 3201);
    assert_string_equal (bm_sql_result_message (result, 3014)->text, "processed");
    assert_null (bm_sql_result_message (result, 1));
    bm_sql_result_destroy (&result);
    assert_null (result);
    bm_sql_result_destroy (&result);
    assert_null (bm_sql_result_cause (NULL));
}

static void
the_first_and_the_last_messages_are_kept (void **state)
{
    (void)state;
    bm_sql_messages_t messages = {0};
    for (int i = 0; i < BM_LIMIT_MESSAGES; i++)
        s_add (&messages, i, 0, "x");
    assert_int_equal (messages.count, BM_LIMIT_MESSAGES);
    assert_int_equal (messages.dropped, 0);
    s_add (&messages, BM_LIMIT_MESSAGES, 0, "x");
    assert_int_equal (messages.count, BM_LIMIT_MESSAGES);
    assert_int_equal (messages.dropped, 1);
    assert_int_equal (messages.items[0].number, 0);
    assert_int_equal (messages.items[99].number, 99);
    assert_int_equal (messages.items[100].number, 101);
    assert_int_equal (messages.items[199].number, 200);
    bm_sql_messages_t *copy = bm_sql_messages_dup (&messages);
    assert_int_equal (copy->count, BM_LIMIT_MESSAGES);
    assert_int_equal (copy->dropped, 1);
    assert_string_equal (copy->items[199].text, "x");
    bm_sql_messages_destroy (&copy);
    assert_null (copy);
    bm_sql_messages_destroy (&copy);
    bm_sql_messages_clear (&messages);
}

static void
a_message_is_cut_at_a_character_and_is_utf8 (void **state)
{
    (void)state;
    char text[BM_LIMIT_MESSAGE_BYTES + 2];
    memset (text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    bm_sql_messages_t messages = {0};
    s_add (&messages, 1, 0, text);
    assert_int_equal (strlen (messages.items[0].text), BM_LIMIT_MESSAGE_BYTES);
    memcpy (text + BM_LIMIT_MESSAGE_BYTES - 1, "\xC3\xA4", 2);
    s_add (&messages, 2, 0, text);
    assert_int_equal (strlen (messages.items[1].text), BM_LIMIT_MESSAGE_BYTES - 1);
    s_add (&messages, 3, 0, "a\xFF\xC3\xA4\xE2\x82");
    assert_string_equal (messages.items[2].text, "a?\xC3\xA4??");
    bm_sql_messages_clear (&messages);
}

/*  A set with one row, by hand. */
static void
s_set (bm_sql_result_t *result, size_t count, const char *const *columns, const char *const *values)
{
    result->sets = bm_realloc (result->sets, (result->set_count + 1) * sizeof *result->sets);
    bm_sql_set_t *set = &result->sets[result->set_count++];
    *set = (bm_sql_set_t){.column_count = count};
    set->columns = bm_alloc (count * sizeof *set->columns);
    char **row = bm_alloc (count * sizeof *row);
    for (size_t i = 0; i < count; i++) {
        set->columns[i] = bm_strdup (columns[i]);
        row[i] = bm_strdup (values[i]);
    }
    bm_sql_set_add_row (set, row);
    free (row);
}

static void
a_result_set_is_found_by_its_columns (void **state)
{
    (void)state;
    bm_sql_result_t *result = bm_sql_result_new ();
    static const char *const first[] = {"a"};
    static const char *const second[] = {"Name", "size"};
    static const char *const values[] = {"x", "12"};
    s_set (result, 1, first, values);
    s_set (result, 2, second, values);
    assert_int_equal (bm_sql_result_sets (result), 2);
    assert_int_equal (bm_sql_result_find (result, (const char *const[]){"SIZE", "name", NULL}), 1);
    assert_int_equal (bm_sql_result_find (result, (const char *const[]){"size", "a", NULL}), -1);
    assert_string_equal (bm_sql_result_text (result, 1, 0, "NAME"), "x");
    assert_int_equal (bm_sql_result_int (result, 1, 0, "size", -1), 12);
    assert_int_equal (bm_sql_result_int (result, 1, 1, "size", -1), -1);
    assert_int_equal (bm_sql_result_int (result, -1, 0, "size", -2), -2);
    assert_null (bm_sql_result_text (result, 1, 0, "none"));
    assert_int_equal (bm_sql_result_rows (result, 2), 0);
    bm_sql_result_destroy (&result);
}

static void
outputs_of_a_call_that_went_as_a_batch_are_taken_out_of_it (void **state)
{
    (void)state;
    bm_sql_result_t *result = bm_sql_result_new ();
    static const char *const columns[] = {"bm_return", "@where", "@null"};
    static const char *const values[] = {"-1", "/b/f", NULL};
    s_set (result, 3, columns, values);
    bm_sql_result_take_outputs (result);
    assert_int_equal (bm_sql_result_sets (result), 0);
    assert_true (bm_sql_result_has_return (result));
    assert_int_equal (bm_sql_result_return (result), -1);
    assert_string_equal (bm_sql_result_output (result, "@WHERE"), "/b/f");
    assert_null (bm_sql_result_output (result, "@null"));
    assert_null (bm_sql_result_output (result, "@other"));
    bm_sql_result_take_outputs (result);
    bm_sql_result_destroy (&result);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_message_that_always_comes_last_is_never_the_cause),
        cmocka_unit_test (the_first_and_the_last_messages_are_kept),
        cmocka_unit_test (a_message_is_cut_at_a_character_and_is_utf8),
        cmocka_unit_test (a_result_set_is_found_by_its_columns),
        cmocka_unit_test (outputs_of_a_call_that_went_as_a_batch_are_taken_out_of_it),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
