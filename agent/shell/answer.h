/*  agent/shell/answer.h
 *  Envelopes that go out. Everything in them is malloc'ed, so that btsmark__envelope__free_unpacked (x, NULL) frees them.
 */
#ifndef BM_ANSWER_H
#define BM_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "common/sql.h"
#include "common/wire.h"

/*  Replaces a string field; NULL = "". */
void bm_answer_text (char **field, const char *value);

/*  A Fault of the error; NULL when it is BM_OK. */
Btsmark__Fault *bm_answer_fault (const bm_error_t *error);
Btsmark__Fault *bm_answer_fault_new (bm_status_t status, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/*  Appends to a repeated field. */
void bm_answer_add_fault (Btsmark__Fault ***items_p, size_t *count_p, Btsmark__Fault *fault);
void bm_answer_add_text (char ***items_p, size_t *count_p, const char *text);

/*  `body` (taken) set in a new envelope that repeats the order's identity. */
typedef union bm_body {
    ProtobufCMessage *message;
    Btsmark__Greeting *greeting;
    Btsmark__Vote *vote;
    Btsmark__Fenced *fenced;
    Btsmark__Marked *marked;
    Btsmark__Sampled *sampled;
    Btsmark__Committed *committed;
    Btsmark__Released *released;
    Btsmark__Aborted *aborted;
    Btsmark__Proof *proof;
    Btsmark__BackupDone *backup_done;
    Btsmark__Settled *settled;
    Btsmark__ManifestWritten *manifest_written;
    Btsmark__Cancelled *cancelled;
    Btsmark__StatusReport *status_report;
    Btsmark__Inspected *inspected;
    Btsmark__FilesMeasured *files_measured;
    Btsmark__FilesDeleted *files_deleted;
    Btsmark__MarksTrimmed *marks_trimmed;
    Btsmark__Progress *progress;
    Btsmark__Refused *refused;
} bm_body_t;

Btsmark__Envelope *bm_answer_new (const Btsmark__Envelope *order, uint64_t start_id,
                                  Btsmark__Envelope__BodyCase kind, bm_body_t body);

Btsmark__Envelope *bm_answer_refuse (const Btsmark__Envelope *order, uint64_t start_id,
                                     Btsmark__Refused__Why why, const bm_error_t *error);

#endif
