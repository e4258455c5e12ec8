#include "agent/shell/prepare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "agent/shell/files.h"
#include "agent/shell/path.h"
#include "agent/shell/session.h"
#include "common/names.h"

#define S_QUERY_MS 30000

/*  ---- folders ---- */

char *
bm_prepare_path (const bm_instance_config_t *instance, const char *wanted, bm_error_t *error)
{
    if (!*wanted && !*instance->backup_path) {
        bm_fail (error, BM_PATH_NOT_ALLOWED,
                 "the order names no backup path and [instance %s] has none", instance->name);
        bm_error_remedy (error, "set backup-path in [instance %s] of the agent's configuration",
                         instance->name);
        return NULL;
    }
    char *clean = bm_path_normalise (*wanted ? wanted : instance->backup_path, error);
    if (!clean)
        return NULL;
    for (size_t i = 0; i < instance->allowed_count; i++)
        if (bm_path_within (clean, instance->allowed_paths[i]))
            return clean;
    bm_fail (error, BM_PATH_NOT_ALLOWED, "[instance %s] does not allow backups to %s",
             instance->name, clean);
    bm_error_remedy (error, "add it to allowed-paths in [instance %s] of the agent's configuration",
                     instance->name);
    free (clean);
    return NULL;
}

/*  ---- what SQL Server says ---- */

static Btsmark__Fault *
s_about (const char *topic, Btsmark__Fault *fault)
{
    bm_answer_text (&fault->topic, topic);
    return fault;
}

static void
s_reason (Btsmark__DatabaseFacts *facts, const char *topic, Btsmark__Fault *fault)
{
    bm_answer_add_fault (&facts->reasons, &facts->n_reasons, s_about (topic, fault));
}

static bm_status_t
s_query (bm_sql_t *sql, const char *batch, bm_sql_result_t **result_p, bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_status_t status = bm_sql_run (sql, query, result_p, error);
    bm_sql_query_destroy (&query);
    return status;
}

/*  sys.database_recovery_status tells whether a log chain has begun; it may be hidden from the login, so without it the
 *  answer comes from msdb. */
static bm_status_t
s_list_databases (bm_sql_t *sql, bm_sql_result_t **result_p, bool *has_status, bm_error_t *error)
{
    *has_status = true;
    bm_status_t status = s_query (
        sql,
        "SELECT d.name, d.state_desc, d.recovery_model_desc, d.is_read_only, d.user_access_desc,"
        " d.is_in_standby, r.last_log_backup_lsn,"
        " CONVERT (nvarchar(36), r.recovery_fork_guid) AS recovery_fork,"
        " CONVERT (nvarchar(36), r.family_guid) AS family"
        " FROM sys.databases d"
        " LEFT JOIN sys.database_recovery_status r ON r.database_id = d.database_id;",
        result_p, error);
    if (status != BM_SQL_FAILED)
        return status;
    *has_status = false;
    bm_sql_result_destroy (result_p);
    memset (error, 0, sizeof *error);
    return s_query (sql,
                    "SELECT d.name, d.state_desc, d.recovery_model_desc, d.is_read_only,"
                    " d.user_access_desc, d.is_in_standby FROM sys.databases d;",
                    result_p, error);
}

static void
s_read_state (Btsmark__DatabaseFacts *facts, const bm_sql_result_t *all, int set, size_t row)
{
    bm_answer_text (&facts->state, bm_sql_result_text (all, set, row, "state_desc"));
    bm_answer_text (&facts->recovery_model,
                    bm_sql_result_text (all, set, row, "recovery_model_desc"));
    bm_answer_text (&facts->user_access, bm_sql_result_text (all, set, row, "user_access_desc"));
    facts->read_only = bm_sql_result_int (all, set, row, "is_read_only", 0) != 0;
    facts->in_standby = bm_sql_result_int (all, set, row, "is_in_standby", 0) != 0;
    facts->has_full = bm_sql_result_text (all, set, row, "last_log_backup_lsn") != NULL;
    bm_answer_text (&facts->recovery_fork, bm_sql_result_text (all, set, row, "recovery_fork"));
    bm_answer_text (&facts->family, bm_sql_result_text (all, set, row, "family"));
}

