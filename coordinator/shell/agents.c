/*  coordinator/shell/agents.c */
#include "coordinator/shell/agents.h"

#include <czmq.h>
#include <openssl/rand.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/wire.h"
#include "coordinator/shell/descriptors.h"
#include "coordinator/shell/monitor.h"

enum {
    CONNECT_MS = 5000,
    HEARTBEAT_MS = 5000,
    SILENT_HEARTBEATS = 4,
    RESEND_MS = 500,
    RESEND_DOUBLINGS = 3,
    FULL_QUEUE_MS = 50, /* until a send that found the queue full is tried again */
    VALID_MS = 30000,
    NO_PROOF_TIMES = 2, /* one broken handshake can be an agent that is just ending */
    BATCH = 256,        /* messages served before timers get their turn */
    ROUTING_BYTES = 255
};

typedef struct waiter {
    bm_agents_answer_fn *function;
    void *argument;
    struct waiter *next;
} waiter_t;

typedef struct agent {
    char *name, *address, *server_key;
    char *routing; /* name#attempt: never used twice */
    unsigned attempt;
    bool connected, up;
    int no_proof;
    int64_t connect_since_ms, up_since_ms, last_heard_ms;

    Btsmark__Envelope *greeted;
    bm_error_t error; /* of the last greeting */
    uint64_t start_id;
    int64_t clock_ahead_ms; /* agent's monotonic clock minus ours */
    int64_t utc_ahead_ms;
    int64_t round_trip_ms;
    waiter_t *waiters; /* of the greeting that is under way */
} agent_t;

typedef struct order {
    uint64_t id; /* the key of the table points here */
    size_t agent;
    bool is_greet;
    uint8_t *data;
    size_t size;
    int64_t opened_ms, first_sent_ms, next_send_ms, pause_ms, deadline_at_ms, silent_ms;
    int resends;
    bm_error_t *failure; /* could not even be sent: told by the next wait */
    bm_agents_answer_fn *on_answer;
    bm_agents_progress_fn *on_progress;
    void *argument;
} order_t;

struct bm_agents {
    bm_agents_options_t options;
    char *group;
    void *context, *socket;
    bm_monitor_t *monitor;
    agent_t **agents;
    size_t count;
    zhashx_t *by_name, *by_address, *by_routing; /* agent_t index + 1 as the item */
    zhashx_t *orders;
    int64_t next_due_ms;
    uint64_t resent, dropped;
};

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static size_t
s_hash_id (const void *key)
{
    uint64_t id;
    memcpy (&id, key, sizeof id);
    return (size_t)(id ^ id >> 32);
}

static int
s_compare_id (const void *a, const void *b)
{
    return memcmp (a, b, sizeof (uint64_t));
}

static zhashx_t *
s_id_table (void)
{
    zhashx_t *table = zhashx_new ();
    zhashx_set_key_hasher (table, s_hash_id);
    zhashx_set_key_comparator (table, s_compare_id);
    zhashx_set_key_duplicator (table, NULL);
    zhashx_set_key_destructor (table, NULL);
    return table;
}

static void
s_put (zhashx_t *table, const char *key, size_t agent)
{
    zhashx_update (table, key, (void *)(uintptr_t)(agent + 1));
}

static bool
s_find (zhashx_t *table, const char *key, size_t *agent)
{
    uintptr_t item = (uintptr_t)zhashx_lookup (table, key);
    *agent = item ? (size_t)item - 1 : 0;
    return item != 0;
}

static uint64_t
s_random_id (const bm_agents_t *self)
{
    uint64_t id = 0;
    while (id == 0 || zhashx_lookup (self->orders, &id))
        bm_require (RAND_bytes ((unsigned char *)&id, sizeof id) == 1);
    return id;
}

