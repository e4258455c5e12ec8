#include "agent/shell/queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/backup.h"
#include "agent/shell/instance.h"
#include "agent/shell/native.h"
#include "agent/shell/path.h"
#include "agent/shell/prepare.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"

#define S_KILL_MS  5000 /* what does not end by an attention within this time is killed */
#define S_PROBE_MS 5000 /* of a look at the progress */

typedef struct s_item {
    bm_job_t job;
    bm_queue_t *queue;
    bm_instance_t *instance;
    bm_operation_t *operation; /* pinned */
    char *path;
    bm_session_t *session; /* NULL while it waits */
    int spid;              /* 0 until the procedure is called */
    int64_t cancelled_ms;  /* 0 = not */
    bool killed;
    bool sized;                  /* how large it will be was asked for, once */
    Btsmark__BackupDone *result; /* made by the session's thread */
} s_item_t;

struct bm_queue {
    bm_agent_t *agent;
    zlistx_t *items; /* waiting and running, in order of arrival */
    size_t running;
    zlistx_t *probed; /* instances whose progress is being asked */
    int64_t probe_ms;
};

bm_queue_t *
bm_queue_new (bm_agent_t *agent)
{
    bm_queue_t *self = bm_alloc (sizeof *self);
    self->agent = agent;
    self->items = zlistx_new ();
    self->probed = zlistx_new ();
    return self;
}

void
bm_queue_destroy (bm_queue_t **self_p)
{
    if (!*self_p)
        return;
    bm_require (zlistx_size ((*self_p)->items) == 0);
    zlistx_destroy (&(*self_p)->items);
    zlistx_destroy (&(*self_p)->probed);
    free (*self_p);
    *self_p = NULL;
}

size_t
bm_queue_running (const bm_queue_t *self)
{
    return self->running;
}

/*  ---- in the session's thread ---- */

typedef struct s_started {
    bm_agent_t *agent;
    uint64_t operation_id;
    int spid;
} s_started_t;

static void
s_note_started (void *argument)
{
    s_started_t *started = argument;
    bm_operation_t *operation =
        bm_operations_by_id (started->agent->operations, started->operation_id);
    if (operation && operation->work) {
        s_item_t *item = operation->work;
        item->spid = started->spid;
        bm_operation_step (operation, "starting", -1, bm_clock_mono_ms ());
    }
    free (started);
}

static void
s_hand_started (void *argument)
{
    s_item_t *item = argument;
    s_started_t *started = bm_alloc (sizeof *started);
    started->agent = item->queue->agent;
    started->operation_id = item->operation->id;
    started->spid = bm_session_spid (item->job.session);
    bm_mailbox_post (started->agent->mailbox, s_note_started, started);
}

static bm_sql_t *
s_hand_connect (void *argument, bm_error_t *error)
{
    return bm_session_sql (((s_item_t *)argument)->job.session, error);
}

static int
s_hand_spid (void *argument)
{
    return bm_session_spid (((s_item_t *)argument)->job.session);
}

static bool
s_hand_interrupted (void *argument)
{
    return bm_session_interrupted (((s_item_t *)argument)->job.session);
}

static void
s_hand_calm (void *argument)
{
    bm_session_calm (((s_item_t *)argument)->job.session);
}

static bool
s_hand_pause (void *argument, int64_t ms)
{
    return bm_session_pause (((s_item_t *)argument)->job.session, ms);
}

static void
s_work (bm_job_t *job)
{
    s_item_t *item = job->data;
    bm_backup_t backup = {.instance = item->instance->config,
                          .path = item->path,
                          .hands = {.connect = s_hand_connect,
                                    .spid = s_hand_spid,
                                    .started = s_hand_started,
                                    .interrupted = s_hand_interrupted,
                                    .calm = s_hand_calm,
                                    .pause = s_hand_pause,
                                    .argument = item}};
    item->result = bm_backup_run (&backup, item->operation->order->backup);
}

/*  ---- in the loop's thread ---- */

