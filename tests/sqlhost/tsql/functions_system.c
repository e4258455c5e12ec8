/*  Functions that look at the session, the catalog and the instance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "functions.h"
#include "rights.h"

#define S_ARGS    sqlite3_context *context, int argc, sqlite3_value **argv
#define S_VERSION "15.0.4415.2"

static bool
s_null (sqlite3_value *value)
{
    return sqlite3_value_type (value) == SQLITE_NULL;
}

/*  ---- databases ---- */

static void
s_db_id (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    sh_db_info_t info;
    if (argc == 0)
        sqlite3_result_int (context, session->db_id);
    else if (!s_null (argv[0]) &&
             sh_db_find (session->instance, sh_arg_text (argv[0]), &info) == SH_OK)
        sqlite3_result_int (context, info.id);
}

static void
s_db_name (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    sh_db_info_t info;
    int id = session->db_id;
    if (argc > 0) {
        if (s_null (argv[0]))
            return;
        id = sqlite3_value_int (argv[0]);
    }
    if (id == 0)
        id = session->db_id;
    if (sh_db_get (session->instance, id, &info) == SH_OK)
        sh_result_text (context, info.name);
}

static const char *
s_recovery_name (sh_recovery_t recovery)
{
    return recovery == SH_RECOVERY_FULL     ? "FULL"
           : recovery == SH_RECOVERY_SIMPLE ? "SIMPLE"
                                            : "BULK_LOGGED";
}

static const char *
s_state_name (sh_db_state_t state)
{
    switch (state) {
        case SH_STATE_ONLINE:
            return "ONLINE";
        case SH_STATE_RESTORING:
            return "RESTORING";
        case SH_STATE_RECOVERY_PENDING:
            return "RECOVERING";
        case SH_STATE_SUSPECT:
            return "SUSPECT";
        case SH_STATE_EMERGENCY:
            return "EMERGENCY";
        default:
            return "OFFLINE";
    }
}

static void
s_databasepropertyex (S_ARGS)
{
    sh_db_info_t info;
    if (sh_any_null (argc, argv) ||
        sh_db_find (sh_function_session (context)->instance, sh_arg_text (argv[0]), &info) != SH_OK)
        return;
    const char *property = sh_arg_text (argv[1]);
    if (sh_same (property, "Recovery"))
        sh_result_text (context, s_recovery_name (info.recovery));
    else if (sh_same (property, "Status"))
        sh_result_text (context, s_state_name (info.state));
    else if (sh_same (property, "Updateability"))
        sh_result_text (context, info.read_only ? "READ_ONLY" : "READ_WRITE");
    else if (sh_same (property, "UserAccess"))
        sh_result_text (context, info.access == SH_ACCESS_SINGLE       ? "SINGLE_USER"
                                 : info.access == SH_ACCESS_RESTRICTED ? "RESTRICTED_USER"
                                                                       : "MULTI_USER");
    else if (sh_same (property, "Collation"))
        sh_result_text (context, info.collation);
    else if (sh_same (property, "IsInStandBy"))
        sh_result_text (context, info.standby ? "1" : "0");
    else if (sh_same (property, "Version"))
        sh_result_text (context, "904");
}

/*  ---- the server ---- */

