/*  tests/unit/coordinator/scripted_sql.h
 *  A SQL Server that answers as a script says: the first line whose `match` stands in the request's text is played. Every
 *  request is written down. Speaks real TDS, so that the real session is what is tested.
 */
#ifndef BM_SCRIPTED_SQL_H
#define BM_SCRIPTED_SQL_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "tests/sqlhost/tds/server.h"
#include "tests/sqlhost/tds/sink.h"

typedef struct {
    const char *match;
    const char *columns; /* "a,b"; NULL = no result set */
    const char *rows;    /* "1|x;2|~" with ~ for NULL; NULL = no row */
    int number;          /* a message of severity 16, 0 = none */
    const char *text;
    int has_return, value; /* return status of a procedure */
    int drop;              /* the connection is closed instead */
    int times;             /* how often it is played; 0 = always */
} scripted_line_t;

#define SCRIPTED_LINES 24

typedef struct {
    sh_backend_t base;
    pthread_mutex_t lock;
    scripted_line_t lines[SCRIPTED_LINES];
    size_t count;
    char *log; /* every request, one a line */
    int opened;
    const char *refuse; /* message 4060 at the login */
    sh_server_t *server;
} scripted_t;

typedef struct {
    scripted_t *scripted;
    sh_sink_t *sink;
} scripted_session_t;

static inline sh_open_t
scripted_open (sh_backend_t *backend, const sh_login_t *login, sh_sink_t *sink, void **session,
               sh_opened_t *opened)
{
    scripted_t *self = (scripted_t *)backend;
    (void)login;
    if (self->refuse) {
        sh_message_t message = {
            .number = 4060, .state = 1, .severity = 11, .line = 1, .text = self->refuse};
        sink->message (sink, &message);
        return SH_OPEN_REFUSED;
    }
    scripted_session_t *made = calloc (1, sizeof *made);
    made->scripted = self;
    made->sink = sink;
    *session = made;
    *opened = (sh_opened_t){.database = "BizTalkMgmtDb", .language = "us_english", .spid = 51};
    pthread_mutex_lock (&self->lock);
    self->opened++;
    pthread_mutex_unlock (&self->lock);
    return SH_OPEN_OK;
}

static inline void
scripted_table (sh_sink_t *sink, const char *columns, const char *rows)
{
    sh_sink_column_t column[16];
    char *names = strdup (columns), *save = NULL;
    size_t width = 0;
    for (char *name = strtok_r (names, ",", &save); name; name = strtok_r (NULL, ",", &save))
        column[width++] = (sh_sink_column_t){
            .name = name, .type = sh_type_make (SH_TYPE_NVARCHAR, 400), .nullable = true};
    sink->columns (sink, column, width);
    char *copy = strdup (rows ? rows : ""), *at = copy;
    int count = 0;
    while (*at) {
        sh_value_t value[16];
        size_t i = 0;
        for (int last = 0; !last && i < width; i++) {
            size_t length = strcspn (at, "|;");
            last = at[length] != '|';
            char *next = at + length + (at[length] ? 1 : 0);
            at[length] = '\0';
            value[i] = strcmp (at, "~") == 0 ? sh_value_null () : sh_value_text (at);
            at = next;
        }
        sink->row (sink, value, i);
        count++;
    }
    sink->done (sink, SH_DONE_COUNT, SH_COMMAND_SELECT, count);
    free (copy);
    free (names);
}

