#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/clock.h"
#include "coordinator/shell/catalogue_file.h"
#include "coordinator/shell/catalogue_retention.h"

/*  One table a noun. Times: UTC microseconds. Nothing is keyed by anything that an availability group moves: a backup is known
 *  by its uuid, a chain by database family and fork. */
static const char *const s_schema[] = {
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
    "CREATE TABLE runs (run INTEGER PRIMARY KEY, command TEXT NOT NULL, started_us INTEGER NOT "
    "NULL,"
    " ended_us INTEGER, status TEXT, exit_code INTEGER, text TEXT);",
    "CREATE TABLE events (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs, at_us "
    "INTEGER NOT NULL,"
    " kind TEXT NOT NULL, text TEXT);",
    "CREATE INDEX events_run ON events (run);",
    "CREATE TABLE databases (server TEXT NOT NULL COLLATE NOCASE, database TEXT NOT NULL COLLATE "
    "NOCASE,"
    " instance TEXT, family TEXT, fork TEXT, first_run INTEGER NOT NULL, last_run INTEGER NOT NULL,"
    " gone INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (server, database)) WITHOUT ROWID;",
    "CREATE TABLE sets (set_id INTEGER PRIMARY KEY, type TEXT NOT NULL, run INTEGER NOT NULL "
    "REFERENCES runs,"
    " sequence TEXT, mark TEXT, history_time TEXT, outcome TEXT, complete INTEGER NOT NULL DEFAULT "
    "0,"
    " closed TEXT, databases INTEGER NOT NULL, began_us INTEGER NOT NULL, ended_us INTEGER,"
    " window_us INTEGER, fence_ms INTEGER);",
    "CREATE INDEX sets_open ON sets (set_id) WHERE complete = 0 AND closed IS NULL;",
    "CREATE TABLE set_databases (set_id INTEGER NOT NULL REFERENCES sets, server TEXT NOT NULL "
    "COLLATE NOCASE,"
    " database TEXT NOT NULL COLLATE NOCASE, instance TEXT,"
    " PRIMARY KEY (set_id, server, database)) WITHOUT ROWID;",
    "CREATE TABLE rounds (run INTEGER NOT NULL REFERENCES runs, number INTEGER NOT NULL, set_id "
    "INTEGER NOT NULL,"
    " mark TEXT NOT NULL UNIQUE, outcome TEXT, fences INTEGER NOT NULL DEFAULT 0, reason TEXT,"
    " began_us INTEGER, ended_us INTEGER, window_us INTEGER, fence_ms INTEGER,"
    " closed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run, number));",
    "CREATE INDEX rounds_set ON rounds (set_id);",
    "CREATE INDEX rounds_open ON rounds (run) WHERE outcome IS NULL OR outcome = 'unknown';",
    "CREATE TABLE round_databases (run INTEGER NOT NULL, number INTEGER NOT NULL,"
    " server TEXT NOT NULL COLLATE NOCASE, database TEXT NOT NULL COLLATE NOCASE, instance TEXT,"
    " PRIMARY KEY (run, number, server, database),"
    " FOREIGN KEY (run, number) REFERENCES rounds (run, number)) WITHOUT ROWID;",
    "CREATE TABLE mark_proofs (mark TEXT NOT NULL, server TEXT NOT NULL COLLATE NOCASE,"
    " database TEXT NOT NULL COLLATE NOCASE, instance TEXT, asked INTEGER NOT NULL,"
    " in_marklog INTEGER NOT NULL, in_history INTEGER NOT NULL, lsn TEXT, mark_time TEXT,"
    " at_us INTEGER NOT NULL, PRIMARY KEY (mark, server, database)) WITHOUT ROWID;",
    "CREATE TABLE orders (order_id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL "
    "REFERENCES runs,"
    " set_id INTEGER NOT NULL REFERENCES sets, server TEXT NOT NULL COLLATE NOCASE, instance TEXT,"
    " database TEXT NOT NULL COLLATE NOCASE, type TEXT NOT NULL, sequence TEXT, mark TEXT, status "
    "TEXT,"
    " text TEXT, uuid TEXT, began_us INTEGER NOT NULL, ended_us INTEGER, ms INTEGER);",
    "CREATE INDEX orders_set ON orders (set_id);",
    "CREATE TABLE messages (order_id INTEGER NOT NULL REFERENCES orders, number INTEGER NOT NULL, "
    "severity INTEGER,"
    " state INTEGER, line INTEGER, procedure TEXT, text TEXT);",
    "CREATE INDEX messages_order ON messages (order_id);",
    "CREATE TABLE backups (uuid TEXT PRIMARY KEY, server TEXT NOT NULL COLLATE NOCASE, instance "
    "TEXT,"
    " database TEXT NOT NULL COLLATE NOCASE, type TEXT NOT NULL, device TEXT, position INTEGER,"
    " first_lsn TEXT, last_lsn TEXT, checkpoint_lsn TEXT, database_backup_lsn TEXT, first_fork "
    "TEXT,"
    " last_fork TEXT, family TEXT, started TEXT, finished TEXT, bytes INTEGER, compressed_bytes "
    "INTEGER,"
    " file_bytes INTEGER, recovery_model TEXT, user TEXT, copy_only INTEGER, has_checksums INTEGER,"
    " ours INTEGER NOT NULL, set_id INTEGER, mark TEXT, mark_lsn TEXT, recorded INTEGER NOT NULL "
    "DEFAULT 0,"
    " seen_us INTEGER NOT NULL, closed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;",
    "CREATE INDEX backups_database ON backups (server, database, started);",
    "CREATE INDEX backups_set ON backups (set_id);",
    "CREATE INDEX backups_full ON backups (server, database) WHERE type = 'db'",
    "CREATE INDEX backups_unrecorded ON backups (set_id) WHERE ours = 1 AND recorded = 0;",
    "CREATE TABLE manifests (set_id INTEGER NOT NULL, instance TEXT NOT NULL, file TEXT NOT NULL,"
    " sha256 TEXT NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY (set_id, instance, file)) WITHOUT "
    "ROWID;",
    "CREATE TABLE verifications (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL, at_us INTEGER NOT "
    "NULL,"
    " kind TEXT NOT NULL, status TEXT NOT NULL, text TEXT);",
    "CREATE INDEX verifications_backup ON verifications (uuid);",
};

