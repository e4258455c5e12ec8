#include "agent/shell/sample.h"

#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "common/limits.h"
#include "common/names.h"

/*  The list must fit on the wire beside everything else; whatever is left out is one more of those that are told. */
#define S_LIST_BYTES (BM_LIMIT_WIRE_BYTES / 2)

static const char *const s_prepares = "PREEMPTIVE_DTC_PREPAREREQUESTDONE";
static const char *const s_commits = "PREEMPTIVE_DTC_COMMITREQUESTDONE";

static char *
s_counts_batch (void)
{
    return bm_format ("SELECT wait_type AS bm_wait, waiting_tasks_count AS bm_count"
                      " FROM sys.dm_os_wait_stats WHERE wait_type IN (N'%s', N'%s');\n",
                      s_prepares, s_commits);
}

/*  A branch that stands in no database (any more) may be one of the group's that just ended. */
static char *
s_list_batch (char *const *databases, size_t count)
{
    char *list = bm_strdup ("d.database_id IS NULL");
    for (size_t i = 0; i < count; i++) {
        char *name = bm_names_literal (databases[i]);
        char *more = bm_format ("%s OR d.database_id = DB_ID (%s)", list, name);
        free (name);
        free (list);
        list = more;
    }
    char *batch = bm_format (
        "SELECT t.transaction_id AS bm_branch, CONVERT (nvarchar(36), t.transaction_uow) AS bm_uow,"
        " t.transaction_state AS bm_state, d.database_transaction_state AS bm_database_state,"
        " DB_NAME (d.database_id) AS bm_database\n"
        "FROM sys.dm_tran_active_transactions AS t LEFT JOIN sys.dm_tran_database_transactions AS d"
        " ON d.transaction_id = t.transaction_id\n"
        "WHERE (t.transaction_uow IS NOT NULL OR t.transaction_type = 4) AND (%s);\n",
        list);
    free (list);
    return batch;
}

char *
bm_sample_batch (const bm_read_t order[BM_READS], char *const *databases, size_t count)
{
    char *reads[BM_READS];
    for (int i = 0; i < BM_READS; i++)
        reads[i] = order[i] == BM_READ_COUNTS ? s_counts_batch () : s_list_batch (databases, count);
    char *batch = bm_format ("%s%s", reads[0], reads[1]);
    free (reads[0]);
    free (reads[1]);
    return batch;
}

/*  ---- what came ---- */

static bool
s_read_counts (const bm_sql_result_t *result, bm_sample_t *out)
{
    int set = bm_sql_result_find (result, (const char *[]){"bm_wait", "bm_count", NULL});
    bool prepares = false, commits = false;
    for (size_t row = 0; set >= 0 && row < bm_sql_result_rows (result, set); row++) {
        const char *name = bm_sql_result_text (result, set, row, "bm_wait");
        int64_t count = bm_sql_result_int (result, set, row, "bm_count", -1);
        if (!name || count < 0)
            continue;
        if (strcmp (name, s_prepares) == 0) {
            out->prepares = (uint64_t)count;
            prepares = true;
        } else if (strcmp (name, s_commits) == 0) {
            out->commits = (uint64_t)count;
            commits = true;
        }
    }
    return prepares && commits;
}

static Btsmark__Branch *
s_branch (bm_sample_t *out, int64_t transaction_id, const char *unit_of_work, int32_t state,
          size_t *bytes)
{
    for (size_t i = 0; i < out->branch_count; i++)
        if (out->branches[i]->transaction_id == transaction_id)
            return out->branches[i];
    *bytes += 64;
    if (out->branch_count >= BM_LIMIT_BRANCHES || *bytes > S_LIST_BYTES)
        return NULL;
    Btsmark__Branch *branch = bm_alloc (sizeof *branch);
    btsmark__branch__init (branch);
    branch->transaction_id = transaction_id;
    branch->transaction_state = state;
    bm_answer_text (&branch->unit_of_work, unit_of_work);
    out->branches =
        bm_realloc (out->branches, (out->branch_count + 1) * sizeof (Btsmark__Branch *));
    out->branches[out->branch_count++] = branch;
    return branch;
}

