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

/*  People see its lines rewritten: what a report tells later anyway need not be said twice. */
bool bm_progress_terminal (const bm_progress_t *self);

/*  A step that people want to read: a line of text. The event has its name, "at" and the text. */
void bm_progress_say (bm_progress_t *self, const char *event, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
/*  The same with values for programs; takes the reference. */
void bm_progress_event (bm_progress_t *self, const char *event, json_t *values, const char *format,
                        ...) __attribute__ ((format (printf, 4, 5)));

/*  A backup that runs: an event, on a terminal the host's line; without one, a plain line at most every 30 s. percent < 0 =
 *  unknown. */
void
bm_progress_backup (bm_progress_t *self, const char *host, const char *database, const char *step,
                    double percent, int64_t elapsed_ms, int64_t since_change_ms);
/*  The host has nothing running any more: its line goes. */
void bm_progress_host_done (bm_progress_t *self, const char *host);

/*  "1.2 GiB", "340 ms", "2 min 05 s". Returns buffer. */
#define BM_PROGRESS_TEXT_BYTES 32
char *bm_progress_bytes (int64_t bytes, char buffer[BM_PROGRESS_TEXT_BYTES]);
char *bm_progress_duration (int64_t ms, char buffer[BM_PROGRESS_TEXT_BYTES]);

#endif
