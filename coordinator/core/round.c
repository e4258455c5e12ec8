/*  coordinator/core/round.c
 *  An event is first noted (facts of its instance), then boiled down to a trigger, and the table says what
 *  follows from it. A trigger that a state does not know is a bug of ours and stops the process.
 */
#include "coordinator/core/round.h"
#include <stdlib.h>
#include <string.h>
#include "coordinator/core/verdict.h"

typedef enum {
    S_START,
    S_ANSWER, /* one more answer; others are awaited */
    S_ALL,    /* every awaited answer is there, as hoped or, after the first COMMIT, at all */
    S_SHORT,  /* every awaited answer is there or will not come, and not all are as hoped */
    S_FAILED, /* an instance could not or would not */
    S_LOST,   /* an agent was lost */
    S_TIMEOUT,
    S_JOURNALED,
    S_NOT_JOURNALED,
    S_LEASE, /* all answered, but the lease is over */
    S_LOCK_LOST,
    S_STOP,
    S_AGAIN, /* an instance is to be greeted again */
    S_BACK,  /* an instance that was greeted again answered */
    S_LATE,  /* nothing that is awaited now */
    S_TRIGGER_COUNT
} s_trigger_t;

static const char *const s_trigger_names[S_TRIGGER_COUNT] = {
    [S_START] = "START",       [S_ANSWER] = "ANSWER",       [S_ALL] = "ALL_ANSWERED",
    [S_SHORT] = "SOME_FAILED", [S_FAILED] = "FAILED",       [S_LOST] = "AGENT_LOST",
    [S_TIMEOUT] = "TIMEOUT",   [S_JOURNALED] = "JOURNALED", [S_NOT_JOURNALED] = "NOT_JOURNALED",
    [S_LEASE] = "LEASE_OVER",  [S_LOCK_LOST] = "LOCK_LOST", [S_STOP] = "STOP",
    [S_AGAIN] = "GREET_AGAIN", [S_BACK] = "GREETED_AGAIN",  [S_LATE] = "LATE",
};

struct bm_round {
    bm_round_config_t config;
    bm_round_state_t state;
    const char *reason;
    int64_t deadline_ms;
    int64_t fence_sent_ms; /* the lease is counted from here */
    int64_t commit_sent_ms;
    size_t subject; /* instance of the event in hand; SIZE_MAX when none */
    bool failed;    /* an instance did not answer as hoped before the first COMMIT */
    bm_round_result_t result;
    uint32_t *taken; /* of each row */
    bm_round_instance_t instances[];
};

typedef void s_action_t (bm_round_t *self, int64_t now_ms, bm_actions_t *out);

static s_action_t s_nothing, s_greet, s_prepare, s_fence, s_mark, s_journal, s_sample, s_commit,
    s_release, s_prove, s_greet_again, s_prove_one, s_abort, s_finish, s_finish_none;

typedef struct {
    bm_round_state_t from;
    s_trigger_t trigger;
    bm_round_state_t to;
    s_action_t *action;
    const char *action_name;
    const char *why;
} s_row_t;

