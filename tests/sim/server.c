/*  tests/sim/server.c
 *  A model of SQL Server: fences that wait for each other and end with their lease, marked transactions, a COMMIT that
 *  may stall or fail, MarkLog whose readers wait for uncommitted rows, sessions and servers that die.
 */
#include "common/error.h"
#include "tests/sim/world.h"

static void
s_fact (bm_world_t *world, const bm_sim_session_t *session, bm_fact_t fact)
{
    if (session->orphan)
        return;
    bm_sim_agent_t *agent = &world->agents[session->instance];
    fact.slot = session->slot;
    int64_t at_ms = world->now_ms + bm_world_between (world, 0, 4);
    if (fact.kind == BM_FACT_COMMIT_ANSWERED)
        at_ms += bm_branch_pause (world);
    /*  One session after the other through the agent's pipes: facts do not overtake. */
    if (at_ms < agent->last_fact_ms)
        at_ms = agent->last_fact_ms;
    agent->last_fact_ms = at_ms;
    bm_when_t when = {.kind = BM_WHEN_FACT,
                      .instance = session->instance,
                      .number = session->start_id,
                      .fact = fact};
    bm_world_push (world, &when, at_ms - world->now_ms);
}

static size_t
s_first_live (bm_world_t *world)
{
    while (world->first_live < world->session_count &&
           world->sessions[world->first_live].state == BM_SESSION_OVER)
        world->first_live++;
    return world->first_live;
}

static size_t
s_open (bm_world_t *world, size_t instance, bool is_fence)
{
    bm_require (world->session_count < BM_SIM_SESSIONS);
    size_t at = world->session_count++;
    world->sessions[at] = (bm_sim_session_t){.is_fence = is_fence,
                                             .state = BM_SESSION_WAITS,
                                             .instance = instance,
                                             .start_id = world->agents[instance].start_id,
                                             .transaction_id = ++world->next_transaction_id,
                                             .from_ms = BM_SIM_NEVER,
                                             .until_ms = BM_SIM_NEVER};
    return at;
}

static void
s_later (bm_world_t *world, bm_when_kind_t kind, size_t session, int64_t in_ms)
{
    bm_when_t when = {
        .kind = kind, .instance = world->sessions[session].instance, .number = session};
    bm_world_push (world, &when, in_ms);
}

static void
s_over (bm_world_t *world, bm_sim_session_t *session)
{
    session->state = BM_SESSION_OVER;
    session->until_ms = world->now_ms;
    if (session->is_fence && session->from_ms != BM_SIM_NEVER)
        bm_check_fence_over (world, (size_t)(session - world->sessions));
}

/*  Ends a session with whatever fact belongs to it. */
static void
s_fall (bm_world_t *world, bm_sim_session_t *session, bm_fall_t fall)
{
    if (session->state == BM_SESSION_OVER)
        return;
    bool committing = session->state == BM_SESSION_COMMITS;
    s_over (world, session);
    if (session->is_fence)
        s_fact (world, session, (bm_fact_t){.kind = BM_FACT_FENCE_FELL, .fall = fall});
    else if (committing)
        s_fact (world, session,
                (bm_fact_t){.kind = BM_FACT_COMMIT_ANSWERED, .commit = BM_COMMITTED_UNKNOWN});
    else
        s_fact (world, session, (bm_fact_t){.kind = BM_FACT_MARK_GONE, .status = BM_SQL_LOST});
}

/* ---- Fences ------------------------------------------------------------------------------------ */

size_t
bm_server_start_fence (bm_world_t *world, size_t instance, size_t slot, int64_t lease_ms)
{
    size_t at = s_open (world, instance, true);
    bm_sim_session_t *session = &world->sessions[at];
    session->slot = slot;
    session->lease_ms = lease_ms;
    session->give_up_ms = world->now_ms + 2000;
    s_later (world, BM_WHEN_FENCE_TRY, at, bm_world_between (world, 1, 20));
    return at;
}

static bool
s_fenced_by_other (bm_world_t *world, const bm_sim_session_t *mine)
{
    for (size_t at = s_first_live (world); at < world->session_count; at++) {
        const bm_sim_session_t *other = &world->sessions[at];
        if (other != mine && other->is_fence && other->state == BM_SESSION_HOLDS &&
            other->instance == mine->instance && other->slot == mine->slot)
            return true;
    }
    return false;
}

