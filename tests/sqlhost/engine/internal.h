/*  tests/sqlhost/engine/internal.h
 *  What the engine's own files share. Everything here is guarded by the instance's lock, unless it
 *  says otherwise; functions named sh_x_locked want it held. */
#ifndef SH_ENGINE_INTERNAL_H
#define SH_ENGINE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "tests/sqlhost/engine/engine.h"
#include "tests/sqlhost/engine/image.h"

/*  ---- locks (lock.c) ---- */

enum {
    SH_LOCK_SCH_S = 1,
    SH_LOCK_SCH_M = 2,
    SH_LOCK_IS = 4,
    SH_LOCK_IX = 8,
    SH_LOCK_S = 16,
    SH_LOCK_U = 32,
    SH_LOCK_X = 64,
    SH_LOCK_MODES = 7
};

typedef enum {
    SH_ON_DATABASE,
    SH_ON_NAME, /* an object's name while DDL on it is open */
    SH_ON_OBJECT,
    SH_ON_ROW,
    SH_ON_APP,
    SH_ON_BACKUP /* serialises backups of one kind: object_id 0 full, 1 log */
} sh_resource_t;

/*  Who holds a grant: until given back, to the end of the transaction, or to the end of the
 *  session. */
typedef enum { SH_FOR_STATEMENT, SH_FOR_TXN, SH_FOR_SESSION, SH_FOR_COUNT } sh_owner_t;

typedef struct {
    sh_resource_t kind;
    int db_id;
    int object_id;
    int64_t rid;
    const char *name; /* NAME, APP; borrowed in a call, copied in a lock */
} sh_lock_key_t;

typedef struct sh_lock sh_lock_t;
typedef struct sh_grant sh_grant_t;
typedef struct sh_request sh_request_t;

struct sh_grant {
    sh_lock_t *lock;
    sh_esession_t *session;
    sh_owner_t owner;
    unsigned modes;
    uint32_t counts[SH_LOCK_MODES];
    sh_grant_t *next_of_lock;
    sh_grant_t *next_of_owner, *previous_of_owner;
};

struct sh_request {
    sh_lock_t *lock;
    sh_esession_t *session;
    sh_owner_t owner;
    unsigned mode;
    bool converts; /* the session holds something here: goes before others */
    sh_request_t *next;
};

struct sh_lock {
    sh_lock_key_t key;
    uint64_t hash;
    sh_lock_t *next;
    sh_grant_t *grants;
    sh_request_t *waiters;
};

typedef struct {
    sh_lock_t **buckets;
    size_t bucket_count, count;
    sh_lock_t *spare; /* freed locks to use again */
} sh_lock_table_t;

/*  Takes a lock, waiting as the session's lock timeout (or timeout_ms, when it is not NULL) says.
 *  SH_ERROR: 1222, 1205. */
sh_status_t sh_lock_take (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode,
                          sh_owner_t owner, const int64_t *timeout_ms, sh_error_t *error);
/*  Waits until it could be granted, takes nothing. */
sh_status_t
sh_lock_pass (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode, sh_error_t *error);
/*  True when it would be granted now. */
bool sh_lock_free_for (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode);
/*  Gives one count of a mode back; false when it was not held so. */
bool
sh_lock_give (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode, sh_owner_t owner);
void sh_lock_give_all (sh_esession_t *session, sh_owner_t owner);
/*  Every grant of one session becomes another's that has none. */
void sh_lock_move_all (sh_esession_t *from, sh_esession_t *to, sh_owner_t owner);
/*  What the session holds there for that owner. */
unsigned sh_lock_held (sh_esession_t *session, const sh_lock_key_t *key, sh_owner_t owner);
/*  Other sessions that hold a mode conflicting with `mode`; up to max of them. */
size_t sh_lock_holders (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode,
                        sh_esession_t **out, size_t max);
const char *sh_lock_mode_name (unsigned modes);
void sh_lock_describe (const sh_lock_key_t *key, char *out, size_t size);
void sh_lock_table_free (sh_lock_table_t *self);

static inline sh_lock_key_t
sh_key_object (const sh_table_t *table)
{
    sh_lock_key_t key = {
        .kind = SH_ON_OBJECT, .db_id = table->db_id, .object_id = table->def->object_id};
    return key;
}

