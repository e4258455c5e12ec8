#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/sql_internal.h"

#define S_LOGIN_TIMEOUT_S 10
/*  How long an interrupt nudges; afterwards db-lib's own look at it, once a second, is left. */
#define S_NUDGE_MS 5
#define S_NUDGES   20
/*  dbresults may fail for one statement after another of a batch; a batch with more failures than this ... is given up. */
#define S_FAILURES 10000
/*  Wakes a session's thread out of db-lib's poll. By default ignored, used by nothing else here. */
#define S_SIGNAL SIGURG

int64_t bm_sql_attention_ms = 15000;

struct bm_sql {
    DBPROCESS *process;
    char *server;
    char *user; /* in words for people with Kerberos */
    bool encrypted;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t owner; /* under lock, as the next three */
    bool running;
    bool wanted; /* an interrupt */
    bool served; /* the owner has seen it */

    /*  Of the session's own thread, for the running request. */
    int64_t deadline_ms;  /* 0 = none */
    int64_t attention_ms; /* when it was sent; 0 = not */
    bool stopped;         /* by an interrupt, and not by the deadline */
    bool login_timed_out;
    bool fatal; /* a message of severity 20 or more: the server ends the connection */
    bm_sql_messages_t *messages;
    const bm_sql_query_t *query;
    char *client_error; /* the first of db-lib's own */
};

/*  While dbopen runs, db-lib does not know the session yet. */
static _Thread_local bm_sql_t *s_opening;
static pthread_mutex_t s_login_lock = PTHREAD_MUTEX_INITIALIZER;

/*  ---- db-lib's handlers; they run in the session's own thread ---- */

static bm_sql_t *
s_session (DBPROCESS *process)
{
    bm_sql_t *self = process ? (bm_sql_t *)(void *)dbgetuserdata (process) : NULL;
    return self ? self : s_opening;
}

static bool
s_is_wanted (bm_sql_t *self)
{
    pthread_mutex_lock (&self->lock);
    bool wanted = self->wanted && !self->served;
    pthread_mutex_unlock (&self->lock);
    return wanted;
}

static bool
s_is_late (const bm_sql_t *self)
{
    return self->deadline_ms && bm_clock_mono_ms () >= self->deadline_ms;
}

/*  Notes that the attention goes out now, and tells the thread that asked for it. */
static void
s_serve (bm_sql_t *self)
{
    self->stopped = s_is_wanted (self);
    self->attention_ms = bm_clock_mono_ms ();
    pthread_mutex_lock (&self->lock);
    self->served = true;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->lock);
}

static int
s_on_message (DBPROCESS *process, DBINT number, int state, int severity, char *text, char *server,
              char *procedure, int line)
{
    (void)server;
    bm_sql_t *self = s_session (process);
    if (!self || !self->messages)
        return 0;
    self->fatal |= severity >= 20;
    bm_sql_message_t message = {number, severity, state, line, procedure, text};
    bm_sql_messages_add (self->messages, &message);
    if (self->query && self->query->on_message)
        self->query->on_message (self->query->argument,
                                 &self->messages->items[self->messages->count - 1]);
    return 0;
}

/*  The wait is over: either by our own deadline or interrupt (an attention goes out and the connection lives:
 *  INT_TIMEOUT), or because no answer came to the attention (INT_CANCEL gives the connection up). */
static int
s_on_wait (bm_sql_t *self)
{
    if (!self->process) {
        self->login_timed_out = true;
        return INT_CANCEL;
    }
    if (!self->attention_ms) {
        if (!s_is_wanted (self) && !s_is_late (self))
            return INT_CONTINUE;
        s_serve (self);
        return INT_TIMEOUT;
    }
    return bm_clock_mono_ms () - self->attention_ms >= bm_sql_attention_ms ? INT_CANCEL
                                                                           : INT_CONTINUE;
}

