/*  coordinator/shell/run_log.c */
#include "coordinator/shell/run_state.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "coordinator/core/retry.h"
#include "coordinator/shell/backupset.h"

enum { RETRY_MAX_MS = 60000 };

/*  The views could not be read in time; a right that is missing will be missing in the next round too. */
static bool
s_may_run_next (const bm_error_t *unchecked)
{
    return unchecked->status == BM_SQL_TIMEOUT || unchecked->status == BM_SQL_LOST ||
           unchecked->status == BM_UNREACHABLE;
}

/*  Whether another round can bring what this one did not. What needs a person, or has had its time already, is not
 *  tried again within seconds. */
static bool
s_worth_another (bm_run_t *self, const bm_driver_out_t *out)
{
    bool better = bm_outcome_retry (out->outcome) ||
                  (out->outcome == BM_OUTCOME_UNCHECKED && s_may_run_next (&out->unchecked));
    if (!better || bm_stop_requested (self->work.stop) || !bm_work_probe (&self->work, true))
        return false;
    if (out->mark_dropped)
        return false; /* its log comes first */
    if (out->commit_sent || out->cause.status == BM_OK)
        return true;
    switch (out->cause.status) {
        case BM_UNREACHABLE:
        case BM_SQL_LOGIN:
        case BM_NOT_READY:
        case BM_LOCK_LOST:
        case BM_STOPPED:
            return false;
        default:
            return bm_status_retryable (out->cause.status);
    }
}

static void
s_pause (bm_run_t *self, unsigned attempt)
{
    int64_t pause_ms =
        bm_retry_pause_ms (&self->seed, attempt, self->settings->retry_pause_ms, RETRY_MAX_MS);
    int64_t until_ms = bm_clock_mono_ms () + pause_ms;
    char text[BM_PROGRESS_TEXT_BYTES];
    bm_progress_say (self->work.progress, "pause", "Next round in %s",
                     bm_progress_duration (pause_ms, text));
    while (bm_clock_mono_ms () < until_ms)
        if (bm_work_wait (&self->work, until_ms - bm_clock_mono_ms ()))
            return;
}

static void
s_tell_round (bm_run_t *self, const char *mark, const bm_driver_out_t *out)
{
    const bool caused = out->cause.status != BM_OK;
    bm_progress_event (
        self->work.progress, "mark",
        json_pack ("{s:s, s:s, s:I, s:I}", "mark", mark, "outcome", bm_outcome_name (out->outcome),
                   "window_us", (json_int_t)out->window_us, "fence_ms", (json_int_t)out->fence_ms),
        "Mark %s: %s: %s%s%s", mark, bm_outcome_name (out->outcome), out->reason,
        caused ? ": " : "", caused ? out->cause.text : "");
}

/*  The best of the rounds of one set, and why there is no better one. */
typedef struct marked {
    char mark[BM_MARK_BYTES];
    char last[BM_MARK_BYTES]; /* name of the last round, whatever became of it */
    bm_driver_out_t out;
    bool any, mark_dropped;
    bm_error_t cause;
} marked_t;

/*  Takes over `out`. */
static void
s_keep_better (marked_t *best, bm_report_set_t *set, const char *mark, bm_driver_out_t *out)
{
    bool better = !best->any || out->outcome >= best->out.outcome;
    const char *other_mark = better ? best->mark : mark;
    const bm_driver_out_t *other = better ? &best->out : out;
    if ((best->any || !better) && bm_outcome_may_stand (other->outcome))
        bm_report_attempt_add (set, other_mark, other->outcome, other->reason, other->in_flight);
    best->mark_dropped |= out->mark_dropped;
    if (better) {
        if (best->any)
            bm_driver_out_clear (&best->out);
        best->out = *out;
        memcpy (best->mark, mark, sizeof best->mark);
    } else {
        bm_driver_out_clear (out);
    }
    best->any = true;
}

