#include "coordinator/shell/catalogue_retention.h"

#include <stdlib.h>
#include <string.h>
#include "coordinator/shell/catalogue_file.h"

/* ---- files ------------------------------------------------------------------------------------------------------- */

static const char *const s_states[] = {NULL, "present", "missing", "removed"};

static bm_file_state_t
s_state (const char *name)
{
    for (int i = BM_FILE_PRESENT; name && i <= BM_FILE_REMOVED; i++)
        if (strcmp (s_states[i], name) == 0)
            return (bm_file_state_t)i;
    return BM_FILE_UNKNOWN;
}

bm_status_t
bm_catalogue_stored (bm_catalogue_t *self, bm_stored_t **rows_p, size_t *count_p, bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error,
        "SELECT " BM_BACKUP_COLUMNS ", file_state, coalesce ((SELECT s.began_us FROM sets s "
        "WHERE s.set_id = backups.set_id AND backups.ours = 1), seen_us) FROM backups "
        "WHERE file_state IS NOT 'removed' "
        "ORDER BY server, database, length (first_lsn), first_lsn, length (last_lsn), last_lsn",
        "");
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_stored_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        bm_catalogue_backup_row (s, &row->backup);
        row->state = s_state ((const char *)sqlite3_column_text (s, BM_BACKUP_COLUMN_COUNT));
        row->at_us = sqlite3_column_int64 (s, BM_BACKUP_COLUMN_COUNT + 1);
    }
    sqlite3_finalize (s);
    return status;
}

void
bm_stored_destroy (bm_stored_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++)
        bm_backup_clear (&(*rows_p)[i].backup);
    free (*rows_p);
    *rows_p = NULL;
}

bm_status_t
bm_catalogue_files_seen (bm_catalogue_t *self, const bm_file_seen_t *files, size_t count,
                         bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    for (size_t i = 0; !status && i < count; i++) {
        bm_require (files[i].state == BM_FILE_PRESENT || files[i].state == BM_FILE_MISSING);
        status = bm_catalogue_run (self, error,
                                   "UPDATE backups SET file_state = ?, file_state_us = ? WHERE "
                                   "device = ? AND instance = ? COLLATE NOCASE AND file_state IS "
                                   "NOT 'removed'",
                                   "titt", s_states[files[i].state], bm_catalogue_now (),
                                   files[i].device, files[i].instance);
    }
    return bm_catalogue_end (self, status, error);
}

bm_status_t
bm_catalogue_unverified (bm_catalogue_t *self, char **reason_p, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    *reason_p = NULL;
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error, "SELECT value FROM meta WHERE key = 'unverified'", "");
    if (bm_catalogue_step (self, s, &status, error))
        *reason_p = bm_catalogue_text (s, 0);
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_set_unverified (bm_catalogue_t *self, const char *reason, bm_error_t *error)
{
    if (!reason)
        return bm_catalogue_run (self, error, "DELETE FROM meta WHERE key = 'unverified'", "");
    return bm_catalogue_run (self, error, "INSERT OR REPLACE INTO meta VALUES ('unverified', ?)",
                             "t", reason);
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

/*  Marks in the order in which they are told. ?1 = how many, 0 = those whose set has files. */
#define S_MARKS                                                                                    \
    "SELECT r.mark, r.reason, r.run, r.number, r.set_id, r.outcome, coalesce (r.began_us, "        \
    "r.ended_us, 0) AS at_us, coalesce (s.cleaned_us, -1) FROM rounds r "                          \
    "LEFT JOIN sets s ON s.set_id = r.set_id WHERE ?1 > 0 OR s.cleaned_us IS NULL "                \
    "OR EXISTS (SELECT 1 FROM backups b WHERE b.set_id = r.set_id AND "                            \
    "b.file_state IS NOT 'removed') ORDER BY r.run DESC, r.number DESC "                           \
    "LIMIT CASE WHEN ?1 > 0 THEN ?1 ELSE -1 END"

/*  The group as it was when the set was begun, and what the round went over. */
#define S_STANDINGS                                                                                \
    "SELECT d.server, d.database, CASE WHEN p.in_history THEN p.lsn END, p.fork FROM "             \
    "(SELECT server, database FROM set_databases WHERE set_id = ?2 UNION "                         \
    "SELECT server, database FROM round_databases WHERE run = ?3 AND number = ?4) d "              \
    "LEFT JOIN mark_proofs p ON p.mark = ?1 AND p.server = d.server AND p.database = d.database "  \
    "ORDER BY d.server, d.database"

static bm_status_t
s_read_standings (bm_catalogue_t *self, bm_stored_mark_t *mark, int64_t number, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error, S_STANDINGS, "tiii", mark->name,
                                            mark->set_id, (int64_t)mark->run, number);
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_stored_standing_t *row =
            bm_catalogue_grow (&mark->standings, &mark->standing_count, sizeof *row);
        row->server = bm_catalogue_text (s, 0);
        row->database = bm_catalogue_text (s, 1);
        row->lsn = bm_catalogue_text (s, 2);
        row->fork = bm_catalogue_text (s, 3);
    }
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_marks (bm_catalogue_t *self, size_t limit, bm_stored_mark_t **rows_p, size_t *count_p,
                    bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK, inner = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error, S_MARKS, "i", (int64_t)limit);
    while (!inner && bm_catalogue_step (self, s, &status, error)) {
        bm_stored_mark_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->name = bm_catalogue_text (s, 0);
        row->reason = bm_catalogue_text (s, 1);
        row->run = (uint64_t)sqlite3_column_int64 (s, 2);
        row->set_id = sqlite3_column_int64 (s, 4);
        row->has_outcome =
            !bm_catalogue_is_null (s, 5) &&
            bm_outcome_by_name ((const char *)sqlite3_column_text (s, 5), &row->outcome);
        row->at_us = sqlite3_column_int64 (s, 6);
        row->cleaned_us = sqlite3_column_int64 (s, 7);
        inner = s_read_standings (self, row, sqlite3_column_int64 (s, 3), error);
    }
    sqlite3_finalize (s);
    return status ? status : inner;
}

