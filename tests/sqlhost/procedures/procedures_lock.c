/*  tests/sqlhost/procedures/procedures_lock.c: application locks.
 *
 *  SQL Server documentation, sp_getapplock and sp_releaseapplock: the resource is cut at 255 characters, the mode has no
 *  default, the owner is Transaction unless it says Session, the timeout is the session's LOCK_TIMEOUT when left out.
 *  Return codes 0, 1, -1, -2, -3, -999; a lock owned by a transaction that does not exist is an error. */
#include <stdlib.h>
#include <strings.h>

#include "procedure.h"
#include "tests/sqlhost/engine/transaction.h"

static bool
s_mode (const char *text, sh_app_mode_t *mode)
{
    static const struct {
        const char *name;
        sh_app_mode_t mode;
    } modes[] = {{"Shared", SH_APP_SHARED},
                 {"Update", SH_APP_UPDATE},
                 {"IntentShared", SH_APP_INTENT_SHARED},
                 {"IntentExclusive", SH_APP_INTENT_EXCLUSIVE},
                 {"Exclusive", SH_APP_EXCLUSIVE}};
    for (size_t i = 0; text && i < sizeof modes / sizeof modes[0]; i++)
        if (strcasecmp (modes[i].name, text) == 0) {
            *mode = modes[i].mode;
            return true;
        }
    return false;
}

/*  False: neither Session nor Transaction. */
static bool
s_owner (const char *text, bool *session_owned)
{
    *session_owned = text && strcasecmp (text, "Session") == 0;
    return !text || *session_owned || strcasecmp (text, "Transaction") == 0;
}

sh_status_t
sh_sp_getapplock (sh_session_t *session, sh_call_t *call)
{
    char *resource = sh_argument_text (call, 0, "@Resource");
    char *mode_text = sh_argument_text (call, 1, "@LockMode");
    char *owner = sh_argument_text (call, 2, "@LockOwner");
    int64_t timeout_ms =
        sh_argument_int (call, 3, "@LockTimeout", sh_esession_lock_timeout (session->engine));
    sh_app_mode_t mode = SH_APP_EXCLUSIVE;
    bool session_owned = false;
    sh_status_t status = SH_OK;
    if (!resource || !s_mode (mode_text, &mode) || !s_owner (owner, &session_owned))
        call->status = -999;
    else if (!session_owned && session->trancount == 0)
        status =
            sh_error_set (session, 15422, 16, 1,
                          "Application locks are not allowed outside of a transaction unless the "
                          "lock owner is 'Session'.");
    else {
        int result = -999;
        status = sh_app_lock (session->engine, session->db_id, resource, mode, session_owned,
                              timeout_ms, &result, &session->error);
        call->status = result;
    }
    if (status == SH_ERROR && call->status == 0)
        call->status = -999;
    free (resource);
    free (mode_text);
    free (owner);
    return status;
}

sh_status_t
sh_sp_releaseapplock (sh_session_t *session, sh_call_t *call)
{
    char *resource = sh_argument_text (call, 0, "@Resource");
    char *owner = sh_argument_text (call, 1, "@LockOwner");
    bool session_owned = false;
    sh_status_t status = SH_OK;
    call->status = -999;
    if (resource && s_owner (owner, &session_owned)) {
        status = sh_app_unlock (session->engine, session->db_id, resource, session_owned,
                                &session->error);
        if (status == SH_OK)
            call->status = 0;
    }
    free (resource);
    free (owner);
    return status;
}
