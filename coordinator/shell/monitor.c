/*  coordinator/shell/monitor.c */
#include "coordinator/shell/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct bm_monitor {
    void *socket;
};

static const int EVENTS = ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED |
                          ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

bm_monitor_t *
bm_monitor_new (void *context, void *socket, bm_error_t *error)
{
    static int
        s_count; /* one thread makes sockets; the name only has to differ within the context */
    char *name = bm_format ("inproc://btsmark-monitor-%d", ++s_count);
    bm_monitor_t *self = bm_alloc (sizeof *self);
    self->socket = zmq_socket (context, ZMQ_PAIR);
    const int zero = 0;
    if (!self->socket || zmq_setsockopt (self->socket, ZMQ_LINGER, &zero, sizeof zero) != 0 ||
        zmq_setsockopt (self->socket, ZMQ_RCVHWM, &zero, sizeof zero) != 0 ||
        zmq_socket_monitor (socket, name, EVENTS) != 0 || zmq_connect (self->socket, name) != 0) {
        bm_fail (error, BM_BUG, "cannot watch the socket to the agents: %s",
                 zmq_strerror (zmq_errno ()));
        bm_monitor_destroy (&self);
    }
    free (name);
    return self;
}

void
bm_monitor_destroy (bm_monitor_t **self_p)
{
    bm_monitor_t *self = *self_p;
    if (!self)
        return;
    if (self->socket)
        zmq_close (self->socket);
    free (self);
    *self_p = NULL;
}

void *
bm_monitor_socket (bm_monitor_t *self)
{
    return self->socket;
}

static bool
s_kind (uint16_t event, bm_monitor_kind_t *kind)
{
    switch (event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            *kind = BM_MONITOR_UP;
            return true;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            *kind = BM_MONITOR_REFUSED;
            return true;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            *kind = BM_MONITOR_NO_PROOF;
            return true;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            *kind = BM_MONITOR_NOT_ZMQ;
            return true;
        case ZMQ_EVENT_CLOSED:
        case ZMQ_EVENT_CONNECT_RETRIED:
            *kind = BM_MONITOR_CLOSED;
            return true;
        case ZMQ_EVENT_DISCONNECTED:
            *kind = BM_MONITOR_DOWN;
            return true;
        default:
            return false;
    }
}

/*  Frame 1: event number (16 bits) and value (32 bits), in the machine's order; frame 2: the endpoint. */
bool
bm_monitor_next (bm_monitor_t *self, bm_monitor_event_t *event)
{
    for (;;) {
        unsigned char head[16];
        int size = zmq_recv (self->socket, head, sizeof head, ZMQ_DONTWAIT);
        if (size < 0)
            return false;
        size_t endpoint_size = 0;
        memset (event, 0, sizeof *event);
        int more = 0;
        size_t more_size = sizeof more;
        while (zmq_getsockopt (self->socket, ZMQ_RCVMORE, &more, &more_size) == 0 && more) {
            int got = zmq_recv (self->socket, event->endpoint, sizeof event->endpoint - 1, 0);
            if (got < 0)
                return false;
            endpoint_size =
                (size_t)got < sizeof event->endpoint ? (size_t)got : sizeof event->endpoint - 1;
        }
        event->endpoint[endpoint_size] = 0;
        if (size < 6)
            continue;
        uint16_t number;
        memcpy (&number, head, sizeof number);
        if (!s_kind (number, &event->kind))
            continue;
        return true;
    }
}
