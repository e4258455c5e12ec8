/*  BACKUP, RESTORE HEADERONLY and VERIFYONLY. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp.h"

typedef struct {
    sh_backup_t backup;
    char *files[SH_BACKUP_FILES_MAX];
    char *name;
    char *description;
    int file_number; /* FILE = n of RESTORE */
} s_job_t;

static void
s_clear (s_job_t *job)
{
    for (int i = 0; i < job->backup.file_count; i++)
        free (job->files[i]);
    free (job->name);
    free (job->description);
}

static sh_status_t
s_devices (sh_session_t *self, const sh_stmt_t *stmt, s_job_t *job)
{
    for (const sh_expr_t *device = stmt->devices; device; device = device->next) {
        char *path = NULL;
        if (job->backup.file_count == SH_BACKUP_FILES_MAX)
            return sh_error_set (
                self, 3205, 16, 1,
                "Too many backup devices specified for backup or restore; only %d are "
                "allowed.",
                SH_BACKUP_FILES_MAX);
        sh_status_t status = sh_eval_text (self, device, &path);
        if (status != SH_OK)
            return status;
        if (!path || !*path) {
            free (path);
            return sh_error_set (
                self, 3044, 16, 2,
                "Invalid zero-length device name. Reissue the BACKUP statement with a "
                "valid device name.");
        }
        job->files[job->backup.file_count++] = path;
    }
    job->backup.files = (const char *const *)job->files;
    return SH_OK;
}

static sh_status_t
s_option_number (sh_session_t *self, const sh_option_t *option, int *out)
{
    sh_value_t value;
    sh_type_t type = sh_type_of (SH_TYPE_INT);
    sh_status_t status = sh_eval_to (self, option->value, &type, &value);
    if (status == SH_OK)
        *out = value.kind == SH_INT ? (int)value.as.integer : 0;
    return status;
}

static sh_status_t
s_option (sh_session_t *self, const sh_option_t *option, s_job_t *job)
{
    static const char *const harmless[] = {"NOSKIP",         "SKIP",          "NOREWIND",
                                           "REWIND",         "NOUNLOAD",      "UNLOAD",
                                           "NO_CHECKSUM",    "STOP_ON_ERROR", "NOFORMAT",
                                           "NO_COMPRESSION", "MEDIANAME",     "MEDIADESCRIPTION",
                                           "BUFFERCOUNT",    "BLOCKSIZE",     "MAXTRANSFERSIZE",
                                           "RETAINDAYS",     "EXPIREDATE"};
    sh_backup_t *backup = &job->backup;
    const char *name = option->name;
    if (sh_same (name, "INIT"))
        backup->init = true;
    else if (sh_same (name, "NOINIT"))
        backup->init = false;
    else if (sh_same (name, "FORMAT"))
        backup->format = true;
    else if (sh_same (name, "CHECKSUM"))
        backup->checksum = true;
    else if (sh_same (name, "COMPRESSION"))
        backup->compress = true;
    else if (sh_same (name, "COPY_ONLY"))
        backup->copy_only = true;
    else if (sh_same (name, "STATS")) {
        backup->stats = 10;
        if (option->value)
            return s_option_number (self, option, &backup->stats);
    } else if (sh_same (name, "FILE") && option->value)
        return s_option_number (self, option, &job->file_number);
    else if ((sh_same (name, "NAME") || sh_same (name, "DESCRIPTION")) && option->value)
        return sh_eval_text (self, option->value,
                             sh_same (name, "NAME") ? &job->name : &job->description);
    else {
        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
            if (sh_same (name, harmless[i]))
                return SH_OK;
        char text[160];
        snprintf (text, sizeof text, "The option %.100s", name);
        return sh_error_unsupported (self, text);
    }
    return SH_OK;
}

static sh_status_t
s_prepare (sh_session_t *self, const sh_stmt_t *stmt, s_job_t *job)
{
    sh_status_t status = SH_OK;
    for (const sh_option_t *option = stmt->options; option && status == SH_OK;
         option = option->next)
        status = s_option (self, option, job);
    return status == SH_OK ? s_devices (self, stmt, job) : status;
}

