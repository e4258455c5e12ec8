/*  builtins.h
 *  Tables of the system procedures and views. */
#ifndef SH_BUILTINS_H
#define SH_BUILTINS_H

#include "tests/sqlhost/tsql/interp.h"

extern const sh_builtin_t sh_builtins[];
extern const sh_sysview_t sh_sysviews[];
extern const sh_table_function_t sh_table_functions[];

/*  views_*.c: the view functions that the table in views.c lists. */
#include "views.h"

/*  An argument by name or place, converted; *value is owned. Missing or DEFAULT: NULL value, false. */
bool sh_call_argument (sh_session_t *session, const sh_call_t *call, const char *name,
                       size_t position, sh_type_t type, sh_value_t *value);
/*  As text; NULL when missing or NULL; the caller frees. */
char *
sh_call_text (sh_session_t *session, const sh_call_t *call, const char *name, size_t position);
/*  Assigns an OUTPUT argument. */
void sh_call_output (sh_call_t *call, const char *name, size_t position, sh_value_t value,
                     sh_type_t type);

sh_status_t sh_proc_getapplock (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_releaseapplock (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_fault (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_addrolemember (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_addsrvrolemember (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_fileexist (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_create_subdir (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_delete_file (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_dirtree (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_fixeddrives (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_who (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_helpdb (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_helptext (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_rename (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_configure (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_unsupported (sh_session_t *session, sh_call_t *call);
sh_status_t sh_proc_nothing (sh_session_t *session, sh_call_t *call);

#endif
