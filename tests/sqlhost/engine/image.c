/*  The image of a database: names, catalog bytes, redo. See image.h. */
#include "tests/sqlhost/engine/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sh_image_t *
sh_image_new (int db_id)
{
    sh_image_t *self = sh_mem_alloc (sizeof *self);
    self->db_id = db_id;
    self->next_object_id = 245575913;
    return self;
}

void
sh_image_free (sh_image_t *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->table_count; i++)
        sh_table_free (self->tables[i]);
    for (size_t i = 0; i < self->node_count; i++)
        sh_node_drop (self->nodes[i]);
    free (self->tables);
    free (self->nodes);
    free (self->dropped);
    free (self);
}

int
sh_image_object_id (sh_image_t *self)
{
    self->next_object_id += 16;
    return self->next_object_id;
}

void
sh_image_add_table (sh_image_t *self, sh_table_t *table)
{
    self->tables =
        sh_grow (self->tables, self->table_count, &self->table_capacity, sizeof (sh_table_t *));
    self->tables[self->table_count++] = table;
    if (table->def->object_id > self->next_object_id)
        self->next_object_id = table->def->object_id;
}

void
sh_image_remove_table (sh_image_t *self, sh_table_t *table)
{
    for (size_t i = 0; i < self->table_count; i++)
        if (self->tables[i] == table) {
            self->dropped = sh_grow (self->dropped, self->dropped_count, &self->dropped_capacity,
                                     sizeof *self->dropped);
            self->dropped[self->dropped_count++] = table->def->object_id;
            self->tables[i] = self->tables[--self->table_count];
            sh_table_free (table);
            return;
        }
}

void
sh_image_add_node (sh_image_t *self, sh_node_t *node)
{
    self->nodes =
        sh_grow (self->nodes, self->node_count, &self->node_capacity, sizeof (sh_node_t *));
    self->nodes[self->node_count++] = node;
    if (node->body.object_id > self->next_object_id)
        self->next_object_id = node->body.object_id;
}

void
sh_image_remove_node (sh_image_t *self, sh_node_t *node)
{
    for (size_t i = 0; i < self->node_count; i++)
        if (self->nodes[i] == node) {
            self->nodes[i] = self->nodes[--self->node_count];
            sh_node_drop (node);
            return;
        }
}

/*  ---- names ---- */

bool
sh_name_equal (const char *a, const char *b)
{
    return sh_text_compare (a, strlen (a), b, strlen (b)) == 0;
}

static bool
s_visible (const sh_txn_t *created_by, const sh_txn_t *dropped_by, const sh_txn_t *viewer)
{
    return (!created_by || created_by == viewer) && !(dropped_by && dropped_by == viewer);
}

sh_table_t *
sh_image_table (const sh_image_t *self, const char *schema, const char *name,
                const sh_txn_t *viewer)
{
    for (size_t i = 0; i < self->table_count; i++) {
        sh_table_t *table = self->tables[i];
        if (s_visible (table->created_by, table->dropped_by, viewer) &&
            sh_name_equal (table->def->name, name) &&
            sh_name_equal (table->def->schema, schema ? schema : "dbo"))
            return table;
    }
    return NULL;
}

sh_node_t *
sh_image_node (const sh_image_t *self, const char *kind, const char *schema, const char *name,
               const sh_txn_t *viewer)
{
    for (size_t i = 0; i < self->node_count; i++) {
        sh_node_t *node = self->nodes[i];
        if (kind ? strcmp (node->body.kind, kind) != 0 : !node->shares_names)
            continue;
        if (s_visible (node->created_by, node->dropped_by, viewer) &&
            sh_name_equal (node->body.name, name) &&
            sh_name_equal (node->body.schema, schema ? schema : "dbo"))
            return node;
    }
    return NULL;
}

sh_table_t *
sh_image_table_by_id (const sh_image_t *self, int object_id)
{
    for (size_t i = 0; i < self->table_count; i++)
        if (self->tables[i]->def->object_id == object_id)
            return self->tables[i];
    return NULL;
}

sh_node_t *
sh_image_node_by_id (const sh_image_t *self, int object_id)
{
    for (size_t i = 0; i < self->node_count; i++)
        if (self->nodes[i]->body.object_id == object_id && !self->nodes[i]->created_by)
            return self->nodes[i];
    return NULL;
}

/*  ---- the catalog as bytes ---- */

