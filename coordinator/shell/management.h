/*  coordinator/shell/management.h
 *  The group's management database (BizTalkMgmtDb) over TDS: discovery, settings, set ids, and BizTalk's own backup lock.
 *  Two sessions: one holds the lock and does nothing else, one runs the statements (it is opened again when it was lost: every
 *  statement here may be repeated). BM_MANAGEMENT when the database or its procedures cannot be used, with what to grant or run;
 *  BM_UNREACHABLE, BM_SQL_LOGIN, BM_SQL_TIMEOUT as common/sql.h says.
 */
#ifndef BM_MANAGEMENT_H
#define BM_MANAGEMENT_H

#include "common/sql.h"
#include "coordinator/shell/settings.h"

typedef struct bm_management bm_management_t;

/*  Opens the session for statements and looks whether this is a management database. */
bm_management_t *bm_management_open (const bm_settings_t *settings, bm_error_t *error);
/*  The same in two steps: what a run needs of it is looked for by the second. */
bm_management_t *bm_management_connect (const bm_settings_t *settings, bm_error_t *error);
bm_status_t bm_management_look (bm_management_t *self, bm_error_t *error);
void bm_management_close (bm_management_t **self_p); /* also ends the lock's session */

/* ---- the lock ---- */

/*  Called about once a second while the lock is waited for; false = stop waiting (BM_STOPPED). NULL = always wait. */
typedef bool (bm_management_waiting_fn) (void *argument);

/*  Session applock BTS_BackupJob_Lock. BM_LOCK_BUSY after wait_ms (0 = try once), naming the holder where it may be seen.
 *  Also takes the lock again after it was lost. */
bm_status_t
bm_management_lock (bm_management_t *self, int64_t wait_ms, bm_management_waiting_fn *waiting,
                    void *argument, bm_error_t *error);
/*  BM_OK while the lock's session lives and holds the lock, BM_LOCK_LOST when not. At most 5 s. */
bm_status_t bm_management_probe (bm_management_t *self, bm_error_t *error);
/*  Idempotent; the lock also ends with its session. */
void bm_management_unlock (bm_management_t *self);

/* ---- discovery ---- */

typedef struct bm_group_row {
    char *server, *database; /* as the view says */
    bool is_sso;             /* never compressed */
} bm_group_row_t;

typedef struct bm_group_rows {
    bm_group_row_t *items;
    size_t count;
} bm_group_rows_t;

/*  sp_GetBackupDatabasesForServer and sp_IsSSODB. BM_MANAGEMENT when there is no row; BM_LIMIT above BM_LIMIT_DATABASES. */
bm_status_t
bm_management_discover (bm_management_t *self, bm_group_rows_t *rows, bm_error_t *error);
void bm_group_rows_clear (bm_group_rows_t *self);

/* ---- settings of the group ---- */

typedef struct bm_backup_settings {
    bool use_compression,
        has_compression; /* has_compression false: the version keeps no such setting */
    bool force_full;
    bool force_full_unreadable; /* kept in a table whose columns are not known */
} bm_backup_settings_t;

/*  adm_BackupSettings, or adm_ForceFullBackup of older versions; all false where neither is there. */
bm_status_t
bm_management_settings (bm_management_t *self, bm_backup_settings_t *settings, bm_error_t *error);
bm_status_t bm_management_set_compression (bm_management_t *self, bool on, bm_error_t *error);
bm_status_t bm_management_force_full (bm_management_t *self, bm_error_t *error);
/*  After a full set that is complete: ForceFull := 0. */
bm_status_t bm_management_full_done (bm_management_t *self, bm_error_t *error);

/* ---- set ids ---- */

/*  sp_GetNextBackupSetId, under the lock. The id is greater than `above` (the greatest id that the catalogue or a manifest knows): a
 *  management database that was restored gives smaller ones; then NextBackupSetId is first set above it and *raised_p is true. */
bm_status_t bm_management_next_set (bm_management_t *self, int64_t above, int64_t *set_id_p,
                                    bool *raised_p, bm_error_t *error);

/* ---- for history.c ---- */

/*  Runs a query on the statement session; opens it again and repeats once when it was lost. */
bm_status_t bm_management_run (bm_management_t *self, const bm_sql_query_t *query,
                               bm_sql_result_t **result_p, bm_error_t *error);
const char *bm_management_server (const bm_management_t *self);
const char *bm_management_database (const bm_management_t *self);
/*  Turns an SQL error into BM_MANAGEMENT with a remedy that names the missing object or grant. */
bm_status_t bm_management_explain (bm_management_t *self, const char *what,
                                   const bm_sql_result_t *result, bm_error_t *error);

#endif
