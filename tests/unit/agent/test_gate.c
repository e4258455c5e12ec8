/*  tests/unit/agent/test_gate.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/core/gate.h"

#define START 77

static bm_order_t
s_order (bm_order_kind_t kind, uint64_t operation_id)
{
    return (bm_order_t){.kind = kind,
                        .duties = BM_DUTY_STATUS | BM_DUTY_BACKUP,
                        .group = 1,
                        .start_id = START,
                        .operation_id = operation_id,
                        .epoch = 5,
                        .round = 2,
                        .expires_ms = 1000,
                        .lease_ms = 10000,
                        .fence_count = kind == BM_ORDER_FENCE};
}

static bm_refuse_t s_why;
static const char *s_reason;

static bm_gate_answer_t
s_ask (bm_gate_t *gate, bm_order_t order, int64_t now_ms)
{
    return bm_gate_check (gate, &order, now_ms, &s_why, &s_reason);
}

static void
s_refused (bm_gate_t *gate, bm_order_t order, int64_t now_ms, bm_refuse_t why)
{
    assert_int_equal (s_ask (gate, order, now_ms), BM_GATE_REFUSE);
    assert_string_equal (bm_refuse_name (s_why), bm_refuse_name (why));
    assert_true (strlen (s_reason) > 10);
}

static void
an_order_passes_once_and_is_a_repeat_afterwards (void **state)
{
    (void)state;
    bm_gate_t *gate = bm_gate_new (START);
    assert_int_equal (s_ask (gate, s_order (BM_ORDER_FENCE, 9), 10), BM_GATE_PASS);
    assert_int_equal (s_ask (gate, s_order (BM_ORDER_FENCE, 9), 11), BM_GATE_REPEAT);
    /*  after its expiry it is a repeat or too late, never an order */
    assert_int_equal (s_ask (gate, s_order (BM_ORDER_FENCE, 9), 2000), BM_GATE_REPEAT);
    bm_gate_destroy (&gate);
    assert_null (gate);
    bm_gate_destroy (&gate);
}

static void
malformed_orders_are_refused (void **state)
{
    (void)state;
    bm_gate_t *gate = bm_gate_new (START);
    s_refused (gate, s_order (BM_ORDER_FENCE, 0), 10, BM_REFUSE_BAD_REQUEST);
    s_refused (gate, s_order (BM_ORDER_COUNT, 1), 10, BM_REFUSE_BAD_REQUEST);
    bm_order_t order = s_order (BM_ORDER_COMMIT, 1);
    order.round = 0;
    s_refused (gate, order, 10, BM_REFUSE_BAD_REQUEST);
    order = s_order (BM_ORDER_FENCE, 1);
    order.fence_count = 0;
    s_refused (gate, order, 10, BM_REFUSE_BAD_REQUEST);
    order.fence_count = BM_PARTICIPANT_FENCES + 1;
    s_refused (gate, order, 10, BM_REFUSE_BAD_REQUEST);
    order.fence_count = BM_PARTICIPANT_FENCES;
    order.lease_ms = 0;
    s_refused (gate, order, 10, BM_REFUSE_BAD_REQUEST);
    order.lease_ms = BM_LIMIT_LEASE_MS + 1;
    s_refused (gate, order, 10, BM_REFUSE_BAD_REQUEST);
    order.lease_ms = BM_LIMIT_LEASE_MS;
    assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
    order = s_order (BM_ORDER_BACKUP, 2);
    order.round = 0;
    assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
    bm_gate_destroy (&gate);
}

static void
each_order_needs_its_duty (void **state)
{
    (void)state;
    bm_gate_t *gate = bm_gate_new (START);
    for (int kind = 0; kind < BM_ORDER_COUNT; kind++) {
        bm_order_t order = s_order ((bm_order_kind_t)kind, 100 + (uint64_t)kind);
        order.duties = kind == BM_ORDER_STATUS ? BM_DUTY_BACKUP | BM_DUTY_RESTORE
                                               : BM_DUTY_STATUS | BM_DUTY_RESTORE;
        s_refused (gate, order, 10, BM_REFUSE_NO_DUTY);
        order.duties = kind == BM_ORDER_STATUS ? BM_DUTY_STATUS : BM_DUTY_BACKUP;
        assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
    }
    bm_gate_destroy (&gate);
}

