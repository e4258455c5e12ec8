#include "tests/unit/agent/tests.h"

#include "agent/shell/operation.h"

static const bm_allow_t s_one = {.name = "one"}, s_other = {.name = "other"};

static bm_operation_t *
s_add (bm_operations_t *store, uint64_t id, int64_t now_ms)
{
    Btsmark__Envelope *order = bm_alloc (sizeof *order);
    btsmark__envelope__init (order);
    order->operation_id = id;
    zframe_t *asker = zframe_new ("x", 1);
    bm_operation_t *operation = bm_operations_add (store, &s_one, &order, &asker, now_ms);
    if (!operation) {
        assert_non_null (order);
        btsmark__envelope__free_unpacked (order, NULL);
        zframe_destroy (&asker);
    }
    return operation;
}

static void
s_answer (bm_operations_t *store, bm_operation_t *operation, size_t size, int64_t now_ms)
{
    bm_operations_answered (store, operation, bm_alloc (size), size, now_ms);
}

static void
an_answer_is_found_again_by_its_own_key_only (void **state)
{
    (void)state;
    bm_operations_t *store = bm_operations_new ();
    bm_operation_t *operation = s_add (store, 7, 0);
    assert_int_equal (bm_operations_running (store), 1);
    s_answer (store, operation, 10, 5);
    assert_int_equal (bm_operations_running (store), 0);
    assert_ptr_equal (bm_operations_find (store, &s_one, 7), operation);
    assert_null (bm_operations_find (store, &s_other, 7));
    assert_null (bm_operations_find (store, &s_one, 8));
    assert_null (operation->order); /* only the answer is kept */
    bm_operations_destroy (&store);
    bm_operations_destroy (&store);
}

static void
an_order_stays_while_a_job_uses_it (void **state)
{
    (void)state;
    bm_operations_t *store = bm_operations_new ();
    bm_operation_t *operation = s_add (store, 7, 0);
    bm_operation_pin (operation);
    s_answer (store, operation, 10, 0);
    assert_non_null (operation->order);
    bm_operations_trim (store, BM_OPERATIONS_KEEP_MS * 2);
    assert_non_null (bm_operations_by_id (store, 7));
    bm_operation_unpin (operation);
    assert_null (operation->order);
    bm_operations_trim (store, BM_OPERATIONS_KEEP_MS * 2);
    assert_null (bm_operations_by_id (store, 7));
    bm_operations_destroy (&store);
}

static void
answers_are_kept_for_their_time_and_running_ones_for_ever (void **state)
{
    (void)state;
    bm_operations_t *store = bm_operations_new ();
    s_answer (store, s_add (store, 1, 0), 10, 100);
    s_add (store, 2, 0);
    bm_operations_trim (store, 100 + BM_OPERATIONS_KEEP_MS);
    assert_non_null (bm_operations_by_id (store, 1));
    bm_operations_trim (store, 101 + BM_OPERATIONS_KEEP_MS);
    assert_null (bm_operations_by_id (store, 1));
    assert_non_null (bm_operations_by_id (store, 2));
    bm_operations_destroy (&store);
}

static void
the_store_is_bounded_in_number_and_bytes (void **state)
{
    (void)state;
    bm_operations_t *store = bm_operations_new ();
    for (uint64_t id = 1; id <= BM_OPERATIONS_MAX; id++)
        assert_non_null (s_add (store, id, 0));
    assert_null (s_add (store, BM_OPERATIONS_MAX + 1, 0)); /* all of them run */
    s_answer (store, bm_operations_by_id (store, 1), 10, 0);
    assert_non_null (s_add (store, BM_OPERATIONS_MAX + 1, 0));
    assert_null (bm_operations_by_id (store, 1));
    bm_operations_destroy (&store);
    store = bm_operations_new ();
    s_add (store, 2, 0);
    s_add (store, 3, 0);
    s_answer (store, bm_operations_by_id (store, 2), BM_OPERATIONS_BYTES, 0);
    bm_operations_trim (store, 0);
    assert_non_null (bm_operations_by_id (store, 2));
    s_answer (store, bm_operations_by_id (store, 3), 1, 0);
    bm_operations_trim (store, 0);
    assert_null (bm_operations_by_id (store, 2)); /* the oldest goes first */
    assert_non_null (bm_operations_by_id (store, 3));
    bm_operations_destroy (&store);
}

static void
progress_knows_when_it_last_moved (void **state)
{
    (void)state;
    bm_operations_t *store = bm_operations_new ();
    bm_operation_t *operation = s_add (store, 1, 100);
    bm_operation_step (operation, "BACKUP LOG", 1.5, 200);
    assert_int_equal (operation->changed_ms, 200);
    bm_operation_step (operation, "BACKUP LOG", 1.5, 300);
    assert_int_equal (operation->changed_ms, 200);
    bm_operation_step (operation, "BACKUP LOG", 2.5, 400);
    assert_int_equal (operation->changed_ms, 400);
    bm_operations_destroy (&store);
}

int
main (void)
{
    zsys_handler_set (NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_answer_is_found_again_by_its_own_key_only),
        cmocka_unit_test (an_order_stays_while_a_job_uses_it),
        cmocka_unit_test (answers_are_kept_for_their_time_and_running_ones_for_ever),
        cmocka_unit_test (the_store_is_bounded_in_number_and_bytes),
        cmocka_unit_test (progress_knows_when_it_last_moved)};
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    zsys_shutdown ();
    return failed;
}
