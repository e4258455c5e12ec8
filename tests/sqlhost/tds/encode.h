/*  tests/sqlhost/tds/encode.h
 *  Types and values from the server to the client: TYPE_INFO (MS-TDS 2.2.5.6) and TYPE_VARBYTE
 *  (2.2.5.2.3), in the dialect of one TDS version. Pure. */
#ifndef SH_TDS_ENCODE_H
#define SH_TDS_ENCODE_H

#include "tests/sqlhost/engine/value.h"
#include "tests/sqlhost/tds/wire.h"

/*  Where a type stands decides how large objects look: columns have text pointers, returned
 *  parameters have not. */
typedef enum { SH_PLACE_COLUMN, SH_PLACE_RETURN } sh_place_t;

/*  SQL_Latin1_General_CP1_CI_AS: LCID 0x0409, ignore case, kana, width; sort id 52 (2.2.5.1.2). */
extern const uint8_t sh_encode_collation[5];

void sh_encode_type (sh_writer_t *out, uint32_t version, sh_place_t place, const sh_type_t *type);
/*  Whether a COLMETADATA entry of this type carries a table name (text, ntext, image). */
bool sh_encode_has_table_name (uint32_t version, const sh_type_t *type);
/*  False when the value cannot be one of the type (a bug of who inferred the type); then nothing
 *  that was appended is of use. */
bool sh_encode_value (sh_writer_t *out, uint32_t version, sh_place_t place, const sh_type_t *type,
                      const sh_value_t *value);

#endif
