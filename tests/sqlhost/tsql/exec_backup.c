/*  BACKUP DATABASE and LOG, RESTORE HEADERONLY and VERIFYONLY.
 *
 *  After an error of BACKUP comes 3013, always last and never the cause (SQL Server documentation, message 3013). 3009 says
 *  that the backup is good but msdb has no row: no 3013 follows it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "interp.h"
#include "tests/sqlhost/engine/backup.h"

/*  Device names of a statement, evaluated; freed by s_devices_free. */
typedef struct {
    char *files[SH_BACKUP_FILES_MAX];
    size_t count;
} s_devices_t;

static void
s_devices_free (s_devices_t *devices)
{
    for (size_t i = 0; i < devices->count; i++)
        free (devices->files[i]);
    devices->count = 0;
}

static sh_status_t
s_devices_read (sh_session_t *self, const sh_expr_t *list, s_devices_t *devices)
{
    for (const sh_expr_t *device = list; device; device = device->next) {
        if (devices->count == SH_BACKUP_FILES_MAX)
            return sh_error_set (
                self, 3205, 16, 2,
                "Too many backup devices specified for backup or restore; only %d are "
                "allowed.",
                SH_BACKUP_FILES_MAX);
        char *text = NULL;
        sh_status_t status = sh_eval_text (self, device, &text);
        if (status != SH_OK)
            return status;
        if (!text)
            return sh_error_set (self, 3044, 16, 2, "Invalid zero-length device name.");
        devices->files[devices->count++] = text;
    }
    return SH_OK;
}

/*  The options that a backup knows without a value. */
static bool
s_flag_option (sh_backup_t *backup, const char *name)
{
    static const char *const accepted[] = {
        "NO_CHECKSUM", "NOFORMAT", "NOINIT", "SKIP",     "NOSKIP",        "STOP_ON_ERROR",
        "NOUNLOAD",    "UNLOAD",   "REWIND", "NOREWIND", "NO_COMPRESSION"};
    if (strcasecmp (name, "INIT") == 0)
        backup->init = true;
    else if (strcasecmp (name, "FORMAT") == 0)
        backup->init = backup->format = true;
    else if (strcasecmp (name, "COPY_ONLY") == 0)
        backup->copy_only = true;
    else if (strcasecmp (name, "CHECKSUM") == 0)
        backup->checksum = true;
    else if (strcasecmp (name, "COMPRESSION") == 0)
        backup->compress = true;
    else {
        for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++)
            if (strcasecmp (name, accepted[i]) == 0)
                return true;
        return false;
    }
    return true;
}

/*  Name and description are owned by the caller. */
static sh_status_t
s_option (sh_session_t *self, sh_backup_t *backup, const sh_option_t *option, char **name,
          char **description)
{
    if (strcasecmp (option->name, "STATS") == 0) {
        backup->stats = 10;
        sh_value_t value = sh_value_null ();
        sh_type_t type = sh_type_of (SH_TYPE_INT);
        sh_status_t status =
            option->value ? sh_eval_to (self, option->value, &type, &value) : SH_OK;
        if (status == SH_OK && value.kind == SH_INT && value.as.integer > 0)
            backup->stats = (int)value.as.integer;
        return status;
    }
    bool is_name = strcasecmp (option->name, "NAME") == 0;
    if (is_name || strcasecmp (option->name, "DESCRIPTION") == 0)
        return sh_eval_text (self, option->value, is_name ? name : description);
    bool harmless = strcasecmp (option->name, "MAXTRANSFERSIZE") == 0 ||
                    strcasecmp (option->name, "BUFFERCOUNT") == 0 ||
                    strcasecmp (option->name, "BLOCKSIZE") == 0 ||
                    strcasecmp (option->name, "MEDIANAME") == 0;
    if (harmless || (!option->value && s_flag_option (backup, option->name)))
        return SH_OK;
    return sh_error_set (self, SH_NOT_SUPPORTED, 16, 1,
                         "BACKUP WITH %s is not supported by sqlhost.", option->name);
}

/*  Which database: a name, or a variable that holds one. 911 when there is none. */
static sh_status_t
s_database (sh_session_t *self, const sh_stmt_t *stmt, int *db_id)
{
    char *name = stmt->text ? strdup (stmt->text) : NULL;
    sh_status_t status = name ? SH_OK : sh_eval_text (self, stmt->name_expr, &name);
    sh_db_info_t info;
    if (status == SH_OK && (!name || sh_db_find (self->instance, name, &info) != SH_OK))
        status = sh_error_set (
            self, 911, 16, 11,
            "Database '%s' does not exist. Make sure that the name is entered correctly.",
            name ? name : "");
    else if (status == SH_OK)
        *db_id = info.id;
    free (name);
    return status;
}

