/*  tests/sim/coordinator.c
 *  The coordinator's shell in the simulation: runs that settle what is open and then drive the real round core. On its
 *  disk are the epoch and the journal (world->marks); everything else dies with it.
 */
#include <string.h>
#include "common/error.h"
#include "coordinator/core/retry.h"
#include "tests/sim/world.h"

#define S_ROUNDS    4
#define S_SETTLE_MS 3000

static void s_feed (bm_world_t *world, bm_event_t event);

static void
s_set_timer (bm_world_t *world, int64_t in_ms)
{
    bm_when_t when = {.kind = BM_WHEN_TIMER, .number = ++world->coordinator.timer};
    bm_world_push (world, &when, in_ms > 0 ? in_ms : 0);
}

/* ---- Sending ----------------------------------------------------------------------------------- */

static uint64_t
s_new_operation (bm_world_t *world, uint64_t start_id)
{
    uint64_t operation_id = ++world->next_operation_id;
    bm_require (operation_id < BM_SIM_ORDERS);
    world->operations[operation_id] =
        (bm_sim_operation_t){.start_id = start_id, .expires_ms = world->now_ms + BM_SIM_ORDER_MS};
    return operation_id;
}

static void
s_send_greet (bm_world_t *world, size_t instance)
{
    bm_sim_peer_t *peer = &world->coordinator.peers[instance];
    peer->greet_id = s_new_operation (world, 0);
    bm_message_t message = {.body = BM_BODY_GREET,
                            .to_agent = true,
                            .instance = instance,
                            .operation_id = peer->greet_id};
    bm_world_send (world, &message);
}

static void
s_send (bm_world_t *world, size_t instance, bm_order_kind_t kind)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    bm_sim_peer_t *peer = &self->peers[instance];
    bool names = kind == BM_ORDER_MARK || kind == BM_ORDER_COMMIT || kind == BM_ORDER_RELEASE;
    bm_message_t message = {.body = BM_BODY_ORDER,
                            .order = kind,
                            .to_agent = true,
                            .instance = instance,
                            .start_id = peer->start_id,
                            .operation_id = s_new_operation (world, peer->start_id),
                            .epoch = self->epoch,
                            .round = kind == BM_ORDER_SETTLE ? 0 : self->round,
                            .expires_ms = world->now_ms + peer->clock_offset_ms + BM_SIM_ORDER_MS,
                            .lease_ms = BM_SIM_LEASE_MS,
                            .mark = self->mark,
                            .fence_count = names || kind == BM_ORDER_FENCE ? peer->fence_count : 0,
                            .transaction_id = peer->transaction_id};
    memcpy (message.fences, peer->fences, sizeof message.fences);
    if (kind == BM_ORDER_SETTLE) {
        message.settled_count = self->settled_count;
        memcpy (message.settled, self->settled, sizeof message.settled);
    }
    peer->operation_ids[kind] = message.operation_id;
    bm_world_send (world, &message);
}

/*  MUTATION fence-released-early: what was asked for earlier is only waited for. */
static void
s_send_release (bm_world_t *world, size_t instance)
{
    bm_sim_peer_t *peer = &world->coordinator.peers[instance];
    if (!peer->early) {
        s_send (world, instance, BM_ORDER_RELEASE);
        return;
    }
    peer->early = false;
    if (peer->early_kept) {
        bm_when_t again = {.kind = BM_WHEN_DELIVER, .message = peer->early_answer};
        bm_world_push (world, &again, 0);
    }
}

/* ---- The journal ------------------------------------------------------------------------------- */

static void
s_journal_intent (bm_world_t *world)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    bool early = world->config.mutation == BM_MUTATION_COMMIT_BEFORE_JOURNAL;
    bm_when_t when = {.kind = BM_WHEN_JOURNALED,
                      .number = self->generation,
                      .ok = early || !bm_world_chance (world, world->weather.refuse)};
    when.message.mark = self->mark;
    bm_world_push (world, &when, early ? 0 : bm_world_between (world, 0, 6));
    if (early) {
        when.kind = BM_WHEN_DISK;
        bm_world_push (world, &when, 40);
    }
}

