/*  Logins, users, roles, permissions, server statements. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp.h"

/*  ---- logins ---- */

static const sh_option_t *
s_option (const sh_stmt_t *stmt, const char *name)
{
    for (const sh_option_t *option = stmt->options; option; option = option->next)
        if (sh_same (option->name, name))
            return option;
    return NULL;
}

static sh_status_t
s_option_text (sh_session_t *self, const sh_stmt_t *stmt, const char *name, char **text)
{
    const sh_option_t *option = s_option (stmt, name);
    *text = NULL;
    return option ? sh_eval_text (self, option->value, text) : SH_OK;
}

static sh_status_t
s_check_login_options (sh_session_t *self, const sh_stmt_t *stmt)
{
    static const char *const known[] = {"PASSWORD",     "DEFAULT_DATABASE", "DEFAULT_LANGUAGE",
                                        "CHECK_POLICY", "CHECK_EXPIRATION", "OLD_PASSWORD"};
    for (const sh_option_t *option = stmt->options; option; option = option->next) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= sh_same (option->name, known[i]);
        if (!found) {
            char text[160];
            snprintf (text, sizeof text, "The login option %.100s", option->name);
            return sh_error_unsupported (self, text);
        }
    }
    return SH_OK;
}

static sh_status_t
s_login (sh_session_t *self, const sh_stmt_t *stmt)
{
    char *password = NULL, *database = NULL;
    bool create = sh_same (stmt->name.object, "CREATE");
    if (sh_same (stmt->name.object, "DROP"))
        return sh_login_drop (self->instance, stmt->text, &self->error);
    if (stmt->columns) {
        bool disabled = sh_same (stmt->columns->text, "DISABLE");
        return sh_login_alter (self->instance, stmt->text, NULL, NULL, NULL, &disabled,
                               &self->error);
    }
    sh_status_t status = s_check_login_options (self, stmt);
    if (status == SH_OK)
        status = s_option_text (self, stmt, "PASSWORD", &password);
    if (status == SH_OK)
        status = s_option_text (self, stmt, "DEFAULT_DATABASE", &database);
    if (status == SH_OK && create)
        status = sh_login_create (self->instance, stmt->text, password ? password : "", false,
                                  &self->error);
    if (status == SH_OK && (!create || database))
        status = sh_login_alter (self->instance, stmt->text, create ? NULL : password, database,
                                 NULL, NULL, &self->error);
    free (password);
    free (database);
    return status;
}

static sh_status_t
s_server_role (sh_session_t *self, const sh_stmt_t *stmt)
{
    bool member = !stmt->flag2;
    if (!sh_same (stmt->name.object, "ALTER"))
        return sh_error_unsupported (self, "This form of server role");
    if (sh_same (stmt->text, "sysadmin"))
        return sh_login_alter (self->instance, stmt->text2, NULL, NULL, &member, NULL,
                               &self->error);
    sh_login_info_t info;
    if (sh_login_find (self->instance, stmt->text2, &info) != SH_OK)
        return sh_error_set (
            self, 15151, 16, 1,
            "Cannot add the principal '%s', because it does not exist or you do not "
            "have permission.",
            stmt->text2);
    return SH_OK; /* other roles give rights that nobody asks for here */
}

/*  ---- users and roles: kept as records of the database ---- */

static sh_status_t
s_principal_record (sh_session_t *self, const sh_stmt_t *stmt, const char *kind)
{
    bool drop = sh_same (stmt->name.object, "DROP");
    if (sh_same (stmt->name.object, "ALTER"))
        return sh_error_unsupported (self, "ALTER USER");
    if (drop) {
        sh_status_t status =
            sh_module_drop (self->engine, self->db_id, kind, "sys", stmt->text, &self->error);
        if (status == SH_ERROR && self->error.number == 3701) {
            if (stmt->flag)
                return SH_OK;
            return sh_error_set (
                self, 15151, 16, 1,
                "Cannot drop the %s '%s', because it does not exist or you do not have "
                "permission.",
                strcmp (kind, "USER") == 0 ? "user" : "role", stmt->text);
        }
        return status;
    }
    if (strcmp (kind, "USER") == 0 && stmt->text2) {
        sh_login_info_t info;
        if (sh_login_find (self->instance, stmt->text2, &info) != SH_OK)
            return sh_error_set (self, 15007, 16, 1,
                                 "'%s' is not a valid login or you do not have permission.",
                                 stmt->text2);
    }
    sh_module_t module = {.schema = "sys",
                          .name = stmt->text,
                          .kind = kind,
                          .text = stmt->text2 ? stmt->text2 : stmt->text};
    sh_status_t status =
        sh_module_put (self->engine, self->db_id, SH_DDL_CREATE, &module, &self->error);
    if (status == SH_ERROR && self->error.number == 2714)
        return sh_error_set (self, 15023, 16, 1,
                             "User, group, or role '%s' already exists in the current database.",
                             stmt->text);
    return status;
}

