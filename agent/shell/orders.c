#include "agent/shell/orders.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/files.h"
#include "agent/shell/greet.h"
#include "agent/shell/inspect.h"
#include "agent/shell/instance.h"
#include "agent/shell/path.h"
#include "agent/shell/prepare.h"
#include "agent/shell/prove.h"
#include "agent/shell/queue.h"
#include "agent/shell/settle.h"
#include "agent/shell/task.h"
#include "agent/shell/trim.h"
#include "agent/shell/upkeep.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"

#define S_LOG_EVERY_MS 10000
#define S_ALONE        4 /* tasks with a session of their own, of one instance */

/*  ---- what an order is ---- */

typedef struct s_kind {
    Btsmark__Envelope__BodyCase body;
    bm_order_kind_t kind;
    bool names_instance;
} s_kind_t;

static const s_kind_t s_kinds[] = {
    {BTSMARK__ENVELOPE__BODY_GREET, BM_ORDER_STATUS, false},
    {BTSMARK__ENVELOPE__BODY_STATUS, BM_ORDER_STATUS, false},
    {BTSMARK__ENVELOPE__BODY_CANCEL, BM_ORDER_BACKUP, false},
    {BTSMARK__ENVELOPE__BODY_PREPARE, BM_ORDER_PREPARE, true},
    {BTSMARK__ENVELOPE__BODY_FENCE, BM_ORDER_FENCE, true},
    {BTSMARK__ENVELOPE__BODY_MARK, BM_ORDER_MARK, true},
    {BTSMARK__ENVELOPE__BODY_SAMPLE, BM_ORDER_SAMPLE, true},
    {BTSMARK__ENVELOPE__BODY_COMMIT, BM_ORDER_COMMIT, true},
    {BTSMARK__ENVELOPE__BODY_RELEASE, BM_ORDER_RELEASE, true},
    {BTSMARK__ENVELOPE__BODY_ABORT, BM_ORDER_ABORT, true},
    {BTSMARK__ENVELOPE__BODY_PROVE, BM_ORDER_PROVE, true},
    {BTSMARK__ENVELOPE__BODY_BACKUP, BM_ORDER_BACKUP, true},
    {BTSMARK__ENVELOPE__BODY_SETTLE, BM_ORDER_SETTLE, true},
    {BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST, BM_ORDER_BACKUP, true},
    /*  These only look: as STATUS they pass whatever run or round is going on, and change no epoch. */
    {BTSMARK__ENVELOPE__BODY_INSPECT, BM_ORDER_STATUS, true},
    {BTSMARK__ENVELOPE__BODY_MEASURE_FILES, BM_ORDER_STATUS, true},
    {BTSMARK__ENVELOPE__BODY_DELETE_FILES, BM_ORDER_BACKUP, true},
    {BTSMARK__ENVELOPE__BODY_TRIM_MARKS, BM_ORDER_BACKUP, true},
};

static const s_kind_t *
s_kind (const Btsmark__Envelope *order)
{
    for (size_t i = 0; i < sizeof s_kinds / sizeof *s_kinds; i++)
        if (s_kinds[i].body == order->body_case)
            return &s_kinds[i];
    return NULL;
}

/*  Orders whose work has a session of its own. */
static bool
s_is_alone (Btsmark__Envelope__BodyCase body)
{
    return body == BTSMARK__ENVELOPE__BODY_INSPECT ||
           body == BTSMARK__ENVELOPE__BODY_MEASURE_FILES ||
           body == BTSMARK__ENVELOPE__BODY_DELETE_FILES ||
           body == BTSMARK__ENVELOPE__BODY_TRIM_MARKS;
}

static bm_duty_t
s_duty (const s_kind_t *kind)
{
    return kind->kind == BM_ORDER_STATUS ? BM_DUTY_STATUS : BM_DUTY_BACKUP;
}

