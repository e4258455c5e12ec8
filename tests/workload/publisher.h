/*  tests/workload/publisher.h
 *  Publishes messages as BizTalk does, and orders as a custom application does: one local transaction each.
 */
#ifndef BM_WORKLOAD_PUBLISHER_H
#define BM_WORKLOAD_PUBLISHER_H

#include "common/sql.h"

/*  A message into a MessageBox: its Spool row, body, one tracking event for each destination, a reference to be copied; with
 *  `second`, also a Spool row there, in the same transaction. BM_OK: committed. Anything else: the outcome is unknown. */
bm_status_t bm_publish_message (bm_sql_t *sql, const char *box, const char *second, uint32_t seed,
                                int64_t number, bm_error_t *error);
/*  An order into a database and, with `second`, into that one too. */
bm_status_t bm_publish_order (bm_sql_t *sql, const char *database, const char *second,
                              int64_t number, bm_error_t *error);

#endif