#define S(from, trigger, to, action, why)                                                          \
    {BM_ROUND_##from, S_##trigger, BM_ROUND_##to, s_##action, #action, why},
/*  In whatever state. */
#define S_ANY BM_ROUND_STATE_COUNT

/* clang-format off */
static const s_row_t s_rows[] = {
    /* from        trigger        to          action       why */
    S (NEW,        START,         GREETING,   greet,       "a round begins with who is there")
    S (NEW,        LOST,          NEW,        nothing,     "the greeting will tell")
    S (NEW,        LOCK_LOST,     ABORTING,   abort,       "without the lock nothing is begun")
    S (NEW,        STOP,          ABORTING,   abort,       "a stopping process begins nothing")

    S (GREETING,   ANSWER,        GREETING,   nothing,     "others have yet to answer the greeting")
    S (GREETING,   ALL,           PREPARING,  prepare,     "every agent is there")
    S (GREETING,   SHORT,         PREPARING,  prepare,     "the others are asked all the same, so that every reason is known")
    S (GREETING,   TIMEOUT,       PREPARING,  prepare,     "silent agents count as lost; the others are asked, so that every reason is known")
    S (GREETING,   LOCK_LOST,     ABORTING,   abort,       "the lock was lost before the first COMMIT")
    S (GREETING,   STOP,          ABORTING,   abort,       "told to stop before the first COMMIT")

    S (PREPARING,  ANSWER,        PREPARING,  nothing,     "others have yet to vote")
    S (PREPARING,  ALL,           FENCING,    fence,       "every instance is ready")
    S (PREPARING,  SHORT,         ABORTING,   abort,       "an instance is not ready, so nothing is touched")
    S (PREPARING,  TIMEOUT,       ABORTING,   abort,       "an instance did not vote in time, so nothing is touched")
    S (PREPARING,  LOCK_LOST,     ABORTING,   abort,       "the lock was lost before the first COMMIT")
    S (PREPARING,  STOP,          ABORTING,   abort,       "told to stop before the first COMMIT")

    S (FENCING,    ANSWER,        FENCING,    nothing,     "a fence stands, others have yet to")
    S (FENCING,    ALL,           MARKING,    mark,        "every fence stands before any mark is opened")
    S (FENCING,    FAILED,        ABORTING,   abort,       "a fence could not be taken")
    S (FENCING,    LOST,          ABORTING,   abort,       "a lost agent cannot vouch for its fence")
    S (FENCING,    TIMEOUT,       ABORTING,   abort,       "a fence was not taken in time")
    S (FENCING,    LOCK_LOST,     ABORTING,   abort,       "the lock was lost before the first COMMIT")
    S (FENCING,    STOP,          ABORTING,   abort,       "told to stop before the first COMMIT")

    S (MARKING,    ANSWER,        MARKING,    nothing,     "a mark is open, others have yet to be")
    S (MARKING,    ALL,           INTENT,     journal,     "the mark's name is on the disk before the first COMMIT (I9)")
    S (MARKING,    FAILED,        ABORTING,   abort,       "an instance could not place the mark")
    S (MARKING,    LOST,          ABORTING,   abort,       "a lost agent may not hold fence and mark")
    S (MARKING,    TIMEOUT,       ABORTING,   abort,       "a mark was not open in time")
    S (MARKING,    LOCK_LOST,     ABORTING,   abort,       "the lock was lost before the first COMMIT")
    S (MARKING,    STOP,          ABORTING,   abort,       "told to stop before the first COMMIT")

    S (INTENT,     JOURNALED,     SAMPLING,   sample,      "the name is on the disk; what is in flight is looked at")
    S (INTENT,     NOT_JOURNALED, ABORTING,   abort,       "a mark whose name is not on the disk may not be committed (I9)")
    S (INTENT,     LOST,          ABORTING,   abort,       "a lost agent may not hold fence and mark")
    S (INTENT,     TIMEOUT,       ABORTING,   abort,       "the journal was not written in time")
    S (INTENT,     LOCK_LOST,     ABORTING,   abort,       "the lock was lost before the first COMMIT")
    S (INTENT,     STOP,          ABORTING,   abort,       "told to stop before the first COMMIT")

    S (SAMPLING,   ANSWER,        SAMPLING,   nothing,     "others have yet to sample")
    S (SAMPLING,   ALL,           COMMITTING, commit,      "every mark is open, named on the disk, and every fence was taken")
    S (SAMPLING,   LEASE,         ABORTING,   abort,       "the lease is over: a fence may have fallen")
    S (SAMPLING,   FAILED,        ABORTING,   abort,       "an instance refused to go on")
    S (SAMPLING,   LOST,          ABORTING,   abort,       "a lost agent may not hold fence and mark")
    S (SAMPLING,   TIMEOUT,       ABORTING,   abort,       "a silent agent may not hold fence and mark")
    S (SAMPLING,   LOCK_LOST,     ABORTING,   abort,       "the lock was lost before the first COMMIT")
    S (SAMPLING,   STOP,          ABORTING,   abort,       "told to stop before the first COMMIT")

    S (COMMITTING, ANSWER,        COMMITTING, nothing,     "every fence stands until the last answer (I8)")
    S (COMMITTING, ALL,           RELEASING,  release,     "every COMMIT was answered or its answer will not come")
    S (COMMITTING, TIMEOUT,       RELEASING,  release,     "an answer that did not come in time is asked from the database")
    S (COMMITTING, LOCK_LOST,     COMMITTING, nothing,     "after the first COMMIT the round is finished")
    S (COMMITTING, STOP,          COMMITTING, nothing,     "after the first COMMIT the round is finished")

    S (RELEASING,  ANSWER,        RELEASING,  nothing,     "others have yet to say whether their fence stood")
    S (RELEASING,  ALL,           PROVING,    prove,       "the truth is in the databases")
    S (RELEASING,  TIMEOUT,       PROVING,    prove,       "nobody vouches for a fence whose holder is silent")
    S (RELEASING,  LOCK_LOST,     RELEASING,  nothing,     "after the first COMMIT the round is finished")
    S (RELEASING,  STOP,          RELEASING,  nothing,     "after the first COMMIT the round is finished")

    S (PROVING,    ANSWER,        PROVING,    nothing,     "others have yet to look for the mark")
    S (PROVING,    AGAIN,         PROVING,    greet_again, "a restarted agent can still read its databases")
    S (PROVING,    BACK,          PROVING,    prove_one,   "the agent is there again and can look for the mark")
    S (PROVING,    ALL,           DONE,       finish,      "every database was asked, as far as it can be")
    S (PROVING,    TIMEOUT,       DONE,       finish,      "who does not answer in time is asked by the next run")
    S (PROVING,    LOCK_LOST,     PROVING,    nothing,     "after the first COMMIT the round is finished")
    S (PROVING,    STOP,          PROVING,    nothing,     "after the first COMMIT the round is finished")

    S (ABORTING,   ANSWER,        ABORTING,   nothing,     "others have yet to let go")
    S (ABORTING,   ALL,           DONE,       finish_none, "no COMMIT was sent: the mark is in no database")
    S (ABORTING,   TIMEOUT,       DONE,       finish_none, "no COMMIT was sent; what is still held ends with its lease")
    S (ABORTING,   LOCK_LOST,     ABORTING,   nothing,     "the round is being given up already")
    S (ABORTING,   STOP,          ABORTING,   nothing,     "the round is being given up already")

    {S_ANY, S_LATE, S_ANY, s_nothing, "nothing", "an answer that nobody waits for changes nothing"},
};
/* clang-format on */
#undef S

#define S_ROWS (sizeof s_rows / sizeof s_rows[0])

/*  What a state waits for; a state without a deadline waits for nothing. */
static const struct {
    const char *name;
    const char *awaits;
    size_t duration; /* offset in bm_round_config_t; 0 = no deadline */
    bool harmless;   /* nothing is held yet: failures are gathered */
} s_states[BM_ROUND_STATE_COUNT] = {
    [BM_ROUND_NEW] = {"NEW", "nothing", 0, false},
    [BM_ROUND_GREETING] = {"GREETING", "greetings", offsetof (bm_round_config_t, greeting_ms),
                           true},
    [BM_ROUND_PREPARING] = {"PREPARING", "votes", offsetof (bm_round_config_t, prepare_ms), true},
    [BM_ROUND_FENCING] = {"FENCING", "fences", offsetof (bm_round_config_t, fence_ms), false},
    [BM_ROUND_MARKING] = {"MARKING", "open marks", offsetof (bm_round_config_t, mark_ms), false},
    [BM_ROUND_INTENT] = {"INTENT", "the journal", offsetof (bm_round_config_t, journal_ms), false},
    [BM_ROUND_SAMPLING] = {"SAMPLING", "samples", offsetof (bm_round_config_t, sample_ms), false},
    [BM_ROUND_COMMITTING] = {"COMMITTING", "commits", offsetof (bm_round_config_t, commit_ms),
                             false},
    [BM_ROUND_RELEASING] = {"RELEASING", "released fences",
                            offsetof (bm_round_config_t, release_ms), false},
    [BM_ROUND_PROVING] = {"PROVING", "proofs", offsetof (bm_round_config_t, prove_ms), false},
    [BM_ROUND_ABORTING] = {"ABORTING", "aborts", offsetof (bm_round_config_t, abort_ms), false},
    [BM_ROUND_DONE] = {"DONE", "nothing", 0, false},
};

/* ---- Life -------------------------------------------------------------------------------------- */

bm_actions_t *
bm_actions_new (size_t instances)
{
    /*  One step sends at most two orders to an instance, and a handful of others. */
    size_t limit = 2 * instances + 16;
    bm_actions_t *self = bm_alloc (sizeof *self + limit * sizeof self->list[0]);
    self->limit = limit;
    return self;
}

void
bm_actions_destroy (bm_actions_t **self_p)
{
    free (*self_p);
    *self_p = NULL;
}

void
bm_round_config_default (bm_round_config_t *config, size_t instances)
{
    *config = (bm_round_config_t){.instances = instances,
                                  .greeting_ms = 5000,
                                  .prepare_ms = 30000,
                                  .fence_ms = 3000,
                                  .mark_ms = 2000,
                                  .journal_ms = 500,
                                  .sample_ms = 500,
                                  .commit_ms = 3000,
                                  .release_ms = 1000,
                                  .prove_ms = 8000,
                                  .abort_ms = 5000,
                                  .lease_ms = 10000};
}

static int64_t
s_duration (const bm_round_config_t *config, bm_round_state_t state)
{
    int64_t value;
    memcpy (&value, (const char *)config + s_states[state].duration, sizeof value);
    return value;
}

bm_round_t *
bm_round_new (const bm_round_config_t *config, bm_error_t *error)
{
    size_t n = config->instances;
    if (n == 0 || n > BM_LIMIT_INSTANCES) {
        bm_fail (error, BM_LIMIT, "a round over %zu instances: 1 to %d are possible", n,
                 BM_LIMIT_INSTANCES);
        return NULL;
    }
    for (int state = BM_ROUND_GREETING; state < BM_ROUND_DONE; state++)
        if (s_duration (config, (bm_round_state_t)state) <= 0) {
            bm_fail (error, BM_CONFIG, "the deadline for %s must be above 0",
                     s_states[state].awaits);
            return NULL;
        }
    if (config->lease_ms <= 0 || config->lease_ms > BM_LIMIT_LEASE_MS) {
        bm_fail (error, BM_CONFIG, "a lease of %lld ms: 1 to %d are possible",
                 (long long)config->lease_ms, BM_LIMIT_LEASE_MS);
        return NULL;
    }
    bm_round_t *self = bm_alloc (sizeof *self + n * sizeof self->instances[0]);
    self->taken = bm_alloc (S_ROWS * sizeof self->taken[0]);
    self->config = *config;
    self->reason = "not started";
    self->deadline_ms = INT64_MAX;
    self->subject = SIZE_MAX;
    self->result.cause_instance = SIZE_MAX;
    self->result.reason = "the round is not finished";
    return self;
}

void
bm_round_destroy (bm_round_t **self_p)
{
    if (*self_p) {
        free ((*self_p)->taken);
        free (*self_p);
    }
    *self_p = NULL;
}

/* ---- Facts ------------------------------------------------------------------------------------- */

static bool
s_any_waiting (const bm_round_t *self)
{
    for (size_t at = 0; at < self->config.instances; at++)
        if (self->instances[at].waiting)
            return true;
    return false;
}

/*  The first thing that went wrong is the cause. `given` may be NULL: then the rest says it. */
static void
s_blame (bm_round_t *self, size_t instance, const bm_error_t *given, bm_status_t status,
         const char *text)
{
    if (self->result.cause.status != BM_OK)
        return;
    self->result.cause_instance = instance;
    if (given && given->status != BM_OK)
        self->result.cause = *given;
    else
        bm_fail (&self->result.cause, status, "%s", text);
}

/*  What follows once nobody is waited for. */
static s_trigger_t
s_gathered (const bm_round_t *self, int64_t now_ms)
{
    if (s_states[self->state].harmless)
        return self->failed ? S_SHORT : S_ALL;
    if (self->state == BM_ROUND_SAMPLING && now_ms - self->fence_sent_ms >= self->config.lease_ms)
        return S_LEASE;
    return S_ALL;
}

static s_trigger_t
s_progress (const bm_round_t *self, int64_t now_ms)
{
    return s_any_waiting (self) ? S_ANSWER : s_gathered (self, now_ms);
}

/*  An instance said no, or will say nothing any more, before the first COMMIT. */
static s_trigger_t
s_failure (bm_round_t *self, s_trigger_t trigger, int64_t now_ms)
{
    self->failed = true;
    return s_states[self->state].harmless ? s_progress (self, now_ms) : trigger;
}

/* ---- Events ------------------------------------------------------------------------------------ */

static s_trigger_t
s_note_greeted (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
                int64_t now_ms)
{
    instance->start_id = event->start_id;
    if (self->state == BM_ROUND_PROVING) {
        instance->lost = false;
        return S_BACK;
    }
    instance->waiting = false;
    instance->greeted = true;
    return s_progress (self, now_ms);
}

static s_trigger_t
s_note_voted (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
              int64_t now_ms)
{
    instance->waiting = false;
    instance->voted = true;
    instance->ready = event->ok;
    instance->has_tracking = event->has_tracking;
    if (event->ok)
        return s_progress (self, now_ms);
    s_blame (self, event->instance, event->error, BM_NOT_READY, "an instance is not ready");
    return s_failure (self, S_FAILED, now_ms);
}

static s_trigger_t
s_note_fenced (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
               int64_t now_ms)
{
    instance->waiting = false;
    instance->fenced = event->ok;
    if (event->ok)
        return s_progress (self, now_ms);
    s_blame (self, event->instance, event->error, BM_MARK_REFUSED, "a fence could not be taken");
    return s_failure (self, S_FAILED, now_ms);
}

static s_trigger_t
s_note_marked (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
               int64_t now_ms)
{
    instance->waiting = false;
    instance->marked = event->ok;
    if (event->ok)
        return s_progress (self, now_ms);
    s_blame (self, event->instance, event->error, BM_MARK_REFUSED, "the mark could not be opened");
    return s_failure (self, S_FAILED, now_ms);
}

static s_trigger_t
s_note_sampled (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
                int64_t now_ms)
{
    instance->waiting = false;
    instance->sample_ran = event->ok;
    instance->in_flight = instance->in_flight || event->in_flight;
    return s_progress (self, now_ms);
}

/*  Called for late answers too: they are evidence of the COMMIT, though not of the fences. */
static s_trigger_t
s_note_committed (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
                  int64_t now_ms)
{
    instance->commit = event->commit;
    instance->sample2_ran = event->ok;
    instance->in_flight = instance->in_flight || event->in_flight;
    instance->mark_dropped = instance->mark_dropped || event->mark_dropped;
    self->result.mark_dropped = self->result.mark_dropped || event->mark_dropped;
    if (event->commit != BM_COMMIT_DONE)
        s_blame (self, event->instance, event->error, BM_MARK_REFUSED,
                 "a COMMIT was not answered as done");
    if (self->state != BM_ROUND_COMMITTING)
        return S_LATE;
    instance->waiting = false;
    instance->commit_in_time = event->commit == BM_COMMIT_DONE;
    return s_progress (self, now_ms);
}

static s_trigger_t
s_note_released (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
                 int64_t now_ms)
{
    instance->waiting = false;
    instance->released = true;
    instance->stood = event->ok;
    if (!event->ok)
        s_blame (self, event->instance, event->error, BM_MARK_EXPIRED, "a fence did not stand");
    return s_progress (self, now_ms);
}

static s_trigger_t
s_note_aborted (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
                int64_t now_ms)
{
    instance->waiting = false;
    if (!event->ok)
        s_blame (self, event->instance, event->error, BM_MARK_REFUSED,
                 "an instance could not let go of fence or mark");
    return s_progress (self, now_ms);
}

static s_trigger_t
s_note_proved (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
               int64_t now_ms)
{
    instance->waiting = false;
    instance->proved = true;
    instance->proof = event->proof;
    if (event->proof.missing + event->proof.half > 0)
        s_blame (self, event->instance, event->error, BM_MARK_MISSING,
                 "a database does not carry the mark");
    return s_progress (self, now_ms);
}

/*  An order had no effect, or nothing more is heard of its agent. */
static s_trigger_t
s_note_gone (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event,
             s_trigger_t trigger, int64_t now_ms)
{
    bool lost = trigger == S_LOST;
    s_blame (self, event->instance, event->error, lost ? BM_UNREACHABLE : BM_MARK_REFUSED,
             lost ? "the agent was lost" : "the agent refused an order");
    instance->lost = instance->lost || lost;
    if (self->state < BM_ROUND_COMMITTING) {
        instance->waiting = false;
        return s_failure (self, trigger, now_ms);
    }
    if (self->state == BM_ROUND_PROVING && instance->waiting && !instance->greeted_again)
        return S_AGAIN;
    instance->waiting = false;
    return s_progress (self, now_ms);
}

/*  Answers: in which state each is awaited, and which order it answers. */
typedef s_trigger_t
s_note_t (bm_round_t *self, bm_round_instance_t *instance, const bm_event_t *event, int64_t now_ms);

static const struct {
    const char *name;
    s_note_t *note; /* of an answer; NULL for other events */
    bm_round_state_t state;
    bm_action_kind_t order;
} s_events[BM_EVENT_COUNT] = {
    [BM_EVENT_START] = {"START", NULL, BM_ROUND_NEW, BM_ACTION_COUNT},
    [BM_EVENT_GREETED] = {"GREETED", s_note_greeted, BM_ROUND_GREETING, BM_ACTION_SEND_GREET},
    [BM_EVENT_VOTED] = {"VOTED", s_note_voted, BM_ROUND_PREPARING, BM_ACTION_SEND_PREPARE},
    [BM_EVENT_FENCED] = {"FENCED", s_note_fenced, BM_ROUND_FENCING, BM_ACTION_SEND_FENCE},
    [BM_EVENT_MARKED] = {"MARKED", s_note_marked, BM_ROUND_MARKING, BM_ACTION_SEND_MARK},
    [BM_EVENT_SAMPLED] = {"SAMPLED", s_note_sampled, BM_ROUND_SAMPLING, BM_ACTION_SEND_SAMPLE},
    [BM_EVENT_COMMITTED] = {"COMMITTED", s_note_committed, BM_ROUND_COMMITTING,
                            BM_ACTION_SEND_COMMIT},
    [BM_EVENT_RELEASED] = {"RELEASED", s_note_released, BM_ROUND_RELEASING, BM_ACTION_SEND_RELEASE},
    [BM_EVENT_ABORTED] = {"ABORTED", s_note_aborted, BM_ROUND_ABORTING, BM_ACTION_SEND_ABORT},
    [BM_EVENT_PROVED] = {"PROVED", s_note_proved, BM_ROUND_PROVING, BM_ACTION_SEND_PROVE},
    [BM_EVENT_REFUSED] = {"REFUSED", NULL, BM_ROUND_NEW, BM_ACTION_COUNT},
    [BM_EVENT_AGENT_LOST] = {"AGENT_LOST", NULL, BM_ROUND_NEW, BM_ACTION_COUNT},
    [BM_EVENT_LOCK_LOST] = {"LOCK_LOST", NULL, BM_ROUND_NEW, BM_ACTION_COUNT},
    [BM_EVENT_STOP] = {"STOP", NULL, BM_ROUND_NEW, BM_ACTION_COUNT},
    [BM_EVENT_JOURNALED] = {"JOURNALED", NULL, BM_ROUND_INTENT, BM_ACTION_COUNT},
    [BM_EVENT_TICK] = {"TICK", NULL, BM_ROUND_NEW, BM_ACTION_COUNT},
};

static s_trigger_t
s_answer (bm_round_t *self, const bm_event_t *event, int64_t now_ms)
{
    bm_round_instance_t *instance = &self->instances[event->instance];
    bool awaited = self->state == s_events[event->kind].state && instance->waiting;
    if (self->state == BM_ROUND_PROVING && instance->lost)
        awaited = event->kind == BM_EVENT_GREETED && instance->waiting;
    bool late_commit = event->kind == BM_EVENT_COMMITTED && instance->commit_sent &&
                       instance->commit == BM_COMMIT_UNASKED;
    if (!awaited && !late_commit)
        return S_LATE;
    return s_events[event->kind].note (self, instance, event, now_ms);
}

/*  Only a refusal of what is awaited now counts. */
static s_trigger_t
s_refused (bm_round_t *self, const bm_event_t *event, int64_t now_ms)
{
    bm_round_instance_t *instance = &self->instances[event->instance];
    for (int kind = BM_EVENT_GREETED; kind <= BM_EVENT_PROVED; kind++) {
        if (s_events[kind].order != event->order)
            continue;
        bool greeted_again = self->state == BM_ROUND_PROVING && instance->lost &&
                             event->order == BM_ACTION_SEND_GREET;
        if (instance->waiting && (s_events[kind].state == self->state || greeted_again))
            return s_note_gone (self, instance, event, S_FAILED, now_ms);
    }
    return S_LATE;
}

static s_trigger_t
s_agent_lost (bm_round_t *self, const bm_event_t *event, int64_t now_ms)
{
    if (self->state == BM_ROUND_NEW)
        return S_LOST;
    return s_note_gone (self, &self->instances[event->instance], event, S_LOST, now_ms);
}

/*  The deadline of the state has passed: whoever is still waited for counts as silent. */
static s_trigger_t
s_timeout (bm_round_t *self)
{
    static const char text[] = "no answer in time";
    if (self->state == BM_ROUND_INTENT)
        s_blame (self, SIZE_MAX, NULL, BM_CATALOGUE, "the journal was not written in time");
    for (size_t at = 0; at < self->config.instances; at++)
        if (self->instances[at].waiting) {
            s_blame (self, at, NULL, BM_UNREACHABLE, text);
            self->failed = true;
        }
    return S_TIMEOUT;
}

static s_trigger_t
s_note (bm_round_t *self, const bm_event_t *event, int64_t now_ms)
{
    if (s_events[event->kind].note)
        return s_answer (self, event, now_ms);
    switch (event->kind) {
        case BM_EVENT_START:
            return self->state == BM_ROUND_NEW ? S_START : S_LATE;
        case BM_EVENT_REFUSED:
            return s_refused (self, event, now_ms);
        case BM_EVENT_AGENT_LOST:
            return s_agent_lost (self, event, now_ms);
        case BM_EVENT_LOCK_LOST:
            s_blame (self, SIZE_MAX, event->error, BM_LOCK_LOST, "the backup lock was lost");
            return S_LOCK_LOST;
        case BM_EVENT_STOP:
            s_blame (self, SIZE_MAX, event->error, BM_STOPPED, "told to stop");
            return S_STOP;
        case BM_EVENT_JOURNALED:
            if (self->state != BM_ROUND_INTENT)
                return S_LATE;
            if (event->ok)
                return S_JOURNALED;
            s_blame (self, SIZE_MAX, event->error, BM_CATALOGUE,
                     "the journal could not be written");
            return S_NOT_JOURNALED;
        default:
            return now_ms >= self->deadline_ms ? s_timeout (self) : S_LATE;
    }
}

/* ---- Actions ----------------------------------------------------------------------------------- */

static void
s_push (bm_actions_t *out, bm_action_t action)
{
    bm_require (out->count < out->limit);
    out->list[out->count++] = action;
}

static void
s_order (bm_round_t *self, size_t instance, bm_action_kind_t kind, bm_actions_t *out)
{
    self->instances[instance].waiting = true;
    s_push (out, (bm_action_t){.kind = kind, .instance = instance});
}

static void
s_nothing (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)self;
    (void)now_ms;
    (void)out;
}

