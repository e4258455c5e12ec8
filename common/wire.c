#include "common/wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/utf8.h"

/*  Messages inside messages: the protocol needs four levels. */
#define S_DEPTH 8

/*  A raw message is walked with its descriptor before protobuf-c allocates anything for it: protobuf-c itself
 *  checks neither UTF-8 nor counts, and hides what stands behind a NUL. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} s_span_t;

enum { S_WIRE_VARINT = 0, S_WIRE_64 = 1, S_WIRE_LENGTH = 2, S_WIRE_32 = 5 };

static bool
s_varint (s_span_t *span, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && span->at < span->end; shift += 7) {
        uint8_t byte = *span->at++;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/*  Takes one field's content; for a length-delimited one *content is what is inside. */
static bool
s_content (s_span_t *span, unsigned wire_type, s_span_t *content, uint64_t *number)
{
    uint64_t length = 0;
    *content = (s_span_t){span->at, span->at};
    *number = 0;
    switch (wire_type) {
        case S_WIRE_VARINT:
            return s_varint (span, number);
        case S_WIRE_64:
            length = 8;
            break;
        case S_WIRE_32:
            length = 4;
            break;
        case S_WIRE_LENGTH:
            if (!s_varint (span, &length))
                return false;
            break;
        default:
            return false; /* groups are of an older protobuf */
    }
    if (length > (uint64_t)(span->end - span->at))
        return false;
    *content = (s_span_t){span->at, span->at + length};
    span->at += length;
    return true;
}

/*  How many items a list may have. */
static size_t
s_list_limit (const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
        field->descriptor == &btsmark__sql_message__descriptor)
        return BM_LIMIT_MESSAGES;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
        field->descriptor == &btsmark__instance__descriptor)
        return BM_LIMIT_AGENT_INSTANCES;
    return BM_LIMIT_DATABASES;
}

static const ProtobufCFieldDescriptor *
s_field (const ProtobufCMessageDescriptor *message, uint64_t id)
{
    for (unsigned i = 0; i < message->n_fields; i++)
        if (message->fields[i].id == id)
            return &message->fields[i];
    return NULL;
}

static bm_status_t
s_check (const ProtobufCMessageDescriptor *message, s_span_t span, int depth, bm_error_t *error);

static bm_status_t
s_check_field (const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field,
               unsigned wire_type, s_span_t content, int depth, bm_error_t *error)
{
    bool is_text = field->type == PROTOBUF_C_TYPE_STRING;
    bool is_message = field->type == PROTOBUF_C_TYPE_MESSAGE;
    if ((is_text || is_message) && wire_type != S_WIRE_LENGTH)
        return bm_fail (error, BM_PROTOCOL, "%s.%s has the wrong wire type", message->short_name,
                        field->name);
    if (is_text && !bm_utf8_valid ((const char *)content.at, (size_t)(content.end - content.at)))
        return bm_fail (error, BM_PROTOCOL, "%s.%s is not UTF-8 text", message->short_name,
                        field->name);
    return is_message ? s_check (field->descriptor, content, depth + 1, error) : BM_OK;
}

static bm_status_t
s_check (const ProtobufCMessageDescriptor *message, s_span_t span, int depth, bm_error_t *error)
{
    if (depth > S_DEPTH)
        return bm_fail (error, BM_LIMIT, "messages are nested deeper than %d", S_DEPTH);
    size_t *counts = bm_alloc (message->n_fields * sizeof *counts);
    bm_status_t status = BM_OK;
    while (span.at < span.end && status == BM_OK) {
        uint64_t tag;
        uint64_t number;
        s_span_t content;
        if (!s_varint (&span, &tag) || tag >> 3 == 0 ||
            !s_content (&span, (unsigned)(tag & 7), &content, &number)) {
            status = bm_fail (error, BM_PROTOCOL, "a %s is malformed", message->short_name);
            break;
        }
        const ProtobufCFieldDescriptor *field = s_field (message, tag >> 3);
        if (!field)
            continue; /* of a later version */
        if (field->label == PROTOBUF_C_LABEL_REPEATED &&
            ++counts[field - message->fields] > s_list_limit (field))
            status = bm_fail (error, BM_LIMIT, "%s.%s has more than %zu items", message->short_name,
                              field->name, s_list_limit (field));
        else
            status = s_check_field (message, field, (unsigned)(tag & 7), content, depth, error);
    }
    free (counts);
    return status;
}

/*  Field 1 of the envelope, readable whatever the rest is. */
static bm_status_t
s_check_version (s_span_t span, bm_error_t *error)
{
    uint64_t version = 0;
    while (span.at < span.end) {
        uint64_t tag;
        uint64_t number;
        s_span_t content;
        if (!s_varint (&span, &tag) || !s_content (&span, (unsigned)(tag & 7), &content, &number))
            return bm_fail (error, BM_PROTOCOL, "the message is malformed");
        if (tag == (1u << 3 | S_WIRE_VARINT))
            version = number;
    }
    if (version != BM_PROTOCOL_VERSION)
        return bm_fail (error, BM_PROTOCOL,
                        "the message is of protocol version %" PRIu64 "; this is version %d",
                        version, BM_PROTOCOL_VERSION);
    return BM_OK;
}

