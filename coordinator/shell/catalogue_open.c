#include <stdlib.h>
#include <string.h>
#include "common/names.h"
#include "coordinator/shell/catalogue_file.h"

/*  Texts of settling's input belong to `texts`; the arrays are grown first, so that nothing points into one that moves. */
struct bm_open {
    bm_settle_round_t *rounds;
    size_t round_count;
    bm_settle_order_t *orders;
    size_t order_count;
    bm_settle_set_t *sets;
    size_t set_count;
    bm_mark_proof_t *proofs;
    size_t proof_count;
    bm_backups_t known;
    struct s_since {
        char *server, *database, *since;
    } * since;
    size_t since_count;
    char **texts;
    size_t text_count;
};

static const char *
s_keep (bm_open_t *self, sqlite3_stmt *s, int column)
{
    char *text = bm_catalogue_text (s, column);
    if (text)
        *(char **)bm_catalogue_grow (&self->texts, &self->text_count, sizeof *self->texts) = text;
    return text;
}

/*  server, database of the statement's rows. Finalizes it. */
static bm_status_t
s_databases (bm_catalogue_t *self, bm_open_t *open, sqlite3_stmt *s,
             const bm_settle_database_t **databases_p, size_t *count_p, bm_error_t *error)
{
    bm_settle_database_t *databases = NULL;
    bm_status_t status = BM_OK;
    *count_p = 0;
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_settle_database_t *d = bm_catalogue_grow (&databases, count_p, sizeof *d);
        d->server = s_keep (open, s, 0);
        d->database = s_keep (open, s, 1);
    }
    sqlite3_finalize (s);
    *databases_p = databases;
    return status;
}

static bm_status_t
s_read_rounds (bm_catalogue_t *self, bm_open_t *open, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error,
                                            "SELECT run, number, set_id, mark, fences FROM rounds "
                                            "WHERE (outcome IS NULL OR outcome = 'unknown') "
                                            "AND closed = 0 "
                                            "ORDER BY run, number",
                                            "");
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_settle_round_t *round =
            bm_catalogue_grow (&open->rounds, &open->round_count, sizeof *round);
        round->run = (uint64_t)sqlite3_column_int64 (s, 0);
        round->number = (uint32_t)sqlite3_column_int64 (s, 1);
        round->set_id = sqlite3_column_int64 (s, 2);
        round->mark = s_keep (open, s, 3);
        round->fences = (bm_fences_t)sqlite3_column_int (s, 4);
    }
    sqlite3_finalize (s);
    for (size_t i = 0; !status && i < open->round_count; i++) {
        bm_settle_round_t *round = &open->rounds[i];
        status = s_databases (
            self, open,
            bm_catalogue_prepare (
                self, error,
                "SELECT server, database FROM round_databases WHERE run = ? AND number = ?", "ii",
                (int64_t)round->run, (int64_t)round->number),
            &round->databases, &round->database_count, error);
    }
    return status;
}

static bm_status_t
s_read_sets (bm_catalogue_t *self, bm_open_t *open, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error,
                              "SELECT set_id, type, mark, outcome, type = 'db' AND "
                              "EXISTS (SELECT 1 FROM sets l WHERE l.type = 'db' AND "
                              "l.set_id > sets.set_id), EXISTS (SELECT 1 FROM rounds "
                              "r WHERE r.mark = sets.mark AND r.closed = 1) FROM sets "
                              "WHERE complete = 0 AND closed IS NULL ORDER BY set_id",
                              "");
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_settle_set_t *set = bm_catalogue_grow (&open->sets, &open->set_count, sizeof *set);
        set->set_id = sqlite3_column_int64 (s, 0);
        bm_record_type_parse ((const char *)sqlite3_column_text (s, 1), &set->type);
        set->mark = s_keep (open, s, 2);
        set->outcome_known =
            !bm_catalogue_is_null (s, 3) &&
            bm_outcome_by_name ((const char *)sqlite3_column_text (s, 3), &set->outcome) &&
            (set->outcome != BM_OUTCOME_UNKNOWN || sqlite3_column_int (s, 5));
        set->superseded = sqlite3_column_int (s, 4);
    }
    sqlite3_finalize (s);
    for (size_t i = 0; !status && i < open->set_count; i++)
        status = s_databases (
            self, open,
            bm_catalogue_prepare (self, error,
                                  "SELECT server, database FROM set_databases WHERE set_id = ?",
                                  "i", open->sets[i].set_id),
            &open->sets[i].databases, &open->sets[i].database_count, error);
    return status;
}

static bm_status_t
s_read_orders (bm_catalogue_t *self, bm_open_t *open, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error,
        "SELECT o.set_id, o.server, o.database, o.type, o.sequence, o.mark FROM orders o "
        "JOIN sets s ON s.set_id = o.set_id WHERE s.complete = 0 AND s.closed IS NULL ORDER BY "
        "o.order_id",
        "");
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_settle_order_t *order =
            bm_catalogue_grow (&open->orders, &open->order_count, sizeof *order);
        order->set_id = sqlite3_column_int64 (s, 0);
        order->server = s_keep (open, s, 1);
        order->database = s_keep (open, s, 2);
        bm_record_type_parse ((const char *)sqlite3_column_text (s, 3), &order->type);
        order->sequence = s_keep (open, s, 4);
        order->mark = s_keep (open, s, 5);
    }
    sqlite3_finalize (s);
    return status;
}

