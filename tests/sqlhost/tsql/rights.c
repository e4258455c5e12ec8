#include "rights.h"

#include <stdlib.h>
#include <string.h>

/*  In the order of their ids. */
const char *const sh_database_roles[] = {"db_owner",          "db_accessadmin",
                                         "db_securityadmin",  "db_ddladmin",
                                         "db_backupoperator", "db_datareader",
                                         "db_datawriter",     "db_denydatareader",
                                         "db_denydatawriter", NULL};
const char *const sh_server_roles[] = {"sysadmin",   "securityadmin", "serveradmin",
                                       "setupadmin", "processadmin",  "diskadmin",
                                       "dbcreator",  "bulkadmin",     NULL};

/*  What fixed roles bring with them. */
static const struct {
    const char *role, *permission;
    bool denies;
} s_fixed[] = {{"db_owner", "CONTROL", false},
               {"db_accessadmin", "ALTER ANY USER", false},
               {"db_accessadmin", "CREATE SCHEMA", false},
               {"db_securityadmin", "ALTER ANY ROLE", false},
               {"db_securityadmin", "CREATE ROLE", false},
               {"db_securityadmin", "VIEW DEFINITION", false},
               {"db_ddladmin", "ALTER ANY SCHEMA", false},
               {"db_ddladmin", "CREATE TABLE", false},
               {"db_ddladmin", "CREATE VIEW", false},
               {"db_ddladmin", "CREATE PROCEDURE", false},
               {"db_ddladmin", "CREATE FUNCTION", false},
               {"db_ddladmin", "CREATE SCHEMA", false},
               {"db_ddladmin", "CREATE SYNONYM", false},
               {"db_ddladmin", "CHECKPOINT", false},
               {"db_backupoperator", "BACKUP DATABASE", false},
               {"db_backupoperator", "BACKUP LOG", false},
               {"db_backupoperator", "CHECKPOINT", false},
               {"db_datareader", "SELECT", false},
               {"db_datawriter", "INSERT", false},
               {"db_datawriter", "UPDATE", false},
               {"db_datawriter", "DELETE", false},
               {"db_denydatareader", "SELECT", true},
               {"db_denydatawriter", "INSERT", true},
               {"db_denydatawriter", "UPDATE", true},
               {"db_denydatawriter", "DELETE", true}};

static const struct {
    const char *role, *permission;
} s_server_fixed[] = {{"securityadmin", "ALTER ANY LOGIN"},
                      {"serveradmin", "ALTER SETTINGS"},
                      {"serveradmin", "ALTER RESOURCES"},
                      {"serveradmin", "ALTER SERVER STATE"},
                      {"serveradmin", "SHUTDOWN"},
                      {"setupadmin", "ALTER ANY LINKED SERVER"},
                      {"processadmin", "ALTER ANY CONNECTION"},
                      {"processadmin", "ALTER SERVER STATE"},
                      {"diskadmin", "ALTER RESOURCES"},
                      {"dbcreator", "CREATE ANY DATABASE"},
                      {"dbcreator", "ALTER ANY DATABASE"},
                      {"bulkadmin", "ADMINISTER BULK OPERATIONS"},
                      {"public", "VIEW ANY DATABASE"},
                      {"public", "CONNECT SQL"}};

/*  Server permissions that hold another one. */
static const struct {
    const char *has, *also;
} s_covers[] = {{"ALTER SERVER STATE", "VIEW SERVER STATE"},
                {"ALTER ANY DATABASE", "CREATE ANY DATABASE"},
                {"ALTER ANY DATABASE", "VIEW ANY DATABASE"},
                {"VIEW ANY DEFINITION", "VIEW ANY DATABASE"}};

/*  ---- permissions that there are ---- */