bm_status_t
bm_wire_pack (const Btsmark__Envelope *envelope, uint8_t **data_p, size_t *size_p,
              bm_error_t *error)
{
    *data_p = NULL;
    *size_p = 0;
    size_t size = btsmark__envelope__get_packed_size (envelope);
    if (size > BM_LIMIT_WIRE_BYTES)
        return bm_fail (error, BM_LIMIT, "a %s message of %zu bytes is larger than %d",
                        bm_wire_body_name (envelope), size, BM_LIMIT_WIRE_BYTES);
    *data_p = bm_alloc (size);
    *size_p = btsmark__envelope__pack (envelope, *data_p);
    bm_require (*size_p == size);
    return BM_OK;
}

static Btsmark__Envelope *
s_unpack (const uint8_t *data, size_t size, bm_error_t *error)
{
    if (size > BM_LIMIT_WIRE_BYTES) {
        bm_fail (error, BM_LIMIT, "a message of %zu bytes is larger than %d", size,
                 BM_LIMIT_WIRE_BYTES);
        return NULL;
    }
    s_span_t span = {data, data + size};
    if (s_check_version (span, error) || s_check (&btsmark__envelope__descriptor, span, 0, error))
        return NULL;
    Btsmark__Envelope *envelope = btsmark__envelope__unpack (NULL, size, data);
    if (!envelope) {
        bm_fail (error, BM_PROTOCOL, "the message is malformed");
    } else if (envelope->body_case == BTSMARK__ENVELOPE__BODY__NOT_SET) {
        bm_fail (error, BM_PROTOCOL, "the message has no body that this version knows");
        btsmark__envelope__free_unpacked (envelope, NULL);
        envelope = NULL;
    }
    return envelope;
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define S_THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define S_THREAD_SANITIZER
#endif

#ifdef S_THREAD_SANITIZER
/*  libzmq hands a message from its I/O thread to ours in a way that ThreadSanitizer cannot see. This one function reads
 *  the bytes unseen, into memory of our own, and nothing else does: races on anything but a frame's bytes still show. */
__attribute__ ((no_sanitize ("thread"))) static void
s_copy_unseen (uint8_t *to, const uint8_t *from, size_t size)
{
    const volatile uint8_t *at = from;
    for (size_t i = 0; i < size; i++)
        to[i] = at[i];
}
#endif

/*  The bytes as this thread may read them. */
static const uint8_t *
s_take (const uint8_t *data, size_t size)
{
#ifdef S_THREAD_SANITIZER
    uint8_t *copy = bm_alloc (size + 1);
    s_copy_unseen (copy, data, size);
    return copy;
#else
    (void)size;
    return data;
#endif
}

static void
s_put (const uint8_t *taken, const uint8_t *data)
{
    if (taken != data)
        free ((void *)(uintptr_t)taken);
}

Btsmark__Envelope *
bm_wire_unpack (const uint8_t *data, size_t size, bm_error_t *error)
{
    const uint8_t *taken = s_take (data, size);
    Btsmark__Envelope *envelope = s_unpack (taken, size, error);
    s_put (taken, data);
    return envelope;
}

bool
bm_wire_peek (const uint8_t *data, size_t size, uint32_t *protocol, uint64_t *operation_id)
{
    if (size > BM_LIMIT_WIRE_BYTES)
        return false;
    const uint8_t *taken = s_take (data, size);
    Btsmark__Envelope *envelope = btsmark__envelope__unpack (NULL, size, taken);
    s_put (taken, data);
    if (!envelope)
        return false;
    *protocol = envelope->protocol;
    *operation_id = envelope->operation_id;
    btsmark__envelope__free_unpacked (envelope, NULL);
    return true;
}

const char *
bm_wire_body_name (const Btsmark__Envelope *envelope)
{
    const ProtobufCFieldDescriptor *field =
        s_field (&btsmark__envelope__descriptor, (uint64_t)envelope->body_case);
    return field && field->type == PROTOBUF_C_TYPE_MESSAGE
               ? ((const ProtobufCMessageDescriptor *)field->descriptor)->short_name
               : "empty";
}

void
bm_wire_messages (const bm_sql_messages_t *messages, Btsmark__SqlMessage ***items_p,
                  size_t *count_p)
{
    *items_p = NULL;
    *count_p = messages ? messages->count : 0;
    if (*count_p == 0)
        return;
    *items_p = bm_alloc (*count_p * sizeof **items_p);
    for (size_t i = 0; i < *count_p; i++) {
        Btsmark__SqlMessage *item = bm_alloc (sizeof *item);
        btsmark__sql_message__init (item);
        item->number = messages->items[i].number;
        item->severity = messages->items[i].severity;
        item->state = messages->items[i].state;
        item->line = messages->items[i].line;
        item->procedure = bm_strdup (messages->items[i].procedure);
        item->text = bm_strdup (messages->items[i].text);
        (*items_p)[i] = item;
    }
}
