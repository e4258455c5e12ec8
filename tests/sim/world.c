/*  tests/sim/world.c
 *  Time, the queue, the network, and trouble.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/error.h"
#include "coordinator/core/retry.h"
#include "tests/sim/world.h"

#define S_CALM_MS 60000 /* after the last fault */

static const char *const s_mutations[BM_MUTATION_COUNT] = {
    [BM_MUTATION_NONE] = "none",
    [BM_MUTATION_COMMIT_BEFORE_JOURNAL] = "commit-before-journal",
    [BM_MUTATION_FENCE_RELEASED_EARLY] = "fence-released-early",
    [BM_MUTATION_LEASE_IGNORED] = "lease-ignored",
    [BM_MUTATION_LOST_ANSWER_IS_COMMITTED] = "lost-answer-is-committed",
    [BM_MUTATION_NO_IDENTITY] = "no-identity",
    [BM_MUTATION_ACCEPT_STALE] = "accept-stale",
    [BM_MUTATION_SAMPLE_ORDER] = "sample-order",
    [BM_MUTATION_CHECK_IGNORED] = "check-ignored",
};

const char *
bm_mutation_name (bm_mutation_t mutation)
{
    bm_require ((unsigned)mutation < BM_MUTATION_COUNT);
    return s_mutations[mutation];
}

bool
bm_mutation_by_name (const char *name, bm_mutation_t *mutation)
{
    for (int at = 0; at < BM_MUTATION_COUNT; at++)
        if (strcmp (name, s_mutations[at]) == 0) {
            *mutation = (bm_mutation_t)at;
            return true;
        }
    return false;
}

/* ---- Chance and time --------------------------------------------------------------------------- */

int64_t
bm_world_between (bm_world_t *world, int64_t low, int64_t high)
{
    return low + (int64_t)(bm_retry_random (&world->random) % (uint64_t)(high - low + 1));
}

bool
bm_world_chance (bm_world_t *world, uint32_t per_mille)
{
    return per_mille > 0 && bm_retry_random (&world->random) % 1000 < per_mille;
}

void
bm_world_trace (bm_world_t *world, const char *format, ...)
{
    if (!world->config.trace)
        return;
    va_list arguments;
    va_start (arguments, format);
    printf ("%8lld ", (long long)world->now_ms);
    vprintf (format, arguments);
    printf ("\n");
    va_end (arguments);
}

static bool
s_before (const bm_world_t *world, size_t a, size_t b)
{
    const bm_when_t *first = &world->queue[world->heap[a]];
    const bm_when_t *second = &world->queue[world->heap[b]];
    if (first->at_ms != second->at_ms)
        return first->at_ms < second->at_ms;
    return first->order < second->order;
}

static void
s_swap (bm_world_t *world, size_t a, size_t b)
{
    uint16_t place = world->heap[a];
    world->heap[a] = world->heap[b];
    world->heap[b] = place;
}

