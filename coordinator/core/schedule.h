/*  coordinator/core/schedule.h
 *  Is a full backup due? Pure: the caller brings the history, the time and the zone.
 */
#ifndef BM_SCHEDULE_H
#define BM_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "coordinator/core/set.h"

/*  The letters of BizTalk's job, upper case allowed: h d w m y. A week begins on Monday and is not cut by the
 *  end of a month or year. */
typedef enum {
    BM_EVERY_HOUR,
    BM_EVERY_DAY,
    BM_EVERY_WEEK,
    BM_EVERY_MONTH,
    BM_EVERY_YEAR
} bm_frequency_t;

/*  False when the text is none of the letters. */
bool bm_frequency_parse (const char *text, bm_frequency_t *frequency);
const char *bm_frequency_name (bm_frequency_t frequency); /* "day" */

typedef struct bm_schedule_config {
    bm_frequency_t every;
    int backup_hour; /* 0..23: from that hour on; -1 = at once. Not looked at for BM_EVERY_HOUR */
    bool full_after_partial; /* an incomplete set since the last complete full makes one due */
    bool
        legacy_log_shipping; /* the same, for BizTalk's log shipping: a gap lasts until the next full */
} bm_schedule_config_t;

/*  One set of adm_BackupHistory or the catalogue. */
typedef struct bm_schedule_set {
    int64_t set_id;
    bm_set_type_t type;
    bool complete;
    bool under_repair; /* a full whose missing databases are being taken again: it counts */
    int64_t at_utc_us;
    int utc_offset_minutes; /* of the schedule's zone at that time; 0 for UTC */
} bm_schedule_set_t;

typedef struct bm_schedule_history {
    const bm_schedule_set_t *sets; /* in any order */
    size_t count;
    bool force_full; /* adm_BackupSettings.ForceFull */
    size_t
        databases_without_full; /* of the group, that have no full in their chain: only a full helps them */
    bool fork_changed;          /* the management database was restored */
} bm_schedule_history_t;

typedef enum {
    BM_DUE_NO,      /* this period has its full */
    BM_DUE_NOT_YET, /* due today, but before backup_hour */
    BM_DUE_FORCED,
    BM_DUE_FIRST, /* no complete full yet */
    BM_DUE_FORK,  /* the group was restored since */
    BM_DUE_AFTER_PARTIAL,
    BM_DUE_NEW_DATABASE, /* a database has no full */
    BM_DUE_PERIOD,       /* this period has none */
    BM_DUE_COUNT
} bm_due_t;

/*  Exactly one answer; in the order FORCED, FIRST, FORK, NEW_DATABASE, AFTER_PARTIAL, PERIOD / NOT_YET / NO.
 *  utc_offset_minutes = of the schedule's zone now; 0 for UTC. */
bm_due_t bm_schedule_due (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
                          int64_t now_utc_us, int utc_offset_minutes);
bool bm_due_is (bm_due_t due);            /* a full is to be taken now */
const char *bm_due_reason (bm_due_t due); /* a sentence */

/*  Number of the period that a time lies in; equal numbers = same period. */
int64_t bm_schedule_period (bm_frequency_t every, int64_t utc_us, int utc_offset_minutes);

#endif
