/*  tests/unit/coordinator/fake_agent.h
 *  An agent as the coordinator's socket sees it: real ZeroMQ, real CURVE, a ZAP handler of its own, scripted answers. One
 *  thread; the script runs in it.
 */
#ifndef BM_FAKE_AGENT_H
#define BM_FAKE_AGENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/key.h"
#include "common/limits.h"
#include "common/wire.h"

typedef struct fake_agent fake_agent_t;

/*  Fills `answer` (its body too) and returns how many times it is sent: 0 = dropped. What it points to must live until the
 *  next call. */
typedef int (fake_script_fn) (fake_agent_t *self, const Btsmark__Envelope *order,
                              Btsmark__Envelope *answer);

struct fake_agent {
    fake_script_fn *script;
    const char *name; /* of its instance, where the script needs one */
    void *argument;   /* of the script */
    char public_key[41], secret_key[41];
    char allowed[41]; /* the one client key, "" = all */
    uint64_t start_id;
    int64_t clock_ahead_ms; /* of its monotonic clock */
    char address[64];
    void *context, *socket, *zap;
    pthread_t thread;
    bool running;
    atomic_bool stop;
    atomic_int orders;      /* that arrived, repeats too */
    atomic_int bodies[128]; /* by body case */
};

static void
fake_reply (fake_agent_t *self, const void *routing, size_t routing_size, Btsmark__Envelope *answer)
{
    uint8_t *data = NULL;
    size_t size = 0;
    bm_error_t error = {0};
    bm_require (bm_wire_pack (answer, &data, &size, &error) == BM_OK);
    zmq_send (self->socket, routing, routing_size, ZMQ_SNDMORE);
    zmq_send (self->socket, data, size, 0);
    free (data);
}

static void
fake_serve (fake_agent_t *self)
{
    char routing[256];
    static _Thread_local uint8_t data[BM_LIMIT_WIRE_BYTES];
    int routing_size = zmq_recv (self->socket, routing, sizeof routing, 0);
    int size = zmq_recv (self->socket, data, sizeof data, 0);
    bm_require (routing_size > 0 && size > 0);
    bm_error_t error = {0};
    Btsmark__Envelope *order = bm_wire_unpack (data, (size_t)size, &error);
    bm_require (order != NULL);
    atomic_fetch_add (&self->bodies[order->body_case], 1);
    Btsmark__Envelope answer = BTSMARK__ENVELOPE__INIT;
    answer.protocol = BM_PROTOCOL_VERSION;
    answer.operation_id = order->operation_id;
    answer.start_id = self->start_id;
    answer.epoch = order->epoch;
    answer.round = order->round;
    int times = self->script (self, order, &answer);
    for (int i = 0; i < times; i++)
        fake_reply (self, routing, (size_t)routing_size, &answer);
    btsmark__envelope__free_unpacked (order, NULL);
    atomic_fetch_add (&self->orders, 1);
}

/*  ZAP: version, id, domain, address, identity, mechanism, key. */
static void
fake_authenticate (fake_agent_t *self)
{
    char frames[7][256];
    int sizes[7] = {0};
    for (int i = 0; i < 7; i++) {
        sizes[i] = zmq_recv (self->zap, frames[i], sizeof frames[i], 0);
        bm_require (sizes[i] >= 0);
    }
    char key[41] = "";
    if (sizes[6] == 32)
        zmq_z85_encode (key, (const uint8_t *)frames[6], 32);
    bool good = !self->allowed[0] || strcmp (self->allowed, key) == 0;
    zmq_send (self->zap, "1.0", 3, ZMQ_SNDMORE);
    zmq_send (self->zap, frames[1], (size_t)sizes[1], ZMQ_SNDMORE);
    zmq_send (self->zap, good ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send (self->zap, good ? "OK" : "no", 2, ZMQ_SNDMORE);
    zmq_send (self->zap, "user", 4, ZMQ_SNDMORE);
    zmq_send (self->zap, "", 0, 0);
}

static void *
fake_thread (void *argument)
{
    fake_agent_t *self = argument;
    zmq_pollitem_t items[] = {{self->socket, 0, ZMQ_POLLIN, 0}, {self->zap, 0, ZMQ_POLLIN, 0}};
    while (!atomic_load (&self->stop)) {
        if (zmq_poll (items, 2, 10) <= 0)
            continue;
        if (items[1].revents & ZMQ_POLLIN)
            fake_authenticate (self);
        if (items[0].revents & ZMQ_POLLIN)
            fake_serve (self);
    }
    zmq_close (self->socket);
    zmq_close (self->zap);
    zmq_ctx_term (self->context);
    return NULL;
}

/*  Binds self->address, or a free port when it is empty. Keys and start id are drawn unless they are set. */
static inline void
fake_agent_start (fake_agent_t *self)
{
    if (!self->public_key[0])
        bm_require (zmq_curve_keypair (self->public_key, self->secret_key) == 0);
    if (!self->start_id)
        self->start_id = (uint64_t)bm_clock_mono_us () | 1;
    self->context = zmq_ctx_new ();
    self->zap = zmq_socket (self->context, ZMQ_REP);
    bm_require (zmq_bind (self->zap, "inproc://zeromq.zap.01") == 0);
    self->socket = zmq_socket (self->context, ZMQ_ROUTER);
    const int one = 1, zero = 0;
    zmq_setsockopt (self->socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (self->zap, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (self->socket, ZMQ_CURVE_SERVER, &one, sizeof one);
    zmq_setsockopt (self->socket, ZMQ_CURVE_SECRETKEY, self->secret_key, 41);
    zmq_setsockopt (self->socket, ZMQ_ZAP_DOMAIN, "test", 4);
    bm_require (zmq_bind (self->socket, self->address[0] ? self->address : "tcp://127.0.0.1:*") ==
                0);
    size_t size = sizeof self->address;
    zmq_getsockopt (self->socket, ZMQ_LAST_ENDPOINT, self->address, &size);
    atomic_store (&self->stop, false);
    bm_require (pthread_create (&self->thread, NULL, fake_thread, self) == 0);
    self->running = true;
}

static inline void
fake_agent_stop (fake_agent_t *self)
{
    if (!self->running)
        return;
    self->running = false;
    atomic_store (&self->stop, true);
    pthread_join (self->thread, NULL);
}

/*  Two agents' worth of patience for everything that is waited for in these tests. */
#define FAKE_DEADLINE_MS 10000

static inline void
fake_greeting (const fake_agent_t *self, Btsmark__Greeting *greeting, Btsmark__Envelope *answer)
{
    btsmark__greeting__init (greeting);
    greeting->agent_name = (char *)"fake";
    greeting->product_version = (char *)BTSMARK_VERSION;
    greeting->start_id = self->start_id;
    greeting->clock_mono_ms = (uint64_t)(bm_clock_mono_ms () + self->clock_ahead_ms);
    greeting->clock_utc_us = bm_clock_utc_us ();
    answer->body_case = BTSMARK__ENVELOPE__BODY_GREETING;
    answer->greeting = greeting;
}

#endif
