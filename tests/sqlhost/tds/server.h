/*  tests/sqlhost/tds/server.h
 *  Listens, gives every client a thread, and watches the clients whose request runs for attention
 *  and disconnect. */
#ifndef SH_TDS_SERVER_H
#define SH_TDS_SERVER_H

#include "tests/sqlhost/tds/session.h"
#include "tests/sqlhost/tds/tls.h"

typedef struct sh_server sh_server_t;

typedef struct {
    const char *listen;    /* "HOST:PORT" or "[HOST]:PORT"; port 0 = a free one */
    size_t connections;    /* clients at a time; 0 = SH_LIMIT_CONNECTIONS, which is also the most */
    unsigned login_ms;     /* 0 = SH_LIMIT_LOGIN_MS */
    unsigned send_ms;      /* 0 = SH_LIMIT_SEND_MS */
    sh_tls_t *tls;         /* NULL = no encryption; borrowed, outlives the server */
    bool force_encryption; /* with tls: clients that do not encrypt are refused */
    sh_backend_t *backend; /* borrowed; outlives the server */
} sh_server_options_t;

/*  NULL with a sentence in `error` when it cannot listen. */
sh_server_t *sh_server_start (const sh_server_options_t *options, char *error, size_t size);
/*  "127.0.0.1:41433": the real address, port and all. */
const char *sh_server_address (const sh_server_t *self);
uint16_t sh_server_port (const sh_server_t *self);
size_t sh_server_count (sh_server_t *self);
/*  Takes no more clients, cancels what runs, closes every session, joins every thread, frees.
 *  False when a session did not end before the deadline: then threads are left, nothing is freed,
 *  and all that remains is to end the process. */
bool sh_server_stop (sh_server_t **self_p, unsigned deadline_ms);

#endif