const char *const sh_server_permissions[] = {"ADMINISTER BULK OPERATIONS",
                                             "ALTER ANY CONNECTION",
                                             "ALTER ANY CREDENTIAL",
                                             "ALTER ANY DATABASE",
                                             "ALTER ANY LINKED SERVER",
                                             "ALTER ANY LOGIN",
                                             "ALTER ANY SERVER ROLE",
                                             "ALTER RESOURCES",
                                             "ALTER SERVER STATE",
                                             "ALTER SETTINGS",
                                             "ALTER TRACE",
                                             "AUTHENTICATE SERVER",
                                             "CONNECT ANY DATABASE",
                                             "CONNECT SQL",
                                             "CONTROL SERVER",
                                             "CREATE ANY DATABASE",
                                             "SELECT ALL USER SECURABLES",
                                             "SHUTDOWN",
                                             "VIEW ANY DATABASE",
                                             "VIEW ANY DEFINITION",
                                             "VIEW SERVER STATE",
                                             NULL};
const char *const sh_object_permissions[] = {
    "ALTER",  "CONTROL", "DELETE",         "EXECUTE",         "INSERT", "REFERENCES",
    "SELECT", "UPDATE",  "TAKE OWNERSHIP", "VIEW DEFINITION", NULL};
const char *const sh_database_permissions[] = {"ALTER ANY ROLE",
                                               "ALTER ANY SCHEMA",
                                               "ALTER ANY USER",
                                               "AUTHENTICATE",
                                               "BACKUP DATABASE",
                                               "BACKUP LOG",
                                               "CHECKPOINT",
                                               "CONNECT",
                                               "CREATE DATABASE",
                                               "CREATE FUNCTION",
                                               "CREATE PROCEDURE",
                                               "CREATE ROLE",
                                               "CREATE SCHEMA",
                                               "CREATE SYNONYM",
                                               "CREATE TABLE",
                                               "CREATE VIEW",
                                               "SHOWPLAN",
                                               "VIEW DATABASE STATE",
                                               NULL};

static const char *
s_among (const char *const *list, const char *name)
{
    for (; *list; list++)
        if (sh_same (*list, name))
            return *list;
    return NULL;
}

const char *
sh_permission_server (const char *name)
{
    return s_among (sh_server_permissions, name);
}

const char *
sh_permission_object (const char *name)
{
    return sh_same (name, "EXEC") ? "EXECUTE" : s_among (sh_object_permissions, name);
}

const char *
sh_permission_database (const char *name)
{
    const char *found = s_among (sh_database_permissions, name);
    return found ? found : sh_permission_object (name);
}

/*  ---- who: looked up once a request and database ---- */

typedef struct {
    char *who;  /* of MEMBER: the member; of PERM: to whom */
    char *name; /* of MEMBER: the role; of PERM: "O:SELECT:12" */
    bool denies;
} s_record_t;

struct sh_identity {
    sh_identity_t *next;
    int db_id; /* 0 = the server */
    bool access;
    bool owner;
    char user[129];
    char *login; /* borrowed: whom USER is looked for */
    s_record_t *members, *grants;
    size_t member_count, member_room, grant_count, grant_room;
    char **principals; /* the user and all its roles; owned */
    size_t principal_count, principal_room;
};

static void
s_add_record (s_record_t **list, size_t *count, size_t *room, const char *who, const char *name,
              bool denies)
{
    if (*count == *room) {
        *room = *room ? *room * 2 : 16;
        *list = sh_realloc (*list, *room * sizeof **list);
    }
    (*list)[(*count)++] =
        (s_record_t){.who = sh_strdup (who), .name = sh_strdup (name), .denies = denies};
}

static void
s_free_records (s_record_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free (list[i].who);
        free (list[i].name);
    }
    free (list);
}

void
sh_rights_forget (sh_session_t *self)
{
    while (self->identities) {
        sh_identity_t *gone = self->identities;
        self->identities = gone->next;
        s_free_records (gone->members, gone->member_count);
        s_free_records (gone->grants, gone->grant_count);
        for (size_t i = 0; i < gone->principal_count; i++)
            free (gone->principals[i]);
        free (gone->principals);
        free (gone);
    }
}

