/*  Rows, slots and key maps of a table: see image.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/image.h"

static atomic_llong s_serial = 1;

int64_t
sh_serial_next (void)
{
    return atomic_fetch_add (&s_serial, 1);
}

/*  ---- rows ---- */

static bool
s_has_bytes (const sh_value_t *value)
{
    return value->kind == SH_TEXT || value->kind == SH_DECIMAL || value->kind == SH_BLOB;
}

sh_row_t *
sh_row_new (const sh_value_t *values, int count)
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        if (s_has_bytes (&values[i]))
            bytes += (size_t)values[i].size + 1;
    size_t head = sizeof (sh_row_t) + (size_t)count * sizeof (sh_value_t);
    sh_row_t *row = sh_mem_alloc (head + bytes);
    char *at = (char *)row + head;
    atomic_init (&row->references, 1);
    row->count = count;
    row->bytes = (uint32_t)(head + bytes);
    row->serial = sh_serial_next ();
    for (int i = 0; i < count; i++) {
        row->values[i] = values[i];
        row->values[i].owned = false;
        if (s_has_bytes (&values[i])) {
            if (values[i].size)
                memcpy (at, values[i].as.text, values[i].size);
            row->values[i].as.text = at;
            at += values[i].size + 1;
        }
    }
    return row;
}

sh_row_t *
sh_row_hold (sh_row_t *row)
{
    if (row)
        atomic_fetch_add (&row->references, 1);
    return row;
}

void
sh_row_drop (sh_row_t *row)
{
    if (row && atomic_fetch_sub (&row->references, 1) == 1)
        free (row);
}

void
sh_row_put (sh_bytes_t *out, const sh_row_t *row)
{
    sh_put_u16 (out, (uint16_t)row->count);
    for (int i = 0; i < row->count; i++)
        sh_put_value (out, &row->values[i]);
}

sh_row_t *
sh_row_read (sh_reader_t *in)
{
    sh_value_t values[SH_COLUMNS_MAX];
    int count = sh_get_u16 (in);
    if (count > SH_COLUMNS_MAX) {
        in->failed = true;
        return NULL;
    }
    for (int i = 0; i < count; i++)
        values[i] = sh_get_value (in);
    sh_row_t *row = in->failed ? NULL : sh_row_new (values, count);
    for (int i = 0; i < count; i++)
        sh_value_clear (&values[i]);
    return row;
}

/*  ---- key maps: open addressing, linear ---- */

static void
s_key_place (sh_key_map_t *map, uint64_t hash, int64_t rid)
{
    size_t at = (size_t)hash & (map->capacity - 1);
    while (map->entries[at].rid != 0)
        at = (at + 1) & (map->capacity - 1);
    map->entries[at].hash = hash;
    map->entries[at].rid = rid;
    map->used++;
}

static void
s_key_add (sh_key_map_t *map, uint64_t hash, int64_t rid)
{
    if ((map->used + 1) * 2 > map->capacity) {
        sh_key_map_t old = *map;
        size_t alive = 0;
        for (size_t i = 0; i < old.capacity; i++)
            alive += old.entries[i].rid > 0;
        map->capacity = 16;
        while (map->capacity < (alive + 1) * 4)
            map->capacity *= 2;
        map->entries = sh_mem_alloc (map->capacity * sizeof *map->entries);
        map->used = 0;
        for (size_t i = 0; i < old.capacity; i++)
            if (old.entries[i].rid > 0)
                s_key_place (map, old.entries[i].hash, old.entries[i].rid);
        free (old.entries);
    }
    s_key_place (map, hash, rid);
}

static void
s_key_remove (sh_key_map_t *map, uint64_t hash, int64_t rid)
{
    if (map->capacity == 0)
        return;
    size_t at = (size_t)hash & (map->capacity - 1);
    while (map->entries[at].rid != 0) {
        if (map->entries[at].rid == rid && map->entries[at].hash == hash) {
            map->entries[at].rid = -1;
            return;
        }
        at = (at + 1) & (map->capacity - 1);
    }
}

int64_t
sh_key_next (const sh_key_map_t *map, uint64_t hash, size_t *cursor)
{
    if (map->capacity == 0)
        return 0;
    size_t mask = map->capacity - 1;
    size_t at = *cursor == SIZE_MAX ? (size_t)hash & mask : (*cursor + 1) & mask;
    while (map->entries[at].rid != 0) {
        if (map->entries[at].rid > 0 && map->entries[at].hash == hash) {
            *cursor = at;
            return map->entries[at].rid;
        }
        at = (at + 1) & mask;
    }
    return 0;
}

uint64_t
sh_key_hash (const sh_index_t *index, const sh_value_t *values)
{
    uint64_t hash = 17;
    for (int i = 0; i < index->column_count; i++)
        hash = (hash ^ sh_value_hash (&values[index->columns[i]])) * UINT64_C (0x9E3779B97F4A7C15);
    return hash ^ (hash >> 29);
}

bool
sh_key_equal (const sh_index_t *index, const sh_value_t *a, const sh_value_t *b)
{
    for (int i = 0; i < index->column_count; i++)
        if (!sh_value_equal (&a[index->columns[i]], &b[index->columns[i]]))
            return false;
    return true;
}

/*  ---- slots ---- */

