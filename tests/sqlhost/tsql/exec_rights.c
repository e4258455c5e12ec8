/*  Server roles, users, roles and their members, GRANT, DENY, REVOKE. Records as rights.h says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rights.h"

/*  ---- records ---- */

static sh_status_t
s_put (sh_session_t *self, int db_id, const char *kind, const char *schema, const char *name,
       const char *text, sh_ddl_t how)
{
    sh_module_t module = {.schema = schema, .name = name, .kind = kind, .text = text};
    return sh_module_put (self->engine, db_id, how, &module, &self->error);
}

/*  Nothing to drop is fine. */
static sh_status_t
s_drop (sh_session_t *self, int db_id, const char *kind, const char *schema, const char *name)
{
    sh_status_t status = sh_module_drop (self->engine, db_id, kind, schema, name, &self->error);
    return status == SH_ERROR && self->error.number == 3701 ? SH_OK : status;
}

static bool
s_exists (sh_session_t *self, int db_id, const char *kind, const char *name)
{
    const sh_module_t *module = NULL;
    sh_error_t ignored;
    if (sh_module_open (self->engine, db_id, kind, "sys", name, &module, &ignored) != SH_OK)
        return false;
    sh_module_close (self->engine, &module);
    return true;
}

static bool
s_among (const char *const *list, const char *name)
{
    for (; *list; list++)
        if (sh_same (*list, name))
            return true;
    return false;
}

static bool
s_role_exists (sh_session_t *self, const char *role)
{
    return s_among (sh_database_roles, role) || sh_same (role, "public") ||
           s_exists (self, self->db_id, "ROLE", role);
}

/*  ---- server roles ---- */

static sh_status_t
s_no_server_role (sh_session_t *self, const char *role)
{
    return sh_error_set (self, 15151, 16, 1,
                         "Cannot alter the server role '%s', because it does not exist or you do "
                         "not have permission.",
                         role);
}

sh_status_t
sh_exec_server_role (sh_session_t *self, const sh_stmt_t *stmt)
{
    bool member = !stmt->flag2;
    sh_login_info_t info;
    if (!sh_same (stmt->name.object, "ALTER"))
        return sh_error_unsupported (self, "This form of server role");
    bool own = sh_right_server_member (self, stmt->text, self->login);
    if (!s_among (sh_server_roles, stmt->text) || (!self->sysadmin && !own))
        return s_no_server_role (self, stmt->text);
    if (sh_login_find (self->instance, stmt->text2, &info) != SH_OK)
        return sh_error_set (self, 15151, 16, 1,
                             "Cannot %s the principal '%s', because it does not exist or you do "
                             "not have permission.",
                             member ? "add" : "drop", stmt->text2);
    if (sh_same (stmt->text, "sysadmin"))
        return sh_login_alter (self->instance, stmt->text2, NULL, NULL, &member, NULL,
                               &self->error);
    return member ? s_put (self, SH_DB_MASTER, "SRVMEMBER", stmt->text, stmt->text2, "",
                           SH_DDL_CREATE_OR_ALTER)
                  : s_drop (self, SH_DB_MASTER, "SRVMEMBER", stmt->text, stmt->text2);
}

/*  ---- users and roles ---- */

static sh_status_t
s_not_allowed (sh_session_t *self)
{
    return sh_error_set (self, 15247, 16, 1,
                         "User does not have permission to perform this action.");
}

typedef struct {
    const char *name;
    char *keys[512]; /* "kind\nschema\nname" */
    size_t count;
} s_dependents_t;

static bool
s_depends (void *arg, const sh_object_t *object)
{
    s_dependents_t *self = arg;
    bool member = strcmp (object->kind, "MEMBER") == 0;
    bool permission = strcmp (object->kind, "PERM") == 0;
    if ((member && sh_same (object->name, self->name)) ||
        (permission && sh_same (object->schema, self->name)))
        self->keys[self->count++] =
            sh_printf ("%s\n%s\n%s", object->kind, object->schema, object->name);
    return self->count < sizeof self->keys / sizeof *self->keys;
}

