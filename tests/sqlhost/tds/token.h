/*  tests/sqlhost/tds/token.h
 *  The tokens of a response (MS-TDS 2.2.7), appended to a buffer in one version's dialect. Pure. */
#ifndef SH_TDS_TOKEN_H
#define SH_TDS_TOKEN_H

#include "tests/sqlhost/tds/session.h"
#include "tests/sqlhost/tds/wire.h"

enum { SH_TOKEN_DONE = 0xFD, SH_TOKEN_DONEPROC = 0xFE, SH_TOKEN_DONEINPROC = 0xFF };

/*  2.2.7.6 DONE: Status */
enum {
    SH_STATUS_MORE = 0x01,
    SH_STATUS_ERROR = 0x02,
    SH_STATUS_INXACT = 0x04,
    SH_STATUS_COUNT = 0x10,
    SH_STATUS_ATTN = 0x20
};

void sh_token_columns (sh_writer_t *out, uint32_t version, const sh_sink_column_t *columns,
                       size_t count);
/*  Appends the row, or nothing and gives false when a value does not fit its column (*bad). */
bool sh_token_row (sh_writer_t *out, uint32_t version, const sh_type_t *types,
                   const sh_value_t *values, size_t count, size_t *bad);
void sh_token_done (sh_writer_t *out, uint32_t version, uint8_t token, uint16_t status,
                    uint16_t command, uint64_t row_count);
void sh_token_message (sh_writer_t *out, uint32_t version, const sh_message_t *message,
                       const char *server_name);
void sh_token_return_status (sh_writer_t *out, int32_t status);
/*  Appends nothing and gives false when the value is none of the type. */
bool sh_token_return_value (sh_writer_t *out, uint32_t version, uint16_t ordinal, const char *name,
                            const sh_type_t *type, const sh_value_t *value);

/*  ENVCHANGE */
enum {
    SH_ENV_DATABASE = 1,
    SH_ENV_LANGUAGE = 2,
    SH_ENV_PACKET_SIZE = 4,
    SH_ENV_COLLATION = 7,
    SH_ENV_RESET = 18
};
void sh_token_env_text (sh_writer_t *out, uint8_t type, const char *now, const char *before);
void sh_token_env_collation (sh_writer_t *out);
void sh_token_env_transaction (sh_writer_t *out, sh_tran_t what, uint64_t id);
void sh_token_env_reset (sh_writer_t *out);

void sh_token_login_ack (sh_writer_t *out, uint32_t version);
/*  No feature acknowledged. */
void sh_token_feature_ack (sh_writer_t *out);

#endif