static void
s_log_end (const s_item_t *item, const Btsmark__BackupDone *done)
{
    char *what = bm_agent_describe (item->operation);
    if (done->row)
        bm_log_info ("%s: done in %" PRIu64 " ms, %s (%" PRId64 " bytes)%s", what, done->took_ms,
                     done->row->device, done->file_bytes >= 0 ? done->file_bytes : done->row->bytes,
                     done->status == BTSMARK__BACKUP_STATUS__BACKUP_OK ? "" : ", with warnings");
    else
        bm_log_warning ("%s: %s", what, done->fault ? done->fault->text : "no backup");
    free (what);
}

static void s_pump (bm_queue_t *self);

/*  Answers, and forgets the item. */
static void
s_finish (s_item_t *item, Btsmark__BackupDone *done)
{
    bm_queue_t *self = item->queue;
    s_log_end (item, done);
    item->operation->work = NULL;
    bm_agent_answer (self->agent, item->operation, BTSMARK__ENVELOPE__BODY_BACKUP_DONE,
                     (bm_body_t){.backup_done = done});
    bm_operation_unpin (item->operation);
    zlistx_detach (self->items, zlistx_find (self->items, item));
    if (item->session)
        self->running--;
    bm_session_end (&item->session);
    free (item->path);
    free (item);
}

static void
s_done (bm_job_t *job)
{
    s_item_t *item = job->data;
    bm_queue_t *self = item->queue;
    bm_require (item->result);
    s_finish (item, item->result);
    s_pump (self);
}

static void
s_begin (s_item_t *item)
{
    bm_queue_t *self = item->queue;
    const Btsmark__Backup *order = item->operation->order->backup;
    char *what = bm_agent_describe (item->operation);
    bm_log_info ("%s begins, to %s", what, item->path);
    free (what);
    item->session = bm_session_new (self->agent->sessions, item->instance->config, order->context);
    item->job = (bm_job_t){.work = s_work, .done = s_done, .data = item};
    self->running++;
    bm_operation_step (item->operation, "connecting", -1, bm_clock_mono_ms ());
    bm_session_submit (item->session, &item->job);
}

static void
s_pump (bm_queue_t *self)
{
    for (s_item_t *item = zlistx_first (self->items);
         item && self->running < (size_t)self->agent->config->parallel_per_host;
         item = zlistx_next (self->items))
        if (!item->session)
            s_begin (item);
}

static bm_status_t
s_check (const Btsmark__Backup *order, bm_error_t *error)
{
    if (order->type != BTSMARK__SET_TYPE__FULL && order->type != BTSMARK__SET_TYPE__LOG)
        return bm_fail (error, BM_PROTOCOL, "a backup is full or log");
    if (!*order->database || !bm_path_mark_ok (order->sequence))
        return bm_fail (error, BM_PROTOCOL,
                        "a backup needs a database and a sequence of letters, digits and _");
    return BM_OK;
}

static bm_status_t
s_check_method (const Btsmark__Backup *order, const char *path, bm_error_t *error)
{
    if (order->method == BTSMARK__METHOD__NATIVE)
        return bm_native_check (order->native, path, error);
    if (bm_path_is_url (path))
        return bm_fail (error, BM_PROTOCOL,
                        "BizTalk's procedures back up to disk, not to %s: take method = native",
                        path);
    return BM_OK;
}

void
bm_queue_add (bm_queue_t *self, bm_instance_t *instance, bm_operation_t *operation)
{
    bm_error_t error = {0};
    const Btsmark__Backup *order = operation->order->backup;
    if (s_check (order, &error) != BM_OK) {
        bm_agent_refuse (self->agent, operation, BTSMARK__REFUSED__WHY__BAD_REQUEST, &error);
        return;
    }
    char *path = bm_prepare_path (instance->config, order->path, &error);
    if (!path) {
        bm_agent_refuse (self->agent, operation, BTSMARK__REFUSED__WHY__PATH_NOT_ALLOWED, &error);
        return;
    }
    if (s_check_method (order, path, &error) != BM_OK) {
        bm_agent_refuse (self->agent, operation, BTSMARK__REFUSED__WHY__BAD_REQUEST, &error);
        free (path);
        return;
    }
    s_item_t *item = bm_alloc (sizeof *item);
    item->queue = self;
    item->instance = instance;
    item->operation = operation;
    item->path = path;
    bm_operation_pin (operation);
    operation->work = item;
    bm_operation_step (operation, "waiting", -1, bm_clock_mono_ms ());
    zlistx_add_end (self->items, item);
    s_pump (self);
}