static void
s_greet (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)now_ms;
    for (size_t at = 0; at < self->config.instances; at++)
        s_order (self, at, BM_ACTION_SEND_GREET, out);
}

static void
s_prepare (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)now_ms;
    for (size_t at = 0; at < self->config.instances; at++) {
        bm_round_instance_t *instance = &self->instances[at];
        if (instance->greeted && !instance->lost)
            s_order (self, at, BM_ACTION_SEND_PREPARE, out);
    }
}

/*  FENCES HELD from here on an instance's answer until RELEASE or ABORT: its tracking is blocked. */
static void
s_fence (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    self->fence_sent_ms = now_ms;
    for (size_t at = 0; at < self->config.instances; at++)
        if (self->instances[at].has_tracking) {
            self->instances[at].fence_sent = true;
            s_order (self, at, BM_ACTION_SEND_FENCE, out);
        }
}

static void
s_mark (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)now_ms;
    for (size_t at = 0; at < self->config.instances; at++) {
        self->instances[at].mark_sent = true;
        s_order (self, at, BM_ACTION_SEND_MARK, out);
    }
}

static void
s_journal (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)self;
    (void)now_ms;
    s_push (out, (bm_action_t){.kind = BM_ACTION_JOURNAL_INTENT, .instance = SIZE_MAX});
}

