/*  coordinator/shell/catalogue_retention.h
 *  The catalogue's part that marks, retention, `retain` and running restores work with: what became of each file, which sets are kept
 *  by hand, who reads files now, and the journal of what is deleted. All failures are BM_CATALOGUE unless said otherwise.
 */
#ifndef BM_CATALOGUE_RETENTION_H
#define BM_CATALOGUE_RETENTION_H

#include "coordinator/shell/catalogue.h"

/* ---- files ---- */

typedef enum {
    BM_FILE_UNKNOWN, /* never looked at */
    BM_FILE_PRESENT,
    BM_FILE_MISSING, /* it is not where it was, and not by our doing: it may come back */
    BM_FILE_REMOVED  /* we deleted it, and that is confirmed */
} bm_file_state_t;

/*  A backup whose file is not removed. */
typedef struct bm_stored {
    bm_backup_t backup;
    int64_t at_us; /* when its set began; of others' backups: when they were first seen */
    bm_file_state_t state;
} bm_stored_t;

/*  All of them, of every fork, by server, database and LSN. */
bm_status_t bm_catalogue_stored (bm_catalogue_t *self, bm_stored_t **rows_p, size_t *count_p,
                                 bm_error_t *error);
void bm_stored_destroy (bm_stored_t **rows_p, size_t count);

typedef struct bm_file_seen {
    const char *instance, *device;
    bm_file_state_t state; /* PRESENT or MISSING */
} bm_file_seen_t;

/*  Looked at: noted for every backup whose `device` it is. */
bm_status_t bm_catalogue_files_seen (bm_catalogue_t *self, const bm_file_seen_t *files,
                                     size_t count, bm_error_t *error);

/*  What a catalogue says of itself until a cleaning has found the files of its newest marks. */
#define BM_UNVERIFIED_NEW "the catalogue is new"

/*  Why nobody may rely on this catalogue knowing its files, NULL in *reason_p = it was verified. Caller frees. */
bm_status_t bm_catalogue_unverified (bm_catalogue_t *self, char **reason_p, bm_error_t *error);
/*  reason NULL = verified now. A catalogue that is rebuilt from manifests says so here: until its files were looked at, nothing is
 *  deleted. */
bm_status_t
bm_catalogue_set_unverified (bm_catalogue_t *self, const char *reason, bm_error_t *error);

/* ---- marks ---- */

typedef struct bm_stored_standing {
    char *server, *database;
    char *lsn;  /* NULL = not proved there */
    char *fork; /* NULL = not known */
} bm_stored_standing_t;

/*  A round's mark, with the group as it was. */
typedef struct bm_stored_mark {
    char *name, *reason;
    uint64_t run;
    int64_t set_id;
    bool has_outcome;
    bm_outcome_t outcome;
    int64_t at_us;      /* when its round began */
    int64_t cleaned_us; /* when retention deleted the first file of its set; -1 = it has not */
    bm_stored_standing_t *standings;
    size_t standing_count;
} bm_stored_mark_t;

/*  The newest first. limit 0 = all that may still be restored to: those whose set has files. */
bm_status_t bm_catalogue_marks (bm_catalogue_t *self, size_t limit, bm_stored_mark_t **rows_p,
                                size_t *count_p, bm_error_t *error);
void bm_stored_marks_destroy (bm_stored_mark_t **rows_p, size_t count);

/*  The databases that are in the group now. Caller: bm_set_members_clear. */
bm_status_t
bm_catalogue_present (bm_catalogue_t *self, bm_set_members_t *members, bm_error_t *error);

/* ---- sets kept by hand ---- */

typedef struct bm_retained_row {
    int64_t set_id, until_us, at_us; /* until_us -1 = until it is released */
    char *reason, *person;
} bm_retained_row_t;

/*  A repeat changes date and reason. */
bm_status_t bm_catalogue_retain (bm_catalogue_t *self, int64_t set_id, int64_t until_us,
                                 const char *reason, const char *person, bm_error_t *error);
