#include <stdlib.h>
#include <string.h>
#include "common/names.h"
#include "coordinator/core/chain.h"
#include "coordinator/core/settle.h"

static void *
s_grow (void *array_p, size_t *count_p, size_t size)
{
    char *array;
    size_t count = (*count_p)++;
    memcpy (&array, array_p, sizeof array);
    if ((count & (count - 1)) == 0) {
        array = bm_realloc (array, (count ? count * 2 : 1) * size);
        memcpy (array_p, &array, sizeof array);
    }
    void *item = array + count * size;
    memset (item, 0, size);
    return item;
}

static void
s_add_id (int64_t **ids_p, size_t *count_p, int64_t id)
{
    for (size_t i = 0; i < *count_p; i++)
        if ((*ids_p)[i] == id)
            return;
    *(int64_t *)s_grow (ids_p, count_p, sizeof **ids_p) = id;
}

/*  Takes the text. */
static void
s_warn (bm_settle_out_t *out, char *text)
{
    *(char **)s_grow (&out->warnings, &out->warning_count, sizeof *out->warnings) = text;
}

static bool
s_same (const char *server, const char *database, const char *other_server,
        const char *other_database)
{
    return bm_names_equal (server, other_server) && bm_names_equal (database, other_database);
}

/*  What the database said; NULL when it could not be asked. */
static const bm_settle_fact_t *
s_fact (const bm_settle_in_t *in, const char *server, const char *database)
{
    for (size_t i = 0; i < in->fact_count; i++)
        if (s_same (in->facts[i].server, in->facts[i].database, server, database))
            return in->facts[i].asked ? &in->facts[i] : NULL;
    return NULL;
}

/*  The facts are of every database that the group has now: one that is not among them has left it, and will not be
 *  asked again. */
static bool
s_left_group (const bm_settle_in_t *in, const char *server, const char *database)
{
    for (size_t i = 0; i < in->fact_count; i++)
        if (s_same (in->facts[i].server, in->facts[i].database, server, database))
            return false;
    return true;
}

/* ---- marks ---- */

enum { S_TIME_LENGTH = 23 };
typedef enum { S_PRESENT, S_UNPROVEN, S_ABSENT, S_UNASKED, S_TRIMMED, S_LEFT } s_standing_t;

/*  Names end with their time in a form that sorts, as 2026_11_21_02_15_01_327; the prefix may have been another one. */
static const char *
s_mark_time (const char *mark)
{
    const size_t length = strlen (mark);
    return length > S_TIME_LENGTH ? mark + length - S_TIME_LENGTH : mark;
}

static s_standing_t
s_mark_standing (const bm_settle_fact_t *fact, const char *mark, const bm_mark_proof_t **proof_p)
{
    *proof_p = NULL;
    if (!fact)
        return S_UNASKED;
    for (size_t i = 0; i < fact->proof_count; i++)
        if (fact->proofs[i].mark && strcmp (fact->proofs[i].mark, mark) == 0)
            *proof_p = &fact->proofs[i];
    if (*proof_p && !(*proof_p)->asked)
        return S_UNASKED;
    const bool in_history = *proof_p && (*proof_p)->in_history && bm_lsn_valid ((*proof_p)->lsn);
    if (*proof_p && (*proof_p)->in_marklog)
        return in_history ? S_PRESENT : S_UNPROVEN;
    /*  An older one than the oldest kept may have been trimmed: SQL Server's own list still has it then. */
    if (fact->oldest_mark && strcmp (s_mark_time (mark), s_mark_time (fact->oldest_mark)) < 0)
        return in_history ? S_PRESENT : S_TRIMMED;
    return S_ABSENT;
}