static void
s_rounds (bm_run_t *self, const bm_run_set_t *set, marked_t *best)
{
    bm_work_t *work = &self->work;
    size_t nowhere = bm_topology_first_nowhere (work->topology);
    memcpy (best->last, set->sequence, sizeof best->last);
    if (nowhere != BM_NOWHERE) {
        const bm_place_t *place = &work->topology->places[nowhere];
        best->cause = place->fault;
        bm_progress_say (
            work->progress, "no_mark",
            "No mark is placed: %s.%s is out of reach. The logs of the others are backed up.",
            place->server, place->database);
        return;
    }
    for (unsigned attempt = 1;; attempt++) {
        char mark[BM_MARK_BYTES];
        memcpy (mark, best->last, sizeof mark);
        bm_error_t error = {0};
        if (attempt > 1 && bm_work_mark_name (work, best->last, mark, NULL, &error) != BM_OK) {
            best->cause = error;
            return;
        }
        memcpy (best->last, mark, sizeof best->last);
        bm_driver_in_t in = {.number = ++self->round, .set_id = set->id, .mark = mark};
        bm_driver_out_t out;
        bm_progress_say (work->progress, "round_started", "Round %u: mark %s", (unsigned)in.number,
                         mark);
        if (bm_driver_round (work, &in, &out, &error) != BM_OK) {
            best->cause = error;
            bm_driver_out_clear (&out);
            return;
        }
        s_tell_round (self, mark, &out);
        best->cause = out.cause;
        bool again =
            attempt <= (unsigned)self->settings->mark_retries && s_worth_another (self, &out);
        s_keep_better (best, set->report, mark, &out);
        if (!again)
            return;
        s_pause (self, attempt);
        if (bm_stop_requested (work->stop))
            return;
    }
}

/*  What keeps the in-flight check from running is for somebody to see to. */
static const char *
s_remedy (const marked_t *best)
{
    return best->any && best->out.outcome == BM_OUTCOME_UNCHECKED ? best->out.unchecked.remedy : "";
}

/*  SQL Server's own errors in a round mean that there is no mark, not that the management database is out of order. */
static void
s_fail_mark (bm_run_t *self, const bm_report_set_t *report, const marked_t *best)
{
    bm_error_t error = best->cause;
    bool stands = report->outcome == BM_OUTCOME_DOUBTFUL || report->outcome == BM_OUTCOME_UNCHECKED;
    if (stands && error.status == BM_OK) {
        bm_fail (&error, BM_MARK_DOUBTFUL, "mark %s is %s: %s", report->mark,
                 bm_outcome_name (report->outcome), report->reason);
        if (*s_remedy (best))
            bm_error_remedy (&error, "%s; or set doubtful = warn", s_remedy (best));
    } else if (error.status == BM_SQL_FAILED || error.status == BM_IO) {
        bm_fail (&error, BM_NO_MARK, "no mark: %s", best->cause.text);
        bm_error_remedy (&error, "%s", best->cause.remedy);
    }
    bm_report_fail (self->work.report, &error);
}

static void
s_warn_mark (bm_run_t *self, const bm_report_set_t *report, const marked_t *best)
{
    bool caused = best->cause.status != BM_OK;
    const char *remedy = s_remedy (best);
    bm_report_warn (self->work.report, "mark %s is %s: %s%s%s%s%s", report->mark,
                    bm_outcome_name (report->outcome), report->reason, caused ? ": " : "",
                    best->cause.text, *remedy ? ". What to do: " : "", remedy);
}

/*  Who could not be asked, and why, is what there is to see to. */
static char *
s_reason (const marked_t *best)
{
    if (!best->any)
        return bm_strdup (best->cause.text);
    bool open = best->out.outcome == BM_OUTCOME_UNKNOWN && best->out.cause.status != BM_OK;
    return bm_format ("%s%s%s", best->out.reason, open ? ": " : "",
                      open ? best->out.cause.text : "");
}

