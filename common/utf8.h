/*  common/utf8.h
 *  Text from a wire, a file or a database is checked before it is used.
 */
#ifndef BM_UTF8_H
#define BM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*  Well-formed UTF-8 (no surrogates, no overlong forms) without a NUL. */
bool bm_utf8_valid (const char *text, size_t size);

#endif
