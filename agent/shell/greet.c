#include "agent/shell/greet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/files.h"
#include "agent/shell/instance.h"
#include "agent/shell/queue.h"
#include "common/clock.h"
#include "common/log.h"

#define S_QUERY_MS  5000
#define S_ANSWER_MS 4000

typedef struct s_greet {
    bm_agent_t *agent;
    bm_operation_t *operation;
    size_t missing; /* asks that are not done */
    bool answered;
    Btsmark__Instance **instances; /* NULL: not told yet */
} s_greet_t;

typedef struct s_ask {
    bm_job_t job;
    s_greet_t *greet;
    size_t index;
    const bm_instance_config_t *config;
    bool with_room;              /* a greeting in a run is not to wait for a file system */
    Btsmark__Instance *instance; /* made by the session's thread */
} s_ask_t;

/*  "2026-11-21 02:15:01.327" in UTC. */
static int64_t
s_parse_utc (const char *text)
{
    char *rfc3339 = bm_format ("%sZ", text ? text : "");
    char *space = strchr (rfc3339, ' ');
    if (space)
        *space = 'T';
    int64_t utc_us = bm_clock_parse_rfc3339 (rfc3339);
    free (rfc3339);
    return utc_us < 0 ? 0 : utc_us;
}

static void
s_measure_room (s_ask_t *ask, bm_sql_t *sql)
{
    bm_error_t error = {0};
    bm_files_t files = {.instance = ask->config, .sql = sql, .error = &error};
    if (ask->with_room && *ask->config->backup_path)
        bm_files_probe_folder (&files, ask->config->backup_path, true, &ask->instance->free_bytes,
                               &error);
}

static void
s_ask_work (bm_job_t *job)
{
    s_ask_t *ask = job->data;
    bm_error_t error = {0};
    Btsmark__Instance *instance = bm_alloc (sizeof *instance);
    btsmark__instance__init (instance);
    instance->free_bytes = -1;
    ask->instance = instance;
    bm_sql_t *sql = bm_session_sql (job->session, &error);
    if (!sql) {
        instance->fault = bm_answer_fault (&error);
        return;
    }
    bm_sql_query_t *query = bm_sql_query_new (
        "SELECT CONVERT (nvarchar(128), SERVERPROPERTY (N'servername')) AS bm_server,"
        " CONVERT (nvarchar(128), SERVERPROPERTY (N'productversion')) AS bm_version,"
        " CONVERT (nvarchar(23), GETUTCDATE (), 121) AS bm_utc;");
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (sql, query, &result, &error);
    int set = result ? bm_sql_result_find (result, (const char *[]){"bm_server", NULL}) : -1;
    if (status == BM_OK && set >= 0 && bm_sql_result_rows (result, set) == 1) {
        bm_answer_text (&instance->real_name, bm_sql_result_text (result, set, 0, "bm_server"));
        bm_answer_text (&instance->version, bm_sql_result_text (result, set, 0, "bm_version"));
        instance->clock_utc_us = s_parse_utc (bm_sql_result_text (result, set, 0, "bm_utc"));
        instance->clock_ahead_us = instance->clock_utc_us - bm_clock_utc_us ();
    } else if (status == BM_OK)
        bm_fail (&error, BM_SQL_FAILED, "SQL Server did not say its name");
    instance->fault = bm_answer_fault (&error);
    s_measure_room (ask, sql);
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
}

static void
s_complete (Btsmark__Instance *wire, const bm_instance_config_t *config)
{
    bm_answer_text (&wire->name, config->name);
    for (size_t i = 0; i < config->alias_count; i++)
        bm_answer_add_text (&wire->aliases, &wire->n_aliases, config->aliases[i]);
    for (size_t i = 0; i < config->allowed_count; i++)
        bm_answer_add_text (&wire->allowed_paths, &wire->n_allowed_paths, config->allowed_paths[i]);
    bm_answer_text (&wire->backup_path, config->backup_path);
}

static Btsmark__Greeting *
s_greeting (s_greet_t *self)
{
    bm_agent_t *agent = self->agent;
    Btsmark__Greeting *greeting = bm_alloc (sizeof *greeting);
    btsmark__greeting__init (greeting);
    bm_answer_text (&greeting->agent_name, agent->config->name);
    bm_answer_text (&greeting->product_version, BTSMARK_VERSION);
    greeting->start_id = agent->start_id;
    greeting->clock_mono_ms = (uint64_t)bm_clock_mono_ms ();
    greeting->clock_utc_us = bm_clock_utc_us ();
    greeting->started_utc_us = agent->started_utc_us;
    greeting->parallel_per_host = (uint32_t)agent->config->parallel_per_host;
    greeting->running_backups = (uint32_t)bm_queue_running (agent->queue);
    greeting->instances = self->instances;
    greeting->n_instances = agent->instance_count;
    for (unsigned duty = BM_DUTY_STATUS; duty <= BM_DUTY_RESTORE; duty <<= 1)
        if (self->operation->allow->duties & duty)
            bm_answer_add_text (&greeting->duties, &greeting->n_duties,
                                bm_duty_name ((bm_duty_t)duty));
    return greeting;
}