/*  From how the mark stands in each database. */
static bm_outcome_t
s_judge (const size_t counts[], size_t databases, bm_fences_t fences, const char **reason)
{
    if (counts[S_ABSENT] > 0 && counts[S_PRESENT] + counts[S_UNPROVEN] > 0) {
        *reason = "settled: it stands in some databases only";
        return BM_OUTCOME_TORN;
    }
    if (counts[S_UNASKED] > 0) {
        *reason = "a database could not be asked; the next run asks again";
        return BM_OUTCOME_UNKNOWN;
    }
    if (counts[S_TRIMMED] > 0) {
        *reason = "settled: it is older than the oldest row of a MarkLog, and "
                  "msdb.dbo.logmarkhistory lacks it: what became of it can never be told";
        return BM_OUTCOME_UNKNOWN;
    }
    if (counts[S_LEFT] > 0) {
        *reason = "settled: a database that carried it, or should have, has left the group";
        return BM_OUTCOME_UNPROVEN;
    }
    if (counts[S_UNPROVEN] > 0) {
        *reason = "settled: msdb.dbo.logmarkhistory lacks it for a database";
        return BM_OUTCOME_UNPROVEN;
    }
    if (counts[S_ABSENT] == databases) {
        *reason = "settled: it is in no database";
        return BM_OUTCOME_NONE;
    }
    if (fences == BM_FENCES_STOOD) {
        *reason = "settled: it is in every database, and every fence stood";
        return BM_OUTCOME_UNCHECKED;
    }
    *reason = fences == BM_FENCES_FELL
                  ? "settled: it is in every database, but a fence fell"
                  : "settled: it is in every database, but nobody vouches for the round "
                    "that placed it";
    return BM_OUTCOME_DOUBTFUL;
}

static void
s_settle_round (const bm_settle_in_t *in, const bm_settle_round_t *round, bm_settle_out_t *out)
{
    size_t counts[S_LEFT + 1] = {0};
    for (size_t i = 0; i < round->database_count; i++) {
        const bm_mark_proof_t *proof;
        const bm_settle_database_t *d = &round->databases[i];
        s_standing_t standing =
            s_mark_standing (s_fact (in, d->server, d->database), round->mark, &proof);
        if (standing == S_UNASKED && s_left_group (in, d->server, d->database))
            standing = S_LEFT;
        counts[standing]++;
        if (proof && proof->asked) {
            bm_mark_proof_t copy = *proof;
            copy.server = (char *)d->server;
            copy.database = (char *)d->database;
            bm_mark_proof_copy (s_grow (&out->proofs, &out->proof_count, sizeof *out->proofs),
                                &copy);
        }
    }
    const char *reason = NULL;
    bm_settle_outcome_t *outcome = s_grow (&out->outcomes, &out->outcome_count, sizeof *outcome);
    outcome->run = round->run;
    outcome->number = round->number;
    outcome->set_id = round->set_id;
    outcome->mark = bm_strdup (round->mark);
    outcome->outcome = s_judge (counts, round->database_count, round->fences, &reason);
    outcome->closed = outcome->outcome != BM_OUTCOME_UNKNOWN || counts[S_UNASKED] == 0;
    outcome->reason = bm_strdup (reason);
}

/* ---- backups ---- */

static const bm_backup_t *
s_known (const bm_settle_in_t *in, const char *uuid)
{
    for (size_t i = 0; uuid && i < in->known_count; i++)
        if (bm_names_equal (in->known[i].uuid, uuid))
            return &in->known[i];
    return NULL;
}

/*  The order that this backup came from: its sequence stands in the file's name. */
static const bm_settle_order_t *
s_order_of (const bm_settle_in_t *in, const bm_settle_fact_t *fact, const bm_backup_t *backup)
{
    const char *file = backup->device ? backup->device : "";
    for (const char *c = file; *c; c++)
        if (*c == '/' || *c == '\\')
            file = c + 1;
    for (size_t i = 0; i < in->order_count; i++) {
        const bm_settle_order_t *order = &in->orders[i];
        if (order->type == backup->type && order->sequence && *order->sequence &&
            s_same (order->server, order->database, fact->server, fact->database) &&
            strstr (file, order->sequence))
            return order;
    }
    return NULL;
}

