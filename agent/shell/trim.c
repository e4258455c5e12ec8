#include "agent/shell/trim.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "agent/shell/rows.h"
#include "common/log.h"
#include "common/names.h"

#define S_TIME_CHARS 23
#define S_QUERY_MS   60000
#define S_PAGE       10000 /* names read at once */
#define S_NAMES      100   /* of one DELETE: each is a scan of the whole table, there is no index */
/*  Rows of one DELETE: SQL Server thinks of a lock on the whole table from 5,000 locks of one statement on ("Lock escalation",
 *  Transaction locking and row versioning guide). */
#define S_ROWS 1000

/*  Behind at least one character of a prefix and an underscore. _ stands for any character in LIKE, so it is in brackets. */
#define S_DIGITS2 "[0-9][0-9]"
#define S_PATTERN                                                                                  \
    "%[_]" S_DIGITS2 S_DIGITS2 "[_]" S_DIGITS2 "[_]" S_DIGITS2 "[_]" S_DIGITS2 "[_]" S_DIGITS2     \
    "[_]" S_DIGITS2 "[_]" S_DIGITS2 "[0-9]"

bool
bm_trim_time_ok (const char *text)
{
    static const char shape[] = "dddd_dd_dd_dd_dd_dd_ddd";
    if (strlen (text) != S_TIME_CHARS)
        return false;
    for (size_t i = 0; i < S_TIME_CHARS; i++)
        if (shape[i] == '_' ? text[i] != '_' : !isdigit ((unsigned char)text[i]))
            return false;
    return true;
}

/*  One database. */
typedef struct s_work {
    const bm_trim_t *self;
    const Btsmark__TrimMarks *order;
    char *table; /* quoted */
    char **keep; /* sorted */
    Btsmark__TrimmedDatabase *one;
} s_work_t;

static int
s_compare (const void *a, const void *b)
{
    return strcasecmp (*(char *const *)a, *(char *const *)b);
}

static bool
s_kept (const s_work_t *work, const char *name)
{
    return work->order->n_keep > 0 &&
           bsearch (&name, work->keep, work->order->n_keep, sizeof *work->keep, s_compare) != NULL;
}

static bool
s_stopped (const s_work_t *work)
{
    return work->self->stop && work->self->stop (work->self->argument);
}

/*  Rows that a mark in the making has locked are passed over: they are none of the old ones. */
static bm_status_t
s_read_page (const s_work_t *work, const char *after, bm_sql_result_t **result_p, int *set_p,
             bm_error_t *error)
{
    char *batch = bm_format (
        "SET LOCK_TIMEOUT 5000;\n"
        "SELECT TOP (%d) MarkName AS bm_name, COUNT (*) AS bm_rows FROM %s WITH (READPAST)"
        " WHERE MarkName LIKE N'%s' AND RIGHT (MarkName, %d) < @before AND MarkName > @after"
        " GROUP BY MarkName ORDER BY MarkName;",
        S_PAGE, work->table, S_PATTERN, S_TIME_CHARS);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_text (query, "@before", work->order->before);
    bm_sql_query_text (query, "@after", after);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_status_t status = bm_sql_run (work->self->sql, query, result_p, error);
    *set_p = *result_p ? bm_sql_result_find (*result_p, (const char *[]){"bm_name", NULL}) : -1;
    if (status == BM_OK && *set_p < 0)
        status = bm_fail (error, BM_SQL_FAILED, "MarkLog gave no answer");
    bm_sql_query_destroy (&query);
    free (batch);
    return status;
}

/*  Until nothing of these names is left, or what is left is locked. */
static bm_status_t
s_delete (const s_work_t *work, char *const *names, size_t count, bm_error_t *error)
{
    char *list = bm_rows_list (names, count);
    char *batch =
        bm_format ("SET LOCK_TIMEOUT 5000;\n"
                   "DELETE TOP (%d) FROM %s WITH (ROWLOCK, READPAST) WHERE MarkName IN (%s);\n"
                   "SELECT @@ROWCOUNT AS bm_rows;",
                   S_ROWS, work->table, list);
    bm_status_t status = BM_OK;
    int64_t rows = S_ROWS;
    while (status == BM_OK && rows >= S_ROWS && !s_stopped (work)) {
        bm_sql_query_t *query = bm_sql_query_new (batch);
        bm_sql_query_timeout_ms (query, S_QUERY_MS);
        bm_sql_result_t *result = NULL;
        status = bm_sql_run (work->self->sql, query, &result, error);
        int set = result ? bm_sql_result_find (result, (const char *[]){"bm_rows", NULL}) : -1;
        rows = set >= 0 && bm_sql_result_rows (result, set) == 1
                   ? bm_sql_result_int (result, set, 0, "bm_rows", 0)
                   : 0;
        work->one->rows += (uint64_t)rows;
        bm_sql_result_destroy (&result);
        bm_sql_query_destroy (&query);
    }
    free (batch);
    free (list);
    return status;
}

