/*  tests/sim/branch.c
 *  Distributed transactions over two instances, as a transaction manager drives them, and what the views show of them: a
 *  count moves some time after the log record that it counts, and a branch is listed until its counts have moved.
 *  A restarted SQL Server counts from 0 again and still has what was prepared.
 */
#include "agent/core/branch.h"
#include "common/error.h"
#include "tests/sim/world.h"

typedef enum {
    S_BEGIN, /* the next transaction */
    S_PREPARE,
    S_PREPARE_COUNTED,
    S_END,
    S_END_COUNTED,
    S_GONE,
    S_STEPS
} s_step_t;

enum { S_LURK_MS = 1500 };

static void
s_later (bm_world_t *world, size_t transaction, size_t branch, s_step_t step, int64_t in_ms)
{
    bm_when_t when = {.kind = BM_WHEN_BRANCH,
                      .number = (transaction * 2 + branch) * S_STEPS + (uint64_t)step};
    bm_world_push (world, &when, in_ms);
}

/*  Mostly at once, sometimes long enough for a round to come in between. */
static int64_t
s_pause (bm_world_t *world)
{
    return bm_world_chance (world, world->weather.slow_views ? 400 : 100)
               ? bm_world_between (world, 5, 200)
               : bm_world_between (world, 0, 5);
}

int64_t
bm_branch_pause (bm_world_t *world)
{
    if (world->weather.slow_views)
        return bm_world_between (world, 0, 150);
    return bm_world_chance (world, 200) ? bm_world_between (world, 3, 60)
                                        : bm_world_between (world, 0, 3);
}

static void
s_begin (bm_world_t *world)
{
    int64_t every_ms = world->calm ? 4000 : world->weather.branch_every_ms;
    if (every_ms == 0 || world->instances < 2 || world->transaction_count == BM_SIM_TRANSACTIONS)
        return;
    s_later (world, 0, 0, S_BEGIN, bm_world_between (world, 1, 2 * every_ms));
    size_t at = world->transaction_count++;
    int64_t last = (int64_t)world->instances - 1;
    bm_sim_transaction_t *it = &world->transactions[at];
    it->branches[0].instance = (size_t)bm_world_between (world, 0, last);
    it->branches[1].instance = (size_t)bm_world_between (world, 0, last - 1);
    it->branches[1].instance += it->branches[1].instance >= it->branches[0].instance;
    it->lurks = bm_world_chance (world, 150);
    for (size_t i = 0; i < 2; i++)
        s_later (world, at, i, S_PREPARE, it->lurks ? S_LURK_MS : s_pause (world));
}

/*  One in some lies in wait for a round: it prepares between the two reads of L1, and its second branch ends right behind
 *  the mark. What would take a million rounds to happen by itself happens in some hundred. */
void
bm_branch_wake (bm_world_t *world, size_t instance, bool behind_mark)
{
    for (size_t at = 0; at < world->transaction_count; at++) {
        bm_sim_transaction_t *it = &world->transactions[at];
        for (size_t i = 0; i < 2 && it->lurks; i++) {
            if (it->branches[i].instance != instance)
                continue;
            bool ready = it->branches[0].prepared && it->branches[1].prepared;
            if (!behind_mark && !it->branches[i].prepared)
                s_later (world, at, i, S_PREPARE, bm_world_between (world, 0, 5));
            if (behind_mark && ready && i == 1)
                s_later (world, at, i, S_END, bm_world_between (world, 0, 5));
        }
    }
}

void
bm_branch_start (bm_world_t *world)
{
    s_begin (world);
}

static void
s_prepared (bm_world_t *world, size_t at, size_t i)
{
    bm_sim_transaction_t *it = &world->transactions[at];
    if (it->branches[i].prepared)
        return; /* woken, and its time came */
    it->branches[i].prepared = true;
    s_later (world, at, i, S_PREPARE_COUNTED, s_pause (world));
    if (it->branches[0].prepared && it->branches[1].prepared)
        for (size_t k = 0; k < 2; k++)
            s_later (world, at, k, S_END, it->lurks && k == 1 ? S_LURK_MS : s_pause (world));
}

void
bm_branch_when (bm_world_t *world, const bm_when_t *when)
{
    s_step_t step = (s_step_t)(when->number % S_STEPS);
    size_t at = when->number / S_STEPS / 2, i = when->number / S_STEPS % 2;
    if (step == S_BEGIN) {
        s_begin (world);
        return;
    }
    bm_sim_branch_t *branch = &world->transactions[at].branches[i];
    bm_sim_agent_t *server = &world->agents[branch->instance];
    if (!server->server_up) {
        bm_world_push (world, when, 50);
        return;
    }
    switch (step) {
        case S_PREPARE:
            s_prepared (world, at, i);
            break;
        case S_PREPARE_COUNTED:
            server->prepares++;
            branch->prepare_counted = true;
            break;
        case S_END:
            if (branch->ended_step)
                break;
            branch->ended_step = ++world->step;
            s_later (world, at, i, S_END_COUNTED, s_pause (world));
            break;
        case S_END_COUNTED:
            server->commits++;
            s_later (world, at, i, S_GONE, s_pause (world));
            break;
        default:
            /*  Listed until both of its counts have moved. */
            if (!branch->prepare_counted)
                bm_world_push (world, when, 1);
            else
                branch->gone = true;
            break;
    }
}

/* ---- What the views show ----------------------------------------------------------------------- */

static size_t
s_list (const bm_world_t *world, size_t instance)
{
    size_t count = 0;
    for (size_t at = 0; at < world->transaction_count; at++)
        for (size_t i = 0; i < 2; i++) {
            const bm_sim_branch_t *branch = &world->transactions[at].branches[i];
            if (branch->instance != instance || branch->gone)
                continue;
            int32_t state = branch->ended_step ? 6 : branch->prepared ? 5 : 2;
            int32_t database = branch->ended_step ? 10 : branch->prepared ? 5 : 4;
            count += bm_branch_in_flight (state, database);
        }
    return count;
}

void
bm_branch_read (const bm_world_t *world, size_t instance, bm_read_t read, bm_sim_sample_t *sample)
{
    if (read == BM_READ_LIST) {
        sample->listed = s_list (world, instance);
        return;
    }
    sample->prepares = world->agents[instance].prepares;
    sample->commits = world->agents[instance].commits;
}

/*  Whether some transaction ended before the mark on one instance, and after it (or not yet) on another. */
bool
bm_branch_straddles (const bm_world_t *world, const bm_sim_mark_t *mark)
{
    for (size_t at = 0; at < world->transaction_count; at++) {
        const bm_sim_transaction_t *it = &world->transactions[at];
        bool before[2];
        for (size_t i = 0; i < 2; i++) {
            const bm_sim_branch_t *branch = &it->branches[i];
            before[i] = branch->ended_step && branch->ended_step < mark->step[branch->instance];
        }
        if (before[0] != before[1])
            return true;
    }
    return false;
}
