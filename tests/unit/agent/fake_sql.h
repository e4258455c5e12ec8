/*  tests/unit/agent/fake_sql.h
 *  A scripted SQL Server behind a real TDS wire: it knows the batches that the agent sends by a word in each, does what the
 *  test switched on, and counts. What SQL Server itself does with them is tested against sqlhost.
 */
#ifndef BM_FAKE_SQL_H
#define BM_FAKE_SQL_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sqlhost/tds/server.h"

typedef struct fake_sql fake_sql_t;

typedef struct {
    fake_sql_t *fake;
    sh_sink_t *sink;
    int spid;
    bool cancel;      /* under fake->lock */
    bool transaction; /* open */
    char program[256];
} fake_session_t;

/*  True: the script answered this batch or call (*run says how it ended). */
typedef bool (fake_script_fn) (fake_session_t *session, const char *text, const sh_rpc_t *rpc,
                               sh_run_t *run);

struct fake_sql {
    sh_backend_t base;
    sh_server_t *server;
    fake_script_fn *script; /* asked first; may be NULL */
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int spids;
    /*  Knobs. */
    bool hold_commit;  /* COMMIT blocks until it is switched off */
    bool hold_backup;  /* BACKUP blocks until it is switched off, or cancelled */
    bool no_row;       /* msdb never has the backup */
    bool expire_fence; /* 'expired' comes at once */
    bool mute;         /* it does not say its name */
    bool deaf;         /* attention is not heard while a BACKUP is held; KILL ends it */
    bool hold_sample;  /* the sample's views block until it is switched off, or cancelled */
    bool no_right;     /* the login may not read them */
    int in_flight;     /* so many further readings list a branch */
    int branches_done; /* prepares and commits counted so far */
    /*  Counters, for fake_wait. */
    int sessions, fenced, marks, commits, rollbacks, backups, attentions, kills, open_marks;
    int samples;
    bool killed;
    char last_backup[600]; /* location */
    char last_type;
};

static inline void
fake_count (fake_sql_t *self, int *counter, int by)
{
    pthread_mutex_lock (&self->lock);
    *counter += by;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->lock);
}

static inline void
fake_set (fake_sql_t *self, bool *knob, bool value)
{
    pthread_mutex_lock (&self->lock);
    *knob = value;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->lock);
}

/*  Waits up to 20 s until a counter has reached `least`. */
static inline bool
fake_wait (fake_sql_t *self, const int *counter, int least)
{
    struct timespec until;
    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock (&self->lock);
    int rc = 0;
    while (*counter < least && rc == 0)
        rc = pthread_cond_timedwait (&self->changed, &self->lock, &until);
    bool reached = *counter >= least;
    pthread_mutex_unlock (&self->lock);
    return reached;
}

/*  The same for a counter that falls: a server sees the end of a session a little later than its client. */
static inline bool
fake_wait_none (fake_sql_t *self, const int *counter)
{
    struct timespec until;
    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock (&self->lock);
    int rc = 0;
    while (*counter > 0 && rc == 0)
        rc = pthread_cond_timedwait (&self->changed, &self->lock, &until);
    bool none = *counter <= 0;
    pthread_mutex_unlock (&self->lock);
    return none;
}

static inline int
fake_read (fake_sql_t *self, const int *counter)
{
    pthread_mutex_lock (&self->lock);
    int value = *counter;
    pthread_mutex_unlock (&self->lock);
    return value;
}

/*  ---- answers ---- */

static inline void
fake_say (fake_session_t *session, int number, int severity, int state, const char *text)
{
    sh_message_t message = {.number = number,
                            .severity = (uint8_t)severity,
                            .state = (uint8_t)state,
                            .line = 1,
                            .text = text};
    session->sink->message (session->sink, &message);
    session->sink->flush (session->sink);
}

#define FAKE_COLUMNS 24