static sh_status_t
s_database (sh_session_t *self, const sh_stmt_t *stmt, int *db_id)
{
    char *name = NULL;
    sh_status_t status = SH_OK;
    if (stmt->text)
        name = sh_strdup (stmt->text);
    else
        status = sh_eval_text (self, stmt->name_expr, &name);
    sh_db_info_t info;
    if (status == SH_OK && (!name || sh_db_find (self->instance, name, &info) != SH_OK))
        status = sh_error_set (
            self, 911, 16, 11,
            "Database '%s' does not exist. Make sure that the name is entered correctly.",
            name ? name : "");
    if (status == SH_OK) {
        *db_id = info.id;
        status = sh_db_usable (self->engine, info.id, &self->error);
    }
    free (name);
    return status;
}

/*  The cause, then 3013. In a TRY only the last one can be caught, as in SQL Server. */
static sh_flow_t
s_failed (sh_session_t *self, const sh_stmt_t *stmt, const char *what)
{
    if (self->error.number == 3009)
        return sh_raise (self, SH_ERROR, stmt->line);
    if (!self->try_depth)
        sh_out_message (self, &self->error, stmt->line);
    sh_error_set (self, 3013, 16, 1, "%s is terminating abnormally.", what);
    return sh_raise (self, SH_ERROR, stmt->line);
}

sh_flow_t
sh_exec_backup (sh_session_t *self, const sh_stmt_t *stmt)
{
    s_job_t job = {.backup = {.log = stmt->flag}};
    const char *what = stmt->flag ? "BACKUP LOG" : "BACKUP DATABASE";
    sh_status_t status = SH_OK;
    if (self->trancount > 0)
        status =
            sh_error_set (self, 3021, 16, 0,
                          "Cannot perform a backup or restore operation within a transaction.");
    if (status == SH_OK)
        status = s_prepare (self, stmt, &job);
    if (status == SH_OK)
        status = s_database (self, stmt, &job.backup.db_id);
    if (status == SH_OK) {
        job.backup.name = job.name;
        job.backup.description = job.description;
        sh_esession_request (self->engine, what, self->statement_text, job.backup.db_id);
        status = sh_backup (self->engine, &job.backup, NULL, &self->error);
        sh_esession_request (self->engine, "SELECT", self->statement_text, self->db_id);
    }
    s_clear (&job);
    if (status == SH_ERROR)
        return s_failed (self, stmt, what);
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK)
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    return flow;
}

/*  ---- RESTORE HEADERONLY: "RESTORE Statements - HEADERONLY (Transact-SQL)", in its order ---- */

static void
s_put_text (sh_value_t *to, const char *text)
{
    *to = sh_value_own (text, strlen (text));
}

static void
s_put_lsn (sh_value_t *to, int64_t lsn)
{
    char text[32];
    snprintf (text, sizeof text, "%lld", (long long)lsn);
    sh_value_t borrowed = sh_value_decimal (text);
    *to = sh_value_copy (&borrowed);
}

typedef struct {
    const char *name;
    char
        type; /* n nvarchar  s smallint  t tinyint  i int  d datetime  b bit  2 numeric (20)  5 numeric (25)  g guid  l bigint  v varbinary */
} s_header_t;