static inline sh_lock_key_t
sh_key_row (const sh_table_t *table, int64_t rid)
{
    sh_lock_key_t key = {
        .kind = SH_ON_ROW, .db_id = table->db_id, .object_id = table->def->object_id, .rid = rid};
    return key;
}

static inline sh_lock_key_t
sh_key_db (int db_id)
{
    sh_lock_key_t key = {.kind = SH_ON_DATABASE, .db_id = db_id};
    return key;
}

/*  The name of an object as a resource: kind's name space, schema, name, folded. Buffer holds
 *  400. */
sh_lock_key_t
sh_key_name (int db_id, const char *kind, const char *schema, const char *name, char buffer[400]);

/*  ---- transactions (transaction.c) ---- */

typedef enum {
    SH_UNDO_ROW,
    SH_UNDO_CREATE_TABLE,
    SH_UNDO_DROP_TABLE,
    SH_UNDO_DEFINE,
    SH_UNDO_IDENTITY,
    SH_UNDO_PUT_NODE,
    SH_UNDO_DROP_NODE
} sh_undo_kind_t;

typedef struct {
    sh_undo_kind_t kind;
    sh_table_t *table; /* held */
    sh_node_t *node;   /* held */
    int db_id;
    int64_t rid;
    sh_row_t *row;             /* ROW: what was pending before, when it was ours already (held) */
    bool was_owner;            /* ROW: it was ours already */
    const sh_table_def_t *def; /* DEFINE: the one before (owned) */
    int64_t identity_last;
    bool identity_used;
} sh_undo_t;

typedef struct {
    char name[33];
    size_t position;
} sh_save_t;

typedef struct sh_branch sh_branch_t;

struct sh_txn {
    int64_t id;
    sh_esession_t *session;
    sh_branch_t *branch; /* of a distributed transaction; NULL = local */
    char name[33];
    bool user, marked;
    char mark[33], description[256];
    int64_t begin_time;
    sh_undo_t *undo;
    size_t undo_count, undo_capacity;
    sh_save_t *saves;
    size_t save_count, save_capacity;
    size_t changes;
    int *databases;
    size_t database_count, database_capacity;
};

/*  Notes a change; the database is locked against ALTER and DROP from the first one on. Checks that
 *  it may be written (3906, 942 ...). */
sh_status_t sh_txn_touch (sh_esession_t *session, int db_id, sh_error_t *error);
sh_undo_t *sh_txn_undo (sh_esession_t *session, sh_undo_kind_t kind, sh_table_t *table);
void sh_txn_rollback_locked (sh_esession_t *session);
/*  Writes the record and applies it. *lsn (may be NULL) = 0 when there was nothing to log. A failure leaves a branch as
 *  it is and rolls back anything else. */
sh_status_t sh_txn_commit_locked (sh_esession_t *session, int64_t *lsn, sh_error_t *error);
sh_status_t
sh_txn_begin_locked (sh_esession_t *session, const char *name, bool user, sh_error_t *error);
void sh_txn_describe (const sh_txn_t *txn, sh_txn_info_t *info);

/*  ---- databases ---- */

typedef struct {
    sh_db_info_t info;
    sh_image_t *image; /* NULL unless it is online, or was when it went offline */
    sqlite3 *file;     /* data file; used by the checkpoint only (checkpoint lock) */
    int64_t applied;   /* the data file has every record below this LSN */
    int64_t chain_lsn; /* where the next log backup begins; 0 = no chain */
    int64_t base_lsn;  /* checkpoint LSN of the last full: database_backup_lsn */
    bool chain_begins; /* the next log backup is the first of its chain */
    int holds;         /* running backups */
    int64_t hold_lsn;  /* the lowest LSN that they need */
    uint8_t base_guid[16];
    bool rewrite; /* the data file must be written anew (a checkpoint failed) */
    bool changed_since_checkpoint;
    int64_t truncated;                  /* the log was cut below this */
    int64_t log_used, log_since_backup; /* bytes, about; kept by log.c */
    int64_t log_peak;                   /* the most of log_used: its file never shrinks */
} sh_db_t;

/*  ---- the log (log.c) ---- */

typedef struct {
    sqlite3 *sqlite;
    sqlite3_stmt *insert_log, *insert_part;
    int64_t next; /* LSN of the next record of the instance */
} sh_log_t;