const char *
bm_orders_instance (const Btsmark__Envelope *order)
{
    switch (order->body_case) {
        case BTSMARK__ENVELOPE__BODY_PREPARE:
            return order->prepare->instance;
        case BTSMARK__ENVELOPE__BODY_FENCE:
            return order->fence->instance;
        case BTSMARK__ENVELOPE__BODY_MARK:
            return order->mark->instance;
        case BTSMARK__ENVELOPE__BODY_SAMPLE:
            return order->sample->instance;
        case BTSMARK__ENVELOPE__BODY_COMMIT:
            return order->commit->instance;
        case BTSMARK__ENVELOPE__BODY_RELEASE:
            return order->release->instance;
        case BTSMARK__ENVELOPE__BODY_ABORT:
            return order->abort->instance;
        case BTSMARK__ENVELOPE__BODY_PROVE:
            return order->prove->instance;
        case BTSMARK__ENVELOPE__BODY_BACKUP:
            return order->backup->instance;
        case BTSMARK__ENVELOPE__BODY_SETTLE:
            return order->settle->instance;
        case BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST:
            return order->write_manifest->instance;
        case BTSMARK__ENVELOPE__BODY_INSPECT:
            return order->inspect->instance;
        case BTSMARK__ENVELOPE__BODY_MEASURE_FILES:
            return order->measure_files->instance;
        case BTSMARK__ENVELOPE__BODY_DELETE_FILES:
            return order->delete_files->instance;
        case BTSMARK__ENVELOPE__BODY_TRIM_MARKS:
            return order->trim_marks->instance;
        default:
            return "";
    }
}

const char *
bm_orders_database (const Btsmark__Envelope *order)
{
    return order->body_case == BTSMARK__ENVELOPE__BODY_BACKUP ? order->backup->database : "";
}

/*  Orders about files and about MarkLog. */
static bm_status_t
s_check_upkeep (const Btsmark__Envelope *order, bm_error_t *error)
{
    size_t files = 0, bytes = 0, databases = 1;
    if (order->body_case == BTSMARK__ENVELOPE__BODY_MEASURE_FILES) {
        files = order->measure_files->n_files;
        for (size_t i = 0; i < files; i++)
            bytes += strlen (order->measure_files->files[i]);
    } else if (order->body_case == BTSMARK__ENVELOPE__BODY_DELETE_FILES) {
        files = order->delete_files->n_files;
        for (size_t i = 0; i < files; i++)
            bytes += strlen (order->delete_files->files[i]->file);
    } else if (order->body_case == BTSMARK__ENVELOPE__BODY_TRIM_MARKS) {
        databases = order->trim_marks->n_databases;
        if (!bm_trim_time_ok (order->trim_marks->before))
            return bm_fail (error, BM_PROTOCOL, "\"%.64s\" is no time as in names of marks",
                            order->trim_marks->before);
    }
    if (files > BM_LIMIT_FILES)
        return bm_fail (error, BM_LIMIT, "%s names %zu files; at most %d",
                        bm_wire_body_name (order), files, BM_LIMIT_FILES);
    if (bm_upkeep_answer_bytes (files, bytes) > BM_LIMIT_WIRE_BYTES - 65536)
        return bm_fail (
            error, BM_LIMIT,
            "%s names %zu files in %zu bytes: the answer would not fit into one message",
            bm_wire_body_name (order), files, bytes);
    if (databases == 0)
        return bm_fail (error, BM_PROTOCOL, "%s names no database", bm_wire_body_name (order));
    return BM_OK;
}