void
bm_stored_marks_destroy (bm_stored_mark_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        bm_stored_mark_t *row = &(*rows_p)[i];
        for (size_t k = 0; k < row->standing_count; k++) {
            free (row->standings[k].server);
            free (row->standings[k].database);
            free (row->standings[k].lsn);
            free (row->standings[k].fork);
        }
        free (row->standings);
        free (row->name);
        free (row->reason);
    }
    free (*rows_p);
    *rows_p = NULL;
}

bm_status_t
bm_catalogue_present (bm_catalogue_t *self, bm_set_members_t *members, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    *members = (bm_set_members_t){0};
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error,
        "SELECT server, database FROM databases WHERE gone = 0 ORDER BY server, database", "");
    while (bm_catalogue_step (self, s, &status, error)) {
        struct bm_set_member *row =
            bm_catalogue_grow (&members->items, &members->count, sizeof *row);
        row->server = bm_catalogue_text (s, 0);
        row->database = bm_catalogue_text (s, 1);
    }
    sqlite3_finalize (s);
    return status;
}

/* ---- sets kept by hand ------------------------------------------------------------------------------------------- */

bm_status_t
bm_catalogue_retain (bm_catalogue_t *self, int64_t set_id, int64_t until_us, const char *reason,
                     const char *person, bm_error_t *error)
{
    return bm_catalogue_run (self, error,
                             "INSERT OR REPLACE INTO retained (set_id, until_us, reason, person, "
                             "at_us) VALUES (?, nullif (?, -1), ?, ?, ?)",
                             "iitti", set_id, until_us, reason, person, bm_catalogue_now ());
}

bm_status_t
bm_catalogue_release (bm_catalogue_t *self, int64_t set_id, bool *was_p, bm_error_t *error)
{
    bm_status_t status =
        bm_catalogue_run (self, error, "DELETE FROM retained WHERE set_id = ?", "i", set_id);
    *was_p = !status && sqlite3_changes (self->db) > 0;
    return status;
}

bm_status_t
bm_catalogue_retained (bm_catalogue_t *self, bm_retained_row_t **rows_p, size_t *count_p,
                       bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error,
                                            "SELECT set_id, coalesce (until_us, -1), reason, "
                                            "person, at_us FROM retained ORDER BY set_id",
                                            "");
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_retained_row_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->set_id = sqlite3_column_int64 (s, 0);
        row->until_us = sqlite3_column_int64 (s, 1);
        row->reason = bm_catalogue_text (s, 2);
        row->person = bm_catalogue_text (s, 3);
        row->at_us = sqlite3_column_int64 (s, 4);
    }
    sqlite3_finalize (s);
    return status;
}

void
bm_retained_rows_destroy (bm_retained_row_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        free ((*rows_p)[i].reason);
        free ((*rows_p)[i].person);
    }
    free (*rows_p);
    *rows_p = NULL;
}

/* ---- files that somebody reads now ------------------------------------------------------------------------------- */

