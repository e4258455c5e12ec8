#include "common/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "common/error.h"

void
bm_digest_sha256 (const void *data, size_t size, uint8_t digest[BM_DIGEST_BYTES])
{
    unsigned written = 0;
    bm_require (EVP_Digest (data, size, digest, &written, EVP_sha256 (), NULL) == 1);
    bm_require (written == BM_DIGEST_BYTES);
}

char *
bm_digest_text (const uint8_t digest[BM_DIGEST_BYTES], char text[BM_DIGEST_TEXT_BYTES])
{
    for (size_t i = 0; i < BM_DIGEST_BYTES; i++)
        snprintf (text + 2 * i, 3, "%02x", digest[i]);
    return text;
}
