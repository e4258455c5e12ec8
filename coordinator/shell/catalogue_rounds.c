#include <stdlib.h>
#include <string.h>
#include "coordinator/shell/catalogue_file.h"

bm_status_t
bm_catalogue_round_intent (bm_catalogue_t *self, uint64_t run, uint32_t number, int64_t set_id,
                           const char *mark, int64_t began_us, const bm_group_database_t *databases,
                           size_t count, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    if (!status)
        status = bm_catalogue_run (
            self, error,
            "INSERT INTO rounds (run, number, set_id, mark, began_us) VALUES (?, ?, ?, ?, ?)",
            "iiiti", (int64_t)run, (int64_t)number, set_id, mark, began_us);
    for (size_t i = 0; !status && i < count; i++)
        status = bm_catalogue_run (
            self, error,
            "INSERT INTO round_databases (run, number, server, database, instance) "
            "VALUES (?, ?, ?, ?, ?)",
            "iittt", (int64_t)run, (int64_t)number, databases[i].server, databases[i].database,
            databases[i].instance);
    return bm_catalogue_end (self, status, error);
}

bm_status_t
bm_catalogue_round_outcome (bm_catalogue_t *self, uint64_t run, uint32_t number, const char *mark,
                            int64_t set_id, bm_outcome_t outcome, bm_fences_t fences,
                            const char *reason, int64_t window_us, int64_t fence_ms,
                            bm_error_t *error)
{
    return bm_catalogue_run (
        self, error,
        "INSERT INTO rounds (run, number, mark, set_id, outcome, fences, reason, ended_us, "
        "window_us, "
        "fence_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif (?, -1), nullif (?, -1)) "
        "ON CONFLICT (run, number) DO UPDATE SET outcome = excluded.outcome, fences = "
        "excluded.fences, "
        "reason = excluded.reason, ended_us = excluded.ended_us, window_us = excluded.window_us, "
        "fence_ms = excluded.fence_ms",
        "iitititiii", (int64_t)run, (int64_t)number, mark, set_id, bm_outcome_name (outcome),
        (int64_t)fences, reason, bm_catalogue_now (), window_us, fence_ms);
}

bm_status_t
bm_catalogue_proof_write (bm_catalogue_t *self, const bm_mark_proof_t *proof, bm_error_t *error)
{
    return bm_catalogue_run (
        self, error,
        "INSERT INTO mark_proofs (mark, server, database, instance, asked, in_marklog, in_history, "
        "lsn, mark_time, at_us, fork) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
        /*  On which fork the mark stands: that of the database when it was first seen there. */
        "(SELECT d.fork FROM databases d WHERE d.server = ?2 AND d.database = ?3)) "
        "ON CONFLICT (mark, server, database) "
        /*  An answer is never overwritten by "could not be asked". */
        "DO UPDATE SET instance = excluded.instance, asked = 1, in_marklog = excluded.in_marklog, "
        "in_history = excluded.in_history, lsn = excluded.lsn, mark_time = excluded.mark_time, "
        "at_us = excluded.at_us, fork = coalesce (fork, excluded.fork) WHERE excluded.asked = 1",
        "ttttiiitti", proof->mark, proof->server, proof->database, proof->instance,
        (int64_t)proof->asked, (int64_t)proof->in_marklog, (int64_t)proof->in_history, proof->lsn,
        proof->mark_time, bm_catalogue_now ());
}

bm_status_t
bm_catalogue_proof_put (bm_catalogue_t *self, const bm_mark_proof_t *proof, bm_error_t *error)
{
    return bm_catalogue_proof_write (self, proof, error);
}

bm_status_t
bm_catalogue_rounds (bm_catalogue_t *self, int64_t set_id, size_t limit,
                     bm_journal_round_t **rows_p, size_t *count_p, bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error,
        "SELECT run, number, set_id, mark, reason, outcome, fences, coalesce (began_us, -1), "
        "coalesce (ended_us, -1), coalesce (window_us, -1), coalesce (fence_ms, -1) FROM rounds "
        "WHERE ?1 = 0 OR set_id = ?1 ORDER BY run DESC, number DESC LIMIT ?2",
        "ii", set_id, (int64_t)limit);
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_journal_round_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->run = (uint64_t)sqlite3_column_int64 (s, 0);
        row->number = (uint32_t)sqlite3_column_int64 (s, 1);
        row->set_id = sqlite3_column_int64 (s, 2);
        row->mark = bm_catalogue_text (s, 3);
        row->reason = bm_catalogue_text (s, 4);
        row->has_outcome =
            !bm_catalogue_is_null (s, 5) &&
            bm_outcome_by_name ((const char *)sqlite3_column_text (s, 5), &row->outcome);
        row->fences = (bm_fences_t)sqlite3_column_int (s, 6);
        row->began_us = sqlite3_column_int64 (s, 7);
        row->ended_us = sqlite3_column_int64 (s, 8);
        row->window_us = sqlite3_column_int64 (s, 9);
        row->fence_ms = sqlite3_column_int64 (s, 10);
    }
    sqlite3_finalize (s);
    return status;
}

void
bm_journal_rounds_destroy (bm_journal_round_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        free ((*rows_p)[i].mark);
        free ((*rows_p)[i].reason);
    }
    free (*rows_p);
    *rows_p = NULL;
}

bm_status_t
bm_catalogue_mark_lsn (bm_catalogue_t *self, const char *mark, const char *server,
                       const char *database, char **lsn_p, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    *lsn_p = NULL;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error,
                                            "SELECT lsn FROM mark_proofs WHERE mark = ? AND server "
                                            "= ? AND database = ? AND in_history = 1",
                                            "ttt", mark, server, database);
    if (bm_catalogue_step (self, s, &status, error))
        *lsn_p = bm_catalogue_text (s, 0);
    sqlite3_finalize (s);
    return status;
}
