/*  agent/shell/rows.h
 *  Rows of msdb: backups and marks, as SQL Server recorded them.
 */
#ifndef BM_ROWS_H
#define BM_ROWS_H

#include "common/sql.h"
#include "common/wire.h"

/*  "SELECT ..." of backupset joined with its device; the caller adds WHERE (aliases b and m) and ORDER BY. */
const char *bm_rows_select (void);
/*  One row of such a result, or NULL when the columns are not there. */
Btsmark__BackupRow *bm_rows_read (const bm_sql_result_t *result, int set, size_t row);
/*  The result set that bm_rows_select gave, or -1. */
int bm_rows_find (const bm_sql_result_t *result);

/*  Whether the row's device is this file: the whole path, or when `file` is only a name, the path's end. */
bool bm_rows_is_file (const Btsmark__BackupRow *row, const char *file);

/*  "N'a', N'b'" for an IN list. Caller frees. */
char *bm_rows_list (char *const *texts, size_t count);

/*  "yyyy-mm-dd hh:mi:ss.mmm" of a UTC time in microseconds; buffer of 32. */
char *bm_rows_time (int64_t utc_us, char buffer[32]);

#endif
