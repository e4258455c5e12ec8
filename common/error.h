/*  common/error.h
 *  Errors are values. error.def is the only list: name, exit code, retryable, meaning, remedy.
 *  A message says what failed, on what, and what to do.
 */
#ifndef BM_ERROR_H
#define BM_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum {
#define X(name, exit_code, retryable, meaning, remedy) BM_##name,
#include "common/error.def"
#undef X
    BM_STATUS_COUNT
} bm_status_t;

typedef struct bm_error {
    bm_status_t status;
    char text[1024];  /* what failed, on what, why; UTF-8, cut at a character */
    char remedy[384]; /* what to do; the status's default unless bm_error_remedy was called */
} bm_error_t;

/*  Fills *error (may be NULL) and returns status, so that callers write `return bm_fail (...)`. */
bm_status_t bm_fail (bm_error_t *error, bm_status_t status, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/*  Replaces the remedy of an error that is set. */
void bm_error_remedy (bm_error_t *error, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/*  Puts "context: " before the text. Returns error->status. */
bm_status_t
bm_error_wrap (bm_error_t *error, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

const char *bm_status_name (bm_status_t status);  /* "LOCK_BUSY" */
bm_status_t bm_status_by_name (const char *name); /* BM_BUG when there is none */
int bm_status_exit_code (bm_status_t status);     /* CONTRACT: 0..40 */
bool bm_status_retryable (bm_status_t status);
const char *bm_status_meaning (bm_status_t status);
const char *bm_status_remedy (bm_status_t status);

/*  The more severe of two: when several hold, the run's exit code is the most severe. Order of
 *  severity: OK < warnings < lock busy < no mark, doubtful, incomplete < ... < bug; see error.c. */
bm_status_t bm_status_worse (bm_status_t a, bm_status_t b);

/*  A rule of ours that is broken stops the process, in release builds too; recovery is tested. */
#define bm_require(condition)                                                                      \
    ((condition) ? (void)0 : bm_require_failed (#condition, __FILE__, __LINE__))
_Noreturn void bm_require_failed (const char *condition, const char *file, int line);

/*  Allocation that stops the process when there is no memory (a kill point; the next run settles). */
void *bm_alloc (size_t size); /* zeroed */
void *bm_realloc (void *old, size_t size);
char *bm_strdup (const char *text); /* NULL gives NULL */
char *bm_format (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
char *
bm_format_list (const char *format, va_list arguments) __attribute__ ((format (printf, 1, 0)));

#endif