/*  A principal that goes takes its memberships and permissions along. */
static sh_status_t
s_drop_dependents (sh_session_t *self, const char *name)
{
    s_dependents_t found = {.name = name};
    sh_status_t status = SH_OK;
    sh_object_walk (self->engine, self->db_id, s_depends, &found);
    for (size_t i = 0; i < found.count; i++) {
        char *schema = strchr (found.keys[i], '\n');
        *schema++ = 0;
        char *record = strchr (schema, '\n');
        *record++ = 0;
        if (status == SH_OK)
            status = s_drop (self, self->db_id, found.keys[i], schema, record);
        free (found.keys[i]);
    }
    return status;
}

static sh_status_t
s_drop_principal (sh_session_t *self, const sh_stmt_t *stmt, const char *kind)
{
    bool user = strcmp (kind, "USER") == 0;
    sh_status_t status =
        sh_module_drop (self->engine, self->db_id, kind, "sys", stmt->text, &self->error);
    if (status == SH_OK)
        return s_drop_dependents (self, stmt->text);
    if (status != SH_ERROR || self->error.number != 3701)
        return status;
    return stmt->flag ? SH_OK
                      : sh_error_set (self, 15151, 16, 1,
                                      "Cannot drop the %s '%s', because it does not exist or you "
                                      "do not have permission.",
                                      user ? "user" : "role", stmt->text);
}

typedef struct {
    const char *login;
    char user[129];
} s_user_of_t;

static bool
s_user_of (void *arg, const sh_object_t *object)
{
    s_user_of_t *look = arg;
    if (strcmp (object->kind, "USER") == 0 && object->module && object->module->text &&
        sh_same (object->module->text, look->login))
        snprintf (look->user, sizeof look->user, "%s", object->name);
    return !*look->user;
}

/*  The login of a new user: "" for WITHOUT LOGIN, its own name when none is said. */
static sh_status_t
s_login_of (sh_session_t *self, const sh_stmt_t *stmt, const char **login)
{
    s_user_of_t look = {.login = stmt->text2 ? stmt->text2 : stmt->text};
    *login = stmt->flag ? "" : look.login;
    if (stmt->flag)
        return SH_OK;
    if (sh_login_find (self->instance, *login, NULL) != SH_OK)
        return sh_error_set (self, 15007, 16, 1,
                             "'%s' is not a valid login or you do not have permission.", *login);
    sh_object_walk (self->engine, self->db_id, s_user_of, &look);
    if (*look.user)
        return sh_error_set (self, 15063, 16, 1,
                             "The login already has an account under a different user name.");
    return SH_OK;
}

static sh_status_t
s_principal_record (sh_session_t *self, const sh_stmt_t *stmt, const char *kind)
{
    bool user = strcmp (kind, "USER") == 0;
    const char *text = "";
    if (sh_same (stmt->name.object, "ALTER"))
        return sh_error_unsupported (self, "ALTER USER");
    if (!sh_right_database (self, self->db_id, user ? "ALTER ANY USER" : "ALTER ANY ROLE") &&
        (user || !sh_right_database (self, self->db_id, "CREATE ROLE")))
        return s_not_allowed (self);
    if (sh_same (stmt->name.object, "DROP"))
        return s_drop_principal (self, stmt, kind);
    if (user && s_login_of (self, stmt, &text) != SH_OK)
        return SH_ERROR;
    sh_status_t status = SH_OK;
    if (s_role_exists (self, stmt->text) || sh_same (stmt->text, "dbo") ||
        s_exists (self, self->db_id, "USER", stmt->text))
        status = SH_ERROR;
    else
        status = s_put (self, self->db_id, kind, "sys", stmt->text, text, SH_DDL_CREATE);
    if (status == SH_ERROR)
        return sh_error_set (self, 15023, 16, 1,
                             "User, group, or role '%s' already exists in the current database.",
                             stmt->text);
    return status;
}

