#include "agent/shell/session.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"

#define S_PROGRAM_CHARS 128 /* sysname: SQL Server keeps no more of a program name */
#define S_LOGIN_S       8

struct bm_sessions {
    bm_mailbox_t *mailbox;
    const char *agent_name;
    uint64_t start_id;
    bm_session_t *first;
    size_t live;
};

struct bm_session {
    bm_sessions_t *sessions;
    const bm_instance_config_t *instance;
    char *program;
    bm_session_t *previous, *next; /* of bm_sessions, the loop's */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bm_job_t *queue, **queue_last_p;
    bool ending, interrupted;
    bm_job_t *current;
    bm_sql_t *sql; /* written by the session's thread; others touch it only to interrupt it */
    /*  Of the session's thread alone. */
    int spid, version;
    char login_time[64];
};

bm_sessions_t *
bm_sessions_new (bm_mailbox_t *mailbox, const char *agent_name, uint64_t start_id)
{
    bm_sessions_t *self = bm_alloc (sizeof *self);
    self->mailbox = mailbox;
    self->agent_name = agent_name;
    self->start_id = start_id;
    return self;
}

void
bm_sessions_destroy (bm_sessions_t **self_p)
{
    if (!*self_p)
        return;
    bm_require ((*self_p)->live == 0);
    free (*self_p);
    *self_p = NULL;
}

size_t
bm_sessions_live (const bm_sessions_t *self)
{
    return self->live;
}

void
bm_sessions_nag (bm_sessions_t *self)
{
    for (bm_session_t *session = self->first; session; session = session->next) {
        pthread_mutex_lock (&session->mutex);
        if (session->interrupted && session->current && session->sql)
            bm_sql_interrupt (session->sql);
        pthread_mutex_unlock (&session->mutex);
    }
}

char *
bm_session_program (const char *agent, const char *instance, const char *context, uint64_t start_id)
{
    /*  The start id tells this process's sessions from leftover ones, so it is never what is cut. */
    char *name = bm_format ("btsmark-agent %.24s/%.32s %.36s @%016" PRIx64, agent, instance,
                            context, start_id);
    for (char *c = name; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    bm_require (strlen (name) <= S_PROGRAM_CHARS);
    return name;
}

bool
bm_session_is_leftover (const char *program, const char *instance, uint64_t start_id)
{
    char mine[24], place[40];
    snprintf (mine, sizeof mine, " @%016" PRIx64, start_id);
    snprintf (place, sizeof place, "/%.32s ", instance);
    return program && strncmp (program, "btsmark-agent ", 14) == 0 && strcasestr (program, place) &&
           !strstr (program, mine);
}

/*  The last act of a session's thread was to post this. */
static void
s_reap (void *argument)
{
    bm_session_t *self = argument;
    pthread_join (self->thread, NULL);
    if (self->previous)
        self->previous->next = self->next;
    else
        self->sessions->first = self->next;
    if (self->next)
        self->next->previous = self->previous;
    self->sessions->live--;
    pthread_cond_destroy (&self->changed);
    pthread_mutex_destroy (&self->mutex);
    free (self->program);
    free (self);
}

static void
s_done (void *argument)
{
    bm_job_t *job = argument;
    job->done (job);
}

static void
s_set_sql (bm_session_t *self, bm_sql_t *sql)
{
    pthread_mutex_lock (&self->mutex);
    bm_sql_t *old = self->sql;
    self->sql = sql;
    pthread_mutex_unlock (&self->mutex);
    bm_sql_close (&old);
}

/*  The next job, or NULL when the session ends. */
static bm_job_t *
s_next_job (bm_session_t *self)
{
    pthread_mutex_lock (&self->mutex);
    if (self->current)
        self->interrupted = false; /* it was for the job that ended; one that waits keeps its own */
    self->current = NULL;
    while (!self->queue && !self->ending)
        pthread_cond_wait (&self->changed, &self->mutex);
    bm_job_t *job = self->queue;
    if (job) {
        self->queue = job->next;
        if (!self->queue)
            self->queue_last_p = &self->queue;
        job->next = NULL;
        job->skipped = job->skipped || self->ending;
        self->current = job->skipped ? NULL : job;
    }
    pthread_mutex_unlock (&self->mutex);
    return job;
}

static void *
s_thread (void *argument)
{
    bm_session_t *self = argument;
    for (bm_job_t *job = s_next_job (self); job; job = s_next_job (self)) {
        if (!job->skipped)
            job->work (job);
        bm_mailbox_post (self->sessions->mailbox, s_done, job);
    }
    s_set_sql (self, NULL);
    bm_mailbox_post (self->sessions->mailbox, s_reap, self);
    return NULL;
}

bm_session_t *
bm_session_new (bm_sessions_t *sessions, const bm_instance_config_t *instance, const char *context)
{
    bm_session_t *self = bm_alloc (sizeof *self);
    self->sessions = sessions;
    self->instance = instance;
    self->program = bm_session_program (sessions->agent_name, instance ? instance->name : "-",
                                        context, sessions->start_id);
    self->queue_last_p = &self->queue;
    pthread_mutex_init (&self->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->changed, &attributes);
    pthread_condattr_destroy (&attributes);
    self->next = sessions->first;
    if (self->next)
        self->next->previous = self;
    sessions->first = self;
    sessions->live++;
    bm_require (pthread_create (&self->thread, NULL, s_thread, self) == 0);
    return self;
}

void
bm_session_end (bm_session_t **self_p)
{
    bm_session_t *self = *self_p;
    if (!self)
        return;
    pthread_mutex_lock (&self->mutex);
    self->ending = true;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->mutex);
    *self_p = NULL;
}