bm_status_t
bm_catalogue_claim (bm_catalogue_t *self, const char *kind, int64_t set_id, const char *mark,
                    const char *text, int64_t until_us, int64_t *claim_p, bm_error_t *error)
{
    bm_status_t status =
        bm_catalogue_run (self, error,
                          "INSERT INTO claims (kind, set_id, mark, text, at_us, until_us) "
                          "VALUES (?, nullif (?, 0), ?, ?, ?, ?)",
                          "tittii", kind, set_id, mark, text, bm_catalogue_now (), until_us);
    *claim_p = status ? 0 : sqlite3_last_insert_rowid (self->db);
    return status;
}

bm_status_t
bm_catalogue_claim_renew (bm_catalogue_t *self, int64_t claim, int64_t until_us, bm_error_t *error)
{
    return bm_catalogue_run (self, error, "UPDATE claims SET until_us = ? WHERE claim = ?", "ii",
                             until_us, claim);
}

bm_status_t
bm_catalogue_claim_end (bm_catalogue_t *self, int64_t claim, bm_error_t *error)
{
    return bm_catalogue_run (self, error, "DELETE FROM claims WHERE claim = ?", "i", claim);
}

bm_status_t
bm_catalogue_claims (bm_catalogue_t *self, bm_claim_row_t **rows_p, size_t *count_p,
                     bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error,
                              "SELECT claim, coalesce (set_id, 0), at_us, until_us, kind, mark, "
                              "text FROM claims WHERE until_us > ? ORDER BY claim",
                              "i", bm_catalogue_now ());
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_claim_row_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->claim = sqlite3_column_int64 (s, 0);
        row->set_id = sqlite3_column_int64 (s, 1);
        row->at_us = sqlite3_column_int64 (s, 2);
        row->until_us = sqlite3_column_int64 (s, 3);
        row->kind = bm_catalogue_text (s, 4);
        row->mark = bm_catalogue_text (s, 5);
        row->text = bm_catalogue_text (s, 6);
    }
    sqlite3_finalize (s);
    return status;
}

void
bm_claim_rows_destroy (bm_claim_row_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        free ((*rows_p)[i].kind);
        free ((*rows_p)[i].mark);
        free ((*rows_p)[i].text);
    }
    free (*rows_p);
    *rows_p = NULL;
}

/* ---- deletions --------------------------------------------------------------------------------------------------- */

/*  Who claims or retains does so in a transaction of his own: either it is seen here, or he sees the removals. */
static bm_status_t
s_nobody_came (bm_catalogue_t *self, int64_t decided_us, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error,
                                            "SELECT 1 FROM claims WHERE at_us >= ?1 UNION ALL "
                                            "SELECT 1 FROM retained WHERE at_us >= ?1",
                                            "i", decided_us);
    bool came = bm_catalogue_step (self, s, &status, error);
    sqlite3_finalize (s);
    if (!status && came)
        status = bm_fail (error, BM_BUSY,
                          "a restore began, or a set was retained, while it was decided what to "
                          "delete: nothing is deleted this time");
    return status;
}

bm_status_t
bm_catalogue_removals_open (bm_catalogue_t *self, uint64_t run, int64_t decided_us,
                            bm_removal_t *removals, size_t count, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    if (!status)
        status = s_nobody_came (self, decided_us, error);
    for (size_t i = 0; !status && i < count; i++) {
        bm_removal_t *it = &removals[i];
        status = bm_catalogue_run (self, error,
                                   "INSERT INTO removals (run, kind, instance, file, database, "
                                   "set_id, bytes, why, at_us) VALUES (?, ?, ?, ?, ?, ?, "
                                   "nullif (?, -1), ?, ?)",
                                   "itttt"
                                   "ii"
                                   "ti",
                                   (int64_t)run, it->kind, it->instance, it->file, it->database,
                                   it->set_id, it->bytes, it->why, bm_catalogue_now ());
        it->removal = status ? 0 : sqlite3_last_insert_rowid (self->db);
    }
    return bm_catalogue_end (self, status, error);
}

/*  A striped backup is gone with its first stripe: the others are removals of their own, and the first is closed as left while one
 *  of them stands. */
