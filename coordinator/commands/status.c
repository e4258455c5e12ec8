/*  coordinator/commands/status.c */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/key.h"
#include "coordinator/commands/command.h"
#include "coordinator/shell/hosts.h"
#include "coordinator/shell/progress.h"
#include "coordinator/shell/standing.h"
#include "coordinator/shell/terminal.h"
#include "coordinator/shell/translate.h"

#define DAY_US INT64_C (86400000000)

enum { LABEL_CELLS = 10, SCREEN_ROWS = 24, LEAST_HOSTS = 4, LEAST_FINDINGS = 2 };

typedef struct state {
    bm_settings_t *settings;
    bm_key_t *key;
    bm_agents_t *agents;
    bm_hosts_t hosts;
    bm_standing_t standing;
    bm_findings_t findings;
    size_t columns, rows, used;
} state_t;

/* ---- gathering --------------------------------------------------------------------------------------------------- */

static bool
s_open (state_t *self, const bm_options_t *options, bm_error_t *error)
{
    self->settings = bm_settings_load (options->config, error);
    if (self->settings)
        self->key = bm_key_load (self->settings->key_file, error);
    if (!self->settings || !self->key)
        return false;
    bm_agents_options_t opening = {.key = self->key,
                                   .group = self->settings->group,
                                   .heartbeat_ms = self->settings->heartbeat_ms};
    self->agents = bm_agents_new (&opening, error);
    for (size_t i = 0; self->agents && i < self->settings->agent_count; i++)
        if (bm_agents_add (self->agents, self->settings->agents[i].name,
                           self->settings->agents[i].address, self->settings->agents[i].server_key,
                           error) != BM_OK)
            return false;
    return self->agents != NULL;
}

static void
s_gather_host (state_t *self, size_t agent)
{
    const char *name = bm_agents_name (self->agents, agent);
    bm_findings_error (&self->findings, (bm_subject_t){.topic = "agent", .server = name},
                       &self->hosts.errors[agent]);
    const Btsmark__StatusReport *report = self->hosts.reports[agent];
    for (size_t i = 0; report && report->greeting && i < report->greeting->n_instances; i++) {
        bm_error_t fault = {0};
        const Btsmark__Instance *it = report->greeting->instances[i];
        bm_translate_fault (it->fault, &fault);
        bm_findings_error (&self->findings,
                           (bm_subject_t){.topic = "sql-server", .server = it->name}, &fault);
    }
}

/*  The management server is not asked: how the group stands can be seen while it is down. */
static void
s_gather (state_t *self)
{
    bm_error_t error = {0};
    bm_health_t health;
    bm_standing_read (self->settings, &self->standing, &error);
    bm_findings_error (&self->findings, (bm_subject_t){.topic = "catalogue"}, &error);
    if (error.status == BM_OK) {
        bm_standing_health (&self->standing, self->settings, &health);
        bm_health_group (&health, &self->findings);
    }
    bm_hosts_ask (self->agents, self->settings->connect_timeout_ms, &self->hosts);
    for (size_t i = 0; i < self->hosts.count; i++)
        s_gather_host (self, i);
    bm_findings_sort (&self->findings);
}

/* ---- text: the group --------------------------------------------------------------------------------------------- */

/*  "label     text", within the columns. Takes text. */
static void
s_line (state_t *self, const char *label, char *text)
{
    char lead[LABEL_CELLS + 1];
    snprintf (lead, sizeof lead, "%-*s", LABEL_CELLS, label);
    bm_terminal_wrap (stdout, self->columns, lead, text);
    self->used += 1 + (bm_terminal_cells (text) + LABEL_CELLS) / (self->columns + 1);
    free (text);
}

static char *
s_age (const state_t *self, int64_t at_us, char buffer[BM_HEALTH_AGE_BYTES])
{
    return bm_health_age ((self->standing.now_us - at_us) / 1000, buffer);
}

/*  How a run went, in a word or two. */
static char *
s_run_result (const bm_run_row_t *run)
{
    if (!run->status)
        return bm_strdup ("killed");
    bm_status_t status = bm_status_by_name (run->status);
    if (status == BM_OK)
        return bm_strdup ("good");
    if (status == BM_WARNINGS)
        return bm_strdup ("good, with warnings");
    return bm_format ("failed (exit %d: %s)", run->exit_code, bm_status_meaning (status));
}

