#include "coordinator/core/health.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/core/chain.h"

#define S_MINUTE_MS   INT64_C (60000)
#define S_GAPS        20 /* between runs that are looked at */
#define S_MARKS_LEAST 10 /* fewer say nothing of a habit */

char *
bm_health_age (int64_t ms, char buffer[BM_HEALTH_AGE_BYTES])
{
    int64_t seconds = ms > 0 ? ms / 1000 : 0, minutes = seconds / 60, hours = minutes / 60;
    char *text = NULL;
    if (minutes == 0)
        text = bm_format ("%" PRId64 " s", seconds);
    else if (hours == 0)
        text = bm_format ("%" PRId64 " min", minutes);
    else if (hours < 24)
        text = bm_format ("%" PRId64 " h %02" PRId64 " min", hours, minutes % 60);
    else if (hours % 24 == 0)
        text = bm_format ("%" PRId64 " d", hours / 24);
    else
        text = bm_format ("%" PRId64 " d %" PRId64 " h", hours / 24, hours % 24);
    size_t length = strlen (text);
    bm_require (length < BM_HEALTH_AGE_BYTES); /* 64 bits of days are 15 digits */
    memcpy (buffer, text, length + 1);
    free (text);
    return buffer;
}

static void
s_ok (bm_findings_t *findings, const char *topic, const char *text)
{
    bm_findings_add (findings, BM_LEVEL_OK, (bm_subject_t){.topic = topic}, NULL, "%s", text);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static int
s_compare_numbers (const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int64_t
bm_health_usual_pause_ms (const bm_health_run_t *runs, size_t count)
{
    int64_t gaps[S_GAPS];
    size_t gap_count = 0;
    for (size_t i = 0; i + 1 < count && gap_count < S_GAPS; i++)
        gaps[gap_count++] = (runs[i].started_us - runs[i + 1].started_us) / 1000;
    if (gap_count < 3)
        return -1;
    qsort (gaps, gap_count, sizeof *gaps, s_compare_numbers);
    int64_t usual_ms = gaps[gap_count / 2];
    return usual_ms < S_MINUTE_MS ? -1 : usual_ms; /* by hand: no scheduler is that fast */
}

static void
s_judge_last_run (const bm_health_t *self, bm_findings_t *findings)
{
    const bm_subject_t about = {.topic = "last-run"};
    const bm_health_run_t *last = self->runs;
    if (self->run_count > 0 && self->running)
        last = self->run_count > 1 ? self->runs + 1 : NULL;
    if (self->run_count == 0)
        bm_findings_add (findings, BM_LEVEL_NOTE, about, "btsmark run", "there was no run yet");
    if (self->run_count == 0 || !last)
        return;
    char age[BM_HEALTH_AGE_BYTES];
    bm_health_age ((self->now_us - last->started_us) / 1000, age);
    if (!last->status) {
        bm_findings_add (findings, BM_LEVEL_WARNING, about, "the next run settles what it left",
                         "run %" PRIu64
                         " (%s, begun %s ago) did not come to its end: it was killed",
                         last->run, last->command, age);
        return;
    }
    bm_status_t status = bm_status_by_name (last->status);
    if (status == BM_WARNINGS)
        bm_findings_add (findings, BM_LEVEL_NOTE, about, "btsmark history shows its set",
                         "the last run (%s, begun %s ago) ended with warnings", last->command, age);
    else if (status != BM_OK)
        bm_findings_fail (findings, status, about, bm_status_remedy (status),
                          "the last run (%s, begun %s ago) failed: %s", last->command, age,
                          last->text && *last->text ? last->text : bm_status_meaning (status));
    else
        s_ok (findings, "last-run", "the last run was good");
}

static void
s_judge_schedule (const bm_health_t *self, bm_findings_t *findings)
{
    int64_t usual_ms = bm_health_usual_pause_ms (self->runs, self->run_count);
    if (usual_ms < 0)
        return;
    int64_t since_ms = (self->now_us - self->runs[0].started_us) / 1000;
    char since[BM_HEALTH_AGE_BYTES], usual[BM_HEALTH_AGE_BYTES];
    bm_health_age (since_ms, since);
    bm_health_age (usual_ms, usual);
    if (!self->running && since_ms > 2 * usual_ms + S_MINUTE_MS)
        bm_findings_add (findings, BM_LEVEL_WARNING, (bm_subject_t){.topic = "schedule"},
                         "look at what starts btsmark run: cron, systemd timer or SQL Agent step",
                         "no run has begun for %s; they usually come every %s", since, usual);
    else
        s_ok (findings, "schedule", "runs come as they usually do");
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

static void
s_judge_recovery_point (const bm_health_t *self, bm_findings_t *findings)
{
    const bm_subject_t about = {.topic = "recovery-point"};
    const bm_health_mark_t *usable = &self->usable, *other = &self->on_demand;
    char age[BM_HEALTH_AGE_BYTES], promised[BM_HEALTH_AGE_BYTES];
    if (self->recovery_point_ms == 0 || !self->any_complete || !self->marks_known)
        return;
    bm_health_age (self->recovery_point_ms, promised);
    char *more = NULL;
    if (other->name && (!usable->name || other->at_us > usable->at_us))
        more = bm_format ("; %s, %s old, is %s: it can be restored to on demand", other->name,
                          bm_health_age ((self->now_us - other->at_us) / 1000, age),
                          bm_outcome_name (other->outcome));
    if (!usable->name)
        bm_findings_fail (findings, BM_NO_MARK, about, "btsmark marks says why each is not usable",
                          "there is no usable mark%s", more ? more : "");
    else if (self->now_us - usable->at_us > self->recovery_point_ms * 1000)
        bm_findings_fail (
            findings, BM_NO_MARK, about, "btsmark marks says why newer ones are not usable",
            "the newest usable mark, %s, is %s old; %s are promised%s", usable->name,
            bm_health_age ((self->now_us - usable->at_us) / 1000, age), promised, more);
    else
        s_ok (findings, "recovery-point", "the newest usable mark is young enough");
    free (more);
}

static void
s_judge_marks (const bm_health_t *self, bm_findings_t *findings)
{
    const bm_subject_t about = {.topic = "marks"};
    size_t counts[BM_OUTCOME_COUNT] = {0};
    for (size_t i = 0; i < self->outcome_count; i++)
        counts[self->outcomes[i]]++;
    size_t doubtful = counts[BM_OUTCOME_DOUBTFUL], unchecked = counts[BM_OUTCOME_UNCHECKED];
    if (self->outcome_count < S_MARKS_LEAST)
        return;
    if (doubtful * 2 > self->outcome_count)
        bm_findings_add (
            findings, BM_LEVEL_WARNING, about,
            "run when fewer messages are routed between MessageBoxes, or raise mark-retries in "
            "[round]; btsmark status shows how many rounds a clean mark takes",
            "%zu of the last %zu marks are doubtful: distributed transactions were in flight while "
            "they were placed",
            doubtful, self->outcome_count);
    else if (unchecked * 2 > self->outcome_count)
        bm_findings_add (findings, BM_LEVEL_WARNING, about,
                         "give the agents' logins VIEW SERVER STATE: see topic grants",
                         "%zu of the last %zu marks are unchecked: the in-flight check did not run",
                         unchecked, self->outcome_count);
    else
        s_ok (findings, "marks", "most of the last marks are clean");
}

static void
s_judge_left_open (const bm_health_t *self, bm_findings_t *findings)
{
    if (self->open_marks > 0)
        bm_findings_add (findings, BM_LEVEL_WARNING, (bm_subject_t){.topic = "in-doubt"},
                         "the next run settles it when every instance answers",
                         "of %zu mark(s) it is not known yet what became of them",
                         self->open_marks);
    if (self->owed_manifests > 0)
        bm_findings_add (findings, BM_LEVEL_WARNING, (bm_subject_t){.topic = "manifests"},
                         "the next run writes them when the hosts answer",
                         "%zu manifest(s) have not been written yet: a host was away",
                         self->owed_manifests);
    else
        s_ok (findings, "manifests", "every host has the manifests of its sets");
    if (self->worst_fence_ms >= 0 && self->lease_ms > 0 &&
        self->worst_fence_ms * 2 > self->lease_ms)
        bm_findings_add (findings, BM_LEVEL_WARNING, (bm_subject_t){.topic = "fence"},
                         "look at what is slow (SQL Server, network), or raise lease in [round]",
                         "tracking was held still for %" PRId64 " ms of at most %" PRId64
                         " ms: a little more and marks become doubtful",
                         self->worst_fence_ms, self->lease_ms);
}

void
bm_health_group (const bm_health_t *self, bm_findings_t *findings)
{
    char age[BM_HEALTH_AGE_BYTES], allowed[BM_HEALTH_AGE_BYTES];
    s_judge_last_run (self, findings);
    s_judge_schedule (self, findings);
    if (self->run_count > 0 && !self->any_complete && !(self->running && self->run_count == 1))
        bm_findings_fail (findings, BM_SET_INCOMPLETE, (bm_subject_t){.topic = "never-succeeded"},
                          "btsmark run, and read what it says", "no backup set was ever complete");
    s_judge_recovery_point (self, findings);
    if (self->any_complete && self->full_us < 0)
        bm_findings_add (findings, BM_LEVEL_WARNING, (bm_subject_t){.topic = "full-age"},
                         "btsmark force-full, then btsmark run",
                         "there is no complete full backup of the group");
    else if (self->any_complete && self->now_us - self->full_us > self->full_age_ms * 1000)
        bm_findings_add (findings, BM_LEVEL_WARNING, (bm_subject_t){.topic = "full-age"},
                         "btsmark run says why no full set gets complete",
                         "the newest complete full backup is %s old; %s are allowed",
                         bm_health_age ((self->now_us - self->full_us) / 1000, age),
                         bm_health_age (self->full_age_ms, allowed));
    else if (self->any_complete)
        s_ok (findings, "full-age", "the newest complete full backup is young enough");
    s_judge_marks (self, findings);
    s_judge_left_open (self, findings);
}

/* ---- databases and hosts ----------------------------------------------------------------------------------------- */

void
bm_health_database (const bm_health_database_t *self, bm_findings_t *findings)
{
    char age[BM_HEALTH_AGE_BYTES];
    bm_subject_t about = {.topic = "log-reuse", .server = self->server, .database = self->database};
    bool waits = self->log_reuse_wait && strcmp (self->log_reuse_wait, "LOG_BACKUP") == 0;
    if (waits && self->has_full && self->log_backup_age_ms < 0)
        bm_findings_add (findings, BM_LEVEL_WARNING, about, "btsmark run takes it",
                         "the log of %s (%" PRId64 " MiB) grows: it was never backed up",
                         self->database, self->log_bytes >= 0 ? self->log_bytes >> 20 : 0);
    else if (waits && self->log_backup_age_ms > self->log_patience_ms)
        bm_findings_add (findings, BM_LEVEL_WARNING, about,
                         "see topics last-run and schedule; btsmark run takes it",
                         "the log of %s (%" PRId64 " MiB) grows: its last backup is %s old",
                         self->database, self->log_bytes >= 0 ? self->log_bytes >> 20 : 0,
                         bm_health_age (self->log_backup_age_ms, age));
    about.topic = "compression";
    if (self->wants_compression && !self->takes_compression)
        bm_findings_add (findings, BM_LEVEL_NOTE, about,
                         "run the present Backup_Setup_All_Procs.sql in it",
                         "the backup procedures of %s take no @bCompression: its backups are not "
                         "compressed",
                         self->database);
}

void
bm_health_room (const char *server, const char *path, int64_t free_bytes, int64_t last_bytes,
                bm_findings_t *findings)
{
    const bm_subject_t about = {.topic = "space", .server = server};
    if (free_bytes < 0)
        bm_findings_add (findings, BM_LEVEL_NOTE, about, NULL,
                         "how much room %s on %s has cannot be told", path, server);
    else if (free_bytes >= last_bytes && free_bytes < 2 * last_bytes)
        bm_findings_add (findings, BM_LEVEL_WARNING, about,
                         "make room before the full after the next; see btsmark clean --dry-run",
                         "%s on %s has %" PRId64
                         " MiB free: room for one more full backup (%" PRId64 " MiB), not for two",
                         path, server, free_bytes >> 20, last_bytes >> 20);
}

void
bm_health_clock (const char *server, const char *whose, int64_t ahead_ms, int64_t allowed_ms,
                 bm_findings_t *findings)
{
    char age[BM_HEALTH_AGE_BYTES];
    int64_t apart_ms = ahead_ms < 0 ? -ahead_ms : ahead_ms;
    if (apart_ms > allowed_ms)
        bm_findings_add (findings, BM_LEVEL_WARNING,
                         (bm_subject_t){.topic = "clock", .server = server},
                         "synchronise the clocks (NTP); mark names and proofs carry times",
                         "the clock of %s on %s is %s %s of this machine's", whose, server,
                         bm_health_age (apart_ms, age), ahead_ms > 0 ? "ahead" : "behind");
}

/* ---- chains ------------------------------------------------------------------------------------------------------ */

static int
s_compare_links (const void *left, const void *right)
{
    const bm_health_link_t *a = left, *b = right;
    int order = bm_lsn_compare (a->first_lsn, b->first_lsn);
    return order ? order : bm_lsn_compare (a->last_lsn, b->last_lsn);
}

static void
s_judge_gap (bm_subject_t about, const bm_health_link_t *before, const bm_health_link_t *after,
             const bm_health_link_t *full, bm_findings_t *findings)
{
    /*  A full that begins behind the gap makes it history: only marks before that full suffer. */
    bool healed = full && bm_lsn_compare (full->last_lsn, after->first_lsn) >= 0;
    if (healed)
        bm_findings_add (findings, BM_LEVEL_NOTE, about, NULL,
                         "the log chain of %s has a gap before %s; a later full backup began anew",
                         about.database, after->device);
    else
        bm_findings_fail (
            findings, BM_SET_INCOMPLETE, about,
            "look who else backs up its log (msdb.dbo.backupset); btsmark force-full, "
            "then btsmark run, begin a chain anew",
            "the log chain of %s has a gap between %s and %s: nothing behind it can "
            "be restored",
            about.database, before->device, after->device);
}

void
bm_health_chain (const char *server, const char *database, const bm_health_link_t *links,
                 size_t count, bm_findings_t *findings)
{
    const bm_subject_t about = {.topic = "chain", .server = server, .database = database};
    bm_health_link_t *logs = bm_alloc ((count + 1) * sizeof *logs);
    const bm_health_link_t *full = NULL, *foreign = NULL;
    size_t log_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!bm_lsn_valid (links[i].first_lsn) || !bm_lsn_valid (links[i].last_lsn))
            continue;
        if (!links[i].full)
            logs[log_count++] = links[i];
        else if (!full || bm_lsn_compare (links[i].last_lsn, full->last_lsn) > 0)
            full = &links[i];
    }
    if (log_count > 1)
        qsort (logs, log_count, sizeof *logs, s_compare_links);
    for (size_t i = 0; i < log_count; i++) {
        bool present = !full || bm_lsn_compare (logs[i].last_lsn, full->last_lsn) > 0;
        if (!logs[i].ours && present)
            foreign = &logs[i];
        if (i > 0 && !bm_chain_joins (logs[i - 1].last_lsn, logs[i].first_lsn, logs[i].last_lsn))
            s_judge_gap (about, &logs[i - 1], &logs[i], full, findings);
    }
    if (foreign)
        bm_findings_add (findings, BM_LEVEL_WARNING, about,
                         "end what takes it; until then its file is needed for every restore",
                         "somebody else took a log backup of %s: %s", database, foreign->device);
    free (logs);
}
