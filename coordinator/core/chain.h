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
} bm_link_t;

typedef struct bm_coverage {
    bool covered;
    const char *reason; /* static text: why not */
    size_t at;          /* link the reason speaks of; SIZE_MAX when none */
    size_t used;        /* how many of `path` were filled */
} bm_coverage_t;

/*  Whether the links cover the mark: a full with last <= mark, logs with L1.first <= full.last <= L1.last,
 *  L(k+1).first <= Lk.last <= L(k+1).last, and Ln.first <= mark < Ln.last; all on `fork` (NULL = any).
 *  path[] (room for n, may be NULL) gets the links to restore, the full first; the newest full that works. */
bm_coverage_t bm_chain_cover (const bm_link_t *links, size_t n, const char *mark_lsn,
                              const char *fork, size_t *path);

/*  Whether a log backup goes on where another ended: first <= before <= last. */
bool bm_chain_joins (const char *before_last_lsn, const char *first_lsn, const char *last_lsn);

#endif
