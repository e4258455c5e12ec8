#include "agent/shell/operation.h"

#include <stdio.h>
#include <string.h>

/*  Two lists: running ones in order of arrival, answered ones in order of their answer. */
struct bm_operations {
    zhashx_t *index; /* id -> operation */
    zlistx_t *running;
    zlistx_t *answered;
    size_t bytes;
};

static void
s_destroy (bm_operation_t **self_p)
{
    bm_operation_t *self = *self_p;
    if (!self)
        return;
    if (self->order)
        btsmark__envelope__free_unpacked (self->order, NULL);
    zframe_destroy (&self->asker);
    free (self->answer);
    free (self);
    *self_p = NULL;
}

static size_t
s_hash (const void *key)
{
    return (size_t)(*(const uint64_t *)key * UINT64_C (0x9E3779B97F4A7C15) >> 16);
}

static int
s_compare (const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left == right ? 0 : left < right ? -1 : 1;
}

bm_operations_t *
bm_operations_new (void)
{
    bm_operations_t *self = bm_alloc (sizeof *self);
    self->index = zhashx_new ();
    /*  The key is the id inside the operation, which lives as long as its entry. */
    zhashx_set_key_duplicator (self->index, NULL);
    zhashx_set_key_destructor (self->index, NULL);
    zhashx_set_key_hasher (self->index, s_hash);
    zhashx_set_key_comparator (self->index, s_compare);
    self->running = zlistx_new ();
    self->answered = zlistx_new ();
    return self;
}

void
bm_operations_destroy (bm_operations_t **self_p)
{
    bm_operations_t *self = *self_p;
    if (!self)
        return;
    zhashx_destroy (&self->index);
    zlistx_t *lists[] = {self->running, self->answered};
    for (size_t i = 0; i < 2; i++) {
        for (bm_operation_t *one = zlistx_first (lists[i]); one; one = zlistx_next (lists[i])) {
            bm_operation_t *gone = one;
            s_destroy (&gone);
        }
        zlistx_destroy (&lists[i]);
    }
    free (self);
    *self_p = NULL;
}

bm_operation_t *
bm_operations_add (bm_operations_t *self, const bm_allow_t *allow, Btsmark__Envelope **order_p,
                   zframe_t **asker_p, int64_t now_ms)
{
    bm_operations_trim (self, now_ms);
    if (zhashx_size (self->index) >= BM_OPERATIONS_MAX)
        return NULL;
    bm_operation_t *one = bm_alloc (sizeof *one);
    one->id = (*order_p)->operation_id;
    one->allow = allow;
    one->order = *order_p;
    one->asker = *asker_p;
    one->kind = one->order->body_case;
    one->began_ms = one->changed_ms = one->beat_ms = now_ms;
    one->percent = -1;
    one->total_bytes = one->remaining_ms = -1;
    if (zhashx_insert (self->index, &one->id, one) != 0) {
        free (one); /* the same id under another key */
        return NULL;
    }
    *order_p = NULL;
    *asker_p = NULL;
    zlistx_add_end (self->running, one);
    return one;
}

bm_operation_t *
bm_operations_find (bm_operations_t *self, const bm_allow_t *allow, uint64_t id)
{
    bm_operation_t *one = bm_operations_by_id (self, id);
    return one && one->allow == allow ? one : NULL;
}

bm_operation_t *
bm_operations_by_id (bm_operations_t *self, uint64_t id)
{
    return zhashx_lookup (self->index, &id);
}

static void
s_drop_order (bm_operation_t *operation)
{
    if (operation->answer && operation->pins == 0 && operation->order) {
        btsmark__envelope__free_unpacked (operation->order, NULL);
        operation->order = NULL;
    }
}

void
bm_operations_answered (bm_operations_t *self, bm_operation_t *operation, uint8_t *answer,
                        size_t size, int64_t now_ms)
{
    bm_require (!operation->answer);
    operation->answer = answer;
    operation->answer_size = size;
    operation->answered_ms = now_ms;
    self->bytes += size;
    zlistx_detach (self->running, zlistx_find (self->running, operation));
    zlistx_add_end (self->answered, operation);
    s_drop_order (operation);
}

void
bm_operation_pin (bm_operation_t *operation)
{
    operation->pins++;
}

void
bm_operation_unpin (bm_operation_t *operation)
{
    bm_require (operation->pins > 0);
    operation->pins--;
    s_drop_order (operation);
}

void
bm_operation_step (bm_operation_t *operation, const char *step, double percent, int64_t now_ms)
{
    bool same_percent = !(percent > operation->percent) && !(percent < operation->percent);
    if (strcmp (operation->step, step) == 0 && same_percent)
        return;
    snprintf (operation->step, sizeof operation->step, "%s", step);
    operation->percent = percent;
    operation->changed_ms = now_ms;
}

size_t
bm_operations_running (const bm_operations_t *self)
{
    return zlistx_size (self->running);
}

bm_operation_t **
bm_operations_list_running (const bm_operations_t *self)
{
    bm_operation_t **list = bm_alloc ((zlistx_size (self->running) + 1) * sizeof *list);
    size_t count = 0;
    for (bm_operation_t *one = zlistx_first (self->running); one; one = zlistx_next (self->running))
        list[count++] = one;
    return list;
}

void
bm_operations_trim (bm_operations_t *self, int64_t now_ms)
{
    bm_operation_t *oldest = zlistx_first (self->answered);
    while (oldest) {
        bool old = now_ms - oldest->answered_ms > BM_OPERATIONS_KEEP_MS;
        bool crowded =
            self->bytes > BM_OPERATIONS_BYTES || zhashx_size (self->index) >= BM_OPERATIONS_MAX;
        if ((!old && !crowded) || oldest->pins > 0)
            return;
        zlistx_detach (self->answered, NULL);
        self->bytes -= oldest->answer_size;
        zhashx_delete (self->index, &oldest->id);
        s_destroy (&oldest);
        oldest = zlistx_first (self->answered);
    }
}
