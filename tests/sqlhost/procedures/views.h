/*  views.h
 *  Helpers and the parts of the system views. */
#ifndef SH_VIEWS_H
#define SH_VIEWS_H

#include "tests/sqlhost/tsql/interp.h"

/*  "name:type,name:type": i int  I bigint  s smallint  t tinyint  b bit  n sysname  N nvarchar (4000)
 *  d datetime  g uniqueidentifier  x varbinary (128)  C char (1)  c char (2)  f real */
void sh_view_fields (sh_rowset_t *rows, const char *fields);
void sh_define_my_permissions (sh_rowset_t *rows);
sh_status_t
sh_fill_my_permissions (sh_session_t *session, const char *const *args, sh_rowset_t *rows);
/*  NULL leaves NULL. */
void sh_cell_text (sh_value_t *to, const char *text);
void sh_cell_guid (sh_value_t *to, const uint8_t guid[16]);

#define SH_VIEW(name)                                                                              \
    void sh_define_##name (sh_rowset_t *rows);                                                     \
    void sh_fill_##name (sh_session_t *session, int db_id, sh_rowset_t *rows)

SH_VIEW (databases);
SH_VIEW (configurations);
SH_VIEW (database_recovery_status);
SH_VIEW (database_role_members);
SH_VIEW (server_principals);
SH_VIEW (server_role_members);
SH_VIEW (server_permissions);
SH_VIEW (database_permissions);
SH_VIEW (sql_logins);
SH_VIEW (servers);
SH_VIEW (objects);
SH_VIEW (tables);
SH_VIEW (procedures);
SH_VIEW (views);
SH_VIEW (columns);
SH_VIEW (indexes);
SH_VIEW (parameters);
SH_VIEW (schemas);
SH_VIEW (types);
SH_VIEW (triggers);
SH_VIEW (sql_modules);
SH_VIEW (database_principals);
SH_VIEW (partitions);
SH_VIEW (is_tables);
SH_VIEW (is_columns);
SH_VIEW (is_routines);
SH_VIEW (dm_exec_sessions);
SH_VIEW (dm_exec_requests);
SH_VIEW (dm_exec_connections);
SH_VIEW (dm_tran_locks);
SH_VIEW (dm_tran_active_transactions);
SH_VIEW (dm_tran_database_transactions);
SH_VIEW (dm_tran_session_transactions);
SH_VIEW (dm_tran_current_transaction);
SH_VIEW (dm_os_wait_stats);
SH_VIEW (dm_os_waiting_tasks);
SH_VIEW (dm_os_sys_info);
SH_VIEW (dm_os_enumerate_fixed_drives);
SH_VIEW (dm_os_host_info);
SH_VIEW (master_files);
SH_VIEW (database_files);
SH_VIEW (dm_db_log_space_usage);
SH_VIEW (sysprocesses);
SH_VIEW (sysservers);

#undef SH_VIEW

#endif