/*  One result set: "a,b,c", then rows of as many texts, NULL texts as SQL NULL. */
static inline void
fake_rows (fake_session_t *session, const char *columns, size_t rows, const char *const *values)
{
    sh_sink_column_t list[FAKE_COLUMNS];
    char names[512];
    size_t count = 0;
    snprintf (names, sizeof names, "%s", columns);
    for (char *rest = names, *name; (name = strsep (&rest, ",")) && count < FAKE_COLUMNS;)
        list[count++] = (sh_sink_column_t){
            .name = name, .type = sh_type_make (SH_TYPE_NVARCHAR, 400), .nullable = true};
    session->sink->columns (session->sink, list, count);
    for (size_t row = 0; row < rows; row++) {
        sh_value_t cells[FAKE_COLUMNS];
        for (size_t i = 0; i < count; i++) {
            const char *value = values[row * count + i];
            cells[i] = value ? sh_value_text (value) : sh_value_null ();
        }
        session->sink->row (session->sink, cells, count);
    }
    session->sink->done (session->sink, SH_DONE_COUNT, SH_COMMAND_SELECT, (int64_t)rows);
}

static inline void
fake_one (fake_session_t *session, const char *column, int64_t number)
{
    char text[24];
    snprintf (text, sizeof text, "%lld", (long long)number);
    fake_rows (session, column, 1, (const char *[]){text});
}

/*  Blocks while *knob holds; CANCELLED when the session is cancelled. */
static inline sh_run_t
fake_hold (fake_session_t *session, const bool *knob, const bool *deaf)
{
    fake_sql_t *fake = session->fake;
    pthread_mutex_lock (&fake->lock);
    while (*knob && !(session->cancel && !(deaf && *deaf)) && !fake->killed)
        pthread_cond_wait (&fake->changed, &fake->lock);
    bool cancelled = session->cancel, killed = fake->killed && *knob;
    pthread_mutex_unlock (&fake->lock);
    return killed ? SH_RUN_DROP : cancelled ? SH_RUN_CANCELLED : SH_RUN_DONE;
}

/*  ---- what the agent sends ---- */

static inline sh_run_t
fake_fence (fake_session_t *session)
{
    fake_sql_t *fake = session->fake;
    static const bool for_ever = true;
    char text[48];
    snprintf (text, sizeof text, "fenced %d", 7000 + session->spid);
    session->transaction = true;
    fake_count (fake, &fake->fenced, 1);
    fake_say (session, 50000, 0, 1, text);
    pthread_mutex_lock (&fake->lock);
    bool expires = fake->expire_fence;
    pthread_mutex_unlock (&fake->lock);
    if (expires) {
        fake_say (session, 50000, 0, 1, "expired");
        session->transaction = false;
        return SH_RUN_DONE;
    }
    sh_run_t run = fake_hold (session, &for_ever, NULL);
    session->transaction = false;
    return run;
}

static inline sh_run_t
fake_mark (fake_session_t *session)
{
    session->transaction = true;
    fake_one (session, "bm_transaction_id", 9000 + session->spid);
    fake_count (session->fake, &session->fake->open_marks, 1);
    fake_count (session->fake, &session->fake->marks, 1);
    return SH_RUN_DONE;
}

static inline void
fake_counts (fake_session_t *session)
{
    char done[16];
    snprintf (done, sizeof done, "%d", fake_read (session->fake, &session->fake->branches_done));
    fake_rows (session, "bm_wait,bm_count", 2,
               (const char *[]){"PREEMPTIVE_DTC_COMMITREQUESTDONE", done,
                                "PREEMPTIVE_DTC_PREPAREREQUESTDONE", done});
}

static inline void
fake_list (fake_session_t *session)
{
    fake_sql_t *fake = session->fake;
    pthread_mutex_lock (&fake->lock);
    bool listed = fake->in_flight > 0;
    fake->in_flight -= listed;
    pthread_mutex_unlock (&fake->lock);
    /*  Beside it one that is active only. */
    fake_rows (session, "bm_branch,bm_uow,bm_state,bm_database_state,bm_database", listed ? 3 : 1,
               (const char *[]){"811", "0D5E6A5C-0000-0000-0000-000000000811", "2", "4", "X", "812",
                                "0D5E6A5C-0000-0000-0000-000000000812", "5", "5", "X", "812",
                                "0D5E6A5C-0000-0000-0000-000000000812", "5", "4", "Y"});
}

