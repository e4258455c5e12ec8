/*  agent/core/participant.h
 *  One instance's part in a round: decides what becomes of an order or a fact. Pure: no I/O, no clock; nothing
 *  is allocated between new and destroy. It lives as long as the agent's start: an agent that comes back begins
 *  with a fresh one and knows nothing.
 *
 *      IDLE -> FENCING -> FENCED -> MARKING -> MARKED -> COMMITTING -> COMMITTED -> ENDING -> IDLE
 *      IDLE -> MARKING when the instance has no tracking database
 *      ENDING -> IDLE from any of them whose COMMIT was not sent: RELEASE, ABORT, lease, failure
 *
 *  What the caller (the shell) owes:
 *  - Deeds are performed in order. Every START_FENCE, START_MARK, COMMIT, ROLLBACK and END_FENCE leads to exactly one fact,
 *    whatever happens (also when the session dies, hangs or is cancelled):
 *      START_FENCE  -> FENCE_TAKEN or FENCE_FELL;  a taken fence falls or is ended once: FENCE_FELL or FENCE_ENDED
 *      START_MARK   -> MARK_OPEN or MARK_GONE;     an open mark ends once: MARK_GONE or COMMIT_ANSWERED
 *      ROLLBACK     -> MARK_GONE (also of a START_MARK that is still running: interrupt it)
 *      END_FENCE    -> FENCE_ENDED or FENCE_FELL (also of a START_FENCE that is still running: FENCE_FELL)
 *      COMMIT       -> COMMIT_ANSWERED
 *  - Answers, refusals too, are kept by operation id for BM_DEED_REPEAT, at least until the order's expiry.
 *  - TICK at bm_participant_due_ms or any time later.
 */
#ifndef BM_PARTICIPANT_H
#define BM_PARTICIPANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/core/gate.h"
#include "common/error.h"

#define BM_PARTICIPANT_DEEDS (BM_PARTICIPANT_FENCES * 2 + 16) /* of one step */

typedef enum {
    BM_PARTICIPANT_IDLE, /* nothing is held */
    BM_PARTICIPANT_FENCING,
    BM_PARTICIPANT_FENCED,
    BM_PARTICIPANT_MARKING,
    BM_PARTICIPANT_MARKED,
    BM_PARTICIPANT_COMMITTING, /* COMMIT was sent to SQL Server: the lease no longer rolls back */
    BM_PARTICIPANT_COMMITTED,  /* it was answered; fences may stand */
    BM_PARTICIPANT_ENDING,     /* rollback and releases are under way */
    BM_PARTICIPANT_STATE_COUNT
} bm_participant_state_t;

typedef enum {
    BM_FACT_FENCE_TAKEN, /* slot, identity */
    BM_FACT_FENCE_FELL,  /* slot, why: could not be taken, ran out, or its session was lost */
    BM_FACT_FENCE_ENDED, /* slot: ended by us, and it stood until then */
    BM_FACT_MARK_OPEN,   /* transaction_id */
    BM_FACT_MARK_GONE, /* why: failed, rolled back, or its session was lost: it is not committed */
    BM_FACT_COMMIT_ANSWERED, /* commit */
    BM_FACT_TICK,
    BM_FACT_STOP, /* SIGTERM: what is held is ended, new orders are refused */
    BM_FACT_COUNT
} bm_fact_kind_t;

typedef enum {
    BM_FALL_FAILED,  /* never stood */
    BM_FALL_EXPIRED, /* SQL Server ended it: the lease was over */
    BM_FALL_LOST     /* its session died */
} bm_fall_t;

typedef enum {
    BM_COMMITTED_DONE,
    BM_COMMITTED_ROLLED_BACK,
    BM_COMMITTED_UNKNOWN /* the session was lost, or SQL Server's answer does not tell */
} bm_committed_t;

typedef struct bm_fact {
    bm_fact_kind_t kind;
    size_t slot;
    bm_fence_identity_t identity;
    bm_fall_t fall;
    int64_t transaction_id;
    bm_committed_t commit;
    bm_status_t status; /* of FENCE_FELL and MARK_GONE: why; handed on in the answer */
} bm_fact_t;

