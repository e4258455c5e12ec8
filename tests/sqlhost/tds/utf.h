/*  tests/sqlhost/tds/utf.h
 *  Text between the wire (UTF-16LE; windows-1252 for varchar of the collation we announce) and
 *  UTF-8. What cannot be said in the other form becomes U+FFFD (or '?'): a client's odd text is
 *  an answerable value, as it is for SQL Server, and never a crash. */
#ifndef SH_TDS_UTF_H
#define SH_TDS_UTF_H

#include "tests/sqlhost/tds/wire.h"

/*  Appends UTF-8. `size` is in bytes; an odd last byte is answered false (nothing appended). */
bool sh_utf_from_utf16 (sh_writer_t *out, const uint8_t *data, size_t size);
/*  Appends UTF-16LE; gives the bytes appended. */
size_t sh_utf_to_utf16 (sh_writer_t *out, const char *text, size_t size);
/*  The bytes that sh_utf_to_utf16 would append. */
size_t sh_utf_utf16_size (const char *text, size_t size);
void sh_utf_from_cp1252 (sh_writer_t *out, const uint8_t *data, size_t size);
size_t sh_utf_to_cp1252 (sh_writer_t *out, const char *text, size_t size);

#endif
