#include <string.h>
#include <stdlib.h>
#include "common/error.h"
#include "coordinator/core/record.h"

bool
bm_record_type_parse (const char *code, bm_set_type_t *type)
{
    if (code && (strcmp (code, "db") == 0 || strcmp (code, "D") == 0))
        *type = BM_SET_FULL;
    else if (code && (strcmp (code, "lg") == 0 || strcmp (code, "L") == 0))
        *type = BM_SET_LOG;
    else
        return false;
    return true;
}

/*  Every text of a backup, so that copying and freeing cannot forget one. */
#define BACKUP_TEXTS(X)                                                                            \
    X (server)                                                                                     \
    X (instance)                                                                                   \
    X (database)                                                                                   \
    X (uuid)                                                                                       \
    X (device)                                                                                     \
    X (more_devices)                                                                               \
    X (first_lsn)                                                                                  \
    X (last_lsn)                                                                                   \
    X (checkpoint_lsn)                                                                             \
    X (database_backup_lsn)                                                                        \
    X (first_fork)                                                                                 \
    X (last_fork)                                                                                  \
    X (family)                                                                                     \
    X (started)                                                                                    \
    X (finished)                                                                                   \
    X (recovery_model)                                                                             \
    X (user)                                                                                       \
    X (mark)                                                                                       \
    X (mark_lsn)

void
bm_backup_clear (bm_backup_t *self)
{
#define X(field) free (self->field);
    BACKUP_TEXTS (X)
#undef X
    memset (self, 0, sizeof *self);
}

void
bm_backup_copy (bm_backup_t *to, const bm_backup_t *from)
{
    *to = *from;
#define X(field) to->field = bm_strdup (from->field);
    BACKUP_TEXTS (X)
#undef X
}

void
bm_backups_add (bm_backups_t *self, const bm_backup_t *backup)
{
    /*  Doubled at each power of two: the capacity is known from the count. */
    if ((self->count & (self->count - 1)) == 0)
        self->items =
            bm_realloc (self->items, (self->count ? self->count * 2 : 1) * sizeof *self->items);
    bm_backup_copy (&self->items[self->count++], backup);
}

const bm_backup_t *
bm_backups_find (const bm_backups_t *self, const char *uuid)
{
    for (size_t i = 0; uuid && i < self->count; i++)
        if (self->items[i].uuid && strcmp (self->items[i].uuid, uuid) == 0)
            return &self->items[i];
    return NULL;
}

void
bm_backups_clear (bm_backups_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        bm_backup_clear (&self->items[i]);
    free (self->items);
    memset (self, 0, sizeof *self);
}

void
bm_mark_proof_clear (bm_mark_proof_t *self)
{
    free (self->mark);
    free (self->server);
    free (self->instance);
    free (self->database);
    free (self->lsn);
    free (self->mark_time);
    memset (self, 0, sizeof *self);
}

void
bm_mark_proof_copy (bm_mark_proof_t *to, const bm_mark_proof_t *from)
{
    *to = *from;
    to->mark = bm_strdup (from->mark);
    to->server = bm_strdup (from->server);
    to->instance = bm_strdup (from->instance);
    to->database = bm_strdup (from->database);
    to->lsn = bm_strdup (from->lsn);
    to->mark_time = bm_strdup (from->mark_time);
}
