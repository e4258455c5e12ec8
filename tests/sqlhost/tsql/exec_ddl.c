/*  Tables, indexes, schemas, databases. DDL on tables is part of the transaction. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rights.h"

/*  ---- tables ---- */

/*  PK__name__1A2B3C4D: what SQL Server calls a constraint without a name. */
static const char *
s_constraint_name (sh_session_t *self, sh_arena_t *arena, const char *prefix, const char *table,
                   const char *column)
{
    self->random = self->random * UINT64_C (6364136223846793005) + 1442695040888963407u;
    unsigned tail = (unsigned)(self->random >> 33);
    if (column)
        return sh_arena_printf (arena, "%s__%.9s__%.5s__%08X", prefix, table, column, tail);
    return sh_arena_printf (arena, "%s__%.9s__%08X", prefix, table, tail);
}

static int
s_column_number (const sh_column_t *columns, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (sh_same (columns[i].name, name))
            return i;
    return -1;
}

static sh_status_t
s_index_of (sh_session_t *self, const sh_key_def_t *key, const sh_column_t *columns, int count,
            const char *table, sh_arena_t *arena, sh_index_t *index)
{
    *index = (sh_index_t){.name = key->name,
                          .unique = key->kind != SH_KEY_INDEX,
                          .primary_key = key->kind == SH_KEY_PRIMARY,
                          .clustered = key->clustered};
    for (const sh_ident_t *name = key->columns; name; name = name->next) {
        int column = s_column_number (columns, count, name->text);
        if (column < 0)
            return sh_error_set (self, 1911, 16, 1,
                                 "Column name '%s' does not exist in the target table or view.",
                                 name->text);
        if (index->column_count == SH_KEY_COLUMNS_MAX)
            return sh_error_set (self, 1904, 16, 1, "An index has too many key columns (limit %d).",
                                 SH_KEY_COLUMNS_MAX);
        index->columns[index->column_count] = column;
        index->descending[index->column_count++] = name->line == 1;
    }
    if (!index->name)
        index->name =
            s_constraint_name (self, arena, key->kind == SH_KEY_PRIMARY ? "PK" : "UQ", table, NULL);
    return SH_OK;
}

static sh_status_t
s_columns_of (sh_session_t *self, const sh_column_def_t *defs, const char *table, sh_arena_t *arena,
              sh_column_t *columns, int *count)
{
    *count = 0;
    for (const sh_column_def_t *def = defs; def; def = def->next) {
        if (*count == SH_COLUMNS_MAX)
            return sh_error_set (self, 1702, 16, 1,
                                 "CREATE TABLE failed because table '%s' exceeds the maximum of %d "
                                 "columns.",
                                 table, SH_COLUMNS_MAX);
        if (s_column_number (columns, *count, def->name) >= 0)
            return sh_error_set (
                self, 2705, 16, 3,
                "Column names in each table must be unique. Column name '%s' in table "
                "'%s' is specified more than once.",
                def->name, table);
        if (def->identity && !sh_type_is_exact (&def->type.type))
            return sh_error_set (self, 2749, 16, 2,
                                 "Identity column '%s' must be of data type int, bigint, smallint, "
                                 "tinyint, or decimal or numeric with a scale of 0.",
                                 def->name);
        sh_column_t *column = &columns[(*count)++];
        *column = (sh_column_t){.name = def->name,
                                .type = def->type.type,
                                .nullable = def->nullable,
                                .identity = def->identity,
                                .rowguid = def->rowguid,
                                .identity_seed = def->seed,
                                .identity_increment = def->increment,
                                .default_text = def->default_text};
        if (def->default_text)
            column->default_name = def->default_name
                                       ? def->default_name
                                       : s_constraint_name (self, arena, "DF", table, def->name);
    }
    return SH_OK;
}

