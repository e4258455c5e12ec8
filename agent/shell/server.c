#include "agent/shell/server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/shell/agent.h"
#include "agent/shell/backup.h"
#include "agent/shell/greet.h"
#include "agent/shell/instance.h"
#include "agent/shell/orders.h"
#include "agent/shell/queue.h"
#include "common/clock.h"
#include "common/log.h"

#define S_TICK_MS   100
#define S_NAG_MS    200
#define S_LINGER_MS 2000 /* for the last answers to leave */

struct bm_server {
    bm_agent_t agent;
    zloop_t *loop;
    int signals;
    int64_t nag_ms, trim_ms;
    bool sessions_ended;
};

/*  ---- events ---- */

static int
s_on_message (zloop_t *loop, zsock_t *socket, void *argument)
{
    (void)loop;
    bm_server_t *self = argument;
    zmsg_t *message = zmsg_recv (socket);
    if (message)
        bm_orders_receive (&self->agent, &message);
    return 0;
}

static int
s_on_mail (zloop_t *loop, zmq_pollitem_t *item, void *argument)
{
    (void)loop;
    (void)item;
    bm_server_t *self = argument;
    bm_mailbox_drain (self->agent.mailbox);
    return 0;
}

/*  Clean stop: nothing new is taken, what is held is let go, what runs is cancelled and reported. */
static void
s_begin_stop (bm_server_t *self, const char *why)
{
    bm_agent_t *agent = &self->agent;
    if (agent->stopping)
        return;
    agent->stopping = true;
    agent->stop_by_ms = bm_clock_mono_ms () + agent->config->stop_deadline_ms;
    size_t orders = bm_operations_running (agent->operations);
    if (orders > 0)
        bm_log_info ("stopping (%s): %zu order(s) run, %zu of them backups; marks are rolled back, "
                     "fences released, backups cancelled",
                     why, orders, bm_queue_running (agent->queue));
    else
        bm_log_info ("stopping (%s): nothing runs", why);
    bm_gate_stop (agent->gate);
    for (size_t i = 0; i < agent->instance_count; i++)
        bm_instance_stop (agent->instances[i]);
    bm_operation_t **running = bm_operations_list_running (agent->operations);
    for (size_t i = 0; running[i]; i++)
        if (!running[i]->answer)
            bm_orders_cancel (agent, running[i], "the agent stops");
    free (running);
}

static int
s_on_signal (zloop_t *loop, zmq_pollitem_t *item, void *argument)
{
    (void)loop;
    struct signalfd_siginfo info;
    if (read (item->fd, &info, sizeof info) == (ssize_t)sizeof info)
        s_begin_stop (argument, strsignal ((int)info.ssi_signo));
    return 0;
}

static void
s_send_heartbeats (bm_agent_t *agent, int64_t now_ms)
{
    bm_operation_t **running = bm_operations_list_running (agent->operations);
    for (size_t i = 0; running[i]; i++)
        if (now_ms - running[i]->beat_ms >= agent->config->heartbeat_ms)
            bm_agent_progress (agent, running[i], now_ms);
    free (running);
}

/*  A SETTLE that still waits has no job: nobody but us can answer it now. */
static void
s_refuse_waiting (bm_agent_t *agent)
{
    bm_operation_t **running = bm_operations_list_running (agent->operations);
    for (size_t i = 0; running[i]; i++)
        if (running[i]->kind == BTSMARK__ENVELOPE__BODY_SETTLE && !running[i]->work) {
            bm_error_t error = {0};
            bm_fail (&error, BM_STOPPED, "the agent is stopping");
            bm_agent_refuse (agent, running[i], BTSMARK__REFUSED__WHY__STOPPING, &error);
        }
    free (running);
}

