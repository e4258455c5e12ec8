/*  Names to databases, tables, variables; @@ globals. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rights.h"

void
sh_name_text (const sh_name_t *name, char *out, size_t size)
{
    size_t at = 0;
    const char *const parts[] = {name->server, name->database, name->schema};
    bool before = false;
    out[0] = 0;
    for (size_t i = 0; i < 3; i++)
        if (parts[i] || before) {
            int written = snprintf (out + at, size - at, "%s.", parts[i] ? parts[i] : "");
            at += written > 0 && (size_t)written < size - at ? (size_t)written : 0;
            before = true;
        }
    snprintf (out + at, size - at, "%s", name->object);
}

static sh_status_t
s_database (sh_session_t *self, const char *name, int *db_id)
{
    sh_db_info_t info;
    if (sh_db_find (self->instance, name, &info) != SH_OK)
        return sh_error_set (
            self, 911, 16, 1,
            "Database '%s' does not exist. Make sure that the name is entered correctly.", name);
    *db_id = info.id;
    sh_status_t status = sh_db_usable (self->engine, info.id, &self->error);
    return status == SH_OK ? sh_check_access (self, info.id) : status;
}

sh_status_t
sh_resolve_in (sh_session_t *self, int db_id, const sh_name_t *name, sh_resolved_t *out)
{
    *out = (sh_resolved_t){
        .db_id = db_id, .schema = name->schema ? name->schema : "dbo", .object = name->object};
    if (name->server && !sh_same (name->server, sh_instance_name (self->instance))) {
        char text[300];
        snprintf (text, sizeof text, "The linked server '%.128s'", name->server);
        return sh_error_unsupported (self, text);
    }
    if (name->object[0] == '#' || name->object[0] == '@') {
        const char *table = NULL;
        if (name->object[0] == '#')
            table = sh_temp_find (self, name->object);
        else {
            const sh_var_t *var = sh_var_find (self, name->object);
            table = var ? var->table : NULL;
        }
        out->db_id = SH_DB_TEMPDB;
        out->schema = "dbo";
        out->temp = true;
        if (table)
            out->object = table;
        return SH_OK;
    }
    if (!name->database)
        return SH_OK;
    return s_database (self, name->database, &out->db_id);
}

sh_status_t
sh_resolve (sh_session_t *self, const sh_name_t *name, sh_resolved_t *out)
{
    return sh_resolve_in (self, self->db_id, name, out);
}

/*  sys.x, INFORMATION_SCHEMA.X; the old dbo.sysx without a schema too. */
const sh_sysview_t *
sh_sysview_find (const sh_session_t *self, const sh_name_t *name)
{
    for (const sh_sysview_t *view = self->host_of->views; view && view->name; view++) {
        if (!sh_same (view->name, name->object))
            continue;
        if (sh_same (view->schema, "dbo")) {
            if (!name->schema || sh_same (name->schema, "dbo") || sh_same (name->schema, "sys"))
                return view;
        } else if (name->schema && sh_same (view->schema, name->schema))
            return view;
    }
    return NULL;
}

/*  ---- variables ---- */

sh_var_t *
sh_var_find (const sh_session_t *self, const char *name)
{
    for (sh_var_t *var = self->frame ? self->frame->variables : NULL; var; var = var->next)
        if (sh_same (var->name, name))
            return var;
    return NULL;
}

sh_var_t *
sh_var_add (sh_session_t *self, const char *name, const sh_type_t *type)
{
    sh_var_t *var = sh_alloc (sizeof *var);
    var->name = sh_strdup (name);
    var->type = *type;
    var->next = self->frame->variables;
    self->frame->variables = var;
    return var;
}

sh_status_t
sh_var_set (sh_session_t *self, sh_var_t *var, const sh_value_t *value, const sh_type_t *type)
{
    sh_value_t converted;
    if (!sh_convert (value, type, &var->type, 0, &converted, &self->error))
        return SH_ERROR;
    sh_value_clear (&var->value);
    var->value = converted;
    return SH_OK;
}

/*  ---- temporary tables ---- */

const char *
sh_temp_find (const sh_session_t *self, const char *name)
{
    for (const sh_temp_t *temp = self->temps; temp; temp = temp->next)
        if (sh_same (temp->name, name))
            return temp->table;
    return NULL;
}

sh_status_t
sh_temp_add (sh_session_t *self, const char *name, char **table)
{
    const sh_frame_t *frame = self->frame;
    /*  A table made by dynamic SQL ends with it; one of the batch lives as long as the session. */
    if (frame && frame->level == 0)
        frame = NULL;
    for (const sh_temp_t *temp = self->temps; temp; temp = temp->next)
        if (sh_same (temp->name, name) && temp->frame == frame)
            return sh_error_set (self, 2714, 16, 6,
                                 "There is already an object named '%s' in the database.", name);
    sh_temp_t *temp = sh_alloc (sizeof *temp);
    temp->name = sh_strdup (name);
    temp->table =
        sh_printf ("#%.60s_%d_%u", name + 1, sh_esession_id (self->engine), ++self->temp_counter);
    temp->frame = frame;
    temp->next = self->temps;
    self->temps = temp;
    *table = temp->table;
    return SH_OK;
}

