/*  agent/core/gate.h
 *  What an order is, and whether it may be looked at: duty, start, expiry, seen before, epoch and round. Pure; nothing is
 *  allocated between new and destroy. One gate an instance, and one for orders that name none.
 */
#ifndef BM_GATE_H
#define BM_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "common/limits.h"

#define BM_PARTICIPANT_GROUPS 16   /* whose epochs are known; the longest silent one is forgotten */
#define BM_PARTICIPANT_SEEN   4096 /* operation ids kept until their expiry; when all live: BUSY */
#define BM_PARTICIPANT_FENCES 64   /* tracking databases of one instance */
#define BM_FENCE_TIME_BYTES   40

/*  Bits: of the key that asks. */
typedef enum { BM_DUTY_STATUS = 1, BM_DUTY_BACKUP = 2, BM_DUTY_RESTORE = 4 } bm_duty_t;

typedef enum {
    BM_ORDER_STATUS,  /* duty status; passed on */
    BM_ORDER_PREPARE, /* duty backup; passed on */
    BM_ORDER_FENCE,   /* fence_count, lease_ms */
    BM_ORDER_MARK,    /* fences, lease_ms */
    BM_ORDER_SAMPLE,
    BM_ORDER_COMMIT,  /* fences, transaction_id */
    BM_ORDER_RELEASE, /* fences */
    BM_ORDER_ABORT,
    BM_ORDER_PROVE,
    BM_ORDER_BACKUP, /* and whatever else only needs the duty backup: passed on */
    BM_ORDER_SETTLE, /* passed on, after an older round of the group was ended */
    BM_ORDER_COUNT
} bm_order_kind_t;

/*  A fence is known by these. */
typedef struct bm_fence_identity {
    uint64_t start_id;
    int64_t transaction_id;
    char login_time[BM_FENCE_TIME_BYTES];
} bm_fence_identity_t;

/*  A fence that an order names: slot = place of its database in the FENCE order's list (SIZE_MAX: it was not in
 *  it), and the identity as the order says it. */
typedef struct bm_named_fence {
    size_t slot;
    bm_fence_identity_t identity;
} bm_named_fence_t;

typedef struct bm_order {
    bm_order_kind_t kind;
    uint32_t duties; /* of the key that asks */
    uint64_t group;  /* bm_participant_group (key and group name) */
    uint64_t start_id;
    uint64_t operation_id; /* 0 is refused */
    uint64_t epoch;
    uint32_t round;                 /* 0 outside a round */
    int64_t expires_ms;             /* on this agent's monotonic clock */
    int64_t lease_ms;               /* 1 .. BM_LIMIT_LEASE_MS */
    size_t fence_count;             /* of FENCE: how many databases; else of `fences` */
    const bm_named_fence_t *fences; /* MARK, COMMIT, RELEASE */
    int64_t transaction_id;         /* COMMIT: of Marked */
} bm_order_t;

/*  As Refused.Why of the wire. */
typedef enum {
    BM_REFUSE_STALE,
    BM_REFUSE_EXPIRED,
    BM_REFUSE_OLD_EPOCH,
    BM_REFUSE_OLD_ROUND,
    BM_REFUSE_BUSY,
    BM_REFUSE_NO_DUTY,
    BM_REFUSE_BAD_REQUEST,
    BM_REFUSE_STOPPING,
    BM_REFUSE_OUT_OF_ORDER,
    BM_REFUSE_COUNT
} bm_refuse_t;

const char *bm_order_name (bm_order_kind_t kind); /* "COMMIT" */
const char *bm_refuse_name (bm_refuse_t why);     /* "OUT_OF_ORDER" */
bm_status_t bm_refuse_status (bm_refuse_t why);   /* of error.def */
/*  Whether the order belongs to a round: FENCE to PROVE. */
bool bm_order_of_round (bm_order_kind_t kind);

/*  Number for (key, group name): orders of one group are ordered by epoch and round among themselves. */
uint64_t bm_participant_group (const char *key, const char *group_name);

typedef enum { BM_GATE_PASS, BM_GATE_REPEAT, BM_GATE_REFUSE } bm_gate_answer_t;

typedef struct bm_gate bm_gate_t;

/*  start_id: drawn by the agent at its start, never 0. */
bm_gate_t *bm_gate_new (uint64_t start_id);
void bm_gate_destroy (bm_gate_t **self_p);
/*  From now on only STATUS, RELEASE and ABORT pass. */
void bm_gate_stop (bm_gate_t *self);

/*  PASS: look at it, and remember it until its expiry. REPEAT: it passed or was refused before. REFUSE: *why and
 *  *reason (static text), it had no effect. */
bm_gate_answer_t bm_gate_check (bm_gate_t *self, const bm_order_t *order, int64_t now_ms,
                                bm_refuse_t *why, const char **reason);

#endif
