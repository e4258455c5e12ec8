#include "agent/shell/settle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "agent/shell/rows.h"
#include "agent/shell/session.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"

#define S_QUERY_MS    30000
#define S_WAIT_MAX_MS 3600000
#define S_GONE_MS     10000 /* for a killed session to roll back and go */
#define S_SESSIONS    256

typedef struct s_leftover {
    int spid;
    bool backing_up;
    char *program;
} s_leftover_t;

typedef struct s_leftovers {
    s_leftover_t items[S_SESSIONS];
    size_t count, backups;
} s_leftovers_t;

static void
s_forget (s_leftovers_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free (self->items[i].program);
    self->count = self->backups = 0;
}

static bm_status_t
s_run (bm_sql_t *sql, const char *batch, const char *database, bm_sql_result_t **result_p,
       bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_query_new (batch);
    if (database)
        bm_sql_query_text (query, "@name", database);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_status_t status = bm_sql_run (sql, query, result_p, error);
    bm_sql_query_destroy (&query);
    return status;
}

/*  Sessions of other starts. The prefix of the order can only narrow what is ours; what is not ours is never touched. */
static bm_status_t
s_find_leftovers (const bm_settle_t *self, const char *prefix, bool again, s_leftovers_t *found,
                  bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    char *batch =
        bm_format ("%sSELECT s.session_id AS bm_spid, s.program_name, r.command"
                   " FROM sys.dm_exec_sessions s"
                   " LEFT JOIN sys.dm_exec_requests r ON r.session_id = s.session_id"
                   " WHERE s.program_name LIKE N'btsmark-agent %%' AND s.session_id <> @@SPID;",
                   again ? "WAITFOR DELAY '00:00:00.250';\n" : "");
    bm_status_t status = s_run (self->sql, batch, NULL, &result, error);
    free (batch);
    s_forget (found);
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_spid", NULL}) : -1;
    for (size_t i = 0; set >= 0 && i < bm_sql_result_rows (result, set); i++) {
        const char *program = bm_sql_result_text (result, set, i, "program_name");
        const char *command = bm_sql_result_text (result, set, i, "command");
        if (found->count == S_SESSIONS ||
            !bm_session_is_leftover (program, self->instance, self->start_id) ||
            strncmp (program, prefix, strlen (prefix)) != 0)
            continue;
        s_leftover_t *one = &found->items[found->count++];
        one->spid = (int)bm_sql_result_int (result, set, i, "bm_spid", 0);
        one->program = bm_strdup (program);
        one->backing_up = command && strncmp (command, "BACKUP", 6) == 0;
        found->backups += one->backing_up;
    }
    bm_sql_result_destroy (&result);
    return status;
}

static void
s_kill (const bm_settle_t *self, const s_leftovers_t *found, Btsmark__Settled *settled)
{
    for (size_t i = 0; i < found->count; i++) {
        bm_error_t error = {0};
        char *batch = bm_format ("KILL %d;", found->items[i].spid);
        bm_status_t status = s_run (self->sql, batch, NULL, NULL, &error);
        char *text =
            bm_format ("%s session %d (%s)%s%.300s", status == BM_OK ? "ended" : "could not end",
                       found->items[i].spid, found->items[i].program, status == BM_OK ? "" : ": ",
                       status == BM_OK ? "" : error.text);
        bm_log_info ("settling on %s: %s", self->instance, text);
        bm_answer_add_text (&settled->ended, &settled->n_ended, text);
        settled->killed_sessions += status == BM_OK;
        free (text);
        free (batch);
    }
}

