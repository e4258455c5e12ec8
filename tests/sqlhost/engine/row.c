/*  Changing rows: see row.h. */
#include "tests/sqlhost/engine/row.h"

#include <stdio.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

sh_row_t *
sh_slot_visible (const sh_slot_t *slot, const sh_txn_t *viewer)
{
    return slot->owner && slot->owner == viewer ? slot->pending : slot->committed;
}

void
sh_slot_change (sh_esession_t *session, sh_table_t *table, sh_slot_t *slot, sh_row_t *row)
{
    sh_txn_t *txn = session->txn;
    sh_undo_t *undo = sh_txn_undo (session, SH_UNDO_ROW, table);
    undo->rid = slot->rid;
    undo->was_owner = slot->owner == txn;
    undo->row = undo->was_owner ? sh_row_hold (slot->pending) : NULL;
    sh_slot_set (table, slot, slot->committed, row, txn);
    txn->changes++;
}

/*  ---- checks ---- */

static void
s_full_name (sh_esession_t *session, const sh_table_t *table, char *out, size_t size)
{
    const sh_db_t *db = sh_db_by_id (session->instance, table->db_id);
    snprintf (out, size, "%s.%s.%s", db ? db->info.name : "?", table->def->schema,
              table->def->name);
}

static sh_status_t
s_check_nulls (sh_esession_t *session, const sh_table_t *table, const sh_value_t *values,
               const char *verb, sh_error_t *error)
{
    for (int i = 0; i < table->def->column_count; i++)
        if (values[i].kind == SH_NULL && !table->def->columns[i].nullable) {
            char name[400];
            s_full_name (session, table, name, sizeof name);
            return sh_fail (error, 515, 16, 2,
                            "Cannot insert the value NULL into column '%s', table '%s'; column "
                            "does not allow nulls. %s fails.",
                            table->def->columns[i].name, name, verb);
        }
    return SH_OK;
}

static void
s_print_value (const sh_value_t *value, char *out, size_t size)
{
    char guid[37];
    switch (value->kind) {
        case SH_NULL:
            snprintf (out, size, "<NULL>");
            break;
        case SH_INT:
            snprintf (out, size, "%lld", (long long)value->as.integer);
            break;
        case SH_DOUBLE:
            snprintf (out, size, "%g", value->as.real);
            break;
        case SH_TEXT:
        case SH_DECIMAL:
            sh_copy (out, size, value->as.text);
            break;
        case SH_GUID:
            sh_guid_print (value->as.guid, guid);
            snprintf (out, size, "%s", guid);
            break;
        case SH_DATETIME: {
            sh_civil_t at;
            sh_ticks_to_civil (value->as.ticks, &at);
            snprintf (out, size, "%04d-%02d-%02d %02d:%02d:%02d.%03d", at.year, at.month, at.day,
                      at.hour, at.minute, at.second, at.fraction / SH_TICKS_PER_MS);
            break;
        }
        case SH_BLOB:
            snprintf (out, size, "0x...");
            break;
    }
}

static sh_status_t
s_duplicate (const sh_table_t *table, const sh_index_t *index, const sh_row_t *row,
             sh_error_t *error)
{
    char key[900] = "(";
    size_t used = 1;
    for (int i = 0; i < index->column_count && used < sizeof key - 40; i++) {
        char one[200];
        s_print_value (&row->values[index->columns[i]], one, sizeof one);
        int more = snprintf (key + used, sizeof key - used, "%s%s", i ? ", " : "", one);
        used += (size_t)more < sizeof key - used ? (size_t)more : sizeof key - used - 1;
    }
    snprintf (key + used, sizeof key - used, ")");
    if (index->primary_key || index->unique_constraint)
        return sh_fail (error, 2627, 14, 1,
                        "Violation of %s constraint '%s'. Cannot insert duplicate key in object "
                        "'%s.%s'. The duplicate key value is %s.",
                        index->primary_key ? "PRIMARY KEY" : "UNIQUE KEY", index->name,
                        table->def->schema, table->def->name, key);
    return sh_fail (error, 2601, 14, 1,
                    "Cannot insert duplicate key row in object '%s.%s' with unique index '%s'. The "
                    "duplicate key value is %s.",
                    table->def->schema, table->def->name, index->name, key);
}

