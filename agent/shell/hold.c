#include "agent/shell/hold.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/task.h"
#include "common/clock.h"
#include "common/log.h"

/*  How long a lock may be waited for, so that whoever gave the order hears who it is about before he stops waiting. */
static int64_t
s_lock_wait_ms (int64_t expires_ms)
{
    enum { SHORTEST_MS = 50 };
    int64_t wait_ms = (expires_ms - bm_clock_mono_ms ()) * 4 / 5;
    return wait_ms > SHORTEST_MS ? wait_ms : SHORTEST_MS;
}

/*  ---- fences ---- */

struct bm_fence_run {
    bm_job_t job;
    bm_instance_t *instance;
    size_t slot;
    char *database;
    int64_t lease_ms;
    int64_t expires_ms;
    bm_session_t *session;
    /*  Written by the session's thread before the job is done. */
    bm_fence_end_t end;
    bm_error_t error;
    bm_sql_messages_t *messages;
};

/*  'fenced' came: crosses from the session's thread to the loop. */
typedef struct s_taken {
    bm_instance_t *instance;
    bm_fact_t fact;
} s_taken_t;

static void
s_fence_is_taken (void *argument)
{
    s_taken_t *taken = argument;
    bm_instance_fact (taken->instance, &taken->fact);
    free (taken);
}

static void
s_on_taken (void *argument, int64_t transaction_id)
{
    bm_fence_run_t *run = argument;
    bm_agent_t *agent = run->instance->agent;
    s_taken_t *taken = bm_alloc (sizeof *taken);
    taken->instance = run->instance;
    taken->fact.kind = BM_FACT_FENCE_TAKEN;
    taken->fact.slot = run->slot;
    taken->fact.identity.start_id = agent->start_id;
    taken->fact.identity.transaction_id = transaction_id;
    snprintf (taken->fact.identity.login_time, sizeof taken->fact.identity.login_time, "%.39s",
              bm_session_login_time (run->job.session));
    bm_mailbox_post (agent->mailbox, s_fence_is_taken, taken);
}

static void
s_fence_work (bm_job_t *job)
{
    bm_fence_run_t *run = job->data;
    run->end = BM_FENCE_END_FAILED;
    if (bm_session_interrupted (job->session)) {
        bm_fail (&run->error, BM_STOPPED, "the fence of %s was given up before it was taken",
                 run->database);
        return;
    }
    bm_sql_t *sql = bm_session_sql (job->session, &run->error);
    if (!sql)
        return;
    bm_fence_terms_t terms = {.database = run->database,
                              .lease_ms = run->lease_ms,
                              .wait_ms = s_lock_wait_ms (run->expires_ms),
                              .version = bm_session_version (job->session),
                              .on_taken = s_on_taken,
                              .argument = run};
    run->end = bm_fence_hold (sql, &terms, &run->messages, &run->error);
}

static void
s_fence_done (bm_job_t *job)
{
    static const bm_fall_t falls[] = {[BM_FENCE_END_FAILED] = BM_FALL_FAILED,
                                      [BM_FENCE_END_EXPIRED] = BM_FALL_EXPIRED,
                                      [BM_FENCE_END_LOST] = BM_FALL_LOST};
    bm_fence_run_t *run = job->data;
    bm_instance_t *instance = run->instance;
    bm_fact_t fact = {.kind = BM_FACT_FENCE_ENDED, .slot = run->slot};
    if (run->end == BM_FENCE_END_STOOD)
        bm_log_info ("%s: the fence of %s is released; it stood until then", instance->config->name,
                     run->database);
    else {
        fact.kind = BM_FACT_FENCE_FELL;
        fact.fall = falls[run->end];
        fact.status = run->error.status == BM_OK ? BM_STOPPED : run->error.status;
        bm_log_warning ("%s: %s", instance->config->name, run->error.text);
        if (instance->fence_error.status == BM_OK) {
            instance->fence_error = run->error;
            bm_sql_messages_destroy (&instance->fence_messages);
            instance->fence_messages = run->messages;
            run->messages = NULL;
        }
    }
    instance->fences[run->slot] = NULL;
    bm_session_end (&run->session);
    bm_sql_messages_destroy (&run->messages);
    free (run->database);
    free (run);
    bm_instance_fact (instance, &fact);
}

