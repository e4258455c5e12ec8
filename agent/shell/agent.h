/*  agent/shell/agent.h
 *  What the rooms of one agent process share. Everything here belongs to the loop's thread.
 */
#ifndef BM_AGENT_H
#define BM_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/shell/answer.h"
#include "agent/shell/claims.h"
#include "agent/shell/config.h"
#include "agent/shell/door.h"
#include "agent/shell/manifest.h"
#include "agent/shell/operation.h"
#include "agent/shell/session.h"

typedef struct bm_agent bm_agent_t;
typedef struct bm_instance bm_instance_t;
typedef struct bm_queue bm_queue_t;

struct bm_agent {
    const bm_agent_config_t *config;
    uint64_t start_id; /* of this start: an order for another one has no effect */
    int64_t started_utc_us, started_ms;
    bm_door_t *door;
    bm_mailbox_t *mailbox;
    bm_sessions_t *sessions;
    bm_operations_t *operations;
    bm_gate_t *gate; /* of orders that name no instance */
    bm_manifests_t *manifests;
    bm_claims_t *claims; /* from any thread */
    bm_session_t *files; /* writes files, so that the loop never waits for a disk */
    bm_queue_t *queue;
    bm_instance_t **instances;
    size_t instance_count;
    bool stopping;
    int64_t stop_by_ms;
};

/*  Packs, stores and sends the one final answer; takes the body. An operation that was answered already (a COMMIT that
 *  outlived its deadline) only gets a log line. */
void bm_agent_answer (bm_agent_t *self, bm_operation_t *operation, Btsmark__Envelope__BodyCase kind,
                      bm_body_t body);
void bm_agent_refuse (bm_agent_t *self, bm_operation_t *operation, Btsmark__Refused__Why why,
                      const bm_error_t *error);
/*  Sends the stored answer to whoever asked last. */
void bm_agent_repeat (bm_agent_t *self, bm_operation_t *operation);
/*  Sends an envelope (taken) that is no final answer. */
void bm_agent_send (bm_agent_t *self, zframe_t *asker, Btsmark__Envelope *envelope);
/*  One Progress of a running operation. */
void bm_agent_progress (bm_agent_t *self, bm_operation_t *operation, int64_t now_ms);
/*  What Progress says of it now. Caller owns it. */
Btsmark__Progress *bm_agent_describe_progress (const bm_operation_t *operation, int64_t now_ms);

/*  By name without regard to case, or NULL. */
bm_instance_t *bm_agent_find_instance (const bm_agent_t *self, const char *name);

/*  "log backup of BizTalkDTADb on SQL01", for logs and status. Caller frees. */
char *bm_agent_describe (const bm_operation_t *operation);

#endif
