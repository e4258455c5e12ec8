/*  tests/e2e/clients/stand.h
 *  One sqlhost with a certificate of an authority made for it, for the tests with clients that others wrote. */
#ifndef BM_CLIENTS_STAND_H
#define BM_CLIENTS_STAND_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/error.h"
#include "tests/e2e/cluster.h"
#include "tests/sqlhost/tds/identity.h"

#define STAND_PASSWORD "Stand#Secret-1"
#define STAND_RUN_MS   120000

typedef struct {
    char *folder;
    bm_process_t *server;
    char port[8];
    char *files[16]; /* names that were given out */
    size_t file_count;
} stand_t;

static inline const char *
stand_path (stand_t *self, const char *name)
{
    char *path = bm_format ("%s/%s", self->folder, name);
    for (size_t i = 0; i < self->file_count; i++)
        if (strcmp (self->files[i], path) == 0) {
            free (path);
            return self->files[i];
        }
    bm_require (self->file_count < sizeof self->files / sizeof self->files[0]);
    self->files[self->file_count] = path;
    return self->files[self->file_count++];
}

static inline const char *
stand_write (stand_t *self, const char *name, const char *text)
{
    const char *path = stand_path (self, name);
    FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
    assert_int_equal (fclose (file), 0);
    return path;
}

static inline void
stand_certify (stand_t *self)
{
    static const char *const names[] = {"localhost", "127.0.0.1", NULL};
    sh_identity_order_t order = {.common_name = "authority of a test",
                                 .begins_s = -3600,
                                 .ends_s = 24 * 3600,
                                 .authority = true,
                                 .elliptic = true};
    sh_identity_t *authority = sh_identity_new (&order, NULL);
    order.common_name = "sqlhost";
    order.names = names;
    order.authority = false;
    sh_identity_t *server = sh_identity_new (&order, authority);
    assert_true (authority && server);
    assert_true (sh_identity_write (authority, stand_path (self, "ca.pem"), NULL));
    assert_true (sh_identity_write (server, stand_path (self, "server.pem"),
                                    stand_path (self, "server.key")));
    sh_identity_destroy (&authority);
    sh_identity_destroy (&server);
}

static inline stand_t *
stand_new (void)
{
    stand_t *self = bm_alloc (sizeof *self);
    self->folder = bm_strdup ("/tmp/btsmark-clients-XXXXXX");
    assert_non_null (mkdtemp (self->folder));
    stand_certify (self);
    const char *password = stand_write (self, "sa.password", STAND_PASSWORD "\n");
    char *program = bm_format ("%s/sqlhost", getenv ("BTSMARK_BUILD"));
    char *data = bm_format ("%s/data", self->folder);
    const char *arguments[] = {program,
                               "--name",
                               "SQL01",
                               "--data",
                               data,
                               "--listen",
                               "127.0.0.1:0",
                               "--sa-password-file",
                               password,
                               "--tls-certificate",
                               stand_path (self, "server.pem"),
                               "--tls-key",
                               stand_path (self, "server.key"),
                               "--ready-fd",
                               "1",
                               NULL};
    self->server = bm_process_spawn (arguments);
    bm_process_wait_text (self->server, " serves at 127.0.0.1:", 60000);
    bm_process_wait_text (self->server, ", data in ", 60000);
    const char *at = strstr (bm_process_err (self->server), " serves at 127.0.0.1:");
    at += strlen (" serves at 127.0.0.1:");
    snprintf (self->port, sizeof self->port, "%.*s", (int)strspn (at, "0123456789"), at);
    free (program);
    free (data);
    return self;
}

/*  Ends the server, which must end well and have nothing to complain about. */
static inline void
stand_destroy (stand_t **self_p)
{
    stand_t *self = *self_p;
    bm_ran_t ran = {0};
    *self_p = NULL;
    if (!self)
        return;
    bm_process_signal (self->server, SIGTERM);
    assert_int_equal (bm_process_wait_end (self->server, &ran, 60000), 0);
    assert_null (strstr (ran.err, STAND_PASSWORD));
    assert_null (strstr (ran.err, " error "));
    bm_process_destroy (&self->server);
    bm_process_t *remove =
        bm_process_spawn ((const char *[]){"/bin/rm", "-rf", self->folder, NULL});
    assert_int_equal (bm_process_wait_end (remove, &ran, 60000), 0);
    bm_process_destroy (&remove);
    bm_ran_clear (&ran);
    for (size_t i = 0; i < self->file_count; i++)
        free (self->files[i]);
    free (self->folder);
    free (self);
}

/*  A client with these arguments (the first found in PATH), to its end. Frees what *ran held before. */
static inline int
stand_run (bm_ran_t *ran, const char *const *arguments)
{
    const char *argv[32] = {"/usr/bin/env"};
    size_t count = 1;
    for (; *arguments; arguments++) {
        bm_require (count < 31);
        argv[count++] = *arguments;
    }
    bm_process_t *client = bm_process_spawn (argv);
    int code = bm_process_wait_end (client, ran, STAND_RUN_MS);
    bm_process_destroy (&client);
    return code;
}

#endif
