/*  What a database holds: objects, columns, indexes, parameters. */
#include <stdlib.h>
#include <string.h>

#include "builtins.h"
#include "tests/sqlhost/tsql/rights.h"

typedef struct {
    sh_session_t *session;
    sh_rowset_t *rows;
    const char *kind; /* NULL = all objects */
    int db_id;
    char *schemas[64];
    int schema_ids[64];
    size_t schema_count;
} s_walk_t;

static bool
s_is_object (const char *kind)
{
    static const char *const kinds[] = {"U", "P", "FN", "IF", "V", "TR"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp (kind, kinds[i]) == 0)
            return true;
    return false;
}

static const char *
s_kind_name (const char *kind)
{
    if (strcmp (kind, "U") == 0)
        return "USER_TABLE";
    if (strcmp (kind, "P") == 0)
        return "SQL_STORED_PROCEDURE";
    if (strcmp (kind, "V") == 0)
        return "VIEW";
    if (strcmp (kind, "TR") == 0)
        return "SQL_TRIGGER";
    return strcmp (kind, "IF") == 0 ? "SQL_INLINE_TABLE_VALUED_FUNCTION" : "SQL_SCALAR_FUNCTION";
}

static bool
s_schema (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (strcmp (object->kind, "SCHEMA") == 0 && walk->schema_count < 64) {
        walk->schemas[walk->schema_count] = sh_strdup (object->name);
        walk->schema_ids[walk->schema_count++] = object->object_id;
    }
    return true;
}

static int
s_schema_id (const s_walk_t *walk, const char *schema)
{
    if (sh_same (schema, "sys"))
        return 4;
    for (size_t i = 0; i < walk->schema_count; i++)
        if (sh_same (walk->schemas[i], schema))
            return walk->schema_ids[i];
    return 1;
}

/*  Takes out the rows of objects that the session may not know of (metadata visibility); column 0 or
 *  1 holds their id. */
static void
s_hide (sh_session_t *session, int db_id, sh_rowset_t *rows, size_t column)
{
    size_t kept = 0;
    for (size_t i = 0; !session->sysadmin && i < rows->row_count; i++) {
        sh_value_t *v = rows->values + i * rows->field_count;
        char schema[129], name[129];
        int id = (int)v[column].as.integer;
        bool seen = sh_object_name (session->engine, db_id, id, schema, name) == SH_OK &&
                    sh_right_sees (session, db_id, schema, id);
        for (size_t k = 0; k < rows->field_count; k++) {
            if (!seen)
                sh_value_clear (&v[k]);
            else if (kept != i) {
                rows->values[kept * rows->field_count + k] = v[k];
                v[k] = sh_value_null ();
            }
        }
        kept += seen;
    }
    if (!session->sysadmin)
        rows->row_count = kept;
}

static void
s_walk (sh_session_t *session, int db_id, sh_rowset_t *rows, const char *kind,
        bool (*each) (void *, const sh_object_t *))
{
    s_walk_t walk = {.session = session, .rows = rows, .kind = kind, .db_id = db_id};
    sh_object_walk (session->engine, db_id, s_schema, &walk);
    sh_object_walk (session->engine, db_id, each, &walk);
    for (size_t i = 0; i < walk.schema_count; i++)
        free (walk.schemas[i]);
}

/*  ---- sys.objects and what is cut from it ---- */

static void
s_define_object (sh_rowset_t *rows)
{
    sh_view_fields (rows, "name:n,object_id:i,principal_id:i,schema_id:i,parent_object_id:i,type:c,"
                          "type_desc:n,create_date:d,modify_date:d,is_ms_shipped:b,id:i,xtype:c");
}

static bool
s_object (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (walk->kind ? strcmp (object->kind, walk->kind) != 0 : !s_is_object (object->kind))
        return true;
    char type[3];
    sh_value_t *v = sh_rowset_add_row (walk->rows);
    snprintf (type, sizeof type, "%-2.2s", object->kind);
    sh_cell_text (&v[0], object->name);
    v[1] = v[10] = sh_value_int (object->object_id);
    v[3] = sh_value_int (s_schema_id (walk, object->schema));
    v[4] = sh_value_int (0);
    sh_cell_text (&v[5], type);
    sh_cell_text (&v[6], s_kind_name (object->kind));
    v[7] = sh_value_ticks (object->created);
    v[8] = sh_value_ticks (object->modified);
    v[9] = sh_value_int (0);
    sh_cell_text (&v[11], type);
    return true;
}

void
sh_define_objects (sh_rowset_t *rows)
{
    s_define_object (rows);
}

