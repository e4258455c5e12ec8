/*  Frames, procedures, functions, triggers, dynamic SQL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rights.h"

/*  ---- parsed texts ---- */

enum { S_SCRIPTS_MAX = 300 };

sh_script_t *
sh_script_acquire (sh_session_t *self, const sh_module_t *module)
{
    size_t count = 0;
    sh_script_cache_t **last_unused = NULL;
    for (sh_script_cache_t **at = &self->scripts; *at; at = &(*at)->next, count++) {
        if ((*at)->version == module->version) {
            (*at)->uses++;
            return (*at)->script;
        }
        if (!(*at)->uses)
            last_unused = at;
    }
    if (count > S_SCRIPTS_MAX && last_unused) {
        sh_script_cache_t *gone = *last_unused;
        *last_unused = gone->next;
        sh_script_destroy (&gone->script);
        free (gone);
    }
    sh_syntax_error_t syntax;
    bool quoted = !module->extra || !strstr (module->extra, "quoted_off");
    sh_script_t *script = sh_script_parse (module->text, strlen (module->text), quoted, &syntax);
    if (!script || !script->body) {
        sh_script_destroy (&script);
        sh_error_set (self, syntax.number ? syntax.number : 102, 16, 1, "%s", syntax.text);
        return NULL;
    }
    sh_script_cache_t *entry = sh_alloc (sizeof *entry);
    entry->version = module->version;
    entry->script = script;
    entry->uses = 1;
    entry->next = self->scripts;
    self->scripts = entry;
    return script;
}

void
sh_script_release (sh_session_t *self, sh_script_t *script)
{
    for (sh_script_cache_t *entry = self->scripts; entry; entry = entry->next)
        if (entry->script == script)
            entry->uses--;
}

void
sh_scripts_free (sh_session_t *self)
{
    while (self->scripts) {
        sh_script_cache_t *entry = self->scripts;
        self->scripts = entry->next;
        sh_script_destroy (&entry->script);
        free (entry);
    }
}

/*  ---- frames ---- */

/*  Variables are the batch's or module's, wherever their DECLARE stands. */
static sh_status_t
s_hoist (sh_session_t *self, const sh_stmt_t *list)
{
    for (const sh_stmt_t *stmt = list; stmt; stmt = stmt->next) {
        for (const sh_variable_t *v = stmt->kind == SH_STMT_DECLARE ? stmt->variables : NULL; v;
             v = v->next) {
            if (sh_var_find (self, v->name)) {
                self->frame->statement_line = v->line;
                return sh_error_set (
                    self, 134, 15, 2,
                    "The variable name '%s' has already been declared. Variable names "
                    "must be unique within a query batch or stored procedure.",
                    v->name);
            }
            sh_var_add (self, v->name, &v->type.type);
        }
        sh_status_t status = stmt->body ? s_hoist (self, stmt->body) : SH_OK;
        if (status == SH_OK && stmt->other)
            status = s_hoist (self, stmt->other);
        if (status != SH_OK)
            return status;
    }
    return SH_OK;
}

static void
s_restore_settings (sh_session_t *self, const sh_settings_t *saved)
{
    if (self->set.lock_timeout_ms != saved->lock_timeout_ms)
        sh_esession_set_lock_timeout (self->engine, saved->lock_timeout_ms);
    if (self->set.deadlock_priority != saved->deadlock_priority)
        sh_esession_set_deadlock_priority (self->engine, saved->deadlock_priority);
    self->set = *saved;
}

static void
s_free_variables (sh_frame_t *frame)
{
    while (frame->variables) {
        sh_var_t *var = frame->variables;
        frame->variables = var->next;
        sh_value_clear (&var->value);
        free (var->name);
        free (var->table);
        free (var);
    }
}

/*  The frame must be the innermost. Table variables and # tables made in it go. */
static void
s_leave (sh_session_t *self, sh_frame_t *frame)
{
    if (frame->level > 0)
        sh_temp_drop (self, frame);
    for (const sh_var_t *var = frame->variables; var; var = var->next)
        if (var->table)
            sh_table_variable_drop (self, var->table);
    sh_cursors_free (self, frame);
    s_free_variables (frame);
    self->frame = frame->up;
}

static void
s_enter (sh_session_t *self, sh_frame_t *frame)
{
    frame->up = self->frame;
    self->frame = frame;
}

