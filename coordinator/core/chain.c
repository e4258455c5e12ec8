#include "coordinator/core/chain.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "common/names.h"

/* ---- LSNs -------------------------------------------------------------------------------------------------------- */

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

/* ---- sorted links ------------------------------------------------------------------------------------------------ */

/*  An LSN as a number: 25 digits do not fit 64 bits. */
typedef struct lsn {
    uint64_t high, low;
} lsn_t;

typedef struct item {
    size_t link;
    lsn_t first, last;
    const char *fork; /* NULL = not known */
    bool usable;
} item_t;

/*  The log to go on with does not depend on the mark, nor on where one came from: only on how far one is. */
typedef struct road {
    const char *fork; /* NULL = any */
    size_t *best;     /* of logs[0..i], the usable one that goes furthest; NONE */
    size_t *end;      /* of logs[i], where one comes to in the end; NONE = not looked at yet */
} road_t;

#define NONE SIZE_MAX

struct bm_chain {
    const bm_link_t *links;
    item_t *fulls, *logs; /* by last LSN, and by first LSN */
    size_t full_count, log_count;
    road_t *roads; /* one a fork that was asked for */
    size_t road_count;
};

static lsn_t
s_lsn (const char *text)
{
    const uint64_t half = 10000000000000u; /* 13 digits, 12 more above */
    lsn_t lsn = {0, 0};
    for (; *text; text++) {
        uint64_t low = lsn.low * 10 + (uint64_t)(*text - '0');
        lsn.high = lsn.high * 10 + low / half;
        lsn.low = low % half;
    }
    return lsn;
}

static int
s_order (lsn_t a, lsn_t b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return (a.low > b.low) - (a.low < b.low);
}

static int
s_by_last (const void *a, const void *b)
{
    const item_t *x = a, *y = b;
    int order = s_order (x->last, y->last);
    return order ? order : (x->link > y->link) - (x->link < y->link);
}

static int
s_by_first (const void *a, const void *b)
{
    const item_t *x = a, *y = b;
    int order = s_order (x->first, y->first);
    return order ? order : s_by_last (a, b);
}

bm_chain_t *
bm_chain_new (const bm_link_t *links, size_t n)
{
    bm_chain_t *self = bm_alloc (sizeof *self);
    self->links = links;
    self->fulls = bm_alloc ((n + 1) * sizeof *self->fulls);
    self->logs = bm_alloc ((n + 1) * sizeof *self->logs);
    for (size_t i = 0; i < n; i++) {
        const bm_link_t *link = &links[i];
        bool full = link->kind == BM_LINK_FULL;
        if (!bm_lsn_valid (link->first_lsn) || !bm_lsn_valid (link->last_lsn) ||
            (!full && link->copy_only))
            continue;
        item_t *item = full ? &self->fulls[self->full_count++] : &self->logs[self->log_count++];
        *item = (item_t){i, s_lsn (link->first_lsn), s_lsn (link->last_lsn),
                         link->fork && *link->fork ? link->fork : NULL, !link->unreadable};
    }
    qsort (self->fulls, self->full_count, sizeof *self->fulls, s_by_last);
    qsort (self->logs, self->log_count, sizeof *self->logs, s_by_first);
    return self;
}

void
bm_chain_destroy (bm_chain_t **self_p)
{
    bm_chain_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->road_count; i++) {
        free (self->roads[i].best);
        free (self->roads[i].end);
    }
    free (self->roads);
    free (self->fulls);
    free (self->logs);
    free (self);
    *self_p = NULL;
}

static bool
s_on_fork (const item_t *item, const char *fork)
{
    return !fork || !item->fork || bm_names_equal (item->fork, fork);
}

/* ---- roads ------------------------------------------------------------------------------------------------------- */

/*  The chain's own text of a fork; "" when none of its links is on it. */
static const char *
s_own_fork (const bm_chain_t *self, const char *fork)
{
    for (size_t i = 0; fork && i < self->full_count; i++)
        if (self->fulls[i].fork && bm_names_equal (self->fulls[i].fork, fork))
            return self->fulls[i].fork;
    for (size_t i = 0; fork && i < self->log_count; i++)
        if (self->logs[i].fork && bm_names_equal (self->logs[i].fork, fork))
            return self->logs[i].fork;
    return fork ? "" : NULL;
}

static road_t *
s_road (bm_chain_t *self, const char *asked)
{
    const char *fork = s_own_fork (self, asked);
    for (size_t i = 0; i < self->road_count; i++)
        if (fork ? self->roads[i].fork && bm_names_equal (self->roads[i].fork, fork)
                 : !self->roads[i].fork)
            return &self->roads[i];
    self->roads = bm_realloc (self->roads, (self->road_count + 1) * sizeof *self->roads);
    road_t *road = &self->roads[self->road_count++];
    *road = (road_t){.fork = fork};
    road->best = bm_alloc ((self->log_count + 1) * sizeof *road->best);
    road->end = bm_alloc ((self->log_count + 1) * sizeof *road->end);
    size_t best = NONE;
    for (size_t i = 0; i < self->log_count; i++) {
        const item_t *log = &self->logs[i];
        if (log->usable && s_on_fork (log, fork) &&
            (best == NONE || s_order (log->last, self->logs[best].last) > 0))
            best = i;
        road->best[i] = best;
        road->end[i] = NONE;
    }
    return road;
}

/*  Of the logs that join at `reach` and bring us on, the one that goes furthest: logs are sorted by where they begin. */
static size_t
s_next (const bm_chain_t *self, const road_t *road, lsn_t reach)
{
    size_t low = 0, high = self->log_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s_order (self->logs[middle].first, reach) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t best = low ? road->best[low - 1] : NONE;
    return best != NONE && s_order (self->logs[best].last, reach) > 0 ? best : NONE;
}

