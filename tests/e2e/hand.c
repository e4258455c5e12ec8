/*  tests/e2e/hand.c: see hand.h. */
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "agent/shell/mark.h"
#include "tests/e2e/hand.h"

enum { VERSION = 15, MARK_LEASE_MS = 60000 };

struct bm_hand_fence {
    bm_sql_t *sql;
    bm_fence_terms_t terms;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool taken, ended;
    int64_t transaction_id;
    bm_fence_end_t end;
    bm_error_t error;
};

static void
s_on_taken (void *argument, int64_t transaction_id)
{
    bm_hand_fence_t *self = argument;
    pthread_mutex_lock (&self->mutex);
    self->taken = true;
    self->transaction_id = transaction_id;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->mutex);
}

static void *
s_hold (void *argument)
{
    bm_hand_fence_t *self = argument;
    bm_fence_end_t end = bm_fence_hold (self->sql, &self->terms, NULL, &self->error);
    pthread_mutex_lock (&self->mutex);
    self->end = end;
    self->ended = true;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->mutex);
    return NULL;
}

bm_hand_fence_t *
bm_hand_fence_take (bm_cluster_t *cluster, size_t host, const char *database, int64_t lease_ms)
{
    bm_hand_fence_t *self = bm_alloc (sizeof *self);
    self->sql = bm_cluster_sql (cluster, host, NULL);
    self->terms = (bm_fence_terms_t){.database = database,
                                     .lease_ms = lease_ms,
                                     .version = VERSION,
                                     .on_taken = s_on_taken,
                                     .argument = self};
    pthread_mutex_init (&self->mutex, NULL);
    pthread_cond_init (&self->changed, NULL);
    bm_require (pthread_create (&self->thread, NULL, s_hold, self) == 0);
    pthread_mutex_lock (&self->mutex);
    while (!self->taken && !self->ended)
        pthread_cond_wait (&self->changed, &self->mutex);
    bool taken = self->taken;
    pthread_mutex_unlock (&self->mutex);
    if (!taken)
        fail_msg ("the fence of %s was not taken: %s", database, self->error.text);
    return self;
}

void
bm_hand_fence_wait_end (bm_hand_fence_t *self)
{
    pthread_mutex_lock (&self->mutex);
    while (!self->ended)
        pthread_cond_wait (&self->changed, &self->mutex);
    pthread_mutex_unlock (&self->mutex);
}

int64_t
bm_hand_fence_transaction (const bm_hand_fence_t *self)
{
    return self->transaction_id;
}

bm_fence_end_t
bm_hand_fence_release (bm_hand_fence_t **self_p)
{
    bm_hand_fence_t *self = *self_p;
    bm_sql_interrupt (self->sql);
    pthread_join (self->thread, NULL);
    bm_fence_end_t end = self->end;
    bm_sql_close (&self->sql);
    pthread_cond_destroy (&self->changed);
    pthread_mutex_destroy (&self->mutex);
    free (self);
    *self_p = NULL;
    return end;
}

struct bm_hand_mark {
    bm_sql_t *sql;
    int64_t transaction_id;
};

bm_hand_mark_t *
bm_hand_mark_open (bm_cluster_t *cluster, size_t host, const char *mark,
                   const char *const *databases)
{
    bm_hand_mark_t *self = bm_alloc (sizeof *self);
    self->sql = bm_cluster_sql (cluster, host, NULL);
    char *names[16];
    bm_mark_terms_t terms = {
        .mark = mark, .databases = names, .lease_ms = MARK_LEASE_MS, .version = VERSION};
    for (; databases[terms.count]; terms.count++)
        names[terms.count] = bm_strdup (databases[terms.count]);
    bm_error_t error = {0};
    bm_status_t status = bm_mark_open (self->sql, &terms, &self->transaction_id, NULL, &error);
    for (size_t i = 0; i < terms.count; i++)
        free (names[i]);
    if (status != BM_OK)
        fail_msg ("%s", error.text);
    return self;
}

void
bm_hand_mark_exec (bm_hand_mark_t *self, const char *batch)
{
    bm_error_t error = {0};
    if (bm_sql_exec (self->sql, batch, NULL, &error) != BM_OK)
        fail_msg ("%s\n%s", error.text, batch);
}

void
bm_hand_mark_commit (bm_hand_mark_t **self_p)
{
    bm_hand_mark_t *self = *self_p;
    bm_error_t error = {0};
    bm_mark_commit_terms_t terms = {.transaction_id = self->transaction_id, .version = VERSION};
    bm_sample_t unread;
    bm_committed_t committed = bm_mark_commit (self->sql, &terms, NULL, &unread, &error);
    if (committed != BM_COMMITTED_DONE)
        fail_msg ("the mark was not committed: %s", error.text);
    bm_sql_close (&self->sql);
    free (self);
    *self_p = NULL;
}
