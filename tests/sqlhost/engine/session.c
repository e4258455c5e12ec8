/*  Sessions: registry, cancel, kill, waits. See instance.h. */
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sqlhost/engine/internal.h"

int64_t
sh_now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
s_condition_make (pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (condition, &attributes);
    pthread_condattr_destroy (&attributes);
}

/*  The lowest free number from 51 on, as SQL Server does it. */
static int
s_free_id (const sh_instance_t *instance)
{
    int id = 51;
    for (const sh_esession_t *s = instance->sessions; s && s->id == id; s = s->next)
        id++;
    return id;
}

sh_status_t
sh_esession_open (sh_instance_t *instance, const sh_session_options_t *options, sh_esession_t **out,
                  sh_error_t *error)
{
    sh_esession_t *self = sh_mem_alloc (sizeof *self);
    self->instance = instance;
    self->lock_timeout_ms = -1;
    self->login_time = self->request_time = sh_ticks_local ();
    self->db_id = SH_DB_MASTER;
    self->pid = options->client_pid;
    sh_copy (self->login, sizeof self->login, options->login_name);
    sh_copy (self->host, sizeof self->host, options->host_name);
    sh_copy (self->program, sizeof self->program, options->program_name);
    sh_copy (self->interface, sizeof self->interface, options->client_interface);
    sh_copy (self->address, sizeof self->address, options->client_address);
    self->encrypted = options->encrypted;
    s_condition_make (&self->wake);
    sh_lock_instance (instance);
    bool stopping = instance->stopping;
    if (!stopping) {
        self->id = s_free_id (instance);
        sh_esession_t **p = &instance->sessions;
        while (*p && (*p)->id < self->id)
            p = &(*p)->next;
        self->next = *p;
        *p = self;
    }
    sh_unlock_instance (instance);
    if (stopping) {
        pthread_cond_destroy (&self->wake);
        free (self);
        return sh_fail (error, 6005, 14, 1, "SHUTDOWN is in progress.");
    }
    *out = self;
    return SH_OK;
}

sh_esession_t *
sh_esession_carrier (sh_instance_t *instance, int id, const char *login)
{
    sh_esession_t *self = sh_mem_alloc (sizeof *self);
    self->instance = instance;
    self->id = id;
    self->lock_timeout_ms = -1;
    sh_copy (self->login, sizeof self->login, login);
    s_condition_make (&self->wake);
    return self;
}

void
sh_esession_carrier_free (sh_esession_t *self)
{
    if (!self)
        return;
    sh_require (!self->txn && !self->grants[SH_FOR_TXN]);
    pthread_cond_destroy (&self->wake);
    free (self);
}

void
sh_esession_close (sh_esession_t **self_p)
{
    sh_esession_t *self = *self_p;
    if (!self)
        return;
    sh_instance_t *instance = self->instance;
    sh_keys_verify (self, false, NULL);
    sh_lock_instance (instance);
    if (self->txn)
        sh_txn_rollback_locked (self);
    sh_branch_orphan_locked (self);
    for (int owner = 0; owner < SH_FOR_COUNT; owner++)
        sh_lock_give_all (self, (sh_owner_t)owner);
    sh_esession_t **p = &instance->sessions;
    while (*p != self)
        p = &(*p)->next;
    *p = self->next;
    sh_unlock_instance (instance);
    pthread_cond_destroy (&self->wake);
    sh_row_drop (self->shown);
    free (self->deferred);
    free (self);
    *self_p = NULL;
}

sh_instance_t *
sh_esession_instance (sh_esession_t *self)
{
    return self->instance;
}

int
sh_esession_id (const sh_esession_t *self)
{
    return self->id;
}

const char *
sh_esession_login (const sh_esession_t *self)
{
    return self->login;
}

void
sh_esession_on_message (sh_esession_t *self, sh_on_message_t on_message, void *arg)
{
    self->on_message = on_message;
    self->on_message_arg = arg;
}

void
sh_esession_tell (sh_esession_t *self, int number, int severity, int state, const char *format, ...)
{
    sh_error_t message = {.number = number, .severity = severity, .state = state};
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (message.text, sizeof message.text, format, arguments);
    va_end (arguments);
    if (!self->on_message)
        return;
    sh_unlock_instance (self->instance);
    self->on_message (self->on_message_arg, &message);
    sh_lock_instance (self->instance);
}

void
sh_esession_set_lock_timeout (sh_esession_t *self, int64_t timeout_ms)
{
    sh_lock_instance (self->instance);
    self->lock_timeout_ms = timeout_ms < 0 ? -1 : timeout_ms;
    sh_unlock_instance (self->instance);
}

