#include <stdlib.h>
#include <string.h>
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/names.h"
#include "coordinator/shell/management.h"

#define S_STATEMENT_MS  30000
#define S_PROBE_MS      5000
#define S_WAIT_SLICE_MS 1000
#define S_LOCK_NAME     "BTS_BackupJob_Lock"

/*  Where the group keeps ForceFull. */
typedef enum { S_KEPT_NOWHERE, S_KEPT_IN_SETTINGS, S_KEPT_IN_FORCE_FULL } kept_in_t;

struct bm_management {
    const bm_settings_t *settings;
    bm_secret_t *password;
    bm_sql_t *sql;  /* statements */
    bm_sql_t *lock; /* holds the applock, and does nothing else */
    kept_in_t kept_in;
};

static bm_sql_t *
s_connect (bm_management_t *self, const char *program, bm_error_t *error)
{
    const bm_settings_t *settings = self->settings;
    bm_sql_login_t login = {.server = settings->management_server,
                            .access = settings->access,
                            .user = settings->login,
                            .password = self->password,
                            .database = settings->management_database,
                            .program = program,
                            .login_timeout_s = 10};
    bm_sql_t *sql = bm_sql_open (&login, error);
    if (!sql && error && strstr (error->text, "4060"))
        bm_error_remedy (error,
                         "correct management-database, and make login %s a user of [%s] in the "
                         "role BTS_BACKUP_USERS",
                         settings->login, settings->management_database);
    if (!sql && error)
        bm_error_wrap (error, "management database %s", settings->management_database);
    return sql;
}

bm_status_t
bm_management_look (bm_management_t *self, bm_error_t *error)
{
    static const char *const names[] = {"adm_BackupHistory", "adm_BackupSetId",
                                        "sp_GetBackupDatabasesForServer", "sp_GetNextBackupSetId",
                                        NULL};
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_exec (
        self->sql,
        "SELECT OBJECT_ID (N'dbo.adm_BackupHistory') AS adm_BackupHistory, "
        "OBJECT_ID (N'dbo.adm_BackupSetId') AS adm_BackupSetId, "
        "OBJECT_ID (N'dbo.sp_GetBackupDatabasesForServer') AS sp_GetBackupDatabasesForServer, "
        "OBJECT_ID (N'dbo.sp_GetNextBackupSetId') AS sp_GetNextBackupSetId",
        &result, error);
    if (status) {
        status = bm_management_explain (self, "looking for BizTalk's tables", result, error);
    } else {
        int set = bm_sql_result_find (result, (const char *const[]){names[0], NULL});
        for (size_t i = 0; !status && names[i]; i++)
            if (set < 0 || !bm_sql_result_text (result, set, 0, names[i])) {
                status = bm_fail (error, BM_MANAGEMENT,
                                  "%s on %s is not a management database of BizTalk that login %s "
                                  "can use: dbo.%s is not there, or may not be seen",
                                  bm_management_database (self), bm_management_server (self),
                                  self->settings->login, names[i]);
                bm_error_remedy (error, "correct management-database, or add the login to the role "
                                        "BTS_BACKUP_USERS there; btsmark check prints what it "
                                        "lacks");
            }
    }
    bm_sql_result_destroy (&result);
    return status;
}

bm_management_t *
bm_management_connect (const bm_settings_t *settings, bm_error_t *error)
{
    bm_management_t *self = bm_alloc (sizeof *self);
    self->settings = settings;
    if (settings->password_file)
        self->password = bm_secret_from_file (settings->password_file, error);
    if (self->password || settings->access.kerberos)
        self->sql = s_connect (self, "btsmark", error);
    if (!self->sql)
        bm_management_close (&self);
    return self;
}

bm_management_t *
bm_management_open (const bm_settings_t *settings, bm_error_t *error)
{
    bm_management_t *self = bm_management_connect (settings, error);
    if (self && bm_management_look (self, error))
        bm_management_close (&self);
    return self;
}