static bm_status_t
s_file_removed (bm_catalogue_t *self, int64_t removal, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_run (
        self, error,
        "UPDATE backups SET file_state = 'removed', file_state_us = ?2 WHERE device = "
        "(SELECT file FROM removals WHERE removal = ?1) AND instance = (SELECT instance FROM "
        "removals WHERE removal = ?1) COLLATE NOCASE AND (SELECT kind FROM removals WHERE "
        "removal = ?1) = 'backup'",
        "ii", removal, bm_catalogue_now ());
    if (!status)
        status = bm_catalogue_run (
            self, error,
            "UPDATE sets SET cleaned_us = ?2 WHERE cleaned_us IS NULL AND set_id = "
            "(SELECT set_id FROM removals WHERE removal = ?1 AND kind = 'backup')",
            "ii", removal, bm_catalogue_now ());
    if (!status)
        status = bm_catalogue_run (
            self, error,
            "DELETE FROM manifests WHERE (set_id, instance, file) IN (SELECT set_id, instance, "
            "file FROM removals WHERE removal = ? AND kind = 'manifest')",
            "i", removal);
    return status;
}

static bm_status_t
s_close_removal (bm_catalogue_t *self, const bm_removal_end_t *end, bm_error_t *error)
{
    bool left = strcmp (end->fate, "left") == 0;
    bm_require (left || strcmp (end->fate, "deleted") == 0 || strcmp (end->fate, "was gone") == 0);
    bm_status_t status = bm_catalogue_run (
        self, error,
        "UPDATE removals SET fate = ?, text = ?, ended_us = ?, bytes = "
        "coalesce (nullif (?, -1), bytes) WHERE removal = ?",
        "ttiii", end->fate, end->text, bm_catalogue_now (), end->bytes, end->removal);
    if (!status && !left)
        status = s_file_removed (self, end->removal, error);
    return status;
}

bm_status_t
bm_catalogue_removals_close (bm_catalogue_t *self, const bm_removal_end_t *ends, size_t count,
                             bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    for (size_t i = 0; !status && i < count; i++)
        status = s_close_removal (self, &ends[i], error);
    return bm_catalogue_end (self, status, error);
}

bm_status_t
bm_catalogue_removals_unsettled (bm_catalogue_t *self, bm_removal_row_t **rows_p, size_t *count_p,
                                 bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error,
                              "SELECT removal, kind, instance, file, database FROM removals "
                              "WHERE fate IS NULL ORDER BY removal",
                              "");
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_removal_row_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->removal = sqlite3_column_int64 (s, 0);
        row->kind = bm_catalogue_text (s, 1);
        row->instance = bm_catalogue_text (s, 2);
        row->file = bm_catalogue_text (s, 3);
        row->database = bm_catalogue_text (s, 4);
    }
    sqlite3_finalize (s);
    return status;
}

void
bm_removal_rows_destroy (bm_removal_row_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        free ((*rows_p)[i].kind);
        free ((*rows_p)[i].instance);
        free ((*rows_p)[i].file);
        free ((*rows_p)[i].database);
    }
    free (*rows_p);
    *rows_p = NULL;
}

bm_status_t
bm_catalogue_manifests (bm_catalogue_t *self, int64_t set_id, bm_manifest_row_t **rows_p,
                        size_t *count_p, bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error,
        "SELECT m.set_id, m.instance, m.file FROM manifests m WHERE m.set_id = ?1 OR (?1 = 0 AND "
        "EXISTS (SELECT 1 FROM sets s WHERE s.set_id = m.set_id AND s.cleaned_us IS NOT NULL) AND "
        "NOT EXISTS (SELECT 1 FROM backups b WHERE b.set_id = m.set_id AND "
        "b.file_state IS NOT 'removed')) ORDER BY m.set_id, m.instance, m.file",
        "i", set_id);
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_manifest_row_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->set_id = sqlite3_column_int64 (s, 0);
        row->instance = bm_catalogue_text (s, 1);
        row->file = bm_catalogue_text (s, 2);
    }
    sqlite3_finalize (s);
    return status;
}

void
bm_manifest_rows_destroy (bm_manifest_row_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        free ((*rows_p)[i].instance);
        free ((*rows_p)[i].file);
    }
    free (*rows_p);
    *rows_p = NULL;
}

bm_status_t
bm_catalogue_oldest_kept (bm_catalogue_t *self, bm_set_row_t **row_p, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    int64_t set_id = 0;
    *row_p = NULL;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error,
        "SELECT s.set_id FROM sets s WHERE EXISTS (SELECT 1 FROM backups b WHERE "
        "b.set_id = s.set_id AND b.ours = 1 AND b.file_state IS NOT 'removed') "
        "ORDER BY s.began_us, s.set_id LIMIT 1",
        "");
    if (bm_catalogue_step (self, s, &status, error))
        set_id = sqlite3_column_int64 (s, 0);
    sqlite3_finalize (s);
    if (!status && set_id)
        status = bm_catalogue_set (self, set_id, row_p, error);
    return status;
}