/*  A running backup is worth waiting for; whatever else is left belongs to nobody and is ended at once. */
static bm_status_t
s_end_leftovers (const bm_settle_t *self, const Btsmark__Settle *order, Btsmark__Settled *settled,
                 bm_error_t *error)
{
    s_leftovers_t *found = bm_alloc (sizeof *found);
    const char *prefix = order->context_prefix;
    int64_t wait = order->wait_ms < S_WAIT_MAX_MS ? (int64_t)order->wait_ms : S_WAIT_MAX_MS;
    int64_t until = bm_clock_mono_ms () + wait - self->waited_ms;
    bm_status_t status = s_find_leftovers (self, prefix, false, found, error);
    while (status == BM_OK && found->backups > 0 && bm_clock_mono_ms () < until)
        status = s_find_leftovers (self, prefix, true, found, error);
    if (status == BM_OK && found->count > 0) {
        s_kill (self, found, settled);
        until = bm_clock_mono_ms () + S_GONE_MS;
        do
            status = s_find_leftovers (self, prefix, true, found, error);
        while (status == BM_OK && found->count > 0 && bm_clock_mono_ms () < until);
        if (status == BM_OK && found->count > 0)
            status = bm_fail (error, BM_IN_DOUBT,
                              "%zu session(s) of an earlier start of the agent are "
                              "still being rolled back",
                              found->count);
    }
    s_forget (found);
    free (found);
    return status;
}

static bm_status_t
s_read_marks (const bm_settle_t *self, const Btsmark__Settle *order, Btsmark__SettledDatabase *one,
              bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    char *database = bm_names_quote (one->name);
    char *marks = bm_rows_list (order->marks, order->n_marks);
    /*  The locking hint: with READ_COMMITTED_SNAPSHOT a COMMIT under way would look like no mark. Marks are old by the time
     *  at the end of their names, whatever the prefix: a group may have had another one. */
    char *batch =
        bm_format ("SET LOCK_TIMEOUT 5000;\n"
                   "SELECT DISTINCT MarkName AS found FROM %s.dbo.MarkLog WITH (READCOMMITTEDLOCK)"
                   " WHERE MarkName IN (%s);\n"
                   "SELECT TOP (1) MarkName AS oldest FROM %s.dbo.MarkLog WITH (READCOMMITTEDLOCK)"
                   " WHERE MarkName LIKE N'%%[_]____[_]__[_]__[_]__[_]__[_]__[_]___'"
                   " ORDER BY RIGHT (MarkName, 23);",
                   database, marks, database);
    bm_status_t status = s_run (self->sql, batch, NULL, &result, error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"found", NULL}) : -1;
    for (size_t i = 0; status == BM_OK && set >= 0 && i < bm_sql_result_rows (result, set); i++)
        bm_answer_add_text (&one->marks_found, &one->n_marks_found,
                            bm_sql_result_text (result, set, i, "found"));
    set = result ? bm_sql_result_find (result, (const char *[]){"oldest", NULL}) : -1;
    if (set >= 0 && bm_sql_result_rows (result, set) == 1)
        bm_answer_text (&one->oldest_mark, bm_sql_result_text (result, set, 0, "oldest"));
    bm_sql_result_destroy (&result);
    free (batch);
    free (marks);
    free (database);
    return status;
}

static bm_status_t
s_read_proofs (const bm_settle_t *self, const Btsmark__Settle *order, Btsmark__SettledDatabase *one,
               bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    char *marks = bm_rows_list (order->marks, order->n_marks);
    char *batch =
        bm_format ("SELECT mark_name, lsn, CONVERT (nvarchar(23), mark_time, 121) AS mark_time"
                   " FROM msdb.dbo.logmarkhistory"
                   " WHERE database_name = @name AND mark_name IN (%s);",
                   marks);
    bm_status_t status = s_run (self->sql, batch, one->name, &result, error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"mark_name", NULL}) : -1;
    size_t rows = status == BM_OK && set >= 0 ? bm_sql_result_rows (result, set) : 0;
    one->proofs = bm_alloc ((rows + 1) * sizeof *one->proofs);
    for (size_t i = 0; i < rows; i++) {
        Btsmark__DatabaseProof *proof = bm_alloc (sizeof *proof);
        btsmark__database_proof__init (proof);
        proof->asked = proof->in_history = true;
        bm_answer_text (&proof->name, bm_sql_result_text (result, set, i, "mark_name"));
        bm_answer_text (&proof->lsn, bm_sql_result_text (result, set, i, "lsn"));
        bm_answer_text (&proof->mark_time, bm_sql_result_text (result, set, i, "mark_time"));
        for (size_t k = 0; k < one->n_marks_found; k++)
            if (strcmp (one->marks_found[k], proof->name) == 0)
                proof->in_marklog = true;
        one->proofs[one->n_proofs++] = proof;
    }
    bm_sql_result_destroy (&result);
    free (batch);
    free (marks);
    return status;
}

