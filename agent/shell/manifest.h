/*  agent/shell/manifest.h
 *  A set's manifest comes in parts; when the last one is there it is checked and written so that a reader sees either all
 *  of it or nothing: temporary name, fsync, rename, fsync of the folder.
 */
#ifndef BM_MANIFEST_FILE_H
#define BM_MANIFEST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/digest.h"
#include "common/error.h"

/*  Parts that wait for the rest; the loop's thread only. */
typedef struct bm_manifests bm_manifests_t;

typedef struct bm_manifest_part {
    const char *owner;  /* key of the sender */
    const char *folder; /* normalised, allowed */
    const char *file_name;
    uint32_t part, parts; /* part counts from 0 */
    const uint8_t *content;
    size_t size;
    uint8_t digest[BM_DIGEST_BYTES]; /* of the whole file */
} bm_manifest_part_t;

/*  A whole one, ready to be written. */
typedef struct bm_manifest_whole {
    char *folder, *file_name;
    uint8_t *content;
    size_t size;
} bm_manifest_whole_t;

bm_manifests_t *bm_manifests_new (void);
void bm_manifests_destroy (bm_manifests_t **self_p);

/*  Part 0 begins anew. *whole_p is given when the last part came and the digest is right, else NULL. BM_LIMIT, or
 *  BM_PROTOCOL when a part is missing or the digest is wrong: then all parts are dropped. */
bm_status_t bm_manifests_take (bm_manifests_t *self, const bm_manifest_part_t *part, int64_t now_ms,
                               bm_manifest_whole_t **whole_p, bm_error_t *error);

/*  In any thread. *file_p (caller frees) is the path of the file. BM_IO. */
bm_status_t bm_manifest_write (const bm_manifest_whole_t *self, char **file_p, bm_error_t *error);
void bm_manifest_whole_destroy (bm_manifest_whole_t **self_p);

#endif