static void
s_cancel (s_item_t *item, const char *why)
{
    snprintf (item->operation->why_cancelled, sizeof item->operation->why_cancelled, "%.150s", why);
    if (item->session) {
        if (item->cancelled_ms == 0) {
            item->cancelled_ms = bm_clock_mono_ms ();
            bm_session_interrupt (item->session);
        }
        return;
    }
    bm_error_t error = {0};
    bm_fail (&error, BM_BACKUP_CANCELLED, "the backup of %s was cancelled while it waited: %s",
             item->operation->order->backup->database, why);
    s_finish (item, bm_backup_not_begun (item->operation->order->backup,
                                         BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED, &error));
}

bool
bm_queue_cancel (bm_queue_t *self, const bm_operation_t *operation, const char *why)
{
    for (s_item_t *item = zlistx_first (self->items); item; item = zlistx_next (self->items))
        if (item->operation == operation) {
            s_cancel (item, why);
            return true;
        }
    return false;
}

/*  All items of a moment: cancelling one that waits takes it out of the list. */
static s_item_t **
s_snapshot (bm_queue_t *self)
{
    s_item_t **list = bm_alloc ((zlistx_size (self->items) + 1) * sizeof *list);
    size_t count = 0;
    for (s_item_t *item = zlistx_first (self->items); item; item = zlistx_next (self->items))
        list[count++] = item;
    return list;
}

void
bm_queue_cancel_all (bm_queue_t *self, const char *why)
{
    s_item_t **list = s_snapshot (self);
    for (size_t i = 0; list[i]; i++)
        s_cancel (list[i], why);
    free (list);
}

size_t
bm_queue_older (bm_queue_t *self, const bm_instance_t *instance, const Btsmark__Envelope *order,
                const char *cancel_why)
{
    size_t count = 0;
    s_item_t **list = s_snapshot (self);
    for (size_t i = 0; list[i]; i++) {
        const Btsmark__Envelope *other = list[i]->operation->order;
        if (list[i]->instance != instance || other->epoch >= order->epoch ||
            strcmp (other->group, order->group) != 0)
            continue;
        count++;
        if (cancel_why)
            s_cancel (list[i], cancel_why);
    }
    free (list);
    return count;
}

/*  ---- progress and KILL, by the instance's second session ---- */

typedef struct s_probe {
    bm_job_t job;
    bm_queue_t *queue;
    bm_instance_t *instance;
    char *batch;
    bm_sql_result_t *result; /* made by the session's thread */
} s_probe_t;

static void
s_probe_work (bm_job_t *job)
{
    s_probe_t *probe = job->data;
    bm_error_t error;
    bm_sql_t *sql = bm_session_sql (job->session, &error);
    if (!sql)
        return;
    bm_sql_query_t *query = bm_sql_query_new (probe->batch);
    bm_sql_query_timeout_ms (query, S_PROBE_MS);
    bm_sql_run (sql, query, &probe->result, &error);
    bm_sql_query_destroy (&query);
}

static bool
s_is_full (const s_item_t *item)
{
    return item->operation->order->backup->type == BTSMARK__SET_TYPE__FULL;
}

static void
s_read_progress (bm_queue_t *self, const bm_instance_t *instance, const bm_sql_result_t *result)
{
    int set = bm_sql_result_find (result, (const char *[]){"bm_spid", "percent_complete", NULL});
    for (size_t row = 0; set >= 0 && row < bm_sql_result_rows (result, set); row++)
        for (s_item_t *item = zlistx_first (self->items); item; item = zlistx_next (self->items)) {
            if (item->instance != instance || item->spid == 0 ||
                item->spid != bm_sql_result_int (result, set, row, "bm_spid", 0))
                continue;
            const char *command = bm_sql_result_text (result, set, row, "command");
            const char *percent = bm_sql_result_text (result, set, row, "percent_complete");
            bool backing_up = command && strncmp (command, "BACKUP", 6) == 0;
            bm_operation_step (item->operation, command ? command : "running",
                               backing_up && percent ? strtod (percent, NULL) : -1,
                               bm_clock_mono_ms ());
            /*  0 stands there until SQL Server can tell. */
            int64_t remaining_ms =
                bm_sql_result_int (result, set, row, "estimated_completion_time", 0);
            item->operation->remaining_ms = backing_up && remaining_ms > 0 ? remaining_ms : -1;
        }
    set = bm_sql_result_find (result, (const char *[]){"bm_last_bytes", NULL});
    for (size_t row = 0; set >= 0 && row < bm_sql_result_rows (result, set); row++)
        for (s_item_t *item = zlistx_first (self->items); item; item = zlistx_next (self->items))
            if (item->instance == instance && s_is_full (item) &&
                bm_names_equal (item->operation->order->backup->database,
                                bm_sql_result_text (result, set, row, "bm_database")))
                item->operation->total_bytes =
                    bm_sql_result_int (result, set, row, "bm_last_bytes", -1);
}