static sh_status_t
s_keys_of (sh_session_t *self, const sh_key_def_t *keys, sh_table_def_t *def, sh_arena_t *arena,
           sh_column_t *columns, sh_index_t *indexes, sh_constraint_t *constraints)
{
    for (const sh_key_def_t *key = keys; key; key = key->next) {
        if (key->kind == SH_KEY_CHECK || key->kind == SH_KEY_FOREIGN) {
            if (def->constraint_count == SH_INDEXES_MAX)
                return sh_error_unsupported (self, "So many constraints on a table");
            bool check = key->kind == SH_KEY_CHECK;
            sh_constraint_t *constraint = &constraints[def->constraint_count++];
            constraint->name =
                key->name ? key->name
                          : s_constraint_name (self, arena, check ? "CK" : "FK", def->name, NULL);
            constraint->kind = check ? "C" : "F";
            constraint->text = key->check_text;
            continue;
        }
        if (key->kind == SH_KEY_DEFAULT) {
            int column = s_column_number (columns, def->column_count, key->columns->text);
            if (column < 0)
                return sh_error_set (self, 1752, 16, 0,
                                     "Column '%s' in table '%s' is invalid for creating a default "
                                     "constraint.",
                                     key->columns->text, def->name);
            columns[column].default_text = key->default_text;
            columns[column].default_name = key->name;
            continue;
        }
        if (def->index_count == SH_INDEXES_MAX)
            return sh_error_unsupported (self, "So many indexes on a table");
        sh_index_t *index = &indexes[def->index_count++];
        sh_status_t status =
            s_index_of (self, key, columns, def->column_count, def->name, arena, index);
        if (status != SH_OK)
            return status;
        index->unique_constraint = key->kind == SH_KEY_UNIQUE;
        for (int i = 0; i < index->column_count && index->primary_key; i++)
            columns[index->columns[i]].nullable = false;
    }
    return SH_OK;
}

static bool
s_schema_exists (sh_session_t *self, int db_id, const char *schema)
{
    static const char *const fixed[] = {"dbo", "sys", "guest", "INFORMATION_SCHEMA"};
    for (size_t i = 0; i < 4; i++)
        if (sh_same (schema, fixed[i]))
            return true;
    const sh_module_t *module = NULL;
    sh_error_t ignored;
    if (sh_module_open (self->engine, db_id, "SCHEMA", "sys", schema, &module, &ignored) != SH_OK)
        return false;
    sh_module_close (self->engine, &module);
    return true;
}

static sh_status_t
s_no_schema (sh_session_t *self, const char *schema)
{
    return sh_error_set (
        self, 2760, 16, 1,
        "The specified schema name \"%s\" either does not exist or you do not have "
        "permission to use it.",
        schema);
}

sh_status_t
sh_create_table (sh_session_t *self, const sh_resolved_t *where, const sh_column_def_t *defs,
                 const sh_key_def_t *keys)
{
    sh_arena_t *arena = sh_arena_new ();
    sh_column_t *columns = sh_arena_alloc (arena, SH_COLUMNS_MAX * sizeof *columns);
    sh_index_t *indexes = sh_arena_alloc (arena, SH_INDEXES_MAX * sizeof *indexes);
    sh_constraint_t *constraints = sh_arena_alloc (arena, SH_INDEXES_MAX * sizeof *constraints);
    sh_table_def_t def = {.schema = where->schema,
                          .name = where->object,
                          .columns = columns,
                          .indexes = indexes,
                          .constraints = constraints};
    sh_status_t status =
        s_schema_exists (self, where->db_id, where->schema)
            ? s_columns_of (self, defs, where->object, arena, columns, &def.column_count)
            : s_no_schema (self, where->schema);
    if (status == SH_OK)
        status = s_keys_of (self, keys, &def, arena, columns, indexes, constraints);
    if (status == SH_OK)
        status = sh_table_create (self->engine, where->db_id, &def, &self->error);
    sh_arena_destroy (&arena);
    return status;
}

static sh_status_t
s_create_table (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_resolved_t where;
    char *table = NULL;
    sh_status_t status = sh_resolve (self, &stmt->name, &where);
    if (status == SH_OK && stmt->name.object[0] == '#') {
        status = sh_temp_add (self, stmt->name.object, &table);
        where.object = table;
    }
    if (status == SH_OK)
        status = sh_create_table (self, &where, stmt->column_defs, stmt->keys);
    if (status != SH_OK && table)
        sh_temp_forget (self, stmt->name.object);
    return status;
}

