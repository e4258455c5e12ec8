#include "agent/shell/backup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "agent/shell/files.h"
#include "agent/shell/header.h"
#include "agent/shell/native.h"
#include "agent/shell/path.h"
#include "agent/shell/rows.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"

#define S_QUERY_MS     30000
#define S_RECONNECT_MS 60000 /* for SQL Server to be asked again after the connection was lost */
#define S_CANCELLED_MS 8000 /* the same for one that was cancelled: somebody waits for us to stop */
#define S_STILL_MS     600000 /* for a backup whose connection is gone to end in SQL Server */

/*  What SQL Server said before the backup began. */
typedef struct s_before {
    char *now; /* its own clock: rows are compared with that one only */
    char *server;
    int64_t last_id;
    int spid;
} s_before_t;

static const char *
s_type (const Btsmark__Backup *order)
{
    return order->type == BTSMARK__SET_TYPE__FULL ? "D" : "L";
}

Btsmark__BackupDone *
bm_backup_not_begun (const Btsmark__Backup *order, Btsmark__BackupStatus status,
                     const bm_error_t *error)
{
    Btsmark__BackupDone *done = bm_alloc (sizeof *done);
    btsmark__backup_done__init (done);
    bm_answer_text (&done->instance, order->instance);
    bm_answer_text (&done->database, order->database);
    done->type = order->type;
    done->status = status;
    done->file_bytes = -1;
    done->fault = bm_answer_fault (error);
    return done;
}

static bm_status_t
s_look_before (bm_sql_t *sql, s_before_t *before, bm_error_t *error)
{
    bm_sql_query_t *query =
        bm_sql_query_new ("SELECT CONVERT (nvarchar(23), GETDATE (), 121) AS bm_now,"
                          " CONVERT (nvarchar(128), SERVERPROPERTY (N'servername')) AS bm_server;\n"
                          "SELECT MAX (backup_set_id) AS last_id FROM msdb.dbo.backupset;");
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (sql, query, &result, error);
    bm_sql_query_destroy (&query);
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_now", NULL}) : -1;
    if (status == BM_OK && (set < 0 || bm_sql_result_rows (result, set) != 1))
        status = bm_fail (error, BM_SQL_FAILED, "SQL Server did not say its time");
    if (status == BM_OK) {
        const char *now = bm_sql_result_text (result, set, 0, "bm_now");
        const char *server = bm_sql_result_text (result, set, 0, "bm_server");
        before->now = bm_strdup (now ? now : "");
        before->server = bm_strdup (server ? server : "");
        set = bm_sql_result_find (result, (const char *[]){"last_id", NULL});
        if (set >= 0 && bm_sql_result_rows (result, set) == 1)
            before->last_id = bm_sql_result_int (result, set, 0, "last_id", 0);
    }
    bm_sql_result_destroy (&result);
    return status;
}

/*  What is called, and what comes of it. */
typedef struct s_call {
    bm_native_t *native; /* NULL: BizTalk's procedure */
    char *file;          /* where it goes, as far as we can tell: the first stripe */
    char *name;          /* of the file alone; NULL once the whole path is known for sure */
    bm_sql_result_t *result;
    bm_status_t status;
    bm_error_t error;
    bool cancelled;
} s_call_t;

static bm_status_t
s_plan (const bm_backup_t *self, const Btsmark__Backup *order, const char *server, s_call_t *call,
        bm_error_t *error)
{
    if (order->method == BTSMARK__METHOD__NATIVE) {
        call->native = bm_native_new (order, server, self->path, error);
        if (!call->native)
            return error->status;
        call->file = bm_strdup (call->native->files[0]);
        return BM_OK;
    }
    call->name = bm_names_backup_file (server, order->database,
                                       order->type == BTSMARK__SET_TYPE__FULL, order->sequence);
    call->file = bm_names_join_path (self->path, call->name);
    return BM_OK;
}

