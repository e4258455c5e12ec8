#include "agent/shell/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "agent/shell/neighbours.h"
#include "agent/shell/prepare.h"
#include "agent/shell/rights.h"
#include "common/limits.h"
#include "common/names.h"

#define S_QUERY_MS 30000

#define S_FAILURE BTSMARK__FINDING_LEVEL__FINDING_FAILURE
#define S_WARNING BTSMARK__FINDING_LEVEL__FINDING_WARNING
#define S_NOTE    BTSMARK__FINDING_LEVEL__FINDING_NOTE

/*  ---- findings ---- */

static void
s_append (Btsmark__Inspected *inspected, Btsmark__FindingLevel level, const char *topic,
          const char *database, const char *remedy, const char *text)
{
    Btsmark__Finding *finding = bm_alloc (sizeof *finding);
    btsmark__finding__init (finding);
    finding->level = level;
    bm_answer_text (&finding->topic, topic);
    bm_answer_text (&finding->database, database);
    bm_answer_text (&finding->text, text);
    bm_answer_text (&finding->remedy, remedy);
    inspected->findings =
        bm_realloc (inspected->findings, (inspected->n_findings + 1) * sizeof *inspected->findings);
    inspected->findings[inspected->n_findings++] = finding;
}

void
bm_inspect_add (Btsmark__Inspected *inspected, Btsmark__FindingLevel level, const char *topic,
                const char *database, const char *remedy, const char *format, ...)
{
    if (inspected->n_findings == BM_LIMIT_FINDINGS)
        return;
    if (inspected->n_findings == BM_LIMIT_FINDINGS - 1) {
        s_append (inspected, S_WARNING, "limit", NULL, "mend what was found, then look again",
                  "there are more findings than one answer may hold");
        return;
    }
    char text[1024];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    s_append (inspected, level, topic, database, remedy, text);
}

bm_sql_result_t *
bm_inspect_query (const bm_inspect_t *self, const char *batch, bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    if (bm_sql_run (self->sql, query, &result, error) != BM_OK)
        bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    return result;
}

/*  ---- what a run's own vote says ---- */

static Btsmark__Vote *
s_vote (const bm_inspect_t *self, const Btsmark__Inspect *order)
{
    Btsmark__Prepare like = BTSMARK__PREPARE__INIT;
    like.instance = order->instance;
    like.set_type = BTSMARK__SET_TYPE__FULL; /* it wants the most: also the room for the files */
    like.databases = order->databases;
    like.n_databases = order->n_databases;
    like.context = order->context;
    like.will_mark = true;
    like.method = order->method;
    bm_prepare_t prepare = {.instance = self->instance,
                            .start_id = self->start_id,
                            .sql = self->sql,
                            .error = self->error,
                            .look_only = true};
    return bm_prepare_run (&prepare, &like);
}

static const char *
s_remedy_of (const char *topic, const Btsmark__Fault *fault)
{
    static const struct {
        const char *topic, *remedy;
    } better[] = {
        {"state", "bring it ONLINE, READ_WRITE and MULTI_USER (ALTER DATABASE ... SET)"},
        {"recovery-model", "ALTER DATABASE ... SET RECOVERY FULL; the next run takes the full "
                           "backup that then is needed"},
        {"missing", "correct the group's row, or give the login VIEW ANY DATABASE"},
        {"space", "make room in that folder, or set another backup path; see btsmark clean "
                  "--dry-run"},
        {"leftover-session", ""},
        {"prepared-transactions", "find them in sys.dm_tran_active_transactions (state 5) and end "
                                  "them in the transaction coordinator, or KILL 'unit of work'"},
    };
    for (size_t i = 0; i < sizeof better / sizeof *better; i++)
        if (strcmp (topic, better[i].topic) == 0)
            return better[i].remedy;
    return fault->remedy;
}

/*  Objects that the login may not see are told as rights that it lacks; native backups need no procedure. */
typedef enum { S_ALL, S_NOTHING_INSIDE, S_NO_OBJECTS, S_NO_BACKUP_PROCEDURES } s_which_t;

static bool
s_is_moot (const Btsmark__Fault *fault, s_which_t which)
{
    if (which == S_NOTHING_INSIDE && strcmp (fault->topic, "sql") == 0)
        return true;
    if (which == S_ALL || strcmp (fault->topic, "procedures") != 0)
        return false;
    return which != S_NO_BACKUP_PROCEDURES || strstr (fault->text, "sp_BackupBizTalk");
}