void
bm_world_push (bm_world_t *world, const bm_when_t *when, int64_t in_ms)
{
    bm_require (world->queue_count < BM_SIM_EVENTS);
    uint16_t place = world->free_places[world->queue_count];
    world->queue[place] = *when;
    world->queue[place].at_ms = world->now_ms + in_ms;
    world->queue[place].order = world->next_order++;
    size_t at = world->queue_count++;
    world->heap[at] = place;
    while (at > 0 && s_before (world, at, (at - 1) / 2)) {
        s_swap (world, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static bm_when_t
s_pop (bm_world_t *world)
{
    uint16_t place = world->heap[0];
    world->queue_count--;
    world->heap[0] = world->heap[world->queue_count];
    world->free_places[world->queue_count] = place;
    size_t at = 0;
    while (2 * at + 1 < world->queue_count) {
        size_t child = 2 * at + 1;
        if (child + 1 < world->queue_count && s_before (world, child + 1, child))
            child++;
        if (!s_before (world, child, at))
            break;
        s_swap (world, at, child);
        at = child;
    }
    return world->queue[place];
}

/* ---- The network ------------------------------------------------------------------------------- */

static int64_t
s_latency (bm_world_t *world)
{
    if (bm_world_chance (world, world->weather.slow))
        return bm_world_between (world, 20, 8000);
    return bm_world_between (world, 1, 12);
}

void
bm_world_send (bm_world_t *world, const bm_message_t *message)
{
    int copies = bm_world_chance (world, world->weather.drop) ? 0 : 1;
    copies += bm_world_chance (world, world->weather.repeat);
    bm_when_t when = {.kind = BM_WHEN_DELIVER, .instance = message->instance, .message = *message};
    for (int at = 0; at < copies; at++)
        bm_world_push (world, &when, s_latency (world));
}

/*  A message for who is down is lost, or waits and reaches the one that comes back, as libzmq does it. */
static void
s_wait_or_lose (bm_world_t *world, const bm_when_t *when)
{
    if (world->calm || bm_world_chance (world, 500))
        return;
    bm_world_push (world, when, bm_world_between (world, 10, 500));
}

static void
s_deliver (bm_world_t *world, const bm_when_t *when)
{
    const bm_message_t *message = &when->message;
    bm_sim_agent_t *agent = &world->agents[message->instance];
    if (world->now_ms < agent->cut_until_ms) {
        s_wait_or_lose (world, when);
        return;
    }
    if (!message->to_agent) {
        if (world->coordinator.up)
            bm_sim_coordinator_message (world, message);
        return;
    }
    if (agent->up)
        bm_sim_agent_message (world, message);
    else
        s_wait_or_lose (world, when);
}

/* ---- Trouble ----------------------------------------------------------------------------------- */

static void
s_next_fault (bm_world_t *world)
{
    bm_when_t when = {.kind = BM_WHEN_FAULT};
    bm_world_push (world, &when, bm_world_between (world, 1, 2 * world->weather.fault_every_ms));
}

static void
s_kill_agent (bm_world_t *world, size_t instance)
{
    if (!world->agents[instance].up)
        return;
    bm_sim_agent_kill (world, instance);
    bm_when_t up = {.kind = BM_WHEN_AGENT_UP, .instance = instance};
    bm_world_push (world, &up, bm_world_between (world, 5, 3000));
}

static void
s_kill_coordinator (bm_world_t *world)
{
    if (!world->coordinator.up)
        return;
    bm_sim_coordinator_kill (world);
    bm_when_t up = {.kind = BM_WHEN_COORDINATOR_UP};
    bm_world_push (world, &up, bm_world_between (world, 5, 5000));
}

static void
s_fault (bm_world_t *world)
{
    if (world->calm)
        return;
    world->report->faults++;
    size_t instance = (size_t)bm_world_between (world, 0, (int64_t)world->instances - 1);
    bm_sim_agent_t *agent = &world->agents[instance];
    int64_t what = bm_world_between (world, 0, 9);
    bm_world_trace (world, "fault %lld on %zu", (long long)what, instance);
    if (what == 0)
        s_kill_agent (world, instance);
    else if (what == 1) {
        if (agent->server_up)
            bm_server_crash (world, instance);
    } else if (what == 2)
        s_kill_coordinator (world);
    else if (what == 3)
        agent->frozen_until_ms = world->now_ms + bm_world_between (world, 10, 15000);
    else if (what == 4)
        world->coordinator.frozen_until_ms = world->now_ms + bm_world_between (world, 10, 15000);
    else if (what <= 6)
        bm_server_kill_one (world, instance, what == 5);
    else if (what == 7)
        agent->cut_until_ms = world->now_ms + bm_world_between (world, 10, 6000);
    else
        bm_sim_coordinator_event (world, what == 8 ? BM_EVENT_LOCK_LOST : BM_EVENT_STOP, 0);
    s_next_fault (world);
}

static void
s_calm (bm_world_t *world)
{
    bm_world_trace (world, "calm");
    world->calm = true;
    world->weather = (bm_sim_weather_t){.samples = world->weather.samples,
                                        .branch_every_ms = world->weather.branch_every_ms};
    world->coordinator.frozen_until_ms = 0;
    for (size_t at = 0; at < world->instances; at++) {
        world->agents[at].frozen_until_ms = 0;
        world->agents[at].cut_until_ms = 0;
        world->agents[at].server_up = true;
        bm_sim_agent_start (world, at);
    }
    bm_sim_coordinator_start (world);
}

/* ---- The run ----------------------------------------------------------------------------------- */

static void
s_agent_when (bm_world_t *world, const bm_when_t *when)
{
    bm_sim_agent_t *agent = &world->agents[when->instance];
    if (!agent->up || agent->start_id != when->number)
        return;
    bm_fact_t tick = {.kind = BM_FACT_TICK};
    if (when->kind == BM_WHEN_SAMPLE)
        bm_sim_agent_sample (world, when);
    else
        bm_sim_agent_fact (world, when->instance, when->kind == BM_WHEN_FACT ? &when->fact : &tick);
}

static void
s_dispatch (bm_world_t *world, const bm_when_t *when)
{
    switch (when->kind) {
        case BM_WHEN_DELIVER:
            s_deliver (world, when);
            break;
        case BM_WHEN_FACT:
        case BM_WHEN_AGENT_TICK:
        case BM_WHEN_SAMPLE:
            s_agent_when (world, when);
            break;
        case BM_WHEN_AGENT_UP:
            bm_sim_agent_start (world, when->instance);
            break;
        case BM_WHEN_SERVER_UP:
            world->agents[when->instance].server_up = true;
            break;
        case BM_WHEN_MARK_DUE:
            bm_check_mark_due (world, when->number);
            break;
        case BM_WHEN_COORDINATOR_UP:
            bm_sim_coordinator_start (world);
            break;
        case BM_WHEN_TIMER:
        case BM_WHEN_JOURNALED:
        case BM_WHEN_DISK:
        case BM_WHEN_LOST:
            bm_sim_coordinator_when (world, when);
            break;
        case BM_WHEN_BRANCH:
            bm_branch_when (world, when);
            break;
        case BM_WHEN_FAULT:
            s_fault (world);
            break;
        case BM_WHEN_CALM:
            s_calm (world);
            break;
        default:
            bm_server_when (world, when);
            break;
    }
}

/*  Who is frozen gets it when it thaws, in the order it came. */
static bool
s_frozen (bm_world_t *world, const bm_when_t *when)
{
    bool agent = when->kind == BM_WHEN_FACT || when->kind == BM_WHEN_AGENT_TICK ||
                 when->kind == BM_WHEN_SAMPLE ||
                 (when->kind == BM_WHEN_DELIVER && when->message.to_agent);
    bool coordinator = when->kind == BM_WHEN_TIMER || when->kind == BM_WHEN_JOURNALED ||
                       when->kind == BM_WHEN_LOST ||
                       (when->kind == BM_WHEN_DELIVER && !when->message.to_agent);
    int64_t until_ms = 0;
    if (agent)
        until_ms = world->agents[when->instance].frozen_until_ms;
    if (coordinator)
        until_ms = world->coordinator.frozen_until_ms;
    if (until_ms <= world->now_ms)
        return false;
    bm_world_push (world, when, until_ms - world->now_ms);
    return true;
}

/*  How rough it is differs from seed to seed: a storm in every respect would let no round come far. */
static void
s_draw_weather (bm_world_t *world)
{
    const uint32_t some[] = {0, 0, 2, 10, 30};
    bm_sim_weather_t *weather = &world->weather;
    weather->drop = some[bm_world_between (world, 0, 4)];
    weather->repeat = some[bm_world_between (world, 0, 4)] * 3;
    weather->slow = some[bm_world_between (world, 0, 4)];
    weather->stall = some[bm_world_between (world, 0, 4)] * 10;
    weather->refuse = some[bm_world_between (world, 0, 4)];
    weather->fault_every_ms = bm_world_between (world, 40, 1500);
    weather->samples = bm_world_chance (world, 700);
    weather->slow_views = bm_world_chance (world, 300);
    const int64_t rates[] = {0, 10, 40, 200, 1000};
    weather->branch_every_ms = rates[bm_world_between (world, 0, 4)];
}

static bm_world_t *
s_create (const bm_sim_config_t *config, bm_sim_report_t *report)
{
    bm_world_t *world = bm_alloc (sizeof *world);
    world->config = *config;
    world->report = report;
    world->random = config->seed;
    for (size_t at = 0; at < BM_SIM_EVENTS; at++)
        world->free_places[at] = (uint16_t)at;
    s_draw_weather (world);
    world->instances = (size_t)bm_world_between (world, 1, BM_SIM_INSTANCES);
    world->calm_at_ms = bm_world_between (world, 5000, 40000);
    world->coordinator.actions = bm_actions_new (world->instances);
    for (size_t at = 0; at < world->instances; at++) {
        world->agents[at].slots = (size_t)bm_world_between (world, 0, BM_SIM_SLOTS);
        world->agents[at].server_up = true;
        bm_sim_agent_start (world, at);
    }
    bm_sim_coordinator_start (world);
    bm_when_t calm = {.kind = BM_WHEN_CALM};
    bm_world_push (world, &calm, world->calm_at_ms);
    s_next_fault (world);
    bm_branch_start (world);
    return world;
}

static void
s_destroy (bm_world_t *world)
{
    bm_round_destroy (&world->coordinator.core);
    bm_inflight_destroy (&world->coordinator.inflight);
    bm_actions_destroy (&world->coordinator.actions);
    for (size_t at = 0; at < world->instances; at++)
        bm_participant_destroy (&world->agents[at].participant);
    free (world);
}

static void
s_digest (bm_world_t *world, const bm_when_t *when)
{
    const uint64_t parts[] = {(uint64_t)world->now_ms, (uint64_t)when->kind, when->instance,
                              when->number};
    for (size_t at = 0; at < sizeof parts / sizeof parts[0]; at++)
        world->report->digest = (world->report->digest ^ parts[at]) * 0x100000001b3u;
}

void
bm_sim_run (const bm_sim_config_t *config, bm_sim_report_t *report)
{
    *report = (bm_sim_report_t){.digest = 0xcbf29ce484222325u};
    bm_world_t *world = s_create (config, report);
    int64_t end_ms = world->calm_at_ms + S_CALM_MS;
    while (world->queue_count > 0 && !report->violated) {
        bm_when_t when = s_pop (world);
        if (when.at_ms > end_ms)
            break;
        world->now_ms = when.at_ms;
        if (s_frozen (world, &when))
            continue;
        report->events++;
        s_digest (world, &when);
        s_dispatch (world, &when);
    }
    world->now_ms = end_ms;
    bm_check_end (world);
    s_destroy (world);
}
