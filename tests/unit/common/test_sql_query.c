#include "common/limits.h"
#include "common/sql_internal.h"
#include "tests/unit/common/tests.h"

static void
s_goes_as (bm_sql_query_t *query, bool rpc, const char *plain)
{
    assert_int_equal (bm_sql_query_is_rpc (query), rpc);
    char *text = bm_sql_query_plain (query);
    assert_string_equal (text, plain);
    free (text);
    bm_sql_query_destroy (&query);
    assert_null (query);
    bm_sql_query_destroy (&query);
}

static void
a_batch_without_parameters_goes_as_it_is (void **state)
{
    (void)state;
    s_goes_as (bm_sql_query_new ("SELECT 1"), false, "SELECT 1");
}

static void
a_batch_with_parameters_goes_through_sp_executesql (void **state)
{
    (void)state;
    bm_sql_query_t *query = bm_sql_query_new ("SELECT @a, @n, @b");
    bm_sql_query_text (query, "@a", "it's");
    bm_sql_query_int (query, "@n", INT64_MIN);
    bm_sql_query_bit (query, "@b", true);
    bm_sql_query_text (query, "@z", NULL);
    s_goes_as (query, true,
               "DECLARE @a nvarchar(4000) = N'it''s', @n bigint = -9223372036854775808, "
               "@b bit = 1, @z nvarchar(4000) = NULL; SELECT @a, @n, @b");
}

static void
an_inline_batch_declares_its_parameters (void **state)
{
    (void)state;
    bm_sql_query_t *query = bm_sql_query_new ("BEGIN TRANSACTION @m WITH MARK @m");
    bm_sql_query_text (query, "@m", "BTS_1");
    bm_sql_query_inline (query);
    s_goes_as (query, false,
               "DECLARE @m nvarchar(4000) = N'BTS_1'; BEGIN TRANSACTION @m WITH MARK @m");
}

static void
an_empty_text_stays_an_empty_text (void **state)
{
    (void)state;
    bm_sql_query_t *query = bm_sql_query_new ("SELECT @a");
    bm_sql_query_text (query, "@a", "");
    s_goes_as (query, false, "DECLARE @a nvarchar(4000) = N''; SELECT @a");
    query = bm_sql_call_new ("[d].dbo.p");
    bm_sql_query_text (query, "@a", "");
    bm_sql_query_output_text (query, "@o");
    bm_sql_query_int (query, "@n", 3);
    s_goes_as (query, false,
               "DECLARE @bm_return int, @bm_out1 nvarchar(4000); EXEC @bm_return = [d].dbo.p "
               "@a = N'', @o = @bm_out1 OUTPUT, @n = 3; "
               "SELECT @bm_return AS bm_return, @bm_out1 AS [@o]");
}

/*  A text of `count` two-byte characters. */
static char *
s_long (size_t count)
{
    char *text = bm_alloc (2 * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy (text + 2 * i, "ä", 2);
    return text;
}

static void
a_parameter_has_at_most_4000_characters (void **state)
{
    (void)state;
    for (size_t count = 4000; count <= 4001; count++) {
        char *text = s_long (count);
        bm_sql_query_t *query = bm_sql_call_new ("p");
        bm_sql_query_text (query, "@a", text);
        assert_int_equal (bm_sql_query_is_rpc (query), count == 4000);
        bm_sql_query_destroy (&query);
        query = bm_sql_query_new ("SELECT @a");
        bm_sql_query_text (query, "@a", text);
        assert_int_equal (bm_sql_query_is_rpc (query), count == 4000);
        char *plain = bm_sql_query_plain (query);
        assert_non_null (strstr (plain, count == 4000 ? "nvarchar(4000)" : "nvarchar(max)"));
        free (plain);
        bm_sql_query_destroy (&query);
        query = bm_sql_query_new (text); /* the batch itself is a parameter too */
        bm_sql_query_int (query, "@a", 1);
        assert_int_equal (bm_sql_query_is_rpc (query), count == 4000);
        bm_sql_query_destroy (&query);
        free (text);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_batch_without_parameters_goes_as_it_is),
        cmocka_unit_test (a_batch_with_parameters_goes_through_sp_executesql),
        cmocka_unit_test (an_inline_batch_declares_its_parameters),
        cmocka_unit_test (an_empty_text_stays_an_empty_text),
        cmocka_unit_test (a_parameter_has_at_most_4000_characters),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