/* ---- Runs and rounds --------------------------------------------------------------------------- */

static void
s_end_run (bm_world_t *world)
{
    world->coordinator.phase = BM_PHASE_PAUSE;
    world->coordinator.round = S_ROUNDS;
    s_set_timer (world, bm_world_between (world, 100, world->calm ? 12000 : 1200));
}

static void
s_begin_round (bm_world_t *world)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    self->phase = BM_PHASE_ROUND;
    self->round++;
    bm_require (world->mark_count < BM_SIM_MARKS);
    self->mark = world->mark_count++;
    world->marks[self->mark] = (bm_sim_mark_t){.epoch = self->epoch, .round = self->round};
    world->report->rounds++;
    bm_round_config_t config;
    bm_round_config_default (&config, world->instances);
    self->core = bm_round_new (&config, NULL);
    bm_require (self->core);
    static const char *const names[BM_SIM_INSTANCES] = {"0", "1", "2", "3"};
    bm_inflight_destroy (&self->inflight);
    self->inflight = bm_inflight_new (names, world->instances);
    s_feed (world, (bm_event_t){.kind = BM_EVENT_START});
}

static void
s_finish (bm_world_t *world)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    const bm_round_result_t *result = bm_round_result (self->core);
    bm_outcome_t outcome = result->outcome;
    bool stop = result->cause.status == BM_LOCK_LOST || result->cause.status == BM_STOPPED;
    bm_world_trace (world, "mark %zu: %s (%s; %s)", self->mark, bm_outcome_name (outcome),
                    result->reason, result->cause.text);
    bm_check_outcome (world, self->mark, outcome);
    bm_round_destroy (&self->core);
    if (stop || !bm_outcome_retry (outcome) || self->round >= S_ROUNDS) {
        s_end_run (world);
        return;
    }
    self->phase = BM_PHASE_PAUSE;
    s_set_timer (world, bm_retry_pause_ms (&world->random, self->round, 200, 2000));
}

static void
s_begin_settling (bm_world_t *world)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    self->epoch++;
    self->round = 0;
    self->settled_count = 0;
    for (size_t at = 0; at < world->mark_count && self->settled_count < BM_SIM_SETTLED; at++) {
        const bm_sim_mark_t *mark = &world->marks[at];
        if (mark->intended && (!mark->judged || mark->outcome == BM_OUTCOME_UNKNOWN))
            self->settled[self->settled_count++] = at;
    }
    if (self->settled_count == 0) {
        s_begin_round (world);
        return;
    }
    self->phase = BM_PHASE_SETTLING;
    for (size_t at = 0; at < world->instances; at++) {
        self->peers[at].settled = false;
        s_send_greet (world, at);
    }
    s_set_timer (world, S_SETTLE_MS);
}

/*  Only an answer of every instance settles a mark; what it says about fences is lost for good. */
static void
s_settle_mark (bm_world_t *world, size_t place)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    bm_proof_t sum = {0};
    for (size_t at = 0; at < world->instances; at++) {
        const bm_proof_t *proof = &self->peers[at].proofs[place];
        if (!self->peers[at].settled || proof->unasked > 0)
            return;
        sum.in += proof->in;
        sum.half += proof->half;
        sum.missing += proof->missing;
    }
    bm_outcome_t outcome = BM_OUTCOME_DOUBTFUL;
    if (sum.in + sum.half == 0)
        outcome = BM_OUTCOME_NONE;
    else if (sum.missing > 0)
        outcome = BM_OUTCOME_TORN;
    else if (sum.half > 0)
        outcome = BM_OUTCOME_UNPROVEN;
    world->marks[self->settled[place]].settled = true;
    bm_check_outcome (world, self->settled[place], outcome);
}

