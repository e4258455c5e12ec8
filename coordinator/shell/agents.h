/*  coordinator/shell/agents.h
 *  The coordinator's one ROUTER socket to all agents, and the orders that are open there.
 *
 *  An order is packed once and sent again, under the same operation id, at growing intervals until it is
 *  answered, refused, forgotten, out of time, or its agent is lost; the agent acts on it at most once. Answers
 *  are matched by operation id. One thread: callbacks are called from bm_agents_wait only, never from the call
 *  that gave the order.
 *
 *  Refused keys, wrong server keys and agents that are down are told apart by the socket's monitor and become one
 *  error per agent: BM_REFUSED, BM_WRONG_SERVER_KEY, BM_UNREACHABLE.
 */
#ifndef BM_AGENTS_H
#define BM_AGENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "common/key.h"
#include "proto/btsmark.pb-c.h"

typedef struct bm_agents bm_agents_t;

typedef struct bm_agents_options {
    const bm_key_t *key;   /* borrowed for the life of the agents */
    const char *group;     /* for the agents' logs */
    uint64_t epoch;        /* run id */
    int64_t connect_ms;    /* no handshake within this time: BM_UNREACHABLE; 0 = 5 s */
    int64_t heartbeat_ms;  /* of the agents' Progress; 0 = 5 s */
    int silent_heartbeats; /* silence of so many while an order is open: lost; 0 = 4 */
    int64_t
        resend_ms; /* first pause before an order is sent again, doubled up to 8 times; 0 = 500 ms */
} bm_agents_options_t;

bm_agents_t *bm_agents_new (const bm_agents_options_t *options, bm_error_t *error);
void bm_agents_destroy (bm_agents_t **self_p);

/*  An agent, not yet connected; its number is 0, 1, 2, ... in the order of adding. BM_CONFIG when the name or
 *  the address is there already, or the key is not a key. */
bm_status_t bm_agents_add (bm_agents_t *self, const char *name, const char *address,
                           const char *server_key, bm_error_t *error);
size_t bm_agents_count (const bm_agents_t *self);
const char *bm_agents_name (const bm_agents_t *self, size_t agent);
const char *bm_agents_address (const bm_agents_t *self, size_t agent);

/*  What came of the last greeting: NULL and why not in *error (may be NULL). Borrowed until the next greeting. */
const Btsmark__Greeting *
bm_agents_greeting (const bm_agents_t *self, size_t agent, bm_error_t *error);
/*  Agent's UTC clock minus ours, from the last greeting. */
int64_t bm_agents_clock_offset_ms (const bm_agents_t *self, size_t agent);

/*  One answer, or the error that came instead of it. `answer` is NULL unless error->status is BM_OK, but for a
 *  refusal: then it is the Refused. BM_AGENT_RESTARTED: another start of the agent answered, so the order had no
 *  effect there, and what the earlier start did with it is unknown. BM_UNREACHABLE: no answer in time: it may or may
 *  not have been done. */
typedef void (bm_agents_answer_fn) (void *argument, size_t agent, const Btsmark__Envelope *answer,
                                    const bm_error_t *error);
typedef void (bm_agents_progress_fn) (void *argument, size_t agent,
                                      const Btsmark__Progress *progress);

/*  Greets an agent: connects to it if that has not been done or was given up, asks, and keeps the answer. Another
 *  greeting of the same agent that is under way is joined. `deadline_ms` is a duration. */
void bm_agents_greet (bm_agents_t *self, size_t agent, int64_t deadline_ms,
                      bm_agents_answer_fn *function, void *argument);
/*  No callback any more for greetings that were asked for with this argument. */
void bm_agents_forget_greetings (bm_agents_t *self, const void *argument);
/*  Greets all that have no greeting yet and waits until each has answered or failed. */
void bm_agents_greet_all (bm_agents_t *self, int64_t deadline_ms);

/*  How an order is sent, and who hears what came of it. */
typedef struct bm_delivery {
    uint32_t round;   /* 0 outside a round */
    int64_t valid_ms; /* the agent must have begun it within this time, else it refuses; 0 = 30 s */
    int64_t
        deadline_ms; /* no answer within this time: BM_UNREACHABLE; 0 = only when the agent is lost */
    int64_t
        silent_ms; /* no word from the agent for so long: lost; 0 = heartbeats as in the options */
    bm_agents_answer_fn *on_answer;
    bm_agents_progress_fn *on_progress; /* may be NULL */
    void *argument;
} bm_delivery_t;

/*  Sends the order whose body `envelope` holds (borrowed for the call; the rest of the envelope is filled in here).
 *  Returns its operation id. A failure is reported through on_answer like any other. */
uint64_t bm_agents_order (bm_agents_t *self, size_t agent, Btsmark__Envelope *envelope,
                          const bm_delivery_t *how);
/*  No callback any more for this order, and no resend. It may still take effect at the agent. */
void bm_agents_forget (bm_agents_t *self, uint64_t operation_id);
size_t bm_agents_open_orders (const bm_agents_t *self);

/*  Gives the agent up: its open orders end with `error`, its queue is dropped. A later greeting connects anew. */
void bm_agents_give_up (bm_agents_t *self, size_t agent, const bm_error_t *error);

/*  Serves sockets and timers until something happened or `timeout_ms` has passed; `fd` (or -1) is watched too, and
 *  true returned when it is readable. */
bool bm_agents_wait (bm_agents_t *self, int64_t timeout_ms, int fd);

/*  Orders sent again, and answers dropped because nobody waited for them any more: for logs and tests. */
uint64_t bm_agents_resent (const bm_agents_t *self);
uint64_t bm_agents_dropped (const bm_agents_t *self);

#endif
