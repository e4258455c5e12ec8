/*  tests/sqlhost/engine/fault.h
 *  Faults on demand, per process. Set by `EXEC sqlhost_fault
 *  N'name', N'value'` and by options on the command line; read by whoever can make the fault
 *  happen. Any thread; every field is 0 = off. */
#ifndef SH_ENGINE_FAULT_H
#define SH_ENGINE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sh_instance sh_instance_t;

typedef enum {
    SH_FAULT_LATENCY_MS,        /* tsql: before each request */
    SH_FAULT_DISK_RATE,         /* engine: bytes a second of the disk that all backups share */
    SH_FAULT_DISK_FULL_AFTER,   /* engine: a backup fails with 3202 after so many bytes */
    SH_FAULT_DISK_FREE,         /* procedures: what volumes and drives tell, in bytes */
    SH_FAULT_BACKUP_HOLD_AFTER, /* engine: each new backup waits after so many bytes, until 0 */
    SH_FAULT_DROP_BACKUP,     /* engine: the session that runs the next BACKUP is dropped midway */
    SH_FAULT_HISTORY_FAIL,    /* engine: msdb's rows of the next BACKUP fail with 3009 */
    SH_FAULT_COMMIT_DELAY_MS, /* engine: a marked COMMIT takes so long before it stalls others */
    SH_FAULT_COMMIT_HOLD,     /* engine: a marked COMMIT waits there until this is 0 again */
    SH_FAULT_MARK_STALL_OFF,  /* engine: a marked COMMIT neither stalls nor waits */
    SH_FAULT_MARK_STALL_TIMEOUT_MS, /* engine: it gives up (3928) after so long; 0 = 5000 */
    SH_FAULT_MARK_STALL_DELAY_MS,   /* engine: it stalls the others so long before it is logged */
    SH_FAULT_MARK_STALL_HOLD,       /* engine: ... until this is 0 again */
    SH_FAULT_MARK_TIMEOUT_KEEPS,    /* engine: 3928 leaves the transaction open */
    /*  engine: a branch of a distributed transaction is held up before its record (of prepare, of
     *  commit), between the record and its count, between its count and its end in the lists: so
     *  many milliseconds, or until the hold is 0 again. Only the first two make the caller wait. */
    SH_FAULT_DTC_PREPARE_DELAY_MS,
    SH_FAULT_DTC_PREPARE_HOLD,
    SH_FAULT_DTC_COMMIT_DELAY_MS,
    SH_FAULT_DTC_COMMIT_HOLD,
    SH_FAULT_DTC_COUNT_DELAY_MS,
    SH_FAULT_DTC_COUNT_HOLD,
    SH_FAULT_DTC_LISTED_DELAY_MS,
    SH_FAULT_DTC_LISTED_HOLD,
    SH_FAULT_KILL_BEFORE_COMMIT, /* engine: _exit (137) at the Nth commit, before its record */
    SH_FAULT_KILL_AFTER_COMMIT,  /* engine: _exit (137) at the Nth commit, after its record */
    SH_FAULT_ERROR_AT,           /* tsql: the Nth statement from now fails with error_number */
    SH_FAULT_ERROR_NUMBER,
    SH_FAULT_DROP_AT,      /* tsql: the connection is closed at the Nth request from now */
    SH_FAULT_REFUSE_LOGIN, /* tsql: every login fails with 18456 */
    SH_FAULT_COUNT
} sh_fault_id_t;

/*  Sets by name. Values are decimal; `error_at` also takes "N:number"; `kill_at_commit` takes
 *  "before", "after", "before:N" or "after:N" (N counts commits, marked or not, N = 1: the
 *  next). `commit_hold` 1 holds, 0 releases every held commit. "off" is 0. The name "all" with
 *  "off" clears everything. False: no such name or a bad value. */
bool sh_fault_set (sh_instance_t *instance, const char *name, const char *value);
int64_t sh_fault_get (sh_instance_t *instance, sh_fault_id_t id);
/*  For counted faults: takes one off; true when it reached 0 by that (it strikes now). */
bool sh_fault_count_down (sh_instance_t *instance, sh_fault_id_t id);
const char *sh_fault_name (sh_fault_id_t id);

#endif