typedef struct {
    int db_id;
    bool marked;
    sh_bytes_t body;
} sh_part_t;

typedef struct {
    int64_t lsn; /* set by sh_log_write */
    int64_t xid;
    int64_t time; /* local ticks */
    const char *mark, *description, *user;
    sh_part_t *parts;
    size_t part_count;
    const uint8_t *prepared; /* the unit of work whose stored branch ends with it; NULL = none */
} sh_record_t;

sh_status_t sh_log_open (sh_instance_t *instance, sh_error_t *error);
void sh_log_close (sh_instance_t *instance);
/*  Writes records as one unit: all of them or none. Sets their LSNs. */
sh_status_t
sh_log_write (sh_instance_t *instance, sh_record_t *records, size_t count, sh_error_t *error);
/*  Stores a database's info; removes it. */
sh_status_t sh_log_save_db (sh_instance_t *instance, const sh_db_t *db, sh_error_t *error);
sh_status_t sh_log_forget_db (sh_instance_t *instance, int db_id, sh_error_t *error);
/*  Fills instance->dbs with what is stored, without their images. */
sh_status_t sh_log_load_dbs (sh_instance_t *instance, sh_error_t *error);
/*  Cuts a database's parts below an LSN. */
void sh_log_truncate (sh_instance_t *instance, int db_id, int64_t below);
/*  Counts the bytes of a database's log anew: all that is kept, and since its last log backup. */
void sh_log_measure (sh_instance_t *instance, sh_db_t *db);
/*  Rows of `log` joined with `part` of one database, from <= lsn < to, in order. Any thread with a
 *  connection of its own. False from each, or an error, ends it (returns false). */
typedef struct {
    int64_t lsn, xid, time;
    const char *mark, *description, *user;
    const void *body;
    size_t size;
} sh_log_row_t;
bool sh_log_read (sqlite3 *sqlite, int db_id, int64_t from, int64_t to,
                  bool (*each) (void *arg, const sh_log_row_t *row), void *arg);
sqlite3 *sh_log_reader (sh_instance_t *instance); /* a connection of one's own; sqlite3_close */
int64_t sh_lsn_after (int64_t lsn, size_t bytes);
int64_t sh_log_meta (sh_instance_t *instance, const char *key, int64_t missing);
void sh_log_set_meta (sh_instance_t *instance, const char *key, int64_t value);
bool sh_sql_run (sqlite3 *sqlite, const char *sql, sh_error_t *error);

/*  ---- branches (branch.c, prepared.c, stall.c) ---- */

enum { SH_ORPHAN_ID = -2 };

struct sh_branch {
    uint8_t uow[16];
    int state;              /* SH_TXN_... */
    sh_esession_t *session; /* it works, or worked, there; NULL = orphan */
    sh_esession_t *carrier; /* holds its transaction and locks once it is prepared, no session's */
    bool busy;              /* a call is about to end it */
    sh_txn_info_t info;     /* how it is listed after its record */
    /*  When the count of its prepare moves, that of its commit, and when it is listed no more: monotonic ms, 0 = not to
     *  come or done. */
    int64_t prepare_due_ms, commit_due_ms, gone_due_ms;
    sh_branch_t *next;
};

/*  What belongs to a session that ends: a prepared branch is an orphan from now on. */
void sh_branch_orphan_locked (sh_esession_t *session);
/*  The transaction of an active branch has ended by itself. */
void sh_branch_drop_locked (sh_instance_t *instance, sh_branch_t *branch);
/*  Moves the counts whose time has come and forgets who is listed no more. */
void sh_branch_settle_locked (sh_instance_t *instance);
/*  A branch as the instance found it stored: prepared, in doubt. */
sh_branch_t *sh_branch_recover_locked (sh_instance_t *instance, const uint8_t uow[16], int64_t id,
                                       const char *name, const char *login, int64_t begin_time);
void sh_branch_free_all (sh_instance_t *instance);

/*  What it would log if it were committed now, by database; the caller frees the bodies and the array. */
size_t sh_txn_parts (sh_txn_t *txn, sh_part_t **parts);
/*  Stores what a branch has changed; from then on it survives a restart. */
sh_status_t sh_prepared_write (sh_instance_t *instance, sh_branch_t *branch, sh_error_t *error);
/*  Inside a SQLite transaction or as one of its own. */
bool sh_prepared_forget (sh_instance_t *instance, const uint8_t uow[16]);
/*  Makes the stored branches again; at open, after the databases are there. One that does not fit stays stored, with a
 *  line in the error log. */