void
bm_hold_fence (bm_instance_t *instance, const Btsmark__Envelope *order, size_t slot,
               int64_t lease_ms)
{
    bm_fence_run_t *run = bm_alloc (sizeof *run);
    run->job = (bm_job_t){.work = s_fence_work, .done = s_fence_done, .data = run};
    run->instance = instance;
    run->slot = slot;
    run->database = bm_strdup (instance->fence_names[slot]);
    run->lease_ms = lease_ms;
    run->expires_ms = (int64_t)order->expires_agent_ms;
    char context[48];
    snprintf (context, sizeof context, "btsmark run %" PRIu64, order->epoch);
    run->session = bm_session_new (instance->agent->sessions, instance->config, context);
    instance->fences[slot] = run;
    bm_session_submit (run->session, &run->job);
}

void
bm_hold_end_fence (bm_instance_t *instance, size_t slot)
{
    if (slot < BM_PARTICIPANT_FENCES && instance->fences[slot])
        bm_session_interrupt (instance->fences[slot]->session);
}

/*  ---- the mark ---- */

struct bm_mark_run {
    bm_job_t open, commit, rollback;
    bm_instance_t *instance;
    bm_session_t *session;
    char *mark;
    char **databases;
    size_t count;
    int64_t lease_ms;
    int64_t expires_ms; /* of the order to open it */
    bool check;         /* L2 */
    char **sampled;     /* databases that it looks at */
    size_t sampled_count;
    size_t jobs; /* not done yet */
    bool over;   /* its last fact was told */
    bool opening;
    /*  Written by the session's thread before a job is done. */
    int64_t transaction_id;
    bm_status_t status;
    bm_committed_t committed;
    uint64_t took_us;
    bm_error_t error;
    bm_sql_messages_t *messages;
    bm_sample_t sample;
};