/*  What stands in an order of a round and reaches T-SQL or a file name. */
static bm_status_t
s_check_body (const Btsmark__Envelope *order, bm_error_t *error)
{
    const char *mark = NULL;
    size_t databases = 1;
    if (order->body_case == BTSMARK__ENVELOPE__BODY_MARK) {
        mark = order->mark->mark;
        databases = order->mark->n_databases;
    } else if (order->body_case == BTSMARK__ENVELOPE__BODY_COMMIT)
        mark = order->commit->mark;
    else if (order->body_case == BTSMARK__ENVELOPE__BODY_PROVE) {
        mark = order->prove->mark;
        databases = order->prove->n_databases;
    } else if (order->body_case == BTSMARK__ENVELOPE__BODY_FENCE)
        databases = order->fence->n_databases;
    else if (order->body_case == BTSMARK__ENVELOPE__BODY_PREPARE)
        databases = order->prepare->n_databases;
    if (mark && !bm_path_mark_ok (mark))
        return bm_fail (error, BM_PROTOCOL, "\"%.64s\" cannot be the name of a mark", mark);
    if (databases == 0)
        return bm_fail (error, BM_PROTOCOL, "%s names no database", bm_wire_body_name (order));
    return s_check_upkeep (order, error);
}

/*  ---- refusals of what is not stored ---- */

/*  At most one line in 10 s: a broken or hostile sender may not fill the disk. */
static void
s_log_dropped (const char *who, const char *why)
{
    static int64_t logged_ms;
    static size_t more;
    int64_t now_ms = bm_clock_mono_ms ();
    if (logged_ms && now_ms - logged_ms < S_LOG_EVERY_MS) {
        more++;
        return;
    }
    bm_log_warning ("a message of %s is refused: %s (%zu more since the last such line)", who, why,
                    more);
    logged_ms = now_ms;
    more = 0;
}

static void
s_refuse (bm_agent_t *agent, const bm_allow_t *allow, zframe_t *asker,
          const Btsmark__Envelope *order, Btsmark__Refused__Why why, const bm_error_t *error)
{
    s_log_dropped (allow->name, error->text);
    bm_agent_send (agent, asker, bm_answer_refuse (order, agent->start_id, why, error));
}

/*  Of another version, or not to be read at all. As much of its identity is repeated as can be read. */
static void
s_refuse_unreadable (bm_agent_t *agent, const bm_allow_t *allow, zframe_t *asker, zframe_t *payload,
                     const bm_error_t *error)
{
    Btsmark__Refused__Why why = BTSMARK__REFUSED__WHY__BAD_REQUEST;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    uint32_t protocol = BM_PROTOCOL_VERSION;
    if (bm_wire_peek (zframe_data (payload), zframe_size (payload), &protocol,
                      &order.operation_id) &&
        protocol != BM_PROTOCOL_VERSION)
        why = BTSMARK__REFUSED__WHY__VERSION;
    s_refuse (agent, allow, asker, &order, why, error);
}

/*  ---- one order ---- */

/*  Duty, start and instance: what is wrong here has no effect and leaves no trace but a log line. */
static bool
s_let_in (bm_agent_t *agent, const bm_allow_t *allow, const Btsmark__Envelope *order,
          zframe_t *asker)
{
    bm_error_t error = {0};
    Btsmark__Refused__Why why = BTSMARK__REFUSED__WHY__BAD_REQUEST;
    const s_kind_t *kind = s_kind (order);
    if (!kind || order->operation_id == 0)
        bm_fail (&error, BM_PROTOCOL, "%s is not an order, or has no operation id",
                 bm_wire_body_name (order));
    else if (!(allow->duties & s_duty (kind))) {
        why = BTSMARK__REFUSED__WHY__NO_DUTY;
        bm_fail (&error, BM_NO_DUTY, "the key of [allow %s] has no duty %s, which %s needs",
                 allow->name, bm_duty_name (s_duty (kind)), bm_wire_body_name (order));
    } else if (order->body_case != BTSMARK__ENVELOPE__BODY_GREET &&
               order->start_id != agent->start_id) {
        why = BTSMARK__REFUSED__WHY__STALE;
        bm_fail (&error, BM_STALE, "%s was meant for another start of this agent",
                 bm_wire_body_name (order));
    } else if (kind->names_instance &&
               !bm_agent_find_instance (agent, bm_orders_instance (order))) {
        why = BTSMARK__REFUSED__WHY__UNKNOWN_INSTANCE;
        bm_fail (&error, BM_CONFIG_UNSERVED, "this agent serves no instance %.128s",
                 bm_orders_instance (order));
    } else
        s_check_body (order, &error);
    if (error.status == BM_OK)
        return true;
    s_refuse (agent, allow, asker, order, why, &error);
    return false;
}

