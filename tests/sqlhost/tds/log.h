/*  tests/sqlhost/tds/log.h
 *  Lines on stderr: RFC 3339 UTC time, level, text. Any thread; one write per line. */
#ifndef SH_TDS_LOG_H
#define SH_TDS_LOG_H

#include <stdbool.h>

typedef enum { SH_LOG_ERROR, SH_LOG_WARN, SH_LOG_INFO, SH_LOG_DEBUG } sh_log_level_t;

/*  "error", "warn", "info" (the default), "debug"; false when it is none of them. */
bool sh_log_level_set (const char *name);
/*  Control characters become '?': what a client sends cannot forge a line. */
void sh_log (sh_log_level_t level, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

#endif