void
sh_fill_objects (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_object);
    s_hide (session, db_id, rows, 1);
}

void
sh_define_tables (sh_rowset_t *rows)
{
    s_define_object (rows);
}

void
sh_fill_tables (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, "U", s_object);
    s_hide (session, db_id, rows, 1);
}

void
sh_define_procedures (sh_rowset_t *rows)
{
    s_define_object (rows);
}

void
sh_fill_procedures (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, "P", s_object);
    s_hide (session, db_id, rows, 1);
}

void
sh_define_views (sh_rowset_t *rows)
{
    s_define_object (rows);
}

void
sh_fill_views (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, "V", s_object);
    s_hide (session, db_id, rows, 1);
}

/*  ---- triggers ---- */

void
sh_define_triggers (sh_rowset_t *rows)
{
    sh_view_fields (rows, "name:n,object_id:i,parent_class:t,parent_id:i,parent_name:n,type:c,"
                          "create_date:d,modify_date:d,is_disabled:b,is_instead_of_trigger:b");
}

static bool
s_trigger (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (strcmp (object->kind, "TR") != 0)
        return true;
    sh_value_t *v = sh_rowset_add_row (walk->rows);
    sh_cell_text (&v[0], object->name);
    v[1] = sh_value_int (object->object_id);
    v[2] = sh_value_int (1);
    sh_cell_text (&v[4], object->parent);
    sh_cell_text (&v[5], "TR");
    v[6] = sh_value_ticks (object->created);
    v[7] = sh_value_ticks (object->modified);
    v[8] = v[9] = sh_value_int (0);
    return true;
}

void
sh_fill_triggers (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_trigger);
    /*  The walk must not call the engine: the tables' ids come after it. */
    for (size_t i = 0; i < rows->row_count; i++) {
        sh_value_t *v = rows->values + i * rows->field_count;
        char kind[16];
        int id;
        if (v[4].kind == SH_TEXT &&
            sh_object_find (session->engine, db_id, "dbo", v[4].as.text, kind, &id) == SH_OK)
            v[3] = sh_value_int (id);
    }
}

/*  ---- columns ---- */

void
sh_define_columns (sh_rowset_t *rows)
{
    sh_view_fields (rows, "object_id:i,name:n,column_id:i,system_type_id:t,user_type_id:i,"
                          "max_length:s,precision:t,scale:t,collation_name:n,is_nullable:b,"
                          "is_identity:b,is_computed:b,is_rowguidcol:b,default_object_id:i");
}

/*  SQL Server's own numbers: sys.types.system_type_id. */
static int
s_system_type (sh_type_id_t id)
{
    static const uint8_t ids[] = {
        [SH_TYPE_BIT] = 104,          [SH_TYPE_TINYINT] = 48,     [SH_TYPE_SMALLINT] = 52,
        [SH_TYPE_INT] = 56,           [SH_TYPE_BIGINT] = 127,     [SH_TYPE_NUMERIC] = 108,
        [SH_TYPE_MONEY] = 60,         [SH_TYPE_SMALLMONEY] = 122, [SH_TYPE_REAL] = 59,
        [SH_TYPE_FLOAT] = 62,         [SH_TYPE_DATE] = 40,        [SH_TYPE_TIME] = 41,
        [SH_TYPE_SMALLDATETIME] = 58, [SH_TYPE_DATETIME] = 61,    [SH_TYPE_DATETIME2] = 42,
        [SH_TYPE_CHAR] = 175,         [SH_TYPE_VARCHAR] = 167,    [SH_TYPE_TEXT] = 35,
        [SH_TYPE_NCHAR] = 239,        [SH_TYPE_NVARCHAR] = 231,   [SH_TYPE_NTEXT] = 99,
        [SH_TYPE_XML] = 241,          [SH_TYPE_BINARY] = 173,     [SH_TYPE_VARBINARY] = 165,
        [SH_TYPE_IMAGE] = 34,         [SH_TYPE_TIMESTAMP] = 189,  [SH_TYPE_UNIQUEIDENTIFIER] = 36};
    return ids[id];
}

