/*  coordinator/shell/cleaning.h
 *  Retention carried out: the job's last step, and `btsmark clean`. What may go is decided for the group as a whole (core/retention);
 *  before that the files that the kept marks need are looked at, on every host: a file that is gone there makes its mark unusable,
 *  and older ones are kept instead. Each deletion is journaled before it is ordered; one whose answer was lost is settled by the next
 *  cleaning. Then manifests, rows of adm_BackupHistory and rows of MarkLog, of what is confirmed gone.
 */
#ifndef BM_CLEANING_H
#define BM_CLEANING_H

#include "coordinator/core/retention.h"
#include "coordinator/shell/work.h"

typedef struct bm_cleaning_file {
    char *instance, *file;
    char *server, *database; /* NULL = a manifest */
    int64_t set_id;          /* 0 = of no set of ours */
    int64_t bytes;           /* -1 = not known */
    bool goes;
    const char *rule; /* bm_rule_name, or "manifest" */
    char *why;        /* a sentence */
    const char *fate; /* "deleted", "was gone", "left"; NULL = it was not ordered */
    char *problem;    /* of "left", or why there is no answer */
    int64_t removal;  /* in the journal; 0 = none */
    bool closed;      /* there, too */
    size_t stripes;   /* how many of the files after it are further stripes of the same backup */
} bm_cleaning_file_t;

/*  Rows of MarkLog that went, or would go. */
typedef struct bm_cleaning_trim {
    char *instance, *database;
    uint64_t rows;
} bm_cleaning_trim_t;

typedef struct bm_cleaning {
    bool dry_run;
    bool files_kept; /* files = keep: BizTalk's own rule */
    char *stop;      /* why no file goes; NULL = nothing speaks against it */
    bm_cleaning_file_t
        *files; /* every file that the catalogue knows of, by instance, database and age */
    size_t count;
    bm_cleaning_trim_t *trims;
    size_t trim_count;
    int history_days;         /* rows of adm_BackupHistory that are older go; 0 = none */
    char mark_log_before[32]; /* rows of MarkLog with an older name go; "" = none */
    size_t looked_at;         /* files that were measured */
    size_t failures; /* of deletions, rows and trimming: each is a warning of the report, too */
} bm_cleaning_t;

/*  Under the lock, after settling and the votes; with dry_run without both, and nothing is written anywhere. What fails becomes a
 *  warning of work->report; backups that were taken stay good. */
void bm_cleaning_run (bm_work_t *work, bool dry_run, bm_cleaning_t *out);
void bm_cleaning_clear (bm_cleaning_t *self);

/*  Files that went (in a dry run: would go), and their bytes as far as known. */
size_t bm_cleaning_gone (const bm_cleaning_t *self, int64_t *bytes);

/*  Days for sp_DeleteBackupHistory that are older than everything that must stay: at least the retention time, and one more than
 *  the age of the oldest set that has a file. 0 = nothing may go. */
int bm_cleaning_history_days (int64_t now_us, int64_t keep_time_ms, int64_t oldest_kept_us);

#endif
