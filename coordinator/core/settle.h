/*  coordinator/core/settle.h
 *  Closing what earlier runs left open: from the journal's open things and what the instances say, what is to be
 *  written. Pure. The same facts give the same answer, and what was written once is not asked for again: a run that is
 *  killed while it settles is settled by the next one.
 *
 *  Rules:  - a mark that was sent to COMMIT is in the databases or it is not: MarkLog and logmarkhistory say so;
 *          - a database that cannot be asked leaves the mark open (unknown), never blocks the run;
 *          - a MarkLog row that is missing but older than the oldest kept one means unknown, not uncommitted; when
 *            logmarkhistory lacks it too, it stays unknown for good;
 *          - no fence is vouched for after a crash: a mark found everywhere is doubtful unless the journal says that
 *            every fence stood;
 *          - a backup taken but not recorded becomes a history row, only on the database's present recovery fork, and
 *            not at all when the management database's fork is not the catalogue's (it was restored);
 *          - a full set waits for the databases that lack theirs until a later full set is begun, but not for one that
 *            has left the group; a log set waits for none.
 */
#ifndef BM_SETTLE_H
#define BM_SETTLE_H

#include "common/error.h"
#include "coordinator/core/outcome.h"
#include "coordinator/core/record.h"

/*  STOOD: every fence of the round stood until the last COMMIT was known to be done, and nothing else that the round saw
 *  speaks against its mark. */
typedef enum { BM_FENCES_UNKNOWN, BM_FENCES_STOOD, BM_FENCES_FELL } bm_fences_t;

/* ---- in: the journal ---- */

typedef struct bm_settle_database {
    const char *server, *database; /* as the group spells them */
} bm_settle_database_t;

/*  A round whose outcome is not journaled, or is unknown. */
typedef struct bm_settle_round {
    uint64_t run;
    uint32_t number;
    int64_t set_id;
    const char *mark;
    bm_fences_t fences;
    const bm_settle_database_t *databases;
    size_t database_count;
} bm_settle_round_t;

/*  A backup that was ordered. `sequence` is unique to its set and stands in the file's name. */
typedef struct bm_settle_order {
    int64_t set_id;
    const char *server, *database;
    bm_set_type_t type;
    const char *sequence;
    const char *mark; /* NULL = full, or no mark was placed */
} bm_settle_order_t;

/*  A set that is not complete. */
typedef struct bm_settle_set {
    int64_t set_id;
    bm_set_type_t type;
    const char *mark;
    bm_outcome_t outcome; /* of its mark; ignored for a full */
    bool outcome_known;
    bool superseded; /* a full, and a later full set was begun: it is not repaired any more */
    const bm_settle_database_t *databases; /* the group as it was when the set was begun */
    size_t database_count;
} bm_settle_set_t;

/* ---- in: the databases ---- */

typedef struct bm_settle_fact {
    const char *server, *instance, *database;
    bool asked;
    const char *fork; /* present recovery fork */
    const char *family;
    const char *oldest_mark;       /* oldest name in MarkLog, NULL = none */
    const bm_mark_proof_t *proofs; /* one for each mark that was asked for and found anywhere */
    size_t proof_count;
    const bm_backup_t *backups; /* non-copy-only D and L rows since the last complete set */
    size_t backup_count;
} bm_settle_fact_t;

typedef struct bm_settle_in {
    const bm_settle_round_t *rounds;
    size_t round_count;
    const bm_settle_order_t *orders;
    size_t order_count;
    const bm_settle_set_t *sets;
    size_t set_count;
    const bm_backup_t *known; /* backups that the catalogue already has */
    size_t known_count;
    const bm_mark_proof_t *proofs; /* that the catalogue already has, of the marks of `sets` */
    size_t proof_count;
    const bm_settle_fact_t *facts;
    size_t fact_count;
    /*  The management database is on another recovery fork than the catalogue knew: it was restored. */
    bool fork_changed;
    bool accept_doubtful; /* policy doubtful = warn */
} bm_settle_in_t;

/* ---- out ---- */

typedef struct bm_settle_outcome {
    uint64_t run;
    uint32_t number;
    int64_t set_id;
    char *mark;
    bm_outcome_t outcome;
    bool closed; /* always, but for a BM_OUTCOME_UNKNOWN that is to be asked for again */
    char *reason;
} bm_settle_outcome_t;

/*  A database that a full set need not hold any more. */
typedef struct bm_settle_drop {
    int64_t set_id;
    const char *server, *database; /* borrowed from `in` */
} bm_settle_drop_t;

typedef struct bm_settle_out {
    bm_settle_outcome_t *outcomes; /* one for each round of `in` */
    size_t outcome_count;
    bm_mark_proof_t *proofs; /* to be stored */
    size_t proof_count;
    /*  To be stored in the catalogue, ours and others': new ones, or newly assigned to a set. */
    bm_backups_t backups;
    /*  To be inserted in adm_BackupHistory; set_id, mark and type are filled in. */
    bm_backups_t rows;
    int64_t *complete; /* set ids for SetComplete = 1, when all `rows` of theirs are in */
    size_t complete_count;
    int64_t *close; /* set ids for which nothing more can come: they stay incomplete */
    size_t close_count;
    bm_settle_drop_t *drops;
    size_t drop_count;
    int64_t *touched; /* set ids whose manifest is to be written again */
    size_t touched_count;
    char **warnings;
    size_t warning_count;
    size_t unasked; /* databases that could not be asked: something may stay open */
} bm_settle_out_t;

/*  Always fills *out (zeroed first); cleared by bm_settle_out_clear. */
void bm_settle (const bm_settle_in_t *in, bm_settle_out_t *out);
void bm_settle_out_clear (bm_settle_out_t *self);

#endif
