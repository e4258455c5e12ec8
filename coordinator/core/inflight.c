/*  coordinator/core/inflight.c */
#include "coordinator/core/inflight.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/error.h"

/*  A sample of our own: what is kept of one. */
typedef struct {
    bool there;
    bm_inflight_sample_t sample; /* its branches are not valid */
    char *why_not;
    bm_inflight_branch_t kept[BM_INFLIGHT_KEPT];
    size_t kept_count;
} s_kept_t;

typedef struct {
    char *name;
    s_kept_t samples[2];
} s_instance_t;

struct bm_inflight {
    size_t count;
    s_instance_t instances[];
};

unsigned
bm_inflight_compare (const bm_inflight_sample_t *before, const bm_inflight_sample_t *after)
{
    unsigned flags = 0;
    bool first = before && before->ran, second = after && after->ran;
    if (first && before->branch_count > 0)
        flags |= BM_INFLIGHT_LISTED_BEFORE;
    if (second && after->branch_count > 0)
        flags |= BM_INFLIGHT_LISTED_AFTER;
    if (!first || !second)
        return flags;
    if (after->prepares > before->prepares || after->commits > before->commits)
        flags |= BM_INFLIGHT_MOVED;
    if (after->prepares < before->prepares || after->commits < before->commits)
        flags |= BM_INFLIGHT_RESET;
    return flags;
}

/* ---- Life -------------------------------------------------------------------------------------- */

bm_inflight_t *
bm_inflight_new (const char *const *instances, size_t count)
{
    bm_inflight_t *self = bm_alloc (sizeof *self + count * sizeof self->instances[0]);
    self->count = count;
    for (size_t i = 0; i < count; i++)
        self->instances[i].name = bm_strdup (instances[i]);
    return self;
}

static void
s_branch_clear (bm_inflight_branch_t *branch)
{
    for (size_t i = 0; i < branch->database_count; i++)
        free ((char *)branch->databases[i]);
    free ((void *)branch->databases);
    free ((char *)branch->unit_of_work);
}

static void
s_kept_clear (s_kept_t *kept)
{
    for (size_t i = 0; i < kept->kept_count; i++)
        s_branch_clear (&kept->kept[i]);
    free (kept->why_not);
    memset (kept, 0, sizeof *kept);
}

void
bm_inflight_destroy (bm_inflight_t **self_p)
{
    bm_inflight_t *self = *self_p;
    for (size_t i = 0; self && i < self->count; i++) {
        s_kept_clear (&self->instances[i].samples[0]);
        s_kept_clear (&self->instances[i].samples[1]);
        free (self->instances[i].name);
    }
    free (self);
    *self_p = NULL;
}

/* ---- Samples ----------------------------------------------------------------------------------- */

static void
s_keep_branch (bm_inflight_branch_t *to, const bm_inflight_branch_t *from)
{
    *to = *from;
    to->unit_of_work = bm_strdup (from->unit_of_work ? from->unit_of_work : "");
    const char **databases = bm_alloc ((from->database_count + 1) * sizeof *databases);
    for (size_t i = 0; i < from->database_count; i++)
        databases[i] = bm_strdup (from->databases[i]);
    to->databases = databases;
}

static void
s_keep (s_kept_t *kept, const bm_inflight_sample_t *sample)
{
    s_kept_clear (kept);
    kept->there = true;
    kept->sample = *sample;
    kept->sample.branches = NULL;
    if (sample->why_not)
        kept->why_not = bm_strdup (sample->why_not);
    kept->sample.why_not = kept->why_not;
    for (size_t i = 0; i < sample->branch_count && i < BM_INFLIGHT_KEPT; i++)
        s_keep_branch (&kept->kept[kept->kept_count++], &sample->branches[i]);
}

void
bm_inflight_before (bm_inflight_t *self, size_t instance, const bm_inflight_sample_t *sample)
{
    bm_require (instance < self->count);
    s_keep (&self->instances[instance].samples[0], sample);
}

void
bm_inflight_after (bm_inflight_t *self, size_t instance, const bm_inflight_sample_t *sample)
{
    bm_require (instance < self->count);
    s_keep (&self->instances[instance].samples[1], sample);
}

/* ---- Findings ---------------------------------------------------------------------------------- */

size_t
bm_inflight_count (const bm_inflight_t *self)
{
    return self->count;
}

