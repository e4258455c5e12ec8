#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/names.h"
#include "coordinator/shell/history.h"

#define S_STATEMENT_MS 30000
#define S_CLEAR_MS     600000

/*  Takes the query. *result_p only when it succeeded. */
static bm_status_t
s_run (bm_management_t *management, const char *what, bm_sql_query_t *query, int64_t timeout_ms,
       bm_sql_result_t **result_p, bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    bm_sql_query_timeout_ms (query, timeout_ms);
    bm_status_t status = bm_management_run (management, query, &result, error);
    if (status)
        status = bm_management_explain (management, what, result, error);
    bm_sql_query_destroy (&query);
    if (status || !result_p)
        bm_sql_result_destroy (&result);
    else
        *result_p = result;
    return status;
}

/* ---- writing ---- */

bm_status_t
bm_history_split (const char *device, char **location_p, char **file_p, bm_error_t *error)
{
    const char *slash = strrchr (device, '/'), *backslash = strrchr (device, '\\');
    const char *last = slash && (!backslash || slash > backslash) ? slash : backslash;
    if (!last || !last[1])
        return bm_fail (error, BM_MANAGEMENT,
                        "\"%s\" is no file in a folder: it cannot be recorded in adm_BackupHistory",
                        device);
    size_t length = (size_t)(last - device);
    *location_p = bm_format ("%.*s", (int)(length ? length : 1), device);
    *file_p = bm_strdup (last + 1);
    return BM_OK;
}

static bm_status_t
s_check_fits (const char *column, const char *value, size_t limit, bm_error_t *error)
{
    size_t length = value ? bm_names_length (value) : 0;
    if (length <= limit)
        return BM_OK;
    bm_fail (error, BM_LIMIT, "adm_BackupHistory.%s takes %zu characters, \"%.200s%s\" has %zu",
             column, limit, value, strlen (value) > 200 ? "..." : "", length);
    bm_error_remedy (error, "use a shorter backup path or publish-as");
    return BM_LIMIT;
}

/*  The row as it stands must be the one that was to be written. */
static bm_status_t
s_check_row (const bm_sql_result_t *result, const bm_history_entry_t *entry, const char *location,
             const char *file, bm_error_t *error)
{
    int set = bm_sql_result_find (
        result, (const char *const[]){"BackupFileName", "BackupFileLocation", NULL});
    const char *stands_file =
        set >= 0 ? bm_sql_result_text (result, set, 0, "BackupFileName") : NULL;
    const char *stands_location =
        set >= 0 ? bm_sql_result_text (result, set, 0, "BackupFileLocation") : NULL;
    if (!stands_file || !stands_location)
        return bm_fail (
            error, BM_MANAGEMENT,
            "adm_BackupHistory: the row of %s in set %lld is not there after its INSERT",
            entry->database, (long long)entry->set_id);
    if (strcmp (stands_file, file) != 0 || strcmp (stands_location, location) != 0) {
        bm_fail (error, BM_MANAGEMENT,
                 "adm_BackupHistory: set %lld has %s on %s already, with the file %s in %s",
                 (long long)entry->set_id, entry->database, entry->server, stands_file,
                 stands_location);
        bm_error_remedy (error, "the backup itself is good and in the catalogue; the table takes "
                                "one row a set and database");
        return BM_MANAGEMENT;
    }
    return BM_OK;
}