static void
an_order_for_another_start_or_after_its_expiry_has_no_effect (void **state)
{
    (void)state;
    bm_gate_t *gate = bm_gate_new (START);
    bm_order_t order = s_order (BM_ORDER_MARK, 1);
    order.start_id = START + 1;
    s_refused (gate, order, 10, BM_REFUSE_STALE);
    s_refused (gate, s_order (BM_ORDER_MARK, 1), 1000, BM_REFUSE_EXPIRED);
    s_refused (gate, s_order (BM_ORDER_MARK, 1), 5000, BM_REFUSE_EXPIRED);
    assert_int_equal (s_ask (gate, s_order (BM_ORDER_MARK, 1), 999), BM_GATE_PASS);
    bm_gate_destroy (&gate);
}

static void
epochs_and_rounds_only_grow_each_group_for_itself (void **state)
{
    (void)state;
    bm_gate_t *gate = bm_gate_new (START);
    assert_int_equal (s_ask (gate, s_order (BM_ORDER_FENCE, 1), 10), BM_GATE_PASS);
    bm_order_t order = s_order (BM_ORDER_FENCE, 2);
    order.epoch = 4;
    s_refused (gate, order, 10, BM_REFUSE_OLD_EPOCH);
    /*  refused once, refused for ever: the repeat gets the stored answer */
    assert_int_equal (s_ask (gate, order, 10), BM_GATE_REPEAT);
    order = s_order (BM_ORDER_FENCE, 3);
    order.round = 1;
    s_refused (gate, order, 10, BM_REFUSE_OLD_ROUND);
    /*  outside a round: only the epoch counts */
    order = s_order (BM_ORDER_BACKUP, 4);
    order.round = 0;
    assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
    order = s_order (BM_ORDER_FENCE, 5);
    order.round = 3;
    assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
    s_refused (gate, s_order (BM_ORDER_MARK, 6), 10, BM_REFUSE_OLD_ROUND);
    /*  a new epoch begins with round 1 */
    order = s_order (BM_ORDER_FENCE, 7);
    order.epoch = 6;
    order.round = 1;
    assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
    /*  another group has its own */
    order = s_order (BM_ORDER_FENCE, 8);
    order.group = 2;
    order.epoch = 1;
    assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
    /*  STATUS is of no epoch */
    order = s_order (BM_ORDER_STATUS, 9);
    order.epoch = 0;
    assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
    bm_gate_destroy (&gate);
}

static void
sixteen_groups_are_known_and_the_longest_silent_is_forgotten_first (void **state)
{
    (void)state;
    bm_gate_t *gate = bm_gate_new (START);
    uint64_t operation_id = 1;
    for (uint64_t group = 1; group <= BM_PARTICIPANT_GROUPS; group++) {
        bm_order_t order = s_order (BM_ORDER_FENCE, operation_id++);
        order.group = group;
        assert_int_equal (s_ask (gate, order, (int64_t)group), BM_GATE_PASS);
    }
    /*  group 1 speaks again, so group 2 is the silent one */
    bm_order_t order = s_order (BM_ORDER_FENCE, operation_id++);
    assert_int_equal (s_ask (gate, order, 100), BM_GATE_PASS);
    order = s_order (BM_ORDER_FENCE, operation_id++);
    order.group = BM_PARTICIPANT_GROUPS + 1;
    assert_int_equal (s_ask (gate, order, 101), BM_GATE_PASS);
    order = s_order (BM_ORDER_FENCE, operation_id++);
    order.epoch = 1;
    s_refused (gate, order, 102, BM_REFUSE_OLD_EPOCH);
    order = s_order (BM_ORDER_FENCE, operation_id++);
    order.group = 2;
    order.epoch = 1;
    assert_int_equal (s_ask (gate, order, 103), BM_GATE_PASS);
    bm_gate_destroy (&gate);
}

