/*  tests/sqlhost/engine/error.h
 *  What goes wrong, with SQL Server's own numbers and nearly its texts. */
#ifndef SH_ENGINE_ERROR_H
#define SH_ENGINE_ERROR_H

typedef enum {
    SH_OK,
    SH_END,       /* a cursor is at its end; a lookup found nothing (no error filled) */
    SH_CHANGED,   /* the row is no longer the version that was read: run the statement again */
    SH_ERROR,     /* error is filled; the session goes on */
    SH_CANCELLED, /* attention: stop the batch, send no error */
    SH_KILLED     /* KILL, shutdown, a dropped connection: roll back and close; error is filled */
} sh_status_t;

typedef struct {
    int number; /* 0 = none */
    int severity;
    int state;
    char text[2048];
} sh_error_t;

/*  Fills error (which may be NULL) and returns SH_ERROR. */
sh_status_t sh_fail (sh_error_t *error, int number, int severity, int state, const char *format,
                     ...) __attribute__ ((format (printf, 5, 6)));
void sh_error_clear (sh_error_t *error);

#endif
