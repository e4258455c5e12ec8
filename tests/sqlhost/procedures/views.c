/*  The table of system views, and the instance's own: databases, configurations, principals. */
#include <stdlib.h>
#include <string.h>

#include "builtins.h"
#include "tests/sqlhost/tsql/rights.h"

void
sh_view_fields (sh_rowset_t *rows, const char *fields)
{
    while (*fields) {
        size_t size = strcspn (fields, ":");
        char name[64];
        snprintf (name, sizeof name, "%.*s", (int)size, fields);
        sh_type_t type = {0};
        switch (fields[size + 1]) {
            case 'I':
                type.id = SH_TYPE_BIGINT;
                break;
            case 's':
                type.id = SH_TYPE_SMALLINT;
                break;
            case 't':
                type.id = SH_TYPE_TINYINT;
                break;
            case 'b':
                type.id = SH_TYPE_BIT;
                break;
            case 'n':
                type = sh_type_nvarchar (128);
                break;
            case 'N':
                type = sh_type_nvarchar (4000);
                break;
            case 'd':
                type.id = SH_TYPE_DATETIME;
                break;
            case 'g':
                type.id = SH_TYPE_UNIQUEIDENTIFIER;
                break;
            case 'x':
                type = sh_type_make (SH_TYPE_VARBINARY, 128);
                break;
            case 'c':
                type = sh_type_make (SH_TYPE_CHAR, 2);
                break;
            case 'C':
                type = sh_type_make (SH_TYPE_CHAR, 1);
                break;
            case 'f':
                type.id = SH_TYPE_REAL;
                break;
            default:
                type.id = SH_TYPE_INT;
        }
        sh_rowset_add_field (rows, name, type, true);
        fields += size + 2;
        if (*fields == ',')
            fields++;
    }
}

void
sh_cell_text (sh_value_t *to, const char *text)
{
    if (text)
        *to = sh_value_own (text, strlen (text));
}

void
sh_cell_guid (sh_value_t *to, const uint8_t guid[16])
{
    *to = sh_value_guid (guid);
}

/*  ---- databases ---- */

void
sh_define_databases (sh_rowset_t *rows)
{
    sh_view_fields (
        rows,
        "name:n,database_id:i,source_database_id:i,owner_sid:x,create_date:d,compatibility_level:t,"
        "collation_name:n,user_access:t,user_access_desc:n,is_read_only:b,is_auto_close_on:b,"
        "is_auto_shrink_on:b,state:t,state_desc:n,is_in_standby:b,is_cleanly_shutdown:b,"
        "snapshot_isolation_state:t,snapshot_isolation_state_desc:n,is_read_committed_snapshot_on:"
        "b,"
        "recovery_model:t,recovery_model_desc:n,page_verify_option:t,page_verify_option_desc:n,"
        "is_trustworthy_on:b,is_broker_enabled:b,log_reuse_wait:t,log_reuse_wait_desc:n,"
        "is_encrypted:b,replica_id:g,group_database_id:g,containment:t,containment_desc:n,"
        "service_broker_guid:g,delayed_durability:i,delayed_durability_desc:n");
}

static const char *
s_state (sh_db_state_t state)
{
    static const char *const names[] = {"ONLINE",  "RESTORING", "RECOVERING", "RECOVERY_PENDING",
                                        "SUSPECT", "EMERGENCY", "OFFLINE"};
    return names[state <= SH_STATE_OFFLINE ? state : SH_STATE_OFFLINE];
}

