#include "agent/shell/rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"

/*  HAS_PERMS_BY_NAME takes one-part names of databases, up to three parts for objects, NULL for the server; 1 = yes, 0 = no,
 *  NULL = the securable is not there or cannot be seen (SQL Server: "HAS_PERMS_BY_NAME (Transact-SQL)"). */
typedef struct s_right {
    const char *object; /* in the schema dbo; NULL = the database or the server itself */
    const char *permission;
    Btsmark__FindingLevel level;
    const char *why; /* what does not work without it */
} s_right_t;

#define S_FAILURE BTSMARK__FINDING_LEVEL__FINDING_FAILURE
#define S_WARNING BTSMARK__FINDING_LEVEL__FINDING_WARNING
#define S_NOTE    BTSMARK__FINDING_LEVEL__FINDING_NOTE

static const s_right_t s_server_rights[] = {
    {NULL, "VIEW SERVER STATE", S_WARNING,
     "marks stay unchecked (no in-flight check), backups show no progress, and sessions that a "
     "killed agent left are not seen"},
    {NULL, "ALTER ANY CONNECTION", S_WARNING,
     "sessions that a killed agent left, and backups that do not end, cannot be ended"},
};

static const s_right_t s_msdb_rights[] = {
    {"backupset", "SELECT", S_FAILURE, "no backup can be proved"},
    {"backupmediafamily", "SELECT", S_FAILURE, "no backup can be proved"},
    {"logmarkhistory", "SELECT", S_FAILURE, "no mark can be proved"},
};

typedef enum { S_ALWAYS, S_PROCEDURE_METHOD, S_TRACKING, S_BODIES } s_when_t;

static const struct {
    s_right_t right;
    s_when_t when;
} s_database_rights[] = {
    {{NULL, "BACKUP DATABASE", S_FAILURE, "no full backup can be taken"}, S_ALWAYS},
    {{NULL, "BACKUP LOG", S_FAILURE, "no log backup can be taken"}, S_ALWAYS},
    {{NULL, "VIEW DEFINITION", S_FAILURE,
      "tracking tables, which must be held still while marks are placed, would not be seen"},
     S_ALWAYS},
    {{"sp_SetMark", "EXECUTE", S_FAILURE, "no mark can be placed"}, S_ALWAYS},
    {{"MarkLog", "SELECT", S_FAILURE, "no mark can be proved"}, S_ALWAYS},
    {{"MarkLog", "DELETE", S_NOTE, "old rows of MarkLog stay"}, S_ALWAYS},
    {{"sp_BackupBizTalkFull", "EXECUTE", S_FAILURE, "no full backup can be taken"},
     S_PROCEDURE_METHOD},
    {{"sp_BackupBizTalkLog", "EXECUTE", S_FAILURE, "no log backup can be taken"},
     S_PROCEDURE_METHOD},
    {{"TDDS_BlockTDDS", "EXECUTE", S_FAILURE, "no fence can be held"}, S_TRACKING},
    {{"Tracking_Spool1", "SELECT", S_FAILURE, "no fence can be held"}, S_BODIES},
};

#define S_COUNT(array) (sizeof (array) / sizeof *(array))

/*  "HAS_PERMS_BY_NAME (N'[db].dbo.[x]', N'OBJECT', N'EXECUTE') AS may_3". Caller frees. */
static char *
s_question (const char *database, const s_right_t *right, size_t number)
{
    const char *class_name = "N'OBJECT'";
    char *securable = NULL;
    if (!database) {
        class_name = "NULL";
    } else if (!right->object) {
        class_name = "N'DATABASE'";
        securable = bm_names_quote (database);
    } else {
        char *quoted = bm_names_quote (database);
        securable = bm_format ("%s.dbo.%s", quoted, right->object);
        free (quoted);
    }
    char *literal = securable ? bm_names_literal (securable) : bm_strdup ("NULL");
    char *question = bm_format ("HAS_PERMS_BY_NAME (%s, %s, N'%s') AS may_%zu", literal, class_name,
                                right->permission, number);
    free (literal);
    free (securable);
    return question;
}