/*  LSN of the mark in a database: from what was just asked, else from the catalogue. NULL when not proved. */
static const char *
s_mark_lsn (const bm_settle_in_t *in, const char *mark, const char *server, const char *database)
{
    const bm_settle_fact_t *fact = s_fact (in, server, database);
    for (size_t i = 0; mark && fact && i < fact->proof_count; i++)
        if (fact->proofs[i].in_history && fact->proofs[i].mark &&
            strcmp (fact->proofs[i].mark, mark) == 0)
            return fact->proofs[i].lsn;
    for (size_t i = 0; mark && i < in->proof_count; i++)
        if (in->proofs[i].in_history && strcmp (in->proofs[i].mark, mark) == 0 &&
            s_same (in->proofs[i].server, in->proofs[i].database, server, database))
            return in->proofs[i].lsn;
    return NULL;
}

static bool
s_on_fork (const bm_settle_fact_t *fact, const bm_backup_t *backup)
{
    return fact->fork && backup->last_fork && *fact->fork &&
           bm_names_equal (fact->fork, backup->last_fork);
}

/*  The set has a row for this database already, or will have one by what is to be written. */
static const bm_backup_t *
s_row_of (const bm_settle_in_t *in, const bm_settle_out_t *out, int64_t set_id, const char *server,
          const char *database)
{
    for (size_t i = 0; i < in->known_count; i++)
        if (in->known[i].set_id == set_id && in->known[i].recorded &&
            s_same (in->known[i].server, in->known[i].database, server, database))
            return &in->known[i];
    for (size_t i = 0; i < out->rows.count; i++)
        if (out->rows.items[i].set_id == set_id &&
            s_same (out->rows.items[i].server, out->rows.items[i].database, server, database))
            return &out->rows.items[i];
    return NULL;
}

/*  A backup of ours that is not in adm_BackupHistory: a row, or the reason why not. */
static void
s_fill_in (const bm_settle_in_t *in, const bm_settle_fact_t *fact, const bm_backup_t *backup,
           bm_settle_out_t *out)
{
    if (in->fork_changed)
        return;
    if (!s_on_fork (fact, backup)) {
        s_warn (
            out,
            bm_format (
                "%s on %s: the backup %s is of another recovery fork than the database is on now; "
                "it is not recorded",
                backup->database, backup->server, backup->device ? backup->device : ""));
        return;
    }
    const bm_backup_t *row = s_row_of (in, out, backup->set_id, backup->server, backup->database);
    if (row) {
        if (!bm_names_equal (row->uuid, backup->uuid))
            s_warn (
                out,
                bm_format (
                    "%s on %s: set %lld has a second backup, %s; adm_BackupHistory takes one row "
                    "for a database, the catalogue keeps both",
                    backup->database, backup->server, (long long)backup->set_id,
                    backup->device ? backup->device : ""));
        return;
    }
    bm_backups_add (&out->rows, backup);
    s_add_id (&out->touched, &out->touched_count, backup->set_id);
}

/*  A backup that msdb lists: whose it is, whether the catalogue has it, whether the history has it. */
static void
s_settle_backup (const bm_settle_in_t *in, const bm_settle_fact_t *fact, const bm_backup_t *listed,
                 bm_settle_out_t *out)
{
    if (listed->copy_only)
        return;
    const bm_backup_t *known = s_known (in, listed->uuid);
    const bm_settle_order_t *order = known && known->set_id ? NULL : s_order_of (in, fact, listed);
    bm_backup_t backup = *listed;
    backup.server = (char *)fact->server;
    backup.instance = (char *)(listed->instance ? listed->instance : fact->instance);
    backup.database = (char *)fact->database;
    backup.family = (char *)(listed->family ? listed->family : fact->family);
    if (order) {
        backup.ours = true;
        backup.set_id = order->set_id;
        backup.mark = (char *)order->mark;
        backup.mark_lsn = (char *)s_mark_lsn (in, order->mark, fact->server, fact->database);
    } else if (known) {
        backup.ours = known->ours;
        backup.set_id = known->set_id;
        backup.mark = known->mark;
        backup.mark_lsn = known->mark_lsn;
    }
    backup.recorded = known && known->recorded;
    if (!known || order) {
        bm_backups_add (&out->backups, &backup);
        if (order)
            s_add_id (&out->touched, &out->touched_count, order->set_id);
    }
    if (backup.ours && backup.set_id && !backup.recorded)
        s_fill_in (in, fact, &backup, out);
}