/*  True when the order was there before: it is answered again, or whoever asks now is answered when it ends. */
static bool
s_repeated (bm_agent_t *agent, const bm_allow_t *allow, const Btsmark__Envelope *order,
            zframe_t **asker_p)
{
    bm_operation_t *known = bm_operations_find (agent->operations, allow, order->operation_id);
    if (!known)
        return false;
    if (known->kind != order->body_case) {
        bm_error_t error = {0};
        bm_fail (&error, BM_PROTOCOL, "the operation id of %s was used for another order before",
                 bm_wire_body_name (order));
        s_refuse (agent, allow, *asker_p, order, BTSMARK__REFUSED__WHY__BAD_REQUEST, &error);
        return true;
    }
    zframe_destroy (&known->asker);
    known->asker = *asker_p;
    *asker_p = NULL;
    bm_agent_repeat (agent, known);
    return true;
}

static void
s_do_cancel (bm_agent_t *agent, bm_operation_t *operation)
{
    const Btsmark__Cancel *order = operation->order->cancel;
    bm_operation_t *target =
        bm_operations_find (agent->operations, operation->allow, order->target_operation_id);
    Btsmark__Cancelled *cancelled = bm_alloc (sizeof *cancelled);
    btsmark__cancelled__init (cancelled);
    cancelled->found =
        target && target != operation && !target->answer &&
        bm_orders_cancel (agent, target, *order->reason ? order->reason : "asked to");
    bm_agent_answer (agent, operation, BTSMARK__ENVELOPE__BODY_CANCELLED,
                     (bm_body_t){.cancelled = cancelled});
}

/*  GREET, STATUS and CANCEL. GREET comes before the start id and the clock are known, so it is let pass as it is. */
static void
s_do_without_instance (bm_agent_t *agent, bm_operation_t *operation, bm_order_kind_t kind)
{
    const Btsmark__Envelope *wire = operation->order;
    if (wire->body_case == BTSMARK__ENVELOPE__BODY_GREET) {
        bm_log_info ("%s greets for the group \"%s\", run %" PRIu64 " (version %s)",
                     operation->allow->name, wire->group, wire->epoch,
                     wire->greet->product_version);
        bm_greet (agent, operation);
        return;
    }
    bm_order_t order = {.kind = kind,
                        .duties = operation->allow->duties,
                        .group = bm_participant_group (operation->allow->public_key, wire->group),
                        .start_id = wire->start_id,
                        .operation_id = wire->operation_id,
                        .epoch = wire->epoch,
                        .round = wire->round,
                        .expires_ms = (int64_t)wire->expires_agent_ms};
    bm_refuse_t why = BM_REFUSE_EXPIRED;
    const char *reason = "it was answered before; the answer is no longer kept";
    bm_gate_answer_t answer =
        bm_gate_check (agent->gate, &order, bm_clock_mono_ms (), &why, &reason);
    if (answer != BM_GATE_PASS) {
        bm_error_t error = {0};
        bm_fail (&error, bm_refuse_status (why), "%s: %s", bm_wire_body_name (wire), reason);
        bm_agent_refuse (agent, operation,
                         why == BM_REFUSE_EXPIRED ? BTSMARK__REFUSED__WHY__EXPIRED
                                                  : BTSMARK__REFUSED__WHY__BAD_REQUEST,
                         &error);
    } else if (wire->body_case == BTSMARK__ENVELOPE__BODY_STATUS)
        bm_greet (agent, operation);
    else
        s_do_cancel (agent, operation);
}

