/*  agent/shell/header.h
 *  What the header of a backup file says: the truth about a backup that SQL Server finished but did not record in msdb
 *  (message 3009).
 */
#ifndef BM_HEADER_H
#define BM_HEADER_H

#include "common/sql.h"
#include "common/wire.h"

typedef struct bm_header_want {
    const char *file; /* the first stripe */
    const char *database;
    const char *type;  /* D or L */
    const char *since; /* "yyyy-mm-dd hh:mi:ss.mmm", SQL Server's own clock: it began no earlier */
    const char *credential; /* of a URL; "" = none */
} bm_header_want_t;

/*  RESTORE HEADERONLY (CREATE DATABASE is wanted for it). BM_OK with *row_p NULL: the file holds no such backup that is
 *  whole. A row has from_header set and no backup_set_id. */
bm_status_t bm_header_read (bm_sql_t *sql, const bm_header_want_t *want, Btsmark__BackupRow **row_p,
                            bm_error_t *error);

#endif
