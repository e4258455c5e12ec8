/*  coordinator/shell/catalogue.h
 *  The coordinator's journal and memory: one SQLite file (WAL, synchronous=FULL) on a local disk.
 *  Each function that writes is one transaction that is on the disk when it returns (I9): write, then act.
 *  All failures are BM_CATALOGUE. Times are UTC microseconds, -1 = not yet. NULL texts are NULL.
 */
#ifndef BM_CATALOGUE_H
#define BM_CATALOGUE_H

#include "common/sql.h"
#include "coordinator/core/outcome.h"
#include "coordinator/core/record.h"
#include "coordinator/core/settle.h"

#define BM_CATALOGUE_SCHEMA 3

typedef struct bm_catalogue bm_catalogue_t;

/*  Makes the file (0600) and its folder's last part when they are not there. Refused, with the remedy and never touched: a
 *  file that is no SQLite database or is damaged, one of a later schema, one of another group. */
bm_catalogue_t *bm_catalogue_open (const char *path, const char *group, bm_error_t *error);
/*  For commands that only look: never makes a file, never writes. */
bm_catalogue_t *bm_catalogue_open_read_only (const char *path, bm_error_t *error);
void bm_catalogue_close (bm_catalogue_t **self_p);
const char *bm_catalogue_path (const bm_catalogue_t *self);
/*  The file was made by this open: what stood in an older one is not known. */
bool bm_catalogue_is_new (const bm_catalogue_t *self);

/* ---- runs ---- */

/*  A new run; its id is the epoch of every order: greater than every id before it, in this file or an older one that was
 *  lost (UTC seconds, or the greatest + 1), whatever the clock does. */
bm_status_t bm_catalogue_run_open (bm_catalogue_t *self, const char *command, uint64_t *run_p,
                                   bm_error_t *error);
bm_status_t bm_catalogue_run_close (bm_catalogue_t *self, uint64_t run, bm_status_t status,
                                    int exit_code, const char *text, bm_error_t *error);
/*  A line of the run's story: kind is one word ("settled", "lock-lost", ...). */
bm_status_t bm_catalogue_event (bm_catalogue_t *self, uint64_t run, const char *kind,
                                const char *text, bm_error_t *error);

typedef struct bm_run_row {
    uint64_t run;
    char *command, *status, *text; /* status NULL = still open, or killed */
    int exit_code;
    int64_t started_us, ended_us;
} bm_run_row_t;

/*  The newest first, at most `limit`. */
bm_status_t bm_catalogue_runs (bm_catalogue_t *self, size_t limit, bm_run_row_t **rows_p,
                               size_t *count_p, bm_error_t *error);
void bm_run_rows_destroy (bm_run_row_t **rows_p, size_t count);

/* ---- the group's databases ---- */

typedef struct bm_group_database {
    const char *server, *instance, *database; /* server as the group spells it */
    const char *family, *fork;                /* NULL = not known yet: what is stored stays */
} bm_group_database_t;

/*  Notes what the group has now; those not named are marked as gone (kept). */
bm_status_t
bm_catalogue_databases_put (bm_catalogue_t *self, uint64_t run,
                            const bm_group_database_t *databases, size_t count, bm_error_t *error);
/*  A server that the group's rows spell otherwise than before (an alias, another port) is still the same instance: what is
 *  known of its databases goes on under the new name. To be called before anything is asked of the catalogue by the names
 *  of the group. Databases without `instance` are left alone. *count_p = databases that were renamed. */
bm_status_t bm_catalogue_respell (bm_catalogue_t *self, const bm_group_database_t *databases,
                                  size_t count, size_t *count_p, bm_error_t *error);
/*  The recovery fork the catalogue last knew for a database; NULL in *fork_p = never seen. Caller frees. */
bm_status_t bm_catalogue_fork (bm_catalogue_t *self, const char *server, const char *database,
                               char **fork_p, bm_error_t *error);
/*  The database was restored: its backups of another fork are closed, the new fork is what counts from now. */
bm_status_t bm_catalogue_fork_change (bm_catalogue_t *self, const char *server,
                                      const char *database, const char *fork, bm_error_t *error);

/* ---- sets ---- */

typedef struct bm_set_row {
    int64_t set_id;
    bm_set_type_t type;
    uint64_t run;
    char *sequence;     /* full mark name in the files' names */
    char *mark;         /* NULL = full, or no mark was placed */
    char *history_time; /* BackupDateTime of all of its rows: "yyyy-mm-dd hh:mi:ss.mmm" */
    bool has_outcome;
    bm_outcome_t outcome;
    bool complete;    /* SetComplete = 1 was written */
    bool closed;      /* given up: a later full or a restore made it pointless */
    size_t databases; /* of the group when it began */
    size_t backups;   /* taken */
    int64_t began_us, ended_us, window_us, fence_ms;
    int64_t cleaned_us; /* when retention deleted its first file */
} bm_set_row_t;