static void
s_take_faults (Btsmark__Inspected *inspected, Btsmark__FindingLevel level, const char *database,
               Btsmark__Fault *const *faults, size_t count, s_which_t which)
{
    for (size_t i = 0; i < count; i++) {
        const char *topic = *faults[i]->topic ? faults[i]->topic : "sql";
        if (s_is_moot (faults[i], which))
            continue;
        /*  A run settles what an earlier start of the agent left before it marks. */
        bool mends_itself = strcmp (topic, "leftover-session") == 0;
        bm_inspect_add (inspected, mends_itself ? S_NOTE : level, topic, database,
                        s_remedy_of (topic, faults[i]), "%s", faults[i]->text);
    }
}

/*  ---- each database of the group ---- */

/*  The single row of the result set with this column, or -1. */
static int
s_row_with (const bm_sql_result_t *result, const char *column)
{
    int set = result ? bm_sql_result_find (result, (const char *[]){column, NULL}) : -1;
    return set >= 0 && bm_sql_result_rows (result, set) == 1 ? set : -1;
}

/*  Caller frees. */
static char *
s_log_batch (const char *database)
{
    char *quoted = bm_names_quote (database);
    char *procedure = bm_format ("%s.dbo.sp_BackupBizTalkLog", quoted);
    char *object = bm_names_literal (procedure);
    char *name = bm_names_literal (database);
    char *batch = bm_format (
        "SELECT log_reuse_wait_desc AS bm_reuse, delayed_durability_desc,"
        " OBJECT_ID (%s) AS bm_procedure FROM sys.databases WHERE name = %s;\n"
        "SELECT SUM (CONVERT (bigint, size)) AS bm_log_pages FROM sys.master_files"
        " WHERE database_id = DB_ID (%s) AND type = 1;\n"
        "SELECT DATEDIFF (second, MAX (backup_finish_date), GETDATE ()) AS bm_log_age_s"
        " FROM msdb.dbo.backupset WHERE database_name = %s AND type = 'L' AND is_copy_only = 0;",
        object, name, name, name);
    free (name);
    free (object);
    free (procedure);
    free (quoted);
    return batch;
}

/*  What a vote does not look at: the log, and whether it can be backed up too. */
static void
s_look_at_log (const bm_inspect_t *self, const Btsmark__Inspect *order, bool sees,
               Btsmark__DatabaseFacts *facts, Btsmark__Inspected *inspected)
{
    bm_error_t error = {0};
    char *batch = s_log_batch (facts->name);
    bm_sql_result_t *result = bm_inspect_query (self, batch, &error);
    free (batch);
    int set = s_row_with (result, "bm_reuse");
    if (set >= 0) {
        bm_answer_text (&facts->log_reuse_wait, bm_sql_result_text (result, set, 0, "bm_reuse"));
        bm_answer_text (&facts->delayed_durability,
                        bm_sql_result_text (result, set, 0, "delayed_durability_desc"));
        if (sees && order->method != BTSMARK__METHOD__NATIVE &&
            !bm_sql_result_text (result, set, 0, "bm_procedure"))
            bm_inspect_add (inspected, S_FAILURE, "procedures", facts->name,
                            "run Backup_Setup_All_Procs.sql in it",
                            "database %s has no dbo.sp_BackupBizTalkLog", facts->name);
    }
    set = s_row_with (result, "bm_log_pages");
    int64_t pages = set >= 0 ? bm_sql_result_int (result, set, 0, "bm_log_pages", -1) : -1;
    facts->log_bytes = pages >= 0 ? pages * 8192 : -1;
    set = s_row_with (result, "bm_log_age_s");
    int64_t age_s = set >= 0 ? bm_sql_result_int (result, set, 0, "bm_log_age_s", -1) : -1;
    facts->log_backup_age_ms = age_s >= 0 ? age_s * 1000 : -1;
    bm_sql_result_destroy (&result);
    if (error.status != BM_OK)
        bm_inspect_add (inspected, S_WARNING, "log-reuse", facts->name, error.remedy,
                        "the state of the log of %s cannot be read: %s", facts->name, error.text);
}

/*  Why SQL Server cannot reuse the log (SQL Server: sys.databases, log_reuse_wait_desc), where it is not a log backup that is
 *  missing: that one is judged by its age. What passes by itself is left out. */