bm_status_t
bm_history_insert (bm_management_t *management, const bm_history_entry_t *entry, bm_error_t *error)
{
    char *location = NULL, *file = NULL;
    bm_status_t status = bm_history_split (entry->device, &location, &file, error);
    if (!status)
        status = s_check_fits ("BackupFileName", file, 500, error);
    if (!status)
        status = s_check_fits ("BackupFileLocation", location, 3000, error);
    if (!status)
        status = s_check_fits ("MarkName", entry->mark, 32, error);
    if (!status)
        status = s_check_fits ("DatabaseName", entry->database, 128, error);
    if (!status)
        status = s_check_fits ("ServerName", entry->server, 128, error);
    if (!status) {
        bm_sql_query_t *query = bm_sql_query_new (
            "IF NOT EXISTS (SELECT 1 FROM dbo.adm_BackupHistory WHERE BackupSetId = @set AND "
            "DatabaseName = @database AND ServerName = @server) "
            "INSERT INTO dbo.adm_BackupHistory (BackupSetId, MarkName, DatabaseName, "
            "BackupFileName, "
            "BackupFileLocation, BackupType, BackupDateTime, SetComplete, ServerName) "
            "VALUES (@set, @mark, @database, @file, @location, @type, CONVERT (datetime, @time, "
            "121), 0, @server); "
            "SELECT BackupFileName, BackupFileLocation FROM dbo.adm_BackupHistory WHERE "
            "BackupSetId = @set AND "
            "DatabaseName = @database AND ServerName = @server");
        bm_sql_query_int (query, "@set", entry->set_id);
        bm_sql_query_text (query, "@mark", entry->mark);
        bm_sql_query_text (query, "@database", entry->database);
        bm_sql_query_text (query, "@server", entry->server);
        bm_sql_query_text (query, "@file", file);
        bm_sql_query_text (query, "@location", location);
        bm_sql_query_text (query, "@type", bm_set_type_name (entry->type));
        bm_sql_query_text (query, "@time", entry->time);
        bm_sql_result_t *result = NULL;
        status = s_run (management, "recording a backup in adm_BackupHistory", query,
                        S_STATEMENT_MS, &result, error);
        if (!status)
            status = s_check_row (result, entry, location, file, error);
        bm_sql_result_destroy (&result);
    }
    free (location);
    free (file);
    return status;
}

bm_status_t
bm_history_complete (bm_management_t *management, int64_t set_id, size_t databases,
                     bool *complete_p, bm_error_t *error)
{
    *complete_p = false;
    bm_sql_query_t *query = bm_sql_query_new (
        "UPDATE dbo.adm_BackupHistory SET SetComplete = 1 WHERE BackupSetId = @set AND "
        "(SELECT COUNT (*) FROM dbo.adm_BackupHistory WHERE BackupSetId = @set) = @databases; "
        "SELECT @@ROWCOUNT AS completed");
    bm_sql_query_int (query, "@set", set_id);
    bm_sql_query_int (query, "@databases", (int64_t)databases);
    bm_sql_result_t *result = NULL;
    bm_status_t status =
        s_run (management, "setting SetComplete", query, S_STATEMENT_MS, &result, error);
    int set = status ? -1 : bm_sql_result_find (result, (const char *const[]){"completed", NULL});
    *complete_p = set >= 0 && databases > 0 &&
                  bm_sql_result_int (result, set, 0, "completed", 0) == (int64_t)databases;
    bm_sql_result_destroy (&result);
    return status;
}

static bm_status_t
s_clear (bm_management_t *management, int days, bool local_time, bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_call_new ("dbo.sp_DeleteBackupHistory");
    bm_sql_query_int (query, "@DaysToKeep", days);
    if (local_time)
        bm_sql_query_bit (query, "@UseLocalTime", true);
    return s_run (management, "clearing the backup history", query, S_CLEAR_MS, NULL, error);
}

/*  Older versions do not know @UseLocalTime (their limit is in UTC, a few hours off): it is given only where it changes
 *  something, and left out where the procedure has no such parameter. */
bm_status_t
bm_history_clear (bm_management_t *management, int days, bool local_time, bm_error_t *error)
{
    if (days <= 0)
        return BM_OK;
    if (local_time) {
        bm_sql_result_t *result = NULL;
        bm_status_t status = s_run (
            management, "looking at sp_DeleteBackupHistory",
            bm_sql_query_new ("SELECT COUNT (*) AS parameters FROM sys.parameters WHERE object_id "
                              "= OBJECT_ID (N'dbo.sp_DeleteBackupHistory') AND name = "
                              "N'@UseLocalTime'"),
            S_STATEMENT_MS, &result, error);
        if (status)
            return status;
        int set = bm_sql_result_find (result, (const char *const[]){"parameters", NULL});
        local_time = set >= 0 && bm_sql_result_int (result, set, 0, "parameters", 0) > 0;
        bm_sql_result_destroy (&result);
    }
    return s_clear (management, days, local_time, error);
}

