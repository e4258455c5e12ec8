/*  tests/sqlhost/procedures/procedure.h
 *  The system procedures that sqlhost knows, and how they read their arguments. */
#ifndef SH_PROCEDURES_PROCEDURE_H
#define SH_PROCEDURES_PROCEDURE_H

#include "tests/sqlhost/tsql/interp.h"

/*  All of them, up to a NULL name. */
extern const sh_builtin_t sh_system_procedures[];

/*  The argument by name, or by its position when it was given without one; NULL = left out or DEFAULT. */
sh_actual_t *sh_argument (sh_call_t *call, size_t position, const char *name);
/*  As text (owned by the caller, NULL for SQL NULL or left out) or number. */
char *sh_argument_text (sh_call_t *call, size_t position, const char *name);
int64_t sh_argument_int (sh_call_t *call, size_t position, const char *name, int64_t when_missing);

/*  procedures_lock.c */
sh_status_t sh_sp_getapplock (sh_session_t *session, sh_call_t *call);
sh_status_t sh_sp_releaseapplock (sh_session_t *session, sh_call_t *call);
/*  procedures_file.c */
sh_status_t sh_xp_fileexist (sh_session_t *session, sh_call_t *call);
sh_status_t sh_xp_create_subdir (sh_session_t *session, sh_call_t *call);
/*  procedures_host.c */
sh_status_t sh_sqlhost_fault (sh_session_t *session, sh_call_t *call);
sh_status_t sh_sp_who (sh_session_t *session, sh_call_t *call);

#endif