int64_t
sh_esession_lock_timeout (const sh_esession_t *self)
{
    return self->lock_timeout_ms;
}

void
sh_esession_set_deadlock_priority (sh_esession_t *self, int priority)
{
    sh_lock_instance (self->instance);
    self->deadlock_priority = priority;
    sh_unlock_instance (self->instance);
}

void
sh_esession_set_context_info (sh_esession_t *self, const void *data, size_t size)
{
    sh_lock_instance (self->instance);
    self->context_info_size = size > 128 ? 128 : size;
    memset (self->context_info, 0, sizeof self->context_info);
    if (self->context_info_size)
        memcpy (self->context_info, data, self->context_info_size);
    sh_unlock_instance (self->instance);
}

size_t
sh_esession_context_info (sh_esession_t *self, uint8_t out[128])
{
    sh_lock_instance (self->instance);
    memcpy (out, self->context_info, 128);
    size_t size = self->context_info_size;
    sh_unlock_instance (self->instance);
    return size;
}

void
sh_esession_request (sh_esession_t *self, const char *command, const char *text, int db_id)
{
    sh_lock_instance (self->instance);
    sh_copy (self->command, sizeof self->command, command);
    if (text)
        sh_copy (self->text, sizeof self->text, text);
    if (command)
        self->request_time = sh_ticks_local ();
    if (db_id > 0)
        self->db_id = db_id;
    self->percent = 0;
    sh_unlock_instance (self->instance);
}

void
sh_esession_use (sh_esession_t *self, int db_id)
{
    sh_lock_instance (self->instance);
    sh_lock_key_t key = sh_key_db (db_id), old = sh_key_db (self->db_id);
    /*  Never waits: whoever changes the database has made sure that it is usable no more. */
    int64_t no_wait = 0;
    if (sh_lock_take (self, &key, SH_LOCK_S, SH_FOR_SESSION, &no_wait, NULL) == SH_OK) {
        sh_lock_give (self, &old, SH_LOCK_S, SH_FOR_SESSION);
        self->db_id = db_id;
    }
    sh_unlock_instance (self->instance);
}

/*  ---- cancel, kill ---- */

void
sh_esession_cancel (sh_esession_t *self)
{
    sh_lock_instance (self->instance);
    self->cancelled = true;
    pthread_cond_signal (&self->wake);
    sh_unlock_instance (self->instance);
}

void
sh_esession_cancel_clear (sh_esession_t *self)
{
    sh_lock_instance (self->instance);
    self->cancelled = false;
    sh_unlock_instance (self->instance);
}

void
sh_esession_kill (sh_esession_t *self)
{
    sh_lock_instance (self->instance);
    self->killed = true;
    pthread_cond_signal (&self->wake);
    sh_unlock_instance (self->instance);
}

static void
s_kill_locked (sh_esession_t *target)
{
    target->killed = true;
    pthread_cond_signal (&target->wake);
    if (target->on_kill)
        target->on_kill (target->on_kill_arg);
}

sh_status_t
sh_esession_kill_id (sh_esession_t *self, int session_id, sh_error_t *error)
{
    sh_status_t status = SH_OK;
    sh_lock_instance (self->instance);
    sh_esession_t *target = self->instance->sessions;
    while (target && target->id != session_id)
        target = target->next;
    if (target == self)
        status = sh_fail (error, 6104, 16, 1, "Cannot use KILL to kill your own process.");
    else if (session_id > 0 && session_id < 51)
        status = sh_fail (error, 6107, 14, 1, "Only user processes can be killed.");
    else if (!target)
        status =
            sh_fail (error, 6106, 16, 2, "Process ID %d is not an active process ID.", session_id);
    else
        s_kill_locked (target);
    sh_unlock_instance (self->instance);
    return status;
}

void
sh_esession_on_kill (sh_esession_t *self, void (*on_kill) (void *arg), void *arg)
{
    sh_lock_instance (self->instance);
    self->on_kill = on_kill;
    self->on_kill_arg = arg;
    sh_unlock_instance (self->instance);
}

sh_status_t
sh_esession_check_locked (sh_esession_t *self, sh_error_t *error)
{
    if (self->instance->stopping) {
        sh_fail (error, 6005, 21, 1, "SHUTDOWN is in progress.");
        return SH_KILLED;
    }
    if (self->killed) {
        sh_fail (error, 596, 21, 1,
                 "Cannot continue the execution because the session is in the "
                 "kill state.");
        return SH_KILLED;
    }
    return self->cancelled ? SH_CANCELLED : SH_OK;
}

