/*  Table definitions and modules: copies, bytes. */
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/image.h"

static void
s_free (const char *text)
{
    free ((void *)(uintptr_t)text);
}

void
sh_column_copy (sh_column_t *out, const sh_column_t *in)
{
    *out = *in;
    out->name = sh_mem_strdup (in->name);
    out->default_name = sh_mem_strdup (in->default_name);
    out->default_text = sh_mem_strdup (in->default_text);
    out->computed_text = sh_mem_strdup (in->computed_text);
}

sh_table_def_t *
sh_def_copy (const sh_table_def_t *def)
{
    sh_table_def_t *copy = sh_mem_alloc (sizeof *copy);
    *copy = *def;
    copy->schema = sh_mem_strdup (def->schema ? def->schema : "dbo");
    copy->name = sh_mem_strdup (def->name);
    sh_column_t *columns = sh_mem_alloc ((size_t)def->column_count * sizeof *columns);
    for (int i = 0; i < def->column_count; i++)
        sh_column_copy (&columns[i], &def->columns[i]);
    sh_index_t *indexes = sh_mem_alloc ((size_t)def->index_count * sizeof *indexes);
    for (int i = 0; i < def->index_count; i++) {
        indexes[i] = def->indexes[i];
        indexes[i].name = sh_mem_strdup (def->indexes[i].name);
    }
    sh_constraint_t *constraints =
        sh_mem_alloc ((size_t)def->constraint_count * sizeof *constraints);
    for (int i = 0; i < def->constraint_count; i++) {
        constraints[i].name = sh_mem_strdup (def->constraints[i].name);
        constraints[i].kind = sh_mem_strdup (def->constraints[i].kind);
        constraints[i].text = sh_mem_strdup (def->constraints[i].text);
    }
    copy->columns = columns;
    copy->indexes = indexes;
    copy->constraints = constraints;
    copy->version = (uint64_t)sh_serial_next ();
    return copy;
}

void
sh_def_free (const sh_table_def_t *def)
{
    if (!def)
        return;
    for (int i = 0; i < def->column_count; i++) {
        s_free (def->columns[i].name);
        s_free (def->columns[i].default_name);
        s_free (def->columns[i].default_text);
        s_free (def->columns[i].computed_text);
    }
    for (int i = 0; i < def->index_count; i++)
        s_free (def->indexes[i].name);
    for (int i = 0; i < def->constraint_count; i++) {
        s_free (def->constraints[i].name);
        s_free (def->constraints[i].kind);
        s_free (def->constraints[i].text);
    }
    free ((void *)(uintptr_t)def->columns);
    free ((void *)(uintptr_t)def->indexes);
    free ((void *)(uintptr_t)def->constraints);
    s_free (def->schema);
    s_free (def->name);
    free ((void *)(uintptr_t)def);
}

int
sh_def_identity (const sh_table_def_t *def)
{
    for (int i = 0; i < def->column_count; i++)
        if (def->columns[i].identity)
            return i;
    return -1;
}

/*  ---- bytes ---- */

static void
s_put_column (sh_bytes_t *out, const sh_column_t *column)
{
    sh_put_text (out, column->name);
    sh_put_u8 (out, (uint8_t)column->type.id);
    sh_put_u32 (out, (uint32_t)column->type.size);
    sh_put_u8 (out, column->type.precision);
    sh_put_u8 (out, column->type.scale);
    sh_put_u8 (out, (uint8_t)(column->nullable | column->identity << 1 | column->rowguid << 2));
    sh_put_i64 (out, column->identity_seed);
    sh_put_i64 (out, column->identity_increment);
    sh_put_text (out, column->default_name);
    sh_put_text (out, column->default_text);
    sh_put_text (out, column->computed_text);
}

static void
s_get_column (sh_reader_t *in, sh_column_t *column)
{
    column->name = sh_get_text (in);
    column->type.id = (sh_type_id_t)sh_get_u8 (in);
    column->type.size = (int32_t)sh_get_u32 (in);
    column->type.precision = sh_get_u8 (in);
    column->type.scale = sh_get_u8 (in);
    uint8_t flags = sh_get_u8 (in);
    column->nullable = flags & 1;
    column->identity = (flags & 2) != 0;
    column->rowguid = (flags & 4) != 0;
    column->identity_seed = sh_get_i64 (in);
    column->identity_increment = sh_get_i64 (in);
    column->default_name = sh_get_text (in);
    column->default_text = sh_get_text (in);
    column->computed_text = sh_get_text (in);
    if (!column->name)
        in->failed = true;
}

static void
s_put_index (sh_bytes_t *out, const sh_index_t *index)
{
    sh_put_text (out, index->name);
    sh_put_u8 (out, (uint8_t)(index->unique | index->primary_key << 1 |
                              index->unique_constraint << 2 | index->clustered << 3));
    sh_put_u8 (out, (uint8_t)index->column_count);
    for (int i = 0; i < index->column_count; i++) {
        sh_put_u16 (out, (uint16_t)index->columns[i]);
        sh_put_u8 (out, index->descending[i]);
    }
}

static void
s_get_index (sh_reader_t *in, sh_index_t *index, int column_count)
{
    index->name = sh_get_text (in);
    uint8_t flags = sh_get_u8 (in);
    index->unique = flags & 1;
    index->primary_key = (flags & 2) != 0;
    index->unique_constraint = (flags & 4) != 0;
    index->clustered = (flags & 8) != 0;
    int count = sh_get_u8 (in);
    if (count > SH_KEY_COLUMNS_MAX) {
        in->failed = true;
        return;
    }
    index->column_count = count;
    for (int i = 0; i < count; i++) {
        index->columns[i] = sh_get_u16 (in);
        index->descending[i] = sh_get_u8 (in);
        if (index->columns[i] >= column_count)
            in->failed = true;
    }
}

