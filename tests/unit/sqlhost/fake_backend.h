/*  tests/unit/sqlhost/fake_backend.h
 *  A scripted backend for the tests of the wire: the batch's text names what it answers. It has no
 *  state but the counters that the tests wait for. */
#ifndef SH_FAKE_BACKEND_H
#define SH_FAKE_BACKEND_H

#include "tests/sqlhost/tds/session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    sh_backend_t base;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int open;      /* sessions */
    int waiting;   /* runs that block */
    int released;  /* "meet" goes on when so many wait */
    int cancelled; /* runs that ended because of cancel */
    int cleared;
    int resets;
    sh_cancel_t why;
    char login[512]; /* the last login, as "user|database|app|host|library|language|pid" */
    char text[256];  /* the last batch */
    size_t size;
    sh_sink_t *sink; /* of the session that opened last */
    uint32_t version;
    bool encrypted; /* the last login */
} sh_fake_t;

typedef struct {
    sh_fake_t *fake;
    sh_sink_t *sink;
    bool cancel; /* under fake->lock */
} sh_fake_session_t;

static inline bool
fake_wait (sh_fake_t *fake, const int *what, int least)
{
    struct timespec until;
    bool reached = true;

    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock (&fake->lock);
    while (*what < least && reached)
        reached = pthread_cond_timedwait (&fake->changed, &fake->lock, &until) == 0;
    pthread_mutex_unlock (&fake->lock);
    return reached;
}

/*  For counters that must fall to 0. */
static inline bool
fake_wait_closed (sh_fake_t *fake)
{
    struct timespec until;
    bool reached = true;

    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock (&fake->lock);
    while (fake->open > 0 && reached)
        reached = pthread_cond_timedwait (&fake->changed, &fake->lock, &until) == 0;
    pthread_mutex_unlock (&fake->lock);
    return reached;
}

static inline void
fake_say (sh_sink_t *sink, int32_t number, uint8_t severity, const char *text)
{
    sh_message_t message = {.number = number,
                            .state = 7,
                            .severity = severity,
                            .procedure = "dbo.p_\xC3\xA9t\xC3\xA9",
                            .line = 42,
                            .text = text};
    sink->message (sink, &message);
}

static inline sh_open_t
fake_open (sh_backend_t *backend, const sh_login_t *login, sh_sink_t *sink, void **session,
           sh_opened_t *opened)
{
    sh_fake_t *fake = (sh_fake_t *)backend;

    pthread_mutex_lock (&fake->lock);
    fake->sink = sink;
    fake->version = login->tds_version;
    fake->encrypted = login->encrypted;
    snprintf (fake->login, sizeof fake->login, "%s|%s|%s|%s|%s|%s|%u", login->user, login->database,
              login->app_name, login->host_name, login->library, login->language,
              login->client_pid);
    pthread_mutex_unlock (&fake->lock);
    if (strcmp (login->user, "drop") == 0)
        return SH_OPEN_DROP;
    if (strcmp (login->password, "p\xC3\xA4ss\xE2\x82\xACword") != 0) {
        sh_message_t message = {.number = 18456,
                                .state = 1,
                                .severity = 14,
                                .line = 1,
                                .text = "Login failed for user 'sa'."};
        sink->message (sink, &message);
        return SH_OPEN_REFUSED;
    }
    sh_fake_session_t *made = calloc (1, sizeof *made);
    made->fake = fake;
    made->sink = sink;
    *session = made;
    *opened = (sh_opened_t){.database = "BizTalkMgmtDb", .language = "us_english", .spid = 51};
    pthread_mutex_lock (&fake->lock);
    fake->open++;
    pthread_cond_broadcast (&fake->changed);
    pthread_mutex_unlock (&fake->lock);
    return SH_OPEN_OK;
}

/*  Blocks until cancel, or until `least` runs block. */
static inline sh_run_t
fake_block (sh_fake_session_t *self, int least)
{
    sh_fake_t *fake = self->fake;
    sh_run_t result = SH_RUN_DONE;

    pthread_mutex_lock (&fake->lock);
    fake->waiting++;
    pthread_cond_broadcast (&fake->changed);
    while (!self->cancel && fake->waiting < least && fake->released < least)
        pthread_cond_wait (&fake->changed, &fake->lock);
    if (fake->released < least)
        fake->released = fake->waiting;
    fake->waiting--;
    if (self->cancel) {
        fake->cancelled++;
        result = SH_RUN_CANCELLED;
    }
    pthread_cond_broadcast (&fake->changed);
    pthread_mutex_unlock (&fake->lock);
    return result;
}

