/*  Modules and other named objects; walking and finding objects. See catalog.h. */
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

static sh_status_t
s_take_name (sh_esession_t *session, int db_id, const char *kind, const char *schema,
             const char *name, sh_error_t *error)
{
    char buffer[400];
    sh_lock_key_t key = sh_key_name (db_id, kind, schema, name, buffer);
    sh_status_t status = sh_txn_touch (session, db_id, error);
    if (status == SH_OK)
        status = sh_lock_take (session, &key, SH_LOCK_SCH_M, SH_FOR_TXN, NULL, error);
    return status;
}

static void
s_drop_node (sh_esession_t *session, int db_id, sh_node_t *node)
{
    sh_undo_t *undo = sh_txn_undo (session, SH_UNDO_DROP_NODE, NULL);
    undo->db_id = db_id;
    undo->node = sh_node_hold (node);
    node->dropped_by = session->txn;
}

static sh_status_t
s_put (sh_esession_t *session, int db_id, sh_ddl_t how, const sh_module_t *module,
       sh_error_t *error)
{
    sh_status_t status =
        s_take_name (session, db_id, module->kind, module->schema, module->name, error);
    if (status != SH_OK)
        return status;
    sh_db_t *db = sh_db_by_id (session->instance, db_id);
    sh_node_t *old =
        sh_image_node (db->image, module->kind, module->schema, module->name, session->txn);
    sh_node_t *new = sh_node_new (module);
    bool taken =
        new->shares_names &&
        (sh_image_table (db->image, module->schema, module->name, session->txn) ||
         sh_image_node (db->image, NULL, module->schema, module->name, session->txn) != old);
    if (taken || (old && how == SH_DDL_CREATE))
        status = sh_fail (error, 2714, 16, 3,
                          "There is already an object named '%s' in the database.", module->name);
    else if (!old && how == SH_DDL_ALTER)
        status = sh_fail (error, 208, 16, 6, "Invalid object name '%s'.", module->name);
    if (status != SH_OK) {
        sh_node_drop (new);
        return status;
    }
    new->body.modified = sh_ticks_to_datetime (sh_ticks_local ());
    new->body.created = old ? old->body.created : new->body.modified;
    new->body.object_id = old ? old->body.object_id : sh_image_object_id (db->image);
    if (old)
        s_drop_node (session, db_id, old);
    new->created_by = session->txn;
    sh_image_add_node (db->image, new);
    sh_undo_t *undo = sh_txn_undo (session, SH_UNDO_PUT_NODE, NULL);
    undo->db_id = db_id;
    undo->node = sh_node_hold (new);
    return SH_OK;
}

sh_status_t
sh_module_put (sh_esession_t *session, int db_id, sh_ddl_t how, const sh_module_t *module,
               sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_put (session, db_id, how, module, error);
    sh_unlock_instance (session->instance);
    return status;
}

sh_status_t
sh_module_drop (sh_esession_t *session, int db_id, const char *kind, const char *schema,
                const char *name, sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_take_name (session, db_id, kind, schema, name, error);
    if (status == SH_OK) {
        sh_db_t *db = sh_db_by_id (session->instance, db_id);
        sh_node_t *node = sh_image_node (db->image, kind, schema, name, session->txn);
        if (node)
            s_drop_node (session, db_id, node);
        else
            status = sh_fail (error, 3701, 11, 5,
                              "Cannot drop '%s', because it does not exist or you do not have "
                              "permission.",
                              name);
    }
    sh_unlock_instance (session->instance);
    return status;
}

sh_status_t
sh_module_open (sh_esession_t *session, int db_id, const char *kind, const char *schema,
                const char *name, const sh_module_t **out, sh_error_t *error)
{
    char buffer[400];
    sh_lock_key_t key = sh_key_name (db_id, kind, schema, name, buffer);
    *out = NULL;
    sh_lock_instance (session->instance);
    sh_status_t status = sh_db_use (session, db_id, error) ? SH_OK : SH_ERROR;
    if (status == SH_OK)
        status = sh_lock_pass (session, &key, SH_LOCK_SCH_S, error);
    if (status == SH_OK) {
        const sh_db_t *db = sh_db_by_id (session->instance, db_id);
        sh_node_t *node =
            db && db->image ? sh_image_node (db->image, kind, schema, name, session->txn) : NULL;
        if (node)
            *out = &sh_node_hold (node)->body;
        else
            status = SH_END;
    }
    sh_unlock_instance (session->instance);
    return status;
}

