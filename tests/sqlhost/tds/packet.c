/*  tests/sqlhost/tds/packet.c */
#include "tests/sqlhost/tds/packet.h"

#include "tests/sqlhost/tds/limits.h"

bool
sh_packet_header_read (const uint8_t data[SH_PACKET_HEADER], sh_packet_header_t *header)
{
    *header = (sh_packet_header_t){.type = data[0],
                                   .status = data[1],
                                   .length = (uint16_t)(data[2] << 8 | data[3]),
                                   .spid = (uint16_t)(data[4] << 8 | data[5]),
                                   .number = data[6]};
    if (header->length < SH_PACKET_HEADER || header->length > SH_LIMIT_PACKET_MAX)
        return false;
    switch (header->type) {
        case SH_PACKET_BATCH:
        case SH_PACKET_OLD_LOGIN:
        case SH_PACKET_RPC:
        case SH_PACKET_ATTENTION:
        case SH_PACKET_BULK:
        case SH_PACKET_FEDAUTH:
        case SH_PACKET_TRANSACTION:
        case SH_PACKET_LOGIN7:
        case SH_PACKET_SSPI:
        case SH_PACKET_PRELOGIN:
            return true;
        default:
            return false;
    }
}

void
sh_assembly_clear (sh_assembly_t *self)
{
    sh_writer_clear (&self->body);
    self->open = false;
    self->type = 0;
    self->status = 0;
}

static sh_assembly_result_t
s_bad (sh_assembly_t *self, const char *why)
{
    self->why = why;
    return SH_ASSEMBLY_BAD;
}

sh_assembly_result_t
sh_assembly_add (sh_assembly_t *self, const sh_packet_header_t *header, const uint8_t *payload,
                 size_t size)
{
    if (size != (size_t)header->length - SH_PACKET_HEADER)
        return s_bad (self, "a packet is not as long as its header says");
    if (!self->open) {
        self->open = true;
        self->type = header->type;
        self->status = header->status;
    } else if (self->type != header->type)
        return s_bad (self, "a packet of another type inside a message");
    if (size > self->limit - self->body.size)
        return s_bad (self, "a message is longer than the limit");
    sh_writer_bytes (&self->body, payload, size);
    if (!(header->status & SH_PACKET_END))
        return SH_ASSEMBLY_MORE;
    /*  2.2.3.1.2: the client gave the message up; an attention may follow and is answered. */
    if (header->status & SH_PACKET_IGNORE) {
        sh_assembly_clear (self);
        return SH_ASSEMBLY_IGNORED;
    }
    return SH_ASSEMBLY_MESSAGE;
}

void
sh_packet_write (sh_writer_t *out, uint8_t type, bool end, uint16_t spid, uint8_t number,
                 const uint8_t *payload, size_t size)
{
    sh_writer_u8 (out, type);
    sh_writer_u8 (out, end ? SH_PACKET_END : 0);
    sh_writer_u16_be (out, (uint16_t)(size + SH_PACKET_HEADER));
    sh_writer_u16_be (out, spid);
    sh_writer_u8 (out, number);
    sh_writer_u8 (out, 0);
    sh_writer_bytes (out, payload, size);
}
