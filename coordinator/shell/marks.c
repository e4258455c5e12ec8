/*  coordinator/shell/marks.c */
#include "coordinator/shell/marks.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/names.h"

/* ---- members ----------------------------------------------------------------------------------------------------- */

/*  What is asked for mostly comes in the order of the members: one looks on from where the last one was found. */
static size_t
s_find_member (bm_marks_t *self, const char *server, const char *database)
{
    for (size_t i = 0; i < self->member_count; i++) {
        size_t at = (self->hint + i) % self->member_count;
        if (bm_names_equal (self->details[at].database, database) &&
            bm_names_equal (self->details[at].server, server)) {
            self->hint = at + 1;
            return at;
        }
    }
    return SIZE_MAX;
}

/*  The texts are borrowed: rows live as long as the marks. */
static size_t
s_member (bm_marks_t *self, const char *server, const char *database)
{
    size_t at = s_find_member (self, server, database);
    if (at != SIZE_MAX)
        return at;
    self->details = bm_realloc (self->details, (self->member_count + 1) * sizeof *self->details);
    bm_marks_member_t *member = &self->details[self->member_count];
    *member = (bm_marks_member_t){
        server, database, NULL, NULL, 0, bm_set_members_find (&self->group, server, database)};
    return self->member_count++;
}

static bm_link_t
s_link (const bm_stored_t *stored)
{
    const bm_backup_t *backup = &stored->backup;
    return (bm_link_t){.kind = backup->type == BM_SET_FULL ? BM_LINK_FULL : BM_LINK_LOG,
                       .first_lsn = backup->first_lsn,
                       .last_lsn = backup->last_lsn,
                       .fork = backup->last_fork,
                       .copy_only = backup->copy_only,
                       .unreadable = stored->state == BM_FILE_MISSING,
                       .foreign = !backup->ours};
}

/*  The rows come sorted by database: each member's are one stretch. */
static void
s_join_backups (bm_marks_t *self)
{
    for (size_t i = 0, end; i < self->stored_count; i = end) {
        const bm_backup_t *first = &self->stored[i].backup;
        size_t at = s_member (self, first->server, first->database);
        for (end = i; end < self->stored_count &&
                      bm_names_equal (self->stored[end].backup.server, first->server) &&
                      bm_names_equal (self->stored[end].backup.database, first->database);
             end++)
            continue;
        bm_marks_member_t *member = &self->details[at];
        size_t count = member->link_count + (end - i);
        member->links = bm_realloc (member->links, count * sizeof *member->links);
        member->stored = bm_realloc (member->stored, count * sizeof *member->stored);
        for (size_t k = i; k < end; k++) {
            member->links[member->link_count] = s_link (&self->stored[k]);
            member->stored[member->link_count++] = &self->stored[k];
        }
    }
}

static void
s_join_marks (bm_marks_t *self)
{
    self->marks = bm_alloc ((self->count + 1) * sizeof *self->marks);
    self->standings = bm_alloc ((self->count + 1) * sizeof *self->standings);
    for (size_t i = 0; i < self->count; i++) {
        const bm_stored_mark_t *row = &self->rows[i];
        self->standings[i] = bm_alloc ((row->standing_count + 1) * sizeof **self->standings);
        for (size_t k = 0; k < row->standing_count; k++) {
            const bm_stored_standing_t *standing = &row->standings[k];
            size_t member = s_member (self, standing->server, standing->database);
            self->standings[i][k] = (bm_mark_standing_t){member, standing->lsn, standing->fork};
        }
        self->marks[i] = (bm_mark_t){.name = row->name,
                                     .run = row->run,
                                     .set_id = row->set_id,
                                     .has_outcome = row->has_outcome,
                                     .outcome = row->outcome,
                                     .at_us = row->at_us,
                                     .standings = self->standings[i],
                                     .standing_count = row->standing_count};
    }
}

static void
s_judge (bm_marks_t *self)
{
    self->members = bm_alloc ((self->member_count + 1) * sizeof *self->members);
    for (size_t i = 0; i < self->member_count; i++) {
        const bm_marks_member_t *it = &self->details[i];
        self->members[i] =
            (bm_member_t){it->server, it->database, it->links, it->link_count, it->present};
    }
    self->usable = bm_usable_new (self->members, self->member_count);
    self->verdicts = bm_alloc ((self->count + 1) * sizeof *self->verdicts);
    self->latest = self->latest_on_demand = SIZE_MAX;
    for (size_t i = 0; i < self->count; i++) {
        self->verdicts[i] = bm_usable_judge (self->usable, &self->marks[i]);
        if (self->latest == SIZE_MAX && self->verdicts[i].use == BM_USE_YES)
            self->latest = i;
        if (self->latest == SIZE_MAX && self->latest_on_demand == SIZE_MAX &&
            self->verdicts[i].use == BM_USE_ON_DEMAND)
            self->latest_on_demand = i;
    }
}

