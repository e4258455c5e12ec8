#include "agent/shell/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "agent/shell/native.h"
#include "common/digest.h"
#include "common/names.h"

#define S_QUERY_MS 60000

/*  BackupType ("RESTORE Statements - HEADERONLY"): 1 database, 2 log. */
static bool
s_is_type (const bm_sql_result_t *result, int set, size_t row, const char *type)
{
    int64_t number = bm_sql_result_int (result, set, row, "BackupType", 0);
    return number == (*type == 'D' ? 1 : 2);
}

/*  A backup that broke off stands in a header too, without an end. Times to the second: a header's has no fractions. */
static bool
s_fits (const bm_sql_result_t *result, int set, size_t row, const bm_header_want_t *want)
{
    const char *database = bm_sql_result_text (result, set, row, "DatabaseName");
    const char *began = bm_sql_result_text (result, set, row, "BackupStartDate");
    const char *ended = bm_sql_result_text (result, set, row, "BackupFinishDate");
    const char *last = bm_sql_result_text (result, set, row, "LastLSN");
    return database && began && ended && last && bm_names_equal (database, want->database) &&
           s_is_type (result, set, row, want->type) && strncmp (began, want->since, 19) >= 0 &&
           bm_sql_result_int (result, set, row, "IsDamaged", 0) == 0 &&
           bm_sql_result_int (result, set, row, "IsCopyOnly", 0) == 0;
}

/*  BackupSetGUID is what msdb calls backup_set_uuid. Where it is NULL, one is made of what tells this backup from every
 *  other, so that reading the header again gives the same. */
static void
s_read_uuid (Btsmark__BackupRow *self, const bm_sql_result_t *result, int set, size_t row)
{
    const char *uuid = bm_sql_result_text (result, set, row, "BackupSetGUID");
    if (uuid && strlen (uuid) == 36) {
        bm_answer_text (&self->uuid, uuid);
        return;
    }
    uint8_t digest[BM_DIGEST_BYTES];
    char digits[BM_DIGEST_TEXT_BYTES];
    char *whole = bm_format ("%s|%s|%s|%s|%s|%s|%s", self->server, self->database, self->type,
                             self->family, self->first_lsn, self->last_lsn, self->finished);
    bm_digest_sha256 (whole, strlen (whole), digest);
    bm_digest_text (digest, digits);
    char *made = bm_format ("%.8s-%.4s-8%.3s-a%.3s-%.12s", digits, digits + 8, digits + 12,
                            digits + 15, digits + 18);
    bm_answer_text (&self->uuid, made);
    free (made);
    free (whole);
}

static Btsmark__BackupRow *
s_read (const bm_sql_result_t *result, int set, size_t row, const bm_header_want_t *want)
{
    Btsmark__BackupRow *self = bm_alloc (sizeof *self);
    btsmark__backup_row__init (self);
    const struct {
        char **field;
        const char *column;
    } fields[] = {{&self->database, "DatabaseName"},
                  {&self->server, "ServerName"},
                  {&self->first_lsn, "FirstLSN"},
                  {&self->last_lsn, "LastLSN"},
                  {&self->checkpoint_lsn, "CheckpointLSN"},
                  {&self->database_backup_lsn, "DatabaseBackupLSN"},
                  {&self->started, "BackupStartDate"},
                  {&self->finished, "BackupFinishDate"},
                  {&self->first_fork, "FirstRecoveryForkID"},
                  {&self->last_fork, "RecoveryForkID"},
                  {&self->family, "FamilyGUID"},
                  {&self->user, "UserName"},
                  {&self->recovery_model, "RecoveryModel"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        bm_answer_text (fields[i].field, bm_sql_result_text (result, set, row, fields[i].column));
    bm_answer_text (&self->type, want->type);
    bm_answer_text (&self->device, want->file);
    self->position = (int32_t)bm_sql_result_int (result, set, row, "Position", 0);
    self->bytes = bm_sql_result_int (result, set, row, "BackupSize", 0);
    self->compressed_bytes =
        bm_sql_result_int (result, set, row, "CompressedBackupSize", self->bytes);
    self->has_checksums = bm_sql_result_int (result, set, row, "HasBackupChecksums", 0) != 0;
    self->from_header = true;
    s_read_uuid (self, result, set, row);
    return self;
}

bm_status_t
bm_header_read (bm_sql_t *sql, const bm_header_want_t *want, Btsmark__BackupRow **row_p,
                bm_error_t *error)
{
    *row_p = NULL;
    char *device = bm_native_device (want->file);
    char *credential = *want->credential ? bm_names_literal (want->credential) : NULL;
    char *batch = bm_format ("RESTORE HEADERONLY FROM %s%s%s;", device,
                             credential ? " WITH CREDENTIAL = " : "", credential ? credential : "");
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (sql, query, &result, error);
    int set =
        result ? bm_sql_result_find (result, (const char *[]){"BackupType", "DatabaseName", NULL})
               : -1;
    if (status == BM_OK && set < 0)
        status = bm_fail (error, BM_SQL_FAILED, "RESTORE HEADERONLY gave no answer");
    /*  The last one that fits: a file may hold several (NOINIT). */
    for (size_t i = status == BM_OK ? bm_sql_result_rows (result, set) : 0; i > 0 && !*row_p; i--)
        if (s_fits (result, set, i - 1, want))
            *row_p = s_read (result, set, i - 1, want);
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    free (credential);
    free (device);
    return status;
}