size_t
sh_slot_at (const sh_table_t *table, int64_t rid)
{
    size_t low = 0, high = table->slot_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->slots[middle].rid < rid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

sh_slot_t *
sh_slot_find (const sh_table_t *table, int64_t rid)
{
    size_t at = sh_slot_at (table, rid);
    return at < table->slot_count && table->slots[at].rid == rid ? &table->slots[at] : NULL;
}

sh_slot_t *
sh_slot_add (sh_table_t *table, int64_t rid)
{
    size_t at = table->slot_count;
    if (at > 0 && table->slots[at - 1].rid >= rid)
        at = sh_slot_at (table, rid);
    table->slots =
        sh_grow (table->slots, table->slot_count, &table->slot_capacity, sizeof *table->slots);
    memmove (&table->slots[at + 1], &table->slots[at],
             (table->slot_count - at) * sizeof *table->slots);
    memset (&table->slots[at], 0, sizeof *table->slots);
    table->slots[at].rid = rid;
    table->slot_count++;
    table->dead++;
    if (rid >= table->next_rid)
        table->next_rid = rid + 1;
    return &table->slots[at];
}

/*  The hashes of one index over the rows alive in a slot: none, one or two. */
static int
s_hashes (const sh_index_t *index, const sh_row_t *a, const sh_row_t *b, uint64_t out[2])
{
    int count = 0;
    if (a)
        out[count++] = sh_key_hash (index, a->values);
    if (b) {
        out[count] = sh_key_hash (index, b->values);
        if (count == 0 || out[0] != out[1])
            count++;
    }
    return count;
}

static bool
s_contains (const uint64_t *set, int count, uint64_t hash)
{
    return (count > 0 && set[0] == hash) || (count > 1 && set[1] == hash);
}

static void
s_rekey (sh_table_t *table, const sh_slot_t *slot, const sh_row_t *committed,
         const sh_row_t *pending)
{
    for (int i = 0; i < table->def->index_count; i++) {
        const sh_index_t *index = &table->def->indexes[i];
        uint64_t before[2] = {0}, after[2] = {0};
        int old_count = s_hashes (index, slot->committed, slot->pending, before);
        int new_count = s_hashes (index, committed, pending, after);
        for (int k = 0; k < old_count; k++)
            if (!s_contains (after, new_count, before[k]))
                s_key_remove (&table->keys[i], before[k], slot->rid);
        for (int k = 0; k < new_count; k++)
            if (!s_contains (before, old_count, after[k]))
                s_key_add (&table->keys[i], after[k], slot->rid);
    }
}

static bool
s_dead (const sh_slot_t *slot)
{
    return !slot->committed && !slot->owner;
}

void
sh_slot_set (sh_table_t *table, sh_slot_t *slot, sh_row_t *committed, sh_row_t *pending,
             sh_txn_t *owner)
{
    sh_row_t *old_committed = slot->committed, *old_pending = slot->pending;
    bool was_dead = s_dead (slot);
    s_rekey (table, slot, committed, pending);
    table->bytes -= (old_committed ? old_committed->bytes : 0);
    table->bytes += committed ? committed->bytes : 0;
    slot->committed = committed;
    slot->pending = pending;
    slot->owner = owner;
    if (was_dead && !s_dead (slot))
        table->dead--;
    else if (!was_dead && s_dead (slot))
        table->dead++;
    if (old_committed != committed)
        sh_row_drop (old_committed);
    if (old_pending != pending)
        sh_row_drop (old_pending);
}

void
sh_table_mark_dirty (sh_table_t *table, sh_slot_t *slot)
{
    if (slot->dirty)
        return;
    slot->dirty = true;
    table->dirty =
        sh_grow (table->dirty, table->dirty_count, &table->dirty_capacity, sizeof *table->dirty);
    table->dirty[table->dirty_count++] = slot->rid;
}

void
sh_table_compact (sh_table_t *table)
{
    if (table->dead < 64 || table->dead * 2 < table->slot_count)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < table->slot_count; i++) {
        if (s_dead (&table->slots[i]) && !table->slots[i].dirty)
            continue;
        table->slots[kept++] = table->slots[i];
    }
    table->dead -= table->slot_count - kept;
    table->slot_count = kept;
}

/*  ---- tables ---- */

static void
s_keys_free (sh_table_t *table)
{
    for (int i = 0; table->keys && i < table->def->index_count; i++)
        free (table->keys[i].entries);
    free (table->keys);
    table->keys = NULL;
}

const sh_table_def_t *
sh_table_swap_def (sh_table_t *table, const sh_table_def_t *def)
{
    const sh_table_def_t *old = table->def;
    s_keys_free (table);
    table->def = def;
    table->keys = sh_mem_alloc ((size_t)def->index_count * sizeof *table->keys);
    for (int i = 0; i < def->index_count; i++)
        for (size_t k = 0; k < table->slot_count; k++) {
            uint64_t hashes[2];
            const sh_slot_t *slot = &table->slots[k];
            int count = s_hashes (&def->indexes[i], slot->committed, slot->pending, hashes);
            for (int j = 0; j < count; j++)
                s_key_add (&table->keys[i], hashes[j], slot->rid);
        }
    return old;
}

sh_table_t *
sh_table_new (int db_id, const sh_table_def_t *def)
{
    sh_table_t *table = sh_mem_alloc (sizeof *table);
    table->references = 1;
    table->db_id = db_id;
    table->next_rid = 1;
    sh_table_swap_def (table, sh_def_copy (def));
    return table;
}

sh_table_t *
sh_table_hold (sh_table_t *table)
{
    table->references++;
    return table;
}

void
sh_table_free (sh_table_t *table)
{
    if (!table || --table->references > 0)
        return;
    for (size_t i = 0; i < table->slot_count; i++) {
        sh_row_drop (table->slots[i].committed);
        sh_row_drop (table->slots[i].pending);
    }
    s_keys_free (table);
    sh_def_free (table->def);
    free (table->slots);
    free (table->dirty);
    free (table);
}
