/*  tests/sim/check.c
 *  The rules: what the coordinator says is held against what happened on the servers.
 */
#include <stdarg.h>
#include <stdio.h>
#include "tests/sim/world.h"

/*  Only the first one counts: what follows is its consequence. */
void
bm_check_fail (bm_world_t *world, const char *format, ...)
{
    if (world->report->violated)
        return;
    world->report->violated = true;
    world->report->at_ms = world->now_ms;
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (world->report->what, sizeof world->report->what, format, arguments);
    va_end (arguments);
}

void
bm_check_effect (bm_world_t *world, size_t instance, uint64_t operation_id)
{
    bm_sim_operation_t *operation = &world->operations[operation_id];
    operation->effects++;
    if (operation->effects > 1)
        bm_check_fail (world, "I5: operation %llu took effect %u times",
                       (unsigned long long)operation_id, operation->effects);
    if (operation->start_id != world->agents[instance].start_id)
        bm_check_fail (world, "I5: operation %llu was meant for an earlier start of agent %zu",
                       (unsigned long long)operation_id, instance);
    if (world->now_ms > operation->expires_ms)
        bm_check_fail (world, "I5: operation %llu took effect %lld ms after its expiry",
                       (unsigned long long)operation_id,
                       (long long)(world->now_ms - operation->expires_ms));
}

void
bm_check_commit (bm_world_t *world, size_t mark)
{
    if (!world->marks[mark].intended)
        bm_check_fail (world, "I9: mark %zu is committed but its name is not on the disk", mark);
}

void
bm_check_mark_due (bm_world_t *world, size_t session)
{
    const bm_sim_session_t *mine = &world->sessions[session];
    const bm_sim_agent_t *agent = &world->agents[mine->instance];
    bool open = mine->state == BM_SESSION_WAITS || mine->state == BM_SESSION_HOLDS;
    bool awake = agent->up && agent->frozen_until_ms + 100 < world->now_ms;
    if (open && awake && !mine->orphan && agent->start_id == mine->start_id)
        bm_check_fail (world, "I2: mark %zu on instance %zu outlived its lease", mine->mark,
                       mine->instance);
}

void
bm_check_fence_over (bm_world_t *world, size_t session)
{
    const bm_sim_session_t *mine = &world->sessions[session];
    if (mine->until_ms - mine->from_ms > BM_SIM_LEASE_MS)
        bm_check_fail (world, "I2: a fence on instance %zu was held for %lld ms", mine->instance,
                       (long long)(mine->until_ms - mine->from_ms));
}

static size_t
s_count_in (const bm_world_t *world, const bm_sim_mark_t *mark, bool dropped_too)
{
    size_t count = 0;
    for (size_t at = 0; at < world->instances; at++)
        count += mark->in[at] && (dropped_too || !mark->dropped[at]);
    return count;
}

/*  One fence on that database, held without a break from `from` to `until`. */
static bool
s_stood (const bm_world_t *world, size_t instance, size_t slot, int64_t from_ms, int64_t until_ms)
{
    for (size_t at = world->session_count; at-- > 0;) {
        const bm_sim_session_t *fence = &world->sessions[at];
        if (fence->is_fence && fence->instance == instance && fence->slot == slot &&
            fence->from_ms <= from_ms && fence->until_ms >= until_ms)
            return true;
    }
    return false;
}

/*  I8: every fence stands from before the first mark commits until after the last one did. */
static void
s_check_fences (bm_world_t *world, size_t at, const bm_sim_mark_t *mark)
{
    int64_t first_ms = mark->at_ms[0];
    int64_t last_ms = mark->at_ms[0];
    for (size_t i = 1; i < world->instances; i++) {
        first_ms = mark->at_ms[i] < first_ms ? mark->at_ms[i] : first_ms;
        last_ms = mark->at_ms[i] > last_ms ? mark->at_ms[i] : last_ms;
    }
    for (size_t i = 0; i < world->instances; i++)
        for (size_t slot = 0; slot < world->agents[i].slots; slot++)
            if (!s_stood (world, i, slot, first_ms, last_ms))
                bm_check_fail (
                    world, "I8: mark %zu is called %s, but a fence on instance %zu did not stand",
                    at, bm_outcome_name (mark->outcome), i);
}

static bool
s_believable (const bm_world_t *world, const bm_sim_mark_t *mark)
{
    size_t shown = s_count_in (world, mark, false);
    size_t in = s_count_in (world, mark, true);
    switch (mark->outcome) {
        case BM_OUTCOME_NONE:
            return in == 0;
        case BM_OUTCOME_TORN:
            return in > 0 && in < world->instances;
        case BM_OUTCOME_UNPROVEN:
            return in > 0 && shown < world->instances;
        case BM_OUTCOME_UNKNOWN:
            return true;
        default:
            return shown == world->instances;
    }
}

void
bm_check_outcome (bm_world_t *world, size_t at, bm_outcome_t outcome)
{
    bm_sim_mark_t *mark = &world->marks[at];
    mark->judged = true;
    mark->outcome = outcome;
    world->report->outcomes[outcome]++;
    world->report->straddled +=
        s_count_in (world, mark, true) == world->instances && bm_branch_straddles (world, mark);
    if (!s_believable (world, mark))
        bm_check_fail (world, "I1: mark %zu is called %s, but is in %zu of %zu instances", at,
                       bm_outcome_name (outcome), s_count_in (world, mark, true), world->instances);
    else if (outcome == BM_OUTCOME_CLEAN && bm_branch_straddles (world, mark))
        bm_check_fail (world, "mark %zu is called clean, but a transaction straddles it", at);
    else if (!bm_outcome_retry (outcome)) {
        s_check_fences (world, at, mark);
        world->good_in_calm += world->calm;
    }
}

void
bm_check_end (bm_world_t *world)
{
    /*  the round that runs at the end has not said anything yet */
    size_t running = world->coordinator.core ? world->coordinator.mark : SIZE_MAX;
    for (size_t at = 0; at < world->mark_count; at++) {
        const bm_sim_mark_t *mark = &world->marks[at];
        if (at == running)
            continue;
        bool stands = s_count_in (world, mark, true) > 0;
        if (stands && !mark->intended)
            bm_check_fail (world, "I9: mark %zu stands, but is not in the journal", at);
        else if (stands && !mark->judged)
            bm_check_fail (world, "I9: mark %zu stands, but its outcome is not in the journal", at);
        else if (mark->judged && !s_believable (world, mark))
            bm_check_fail (
                world, "I1: mark %zu was called %s, but is in %zu of %zu instances at the end", at,
                bm_outcome_name (mark->outcome), s_count_in (world, mark, true), world->instances);
        if (mark->intended && (!mark->judged || mark->outcome == BM_OUTCOME_UNKNOWN))
            bm_check_fail (world, "I7: mark %zu was never settled, long after the last fault", at);
    }
    for (size_t at = 0; at < world->session_count; at++) {
        const bm_sim_session_t *session = &world->sessions[at];
        if (session->state == BM_SESSION_HOLDS &&
            world->now_ms - session->from_ms > BM_SIM_LEASE_MS + 200)
            bm_check_fail (world, "I2: a %s on instance %zu outlived its lease",
                           session->is_fence ? "fence" : "mark", session->instance);
    }
    if (world->good_in_calm == 0)
        bm_check_fail (world, "I7: no good mark, long after the last fault");
}
