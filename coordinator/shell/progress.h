/*  coordinator/shell/progress.h
 *  What happens, as it happens, on stderr: plain lines; on a terminal one line per host that is rewritten; with --events JSON
 *  lines for programs. stdout is never touched.
 */
#ifndef BM_PROGRESS_H
#define BM_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum { BM_PROGRESS_QUIET, BM_PROGRESS_TEXT, BM_PROGRESS_EVENTS } bm_progress_mode_t;

typedef struct bm_progress bm_progress_t;

/*  On stderr. Lines are rewritten when it is a terminal. */
bm_progress_t *bm_progress_new (bm_progress_mode_t mode);
void bm_progress_destroy (bm_progress_t **self_p);

/*  People see its lines rewritten: what a report tells later anyway need not be said twice. The cursor rests above these
 *  lines, so that everything below it can be wiped whatever the terminal's size has become. */
bool bm_progress_terminal (const bm_progress_t *self);

/*  A step that people want to read: a line of text. The event has its name, "at" and the text. */
void bm_progress_say (bm_progress_t *self, const char *event, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
/*  The same with values for programs; takes the reference. */
void bm_progress_event (bm_progress_t *self, const char *event, json_t *values, const char *format,
                        ...) __attribute__ ((format (printf, 4, 5)));

/*  A backup that runs. */
typedef struct bm_progress_backup {
    const char *host, *database;
    const char *step;     /* "waiting", "BACKUP LOG", ... */
    double percent;       /* < 0 = unknown */
    int64_t total_bytes;  /* < 0 = unknown */
    int64_t remaining_ms; /* < 0 = unknown */
    int64_t elapsed_ms, since_change_ms;
} bm_progress_backup_t;

/*  An event; on a terminal the host's line; without one, a plain line of the host at most every 30 s. */
void bm_progress_backup (bm_progress_t *self, const bm_progress_backup_t *backup);
/*  It has ended: the host's line speaks of the next one that runs there, or goes. */
void bm_progress_backup_done (bm_progress_t *self, const char *host, const char *database);

/*  Bytes a second from what is left and how long that takes; -1 = unknown. */
int64_t bm_progress_rate (const bm_progress_backup_t *backup);
/*  One line of at most `columns` cells: the host, the database, and as much of percentage, time left, rate and bar as there is
 *  room for; `more` backups run there too. Caller frees. */
char *bm_progress_line (const bm_progress_backup_t *backup, size_t more, size_t columns);

/*  "1.2 GiB", "340 ms", "2 min 05 s". Returns buffer. */
#define BM_PROGRESS_TEXT_BYTES 32
char *bm_progress_bytes (int64_t bytes, char buffer[BM_PROGRESS_TEXT_BYTES]);
char *bm_progress_duration (int64_t ms, char buffer[BM_PROGRESS_TEXT_BYTES]);

#endif
