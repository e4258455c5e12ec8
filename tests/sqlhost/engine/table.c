/*  Tables: opening for a statement, DDL. See catalog.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

sh_lock_key_t
sh_key_name (int db_id, const char *kind, const char *schema, const char *name, char buffer[400])
{
    bool shares = !kind || strcmp (kind, "P") == 0 || strcmp (kind, "FN") == 0 ||
                  strcmp (kind, "V") == 0 || strcmp (kind, "TR") == 0;
    snprintf (buffer, 400, "%s:%s.%s", shares ? "object" : kind, schema ? schema : "dbo", name);
    for (char *p = buffer; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    sh_lock_key_t key = {.kind = SH_ON_NAME, .db_id = db_id, .name = buffer};
    return key;
}

/*  ---- open, close ---- */

static sh_status_t
s_open (sh_esession_t *session, int db_id, const char *schema, const char *name, sh_table_t **out,
        sh_error_t *error)
{
    char buffer[400];
    sh_lock_key_t name_key = sh_key_name (db_id, NULL, schema, name, buffer);
    for (;;) {
        sh_db_t *db = sh_db_use (session, db_id, error);
        if (!db)
            return SH_ERROR;
        sh_status_t status = sh_lock_pass (session, &name_key, SH_LOCK_SCH_S, error);
        if (status != SH_OK)
            return status;
        db = sh_db_by_id (session->instance, db_id);
        sh_table_t *table =
            db && db->image ? sh_image_table (db->image, schema, name, session->txn) : NULL;
        if (!table)
            return SH_END;
        sh_table_hold (table);
        sh_lock_key_t key = sh_key_object (table);
        status = sh_lock_take (session, &key, SH_LOCK_SCH_S, SH_FOR_STATEMENT, NULL, error);
        if (status != SH_OK) {
            sh_table_free (table);
            return status;
        }
        /*  While we waited it may have been dropped, or another one made. */
        db = sh_db_by_id (session->instance, db_id);
        if (db && db->image && sh_image_table (db->image, schema, name, session->txn) == table) {
            sh_lock_key_t db_key = sh_key_db (db_id);
            int64_t no_wait = 0;
            sh_lock_take (session, &db_key, SH_LOCK_S, SH_FOR_STATEMENT, &no_wait, NULL);
            table->mutex = &session->instance->mutex;
            *out = table;
            return SH_OK;
        }
        sh_lock_give (session, &key, SH_LOCK_SCH_S, SH_FOR_STATEMENT);
        sh_table_free (table);
    }
}

sh_status_t
sh_table_open (sh_esession_t *session, int db_id, const char *schema, const char *name,
               sh_table_t **out, sh_error_t *error)
{
    *out = NULL;
    sh_lock_instance (session->instance);
    sh_status_t status = s_open (session, db_id, schema, name, out, error);
    sh_unlock_instance (session->instance);
    return status;
}

void
sh_table_close (sh_esession_t *session, sh_table_t **table_p)
{
    sh_table_t *table = *table_p;
    if (!table)
        return;
    sh_lock_instance (session->instance);
    sh_lock_key_t key = sh_key_object (table), db_key = sh_key_db (table->db_id);
    sh_lock_give (session, &key, SH_LOCK_SCH_S, SH_FOR_STATEMENT);
    sh_lock_give (session, &db_key, SH_LOCK_S, SH_FOR_STATEMENT);
    sh_table_free (table);
    sh_unlock_instance (session->instance);
    *table_p = NULL;
}

const sh_table_def_t *
sh_table_def (const sh_table_t *table)
{
    return table->def;
}

int
sh_table_db (const sh_table_t *table)
{
    return table->db_id;
}

int64_t
sh_table_row_count (sh_esession_t *session, sh_table_t *table)
{
    sh_lock_instance (session->instance);
    int64_t count = (int64_t)(table->slot_count - table->dead);
    sh_unlock_instance (session->instance);
    return count;
}

/*  ---- create, drop ---- */

static bool
s_name_taken (const sh_db_t *db, const char *schema, const char *name, const sh_txn_t *viewer)
{
    return sh_image_table (db->image, schema, name, viewer) ||
           sh_image_node (db->image, NULL, schema, name, viewer);
}

static sh_status_t
s_check_def (const sh_table_def_t *def, sh_error_t *error)
{
    if (def->column_count < 1 || def->column_count > SH_COLUMNS_MAX)
        return sh_fail (error, 1702, 16, 1,
                        "CREATE TABLE failed because table '%s' would have %d columns; 1 to %d are "
                        "possible.",
                        def->name, def->column_count, SH_COLUMNS_MAX);
    if (def->index_count > SH_INDEXES_MAX)
        return sh_fail (error, 1910, 16, 1, "Table '%s' has too many indexes; the limit is %d.",
                        def->name, SH_INDEXES_MAX);
    for (int i = 0; i < def->column_count; i++)
        for (int k = 0; k < i; k++)
            if (sh_name_equal (def->columns[i].name, def->columns[k].name))
                return sh_fail (error, 2705, 16, 3,
                                "Column names in each table must be unique. Column name '%s' in "
                                "table '%s' is specified more than once.",
                                def->columns[i].name, def->name);
    return SH_OK;
}

