/*  tests/sim/agent.c
 *  The agent's shell in the simulation: translates messages and facts for the real participant core and performs its deeds
 *  on the model of SQL Server.
 */
#include <string.h>
#include "common/error.h"
#include "tests/sim/world.h"

int64_t
bm_sim_agent_clock (const bm_world_t *world, size_t instance)
{
    return world->now_ms + world->agents[instance].clock_base_ms;
}

void
bm_sim_agent_start (bm_world_t *world, size_t instance)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    if (agent->up)
        return;
    agent->up = true;
    agent->start_id = ++world->next_start_id;
    agent->clock_base_ms = bm_world_between (world, 1000, 1000000);
    agent->participant = bm_participant_new (agent->start_id);
    memset (agent->stored, 0, sizeof agent->stored);
    memset (agent->answered, 0, sizeof agent->answered);
    agent->next_stored = 0;
    bm_world_trace (world, "agent %zu starts as %llu", instance,
                    (unsigned long long)agent->start_id);
}

void
bm_sim_agent_kill (bm_world_t *world, size_t instance)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    if (!agent->up)
        return;
    agent->up = false;
    agent->frozen_until_ms = 0;
    bm_participant_destroy (&agent->participant);
    bm_server_lose_client (world, instance);
    bm_when_t lost = {.kind = BM_WHEN_LOST, .instance = instance, .number = agent->start_id};
    bm_world_push (world, &lost, bm_world_between (world, 1, 400));
}

/* ---- Orders and their answers ------------------------------------------------------------------ */

static size_t
s_find (const bm_sim_agent_t *agent, uint64_t operation_id)
{
    for (size_t at = 0; at < BM_SIM_STORED; at++)
        if (agent->stored[at].operation_id == operation_id)
            return at;
    return SIZE_MAX;
}

static void
s_store (bm_sim_agent_t *agent, const bm_message_t *order)
{
    if (s_find (agent, order->operation_id) != SIZE_MAX)
        return;
    agent->stored[agent->next_stored] = *order;
    agent->answered[agent->next_stored] = false;
    agent->next_stored = (agent->next_stored + 1) % BM_SIM_STORED;
}

static void
s_reply (bm_world_t *world, size_t instance, bm_message_t answer, uint64_t operation_id)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    size_t at = s_find (agent, operation_id);
    if (at == SIZE_MAX)
        return; /* an order that old is not waited for any more */
    answer.to_agent = false;
    answer.instance = instance;
    answer.operation_id = operation_id;
    answer.start_id = agent->start_id;
    answer.order = agent->stored[at].order;
    answer.mark = agent->stored[at].mark;
    agent->answers[at] = answer;
    agent->answered[at] = true;
    bm_world_send (world, &answer);
}

static void
s_repeat (bm_world_t *world, size_t instance, uint64_t operation_id)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    size_t at = s_find (agent, operation_id);
    if (at != SIZE_MAX && agent->answered[at])
        bm_world_send (world, &agent->answers[at]);
}

/* ---- Deeds ------------------------------------------------------------------------------------- */

static int64_t
s_lease (const bm_world_t *world, int64_t lease_ms)
{
    return world->config.mutation == BM_MUTATION_LEASE_IGNORED ? BM_LIMIT_LEASE_MS : lease_ms;
}

static void
s_start_fence (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    if (deed->slot == 0)
        bm_check_effect (world, instance, deed->operation_id);
    world->agents[instance].fence_sessions[deed->slot] =
        bm_server_start_fence (world, instance, deed->slot, deed->lease_ms);
}

static void
s_start_mark (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    bm_check_effect (world, instance, deed->operation_id);
    size_t at = s_find (agent, deed->operation_id);
    bm_require (at != SIZE_MAX);
    agent->mark_session =
        bm_server_start_mark (world, instance, agent->stored[at].mark, deed->lease_ms);
    bm_when_t tick = {.kind = BM_WHEN_AGENT_TICK, .instance = instance, .number = agent->start_id};
    bm_world_push (world, &tick, deed->lease_ms);
}

static void
s_prove (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    size_t at = s_find (agent, deed->operation_id);
    if (at == SIZE_MAX)
        return;
    bm_message_t answer = {.body = BM_BODY_ANSWER};
    answer.proof = bm_server_read (world, instance, agent->stored[at].mark);
    if (deed->unsettled) {
        answer.proof.unasked += answer.proof.missing;
        answer.proof.missing = 0;
    }
    s_reply (world, instance, answer, deed->operation_id);
}