static void
s_take (bm_agent_t *agent, const bm_allow_t *allow, Btsmark__Envelope **order_p, zframe_t **asker_p)
{
    const s_kind_t *kind = s_kind (*order_p);
    bm_error_t error = {0};
    if (agent->stopping && kind->kind != BM_ORDER_RELEASE && kind->kind != BM_ORDER_ABORT) {
        bm_fail (&error, BM_STOPPED, "the agent is stopping");
        s_refuse (agent, allow, *asker_p, *order_p, BTSMARK__REFUSED__WHY__STOPPING, &error);
        return;
    }
    if (bm_operations_by_id (agent->operations, (*order_p)->operation_id)) {
        bm_fail (&error, BM_PROTOCOL,
                 "its operation id belongs to an order of another coordinator");
        s_refuse (agent, allow, *asker_p, *order_p, BTSMARK__REFUSED__WHY__BAD_REQUEST, &error);
        return;
    }
    bm_operation_t *operation =
        bm_operations_add (agent->operations, allow, order_p, asker_p, bm_clock_mono_ms ());
    if (!operation) {
        bm_fail (&error, BM_BUSY, "too many orders run at once");
        s_refuse (agent, allow, *asker_p, *order_p, BTSMARK__REFUSED__WHY__BUSY, &error);
        return;
    }
    bm_operation_step (operation, bm_wire_body_name (operation->order), -1, operation->began_ms);
    if (!kind->names_instance)
        s_do_without_instance (agent, operation, kind->kind);
    else
        bm_instance_order (bm_agent_find_instance (agent, bm_orders_instance (operation->order)),
                           operation, kind->kind);
}

void
bm_orders_receive (bm_agent_t *agent, zmsg_t **message_p)
{
    zmsg_t *message = *message_p;
    zframe_t *asker = zmsg_pop (message);
    zframe_t *payload = zmsg_pop (message);
    const bm_allow_t *allow = payload ? bm_door_sender (agent->door, payload) : NULL;
    bm_error_t error = {0};
    Btsmark__Envelope *order = NULL;
    if (!allow)
        s_log_dropped ("a stranger", "no allowed key stands behind it");
    else if (zmsg_size (message) > 0) {
        bm_fail (&error, BM_PROTOCOL, "a message has more than one frame");
        s_refuse (agent, allow, asker, NULL, BTSMARK__REFUSED__WHY__BAD_REQUEST, &error);
    } else {
        order = bm_wire_unpack (zframe_data (payload), zframe_size (payload), &error);
        if (!order)
            s_refuse_unreadable (agent, allow, asker, payload, &error);
        else if (s_let_in (agent, allow, order, asker) && !s_repeated (agent, allow, order, &asker))
            s_take (agent, allow, &order, &asker);
    }
    if (order)
        btsmark__envelope__free_unpacked (order, NULL);
    zframe_destroy (&payload);
    zframe_destroy (&asker);
    zmsg_destroy (message_p);
}

/*  ---- the work of PREPARE, PROVE, SETTLE and WRITE_MANIFEST, in a session's thread ---- */

/*  Why an instance is not ready is what its administrator looks for in the log. */
static void
s_log_vote (const Btsmark__Vote *vote, const Btsmark__Prepare *order)
{
    const char *set = order->set_type == BTSMARK__SET_TYPE__FULL ? "full" : "log";
    for (size_t i = 0; i < vote->n_reasons; i++)
        bm_log_warning ("%s is not ready for a %s set: %s", vote->instance, set,
                        vote->reasons[i]->text);
    for (size_t i = 0; i < vote->n_databases; i++)
        for (size_t k = 0; k < vote->databases[i]->n_reasons; k++)
            bm_log_warning ("%s is not ready for a %s set: %s", vote->instance, set,
                            vote->databases[i]->reasons[k]->text);
    if (vote->ready)
        bm_log_info ("%s is ready for a %s set of %zu database(s)", vote->instance, set,
                     vote->n_databases);
}

/*  Group and epoch in one number. */
static uint64_t
s_run_of (const bm_task_t *task)
{
    uint64_t group = bm_participant_group (task->operation->allow->public_key, task->order->group);
    return group ^ (task->order->epoch * UINT64_C (0x9E3779B97F4A7C15));
}

