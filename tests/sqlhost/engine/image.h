/*  tests/sqlhost/engine/image.h
 *  The contents of one database in memory: tables with their rows, modules. The same structure
 *  serves a live database (with open transactions in it) and a database rebuilt from files
 *  (cut.h).
 *
 *  Rows are immutable and counted, so that a backup can hold a state while work goes on. A table
 *  keeps its rows as slots in rid order; a slot holds what is committed and what an open
 *  transaction has made of it. Not thread-safe: a live image is guarded by the instance's lock,
 *  only the counts of rows are atomic. */
#ifndef SH_ENGINE_IMAGE_H
#define SH_ENGINE_IMAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/sqlhost/engine/catalog.h"
#include "tests/sqlhost/engine/memory.h"

typedef struct sh_txn sh_txn_t;
typedef struct sh_image sh_image_t;

/*  ---- rows ---- */

typedef struct {
    atomic_int references;
    int count;
    uint32_t bytes;
    int64_t serial; /* its version: no two rows have the same */
    sh_value_t values[];
} sh_row_t;

sh_row_t *sh_row_new (const sh_value_t *values, int count); /* deep copy */
sh_row_t *sh_row_hold (sh_row_t *row);                      /* NULL is fine */
void sh_row_drop (sh_row_t *row);                           /* NULL is fine */
void sh_row_put (sh_bytes_t *out, const sh_row_t *row);
sh_row_t *sh_row_read (sh_reader_t *in); /* NULL when damaged */

/*  ---- tables ---- */

typedef struct {
    int64_t rid;
    sh_row_t *committed; /* NULL: not there */
    sh_row_t *pending;   /* valid with an owner; NULL: deleted */
    sh_txn_t *owner;     /* the open transaction that changed it */
    bool dirty;          /* committed differs from the data file */
    bool logged;         /* scratch of the commit */
} sh_slot_t;

typedef struct {
    uint64_t hash;
    int64_t rid; /* 0 = free, -1 = was used */
} sh_entry_t;

/*  A hash of key values to rids, of every version that is alive. */
typedef struct {
    sh_entry_t *entries;
    size_t capacity, used; /* used counts also the ones that were */
} sh_key_map_t;

struct sh_table {
    int references;
    pthread_mutex_t *mutex; /* the instance's, once a session has opened it */
    int db_id;
    const sh_table_def_t *def; /* owned; replaced as a whole */
    sh_slot_t *slots;
    size_t slot_count, slot_capacity, dead;
    int64_t next_rid;
    int64_t identity_last; /* meaningful when identity_used */
    bool identity_used;
    int64_t identity_logged; /* scratch of the commit: the transaction that logged it */
    sh_key_map_t *keys;      /* one per index */
    sh_txn_t *created_by;    /* not committed yet */
    sh_txn_t *dropped_by;
    int64_t *dirty; /* rids to write to the data file */
    size_t dirty_count, dirty_capacity;
    int64_t bytes;
};

sh_table_t *sh_table_new (int db_id, const sh_table_def_t *def); /* copies def */
sh_table_t *sh_table_hold (sh_table_t *table);
void sh_table_free (sh_table_t *table); /* gives a reference back */
/*  Takes the new definition, builds the key maps anew, gives the old definition back. */
const sh_table_def_t *sh_table_swap_def (sh_table_t *table, const sh_table_def_t *def);

sh_table_def_t *sh_def_copy (const sh_table_def_t *def);
void sh_def_free (const sh_table_def_t *def);
void sh_def_put (sh_bytes_t *out, const sh_table_def_t *def);
sh_table_def_t *sh_def_read (sh_reader_t *in); /* NULL when damaged */
/*  Deep copies of parts; the target's strings must not be owned yet. */
void sh_column_copy (sh_column_t *out, const sh_column_t *in);
int sh_def_identity (const sh_table_def_t *def); /* the identity column, -1 = none */

/*  The slot of a rid, or NULL. Pointers to slots live until the next sh_slot_add. */
sh_slot_t *sh_slot_find (const sh_table_t *table, int64_t rid);
/*  Index of the first slot with rid >= rid. */
size_t sh_slot_at (const sh_table_t *table, int64_t rid);
/*  Adds an empty slot; it must be filled by sh_slot_set at once. */
sh_slot_t *sh_slot_add (sh_table_t *table, int64_t rid);
/*  The only way to change a slot: keeps key maps and sizes right. Takes a reference for a row that
 *  was not in that place before, gives back the one of a row that is no longer there. A slot that
 *  ends with neither row nor owner is dead and is cleared away later (sh_table_compact). */
