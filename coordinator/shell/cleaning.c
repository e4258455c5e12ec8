/*  coordinator/shell/cleaning.c */
#include "coordinator/shell/cleaning.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/names.h"
#include "coordinator/shell/cleaning_state.h"
#include "coordinator/shell/history.h"

enum { NAME_TIME_LENGTH = 23 };
static const int64_t DAY_US = 86400000000, SLACK_US = 2 * 3600 * 1000000LL;

/*  One cleaning under way. */
typedef struct clean {
    bm_work_t *work;
    bm_cleaning_t *out;
    bm_marks_t *marks;
    bm_holding_t **holdings; /* per member, per link */
    bool **looked;
    bm_retained_row_t *retained_rows;
    bm_claim_row_t *claim_rows;
    bm_retained_set_t *retained;
    bm_claim_t *claims;
    bm_retention_in_t in;
    bm_retention_t *decided;
    int64_t decided_us;
    char *stop;        /* why nothing may go */
    char *unverified;  /* why the catalogue may not be relied on yet; NULL = it may */
    int64_t oldest_us; /* of our backups that stay; -1 = none */
} clean_t;

static void
s_warn (clean_t *self, const bm_error_t *error)
{
    self->out->failures++;
    bm_report_warn (self->work->report, "%s", error->text);
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static void
s_hold (clean_t *self)
{
    bm_marks_t *marks = self->marks;
    self->holdings = bm_alloc ((marks->member_count + 1) * sizeof *self->holdings);
    self->looked = bm_alloc ((marks->member_count + 1) * sizeof *self->looked);
    for (size_t i = 0; i < marks->member_count; i++) {
        const bm_marks_member_t *member = &marks->details[i];
        self->holdings[i] = bm_alloc ((member->link_count + 1) * sizeof **self->holdings);
        self->looked[i] = bm_alloc ((member->link_count + 1) * sizeof **self->looked);
        for (size_t k = 0; k < member->link_count; k++) {
            const bm_backup_t *backup = &member->stored[k]->backup;
            self->holdings[i][k] = (bm_holding_t){.instance = backup->instance,
                                                  .device = backup->device,
                                                  .set_id = backup->set_id,
                                                  .at_us = member->stored[k]->at_us};
        }
    }
}

/*  What may not be decided without a database is not decided. */
static void
s_find_stop (clean_t *self)
{
    const bm_topology_t *topology = self->work->topology;
    for (size_t i = 0; i < topology->place_count && !self->stop; i++) {
        const bm_place_t *place = &topology->places[i];
        if (place->instance == BM_NOWHERE)
            self->stop = bm_format ("%s on %s cannot be asked: %s", place->database, place->server,
                                    place->fault.text);
        else if (!place->voted && !self->out->dry_run)
            self->stop =
                bm_format ("%s on %s did not answer in this run", place->database, place->server);
    }
    if (!self->stop && self->unverified && strcmp (self->unverified, BM_UNVERIFIED_NEW) != 0)
        self->stop = bm_format ("%s, and its files were not verified yet", self->unverified);
}

static bm_status_t
s_read (clean_t *self, bm_error_t *error)
{
    bm_catalogue_t *catalogue = self->work->catalogue;
    const bm_settings_t *settings = self->work->settings;
    size_t retained = 0, claims = 0;
    self->decided_us = bm_clock_utc_us ();
    bm_status_t status = bm_catalogue_retained (catalogue, &self->retained_rows, &retained, error);
    self->in.retained_count = retained;
    if (!status)
        status = bm_catalogue_claims (catalogue, &self->claim_rows, &claims, error);
    self->in.claim_count = claims;
    if (!status)
        status = bm_catalogue_unverified (catalogue, &self->unverified, error);
    if (!status && !(self->marks = bm_marks_load (catalogue, 0, error)))
        status = error->status;
    if (status)
        return status;
    s_hold (self);
    s_find_stop (self);
    self->retained = bm_alloc ((retained + 1) * sizeof *self->retained);
    for (size_t i = 0; i < retained; i++)
        self->retained[i] =
            (bm_retained_set_t){self->retained_rows[i].set_id, self->retained_rows[i].until_us};
    self->claims = bm_alloc ((claims + 1) * sizeof *self->claims);
    for (size_t i = 0; i < claims; i++)
        self->claims[i] = (bm_claim_t){self->claim_rows[i].kind, self->claim_rows[i].set_id,
                                       self->claim_rows[i].mark, self->claim_rows[i].until_us};
    self->in.members = self->marks->members;
    self->in.holdings = (const bm_holding_t *const *)self->holdings;
    self->in.member_count = self->marks->member_count;
    self->in.marks = self->marks->marks;
    self->in.mark_count = self->marks->count;
    self->in.retained = self->retained;
    self->in.claims = self->claims;
    self->in.keep_marks = settings->keep_marks;
    self->in.keep_us = settings->keep_time_ms * 1000;
    self->in.now_us = self->decided_us;
    return BM_OK;
}

static void
s_decide (clean_t *self)
{
    bm_retention_destroy (&self->decided);
    self->in.stop = self->stop;
    self->decided = bm_retention_decide (&self->in);
}

/* ---- looking at what the kept marks need ------------------------------------------------------------------------- */

typedef struct spot {
    size_t member, link;
    char *file;
} spot_t;

typedef struct spots {
    spot_t *items;
    bm_look_t *looks; /* of each */
    size_t count;
} spots_t;

static void
s_add_look (spots_t *spots, size_t member, size_t link, const bm_backup_t *backup, const char *file,
            size_t length)
{
    if ((spots->count & (spots->count - 1)) == 0) {
        size_t room = spots->count ? spots->count * 2 : 1;
        spots->items = bm_realloc (spots->items, room * sizeof *spots->items);
        spots->looks = bm_realloc (spots->looks, room * sizeof *spots->looks);
    }
    char *name = bm_format ("%.*s", (int)length, file);
    spots->items[spots->count] = (spot_t){member, link, name};
    spots->looks[spots->count++] =
        (bm_look_t){.instance = backup->instance, .file = name, .ours = backup->ours};
}

/*  The backup's file, or all its stripes, one after the other. */
static void
s_add_spot (clean_t *self, spots_t *spots, size_t member, size_t link)
{
    const bm_backup_t *backup = &self->marks->details[member].stored[link]->backup;
    if (self->looked[member][link] || !backup->instance || !backup->device)
        return;
    self->looked[member][link] = true;
    s_add_look (spots, member, link, backup, backup->device, strlen (backup->device));
    for (const char *more = backup->more_devices; more && *more;) {
        size_t length = strcspn (more, "\n");
        s_add_look (spots, member, link, backup, more, length);
        more += length + (more[length] == '\n');
    }
}

/*  The ways to the marks that count, the present chain, and what was missing the last time. Our own files only where it
 *  matters now (`ours`); others' always: a link that goes by somebody else's doing is a gap. */
static void
s_collect (clean_t *self, bool ours, spots_t *spots)
{
    bm_marks_t *marks = self->marks;
    bm_usable_t *usable = bm_usable_new (marks->members, marks->member_count);
    for (size_t i = 0; i < self->decided->counted_count; i++) {
        const bm_mark_t *mark = &marks->marks[self->decided->counted[i]];
        for (size_t k = 0; k < mark->standing_count; k++) {
            size_t member = mark->standings[k].member;
            size_t *path = bm_alloc ((marks->details[member].link_count + 1) * sizeof *path);
            bm_coverage_t way = bm_usable_path (usable, mark, k, BM_CHAIN_OUR_FULL, path);
            for (size_t n = 0; n < way.used; n++)
                if (ours || marks->details[member].links[path[n]].foreign)
                    s_add_spot (self, spots, member, path[n]);
            free (path);
        }
    }
    for (size_t i = 0; i < marks->member_count; i++)
        for (size_t k = 0; k < marks->details[i].link_count; k++)
            if (marks->details[i].stored[k]->state == BM_FILE_MISSING ||
                (ours && self->decided->fates[i][k].rule == BM_RULE_CHAIN))
                s_add_spot (self, spots, i, k);
    bm_usable_destroy (&usable);
}

/*  One backup: it is there when all its stripes are. How many looks are of it. */
static size_t
s_take_backup (clean_t *self, const spots_t *spots, size_t at, bm_file_state_t *state)
{
    size_t count = 0;
    *state = BM_FILE_PRESENT;
    for (;
         at + count < spots->count && spots->items[at + count].member == spots->items[at].member &&
         spots->items[at + count].link == spots->items[at].link;
         count++) {
        const bm_look_t *look = &spots->looks[at + count];
        self->out->looked_at += look->asked;
        if (look->asked && !look->exists)
            *state = BM_FILE_MISSING;
        if (!look->asked && *state == BM_FILE_PRESENT)
            *state = BM_FILE_UNKNOWN;
        if (!look->asked && look->ours && !self->stop)
            self->stop = bm_format ("%s on %s could not be looked at: %s", look->file,
                                    look->instance, look->problem);
    }
    return count;
}

/*  True when what was seen may change the decision. */
static bool
s_take_looks (clean_t *self, const spots_t *spots)
{
    bool changed = false, stopped = self->stop != NULL;
    bm_file_seen_t *seen = bm_alloc ((spots->count + 1) * sizeof *seen);
    size_t seen_count = 0;
    bm_error_t error = {0};
    bm_file_state_t state;
    for (size_t i = 0, looks; i < spots->count; i += looks) {
        const bm_marks_member_t *member = &self->marks->details[spots->items[i].member];
        bm_link_t *link = &member->links[spots->items[i].link];
        looks = s_take_backup (self, spots, i, &state);
        if (state == BM_FILE_UNKNOWN)
            continue;
        if (state != member->stored[spots->items[i].link]->state)
            seen[seen_count++] =
                (bm_file_seen_t){spots->looks[i].instance, spots->looks[i].file, state};
        changed |= link->unreadable != (state == BM_FILE_MISSING);
        link->unreadable = state == BM_FILE_MISSING;
    }
    if (!self->out->dry_run && seen_count &&
        bm_catalogue_files_seen (self->work->catalogue, seen, seen_count, &error) != BM_OK)
        s_warn (self, &error);
    free (seen);
    return changed || (self->stop && !stopped);
}

static bool
s_look (clean_t *self, bool ours)
{
    spots_t spots = {0};
    s_collect (self, ours, &spots);
    bm_cleaning_look (self->work, spots.looks, spots.count);
    bool changed = s_take_looks (self, &spots);
    for (size_t i = 0; i < spots.count; i++) {
        free (spots.looks[i].problem);
        free (spots.items[i].file);
    }
    free (spots.looks);
    free (spots.items);
    return changed;
}

/*  Every file is looked at once at most: it ends. */
static void
s_decide_by_what_is_there (clean_t *self)
{
    bm_error_t error = {0};
    s_decide (self);
    bool ours = self->decided->goes > 0 || self->unverified || self->out->dry_run;
    while (s_look (self, ours)) {
        s_decide (self);
        ours = true;
    }
    if (!self->unverified || self->decided->stop || self->out->dry_run)
        return;
    if (bm_catalogue_set_unverified (self->work->catalogue, NULL, &error) != BM_OK)
        s_warn (self, &error);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static bm_cleaning_file_t *
s_add_file (bm_cleaning_t *out, const char *instance, const char *file, size_t length)
{
    if ((out->count & (out->count - 1)) == 0)
        out->files =
            bm_realloc (out->files, (out->count ? out->count * 2 : 1) * sizeof *out->files);
    bm_cleaning_file_t *added = &out->files[out->count++];
    *added = (bm_cleaning_file_t){.bytes = -1};
    added->instance = bm_strdup (instance ? instance : "");
    added->file = bm_format ("%.*s", (int)length, file);
    return added;
}

static void
s_list_file (clean_t *self, size_t at, size_t link, const char *name, size_t length)
{
    const bm_backup_t *backup = &self->marks->details[at].stored[link]->backup;
    const bm_fate_t *fate = &self->decided->fates[at][link];
    bm_cleaning_file_t *file = s_add_file (self->out, backup->instance, name, length);
    file->server = bm_strdup (backup->server);
    file->database = bm_strdup (backup->database);
    file->set_id = backup->ours ? backup->set_id : 0;
    file->goes = fate->goes;
    file->rule = bm_rule_name (fate->rule);
    file->why = bm_retention_sentence (&self->in, self->decided, fate);
    if (name == backup->device) {
        file->bytes = backup->file_bytes;
        if (file->bytes < 0)
            file->bytes = backup->compressed_bytes > 0 ? backup->compressed_bytes : backup->bytes;
    }
    if (file->goes && bm_cleaning_instance (self->work, backup->instance) == BM_NOWHERE) {
        file->goes = false;
        file->rule = "unserved";
        free (file->why);
        file->why = bm_format ("no agent serves %s any more: delete it by hand", backup->instance);
    }
    int64_t at_us = self->marks->details[at].stored[link]->at_us;
    if (!file->goes && backup->ours && (self->oldest_us < 0 || at_us < self->oldest_us))
        self->oldest_us = at_us;
}

/*  Each stripe is a file; a file with several backups of a database is listed once. */
static void
s_list (clean_t *self)
{
    self->oldest_us = -1;
    for (size_t i = 0; i < self->marks->member_count; i++) {
        const bm_marks_member_t *member = &self->marks->details[i];
        for (size_t k = 0; k < member->link_count; k++) {
            const bm_backup_t *backup = &member->stored[k]->backup;
            bool again = false;
            for (size_t n = k; backup->position > 1 && n-- > 0 && !again;)
                again = member->stored[n]->backup.device && backup->device &&
                        strcmp (member->stored[n]->backup.device, backup->device) == 0;
            if (!backup->device || again)
                continue;
            size_t first = self->out->count;
            s_list_file (self, i, k, backup->device, strlen (backup->device));
            for (const char *more = backup->more_devices; more && *more;) {
                size_t length = strcspn (more, "\n");
                s_list_file (self, i, k, more, length);
                more += length + (more[length] == '\n');
            }
            self->out->files[first].stripes = self->out->count - first - 1;
        }
    }
}

/* ---- acting ------------------------------------------------------------------------------------------------------ */

/*  Journals and orders what stands in the list from `from` on. */
static void
s_delete (clean_t *self, size_t from)
{
    bm_cleaning_t *out = self->out;
    bm_work_t *work = self->work;
    bm_removal_t *removals = bm_alloc ((out->count - from + 1) * sizeof *removals);
    size_t count = 0;
    bm_error_t error = {0};
    for (size_t i = from; i < out->count; i++)
        if (out->files[i].goes)
            removals[count++] =
                (bm_removal_t){.kind = out->files[i].database ? "backup" : "manifest",
                               .instance = out->files[i].instance,
                               .file = out->files[i].file,
                               .database = out->files[i].database,
                               .set_id = out->files[i].set_id,
                               .bytes = out->files[i].bytes,
                               .why = out->files[i].why};
    if (count && !bm_work_probe (work, true)) {
        bm_fail (&error, BM_LOCK_LOST, "nothing is deleted: the backup lock is not held any more");
        s_warn (self, &error);
        count = 0;
    }
    bm_status_t status =
        count ? bm_catalogue_removals_open (work->catalogue, work->run, self->decided_us, removals,
                                            count, &error)
              : BM_OK;
    if (status)
        s_warn (self, &error);
    for (size_t i = from, n = 0; i < out->count && !status && count; i++)
        if (out->files[i].goes)
            out->files[i].removal = removals[n++].removal;
    if (!status && count) {
        bm_progress_event (work->progress, "retention",
                           json_pack ("{s:I}", "files", (json_int_t)count),
                           "Retention: deleting %zu file(s) that nothing needs any more", count);
        bm_cleaning_delete (work, out);
    }
    free (removals);
}

/*  One warning for all: hundreds of lines of the same cause help nobody. */
static void
s_tell_failures (clean_t *self, size_t from, const char *what)
{
    const bm_cleaning_file_t *first = NULL;
    size_t count = 0;
    for (size_t i = from; i < self->out->count; i++) {
        const bm_cleaning_file_t *file = &self->out->files[i];
        if (!file->removal || (file->fate && strcmp (file->fate, "left") != 0))
            continue;
        first = first ? first : file;
        count++;
    }
    if (!count)
        return;
    self->out->failures += count;
    bm_report_warn (self->work->report, "%zu %s could not be deleted; the first is %s on %s: %s",
                    count, what, first->file, first->instance,
                    first->problem ? first->problem : "no answer came");
}

static bool
s_set_is_empty (const clean_t *self, int64_t set_id, size_t files)
{
    for (size_t i = 0; i < files; i++)
        if (self->out->files[i].set_id == set_id && !self->out->files[i].goes)
            return false;
    return true;
}

static void
s_list_manifests (clean_t *self, int64_t set_id)
{
    bm_manifest_row_t *rows = NULL;
    size_t count = 0;
    bm_error_t error = {0};
    if (bm_catalogue_manifests (self->work->catalogue, set_id, &rows, &count, &error) != BM_OK)
        s_warn (self, &error);
    for (size_t i = 0; i < count; i++) {
        if (bm_cleaning_instance (self->work, rows[i].instance) == BM_NOWHERE)
            continue;
        bm_cleaning_file_t *file =
            s_add_file (self->out, rows[i].instance, rows[i].file, strlen (rows[i].file));
        file->set_id = rows[i].set_id;
        file->goes = true;
        file->rule = "manifest";
        file->why = bm_format ("every file of set %lld is gone", (long long)rows[i].set_id);
    }
    bm_manifest_rows_destroy (&rows, count);
}

static int
s_ascending (const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/*  The sets of which no file would be left. */
static void
s_list_manifests_to_be (clean_t *self, size_t files)
{
    int64_t *sets = bm_alloc ((files + 1) * sizeof *sets);
    size_t count = 0;
    for (size_t i = 0; i < files; i++)
        if (self->out->files[i].goes && self->out->files[i].set_id)
            sets[count++] = self->out->files[i].set_id;
    qsort (sets, count, sizeof *sets, s_ascending);
    for (size_t i = 0; i < count; i++)
        if ((i == 0 || sets[i] != sets[i - 1]) && s_set_is_empty (self, sets[i], files))
            s_list_manifests (self, sets[i]);
    free (sets);
}

static void
s_clean_manifests (clean_t *self)
{
    size_t files = self->out->count;
    s_list_manifests (self, 0);
    if (self->out->dry_run) {
        s_list_manifests_to_be (self, files);
        return;
    }
    s_delete (self, files);
    s_tell_failures (self, files, "manifest(s)");
}

int
bm_cleaning_history_days (int64_t now_us, int64_t keep_time_ms, int64_t oldest_kept_us)
{
    int64_t days = (keep_time_ms * 1000 + DAY_US - 1) / DAY_US;
    if (oldest_kept_us >= 0) {
        int64_t age_us =
            now_us - oldest_kept_us + SLACK_US; /* a local clock is set back once a year */
        int64_t needed = age_us < 0 ? 1 : age_us / DAY_US + 1;
        days = needed > days ? needed : days;
    }
    if (days < 1)
        days = 1;
    return days > INT16_MAX ? 0 : (int)days;
}

static void
s_clean_history (clean_t *self)
{
    bm_work_t *work = self->work;
    bm_error_t error = {0};
    self->out->history_days = bm_cleaning_history_days (
        bm_clock_utc_us (), work->settings->keep_time_ms, self->oldest_us);
    if (self->out->dry_run || !work->management || self->out->history_days == 0)
        return;
    if (bm_history_clear (work->management, self->out->history_days,
                          work->settings->time_zone == BM_ZONE_LOCAL, &error) != BM_OK)
        s_warn (self, &error);
}

/*  Names carry the clock of time-zone: two hours less than the oldest set that has a file, because a local clock is set back
 *  once a year. */
static void
s_clean_mark_log (clean_t *self)
{
    bm_work_t *work = self->work;
    char mark[BM_MARK_BYTES];
    bm_error_t error = {0};
    if (!work->settings->trim_mark_log || self->oldest_us < SLACK_US)
        return;
    int64_t at_us = self->oldest_us - SLACK_US;
    if (bm_names_mark (work->settings->mark_prefix, at_us, bm_work_zone_minutes (work, at_us), mark,
                       &error) != BM_OK ||
        strlen (mark) <= NAME_TIME_LENGTH)
        return;
    snprintf (self->out->mark_log_before, sizeof self->out->mark_log_before, "%s",
              mark + strlen (mark) - NAME_TIME_LENGTH);
    char **keep = bm_alloc ((self->marks->count + 1) * sizeof *keep);
    size_t count = 0;
    /*  What is still open is settled by its row. */
    for (size_t i = 0; i < self->marks->count; i++)
        if (!self->marks->rows[i].has_outcome || self->marks->rows[i].outcome == BM_OUTCOME_UNKNOWN)
            keep[count++] = self->marks->rows[i].name;
    bm_cleaning_trim (work, self->out, keep, count);
    free (keep);
}

/*  Deletions of a run that was killed, or whose answer was lost: the file is there or it is not. */
static void
s_settle_removals (clean_t *self)
{
    bm_work_t *work = self->work;
    bm_removal_row_t *rows = NULL;
    size_t count = 0;
    bm_error_t error = {0};
    if (bm_catalogue_removals_unsettled (work->catalogue, &rows, &count, &error) != BM_OK)
        s_warn (self, &error);
    bm_look_t *looks = bm_alloc ((count + 1) * sizeof *looks);
    for (size_t i = 0; i < count; i++)
        looks[i] = (bm_look_t){.instance = rows[i].instance, .file = rows[i].file};
    if (count)
        bm_cleaning_look (work, looks, count);
    bm_removal_end_t *ends = bm_alloc ((count + 1) * sizeof *ends);
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        if (looks[i].asked)
            ends[known++] =
                (bm_removal_end_t){rows[i].removal, -1, looks[i].exists ? "left" : "was gone",
                                   "an earlier run ended before the answer"};
        free (looks[i].problem);
    }
    if (known && bm_catalogue_removals_close (work->catalogue, ends, known, &error) != BM_OK)
        s_warn (self, &error);
    free (ends);
    free (looks);
    bm_removal_rows_destroy (&rows, count);
}

static void
s_tell_stop (clean_t *self)
{
    size_t held = 0;
    self->out->stop = bm_strdup (self->decided->stop);
    for (size_t i = 0; i < self->out->count; i++)
        held += strcmp (self->out->files[i].rule, bm_rule_name (BM_RULE_STOPPED)) == 0;
    if (held)
        bm_report_warn (self->work->report,
                        "retention deletes nothing now, %zu old file(s) stay: %s", held,
                        self->out->stop);
}

/*  The oldest set that still has a file, by what really happened. */
static void
s_read_oldest (clean_t *self)
{
    bm_set_row_t *row = NULL;
    bm_error_t error = {0};
    if (self->out->dry_run)
        return;
    if (bm_catalogue_oldest_kept (self->work->catalogue, &row, &error) != BM_OK)
        s_warn (self, &error);
    else
        self->oldest_us = row ? row->began_us : -1;
    bm_set_rows_destroy (&row, row ? 1 : 0);
}

static void
s_clean_files (clean_t *self)
{
    s_decide_by_what_is_there (self);
    s_list (self);
    s_tell_stop (self);
    if (!self->out->dry_run && self->decided->goes) {
        s_delete (self, 0);
        s_tell_failures (self, 0, "backup file(s)");
    }
    if (!self->out->stop)
        s_clean_manifests (self);
    s_read_oldest (self);
    if (!self->out->stop) {
        s_clean_history (self);
        s_clean_mark_log (self);
    }
}

static void
s_close (clean_t *self)
{
    for (size_t i = 0; self->marks && i < self->marks->member_count; i++) {
        free (self->holdings[i]);
        free (self->looked[i]);
    }
    free (self->holdings);
    free (self->looked);
    free (self->retained);
    free (self->claims);
    free (self->stop);
    free (self->unverified);
    bm_retained_rows_destroy (&self->retained_rows, self->in.retained_count);
    bm_claim_rows_destroy (&self->claim_rows, self->in.claim_count);
    bm_retention_destroy (&self->decided);
    bm_marks_destroy (&self->marks);
}

void
bm_cleaning_run (bm_work_t *work, bool dry_run, bm_cleaning_t *out)
{
    clean_t self = {.work = work, .out = out, .oldest_us = -1};
    bm_error_t error = {0};
    *out = (bm_cleaning_t){.dry_run = dry_run, .files_kept = !work->settings->delete_files};
    if (out->files_kept) {
        s_clean_history (&self);
        return;
    }
    if (!dry_run)
        s_settle_removals (&self);
    if (s_read (&self, &error) == BM_OK)
        s_clean_files (&self);
    else
        s_warn (&self, &error);
    s_close (&self);
}

size_t
bm_cleaning_gone (const bm_cleaning_t *self, int64_t *bytes)
{
    size_t gone = 0;
    *bytes = 0;
    for (size_t i = 0; i < self->count; i++) {
        const bm_cleaning_file_t *file = &self->files[i];
        if (self->dry_run ? !file->goes : !file->fate || strcmp (file->fate, "deleted") != 0)
            continue;
        gone++;
        *bytes += file->bytes > 0 ? file->bytes : 0;
    }
    return gone;
}

void
bm_cleaning_clear (bm_cleaning_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        bm_cleaning_file_t *file = &self->files[i];
        free (file->instance);
        free (file->file);
        free (file->server);
        free (file->database);
        free (file->why);
        free (file->problem);
    }
    for (size_t i = 0; i < self->trim_count; i++) {
        free (self->trims[i].instance);
        free (self->trims[i].database);
    }
    free (self->files);
    free (self->trims);
    free (self->stop);
    *self = (bm_cleaning_t){0};
}