static sh_status_t
s_open_table (sh_session_t *self, const sh_name_t *name, int number, sh_table_t **table)
{
    sh_resolved_t where;
    sh_status_t status = sh_resolve (self, name, &where);
    if (status == SH_OK)
        status = sh_table_open (self->engine, where.db_id, where.schema, where.object, table,
                                &self->error);
    if (status == SH_END)
        return sh_error_set (
            self, number, 16, 1,
            "Cannot find the object \"%s\" because it does not exist or you do not "
            "have permissions.",
            name->object);
    return status;
}

static sh_status_t
s_alter_default (sh_session_t *self, sh_table_t *table, const sh_key_def_t *key, sh_arena_t *arena)
{
    const sh_table_def_t *def = sh_table_def (table);
    int column = s_column_number (def->columns, def->column_count, key->columns->text);
    if (column < 0)
        return sh_error_set (
            self, 1752, 16, 0,
            "Column '%s' in table '%s' is invalid for creating a default constraint.",
            key->columns->text, def->name);
    const char *name = key->name
                           ? key->name
                           : s_constraint_name (self, arena, "DF", def->name, key->columns->text);
    return sh_table_set_default (self->engine, table, column, name, key->default_text,
                                 &self->error);
}

static sh_status_t
s_alter_key (sh_session_t *self, sh_table_t *table, const sh_key_def_t *key, sh_arena_t *arena)
{
    const sh_table_def_t *def = sh_table_def (table);
    if (key->kind == SH_KEY_DEFAULT)
        return s_alter_default (self, table, key, arena);
    if (key->kind == SH_KEY_CHECK || key->kind == SH_KEY_FOREIGN) {
        bool check = key->kind == SH_KEY_CHECK;
        sh_constraint_t constraint = {
            .name = key->name
                        ? key->name
                        : s_constraint_name (self, arena, check ? "CK" : "FK", def->name, NULL),
            .kind = check ? "C" : "F",
            .text = key->check_text};
        return sh_table_set_constraint (self->engine, table, &constraint, &self->error);
    }
    sh_index_t index;
    sh_status_t status =
        s_index_of (self, key, def->columns, def->column_count, def->name, arena, &index);
    index.unique_constraint = key->kind == SH_KEY_UNIQUE;
    return status == SH_OK ? sh_table_add_index (self->engine, table, &index, &self->error)
                           : status;
}

static sh_status_t
s_alter_column (sh_session_t *self, sh_table_t *table, const sh_column_def_t *column,
                sh_arena_t *arena)
{
    sh_column_t new;
    int count = 0;
    sh_column_def_t alone = *column;
    alone.next = NULL;
    sh_status_t status =
        s_columns_of (self, &alone, sh_table_def (table)->name, arena, &new, &count);
    sh_value_t fill = sh_value_null ();
    if (status == SH_OK && column->default_value && !column->nullable)
        status = sh_eval_to (self, column->default_value, &column->type.type, &fill);
    if (status == SH_OK && !column->nullable && !column->identity && fill.kind == SH_NULL &&
        sh_table_row_count (self->engine, table) > 0)
        status =
            sh_error_set (self, 4901, 16, 1,
                          "ALTER TABLE only allows columns to be added that can contain nulls, or "
                          "have a DEFAULT definition specified.");
    if (status == SH_OK)
        status = sh_table_add_column (self->engine, table, &new, &fill, &self->error);
    sh_value_clear (&fill);
    return status;
}

static sh_status_t
s_drop_constraint (sh_session_t *self, sh_table_t *table, const char *name)
{
    const sh_table_def_t *def = sh_table_def (table);
    for (int i = 0; i < def->index_count; i++)
        if (sh_same (def->indexes[i].name, name) &&
            (def->indexes[i].primary_key || def->indexes[i].unique_constraint))
            return sh_table_drop_index (self->engine, table, name, &self->error);
    for (int i = 0; i < def->column_count; i++)
        if (def->columns[i].default_name && sh_same (def->columns[i].default_name, name))
            return sh_table_set_default (self->engine, table, i, NULL, NULL, &self->error);
    sh_constraint_t gone = {.name = name};
    return sh_table_set_constraint (self->engine, table, &gone, &self->error);
}

