/*  coordinator/core/retention.h
 *  Which backup files may go (I4). Pure: facts in, a decision with its reason for each backup out.
 *
 *  For the group as a whole are kept:
 *      - every file that one of the newest `keep_marks` usable marks needs, whatever its age, and as many of those that can be
 *        restored to at all (also unchecked and doubtful ones);
 *      - every file that a mark inside the retention time needs, and every file of that age itself;
 *      - every file of a retained set, and what its mark needs;
 *      - every file that a running restore or verification claims;
 *      - the newest full of each database of the group and all logs since: marks to come need them.
 *  A full goes only with all its logs, logs only with the full they depend on: what is kept keeps the whole run of one full and the
 *  logs up to the next. Only our own backups go. A reason to stop (a database that cannot be asked, a catalogue that is not
 *  verified, no mark to restore to) keeps everything.
 */
#ifndef BM_RETENTION_H
#define BM_RETENTION_H

#include "coordinator/core/usable.h"

/*  What is known of a backup beside its link, in the order of the member's links. Borrowed. */
typedef struct bm_holding {
    const char *instance; /* real name: where the file is */
    const char *device;   /* the file; several backups may share one */
    int64_t set_id;       /* 0 = of no set of ours */
    int64_t at_us;        /* when it was taken, as far as known */
    bool gone;            /* its file is known to be gone */
} bm_holding_t;

typedef struct bm_retained_set {
    int64_t set_id;
    int64_t until_us; /* -1 = until it is released */
} bm_retained_set_t;

/*  A restore, verification or test restore that runs. */
typedef struct bm_claim {
    const char *kind; /* "restore", "verify", "test-restore" */
    int64_t set_id;   /* 0 = see mark */
    const char *mark; /* NULL = see set_id; neither = it may read anything */
    int64_t until_us; /* the holder renews it; later than this it died */
} bm_claim_t;

/*  Leaves one rule out: for tests that must notice. */
typedef enum {
    BM_RETENTION_WHOLE,
    BM_RETENTION_NO_COUNT,
    BM_RETENTION_NO_DEMAND,
    BM_RETENTION_NO_TIME,
    BM_RETENTION_NO_RETAINED,
    BM_RETENTION_NO_CLAIMS,
    BM_RETENTION_NO_CHAIN,
    BM_RETENTION_NO_RUNS,      /* files go one by one, not a full with its logs */
    BM_RETENTION_NO_OWNERSHIP, /* others' files go, too */
    BM_RETENTION_NO_STOP,
    BM_RETENTION_ANY_MARK, /* every mark counts as usable */
    BM_RETENTION_ANY_FULL  /* a full that is not ours counts as safe */
} bm_retention_mutation_t;

typedef struct bm_retention_in {
    const bm_member_t *members;
    const bm_holding_t *const *holdings; /* one array a member */
    size_t member_count;
    const bm_mark_t *marks; /* all that are known, in any order */
    size_t mark_count;
    const bm_retained_set_t *retained;
    size_t retained_count;
    const bm_claim_t *claims;
    size_t claim_count;
    size_t keep_marks; /* at least 1 */
    int64_t keep_us;   /* retention time; 0 = only the number counts */
    int64_t now_us;
    const char *stop; /* why nothing may go; NULL = nothing speaks against it */
    bm_retention_mutation_t mutation;
} bm_retention_in_t;

typedef enum {
    BM_RULE_UNNEEDED, /* goes: old, and nothing needs it */
    BM_RULE_GONE,     /* its file is gone already */
    BM_RULE_FOREIGN,  /* stays: not made by us */
    BM_RULE_COUNT,    /* stays: one of the newest N usable marks (`mark`) */
    BM_RULE_DEMAND,   /* stays: one of the newest N marks that can be restored to on demand */
    BM_RULE_TIME,     /* stays: a mark inside the retention time needs it */
    BM_RULE_AGE,      /* stays: itself inside the retention time */
    BM_RULE_RETAINED, /* stays: of a retained set (`set_id`), or needed for its mark */
    BM_RULE_CLAIM,    /* stays: a running restore or verification (`claim`) needs it */
    BM_RULE_CHAIN,    /* stays: of the newest full and the logs since, which marks to come need */
    BM_RULE_WITH,     /* stays: its full or another log of that full (`with`) is kept */
    BM_RULE_SHARED,   /* stays: another backup in the same file (`with`) is kept */
    BM_RULE_STOPPED,  /* stays: nothing goes now */
    BM_RULE_COUNT_OF_RULES
} bm_rule_t;

const char *bm_rule_name (bm_rule_t rule); /* "newest-marks", for programs */

typedef struct bm_fate {
    bool goes;
    bm_rule_t rule;
    size_t mark;    /* index; SIZE_MAX = none */
    size_t claim;   /* index; SIZE_MAX = none */
    int64_t set_id; /* of the retained set; 0 = none */
    size_t with;    /* link of the same member; SIZE_MAX = none */
} bm_fate_t;

typedef struct bm_retention {
    bm_fate_t **fates; /* per member, per link */
    size_t member_count;
    size_t goes;     /* backups that go */
    size_t *counted; /* the marks that `keep_marks` counts, usable ones first, newest first each */
    size_t counted_count;
    size_t usable_counted;
    const char *
        stop; /* why nothing goes: that of the facts, or that there is no mark; NULL = nothing speaks against it */
    int64_t
        oldest_kept_us; /* at_us of the oldest backup of ours that stays and is not gone; -1 = none */
    int64_t oldest_kept_set; /* its set; 0 = none */
} bm_retention_t;

bm_retention_t *bm_retention_decide (const bm_retention_in_t *in);
void bm_retention_destroy (bm_retention_t **self_p);

/*  Why the backup stays or goes: a sentence that names the mark, set or restore. Caller frees. */
char *bm_retention_sentence (const bm_retention_in_t *in, const bm_retention_t *decided,
                             const bm_fate_t *fate);

#endif