static void
s_probe_done (bm_job_t *job)
{
    s_probe_t *probe = job->data;
    bm_queue_t *self = probe->queue;
    if (probe->result)
        s_read_progress (self, probe->instance, probe->result);
    void *handle = zlistx_find (self->probed, probe->instance);
    if (handle)
        zlistx_detach (self->probed, handle);
    bm_sql_result_destroy (&probe->result);
    free (probe->batch);
    free (probe);
}

static void
s_submit_probe (bm_queue_t *self, bm_instance_t *instance, char *batch)
{
    s_probe_t *probe = bm_alloc (sizeof *probe);
    probe->job = (bm_job_t){.work = s_probe_work, .done = s_probe_done, .data = probe};
    probe->queue = self;
    probe->instance = instance;
    probe->batch = batch;
    bm_session_submit (instance->probe, &probe->job);
}

/*  A full is about as large as the one before: DMVs tell a percentage, but not of what. */
static char *
s_last_full_batch (const char *database)
{
    char *name = bm_names_literal (database);
    char *batch = bm_format ("\nSELECT TOP (1) database_name AS bm_database,"
                             " backup_size AS bm_last_bytes FROM msdb.dbo.backupset"
                             " WHERE database_name = %s AND type = 'D' AND is_copy_only = 0"
                             " ORDER BY backup_set_id DESC;",
                             name);
    free (name);
    return batch;
}

static void
s_probe (bm_queue_t *self, bm_instance_t *instance)
{
    char *list = NULL, *size = NULL;
    if (zlistx_find (self->probed, instance))
        return; /* one look at a time: one that does not answer is not asked again and again */
    for (s_item_t *item = zlistx_first (self->items); item; item = zlistx_next (self->items)) {
        if (item->instance != instance || item->spid == 0)
            continue;
        if (!size && !item->sized && s_is_full (item)) {
            item->sized = true;
            size = s_last_full_batch (item->operation->order->backup->database);
        }
        char *more = list ? bm_format ("%s, %d", list, item->spid) : bm_format ("%d", item->spid);
        free (list);
        list = more;
    }
    if (list) {
        zlistx_add_end (self->probed, instance);
        s_submit_probe (self, instance,
                        bm_format ("SELECT session_id AS bm_spid, command, percent_complete,"
                                   " estimated_completion_time"
                                   " FROM sys.dm_exec_requests WHERE session_id IN (%s);%s",
                                   list, size ? size : ""));
    }
    free (list);
    free (size);
}

void
bm_queue_tick (bm_queue_t *self, int64_t now_ms)
{
    for (s_item_t *item = zlistx_first (self->items); item; item = zlistx_next (self->items)) {
        if (item->cancelled_ms == 0 || item->killed || item->spid == 0 ||
            now_ms - item->cancelled_ms < S_KILL_MS)
            continue;
        item->killed = true;
        bm_log_warning ("%s: the backup of %s does not end by an attention: session %d is killed",
                        item->instance->config->name, item->operation->order->backup->database,
                        item->spid);
        s_submit_probe (self, item->instance, bm_format ("KILL %d;", item->spid));
    }
    if (now_ms < self->probe_ms)
        return;
    self->probe_ms = now_ms + self->agent->config->heartbeat_ms;
    for (size_t i = 0; i < self->agent->instance_count; i++)
        s_probe (self, self->agent->instances[i]);
}