/*  Never returns 0 (INT_EXIT: the library would end the process). */
static int
s_on_error (DBPROCESS *process, int severity, int number, int os_number, char *text, char *os_text)
{
    (void)severity;
    bm_sql_t *self = s_session (process);
    if (!self)
        return INT_CANCEL;
    if (number == SYBETIME)
        return s_on_wait (self);
    if (number != SYBESMSG && !self->client_error)
        self->client_error = os_number > 0 && os_text && *os_text
                                 ? bm_format ("%s (%s)", text, os_text)
                                 : bm_strdup (text ? text : "");
    return INT_CANCEL;
}

/*  Asked by db-lib once a second while it waits, and each time a signal ends its poll. */
static int
s_check (void *process)
{
    bm_sql_t *self = s_session (process);
    if (!self)
        return 0;
    if (self->attention_ms)
        return bm_clock_mono_ms () - self->attention_ms >= bm_sql_attention_ms;
    return s_is_wanted (self) || s_is_late (self);
}

static int
s_handle (void *process)
{
    (void)process;
    return INT_CANCEL; /* ends the wait: SYBETIME follows, and s_on_wait decides */
}

static void
s_on_signal (int number)
{
    (void)number; /* only there to end a poll */
}

/*  FreeTDS opens converters with every connection; glibc then loads their code. Loaded here, before there are threads, and
 *  kept, it is loaded once and not again and again under them. */
static iconv_t s_converters[2] = {(iconv_t)-1, (iconv_t)-1};

static void
s_load_converters (void)
{
    static const char *const names[] = {"ISO-8859-1", "CP1252"};
    for (size_t i = 0; i < 2; i++)
        if (s_converters[i] == (iconv_t)-1)
            s_converters[i] = iconv_open ("UTF-8", names[i]);
}

static void
s_unload_converters (void)
{
    for (size_t i = 0; i < 2; i++) {
        if (s_converters[i] != (iconv_t)-1)
            iconv_close (s_converters[i]);
        s_converters[i] = (iconv_t)-1;
    }
}

bm_status_t
bm_sql_init (bm_error_t *error)
{
    struct sigaction action = {.sa_handler = s_on_signal};
    sigemptyset (&action.sa_mask);
    if (bm_sql_conf_init (error))
        return BM_IO;
    if (sigaction (S_SIGNAL, &action, NULL) != 0 || dbinit () != SUCCEED)
        return bm_fail (error, BM_NO_MEMORY, "FreeTDS cannot be initialised");
    dberrhandle (s_on_error);
    dbmsghandle (s_on_message);
    dbsetlogintime (S_LOGIN_TIMEOUT_S);
    s_load_converters ();
    return BM_OK;
}

void
bm_sql_exit (void)
{
    dbexit ();
    bm_sql_conf_exit ();
    s_unload_converters ();
}

/*  ---- opening and closing ---- */

static bm_sql_t *
s_new (const bm_sql_login_t *login)
{
    bm_sql_t *self = bm_alloc (sizeof *self);
    self->server = bm_strdup (login->server);
    self->user = bm_strdup (login->access.kerberos ? "(Kerberos)" : login->user);
    pthread_mutex_init (&self->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->changed, &attributes);
    pthread_condattr_destroy (&attributes);
    return self;
}

void
bm_sql_close (bm_sql_t **self_p)
{
    bm_sql_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    bm_require (!self->running);
    if (self->process)
        dbclose (self->process);
    pthread_cond_destroy (&self->changed);
    pthread_mutex_destroy (&self->lock);
    free (self->client_error);
    free (self->server);
    free (self->user);
    free (self);
}

static LOGINREC *
s_login (const bm_sql_login_t *login)
{
    LOGINREC *record = dblogin ();
    bm_require (record != NULL);
    char host[64] = "";
    gethostname (host, sizeof host - 1);
    /*  Without a user FreeTDS asks GSSAPI for a ticket of this account. */
    DBSETLUSER (record, login->access.kerberos ? "" : login->user);
    DBSETLPWD (record, login->password ? bm_secret_reveal (login->password) : "");
    if (login->access.kerberos)
        DBSETLNETWORKAUTH (record, 1);
    if (login->access.kerberos && login->access.principal)
        DBSETLSERVERPRINCIPAL (record, login->access.principal);
    DBSETLAPP (record, login->program ? login->program : "btsmark");
    DBSETLHOST (record, host);
    DBSETLCHARSET (record, "UTF-8");
    DBSETLVERSION (record, DBVERSION_74);
    if (login->database)
        DBSETLDBNAME (record, login->database);
    return record;
}