/*  BizTalk's own procedure, called as BizTalk calls it; @bCompression only where it has one. */
static bm_sql_query_t *
s_procedure (const bm_backup_t *self, const Btsmark__Backup *order)
{
    char *database = bm_names_quote (order->database);
    char *procedure = bm_format ("%s.dbo.%s", database,
                                 order->type == BTSMARK__SET_TYPE__FULL ? "sp_BackupBizTalkFull"
                                                                        : "sp_BackupBizTalkLog");
    bm_sql_query_t *query = bm_sql_call_new (procedure);
    bm_sql_query_text (query, "@seq", order->sequence);
    bm_sql_query_text (query, "@path", self->path);
    bm_sql_query_output_text (query, "@BackupLocation");
    if (order->compress && order->has_compression_parameter)
        bm_sql_query_bit (query, "@bCompression", true);
    free (procedure);
    free (database);
    return query;
}

/*  No time-out: a backup takes as long as it takes. */
static void
s_run (const bm_backup_t *self, bm_sql_t *sql, const Btsmark__Backup *order, s_call_t *call)
{
    bm_sql_query_t *query =
        call->native ? bm_sql_query_new (call->native->batch) : s_procedure (self, order);
    bm_sql_query_timeout_ms (query, 0);
    call->status = bm_sql_run (sql, query, &call->result, &call->error);
    bm_sql_query_destroy (&query);
    const char *location =
        call->result ? bm_sql_result_output (call->result, "@BackupLocation") : NULL;
    if (location && *location) {
        free (call->name);
        free (call->file);
        call->name = NULL;
        call->file = bm_strdup (location);
    }
}

/*  The newest row of this database and type that began after we asked SQL Server for its time and names our file.
 *  BM_OK with *row_p NULL: there is none. */
static bm_status_t
s_find_row (bm_sql_t *sql, const Btsmark__Backup *order, const s_before_t *before, const char *file,
            Btsmark__BackupRow **row_p, bm_error_t *error)
{
    /*  A second of slack: backup_start_date has no fractions. */
    char *batch = bm_format (
        "%s WHERE b.database_name = @database AND b.type = @type AND b.backup_set_id > @last"
        " AND b.backup_start_date >= DATEADD (second, -1, CONVERT (datetime, @now, 121))"
        "%s",
        bm_rows_select (), bm_rows_order ());
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_text (query, "@database", order->database);
    bm_sql_query_text (query, "@type", s_type (order));
    bm_sql_query_int (query, "@last", before->last_id);
    bm_sql_query_text (query, "@now", before->now);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (sql, query, &result, error);
    int set = result ? bm_rows_find (result) : -1;
    if (status == BM_OK && set < 0)
        status = bm_fail (error, BM_SQL_FAILED, "msdb gave no answer");
    *row_p = NULL;
    size_t count = 0;
    Btsmark__BackupRow **rows = bm_rows_read (result, status == BM_OK ? set : -1, SIZE_MAX, &count);
    for (size_t i = 0; i < count; i++)
        if (!*row_p && bm_rows_is_file (rows[i], file))
            *row_p = rows[i];
        else
            btsmark__backup_row__free_unpacked (rows[i], NULL);
    free (rows);
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    return status;
}

/*  Whether the session that lost us still backs up; its answer decides whether a missing row means failed. */
static bm_status_t
s_still_running (bm_sql_t *sql, int spid, bool *running, bm_error_t *error)
{
    char *batch = bm_format ("SELECT COUNT (*) AS running FROM sys.dm_exec_requests"
                             " WHERE session_id = %d AND command LIKE N'BACKUP%%';",
                             spid);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_exec (sql, batch, &result, error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"running", NULL}) : -1;
    *running = set >= 0 && bm_sql_result_rows (result, set) == 1 &&
               bm_sql_result_int (result, set, 0, "running", 0) > 0;
    bm_sql_result_destroy (&result);
    free (batch);
    return status;
}

/*  A connection on which the truth can be asked: the old one, or a new one once the lost session's backup has ended. */
static bm_sql_t *
s_reconnect (const bm_backup_t *self, const s_before_t *before, bool cancelled, bm_error_t *error)
{
    int64_t until = bm_clock_mono_ms () + (cancelled ? S_CANCELLED_MS : S_RECONNECT_MS);
    int64_t still_until = bm_clock_mono_ms () + (cancelled ? S_CANCELLED_MS : S_STILL_MS);
    for (;;) {
        bool running = false;
        memset (error, 0, sizeof *error);
        bm_sql_t *sql = self->hands.connect (self->hands.argument, error);
        bool asked = sql && s_still_running (sql, before->spid, &running, error) == BM_OK;
        if (asked && !running)
            return sql;
        bool given_up = !self->hands.pause (self->hands.argument, 500);
        if (!given_up && bm_clock_mono_ms () <= (running ? still_until : until))
            continue;
        if (running)
            bm_fail (error, BM_IN_DOUBT, "the backup still runs in session %d", before->spid);
        bm_error_wrap (error,
                       "the connection was lost during the backup of %s, and SQL Server cannot "
                       "be asked what became of it",
                       self->instance->name);
        return NULL;
    }
}