static int
s_max_length (const sh_type_t *type)
{
    static const uint8_t sizes[] = {[SH_TYPE_BIT] = 1,           [SH_TYPE_TINYINT] = 1,
                                    [SH_TYPE_SMALLINT] = 2,      [SH_TYPE_INT] = 4,
                                    [SH_TYPE_BIGINT] = 8,        [SH_TYPE_NUMERIC] = 9,
                                    [SH_TYPE_MONEY] = 8,         [SH_TYPE_SMALLMONEY] = 4,
                                    [SH_TYPE_REAL] = 4,          [SH_TYPE_FLOAT] = 8,
                                    [SH_TYPE_DATE] = 3,          [SH_TYPE_TIME] = 5,
                                    [SH_TYPE_SMALLDATETIME] = 4, [SH_TYPE_DATETIME] = 8,
                                    [SH_TYPE_DATETIME2] = 8,     [SH_TYPE_TEXT] = 16,
                                    [SH_TYPE_NTEXT] = 16,        [SH_TYPE_IMAGE] = 16,
                                    [SH_TYPE_TIMESTAMP] = 8,     [SH_TYPE_UNIQUEIDENTIFIER] = 16};
    if (type->size > 0)
        return sh_type_is_unicode (type) ? type->size * 2 : type->size;
    if (type->size == SH_MAX || type->id == SH_TYPE_XML)
        return -1;
    return sizes[type->id];
}

static bool
s_column (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    for (int i = 0; object->def && i < object->def->column_count; i++) {
        const sh_column_t *column = &object->def->columns[i];
        sh_value_t *v = sh_rowset_add_row (walk->rows);
        v[0] = sh_value_int (object->object_id);
        sh_cell_text (&v[1], column->name);
        v[2] = sh_value_int (i + 1);
        v[3] = v[4] = sh_value_int (s_system_type (column->type.id));
        v[5] = sh_value_int (s_max_length (&column->type));
        v[6] = sh_value_int (column->type.precision);
        v[7] = sh_value_int (column->type.scale);
        if (sh_type_is_text (&column->type))
            sh_cell_text (&v[8], "SQL_Latin1_General_CP1_CI_AS");
        v[9] = sh_value_int (column->nullable);
        v[10] = sh_value_int (column->identity);
        v[11] = sh_value_int (0);
        v[12] = sh_value_int (column->rowguid);
        v[13] = sh_value_int (0);
    }
    return true;
}

void
sh_fill_columns (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_column);
    s_hide (session, db_id, rows, 0);
}

void
sh_define_types (sh_rowset_t *rows)
{
    sh_view_fields (rows, "name:n,system_type_id:t,user_type_id:i,schema_id:i,max_length:s,"
                          "precision:t,scale:t,is_user_defined:b");
}

void
sh_fill_types (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)session;
    (void)db_id;
    for (int id = SH_TYPE_BIT; id <= SH_TYPE_UNIQUEIDENTIFIER; id++) {
        sh_type_t type = sh_type_of ((sh_type_id_t)id);
        sh_value_t *v = sh_rowset_add_row (rows);
        sh_cell_text (&v[0], sh_type_name (type.id));
        v[1] = v[2] = sh_value_int (s_system_type (type.id));
        v[3] = sh_value_int (4);
        v[4] = sh_value_int (s_max_length (&type));
        v[5] = v[6] = v[7] = sh_value_int (0);
    }
}

/*  ---- indexes, rows ---- */

void
sh_define_indexes (sh_rowset_t *rows)
{
    sh_view_fields (rows, "object_id:i,name:n,index_id:i,type:t,type_desc:n,is_unique:b,"
                          "is_primary_key:b,is_unique_constraint:b,is_disabled:b");
}

static bool
s_index (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    bool clustered = false;
    for (int i = 0; object->def && i < object->def->index_count; i++)
        clustered |= object->def->indexes[i].clustered;
    if (object->def && !clustered) {
        sh_value_t *v = sh_rowset_add_row (walk->rows);
        v[0] = sh_value_int (object->object_id);
        v[2] = v[3] = v[5] = v[6] = v[7] = v[8] = sh_value_int (0);
        sh_cell_text (&v[4], "HEAP");
    }
    int number = 2;
    for (int i = 0; object->def && i < object->def->index_count; i++) {
        const sh_index_t *index = &object->def->indexes[i];
        sh_value_t *v = sh_rowset_add_row (walk->rows);
        v[0] = sh_value_int (object->object_id);
        sh_cell_text (&v[1], index->name);
        v[2] = sh_value_int (index->clustered ? 1 : number++);
        v[3] = sh_value_int (index->clustered ? 1 : 2);
        sh_cell_text (&v[4], index->clustered ? "CLUSTERED" : "NONCLUSTERED");
        v[5] = sh_value_int (index->unique);
        v[6] = sh_value_int (index->primary_key);
        v[7] = sh_value_int (index->unique_constraint);
        v[8] = sh_value_int (0);
    }
    return true;
}