/*  The cause, then 3013. CATCH sees 3013 alone: that is how BizTalk's procedures lose the cause. */
static sh_flow_t
s_failed (sh_session_t *self, const sh_stmt_t *stmt, const char *verb, sh_status_t status)
{
    int cause = self->error.number;
    if (status != SH_ERROR || cause == 3009 || cause == 3021)
        return sh_raise (self, status, stmt->line);
    if (self->try_depth == 0)
        sh_out_message (self, &self->error, stmt->line);
    sh_error_set (self, 3013, 16, 1, "%s is terminating abnormally.", verb);
    return sh_raise (self, SH_ERROR, stmt->line);
}

sh_flow_t
sh_exec_backup (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_backup_t backup = {.log = stmt->flag};
    s_devices_t devices = {.count = 0};
    char *name = NULL, *description = NULL;
    sh_status_t status = s_database (self, stmt, &backup.db_id);
    if (status == SH_OK)
        status = s_devices_read (self, stmt->devices, &devices);
    for (const sh_option_t *option = stmt->options; option && status == SH_OK;
         option = option->next)
        status = s_option (self, &backup, option, &name, &description);
    backup.name = name;
    backup.description = description;
    backup.files = (const char *const *)devices.files;
    backup.file_count = (int)devices.count;
    sh_backup_result_t result;
    if (status == SH_OK)
        status = sh_backup (self->engine, &backup, &result, &self->error);
    s_devices_free (&devices);
    free (name);
    free (description);
    if (status != SH_OK)
        return s_failed (self, stmt, stmt->flag ? "BACKUP LOG" : "BACKUP DATABASE", status);
    return sh_raise (self, SH_OK, stmt->line);
}

/*  ---- RESTORE HEADERONLY ---- */

/*  Columns as the SQL Server documentation of RESTORE HEADERONLY lists them, in its order. */
static const struct {
    const char *name;
    sh_type_id_t type;
    int32_t size;
} s_header_fields[] = {
    {"BackupName", SH_TYPE_NVARCHAR, 128},
    {"BackupDescription", SH_TYPE_NVARCHAR, 255},
    {"BackupType", SH_TYPE_SMALLINT, 0},
    {"ExpirationDate", SH_TYPE_DATETIME, 0},
    {"Compressed", SH_TYPE_BIT, 0},
    {"Position", SH_TYPE_SMALLINT, 0},
    {"DeviceType", SH_TYPE_TINYINT, 0},
    {"UserName", SH_TYPE_NVARCHAR, 128},
    {"ServerName", SH_TYPE_NVARCHAR, 128},
    {"DatabaseName", SH_TYPE_NVARCHAR, 128},
    {"DatabaseVersion", SH_TYPE_INT, 0},
    {"DatabaseCreationDate", SH_TYPE_DATETIME, 0},
    {"BackupSize", SH_TYPE_NUMERIC, 20},
    {"FirstLSN", SH_TYPE_NUMERIC, 25},
    {"LastLSN", SH_TYPE_NUMERIC, 25},
    {"CheckpointLSN", SH_TYPE_NUMERIC, 25},
    {"DatabaseBackupLSN", SH_TYPE_NUMERIC, 25},
    {"BackupStartDate", SH_TYPE_DATETIME, 0},
    {"BackupFinishDate", SH_TYPE_DATETIME, 0},
    {"CompatibilityLevel", SH_TYPE_TINYINT, 0},
    {"MachineName", SH_TYPE_NVARCHAR, 128},
    {"BindingID", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"RecoveryForkID", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"Collation", SH_TYPE_NVARCHAR, 128},
    {"FamilyGUID", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"HasBulkLoggedData", SH_TYPE_BIT, 0},
    {"IsSnapshot", SH_TYPE_BIT, 0},
    {"IsReadOnly", SH_TYPE_BIT, 0},
    {"IsSingleUser", SH_TYPE_BIT, 0},
    {"HasBackupChecksums", SH_TYPE_BIT, 0},
    {"IsDamaged", SH_TYPE_BIT, 0},
    {"BeginsLogChain", SH_TYPE_BIT, 0},
    {"IsCopyOnly", SH_TYPE_BIT, 0},
    {"FirstRecoveryForkID", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"RecoveryModel", SH_TYPE_NVARCHAR, 60},
    {"BackupTypeDescription", SH_TYPE_NVARCHAR, 60},
    {"BackupSetGUID", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"CompressedBackupSize", SH_TYPE_BIGINT, 0},
};

enum { HEADER_FIELDS = sizeof s_header_fields / sizeof s_header_fields[0] };

/*  Decimal texts of one row. */
typedef struct {
    char text[5][24];
} s_decimals_t;

static sh_value_t
s_decimal (s_decimals_t *room, size_t index, int64_t number)
{
    snprintf (room->text[index], sizeof room->text[index], "%lld", (long long)number);
    return sh_value_decimal (room->text[index]);
}