/*  Every state that keeps BACKUP or a mark from working, each with a reason of its own. */
static void
s_judge_state (Btsmark__DatabaseFacts *facts)
{
    const char *name = facts->name;
    if (strcmp (facts->state, "ONLINE") != 0)
        s_reason (facts, "state",
                  bm_answer_fault_new (BM_NOT_READY, "database %s is %s, not ONLINE", name,
                                       facts->state));
    if (facts->read_only)
        s_reason (facts, "state",
                  bm_answer_fault_new (BM_NOT_READY,
                                       "database %s is read-only: no mark can be "
                                       "written in it",
                                       name));
    if (facts->in_standby)
        s_reason (facts, "state",
                  bm_answer_fault_new (BM_NOT_READY, "database %s is in standby", name));
    if (*facts->user_access && strcmp (facts->user_access, "MULTI_USER") != 0)
        s_reason (facts, "state",
                  bm_answer_fault_new (BM_NOT_READY, "database %s is in %s mode", name,
                                       facts->user_access));
    if (strcmp (facts->recovery_model, "BULK_LOGGED") == 0)
        bm_answer_add_fault (
            &facts->warnings, &facts->n_warnings,
            s_about ("recovery-model",
                     bm_answer_fault_new (BM_WARNINGS,
                                          "database %s is in BULK_LOGGED recovery: after a "
                                          "bulk load SQL Server drops the mark (3923)",
                                          name)));
    else if (strcmp (facts->recovery_model, "FULL") != 0)
        s_reason (facts, "recovery-model",
                  bm_answer_fault_new (BM_NOT_READY,
                                       "database %s is in %s recovery: its log cannot be backed "
                                       "up; ALTER DATABASE ... SET RECOVERY FULL",
                                       name, facts->recovery_model));
}

static char *
s_objects_batch (const char *database)
{
    char *quoted = bm_names_quote (database);
    static const char *const objects[] = {
        "sp_SetMark",        "sp_BackupBizTalkFull", "sp_BackupBizTalkLog", "MarkLog",
        "TDDS_StreamStatus", "TDDS_BlockTDDS",       "Tracking_Spool1"};
    char *batch = bm_strdup ("SELECT ");
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        char *name = bm_format ("%s.dbo.%s", quoted, objects[i]);
        char *literal = bm_names_literal (name);
        char *more = bm_format ("%sOBJECT_ID (%s) AS has_%s%s", batch, literal, objects[i],
                                i + 1 < sizeof objects / sizeof *objects ? ", " : ";\n");
        free (literal);
        free (name);
        free (batch);
        batch = more;
    }
    char *procedure = bm_format ("%s.dbo.sp_BackupBizTalkLog", quoted);
    char *literal = bm_names_literal (procedure), *securable = bm_names_literal (quoted);
    char *whole =
        bm_format ("%sSELECT COUNT (*) AS compression FROM %s.sys.parameters"
                   " WHERE object_id = OBJECT_ID (%s) AND name = N'@bCompression';\n"
                   "SELECT HAS_PERMS_BY_NAME (%s, N'DATABASE', N'VIEW DEFINITION') AS sees_all;",
                   batch, quoted, literal, securable);
    free (securable);
    free (literal);
    free (procedure);
    free (batch);
    free (quoted);
    return whole;
}

static bool
s_has (const bm_sql_result_t *result, int set, const char *object)
{
    char column[64];
    snprintf (column, sizeof column, "has_%s", object);
    return bm_sql_result_text (result, set, 0, column) != NULL;
}

static void
s_need (Btsmark__DatabaseFacts *facts, const bm_sql_result_t *result, int set, const char *object)
{
    if (!s_has (result, set, object))
        s_reason (facts, "procedures",
                  bm_answer_fault_new (BM_NOT_READY,
                                       "database %s has no dbo.%s: run "
                                       "Backup_Setup_All_Procs.sql and Backup_Setup_All_Tables.sql "
                                       "in it",
                                       facts->name, object));
}

/*  OBJECT_ID is NULL also of what the login may not see ("Metadata Visibility Configuration" of SQL Server's documentation), and
 *  BTS_BACKUP_USERS has no right on the tracking tables. A tracking database that passed for another one would not be fenced, so
 *  without the right to see everything nothing is taken for absent. */
