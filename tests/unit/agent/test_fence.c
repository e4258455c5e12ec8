#include "tests/unit/agent/sql_tests.h"

#include <pthread.h>

#include "agent/shell/fence.h"

typedef struct {
    sql_place_t *place;
    bm_fence_terms_t terms;
    pthread_t thread;
    int64_t transaction_id; /* under fake->lock */
    int taken;
    bm_fence_end_t end;
    bm_error_t error;
    bm_sql_messages_t *messages;
} s_holder_t;

static void
s_on_taken (void *argument, int64_t transaction_id)
{
    s_holder_t *holder = argument;
    holder->transaction_id = transaction_id;
    fake_count (holder->place->fake, &holder->taken, 1);
}

static void *
s_hold (void *argument)
{
    s_holder_t *holder = argument;
    holder->end =
        bm_fence_hold (holder->place->sql, &holder->terms, &holder->messages, &holder->error);
    return NULL;
}

static void
s_start (s_holder_t *holder, sql_place_t *place, int64_t lease_ms)
{
    holder->place = place;
    holder->terms = (bm_fence_terms_t){.database = "BizTalkDTADb",
                                       .lease_ms = lease_ms,
                                       .version = 15,
                                       .on_taken = s_on_taken,
                                       .argument = holder};
    assert_int_equal (pthread_create (&holder->thread, NULL, s_hold, holder), 0);
}

static void
s_join (s_holder_t *holder)
{
    pthread_join (holder->thread, NULL);
    bm_sql_messages_destroy (&holder->messages);
}

static void
an_interrupted_fence_stood_until_then (void **state)
{
    sql_place_t *place = *state;
    s_holder_t holder = {0};
    s_start (&holder, place, 10000);
    assert_true (fake_wait (place->fake, &holder.taken, 1));
    int64_t began = bm_clock_mono_ms ();
    bm_sql_interrupt (place->sql);
    s_join (&holder);
    assert_int_equal (holder.end, BM_FENCE_END_STOOD);
    assert_int_equal (holder.transaction_id, 7051);
    assert_true (bm_clock_mono_ms () - began < 1000);
    assert_int_equal (fake_read (place->fake, &place->fake->attentions), 1);
}

static void
an_expired_fence_did_not_stand (void **state)
{
    sql_place_t *place = *state;
    s_holder_t holder = {0};
    fake_set (place->fake, &place->fake->expire_fence, true);
    s_start (&holder, place, 10000);
    s_join (&holder);
    assert_int_equal (holder.taken, 1);
    assert_int_equal (holder.end, BM_FENCE_END_EXPIRED);
    assert_int_equal (holder.error.status, BM_MARK_EXPIRED);
}

/*  'expired' lost in the attention: the clock alone says that the lease was over. */
static void
a_fence_that_is_released_after_its_lease_did_not_stand (void **state)
{
    sql_place_t *place = *state;
    s_holder_t holder = {0};
    s_start (&holder, place, 50);
    assert_true (fake_wait (place->fake, &holder.taken, 1));
    int64_t until = bm_clock_mono_ms () + 60;
    while (bm_clock_mono_ms () < until)
        zmq_poll (NULL, 0, 10);
    bm_sql_interrupt (place->sql);
    s_join (&holder);
    assert_int_equal (holder.end, BM_FENCE_END_EXPIRED);
}

static bool
s_refuse (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    if (!strstr (text, "TDDS_BlockTDDS"))
        return false;
    fake_say (session, 1222, 16, 56, "Lock request time out period exceeded.");
    *run = SH_RUN_DONE;
    return true;
}

static void
a_fence_that_cannot_be_taken_says_why (void **state)
{
    sql_place_t *place = *state;
    s_holder_t holder = {0};
    place->fake->script = s_refuse;
    s_start (&holder, place, 10000);
    pthread_join (holder.thread, NULL);
    assert_int_equal (holder.end, BM_FENCE_END_FAILED);
    assert_int_equal (holder.taken, 0);
    assert_non_null (strstr (holder.error.text, "1222"));
    assert_non_null (strstr (holder.error.text, "BizTalkDTADb"));
    assert_int_equal (holder.messages->items[0].number, 1222);
    bm_sql_messages_destroy (&holder.messages);
}

static bool
s_drop (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    if (!strstr (text, "TDDS_BlockTDDS"))
        return false;
    fake_say (session, 50000, 0, 1, "fenced 99");
    *run = SH_RUN_DROP;
    return true;
}

static void
a_fence_whose_session_was_lost_did_not_stand (void **state)
{
    sql_place_t *place = *state;
    s_holder_t holder = {0};
    place->fake->script = s_drop;
    s_start (&holder, place, 10000);
    s_join (&holder);
    assert_int_equal (holder.end, BM_FENCE_END_LOST);
}

static void
the_batch_quotes_its_database_and_ends_by_itself (void **state)
{
    (void)state;
    bm_fence_terms_t terms = {.database = "A]b'c", .lease_ms = 61234, .version = 12};
    char *batch = bm_fence_batch (&terms);
    assert_non_null (strstr (batch, "EXEC @rc = [A]]b'c].dbo.TDDS_BlockTDDS;"));
    assert_non_null (strstr (batch, "N'A]b''c'"));
    assert_non_null (strstr (batch, "OBJECT_ID (N'[A]]b''c].dbo.Tracking_Spool1', N'U')"));
    assert_non_null (strstr (batch, "WAITFOR DELAY '00:01:01.234'"));
    assert_non_null (strstr (batch, "SET XACT_ABORT ON"));
    assert_non_null (strstr (batch, "SET LOCK_TIMEOUT 45926")); /* shorter than the lease */
    assert_non_null (strstr (batch, "dm_tran_current_transaction"));
    free (batch);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        SQL_TEST (an_interrupted_fence_stood_until_then),
        SQL_TEST (an_expired_fence_did_not_stand),
        SQL_TEST (a_fence_that_is_released_after_its_lease_did_not_stand),
        SQL_TEST (a_fence_that_cannot_be_taken_says_why),
        SQL_TEST (a_fence_whose_session_was_lost_did_not_stand),
        cmocka_unit_test (the_batch_quotes_its_database_and_ends_by_itself)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