bm_marks_t *
bm_marks_load (bm_catalogue_t *catalogue, size_t limit, bm_error_t *error)
{
    bm_marks_t *self = bm_alloc (sizeof *self);
    bm_status_t status = bm_catalogue_present (catalogue, &self->group, error);
    if (!status)
        status = bm_catalogue_stored (catalogue, &self->stored, &self->stored_count, error);
    if (!status)
        status = bm_catalogue_marks (catalogue, limit, &self->rows, &self->count, error);
    if (status) {
        bm_marks_destroy (&self);
        return NULL;
    }
    for (size_t i = 0; i < self->group.count; i++)
        s_member (self, self->group.items[i].server, self->group.items[i].database);
    s_join_backups (self);
    s_join_marks (self);
    s_judge (self);
    return self;
}

void
bm_marks_destroy (bm_marks_t **self_p)
{
    bm_marks_t *self = *self_p;
    if (!self)
        return;
    bm_usable_destroy (&self->usable);
    for (size_t i = 0; self->standings && i < self->count; i++)
        free (self->standings[i]);
    for (size_t i = 0; i < self->member_count; i++) {
        free (self->details[i].links);
        free (self->details[i].stored);
    }
    bm_stored_marks_destroy (&self->rows, self->count);
    bm_stored_destroy (&self->stored, self->stored_count);
    bm_set_members_clear (&self->group);
    free (self->standings);
    free (self->details);
    free (self->members);
    free (self->verdicts);
    free (self->marks);
    free (self);
    *self_p = NULL;
}

/* ---- why --------------------------------------------------------------------------------------------------------- */

static const bm_stored_t *
s_stored (const bm_marks_t *self, size_t member, size_t link)
{
    return link < self->details[member].link_count ? self->details[member].stored[link] : NULL;
}

static char *
s_why_uncovered (const bm_marks_t *self, size_t member, const bm_coverage_t *coverage)
{
    const bm_stored_t *at = s_stored (self, member, coverage->at);
    const char *who = at && !at->backup.ours ? " (made by others)" : "";
    const char *file = at && at->backup.device ? at->backup.device : "?";
    switch (coverage->why) {
        case BM_UNCOVERED_NO_LSN:
            return bm_strdup ("it was not proved to stand there");
        case BM_UNCOVERED_NO_FULL:
            return bm_strdup ("no full backup from before the mark is kept");
        case BM_UNCOVERED_FULL_MISSING:
            return bm_format ("the full backup it needs is missing: %s%s", file, who);
        case BM_UNCOVERED_LOG_MISSING:
            return bm_format ("a log backup it needs is missing: %s%s", file, who);
        case BM_UNCOVERED_GAP:
            return bm_format ("no log backup holds LSN %s to %s; the next one is %s",
                              coverage->reach, at ? at->backup.first_lsn : "?", file);
        case BM_UNCOVERED_END:
            return bm_format ("its log is backed up to LSN %s only, which is before the mark",
                              coverage->reach);
        default:
            return bm_strdup (bm_cover_why_text (coverage->why));
    }
}

/*  Marks are placed before the logs are backed up: while the log backups of its set run, a mark is not covered yet. */
static char *
s_why_standing (const bm_marks_t *self, size_t mark)
{
    const bm_usability_t *verdict = &self->verdicts[mark];
    const bm_mark_standing_t *standing = &self->marks[mark].standings[verdict->standing];
    const bm_member_t *member = &self->members[standing->member];
    char *why =
        verdict->why == BM_USE_FORK
            ? bm_strdup ("it was restored, and whether before or after the mark is not known")
            : s_why_uncovered (self, standing->member, &verdict->coverage);
    char *more =
        verdict->against > 1 ? bm_format (" (and %zu more)", verdict->against - 1) : bm_strdup ("");
    char *text = bm_format ("%s on %s: %s%s", member->database, member->server, why, more);
    free (why);
    free (more);
    return text;
}

char *
bm_marks_why (const bm_marks_t *self, size_t mark)
{
    const bm_usability_t *verdict = &self->verdicts[mark];
    const bm_stored_mark_t *row = &self->rows[mark];
    char text[BM_CLOCK_TEXT_BYTES];
    if (verdict->use == BM_USE_YES)
        return bm_strdup ("");
    if (verdict->why == BM_USE_OUTCOME) {
        const char *outcome = row->has_outcome ? bm_outcome_meaning (row->outcome)
                                               : "what became of it is not settled yet";
        return row->reason && *row->reason ? bm_format ("%s: %s", outcome, row->reason)
                                           : bm_strdup (outcome);
    }
    if (row->cleaned_us >= 0)
        return bm_format ("its files were deleted by retention at %s",
                          bm_clock_rfc3339 (row->cleaned_us, text));
    if (verdict->why == BM_USE_NO_GROUP)
        return bm_strdup ("which databases the group had then is not known");
    return s_why_standing (self, mark);
}
