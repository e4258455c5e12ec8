#include "agent/shell/mark.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/fence.h"
#include "common/names.h"

#define S_OTHER_TRANSACTION                                                                        \
    61 /* state of our own RAISERROR: the session does not hold that transaction */
#define S_COMMIT_MS                                                                                \
    600000 /* after it the session is given up; SQL Server's own time-out ends the wait before */
#define S_ROLLBACK_MS 30000

/*  A plain batch, not sp_executesql: a transaction that begins in there and stays open is error 266, and the SET options
 *  would end with it. So mark and databases stand in the text, through the quoting functions. */
char *
bm_mark_open_batch (const bm_mark_terms_t *terms)
{
    char *mark = bm_names_literal (terms->mark);
    int64_t wait = terms->lease_ms - terms->lease_ms / 4;
    if (terms->wait_ms > 0 && terms->wait_ms < wait)
        wait = terms->wait_ms;
    char *batch = bm_format ("SET NOCOUNT ON; SET XACT_ABORT ON; SET LOCK_TIMEOUT %" PRId64 ";\n"
                             "DECLARE @mark nvarchar(32), @rc int, @count int, @state int;\n"
                             "SET @mark = %s;\n"
                             "BEGIN TRANSACTION @mark WITH MARK @mark;\n",
                             wait, mark);
    free (mark);
    for (size_t i = 0; i < terms->count; i++) {
        char *database = bm_names_quote (terms->databases[i]);
        char *name = bm_names_literal (terms->databases[i]);
        char *more = bm_format ("%s"
                                "EXEC @rc = %s.dbo.sp_SetMark @mark;\n"
                                "SELECT @count = @@TRANCOUNT, @state = XACT_STATE ();\n"
                                "IF ISNULL (@rc, -1) <> 0 OR @count <> 1 OR @state <> 1\n"
                                "BEGIN\n"
                                "    IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;\n"
                                "    RAISERROR (N'sp_SetMark in %%s: return code %%d, @@TRANCOUNT "
                                "%%d, XACT_STATE %%d', 16, 1,\n"
                                "               %s, @rc, @count, @state);\n"
                                "    RETURN;\n"
                                "END;\n",
                                batch, database, name);
        free (batch);
        free (database);
        free (name);
        batch = more;
    }
    char *whole = bm_format ("%sSELECT %s AS bm_transaction_id;\n", batch,
                             bm_fence_transaction_id (terms->version));
    free (batch);
    return whole;
}

static void
s_keep_messages (const bm_sql_result_t *result, bm_sql_messages_t **messages_p)
{
    if (messages_p)
        *messages_p = result ? bm_sql_messages_dup (bm_sql_result_messages (result)) : NULL;
}

bm_status_t
bm_mark_rollback (bm_sql_t *sql, bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_query_new ("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;");
    bm_sql_query_timeout_ms (query, S_ROLLBACK_MS);
    bm_status_t status = bm_sql_run (sql, query, NULL, error);
    bm_sql_query_destroy (&query);
    return status;
}

bm_status_t
bm_mark_open (bm_sql_t *sql, const bm_mark_terms_t *terms, int64_t *transaction_id,
              bm_sql_messages_t **messages_p, bm_error_t *error)
{
    char *batch = bm_mark_open_batch (terms);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, terms->lease_ms + 5000);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (sql, query, &result, error);
    s_keep_messages (result, messages_p);
    int set =
        result ? bm_sql_result_find (result, (const char *[]){"bm_transaction_id", NULL}) : -1;
    *transaction_id = 0;
    if (set >= 0 && bm_sql_result_rows (result, set) == 1)
        *transaction_id = bm_sql_result_int (result, set, 0, "bm_transaction_id", 0);
    if (status == BM_OK && *transaction_id == 0)
        status = bm_fail (error, BM_SQL_FAILED, "SQL Server did not name the transaction");
    if (status != BM_OK) {
        *transaction_id = 0;
        bm_error_wrap (error, "mark %s could not be placed", terms->mark);
        /*  Also after a batch that says it failed: a message of severity 16 does not end every transaction. */
        bm_error_t ignored;
        if (bm_sql_alive (sql))
            bm_mark_rollback (sql, &ignored);
    }
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    return status;
}

