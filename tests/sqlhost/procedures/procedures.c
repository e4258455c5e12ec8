/*  tests/sqlhost/procedures/procedures.c: the list, and reading arguments. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "procedure.h"

/*  What SQL Server has and sqlhost does not: said, never silently accepted. */
static sh_status_t
s_linked_server (sh_session_t *session, sh_call_t *call)
{
    (void)call;
    return sh_error_unsupported (session, "A linked server");
}

static sh_status_t
s_command_shell (sh_session_t *session, sh_call_t *call)
{
    (void)call;
    return sh_error_unsupported (session, "xp_cmdshell");
}

const sh_builtin_t sh_system_procedures[] = {
    {"sp_getapplock", sh_sp_getapplock},     {"sp_releaseapplock", sh_sp_releaseapplock},
    {"xp_fileexist", sh_xp_fileexist},       {"xp_create_subdir", sh_xp_create_subdir},
    {"sqlhost_fault", sh_sqlhost_fault},     {"sp_who", sh_sp_who},
    {"sp_addlinkedserver", s_linked_server}, {"sp_addlinkedsrvlogin", s_linked_server},
    {"sp_serveroption", s_linked_server},    {"sp_dropserver", s_linked_server},
    {"xp_cmdshell", s_command_shell},        {NULL, NULL},
};

sh_actual_t *
sh_argument (sh_call_t *call, size_t position, const char *name)
{
    for (size_t i = 0; i < call->count; i++) {
        sh_actual_t *actual = &call->arguments[i];
        bool is_it = actual->name ? strcasecmp (actual->name, name) == 0 : i == position;
        if (is_it)
            return actual->is_default ? NULL : actual;
    }
    return NULL;
}

char *
sh_argument_text (sh_call_t *call, size_t position, const char *name)
{
    const sh_actual_t *actual = sh_argument (call, position, name);
    if (!actual || actual->value.kind == SH_NULL)
        return NULL;
    sh_type_t to = sh_type_nvarchar (4000);
    sh_value_t text = sh_value_null ();
    if (!sh_convert (&actual->value, &actual->type, &to, 0, &text, NULL))
        return NULL;
    char *copy = text.kind == SH_TEXT ? strdup (text.as.text) : NULL;
    sh_value_clear (&text);
    return copy;
}

int64_t
sh_argument_int (sh_call_t *call, size_t position, const char *name, int64_t when_missing)
{
    const sh_actual_t *actual = sh_argument (call, position, name);
    if (!actual || actual->value.kind == SH_NULL)
        return when_missing;
    sh_type_t to = sh_type_of (SH_TYPE_BIGINT);
    sh_value_t number = sh_value_null ();
    if (!sh_convert (&actual->value, &actual->type, &to, 0, &number, NULL))
        return when_missing;
    return number.kind == SH_INT ? number.as.integer : when_missing;
}