void
sh_def_put (sh_bytes_t *out, const sh_table_def_t *def)
{
    sh_put_text (out, def->schema);
    sh_put_text (out, def->name);
    sh_put_u32 (out, (uint32_t)def->object_id);
    sh_put_i64 (out, def->created);
    sh_put_i64 (out, def->modified);
    sh_put_u16 (out, (uint16_t)def->column_count);
    for (int i = 0; i < def->column_count; i++)
        s_put_column (out, &def->columns[i]);
    sh_put_u16 (out, (uint16_t)def->index_count);
    for (int i = 0; i < def->index_count; i++)
        s_put_index (out, &def->indexes[i]);
    sh_put_u16 (out, (uint16_t)def->constraint_count);
    for (int i = 0; i < def->constraint_count; i++) {
        sh_put_text (out, def->constraints[i].name);
        sh_put_text (out, def->constraints[i].kind);
        sh_put_text (out, def->constraints[i].text);
    }
}

static int
s_get_count (sh_reader_t *in, int most)
{
    int count = sh_get_u16 (in);
    if (count > most)
        in->failed = true;
    return in->failed ? 0 : count;
}

sh_table_def_t *
sh_def_read (sh_reader_t *in)
{
    sh_table_def_t *def = sh_mem_alloc (sizeof *def);
    def->schema = sh_get_text (in);
    def->name = sh_get_text (in);
    def->object_id = (int)sh_get_u32 (in);
    def->created = sh_get_i64 (in);
    def->modified = sh_get_i64 (in);
    def->column_count = s_get_count (in, SH_COLUMNS_MAX);
    sh_column_t *columns = sh_mem_alloc ((size_t)def->column_count * sizeof *columns);
    for (int i = 0; i < def->column_count; i++)
        s_get_column (in, &columns[i]);
    def->index_count = s_get_count (in, SH_INDEXES_MAX);
    sh_index_t *indexes = sh_mem_alloc ((size_t)def->index_count * sizeof *indexes);
    for (int i = 0; i < def->index_count; i++)
        s_get_index (in, &indexes[i], def->column_count);
    def->constraint_count = s_get_count (in, UINT16_MAX);
    sh_constraint_t *constraints =
        sh_mem_alloc ((size_t)def->constraint_count * sizeof *constraints);
    for (int i = 0; i < def->constraint_count; i++) {
        constraints[i].name = sh_get_text (in);
        constraints[i].kind = sh_get_text (in);
        constraints[i].text = sh_get_text (in);
    }
    def->columns = columns;
    def->indexes = indexes;
    def->constraints = constraints;
    def->version = (uint64_t)sh_serial_next ();
    if (in->failed || !def->schema || !def->name) {
        in->failed = true;
        sh_def_free (def);
        return NULL;
    }
    return def;
}

/*  ---- modules ---- */

sh_node_t *
sh_node_new (const sh_module_t *module)
{
    sh_node_t *node = sh_mem_alloc (sizeof *node);
    node->body = *module;
    node->body.schema = sh_mem_strdup (module->schema ? module->schema : "dbo");
    node->body.name = sh_mem_strdup (module->name);
    node->body.kind = sh_mem_strdup (module->kind);
    node->body.parent = sh_mem_strdup (module->parent);
    node->body.text = sh_mem_strdup (module->text);
    node->body.extra = sh_mem_strdup (module->extra);
    node->body.version = (uint64_t)sh_serial_next ();
    const char *kind = node->body.kind;
    node->shares_names = strcmp (kind, "P") == 0 || strcmp (kind, "FN") == 0 ||
                         strcmp (kind, "V") == 0 || strcmp (kind, "TR") == 0;
    atomic_init (&node->references, 1);
    return node;
}

sh_node_t *
sh_node_hold (sh_node_t *node)
{
    atomic_fetch_add (&node->references, 1);
    return node;
}

void
sh_node_drop (sh_node_t *node)
{
    if (!node || atomic_fetch_sub (&node->references, 1) > 1)
        return;
    s_free (node->body.schema);
    s_free (node->body.name);
    s_free (node->body.kind);
    s_free (node->body.parent);
    s_free (node->body.text);
    s_free (node->body.extra);
    free (node);
}

void
sh_module_write (sh_bytes_t *out, const sh_module_t *module)
{
    sh_put_text (out, module->schema);
    sh_put_text (out, module->name);
    sh_put_text (out, module->kind);
    sh_put_text (out, module->parent);
    sh_put_text (out, module->text);
    sh_put_text (out, module->extra);
    sh_put_u32 (out, (uint32_t)module->object_id);
    sh_put_i64 (out, module->created);
    sh_put_i64 (out, module->modified);
}

sh_node_t *
sh_node_read (sh_reader_t *in)
{
    char *texts[6];
    for (int i = 0; i < 6; i++)
        texts[i] = sh_get_text (in);
    sh_module_t module = {.schema = texts[0],
                          .name = texts[1],
                          .kind = texts[2],
                          .parent = texts[3],
                          .text = texts[4],
                          .extra = texts[5]};
    module.object_id = (int)sh_get_u32 (in);
    module.created = sh_get_i64 (in);
    module.modified = sh_get_i64 (in);
    if (!module.name || !module.kind)
        in->failed = true;
    sh_node_t *node = in->failed ? NULL : sh_node_new (&module);
    for (int i = 0; i < 6; i++)
        free (texts[i]);
    return node;
}
