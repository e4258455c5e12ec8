#include "agent/shell/agent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/instance.h"
#include "agent/shell/orders.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"

static void
s_send_packed (bm_agent_t *self, zframe_t *asker, const uint8_t *data, size_t size)
{
    zsock_t *socket = bm_door_socket (self->door);
    zframe_t *payload = zframe_new (data, size);
    /*  Nobody may hold up the loop. Who is gone asks again when it is back: the answer is stored. */
    int sent = zframe_send (&asker, socket, ZFRAME_MORE | ZFRAME_REUSE | ZFRAME_DONTWAIT);
    if (sent == 0)
        sent = zframe_send (&payload, socket, ZFRAME_DONTWAIT);
    if (sent != 0)
        bm_log_debug ("an answer could not be sent: %s", zmq_strerror (zmq_errno ()));
    zframe_destroy (&payload);
}

void
bm_agent_send (bm_agent_t *self, zframe_t *asker, Btsmark__Envelope *envelope)
{
    uint8_t *data = NULL;
    size_t size = 0;
    bm_error_t error;
    if (bm_wire_pack (envelope, &data, &size, &error) == BM_OK)
        s_send_packed (self, asker, data, size);
    else
        bm_log_error ("an answer could not be packed: %s", error.text);
    free (data);
    btsmark__envelope__free_unpacked (envelope, NULL);
}

void
bm_agent_repeat (bm_agent_t *self, bm_operation_t *operation)
{
    if (operation->answer)
        s_send_packed (self, operation->asker, operation->answer, operation->answer_size);
}

/*  An answer that does not fit on the wire is told as such: silence would look like a lost agent. */
static void
s_pack (bm_agent_t *self, bm_operation_t *operation, Btsmark__Envelope *envelope, uint8_t **data_p,
        size_t *size_p)
{
    bm_error_t error;
    if (bm_wire_pack (envelope, data_p, size_p, &error) == BM_OK)
        return;
    bm_log_error ("the answer to %s cannot be sent: %s", bm_wire_body_name (operation->order),
                  error.text);
    Btsmark__Envelope *refused = bm_answer_refuse (operation->order, self->start_id,
                                                   BTSMARK__REFUSED__WHY__BAD_REQUEST, &error);
    bm_require (bm_wire_pack (refused, data_p, size_p, &error) == BM_OK);
    btsmark__envelope__free_unpacked (refused, NULL);
}

static void
s_answer (bm_agent_t *self, bm_operation_t *operation, Btsmark__Envelope *envelope)
{
    uint8_t *data = NULL;
    size_t size = 0;
    s_pack (self, operation, envelope, &data, &size);
    btsmark__envelope__free_unpacked (envelope, NULL);
    bm_operations_answered (self->operations, operation, data, size, bm_clock_mono_ms ());
    bm_agent_repeat (self, operation);
}

void
bm_agent_answer (bm_agent_t *self, bm_operation_t *operation, Btsmark__Envelope__BodyCase kind,
                 bm_body_t body)
{
    if (operation->answer) {
        protobuf_c_message_free_unpacked (body.message, NULL);
        return;
    }
    s_answer (self, operation, bm_answer_new (operation->order, self->start_id, kind, body));
}

void
bm_agent_refuse (bm_agent_t *self, bm_operation_t *operation, Btsmark__Refused__Why why,
                 const bm_error_t *error)
{
    if (operation->answer)
        return;
    char *what = bm_agent_describe (operation);
    bm_log_warning ("refused %s of %s: %s", what, operation->allow->name, error->text);
    free (what);
    s_answer (self, operation, bm_answer_refuse (operation->order, self->start_id, why, error));
}

Btsmark__Progress *
bm_agent_describe_progress (const bm_operation_t *operation, int64_t now_ms)
{
    Btsmark__Progress *progress = bm_alloc (sizeof *progress);
    btsmark__progress__init (progress);
    progress->what = bm_agent_describe (operation);
    bm_answer_text (&progress->instance, bm_orders_instance (operation->order));
    bm_answer_text (&progress->database, bm_orders_database (operation->order));
    bm_answer_text (&progress->step, operation->step);
    progress->percent = operation->percent;
    progress->elapsed_ms = (uint64_t)(now_ms - operation->began_ms);
    progress->since_change_ms = (uint64_t)(now_ms - operation->changed_ms);
    progress->total_bytes = operation->total_bytes;
    progress->remaining_ms = operation->remaining_ms;
    return progress;
}

void
bm_agent_progress (bm_agent_t *self, bm_operation_t *operation, int64_t now_ms)
{
    Btsmark__Progress *progress = bm_agent_describe_progress (operation, now_ms);
    operation->beat_ms = now_ms;
    bm_agent_send (self, operation->asker,
                   bm_answer_new (operation->order, self->start_id,
                                  BTSMARK__ENVELOPE__BODY_PROGRESS,
                                  (bm_body_t){.progress = progress}));
}

bm_instance_t *
bm_agent_find_instance (const bm_agent_t *self, const char *name)
{
    for (size_t i = 0; i < self->instance_count; i++)
        if (bm_names_equal (self->instances[i]->config->name, name))
            return self->instances[i];
    return NULL;
}

char *
bm_agent_describe (const bm_operation_t *operation)
{
    const Btsmark__Envelope *order = operation->order;
    if (!order)
        return bm_strdup ("an answered order");
    const char *instance = bm_orders_instance (order);
    if (order->body_case == BTSMARK__ENVELOPE__BODY_BACKUP)
        return bm_format ("%s backup of %s on %s",
                          order->backup->type == BTSMARK__SET_TYPE__FULL ? "full" : "log",
                          order->backup->database, instance);
    return bm_format ("%s%s%s", bm_wire_body_name (order), *instance ? " on " : "", instance);
}
