/*  tests/workload/copier.h
 *  Copies tracked message bodies from one MessageBox to BizTalkDTADb as the job TrackedMessages_Copy does: parts, then
 *  fragments, at last the spool row, each statement committed by itself; then one local transaction at the source deletes the
 *  references (and the bodies that nothing refers to any more). No position heals a cut in between.
 *
 *  Each step is a function of its own: a test that forces a race calls them one by one and does what it wants in between.
 */
#ifndef BM_WORKLOAD_COPIER_H
#define BM_WORKLOAD_COPIER_H

#include "common/sql.h"

typedef struct bm_copier bm_copier_t;

/*  Borrows both sessions. */
bm_copier_t *bm_copier_new (bm_sql_t *source, const char *source_database, bm_sql_t *destination,
                            const char *destination_database);
void bm_copier_destroy (bm_copier_t **self_p);

/*  Up to `most` referenced messages and their bodies. *count may be 0. */
bm_status_t bm_copier_read (bm_copier_t *self, size_t most, size_t *count, bm_error_t *error);
/*  What an earlier, broken step has already written is not written again. */
bm_status_t bm_copier_write_parts (bm_copier_t *self, bm_error_t *error);
bm_status_t bm_copier_write_fragments (bm_copier_t *self, bm_error_t *error);
/*  Waits for a fence's table lock on Tracking_Spool1. */
bm_status_t bm_copier_write_spool (bm_copier_t *self, bm_error_t *error);
bm_status_t bm_copier_delete_source (bm_copier_t *self, bm_error_t *error);
bm_status_t bm_copier_step (bm_copier_t *self, size_t most, size_t *count, bm_error_t *error);

#endif