/*  -1 when everything has ended, or cannot be waited for any longer. */
static int
s_go_on_stopping (bm_server_t *self, int64_t now_ms)
{
    bm_agent_t *agent = &self->agent;
    s_refuse_waiting (agent);
    bool idle = bm_operations_running (agent->operations) == 0;
    for (size_t i = 0; i < agent->instance_count; i++)
        idle = idle && bm_instance_idle (agent->instances[i]);
    if (idle && !self->sessions_ended) {
        self->sessions_ended = true;
        for (size_t i = 0; i < agent->instance_count; i++)
            bm_instance_end_sessions (agent->instances[i]);
        bm_session_end (&agent->files);
    }
    if (self->sessions_ended && bm_sessions_live (agent->sessions) == 0)
        return -1;
    return now_ms >= agent->stop_by_ms ? -1 : 0;
}

static int
s_on_tick (zloop_t *loop, int timer, void *argument)
{
    (void)loop;
    (void)timer;
    bm_server_t *self = argument;
    bm_agent_t *agent = &self->agent;
    int64_t now_ms = bm_clock_mono_ms ();
    for (size_t i = 0; i < agent->instance_count; i++)
        bm_instance_tick (agent->instances[i], now_ms);
    bm_queue_tick (agent->queue, now_ms);
    bm_greet_tick (agent, now_ms);
    if (!agent->stopping)
        bm_orders_tick (agent, now_ms);
    s_send_heartbeats (agent, now_ms);
    if (now_ms - self->nag_ms >= S_NAG_MS) {
        self->nag_ms = now_ms;
        bm_sessions_nag (agent->sessions);
    }
    if (now_ms - self->trim_ms >= 60000) {
        self->trim_ms = now_ms;
        bm_operations_trim (agent->operations, now_ms);
    }
    return agent->stopping ? s_go_on_stopping (self, now_ms) : 0;
}

/*  ---- life ---- */

static bm_status_t
s_watch_signals (bm_server_t *self, bm_error_t *error)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGINT);
    /*  Blocked here, so in every thread that is made from now on: signals come through the descriptor only. */
    if (pthread_sigmask (SIG_BLOCK, &set, NULL) != 0)
        return bm_fail (error, BM_IO, "signals cannot be blocked");
    signal (SIGPIPE, SIG_IGN);
    zsys_handler_set (NULL);
    self->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signals < 0)
        return bm_fail (error, BM_IO, "signalfd: %s", strerror (errno));
    return BM_OK;
}

static uint64_t
s_draw_start_id (void)
{
    uint64_t id = 0;
    while (id == 0)
        bm_require (getrandom (&id, sizeof id, 0) == (ssize_t)sizeof id);
    return id;
}

static void
s_make_rooms (bm_agent_t *agent)
{
    agent->sessions = bm_sessions_new (agent->mailbox, agent->config->name, agent->start_id);
    agent->operations = bm_operations_new ();
    agent->gate = bm_gate_new (agent->start_id);
    agent->manifests = bm_manifests_new ();
    agent->claims = bm_claims_new ();
    agent->queue = bm_queue_new (agent);
    agent->files = bm_session_new (agent->sessions, NULL, "files");
    agent->instances = bm_alloc ((agent->config->instance_count + 1) * sizeof *agent->instances);
    for (size_t i = 0; i < agent->config->instance_count; i++)
        agent->instances[agent->instance_count++] =
            bm_instance_new (agent, &agent->config->instances[i]);
}

bm_server_t *
bm_server_new (const bm_agent_config_t *config, const bm_door_trial_t *trial, bm_error_t *error)
{
    bm_server_t *self = bm_alloc (sizeof *self);
    self->signals = -1;
    self->agent.config = config;
    self->agent.start_id = s_draw_start_id ();
    self->agent.started_utc_us = bm_clock_utc_us ();
    self->agent.started_ms = bm_clock_mono_ms ();
    if (s_watch_signals (self, error) == BM_OK &&
        (self->agent.mailbox = bm_mailbox_new (error)) != NULL &&
        (self->agent.door = bm_door_open (config, trial, error)) != NULL) {
        s_make_rooms (&self->agent);
        return self;
    }
    bm_server_destroy (&self);
    return NULL;
}

