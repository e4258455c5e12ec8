/*  coordinator/core/set.c */
#include "coordinator/core/set.h"
#include <stdint.h>
#include "coordinator/core/chain.h"

const char *
bm_set_type_name (bm_set_type_t type)
{
    return type == BM_SET_FULL ? "db" : "lg";
}

const char *
bm_database_status_name (bm_database_status_t status)
{
    static const char *const names[BM_DATABASE_STATUS_COUNT] = {
        [BM_DATABASE_PENDING] = "pending",
        [BM_DATABASE_OK] = "ok",
        [BM_DATABASE_OK_WITH_WARNINGS] = "ok_with_warnings",
        [BM_DATABASE_FAILED] = "failed",
        [BM_DATABASE_SKIPPED] = "skipped",
        [BM_DATABASE_UNKNOWN] = "unknown",
    };
    bm_require ((unsigned)status < BM_DATABASE_STATUS_COUNT);
    return names[status];
}

const char *
bm_set_state_name (bm_set_state_t state)
{
    if (state == BM_SET_BACKING_UP)
        return "BACKING_UP";
    return state == BM_SET_STATE_COMPLETE ? "COMPLETE" : "INCOMPLETE";
}

/*  What a database's backup means for its set. */
static const struct {
    bool taken;
    bm_status_t status;
    const char *reason;
} s_databases[BM_DATABASE_STATUS_COUNT] = {
    [BM_DATABASE_PENDING] = {false, BM_OK, "a backup is waiting or running"},
    [BM_DATABASE_OK] = {true, BM_OK, "every database has its backup"},
    [BM_DATABASE_OK_WITH_WARNINGS] = {true, BM_OK, "a backup ended with warnings"},
    [BM_DATABASE_FAILED] = {false, BM_SET_INCOMPLETE, "a backup failed"},
    [BM_DATABASE_SKIPPED] = {false, BM_SET_INCOMPLETE, "a database was not backed up"},
    [BM_DATABASE_UNKNOWN] = {false, BM_IN_DOUBT, "what became of a backup is not known yet"},
};

/*  What a mark's outcome means for a log set; BM_OK: as good as a mark can be. */
static const struct {
    bm_status_t status;
    const char *reason;
} s_marks[BM_OUTCOME_COUNT] = {
    [BM_OUTCOME_NONE] = {BM_NO_MARK, "no mark was placed"},
    [BM_OUTCOME_TORN] = {BM_MARK_MISSING, "the mark is in some databases only"},
    [BM_OUTCOME_UNPROVEN] = {BM_MARK_MISSING, "a database does not show the mark"},
    [BM_OUTCOME_UNKNOWN] = {BM_IN_DOUBT, "an instance could not be asked for the mark"},
    [BM_OUTCOME_DOUBTFUL] = {BM_MARK_DOUBTFUL, "the mark is doubtful"},
    [BM_OUTCOME_UNCHECKED] = {BM_MARK_DOUBTFUL,
                              "the mark is unchecked: the in-flight check did not run"},
    [BM_OUTCOME_CLEAN] = {BM_OK, "every database has its backup with the mark in it"},
};

static bm_set_verdict_t
s_incomplete (bm_status_t status, const char *reason, size_t database)
{
    return (bm_set_verdict_t){
        .state = BM_SET_STATE_INCOMPLETE, .status = status, .reason = reason, .database = database};
}

/*  The backups alone: COMPLETE when each was taken and recorded. */
static bm_set_verdict_t
s_judge_backups (const bm_set_database_t *databases, size_t n)
{
    bm_set_verdict_t verdict = {.state = BM_SET_STATE_COMPLETE,
                                .status = BM_OK,
                                .reason = s_databases[BM_DATABASE_OK].reason,
                                .database = SIZE_MAX};
    for (size_t at = 0; at < n; at++)
        if (databases[at].status == BM_DATABASE_PENDING)
            return (bm_set_verdict_t){.state = BM_SET_BACKING_UP,
                                      .status = BM_OK,
                                      .reason = s_databases[BM_DATABASE_PENDING].reason,
                                      .database = at};
    for (size_t at = 0; at < n; at++) {
        bm_database_status_t status = databases[at].status;
        if (!s_databases[status].taken)
            return s_incomplete (s_databases[status].status, s_databases[status].reason, at);
        if (!databases[at].recorded)
            return s_incomplete (BM_SET_INCOMPLETE,
                                 "a backup was taken but its row is not in adm_BackupHistory", at);
        if (status == BM_DATABASE_OK_WITH_WARNINGS && !verdict.warn) {
            verdict.warn = true;
            verdict.reason = s_databases[status].reason;
            verdict.database = at;
        }
    }
    return verdict;
}

/*  The mark must lie in what each database's log backup holds, else a restore cannot stop at it. */
static bm_set_verdict_t
s_judge_mark (bm_set_verdict_t verdict, bm_outcome_t outcome, const bm_set_database_t *databases,
              size_t n)
{
    for (size_t at = 0; at < n; at++) {
        const bm_set_database_t *database = &databases[at];
        if (!bm_lsn_valid (database->mark_lsn))
            return s_incomplete (BM_MARK_MISSING, "the mark's LSN in a database is not known", at);
        if (!bm_lsn_within (database->mark_lsn, database->first_lsn, database->last_lsn))
            return s_incomplete (BM_MARK_MISSING, "the mark is not within a database's log backup",
                                 at);
    }
    if (outcome == BM_OUTCOME_DOUBTFUL || outcome == BM_OUTCOME_UNCHECKED) {
        verdict.warn = true;
        verdict.reason = outcome == BM_OUTCOME_DOUBTFUL
                             ? "the mark is doubtful, and the policy accepts it"
                             : "the mark is unchecked, and the policy accepts it";
        verdict.database = SIZE_MAX;
    } else if (!verdict.warn)
        verdict.reason = s_marks[outcome].reason;
    return verdict;
}

bm_set_verdict_t
bm_set_judge (bm_set_type_t type, bm_outcome_t outcome, bool accept_doubtful,
              const bm_set_database_t *databases, size_t n)
{
    if (n == 0)
        return s_incomplete (BM_SET_INCOMPLETE, "the group has no database", SIZE_MAX);
    bm_set_verdict_t verdict = s_judge_backups (databases, n);
    if (verdict.state != BM_SET_STATE_COMPLETE || type == BM_SET_FULL)
        return verdict;
    if (!bm_outcome_good (outcome, accept_doubtful))
        return s_incomplete (s_marks[outcome].status, s_marks[outcome].reason, SIZE_MAX);
    return s_judge_mark (verdict, outcome, databases, n);
}
