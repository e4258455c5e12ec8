/*  agent/core/gate.c */
#include "agent/core/gate.h"
#include <stdlib.h>

/*  How far the orders of one group have come. */
typedef struct {
    bool used;
    uint64_t group;
    uint64_t epoch;
    uint32_t round;
    int64_t last_ms;
} s_group_t;

/*  An operation that was begun is kept until it can no longer arrive. */
typedef struct {
    uint64_t operation_id;
    int64_t expires_ms;
} s_seen_t;

struct bm_gate {
    uint64_t start_id;
    bool stopping;
    s_group_t groups[BM_PARTICIPANT_GROUPS];
    s_seen_t seen[BM_PARTICIPANT_SEEN];
};

/*  What an order needs, and whether it is a round's. */
static const struct {
    const char *name;
    bm_duty_t duty;
    bool of_round;
} s_orders[BM_ORDER_COUNT] = {
    [BM_ORDER_STATUS] = {"STATUS", BM_DUTY_STATUS, false},
    [BM_ORDER_PREPARE] = {"PREPARE", BM_DUTY_BACKUP, false},
    [BM_ORDER_FENCE] = {"FENCE", BM_DUTY_BACKUP, true},
    [BM_ORDER_MARK] = {"MARK", BM_DUTY_BACKUP, true},
    [BM_ORDER_SAMPLE] = {"SAMPLE", BM_DUTY_BACKUP, true},
    [BM_ORDER_COMMIT] = {"COMMIT", BM_DUTY_BACKUP, true},
    [BM_ORDER_RELEASE] = {"RELEASE", BM_DUTY_BACKUP, true},
    [BM_ORDER_ABORT] = {"ABORT", BM_DUTY_BACKUP, true},
    [BM_ORDER_PROVE] = {"PROVE", BM_DUTY_BACKUP, true},
    [BM_ORDER_BACKUP] = {"BACKUP", BM_DUTY_BACKUP, false},
    [BM_ORDER_SETTLE] = {"SETTLE", BM_DUTY_BACKUP, false},
};

static bool
s_well_formed (const bm_order_t *order)
{
    if ((unsigned)order->kind >= BM_ORDER_COUNT || order->operation_id == 0)
        return false;
    if (s_orders[order->kind].of_round && order->round == 0)
        return false;
    bool leased = order->kind == BM_ORDER_FENCE || order->kind == BM_ORDER_MARK;
    if (leased && (order->lease_ms <= 0 || order->lease_ms > BM_LIMIT_LEASE_MS))
        return false;
    if (order->kind == BM_ORDER_FENCE && order->fence_count == 0)
        return false;
    return order->fence_count <= BM_PARTICIPANT_FENCES;
}

bm_gate_t *
bm_gate_new (uint64_t start_id)
{
    bm_require (start_id != 0);
    bm_gate_t *self = bm_alloc (sizeof *self);
    self->start_id = start_id;
    return self;
}

void
bm_gate_destroy (bm_gate_t **self_p)
{
    free (*self_p);
    *self_p = NULL;
}

void
bm_gate_stop (bm_gate_t *self)
{
    self->stopping = true;
}

/*  The group's place; for a new group a free one, or the one that was silent longest. */
static s_group_t *
s_group (bm_gate_t *self, const bm_order_t *order, int64_t now_ms)
{
    s_group_t *place = &self->groups[0];
    for (size_t at = 0; at < BM_PARTICIPANT_GROUPS; at++) {
        s_group_t *group = &self->groups[at];
        if (group->used && group->group == order->group) {
            group->last_ms = now_ms;
            return group;
        }
        if (place->used && (!group->used || group->last_ms < place->last_ms))
            place = group;
    }
    *place = (s_group_t){.used = true,
                         .group = order->group,
                         .epoch = order->epoch,
                         .round = order->round,
                         .last_ms = now_ms};
    return place;
}

/*  What an order is refused for, as far as it can be said without looking at what is held. */
typedef struct {
    bm_refuse_t why;
    const char *reason;
} s_fault_t;

/*  Epochs and rounds only grow. */
static bool
s_too_old (bm_gate_t *self, const bm_order_t *order, int64_t now_ms, s_fault_t *fault)
{
    s_group_t *group = s_group (self, order, now_ms);
    if (order->epoch < group->epoch) {
        *fault = (s_fault_t){BM_REFUSE_OLD_EPOCH, "a newer run of the group was here"};
        return true;
    }
    if (order->epoch == group->epoch && order->round != 0 && order->round < group->round) {
        *fault = (s_fault_t){BM_REFUSE_OLD_ROUND, "a newer round of the run was here"};
        return true;
    }
    if (order->epoch > group->epoch || order->round > group->round)
        group->round = order->round;
    group->epoch = order->epoch;
    return false;
}

static bool
s_seen (const bm_gate_t *self, uint64_t operation_id)
{
    for (size_t at = 0; at < BM_PARTICIPANT_SEEN; at++)
        if (self->seen[at].operation_id == operation_id)
            return true;
    return false;
}