void sh_slot_set (sh_table_t *table, sh_slot_t *slot, sh_row_t *committed, sh_row_t *pending,
                  sh_txn_t *owner);
void sh_table_compact (sh_table_t *table);
void sh_table_mark_dirty (sh_table_t *table, sh_slot_t *slot);

uint64_t sh_key_hash (const sh_index_t *index, const sh_value_t *values);
bool sh_key_equal (const sh_index_t *index, const sh_value_t *a, const sh_value_t *b);
/*  Next rid with that hash; *cursor starts at SIZE_MAX. 0 = no more. The same rid may come for a
 *  version that does not match: compare. */
int64_t sh_key_next (const sh_key_map_t *map, uint64_t hash, size_t *cursor);

/*  ---- modules ---- */

typedef struct {
    sh_module_t body; /* first: a const sh_module_t * is a node */
    atomic_int references;
    bool shares_names; /* P FN V TR: one name space with tables */
    sh_txn_t *created_by, *dropped_by;
} sh_node_t;

sh_node_t *sh_node_new (const sh_module_t *module);
sh_node_t *sh_node_hold (sh_node_t *node);
void sh_node_drop (sh_node_t *node);
void sh_module_write (sh_bytes_t *out, const sh_module_t *module);
sh_node_t *sh_node_read (sh_reader_t *in);

/*  ---- the image ---- */

struct sh_image {
    int db_id;
    int next_object_id;
    sh_table_t **tables;
    size_t table_count, table_capacity;
    sh_node_t **nodes;
    size_t node_count, node_capacity;
    bool catalog_dirty;
    int *dropped; /* object ids of tables whose rows the data file still has */
    size_t dropped_count, dropped_capacity;
};

sh_image_t *sh_image_new (int db_id);
void sh_image_free (sh_image_t *self);
int sh_image_object_id (sh_image_t *self);
void sh_image_add_table (sh_image_t *self, sh_table_t *table); /* takes it */
void sh_image_remove_table (sh_image_t *self, sh_table_t *table);
void sh_image_add_node (sh_image_t *self, sh_node_t *node); /* takes it */
void sh_image_remove_node (sh_image_t *self, sh_node_t *node);
sh_table_t *sh_image_table_by_id (const sh_image_t *self, int object_id);
sh_node_t *sh_image_node_by_id (const sh_image_t *self, int object_id);
/*  As `viewer` sees it (NULL: committed only). schema NULL = dbo; kind NULL = P FN V TR. */
sh_table_t *sh_image_table (const sh_image_t *self, const char *schema, const char *name,
                            const sh_txn_t *viewer);
sh_node_t *sh_image_node (const sh_image_t *self, const char *kind, const char *schema,
                          const char *name, const sh_txn_t *viewer);
bool sh_name_equal (const char *a, const char *b);

/*  The committed catalog as bytes, and back into an empty image (false: damaged). */
void sh_image_put_catalog (sh_bytes_t *out, const sh_image_t *self);
bool sh_image_read_catalog (sh_image_t *self, const void *data, size_t size);

/*  ---- log records ---- */

/*  A record's part for one database is a list of these, and at its end the numbers of rows. */
enum {
    SH_OP_CREATE = 'C', /* table definition */
    SH_OP_DEFINE = 'A', /* new definition of a table */
    SH_OP_DROP = 'D',   /* table id */
    SH_OP_INSERT = 'I', /* table id, rid, row */
    SH_OP_UPDATE = 'U',
    SH_OP_DELETE = 'X',   /* table id, rid */
    SH_OP_IDENTITY = 'N', /* table id, last value, used */
    SH_OP_MODULE = 'P',   /* module, new or changed */
    SH_OP_UNMODULE = 'Q', /* object id */
    SH_OP_END = 'Z'       /* inserts, updates, deletes */
};

void sh_op_row (sh_bytes_t *out, int op, int object_id, int64_t rid, const sh_row_t *row);
void sh_op_identity (sh_bytes_t *out, const sh_table_t *table);
void sh_op_end (sh_bytes_t *out, const uint32_t counts[3]);

/*  Applies a part. False, and text says why, on anything that does not fit: an unknown table, a row
 *  that is there already or is not there, wrong counts, damage. The image is then half changed. */
bool sh_image_redo (sh_image_t *self, const void *data, size_t size, char *text, size_t text_size);

/*  A number no other row, definition or module of this process has. */
int64_t sh_serial_next (void);

#endif