static void
s_sample (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)now_ms;
    for (size_t at = 0; at < self->config.instances; at++)
        s_order (self, at, BM_ACTION_SEND_SAMPLE, out);
}

static void
s_commit (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    self->commit_sent_ms = now_ms;
    self->result.commit_sent = true;
    self->result.outcome = BM_OUTCOME_UNKNOWN;
    for (size_t at = 0; at < self->config.instances; at++) {
        self->instances[at].commit_sent = true;
        s_order (self, at, BM_ACTION_SEND_COMMIT, out);
    }
}

/*  FENCES RELEASED: to every holder, also where the COMMIT was not answered; its mark is then doubtful. */
static void
s_release (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    self->result.window_ms = now_ms - self->commit_sent_ms;
    for (size_t at = 0; at < self->config.instances; at++) {
        const bm_round_instance_t *instance = &self->instances[at];
        if (instance->fence_sent && !instance->lost)
            s_order (self, at, BM_ACTION_SEND_RELEASE, out);
    }
}

static void
s_fences_over (bm_round_t *self, int64_t now_ms)
{
    for (size_t at = 0; at < self->config.instances; at++)
        if (self->instances[at].fence_sent)
            self->result.fencing_ms = now_ms - self->fence_sent_ms;
}

static void
s_prove (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    s_fences_over (self, now_ms);
    for (size_t at = 0; at < self->config.instances; at++) {
        bool lost = self->instances[at].lost;
        self->instances[at].greeted_again = lost;
        s_order (self, at, lost ? BM_ACTION_SEND_GREET : BM_ACTION_SEND_PROVE, out);
    }
}

