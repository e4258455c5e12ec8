/*  coordinator/shell/manifest.h
 *  The whole set as one JSON file, `<mark or set id>.btsmark.json`, in every backup folder of the set: a restore needs neither the
 *  management server nor the catalogue. Its "sha256" is the SHA-256 of the file's own text with that value emptied (""): the text is
 *  canonical (keys sorted, compact, UTF-8, one newline at the end), so any JSON library can check it.
 */
#ifndef BM_MANIFEST_H
#define BM_MANIFEST_H

#include "common/error.h"
#include "coordinator/core/outcome.h"
#include "coordinator/core/record.h"

#define BM_MANIFEST_FORMAT       1
#define BM_MANIFEST_SHA256_BYTES 65

typedef struct bm_manifest_database {
    bm_backup_t backup; /* device NULL = this database has no backup in this set */
    bool has_full;      /* log sets: the full that the chain starts with */
    bm_backup_t
        full; /* server, instance, database, uuid, device, position, LSNs and fork are kept */
    char *published; /* device as a destination can read it, NULL = device */
} bm_manifest_database_t;

typedef struct bm_manifest {
    char *group;
    char *product_version;
    uint64_t run;
    int64_t set_id;
    bm_set_type_t type;
    char *sequence;
    char *mark; /* NULL = none */
    bool has_outcome;
    bm_outcome_t outcome;
    bool complete;
    int64_t began_us, ended_us;
    int64_t window_us, fence_ms; /* -1 = none */
    size_t group_databases;      /* how many the group had */
    bm_manifest_database_t *databases;
    size_t database_count;
} bm_manifest_t;

bm_manifest_t *bm_manifest_new (void);
void bm_manifest_destroy (bm_manifest_t **self_p);
/*  Appends copies; full may be NULL. */
void bm_manifest_add (bm_manifest_t *self, const bm_backup_t *backup, const bm_backup_t *full,
                      const char *published);

/*  "BTS_2026_11_21_02_15_01_327.btsmark.json", or "17.btsmark.json" (the set id) without a mark. Caller frees. */
char *bm_manifest_file_name (const bm_manifest_t *self);

/*  The file's content. Caller frees. BM_LIMIT above BM_LIMIT_MANIFEST_BYTES. */
bm_status_t bm_manifest_build (const bm_manifest_t *self, char **text_p, size_t *size_p,
                               char sha256[BM_MANIFEST_SHA256_BYTES], bm_error_t *error);
/*  Checks size, UTF-8, format, hash and every field. BM_VERIFY_FAILED when anything is not as it was written (`name` is for the
 *  error's text), BM_LIMIT when too large. */
bm_manifest_t *
bm_manifest_parse (const char *name, const char *text, size_t size, bm_error_t *error);

#endif
