/*  agent/shell/door.h
 *  The agent's one open port: a ROUTER that is a CURVE server and fails closed. libzmq alone is fail-open: it lets
 *  everybody in unless a handler answers, or a domain AND its enforcement are set.
 */
#ifndef BM_DOOR_H
#define BM_DOOR_H

#include <czmq.h>
#include "agent/shell/config.h"

typedef struct bm_door bm_door_t;

/*  Tests take one protection away at a time, to show that the others hold, and that the test can fail. */
typedef struct bm_door_trial {
    bool no_handler;   /* nobody answers ZAP */
    bool no_enforce;   /* option 93 is not set */
    bool no_domain;    /* no ZAP domain */
    bool no_read_back; /* the door is opened without looking at what was set */
} bm_door_trial_t;

/*  Starts the ZAP handler, sets key, domain and enforcement, reads them back and only then binds. NULL and BM_CONFIG or
 *  BM_REFUSED when any of it failed: then no port is open. `trial` is NULL outside tests. */
bm_door_t *
bm_door_open (const bm_agent_config_t *config, const bm_door_trial_t *trial, bm_error_t *error);
/*  Lets what was sent leave, for at most `linger_ms`. */
void bm_door_close (bm_door_t **self_p, int linger_ms);

zsock_t *bm_door_socket (const bm_door_t *self);
/*  The real endpoint ("tcp://0.0.0.0:5610"): with port 0 the one that was free. */
const char *bm_door_endpoint (const bm_door_t *self);

/*  Who sent this frame: its entry in the allow list by the key that CURVE proved, never by what the frame says. NULL for
 *  a frame without a proved key or with one that is not allowed. */
const bm_allow_t *bm_door_sender (const bm_door_t *self, zframe_t *frame);

/*  For tests: the handler dies, as if by a bug. */
void bm_door_kill_handler (bm_door_t *self);

#endif