/* ---- reading ---- */

static char *
s_text (const bm_sql_result_t *result, int set, size_t row, const char *column)
{
    return bm_strdup (bm_sql_result_text (result, set, row, column));
}

bm_status_t
bm_history_sets (bm_management_t *management, size_t limit, bm_history_set_t **sets_p,
                 size_t *count_p, bm_error_t *error)
{
    *sets_p = NULL;
    *count_p = 0;
    char *batch = bm_format (
        "SELECT TOP (%zu) BackupSetId AS set_id, MAX (BackupType) AS type, MAX (MarkName) AS mark, "
        "MAX (BackupDateTime) AS at, COUNT (*) AS backups, "
        "MIN (CAST (SetComplete AS int)) AS complete FROM dbo.adm_BackupHistory "
        "GROUP BY BackupSetId ORDER BY BackupSetId DESC",
        limit);
    bm_sql_result_t *result = NULL;
    bm_status_t status = s_run (management, "reading the backup sets", bm_sql_query_new (batch),
                                S_STATEMENT_MS, &result, error);
    free (batch);
    if (status)
        return status;
    int set = bm_sql_result_find (result, (const char *const[]){"set_id", "type", NULL});
    size_t count = set >= 0 ? bm_sql_result_rows (result, set) : 0;
    *sets_p = count ? bm_alloc (count * sizeof **sets_p) : NULL;
    *count_p = count;
    for (size_t i = 0; i < count; i++) {
        bm_history_set_t *s = &(*sets_p)[i];
        s->set_id = bm_sql_result_int (result, set, i, "set_id", 0);
        bm_record_type_parse (bm_sql_result_text (result, set, i, "type"), &s->type);
        s->mark = s_text (result, set, i, "mark");
        s->time = s_text (result, set, i, "at");
        s->rows = (size_t)bm_sql_result_int (result, set, i, "backups", 0);
        s->complete = bm_sql_result_int (result, set, i, "complete", 0) == 1;
    }
    bm_sql_result_destroy (&result);
    return BM_OK;
}

void
bm_history_sets_destroy (bm_history_set_t **sets_p, size_t count)
{
    for (size_t i = 0; *sets_p && i < count; i++) {
        free ((*sets_p)[i].mark);
        free ((*sets_p)[i].time);
    }
    free (*sets_p);
    *sets_p = NULL;
}

bm_status_t
bm_history_summary (bm_management_t *management, bm_history_summary_t *summary, bm_error_t *error)
{
    memset (summary, 0, sizeof *summary);
    bm_sql_query_t *query = bm_sql_query_new (
        "SELECT TOP (1) BackupSetId AS newest_set, BackupDateTime AS newest_at, "
        "(SELECT MIN (CAST (i.SetComplete AS int)) FROM dbo.adm_BackupHistory i WHERE "
        "i.BackupSetId = "
        "h.BackupSetId) AS newest_complete FROM dbo.adm_BackupHistory h WHERE BackupType = 'db' "
        "ORDER BY BackupDateTime DESC, BackupSetId DESC; "
        "SELECT TOP (1) BackupSetId AS good_set, BackupDateTime AS good_at FROM "
        "dbo.adm_BackupHistory "
        "WHERE BackupType = 'db' AND SetComplete = 1 ORDER BY BackupDateTime DESC, BackupSetId "
        "DESC; "
        "SELECT MAX (CASE WHEN SetComplete = 0 THEN BackupSetId END) AS partial_set, "
        "MAX (BackupSetId) AS greatest_set FROM dbo.adm_BackupHistory");
    bm_sql_result_t *r = NULL;
    bm_status_t status =
        s_run (management, "reading the backup history", query, S_STATEMENT_MS, &r, error);
    if (status)
        return status;
    int set = bm_sql_result_find (r, (const char *const[]){"newest_set", "newest_at", NULL});
    if (set >= 0 && bm_sql_result_rows (r, set) > 0) {
        summary->newest_full_set = bm_sql_result_int (r, set, 0, "newest_set", 0);
        summary->newest_full_time = s_text (r, set, 0, "newest_at");
        summary->newest_full_complete = bm_sql_result_int (r, set, 0, "newest_complete", 0) == 1;
    }
    set = bm_sql_result_find (r, (const char *const[]){"good_set", "good_at", NULL});
    if (set >= 0 && bm_sql_result_rows (r, set) > 0) {
        summary->newest_complete_full_set = bm_sql_result_int (r, set, 0, "good_set", 0);
        summary->newest_complete_full_time = s_text (r, set, 0, "good_at");
    }
    set = bm_sql_result_find (r, (const char *const[]){"partial_set", "greatest_set", NULL});
    if (set >= 0 && bm_sql_result_rows (r, set) > 0) {
        summary->newest_partial_set = bm_sql_result_int (r, set, 0, "partial_set", 0);
        summary->greatest_set = bm_sql_result_int (r, set, 0, "greatest_set", 0);
    }
    bm_sql_result_destroy (&r);
    return BM_OK;
}