void
sh_fill_databases (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    static const char *const access[] = {"MULTI_USER", "SINGLE_USER", "RESTRICTED_USER"};
    static const char *const recovery[] = {"", "FULL", "BULK_LOGGED", "SIMPLE"};
    static const char *const durability[] = {"DISABLED", "ALLOWED", "FORCED"};
    static const char *const reuse[] = {"NOTHING", "CHECKPOINT", "LOG_BACKUP",
                                        "ACTIVE_BACKUP_OR_RESTORE", "ACTIVE_TRANSACTION"};
    sh_db_info_t *list = NULL;
    size_t count = sh_db_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        const sh_db_info_t *db = &list[i];
        sh_value_t *v = sh_rowset_add_row (rows);
        sh_cell_text (&v[0], db->name);
        v[1] = sh_value_int (db->id);
        sh_login_info_t owner;
        if (sh_login_find (session->instance, db->owner, &owner) == SH_OK) {
            sh_value_t sid = sh_value_blob (owner.sid, 16);
            v[3] = sh_value_copy (&sid);
        }
        v[4] = sh_value_ticks (db->created);
        v[5] = sh_value_int (db->compatibility);
        sh_cell_text (&v[6], db->collation);
        v[7] = sh_value_int (db->access);
        sh_cell_text (&v[8], access[db->access <= 2 ? db->access : 0]);
        v[9] = sh_value_int (db->read_only);
        v[10] = v[11] = sh_value_int (0);
        v[12] = sh_value_int (db->state);
        sh_cell_text (&v[13], s_state (db->state));
        v[14] = sh_value_int (db->standby);
        v[15] = v[16] = v[18] = sh_value_int (0);
        sh_cell_text (&v[17], "OFF");
        v[19] = sh_value_int (db->recovery);
        sh_cell_text (&v[20], recovery[db->recovery <= 3 ? db->recovery : 0]);
        v[21] = sh_value_int (2);
        sh_cell_text (&v[22], "CHECKSUM");
        v[23] = v[24] = v[27] = v[30] = sh_value_int (0);
        v[25] = sh_value_int (db->log_reuse_wait);
        sh_cell_text (&v[26], reuse[db->log_reuse_wait]);
        sh_cell_text (&v[31], "NONE");
        sh_cell_guid (&v[32], db->guid);
        v[33] = sh_value_int (db->durability);
        sh_cell_text (&v[34], durability[db->durability]);
    }
    free (list);
}

/*  From file_id on. */
static void
s_file_row (const sh_db_info_t *db, bool log, sh_value_t *v)
{
    char name[160];
    snprintf (name, sizeof name, "%s%s", db->name, log ? "_log" : "");
    v[0] = sh_value_int (log ? 2 : 1);
    v[1] = sh_value_int (log);
    sh_cell_text (&v[2], log ? "LOG" : "ROWS");
    v[3] = sh_value_int (log ? 0 : 1);
    sh_cell_text (&v[4], name);
    sh_cell_text (&v[5], log ? db->log_file : db->data_file);
    v[6] = sh_value_int (0);
    sh_cell_text (&v[7], "ONLINE");
    v[8] = sh_value_int ((log ? db->log_bytes : db->size_bytes) / 8192);
    v[9] = sh_value_int (-1);
    v[10] = sh_value_int (1024);
}

void
sh_define_master_files (sh_rowset_t *rows)
{
    sh_view_fields (rows, "database_id:i,file_id:i,type:t,type_desc:n,data_space_id:i,name:n,"
                          "physical_name:N,state:t,state_desc:n,size:i,max_size:i,growth:i");
}

void
sh_fill_master_files (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_db_info_t *list = NULL;
    size_t count = sh_db_list (session->instance, &list);
    (void)db_id;
    bool all = sh_right_server (session, "CREATE ANY DATABASE") ||
               sh_right_server (session, "VIEW ANY DEFINITION");
    for (size_t i = 0; i < count * 2; i++) {
        if (!all && !sh_right_database (session, list[i / 2].id, "VIEW DEFINITION"))
            continue;
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (list[i / 2].id);
        s_file_row (&list[i / 2], i % 2, v + 1);
    }
    free (list);
}

/*  "sys.dm_db_log_space_usage (Transact-SQL)": of the database that it is asked in. */
void
sh_define_dm_db_log_space_usage (sh_rowset_t *rows)
{
    sh_view_fields (rows, "database_id:i,total_log_size_in_bytes:I,used_log_space_in_bytes:I,"
                          "used_log_space_in_percent:f,log_space_in_bytes_since_last_backup:I");
}

void
sh_fill_dm_db_log_space_usage (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_db_info_t info;
    if (sh_db_get (session->instance, db_id, &info) != SH_OK)
        return;
    sh_value_t *v = sh_rowset_add_row (rows);
    v[0] = sh_value_int (db_id);
    v[1] = sh_value_int (info.log_bytes);
    v[2] = sh_value_int (info.log_used_bytes);
    v[3] = sh_value_double ((double)info.log_used_bytes * 100.0 / (double)info.log_bytes);
    v[4] = sh_value_int (info.log_since_backup_bytes);
}