/*  Once an instance: an agent that comes and goes does not keep the round busy. */
static void
s_greet_again (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)now_ms;
    self->instances[self->subject].greeted_again = true;
    self->instances[self->subject].lost = true;
    s_order (self, self->subject, BM_ACTION_SEND_GREET, out);
}

static void
s_prove_one (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)now_ms;
    s_order (self, self->subject, BM_ACTION_SEND_PROVE, out);
}

static void
s_abort (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)now_ms;
    bm_require (!self->result.commit_sent);
    for (size_t at = 0; at < self->config.instances; at++) {
        const bm_round_instance_t *instance = &self->instances[at];
        if ((instance->fence_sent || instance->mark_sent) && !instance->lost)
            s_order (self, at, BM_ACTION_SEND_ABORT, out);
    }
}

/* ---- The end ----------------------------------------------------------------------------------- */

static void
s_close (bm_round_t *self, bm_actions_t *out)
{
    for (size_t at = 0; at < self->config.instances; at++)
        self->instances[at].waiting = false;
    self->deadline_ms = INT64_MAX;
    bm_outcome_t outcome = self->result.outcome;
    s_push (out, (bm_action_t){
                     .kind = BM_ACTION_JOURNAL_OUTCOME, .instance = SIZE_MAX, .outcome = outcome});
    s_push (out, (bm_action_t){.kind = BM_ACTION_FINISH, .instance = SIZE_MAX, .outcome = outcome});
}