/*  Backups that the catalogue has and msdb did not list (any more): their rows are still owed. */
static void
s_settle_known (const bm_settle_in_t *in, bm_settle_out_t *out)
{
    for (size_t i = 0; i < in->known_count; i++) {
        const bm_backup_t *known = &in->known[i];
        const bm_settle_fact_t *fact = s_fact (in, known->server, known->database);
        if (!fact || !known->ours || !known->set_id || known->recorded)
            continue;
        bool listed = false;
        for (size_t j = 0; j < fact->backup_count; j++)
            listed = listed || bm_names_equal (fact->backups[j].uuid, known->uuid);
        if (!listed)
            s_fill_in (in, fact, known, out);
    }
}

/*  Log backups that somebody else took between ours are links of the chain like ours: a restore needs their files, so they
 *  are named, once. Those from before our first backup of the database are another's chain. */
static void
s_tell_foreign (const bm_settle_in_t *in, const bm_settle_fact_t *fact, bm_settle_out_t *out)
{
    bool began = false;
    for (size_t i = 0; i < in->known_count; i++)
        began |= in->known[i].ours &&
                 s_same (in->known[i].server, in->known[i].database, fact->server, fact->database);
    const bm_backup_t *newest = NULL;
    size_t count = 0;
    for (size_t i = 0; began && i < fact->backup_count; i++) {
        const bm_backup_t *b = &fact->backups[i];
        if (b->type != BM_SET_LOG || b->copy_only || s_known (in, b->uuid) ||
            s_order_of (in, fact, b))
            continue;
        count++;
        if (!newest || bm_lsn_compare (b->last_lsn, newest->last_lsn) > 0)
            newest = b;
    }
    if (newest)
        s_warn (out,
                bm_format ("%s on %s: %zu log backup%s of the chain %s not taken by btsmark; the "
                           "newest is %s, by %s at %s: a restore needs its file, keep it, and "
                           "leave the log backups to btsmark",
                           fact->database, fact->server, count, count == 1 ? "" : "s",
                           count == 1 ? "was" : "were", newest->device ? newest->device : "?",
                           newest->user ? newest->user : "?",
                           newest->finished ? newest->finished : "?"));
}

/* ---- sets ---- */

/*  Whether the set's mark is good enough; false in *known_p when that may still become known. */
static bool
s_mark_good (const bm_settle_in_t *in, const bm_settle_set_t *set, const bm_settle_out_t *out,
             bool *known_p)
{
    *known_p = true;
    if (set->type == BM_SET_FULL)
        return true;
    if (!set->mark)
        return false;
    bm_outcome_t outcome = set->outcome;
    bool known = set->outcome_known;
    for (size_t i = 0; i < out->outcome_count; i++)
        if (strcmp (out->outcomes[i].mark, set->mark) == 0) {
            outcome = out->outcomes[i].outcome;
            known = out->outcomes[i].closed;
        }
    *known_p = known;
    return known && bm_outcome_good (outcome, in->accept_doubtful);
}

/*  A full is not needed of a database that has left the group without one. */
static bool
s_drop (const bm_settle_set_t *set, const bm_settle_database_t *d, bm_settle_out_t *out)
{
    if (set->type != BM_SET_FULL || set->superseded)
        return false;
    bm_settle_drop_t *drop = s_grow (&out->drops, &out->drop_count, sizeof *drop);
    *drop = (bm_settle_drop_t){set->set_id, d->server, d->database};
    s_add_id (&out->touched, &out->touched_count, set->set_id);
    return true;
}

