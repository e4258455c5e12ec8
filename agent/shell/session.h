/*  agent/shell/session.h
 *  A thread that owns one SQL session, because FreeTDS blocks. The loop hands it jobs; each job's work is done in the
 *  session's thread and its end comes back to the loop through the mailbox.
 */
#ifndef BM_SESSION_H
#define BM_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/shell/config.h"
#include "agent/shell/mailbox.h"
#include "common/sql.h"

/*  All sessions of this process. */
typedef struct bm_sessions bm_sessions_t;
typedef struct bm_session bm_session_t;

typedef struct bm_job bm_job_t;
typedef void (bm_job_fn) (bm_job_t *job);

/*  Between submit and done a job belongs to the session. `work` may write only what the job carries. */
struct bm_job {
    bm_job_fn *work; /* in the session's thread */
    bm_job_fn *done; /* in the loop's thread, exactly once */
    void *data;
    bool skipped; /* cancelled, or the session ended, before the work began */
    bm_session_t *session;
    bm_job_t *next;
};

/*  Borrows mailbox and name. */
bm_sessions_t *bm_sessions_new (bm_mailbox_t *mailbox, const char *agent_name, uint64_t start_id);
/*  No session may live any more. */
void bm_sessions_destroy (bm_sessions_t **self_p);
size_t bm_sessions_live (const bm_sessions_t *self);
/*  An interrupt that came between two statements hits nothing: called every 200 ms, this repeats those that still have
 *  not ended their job. */
void bm_sessions_nag (bm_sessions_t *self);

/*  `instance` NULL: a thread without SQL (files). The connection is made by the first job that asks for it. */
bm_session_t *
bm_session_new (bm_sessions_t *sessions, const bm_instance_config_t *instance, const char *context);
/*  The thread ends after its running job; waiting jobs are done as skipped. Nothing is waited for. */
void bm_session_end (bm_session_t **self_p);
void bm_session_submit (bm_session_t *self, bm_job_t *job);
/*  From any thread: the running job is to stop; its SQL gets an attention. */
void bm_session_interrupt (bm_session_t *self);
/*  The same for one job that was submitted and is not done: running it is interrupted, waiting it is skipped. */
void bm_session_cancel (bm_session_t *self, bm_job_t *job);

/*  ---- in the session's thread, from a job ---- */

/*  The open connection; made, or made anew when the last one is dead. NULL with BM_SQL_LOGIN, BM_UNREACHABLE, ... */
bm_sql_t *bm_session_sql (bm_session_t *self, bm_error_t *error);
/*  The connection that is there, or NULL when it is dead: never a new one, which would not hold what the old one held. */
bm_sql_t *bm_session_present_sql (bm_session_t *self);
/*  Closes the connection; SQL Server rolls back what it had open. */
void bm_session_drop_sql (bm_session_t *self);
bool bm_session_interrupted (bm_session_t *self);
/*  What follows an interrupt (looking at what became of it) is not interrupted again. */
void bm_session_calm (bm_session_t *self);
/*  Waits; false when interrupted meanwhile. */
bool bm_session_pause (bm_session_t *self, int64_t ms);

/*  Of the present connection; known once bm_session_sql gave it. */
int bm_session_spid (const bm_session_t *self);
int bm_session_version (const bm_session_t *self); /* major: 13 = SQL Server 2016 */
/*  Login time as SQL Server says, or the agent's own clock at login where the view cannot be read. */
const char *bm_session_login_time (const bm_session_t *self);

/*  Caller frees: "btsmark-agent <agent>/<instance> <context> @<start id>", at most 128 characters. */
char *bm_session_program (const char *agent, const char *instance, const char *context,
                          uint64_t start_id);
/*  Whether a program name is one of ours on this instance, of another start than this one. */
bool bm_session_is_leftover (const char *program, const char *instance, uint64_t start_id);

#endif