/*  For a server that never ran, or whose run ended cleanly. */
static void
s_end_sessions (bm_server_t *self)
{
    bm_agent_t *agent = &self->agent;
    if (!agent->sessions)
        return;
    for (size_t i = 0; i < agent->instance_count; i++)
        bm_instance_end_sessions (agent->instances[i]);
    bm_session_end (&agent->files);
    while (bm_sessions_live (agent->sessions) > 0) {
        zmq_pollitem_t item = {.fd = bm_mailbox_fd (agent->mailbox), .events = ZMQ_POLLIN};
        zmq_poll (&item, 1, 100);
        bm_mailbox_drain (agent->mailbox);
    }
}

void
bm_server_destroy (bm_server_t **self_p)
{
    bm_server_t *self = *self_p;
    if (!self)
        return;
    bm_agent_t *agent = &self->agent;
    s_end_sessions (self);
    bm_door_close (&agent->door, S_LINGER_MS);
    for (size_t i = 0; i < agent->instance_count; i++)
        bm_instance_destroy (&agent->instances[i]);
    free (agent->instances);
    bm_queue_destroy (&agent->queue);
    bm_manifests_destroy (&agent->manifests);
    bm_claims_destroy (&agent->claims);
    bm_gate_destroy (&agent->gate);
    bm_operations_destroy (&agent->operations);
    bm_mailbox_destroy (&agent->mailbox);
    bm_sessions_destroy (&agent->sessions);
    zloop_destroy (&self->loop);
    if (self->signals >= 0)
        close (self->signals);
    free (self);
    *self_p = NULL;
}

const char *
bm_server_endpoint (const bm_server_t *self)
{
    return bm_door_endpoint (self->agent.door);
}

uint64_t
bm_server_start_id (const bm_server_t *self)
{
    return self->agent.start_id;
}

/*  Whoever waits is told what is known: nothing. */
static void
s_answer_unknown (bm_agent_t *agent, bm_operation_t *operation)
{
    bm_error_t error = {0};
    char *what = bm_agent_describe (operation);
    bm_fail (
        &error, BM_STOPPED,
        "%s did not end before the stop deadline; SQL Server ends it when the connection closes, "
        "and the next run settles it",
        what);
    bm_log_error ("%s", error.text);
    if (operation->kind == BTSMARK__ENVELOPE__BODY_BACKUP)
        bm_agent_answer (agent, operation, BTSMARK__ENVELOPE__BODY_BACKUP_DONE,
                         (bm_body_t){.backup_done = bm_backup_not_begun (
                                         operation->order->backup,
                                         BTSMARK__BACKUP_STATUS__BACKUP_UNKNOWN, &error)});
    free (what);
}

static bm_status_t
s_give_up (bm_server_t *self, bm_error_t *error)
{
    bm_agent_t *agent = &self->agent;
    bm_operation_t **running = bm_operations_list_running (agent->operations);
    bm_fail (error, BM_STOPPED, "%zu order(s) and %zu session(s) did not end within %" PRId64 " ms",
             bm_operations_running (agent->operations), bm_sessions_live (agent->sessions),
             agent->config->stop_deadline_ms);
    for (size_t i = 0; running[i]; i++)
        s_answer_unknown (agent, running[i]);
    free (running);
    bm_door_close (&agent->door, S_LINGER_MS);
    return BM_STOPPED;
}

bm_status_t
bm_server_run (bm_server_t *self, bm_error_t *error)
{
    bm_agent_t *agent = &self->agent;
    self->loop = zloop_new ();
    zloop_set_nonstop (self->loop, true);
    zmq_pollitem_t mail = {.fd = bm_mailbox_fd (agent->mailbox), .events = ZMQ_POLLIN};
    zmq_pollitem_t signals = {.fd = self->signals, .events = ZMQ_POLLIN};
    zloop_reader (self->loop, bm_door_socket (agent->door), s_on_message, self);
    zloop_poller (self->loop, &mail, s_on_mail, self);
    zloop_poller (self->loop, &signals, s_on_signal, self);
    zloop_timer (self->loop, S_TICK_MS, 0, s_on_tick, self);
    zloop_start (self->loop);
    if (!agent->stopping)
        return bm_fail (error, BM_BUG, "the loop ended by itself");
    if (!self->sessions_ended || bm_sessions_live (agent->sessions) > 0)
        return s_give_up (self, error);
    bm_log_info ("stopped: nothing is held and nothing runs");
    return BM_OK;
}
