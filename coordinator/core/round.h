/*  coordinator/core/round.h
 *  One attempt to place a mark on every instance of the group.
 *
 *  Pure: no I/O, no clock; nothing is allocated between new and destroy. The caller tells it what happened
 *  (an event, with the present time of one monotonic clock) and performs `out` in order. The unit is the
 *  instance, 0 .. n-1; who they are, fence identities, transaction ids and operation ids are the caller's.
 *
 *      GREETING -> PREPARING -> FENCING -> MARKING -> INTENT -> SAMPLING -> COMMITTING -> RELEASING -> PROVING -> DONE
 *      ABORTING -> DONE from any of them before the first COMMIT
 *
 *  What the caller owes:
 *  - An answer is handed on only when it belongs to the order last sent to that instance (operation id).
 *    Repeated or late answers do no harm all the same.
 *  - BM_ACTION_JOURNAL_INTENT: write and fsync, then hand in JOURNALED. No COMMIT leaves before that.
 *  - BM_ACTION_SET_DEADLINE: hand in TICK when that time has come (more often does no harm).
 *  - An answer that cannot be had any more (connection lost, heartbeat missed, agent restarted) is AGENT_LOST.
 */
#ifndef BM_ROUND_H
#define BM_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "common/limits.h"
#include "coordinator/core/outcome.h"

typedef enum {
    BM_ROUND_NEW, /* not started */
    BM_ROUND_GREETING,
    BM_ROUND_PREPARING,
    BM_ROUND_FENCING,
    BM_ROUND_MARKING,
    BM_ROUND_INTENT,
    BM_ROUND_SAMPLING,
    BM_ROUND_COMMITTING,
    BM_ROUND_RELEASING,
    BM_ROUND_PROVING,
    BM_ROUND_ABORTING,
    BM_ROUND_DONE,
    BM_ROUND_STATE_COUNT
} bm_round_state_t;

typedef enum {
    BM_EVENT_START,
    BM_EVENT_GREETED, /* the agent that serves the instance answered: start_id */
    BM_EVENT_VOTED,   /* ok = ready, has_tracking */
    BM_EVENT_FENCED,  /* ok */
    BM_EVENT_MARKED,  /* ok */
    BM_EVENT_SAMPLED, /* ok = L1 was read, in_flight = it lists something past active */
    BM_EVENT_COMMITTED, /* commit, ok = L2 was read, in_flight = it or the counts speak of something in flight;
                           mark_dropped */
    BM_EVENT_RELEASED,   /* ok = every fence of the instance stood until now */
    BM_EVENT_ABORTED,    /* ok = nothing is held any more */
    BM_EVENT_PROVED,     /* proof */
    BM_EVENT_REFUSED,    /* the order had no effect: order, error */
    BM_EVENT_AGENT_LOST, /* of one instance: nothing more is heard of its agent; error says why */
    BM_EVENT_LOCK_LOST,
    BM_EVENT_STOP,      /* this process was told to stop */
    BM_EVENT_JOURNALED, /* ok = the intent is on the disk */
    BM_EVENT_TICK,
    BM_EVENT_COUNT
} bm_event_kind_t;

typedef enum {
    BM_COMMIT_UNASKED, /* no COMMIT was sent, or no answer came */
    BM_COMMIT_DONE,
    BM_COMMIT_ROLLED_BACK,
    BM_COMMIT_UNKNOWN /* the agent does not know either */
} bm_commit_answer_t;

/*  What the databases of one instance say; the sum is the number of them. */
typedef struct bm_proof {
    uint32_t in; /* MarkLog and logmarkhistory have it */
    uint32_t
        half; /* MarkLog has it, logmarkhistory does not: committed, but the mark was dropped */
    uint32_t missing; /* asked, and not there */
    uint32_t unasked; /* could not be asked now */
} bm_proof_t;

typedef enum {
    BM_ACTION_SEND_GREET, /* may be sent once an agent: each of its instances gets GREETED */
    BM_ACTION_SEND_PREPARE,
    BM_ACTION_SEND_FENCE,
    BM_ACTION_SEND_MARK,
    BM_ACTION_SEND_SAMPLE,
    BM_ACTION_SEND_COMMIT,
    BM_ACTION_SEND_RELEASE,
    BM_ACTION_SEND_PROVE,
    BM_ACTION_SEND_ABORT,
    BM_ACTION_JOURNAL_INTENT,  /* the mark's name, fsynced; then JOURNALED */
    BM_ACTION_JOURNAL_OUTCOME, /* outcome; no answer is awaited */
    BM_ACTION_SET_DEADLINE,    /* at_ms replaces the deadline before */
    BM_ACTION_FINISH,          /* the last one: outcome; see bm_round_result */
    BM_ACTION_COUNT
} bm_action_kind_t;

typedef struct bm_event {
    bm_event_kind_t kind;
    size_t instance; /* of answers, REFUSED and AGENT_LOST */
    bool ok;
    bool has_tracking;
    bool in_flight;
    bool mark_dropped; /* message 3923 */
    bm_commit_answer_t commit;
    bm_proof_t proof;
    uint64_t start_id;
    bm_action_kind_t order;  /* of REFUSED: the SEND_ that was refused */
    const bm_error_t *error; /* why not, or NULL; copied. The round keeps the first as its cause */
} bm_event_t;