static void
s_due (bm_agents_t *self, int64_t at_ms)
{
    if (at_ms < self->next_due_ms)
        self->next_due_ms = at_ms;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool
s_set_int (void *socket, int option, int value)
{
    return zmq_setsockopt (socket, option, &value, sizeof value) == 0;
}

static bool
s_set_options (bm_agents_t *self)
{
    void *socket = self->socket;
    const bm_key_t *key = self->options.key;
    int64_t largest = BM_LIMIT_WIRE_BYTES + 1024;
    return s_set_int (socket, ZMQ_LINGER, 0) && s_set_int (socket, ZMQ_SNDHWM, 64) &&
           s_set_int (socket, ZMQ_ROUTER_MANDATORY, 1) &&
           s_set_int (socket, ZMQ_RECONNECT_IVL, 200) &&
           s_set_int (socket, ZMQ_RECONNECT_IVL_MAX, 2000) &&
           s_set_int (socket, ZMQ_CONNECT_TIMEOUT, (int)self->options.connect_ms) &&
           s_set_int (socket, ZMQ_HEARTBEAT_IVL, (int)self->options.heartbeat_ms) &&
           s_set_int (socket, ZMQ_HEARTBEAT_TIMEOUT, (int)(self->options.heartbeat_ms * 3)) &&
           zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0 &&
           zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, bm_key_public (key), BM_KEY_TEXT_BYTES) ==
               0 &&
           zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, bm_key_secret (key), BM_KEY_TEXT_BYTES) ==
               0;
}

bm_agents_t *
bm_agents_new (const bm_agents_options_t *options, bm_error_t *error)
{
    bm_agents_t *self = bm_alloc (sizeof *self);
    self->options = *options;
    bm_agents_options_t *o = &self->options;
    o->connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
    o->heartbeat_ms = o->heartbeat_ms ? o->heartbeat_ms : HEARTBEAT_MS;
    o->silent_heartbeats = o->silent_heartbeats ? o->silent_heartbeats : SILENT_HEARTBEATS;
    o->resend_ms = o->resend_ms ? o->resend_ms : RESEND_MS;
    self->group = bm_strdup (options->group ? options->group : "");
    self->by_name = zhashx_new ();
    self->by_address = zhashx_new ();
    self->by_routing = zhashx_new ();
    self->orders = s_id_table ();
    self->next_due_ms = INT64_MAX;
    self->context = zmq_ctx_new ();
    self->socket = self->context ? zmq_socket (self->context, ZMQ_ROUTER) : NULL;
    if (!self->socket || !s_set_options (self)) {
        bm_fail (error, BM_BUG, "cannot make the socket to the agents: %s",
                 zmq_strerror (zmq_errno ()));
        bm_agents_destroy (&self);
        return NULL;
    }
    self->monitor = bm_monitor_new (self->context, self->socket, error);
    if (!self->monitor)
        bm_agents_destroy (&self);
    return self;
}

static void
s_order_destroy (order_t *order)
{
    free (order->data);
    free (order->failure);
    free (order);
}

static void
s_agent_destroy (agent_t *agent)
{
    while (agent->waiters) {
        waiter_t *next = agent->waiters->next;
        free (agent->waiters);
        agent->waiters = next;
    }
    if (agent->greeted)
        btsmark__envelope__free_unpacked (agent->greeted, NULL);
    free (agent->name);
    free (agent->address);
    free (agent->server_key);
    free (agent->routing);
    free (agent);
}

void
bm_agents_destroy (bm_agents_t **self_p)
{
    bm_agents_t *self = *self_p;
    if (!self)
        return;
    for (order_t *order = zhashx_first (self->orders); order; order = zhashx_next (self->orders))
        s_order_destroy (order);
    zhashx_destroy (&self->orders);
    if (self->socket) {
        zmq_socket_monitor (self->socket, NULL, 0);
        zmq_close (self->socket);
    }
    bm_monitor_destroy (&self->monitor);
    if (self->context)
        zmq_ctx_term (self->context);
    for (size_t i = 0; i < self->count; i++)
        s_agent_destroy (self->agents[i]);
    free (self->agents);
    zhashx_destroy (&self->by_name);
    zhashx_destroy (&self->by_address);
    zhashx_destroy (&self->by_routing);
    free (self->group);
    free (self);
    *self_p = NULL;
}

