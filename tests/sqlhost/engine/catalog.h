/*  tests/sqlhost/engine/catalog.h
 *  Databases, tables, modules and other named objects.
 *
 *  DDL on tables and modules is part of the session's transaction: others wait (schema lock) until
 *  it ends, a rollback undoes it, the commit logs it. DDL on databases takes effect at once and is
 *  refused inside a user transaction (226).
 *
 *  Names are compared as the collation does (no regard to case). A schema is just a name. */
#ifndef SH_ENGINE_CATALOG_H
#define SH_ENGINE_CATALOG_H

#include "tests/sqlhost/engine/instance.h"

/*  ---- databases ---- */

enum { SH_DB_MASTER = 1, SH_DB_TEMPDB = 2, SH_DB_MODEL = 3, SH_DB_MSDB = 4 };

/*  As sys.databases numbers them. */
typedef enum {
    SH_STATE_ONLINE = 0,
    SH_STATE_RESTORING = 1,
    SH_STATE_RECOVERY_PENDING = 3,
    SH_STATE_SUSPECT = 4,
    SH_STATE_EMERGENCY = 5,
    SH_STATE_OFFLINE = 6
} sh_db_state_t;

typedef enum {
    SH_RECOVERY_FULL = 1,
    SH_RECOVERY_BULK_LOGGED = 2,
    SH_RECOVERY_SIMPLE = 3
} sh_recovery_t;

typedef enum {
    SH_DURABILITY_DISABLED = 0,
    SH_DURABILITY_ALLOWED = 1,
    SH_DURABILITY_FORCED = 2
} sh_durability_t;

/*  As sys.databases numbers log_reuse_wait, what can be here. */
typedef enum {
    SH_REUSE_NOTHING = 0,
    SH_REUSE_LOG_BACKUP = 2,
    SH_REUSE_ACTIVE_BACKUP = 3,
    SH_REUSE_ACTIVE_TRANSACTION = 4
} sh_reuse_wait_t;

typedef enum { SH_ACCESS_MULTI = 0, SH_ACCESS_SINGLE = 1, SH_ACCESS_RESTRICTED = 2 } sh_access_t;

typedef struct {
    int id;
    char name[129];
    char owner[129];
    uint8_t guid[16];        /* database_guid */
    uint8_t family_guid[16]; /* the first fork's guid */
    uint8_t fork_guid[16];   /* the present recovery fork */
    int64_t created;         /* local ticks */
    sh_db_state_t state;
    sh_recovery_t recovery;
    sh_access_t access;
    bool read_only;
    bool standby;
    int compatibility;
    char collation[65];
    sh_durability_t durability;
    sh_reuse_wait_t log_reuse_wait; /* why the log cannot be cut now */
    bool has_full_backup;           /* the log chain has its full: BACKUP LOG works */
    bool bulk_logged_work;          /* not yet backed up: marks are dropped (3923) */
    char data_file[1024];
    char log_file[1024];
    int64_t size_bytes; /* of the data file, about */
    int64_t log_bytes, log_used_bytes, log_since_backup_bytes;
} sh_db_info_t;

/*  SH_END when there is none. */
sh_status_t sh_db_find (sh_instance_t *instance, const char *name, sh_db_info_t *info);
sh_status_t sh_db_get (sh_instance_t *instance, int db_id, sh_db_info_t *info);
/*  The caller frees *out; ordered by id. */
size_t sh_db_list (sh_instance_t *instance, sh_db_info_t **out);
/*  911 none, 942 offline, 927 restoring, 926 suspect, 924 single user and taken. */
sh_status_t sh_db_usable (sh_esession_t *session, int db_id, sh_error_t *error);

/*  recovery FULL, multi-user, online. 1801 when there is one. */
sh_status_t sh_db_create (sh_esession_t *session, const char *name, int *db_id, sh_error_t *error);
/*  3701 none, 3702 in use, 3708 a system database. */
sh_status_t sh_db_drop (sh_esession_t *session, const char *name, sh_error_t *error);

