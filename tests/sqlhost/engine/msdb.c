/*  The tables of msdb, and the rows that the engine itself writes there.
 *
 *  These rows bypass the lock manager: they belong to no session's transaction, and a session that
 *  sits on msdb must not be able to stop a commit or a backup half way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

/*  "name type", a * for NOT NULL; the columns of SQL Server's tables (BIZTALK.md k.3 has the
 *  sources). */
static const struct {
    const char *name, *columns;
} s_tables[] = {
    {"backupmediaset",
     "media_set_id int* identity; media_uuid uniqueidentifier; media_family_count tinyint;"
     "name nvarchar(128); description nvarchar(255); software_name nvarchar(128);"
     "software_vendor_id int; MTF_major_version tinyint; mirror_count tinyint;"
     "is_password_protected bit; is_compressed bit; is_encrypted bit"},
    {"backupmediafamily",
     "media_set_id int*; family_sequence_number tinyint*; media_family_id uniqueidentifier;"
     "media_count int; logical_device_name nvarchar(128); physical_device_name nvarchar(260);"
     "device_type tinyint; physical_block_size int; mirror tinyint*"},
    {"backupset",
     "backup_set_id int* identity; backup_set_uuid uniqueidentifier*; media_set_id int*;"
     "first_family_number tinyint; first_media_number smallint; last_family_number tinyint;"
     "last_media_number smallint; catalog_family_number tinyint; catalog_media_number smallint;"
     "position int; expiration_date datetime; software_vendor_id int; name nvarchar(128);"
     "description nvarchar(255); user_name nvarchar(128); software_major_version tinyint;"
     "software_minor_version tinyint; software_build_version smallint; time_zone smallint;"
     "mtf_minor_version tinyint; first_lsn numeric(25,0); last_lsn numeric(25,0);"
     "checkpoint_lsn numeric(25,0); database_backup_lsn numeric(25,0);"
     "database_creation_date datetime; backup_start_date datetime; backup_finish_date datetime;"
     "type char(1); sort_order smallint; code_page smallint; compatibility_level tinyint;"
     "database_version int; backup_size numeric(20,0); database_name nvarchar(128);"
     "server_name nvarchar(128); machine_name nvarchar(128); flags int; unicode_locale int;"
     "unicode_compare_style int; collation_name nvarchar(128); is_password_protected bit;"
     "recovery_model nvarchar(60); has_bulk_logged_data bit; is_snapshot bit; is_readonly bit;"
     "is_single_user bit; has_backup_checksums bit; is_damaged bit; begins_log_chain bit;"
     "has_incomplete_metadata bit; is_force_offline bit; is_copy_only bit;"
     "first_recovery_fork_guid uniqueidentifier; last_recovery_fork_guid uniqueidentifier;"
     "fork_point_lsn numeric(25,0); database_guid uniqueidentifier; family_guid uniqueidentifier;"
     "differential_base_lsn numeric(25,0); differential_base_guid uniqueidentifier;"
     "compressed_backup_size numeric(20,0); key_algorithm nvarchar(32);"
     "encryptor_thumbprint varbinary(20); encryptor_type nvarchar(32)"},
    {"backupfile",
     "backup_set_id int*; first_family_number tinyint; first_media_number smallint;"
     "filegroup_name nvarchar(128); page_size int; file_number numeric(10,0)*;"
     "backed_up_page_count numeric(10,0); file_type char(1); source_file_block_size numeric(10,0);"
     "file_size numeric(20,0); logical_name nvarchar(128); physical_drive nvarchar(260);"
     "physical_name nvarchar(260); state tinyint; is_present bit"},
    {"logmarkhistory",
     "database_name nvarchar(128)*; mark_name nvarchar(128)*; description nvarchar(255);"
     "user_name nvarchar(128)*; lsn numeric(25,0)*; mark_time datetime*"},
    {"restorehistory",
     "restore_history_id int* identity; restore_date datetime; destination_database_name "
     "nvarchar(128);"
     "user_name nvarchar(128); backup_set_id int*; restore_type char(1); replace bit; recovery bit;"
     "restart bit; stop_at datetime; device_count tinyint; stop_at_mark_name nvarchar(128);"
     "stop_before bit"},
    {"restorefile",
     "restore_history_id int*; file_number numeric(10,0); destination_phys_drive nvarchar(260);"
     "destination_phys_name nvarchar(260)"},
    {"sysjobs",
     "job_id uniqueidentifier*; originating_server_id int*; name nvarchar(128)*; enabled tinyint*;"
     "description nvarchar(512); start_step_id int*; category_id int*; owner_sid varbinary(85)*;"
     "notify_level_eventlog int*; notify_level_email int*; notify_level_netsend int*;"
     "notify_level_page int*; notify_email_operator_id int*; notify_netsend_operator_id int*;"
     "notify_page_operator_id int*; delete_level int*; date_created datetime*;"
     "date_modified datetime*; version_number int*"},
    {"sysjobsteps",
     "job_id uniqueidentifier*; step_id int*; step_name nvarchar(128)*; subsystem nvarchar(40)*;"
     "command nvarchar(max); flags int*; additional_parameters nvarchar(max);"
     "cmdexec_success_code int*; on_success_action tinyint*; on_success_step_id int*;"
     "on_fail_action tinyint*; on_fail_step_id int*; server nvarchar(128);"
     "database_name nvarchar(128); database_user_name nvarchar(128); retry_attempts int*;"
     "retry_interval int*; os_run_priority int*; output_file_name nvarchar(200);"
     "last_run_outcome int*; last_run_duration int*; last_run_retries int*; last_run_date int*;"
     "last_run_time int*; proxy_id int; step_uid uniqueidentifier"},
    {"sysjobservers", "job_id uniqueidentifier*; server_id int*; last_run_outcome tinyint*;"
                      "last_outcome_message nvarchar(4000); last_run_date int*; last_run_time int*;"
                      "last_run_duration int*"},
    {"sysjobhistory",
     "instance_id int* identity; job_id uniqueidentifier*; step_id int*; step_name nvarchar(128)*;"
     "sql_message_id int*; sql_severity int*; message nvarchar(4000); run_status int*;"
     "run_date int*; run_time int*; run_duration int*; operator_id_emailed int*;"
     "operator_id_netsent int*; operator_id_paged int*; retries_attempted int*;"
     "server nvarchar(128)*"},
    {"sysschedules",
     "schedule_id int* identity; schedule_uid uniqueidentifier*; originating_server_id int*;"
     "name nvarchar(128)*; owner_sid varbinary(85)*; enabled int*; freq_type int*;"
     "freq_interval int*; freq_subday_type int*; freq_subday_interval int*;"
     "freq_relative_interval int*; freq_recurrence_factor int*; active_start_date int*;"
     "active_end_date int*; active_start_time int*; active_end_time int*; date_created datetime*;"
     "date_modified datetime*; version_number int*"},
    {"sysjobschedules",
     "schedule_id int; job_id uniqueidentifier; next_run_date int*; next_run_time int*"},
    {"sysjobactivity",
     "session_id int*; job_id uniqueidentifier*; run_requested_date datetime;"
     "run_requested_source nvarchar(128); queued_date datetime; start_execution_date datetime;"
     "last_executed_step_id int; last_executed_step_date datetime; stop_execution_date datetime;"
     "job_history_id int; next_scheduled_run_date datetime"},
    {"syssessions", "session_id int* identity; agent_start_date datetime*"},
    {"syscategories",
     "category_id int*; category_class int*; category_type tinyint*; name nvarchar(128)*"},
};