static bool
s_waits (const Btsmark__Progress *it)
{
    return strcmp (it->step, "waiting") == 0;
}

/*  What a run would be waiting for: backups first. NULL = nothing runs on this instance. */
static const Btsmark__Progress *
s_running_on (const Btsmark__StatusReport *report, const char *instance)
{
    const Btsmark__Progress *found = NULL;
    for (size_t i = 0; i < report->n_running; i++) {
        const Btsmark__Progress *it = report->running[i];
        bool here = strcmp (it->instance, instance) == 0;
        if (here && (!found || (!*found->database && *it->database) ||
                     (*it->database && it->percent > found->percent)))
            found = it;
    }
    return found;
}

/*  "log backup of BizTalkDTADb, 41 %, 12 s left, last progress 2 s ago" */
static char *
s_activity (const Btsmark__Progress *it)
{
    char since[BM_HEALTH_AGE_BYTES], left[BM_PROGRESS_TEXT_BYTES];
    const char *end = strstr (it->what, " on "), *step = it->step;
    int bytes = end ? (int)(end - it->what) : (int)strlen (it->what);
    if (s_waits (it))
        step = "waiting for its turn";
    char *state = it->percent >= 0 ? bm_format ("%.0f %%", it->percent) : bm_strdup (step);
    char *rest = it->remaining_ms >= 0
                     ? bm_format (", %s left", bm_progress_duration (it->remaining_ms, left))
                     : bm_strdup ("");
    char *text = bm_format ("%.*s, %s%s, last progress %s ago", bytes, it->what, state, rest,
                            bm_health_age ((int64_t)it->since_change_ms, since));
    free (rest);
    free (state);
    return text;
}

/*  The backup whose numbers have not moved for the longest time: what a run waits for. */
static const Btsmark__Progress *
s_slowest (const state_t *self)
{
    const Btsmark__Progress *slowest = NULL;
    for (size_t i = 0; i < self->hosts.count; i++) {
        const Btsmark__StatusReport *report = self->hosts.reports[i];
        for (size_t k = 0; report && k < report->n_running; k++) {
            const Btsmark__Progress *it = report->running[k];
            if (*it->database && !s_waits (it) &&
                (!slowest || it->since_change_ms > slowest->since_change_ms))
                slowest = it;
        }
    }
    return slowest;
}

static void
s_print_running (state_t *self)
{
    char age[BM_HEALTH_AGE_BYTES];
    const bm_run_row_t *run = &self->standing.runs[0];
    const Btsmark__Progress *slowest = s_slowest (self);
    char *activity = slowest ? s_activity (slowest) : NULL;
    char *waits =
        slowest ? bm_format ("; waiting for %s: %s", slowest->instance, activity) : bm_strdup ("");
    s_line (self, "running",
            bm_format ("btsmark %s, for %s%s", run->command, s_age (self, run->started_us, age),
                       waits));
    free (waits);
    free (activity);
}

static void
s_print_runs (state_t *self)
{
    const bm_standing_t *standing = &self->standing;
    char age[BM_HEALTH_AGE_BYTES];
    size_t last = standing->running ? 1 : 0;
    if (standing->running && standing->run_count)
        s_print_running (self);
    if (last >= standing->run_count) {
        s_line (self, "last run",
                bm_strdup ("there was none yet: btsmark check, then btsmark run"));
        return;
    }
    char *result = s_run_result (&standing->runs[last]);
    s_line (self, "last run",
            bm_format ("btsmark %s, %s ago: %s", standing->runs[last].command,
                       s_age (self, standing->runs[last].started_us, age), result));
    free (result);
}

