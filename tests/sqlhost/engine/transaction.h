/*  tests/sqlhost/engine/transaction.h
 *  Transactions of a session. The engine knows one level: @@TRANCOUNT is the interpreter's.
 *
 *  Every change needs an open transaction; in autocommit mode the interpreter begins one around the
 *  statement (`user` false). Changes stay with the transaction until commit, under X locks on their
 *  rows. The commit is one record in the instance's log, over all databases that it changed: that
 *  record is the commit point. */
#ifndef SH_ENGINE_TRANSACTION_H
#define SH_ENGINE_TRANSACTION_H

#include "tests/sqlhost/engine/instance.h"

/*  name may be NULL; `user` true for BEGIN TRAN. 3902-like misuse is a bug and aborts: ask
 *  sh_txn_active. */
sh_status_t sh_txn_begin (sh_esession_t *session, const char *name, bool user, sh_error_t *error);
/*  Turns an autocommit transaction (IMPLICIT_TRANSACTIONS) into a user's, or names it. */
void sh_txn_set_user (sh_esession_t *session, const char *name);
bool sh_txn_active (const sh_esession_t *session);
int64_t sh_txn_id (const sh_esession_t *session); /* 0 = none */
const char *sh_txn_name (const sh_esession_t *session);
/*  WITH MARK: name cut at 32 characters, description (NULL = none) at 255. 3920 (severity 10, as an
 *  error of status SH_ERROR) when marked already: the first one stays. */
sh_status_t
sh_txn_mark (sh_esession_t *session, const char *name, const char *description, sh_error_t *error);
/*  A marked commit stalls the instance: until it is logged, no other transaction may be prepared or committed, but
 *  prepared branches (branch.h) end; it waits for those, and for another marked commit, at most
 *  mark_stall_timeout_ms, then fails with 3928, severity 16. Microsoft does not say what becomes of the transaction
 *  then, only "The marked transaction failed ... Try the operation again": here it is rolled back, or stays open with
 *  the fault mark_timeout_keeps. It sends 3923 through on_message for each database where its mark is dropped.
 *  SH_CANCELLED: not committed, still open. SH_ERROR (9001, 3928, ...), SH_KILLED: rolled back. */
sh_status_t sh_txn_commit (sh_esession_t *session, sh_error_t *error);
void sh_txn_rollback (sh_esession_t *session);

/*  Positions for statement-level undo: everything after `position` is undone; locks stay. */
size_t sh_txn_position (const sh_esession_t *session);
void sh_txn_rollback_to (sh_esession_t *session, size_t position);
/*  SAVE TRAN; rolling back to it keeps it. SH_END when there is none of that name. */
void sh_txn_save (sh_esession_t *session, const char *name);
sh_status_t sh_txn_rollback_save (sh_esession_t *session, const char *name);

/*  Work that only BULK_LOGGED recovery logs minimally (SELECT INTO, bulk insert): with it a
 *  database drops marks (3923) until its log is backed up. Nothing in other recovery models. */
void sh_txn_note_bulk (sh_esession_t *session, int db_id);

/*  Numbers as in sys.dm_tran_active_transactions and sys.dm_tran_database_transactions. */
enum {
    SH_TXN_ACTIVE = 2,
    SH_TXN_COMMITTING = 4,
    SH_TXN_PREPARED = 5,
    SH_TXN_COMMITTED = 6,
    SH_TXN_DB_STARTED = 3, /* no log records yet */
    SH_TXN_DB_ACTIVE = 4,
    SH_TXN_DB_PREPARED = 5,
    SH_TXN_DB_COMMITTED = 10,
    SH_TXN_DB_COMMITTING = 12
};

typedef struct {
    int64_t id;
    int session_id; /* -2: an orphaned branch */
    char name[33];
    bool user, marked;
    bool distributed;
    uint8_t uow[16];     /* when distributed */
    int state, db_state; /* SH_TXN_..., SH_TXN_DB_... */
    int64_t begin_time;  /* local ticks */
    size_t changes;      /* rows changed so far */
    size_t database_count;
    int databases[32]; /* ids changed so far (at most the first 32) */
} sh_txn_info_t;

/*  The caller frees *out. */
size_t sh_txn_list (sh_instance_t *instance, sh_txn_info_t **out);

/*  ---- application locks and the lock list ---- */

typedef enum {
    SH_APP_SHARED,
    SH_APP_UPDATE,
    SH_APP_INTENT_SHARED,
    SH_APP_INTENT_EXCLUSIVE,
    SH_APP_EXCLUSIVE
} sh_app_mode_t;

/*  sp_getapplock: *result 0 granted, 1 after a wait, -1 timeout, -2 cancelled, -3 deadlock
 *  victim, -999 owner transaction without one. timeout_ms -1 = the session's lock timeout. Names
 *  are compared byte by byte, at most 255 characters, per database. Status is SH_OK unless the
 *  session must stop. */
sh_status_t sh_app_lock (sh_esession_t *session, int db_id, const char *name, sh_app_mode_t mode,
                         bool owner_session, int64_t timeout_ms, int *result, sh_error_t *error);
/*  Gives one of possibly several grants back. 1223 when it is not held. */
sh_status_t sh_app_unlock (sh_esession_t *session, int db_id, const char *name, bool owner_session,
                           sh_error_t *error);
/*  APPLOCK_MODE: "NoLock", "Shared", "Update", "Exclusive", ... */
const char *
sh_app_lock_mode (sh_esession_t *session, int db_id, const char *name, bool owner_session);
/*  APPLOCK_TEST: would it be granted now? */
bool sh_app_lock_test (sh_esession_t *session, int db_id, const char *name, sh_app_mode_t mode,
                       bool owner_session);

typedef struct {
    int session_id;
    int db_id;
    char resource_type[16]; /* DATABASE OBJECT RID APPLICATION METADATA */
    char resource[257];     /* app lock: 0:[name]:(hash) */
    int64_t object_id;      /* OBJECT, RID */
    char mode[16];          /* "X", "Sch-S", "IX", ... */
    bool waiting;           /* request_status WAIT, else GRANT */
    char owner_type[16];    /* TRANSACTION SESSION */
    int64_t transaction_id;
    uint8_t uow[16]; /* of a distributed transaction, else zeros (request_owner_guid) */
} sh_lock_info_t;

/*  The caller frees *out. */
size_t sh_lock_list (sh_instance_t *instance, sh_lock_info_t **out);

#endif
