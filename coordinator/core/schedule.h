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
    /*  The same, for BizTalk's log shipping (a gap lasts until the next full); and a failed full is not repaired: a new full set
     *  is taken instead. */
    bool legacy_log_shipping;
    int64_t
        retry_pause_us; /* before a whole full is taken again in the same period; doubles with each, up to 8 h */
} bm_schedule_config_t;

#define BM_SCHEDULE_PAUSE_MAX_US (INT64_C (8) * 3600 * 1000000)

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
    /*  Databases that have no full in their chain and that no full of their own can help. */
    size_t databases_without_full;
    bool fork_changed; /* the management database was restored */
    bool all_ready;    /* every database of the group can be backed up now */
} bm_schedule_history_t;

/*  The moment, and the offsets of the two clocks at that moment, in minutes ahead of UTC (0 for UTC). */
typedef struct bm_schedule_now {
    int64_t utc_us;
    int period_offset_minutes; /* of the clock that cuts the periods */
    int hour_offset_minutes;   /* of the clock that backup_hour is read from */
} bm_schedule_now_t;

typedef enum {
    BM_DUE_NO,      /* this period has its full */
    BM_DUE_NOT_YET, /* this period's full waits for backup_hour */
    BM_DUE_LATER, /* it failed; tried again after a pause, or when every database can be backed up */
    BM_DUE_FORCED,
    BM_DUE_FIRST, /* no complete full yet */
    BM_DUE_FORK,  /* the group was restored since */
    BM_DUE_AFTER_PARTIAL,
    BM_DUE_NEW_DATABASE, /* a database has no full in its chain, and none of its own would do */
    BM_DUE_PERIOD,       /* this period has none */
    BM_DUE_COUNT
} bm_due_t;

/*  Exactly one answer; in the order FORCED, FORK, FIRST, NEW_DATABASE, AFTER_PARTIAL, PERIOD / NOT_YET / NO; LATER in the place of
 *  what waits. */
bm_due_t bm_schedule_due (const bm_schedule_config_t *config, const bm_schedule_history_t *history,
                          const bm_schedule_now_t *now);
bool bm_due_is (bm_due_t due);            /* a full is to be taken now */
const char *bm_due_reason (bm_due_t due); /* a sentence */

/*  Number of the period that a time lies in; equal numbers = same period. */
int64_t bm_schedule_period (bm_frequency_t every, int64_t utc_us, int utc_offset_minutes);

#endif
