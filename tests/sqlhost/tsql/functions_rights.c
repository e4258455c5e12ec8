/*  Functions that tell who one is and what one may: "Security Functions (Transact-SQL)". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "functions.h"
#include "rights.h"

#define S_ARGS sqlite3_context *context, int argc, sqlite3_value **argv

static bool
s_null (sqlite3_value *value)
{
    return sqlite3_value_type (value) == SQLITE_NULL;
}

static void
s_has_dbaccess (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    sh_db_info_t info;
    if (!sh_any_null (argc, argv) &&
        sh_db_find (session->instance, sh_arg_text (argv[0]), &info) == SH_OK)
        sqlite3_result_int (context, info.state == SH_STATE_ONLINE &&
                                         sh_right_user (session, info.id) != NULL);
}

static void
s_suser_id (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    const char *name = argc && !s_null (argv[0]) ? sh_arg_text (argv[0]) : session->login;
    int id = sh_server_principal_id (session, name);
    if (id > 0)
        sqlite3_result_int (context, id);
}

static const char *
s_own_user (sh_session_t *session)
{
    const char *user = sh_right_user (session, session->db_id);
    return user ? user : "guest";
}

typedef struct {
    int id;
    char name[129];
} s_named_t;

static bool
s_name_of (void *arg, const sh_object_t *object)
{
    s_named_t *look = arg;
    if (object->object_id == look->id &&
        (strcmp (object->kind, "USER") == 0 || strcmp (object->kind, "ROLE") == 0))
        snprintf (look->name, sizeof look->name, "%s", object->name);
    return !*look->name;
}

static void
s_user_name (S_ARGS)
{
    static const char *const special[] = {"public", "dbo", "guest", "INFORMATION_SCHEMA", "sys"};
    sh_session_t *session = sh_function_session (context);
    if (!argc) {
        sh_result_text (context, s_own_user (session));
        return;
    }
    if (s_null (argv[0]))
        return;
    s_named_t look = {.id = sqlite3_value_int (argv[0])};
    if (look.id >= 0 && look.id < 5)
        snprintf (look.name, sizeof look.name, "%s", special[look.id]);
    else if (look.id >= SH_ROLE_ID && look.id < SH_ROLE_ID + 9)
        snprintf (look.name, sizeof look.name, "%s", sh_database_roles[look.id - SH_ROLE_ID]);
    else
        sh_object_walk (session->engine, session->db_id, s_name_of, &look);
    if (*look.name)
        sh_result_text (context, look.name);
}

static void
s_user_id (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    const char *name = argc && !s_null (argv[0]) ? sh_arg_text (argv[0]) : s_own_user (session);
    int id = sh_principal_id (session, session->db_id, name);
    if (id >= 0)
        sqlite3_result_int (context, id);
}

static void
s_is_srvrolemember (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    if (sh_any_null (argc, argv))
        return;
    const char *role = sh_arg_text (argv[0]);
    const char *login = argc > 1 ? sh_arg_text (argv[1]) : session->login;
    bool known = sh_same (role, "public");
    for (int i = 0; sh_server_roles[i]; i++)
        known |= sh_same (sh_server_roles[i], role);
    if (known && sh_login_find (session->instance, login, NULL) == SH_OK)
        sqlite3_result_int (context, sh_right_server_member (session, role, login));
}

static void
s_is_rolemember (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    if (sh_any_null (argc, argv))
        return;
    const char *role = sh_arg_text (argv[0]);
    int role_id = sh_principal_id (session, session->db_id, role);
    if (role_id < 0 || (role_id > 0 && role_id < 5))
        return; /* no role */
    const char *user = argc > 1 ? sh_arg_text (argv[1]) : NULL;
    if (user && sh_principal_id (session, session->db_id, user) < 0)
        return;
    sqlite3_result_int (context, sh_right_member (session, session->db_id, role, user));
}

/*  ---- HAS_PERMS_BY_NAME ---- */

/*  -1 = NULL. */
static int
s_on_server (sh_session_t *session, const char *permission)
{
    if (sh_same (permission, "ANY"))
        return 1;
    const char *name = sh_permission_server (permission);
    return name ? sh_right_server (session, name) : -1;
}

static int
s_on_database (sh_session_t *session, const char *text, const char *permission)
{
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t name;
    sh_db_info_t info;
    int may = -1;
    if (sh_name_parse (arena, text, &name) && !name.schema &&
        sh_db_find (session->instance, name.object, &info) == SH_OK) {
        const char *known = sh_permission_database (permission);
        if (sh_same (permission, "ANY"))
            may = sh_right_user (session, info.id) != NULL;
        else if (known)
            may = sh_right_database (session, info.id, known);
    }
    sh_arena_destroy (&arena);
    return may;
}

static int
s_on_object (sh_session_t *session, const char *text, const char *permission)
{
    sh_arena_t *arena = sh_arena_new ();
    sh_found_t found;
    int may = -1;
    if (sh_find_object (session, text, arena, &found)) {
        const char *known = sh_permission_object (permission);
        if (sh_same (permission, "ANY"))
            may = 1; /* what is seen has one */
        else if (known)
            may = sh_right_object (session, found.where.db_id, found.where.schema, found.id, known);
    }
    sh_arena_destroy (&arena);
    return may;
}

static int
s_on_schema (sh_session_t *session, const char *text, const char *permission)
{
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t name;
    int may = -1;
    const char *known = sh_permission_object (permission);
    if (known && sh_name_parse (arena, text, &name))
        may = sh_right_schema (session, session->db_id, name.object, known);
    sh_arena_destroy (&arena);
    return may;
}

/*  HAS_PERMS_BY_NAME (securable, class, permission [, sub-securable, sub-class]) */
static void
s_has_perms_by_name (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    int may = -1;
    if (argc < 3 || s_null (argv[2]))
        return;
    const char *permission = sh_arg_text (argv[2]);
    const char *class_name = s_null (argv[1]) ? "SERVER" : sh_arg_text (argv[1]);
    const char *securable = s_null (argv[0]) ? NULL : sh_arg_text (argv[0]);
    if (sh_same (class_name, "SERVER"))
        may = s_on_server (session, permission);
    else if (!securable)
        return;
    else if (sh_same (class_name, "DATABASE"))
        may = s_on_database (session, securable, permission);
    else if (sh_same (class_name, "OBJECT"))
        may = s_on_object (session, securable, permission);
    else if (sh_same (class_name, "SCHEMA"))
        may = s_on_schema (session, securable, permission);
    if (may >= 0)
        sqlite3_result_int (context, may);
}

const sh_sql_entry_t sh_right_functions[] = {
    {"ts_database_principal_id", -1, false, s_user_id},
    {"ts_has_dbaccess", 1, false, s_has_dbaccess},
    {"ts_has_perms_by_name", -1, false, s_has_perms_by_name},
    {"ts_is_member", 1, false, s_is_rolemember},
    {"ts_is_rolemember", -1, false, s_is_rolemember},
    {"ts_is_srvrolemember", -1, false, s_is_srvrolemember},
    {"ts_suser_id", -1, false, s_suser_id},
    {"ts_user_id", -1, false, s_user_id},
    {"ts_user_name", -1, false, s_user_name},
    {NULL, 0, false, NULL}};