/*  The variables may be there already (parameters). The frame stays entered. */
static sh_flow_t
s_run_body (sh_session_t *self, sh_frame_t *frame, const sh_stmt_t *body)
{
    if (s_hoist (self, body) != SH_OK)
        return sh_raise (self, SH_ERROR, frame->statement_line) == SH_FLOW_CATCH ? SH_FLOW_CATCH
                                                                                 : SH_FLOW_SCOPE;
    sh_flow_t flow = sh_exec_list (self, body);
    if (flow == SH_FLOW_GOTO) {
        sh_error_set (
            self, 133, 15, 1,
            "A GOTO statement references the label '%s' but the label has not been declared.",
            frame->label);
        flow = sh_raise (self, SH_ERROR, frame->statement_line);
    }
    return flow == SH_FLOW_RETURN || flow == SH_FLOW_BREAK || flow == SH_FLOW_CONTINUE
               ? SH_FLOW_NEXT
               : flow;
}

sh_flow_t
sh_run_frame (sh_session_t *self, sh_frame_t *frame, const sh_stmt_t *body)
{
    s_enter (self, frame);
    sh_flow_t flow = s_run_body (self, frame, body);
    s_leave (self, frame);
    return flow;
}

/*  ---- parameters ---- */

static const sh_actual_t *
s_actual_for (const sh_call_t *call, const sh_variable_t *parameter, size_t position)
{
    for (size_t i = 0; i < call->count; i++)
        if (call->arguments[i].name ? sh_same (call->arguments[i].name, parameter->name)
                                    : i == position)
            return &call->arguments[i];
    return NULL;
}

static bool
s_known (const sh_variable_t *parameters, const char *name)
{
    for (; parameters; parameters = parameters->next)
        if (sh_same (parameters->name, name))
            return true;
    return false;
}

static sh_status_t
s_check_arguments (sh_session_t *self, const sh_variable_t *parameters, const sh_call_t *call,
                   const char *procedure)
{
    size_t count = 0;
    for (const sh_variable_t *p = parameters; p; p = p->next)
        count++;
    if (call->count > count)
        return sh_error_set (self, 8144, 16, 2,
                             "Procedure or function %s has too many arguments specified.",
                             procedure);
    bool named = false;
    for (size_t i = 0; i < call->count; i++) {
        const sh_actual_t *actual = &call->arguments[i];
        if (actual->name && !s_known (parameters, actual->name))
            return sh_error_set (self, 8145, 16, 2, "%s is not a parameter for procedure %s.",
                                 actual->name, procedure);
        if (!actual->name && named)
            return sh_error_set (
                self, 119, 15, 1,
                "Must pass parameter number %zu and subsequent parameters as '@name = "
                "value'. After the form '@name = value' has been used, all subsequent "
                "parameters must be passed in the form '@name = value'.",
                i + 1);
        named |= actual->name != NULL;
    }
    return SH_OK;
}

/*  Makes the parameters the frame's variables. The frame is entered already. */
static sh_status_t
s_bind_parameters (sh_session_t *self, const sh_variable_t *parameters, const sh_call_t *call,
                   const char *procedure)
{
    sh_status_t status = s_check_arguments (self, parameters, call, procedure);
    size_t position = 0;
    for (const sh_variable_t *p = parameters; p && status == SH_OK; p = p->next, position++) {
        sh_var_t *var = sh_var_add (self, p->name, &p->type.type);
        var->output = p->output;
        const sh_actual_t *actual = s_actual_for (call, p, position);
        if (actual && !actual->is_default) {
            if (actual->output && !p->output)
                return sh_error_set (
                    self, 8162, 16, 2,
                    "The formal parameter \"%s\" was not declared as an OUTPUT "
                    "parameter, but the actual parameter passed in requested output.",
                    p->name);
            if (sh_var_set (self, var, &actual->value, &actual->type) != SH_OK)
                return sh_error_set (self, 8114, 16, 5, "Error converting data type %s to %s.",
                                     sh_type_name (actual->type.id), p->type.name);
        } else if (p->init)
            status = sh_eval_to (self, p->init, &var->type, &var->value);
        else
            return sh_error_set (self, 201, 16, 4,
                                 "Procedure or function '%s' expects parameter '%s', which was not "
                                 "supplied.",
                                 procedure, p->name);
    }
    return status;
}