static const struct {
    const char *name;
    sh_type_id_t id;
} s_types[] = {{"bit", SH_TYPE_BIT},
               {"tinyint", SH_TYPE_TINYINT},
               {"smallint", SH_TYPE_SMALLINT},
               {"int", SH_TYPE_INT},
               {"bigint", SH_TYPE_BIGINT},
               {"datetime", SH_TYPE_DATETIME},
               {"char", SH_TYPE_CHAR},
               {"nvarchar", SH_TYPE_NVARCHAR},
               {"numeric", SH_TYPE_NUMERIC},
               {"varbinary", SH_TYPE_VARBINARY},
               {"uniqueidentifier", SH_TYPE_UNIQUEIDENTIFIER}};

/*  One "name type(n)* identity" into a column; the texts live in buffer. */
static void
s_parse_column (char *text, sh_column_t *column)
{
    memset (column, 0, sizeof *column);
    text += strspn (text, " ");
    char *type = strchr (text, ' ');
    sh_require (type != NULL);
    *type++ = 0;
    column->name = text;
    column->nullable = strchr (type, '*') == NULL;
    column->identity = strstr (type, "identity") != NULL;
    column->identity_seed = column->identity_increment = 1;
    size_t length = strcspn (type, "(* ");
    for (size_t i = 0; i < sizeof s_types / sizeof s_types[0]; i++)
        if (strlen (s_types[i].name) == length && strncmp (s_types[i].name, type, length) == 0)
            column->type.id = s_types[i].id;
    sh_require (column->type.id != 0);
    if (type[length] != '(')
        return;
    int first = strncmp (type + length, "(max", 4) == 0 ? SH_MAX
                                                        : (int)strtol (type + length + 1, NULL, 10);
    if (column->type.id == SH_TYPE_NUMERIC)
        column->type.precision = (uint8_t)first;
    else
        column->type.size = first;
}

