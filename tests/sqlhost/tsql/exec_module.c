/*  CREATE / ALTER of procedures, functions, views and triggers: the batch's text is stored. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rights.h"

static const char *
s_kind (const sh_module_def_t *def)
{
    switch (def->kind) {
        case SH_OBJECT_PROCEDURE:
            return "P";
        case SH_OBJECT_FUNCTION:
            return def->returns_inline ? "IF" : "FN";
        case SH_OBJECT_VIEW:
            return "V";
        default:
            return "TR";
    }
}

/*  A trigger's events and its table's schema: "IU dbo". */
static sh_status_t
s_trigger (sh_session_t *self, const sh_module_def_t *def, char *extra, size_t size)
{
    sh_table_t *table = NULL;
    sh_resolved_t where;
    sh_status_t status = sh_resolve (self, &def->on, &where);
    if (status == SH_OK)
        status = sh_table_open (self->engine, where.db_id, where.schema, where.object, &table,
                                &self->error);
    if (status == SH_END)
        return sh_error_set (self, 8197, 16, 4,
                             "The object '%s' does not exist or is invalid for this operation.",
                             def->on.object);
    if (status != SH_OK)
        return status;
    sh_table_close (self->engine, &table);
    snprintf (extra, size, "%s%s%s %s", def->after_insert ? "I" : "", def->after_update ? "U" : "",
              def->after_delete ? "D" : "", where.schema);
    return SH_OK;
}

/*  A view is bound once, so that its errors come now and not from its first reader. */
static sh_status_t
s_check_view (sh_session_t *self, const sh_module_def_t *def)
{
    sh_query_t *query = NULL;
    sh_status_t status = sh_query_open (self, def->query, NULL, &query);
    if (status == SH_OK) {
        const sh_ident_t *names = def->columns;
        for (size_t i = 0; i < sh_query_count (query) && status == SH_OK; i++) {
            if (!names && !*sh_query_fields (query)[i].name)
                status = sh_error_set (self, 4511, 16, 1,
                                       "Create View or Function failed because no column name was "
                                       "specified for column %zu.",
                                       i + 1);
        }
    }
    sh_query_close (&query);
    return status;
}

static sh_status_t
s_put (sh_session_t *self, const sh_module_def_t *def)
{
    const sh_script_t *script = self->frame->script;
    char extra[200] = "";
    sh_status_t status = SH_OK;
    static const char *const rights[] = {"CREATE PROCEDURE", "CREATE FUNCTION", "CREATE VIEW"};
    const char *right = def->kind == SH_OBJECT_PROCEDURE  ? rights[0]
                        : def->kind == SH_OBJECT_FUNCTION ? rights[1]
                        : def->kind == SH_OBJECT_VIEW     ? rights[2]
                                                          : "ALTER ANY SCHEMA";
    if (sh_check_database (self, self->db_id, def->alter ? "ALTER ANY SCHEMA" : right) != SH_OK)
        return SH_ERROR;
    if (def->execute_as)
        return sh_error_unsupported (self, "EXECUTE AS");
    if (def->kind == SH_OBJECT_TRIGGER)
        status = s_trigger (self, def, extra, sizeof extra);
    else if (def->kind == SH_OBJECT_VIEW)
        status = s_check_view (self, def);
    if (status != SH_OK)
        return status;
    size_t used = strlen (extra);
    snprintf (extra + used, sizeof extra - used, " %s",
              self->set.quoted_identifier ? "quoted_on" : "quoted_off");
    sh_module_t module = {.schema = def->name.schema ? def->name.schema : "dbo",
                          .name = def->name.object,
                          .kind = s_kind (def),
                          .parent = def->kind == SH_OBJECT_TRIGGER ? def->on.object : NULL,
                          .text = script->source,
                          .extra = extra};
    sh_ddl_t how = def->or_alter ? SH_DDL_CREATE_OR_ALTER
                   : def->alter  ? SH_DDL_ALTER
                                 : SH_DDL_CREATE;
    return sh_module_put (self->engine, self->db_id, how, &module, &self->error);
}

sh_flow_t
sh_exec_module (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_write_t write;
    sh_status_t status = sh_write_begin (self, &write);
    if (status == SH_OK)
        status = sh_write_end (self, &write, s_put (self, stmt->module));
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK) {
        self->last_rowcount = 0;
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    }
    return flow;
}
