/*  Branches of distributed transactions: see branch.h.
 *
 *  While it is active a branch is an ordinary transaction of its session. Prepared, transaction and locks move to a
 *  session of the branch's own, the carrier, which nobody can use or end; the end of the branch ends the carrier. */
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

static const char s_wait_prepare[] = "PREEMPTIVE_DTC_PREPAREREQUESTDONE";
static const char s_wait_commit[] = "PREEMPTIVE_DTC_COMMITREQUESTDONE";

static sh_branch_t *
s_find (const sh_instance_t *instance, const uint8_t uow[16])
{
    sh_branch_t *branch = instance->branches;
    while (branch && memcmp (branch->uow, uow, 16) != 0)
        branch = branch->next;
    return branch;
}

static sh_branch_t *
s_make (sh_instance_t *instance, const uint8_t uow[16])
{
    sh_branch_t *branch = sh_mem_alloc (sizeof *branch);
    memcpy (branch->uow, uow, 16);
    branch->state = SH_TXN_ACTIVE;
    branch->next = instance->branches;
    instance->branches = branch;
    return branch;
}

void
sh_branch_drop_locked (sh_instance_t *instance, sh_branch_t *branch)
{
    sh_branch_t **p = &instance->branches;
    while (*p != branch)
        p = &(*p)->next;
    *p = branch->next;
    sh_esession_carrier_free (branch->carrier);
    free (branch);
}

typedef struct {
    char text[37];
} s_uow_t;

static s_uow_t
s_uow (const uint8_t uow[16])
{
    s_uow_t printed = {0};
    sh_guid_print (uow, printed.text);
    return printed;
}

static sh_status_t
s_unknown (const uint8_t uow[16], sh_error_t *error)
{
    return sh_fail (error, 6110, 16, 1, "The distributed transaction with UOW %s does not exist.",
                    s_uow (uow).text);
}

static sh_status_t
s_in_use (const uint8_t uow[16], sh_error_t *error)
{
    return sh_fail (error, 3910, 16, 1,
                    "Transaction context in use by another session (unit of work %s).",
                    s_uow (uow).text);
}

/*  ---- counts ---- */

/*  True: it is listed no more. */
static bool
s_settle (sh_instance_t *instance, sh_branch_t *branch, int64_t now)
{
    bool held = sh_fault_locked (instance, SH_FAULT_DTC_COUNT_HOLD) != 0;
    if (branch->prepare_due_ms && !held && branch->prepare_due_ms <= now) {
        branch->prepare_due_ms = 0;
        instance->branch_counts.prepares++;
    }
    if (branch->commit_due_ms && !branch->prepare_due_ms && !held && branch->commit_due_ms <= now) {
        branch->commit_due_ms = 0;
        instance->branch_counts.commits++;
        branch->gone_due_ms = now + sh_fault_locked (instance, SH_FAULT_DTC_LISTED_DELAY_MS);
    }
    return branch->gone_due_ms && !sh_fault_locked (instance, SH_FAULT_DTC_LISTED_HOLD) &&
           branch->gone_due_ms <= now;
}

void
sh_branch_settle_locked (sh_instance_t *instance)
{
    int64_t now = sh_now_ms ();
    for (sh_branch_t *branch = instance->branches, *next; branch; branch = next) {
        next = branch->next;
        if (s_settle (instance, branch, now))
            sh_branch_drop_locked (instance, branch);
    }
}

void
sh_branch_counts (sh_instance_t *instance, sh_branch_counts_t *out)
{
    sh_lock_instance (instance);
    sh_branch_settle_locked (instance);
    *out = instance->branch_counts;
    sh_unlock_instance (instance);
}

static int64_t
s_count_due (const sh_instance_t *instance)
{
    return sh_now_ms () + sh_fault_locked (instance, SH_FAULT_DTC_COUNT_DELAY_MS);
}

/*  ---- join ---- */

static sh_status_t
s_join (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error)
{
    sh_instance_t *instance = session->instance;
    sh_branch_settle_locked (instance);
    if (s_find (instance, uow))
        return s_in_use (uow, error);
    sh_status_t status = sh_txn_begin_locked (session, "DTCXact", true, error);
    if (status != SH_OK)
        return status;
    sh_branch_t *branch = s_make (instance, uow);
    branch->session = session;
    session->txn->branch = branch;
    return SH_OK;
}

sh_status_t
sh_branch_join (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_join (session, uow, error);
    sh_unlock_instance (session->instance);
    return status;
}

bool
sh_branch_joined (const sh_esession_t *session)
{
    return session->txn && session->txn->branch;
}

