#include "request.h"
#include "rights.h"

#include <stdlib.h>
#include <string.h>

static sh_run_t
s_run_of (const sh_session_t *self, sh_flow_t flow)
{
    if (self->drop || flow == SH_FLOW_DROP)
        return SH_RUN_DROP;
    if (flow == SH_FLOW_CLOSE)
        return SH_RUN_CLOSE;
    return flow == SH_FLOW_STOP ? SH_RUN_CANCELLED : SH_RUN_DONE;
}

/*  The faults that strike a request before it runs. SH_FLOW_NEXT: go on. */
static sh_flow_t
s_begin (sh_session_t *self, const char *text)
{
    self->sink_gone = false;
    self->columns_open = false;
    self->statement_text = text;
    self->error = (sh_error_t){0};
    if (sh_fault_count_down (self->instance, SH_FAULT_DROP_AT))
        return SH_FLOW_DROP;
    sh_esession_request (self->engine, "SELECT", text, self->db_id);
    int64_t latency = sh_fault_get (self->instance, SH_FAULT_LATENCY_MS);
    sh_status_t status = latency > 0 ? sh_esession_wait (self->engine, latency, &self->error)
                                     : sh_esession_check (self->engine, &self->error);
    if (status == SH_OK)
        return SH_FLOW_NEXT;
    return status == SH_CANCELLED ? SH_FLOW_STOP : SH_FLOW_CLOSE;
}

/*  At a batch's end: a doomed transaction is rolled back (3998); an attention rolls back under
 *  XACT_ABORT. */
static sh_flow_t
s_end (sh_session_t *self, sh_flow_t flow)
{
    if (flow == SH_FLOW_STOP && self->set.xact_abort)
        sh_rollback_all (self);
    if (self->doomed && flow != SH_FLOW_CLOSE && flow != SH_FLOW_DROP) {
        sh_error_set (
            self, 3998, 16, 1,
            "Uncommittable transaction is detected at the end of the batch. The transaction "
            "is rolled back.");
        if (flow != SH_FLOW_STOP)
            sh_out_message (self, &self->error, 1);
        self->last_error = 3998;
        sh_rollback_all (self);
    }
    if (flow == SH_FLOW_CLOSE)
        sh_rollback_all (self);
    self->try_depth = 0;
    self->catching = NULL;
    self->statement_text = NULL;
    sh_rights_forget (self);
    sh_esession_request (self->engine, NULL, NULL, self->db_id);
    return flow;
}

/*  A request that does not run because its transaction is gone. */
static sh_run_t
s_refuse_lost (sh_session_t *self)
{
    sh_out_message (self, &self->error, 1);
    sh_out_done (self, SH_COMMAND_NONE, false, 0);
    return s_run_of (self, s_end (self, SH_FLOW_NEXT));
}

sh_run_t
sh_request_batch (void *session, const char *text, size_t size)
{
    sh_session_t *self = session;
    sh_flow_t flow = s_begin (self, text);
    if (flow != SH_FLOW_NEXT)
        return s_run_of (self, s_end (self, flow));
    if (sh_tran_lost (self))
        return s_refuse_lost (self);
    sh_syntax_error_t syntax;
    sh_script_t *script = sh_script_parse (text, size, self->set.quoted_identifier, &syntax);
    if (!script) {
        sh_error_set (self, syntax.number, syntax.severity, syntax.state, "%s", syntax.text);
        self->last_error = syntax.number;
        sh_out_message (self, &self->error, syntax.line);
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
        return s_run_of (self, s_end (self, SH_FLOW_NEXT));
    }
    sh_frame_t frame = {.script = script, .sets_kept = true};
    flow = sh_run_frame (self, &frame, script->body);
    sh_script_destroy (&script);
    return s_run_of (self, s_end (self, flow));
}

/*  ---- calls ---- */

static void
s_call_clear (sh_call_t *call)
{
    for (size_t i = 0; i < call->count; i++)
        sh_value_clear (&call->arguments[i].value);
    free (call->arguments);
}