static bool
s_has_key (const sh_index_t *index, const sh_row_t *version, const sh_row_t *row)
{
    return version && sh_key_equal (index, version->values, row->values);
}

static void
s_note_deferred (sh_esession_t *session, sh_table_t *table, int64_t rid)
{
    session->deferred = sh_grow (session->deferred, session->deferred_count,
                                 &session->deferred_capacity, sizeof *session->deferred);
    session->deferred[session->deferred_count++] =
        (sh_deferred_t){.table = sh_table_hold (table), .rid = rid};
}

/*  One index. SH_CHANGED: it had to wait, look again. */
static sh_status_t
s_check_key (sh_esession_t *session, sh_table_t *table, int index_number, const sh_row_t *row,
             int64_t own_rid, sh_error_t *error)
{
    const sh_index_t *index = &table->def->indexes[index_number];
    uint64_t hash = sh_key_hash (index, row->values);
    size_t cursor = SIZE_MAX;
    int64_t rid;
    while ((rid = sh_key_next (&table->keys[index_number], hash, &cursor)) != 0) {
        const sh_slot_t *slot = sh_slot_find (table, rid);
        if (rid == own_rid || !slot)
            continue;
        if (!slot->owner || slot->owner == session->txn) {
            if (!s_has_key (index, sh_slot_visible (slot, session->txn), row))
                continue;
            if (own_rid == 0 || !session->deferring)
                return s_duplicate (table, index, row, error);
            s_note_deferred (session, table, own_rid);
            return SH_OK;
        } else if (s_has_key (index, slot->committed, row) ||
                   s_has_key (index, slot->pending, row)) {
            /*  Another's open change decides whether there is such a key. */
            sh_lock_key_t key = sh_key_row (table, rid);
            sh_status_t status = sh_lock_pass (session, &key, SH_LOCK_S, error);
            return status == SH_OK ? SH_CHANGED : status;
        }
    }
    return SH_OK;
}

static sh_status_t
s_check_keys (sh_esession_t *session, sh_table_t *table, const sh_row_t *row, int64_t own_rid,
              sh_error_t *error)
{
    for (int i = 0; i < table->def->index_count;) {
        sh_status_t status = SH_OK;
        if (table->def->indexes[i].unique)
            status = s_check_key (session, table, i, row, own_rid, error);
        if (status == SH_CHANGED)
            i = 0;
        else if (status != SH_OK)
            return status;
        else
            i++;
    }
    return SH_OK;
}

void
sh_keys_defer (sh_esession_t *session)
{
    session->deferring = true;
}

