/*  coordinator/core/fullplan.h
 *  Which full backups a run takes: none, those of the whole group as a new set, or those that the newest full set lacks. Pure.
 *
 *  A full set that failed on some databases is repaired where it failed: later runs take just the missing ones, under the same
 *  set id, until the last is there. A database that is new to the group joins the newest full set in the same way: it is the
 *  set that the logs from now on start from, and the set's row count is the group's again. Its own set id would be worse for
 *  whoever reads adm_BackupHistory: a set of type `db` with one database counts as the period's full for BizTalk's schedule,
 *  frees the rows of the last real full for sp_DeleteBackupHistory, and, with SetComplete = 0, stops BizTalk's log shipping.
 *  Log shipping asks for set ids above the last one it knows, so it would not see a row that is added to an older set: with
 *  legacy-log-shipping there is no repair, but one new full set.
 */
#ifndef BM_FULLPLAN_H
#define BM_FULLPLAN_H

#include "coordinator/core/schedule.h"

/*  One database of the group, as it is now. */
typedef struct bm_fullplan_database {
    bool ready;    /* its instance answers and nothing speaks against a backup */
    bool voted;    /* has_full is known */
    bool has_full; /* in its log chain: its log can be backed up */
    /*  of the newest full set */
    bool in_set;       /* the set is to hold it */
    bool held;         /* the set holds its full */
    unsigned attempts; /* backups of it that were ordered for the set and failed */
    int64_t last_attempt_us;
} bm_fullplan_database_t;

/*  The newest full set of ours that can still be added to: not closed, and no newer full of anybody is in the history. */
typedef struct bm_fullplan_set {
    int64_t set_id; /* 0 = none */
    bool complete;
} bm_fullplan_set_t;

typedef enum {
    BM_FULLPLAN_NONE,
    BM_FULLPLAN_WHOLE, /* a new set of every database */
    BM_FULLPLAN_REPAIR /* the databases of `take`, under the id of the newest set */
} bm_fullplan_action_t;

typedef struct bm_fullplan {
    bm_fullplan_action_t action;
    bm_due_t due;                 /* why a whole full, or why none */
    size_t taken;                 /* of a repair */
    size_t newcomers;             /* of those, that the set did not list yet */
    size_t out_of_reach, pausing; /* lack theirs, and are not taken now */
    int64_t next_us;              /* when the first of the pausing may be tried; -1 = none */
} bm_fullplan_t;

/*  history->databases_without_full and all_ready are found here. `take` has room for n: which databases a repair takes. */
void bm_fullplan_decide (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
                         const bm_schedule_now_t *now, const bm_fullplan_set_t *set,
                         const bm_fullplan_database_t *databases, size_t n, bool *take,
                         bm_fullplan_t *plan);

#endif
