/*  tests/sqlhost/engine/branch.h
 *  Branches of distributed transactions: what a transaction manager (MSDTC) and SQL Server do together, by unit of work.
 *
 *  A session joins a unit of work and works in it as in any transaction. prepare takes the transaction out of the
 *  session: its changes are stored, its locks stay, and from then on it is ended by its unit of work alone, from any
 *  session. It outlives its session (then it is an orphan, session id -2) and a restart, after which it is in doubt until
 *  somebody ends it.
 *
 *  Two counts follow the records, as SQL Server's waits PREEMPTIVE_DTC_PREPAREREQUESTDONE and ..._COMMITREQUESTDONE do:
 *  each moves after the record it counts, and a branch that has ended stays listed (state 6, committed) until its count
 *  has moved. The faults dtc_count_* and dtc_listed_* stretch both distances; the callers never wait for them.
 *
 *  A marked COMMIT stalls an instance (transaction.h): prepare waits for its end, commit and rollback of what is prepared
 *  do not. */
#ifndef SH_ENGINE_BRANCH_H
#define SH_ENGINE_BRANCH_H

#include "tests/sqlhost/engine/instance.h"

/*  The session's next changes belong to the unit of work. It must have no transaction. 3910: another session of this
 *  instance is at work in it, or it is past working. */
sh_status_t sh_branch_join (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error);
/*  Whether what is open in the session is a branch. */
bool sh_branch_joined (const sh_esession_t *session);
/*  6110: there is none. 3910: its session is just running a request, or it is prepared already. SH_CANCELLED, SH_KILLED:
 *  it is still active. Definitions of objects cannot be prepared here (an error; the branch stays active). */
sh_status_t sh_branch_prepare (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error);
/*  Only of a prepared branch (6118). *lsn (may be NULL) = the record's LSN, 0 when it changed nothing. SH_CANCELLED,
 *  SH_KILLED, 9001: it is still prepared. */
sh_status_t
sh_branch_commit (sh_esession_t *session, const uint8_t uow[16], int64_t *lsn, sh_error_t *error);
/*  Of a prepared one, or of an active one whose session is this one or idle. */
sh_status_t sh_branch_rollback (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error);

/*  KILL 'uow' [WITH COMMIT | ROLLBACK]: "KILL (Transact-SQL)". Only what no connection belongs to (6117). Prepared without
 *  a decision: 6113; not prepared with one: 6118; none: 6110. */
typedef enum { SH_BRANCH_KILL, SH_BRANCH_KILL_COMMIT, SH_BRANCH_KILL_ROLLBACK } sh_branch_kill_t;
sh_status_t sh_branch_kill (sh_esession_t *session, const uint8_t uow[16], sh_branch_kill_t how,
                            sh_error_t *error);

typedef struct {
    int64_t prepares, commits, aborts;
} sh_branch_counts_t;

void sh_branch_counts (sh_instance_t *instance, sh_branch_counts_t *out);

#endif
