/*  tests/sqlhost/tds/decode.h
 *  Types and values from the client to the server, as an RPC's parameters carry them. Pure. */
#ifndef SH_TDS_DECODE_H
#define SH_TDS_DECODE_H

#include "tests/sqlhost/engine/value.h"
#include "tests/sqlhost/tds/wire.h"

typedef enum {
    SH_DECODE_OK,
    SH_DECODE_MALFORMED,   /* lengths that cannot be: close the connection */
    SH_DECODE_UNKNOWN_TYPE /* no such type, or one that we do not take: error 8009 */
} sh_decode_t;

/*  A client's TYPE_INFO: our type, and what is needed to read its value. */
typedef struct {
    sh_type_t type;
    uint8_t token;
    bool chunks;  /* PLP: MAX types and xml */
    uint32_t max; /* bytes of a value that is no chunks */
} sh_decode_type_t;

sh_decode_t sh_decode_type (sh_reader_t *in, uint32_t version, sh_decode_type_t *type);
/*  The value's text or blob is allocated: sh_decode_free_value. */
sh_decode_t sh_decode_value (sh_reader_t *in, const sh_decode_type_t *type, sh_value_t *value);
void sh_decode_free_value (sh_value_t *value);

#endif