void sh_prepared_recover (sh_instance_t *instance);

/*  Waits while a marked commit stalls the instance. */
sh_status_t sh_stall_pass (sh_esession_t *session, sh_error_t *error);
/*  Begins a stall and waits until nothing is prepared any more: 3928 after the time-out, then there is none. */
sh_status_t sh_stall_begin (sh_esession_t *session, sh_error_t *error);
void sh_stall_end (sh_esession_t *session);
/*  Waits as a fault says: so many milliseconds, and until the hold is off. */
sh_status_t sh_fault_wait_locked (sh_esession_t *session, const char *wait_type,
                                  sh_fault_id_t delay, sh_fault_id_t hold, sh_error_t *error);

/*  ---- data files (datafile.c) ---- */

/*  Loads db->image from its file as it stood at db->applied. Missing file: an empty image. */
sh_status_t sh_data_load (sh_instance_t *instance, sh_db_t *db, sh_error_t *error);
/*  Takes what changed and writes it; releases the lock meanwhile. Checkpoint lock held. */
sh_status_t sh_data_checkpoint (sh_instance_t *instance, sh_db_t *db, sh_error_t *error);
void sh_data_close (sh_db_t *db);
void sh_data_remove (sh_instance_t *instance, sh_db_t *db);
void sh_data_path (sh_instance_t *instance, const sh_db_t *db, char *out, size_t size);

/*  ---- sessions (session.c) ---- */

/*  A key that was there twice while a statement ran. */
typedef struct {
    sh_table_t *table; /* held */
    int64_t rid;
} sh_deferred_t;

struct sh_esession {
    sh_instance_t *instance;
    int id;
    sh_esession_t *next;
    pthread_cond_t wake;
    char login[129], host[129], program[129], interface[33], address[65];
    bool encrypted;
    uint32_t pid;
    int64_t login_time;
    uint8_t context_info[128];
    size_t context_info_size;
    int64_t lock_timeout_ms;
    int deadlock_priority;
    int db_id;
    bool cancelled, killed, dropped;
    void (*on_kill) (void *arg);
    void *on_kill_arg;
    sh_on_message_t on_message;
    void *on_message_arg;
    /*  request */
    char command[33];
    char text[4001];
    int64_t request_time;
    const char *wait_type; /* static text; NULL = not waiting */
    int64_t wait_since_ms;
    double percent;
    /*  locks */
    sh_grant_t *grants[SH_FOR_COUNT];
    sh_request_t *waiting;
    bool victim;
    uint64_t visit; /* scratch of the deadlock search */
    sh_txn_t *txn;
    sh_row_t *shown; /* by sh_row_get: another session may replace the row meanwhile */
    bool deferring;
    sh_deferred_t *deferred;
    size_t deferred_count, deferred_capacity;
};

/*  A session that no client has, to carry a branch; in no list. */
sh_esession_t *sh_esession_carrier (sh_instance_t *instance, int id, const char *login);
void sh_esession_carrier_free (sh_esession_t *self);
/*  Checks cancel, kill, shutdown. */
sh_status_t sh_esession_check_locked (sh_esession_t *self, sh_error_t *error);
/*  Sends a message with the lock released. */
void sh_esession_tell (sh_esession_t *self, int number, int severity, int state, const char *format,
                       ...) __attribute__ ((format (printf, 5, 6)));
/*  Waits until woken or the monotonic deadline (ms, -1 = none) has passed; false = passed. */
bool sh_esession_pause (sh_esession_t *self, int64_t deadline_ms);
/*  Waits until the deadline (-1 = none) or `done (arg)`; ends early by cancel, kill, shutdown. */
sh_status_t
sh_esession_wait_locked (sh_esession_t *self, const char *wait_type, int64_t deadline_ms,
                         bool (*done) (void *arg), void *arg, sh_error_t *error);
int64_t sh_now_ms (void); /* monotonic */

/*  ---- the instance (instance.c) ---- */

typedef struct {
    char *windows, *folder;
} sh_map_t;

