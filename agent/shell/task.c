#include "agent/shell/task.h"

#include <stdlib.h>

bm_task_t *
bm_task_new (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation)
{
    bm_task_t *self = bm_alloc (sizeof *self);
    self->agent = agent;
    self->instance = instance;
    self->operation = operation;
    self->order = operation->order;
    bm_operation_pin (operation);
    operation->work = self;
    return self;
}

static void
s_done (bm_job_t *job)
{
    bm_task_t *self = job->data;
    bm_error_t error = {0};
    self->operation->work = NULL;
    if (self->body.message)
        bm_agent_answer (self->agent, self->operation, self->kind, self->body);
    else {
        bm_fail (&error, BM_STOPPED, "%s was cancelled before it began%s%s",
                 bm_wire_body_name (self->order), *self->operation->why_cancelled ? ": " : "",
                 self->operation->why_cancelled);
        bm_agent_refuse (self->agent, self->operation, BTSMARK__REFUSED__WHY__STOPPING, &error);
    }
    bm_operation_unpin (self->operation);
    if (self->own_session)
        bm_session_end (&self->session);
    bm_manifest_whole_destroy (&self->manifest);
    free (self);
}

void
bm_task_submit (bm_task_t *self, bm_session_t *session, bm_job_fn *work)
{
    self->session = session;
    self->job = (bm_job_t){.work = work, .done = s_done, .data = self};
    bm_session_submit (session, &self->job);
}

void
bm_task_submit_alone (bm_task_t *self, const char *context, bm_job_fn *work)
{
    self->own_session = true;
    bm_task_submit (self, bm_session_new (self->agent->sessions, self->instance->config, context),
                    work);
}

bm_sql_t *
bm_task_sql (bm_task_t *self, bm_error_t *error)
{
    return bm_session_sql (self->job.session, error);
}