/*  "SELECT q0, q1, ...;" with what else is to be asked of the database. */
static char *
s_batch (const char *database, const s_right_t *const *rights, size_t count, const char *more)
{
    char *batch = bm_format ("SELECT SUSER_SNAME () AS bm_login%s", more);
    for (size_t i = 0; i < count; i++) {
        char *question = s_question (database, rights[i], i);
        char *longer = bm_format ("%s, %s", batch, question);
        free (question);
        free (batch);
        batch = longer;
    }
    char *whole = bm_format ("%s;", batch);
    free (batch);
    return whole;
}

/*  NULL = SQL Server did not say; stands among the findings then. */
static bm_sql_result_t *
s_ask (const bm_inspect_t *self, const char *database, const s_right_t *const *rights, size_t count,
       const char *more, Btsmark__Inspected *inspected)
{
    bm_error_t error = {0};
    char *batch = s_batch (database, rights, count, more);
    bm_sql_result_t *result = bm_inspect_query (self, batch, &error);
    free (batch);
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_login", NULL}) : -1;
    if (set >= 0 && bm_sql_result_rows (result, set) == 1)
        return result;
    bm_sql_result_destroy (&result);
    bm_inspect_add (inspected, S_WARNING, "grants", database, error.remedy,
                    "what the login may do%s%s cannot be asked: %s", database ? " in " : "",
                    database ? database : "", error.text);
    return NULL;
}

/*  `sees`: what cannot be seen is not there, which the vote tells; a right on it is not missing. */
static bool
s_may (const bm_sql_result_t *result, size_t number, bool sees)
{
    char column[32];
    snprintf (column, sizeof column, "may_%zu", number);
    if (sees && !bm_sql_result_text (result, 0, 0, column))
        return true;
    return bm_sql_result_int (result, 0, 0, column, 0) == 1;
}

char *
bm_rights_user (const char *login)
{
    char *name = bm_names_literal (login);
    char *who = bm_names_quote (login);
    char *statement = bm_format (
        "IF DATABASE_PRINCIPAL_ID (%s) IS NULL CREATE USER %s FOR LOGIN %s; ", name, who, who);
    free (who);
    free (name);
    return statement;
}

static void
s_missing (const bm_inspect_t *self, const char *database, const s_right_t *right,
           const char *login, Btsmark__Inspected *inspected)
{
    char *who = bm_names_quote (login);
    char *where = bm_names_quote (database ? database : "master");
    char *on = right->object ? bm_format (" ON dbo.%s", right->object) : bm_strdup ("");
    bool msdb = database && bm_names_equal (database, "msdb");
    char *user = msdb ? bm_rights_user (login) : bm_strdup ("");
    char *remedy =
        bm_format ("USE %s; %sGRANT %s%s TO %s;", where, user, right->permission, on, who);
    const char *subject = msdb ? NULL : database; /* of the group */
    bm_inspect_add (inspected, right->level, "grants", subject, remedy,
                    "login %s lacks %s%s%s%s on %s: %s", login, right->permission,
                    right->object ? " on " : "", right->object ? right->object : "",
                    database ? " in its database" : "", self->instance->name, right->why);
    free (remedy);
    free (user);
    free (on);
    free (where);
    free (who);
}

static void
s_judge (const bm_inspect_t *self, const char *database, const s_right_t *const *rights,
         size_t count, const bm_sql_result_t *result, bool sees, Btsmark__Inspected *inspected)
{
    const char *login = bm_sql_result_text (result, 0, 0, "bm_login");
    for (size_t i = 0; i < count; i++)
        if (!s_may (result, i, sees))
            s_missing (self, database, rights[i], login ? login : self->instance->login, inspected);
}

static void
s_table (const bm_inspect_t *self, const char *database, const s_right_t *table, size_t count,
         Btsmark__Inspected *inspected)
{
    const s_right_t *rights[S_COUNT (s_msdb_rights)];
    for (size_t i = 0; i < count; i++)
        rights[i] = &table[i];
    bm_sql_result_t *result = s_ask (self, database, rights, count, "", inspected);
    if (result)
        s_judge (self, database, rights, count, result, false, inspected);
    bm_sql_result_destroy (&result);
}

