#include "agent/shell/door.h"

#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"

#define S_DOMAIN       "btsmark"
#define S_ZAP_ENDPOINT "inproc://zeromq.zap.01"
/*  ZMQ_ZAP_ENFORCE_DOMAIN. Its name is hidden behind the DRAFT switch of Debian 12's headers, and czmq's setter for it is a
 *  silent no-op there; libzmq itself knows the number. */
#define S_ZAP_ENFORCE_DOMAIN 93
#define S_ZAP_FRAMES         7 /* version, request, domain, address, routing id, mechanism, key */
#define S_QUEUE              1000
#define S_LOG_EVERY_MS       10000

struct bm_door {
    const bm_agent_config_t *config;
    zactor_t *handler;
    zsock_t *socket;
    char *endpoint;
};

/*  ---- the ZAP handler: its own thread; the configuration does not change under it ---- */

typedef struct s_handler {
    const bm_agent_config_t *config;
    int64_t logged_ms;
    size_t unlogged;
} s_handler_t;

static void
s_log_refusal (s_handler_t *self, const char *address, const char *key)
{
    int64_t now = bm_clock_mono_ms ();
    if (self->logged_ms && now - self->logged_ms < S_LOG_EVERY_MS) {
        self->unlogged++;
        return;
    }
    bm_log_warning (
        "refused a connection from %.64s: its public key %s is not in the allow list (%zu "
        "more like it since the last such line); if it is a coordinator of yours, add it "
        "to [allow NAME] in %s",
        address, key, self->unlogged, bm_config_path (self->config->file));
    self->logged_ms = now;
    self->unlogged = 0;
}

/*  The key as Z85 when the request is sound and the key is allowed; "" otherwise. */
static void
s_judge (s_handler_t *self, zmsg_t *request, char key[BM_KEY_TEXT_BYTES])
{
    key[0] = 0;
    zframe_t *frames[S_ZAP_FRAMES];
    frames[0] = zmsg_first (request);
    for (size_t i = 1; i < S_ZAP_FRAMES; i++)
        frames[i] = zmsg_next (request);
    if (!zframe_streq (frames[2], S_DOMAIN) || !zframe_streq (frames[5], "CURVE") ||
        zframe_size (frames[6]) != 32)
        return;
    char text[BM_KEY_TEXT_BYTES];
    zmq_z85_encode (text, zframe_data (frames[6]), 32);
    if (bm_agent_config_find_key (self->config, text) >= 0) {
        memcpy (key, text, sizeof text);
        return;
    }
    char *address = zframe_strdup (frames[3]);
    s_log_refusal (self, address, text);
    zstr_free (&address);
}

static void
s_answer_zap (s_handler_t *self, zsock_t *zap)
{
    zmsg_t *request = zmsg_recv (zap);
    if (!request)
        return;
    char key[BM_KEY_TEXT_BYTES] = "";
    char *version = NULL, *id = NULL;
    if (zmsg_size (request) == S_ZAP_FRAMES) {
        s_judge (self, request, key);
        version = zmsg_popstr (request);
        id = zmsg_popstr (request);
    }
    const char *code = key[0] ? "200" : "400";
    /*  The user id is the key itself: duties are looked up by it for every single order. */
    zstr_sendx (zap, version ? version : "1.0", id ? id : "1", code, key[0] ? "OK" : "not allowed",
                key, "", NULL);
    zstr_free (&version);
    zstr_free (&id);
    zmsg_destroy (&request);
}

static void
s_handler (zsock_t *pipe, void *argument)
{
    s_handler_t self = {.config = argument};
    zsock_t *zap = zsock_new (ZMQ_REP);
    bool bound = zap && zsock_bind (zap, "%s", S_ZAP_ENDPOINT) != -1;
    zpoller_t *poller = bound ? zpoller_new (pipe, zap, NULL) : NULL;
    zsock_signal (pipe, bound ? 0 : 1);
    if (bound)
        zstr_send (pipe, "SERVING");
    else
        zstr_send (pipe, "FAILED");
    bool serving = bound;
    while (serving) {
        void *which = zpoller_wait (poller, -1);
        if (which == zap)
            s_answer_zap (&self, zap);
        else
            serving = false; /* $TERM, or the context ends */
    }
    zpoller_destroy (&poller);
    /*  The name is free when we return, not only when libzmq gets round to closing the socket. */
    if (bound)
        zsock_unbind (zap, "%s", S_ZAP_ENDPOINT);
    zsock_destroy (&zap);
}

static bm_status_t
s_start_handler (bm_door_t *self, bm_error_t *error)
{
    self->handler = zactor_new (s_handler, (void *)self->config);
    char *word = self->handler ? zstr_recv (self->handler) : NULL;
    bool serving = word && streq (word, "SERVING");
    zstr_free (&word);
    if (!serving)
        return bm_fail (error, BM_REFUSED,
                        "the handler that checks keys did not start (another one in "
                        "this process?); the port stays closed");
    return BM_OK;
}

/*  ---- the socket ---- */

static int
s_read_int (void *handle, int option)
{
    int value = -1;
    size_t size = sizeof value;
    return zmq_getsockopt (handle, option, &value, &size) == 0 ? value : -1;
}

