/*  tests/sqlhost/procedures/views_object.c: the catalog views of one database: objects, columns, indexes, parameters. */
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/catalog.h"
#include "view.h"

/*  How the walk's callback reaches the rows, and which kinds it wants (NULL = all). */
typedef struct {
    sh_session_t *session;
    int db_id;
    sh_rowset_t *rows;
    const char *kind;
} s_walk_t;

static const sh_view_field_t s_objects[] = {
    {"name", SH_TYPE_NVARCHAR, 128},
    {"object_id", SH_TYPE_INT, 0},
    {"schema_id", SH_TYPE_INT, 0},
    {"parent_object_id", SH_TYPE_INT, 0},
    {"type", SH_TYPE_CHAR, 2},
    {"type_desc", SH_TYPE_NVARCHAR, 60},
    {"create_date", SH_TYPE_DATETIME, 0},
    {"modify_date", SH_TYPE_DATETIME, 0},
    {"is_ms_shipped", SH_TYPE_BIT, 0},
};
SH_VIEW_DEFINE (s_objects_define, s_objects)

void
sh_view_objects_define (sh_rowset_t *rows)
{
    s_objects_define (rows);
}

static const char *
s_kind_name (const char *kind)
{
    static const struct {
        const char *kind, *name;
    } names[] = {
        {"U", "USER_TABLE"}, {"P", "SQL_STORED_PROCEDURE"}, {"FN", "SQL_SCALAR_FUNCTION"},
        {"V", "VIEW"},       {"TR", "SQL_TRIGGER"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp (names[i].kind, kind) == 0)
            return names[i].name;
    return NULL;
}

/*  dbo is 1 in every database; other schemas are numbered by nobody, so 5 stands for them. */
static int
s_schema_id (const char *schema)
{
    return strcmp (schema, "dbo") == 0 ? 1 : 5;
}

static bool
s_push_object (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    const char *description = s_kind_name (object->kind);
    if (!description || (walk->kind && strcmp (walk->kind, object->kind) != 0))
        return true;
    sh_view_row_t row = {.count = 0};
    sh_view_text (&row, object->name);
    sh_view_int (&row, object->object_id);
    sh_view_int (&row, s_schema_id (object->schema));
    sh_view_int (&row, 0);
    sh_view_text (&row, object->kind);
    sh_view_text (&row, description);
    sh_view_ticks (&row, object->created);
    sh_view_ticks (&row, object->modified);
    sh_view_int (&row, 0);
    sh_view_push (walk->rows, &row);
    return true;
}

static void
s_walk (sh_session_t *session, int db_id, sh_rowset_t *rows, const char *kind,
        bool (*each) (void *arg, const sh_object_t *object))
{
    s_walk_t walk = {.session = session, .db_id = db_id, .rows = rows, .kind = kind};
    sh_object_walk (session->engine, db_id, each, &walk);
}

void
sh_view_objects_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_push_object);
}

void
sh_view_tables_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, "U", s_push_object);
}

void
sh_view_procedures_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, "P", s_push_object);
}

void
sh_view_views_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, "V", s_push_object);
}

void
sh_view_triggers_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, "TR", s_push_object);
}

static const sh_view_field_t s_modules[] = {
    {"object_id", SH_TYPE_INT, 0},
    {"definition", SH_TYPE_NVARCHAR, SH_MAX},
};
SH_VIEW_DEFINE (s_modules_define, s_modules)

void
sh_view_modules_define (sh_rowset_t *rows)
{
    s_modules_define (rows);
}

static bool
s_push_module (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (!object->module || !s_kind_name (object->kind))
        return true;
    sh_view_row_t row = {.count = 0};
    sh_view_int (&row, object->object_id);
    sh_view_text (&row, object->module->text);
    sh_view_push (walk->rows, &row);
    return true;
}

void
sh_view_modules_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_push_module);
}

static const sh_view_field_t s_columns[] = {
    {"object_id", SH_TYPE_INT, 0},     {"name", SH_TYPE_NVARCHAR, 128},
    {"column_id", SH_TYPE_INT, 0},     {"max_length", SH_TYPE_SMALLINT, 0},
    {"precision", SH_TYPE_TINYINT, 0}, {"scale", SH_TYPE_TINYINT, 0},
    {"is_nullable", SH_TYPE_BIT, 0},   {"is_identity", SH_TYPE_BIT, 0},
};
SH_VIEW_DEFINE (s_columns_define, s_columns)

void
sh_view_columns_define (sh_rowset_t *rows)
{
    s_columns_define (rows);
}

static int64_t
s_max_length (const sh_type_t *type)
{
    if (type->size == SH_MAX)
        return -1;
    bool wide = type->id == SH_TYPE_NCHAR || type->id == SH_TYPE_NVARCHAR;
    return wide ? (int64_t)type->size * 2 : type->size;
}

static bool
s_push_columns (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    for (int i = 0; object->def && i < object->def->column_count; i++) {
        const sh_column_t *column = &object->def->columns[i];
        sh_view_row_t row = {.count = 0};
        sh_view_int (&row, object->object_id);
        sh_view_text (&row, column->name);
        sh_view_int (&row, i + 1);
        sh_view_int (&row, s_max_length (&column->type));
        sh_view_int (&row, column->type.precision);
        sh_view_int (&row, column->type.scale);
        sh_view_int (&row, column->nullable);
        sh_view_int (&row, column->identity);
        sh_view_push (walk->rows, &row);
    }
    return true;
}

void
sh_view_columns_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_push_columns);
}