/*  The set id was taken: the set, and the databases that it must hold. */
bm_status_t
bm_catalogue_set_open (bm_catalogue_t *self, uint64_t run, int64_t set_id, bm_set_type_t type,
                       const char *sequence, const char *history_time,
                       const bm_group_database_t *databases, size_t count, bm_error_t *error);
/*  The mark that its log backups carry (of the last round); NULL = none. `sequence` NULL = as it is. */
bm_status_t bm_catalogue_set_mark (bm_catalogue_t *self, int64_t set_id, const char *mark,
                                   const char *sequence, const bm_outcome_t *outcome,
                                   int64_t window_us, int64_t fence_ms, bm_error_t *error);
bm_status_t
bm_catalogue_set_end (bm_catalogue_t *self, int64_t set_id, bool complete, bm_error_t *error);
bm_status_t bm_catalogue_set_close (bm_catalogue_t *self, int64_t set_id, const char *reason,
                                    bm_error_t *error);
/*  The newest first, at most `limit`. */
bm_status_t bm_catalogue_sets (bm_catalogue_t *self, size_t limit, bm_set_row_t **rows_p,
                               size_t *count_p, bm_error_t *error);
/*  One set; *row_p NULL when it is not known. */
bm_status_t
bm_catalogue_set (bm_catalogue_t *self, int64_t set_id, bm_set_row_t **row_p, bm_error_t *error);
void bm_set_rows_destroy (bm_set_row_t **rows_p, size_t count);
/*  The full set with the greatest id, closed or not; *row_p NULL = none. One row for bm_set_rows_destroy. */
bm_status_t
bm_catalogue_newest_full (bm_catalogue_t *self, bm_set_row_t **row_p, bm_error_t *error);

/*  The management database was restored: a whole full is due until one is begun, whatever becomes of the run that noticed. */
bm_status_t bm_catalogue_owe_full (bm_catalogue_t *self, bool owed, bm_error_t *error);
bm_status_t bm_catalogue_owes_full (bm_catalogue_t *self, bool *owed_p, bm_error_t *error);

/*  The databases that a set is to hold. */
typedef struct bm_set_members {
    struct bm_set_member {
        char *server, *database;
    } * items;
    size_t count;
} bm_set_members_t;

bm_status_t bm_catalogue_set_members (bm_catalogue_t *self, int64_t set_id,
                                      bm_set_members_t *members, bm_error_t *error);
bool bm_set_members_find (const bm_set_members_t *self, const char *server, const char *database);
void bm_set_members_clear (bm_set_members_t *self);
/*  The set is to hold these too: those that it does not list are added, and it is open until it has them. */
bm_status_t
bm_catalogue_set_extend (bm_catalogue_t *self, int64_t set_id, const bm_group_database_t *databases,
                         size_t count, bm_error_t *error);
/*  The greatest set id that was ever seen, ours or another's; 0 = none. */
bm_status_t bm_catalogue_set_max (bm_catalogue_t *self, int64_t *set_id_p, bm_error_t *error);
/*  A set id seen in adm_BackupHistory or a manifest: remembered for set_max. */
bm_status_t bm_catalogue_set_seen (bm_catalogue_t *self, int64_t set_id, bm_error_t *error);

/* ---- rounds (I9) ---- */

/*  The mark's name and databases, before the first COMMIT is sent. A round that never came so far is not here. */
bm_status_t
bm_catalogue_round_intent (bm_catalogue_t *self, uint64_t run, uint32_t number, int64_t set_id,
                           const char *mark, int64_t began_us, const bm_group_database_t *databases,
                           size_t count, bm_error_t *error);
/*  For a round without intent (aborted before the first COMMIT) the row is made: outcome none. */
bm_status_t bm_catalogue_round_outcome (bm_catalogue_t *self, uint64_t run, uint32_t number,
                                        const char *mark, int64_t set_id, bm_outcome_t outcome,
                                        bm_fences_t fences, const char *reason, int64_t window_us,
                                        int64_t fence_ms, bm_error_t *error);
bm_status_t
bm_catalogue_proof_put (bm_catalogue_t *self, const bm_mark_proof_t *proof, bm_error_t *error);

typedef struct bm_journal_round {
    uint64_t run;
    uint32_t number;
    int64_t set_id;
    char *mark, *reason;
    bool has_outcome;
    bm_outcome_t outcome;
    bm_fences_t fences;
    int64_t began_us, ended_us, window_us, fence_ms;
} bm_journal_round_t;

/*  The newest first. set_id 0 = of all sets. */
bm_status_t bm_catalogue_rounds (bm_catalogue_t *self, int64_t set_id, size_t limit,
                                 bm_journal_round_t **rows_p, size_t *count_p, bm_error_t *error);
void bm_journal_rounds_destroy (bm_journal_round_t **rows_p, size_t count);
/*  LSN of a mark in a database, NULL in *lsn_p when not proved. Caller frees. */
bm_status_t bm_catalogue_mark_lsn (bm_catalogue_t *self, const char *mark, const char *server,
                                   const char *database, char **lsn_p, bm_error_t *error);

/* ---- backups ---- */

