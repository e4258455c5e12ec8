#include "tests/workload/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/workload/copier.h"
#include "tests/workload/mover.h"
#include "tests/workload/publisher.h"
#include "tests/workload/router.h"

#define S_BATCH    50  /* events or bodies a step */
#define S_IDLE_MS  50  /* nothing to move */
#define S_AGAIN_MS 500 /* after a failure */
#define S_TRIES    40  /* to end what is prepared, when the work ends */
#define S_ROUTED   20  /* messages that each lane has to route */
#define S_PAIRED   2   /* lanes of a pair: one to and one fro */
#define S_PAIR     60  /* branch events a second that a pair of lanes is good for */
#define S_EVENTS   4   /* of the branches of one routed message: two are prepared, two committed */

typedef struct s_worker s_worker_t;
/*  One step. *idle: nothing was to be done. */
typedef bm_status_t (s_step_fn) (s_worker_t *self, bool *idle, bm_error_t *error);

struct s_worker {
    bm_work_run_t *run;
    s_step_fn *step;
    const char *what;
    const bm_work_box_t *box;
    const bm_work_target_t *target;
    const bm_work_orders_t *orders;
    const bm_work_place_t *from; /* of a router's lane */
    const bm_work_place_t *to;
    uint16_t lane;
    size_t routed; /* messages it has published */
    bool publishes;
    int64_t due_ms;
    pthread_t thread;
    /*  Sessions; another thread looks at them only under run->lock, to interrupt. */
    bm_sql_t *source;
    bm_sql_t *destination;
    bm_mover_t *mover;
    bm_copier_t *copier;
    bm_router_t *router;
};

struct bm_work_run {
    bm_work_options_t options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopped;
    int64_t next;
    int64_t left;      /* to publish; -1 = no end */
    size_t publishing; /* publishers that have not ended */
    size_t working;    /* threads that have not ended */
    s_worker_t *workers;
    size_t worker_count;
};