/*  The reads of a sample in the order in which the batch has them. */
static inline sh_run_t
fake_sample (fake_session_t *session, const char *text)
{
    fake_sql_t *fake = session->fake;
    const char *counts = strstr (text, "dm_os_wait_stats");
    const char *list = strstr (text, "dm_tran_active_transactions");
    fake_count (fake, &fake->samples, 1);
    sh_run_t run = fake_hold (session, &fake->hold_sample, NULL);
    if (run != SH_RUN_DONE)
        return run;
    pthread_mutex_lock (&fake->lock);
    bool denied = fake->no_right;
    pthread_mutex_unlock (&fake->lock);
    if (denied) {
        fake_say (session, 300, 14, 1,
                  "VIEW SERVER STATE permission was denied on object 'server', database 'master'.");
        return SH_RUN_DONE;
    }
    if (counts && counts < list)
        fake_counts (session);
    fake_list (session);
    if (counts && counts > list)
        fake_counts (session);
    return SH_RUN_DONE;
}

static inline sh_run_t
fake_commit (fake_session_t *session, const char *text)
{
    fake_sql_t *fake = session->fake;
    char mine[24];
    snprintf (mine, sizeof mine, "<> %d\n", 9000 + session->spid);
    if (!session->transaction || !strstr (text, mine)) {
        fake_say (session, 50000, 16, 61, "this session does not hold the transaction of the mark");
        return SH_RUN_DONE;
    }
    fake_count (fake, &fake->commits, 1);
    sh_run_t run = fake_hold (session, &fake->hold_commit, NULL);
    session->transaction = false;
    fake_count (fake, &fake->open_marks, -1);
    if (run == SH_RUN_DONE)
        fake_rows (session, "bm_error,bm_left", 1, (const char *[]){"0", "0"});
    if (run == SH_RUN_DONE && strstr (text, "bm_wait"))
        run = fake_sample (session, text);
    return run;
}

static inline sh_run_t
fake_rollback (fake_session_t *session)
{
    if (session->transaction) {
        session->transaction = false;
        fake_count (session->fake, &session->fake->open_marks, -1);
        fake_count (session->fake, &session->fake->rollbacks, 1);
    }
    return SH_RUN_DONE;
}

static inline const char *
fake_parameter (const sh_rpc_t *rpc, const char *name)
{
    for (size_t i = 0; i < rpc->parameter_count; i++)
        if (strcmp (rpc->parameters[i].name, name) == 0 && rpc->parameters[i].value.kind == SH_TEXT)
            return rpc->parameters[i].value.as.text;
    return "";
}

static inline sh_run_t
fake_backup (fake_session_t *session, const sh_rpc_t *rpc)
{
    fake_sql_t *fake = session->fake;
    bool full = strstr (rpc->name, "Full") != NULL;
    fake_count (fake, &fake->backups, 1);
    sh_run_t run = fake_hold (session, &fake->hold_backup, &fake->deaf);
    if (run != SH_RUN_DONE)
        return run;
    char location[600];
    snprintf (location, sizeof location, "%s/SQL01_X_%s_%s.bak", fake_parameter (rpc, "@path"),
              full ? "Full" : "Log", fake_parameter (rpc, "@seq"));
    pthread_mutex_lock (&fake->lock);
    snprintf (fake->last_backup, sizeof fake->last_backup, "%s", location);
    fake->last_type = full ? 'D' : 'L';
    pthread_mutex_unlock (&fake->lock);
    session->sink->return_status (session->sink, 0);
    for (size_t i = 0; i < rpc->parameter_count; i++)
        if (rpc->parameters[i].output) {
            sh_value_t value = sh_value_text (location);
            session->sink->return_value (session->sink, (uint16_t)i, rpc->parameters[i].name,
                                         &rpc->parameters[i].type, &value);
        }
    session->sink->done (session->sink, SH_DONE_PROC, SH_COMMAND_EXECUTE, 0);
    return SH_RUN_DONE;
}

