/*  The lock manager: grants, queues, waits, deadlocks. See internal.h.
 *
 *  A wait stands on its session's own condition and looks again when it is woken; whoever gives
 *  a lock back wakes the lock's waiters. Order is first come, first served, except that a
 *  session which converts a lock goes first: without that, every upgrade behind a queue would be
 *  a deadlock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

/*  Which held modes a requested one conflicts with (SQL Server's compatibility matrix). */
static unsigned
s_conflicts (unsigned mode)
{
    switch (mode) {
        case SH_LOCK_SCH_S:
            return SH_LOCK_SCH_M;
        case SH_LOCK_SCH_M:
            return (1u << SH_LOCK_MODES) - 1;
        case SH_LOCK_IS:
            return SH_LOCK_SCH_M | SH_LOCK_X;
        case SH_LOCK_IX:
            return SH_LOCK_SCH_M | SH_LOCK_S | SH_LOCK_U | SH_LOCK_X;
        case SH_LOCK_S:
            return SH_LOCK_SCH_M | SH_LOCK_IX | SH_LOCK_X;
        case SH_LOCK_U:
            return SH_LOCK_SCH_M | SH_LOCK_IX | SH_LOCK_U | SH_LOCK_X;
        default:
            return SH_LOCK_SCH_M | SH_LOCK_IS | SH_LOCK_IX | SH_LOCK_S | SH_LOCK_U | SH_LOCK_X;
    }
}

static int
s_mode_index (unsigned mode)
{
    int index = 0;
    while (mode > 1) {
        mode >>= 1;
        index++;
    }
    return index;
}

const char *
sh_lock_mode_name (unsigned modes)
{
    if (modes & SH_LOCK_SCH_M)
        return "Sch-M";
    if (modes & SH_LOCK_X)
        return "X";
    if ((modes & SH_LOCK_S) && (modes & SH_LOCK_IX))
        return "SIX";
    if ((modes & SH_LOCK_U) && (modes & SH_LOCK_IX))
        return "UIX";
    if (modes & SH_LOCK_U)
        return "U";
    if (modes & SH_LOCK_IX)
        return "IX";
    if (modes & SH_LOCK_S)
        return "S";
    return modes & SH_LOCK_IS ? "IS" : "Sch-S";
}

static const char *
s_wait_name (unsigned mode)
{
    switch (mode) {
        case SH_LOCK_SCH_S:
            return "LCK_M_SCH_S";
        case SH_LOCK_SCH_M:
            return "LCK_M_SCH_M";
        case SH_LOCK_IS:
            return "LCK_M_IS";
        case SH_LOCK_IX:
            return "LCK_M_IX";
        case SH_LOCK_S:
            return "LCK_M_S";
        case SH_LOCK_U:
            return "LCK_M_U";
        default:
            return "LCK_M_X";
    }
}

void
sh_lock_describe (const sh_lock_key_t *key, char *out, size_t size)
{
    switch (key->kind) {
        case SH_ON_DATABASE:
            snprintf (out, size, "DATABASE: %d", key->db_id);
            break;
        case SH_ON_NAME:
            snprintf (out, size, "METADATA: database_id = %d %s", key->db_id, key->name);
            break;
        case SH_ON_OBJECT:
            snprintf (out, size, "OBJECT: %d:%d:0", key->db_id, key->object_id);
            break;
        case SH_ON_ROW:
            snprintf (out, size, "RID: %d:1:%d:%lld", key->db_id, key->object_id,
                      (long long)key->rid);
            break;
        case SH_ON_APP:
            snprintf (out, size, "APPLICATION: %d:0:[%s]", key->db_id, key->name);
            break;
        case SH_ON_BACKUP:
            snprintf (out, size, "DATABASE: %d [BULKOP_BACKUP_%s]", key->db_id,
                      key->object_id ? "LOG" : "DB");
            break;
    }
}

/*  ---- the table of locks ---- */