static void
s_need_sight (const bm_prepare_t *self, const bm_sql_result_t *result,
              Btsmark__DatabaseFacts *facts)
{
    int set = bm_sql_result_find (result, (const char *[]){"sees_all", NULL});
    if (set >= 0 && bm_sql_result_rows (result, set) == 1 &&
        bm_sql_result_int (result, set, 0, "sees_all", 0) == 1)
        return;
    const char *login = self->instance->login;
    char *where = bm_names_quote (facts->name);
    char *who = bm_names_quote (login && *login ? login : "the agent's login");
    bm_error_t error = {0};
    bm_fail (&error, BM_NOT_READY,
             "the login may not see whether database %s has tracking tables, which must be held "
             "still while marks are placed",
             facts->name);
    bm_error_remedy (&error, "USE %s; GRANT VIEW DEFINITION TO %s;", where, who);
    s_reason (facts, "procedures", bm_answer_fault (&error));
    free (who);
    free (where);
}

static void
s_look_at_objects (const bm_prepare_t *self, const Btsmark__Prepare *order,
                   Btsmark__DatabaseFacts *facts)
{
    bm_error_t error = {0};
    bm_sql_result_t *result = NULL;
    char *batch = s_objects_batch (facts->name);
    bm_status_t status = s_query (self->sql, batch, &result, &error);
    free (batch);
    int set = result ? bm_sql_result_find (result, (const char *[]){"has_sp_SetMark", NULL}) : -1;
    if (status != BM_OK || set < 0 || bm_sql_result_rows (result, set) != 1) {
        if (status == BM_OK)
            bm_fail (&error, BM_SQL_FAILED, "no answer");
        bm_error_wrap (&error, "database %s cannot be looked at", facts->name);
        s_reason (facts, "sql", bm_answer_fault (&error));
        bm_sql_result_destroy (&result);
        return;
    }
    facts->has_tracking = s_has (result, set, "TDDS_StreamStatus");
    facts->has_bodies = s_has (result, set, "Tracking_Spool1");
    if (order->method != BTSMARK__METHOD__NATIVE)
        s_need (facts, result, set,
                order->set_type == BTSMARK__SET_TYPE__FULL ? "sp_BackupBizTalkFull"
                                                           : "sp_BackupBizTalkLog");
    if (order->will_mark) {
        s_need_sight (self, result, facts);
        s_need (facts, result, set, "sp_SetMark");
        s_need (facts, result, set, "MarkLog");
        if (facts->has_tracking)
            s_need (facts, result, set, "TDDS_BlockTDDS");
    }
    set = bm_sql_result_find (result, (const char *[]){"compression", NULL});
    facts->has_compression_parameter = set >= 0 && bm_sql_result_rows (result, set) == 1 &&
                                       bm_sql_result_int (result, set, 0, "compression", 0) > 0;
    bm_sql_result_destroy (&result);
}

/*  The newest backup that is not copy-only: its size tells how much room the next one needs. -1 = there is none. */
static int64_t
s_last_bytes (bm_sql_t *sql, const char *database, const char *type)
{
    bm_sql_query_t *query = bm_sql_query_new (
        "SELECT TOP (1) backup_size, compressed_backup_size,"
        " CONVERT (nvarchar(36), last_recovery_fork_guid) AS fork FROM msdb.dbo.backupset"
        " WHERE database_name = @name AND type = @type AND is_copy_only = 0"
        " ORDER BY backup_set_id DESC;");
    bm_sql_query_text (query, "@name", database);
    bm_sql_query_text (query, "@type", type);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    bm_error_t error;
    int64_t bytes = -1;
    bm_status_t status = bm_sql_run (sql, query, &result, &error);
    bm_sql_query_destroy (&query);
    int set = result ? bm_sql_result_find (result, (const char *[]){"backup_size", NULL}) : -1;
    if (status == BM_OK && set >= 0 && bm_sql_result_rows (result, set) == 1) {
        bytes = bm_sql_result_int (result, set, 0, "backup_size", 0);
        bytes = bm_sql_result_int (result, set, 0, "compressed_backup_size", bytes);
    }
    bm_sql_result_destroy (&result);
    return bytes;
}

