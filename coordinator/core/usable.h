/*  coordinator/core/usable.h
 *  Which marks the whole group can be restored to. Pure.
 *
 *  A mark is usable if it is clean and the chain of every database of the group, as the group was when the mark was placed, covers
 *  it (I1). A mark that is unchecked or doubtful and covered may be restored to on demand only. All others are unusable: torn,
 *  unproven, unknown, none, or a chain that does not cover them.
 */
#ifndef BM_USABLE_H
#define BM_USABLE_H

#include <stdint.h>
#include "coordinator/core/chain.h"
#include "coordinator/core/outcome.h"

/*  A database that some mark speaks of, in the group now or not. Borrowed. */
typedef struct bm_member {
    const char *server, *database;
    const bm_link_t *links; /* all its backups, of all forks */
    size_t link_count;
    bool present; /* in the group now */
} bm_member_t;

/*  What one database says of a mark. */
typedef struct bm_mark_standing {
    size_t member;   /* index */
    const char *lsn; /* NULL = it was not proved there */
    const char *
        fork; /* recovery fork at the time; NULL = not known: then the one fork whose logs hold the LSN */
} bm_mark_standing_t;

/*  A mark, with every database of the group as it was then. */
typedef struct bm_mark {
    const char *name;
    uint64_t run;
    int64_t set_id;
    bool has_outcome; /* false: not settled yet */
    bm_outcome_t outcome;
    int64_t at_us;
    const bm_mark_standing_t *standings;
    size_t standing_count;
} bm_mark_t;

typedef enum { BM_USE_NO, BM_USE_ON_DEMAND, BM_USE_YES } bm_use_t;

const char *bm_use_name (bm_use_t use); /* "no", "on_demand", "yes" */

/*  Why it is not usable, or usable on demand only. */
typedef enum {
    BM_USE_FINE,
    BM_USE_OUTCOME,     /* its outcome alone says so */
    BM_USE_NOT_COVERED, /* see `standing` and `coverage` */
    BM_USE_FORK,        /* of `standing` it cannot be told on which recovery fork it stands */
    BM_USE_NO_GROUP     /* it is not known which databases it should be in */
} bm_use_why_t;

typedef struct bm_usability {
    bm_use_t use;
    bool covered; /* whatever its outcome */
    bm_use_why_t why;
    size_t standing;        /* of the mark: the first that speaks against it; SIZE_MAX = none */
    size_t against;         /* how many do */
    bm_coverage_t coverage; /* of that standing */
} bm_usability_t;

typedef struct bm_usable bm_usable_t;

/*  members are borrowed and must live. */
bm_usable_t *bm_usable_new (const bm_member_t *members, size_t count);
void bm_usable_destroy (bm_usable_t **self_p);

bm_usability_t bm_usable_judge (bm_usable_t *self, const bm_mark_t *mark);

/*  How one database gets to the mark: path as in bm_chain_ask (room for all links of the member). */
bm_coverage_t bm_usable_path (bm_usable_t *self, const bm_mark_t *mark, size_t standing,
                              bm_chain_choice_t choice, size_t *path);

/*  The newest usable mark, or SIZE_MAX: what `latest` means. */
size_t bm_usable_latest (bm_usable_t *self, const bm_mark_t *marks, size_t count);

#endif
