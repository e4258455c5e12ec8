/*  coordinator/shell/settling.c */
#include "coordinator/shell/settling.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/names.h"
#include "coordinator/shell/history.h"
#include "coordinator/shell/publish.h"
#include "coordinator/shell/translate.h"

enum { ANSWER_MS = 60000 };
static const char *const CONTEXT_PREFIX = "btsmark-agent ";

/*  What one database said; the core borrows from it. */
typedef struct fact {
    bool asked;
    char *fork, *oldest_mark;
    bm_mark_proof_t *proofs;
    size_t proof_count;
    bm_backups_t backups;
} fact_t;

typedef struct settling settling_t;

typedef struct question {
    settling_t *settling;
    size_t instance;
    uint64_t operation;
} question_t;

struct settling {
    bm_work_t *work;
    bm_open_t *open;
    fact_t *facts;         /* one per place */
    question_t *questions; /* one per instance */
    size_t waiting;
};

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static void
s_read_database (settling_t *self, size_t instance, const Btsmark__SettledDatabase *from)
{
    bm_topology_t *topology = self->work->topology;
    size_t found = bm_topology_find (topology, instance, from->name);
    if (found == BM_NOWHERE)
        return;
    const bm_place_t *place = &topology->places[found];
    const char *real_name = topology->instances[instance].real_name;
    fact_t *fact = &self->facts[found];
    if (!from->asked) {
        if (from->fault)
            bm_report_warn (self->work->report,
                            "%s on %s could not be asked what earlier runs left: %s",
                            place->database, real_name, from->fault->text);
        return;
    }
    if (fact->asked)
        return; /* a second answer for the same database adds nothing */
    fact->asked = true;
    fact->fork = from->recovery_fork[0] ? bm_strdup (from->recovery_fork) : NULL;
    fact->oldest_mark = from->oldest_mark[0] ? bm_strdup (from->oldest_mark) : NULL;
    fact->proofs = bm_alloc ((from->n_proofs + from->n_marks_found + 1) * sizeof *fact->proofs);
    for (size_t i = 0; i < from->n_proofs; i++) {
        bm_mark_proof_t *proof = &fact->proofs[fact->proof_count++];
        bm_translate_proof (from->proofs[i], from->proofs[i]->name, place->server, real_name,
                            place->database, proof);
        proof->asked = true;
    }
    for (size_t i = 0; i < from->n_marks_found; i++) {
        bm_mark_proof_t *proof = NULL;
        for (size_t k = 0; k < fact->proof_count; k++)
            if (fact->proofs[k].mark && strcmp (fact->proofs[k].mark, from->marks_found[i]) == 0)
                proof = &fact->proofs[k];
        if (!proof) {
            proof = &fact->proofs[fact->proof_count++];
            *proof = (bm_mark_proof_t){bm_strdup (from->marks_found[i]), bm_strdup (place->server),
                                       bm_strdup (real_name), bm_strdup (place->database),
                                       .asked = true};
        }
        proof->in_marklog = true;
    }
    for (size_t i = 0; i < from->n_backups; i++) {
        bm_backup_t backup;
        bm_translate_backup (from->backups[i], place->server, real_name, -1, &backup);
        free (backup.database);
        backup.database = bm_strdup (place->database);
        if (backup.uuid)
            bm_backups_add (&fact->backups, &backup);
        bm_backup_clear (&backup);
    }
}

static void
s_on_settled (void *argument, size_t agent, const Btsmark__Envelope *answer,
              const bm_error_t *error)
{
    question_t *question = argument;
    settling_t *self = question->settling;
    bm_work_t *work = self->work;
    const char *where = work->topology->instances[question->instance].real_name;
    (void)agent;
    self->waiting--;
    question->operation = 0;
    if (error->status != BM_OK || answer->body_case != BTSMARK__ENVELOPE__BODY_SETTLED) {
        bm_report_warn (work->report, "%s could not be asked what earlier runs left: %s", where,
                        error->status != BM_OK ? error->text : "another kind of answer came");
        return;
    }
    const Btsmark__Settled *settled = answer->settled;
    if (settled->fault)
        bm_report_warn (work->report, "%s: %s", where, settled->fault->text);
    for (size_t i = 0; i < settled->n_ended; i++)
        bm_report_note (work->report, "settled on %s: ended %s", where, settled->ended[i]);
    for (size_t i = 0; i < settled->n_databases; i++)
        s_read_database (self, question->instance, settled->databases[i]);
}