static void
s_end_settling (bm_world_t *world)
{
    for (size_t place = 0; place < world->coordinator.settled_count; place++)
        s_settle_mark (world, place);
    s_begin_round (world);
}

/* ---- Driving the core -------------------------------------------------------------------------- */

static const struct {
    bm_order_kind_t order;
    bm_action_kind_t action;
    bm_event_kind_t answer;
} s_orders[] = {
    {BM_ORDER_PREPARE, BM_ACTION_SEND_PREPARE, BM_EVENT_VOTED},
    {BM_ORDER_FENCE, BM_ACTION_SEND_FENCE, BM_EVENT_FENCED},
    {BM_ORDER_MARK, BM_ACTION_SEND_MARK, BM_EVENT_MARKED},
    {BM_ORDER_SAMPLE, BM_ACTION_SEND_SAMPLE, BM_EVENT_SAMPLED},
    {BM_ORDER_COMMIT, BM_ACTION_SEND_COMMIT, BM_EVENT_COMMITTED},
    {BM_ORDER_ABORT, BM_ACTION_SEND_ABORT, BM_EVENT_ABORTED},
    {BM_ORDER_RELEASE, BM_ACTION_SEND_RELEASE, BM_EVENT_RELEASED},
    {BM_ORDER_PROVE, BM_ACTION_SEND_PROVE, BM_EVENT_PROVED},
};
#define S_ORDERS (sizeof s_orders / sizeof s_orders[0])

static void
s_perform (bm_world_t *world, const bm_action_t *action)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    switch (action->kind) {
        case BM_ACTION_SEND_GREET:
            s_send_greet (world, action->instance);
            break;
        case BM_ACTION_SEND_RELEASE:
            s_send_release (world, action->instance);
            break;
        case BM_ACTION_JOURNAL_INTENT:
            s_journal_intent (world);
            break;
        case BM_ACTION_JOURNAL_OUTCOME:
            break;
        case BM_ACTION_SET_DEADLINE:
            s_set_timer (world, action->at_ms - world->now_ms);
            break;
        case BM_ACTION_FINISH:
            s_finish (world);
            break;
        default:
            for (size_t at = 0; at < S_ORDERS; at++)
                if (s_orders[at].action == action->kind)
                    s_send (world, action->instance, s_orders[at].order);
            bm_require (self->core);
            break;
    }
}

static void
s_feed (bm_world_t *world, bm_event_t event)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    if (!self->core)
        return;
    bm_error_t error = {0};
    bm_status_t status = bm_round_step (self->core, &event, world->now_ms, self->actions, &error);
    bm_require (status == BM_OK);
    bm_world_trace (world, "round %s of %zu -> %s: %s", bm_event_name (event.kind), event.instance,
                    bm_round_state_name (bm_round_state (self->core)),
                    bm_round_reason (self->core));
    for (size_t at = 0; at < self->actions->count; at++)
        s_perform (world, &self->actions->list[at]);
}

/* ---- What comes in ----------------------------------------------------------------------------- */

static void
s_greeted (bm_world_t *world, const bm_message_t *message)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    bm_sim_peer_t *peer = &self->peers[message->instance];
    if (message->operation_id != peer->greet_id)
        return;
    peer->start_id = message->start_id;
    peer->clock_offset_ms = message->clock_ms - world->now_ms;
    if (self->phase == BM_PHASE_SETTLING && !peer->settled)
        s_send (world, message->instance, BM_ORDER_SETTLE);
    s_feed (world, (bm_event_t){.kind = BM_EVENT_GREETED,
                                .instance = message->instance,
                                .start_id = message->start_id});
}

static void
s_settled (bm_world_t *world, const bm_message_t *message)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    if (self->phase != BM_PHASE_SETTLING)
        return;
    self->peers[message->instance].settled = true;
    memcpy (self->peers[message->instance].proofs, message->proofs, sizeof message->proofs);
    for (size_t at = 0; at < world->instances; at++)
        if (!self->peers[at].settled)
            return;
    s_end_settling (world);
}

