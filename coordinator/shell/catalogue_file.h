/*  coordinator/shell/catalogue_file.h
 *  What the catalogue's own sources share: the open file, statements with bound values, transactions.
 */
#ifndef BM_CATALOGUE_FILE_H
#define BM_CATALOGUE_FILE_H

#include <sqlite3.h>
#include "coordinator/shell/catalogue.h"

struct bm_catalogue {
    sqlite3 *db;
    char *path, *group;
    bool is_new;
};

/*  BM_CATALOGUE: what was being done, and SQLite's own words. */
bm_status_t bm_catalogue_failed (const bm_catalogue_t *self, const char *doing, bm_error_t *error);

/*  Prepares and binds. `types` has a letter for each parameter: t text (NULL = SQL NULL), i int64_t, n none (no argument).
 *  NULL on failure. The caller finalizes. */
sqlite3_stmt *bm_catalogue_prepare (bm_catalogue_t *self, bm_error_t *error, const char *sql,
                                    const char *types, ...);
/*  Prepares, binds, runs to the end. */
bm_status_t
bm_catalogue_run (bm_catalogue_t *self, bm_error_t *error, const char *sql, const char *types, ...);
/*  One step: true = a row. On an error false, and *status_p is set (else BM_OK). */
bool bm_catalogue_step (bm_catalogue_t *self, sqlite3_stmt *statement, bm_status_t *status_p,
                        bm_error_t *error);
/*  Text of a column as a copy; NULL for SQL NULL. */
char *bm_catalogue_text (sqlite3_stmt *statement, int column);
bool bm_catalogue_is_null (sqlite3_stmt *statement, int column);

/*  A write transaction from its first statement on. end: COMMIT when status is BM_OK, else ROLLBACK; returns the first
 *  status that is not BM_OK. What was committed is on the disk. */
bm_status_t bm_catalogue_begin (bm_catalogue_t *self, bm_error_t *error);
bm_status_t bm_catalogue_end (bm_catalogue_t *self, bm_status_t status, bm_error_t *error);

/*  Grows the array at *array_p by one zeroed element of `size` bytes; returns it. */
void *bm_catalogue_grow (void *array_p, size_t *count_p, size_t size);

/*  Inside a transaction of the caller: add or update by uuid. */
bm_status_t
bm_catalogue_backup_write (bm_catalogue_t *self, const bm_backup_t *backup, bm_error_t *error);
bm_status_t
bm_catalogue_proof_write (bm_catalogue_t *self, const bm_mark_proof_t *proof, bm_error_t *error);
/*  Rows of `SELECT <BM_BACKUP_COLUMNS> FROM backups ...`, appended. Finalizes the statement. */
#define BM_BACKUP_COLUMNS                                                                          \
    "uuid, server, instance, database, type, device, position, first_lsn, last_lsn, "              \
    "checkpoint_lsn, database_backup_lsn, first_fork, last_fork, family, started, finished, "      \
    "bytes, compressed_bytes, file_bytes, recovery_model, user, copy_only, has_checksums, ours, "  \
    "set_id, mark, mark_lsn, recorded, more_devices"
#define BM_BACKUP_COLUMN_COUNT 29
/*  The first columns of the present row. */
void bm_catalogue_backup_row (sqlite3_stmt *statement, bm_backup_t *backup);
bm_status_t bm_catalogue_backups_read (bm_catalogue_t *self, sqlite3_stmt *statement,
                                       bm_backups_t *backups, bm_error_t *error);

int64_t bm_catalogue_now (void);

#endif