void
sh_image_put_catalog (sh_bytes_t *out, const sh_image_t *self)
{
    uint32_t tables = 0, nodes = 0;
    for (size_t i = 0; i < self->table_count; i++)
        tables += !self->tables[i]->created_by;
    for (size_t i = 0; i < self->node_count; i++)
        nodes += !self->nodes[i]->created_by;
    sh_put_u32 (out, (uint32_t)self->next_object_id);
    sh_put_u32 (out, tables);
    for (size_t i = 0; i < self->table_count; i++) {
        const sh_table_t *table = self->tables[i];
        if (table->created_by)
            continue;
        sh_def_put (out, table->def);
        sh_put_i64 (out, table->next_rid);
        sh_put_u8 (out, table->identity_used);
        sh_put_i64 (out, table->identity_last);
    }
    sh_put_u32 (out, nodes);
    for (size_t i = 0; i < self->node_count; i++)
        if (!self->nodes[i]->created_by)
            sh_module_write (out, &self->nodes[i]->body);
}

bool
sh_image_read_catalog (sh_image_t *self, const void *data, size_t size)
{
    sh_reader_t in = {.data = data, .size = size};
    int next_object_id = (int)sh_get_u32 (&in);
    uint32_t tables = sh_get_u32 (&in);
    for (uint32_t i = 0; i < tables && !in.failed; i++) {
        sh_table_def_t *def = sh_def_read (&in);
        if (!def)
            return false;
        sh_table_t *table = sh_table_new (self->db_id, def);
        sh_def_free (def);
        table->next_rid = sh_get_i64 (&in);
        table->identity_used = sh_get_u8 (&in) != 0;
        table->identity_last = sh_get_i64 (&in);
        sh_image_add_table (self, table);
    }
    uint32_t nodes = sh_get_u32 (&in);
    for (uint32_t i = 0; i < nodes && !in.failed; i++) {
        sh_node_t *node = sh_node_read (&in);
        if (!node)
            return false;
        sh_image_add_node (self, node);
    }
    self->next_object_id = next_object_id;
    return !in.failed;
}

/*  ---- log records ---- */

void
sh_op_row (sh_bytes_t *out, int op, int object_id, int64_t rid, const sh_row_t *row)
{
    sh_put_u8 (out, (uint8_t)op);
    sh_put_u32 (out, (uint32_t)object_id);
    sh_put_i64 (out, rid);
    if (row)
        sh_row_put (out, row);
}

void
sh_op_identity (sh_bytes_t *out, const sh_table_t *table)
{
    sh_put_u8 (out, SH_OP_IDENTITY);
    sh_put_u32 (out, (uint32_t)table->def->object_id);
    sh_put_i64 (out, table->identity_last);
    sh_put_u8 (out, table->identity_used);
}

void
sh_op_end (sh_bytes_t *out, const uint32_t counts[3])
{
    sh_put_u8 (out, SH_OP_END);
    for (int i = 0; i < 3; i++)
        sh_put_u32 (out, counts[i]);
}

typedef struct {
    sh_image_t *image;
    sh_reader_t in;
    uint32_t counts[3];
    char *text;
    size_t text_size;
} s_redo_t;

static bool
s_redo_fail (s_redo_t *redo, const char *what, int64_t object_id, int64_t rid)
{
    snprintf (redo->text, redo->text_size, "%s (object %lld, row %lld)", what, (long long)object_id,
              (long long)rid);
    return false;
}

static bool
s_redo_row (s_redo_t *redo, int op)
{
    int object_id = (int)sh_get_u32 (&redo->in);
    int64_t rid = sh_get_i64 (&redo->in);
    if (redo->in.failed || rid < 1)
        return s_redo_fail (redo, "the log record is damaged", object_id, rid);
    sh_table_t *table = sh_image_table_by_id (redo->image, object_id);
    if (!table)
        return s_redo_fail (redo, "the log record changes a table that is not there", object_id,
                            rid);
    sh_slot_t *slot = sh_slot_find (table, rid);
    bool there = slot && slot->committed;
    if (op == SH_OP_INSERT && there)
        return s_redo_fail (redo, "the log record inserts a row that is there already", object_id,
                            rid);
    if (op != SH_OP_INSERT && !there)
        return s_redo_fail (redo, "the log record changes a row that is not there", object_id, rid);
    sh_row_t *row = NULL;
    if (op != SH_OP_DELETE) {
        row = sh_row_read (&redo->in);
        if (!row || row->count != table->def->column_count) {
            sh_row_drop (row);
            return s_redo_fail (redo, "the log record's row does not fit its table", object_id,
                                rid);
        }
    }
    if (!slot)
        slot = sh_slot_add (table, rid);
    sh_slot_set (table, slot, row, NULL, NULL);
    sh_table_mark_dirty (table, slot);
    if (op == SH_OP_INSERT)
        redo->counts[0]++;
    else
        redo->counts[op == SH_OP_UPDATE ? 1 : 2]++;
    return true;
}