static sh_call_t
s_call_of (const sh_rpc_t *rpc, size_t skip)
{
    sh_call_t call = {.line = 1};
    size_t count = rpc->parameter_count > skip ? rpc->parameter_count - skip : 0;
    call.arguments = sh_alloc ((count + 1) * sizeof *call.arguments);
    for (size_t i = 0; i < count; i++) {
        const sh_rpc_parameter_t *parameter = &rpc->parameters[i + skip];
        sh_actual_t *actual = &call.arguments[call.count++];
        actual->name = parameter->name && *parameter->name ? parameter->name : NULL;
        actual->value = sh_value_copy (&parameter->value);
        actual->type = parameter->type;
        actual->output = parameter->output;
        actual->is_default = parameter->use_default;
    }
    return call;
}

/*  Status, OUTPUT values, DONEPROC. */
static void
s_finish (sh_session_t *self, const sh_call_t *call, size_t skip, bool failed)
{
    self->sink->return_status (self->sink, call->status);
    for (size_t i = 0; i < call->count; i++) {
        const sh_actual_t *actual = &call->arguments[i];
        if (actual->output)
            self->sink->return_value (self->sink, (uint16_t)(i + skip),
                                      actual->name ? actual->name : "", &actual->type,
                                      &actual->value);
    }
    unsigned flags =
        SH_DONE_PROC | (failed ? SH_DONE_ERROR : 0u) | (self->trancount > 0 ? SH_DONE_IN_XACT : 0u);
    self->sink->done (self->sink, flags, SH_COMMAND_EXECUTE, 0);
}

static sh_flow_t
s_named (sh_session_t *self, const char *text, sh_call_t *call)
{
    sh_arena_t *arena = sh_arena_new ();
    sh_name_t name;
    sh_flow_t flow;
    if (sh_name_parse (arena, text, &name))
        flow = sh_call_procedure (self, &name, call, 1);
    else {
        sh_error_set (self, 2812, 16, 62, "Could not find stored procedure '%.256s'.", text);
        flow = sh_raise (self, SH_ERROR, 1);
    }
    sh_arena_destroy (&arena);
    return flow;
}

static char *
s_text_argument (const sh_rpc_t *rpc, size_t index)
{
    if (index >= rpc->parameter_count || rpc->parameters[index].value.kind != SH_TEXT)
        return NULL;
    return sh_strdup (rpc->parameters[index].value.as.text);
}

static int
s_prepare (sh_session_t *self, const char *parameters, const char *text)
{
    sh_prepared_t *prepared = sh_alloc (sizeof *prepared);
    prepared->handle = ++self->prepared_counter;
    prepared->text = sh_strdup (text ? text : "");
    prepared->parameters = sh_strdup (parameters ? parameters : "");
    prepared->next = self->prepared;
    self->prepared = prepared;
    return prepared->handle;
}

static void
s_prepared_drop (sh_prepared_t *prepared)
{
    free (prepared->text);
    free (prepared->parameters);
    free (prepared);
}

static void
s_unprepare (sh_session_t *self, int64_t handle)
{
    for (sh_prepared_t **at = &self->prepared; *at; at = &(*at)->next)
        if ((*at)->handle == handle) {
            sh_prepared_t *gone = *at;
            *at = gone->next;
            s_prepared_drop (gone);
            return;
        }
}

void
sh_prepared_free (sh_session_t *self)
{
    while (self->prepared) {
        sh_prepared_t *next = self->prepared->next;
        s_prepared_drop (self->prepared);
        self->prepared = next;
    }
}

/*  The text with its declared parameters: as sp_executesql. */
static sh_flow_t
s_execute_text (sh_session_t *self, const char *text, const char *declared, sh_call_t *call)
{
    sh_arena_t *arena = sh_arena_new ();
    sh_syntax_error_t syntax = {0};
    sh_variable_t *parameters =
        declared && *declared ? sh_parameters_parse (arena, declared, &syntax) : NULL;
    sh_flow_t flow;
    if (syntax.number) {
        sh_error_set (self, syntax.number, syntax.severity, syntax.state, "%s", syntax.text);
        flow = sh_raise (self, SH_ERROR, syntax.line);
    } else
        flow = sh_run_text (self, text, strlen (text), parameters, call, 1);
    sh_arena_destroy (&arena);
    return flow;
}