/*  False when every place is taken by an order that can still arrive again. */
static bool
s_remember (bm_gate_t *self, const bm_order_t *order, int64_t now_ms)
{
    for (size_t at = 0; at < BM_PARTICIPANT_SEEN; at++) {
        s_seen_t *seen = &self->seen[at];
        if (seen->operation_id == 0 || seen->expires_ms <= now_ms) {
            *seen =
                (s_seen_t){.operation_id = order->operation_id, .expires_ms = order->expires_ms};
            return true;
        }
    }
    return false;
}

/*  What can be said of the order alone; these refusals need no memory, a repeat gets the same. */
static bool
s_unfit (const bm_gate_t *self, const bm_order_t *order, s_fault_t *fault)
{
    if (!s_well_formed (order)) {
        *fault = (s_fault_t){BM_REFUSE_BAD_REQUEST, "the order is malformed"};
        return true;
    }
    if (!(order->duties & (uint32_t)s_orders[order->kind].duty)) {
        *fault = (s_fault_t){BM_REFUSE_NO_DUTY, "the key lacks the duty for this order"};
        return true;
    }
    if (order->start_id != self->start_id) {
        *fault =
            (s_fault_t){BM_REFUSE_STALE, "the order was meant for another start of this agent"};
        return true;
    }
    return false;
}

/*  Once remembered, a refusal stands: what was refused once has no effect later either. */
static bool
s_untimely (bm_gate_t *self, const bm_order_t *order, int64_t now_ms, s_fault_t *fault)
{
    if (now_ms >= order->expires_ms) {
        *fault = (s_fault_t){BM_REFUSE_EXPIRED, "the order came after its expiry"};
        return true;
    }
    if (!s_remember (self, order, now_ms)) {
        *fault = (s_fault_t){BM_REFUSE_BUSY, "too many orders are open"};
        return true;
    }
    if (order->kind != BM_ORDER_STATUS && s_too_old (self, order, now_ms, fault))
        return true;
    bool harmless = order->kind == BM_ORDER_STATUS || order->kind == BM_ORDER_RELEASE ||
                    order->kind == BM_ORDER_ABORT;
    if (self->stopping && !harmless) {
        *fault = (s_fault_t){BM_REFUSE_STOPPING, "the agent is stopping"};
        return true;
    }
    return false;
}

bm_gate_answer_t
bm_gate_check (bm_gate_t *self, const bm_order_t *order, int64_t now_ms, bm_refuse_t *why,
               const char **reason)
{
    s_fault_t fault = {BM_REFUSE_COUNT, "in order"};
    bm_gate_answer_t answer = BM_GATE_PASS;
    if (s_unfit (self, order, &fault))
        answer = BM_GATE_REFUSE;
    else if (s_seen (self, order->operation_id)) {
        fault.reason = "the order was seen before";
        answer = BM_GATE_REPEAT;
    } else if (s_untimely (self, order, now_ms, &fault))
        answer = BM_GATE_REFUSE;
    *why = fault.why;
    *reason = fault.reason;
    return answer;
}

const char *
bm_order_name (bm_order_kind_t kind)
{
    bm_require ((unsigned)kind < BM_ORDER_COUNT);
    return s_orders[kind].name;
}

bool
bm_order_of_round (bm_order_kind_t kind)
{
    bm_require ((unsigned)kind < BM_ORDER_COUNT);
    return s_orders[kind].of_round;
}

static const struct {
    const char *name;
    bm_status_t status;
} s_refusals[BM_REFUSE_COUNT] = {
    [BM_REFUSE_STALE] = {"STALE", BM_STALE},
    [BM_REFUSE_EXPIRED] = {"EXPIRED", BM_STALE},
    [BM_REFUSE_OLD_EPOCH] = {"OLD_EPOCH", BM_STALE},
    [BM_REFUSE_OLD_ROUND] = {"OLD_ROUND", BM_STALE},
    [BM_REFUSE_BUSY] = {"BUSY", BM_BUSY},
    [BM_REFUSE_NO_DUTY] = {"NO_DUTY", BM_NO_DUTY},
    [BM_REFUSE_BAD_REQUEST] = {"BAD_REQUEST", BM_PROTOCOL},
    [BM_REFUSE_STOPPING] = {"STOPPING", BM_STOPPED},
    [BM_REFUSE_OUT_OF_ORDER] = {"OUT_OF_ORDER", BM_MARK_REFUSED},
};

const char *
bm_refuse_name (bm_refuse_t why)
{
    bm_require ((unsigned)why < BM_REFUSE_COUNT);
    return s_refusals[why].name;
}

bm_status_t
bm_refuse_status (bm_refuse_t why)
{
    bm_require ((unsigned)why < BM_REFUSE_COUNT);
    return s_refusals[why].status;
}

/*  FNV-1a over both texts, a zero between them. */
uint64_t
bm_participant_group (const char *key, const char *group_name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    const char *texts[] = {key, group_name};
    for (size_t at = 0; at < 2; at++) {
        for (const char *c = texts[at]; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
        hash *= 0x100000001b3u;
    }
    return hash;
}