/*  The earliest time that one of the instance's databases needs; "" when one needs all. */
static const char *
s_since (const settling_t *self, const bm_topology_instance_t *instance)
{
    const char *earliest = NULL;
    for (size_t i = 0; i < instance->count; i++) {
        const bm_place_t *place = &self->work->topology->places[instance->places[i]];
        const char *since = bm_open_since (self->open, place->server, place->database);
        if (!since)
            return "";
        if (!earliest || strcmp (since, earliest) < 0)
            earliest = since;
    }
    return earliest ? earliest : "";
}

static void
s_ask (settling_t *self, size_t index)
{
    bm_work_t *work = self->work;
    const bm_topology_instance_t *instance = &work->topology->instances[index];
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Settle settle = BTSMARK__SETTLE__INIT;
    size_t marks = bm_open_rounds (self->open);
    settle.instance = instance->name;
    settle.context_prefix = (char *)CONTEXT_PREFIX;
    settle.databases = bm_alloc ((instance->count + 1) * sizeof *settle.databases);
    settle.n_databases = instance->count;
    for (size_t i = 0; i < instance->count; i++)
        settle.databases[i] = work->topology->places[instance->places[i]].database;
    settle.marks = bm_alloc ((marks + 1) * sizeof *settle.marks);
    settle.n_marks = marks;
    for (size_t i = 0; i < marks; i++)
        settle.marks[i] = (char *)bm_open_mark (self->open, i);
    settle.since = (char *)s_since (self, instance);
    settle.wait_ms = (uint32_t)work->settings->settle_wait_ms;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_SETTLE;
    envelope.settle = &settle;
    question_t *question = &self->questions[index];
    *question = (question_t){.settling = self, .instance = index};
    int64_t deadline_ms = work->settings->settle_wait_ms + ANSWER_MS;
    bm_delivery_t how = {.deadline_ms = deadline_ms,
                         .silent_ms = deadline_ms,
                         .on_answer = s_on_settled,
                         .argument = question};
    self->waiting++;
    question->operation = bm_agents_order (work->agents, instance->agent, &envelope, &how);
    free (settle.databases);
    free (settle.marks);
}

static void
s_ask_all (settling_t *self)
{
    size_t count = self->work->topology->instance_count;
    self->questions = bm_alloc ((count + 1) * sizeof *self->questions);
    for (size_t i = 0; i < count; i++)
        s_ask (self, i);
    while (self->waiting && !bm_work_wait (self->work, 1000))
        bm_work_probe (self->work, false);
    for (size_t i = 0; i < count; i++)
        if (self->questions[i].operation)
            bm_agents_forget (self->work->agents, self->questions[i].operation);
}

/* ---- forks ------------------------------------------------------------------------------------------------------- */

/*  A database whose fork is another than the catalogue knew was restored. */
static void
s_look_at_forks (settling_t *self, bm_settled_t *settled, bool *changed)
{
    bm_work_t *work = self->work;
    for (size_t i = 0; i < work->topology->place_count; i++) {
        const bm_place_t *place = &work->topology->places[i];
        const fact_t *fact = &self->facts[i];
        char *known = NULL;
        bm_error_t error = {0};
        if (!fact->asked || !fact->fork)
            continue;
        if (bm_catalogue_fork (work->catalogue, place->server, place->database, &known, &error) !=
            BM_OK)
            bm_report_fail (work->report, &error);
        if (known && !bm_names_equal (known, fact->fork)) {
            changed[i] = true;
            bm_report_warn (work->report,
                            "%s on %s was restored since the last run: its earlier backups "
                            "belong to another recovery fork",
                            place->database, bm_topology_real_name (work->topology, i));
            settled->fork_changed |=
                bm_names_equal (place->database, work->settings->management_database);
        }
        free (known);
    }
}

