#include "agent/shell/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"

void
bm_answer_text (char **field, const char *value)
{
    if (*field != protobuf_c_empty_string)
        free (*field);
    *field = value && *value ? bm_strdup (value) : (char *)protobuf_c_empty_string;
}

Btsmark__Fault *
bm_answer_fault (const bm_error_t *error)
{
    if (error->status == BM_OK)
        return NULL;
    Btsmark__Fault *fault = bm_alloc (sizeof *fault);
    btsmark__fault__init (fault);
    bm_answer_text (&fault->status, bm_status_name (error->status));
    bm_answer_text (&fault->text, error->text);
    bm_answer_text (&fault->remedy, error->remedy);
    return fault;
}

Btsmark__Fault *
bm_answer_fault_new (bm_status_t status, const char *format, ...)
{
    char text[sizeof ((bm_error_t *)0)->text];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    bm_error_t error = {0};
    bm_fail (&error, status, "%s", text);
    return bm_answer_fault (&error);
}

void
bm_answer_add_fault (Btsmark__Fault ***items_p, size_t *count_p, Btsmark__Fault *fault)
{
    if (!fault)
        return;
    *items_p = bm_realloc (*items_p, (*count_p + 1) * sizeof **items_p);
    (*items_p)[(*count_p)++] = fault;
}

void
bm_answer_add_text (char ***items_p, size_t *count_p, const char *text)
{
    *items_p = bm_realloc (*items_p, (*count_p + 1) * sizeof **items_p);
    (*items_p)[(*count_p)++] = bm_strdup (text);
}

Btsmark__Envelope *
bm_answer_new (const Btsmark__Envelope *order, uint64_t start_id, Btsmark__Envelope__BodyCase kind,
               bm_body_t body)
{
    Btsmark__Envelope *self = bm_alloc (sizeof *self);
    btsmark__envelope__init (self);
    self->protocol = BM_PROTOCOL_VERSION;
    self->start_id = start_id;
    if (order) {
        self->operation_id = order->operation_id;
        self->epoch = order->epoch;
        self->round = order->round;
        bm_answer_text (&self->group, order->group);
    }
    self->body_case = kind;
    /*  All members of the oneof are pointers of one size in a C union. */
    self->greeting = body.greeting;
    return self;
}

Btsmark__Envelope *
bm_answer_refuse (const Btsmark__Envelope *order, uint64_t start_id, Btsmark__Refused__Why why,
                  const bm_error_t *error)
{
    Btsmark__Refused *refused = bm_alloc (sizeof *refused);
    btsmark__refused__init (refused);
    refused->why = why;
    refused->fault = bm_answer_fault (error);
    refused->start_id = start_id;
    refused->protocol = BM_PROTOCOL_VERSION;
    return bm_answer_new (order, start_id, BTSMARK__ENVELOPE__BODY_REFUSED,
                          (bm_body_t){.refused = refused});
}