/*  What stands above is schema 2. What brings a file of an earlier schema up to this one: statements of `to`, in order. Added
 *  to, never changed. */
enum { S_SCHEMA_ABOVE = 2 };
static const struct {
    int to;
    const char *statement;
} s_upgrades[] = {
    {2, "ALTER TABLE rounds ADD COLUMN closed INTEGER NOT NULL DEFAULT 0"},
    /*  file_state: NULL = never looked at, present, missing, removed (by us, and confirmed). more_devices: the further stripes,
     *  one a line. */
    {3, "ALTER TABLE backups ADD COLUMN file_state TEXT"},
    {3, "ALTER TABLE backups ADD COLUMN file_state_us INTEGER"},
    {3, "ALTER TABLE backups ADD COLUMN more_devices TEXT"},
    {3, "CREATE INDEX backups_standing ON backups (server, database) WHERE file_state IS NOT "
        "'removed'"},
    {3, "CREATE INDEX backups_device ON backups (device)"},
    {3, "ALTER TABLE sets ADD COLUMN cleaned_us INTEGER"},
    {3, "ALTER TABLE mark_proofs ADD COLUMN fork TEXT"},
    {3, "CREATE TABLE retained (set_id INTEGER PRIMARY KEY, until_us INTEGER, reason TEXT NOT NULL,"
        " person TEXT, at_us INTEGER NOT NULL)"},
    {3,
     "CREATE TABLE claims (claim INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,"
     " set_id INTEGER, mark TEXT, text TEXT, at_us INTEGER NOT NULL, until_us INTEGER NOT NULL)"},
    {3,
     "CREATE TABLE removals (removal INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL"
     " REFERENCES runs, kind TEXT NOT NULL, instance TEXT NOT NULL, file TEXT NOT NULL,"
     " database TEXT, set_id INTEGER, bytes INTEGER, why TEXT, at_us INTEGER NOT NULL, fate TEXT,"
     " text TEXT, ended_us INTEGER)"},
    {3, "CREATE INDEX removals_open ON removals (removal) WHERE fate IS NULL"},
    {3, "CREATE INDEX removals_set ON removals (set_id)"},
};

#define S_TEXT_OF(x) #x
#define S_TEXT(x)    S_TEXT_OF (x)
#define S_DAMAGED                                                                                  \
    "move the file and its -wal and -shm files away and keep them; the next run begins a new "     \
    "catalogue and takes a full"