sh_status_t
sh_keys_verify (sh_esession_t *session, bool keep, sh_error_t *error)
{
    sh_status_t status = SH_OK;
    sh_lock_instance (session->instance);
    session->deferring = false;
    for (size_t i = 0; i < session->deferred_count; i++) {
        sh_table_t *table = session->deferred[i].table;
        const sh_slot_t *slot = sh_slot_find (table, session->deferred[i].rid);
        sh_row_t *row = slot ? sh_row_hold (sh_slot_visible (slot, session->txn)) : NULL;
        if (keep && status == SH_OK && row)
            status = s_check_keys (session, table, row, session->deferred[i].rid, error);
        sh_row_drop (row);
        sh_table_free (table);
    }
    session->deferred_count = 0;
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- insert ---- */

static sh_status_t
s_identity_overflow (const sh_column_t *column, sh_error_t *error)
{
    return sh_fail (error, 8115, 16, 1,
                    "Arithmetic overflow error converting IDENTITY to data "
                    "type %s.",
                    sh_type_name (column->type.id));
}

static bool
s_in_range (sh_type_id_t type, int64_t value)
{
    switch (type) {
        case SH_TYPE_TINYINT:
            return value >= 0 && value <= 255;
        case SH_TYPE_SMALLINT:
            return value >= INT16_MIN && value <= INT16_MAX;
        case SH_TYPE_INT:
            return value >= INT32_MIN && value <= INT32_MAX;
        default:
            return true;
    }
}

/*  Gives the next identity value, or learns from one that was given. */
static sh_status_t
s_fill_identity (sh_table_t *table, int column_number, sh_value_t *value, int64_t *identity,
                 sh_error_t *error)
{
    const sh_column_t *column = &table->def->columns[column_number];
    int64_t step = column->identity_increment ? column->identity_increment : 1;
    if (value->kind == SH_NULL) {
        int64_t next = column->identity_seed;
        if (table->identity_used && __builtin_add_overflow (table->identity_last, step, &next))
            return s_identity_overflow (column, error);
        if (!s_in_range (column->type.id, next))
            return s_identity_overflow (column, error);
        *value = sh_value_int (next);
        table->identity_last = next;
        table->identity_used = true;
    } else if (value->kind == SH_INT) {
        bool further =
            !table->identity_used || (step > 0 ? value->as.integer > table->identity_last
                                               : value->as.integer < table->identity_last);
        if (further)
            table->identity_last = value->as.integer;
        table->identity_used = true;
    }
    if (identity && value->kind == SH_INT)
        *identity = value->as.integer;
    return SH_OK;
}

static void
s_fill_timestamps (const sh_table_t *table, sh_value_t *values, uint8_t stamp[8])
{
    int64_t serial = sh_serial_next ();
    for (int i = 0; i < 8; i++)
        stamp[i] = (uint8_t)((uint64_t)serial >> (56 - 8 * i));
    for (int i = 0; i < table->def->column_count; i++)
        if (table->def->columns[i].type.id == SH_TYPE_TIMESTAMP)
            values[i] = sh_value_blob (stamp, 8);
}

/*  Everything that a change needs before it looks at rows. */
static sh_status_t
s_begin_change (sh_esession_t *session, sh_table_t *table, sh_error_t *error)
{
    sh_status_t status = sh_esession_check_locked (session, error);
    if (status == SH_OK)
        status = sh_txn_touch (session, table->db_id, error);
    if (status == SH_OK) {
        sh_lock_key_t key = sh_key_object (table);
        status = sh_lock_take (session, &key, SH_LOCK_IX, SH_FOR_TXN, NULL, error);
    }
    return status;
}

static sh_status_t
s_insert (sh_esession_t *session, sh_table_t *table, const sh_value_t *values, int64_t *rid,
          int64_t *identity, sh_error_t *error)
{
    sh_value_t filled[SH_COLUMNS_MAX];
    uint8_t stamp[8];
    sh_status_t status = s_begin_change (session, table, error);
    if (status != SH_OK)
        return status;
    memcpy (filled, values, (size_t)table->def->column_count * sizeof *filled);
    int identity_column = sh_def_identity (table->def);
    if (identity_column >= 0)
        status =
            s_fill_identity (table, identity_column, &filled[identity_column], identity, error);
    s_fill_timestamps (table, filled, stamp);
    if (status == SH_OK)
        status = s_check_nulls (session, table, filled, "INSERT", error);
    if (status != SH_OK)
        return status;
    sh_row_t *row = sh_row_new (filled, table->def->column_count);
    status = s_check_keys (session, table, row, 0, error);
    if (status != SH_OK) {
        sh_row_drop (row);
        return status;
    }
    int64_t new_rid = table->next_rid;
    sh_lock_key_t key = sh_key_row (table, new_rid);
    sh_lock_take (session, &key, SH_LOCK_X, SH_FOR_TXN, NULL, NULL); /* nobody knows it yet */
    sh_slot_change (session, table, sh_slot_add (table, new_rid), row);
    if (rid)
        *rid = new_rid;
    return SH_OK;
}

sh_status_t
sh_row_insert (sh_esession_t *session, sh_table_t *table, const sh_value_t *values, int64_t *rid,
               int64_t *identity, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_insert (session, table, values, rid, identity, error);
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- update, delete ---- */

/*  Takes the row's X lock and finds it as it was read. */
static sh_status_t
s_begin_row (sh_esession_t *session, sh_table_t *table, int64_t rid, int64_t version,
             sh_error_t *error)
{
    sh_lock_key_t key = sh_key_row (table, rid);
    sh_status_t status = s_begin_change (session, table, error);
    if (status == SH_OK)
        status = sh_lock_take (session, &key, SH_LOCK_X, SH_FOR_TXN, NULL, error);
    if (status != SH_OK)
        return status;
    const sh_slot_t *slot = sh_slot_find (table, rid);
    const sh_row_t *row = slot ? sh_slot_visible (slot, session->txn) : NULL;
    return !row || (version != 0 && row->serial != version) ? SH_CHANGED : SH_OK;
}

static sh_status_t
s_update (sh_esession_t *session, sh_table_t *table, int64_t rid, int64_t version,
          const sh_value_t *values, sh_error_t *error)
{
    sh_value_t filled[SH_COLUMNS_MAX];
    uint8_t stamp[8];
    sh_status_t status = s_begin_row (session, table, rid, version, error);
    if (status == SH_OK)
        status = s_check_nulls (session, table, values, "UPDATE", error);
    if (status != SH_OK)
        return status;
    memcpy (filled, values, (size_t)table->def->column_count * sizeof *filled);
    s_fill_timestamps (table, filled, stamp);
    sh_row_t *row = sh_row_new (filled, table->def->column_count);
    status = s_check_keys (session, table, row, rid, error);
    if (status == SH_OK)
        sh_slot_change (session, table, sh_slot_find (table, rid), row);
    else
        sh_row_drop (row);
    return status;
}

sh_status_t
sh_row_update (sh_esession_t *session, sh_table_t *table, int64_t rid, int64_t version,
               const sh_value_t *values, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_update (session, table, rid, version, values, error);
    sh_unlock_instance (session->instance);
    return status;
}

sh_status_t
sh_row_delete (sh_esession_t *session, sh_table_t *table, int64_t rid, int64_t version,
               sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_begin_row (session, table, rid, version, error);
    if (status == SH_OK)
        sh_slot_change (session, table, sh_slot_find (table, rid), NULL);
    sh_unlock_instance (session->instance);
    return status;
}

sh_status_t
sh_row_keep (sh_esession_t *session, sh_table_t *table, int64_t rid, sh_error_t *error)
{
    sh_lock_key_t key = sh_key_row (table, rid);
    sh_lock_instance (session->instance);
    sh_status_t status = sh_lock_take (session, &key, SH_LOCK_U, SH_FOR_TXN, NULL, error);
    sh_unlock_instance (session->instance);
    return status;
}

sh_status_t
sh_row_get (sh_esession_t *session, sh_table_t *table, int64_t rid, const sh_value_t **values)
{
    sh_lock_instance (session->instance);
    const sh_slot_t *slot = sh_slot_find (table, rid);
    sh_row_t *row = slot ? sh_row_hold (sh_slot_visible (slot, session->txn)) : NULL;
    sh_row_drop (session->shown);
    session->shown = row;
    *values = row ? row->values : NULL;
    sh_unlock_instance (session->instance);
    return row ? SH_OK : SH_END;
}

sh_status_t
sh_table_lock (sh_esession_t *session, sh_table_t *table, bool exclusive, sh_error_t *error)
{
    sh_lock_key_t key = sh_key_object (table);
    sh_lock_instance (session->instance);
    sh_status_t status =
        sh_lock_take (session, &key, exclusive ? SH_LOCK_X : SH_LOCK_S, SH_FOR_TXN, NULL, error);
    sh_unlock_instance (session->instance);
    return status;
}
