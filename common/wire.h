/*  common/wire.h
 *  The codec: one Envelope is one ZeroMQ frame after the routing id. Sizes and counts are checked before use.
 */
#ifndef BM_WIRE_H
#define BM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "common/sql.h"
#include "proto/btsmark.pb-c.h"

/*  Packs into a buffer that the caller frees. BM_LIMIT when larger than BM_LIMIT_WIRE_BYTES (a manifest: in parts). */
bm_status_t bm_wire_pack (const Btsmark__Envelope *envelope, uint8_t **data_p, size_t *size_p,
                          bm_error_t *error);
/*  BM_LIMIT when too large, BM_PROTOCOL when malformed, without a body, or of another protocol version (the version is
 *  still readable in the error's text). Every string is checked to be UTF-8 without NUL and every list to be within its limit.
 *  Freed by btsmark__envelope__free_unpacked (x, NULL). */
Btsmark__Envelope *bm_wire_unpack (const uint8_t *data, size_t size, bm_error_t *error);

/*  Version and operation id of a message that bm_wire_unpack refused, so that its sender can be answered; false when not
 *  even they can be read. */
bool bm_wire_peek (const uint8_t *data, size_t size, uint32_t *protocol, uint64_t *operation_id);

const char *bm_wire_body_name (const Btsmark__Envelope *envelope); /* "Mark", for logs */

/*  SQL messages <-> their wire form. The wire form is freed with the envelope it is put in (plain malloc). */
void bm_wire_messages (const bm_sql_messages_t *messages, Btsmark__SqlMessage ***items_p,
                       size_t *count_p);

#endif
