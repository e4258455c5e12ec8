/*  A session: login, requests, attention, end. The backend that the wire calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "rights.h"

void
sh_session_reset_settings (sh_session_t *self)
{
    self->set = (sh_settings_t){.quoted_identifier = true,
                                .ansi_nulls = true,
                                .ansi_warnings = true,
                                .arithabort = true,
                                .concat_null = true,
                                .isolation = SH_READ_COMMITTED,
                                .lock_timeout_ms = -1,
                                .textsize = 2147483647,
                                .datefirst = 7};
    sh_esession_set_lock_timeout (self->engine, -1);
    sh_esession_set_deadlock_priority (self->engine, 0);
}

void
sh_session_set_db (sh_session_t *self, int db_id)
{
    sh_db_info_t info;
    self->db_id = db_id;
    if (sh_db_get (self->instance, db_id, &info) == SH_OK)
        snprintf (self->db_name, sizeof self->db_name, "%s", info.name);
}

sh_status_t
sh_session_use (sh_session_t *self, const char *name, bool tell)
{
    sh_db_info_t info;
    if (sh_db_find (self->instance, name, &info) != SH_OK)
        return sh_error_set (
            self, 911, 16, 1,
            "Database '%s' does not exist. Make sure that the name is entered correctly.", name);
    sh_status_t status = sh_db_usable (self->engine, info.id, &self->error);
    if (status == SH_OK)
        status = sh_check_access (self, info.id);
    if (status != SH_OK)
        return status;
    char before[129];
    snprintf (before, sizeof before, "%s", self->db_name);
    self->db_id = info.id;
    snprintf (self->db_name, sizeof self->db_name, "%s", info.name);
    if (tell) {
        sh_esession_use (self->engine, info.id);
        if (!self->sink->env_database (self->sink, self->db_name, before))
            self->sink_gone = true;
        sh_error_t message = {.number = 5701, .severity = 10, .state = 1};
        snprintf (message.text, sizeof message.text, "Changed database context to '%s'.",
                  self->db_name);
        sh_out_message (self, &message, self->frame ? self->frame->statement_line : 1);
    }
    return SH_OK;
}

/*  Messages of the engine while it works: 3211, 4035, 3923, ... */
static void
s_on_message (void *arg, const sh_error_t *message)
{
    sh_session_t *self = arg;
    sh_out_message (self, message, self->frame ? self->frame->statement_line : 0);
    /*  A percentage is of use while it is new. */
    if (message->number == 3211 && !self->sink->flush (self->sink))
        self->sink_gone = true;
}

/*  Another thread's KILL: the socket goes, the rest follows from that. */
static void
s_on_kill (void *arg)
{
    sh_session_t *self = arg;
    self->sink->hang_up (self->sink);
}

static void s_refuse (sh_host_t *host, sh_sink_t *sink, int number, int severity,
                      const char *format, ...) __attribute__ ((format (printf, 5, 6)));

static void
s_refuse (sh_host_t *host, sh_sink_t *sink, int number, int severity, const char *format, ...)
{
    char text[512];
    va_list args;
    (void)host;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    sh_message_t message = {
        .number = number, .state = 1, .severity = (uint8_t)severity, .line = 1, .text = text};
    sink->message (sink, &message);
}

static void
s_free (sh_session_t *self)
{
    sh_rights_forget (self);
    sh_value_clear (&self->identity);
    sh_value_clear (&self->scope_identity);
    free (self->login);
    free (self->host);
    free (self->program);
    free (self->language);
    free (self);
}

static sh_session_t *
s_new (sh_host_t *host, sh_sink_t *sink, const sh_login_t *login, sh_esession_t *engine)
{
    sh_session_t *self = sh_alloc (sizeof *self);
    self->host_of = host;
    self->instance = host->instance;
    self->engine = engine;
    self->sink = sink;
    self->login = sh_strdup (sh_esession_login (engine));
    self->host = sh_strdup (login->host_name ? login->host_name : "");
    self->program = sh_strdup (login->app_name ? login->app_name : "");
    self->language = sh_strdup ("us_english");
    self->random = (uint64_t)sh_ticks_utc ();
    self->fetch_status = 0;
    sh_session_reset_settings (self);
    sh_esession_on_message (engine, s_on_message, self);
    sh_esession_on_kill (engine, s_on_kill, self);
    return self;
}

/*  4060 and the 18456 that follows it. */
static sh_open_t
s_no_database (sh_host_t *host, sh_sink_t *sink, const char *database, const char *user)
{
    s_refuse (host, sink, 4060, 11,
              "Cannot open database \"%.128s\" requested by the login. The login failed.",
              database);
    s_refuse (host, sink, 18456, 14, "Login failed for user '%.128s'.", user);
    return SH_OPEN_REFUSED;
}