static void
s_look_at_last (bm_sql_t *sql, bool has_status, Btsmark__DatabaseFacts *facts)
{
    int64_t full = s_last_bytes (sql, facts->name, "D"), log = s_last_bytes (sql, facts->name, "L");
    if (full >= 0) {
        facts->last_full_bytes = full;
        if (!has_status)
            facts->has_full = true;
    }
    if (log >= 0)
        facts->last_log_bytes = log;
}

static void
s_look_at_path (const bm_prepare_t *self, const Btsmark__DatabaseTarget *target,
                Btsmark__DatabaseFacts *facts)
{
    bm_error_t error = {0};
    facts->free_bytes = -1;
    char *path = bm_prepare_path (self->instance, target->path, &error);
    if (!path) {
        s_reason (facts, "path", bm_answer_fault (&error));
        return;
    }
    bm_answer_text (&facts->path, path);
    bm_files_t files = {.instance = self->instance, .sql = self->sql, .error = self->error};
    if (bm_files_probe_folder (&files, path, self->look_only, &facts->free_bytes, &error) != BM_OK)
        s_reason (facts, "path", bm_answer_fault (&error));
    free (path);
}

static void
s_look_at_database (const bm_prepare_t *self, const Btsmark__Prepare *order,
                    const bm_sql_result_t *all, bool has_status, Btsmark__DatabaseFacts *facts)
{
    int set = bm_sql_result_find (all, (const char *[]){"state_desc", NULL});
    size_t rows = set >= 0 ? bm_sql_result_rows (all, set) : 0, row = 0;
    while (row < rows && !bm_names_equal (bm_sql_result_text (all, set, row, "name"), facts->name))
        row++;
    if (row == rows) {
        s_reason (facts, "missing",
                  bm_answer_fault_new (BM_NOT_READY,
                                       "there is no database %s on %s, or the login "
                                       "may not see it",
                                       facts->name, self->instance->name));
        return;
    }
    bm_answer_text (&facts->name, bm_sql_result_text (all, set, row, "name"));
    s_read_state (facts, all, set, row);
    s_judge_state (facts);
    if (strcmp (facts->state, "ONLINE") != 0)
        return;
    s_look_at_objects (self, order, facts);
    s_look_at_last (self->sql, has_status, facts);
    if (order->set_type == BTSMARK__SET_TYPE__LOG && !facts->has_full)
        s_reason (facts, "no-full",
                  bm_answer_fault_new (BM_NOT_READY,
                                       "database %s has no full backup at the "
                                       "beginning of its log chain",
                                       facts->name));
}

/*  ---- the instance as a whole ---- */

static void
s_look_for_leftovers (const bm_prepare_t *self, Btsmark__Vote *vote)
{
    bm_error_t error;
    bm_sql_result_t *result = NULL;
    s_query (self->sql,
             "SELECT session_id AS bm_spid, program_name FROM sys.dm_exec_sessions"
             " WHERE program_name LIKE N'btsmark-agent %' AND session_id <> @@SPID;",
             &result, &error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_spid", NULL}) : -1;
    for (size_t i = 0; set >= 0 && i < bm_sql_result_rows (result, set); i++) {
        const char *program = bm_sql_result_text (result, set, i, "program_name");
        if (bm_session_is_leftover (program, self->instance->name, self->start_id))
            bm_answer_add_fault (
                &vote->reasons, &vote->n_reasons,
                s_about ("leftover-session",
                         bm_answer_fault_new (
                             BM_NOT_READY,
                             "session %" PRId64 " of an earlier start of the agent is still "
                             "there (%s); the next run ends it",
                             bm_sql_result_int (result, set, i, "bm_spid", 0), program)));
    }
    bm_sql_result_destroy (&result);
}

/*  A marked COMMIT waits for prepared transactions. One that is prepared for a minute will not end by itself. */
static void
s_look_for_prepared (const bm_prepare_t *self, Btsmark__Vote *vote)
{
    bm_error_t error;
    bm_sql_result_t *result = NULL;
    s_query (self->sql,
             "SELECT COUNT (*) AS prepared FROM sys.dm_tran_active_transactions"
             " WHERE transaction_state = 5 AND DATEDIFF (second, transaction_begin_time, GETDATE "
             "()) > 60;",
             &result, &error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"prepared", NULL}) : -1;
    int64_t count = 0;
    if (set >= 0 && bm_sql_result_rows (result, set) == 1)
        count = bm_sql_result_int (result, set, 0, "prepared", 0);
    if (count > 0)
        bm_answer_add_fault (
            &vote->warnings, &vote->n_warnings,
            s_about ("prepared-transactions",
                     bm_answer_fault_new (BM_WARNINGS,
                                          "%" PRId64 " distributed transaction(s) on %s have been "
                                          "prepared for over a minute: the mark's COMMIT waits "
                                          "for them",
                                          count, self->instance->name)));
    bm_sql_result_destroy (&result);
}

