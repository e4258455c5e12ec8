/*  tests/workload/mover.h
 *  Moves tracking events from one MessageBox to one tracking database as TDDS does: it reads behind the position that the
 *  destination holds, writes the events and the new position there in one local transaction, and deletes them at the source
 *  in another. There is no distributed transaction, so a cut between the two is healed by the position alone.
 *
 *  Each step is a function of its own: a test that forces a race calls them one by one and does what it wants in between.
 */
#ifndef BM_WORKLOAD_MOVER_H
#define BM_WORKLOAD_MOVER_H

#include "common/sql.h"

typedef struct bm_mover bm_mover_t;

/*  Borrows both sessions. `stream` names the MessageBox in TDDS_StreamStatus. */
bm_mover_t *
bm_mover_new (bm_sql_t *source, const char *source_database, const char *stream,
              bm_sql_t *destination, const char *destination_database, int destination_id);
void bm_mover_destroy (bm_mover_t **self_p);

/*  Reads the position and up to `most` events behind it. *count may be 0. */
bm_status_t bm_mover_read (bm_mover_t *self, size_t most, size_t *count, bm_error_t *error);
/*  Events and position, in one local transaction. Waits for a fence's table lock. */
bm_status_t bm_mover_write_destination (bm_mover_t *self, bm_error_t *error);
/*  Everything up to the position. Also right after a restart: the position says what has arrived. */
bm_status_t bm_mover_delete_source (bm_mover_t *self, bm_error_t *error);
/*  All of it: what an earlier, broken step left is deleted too. */
bm_status_t bm_mover_step (bm_mover_t *self, size_t most, size_t *count, bm_error_t *error);

#endif
