/*  coordinator/shell/stop.c */
#include "coordinator/shell/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct bm_stop {
    int fd;
    bool requested;
};

bm_stop_t *
bm_stop_new (bm_error_t *error)
{
    sigset_t signals;
    sigemptyset (&signals);
    sigaddset (&signals, SIGTERM);
    sigaddset (&signals, SIGINT);
    bm_stop_t *self = bm_alloc (sizeof *self);
    self->fd = -1;
    if (sigprocmask (SIG_BLOCK, &signals, NULL) == 0)
        self->fd = signalfd (-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (self->fd < 0) {
        bm_fail (error, BM_BUG, "cannot wait for signals: %s", strerror (errno));
        bm_stop_destroy (&self);
    }
    return self;
}

void
bm_stop_destroy (bm_stop_t **self_p)
{
    bm_stop_t *self = *self_p;
    if (!self)
        return;
    if (self->fd >= 0)
        close (self->fd);
    free (self);
    *self_p = NULL;
}

int
bm_stop_fd (const bm_stop_t *self)
{
    /*  Once asked for, it is known: a descriptor that stays readable would wake every wait. */
    return self && !self->requested ? self->fd : -1;
}

bool
bm_stop_requested (bm_stop_t *self)
{
    struct signalfd_siginfo info;
    if (!self)
        return false;
    while (read (self->fd, &info, sizeof info) == (ssize_t)sizeof info)
        self->requested = true;
    return self->requested;
}
