/*  Principals and permissions: "Security Catalog Views (Transact-SQL)". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtins.h"
#include "tests/sqlhost/tsql/rights.h"

typedef struct {
    sh_session_t *session;
    sh_rowset_t *rows;
} s_walk_t;

/*  ---- principals of a database ---- */

void
sh_define_database_principals (sh_rowset_t *rows)
{
    sh_view_fields (rows, "name:n,principal_id:i,type:C,type_desc:n,default_schema_name:n,"
                          "create_date:d,modify_date:d,owning_principal_id:i,sid:x,"
                          "is_fixed_role:b,authentication_type:i,authentication_type_desc:n");
}

static sh_value_t *
s_principal_row (sh_rowset_t *rows, const char *name, int id, bool role, int64_t created)
{
    sh_value_t *v = sh_rowset_add_row (rows);
    sh_cell_text (&v[0], name);
    v[1] = sh_value_int (id);
    sh_cell_text (&v[2], role ? "R" : "S");
    sh_cell_text (&v[3], role ? "DATABASE_ROLE" : "SQL_USER");
    if (!role)
        sh_cell_text (&v[4], "dbo");
    v[5] = v[6] = sh_value_ticks (created);
    if (role)
        v[7] = sh_value_int (1);
    v[9] = sh_value_int (id >= SH_ROLE_ID && id < SH_ROLE_ID + 9);
    v[10] = sh_value_int (role ? 0 : 1);
    sh_cell_text (&v[11], role ? "NONE" : "INSTANCE");
    return v;
}

static void
s_put_sid (sh_session_t *session, sh_value_t *to, const char *login)
{
    sh_login_info_t info;
    if (*login && sh_login_find (session->instance, login, &info) == SH_OK) {
        sh_value_t sid = sh_value_blob (info.sid, 16);
        *to = sh_value_copy (&sid);
    }
}

/*  The walk must not call the engine: a user's login is kept in sid until it has ended. */
static bool
s_principal (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    bool role = strcmp (object->kind, "ROLE") == 0;
    if (!role && strcmp (object->kind, "USER") != 0)
        return true;
    sh_value_t *v =
        s_principal_row (walk->rows, object->name, object->object_id, role, object->created);
    if (!role)
        sh_cell_text (&v[8], object->module->text);
    return true;
}

void
sh_fill_database_principals (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    int64_t started = sh_instance_started (session->instance);
    s_walk_t walk = {.session = session, .rows = rows};
    sh_db_info_t info;
    s_principal_row (rows, "public", 0, true, started);
    sh_value_t *dbo = s_principal_row (rows, "dbo", 1, false, started);
    if (sh_db_get (session->instance, db_id, &info) == SH_OK)
        s_put_sid (session, &dbo[8], info.owner);
    s_principal_row (rows, "guest", 2, false, started);
    for (int i = 0; sh_database_roles[i]; i++)
        s_principal_row (rows, sh_database_roles[i], SH_ROLE_ID + i, true, started);
    sh_object_walk (session->engine, db_id, s_principal, &walk);
    for (size_t i = 0; i < rows->row_count; i++) {
        sh_value_t *sid = &rows->values[i * rows->field_count + 8];
        if (sid->kind != SH_TEXT)
            continue;
        sh_value_t login = *sid;
        *sid = sh_value_null ();
        s_put_sid (session, sid, login.as.text);
        sh_value_clear (&login);
    }
}

/*  ---- names in pairs, to ids when the walk has ended ---- */

typedef struct {
    char *first, *second, *third;
} s_pair_t;

typedef struct {
    const char *kind;
    s_pair_t *pairs;
    size_t count, room;
} s_pairs_t;

static bool
s_pair (void *arg, const sh_object_t *object)
{
    s_pairs_t *self = arg;
    if (strcmp (object->kind, self->kind) != 0)
        return true;
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 32;
        self->pairs = sh_realloc (self->pairs, self->room * sizeof *self->pairs);
    }
    self->pairs[self->count++] = (s_pair_t){.first = sh_strdup (object->schema),
                                            .second = sh_strdup (object->name),
                                            .third = sh_strdup (object->module->text)};
    return true;
}

