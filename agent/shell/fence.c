#include "agent/shell/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/names.h"

typedef struct s_hold {
    const bm_fence_terms_t *terms;
    bool taken, expired;
    int64_t taken_ms;
} s_hold_t;

const char *
bm_fence_transaction_id (int version)
{
    /*  CURRENT_TRANSACTION_ID () came with SQL Server 2016; the view before it needs VIEW SERVER STATE. */
    return version >= 13 ? "CURRENT_TRANSACTION_ID ()"
                         : "(SELECT transaction_id FROM sys.dm_tran_current_transaction)";
}

char *
bm_fence_batch (const bm_fence_terms_t *terms)
{
    char *database = bm_names_quote (terms->database);
    char *name = bm_names_literal (terms->database);
    char *spool = bm_format ("%s.dbo.Tracking_Spool1", database);
    char *spool_text = bm_names_literal (spool);
    int64_t lease = terms->lease_ms, wait = terms->lease_ms - terms->lease_ms / 4;
    if (terms->wait_ms > 0 && terms->wait_ms < wait)
        wait = terms->wait_ms;
    /*  LOCK_TIMEOUT is shorter than the lease: a fence that has to wait longer is not worth having. */
    char *batch = bm_format (
        "SET NOCOUNT ON; SET XACT_ABORT ON; SET LOCK_TIMEOUT %" PRId64 ";\n"
        "DECLARE @rc int, @id nvarchar(20);\n"
        "BEGIN TRANSACTION;\n"
        "EXEC @rc = %s.dbo.TDDS_BlockTDDS;\n"
        "IF ISNULL (@rc, -1) <> 0 OR @@TRANCOUNT <> 1\n"
        "BEGIN\n"
        "    IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;\n"
        "    RAISERROR (N'TDDS_BlockTDDS in %%s returned %%d', 16, 1, %s, @rc);\n"
        "    RETURN;\n"
        "END;\n"
        "IF OBJECT_ID (%s, N'U') IS NOT NULL\n"
        "    SELECT TOP (1) 1 AS bm_body FROM %s WITH (TABLOCKX, HOLDLOCK);\n"
        "SET @id = CONVERT (nvarchar(20), %s);\n"
        "RAISERROR (N'fenced %%s', 0, 1, @id) WITH NOWAIT;\n"
        "WAITFOR DELAY '%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%03" PRId64 "';\n"
        "RAISERROR (N'expired', 0, 1) WITH NOWAIT;\n"
        "ROLLBACK TRANSACTION;\n",
        wait, database, name, spool_text, spool, bm_fence_transaction_id (terms->version),
        lease / 3600000, lease / 60000 % 60, lease / 1000 % 60, lease % 1000);
    free (spool_text);
    free (spool);
    free (name);
    free (database);
    return batch;
}

static void
s_on_message (void *argument, const bm_sql_message_t *message)
{
    s_hold_t *hold = argument;
    if (message->severity > 10)
        return;
    if (strncmp (message->text, "fenced ", 7) == 0 && !hold->taken) {
        hold->taken = true;
        hold->taken_ms = bm_clock_mono_ms ();
        hold->terms->on_taken (hold->terms->argument, strtoll (message->text + 7, NULL, 10));
    } else if (strcmp (message->text, "expired") == 0)
        hold->expired = true;
}

static bm_fence_end_t
s_judge (const s_hold_t *hold, bm_sql_t *sql, bm_status_t status, bm_error_t *error)
{
    const char *database = hold->terms->database;
    if (!hold->taken) {
        if (status == BM_OK)
            bm_fail (error, BM_SQL_FAILED, "SQL Server ended the fence of %s without a word",
                     database);
        else
            bm_error_wrap (error, "the fence of %s could not be taken", database);
        return BM_FENCE_END_FAILED;
    }
    /*  The clock is asked too, in case the word 'expired' got lost in the attention: it can only err to the safe side. */
    bool over = bm_clock_mono_ms () - hold->taken_ms >= hold->terms->lease_ms;
    if (hold->expired || over) {
        bm_fail (error, BM_MARK_EXPIRED,
                 "the fence of %s ran out after its lease of %" PRId64 " ms", database,
                 hold->terms->lease_ms);
        return BM_FENCE_END_EXPIRED;
    }
    if (status == BM_STOPPED && bm_sql_alive (sql))
        return BM_FENCE_END_STOOD;
    if (status == BM_OK)
        bm_fail (error, BM_SQL_FAILED, "the batch ended before its lease");
    bm_error_wrap (error, "the fence of %s fell", database);
    return BM_FENCE_END_LOST;
}

bm_fence_end_t
bm_fence_hold (bm_sql_t *sql, const bm_fence_terms_t *terms, bm_sql_messages_t **messages_p,
               bm_error_t *error)
{
    s_hold_t hold = {.terms = terms};
    char *batch = bm_fence_batch (terms);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_on_message (query, s_on_message, &hold);
    /*  Locks may take most of a lease, the hold takes one: whoever is silent for much longer is lost. */
    bm_sql_query_timeout_ms (query, 2 * terms->lease_ms + 5000);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (sql, query, &result, error);
    if (messages_p)
        *messages_p = result ? bm_sql_messages_dup (bm_sql_result_messages (result)) : NULL;
    bm_fence_end_t end = s_judge (&hold, sql, status, error);
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    return end;
}
