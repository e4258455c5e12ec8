/*  tests/sqlhost/procedures/views.c: the list of system views, and what they share. */
#include <stdlib.h>

#include "view.h"

const sh_sysview_t sh_system_views[] = {
    {"sys", "databases", sh_view_databases_define, sh_view_databases_fill},
    {"sys", "database_recovery_status", sh_view_recovery_define, sh_view_recovery_fill},
    {"sys", "master_files", sh_view_files_define, sh_view_files_fill},
    {"sys", "server_principals", sh_view_logins_define, sh_view_logins_fill},
    {"sys", "sql_logins", sh_view_logins_define, sh_view_logins_fill},
    {"sys", "configurations", sh_view_configurations_define, sh_view_configurations_fill},
    {"sys", "dm_exec_sessions", sh_view_sessions_define, sh_view_sessions_fill},
    {"sys", "dm_exec_requests", sh_view_requests_define, sh_view_requests_fill},
    {"sys", "dm_os_waiting_tasks", sh_view_waits_define, sh_view_waits_fill},
    {"sys", "dm_tran_locks", sh_view_locks_define, sh_view_locks_fill},
    {"sys", "dm_tran_active_transactions", sh_view_active_define, sh_view_active_fill},
    {"sys", "dm_tran_database_transactions", sh_view_database_transactions_define,
     sh_view_database_transactions_fill},
    {"sys", "dm_tran_session_transactions", sh_view_session_transactions_define,
     sh_view_session_transactions_fill},
    {"sys", "dm_tran_current_transaction", sh_view_current_transaction_define,
     sh_view_current_transaction_fill},
    {"sys", "objects", sh_view_objects_define, sh_view_objects_fill},
    {"sys", "all_objects", sh_view_objects_define, sh_view_objects_fill},
    {"sys", "tables", sh_view_objects_define, sh_view_tables_fill},
    {"sys", "procedures", sh_view_objects_define, sh_view_procedures_fill},
    {"sys", "views", sh_view_objects_define, sh_view_views_fill},
    {"sys", "triggers", sh_view_objects_define, sh_view_triggers_fill},
    {"sys", "sql_modules", sh_view_modules_define, sh_view_modules_fill},
    {"sys", "columns", sh_view_columns_define, sh_view_columns_fill},
    {"sys", "indexes", sh_view_indexes_define, sh_view_indexes_fill},
    {"sys", "parameters", sh_view_parameters_define, sh_view_parameters_fill},
    {"sys", "schemas", sh_view_schemas_define, sh_view_schemas_fill},
    {"INFORMATION_SCHEMA", "TABLES", sh_view_information_define, sh_view_information_fill},
    {NULL, NULL, NULL, NULL},
};

void
sh_view_define (sh_rowset_t *rows, const sh_view_field_t *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sh_rowset_add_field (rows, fields[i].name, sh_type_make (fields[i].type, fields[i].size),
                             true);
}

static void
s_put (sh_view_row_t *row, sh_value_t value)
{
    if (row->count == SH_VIEW_FIELDS_MAX)
        abort ();
    row->values[row->count++] = value;
}

void
sh_view_int (sh_view_row_t *row, int64_t value)
{
    s_put (row, sh_value_int (value));
}

void
sh_view_real (sh_view_row_t *row, double value)
{
    s_put (row, sh_value_double (value));
}

void
sh_view_text (sh_view_row_t *row, const char *value)
{
    s_put (row, sh_value_text (value));
}

void
sh_view_name (sh_view_row_t *row, const char *value)
{
    s_put (row, sh_value_text (value && *value ? value : NULL));
}

void
sh_view_ticks (sh_view_row_t *row, int64_t ticks)
{
    s_put (row, ticks ? sh_value_ticks (ticks) : sh_value_null ());
}

void
sh_view_guid (sh_view_row_t *row, const uint8_t guid[16])
{
    s_put (row, sh_value_guid (guid));
}

void
sh_view_blob (sh_view_row_t *row, const void *data, size_t size)
{
    s_put (row, sh_value_blob (data, size));
}

void
sh_view_null (sh_view_row_t *row)
{
    s_put (row, sh_value_null ());
}

void
sh_view_push (sh_rowset_t *rows, sh_view_row_t *row)
{
    if (row->count != rows->field_count)
        abort ();
    sh_rowset_push (rows, row->values);
    row->count = 0;
}
