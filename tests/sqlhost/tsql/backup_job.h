/*  backup_job.h
 *  What BACKUP and RESTORE share: devices and options. */
#ifndef SH_TSQL_BACKUP_JOB_H
#define SH_TSQL_BACKUP_JOB_H

#include "interp.h"

typedef struct {
    sh_backup_t backup;
    char *files[SH_BACKUP_FILES_MAX];
    char *name, *description, *media_name, *media_description;
    sh_choice_t init, format, skip;
    int buffer_count; /* checked; how many buffers there are makes no difference here */
    int file_number;  /* FILE = n of RESTORE */
} sh_job_t;

/*  Options and devices of the statement; sh_job_clear also after a failure. */
sh_status_t sh_job_prepare (sh_session_t *self, const sh_stmt_t *stmt, sh_job_t *job);
void sh_job_clear (sh_job_t *job);
/*  The cause, then 3013. In a TRY only the last one can be caught, as in SQL Server. */
sh_flow_t sh_job_failed (sh_session_t *self, const sh_stmt_t *stmt, const char *what);

#endif