/*  What ALTER DATABASE SET can change; -1 / NULL leave a field as it is. */
typedef struct {
    int state; /* SH_STATE_ONLINE, SH_STATE_OFFLINE, SH_STATE_EMERGENCY */
    int recovery;
    int access;
    int read_only;
    int compatibility;
    int standby; /* for tests: restore sets it later */
    int durability;
    const char *rename;
    const char *owner;
    bool rollback_immediate; /* WITH ROLLBACK IMMEDIATE: kills who is in the way */
} sh_db_change_t;

#define SH_DB_CHANGE_NONE                                                                          \
    {                                                                                              \
        .state = -1, .recovery = -1, .access = -1, .read_only = -1, .compatibility = -1,           \
        .standby = -1, .durability = -1                                                            \
    }

/*  5070-like: OFFLINE, READ_ONLY, SINGLE_USER wait for other sessions in the database (1222 ends
 *  it). */
sh_status_t
sh_db_alter (sh_esession_t *session, int db_id, const sh_db_change_t *change, sh_error_t *error);

/*  ---- tables ---- */

enum { SH_COLUMNS_MAX = 256, SH_INDEXES_MAX = 64, SH_KEY_COLUMNS_MAX = 16 };

typedef struct {
    const char *name;
    sh_type_t type;
    bool nullable;
    bool identity;
    bool rowguid;
    int64_t identity_seed, identity_increment;
    const char *default_name; /* of the DEFAULT constraint, NULL = none */
    const char *default_text; /* T-SQL expression, NULL = none */
    const char *computed_text;
} sh_column_t;

typedef struct {
    const char *name;
    bool unique, primary_key, unique_constraint, clustered;
    int column_count;
    int columns[SH_KEY_COLUMNS_MAX]; /* ordinals from 0 */
    bool descending[SH_KEY_COLUMNS_MAX];
} sh_index_t;

/*  Stored and listed for the catalog views; not interpreted by the engine. */
typedef struct {
    const char *name;
    const char *kind; /* "C" check, "F" foreign key */
    const char *text;
} sh_constraint_t;

/*  A table's definition: as input everything is borrowed and object_id, created are ignored. */
typedef struct {
    const char *schema, *name;
    int object_id;
    int64_t created, modified; /* local ticks */
    int column_count;
    const sh_column_t *columns;
    int index_count;
    const sh_index_t *indexes;
    int constraint_count;
    const sh_constraint_t *constraints;
    uint64_t version; /* instance-wide, new with each change: key for caches */
} sh_table_def_t;

typedef struct sh_table sh_table_t;

/*  2714 when the name is taken. Needs an open transaction, as all DDL below. */
sh_status_t
sh_table_create (sh_esession_t *session, int db_id, const sh_table_def_t *def, sh_error_t *error);
/*  3701 when there is none. */
sh_status_t sh_table_drop (sh_esession_t *session, int db_id, const char *schema, const char *name,
                           sh_error_t *error);
/*  Rows present read `fill` (NULL value: NULL) in the new column. 2705 name taken. */
sh_status_t
sh_table_add_column (sh_esession_t *session, sh_table_t *table, const sh_column_t *column,
                     const sh_value_t *fill, sh_error_t *error);
/*  1505 when rows present have duplicates; 1913 name taken. */
sh_status_t sh_table_add_index (sh_esession_t *session, sh_table_t *table, const sh_index_t *index,
                                sh_error_t *error);
sh_status_t sh_table_drop_index (sh_esession_t *session, sh_table_t *table, const char *name,
                                 sh_error_t *error);
/*  Adds, or replaces one of that name; text NULL drops (3728 when there is none). */
sh_status_t sh_table_set_constraint (sh_esession_t *session, sh_table_t *table,
                                     const sh_constraint_t *constraint, sh_error_t *error);
sh_status_t sh_table_set_default (sh_esession_t *session, sh_table_t *table, int column,
                                  const char *name, const char *text, sh_error_t *error);
