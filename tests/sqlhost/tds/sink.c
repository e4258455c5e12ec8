/*  tests/sqlhost/tds/sink.c */
#include "tests/sqlhost/tds/sink.h"

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/packet.h"
#include "tests/sqlhost/tds/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
s_bug (const char *what)
{
    fprintf (stderr, "sqlhost: bug: %s\n", what);
    abort ();
}

/*  Makes packets of the tokens: whole ones, and with `all` also the rest. `end` marks the last one
 *  as the message's end. */
static bool
s_send (sh_tds_sink_t *self, bool all, bool end)
{
    size_t room = self->packet_size - SH_PACKET_HEADER;
    size_t at = 0;

    sh_writer_clear (&self->packets);
    /*  A last packet may not be empty, so exactly one packet's worth waits until more is known. */
    while (self->tokens.size - at > room || (all && at < self->tokens.size)) {
        size_t left = self->tokens.size - at;
        size_t size = left < room ? left : room;
        sh_packet_write (&self->packets, SH_PACKET_RESPONSE, end && size == left, self->spid,
                         ++self->packet_number, self->tokens.data + at, size);
        at += size;
    }
    if (at > 0) {
        memmove (self->tokens.data, self->tokens.data + at, self->tokens.size - at);
        self->tokens.size -= at;
    }
    if (self->packets.size > 0 && !self->broken)
        self->broken = !self->send (self->context, self->packets.data, self->packets.size);
    return !self->broken;
}

static bool
s_alive (sh_tds_sink_t *self)
{
    return !self->broken && !atomic_load (&self->stopped);
}

/*  After every token: what fills packets goes out. */
static bool
s_written (sh_tds_sink_t *self)
{
    return s_send (self, false, false) && s_alive (self);
}

/*  The DONE that was held back was not the last one. */
static void
s_release_done (sh_tds_sink_t *self, uint16_t more)
{
    if (!self->last.held)
        return;
    self->last.held = false;
    sh_token_done (&self->tokens, self->version, self->last.token,
                   (uint16_t)(self->last.status | more), self->last.command, self->last.row_count);
}

static bool
s_columns (sh_sink_t *sink, const sh_sink_column_t *columns, size_t count)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;

    if (self->in_rows)
        s_bug ("columns inside a result set");
    if (count == 0 || count > SH_LIMIT_COLUMNS)
        s_bug ("a result set without columns, or with too many");
    s_release_done (self, SH_STATUS_MORE);
    free (self->types);
    self->types = sh_wire_alloc (count * sizeof *self->types);
    self->type_count = count;
    for (size_t i = 0; i < count; i++)
        self->types[i] = columns[i].type;
    self->in_rows = true;
    sh_token_columns (&self->tokens, self->version, columns, count);
    return s_written (self);
}

static bool
s_message (sh_sink_t *sink, const sh_message_t *message)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;

    s_release_done (self, SH_STATUS_MORE);
    sh_token_message (&self->tokens, self->version, message, self->server_name);
    if (message->severity > 10)
        self->error_since_done = true;
    return s_written (self);
}

static bool
s_row (sh_sink_t *sink, const sh_value_t *values, size_t count)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;
    size_t bad;

    if (!self->in_rows || count != self->type_count)
        s_bug ("a row without columns, or with another number of values");
    if (!s_alive (self))
        return false;
    if (!sh_token_row (&self->tokens, self->version, self->types, values, count, &bad)) {
        /*  Said aloud: a value that was silently cut or left out would hide a wrong inference. */
        char text[160];
        snprintf (text, sizeof text,
                  "sqlhost: the value of column %zu (kind %d, %u bytes) does not fit the type "
                  "that was inferred for it (id %d, size %d)",
                  bad + 1, (int)values[bad].kind, values[bad].size, (int)self->types[bad].id,
                  (int)self->types[bad].size);
        sh_message_t message = {.number = 245, .state = 1, .severity = 16, .text = text};
        return s_message (sink, &message);
    }
    return s_written (self);
}

static bool
s_done (sh_sink_t *sink, unsigned flags, uint16_t command, int64_t row_count)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;
    uint16_t status = 0;

    s_release_done (self, SH_STATUS_MORE);
    if (flags & SH_DONE_COUNT)
        status |= SH_STATUS_COUNT;
    if ((flags & SH_DONE_ERROR) || self->error_since_done)
        status |= SH_STATUS_ERROR;
    if (flags & SH_DONE_IN_XACT)
        status |= SH_STATUS_INXACT;
    self->last.held = true;
    self->last.token = SH_TOKEN_DONE;
    if (flags & SH_DONE_PROC)
        self->last.token = SH_TOKEN_DONEPROC;
    else if (flags & SH_DONE_IN_PROC)
        self->last.token = SH_TOKEN_DONEINPROC;
    self->last.status = status;
    self->last.command = command;
    self->last.row_count = (uint64_t)row_count;
    self->in_rows = false;
    self->error_since_done = false;
    return s_written (self);
}