static inline sh_run_t
fake_backupset (fake_session_t *session)
{
    fake_sql_t *fake = session->fake;
    char location[600], type[2] = {0, 0};
    pthread_mutex_lock (&fake->lock);
    type[0] = fake->last_type;
    snprintf (location, sizeof location, "%s", fake->last_backup);
    bool there = fake->last_type && !fake->no_row;
    pthread_mutex_unlock (&fake->lock);
    fake_rows (session,
               "database_name,backup_type,backup_uuid,backup_set_id,position,physical_device_name,"
               "first_lsn,last_lsn,backup_size",
               there ? 1 : 0,
               (const char *[]){"X", type, "6F9619FF-8B86-D011-B42D-00C04FC964FF", "43", "1",
                                location, "35000000012300001", "35000000045600001", "4096"});
    return SH_RUN_DONE;
}

static inline sh_run_t
fake_answer (fake_session_t *session, const char *text)
{
    fake_sql_t *fake = session->fake;
    char spid[16], login[40];
    snprintf (spid, sizeof spid, "%d", session->spid);
    snprintf (login, sizeof login, "2026-11-21T02:15:00.%03d", session->spid);
    if (strstr (text, "SET CONTEXT_INFO")) {
        fake_rows (session, "bm_spid,bm_version", 1, (const char *[]){spid, "15.0.4000.1"});
        fake_rows (session, "bm_login", 1, (const char *[]){login});
    } else if (strstr (text, "TDDS_BlockTDDS;"))
        return fake_fence (session);
    else if (strstr (text, "WITH MARK"))
        return fake_mark (session);
    else if (strstr (text, "COMMIT TRANSACTION;"))
        return fake_commit (session, text);
    else if (strstr (text, "bm_wait"))
        return fake_sample (session, text);
    else if (strstr (text, "IF @@TRANCOUNT > 0 ROLLBACK"))
        return fake_rollback (session);
    else if (strstr (text, "KILL ")) {
        pthread_mutex_lock (&fake->lock);
        fake->killed = true;
        fake->kills++;
        pthread_cond_broadcast (&fake->changed);
        pthread_mutex_unlock (&fake->lock);
    } else if (strstr (text, "bm_utc")) {
        sh_run_t run = fake_hold (session, &fake->mute, NULL);
        if (run != SH_RUN_DONE)
            return run;
        fake_rows (session, "bm_server,bm_version,bm_utc", 1,
                   (const char *[]){"SQL01", "15.0.4000.1", "2026-11-21 02:15:00.000"});
    } else if (strstr (text, "bm_now")) {
        fake_rows (session, "bm_now,bm_server", 1,
                   (const char *[]){"2026-11-21 03:15:00.000", "SQL01"});
        fake_one (session, "last_id", 42);
    } else if (strstr (text, "backupmediafamily"))
        return fake_backupset (session);
    else if (strstr (text, "percent_complete"))
        fake_rows (session, "bm_spid,command,percent_complete,estimated_completion_time", 1,
                   (const char *[]){strstr (text, "IN (") + 4, "BACKUP LOG", "41.5", "12000"});
    else if (strstr (text, "AS running"))
        fake_one (session, "running", 0);
    else if (strstr (text, "AS marks"))
        fake_one (session, "marks", fake_read (fake, &fake->commits));
    else if (strstr (text, "logmarkhistory"))
        fake_rows (session, "database_name,lsn,mark_time", 1,
                   (const char *[]){"X", "35000000040000001", "2026-11-21 03:15:00.123"});
    else if (strstr (text, "AS bm_left"))
        fake_one (session, "bm_left", session->transaction ? 1 : 0);
    return SH_RUN_DONE;
}

static inline sh_run_t
fake_run_batch (void *argument, const char *text, size_t size)
{
    (void)size;
    fake_session_t *session = argument;
    sh_run_t run = SH_RUN_DONE;
    if (session->fake->script && session->fake->script (session, text, NULL, &run))
        return run;
    return fake_answer (session, text);
}

