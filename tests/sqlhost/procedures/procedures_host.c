/*  tests/sqlhost/procedures/procedures_host.c: sqlhost's own switch for faults, and who is there. */
#include <stdlib.h>

#include "procedure.h"

/*  EXEC sqlhost_fault N'name', N'value': see tests/sqlhost/engine/fault.h. */
sh_status_t
sh_sqlhost_fault (sh_session_t *session, sh_call_t *call)
{
    char *name = sh_argument_text (call, 0, "@name");
    char *value = sh_argument_text (call, 1, "@value");
    bool ok = name && sh_fault_set (session->instance, name, value ? value : "off");
    sh_status_t status = SH_OK;
    if (!ok)
        status =
            sh_error_set (session, 50000, 16, 1, "sqlhost has no fault '%s' with the value '%s'.",
                          name ? name : "", value ? value : "");
    free (name);
    free (value);
    return status;
}

sh_status_t
sh_sp_who (sh_session_t *session, sh_call_t *call)
{
    (void)call;
    sh_rowset_t *rows = sh_rowset_new ();
    sh_rowset_add_field (rows, "spid", sh_type_of (SH_TYPE_SMALLINT), false);
    sh_rowset_add_field (rows, "status", sh_type_nvarchar (30), false);
    sh_rowset_add_field (rows, "loginame", sh_type_nvarchar (128), true);
    sh_rowset_add_field (rows, "hostname", sh_type_nvarchar (128), true);
    sh_rowset_add_field (rows, "blk", sh_type_nvarchar (5), false);
    sh_rowset_add_field (rows, "cmd", sh_type_nvarchar (32), false);
    sh_session_info_t *list = NULL;
    size_t count = sh_esession_list (session->instance, &list);
    for (size_t i = 0; i < count; i++) {
        sh_type_t from = sh_type_of (SH_TYPE_INT), to = sh_type_nvarchar (5);
        sh_value_t number = sh_value_int (list[i].blocking_session_id), text = sh_value_null ();
        bool shown = sh_convert (&number, &from, &to, 0, &text, NULL);
        const sh_value_t values[] = {
            sh_value_int (list[i].session_id),
            sh_value_text (list[i].command[0] ? "runnable" : "sleeping"),
            sh_value_text (list[i].login_name),
            sh_value_text (list[i].host_name),
            shown ? text : sh_value_text ("0"),
            sh_value_text (list[i].command[0] ? list[i].command : "AWAITING COMMAND"),
        };
        sh_rowset_push (rows, values);
        sh_value_clear (&text);
    }
    free (list);
    sh_out_rowset (session, rows);
    sh_rowset_destroy (&rows);
    return SH_OK;
}