static bool
s_collect (void *arg, const sh_object_t *object)
{
    sh_identity_t *self = arg;
    const char *text = object->module && object->module->text ? object->module->text : "";
    bool server = self->db_id == 0;
    if (strcmp (object->kind, server ? "SRVMEMBER" : "MEMBER") == 0)
        s_add_record (&self->members, &self->member_count, &self->member_room, object->name,
                      object->schema, false);
    else if (strcmp (object->kind, server ? "SRVPERM" : "PERM") == 0)
        s_add_record (&self->grants, &self->grant_count, &self->grant_room, object->schema,
                      object->name, strcmp (text, "DENY") == 0);
    else if (!server && strcmp (object->kind, "USER") == 0 && !*self->user &&
             sh_same (text, self->login))
        snprintf (self->user, sizeof self->user, "%s", object->name);
    return true;
}

static bool
s_is_principal (const sh_identity_t *self, const char *name)
{
    for (size_t i = 0; i < self->principal_count; i++)
        if (sh_same (self->principals[i], name))
            return true;
    return false;
}

static bool
s_add_principal (sh_identity_t *self, const char *name)
{
    if (s_is_principal (self, name))
        return false;
    if (self->principal_count == self->principal_room) {
        self->principal_room = self->principal_room ? self->principal_room * 2 : 8;
        self->principals =
            sh_realloc (self->principals, self->principal_room * sizeof *self->principals);
    }
    self->principals[self->principal_count++] = sh_strdup (name);
    return true;
}

/*  The roles of those that are in already, until nothing is added. */
static void
s_close_roles (sh_identity_t *self)
{
    bool added = true;
    while (added) {
        added = false;
        for (size_t i = 0; i < self->member_count; i++)
            if (s_is_principal (self, self->members[i].who))
                added |= s_add_principal (self, self->members[i].name);
    }
}

/*  Is it among what was granted or denied, to whom we are? */
static bool
s_holds (const sh_identity_t *self, const char *record, bool denies)
{
    for (size_t i = 0; i < self->grant_count; i++)
        if (self->grants[i].denies == denies && sh_same (self->grants[i].name, record) &&
            s_is_principal (self, self->grants[i].who))
            return true;
    return false;
}

static sh_identity_t *
s_find_identity (const sh_session_t *self, int db_id)
{
    for (sh_identity_t *identity = self->identities; identity; identity = identity->next)
        if (identity->db_id == db_id)
            return identity;
    return NULL;
}

static sh_identity_t *
s_server (sh_session_t *self)
{
    sh_identity_t *identity = s_find_identity (self, 0);
    if (identity)
        return identity;
    identity = sh_alloc (sizeof *identity);
    identity->next = self->identities;
    self->identities = identity;
    identity->access = true;
    identity->owner = self->sysadmin;
    sh_object_walk (self->engine, SH_DB_MASTER, s_collect, identity);
    s_add_principal (identity, self->login);
    s_add_principal (identity, "public");
    s_close_roles (identity);
    return identity;
}

/*  master, tempdb and msdb let everybody in; another database does when CONNECT was granted to
 *  guest. */
static bool
s_guest_may (const sh_identity_t *identity)
{
    if (identity->db_id == SH_DB_MASTER || identity->db_id == SH_DB_TEMPDB ||
        identity->db_id == SH_DB_MSDB)
        return true;
    for (size_t i = 0; i < identity->grant_count; i++)
        if (sh_same (identity->grants[i].who, "guest") && !identity->grants[i].denies &&
            sh_same (identity->grants[i].name, "D:CONNECT:"))
            return true;
    return false;
}

static sh_identity_t *
s_identity (sh_session_t *self, int db_id)
{
    sh_identity_t *identity = s_find_identity (self, db_id);
    sh_db_info_t info;
    if (identity)
        return identity;
    identity = sh_alloc (sizeof *identity);
    identity->next = self->identities;
    self->identities = identity;
    identity->db_id = db_id;
    identity->login = self->login;
    bool found = sh_db_get (self->instance, db_id, &info) == SH_OK;
    if (self->sysadmin || (found && sh_same (info.owner, self->login)) ||
        sh_right_server (self, "CONTROL SERVER")) {
        identity->access = identity->owner = true;
        snprintf (identity->user, sizeof identity->user, "dbo");
        return identity;
    }
    if (found && info.state == SH_STATE_ONLINE)
        sh_object_walk (self->engine, db_id, s_collect, identity);
    identity->access = *identity->user != 0;
    if (!identity->access &&
        (s_guest_may (identity) || sh_right_server (self, "CONNECT ANY DATABASE"))) {
        snprintf (identity->user, sizeof identity->user, "guest");
        identity->access = true;
    }
    s_add_principal (identity, identity->user);
    s_add_principal (identity, "public");
    s_close_roles (identity);
    identity->owner = s_is_principal (identity, "db_owner");
    return identity;
}