/*  One row for each database of a branch. A branch of which only one database is past active is in flight as a whole. */
static bool
s_read_list (const bm_sql_result_t *result, bm_sample_t *out)
{
    int set =
        bm_sql_result_find (result, (const char *[]){"bm_branch", "bm_uow", "bm_state",
                                                     "bm_database_state", "bm_database", NULL});
    size_t bytes = 0;
    for (size_t row = 0; set >= 0 && row < bm_sql_result_rows (result, set); row++) {
        /*  A state that is NULL or out of range is none that is documented as harmless. */
        int32_t state = (int32_t)bm_sql_result_int (result, set, row, "bm_state", -1);
        int32_t in_database = (int32_t)bm_sql_result_int (result, set, row, "bm_database_state", 0);
        if (!bm_branch_in_flight (state, in_database))
            continue;
        Btsmark__Branch *branch =
            s_branch (out, bm_sql_result_int (result, set, row, "bm_branch", 0),
                      bm_sql_result_text (result, set, row, "bm_uow"), state, &bytes);
        const char *database = bm_sql_result_text (result, set, row, "bm_database");
        if (!branch)
            continue;
        branch->database_transaction_state =
            bm_branch_further (branch->database_transaction_state, in_database);
        bytes += database ? strlen (database) + 8 : 0;
        if (database && bytes <= S_LIST_BYTES)
            bm_answer_add_text (&branch->databases, &branch->n_databases, database);
    }
    return set >= 0;
}

/*  297, 300: messages for a right that is missing on the server; SQL Server 2022 names VIEW SERVER PERFORMANCE STATE,
 *  which VIEW SERVER STATE includes (documentation of the three views, "Permissions"). */
static bool
s_denied (const bm_sql_result_t *result)
{
    return result && (bm_sql_result_message (result, 297) || bm_sql_result_message (result, 300));
}

void
bm_sample_from (const bm_sql_result_t *result, bm_status_t status, const bm_error_t *error,
                bm_sample_t *out)
{
    memset (out, 0, sizeof *out);
    bool counts = result && s_read_counts (result, out);
    bool list = result && s_read_list (result, out);
    out->ran = counts && list && status == BM_OK;
    if (out->ran)
        return;
    if (status != BM_OK)
        out->error = *error;
    else
        bm_fail (&out->error, BM_SQL_FAILED, "SQL Server gave %s",
                 counts ? "no list of transactions" : "no counts of branches");
    out->denied = s_denied (result);
    bm_error_wrap (&out->error, "the in-flight check did not run");
}

void
bm_sample_read (bm_sql_t *sql, char *const *databases, size_t count, int64_t timeout_ms,
                bm_sample_t *out)
{
    bm_error_t error = {0};
    char *reads = bm_sample_batch (bm_reads_before, databases, count);
    char *batch = bm_format ("SET NOCOUNT ON;\n%s", reads);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, timeout_ms);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (sql, query, &result, &error);
    bm_sample_from (result, status, &error, out);
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    free (reads);
}

/*  ---- life ---- */

void
bm_sample_clear (bm_sample_t *self)
{
    for (size_t i = 0; i < self->branch_count; i++)
        btsmark__branch__free_unpacked (self->branches[i], NULL);
    free (self->branches);
    memset (self, 0, sizeof *self);
}

Btsmark__Fault *
bm_sample_fault (const bm_sample_t *self, const char *login)
{
    if (self->ran)
        return NULL;
    bm_error_t error = self->error;
    if (error.status == BM_OK)
        bm_fail (&error, BM_STOPPED, "the in-flight check was not begun");
    if (self->denied) {
        char *name = login && *login ? bm_names_quote (login) : bm_strdup ("the agent's login");
        bm_error_remedy (&error,
                         "on this instance: GRANT VIEW SERVER STATE TO %s (it reads "
                         "sys.dm_os_wait_stats and sys.dm_tran_active_transactions)",
                         name);
        free (name);
    }
    return bm_answer_fault (&error);
}

Btsmark__BranchCounts *
bm_sample_counts (const bm_sample_t *self)
{
    Btsmark__BranchCounts *counts = bm_alloc (sizeof *counts);
    btsmark__branch_counts__init (counts);
    counts->prepares = self->prepares;
    counts->commits = self->commits;
    return counts;
}

void
bm_sample_give (bm_sample_t *self, Btsmark__Branch ***branches_p, size_t *count_p)
{
    *branches_p = self->branches;
    *count_p = self->branch_count;
    self->branches = NULL;
    self->branch_count = 0;
}