static const s_header_t s_headers[] = {{"BackupName", 'n'},
                                       {"BackupDescription", 'n'},
                                       {"BackupType", 's'},
                                       {"ExpirationDate", 'd'},
                                       {"Compressed", 'b'},
                                       {"Position", 's'},
                                       {"DeviceType", 't'},
                                       {"UserName", 'n'},
                                       {"ServerName", 'n'},
                                       {"DatabaseName", 'n'},
                                       {"DatabaseVersion", 'i'},
                                       {"DatabaseCreationDate", 'd'},
                                       {"BackupSize", '2'},
                                       {"FirstLSN", '5'},
                                       {"LastLSN", '5'},
                                       {"CheckpointLSN", '5'},
                                       {"DatabaseBackupLSN", '5'},
                                       {"BackupStartDate", 'd'},
                                       {"BackupFinishDate", 'd'},
                                       {"SortOrder", 's'},
                                       {"CodePage", 's'},
                                       {"UnicodeLocaleId", 'i'},
                                       {"UnicodeComparisonStyle", 'i'},
                                       {"CompatibilityLevel", 't'},
                                       {"SoftwareVendorId", 'i'},
                                       {"SoftwareVersionMajor", 'i'},
                                       {"SoftwareVersionMinor", 'i'},
                                       {"SoftwareVersionBuild", 'i'},
                                       {"MachineName", 'n'},
                                       {"Flags", 'i'},
                                       {"BindingID", 'g'},
                                       {"RecoveryForkID", 'g'},
                                       {"Collation", 'n'},
                                       {"FamilyGUID", 'g'},
                                       {"HasBulkLoggedData", 'b'},
                                       {"IsSnapshot", 'b'},
                                       {"IsReadOnly", 'b'},
                                       {"IsSingleUser", 'b'},
                                       {"HasBackupChecksums", 'b'},
                                       {"IsDamaged", 'b'},
                                       {"BeginsLogChain", 'b'},
                                       {"HasIncompleteMetaData", 'b'},
                                       {"IsForceOffline", 'b'},
                                       {"IsCopyOnly", 'b'},
                                       {"FirstRecoveryForkID", 'g'},
                                       {"ForkPointLSN", '5'},
                                       {"RecoveryModel", 'n'},
                                       {"DifferentialBaseLSN", '5'},
                                       {"DifferentialBaseGUID", 'g'},
                                       {"BackupTypeDescription", 'n'},
                                       {"BackupSetGUID", 'g'},
                                       {"CompressedBackupSize", 'l'},
                                       {"containment", 't'},
                                       {"KeyAlgorithm", 'n'},
                                       {"EncryptorThumbprint", 'v'},
                                       {"EncryptorType", 'n'}};

static sh_type_t
s_header_type (char type)
{
    switch (type) {
        case 's':
            return sh_type_of (SH_TYPE_SMALLINT);
        case 't':
            return sh_type_of (SH_TYPE_TINYINT);
        case 'i':
            return sh_type_of (SH_TYPE_INT);
        case 'l':
            return sh_type_of (SH_TYPE_BIGINT);
        case 'd':
            return sh_type_of (SH_TYPE_DATETIME);
        case 'b':
            return sh_type_of (SH_TYPE_BIT);
        case '2':
            return sh_type_numeric (20, 0);
        case '5':
            return sh_type_numeric (25, 0);
        case 'g':
            return sh_type_of (SH_TYPE_UNIQUEIDENTIFIER);
        case 'v':
            return sh_type_make (SH_TYPE_VARBINARY, 20);
        default:
            return sh_type_nvarchar (260);
    }
}