static uint64_t
s_key_hash (const sh_lock_key_t *key)
{
    uint64_t hash = (uint64_t)key->kind + 31;
    hash = (hash ^ (uint64_t)key->db_id) * UINT64_C (0x9E3779B97F4A7C15);
    hash = (hash ^ (uint64_t)key->object_id) * UINT64_C (0x9E3779B97F4A7C15);
    hash = (hash ^ (uint64_t)key->rid) * UINT64_C (0x9E3779B97F4A7C15);
    for (const char *p = key->name; p && *p; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C (1099511628211);
    return hash ^ (hash >> 31);
}

static bool
s_key_same (const sh_lock_key_t *a, const sh_lock_key_t *b)
{
    return a->kind == b->kind && a->db_id == b->db_id && a->object_id == b->object_id &&
           a->rid == b->rid &&
           (a->name == b->name || (a->name && b->name && strcmp (a->name, b->name) == 0));
}

static sh_lock_t *
s_find (sh_lock_table_t *table, const sh_lock_key_t *key, uint64_t hash)
{
    if (table->bucket_count == 0)
        return NULL;
    sh_lock_t *lock = table->buckets[hash & (table->bucket_count - 1)];
    while (lock && !(lock->hash == hash && s_key_same (&lock->key, key)))
        lock = lock->next;
    return lock;
}

static void
s_spread (sh_lock_table_t *table)
{
    size_t old_count = table->bucket_count;
    sh_lock_t **old = table->buckets;
    table->bucket_count = old_count ? old_count * 4 : 256;
    table->buckets = sh_mem_alloc (table->bucket_count * sizeof (sh_lock_t *));
    for (size_t i = 0; i < old_count; i++)
        while (old[i]) {
            sh_lock_t *lock = old[i];
            old[i] = lock->next;
            sh_lock_t **bucket = &table->buckets[lock->hash & (table->bucket_count - 1)];
            lock->next = *bucket;
            *bucket = lock;
        }
    free (old);
}

static sh_lock_t *
s_make (sh_lock_table_t *table, const sh_lock_key_t *key, uint64_t hash)
{
    if (table->count >= table->bucket_count)
        s_spread (table);
    sh_lock_t *lock = table->spare;
    if (lock) {
        table->spare = lock->next;
        memset (lock, 0, sizeof *lock);
    } else
        lock = sh_mem_alloc (sizeof *lock);
    lock->key = *key;
    lock->key.name = sh_mem_strdup (key->name);
    lock->hash = hash;
    sh_lock_t **bucket = &table->buckets[hash & (table->bucket_count - 1)];
    lock->next = *bucket;
    *bucket = lock;
    table->count++;
    return lock;
}

static void
s_release_if_idle (sh_lock_table_t *table, sh_lock_t *lock)
{
    if (lock->grants || lock->waiters)
        return;
    sh_lock_t **p = &table->buckets[lock->hash & (table->bucket_count - 1)];
    while (*p != lock)
        p = &(*p)->next;
    *p = lock->next;
    free ((void *)(uintptr_t)lock->key.name);
    table->count--;
    lock->next = table->spare;
    table->spare = lock;
}

void
sh_lock_table_free (sh_lock_table_t *self)
{
    while (self->spare) {
        sh_lock_t *next = self->spare->next;
        free (self->spare);
        self->spare = next;
    }
    free (self->buckets);
    memset (self, 0, sizeof *self);
}

/*  ---- grants ---- */

static sh_grant_t *
s_grant_of (const sh_lock_t *lock, const sh_esession_t *session, sh_owner_t owner)
{
    sh_grant_t *grant = lock->grants;
    while (grant && !(grant->session == session && grant->owner == owner))
        grant = grant->next_of_lock;
    return grant;
}

static void
s_grant (sh_lock_t *lock, sh_esession_t *session, sh_owner_t owner, unsigned mode)
{
    sh_grant_t *grant = s_grant_of (lock, session, owner);
    if (!grant) {
        grant = sh_mem_alloc (sizeof *grant);
        grant->lock = lock;
        grant->session = session;
        grant->owner = owner;
        grant->next_of_lock = lock->grants;
        lock->grants = grant;
        grant->next_of_owner = session->grants[owner];
        if (grant->next_of_owner)
            grant->next_of_owner->previous_of_owner = grant;
        session->grants[owner] = grant;
    }
    grant->modes |= mode;
    grant->counts[s_mode_index (mode)]++;
}

static void
s_wake_waiters (sh_lock_t *lock)
{
    for (sh_request_t *request = lock->waiters; request; request = request->next)
        pthread_cond_signal (&request->session->wake);
}

static void
s_grant_remove (sh_grant_t *grant)
{
    sh_esession_t *session = grant->session;
    sh_lock_t *lock = grant->lock;
    sh_grant_t **p = &lock->grants;
    while (*p != grant)
        p = &(*p)->next_of_lock;
    *p = grant->next_of_lock;
    if (grant->previous_of_owner)
        grant->previous_of_owner->next_of_owner = grant->next_of_owner;
    else
        session->grants[grant->owner] = grant->next_of_owner;
    if (grant->next_of_owner)
        grant->next_of_owner->previous_of_owner = grant->previous_of_owner;
    free (grant);
    s_wake_waiters (lock);
    s_release_if_idle (&session->instance->locks, lock);
}

bool
sh_lock_give (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode, sh_owner_t owner)
{
    sh_lock_t *lock = s_find (&session->instance->locks, key, s_key_hash (key));
    sh_grant_t *grant = lock ? s_grant_of (lock, session, owner) : NULL;
    if (!grant || !(grant->modes & mode))
        return false;
    if (--grant->counts[s_mode_index (mode)] == 0) {
        grant->modes &= ~mode;
        if (grant->modes == 0)
            s_grant_remove (grant);
        else
            s_wake_waiters (lock);
    }
    return true;
}

void
sh_lock_give_all (sh_esession_t *session, sh_owner_t owner)
{
    while (session->grants[owner])
        s_grant_remove (session->grants[owner]);
}

void
sh_lock_move_all (sh_esession_t *from, sh_esession_t *to, sh_owner_t owner)
{
    sh_require (!to->grants[owner]);
    to->grants[owner] = from->grants[owner];
    from->grants[owner] = NULL;
    for (sh_grant_t *grant = to->grants[owner]; grant; grant = grant->next_of_owner)
        grant->session = to;
}

unsigned
sh_lock_held (sh_esession_t *session, const sh_lock_key_t *key, sh_owner_t owner)
{
    sh_lock_t *lock = s_find (&session->instance->locks, key, s_key_hash (key));
    sh_grant_t *grant = lock ? s_grant_of (lock, session, owner) : NULL;
    return grant ? grant->modes : 0;
}

size_t
sh_lock_holders (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode,
                 sh_esession_t **out, size_t max)
{
    sh_lock_t *lock = s_find (&session->instance->locks, key, s_key_hash (key));
    size_t count = 0;
    for (sh_grant_t *grant = lock ? lock->grants : NULL; grant; grant = grant->next_of_lock)
        if (grant->session != session && (grant->modes & s_conflicts (mode)) && count < max)
            out[count++] = grant->session;
    return count;
}

/*  ---- requests ---- */

static bool
s_holds_any (const sh_lock_t *lock, const sh_esession_t *session)
{
    for (const sh_grant_t *grant = lock->grants; grant; grant = grant->next_of_lock)
        if (grant->session == session)
            return true;
    return false;
}

static bool
s_granted_allow (const sh_lock_t *lock, const sh_esession_t *session, unsigned mode)
{
    for (const sh_grant_t *grant = lock->grants; grant; grant = grant->next_of_lock)
        if (grant->session != session && (grant->modes & s_conflicts (mode)))
            return false;
    return true;
}

static bool
s_before_allow (const sh_lock_t *lock, const sh_request_t *request)
{
    for (const sh_request_t *other = lock->waiters; other && other != request; other = other->next)
        if (other->session != request->session && (other->mode & s_conflicts (request->mode)))
            return false;
    return true;
}

static bool
s_can_grant (const sh_request_t *request)
{
    return s_granted_allow (request->lock, request->session, request->mode) &&
           (request->converts || s_before_allow (request->lock, request));
}

static void
s_enqueue (sh_request_t *request)
{
    sh_request_t **p = &request->lock->waiters;
    while (*p && (!request->converts || (*p)->converts))
        p = &(*p)->next;
    request->next = *p;
    *p = request;
    request->session->waiting = request;
}

static void
s_dequeue (sh_request_t *request)
{
    sh_request_t **p = &request->lock->waiters;
    while (*p != request)
        p = &(*p)->next;
    *p = request->next;
    request->session->waiting = NULL;
    s_wake_waiters (request->lock);
}

/*  ---- deadlocks ---- */

typedef struct {
    sh_esession_t *start;
    sh_esession_t *victim;
} s_search_t;

static size_t
s_work (const sh_esession_t *session)
{
    return session->txn ? session->txn->undo_count : 0;
}

/*  Is `a` the better victim? Lower priority, then less work, then the one that closed the
 *  circle. */
static bool
s_rather (const sh_esession_t *a, const sh_esession_t *b)
{
    if (a->deadlock_priority != b->deadlock_priority)
        return a->deadlock_priority < b->deadlock_priority;
    return s_work (a) < s_work (b);
}

static bool s_leads_back (s_search_t *search, sh_esession_t *from);

static bool
s_edge (s_search_t *search, sh_esession_t *to)
{
    if (to == search->start)
        return true;
    return s_leads_back (search, to);
}

/*  Depth first from a waiting session along who it waits for; true when that leads back to the
 *  start. On the way back the victim is chosen among the sessions of the circle. */
static bool
s_leads_back (s_search_t *search, sh_esession_t *from)
{
    const sh_request_t *request = from->waiting;
    if (!request || from->victim || from->visit == from->instance->visit)
        return false;
    from->visit = from->instance->visit;
    bool found = false;
    unsigned conflicts = s_conflicts (request->mode);
    for (sh_grant_t *grant = request->lock->grants; grant && !found; grant = grant->next_of_lock)
        if (grant->session != from && (grant->modes & conflicts))
            found = s_edge (search, grant->session);
    if (!request->converts)
        for (sh_request_t *other = request->lock->waiters; other != request && !found;
             other = other->next)
            if (other->session != from && (other->mode & conflicts))
                found = s_edge (search, other->session);
    if (found && s_rather (from, search->victim))
        search->victim = from;
    return found;
}

/*  Looks for a circle through `session`, which has begun to wait. Each one found costs a victim. */
static void
s_break_deadlocks (sh_esession_t *session)
{
    while (!session->victim) {
        s_search_t search = {.start = session, .victim = session};
        session->instance->visit++;
        if (!s_leads_back (&search, session))
            return;
        search.victim->victim = true;
        pthread_cond_signal (&search.victim->wake);
    }
}

static sh_status_t
s_victim_error (const sh_esession_t *session, sh_error_t *error)
{
    return sh_fail (error, 1205, 13, 51,
                    "Transaction (Process ID %d) was deadlocked on lock resources with another "
                    "process and has been chosen as the deadlock victim. Rerun the transaction.",
                    session->id);
}

/*  ---- taking ---- */

static sh_status_t
s_wait (sh_request_t *request, int64_t timeout_ms, sh_error_t *error)
{
    sh_esession_t *session = request->session;
    int64_t deadline = timeout_ms < 0 ? -1 : sh_now_ms () + timeout_ms;
    sh_status_t status = SH_OK;
    bool in_time = true;
    s_enqueue (request);
    session->victim = false;
    session->wait_type = s_wait_name (request->mode);
    session->wait_since_ms = sh_now_ms ();
    s_break_deadlocks (session);
    while (!s_can_grant (request)) {
        if (session->victim) {
            status = s_victim_error (session, error);
            break;
        }
        status = sh_esession_check_locked (session, error);
        if (status != SH_OK)
            break;
        if (!in_time) {
            status = sh_fail (error, 1222, 16, 51, "Lock request time out period exceeded.");
            break;
        }
        in_time = sh_esession_pause (session, deadline);
    }
    session->wait_type = NULL;
    session->victim = false;
    s_dequeue (request);
    return status;
}

static sh_status_t
s_take (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode, sh_owner_t owner,
        const int64_t *timeout_ms, bool keep, sh_error_t *error)
{
    sh_lock_table_t *table = &session->instance->locks;
    uint64_t hash = s_key_hash (key);
    sh_lock_t *lock = s_find (table, key, hash);
    if (!lock && !keep)
        return SH_OK;
    if (!lock)
        lock = s_make (table, key, hash);
    sh_request_t request = {.lock = lock, .session = session, .owner = owner, .mode = mode};
    request.converts = s_holds_any (lock, session);
    sh_status_t status = SH_OK;
    if (!s_can_grant (&request)) {
        int64_t timeout = timeout_ms ? *timeout_ms : session->lock_timeout_ms;
        status = s_wait (&request, timeout, error);
    }
    if (status == SH_OK && keep)
        s_grant (lock, session, owner, mode);
    s_release_if_idle (table, lock);
    return status;
}

sh_status_t
sh_lock_take (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode, sh_owner_t owner,
              const int64_t *timeout_ms, sh_error_t *error)
{
    return s_take (session, key, mode, owner, timeout_ms, true, error);
}

sh_status_t
sh_lock_pass (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode, sh_error_t *error)
{
    return s_take (session, key, mode, SH_FOR_STATEMENT, NULL, false, error);
}

bool
sh_lock_free_for (sh_esession_t *session, const sh_lock_key_t *key, unsigned mode)
{
    sh_lock_t *lock = s_find (&session->instance->locks, key, s_key_hash (key));
    if (!lock)
        return true;
    sh_request_t request = {.lock = lock, .session = session, .mode = mode};
    request.converts = s_holds_any (lock, session);
    return s_can_grant (&request);
}