/*  What every DDL on a name begins with: the database may be written, nobody else is at that
 *  name. */
static sh_status_t
s_take_name (sh_esession_t *session, int db_id, const char *schema, const char *name,
             sh_error_t *error)
{
    char buffer[400];
    sh_lock_key_t key = sh_key_name (db_id, NULL, schema, name, buffer);
    sh_status_t status = sh_txn_touch (session, db_id, error);
    if (status == SH_OK)
        status = sh_lock_take (session, &key, SH_LOCK_SCH_M, SH_FOR_TXN, NULL, error);
    return status;
}

static sh_status_t
s_create (sh_esession_t *session, int db_id, const sh_table_def_t *def, sh_error_t *error)
{
    sh_status_t status = s_check_def (def, error);
    if (status == SH_OK)
        status = s_take_name (session, db_id, def->schema, def->name, error);
    if (status != SH_OK)
        return status;
    sh_db_t *db = sh_db_by_id (session->instance, db_id);
    if (s_name_taken (db, def->schema, def->name, session->txn))
        return sh_fail (error, 2714, 16, 6,
                        "There is already an object named '%s' in the database.", def->name);
    sh_table_def_t own = *def;
    own.object_id = sh_image_object_id (db->image);
    own.created = own.modified = sh_ticks_to_datetime (sh_ticks_local ());
    sh_table_t *table = sh_table_new (db_id, &own);
    table->created_by = session->txn;
    sh_image_add_table (db->image, table);
    sh_txn_undo (session, SH_UNDO_CREATE_TABLE, table);
    sh_lock_key_t key = sh_key_object (table);
    return sh_lock_take (session, &key, SH_LOCK_SCH_M, SH_FOR_TXN, NULL, error);
}

sh_status_t
sh_table_create (sh_esession_t *session, int db_id, const sh_table_def_t *def, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_create (session, db_id, def, error);
    sh_unlock_instance (session->instance);
    return status;
}

static sh_status_t
s_drop (sh_esession_t *session, int db_id, const char *schema, const char *name, sh_error_t *error)
{
    sh_status_t status = s_take_name (session, db_id, schema, name, error);
    if (status != SH_OK)
        return status;
    sh_db_t *db = sh_db_by_id (session->instance, db_id);
    sh_table_t *table = sh_image_table (db->image, schema, name, session->txn);
    if (!table)
        return sh_fail (error, 3701, 11, 5,
                        "Cannot drop the table '%s', because it does not exist or you do not have "
                        "permission.",
                        name);
    sh_lock_key_t key = sh_key_object (table);
    sh_table_hold (table);
    status = sh_lock_take (session, &key, SH_LOCK_SCH_M, SH_FOR_TXN, NULL, error);
    if (status == SH_OK) {
        table->dropped_by = session->txn;
        sh_txn_undo (session, SH_UNDO_DROP_TABLE, table);
    }
    sh_table_free (table);
    return status;
}

