/*  common/digest.h
 *  SHA-256: the coordinator makes a manifest's, the agent checks it before it writes the file.
 */
#ifndef BM_DIGEST_H
#define BM_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define BM_DIGEST_BYTES      32
#define BM_DIGEST_TEXT_BYTES 65

void bm_digest_sha256 (const void *data, size_t size, uint8_t digest[BM_DIGEST_BYTES]);
/*  64 lower-case hexadecimal digits. Returns text. */
char *bm_digest_text (const uint8_t digest[BM_DIGEST_BYTES], char text[BM_DIGEST_TEXT_BYTES]);

#endif
