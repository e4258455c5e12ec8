/*  tests/sqlhost/procedures/views_database.c: what the server knows of its databases, logins and settings. */
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/catalog.h"
#include "view.h"

static const sh_view_field_t s_databases[] = {
    {"name", SH_TYPE_NVARCHAR, 128},
    {"database_id", SH_TYPE_INT, 0},
    {"source_database_id", SH_TYPE_INT, 0},
    {"create_date", SH_TYPE_DATETIME, 0},
    {"compatibility_level", SH_TYPE_TINYINT, 0},
    {"collation_name", SH_TYPE_NVARCHAR, 128},
    {"user_access", SH_TYPE_TINYINT, 0},
    {"user_access_desc", SH_TYPE_NVARCHAR, 60},
    {"is_read_only", SH_TYPE_BIT, 0},
    {"is_auto_close_on", SH_TYPE_BIT, 0},
    {"state", SH_TYPE_TINYINT, 0},
    {"state_desc", SH_TYPE_NVARCHAR, 60},
    {"is_in_standby", SH_TYPE_BIT, 0},
    {"snapshot_isolation_state", SH_TYPE_TINYINT, 0},
    {"is_read_committed_snapshot_on", SH_TYPE_BIT, 0},
    {"recovery_model", SH_TYPE_TINYINT, 0},
    {"recovery_model_desc", SH_TYPE_NVARCHAR, 60},
    {"log_reuse_wait_desc", SH_TYPE_NVARCHAR, 60},
    {"delayed_durability", SH_TYPE_INT, 0},
    {"delayed_durability_desc", SH_TYPE_NVARCHAR, 60},
};
SH_VIEW_DEFINE (s_databases_define, s_databases)

void
sh_view_databases_define (sh_rowset_t *rows)
{
    s_databases_define (rows);
}

static const char *
s_state_name (sh_db_state_t state)
{
    switch (state) {
        case SH_STATE_ONLINE:
            return "ONLINE";
        case SH_STATE_RESTORING:
            return "RESTORING";
        case SH_STATE_RECOVERY_PENDING:
            return "RECOVERY_PENDING";
        case SH_STATE_SUSPECT:
            return "SUSPECT";
        case SH_STATE_EMERGENCY:
            return "EMERGENCY";
        case SH_STATE_OFFLINE:
            return "OFFLINE";
    }
    return "SUSPECT";
}

static const char *
s_recovery_name (sh_recovery_t recovery)
{
    return recovery == SH_RECOVERY_FULL          ? "FULL"
           : recovery == SH_RECOVERY_BULK_LOGGED ? "BULK_LOGGED"
                                                 : "SIMPLE";
}

static const char *
s_access_name (sh_access_t access)
{
    return access == SH_ACCESS_MULTI    ? "MULTI_USER"
           : access == SH_ACCESS_SINGLE ? "SINGLE_USER"
                                        : "RESTRICTED_USER";
}

static void
s_push_database (sh_rowset_t *rows, const sh_db_info_t *info)
{
    sh_view_row_t row = {.count = 0};
    sh_view_text (&row, info->name);
    sh_view_int (&row, info->id);
    sh_view_null (&row);
    sh_view_ticks (&row, info->created);
    sh_view_int (&row, info->compatibility);
    sh_view_name (&row, info->collation);
    sh_view_int (&row, info->access);
    sh_view_text (&row, s_access_name (info->access));
    sh_view_int (&row, info->read_only);
    sh_view_int (&row, 0);
    sh_view_int (&row, info->state);
    sh_view_text (&row, s_state_name (info->state));
    sh_view_int (&row, info->standby);
    sh_view_int (&row, 0);
    sh_view_int (&row, 0);
    sh_view_int (&row, info->recovery);
    sh_view_text (&row, s_recovery_name (info->recovery));
    sh_view_text (&row, info->log_reuse_wait);
    sh_view_int (&row, 0);
    sh_view_text (&row, "DISABLED");
    sh_view_push (rows, &row);
}

/*  Each database of the instance, in the order of ids. */
static void
s_each_database (sh_session_t *session, sh_rowset_t *rows,
                 void (*push) (sh_rowset_t *rows, const sh_db_info_t *info))
{
    sh_db_info_t *list = NULL;
    size_t count = sh_db_list (session->instance, &list);
    for (size_t i = 0; i < count; i++)
        push (rows, &list[i]);
    free (list);
}

void
sh_view_databases_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    s_each_database (session, rows, s_push_database);
}

static const sh_view_field_t s_recovery[] = {
    {"database_id", SH_TYPE_INT, 0},
    {"database_guid", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"family_guid", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"last_log_backup_lsn", SH_TYPE_NUMERIC, 0},
    {"recovery_fork_guid", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"first_recovery_fork_guid", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"fork_point_lsn", SH_TYPE_NUMERIC, 0},
};

void
sh_view_recovery_define (sh_rowset_t *rows)
{
    for (size_t i = 0; i < sizeof s_recovery / sizeof s_recovery[0]; i++) {
        sh_type_t type = s_recovery[i].type == SH_TYPE_NUMERIC
                             ? sh_type_numeric (25, 0)
                             : sh_type_make (s_recovery[i].type, 0);
        sh_rowset_add_field (rows, s_recovery[i].name, type, true);
    }
}

/*  last_log_backup_lsn is "the starting log sequence number of the next log backup": NULL while no log backup can be taken (SQL
 *  Server documentation, sys.database_recovery_status). The engine says that one can; the number itself it keeps to itself,
 *  so a chain that has begun shows 1. */
