/*  common/log.h
 *  Lines for people and machines on stderr: "2026-11-21T02:15:01.327Z INFO  agent: text". Thread-safe, one write a line.
 *  No secret ever gets here.
 */
#ifndef BM_LOG_H
#define BM_LOG_H

#include "common/error.h"

typedef enum { BM_LOG_ERROR, BM_LOG_WARNING, BM_LOG_INFO, BM_LOG_DEBUG } bm_log_level_t;

void bm_log_open (const char *program, bm_log_level_t level);
bm_status_t bm_log_level_parse (const char *text, bm_log_level_t *level, bm_error_t *error);
void bm_log (bm_log_level_t level, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
bm_log_level_t bm_log_level (void);

/*  Written before each line: what wipes lines of a terminal that are rewritten in place. "" = nothing. The text must live. */
void bm_log_prelude (const char *bytes);

#define bm_log_error(...)   bm_log (BM_LOG_ERROR, __VA_ARGS__)
#define bm_log_warning(...) bm_log (BM_LOG_WARNING, __VA_ARGS__)
#define bm_log_info(...)    bm_log (BM_LOG_INFO, __VA_ARGS__)
#define bm_log_debug(...)   bm_log (BM_LOG_DEBUG, __VA_ARGS__)

#endif