static const sh_view_field_t s_indexes[] = {
    {"object_id", SH_TYPE_INT, 0},       {"name", SH_TYPE_NVARCHAR, 128},
    {"index_id", SH_TYPE_INT, 0},        {"type", SH_TYPE_TINYINT, 0},
    {"type_desc", SH_TYPE_NVARCHAR, 60}, {"is_unique", SH_TYPE_BIT, 0},
    {"is_primary_key", SH_TYPE_BIT, 0},  {"is_unique_constraint", SH_TYPE_BIT, 0},
};
SH_VIEW_DEFINE (s_indexes_define, s_indexes)

void
sh_view_indexes_define (sh_rowset_t *rows)
{
    s_indexes_define (rows);
}

static bool
s_push_indexes (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    for (int i = 0; object->def && i < object->def->index_count; i++) {
        const sh_index_t *index = &object->def->indexes[i];
        sh_view_row_t row = {.count = 0};
        sh_view_int (&row, object->object_id);
        sh_view_text (&row, index->name);
        sh_view_int (&row, index->clustered ? 1 : i + 2);
        sh_view_int (&row, index->clustered ? 1 : 2);
        sh_view_text (&row, index->clustered ? "CLUSTERED" : "NONCLUSTERED");
        sh_view_int (&row, index->unique);
        sh_view_int (&row, index->primary_key);
        sh_view_int (&row, index->unique_constraint);
        sh_view_push (walk->rows, &row);
    }
    return true;
}

void
sh_view_indexes_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_push_indexes);
}

static const sh_view_field_t s_parameters[] = {
    {"object_id", SH_TYPE_INT, 0},         {"name", SH_TYPE_NVARCHAR, 128},
    {"parameter_id", SH_TYPE_INT, 0},      {"is_output", SH_TYPE_BIT, 0},
    {"has_default_value", SH_TYPE_BIT, 0},
};
SH_VIEW_DEFINE (s_parameters_define, s_parameters)

void
sh_view_parameters_define (sh_rowset_t *rows)
{
    s_parameters_define (rows);
}

/*  The walk's callback may not call the engine, but parsing is the interpreter's own. has_default_value is 0 for T-SQL
 *  modules whatever they declare (SQL Server documentation, sys.parameters). */
static bool
s_push_parameters (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (!object->module || (strcmp (object->kind, "P") != 0 && strcmp (object->kind, "FN") != 0))
        return true;
    sh_script_t *script = sh_script_acquire (walk->session, object->module);
    const sh_stmt_t *create = script ? script->body : NULL;
    if (create && create->kind == SH_STMT_CREATE_MODULE) {
        int id = 0;
        for (const sh_variable_t *p = create->module->parameters; p; p = p->next) {
            sh_view_row_t row = {.count = 0};
            sh_view_int (&row, object->object_id);
            sh_view_text (&row, p->name);
            sh_view_int (&row, ++id);
            sh_view_int (&row, p->output);
            sh_view_int (&row, 0);
            sh_view_push (walk->rows, &row);
        }
    }
    sh_script_release (walk->session, script);
    return true;
}

void
sh_view_parameters_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_push_parameters);
}

static const sh_view_field_t s_schemas[] = {
    {"name", SH_TYPE_NVARCHAR, 128},
    {"schema_id", SH_TYPE_INT, 0},
    {"principal_id", SH_TYPE_INT, 0},
};
SH_VIEW_DEFINE (s_schemas_define, s_schemas)

void
sh_view_schemas_define (sh_rowset_t *rows)
{
    s_schemas_define (rows);
}

void
sh_view_schemas_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)session;
    (void)db_id;
    static const struct {
        const char *name;
        int id;
    } schemas[] = {{"dbo", 1}, {"guest", 2}, {"INFORMATION_SCHEMA", 3}, {"sys", 4}};
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        sh_view_row_t row = {.count = 0};
        sh_view_text (&row, schemas[i].name);
        sh_view_int (&row, schemas[i].id);
        sh_view_int (&row, schemas[i].id);
        sh_view_push (rows, &row);
    }
}

static const sh_view_field_t s_information[] = {
    {"TABLE_CATALOG", SH_TYPE_NVARCHAR, 128},
    {"TABLE_SCHEMA", SH_TYPE_NVARCHAR, 128},
    {"TABLE_NAME", SH_TYPE_NVARCHAR, 128},
    {"TABLE_TYPE", SH_TYPE_VARCHAR, 10},
};
SH_VIEW_DEFINE (s_information_define, s_information)

void
sh_view_information_define (sh_rowset_t *rows)
{
    s_information_define (rows);
}

/*  The database's name, for the callback that may not ask. */
typedef struct {
    sh_rowset_t *rows;
    const char *catalog;
} s_information_walk_t;

static bool
s_push_information (void *arg, const sh_object_t *object)
{
    s_information_walk_t *walk = arg;
    bool view = strcmp (object->kind, "V") == 0;
    if (!view && strcmp (object->kind, "U") != 0)
        return true;
    sh_view_row_t row = {.count = 0};
    sh_view_text (&row, walk->catalog);
    sh_view_text (&row, object->schema);
    sh_view_text (&row, object->name);
    sh_view_text (&row, view ? "VIEW" : "BASE TABLE");
    sh_view_push (walk->rows, &row);
    return true;
}

void
sh_view_information_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_db_info_t info;
    if (sh_db_get (session->instance, db_id, &info) != SH_OK)
        return;
    s_information_walk_t walk = {.rows = rows, .catalog = info.name};
    sh_object_walk (session->engine, db_id, s_push_information, &walk);
}