static bm_status_t
s_read_proofs (bm_catalogue_t *self, bm_open_t *open, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error,
                              "SELECT p.mark, p.server, p.instance, p.database, p.asked, "
                              "p.in_marklog, p.in_history, p.lsn, "
                              "p.mark_time FROM mark_proofs p WHERE p.mark IN "
                              "(SELECT mark FROM sets WHERE complete = 0 AND closed IS NULL)",
                              "");
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_mark_proof_t *proof =
            bm_catalogue_grow (&open->proofs, &open->proof_count, sizeof *proof);
        proof->mark = bm_catalogue_text (s, 0);
        proof->server = bm_catalogue_text (s, 1);
        proof->instance = bm_catalogue_text (s, 2);
        proof->database = bm_catalogue_text (s, 3);
        proof->asked = sqlite3_column_int (s, 4);
        proof->in_marklog = sqlite3_column_int (s, 5);
        proof->in_history = sqlite3_column_int (s, 6);
        proof->lsn = bm_catalogue_text (s, 7);
        proof->mark_time = bm_catalogue_text (s, 8);
    }
    sqlite3_finalize (s);
    return status;
}

/*  Every database of the group, and the start of its backup in the newest complete set. Two hours less, because the
 *  instance's local clock is set back once a year; what is read twice changes nothing. */
#define S_SINCE                                                                                    \
    "SELECT d.server, d.database, (SELECT strftime ('%Y-%m-%d %H:%M:%S', min (b.started), "        \
    "'-2 hours') FROM backups b WHERE b.set_id = ?1 AND b.closed = 0 AND +b.server = d.server "    \
    "AND +b.database = d.database) FROM databases d WHERE d.gone = 0"

static bm_status_t
s_read_since (bm_catalogue_t *self, bm_open_t *open, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    int64_t newest = 0;
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error, "SELECT max (set_id) FROM sets WHERE complete = 1", "");
    if (bm_catalogue_step (self, s, &status, error))
        newest = sqlite3_column_int64 (s, 0);
    sqlite3_finalize (s);
    s = status ? NULL : bm_catalogue_prepare (self, error, S_SINCE, "i", newest);
    while (!status && bm_catalogue_step (self, s, &status, error)) {
        struct s_since *since = bm_catalogue_grow (&open->since, &open->since_count, sizeof *since);
        since->server = bm_catalogue_text (s, 0);
        since->database = bm_catalogue_text (s, 1);
        since->since = bm_catalogue_text (s, 2);
    }
    sqlite3_finalize (s);
    return status;
}

#define S_OPEN_SETS "(SELECT set_id FROM sets WHERE complete = 0 AND closed IS NULL)"

/*  Backups that are owed a row or a set, and those that the databases will list again. */
static bm_status_t
s_read_known (bm_catalogue_t *self, bm_open_t *open, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_backups_read (
        self,
        bm_catalogue_prepare (self, error,
                              "SELECT " BM_BACKUP_COLUMNS " FROM backups WHERE closed = 0 AND "
                              "((ours = 1 AND recorded = 0) OR set_id IN " S_OPEN_SETS ")",
                              ""),
        &open->known, error);
    for (size_t i = 0; !status && i < open->since_count; i++)
        status = bm_catalogue_backups_read (
            self,
            bm_catalogue_prepare (
                self, error,
                "SELECT " BM_BACKUP_COLUMNS " FROM backups WHERE server = ? AND "
                "database = ? AND started >= coalesce (?, '') AND closed = 0 AND NOT "
                "((ours = 1 AND recorded = 0) OR coalesce (set_id, 0) IN " S_OPEN_SETS ")",
                "ttt", open->since[i].server, open->since[i].database, open->since[i].since),
            &open->known, error);
    return status;
}

bm_open_t *
bm_catalogue_open_things (bm_catalogue_t *self, bm_error_t *error)
{
    bm_open_t *open = bm_alloc (sizeof *open);
    bm_status_t status = s_read_rounds (self, open, error);
    if (!status)
        status = s_read_sets (self, open, error);
    if (!status)
        status = s_read_orders (self, open, error);
    if (!status)
        status = s_read_proofs (self, open, error);
    if (!status)
        status = s_read_since (self, open, error);
    if (!status)
        status = s_read_known (self, open, error);
    if (status)
        bm_open_destroy (&open);
    return open;
}

void
bm_open_fill (const bm_open_t *self, bm_settle_in_t *in)
{
    in->rounds = self->rounds;
    in->round_count = self->round_count;
    in->orders = self->orders;
    in->order_count = self->order_count;
    in->sets = self->sets;
    in->set_count = self->set_count;
    in->known = self->known.items;
    in->known_count = self->known.count;
    in->proofs = self->proofs;
    in->proof_count = self->proof_count;
}