void
bm_management_close (bm_management_t **self_p)
{
    bm_management_t *self = *self_p;
    if (!self)
        return;
    bm_management_unlock (self);
    bm_sql_close (&self->sql);
    bm_secret_destroy (&self->password);
    free (self);
    *self_p = NULL;
}

const char *
bm_management_server (const bm_management_t *self)
{
    return self->settings->management_server;
}

const char *
bm_management_database (const bm_management_t *self)
{
    return self->settings->management_database;
}

/* ---- statements ---- */

bm_status_t
bm_management_explain (bm_management_t *self, const char *what, const bm_sql_result_t *result,
                       bm_error_t *error)
{
    bm_error_t local = {0};
    bm_error_t *e = error ? error : &local;
    if (e->status != BM_SQL_FAILED)
        return bm_error_wrap (e, "%s on %s: %s", bm_management_database (self),
                              bm_management_server (self), what);
    const bm_sql_message_t *cause = result ? bm_sql_result_cause (result) : NULL;
    int number = cause ? cause->number : 0;
    char *text = bm_strdup (e->text);
    bm_fail (e, BM_MANAGEMENT, "%s on %s: %s: %s", bm_management_database (self),
             bm_management_server (self), what, text);
    free (text);
    if (number == 2812 || number == 208)
        bm_error_remedy (e, "the object is missing: name BizTalk's management database in "
                            "management-database, or run BizTalk's backup setup scripts in it");
    else if (number == 229 || number == 230)
        bm_error_remedy (e,
                         "add login %s to the role BTS_BACKUP_USERS of %s; for a table, GRANT it "
                         "the permission that the message names",
                         self->settings->login, bm_management_database (self));
    else if (number == 1205 || number == 1222)
        bm_error_remedy (e, "another session blocks it; the next run tries again");
    return BM_MANAGEMENT;
}

bm_status_t
bm_management_run (bm_management_t *self, const bm_sql_query_t *query, bm_sql_result_t **result_p,
                   bm_error_t *error)
{
    bm_status_t status = BM_SQL_LOST;
    for (int attempt = 0; attempt < 2 && status == BM_SQL_LOST; attempt++) {
        if (self->sql && !bm_sql_alive (self->sql))
            bm_sql_close (&self->sql);
        if (!self->sql) {
            self->sql = s_connect (self, "btsmark", error);
            if (!self->sql)
                return error ? error->status : BM_MANAGEMENT;
        }
        if (result_p)
            bm_sql_result_destroy (result_p);
        status = bm_sql_run (self->sql, query, result_p, error);
    }
    return status;
}

/*  Takes the query. *result_p (may be NULL) only when it succeeded. */
static bm_status_t
s_run (bm_management_t *self, const char *what, bm_sql_query_t *query, bm_sql_result_t **result_p,
       bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    bm_sql_query_timeout_ms (query, S_STATEMENT_MS);
    bm_status_t status = bm_management_run (self, query, &result, error);
    if (status)
        status = bm_management_explain (self, what, result, error);
    bm_sql_query_destroy (&query);
    if (status || !result_p)
        bm_sql_result_destroy (&result);
    else
        *result_p = result;
    return status;
}

/* ---- the lock ---- */

/*  sp_getapplock's answer, or a status. */
static bm_status_t
s_try_lock (bm_management_t *self, int64_t wait_ms, int64_t *answer_p, bm_error_t *error)
{
    char *batch =
        bm_format ("DECLARE @answer int; EXEC @answer = sp_getapplock @Resource = N'" S_LOCK_NAME
                   "', @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = %lld; "
                   "SELECT @answer AS answer",
                   (long long)wait_ms);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_result_t *result = NULL;
    bm_sql_query_timeout_ms (query, wait_ms + S_STATEMENT_MS);
    bm_status_t status = bm_sql_run (self->lock, query, &result, error);
    if (status)
        status = bm_management_explain (self, "taking the backup lock", result, error);
    int set = status ? -1 : bm_sql_result_find (result, (const char *const[]){"answer", NULL});
    *answer_p = set >= 0 ? bm_sql_result_int (result, set, 0, "answer", -999) : -999;
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    return status;
}

