#include "coordinator/core/retention.h"

#include <stdlib.h>
#include <string.h>
#include "common/names.h"

#define NONE SIZE_MAX

typedef struct dated {
    int64_t at_us;
    const char *name;
    size_t mark;
} dated_t;

/*  One decision under way. */
typedef struct work {
    const bm_retention_in_t *in;
    bm_retention_t *out;
    bm_usable_t *usable;
    bm_usability_t *verdicts; /* per mark */
    dated_t *newest;          /* marks, the newest first */
    size_t *path;
    size_t **run_of; /* per member, per link: the full whose run it belongs to; NONE */
} work_t;

const char *
bm_rule_name (bm_rule_t rule)
{
    static const char *const names[BM_RULE_COUNT_OF_RULES] = {[BM_RULE_UNNEEDED] = "unneeded",
                                                              [BM_RULE_GONE] = "gone",
                                                              [BM_RULE_FOREIGN] = "not-ours",
                                                              [BM_RULE_COUNT] = "newest-marks",
                                                              [BM_RULE_DEMAND] = "newest-on-demand",
                                                              [BM_RULE_TIME] = "mark-in-time",
                                                              [BM_RULE_AGE] = "young",
                                                              [BM_RULE_RETAINED] = "retained",
                                                              [BM_RULE_CLAIM] = "claimed",
                                                              [BM_RULE_CHAIN] = "present-chain",
                                                              [BM_RULE_WITH] = "with-its-full",
                                                              [BM_RULE_SHARED] = "same-file",
                                                              [BM_RULE_STOPPED] = "stopped"};
    return names[rule];
}

static bool
s_without (const work_t *self, bm_retention_mutation_t rule)
{
    return self->in->mutation == rule;
}

static const bm_link_t *
s_link (const work_t *self, size_t member, size_t link)
{
    return &self->in->members[member].links[link];
}

static bool
s_ours (const work_t *self, size_t member, size_t link)
{
    return !s_link (self, member, link)->foreign || s_without (self, BM_RETENTION_NO_OWNERSHIP);
}

/*  The first rule that keeps a backup is the one that is told. */
static void
s_keep (work_t *self, size_t member, size_t link, bm_fate_t why)
{
    bm_fate_t *fate = &self->out->fates[member][link];
    if (!fate->goes)
        return;
    why.goes = false;
    *fate = why;
}

static bm_fate_t
s_why (bm_rule_t rule)
{
    return (bm_fate_t){.rule = rule, .mark = NONE, .claim = NONE, .with = NONE};
}