static void
s_pass (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    size_t at = s_find (agent, deed->operation_id);
    bm_require (at != SIZE_MAX);
    bm_message_t answer = {.body = BM_BODY_ANSWER, .ok = agent->server_up};
    answer.fence_count = agent->slots;
    const bm_message_t *order = &agent->stored[at];
    answer.settled_count = order->settled_count;
    for (size_t each = 0; each < order->settled_count; each++) {
        answer.settled[each] = order->settled[each];
        answer.proofs[each] = bm_server_read (world, instance, order->settled[each]);
    }
    s_reply (world, instance, answer, deed->operation_id);
}

static void
s_answer_fenced (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    bm_message_t answer = {.body = BM_BODY_ANSWER, .ok = deed->ok};
    answer.fence_count = deed->ok ? bm_participant_fence_count (agent->participant) : 0;
    for (size_t slot = 0; slot < answer.fence_count; slot++)
        answer.fences[slot] = (bm_named_fence_t){
            .slot = slot, .identity = bm_participant_fence (agent->participant, slot)->identity};
    s_reply (world, instance, answer, deed->operation_id);
}

static void
s_answer_released (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    size_t at = s_find (agent, deed->operation_id);
    if (at == SIZE_MAX)
        return;
    bm_message_t answer = {.body = BM_BODY_ANSWER, .ok = true};
    for (size_t each = 0; each < agent->stored[at].fence_count; each++)
        answer.ok = bm_participant_stood (agent->participant, &agent->stored[at].fences[each], NULL,
                                          NULL) &&
                    answer.ok;
    s_reply (world, instance, answer, deed->operation_id);
}

const bm_read_t *
bm_sim_agent_reads (const bm_world_t *world, bool after)
{
    bool swapped = world->config.mutation == BM_MUTATION_SAMPLE_ORDER;
    return after != swapped ? bm_reads_after : bm_reads_before;
}

/*  Between the two reads of L1 time passes. */
static void
s_sample (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    bm_when_t second = {
        .kind = BM_WHEN_SAMPLE, .instance = instance, .number = world->agents[instance].start_id};
    second.message.operation_id = deed->operation_id;
    bm_branch_read (world, instance, bm_sim_agent_reads (world, false)[0], &second.message.sample);
    bm_branch_wake (world, instance, false);
    bm_world_push (world, &second, bm_branch_pause (world));
}

void
bm_sim_agent_sample (bm_world_t *world, const bm_when_t *when)
{
    const bm_sim_agent_t *agent = &world->agents[when->instance];
    bm_message_t answer = {.body = BM_BODY_ANSWER, .sample = when->message.sample};
    answer.ok = world->weather.samples && agent->server_up;
    bm_branch_read (world, when->instance, bm_sim_agent_reads (world, false)[1], &answer.sample);
    s_reply (world, when->instance, answer, when->message.operation_id);
}

static void
s_answer (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    bm_message_t answer = {.body = BM_BODY_ANSWER,
                           .ok = deed->ok,
                           .commit = deed->commit,
                           .transaction_id = deed->transaction_id,
                           .sample_ran = world->weather.samples};
    if (deed->kind == BM_DEED_REFUSE)
        answer.body = BM_BODY_REFUSED;
    if (deed->kind == BM_DEED_ANSWER_COMMITTED) {
        answer.sample = agent->after;
        bm_branch_read (world, instance, bm_sim_agent_reads (world, true)[1], &answer.sample);
        const bm_sim_session_t *session = &world->sessions[agent->mark_session];
        answer.mark_dropped = world->marks[session->mark].dropped[instance];
    }
    s_reply (world, instance, answer, deed->operation_id);
}