/*  ---- what became of it ---- */

/*  All stripes together; -1 when one cannot be measured. */
static int64_t
s_measure (const bm_backup_t *self, bm_sql_t *sql, const Btsmark__BackupRow *row)
{
    bm_error_t ignored = {0};
    bm_files_t files = {.instance = self->instance, .sql = sql, .error = &ignored};
    int64_t bytes = 0;
    size_t count = row->n_devices > 0 ? row->n_devices : 1;
    for (size_t i = 0; i < count; i++) {
        bm_file_facts_t facts;
        const char *file = row->n_devices > 0 ? row->devices[i] : row->device;
        if (bm_files_look (&files, file, &facts, &ignored) != BM_OK || facts.bytes < 0)
            return -1;
        bytes += facts.bytes;
    }
    return bytes;
}

/*  SQL Server takes the file of a backup that broke off away, as a rule. What it could not take away is named: it is no
 *  backup, and it takes room. */
static void
s_name_partial (const bm_backup_t *self, bm_sql_t *sql, const s_call_t *call, bm_error_t *why)
{
    bm_error_t ignored = {0};
    bm_files_t files = {.instance = self->instance, .sql = sql, .error = &ignored};
    for (size_t i = 0; i < (call->native ? call->native->file_count : 1); i++) {
        bm_file_facts_t facts;
        const char *file = call->native ? call->native->files[i] : call->file;
        if (bm_files_look (&files, file, &facts, &ignored) != BM_OK || !facts.exists)
            continue;
        const bm_error_t before = *why;
        bm_error_remedy (why, "%.90s; %.230s is the piece of a backup that broke off: delete it",
                         before.remedy, file);
        return;
    }
}

/*  SQL Server says that it finished the backup but could not record it (3009, severity 16), or nothing was said at all and
 *  there is no record: BizTalk's procedure swallows errors, and 3009 is one. Then the file itself is asked. */
static void
s_ask_header (bm_sql_t *sql, const Btsmark__Backup *order, const s_before_t *before,
              const s_call_t *call, Btsmark__BackupDone *done, bm_error_t *asking)
{
    bool unrecorded = call->result && bm_sql_result_message (call->result, 3009);
    bool silent = call->status == BM_OK && call->result && !bm_sql_result_cause (call->result);
    if (done->row || call->cancelled || !(unrecorded || silent))
        return;
    bm_header_want_t want = {.file = call->file,
                             .database = order->database,
                             .type = s_type (order),
                             .since = before->now,
                             .credential = order->native ? order->native->credential : ""};
    bm_error_t error = {0};
    bm_status_t status = bm_header_read (sql, &want, &done->row, &error);
    if (unrecorded && status == BM_OK && !done->row)
        status = bm_fail (&error, BM_IN_DOUBT, "%s holds no such backup", call->file);
    if (unrecorded && status != BM_OK) {
        bm_error_wrap (&error,
                       "SQL Server finished the backup of %s but could not record it in msdb "
                       "(3009), and its file does not prove it",
                       order->database);
        *asking = error;
    }
    if (done->row && call->native && call->native->file_count > 1)
        for (size_t i = 0; i < call->native->file_count; i++)
            bm_answer_add_text (&done->row->devices, &done->row->n_devices, call->native->files[i]);
}

/*  Why there is no backup. */
static void
s_explain (const s_call_t *call, const char *database, bm_error_t *why)
{
    const bm_sql_message_t *cause = call->result ? bm_sql_result_cause (call->result) : NULL;
    *why = call->error;
    if (cause)
        bm_fail (why, BM_BACKUP_FAILED, "backup of %s: %d: %s", database, cause->number,
                 cause->text);
    else if (call->status == BM_OK)
        bm_fail (why, BM_BACKUP_FAILED,
                 "backup of %s: %s ended without an error, but msdb has no record of a backup",
                 database, call->native ? "BACKUP" : "the procedure");
}