static void
s_print_marks (state_t *self)
{
    const bm_standing_t *standing = &self->standing;
    const bm_health_mark_t *usable = &standing->usable, *other = &standing->on_demand;
    char age[BM_HEALTH_AGE_BYTES];
    if (usable->name)
        s_line (self, "recovery",
                bm_format ("to %s, %s old", usable->name, s_age (self, usable->at_us, age)));
    else
        s_line (self, "recovery", bm_strdup ("no usable mark"));
    if (other->name)
        s_line (self, "",
                bm_format ("on demand to %s, %s old (%s)", other->name,
                           s_age (self, other->at_us, age), bm_outcome_name (other->outcome)));
    size_t counts[BM_OUTCOME_COUNT] = {0};
    for (size_t i = 0; i < standing->outcome_count; i++)
        counts[standing->outcomes[i]]++;
    size_t clean = counts[BM_OUTCOME_CLEAN], doubtful = counts[BM_OUTCOME_DOUBTFUL],
           unchecked = counts[BM_OUTCOME_UNCHECKED];
    if (standing->outcome_count == 0)
        return;
    char *each = clean ? bm_format ("; %.1f rounds for a clean one",
                                    (double)standing->rounds / (double)clean)
                       : bm_strdup ("");
    size_t others = standing->outcome_count - clean - doubtful - unchecked;
    char *none =
        others ? bm_format (", %zu other%s", others, others == 1 ? "" : "s") : bm_strdup ("");
    s_line (self, "marks",
            bm_format ("last %zu: %zu clean, %zu doubtful, %zu unchecked%s%s",
                       standing->outcome_count, clean, doubtful, unchecked, none, each));
    free (none);
    free (each);
}

/*  "next due in 3 h 20 min": a forced one stands in the management database, which is not asked. Caller frees. */
static char *
s_next_full (const state_t *self)
{
    const bm_standing_t *standing = &self->standing;
    const bm_set_row_t *full = NULL;
    char until[BM_HEALTH_AGE_BYTES];
    for (size_t i = 0; i < standing->set_count && !full; i++)
        if (standing->sets[i].type == BM_SET_FULL)
            full = &standing->sets[i];
    bool open = full && !full->complete && !full->closed;
    if (open && standing->running && standing->run_count && full->run == standing->runs[0].run)
        return bm_format ("set %lld is being taken", (long long)full->set_id);
    if (open && !self->settings->legacy_log_shipping)
        return bm_format ("set %lld is repaired by coming runs", (long long)full->set_id);
    int64_t next_us = bm_standing_next_full_us (standing, self->settings);
    if (next_us < 0)
        return bm_strdup ("next due in over a year");
    if (next_us <= standing->now_us)
        return bm_strdup ("next with the next run");
    return bm_format ("next due in %s", bm_health_age ((next_us - standing->now_us) / 1000, until));
}

static void
s_print_sets (state_t *self)
{
    const bm_standing_t *standing = &self->standing;
    size_t fulls = 0, logs = 0, complete = 0;
    char age[BM_HEALTH_AGE_BYTES];
    for (size_t i = 0; i < standing->set_count; i++) {
        if (standing->sets[i].began_us < standing->now_us - DAY_US)
            continue;
        fulls += standing->sets[i].type == BM_SET_FULL;
        logs += standing->sets[i].type == BM_SET_LOG;
        complete += standing->sets[i].complete;
    }
    char *next = s_next_full (self);
    s_line (self, "last full",
            standing->full_us < 0
                ? bm_format ("none is complete; %s", next)
                : bm_format ("set %lld, %s ago; %s", (long long)standing->full_set,
                             s_age (self, standing->full_us, age), next));
    free (next);
    s_line (self, "last day",
            bm_format ("%zu full and %zu log sets, %zu complete", fulls, logs, complete));
}

static void
s_print_retention (state_t *self)
{
    const bm_standing_t *standing = &self->standing;
    const bm_settings_t *settings = self->settings;
    size_t retained = 0;
    char age[BM_HEALTH_AGE_BYTES];
    for (size_t i = 0; i < standing->retained_count; i++)
        retained +=
            standing->retained[i].until_us < 0 || standing->retained[i].until_us > standing->now_us;
    s_line (self, "retention",
            settings->delete_files
                ? bm_format ("%zu newest usable marks and %s; %zu set%s retained by hand",
                             settings->keep_marks, bm_health_age (settings->keep_time_ms, age),
                             retained, retained == 1 ? "" : "s")
                : bm_format ("files stay; %zu set%s retained by hand", retained,
                             retained == 1 ? "" : "s"));
}

/* ---- text: hosts ------------------------------------------------------------------------------------------------- */