static sh_status_t
s_alter_table (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_table_t *table = NULL;
    sh_status_t status = s_open_table (self, &stmt->name, 4902, &table);
    if (status != SH_OK)
        return status;
    sh_arena_t *arena = sh_arena_new ();
    for (const sh_column_def_t *column = stmt->column_defs; column && status == SH_OK;
         column = column->next)
        status = s_alter_column (self, table, column, arena);
    for (const sh_key_def_t *key = stmt->keys; key && status == SH_OK; key = key->next)
        status = s_alter_key (self, table, key, arena);
    if (stmt->alter == SH_ALTER_DROP_CONSTRAINT)
        for (const sh_ident_t *name = stmt->columns; name && status == SH_OK; name = name->next)
            status = s_drop_constraint (self, table, name->text);
    sh_arena_destroy (&arena);
    sh_table_close (self->engine, &table);
    return status;
}

static sh_status_t
s_create_index (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_table_t *table = NULL;
    sh_status_t status = s_open_table (self, &stmt->name, 1088, &table);
    if (status != SH_OK)
        return status;
    sh_index_t index;
    sh_arena_t *arena = sh_arena_new ();
    const sh_table_def_t *def = sh_table_def (table);
    status =
        s_index_of (self, stmt->keys, def->columns, def->column_count, def->name, arena, &index);
    if (status == SH_OK)
        status = sh_table_add_index (self->engine, table, &index, &self->error);
    sh_arena_destroy (&arena);
    sh_table_close (self->engine, &table);
    return status;
}

static sh_status_t
s_create_schema (sh_session_t *self, const sh_stmt_t *stmt)
{
    if (s_schema_exists (self, self->db_id, stmt->text))
        return sh_error_set (self, 2714, 16, 6,
                             "There is already an object named '%s' in the database.", stmt->text);
    sh_module_t module = {.schema = "sys", .name = stmt->text, .kind = "SCHEMA", .text = ""};
    return sh_module_put (self->engine, self->db_id, SH_DDL_CREATE, &module, &self->error);
}

/*  ---- DROP ---- */

static const char *
s_object_word (sh_object_kind_t kind)
{
    switch (kind) {
        case SH_OBJECT_TABLE:
            return "table";
        case SH_OBJECT_VIEW:
            return "view";
        case SH_OBJECT_PROCEDURE:
            return "procedure";
        case SH_OBJECT_FUNCTION:
            return "function";
        case SH_OBJECT_TRIGGER:
            return "trigger";
        case SH_OBJECT_SCHEMA:
            return "schema";
        case SH_OBJECT_INDEX:
            return "index";
        default:
            return "object";
    }
}

static sh_status_t
s_drop_module (sh_session_t *self, const sh_resolved_t *where, const char *kind)
{
    return sh_module_drop (self->engine, where->db_id, kind, where->schema, where->object,
                           &self->error);
}

static sh_status_t
s_drop_index (sh_session_t *self, const sh_stmt_t *stmt, const sh_name_t *name)
{
    sh_name_t table_name = stmt->flag2 ? stmt->name : (sh_name_t){.object = name->schema};
    if (!table_name.object)
        return sh_error_set (self, 159, 15, 1,
                             "Must specify the table name and index name for the DROP "
                             "INDEX statement.");
    sh_table_t *table = NULL;
    sh_status_t status = s_open_table (self, &table_name, 1088, &table);
    if (status == SH_OK)
        status = sh_table_drop_index (self->engine, table, name->object, &self->error);
    if (table)
        sh_table_close (self->engine, &table);
    return status;
}

/*  Triggers go with their table. */
typedef struct {
    const char *table;
    char *names[64];
    size_t count;
} s_triggers_t;

static bool
s_trigger_of (void *arg, const sh_object_t *object)
{
    s_triggers_t *look = arg;
    if (strcmp (object->kind, "TR") == 0 && object->parent && sh_same (object->parent, look->table))
        look->names[look->count++] = sh_printf ("%s\n%s", object->schema, object->name);
    return look->count < 64;
}