/*  How many of the set's databases it needs (*needed_p), and how many of them have their row and, in a log set, a backup that
 *  holds the mark. */
static size_t
s_count_held (const bm_settle_in_t *in, const bm_settle_set_t *set, bm_settle_out_t *out,
              size_t *needed_p, bool *all_asked_p)
{
    size_t held = 0;
    *needed_p = set->database_count;
    *all_asked_p = true;
    for (size_t i = 0; i < set->database_count; i++) {
        const bm_settle_database_t *d = &set->databases[i];
        const bm_backup_t *row = s_row_of (in, out, set->set_id, d->server, d->database);
        const bool left = s_left_group (in, d->server, d->database);
        if (!s_fact (in, d->server, d->database) && !left)
            *all_asked_p = false;
        if (!row && left && s_drop (set, d, out))
            --*needed_p;
        if (!row)
            continue;
        const char *lsn =
            row->mark_lsn ? row->mark_lsn : s_mark_lsn (in, set->mark, d->server, d->database);
        if (set->type == BM_SET_FULL || (lsn && bm_lsn_within (lsn, row->first_lsn, row->last_lsn)))
            held++;
    }
    return held;
}

static void
s_settle_set (const bm_settle_in_t *in, const bm_settle_set_t *set, bm_settle_out_t *out)
{
    bool known, all_asked;
    bool good = s_mark_good (in, set, out, &known);
    if (in->fork_changed) {
        s_add_id (&out->close, &out->close_count, set->set_id);
        return;
    }
    size_t needed;
    size_t held = s_count_held (in, set, out, &needed, &all_asked);
    bool waits = set->type == BM_SET_FULL && !set->superseded;
    if (good && needed > 0 && held == needed) {
        s_add_id (&out->complete, &out->complete_count, set->set_id);
        s_add_id (&out->touched, &out->touched_count, set->set_id);
    } else if (needed == 0 || (!waits && known && all_asked)) {
        /*  Every backup that was taken is known now; only the newest full set is repaired. */
        s_add_id (&out->close, &out->close_count, set->set_id);
    }
}

void
bm_settle (const bm_settle_in_t *in, bm_settle_out_t *out)
{
    memset (out, 0, sizeof *out);
    for (size_t i = 0; i < in->fact_count; i++)
        out->unasked += !in->facts[i].asked;
    for (size_t i = 0; i < in->round_count; i++)
        s_settle_round (in, &in->rounds[i], out);
    for (size_t i = 0; i < in->fact_count; i++)
        for (size_t j = 0; in->facts[i].asked && j < in->facts[i].backup_count; j++)
            s_settle_backup (in, &in->facts[i], &in->facts[i].backups[j], out);
    for (size_t i = 0; i < in->fact_count; i++)
        if (in->facts[i].asked)
            s_tell_foreign (in, &in->facts[i], out);
    s_settle_known (in, out);
    for (size_t i = 0; i < in->set_count; i++)
        s_settle_set (in, &in->sets[i], out);
}

void
bm_settle_out_clear (bm_settle_out_t *self)
{
    for (size_t i = 0; i < self->outcome_count; i++) {
        free (self->outcomes[i].mark);
        free (self->outcomes[i].reason);
    }
    for (size_t i = 0; i < self->proof_count; i++)
        bm_mark_proof_clear (&self->proofs[i]);
    for (size_t i = 0; i < self->warning_count; i++)
        free (self->warnings[i]);
    bm_backups_clear (&self->backups);
    bm_backups_clear (&self->rows);
    free (self->outcomes);
    free (self->proofs);
    free (self->complete);
    free (self->close);
    free (self->drops);
    free (self->touched);
    free (self->warnings);
    memset (self, 0, sizeof *self);
}
