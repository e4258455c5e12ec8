/*  agent/shell/task.h
 *  An order that one of the long-lived sessions answers: the work in the session's thread makes the body, the loop sends it.
 */
#ifndef BM_TASK_H
#define BM_TASK_H

#include "agent/shell/agent.h"
#include "agent/shell/instance.h"

typedef struct bm_task bm_task_t;

struct bm_task {
    bm_job_t job;
    bm_agent_t *agent;
    bm_instance_t *instance; /* NULL for files */
    bm_operation_t *operation;
    const Btsmark__Envelope *order; /* borrowed from the operation, which is pinned */
    bm_session_t *session;
    bool own_session; /* ends with the task */
    bool unsettled;
    int64_t waited_ms; /* before it was submitted */
    bm_manifest_whole_t *manifest;
    /*  Made by the work. */
    Btsmark__Envelope__BodyCase kind;
    bm_body_t body;
};

/*  Begins `work` (in the session's thread; it fills kind and body). */
bm_task_t *bm_task_new (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation);
void bm_task_submit (bm_task_t *self, bm_session_t *session, bm_job_fn *work);
/*  The same in a session of the task's own, which ends with it: what takes its time and may not keep a run's questions
 *  waiting. `context` goes into its program name. */
void bm_task_submit_alone (bm_task_t *self, const char *context, bm_job_fn *work);

/*  In the session's thread: the connection, or NULL with *error. */
bm_sql_t *bm_task_sql (bm_task_t *self, bm_error_t *error);

#endif
