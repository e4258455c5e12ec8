/*  coordinator/core/findings.h
 *  What `btsmark check` and `btsmark status` found: each with a level, a topic that monitors may rely on, what it is about, and
 *  what to do. Pure.
 */
#ifndef BM_FINDINGS_H
#define BM_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

typedef enum {
    BM_LEVEL_OK,      /* looked at, nothing is wrong */
    BM_LEVEL_NOTE,    /* worth knowing; nothing needs to be done */
    BM_LEVEL_WARNING, /* a run works, but something needs attention */
    BM_LEVEL_FAILURE, /* a run would fail, or what it makes could not be relied on */
    BM_LEVEL_COUNT
} bm_level_t;

const char *bm_level_name (bm_level_t level); /* "failure" */

typedef struct bm_finding {
    bm_level_t level;
    bm_status_t status; /* of a failure: what a run would end with; else BM_OK or BM_WARNINGS */
    char *topic;
    char *server;   /* agent, instance or server of the group; NULL = the group as a whole */
    char *database; /* NULL = the server as a whole */
    char *text;
    char *remedy; /* NULL = nothing needs to be done */
} bm_finding_t;

typedef struct bm_findings {
    bm_finding_t *items;
    size_t count;
} bm_findings_t;

/*  What a finding is about; all may be NULL. */
typedef struct bm_subject {
    const char *topic, *server, *database;
} bm_subject_t;

/*  `remedy` may be NULL or "". One that stands there already with the same text is not added again. */
void
bm_findings_fail (bm_findings_t *self, bm_status_t status, bm_subject_t about, const char *remedy,
                  const char *format, ...) __attribute__ ((format (printf, 5, 6)));
void bm_findings_add (bm_findings_t *self, bm_level_t level, bm_subject_t about, const char *remedy,
                      const char *format, ...) __attribute__ ((format (printf, 5, 6)));
/*  A failure from an error. */
void bm_findings_error (bm_findings_t *self, bm_subject_t about, const bm_error_t *error);
void bm_findings_clear (bm_findings_t *self);

/*  The most severe first; of one level by topic, server and database. */
void bm_findings_sort (bm_findings_t *self);

size_t bm_findings_level_count (const bm_findings_t *self, bm_level_t level);
/*  Whether there is one of this topic above BM_LEVEL_OK (server NULL = of any). */
bool bm_findings_has (const bm_findings_t *self, const char *topic, const char *server);
/*  BM_OK, BM_WARNINGS, or the most severe of the failures. */
bm_status_t bm_findings_status (const bm_findings_t *self);

#endif