static void
s_finish (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    (void)now_ms;
    self->result.outcome =
        bm_verdict (self->instances, self->config.instances, &self->result.reason);
    self->result.vouched = bm_verdict_vouched (self->instances, self->config.instances);
    s_close (self, out);
}

static void
s_finish_none (bm_round_t *self, int64_t now_ms, bm_actions_t *out)
{
    s_fences_over (self, now_ms);
    self->result.outcome = BM_OUTCOME_NONE;
    self->result.reason = "the round was given up before the first COMMIT";
    s_close (self, out);
}

/* ---- Steps ------------------------------------------------------------------------------------- */

static size_t
s_find_row (bm_round_state_t state, s_trigger_t trigger)
{
    for (size_t at = 0; at < S_ROWS; at++) {
        bool from = s_rows[at].from == state || s_rows[at].from == S_ANY;
        if (from && s_rows[at].trigger == trigger)
            return at;
    }
    bm_require_failed ("a row for this state and trigger", __FILE__, __LINE__);
}

static void
s_take (bm_round_t *self, s_trigger_t trigger, int64_t now_ms, bm_actions_t *out)
{
    size_t at = s_find_row (self->state, trigger);
    const s_row_t *row = &s_rows[at];
    self->taken[at]++;
    self->reason = row->why;
    if (trigger == S_LEASE)
        s_blame (self, SIZE_MAX, NULL, BM_MARK_EXPIRED, row->why);
    bm_round_state_t before = self->state;
    if (row->to != S_ANY)
        self->state = row->to;
    if (self->state != before) {
        for (size_t each = 0; each < self->config.instances; each++)
            self->instances[each].waiting = false;
        self->deadline_ms = INT64_MAX;
    }
    row->action (self, now_ms, out);
    if (self->state != before && s_states[self->state].duration) {
        self->deadline_ms = now_ms + s_duration (&self->config, self->state);
        s_push (out, (bm_action_t){.kind = BM_ACTION_SET_DEADLINE,
                                   .instance = SIZE_MAX,
                                   .at_ms = self->deadline_ms});
    }
}

