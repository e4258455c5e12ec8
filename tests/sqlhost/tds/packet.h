/*  tests/sqlhost/tds/packet.h
 *  Packets (MS-TDS 2.2.3.1) to messages and back. Pure: buffers in, buffers out. */
#ifndef SH_TDS_PACKET_H
#define SH_TDS_PACKET_H

#include "tests/sqlhost/tds/wire.h"

#define SH_PACKET_HEADER 8

/*  MS-TDS 2.2.3.1.1 Type */
typedef enum {
    SH_PACKET_BATCH = 1,
    SH_PACKET_OLD_LOGIN = 2,
    SH_PACKET_RPC = 3,
    SH_PACKET_RESPONSE = 4,
    SH_PACKET_ATTENTION = 6,
    SH_PACKET_BULK = 7,
    SH_PACKET_FEDAUTH = 8,
    SH_PACKET_TRANSACTION = 14,
    SH_PACKET_LOGIN7 = 16,
    SH_PACKET_SSPI = 17,
    SH_PACKET_PRELOGIN = 18
} sh_packet_type_t;

/*  MS-TDS 2.2.3.1.2 Status */
enum {
    SH_PACKET_END = 0x01,
    SH_PACKET_IGNORE = 0x02,
    SH_PACKET_RESET = 0x08,
    SH_PACKET_RESET_KEEP = 0x10
};

typedef struct {
    uint8_t type;
    uint8_t status;
    uint16_t length; /* header included */
    uint16_t spid;
    uint8_t number;
} sh_packet_header_t;

/*  False when the length or the type is none that a client may send. */
bool sh_packet_header_read (const uint8_t data[SH_PACKET_HEADER], sh_packet_header_t *header);

typedef enum {
    SH_ASSEMBLY_MORE,    /* the message goes on */
    SH_ASSEMBLY_MESSAGE, /* the message stands in `body`; clear before the next packet */
    SH_ASSEMBLY_IGNORED, /* the client took the message back */
    SH_ASSEMBLY_BAD      /* see `why`: close */
} sh_assembly_result_t;

typedef struct {
    sh_writer_t body;
    uint8_t type;
    uint8_t status; /* of the first packet: RESET bits */
    bool open;      /* a message has begun */
    size_t limit;
    const char *why;
} sh_assembly_t;

void sh_assembly_clear (sh_assembly_t *self);
/*  Adds one packet's payload. */
sh_assembly_result_t sh_assembly_add (sh_assembly_t *self, const sh_packet_header_t *header,
                                      const uint8_t *payload, size_t size);

/*  Appends `size` bytes as one response packet. */
void sh_packet_write (sh_writer_t *out, uint8_t type, bool end, uint16_t spid, uint8_t number,
                      const uint8_t *payload, size_t size);

#endif