static void
s_print_instance (state_t *self, const Btsmark__StatusReport *report, const Btsmark__Instance *it)
{
    char room[BM_PROGRESS_TEXT_BYTES];
    const Btsmark__Progress *running = s_running_on (report, it->name);
    char *activity = running ? s_activity (running) : bm_strdup ("idle");
    char *free_text = it->free_bytes >= 0
                          ? bm_format ("%s free, ", bm_progress_bytes (it->free_bytes, room))
                          : bm_strdup ("");
    s_line (self, it->name,
            it->fault ? bm_strdup ("up, but its SQL Server does not answer")
                      : bm_format ("up, %s%s", free_text, activity));
    free (free_text);
    free (activity);
}

/*  Hosts that are down come first, then those that work: a screen cannot hold hundreds. */
static int
s_rank (const state_t *self, size_t agent)
{
    const Btsmark__StatusReport *report = self->hosts.reports[agent];
    if (!report)
        return 0;
    return report->n_running > 0 ? 1 : 2;
}

static void
s_print_host (state_t *self, size_t agent)
{
    const Btsmark__StatusReport *report = self->hosts.reports[agent];
    if (!report)
        s_line (self, bm_agents_name (self->agents, agent),
                bm_format ("DOWN (%s)", bm_status_name (self->hosts.errors[agent].status)));
    for (size_t i = 0; report && report->greeting && i < report->greeting->n_instances; i++)
        s_print_instance (self, report, report->greeting->instances[i]);
}

static void
s_print_hosts (state_t *self)
{
    size_t left = self->hosts.count, shown = 0;
    size_t room = self->rows > self->used + LEAST_FINDINGS + LEAST_HOSTS
                      ? self->rows - self->used - LEAST_FINDINGS
                      : LEAST_HOSTS;
    size_t before = self->used;
    for (int rank = 0; rank <= 2; rank++)
        for (size_t i = 0; i < self->hosts.count; i++)
            if (s_rank (self, i) == rank && self->used - before + 1 < room) {
                s_print_host (self, i);
                shown++;
            }
    left -= shown;
    if (left > 0)
        s_line (self, "", bm_format ("... and %zu more agents: btsmark agents", left));
}

/* ---- text: what needs attention ---------------------------------------------------------------------------------- */

static void
s_print_findings (state_t *self)
{
    size_t left = bm_findings_level_count (&self->findings, BM_LEVEL_FAILURE) +
                  bm_findings_level_count (&self->findings, BM_LEVEL_WARNING);
    if (left == 0)
        bm_terminal_wrap (stdout, self->columns, "",
                          self->standing.run_count
                              ? "nothing needs attention; btsmark check looks closer"
                              : "nothing is backed up yet");
    for (size_t i = 0; i < self->findings.count; i++) {
        const bm_finding_t *it = &self->findings.items[i];
        if (it->level < BM_LEVEL_WARNING)
            break;
        char *text =
            it->remedy ? bm_format ("%s -> %s", it->text, it->remedy) : bm_strdup (it->text);
        size_t lines = 1 + (bm_terminal_cells (text) + LABEL_CELLS) / self->columns;
        if (self->used + lines + 1 > self->rows && i >= LEAST_FINDINGS) {
            free (text);
            break;
        }
        s_line (self, it->level == BM_LEVEL_FAILURE ? "FAILURE" : "WARNING", text);
        left--;
    }
    if (left > 0)
        printf ("... and %zu more: btsmark check\n", left);
}