static void
s_kerberos_remedy (const bm_sql_login_t *login, const bm_sql_address_t *address, bm_error_t *error)
{
    char *principal = login->access.principal
                          ? bm_strdup (login->access.principal)
                          : bm_format ("MSSQLSvc/%s:%s", address->host,
                                       *address->instance ? address->instance : address->port);
    bm_error_remedy (error,
                     "get a ticket for the account that runs this program (kinit, klist), and see "
                     "that the service principal %s is registered for SQL Server's account (setspn "
                     "-L); service-principal names another",
                     principal);
    free (principal);
}

/*  Why there is no session. */
static bm_status_t
s_login_failed (const bm_sql_t *self, const bm_sql_login_t *login, const bm_sql_address_t *address,
                const bm_sql_messages_t *messages, bm_error_t *error)
{
    const bm_sql_message_t *cause = bm_sql_messages_cause (messages);
    const char *client = self->client_error ? self->client_error : "the connection ended";
    if (cause) {
        bm_fail (error, BM_SQL_LOGIN, "SQL Server %s refuses login %s: %d: %s", self->server,
                 self->user, cause->number, cause->text);
        if (login->access.kerberos && error)
            s_kerberos_remedy (login, address, error);
        return BM_SQL_LOGIN;
    }
    if (self->login_timed_out)
        return bm_fail (error, BM_SQL_TIMEOUT,
                        "SQL Server %s did not answer the login of %s in time", self->server,
                        self->user);
    return bm_fail (error, BM_UNREACHABLE, "SQL Server %s cannot be reached: %s", self->server,
                    client);
}

/*  The server can be reached and its certificate is good, and yet there was no login: with Kerberos that is the ticket,
 *  which FreeTDS looks for before it sends anything of the login. */
static bm_status_t
s_no_ticket (const bm_sql_t *self, const bm_sql_login_t *login, const bm_sql_address_t *address,
             bm_error_t *error)
{
    bm_fail (error, BM_SQL_LOGIN,
             "SQL Server %s: no login by Kerberos: there is no ticket that can be used (%s)",
             self->server, self->client_error ? self->client_error : "no reason was given");
    if (error)
        s_kerberos_remedy (login, address, error);
    return BM_SQL_LOGIN;
}

static int
s_login_timeout (const bm_sql_login_t *login)
{
    return login->login_timeout_s > 0 ? login->login_timeout_s : S_LOGIN_TIMEOUT_S;
}

/*  db-lib knows one login time-out for the whole process. */
static void
s_set_login_timeout (const bm_sql_login_t *login)
{
    pthread_mutex_lock (&s_login_lock);
    dbsetlogintime (s_login_timeout (login));
    pthread_mutex_unlock (&s_login_lock);
}

/*  What an administrator's own session has: db-lib leaves these off. */
static const char s_settings[] =
    "SET QUOTED_IDENTIFIER ON; SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; "
    "SET CONCAT_NULL_YIELDS_NULL ON; SET TEXTSIZE 2147483647";

/*  One attempt by a section of FreeTDS's configuration. */
static bool
s_dbopen (bm_sql_t *self, const bm_sql_login_t *login, const char *section,
          bm_sql_messages_t *messages)
{
    LOGINREC *record = s_login (login);
    s_set_login_timeout (login);
    free (self->client_error);
    self->client_error = NULL;
    self->messages = messages;
    s_opening = self;
    self->process = dbopen (record, section);
    s_opening = NULL;
    self->messages = NULL;
    dbloginfree (record);
    /*  FreeTDS calls the server by the section's name, which means nothing to anybody. */
    char *name = self->client_error ? strstr (self->client_error, section) : NULL;
    if (name) {
        char *text = bm_format ("%.*s%s%s", (int)(name - self->client_error), self->client_error,
                                self->server, name + strlen (section));
        free (self->client_error);
        self->client_error = text;
    }
    return self->process != NULL;
}