void
bm_rights_server (const bm_inspect_t *self, Btsmark__Inspected *inspected)
{
    s_table (self, NULL, s_server_rights, S_COUNT (s_server_rights), inspected);
    s_table (self, "msdb", s_msdb_rights, S_COUNT (s_msdb_rights), inspected);
}

static bool
s_wanted (s_when_t when, const Btsmark__Inspect *order, const Btsmark__DatabaseFacts *facts)
{
    switch (when) {
        case S_PROCEDURE_METHOD:
            return order->method != BTSMARK__METHOD__NATIVE;
        case S_TRACKING:
            return facts->has_tracking;
        case S_BODIES:
            return facts->has_tracking && facts->has_bodies;
        default:
            return true;
    }
}

/*  Without a user in the database, or without a role that shows it BizTalk's objects, single grants are beside the point. */
static void
s_no_access (const char *database, const char *login, bool user, Btsmark__Inspected *inspected)
{
    char *where = bm_names_quote (database);
    char *who = bm_names_quote (login);
    char *make = user ? bm_strdup ("") : bm_format ("CREATE USER %s FOR LOGIN %s; ", who, who);
    char *remedy = bm_format ("USE %s; %sALTER ROLE BTS_BACKUP_USERS ADD MEMBER %s; "
                              "ALTER ROLE db_backupoperator ADD MEMBER %s;",
                              where, make, who, who);
    bm_inspect_add (inspected, S_FAILURE, "grants", database, remedy,
                    user ? "login %s sees none of BizTalk's backup procedures in %s: it is no "
                           "member of BTS_BACKUP_USERS there"
                         : "login %s has no access to database %s",
                    login, database);
    free (remedy);
    free (make);
    free (who);
    free (where);
}

bm_sight_t
bm_rights_database (const bm_inspect_t *self, const Btsmark__Inspect *order,
                    const Btsmark__DatabaseFacts *facts, Btsmark__Inspected *inspected)
{
    const s_right_t *rights[S_COUNT (s_database_rights)];
    size_t count = 0;
    for (size_t i = 0; i < S_COUNT (s_database_rights); i++)
        if (s_wanted (s_database_rights[i].when, order, facts))
            rights[count++] = &s_database_rights[i].right;
    char *name = bm_names_literal (facts->name);
    char *quoted = bm_names_quote (facts->name);
    char *set_mark = bm_format ("%s.dbo.sp_SetMark", quoted);
    char *object = bm_names_literal (set_mark);
    char *securable = bm_names_literal (quoted);
    char *more = bm_format (", HAS_DBACCESS (%s) AS bm_access, OBJECT_ID (%s) AS bm_procedure,"
                            " HAS_PERMS_BY_NAME (%s, N'DATABASE', N'VIEW DEFINITION') AS bm_sees",
                            name, object, securable);
    bm_sql_result_t *result = s_ask (self, facts->name, rights, count, more, inspected);
    bool sees = true, access = true;
    if (result) {
        const char *login = bm_sql_result_text (result, 0, 0, "bm_login");
        access = bm_sql_result_int (result, 0, 0, "bm_access", 0) == 1;
        sees = bm_sql_result_int (result, 0, 0, "bm_sees", 0) == 1;
        bool there = bm_sql_result_text (result, 0, 0, "bm_procedure") != NULL;
        if (!access || (!there && !sees))
            s_no_access (facts->name, login ? login : self->instance->login, access, inspected);
        else
            s_judge (self, facts->name, rights, count, result, sees, inspected);
    }
    bm_sql_result_destroy (&result);
    free (more);
    free (securable);
    free (object);
    free (set_mark);
    free (quoted);
    free (name);
    if (!access)
        return BM_SIGHT_NONE;
    return sees ? BM_SIGHT_ALL : BM_SIGHT_GRANTED;
}