static void
s_print (state_t *self)
{
    char at[BM_CLOCK_TEXT_BYTES];
    char *head = bm_format ("%s, %.19sZ", self->settings->group,
                            bm_clock_rfc3339 (self->standing.now_us, at));
    printf ("%.*s\n", (int)bm_terminal_cut (head, self->columns), head);
    free (head);
    self->used = 1;
    s_print_runs (self);
    s_print_marks (self);
    s_print_sets (self);
    s_print_retention (self);
    s_print_hosts (self);
    s_print_findings (self);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *
s_text (const char *text)
{
    return text && *text ? json_string (text) : json_null ();
}

static json_t *
s_time (int64_t at_us)
{
    char text[BM_CLOCK_TEXT_BYTES];
    return at_us < 0 ? json_null () : json_string (bm_clock_rfc3339 (at_us, text));
}

static json_t *
s_known (int64_t number)
{
    return number < 0 ? json_null () : json_integer ((json_int_t)number);
}

static json_t *
s_json_mark (const state_t *self, const bm_health_mark_t *mark)
{
    if (!mark->name)
        return json_null ();
    return json_pack ("{s:s, s:s, s:o, s:I}", "mark", mark->name, "outcome",
                      bm_outcome_name (mark->outcome), "at", s_time (mark->at_us), "age_s",
                      (json_int_t)((self->standing.now_us - mark->at_us) / 1000000));
}

static json_t *
s_json_run (const bm_run_row_t *run)
{
    if (!run)
        return json_null ();
    return json_pack (
        "{s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "run", (json_int_t)run->run, "command", run->command,
        "began", s_time (run->started_us), "ended", s_time (run->ended_us > 0 ? run->ended_us : -1),
        "status", s_text (run->status), "exit",
        run->status ? json_integer (run->exit_code) : json_null (), "text", s_text (run->text));
}

static json_t *
s_json_running (const Btsmark__StatusReport *report, const char *instance)
{
    json_t *array = json_array ();
    for (size_t i = 0; i < report->n_running; i++) {
        const Btsmark__Progress *it = report->running[i];
        if (strcmp (it->instance, instance) != 0)
            continue;
        json_array_append_new (
            array,
            json_pack ("{s:s, s:o, s:s, s:o, s:I, s:I, s:o, s:o}", "what", it->what, "database",
                       s_text (it->database), "step", it->step, "percent",
                       it->percent < 0 ? json_null () : json_real (it->percent), "elapsed_ms",
                       (json_int_t)it->elapsed_ms, "since_change_ms",
                       (json_int_t)it->since_change_ms, "total_bytes", s_known (it->total_bytes),
                       "remaining_ms", s_known (it->remaining_ms)));
    }
    return array;
}

static json_t *
s_json_host (const state_t *self, size_t agent)
{
    const Btsmark__StatusReport *report = self->hosts.reports[agent];
    json_t *instances = json_array ();
    for (size_t i = 0; report && report->greeting && i < report->greeting->n_instances; i++) {
        const Btsmark__Instance *it = report->greeting->instances[i];
        json_array_append_new (instances,
                               json_pack ("{s:s, s:o, s:b, s:o, s:o}", "name", it->name,
                                          "real_name", s_text (it->real_name), "up",
                                          it->fault == NULL, "free_bytes", s_known (it->free_bytes),
                                          "running", s_json_running (report, it->name)));
    }
    return json_pack ("{s:s, s:b, s:o, s:o}", "agent", bm_agents_name (self->agents, agent), "up",
                      report != NULL, "instances", instances, "error",
                      report ? json_null () : s_text (self->hosts.errors[agent].text));
}

static json_t *
s_json_marks (const bm_standing_t *standing)
{
    size_t counts[BM_OUTCOME_COUNT] = {0};
    for (size_t i = 0; i < standing->outcome_count; i++)
        counts[standing->outcomes[i]]++;
    json_t *object = json_pack ("{s:I, s:I}", "looked_at", (json_int_t)standing->outcome_count,
                                "rounds", (json_int_t)standing->rounds);
    for (bm_outcome_t k = 0; k < BM_OUTCOME_COUNT; k++)
        json_object_set_new (object, bm_outcome_name (k), json_integer ((json_int_t)counts[k]));
    return object;
}

static json_t *
s_json_sets (const bm_standing_t *standing)
{
    json_t *array = json_array ();
    for (size_t i = 0; i < standing->set_count; i++) {
        const bm_set_row_t *set = &standing->sets[i];
        if (set->began_us < standing->now_us - DAY_US)
            continue;
        json_array_append_new (
            array, json_pack ("{s:I, s:s, s:o, s:o, s:o, s:b}", "set_id", (json_int_t)set->set_id,
                              "type", bm_set_type_name (set->type), "began", s_time (set->began_us),
                              "mark", s_text (set->mark), "outcome",
                              set->has_outcome ? json_string (bm_outcome_name (set->outcome))
                                               : json_null (),
                              "complete", set->complete));
    }
    return array;
}

static json_t *
s_json_findings (const bm_findings_t *findings)
{
    json_t *array = json_array ();
    for (size_t i = 0; i < findings->count; i++) {
        const bm_finding_t *it = &findings->items[i];
        if (it->level >= BM_LEVEL_NOTE)
            json_array_append_new (array, json_pack ("{s:s, s:s, s:o, s:o, s:s, s:o}", "level",
                                                     bm_level_name (it->level), "topic", it->topic,
                                                     "server", s_text (it->server), "database",
                                                     s_text (it->database), "text", it->text,
                                                     "remedy", s_text (it->remedy)));
    }
    return array;
}

static json_t *
s_json (const state_t *self, int code)
{
    const bm_standing_t *standing = &self->standing;
    const bm_run_row_t *newest = standing->run_count ? &standing->runs[0] : NULL;
    const bm_run_row_t *last = newest;
    if (standing->running)
        last = standing->run_count > 1 ? &standing->runs[1] : NULL;
    int64_t next_us = bm_standing_next_full_us (standing, self->settings);
    json_t *hosts = json_array (), *retained = json_array ();
    for (size_t i = 0; i < self->hosts.count; i++)
        json_array_append_new (hosts, s_json_host (self, i));
    for (size_t i = 0; i < standing->retained_count; i++)
        json_array_append_new (retained,
                               json_pack ("{s:I, s:o, s:o}", "set_id",
                                          (json_int_t)standing->retained[i].set_id, "until",
                                          s_time (standing->retained[i].until_us), "reason",
                                          s_text (standing->retained[i].reason)));
    return json_pack ("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:n, s:i}",
                      "group", self->settings->group, "at", s_time (standing->now_us), "running",
                      standing->running ? s_json_run (newest) : json_null (), "last_run",
                      s_json_run (last), "usable_mark", s_json_mark (self, &standing->usable),
                      "on_demand_mark", s_json_mark (self, &standing->on_demand), "last_full",
                      s_time (standing->full_us), "next_full", s_time (next_us), "marks",
                      s_json_marks (standing), "sets", s_json_sets (standing), "retained", retained,
                      "hosts", hosts, "findings", s_json_findings (&self->findings), "error",
                      "exit", code);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int
s_status (const bm_options_t *options)
{
    state_t self = {.columns = bm_terminal_columns (STDOUT_FILENO, 80),
                    .rows = bm_terminal_rows (STDOUT_FILENO, SCREEN_ROWS)};
    bm_error_t error = {0};
    int code = 0;
    if (!s_open (&self, options, &error)) {
        code = bm_command_fail (options, "status", &error);
    } else {
        s_gather (&self);
        bm_status_t status = bm_findings_status (&self.findings);
        if (status != BM_WARNINGS || self.settings->exit_on_warnings)
            code = bm_status_exit_code (status);
        if (options->json)
            bm_command_print_json (s_json (&self, code));
        else
            s_print (&self);
    }
    bm_hosts_clear (&self.hosts);
    bm_findings_clear (&self.findings);
    bm_standing_clear (&self.standing);
    bm_agents_destroy (&self.agents);
    bm_key_destroy (&self.key);
    bm_settings_destroy (&self.settings);
    return code;
}

const bm_command_t bm_command_status = {
    "status",
    "one screen: runs, recovery point, hosts, what needs attention",
    "btsmark status: one screen about the group: what runs now and what it waits for, how the "
    "last run went,\n"
    "the newest mark that the group can be restored to and how old it is, the last full and when "
    "the next is\n"
    "due, the sets of the last day, how many rounds a clean mark takes, every host with its free "
    "space, and\n"
    "what needs attention with what to do.\n"
    "\n"
    "It reads the catalogue and asks the agents; the management server may be down. The exit code "
    "is 0, or\n"
    "that of the most severe failure on the screen, as for btsmark check, which looks closer.\n"
    "\n"
    "Examples:\n"
    "  btsmark status\n"
    "  watch -n 5 btsmark status\n"
    "  btsmark status --json     for a monitor\n",
    BM_TAKES_JSON,
    s_status,
    NULL,
    NULL};