void
bm_history_summary_clear (bm_history_summary_t *self)
{
    free (self->newest_full_time);
    free (self->newest_complete_full_time);
    memset (self, 0, sizeof *self);
}

bm_status_t
bm_history_rows (bm_management_t *management, int64_t set_id, bm_history_row_t **rows_p,
                 size_t *count_p, bm_error_t *error)
{
    *rows_p = NULL;
    *count_p = 0;
    bm_sql_query_t *query = bm_sql_query_new (
        "SELECT BackupSetId, MarkName, DatabaseName, ServerName, BackupFileName, "
        "BackupFileLocation, BackupType, "
        "BackupDateTime, CAST (SetComplete AS int) AS complete FROM dbo.adm_BackupHistory "
        "WHERE BackupSetId = @set ORDER BY BackupId");
    bm_sql_query_int (query, "@set", set_id);
    bm_sql_result_t *r = NULL;
    bm_status_t status =
        s_run (management, "reading a backup set", query, S_STATEMENT_MS, &r, error);
    if (status)
        return status;
    int set = bm_sql_result_find (r, (const char *const[]){"BackupSetId", "complete", NULL});
    size_t count = set >= 0 ? bm_sql_result_rows (r, set) : 0;
    *rows_p = count ? bm_alloc (count * sizeof **rows_p) : NULL;
    *count_p = count;
    for (size_t i = 0; i < count; i++) {
        bm_history_row_t *row = &(*rows_p)[i];
        row->set_id = bm_sql_result_int (r, set, i, "BackupSetId", 0);
        bm_record_type_parse (bm_sql_result_text (r, set, i, "BackupType"), &row->type);
        row->mark = s_text (r, set, i, "MarkName");
        row->server = s_text (r, set, i, "ServerName");
        row->database = s_text (r, set, i, "DatabaseName");
        row->file_name = s_text (r, set, i, "BackupFileName");
        row->location = s_text (r, set, i, "BackupFileLocation");
        row->time = s_text (r, set, i, "BackupDateTime");
        row->complete = bm_sql_result_int (r, set, i, "complete", 0) == 1;
    }
    bm_sql_result_destroy (&r);
    return BM_OK;
}

void
bm_history_rows_destroy (bm_history_row_t **rows_p, size_t count)
{
    for (size_t i = 0; *rows_p && i < count; i++) {
        bm_history_row_t *row = &(*rows_p)[i];
        free (row->mark);
        free (row->server);
        free (row->database);
        free (row->file_name);
        free (row->location);
        free (row->time);
    }
    free (*rows_p);
    *rows_p = NULL;
}

char *
bm_history_time (int64_t utc_us, bool local, char buffer[BM_HISTORY_TIME_BYTES])
{
    time_t seconds = (time_t)(utc_us / 1000000);
    struct tm parts;
    if (local)
        localtime_r (&seconds, &parts);
    else
        gmtime_r (&seconds, &parts);
    size_t length = strftime (buffer, BM_HISTORY_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf (buffer + length, BM_HISTORY_TIME_BYTES - length, ".%03u",
              (unsigned)(utc_us / 1000 % 1000) % 1000);
    return buffer;
}