/*  sys.database_files: the rows of sys.master_files that are this database's, to whoever is in it. */
void
sh_define_database_files (sh_rowset_t *rows)
{
    sh_view_fields (rows, "file_id:i,type:t,type_desc:n,data_space_id:i,name:n,physical_name:N,"
                          "state:t,state_desc:n,size:i,max_size:i,growth:i");
}

void
sh_fill_database_files (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_db_info_t info;
    if (sh_db_get (session->instance, db_id, &info) != SH_OK)
        return;
    for (int log = 0; log < 2; log++)
        s_file_row (&info, log, sh_rowset_add_row (rows));
}

/*  A map of a Windows path makes this a server on Windows. */
void
sh_define_dm_os_host_info (sh_rowset_t *rows)
{
    sh_view_fields (rows, "host_platform:n,host_distribution:n,host_release:n,"
                          "host_service_pack_level:n,host_sku:i,os_language_version:i");
}

void
sh_fill_dm_os_host_info (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    bool windows = sh_path_windows (session->instance);
    sh_value_t *v = sh_rowset_add_row (rows);
    (void)db_id;
    sh_cell_text (&v[0], windows ? "Windows" : "Linux");
    sh_cell_text (&v[1], windows ? "Windows Server 2019 Standard" : "sqlhost");
    sh_cell_text (&v[2], windows ? "10.0" : "");
    sh_cell_text (&v[3], "");
    if (windows)
        v[4] = sh_value_int (7);
    v[5] = sh_value_int (1033);
}

/*  ---- recovery status ---- */

void
sh_define_database_recovery_status (sh_rowset_t *rows)
{
    sh_view_fields (rows, "database_id:i,database_guid:g,family_guid:g");
    sh_rowset_add_field (rows, "last_log_backup_lsn", sh_type_numeric (25, 0), true);
    sh_view_fields (rows, "recovery_fork_guid:g,first_recovery_fork_guid:g");
    sh_rowset_add_field (rows, "fork_point_lsn", sh_type_numeric (25, 0), true);
}

/*  Where the next log backup begins, per database; NULL when it cannot be asked. */
static sh_rowset_t *
s_log_starts (sh_session_t *session)
{
    static const char text[] =
        "SELECT database_name, MAX(CASE WHEN type = 'L' THEN last_lsn ELSE first_lsn END) FROM "
        "msdb.dbo.backupset WITH (NOLOCK) WHERE is_copy_only = 0 GROUP BY database_name";
    sh_error_t saved = session->error;
    sh_syntax_error_t syntax;
    sh_rowset_t *rows = NULL;
    sh_script_t *script = sh_script_parse (text, strlen (text), true, &syntax);
    if (script && sh_query_rows (session, script->body->query, NULL, &rows) != SH_OK)
        rows = NULL;
    sh_script_destroy (&script);
    session->error = saved;
    return rows;
}

void
sh_fill_database_recovery_status (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_db_info_t *list = NULL;
    size_t count = sh_db_list (session->instance, &list);
    sh_rowset_t *starts = s_log_starts (session);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        const sh_db_info_t *db = &list[i];
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (db->id);
        sh_cell_guid (&v[1], db->guid);
        sh_cell_guid (&v[2], db->family_guid);
        for (size_t k = 0; starts && k < starts->row_count; k++) {
            const sh_value_t *start = sh_rowset_row (starts, k);
            if (db->has_full_backup && db->recovery != SH_RECOVERY_SIMPLE &&
                sh_same (start[0].as.text, db->name))
                v[3] = sh_value_copy (&start[1]);
        }
        sh_cell_guid (&v[4], db->fork_guid);
        sh_cell_guid (&v[5], db->family_guid);
    }
    sh_rowset_destroy (&starts);
    free (list);
}

/*  ---- configurations ---- */

void
sh_define_configurations (sh_rowset_t *rows)
{
    sh_view_fields (rows, "configuration_id:i,name:n,value:i,minimum:i,maximum:i,value_in_use:i,"
                          "description:N,is_dynamic:b,is_advanced:b");
}

void
sh_fill_configurations (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_config_t *list = NULL;
    size_t count = sh_config_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (list[i].id);
        sh_cell_text (&v[1], list[i].name);
        v[2] = sh_value_int (list[i].value);
        v[3] = sh_value_int (list[i].minimum);
        v[4] = sh_value_int (list[i].maximum);
        v[5] = sh_value_int (list[i].in_use);
        sh_cell_text (&v[6], list[i].name);
        v[7] = sh_value_int (1);
        v[8] = sh_value_int (list[i].advanced);
    }
    free (list);
}