static sh_status_t
s_member (sh_session_t *self, const char *role, const char *member, bool drop)
{
    bool fixed = s_among (sh_database_roles, role);
    bool may = sh_right_database (self, self->db_id, fixed ? "CONTROL" : "ALTER ANY ROLE");
    if (!s_role_exists (self, role) || !may || sh_same (role, "public"))
        return sh_error_set (self, 15151, 16, 1,
                             "Cannot alter the role '%s', because it does not exist or you do not "
                             "have permission.",
                             role);
    if (!sh_same (member, "dbo") && !s_exists (self, self->db_id, "USER", member) &&
        !s_exists (self, self->db_id, "ROLE", member))
        return sh_error_set (self, 15151, 16, 1,
                             "Cannot %s the principal '%s', because it does not exist or you do "
                             "not have permission.",
                             drop ? "drop" : "add", member);
    if (sh_same (member, "dbo"))
        return sh_error_set (self, 15405, 11, 1, "Cannot use the special principal 'dbo'.");
    return drop ? s_drop (self, self->db_id, "MEMBER", role, member)
                : s_put (self, self->db_id, "MEMBER", role, member, "", SH_DDL_CREATE_OR_ALTER);
}

sh_status_t
sh_exec_principal (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_rights_forget (self);
    if (stmt->object == SH_OBJECT_ROLE && sh_same (stmt->name.object, "ALTER"))
        return s_member (self, stmt->text, stmt->text2, stmt->flag2);
    return s_principal_record (self, stmt, stmt->object == SH_OBJECT_USER ? "USER" : "ROLE");
}

/*  ---- GRANT, DENY, REVOKE ---- */

/*  What is granted on: 'O' and an object's id, 'S' and a schema, 'D', or 0 = the server. */
typedef struct {
    char what;
    char which[140];
    int db_id;
} s_securable_t;

static sh_status_t
s_no_object (sh_session_t *self, const char *name)
{
    return sh_error_set (self, 15151, 16, 1,
                         "Cannot find the object '%s', because it does not exist or you do not "
                         "have permission.",
                         name);
}

static bool
s_is_builtin (const sh_session_t *self, const sh_name_t *name)
{
    for (const sh_builtin_t *b = self->host_of->builtins; b && b->name; b++)
        if (sh_same (b->name, name->object))
            return true;
    return false;
}

static sh_status_t
s_object (sh_session_t *self, const sh_stmt_t *stmt, s_securable_t *on)
{
    sh_resolved_t where;
    char kind[16];
    int id = 0;
    sh_status_t status = sh_resolve (self, &stmt->name, &where);
    if (status != SH_OK)
        return status;
    on->what = 'O';
    on->db_id = where.db_id;
    bool found =
        sh_object_find (self->engine, where.db_id, where.schema, where.object, kind, &id) == SH_OK;
    const sh_module_t *module = NULL;
    if (!found && sh_module_open (self->engine, where.db_id, "IF", where.schema, where.object,
                                  &module, &self->error) == SH_OK) {
        id = module->object_id;
        found = true;
        sh_module_close (self->engine, &module);
    }
    if (found)
        snprintf (on->which, sizeof on->which, "%d", id);
    else if (sh_sysview_find (self, &stmt->name) || s_is_builtin (self, &stmt->name))
        snprintf (on->which, sizeof on->which, "%s", stmt->name.object);
    else
        return s_no_object (self, stmt->name.object);
    if (where.db_id != self->db_id && found)
        return sh_error_set (self, 4610, 16, 1,
                             "You can only grant or revoke permissions on objects in the current "
                             "database.");
    if (!found)
        return self->sysadmin ? SH_OK : s_no_object (self, stmt->name.object);
    return sh_right_object (self, where.db_id, where.schema, id, "CONTROL") ||
                   sh_right_database (self, where.db_id, "ALTER ANY ROLE")
               ? SH_OK
               : s_no_object (self, stmt->name.object);
}

