/*  agent/shell/rows.h
 *  Rows of msdb: backups and marks, as SQL Server recorded them.
 */
#ifndef BM_ROWS_H
#define BM_ROWS_H

#include "common/sql.h"
#include "common/wire.h"

/*  "SELECT ..." of backupset joined with its devices; the caller adds WHERE (aliases b and m), and then the order: the
 *  newest backup first, its stripes in order. */
const char *bm_rows_select (void);
const char *bm_rows_order (void);
/*  The backups of such a result, each once with all its devices, as many as *count tells; together at most `limit` devices,
 *  and none without one of its own. Caller frees the list and each row. */
Btsmark__BackupRow **
bm_rows_read (const bm_sql_result_t *result, int set, size_t limit, size_t *count);
/*  The result set that bm_rows_select gave, or -1. */
int bm_rows_find (const bm_sql_result_t *result);

/*  Whether the row's (first) device is this file: the whole path, or when `file` is only a name, the path's end. */
bool bm_rows_is_file (const Btsmark__BackupRow *row, const char *file);

/*  "N'a', N'b'" for an IN list. Caller frees. */
char *bm_rows_list (char *const *texts, size_t count);

/*  "yyyy-mm-dd hh:mi:ss.mmm" of a UTC time in microseconds; buffer of 32. */
char *bm_rows_time (int64_t utc_us, char buffer[32]);

#endif