typedef struct bm_action {
    bm_action_kind_t kind;
    size_t instance;
    int64_t at_ms;
    bm_outcome_t outcome;
} bm_action_t;

typedef struct bm_actions {
    size_t count;
    size_t limit;
    bm_action_t list[];
} bm_actions_t;

/*  Room for whatever one step of a round over so many instances can ask for. */
bm_actions_t *bm_actions_new (size_t instances);
void bm_actions_destroy (bm_actions_t **self_p);

/*  How long each step may take, in ms; all above 0. */
typedef struct bm_round_config {
    size_t instances; /* 1 .. BM_LIMIT_INSTANCES */
    int64_t greeting_ms;
    int64_t prepare_ms;
    int64_t fence_ms;
    int64_t mark_ms;
    int64_t journal_ms;
    int64_t sample_ms;
    int64_t commit_ms;
    int64_t release_ms;
    int64_t prove_ms;
    int64_t abort_ms;
    int64_t lease_ms; /* of the fences, from the sending of FENCE; no COMMIT is sent after it */
} bm_round_config_t;

/*  The defaults of deploy/btsmark.ini: a lease of 10 s and deadlines that fit into it. */
void bm_round_config_default (bm_round_config_t *config, size_t instances);

/*  What is known of one instance. */
typedef struct bm_round_instance {
    uint64_t start_id;
    bool greeted;
    bool voted;
    bool ready;
    bool has_tracking;
    bool lost; /* its agent; a later GREETED in PROVING takes it back */
    bool fence_sent;
    bool fenced;
    bool mark_sent;
    bool marked;
    bool sample_ran; /* L1 */
    bool commit_sent;
    bool commit_in_time; /* answered DONE before any fence was released */
    bool sample2_ran;    /* L2 */
    bool in_flight;
    bool mark_dropped;
    bool released;      /* answered */
    bool stood;         /* every fence of it, says who held them */
    bool greeted_again; /* in PROVING, because its agent was lost; once */
    bool proved;        /* answered */
    bm_commit_answer_t commit;
    bm_proof_t proof;
    bool waiting; /* an answer of the present state is awaited */
} bm_round_instance_t;

typedef struct bm_round_result {
    bm_outcome_t outcome;
    const char *reason;    /* static text: why this outcome */
    bm_error_t cause;      /* the first thing that went wrong; status BM_OK when nothing did */
    size_t cause_instance; /* SIZE_MAX when it was no instance's */
    bool commit_sent;      /* to anyone: else the mark is in no database */
    bool mark_dropped;     /* 3923 somewhere: back up the logs, then one more round */
    bool vouched;          /* nothing but the proof can speak against the mark (verdict.h) */
    int64_t fencing_ms; /* from sending FENCE until the last RELEASED; 0 when nothing was fenced */
    int64_t window_ms;  /* from sending the first COMMIT until the last answer */
} bm_round_result_t;

typedef struct bm_round bm_round_t;

/*  NULL and *error (BM_LIMIT, BM_CONFIG) when the configuration is out of bounds. */
bm_round_t *bm_round_new (const bm_round_config_t *config, bm_error_t *error);
void bm_round_destroy (bm_round_t **self_p);

/*  One event; `out` is emptied first and then holds what is to be done, in order. BM_OK, or BM_PROTOCOL when
 *  the event names no such instance or kind: nothing has changed then. After FINISH every event is swallowed. */
bm_status_t bm_round_step (bm_round_t *self, const bm_event_t *event, int64_t now_ms,
                           bm_actions_t *out, bm_error_t *error);

bm_round_state_t bm_round_state (const bm_round_t *self);
const char *bm_round_state_name (bm_round_state_t state); /* "COMMITTING" */
const char *bm_event_name (bm_event_kind_t kind);         /* "AGENT_LOST" */
const char *bm_action_name (bm_action_kind_t kind);       /* "SEND_COMMIT" */
/*  Why the last step went as it did: the reason of its row. */
const char *bm_round_reason (const bm_round_t *self);

/*  What is waited for: "votes", and of whom: up to `limit` instances; returns how many there are. */
const char *bm_round_awaits (const bm_round_t *self);
size_t bm_round_waiting (const bm_round_t *self, size_t *instances, size_t limit);
int64_t bm_round_deadline_ms (const bm_round_t *self);

const bm_round_instance_t *bm_round_instance (const bm_round_t *self, size_t instance);
/*  Of a finished round; before that the outcome is BM_OUTCOME_UNKNOWN once COMMIT was sent, else NONE. */
const bm_round_result_t *bm_round_result (const bm_round_t *self);

/*  The table itself, for tests and for the documents that draw it. */
typedef struct bm_round_row {
    bm_round_state_t from;
    const char *trigger;
    bm_round_state_t to;
    const char *action;
    const char *why;
} bm_round_row_t;
size_t bm_round_rows (void);
bm_round_row_t bm_round_row (size_t row);
/*  How often a row was taken by this round. */
uint32_t bm_round_row_taken (const bm_round_t *self, size_t row);

#endif