typedef enum {
    BM_DEED_START_FENCE, /* slot, lease_ms */
    BM_DEED_END_FENCE,   /* slot: interrupt it (attention) */
    BM_DEED_START_MARK,  /* operation_id of MARK */
    BM_DEED_ROLLBACK,    /* the open mark, or the one that is being opened */
    BM_DEED_SAMPLE,      /* read L1 and answer operation_id */
    BM_DEED_COMMIT,      /* from here on the lease does not count */
    BM_DEED_PROVE, /* read and answer operation_id; `unsettled`: a COMMIT is still running here, so a name
                             that is not found counts as not asked */
    BM_DEED_PASS,             /* the order is in order: do it, answer operation_id */
    BM_DEED_ANSWER_FENCED,    /* ok; identities: bm_participant_fence */
    BM_DEED_ANSWER_MARKED,    /* ok, transaction_id */
    BM_DEED_ANSWER_COMMITTED, /* commit */
    BM_DEED_ANSWER_RELEASED,  /* each fence the order named: bm_participant_stood */
    BM_DEED_ANSWER_ABORTED,   /* ok = nothing is held */
    BM_DEED_REPEAT, /* seen before: send the stored answer; if it is still being worked on, nothing */
    BM_DEED_REFUSE, /* why, reason */
    BM_DEED_COUNT
} bm_deed_kind_t;

typedef struct bm_deed {
    bm_deed_kind_t kind;
    uint64_t operation_id; /* of the order that is answered, refused, repeated or done */
    size_t slot;
    int64_t lease_ms;
    bool ok;
    bool unsettled;
    int64_t transaction_id;
    bm_committed_t commit;
    bm_refuse_t why;
    bm_status_t status; /* of ANSWER with ok = false, and REFUSE */
    const char *reason; /* static text: of the row that was taken */
} bm_deed_t;

typedef struct bm_deeds {
    size_t count;
    bm_deed_t list[BM_PARTICIPANT_DEEDS];
} bm_deeds_t;

/*  What became of one fence. */
typedef enum {
    BM_FENCE_NONE,
    BM_FENCE_STARTING,
    BM_FENCE_STANDS,
    BM_FENCE_ENDING,   /* stood until we told it to end; not answered yet */
    BM_FENCE_RELEASED, /* stood until it was released */
    BM_FENCE_FAILED,
    BM_FENCE_EXPIRED,
    BM_FENCE_LOST
} bm_fence_state_t;

typedef struct bm_fence {
    bm_fence_state_t state;
    bool taken; /* FENCE_TAKEN came: the identity is valid */
    bm_fence_identity_t identity;
    int64_t since_ms; /* FENCE_TAKEN */
    int64_t until_ms; /* FENCE_ENDED or FENCE_FELL */
} bm_fence_t;

typedef struct bm_participant bm_participant_t;

/*  start_id: drawn by the agent at its start, never 0. */
bm_participant_t *bm_participant_new (uint64_t start_id);
void bm_participant_destroy (bm_participant_t **self_p);

/*  `out` is emptied first. Every order gets at least one deed with its operation id, now or later (the answer),
 *  or REPEAT. */
void bm_participant_order (bm_participant_t *self, const bm_order_t *order, int64_t now_ms,
                           bm_deeds_t *out);
/*  A fact that cannot be (an END_FENCE never asked for, a slot that does not exist) is swallowed. */
void bm_participant_fact (bm_participant_t *self, const bm_fact_t *fact, int64_t now_ms,
                          bm_deeds_t *out);

bm_participant_state_t bm_participant_state (const bm_participant_t *self);
const char *bm_participant_state_name (bm_participant_state_t state); /* "MARKED" */
const char *bm_participant_reason (const bm_participant_t *self);     /* of the last row taken */
const char *bm_fact_name (bm_fact_kind_t kind);
const char *bm_deed_name (bm_deed_kind_t kind);

/*  When TICK is due: the mark's lease; INT64_MAX when nothing waits for time. */
int64_t bm_participant_due_ms (const bm_participant_t *self);
/*  Whether a round holds something here; its epoch and round (may be NULL). */
bool bm_participant_busy (const bm_participant_t *self, uint64_t *epoch, uint32_t *round);

size_t bm_participant_fence_count (const bm_participant_t *self);
const bm_fence_t *bm_participant_fence (const bm_participant_t *self, size_t slot);
/*  Whether exactly that fence stood until it was released; else *why_not (static text), and *held_ms as far as it
 *  is known. Both may be NULL. Valid until the next FENCE order. */
bool bm_participant_stood (const bm_participant_t *self, const bm_named_fence_t *named,
                           const char **why_not, int64_t *held_ms);

typedef struct bm_participant_row {
    bm_participant_state_t from;
    const char *trigger;
    bm_participant_state_t to;
    const char *action;
    const char *why;
} bm_participant_row_t;
size_t bm_participant_rows (void);
bm_participant_row_t bm_participant_row (size_t row);
uint32_t bm_participant_row_taken (const bm_participant_t *self, size_t row);

#endif