/*  Two backups in one file would append to each other (NOINIT): nothing would say so. */
static void
s_look_for_same_files (Btsmark__Vote *vote)
{
    for (size_t i = 0; i < vote->n_databases; i++)
        for (size_t k = 0; k < i; k++)
            if (bm_names_equal (vote->databases[i]->name, vote->databases[k]->name))
                s_reason (vote->databases[i], "duplicate",
                          bm_answer_fault_new (BM_NOT_READY,
                                               "database %s stands twice in the order: both "
                                               "backups would go to one file",
                                               vote->databases[i]->name));
}

/*  BizTalk's procedures put the database's name into the file's name as it is. */
static void
s_judge_names (Btsmark__Vote *vote, const Btsmark__Prepare *order)
{
    for (size_t i = 0; order->method != BTSMARK__METHOD__NATIVE && i < vote->n_databases; i++) {
        Btsmark__DatabaseFacts *facts = vote->databases[i];
        const char *bad = strpbrk (facts->name, "/\\:*?\"<>|");
        if (!bad)
            continue;
        Btsmark__Fault *fault = bm_answer_fault_new (
            BM_NOT_READY,
            "database %s has a %c in its name, which BizTalk's procedures would put into the name "
            "of the backup file",
            facts->name, *bad);
        bm_answer_text (&fault->remedy, "set method = native in [backup] of the coordinator");
        s_reason (facts, "name", fault);
    }
}

/*  BizTalk's procedures cut the server's name at 30 characters and append to a file that is there: two instances of a cluster
 *  with long names could write two backups into one file. */
static void
s_judge_rivals (const bm_prepare_t *self, const Btsmark__Prepare *order, const char *server,
                Btsmark__Vote *vote)
{
    size_t count = vote->n_databases;
    if (!self->claims || !server || order->method == BTSMARK__METHOD__NATIVE)
        return;
    char **names = bm_alloc ((count + 1) * sizeof *names);
    char **rivals = bm_alloc ((count + 1) * sizeof *rivals);
    const char **folders = bm_alloc ((count + 1) * sizeof *folders);
    for (size_t i = 0; i < count; i++) {
        names[i] = bm_names_backup_file (server, vote->databases[i]->name, true, "");
        folders[i] = *vote->databases[i]->path ? vote->databases[i]->path : NULL;
    }
    bm_claim_t claim = {.instance = self->instance->name,
                        .run = self->run,
                        .folders = folders,
                        .names = (const char *const *)names,
                        .count = count};
    bm_claims_take (self->claims, &claim, rivals);
    for (size_t i = 0; i < count; i++) {
        if (rivals[i]) {
            Btsmark__Fault *fault = bm_answer_fault_new (
                BM_NOT_READY,
                "the backups of database %s of %s and of %s would go to one file of %s: BizTalk's "
                "procedures cut the server's name at 30 characters",
                vote->databases[i]->name, self->instance->name, rivals[i],
                vote->databases[i]->path);
            bm_answer_text (
                &fault->remedy,
                "give each instance a backup folder of its own, or set method = native");
            s_reason (vote->databases[i], "duplicate", fault);
        }
        free (rivals[i]);
        free (names[i]);
    }
    free (folders);
    free (rivals);
    free (names);
}