sh_status_t
sh_table_drop (sh_esession_t *session, int db_id, const char *schema, const char *name,
               sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_drop (session, db_id, schema, name, error);
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- alter: each makes a changed copy of the definition and puts it in place ---- */

static sh_status_t
s_begin_alter (sh_esession_t *session, sh_table_t *table, sh_error_t *error)
{
    sh_lock_key_t key = sh_key_object (table);
    sh_status_t status = sh_txn_touch (session, table->db_id, error);
    if (status == SH_OK)
        status = sh_lock_take (session, &key, SH_LOCK_SCH_M, SH_FOR_TXN, NULL, error);
    return status;
}

/*  `def` is a shallow variant; a deep copy of it is installed. */
static void
s_redefine (sh_esession_t *session, sh_table_t *table, sh_table_def_t *def)
{
    def->modified = sh_ticks_to_datetime (sh_ticks_local ());
    sh_undo_t *undo = sh_txn_undo (session, SH_UNDO_DEFINE, table);
    undo->def = sh_table_swap_def (table, sh_def_copy (def));
}

static void
s_fill_column (sh_esession_t *session, sh_table_t *table, const sh_value_t *fill)
{
    int count = table->def->column_count;
    for (size_t i = 0; i < table->slot_count; i++) {
        const sh_row_t *row = sh_slot_visible (&table->slots[i], session->txn);
        sh_value_t values[SH_COLUMNS_MAX];
        if (!row)
            continue;
        memcpy (values, row->values, (size_t)count * sizeof *values);
        values[count] = fill ? *fill : sh_value_null ();
        sh_slot_change (session, table, &table->slots[i], sh_row_new (values, count + 1));
    }
}

static sh_status_t
s_add_column (sh_esession_t *session, sh_table_t *table, const sh_column_t *column,
              const sh_value_t *fill, sh_error_t *error)
{
    sh_status_t status = s_begin_alter (session, table, error);
    if (status != SH_OK)
        return status;
    sh_table_def_t def = *table->def;
    sh_column_t columns[SH_COLUMNS_MAX + 1];
    memcpy (columns, def.columns, (size_t)def.column_count * sizeof *columns);
    columns[def.column_count++] = *column;
    def.columns = columns;
    status = s_check_def (&def, error);
    if (status == SH_OK && !column->nullable && (!fill || fill->kind == SH_NULL) &&
        table->slot_count > table->dead)
        status = sh_fail (error, 4901, 16, 1,
                          "ALTER TABLE only allows columns to be added that can contain nulls, or "
                          "have a DEFAULT definition specified; column '%s' of table '%s' does "
                          "not.",
                          column->name, def.name);
    if (status == SH_OK) {
        s_fill_column (session, table, fill);
        s_redefine (session, table, &def);
    }
    return status;
}

sh_status_t
sh_table_add_column (sh_esession_t *session, sh_table_t *table, const sh_column_t *column,
                     const sh_value_t *fill, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_add_column (session, table, column, fill, error);
    sh_unlock_instance (session->instance);
    return status;
}

static bool
s_has_duplicates (sh_esession_t *session, const sh_table_t *table, int index_number)
{
    const sh_index_t *index = &table->def->indexes[index_number];
    for (size_t i = 0; i < table->slot_count; i++) {
        const sh_row_t *row = sh_slot_visible (&table->slots[i], session->txn);
        size_t cursor = SIZE_MAX;
        int64_t rid;
        if (!row)
            continue;
        uint64_t hash = sh_key_hash (index, row->values);
        while ((rid = sh_key_next (&table->keys[index_number], hash, &cursor)) != 0) {
            const sh_row_t *other = sh_slot_visible (sh_slot_find (table, rid), session->txn);
            if (other && other != row && sh_key_equal (index, row->values, other->values))
                return true;
        }
    }
    return false;
}

static int
s_find_index (const sh_table_def_t *def, const char *name)
{
    for (int i = 0; i < def->index_count; i++)
        if (sh_name_equal (def->indexes[i].name, name))
            return i;
    return -1;
}

static sh_status_t
s_add_index (sh_esession_t *session, sh_table_t *table, const sh_index_t *index, sh_error_t *error)
{
    sh_status_t status = s_begin_alter (session, table, error);
    if (status != SH_OK)
        return status;
    sh_table_def_t def = *table->def;
    if (s_find_index (&def, index->name) >= 0)
        return sh_fail (error, 1913, 16, 1,
                        "The operation failed because an index or statistics with name '%s' "
                        "already exists on table '%s'.",
                        index->name, def.name);
    sh_index_t indexes[SH_INDEXES_MAX + 1];
    if (def.index_count)
        memcpy (indexes, def.indexes, (size_t)def.index_count * sizeof *indexes);
    indexes[def.index_count++] = *index;
    def.indexes = indexes;
    status = s_check_def (&def, error);
    if (status != SH_OK)
        return status;
    size_t position = session->txn->undo_count;
    s_redefine (session, table, &def);
    if (index->unique && s_has_duplicates (session, table, def.index_count - 1)) {
        sh_undo_t *undo = &session->txn->undo[position];
        sh_def_free (sh_table_swap_def (table, undo->def));
        sh_table_free (undo->table);
        session->txn->undo_count = position;
        return sh_fail (error, 1505, 16, 1,
                        "The CREATE UNIQUE INDEX statement terminated because a duplicate key was "
                        "found for the object name '%s.%s' and the index name '%s'.",
                        table->def->schema, table->def->name, index->name);
    }
    return SH_OK;
}

sh_status_t
sh_table_add_index (sh_esession_t *session, sh_table_t *table, const sh_index_t *index,
                    sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_add_index (session, table, index, error);
    sh_unlock_instance (session->instance);
    return status;
}

static sh_status_t
s_drop_index (sh_esession_t *session, sh_table_t *table, const char *name, sh_error_t *error)
{
    sh_status_t status = s_begin_alter (session, table, error);
    if (status != SH_OK)
        return status;
    sh_table_def_t def = *table->def;
    sh_index_t indexes[SH_INDEXES_MAX];
    int at = s_find_index (&def, name);
    if (at < 0)
        return sh_fail (error, 3701, 11, 6,
                        "Cannot drop the index '%s.%s', because it does not exist or you do not "
                        "have permission.",
                        def.name, name);
    memcpy (indexes, def.indexes, (size_t)def.index_count * sizeof *indexes);
    memmove (&indexes[at], &indexes[at + 1], (size_t)(def.index_count - at - 1) * sizeof *indexes);
    def.index_count--;
    def.indexes = indexes;
    s_redefine (session, table, &def);
    return SH_OK;
}

sh_status_t
sh_table_drop_index (sh_esession_t *session, sh_table_t *table, const char *name, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_drop_index (session, table, name, error);
    sh_unlock_instance (session->instance);
    return status;
}

static sh_status_t
s_set_constraint (sh_esession_t *session, sh_table_t *table, const sh_constraint_t *constraint,
                  sh_error_t *error)
{
    sh_status_t status = s_begin_alter (session, table, error);
    if (status != SH_OK)
        return status;
    sh_table_def_t def = *table->def;
    sh_constraint_t *list = sh_mem_alloc (((size_t)def.constraint_count + 1) * sizeof *list);
    int count = 0, found = 0;
    for (int i = 0; i < def.constraint_count; i++) {
        if (sh_name_equal (def.constraints[i].name, constraint->name))
            found = 1;
        else
            list[count++] = def.constraints[i];
    }
    if (constraint->text)
        list[count++] = *constraint;
    else if (!found)
        status = sh_fail (error, 3728, 16, 1, "'%s' is not a constraint.", constraint->name);
    if (status == SH_OK) {
        def.constraints = list;
        def.constraint_count = count;
        s_redefine (session, table, &def);
    }
    free (list);
    return status;
}

sh_status_t
sh_table_set_constraint (sh_esession_t *session, sh_table_t *table,
                         const sh_constraint_t *constraint, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_set_constraint (session, table, constraint, error);
    sh_unlock_instance (session->instance);
    return status;
}

sh_status_t
sh_table_set_default (sh_esession_t *session, sh_table_t *table, int column, const char *name,
                      const char *text, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_begin_alter (session, table, error);
    if (status == SH_OK) {
        sh_table_def_t def = *table->def;
        sh_column_t columns[SH_COLUMNS_MAX];
        memcpy (columns, def.columns, (size_t)def.column_count * sizeof *columns);
        columns[column].default_name = name;
        columns[column].default_text = text;
        def.columns = columns;
        s_redefine (session, table, &def);
    }
    sh_unlock_instance (session->instance);
    return status;
}

static sh_status_t
s_rename (sh_esession_t *session, sh_table_t *table, const char *name, sh_error_t *error)
{
    sh_status_t status =
        s_take_name (session, table->db_id, table->def->schema, table->def->name, error);
    if (status == SH_OK)
        status = s_take_name (session, table->db_id, table->def->schema, name, error);
    if (status == SH_OK)
        status = s_begin_alter (session, table, error);
    if (status != SH_OK)
        return status;
    const sh_db_t *db = sh_db_by_id (session->instance, table->db_id);
    if (s_name_taken (db, table->def->schema, name, session->txn))
        return sh_fail (error, 15335, 11, 1,
                        "Error: The new name '%s' is already in use as a object name and would "
                        "cause a duplicate that is not permitted.",
                        name);
    sh_table_def_t def = *table->def;
    def.name = name;
    s_redefine (session, table, &def);
    return SH_OK;
}

sh_status_t
sh_table_rename (sh_esession_t *session, sh_table_t *table, const char *name, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_rename (session, table, name, error);
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- truncate, identity ---- */

sh_status_t
sh_table_truncate (sh_esession_t *session, sh_table_t *table, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_begin_alter (session, table, error);
    for (size_t i = 0; status == SH_OK && i < table->slot_count; i++)
        if (sh_slot_visible (&table->slots[i], session->txn))
            sh_slot_change (session, table, &table->slots[i], NULL);
    if (status == SH_OK && sh_def_identity (table->def) >= 0) {
        sh_undo_t *undo = sh_txn_undo (session, SH_UNDO_IDENTITY, table);
        undo->identity_last = table->identity_last;
        undo->identity_used = table->identity_used;
        table->identity_used = false;
        table->identity_last = 0;
    }
    sh_unlock_instance (session->instance);
    return status;
}

int64_t
sh_table_identity (sh_table_t *table)
{
    int column = sh_def_identity (table->def);
    pthread_mutex_lock (table->mutex);
    int64_t value = table->identity_last;
    if (!table->identity_used)
        value = column < 0 ? 0 : table->def->columns[column].identity_seed;
    pthread_mutex_unlock (table->mutex);
    return value;
}

void
sh_table_set_identity (sh_table_t *table, int64_t last)
{
    pthread_mutex_lock (table->mutex);
    table->identity_last = last;
    table->identity_used = true;
    pthread_mutex_unlock (table->mutex);
}