static void
s_prepare_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_error_t error = {0};
    bm_prepare_t prepare = {.instance = task->instance->config,
                            .start_id = task->agent->start_id,
                            .sql = bm_task_sql (task, &error),
                            .error = &error,
                            .claims = task->agent->claims,
                            .run = s_run_of (task)};
    task->kind = BTSMARK__ENVELOPE__BODY_VOTE;
    task->body.vote = bm_prepare_run (&prepare, task->order->prepare);
    s_log_vote (task->body.vote, task->order->prepare);
}

static void
s_prove_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_error_t error = {0};
    bm_prove_t prove = {.instance = task->instance->config->name,
                        .sql = bm_task_sql (task, &error),
                        .error = &error,
                        .unsettled = task->unsettled};
    task->kind = BTSMARK__ENVELOPE__BODY_PROOF;
    task->body.proof = bm_prove_run (&prove, task->order->prove);
}

static void
s_settle_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_error_t error = {0};
    bm_settle_t settle = {.instance = task->instance->config->name,
                          .start_id = task->agent->start_id,
                          .sql = bm_task_sql (task, &error),
                          .error = &error,
                          .waited_ms = task->waited_ms};
    task->kind = BTSMARK__ENVELOPE__BODY_SETTLED;
    task->body.settled = bm_settle_run (&settle, task->order->settle);
}

static void
s_inspect_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_error_t error = {0};
    bm_inspect_t inspect = {.instance = task->instance->config,
                            .start_id = task->agent->start_id,
                            .sql = bm_task_sql (task, &error),
                            .error = &error};
    task->kind = BTSMARK__ENVELOPE__BODY_INSPECTED;
    task->body.inspected = bm_inspect_run (&inspect, task->order->inspect);
}

static bool
s_interrupted (void *argument)
{
    return bm_session_interrupted (argument);
}

/*  With files = local nothing is asked of SQL Server, so no session is opened. */
static void
s_measure_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_error_t error = {0};
    bm_files_t files = {.instance = task->instance->config, .error = &error};
    if (files.instance->files != BM_FILES_LOCAL)
        files.sql = bm_task_sql (task, &error);
    task->kind = BTSMARK__ENVELOPE__BODY_FILES_MEASURED;
    task->body.files_measured = bm_upkeep_measure (&files, task->order->measure_files);
}

static void
s_log_deleted (const Btsmark__FilesDeleted *deleted)
{
    size_t gone = 0;
    int64_t bytes = 0;
    for (size_t i = 0; i < deleted->n_files; i++) {
        const Btsmark__DeletedFile *one = deleted->files[i];
        if (one->fate == BTSMARK__FILE_FATE__FATE_LEFT)
            bm_log_warning ("%s: not deleted: %s", deleted->instance,
                            one->fault ? one->fault->text : one->file);
        else if (one->fate == BTSMARK__FILE_FATE__FATE_DELETED) {
            bm_log_info ("%s: deleted %s", deleted->instance, one->file);
            bytes += one->bytes > 0 ? one->bytes : 0;
            gone++;
        }
    }
    bm_log_info ("%s: %zu of %zu file(s) deleted, %" PRId64 " bytes", deleted->instance, gone,
                 deleted->n_files, bytes);
}

static void
s_delete_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_error_t error = {0};
    bm_files_t files = {
        .instance = task->instance->config, .sql = bm_task_sql (task, &error), .error = &error};
    task->kind = BTSMARK__ENVELOPE__BODY_FILES_DELETED;
    task->body.files_deleted =
        bm_upkeep_delete (&files, task->order->delete_files, s_interrupted, job->session);
    s_log_deleted (task->body.files_deleted);
}

static void
s_trim_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_error_t error = {0};
    bm_trim_t trim = {.instance = task->instance->config->name,
                      .sql = bm_task_sql (task, &error),
                      .error = &error,
                      .stop = s_interrupted,
                      .argument = job->session};
    task->kind = BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED;
    task->body.marks_trimmed = bm_trim_run (&trim, task->order->trim_marks);
}

