/*  files.h
 *  What procedures and table functions on files share. */
#ifndef SH_PROCEDURES_FILES_H
#define SH_PROCEDURES_FILES_H

#include "tests/sqlhost/tsql/interp.h"

typedef struct {
    bool exists; /* and is no folder */
    bool folder;
    bool parent; /* its folder is there */
} sh_look_t;

sh_look_t sh_look_at (const sh_session_t *session, const char *path);

typedef struct {
    int64_t total, available; /* bytes; the fault disk_free changes the latter */
    bool read_only;
} sh_volume_t;

/*  Of a local folder; zeros when it cannot be asked. */
sh_volume_t sh_volume_of (const sh_session_t *session, const char *folder);
/*  Sends and destroys. */
void sh_send_rows (sh_session_t *session, sh_rowset_t **rows_p);

#endif