static sh_status_t
s_drop_table (sh_session_t *self, const sh_name_t *name, const sh_resolved_t *where)
{
    s_triggers_t triggers = {.table = where->object};
    sh_status_t status =
        sh_table_drop (self->engine, where->db_id, where->schema, where->object, &self->error);
    if (status == SH_OK && where->db_id != SH_DB_TEMPDB)
        sh_object_walk (self->engine, where->db_id, s_trigger_of, &triggers);
    for (size_t i = 0; i < triggers.count; i++) {
        char *object = strchr (triggers.names[i], '\n');
        *object++ = 0;
        if (status == SH_OK)
            status = sh_module_drop (self->engine, where->db_id, "TR", triggers.names[i], object,
                                     &self->error);
        free (triggers.names[i]);
    }
    if (status == SH_OK && name->object[0] == '#')
        sh_temp_forget (self, name->object);
    return status;
}

static sh_status_t
s_drop_one (sh_session_t *self, const sh_stmt_t *stmt, const sh_name_t *name)
{
    sh_resolved_t where;
    if (stmt->object == SH_OBJECT_INDEX)
        return s_drop_index (self, stmt, name);
    sh_status_t status = sh_resolve (self, name, &where);
    if (status != SH_OK)
        return status;
    switch (stmt->object) {
        case SH_OBJECT_TABLE:
            return s_drop_table (self, name, &where);
        case SH_OBJECT_VIEW:
            return s_drop_module (self, &where, "V");
        case SH_OBJECT_PROCEDURE:
            return s_drop_module (self, &where, "P");
        case SH_OBJECT_FUNCTION:
            status = s_drop_module (self, &where, "FN");
            return status == SH_ERROR && self->error.number == 3701
                       ? s_drop_module (self, &where, "IF")
                       : status;
        case SH_OBJECT_TRIGGER:
            return s_drop_module (self, &where, "TR");
        default:
            where.schema = "sys";
            return s_drop_module (self, &where, "SCHEMA");
    }
}

static sh_status_t
s_drop (sh_session_t *self, const sh_stmt_t *stmt)
{
    for (const sh_name_list_t *item = stmt->names; item; item = item->next) {
        sh_status_t status = s_drop_one (self, stmt, &item->name);
        bool missing =
            status == SH_ERROR &&
            (self->error.number == 3701 || self->error.number == 1088 || self->error.number == 911);
        if (missing && stmt->flag)
            continue;
        if (missing)
            return sh_error_set (
                self, 3701, 11, 5,
                "Cannot drop the %s '%s', because it does not exist or you do not have "
                "permission.",
                s_object_word (stmt->object), item->name.object);
        if (status != SH_OK)
            return status;
    }
    return SH_OK;
}

/*  ---- databases ---- */