/*  Who holds it, in words; needs VIEW SERVER STATE. Caller frees. */
static char *
s_holder (bm_management_t *self)
{
    bm_sql_query_t *query = bm_sql_query_new (
        "SELECT TOP (1) s.session_id, s.program_name, s.host_name, s.login_name, s.login_time "
        "FROM sys.dm_tran_locks l JOIN sys.dm_exec_sessions s ON s.session_id = "
        "l.request_session_id "
        "WHERE l.resource_type = N'APPLICATION' AND l.request_status = N'GRANT' "
        "AND l.resource_database_id = DB_ID () AND l.resource_description LIKE N'%" S_LOCK_NAME
        "%'");
    bm_sql_query_timeout_ms (query, S_PROBE_MS);
    bm_sql_result_t *result = NULL;
    char *text = NULL;
    if (bm_management_run (self, query, &result, NULL) == BM_OK) {
        int set =
            bm_sql_result_find (result, (const char *const[]){"session_id", "program_name", NULL});
        if (set >= 0 && bm_sql_result_rows (result, set) > 0) {
            const char *program = bm_sql_result_text (result, set, 0, "program_name");
            const char *host = bm_sql_result_text (result, set, 0, "host_name");
            const char *login = bm_sql_result_text (result, set, 0, "login_name");
            const char *since = bm_sql_result_text (result, set, 0, "login_time");
            text = bm_format ("session %s: program \"%s\" on %s, login %s, since %s",
                              bm_sql_result_text (result, set, 0, "session_id"),
                              program ? program : "", host ? host : "?", login ? login : "?",
                              since ? since : "?");
        }
    }
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    return text ? text : bm_strdup ("its session cannot be seen by this login (VIEW SERVER STATE)");
}

static bm_status_t
s_busy (bm_management_t *self, int64_t waited_ms, bm_error_t *error)
{
    char *holder = s_holder (self);
    bm_fail (error, BM_LOCK_BUSY,
             "the backup lock " S_LOCK_NAME
             " in %s on %s is held by another session (waited %lld s): %s",
             bm_management_database (self), bm_management_server (self),
             (long long)(waited_ms / 1000), holder);
    bm_error_remedy (error, "nothing was touched; wait for that backup job or log shipping reader "
                            "to end, or end its session; lock-wait may be raised");
    free (holder);
    return BM_LOCK_BUSY;
}

bm_status_t
bm_management_lock (bm_management_t *self, int64_t wait_ms, bm_management_waiting_fn *waiting,
                    void *argument, bm_error_t *error)
{
    /*  A lock is taken in a session of its own: one that was lost may still stand on the server, and ends with this. */
    bm_management_unlock (self);
    self->lock = s_connect (self, "btsmark lock", error);
    if (!self->lock)
        return error ? error->status : BM_MANAGEMENT;
    int64_t begun = bm_clock_mono_ms (), answer = -1, waited = 0;
    bm_status_t status = BM_OK;
    while (!status && answer == -1) {
        int64_t left = wait_ms - waited;
        left = left < 0 ? 0 : left;
        status = s_try_lock (self, left < S_WAIT_SLICE_MS ? left : S_WAIT_SLICE_MS, &answer, error);
        waited = bm_clock_mono_ms () - begun;
        if (!status && answer == -1 && waited >= wait_ms)
            status = s_busy (self, waited, error);
        else if (!status && answer == -1 && waiting && !waiting (argument))
            status =
                bm_fail (error, BM_STOPPED, "told to stop while the backup lock was waited for");
    }
    if (!status && answer < 0)
        status =
            bm_fail (error, BM_MANAGEMENT, "%s on %s: sp_getapplock answered %lld",
                     bm_management_database (self), bm_management_server (self), (long long)answer);
    if (status)
        bm_management_unlock (self);
    return status;
}