/*  What the databases need to get to the mark, as far as each can. */
static void
s_keep_mark (work_t *self, size_t mark, bm_fate_t why)
{
    const bm_mark_t *it = &self->in->marks[mark];
    bm_chain_choice_t choice =
        s_without (self, BM_RETENTION_ANY_FULL) ? BM_CHAIN_ANY_FULL : BM_CHAIN_OUR_FULL;
    why.mark = mark;
    for (size_t i = 0; i < it->standing_count; i++) {
        bm_coverage_t coverage = bm_usable_path (self->usable, it, i, choice, self->path);
        for (size_t k = 0; coverage.covered && k < coverage.used; k++)
            s_keep (self, it->standings[i].member, self->path[k], why);
    }
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

static void
s_count (work_t *self, bm_use_t least, bm_rule_t rule)
{
    size_t counted = 0;
    for (size_t i = 0; i < self->in->mark_count && counted < self->in->keep_marks; i++) {
        size_t mark = self->newest[i].mark;
        bool good = self->verdicts[mark].use >= least || s_without (self, BM_RETENTION_ANY_MARK);
        if (!good)
            continue;
        counted++;
        bool known = false;
        for (size_t k = 0; k < self->out->counted_count; k++)
            known |= self->out->counted[k] == mark;
        if (!known)
            self->out->counted[self->out->counted_count++] = mark;
        s_keep_mark (self, mark, s_why (rule));
    }
    if (least == BM_USE_YES)
        self->out->usable_counted = counted;
}

/*  A mark that is not covered in every database yet may be so tomorrow, when a missing log has come. One that stands in some
 *  databases only, or in none, is nothing to restore to. */
static bool
s_worth_its_time (const bm_mark_t *mark)
{
    return !mark->has_outcome || mark->outcome == BM_OUTCOME_CLEAN ||
           mark->outcome == BM_OUTCOME_UNCHECKED || mark->outcome == BM_OUTCOME_DOUBTFUL ||
           mark->outcome == BM_OUTCOME_UNKNOWN;
}

static void
s_keep_young (work_t *self)
{
    const bm_retention_in_t *in = self->in;
    int64_t since_us = in->now_us - in->keep_us;
    for (size_t i = 0; i < in->mark_count; i++)
        if (in->keep_us > 0 && in->marks[i].at_us >= since_us && s_worth_its_time (&in->marks[i]))
            s_keep_mark (self, i, s_why (BM_RULE_TIME));
    for (size_t i = 0; in->keep_us > 0 && i < in->member_count; i++)
        for (size_t k = 0; k < in->members[i].link_count; k++)
            if (in->holdings[i][k].at_us >= since_us)
                s_keep (self, i, k, s_why (BM_RULE_AGE));
}

/* ---- retained sets and claims ------------------------------------------------------------------------------------ */

static void
s_keep_set (work_t *self, int64_t set_id, bm_fate_t why)
{
    const bm_retention_in_t *in = self->in;
    for (size_t i = 0; i < in->mark_count; i++)
        if (in->marks[i].set_id == set_id)
            s_keep_mark (self, i, why);
    for (size_t i = 0; i < in->member_count; i++)
        for (size_t k = 0; k < in->members[i].link_count; k++)
            if (in->holdings[i][k].set_id == set_id)
                s_keep (self, i, k, why);
}

static void
s_keep_retained (work_t *self)
{
    const bm_retention_in_t *in = self->in;
    for (size_t i = 0; i < in->retained_count; i++) {
        bm_fate_t why = s_why (BM_RULE_RETAINED);
        why.set_id = in->retained[i].set_id;
        if (in->retained[i].until_us < 0 || in->retained[i].until_us > in->now_us)
            s_keep_set (self, why.set_id, why);
    }
}

static void
s_keep_claimed (work_t *self)
{
    const bm_retention_in_t *in = self->in;
    for (size_t i = 0; i < in->claim_count; i++) {
        const bm_claim_t *claim = &in->claims[i];
        bm_fate_t why = s_why (BM_RULE_CLAIM);
        why.claim = i;
        if (claim->until_us <= in->now_us)
            continue;
        if (claim->set_id)
            s_keep_set (self, claim->set_id, why);
        for (size_t k = 0; claim->mark && k < in->mark_count; k++)
            if (strcmp (in->marks[k].name, claim->mark) == 0)
                s_keep_mark (self, k, why);
        for (size_t m = 0; !claim->set_id && !claim->mark && m < in->member_count; m++)
            for (size_t k = 0; k < in->members[m].link_count; k++)
                s_keep (self, m, k, why);
    }
}

/* ---- the present chain ------------------------------------------------------------------------------------------- */

/*  Later by time; of the same time, what goes further. */
static bool
s_later (const work_t *self, size_t member, size_t a, size_t b)
{
    const bm_holding_t *x = &self->in->holdings[member][a], *y = &self->in->holdings[member][b];
    if (x->at_us != y->at_us)
        return x->at_us > y->at_us;
    return bm_lsn_compare (s_link (self, member, a)->last_lsn, s_link (self, member, b)->last_lsn) >
           0;
}

static bool
s_is_full (const work_t *self, size_t member, size_t link, bool anybodys)
{
    const bm_link_t *it = s_link (self, member, link);
    bool ours = anybodys || !it->foreign || s_without (self, BM_RETENTION_ANY_FULL);
    return it->kind == BM_LINK_FULL && ours && !it->unreadable && !it->copy_only &&
           !self->in->holdings[member][link].gone && bm_lsn_valid (it->last_lsn) &&
           bm_lsn_valid (it->first_lsn);
}

static bool
s_same_fork (const bm_link_t *a, const bm_link_t *b)
{
    return !a->fork || !*a->fork || !b->fork || !*b->fork || bm_names_equal (a->fork, b->fork);
}

static size_t
s_newest_full (const work_t *self, size_t member, bool anybodys)
{
    size_t newest = NONE;
    for (size_t i = 0; i < self->in->members[member].link_count; i++)
        if (s_is_full (self, member, i, anybodys) &&
            (newest == NONE || s_later (self, member, i, newest)))
            newest = i;
    return newest;
}

/*  Without a full of ours (the catalogue is new, or its backups were lost) the logs stand on somebody else's, or on one that is not
 *  known: they are needed all the same. */
static void
s_keep_chain (work_t *self, size_t member)
{
    const bm_member_t *it = &self->in->members[member];
    const bm_holding_t *holdings = self->in->holdings[member];
    size_t newest = s_newest_full (self, member, false);
    if (newest == NONE)
        newest = s_newest_full (self, member, true);
    if (newest == NONE) {
        for (size_t i = 0; i < it->link_count; i++)
            if (it->links[i].kind == BM_LINK_LOG)
                s_keep (self, member, i, s_why (BM_RULE_CHAIN));
        return;
    }
    s_keep (self, member, newest, s_why (BM_RULE_CHAIN));
    const bm_link_t *full = &it->links[newest];
    for (size_t i = 0; i < it->link_count; i++) {
        const bm_link_t *log = &it->links[i];
        bool since = s_same_fork (log, full)
                         ? bm_lsn_valid (log->last_lsn) &&
                               bm_lsn_compare (log->last_lsn, full->last_lsn) >= 0
                         : holdings[i].at_us >= holdings[newest].at_us;
        if (log->kind == BM_LINK_LOG && since)
            s_keep (self, member, i, s_why (BM_RULE_CHAIN));
    }
}

/* ---- runs of one full, and files with several backups ------------------------------------------------------------ */

/*  The full that a log depends on: the newest that ended before it did, on its fork. */
static size_t
s_full_of (const work_t *self, size_t member, size_t link)
{
    const bm_member_t *it = &self->in->members[member];
    const bm_link_t *log = &it->links[link];
    size_t best = NONE;
    if (s_is_full (self, member, link, false))
        return link;
    if (log->kind == BM_LINK_FULL || !bm_lsn_valid (log->last_lsn))
        return NONE;
    for (size_t i = 0; i < it->link_count; i++)
        if (s_is_full (self, member, i, false) && s_same_fork (&it->links[i], log) &&
            bm_lsn_compare (it->links[i].last_lsn, log->last_lsn) <= 0 &&
            (best == NONE || bm_lsn_compare (it->links[i].last_lsn, it->links[best].last_lsn) > 0))
            best = i;
    return best;
}

static bool
s_stays (const work_t *self, size_t member, size_t link)
{
    return !self->out->fates[member][link].goes && !self->in->holdings[member][link].gone &&
           s_ours (self, member, link);
}

/*  True when something was kept that would have gone. */
static bool
s_keep_runs (work_t *self, size_t member)
{
    size_t count = self->in->members[member].link_count;
    const size_t *run_of = self->run_of[member];
    size_t *kept =
        bm_alloc ((count + 1) * sizeof *kept); /* per full: a link of its run that stays */
    bool changed = false;
    for (size_t i = 0; i < count; i++)
        kept[i] = NONE;
    for (size_t i = 0; i < count; i++)
        if (run_of[i] != NONE && s_stays (self, member, i) &&
            (kept[run_of[i]] == NONE || i == run_of[i]))
            kept[run_of[i]] = i;
    for (size_t i = 0; i < count; i++) {
        if (run_of[i] == NONE || kept[run_of[i]] == NONE || !self->out->fates[member][i].goes)
            continue;
        bm_fate_t why = s_why (BM_RULE_WITH);
        why.with = kept[run_of[i]];
        s_keep (self, member, i, why);
        changed = true;
    }
    free (kept);
    return changed;
}

typedef struct place {
    const char *instance, *device;
    size_t member, link;
} place_t;

static int
s_by_file (const void *a, const void *b)
{
    const place_t *x = a, *y = b;
    int order = strcmp (x->device, y->device);
    return order ? order : strcmp (x->instance, y->instance);
}

/*  A file that holds several backups goes when all of them may. */
static bool
s_keep_shared (work_t *self, const place_t *places, size_t count)
{
    bool changed = false;
    for (size_t i = 0, end; i < count; i = end) {
        bool stays = false;
        for (end = i; end < count && s_by_file (&places[i], &places[end]) == 0; end++)
            stays |= !self->out->fates[places[end].member][places[end].link].goes &&
                     !self->in->holdings[places[end].member][places[end].link].gone;
        for (size_t k = i; stays && k < end; k++) {
            changed |= self->out->fates[places[k].member][places[k].link].goes;
            s_keep (self, places[k].member, places[k].link, s_why (BM_RULE_SHARED));
        }
    }
    return changed;
}

static void
s_close (work_t *self)
{
    const bm_retention_in_t *in = self->in;
    size_t total = 0, count = 0;
    for (size_t i = 0; i < in->member_count; i++)
        total += in->members[i].link_count;
    place_t *places = bm_alloc ((total + 1) * sizeof *places);
    for (size_t i = 0; i < in->member_count; i++)
        for (size_t k = 0; k < in->members[i].link_count; k++)
            if (in->holdings[i][k].device && in->holdings[i][k].instance)
                places[count++] =
                    (place_t){in->holdings[i][k].instance, in->holdings[i][k].device, i, k};
    qsort (places, count, sizeof *places, s_by_file);
    bool changed = true;
    while (changed) {
        changed = s_keep_shared (self, places, count);
        for (size_t i = 0; !s_without (self, BM_RETENTION_NO_RUNS) && i < in->member_count; i++)
            changed |= s_keep_runs (self, i);
    }
    free (places);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int
s_newest_first (const void *a, const void *b)
{
    const dated_t *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? 1 : -1;
    return -strcmp (x->name, y->name);
}

static void
s_begin (work_t *self, const bm_retention_in_t *in)
{
    size_t longest = 0;
    bm_retention_t *out = bm_alloc (sizeof *out);
    *self = (work_t){.in = in, .out = out};
    self->usable = bm_usable_new (in->members, in->member_count);
    self->verdicts = bm_alloc ((in->mark_count + 1) * sizeof *self->verdicts);
    self->newest = bm_alloc ((in->mark_count + 1) * sizeof *self->newest);
    self->run_of = bm_alloc ((in->member_count + 1) * sizeof *self->run_of);
    out->counted = bm_alloc ((in->mark_count + 1) * sizeof *out->counted);
    out->fates = bm_alloc ((in->member_count + 1) * sizeof *out->fates);
    out->member_count = in->member_count;
    for (size_t i = 0; i < in->mark_count; i++) {
        self->newest[i] = (dated_t){in->marks[i].at_us, in->marks[i].name, i};
        self->verdicts[i] = bm_usable_judge (self->usable, &in->marks[i]);
    }
    qsort (self->newest, in->mark_count, sizeof *self->newest, s_newest_first);
    for (size_t i = 0; i < in->member_count; i++) {
        size_t count = in->members[i].link_count;
        longest = count > longest ? count : longest;
        out->fates[i] = bm_alloc ((count + 1) * sizeof **out->fates);
        self->run_of[i] = bm_alloc ((count + 1) * sizeof **self->run_of);
        for (size_t k = 0; k < count; k++) {
            bm_fate_t fate = s_why (BM_RULE_UNNEEDED);
            fate.goes = true;
            if (in->holdings[i][k].gone)
                fate = s_why (BM_RULE_GONE);
            else if (!s_ours (self, i, k))
                fate = s_why (BM_RULE_FOREIGN);
            out->fates[i][k] = fate;
            self->run_of[i][k] = s_ours (self, i, k) ? s_full_of (self, i, k) : NONE;
        }
    }
    self->path = bm_alloc ((longest + 1) * sizeof *self->path);
}

static void
s_stop (work_t *self)
{
    bm_retention_t *out = self->out;
    out->stop = self->in->stop;
    if (!out->stop && out->counted_count == 0)
        out->stop = "no mark is known that the group can be restored to";
    if (s_without (self, BM_RETENTION_NO_STOP))
        out->stop = NULL;
    for (size_t i = 0; i < self->in->member_count; i++)
        for (size_t k = 0; out->stop && k < self->in->members[i].link_count; k++)
            s_keep (self, i, k, s_why (BM_RULE_STOPPED));
}

static void
s_sum_up (work_t *self)
{
    bm_retention_t *out = self->out;
    out->oldest_kept_us = -1;
    for (size_t i = 0; i < self->in->member_count; i++)
        for (size_t k = 0; k < self->in->members[i].link_count; k++) {
            const bm_holding_t *holding = &self->in->holdings[i][k];
            out->goes += out->fates[i][k].goes;
            if (!s_stays (self, i, k) || s_link (self, i, k)->foreign)
                continue;
            if (out->oldest_kept_us < 0 || holding->at_us < out->oldest_kept_us) {
                out->oldest_kept_us = holding->at_us;
                out->oldest_kept_set = holding->set_id;
            }
        }
}

bm_retention_t *
bm_retention_decide (const bm_retention_in_t *in)
{
    work_t self;
    s_begin (&self, in);
    if (!s_without (&self, BM_RETENTION_NO_COUNT))
        s_count (&self, BM_USE_YES, BM_RULE_COUNT);
    if (!s_without (&self, BM_RETENTION_NO_DEMAND))
        s_count (&self, BM_USE_ON_DEMAND, BM_RULE_DEMAND);
    if (!s_without (&self, BM_RETENTION_NO_RETAINED))
        s_keep_retained (&self);
    if (!s_without (&self, BM_RETENTION_NO_CLAIMS))
        s_keep_claimed (&self);
    for (size_t i = 0; !s_without (&self, BM_RETENTION_NO_CHAIN) && i < in->member_count; i++)
        if (in->members[i].present)
            s_keep_chain (&self, i);
    if (!s_without (&self, BM_RETENTION_NO_TIME))
        s_keep_young (&self);
    s_close (&self);
    s_stop (&self);
    s_sum_up (&self);
    for (size_t i = 0; i < in->member_count; i++)
        free (self.run_of[i]);
    free (self.run_of);
    free (self.verdicts);
    free (self.newest);
    free (self.path);
    bm_usable_destroy (&self.usable);
    return self.out;
}

void
bm_retention_destroy (bm_retention_t **self_p)
{
    bm_retention_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->member_count; i++)
        free (self->fates[i]);
    free (self->fates);
    free (self->counted);
    free (self);
    *self_p = NULL;
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

/*  "14 d", "36 h", "90 min". Caller frees. */
static char *
s_time (int64_t us)
{
    const int64_t minute = 60000000;
    if (us % (1440 * minute) == 0)
        return bm_format ("%lld d", (long long)(us / (1440 * minute)));
    if (us % (60 * minute) == 0)
        return bm_format ("%lld h", (long long)(us / (60 * minute)));
    return bm_format ("%lld min", (long long)(us / minute));
}

static char *
s_sentence_of_mark (const bm_retention_in_t *in, const bm_fate_t *fate)
{
    const bm_mark_t *mark = &in->marks[fate->mark];
    char *time = s_time (in->keep_us);
    char *text = NULL;
    if (fate->rule == BM_RULE_COUNT)
        text = bm_format ("mark %s needs it, one of the newest %zu usable marks", mark->name,
                          in->keep_marks);
    else if (fate->rule == BM_RULE_DEMAND)
        text = bm_format ("mark %s (%s) needs it, one of the newest %zu that can be restored to "
                          "on demand",
                          mark->name, bm_outcome_name (mark->outcome), in->keep_marks);
    else
        text = bm_format ("mark %s needs it, inside the retention time of %s", mark->name, time);
    free (time);
    return text;
}

char *
bm_retention_sentence (const bm_retention_in_t *in, const bm_retention_t *decided,
                       const bm_fate_t *fate)
{
    char *time = s_time (in->keep_us), *text = NULL;
    switch (fate->rule) {
        case BM_RULE_COUNT:
        case BM_RULE_DEMAND:
        case BM_RULE_TIME:
            text = s_sentence_of_mark (in, fate);
            break;
        case BM_RULE_AGE:
            text = bm_format ("it is inside the retention time of %s itself", time);
            break;
        case BM_RULE_RETAINED:
            text = bm_format ("set %lld is retained", (long long)fate->set_id);
            break;
        case BM_RULE_CLAIM:
            text = bm_format ("a %s that runs needs it", in->claims[fate->claim].kind);
            break;
        case BM_RULE_CHAIN:
            text = bm_strdup ("of the newest full and the logs since: marks to come need it");
            break;
        case BM_RULE_WITH:
            text = bm_strdup ("a full goes only with all its logs, and one of them is kept");
            break;
        case BM_RULE_SHARED:
            text = bm_strdup ("another backup in the same file is kept");
            break;
        case BM_RULE_STOPPED:
            text = bm_format ("nothing is deleted now: %s", decided->stop);
            break;
        case BM_RULE_FOREIGN:
            text = bm_strdup ("btsmark did not make it: it is left alone");
            break;
        case BM_RULE_GONE:
            text = bm_strdup ("its file is gone");
            break;
        default:
            text = in->keep_us > 0
                       ? bm_format ("older than %s, and no kept mark, set or chain needs it", time)
                       : bm_strdup ("no kept mark, set or chain needs it");
            break;
    }
    free (time);
    return text;
}
