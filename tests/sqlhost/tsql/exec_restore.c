/*  RESTORE HEADERONLY, FILELISTONLY and VERIFYONLY. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_job.h"
#include "rights.h"

/*  ---- RESTORE HEADERONLY: "RESTORE Statements - HEADERONLY (Transact-SQL)", in its order ---- */

/*  An empty text was not given: NULL. */
static void
s_put_text (sh_value_t *to, const char *text)
{
    if (*text)
        *to = sh_value_own (text, strlen (text));
}

static void
s_put_lsn (sh_value_t *to, int64_t lsn)
{
    char text[32];
    snprintf (text, sizeof text, "%" PRId64, lsn);
    sh_value_t borrowed = sh_value_decimal (text);
    *to = sh_value_copy (&borrowed);
}

/*  n nvarchar  c char (1)  s smallint  t tinyint  i int  l bigint  d datetime  b bit  g guid
 *  v varbinary  2 numeric (20)  5 numeric (25) */
typedef struct {
    const char *name;
    char type;
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
        case 'c':
            return sh_type_make (SH_TYPE_CHAR, 1);
        default:
            return sh_type_nvarchar (260);
    }
}

/*  "Flags" of HEADERONLY, in bits; 512 is set since SQL Server 2008. */
static int
s_flags (const sh_backup_header_t *h)
{
    return 512 | h->bulk_logged | h->read_only << 2 | h->single_user << 3 | h->checksums << 4 |
           h->damaged << 5;
}

static void
s_header_flags (sh_value_t *v, const sh_backup_header_t *h)
{
    v[29] = sh_value_int (s_flags (h));
    v[34] = sh_value_int (h->bulk_logged);
    v[36] = sh_value_int (h->read_only);
    v[37] = sh_value_int (h->single_user);
    v[38] = sh_value_int (h->checksums);
    v[39] = sh_value_int (h->damaged);
    v[40] = sh_value_int (h->begins_log_chain);
    v[43] = sh_value_int (h->copy_only);
}

static void
s_header_row (sh_rowset_t *rows, const sh_backup_header_t *h)
{
    static const int fixed[][2] = {{6, 2},       {10, 904},  {19, 52}, {20, 0}, {21, 1033},
                                   {22, 196609}, {24, 4608}, {25, 15}, {26, 0}, {27, 4415},
                                   {35, 0},      {41, 0},    {42, 0},  {52, 0}};
    sh_value_t *v = sh_rowset_add_row (rows);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        v[fixed[i][0]] = sh_value_int (fixed[i][1]);
    s_put_text (&v[0], h->name);
    s_put_text (&v[1], h->description);
    v[2] = sh_value_int (h->log ? 2 : 1);
    if (h->expires)
        v[3] = sh_value_ticks (h->expires);
    v[4] = sh_value_int (h->compressed);
    v[5] = sh_value_int (h->position);
    s_put_text (&v[7], h->user_name);
    s_put_text (&v[8], h->server_name);
    s_put_text (&v[9], h->database_name);
    v[11] = sh_value_ticks (h->database_created);
    s_put_lsn (&v[13], h->first_lsn);
    s_put_lsn (&v[15], h->checkpoint_lsn);
    s_put_lsn (&v[16], h->database_backup_lsn);
    v[17] = sh_value_ticks (h->started);
    if (!h->damaged) { /* what stands at the end of a set is known when there is one */
        s_put_lsn (&v[12], h->bytes);
        s_put_lsn (&v[14], h->last_lsn);
        v[18] = sh_value_ticks (h->finished);
        v[51] = sh_value_int (h->stored_bytes);
    }
    v[23] = sh_value_int (h->compatibility);
    s_put_text (&v[28], h->machine_name);
    v[30] = sh_value_guid (h->database_guid);
    v[31] = sh_value_guid (h->last_fork);
    s_put_text (&v[32], h->collation);
    v[33] = sh_value_guid (h->family_guid);
    s_header_flags (v, h);
    v[44] = sh_value_guid (h->first_fork);
    s_put_text (&v[46], h->recovery);
    s_put_text (&v[49], h->log ? "Transaction Log" : "Database");
    v[50] = sh_value_guid (h->set_guid);
}

static void
s_send (sh_session_t *self, sh_rowset_t *rows)
{
    sh_out_rowset (self, rows);
    sh_out_done (self, SH_COMMAND_SELECT, true, (int64_t)rows->row_count);
    sh_rowset_destroy (&rows);
}

static sh_rowset_t *
s_rowset (const s_header_t *fields, size_t count)
{
    sh_rowset_t *rows = sh_rowset_new ();
    for (size_t i = 0; i < count; i++)
        sh_rowset_add_field (rows, fields[i].name, s_header_type (fields[i].type), true);
    return rows;
}

/*  All sets of the first file; other stripes must be of the same sets. */
static sh_status_t
s_header_only (sh_session_t *self, const char *const *files, const sh_job_t *job)
{
    sh_backup_header_t *headers = NULL, other;
    size_t count = 0;
    sh_status_t status =
        sh_backup_headers (self->instance, files[0], &headers, &count, &self->error);
    for (size_t i = 0; status == SH_OK && job->backup.file_count > 1 && i < count; i++)
        status = sh_backup_header (self->instance, files, job->backup.file_count, (int)i + 1,
                                   &other, &self->error);
    if (status == SH_OK) {
        sh_rowset_t *rows = s_rowset (s_headers, sizeof s_headers / sizeof *s_headers);
        for (size_t i = 0; i < count; i++)
            if (!job->file_number || headers[i].position == job->file_number)
                s_header_row (rows, &headers[i]);
        s_send (self, rows);
    }
    free (headers);
    return status;
}