/*  ---- linked servers: none ---- */

void
sh_define_servers (sh_rowset_t *rows)
{
    sh_view_fields (rows, "server_id:i,name:n,product:n,provider:n,data_source:N,is_linked:b,"
                          "is_remote_login_enabled:b,is_rpc_out_enabled:b,query_timeout:i");
}

void
sh_fill_servers (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    sh_value_t *v = sh_rowset_add_row (rows);
    v[0] = sh_value_int (0);
    sh_cell_text (&v[1], sh_instance_name (session->instance));
    sh_cell_text (&v[2], "SQL Server");
    sh_cell_text (&v[3], "SQLNCLI");
    sh_cell_text (&v[4], sh_instance_name (session->instance));
    v[5] = sh_value_int (0);
    v[6] = v[7] = sh_value_int (1);
    v[8] = sh_value_int (0);
}

void
sh_define_sysservers (sh_rowset_t *rows)
{
    sh_view_fields (rows, "srvid:s,srvname:n,srvproduct:n,datasource:N,querytimeout:i,isremote:b");
}

void
sh_fill_sysservers (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    sh_value_t *v = sh_rowset_add_row (rows);
    v[0] = sh_value_int (0);
    sh_cell_text (&v[1], sh_instance_name (session->instance));
    sh_cell_text (&v[2], "SQL Server");
    sh_cell_text (&v[3], sh_instance_name (session->instance));
    v[4] = sh_value_int (0);
    v[5] = sh_value_int (1);
}

#define S_SYS(name)                                                                                \
    {                                                                                              \
        "sys", #name, sh_define_##name, sh_fill_##name, NULL                                       \
    }
/*  Views of the server's state. dm_exec_sessions and dm_exec_requests show a session itself without
 *  the permission. */
#define S_STATE(name)                                                                              \
    {                                                                                              \
        "sys", #name, sh_define_##name, sh_fill_##name, "VIEW SERVER STATE"                        \
    }

const sh_sysview_t sh_sysviews[] = {
    S_SYS (databases),
    S_SYS (master_files),
    S_SYS (database_files),
    S_STATE (dm_db_log_space_usage),
    S_SYS (configurations),
    S_SYS (database_recovery_status),
    S_SYS (database_role_members),
    S_SYS (server_principals),
    S_SYS (server_role_members),
    S_SYS (server_permissions),
    S_SYS (database_permissions),
    S_SYS (sql_logins),
    S_SYS (servers),
    S_SYS (objects),
    {"sys", "all_objects", sh_define_objects, sh_fill_objects, NULL},
    S_SYS (tables),
    S_SYS (procedures),
    S_SYS (views),
    S_SYS (columns),
    {"sys", "all_columns", sh_define_columns, sh_fill_columns, NULL},
    S_SYS (indexes),
    S_SYS (parameters),
    S_SYS (schemas),
    S_SYS (types),
    S_SYS (triggers),
    S_SYS (sql_modules),
    S_SYS (database_principals),
    S_SYS (partitions),
    S_SYS (dm_exec_sessions),
    S_SYS (dm_exec_requests),
    S_STATE (dm_exec_connections),
    S_STATE (dm_tran_locks),
    S_STATE (dm_tran_active_transactions),
    S_STATE (dm_tran_database_transactions),
    S_STATE (dm_tran_session_transactions),
    S_STATE (dm_tran_current_transaction),
    S_STATE (dm_os_wait_stats),
    S_STATE (dm_os_waiting_tasks),
    S_STATE (dm_os_sys_info),
    S_STATE (dm_os_enumerate_fixed_drives),
    S_STATE (dm_os_host_info),
    {"INFORMATION_SCHEMA", "TABLES", sh_define_is_tables, sh_fill_is_tables, NULL},
    {"INFORMATION_SCHEMA", "COLUMNS", sh_define_is_columns, sh_fill_is_columns, NULL},
    {"INFORMATION_SCHEMA", "ROUTINES", sh_define_is_routines, sh_fill_is_routines, NULL},
    {"dbo", "sysprocesses", sh_define_sysprocesses, sh_fill_sysprocesses, NULL},
    {"dbo", "sysservers", sh_define_sysservers, sh_fill_sysservers, NULL},
    {"dbo", "sysobjects", sh_define_objects, sh_fill_objects, NULL},
    {NULL, NULL, NULL, NULL, NULL}};
