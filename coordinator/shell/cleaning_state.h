/*  coordinator/shell/cleaning_state.h
 *  What the sources of cleaning share (cleaning.c decides and orders the steps, cleaning_orders.c talks to the agents). For those
 *  files only: see cleaning.h.
 */
#ifndef BM_CLEANING_STATE_H
#define BM_CLEANING_STATE_H

#include "coordinator/shell/cleaning.h"
#include "coordinator/shell/marks.h"

/*  A file that is to be looked at. */
typedef struct bm_look {
    const char *instance, *file; /* borrowed */
    bool ours;
    bool asked, exists; /* the answer */
    char *problem;      /* why there is none; NULL = there is one */
} bm_look_t;

/*  Instance of the topology by its real name; BM_NOWHERE = nobody serves it now. */
size_t bm_cleaning_instance (const bm_work_t *work, const char *real_name);

/*  Asks all hosts at once whether the files are there. Every look gets its answer or its problem. */
void bm_cleaning_look (bm_work_t *work, bm_look_t *looks, size_t count);

/*  Orders the deletion of those files that go and have a place in the journal, all hosts at once, and closes the journal by what
 *  each answers. *failures counts what was left or not answered. */
void bm_cleaning_delete (bm_work_t *work, bm_cleaning_t *cleaning);

/*  TRIM_MARKS on every instance. */
void bm_cleaning_trim (bm_work_t *work, bm_cleaning_t *cleaning, char **keep, size_t keep_count);

#endif
