/*  agent/shell/backup.h
 *  One backup of one database: taken, then looked for. A return code proves nothing (BizTalk's procedure swallows errors):
 *  a backup counts when SQL Server has recorded it. Blocks in the session's thread, for hours if need be.
 */
#ifndef BM_BACKUP_H
#define BM_BACKUP_H

#include <stdbool.h>
#include "agent/shell/config.h"
#include "common/sql.h"
#include "common/wire.h"

/*  How a backup gets at its session: the seam where tests reach in. */
typedef struct bm_backup_hands {
    bm_sql_t *(*connect) (void *argument,
                          bm_error_t *error);   /* again after the connection was lost */
    int (*spid) (void *argument);               /* of the present connection */
    void (*started) (void *argument);           /* just before the procedure is called */
    bool (*interrupted) (void *argument);       /* somebody cancelled it */
    void (*calm) (void *argument);              /* what follows is not to be interrupted */
    bool (*pause) (void *argument, int64_t ms); /* false when interrupted meanwhile */
    void *argument;
} bm_backup_hands_t;

typedef struct bm_backup {
    const bm_instance_config_t *instance;
    const char *path; /* normalised, allowed */
    bm_backup_hands_t hands;
} bm_backup_t;

/*  The caller owns the answer. */
Btsmark__BackupDone *bm_backup_run (const bm_backup_t *self, const Btsmark__Backup *order);

/*  One that never began. */
Btsmark__BackupDone *bm_backup_not_begun (const Btsmark__Backup *order,
                                          Btsmark__BackupStatus status, const bm_error_t *error);

#endif
