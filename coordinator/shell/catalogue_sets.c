#include <stdlib.h>
#include <string.h>
#include "common/names.h"
#include "coordinator/shell/catalogue_file.h"

/* ---- the group's databases ---- */

bm_status_t
bm_catalogue_databases_put (bm_catalogue_t *self, uint64_t run,
                            const bm_group_database_t *databases, size_t count, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    for (size_t i = 0; !status && i < count; i++)
        status = bm_catalogue_run (
            self, error,
            "INSERT INTO databases (server, database, instance, family, fork, first_run, last_run) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (server, database) DO UPDATE SET "
            "instance = coalesce (excluded.instance, instance), "
            "family = coalesce (excluded.family, family), fork = coalesce (fork, excluded.fork), "
            "last_run = excluded.last_run, gone = 0",
            "ttttti", databases[i].server, databases[i].database, databases[i].instance,
            databases[i].family, databases[i].fork, (int64_t)run);
    if (!status)
        status = bm_catalogue_run (self, error, "UPDATE databases SET gone = 1 WHERE last_run <> ?",
                                   "i", (int64_t)run);
    return bm_catalogue_end (self, status, error);
}

/*  Whether the catalogue knows the database of that instance only, or also, by another name of the server. */
static bool
s_other_spelling (bm_catalogue_t *self, const bm_group_database_t *database, bm_status_t *status,
                  bm_error_t *error)
{
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error,
                              "SELECT 1 FROM databases WHERE database = ? AND "
                              "instance = ? COLLATE NOCASE AND server <> ?",
                              "ttt", database->database, database->instance, database->server);
    bool found = bm_catalogue_step (self, s, status, error);
    sqlite3_finalize (s);
    return found;
}

/*  An instance has one database of a name: the rows are the same database's. One that is there under both names keeps the
 *  new one, and the old row goes. */
static bm_status_t
s_respell (bm_catalogue_t *self, const bm_group_database_t *database, bm_error_t *error)
{
    static const char *const statements[] = {
        "UPDATE OR REPLACE databases SET server = ?1",
        "UPDATE OR REPLACE set_databases SET server = ?1",
        "UPDATE OR REPLACE round_databases SET server = ?1",
        "UPDATE OR REPLACE mark_proofs SET server = ?1",
        "UPDATE orders SET server = ?1",
        "UPDATE backups SET server = ?1",
    };
    bm_status_t status = BM_OK;
    for (size_t i = 0; !status && i < sizeof statements / sizeof *statements; i++) {
        char *sql = bm_format ("%s WHERE database = ?2 AND instance = ?3 COLLATE NOCASE "
                               "AND server <> ?1",
                               statements[i]);
        status = bm_catalogue_run (self, error, sql, "ttt", database->server, database->database,
                                   database->instance);
        free (sql);
    }
    return status;
}

bm_status_t
bm_catalogue_respell (bm_catalogue_t *self, const bm_group_database_t *databases, size_t count,
                      size_t *count_p, bm_error_t *error)
{
    *count_p = 0;
    bm_status_t status = bm_catalogue_begin (self, error);
    for (size_t i = 0; !status && i < count; i++)
        if (databases[i].instance && s_other_spelling (self, &databases[i], &status, error)) {
            status = s_respell (self, &databases[i], error);
            ++*count_p;
        }
    return bm_catalogue_end (self, status, error);
}

bm_status_t
bm_catalogue_fork (bm_catalogue_t *self, const char *server, const char *database, char **fork_p,
                   bm_error_t *error)
{
    bm_status_t status = BM_OK;
    *fork_p = NULL;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error, "SELECT fork FROM databases WHERE server = ? AND database = ?", "tt", server,
        database);
    if (bm_catalogue_step (self, s, &status, error))
        *fork_p = bm_catalogue_text (s, 0);
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_fork_change (bm_catalogue_t *self, const char *server, const char *database,
                          const char *fork, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    if (!status)
        status = bm_catalogue_run (
            self, error, "UPDATE databases SET fork = ? WHERE server = ? AND database = ?", "ttt",
            fork, server, database);
    /*  What was backed up on the old fork is kept, but nothing is joined to it any more. */
    if (!status)
        status =
            bm_catalogue_run (self, error,
                              "UPDATE backups SET closed = 1 WHERE server = ? AND database = ? "
                              "AND (last_fork IS NULL OR last_fork <> ? COLLATE NOCASE)",
                              "ttt", server, database, fork);
    return bm_catalogue_end (self, status, error);
}