void
sh_module_close (sh_esession_t *session, const sh_module_t **module_p)
{
    (void)session; /* part of the contract: the one who opened it closes it */
    if (*module_p)
        sh_node_drop ((sh_node_t *)(uintptr_t)*module_p);
    *module_p = NULL;
}

/*  ---- walking, finding ---- */

static bool
s_visible (const sh_txn_t *created_by, const sh_txn_t *dropped_by, const sh_txn_t *viewer)
{
    return (!created_by || created_by == viewer) && !(dropped_by && dropped_by == viewer);
}

static bool
s_walk_tables (const sh_db_t *db, const sh_txn_t *viewer,
               bool (*each) (void *arg, const sh_object_t *object), void *arg)
{
    for (size_t i = 0; i < db->image->table_count; i++) {
        const sh_table_t *table = db->image->tables[i];
        if (!s_visible (table->created_by, table->dropped_by, viewer))
            continue;
        sh_object_t object = {.kind = "U",
                              .schema = table->def->schema,
                              .name = table->def->name,
                              .object_id = table->def->object_id,
                              .created = table->def->created,
                              .modified = table->def->modified,
                              .rows = (int64_t)(table->slot_count - table->dead),
                              .def = table->def};
        if (!each (arg, &object))
            return false;
    }
    return true;
}

static void
s_walk_nodes (const sh_db_t *db, const sh_txn_t *viewer,
              bool (*each) (void *arg, const sh_object_t *object), void *arg)
{
    for (size_t i = 0; i < db->image->node_count; i++) {
        const sh_node_t *node = db->image->nodes[i];
        if (!s_visible (node->created_by, node->dropped_by, viewer))
            continue;
        sh_object_t object = {.kind = node->body.kind,
                              .schema = node->body.schema,
                              .name = node->body.name,
                              .parent = node->body.parent,
                              .object_id = node->body.object_id,
                              .created = node->body.created,
                              .modified = node->body.modified,
                              .module = &node->body};
        if (!each (arg, &object))
            return;
    }
}

void
sh_object_walk (sh_esession_t *session, int db_id,
                bool (*each) (void *arg, const sh_object_t *object), void *arg)
{
    sh_lock_instance (session->instance);
    const sh_db_t *db = sh_db_by_id (session->instance, db_id);
    if (db && db->image && s_walk_tables (db, session->txn, each, arg))
        s_walk_nodes (db, session->txn, each, arg);
    sh_unlock_instance (session->instance);
}

sh_status_t
sh_object_find (sh_esession_t *session, int db_id, const char *schema, const char *name,
                char kind[16], int *object_id)
{
    sh_status_t status = SH_END;
    sh_lock_instance (session->instance);
    const sh_db_t *db = sh_db_by_id (session->instance, db_id);
    if (db && db->image) {
        const sh_table_t *table = sh_image_table (db->image, schema, name, session->txn);
        const sh_node_t *node =
            table ? NULL : sh_image_node (db->image, NULL, schema, name, session->txn);
        if (table || node) {
            sh_copy (kind, 16, table ? "U" : node->body.kind);
            *object_id = table ? table->def->object_id : node->body.object_id;
            status = SH_OK;
        }
    }
    sh_unlock_instance (session->instance);
    return status;
}

typedef struct {
    int object_id;
    char *schema, *name;
    bool found;
} s_named_t;

static bool
s_match_id (void *arg, const sh_object_t *object)
{
    s_named_t *named = arg;
    if (object->object_id != named->object_id)
        return true;
    if (named->schema)
        sh_copy (named->schema, 129, object->schema);
    if (named->name)
        sh_copy (named->name, 129, object->name);
    named->found = true;
    return false;
}

sh_status_t
sh_object_name (sh_esession_t *session, int db_id, int object_id, char schema[129], char name[129])
{
    s_named_t named = {.object_id = object_id, .schema = schema, .name = name};
    sh_object_walk (session, db_id, s_match_id, &named);
    return named.found ? SH_OK : SH_END;
}
