#include "agent/shell/neighbours.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/shell/rights.h"
#include "common/names.h"

#define S_FAILURE BTSMARK__FINDING_LEVEL__FINDING_FAILURE
#define S_WARNING BTSMARK__FINDING_LEVEL__FINDING_WARNING
#define S_NOTE    BTSMARK__FINDING_LEVEL__FINDING_NOTE

#define S_COUNT(array) (sizeof (array) / sizeof *(array))

/*  ---- the old job ---- */

static const char *const s_jobs_batch =
    "SELECT DISTINCT j.name AS bm_job, j.enabled, CONVERT (nvarchar(36), j.job_id) AS job"
    " FROM msdb.dbo.sysjobs j LEFT JOIN msdb.dbo.sysjobsteps s ON s.job_id = j.job_id"
    " WHERE j.name LIKE N'Backup BizTalk Server%' OR s.command LIKE N'%sp_BackupAllFull%'"
    " OR s.command LIKE N'%sp[_]MarkAll%' OR s.command LIKE N'%sp_BackupBizTalk%';\n"
    "SELECT CONVERT (nvarchar(36), l.job_id) AS bm_scheduled"
    " FROM msdb.dbo.sysjobschedules l"
    " JOIN msdb.dbo.sysschedules c ON c.schedule_id = l.schedule_id WHERE c.enabled = 1;";

static bool
s_scheduled (const bm_sql_result_t *result, const char *job)
{
    int set = bm_sql_result_find (result, (const char *[]){"bm_scheduled", NULL});
    for (size_t i = 0; set >= 0 && i < bm_sql_result_rows (result, set); i++)
        if (bm_names_equal (bm_sql_result_text (result, set, i, "bm_scheduled"), job))
            return true;
    return false;
}

static void
s_judge_job (const bm_inspect_t *self, const bm_sql_result_t *result, int set, size_t row,
             Btsmark__Inspected *inspected)
{
    const char *name = bm_sql_result_text (result, set, row, "bm_job");
    const char *job = bm_sql_result_text (result, set, row, "job");
    if (bm_sql_result_int (result, set, row, "enabled", 0) == 0)
        return;
    char *literal = bm_names_literal (name ? name : "");
    char *remedy = bm_format ("EXEC msdb.dbo.sp_update_job @job_name = %s, @enabled = 0;", literal);
    if (s_scheduled (result, job ? job : ""))
        bm_inspect_add (inspected, S_FAILURE, "old-job", NULL, remedy,
                        "SQL Agent job \"%s\" on %s is enabled and scheduled: it takes log backups "
                        "of the same databases, and each side then misses the other's",
                        name, self->instance->name);
    else
        bm_inspect_add (inspected, S_WARNING, "old-job", NULL, remedy,
                        "SQL Agent job \"%s\" on %s is enabled, though no schedule starts it", name,
                        self->instance->name);
    free (remedy);
    free (literal);
}

void
bm_neighbours_jobs (const bm_inspect_t *self, const Btsmark__Inspect *order,
                    Btsmark__Inspected *inspected)
{
    bm_error_t error = {0};
    bm_sql_result_t *result = bm_inspect_query (self, s_jobs_batch, &error);
    if (result) {
        int set = bm_sql_result_find (result, (const char *[]){"bm_job", NULL});
        for (size_t i = 0; set >= 0 && i < bm_sql_result_rows (result, set); i++)
            s_judge_job (self, result, set, i, inspected);
    } else {
        char *who = bm_names_quote (self->instance->login);
        char *user = bm_rights_user (self->instance->login);
        char *remedy = bm_format (
            "USE msdb; %sGRANT SELECT ON dbo.sysjobs TO %s; GRANT SELECT ON dbo.sysjobsteps TO %s; "
            "GRANT SELECT ON dbo.sysjobschedules TO %s; GRANT SELECT ON dbo.sysschedules TO %s;",
            user, who, who, who, who);
        bm_inspect_add (
            inspected, order->management ? S_WARNING : S_NOTE, "old-job", NULL, remedy,
            "whether BizTalk's old backup job is still active on %s could not be looked "
            "for: %s",
            self->instance->name, error.text);
        free (remedy);
        free (user);
        free (who);
    }
    bm_sql_result_destroy (&result);
}

/*  ---- databases that were forgotten ---- */

typedef struct s_known {
    const char *name;
    bool normally_not; /* backed up by other means */
} s_known_t;

/*  Default names of BizTalk, its accelerators and its companions. A * at the end stands for any rest. */
static const s_known_t s_known[] = {
    {"BizTalkMgmtDb", false},
    {"BizTalkMsgBoxDb*", false},
    {"BizTalkDTADb", false},
    {"BizTalkRuleEngineDb", false},
    {"SSODB", false},
    {"BAMPrimaryImport", false},
    {"BAMAlertsApplication", false},
    {"BAMAlertsNSMain", false},
    {"BAMArchive", true},
    {"BAMStarSchema", true},
    {"BTARNARCHIVE", false},
    {"BTARNCONFIG", false},
    {"BTARNDATA", false},
    {"EsbExceptionDb", false},
    {"EsbItineraryDb", false},
    {"UDDI", false},
    {"UDDI3*", false},
    {"A4SWIFT*", false},
    {"BizTalkEDIDb", false},
    {"BizTalkHwsDb", false},
};

static const s_known_t *
s_find_known (const char *name)
{
    for (size_t i = 0; i < S_COUNT (s_known); i++) {
        const char *star = strchr (s_known[i].name, '*');
        if (star ? strncasecmp (name, s_known[i].name, (size_t)(star - s_known[i].name)) == 0
                 : bm_names_equal (name, s_known[i].name))
            return &s_known[i];
    }
    return NULL;
}

