/*  tests/sqlhost/tds/request.h
 *  What a client asks for after login, parsed from a whole message: a batch (MS-TDS 2.2.6.7),
 *  remote procedure calls (2.2.6.6), transaction manager requests (2.2.6.9). Pure. */
#ifndef SH_TDS_REQUEST_H
#define SH_TDS_REQUEST_H

#include "tests/sqlhost/tds/session.h"
#include "tests/sqlhost/tds/wire.h"

/*  Passes over ALL_HEADERS (2.2.5.3), which clients send from 7.2 on. */
bool sh_tds_request_headers (sh_reader_t *in, uint32_t version);

/*  The batch's text in UTF-8 into out. False with a reason when malformed. */
bool sh_tds_request_batch (const uint8_t *data, size_t size, uint32_t version, sh_writer_t *out,
                           const char **why);

/*  The request as the T-SQL that does the same, into out. False with a reason; *refused tells a
 *  well-formed request that we do not take (distributed transactions) from a malformed one. */
bool sh_tds_request_transaction (const uint8_t *data, size_t size, uint32_t version,
                                 sh_writer_t *out, bool *refused, const char **why);

typedef struct {
    sh_rpc_t rpc; /* points into what follows */
    char *name;
    sh_rpc_parameter_t *parameters;
    size_t count;
    size_t capacity;
    uint16_t options;     /* 1 recompile, 2 no metadata */
    size_t bad_parameter; /* with SH_TDS_CALL_BAD_TYPE: counted from 1 */
    uint8_t bad_type;
} sh_tds_call_t;

typedef enum {
    SH_TDS_CALL_READ,
    SH_TDS_CALL_END,      /* no further call in the message */
    SH_TDS_CALL_BAD_TYPE, /* a data type that we do not take; the rest cannot be read */
    SH_TDS_CALL_MALFORMED
} sh_tds_call_result_t;

/*  The next call of the message (the reader stands behind ALL_HEADERS). The call is freed by the
 *  caller in every case. */
sh_tds_call_result_t
sh_tds_call_read (sh_reader_t *in, uint32_t version, sh_tds_call_t *call, const char **why);
void sh_tds_call_free (sh_tds_call_t *call);

#endif