/* ---- statements ---- */

bm_status_t
bm_catalogue_failed (const bm_catalogue_t *self, const char *doing, bm_error_t *error)
{
    int code = sqlite3_errcode (self->db);
    bm_fail (error, BM_CATALOGUE, "the catalogue %s: %s: %s", self->path, doing,
             sqlite3_errmsg (self->db));
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        bm_error_remedy (error, S_DAMAGED);
    else if (code == SQLITE_BUSY)
        bm_error_remedy (error, "another program holds the file; it belongs to btsmark alone");
    return BM_CATALOGUE;
}

static bool
s_bind (sqlite3_stmt *statement, const char *types, va_list values)
{
    int code = SQLITE_OK;
    for (int i = 0; types[i] && code == SQLITE_OK; i++) {
        if (types[i] == 't')
            code = sqlite3_bind_text (statement, i + 1, va_arg (values, const char *), -1,
                                      SQLITE_TRANSIENT);
        else if (types[i] == 'i')
            code = sqlite3_bind_int64 (statement, i + 1, va_arg (values, int64_t));
        else
            bm_require (types[i] == 'n');
    }
    return code == SQLITE_OK;
}

static sqlite3_stmt *
s_prepare (bm_catalogue_t *self, bm_error_t *error, const char *sql, const char *types,
           va_list values)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2 (self->db, sql, -1, &statement, NULL) != SQLITE_OK ||
        !s_bind (statement, types, values)) {
        bm_catalogue_failed (self, "a statement was refused", error);
        sqlite3_finalize (statement);
        return NULL;
    }
    return statement;
}

sqlite3_stmt *
bm_catalogue_prepare (bm_catalogue_t *self, bm_error_t *error, const char *sql, const char *types,
                      ...)
{
    va_list values;
    va_start (values, types);
    sqlite3_stmt *statement = s_prepare (self, error, sql, types, values);
    va_end (values);
    return statement;
}

bm_status_t
bm_catalogue_run (bm_catalogue_t *self, bm_error_t *error, const char *sql, const char *types, ...)
{
    va_list values;
    va_start (values, types);
    sqlite3_stmt *statement = s_prepare (self, error, sql, types, values);
    va_end (values);
    bm_status_t status = statement ? BM_OK : BM_CATALOGUE;
    while (bm_catalogue_step (self, statement, &status, error))
        continue;
    sqlite3_finalize (statement);
    return status;
}

bool
bm_catalogue_step (bm_catalogue_t *self, sqlite3_stmt *statement, bm_status_t *status_p,
                   bm_error_t *error)
{
    if (!statement) {
        *status_p = BM_CATALOGUE;
        return false;
    }
    int code = sqlite3_step (statement);
    *status_p = BM_OK;
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        *status_p = bm_catalogue_failed (self, "reading or writing failed", error);
    return false;
}

char *
bm_catalogue_text (sqlite3_stmt *statement, int column)
{
    return bm_strdup ((const char *)sqlite3_column_text (statement, column));
}

bool
bm_catalogue_is_null (sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type (statement, column) == SQLITE_NULL;
}

bm_status_t
bm_catalogue_begin (bm_catalogue_t *self, bm_error_t *error)
{
    return bm_catalogue_run (self, error, "BEGIN IMMEDIATE", "");
}