/*  ---- RESTORE FILELISTONLY: "RESTORE Statements - FILELISTONLY (Transact-SQL)" ---- */

static const s_header_t s_files[] = {{"LogicalName", 'n'},
                                     {"PhysicalName", 'n'},
                                     {"Type", 'c'},
                                     {"FileGroupName", 'n'},
                                     {"Size", '2'},
                                     {"MaxSize", '2'},
                                     {"FileID", 'l'},
                                     {"CreateLSN", '5'},
                                     {"DropLSN", '5'},
                                     {"UniqueID", 'g'},
                                     {"ReadOnlyLSN", '5'},
                                     {"ReadWriteLSN", '5'},
                                     {"BackupSizeInBytes", 'l'},
                                     {"SourceBlockSize", 'i'},
                                     {"FileGroupID", 'i'},
                                     {"LogGroupGUID", 'g'},
                                     {"DifferentialBaseLSN", '5'},
                                     {"DifferentialBaseGUID", 'g'},
                                     {"IsReadOnly", 'b'},
                                     {"IsPresent", 'b'},
                                     {"TDEThumbprint", 'v'},
                                     {"SnapshotURL", 'n'}};

static void
s_file_row (sh_rowset_t *rows, const sh_backup_header_t *h, bool log)
{
    sh_value_t *v = sh_rowset_add_row (rows);
    char name[140];
    uint8_t id[16];
    snprintf (name, sizeof name, "%s%s", h->database_name, log ? "_log" : "");
    s_put_text (&v[0], name);
    s_put_text (&v[1], log ? h->log_file : h->data_file);
    s_put_text (&v[2], log ? "L" : "D");
    s_put_text (&v[3], log ? "" : "PRIMARY");
    s_put_lsn (&v[4], log ? h->log_bytes : h->data_bytes);
    s_put_lsn (&v[5], INT64_C (35184372080640));
    v[6] = sh_value_int (log ? 2 : 1);
    for (int i = 7; i < 12; i++)
        if (i != 9)
            s_put_lsn (&v[i], 0);
    memcpy (id, h->family_guid, 16); /* one for each file of the database, always the same */
    id[15] ^= (uint8_t)(log + 1);
    v[9] = sh_value_guid (id);
    v[12] = sh_value_int (log == h->log ? h->bytes : 0);
    v[13] = sh_value_int (512);
    v[14] = sh_value_int (log ? 0 : 1);
    s_put_lsn (&v[16], 0);
    v[18] = sh_value_int (h->read_only);
    v[19] = sh_value_int (1);
}

static sh_status_t
s_file_list (sh_session_t *self, const char *const *files, const sh_job_t *job)
{
    sh_backup_header_t header;
    sh_status_t status =
        sh_backup_header (self->instance, files, job->backup.file_count,
                          job->file_number ? job->file_number : 1, &header, &self->error);
    if (status != SH_OK)
        return status;
    sh_rowset_t *rows = s_rowset (s_files, sizeof s_files / sizeof *s_files);
    s_file_row (rows, &header, false);
    s_file_row (rows, &header, true);
    s_send (self, rows);
    return SH_OK;
}

/*  ---- RESTORE VERIFYONLY ---- */

static sh_status_t
s_verify_only (sh_session_t *self, const char *const *files, const sh_job_t *job)
{
    int position = job->file_number ? job->file_number : 1;
    sh_status_t status = sh_backup_verify (self->instance, files, job->backup.file_count, position,
                                           job->backup.checksum == SH_CHOICE_YES, &self->error);
    if (status == SH_OK) {
        sh_error_t message = {.number = 3262, .severity = 10, .state = 1};
        snprintf (message.text, sizeof message.text, "The backup set on file %d is valid.",
                  position);
        sh_out_message (self, &message, self->frame->statement_line);
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    }
    return status;
}

static const struct {
    const char *word;
    const char *what; /* in 3013 */
    sh_status_t (*run) (sh_session_t *self, const char *const *files, const sh_job_t *job);
} s_kinds[] = {{"HEADERONLY", "RESTORE HEADERONLY", s_header_only},
               {"FILELISTONLY", "RESTORE FILELIST", s_file_list},
               {"VERIFYONLY", "VERIFY DATABASE", s_verify_only}};

sh_flow_t
sh_exec_restore (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_job_t job = {.file_number = 0};
    size_t kind = 0;
    while (!sh_same (stmt->text, s_kinds[kind].word))
        kind++;
    /*  "RESTORE Statements": reading a backup wants CREATE DATABASE. */
    sh_status_t status = sh_check_database (self, SH_DB_MASTER, "CREATE DATABASE");
    if (status == SH_OK)
        status = sh_job_prepare (self, stmt, &job);
    if (status == SH_OK)
        status = s_kinds[kind].run (self, job.backup.files, &job);
    sh_job_clear (&job);
    if (status == SH_ERROR)
        return sh_job_failed (self, stmt, s_kinds[kind].what);
    return sh_raise (self, status, stmt->line);
}