static void
s_copy_outputs (sh_session_t *self, const sh_variable_t *parameters, sh_call_t *call)
{
    size_t position = 0;
    for (const sh_variable_t *p = parameters; p; p = p->next, position++) {
        sh_actual_t *actual = (sh_actual_t *)(uintptr_t)s_actual_for (call, p, position);
        const sh_var_t *var = sh_var_find (self, p->name);
        if (!p->output || !actual || !actual->output || !var)
            continue;
        sh_value_clear (&actual->value);
        actual->value = sh_value_copy (&var->value);
        actual->type = var->type;
    }
}

/*  ---- calls ---- */

static bool
s_too_deep (const sh_session_t *self)
{
    return self->frame && self->frame->level >= SH_NEST_MAX;
}

static sh_status_t
s_depth_error (sh_session_t *self)
{
    return sh_error_set (
        self, 217, 16, 1,
        "Maximum stored procedure, function, trigger, or view nesting level exceeded "
        "(limit %d).",
        SH_NEST_MAX);
}

static sh_flow_t
s_count_mismatch (sh_session_t *self, int before, int line)
{
    sh_error_set (
        self, 266, 16, 2,
        "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT "
        "statements. Previous count = %d, current count = %d.",
        before, self->trancount);
    return sh_raise (self, SH_ERROR, line);
}

/*  A procedure's or text's body with its parameters, in a new frame. */
static sh_flow_t
s_run_called (sh_session_t *self, sh_frame_t *frame, const sh_variable_t *parameters,
              const sh_stmt_t *body, sh_call_t *call, int line)
{
    static const sh_call_t none = {0};
    sh_settings_t saved = self->set;
    sh_value_t saved_identity = self->scope_identity;
    int saved_db = self->db_id, before = self->trancount;
    self->scope_identity = sh_value_null ();
    frame->level = self->frame ? self->frame->level + 1 : 1;
    s_enter (self, frame);
    frame->statement_line = line;
    sh_status_t status = s_bind_parameters (self, parameters, call ? call : &none,
                                            frame->procedure ? frame->procedure : "sp_executesql");
    sh_flow_t flow;
    if (status == SH_OK)
        flow = s_run_body (self, frame, body);
    else {
        flow = sh_raise (self, status, status == SH_ERROR ? 0 : line);
        if (call)
            call->status = -6;
    }
    bool scope_ended = flow == SH_FLOW_SCOPE;
    if (scope_ended)
        flow = SH_FLOW_NEXT;
    if (flow == SH_FLOW_NEXT && self->trancount != before && !frame->is_trigger)
        flow = s_count_mismatch (self, before, frame->statement_line);
    if (call && status == SH_OK) {
        call->status = scope_ended ? -6 : frame->status;
        if (flow == SH_FLOW_NEXT)
            s_copy_outputs (self, parameters, call);
    }
    s_leave (self, frame);
    sh_value_clear (&self->scope_identity);
    self->scope_identity = saved_identity;
    s_restore_settings (self, &saved);
    if (self->db_id != saved_db)
        sh_session_set_db (self, saved_db);
    return flow;
}

static sh_status_t
s_find_procedure (sh_session_t *self, const sh_name_t *name, int *db_id, const sh_module_t **module)
{
    sh_resolved_t where;
    sh_status_t status = sh_resolve (self, name, &where);
    if (status != SH_OK)
        return status;
    status = sh_module_open (self->engine, where.db_id, "P", where.schema, where.object, module,
                             &self->error);
    *db_id = where.db_id;
    /*  A procedure of master whose name begins with sp_ is every database's. */
    if (status == SH_END && strncasecmp (name->object, "sp_", 3) == 0) {
        status = sh_module_open (self->engine, SH_DB_MASTER, "P", where.schema, where.object,
                                 module, &self->error);
        if (status == SH_OK)
            *db_id = where.db_id;
    }
    if (status == SH_END) {
        char text[600];
        sh_name_text (name, text, sizeof text);
        return sh_error_set (self, 2812, 16, 62, "Could not find stored procedure '%s'.", text);
    }
    return status;
}

static const sh_builtin_t *
s_find_builtin (const sh_session_t *self, const sh_name_t *name)
{
    if (name->schema && !sh_same (name->schema, "sys") && !sh_same (name->schema, "dbo"))
        return NULL;
    for (const sh_builtin_t *builtin = self->host_of->builtins; builtin && builtin->name; builtin++)
        if (sh_same (builtin->name, name->object))
            return builtin;
    return NULL;
}