static Btsmark__ManifestWritten *
s_manifest_written (const char *file, const bm_error_t *error)
{
    Btsmark__ManifestWritten *written = bm_alloc (sizeof *written);
    btsmark__manifest_written__init (written);
    written->ok = error->status == BM_OK;
    bm_answer_text (&written->file, file);
    written->fault = bm_answer_fault (error);
    return written;
}

static void
s_manifest_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_error_t error = {0};
    char *file = NULL;
    if (bm_manifest_write (task->manifest, &file, &error) == BM_OK)
        bm_log_info ("manifest written: %s", file);
    else
        bm_log_warning ("%s", error.text);
    task->kind = BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN;
    task->body.manifest_written = s_manifest_written (file, &error);
    free (file);
}

static void
s_do_manifest (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation)
{
    const Btsmark__WriteManifest *order = operation->order->write_manifest;
    bm_error_t error = {0};
    bm_manifest_whole_t *whole = NULL;
    char *allowed = bm_prepare_path (instance->config, order->path, &error);
    if (!allowed) {
        bm_agent_refuse (agent, operation, BTSMARK__REFUSED__WHY__PATH_NOT_ALLOWED, &error);
        return;
    }
    char *folder = bm_files_manifest_folder (instance->config, allowed, &error);
    free (allowed);
    bm_manifest_part_t part = {.owner = operation->allow->public_key,
                               .folder = folder,
                               .file_name = order->file_name,
                               .part = order->part,
                               .parts = order->parts,
                               .content = order->content.data,
                               .size = order->content.len};
    size_t name = strlen (order->file_name);
    if (!bm_path_file_name_ok (order->file_name) || name < 14 ||
        strcmp (order->file_name + name - 13, ".btsmark.json") != 0 ||
        order->sha256.len != sizeof part.digest)
        bm_fail (&error, BM_PROTOCOL,
                 "\"%.200s\" is not the name of a manifest, or its SHA-256 is missing",
                 order->file_name);
    else if (folder) {
        memcpy (part.digest, order->sha256.data, sizeof part.digest);
        bm_manifests_take (agent->manifests, &part, bm_clock_mono_ms (), &whole, &error);
    }
    if (whole) {
        bm_task_t *task = bm_task_new (agent, instance, operation);
        task->manifest = whole;
        bm_task_submit (task, agent->files, s_manifest_work);
    } else
        bm_agent_answer (agent, operation, BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN,
                         (bm_body_t){.manifest_written = s_manifest_written ("", &error)});
    free (folder);
}

/*  Tasks with a session of their own, at most S_ALONE of them on an instance: each is a login in SQL Server. */
static void
s_do_alone (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation,
            const char *context, bm_job_fn *work)
{
    size_t others = 0;
    bm_operation_t **running = bm_operations_list_running (agent->operations);
    for (size_t i = 0; running[i]; i++)
        if (running[i] != operation && running[i]->work && s_is_alone (running[i]->kind) &&
            bm_agent_find_instance (agent, bm_orders_instance (running[i]->order)) == instance)
            others++;
    free (running);
    if (others < S_ALONE) {
        bm_task_submit_alone (bm_task_new (agent, instance, operation), context, work);
        return;
    }
    bm_error_t error = {0};
    bm_fail (&error, BM_BUSY, "%s: %zu orders that look or clean up run already",
             instance->config->name, others);
    bm_agent_refuse (agent, operation, BTSMARK__REFUSED__WHY__BUSY, &error);
}

static void
s_submit_settle (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation)
{
    bm_operation_step (operation, "SETTLE", -1, bm_clock_mono_ms ());
    bm_task_t *task = bm_task_new (agent, instance, operation);
    task->waited_ms = bm_clock_mono_ms () - operation->began_ms;
    bm_task_submit (task, instance->query, s_settle_work);
}

/*  Backups that this very agent still takes for a run that is over are waited for, then cancelled: truth is read only when
 *  nothing can change it any more. */