/*  MUTATION lost-answer-is-committed: whoever does not answer is believed to have it. */
static bool
s_believe_the_silent (bm_world_t *world, size_t only)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    bm_round_state_t state = bm_round_state (self->core);
    bool answers = state == BM_ROUND_COMMITTING || state == BM_ROUND_PROVING;
    if (world->config.mutation != BM_MUTATION_LOST_ANSWER_IS_COMMITTED || !answers)
        return false;
    size_t waiting[BM_SIM_INSTANCES];
    size_t count = bm_round_waiting (self->core, waiting, BM_SIM_INSTANCES);
    for (size_t at = 0; at < count; at++) {
        if (only != SIZE_MAX && waiting[at] != only)
            continue;
        bm_event_t event = {.instance = waiting[at], .commit = BM_COMMIT_DONE, .ok = true};
        event.kind = state == BM_ROUND_COMMITTING ? BM_EVENT_COMMITTED : BM_EVENT_PROVED;
        event.proof.in = BM_SIM_DATABASES;
        s_feed (world, event);
    }
    return !self->core || bm_round_state (self->core) != state;
}

/*  MUTATION fence-released-early */
static bool
s_release_early (bm_world_t *world, const bm_message_t *message)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    bm_sim_peer_t *peer = &self->peers[message->instance];
    if (world->config.mutation != BM_MUTATION_FENCE_RELEASED_EARLY || !self->core ||
        bm_round_state (self->core) != BM_ROUND_COMMITTING)
        return false;
    if (message->order == BM_ORDER_COMMIT && peer->fence_count > 0 && !peer->early) {
        s_send (world, message->instance, BM_ORDER_RELEASE);
        peer->early = true;
        peer->early_kept = false;
    }
    if (message->order != BM_ORDER_RELEASE)
        return false;
    peer->early_kept = true;
    peer->early_answer = *message;
    return true;
}

/*  A sample becomes part of the round's check, as in the driver. */
static void
s_sampled (bm_world_t *world, const bm_message_t *message, bool ran, bm_event_t *event)
{
    bm_inflight_t *inflight = world->coordinator.inflight;
    bm_inflight_branch_t branch = {.unit_of_work = ""};
    bm_inflight_sample_t sample = {.ran = ran,
                                   .prepares = message->sample.prepares,
                                   .commits = message->sample.commits,
                                   .branches = &branch,
                                   .branch_count = message->sample.listed > 0};
    if (message->order == BM_ORDER_SAMPLE)
        bm_inflight_before (inflight, message->instance, &sample);
    else
        bm_inflight_after (inflight, message->instance, &sample);
    event->ok = ran;
    event->in_flight = world->config.mutation != BM_MUTATION_CHECK_IGNORED &&
                       bm_inflight_finding (inflight, message->instance).flags != 0;
}

