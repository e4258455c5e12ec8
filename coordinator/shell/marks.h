/*  coordinator/shell/marks.h
 *  The marks of the group with what they are worth, from the catalogue alone: what `marks`, `status`, retention and a restore judge by.
 */
#ifndef BM_MARKS_H
#define BM_MARKS_H

#include "coordinator/core/usable.h"
#include "coordinator/shell/catalogue_retention.h"

/*  One database that a mark or a backup speaks of. */
typedef struct bm_marks_member {
    const char *server, *database; /* borrowed from the rows */
    bm_link_t *links;
    const bm_stored_t **stored; /* of each link */
    size_t link_count;
    bool present;
} bm_marks_member_t;

typedef struct bm_marks {
    bm_mark_t *marks; /* the newest first */
    bm_usability_t *verdicts;
    bm_stored_mark_t *rows; /* of the same order */
    size_t count;
    bm_member_t *members;
    bm_marks_member_t *details; /* of the members */
    size_t member_count;
    size_t latest; /* the newest usable one; SIZE_MAX = none */
    size_t
        latest_on_demand; /* the newest that may be had on demand, when it is newer than `latest`; else SIZE_MAX */
    bm_usable_t *usable;

    bm_stored_t *stored;
    size_t stored_count;
    bm_set_members_t group;
    bm_mark_standing_t **standings;
    size_t hint;
} bm_marks_t;

/*  limit 0 = all that may still be restored to. NULL and BM_CATALOGUE on failure. */
bm_marks_t *bm_marks_load (bm_catalogue_t *catalogue, size_t limit, bm_error_t *error);
void bm_marks_destroy (bm_marks_t **self_p);

/*  Why the mark is not usable: "OrdersDb on SQL03: no log backup holds LSN 34...1 to 34...9"; for a usable one "". The
 *  database, the file and the gap are named. Caller frees. */
char *bm_marks_why (const bm_marks_t *self, size_t mark);

#endif
