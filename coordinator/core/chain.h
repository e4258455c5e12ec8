/*  coordinator/core/chain.h
 *  One database's full backup and the log backups after it, joined by LSN on one recovery fork. Pure.
 *  Never by names, clocks, server names or set ids.
 */
#ifndef BM_CHAIN_H
#define BM_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

#define BM_LSN_DIGITS 25 /* numeric(25,0) */
#define BM_LSN_BYTES  (BM_LSN_DIGITS + 1)

/*  An LSN is a decimal text of 1 to 25 digits, leading zeros allowed. */
bool bm_lsn_valid (const char *lsn);
/*  < 0, 0, > 0. Both must be valid. */
int bm_lsn_compare (const char *a, const char *b);
/*  first <= lsn < last; false when one of them is no LSN. */
bool bm_lsn_within (const char *lsn, const char *first, const char *last);

typedef enum { BM_LINK_FULL, BM_LINK_LOG } bm_link_kind_t;

/*  A backup of the database, whoever made it. The texts are the caller's and must live. */
typedef struct bm_link {
    bm_link_kind_t kind;
    const char *first_lsn;
    const char *last_lsn;
    const char *fork; /* recovery fork it ends on; NULL or "" = not known */
    bool copy_only;   /* a copy-only log is never a link */
    bool unreadable;  /* its file is missing or bad */
    bool foreign;     /* made by somebody else: a link like any other, but not ours to keep */
} bm_link_t;

/*  Why a mark is not covered. */
typedef enum {
    BM_COVERED,
    BM_UNCOVERED_NO_LSN,       /* the mark has no LSN in this database */
    BM_UNCOVERED_NO_FULL,      /* no full on this fork ended at or before the mark */
    BM_UNCOVERED_FULL_MISSING, /* there is such a full, but the file of `at` is missing */
    BM_UNCOVERED_LOG_MISSING,  /* the chain needs the log backup `at`, whose file is missing */
    BM_UNCOVERED_GAP, /* no log backup holds what follows `reach`; `at` is the next one there is */
    BM_UNCOVERED_END  /* the newest log backup ended at `reach`, at or before the mark */
} bm_cover_why_t;

typedef struct bm_coverage {
    bool covered;
    bm_cover_why_t why;
    size_t at;         /* link that `why` speaks of; SIZE_MAX when none */
    size_t used;       /* how many links the way to the mark has, and of `path` were filled */
    const char *reach; /* last LSN that the best chain comes to; NULL = there is no full */
} bm_coverage_t;

const char *bm_cover_why_text (bm_cover_why_t why); /* static, for people */

/*  One database's backups, sorted once for many questions. */
typedef struct bm_chain bm_chain_t;

/*  links are borrowed and must live. */
bm_chain_t *bm_chain_new (const bm_link_t *links, size_t n);
void bm_chain_destroy (bm_chain_t **self_p);

typedef enum {
    BM_CHAIN_ANY_FULL, /* the newest full that works */
    BM_CHAIN_OUR_FULL /* the newest full that works and is ours; another's only when none of ours does */
} bm_chain_choice_t;

/*  Whether the links cover the mark: a full with last <= mark, logs with L1.first <= full.last <= L1.last,
 *  L(k+1).first <= Lk.last <= L(k+1).last, and Ln.first <= mark < Ln.last; all on `fork` (NULL = any).
 *  path[] (room for n, may be NULL) gets the links to restore, the full first. Of several logs that join, the one that
 *  goes furthest is taken. When it is not covered, `why` speaks of the full whose chain comes furthest. */
bm_coverage_t bm_chain_ask (bm_chain_t *self, const char *mark_lsn, const char *fork,
                            bm_chain_choice_t choice, size_t *path);
/*  The same for one question. */
bm_coverage_t bm_chain_cover (const bm_link_t *links, size_t n, const char *mark_lsn,
                              const char *fork, size_t *path);

/*  Whether a log backup goes on where another ended: first <= before <= last. */
bool bm_chain_joins (const char *before_last_lsn, const char *first_lsn, const char *last_lsn);

#endif