static inline void
fake_one_int (sh_sink_t *sink, const char *name, int64_t integer, unsigned flags)
{
    sh_sink_column_t column = {.name = name, .type = sh_type_make (SH_TYPE_INT, 0)};
    sh_value_t value = sh_value_int (integer);

    sink->columns (sink, &column, 1);
    sink->row (sink, &value, 1);
    sink->done (sink, flags | SH_DONE_COUNT, SH_COMMAND_SELECT, 1);
}

#define FAKE_COLUMNS 27

/*  One column of every type, in the order of sh_type_id_t. */
static inline void
fake_types (sh_sink_column_t *columns)
{
    static const int32_t sizes[FAKE_COLUMNS] = {0, 0, 0,  0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
                                                0, 5, 20, 0, 5, 20, 0, 0, 4, 20, 0, 0, 0};
    for (int i = 0; i < FAKE_COLUMNS; i++) {
        columns[i] =
            (sh_sink_column_t){.name = sh_type_name ((sh_type_id_t)(i + 1)), .nullable = true};
        columns[i].type = sh_type_make ((sh_type_id_t)(i + 1), sizes[i]);
    }
    columns[SH_TYPE_NUMERIC - 1].type = sh_type_numeric (25, 3);
    columns[SH_TYPE_DATETIME2 - 1].type.scale = 7;
    columns[SH_TYPE_TIME - 1].type.scale = 3;
}

static inline void
fake_values (sh_value_t *values)
{
    static const uint8_t guid[16] = {0xFF, 0x19, 0x96, 0x6F, 0x86, 0x8B, 0x11, 0xD0,
                                     0xB4, 0x2D, 0x00, 0xC0, 0x4F, 0xC9, 0x64, 0xFF};
    const int64_t ticks = SH_TICKS_UNIX + INT64_C (17041908450000000); /* 2024-01-02 10:20:45 */

    for (int i = 0; i < FAKE_COLUMNS; i++) {
        sh_type_id_t id = (sh_type_id_t)(i + 1);
        if (id <= SH_TYPE_BIGINT)
            values[i] = sh_value_int (id == SH_TYPE_BIT ? 1 : 100 + i);
        else if (id == SH_TYPE_REAL || id == SH_TYPE_FLOAT)
            values[i] = sh_value_double (-1.5);
        else if (id <= SH_TYPE_SMALLMONEY)
            values[i] = sh_value_decimal ("-1234.5");
        else if (id == SH_TYPE_TIME)
            values[i] = sh_value_ticks (ticks % SH_TICKS_PER_DAY);
        else if (id <= SH_TYPE_DATETIME2)
            values[i] = sh_value_ticks (ticks);
        else if (id == SH_TYPE_XML)
            values[i] = sh_value_text ("<a>\xE2\x82\xAC</a>");
        else if (id <= SH_TYPE_NTEXT)
            values[i] = sh_value_text ("\xE2\x82\xAC \xC3\xA4z");
        else if (id == SH_TYPE_UNIQUEIDENTIFIER)
            values[i] = sh_value_guid (guid);
        else
            values[i] = sh_value_blob ("\x00\x01\xFE\xFF", 4);
    }
    values[SH_TYPE_BIGINT - 1].as.integer = INT64_MIN;
    values[SH_TYPE_NUMERIC - 1] = sh_value_decimal ("1234567890123456789012.125");
    values[SH_TYPE_NTEXT - 1] = sh_value_text ("\xF0\x9F\x98\x80");
    values[SH_TYPE_NVARCHAR - 1] = sh_value_text ("\xE2\x82\xAC \xD0\x96\xF0\x9F\x98\x80");
    values[SH_TYPE_TIMESTAMP - 1] = sh_value_blob ("\0\0\0\0\0\0\x07\xD1", 8);
}

static inline void
fake_every_type (sh_sink_t *sink)
{
    sh_sink_column_t columns[FAKE_COLUMNS];
    sh_value_t values[FAKE_COLUMNS], nulls[FAKE_COLUMNS];

    fake_types (columns);
    fake_values (values);
    for (int i = 0; i < FAKE_COLUMNS; i++)
        nulls[i] = sh_value_null ();
    sink->columns (sink, columns, FAKE_COLUMNS);
    sink->row (sink, values, FAKE_COLUMNS);
    sink->row (sink, nulls, FAKE_COLUMNS);
    sink->done (sink, SH_DONE_COUNT, SH_COMMAND_SELECT, 2);
}