bm_inflight_finding_t
bm_inflight_finding (const bm_inflight_t *self, size_t instance)
{
    bm_require (instance < self->count);
    const s_instance_t *it = &self->instances[instance];
    const s_kept_t *before = &it->samples[0], *after = &it->samples[1];
    bm_inflight_finding_t finding = {
        .instance = it->name, .flags = bm_inflight_compare (&before->sample, &after->sample)};
    if (finding.flags & (BM_INFLIGHT_MOVED | BM_INFLIGHT_RESET)) {
        finding.prepares = (int64_t)(after->sample.prepares - before->sample.prepares);
        finding.commits = (int64_t)(after->sample.commits - before->sample.commits);
    }
    for (int at = 0; at < 2; at++) {
        const s_kept_t *kept = &it->samples[at];
        finding.listed[at] = kept->sample.ran ? kept->sample.branch_count : 0;
        finding.kept[at] = kept->sample.ran ? kept->kept_count : 0;
        memcpy (finding.branches[at], kept->kept, sizeof finding.branches[at]);
        if (!finding.why_not && kept->there && !kept->sample.ran)
            finding.why_not = kept->why_not ? kept->why_not : "the in-flight check did not run";
    }
    return finding;
}

const char *
bm_inflight_state (const bm_inflight_branch_t *branch)
{
    switch (branch->transaction_state) {
        case 3:
        case 6:
            return "ended and still listed";
        case 4:
            return "being committed";
        case 5:
            return "prepared";
        case 7:
        case 8:
            return "being rolled back";
        default:
            return branch->database_state == 5 ? "prepared" : "past active";
    }
}

/* ---- Text -------------------------------------------------------------------------------------- */

/*  Takes `text` (NULL = empty) and `more`. */
static char *
s_join (char *text, const char *between, char *more)
{
    if (!text)
        return more;
    char *joined = bm_format ("%s%s%s", text, between, more);
    free (text);
    free (more);
    return joined;
}

static char *
s_databases (const bm_inflight_branch_t *branch)
{
    char *text = NULL;
    for (size_t i = 0; i < branch->database_count; i++)
        text = s_join (text, ", ", bm_strdup (branch->databases[i]));
    return text ? text : bm_strdup ("no database any more");
}

static char *
s_listed (const bm_inflight_finding_t *finding, int at)
{
    static const char *const when[2] = {"before the COMMIT", "after the COMMIT"};
    char *text = NULL;
    for (size_t i = 0; i < finding->kept[at]; i++) {
        const bm_inflight_branch_t *branch = &finding->branches[at][i];
        bool known = branch->unit_of_work && branch->unit_of_work[0];
        char *databases = s_databases (branch);
        text = s_join (text, ", ",
                       bm_format ("%s%s %s in %s", known ? "unit of work " : "a transaction",
                                  known ? branch->unit_of_work : "", bm_inflight_state (branch),
                                  databases));
        free (databases);
    }
    size_t more = finding->listed[at] - finding->kept[at];
    if (more)
        text = s_join (text, " ", bm_format ("and %zu more", more));
    return s_join (bm_strdup (when[at]), ": ", text ? text : bm_strdup (""));
}

static char *
s_counts (const bm_inflight_finding_t *finding)
{
    if (finding->flags & BM_INFLIGHT_RESET)
        return bm_strdup ("the counts of branches were reset between its samples");
    return bm_format ("%" PRId64 " branch(es) prepared and %" PRId64
                      " committed between its samples",
                      finding->prepares, finding->commits);
}

static char *
s_tell (const bm_inflight_finding_t *finding)
{
    char *text = NULL;
    if (finding->why_not)
        text = bm_strdup (finding->why_not);
    if (finding->flags & (BM_INFLIGHT_MOVED | BM_INFLIGHT_RESET))
        text = s_join (text, ", ", s_counts (finding));
    if (finding->flags & BM_INFLIGHT_LISTED_BEFORE)
        text = s_join (text, ", ", s_listed (finding, 0));
    if (finding->flags & BM_INFLIGHT_LISTED_AFTER)
        text = s_join (text, ", ", s_listed (finding, 1));
    return text;
}

char *
bm_inflight_text (const bm_inflight_t *self)
{
    char *text = NULL;
    for (size_t i = 0; i < self->count; i++) {
        bm_inflight_finding_t finding = bm_inflight_finding (self, i);
        char *told = s_tell (&finding);
        if (told)
            text = s_join (text, "; ", s_join (bm_strdup (finding.instance), ": ", told));
    }
    return text;
}