const char *
sh_right_user (sh_session_t *self, int db_id)
{
    const sh_identity_t *identity = s_identity (self, db_id);
    return identity->access ? identity->user : NULL;
}

/*  ---- may it? ---- */

static bool
s_server_has (const sh_identity_t *self, const char *permission, bool denies)
{
    if (s_holds (self, permission, denies))
        return true;
    for (size_t i = 0; !denies && i < sizeof s_server_fixed / sizeof *s_server_fixed; i++)
        if (sh_same (s_server_fixed[i].permission, permission) &&
            s_is_principal (self, s_server_fixed[i].role))
            return true;
    return false;
}

bool
sh_right_server (sh_session_t *self, const char *permission)
{
    const sh_identity_t *server = s_server (self);
    if (server->owner)
        return true;
    if (s_server_has (server, permission, true))
        return false;
    if (s_server_has (server, permission, false) || s_server_has (server, "CONTROL SERVER", false))
        return true;
    for (size_t i = 0; i < sizeof s_covers / sizeof *s_covers; i++)
        if (sh_same (s_covers[i].also, permission) && s_server_has (server, s_covers[i].has, false))
            return true;
    return false;
}

static bool
s_fixed_role_has (const sh_identity_t *self, const char *permission, bool denies)
{
    for (size_t i = 0; i < sizeof s_fixed / sizeof *s_fixed; i++)
        if (s_fixed[i].denies == denies && sh_same (s_fixed[i].permission, permission) &&
            s_is_principal (self, s_fixed[i].role))
            return true;
    return false;
}

/*  On one securable, by its own name or as CONTROL. */
static bool
s_on (const sh_identity_t *self, char what, const char *permission, const char *which, bool denies)
{
    char record[300];
    snprintf (record, sizeof record, "%c:%s:%s", what, permission, which);
    if (s_holds (self, record, denies))
        return true;
    snprintf (record, sizeof record, "%c:CONTROL:%s", what, which);
    return s_holds (self, record, denies);
}

/*  object NULL, schema NULL: on the database alone. */
static bool
s_any (const sh_identity_t *self, const char *schema, const char *object, const char *permission,
       bool denies)
{
    return (object && s_on (self, 'O', permission, object, denies)) ||
           (schema && s_on (self, 'S', permission, schema, denies)) ||
           s_on (self, 'D', permission, "", denies) || s_fixed_role_has (self, permission, denies);
}

static bool
s_may (sh_session_t *self, int db_id, const char *schema, const char *object,
       const char *permission)
{
    const sh_identity_t *identity = s_identity (self, db_id);
    if (identity->owner || !identity->access)
        return identity->owner;
    return !s_any (identity, schema, object, permission, true) &&
           s_any (identity, schema, object, permission, false);
}

bool
sh_right_database (sh_session_t *self, int db_id, const char *permission)
{
    if (sh_same (permission, "VIEW DEFINITION") && sh_right_server (self, "VIEW ANY DEFINITION"))
        return true;
    if (sh_same (permission, "VIEW DATABASE STATE") && sh_right_server (self, "VIEW SERVER STATE"))
        return sh_right_user (self, db_id) != NULL;
    if (sh_same (permission, "CREATE DATABASE") && sh_right_server (self, "CREATE ANY DATABASE"))
        return true;
    if (sh_same (permission, "CONNECT"))
        return sh_right_user (self, db_id) != NULL;
    return s_may (self, db_id, NULL, NULL, permission);
}