/*  *was_p = whether it was retained. */
bm_status_t
bm_catalogue_release (bm_catalogue_t *self, int64_t set_id, bool *was_p, bm_error_t *error);
/*  By set id; also those whose date has passed. */
bm_status_t bm_catalogue_retained (bm_catalogue_t *self, bm_retained_row_t **rows_p,
                                   size_t *count_p, bm_error_t *error);
void bm_retained_rows_destroy (bm_retained_row_t **rows_p, size_t count);

/* ---- files that somebody reads now ---- */

typedef struct bm_claim_row {
    int64_t claim, set_id, at_us, until_us; /* set_id 0 = none */
    char *kind, *mark, *text;
} bm_claim_row_t;

/*  Before the first file is looked at: from here on no file of the set (0 = none), none that the mark (NULL = none) needs, or with
 *  neither none at all, is deleted, until the claim ends or its time passes. The holder renews it, and after claiming looks whether
 *  bm_catalogue_stored still has its files. */
bm_status_t
bm_catalogue_claim (bm_catalogue_t *self, const char *kind, int64_t set_id, const char *mark,
                    const char *text, int64_t until_us, int64_t *claim_p, bm_error_t *error);
bm_status_t
bm_catalogue_claim_renew (bm_catalogue_t *self, int64_t claim, int64_t until_us, bm_error_t *error);
bm_status_t bm_catalogue_claim_end (bm_catalogue_t *self, int64_t claim, bm_error_t *error);
/*  Those whose time has not passed. */
bm_status_t bm_catalogue_claims (bm_catalogue_t *self, bm_claim_row_t **rows_p, size_t *count_p,
                                 bm_error_t *error);
void bm_claim_rows_destroy (bm_claim_row_t **rows_p, size_t count);

/* ---- deletions ---- */

typedef struct bm_removal {
    int64_t removal;  /* its number, filled in when it is journaled */
    const char *kind; /* "backup" or "manifest" */
    const char *instance, *file;
    const char *database; /* NULL = a manifest */
    int64_t set_id;
    int64_t bytes; /* -1 = not known */
    const char *why;
} bm_removal_t;

/*  Before the orders are sent. BM_BUSY, and nothing is journaled, when a set was retained or a claim made at or after
 *  `decided_us`: the decision did not know of it. */
bm_status_t bm_catalogue_removals_open (bm_catalogue_t *self, uint64_t run, int64_t decided_us,
                                        bm_removal_t *removals, size_t count, bm_error_t *error);
/*  What came of a removal. fate: "deleted", "was gone", "left". With the first two the file counts as removed. */
typedef struct bm_removal_end {
    int64_t removal, bytes; /* bytes -1 = not known */
    const char *fate, *text;
} bm_removal_end_t;

bm_status_t bm_catalogue_removals_close (bm_catalogue_t *self, const bm_removal_end_t *ends,
                                         size_t count, bm_error_t *error);

typedef struct bm_removal_row {
    int64_t removal;
    char *kind, *instance, *file, *database;
} bm_removal_row_t;

/*  Those that were ordered and have no fate: a run was killed, or its answer was lost. */
bm_status_t bm_catalogue_removals_unsettled (bm_catalogue_t *self, bm_removal_row_t **rows_p,
                                             size_t *count_p, bm_error_t *error);
void bm_removal_rows_destroy (bm_removal_row_t **rows_p, size_t count);

/*  Manifests; set_id 0 = of all sets of which every file is removed. */
typedef struct bm_manifest_row {
    int64_t set_id;
    char *instance, *file;
} bm_manifest_row_t;

bm_status_t bm_catalogue_manifests (bm_catalogue_t *self, int64_t set_id,
                                    bm_manifest_row_t **rows_p, size_t *count_p, bm_error_t *error);
void bm_manifest_rows_destroy (bm_manifest_row_t **rows_p, size_t count);

/*  The oldest set of which a file of ours is not confirmed gone: its rows must stay. *row_p NULL = none. One row for
 *  bm_set_rows_destroy. */
bm_status_t
bm_catalogue_oldest_kept (bm_catalogue_t *self, bm_set_row_t **row_p, bm_error_t *error);

#endif