static sh_status_t
s_securable (sh_session_t *self, const sh_stmt_t *stmt, s_securable_t *on)
{
    on->db_id = self->db_id;
    if (!stmt->text) {
        bool server = sh_permission_server (stmt->options->name) != NULL;
        on->what = server ? 0 : 'D';
        if (server && self->db_id != SH_DB_MASTER)
            return sh_error_set (self, 4621, 16, 10,
                                 "Permissions at the server scope can only be granted when the "
                                 "current database is master");
        if (server ? !sh_right_server (self, "CONTROL SERVER")
                   : !sh_right_database (self, self->db_id, "CONTROL"))
            return sh_error_set (self, 4613, 16, 1, "Grantor does not have GRANT permission.");
        return SH_OK;
    }
    if (sh_same (stmt->text, "OBJECT"))
        return s_object (self, stmt, on);
    bool schema = sh_same (stmt->text, "SCHEMA");
    if (!schema && !sh_same (stmt->text, "DATABASE")) {
        char text[160];
        snprintf (text, sizeof text, "A permission on %.100s", stmt->text);
        return sh_error_unsupported (self, text);
    }
    on->what = schema ? 'S' : 'D';
    if (schema)
        snprintf (on->which, sizeof on->which, "%s", stmt->name.object);
    if (sh_right_database (self, self->db_id, "CONTROL"))
        return SH_OK;
    return sh_error_set (self, 15151, 16, 1,
                         "Cannot find the %s '%s', because it does not exist or you do not have "
                         "permission.",
                         schema ? "schema" : "database", stmt->name.object);
}

static sh_status_t
s_check_grantee (sh_session_t *self, const char *who, bool server)
{
    if (sh_same (who, "public") || (!server && sh_same (who, "guest")))
        return SH_OK;
    if (server ? sh_login_find (self->instance, who, NULL) == SH_OK
               : s_exists (self, self->db_id, "USER", who) || s_role_exists (self, who))
        return SH_OK;
    return sh_error_set (self, 15151, 16, 1,
                         "Cannot find the %s '%s', because it does not exist or you do not have "
                         "permission.",
                         server ? "login" : "user", who);
}

/*  102 for what is no permission; its name in capitals. */
static sh_status_t
s_permission_name (sh_session_t *self, const char *word, const s_securable_t *on,
                   const char **permission)
{
    *permission = on->what == 0     ? sh_permission_server (word)
                  : on->what == 'D' ? sh_permission_database (word)
                                    : sh_permission_object (word);
    if (*permission)
        return SH_OK;
    if (sh_same (word, "ALL") || sh_same (word, "ALL PRIVILEGES"))
        return sh_error_unsupported (self, "GRANT ALL");
    return sh_error_set (self, 102, 15, 1, "Incorrect syntax near '%s'.", word);
}

static sh_status_t
s_apply (sh_session_t *self, const sh_stmt_t *stmt, const s_securable_t *on, const char *permission,
         const char *who)
{
    char record[300];
    const char *kind = on->what ? "PERM" : "SRVPERM";
    bool deny = sh_same (stmt->text2, "DENY");
    const char *given = stmt->flag ? "WITH" : "GRANT";
    if (on->what)
        snprintf (record, sizeof record, "%c:%s:%s", on->what, permission, on->which);
    else
        snprintf (record, sizeof record, "%s", permission);
    if (sh_same (stmt->text2, "REVOKE"))
        return s_drop (self, on->db_id, kind, who, record);
    return s_put (self, on->db_id, kind, who, record, deny ? "DENY" : given,
                  SH_DDL_CREATE_OR_ALTER);
}

sh_status_t
sh_exec_permission (sh_session_t *self, const sh_stmt_t *stmt)
{
    s_securable_t on = {.what = 0};
    sh_rights_forget (self);
    sh_status_t status = s_securable (self, stmt, &on);
    for (const sh_ident_t *who = stmt->columns; who && status == SH_OK; who = who->next)
        status = s_check_grantee (self, who->text, on.what == 0);
    for (const sh_option_t *option = stmt->options; option && status == SH_OK;
         option = option->next) {
        const char *permission = NULL;
        status = s_permission_name (self, option->name, &on, &permission);
        for (const sh_ident_t *who = stmt->columns; who && status == SH_OK; who = who->next)
            status = s_apply (self, stmt, &on, permission, who->text);
    }
    sh_rights_forget (self);
    return status;
}
