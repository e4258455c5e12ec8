/*  coordinator/shell/hosts.c */
#include "coordinator/shell/hosts.h"

#include <stdlib.h>

enum { STATUS_DEADLINE_MS = 5000 };

typedef struct asking {
    bm_hosts_t *hosts;
    size_t waiting;
} asking_t;

/*  A copy that outlives the answer. */
static Btsmark__StatusReport *
s_keep (const Btsmark__StatusReport *report)
{
    size_t size = btsmark__status_report__get_packed_size (report);
    uint8_t *packed = bm_alloc (size + 1);
    btsmark__status_report__pack (report, packed);
    Btsmark__StatusReport *copy = btsmark__status_report__unpack (NULL, size, packed);
    free (packed);
    return copy;
}

static void
s_on_status (void *argument, size_t agent, const Btsmark__Envelope *answer, const bm_error_t *error)
{
    asking_t *asking = argument;
    asking->waiting--;
    if (error->status != BM_OK)
        asking->hosts->errors[agent] = *error;
    else if (answer->body_case == BTSMARK__ENVELOPE__BODY_STATUS_REPORT)
        asking->hosts->reports[agent] = s_keep (answer->status_report);
    else
        bm_fail (&asking->hosts->errors[agent], BM_PROTOCOL,
                 "STATUS was answered by another kind of answer");
}

void
bm_hosts_ask (bm_agents_t *agents, int64_t greet_ms, bm_hosts_t *self)
{
    asking_t asking = {.hosts = self};
    self->count = bm_agents_count (agents);
    self->reports = bm_alloc ((self->count + 1) * sizeof (void *));
    self->errors = bm_alloc ((self->count + 1) * sizeof *self->errors);
    bm_agents_greet_all (agents, greet_ms);
    for (size_t i = 0; i < self->count; i++) {
        if (!bm_agents_greeting (agents, i, &self->errors[i]))
            continue;
        Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
        Btsmark__Status status = BTSMARK__STATUS__INIT;
        envelope.body_case = BTSMARK__ENVELOPE__BODY_STATUS;
        envelope.status = &status;
        bm_delivery_t how = {
            .deadline_ms = STATUS_DEADLINE_MS, .on_answer = s_on_status, .argument = &asking};
        asking.waiting++;
        bm_agents_order (agents, i, &envelope, &how);
    }
    while (asking.waiting)
        bm_agents_wait (agents, 1000, -1);
}

void
bm_hosts_clear (bm_hosts_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->reports[i])
            btsmark__status_report__free_unpacked (self->reports[i], NULL);
    free (self->reports);
    free (self->errors);
    *self = (bm_hosts_t){0};
}
