/*  coordinator/shell/grants.c */
#include "coordinator/shell/grants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"

typedef struct right {
    const char *object, *permission;
    const char *instead; /* an older version's object, when `object` is not there */
    bm_level_t level;    /* FAILURE: a run cannot do its work without it */
    const char *why;
} right_t;

static const right_t s_rights[] = {
    {"sp_GetBackupDatabasesForServer", "EXECUTE", NULL, BM_LEVEL_FAILURE,
     "the group's databases cannot be listed"},
    {"sp_IsSSODB", "EXECUTE", NULL, BM_LEVEL_FAILURE, "SSODB cannot be told from the others"},
    {"sp_GetNextBackupSetId", "EXECUTE", NULL, BM_LEVEL_FAILURE, "no set can be begun"},
    {"sp_SetBackupCompression", "EXECUTE", "sp_ForceFullBackup", BM_LEVEL_FAILURE,
     "the compression setting cannot be applied"},
    {"sp_ForceFullBackup", "EXECUTE", NULL, BM_LEVEL_WARNING, "btsmark force-full does not work"},
    {"sp_DeleteBackupHistory", "EXECUTE", NULL, BM_LEVEL_FAILURE,
     "old rows of the history cannot be cleared"},
    {"adm_BackupHistory", "SELECT", NULL, BM_LEVEL_FAILURE, "the history cannot be read"},
    {"adm_BackupHistory", "INSERT", NULL, BM_LEVEL_FAILURE, "backups cannot be recorded"},
    {"adm_BackupHistory", "UPDATE", NULL, BM_LEVEL_FAILURE, "no set can become complete"},
    {"adm_BackupSettings", "SELECT", "adm_ForceFullBackup", BM_LEVEL_FAILURE,
     "a forced full backup is not seen"},
    {"adm_BackupSettings", "UPDATE", "adm_ForceFullBackup", BM_LEVEL_FAILURE,
     "a forced full backup would be taken again and again"},
    {"adm_BackupSetId", "UPDATE", NULL, BM_LEVEL_WARNING,
     "set ids cannot be raised after a restore of the management database"},
};

enum { RIGHTS = sizeof s_rights / sizeof *s_rights };

/*  HAS_PERMS_BY_NAME gives 1, 0, or NULL for what is not there or cannot be seen. */
static char *
s_batch (void)
{
    char *batch = bm_strdup ("SELECT SUSER_SNAME () AS bm_login, HAS_PERMS_BY_NAME (DB_NAME (), "
                             "N'DATABASE', N'VIEW DEFINITION') AS bm_sees");
    for (size_t i = 0; i < RIGHTS; i++) {
        const right_t *it = &s_rights[i];
        const char *other = it->instead ? it->instead : it->object;
        char *longer = bm_format ("%s, HAS_PERMS_BY_NAME (N'dbo.%s', N'OBJECT', N'%s') AS may_%zu,"
                                  " HAS_PERMS_BY_NAME (N'dbo.%s', N'OBJECT', N'%s') AS instead_%zu",
                                  batch, it->object, it->permission, i, other, it->permission, i);
        free (batch);
        batch = longer;
    }
    char *whole = bm_format ("%s;", batch);
    free (batch);
    return whole;
}

static const char *
s_answer (const bm_sql_result_t *result, const char *kind, size_t number)
{
    char column[32];
    snprintf (column, sizeof column, "%s_%zu", kind, number);
    const char *text = bm_sql_result_text (result, 0, 0, column);
    return text ? text : "";
}

static void
s_tell (const bm_management_t *management, const right_t *right, const char *login, bool absent,
        bm_findings_t *findings)
{
    bm_subject_t about = {.topic = absent ? "management" : "grants",
                          .server = bm_management_server (management),
                          .database = bm_management_database (management)};
    char *who = bm_names_quote (login);
    char *where = bm_names_quote (about.database);
    char *remedy = absent ? bm_strdup ("is this the management database of the group? See "
                                       "management-database in btsmark.ini")
                          : bm_format ("USE %s; GRANT %s ON dbo.%s TO %s;", where,
                                       right->permission, right->object, who);
    char *text = absent ? bm_format ("%s has no dbo.%s", about.database, right->object)
                        : bm_format ("login %s lacks %s on %s in %s: %s", login, right->permission,
                                     right->object, about.database, right->why);
    if (right->level == BM_LEVEL_FAILURE)
        bm_findings_fail (findings, BM_MANAGEMENT, about, remedy, "%s", text);
    else
        bm_findings_add (findings, right->level, about, remedy, "%s", text);
    free (text);
    free (remedy);
    free (where);
    free (who);
}

bm_status_t
bm_grants_check (bm_management_t *management, bm_findings_t *findings, bm_error_t *error)
{
    char *batch = s_batch ();
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_result_t *result = NULL;
    free (batch);
    bm_status_t status = bm_management_run (management, query, &result, error);
    bm_sql_query_destroy (&query);
    if (status == BM_OK) {
        const char *login = bm_sql_result_text (result, 0, 0, "bm_login");
        bool sees = bm_sql_result_int (result, 0, 0, "bm_sees", 0) == 1;
        for (size_t i = 0; i < RIGHTS; i++) {
            const char *may = s_answer (result, "may", i), *other = s_answer (result, "instead", i);
            if (strcmp (may, "1") != 0 && strcmp (other, "1") != 0)
                s_tell (management, &s_rights[i], login ? login : "?", sees && !*may && !*other,
                        findings);
        }
    }
    bm_sql_result_destroy (&result);
    return status;
}
