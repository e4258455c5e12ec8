#include "agent/shell/inspect.h"

#include "agent/shell/answer.h"

Btsmark__Inspected *
bm_inspect_run (const bm_inspect_t *self, const Btsmark__Inspect *order)
{
    (void)order;
    Btsmark__Inspected *inspected = bm_alloc (sizeof *inspected);
    btsmark__inspected__init (inspected);
    bm_answer_text (&inspected->instance, self->instance->name);
    inspected->fault = self->sql ? NULL : bm_answer_fault (self->error);
    return inspected;
}
