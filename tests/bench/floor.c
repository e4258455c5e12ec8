/*  tests/bench/floor.c: see floor.h. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/clock.h"
#include "tests/bench/floor.h"

/*  One host: a thread with a socket and, if wanted, a session whose marked transaction is open. */
typedef struct s_host {
    void *context;
    char address[64], key[41], ready[48]; /* where it reports to */
    bm_sql_t *sql;
    pthread_t thread;
} s_host_t;

typedef struct s_floor {
    void *context, *router;
    s_host_t *hosts;
    size_t count;
    char public_key[41], secret_key[41];
} s_floor_t;

static void
s_must (bool condition, const char *what)
{
    if (condition)
        return;
    fprintf (stderr, "btsmark-bench: %s: %s\n", what, zmq_strerror (zmq_errno ()));
    exit (1);
}

static void
s_exec (bm_sql_t *sql, const char *batch)
{
    bm_error_t error = {0};
    bm_sql_result_t *result = NULL;
    if (bm_sql_exec (sql, batch, &result, &error) != BM_OK) {
        fprintf (stderr, "btsmark-bench: %s: %s\n", batch, error.text);
        exit (1);
    }
    bm_sql_result_destroy (&result);
}

/*  "open" opens a marked transaction, "commit" commits it, "ping" does nothing, "stop" ends the host. */
static void *
s_serve (void *argument)
{
    s_host_t *self = argument;
    void *socket = zmq_socket (self->context, ZMQ_ROUTER);
    const int one = 1, zero = 0;
    char public_key[41], secret_key[41];
    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_curve_keypair (public_key, secret_key);
    zmq_setsockopt (socket, ZMQ_CURVE_SERVER, &one, sizeof one);
    zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, secret_key, 41);
    s_must (zmq_bind (socket, "tcp://127.0.0.1:*") == 0, "a port could not be bound");
    void *ready = zmq_socket (self->context, ZMQ_PAIR);
    zmq_connect (ready, self->ready);
    char address[64];
    size_t size = sizeof address;
    zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, address, &size);
    zmq_send (ready, address, sizeof address, ZMQ_SNDMORE);
    zmq_send (ready, public_key, 41, 0);
    for (;;) {
        char routing[256], order[16] = "";
        int routing_size = zmq_recv (socket, routing, sizeof routing, 0);
        int length = zmq_recv (socket, order, sizeof order - 1, 0);
        s_must (routing_size > 0 && length > 0, "an order could not be received");
        if (strcmp (order, "open") == 0)
            s_exec (self->sql, "BEGIN TRANSACTION BenchFloor WITH MARK N'BenchFloor'; "
                               "INSERT INTO dbo.BenchFloor VALUES (1)");
        else if (strcmp (order, "commit") == 0)
            s_exec (self->sql, "COMMIT TRANSACTION");
        zmq_send (socket, routing, (size_t)routing_size, ZMQ_SNDMORE);
        zmq_send (socket, order, (size_t)length, 0);
        if (strcmp (order, "stop") == 0)
            break;
    }
    const int linger = 2000;
    zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close (socket);
    zmq_close (ready);
    return NULL;
}

static void
s_start_host (s_floor_t *self, bm_cluster_t *cluster, size_t i)
{
    s_host_t *host = &self->hosts[i];
    void *ready = zmq_socket (self->context, ZMQ_PAIR);
    snprintf (host->ready, sizeof host->ready, "inproc://ready-%zu", i);
    s_must (zmq_bind (ready, host->ready) == 0, "the hosts cannot report");
    host->context = self->context;
    bm_cluster_exec (cluster, i, "IF DB_ID(N'BenchFloor') IS NULL CREATE DATABASE [BenchFloor]");
    host->sql = bm_cluster_sql (cluster, i, "BenchFloor");
    s_exec (host->sql,
            "IF OBJECT_ID(N'dbo.BenchFloor') IS NULL CREATE TABLE dbo.BenchFloor (x int)");
    s_must (pthread_create (&host->thread, NULL, s_serve, host) == 0, "no thread");
    zmq_recv (ready, host->address, sizeof host->address, 0);
    zmq_recv (ready, host->key, sizeof host->key, 0);
    zmq_close (ready);
    char name[32];
    snprintf (name, sizeof name, "host%zu", i);
    zmq_setsockopt (self->router, ZMQ_CURVE_SERVERKEY, host->key, 41);
    zmq_setsockopt (self->router, ZMQ_CONNECT_ROUTING_ID, name, strlen (name));
    s_must (zmq_connect (self->router, host->address) == 0, "a host could not be reached");
}

/*  One message to every host at once, until each has answered. Microseconds. */
static int64_t
s_ask_all (s_floor_t *self, const char *order)
{
    int64_t began = bm_clock_mono_us ();
    for (size_t i = 0; i < self->count; i++) {
        char name[32];
        snprintf (name, sizeof name, "host%zu", i);
        zmq_send (self->router, name, strlen (name), ZMQ_SNDMORE);
        zmq_send (self->router, order, strlen (order), 0);
    }
    for (size_t i = 0; i < self->count; i++) {
        char buffer[256];
        zmq_recv (self->router, buffer, sizeof buffer, 0);
        zmq_recv (self->router, buffer, sizeof buffer, 0);
    }
    return bm_clock_mono_us () - began;
}

void
bm_floor_measure (bm_cluster_t *cluster, size_t rounds, bm_samples_t *wire,
                  bm_samples_t *with_commit)
{
    s_floor_t self = {.context = zmq_ctx_new (), .count = bm_cluster_hosts (cluster)};
    const int zero = 0;
    self.hosts = bm_alloc (self.count * sizeof *self.hosts);
    self.router = zmq_socket (self.context, ZMQ_ROUTER);
    zmq_curve_keypair (self.public_key, self.secret_key);
    zmq_setsockopt (self.router, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (self.router, ZMQ_CURVE_PUBLICKEY, self.public_key, 41);
    zmq_setsockopt (self.router, ZMQ_CURVE_SECRETKEY, self.secret_key, 41);
    for (size_t i = 0; i < self.count; i++)
        s_start_host (&self, cluster, i);
    s_ask_all (&self, "ping"); /* connections and handshakes are not measured */
    for (size_t i = 0; i < rounds; i++)
        bm_samples_add (wire, (double)s_ask_all (&self, "ping"));
    for (size_t i = 0; i < rounds; i++) {
        s_ask_all (&self, "open");
        bm_samples_add (with_commit, (double)s_ask_all (&self, "commit"));
    }
    s_ask_all (&self, "stop");
    for (size_t i = 0; i < self.count; i++) {
        pthread_join (self.hosts[i].thread, NULL);
        bm_sql_close (&self.hosts[i].sql);
        bm_cluster_exec (cluster, i, "DROP DATABASE [BenchFloor]");
    }
    zmq_close (self.router);
    zmq_ctx_term (self.context);
    free (self.hosts);
}