static bool
s_return_status (sh_sink_t *sink, int32_t status)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;

    s_release_done (self, SH_STATUS_MORE);
    sh_token_return_status (&self->tokens, status);
    return s_written (self);
}

static bool
s_return_value (sh_sink_t *sink, uint16_t ordinal, const char *name, const sh_type_t *type,
                const sh_value_t *value)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;

    s_release_done (self, SH_STATUS_MORE);
    if (!sh_token_return_value (&self->tokens, self->version, ordinal, name, type, value)) {
        char text[160];
        snprintf (text, sizeof text, "sqlhost: the value of %.80s does not fit its type (id %d)",
                  name, (int)type->id);
        sh_message_t message = {.number = 8162, .state = 2, .severity = 16, .text = text};
        return s_message (sink, &message);
    }
    return s_written (self);
}

static bool
s_env_text (sh_tds_sink_t *self, uint8_t type, const char *now, const char *before)
{
    s_release_done (self, SH_STATUS_MORE);
    sh_token_env_text (&self->tokens, type, now, before);
    return s_written (self);
}

static bool
s_env_database (sh_sink_t *sink, const char *now, const char *before)
{
    return s_env_text ((sh_tds_sink_t *)sink, SH_ENV_DATABASE, now, before);
}

static bool
s_env_language (sh_sink_t *sink, const char *now, const char *before)
{
    return s_env_text ((sh_tds_sink_t *)sink, SH_ENV_LANGUAGE, now, before);
}

/*  Types 8 to 10 of ENVCHANGE came with 7.2; an older client knows none of them. */
static bool
s_env_transaction (sh_sink_t *sink, sh_tran_t what, uint64_t id)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;

    if (self->version >= SH_TDS_72) {
        s_release_done (self, SH_STATUS_MORE);
        sh_token_env_transaction (&self->tokens, what, id);
    }
    return s_written (self);
}

static bool
s_flush (sh_sink_t *sink)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;

    return s_send (self, true, false) && s_alive (self);
}

static void
s_hang_up (sh_sink_t *sink)
{
    sh_tds_sink_t *self = (sh_tds_sink_t *)sink;

    self->end (self->context);
}

void
sh_tds_sink_init (sh_tds_sink_t *self)
{
    memset (self, 0, sizeof *self);
    self->base = (sh_sink_t){.columns = s_columns,
                             .row = s_row,
                             .done = s_done,
                             .message = s_message,
                             .return_status = s_return_status,
                             .return_value = s_return_value,
                             .env_database = s_env_database,
                             .env_language = s_env_language,
                             .env_transaction = s_env_transaction,
                             .flush = s_flush,
                             .hang_up = s_hang_up};
    self->packet_size = SH_LIMIT_PACKET_DEFAULT;
    self->version = SH_TDS_71;
    self->server_name = "";
    atomic_init (&self->stopped, false);
}

void
sh_tds_sink_free (sh_tds_sink_t *self)
{
    sh_writer_free (&self->tokens);
    sh_writer_free (&self->packets);
    free (self->types);
    self->types = NULL;
}

void
sh_tds_sink_begin (sh_tds_sink_t *self, bool call)
{
    sh_writer_clear (&self->tokens);
    self->packet_number = 0;
    self->in_rows = false;
    self->call = call;
    self->error_since_done = false;
    self->last.held = false;
    atomic_store (&self->stopped, false);
}

bool
sh_tds_sink_finish (sh_tds_sink_t *self, bool cancelled)
{
    uint8_t final = self->call ? SH_TOKEN_DONEPROC : SH_TOKEN_DONE;
    bool failed = cancelled || self->error_since_done;
    /*  A batch may end with the DONEPROC of its last EXEC; a call ends with its own. */
    bool ended = self->last.held && !failed &&
                 (self->last.token == final || self->last.token == SH_TOKEN_DONEPROC);

    if (ended)
        s_release_done (self, 0);
    else {
        s_release_done (self, SH_STATUS_MORE);
        sh_token_done (&self->tokens, self->version, final, failed ? SH_STATUS_ERROR : 0, 0, 0);
    }
    self->in_rows = false;
    return s_send (self, true, true);
}

/*  2.2.1.7 and 3.2.5.7: the request's own response ends first; clients (tedious) look for the
 *  acknowledgement in the message behind it. */
bool
sh_tds_sink_attention (sh_tds_sink_t *self)
{
    sh_tds_sink_begin (self, false);
    sh_token_done (&self->tokens, self->version, SH_TOKEN_DONE, SH_STATUS_ATTN, 0, 0);
    return s_send (self, true, true);
}

sh_writer_t *
sh_tds_sink_raw (sh_tds_sink_t *self)
{
    return &self->tokens;
}

void
sh_tds_sink_stop (sh_tds_sink_t *self)
{
    atomic_store (&self->stopped, true);
}