/*  Backups of several databases share the room of a folder. A full that does not fit is not begun. A log is tried all the
 *  same: its size varies, and a log that is not backed up grows. */
static void
s_judge_room (Btsmark__Vote *vote, const Btsmark__Prepare *order)
{
    bool full = order->set_type == BTSMARK__SET_TYPE__FULL;
    for (size_t i = 0; i < vote->n_databases; i++) {
        Btsmark__DatabaseFacts *facts = vote->databases[i];
        int64_t needed = 0;
        for (size_t k = 0; k < vote->n_databases; k++)
            if (strcmp (vote->databases[k]->path, facts->path) == 0)
                needed +=
                    full ? vote->databases[k]->last_full_bytes : vote->databases[k]->last_log_bytes;
        if (facts->free_bytes < 0 || facts->free_bytes >= needed)
            continue;
        Btsmark__Fault *fault = bm_answer_fault_new (
            full ? BM_NOT_READY : BM_WARNINGS,
            "%s has %" PRId64 " MiB free; the last %s backups that go there took %" PRId64 " MiB",
            facts->path, facts->free_bytes >> 20, full ? "full" : "log", needed >> 20);
        bm_answer_text (&fault->remedy, "free space there, or add to it");
        if (full)
            s_reason (facts, "space", fault);
        else
            bm_answer_add_fault (&facts->warnings, &facts->n_warnings, s_about ("space", fault));
    }
}

/*  SERVERPROPERTY ('servername'), as the procedures put it into names of files; NULL when it cannot be asked. */
static char *
s_server (bm_sql_t *sql)
{
    bm_error_t ignored;
    bm_sql_result_t *result = NULL;
    char *server = NULL;
    s_query (sql, "SELECT CONVERT (nvarchar(128), SERVERPROPERTY (N'servername')) AS bm_real_name;",
             &result, &ignored);
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_real_name", NULL}) : -1;
    if (set >= 0 && bm_sql_result_rows (result, set) == 1)
        server = bm_strdup (bm_sql_result_text (result, set, 0, "bm_real_name"));
    bm_sql_result_destroy (&result);
    return server;
}

static void
s_ask_sql (const bm_prepare_t *self, const Btsmark__Prepare *order, Btsmark__Vote *vote)
{
    bm_error_t error = {0};
    bm_sql_result_t *all = NULL;
    bool has_status = false;
    if (!self->sql)
        error = *self->error;
    else if (s_list_databases (self->sql, &all, &has_status, &error) == BM_OK) {
        s_look_for_leftovers (self, vote);
        s_look_for_prepared (self, vote);
        for (size_t i = 0; i < vote->n_databases; i++)
            s_look_at_database (self, order, all, has_status, vote->databases[i]);
        char *server = s_server (self->sql);
        s_judge_rivals (self, order, server, vote);
        free (server);
    }
    if (error.status != BM_OK)
        bm_answer_add_fault (&vote->reasons, &vote->n_reasons,
                             s_about ("sql-server", bm_answer_fault (&error)));
    bm_sql_result_destroy (&all);
}

Btsmark__Vote *
bm_prepare_run (const bm_prepare_t *self, const Btsmark__Prepare *order)
{
    Btsmark__Vote *vote = bm_alloc (sizeof *vote);
    btsmark__vote__init (vote);
    bm_answer_text (&vote->instance, self->instance->name);
    vote->databases = bm_alloc ((order->n_databases + 1) * sizeof *vote->databases);
    for (size_t i = 0; i < order->n_databases; i++) {
        Btsmark__DatabaseFacts *facts = bm_alloc (sizeof *facts);
        btsmark__database_facts__init (facts);
        bm_answer_text (&facts->name, order->databases[i]->name);
        vote->databases[vote->n_databases++] = facts;
        s_look_at_path (self, order->databases[i], facts);
    }
    s_ask_sql (self, order, vote);
    s_look_for_same_files (vote);
    s_judge_names (vote, order);
    s_judge_room (vote, order);
    vote->ready = vote->n_reasons == 0;
    for (size_t i = 0; i < vote->n_databases; i++)
        if (vote->databases[i]->n_reasons > 0)
            vote->ready = false;
    return vote;
}
