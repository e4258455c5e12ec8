/*  agent/shell/operation.h
 *  Every order is known by its operation id: one that comes again gets the stored answer again, or is remembered as the
 *  one to answer. The store is bounded; what still runs is never dropped. The loop's thread only.
 */
#ifndef BM_OPERATION_H
#define BM_OPERATION_H

#include <czmq.h>
#include "agent/shell/config.h"
#include "common/wire.h"

#define BM_OPERATIONS_MAX     8192
#define BM_OPERATIONS_BYTES   (8 * 1024 * 1024) /* of stored answers */
#define BM_OPERATIONS_KEEP_MS (15 * 60 * 1000)

typedef struct bm_operation {
    uint64_t id;
    const bm_allow_t *allow;  /* whose order it is: nobody else gets its answer */
    Btsmark__Envelope *order; /* dropped when it is answered and no job uses it */
    zframe_t *asker;          /* routing id of the last one who asked */
    size_t pins;              /* jobs that borrow the order */
    int64_t began_ms, answered_ms;
    Btsmark__Envelope__BodyCase kind;
    uint8_t *answer; /* packed; NULL while it runs */
    size_t answer_size;
    /*  Of Progress. */
    char step[64];
    double percent;                    /* -1 = unknown */
    int64_t total_bytes, remaining_ms; /* -1 = unknown */
    int64_t changed_ms, beat_ms;
    bool cancelled;
    char why_cancelled[160];
    void *work; /* of the room that does it */
} bm_operation_t;

typedef struct bm_operations bm_operations_t;

bm_operations_t *bm_operations_new (void);
void bm_operations_destroy (bm_operations_t **self_p);

/*  Takes the order and the frame. NULL (nothing taken) when the store is full of running ones. */
bm_operation_t *bm_operations_add (bm_operations_t *self, const bm_allow_t *allow,
                                   Btsmark__Envelope **order_p, zframe_t **asker_p, int64_t now_ms);
/*  Of this key, or NULL. */
bm_operation_t *bm_operations_find (bm_operations_t *self, const bm_allow_t *allow, uint64_t id);

/*  Of any key: for what was let in already. */
bm_operation_t *bm_operations_by_id (bm_operations_t *self, uint64_t id);

/*  Stores the packed answer (taken). */
void bm_operations_answered (bm_operations_t *self, bm_operation_t *operation, uint8_t *answer,
                             size_t size, int64_t now_ms);
void bm_operation_pin (bm_operation_t *operation);
void bm_operation_unpin (bm_operation_t *operation);
/*  Sets what Progress says; notes whether it moved. */
void
bm_operation_step (bm_operation_t *operation, const char *step, double percent, int64_t now_ms);

size_t bm_operations_running (const bm_operations_t *self);
/*  Those that are not answered, oldest first; a list of the caller's, NULL-terminated, to be freed. */
bm_operation_t **bm_operations_list_running (const bm_operations_t *self);
/*  Forgets answers that are old, or too many. */
void bm_operations_trim (bm_operations_t *self, int64_t now_ms);

#endif
