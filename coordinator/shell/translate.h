/*  coordinator/shell/translate.h
 *  The wire's types to ours. What comes from the wire has been checked for size and UTF-8; here it is given meaning.
 */
#ifndef BM_TRANSLATE_H
#define BM_TRANSLATE_H

#include "common/sql.h"
#include "coordinator/core/inflight.h"
#include "coordinator/core/record.h"
#include "coordinator/core/round.h"
#include "coordinator/core/set.h"
#include "proto/btsmark.pb-c.h"

/*  An absent fault: BM_OK. A status that this version does not know: BM_PROTOCOL, with its text. */
bm_status_t bm_translate_fault (const Btsmark__Fault *fault, bm_error_t *error);
/*  All faults as one: the first one's status and remedy, the texts joined by "; ". */
bm_status_t bm_translate_faults (Btsmark__Fault *const *faults, size_t count, bm_error_t *error);

/*  Caller destroys; NULL when there are none. */
bm_sql_messages_t *bm_translate_messages (Btsmark__SqlMessage *const *items, size_t count);
bool bm_translate_has_message (Btsmark__SqlMessage *const *items, size_t count, int number);

/*  A row of msdb. `server` is the group's name for the instance. Caller clears. */
void bm_translate_backup (const Btsmark__BackupRow *row, const char *server, const char *instance,
                          int64_t file_bytes, bm_backup_t *backup);
void bm_translate_proof (const Btsmark__DatabaseProof *proof, const char *mark, const char *server,
                         const char *instance, const char *database, bm_mark_proof_t *to);

/*  A sample as the agent answered it: `ran` without counts did not run. `why_not` is what is told when it did not. All is
 *  borrowed from the answer but the array of branches, which the caller frees with bm_translate_sample_clear. */
void bm_translate_sample (bool ran, const Btsmark__BranchCounts *counts,
                          Btsmark__Branch *const *branches, size_t count, const char *why_not,
                          bm_inflight_sample_t *sample);
void bm_translate_sample_clear (bm_inflight_sample_t *sample);

bm_commit_answer_t bm_translate_commit (Btsmark__CommitAnswer answer);
bm_database_status_t bm_translate_status (Btsmark__BackupStatus status);

#endif
