/*  tests/workload/ledger.h
 *  What the workload asked for and what was acknowledged: one line a step, appended with one write, so that a killed
 *  workload leaves whole lines. Times are of the machine's monotonic clock, which all its processes share.
 *
 *      Q <number> <us> <kind> <instance> <database> <database>     asked: M a message, O an order, R one to be routed; the
 *                                                                  second database or -
 *      K <number> <us>                                             acknowledged by COMMIT
 *      C <uow> <us>                                                a distributed transaction was decided: commit
 *      B <uow> <us> <instance> <database> <lsn>                    its branch there was committed by that record
 *
 *  Fields stand between tabs. A number without K has an unknown outcome: nothing is demanded of it.
 */
#ifndef BM_WORKLOAD_LEDGER_H
#define BM_WORKLOAD_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

typedef struct bm_ledger bm_ledger_t;

/*  Opens for appending; made when it is not there. Thread-safe. */
bm_ledger_t *bm_ledger_open (const char *path, bm_error_t *error);
void bm_ledger_close (bm_ledger_t **self_p);
/*  BM_IO when the line could not be written: then the step may not be taken. */
bm_status_t bm_ledger_ask (bm_ledger_t *self, int64_t number, char kind, const char *instance,
                           const char *database, const char *second, bm_error_t *error);
bm_status_t bm_ledger_acknowledge (bm_ledger_t *self, int64_t number, bm_error_t *error);
/*  uow: text of 36 characters. */
bm_status_t bm_ledger_decide (bm_ledger_t *self, const char *uow, bm_error_t *error);
bm_status_t bm_ledger_branch (bm_ledger_t *self, const char *uow, const char *instance,
                              const char *database, int64_t lsn, bm_error_t *error);

typedef struct bm_ledger_entry {
    int64_t number;
    char kind;
    char *instance;
    char *database;
    char *second; /* NULL = none */
    int64_t asked_us;
    int64_t acknowledged_us; /* 0 = unknown */
} bm_ledger_entry_t;

/*  A branch that was committed; instance NULL: the decision to commit. */
typedef struct bm_ledger_branch {
    char uow[37];
    int64_t us;
    char *instance;
    char *database;
    int64_t lsn;
} bm_ledger_branch_t;

typedef struct bm_ledger_list {
    bm_ledger_entry_t *items; /* by number */
    size_t count;
    bm_ledger_branch_t *branches; /* by unit of work, its decision first */
    size_t branch_count;
} bm_ledger_list_t;

/*  A missing file is an empty list. BM_PROTOCOL on a line that is none (a last one without an end is ignored). */
bm_status_t bm_ledger_load (const char *path, bm_ledger_list_t *list, bm_error_t *error);
/*  Adds an entry by hand; numbers must grow. */
bm_ledger_entry_t *
bm_ledger_list_add (bm_ledger_list_t *list, int64_t number, char kind, const char *instance,
                    const char *database, const char *second);
/*  Whether the ledger holds the decision to commit it. */
bool bm_ledger_list_decided (const bm_ledger_list_t *list, const char *uow);
void bm_ledger_list_clear (bm_ledger_list_t *list);

#endif
