#include "agent/shell/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct s_letter {
    bm_mailbox_fn *function;
    void *argument;
    struct s_letter *next;
} s_letter_t;

struct bm_mailbox {
    pthread_mutex_t mutex;
    s_letter_t *first, **last_p;
    int fd;
};

bm_mailbox_t *
bm_mailbox_new (bm_error_t *error)
{
    bm_mailbox_t *self = bm_alloc (sizeof *self);
    self->fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->fd < 0) {
        bm_fail (error, BM_IO, "eventfd: %s", strerror (errno));
        free (self);
        return NULL;
    }
    pthread_mutex_init (&self->mutex, NULL);
    self->last_p = &self->first;
    return self;
}

void
bm_mailbox_destroy (bm_mailbox_t **self_p)
{
    bm_mailbox_t *self = *self_p;
    if (!self)
        return;
    bm_mailbox_drain (self);
    close (self->fd);
    pthread_mutex_destroy (&self->mutex);
    free (self);
    *self_p = NULL;
}

void
bm_mailbox_post (bm_mailbox_t *self, bm_mailbox_fn *function, void *argument)
{
    s_letter_t *letter = bm_alloc (sizeof *letter);
    letter->function = function;
    letter->argument = argument;
    pthread_mutex_lock (&self->mutex);
    *self->last_p = letter;
    self->last_p = &letter->next;
    /*  Within the lock: once the reader has taken this letter, nobody touches the mailbox on its behalf any more. */
    uint64_t one = 1;
    ssize_t written = write (self->fd, &one, sizeof one);
    pthread_mutex_unlock (&self->mutex);
    bm_require (written == (ssize_t)sizeof one);
}

int
bm_mailbox_fd (const bm_mailbox_t *self)
{
    return self->fd;
}

static s_letter_t *
s_take (bm_mailbox_t *self)
{
    pthread_mutex_lock (&self->mutex);
    s_letter_t *letter = self->first;
    if (letter) {
        self->first = letter->next;
        if (!self->first)
            self->last_p = &self->first;
    } else {
        uint64_t count;
        bm_require (read (self->fd, &count, sizeof count) >= 0 || errno == EAGAIN);
    }
    pthread_mutex_unlock (&self->mutex);
    return letter;
}

void
bm_mailbox_drain (bm_mailbox_t *self)
{
    for (s_letter_t *letter = s_take (self); letter; letter = s_take (self)) {
        letter->function (letter->argument);
        free (letter);
    }
}
