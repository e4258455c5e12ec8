#include "agent/shell/prove.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "agent/shell/rows.h"
#include "common/clock.h"
#include "common/names.h"

#define S_QUERY_MS 15000
#define S_LOCK_MS                                                                                  \
    3000 /* another session's uncommitted row makes us wait: then the answer is not known yet */
#define S_POLL_MAX_MS 60000

static void
s_ask_marklog (const bm_prove_t *self, const char *mark, Btsmark__DatabaseProof *proof)
{
    bm_error_t error = {0};
    char *database = bm_names_quote (proof->name);
    /*  With READ_COMMITTED_SNAPSHOT a plain SELECT would not wait for a COMMIT under way, and see no mark. */
    char *batch = bm_format ("SET LOCK_TIMEOUT %d; SELECT COUNT (*) AS marks"
                             " FROM %s.dbo.MarkLog WITH (READCOMMITTEDLOCK)"
                             " WHERE MarkName = @mark;",
                             S_LOCK_MS, database);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_text (query, "@mark", mark);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (self->sql, query, &result, &error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"marks", NULL}) : -1;
    if (status == BM_OK && set >= 0 && bm_sql_result_rows (result, set) == 1) {
        proof->asked = true;
        proof->in_marklog = bm_sql_result_int (result, set, 0, "marks", 0) > 0;
    } else if (status == BM_OK)
        bm_fail (&error, BM_SQL_FAILED, "MarkLog gave no answer");
    if (self->unsettled && proof->asked && !proof->in_marklog) {
        proof->asked = false;
        bm_fail (&error, BM_IN_DOUBT, "the COMMIT of mark %s is still running", mark);
    }
    if (!proof->asked) {
        bm_error_wrap (&error, "MarkLog of %s", proof->name);
        proof->fault = bm_answer_fault (&error);
    }
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    free (database);
}

static void
s_read_history (Btsmark__Proof *proof, const bm_sql_result_t *result)
{
    int set = bm_sql_result_find (result, (const char *[]){"database_name", "lsn", NULL});
    for (size_t row = 0; set >= 0 && row < bm_sql_result_rows (result, set); row++)
        for (size_t i = 0; i < proof->n_databases; i++) {
            Btsmark__DatabaseProof *one = proof->databases[i];
            const char *name = bm_sql_result_text (result, set, row, "database_name");
            if (one->in_history || !name || !bm_names_equal (name, one->name))
                continue;
            one->in_history = true;
            bm_answer_text (&one->lsn, bm_sql_result_text (result, set, row, "lsn"));
            bm_answer_text (&one->mark_time, bm_sql_result_text (result, set, row, "mark_time"));
        }
}

/*  logmarkhistory is written after the commit: asked again until every mark that MarkLog has is there. */
static bool
s_history_wanted (const Btsmark__Proof *proof)
{
    for (size_t i = 0; i < proof->n_databases; i++)
        if (proof->databases[i]->in_marklog && !proof->databases[i]->in_history)
            return true;
    return false;
}

static bm_status_t
s_ask_history (const bm_prove_t *self, const Btsmark__Prove *order, bool again,
               Btsmark__Proof *proof, bm_error_t *error)
{
    char since[32];
    /*  mark_time is the instance's local time; a second of slack for datetime's rounding and the measured offset. */
    char *batch = bm_format (
        "SET LOCK_TIMEOUT %d; %s\n"
        "SELECT database_name, lsn, CONVERT (nvarchar(23), mark_time, 121) AS mark_time"
        " FROM msdb.dbo.logmarkhistory WHERE mark_name = @mark"
        " AND mark_time >= DATEADD (minute, DATEDIFF (minute, GETUTCDATE (), GETDATE ()),"
        " DATEADD (second, -1, CONVERT (datetime, @since, 121))) ORDER BY mark_time DESC;",
        S_LOCK_MS, again ? "WAITFOR DELAY '00:00:00.200';" : "");
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_text (query, "@mark", order->mark);
    bm_sql_query_text (query, "@since", bm_rows_time (order->since_utc_us, since));
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (self->sql, query, &result, error);
    if (status == BM_OK)
        s_read_history (proof, result);
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    return status;
}

static bm_status_t
s_prove (const bm_prove_t *self, const Btsmark__Prove *order, Btsmark__Proof *proof,
         bm_error_t *error)
{
    for (size_t i = 0; i < proof->n_databases; i++)
        s_ask_marklog (self, order->mark, proof->databases[i]);
    int64_t poll_ms = order->poll_ms < S_POLL_MAX_MS ? (int64_t)order->poll_ms : S_POLL_MAX_MS;
    int64_t until = bm_clock_mono_ms () + poll_ms;
    bm_status_t status = s_ask_history (self, order, false, proof, error);
    while (status == BM_OK && s_history_wanted (proof) && bm_clock_mono_ms () < until)
        status = s_ask_history (self, order, true, proof, error);
    return status;
}

Btsmark__Proof *
bm_prove_run (const bm_prove_t *self, const Btsmark__Prove *order)
{
    bm_error_t error = {0};
    Btsmark__Proof *proof = bm_alloc (sizeof *proof);
    btsmark__proof__init (proof);
    bm_answer_text (&proof->instance, self->instance);
    proof->databases = bm_alloc ((order->n_databases + 1) * sizeof *proof->databases);
    for (size_t i = 0; i < order->n_databases; i++) {
        Btsmark__DatabaseProof *one = bm_alloc (sizeof *one);
        btsmark__database_proof__init (one);
        bm_answer_text (&one->name, order->databases[i]);
        proof->databases[proof->n_databases++] = one;
    }
    if (!self->sql)
        error = *self->error;
    else
        s_prove (self, order, proof, &error);
    proof->fault = bm_answer_fault (&error);
    return proof;
}
