/*  tests/bench/crowd.h
 *  Many agents in one process, each behind a ROUTER socket and a port of its own: real ZeroMQ, real CURVE, real messages, but
 *  no SQL Server behind them. Each serves one instance (CROWD0001, ...) with one database (Crowd0001, ...) and says yes to
 *  everything at once, so that what is measured is the coordinator and the wire.
 */
#ifndef BM_CROWD_H
#define BM_CROWD_H

#include <stddef.h>

typedef struct bm_crowd bm_crowd_t;

/*  Binds free ports on loopback and serves them in a child process. Call it while this process has no threads. Ends the
 *  program when it cannot. */
bm_crowd_t *bm_crowd_start (size_t agents);
void bm_crowd_stop (bm_crowd_t **self_p);

const char *bm_crowd_address (const bm_crowd_t *self, size_t agent); /* "tcp://127.0.0.1:41001" */
const char *bm_crowd_server_key (const bm_crowd_t *self); /* Z85, the same for all of them */

#endif