struct sh_instance {
    pthread_mutex_t mutex;
    char *directory, *name;
    int directory_lock; /* file descriptor: one process a directory */
    char machine[129];
    bool fsync;
    int64_t started;
    bool stopping;
    sh_log_t log;
    sh_db_t **dbs;
    size_t db_count, db_capacity;
    int next_db_id;
    sh_esession_t *sessions;
    sh_lock_table_t locks;
    int64_t next_txn;
    uint64_t visit;
    sh_branch_t *branches;
    sh_branch_counts_t branch_counts;
    const sh_esession_t *staller; /* whose marked commit stalls the others */
    int64_t faults[SH_FAULT_COUNT];
    /*  checkpoints: taken before the instance's lock, never after it */
    pthread_mutex_t checkpoint_mutex;
    pthread_t checkpointer;
    bool checkpointer_runs;
    pthread_cond_t checkpoint_wake;
    size_t uncheckpointed; /* changes since the last one */
    sh_map_t *maps;        /* path.c; set before the first session, read without the lock */
    size_t map_count, map_capacity;
    int64_t disk_free_us; /* when the limited disk has written what it was given */
};

void sh_lock_instance (sh_instance_t *self);
void sh_unlock_instance (sh_instance_t *self);
void sh_wake_all (sh_instance_t *self);
sh_db_t *sh_db_by_id (sh_instance_t *self, int db_id);
sh_db_t *sh_db_by_name (sh_instance_t *self, const char *name);
/*  911, 942, ...; NULL with error filled. */
sh_db_t *sh_db_use (sh_esession_t *session, int db_id, sh_error_t *error);
bool sh_db_logged (const sh_db_t *db); /* not tempdb */
/*  Registers a new database with an empty image and stores it. */
sh_db_t *sh_db_make (sh_instance_t *self, int id, const char *name, sh_recovery_t recovery,
                     sh_error_t *error);
void sh_db_free (sh_db_t *db);
/*  What sh_db_get gives, under the lock. */
void sh_db_describe (sh_instance_t *self, const sh_db_t *db, sh_db_info_t *out);
/*  Loads the image and redoes the log; a database that fails is SUSPECT afterwards. */
void sh_db_recover (sh_instance_t *self, sh_db_t *db);
/*  A change was made: the next checkpoint has work. */
void sh_db_changed (sh_instance_t *self, sh_db_t *db);
void sh_note_locked (sh_instance_t *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
int64_t sh_fault_locked (const sh_instance_t *self, sh_fault_id_t id);
bool sh_fault_count_locked (sh_instance_t *self, sh_fault_id_t id);

void sh_path_free (sh_instance_t *instance);

/*  ---- rows (row.c) ---- */

/*  What the session sees of a slot whose row it may read: its own version, else the committed
 *  one. */
sh_row_t *sh_slot_visible (const sh_slot_t *slot, const sh_txn_t *viewer);
/*  Makes `row` (taken; NULL = delete) the pending version, with its undo. */
void sh_slot_change (sh_esession_t *session, sh_table_t *table, sh_slot_t *slot, sh_row_t *row);

/*  ---- msdb (msdb.c) ---- */

/*  Makes what is missing in master, model and msdb; at open, before any session. */
sh_status_t sh_system_make (sh_instance_t *self, sh_error_t *error);
/*  A row for a table of msdb as ops into a part's body, to be logged with others; names and values
 *  in pairs, columns not named are NULL, identity is filled (returned, 0 = none). */
typedef struct {
    const char *column;
    sh_value_t value;
} sh_named_t;
typedef struct {
    sh_table_t *table;
    sh_row_t *row;
    int64_t rid;
} sh_system_row_t;
int64_t sh_system_row (sh_instance_t *self, const char *table, const sh_named_t *values,
                       size_t count, sh_system_row_t *out);
void sh_system_put (sh_part_t *part, const sh_system_row_t *rows, size_t count);
void sh_system_apply (sh_instance_t *self, sh_system_row_t *rows, size_t count);
void sh_system_drop (sh_system_row_t *rows, size_t count);
sh_status_t
sh_system_write (sh_instance_t *self, sh_system_row_t *rows, size_t count, sh_error_t *error);

/*  backupset, backupmediaset, backupmediafamily, backupfile of a finished backup (history.c). */
sh_status_t
sh_history_backup (sh_instance_t *instance, const sh_backup_header_t *header,
                   const char *const *devices, bool new_media, int *set_id, sh_error_t *error);

#endif