/*  ---- prepare ---- */

/*  The active branch, when its session lets it go: it is this one, or it runs nothing. */
static sh_status_t
s_find_active (sh_esession_t *session, const uint8_t uow[16], sh_branch_t **out, sh_error_t *error)
{
    sh_branch_t *branch = s_find (session->instance, uow);
    *out = branch;
    if (!branch)
        return s_unknown (uow, error);
    if (branch->state != SH_TXN_ACTIVE ||
        (branch->session != session && branch->session->command[0]))
        return s_in_use (uow, error);
    return SH_OK;
}

static sh_status_t
s_check_preparable (const sh_branch_t *branch, sh_error_t *error)
{
    const sh_txn_t *txn = branch->session->txn;
    for (size_t i = 0; i < txn->undo_count; i++) {
        const sh_undo_t *undo = &txn->undo[i];
        if (undo->kind != SH_UNDO_ROW && undo->kind != SH_UNDO_IDENTITY &&
            undo->db_id != SH_DB_TEMPDB)
            return sh_fail (error, 50000, 16, 1,
                            "The unit of work %s defines objects: sqlhost cannot prepare that.",
                            s_uow (branch->uow).text);
    }
    return SH_OK;
}

static void
s_take_over (sh_branch_t *branch)
{
    sh_esession_t *session = branch->session;
    sh_esession_t *carrier = sh_esession_carrier (session->instance, session->id, session->login);
    branch->carrier = carrier;
    carrier->txn = session->txn;
    carrier->txn->session = carrier;
    session->txn = NULL;
    sh_lock_move_all (session, carrier, SH_FOR_TXN);
}

static sh_status_t
s_prepare (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error)
{
    sh_instance_t *instance = session->instance;
    sh_branch_t *branch;
    sh_status_t status = s_find_active (session, uow, &branch, error);
    if (status == SH_OK)
        status = sh_fault_wait_locked (session, s_wait_prepare, SH_FAULT_DTC_PREPARE_DELAY_MS,
                                       SH_FAULT_DTC_PREPARE_HOLD, error);
    if (status == SH_OK)
        status = sh_stall_pass (session, error);
    /*  The waits may have outlived it. */
    if (status == SH_OK)
        status = s_find_active (session, uow, &branch, error);
    if (status == SH_OK)
        status = s_check_preparable (branch, error);
    if (status == SH_OK)
        status = sh_prepared_write (instance, branch, error);
    if (status != SH_OK)
        return status;
    s_take_over (branch);
    branch->state = SH_TXN_PREPARED;
    branch->prepare_due_ms = s_count_due (instance);
    sh_branch_settle_locked (instance);
    return SH_OK;
}