static void
s_serverproperty (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_instance_t *instance = sh_function_session (context)->instance;
    const char *name = sh_instance_name (instance), *slash = strchr (name, '\\');
    const struct {
        const char *property;
        const char *value;
    } values[] = {{"ServerName", name},
                  {"InstanceName", slash ? slash + 1 : NULL},
                  {"MachineName", sh_instance_machine (instance)},
                  {"ComputerNamePhysicalNetBIOS", sh_instance_machine (instance)},
                  {"ProductVersion", S_VERSION},
                  {"ProductMajorVersion", "15"},
                  {"ProductMinorVersion", "0"},
                  {"ProductLevel", "RTM"},
                  {"Edition", "Developer Edition (64-bit)"},
                  {"EditionID", "-2117995310"},
                  {"EngineEdition", "3"},
                  {"Collation", "SQL_Latin1_General_CP1_CI_AS"},
                  {"IsClustered", "0"},
                  {"IsHadrEnabled", "0"},
                  {"IsSingleUser", "0"},
                  {"IsIntegratedSecurityOnly", "0"},
                  {"IsFullTextInstalled", "0"},
                  {"LicenseType", "DISABLED"},
                  {"InstanceDefaultDataPath", sh_instance_directory (instance)},
                  {"InstanceDefaultLogPath", sh_instance_directory (instance)},
                  {"InstanceDefaultBackupPath", sh_instance_directory (instance)},
                  {"BuildClrVersion", "v4.0.30319"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (sh_same (values[i].property, sh_arg_text (argv[0])))
            sh_result_text (context, values[i].value);
}

static void
s_connectionproperty (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const char *property = sh_arg_text (argv[0]);
    if (sh_same (property, "net_transport"))
        sh_result_text (context, "TCP");
    else if (sh_same (property, "protocol_type"))
        sh_result_text (context, "TSQL");
    else if (sh_same (property, "auth_scheme"))
        sh_result_text (context, "SQL");
}

static void
s_sessionproperty (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const sh_settings_t *set = &sh_function_session (context)->set;
    const struct {
        const char *name;
        bool value;
    } values[] = {{"ANSI_NULLS", set->ansi_nulls},
                  {"QUOTED_IDENTIFIER", set->quoted_identifier},
                  {"ARITHABORT", set->arithabort},
                  {"ANSI_WARNINGS", set->ansi_warnings},
                  {"CONCAT_NULL_YIELDS_NULL", set->concat_null},
                  {"ANSI_PADDING", true},
                  {"NUMERIC_ROUNDABORT", false}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (sh_same (values[i].name, sh_arg_text (argv[0])))
            sqlite3_result_int (context, values[i].value);
}

/*  ---- objects ---- */

bool
sh_find_object (sh_session_t *session, const char *text, sh_arena_t *arena, sh_found_t *found)
{
    sh_name_t name;
    sh_error_t saved = session->error;
    bool there = sh_name_parse (arena, text, &name) &&
                 sh_resolve (session, &name, &found->where) == SH_OK &&
                 sh_object_find (session->engine, found->where.db_id, found->where.schema,
                                 found->where.object, found->kind, &found->id) == SH_OK;
    session->error = saved;
    return there && (found->where.temp ||
                     sh_right_sees (session, found->where.db_id, found->where.schema, found->id));
}

static void
s_object_id (S_ARGS)
{
    if (s_null (argv[0]))
        return;
    sh_arena_t *arena = sh_arena_new ();
    sh_found_t found;
    if (sh_find_object (sh_function_session (context), sh_arg_text (argv[0]), arena, &found)) {
        const char *want = argc > 1 && !s_null (argv[1]) ? sh_arg_text (argv[1]) : "";
        if (!*want || sh_same (want, found.kind))
            sqlite3_result_int (context, found.id);
    }
    sh_arena_destroy (&arena);
}

static void
s_object_text (S_ARGS, bool of_schema)
{
    if (sh_any_null (argc, argv))
        return;
    sh_session_t *session = sh_function_session (context);
    char schema[129], name[129];
    int db_id = argc > 1 ? sqlite3_value_int (argv[1]) : session->db_id;
    if (sh_object_name (session->engine, db_id, sqlite3_value_int (argv[0]), schema, name) == SH_OK)
        sh_result_text (context, of_schema ? schema : name);
}

static void
s_object_name (S_ARGS)
{
    s_object_text (context, argc, argv, false);
}

static void
s_object_schema_name (S_ARGS)
{
    s_object_text (context, argc, argv, true);
}

typedef struct {
    int id;
    char kind[16];
    char *text;
    bool found;
    int column; /* in: which; out by name */
    const char *column_name;
    int column_length;
    bool has_identity, has_key;
} s_look_t;

static int
s_stored_length (const sh_type_t *type)
{
    static const uint8_t sizes[] = {[SH_TYPE_BIT] = 1,
                                    [SH_TYPE_TINYINT] = 1,
                                    [SH_TYPE_SMALLINT] = 2,
                                    [SH_TYPE_INT] = 4,
                                    [SH_TYPE_BIGINT] = 8,
                                    [SH_TYPE_NUMERIC] = 9,
                                    [SH_TYPE_MONEY] = 8,
                                    [SH_TYPE_SMALLMONEY] = 4,
                                    [SH_TYPE_REAL] = 4,
                                    [SH_TYPE_FLOAT] = 8,
                                    [SH_TYPE_DATE] = 3,
                                    [SH_TYPE_TIME] = 5,
                                    [SH_TYPE_SMALLDATETIME] = 4,
                                    [SH_TYPE_DATETIME] = 8,
                                    [SH_TYPE_DATETIME2] = 8,
                                    [SH_TYPE_TIMESTAMP] = 8,
                                    [SH_TYPE_UNIQUEIDENTIFIER] = 16};
    if (type->size)
        return sh_type_is_unicode (type) && type->size > 0 ? type->size * 2 : type->size;
    return sizes[type->id];
}

static bool
s_look (void *arg, const sh_object_t *object)
{
    s_look_t *look = arg;
    if (object->object_id != look->id)
        return true;
    look->found = true;
    snprintf (look->kind, sizeof look->kind, "%s", object->kind);
    if (object->module && object->module->text)
        look->text = sh_strdup (object->module->text);
    for (int i = 0; object->def && i < object->def->column_count; i++) {
        const sh_column_t *column = &object->def->columns[i];
        look->has_identity |= column->identity;
        if (look->column_name ? sh_same (column->name, look->column_name) : i + 1 == look->column) {
            look->column = i + 1;
            look->column_length = s_stored_length (&column->type);
            if (!look->column_name)
                look->text = sh_strdup (column->name);
        }
    }
    for (int i = 0; object->def && i < object->def->index_count; i++)
        look->has_key |= object->def->indexes[i].primary_key;
    return false;
}

static void
s_col_length (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_session_t *session = sh_function_session (context);
    sh_arena_t *arena = sh_arena_new ();
    sh_found_t found;
    s_look_t look = {.column_name = sh_arg_text (argv[1])};
    if (sh_find_object (session, sh_arg_text (argv[0]), arena, &found)) {
        look.id = found.id;
        sh_object_walk (session->engine, found.where.db_id, s_look, &look);
        if (look.column)
            sqlite3_result_int (context, look.column_length);
    }
    free (look.text);
    sh_arena_destroy (&arena);
}

static void
s_col_name (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_session_t *session = sh_function_session (context);
    s_look_t look = {.id = sqlite3_value_int (argv[0]), .column = sqlite3_value_int (argv[1])};
    sh_object_walk (session->engine, session->db_id, s_look, &look);
    sh_result_text (context, look.text);
    free (look.text);
}

static void
s_object_definition (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_session_t *session = sh_function_session (context);
    s_look_t look = {.id = sqlite3_value_int (argv[0])};
    sh_object_walk (session->engine, session->db_id, s_look, &look);
    if (strcmp (look.kind, "U") != 0)
        sh_result_text (context, look.text);
    free (look.text);
}

static void
s_objectproperty (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_session_t *session = sh_function_session (context);
    s_look_t look = {.id = sqlite3_value_int (argv[0])};
    sh_object_walk (session->engine, session->db_id, s_look, &look);
    const char *property = sh_arg_text (argv[1]);
    const struct {
        const char *name;
        bool value;
    } values[] = {{"IsUserTable", strcmp (look.kind, "U") == 0},
                  {"IsTable", strcmp (look.kind, "U") == 0},
                  {"IsProcedure", strcmp (look.kind, "P") == 0},
                  {"IsView", strcmp (look.kind, "V") == 0},
                  {"IsTrigger", strcmp (look.kind, "TR") == 0},
                  {"IsScalarFunction", strcmp (look.kind, "FN") == 0},
                  {"IsMSShipped", false},
                  {"TableHasIdentity", look.has_identity},
                  {"TableHasPrimaryKey", look.has_key}};
    for (size_t i = 0; look.found && i < sizeof values / sizeof *values; i++)
        if (sh_same (values[i].name, property))
            sqlite3_result_int (context, values[i].value);
    free (look.text);
}

static void
s_ident_current (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_session_t *session = sh_function_session (context);
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t name;
    sh_resolved_t where;
    sh_table_t *table = NULL;
    sh_error_t ignored;
    if (sh_name_parse (arena, sh_arg_text (argv[0]), &name) &&
        sh_resolve (session, &name, &where) == SH_OK &&
        sh_table_open (session->engine, where.db_id, where.schema, where.object, &table,
                       &ignored) == SH_OK) {
        char text[32];
        snprintf (text, sizeof text, "%lld", (long long)sh_table_identity (table));
        sh_result_text (context, text);
        sh_table_close (session->engine, &table);
    }
    sh_arena_destroy (&arena);
}

static void
s_schema_id (S_ARGS)
{
    const char *name = argc && !s_null (argv[0]) ? sh_arg_text (argv[0]) : "dbo";
    if (sh_same (name, "dbo"))
        sqlite3_result_int (context, 1);
    else if (sh_same (name, "INFORMATION_SCHEMA"))
        sqlite3_result_int (context, 3);
    else if (sh_same (name, "sys"))
        sqlite3_result_int (context, 4);
    else {
        sh_session_t *session = sh_function_session (context);
        const sh_module_t *module = NULL;
        sh_error_t ignored;
        if (sh_module_open (session->engine, session->db_id, "SCHEMA", "sys", name, &module,
                            &ignored) == SH_OK) {
            sqlite3_result_int (context, module->object_id);
            sh_module_close (session->engine, &module);
        }
    }
}

static void
s_schema_name (S_ARGS)
{
    int id = argc && !s_null (argv[0]) ? sqlite3_value_int (argv[0]) : 1;
    if (id == 1 || id == 3 || id == 4) {
        sh_result_text (context, id == 1 ? "dbo" : id == 3 ? "INFORMATION_SCHEMA" : "sys");
        return;
    }
    sh_session_t *session = sh_function_session (context);
    char schema[129], name[129];
    if (sh_object_name (session->engine, session->db_id, id, schema, name) == SH_OK)
        sh_result_text (context, name);
}

static void
s_type_name (S_ARGS)
{
    (void)argc;
    int id = sqlite3_value_int (argv[0]);
    if (id >= SH_TYPE_BIT && id <= SH_TYPE_UNIQUEIDENTIFIER)
        sh_result_text (context, sh_type_name ((sh_type_id_t)id));
}

/*  ---- who ---- */

static void
s_app_name (S_ARGS)
{
    (void)argc;
    (void)argv;
    sh_result_text (context, sh_function_session (context)->program);
}

static void
s_host_name (S_ARGS)
{
    (void)argc;
    (void)argv;
    sh_result_text (context, sh_function_session (context)->host);
}

static void
s_suser_name (S_ARGS)
{
    (void)argc;
    (void)argv;
    sh_result_text (context, sh_function_session (context)->login);
}

static void
s_suser_sname (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    if (!argc) {
        sh_result_text (context, session->login);
        return;
    }
    if (s_null (argv[0]))
        return;
    sh_login_info_t *logins = NULL;
    size_t count = sh_login_list (session->instance, &logins);
    const void *sid = sqlite3_value_blob (argv[0]);
    for (size_t i = 0; i < count && sid; i++)
        if (sqlite3_value_bytes (argv[0]) == 16 && memcmp (logins[i].sid, sid, 16) == 0)
            sh_result_text (context, logins[i].name);
    free (logins);
}

static void
s_suser_sid (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    sh_login_info_t info;
    const char *name = argc && !s_null (argv[0]) ? sh_arg_text (argv[0]) : session->login;
    if (sh_login_find (session->instance, name, &info) == SH_OK)
        sqlite3_result_blob (context, info.sid, 16, SQLITE_TRANSIENT);
}

/*  ---- session state ---- */

static void
s_context_info (S_ARGS)
{
    (void)argc;
    (void)argv;
    uint8_t info[128] = {0};
    size_t size = sh_esession_context_info (sh_function_session (context)->engine, info);
    if (size)
        sqlite3_result_blob (context, info, (int)size, SQLITE_TRANSIENT);
}

static void
s_xact_state (S_ARGS)
{
    (void)argc;
    (void)argv;
    const sh_session_t *session = sh_function_session (context);
    sqlite3_result_int (context, session->doomed ? -1 : session->trancount > 0);
}

static void
s_current_transaction_id (S_ARGS)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int64 (context, sh_txn_id (sh_function_session (context)->engine));
}

static void
s_scope_identity (S_ARGS)
{
    (void)argc;
    (void)argv;
    sh_to_sqlite (context, &sh_function_session (context)->scope_identity);
}

static void
s_rowcount_big (S_ARGS)
{
    (void)argc;
    (void)argv;
    sqlite3_result_int64 (context, sh_function_session (context)->last_rowcount);
}

static void
s_error_number (S_ARGS)
{
    (void)argc;
    (void)argv;
    const sh_caught_t *caught = sh_function_session (context)->catching;
    if (caught)
        sqlite3_result_int (context, caught->error.number);
}

static void
s_error_severity (S_ARGS)
{
    (void)argc;
    (void)argv;
    const sh_caught_t *caught = sh_function_session (context)->catching;
    if (caught)
        sqlite3_result_int (context, caught->error.severity);
}

static void
s_error_state (S_ARGS)
{
    (void)argc;
    (void)argv;
    const sh_caught_t *caught = sh_function_session (context)->catching;
    if (caught)
        sqlite3_result_int (context, caught->error.state);
}

static void
s_error_line (S_ARGS)
{
    (void)argc;
    (void)argv;
    const sh_caught_t *caught = sh_function_session (context)->catching;
    if (caught)
        sqlite3_result_int (context, caught->line);
}

static void
s_error_message (S_ARGS)
{
    (void)argc;
    (void)argv;
    const sh_caught_t *caught = sh_function_session (context)->catching;
    if (caught)
        sh_result_text (context, caught->error.text);
}

static void
s_error_procedure (S_ARGS)
{
    (void)argc;
    (void)argv;
    const sh_caught_t *caught = sh_function_session (context)->catching;
    if (caught && *caught->procedure)
        sh_result_text (context, caught->procedure);
}

static void
s_newid (S_ARGS)
{
    (void)argc;
    (void)argv;
    uint8_t guid[16];
    sh_guid_make (guid);
    sqlite3_result_blob (context, guid, 16, SQLITE_TRANSIENT);
}

/*  -1 closed, 0 empty, 1 open, -3 no such cursor */
static void
s_cursor_status (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    const sh_session_t *session = sh_function_session (context);
    int status = -3;
    for (const sh_cursor_var_t *cursor = session->cursors; cursor && status == -3;
         cursor = cursor->next)
        if (sh_same (cursor->name, sh_arg_text (argv[1])))
            status = !cursor->rows ? -1 : cursor->rows->row_count > 0;
    sqlite3_result_int (context, status);
}

/*  ---- application locks ---- */

static bool
s_app_mode (const char *text, sh_app_mode_t *mode)
{
    static const char *const names[] = {"Shared", "Update", "IntentShared", "IntentExclusive",
                                        "Exclusive"};
    for (int i = 0; i < 5; i++)
        if (sh_same (text, names[i])) {
            *mode = (sh_app_mode_t)i;
            return true;
        }
    return false;
}

static void
s_applock_mode (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    if (!sh_any_null (argc, argv))
        sh_result_text (context,
                        sh_app_lock_mode (session->engine, session->db_id, sh_arg_text (argv[1]),
                                          sh_same (sh_arg_text (argv[2]), "Session")));
}

static void
s_applock_test (S_ARGS)
{
    sh_session_t *session = sh_function_session (context);
    sh_app_mode_t mode;
    if (!sh_any_null (argc, argv) && s_app_mode (sh_arg_text (argv[2]), &mode))
        sqlite3_result_int (context, sh_app_lock_test (session->engine, session->db_id,
                                                       sh_arg_text (argv[1]), mode,
                                                       sh_same (sh_arg_text (argv[3]), "Session")));
}

/*  One replica only: every database is primary. */
static void
s_is_primary (S_ARGS)
{
    sh_db_info_t info;
    if (!sh_any_null (argc, argv) &&
        sh_db_find (sh_function_session (context)->instance, sh_arg_text (argv[0]), &info) == SH_OK)
        sqlite3_result_int (context, 1);
}

static void
s_formatmessage (S_ARGS)
{
    if (sqlite3_value_type (argv[0]) == SQLITE_NULL)
        return;
    const char *text = sh_arg_text (argv[0]);
    sh_buffer_t out = {0};
    int next = 1;
    for (; *text; text++) {
        if (text[0] == '%' && (text[1] == 's' || text[1] == 'd' || text[1] == 'i') && next < argc) {
            sh_buffer_puts (&out, sh_arg_text (argv[next++]));
            text++;
        } else {
            if (text[0] == '%' && text[1] == '%')
                text++;
            sh_buffer_putc (&out, *text);
        }
    }
    sh_result_text (context, sh_buffer_text (&out));
    sh_buffer_free (&out);
}

const sh_sql_entry_t sh_system_functions[] = {
    {"ts_app_name", 0, false, s_app_name},
    {"ts_applock_mode", 3, false, s_applock_mode},
    {"ts_applock_test", 4, false, s_applock_test},
    {"ts_col_length", 2, false, s_col_length},
    {"ts_col_name", 2, false, s_col_name},
    {"ts_connectionproperty", 1, false, s_connectionproperty},
    {"ts_context_info", 0, false, s_context_info},
    {"ts_current_transaction_id", 0, false, s_current_transaction_id},
    {"ts_cursor_status", 2, false, s_cursor_status},
    {"ts_databasepropertyex", 2, false, s_databasepropertyex},
    {"ts_db_id", -1, false, s_db_id},
    {"ts_db_name", -1, false, s_db_name},
    {"ts_error_line", 0, false, s_error_line},
    {"ts_error_message", 0, false, s_error_message},
    {"ts_error_number", 0, false, s_error_number},
    {"ts_error_procedure", 0, false, s_error_procedure},
    {"ts_error_severity", 0, false, s_error_severity},
    {"ts_error_state", 0, false, s_error_state},
    {"ts_fn_hadr_is_primary_replica", 1, false, s_is_primary},
    {"ts_formatmessage", -1, false, s_formatmessage},
    {"ts_host_name", 0, false, s_host_name},
    {"ts_ident_current", 1, false, s_ident_current},
    {"ts_newid", 0, false, s_newid},
    {"ts_newsequentialid", 0, false, s_newid},
    {"ts_object_definition", 1, false, s_object_definition},
    {"ts_object_id", -1, false, s_object_id},
    {"ts_object_name", -1, false, s_object_name},
    {"ts_object_schema_name", -1, false, s_object_schema_name},
    {"ts_objectproperty", 2, false, s_objectproperty},
    {"ts_objectpropertyex", 2, false, s_objectproperty},
    {"ts_original_db_name", 0, false, s_db_name},
    {"ts_original_login", 0, false, s_suser_name},
    {"ts_rowcount_big", 0, false, s_rowcount_big},
    {"ts_schema_id", -1, false, s_schema_id},
    {"ts_schema_name", -1, false, s_schema_name},
    {"ts_scope_identity", 0, false, s_scope_identity},
    {"ts_serverproperty", 1, false, s_serverproperty},
    {"ts_sessionproperty", 1, false, s_sessionproperty},
    {"ts_suser_name", -1, false, s_suser_name},
    {"ts_suser_sid", -1, false, s_suser_sid},
    {"ts_suser_sname", -1, false, s_suser_sname},
    {"ts_type_name", 1, false, s_type_name},
    {"ts_xact_state", 0, false, s_xact_state},
    {NULL, 0, false, NULL}};