size_t
bm_open_rounds (const bm_open_t *self)
{
    return self->round_count;
}

const char *
bm_open_mark (const bm_open_t *self, size_t round)
{
    bm_require (round < self->round_count);
    return self->rounds[round].mark;
}

const char *
bm_open_since (const bm_open_t *self, const char *server, const char *database)
{
    for (size_t i = 0; i < self->since_count; i++)
        if (bm_names_equal (self->since[i].server, server) &&
            bm_names_equal (self->since[i].database, database))
            return self->since[i].since;
    return NULL;
}

void
bm_open_destroy (bm_open_t **self_p)
{
    bm_open_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->round_count; i++)
        free ((void *)self->rounds[i].databases);
    for (size_t i = 0; i < self->set_count; i++)
        free ((void *)self->sets[i].databases);
    for (size_t i = 0; i < self->proof_count; i++)
        bm_mark_proof_clear (&self->proofs[i]);
    for (size_t i = 0; i < self->since_count; i++) {
        free (self->since[i].server);
        free (self->since[i].database);
        free (self->since[i].since);
    }
    for (size_t i = 0; i < self->text_count; i++)
        free (self->texts[i]);
    bm_backups_clear (&self->known);
    free (self->rounds);
    free (self->orders);
    free (self->sets);
    free (self->proofs);
    free (self->since);
    free (self->texts);
    free (self);
    *self_p = NULL;
}

/* ---- writing what was settled ---- */

static bm_status_t
s_settle_round (bm_catalogue_t *self, const bm_settle_outcome_t *o, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_run (
        self, error,
        "UPDATE rounds SET outcome = ?, reason = ?, ended_us = coalesce (ended_us, ?), closed = ? "
        "WHERE run = ? AND number = ?",
        "ttiiii", bm_outcome_name (o->outcome), o->reason, bm_catalogue_now (), (int64_t)o->closed,
        (int64_t)o->run, (int64_t)o->number);
    if (!status)
        status = bm_catalogue_run (self, error, "UPDATE sets SET outcome = ? WHERE mark = ?", "tt",
                                   bm_outcome_name (o->outcome), o->mark);
    return status;
}

static bm_status_t
s_settle_backup (bm_catalogue_t *self, const bm_backup_t *b, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_backup_write (self, b, error);
    if (!status && b->ours)
        status = bm_catalogue_run (
            self, error,
            "UPDATE orders SET status = 'ok', uuid = lower (?), ended_us = ?, "
            "text = 'found by settling' WHERE set_id = ? AND server = ? AND "
            "database = ? AND (status IS NULL OR status = 'unknown') "
            /*  A repaired full has an order for each attempt: the file's name says whose it is. */
            "AND (sequence IS NULL OR ? IS NULL OR instr (?6, sequence) > 0)",
            "tiittt", b->uuid, bm_catalogue_now (), b->set_id, b->server, b->database, b->device);
    return status;
}

/*  The count follows the rows: a repeat changes nothing. */
static bm_status_t
s_settle_drop (bm_catalogue_t *self, const bm_settle_drop_t *drop, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_run (
        self, error, "DELETE FROM set_databases WHERE set_id = ? AND server = ? AND database = ?",
        "itt", drop->set_id, drop->server, drop->database);
    if (!status)
        status = bm_catalogue_run (self, error,
                                   "UPDATE sets SET databases = (SELECT count(*) FROM "
                                   "set_databases d WHERE d.set_id = ?1) WHERE set_id = ?1",
                                   "i", drop->set_id);
    return status;
}

bm_status_t
bm_catalogue_settled (bm_catalogue_t *self, uint64_t run, const bm_settle_out_t *out,
                      bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    for (size_t i = 0; !status && i < out->outcome_count; i++)
        status = s_settle_round (self, &out->outcomes[i], error);
    for (size_t i = 0; !status && i < out->proof_count; i++)
        status = bm_catalogue_proof_write (self, &out->proofs[i], error);
    for (size_t i = 0; !status && i < out->backups.count; i++)
        status = s_settle_backup (self, &out->backups.items[i], error);
    for (size_t i = 0; !status && i < out->drop_count; i++)
        status = s_settle_drop (self, &out->drops[i], error);
    /*  Closed sets are not looked at again: nothing more can come of them. */
    for (size_t i = 0; !status && i < out->close_count; i++)
        status = bm_catalogue_run (
            self, error,
            "UPDATE sets SET closed = 'settled as incomplete', ended_us = coalesce "
            "(ended_us, ?) WHERE set_id = ? AND complete = 0",
            "ii", bm_catalogue_now (), out->close[i]);
    /*  Orders of runs that are over and of which nothing was found. */
    if (!status)
        status = bm_catalogue_run (
            self, error,
            "UPDATE orders SET status = 'unknown', text = 'the run ended before the answer' "
            "WHERE status IS NULL AND run < ?",
            "i", (int64_t)run);
    return bm_catalogue_end (self, status, error);
}