bool
sh_right_schema (sh_session_t *self, int db_id, const char *schema, const char *permission)
{
    return s_may (self, db_id, schema, NULL, permission);
}

/*  Backup and restore history is everybody's to read in msdb, as its set-up grants it to public. */
static bool
s_history_for_all (sh_session_t *self, int object_id)
{
    static const char *const tables[] = {"backupfile",     "backupfilegroup",  "backupmediafamily",
                                         "backupmediaset", "backupset",        "logmarkhistory",
                                         "restorefile",    "restorefilegroup", "restorehistory"};
    char schema[129], name[129];
    if (sh_object_name (self->engine, SH_DB_MSDB, object_id, schema, name) != SH_OK)
        return false;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (sh_same (tables[i], name))
            return true;
    return false;
}

bool
sh_right_object (sh_session_t *self, int db_id, const char *schema, int object_id,
                 const char *permission)
{
    char object[24];
    snprintf (object, sizeof object, "%d", object_id);
    if (db_id == SH_DB_TEMPDB || s_may (self, db_id, schema, object, permission))
        return true;
    const sh_identity_t *identity = s_identity (self, db_id);
    if (sh_same (permission, "VIEW DEFINITION"))
        return identity->access && sh_right_server (self, "VIEW ANY DEFINITION");
    return db_id == SH_DB_MSDB && sh_same (permission, "SELECT") &&
           !s_any (identity, schema, object, permission, true) &&
           s_history_for_all (self, object_id);
}

bool
sh_right_sees (sh_session_t *self, int db_id, const char *schema, int object_id)
{
    if (self->sysadmin)
        return true;
    for (size_t i = 0; sh_object_permissions[i]; i++)
        if (sh_right_object (self, db_id, schema, object_id, sh_object_permissions[i]))
            return true;
    return sh_right_database (self, db_id, "ALTER ANY SCHEMA");
}

/*  ---- membership ---- */

bool
sh_right_member (sh_session_t *self, int db_id, const char *role, const char *user)
{
    sh_identity_t *own = s_identity (self, db_id);
    if (sh_same (role, "public"))
        return true;
    if (!user || sh_same (user, own->user)) {
        /*  dbo is a member of db_owner and of no other role by itself. */
        if (sh_same (own->user, "dbo"))
            return sh_same (role, "db_owner");
        return s_is_principal (own, role);
    }
    sh_identity_t other = {.db_id = db_id, .login = self->login};
    snprintf (other.user, sizeof other.user, "%s", user);
    sh_object_walk (self->engine, db_id, s_collect, &other);
    s_add_principal (&other, user);
    s_close_roles (&other);
    bool member =
        s_is_principal (&other, role) || (sh_same (user, "dbo") && sh_same (role, "db_owner"));
    s_free_records (other.members, other.member_count);
    s_free_records (other.grants, other.grant_count);
    for (size_t i = 0; i < other.principal_count; i++)
        free (other.principals[i]);
    free (other.principals);
    return member;
}

bool
sh_right_server_member (sh_session_t *self, const char *role, const char *login)
{
    sh_login_info_t info;
    const sh_identity_t *server = s_server (self);
    if (sh_same (role, "public"))
        return true;
    if (sh_login_find (self->instance, login, &info) != SH_OK)
        return false;
    if (info.sysadmin)
        return true; /* a sysadmin counts as a member of every fixed role */
    for (size_t i = 0; i < server->member_count; i++)
        if (sh_same (server->members[i].who, login) && sh_same (server->members[i].name, role))
            return true;
    return false;
}

/*  ---- ids ---- */

typedef struct {
    const char *name;
    int id;
} s_lookup_t;

static bool
s_find_principal (void *arg, const sh_object_t *object)
{
    s_lookup_t *walk = arg;
    if ((strcmp (object->kind, "USER") == 0 || strcmp (object->kind, "ROLE") == 0) &&
        sh_same (object->name, walk->name))
        walk->id = object->object_id;
    return walk->id == 0;
}