/*  Many rows, so that many packets go out; a MAX value that spans packets. */
static inline void
fake_many (sh_sink_t *sink, int rows, size_t text_size)
{
    sh_sink_column_t columns[2] = {
        {.name = "n", .type = sh_type_make (SH_TYPE_BIGINT, 0)},
        {.name = "text", .type = sh_type_make (SH_TYPE_VARCHAR, SH_MAX)}};
    char *text = malloc (text_size + 1);
    memset (text, 'x', text_size);
    text[text_size] = 0;
    sink->columns (sink, columns, 2);
    int row = 0;
    for (; row < rows; row++) {
        sh_value_t values[2] = {sh_value_int (row), sh_value_text_n (text, text_size)};
        if (!sink->row (sink, values, 2))
            break;
    }
    sink->done (sink, SH_DONE_COUNT, SH_COMMAND_SELECT, row);
    free (text);
}

static inline void
fake_messages (sh_sink_t *sink)
{
    fake_say (sink, 50000, 10, "informs \xE2\x82\xAC");
    fake_one_int (sink, "one", 1, 0);
    fake_say (sink, 3013, 16, "BACKUP LOG is terminating abnormally.");
    sink->done (sink, 0, SH_COMMAND_NONE, 0);
    fake_one_int (sink, "two", 2, 0);
}

/*  As `EXEC dbo.p` in a batch: statements of the procedure, its status, its end; then the batch
 *  goes on. */
static inline void
fake_exec (sh_sink_t *sink)
{
    fake_one_int (sink, "inner", 1, SH_DONE_IN_PROC);
    sink->done (sink, SH_DONE_IN_PROC | SH_DONE_COUNT, SH_COMMAND_UPDATE, 3);
    sink->return_status (sink, -6);
    sink->done (sink, SH_DONE_PROC, SH_COMMAND_EXECUTE, 0);
}

static inline sh_run_t
fake_run_batch (void *session, const char *text, size_t size)
{
    sh_fake_session_t *self = session;
    sh_fake_t *fake = self->fake;
    sh_sink_t *sink = self->sink;

    pthread_mutex_lock (&fake->lock);
    snprintf (fake->text, sizeof fake->text, "%s", text);
    fake->size = size;
    pthread_mutex_unlock (&fake->lock);
    if (strcmp (text, "types") == 0)
        fake_every_type (sink);
    else if (strcmp (text, "many") == 0)
        fake_many (sink, 5000, 10);
    else if (strcmp (text, "large") == 0)
        fake_many (sink, 2, 1000000);
    else if (strcmp (text, "endless") == 0) {
        fake_many (sink, INT32_MAX, 100);
        return fake_block (self, INT32_MAX);
    } else if (strcmp (text, "forever") == 0)
        fake_many (sink, INT32_MAX, 100);
    else if (strcmp (text, "messages") == 0)
        fake_messages (sink);
    else if (strcmp (text, "exec") == 0)
        fake_exec (sink);
    else if (strcmp (text, "sets") == 0) {
        fake_one_int (sink, "a", 1, 0);
        sink->done (sink, 0, 0xFD, 0);
        fake_one_int (sink, "b", 2, 0);
        sink->done (sink, SH_DONE_COUNT, SH_COMMAND_UPDATE, INT64_C (5));
        fake_one_int (sink, "c", 3, SH_DONE_IN_XACT);
    } else if (strcmp (text, "begin") == 0) {
        sink->env_transaction (sink, SH_TRAN_BEGUN, 77);
        sink->done (sink, SH_DONE_IN_XACT, SH_COMMAND_NONE, 0);
    } else if (strcmp (text, "use") == 0) {
        sink->env_database (sink, "BizTalkDTADb", "BizTalkMgmtDb");
        fake_say (sink, 5701, 0, "Changed database context to 'BizTalkDTADb'.");
        sink->done (sink, 0, SH_COMMAND_NONE, 0);
    } else if (strcmp (text, "nowait") == 0) {
        fake_say (sink, 50000, 10, "fenced");
        sink->flush (sink);
        return fake_block (self, INT32_MAX);
    } else if (strcmp (text, "wait") == 0)
        return fake_block (self, INT32_MAX);
    else if (strncmp (text, "meet", 4) == 0) {
        sh_run_t result = fake_block (self, (int)strtol (text + 4, NULL, 10));
        fake_one_int (sink, "met", 1, 0);
        return result;
    } else if (strcmp (text, "close") == 0) {
        fake_say (sink, 596, 21, "Cannot continue: the session is in the kill state.");
        return SH_RUN_CLOSE;
    } else if (strcmp (text, "drop") == 0)
        return SH_RUN_DROP;
    else if (strcmp (text, "unfit") == 0) {
        sh_sink_column_t column = {.name = "n", .type = sh_type_make (SH_TYPE_NVARCHAR, 2)};
        sh_value_t value = sh_value_text ("three");
        sink->columns (sink, &column, 1);
        sink->row (sink, &value, 1);
        sink->done (sink, 0, SH_COMMAND_SELECT, 0);
    }
    return SH_RUN_DONE;
}

