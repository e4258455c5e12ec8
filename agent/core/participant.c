/*  agent/core/participant.c
 *  An order that passes the gate is boiled down to a trigger, as a fact is, and the table says what follows from it. A trigger that a state does not know is a bug of ours and stops the process.
 */
#include "agent/core/participant.h"
#include <stdlib.h>
#include <string.h>

typedef enum {
    S_FENCE,
    S_MARK,
    S_MARK_WRONG, /* the fences it names are not the ones that stand here */
    S_SAMPLE,
    S_COMMIT,
    S_COMMIT_WRONG, /* other fences or another transaction than we hold */
    S_RELEASE,
    S_ABORT,
    S_PROVE,
    S_NEWER, /* a newer round of the same group: the coordinator gave this one up */
    S_STOP,
    S_LEASE,
    S_FENCE_TAKEN,  /* one; others are awaited */
    S_FENCES_TAKEN, /* the last one */
    S_FENCE_FAILED, /* one that was being taken */
    S_FENCE_OVER,   /* fell or was ended; others are held */
    S_FENCES_OVER,  /* none is held any more */
    S_MARK_OPEN,
    S_MARK_GONE,
    S_ANSWERED, /* COMMIT was */
    S_ENDED,    /* nothing is held any more */
    S_TRIGGER_COUNT
} s_trigger_t;

static const char *const s_trigger_names[S_TRIGGER_COUNT] = {
    [S_FENCE] = "FENCE",
    [S_MARK] = "MARK",
    [S_MARK_WRONG] = "MARK_OTHER_FENCES",
    [S_SAMPLE] = "SAMPLE",
    [S_COMMIT] = "COMMIT",
    [S_COMMIT_WRONG] = "COMMIT_OTHER_MARK",
    [S_RELEASE] = "RELEASE",
    [S_ABORT] = "ABORT",
    [S_PROVE] = "PROVE",
    [S_NEWER] = "NEWER_ROUND",
    [S_STOP] = "STOP",
    [S_LEASE] = "LEASE_OVER",
    [S_FENCE_TAKEN] = "FENCE_TAKEN",
    [S_FENCES_TAKEN] = "ALL_FENCES_TAKEN",
    [S_FENCE_FAILED] = "FENCE_FAILED",
    [S_FENCE_OVER] = "FENCE_OVER",
    [S_FENCES_OVER] = "ALL_FENCES_OVER",
    [S_MARK_OPEN] = "MARK_OPEN",
    [S_MARK_GONE] = "MARK_GONE",
    [S_ANSWERED] = "COMMIT_ANSWERED",
    [S_ENDED] = "NOTHING_HELD",
};

typedef enum { S_NO_MARK, S_OPENING, S_OPEN, S_COMMITTING } s_mark_t;

/*  Operations whose answer is still to come; 0 = none. */
typedef struct {
    uint64_t fence;
    uint64_t mark;
    uint64_t commit;
    uint64_t release;
    uint64_t abort;
    uint64_t prove;
} s_pending_t;

struct bm_participant {
    bm_gate_t *gate;
    bm_participant_state_t state;
    const char *reason;
    bm_order_t holder; /* the order that began the round that holds the instance */
    s_pending_t pending;
    size_t fence_count;
    bm_fence_t fences[BM_PARTICIPANT_FENCES];
    s_mark_t mark;
    bool rolling_back;
    int64_t mark_due_ms;
    int64_t transaction_id;
    uint32_t *taken; /* of each row */
};

/*  What a row's action works with: the order or the fact in hand. */
typedef struct {
    const bm_order_t *order;
    const bm_fact_t *fact;
    int64_t now_ms;
    const char *why; /* of the row */
    bm_deeds_t *out;
} s_step_t;

typedef void s_action_t (bm_participant_t *self, const s_step_t *step);

static s_action_t s_nothing, s_refuse, s_start_fences, s_fenced, s_fence_failed, s_start_mark,
    s_marked, s_mark_failed, s_sample, s_commit, s_committed, s_end_fences, s_end_all, s_prove,
    s_answer_release, s_answer_abort, s_answer_all;

typedef struct {
    bm_participant_state_t from;
    s_trigger_t trigger;
    bm_participant_state_t to;
    s_action_t *action;
    const char *action_name;
    const char *why;
} s_row_t;