/*  New columns are NULL until the record's own updates of these rows come. */
static void
s_pad_rows (sh_table_t *table, int column_count)
{
    for (size_t i = 0; i < table->slot_count; i++) {
        sh_slot_t *slot = &table->slots[i];
        sh_value_t values[SH_COLUMNS_MAX];
        if (!slot->committed || slot->committed->count >= column_count)
            continue;
        for (int k = 0; k < column_count; k++)
            values[k] = k < slot->committed->count ? slot->committed->values[k] : sh_value_null ();
        sh_slot_set (table, slot, sh_row_new (values, column_count), NULL, NULL);
        sh_table_mark_dirty (table, slot);
    }
}

/*  CREATE and DEFINE. */
static bool
s_redo_define (s_redo_t *redo, int op)
{
    sh_table_def_t *def = sh_def_read (&redo->in);
    if (!def)
        return s_redo_fail (redo, "the log record is damaged", 0, 0);
    sh_table_t *table = sh_image_table_by_id (redo->image, def->object_id);
    bool fits = (op == SH_OP_CREATE) == !table;
    if (!fits)
        s_redo_fail (redo, "the log record's table definition does not fit", def->object_id, 0);
    else if (table) {
        s_pad_rows (table, def->column_count);
        def = (sh_table_def_t *)(uintptr_t)sh_table_swap_def (table, def);
    } else
        sh_image_add_table (redo->image, sh_table_new (redo->image->db_id, def));
    sh_def_free (def);
    redo->image->catalog_dirty = true;
    return fits;
}

static bool
s_redo_module (s_redo_t *redo)
{
    sh_node_t *node = sh_node_read (&redo->in);
    if (!node)
        return s_redo_fail (redo, "the log record is damaged", 0, 0);
    sh_node_t *old = sh_image_node_by_id (redo->image, node->body.object_id);
    if (old)
        sh_image_remove_node (redo->image, old);
    sh_image_add_node (redo->image, node);
    redo->image->catalog_dirty = true;
    return true;
}

static bool
s_redo_drop (s_redo_t *redo, int op)
{
    int object_id = (int)sh_get_u32 (&redo->in);
    sh_table_t *table = sh_image_table_by_id (redo->image, object_id);
    sh_node_t *node = sh_image_node_by_id (redo->image, object_id);
    if (op == SH_OP_DROP && table)
        sh_image_remove_table (redo->image, table);
    else if (op == SH_OP_UNMODULE && node)
        sh_image_remove_node (redo->image, node);
    else
        return s_redo_fail (redo, "the log record drops an object that is not there", object_id, 0);
    redo->image->catalog_dirty = true;
    return true;
}

static bool
s_redo_identity (s_redo_t *redo)
{
    int object_id = (int)sh_get_u32 (&redo->in);
    int64_t last = sh_get_i64 (&redo->in);
    bool used = sh_get_u8 (&redo->in) != 0;
    sh_table_t *table = sh_image_table_by_id (redo->image, object_id);
    if (!table)
        return s_redo_fail (redo, "the log record changes a table that is not there", object_id, 0);
    table->identity_last = last;
    table->identity_used = used;
    redo->image->catalog_dirty = true;
    return true;
}

static bool
s_redo_end (s_redo_t *redo)
{
    bool same = true;
    for (int i = 0; i < 3; i++)
        same &= sh_get_u32 (&redo->in) == redo->counts[i];
    if (!same || redo->in.failed || redo->in.at != redo->in.size)
        return s_redo_fail (redo, "the log record's row counts are not what was applied", 0, 0);
    return true;
}

static bool
s_redo_step (s_redo_t *redo, int op)
{
    switch (op) {
        case SH_OP_CREATE:
        case SH_OP_DEFINE:
            return s_redo_define (redo, op);
        case SH_OP_DROP:
        case SH_OP_UNMODULE:
            return s_redo_drop (redo, op);
        case SH_OP_INSERT:
        case SH_OP_UPDATE:
        case SH_OP_DELETE:
            return s_redo_row (redo, op);
        case SH_OP_IDENTITY:
            return s_redo_identity (redo);
        case SH_OP_MODULE:
            return s_redo_module (redo);
        case SH_OP_END:
            return s_redo_end (redo);
        default:
            return s_redo_fail (redo, "the log record is damaged", op, 0);
    }
}

bool
sh_image_redo (sh_image_t *self, const void *data, size_t size, char *text, size_t text_size)
{
    s_redo_t redo = {
        .image = self, .in = {.data = data, .size = size}, .text = text, .text_size = text_size};
    int op;
    do {
        op = sh_get_u8 (&redo.in);
        if (redo.in.failed)
            return s_redo_fail (&redo, "the log record has no end", 0, 0);
        if (!s_redo_step (&redo, op))
            return false;
    } while (op != SH_OP_END);
    return true;
}
