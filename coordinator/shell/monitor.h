/*  coordinator/shell/monitor.h
 *  What libzmq tells about the connections of one socket, read without blocking. Refused, wrong key and down look
 *  alike to the socket itself; only its monitor tells them apart.
 */
#ifndef BM_MONITOR_H
#define BM_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

typedef enum {
    BM_MONITOR_UP, /* handshake done: the peer has our configured server key and accepts ours */
    BM_MONITOR_REFUSED, /* the peer's ZAP handler refused our key; libzmq does not try again */
    BM_MONITOR_NO_PROOF, /* handshake broken off: wrong server key, or a peer that closes itself to all */
    BM_MONITOR_NOT_ZMQ, /* something answers there that does not speak ZMTP with CURVE */
    BM_MONITOR_CLOSED,  /* connect failed, or will be tried again */
    BM_MONITOR_DOWN     /* a connection that was there has ended */
} bm_monitor_kind_t;

typedef struct bm_monitor_event {
    bm_monitor_kind_t kind;
    char endpoint[300]; /* as it was given to connect */
} bm_monitor_event_t;

typedef struct bm_monitor bm_monitor_t;

/*  Watches `socket` (a libzmq socket of `context`); destroy it after the socket is closed. */
bm_monitor_t *bm_monitor_new (void *context, void *socket, bm_error_t *error);
void bm_monitor_destroy (bm_monitor_t **self_p);
void *bm_monitor_socket (bm_monitor_t *self); /* to poll on */
/*  False when there is nothing to read. */
bool bm_monitor_next (bm_monitor_t *self, bm_monitor_event_t *event);

#endif
