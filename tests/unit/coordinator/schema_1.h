/*  tests/unit/coordinator/schema_1.h
 *  The catalogue's first schema, as it was: files of it must be taken over by every later version.
 */
#ifndef SCHEMA_1_H
#define SCHEMA_1_H

static const char *const SCHEMA_1[] = {
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
    " PRIMARY KEY (run, number));",
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

#endif
