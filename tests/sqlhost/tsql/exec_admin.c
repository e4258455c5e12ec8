/*  KILL, logins, users, roles, permissions, CHECKPOINT, RECONFIGURE.
 *
 *  Logins are real. Users, roles, members and permissions are kept in the database's catalog, so that a script that makes
 *  them behaves as with SQL Server, but sqlhost checks no permission: whoever has logged in may do everything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "interp.h"
#include "tests/sqlhost/engine/catalog.h"

static sh_status_t
s_kill (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_type_t type = sh_type_of (SH_TYPE_INT);
    sh_value_t value = sh_value_null ();
    sh_status_t status = sh_eval_to (self, stmt->cond, &type, &value);
    if (status != SH_OK)
        return status;
    if (value.kind != SH_INT)
        return sh_error_set (self, 6101, 16, 1, "Session ID NULL is not valid.");
    if (stmt->flag)
        return sh_error_set (
            self, 6120, 16, 1,
            "Status report cannot be obtained. Rollback operation for Process ID %lld is not in "
            "progress.",
            (long long)value.as.integer);
    return sh_esession_kill_id (self->engine, (int)value.as.integer, &self->error);
}

/*  ---- logins ---- */

typedef struct {
    char *password;
    char *database;
} s_login_terms_t;

static void
s_terms_free (s_login_terms_t *terms)
{
    if (terms->password)
        memset (terms->password, 0, strlen (terms->password));
    free (terms->password);
    free (terms->database);
}

static sh_status_t
s_terms_read (sh_session_t *self, const sh_option_t *options, s_login_terms_t *terms)
{
    for (const sh_option_t *option = options; option; option = option->next) {
        char **into = NULL;
        if (strcasecmp (option->name, "PASSWORD") == 0)
            into = &terms->password;
        else if (strcasecmp (option->name, "DEFAULT_DATABASE") == 0)
            into = &terms->database;
        else if (strcasecmp (option->name, "CHECK_POLICY") != 0 &&
                 strcasecmp (option->name, "CHECK_EXPIRATION") != 0 &&
                 strcasecmp (option->name, "DEFAULT_LANGUAGE") != 0 &&
                 strcasecmp (option->name, "DEFAULT_SCHEMA") != 0)
            return sh_error_set (self, SH_NOT_SUPPORTED, 16, 1,
                                 "The option %s of a login is not supported by sqlhost.",
                                 option->name);
        if (!into)
            continue;
        free (*into);
        *into = NULL;
        sh_status_t status = sh_eval_text (self, option->value, into);
        if (status != SH_OK)
            return status;
    }
    return SH_OK;
}

static sh_status_t
s_login (sh_session_t *self, const sh_stmt_t *stmt)
{
    const char *verb = stmt->name.object;
    if (strcasecmp (verb, "DROP") == 0)
        return sh_login_drop (self->instance, stmt->text, &self->error);
    if (stmt->columns) {
        bool disabled = strcasecmp (stmt->columns->text, "DISABLE") == 0;
        return sh_login_alter (self->instance, stmt->text, NULL, NULL, NULL, &disabled,
                               &self->error);
    }
    s_login_terms_t terms = {NULL, NULL};
    sh_status_t status = s_terms_read (self, stmt->options, &terms);
    bool create = strcasecmp (verb, "CREATE") == 0;
    if (status == SH_OK && create)
        status = sh_login_create (self->instance, stmt->text, terms.password ? terms.password : "",
                                  false, &self->error);
    if (status == SH_OK && (!create || terms.database))
        status = sh_login_alter (self->instance, stmt->text, create ? NULL : terms.password,
                                 terms.database, NULL, NULL, &self->error);
    s_terms_free (&terms);
    return status;
}

/*  ALTER SERVER ROLE sysadmin ADD | DROP MEMBER login; other server roles carry nothing here. */
static sh_status_t
s_server_role (sh_session_t *self, const sh_stmt_t *stmt)
{
    if (strcasecmp (stmt->text, "sysadmin") != 0)
        return SH_OK;
    bool member = !stmt->flag2;
    return sh_login_alter (self->instance, stmt->text2, NULL, NULL, &member, NULL, &self->error);
}

/*  ---- what is kept in a database ---- */

