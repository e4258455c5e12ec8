/*  The stall of a marked commit: see transaction.h.
 *
 *  "Two-phase commit of a marked transaction" (previous versions of the SQL Server documentation, ms187014): new prepares
 *  and commits are stalled, only what is prepared already goes on, and the mark waits for that to drain, with a time-out
 *  (3928). */
#include "tests/sqlhost/engine/internal.h"

enum { S_TIMEOUT_MS = 5000 };

static const char s_wait_shared[] = "TRAN_MARKLATCH_SH";
static const char s_wait_exclusive[] = "TRAN_MARKLATCH_EX";

static bool
s_is_free (void *arg)
{
    const sh_esession_t *session = arg;
    const sh_esession_t *staller = session->instance->staller;
    return !staller || staller == session;
}

/*  Nothing is between its prepare record and its end. */
static bool
s_is_drained (void *arg)
{
    const sh_instance_t *instance = arg;
    for (const sh_branch_t *b = instance->branches; b; b = b->next)
        if (b->state == SH_TXN_PREPARED || b->state == SH_TXN_COMMITTING)
            return false;
    return true;
}

sh_status_t
sh_stall_pass (sh_esession_t *session, sh_error_t *error)
{
    if (s_is_free (session))
        return SH_OK;
    return sh_esession_wait_locked (session, s_wait_shared, -1, s_is_free, session, error);
}

static sh_status_t
s_timed_out (sh_esession_t *session, sh_error_t *error)
{
    return sh_fail (error, 3928, 16, 1,
                    "The marked transaction \"%s\" failed. A timeout occurred while attempting to "
                    "place a mark in the log by committing the marked transaction. This can be "
                    "caused by contention with Microsoft Distributed Transaction Coordinator (MS "
                    "DTC) transactions or other local marked transaction that have prepared, but "
                    "not committed or aborted. Try the operation again and if the error persists, "
                    "determine the source of the contention.",
                    session->txn->mark);
}

sh_status_t
sh_stall_begin (sh_esession_t *session, sh_error_t *error)
{
    sh_instance_t *instance = session->instance;
    if (sh_fault_locked (instance, SH_FAULT_MARK_STALL_OFF))
        return SH_OK;
    int64_t timeout = sh_fault_locked (instance, SH_FAULT_MARK_STALL_TIMEOUT_MS);
    int64_t deadline = sh_now_ms () + (timeout > 0 ? timeout : S_TIMEOUT_MS);
    sh_status_t status =
        sh_esession_wait_locked (session, s_wait_exclusive, deadline, s_is_free, session, error);
    if (status != SH_OK)
        return status;
    if (!s_is_free (session))
        return s_timed_out (session, error);
    instance->staller = session;
    status = sh_esession_wait_locked (session, s_wait_exclusive, deadline, s_is_drained, instance,
                                      error);
    if (status == SH_OK && !s_is_drained (instance))
        status = s_timed_out (session, error);
    if (status != SH_OK)
        sh_stall_end (session);
    return status;
}

void
sh_stall_end (sh_esession_t *session)
{
    sh_instance_t *instance = session->instance;
    if (instance->staller != session)
        return;
    instance->staller = NULL;
    sh_wake_all (instance);
}

typedef struct {
    sh_instance_t *instance;
    sh_fault_id_t hold;
} s_hold_t;

static bool
s_is_let_go (void *arg)
{
    const s_hold_t *hold = arg;
    return sh_fault_locked (hold->instance, hold->hold) == 0;
}

sh_status_t
sh_fault_wait_locked (sh_esession_t *session, const char *wait_type, sh_fault_id_t delay,
                      sh_fault_id_t hold, sh_error_t *error)
{
    sh_instance_t *instance = session->instance;
    s_hold_t held = {.instance = instance, .hold = hold};
    int64_t delay_ms = sh_fault_locked (instance, delay);
    sh_status_t status = SH_OK;
    if (delay_ms > 0)
        status = sh_esession_wait_locked (session, wait_type, sh_now_ms () + delay_ms, NULL, NULL,
                                          error);
    if (status == SH_OK && !s_is_let_go (&held))
        status = sh_esession_wait_locked (session, wait_type, -1, s_is_let_go, &held, error);
    return status;
}