static sh_status_t
s_database_option (sh_session_t *self, const sh_option_t *option, sh_db_change_t *change)
{
    static const char *const harmless[] = {"AUTO_CLOSE",
                                           "AUTO_SHRINK",
                                           "AUTO_CREATE_STATISTICS",
                                           "AUTO_UPDATE_STATISTICS",
                                           "PAGE_VERIFY",
                                           "ANSI_NULLS",
                                           "ANSI_PADDING",
                                           "ANSI_WARNINGS",
                                           "ARITHABORT",
                                           "QUOTED_IDENTIFIER",
                                           "RECURSIVE_TRIGGERS",
                                           "TRUSTWORTHY",
                                           "DB_CHAINING",
                                           "CURSOR_DEFAULT",
                                           "ANSI_NULL_DEFAULT",
                                           "CONCAT_NULL_YIELDS_NULL",
                                           "PARAMETERIZATION",
                                           "DISABLE_BROKER",
                                           "ENABLE_BROKER",
                                           "NUMERIC_ROUNDABORT",
                                           "CURSOR_CLOSE_ON_COMMIT",
                                           "AUTO_UPDATE_STATISTICS_ASYNC",
                                           "DATE_CORRELATION_OPTIMIZATION"};
    const char *name = option->name;
    const char *value = option->value ? option->value->text : NULL;
    if (sh_same (name, "RECOVERY"))
        change->recovery = sh_same (value, "FULL")     ? SH_RECOVERY_FULL
                           : sh_same (value, "SIMPLE") ? SH_RECOVERY_SIMPLE
                                                       : SH_RECOVERY_BULK_LOGGED;
    else if (sh_same (name, "ONLINE"))
        change->state = SH_STATE_ONLINE;
    else if (sh_same (name, "OFFLINE"))
        change->state = SH_STATE_OFFLINE;
    else if (sh_same (name, "EMERGENCY"))
        change->state = SH_STATE_EMERGENCY;
    else if (sh_same (name, "READ_ONLY") || sh_same (name, "READ_WRITE"))
        change->read_only = sh_same (name, "READ_ONLY");
    else if (sh_same (name, "SINGLE_USER"))
        change->access = SH_ACCESS_SINGLE;
    else if (sh_same (name, "MULTI_USER"))
        change->access = SH_ACCESS_MULTI;
    else if (sh_same (name, "RESTRICTED_USER"))
        change->access = SH_ACCESS_RESTRICTED;
    else if (sh_same (name, "DELAYED_DURABILITY") && value)
        change->durability = sh_same (value, "FORCED")    ? SH_DURABILITY_FORCED
                             : sh_same (value, "ALLOWED") ? SH_DURABILITY_ALLOWED
                                                          : SH_DURABILITY_DISABLED;
    else if (sh_same (name, "COMPATIBILITY_LEVEL") && value)
        change->compatibility = (int)strtol (value, NULL, 10);
    else if (sh_same (name, "ALLOW_SNAPSHOT_ISOLATION") ||
             sh_same (name, "READ_COMMITTED_SNAPSHOT"))
        return sh_same (value, "ON") ? sh_error_unsupported (self, "Row versioning") : SH_OK;
    else {
        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
            if (sh_same (name, harmless[i]))
                return SH_OK;
        char text[160];
        snprintf (text, sizeof text, "ALTER DATABASE ... SET %.100s", name);
        return sh_error_unsupported (self, text);
    }
    return SH_OK;
}

static sh_status_t
s_no_database (sh_session_t *self, const char *name)
{
    return sh_error_set (self, 5011, 14, 5,
                         "User does not have permission to alter database '%s', the database does "
                         "not exist, or the database is not in a state that allows access checks.",
                         name);
}

static sh_status_t
s_alter_database (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_db_change_t change = SH_DB_CHANGE_NONE;
    sh_db_info_t info;
    int db_id = self->db_id;
    if (stmt->text) {
        if (sh_db_find (self->instance, stmt->text, &info) != SH_OK)
            return s_no_database (self, stmt->text);
        db_id = info.id;
    }
    if (!sh_right_server (self, "ALTER ANY DATABASE") &&
        !sh_right_database (self, db_id, "CONTROL"))
        return s_no_database (self, stmt->text ? stmt->text : self->db_name);
    sh_status_t status = SH_OK;
    for (const sh_option_t *option = stmt->options; option && status == SH_OK;
         option = option->next)
        status = s_database_option (self, option, &change);
    change.rename = stmt->text2;
    change.owner = stmt->columns ? stmt->columns->text : NULL;
    change.rollback_immediate = stmt->flag;
    if (status == SH_OK)
        status = sh_db_alter (self->engine, db_id, &change, &self->error);
    if (status == SH_OK && stmt->text2)
        sh_out_info (self, 15600, "The database name '%s' has been set.", stmt->text2);
    return status;
}

static sh_status_t
s_drop_databases (sh_session_t *self, const sh_stmt_t *stmt)
{
    for (const sh_name_list_t *item = stmt->names; item; item = item->next) {
        sh_db_info_t info;
        if (stmt->flag && sh_db_find (self->instance, item->name.object, &info) != SH_OK)
            continue;
        if (sh_db_find (self->instance, item->name.object, &info) == SH_OK &&
            !sh_right_server (self, "ALTER ANY DATABASE") &&
            !sh_right_database (self, info.id, "CONTROL"))
            return sh_error_set (self, 3701, 11, 1,
                                 "Cannot drop the database '%s', because it does not exist or you "
                                 "do not have permission.",
                                 item->name.object);
        sh_status_t status = sh_db_drop (self->engine, item->name.object, &self->error);
        if (status != SH_OK)
            return status;
    }
    return SH_OK;
}