bm_status_t
bm_management_probe (bm_management_t *self, bm_error_t *error)
{
    bm_error_t why = {0};
    bm_sql_result_t *result = NULL;
    bm_status_t status = self->lock ? BM_OK : bm_fail (&why, BM_LOCK_LOST, "it has no session");
    if (!status) {
        bm_sql_query_t *query = bm_sql_query_new ("SELECT APPLOCK_MODE (N'public', N'" S_LOCK_NAME
                                                  "', N'Session') AS mode");
        bm_sql_query_timeout_ms (query, S_PROBE_MS);
        status = bm_sql_run (self->lock, query, &result, &why);
        bm_sql_query_destroy (&query);
    }
    if (!status) {
        int set = bm_sql_result_find (result, (const char *const[]){"mode", NULL});
        const char *mode = set >= 0 ? bm_sql_result_text (result, set, 0, "mode") : NULL;
        if (!mode || !bm_names_equal (mode, "Exclusive"))
            status =
                bm_fail (&why, BM_LOCK_LOST, "its session holds it as %s", mode ? mode : "nothing");
    }
    bm_sql_result_destroy (&result);
    if (status)
        return bm_fail (error, BM_LOCK_LOST,
                        "the backup lock " S_LOCK_NAME " in %s on %s is lost: %s",
                        bm_management_database (self), bm_management_server (self), why.text);
    return BM_OK;
}

void
bm_management_unlock (bm_management_t *self)
{
    /*  The end of the session is the release: it cannot be forgotten, and needs no answer. */
    bm_sql_close (&self->lock);
}

/* ---- discovery ---- */

/*  Of versions without the function only the usual name tells. */
static bm_status_t
s_is_sso (bm_management_t *self, bm_group_row_t *row, bm_error_t *error)
{
    bm_sql_query_t *query =
        bm_sql_query_new ("SELECT dbo.sp_IsSSODB (@server, @database) AS is_sso");
    bm_sql_query_text (query, "@server", row->server);
    bm_sql_query_text (query, "@database", row->database);
    bm_sql_query_timeout_ms (query, S_STATEMENT_MS);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_management_run (self, query, &result, error);
    if (!status) {
        int set = bm_sql_result_find (result, (const char *const[]){"is_sso", NULL});
        row->is_sso = set >= 0 && bm_sql_result_int (result, set, 0, "is_sso", 0) == 1;
    } else if (status == BM_SQL_FAILED) {
        bm_log_debug ("sp_IsSSODB cannot be used (%s): the SSO database is known by its name",
                      error ? error->text : "");
        row->is_sso = bm_names_equal (row->database, "SSODB");
        status = BM_OK;
    }
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    return status;
}

static bm_status_t
s_take_row (bm_management_t *self, const bm_sql_result_t *result, int set, size_t i,
            bm_group_row_t *row, bm_error_t *error)
{
    const char *server = bm_sql_result_text (result, set, i, "ServerName");
    const char *database = bm_sql_result_text (result, set, i, "DatabaseName");
    if (!server || !*server || !database || !*database) {
        bm_fail (error, BM_MANAGEMENT,
                 "%s on %s: admv_BackupDatabases has a row with server \"%s\" and database \"%s\"",
                 bm_management_database (self), bm_management_server (self), server ? server : "",
                 database ? database : "");
        bm_error_remedy (error, "give both names, or neither, in adm_Group, adm_MessageBox or "
                                "adm_OtherBackupDatabases");
        return BM_MANAGEMENT;
    }
    if (bm_names_length (server) > 128 || bm_names_length (database) > 128)
        return bm_fail (error, BM_LIMIT,
                        "%s on %s: a name of more than 128 characters in admv_BackupDatabases",
                        bm_management_database (self), bm_management_server (self));
    row->server = bm_strdup (server);
    row->database = bm_strdup (database);
    return BM_OK;
}