sh_status_t
sh_esession_check (sh_esession_t *self, sh_error_t *error)
{
    sh_lock_instance (self->instance);
    sh_status_t status = sh_esession_check_locked (self, error);
    sh_unlock_instance (self->instance);
    return status;
}

/*  ---- waits ---- */

bool
sh_esession_pause (sh_esession_t *self, int64_t deadline_ms)
{
    if (deadline_ms < 0) {
        pthread_cond_wait (&self->wake, &self->instance->mutex);
        return true;
    }
    if (sh_now_ms () >= deadline_ms)
        return false;
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    int result = pthread_cond_timedwait (&self->wake, &self->instance->mutex, &until);
    return result != ETIMEDOUT;
}

sh_status_t
sh_esession_wait_locked (sh_esession_t *self, const char *wait_type, int64_t deadline_ms,
                         bool (*done) (void *arg), void *arg, sh_error_t *error)
{
    sh_status_t status = sh_esession_check_locked (self, error);
    self->wait_type = wait_type;
    self->wait_since_ms = sh_now_ms ();
    while (status == SH_OK && !(done && done (arg))) {
        if (!sh_esession_pause (self, deadline_ms))
            break;
        status = sh_esession_check_locked (self, error);
    }
    self->wait_type = NULL;
    return status;
}

sh_status_t
sh_esession_wait (sh_esession_t *self, int64_t delay_ms, sh_error_t *error)
{
    sh_lock_instance (self->instance);
    int64_t deadline = sh_now_ms () + (delay_ms < 0 ? 0 : delay_ms);
    sh_status_t status = sh_esession_wait_locked (self, "WAITFOR", deadline, NULL, NULL, error);
    sh_unlock_instance (self->instance);
    return status;
}

/*  ---- listing ---- */

static int
s_blocker (const sh_esession_t *self)
{
    const sh_request_t *request = self->waiting;
    if (!request)
        return 0;
    for (const sh_grant_t *g = request->lock->grants; g; g = g->next_of_lock)
        if (g->session != self && g->modes != SH_LOCK_SCH_S)
            return g->session->id;
    for (const sh_request_t *r = request->lock->waiters; r && r != request; r = r->next)
        if (r->session != self)
            return r->session->id;
    return 0;
}

static void
s_describe (const sh_esession_t *self, sh_session_info_t *out)
{
    memset (out, 0, sizeof *out);
    out->session_id = self->id;
    sh_copy (out->login_name, sizeof out->login_name, self->login);
    sh_copy (out->host_name, sizeof out->host_name, self->host);
    sh_copy (out->program_name, sizeof out->program_name, self->program);
    sh_copy (out->client_interface, sizeof out->client_interface, self->interface);
    sh_copy (out->client_address, sizeof out->client_address, self->address);
    out->encrypted = self->encrypted;
    out->client_pid = self->pid;
    out->login_time = self->login_time;
    memcpy (out->context_info, self->context_info, sizeof out->context_info);
    out->context_info_size = self->context_info_size;
    out->lock_timeout_ms = self->lock_timeout_ms;
    out->deadlock_priority = self->deadlock_priority;
    out->db_id = self->db_id;
    out->killed = self->killed;
    sh_copy (out->command, sizeof out->command, self->command);
    sh_copy (out->text, sizeof out->text, self->text);
    out->request_time = self->request_time;
    out->percent_complete = self->percent;
    if (self->wait_type) {
        sh_copy (out->wait_type, sizeof out->wait_type, self->wait_type);
        out->wait_ms = sh_now_ms () - self->wait_since_ms;
    }
    if (self->waiting)
        sh_lock_describe (&self->waiting->lock->key, out->wait_resource, sizeof out->wait_resource);
    out->blocking_session_id = s_blocker (self);
    if (self->txn) {
        out->transaction_id = self->txn->id;
        out->transaction_is_user = self->txn->user;
    }
}

size_t
sh_esession_list (sh_instance_t *instance, sh_session_info_t **out)
{
    sh_lock_instance (instance);
    size_t count = 0;
    for (const sh_esession_t *s = instance->sessions; s; s = s->next)
        count++;
    *out = sh_mem_alloc (count * sizeof **out);
    size_t at = 0;
    for (const sh_esession_t *s = instance->sessions; s; s = s->next)
        s_describe (s, &(*out)[at++]);
    sh_unlock_instance (instance);
    return count;
}
