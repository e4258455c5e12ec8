#include "coordinator/core/usable.h"

#include <stdint.h>
#include <stdlib.h>
#include "common/names.h"

struct bm_usable {
    const bm_member_t *members;
    bm_chain_t **chains;
    size_t count;
};

const char *
bm_use_name (bm_use_t use)
{
    static const char *const names[] = {"no", "on_demand", "yes"};
    return names[use];
}

bm_usable_t *
bm_usable_new (const bm_member_t *members, size_t count)
{
    bm_usable_t *self = bm_alloc (sizeof *self);
    self->members = members;
    self->count = count;
    self->chains = bm_alloc ((count + 1) * sizeof *self->chains);
    for (size_t i = 0; i < count; i++)
        self->chains[i] = bm_chain_new (members[i].links, members[i].link_count);
    return self;
}

void
bm_usable_destroy (bm_usable_t **self_p)
{
    bm_usable_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        bm_chain_destroy (&self->chains[i]);
    free (self->chains);
    free (self);
    *self_p = NULL;
}

/*  The fork of the logs that hold the LSN; false when they are of several. An LSN on one fork and the same number on another are
 *  two moments. */
static bool
s_fork (const bm_member_t *member, const bm_mark_standing_t *standing, const char **fork)
{
    *fork = standing->fork && *standing->fork ? standing->fork : NULL;
    if (*fork || !bm_lsn_valid (standing->lsn))
        return true;
    for (size_t i = 0; i < member->link_count; i++) {
        const bm_link_t *link = &member->links[i];
        if (link->kind != BM_LINK_LOG || !link->fork || !*link->fork ||
            !bm_lsn_within (standing->lsn, link->first_lsn, link->last_lsn))
            continue;
        if (*fork && !bm_names_equal (*fork, link->fork))
            return false;
        *fork = link->fork;
    }
    return true;
}

bm_coverage_t
bm_usable_path (bm_usable_t *self, const bm_mark_t *mark, size_t standing, bm_chain_choice_t choice,
                size_t *path)
{
    const bm_mark_standing_t *it = &mark->standings[standing];
    const char *fork = NULL;
    bm_require (standing < mark->standing_count && it->member < self->count);
    if (!s_fork (&self->members[it->member], it, &fork))
        return (bm_coverage_t){.why = BM_UNCOVERED_NO_LSN, .at = SIZE_MAX};
    return bm_chain_ask (self->chains[it->member], it->lsn, fork, choice, path);
}

static void
s_judge_standing (bm_usable_t *self, const bm_mark_t *mark, size_t standing, bm_usability_t *out)
{
    const bm_mark_standing_t *it = &mark->standings[standing];
    const char *fork = NULL;
    bool told = s_fork (&self->members[it->member], it, &fork);
    bm_coverage_t coverage = bm_usable_path (self, mark, standing, BM_CHAIN_ANY_FULL, NULL);
    if (told && coverage.covered)
        return;
    if (out->against++ > 0)
        return;
    out->standing = standing;
    out->coverage = coverage;
    out->why = told ? BM_USE_NOT_COVERED : BM_USE_FORK;
}

bm_usability_t
bm_usable_judge (bm_usable_t *self, const bm_mark_t *mark)
{
    bm_usability_t out = {.standing = SIZE_MAX};
    bool clean = mark->has_outcome && mark->outcome == BM_OUTCOME_CLEAN;
    bool vouched = mark->has_outcome && (clean || mark->outcome == BM_OUTCOME_UNCHECKED ||
                                         mark->outcome == BM_OUTCOME_DOUBTFUL);
    for (size_t i = 0; i < mark->standing_count; i++)
        s_judge_standing (self, mark, i, &out);
    out.covered = out.against == 0 && mark->standing_count > 0;
    if (mark->standing_count == 0)
        out.why = BM_USE_NO_GROUP;
    if (!vouched || (out.covered && !clean))
        out.why = BM_USE_OUTCOME;
    if (out.covered && vouched)
        out.use = clean ? BM_USE_YES : BM_USE_ON_DEMAND;
    return out;
}

size_t
bm_usable_latest (bm_usable_t *self, const bm_mark_t *marks, size_t count)
{
    size_t latest = SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        if ((latest == SIZE_MAX || marks[i].at_us > marks[latest].at_us) &&
            bm_usable_judge (self, &marks[i]).use == BM_USE_YES)
            latest = i;
    return latest;
}