/*  FreeTDS failed without a word of the server: the probe finds out why. A certificate that was renewed is pinned anew, and
 *  a server without encryption is taken as it is when encryption is only a request: then there is one more attempt. */
static bm_status_t
s_find_out (bm_sql_t *self, const bm_sql_login_t *login, const bm_sql_address_t *address,
            bm_sql_messages_t *messages, bm_error_t *error)
{
    bm_sql_access_t plain = login->access;
    bool offered = false;
    char *pin = NULL;
    const char *section = NULL;
    bm_error_t why = {0};
    bm_status_t status = bm_sql_probe (login->server, address, &login->access,
                                       s_login_timeout (login), &offered, &pin, &why);
    plain.encrypt = BM_SQL_ENCRYPT_OFF;
    if (status == BM_SQL_TLS && login->access.encrypt == BM_SQL_ENCRYPT_OFF)
        status = BM_OK; /* nobody asked */
    if (status == BM_SQL_TLS && !offered && login->access.encrypt == BM_SQL_ENCRYPT_REQUEST)
        section = bm_sql_conf_section (login->server, address, &plain, NULL);
    else if (!status && bm_sql_access_pins (&login->access, address))
        section = bm_sql_conf_section (login->server, address, &login->access, pin);
    free (pin);
    if (section && s_dbopen (self, login, section, messages)) {
        self->encrypted = !status;
        return BM_OK;
    }
    if (section || !status)
        return login->access.kerberos && messages->count == 0 && !self->login_timed_out
                   ? s_no_ticket (self, login, address, error)
                   : s_login_failed (self, login, address, messages, error);
    if (error)
        *error = why;
    return status;
}

static bm_status_t
s_connect (bm_sql_t *self, const bm_sql_login_t *login, bm_sql_messages_t *messages,
           bm_error_t *error)
{
    bm_sql_address_t address;
    const bm_sql_access_t *access = &login->access;
    if (!bm_sql_address_parse (login->server, &address))
        return bm_fail (
            error, BM_CONFIG,
            "\"%s\" is no SQL Server: write host:port, host,port, host or host\\instance",
            login->server);
    const char *section = bm_sql_conf_section (login->server, &address, access, NULL);
    int64_t before_ms = bm_clock_mono_ms ();
    if (section && s_dbopen (self, login, section, messages)) {
        self->encrypted = access->encrypt != BM_SQL_ENCRYPT_OFF;
        return BM_OK;
    }
    /*  The port of a named instance is known to FreeTDS alone. */
    bool asks = access->encrypt != BM_SQL_ENCRYPT_OFF || access->kerberos;
    /*  A host that swallows every packet would keep the probe waiting as long again. */
    bool late = bm_clock_mono_ms () - before_ms >= s_login_timeout (login) * 750;
    if (messages->count == 0 && !self->login_timed_out && asks && !*address.instance && !late)
        return s_find_out (self, login, &address, messages, error);
    return s_login_failed (self, login, &address, messages, error);
}

bm_sql_t *
bm_sql_open (const bm_sql_login_t *login, bm_error_t *error)
{
    bm_sql_t *self = s_new (login);
    bm_sql_messages_t messages = {0};
    bm_status_t status = s_connect (self, login, &messages, error);
    if (!status) {
        dbsetuserdata (self->process, (BYTE *)self);
        dbsetinterrupt (self->process, s_check, s_handle);
        status = bm_sql_exec (self, s_settings, NULL, error);
    }
    if (status)
        bm_sql_close (&self);
    bm_sql_messages_clear (&messages);
    return self;
}

bool
bm_sql_encrypted (const bm_sql_t *self)
{
    return self->encrypted;
}

/*  A server that was restarted has closed a session that was idle: its socket says so without being asked. With TLS the
 *  end of the encryption (an alert, content type 21) may stand before the end of the stream. */