/*  A built-in runs in the database that its name says. */
static sh_flow_t
s_call_builtin (sh_session_t *self, const sh_name_t *name, const sh_builtin_t *builtin,
                sh_call_t *call, int line)
{
    sh_resolved_t where;
    sh_status_t status = sh_resolve (self, name, &where);
    sh_frame_t frame = {.procedure = builtin->name,
                        .level = self->frame ? self->frame->level + 1 : 1,
                        .statement_line = 1};
    int saved_db = self->db_id;
    s_enter (self, &frame);
    call->line = line;
    if (status == SH_OK && builtin->home)
        status = sh_check_system (self, builtin->name, builtin->home);
    if (status == SH_OK) {
        sh_session_set_db (self, where.db_id);
        self->error = (sh_error_t){0};
        status = builtin->run (self, call);
        sh_session_set_db (self, saved_db);
    }
    sh_flow_t flow = sh_raise (self, status, 1);
    if (status != SH_OK && !call->status)
        call->status = 1;
    s_leave (self, &frame);
    return flow;
}

/*  sp_executesql @stmt, @params, values */
static sh_flow_t
s_executesql (sh_session_t *self, sh_call_t *call, int line)
{
    sh_type_t wide = sh_type_nvarchar (SH_MAX);
    sh_value_t text = sh_value_null (), declared = sh_value_null ();
    sh_flow_t flow = SH_FLOW_NEXT;
    bool ok = call->count > 0 &&
              sh_convert (&call->arguments[0].value, &call->arguments[0].type, &wide, 0, &text,
                          &self->error) &&
              (call->count < 2 || sh_convert (&call->arguments[1].value, &call->arguments[1].type,
                                              &wide, 0, &declared, &self->error));
    if (!call->count)
        sh_error_set (
            self, 201, 16, 10,
            "Procedure or function 'sp_executesql' expects parameter '@statement', which was "
            "not supplied.");
    sh_arena_t *arena = sh_arena_new ();
    sh_syntax_error_t syntax = {0};
    sh_variable_t *parameters = NULL;
    if (ok && declared.kind == SH_TEXT)
        parameters = sh_parameters_parse (arena, declared.as.text, &syntax);
    if (ok && syntax.number) {
        sh_error_set (self, syntax.number, syntax.severity, syntax.state, "%s", syntax.text);
        ok = false;
    }
    if (!ok)
        flow = sh_raise (self, SH_ERROR, line);
    else if (text.kind == SH_TEXT) {
        sh_call_t rest = {.arguments = call->arguments + (call->count < 2 ? call->count : 2),
                          .count = call->count < 2 ? 0 : call->count - 2};
        flow = sh_run_text (self, text.as.text, text.size, parameters, &rest, line);
        call->status = rest.status ? rest.status : self->last_error;
    }
    sh_arena_destroy (&arena);
    sh_value_clear (&text);
    sh_value_clear (&declared);
    return flow;
}

static sh_flow_t
s_call_stored (sh_session_t *self, const sh_name_t *name, sh_call_t *call, int line)
{
    const sh_module_t *module = NULL;
    int db_id = 0;
    sh_status_t status = s_find_procedure (self, name, &db_id, &module);
    if (status == SH_OK)
        status = sh_check_object (self, db_id, module->schema, module->name, module->object_id,
                                  "EXECUTE");
    if (status != SH_OK) {
        call->refused = true;
        sh_module_close (self->engine, &module);
        return sh_raise (self, status, line);
    }
    sh_script_t *script = sh_script_acquire (self, module);
    sh_flow_t flow;
    if (!script || !script->body->module)
        flow = sh_raise (self, SH_ERROR, line);
    else {
        const sh_module_def_t *def = script->body->module;
        sh_frame_t frame = {
            .procedure = module->name, .object_id = module->object_id, .script = script};
        int saved_db = self->db_id;
        if (db_id != saved_db)
            sh_session_set_db (self, db_id);
        flow = s_run_called (self, &frame, def->parameters, def->body, call, line);
        if (self->db_id != saved_db)
            sh_session_set_db (self, saved_db);
    }
    if (script)
        sh_script_release (self, script);
    sh_module_close (self->engine, &module);
    return flow;
}