/*  A state that has nobody to wait for is over as soon as it is entered: no fences, nothing to abort. */
static bool
s_satisfied (const bm_round_t *self)
{
    return s_states[self->state].duration && self->state != BM_ROUND_INTENT &&
           !s_any_waiting (self);
}

bm_status_t
bm_round_step (bm_round_t *self, const bm_event_t *event, int64_t now_ms, bm_actions_t *out,
               bm_error_t *error)
{
    out->count = 0;
    if ((unsigned)event->kind >= BM_EVENT_COUNT)
        return bm_fail (error, BM_PROTOCOL, "a round knows no event %d", (int)event->kind);
    bool of_instance = s_events[event->kind].note || event->kind == BM_EVENT_REFUSED ||
                       event->kind == BM_EVENT_AGENT_LOST;
    if (of_instance && event->instance >= self->config.instances)
        return bm_fail (error, BM_PROTOCOL, "event %s of instance %zu: the round has %zu",
                        s_events[event->kind].name, event->instance, self->config.instances);

    self->subject = of_instance ? event->instance : SIZE_MAX;
    s_trigger_t trigger = self->state == BM_ROUND_DONE ? S_LATE : s_note (self, event, now_ms);
    s_take (self, trigger, now_ms, out);
    while (s_satisfied (self))
        s_take (self, s_gathered (self, now_ms), now_ms, out);
    return BM_OK;
}