static char *
s_activity (const bm_operation_t *operation, int64_t now_ms)
{
    char *what = bm_agent_describe (operation);
    char percent[24] = "";
    if (operation->percent >= 0)
        snprintf (percent, sizeof percent, ", %.0f %%", operation->percent);
    char *text =
        bm_format ("%s for %s: %s%s, for %" PRId64 " s, last progress %" PRId64 " s ago", what,
                   operation->allow->name, operation->step, percent,
                   (now_ms - operation->began_ms) / 1000, (now_ms - operation->changed_ms) / 1000);
    free (what);
    return text;
}

static Btsmark__StatusReport *
s_report (s_greet_t *self)
{
    int64_t now_ms = bm_clock_mono_ms ();
    Btsmark__StatusReport *report = bm_alloc (sizeof *report);
    btsmark__status_report__init (report);
    report->greeting = s_greeting (self);
    report->uptime_ms = (uint64_t)(now_ms - self->agent->started_ms);
    bm_operation_t **running = bm_operations_list_running (self->agent->operations);
    for (size_t i = 0; running[i]; i++) {
        if (running[i] == self->operation)
            continue;
        char *text = s_activity (running[i], now_ms);
        bm_answer_add_text (&report->activities, &report->n_activities, text);
        free (text);
        report->running =
            bm_realloc (report->running, (report->n_running + 1) * sizeof *report->running);
        report->running[report->n_running++] = bm_agent_describe_progress (running[i], now_ms);
    }
    free (running);
    return report;
}

static void
s_answer (s_greet_t *self)
{
    self->answered = true;
    if (self->operation->kind == BTSMARK__ENVELOPE__BODY_STATUS)
        bm_agent_answer (self->agent, self->operation, BTSMARK__ENVELOPE__BODY_STATUS_REPORT,
                         (bm_body_t){.status_report = s_report (self)});
    else
        bm_agent_answer (self->agent, self->operation, BTSMARK__ENVELOPE__BODY_GREETING,
                         (bm_body_t){.greeting = s_greeting (self)});
    self->instances = NULL; /* they went with the answer */
    self->operation->work = NULL;
    bm_operation_unpin (self->operation);
}

/*  What one instance said goes into the greeting. */
static void
s_tell (s_greet_t *self, size_t index, Btsmark__Instance *instance)
{
    const bm_instance_config_t *config = self->agent->instances[index]->config;
    if (instance->fault)
        bm_log_warning ("%s cannot be asked: %s", config->name, instance->fault->text);
    s_complete (instance, config);
    self->instances[index] = instance;
}

static Btsmark__Instance *
s_silent (const bm_instance_config_t *config, bm_status_t status, const char *why)
{
    Btsmark__Instance *instance = bm_alloc (sizeof *instance);
    btsmark__instance__init (instance);
    instance->free_bytes = -1;
    instance->fault =
        bm_answer_fault_new (status, "%s at %s: %s", config->name, config->server, why);
    return instance;
}

static void
s_ask_done (bm_job_t *job)
{
    s_ask_t *ask = job->data;
    s_greet_t *greet = ask->greet;
    if (!ask->instance)
        ask->instance = s_silent (greet->agent->instances[ask->index]->config, BM_STOPPED,
                                  "the agent is stopping");
    if (!greet->answered)
        s_tell (greet, ask->index, ask->instance);
    else
        btsmark__instance__free_unpacked (ask->instance, NULL);
    free (ask);
    if (--greet->missing > 0)
        return;
    if (!greet->answered)
        s_answer (greet);
    free (greet);
}

void
bm_greet_tick (bm_agent_t *agent, int64_t now_ms)
{
    bm_operation_t **running = bm_operations_list_running (agent->operations);
    for (size_t i = 0; running[i]; i++) {
        bool greets = running[i]->kind == BTSMARK__ENVELOPE__BODY_GREET ||
                      running[i]->kind == BTSMARK__ENVELOPE__BODY_STATUS;
        s_greet_t *greet = running[i]->work;
        if (!greets || !greet || now_ms - running[i]->began_ms < S_ANSWER_MS)
            continue;
        for (size_t k = 0; k < agent->instance_count; k++)
            if (!greet->instances[k])
                s_tell (greet, k,
                        s_silent (agent->instances[k]->config, BM_SQL_TIMEOUT,
                                  "SQL Server has not answered within 4 s"));
        s_answer (greet);
    }
    free (running);
}

void
bm_greet (bm_agent_t *agent, bm_operation_t *operation)
{
    s_greet_t *greet = bm_alloc (sizeof *greet);
    greet->agent = agent;
    greet->operation = operation;
    greet->missing = agent->instance_count;
    greet->instances = bm_alloc ((agent->instance_count + 1) * sizeof *greet->instances);
    operation->work = greet;
    bm_operation_pin (operation);
    for (size_t i = 0; i < agent->instance_count; i++) {
        s_ask_t *ask = bm_alloc (sizeof *ask);
        ask->job = (bm_job_t){.work = s_ask_work, .done = s_ask_done, .data = ask};
        ask->greet = greet;
        ask->index = i;
        ask->config = agent->instances[i]->config;
        ask->with_room = operation->kind == BTSMARK__ENVELOPE__BODY_STATUS;
        bm_session_submit (agent->instances[i]->probe, &ask->job);
    }
}