/*  A backup is ordered: journaled before the order is sent, so that settling can tell whose it is. */
bm_status_t bm_catalogue_order_open (bm_catalogue_t *self, uint64_t run, int64_t set_id,
                                     const char *server, const char *instance, const char *database,
                                     bm_set_type_t type, const char *sequence, const char *mark,
                                     int64_t *order_p, bm_error_t *error);
/*  How it ended. `status` is the contract's word: ok, ok_with_warnings, failed, skipped, unknown. `backup` may be NULL
 *  (no msdb row was found); else it is stored with the order in the same transaction. */
bm_status_t
bm_catalogue_order_close (bm_catalogue_t *self, int64_t order, const char *status,
                          const char *fault_text, int64_t ms, const bm_sql_messages_t *messages,
                          const bm_backup_t *backup, bm_error_t *error);
/*  Adds or updates by uuid (fields that are NULL or unset do not overwrite). */
bm_status_t
bm_catalogue_backup_put (bm_catalogue_t *self, const bm_backup_t *backup, bm_error_t *error);
/*  Its row stands in adm_BackupHistory. */
bm_status_t
bm_catalogue_backup_recorded (bm_catalogue_t *self, const char *uuid, bm_error_t *error);
/*  All backups of a database on the forks that are not closed, by LSN: its chain. NULL, NULL = of all databases. */
bm_status_t bm_catalogue_backups (bm_catalogue_t *self, const char *server, const char *database,
                                  bm_backups_t *backups, bm_error_t *error);
bm_status_t bm_catalogue_set_backups (bm_catalogue_t *self, int64_t set_id, bm_backups_t *backups,
                                      bm_error_t *error);
/*  The full that a log backup's chain starts with: the newest full of its fork with last_lsn within or below the log.
 *  false in *found_p when there is none. */
bm_status_t bm_catalogue_chain_start (bm_catalogue_t *self, const bm_backup_t *log,
                                      bm_backup_t *full, bool *found_p, bm_error_t *error);

typedef struct bm_order_row {
    int64_t order, set_id;
    uint64_t run;
    bm_set_type_t type;
    char *server, *instance, *database, *sequence, *mark, *status, *text, *uuid;
    int64_t began_us, ended_us, ms;
    size_t messages;
} bm_order_row_t;

bm_status_t bm_catalogue_orders (bm_catalogue_t *self, int64_t set_id, bm_order_row_t **rows_p,
                                 size_t *count_p, bm_error_t *error);
void bm_order_rows_destroy (bm_order_row_t **rows_p, size_t count);
/*  Whether backups that a run ordered have not ended, of whatever set. */
bm_status_t
bm_catalogue_orders_run (bm_catalogue_t *self, uint64_t run, bool *running_p, bm_error_t *error);
/*  SQL Server's messages of an order. Caller destroys. */
bm_status_t bm_catalogue_order_messages (bm_catalogue_t *self, int64_t order,
                                         bm_sql_messages_t **messages_p, bm_error_t *error);

/* ---- what is open ---- */

/*  Everything that settling needs of the journal: rounds without a (known) outcome, sets that are not complete and not closed,
 *  their orders, the known backups. Texts are owned by `open`. `in->facts` and the policies stay for the caller. */
typedef struct bm_open bm_open_t;
bm_open_t *bm_catalogue_open_things (bm_catalogue_t *self, bm_error_t *error);
/*  Fills rounds, orders, sets, known of *in (borrowed from self). */
void bm_open_fill (const bm_open_t *self, bm_settle_in_t *in);
size_t bm_open_rounds (const bm_open_t *self);
const char *bm_open_mark (const bm_open_t *self, size_t round); /* to be asked for in SETTLE */
/*  Since when backups are to be read: instance-local time of the start of the last complete set's first backup of the
 *  database, NULL = everything of the last 7 days. Borrowed. */
const char *bm_open_since (const bm_open_t *self, const char *server, const char *database);
void bm_open_destroy (bm_open_t **self_p);

/*  Stores the outcomes, proofs and backups of `out` in one transaction (before the history rows are written). */
bm_status_t bm_catalogue_settled (bm_catalogue_t *self, uint64_t run, const bm_settle_out_t *out,
                                  bm_error_t *error);

/* ---- manifests ---- */

bm_status_t bm_catalogue_manifest_put (bm_catalogue_t *self, int64_t set_id, const char *instance,
                                       const char *file, const char *sha256, bm_error_t *error);
/*  An instance that has databases in a set of an earlier run, but not the manifest of the set as it stands now: it was out of
 *  reach, or the run was killed. */
typedef struct bm_owed_manifest {
    int64_t set_id;
    char *instance;
} bm_owed_manifest_t;

/*  Of the newest sets that have backups, the newest first. */
bm_status_t
bm_catalogue_manifests_owed (bm_catalogue_t *self, uint64_t run, bm_owed_manifest_t **rows_p,
                             size_t *count_p, bm_error_t *error);
void bm_owed_manifests_destroy (bm_owed_manifest_t **rows_p, size_t count);
/*  The group's name that the file belongs to. */
const char *bm_catalogue_group (const bm_catalogue_t *self);

#endif