static void
s_answered (bm_world_t *world, const bm_message_t *message)
{
    bm_sim_peer_t *peer = &world->coordinator.peers[message->instance];
    if (message->order == BM_ORDER_PREPARE) {
        peer->fence_count = message->fence_count;
        peer->early = false;
    }
    if (message->order == BM_ORDER_FENCE && message->ok)
        memcpy (peer->fences, message->fences, sizeof peer->fences);
    if (message->order == BM_ORDER_MARK)
        peer->transaction_id = message->transaction_id;
    if (s_release_early (world, message))
        return;
    bm_event_t event = {.instance = message->instance,
                        .ok = message->ok,
                        .has_tracking = message->fence_count > 0,
                        .mark_dropped = message->mark_dropped,
                        .proof = message->proof};
    if (message->order == BM_ORDER_COMMIT) {
        s_sampled (world, message, message->sample_ran && message->commit == BM_COMMITTED_DONE,
                   &event);
        event.commit = message->commit == BM_COMMITTED_DONE ? BM_COMMIT_DONE : BM_COMMIT_UNKNOWN;
        if (message->commit == BM_COMMITTED_ROLLED_BACK)
            event.commit = BM_COMMIT_ROLLED_BACK;
    }
    if (message->order == BM_ORDER_SAMPLE && message->body == BM_BODY_ANSWER)
        s_sampled (world, message, message->ok, &event);
    for (size_t at = 0; at < S_ORDERS; at++)
        if (s_orders[at].order == message->order) {
            event.kind = s_orders[at].answer;
            event.order = s_orders[at].action;
        }
    if (message->body == BM_BODY_REFUSED)
        event.kind = BM_EVENT_REFUSED;
    if (world->config.mutation == BM_MUTATION_LOST_ANSWER_IS_COMMITTED && event.proof.unasked > 0)
        event.proof = (bm_proof_t){.in = BM_SIM_DATABASES};
    s_feed (world, event);
}

void
bm_sim_coordinator_message (bm_world_t *world, const bm_message_t *message)
{
    if (message->body == BM_BODY_GREETING) {
        s_greeted (world, message);
        return;
    }
    bm_sim_peer_t *peer = &world->coordinator.peers[message->instance];
    if (message->operation_id != peer->operation_ids[message->order])
        return;
    if (message->order != BM_ORDER_SETTLE)
        s_answered (world, message);
    else if (message->body == BM_BODY_ANSWER)
        s_settled (world, message);
}

static void
s_timer (bm_world_t *world)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    if (self->phase == BM_PHASE_SETTLING)
        s_end_settling (world);
    else if (self->phase == BM_PHASE_ROUND) {
        if (!s_believe_the_silent (world, SIZE_MAX))
            s_feed (world, (bm_event_t){.kind = BM_EVENT_TICK});
    } else if (self->round >= S_ROUNDS)
        s_begin_settling (world);
    else
        s_begin_round (world);
}

static void
s_journaled (bm_world_t *world, const bm_when_t *when)
{
    bool early = world->config.mutation == BM_MUTATION_COMMIT_BEFORE_JOURNAL;
    if (when->ok && (!early || when->kind == BM_WHEN_DISK))
        world->marks[when->message.mark].intended = true;
    if (when->kind == BM_WHEN_JOURNALED && when->message.mark == world->coordinator.mark)
        s_feed (world, (bm_event_t){.kind = BM_EVENT_JOURNALED, .ok = when->ok});
}

void
bm_sim_coordinator_when (bm_world_t *world, const bm_when_t *when)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    if (!self->up)
        return;
    if (when->kind == BM_WHEN_TIMER) {
        if (when->number == self->timer)
            s_timer (world);
    } else if (when->kind == BM_WHEN_LOST) {
        if (when->number == self->peers[when->instance].start_id)
            bm_sim_coordinator_event (world, BM_EVENT_AGENT_LOST, when->instance);
    } else if (when->number == self->generation)
        s_journaled (world, when);
}

void
bm_sim_coordinator_event (bm_world_t *world, bm_event_kind_t kind, size_t instance)
{
    if (!world->coordinator.core)
        return;
    if (kind == BM_EVENT_AGENT_LOST && s_believe_the_silent (world, instance))
        return;
    s_feed (world, (bm_event_t){.kind = kind, .instance = instance});
}

void
bm_sim_coordinator_start (bm_world_t *world)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    if (self->up)
        return;
    self->up = true;
    self->generation++;
    memset (self->peers, 0, sizeof self->peers);
    s_begin_settling (world);
}

void
bm_sim_coordinator_kill (bm_world_t *world)
{
    bm_sim_coordinator_t *self = &world->coordinator;
    self->up = false;
    self->frozen_until_ms = 0;
    self->timer++;
    bm_round_destroy (&self->core);
    bm_inflight_destroy (&self->inflight);
}