static void
as_many_orders_are_remembered_as_the_limit_says_and_then_it_is_busy (void **state)
{
    (void)state;
    bm_gate_t *gate = bm_gate_new (START);
    for (uint64_t at = 1; at <= BM_PARTICIPANT_SEEN; at++)
        assert_int_equal (s_ask (gate, s_order (BM_ORDER_BACKUP, at), 10), BM_GATE_PASS);
    bm_order_t order = s_order (BM_ORDER_BACKUP, BM_PARTICIPANT_SEEN + 1);
    order.expires_ms = 5000;
    s_refused (gate, order, 10, BM_REFUSE_BUSY);
    assert_int_equal (s_ask (gate, s_order (BM_ORDER_BACKUP, 1), 10), BM_GATE_REPEAT);
    /*  those that can no longer arrive make room */
    assert_int_equal (s_ask (gate, order, 1000), BM_GATE_PASS);
    bm_gate_destroy (&gate);
}

static void
a_stopping_agent_only_lets_go (void **state)
{
    (void)state;
    bm_gate_t *gate = bm_gate_new (START);
    bm_gate_stop (gate);
    for (int kind = 0; kind < BM_ORDER_COUNT; kind++) {
        bool passes = kind == BM_ORDER_STATUS || kind == BM_ORDER_RELEASE || kind == BM_ORDER_ABORT;
        bm_order_t order = s_order ((bm_order_kind_t)kind, 1 + (uint64_t)kind);
        if (passes)
            assert_int_equal (s_ask (gate, order, 10), BM_GATE_PASS);
        else
            s_refused (gate, order, 10, BM_REFUSE_STOPPING);
    }
    bm_gate_destroy (&gate);
}

static void
names_and_statuses_are_complete (void **state)
{
    (void)state;
    for (int at = 0; at < BM_ORDER_COUNT; at++)
        assert_true (strlen (bm_order_name ((bm_order_kind_t)at)) > 3);
    for (int at = 0; at < BM_REFUSE_COUNT; at++) {
        assert_true (strlen (bm_refuse_name ((bm_refuse_t)at)) > 3);
        assert_int_not_equal (bm_refuse_status ((bm_refuse_t)at), BM_OK);
    }
    assert_true (bm_order_of_round (BM_ORDER_FENCE) && bm_order_of_round (BM_ORDER_PROVE));
    assert_false (bm_order_of_round (BM_ORDER_PREPARE) || bm_order_of_round (BM_ORDER_SETTLE));
}

static void
a_group_is_known_by_key_and_name (void **state)
{
    (void)state;
    assert_true (bm_participant_group ("key", "A") == bm_participant_group ("key", "A"));
    assert_true (bm_participant_group ("key", "A") != bm_participant_group ("key", "B"));
    assert_true (bm_participant_group ("key", "A") != bm_participant_group ("other", "A"));
    assert_true (bm_participant_group ("ab", "c") != bm_participant_group ("a", "bc"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_order_passes_once_and_is_a_repeat_afterwards),
        cmocka_unit_test (malformed_orders_are_refused),
        cmocka_unit_test (each_order_needs_its_duty),
        cmocka_unit_test (an_order_for_another_start_or_after_its_expiry_has_no_effect),
        cmocka_unit_test (epochs_and_rounds_only_grow_each_group_for_itself),
        cmocka_unit_test (sixteen_groups_are_known_and_the_longest_silent_is_forgotten_first),
        cmocka_unit_test (as_many_orders_are_remembered_as_the_limit_says_and_then_it_is_busy),
        cmocka_unit_test (a_stopping_agent_only_lets_go),
        cmocka_unit_test (names_and_statuses_are_complete),
        cmocka_unit_test (a_group_is_known_by_key_and_name),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
