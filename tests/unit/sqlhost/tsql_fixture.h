/*  tests/unit/sqlhost/tsql_fixture.h
 *  An instance in a folder of its own and clients on it, without a wire: what a client would get is
 *  written down as lines.
 *
 *      a|b|NULL      a row
 *      !2627         an error of that number
 *      #5701         an informational message of that number; #0 text: PRINT, #50000 text: RAISERROR
 *      =0            a return status      @x=5  an OUTPUT value */
#ifndef SH_TSQL_FIXTURE_H
#define SH_TSQL_FIXTURE_H

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/*  cmocka wants the four above it. */
#include <cmocka.h>

#include "tests/sqlhost/engine/engine.h"
#include "tests/sqlhost/procedures/backend.h"
#include "tests/unit/sqlhost/folder.h"

enum { FX_DEADLINE_MS = 20000, FX_OUT_SIZE = 64 * 1024 };

typedef struct {
    char directory[64];
    char data[128];
    sh_instance_t *instance;
    sh_backend_t *backend;
} fx_t;

typedef struct {
    sh_sink_t sink;
    fx_t *fx;
    void *session;
    sh_opened_t opened;
    char out[FX_OUT_SIZE];
    size_t used;
    sh_message_t last; /* the last message; its texts in the two below */
    char last_text[2048], last_procedure[300];
    size_t flushed_at; /* `used` at the last flush */
    int begun, committed, rolled_back;
    unsigned last_done;
    int64_t last_count;
    const sh_type_t *types;
    sh_type_t column_types[64];
    size_t column_count;
    pthread_t thread;
    const char *sql;
    sh_run_t run;
    bool hung_up;
    bool in_result;
} fx_client_t;

__attribute__ ((format (printf, 2, 3))) static inline void
fx_put (fx_client_t *c, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    int written = vsnprintf (c->out + c->used, sizeof c->out - c->used, format, args);
    va_end (args);
    if (written > 0 && c->used + (size_t)written < sizeof c->out)
        c->used += (size_t)written;
}

/*  ---- the sink ---- */

static inline bool
fx_columns (sh_sink_t *sink, const sh_sink_column_t *columns, size_t count)
{
    fx_client_t *c = (fx_client_t *)sink;
    assert_false (c->in_result); /* the result before must have ended */
    c->in_result = true;
    c->column_count = count;
    for (size_t i = 0; i < count && i < 64; i++)
        c->column_types[i] = columns[i].type;
    return true;
}

static inline void
fx_put_value (fx_client_t *c, const sh_value_t *value)
{
    sh_civil_t t;
    char guid[37];
    switch (value->kind) {
        case SH_NULL:
            fx_put (c, "NULL");
            break;
        case SH_INT:
            fx_put (c, "%" PRId64, value->as.integer);
            break;
        case SH_DOUBLE:
            fx_put (c, "%g", value->as.real);
            break;
        case SH_TEXT:
        case SH_DECIMAL:
            fx_put (c, "%s", value->as.text);
            break;
        case SH_BLOB:
            fx_put (c, "0x");
            for (uint32_t i = 0; i < value->size; i++)
                fx_put (c, "%02X", value->as.blob[i]);
            break;
        case SH_DATETIME:
            sh_ticks_to_civil (value->as.ticks, &t);
            fx_put (c, "%04d-%02d-%02d %02d:%02d:%02d.%03d", t.year, t.month, t.day, t.hour,
                    t.minute, t.second, (int)(t.fraction / SH_TICKS_PER_MS));
            break;
        case SH_GUID:
            sh_guid_print (value->as.guid, guid);
            fx_put (c, "%s", guid);
            break;
    }
}

static inline bool
fx_row (sh_sink_t *sink, const sh_value_t *values, size_t count)
{
    fx_client_t *c = (fx_client_t *)sink;
    for (size_t i = 0; i < count; i++) {
        fx_put (c, "%s", i ? "|" : "");
        fx_put_value (c, &values[i]);
    }
    fx_put (c, "\n");
    return true;
}

static inline bool
fx_done (sh_sink_t *sink, unsigned flags, uint16_t command, int64_t rows)
{
    fx_client_t *c = (fx_client_t *)sink;
    (void)command;
    c->last_done = flags;
    c->in_result = false;
    c->last_count = rows;
    return true;
}

static inline bool
fx_message (sh_sink_t *sink, const sh_message_t *message)
{
    fx_client_t *c = (fx_client_t *)sink;
    c->last = *message;
    snprintf (c->last_text, sizeof c->last_text, "%s", message->text);
    snprintf (c->last_procedure, sizeof c->last_procedure, "%s",
              message->procedure ? message->procedure : "");
    if (message->severity > 10)
        fx_put (c, "!%d\n", message->number);
    else if (message->number == 0 || message->number == 50000)
        fx_put (c, "#%d %s\n", message->number, message->text);
    else
        fx_put (c, "#%d\n", message->number);
    return true;
}

static inline bool
fx_return_status (sh_sink_t *sink, int32_t status)
{
    fx_put ((fx_client_t *)sink, "=%d\n", status);
    return true;
}

static inline bool
fx_return_value (sh_sink_t *sink, uint16_t ordinal, const char *name, const sh_type_t *type,
                 const sh_value_t *value)
{
    fx_client_t *c = (fx_client_t *)sink;
    (void)ordinal;
    (void)type;
    fx_put (c, "%s=", name);
    fx_put_value (c, value);
    fx_put (c, "\n");
    return true;
}

static inline bool
fx_env_name (sh_sink_t *sink, const char *now, const char *before)
{
    (void)sink;
    (void)now;
    (void)before;
    return true;
}