int
sh_principal_id (sh_session_t *session, int db_id, const char *name)
{
    static const char *const special[] = {"public", "dbo", "guest", "INFORMATION_SCHEMA", "sys"};
    s_lookup_t walk = {.name = name};
    for (int i = 0; i < 5; i++)
        if (sh_same (name, special[i]))
            return i;
    for (int i = 0; sh_database_roles[i]; i++)
        if (sh_same (name, sh_database_roles[i]))
            return SH_ROLE_ID + i;
    sh_object_walk (session->engine, db_id, s_find_principal, &walk);
    return walk.id ? walk.id : -1;
}

int
sh_server_principal_id (sh_session_t *session, const char *name)
{
    sh_login_info_t *list = NULL;
    int id = -1;
    if (sh_same (name, "sa"))
        return 1;
    if (sh_same (name, "public"))
        return 2;
    for (int i = 0; sh_server_roles[i]; i++)
        if (sh_same (name, sh_server_roles[i]))
            return SH_SERVER_ROLE_ID + i;
    size_t count = sh_login_list (session->instance, &list);
    for (size_t i = 0; i < count && id < 0; i++)
        if (sh_same (list[i].name, name))
            id = SH_LOGIN_ID + (int)i;
    free (list);
    return id;
}

/*  ---- checks ---- */

sh_status_t
sh_check_access (sh_session_t *self, int db_id)
{
    sh_db_info_t info;
    if (self->sysadmin || sh_right_user (self, db_id) ||
        sh_db_get (self->instance, db_id, &info) != SH_OK)
        return SH_OK;
    return sh_error_set (self, 916, 14, 1,
                         "The server principal \"%s\" is not able to access the database \"%s\" "
                         "under the current security context.",
                         self->login, info.name);
}

sh_status_t
sh_check_server (sh_session_t *self, const char *permission)
{
    if (sh_right_server (self, permission))
        return SH_OK;
    sh_error_set (self, 300, 14, 1,
                  "%s permission was denied on object 'server', database 'master'.", permission);
    if (!self->try_depth)
        sh_out_message (self, &self->error, self->frame ? self->frame->statement_line : 1);
    return sh_error_set (self, 297, 16, 1,
                         "The user does not have permission to perform this action.");
}

sh_status_t
sh_check_database (sh_session_t *self, int db_id, const char *permission)
{
    sh_db_info_t info;
    if (sh_right_database (self, db_id, permission))
        return SH_OK;
    bool found = sh_db_get (self->instance, db_id, &info) == SH_OK;
    return sh_error_set (self, 262, 14, 1, "%s permission denied in database '%s'.", permission,
                         found ? info.name : "");
}

/*  A module's own statements reach objects of its own database without being asked: everything
 *  here belongs to dbo. Dynamic SQL breaks the chain. */
static bool
s_chained (const sh_session_t *self, int db_id)
{
    const sh_frame_t *frame = self->frame;
    if (!frame || self->db_id != db_id)
        return false;
    if (frame->is_trigger || frame->is_function)
        return true;
    return frame->procedure && !frame->is_dynamic;
}

static sh_status_t
s_denied (sh_session_t *self, const char *permission, const char *object, const char *database,
          const char *schema)
{
    return sh_error_set (self, 229, 14, 5,
                         "The %s permission was denied on the object '%s', database '%s', schema "
                         "'%s'.",
                         permission, object, database, schema);
}

sh_status_t
sh_check_object (sh_session_t *self, int db_id, const char *schema, const char *object,
                 int object_id, const char *permission)
{
    sh_db_info_t info;
    if (self->sysadmin || s_chained (self, db_id) ||
        sh_right_object (self, db_id, schema, object_id, permission) ||
        sh_db_get (self->instance, db_id, &info) != SH_OK)
        return SH_OK;
    return s_denied (self, permission, object, info.name, schema);
}

sh_status_t
sh_check_system (sh_session_t *self, const char *object, const char *home)
{
    bool msdb = sh_same (home, "msdb");
    return self->sysadmin ||
                   s_may (self, msdb ? SH_DB_MSDB : SH_DB_MASTER, "sys", object, "EXECUTE")
               ? SH_OK
               : s_denied (self, "EXECUTE", object, home, msdb ? "dbo" : "sys");
}
