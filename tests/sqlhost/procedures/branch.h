/*  tests/sqlhost/procedures/branch.h
 *  Distributed transactions over plain T-SQL. A transaction manager enlists a session in SQL Server by requests of TDS
 *  (TM_PROPAGATE_XACT) that FreeTDS cannot send, and speaks to SQL Server's resource manager beside the connection. These
 *  procedures of sqlhost's own, in master, do both; SQL Server has none of them. @uow is a uniqueidentifier.
 *
 *      sqlhost_dtc_join @uow                     the session works in the unit of work from now on (@@TRANCOUNT = 1); it
 *                                                must have no transaction. ROLLBACK TRANSACTION ends the branch; COMMIT
 *                                                is refused: only the unit of work is committed
 *      sqlhost_dtc_prepare @uow                  from any session while the branch's own runs nothing. The session has no
 *                                                transaction any more; when it was another's, its next request fails
 *                                                with 8525
 *      sqlhost_dtc_commit @uow [, @lsn OUTPUT]   of a prepared branch, from any session; @lsn (bigint) is its record's
 *                                                LSN, 0 when it changed nothing
 *      sqlhost_dtc_rollback @uow                 of a prepared or an active branch
 *
 *  What SQL Server does and this does not: a branch that changed nothing ends at its prepare; several sessions of one
 *  instance share a unit of work; a branch may define objects; a mark may be set in a distributed transaction; a prepare is
 *  a log record, so that a database restored to a point between prepare and commit has the branch in doubt (here the
 *  restored database simply does not have it).
 *
 *  Errors: branch.h of the engine. In sight: sys.dm_tran_active_transactions (transaction_type 4, transaction_uow,
 *  transaction_state), sys.dm_tran_database_transactions, sys.dm_tran_locks (request_owner_guid; request_session_id -2
 *  when orphaned), sys.dm_os_wait_stats (PREEMPTIVE_DTC_PREPAREREQUESTDONE, PREEMPTIVE_DTC_COMMITREQUESTDONE). Faults:
 *  dtc_... and mark_... in fault.h. */
#ifndef SH_PROC_BRANCH_H
#define SH_PROC_BRANCH_H

#include "builtins.h"

sh_status_t sh_proc_dtc_join (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_dtc_prepare (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_dtc_commit (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_dtc_rollback (sh_session_t *session, sh_call_t *call);

#endif
