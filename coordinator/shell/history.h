/*  coordinator/shell/history.h
 *  adm_BackupHistory: BizTalk's own table, in BizTalk's own meaning. Rows are written one by one; a repeat changes nothing.
 */
#ifndef BM_HISTORY_H
#define BM_HISTORY_H

#include "coordinator/core/record.h"
#include "coordinator/shell/management.h"

typedef struct bm_history_entry {
    int64_t set_id;
    bm_set_type_t type;
    const char *mark;   /* NULL for fulls, and when no mark was placed */
    const char *server; /* as the group spells it */
    const char *database;
    const char *
        device; /* as a destination can read it (publish-as applied): split into location and file name */
    const char *time; /* BackupDateTime of the whole set: bm_history_time */
} bm_history_entry_t;

/*  Inserts the row with SetComplete = 0. A row of the same set, database and server with the same file is left as it is (BM_OK);
 *  with another file: BM_MANAGEMENT. BM_LIMIT when a text does not fit its column. */
bm_status_t
bm_history_insert (bm_management_t *management, const bm_history_entry_t *entry, bm_error_t *error);

/*  SetComplete = 1 for all rows of the set, only if they are exactly `databases` many, in one statement. *complete_p = false, and
 *  nothing written, when they are not. */
bm_status_t bm_history_complete (bm_management_t *management, int64_t set_id, size_t databases,
                                 bool *complete_p, bm_error_t *error);

/*  A set as the table tells it. */
typedef struct bm_history_set {
    int64_t set_id;
    bm_set_type_t type;
    char *mark; /* NULL = none */
    char *time; /* greatest BackupDateTime */
    size_t rows;
    bool complete; /* all its rows have SetComplete = 1 */
} bm_history_set_t;

/*  The newest first, at most `limit`. */
bm_status_t bm_history_sets (bm_management_t *management, size_t limit, bm_history_set_t **sets_p,
                             size_t *count_p, bm_error_t *error);
void bm_history_sets_destroy (bm_history_set_t **sets_p, size_t count);

/*  What the schedule needs: rows of b.2, read in one statement. Texts NULL when there is none. */
typedef struct bm_history_summary {
    int64_t newest_full_set; /* 0 = none; by BackupDateTime, whatever SetComplete says */
    char *newest_full_time;
    bool newest_full_complete;
    int64_t newest_complete_full_set;
    char *newest_complete_full_time;
    int64_t newest_partial_set; /* the greatest set id with a row of SetComplete = 0 */
    int64_t greatest_set;
} bm_history_summary_t;

bm_status_t
bm_history_summary (bm_management_t *management, bm_history_summary_t *summary, bm_error_t *error);
void bm_history_summary_clear (bm_history_summary_t *self);

typedef struct bm_history_row {
    int64_t set_id;
    bm_set_type_t type;
    char *mark, *server, *database, *file_name, *location, *time;
    bool complete;
} bm_history_row_t;

bm_status_t bm_history_rows (bm_management_t *management, int64_t set_id, bm_history_row_t **rows_p,
                             size_t *count_p, bm_error_t *error);
void bm_history_rows_destroy (bm_history_row_t **rows_p, size_t count);

/*  sp_DeleteBackupHistory. days 0 = nothing. */
bm_status_t
bm_history_clear (bm_management_t *management, int days, bool local_time, bm_error_t *error);

/*  Folder without its last separator, and file name: "\\host\share\x.bak" = "\\host\share", "x.bak". Caller frees both. */
bm_status_t
bm_history_split (const char *device, char **location_p, char **file_p, bm_error_t *error);

#define BM_HISTORY_TIME_BYTES 32
/*  "yyyy-mm-dd hh:mi:ss.mmm" in UTC, or this machine's local time. Returns buffer. */
char *bm_history_time (int64_t utc_us, bool local, char buffer[BM_HISTORY_TIME_BYTES]);

#endif