/* ---- sets ---- */

static bm_status_t
s_set_seen (bm_catalogue_t *self, int64_t set_id, bm_error_t *error)
{
    return bm_catalogue_run (
        self, error,
        "INSERT INTO meta VALUES ('greatest_set', ?1) ON CONFLICT (key) DO UPDATE "
        "SET value = max (CAST (value AS INTEGER), excluded.value + 0)",
        "i", set_id);
}

bm_status_t
bm_catalogue_set_seen (bm_catalogue_t *self, int64_t set_id, bm_error_t *error)
{
    return s_set_seen (self, set_id, error);
}

bm_status_t
bm_catalogue_set_max (bm_catalogue_t *self, int64_t *set_id_p, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error,
                                            "SELECT max (coalesce ((SELECT CAST (value AS INTEGER) "
                                            "FROM meta WHERE key = 'greatest_set'), 0), "
                                            "coalesce ((SELECT max (set_id) FROM sets), 0), "
                                            "coalesce ((SELECT max (set_id) FROM backups), 0))",
                                            "");
    *set_id_p = bm_catalogue_step (self, s, &status, error) ? sqlite3_column_int64 (s, 0) : 0;
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_set_open (bm_catalogue_t *self, uint64_t run, int64_t set_id, bm_set_type_t type,
                       const char *sequence, const char *history_time,
                       const bm_group_database_t *databases, size_t count, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    if (!status)
        status = bm_catalogue_run (
            self, error,
            "INSERT INTO sets (set_id, type, run, sequence, history_time, databases, "
            "began_us) VALUES (?, ?, ?, ?, ?, ?, ?)",
            "ititt"
            "ii",
            set_id, bm_set_type_name (type), (int64_t)run, sequence, history_time, (int64_t)count,
            bm_catalogue_now ());
    for (size_t i = 0; !status && i < count; i++)
        status = bm_catalogue_run (self, error,
                                   "INSERT INTO set_databases (set_id, server, database, instance) "
                                   "VALUES (?, ?, ?, ?)",
                                   "ittt", set_id, databases[i].server, databases[i].database,
                                   databases[i].instance);
    if (!status)
        status = s_set_seen (self, set_id, error);
    return bm_catalogue_end (self, status, error);
}

bm_status_t
bm_catalogue_set_mark (bm_catalogue_t *self, int64_t set_id, const char *mark, const char *sequence,
                       const bm_outcome_t *outcome, int64_t window_us, int64_t fence_ms,
                       bm_error_t *error)
{
    return bm_catalogue_run (
        self, error,
        "UPDATE sets SET mark = ?, sequence = coalesce (?, sequence), outcome = ?, "
        "window_us = nullif (?, -1), fence_ms = nullif (?, -1) WHERE set_id = ?",
        "tttiii", mark, sequence, outcome ? bm_outcome_name (*outcome) : NULL, window_us, fence_ms,
        set_id);
}

bm_status_t
bm_catalogue_set_end (bm_catalogue_t *self, int64_t set_id, bool complete, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    if (!status)
        status =
            bm_catalogue_run (self, error,
                              "UPDATE sets SET complete = ?, ended_us = ?, "
                              "closed = CASE WHEN ?1 THEN NULL ELSE closed END WHERE set_id = ?",
                              "iii", (int64_t)complete, bm_catalogue_now (), set_id);
    /*  An older full that is still under repair has become pointless by a newer complete one. */
    if (!status && complete)
        status = bm_catalogue_run (
            self, error,
            "UPDATE sets SET closed = 'a later full set is complete' "
            "WHERE type = 'db' AND complete = 0 AND closed IS NULL AND set_id < ?1 "
            "AND (SELECT type FROM sets WHERE set_id = ?1) = 'db'",
            "i", set_id);
    return bm_catalogue_end (self, status, error);
}

bm_status_t
bm_catalogue_set_close (bm_catalogue_t *self, int64_t set_id, const char *reason, bm_error_t *error)
{
    return bm_catalogue_run (self, error,
                             "UPDATE sets SET closed = ?, ended_us = coalesce (ended_us, ?) "
                             "WHERE set_id = ? AND complete = 0",
                             "tii", reason, bm_catalogue_now (), set_id);
}