bm_status_t
bm_agents_add (bm_agents_t *self, const char *name, const char *address, const char *server_key,
               bm_error_t *error)
{
    size_t other;
    if (self->count == BM_LIMIT_AGENTS)
        return bm_fail (error, BM_LIMIT, "more than %d agents", BM_LIMIT_AGENTS);
    if (bm_descriptors_check (self->count + 1, error) != BM_OK)
        return error->status;
    if (strlen (name) > ROUTING_BYTES - 12)
        return bm_fail (error, BM_CONFIG, "agent name %.40s...: longer than %d bytes", name,
                        ROUTING_BYTES - 12);
    if (s_find (self->by_name, name, &other))
        return bm_fail (error, BM_CONFIG, "agent %s is configured twice", name);
    if (s_find (self->by_address, address, &other))
        return bm_fail (error, BM_CONFIG, "agents %s and %s have the same address %s",
                        self->agents[other]->name, name, address);
    if (!bm_key_public_valid (server_key))
        return bm_fail (error, BM_CONFIG,
                        "agent %s: server-key is not a public key (40 characters, Z85)", name);
    agent_t *agent = bm_alloc (sizeof *agent);
    agent->name = bm_strdup (name);
    agent->address = bm_strdup (address);
    agent->server_key = bm_strdup (server_key);
    bm_fail (&agent->error, BM_UNREACHABLE, "agent %s at %s has not been asked yet", name, address);
    self->agents = bm_realloc (self->agents, (self->count + 1) * sizeof *self->agents);
    self->agents[self->count] = agent;
    s_put (self->by_name, name, self->count);
    s_put (self->by_address, address, self->count);
    self->count++;
    return BM_OK;
}

size_t
bm_agents_count (const bm_agents_t *self)
{
    return self->count;
}

const char *
bm_agents_name (const bm_agents_t *self, size_t agent)
{
    return self->agents[agent]->name;
}

const char *
bm_agents_address (const bm_agents_t *self, size_t agent)
{
    return self->agents[agent]->address;
}

const Btsmark__Greeting *
bm_agents_greeting (const bm_agents_t *self, size_t agent, bm_error_t *error)
{
    const agent_t *it = self->agents[agent];
    if (it->greeted)
        return it->greeted->greeting;
    if (error)
        *error = it->error;
    return NULL;
}

int64_t
bm_agents_clock_offset_ms (const bm_agents_t *self, size_t agent)
{
    return self->agents[agent]->utc_ahead_ms;
}

size_t
bm_agents_open_orders (const bm_agents_t *self)
{
    return zhashx_size (self->orders);
}

uint64_t
bm_agents_resent (const bm_agents_t *self)
{
    return self->resent;
}

uint64_t
bm_agents_dropped (const bm_agents_t *self)
{
    return self->dropped;
}

/* ---- orders ------------------------------------------------------------------------------------------------------ */

/*  Takes the order off the table and tells its owner; the owner may give new orders. */
static void
s_finish (bm_agents_t *self, order_t *order, const Btsmark__Envelope *answer,
          const bm_error_t *error)
{
    zhashx_delete (self->orders, &order->id);
    if (order->on_answer)
        order->on_answer (order->argument, order->agent, answer, error);
    s_order_destroy (order);
}

/*  The ids of open orders, all or one agent's: a callback may change the table while they are gone through. */
static uint64_t *
s_order_ids (bm_agents_t *self, const size_t *agent, size_t *count)
{
    uint64_t *ids = bm_alloc ((zhashx_size (self->orders) + 1) * sizeof *ids);
    *count = 0;
    for (order_t *order = zhashx_first (self->orders); order; order = zhashx_next (self->orders))
        if (!agent || order->agent == *agent)
            ids[(*count)++] = order->id;
    return ids;
}

static void
s_fail_orders (bm_agents_t *self, size_t agent, const bm_error_t *error)
{
    size_t count;
    uint64_t *ids = s_order_ids (self, &agent, &count);
    const bm_error_t reason =
        *error; /* the caller's may be the agent's own, which a callback can change */
    for (size_t i = 0; i < count; i++) {
        order_t *order = zhashx_lookup (self->orders, &ids[i]);
        if (order)
            s_finish (self, order, NULL, &reason);
    }
    free (ids);
}

static void
s_disconnect (bm_agents_t *self, agent_t *agent)
{
    if (!agent->connected)
        return;
    zmq_disconnect (self->socket, agent->address);
    zhashx_delete (self->by_routing, agent->routing);
    agent->connected = agent->up = false;
}

void
bm_agents_give_up (bm_agents_t *self, size_t agent, const bm_error_t *error)
{
    agent_t *it = self->agents[agent];
    bm_error_t reason = *error;
    s_disconnect (self, it);
    if (it->greeted)
        btsmark__envelope__free_unpacked (it->greeted, NULL);
    it->greeted = NULL;
    it->error = reason;
    s_fail_orders (self, agent, &reason);
}