static bool
s_hung_up (const bm_sql_t *self)
{
    char byte = 0;
    ssize_t got = recv (dbiordesc (self->process), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got == 1 && byte == 21) ||
           (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool
bm_sql_alive (const bm_sql_t *self)
{
    return self->process && !self->fatal && !dbdead (self->process) && !s_hung_up (self);
}

const char *
bm_sql_server (const bm_sql_t *self)
{
    return self->server;
}

/*  ---- a request ---- */

static void
s_begin (bm_sql_t *self, const bm_sql_query_t *query, bm_sql_result_t *result)
{
    free (self->client_error);
    self->client_error = NULL;
    self->attention_ms = 0;
    self->stopped = false;
    self->query = query;
    self->messages = &result->messages;
    int64_t seconds = (query->timeout_ms + 999) / 1000;
    self->deadline_ms = query->timeout_ms > 0 ? bm_clock_mono_ms () + seconds * 1000 : 0;
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, S_SIGNAL);
    pthread_sigmask (SIG_UNBLOCK, &set, NULL);
    pthread_mutex_lock (&self->lock);
    bm_require (!self->running);
    self->owner = pthread_self ();
    self->running = true;
    self->wanted = false;
    self->served = false;
    pthread_mutex_unlock (&self->lock);
}

static void
s_end (bm_sql_t *self)
{
    pthread_mutex_lock (&self->lock);
    self->running = false;
    self->wanted = false;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->lock);
    self->messages = NULL;
    self->query = NULL;
}

/*  Between two reads we look ourselves. True: the request is to end; the attention was sent and answered. */
static bool
s_ends (bm_sql_t *self)
{
    if (!self->attention_ms) {
        if (!s_is_wanted (self) && !s_is_late (self))
            return false;
        s_serve (self);
    }
    if (!dbdead (self->process))
        dbcancel (self->process);
    return true;
}

static void
s_read_row (bm_sql_t *self, bm_sql_set_t *set, char **values)
{
    for (size_t i = 0; i < set->column_count; i++) {
        int column = (int)i + 1;
        values[i] =
            bm_sql_value_text (self->process, dbcoltype (self->process, column),
                               dbdata (self->process, column), dbdatlen (self->process, column));
    }
    bm_sql_set_add_row (set, values);
}

static void
s_read_rows (bm_sql_t *self, bm_sql_result_t *result)
{
    bm_sql_set_t *set = bm_sql_result_add_set (result, self->process);
    char **values = bm_alloc (set->column_count * sizeof *values);
    STATUS row;
    while (!s_ends (self) && (row = dbnextrow (self->process)) != NO_MORE_ROWS && row != FAIL)
        if (row == REG_ROW) /* COMPUTE rows are not asked for */
            s_read_row (self, set, values);
    free (values);
}

static void
s_read_return (bm_sql_t *self, bm_sql_result_t *result)
{
    if (!dbhasretstat (self->process))
        return;
    result->has_return = true;
    result->return_status = dbretstatus (self->process);
}

static void
s_read_outputs (bm_sql_t *self, bm_sql_result_t *result)
{
    int count = dbnumrets (self->process);
    for (int i = 1; i <= count; i++) {
        const char *name = dbretname (self->process, i);
        char *value = bm_sql_value_text (self->process, dbrettype (self->process, i),
                                         dbretdata (self->process, i), dbretlen (self->process, i));
        bm_sql_result_add_output (result, name ? name : "", value);
    }
}

/*  To the last result set: a statement that failed is not the end of its batch, and what is left unread makes the
 *  server abort a BACKUP (3204). */
static void
s_drain (bm_sql_t *self, bm_sql_result_t *result)
{
    dbsqlok (self->process);
    RETCODE code = SUCCEED;
    int failures = 0;
    while (!dbdead (self->process) && !s_ends (self) &&
           (code = dbresults (self->process)) != NO_MORE_RESULTS) {
        if (code == SUCCEED && dbnumcols (self->process) > 0)
            s_read_rows (self, result);
        if (code == SUCCEED)
            s_read_return (self, result);
        if (code == FAIL && ++failures > S_FAILURES)
            dbcancel (self->process);
    }
    if (dbdead (self->process) || self->attention_ms)
        return;
    s_read_return (self, result);
    s_read_outputs (self, result);
}