sh_flow_t
sh_call_procedure (sh_session_t *self, const sh_name_t *name, sh_call_t *call, int line)
{
    if (s_too_deep (self))
        return sh_raise (self, s_depth_error (self), line);
    const sh_builtin_t *builtin = s_find_builtin (self, name);
    if (sh_same (name->object, "sp_executesql")) {
        int saved = self->db_id;
        sh_resolved_t where;
        sh_status_t status = sh_resolve (self, name, &where);
        if (status != SH_OK)
            return sh_raise (self, status, line);
        sh_session_set_db (self, where.db_id);
        sh_flow_t flow = s_executesql (self, call, line);
        sh_session_set_db (self, saved);
        return flow;
    }
    if (builtin)
        return s_call_builtin (self, name, builtin, call, line);
    return s_call_stored (self, name, call, line);
}

sh_flow_t
sh_run_text (sh_session_t *self, const char *text, size_t size, sh_variable_t *parameters,
             sh_call_t *call, int line)
{
    if (s_too_deep (self))
        return sh_raise (self, s_depth_error (self), line);
    sh_syntax_error_t syntax;
    sh_script_t *script = sh_script_parse (text, size, self->set.quoted_identifier, &syntax);
    if (!script) {
        /*  The text is a scope of its own: its caller goes on, and may catch. */
        sh_frame_t frame = {.is_dynamic = true, .level = self->frame ? self->frame->level + 1 : 1};
        s_enter (self, &frame);
        sh_error_set (self, syntax.number, syntax.severity, syntax.state, "%s", syntax.text);
        sh_flow_t failed = sh_raise (self, SH_ERROR, syntax.line);
        s_leave (self, &frame);
        return failed == SH_FLOW_SCOPE ? SH_FLOW_NEXT : failed;
    }
    sh_frame_t frame = {.is_dynamic = true, .script = script};
    sh_flow_t flow = s_run_called (self, &frame, parameters, script->body, call, line);
    sh_script_destroy (&script);
    return flow;
}

/*  ---- EXEC ---- */

static void
s_call_clear (sh_call_t *call)
{
    for (size_t i = 0; i < call->count; i++)
        sh_value_clear (&call->arguments[i].value);
    free (call->arguments);
}

static sh_status_t
s_call_of (sh_session_t *self, const sh_stmt_t *stmt, sh_call_t *call)
{
    size_t count = 0;
    for (const sh_argument_t *a = stmt->arguments; a; a = a->next)
        count++;
    *call = (sh_call_t){.arguments = sh_alloc ((count + 1) * sizeof *call->arguments),
                        .line = stmt->line};
    for (const sh_argument_t *a = stmt->arguments; a; a = a->next) {
        sh_actual_t *actual = &call->arguments[call->count++];
        actual->name = a->name;
        actual->output = a->output;
        actual->value = sh_value_null ();
        if (a->value->kind == SH_EXPR_DEFAULT) {
            actual->is_default = true;
            continue;
        }
        sh_status_t status = sh_eval (self, a->value, &actual->value, &actual->type);
        if (status != SH_OK)
            return status;
        if (a->output && a->value->kind != SH_EXPR_VAR)
            return sh_error_set (self, 179, 15, 1,
                                 "Cannot use the OUTPUT option when passing a constant to a stored "
                                 "procedure.");
    }
    return SH_OK;
}

static sh_status_t
s_return_outputs (sh_session_t *self, const sh_stmt_t *stmt, const sh_call_t *call)
{
    size_t i = 0;
    for (const sh_argument_t *a = stmt->arguments; a; a = a->next, i++) {
        sh_var_t *var = a->output ? sh_var_find (self, a->value->text) : NULL;
        if (var &&
            sh_var_set (self, var, &call->arguments[i].value, &call->arguments[i].type) != SH_OK)
            return SH_ERROR;
    }
    if (!stmt->text)
        return SH_OK;
    sh_var_t *status = sh_var_find (self, stmt->text);
    if (!status)
        return sh_error_set (self, 137, 15, 1, "Must declare the scalar variable \"%s\".",
                             stmt->text);
    sh_value_t value = sh_value_int (call->status);
    sh_type_t type = sh_type_of (SH_TYPE_INT);
    return sh_var_set (self, status, &value, &type);
}