static sh_status_t
s_database (sh_session_t *self, const sh_stmt_t *stmt)
{
    if (self->trancount > 0 && stmt->kind != SH_STMT_ALTER_DATABASE)
        return sh_error_set (
            self, 226, 16, 6,
            "%s DATABASE statement not allowed within multi-statement transaction.",
            stmt->kind == SH_STMT_DROP ? "DROP" : "CREATE");
    if (self->trancount > 0)
        return sh_error_set (
            self, 226, 16, 6,
            "ALTER DATABASE statement not allowed within multi-statement transaction.");
    int db_id;
    switch (stmt->kind) {
        case SH_STMT_CREATE_DATABASE:
            if (sh_check_database (self, SH_DB_MASTER, "CREATE DATABASE") != SH_OK)
                return SH_ERROR;
            return sh_db_create (self->engine, stmt->text, &db_id, &self->error);
        case SH_STMT_DROP:
            return s_drop_databases (self, stmt);
        default:
            return s_alter_database (self, stmt);
    }
}

static sh_status_t
s_not_found (sh_session_t *self, const sh_stmt_t *stmt, const char *object)
{
    if (stmt->kind == SH_STMT_DROP)
        return sh_error_set (self, 3701, 11, 5,
                             "Cannot drop the %s '%s', because it does not exist or you do not "
                             "have permission.",
                             s_object_word (stmt->object), object);
    return sh_error_set (self, 1088, 16, 1,
                         "Cannot find the object \"%s\" because it does not exist or you do not "
                         "have permissions.",
                         object);
}

/*  Who may not alter an object is told that there is none. */
static sh_status_t
s_may_alter (sh_session_t *self, const sh_stmt_t *stmt, const sh_name_t *name)
{
    sh_resolved_t where;
    char kind[16];
    int id = 0;
    sh_status_t status = sh_resolve (self, name, &where);
    if (status != SH_OK || where.temp)
        return status;
    if (sh_object_find (self->engine, where.db_id, where.schema, where.object, kind, &id) != SH_OK)
        return SH_OK; /* the statement itself says so */
    return sh_right_object (self, where.db_id, where.schema, id, "ALTER") ||
                   sh_right_database (self, where.db_id, "ALTER ANY SCHEMA")
               ? SH_OK
               : s_not_found (self, stmt, name->object);
}

static sh_status_t
s_check_right (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_status_t status = SH_OK;
    if (self->sysadmin)
        return SH_OK;
    switch (stmt->kind) {
        case SH_STMT_CREATE_TABLE:
            return stmt->name.object[0] == '#'
                       ? SH_OK
                       : sh_check_database (self, self->db_id, "CREATE TABLE");
        case SH_STMT_CREATE_SCHEMA:
            return sh_check_database (self, self->db_id, "CREATE SCHEMA");
        case SH_STMT_DROP:
            for (const sh_name_list_t *item = stmt->names; item && status == SH_OK;
                 item = item->next)
                if (stmt->object != SH_OBJECT_INDEX)
                    status = s_may_alter (self, stmt, &item->name);
            return status;
        default:
            return s_may_alter (self, stmt, &stmt->name);
    }
}

static sh_status_t
s_in_transaction (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_status_t status = s_check_right (self, stmt);
    if (status != SH_OK)
        return status;
    switch (stmt->kind) {
        case SH_STMT_CREATE_TABLE:
            return s_create_table (self, stmt);
        case SH_STMT_ALTER_TABLE:
            return s_alter_table (self, stmt);
        case SH_STMT_CREATE_INDEX:
            return s_create_index (self, stmt);
        case SH_STMT_CREATE_SCHEMA:
            return s_create_schema (self, stmt);
        default:
            return s_drop (self, stmt);
    }
}

sh_flow_t
sh_exec_ddl (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_status_t status;
    if (stmt->kind == SH_STMT_CREATE_DATABASE || stmt->kind == SH_STMT_ALTER_DATABASE ||
        (stmt->kind == SH_STMT_DROP && stmt->object == SH_OBJECT_DATABASE))
        status = s_database (self, stmt);
    else {
        sh_write_t write;
        status = sh_write_begin (self, &write);
        if (status == SH_OK)
            status = sh_write_end (self, &write, s_in_transaction (self, stmt));
    }
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK) {
        self->last_rowcount = 0;
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    }
    return flow;
}
