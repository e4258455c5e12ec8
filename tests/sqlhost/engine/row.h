/*  tests/sqlhost/engine/row.h
 *  Reading and changing rows under SQL Server's locking rules (no row
 *  versioning).
 *
 *  A cursor merges the session's own open changes into what is committed. At READ COMMITTED it
 *  waits at a row that another open transaction has changed, and keeps no row lock; at READ
 *  UNCOMMITTED it reads the change as it stands; at REPEATABLE READ it keeps S locks on what it
 *  met; SERIALIZABLE (HOLDLOCK) is approximated by a table lock S to the transaction's end. With
 *  equality on all columns of an index only matching rows are met, as in a seek. */
#ifndef SH_ENGINE_ROW_H
#define SH_ENGINE_ROW_H

#include "tests/sqlhost/engine/catalog.h"
#include "tests/sqlhost/engine/transaction.h"

typedef enum {
    SH_READ_UNCOMMITTED,
    SH_READ_COMMITTED,
    SH_REPEATABLE_READ,
    SH_SERIALIZABLE
} sh_isolation_t;

enum {
    SH_HINT_UPDLOCK = 1,  /* U on rows, kept to the end of the transaction */
    SH_HINT_XLOCK = 2,    /* X on rows, kept */
    SH_HINT_TABLOCK = 4,  /* S on the table for the statement (kept with HOLDLOCK) */
    SH_HINT_TABLOCKX = 8, /* X on the table, kept */
    SH_HINT_READPAST = 16,
    SH_HINT_NOWAIT = 32,
    /*  The scan looks for rows to UPDATE or DELETE: U while the cursor stands on a row, given back
     *  when it moves on, unless sh_row_update, sh_row_delete or sh_row_keep came for that row. */
    SH_HINT_TARGET = 64
};

typedef struct {
    sh_isolation_t isolation; /* HOLDLOCK = SERIALIZABLE, NOLOCK = READ UNCOMMITTED, ... */
    unsigned hints;
    int equal_count; /* columns that must equal these values (SQL equality, never NULL) */
    const int *equal_columns;
    const sh_value_t *equal_values; /* of the column's storage kind; copied */
} sh_scan_t;

typedef struct sh_cursor sh_cursor_t;

/*  The index that equality on these columns would use, -1 = none: a seek meets only matching rows.
 *  For xBestIndex. */
int sh_table_seek_index (const sh_table_t *table, const int *columns, int count, bool *unique);

/*  May wait for the table lock. The table must stay open longer than the cursor. Locks that are
 *  kept need an open transaction; without one they are given back when the cursor closes. */
sh_status_t sh_cursor_open (sh_esession_t *session, sh_table_t *table, const sh_scan_t *scan,
                            sh_cursor_t **out, sh_error_t *error);
/*  SH_OK: stands on a row; SH_END; SH_ERROR 1222, 1205 (the transaction is to be rolled back);
 *  SH_CANCELLED; SH_KILLED. Rows that do not equal the scan's values are left out. */
sh_status_t sh_cursor_next (sh_cursor_t *cursor, sh_error_t *error);
/*  The row under the cursor: as many values as the table has columns, valid until next or close. */
const sh_value_t *sh_cursor_values (const sh_cursor_t *cursor);
int64_t sh_cursor_rid (const sh_cursor_t *cursor);
/*  Changes whenever the row does. */
int64_t sh_cursor_version (const sh_cursor_t *cursor);
void sh_cursor_close (sh_cursor_t **cursor_p);

/*  values: one per column, brought to the column's type; for an identity column NULL = the next
 *  value, else as given (IDENTITY_INSERT); a timestamp column is filled by the engine. rid and
 *  identity may be NULL. 515 NULL where none may be, 2627 / 2601 duplicate key, 8115 identity
 *  overflow, 3906 read-only database. Waits on another's uncommitted same key. */
sh_status_t sh_row_insert (sh_esession_t *session, sh_table_t *table, const sh_value_t *values,
                           int64_t *rid, int64_t *identity, sh_error_t *error);
/*  version: as the cursor read it, 0 = whatever it is now. SH_CHANGED: it is another one, or gone
 *  (nothing done; the X lock is held: roll back to the statement's begin and run it again). */
sh_status_t sh_row_update (sh_esession_t *session, sh_table_t *table, int64_t rid, int64_t version,
                           const sh_value_t *values, sh_error_t *error);
sh_status_t sh_row_delete (sh_esession_t *session, sh_table_t *table, int64_t rid, int64_t version,
                           sh_error_t *error);
/*  UPDATE t SET k = k + 1: a statement's rows may have equal keys while it runs, but not at its
 *  end. Between these two, sh_row_update lets a key that this transaction can see twice pass and
 *  notes it; verify looks again: 2627 / 2601. It ends the deferral whatever it finds; with
 *  `keep` false it does nothing else (the statement has failed already). */
void sh_keys_defer (sh_esession_t *session);
sh_status_t sh_keys_verify (sh_esession_t *session, bool keep, sh_error_t *error);
/*  Keeps the U lock (SH_HINT_TARGET) of a row that will be changed. */
sh_status_t sh_row_keep (sh_esession_t *session, sh_table_t *table, int64_t rid, sh_error_t *error);
/*  The row as the session may see it now, without locks; SH_END: none. values is valid until the
 *  session's next sh_row_get. For triggers and OUTPUT. */
sh_status_t
sh_row_get (sh_esession_t *session, sh_table_t *table, int64_t rid, const sh_value_t **values);

/*  LOCK on a table by statement: mode S or X, kept to the transaction's end. */
sh_status_t
sh_table_lock (sh_esession_t *session, sh_table_t *table, bool exclusive, sh_error_t *error);

#endif