/* ---- Questions --------------------------------------------------------------------------------- */

bm_round_state_t
bm_round_state (const bm_round_t *self)
{
    return self->state;
}

const char *
bm_round_state_name (bm_round_state_t state)
{
    bm_require ((unsigned)state < BM_ROUND_STATE_COUNT);
    return s_states[state].name;
}

const char *
bm_event_name (bm_event_kind_t kind)
{
    bm_require ((unsigned)kind < BM_EVENT_COUNT);
    return s_events[kind].name;
}

const char *
bm_action_name (bm_action_kind_t kind)
{
    static const char *const names[BM_ACTION_COUNT] = {
        [BM_ACTION_SEND_GREET] = "SEND_GREET",
        [BM_ACTION_SEND_PREPARE] = "SEND_PREPARE",
        [BM_ACTION_SEND_FENCE] = "SEND_FENCE",
        [BM_ACTION_SEND_MARK] = "SEND_MARK",
        [BM_ACTION_SEND_SAMPLE] = "SEND_SAMPLE",
        [BM_ACTION_SEND_COMMIT] = "SEND_COMMIT",
        [BM_ACTION_SEND_RELEASE] = "SEND_RELEASE",
        [BM_ACTION_SEND_PROVE] = "SEND_PROVE",
        [BM_ACTION_SEND_ABORT] = "SEND_ABORT",
        [BM_ACTION_JOURNAL_INTENT] = "JOURNAL_INTENT",
        [BM_ACTION_JOURNAL_OUTCOME] = "JOURNAL_OUTCOME",
        [BM_ACTION_SET_DEADLINE] = "SET_DEADLINE",
        [BM_ACTION_FINISH] = "FINISH",
    };
    bm_require ((unsigned)kind < BM_ACTION_COUNT);
    return names[kind];
}

const char *
bm_round_reason (const bm_round_t *self)
{
    return self->reason;
}

const char *
bm_round_awaits (const bm_round_t *self)
{
    return s_states[self->state].awaits;
}

size_t
bm_round_waiting (const bm_round_t *self, size_t *instances, size_t limit)
{
    size_t count = 0;
    for (size_t at = 0; at < self->config.instances; at++) {
        if (!self->instances[at].waiting)
            continue;
        if (count < limit)
            instances[count] = at;
        count++;
    }
    return count;
}

int64_t
bm_round_deadline_ms (const bm_round_t *self)
{
    return self->deadline_ms;
}

const bm_round_instance_t *
bm_round_instance (const bm_round_t *self, size_t instance)
{
    bm_require (instance < self->config.instances);
    return &self->instances[instance];
}

const bm_round_result_t *
bm_round_result (const bm_round_t *self)
{
    return &self->result;
}

size_t
bm_round_rows (void)
{
    return S_ROWS;
}

bm_round_row_t
bm_round_row (size_t row)
{
    bm_require (row < S_ROWS);
    return (bm_round_row_t){.from = s_rows[row].from,
                            .trigger = s_trigger_names[s_rows[row].trigger],
                            .to = s_rows[row].to,
                            .action = s_rows[row].action_name,
                            .why = s_rows[row].why};
}

uint32_t
bm_round_row_taken (const bm_round_t *self, size_t row)
{
    bm_require (row < S_ROWS);
    return self->taken[row];
}