/*  What became of the COMMIT comes before L2, so that a sample that fails (a right is missing) does not hide it. */
char *
bm_mark_commit_batch (const bm_mark_commit_terms_t *terms)
{
    char *reads = terms->check ? bm_sample_batch (bm_reads_after, terms->databases, terms->count)
                               : bm_strdup ("");
    char *batch = bm_format (
        "SET NOCOUNT ON;\n"
        "IF @@TRANCOUNT <> 1 OR %s <> %" PRId64 "\n"
        "BEGIN\n"
        "    RAISERROR (N'this session does not hold the transaction of the mark', 16, %d);\n"
        "    RETURN;\n"
        "END;\n"
        "COMMIT TRANSACTION;\n"
        "SELECT @@ERROR AS bm_error, @@TRANCOUNT AS bm_left;\n"
        "%s",
        bm_fence_transaction_id (terms->version), terms->transaction_id, S_OTHER_TRANSACTION,
        reads);
    free (reads);
    return batch;
}

/*  The server reported an error. Certain is only: what we roll back ourselves now, what was not ours to commit, and 3928,
 *  by which SQL Server says that the marked transaction failed. */
static bm_committed_t
s_judge_failure (bm_sql_t *sql, const bm_sql_result_t *result)
{
    const bm_sql_message_t *cause = bm_sql_result_cause (result);
    bool other = cause && cause->number == 50000 && cause->state == S_OTHER_TRANSACTION;
    bool refused = cause && cause->number == 3928;
    bm_error_t ignored;
    bm_sql_result_t *left = NULL;
    bm_committed_t answer = other || refused ? BM_COMMITTED_ROLLED_BACK : BM_COMMITTED_UNKNOWN;
    if (bm_sql_exec (sql, "SELECT @@TRANCOUNT AS bm_left;", &left, &ignored) == BM_OK) {
        int set = bm_sql_result_find (left, (const char *[]){"bm_left", NULL});
        bool open = set >= 0 && bm_sql_result_rows (left, set) == 1 &&
                    bm_sql_result_int (left, set, 0, "bm_left", 0) > 0;
        if (open && bm_mark_rollback (sql, &ignored) == BM_OK)
            answer = BM_COMMITTED_ROLLED_BACK;
    }
    bm_sql_result_destroy (&left);
    return answer;
}

/*  A COMMIT that fails may leave no transaction behind either, and need not end the batch: only what it said itself
 *  counts. A message of severity 10 (3923) may stand in @@ERROR too and is no failure. */
static bool
s_says_done (const bm_sql_result_t *result)
{
    int set =
        result ? bm_sql_result_find (result, (const char *[]){"bm_error", "bm_left", NULL}) : -1;
    if (set < 0 || bm_sql_result_rows (result, set) != 1 ||
        bm_sql_result_int (result, set, 0, "bm_left", -1) != 0)
        return false;
    int64_t number = bm_sql_result_int (result, set, 0, "bm_error", -1);
    if (number == 0)
        return true;
    const bm_sql_message_t *message =
        number > 0 && number <= INT32_MAX ? bm_sql_result_message (result, (int)number) : NULL;
    return message && message->severity <= 10;
}

bm_committed_t
bm_mark_commit (bm_sql_t *sql, const bm_mark_commit_terms_t *terms, bm_sql_messages_t **messages_p,
                bm_sample_t *after, bm_error_t *error)
{
    char *batch = bm_mark_commit_batch (terms);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, S_COMMIT_MS);
    bm_sql_result_t *result = NULL;
    bm_committed_t answer = BM_COMMITTED_UNKNOWN;
    bm_status_t status = bm_sql_run (sql, query, &result, error);
    s_keep_messages (result, messages_p);
    memset (after, 0, sizeof *after);
    if (terms->check)
        bm_sample_from (result, status, error, after);
    if (s_says_done (result)) {
        answer = BM_COMMITTED_DONE;
        memset (error, 0, sizeof *error); /* whatever it was, it came after the COMMIT */
    } else if (status == BM_SQL_FAILED && bm_sql_alive (sql))
        answer = s_judge_failure (sql, result);
    else if (status == BM_OK)
        bm_fail (error, BM_SQL_FAILED, "SQL Server did not say what became of the COMMIT");
    if (answer != BM_COMMITTED_DONE)
        bm_error_wrap (error, "COMMIT of the mark");
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    return answer;
}