static bm_status_t
s_judge (bm_sql_t *self, const bm_sql_result_t *result, bool sent, bm_error_t *error)
{
    const bm_sql_message_t *cause = bm_sql_result_cause (result);
    const char *client = self->client_error ? self->client_error : "no reason was given";
    if (self->attention_ms && self->stopped)
        return bm_fail (error, BM_STOPPED, "%s: the batch was interrupted%s", self->server,
                        dbdead (self->process) ? " and the connection ended" : "");
    if (self->attention_ms)
        return bm_fail (error, BM_SQL_TIMEOUT, "%s: no answer within %lld s%s", self->server,
                        (long long)(self->query->timeout_ms + 999) / 1000,
                        dbdead (self->process) ? "; the connection was given up" : "");
    if (self->fatal ||
        dbdead (self->process)) /* a close after the last answer takes nothing back */
        return bm_fail (error, BM_SQL_LOST, "the connection to %s was lost: %s%s%s", self->server,
                        client, cause ? "; last message: " : "", cause ? cause->text : "");
    if (cause && *cause->procedure)
        return bm_fail (error, BM_SQL_FAILED, "%d (severity %d, state %d, %s line %d): %s",
                        cause->number, cause->severity, cause->state, cause->procedure, cause->line,
                        cause->text);
    if (cause)
        return bm_fail (error, BM_SQL_FAILED, "%d (severity %d, state %d, line %d): %s",
                        cause->number, cause->severity, cause->state, cause->line, cause->text);
    if (!sent)
        return bm_fail (error, BM_SQL_FAILED, "%s: the statement could not be sent: %s",
                        self->server, client);
    return BM_OK;
}

bm_status_t
bm_sql_run (bm_sql_t *self, const bm_sql_query_t *query, bm_sql_result_t **result_p,
            bm_error_t *error)
{
    if (result_p)
        *result_p = NULL;
    if (!bm_sql_alive (self))
        return bm_fail (error, BM_SQL_LOST, "the connection to %s was lost", self->server);
    bm_sql_result_t *result = bm_sql_result_new ();
    s_begin (self, query, result);
    bool sent = bm_sql_query_send (query, self->process) == SUCCEED;
    if (sent)
        s_drain (self, result);
    else if (!dbdead (self->process))
        dbcancel (self->process);
    if (query->is_call && !bm_sql_query_is_rpc (query))
        bm_sql_result_take_outputs (result);
    bm_status_t status = s_judge (self, result, sent, error);
    s_end (self);
    if (result_p)
        *result_p = result;
    else
        bm_sql_result_destroy (&result);
    return status;
}

bm_status_t
bm_sql_exec (bm_sql_t *self, const char *batch, bm_sql_result_t **result_p, bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_status_t status = bm_sql_run (self, query, result_p, error);
    bm_sql_query_destroy (&query);
    return status;
}

/*  The owner alone talks to db-lib. It sits in a poll; the signal ends that poll, db-lib asks s_check, and the owner
 *  itself sends the attention. A signal that comes just before the poll is lost, so it is repeated until the owner has
 *  answered. The lock keeps the owner inside bm_sql_run, so that its thread exists. */
void
bm_sql_interrupt (bm_sql_t *self)
{
    pthread_mutex_lock (&self->lock);
    bool ask = self->running && !self->wanted;
    if (ask)
        self->wanted = true;
    bool nudge = ask && !pthread_equal (self->owner, pthread_self ());
    for (int i = 0; nudge && i < S_NUDGES && self->running && !self->served; i++) {
        pthread_kill (self->owner, S_SIGNAL);
        struct timespec until;
        clock_gettime (CLOCK_MONOTONIC, &until);
        until.tv_nsec += S_NUDGE_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait (&self->changed, &self->lock, &until);
    }
    pthread_mutex_unlock (&self->lock);
}