static bm_status_t
s_do_page (const s_work_t *work, const bm_sql_result_t *result, int set, bm_error_t *error)
{
    char *names[S_NAMES];
    size_t used = 0, rows = bm_sql_result_rows (result, set);
    bm_status_t status = BM_OK;
    for (size_t i = 0; i < rows && status == BM_OK && !s_stopped (work); i++) {
        const char *name = bm_sql_result_text (result, set, i, "bm_name");
        if (name && !s_kept (work, name)) {
            if (work->order->dry_run)
                work->one->rows += (uint64_t)bm_sql_result_int (result, set, i, "bm_rows", 0);
            else
                names[used++] = bm_strdup (name);
        }
        if (used == S_NAMES || (used > 0 && i + 1 == rows)) {
            status = s_delete (work, names, used, error);
            while (used > 0)
                free (names[--used]);
        }
    }
    while (used > 0)
        free (names[--used]);
    return status;
}

static void
s_trim (const s_work_t *work)
{
    bm_error_t error = {0};
    char *after = bm_strdup ("");
    size_t rows = S_PAGE;
    while (rows == S_PAGE && !s_stopped (work)) {
        bm_sql_result_t *result = NULL;
        int set = -1;
        rows = 0;
        if (s_read_page (work, after, &result, &set, &error) == BM_OK) {
            rows = bm_sql_result_rows (result, set);
            const char *last =
                rows > 0 ? bm_sql_result_text (result, set, rows - 1, "bm_name") : NULL;
            free (after);
            after = bm_strdup (last ? last : "");
            if (s_do_page (work, result, set, &error) != BM_OK)
                rows = 0;
        }
        bm_sql_result_destroy (&result);
    }
    if (error.status == BM_OK && s_stopped (work))
        bm_fail (&error, BM_STOPPED, "told to stop: the rest goes next time");
    if (error.status != BM_OK)
        bm_error_wrap (&error, "MarkLog of %s on %s", work->one->name, work->self->instance);
    work->one->fault = bm_answer_fault (&error);
    if (work->one->rows > 0 && !work->order->dry_run)
        bm_log_info ("MarkLog of %s on %s: %" PRIu64 " row(s) before %s are gone", work->one->name,
                     work->self->instance, work->one->rows, work->order->before);
    free (after);
}

static Btsmark__TrimmedDatabase *
s_trimmed (const char *name)
{
    Btsmark__TrimmedDatabase *one = bm_alloc (sizeof *one);
    btsmark__trimmed_database__init (one);
    bm_answer_text (&one->name, name);
    return one;
}

Btsmark__MarksTrimmed *
bm_trim_run (const bm_trim_t *self, const Btsmark__TrimMarks *order)
{
    Btsmark__MarksTrimmed *trimmed = bm_alloc (sizeof *trimmed);
    btsmark__marks_trimmed__init (trimmed);
    bm_answer_text (&trimmed->instance, self->instance);
    trimmed->fault = self->sql ? NULL : bm_answer_fault (self->error);
    trimmed->databases = bm_alloc ((order->n_databases + 1) * sizeof *trimmed->databases);
    s_work_t work = {.self = self, .order = order};
    work.keep = bm_alloc ((order->n_keep + 1) * sizeof *work.keep);
    for (size_t i = 0; i < order->n_keep; i++)
        work.keep[i] = order->keep[i];
    qsort (work.keep, order->n_keep, sizeof *work.keep, s_compare);
    for (size_t i = 0; i < order->n_databases; i++) {
        work.one = trimmed->databases[trimmed->n_databases++] = s_trimmed (order->databases[i]);
        if (!self->sql) {
            work.one->fault = bm_answer_fault (self->error);
            continue;
        }
        char *database = bm_names_quote (order->databases[i]);
        work.table = bm_format ("%s.dbo.MarkLog", database);
        s_trim (&work);
        free (work.table);
        free (database);
    }
    free (work.keep);
    return trimmed;
}
