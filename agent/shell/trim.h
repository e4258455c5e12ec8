/*  agent/shell/trim.h
 *  TRIM_MARKS: BizTalk's MarkLog has one row for each mark, no date, no index, and nothing that ever takes a row away. Rows go
 *  by the time in the mark's name, few at a time, so that neither a mark that is being set nor anybody else waits for it.
 *  Blocks in the session's thread.
 */
#ifndef BM_TRIM_H
#define BM_TRIM_H

#include <stdbool.h>
#include "common/sql.h"
#include "common/wire.h"

typedef struct bm_trim {
    const char *instance;
    bm_sql_t *sql; /* NULL: SQL Server cannot be asked, `error` says why */
    const bm_error_t *error;
    bool (*stop) (void *argument); /* may be NULL; true ends it after the batch that runs */
    void *argument;
} bm_trim_t;

/*  Whether a text is a time as in mark names: yyyy_mm_dd_hh_mi_ss_mmm. */
bool bm_trim_time_ok (const char *text);

/*  The caller owns the answer. A database that cannot be trimmed has its fault, the others go on. */
Btsmark__MarksTrimmed *bm_trim_run (const bm_trim_t *self, const Btsmark__TrimMarks *order);

#endif