/*  False: it is there already. */
static bool
s_make_table (sh_db_t *db, const char *name, const char *columns)
{
    sh_column_t list[SH_COLUMNS_MAX];
    int count = 0;
    if (sh_image_table (db->image, "dbo", name, NULL))
        return false;
    char *text = sh_mem_strdup (columns);
    for (char *at = text, *end; at; at = end) {
        end = strchr (at, ';');
        if (end)
            *end++ = 0;
        s_parse_column (at, &list[count++]);
    }
    sh_table_def_t def = {.schema = "dbo",
                          .name = name,
                          .object_id = sh_image_object_id (db->image),
                          .created = db->info.created,
                          .modified = db->info.created,
                          .column_count = count,
                          .columns = list};
    sh_image_add_table (db->image, sh_table_new (db->info.id, &def));
    free (text);
    return true;
}

/*  Categories of jobs, as msdb has them from the start. */
static void
s_fill_categories (sh_instance_t *self)
{
    static const char *const names[] = {"[Uncategorized (Local)]",
                                        "Jobs from MSX",
                                        "[Uncategorized (Multi-Server)]",
                                        "Database Maintenance",
                                        "Web Assistant",
                                        "Full-Text",
                                        "Log Shipping",
                                        "Database Engine Tuning Advisor",
                                        "Data Collector"};
    enum { COUNT = sizeof names / sizeof names[0] };
    sh_system_row_t rows[COUNT];
    for (int i = 0; i < COUNT; i++) {
        sh_named_t values[] = {{"category_id", sh_value_int (i)},
                               {"category_class", sh_value_int (1)},
                               {"category_type", sh_value_int (i == 1 || i == 2 ? 2 : 1)},
                               {"name", sh_value_text (names[i])}};
        sh_system_row (self, "syscategories", values, 4, &rows[i]);
    }
    sh_system_apply (self, rows, COUNT);
}

sh_status_t
sh_system_make (sh_instance_t *self, sh_error_t *error)
{
    sh_db_t *msdb = sh_db_by_id (self, SH_DB_MSDB);
    if (!msdb->image)
        return sh_fail (error, 3313, 21, 2, "msdb could not be recovered; see ERRORLOG");
    for (size_t i = 0; i < sizeof s_tables / sizeof s_tables[0]; i++)
        if (s_make_table (msdb, s_tables[i].name, s_tables[i].columns) &&
            strcmp (s_tables[i].name, "syscategories") == 0)
            s_fill_categories (self);
    sh_db_changed (self, msdb);
    return SH_OK;
}

/*  ---- rows of the engine's own ---- */

int64_t
sh_system_row (sh_instance_t *self, const char *table_name, const sh_named_t *values, size_t count,
               sh_system_row_t *out)
{
    sh_value_t row[SH_COLUMNS_MAX];
    int64_t identity = 0;
    memset (out, 0, sizeof *out);
    const sh_db_t *msdb = sh_db_by_id (self, SH_DB_MSDB);
    sh_table_t *table = sh_image_table (msdb->image, "dbo", table_name, NULL);
    if (!table)
        return 0;
    for (int i = 0; i < table->def->column_count; i++) {
        row[i] = sh_value_null ();
        for (size_t k = 0; k < count; k++)
            if (strcmp (values[k].column, table->def->columns[i].name) == 0)
                row[i] = values[k].value;
        if (table->def->columns[i].identity) {
            identity = table->identity_used ? table->identity_last + 1 : 1;
            table->identity_last = identity;
            table->identity_used = true;
            row[i] = sh_value_int (identity);
        }
    }
    out->table = sh_table_hold (table);
    out->row = sh_row_new (row, table->def->column_count);
    out->rid = table->next_rid++;
    return identity;
}

void
sh_system_put (sh_part_t *part, const sh_system_row_t *rows, size_t count)
{
    uint32_t counts[3] = {(uint32_t)count, 0, 0};
    part->db_id = SH_DB_MSDB;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].table->identity_used)
            sh_op_identity (&part->body, rows[i].table);
        sh_op_row (&part->body, SH_OP_INSERT, rows[i].table->def->object_id, rows[i].rid,
                   rows[i].row);
    }
    sh_op_end (&part->body, counts);
}

void
sh_system_apply (sh_instance_t *self, sh_system_row_t *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sh_table_t *table = rows[i].table;
        sh_slot_t *slot = sh_slot_add (table, rows[i].rid);
        sh_slot_set (table, slot, rows[i].row, NULL, NULL);
        sh_table_mark_dirty (table, slot);
        sh_db_changed (self, sh_db_by_id (self, SH_DB_MSDB));
        sh_table_free (table);
    }
}

void
sh_system_drop (sh_system_row_t *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sh_row_drop (rows[i].row);
        sh_table_free (rows[i].table);
    }
}

sh_status_t
sh_system_write (sh_instance_t *self, sh_system_row_t *rows, size_t count, sh_error_t *error)
{
    sh_part_t part = {0};
    sh_system_put (&part, rows, count);
    sh_record_t record = {.time = sh_ticks_local (), .parts = &part, .part_count = 1};
    sh_status_t status = sh_log_write (self, &record, 1, error);
    if (status == SH_OK)
        sh_system_apply (self, rows, count);
    else
        sh_system_drop (rows, count);
    sh_bytes_free (&part.body);
    return status;
}