#define S_SET_COLUMNS                                                                              \
    "SELECT set_id, type, run, sequence, mark, history_time, outcome, complete, closed, "          \
    "databases, "                                                                                  \
    "(SELECT count(*) FROM (SELECT DISTINCT server, database FROM backups b WHERE b.set_id = "     \
    "sets.set_id)), began_us, coalesce (ended_us, -1), coalesce (window_us, -1), "                 \
    "coalesce (fence_ms, -1), coalesce (cleaned_us, -1) FROM sets "

static void
s_set_row (sqlite3_stmt *s, bm_set_row_t *row)
{
    row->set_id = sqlite3_column_int64 (s, 0);
    bm_record_type_parse ((const char *)sqlite3_column_text (s, 1), &row->type);
    row->run = (uint64_t)sqlite3_column_int64 (s, 2);
    row->sequence = bm_catalogue_text (s, 3);
    row->mark = bm_catalogue_text (s, 4);
    row->history_time = bm_catalogue_text (s, 5);
    row->has_outcome = !bm_catalogue_is_null (s, 6) &&
                       bm_outcome_by_name ((const char *)sqlite3_column_text (s, 6), &row->outcome);
    row->complete = sqlite3_column_int (s, 7);
    row->closed = !bm_catalogue_is_null (s, 8);
    row->databases = (size_t)sqlite3_column_int64 (s, 9);
    row->backups = (size_t)sqlite3_column_int64 (s, 10);
    row->began_us = sqlite3_column_int64 (s, 11);
    row->ended_us = sqlite3_column_int64 (s, 12);
    row->window_us = sqlite3_column_int64 (s, 13);
    row->fence_ms = sqlite3_column_int64 (s, 14);
    row->cleaned_us = sqlite3_column_int64 (s, 15);
}

bm_status_t
bm_catalogue_sets (bm_catalogue_t *self, size_t limit, bm_set_row_t **rows_p, size_t *count_p,
                   bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error, S_SET_COLUMNS "ORDER BY set_id DESC LIMIT ?", "i", (int64_t)limit);
    while (bm_catalogue_step (self, s, &status, error))
        s_set_row (s, bm_catalogue_grow (rows_p, count_p, sizeof **rows_p));
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_set (bm_catalogue_t *self, int64_t set_id, bm_set_row_t **row_p, bm_error_t *error)
{
    *row_p = NULL;
    size_t count = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error, S_SET_COLUMNS "WHERE set_id = ?", "i", set_id);
    if (bm_catalogue_step (self, s, &status, error))
        s_set_row (s, bm_catalogue_grow (row_p, &count, sizeof **row_p));
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_newest_full (bm_catalogue_t *self, bm_set_row_t **row_p, bm_error_t *error)
{
    *row_p = NULL;
    size_t count = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error, S_SET_COLUMNS "WHERE type = 'db' ORDER BY set_id DESC LIMIT 1", "");
    if (bm_catalogue_step (self, s, &status, error))
        s_set_row (s, bm_catalogue_grow (row_p, &count, sizeof **row_p));
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_owe_full (bm_catalogue_t *self, bool owed, bm_error_t *error)
{
    return bm_catalogue_run (self, error,
                             owed ? "INSERT OR REPLACE INTO meta VALUES ('full_owed', '1')"
                                  : "DELETE FROM meta WHERE key = 'full_owed'",
                             "");
}

bm_status_t
bm_catalogue_owes_full (bm_catalogue_t *self, bool *owed_p, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *s =
        bm_catalogue_prepare (self, error, "SELECT 1 FROM meta WHERE key = 'full_owed'", "");
    *owed_p = bm_catalogue_step (self, s, &status, error);
    sqlite3_finalize (s);
    return status;
}

bm_status_t
bm_catalogue_set_members (bm_catalogue_t *self, int64_t set_id, bm_set_members_t *members,
                          bm_error_t *error)
{
    bm_status_t status = BM_OK;
    memset (members, 0, sizeof *members);
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error, "SELECT server, database FROM set_databases WHERE set_id = ?", "i", set_id);
    while (bm_catalogue_step (self, s, &status, error)) {
        struct bm_set_member *member =
            bm_catalogue_grow (&members->items, &members->count, sizeof *member);
        member->server = bm_catalogue_text (s, 0);
        member->database = bm_catalogue_text (s, 1);
    }
    sqlite3_finalize (s);
    return status;
}