static void
s_push_recovery (sh_rowset_t *rows, const sh_db_info_t *info)
{
    sh_view_row_t row = {.count = 0};
    sh_view_int (&row, info->id);
    sh_view_guid (&row, info->guid);
    sh_view_guid (&row, info->family_guid);
    if (info->has_full_backup && info->recovery != SH_RECOVERY_SIMPLE)
        row.values[row.count++] = sh_value_decimal ("1");
    else
        sh_view_null (&row);
    sh_view_guid (&row, info->fork_guid);
    sh_view_guid (&row, info->family_guid);
    sh_view_null (&row);
    sh_view_push (rows, &row);
}

void
sh_view_recovery_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    s_each_database (session, rows, s_push_recovery);
}

static const sh_view_field_t s_files[] = {
    {"database_id", SH_TYPE_INT, 0}, {"file_id", SH_TYPE_INT, 0},
    {"type", SH_TYPE_TINYINT, 0},    {"type_desc", SH_TYPE_NVARCHAR, 60},
    {"name", SH_TYPE_NVARCHAR, 128}, {"physical_name", SH_TYPE_NVARCHAR, 260},
    {"state", SH_TYPE_TINYINT, 0},   {"state_desc", SH_TYPE_NVARCHAR, 60},
    {"size", SH_TYPE_INT, 0},
};
SH_VIEW_DEFINE (s_files_define, s_files)

void
sh_view_files_define (sh_rowset_t *rows)
{
    s_files_define (rows);
}

static void
s_push_file (sh_rowset_t *rows, const sh_db_info_t *info, bool log)
{
    char name[160];
    size_t size = strlen (info->name);
    memcpy (name, info->name, size + 1);
    if (log)
        memcpy (name + size, "_log", 5);
    sh_view_row_t row = {.count = 0};
    sh_view_int (&row, info->id);
    sh_view_int (&row, log ? 2 : 1);
    sh_view_int (&row, log ? 1 : 0);
    sh_view_text (&row, log ? "LOG" : "ROWS");
    sh_view_text (&row, name);
    sh_view_text (&row, log ? info->log_file : info->data_file);
    sh_view_int (&row, 0);
    sh_view_text (&row, "ONLINE");
    sh_view_int (&row, log ? 1 : info->size_bytes / 8192 + 1); /* pages of 8 KiB */
    sh_view_push (rows, &row);
}

static void
s_push_files (sh_rowset_t *rows, const sh_db_info_t *info)
{
    s_push_file (rows, info, false);
    s_push_file (rows, info, true);
}

void
sh_view_files_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    s_each_database (session, rows, s_push_files);
}

static const sh_view_field_t s_logins[] = {
    {"name", SH_TYPE_NVARCHAR, 128},      {"principal_id", SH_TYPE_INT, 0},
    {"sid", SH_TYPE_VARBINARY, 85},       {"type", SH_TYPE_CHAR, 1},
    {"type_desc", SH_TYPE_NVARCHAR, 60},  {"is_disabled", SH_TYPE_BIT, 0},
    {"create_date", SH_TYPE_DATETIME, 0}, {"default_database_name", SH_TYPE_NVARCHAR, 128},
};
SH_VIEW_DEFINE (s_logins_define, s_logins)

void
sh_view_logins_define (sh_rowset_t *rows)
{
    s_logins_define (rows);
}

void
sh_view_logins_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    sh_login_info_t *list = NULL;
    size_t count = sh_login_list (session->instance, &list);
    for (size_t i = 0; i < count; i++) {
        bool sa = strcmp (list[i].name, "sa") == 0;
        sh_view_row_t row = {.count = 0};
        sh_view_text (&row, list[i].name);
        sh_view_int (&row, sa ? 1 : (int64_t)(256 + i));
        if (sa)
            sh_view_blob (&row, "\x01", 1);
        else
            sh_view_blob (&row, list[i].sid, sizeof list[i].sid);
        sh_view_text (&row, "S");
        sh_view_text (&row, "SQL_LOGIN");
        sh_view_int (&row, list[i].disabled);
        sh_view_ticks (&row, list[i].created);
        sh_view_name (&row, list[i].default_database);
        sh_view_push (rows, &row);
    }
    free (list);
}

static const sh_view_field_t s_configurations[] = {
    {"configuration_id", SH_TYPE_INT, 0},
    {"name", SH_TYPE_NVARCHAR, 35},
    {"value", SH_TYPE_INT, 0},
    {"value_in_use", SH_TYPE_INT, 0},
};
SH_VIEW_DEFINE (s_configurations_define, s_configurations)

void
sh_view_configurations_define (sh_rowset_t *rows)
{
    s_configurations_define (rows);
}

/*  The defaults of a fresh installation, for those that backups look at. */
void
sh_view_configurations_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)session;
    (void)db_id;
    static const struct {
        int id;
        const char *name;
        int value;
    } defaults[] = {
        {1520, "remote query timeout (s)", 600},
        {1579, "backup compression default", 0},
        {1584, "backup checksum default", 0},
        {16390, "xp_cmdshell", 0},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        sh_view_row_t row = {.count = 0};
        sh_view_int (&row, defaults[i].id);
        sh_view_text (&row, defaults[i].name);
        sh_view_int (&row, defaults[i].value);
        sh_view_int (&row, defaults[i].value);
        sh_view_push (rows, &row);
    }
}
