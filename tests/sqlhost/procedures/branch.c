#include "branch.h"

#include <string.h>

static sh_status_t
s_uow (sh_session_t *session, const sh_call_t *call, uint8_t uow[16])
{
    sh_value_t value;
    if (!sh_call_argument (session, call, "@uow", 0, sh_type_of (SH_TYPE_UNIQUEIDENTIFIER), &value))
        return sh_error_set (session, 201, 16, 4,
                             "Procedure '%s' expects parameter '@uow', a uniqueidentifier.",
                             session->frame->procedure ? session->frame->procedure : "sqlhost_dtc");
    memcpy (uow, value.as.guid, 16);
    return SH_OK;
}

/*  The session's own branch has left it. */
static void
s_leave (sh_session_t *session, int64_t id, bool committed)
{
    if (session->trancount > 0 && !sh_txn_active (session->engine))
        sh_tran_left (session, id, committed);
}

sh_status_t
sh_proc_dtc_join (sh_session_t *session, sh_call_t *call)
{
    uint8_t uow[16];
    sh_status_t status = s_uow (session, call, uow);
    if (status != SH_OK)
        return status;
    if (session->trancount > 0 || sh_txn_active (session->engine))
        return sh_error_set (session, 50000, 16, 1,
                             "sqlhost_dtc_join: the session has a transaction already.");
    status = sh_branch_join (session->engine, uow, &session->error);
    if (status == SH_OK)
        sh_tran_joined (session);
    return status;
}

sh_status_t
sh_proc_dtc_prepare (sh_session_t *session, sh_call_t *call)
{
    uint8_t uow[16];
    int64_t id = sh_txn_id (session->engine);
    sh_status_t status = s_uow (session, call, uow);
    if (status != SH_OK)
        return status;
    if (session->doomed)
        return sh_error_set (
            session, 3930, 16, 1,
            "The current transaction cannot be committed and cannot support operations that write "
            "to the log file. Roll back the transaction.");
    status = sh_branch_prepare (session->engine, uow, &session->error);
    s_leave (session, id, true);
    return status;
}

sh_status_t
sh_proc_dtc_commit (sh_session_t *session, sh_call_t *call)
{
    uint8_t uow[16];
    int64_t lsn = 0;
    sh_status_t status = s_uow (session, call, uow);
    if (status == SH_OK)
        status = sh_branch_commit (session->engine, uow, &lsn, &session->error);
    if (status == SH_OK)
        sh_call_output (call, "@lsn", 1, sh_value_int (lsn), sh_type_of (SH_TYPE_BIGINT));
    return status;
}

sh_status_t
sh_proc_dtc_rollback (sh_session_t *session, sh_call_t *call)
{
    uint8_t uow[16];
    int64_t id = sh_txn_id (session->engine);
    sh_status_t status = s_uow (session, call, uow);
    if (status == SH_OK)
        status = sh_branch_rollback (session->engine, uow, &session->error);
    s_leave (session, id, false);
    return status;
}