/*  sp_executesql carries a batch; anything else is a procedure of BizTalk's. */
static inline sh_run_t
fake_run_rpc (void *argument, const sh_rpc_t *rpc)
{
    fake_session_t *session = argument;
    sh_run_t run = SH_RUN_DONE;
    const char *text = rpc->name;
    if (strstr (rpc->name, "sp_executesql") && rpc->parameter_count > 0 &&
        rpc->parameters[0].value.kind == SH_TEXT)
        text = rpc->parameters[0].value.as.text;
    if (session->fake->script && session->fake->script (session, text, rpc, &run))
        return run;
    return strstr (text, "sp_BackupBizTalk") ? fake_backup (session, rpc)
                                             : fake_answer (session, text);
}

/*  ---- sessions ---- */

static inline sh_open_t
fake_open (sh_backend_t *backend, const sh_login_t *login, sh_sink_t *sink, void **session_p,
           sh_opened_t *opened)
{
    fake_sql_t *fake = (fake_sql_t *)backend;
    if (strcmp (login->password, "secret") != 0) {
        sh_message_t message = {
            .number = 18456, .severity = 14, .state = 1, .text = "Login failed for user 'sa'."};
        sink->message (sink, &message);
        return SH_OPEN_REFUSED;
    }
    fake_session_t *session = calloc (1, sizeof *session);
    session->fake = fake;
    session->sink = sink;
    snprintf (session->program, sizeof session->program, "%s", login->app_name);
    pthread_mutex_lock (&fake->lock);
    session->spid = 51 + fake->spids++;
    fake->sessions++;
    pthread_cond_broadcast (&fake->changed);
    pthread_mutex_unlock (&fake->lock);
    *session_p = session;
    *opened = (sh_opened_t){
        .database = "master", .language = "us_english", .spid = (uint16_t)session->spid};
    return SH_OPEN_OK;
}

static inline void
fake_cancel (void *argument, sh_cancel_t why)
{
    fake_session_t *session = argument;
    pthread_mutex_lock (&session->fake->lock);
    session->cancel = true;
    session->fake->attentions += why == SH_CANCEL_ATTENTION;
    if (why != SH_CANCEL_ATTENTION)
        session->fake->deaf = false;
    pthread_cond_broadcast (&session->fake->changed);
    pthread_mutex_unlock (&session->fake->lock);
}

static inline void
fake_clear_cancel (void *argument)
{
    fake_session_t *session = argument;
    pthread_mutex_lock (&session->fake->lock);
    session->cancel = false;
    pthread_mutex_unlock (&session->fake->lock);
}

static inline void
fake_close (void *argument)
{
    fake_session_t *session = argument;
    fake_sql_t *fake = session->fake;
    pthread_mutex_lock (&fake->lock);
    if (session->transaction)
        fake->open_marks--;
    fake->sessions--;
    pthread_cond_broadcast (&fake->changed);
    pthread_mutex_unlock (&fake->lock);
    free (session);
}

static inline fake_sql_t *
fake_sql_new (void)
{
    fake_sql_t *self = calloc (1, sizeof *self);
    self->base = (sh_backend_t){.server_name = "SQL01",
                                .open = fake_open,
                                .run_batch = fake_run_batch,
                                .run_rpc = fake_run_rpc,
                                .cancel = fake_cancel,
                                .clear_cancel = fake_clear_cancel,
                                .close = fake_close};
    pthread_mutex_init (&self->lock, NULL);
    pthread_cond_init (&self->changed, NULL);
    char error[256];
    sh_server_options_t options = {.listen = "127.0.0.1:0", .backend = &self->base};
    self->server = sh_server_start (&options, error, sizeof error);
    return self;
}

static inline void
fake_sql_free (fake_sql_t *self)
{
    if (!sh_server_stop (&self->server, 10000))
        abort ();
    pthread_cond_destroy (&self->changed);
    pthread_mutex_destroy (&self->lock);
    free (self);
}

#endif