void
bm_session_submit (bm_session_t *self, bm_job_t *job)
{
    job->session = self;
    job->next = NULL;
    pthread_mutex_lock (&self->mutex);
    if (!self->queue && !self->current)
        self->interrupted =
            false; /* an interrupt that came too late for the last job is not for this one */
    *self->queue_last_p = job;
    self->queue_last_p = &job->next;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->mutex);
}

void
bm_session_interrupt (bm_session_t *self)
{
    pthread_mutex_lock (&self->mutex);
    self->interrupted = true;
    if (self->sql)
        bm_sql_interrupt (self->sql);
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->mutex);
}

void
bm_session_cancel (bm_session_t *self, bm_job_t *job)
{
    pthread_mutex_lock (&self->mutex);
    bool running = self->current == job;
    if (!running)
        job->skipped = true;
    pthread_mutex_unlock (&self->mutex);
    if (running)
        bm_session_interrupt (self);
}

bool
bm_session_interrupted (bm_session_t *self)
{
    pthread_mutex_lock (&self->mutex);
    bool interrupted = self->interrupted;
    pthread_mutex_unlock (&self->mutex);
    return interrupted;
}

void
bm_session_calm (bm_session_t *self)
{
    pthread_mutex_lock (&self->mutex);
    self->interrupted = false;
    pthread_mutex_unlock (&self->mutex);
}

bool
bm_session_pause (bm_session_t *self, int64_t ms)
{
    struct timespec until;
    clock_gettime (CLOCK_MONOTONIC, &until);
    int64_t nanoseconds = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    pthread_mutex_lock (&self->mutex);
    int rc = 0;
    while (!self->interrupted && rc == 0)
        rc = pthread_cond_timedwait (&self->changed, &self->mutex, &until);
    bool interrupted = self->interrupted;
    pthread_mutex_unlock (&self->mutex);
    return !interrupted;
}

/*  Context, process id of the server, version and login time, in one round trip. A login that may not read its own row
 *  of dm_exec_sessions gets the agent's clock: then (start id, own login clock, @@SPID + transaction id) still names one
 *  fence of one start of one agent, which is all that RELEASE has to know again. */
static bm_status_t
s_introduce (bm_session_t *self, bm_sql_t *sql, bm_error_t *error)
{
    char batch[1024];
    snprintf (
        batch, sizeof batch,
        "SET CONTEXT_INFO 0x%016" PRIx64 ";\n"
        "SELECT @@SPID AS bm_spid, CONVERT (nvarchar(128), SERVERPROPERTY (N'productversion'))"
        " AS bm_version;\n"
        "SELECT CONVERT (nvarchar(30), login_time, 126) AS bm_login FROM sys.dm_exec_sessions"
        " WHERE session_id = @@SPID;",
        self->sessions->start_id);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_exec (sql, batch, &result, error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_spid", NULL}) : -1;
    if (set >= 0 && bm_sql_result_rows (result, set) == 1) {
        self->spid = (int)bm_sql_result_int (result, set, 0, "bm_spid", 0);
        const char *version = bm_sql_result_text (result, set, 0, "bm_version");
        self->version = version ? (int)strtol (version, NULL, 10) : 0;
        status = BM_OK;
        memset (error, 0, sizeof *error); /* that dm_exec_sessions is hidden is no failure */
    } else if (status == BM_OK)
        status =
            bm_fail (error, BM_SQL_FAILED, "%s did not say its @@SPID", self->instance->server);
    set = result ? bm_sql_result_find (result, (const char *[]){"bm_login", NULL}) : -1;
    const char *login = NULL;
    if (set >= 0 && bm_sql_result_rows (result, set) == 1)
        login = bm_sql_result_text (result, set, 0, "bm_login");
    if (login)
        snprintf (self->login_time, sizeof self->login_time, "%s", login);
    else
        snprintf (self->login_time, sizeof self->login_time, "agent %" PRId64 " spid %d",
                  bm_clock_utc_us (), self->spid);
    bm_sql_result_destroy (&result);
    return status;
}

bm_sql_t *
bm_session_sql (bm_session_t *self, bm_error_t *error)
{
    bm_require (self->instance);
    if (self->sql && bm_sql_alive (self->sql))
        return self->sql;
    s_set_sql (self, NULL);
    bm_sql_login_t login = {.server = self->instance->server,
                            .access = self->instance->access,
                            .user = self->instance->login,
                            .password = self->instance->password,
                            .program = self->program,
                            .login_timeout_s = S_LOGIN_S};
    bm_sql_t *sql = bm_sql_open (&login, error);
    if (!sql)
        return NULL;
    if (s_introduce (self, sql, error) != BM_OK) {
        bm_error_wrap (error, "opening a session on %s", self->instance->name);
        bm_sql_close (&sql);
        return NULL;
    }
    s_set_sql (self, sql);
    return sql;
}

bm_sql_t *
bm_session_present_sql (bm_session_t *self)
{
    return self->sql && bm_sql_alive (self->sql) ? self->sql : NULL;
}

void
bm_session_drop_sql (bm_session_t *self)
{
    s_set_sql (self, NULL);
}

int
bm_session_spid (const bm_session_t *self)
{
    return self->spid;
}

int
bm_session_version (const bm_session_t *self)
{
    return self->version;
}

const char *
bm_session_login_time (const bm_session_t *self)
{
    return self->login_time;
}
