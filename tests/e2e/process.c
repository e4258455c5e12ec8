/*  tests/e2e/process.c: a program in the background, its streams read without blocking the test for longer than a deadline. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/clock.h"
#include "tests/e2e/cluster.h"

extern char **environ;

typedef struct s_text {
    char *data;
    size_t size;
} s_text_t;

struct bm_process {
    pid_t pid;
    int out, err; /* -1 after their end */
    s_text_t out_text, err_text;
    bool ended;
    int status;
    long peak_kib;
};

static void
s_append (s_text_t *self, const char *data, size_t size)
{
    self->data = bm_realloc (self->data, self->size + size + 1);
    memcpy (self->data + self->size, data, size);
    self->size += size;
    self->data[self->size] = '\0';
}

bm_process_t *
bm_process_spawn (const char *const *arguments)
{
    int out[2], err[2];
    if (pipe2 (out, O_CLOEXEC) != 0 || pipe2 (err, O_CLOEXEC) != 0)
        fail_msg ("pipe: %s", strerror (errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_addopen (&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2 (&actions, out[1], 1);
    posix_spawn_file_actions_adddup2 (&actions, err[1], 2);
    bm_process_t *self = bm_alloc (sizeof *self);
    /*  posix_spawn's argv is not const for historical reasons; it is not written to. */
    char **argv = bm_alloc (sizeof (char *) * 64);
    size_t count = 0;
    for (; count < 63 && arguments[count]; count++)
        argv[count] = bm_strdup (arguments[count]);
    int rc = posix_spawn (&self->pid, argv[0], &actions, NULL, argv, environ);
    for (size_t i = 0; i < count; i++)
        free (argv[i]);
    free (argv);
    posix_spawn_file_actions_destroy (&actions);
    close (out[1]);
    close (err[1]);
    if (rc != 0)
        fail_msg ("%s cannot be started: %s", arguments[0], strerror (rc));
    self->out = out[0];
    self->err = err[0];
    s_append (&self->out_text, "", 0);
    s_append (&self->err_text, "", 0);
    return self;
}

pid_t
bm_process_id (const bm_process_t *self)
{
    return self->pid;
}

static void
s_read (int *fd, s_text_t *text)
{
    char buffer[65536];
    ssize_t size = read (*fd, buffer, sizeof buffer);
    if (size > 0) {
        s_append (text, buffer, (size_t)size);
        return;
    }
    if (size < 0 && errno == EINTR)
        return;
    close (*fd);
    *fd = -1;
}

/*  Reads what comes until `deadline` (monotonic); false when both streams have ended or the time is over. */
static bool
s_pump (bm_process_t *self, int64_t deadline)
{
    if (self->out < 0 && self->err < 0)
        return false;
    struct pollfd fds[2] = {{.fd = self->out, .events = POLLIN},
                            {.fd = self->err, .events = POLLIN}};
    int64_t left = deadline - bm_clock_mono_ms ();
    if (left <= 0)
        return false;
    int rc = poll (fds, 2, (int)left);
    if (rc == 0)
        return false;
    if (fds[0].revents)
        s_read (&self->out, &self->out_text);
    if (fds[1].revents)
        s_read (&self->err, &self->err_text);
    return true;
}

void
bm_process_wait_text (bm_process_t *self, const char *text, int64_t deadline_ms)
{
    int64_t deadline = bm_clock_mono_ms () + deadline_ms;
    while (!strstr (self->err_text.data, text))
        if (!s_pump (self, deadline))
            fail_msg ("\"%s\" did not come in %lld ms; stderr so far:\n%s\nstdout:\n%s", text,
                      (long long)deadline_ms, self->err_text.data, self->out_text.data);
}

const char *
bm_process_err (const bm_process_t *self)
{
    return self->err_text.data;
}

static void
s_reap (bm_process_t *self)
{
    if (self->ended)
        return;
    struct rusage usage = {0};
    while (wait4 (self->pid, &self->status, 0, &usage) < 0 && errno == EINTR)
        ;
    self->peak_kib = usage.ru_maxrss;
    self->ended = true;
}

int
bm_process_wait_end (bm_process_t *self, bm_ran_t *ran, int64_t deadline_ms)
{
    int64_t deadline = bm_clock_mono_ms () + deadline_ms;
    while (s_pump (self, deadline))
        ;
    if (self->out >= 0 || self->err >= 0) {
        kill (self->pid, SIGKILL);
        s_reap (self);
        fail_msg ("process %d did not end in %lld ms and was killed; stderr:\n%s\nstdout:\n%s",
                  (int)self->pid, (long long)deadline_ms, self->err_text.data, self->out_text.data);
    }
    s_reap (self);
    if (bm_sanitizer_reported (self->err_text.data)) {
        fprintf (stderr, "%s\n", self->err_text.data); /* cmocka cuts long texts */
        fail_msg ("a sanitizer's report of process %d", (int)self->pid);
    }
    int code = WIFEXITED (self->status) ? WEXITSTATUS (self->status) : -1;
    if (ran) {
        bm_ran_clear (ran);
        ran->exit_code = code;
        ran->peak_kib = self->peak_kib;
        ran->signal = WIFSIGNALED (self->status) ? WTERMSIG (self->status) : 0;
        ran->out = bm_strdup (self->out_text.data);
        ran->err = bm_strdup (self->err_text.data);
        ran->json = json_loads (ran->out, 0, NULL);
    }
    return code;
}

void
bm_process_signal (bm_process_t *self, int signal)
{
    if (!self->ended)
        kill (self->pid, signal);
}

void
bm_process_destroy (bm_process_t **self_p)
{
    bm_process_t *self = *self_p;
    if (!self)
        return;
    if (!self->ended) {
        kill (self->pid, SIGKILL);
        s_reap (self);
    }
    if (self->out >= 0)
        close (self->out);
    if (self->err >= 0)
        close (self->err);
    free (self->out_text.data);
    free (self->err_text.data);
    free (self);
    *self_p = NULL;
}

void
bm_ran_clear (bm_ran_t *ran)
{
    free (ran->out);
    free (ran->err);
    json_decref (ran->json);
    memset (ran, 0, sizeof *ran);
}