bm_status_t
bm_catalogue_end (bm_catalogue_t *self, bm_status_t status, bm_error_t *error)
{
    if (!status)
        status = bm_catalogue_run (self, error, "COMMIT", "");
    if (status && !sqlite3_get_autocommit (self->db))
        sqlite3_exec (self->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

void *
bm_catalogue_grow (void *array_p, size_t *count_p, size_t size)
{
    void **array = array_p;
    size_t count = *count_p;
    if ((count & (count - 1)) == 0)
        *array = bm_realloc (*array, (count ? count * 2 : 1) * size);
    void *item = (char *)*array + count * size;
    memset (item, 0, size);
    *count_p = count + 1;
    return item;
}

int64_t
bm_catalogue_now (void)
{
    return bm_clock_utc_us ();
}

/* ---- opening ---- */

static bm_status_t
s_make_file (const char *path, bool *made_p, bm_error_t *error)
{
    char *copy = bm_strdup (path);
    char *folder = dirname (copy);
    bm_status_t status = BM_OK;
    *made_p = false;
    if (mkdir (folder, 0700) != 0 && errno != EEXIST)
        status = bm_fail (error, BM_CATALOGUE, "the catalogue's folder %s cannot be made: %s",
                          folder, strerror (errno));
    int fd = status ? -1 : open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        *made_p = true;
        close (fd);
        /*  The name must outlive a power cut, too. */
        int folder_fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder_fd < 0 || fsync (folder_fd) != 0)
            status = bm_fail (error, BM_CATALOGUE, "the catalogue's folder %s cannot be synced: %s",
                              folder, strerror (errno));
        if (folder_fd >= 0)
            close (folder_fd);
    } else if (!status && errno != EEXIST) {
        status = bm_fail (error, BM_CATALOGUE, "the catalogue %s cannot be made: %s", path,
                          strerror (errno));
    }
    free (copy);
    return status;
}

static bm_status_t
s_number (bm_catalogue_t *self, const char *sql, int64_t *number_p, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *statement = bm_catalogue_prepare (self, error, sql, "");
    *number_p = bm_catalogue_step (self, statement, &status, error)
                    ? sqlite3_column_int64 (statement, 0)
                    : 0;
    sqlite3_finalize (statement);
    return status;
}

static bm_status_t
s_text (bm_catalogue_t *self, const char *sql, char **text_p, bm_error_t *error)
{
    bm_status_t status = BM_OK;
    sqlite3_stmt *statement = bm_catalogue_prepare (self, error, sql, "");
    *text_p = bm_catalogue_step (self, statement, &status, error) ? bm_catalogue_text (statement, 0)
                                                                  : NULL;
    sqlite3_finalize (statement);
    return status;
}

static bm_status_t
s_check_whole (bm_catalogue_t *self, bm_error_t *error)
{
    char *verdict = NULL;
    bm_status_t status = s_text (self, "PRAGMA quick_check(1)", &verdict, error);
    if (!status && (!verdict || strcmp (verdict, "ok") != 0)) {
        status = bm_fail (error, BM_CATALOGUE, "the catalogue %s is damaged: %s", self->path,
                          verdict ? verdict : "its check gave no answer");
        bm_error_remedy (error, S_DAMAGED);
    }
    free (verdict);
    return status;
}

static bm_status_t
s_make_schema (bm_catalogue_t *self, const char *group, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    for (size_t i = 0; !status && i < sizeof s_schema / sizeof *s_schema; i++)
        status = bm_catalogue_run (self, error, s_schema[i], "");
    for (size_t i = 0; !status && i < sizeof s_upgrades / sizeof *s_upgrades; i++)
        if (s_upgrades[i].to > S_SCHEMA_ABOVE)
            status = bm_catalogue_run (self, error, s_upgrades[i].statement, "");
    if (!status)
        status = bm_catalogue_run (self, error, "INSERT INTO meta VALUES ('group', ?)", "t", group);
    /*  Whether the files that it will know of are there, nobody has looked at yet: until then nothing is deleted. */
    if (!status)
        status = bm_catalogue_run (
            self, error, "INSERT INTO meta VALUES ('unverified', '" BM_UNVERIFIED_NEW "')", "");
    if (!status)
        status = bm_catalogue_run (self, error,
                                   "PRAGMA user_version = " S_TEXT (BM_CATALOGUE_SCHEMA), "");
    return bm_catalogue_end (self, status, error);
}

/*  A file of an earlier schema: all upgrades in one transaction, so that a killed one begins again. */
static bm_status_t
s_upgrade (bm_catalogue_t *self, int64_t version, bm_error_t *error)
{
    bm_status_t status = bm_catalogue_begin (self, error);
    for (size_t i = 0; !status && i < sizeof s_upgrades / sizeof *s_upgrades; i++)
        if (s_upgrades[i].to > version)
            status = bm_catalogue_run (self, error, s_upgrades[i].statement, "");
    if (!status)
        status = bm_catalogue_run (self, error,
                                   "PRAGMA user_version = " S_TEXT (BM_CATALOGUE_SCHEMA), "");
    return bm_catalogue_end (self, status, error);
}