static bm_status_t
s_read_backups (const bm_settle_t *self, const Btsmark__Settle *order, size_t room,
                Btsmark__SettledDatabase *one, bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    char *since = bm_names_literal (order->since);
    char *batch = bm_format (
        "%s WHERE b.database_name = @name AND b.is_copy_only = 0 AND b.type IN ('D', 'L')"
        " AND b.backup_finish_date >= %s%s%s%s",
        bm_rows_select (), *order->since ? "CONVERT (datetime, " : "", *order->since ? since : "",
        *order->since ? ", 121)" : "DATEADD (day, -7, GETDATE ())", bm_rows_order ());
    bm_status_t status = s_run (self->sql, batch, one->name, &result, error);
    int set = result ? bm_rows_find (result) : -1;
    one->backups = bm_rows_read (result, status == BM_OK ? set : -1, room, &one->n_backups);
    size_t rows = status == BM_OK && set >= 0 ? bm_sql_result_rows (result, set) : 0;
    if (rows > room)
        bm_log_warning (
            "settling on %s: %s has %zu backup files since %s; the newest %zu backups are told",
            self->instance, one->name, rows, *order->since ? order->since : "7 days",
            one->n_backups);
    bm_sql_result_destroy (&result);
    free (batch);
    free (since);
    return status;
}

/*  The present recovery fork; without the view, that of the newest backup. */
static void
s_read_fork (const bm_settle_t *self, Btsmark__SettledDatabase *one)
{
    bm_error_t error;
    bm_sql_result_t *result = NULL;
    s_run (
        self->sql,
        "SELECT CONVERT (nvarchar(36), r.recovery_fork_guid) AS recovery_fork"
        " FROM sys.database_recovery_status r JOIN sys.databases d ON d.database_id = r.database_id"
        " WHERE d.name = @name;",
        one->name, &result, &error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"recovery_fork", NULL}) : -1;
    if (set >= 0 && bm_sql_result_rows (result, set) == 1)
        bm_answer_text (&one->recovery_fork, bm_sql_result_text (result, set, 0, "recovery_fork"));
    if (!*one->recovery_fork && one->n_backups > 0)
        bm_answer_text (&one->recovery_fork, one->backups[0]->last_fork);
    bm_sql_result_destroy (&result);
}

static void
s_read_database (const bm_settle_t *self, const Btsmark__Settle *order, size_t room,
                 Btsmark__SettledDatabase *one)
{
    bm_error_t error = {0};
    bm_status_t status = s_read_marks (self, order, one, &error);
    if (status == BM_OK)
        status = s_read_proofs (self, order, one, &error);
    if (status == BM_OK)
        status = s_read_backups (self, order, room, one, &error);
    one->asked = status == BM_OK;
    if (status != BM_OK) {
        bm_error_wrap (&error, "database %s", one->name);
        one->fault = bm_answer_fault (&error);
    }
    s_read_fork (self, one);
}

Btsmark__Settled *
bm_settle_run (const bm_settle_t *self, const Btsmark__Settle *order)
{
    bm_error_t error = {0};
    Btsmark__Settled *settled = bm_alloc (sizeof *settled);
    btsmark__settled__init (settled);
    bm_answer_text (&settled->instance, self->instance);
    bool readable = self->sql && s_end_leftovers (self, order, settled, &error) == BM_OK;
    if (!self->sql)
        error = *self->error;
    settled->databases = bm_alloc ((order->n_databases + 1) * sizeof *settled->databases);
    size_t told = 0;
    for (size_t i = 0; i < order->n_databases; i++) {
        Btsmark__SettledDatabase *one = bm_alloc (sizeof *one);
        btsmark__settled_database__init (one);
        bm_answer_text (&one->name, order->databases[i]);
        settled->databases[settled->n_databases++] = one;
        /*  Truth is read only when nothing of ours can change it any more. */
        if (readable)
            s_read_database (self, order, (BM_SETTLE_ROWS - told) / (order->n_databases - i), one);
        else
            one->fault = bm_answer_fault (&error);
        for (size_t k = 0; k < one->n_backups; k++)
            told += one->backups[k]->n_devices > 0 ? one->backups[k]->n_devices : 1;
    }
    settled->fault = bm_answer_fault (&error);
    return settled;
}
