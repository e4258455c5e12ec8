/*  tests/workload/router.h
 *  Moves messages (dbo.RoutedMessages) from a database on one instance to one on another, each by a distributed transaction:
 *  deleted here, inserted there, prepared on both, then committed on both. The router is the transaction manager; it
 *  speaks to the stand-in's own procedures (tests/sqlhost/procedures/branch.h), which no SQL Server has.
 *
 *  Each step is a function of its own: a test that forces a race calls them one by one and does what it wants in between.
 *  Before the first commit the decision is written to the ledger; behind each commit, its LSN. Whatever breaks a step,
 *  recover ends the transaction on both sides as the ledger has decided (no decision: rolled back).
 */
#ifndef BM_WORKLOAD_ROUTER_H
#define BM_WORKLOAD_ROUTER_H

#include "common/sql.h"
#include "tests/workload/ledger.h"

typedef struct bm_router bm_router_t;

typedef enum { BM_ROUTE_SOURCE, BM_ROUTE_DESTINATION, BM_ROUTE_SIDES } bm_route_side_t;

/*  One end of a route. The session is borrowed. */
typedef struct bm_route_end {
    bm_sql_t *sql;
    const char *instance; /* as in the ledger */
    const char *database;
} bm_route_end_t;

/*  `lane` tells routers of one workload apart: each recovers its own transactions. Lanes 2n and 2n + 1 move the same
 *  messages, to and fro. Borrows the ledger (may be NULL: then
 *  nothing is noted) and the strings of the ends. */
bm_router_t *bm_router_new (const bm_route_end_t ends[BM_ROUTE_SIDES], uint32_t seed, uint16_t lane,
                            bm_ledger_t *ledger);
void bm_router_destroy (bm_router_t **self_p);

/*  Puts a numbered message into the source, by a local transaction. */
bm_status_t bm_router_publish (bm_router_t *self, uint32_t seed, int64_t number, bm_error_t *error);
/*  The longest resting message of the source. *found false: there is none. */
bm_status_t bm_router_read (bm_router_t *self, bool *found, bm_error_t *error);
/*  Begins the transaction: both sessions join it, one deletes, one inserts. */
bm_status_t bm_router_move (bm_router_t *self, bm_error_t *error);
/*  Waits while a marked commit stalls that instance. */
bm_status_t bm_router_prepare (bm_router_t *self, bm_route_side_t side, bm_error_t *error);
/*  From now on the transaction is committed, whatever happens. */
bm_status_t bm_router_decide (bm_router_t *self, bm_error_t *error);
bm_status_t bm_router_commit (bm_router_t *self, bm_route_side_t side, bm_error_t *error);
/*  The unit of work under way, as text; "" = none. */
const char *bm_router_uow (const bm_router_t *self);

/*  New sessions after the old ones are closed; abandon: none for now. A router lives longer than its sessions, because it
 *  knows what it has decided. */
void bm_router_sessions (bm_router_t *self, bm_sql_t *source, bm_sql_t *destination);
void bm_router_abandon (bm_router_t *self); /* NULL is fine */

/*  One message, all of it. Odd transactions begin at the source, even ones at the destination: which side is ahead differs. */
bm_status_t bm_router_step (bm_router_t *self, bool *found, bm_error_t *error);
/*  Ends what this lane has left prepared on both sides: committed when `known` or the router itself says that it was
 *  decided. After new sessions, and before the first step. known may be NULL. */
bm_status_t bm_router_recover (bm_router_t *self, const bm_ledger_list_t *known, bm_error_t *error);

#endif