static sh_status_t
s_put (sh_session_t *self, const char *kind, const char *name, const char *parent)
{
    sh_write_t write;
    sh_status_t status = sh_write_begin (self, &write);
    if (status != SH_OK)
        return status;
    const sh_module_t module = {
        .schema = "dbo", .name = name, .kind = kind, .parent = parent, .text = ""};
    status =
        sh_module_put (self->engine, self->db_id, SH_DDL_CREATE_OR_ALTER, &module, &self->error);
    return sh_write_end (self, &write, status);
}

static sh_status_t
s_drop (sh_session_t *self, const char *kind, const char *name, bool if_exists)
{
    sh_write_t write;
    sh_status_t status = sh_write_begin (self, &write);
    if (status != SH_OK)
        return status;
    status = sh_module_drop (self->engine, self->db_id, kind, "dbo", name, &self->error);
    if (status == SH_ERROR && if_exists && self->error.number == 3701)
        status = SH_OK;
    return sh_write_end (self, &write, status);
}

static bool
s_there (sh_session_t *self, const char *kind, const char *name)
{
    const sh_module_t *module = NULL;
    sh_error_t ignored;
    bool there =
        sh_module_open (self->engine, self->db_id, kind, "dbo", name, &module, &ignored) == SH_OK;
    if (there)
        sh_module_close (self->engine, &module);
    return there;
}

static sh_status_t
s_user_or_role (sh_session_t *self, const sh_stmt_t *stmt)
{
    bool role = stmt->object == SH_OBJECT_ROLE;
    const char *kind = role ? "ROLE" : "USER", *verb = stmt->name.object;
    if (strcasecmp (verb, "DROP") == 0)
        return s_drop (self, kind, stmt->text, stmt->flag);
    if (strcasecmp (verb, "CREATE") == 0) {
        if (s_there (self, "ROLE", stmt->text) || s_there (self, "USER", stmt->text))
            return sh_error_set (
                self, 15023, 16, 1,
                "User, group, or role '%s' already exists in the current database.", stmt->text);
        return s_put (self, kind, stmt->text, stmt->text2);
    }
    if (!role)
        return SH_OK; /* ALTER USER: nothing of it is kept */
    char member[300];
    snprintf (member, sizeof member, "%s/%s", stmt->text, stmt->text2);
    return stmt->flag2 ? s_drop (self, "MEMBER", member, true)
                       : s_put (self, "MEMBER", member, stmt->text);
}

static sh_status_t
s_principal (sh_session_t *self, const sh_stmt_t *stmt)
{
    switch (stmt->object) {
        case SH_OBJECT_LOGIN:
            return s_login (self, stmt);
        case SH_OBJECT_SERVER_ROLE:
            return s_server_role (self, stmt);
        default:
            return s_user_or_role (self, stmt);
    }
}

/*  GRANT to somebody who is not there is 15151, as in SQL Server; the permission itself is not kept. */
static sh_status_t
s_permission (sh_session_t *self, const sh_stmt_t *stmt)
{
    for (const sh_ident_t *who = stmt->columns; who; who = who->next)
        if (strcasecmp (who->text, "public") != 0 && strcasecmp (who->text, "guest") != 0 &&
            !s_there (self, "ROLE", who->text) && !s_there (self, "USER", who->text) &&
            sh_login_find (self->instance, who->text, NULL) != SH_OK)
            return sh_error_set (
                self, 15151, 16, 1,
                "Cannot find the user '%s', because it does not exist or you do not have "
                "permission.",
                who->text);
    return SH_OK;
}

sh_flow_t
sh_exec_admin (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_status_t status = SH_OK;
    switch (stmt->kind) {
        case SH_STMT_KILL:
            status = s_kill (self, stmt);
            break;
        case SH_STMT_PRINCIPAL:
            status = s_principal (self, stmt);
            break;
        case SH_STMT_PERMISSION:
            status = s_permission (self, stmt);
            break;
        case SH_STMT_CHECKPOINT:
            status = sh_instance_checkpoint (self->instance, &self->error);
            break;
        case SH_STMT_RECONFIGURE:
            break;
        default:
            status = sh_error_unsupported (self, "This statement");
    }
    return sh_raise (self, status, stmt->line);
}