static void
s_try_fence (bm_world_t *world, bm_sim_session_t *session)
{
    if (session->state != BM_SESSION_WAITS)
        return;
    size_t at = (size_t)(session - world->sessions);
    bool up = world->agents[session->instance].server_up;
    if (!up || world->now_ms >= session->give_up_ms ||
        bm_world_chance (world, world->weather.refuse)) {
        s_fall (world, session, BM_FALL_FAILED);
        return;
    }
    if (s_fenced_by_other (world, session)) {
        s_later (world, BM_WHEN_FENCE_TRY, at, 25);
        return;
    }
    session->state = BM_SESSION_HOLDS;
    session->from_ms = world->now_ms;
    s_later (world, BM_WHEN_FENCE_EXPIRES, at, session->lease_ms);
    bm_fence_identity_t identity = {.start_id = session->start_id,
                                    .transaction_id = session->transaction_id,
                                    .login_time = "x"};
    s_fact (world, session, (bm_fact_t){.kind = BM_FACT_FENCE_TAKEN, .identity = identity});
}

void
bm_server_end_fence (bm_world_t *world, size_t session)
{
    s_later (world, BM_WHEN_FENCE_ENDS, session, bm_world_between (world, 1, 8));
}

static void
s_end_fence (bm_world_t *world, bm_sim_session_t *session)
{
    if (session->state == BM_SESSION_WAITS)
        s_fall (world, session, BM_FALL_FAILED);
    if (session->state != BM_SESSION_HOLDS)
        return;
    s_over (world, session);
    s_fact (world, session, (bm_fact_t){.kind = BM_FACT_FENCE_ENDED});
}

/* ---- Marks ------------------------------------------------------------------------------------- */

size_t
bm_server_start_mark (bm_world_t *world, size_t instance, size_t mark, int64_t lease_ms)
{
    size_t at = s_open (world, instance, false);
    world->sessions[at].mark = mark;
    world->sessions[at].lease_ms = lease_ms;
    s_later (world, BM_WHEN_MARK_OPENS, at, bm_world_between (world, 1, 30));
    s_later (world, BM_WHEN_MARK_DUE, at, BM_SIM_LEASE_MS + 200);
    return at;
}

static void
s_open_mark (bm_world_t *world, bm_sim_session_t *session)
{
    if (session->state != BM_SESSION_WAITS)
        return;
    bool up = world->agents[session->instance].server_up;
    if (!up || bm_world_chance (world, world->weather.refuse)) {
        s_fall (world, session, BM_FALL_FAILED);
        return;
    }
    session->state = BM_SESSION_HOLDS;
    session->from_ms = world->now_ms;
    s_fact (world, session,
            (bm_fact_t){.kind = BM_FACT_MARK_OPEN, .transaction_id = session->transaction_id});
}

void
bm_server_rollback (bm_world_t *world, size_t session)
{
    s_later (world, BM_WHEN_MARK_ROLLS_BACK, session, bm_world_between (world, 1, 8));
}

static void
s_roll_back (bm_world_t *world, bm_sim_session_t *session)
{
    if (session->state == BM_SESSION_WAITS || session->state == BM_SESSION_HOLDS)
        s_fall (world, session, BM_FALL_LOST);
}

/*  A marked COMMIT is not instantaneous: it may wait for prepared transactions, and give up (3928). */
void
bm_server_commit (bm_world_t *world, size_t session)
{
    bm_sim_session_t *mine = &world->sessions[session];
    if (mine->state != BM_SESSION_HOLDS)
        return; /* it died a moment ago; the fact is on its way */
    bm_check_commit (world, mine->mark);
    mine->state = BM_SESSION_COMMITS;
    int64_t takes_ms = bm_world_between (world, 0, 15);
    if (bm_world_chance (world, world->weather.stall))
        takes_ms = bm_world_between (world, 15, 6000);
    s_later (world, BM_WHEN_COMMIT_ENDS, session, takes_ms);
}

static void
s_write_mark (bm_world_t *world, const bm_sim_session_t *session)
{
    bm_sim_mark_t *mark = &world->marks[session->mark];
    if (mark->in[session->instance])
        bm_check_fail (world, "I5: mark %zu was committed twice on instance %zu", session->mark,
                       session->instance);
    mark->in[session->instance] = true;
    mark->dropped[session->instance] = bm_world_chance (world, world->weather.refuse / 2);
    mark->at_ms[session->instance] = world->now_ms;
    mark->step[session->instance] = ++world->step;
    /*  L2 begins right after the COMMIT, in the same batch; its second read comes with the answer. */
    bm_branch_read (world, session->instance, bm_sim_agent_reads (world, true)[0],
                    &world->agents[session->instance].after);
    bm_branch_wake (world, session->instance, true);
}