static void
s_close_forks (settling_t *self, const bool *changed)
{
    bm_work_t *work = self->work;
    for (size_t i = 0; i < work->topology->place_count; i++) {
        const bm_place_t *place = &work->topology->places[i];
        bm_error_t error = {0};
        if (changed[i] && bm_catalogue_fork_change (work->catalogue, place->server, place->database,
                                                    self->facts[i].fork, &error) != BM_OK)
            bm_report_fail (work->report, &error);
    }
}

/* ---- acting ------------------------------------------------------------------------------------------------------ */

/*  False when a row could not be written: its set stays open. */
static bool
s_write_rows (bm_work_t *work, const bm_settle_out_t *out)
{
    bool all = true;
    for (size_t i = 0; i < out->rows.count; i++) {
        const bm_backup_t *backup = &out->rows.items[i];
        bm_set_row_t *row = NULL;
        bm_error_t error = {0};
        if (bm_catalogue_set (work->catalogue, backup->set_id, &row, &error) == BM_OK && row &&
            bm_publish_row (work, backup, row->history_time, &error) == BM_OK)
            bm_report_note (work->report,
                            "settled: the %s backup of %s.%s that was taken for set %lld but "
                            "not recorded is in adm_BackupHistory now",
                            backup->type == BM_SET_FULL ? "full" : "log", backup->server,
                            backup->database, (long long)backup->set_id);
        if (error.status != BM_OK) {
            all = false;
            bm_report_warn (work->report, "the row of %s.%s of set %lld could not be written: %s",
                            backup->server, backup->database, (long long)backup->set_id,
                            error.text);
        }
        bm_set_rows_destroy (&row, row ? 1 : 0);
    }
    return all;
}

/*  Every backup of the set was recorded once, but the table does not hold exactly its rows: somebody cleared it, or wrote into
 *  it. Nothing that we do brings them back, so the set is closed instead of being tried by every run. */
static void
s_close_set (bm_work_t *work, const bm_set_row_t *row)
{
    bm_error_t error = {0};
    if (bm_catalogue_set_close (work->catalogue, row->set_id,
                                "its rows do not stand in adm_BackupHistory any more",
                                &error) != BM_OK) {
        bm_report_warn (work->report, "%s", error.text);
        return;
    }
    bm_report_warn (work->report,
                    "set %lld has all its backups, but adm_BackupHistory does not hold exactly its "
                    "%zu rows (any more): it stays incomplete there, and is closed; the catalogue "
                    "and the manifests have its files",
                    (long long)row->set_id, row->databases);
}

static void
s_complete_sets (bm_work_t *work, const bm_settle_out_t *out)
{
    for (size_t i = 0; i < out->complete_count; i++) {
        bm_set_row_t *row = NULL;
        bm_error_t error = {0};
        bool complete = false;
        bool asked = bm_catalogue_set (work->catalogue, out->complete[i], &row, &error) == BM_OK &&
                     row &&
                     bm_history_complete (work->management, row->set_id, row->databases, &complete,
                                          &error) == BM_OK;
        if (asked && !complete)
            s_close_set (work, row);
        else if (asked &&
                 bm_catalogue_set_end (work->catalogue, row->set_id, true, &error) == BM_OK)
            bm_report_note (work->report, "settled: set %lld is complete", (long long)row->set_id);
        if (error.status != BM_OK)
            bm_report_warn (work->report, "set %lld could not be completed: %s",
                            (long long)out->complete[i], error.text);
        bm_set_rows_destroy (&row, row ? 1 : 0);
    }
}