static void
s_judge_log_reuse (const Btsmark__DatabaseFacts *facts, Btsmark__Inspected *inspected)
{
    static const struct {
        const char *wait;
        Btsmark__FindingLevel level;
        const char *why, *remedy;
    } known[] = {
        {"ACTIVE_TRANSACTION", S_NOTE, "a transaction that is open keeps it",
         "DBCC OPENTRAN names the oldest one, if this does not pass"},
        {"REPLICATION", S_WARNING, "replication or change data capture has not read it yet",
         "start the log reader, or remove the replication or CDC that nobody reads"},
        {"DATABASE_MIRRORING", S_WARNING, "the mirror has not received it yet",
         "look at the mirroring partner"},
        {"AVAILABILITY_REPLICA", S_WARNING, "a secondary replica has not received it yet",
         "look at the availability group's replicas"},
        {"DATABASE_SNAPSHOT_CREATION", S_NOTE, "a database snapshot is being made", ""},
        {"OTHER_TRANSIENT", S_NOTE, "of something that passes", ""},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp (facts->log_reuse_wait, known[i].wait) == 0)
            bm_inspect_add (inspected, known[i].level, "log-reuse", facts->name, known[i].remedy,
                            "the log of %s cannot be reused (%s): %s", facts->name, known[i].wait,
                            known[i].why);
}

/*  Commits across databases and distributed ones are always durable; others of such a database can be lost when SQL Server
 *  crashes, also from what a mark seems to hold (SQL Server: "Control Transaction Durability"). */
static void
s_judge_durability (const Btsmark__DatabaseFacts *facts, Btsmark__Inspected *inspected)
{
    char *quoted = bm_names_quote (facts->name);
    char *remedy = bm_format ("ALTER DATABASE %s SET DELAYED_DURABILITY = DISABLED;", quoted);
    if (strcmp (facts->delayed_durability, "FORCED") == 0)
        bm_inspect_add (inspected, S_WARNING, "delayed-durability", facts->name, remedy,
                        "database %s forces delayed durability: committed work can be lost when "
                        "SQL Server crashes, whatever the backups hold",
                        facts->name);
    else if (strcmp (facts->delayed_durability, "ALLOWED") == 0)
        bm_inspect_add (inspected, S_NOTE, "delayed-durability", facts->name, remedy,
                        "database %s allows delayed durability to those that ask for it",
                        facts->name);
    free (remedy);
    free (quoted);
}

static void
s_inspect_database (const bm_inspect_t *self, const Btsmark__Inspect *order,
                    Btsmark__DatabaseFacts *facts, Btsmark__Inspected *inspected)
{
    bm_sight_t sight = BM_SIGHT_ALL;
    if (strcmp (facts->state, "ONLINE") == 0) {
        sight = bm_rights_database (self, order, facts, inspected);
        s_look_at_log (self, order, sight == BM_SIGHT_ALL, facts, inspected);
        s_judge_log_reuse (facts, inspected);
        s_judge_durability (facts, inspected);
        if (!facts->has_full && sight != BM_SIGHT_NONE)
            bm_inspect_add (
                inspected, S_NOTE, "no-full", facts->name,
                "btsmark run; btsmark force-full before it when an earlier attempt failed",
                "database %s has no full backup at the beginning of its log chain: a "
                "coming run takes it",
                facts->name);
    }
    s_which_t which = S_ALL;
    if (sight == BM_SIGHT_NONE)
        which = S_NOTHING_INSIDE;
    else if (sight == BM_SIGHT_GRANTED)
        which = S_NO_OBJECTS;
    else if (order->method == BTSMARK__METHOD__NATIVE)
        which = S_NO_BACKUP_PROCEDURES;
    s_take_faults (inspected, S_FAILURE, facts->name, facts->reasons, facts->n_reasons, which);
    s_take_faults (inspected, S_WARNING, facts->name, facts->warnings, facts->n_warnings, S_ALL);
}

Btsmark__Inspected *
bm_inspect_run (const bm_inspect_t *self, const Btsmark__Inspect *order)
{
    Btsmark__Inspected *inspected = bm_alloc (sizeof *inspected);
    btsmark__inspected__init (inspected);
    bm_answer_text (&inspected->instance, self->instance->name);
    if (!self->sql) {
        inspected->fault = bm_answer_fault (self->error);
        return inspected;
    }
    Btsmark__Vote *vote = s_vote (self, order);
    s_take_faults (inspected, S_FAILURE, NULL, vote->reasons, vote->n_reasons, S_ALL);
    s_take_faults (inspected, S_WARNING, NULL, vote->warnings, vote->n_warnings, S_ALL);
    bm_rights_server (self, inspected);
    bm_neighbours_jobs (self, order, inspected);
    bm_neighbours_databases (self, order, inspected);
    for (size_t i = 0; i < vote->n_databases; i++)
        s_inspect_database (self, order, vote->databases[i], inspected);
    inspected->databases = vote->databases;
    inspected->n_databases = vote->n_databases;
    vote->databases = NULL;
    vote->n_databases = 0;
    btsmark__vote__free_unpacked (vote, NULL);
    return inspected;
}