static bool
s_in_group (const Btsmark__Inspect *order, const char *name)
{
    for (size_t i = 0; i < order->n_databases; i++)
        if (bm_names_equal (order->databases[i]->name, name))
            return true;
    return false;
}

/*  "OBJECT_ID (N'[db].dbo.MarkLog') ..." of one database. Caller frees. */
static char *
s_signs_batch (const char *name)
{
    char *quoted = bm_names_quote (name);
    char *objects[3];
    static const char *const names[] = {"MarkLog", "sp_SetMark", "TDDS_StreamStatus"};
    for (size_t i = 0; i < S_COUNT (names); i++) {
        char *full = bm_format ("%s.dbo.%s", quoted, names[i]);
        objects[i] = bm_names_literal (full);
        free (full);
    }
    char *batch = bm_format ("SELECT OBJECT_ID (%s) AS bm_marklog, OBJECT_ID (%s) AS bm_setmark,"
                             " OBJECT_ID (%s) AS bm_tracking;",
                             objects[0], objects[1], objects[2]);
    for (size_t i = 0; i < S_COUNT (names); i++)
        free (objects[i]);
    free (quoted);
    return batch;
}

/*  What makes it look like BizTalk's, or NULL. */
static const char *
s_sign (const bm_inspect_t *self, const char *name, bool distributed)
{
    bm_error_t error = {0};
    char *batch = s_signs_batch (name);
    bm_sql_result_t *result = bm_inspect_query (self, batch, &error);
    const char *sign = NULL;
    free (batch);
    if (result && bm_sql_result_text (result, 0, 0, "bm_tracking"))
        sign = "it holds BizTalk's tracking tables (dbo.TDDS_StreamStatus)";
    else if (result && (bm_sql_result_text (result, 0, 0, "bm_marklog") ||
                        bm_sql_result_text (result, 0, 0, "bm_setmark")))
        sign = "it has BizTalk's backup objects (dbo.MarkLog, dbo.sp_SetMark)";
    else if (distributed)
        sign = "distributed transactions, as BizTalk's adapters use them, run in it";
    bm_sql_result_destroy (&result);
    return sign;
}

static void
s_stray (const bm_inspect_t *self, const char *name, const s_known_t *known, const char *sign,
         Btsmark__Inspected *inspected)
{
    if (known && known->normally_not) {
        bm_inspect_add (inspected, S_NOTE, "stray-database", name, NULL,
                        "database %s on %s is not backed up with the group: BAM's archive and star "
                        "schema normally have backups of their own",
                        name, self->instance->name);
        return;
    }
    char *literal = bm_names_literal (name);
    char *server = bm_names_literal (self->instance->name);
    char *remedy = bm_format (
        "if it belongs to the group: recovery model FULL, run Backup_Setup_All_Procs.sql and "
        "Backup_Setup_All_Tables.sql in it, then in the management database INSERT INTO "
        "adm_OtherBackupDatabases (DefaultDatabaseName, DatabaseName, ServerName, BTSServerName) "
        "VALUES (%s, %s, %s, N'-'); if not: ignore-databases in [check]",
        literal, literal, server);
    bm_inspect_add (inspected, S_WARNING, "stray-database", name, remedy,
                    "database %s on %s is not backed up with the group, but %s", name,
                    self->instance->name, sign ? sign : "has the name of one of BizTalk's");
    free (remedy);
    free (server);
    free (literal);
}

/*  Databases in which a branch of a distributed transaction is open at this moment: that is all SQL Server tells. */
static const char *const s_distributed_batch =
    "SELECT DISTINCT DB_NAME (d.database_id) AS bm_distributed"
    " FROM sys.dm_tran_database_transactions d"
    " JOIN sys.dm_tran_active_transactions a ON a.transaction_id = d.transaction_id"
    " WHERE a.transaction_type = 4 OR a.transaction_uow IS NOT NULL;";

static bool
s_is_distributed (const bm_sql_result_t *result, const char *name)
{
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_distributed", NULL}) : -1;
    for (size_t i = 0; set >= 0 && i < bm_sql_result_rows (result, set); i++) {
        const char *other = bm_sql_result_text (result, set, i, "bm_distributed");
        if (other && bm_names_equal (other, name))
            return true;
    }
    return false;
}

void
bm_neighbours_databases (const bm_inspect_t *self, const Btsmark__Inspect *order,
                         Btsmark__Inspected *inspected)
{
    bm_error_t error = {0};
    bm_sql_result_t *result = bm_inspect_query (
        self,
        "SELECT name AS bm_neighbour, state_desc FROM sys.databases"
        " WHERE name NOT IN (N'master', N'model', N'msdb', N'tempdb') AND source_database_id IS"
        " NULL;",
        &error);
    bm_sql_result_t *distributed = bm_inspect_query (self, s_distributed_batch, &error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_neighbour", NULL}) : -1;
    for (size_t i = 0; set >= 0 && i < bm_sql_result_rows (result, set); i++) {
        const char *name = bm_sql_result_text (result, set, i, "bm_neighbour");
        const char *state = bm_sql_result_text (result, set, i, "state_desc");
        if (!name || s_in_group (order, name))
            continue;
        const s_known_t *known = s_find_known (name);
        const char *sign = NULL;
        if (state && strcmp (state, "ONLINE") == 0)
            sign = s_sign (self, name, s_is_distributed (distributed, name));
        if (known || sign)
            s_stray (self, name, known, sign, inspected);
    }
    bm_sql_result_destroy (&distributed);
    bm_sql_result_destroy (&result);
}