static void
s_act (settling_t *self, const bm_settle_out_t *out, bm_settled_t *settled)
{
    bm_work_t *work = self->work;
    bm_error_t error = {0};
    if (bm_catalogue_settled (work->catalogue, work->run, out, &error) != BM_OK) {
        bm_report_fail (work->report, &error);
        return;
    }
    for (size_t i = 0; i < out->outcome_count; i++) {
        const bm_settle_outcome_t *it = &out->outcomes[i];
        bool open = !it->closed;
        settled->unknown += open;
        if (open)
            bm_report_warn (work->report,
                            "what became of mark %s of run %llu is still not known: %s", it->mark,
                            (unsigned long long)it->run, it->reason ? it->reason : "");
        else if (it->outcome == BM_OUTCOME_UNKNOWN)
            bm_report_warn (work->report, "mark %s of run %llu: %s", it->mark,
                            (unsigned long long)it->run, it->reason ? it->reason : "");
        else
            bm_report_note (work->report, "settled: mark %s of run %llu is %s: %s", it->mark,
                            (unsigned long long)it->run, bm_outcome_name (it->outcome),
                            it->reason ? it->reason : "");
    }
    for (size_t i = 0; i < out->warning_count; i++)
        bm_report_warn (work->report, "%s", out->warnings[i]);
    if (work->management && s_write_rows (work, out))
        s_complete_sets (work, out);
    for (size_t i = 0; i < out->touched_count; i++)
        bm_publish_manifest (work, out->touched[i]);
    bm_publish_owed (work);
}

static void
s_decide (settling_t *self, bm_settled_t *settled)
{
    bm_work_t *work = self->work;
    size_t count = work->topology->place_count;
    bool *changed = bm_alloc ((count + 1) * sizeof *changed);
    bm_settle_fact_t *facts = bm_alloc ((count + 1) * sizeof *facts);
    s_look_at_forks (self, settled, changed);
    for (size_t i = 0; i < count; i++) {
        const bm_place_t *place = &work->topology->places[i];
        const fact_t *fact = &self->facts[i];
        facts[i] = (bm_settle_fact_t){.server = place->server,
                                      .instance = bm_topology_real_name (work->topology, i),
                                      .database = place->database,
                                      .asked = fact->asked,
                                      .fork = fact->fork,
                                      .family = place->family,
                                      .oldest_mark = fact->oldest_mark,
                                      .proofs = fact->proofs,
                                      .proof_count = fact->proof_count,
                                      .backups = fact->backups.items,
                                      .backup_count = fact->backups.count};
    }
    bm_settle_in_t in = {.facts = facts,
                         .fact_count = count,
                         .fork_changed = settled->fork_changed,
                         .accept_doubtful = work->settings->doubtful == BM_DOUBTFUL_WARN};
    bm_open_fill (self->open, &in);
    bm_settle_out_t out;
    bm_settle (&in, &out);
    s_act (self, &out, settled);
    bm_error_t error = {0};
    if (settled->fork_changed && bm_catalogue_owe_full (work->catalogue, true, &error) != BM_OK)
        bm_report_fail (work->report, &error);
    s_close_forks (self, changed);
    bm_settle_out_clear (&out);
    free (facts);
    free (changed);
}

void
bm_settling_run (bm_work_t *work, bm_settled_t *settled)
{
    *settled = (bm_settled_t){0};
    settling_t self = {.work = work};
    bm_error_t error = {0};
    self.open = bm_catalogue_open_things (work->catalogue, &error);
    if (!self.open) {
        bm_report_fail (work->report, &error);
        return;
    }
    self.facts = bm_alloc ((work->topology->place_count + 1) * sizeof *self.facts);
    s_ask_all (&self);
    s_decide (&self, settled);
    for (size_t i = 0; i < work->topology->place_count; i++) {
        fact_t *fact = &self.facts[i];
        for (size_t k = 0; k < fact->proof_count; k++)
            bm_mark_proof_clear (&fact->proofs[k]);
        free (fact->proofs);
        free (fact->fork);
        free (fact->oldest_mark);
        bm_backups_clear (&fact->backups);
    }
    free (self.facts);
    free (self.questions);
    bm_open_destroy (&self.open);
}
