/*  common/secret.h
 *  A password or key. Prints as ***, is wiped when destroyed, never logged.
 */
#ifndef BM_SECRET_H
#define BM_SECRET_H

#include "common/error.h"

typedef struct bm_secret bm_secret_t;

bm_secret_t *bm_secret_new (const char *text);

/*  Reads the first line of a file that must be a regular file, owned by us or root, and not accessible
 *  to group or others (0600 or stricter). NULL and BM_CONFIG_SECRET with the remedy otherwise. */
bm_secret_t *bm_secret_from_file (const char *path, bm_error_t *error);

void bm_secret_destroy (bm_secret_t **self_p);
const char *bm_secret_reveal (const bm_secret_t *self); /* for the library call only */

/*  BM_CONFIG_SECRET unless `path` is a private regular file as above. */
bm_status_t bm_secret_check_file (const char *path, bm_error_t *error);

void bm_secret_wipe (void *data, size_t size);

/*  The process cannot be traced or dump core (PR_SET_DUMPABLE). */
void bm_secret_harden_process (void);

#endif