void
sh_temp_forget (sh_session_t *self, const char *name)
{
    for (sh_temp_t **at = &self->temps; *at; at = &(*at)->next)
        if (sh_same ((*at)->name, name)) {
            sh_temp_t *gone = *at;
            *at = gone->next;
            free (gone->name);
            free (gone->table);
            free (gone);
            return;
        }
}

static void
s_drop_table (sh_session_t *self, const char *table)
{
    sh_error_t ignored;
    bool own = !sh_txn_active (self->engine);
    if (own && sh_txn_begin (self->engine, NULL, false, &ignored) != SH_OK)
        return;
    sh_table_drop (self->engine, SH_DB_TEMPDB, "dbo", table, &ignored);
    if (own && sh_txn_commit (self->engine, &ignored) != SH_OK && sh_txn_active (self->engine))
        sh_txn_rollback (self->engine);
}

void
sh_table_variable_drop (sh_session_t *self, const char *table)
{
    s_drop_table (self, table);
}

void
sh_temp_drop (sh_session_t *self, const sh_frame_t *frame)
{
    for (sh_temp_t **at = &self->temps; *at;) {
        sh_temp_t *temp = *at;
        if (frame && temp->frame != frame) {
            at = &temp->next;
            continue;
        }
        *at = temp->next;
        s_drop_table (self, temp->table);
        free (temp->name);
        free (temp->table);
        free (temp);
    }
}

/*  ---- @@ ---- */

static int64_t
s_options (const sh_session_t *self)
{
    const sh_settings_t *set = &self->set;
    return (set->implicit_transactions ? 2 : 0) | (set->ansi_warnings ? 8 : 0) | 16 |
           (set->ansi_nulls ? 32 : 0) | (set->arithabort ? 64 : 0) |
           (set->quoted_identifier ? 256 : 0) | (set->nocount ? 512 : 0) | 1024 |
           (set->concat_null ? 4096 : 0) | (set->xact_abort ? 16384 : 0);
}

static bool
s_global_number (sh_session_t *self, const char *name, sh_value_t *value, sh_type_t *type)
{
    const struct {
        const char *name;
        int64_t value;
        sh_type_id_t type;
    } numbers[] = {{"@@ROWCOUNT", self->last_rowcount, SH_TYPE_INT},
                   {"@@ERROR", self->last_error, SH_TYPE_INT},
                   {"@@TRANCOUNT", self->trancount, SH_TYPE_INT},
                   {"@@SPID", sh_esession_id (self->engine), SH_TYPE_SMALLINT},
                   {"@@FETCH_STATUS", self->fetch_status, SH_TYPE_INT},
                   {"@@NESTLEVEL", self->frame ? self->frame->level : 0, SH_TYPE_INT},
                   {"@@PROCID", self->frame ? self->frame->object_id : 0, SH_TYPE_INT},
                   {"@@LOCK_TIMEOUT", self->set.lock_timeout_ms, SH_TYPE_INT},
                   {"@@DATEFIRST", self->set.datefirst, SH_TYPE_TINYINT},
                   {"@@TEXTSIZE", self->set.textsize, SH_TYPE_INT},
                   {"@@OPTIONS", s_options (self), SH_TYPE_INT},
                   {"@@MAX_PRECISION", 38, SH_TYPE_TINYINT},
                   {"@@MAX_CONNECTIONS", 32767, SH_TYPE_INT},
                   {"@@LANGID", 0, SH_TYPE_SMALLINT},
                   {"@@MICROSOFTVERSION", 0x0F00113F, SH_TYPE_INT}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sh_same (name, numbers[i].name)) {
            *value = sh_value_int (numbers[i].value);
            *type = sh_type_of (numbers[i].type);
            return true;
        }
    return false;
}

bool
sh_global (sh_session_t *self, const char *name, sh_value_t *value, sh_type_t *type)
{
    if (s_global_number (self, name, value, type))
        return true;
    if (sh_same (name, "@@IDENTITY")) {
        *value = sh_value_copy (&self->identity);
        *type = sh_type_numeric (38, 0);
        return true;
    }
    const char *text = NULL;
    const char *slash = strchr (sh_instance_name (self->instance), '\\');
    if (sh_same (name, "@@SERVERNAME"))
        text = sh_instance_name (self->instance);
    else if (sh_same (name, "@@SERVICENAME"))
        text = slash ? slash + 1 : "MSSQLSERVER";
    else if (sh_same (name, "@@LANGUAGE"))
        text = "us_english";
    else if (sh_same (name, "@@VERSION"))
        text = "Microsoft SQL Server 2019 (stand-in: sqlhost of btsmark) - 15.0.4415.2 (X64)";
    if (!text)
        return false;
    *value = sh_value_own (text, strlen (text));
    *type = sh_type_nvarchar (300);
    return true;
}