static s_pairs_t
s_pairs (sh_session_t *session, int db_id, const char *kind)
{
    s_pairs_t self = {.kind = kind};
    sh_object_walk (session->engine, db_id, s_pair, &self);
    return self;
}

static void
s_pairs_free (s_pairs_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free (self->pairs[i].first);
        free (self->pairs[i].second);
        free (self->pairs[i].third);
    }
    free (self->pairs);
}

void
sh_define_database_role_members (sh_rowset_t *rows)
{
    sh_view_fields (rows, "role_principal_id:i,member_principal_id:i");
}

void
sh_fill_database_role_members (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_pairs_t members = s_pairs (session, db_id, "MEMBER");
    sh_value_t *v = sh_rowset_add_row (rows);
    v[0] = sh_value_int (SH_ROLE_ID);
    v[1] = sh_value_int (1);
    for (size_t i = 0; i < members.count; i++) {
        v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (sh_principal_id (session, db_id, members.pairs[i].first));
        v[1] = sh_value_int (sh_principal_id (session, db_id, members.pairs[i].second));
    }
    s_pairs_free (&members);
}

/*  ---- permissions ---- */

static const char *
s_state (const char *text, const char **word)
{
    bool deny = strcmp (text, "DENY") == 0, with = strcmp (text, "WITH") == 0;
    *word = deny ? "DENY" : with ? "GRANT_WITH_GRANT_OPTION" : "GRANT";
    return deny ? "D" : with ? "W" : "G";
}

void
sh_define_database_permissions (sh_rowset_t *rows)
{
    sh_view_fields (rows, "class:t,class_desc:n,major_id:i,minor_id:i,grantee_principal_id:i,"
                          "grantor_principal_id:i,type:n,permission_name:n,state:C,state_desc:n");
}

/*  The short types of the permissions that occur most; others by their first letters. */
static void
s_put_type (sh_value_t *to, const char *permission)
{
    static const struct {
        const char *name, *type;
    } known[] = {{"BACKUP DATABASE", "BADB"},
                 {"BACKUP LOG", "BALO"},
                 {"CONNECT", "CO"},
                 {"CONTROL", "CL"},
                 {"DELETE", "DL"},
                 {"EXECUTE", "EX"},
                 {"INSERT", "IN"},
                 {"SELECT", "SL"},
                 {"UPDATE", "UP"},
                 {"VIEW DEFINITION", "VW"},
                 {"ALTER", "AL"},
                 {"VIEW SERVER STATE", "VWSS"},
                 {"CONTROL SERVER", "CL"},
                 {"CONNECT SQL", "COSQ"},
                 {"VIEW ANY DATABASE", "VWDB"},
                 {"ALTER ANY CONNECTION", "ALCO"}};
    char letters[5];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp (known[i].name, permission) == 0) {
            sh_cell_text (to, known[i].type);
            return;
        }
    snprintf (letters, sizeof letters, "%.4s", permission);
    sh_cell_text (to, letters);
}

static int
s_schema_id (sh_session_t *session, int db_id, const char *schema)
{
    int id = 1;
    const sh_module_t *module = NULL;
    sh_error_t ignored;
    if (!sh_same (schema, "dbo") && sh_module_open (session->engine, db_id, "SCHEMA", "sys", schema,
                                                    &module, &ignored) == SH_OK) {
        id = module->object_id;
        sh_module_close (session->engine, &module);
    }
    return id;
}

void
sh_fill_database_permissions (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_pairs_t grants = s_pairs (session, db_id, "PERM");
    for (size_t i = 0; i < grants.count; i++) {
        const s_pair_t *grant = &grants.pairs[i];
        char what = grant->second[0];
        char *permission = grant->second + 2;
        char *which = strchr (permission, ':');
        const char *word;
        *which++ = 0;
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (what == 'O' ? 1 : what == 'S' ? 3 : 0);
        sh_cell_text (&v[1], what == 'O'   ? "OBJECT_OR_COLUMN"
                             : what == 'S' ? "SCHEMA"
                                           : "DATABASE");
        v[2] = sh_value_int (what == 'O'   ? strtol (which, NULL, 10)
                             : what == 'S' ? s_schema_id (session, db_id, which)
                                           : 0);
        v[3] = sh_value_int (0);
        v[4] = sh_value_int (sh_principal_id (session, db_id, grant->first));
        v[5] = sh_value_int (1);
        s_put_type (&v[6], permission);
        sh_cell_text (&v[7], permission);
        sh_cell_text (&v[8], s_state (grant->third, &word));
        sh_cell_text (&v[9], word);
    }
    s_pairs_free (&grants);
}

