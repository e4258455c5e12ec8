/*  common/clock.h
 *  Deadlines use the monotonic clock; wall time (UTC) is for names and people.
 */
#ifndef BM_CLOCK_H
#define BM_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t bm_clock_mono_ms (void);
int64_t bm_clock_mono_us (void);
int64_t bm_clock_utc_us (void); /* since 1970, UTC */

#define BM_CLOCK_TEXT_BYTES 32
/*  "2026-11-21T02:15:01.327Z" (RFC 3339, milliseconds). Returns buffer. */
char *bm_clock_rfc3339 (int64_t utc_us, char buffer[BM_CLOCK_TEXT_BYTES]);
int64_t bm_clock_parse_rfc3339 (const char *text); /* -1 when malformed */

#endif