static char **
s_names_dup (char *const *names, size_t count)
{
    char **list = bm_alloc ((count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = bm_strdup (names[i]);
    return list;
}

static void
s_names_free (char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free (names[i]);
    free (names);
}

/*  After the last job of a mark that is over nobody knows it any more. */
static void
s_mark_put (bm_mark_run_t *run)
{
    if (!run->over)
        return;
    if (run->instance->mark == run)
        run->instance->mark = NULL;
    bm_session_end (&run->session);
    if (run->jobs > 0)
        return;
    bm_sql_messages_destroy (&run->messages);
    bm_sample_clear (&run->sample);
    s_names_free (run->databases, run->count);
    s_names_free (run->sampled, run->sampled_count);
    free (run->mark);
    free (run);
}

/*  What came with a job goes to the instance, which answers with it. */
static void
s_keep (bm_mark_run_t *run)
{
    bm_instance_t *instance = run->instance;
    instance->mark_error = run->error;
    instance->mark_took_us = run->took_us;
    bm_sql_messages_destroy (&instance->mark_messages);
    instance->mark_messages = run->messages;
    run->messages = NULL;
    memset (&run->error, 0, sizeof run->error);
    bm_sample_clear (&instance->mark_sample);
    instance->mark_sample = run->sample;
    memset (&run->sample, 0, sizeof run->sample);
}

static void
s_mark_gone (bm_mark_run_t *run, bm_status_t status)
{
    bm_instance_t *instance = run->instance;
    bm_fact_t fact = {.kind = BM_FACT_MARK_GONE, .status = status};
    bool told = run->over;
    run->over = true;
    s_mark_put (run);
    if (!told)
        bm_instance_fact (instance, &fact);
}

static void
s_open_work (bm_job_t *job)
{
    bm_mark_run_t *run = job->data;
    int64_t began = bm_clock_mono_us ();
    bm_sql_t *sql = NULL;
    if (bm_session_interrupted (job->session))
        bm_fail (&run->error, BM_STOPPED, "mark %s was given up before it was opened", run->mark);
    else
        sql = bm_session_sql (job->session, &run->error);
    bm_mark_terms_t terms = {.mark = run->mark,
                             .databases = run->databases,
                             .count = run->count,
                             .lease_ms = run->lease_ms,
                             .wait_ms = s_lock_wait_ms (run->expires_ms),
                             .version = bm_session_version (job->session)};
    run->status = run->error.status;
    if (sql)
        run->status = bm_mark_open (sql, &terms, &run->transaction_id, &run->messages, &run->error);
    run->took_us = (uint64_t)(bm_clock_mono_us () - began);
}

static void
s_open_done (bm_job_t *job)
{
    bm_mark_run_t *run = job->data;
    bm_instance_t *instance = run->instance;
    run->jobs--;
    run->opening = false;
    s_keep (run);
    if (job->skipped)
        run->status = BM_STOPPED;
    if (run->status != BM_OK) {
        bm_log_warning ("%s: %s", instance->config->name, instance->mark_error.text);
        s_mark_gone (run, run->status);
        return;
    }
    bm_log_info ("%s: mark %s is open in %zu database(s)", instance->config->name, run->mark,
                 run->count);
    bm_fact_t fact = {.kind = BM_FACT_MARK_OPEN, .transaction_id = run->transaction_id};
    bm_instance_fact (instance, &fact);
}

void
bm_hold_mark (bm_instance_t *instance, const Btsmark__Envelope *order, int64_t lease_ms)
{
    bm_mark_run_t *run = bm_alloc (sizeof *run);
    run->instance = instance;
    run->mark = bm_strdup (order->mark->mark);
    run->count = order->mark->n_databases;
    run->databases = s_names_dup (order->mark->databases, run->count);
    run->lease_ms = lease_ms;
    run->expires_ms = (int64_t)order->expires_agent_ms;
    char context[48];
    snprintf (context, sizeof context, "btsmark run %" PRIu64, order->epoch);
    run->session = bm_session_new (instance->agent->sessions, instance->config, context);
    run->open = (bm_job_t){.work = s_open_work, .done = s_open_done, .data = run};
    run->jobs = 1;
    run->opening = true;
    instance->mark = run;
    bm_session_submit (run->session, &run->open);
}

static void
s_commit_work (bm_job_t *job)
{
    bm_mark_run_t *run = job->data;
    int64_t began = bm_clock_mono_us ();
    /*  The connection that was there when the mark was opened, never a new one: that would not hold it. */
    bm_sql_t *sql = bm_session_present_sql (job->session);
    run->committed = BM_COMMITTED_UNKNOWN;
    bm_mark_commit_terms_t terms = {.transaction_id = run->transaction_id,
                                    .version = bm_session_version (job->session),
                                    .check = run->check,
                                    .databases = run->sampled,
                                    .count = run->sampled_count};
    if (sql)
        run->committed = bm_mark_commit (sql, &terms, &run->messages, &run->sample, &run->error);
    else
        bm_fail (&run->error, BM_SQL_LOST, "the session that held mark %s was lost", run->mark);
    run->took_us = (uint64_t)(bm_clock_mono_us () - began);
}

static void
s_commit_done (bm_job_t *job)
{
    static const char *const words[] = {[BM_COMMITTED_DONE] = "is committed",
                                        [BM_COMMITTED_ROLLED_BACK] = "was rolled back",
                                        [BM_COMMITTED_UNKNOWN] = "may or may not be committed"};
    bm_mark_run_t *run = job->data;
    bm_instance_t *instance = run->instance;
    run->jobs--;
    if (run->committed == BM_COMMITTED_DONE)
        bm_log_info ("%s: mark %s is committed (%" PRIu64 " us)", instance->config->name, run->mark,
                     run->took_us);
    else
        bm_log_warning ("%s: mark %s %s: %s", instance->config->name, run->mark,
                        words[run->committed], run->error.text);
    bm_fact_t fact = {
        .kind = BM_FACT_COMMIT_ANSWERED, .commit = run->committed, .status = run->error.status};
    s_keep (run);
    run->over = true;
    s_mark_put (run);
    bm_instance_fact (instance, &fact);
}

void
bm_hold_commit (bm_instance_t *instance, const Btsmark__Commit *order, int64_t transaction_id)
{
    bm_mark_run_t *run = instance->mark;
    bm_require (run && run->transaction_id == transaction_id && !run->sampled);
    run->check = order->check;
    run->sampled_count = order->n_databases;
    run->sampled = s_names_dup (order->databases, order->n_databases);
    run->commit = (bm_job_t){.work = s_commit_work, .done = s_commit_done, .data = run};
    run->jobs++;
    bm_session_submit (run->session, &run->commit);
}

static void
s_rollback_work (bm_job_t *job)
{
    bm_mark_run_t *run = job->data;
    bm_session_calm (job->session);
    /*  If it fails the session ends right after, and SQL Server rolls back what a lost session had open. */
    bm_sql_t *sql = bm_session_present_sql (job->session);
    if (sql && bm_mark_rollback (sql, &run->error) != BM_OK)
        bm_session_drop_sql (job->session);
}

static void
s_rollback_done (bm_job_t *job)
{
    bm_mark_run_t *run = job->data;
    run->jobs--;
    if (!run->over)
        bm_log_info ("%s: mark %s is rolled back", run->instance->config->name, run->mark);
    s_mark_gone (run, BM_OK);
}

void
bm_hold_rollback (bm_instance_t *instance)
{
    bm_mark_run_t *run = instance->mark;
    bm_require (run);
    if (run->opening)
        bm_session_interrupt (run->session);
    run->rollback = (bm_job_t){.work = s_rollback_work, .done = s_rollback_done, .data = run};
    run->jobs++;
    bm_session_submit (run->session, &run->rollback);
}

/*  ---- samples ---- */

/*  The pauses between readings while something is in flight: a branch is rarely prepared for longer than some ms. */
enum { FIRST_PAUSE_MS = 2, LONGEST_PAUSE_MS = 50, READING_MS = 5000 };

typedef struct s_first_reading {
    bm_job_t job;
    char **databases;
    size_t count;
} s_first_reading_t;

static void
s_first_work (bm_job_t *job)
{
    s_first_reading_t *first = job->data;
    bm_error_t error = {0};
    bm_sample_t sample = {0};
    bm_sql_t *sql =
        bm_session_interrupted (job->session) ? NULL : bm_session_sql (job->session, &error);
    if (sql)
        bm_sample_read (sql, first->databases, first->count, READING_MS, &sample);
    bm_sample_clear (&sample); /* what it says is said again by the one that is asked for */
}

static void
s_first_done (bm_job_t *job)
{
    s_first_reading_t *first = job->data;
    s_names_free (first->databases, first->count);
    free (first);
}

void
bm_hold_samples (bm_instance_t *instance, const Btsmark__Envelope *order)
{
    char context[48];
    snprintf (context, sizeof context, "btsmark run %" PRIu64, order->epoch);
    bm_hold_end_samples (instance);
    instance->sampling = bm_session_new (instance->agent->sessions, instance->config, context);
    s_first_reading_t *first = bm_alloc (sizeof *first);
    first->job = (bm_job_t){.work = s_first_work, .done = s_first_done, .data = first};
    first->count = order->mark->n_databases;
    first->databases = s_names_dup (order->mark->databases, first->count);
    bm_session_submit (instance->sampling, &first->job);
}

void
bm_hold_end_samples (bm_instance_t *instance)
{
    if (instance->sampling)
        bm_session_interrupt (instance->sampling);
    bm_session_end (&instance->sampling);
    instance->sample_operation = 0;
    instance->sample_due_ms = INT64_MAX;
}

/*  Reads until nothing is in flight, its patience is over, or it is told to stop; the last reading counts. */
static void
s_sample (bm_task_t *task, bm_sample_t *sample, uint32_t *readings)
{
    const Btsmark__Sample *order = task->order->sample;
    int64_t until_ms = bm_clock_mono_ms () + order->patience_ms;
    int64_t pause_ms = FIRST_PAUSE_MS;
    bm_sql_t *sql = bm_task_sql (task, &sample->error);
    while (sql) {
        bm_sample_clear (sample);
        bm_sample_read (sql, order->databases, order->n_databases, READING_MS, sample);
        ++*readings;
        int64_t now_ms = bm_clock_mono_ms ();
        if (!sample->ran || sample->branch_count == 0 || now_ms + pause_ms > until_ms ||
            !bm_session_pause (task->job.session, pause_ms))
            return;
        pause_ms = pause_ms * 2 < LONGEST_PAUSE_MS ? pause_ms * 2 : LONGEST_PAUSE_MS;
    }
}

static void
s_sample_work (bm_job_t *job)
{
    bm_task_t *task = job->data;
    bm_sample_t sample = {0};
    Btsmark__Sampled *sampled = bm_alloc (sizeof *sampled);
    btsmark__sampled__init (sampled);
    bm_answer_text (&sampled->instance, task->instance->config->name);
    s_sample (task, &sample, &sampled->readings);
    sampled->ran = sample.ran;
    sampled->fault = bm_sample_fault (&sample, task->instance->config->login);
    if (sample.ran) {
        sampled->counts = bm_sample_counts (&sample);
        bm_sample_give (&sample, &sampled->in_flight, &sampled->n_in_flight);
    }
    bm_sample_clear (&sample);
    task->kind = BTSMARK__ENVELOPE__BODY_SAMPLED;
    task->body.sampled = sampled;
}

void
bm_hold_sample (bm_instance_t *instance, bm_operation_t *operation)
{
    bm_require (instance->sampling);
    instance->sample_operation = operation->id;
    instance->sample_due_ms = (int64_t)operation->order->expires_agent_ms;
    bm_task_submit (bm_task_new (instance->agent, instance, operation), instance->sampling,
                    s_sample_work);
}