/*  ---- principals of the server ---- */

void
sh_define_server_principals (sh_rowset_t *rows)
{
    sh_view_fields (rows,
                    "name:n,principal_id:i,sid:x,type:C,type_desc:n,is_disabled:b,create_date:d,"
                    "modify_date:d,default_database_name:n,default_language_name:n,"
                    "credential_id:i,owning_principal_id:i,is_fixed_role:b");
}

static void
s_login_rows (sh_session_t *session, sh_rowset_t *rows)
{
    sh_login_info_t *list = NULL;
    size_t count = sh_login_list (session->instance, &list);
    bool all = sh_right_server (session, "VIEW ANY DEFINITION") ||
               sh_right_server (session, "ALTER ANY LOGIN");
    for (size_t i = 0; i < count; i++) {
        /*  Metadata visibility: oneself and sa are always seen. */
        if (!all && !sh_same (list[i].name, session->login) && !sh_same (list[i].name, "sa"))
            continue;
        sh_value_t *v = sh_rowset_add_row (rows);
        sh_value_t sid = sh_value_blob (list[i].sid, 16);
        sh_cell_text (&v[0], list[i].name);
        v[1] = sh_value_int (sh_same (list[i].name, "sa") ? 1 : SH_LOGIN_ID + (int64_t)i);
        v[2] = sh_value_copy (&sid);
        sh_cell_text (&v[3], "S");
        sh_cell_text (&v[4], "SQL_LOGIN");
        v[5] = sh_value_int (list[i].disabled);
        v[6] = v[7] = sh_value_ticks (list[i].created);
        sh_cell_text (&v[8], *list[i].default_database ? list[i].default_database : "master");
        sh_cell_text (&v[9], "us_english");
        v[12] = sh_value_int (0);
    }
    free (list);
}

static void
s_server_role_row (sh_session_t *session, sh_rowset_t *rows, const char *name, int id)
{
    sh_value_t *v = sh_rowset_add_row (rows);
    sh_cell_text (&v[0], name);
    v[1] = sh_value_int (id);
    sh_cell_text (&v[3], "R");
    sh_cell_text (&v[4], "SERVER_ROLE");
    v[5] = sh_value_int (0);
    v[6] = v[7] = sh_value_ticks (sh_instance_started (session->instance));
    v[11] = sh_value_int (1);
    v[12] = sh_value_int (id != 2);
}

void
sh_fill_server_principals (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    s_login_rows (session, rows);
    s_server_role_row (session, rows, "public", 2);
    for (int i = 0; sh_server_roles[i]; i++)
        s_server_role_row (session, rows, sh_server_roles[i], SH_SERVER_ROLE_ID + i);
}

void
sh_define_sql_logins (sh_rowset_t *rows)
{
    sh_define_server_principals (rows);
    sh_view_fields (rows, "is_policy_checked:b,is_expiration_checked:b");
}

void
sh_fill_sql_logins (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    s_login_rows (session, rows);
    for (size_t i = 0; i < rows->row_count; i++) {
        sh_value_t *v = rows->values + i * rows->field_count;
        v[13] = v[14] = sh_value_int (0);
    }
}

void
sh_define_server_role_members (sh_rowset_t *rows)
{
    sh_view_fields (rows, "role_principal_id:i,member_principal_id:i");
}

void
sh_fill_server_role_members (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_login_info_t *list = NULL;
    size_t count = sh_login_list (session->instance, &list);
    s_pairs_t members = s_pairs (session, SH_DB_MASTER, "SRVMEMBER");
    (void)db_id;
    for (size_t i = 0; i < count; i++)
        if (list[i].sysadmin) {
            sh_value_t *v = sh_rowset_add_row (rows);
            v[0] = sh_value_int (SH_SERVER_ROLE_ID);
            v[1] = sh_value_int (sh_server_principal_id (session, list[i].name));
        }
    for (size_t i = 0; i < members.count; i++) {
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (sh_server_principal_id (session, members.pairs[i].first));
        v[1] = sh_value_int (sh_server_principal_id (session, members.pairs[i].second));
    }
    s_pairs_free (&members);
    free (list);
}