/*  EXEC @name: the name is in the variable. */
static sh_status_t
s_exec_name (sh_session_t *self, const sh_stmt_t *stmt, sh_arena_t *arena, sh_name_t *name)
{
    char *text = NULL;
    if (!stmt->name_expr) {
        *name = stmt->name;
        return SH_OK;
    }
    sh_status_t status = sh_eval_text (self, stmt->name_expr, &text);
    if (status == SH_OK && (!text || !sh_name_parse (arena, text, name)))
        status = sh_error_set (self, 2812, 16, 62, "Could not find stored procedure '%.256s'.",
                               text ? text : "");
    free (text);
    return status;
}

sh_flow_t
sh_exec_call (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_call_t call = {0};
    sh_name_t name;
    sh_arena_t *arena = sh_arena_new ();
    sh_status_t status = s_exec_name (self, stmt, arena, &name);
    if (status == SH_OK)
        status = s_call_of (self, stmt, &call);
    sh_flow_t flow;
    if (status != SH_OK)
        flow = sh_raise (self, status, stmt->line);
    else {
        flow = sh_call_procedure (self, &name, &call, stmt->line);
        self->frame->statement_line = stmt->line;
        if (flow == SH_FLOW_NEXT && !call.refused) {
            int error = self->last_error;
            status = s_return_outputs (self, stmt, &call);
            flow = sh_raise (self, status, stmt->line);
            if (status == SH_OK)
                self->last_error = error;
        }
        bool top = self->frame->level == 0 && !self->capture && !call.refused;
        if (top && (flow == SH_FLOW_NEXT || flow == SH_FLOW_SCOPE) && !self->sink_gone) {
            self->sink->return_status (self->sink, call.status);
            self->sink->done (self->sink,
                              SH_DONE_PROC | (self->trancount > 0 ? SH_DONE_IN_XACT : 0u),
                              SH_COMMAND_EXECUTE, 0);
        }
    }
    s_call_clear (&call);
    sh_arena_destroy (&arena);
    return flow;
}

sh_flow_t
sh_exec_string (sh_session_t *self, const sh_stmt_t *stmt)
{
    char *text = NULL;
    sh_status_t status = sh_eval_text (self, stmt->cond, &text);
    sh_flow_t flow = SH_FLOW_NEXT;
    if (status != SH_OK)
        flow = sh_raise (self, status, stmt->line);
    else if (text)
        flow = sh_run_text (self, text, strlen (text), NULL, NULL, stmt->line);
    self->frame->statement_line = stmt->line;
    free (text);
    return flow;
}

/*  ---- scalar functions ---- */

sh_status_t
sh_function_call (sh_session_t *self, int db_id, const sh_module_t *module,
                  const sh_value_t *values, const sh_type_t *types, size_t count, sh_value_t *value)
{
    *value = sh_value_null ();
    if (s_too_deep (self))
        return s_depth_error (self);
    sh_script_t *script = sh_script_acquire (self, module);
    if (!script)
        return SH_ERROR;
    const sh_module_def_t *def = script->body->module;
    sh_call_t call = {.arguments = sh_alloc ((count + 1) * sizeof *call.arguments), .count = count};
    for (size_t i = 0; i < count; i++) {
        call.arguments[i].value = sh_value_copy (&values[i]);
        call.arguments[i].type = types[i];
    }
    sh_frame_t frame = {.procedure = module->name,
                        .object_id = module->object_id,
                        .script = script,
                        .is_function = true,
                        .result_type = def->returns.type};
    int saved_db = self->db_id, saved_error = self->last_error;
    int64_t saved_rows = self->last_rowcount;
    sh_caught_t saved_pending = self->pending;
    if (db_id != saved_db)
        sh_session_set_db (self, db_id);
    /*  An error inside is the calling statement's error. */
    self->try_depth++;
    sh_flow_t flow = s_run_called (self, &frame, def->parameters, def->body, &call, 1);
    self->try_depth--;
    sh_status_t status = flow == SH_FLOW_NEXT    ? SH_OK
                         : flow == SH_FLOW_STOP  ? SH_CANCELLED
                         : flow == SH_FLOW_CLOSE ? SH_KILLED
                                                 : SH_ERROR;
    if (flow == SH_FLOW_CATCH)
        self->error = self->pending.error;
    if (status == SH_OK)
        *value = frame.result;
    else
        sh_value_clear (&frame.result);
    self->pending = saved_pending;
    self->last_error = saved_error;
    self->last_rowcount = saved_rows;
    if (self->db_id != saved_db)
        sh_session_set_db (self, saved_db);
    s_call_clear (&call);
    sh_script_release (self, script);
    return status;
}

