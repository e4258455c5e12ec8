/*  tests/sqlhost/tds/server.c
 *  One hub thread: accepts, watches, joins the threads of connections that ended. */
#include "tests/sqlhost/tds/server.h"

#include "tests/sqlhost/tds/connection.h"
#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/log.h"
#include "tests/sqlhost/tds/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef enum { SLOT_FREE, SLOT_RUNNING, SLOT_ENDED } s_state_t;

typedef struct {
    sh_server_t *server;
    s_state_t state;
    uint32_t generation; /* an event that is older than the slot's client means nothing */
    int fd;
    pthread_t thread;
    sh_connection_t *connection;
} s_slot_t;

struct sh_server {
    sh_backend_t *backend;
    unsigned login_ms;
    unsigned send_ms;
    sh_tls_t *tls;
    bool force_encryption;
    size_t limit;
    char address[80];
    uint16_t port;
    int listener;
    int epoll;
    int wake;
    int spare; /* given up for a moment when descriptors run out, to turn a client away */
    pthread_t hub;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    s_slot_t *slots;
    size_t count;
    bool stopping;
};

/*  epoll's data: the slot and its generation, or one of these. */
#define EVENT_LISTENER UINT64_MAX
#define EVENT_WAKE     (UINT64_MAX - 1)

static uint64_t
s_event_of (const s_slot_t *slot)
{
    return (uint64_t)slot->generation << 32 | (uint32_t)(slot - slot->server->slots);
}

static void
s_wake (sh_server_t *self)
{
    uint64_t one = 1;
    ssize_t ignored = write (self->wake, &one, sizeof one);
    (void)ignored; /* a full counter wakes as well */
}

/*  ---- a client's thread ---- */

static void
s_arm (s_slot_t *slot, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.u64 = s_event_of (slot)};

    epoll_ctl (slot->server->epoll, EPOLL_CTL_MOD, slot->fd, &event);
}

static void
s_watch (void *context)
{
    s_arm (context, EPOLLIN | EPOLLRDHUP);
}

static void *
s_thread (void *context)
{
    s_slot_t *slot = context;
    sh_server_t *self = slot->server;
    sh_connection_t *connection = slot->connection;

    sh_connection_serve (connection);
    pthread_mutex_lock (&self->lock);
    slot->connection = NULL;
    pthread_mutex_unlock (&self->lock);
    epoll_ctl (self->epoll, EPOLL_CTL_DEL, slot->fd, NULL);
    sh_connection_destroy (&connection);
    pthread_mutex_lock (&self->lock);
    slot->state = SLOT_ENDED;
    pthread_mutex_unlock (&self->lock);
    s_wake (self);
    return NULL;
}

/*  ---- the hub ---- */