/*  Every parameter comes back as it came, OUTPUT ones as return values; the status is their count.
 */
static inline sh_run_t
fake_run_rpc (void *session, const sh_rpc_t *rpc)
{
    sh_fake_session_t *self = session;
    sh_sink_t *sink = self->sink;

    pthread_mutex_lock (&self->fake->lock);
    snprintf (self->fake->text, sizeof self->fake->text, "%u:%s", rpc->number, rpc->name);
    pthread_mutex_unlock (&self->fake->lock);
    if (strcmp (rpc->name, "missing") == 0) {
        fake_say (sink, 2812, 16, "Could not find stored procedure 'missing'.");
        return SH_RUN_DONE;
    }
    if (strcmp (rpc->name, "wait") == 0)
        return fake_block (self, INT32_MAX);
    for (size_t i = 0; i < rpc->parameter_count; i++) {
        const sh_rpc_parameter_t *parameter = &rpc->parameters[i];
        sh_sink_column_t column = {
            .name = parameter->name, .type = parameter->type, .nullable = true};
        sink->columns (sink, &column, 1);
        sink->row (sink, &parameter->value, 1);
        sink->done (sink, SH_DONE_COUNT | SH_DONE_IN_PROC, SH_COMMAND_SELECT, 1);
    }
    sink->return_status (sink, (int32_t)rpc->parameter_count);
    for (size_t i = 0; i < rpc->parameter_count; i++)
        if (rpc->parameters[i].output)
            sink->return_value (sink, (uint16_t)i, rpc->parameters[i].name,
                                &rpc->parameters[i].type, &rpc->parameters[i].value);
    sink->done (sink, SH_DONE_PROC, SH_COMMAND_EXECUTE, 0);
    return SH_RUN_DONE;
}

static inline sh_run_t
fake_reset (void *session, bool keep_transaction)
{
    sh_fake_session_t *self = session;

    pthread_mutex_lock (&self->fake->lock);
    self->fake->resets += keep_transaction ? 100 : 1;
    pthread_mutex_unlock (&self->fake->lock);
    return SH_RUN_DONE;
}

static inline void
fake_cancel (void *session, sh_cancel_t why)
{
    sh_fake_session_t *self = session;

    pthread_mutex_lock (&self->fake->lock);
    self->cancel = true;
    self->fake->why = why;
    pthread_cond_broadcast (&self->fake->changed);
    pthread_mutex_unlock (&self->fake->lock);
}

static inline void
fake_clear_cancel (void *session)
{
    sh_fake_session_t *self = session;

    pthread_mutex_lock (&self->fake->lock);
    self->cancel = false;
    self->fake->cleared++;
    pthread_mutex_unlock (&self->fake->lock);
}

static inline void
fake_close (void *session)
{
    sh_fake_session_t *self = session;
    sh_fake_t *fake = self->fake;

    free (self);
    pthread_mutex_lock (&fake->lock);
    fake->open--;
    pthread_cond_broadcast (&fake->changed);
    pthread_mutex_unlock (&fake->lock);
}

static inline sh_fake_t *
fake_new (void)
{
    sh_fake_t *fake = calloc (1, sizeof *fake);

    fake->base = (sh_backend_t){.server_name = "SQL01\\TEST",
                                .open = fake_open,
                                .run_batch = fake_run_batch,
                                .run_rpc = fake_run_rpc,
                                .reset = fake_reset,
                                .cancel = fake_cancel,
                                .clear_cancel = fake_clear_cancel,
                                .close = fake_close};
    pthread_mutex_init (&fake->lock, NULL);
    pthread_cond_init (&fake->changed, NULL);
    return fake;
}

static inline void
fake_free (sh_fake_t *fake)
{
    pthread_mutex_destroy (&fake->lock);
    pthread_cond_destroy (&fake->changed);
    free (fake);
}

#endif