#define S(from, trigger, to, action, why)                                                          \
    {BM_PARTICIPANT_##from, S_##trigger, BM_PARTICIPANT_##to, s_##action, #action, why},

/* clang-format off */
static const s_row_t s_rows[] = {
    /* from        trigger        to          action          why */
    S (IDLE,       FENCE,         FENCING,    start_fences,   "a round begins here")
    S (IDLE,       MARK,          MARKING,    start_mark,     "an instance without tracking needs no fence")
    S (IDLE,       MARK_WRONG,    IDLE,       refuse,         "the fences that MARK names do not stand here")
    S (IDLE,       SAMPLE,        IDLE,       refuse,         "no mark is open here")
    S (IDLE,       COMMIT,        IDLE,       refuse,         "no mark is open here")
    S (IDLE,       RELEASE,       IDLE,       answer_release, "nothing is held; each fence is answered as it ended")
    S (IDLE,       ABORT,         IDLE,       answer_abort,   "nothing is held")
    S (IDLE,       PROVE,         IDLE,       prove,          "the truth is in the databases")
    S (IDLE,       STOP,          IDLE,       nothing,        "nothing is held")

    S (FENCING,    FENCE,         FENCING,    refuse,         "the fences are being taken already")
    S (FENCING,    MARK,          FENCING,    refuse,         "the fences do not stand yet")
    S (FENCING,    SAMPLE,        FENCING,    refuse,         "no mark is open here")
    S (FENCING,    COMMIT,        FENCING,    refuse,         "no mark is open here")
    S (FENCING,    RELEASE,       ENDING,     end_all,        "the coordinator lets the fences go")
    S (FENCING,    ABORT,         ENDING,     end_all,        "the round is given up")
    S (FENCING,    PROVE,         FENCING,    prove,          "the truth is in the databases")
    S (FENCING,    NEWER,         ENDING,     end_all,        "a newer round of the group: this one was given up")
    S (FENCING,    STOP,          ENDING,     end_all,        "the agent stops")
    S (FENCING,    FENCE_TAKEN,   FENCING,    nothing,        "a fence stands, others have yet to")
    S (FENCING,    FENCES_TAKEN,  FENCED,     fenced,         "every fence of the instance stands")
    S (FENCING,    FENCE_FAILED,  ENDING,     fence_failed,   "a fence could not be taken, so none is kept")

    S (FENCED,     FENCE,         FENCED,     refuse,         "the fences of this round stand already")
    S (FENCED,     MARK,          MARKING,    start_mark,     "every fence stands and is named by its identity")
    S (FENCED,     MARK_WRONG,    FENCED,     refuse,         "the fences that MARK names do not stand here")
    S (FENCED,     SAMPLE,        FENCED,     refuse,         "no mark is open here")
    S (FENCED,     COMMIT,        FENCED,     refuse,         "no mark is open here")
    S (FENCED,     RELEASE,       ENDING,     end_all,        "the coordinator lets the fences go")
    S (FENCED,     ABORT,         ENDING,     end_all,        "the round is given up")
    S (FENCED,     PROVE,         FENCED,     prove,          "the truth is in the databases")
    S (FENCED,     NEWER,         ENDING,     end_all,        "a newer round of the group: this one was given up")
    S (FENCED,     STOP,          ENDING,     end_all,        "the agent stops")
    S (FENCED,     FENCE_OVER,    FENCED,     nothing,        "a fence fell; MARK will be refused")
    S (FENCED,     FENCES_OVER,   IDLE,       nothing,        "every fence fell: nothing is held any more")

    S (MARKING,    FENCE,         MARKING,    refuse,         "the mark is being opened: no fence may be taken after it")
    S (MARKING,    MARK,          MARKING,    refuse,         "the mark is being opened already")
    S (MARKING,    SAMPLE,        MARKING,    refuse,         "the mark is not open yet")
    S (MARKING,    COMMIT,        MARKING,    refuse,         "the mark is not open yet")
    S (MARKING,    RELEASE,       ENDING,     end_all,        "the coordinator lets the fences go, so the mark may not stay")
    S (MARKING,    ABORT,         ENDING,     end_all,        "the round is given up")
    S (MARKING,    PROVE,         ENDING,     end_all,        "the coordinator is past COMMIT: the mark is rolled back, then looked for")
    S (MARKING,    NEWER,         ENDING,     end_all,        "a newer round of the group: this one was given up")
    S (MARKING,    STOP,          ENDING,     end_all,        "the agent stops: open marks are rolled back")
    S (MARKING,    LEASE,         ENDING,     end_all,        "the lease ended before the mark was open")
    S (MARKING,    FENCE_OVER,    MARKING,    nothing,        "a fence fell; RELEASE will say so")
    S (MARKING,    FENCES_OVER,   MARKING,    nothing,        "every fence fell; RELEASE will say so")
    S (MARKING,    MARK_OPEN,     MARKED,     marked,         "the mark is open in every database of the instance")
    S (MARKING,    MARK_GONE,     ENDING,     mark_failed,    "the mark could not be opened, so the fences are not needed")

    S (MARKED,     FENCE,         MARKED,     refuse,         "the mark is open: no fence may be taken after it")
    S (MARKED,     MARK,          MARKED,     refuse,         "the mark of this round is open already")
    S (MARKED,     SAMPLE,        MARKED,     sample,         "what is in flight is looked at before COMMIT")
    S (MARKED,     COMMIT,        COMMITTING, commit,         "from here on the lease no longer rolls the mark back")
    S (MARKED,     COMMIT_WRONG,  MARKED,     refuse,         "COMMIT names another transaction or other fences than are held here")
    S (MARKED,     RELEASE,       ENDING,     end_all,        "the coordinator lets the fences go, so the mark may not stay")
    S (MARKED,     ABORT,         ENDING,     end_all,        "the round is given up")
    S (MARKED,     PROVE,         ENDING,     end_all,        "the coordinator is past COMMIT: the mark is rolled back, then looked for")
    S (MARKED,     NEWER,         ENDING,     end_all,        "a newer round of the group: this one was given up")
    S (MARKED,     STOP,          ENDING,     end_all,        "the agent stops: open marks are rolled back")
    S (MARKED,     LEASE,         ENDING,     end_all,        "the lease ended before COMMIT")
    S (MARKED,     FENCE_OVER,    MARKED,     nothing,        "a fence fell; RELEASE will say so")
    S (MARKED,     FENCES_OVER,   MARKED,     nothing,        "every fence fell; RELEASE will say so")
    S (MARKED,     MARK_GONE,     ENDING,     end_all,        "the session of the mark was lost, so the fences are not needed")

    S (COMMITTING, FENCE,         COMMITTING, refuse,         "COMMIT was sent and is not answered yet")
    S (COMMITTING, MARK,          COMMITTING, refuse,         "COMMIT was sent and is not answered yet")
    S (COMMITTING, SAMPLE,        COMMITTING, refuse,         "COMMIT was sent and is not answered yet")
    S (COMMITTING, COMMIT,        COMMITTING, refuse,         "COMMIT was sent already")
    S (COMMITTING, ABORT,         COMMITTING, refuse,         "COMMIT was sent: it cannot be taken back")
    S (COMMITTING, RELEASE,       COMMITTING, end_fences,     "the coordinator waits no longer; COMMIT goes on without fences")
    S (COMMITTING, PROVE,         COMMITTING, prove,          "COMMIT is not answered yet: only what is found counts")
    S (COMMITTING, NEWER,         COMMITTING, end_fences,     "a newer round of the group: nobody needs the fences any more")
    S (COMMITTING, STOP,          COMMITTING, end_fences,     "the agent stops; COMMIT cannot be taken back")
    S (COMMITTING, FENCE_OVER,    COMMITTING, nothing,        "a fence is over, others are held")
    S (COMMITTING, FENCES_OVER,   COMMITTING, answer_release, "every fence is over while COMMIT runs")
    S (COMMITTING, ANSWERED,      COMMITTED,  committed,      "SQL Server answered the COMMIT, or its session was lost")

    S (COMMITTED,  FENCE,         COMMITTED,  refuse,         "the fences of the round before are still held")
    S (COMMITTED,  MARK,          COMMITTED,  refuse,         "the mark of this round had its COMMIT already")
    S (COMMITTED,  SAMPLE,        COMMITTED,  refuse,         "the mark of this round had its COMMIT already")
    S (COMMITTED,  COMMIT,        COMMITTED,  refuse,         "the mark of this round had its COMMIT already")
    S (COMMITTED,  ABORT,         COMMITTED,  refuse,         "COMMIT was sent: it cannot be taken back")
    S (COMMITTED,  RELEASE,       ENDING,     end_all,        "every COMMIT of the group was answered")
    S (COMMITTED,  PROVE,         COMMITTED,  prove,          "the truth is in the databases")
    S (COMMITTED,  NEWER,         ENDING,     end_all,        "a newer round of the group: nobody needs the fences any more")
    S (COMMITTED,  STOP,          ENDING,     end_all,        "the agent stops")
    S (COMMITTED,  FENCE_OVER,    COMMITTED,  nothing,        "a fence is over, others are held")
    S (COMMITTED,  FENCES_OVER,   COMMITTED,  nothing,        "every fence is over")
    S (COMMITTED,  ENDED,         IDLE,       answer_all,     "nothing is held any more")

    S (ENDING,     FENCE,         ENDING,     refuse,         "the round is being ended")
    S (ENDING,     MARK,          ENDING,     refuse,         "the round is being ended")
    S (ENDING,     SAMPLE,        ENDING,     refuse,         "the round is being ended")
    S (ENDING,     COMMIT,        ENDING,     refuse,         "the mark is being rolled back, or had its COMMIT already")
    S (ENDING,     RELEASE,       ENDING,     end_all,        "answered when nothing is held any more")
    S (ENDING,     ABORT,         ENDING,     end_all,        "answered when nothing is held any more")
    S (ENDING,     PROVE,         ENDING,     end_all,        "looked for when nothing is held any more")
    S (ENDING,     NEWER,         ENDING,     nothing,        "the round is being ended already")
    S (ENDING,     STOP,          ENDING,     nothing,        "the round is being ended already")
    S (ENDING,     FENCE_TAKEN,   ENDING,     nothing,        "taken just before it was told to end")
    S (ENDING,     FENCE_OVER,    ENDING,     nothing,        "a fence is over, others are held")
    S (ENDING,     FENCES_OVER,   ENDING,     nothing,        "every fence is over")
    S (ENDING,     MARK_OPEN,     ENDING,     nothing,        "opened just before it was told to roll back")
    S (ENDING,     MARK_GONE,     ENDING,     nothing,        "the mark is rolled back")
    S (ENDING,     ENDED,         IDLE,       answer_all,     "nothing is held any more")
};
/* clang-format on */
#undef S

#define S_ROWS (sizeof s_rows / sizeof s_rows[0])

/* ---- Life -------------------------------------------------------------------------------------- */

bm_participant_t *
bm_participant_new (uint64_t start_id)
{
    bm_participant_t *self = bm_alloc (sizeof *self);
    self->taken = bm_alloc (S_ROWS * sizeof self->taken[0]);
    self->gate = bm_gate_new (start_id);
    self->reason = "the agent started";
    self->mark_due_ms = INT64_MAX;
    return self;
}

void
bm_participant_destroy (bm_participant_t **self_p)
{
    if (*self_p) {
        bm_gate_destroy (&(*self_p)->gate);
        free ((*self_p)->taken);
    }
    free (*self_p);
    *self_p = NULL;
}

/* ---- What is held ------------------------------------------------------------------------------ */

static bool
s_fence_held (const bm_fence_t *fence)
{
    return fence->state == BM_FENCE_STARTING || fence->state == BM_FENCE_STANDS ||
           fence->state == BM_FENCE_ENDING;
}

static bool
s_any_fence (const bm_participant_t *self)
{
    for (size_t at = 0; at < self->fence_count; at++)
        if (s_fence_held (&self->fences[at]))
            return true;
    return false;
}

static bool
s_same_identity (const bm_fence_identity_t *a, const bm_fence_identity_t *b)
{
    return a->start_id == b->start_id && a->transaction_id == b->transaction_id &&
           strncmp (a->login_time, b->login_time, sizeof a->login_time) == 0;
}

static const bm_named_fence_t *
s_named (const bm_order_t *order, size_t slot)
{
    for (size_t at = 0; at < order->fence_count; at++)
        if (order->fences[at].slot == slot)
            return &order->fences[at];
    return NULL;
}

/*  The order names exactly the fences of this round, each by its identity; `standing`: and they all stand. */
static bool
s_names_ours (const bm_participant_t *self, const bm_order_t *order, bool standing)
{
    if (order->fence_count != self->fence_count)
        return false;
    for (size_t slot = 0; slot < self->fence_count; slot++) {
        const bm_named_fence_t *named = s_named (order, slot);
        const bm_fence_t *fence = &self->fences[slot];
        if (!named || !s_same_identity (&named->identity, &fence->identity))
            return false;
        if (standing && fence->state != BM_FENCE_STANDS)
            return false;
    }
    return true;
}

static bool
s_same_round (const bm_participant_t *self, const bm_order_t *order)
{
    return order->group == self->holder.group && order->epoch == self->holder.epoch &&
           order->round == self->holder.round;
}

/*  A newer round of the group that holds the instance: its coordinator gave up what it began here. */
static bool
s_newer_round (const bm_participant_t *self, const bm_order_t *order)
{
    if (order->group != self->holder.group)
        return false;
    if (order->epoch != self->holder.epoch)
        return order->epoch > self->holder.epoch;
    return order->round > self->holder.round;
}

/* ---- Deeds ------------------------------------------------------------------------------------- */

static bm_deed_t *
s_push (const s_step_t *step, bm_deed_kind_t kind, uint64_t operation_id)
{
    bm_require (step->out->count < BM_PARTICIPANT_DEEDS);
    bm_deed_t *deed = &step->out->list[step->out->count++];
    *deed = (bm_deed_t){
        .kind = kind, .operation_id = operation_id, .slot = SIZE_MAX, .reason = step->why};
    return deed;
}

static void
s_push_refusal (const s_step_t *step, bm_refuse_t why)
{
    bm_deed_t *deed = s_push (step, BM_DEED_REFUSE, step->order->operation_id);
    deed->why = why;
    deed->status = bm_refuse_status (why);
}

/*  Answers an operation that waits, and forgets it. */
static bm_deed_t *
s_answer (const s_step_t *step, uint64_t *operation_id, bm_deed_kind_t kind, bool ok,
          bm_status_t status)
{
    bm_deed_t *deed = s_push (step, kind, *operation_id);
    deed->ok = ok;
    deed->status = ok ? BM_OK : status;
    *operation_id = 0;
    return deed;
}

static bm_status_t
s_failure (const s_step_t *step, bm_status_t otherwise)
{
    return step->fact && step->fact->status != BM_OK ? step->fact->status : otherwise;
}

static void
s_nothing (bm_participant_t *self, const s_step_t *step)
{
    (void)self;
    (void)step;
}

static void
s_refuse (bm_participant_t *self, const s_step_t *step)
{
    (void)self;
    s_push_refusal (step, BM_REFUSE_OUT_OF_ORDER);
}

static void
s_begin (bm_participant_t *self, const bm_order_t *order)
{
    self->holder = *order;
    self->holder.fences = NULL;
    self->fence_count = 0;
    memset (self->fences, 0, sizeof self->fences);
}

static void
s_start_fences (bm_participant_t *self, const s_step_t *step)
{
    s_begin (self, step->order);
    self->fence_count = step->order->fence_count;
    self->pending.fence = step->order->operation_id;
    for (size_t slot = 0; slot < self->fence_count; slot++) {
        self->fences[slot].state = BM_FENCE_STARTING;
        bm_deed_t *deed = s_push (step, BM_DEED_START_FENCE, step->order->operation_id);
        deed->slot = slot;
        deed->lease_ms = step->order->lease_ms;
    }
}

static void
s_fenced (bm_participant_t *self, const s_step_t *step)
{
    s_answer (step, &self->pending.fence, BM_DEED_ANSWER_FENCED, true, BM_OK);
}

static void
s_start_mark (bm_participant_t *self, const s_step_t *step)
{
    if (self->state == BM_PARTICIPANT_IDLE)
        s_begin (self, step->order);
    self->mark = S_OPENING;
    self->rolling_back = false;
    self->pending.mark = step->order->operation_id;
    self->mark_due_ms = step->now_ms + step->order->lease_ms;
    bm_deed_t *deed = s_push (step, BM_DEED_START_MARK, step->order->operation_id);
    deed->lease_ms = step->order->lease_ms;
}

static void
s_marked (bm_participant_t *self, const s_step_t *step)
{
    bm_deed_t *deed = s_answer (step, &self->pending.mark, BM_DEED_ANSWER_MARKED, true, BM_OK);
    deed->transaction_id = self->transaction_id;
}

static void
s_sample (bm_participant_t *self, const s_step_t *step)
{
    (void)self;
    s_push (step, BM_DEED_SAMPLE, step->order->operation_id);
}

/*  POINT OF NO RETURN for this instance: nothing of ours rolls the mark back from here on. */
static void
s_commit (bm_participant_t *self, const s_step_t *step)
{
    self->mark = S_COMMITTING;
    self->mark_due_ms = INT64_MAX;
    self->pending.commit = step->order->operation_id;
    bm_deed_t *deed = s_push (step, BM_DEED_COMMIT, step->order->operation_id);
    deed->transaction_id = self->transaction_id;
}

static void
s_committed (bm_participant_t *self, const s_step_t *step)
{
    bm_committed_t commit =
        step->fact->kind == BM_FACT_COMMIT_ANSWERED ? step->fact->commit : BM_COMMITTED_UNKNOWN;
    bm_deed_t *deed = s_answer (step, &self->pending.commit, BM_DEED_ANSWER_COMMITTED,
                                commit == BM_COMMITTED_DONE, s_failure (step, BM_MARK_REFUSED));
    deed->commit = commit;
}

/*  Keeps the operation of a RELEASE, ABORT or PROVE that is answered when all has ended. One of a kind. */
static void
s_keep (bm_participant_t *self, const s_step_t *step)
{
    if (!step->order)
        return;
    uint64_t *place = NULL;
    if (step->order->kind == BM_ORDER_RELEASE)
        place = &self->pending.release;
    else if (step->order->kind == BM_ORDER_ABORT)
        place = &self->pending.abort;
    else if (step->order->kind == BM_ORDER_PROVE)
        place = &self->pending.prove;
    if (!place || !s_same_round (self, step->order))
        return;
    if (*place != 0)
        s_push_refusal (step, BM_REFUSE_BUSY);
    else
        *place = step->order->operation_id;
}

static void
s_answer_release (bm_participant_t *self, const s_step_t *step)
{
    if (step->order)
        self->pending.release = step->order->operation_id;
    if (self->pending.release)
        s_answer (step, &self->pending.release, BM_DEED_ANSWER_RELEASED, true, BM_OK);
}

static void
s_answer_abort (bm_participant_t *self, const s_step_t *step)
{
    self->pending.abort = step->order->operation_id;
    s_answer (step, &self->pending.abort, BM_DEED_ANSWER_ABORTED, true, BM_OK);
}

/*  FENCES RELEASED: each is told to end; whether it stood is known when it answers. */
static void
s_end_fences (bm_participant_t *self, const s_step_t *step)
{
    s_keep (self, step);
    for (size_t slot = 0; slot < self->fence_count; slot++) {
        bm_fence_t *fence = &self->fences[slot];
        if (fence->state != BM_FENCE_STARTING && fence->state != BM_FENCE_STANDS)
            continue;
        fence->state = BM_FENCE_ENDING;
        s_push (step, BM_DEED_END_FENCE, 0)->slot = slot;
    }
    if (self->state == BM_PARTICIPANT_COMMITTING && !s_any_fence (self) && self->pending.release)
        s_answer (step, &self->pending.release, BM_DEED_ANSWER_RELEASED, true, BM_OK);
}

static void
s_end_all (bm_participant_t *self, const s_step_t *step)
{
    bool lease = step->now_ms >= self->mark_due_ms;
    self->mark_due_ms = INT64_MAX;
    if (self->pending.fence)
        s_answer (step, &self->pending.fence, BM_DEED_ANSWER_FENCED, false, BM_MARK_REFUSED);
    if (self->pending.mark)
        s_answer (step, &self->pending.mark, BM_DEED_ANSWER_MARKED, false,
                  lease ? BM_MARK_EXPIRED : BM_MARK_REFUSED);
    if (self->mark != S_NO_MARK && !self->rolling_back) {
        self->rolling_back = true;
        s_push (step, BM_DEED_ROLLBACK, 0)->transaction_id = self->transaction_id;
    }
    s_end_fences (self, step);
}

static void
s_fence_failed (bm_participant_t *self, const s_step_t *step)
{
    s_answer (step, &self->pending.fence, BM_DEED_ANSWER_FENCED, false,
              s_failure (step, BM_MARK_REFUSED));
    s_end_all (self, step);
}

static void
s_mark_failed (bm_participant_t *self, const s_step_t *step)
{
    s_answer (step, &self->pending.mark, BM_DEED_ANSWER_MARKED, false,
              s_failure (step, BM_MARK_REFUSED));
    s_end_all (self, step);
}

/*  A COMMIT that runs may yet succeed: a name that is not found says nothing then. */
static void
s_prove (bm_participant_t *self, const s_step_t *step)
{
    s_push (step, BM_DEED_PROVE, step->order->operation_id)->unsettled = self->mark != S_NO_MARK;
}

static void
s_answer_all (bm_participant_t *self, const s_step_t *step)
{
    if (self->pending.release)
        s_answer (step, &self->pending.release, BM_DEED_ANSWER_RELEASED, true, BM_OK);
    if (self->pending.abort)
        s_answer (step, &self->pending.abort, BM_DEED_ANSWER_ABORTED, true, BM_OK);
    if (self->pending.prove)
        s_push (step, BM_DEED_PROVE, self->pending.prove);
    self->pending.prove = 0;
}

/* ---- Steps ------------------------------------------------------------------------------------- */

static size_t
s_find_row (bm_participant_state_t state, s_trigger_t trigger)
{
    for (size_t at = 0; at < S_ROWS; at++)
        if (s_rows[at].from == state && s_rows[at].trigger == trigger)
            return at;
    bm_require_failed ("a row for this state and trigger", __FILE__, __LINE__);
}

static void
s_take (bm_participant_t *self, s_trigger_t trigger, const s_step_t *given)
{
    size_t at = s_find_row (self->state, trigger);
    self->taken[at]++;
    self->reason = s_rows[at].why;
    s_step_t step = *given;
    step.why = s_rows[at].why;
    /*  The action still sees the state that it leaves. */
    s_rows[at].action (self, &step);
    self->state = s_rows[at].to;
}

/*  ENDING and COMMITTED are over when nothing is held any more. */
static void
s_settle (bm_participant_t *self, const s_step_t *given)
{
    s_step_t step = *given;
    step.order = NULL;
    bool over = self->state == BM_PARTICIPANT_ENDING || self->state == BM_PARTICIPANT_COMMITTED;
    if (over && self->mark == S_NO_MARK && !s_any_fence (self))
        s_take (self, S_ENDED, &step);
}

static void
s_tick (bm_participant_t *self, const s_step_t *given)
{
    if (given->now_ms < self->mark_due_ms)
        return;
    s_step_t step = *given;
    step.order = NULL;
    s_take (self, S_LEASE, &step);
    s_settle (self, &step);
}

/* ---- Orders ------------------------------------------------------------------------------------ */

static const s_trigger_t s_order_triggers[BM_ORDER_COUNT] = {
    [BM_ORDER_FENCE] = S_FENCE,   [BM_ORDER_MARK] = S_MARK,       [BM_ORDER_SAMPLE] = S_SAMPLE,
    [BM_ORDER_COMMIT] = S_COMMIT, [BM_ORDER_RELEASE] = S_RELEASE, [BM_ORDER_ABORT] = S_ABORT,
    [BM_ORDER_PROVE] = S_PROVE,
};

/*  The order's trigger, looked at closely where it names what must be held. */
static s_trigger_t
s_trigger (const bm_participant_t *self, const bm_order_t *order)
{
    s_trigger_t trigger = s_order_triggers[order->kind];
    bool before_mark = self->state == BM_PARTICIPANT_IDLE || self->state == BM_PARTICIPANT_FENCED;
    if (trigger == S_MARK && before_mark) {
        bool good = self->state == BM_PARTICIPANT_IDLE ? order->fence_count == 0
                                                       : s_names_ours (self, order, true);
        return good ? S_MARK : S_MARK_WRONG;
    }
    if (trigger == S_COMMIT && self->state == BM_PARTICIPANT_MARKED) {
        /*  A fence that fell meanwhile is no reason to tear the mark: RELEASE will say so. */
        bool good =
            order->transaction_id == self->transaction_id && s_names_ours (self, order, false);
        return good ? S_COMMIT : S_COMMIT_WRONG;
    }
    return trigger;
}

/*  An order of another round than the one that holds the instance. True when it is answered by that. */
static bool
s_stranger (bm_participant_t *self, s_step_t *step)
{
    if (self->state == BM_PARTICIPANT_IDLE || step->order->kind == BM_ORDER_STATUS ||
        s_same_round (self, step->order))
        return false;
    if (s_newer_round (self, step->order)) {
        s_take (self, S_NEWER, step);
        s_settle (self, step);
    }
    if (self->state == BM_PARTICIPANT_IDLE || !bm_order_of_round (step->order->kind))
        return false;
    step->why = self->mark == S_COMMITTING
                    ? "SQL Server has not answered the COMMIT of an earlier mark here yet"
                    : "another round holds this instance";
    if (step->order->kind == BM_ORDER_PROVE)
        s_prove (self, step);
    else
        s_push_refusal (step, BM_REFUSE_BUSY);
    return true;
}

static bool
s_pass_gate (bm_participant_t *self, s_step_t *step)
{
    bm_refuse_t why = BM_REFUSE_COUNT;
    bm_gate_answer_t answer =
        bm_gate_check (self->gate, step->order, step->now_ms, &why, &step->why);
    if (answer == BM_GATE_REPEAT)
        s_push (step, BM_DEED_REPEAT, step->order->operation_id);
    if (answer == BM_GATE_REFUSE)
        s_push_refusal (step, why);
    return answer == BM_GATE_PASS;
}

void
bm_participant_order (bm_participant_t *self, const bm_order_t *order, int64_t now_ms,
                      bm_deeds_t *out)
{
    out->count = 0;
    s_step_t step = {.order = order, .now_ms = now_ms, .out = out, .why = ""};
    s_tick (self, &step);
    if (!s_pass_gate (self, &step) || s_stranger (self, &step))
        return;
    if (!bm_order_of_round (order->kind)) {
        step.why = "in order";
        s_push (&step, BM_DEED_PASS, order->operation_id);
        return;
    }
    s_take (self, s_trigger (self, order), &step);
    s_settle (self, &step);
}

/* ---- Facts ------------------------------------------------------------------------------------- */

static s_trigger_t
s_fence_taken (bm_participant_t *self, const s_step_t *step)
{
    bm_fence_t *fence = &self->fences[step->fact->slot];
    fence->taken = true;
    fence->since_ms = step->now_ms;
    fence->identity = step->fact->identity;
    if (fence->state == BM_FENCE_STARTING)
        fence->state = BM_FENCE_STANDS;
    for (size_t slot = 0; slot < self->fence_count; slot++)
        if (self->fences[slot].state != BM_FENCE_STANDS)
            return S_FENCE_TAKEN;
    return S_FENCES_TAKEN;
}

static s_trigger_t
s_fence_fell (bm_participant_t *self, const s_step_t *step)
{
    static const bm_fence_state_t ends[] = {
        [BM_FALL_FAILED] = BM_FENCE_FAILED,
        [BM_FALL_EXPIRED] = BM_FENCE_EXPIRED,
        [BM_FALL_LOST] = BM_FENCE_LOST,
    };
    bm_fence_t *fence = &self->fences[step->fact->slot];
    fence->until_ms = step->now_ms;
    if (step->fact->kind == BM_FACT_FENCE_ENDED)
        fence->state = fence->taken ? BM_FENCE_RELEASED : BM_FENCE_FAILED;
    else
        fence->state = ends[step->fact->fall];
    if (self->state == BM_PARTICIPANT_FENCING)
        return S_FENCE_FAILED;
    return s_any_fence (self) ? S_FENCE_OVER : S_FENCES_OVER;
}

static s_trigger_t
s_mark_gone (bm_participant_t *self)
{
    bool committing = self->mark == S_COMMITTING;
    self->mark = S_NO_MARK;
    self->rolling_back = false;
    self->mark_due_ms = INT64_MAX;
    return committing ? S_ANSWERED : S_MARK_GONE;
}

/*  Whether a fact can be, as far as we know; the others are swallowed. */
static bool
s_possible (const bm_participant_t *self, const bm_fact_t *fact)
{
    bool slot = fact->slot < self->fence_count;
    const bm_fence_t *fence = slot ? &self->fences[fact->slot] : NULL;
    switch (fact->kind) {
        case BM_FACT_FENCE_TAKEN:
            return slot && (fence->state == BM_FENCE_STARTING ||
                            (fence->state == BM_FENCE_ENDING && !fence->taken));
        case BM_FACT_FENCE_FELL:
            return slot && (unsigned)fact->fall <= BM_FALL_LOST && s_fence_held (fence);
        case BM_FACT_FENCE_ENDED:
            return slot && fence->state == BM_FENCE_ENDING;
        case BM_FACT_MARK_OPEN:
            return self->mark == S_OPENING;
        case BM_FACT_MARK_GONE:
            return self->mark != S_NO_MARK;
        case BM_FACT_COMMIT_ANSWERED:
            return self->mark == S_COMMITTING;
        case BM_FACT_STOP:
            return true;
        default:
            return false;
    }
}

static s_trigger_t
s_note (bm_participant_t *self, const s_step_t *step)
{
    switch (step->fact->kind) {
        case BM_FACT_FENCE_TAKEN:
            return s_fence_taken (self, step);
        case BM_FACT_FENCE_FELL:
        case BM_FACT_FENCE_ENDED:
            return s_fence_fell (self, step);
        case BM_FACT_MARK_OPEN:
            self->mark = S_OPEN;
            self->transaction_id = step->fact->transaction_id;
            return S_MARK_OPEN;
        case BM_FACT_STOP:
            bm_gate_stop (self->gate);
            return S_STOP;
        default:
            return s_mark_gone (self);
    }
}

void
bm_participant_fact (bm_participant_t *self, const bm_fact_t *fact, int64_t now_ms, bm_deeds_t *out)
{
    out->count = 0;
    s_step_t step = {.fact = fact, .now_ms = now_ms, .out = out, .why = ""};
    if (s_possible (self, fact)) {
        s_take (self, s_note (self, &step), &step);
        s_settle (self, &step);
    }
    s_tick (self, &step);
}

/* ---- Questions --------------------------------------------------------------------------------- */

bm_participant_state_t
bm_participant_state (const bm_participant_t *self)
{
    return self->state;
}

const char *
bm_participant_state_name (bm_participant_state_t state)
{
    static const char *const names[BM_PARTICIPANT_STATE_COUNT] = {
        "IDLE", "FENCING", "FENCED", "MARKING", "MARKED", "COMMITTING", "COMMITTED", "ENDING"};
    bm_require ((unsigned)state < BM_PARTICIPANT_STATE_COUNT);
    return names[state];
}

const char *
bm_participant_reason (const bm_participant_t *self)
{
    return self->reason;
}

const char *
bm_fact_name (bm_fact_kind_t kind)
{
    static const char *const names[BM_FACT_COUNT] = {"FENCE_TAKEN", "FENCE_FELL", "FENCE_ENDED",
                                                     "MARK_OPEN",   "MARK_GONE",  "COMMIT_ANSWERED",
                                                     "TICK",        "STOP"};
    bm_require ((unsigned)kind < BM_FACT_COUNT);
    return names[kind];
}

const char *
bm_deed_name (bm_deed_kind_t kind)
{
    static const char *const names[BM_DEED_COUNT] = {
        "START_FENCE",      "END_FENCE",       "START_MARK",     "ROLLBACK",      "SAMPLE",
        "COMMIT",           "PROVE",           "PASS",           "ANSWER_FENCED", "ANSWER_MARKED",
        "ANSWER_COMMITTED", "ANSWER_RELEASED", "ANSWER_ABORTED", "REPEAT",        "REFUSE"};
    bm_require ((unsigned)kind < BM_DEED_COUNT);
    return names[kind];
}

int64_t
bm_participant_due_ms (const bm_participant_t *self)
{
    return self->mark_due_ms;
}

bool
bm_participant_busy (const bm_participant_t *self, uint64_t *epoch, uint32_t *round)
{
    bool busy = self->state != BM_PARTICIPANT_IDLE;
    if (epoch)
        *epoch = busy ? self->holder.epoch : 0;
    if (round)
        *round = busy ? self->holder.round : 0;
    return busy;
}

size_t
bm_participant_fence_count (const bm_participant_t *self)
{
    return self->fence_count;
}

const bm_fence_t *
bm_participant_fence (const bm_participant_t *self, size_t slot)
{
    bm_require (slot < self->fence_count);
    return &self->fences[slot];
}

bool
bm_participant_stood (const bm_participant_t *self, const bm_named_fence_t *named,
                      const char **why_not, int64_t *held_ms)
{
    static const char *const whys[] = {
        [BM_FENCE_NONE] = "this agent does not hold that fence",
        [BM_FENCE_STARTING] = "the fence is still being taken",
        [BM_FENCE_STANDS] = "the fence was not released",
        [BM_FENCE_ENDING] = "the fence was not released yet",
        [BM_FENCE_RELEASED] = "",
        [BM_FENCE_FAILED] = "the fence could not be taken",
        [BM_FENCE_EXPIRED] = "the lease ran out before the fence was released",
        [BM_FENCE_LOST] = "the session that held the fence was lost",
    };
    bm_fence_state_t state = BM_FENCE_NONE;
    int64_t held = 0;
    if (named->slot < self->fence_count) {
        const bm_fence_t *fence = &self->fences[named->slot];
        if (s_same_identity (&named->identity, &fence->identity)) {
            state = fence->state;
            held = s_fence_held (fence) ? 0 : fence->until_ms - fence->since_ms;
        }
    }
    if (why_not)
        *why_not = whys[state];
    if (held_ms)
        *held_ms = held;
    return state == BM_FENCE_RELEASED;
}

size_t
bm_participant_rows (void)
{
    return S_ROWS;
}

bm_participant_row_t
bm_participant_row (size_t row)
{
    bm_require (row < S_ROWS);
    return (bm_participant_row_t){.from = s_rows[row].from,
                                  .trigger = s_trigger_names[s_rows[row].trigger],
                                  .to = s_rows[row].to,
                                  .action = s_rows[row].action_name,
                                  .why = s_rows[row].why};
}

uint32_t
bm_participant_row_taken (const bm_participant_t *self, size_t row)
{
    bm_require (row < S_ROWS);
    return self->taken[row];
}