static void
s_do (bm_world_t *world, size_t instance, const bm_deed_t *deed)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    bm_world_trace (world, "agent %zu: %s %s", instance, bm_deed_name (deed->kind), deed->reason);
    switch (deed->kind) {
        case BM_DEED_START_FENCE:
            s_start_fence (world, instance, deed);
            break;
        case BM_DEED_END_FENCE:
            bm_server_end_fence (world, agent->fence_sessions[deed->slot]);
            break;
        case BM_DEED_START_MARK:
            s_start_mark (world, instance, deed);
            break;
        case BM_DEED_ROLLBACK:
            bm_server_rollback (world, agent->mark_session);
            break;
        case BM_DEED_COMMIT:
            bm_check_effect (world, instance, deed->operation_id);
            bm_server_commit (world, agent->mark_session);
            break;
        case BM_DEED_SAMPLE:
            s_sample (world, instance, deed);
            break;
        case BM_DEED_PROVE:
            s_prove (world, instance, deed);
            break;
        case BM_DEED_PASS:
            s_pass (world, instance, deed);
            break;
        case BM_DEED_REPEAT:
            s_repeat (world, instance, deed->operation_id);
            break;
        case BM_DEED_ANSWER_FENCED:
            s_answer_fenced (world, instance, deed);
            break;
        case BM_DEED_ANSWER_RELEASED:
            s_answer_released (world, instance, deed);
            break;
        default:
            s_answer (world, instance, deed);
            break;
    }
}

static void
s_do_all (bm_world_t *world, size_t instance, const bm_deeds_t *deeds)
{
    for (size_t at = 0; at < deeds->count; at++)
        s_do (world, instance, &deeds->list[at]);
}

/* ---- What comes in ----------------------------------------------------------------------------- */

static void
s_greet (bm_world_t *world, const bm_message_t *message)
{
    bm_message_t answer = {.body = BM_BODY_GREETING,
                           .instance = message->instance,
                           .operation_id = message->operation_id,
                           .start_id = world->agents[message->instance].start_id,
                           .clock_ms = bm_sim_agent_clock (world, message->instance)};
    bm_world_send (world, &answer);
}

/*  MUTATIONS live here, in the shell: the cores are the real ones. */
static void
s_mutate_order (const bm_world_t *world, const bm_sim_agent_t *agent, int64_t clock_ms,
                bm_order_t *order)
{
    if (world->config.mutation != BM_MUTATION_ACCEPT_STALE)
        return;
    order->start_id = agent->start_id;
    if (order->expires_ms <= clock_ms)
        order->expires_ms = clock_ms + BM_SIM_ORDER_MS;
}

void
bm_sim_agent_message (bm_world_t *world, const bm_message_t *message)
{
    bm_sim_agent_t *agent = &world->agents[message->instance];
    if (message->body == BM_BODY_GREET) {
        s_greet (world, message);
        return;
    }
    int64_t clock_ms = bm_sim_agent_clock (world, message->instance);
    bm_order_t order = {.kind = message->order,
                        .duties = BM_DUTY_STATUS | BM_DUTY_BACKUP,
                        .group = 1,
                        .start_id = message->start_id,
                        .operation_id = message->operation_id,
                        .epoch = message->epoch,
                        .round = message->round,
                        .expires_ms = message->expires_ms,
                        .lease_ms = s_lease (world, message->lease_ms),
                        .fence_count = message->fence_count,
                        .fences = message->fences,
                        .transaction_id = message->transaction_id};
    s_mutate_order (world, agent, clock_ms, &order);
    s_store (agent, message);
    bm_deeds_t deeds;
    bm_participant_order (agent->participant, &order, clock_ms, &deeds);
    s_do_all (world, message->instance, &deeds);
}

/*  MUTATION no-identity: the shell takes a lost fence again and says nothing. */
static bool
s_retake (bm_world_t *world, size_t instance, const bm_fact_t *fact)
{
    bm_sim_agent_t *agent = &world->agents[instance];
    if (world->config.mutation != BM_MUTATION_NO_IDENTITY || fact->kind != BM_FACT_FENCE_FELL ||
        fact->fall != BM_FALL_LOST || !agent->server_up)
        return false;
    agent->fence_sessions[fact->slot] =
        bm_server_start_fence (world, instance, fact->slot, BM_SIM_LEASE_MS);
    return true;
}

void
bm_sim_agent_fact (bm_world_t *world, size_t instance, const bm_fact_t *fact)
{
    if (s_retake (world, instance, fact))
        return;
    bm_deeds_t deeds;
    bm_participant_fact (world->agents[instance].participant, fact,
                         bm_sim_agent_clock (world, instance), &deeds);
    s_do_all (world, instance, &deeds);
}