bool
bm_set_members_find (const bm_set_members_t *self, const char *server, const char *database)
{
    for (size_t i = 0; i < self->count; i++)
        if (bm_names_equal (self->items[i].server, server) &&
            bm_names_equal (self->items[i].database, database))
            return true;
    return false;
}

void
bm_set_members_clear (bm_set_members_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free (self->items[i].server);
        free (self->items[i].database);
    }
    free (self->items);
    memset (self, 0, sizeof *self);
}

bm_status_t
bm_catalogue_set_extend (bm_catalogue_t *self, int64_t set_id, const bm_group_database_t *databases,
                         size_t count, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    for (size_t i = 0; !status && i < count; i++)
        status = bm_catalogue_run (
            self, error,
            "INSERT OR IGNORE INTO set_databases (set_id, server, database, instance) "
            "VALUES (?, ?, ?, ?)",
            "ittt", set_id, databases[i].server, databases[i].database, databases[i].instance);
    if (!status)
        status = bm_catalogue_run (self, error,
                                   "UPDATE sets SET complete = 0, databases = (SELECT count(*) "
                                   "FROM set_databases d WHERE d.set_id = ?1) WHERE set_id = ?1",
                                   "i", set_id);
    return bm_catalogue_end (self, status, error);
}

void
bm_set_rows_destroy (bm_set_row_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        bm_set_row_t *row = &(*rows_p)[i];
        free (row->sequence);
        free (row->mark);
        free (row->history_time);
    }
    free (*rows_p);
    *rows_p = NULL;
}

bm_status_t
bm_catalogue_manifest_put (bm_catalogue_t *self, int64_t set_id, const char *instance,
                           const char *file, const char *sha256, bm_error_t *error)
{
    return bm_catalogue_run (
        self, error,
        "INSERT OR REPLACE INTO manifests (set_id, instance, file, sha256, at_us) "
        "VALUES (?, ?, ?, ?, ?)",
        "itt"
        "ti",
        set_id, instance, file, sha256, bm_catalogue_now ());
}

/*  Sets that are looked at for manifests they owe: more than two days of one every 15 minutes. */
enum { S_OWING_SETS = 256 };

bm_status_t
bm_catalogue_manifests_owed (bm_catalogue_t *self, uint64_t run, bm_owed_manifest_t **rows_p,
                             size_t *count_p, bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    /*  A manifest that is older than the last that became known of its set says too little. */
    sqlite3_stmt *s = bm_catalogue_prepare (
        self, error,
        "SELECT DISTINCT s.set_id, g.instance FROM sets s "
        "JOIN set_databases d ON d.set_id = s.set_id "
        "JOIN databases g ON g.server = d.server AND g.database = d.database "
        "WHERE s.run < ?1 AND s.set_id > (SELECT max (set_id) FROM sets) - ?2 "
        "AND g.gone = 0 AND g.instance IS NOT NULL AND s.cleaned_us IS NULL "
        "AND EXISTS (SELECT 1 FROM backups b WHERE b.set_id = s.set_id) "
        "AND NOT EXISTS (SELECT 1 FROM manifests m WHERE m.set_id = s.set_id "
        "AND m.instance = g.instance COLLATE NOCASE AND m.at_us >= max (coalesce (s.ended_us, 0), "
        "(SELECT max (seen_us) FROM backups b WHERE b.set_id = s.set_id), "
        "coalesce ((SELECT max (ended_us) FROM rounds r WHERE r.set_id = s.set_id), 0))) "
        "ORDER BY s.set_id DESC, g.instance",
        "ii", (int64_t)run, (int64_t)S_OWING_SETS);
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_owed_manifest_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->set_id = sqlite3_column_int64 (s, 0);
        row->instance = bm_catalogue_text (s, 1);
    }
    sqlite3_finalize (s);
    return status;
}

void
bm_owed_manifests_destroy (bm_owed_manifest_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++)
        free ((*rows_p)[i].instance);
    free (*rows_p);
    *rows_p = NULL;
}