/*  The last log that one comes to from a full; NONE when none joins it. */
static size_t
s_end (const bm_chain_t *self, road_t *road, const item_t *full)
{
    size_t start = s_next (self, road, full->last), end = start, at = start;
    while (at != NONE && road->end[at] == NONE) {
        end = at;
        at = s_next (self, road, self->logs[at].last);
    }
    if (at != NONE)
        end = road->end[at];
    while (start != at) {
        road->end[start] = end;
        start = s_next (self, road, self->logs[start].last);
    }
    return end;
}

/*  From a full to the mark, which is not before its end and before the end of its road. A log that goes beyond the mark
 *  began at or before where we stood, and that is not beyond the mark: so it holds the mark. */
static bm_coverage_t
s_walk (const bm_chain_t *self, const road_t *road, const item_t *full, lsn_t mark, size_t *path)
{
    bm_coverage_t coverage = {.covered = true, .why = BM_COVERED, .at = NONE, .used = 1};
    size_t at = NONE;
    lsn_t reach = full->last;
    if (path)
        path[0] = full->link;
    do {
        at = s_next (self, road, reach);
        bm_require (at != NONE);
        reach = self->logs[at].last;
        if (path)
            path[coverage.used] = self->logs[at].link;
        coverage.used++;
    } while (s_order (reach, mark) <= 0);
    coverage.reach = self->links[self->logs[at].link].last_lsn;
    return coverage;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

const char *
bm_cover_why_text (bm_cover_why_t why)
{
    static const char *const texts[] = {
        [BM_COVERED] = "a full and the logs after it reach beyond the mark",
        [BM_UNCOVERED_NO_LSN] = "the mark has no LSN in this database",
        [BM_UNCOVERED_NO_FULL] = "no full backup on this fork ended at or before the mark",
        [BM_UNCOVERED_FULL_MISSING] = "the file of the full backup before the mark is missing",
        [BM_UNCOVERED_LOG_MISSING] = "the file of a log backup before the mark is missing",
        [BM_UNCOVERED_GAP] = "the log chain has a gap before the mark",
        [BM_UNCOVERED_END] = "the log was not backed up beyond the mark yet",
    };
    return texts[why];
}

/*  Why a chain that ends with this link goes no further. */
static bm_coverage_t
s_explain (const bm_chain_t *self, const road_t *road, size_t last, lsn_t reach)
{
    bm_coverage_t coverage = {.why = BM_UNCOVERED_END, .at = NONE};
    size_t missing = NONE, next = NONE;
    for (size_t i = 0; i < self->log_count; i++) {
        const item_t *log = &self->logs[i];
        if (!s_on_fork (log, road->fork) || s_order (log->last, reach) <= 0)
            continue;
        if (s_order (log->first, reach) <= 0)
            missing = log->link; /* it joins, so it is there in name only */
        else if (next == NONE)
            next = log->link;
    }
    coverage.reach = self->links[last].last_lsn;
    coverage.at = missing != NONE ? missing : next;
    if (missing != NONE)
        coverage.why = BM_UNCOVERED_LOG_MISSING;
    else if (next != NONE)
        coverage.why = BM_UNCOVERED_GAP;
    return coverage;
}

/*  The newest full of those that are asked for, from which the mark can be reached. */
static bm_coverage_t
s_try (bm_chain_t *self, lsn_t mark, road_t *road, bool ours_only, size_t *path)
{
    bm_coverage_t coverage = {.why = BM_UNCOVERED_NO_FULL, .at = NONE};
    size_t best = NONE; /* the link with which the best chain ends */
    lsn_t furthest = {0, 0};
    for (size_t i = self->full_count; i-- > 0;) {
        const item_t *full = &self->fulls[i];
        if (s_order (full->last, mark) > 0 || !s_on_fork (full, road->fork) ||
            (ours_only && self->links[full->link].foreign))
            continue;
        if (!full->usable && coverage.why == BM_UNCOVERED_NO_FULL)
            coverage = (bm_coverage_t){.why = BM_UNCOVERED_FULL_MISSING, .at = full->link};
        if (!full->usable)
            continue;
        size_t end = s_end (self, road, full);
        lsn_t reach = end == NONE ? full->last : self->logs[end].last;
        if (end != NONE && s_order (mark, reach) < 0)
            return s_walk (self, road, full, mark, path);
        if (best == NONE || s_order (reach, furthest) > 0) {
            furthest = reach;
            best = end == NONE ? full->link : self->logs[end].link;
        }
    }
    return best == NONE ? coverage : s_explain (self, road, best, furthest);
}

bm_coverage_t
bm_chain_ask (bm_chain_t *self, const char *mark_lsn, const char *fork, bm_chain_choice_t choice,
              size_t *path)
{
    bm_coverage_t coverage = {.why = BM_UNCOVERED_NO_LSN, .at = NONE};
    if (!bm_lsn_valid (mark_lsn))
        return coverage;
    lsn_t mark = s_lsn (mark_lsn);
    road_t *road = s_road (self, fork && *fork ? fork : NULL);
    if (choice == BM_CHAIN_OUR_FULL)
        coverage = s_try (self, mark, road, true, path);
    return coverage.covered ? coverage : s_try (self, mark, road, false, path);
}

bm_coverage_t
bm_chain_cover (const bm_link_t *links, size_t n, const char *mark_lsn, const char *fork,
                size_t *path)
{
    bm_chain_t *chain = bm_chain_new (links, n);
    bm_coverage_t coverage = bm_chain_ask (chain, mark_lsn, fork, BM_CHAIN_ANY_FULL, path);
    bm_chain_destroy (&chain);
    return coverage;
}