static void
s_end_commit (bm_world_t *world, bm_sim_session_t *session)
{
    if (session->state != BM_SESSION_COMMITS)
        return;
    bool fails = bm_world_chance (world, world->weather.refuse);
    if (!fails)
        s_write_mark (world, session);
    s_over (world, session);
    s_fact (world, session,
            (bm_fact_t){.kind = BM_FACT_COMMIT_ANSWERED,
                        .commit = fails ? BM_COMMITTED_ROLLED_BACK : BM_COMMITTED_DONE});
}

/*  A reader waits for uncommitted rows, and its LOCK_TIMEOUT ends that. */
bm_proof_t
bm_server_read (bm_world_t *world, size_t instance, size_t mark)
{
    bm_proof_t unasked = {.unasked = BM_SIM_DATABASES};
    if (!world->agents[instance].server_up || bm_world_chance (world, world->weather.refuse))
        return unasked;
    for (size_t at = s_first_live (world); at < world->session_count; at++) {
        const bm_sim_session_t *other = &world->sessions[at];
        bool open = other->state == BM_SESSION_HOLDS || other->state == BM_SESSION_COMMITS;
        if (!other->is_fence && other->instance == instance && open)
            return unasked;
    }
    const bm_sim_mark_t *truth = &world->marks[mark];
    if (!truth->in[instance])
        return (bm_proof_t){.missing = BM_SIM_DATABASES};
    if (truth->dropped[instance])
        return (bm_proof_t){.in = BM_SIM_DATABASES - 1, .half = 1};
    return (bm_proof_t){.in = BM_SIM_DATABASES};
}

/* ---- Deaths ------------------------------------------------------------------------------------ */

/*  The agent died: its connections break, and SQL Server notices a moment later. */
void
bm_server_lose_client (bm_world_t *world, size_t instance)
{
    for (size_t at = s_first_live (world); at < world->session_count; at++) {
        bm_sim_session_t *session = &world->sessions[at];
        if (session->instance != instance || session->state == BM_SESSION_OVER || session->orphan)
            continue;
        session->orphan = true;
        if (session->state != BM_SESSION_COMMITS)
            s_later (world, BM_WHEN_SESSION_DROPS, at, bm_world_between (world, 0, 60));
    }
}

void
bm_server_crash (bm_world_t *world, size_t instance)
{
    world->agents[instance].server_up = false;
    world->agents[instance].prepares = world->agents[instance].commits = 0;
    for (size_t at = s_first_live (world); at < world->session_count; at++) {
        bm_sim_session_t *session = &world->sessions[at];
        if (session->instance != instance || session->state == BM_SESSION_OVER)
            continue;
        /*  its log record was on the disk, or it was not */
        if (session->state == BM_SESSION_COMMITS && bm_world_chance (world, 500))
            s_write_mark (world, session);
        s_fall (world, session, BM_FALL_LOST);
    }
    bm_when_t up = {.kind = BM_WHEN_SERVER_UP, .instance = instance};
    bm_world_push (world, &up, bm_world_between (world, 50, 4000));
}

void
bm_server_kill_one (bm_world_t *world, size_t instance, bool fence)
{
    for (size_t at = s_first_live (world); at < world->session_count; at++) {
        bm_sim_session_t *session = &world->sessions[at];
        if (session->instance == instance && session->is_fence == fence &&
            session->state == BM_SESSION_HOLDS) {
            s_fall (world, session, BM_FALL_LOST);
            return;
        }
    }
}

static void
s_drop (bm_world_t *world, bm_sim_session_t *session)
{
    if (session->state != BM_SESSION_COMMITS)
        s_fall (world, session, BM_FALL_LOST);
}

void
bm_server_when (bm_world_t *world, const bm_when_t *when)
{
    bm_sim_session_t *session = &world->sessions[when->number];
    switch (when->kind) {
        case BM_WHEN_FENCE_TRY:
            s_try_fence (world, session);
            break;
        case BM_WHEN_FENCE_EXPIRES:
            if (session->state == BM_SESSION_HOLDS)
                s_fall (world, session, BM_FALL_EXPIRED);
            break;
        case BM_WHEN_FENCE_ENDS:
            s_end_fence (world, session);
            break;
        case BM_WHEN_MARK_OPENS:
            s_open_mark (world, session);
            break;
        case BM_WHEN_MARK_ROLLS_BACK:
            s_roll_back (world, session);
            break;
        case BM_WHEN_COMMIT_ENDS:
            s_end_commit (world, session);
            break;
        default:
            s_drop (world, session);
            break;
    }
}