sh_status_t
sh_table_rename (sh_esession_t *session, sh_table_t *table, const char *name, sh_error_t *error);
/*  All rows; the identity starts again. Table X lock. */
sh_status_t sh_table_truncate (sh_esession_t *session, sh_table_t *table, sh_error_t *error);

/*  Finds a table for a statement, holding its Sch-S lock until sh_table_close (waits while another
 *  session's DDL on it is open). SH_END when there is none (208 is the caller's to say). schema
 *  NULL = "dbo". The handle is the session's own; open and close nest. */
sh_status_t sh_table_open (sh_esession_t *session, int db_id, const char *schema, const char *name,
                           sh_table_t **out, sh_error_t *error);
void sh_table_close (sh_esession_t *session, sh_table_t **table_p);
/*  Valid until the table is closed or the session alters it. */
const sh_table_def_t *sh_table_def (const sh_table_t *table);
int sh_table_db (const sh_table_t *table);
/*  Committed and own rows, about; no locks. */
int64_t sh_table_row_count (sh_esession_t *session, sh_table_t *table);
/*  IDENT_CURRENT; DBCC CHECKIDENT RESEED. */
int64_t sh_table_identity (sh_table_t *table);
void sh_table_set_identity (sh_table_t *table, int64_t last);

/*  ---- modules and other objects ---- */

/*  kind: "P", "FN", "V", "TR" for modules (one name space with tables), and whatever else the
 *  interpreter wants to keep per database, each kind a name space of its own: "SCHEMA", "USER",
 *  "ROLE", "MEMBER", "GRANT", "SYNONYM", "XP" ... */
typedef struct {
    const char *schema, *name, *kind;
    const char *parent; /* a trigger's table; may be NULL */
    const char *text;
    const char *extra; /* the interpreter's own; may be NULL */
    int object_id;     /* ignored as input */
    int64_t created, modified;
    uint64_t version; /* instance-wide, new with each change: key for caches */
} sh_module_t;

typedef enum { SH_DDL_CREATE, SH_DDL_ALTER, SH_DDL_CREATE_OR_ALTER } sh_ddl_t;

/*  2714 name taken, 208 ALTER of none. */
sh_status_t sh_module_put (sh_esession_t *session, int db_id, sh_ddl_t how,
                           const sh_module_t *module, sh_error_t *error);
/*  3701 when there is none. */
sh_status_t sh_module_drop (sh_esession_t *session, int db_id, const char *kind, const char *schema,
                            const char *name, sh_error_t *error);
/*  kind NULL = any of P FN V TR. Waits while another session's DDL on it is open. SH_END: none. The
 *  caller gives it back; it stays valid however the catalog changes. */
sh_status_t sh_module_open (sh_esession_t *session, int db_id, const char *kind, const char *schema,
                            const char *name, const sh_module_t **out, sh_error_t *error);
void sh_module_close (sh_esession_t *session, const sh_module_t **module_p);

/*  What the session can see without waiting, for catalog views. kind "U" = table: then def is set,
 *  else module. Everything is valid during the callback only, which must not call the engine;
 *  false from it ends the walk. */
typedef struct {
    const char *kind, *schema, *name, *parent;
    int object_id;
    int64_t created, modified;
    int64_t rows; /* tables */
    const sh_table_def_t *def;
    const sh_module_t *module;
} sh_object_t;

void sh_object_walk (sh_esession_t *session, int db_id,
                     bool (*each) (void *arg, const sh_object_t *object), void *arg);
/*  For OBJECT_ID: kind and id without a wait; SH_END: none. kind holds 16. */
sh_status_t sh_object_find (sh_esession_t *session, int db_id, const char *schema, const char *name,
                            char kind[16], int *object_id);
/*  For OBJECT_NAME, OBJECT_SCHEMA_NAME; out may be NULL. */
sh_status_t
sh_object_name (sh_esession_t *session, int db_id, int object_id, char schema[129], char name[129]);

#endif