/*  ---- triggers ---- */

typedef struct {
    const char *schema;
    const char *table;
    char event;
    char *names[32]; /* "schema\nname" */
    size_t count;
} s_triggers_t;

/*  `extra` of a trigger begins with its events (I, U, D), then a blank and the table's schema. */
static bool
s_trigger_of (void *arg, const sh_object_t *object)
{
    s_triggers_t *look = arg;
    if (strcmp (object->kind, "TR") != 0 || !object->parent ||
        !sh_same (object->parent, look->table))
        return true;
    const char *extra = object->module && object->module->extra ? object->module->extra : "";
    const char *blank = strchr (extra, ' ');
    if (!blank || !memchr (extra, look->event, (size_t)(blank - extra)))
        return true;
    size_t width = strcspn (blank + 1, " ");
    if (strlen (look->schema) != width || strncasecmp (blank + 1, look->schema, width) != 0)
        return true;
    look->names[look->count++] = sh_printf ("%s\n%s", object->schema, object->name);
    return look->count < 32;
}

static void
s_triggers (sh_session_t *self, int db_id, const sh_table_def_t *def, char event, s_triggers_t *out)
{
    *out = (s_triggers_t){.schema = def->schema, .table = def->name, .event = event};
    if (db_id != SH_DB_TEMPDB)
        sh_object_walk (self->engine, db_id, s_trigger_of, out);
}

bool
sh_has_trigger (sh_session_t *self, int db_id, const sh_table_def_t *def, char event)
{
    s_triggers_t triggers;
    s_triggers (self, db_id, def, event, &triggers);
    for (size_t i = 0; i < triggers.count; i++)
        free (triggers.names[i]);
    return triggers.count > 0;
}

static sh_flow_t
s_fire (sh_session_t *self, int db_id, const char *schema, const char *name,
        const sh_pseudo_t *pseudo, int line)
{
    const sh_module_t *module = NULL;
    sh_status_t status =
        sh_module_open (self->engine, db_id, "TR", schema, name, &module, &self->error);
    if (status != SH_OK)
        return sh_raise (self, status, line);
    sh_script_t *script = sh_script_acquire (self, module);
    sh_flow_t flow = SH_FLOW_NEXT;
    if (!script)
        flow = sh_raise (self, SH_ERROR, line);
    else {
        sh_frame_t frame = {.procedure = module->name,
                            .object_id = module->object_id,
                            .script = script,
                            .is_trigger = true,
                            .is_dynamic = true, /* no 266 */
                            .pseudo = pseudo};
        sh_settings_t saved = self->set;
        int saved_db = self->db_id;
        self->set.xact_abort = true; /* the default in triggers */
        if (db_id != saved_db)
            sh_session_set_db (self, db_id);
        flow = s_run_called (self, &frame, NULL, script->body->module->body, NULL, line);
        if (self->db_id != saved_db)
            sh_session_set_db (self, saved_db);
        self->set = saved;
        sh_script_release (self, script);
    }
    sh_module_close (self->engine, &module);
    return flow;
}

sh_flow_t
sh_fire_triggers (sh_session_t *self, int db_id, const sh_table_def_t *def, char event,
                  const sh_pseudo_t *pseudo, int line)
{
    s_triggers_t triggers;
    s_triggers (self, db_id, def, event, &triggers);
    if (!triggers.count)
        return SH_FLOW_NEXT;
    sh_flow_t flow = SH_FLOW_NEXT;
    /*  Inside a trigger there always is a transaction: the statement's, if nobody else's. */
    bool lent = self->trancount == 0;
    if (lent)
        self->trancount = 1;
    if (s_too_deep (self))
        flow = sh_raise (self, s_depth_error (self), line);
    for (size_t i = 0; i < triggers.count; i++) {
        char *name = strchr (triggers.names[i], '\n');
        *name++ = 0;
        if (flow == SH_FLOW_NEXT)
            flow = s_fire (self, db_id, triggers.names[i], name, pseudo, line);
        if (flow == SH_FLOW_NEXT && self->trancount == 0) {
            sh_error_set (self, 3609, 16, 1,
                          "The transaction ended in the trigger. The batch has been aborted.");
            flow = sh_raise (self, SH_ERROR, line);
        }
        free (triggers.names[i]);
    }
    if (lent && self->trancount > 0)
        self->trancount--;
    return flow;
}