/*  Everything that makes the door fail closed is read back: what a library accepts is not yet what it does. */
static bm_status_t
s_check (const bm_door_t *self, bm_error_t *error)
{
    void *handle = zsock_resolve (self->socket);
    char domain[64] = "";
    size_t size = sizeof domain;
    if (zmq_getsockopt (handle, ZMQ_ZAP_DOMAIN, domain, &size) != 0 || !streq (domain, S_DOMAIN))
        return bm_fail (error, BM_REFUSED,
                        "the ZAP domain reads \"%s\" after it was set; the port stays "
                        "closed",
                        domain);
    int enforced = s_read_int (handle, S_ZAP_ENFORCE_DOMAIN);
    if (enforced != 1)
        return bm_fail (error, BM_REFUSED,
                        "libzmq does not enforce the ZAP domain (option %d reads %d); "
                        "without it a dead key check lets everybody in, so the port "
                        "stays closed",
                        S_ZAP_ENFORCE_DOMAIN, enforced);
    if (s_read_int (handle, ZMQ_CURVE_SERVER) != 1)
        return bm_fail (error, BM_REFUSED,
                        "libzmq did not become a CURVE server; the port stays closed");
    return BM_OK;
}

static bm_status_t
s_set (const bm_door_t *self, const bm_door_trial_t *trial, bm_error_t *error)
{
    void *handle = zsock_resolve (self->socket);
    const bm_key_t *key = self->config->key;
    int one = 1, keys = 0;
    zsock_set_linger (self->socket, 0);
    zsock_set_sndhwm (self->socket, S_QUEUE);
    zsock_set_rcvhwm (self->socket, S_QUEUE);
    zsock_set_router_mandatory (self->socket, 1);
    zsock_set_ipv6 (self->socket, strchr (self->config->bind, '[') ? 1 : 0);
    /*  A frame a little over our limit is answered as a bad request; one far over it costs its sender the connection. */
    zsock_set_maxmsgsize (self->socket, 2 * BM_LIMIT_WIRE_BYTES);
    zsock_set_heartbeat_ivl (self->socket, 5000);
    zsock_set_heartbeat_timeout (self->socket, 30000);
    zsock_set_curve_server (self->socket, 1);
    keys |= zmq_setsockopt (handle, ZMQ_CURVE_PUBLICKEY, bm_key_public (key), BM_KEY_TEXT_BYTES);
    keys |= zmq_setsockopt (handle, ZMQ_CURVE_SECRETKEY, bm_key_secret (key), BM_KEY_TEXT_BYTES);
    if (keys != 0)
        return bm_fail (error, BM_CONFIG_SECRET, "libzmq refused the agent's key: %s",
                        zmq_strerror (zmq_errno ()));
    if (!trial || !trial->no_domain)
        zsock_set_zap_domain (self->socket, S_DOMAIN);
    if (!trial || !trial->no_enforce)
        zmq_setsockopt (handle, S_ZAP_ENFORCE_DOMAIN, &one, sizeof one);
    return BM_OK;
}

static bm_status_t
s_open (bm_door_t *self, const bm_door_trial_t *trial, bm_error_t *error)
{
    if (!trial || !trial->no_handler) {
        bm_status_t status = s_start_handler (self, error);
        if (status != BM_OK)
            return status;
    }
    self->socket = zsock_new (ZMQ_ROUTER);
    if (!self->socket)
        return bm_fail (error, BM_IO, "no ZeroMQ socket: %s", zmq_strerror (zmq_errno ()));
    bm_status_t status = s_set (self, trial, error);
    if (status == BM_OK && !(trial && trial->no_read_back))
        status = s_check (self, error);
    if (status != BM_OK)
        return status;
    if (zsock_bind (self->socket, "%s", self->config->bind) == -1) {
        bm_fail (error, BM_CONFIG, "cannot listen on %s: %s", self->config->bind,
                 zmq_strerror (zmq_errno ()));
        bm_error_remedy (error, "is another btsmark-agent running? set bind in [agent] of %s",
                         bm_config_path (self->config->file));
        return BM_CONFIG;
    }
    char endpoint[256] = "";
    size_t size = sizeof endpoint;
    zmq_getsockopt (zsock_resolve (self->socket), ZMQ_LAST_ENDPOINT, endpoint, &size);
    self->endpoint = bm_strdup (endpoint);
    return BM_OK;
}

bm_door_t *
bm_door_open (const bm_agent_config_t *config, const bm_door_trial_t *trial, bm_error_t *error)
{
    bm_door_t *self = bm_alloc (sizeof *self);
    self->config = config;
    if (s_open (self, trial, error) != BM_OK)
        bm_door_close (&self, 0);
    return self;
}

void
bm_door_close (bm_door_t **self_p, int linger_ms)
{
    bm_door_t *self = *self_p;
    if (!self)
        return;
    if (self->socket)
        zsock_set_linger (self->socket, linger_ms);
    zsock_destroy (&self->socket);
    zactor_destroy (&self->handler);
    free (self->endpoint);
    free (self);
    *self_p = NULL;
}

zsock_t *
bm_door_socket (const bm_door_t *self)
{
    return self->socket;
}

const char *
bm_door_endpoint (const bm_door_t *self)
{
    return self->endpoint;
}

const bm_allow_t *
bm_door_sender (const bm_door_t *self, zframe_t *frame)
{
    const char *key = zframe_meta (frame, "User-Id");
    int index = key ? bm_agent_config_find_key (self->config, key) : -1;
    return index >= 0 ? &self->config->allow[index] : NULL;
}

void
bm_door_kill_handler (bm_door_t *self)
{
    zactor_destroy (&self->handler);
}
