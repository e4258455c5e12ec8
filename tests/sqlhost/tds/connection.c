/*  tests/sqlhost/tds/connection.c */
#include "tests/sqlhost/tds/connection.h"

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/log.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/packet.h"
#include "tests/sqlhost/tds/request.h"
#include "tests/sqlhost/tds/sink.h"
#include "tests/sqlhost/tds/token.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct sh_connection {
    sh_connection_options_t options;
    sh_tds_sink_t out;
    sh_assembly_t in;
    sh_packet_header_t header; /* of the packet read last */
    int64_t deadline_ms;       /* of the login; 0 afterwards */
    sh_channel_t *channel;     /* NULL = in the clear; set and dropped during the login only */
    bool login_only;           /* the channel ends with the first packet of LOGIN7 */
    sh_writer_t records;       /* on their way out */
    char why[160];             /* the connection ends for this */

    atomic_bool ended; /* hung up or stopped: read nothing more */
    pthread_mutex_t lock;
    void *session;  /* under lock; set from open until close */
    bool busy;      /* under lock: a request runs */
    bool attention; /* under lock: seen while it ran */
    bool stopping;  /* under lock: the session was told that the server stops */
};

static int64_t
s_now_ms (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
s_fail (sh_connection_t *self, const char *why)
{
    snprintf (self->why, sizeof self->why, "%s", why);
    return false;
}

/*  ---- the socket ---- */

static bool
s_send_raw (sh_connection_t *self, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send (self->options.fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return s_fail (self,
                           errno == EAGAIN ? "the client does not read" : "the client is gone");
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool
s_send_all (void *context, const uint8_t *data, size_t size)
{
    sh_connection_t *self = context;

    if (!self->channel)
        return s_send_raw (self, data, size);
    sh_writer_clear (&self->records);
    return sh_channel_write (self->channel, data, size, &self->records)
               ? s_send_raw (self, self->records.data, self->records.size)
               : s_fail (self, "the encryption failed");
}

/*  During the login every wait is part of one deadline. */
static bool
s_wait_readable (sh_connection_t *self)
{
    struct pollfd item = {.fd = self->options.fd, .events = POLLIN};

    if (self->deadline_ms == 0)
        return true;
    for (;;) {
        int64_t left = self->deadline_ms - s_now_ms ();
        if (left <= 0)
            return s_fail (self, "the login took too long");
        int ready = poll (&item, 1, (int)left);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return s_fail (self, "poll failed");
    }
}

/*  What is there, at most `size` bytes, at least one; 0: the connection ends. */
static size_t
s_receive_some (sh_connection_t *self, uint8_t *data, size_t size)
{
    for (;;) {
        if (!s_wait_readable (self))
            return 0;
        ssize_t got = recv (self->options.fd, data, size, 0);
        if (atomic_load (&self->ended))
            s_fail (self, "hung up");
        else if (got > 0)
            return (size_t)got;
        else if (got < 0 && errno == EINTR)
            continue;
        else
            s_fail (self, got == 0 ? "the client closed" : "the connection was lost");
        return 0;
    }
}

static bool
s_receive_raw (sh_connection_t *self, uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t got = s_receive_some (self, data, size);
        if (got == 0)
            return false;
        data += got;
        size -= got;
    }
    return true;
}

/*  More for the channel. A login-only channel takes record by record: what follows its last one comes in the clear. */
static bool
s_fill (sh_connection_t *self)
{
    uint8_t record[SH_CHANNEL_RECORD];
    size_t size;

    if (self->login_only) {
        if (!s_receive_raw (self, record, 5))
            return false;
        size = (size_t)(record[3] << 8 | record[4]);
        if (size > sizeof record - 5)
            return s_fail (self, "malformed: a TLS record that is none");
        if (!s_receive_raw (self, record + 5, size))
            return false;
        size += 5;
    } else
        size = s_receive_some (self, record, sizeof record);
    if (size > 0)
        sh_channel_feed (self->channel, record, size);
    return size > 0;
}

static bool
s_receive (sh_connection_t *self, uint8_t *data, size_t size)
{
    if (!self->channel)
        return s_receive_raw (self, data, size);
    while (size > 0) {
        int got = sh_channel_read (self->channel, data, size, false);
        if (got < 0)
            return s_fail (self, "the client ended the encryption");
        if (got == 0 && !s_fill (self))
            return false;
        data += got;
        size -= (size_t)got;
    }
    return true;
}

/*  The next whole message into self->in. False: the connection ends, self->why says why. */
static bool
s_read_message (sh_connection_t *self)
{
    uint8_t head[SH_PACKET_HEADER];
    uint8_t payload[SH_LIMIT_PACKET_MAX];

    sh_assembly_clear (&self->in);
    for (;;) {
        if (!s_receive (self, head, sizeof head))
            return false;
        if (!sh_packet_header_read (head, &self->header))
            return s_fail (self, "malformed: a packet header that is none");
        size_t size = (size_t)self->header.length - SH_PACKET_HEADER;
        if (!s_receive (self, payload, size))
            return false;
        if (self->login_only && self->header.type == SH_PACKET_LOGIN7) {
            self->login_only = false;
            sh_channel_destroy (&self->channel);
        }
        /*  An attention may come where a message was broken off: it stands for itself. */
        if (self->header.type == SH_PACKET_ATTENTION)
            sh_assembly_clear (&self->in);
        sh_assembly_result_t result = sh_assembly_add (&self->in, &self->header, payload, size);
        if (self->header.type == SH_PACKET_LOGIN7)
            explicit_bzero (payload, size);
        switch (result) {
            case SH_ASSEMBLY_MESSAGE:
                return true;
            case SH_ASSEMBLY_BAD:
                snprintf (self->why, sizeof self->why, "malformed: %s", self->in.why);
                return false;
            default:
                break;
        }
    }
}

/*  The client reads what was sent before the socket goes: closing with unread input would reset
 *  the connection and take the answer with it. */
static void
s_linger (sh_connection_t *self)
{
    uint8_t scrap[4096];

    if (self->channel) {
        sh_writer_clear (&self->records);
        sh_channel_end (self->channel, &self->records);
        s_send_raw (self, self->records.data, self->records.size);
    }
    shutdown (self->options.fd, SHUT_WR);
    int64_t until = s_now_ms () + 1000;
    struct pollfd item = {.fd = self->options.fd, .events = POLLIN};
    for (int64_t left = 1000; left > 0 && !atomic_load (&self->ended); left = until - s_now_ms ())
        if (poll (&item, 1, (int)left) <= 0 || recv (self->options.fd, scrap, sizeof scrap, 0) <= 0)
            return;
}

/*  ---- watching, from other threads ---- */

static void
s_hang_up (void *context)
{
    sh_connection_t *self = context;

    atomic_store (&self->ended, true);
    shutdown (self->options.fd, SHUT_RD);
}

/*  The first byte that waits, in *type: 1 = there is one, 0 = nothing yet, -1 = the client is gone. Under lock, while a
 *  request runs: the session's thread does not read then. */
static int
s_peek (sh_connection_t *self, uint8_t *type)
{
    uint8_t record[SH_CHANNEL_RECORD];
    bool open = self->channel;

    int waits = open ? sh_channel_read (self->channel, type, 1, true) : 0;
    if (waits != 0)
        return waits;
    ssize_t got = open ? recv (self->options.fd, record, sizeof record, MSG_DONTWAIT)
                       : recv (self->options.fd, type, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (got == 0 || !open)
        return got == 0 ? -1 : 1;
    sh_channel_feed (self->channel, record, (size_t)got);
    return sh_channel_read (self->channel, type, 1, true);
}

sh_watch_t
sh_connection_look (sh_connection_t *self, bool hung)
{
    uint8_t type = 0;
    sh_watch_t next = SH_WATCH_NOTHING;

    pthread_mutex_lock (&self->lock);
    if (self->busy && !self->stopping) {
        int got = s_peek (self, &type);
        bool nothing = got == 0;
        hung = hung || atomic_load (&self->ended) || got < 0;
        if (got == 1 && type == SH_PACKET_ATTENTION && !atomic_load (&self->ended)) {
            self->attention = true;
            sh_tds_sink_stop (&self->out);
            self->options.backend->cancel (self->session, SH_CANCEL_ATTENTION);
        } else if (hung) {
            sh_tds_sink_stop (&self->out);
            self->options.backend->cancel (self->session, SH_CANCEL_DISCONNECT);
        } else
            /*  What else arrives early waits until the request has ended. */
            next = nothing ? SH_WATCH_ALL : SH_WATCH_HANGUP;
    }
    pthread_mutex_unlock (&self->lock);
    return next;
}

void
sh_connection_stop (sh_connection_t *self, bool hard)
{
    atomic_store (&self->ended, true);
    pthread_mutex_lock (&self->lock);
    self->stopping = true;
    if (self->session)
        self->options.backend->cancel (self->session, SH_CANCEL_SHUTDOWN);
    pthread_mutex_unlock (&self->lock);
    shutdown (self->options.fd, hard ? SHUT_RDWR : SHUT_RD);
}

static void
s_set_busy (sh_connection_t *self, bool busy)
{
    pthread_mutex_lock (&self->lock);
    self->busy = busy;
    if (busy)
        self->attention = false;
    pthread_mutex_unlock (&self->lock);
    if (busy)
        self->options.watch (self->options.context);
    /*  An attention right behind its request may have come out of the socket with it: nothing would wake the watch. */
    if (busy && self->channel)
        sh_connection_look (self, false);
}

/*  ---- requests ---- */

static bool
s_error (sh_connection_t *self, int32_t number, uint8_t severity, const char *text)
{
    sh_message_t message = {
        .number = number, .state = 1, .severity = severity, .line = 1, .text = text};

    return self->out.base.message (&self->out.base, &message);
}

static sh_run_t
s_run_batch (sh_connection_t *self)
{
    sh_writer_t text = {0};
    const char *why;
    sh_run_t result = SH_RUN_DROP;

    if (sh_tds_request_batch (self->in.body.data, self->in.body.size, self->out.version, &text,
                              &why)) {
        const char *batch = sh_writer_text (&text);
        result = self->options.backend->run_batch (self->session, batch, text.size);
    } else
        snprintf (self->why, sizeof self->why, "malformed: %s", why);
    sh_writer_free (&text);
    return result;
}

static sh_run_t
s_run_transaction (sh_connection_t *self)
{
    sh_writer_t text = {0};
    const char *why;
    bool refused;
    sh_run_t result = SH_RUN_DROP;

    if (sh_tds_request_transaction (self->in.body.data, self->in.body.size, self->out.version,
                                    &text, &refused, &why)) {
        const char *batch = sh_writer_text (&text);
        result = self->options.backend->run_batch (self->session, batch, text.size);
    } else if (refused) {
        s_error (self, 40517, 16, why);
        result = SH_RUN_DONE;
    } else
        snprintf (self->why, sizeof self->why, "malformed: %s", why);
    sh_writer_free (&text);
    return result;
}

static void
s_bad_type (sh_connection_t *self, const sh_tds_call_t *call)
{
    char text[256];

    snprintf (text, sizeof text,
              "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream "
              "is incorrect. Parameter %zu (\"%.64s\"): Data type 0x%02X is unknown.",
              call->bad_parameter, call->parameters[call->bad_parameter - 1].name, call->bad_type);
    s_error (self, 8009, 16, text);
}

static sh_run_t
s_run_calls (sh_connection_t *self)
{
    sh_reader_t reader = sh_reader_make (self->in.body.data, self->in.body.size);
    sh_run_t result = SH_RUN_DONE;
    const char *why = "a call's ALL_HEADERS are malformed";

    if (!sh_tds_request_headers (&reader, self->out.version)) {
        snprintf (self->why, sizeof self->why, "malformed: %s", why);
        return SH_RUN_DROP;
    }
    for (size_t count = 0; result == SH_RUN_DONE; count++) {
        sh_tds_call_t call;
        sh_tds_call_result_t read = sh_tds_call_read (&reader, self->out.version, &call, &why);
        if (read == SH_TDS_CALL_READ && count == SH_LIMIT_RPC_CALLS) {
            read = SH_TDS_CALL_MALFORMED;
            why = "more calls in a message than the limit";
        }
        if (read == SH_TDS_CALL_READ)
            result = self->options.backend->run_rpc (self->session, &call.rpc);
        else if (read == SH_TDS_CALL_BAD_TYPE)
            s_bad_type (self, &call);
        else if (read == SH_TDS_CALL_MALFORMED) {
            snprintf (self->why, sizeof self->why, "malformed: %s", why);
            result = SH_RUN_DROP;
        }
        sh_tds_call_free (&call);
        if (read != SH_TDS_CALL_READ)
            break;
    }
    return result;
}

static sh_run_t
s_run (sh_connection_t *self)
{
    uint8_t status = self->in.status;

    if (status & (SH_PACKET_RESET | SH_PACKET_RESET_KEEP)) {
        sh_token_env_reset (sh_tds_sink_raw (&self->out));
        if (self->options.backend->reset) {
            sh_run_t result =
                self->options.backend->reset (self->session, status & SH_PACKET_RESET_KEEP);
            if (result != SH_RUN_DONE)
                return result;
        }
    }
    switch (self->in.type) {
        case SH_PACKET_BATCH:
            return s_run_batch (self);
        case SH_PACKET_RPC:
            return s_run_calls (self);
        case SH_PACKET_TRANSACTION:
            return s_run_transaction (self);
        case SH_PACKET_BULK:
            s_error (self, 40517, 16, "Bulk load is not supported by sqlhost; use INSERT.");
            return SH_RUN_DONE;
        default:
            s_fail (self, "malformed: a login message after the login");
            return SH_RUN_DROP;
    }
}

/*  One request, its answer, and the attention that may have come meanwhile. */
static bool
s_request (sh_connection_t *self)
{
    if (self->in.type == SH_PACKET_ATTENTION)
        return sh_tds_sink_attention (&self->out);
    sh_tds_sink_begin (&self->out, self->in.type == SH_PACKET_RPC);
    s_set_busy (self, true);
    sh_run_t result = s_run (self);
    s_set_busy (self, false);
    if (result == SH_RUN_DROP)
        return self->why[0] != 0 ? false : s_fail (self, "dropped by the session");
    bool attention = self->attention; /* nobody sets it while nothing runs */
    if (attention && !s_read_message (self))
        return false;
    if (attention)
        self->options.backend->clear_cancel (self->session);
    if (!sh_tds_sink_finish (&self->out, result == SH_RUN_CANCELLED))
        return false;
    if (attention && !sh_tds_sink_attention (&self->out))
        return false;
    if (result == SH_RUN_CLOSE) {
        s_linger (self);
        return s_fail (self, "closed by the session");
    }
    return true;
}

/*  ---- login ---- */

static bool
s_refuse (sh_connection_t *self, int32_t number, const char *text, const char *why)
{
    s_error (self, number, 14, text);
    if (sh_tds_sink_finish (&self->out, false))
        s_linger (self);
    return s_fail (self, why);
}

static uint32_t
s_packet_size (uint32_t asked)
{
    if (asked == 0)
        return SH_LIMIT_PACKET_DEFAULT;
    if (asked < SH_LIMIT_PACKET_MIN)
        return SH_LIMIT_PACKET_MIN;
    return asked > SH_LIMIT_PACKET_MAX ? SH_LIMIT_PACKET_MAX : asked;
}

static void
s_login_info (sh_connection_t *self, int32_t number, const char *format, const char *name)
{
    char text[300];

    snprintf (text, sizeof text, "%s '%.200s'.", format, name);
    sh_message_t message = {.number = number, .state = 2, .severity = 0, .line = 1, .text = text};
    if (number == 5703)
        message.state = 1;
    self->out.base.message (&self->out.base, &message);
}

/*  What SQL Server sends after a good login, in its order. */
static bool
s_welcome (sh_connection_t *self, const sh_login7_t *login, const sh_opened_t *opened)
{
    char size[16], before[16];
    uint32_t packet_size = s_packet_size (login->packet_size);
    sh_writer_t *raw = sh_tds_sink_raw (&self->out);

    sh_token_env_text (raw, SH_ENV_DATABASE, opened->database, "master");
    s_login_info (self, 5701, "Changed database context to", opened->database);
    sh_token_env_collation (raw);
    sh_token_env_text (raw, SH_ENV_LANGUAGE, opened->language, "");
    s_login_info (self, 5703, "Changed language setting to", opened->language);
    sh_token_login_ack (raw, login->tds_version);
    snprintf (size, sizeof size, "%" PRIu32, packet_size);
    snprintf (before, sizeof before, "%d", SH_LIMIT_PACKET_DEFAULT);
    sh_token_env_text (raw, SH_ENV_PACKET_SIZE, size, before);
    if (login->extension)
        sh_token_feature_ack (raw);
    if (!sh_tds_sink_finish (&self->out, false))
        return false;
    self->out.packet_size = packet_size;
    return true;
}

static bool
s_open (sh_connection_t *self, const sh_login7_t *login)
{
    sh_opened_t opened = {0};
    void *session = NULL;
    const sh_login_t record = {.user = login->user,
                               .password = login->password,
                               .database = login->database,
                               .app_name = login->app_name,
                               .host_name = login->host_name,
                               .library = login->library,
                               .language = login->language,
                               .server_name = login->server_name,
                               .client_address = self->options.address,
                               .encrypted = self->channel != NULL,
                               .client_pid = login->client_pid,
                               .tds_version = login->tds_version,
                               .packet_size = s_packet_size (login->packet_size)};
    sh_backend_t *backend = self->options.backend;

    switch (backend->open (backend, &record, &self->out.base, &session, &opened)) {
        case SH_OPEN_OK:
            pthread_mutex_lock (&self->lock);
            self->session = session;
            pthread_mutex_unlock (&self->lock);
            self->out.spid = opened.spid;
            return s_welcome (self, login, &opened);
        case SH_OPEN_REFUSED:
            if (sh_tds_sink_finish (&self->out, false))
                s_linger (self);
            return s_fail (self, "the login was refused");
        default:
            return s_fail (self, "dropped at login");
    }
}

static bool
s_login7 (sh_connection_t *self)
{
    sh_login7_t login;
    const char *why;
    bool good;

    bool parsed = sh_login7_parse (self->in.body.data, self->in.body.size, &login, &why);
    /*  It held the password. */
    explicit_bzero (self->in.body.data, self->in.body.size);
    if (!parsed) {
        snprintf (self->why, sizeof self->why, "malformed: %s", why);
        return false;
    }
    sh_tds_sink_begin (&self->out, false);
    if (login.tds_version < SH_TDS_71)
        good = s_refuse (self, 17836, "sqlhost speaks TDS 7.1 to 7.4.",
                         "the client's TDS version is too old");
    else {
        self->out.version = login.tds_version;
        if (login.integrated)
            good = s_refuse (self, 18452,
                             "Login failed. The login is from an untrusted domain and cannot be "
                             "used with Integrated authentication.",
                             "integrated authentication was refused");
        else if (login.change_password)
            good = s_refuse (self, 18456, "Login failed: sqlhost does not change passwords.",
                             "a change of password was refused");
        else
            good = s_open (self, &login);
    }
    sh_login7_free (&login);
    return good;
}

/*  3.3.5.2 TLS/SSL Negotiation: the handshake, inside PRELOGIN packets. */
static bool
s_encrypt (sh_connection_t *self)
{
    sh_channel_t *channel = sh_channel_new (self->options.tls);
    sh_writer_t answer = {0}, packets = {0};
    sh_channel_state_t state = SH_CHANNEL_MORE;
    bool good = true;

    while (good && state == SH_CHANNEL_MORE) {
        good = s_read_message (self) && (self->in.type == SH_PACKET_PRELOGIN ||
                                         s_fail (self, "the client does not encrypt"));
        if (!good)
            break;
        sh_writer_clear (&answer);
        sh_writer_clear (&packets);
        state = sh_channel_handshake (channel, self->in.body.data, self->in.body.size, &answer);
        const size_t most = SH_LIMIT_PACKET_DEFAULT - SH_PACKET_HEADER;
        for (size_t at = 0; at < answer.size; at += most) {
            size_t size = answer.size - at < most ? answer.size - at : most;
            sh_packet_write (&packets, SH_PACKET_PRELOGIN, at + size == answer.size, 0,
                             (uint8_t)(at / most + 1), answer.data + at, size);
        }
        good = s_send_raw (self, packets.data, packets.size);
    }
    sh_writer_free (&answer);
    sh_writer_free (&packets);
    if (good && state == SH_CHANNEL_READY) {
        self->channel = channel;
        return true;
    }
    sh_channel_destroy (&channel);
    return good ? s_fail (self, "the TLS handshake failed") : false;
}

/*  2.2.6.5: PRELOGIN comes first, if the client sends one at all. */
static bool
s_prelogin (sh_connection_t *self)
{
    sh_prelogin_t prelogin;
    const char *why;

    if (!sh_prelogin_parse (self->in.body.data, self->in.body.size, &prelogin, &why)) {
        snprintf (self->why, sizeof self->why, "malformed: %s", why);
        return false;
    }
    uint8_t encryption =
        sh_prelogin_encryption (&prelogin, self->options.tls, self->options.force_encryption);
    sh_writer_t answer = {0}, packet = {0};
    sh_prelogin_answer (&answer, encryption);
    sh_packet_write (&packet, SH_PACKET_RESPONSE, true, 0, 1, answer.data, answer.size);
    bool sent = s_send_all (self, packet.data, packet.size);
    sh_writer_free (&answer);
    sh_writer_free (&packet);
    if (!sent || encryption == SH_ENCRYPT_NOT_SUP)
        return sent;
    if (!s_encrypt (self))
        return false;
    self->login_only = encryption == SH_ENCRYPT_OFF;
    return true;
}

static bool
s_login (sh_connection_t *self)
{
    self->deadline_ms = s_now_ms () + self->options.login_ms;
    self->in.limit = SH_LIMIT_LOGIN_BYTES;
    if (!s_read_message (self))
        return false;
    if (self->in.type == SH_PACKET_PRELOGIN) {
        if (!s_prelogin (self) || !s_read_message (self))
            return false;
    } else if (self->options.tls && self->options.force_encryption)
        return s_fail (self, "the client does not encrypt");
    if (self->in.type != SH_PACKET_LOGIN7)
        return s_fail (self, "malformed: no LOGIN7 where one must stand");
    if (!s_login7 (self))
        return false;
    self->deadline_ms = 0;
    self->in.limit = SH_LIMIT_MESSAGE_BYTES;
    return true;
}

/*  ---- life ---- */

sh_connection_t *
sh_connection_new (const sh_connection_options_t *options)
{
    sh_connection_t *self = sh_wire_alloc (sizeof *self);

    self->options = *options;
    sh_tds_sink_init (&self->out);
    self->out.server_name = options->backend->server_name;
    self->out.context = self;
    self->out.send = s_send_all;
    self->out.end = s_hang_up;
    atomic_init (&self->ended, false);
    pthread_mutex_init (&self->lock, NULL);
    return self;
}

void
sh_connection_serve (sh_connection_t *self)
{
    if (s_login (self)) {
        sh_log (SH_LOG_DEBUG, "%s: session %u logged in", self->options.address, self->out.spid);
        while (s_read_message (self) && s_request (self))
            ;
    }
    bool malformed = strncmp (self->why, "malformed", 9) == 0;
    sh_log (malformed ? SH_LOG_WARN : SH_LOG_DEBUG, "%s: session %u ended: %s",
            self->options.address, self->out.spid, self->why);
    pthread_mutex_lock (&self->lock);
    void *session = self->session;
    self->session = NULL;
    pthread_mutex_unlock (&self->lock);
    if (session)
        self->options.backend->close (session);
}

void
sh_connection_destroy (sh_connection_t **self_p)
{
    sh_connection_t *self = *self_p;

    if (!self)
        return;
    close (self->options.fd);
    sh_tds_sink_free (&self->out);
    sh_channel_destroy (&self->channel);
    sh_writer_free (&self->records);
    sh_writer_free (&self->in.body);
    pthread_mutex_destroy (&self->lock);
    free (self);
    *self_p = NULL;
}