static bm_status_t
s_connect (bm_agents_t *self, size_t index, bm_error_t *error)
{
    agent_t *agent = self->agents[index];
    free (agent->routing);
    agent->routing = bm_format ("%s#%u", agent->name, ++agent->attempt);
    if (zmq_setsockopt (self->socket, ZMQ_CURVE_SERVERKEY, agent->server_key, BM_KEY_TEXT_BYTES) !=
        0)
        return bm_fail (error, BM_CONFIG, "agent %s: server-key is not a public key", agent->name);
    if (zmq_setsockopt (self->socket, ZMQ_CONNECT_ROUTING_ID, agent->routing,
                        strlen (agent->routing)) != 0 ||
        zmq_connect (self->socket, agent->address) != 0) {
        bm_fail (error, BM_CONFIG, "agent %s: address %s: %s", agent->name, agent->address,
                 zmq_strerror (zmq_errno ()));
        bm_error_remedy (error, "write address = tcp://host:port in [agent %s]", agent->name);
        return error->status;
    }
    s_put (self->by_routing, agent->routing, index);
    agent->connected = true;
    agent->up = false;
    agent->no_proof = 0;
    agent->connect_since_ms = bm_clock_mono_ms ();
    return BM_OK;
}

/*  Sends, or says when to try again. A queue that is full or gone is no error: the order has its own deadline. */
static void
s_send (bm_agents_t *self, order_t *order, int64_t now_ms)
{
    agent_t *agent = self->agents[order->agent];
    bool sent = agent->connected &&
                zmq_send (self->socket, agent->routing, strlen (agent->routing),
                          ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
                zmq_send (self->socket, order->data, order->size, ZMQ_DONTWAIT) >= 0;
    if (!sent) {
        order->next_send_ms = now_ms + FULL_QUEUE_MS;
    } else if (!order->first_sent_ms) {
        order->first_sent_ms = now_ms;
        order->next_send_ms = now_ms + order->pause_ms;
    } else {
        self->resent++;
        if (++order->resends <= RESEND_DOUBLINGS)
            order->pause_ms *= 2;
        order->next_send_ms = now_ms + order->pause_ms;
    }
    s_due (self, order->next_send_ms);
}

static order_t *
s_order_new (bm_agents_t *self, size_t agent, Btsmark__Envelope *envelope)
{
    order_t *order = bm_alloc (sizeof *order);
    order->id = s_random_id (self);
    order->agent = agent;
    order->opened_ms = bm_clock_mono_ms ();
    order->pause_ms = self->options.resend_ms;
    order->silent_ms = self->options.heartbeat_ms * self->options.silent_heartbeats;
    envelope->protocol = BM_PROTOCOL_VERSION;
    envelope->operation_id = order->id;
    envelope->epoch = self->options.epoch;
    envelope->group = self->group;
    bm_error_t error = {0};
    if (bm_wire_pack (envelope, &order->data, &order->size, &error) != BM_OK) {
        order->failure = bm_alloc (sizeof error);
        *order->failure = error;
    }
    zhashx_insert (self->orders, &order->id, order);
    return order;
}

static void
s_order_start (bm_agents_t *self, order_t *order)
{
    if (order->deadline_at_ms)
        s_due (self, order->deadline_at_ms);
    if (order->failure)
        s_due (self, order->opened_ms);
    else
        s_send (self, order, order->opened_ms);
}

uint64_t
bm_agents_order (bm_agents_t *self, size_t agent, Btsmark__Envelope *envelope,
                 const bm_delivery_t *how)
{
    agent_t *it = self->agents[agent];
    int64_t now_ms = bm_clock_mono_ms ();
    int64_t valid_ms = how->valid_ms ? how->valid_ms : VALID_MS;
    envelope->start_id = it->start_id;
    envelope->round = how->round;
    envelope->expires_agent_ms = (uint64_t)(now_ms + it->clock_ahead_ms + valid_ms);
    order_t *made = s_order_new (self, agent, envelope);
    made->on_answer = how->on_answer;
    made->on_progress = how->on_progress;
    made->argument = how->argument;
    if (how->deadline_ms)
        made->deadline_at_ms = now_ms + how->deadline_ms;
    if (how->silent_ms)
        made->silent_ms = how->silent_ms;
    if (!it->greeted && !made->failure) {
        made->failure = bm_alloc (sizeof *made->failure);
        *made->failure = it->error;
    }
    s_order_start (self, made);
    return made->id;
}

void
bm_agents_forget (bm_agents_t *self, uint64_t operation_id)
{
    order_t *order = zhashx_lookup (self->orders, &operation_id);
    if (!order)
        return;
    zhashx_delete (self->orders, &order->id);
    s_order_destroy (order);
}

/* ---- greeting ---------------------------------------------------------------------------------------------------- */

/*  The better of two measurements of the agent's clock is the one with the shorter round trip. */
static void
s_read_clock (agent_t *agent, const Btsmark__Greeting *greeting, const order_t *order,
              int64_t now_ms)
{
    int64_t sent_ms =
        order->first_sent_ms > agent->up_since_ms ? order->first_sent_ms : agent->up_since_ms;
    int64_t round_trip_ms = now_ms > sent_ms ? now_ms - sent_ms : 0;
    if (agent->start_id == greeting->start_id && agent->round_trip_ms <= round_trip_ms)
        return;
    agent->round_trip_ms = round_trip_ms;
    agent->clock_ahead_ms = (int64_t)greeting->clock_mono_ms + round_trip_ms / 2 - now_ms;
    agent->utc_ahead_ms = (greeting->clock_utc_us - bm_clock_utc_us ()) / 1000 + round_trip_ms / 2;
}

static void
s_tell_waiters (agent_t *agent, size_t index, const Btsmark__Envelope *answer,
                const bm_error_t *error)
{
    waiter_t *waiters = agent->waiters;
    agent->waiters = NULL;
    while (waiters) {
        waiter_t *next = waiters->next;
        if (waiters->function)
            waiters->function (waiters->argument, index, answer, error);
        free (waiters);
        waiters = next;
    }
}

/*  A greeting is taken over whole: the agent keeps the envelope. */
static void
s_on_greeting (bm_agents_t *self, order_t *order, Btsmark__Envelope *answer)
{
    agent_t *agent = self->agents[order->agent];
    s_read_clock (agent, answer->greeting, order, bm_clock_mono_ms ());
    if (agent->greeted)
        btsmark__envelope__free_unpacked (agent->greeted, NULL);
    agent->greeted = answer;
    agent->start_id = answer->greeting->start_id;
    agent->error = (bm_error_t){0};
    bm_log_debug ("agent %s greets from %s", agent->name, agent->address);
    const bm_error_t none = {0};
    s_finish (self, order, answer, &none);
}

/*  Ends the greeting's order, however it ended. */
static void
s_after_greet (void *argument, size_t index, const Btsmark__Envelope *answer,
               const bm_error_t *error)
{
    bm_agents_t *self = argument;
    agent_t *agent = self->agents[index];
    if (error->status != BM_OK) {
        const bm_error_t reason = *error;
        agent->error = reason;
        if (agent->greeted)
            btsmark__envelope__free_unpacked (agent->greeted, NULL);
        agent->greeted = NULL;
        s_disconnect (self, agent);
        s_tell_waiters (agent, index, answer, &reason);
        return;
    }
    s_tell_waiters (agent, index, answer, error);
}

void
bm_agents_greet (bm_agents_t *self, size_t index, int64_t deadline_ms,
                 bm_agents_answer_fn *function, void *argument)
{
    agent_t *agent = self->agents[index];
    bool under_way = agent->waiters != NULL;
    waiter_t *waiter = bm_alloc (sizeof *waiter);
    waiter->function = function;
    waiter->argument = argument;
    waiter->next = agent->waiters;
    agent->waiters = waiter;
    if (under_way)
        return;

    bm_error_t error = {0};
    if (agent->connected && !agent->up)
        s_disconnect (self, agent);
    if (!agent->connected)
        s_connect (self, index, &error);
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Greet greet = BTSMARK__GREET__INIT;
    greet.product_version = (char *)BTSMARK_VERSION;
    greet.clock_utc_us = bm_clock_utc_us ();
    envelope.body_case = BTSMARK__ENVELOPE__BODY_GREET;
    envelope.greet = &greet;
    order_t *order = s_order_new (self, index, &envelope);
    order->is_greet = true;
    order->on_answer = s_after_greet;
    order->argument = self;
    order->deadline_at_ms = order->opened_ms + deadline_ms;
    if (error.status != BM_OK && !order->failure) {
        order->failure = bm_alloc (sizeof error);
        *order->failure = error;
    }
    s_order_start (self, order);
    if (!agent->up)
        s_due (self, agent->connect_since_ms + self->options.connect_ms);
}

void
bm_agents_forget_greetings (bm_agents_t *self, const void *argument)
{
    for (size_t i = 0; i < self->count; i++) {
        waiter_t **link = &self->agents[i]->waiters;
        while (*link) {
            waiter_t *waiter = *link;
            if (waiter->argument == argument) {
                *link = waiter->next;
                free (waiter);
            } else {
                link = &waiter->next;
            }
        }
    }
}

static void
s_count_down (void *argument, size_t agent, const Btsmark__Envelope *answer,
              const bm_error_t *error)
{
    (void)agent;
    (void)answer;
    (void)error;
    --*(size_t *)argument;
}

void
bm_agents_greet_all (bm_agents_t *self, int64_t deadline_ms)
{
    size_t open = 0;
    for (size_t i = 0; i < self->count; i++)
        if (!self->agents[i]->greeted) {
            open++;
            bm_agents_greet (self, i, deadline_ms, s_count_down, &open);
        }
    while (open)
        bm_agents_wait (self, deadline_ms, -1);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static void
s_error_refused (const bm_agents_t *self, const agent_t *agent, bm_error_t *error)
{
    bm_fail (error, BM_REFUSED, "agent %s at %s refused this coordinator's key %s", agent->name,
             agent->address, bm_key_public (self->options.key));
    bm_error_remedy (
        error,
        "add to agent.ini of %s: [allow NAME] with public-key = %s and duties = status, "
        "backup; then restart that agent",
        agent->name, bm_key_public (self->options.key));
}

static void
s_error_wrong_key (const agent_t *agent, bm_error_t *error)
{
    bm_fail (error, BM_WRONG_SERVER_KEY,
             "agent %s at %s did not prove the key %s, or it closes itself to everybody",
             agent->name, agent->address, agent->server_key);
    bm_error_remedy (error,
                     "compare server-key of [agent %s] with the public key of that agent (its "
                     "key-file with .pub), and read the agent's log",
                     agent->name);
}

static void
s_error_down (const agent_t *agent, int64_t waited_ms, bm_error_t *error)
{
    bm_fail (error, BM_UNREACHABLE, "agent %s at %s cannot be reached (tried for %.1f s)",
             agent->name, agent->address, (double)waited_ms / 1000.0);
    bm_error_remedy (error,
                     "start btsmark-agent on that host, look at the network and its firewall, or "
                     "correct address in [agent %s]",
                     agent->name);
}

static void
s_error_silent (const agent_t *agent, int64_t waited_ms, bm_error_t *error)
{
    bm_fail (error, BM_UNREACHABLE, "agent %s at %s has not answered for %.1f s", agent->name,
             agent->address, (double)waited_ms / 1000.0);
    bm_error_remedy (error,
                     "look at the agent's log and at its host; the next run settles what was left");
}

static void
s_error_restarted (const agent_t *agent, bm_error_t *error)
{
    bm_fail (error, BM_AGENT_RESTARTED, "agent %s at %s was restarted in the middle of the work",
             agent->name, agent->address);
}

static bm_status_t
s_refusal_status (const Btsmark__Refused *refused)
{
    switch (refused->why) {
        case BTSMARK__REFUSED__WHY__BUSY:
            return BM_BUSY;
        case BTSMARK__REFUSED__WHY__NO_DUTY:
            return BM_NO_DUTY;
        case BTSMARK__REFUSED__WHY__UNKNOWN_INSTANCE:
            return BM_CONFIG_UNSERVED;
        case BTSMARK__REFUSED__WHY__PATH_NOT_ALLOWED:
            return BM_PATH_NOT_ALLOWED;
        case BTSMARK__REFUSED__WHY__VERSION:
            return BM_AGENT_VERSION;
        case BTSMARK__REFUSED__WHY__BAD_REQUEST:
            return BM_PROTOCOL;
        case BTSMARK__REFUSED__WHY__STOPPING:
            return BM_STOPPED;
        default:
            return BM_STALE;
    }
}

static void
s_error_of_refusal (const agent_t *agent, const Btsmark__Refused *refused, bm_error_t *error)
{
    if (refused->why == BTSMARK__REFUSED__WHY__STALE) {
        s_error_restarted (agent, error);
        return;
    }
    bool has_text = refused->fault && refused->fault->text[0];
    bm_fail (error, s_refusal_status (refused), "agent %s: %s", agent->name,
             has_text ? refused->fault->text : "the order was refused");
    if (refused->fault && refused->fault->remedy[0])
        bm_error_remedy (error, "%s", refused->fault->remedy);
}

/* ---- serving ----------------------------------------------------------------------------------------------------- */

static void
s_on_answer (bm_agents_t *self, order_t *order, Btsmark__Envelope **answer_p)
{
    agent_t *agent = self->agents[order->agent];
    Btsmark__Envelope *answer = *answer_p;
    bm_error_t error = {0};
    if (answer->body_case == BTSMARK__ENVELOPE__BODY_REFUSED) {
        s_error_of_refusal (agent, answer->refused, &error);
        s_finish (self, order, answer, &error);
    } else if (order->is_greet) {
        if (answer->body_case == BTSMARK__ENVELOPE__BODY_GREETING) {
            *answer_p = NULL;
            s_on_greeting (self, order, answer);
        } else {
            bm_fail (&error, BM_PROTOCOL, "agent %s answered GREET with %s", agent->name,
                     bm_wire_body_name (answer));
            s_finish (self, order, NULL, &error);
        }
    } else if (answer->start_id != agent->start_id) {
        s_error_restarted (agent, &error);
        s_finish (self, order, NULL, &error);
    } else {
        s_finish (self, order, answer, &error);
    }
}

/*  What cannot be read can only be an answer of another version while we greet; else it is dropped. */
static void
s_on_unreadable (bm_agents_t *self, size_t index, const bm_error_t *why)
{
    agent_t *agent = self->agents[index];
    bm_log_warning ("agent %s: unreadable message: %s", agent->name, why->text);
    self->dropped++;
    size_t count;
    uint64_t *ids = s_order_ids (self, &index, &count);
    for (size_t i = 0; i < count; i++) {
        order_t *order = zhashx_lookup (self->orders, &ids[i]);
        if (!order || !order->is_greet)
            continue;
        bm_error_t error;
        bm_fail (&error, BM_AGENT_VERSION, "agent %s at %s: %s", agent->name, agent->address,
                 why->text);
        s_finish (self, order, NULL, &error);
    }
    free (ids);
}

static void
s_on_message (bm_agents_t *self, size_t index, const uint8_t *data, size_t size)
{
    bm_error_t error = {0};
    Btsmark__Envelope *envelope = bm_wire_unpack (data, size, &error);
    if (!envelope) {
        s_on_unreadable (self, index, &error);
        return;
    }
    self->agents[index]->last_heard_ms = bm_clock_mono_ms ();
    order_t *order = zhashx_lookup (self->orders, &envelope->operation_id);
    if (!order || order->agent != index) {
        self->dropped++;
    } else if (envelope->body_case == BTSMARK__ENVELOPE__BODY_PROGRESS) {
        if (order->on_progress && envelope->start_id == self->agents[index]->start_id)
            order->on_progress (order->argument, index, envelope->progress);
    } else {
        s_on_answer (self, order, &envelope);
    }
    if (envelope)
        btsmark__envelope__free_unpacked (envelope, NULL);
}

static bool
s_receive (bm_agents_t *self)
{
    char routing[ROUTING_BYTES + 1];
    int size = zmq_recv (self->socket, routing, sizeof routing - 1, ZMQ_DONTWAIT);
    if (size < 0)
        return false;
    routing[size < ROUTING_BYTES ? size : ROUTING_BYTES] = 0;
    size_t index;
    bool known = s_find (self->by_routing, routing, &index);
    int more = 1;
    for (int part = 0;; part++) {
        size_t more_size = sizeof more;
        if (zmq_getsockopt (self->socket, ZMQ_RCVMORE, &more, &more_size) != 0 || !more)
            return true;
        zmq_msg_t message;
        zmq_msg_init (&message);
        if (zmq_msg_recv (&message, self->socket, 0) >= 0 && known && part == 0)
            s_on_message (self, index, zmq_msg_data (&message), zmq_msg_size (&message));
        zmq_msg_close (&message);
    }
}

static void
s_on_event (bm_agents_t *self, const bm_monitor_event_t *event)
{
    size_t index;
    if (!s_find (self->by_address, event->endpoint, &index))
        return;
    agent_t *agent = self->agents[index];
    if (!agent->connected)
        return;
    bm_error_t error = {0};
    switch (event->kind) {
        case BM_MONITOR_UP:
            agent->up = true;
            agent->no_proof = 0;
            agent->up_since_ms = agent->last_heard_ms = bm_clock_mono_ms ();
            break;
        case BM_MONITOR_REFUSED:
            s_error_refused (self, agent, &error);
            bm_agents_give_up (self, index, &error);
            break;
        case BM_MONITOR_NO_PROOF:
            if (++agent->no_proof < NO_PROOF_TIMES)
                break;
            s_error_wrong_key (agent, &error);
            bm_agents_give_up (self, index, &error);
            break;
        case BM_MONITOR_NOT_ZMQ:
            bm_fail (&error, BM_UNREACHABLE, "agent %s: what answers at %s is no btsmark-agent",
                     agent->name, agent->address);
            bm_error_remedy (&error, "correct address in [agent %s]", agent->name);
            bm_agents_give_up (self, index, &error);
            break;
        case BM_MONITOR_CLOSED:
        case BM_MONITOR_DOWN:
            if (agent->up)
                agent->connect_since_ms = bm_clock_mono_ms (); /* libzmq tries again by itself */
            agent->up = false;
            break;
    }
}

/*  True when the order is at its end. */
static bool
s_order_over (bm_agents_t *self, order_t *order, int64_t now_ms)
{
    agent_t *agent = self->agents[order->agent];
    bm_error_t error = {0};
    int64_t heard_ms =
        agent->last_heard_ms > order->opened_ms ? agent->last_heard_ms : order->opened_ms;
    if (order->failure)
        error = *order->failure;
    else if (order->is_greet && !agent->up &&
             now_ms >= agent->connect_since_ms + self->options.connect_ms && agent->no_proof)
        s_error_wrong_key (agent, &error);
    else if (order->is_greet && !agent->up &&
             now_ms >= agent->connect_since_ms + self->options.connect_ms)
        s_error_down (agent, now_ms - agent->connect_since_ms, &error);
    else if (order->deadline_at_ms && now_ms >= order->deadline_at_ms)
        s_error_silent (agent, now_ms - order->opened_ms, &error);
    else if (!order->is_greet && now_ms >= heard_ms + order->silent_ms)
        s_error_silent (agent, now_ms - heard_ms, &error);
    if (error.status == BM_OK)
        return false;
    s_finish (self, order, NULL, &error);
    return true;
}

static void
s_next_due_of (bm_agents_t *self, const order_t *order)
{
    const agent_t *agent = self->agents[order->agent];
    int64_t heard_ms =
        agent->last_heard_ms > order->opened_ms ? agent->last_heard_ms : order->opened_ms;
    if (order->deadline_at_ms)
        s_due (self, order->deadline_at_ms);
    if (!order->is_greet)
        s_due (self, heard_ms + order->silent_ms);
    else if (!agent->up)
        s_due (self, agent->connect_since_ms + self->options.connect_ms);
    s_due (self, order->next_send_ms);
}

/*  Goes through the open orders only when the first of them is due, not with each message. */
static void
s_serve_timers (bm_agents_t *self)
{
    int64_t now_ms = bm_clock_mono_ms ();
    if (now_ms < self->next_due_ms)
        return;
    self->next_due_ms = INT64_MAX;
    size_t count;
    uint64_t *ids = s_order_ids (self, NULL, &count);
    for (size_t i = 0; i < count; i++) {
        order_t *order = zhashx_lookup (self->orders, &ids[i]);
        if (!order || s_order_over (self, order, now_ms))
            continue;
        if (now_ms >= order->next_send_ms)
            s_send (self, order, now_ms);
        s_next_due_of (self, order);
    }
    free (ids);
}

bool
bm_agents_wait (bm_agents_t *self, int64_t timeout_ms, int fd)
{
    int64_t until_due_ms = self->next_due_ms - bm_clock_mono_ms ();
    if (timeout_ms > until_due_ms)
        timeout_ms = until_due_ms < 0 ? 0 : until_due_ms;
    if (timeout_ms > 60000)
        timeout_ms = 60000;
    zmq_pollitem_t items[] = {{self->socket, 0, ZMQ_POLLIN, 0},
                              {bm_monitor_socket (self->monitor), 0, ZMQ_POLLIN, 0},
                              {NULL, fd, ZMQ_POLLIN, 0}};
    if (zmq_poll (items, fd >= 0 ? 3 : 2, (long)timeout_ms) < 0)
        bm_require (zmq_errno () == EINTR);
    bm_monitor_event_t event;
    while (bm_monitor_next (self->monitor, &event))
        s_on_event (self, &event);
    for (int i = 0; i < BATCH && s_receive (self); i++)
        ;
    s_serve_timers (self);
    return fd >= 0 && (items[2].revents & ZMQ_POLLIN) != 0;
}
