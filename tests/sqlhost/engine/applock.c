/*  Application locks and the list of locks: see transaction.h. */
#include <stdio.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

static unsigned
s_mode (sh_app_mode_t mode)
{
    switch (mode) {
        case SH_APP_SHARED:
            return SH_LOCK_S;
        case SH_APP_UPDATE:
            return SH_LOCK_U;
        case SH_APP_INTENT_SHARED:
            return SH_LOCK_IS;
        case SH_APP_INTENT_EXCLUSIVE:
            return SH_LOCK_IX;
        default:
            return SH_LOCK_X;
    }
}

static sh_lock_key_t
s_key (int db_id, const char *name)
{
    sh_lock_key_t key = {.kind = SH_ON_APP, .db_id = db_id, .name = name};
    return key;
}

sh_status_t
sh_app_lock (sh_esession_t *session, int db_id, const char *name, sh_app_mode_t mode,
             bool owner_session, int64_t timeout_ms, int *result, sh_error_t *error)
{
    sh_error_t own = {0};
    sh_lock_key_t key = s_key (db_id, name);
    sh_status_t status = SH_OK;
    sh_lock_instance (session->instance);
    if (!owner_session && !session->txn)
        *result = -999;
    else {
        bool at_once = sh_lock_free_for (session, &key, s_mode (mode));
        status =
            sh_lock_take (session, &key, s_mode (mode), owner_session ? SH_FOR_SESSION : SH_FOR_TXN,
                          timeout_ms < 0 ? NULL : &timeout_ms, &own);
        if (status == SH_OK)
            *result = at_once ? 0 : 1;
        else if (status == SH_ERROR) {
            *result = own.number == 1205 ? -3 : -1;
            status = SH_OK;
        } else {
            *result = -2;
            if (error)
                *error = own;
        }
    }
    sh_unlock_instance (session->instance);
    return status;
}

sh_status_t
sh_app_unlock (sh_esession_t *session, int db_id, const char *name, bool owner_session,
               sh_error_t *error)
{
    static const unsigned strongest_first[] = {SH_LOCK_X, SH_LOCK_U, SH_LOCK_IX, SH_LOCK_S,
                                               SH_LOCK_IS};
    sh_owner_t owner = owner_session ? SH_FOR_SESSION : SH_FOR_TXN;
    sh_lock_key_t key = s_key (db_id, name);
    bool given = false;
    sh_lock_instance (session->instance);
    for (size_t i = 0; !given && i < sizeof strongest_first / sizeof strongest_first[0]; i++)
        given = sh_lock_give (session, &key, strongest_first[i], owner);
    sh_unlock_instance (session->instance);
    if (given)
        return SH_OK;
    return sh_fail (error, 1223, 16, 1,
                    "Cannot release the application lock (Database Principal: 'public', Resource: "
                    "'%s') because it is not currently held.",
                    name);
}

const char *
sh_app_lock_mode (sh_esession_t *session, int db_id, const char *name, bool owner_session)
{
    sh_lock_key_t key = s_key (db_id, name);
    sh_lock_instance (session->instance);
    unsigned modes = sh_lock_held (session, &key, owner_session ? SH_FOR_SESSION : SH_FOR_TXN);
    sh_unlock_instance (session->instance);
    if (modes & SH_LOCK_X)
        return "Exclusive";
    if ((modes & SH_LOCK_IX) && (modes & SH_LOCK_S))
        return "SharedIntentExclusive";
    if ((modes & SH_LOCK_IX) && (modes & SH_LOCK_U))
        return "UpdateIntentExclusive";
    if (modes & SH_LOCK_IX)
        return "IntentExclusive";
    if (modes & SH_LOCK_U)
        return "Update";
    if (modes & SH_LOCK_S)
        return "Shared";
    return modes & SH_LOCK_IS ? "IntentShared" : "NoLock";
}

bool
sh_app_lock_test (sh_esession_t *session, int db_id, const char *name, sh_app_mode_t mode,
                  bool owner_session)
{
    (void)owner_session; /* an owner's own locks never conflict, whichever owner it is */
    sh_lock_key_t key = s_key (db_id, name);
    sh_lock_instance (session->instance);
    bool free = sh_lock_free_for (session, &key, s_mode (mode));
    sh_unlock_instance (session->instance);
    return free;
}

/*  ---- the list of locks ---- */

static const char *
s_type_name (sh_resource_t kind)
{
    switch (kind) {
        case SH_ON_DATABASE:
        case SH_ON_BACKUP:
            return "DATABASE";
        case SH_ON_NAME:
            return "METADATA";
        case SH_ON_OBJECT:
            return "OBJECT";
        case SH_ON_ROW:
            return "RID";
        case SH_ON_APP:
            return "APPLICATION";
    }
    return "?";
}

static void
s_describe_key (const sh_lock_key_t *key, sh_lock_info_t *out)
{
    out->db_id = key->db_id;
    out->object_id = key->object_id;
    sh_copy (out->resource_type, sizeof out->resource_type, s_type_name (key->kind));
    if (key->kind == SH_ON_APP) {
        unsigned hash = 0;
        for (const char *p = key->name; *p; p++)
            hash = hash * 31 + (unsigned char)*p;
        snprintf (out->resource, sizeof out->resource, "0:[%.32s]:(%08x)", key->name, hash);
    } else if (key->kind == SH_ON_ROW)
        snprintf (out->resource, sizeof out->resource, "1:%d:%lld", key->object_id,
                  (long long)key->rid);
    else if (key->kind == SH_ON_NAME)
        sh_copy (out->resource, sizeof out->resource, key->name);
    else if (key->kind == SH_ON_BACKUP)
        sh_copy (out->resource, sizeof out->resource,
                 key->object_id ? "[BULKOP_BACKUP_LOG]" : "[BULKOP_BACKUP_DB]");
}

typedef struct {
    sh_lock_info_t *items;
    size_t count, capacity;
} s_list_t;

static void
s_add (s_list_t *list, const sh_lock_key_t *key, const sh_esession_t *session, unsigned modes,
       sh_owner_t owner, bool waiting)
{
    list->items = sh_grow (list->items, list->count, &list->capacity, sizeof *list->items);
    sh_lock_info_t *info = &list->items[list->count++];
    memset (info, 0, sizeof *info);
    s_describe_key (key, info);
    info->session_id = session->id;
    info->transaction_id = session->txn ? session->txn->id : 0;
    if (session->txn && session->txn->branch && owner == SH_FOR_TXN)
        memcpy (info->uow, session->txn->branch->uow, sizeof info->uow);
    info->waiting = waiting;
    sh_copy (info->mode, sizeof info->mode, sh_lock_mode_name (modes));
    sh_copy (info->owner_type, sizeof info->owner_type,
             owner == SH_FOR_SESSION || key->kind == SH_ON_DATABASE ? "SESSION" : "TRANSACTION");
}

size_t
sh_lock_list (sh_instance_t *instance, sh_lock_info_t **out)
{
    s_list_t list = {0};
    sh_lock_instance (instance);
    for (size_t i = 0; i < instance->locks.bucket_count; i++)
        for (const sh_lock_t *lock = instance->locks.buckets[i]; lock; lock = lock->next) {
            for (const sh_grant_t *g = lock->grants; g; g = g->next_of_lock)
                s_add (&list, &lock->key, g->session, g->modes, g->owner, false);
            for (const sh_request_t *r = lock->waiters; r; r = r->next)
                s_add (&list, &lock->key, r->session, r->mode, r->owner, true);
        }
    sh_unlock_instance (instance);
    *out = list.items;
    return list.count;
}
