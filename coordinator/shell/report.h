/*  coordinator/shell/report.h
 *  What a run did: gathered while it works, then told as one JSON object (`--json`) or as text for people.
 */
#ifndef BM_REPORT_H
#define BM_REPORT_H

#include <jansson.h>
#include <stdio.h>
#include "common/sql.h"
#include "coordinator/core/inflight.h"
#include "coordinator/core/outcome.h"
#include "coordinator/core/set.h"

typedef struct bm_report_database {
    char *server, *database;
    char *file;    /* device; NULL = none */
    int64_t bytes; /* of the file as far as known; -1 */
    char *first_lsn, *last_lsn, *mark_lsn;
    int64_t ms; /* -1 = was not run */
    bm_database_status_t status;
    bool recorded;
    bm_error_t error; /* why it failed or was skipped */
    bm_sql_messages_t *messages;
} bm_report_database_t;

typedef struct bm_report_attempt {
    char *mark;
    bm_outcome_t outcome;
    char *reason;
    json_t *in_flight;
} bm_report_attempt_t;

typedef struct bm_report_set {
    int64_t set_id;
    bm_set_type_t type;
    char *mark; /* NULL = none was placed */
    bool has_outcome;
    bm_outcome_t outcome;
    char *reason;      /* of the outcome, for people */
    json_t *in_flight; /* what the in-flight check found; NULL = nothing */
    bool complete;
    int64_t window_us, fence_ms; /* -1 = none */
    bm_report_attempt_t *
        attempts; /* every round but the one whose mark the set carries, that may have left a mark */
    size_t attempt_count;
    bm_report_database_t *databases;
    size_t database_count;
    int64_t ms;
} bm_report_set_t;

typedef struct bm_report {
    char *group;
    char *command; /* "run" */
    uint64_t run;
    bm_report_set_t **sets;
    size_t set_count;
    char **warnings;
    size_t warning_count;
    char **notes; /* what was settled, why no full: for people only */
    size_t note_count;
    bm_error_t error; /* the most severe */
    int64_t began_us, ended_us;
    bool exit_on_warnings;
} bm_report_t;

bm_report_t *bm_report_new (const char *command);
void bm_report_destroy (bm_report_t **self_p);

void
bm_report_warn (bm_report_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
void
bm_report_note (bm_report_t *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
/*  Keeps the more severe of this one and what was there; equal: the first. BM_OK is ignored. */
void bm_report_fail (bm_report_t *self, const bm_error_t *error);

/*  A set with room for so many databases; owned by the report. */
bm_report_set_t *
bm_report_set_add (bm_report_t *self, int64_t set_id, bm_set_type_t type, size_t databases);
/*  Takes a reference to in_flight, which may be NULL. */
void bm_report_attempt_add (bm_report_set_t *set, const char *mark, bm_outcome_t outcome,
                            const char *reason, json_t *in_flight);

int bm_report_exit_code (const bm_report_t *self);
/*  The object of `--json`; the caller decrefs. */
json_t *bm_report_json (const bm_report_t *self);
void bm_report_text (const bm_report_t *self, FILE *to);

/*  What the in-flight check found as a JSON array, an object for each instance; NULL when it found nothing. */
json_t *bm_report_in_flight_json (const bm_inflight_t *inflight);

/*  A fault as a JSON object; null when there is none. The caller decrefs. */
json_t *bm_report_error_json (const bm_error_t *error);
/*  SQL Server's messages as a JSON array; NULL gives an empty one. */
json_t *bm_report_messages_json (const bm_sql_messages_t *messages);
/*  "error: text" and "what to do: remedy", wrapped for a person. */
void bm_report_error_text (const bm_error_t *error, FILE *to);

#endif
