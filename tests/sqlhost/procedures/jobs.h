/*  jobs.h
 *  SQL Server Agent's procedures in msdb. Nothing runs a job here: they keep the tables that others
 *  look into. */
#ifndef SH_PROCEDURES_JOBS_H
#define SH_PROCEDURES_JOBS_H

#include "tests/sqlhost/tsql/interp.h"

/*  Runs the T-SQL of the procedure whose frame stands. */
sh_status_t sh_proc_job (sh_session_t *session, sh_call_t *call);

#endif
