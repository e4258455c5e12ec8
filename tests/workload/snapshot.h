/*  tests/workload/snapshot.h
 *  The group's databases as a restore to one mark would make them: only what the checker looks at, by message number.
 */
#ifndef BM_WORKLOAD_SNAPSHOT_H
#define BM_WORKLOAD_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

typedef enum {
    BM_TABLE_SPOOL, /* of a MessageBox */
    BM_TABLE_PARTS,
    BM_TABLE_FRAGMENTS,
    BM_TABLE_REFERENCES,   /* TrackingMessageReferences */
    BM_TABLE_TRACKING_DTA, /* TrackingData for destination 0; value = nSequence */
    BM_TABLE_TRACKING_BAM, /* for destination 1 */
    BM_TABLE_EVENTS,       /* of a tracking database; value = nSequence */
    BM_TABLE_BODY_SPOOL,   /* Tracking_Spool1 */
    BM_TABLE_BODY_PARTS,
    BM_TABLE_BODY_FRAGMENTS,
    BM_TABLE_ORDERS,
    BM_TABLE_ROUTED, /* RoutedMessages */
    BM_TABLE_COUNT
} bm_table_t;

typedef struct bm_snapshot bm_snapshot_t;
typedef struct bm_snapshot_database bm_snapshot_database_t;

bm_snapshot_t *bm_snapshot_new (void);
void bm_snapshot_destroy (bm_snapshot_t **self_p);

/*  Makes the database known; tables without rows are known by bm_snapshot_add_table. */
void bm_snapshot_add_database (bm_snapshot_t *self, const char *instance, const char *database);
void bm_snapshot_add_table (bm_snapshot_t *self, const char *instance, const char *database,
                            const char *table);
/*  A row as text, NULL for SQL NULL; rows of other tables are passed over. */
void bm_snapshot_add_row (bm_snapshot_t *self, const char *instance, const char *database,
                          const char *table, size_t count, const char *const *columns,
                          const char *const *values);

/*  Adds a database cut at the mark (NULL: at the end of its chain) from its backup files, rebuilt by the stand-in's engine.
 *  MARK_MISSING, VERIFY_FAILED with the reason. */
bm_status_t
bm_snapshot_load (bm_snapshot_t *self, const char *instance, const char *database,
                  const char *const *files, size_t file_count, const char *mark, bm_error_t *error);
/*  The same from every backup file of that database in a folder. */
bm_status_t
bm_snapshot_load_folder (bm_snapshot_t *self, const char *instance, const char *database,
                         const char *folder, const char *mark, bm_error_t *error);

/*  NULL when it is not in the snapshot. */
const bm_snapshot_database_t *
bm_snapshot_find (const bm_snapshot_t *self, const char *instance, const char *database);
/*  The tracking database of a destination (BM_DESTINATION_...); NULL when there is none. */
const bm_snapshot_database_t *bm_snapshot_destination (const bm_snapshot_t *self, int destination);
/*  Rows of that message in every database together. */
size_t bm_snapshot_rows_everywhere (const bm_snapshot_t *self, bm_table_t table, int64_t number);
const char *bm_snapshot_name (const bm_snapshot_database_t *database);
/*  How many rows of that message; *value (may be NULL) = the first one's value. */
size_t bm_snapshot_rows (const bm_snapshot_database_t *database, bm_table_t table, int64_t number,
                         int64_t *value);
/*  lastSeqNum of a stream; 0 when it has no row. */
int64_t
bm_snapshot_position (const bm_snapshot_database_t *database, const char *stream, int destination);

#endif
