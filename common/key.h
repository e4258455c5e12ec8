/*  common/key.h
 *  CURVE keys. A secret key file is a zcert file (ZPL) named FILE with mode 0600; its public half stands in FILE.pub.
 *  Public keys are shown and configured as 40 characters of Z85.
 */
#ifndef BM_KEY_H
#define BM_KEY_H

#include <stdbool.h>
#include "common/error.h"

#define BM_KEY_TEXT_BYTES 41

typedef struct bm_key bm_key_t;

/*  Writes FILE (0600) and FILE.pub (0644). Refuses to overwrite: BM_USAGE. */
bm_status_t bm_key_generate (const char *path, const char *name,
                             char public_text[BM_KEY_TEXT_BYTES], bm_error_t *error);
/*  BM_CONFIG_SECRET when missing, readable by others, or malformed. */
bm_key_t *bm_key_load (const char *path, bm_error_t *error);
void bm_key_destroy (bm_key_t **self_p);
const char *bm_key_public (const bm_key_t *self); /* Z85 text */
const char *bm_key_secret (const bm_key_t *self); /* Z85 text, for zmq_setsockopt only */
bool bm_key_public_valid (const char *text);

#endif