bm_status_t
bm_management_discover (bm_management_t *self, bm_group_rows_t *rows, bm_error_t *error)
{
    memset (rows, 0, sizeof *rows);
    bm_sql_result_t *result = NULL;
    bm_status_t status =
        s_run (self, "reading the group's databases",
               bm_sql_call_new ("dbo.sp_GetBackupDatabasesForServer"), &result, error);
    if (status)
        return status;
    int set =
        bm_sql_result_find (result, (const char *const[]){"ServerName", "DatabaseName", NULL});
    size_t count = set >= 0 ? bm_sql_result_rows (result, set) : 0;
    if (count == 0)
        status = bm_fail (error, BM_MANAGEMENT,
                          "%s on %s: sp_GetBackupDatabasesForServer names no database",
                          bm_management_database (self), bm_management_server (self));
    else if (count > BM_LIMIT_DATABASES)
        status = bm_fail (
            error, BM_LIMIT, "%s on %s: the group has %zu databases, at most %d are served",
            bm_management_database (self), bm_management_server (self), count, BM_LIMIT_DATABASES);
    else
        rows->items = bm_alloc (count * sizeof *rows->items);
    for (size_t i = 0; !status && i < count; i++) {
        status = s_take_row (self, result, set, i, &rows->items[i], error);
        rows->count = i + 1;
    }
    for (size_t i = 0; !status && i < count; i++)
        status = s_is_sso (self, &rows->items[i], error);
    bm_sql_result_destroy (&result);
    if (status)
        bm_group_rows_clear (rows);
    return status;
}

void
bm_group_rows_clear (bm_group_rows_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free (self->items[i].server);
        free (self->items[i].database);
    }
    free (self->items);
    memset (self, 0, sizeof *self);
}

/* ---- settings of the group ---- */

/*  Versions before adm_BackupSettings kept ForceFull in adm_ForceFullBackup. The columns of that table are not documented: it is
 *  used only when it has one of the name that the later table has. OBJECT_ID and COL_LENGTH give NULL for what is not there. */
static bm_status_t
s_find_settings (bm_management_t *self, bool *unreadable_p, bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    bm_status_t status = s_run (
        self, "looking for adm_BackupSettings",
        bm_sql_query_new ("SELECT OBJECT_ID (N'dbo.adm_BackupSettings') AS present, "
                          "OBJECT_ID (N'dbo.adm_ForceFullBackup') AS older, "
                          "COL_LENGTH (N'dbo.adm_ForceFullBackup', N'ForceFull') AS older_column"),
        &result, error);
    if (status)
        return status;
    int set = bm_sql_result_find (result, (const char *const[]){"present", "older", NULL});
    bool present = set >= 0 && bm_sql_result_text (result, set, 0, "present");
    bool older = set >= 0 && bm_sql_result_text (result, set, 0, "older");
    bool column = set >= 0 && bm_sql_result_text (result, set, 0, "older_column");
    self->kept_in = S_KEPT_NOWHERE;
    if (present)
        self->kept_in = S_KEPT_IN_SETTINGS;
    else if (older && column)
        self->kept_in = S_KEPT_IN_FORCE_FULL;
    *unreadable_p = !present && older && !column;
    bm_sql_result_destroy (&result);
    return BM_OK;
}

bm_status_t
bm_management_settings (bm_management_t *self, bm_backup_settings_t *settings, bm_error_t *error)
{
    memset (settings, 0, sizeof *settings);
    bm_status_t status = s_find_settings (self, &settings->force_full_unreadable, error);
    if (status || self->kept_in == S_KEPT_NOWHERE)
        return status;
    settings->has_compression = self->kept_in == S_KEPT_IN_SETTINGS;
    bm_sql_result_t *result = NULL;
    status = s_run (
        self, "reading the backup settings",
        bm_sql_query_new (settings->has_compression
                              ? "SELECT CAST (UseCompression AS int) AS use_compression, "
                                "CAST (ForceFull AS int) AS force_full FROM dbo.adm_BackupSettings"
                              : "SELECT 0 AS use_compression, CAST (ForceFull AS int) AS "
                                "force_full FROM dbo.adm_ForceFullBackup"),
        &result, error);
    if (status)
        return status;
    int set =
        bm_sql_result_find (result, (const char *const[]){"use_compression", "force_full", NULL});
    if (set >= 0 && bm_sql_result_rows (result, set) > 0) {
        settings->use_compression = bm_sql_result_int (result, set, 0, "use_compression", 0) == 1;
        settings->force_full = bm_sql_result_int (result, set, 0, "force_full", 0) == 1;
    }
    bm_sql_result_destroy (&result);
    return BM_OK;
}