static void
s_push_header (sh_rowset_t *rows, const sh_backup_header_t *h)
{
    s_decimals_t room;
    const sh_value_t values[] = {
        sh_value_text (h->name[0] ? h->name : NULL),
        sh_value_text (h->description[0] ? h->description : NULL),
        sh_value_int (h->log ? 2 : 1),
        sh_value_null (),
        sh_value_int (h->compressed),
        sh_value_int (h->position),
        sh_value_int (2),
        sh_value_text (h->user_name),
        sh_value_text (h->server_name),
        sh_value_text (h->database_name),
        sh_value_int (904),
        sh_value_ticks (h->database_created),
        s_decimal (&room, 0, h->bytes),
        s_decimal (&room, 1, h->first_lsn),
        s_decimal (&room, 2, h->last_lsn),
        s_decimal (&room, 3, h->checkpoint_lsn),
        s_decimal (&room, 4, h->database_backup_lsn),
        sh_value_ticks (h->started),
        sh_value_ticks (h->finished),
        sh_value_int (h->compatibility),
        sh_value_text (h->machine_name),
        sh_value_guid (h->database_guid),
        sh_value_guid (h->last_fork),
        sh_value_text (h->collation),
        sh_value_guid (h->family_guid),
        sh_value_int (h->bulk_logged),
        sh_value_int (0),
        sh_value_int (h->read_only),
        sh_value_int (h->single_user),
        sh_value_int (h->checksums),
        sh_value_int (h->damaged),
        sh_value_int (h->begins_log_chain),
        sh_value_int (h->copy_only),
        sh_value_guid (h->first_fork),
        sh_value_text (h->recovery),
        sh_value_text (h->log ? "Transaction Log" : "Database"),
        sh_value_guid (h->set_guid),
        sh_value_int (h->stored_bytes),
    };
    _Static_assert(sizeof values / sizeof values[0] == HEADER_FIELDS, "a value for each field");
    sh_rowset_push (rows, values);
}

static sh_status_t
s_header_only (sh_session_t *self, const char *path)
{
    sh_backup_header_t *headers = NULL;
    size_t count = 0;
    sh_status_t status = sh_backup_headers (path, &headers, &count, &self->error);
    if (status != SH_OK)
        return status;
    sh_rowset_t *rows = sh_rowset_new ();
    for (size_t i = 0; i < HEADER_FIELDS; i++) {
        sh_type_t type = s_header_fields[i].type == SH_TYPE_NUMERIC
                             ? sh_type_numeric ((uint8_t)s_header_fields[i].size, 0)
                             : sh_type_make (s_header_fields[i].type, s_header_fields[i].size);
        sh_rowset_add_field (rows, s_header_fields[i].name, type, true);
    }
    for (size_t i = 0; i < count; i++)
        s_push_header (rows, &headers[i]);
    free (headers);
    sh_out_rowset (self, rows);
    sh_rowset_destroy (&rows);
    return SH_OK;
}

static sh_status_t
s_verify_only (sh_session_t *self, const sh_stmt_t *stmt, const s_devices_t *devices)
{
    int64_t position = 1;
    for (const sh_option_t *option = stmt->options; option; option = option->next) {
        sh_value_t value = sh_value_null ();
        sh_type_t type = sh_type_of (SH_TYPE_INT);
        if (strcasecmp (option->name, "FILE") != 0 || !option->value)
            continue;
        sh_status_t status = sh_eval_to (self, option->value, &type, &value);
        if (status != SH_OK)
            return status;
        position = value.kind == SH_INT ? value.as.integer : 1;
    }
    sh_status_t status = sh_backup_verify ((const char *const *)devices->files, (int)devices->count,
                                           (int)position, &self->error);
    if (status == SH_OK)
        sh_out_info (self, 3262, "The backup set on file %lld is valid.", (long long)position);
    return status;
}

sh_flow_t
sh_exec_restore (sh_session_t *self, const sh_stmt_t *stmt)
{
    bool headers = strcasecmp (stmt->text, "HEADERONLY") == 0;
    s_devices_t devices = {.count = 0};
    sh_status_t status = s_devices_read (self, stmt->devices, &devices);
    for (size_t i = 0; i < devices.count; i++) {
        char *path = sh_backup_path (self->instance, devices.files[i]);
        free (devices.files[i]);
        devices.files[i] = path;
    }
    if (status == SH_OK)
        status =
            headers ? s_header_only (self, devices.files[0]) : s_verify_only (self, stmt, &devices);
    s_devices_free (&devices);
    if (status != SH_OK)
        return s_failed (self, stmt, headers ? "RESTORE HEADERONLY" : "VERIFY DATABASE", status);
    return sh_raise (self, SH_OK, stmt->line);
}
