/*  agent/shell/instance.h
 *  One SQL Server instance: its participant in rounds, the sessions that hold its fences and its mark, and one session
 *  each for questions and for progress. The loop's thread only.
 */
#ifndef BM_INSTANCE_H
#define BM_INSTANCE_H

#include "agent/core/participant.h"
#include "agent/shell/agent.h"
#include "agent/shell/fence.h"
#include "agent/shell/mark.h"

typedef struct bm_fence_run bm_fence_run_t;
typedef struct bm_mark_run bm_mark_run_t;

struct bm_instance {
    bm_agent_t *agent;
    const bm_instance_config_t *config;
    bm_participant_t *participant;
    bm_session_t *query; /* PREPARE, PROVE, SETTLE */
    bm_session_t *probe; /* GREET, progress, KILL: never busy for long */
    /*  Of the present or last round. */
    uint64_t fence_operation;
    char *fence_names[BM_PARTICIPANT_FENCES];
    bm_fence_run_t *fences[BM_PARTICIPANT_FENCES];
    size_t fence_count;
    bm_error_t fence_error; /* why the first one failed */
    bm_sql_messages_t *fence_messages;
    bm_mark_run_t *mark;
    bm_error_t mark_error;
    bm_sql_messages_t *mark_messages;
    uint64_t mark_took_us;
    bm_sample_t mark_sample;   /* L2 */
    uint64_t commit_operation; /* 0 once it is answered */
    int64_t commit_due_ms;
    bm_session_t *sampling; /* L1; from MARK to COMMIT */
    uint64_t sample_operation;
    int64_t sample_due_ms;
};

bm_instance_t *bm_instance_new (bm_agent_t *agent, const bm_instance_config_t *config);
/*  Its sessions must have ended. */
void bm_instance_destroy (bm_instance_t **self_p);

/*  An order that names this instance and is stored as `operation`. */
void bm_instance_order (bm_instance_t *self, bm_operation_t *operation, bm_order_kind_t kind);
/*  Leases and the COMMIT's deadline. */
void bm_instance_tick (bm_instance_t *self, int64_t now_ms);
/*  What is held is ended; new orders are refused. */
void bm_instance_stop (bm_instance_t *self);
/*  Nothing is held and nothing of a round runs. */
bool bm_instance_idle (const bm_instance_t *self);
/*  Ends the sessions that stay open between orders. */
void bm_instance_end_sessions (bm_instance_t *self);

#endif