static void
s_header_row (sh_rowset_t *rows, const sh_backup_header_t *h)
{
    sh_value_t *v = sh_rowset_add_row (rows);
    s_put_text (&v[0], h->name);
    s_put_text (&v[1], h->description);
    v[2] = sh_value_int (h->log ? 2 : 1);
    v[4] = sh_value_int (h->compressed);
    v[5] = sh_value_int (h->position);
    v[6] = sh_value_int (2);
    s_put_text (&v[7], h->user_name);
    s_put_text (&v[8], h->server_name);
    s_put_text (&v[9], h->database_name);
    v[10] = sh_value_int (904);
    v[11] = sh_value_ticks (h->database_created);
    s_put_lsn (&v[12], h->bytes);
    s_put_lsn (&v[13], h->first_lsn);
    s_put_lsn (&v[14], h->last_lsn);
    s_put_lsn (&v[15], h->checkpoint_lsn);
    s_put_lsn (&v[16], h->database_backup_lsn);
    v[17] = sh_value_ticks (h->started);
    v[18] = sh_value_ticks (h->finished);
    static const int fixed[][2] = {{19, 52}, {20, 0}, {21, 1033}, {22, 196609}, {24, 4608},
                                   {25, 15}, {26, 0}, {27, 4415}, {29, 512},    {35, 0},
                                   {41, 0},  {42, 0}, {52, 0}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        v[fixed[i][0]] = sh_value_int (fixed[i][1]);
    v[23] = sh_value_int (h->compatibility);
    s_put_text (&v[28], h->machine_name);
    v[30] = sh_value_guid (h->database_guid);
    v[31] = sh_value_guid (h->last_fork);
    s_put_text (&v[32], h->collation);
    v[33] = sh_value_guid (h->family_guid);
    v[34] = sh_value_int (h->bulk_logged);
    v[36] = sh_value_int (h->read_only);
    v[37] = sh_value_int (h->single_user);
    v[38] = sh_value_int (h->checksums);
    v[39] = sh_value_int (h->damaged);
    v[40] = sh_value_int (h->begins_log_chain);
    v[43] = sh_value_int (h->copy_only);
    v[44] = sh_value_guid (h->first_fork);
    s_put_text (&v[46], h->recovery);
    s_put_text (&v[49], h->log ? "Transaction Log" : "Database");
    v[50] = sh_value_guid (h->set_guid);
    v[51] = sh_value_int (h->stored_bytes);
}

static sh_status_t
s_header_only (sh_session_t *self, const s_job_t *job)
{
    sh_backup_header_t *headers = NULL;
    size_t count = 0;
    char *path = sh_backup_path (self->instance, job->files[0]);
    sh_status_t status = sh_backup_headers (path, &headers, &count, &self->error);
    if (status == SH_OK) {
        sh_rowset_t *rows = sh_rowset_new ();
        for (size_t i = 0; i < sizeof s_headers / sizeof *s_headers; i++)
            sh_rowset_add_field (rows, s_headers[i].name, s_header_type (s_headers[i].type), true);
        for (size_t i = 0; i < count; i++)
            if (!job->file_number || headers[i].position == job->file_number)
                s_header_row (rows, &headers[i]);
        sh_out_rowset (self, rows);
        sh_out_done (self, SH_COMMAND_SELECT, true, (int64_t)rows->row_count);
        sh_rowset_destroy (&rows);
    }
    free (headers);
    free (path);
    return status;
}

static sh_status_t
s_verify_only (sh_session_t *self, const s_job_t *job)
{
    char *paths[SH_BACKUP_FILES_MAX];
    for (int i = 0; i < job->backup.file_count; i++)
        paths[i] = sh_backup_path (self->instance, job->files[i]);
    sh_status_t status = sh_backup_verify ((const char *const *)paths, job->backup.file_count,
                                           job->file_number ? job->file_number : 1, &self->error);
    for (int i = 0; i < job->backup.file_count; i++)
        free (paths[i]);
    if (status == SH_OK) {
        sh_error_t message = {.number = 3262, .severity = 10, .state = 1};
        snprintf (message.text, sizeof message.text, "The backup set on file %d is valid.",
                  job->file_number ? job->file_number : 1);
        sh_out_message (self, &message, self->frame->statement_line);
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    }
    return status;
}

sh_flow_t
sh_exec_restore (sh_session_t *self, const sh_stmt_t *stmt)
{
    s_job_t job = {0};
    bool header = sh_same (stmt->text, "HEADERONLY");
    sh_status_t status = s_prepare (self, stmt, &job);
    if (status == SH_OK)
        status = header ? s_header_only (self, &job) : s_verify_only (self, &job);
    s_clear (&job);
    if (status == SH_ERROR)
        return s_failed (self, stmt, header ? "RESTORE HEADERONLY" : "VERIFY DATABASE");
    return sh_raise (self, status, stmt->line);
}