static bool
s_settle_waits (bm_agent_t *agent, bm_instance_t *instance, const bm_operation_t *operation,
                int64_t now_ms)
{
    const Btsmark__Envelope *order = operation->order;
    bool over = now_ms - operation->began_ms >= (int64_t)order->settle->wait_ms;
    return bm_queue_older (agent->queue, instance, order, over ? "a newer run settles" : NULL) > 0;
}

void
bm_orders_do (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation)
{
    switch (operation->order->body_case) {
        case BTSMARK__ENVELOPE__BODY_PREPARE:
            bm_task_submit (bm_task_new (agent, instance, operation), instance->query,
                            s_prepare_work);
            break;
        case BTSMARK__ENVELOPE__BODY_BACKUP:
            bm_queue_add (agent->queue, instance, operation);
            break;
        case BTSMARK__ENVELOPE__BODY_SETTLE:
            if (s_settle_waits (agent, instance, operation, bm_clock_mono_ms ()))
                bm_operation_step (operation, "waiting for backups of an earlier run", -1,
                                   bm_clock_mono_ms ());
            else
                s_submit_settle (agent, instance, operation);
            break;
        case BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST:
            s_do_manifest (agent, instance, operation);
            break;
        case BTSMARK__ENVELOPE__BODY_INSPECT:
            s_do_alone (agent, instance, operation, operation->order->inspect->context,
                        s_inspect_work);
            break;
        case BTSMARK__ENVELOPE__BODY_MEASURE_FILES:
            s_do_alone (agent, instance, operation, "measure files", s_measure_work);
            break;
        case BTSMARK__ENVELOPE__BODY_DELETE_FILES:
            s_do_alone (agent, instance, operation, operation->order->delete_files->context,
                        s_delete_work);
            break;
        case BTSMARK__ENVELOPE__BODY_TRIM_MARKS:
            s_do_alone (agent, instance, operation, operation->order->trim_marks->context,
                        s_trim_work);
            break;
        default:
            bm_require (false);
    }
}

void
bm_orders_prove (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation,
                 bool unsettled)
{
    bm_task_t *task = bm_task_new (agent, instance, operation);
    task->unsettled = unsettled;
    bm_task_submit (task, instance->query, s_prove_work);
}

void
bm_orders_tick (bm_agent_t *agent, int64_t now_ms)
{
    bm_operation_t **running = bm_operations_list_running (agent->operations);
    for (size_t i = 0; running[i]; i++) {
        bm_operation_t *one = running[i];
        if (one->answer || one->kind != BTSMARK__ENVELOPE__BODY_SETTLE || one->work)
            continue;
        bm_instance_t *instance = bm_agent_find_instance (agent, one->order->settle->instance);
        if (!s_settle_waits (agent, instance, one, now_ms))
            s_submit_settle (agent, instance, one);
    }
    free (running);
}

bool
bm_orders_cancel (bm_agent_t *agent, bm_operation_t *operation, const char *why)
{
    switch (operation->kind) {
        case BTSMARK__ENVELOPE__BODY_BACKUP:
            return bm_queue_cancel (agent->queue, operation, why);
        case BTSMARK__ENVELOPE__BODY_PREPARE:
        case BTSMARK__ENVELOPE__BODY_PROVE:
        case BTSMARK__ENVELOPE__BODY_SETTLE:
        case BTSMARK__ENVELOPE__BODY_INSPECT:
        case BTSMARK__ENVELOPE__BODY_MEASURE_FILES:
        case BTSMARK__ENVELOPE__BODY_DELETE_FILES:
        case BTSMARK__ENVELOPE__BODY_TRIM_MARKS:
            if (!operation->work)
                return false;
            snprintf (operation->why_cancelled, sizeof operation->why_cancelled, "%.150s", why);
            bm_task_t *task = operation->work;
            bm_session_cancel (task->session, &task->job);
            return true;
        default:
            return false;
    }
}