sh_status_t
sh_branch_prepare (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_prepare (session, uow, error);
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- commit ---- */

static sh_status_t
s_find_prepared (const sh_instance_t *instance, const uint8_t uow[16], sh_branch_t **out,
                 sh_error_t *error)
{
    sh_branch_t *branch = s_find (instance, uow);
    *out = branch;
    if (!branch || branch->state == SH_TXN_COMMITTED)
        return s_unknown (uow, error);
    if (branch->state == SH_TXN_ACTIVE)
        return sh_fail (error, 6118, 16, 1,
                        "The distributed transaction associated with UOW %s is not in PREPARED "
                        "state. Use KILL UOW to kill the transaction instead.",
                        s_uow (uow).text);
    if (branch->busy)
        return sh_fail (error, 6114, 16, 1,
                        "Distributed transaction with UOW %s is being used by another user. "
                        "KILL command failed.",
                        s_uow (uow).text);
    return SH_OK;
}

static sh_status_t
s_commit (sh_esession_t *session, const uint8_t uow[16], int64_t *lsn, sh_error_t *error)
{
    sh_instance_t *instance = session->instance;
    sh_branch_t *branch;
    sh_status_t status = s_find_prepared (instance, uow, &branch, error);
    if (status != SH_OK)
        return status;
    branch->busy = true; /* nobody takes it away while we wait */
    status = sh_fault_wait_locked (session, s_wait_commit, SH_FAULT_DTC_COMMIT_DELAY_MS,
                                   SH_FAULT_DTC_COMMIT_HOLD, error);
    branch->busy = false;
    if (status != SH_OK)
        return status;
    sh_txn_describe (branch->carrier->txn, &branch->info);
    status = sh_txn_commit_locked (branch->carrier, lsn, error);
    if (status != SH_OK)
        return status;
    branch->state = branch->info.state = SH_TXN_COMMITTED;
    branch->info.db_state = SH_TXN_DB_COMMITTED;
    branch->commit_due_ms = s_count_due (instance);
    sh_branch_settle_locked (instance);
    sh_wake_all (instance); /* a mark may wait for it */
    return SH_OK;
}

sh_status_t
sh_branch_commit (sh_esession_t *session, const uint8_t uow[16], int64_t *lsn, sh_error_t *error)
{
    int64_t unused;
    sh_lock_instance (session->instance);
    sh_status_t status = s_commit (session, uow, lsn ? lsn : &unused, error);
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- rollback ---- */

static sh_status_t
s_rollback (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error)
{
    sh_instance_t *instance = session->instance;
    sh_branch_t *branch = s_find (instance, uow);
    sh_status_t status;
    if (branch && branch->state == SH_TXN_ACTIVE) {
        status = s_find_active (session, uow, &branch, error);
        if (status == SH_OK)
            sh_txn_rollback_locked (branch->session); /* drops the branch */
    } else {
        status = s_find_prepared (instance, uow, &branch, error);
        if (status == SH_OK && !sh_prepared_forget (instance, uow))
            status = sh_fail (error, 9001, 21, 1, "The log of the instance is not available.");
        if (status == SH_OK) {
            sh_txn_rollback_locked (branch->carrier);
            sh_branch_drop_locked (instance, branch);
        }
    }
    if (status == SH_OK) {
        instance->branch_counts.aborts++;
        sh_wake_all (instance);
    }
    return status;
}

sh_status_t
sh_branch_rollback (sh_esession_t *session, const uint8_t uow[16], sh_error_t *error)
{
    sh_lock_instance (session->instance);
    sh_status_t status = s_rollback (session, uow, error);
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- KILL ---- */

static sh_status_t
s_check_kill (const sh_instance_t *instance, const uint8_t uow[16], sh_branch_kill_t how,
              sh_error_t *error)
{
    const sh_branch_t *branch = s_find (instance, uow);
    if (!branch || branch->state == SH_TXN_COMMITTED)
        return s_unknown (uow, error);
    if (branch->session)
        return sh_fail (error, 6117, 16, 1,
                        "There is a connection associated with the distributed transaction with "
                        "UOW %s. First, kill the connection using KILL SPID syntax.",
                        s_uow (uow).text);
    if (how == SH_BRANCH_KILL)
        return sh_fail (error, 6113, 16, 1,
                        "The distributed transaction associated with UOW %s is in PREPARE "
                        "state. Use KILL UOW WITH COMMIT/ABORT syntax to kill the transaction "
                        "instead.",
                        s_uow (uow).text);
    return SH_OK;
}

sh_status_t
sh_branch_kill (sh_esession_t *session, const uint8_t uow[16], sh_branch_kill_t how,
                sh_error_t *error)
{
    int64_t lsn;
    sh_lock_instance (session->instance);
    sh_status_t status = s_check_kill (session->instance, uow, how, error);
    if (status == SH_OK)
        status = how == SH_BRANCH_KILL_COMMIT ? s_commit (session, uow, &lsn, error)
                                              : s_rollback (session, uow, error);
    sh_unlock_instance (session->instance);
    return status;
}

/*  ---- sessions and instances that end ---- */

void
sh_branch_orphan_locked (sh_esession_t *session)
{
    for (sh_branch_t *b = session->instance->branches; b; b = b->next)
        if (b->session == session) {
            b->session = NULL;
            if (b->carrier)
                b->carrier->id = SH_ORPHAN_ID;
            b->info.session_id = SH_ORPHAN_ID;
        }
}

sh_branch_t *
sh_branch_recover_locked (sh_instance_t *instance, const uint8_t uow[16], int64_t id,
                          const char *name, const char *login, int64_t begin_time)
{
    sh_branch_t *branch = s_make (instance, uow);
    sh_txn_t *txn = sh_mem_alloc (sizeof *txn);
    branch->carrier = sh_esession_carrier (instance, SH_ORPHAN_ID, login);
    branch->carrier->txn = txn;
    branch->state = SH_TXN_PREPARED;
    txn->id = id;
    txn->session = branch->carrier;
    txn->branch = branch;
    txn->user = true;
    txn->begin_time = begin_time;
    sh_copy (txn->name, sizeof txn->name, name);
    return branch;
}

void
sh_branch_free_all (sh_instance_t *instance)
{
    while (instance->branches) {
        sh_branch_t *branch = instance->branches;
        if (branch->carrier && branch->carrier->txn)
            sh_txn_rollback_locked (branch->carrier); /* in memory: what is stored comes again */
        sh_branch_drop_locked (instance, branch);
    }
}