static bm_status_t
s_refuse_schema (const bm_catalogue_t *self, int64_t version, bm_error_t *error)
{
    bm_fail (error, BM_CATALOGUE,
             "the catalogue %s has schema %lld, this version of btsmark knows %d", self->path,
             (long long)version, BM_CATALOGUE_SCHEMA);
    if (version > BM_CATALOGUE_SCHEMA)
        bm_error_remedy (error, "install the newer btsmark that wrote it");
    else if (version >= 1)
        bm_error_remedy (error, "run `btsmark run` once: it brings the file up to date");
    else
        bm_error_remedy (error, "name another file: this is no catalogue");
    return BM_CATALOGUE;
}

/*  `group` NULL = only looked at: whatever group it is, and an earlier schema is refused. Else one is brought up to date,
 *  but never the file of another group. */
static bm_status_t
s_check_schema (bm_catalogue_t *self, const char *group, bm_error_t *error)
{
    int64_t version = 0;
    bm_status_t status = s_number (self, "PRAGMA user_version", &version, error);
    if (!status &&
        (version < 1 || version > BM_CATALOGUE_SCHEMA || (!group && version < BM_CATALOGUE_SCHEMA)))
        status = s_refuse_schema (self, version, error);
    if (!status)
        status = s_text (self, "SELECT value FROM meta WHERE key = 'group'", &self->group, error);
    if (!status && group && (!self->group || strcmp (self->group, group) != 0)) {
        status = bm_fail (error, BM_CATALOGUE,
                          "the catalogue %s belongs to the group \"%s\", not to \"%s\"", self->path,
                          self->group ? self->group : "", group);
        bm_error_remedy (error, "give each group a catalogue of its own, or correct [group] name");
    }
    if (!status && version < BM_CATALOGUE_SCHEMA)
        status = s_upgrade (self, version, error);
    return status;
}

static bm_catalogue_t *
s_open (const char *path, int flags, bm_error_t *error)
{
    bm_catalogue_t *self = bm_alloc (sizeof *self);
    self->path = bm_strdup (path);
    bm_status_t status = BM_OK;
    if (sqlite3_open_v2 (path, &self->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                         NULL) != SQLITE_OK)
        status = bm_catalogue_failed (self, "it cannot be opened", error);
    if (!status) {
        sqlite3_extended_result_codes (self->db, 0);
        sqlite3_busy_timeout (self->db, 10000);
        status = s_check_whole (self, error);
    }
    if (status)
        bm_catalogue_close (&self);
    return self;
}

bm_catalogue_t *
bm_catalogue_open (const char *path, const char *group, bm_error_t *error)
{
    bool made;
    if (s_make_file (path, &made, error))
        return NULL;
    bm_catalogue_t *self = s_open (path, SQLITE_OPEN_READWRITE, error);
    if (!self)
        return NULL;
    /*  A file of size 0 is one that a killed first run left behind. */
    int64_t pages = 0;
    char *mode = NULL;
    bm_status_t status = s_text (self, "PRAGMA journal_mode = WAL", &mode, error);
    if (!status && (!mode || strcmp (mode, "wal") != 0)) {
        status =
            bm_fail (error, BM_CATALOGUE, "the catalogue %s cannot use a write-ahead log", path);
        bm_error_remedy (error, "put it on a local disk, not on a share");
    }
    free (mode);
    if (!status)
        status = bm_catalogue_run (self, error, "PRAGMA synchronous = FULL", "");
    if (!status)
        status = bm_catalogue_run (self, error, "PRAGMA foreign_keys = ON", "");
    if (!status)
        status = s_number (self, "SELECT count(*) FROM sqlite_schema", &pages, error);
    self->is_new = made || pages == 0;
    if (!status && pages == 0)
        status = s_make_schema (self, group, error);
    if (!status)
        status = s_check_schema (self, group, error);
    if (status)
        bm_catalogue_close (&self);
    return self;
}

bm_catalogue_t *
bm_catalogue_open_read_only (const char *path, bm_error_t *error)
{
    if (access (path, R_OK) != 0) {
        bm_fail (error, BM_CATALOGUE, "the catalogue %s cannot be read: %s", path,
                 strerror (errno));
        bm_error_remedy (
            error, "the first `btsmark run` makes it; correct catalogue in [coordinator] if it "
                   "stands elsewhere");
        return NULL;
    }
    bm_catalogue_t *self = s_open (path, SQLITE_OPEN_READONLY, error);
    if (self && s_check_schema (self, NULL, error))
        bm_catalogue_close (&self);
    return self;
}