static sh_open_t
s_enter (sh_session_t *self, const char *database, sh_opened_t *opened)
{
    sh_db_info_t info;
    if (sh_db_find (self->instance, database, &info) != SH_OK ||
        sh_db_usable (self->engine, info.id, &self->error) != SH_OK ||
        sh_check_access (self, info.id) != SH_OK)
        return s_no_database (self->host_of, self->sink, database, self->login);
    sh_session_set_db (self, info.id);
    snprintf (self->login_database, sizeof self->login_database, "%s", info.name);
    sh_esession_use (self->engine, info.id);
    opened->database = self->db_name;
    opened->language = self->language;
    opened->spid = (uint16_t)sh_esession_id (self->engine);
    return SH_OPEN_OK;
}

static sh_open_t
s_open (sh_backend_t *backend, const sh_login_t *login, sh_sink_t *sink, void **session,
        sh_opened_t *opened)
{
    sh_host_t *host = backend->instance;
    sh_login_info_t info;
    sh_error_t error = {0};
    if (sh_fault_get (host->instance, SH_FAULT_REFUSE_LOGIN) ||
        !sh_login_check (host->instance, login->user, login->password, &info)) {
        s_refuse (host, sink, 18456, 14, "Login failed for user '%.128s'.", login->user);
        return SH_OPEN_REFUSED;
    }
    sh_session_options_t options = {.login_name = info.name,
                                    .host_name = login->host_name,
                                    .program_name = login->app_name,
                                    .client_interface = login->library,
                                    .client_address = login->client_address,
                                    .encrypted = login->encrypted,
                                    .client_pid = login->client_pid};
    sh_esession_t *engine = NULL;
    if (sh_esession_open (host->instance, &options, &engine, &error) != SH_OK) {
        s_refuse (host, sink, error.number ? error.number : 17809, 20, "%s", error.text);
        return SH_OPEN_REFUSED;
    }
    sh_session_t *self = s_new (host, sink, login, engine);
    self->sysadmin = info.sysadmin;
    const char *database = login->database && *login->database ? login->database
                           : *info.default_database            ? info.default_database
                                                               : "master";
    sh_open_t result = s_enter (self, database, opened);
    sh_rights_forget (self);
    if (result == SH_OPEN_OK)
        *session = self;
    else {
        sh_esession_close (&self->engine);
        s_free (self);
    }
    return result;
}

static void
s_cancel (void *session, sh_cancel_t why)
{
    sh_session_t *self = session;
    if (why == SH_CANCEL_ATTENTION)
        sh_esession_cancel (self->engine);
    else
        sh_esession_kill (self->engine);
}

static void
s_clear_cancel (void *session)
{
    sh_session_t *self = session;
    sh_esession_cancel_clear (self->engine);
}

static void
s_close (void *session)
{
    sh_session_t *self = session;
    /*  The client is gone: nothing may be sent any more. */
    sh_esession_on_kill (self->engine, NULL, NULL);
    sh_esession_on_message (self->engine, NULL, NULL);
    sh_txn_rollback (self->engine);
    sh_cursors_free (self, NULL);
    sh_prepared_free (self);
    sh_temp_drop (self, NULL);
    sh_processors_close (self);
    sh_scripts_free (self);
    sh_esession_close (&self->engine);
    s_free (self);
}

static sh_run_t
s_reset (void *session, bool keep_transaction)
{
    sh_session_t *self = session;
    sh_esession_request (self->engine, "RESET", NULL,
                         0); /* nobody else ends its branch meanwhile */
    if (!keep_transaction)
        sh_rollback_all (self);
    sh_cursors_free (self, NULL);
    sh_prepared_free (self);
    sh_temp_drop (self, NULL);
    sh_session_reset_settings (self);
    sh_esession_set_context_info (self->engine, NULL, 0);
    self->last_error = 0;
    self->last_rowcount = 0;
    if (strcmp (self->db_name, self->login_database) != 0)
        sh_session_use (self, self->login_database,
                        true); /* gone meanwhile: it stays where it is */
    sh_esession_request (self->engine, NULL, NULL, 0);
    return SH_RUN_DONE;
}

sh_host_t *
sh_host_new (sh_instance_t *instance, const sh_builtin_t *builtins, const sh_sysview_t *views,
             const sh_table_function_t *functions)
{
    sh_host_t *self = sh_alloc (sizeof *self);
    self->instance = instance;
    self->builtins = builtins;
    self->views = views;
    self->functions = functions;
    self->backend = (sh_backend_t){.instance = self,
                                   .server_name = sh_instance_name (instance),
                                   .open = s_open,
                                   .run_batch = sh_request_batch,
                                   .run_rpc = sh_request_rpc,
                                   .reset = s_reset,
                                   .cancel = s_cancel,
                                   .clear_cancel = s_clear_cancel,
                                   .close = s_close};
    return self;
}

void
sh_host_destroy (sh_host_t **self_p)
{
    free (*self_p);
    *self_p = NULL;
}