bm_status_t
bm_management_set_compression (bm_management_t *self, bool on, bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_call_new ("dbo.sp_SetBackupCompression");
    bm_sql_query_bit (query, "@bCompression", on);
    return s_run (self, "writing the compression setting", query, NULL, error);
}

bm_status_t
bm_management_force_full (bm_management_t *self, bm_error_t *error)
{
    return s_run (self, "asking for a full backup", bm_sql_call_new ("dbo.sp_ForceFullBackup"),
                  NULL, error);
}

bm_status_t
bm_management_full_done (bm_management_t *self, bm_error_t *error)
{
    return s_run (self, "resetting ForceFull",
                  bm_sql_query_new (
                      self->kept_in == S_KEPT_IN_FORCE_FULL
                          ? "UPDATE dbo.adm_ForceFullBackup SET ForceFull = 0 WHERE ForceFull = 1"
                          : "UPDATE dbo.adm_BackupSettings SET ForceFull = 0 WHERE ForceFull = 1"),
                  NULL, error);
}

/* ---- set ids ---- */

static bm_status_t
s_take_set (bm_management_t *self, int64_t *set_id_p, bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    bm_status_t status = s_run (self, "taking the next set id",
                                bm_sql_call_new ("dbo.sp_GetNextBackupSetId"), &result, error);
    *set_id_p = !status && bm_sql_result_has_return (result) ? bm_sql_result_return (result) : -1;
    bm_sql_result_destroy (&result);
    return status;
}

static bm_status_t
s_greatest_in_history (bm_management_t *self, int64_t *greatest_p, bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    bm_status_t status =
        s_run (self, "reading adm_BackupHistory",
               bm_sql_query_new ("SELECT MAX (BackupSetId) AS greatest FROM dbo.adm_BackupHistory"),
               &result, error);
    int set = status ? -1 : bm_sql_result_find (result, (const char *const[]){"greatest", NULL});
    *greatest_p = set >= 0 ? bm_sql_result_int (result, set, 0, "greatest", 0) : 0;
    bm_sql_result_destroy (&result);
    return status;
}

bm_status_t
bm_management_next_set (bm_management_t *self, int64_t above, int64_t *set_id_p, bool *raised_p,
                        bm_error_t *error)
{
    int64_t greatest = 0;
    *raised_p = false;
    bm_status_t status = s_greatest_in_history (self, &greatest, error);
    greatest = greatest > above ? greatest : above;
    if (!status)
        status = s_take_set (self, set_id_p, error);
    if (status || (*set_id_p > 0 && *set_id_p > greatest))
        return status;
    if (greatest >= INT32_MAX)
        return bm_fail (error, BM_LIMIT,
                        "%s on %s: set ids are used up (sp_GetNextBackupSetId returns an int)",
                        bm_management_database (self), bm_management_server (self));
    /*  The database was restored, or the counter was lost: used ids would be refused by BizTalk's own trigger and index. */
    bm_sql_query_t *query =
        bm_sql_query_new ("UPDATE dbo.adm_BackupSetId SET NextBackupSetId = @next");
    bm_sql_query_int (query, "@next", greatest + 1);
    *raised_p = true;
    status = s_run (self, "setting NextBackupSetId above every set id that is known", query, NULL,
                    error);
    if (!status)
        status = s_take_set (self, set_id_p, error);
    if (!status && *set_id_p <= greatest) {
        status =
            bm_fail (error, BM_MANAGEMENT,
                     "%s on %s: sp_GetNextBackupSetId answered %lld, although set %lld is known",
                     bm_management_database (self), bm_management_server (self),
                     (long long)*set_id_p, (long long)greatest);
        bm_error_remedy (error,
                         "dbo.adm_BackupSetId must hold exactly one row, with a number above %lld",
                         (long long)greatest);
    }
    return status;
}