void
bm_catalogue_close (bm_catalogue_t **self_p)
{
    bm_catalogue_t *self = *self_p;
    if (!self)
        return;
    sqlite3_close_v2 (self->db);
    free (self->path);
    free (self->group);
    free (self);
    *self_p = NULL;
}

const char *
bm_catalogue_path (const bm_catalogue_t *self)
{
    return self->path;
}

bool
bm_catalogue_is_new (const bm_catalogue_t *self)
{
    return self->is_new;
}

const char *
bm_catalogue_group (const bm_catalogue_t *self)
{
    return self->group;
}

/* ---- runs ---- */

bm_status_t
bm_catalogue_run_open (bm_catalogue_t *self, const char *command, uint64_t *run_p,
                       bm_error_t *error)
{
    int64_t newest = 0, now = bm_catalogue_now ();
    bm_status_t status = bm_catalogue_begin (self, error);
    if (!status)
        status = s_number (self, "SELECT coalesce (max (run), 0) FROM runs", &newest, error);
    /*  An epoch never comes twice: seconds of UTC outrun a lost file, the greatest + 1 a clock that was set back. */
    int64_t run = now / 1000000 > newest ? now / 1000000 : newest + 1;
    /*  Runs hold a lock: an earlier one that has no end was killed. */
    if (!status)
        status = bm_catalogue_run (self, error,
                                   "UPDATE runs SET ended_us = ?, status = ?, exit_code = ?, text "
                                   "= 'it was ended from outside' WHERE ended_us IS NULL",
                                   "iti", now, bm_status_name (BM_IN_DOUBT),
                                   (int64_t)bm_status_exit_code (BM_IN_DOUBT));
    if (!status)
        status = bm_catalogue_run (self, error,
                                   "INSERT INTO runs (run, command, started_us) VALUES (?, ?, ?)",
                                   "iti", run, command, now);
    status = bm_catalogue_end (self, status, error);
    *run_p = status ? 0 : (uint64_t)run;
    return status;
}

bm_status_t
bm_catalogue_run_close (bm_catalogue_t *self, uint64_t run, bm_status_t status, int exit_code,
                        const char *text, bm_error_t *error)
{
    return bm_catalogue_run (
        self, error,
        "UPDATE runs SET ended_us = ?, status = ?, exit_code = ?, text = ? WHERE run = ?", "ititi",
        bm_catalogue_now (), bm_status_name (status), (int64_t)exit_code, text, (int64_t)run);
}

bm_status_t
bm_catalogue_event (bm_catalogue_t *self, uint64_t run, const char *kind, const char *text,
                    bm_error_t *error)
{
    return bm_catalogue_run (self, error,
                             "INSERT INTO events (run, at_us, kind, text) VALUES (?, ?, ?, ?)",
                             "iitt", (int64_t)run, bm_catalogue_now (), kind, text);
}

bm_status_t
bm_catalogue_runs (bm_catalogue_t *self, size_t limit, bm_run_row_t **rows_p, size_t *count_p,
                   bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_status_t status = BM_OK;
    sqlite3_stmt *s = bm_catalogue_prepare (self, error,
                                            "SELECT run, command, status, text, exit_code, "
                                            "started_us, coalesce (ended_us, -1) FROM runs "
                                            "ORDER BY run DESC LIMIT ?",
                                            "i", (int64_t)limit);
    while (bm_catalogue_step (self, s, &status, error)) {
        bm_run_row_t *row = bm_catalogue_grow (rows_p, count_p, sizeof *row);
        row->run = (uint64_t)sqlite3_column_int64 (s, 0);
        row->command = bm_catalogue_text (s, 1);
        row->status = bm_catalogue_text (s, 2);
        row->text = bm_catalogue_text (s, 3);
        row->exit_code = sqlite3_column_int (s, 4);
        row->started_us = sqlite3_column_int64 (s, 5);
        row->ended_us = sqlite3_column_int64 (s, 6);
    }
    sqlite3_finalize (s);
    return status;
}

void
bm_run_rows_destroy (bm_run_row_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        free ((*rows_p)[i].command);
        free ((*rows_p)[i].status);
        free ((*rows_p)[i].text);
    }
    free (*rows_p);
    *rows_p = NULL;
}
