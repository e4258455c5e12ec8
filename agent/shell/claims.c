#include "agent/shell/claims.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/path.h"
#include "common/error.h"
#include "common/limits.h"
#include "common/names.h"

/*  Of one instance. */
typedef struct s_holder {
    char *instance;
    uint64_t run;
    char **folders, **names;
    size_t count;
} s_holder_t;

struct bm_claims {
    pthread_mutex_t mutex;
    s_holder_t holders[BM_LIMIT_AGENT_INSTANCES];
    size_t count;
};

bm_claims_t *
bm_claims_new (void)
{
    bm_claims_t *self = bm_alloc (sizeof *self);
    pthread_mutex_init (&self->mutex, NULL);
    return self;
}

static void
s_drop (s_holder_t *holder)
{
    for (size_t i = 0; i < holder->count; i++) {
        free (holder->folders[i]);
        free (holder->names[i]);
    }
    free (holder->folders);
    free (holder->names);
    holder->folders = holder->names = NULL;
    holder->count = 0;
}

void
bm_claims_destroy (bm_claims_t **self_p)
{
    bm_claims_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        s_drop (&self->holders[i]);
        free (self->holders[i].instance);
    }
    pthread_mutex_destroy (&self->mutex);
    free (self);
    *self_p = NULL;
}

static s_holder_t *
s_holder (bm_claims_t *self, const char *instance)
{
    for (size_t i = 0; i < self->count; i++)
        if (bm_names_equal (self->holders[i].instance, instance))
            return &self->holders[i];
    bm_require (self->count < BM_LIMIT_AGENT_INSTANCES);
    s_holder_t *holder = &self->holders[self->count++];
    holder->instance = bm_strdup (instance);
    return holder;
}

static bool
s_holds (const s_holder_t *holder, const char *folder, const char *name)
{
    for (size_t i = 0; i < holder->count; i++) {
        bool same = bm_path_is_windows (folder) ? strcasecmp (holder->folders[i], folder) == 0
                                                : strcmp (holder->folders[i], folder) == 0;
        if (same && bm_names_equal (holder->names[i], name))
            return true;
    }
    return false;
}

void
bm_claims_take (bm_claims_t *self, const bm_claim_t *claim, char **rivals)
{
    pthread_mutex_lock (&self->mutex);
    s_holder_t *mine = s_holder (self, claim->instance);
    s_drop (mine);
    mine->run = claim->run;
    mine->folders = bm_alloc ((claim->count + 1) * sizeof *mine->folders);
    mine->names = bm_alloc ((claim->count + 1) * sizeof *mine->names);
    for (size_t i = 0; i < claim->count; i++) {
        rivals[i] = NULL;
        if (!claim->folders[i])
            continue;
        for (size_t k = 0; k < self->count && !rivals[i]; k++)
            if (&self->holders[k] != mine && self->holders[k].run == claim->run &&
                s_holds (&self->holders[k], claim->folders[i], claim->names[i]))
                rivals[i] = bm_strdup (self->holders[k].instance);
        mine->folders[mine->count] = bm_strdup (claim->folders[i]);
        mine->names[mine->count++] = bm_strdup (claim->names[i]);
    }
    pthread_mutex_unlock (&self->mutex);
}