static bool
s_record_exists (sh_session_t *self, const char *kind, const char *name)
{
    const sh_module_t *module = NULL;
    sh_error_t ignored;
    if (sh_module_open (self->engine, self->db_id, kind, "sys", name, &module, &ignored) != SH_OK)
        return false;
    sh_module_close (self->engine, &module);
    return true;
}

static bool
s_role_exists (sh_session_t *self, const char *role)
{
    return strncasecmp (role, "db_", 3) == 0 || sh_same (role, "public") ||
           s_record_exists (self, "ROLE", role);
}

static sh_status_t
s_member (sh_session_t *self, const char *role, const char *member, bool drop)
{
    if (!s_role_exists (self, role))
        return sh_error_set (
            self, 15151, 16, 1,
            "Cannot alter the role '%s', because it does not exist or you do not have "
            "permission.",
            role);
    if (!sh_same (member, "dbo") && !s_record_exists (self, "USER", member) &&
        !s_record_exists (self, "ROLE", member))
        return sh_error_set (self, 15410, 11, 1,
                             "User or role '%s' does not exist in this database.", member);
    if (drop)
        return sh_module_drop (self->engine, self->db_id, "MEMBER", role, member, &self->error);
    sh_module_t module = {.schema = role, .name = member, .kind = "MEMBER", .text = ""};
    return sh_module_put (self->engine, self->db_id, SH_DDL_CREATE_OR_ALTER, &module, &self->error);
}

static sh_status_t
s_principal (sh_session_t *self, const sh_stmt_t *stmt)
{
    if (stmt->object == SH_OBJECT_ROLE && sh_same (stmt->name.object, "ALTER"))
        return s_member (self, stmt->text, stmt->text2, stmt->flag2);
    return s_principal_record (self, stmt, stmt->object == SH_OBJECT_USER ? "USER" : "ROLE");
}

/*  GRANT and its kin are checked and recorded; rights are not enforced. */
static sh_status_t
s_permission (sh_session_t *self, const sh_stmt_t *stmt)
{
    for (const sh_ident_t *who = stmt->columns; who; who = who->next) {
        sh_login_info_t login;
        if (sh_same (who->text, "public") || sh_same (who->text, "guest") ||
            s_record_exists (self, "USER", who->text) || s_role_exists (self, who->text) ||
            (self->db_id == SH_DB_MASTER &&
             sh_login_find (self->instance, who->text, &login) == SH_OK))
            continue;
        return sh_error_set (
            self, 15151, 16, 1,
            "Cannot find the user '%s', because it does not exist or you do not have "
            "permission.",
            who->text);
    }
    if (!stmt->name.object || stmt->flag2)
        return SH_OK;
    sh_resolved_t where;
    char kind[16];
    int id;
    sh_status_t status = sh_resolve (self, &stmt->name, &where);
    if (status != SH_OK)
        return status;
    if (sh_object_find (self->engine, where.db_id, where.schema, where.object, kind, &id) ==
            SH_OK ||
        sh_sysview_find (self, &stmt->name))
        return SH_OK;
    const sh_module_t *module = NULL;
    if (sh_module_open (self->engine, where.db_id, "IF", where.schema, where.object, &module,
                        &self->error) == SH_OK) {
        sh_module_close (self->engine, &module);
        return SH_OK;
    }
    return sh_error_set (
        self, 15151, 16, 1,
        "Cannot find the object '%s', because it does not exist or you do not have "
        "permission.",
        stmt->name.object);
}

static sh_status_t
s_in_transaction (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_write_t write;
    sh_status_t status = sh_write_begin (self, &write);
    if (status != SH_OK)
        return status;
    return sh_write_end (self, &write, s_principal (self, stmt));
}

sh_flow_t
sh_exec_admin (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_status_t status = SH_OK;
    switch (stmt->kind) {
        case SH_STMT_KILL:
            status = sh_exec_kill (self, stmt);
            break;
        case SH_STMT_PRINCIPAL:
            if (stmt->object == SH_OBJECT_LOGIN)
                status = s_login (self, stmt);
            else if (stmt->object == SH_OBJECT_SERVER_ROLE)
                status = s_server_role (self, stmt);
            else
                status = s_in_transaction (self, stmt);
            break;
        case SH_STMT_PERMISSION:
            status = s_permission (self, stmt);
            break;
        case SH_STMT_CHECKPOINT:
            if (!stmt->flag)
                status = sh_instance_checkpoint (self->instance, &self->error);
            break;
        case SH_STMT_RECONFIGURE:
            sh_config_reconfigure (self->instance);
            break;
        default:
            status = sh_error_unsupported (self, "SHUTDOWN");
    }
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK)
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    return flow;
}
