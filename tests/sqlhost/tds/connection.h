/*  tests/sqlhost/tds/connection.h
 *  One client: login, then request after request, in the connection's own thread. */
#ifndef SH_TDS_CONNECTION_H
#define SH_TDS_CONNECTION_H

#include "tests/sqlhost/tds/session.h"
#include "tests/sqlhost/tds/tls.h"

typedef struct sh_connection sh_connection_t;

typedef struct {
    int fd; /* taken over */
    char address[80];
    unsigned login_ms;
    sh_tls_t *tls;         /* NULL = no encryption */
    bool force_encryption; /* every client is encrypted throughout */
    sh_backend_t *backend;
    /*  Asks for sh_connection_look when the client sends something or goes away; once. */
    void (*watch) (void *context);
    void *context;
} sh_connection_options_t;

sh_connection_t *sh_connection_new (const sh_connection_options_t *options);
/*  Serves the client until it or we end the connection. */
void sh_connection_serve (sh_connection_t *self);
/*  Closes the socket and frees. */
void sh_connection_destroy (sh_connection_t **self_p);

typedef enum { SH_WATCH_NOTHING, SH_WATCH_ALL, SH_WATCH_HANGUP } sh_watch_t;

/*  Any thread, while the connection lives: looks at what arrived, without taking it, and cancels
 *  the running request on an attention or a disconnect (`hung`: the socket says so). Gives what to
 *  watch for next. */
sh_watch_t sh_connection_look (sh_connection_t *self, bool hung);
/*  Any thread: the server stops. With `hard` also a send that hangs is ended. */
void sh_connection_stop (sh_connection_t *self, bool hard);

#endif