static void
s_judge (const bm_backup_t *self, bm_sql_t *sql, const s_call_t *call, Btsmark__BackupDone *done)
{
    bm_error_t why = {0};
    if (done->row) {
        bool told = call->status != BM_OK || done->row->from_header ||
                    (call->result && bm_sql_result_cause (call->result));
        if (done->row->from_header)
            bm_fail (&why, BM_WARNINGS,
                     "msdb has no record of the backup of %s; the header of %s proves it",
                     done->database, call->file);
        done->fault = bm_answer_fault (&why);
        done->status = told ? BTSMARK__BACKUP_STATUS__BACKUP_OK_WITH_WARNINGS
                            : BTSMARK__BACKUP_STATUS__BACKUP_OK;
        if (self->instance->files != BM_FILES_SQL)
            done->file_bytes = s_measure (self, sql, done->row);
        return;
    }
    if (call->cancelled) {
        done->status = BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED;
        bm_fail (&why, BM_BACKUP_CANCELLED, "the backup of %s was cancelled", done->database);
    } else {
        done->status = BTSMARK__BACKUP_STATUS__BACKUP_FAILED;
        s_explain (call, done->database, &why);
    }
    s_name_partial (self, sql, call, &why);
    done->fault = bm_answer_fault (&why);
}

/*  From the call on: whatever it said, msdb is asked. */
static void
s_take (const bm_backup_t *self, bm_sql_t *sql, const Btsmark__Backup *order,
        const s_before_t *before, Btsmark__BackupDone *done)
{
    bm_error_t asking = {0};
    s_call_t call = {0};
    if (s_plan (self, order, before->server, &call, &asking) != BM_OK) {
        done->fault = bm_answer_fault (&asking);
        return;
    }
    self->hands.started (self->hands.argument);
    s_run (self, sql, order, &call);
    call.cancelled = self->hands.interrupted (self->hands.argument);
    self->hands.calm (self->hands.argument);
    if (call.result)
        bm_wire_messages (bm_sql_result_messages (call.result), &done->messages, &done->n_messages);
    if (!bm_sql_alive (sql))
        sql = s_reconnect (self, before, call.cancelled, &asking);
    if (sql && s_find_row (sql, order, before, call.name ? call.name : call.file, &done->row,
                           &asking) == BM_OK)
        s_ask_header (sql, order, before, &call, done, &asking);
    if (asking.status != BM_OK) {
        done->status = BTSMARK__BACKUP_STATUS__BACKUP_UNKNOWN;
        done->fault = bm_answer_fault (&asking);
    } else
        s_judge (self, sql, &call, done);
    bm_sql_result_destroy (&call.result);
    bm_native_destroy (&call.native);
    free (call.name);
    free (call.file);
}

Btsmark__BackupDone *
bm_backup_run (const bm_backup_t *self, const Btsmark__Backup *order)
{
    bm_error_t error = {0};
    s_before_t before = {0};
    Btsmark__BackupDone *done =
        bm_backup_not_begun (order, BTSMARK__BACKUP_STATUS__BACKUP_FAILED, &error);
    int64_t began = bm_clock_mono_ms ();
    bm_sql_t *sql = self->hands.connect (self->hands.argument, &error);
    if (sql)
        before.spid = self->hands.spid (self->hands.argument);
    if (sql && s_look_before (sql, &before, &error) == BM_OK &&
        !self->hands.interrupted (self->hands.argument))
        s_take (self, sql, order, &before, done);
    else if (self->hands.interrupted (self->hands.argument)) {
        done->status = BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED;
        bm_fail (&error, BM_BACKUP_CANCELLED, "the backup of %s was cancelled before it began",
                 order->database);
        done->fault = bm_answer_fault (&error);
    } else
        done->fault = bm_answer_fault (&error);
    done->took_ms = (uint64_t)(bm_clock_mono_ms () - began);
    free (before.now);
    free (before.server);
    return done;
}