void
sh_define_server_permissions (sh_rowset_t *rows)
{
    sh_define_database_permissions (rows);
}

static void
s_server_permission (sh_session_t *session, sh_rowset_t *rows, const char *who,
                     const char *permission, const char *text)
{
    const char *word;
    sh_value_t *v = sh_rowset_add_row (rows);
    v[0] = sh_value_int (100);
    sh_cell_text (&v[1], "SERVER");
    v[2] = v[3] = sh_value_int (0);
    v[4] = sh_value_int (sh_server_principal_id (session, who));
    v[5] = sh_value_int (1);
    s_put_type (&v[6], permission);
    sh_cell_text (&v[7], permission);
    sh_cell_text (&v[8], s_state (text, &word));
    sh_cell_text (&v[9], word);
}

void
sh_fill_server_permissions (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_login_info_t *list = NULL;
    size_t count = sh_login_list (session->instance, &list);
    s_pairs_t grants = s_pairs (session, SH_DB_MASTER, "SRVPERM");
    (void)db_id;
    s_server_permission (session, rows, "public", "VIEW ANY DATABASE", "GRANT");
    for (size_t i = 0; i < count; i++)
        s_server_permission (session, rows, list[i].name, "CONNECT SQL", "GRANT");
    for (size_t i = 0; i < grants.count; i++)
        s_server_permission (session, rows, grants.pairs[i].first, grants.pairs[i].second,
                             grants.pairs[i].third);
    s_pairs_free (&grants);
    free (list);
}

/*  ---- fn_my_permissions (securable, class) ---- */

void
sh_define_my_permissions (sh_rowset_t *rows)
{
    sh_view_fields (rows, "entity_name:n,subentity_name:n,permission_name:n");
}

static void
s_my_row (sh_rowset_t *rows, const char *entity, const char *permission)
{
    sh_value_t *v = sh_rowset_add_row (rows);
    sh_cell_text (&v[0], entity);
    sh_cell_text (&v[1], "");
    sh_cell_text (&v[2], permission);
}

static sh_status_t
s_my_object (sh_session_t *session, const char *name, sh_rowset_t *rows)
{
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t parsed;
    sh_resolved_t where;
    char kind[16];
    int id = 0;
    sh_status_t status = SH_OK;
    if (sh_name_parse (arena, name, &parsed) &&
        (status = sh_resolve (session, &parsed, &where)) == SH_OK &&
        sh_object_find (session->engine, where.db_id, where.schema, where.object, kind, &id) ==
            SH_OK)
        for (size_t i = 0; sh_object_permissions[i]; i++)
            if (sh_right_object (session, where.db_id, where.schema, id, sh_object_permissions[i]))
                s_my_row (rows, name, sh_object_permissions[i]);
    sh_arena_destroy (&arena);
    return status;
}

sh_status_t
sh_fill_my_permissions (sh_session_t *session, const char *const *args, sh_rowset_t *rows)
{
    if (!args[1] || sh_same (args[1], "SERVER")) {
        for (size_t i = 0; sh_server_permissions[i]; i++)
            if (sh_right_server (session, sh_server_permissions[i]))
                s_my_row (rows, "server", sh_server_permissions[i]);
        return SH_OK;
    }
    if (sh_same (args[1], "DATABASE")) {
        for (size_t i = 0; sh_object_permissions[i]; i++)
            if (sh_right_database (session, session->db_id, sh_object_permissions[i]))
                s_my_row (rows, "database", sh_object_permissions[i]);
        for (size_t i = 0; sh_database_permissions[i]; i++)
            if (sh_right_database (session, session->db_id, sh_database_permissions[i]))
                s_my_row (rows, "database", sh_database_permissions[i]);
        return SH_OK;
    }
    if (sh_same (args[1], "OBJECT"))
        return args[0] ? s_my_object (session, args[0], rows) : SH_OK;
    return sh_error_unsupported (session, "This class in fn_my_permissions");
}