void
sh_fill_indexes (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_index);
    s_hide (session, db_id, rows, 0);
}

void
sh_define_partitions (sh_rowset_t *rows)
{
    sh_view_fields (rows, "partition_id:I,object_id:i,index_id:i,partition_number:i,rows:I");
}

static bool
s_partition (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (!object->def)
        return true;
    sh_value_t *v = sh_rowset_add_row (walk->rows);
    v[0] = v[1] = sh_value_int (object->object_id);
    v[2] = sh_value_int (1);
    for (int i = 0; i < object->def->index_count; i++)
        if (object->def->indexes[i].clustered)
            v[2] = sh_value_int (1);
    v[3] = sh_value_int (1);
    v[4] = sh_value_int (object->rows);
    return true;
}

void
sh_fill_partitions (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_partition);
    s_hide (session, db_id, rows, 1);
}

/*  ---- parameters, texts ---- */

void
sh_define_parameters (sh_rowset_t *rows)
{
    sh_view_fields (rows, "object_id:i,name:n,parameter_id:i,system_type_id:t,user_type_id:i,"
                          "max_length:s,precision:t,scale:t,is_output:b,has_default_value:b");
}

static bool
s_parameter (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (!object->module || (strcmp (object->kind, "P") != 0 && strcmp (object->kind, "FN") != 0 &&
                            strcmp (object->kind, "IF") != 0))
        return true;
    sh_syntax_error_t syntax;
    sh_script_t *script =
        sh_script_parse (object->module->text, strlen (object->module->text), true, &syntax);
    int number = 0;
    const sh_variable_t *p =
        script && script->body && script->body->module ? script->body->module->parameters : NULL;
    for (; p; p = p->next) {
        sh_value_t *v = sh_rowset_add_row (walk->rows);
        v[0] = sh_value_int (object->object_id);
        sh_cell_text (&v[1], p->name);
        v[2] = sh_value_int (++number);
        v[3] = v[4] = sh_value_int (s_system_type (p->type.type.id));
        v[5] = sh_value_int (s_max_length (&p->type.type));
        v[6] = sh_value_int (p->type.type.precision);
        v[7] = sh_value_int (p->type.type.scale);
        v[8] = sh_value_int (p->output);
        v[9] = sh_value_int (0); /* SQL Server fills it for CLR procedures only */
    }
    sh_script_destroy (&script);
    return true;
}

void
sh_fill_parameters (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_parameter);
    s_hide (session, db_id, rows, 0);
}

void
sh_define_sql_modules (sh_rowset_t *rows)
{
    sh_view_fields (rows, "object_id:i");
    sh_rowset_add_field (rows, "definition", sh_type_nvarchar (SH_MAX), true);
    sh_view_fields (rows, "uses_ansi_nulls:b,uses_quoted_identifier:b,is_schema_bound:b");
}

static bool
s_module (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (!object->module || !s_is_object (object->kind))
        return true;
    sh_value_t *v = sh_rowset_add_row (walk->rows);
    v[0] = sh_value_int (object->object_id);
    sh_cell_text (&v[1], object->module->text);
    v[2] = v[3] = sh_value_int (1);
    v[4] = sh_value_int (0);
    return true;
}

void
sh_fill_sql_modules (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_walk (session, db_id, rows, NULL, s_module);
    s_hide (session, db_id, rows, 0);
}

/*  ---- schemas ---- */

void
sh_define_schemas (sh_rowset_t *rows)
{
    sh_view_fields (rows, "name:n,schema_id:i,principal_id:i");
}

static bool
s_schema_row (void *arg, const sh_object_t *object)
{
    s_walk_t *walk = arg;
    if (strcmp (object->kind, "SCHEMA") != 0)
        return true;
    sh_value_t *v = sh_rowset_add_row (walk->rows);
    sh_cell_text (&v[0], object->name);
    v[1] = sh_value_int (object->object_id);
    v[2] = sh_value_int (1);
    return true;
}

void
sh_fill_schemas (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    static const char *const fixed[] = {"dbo", "guest", "INFORMATION_SCHEMA", "sys"};
    for (int i = 0; i < 4; i++) {
        sh_value_t *v = sh_rowset_add_row (rows);
        sh_cell_text (&v[0], fixed[i]);
        v[1] = v[2] = sh_value_int (i + 1);
    }
    s_walk (session, db_id, rows, NULL, s_schema_row);
}

/*  ---- INFORMATION_SCHEMA ---- */