static struct timespec
s_after (int64_t ms)
{
    struct timespec until;
    clock_gettime (CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return until;
}

/*  Waits that long, or until the run is stopped. False: stopped. */
static bool
s_pause (bm_work_run_t *run, int64_t ms)
{
    struct timespec until = s_after (ms);
    pthread_mutex_lock (&run->lock);
    int waited = 0;
    while (!run->stopped && waited == 0 && ms > 0)
        waited = pthread_cond_timedwait (&run->changed, &run->lock, &until);
    bool goes_on = !run->stopped;
    pthread_mutex_unlock (&run->lock);
    return goes_on;
}

/*  Waits that long, also in a run that is stopped. */
static void
s_pause_always (bm_work_run_t *run, int64_t ms)
{
    struct timespec until = s_after (ms);
    pthread_mutex_lock (&run->lock);
    int waited = 0;
    while (waited == 0)
        waited = pthread_cond_timedwait (&run->changed, &run->lock, &until);
    pthread_mutex_unlock (&run->lock);
}

/*  The next number; 0 when all are taken. */
static int64_t
s_take_number (bm_work_run_t *run)
{
    pthread_mutex_lock (&run->lock);
    int64_t number = run->left == 0 ? 0 : run->next++;
    if (run->left > 0)
        run->left--;
    pthread_mutex_unlock (&run->lock);
    return number;
}

/*  Keeps to a rate of so many steps in so many milliseconds. */
static void
s_keep_pace (s_worker_t *self, int64_t every_ms)
{
    int64_t now = bm_clock_mono_ms ();
    if (self->due_ms < now - 1000) /* after an outage: no burst */
        self->due_ms = now;
    s_pause (self->run, self->due_ms - now);
    self->due_ms += every_ms;
}

static bm_status_t
s_publish (s_worker_t *self, bool *idle, bm_error_t *error)
{
    bm_work_run_t *run = self->run;
    const bm_work_group_t *group = run->options.group;
    size_t publishers = group->box_count + group->orders_count; /* each has its share */
    s_keep_pace (self, 1000 * (int64_t)publishers / run->options.rate);
    int64_t number = s_take_number (run);
    *idle = number == 0;
    if (number == 0)
        return BM_OK;
    size_t instance = self->box ? self->box->instance : self->orders->instance;
    const char *database = self->box ? self->box->database : self->orders->database;
    const char *second = self->box ? self->box->second : self->orders->second;
    bm_status_t status = bm_ledger_ask (run->options.ledger, number, self->box ? 'M' : 'O',
                                        group->instances[instance].name, database, second, error);
    if (status)
        return status;
    status = self->box ? bm_publish_message (self->source, database, second, run->options.seed,
                                             number, error)
                       : bm_publish_order (self->source, database, second, number, error);
    return status ? status : bm_ledger_acknowledge (run->options.ledger, number, error);
}

static bm_status_t
s_move (s_worker_t *self, bool *idle, bm_error_t *error)
{
    size_t count;
    bm_status_t status = bm_mover_step (self->mover, S_BATCH, &count, error);
    *idle = count == 0;
    return status;
}

static bm_status_t
s_copy (s_worker_t *self, bool *idle, bm_error_t *error)
{
    size_t count;
    bm_status_t status = bm_copier_step (self->copier, S_BATCH, &count, error);
    *idle = count == 0;
    return status;
}

/*  Whether all has been published: a step that begins now and finds nothing is the last one. */
static bool
s_is_last (s_worker_t *self)
{
    pthread_mutex_lock (&self->run->lock);
    bool last = self->publishes || self->run->publishing == 0;
    pthread_mutex_unlock (&self->run->lock);
    return last;
}

/*  The messages of a lane are extra: they do not count as published by the run. */
static bm_status_t
s_publish_routed (s_worker_t *self, bm_error_t *error)
{
    bm_work_run_t *run = self->run;
    pthread_mutex_lock (&run->lock);
    int64_t number = run->next++;
    pthread_mutex_unlock (&run->lock);
    bm_status_t status = bm_ledger_ask (run->options.ledger, number, 'R',
                                        run->options.group->instances[self->from->instance].name,
                                        self->from->database, NULL, error);
    if (status == BM_OK)
        status = bm_router_publish (self->router, run->options.seed, number, error);
    if (status)
        return status;
    self->routed++;
    return bm_ledger_acknowledge (run->options.ledger, number, error);
}

static int64_t
s_pairs (const bm_work_run_t *run)
{
    return 1 + (run->options.route_rate - 1) / S_PAIR;
}

/*  Routed messages go to and fro for ever: a run with an end ends a lane when nothing else is published any more. */
static bm_status_t
s_route (s_worker_t *self, bool *idle, bm_error_t *error)
{
    const bm_work_options_t *options = &self->run->options;
    *idle = options->count > 0 && s_is_last (self);
    if (*idle)
        return BM_OK;
    if (self->routed < S_ROUTED)
        return s_publish_routed (self, error);
    bool found;
    s_keep_pace (self, 1000 * S_PAIRED * s_pairs (self->run) * S_EVENTS / options->route_rate);
    return bm_router_step (self->router, &found, error);
}

static void
s_set_session (s_worker_t *self, bm_sql_t **place, bm_sql_t *sql)
{
    pthread_mutex_lock (&self->run->lock);
    *place = sql;
    pthread_mutex_unlock (&self->run->lock);
}

static void
s_close_one (s_worker_t *self, bm_sql_t **place)
{
    bm_sql_t *sql = *place;
    s_set_session (self, place, NULL);
    bm_sql_close (&sql);
}

static void
s_close (s_worker_t *self)
{
    bm_mover_destroy (&self->mover);
    bm_copier_destroy (&self->copier);
    bm_router_abandon (self->router);
    s_close_one (self, &self->source);
    s_close_one (self, &self->destination);
}

/*  A router outlives its sessions: it alone knows what was decided. */
static bm_status_t
s_open_router (s_worker_t *self, bm_error_t *error)
{
    const bm_work_options_t *options = &self->run->options;
    const bm_work_group_t *group = options->group;
    bm_route_end_t ends[BM_ROUTE_SIDES] = {
        {self->source, group->instances[self->from->instance].name, self->from->database},
        {self->destination, group->instances[self->to->instance].name, self->to->database}};
    if (!self->router)
        self->router = bm_router_new (ends, options->seed, self->lane, options->ledger);
    bm_router_sessions (self->router, self->source, self->destination);
    return bm_router_recover (self->router, options->known, error);
}

static bm_status_t
s_open (s_worker_t *self, bm_error_t *error)
{
    const bm_work_group_t *group = self->run->options.group;
    size_t instance = self->box    ? self->box->instance
                      : self->from ? self->from->instance
                                   : self->orders->instance;
    bm_sql_t *sql = bm_work_group_open (group, instance, self->what, error);
    if (!sql)
        return error->status;
    s_set_session (self, &self->source, sql);
    if (!self->target && !self->to)
        return BM_OK;
    sql = bm_work_group_open (group, self->to ? self->to->instance : self->target->instance,
                              self->what, error);
    if (!sql)
        return error->status;
    s_set_session (self, &self->destination, sql);
    if (self->to)
        return s_open_router (self, error);
    if (self->step == s_move)
        self->mover =
            bm_mover_new (self->source, self->box->database, self->box->stream, self->destination,
                          self->target->database, self->target->destination);
    else
        self->copier = bm_copier_new (self->source, self->box->database, self->destination,
                                      self->target->database);
    return BM_OK;
}

static bool
s_is_stopped (s_worker_t *self)
{
    pthread_mutex_lock (&self->run->lock);
    bool stopped = self->run->stopped;
    pthread_mutex_unlock (&self->run->lock);
    return stopped;
}

/*  Nothing is left prepared: it would hold its locks, and every mark up, until somebody ends it. Opening recovers. */
static void
s_end_routing (s_worker_t *self)
{
    bm_error_t error = {0};
    for (int left = S_TRIES; left > 0 && *bm_router_uow (self->router); left--) {
        s_close (self);
        if (s_open (self, &error) == BM_OK)
            return;
        s_pause_always (self->run, S_IDLE_MS);
    }
    if (*bm_router_uow (self->router))
        bm_log_warning ("%s: %s may still be prepared: %s", self->what,
                        bm_router_uow (self->router), error.text);
}

static void
s_end (s_worker_t *self)
{
    bm_work_run_t *run = self->run;
    if (self->router)
        s_end_routing (self);
    s_close (self);
    bm_router_destroy (&self->router);
    pthread_mutex_lock (&run->lock);
    run->publishing -= self->publishes;
    run->working--;
    pthread_cond_broadcast (&run->changed);
    pthread_mutex_unlock (&run->lock);
}

static void *
s_work (void *argument)
{
    s_worker_t *self = argument;
    bool failed = false;
    bool done = false;
    while (!done && !s_is_stopped (self)) {
        bm_error_t error = {0};
        bool idle = false;
        bool last = s_is_last (self);
        bm_status_t status = self->source ? BM_OK : s_open (self, &error);
        if (status == BM_OK)
            status = self->step (self, &idle, &error);
        if (status && !failed && status != BM_STOPPED)
            bm_log_warning ("%s: %s", self->what, error.text);
        if (!status && failed)
            bm_log_info ("%s: goes on", self->what);
        failed = status != BM_OK;
        done = last && idle && !failed;
        if (failed)
            s_close (self);
        if (failed || (idle && !self->publishes))
            s_pause (self->run, failed ? S_AGAIN_MS : S_IDLE_MS);
    }
    s_end (self);
    return NULL;
}

static void
s_add (bm_work_run_t *self, s_worker_t worker)
{
    worker.run = self;
    worker.due_ms = bm_clock_mono_ms ();
    worker.publishes = worker.step == s_publish;
    self->workers = bm_realloc (self->workers, (self->worker_count + 1) * sizeof *self->workers);
    self->workers[self->worker_count++] = worker;
    self->working++;
    self->publishing += worker.publishes;
}

static void
s_add_all (bm_work_run_t *self)
{
    const bm_work_group_t *group = self->options.group;
    for (size_t i = 0; i < group->box_count; i++) {
        const bm_work_box_t *box = &group->boxes[i];
        s_add (self, (s_worker_t){.step = s_publish, .what = "publisher", .box = box});
        for (size_t k = 0; k < group->target_count; k++) {
            const bm_work_target_t *target = &group->targets[k];
            s_add (self,
                   (s_worker_t){.step = s_move, .what = "TDDS", .box = box, .target = target});
            if (target->destination == BM_DESTINATION_DTA)
                s_add (self, (s_worker_t){.step = s_copy,
                                          .what = "TrackedMessages_Copy",
                                          .box = box,
                                          .target = target});
        }
    }
    for (size_t i = 0; i < group->orders_count; i++)
        s_add (self,
               (s_worker_t){.step = s_publish, .what = "orders", .orders = &group->orders[i]});
    s_worker_t lane = {.step = s_route, .what = "router"};
    if (self->options.route_rate > 0 && bm_work_group_route (group, &lane.from, &lane.to)) {
        for (int64_t i = 0; i < S_PAIRED * s_pairs (self); i++) {
            s_add (self, lane);
            const bm_work_place_t *to = lane.to;
            lane.to = lane.from;
            lane.from = to;
            lane.lane++;
        }
    }
}

bm_work_run_t *
bm_work_run_start (const bm_work_options_t *options)
{
    bm_require (options->rate > 0 && options->first > 0);
    bm_work_run_t *self = bm_alloc (sizeof *self);
    self->options = *options;
    self->next = options->first;
    self->left = options->count ? options->count : -1;
    pthread_mutex_init (&self->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->changed, &attributes);
    pthread_condattr_destroy (&attributes);
    s_add_all (self);
    for (size_t i = 0; i < self->worker_count; i++)
        bm_require (pthread_create (&self->workers[i].thread, NULL, s_work, &self->workers[i]) ==
                    0);
    return self;
}

bool
bm_work_run_wait (bm_work_run_t *self, int64_t timeout_ms)
{
    struct timespec until = s_after (timeout_ms);
    pthread_mutex_lock (&self->lock);
    int waited = 0;
    while (self->working && waited == 0)
        waited = pthread_cond_timedwait (&self->changed, &self->lock, &until);
    bool done = self->working == 0;
    pthread_mutex_unlock (&self->lock);
    return done;
}

void
bm_work_run_stop (bm_work_run_t **self_p)
{
    bm_work_run_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    pthread_mutex_lock (&self->lock);
    self->stopped = true;
    pthread_cond_broadcast (&self->changed);
    while (self->working) { /* a session that is opened just now is met at the next turn */
        for (size_t i = 0; i < self->worker_count; i++) {
            if (self->workers[i].to)
                continue; /* a routed message is brought to its end */
            if (self->workers[i].source)
                bm_sql_interrupt (self->workers[i].source);
            if (self->workers[i].destination)
                bm_sql_interrupt (self->workers[i].destination);
        }
        struct timespec until = s_after (S_IDLE_MS);
        pthread_cond_timedwait (&self->changed, &self->lock, &until);
    }
    pthread_mutex_unlock (&self->lock);
    for (size_t i = 0; i < self->worker_count; i++)
        pthread_join (self->workers[i].thread, NULL);
    pthread_cond_destroy (&self->changed);
    pthread_mutex_destroy (&self->lock);
    free (self->workers);
    free (self);
}
