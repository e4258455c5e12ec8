/*  coordinator/commands/agents.c */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/key.h"
#include "coordinator/commands/command.h"
#include "coordinator/shell/hosts.h"
#include "coordinator/shell/report.h"
#include "coordinator/shell/settings.h"
#include "coordinator/shell/terminal.h"
#include "coordinator/shell/translate.h"

typedef struct state {
    bm_settings_t *settings;
    bm_key_t *key;
    bm_agents_t *agents;
    bm_error_t error; /* the most severe */
    bm_hosts_t hosts;
} state_t;

static void
s_worse (state_t *self, const bm_error_t *error)
{
    if (error->status != BM_OK &&
        (self->error.status == BM_OK ||
         bm_status_worse (self->error.status, error->status) != self->error.status))
        self->error = *error;
}

static void
s_ask (state_t *self)
{
    bm_hosts_ask (self->agents, self->settings->connect_timeout_ms, &self->hosts);
    for (size_t i = 0; i < self->hosts.count; i++)
        s_worse (self, &self->hosts.errors[i]);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

/*  Takes both. */
static void
s_print_line (char *lead, char *text, size_t columns)
{
    bm_terminal_wrap (stdout, columns, lead, text);
    free (lead);
    free (text);
}

/*  Takes text. */
static char *
s_longer (char *text, const char *between, const char *more)
{
    char *longer = bm_format ("%s%s%s", text, between, more);
    free (text);
    return longer;
}

static void
s_print_instances (const Btsmark__Greeting *greeting, size_t columns)
{
    for (size_t i = 0; i < greeting->n_instances; i++) {
        const Btsmark__Instance *it = greeting->instances[i];
        bm_error_t fault = {0};
        bm_translate_fault (it->fault, &fault);
        if (fault.status == BM_OK) {
            char *text = bm_format ("SQL Server %s, answers as %s",
                                    it->version[0] ? it->version : "?", it->real_name);
            for (size_t k = 0; k < it->n_aliases; k++)
                text = s_longer (text, k == 0 ? ", also called " : ", ", it->aliases[k]);
            s_print_line (bm_format ("  instance %-16s ", it->name), text, columns);
        } else {
            printf ("  instance %-16s SQL Server does not answer\n", it->name);
            bm_report_error_text (&fault, stdout);
        }
    }
}

static void
s_print_agent (state_t *self, size_t agent)
{
    bm_error_t error = {0};
    const Btsmark__Greeting *greeting = bm_agents_greeting (self->agents, agent, &error);
    size_t columns = bm_terminal_columns (STDOUT_FILENO, BM_TERMINAL_COLUMNS);
    char *lead = bm_format ("%s at %s: ", bm_agents_name (self->agents, agent),
                            bm_agents_address (self->agents, agent));
    if (!greeting) {
        s_print_line (lead, bm_strdup (bm_status_name (error.status)), columns);
        bm_report_error_text (&error, stdout);
        return;
    }
    unsigned parallel = (unsigned)greeting->parallel_per_host;
    char *text = bm_format (
        "ok, version %s, clock %+lld ms, %u backup%s at a time, duties:", greeting->product_version,
        (long long)bm_agents_clock_offset_ms (self->agents, agent), parallel,
        parallel == 1 ? "" : "s");
    for (size_t i = 0; i < greeting->n_duties; i++)
        text = s_longer (text, i ? ", " : " ", greeting->duties[i]);
    s_print_line (lead, text, columns);
    s_print_instances (greeting, columns);
    const Btsmark__StatusReport *report = self->hosts.reports[agent];
    for (size_t i = 0; report && i < report->n_activities; i++)
        bm_terminal_wrap (stdout, columns, "  now: ", report->activities[i]);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *
s_json_instances (const Btsmark__Greeting *greeting)
{
    json_t *array = json_array ();
    for (size_t i = 0; greeting && i < greeting->n_instances; i++) {
        const Btsmark__Instance *it = greeting->instances[i];
        bm_error_t fault = {0};
        bm_translate_fault (it->fault, &fault);
        json_t *aliases = json_array ();
        for (size_t k = 0; k < it->n_aliases; k++)
            json_array_append_new (aliases, json_string (it->aliases[k]));
        json_array_append_new (
            array, json_pack ("{s:s, s:o, s:o, s:o, s:o}", "name", it->name, "real_name",
                              it->real_name[0] ? json_string (it->real_name) : json_null (),
                              "version", it->version[0] ? json_string (it->version) : json_null (),
                              "aliases", aliases, "error", bm_report_error_json (&fault)));
    }
    return array;
}

static json_t *
s_json_agent (state_t *self, size_t agent)
{
    bm_error_t error = {0};
    const Btsmark__Greeting *greeting = bm_agents_greeting (self->agents, agent, &error);
    json_t *duties = json_array (), *activities = json_array ();
    for (size_t i = 0; greeting && i < greeting->n_duties; i++)
        json_array_append_new (duties, json_string (greeting->duties[i]));
    const Btsmark__StatusReport *report = self->hosts.reports[agent];
    for (size_t i = 0; report && i < report->n_activities; i++)
        json_array_append_new (activities, json_string (report->activities[i]));
    return json_pack (
        "{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
        bm_agents_name (self->agents, agent), "address", bm_agents_address (self->agents, agent),
        "reachable", greeting != NULL, "version",
        greeting ? json_string (greeting->product_version) : json_null (), "clock_offset_ms",
        greeting ? json_integer ((json_int_t)bm_agents_clock_offset_ms (self->agents, agent))
                 : json_null (),
        "duties", duties, "instances", s_json_instances (greeting), "activities", activities,
        "error", bm_report_error_json (&error));
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static bool
s_open (state_t *self, const bm_options_t *options)
{
    self->settings = bm_settings_load (options->config, &self->error);
    if (self->settings)
        self->key = bm_key_load (self->settings->key_file, &self->error);
    if (!self->settings || !self->key)
        return false;
    bm_agents_options_t opening = {.key = self->key,
                                   .group = self->settings->group,
                                   .heartbeat_ms = self->settings->heartbeat_ms};
    self->agents = bm_agents_new (&opening, &self->error);
    for (size_t i = 0; self->agents && i < self->settings->agent_count; i++)
        if (bm_agents_add (self->agents, self->settings->agents[i].name,
                           self->settings->agents[i].address, self->settings->agents[i].server_key,
                           &self->error) != BM_OK)
            return false;
    return self->agents != NULL;
}

static void
s_collect_errors (state_t *self)
{
    for (size_t i = 0; i < bm_agents_count (self->agents); i++) {
        bm_error_t error = {0};
        const Btsmark__Greeting *greeting = bm_agents_greeting (self->agents, i, &error);
        for (size_t k = 0; greeting && k < greeting->n_instances; k++)
            if (error.status == BM_OK)
                bm_translate_fault (greeting->instances[k]->fault, &error);
        s_worse (self, &error);
    }
}

static void
s_close (state_t *self)
{
    bm_hosts_clear (&self->hosts);
    bm_agents_destroy (&self->agents);
    bm_key_destroy (&self->key);
    bm_settings_destroy (&self->settings);
}

static int
s_agents (const bm_options_t *options)
{
    state_t self = {0};
    if (!s_open (&self, options)) {
        int failed = bm_command_fail (options, "agents", &self.error);
        s_close (&self);
        return failed;
    }
    size_t count = bm_agents_count (self.agents);
    s_ask (&self);
    s_collect_errors (&self);
    int code = bm_status_exit_code (self.error.status);
    if (options->json) {
        json_t *agents = json_array ();
        for (size_t i = 0; i < count; i++)
            json_array_append_new (agents, s_json_agent (&self, i));
        bm_command_print_json (json_pack ("{s:s, s:o, s:o, s:i}", "group", self.settings->group,
                                          "agents", agents, "error",
                                          bm_report_error_json (&self.error), "exit", code));
    } else {
        for (size_t i = 0; i < count; i++)
            s_print_agent (&self, i);
    }
    s_close (&self);
    return code;
}

const bm_command_t bm_command_agents = {
    "agents",
    "does every agent answer, and its SQL Server?",
    "btsmark agents: greets every agent of btsmark.ini at once and shows for each whether it "
    "answers, its\n"
    "version, how far its clock is off, what this coordinator's key may do there, the SQL Server "
    "instances\n"
    "it serves with their real names, and what it is doing now. What is wrong comes with what to "
    "do.\n"
    "\n"
    "Examples:\n"
    "  btsmark agents            after installing, and whenever a run says UNREACHABLE or REFUSED\n"
    "  btsmark agents --json     for a monitor; the exit code is that of the most severe error\n",
    BM_TAKES_JSON,
    s_agents,
    NULL,
    NULL};