static inline bool
fx_env_transaction (sh_sink_t *sink, sh_tran_t what, uint64_t id)
{
    fx_client_t *c = (fx_client_t *)sink;
    assert_true (id != 0);
    if (what == SH_TRAN_BEGUN)
        c->begun++;
    else if (what == SH_TRAN_COMMITTED)
        c->committed++;
    else
        c->rolled_back++;
    return true;
}

static inline bool
fx_flush (sh_sink_t *sink)
{
    fx_client_t *c = (fx_client_t *)sink;
    c->flushed_at = c->used;
    return true;
}

static inline void
fx_hang_up (sh_sink_t *sink)
{
    __atomic_store_n (&((fx_client_t *)sink)->hung_up, true, __ATOMIC_SEQ_CST);
}

/*  ---- up, down, clients ---- */

static inline void
fx_up (fx_t *fx)
{
    sh_error_t error = {0};
    memset (fx, 0, sizeof *fx);
    snprintf (fx->directory, sizeof fx->directory, "/tmp/tsql-XXXXXX");
    assert_non_null (mkdtemp (fx->directory));
    snprintf (fx->data, sizeof fx->data, "%s/data", fx->directory);
    sh_options_t options = {.directory = fx->data, .server_name = "SQL01"};
    if (sh_instance_open (&fx->instance, &options, &error) != SH_OK)
        fail_msg ("%d %s", error.number, error.text);
    bool sysadmin = true;
    if (sh_login_create (fx->instance, "sa", "secret", true, &error) != SH_OK)
        sh_login_alter (fx->instance, "sa", "secret", NULL, &sysadmin, NULL, &error);
    fx->backend = sh_tsql_backend_new (fx->instance);
}

static inline void
fx_down (fx_t *fx)
{
    sh_tsql_backend_destroy (&fx->backend);
    sh_instance_close (&fx->instance);
    fx_remove_folder (fx->directory);
}

static inline sh_open_t
fx_open_as (fx_t *fx, fx_client_t *c, const char *user, const char *password, const char *database)
{
    memset (c, 0, sizeof *c);
    c->fx = fx;
    c->sink = (sh_sink_t){.columns = fx_columns,
                          .row = fx_row,
                          .done = fx_done,
                          .message = fx_message,
                          .return_status = fx_return_status,
                          .return_value = fx_return_value,
                          .env_database = fx_env_name,
                          .env_language = fx_env_name,
                          .env_transaction = fx_env_transaction,
                          .flush = fx_flush,
                          .hang_up = fx_hang_up};
    sh_login_t login = {.user = user,
                        .password = password,
                        .database = database,
                        .app_name = "test",
                        .host_name = "here",
                        .library = "none",
                        .language = "",
                        .server_name = "",
                        .client_address = "127.0.0.1:1"};
    return fx->backend->open (fx->backend, &login, &c->sink, &c->session, &c->opened);
}

static inline fx_client_t *
fx_client (fx_t *fx)
{
    fx_client_t *c = calloc (1, sizeof *c);
    assert_non_null (c);
    if (fx_open_as (fx, c, "sa", "secret", "") != SH_OPEN_OK)
        fail_msg ("no session: %s", c->out);
    return c;
}

static inline void
fx_leave (fx_client_t *c)
{
    if (c->session)
        c->fx->backend->close (c->session);
    free (c);
}

static inline void
fx_clear (fx_client_t *c)
{
    c->used = 0;
    c->out[0] = 0;
    c->flushed_at = 0;
    c->begun = c->committed = c->rolled_back = 0;
    c->column_count = 0;
    c->in_result = false;
    c->last = (sh_message_t){0};
}

static inline sh_run_t
fx_run (fx_client_t *c, const char *sql)
{
    fx_clear (c);
    c->fx->backend->clear_cancel (c->session);
    c->run = c->fx->backend->run_batch (c->session, sql, strlen (sql));
    return c->run;
}

/*  Runs and compares all that came. */
#define fx_expect(c, sql, lines)                                                                   \
    do {                                                                                           \
        fx_run ((c), (sql));                                                                       \
        if (strcmp ((c)->out, (lines)) != 0)                                                       \
            fail_msg ("%s\n--- wanted\n%s--- came\n%s(%s)", (sql), (lines), (c)->out,              \
                      (c)->last_text);                                                             \
    } while (0)

/*  ---- in the background ---- */

static inline void *
fx_thread (void *arg)
{
    fx_client_t *c = arg;
    c->run = c->fx->backend->run_batch (c->session, c->sql, strlen (c->sql));
    return NULL;
}

static inline void
fx_start (fx_client_t *c, const char *sql)
{
    fx_clear (c);
    c->fx->backend->clear_cancel (c->session);
    c->sql = sql;
    assert_int_equal (pthread_create (&c->thread, NULL, fx_thread, c), 0);
}

static inline void
fx_join (fx_client_t *c)
{
    struct timespec until;
    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += FX_DEADLINE_MS / 1000;
    if (pthread_timedjoin_np (c->thread, NULL, &until) != 0) {
        fprintf (stderr, "still running: %s\n", c->sql);
        abort ();
    }
}

/*  Until the client's session waits for something whose name begins so ("LCK", "WAITFOR", ...). */
static inline void
fx_until_waits (fx_client_t *c, const char *wait_type)
{
    for (int ms = 0; ms < FX_DEADLINE_MS; ms++) {
        sh_session_info_t *list = NULL;
        size_t count = sh_esession_list (c->fx->instance, &list);
        bool waits = false;
        for (size_t i = 0; i < count; i++)
            waits |= list[i].session_id == c->opened.spid &&
                     strncmp (list[i].wait_type, wait_type, strlen (wait_type)) == 0;
        free (list);
        if (waits)
            return;
        poll (NULL, 0, 1);
    }
    fail_msg ("never waited for %s: %s", wait_type, c->sql);
}

static inline int64_t
fx_now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