static inline sh_run_t
scripted_play (scripted_session_t *session, const char *text, bool procedure)
{
    scripted_t *self = session->scripted;
    scripted_line_t line = {.match = NULL};
    pthread_mutex_lock (&self->lock);
    size_t size = self->log ? strlen (self->log) : 0;
    self->log = realloc (self->log, size + strlen (text) + 2);
    memcpy (self->log + size, text, strlen (text));
    memcpy (self->log + size + strlen (text), "\n", 2);
    for (size_t i = 0; i < self->count && !line.match; i++)
        if (self->lines[i].times >= 0 && strstr (text, self->lines[i].match)) {
            line = self->lines[i];
            if (line.times > 0 && --self->lines[i].times == 0)
                self->lines[i].times = -1;
        }
    pthread_mutex_unlock (&self->lock);
    if (line.drop)
        return SH_RUN_DROP;
    if (line.columns)
        scripted_table (session->sink, line.columns, line.rows);
    if (line.number) {
        sh_message_t message = {
            .number = line.number, .state = 1, .severity = 16, .line = 1, .text = line.text};
        session->sink->message (session->sink, &message);
    }
    if (procedure) {
        session->sink->return_status (session->sink, line.has_return ? line.value : 0);
        session->sink->done (session->sink, SH_DONE_PROC, SH_COMMAND_EXECUTE, 0);
    } else if (!line.columns) {
        session->sink->done (session->sink, 0, SH_COMMAND_NONE, 0);
    }
    return SH_RUN_DONE;
}

static inline sh_run_t
scripted_batch (void *session, const char *text, size_t size)
{
    (void)size;
    return scripted_play (session, text, false);
}

/*  A batch with parameters comes as sp_executesql: its text and its values are what is written down. */
static inline sh_run_t
scripted_rpc (void *session, const sh_rpc_t *rpc)
{
    char text[8192];
    size_t length = (size_t)snprintf (text, sizeof text, "%s", rpc->name);
    for (size_t i = 0; i < rpc->parameter_count && length < sizeof text; i++) {
        const sh_rpc_parameter_t *p = &rpc->parameters[i];
        if (p->value.kind == SH_TEXT)
            length += (size_t)snprintf (text + length, sizeof text - length, " %s=%s", p->name,
                                        p->value.as.text);
        else if (p->value.kind == SH_INT)
            length += (size_t)snprintf (text + length, sizeof text - length, " %s=%lld", p->name,
                                        (long long)p->value.as.integer);
        else
            length += (size_t)snprintf (text + length, sizeof text - length, " %s=NULL", p->name);
    }
    return scripted_play (session, text, true);
}

static inline void
scripted_cancel (void *session, sh_cancel_t why)
{
    (void)session;
    (void)why;
}

static inline void
scripted_clear (void *session)
{
    (void)session;
}

static inline scripted_t *
scripted_new (void)
{
    scripted_t *self = calloc (1, sizeof *self);
    char error[256];
    pthread_mutex_init (&self->lock, NULL);
    self->base = (sh_backend_t){.server_name = "SCRIPTED",
                                .open = scripted_open,
                                .run_batch = scripted_batch,
                                .run_rpc = scripted_rpc,
                                .cancel = scripted_cancel,
                                .clear_cancel = scripted_clear,
                                .close = free};
    sh_server_options_t options = {.listen = "127.0.0.1:0", .backend = &self->base};
    self->server = sh_server_start (&options, error, sizeof error);
    return self;
}

static inline void
scripted_add (scripted_t *self, scripted_line_t line)
{
    pthread_mutex_lock (&self->lock);
    if (self->count == SCRIPTED_LINES)
        abort ();
    self->lines[self->count++] = line;
    pthread_mutex_unlock (&self->lock);
}

/*  Plays a line so often from now on: 0 = always, -1 = never. */
static inline void
scripted_times (scripted_t *self, size_t line, int times)
{
    pthread_mutex_lock (&self->lock);
    self->lines[line].times = times;
    pthread_mutex_unlock (&self->lock);
}

static inline int
scripted_opened (scripted_t *self)
{
    pthread_mutex_lock (&self->lock);
    int opened = self->opened;
    pthread_mutex_unlock (&self->lock);
    return opened;
}

/*  How often a text stands in what was asked. */
static inline size_t
scripted_asked (scripted_t *self, const char *text)
{
    size_t count = 0;
    pthread_mutex_lock (&self->lock);
    for (const char *at = self->log; at && (at = strstr (at, text)); at++)
        count++;
    pthread_mutex_unlock (&self->lock);
    return count;
}

static inline bool
scripted_free (scripted_t *self)
{
    bool stopped = sh_server_stop (&self->server, 10000);
    free (self->log);
    pthread_mutex_destroy (&self->lock);
    free (self);
    return stopped;
}

#endif
