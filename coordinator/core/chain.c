/*  coordinator/core/chain.c */
#include "coordinator/core/chain.h"
#include <stdint.h>
#include <string.h>

bool
bm_lsn_valid (const char *lsn)
{
    if (!lsn)
        return false;
    size_t length = strspn (lsn, "0123456789");
    return length > 0 && length <= BM_LSN_DIGITS && lsn[length] == 0;
}

int
bm_lsn_compare (const char *a, const char *b)
{
    bm_require (bm_lsn_valid (a) && bm_lsn_valid (b));
    a += strspn (a, "0");
    b += strspn (b, "0");
    size_t digits_a = strlen (a);
    size_t digits_b = strlen (b);
    if (digits_a != digits_b)
        return digits_a < digits_b ? -1 : 1;
    return strcmp (a, b);
}

bool
bm_lsn_within (const char *lsn, const char *first, const char *last)
{
    if (!bm_lsn_valid (lsn) || !bm_lsn_valid (first) || !bm_lsn_valid (last))
        return false;
    return bm_lsn_compare (first, lsn) <= 0 && bm_lsn_compare (lsn, last) < 0;
}

bool
bm_chain_joins (const char *before_last_lsn, const char *first_lsn, const char *last_lsn)
{
    if (!bm_lsn_valid (before_last_lsn) || !bm_lsn_valid (first_lsn) || !bm_lsn_valid (last_lsn))
        return false;
    return bm_lsn_compare (first_lsn, before_last_lsn) <= 0 &&
           bm_lsn_compare (before_last_lsn, last_lsn) <= 0;
}

static bool
s_usable (const bm_link_t *link, const char *fork)
{
    if (link->unreadable || !bm_lsn_valid (link->first_lsn) || !bm_lsn_valid (link->last_lsn))
        return false;
    if (link->kind == BM_LINK_LOG && link->copy_only)
        return false;
    bool any_fork = !fork || !*fork || !link->fork || !*link->fork;
    return any_fork || strcmp (link->fork, fork) == 0;
}

/*  The newest usable full that ended at or before the mark, older than `below` (SIZE_MAX: any). */
static size_t
s_next_full (const bm_link_t *links, size_t n, const char *mark_lsn, const char *fork, size_t below)
{
    size_t best = SIZE_MAX;
    for (size_t at = 0; at < n; at++) {
        const bm_link_t *link = &links[at];
        if (link->kind != BM_LINK_FULL || !s_usable (link, fork) ||
            bm_lsn_compare (link->last_lsn, mark_lsn) > 0)
            continue;
        if (below != SIZE_MAX) {
            int order = bm_lsn_compare (link->last_lsn, links[below].last_lsn);
            if (order > 0 || (order == 0 && at >= below))
                continue;
        }
        if (best == SIZE_MAX || bm_lsn_compare (link->last_lsn, links[best].last_lsn) >= 0)
            best = at;
    }
    return best;
}

/*  Of the logs that join at `reach` and bring us on, the one that goes furthest. */
static size_t
s_next_log (const bm_link_t *links, size_t n, const char *reach, const char *fork)
{
    size_t best = SIZE_MAX;
    for (size_t at = 0; at < n; at++) {
        const bm_link_t *link = &links[at];
        if (link->kind != BM_LINK_LOG || !s_usable (link, fork))
            continue;
        if (!bm_chain_joins (reach, link->first_lsn, link->last_lsn) ||
            bm_lsn_compare (link->last_lsn, reach) == 0)
            continue;
        if (best == SIZE_MAX || bm_lsn_compare (link->last_lsn, links[best].last_lsn) > 0)
            best = at;
    }
    return best;
}

/*  From one full to the mark. A log that goes beyond the mark began at or before `reach`, and `reach` is not
 *  beyond the mark: so it holds the mark. */
static bool
s_follow (const bm_link_t *links, size_t n, const char *mark_lsn, const char *fork, size_t full,
          size_t *path, size_t *used)
{
    *used = 0;
    if (path)
        path[*used] = full;
    (*used)++;
    const char *reach = links[full].last_lsn;
    while (true) {
        size_t next = s_next_log (links, n, reach, fork);
        if (next == SIZE_MAX)
            return false;
        if (path)
            path[*used] = next;
        (*used)++;
        reach = links[next].last_lsn;
        if (bm_lsn_compare (mark_lsn, reach) < 0)
            return true;
    }
}

bm_coverage_t
bm_chain_cover (const bm_link_t *links, size_t n, const char *mark_lsn, const char *fork,
                size_t *path)
{
    bm_coverage_t coverage = {.reason = "the mark has no LSN in this database", .at = SIZE_MAX};
    if (!bm_lsn_valid (mark_lsn))
        return coverage;

    coverage.reason = "no full backup on this fork ended at or before the mark";
    size_t full = s_next_full (links, n, mark_lsn, fork, SIZE_MAX);
    while (full != SIZE_MAX) {
        if (s_follow (links, n, mark_lsn, fork, full, path, &coverage.used)) {
            coverage.covered = true;
            coverage.reason = "a full and the logs after it reach beyond the mark";
            coverage.at = SIZE_MAX;
            return coverage;
        }
        coverage.reason = "the log chain of this full ends before the mark";
        coverage.at = full;
        full = s_next_full (links, n, mark_lsn, fork, full);
    }
    coverage.used = 0;
    return coverage;
}