/*  What the rounds brought becomes the set's: in the report and in the catalogue. */
static bm_status_t
s_set_mark (bm_run_t *self, const bm_run_set_t *set, const marked_t *best, bm_error_t *error)
{
    bm_work_t *work = &self->work;
    bm_report_set_t *report = set->report;
    bool stands = best->any && bm_outcome_may_stand (best->out.outcome);
    report->has_outcome = true;
    report->outcome = best->any ? best->out.outcome : BM_OUTCOME_NONE;
    report->mark = stands ? bm_strdup (best->mark) : NULL;
    report->reason = s_reason (best);
    report->in_flight = best->any ? json_incref (best->out.in_flight) : NULL;
    report->window_us = best->any ? best->out.window_us : -1;
    report->fence_ms = best->any ? best->out.fence_ms : -1;
    bool good = bm_outcome_good (report->outcome, self->settings->doubtful == BM_DOUBTFUL_WARN);
    if (!good)
        s_fail_mark (self, report, best);
    else if (report->outcome != BM_OUTCOME_CLEAN)
        s_warn_mark (self, report, best);
    return bm_catalogue_set_mark (work->catalogue, set->id, report->mark,
                                  stands ? report->mark : best->last, &report->outcome,
                                  report->window_us, report->fence_ms, error);
}

/*  One log set: rounds until a good mark or until they are used up, then the logs whatever became of it. True when a mark was
 *  dropped because of bulk-logged work: now that the logs are backed up, another set can be marked.
 *  `places`, when it is not NULL: the only databases whose logs can be backed up now; there is no mark then. */
static bool
s_log_set (bm_run_t *self, const size_t *places, size_t place_count)
{
    bm_work_t *work = &self->work;
    bm_error_t error = {0};
    bm_run_set_t set;
    if (bm_run_set_begin (self, BM_SET_LOG, &set, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        return false;
    }
    if (places)
        set.report->database_count = place_count;
    marked_t best = {0};
    memcpy (best.last, set.sequence, sizeof best.last);
    if (!places)
        s_rounds (self, &set, &best);
    if (s_set_mark (self, &set, &best, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    bool stands = set.report->mark != NULL;
    if (bm_run_stopping (self)) {
        bm_run_set_skip (self, &set);
    } else {
        bm_backupset_in_t in = {.set_id = set.id,
                                .type = BM_SET_LOG,
                                .sequence = stands ? best.mark : best.last,
                                .mark = set.report->mark,
                                .outcome = set.report->outcome,
                                .proofs = stands ? best.out.proofs : NULL,
                                .history_time = set.time,
                                .places = places,
                                .place_count = place_count,
                                .report = set.report};
        error = (bm_error_t){0};
        if (bm_backupset_run (work, &in, &error) != BM_OK && !places)
            bm_report_fail (work->report, &error);
        else if (error.status != BM_OK)
            bm_report_warn (work->report, "%s", error.text);
    }
    bool dropped = best.mark_dropped && !set.report->complete;
    if (best.any)
        bm_driver_out_clear (&best.out);
    return dropped;
}

void
bm_run_log (bm_run_t *self)
{
    if (s_log_set (self, NULL, 0) && !bm_run_stopping (self)) {
        bm_progress_say (
            self->work.progress, "again",
            "The mark was dropped by bulk-logged work; its log is backed up now: once more");
        s_log_set (self, NULL, 0);
    }
}

/*  A database whose first full is still running has no chain: its log cannot be backed up, so no mark can be placed in all; the
 *  logs of the others must not grow meanwhile. */
void
bm_run_log_beside_full (bm_run_t *self)
{
    const bm_topology_t *topology = self->work.topology;
    size_t *places = bm_alloc ((topology->place_count + 1) * sizeof *places);
    size_t count = 0, without_chain = 0;
    for (size_t i = 0; i < topology->place_count; i++) {
        if (topology->places[i].voted && !topology->places[i].has_full)
            without_chain++;
        else
            places[count++] = i;
    }
    if (!without_chain)
        bm_run_log (self);
    else if (count)
        s_log_set (self, places, count);
    free (places);
}