static void
s_print_address (const struct sockaddr *address, socklen_t size, char *out, size_t room)
{
    char host[64] = "?", port[16] = "?";

    getnameinfo (address, size, host, sizeof host, port, sizeof port,
                 NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf (out, room, strchr (host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static void
s_set_up_socket (const sh_server_t *self, int fd)
{
    const int on = 1;
    const struct timeval send_limit = {.tv_sec = self->send_ms / 1000,
                                       .tv_usec = self->send_ms % 1000 * 1000};

    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &send_limit, sizeof send_limit);
}

/*  Under lock. */
static bool
s_begin (sh_server_t *self, s_slot_t *slot, int fd, const struct sockaddr *address, socklen_t size)
{
    sh_connection_options_t options = {.fd = fd,
                                       .login_ms = self->login_ms,
                                       .tls = self->tls,
                                       .force_encryption = self->force_encryption,
                                       .backend = self->backend,
                                       .watch = s_watch,
                                       .context = slot};
    struct epoll_event event = {.events = EPOLLONESHOT};

    s_print_address (address, size, options.address, sizeof options.address);
    slot->generation++;
    slot->fd = fd;
    event.data.u64 = s_event_of (slot);
    slot->connection = sh_connection_new (&options);
    /*  Registered without events: a oneshot that has fired, as it were. */
    if (epoll_ctl (self->epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
        if (pthread_create (&slot->thread, NULL, s_thread, slot) == 0) {
            slot->state = SLOT_RUNNING;
            self->count++;
            return true;
        }
        epoll_ctl (self->epoll, EPOLL_CTL_DEL, fd, NULL);
    }
    sh_log (SH_LOG_ERROR, "%s: no thread for the client: %s", options.address, strerror (errno));
    sh_connection_destroy (&slot->connection);
    return false;
}

static void
s_out_of_descriptors (sh_server_t *self)
{
    sh_log (SH_LOG_ERROR, "out of file descriptors: a client was turned away");
    close (self->spare);
    int fd = accept4 (self->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close (fd);
    self->spare = open ("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
s_accept (sh_server_t *self)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int fd = accept4 (self->listener, (struct sockaddr *)&address, &size, SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            s_out_of_descriptors (self);
        return;
    }
    s_set_up_socket (self, fd);
    pthread_mutex_lock (&self->lock);
    s_slot_t *slot = NULL;
    for (size_t i = 0; i < self->limit && !slot; i++)
        if (self->slots[i].state == SLOT_FREE)
            slot = &self->slots[i];
    if (slot && !self->stopping)
        s_begin (self, slot, fd, (struct sockaddr *)&address, size);
    else {
        if (!slot)
            sh_log (SH_LOG_WARN, "a client was turned away: %zu are connected, the most we take",
                    self->count);
        close (fd);
    }
    pthread_mutex_unlock (&self->lock);
}

static void
s_look (sh_server_t *self, const struct epoll_event *event)
{
    size_t index = (uint32_t)event->data.u64;

    pthread_mutex_lock (&self->lock);
    s_slot_t *slot = &self->slots[index];
    if (slot->connection && slot->generation == (uint32_t)(event->data.u64 >> 32)) {
        bool hung = event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
        switch (sh_connection_look (slot->connection, hung)) {
            case SH_WATCH_ALL:
                s_arm (slot, EPOLLIN | EPOLLRDHUP);
                break;
            case SH_WATCH_HANGUP:
                s_arm (slot, EPOLLRDHUP);
                break;
            default:
                break;
        }
    }
    pthread_mutex_unlock (&self->lock);
}

/*  Joins what ended; true when the hub has nothing left to do. */
static bool
s_reap (sh_server_t *self)
{
    uint64_t scrap;
    ssize_t ignored = read (self->wake, &scrap, sizeof scrap);
    (void)ignored;

    pthread_mutex_lock (&self->lock);
    for (size_t i = 0; i < self->limit; i++)
        if (self->slots[i].state == SLOT_ENDED) {
            pthread_join (self->slots[i].thread, NULL); /* past its last use of the lock */
            self->slots[i].state = SLOT_FREE;
            self->count--;
        }
    bool over = self->stopping && self->count == 0;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->lock);
    return over;
}

static void *
s_hub (void *context)
{
    sh_server_t *self = context;
    struct epoll_event events[64];

    for (;;) {
        int count = epoll_wait (self->epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == EVENT_LISTENER)
                s_accept (self);
            else if (events[i].data.u64 != EVENT_WAKE)
                s_look (self, &events[i]);
            else if (s_reap (self))
                return NULL;
        }
    }
}

/*  ---- start and stop ---- */

static bool
s_split (const char *listen_at, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *colon = strrchr (listen_at, ':');

    if (!colon || colon[1] == 0 || strlen (colon + 1) >= port_size)
        return false;
    for (const char *digit = colon + 1; *digit; digit++)
        if (*digit < '0' || *digit > '9')
            return false;
    if (strtol (colon + 1, NULL, 10) > UINT16_MAX)
        return false;
    size_t size = (size_t)(colon - listen_at);
    if (size >= 2 && listen_at[0] == '[' && listen_at[size - 1] == ']') {
        listen_at++;
        size -= 2;
    }
    if (size >= host_size)
        return false;
    snprintf (host, host_size, "%.*s", (int)size, listen_at);
    snprintf (port, port_size, "%s", colon + 1);
    return true;
}

static int
s_bind (const struct addrinfo *found)
{
    const int on = 1;
    int fd = socket (found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind (fd, found->ai_addr, found->ai_addrlen) == 0 && listen (fd, 256) == 0)
        return fd;
    int saved = errno;
    close (fd);
    errno = saved;
    return -1;
}

static bool
s_listen (sh_server_t *self, const char *listen_at, char *error, size_t size)
{
    char host[256], port[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    struct sockaddr_storage address;
    socklen_t address_size = sizeof address;

    if (!s_split (listen_at, host, sizeof host, port, sizeof port)) {
        snprintf (error, size, "'%s' is no address to listen at; write HOST:PORT", listen_at);
        return false;
    }
    int code = getaddrinfo (host[0] ? host : NULL, port, &hints, &found);
    if (code != 0) {
        snprintf (error, size, "cannot resolve '%s': %s", host, gai_strerror (code));
        return false;
    }
    self->listener = s_bind (found);
    freeaddrinfo (found);
    if (self->listener < 0) {
        snprintf (error, size, "cannot listen at %s: %s", listen_at, strerror (errno));
        return false;
    }
    getsockname (self->listener, (struct sockaddr *)&address, &address_size);
    s_print_address ((struct sockaddr *)&address, address_size, self->address,
                     sizeof self->address);
    self->port = (uint16_t)strtol (strrchr (self->address, ':') + 1, NULL, 10);
    return true;
}

static void
s_free (sh_server_t *self)
{
    const int descriptors[] = {self->listener, self->epoll, self->wake, self->spare};

    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++)
        if (descriptors[i] >= 0)
            close (descriptors[i]);
    pthread_mutex_destroy (&self->lock);
    pthread_cond_destroy (&self->changed);
    free (self->slots);
    free (self);
}

static bool
s_set_up_hub (sh_server_t *self)
{
    struct epoll_event listener = {.events = EPOLLIN, .data.u64 = EVENT_LISTENER};
    struct epoll_event wake = {.events = EPOLLIN, .data.u64 = EVENT_WAKE};

    self->epoll = epoll_create1 (EPOLL_CLOEXEC);
    self->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->spare = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    return self->epoll >= 0 && self->wake >= 0 && self->spare >= 0 &&
           epoll_ctl (self->epoll, EPOLL_CTL_ADD, self->listener, &listener) == 0 &&
           epoll_ctl (self->epoll, EPOLL_CTL_ADD, self->wake, &wake) == 0 &&
           pthread_create (&self->hub, NULL, s_hub, self) == 0;
}

sh_server_t *
sh_server_start (const sh_server_options_t *options, char *error, size_t size)
{
    sh_server_t *self = sh_wire_alloc (sizeof *self);
    pthread_condattr_t attributes;

    self->backend = options->backend;
    self->login_ms = options->login_ms ? options->login_ms : SH_LIMIT_LOGIN_MS;
    self->send_ms = options->send_ms ? options->send_ms : SH_LIMIT_SEND_MS;
    self->tls = options->tls;
    self->force_encryption = options->force_encryption;
    self->limit = options->connections;
    if (self->limit == 0 || self->limit > SH_LIMIT_CONNECTIONS)
        self->limit = SH_LIMIT_CONNECTIONS;
    self->listener = self->epoll = self->wake = self->spare = -1;
    self->slots = sh_wire_alloc (self->limit * sizeof *self->slots);
    for (size_t i = 0; i < self->limit; i++)
        self->slots[i].server = self;
    pthread_mutex_init (&self->lock, NULL);
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->changed, &attributes);
    pthread_condattr_destroy (&attributes);
    if (!s_listen (self, options->listen, error, size)) {
        s_free (self);
        return NULL;
    }
    if (!s_set_up_hub (self)) {
        snprintf (error, size, "cannot set up the listener: %s", strerror (errno));
        s_free (self);
        return NULL;
    }
    return self;
}

const char *
sh_server_address (const sh_server_t *self)
{
    return self->address;
}

uint16_t
sh_server_port (const sh_server_t *self)
{
    return self->port;
}

size_t
sh_server_count (sh_server_t *self)
{
    pthread_mutex_lock (&self->lock);
    size_t count = self->count;
    pthread_mutex_unlock (&self->lock);
    return count;
}

/*  Under lock: waits until every client's thread is joined. */
static bool
s_wait_empty (sh_server_t *self, unsigned wait_ms)
{
    struct timespec until;

    clock_gettime (CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (self->count > 0)
        if (pthread_cond_timedwait (&self->changed, &self->lock, &until) == ETIMEDOUT)
            return self->count == 0;
    return true;
}

static void
s_stop_all (sh_server_t *self, bool hard)
{
    for (size_t i = 0; i < self->limit; i++)
        if (self->slots[i].connection)
            sh_connection_stop (self->slots[i].connection, hard);
}

bool
sh_server_stop (sh_server_t **self_p, unsigned deadline_ms)
{
    sh_server_t *self = *self_p;

    if (!self)
        return true;
    *self_p = NULL;
    pthread_mutex_lock (&self->lock);
    self->stopping = true;
    epoll_ctl (self->epoll, EPOLL_CTL_DEL, self->listener, NULL);
    s_stop_all (self, false);
    bool empty = s_wait_empty (self, deadline_ms / 2);
    if (!empty) {
        s_stop_all (self, true);
        empty = s_wait_empty (self, deadline_ms - deadline_ms / 2);
    }
    size_t left = self->count;
    pthread_mutex_unlock (&self->lock);
    if (!empty) {
        sh_log (SH_LOG_ERROR, "%zu sessions did not end within %u ms", left, deadline_ms);
        return false;
    }
    s_wake (self);
    pthread_join (self->hub, NULL);
    s_free (self);
    return true;
}
