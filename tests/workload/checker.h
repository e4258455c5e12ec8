/*  tests/workload/checker.h
 *  The verdict on a mark: would a restore to it lose, double or invent anything? It knows the workload's rules (each message
 *  is written in one transaction; an event is at its source or at its destination, and the position decides where both or
 *  none hold it; a body has its reference at the source or all its rows at the destination; a routed message
 *  stands in exactly one database) and the ledger.
 */
#ifndef BM_WORKLOAD_CHECKER_H
#define BM_WORKLOAD_CHECKER_H

#include "tests/workload/ledger.h"
#include "tests/workload/snapshot.h"

typedef enum {
    BM_FINDING_LOST_MESSAGE, /* acknowledged before the round began, and not there */
    BM_FINDING_PHANTOM,      /* asked for after the round had ended, and there */
    BM_FINDING_TORN,         /* in one of the two databases of its transaction */
    BM_FINDING_LOST_EVENT,   /* at neither end, or behind the position and not at the destination */
    BM_FINDING_DOUBLED_EVENT, /* twice at the destination, or there and to be moved again */
    BM_FINDING_ORPHAN_EVENT,  /* at the destination, of a message that is not there */
    BM_FINDING_LOST_BODY,     /* no reference at the source and not whole at the destination */
    BM_FINDING_DOUBLED_BODY,
    BM_FINDING_ORPHAN_BODY,
    BM_FINDING_LOST_ROUTED, /* deleted on one instance, not inserted on the other: the mark is straddled */
    BM_FINDING_DOUBLED_ROUTED, /* inserted on one, not deleted on the other */
    BM_FINDING_KINDS
} bm_finding_t;

const char *bm_finding_name (bm_finding_t finding); /* "lost message" */

typedef struct bm_verdict {
    size_t messages;  /* in the ledger */
    size_t required;  /* acknowledged before the round began */
    size_t forbidden; /* asked for after it had ended */
    size_t present;
    size_t counts[BM_FINDING_KINDS];
    size_t findings; /* all of them */
    char *text;      /* a line for each of the first ones; "" when there is none */
} bm_verdict_t;

/*  Times of the machine's monotonic clock, as in the ledger: when the round (or the run around it) began and had ended.
 *  BM_OK: the verdict is given, good or bad. BM_USAGE: a database of the ledger is not in the snapshot. */
bm_status_t bm_check (const bm_snapshot_t *snapshot, const bm_ledger_list_t *ledger,
                      int64_t began_us, int64_t ended_us, bm_verdict_t *verdict, bm_error_t *error);
void bm_verdict_clear (bm_verdict_t *verdict);

#endif