static sh_flow_t
s_execute_prepared (sh_session_t *self, int64_t handle, sh_call_t *call)
{
    for (const sh_prepared_t *prepared = self->prepared; prepared; prepared = prepared->next)
        if (prepared->handle == handle)
            return s_execute_text (self, prepared->text, prepared->parameters, call);
    sh_error_set (self, 8179, 16, 2, "Could not find prepared statement with handle %lld.",
                  (long long)handle);
    return sh_raise (self, SH_ERROR, 1);
}

static int64_t
s_handle (const sh_rpc_t *rpc)
{
    return rpc->parameter_count && rpc->parameters[0].value.kind == SH_INT
               ? rpc->parameters[0].value.as.integer
               : 0;
}

/*  sp_prepare (@handle OUT, @params, @stmt), sp_prepexec (the same, values...) */
static sh_flow_t
s_rpc_prepare (sh_session_t *self, const sh_rpc_t *rpc, sh_call_t *call, bool execute)
{
    char *declared = s_text_argument (rpc, 1), *text = s_text_argument (rpc, 2);
    int handle = s_prepare (self, declared, text);
    sh_flow_t flow = SH_FLOW_NEXT;
    if (execute && text) {
        sh_call_t values = s_call_of (rpc, 3);
        flow = s_execute_text (self, text, declared, &values);
        call->status = values.status;
        for (size_t i = 0; i < values.count && i + 3 < call->count; i++) {
            sh_value_clear (&call->arguments[i + 3].value);
            call->arguments[i + 3].value = sh_value_copy (&values.arguments[i].value);
        }
        s_call_clear (&values);
    }
    if (call->count) {
        sh_value_clear (&call->arguments[0].value);
        call->arguments[0].value = sh_value_int (handle);
        call->arguments[0].type = sh_type_of (SH_TYPE_INT);
        call->arguments[0].output = true;
    }
    free (declared);
    free (text);
    return flow;
}

static sh_flow_t
s_rpc (sh_session_t *self, const sh_rpc_t *rpc, sh_call_t *call)
{
    switch (rpc->number) {
        case SH_PROC_NONE:
        case SH_PROC_EXECUTESQL:
            return s_named (self, rpc->number ? "sp_executesql" : rpc->name, call);
        case SH_PROC_PREPARE:
            return s_rpc_prepare (self, rpc, call, false);
        case SH_PROC_PREPEXEC:
            return s_rpc_prepare (self, rpc, call, true);
        case SH_PROC_UNPREPARE:
            s_unprepare (self, s_handle (rpc));
            return SH_FLOW_NEXT;
        case SH_PROC_EXECUTE: {
            sh_call_t values = s_call_of (rpc, 1);
            sh_flow_t flow = s_execute_prepared (self, s_handle (rpc), &values);
            call->status = values.status;
            for (size_t i = 0; i < values.count && i + 1 < call->count; i++) {
                sh_value_clear (&call->arguments[i + 1].value);
                call->arguments[i + 1].value = sh_value_copy (&values.arguments[i].value);
            }
            s_call_clear (&values);
            return flow;
        }
        default:
            sh_error_unsupported (self, rpc->name);
            return sh_raise (self, SH_ERROR, 1);
    }
}

sh_run_t
sh_request_rpc (void *session, const sh_rpc_t *rpc)
{
    sh_session_t *self = session;
    sh_flow_t flow = s_begin (self, rpc->name);
    if (flow != SH_FLOW_NEXT)
        return s_run_of (self, s_end (self, flow));
    if (sh_tran_lost (self))
        return s_refuse_lost (self);
    sh_call_t call = s_call_of (rpc, 0);
    sh_frame_t frame = {.sets_kept = true};
    self->frame = &frame;
    self->last_error = 0;
    flow = s_rpc (self, rpc, &call);
    self->frame = NULL;
    bool ended = flow == SH_FLOW_STOP || flow == SH_FLOW_CLOSE || flow == SH_FLOW_DROP;
    flow = s_end (self, flow);
    if (!ended && !self->sink_gone)
        s_finish (self, &call, 0, flow != SH_FLOW_NEXT);
    s_call_clear (&call);
    return s_run_of (self, flow);
}