void
sh_define_is_tables (sh_rowset_t *rows)
{
    sh_view_fields (rows, "TABLE_CATALOG:n,TABLE_SCHEMA:n,TABLE_NAME:n,TABLE_TYPE:n");
}

static const char *
s_catalog (const s_walk_t *walk, sh_db_info_t *info)
{
    (void)walk;
    return info->name;
}

typedef struct {
    s_walk_t walk;
    sh_db_info_t info;
} s_is_walk_t;

static bool
s_is_table (void *arg, const sh_object_t *object)
{
    s_is_walk_t *self = arg;
    bool view = strcmp (object->kind, "V") == 0;
    if (!view && strcmp (object->kind, "U") != 0)
        return true;
    sh_value_t *v = sh_rowset_add_row (self->walk.rows);
    sh_cell_text (&v[0], s_catalog (&self->walk, &self->info));
    sh_cell_text (&v[1], object->schema);
    sh_cell_text (&v[2], object->name);
    sh_cell_text (&v[3], view ? "VIEW" : "BASE TABLE");
    return true;
}

static void
s_is_walk (sh_session_t *session, int db_id, sh_rowset_t *rows,
           bool (*each) (void *, const sh_object_t *))
{
    s_is_walk_t self = {.walk = {.session = session, .rows = rows, .db_id = db_id}};
    if (sh_db_get (session->instance, db_id, &self.info) == SH_OK)
        sh_object_walk (session->engine, db_id, each, &self);
}

void
sh_fill_is_tables (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_is_walk (session, db_id, rows, s_is_table);
}

void
sh_define_is_columns (sh_rowset_t *rows)
{
    sh_view_fields (rows,
                    "TABLE_CATALOG:n,TABLE_SCHEMA:n,TABLE_NAME:n,COLUMN_NAME:n,ORDINAL_POSITION:i,"
                    "COLUMN_DEFAULT:N,IS_NULLABLE:n,DATA_TYPE:n,CHARACTER_MAXIMUM_LENGTH:i,"
                    "NUMERIC_PRECISION:t,NUMERIC_SCALE:i");
}

static bool
s_is_column (void *arg, const sh_object_t *object)
{
    s_is_walk_t *self = arg;
    for (int i = 0; object->def && i < object->def->column_count; i++) {
        const sh_column_t *column = &object->def->columns[i];
        sh_value_t *v = sh_rowset_add_row (self->walk.rows);
        sh_cell_text (&v[0], s_catalog (&self->walk, &self->info));
        sh_cell_text (&v[1], object->schema);
        sh_cell_text (&v[2], object->name);
        sh_cell_text (&v[3], column->name);
        v[4] = sh_value_int (i + 1);
        sh_cell_text (&v[5], column->default_text);
        sh_cell_text (&v[6], column->nullable ? "YES" : "NO");
        sh_cell_text (&v[7], sh_type_name (column->type.id));
        if (column->type.size)
            v[8] = sh_value_int (column->type.size);
        if (column->type.id == SH_TYPE_NUMERIC) {
            v[9] = sh_value_int (column->type.precision);
            v[10] = sh_value_int (column->type.scale);
        }
    }
    return true;
}

void
sh_fill_is_columns (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_is_walk (session, db_id, rows, s_is_column);
}

void
sh_define_is_routines (sh_rowset_t *rows)
{
    sh_view_fields (rows, "ROUTINE_CATALOG:n,ROUTINE_SCHEMA:n,ROUTINE_NAME:n,ROUTINE_TYPE:n,"
                          "ROUTINE_DEFINITION:N,CREATED:d,LAST_ALTERED:d");
}

static bool
s_is_routine (void *arg, const sh_object_t *object)
{
    s_is_walk_t *self = arg;
    bool procedure = strcmp (object->kind, "P") == 0;
    if (!procedure && strcmp (object->kind, "FN") != 0 && strcmp (object->kind, "IF") != 0)
        return true;
    sh_value_t *v = sh_rowset_add_row (self->walk.rows);
    sh_cell_text (&v[0], s_catalog (&self->walk, &self->info));
    sh_cell_text (&v[1], object->schema);
    sh_cell_text (&v[2], object->name);
    sh_cell_text (&v[3], procedure ? "PROCEDURE" : "FUNCTION");
    sh_cell_text (&v[4], object->module ? object->module->text : NULL);
    v[5] = sh_value_ticks (object->created);
    v[6] = sh_value_ticks (object->modified);
    return true;
}

void
sh_fill_is_routines (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    s_is_walk (session, db_id, rows, s_is_routine);
}
