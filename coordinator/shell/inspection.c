/*  coordinator/shell/inspection.c */
#include "coordinator/shell/inspection.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/key.h"
#include "common/limits.h"
#include "common/names.h"
#include "coordinator/shell/grants.h"
#include "coordinator/shell/standing.h"
#include "coordinator/shell/topology.h"
#include "coordinator/shell/translate.h"

enum { INSPECT_DEADLINE_MS = 120000, LEAST_PATIENCE_MS = 1800000 };

typedef struct look {
    bm_inspection_t *out;
    const bm_settings_t *settings;
    bm_findings_t *findings;
    bm_key_t *key;
    bm_agents_t *agents;
    bm_group_rows_t rows;
    bm_topology_t *topology;
    bm_standing_t standing;
    struct asked *asked; /* one per instance of the topology */
    size_t waiting;
} look_t;

typedef struct asked {
    look_t *look;
    size_t instance;
} asked_t;

/* ---- what this machine holds ------------------------------------------------------------------------------------- */

static bool
s_open_settings (look_t *self, const char *config)
{
    bm_error_t error = {0};
    self->out->settings = bm_settings_load (config, &error);
    self->settings = self->out->settings;
    bm_findings_error (self->findings, (bm_subject_t){.topic = "configuration"}, &error);
    return self->settings != NULL;
}

static void
s_open_agents (look_t *self)
{
    bm_error_t error = {0};
    const bm_settings_t *settings = self->settings;
    self->key = bm_key_load (settings->key_file, &error);
    if (self->key) {
        bm_agents_options_t options = {
            .key = self->key, .group = settings->group, .heartbeat_ms = settings->heartbeat_ms};
        self->agents = bm_agents_new (&options, &error);
    }
    for (size_t i = 0; self->agents && i < settings->agent_count; i++) {
        bm_error_t wrong = {0};
        bm_agents_add (self->agents, settings->agents[i].name, settings->agents[i].address,
                       settings->agents[i].server_key, &wrong);
        bm_findings_error (
            self->findings,
            (bm_subject_t){.topic = "configuration", .server = settings->agents[i].name}, &wrong);
        if (wrong.status != BM_OK) /* numbers of agents would no longer be those of the settings */
            bm_agents_destroy (&self->agents);
    }
    bm_findings_error (self->findings, (bm_subject_t){.topic = "key"}, &error);
}

/* ---- the management database ------------------------------------------------------------------------------------- */

/*  The group as the last run saw it: better than nothing while the management database is away. */
static void
s_remembered_group (look_t *self)
{
    bm_error_t error = {0};
    bm_set_members_t members = {0};
    if (!self->standing.there)
        return;
    bm_catalogue_t *catalogue = bm_catalogue_open_read_only (self->settings->catalogue, &error);
    if (catalogue)
        bm_catalogue_present (catalogue, &members, &error);
    self->rows.items = bm_alloc ((members.count + 1) * sizeof *self->rows.items);
    for (size_t i = 0; i < members.count; i++)
        self->rows.items[self->rows.count++] = (bm_group_row_t){
            bm_strdup (members.items[i].server), bm_strdup (members.items[i].database), false};
    bm_set_members_clear (&members);
    bm_catalogue_close (&catalogue);
    if (self->rows.count)
        bm_findings_add (self->findings, BM_LEVEL_NOTE, (bm_subject_t){.topic = "management"}, NULL,
                         "the databases of the group are taken from the last run, because the "
                         "management database does not tell them");
}

/*  Rights first: what a login may not see looks like what is not there, and is then told once. */
static void
s_look_into_management (look_t *self, bm_management_t *management, bm_subject_t about)
{
    bm_error_t error = {0};
    bm_backup_settings_t now;
    if (bm_grants_check (management, self->findings, &error) != BM_OK)
        bm_findings_add (self->findings, BM_LEVEL_WARNING, (bm_subject_t){.topic = "grants"},
                         error.remedy, "what the login may do in %s cannot be asked: %s",
                         about.database, error.text);
    bool told = bm_findings_has (self->findings, "grants", about.server);
    error = (bm_error_t){0};
    if (bm_management_look (management, &error) == BM_OK &&
        bm_management_discover (management, &self->rows, &error) == BM_OK)
        bm_management_settings (management, &now, &error);
    if (!told)
        bm_findings_error (self->findings, about, &error);
}

static void
s_look_at_management (look_t *self)
{
    bm_error_t error = {0};
    const bm_subject_t about = {.topic = "management",
                                .server = self->settings->management_server,
                                .database = self->settings->management_database};
    bm_management_t *management = bm_management_connect (self->settings, &error);
    bm_findings_error (self->findings, about, &error);
    if (management)
        s_look_into_management (self, management, about);
    bm_management_close (&management);
    if (self->rows.count == 0)
        s_remembered_group (self);
    self->out->databases = self->rows.count;
}

/* ---- agents ------------------------------------------------------------------------------------------------------ */

static bool
s_has_duty (const Btsmark__Greeting *greeting, const char *duty)
{
    for (size_t i = 0; i < greeting->n_duties; i++)
        if (strcmp (greeting->duties[i], duty) == 0)
            return true;
    return false;
}

static void
s_look_at_instance_greeting (look_t *self, const Btsmark__Instance *instance,
                             int64_t agent_ahead_ms)
{
    bm_error_t fault = {0};
    bm_translate_fault (instance->fault, &fault);
    bm_findings_error (self->findings,
                       (bm_subject_t){.topic = "sql-server", .server = instance->name}, &fault);
    if (fault.status == BM_OK)
        bm_health_clock (instance->name, "SQL Server",
                         agent_ahead_ms + instance->clock_ahead_us / 1000,
                         self->settings->clock_offset_ms, self->findings);
}

static void
s_look_at_agent (look_t *self, size_t agent)
{
    bm_error_t error = {0};
    const char *name = bm_agents_name (self->agents, agent);
    const Btsmark__Greeting *greeting = bm_agents_greeting (self->agents, agent, &error);
    if (!greeting) {
        bm_findings_error (self->findings, (bm_subject_t){.topic = "agent", .server = name},
                           &error);
        return;
    }
    self->out->reached++;
    if (strcmp (greeting->product_version, BTSMARK_VERSION) != 0)
        bm_findings_add (self->findings, BM_LEVEL_WARNING,
                         (bm_subject_t){.topic = "version", .server = name},
                         "install the same version of btsmark on every host",
                         "the agent on %s is of version %s, this coordinator of %s", name,
                         greeting->product_version, BTSMARK_VERSION);
    if (!s_has_duty (greeting, "backup"))
        bm_findings_fail (self->findings, BM_NO_DUTY,
                          (bm_subject_t){.topic = "duties", .server = name},
                          "add backup to duties in its [allow ...] section for this coordinator",
                          "the agent on %s does not let this coordinator's key take backups", name);
    int64_t ahead_ms = bm_agents_clock_offset_ms (self->agents, agent);
    bm_health_clock (name, "the agent", ahead_ms, self->settings->clock_offset_ms, self->findings);
    for (size_t i = 0; i < greeting->n_instances; i++)
        s_look_at_instance_greeting (self, greeting->instances[i], ahead_ms);
}

static void
s_look_at_agents (look_t *self)
{
    if (!self->agents)
        return;
    bm_agents_greet_all (self->agents, self->settings->connect_timeout_ms);
    for (size_t i = 0; i < bm_agents_count (self->agents); i++)
        s_look_at_agent (self, i);
    self->topology = bm_topology_new (&self->rows, self->agents, self->settings);
    for (size_t i = 0; i < self->topology->place_count; i++) {
        const bm_place_t *place = &self->topology->places[i];
        if (place->instance == BM_NOWHERE)
            bm_findings_error (self->findings,
                               (bm_subject_t){"group", place->server, place->database},
                               &place->fault);
    }
    for (size_t i = 0; i < self->topology->note_count; i++)
        bm_findings_add (self->findings, BM_LEVEL_NOTE, (bm_subject_t){.topic = "group"}, NULL,
                         "%s", self->topology->notes[i]);
}

/* ---- each instance ----------------------------------------------------------------------------------------------- */

static bool
s_ignored (const look_t *self, const char *server, const char *database)
{
    for (size_t i = 0; i < self->settings->ignored_count; i++) {
        const char *ignored = self->settings->ignored_databases[i];
        const char *slash = strrchr (ignored, '/');
        char *host = bm_format ("%.*s", slash ? (int)(slash - ignored) : 0, ignored);
        bool same = bm_names_equal (slash ? slash + 1 : ignored, database) &&
                    (!slash || bm_names_equal (host, server));
        free (host);
        if (same)
            return true;
    }
    return false;
}

static void
s_take_finding (look_t *self, const char *server, const Btsmark__Finding *it)
{
    bm_subject_t about = {it->topic, server, it->database};
    if (strcmp (it->topic, "stray-database") == 0 && s_ignored (self, server, it->database))
        return;
    switch (it->level) {
        case BTSMARK__FINDING_LEVEL__FINDING_FAILURE:
            bm_findings_fail (self->findings, BM_NOT_READY, about, it->remedy, "%s", it->text);
            break;
        case BTSMARK__FINDING_LEVEL__FINDING_WARNING:
            bm_findings_add (self->findings, BM_LEVEL_WARNING, about, it->remedy, "%s", it->text);
            break;
        default:
            bm_findings_add (self->findings,
                             it->level == BTSMARK__FINDING_LEVEL__FINDING_NOTE ? BM_LEVEL_NOTE
                                                                               : BM_LEVEL_OK,
                             about, it->remedy, "%s", it->text);
    }
}

static int64_t
s_patience_ms (const look_t *self)
{
    int64_t usual_ms =
        bm_health_usual_pause_ms (self->standing.health_runs, self->standing.run_count);
    int64_t promised_ms = self->settings->recovery_point_ms;
    int64_t least_ms = promised_ms > LEAST_PATIENCE_MS ? promised_ms : LEAST_PATIENCE_MS;
    return 2 * usual_ms > least_ms ? 2 * usual_ms : least_ms;
}

static void
s_judge_facts (look_t *self, size_t instance, const Btsmark__DatabaseFacts *facts)
{
    const bm_topology_instance_t *at = &self->topology->instances[instance];
    size_t place = bm_topology_find (self->topology, instance, facts->name);
    bool is_sso = place != BM_NOWHERE && self->topology->places[place].is_sso;
    bool online = strcmp (facts->state, "ONLINE") == 0;
    bm_health_database_t database = {.server = at->real_name,
                                     .database = facts->name,
                                     .log_reuse_wait = facts->log_reuse_wait,
                                     .log_bytes = facts->log_bytes,
                                     .log_backup_age_ms = facts->log_backup_age_ms,
                                     .log_patience_ms = s_patience_ms (self),
                                     .has_full = facts->has_full,
                                     .wants_compression =
                                         online && self->settings->compression && !is_sso &&
                                         self->settings->method == BM_METHOD_PROCEDURE,
                                     .takes_compression = facts->has_compression_parameter};
    bm_health_database (&database, self->findings);
}

/*  Databases of one folder share its room. */
static void
s_judge_rooms (look_t *self, const char *server, const Btsmark__Inspected *inspected)
{
    for (size_t i = 0; i < inspected->n_databases; i++) {
        const Btsmark__DatabaseFacts *facts = inspected->databases[i];
        int64_t bytes = 0;
        bool first = *facts->path != '\0';
        for (size_t k = 0; k < inspected->n_databases; k++) {
            if (strcmp (inspected->databases[k]->path, facts->path) != 0)
                continue;
            first = first && k >= i;
            bytes += inspected->databases[k]->last_full_bytes;
        }
        if (first)
            bm_health_room (server, facts->path, facts->free_bytes, bytes, self->findings);
    }
}

/*  What was looked at and found in order stands there, too. */
static void
s_note_good (look_t *self, const char *server)
{
    static const char *const topics[] = {"grants",
                                         "state",
                                         "recovery-model",
                                         "procedures",
                                         "path",
                                         "space",
                                         "old-job",
                                         "stray-database",
                                         "prepared-transactions",
                                         "delayed-durability",
                                         "log-reuse"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (!bm_findings_has (self->findings, topics[i], server))
            bm_findings_add (self->findings, BM_LEVEL_OK,
                             (bm_subject_t){.topic = topics[i], .server = server}, NULL,
                             "looked at on %s, nothing is wrong", server);
}

static void
s_on_inspected (void *argument, size_t agent, const Btsmark__Envelope *answer,
                const bm_error_t *error)
{
    asked_t *asked = argument;
    look_t *self = asked->look;
    const char *server = self->topology->instances[asked->instance].real_name;
    (void)agent;
    self->waiting--;
    if (error->status != BM_OK || answer->body_case != BTSMARK__ENVELOPE__BODY_INSPECTED) {
        bm_error_t other = *error;
        if (error->status == BM_OK)
            bm_fail (&other, BM_PROTOCOL, "INSPECT was answered by another kind of answer");
        bm_findings_error (self->findings, (bm_subject_t){.topic = "agent", .server = server},
                           &other);
        return;
    }
    const Btsmark__Inspected *inspected = answer->inspected;
    bm_error_t fault = {0};
    bm_translate_fault (inspected->fault, &fault);
    bm_findings_error (self->findings, (bm_subject_t){.topic = "sql-server", .server = server},
                       &fault);
    if (fault.status != BM_OK)
        return;
    for (size_t i = 0; i < inspected->n_findings; i++)
        s_take_finding (self, server, inspected->findings[i]);
    for (size_t i = 0; i < inspected->n_databases; i++)
        s_judge_facts (self, asked->instance, inspected->databases[i]);
    s_judge_rooms (self, server, inspected);
    s_note_good (self, server);
}

static void
s_order (look_t *self, size_t number)
{
    const bm_topology_instance_t *instance = &self->topology->instances[number];
    Btsmark__DatabaseTarget *targets = bm_alloc ((instance->count + 1) * sizeof *targets);
    Btsmark__DatabaseTarget **list = bm_alloc ((instance->count + 1) * sizeof (void *));
    Btsmark__Inspect inspect = BTSMARK__INSPECT__INIT;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    for (size_t i = 0; i < instance->count; i++) {
        const bm_place_t *place = &self->topology->places[instance->places[i]];
        btsmark__database_target__init (&targets[i]);
        targets[i].name = place->database;
        targets[i].path = (char *)(uintptr_t)instance->path;
        targets[i].never_compress = place->is_sso;
        list[i] = &targets[i];
        if (bm_names_equal (place->database, self->settings->management_database))
            inspect.management = true;
    }
    inspect.instance = instance->name;
    inspect.set_type = BTSMARK__SET_TYPE__FULL;
    inspect.databases = list;
    inspect.n_databases = instance->count;
    inspect.context = (char *)(uintptr_t) "btsmark check";
    inspect.management_database = (char *)(uintptr_t)self->settings->management_database;
    inspect.method = self->settings->method == BM_METHOD_NATIVE ? BTSMARK__METHOD__NATIVE
                                                                : BTSMARK__METHOD__PROCEDURE;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_INSPECT;
    envelope.inspect = &inspect;
    self->asked[number] = (asked_t){self, number};
    bm_delivery_t how = {.deadline_ms = INSPECT_DEADLINE_MS,
                         .on_answer = s_on_inspected,
                         .argument = &self->asked[number]};
    self->waiting++;
    bm_agents_order (self->agents, instance->agent, &envelope, &how);
    free (list);
    free (targets);
}

static void
s_look_at_instances (look_t *self)
{
    if (!self->topology)
        return;
    self->out->instances = self->topology->instance_count;
    self->asked = bm_alloc ((self->topology->instance_count + 1) * sizeof *self->asked);
    for (size_t i = 0; i < self->topology->instance_count; i++)
        if (bm_agents_greeting (self->agents, self->topology->instances[i].agent, NULL))
            s_order (self, i);
    while (self->waiting)
        bm_agents_wait (self->agents, 1000, -1);
}

/* ---- the past ---------------------------------------------------------------------------------------------------- */

/*  A set that is kept by hand takes room until somebody lets it go. */
static void
s_tell_retained (look_t *self)
{
    for (size_t i = 0; i < self->standing.retained_count; i++) {
        const bm_retained_row_t *it = &self->standing.retained[i];
        char until[BM_CLOCK_TEXT_BYTES];
        bool for_ever = it->until_us < 0;
        if (for_ever || it->until_us > self->standing.now_us)
            bm_findings_add (self->findings, BM_LEVEL_NOTE, (bm_subject_t){.topic = "retained"},
                             NULL, "set %lld is retained%s%.10s: %s", (long long)it->set_id,
                             for_ever ? "" : " until ",
                             for_ever ? "" : bm_clock_rfc3339 (it->until_us, until),
                             it->reason ? it->reason : "no reason was given");
    }
}

static void
s_look_at_past (look_t *self)
{
    bm_error_t error = {0};
    const bm_subject_t about = {.topic = "catalogue"};
    bm_health_t health;
    bm_standing_read (self->settings, &self->standing, &error);
    bm_findings_error (self->findings, about, &error);
    if (error.status != BM_OK)
        return;
    bm_standing_health (&self->standing, self->settings, &health);
    bm_health_group (&health, self->findings);
    s_tell_retained (self);
    bm_standing_chains (self->settings, self->findings, &error);
    bm_findings_error (self->findings, about, &error);
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

static void
s_note_good_agents (look_t *self)
{
    static const char *const topics[] = {"agent",      "version", "duties",     "clock",
                                         "sql-server", "group",   "management", "chain"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (!bm_findings_has (self->findings, topics[i], NULL))
            bm_findings_add (self->findings, BM_LEVEL_OK, (bm_subject_t){.topic = topics[i]}, NULL,
                             "nothing is wrong");
}

void
bm_inspection_run (const char *config, bm_inspection_t *self)
{
    bm_error_t error = {0};
    *self = (bm_inspection_t){0};
    look_t look = {.out = self, .findings = &self->findings};
    if (!s_open_settings (&look, config))
        return;
    self->agents = look.settings->agent_count;
    bool sql = bm_sql_init (&error) == BM_OK;
    bm_findings_error (look.findings, (bm_subject_t){.topic = "management"}, &error);
    s_look_at_past (&look);
    if (sql)
        s_look_at_management (&look);
    s_open_agents (&look);
    s_look_at_agents (&look);
    s_look_at_instances (&look);
    s_note_good_agents (&look);
    bm_findings_sort (look.findings);
    bm_agents_destroy (&look.agents);
    bm_topology_destroy (&look.topology);
    bm_group_rows_clear (&look.rows);
    bm_standing_clear (&look.standing);
    bm_key_destroy (&look.key);
    free (look.asked);
    if (sql)
        bm_sql_exit ();
}

void
bm_inspection_clear (bm_inspection_t *self)
{
    bm_findings_clear (&self->findings);
    bm_settings_destroy (&self->settings);
}

int
bm_inspection_exit_code (const bm_inspection_t *self)
{
    bm_status_t status = bm_findings_status (&self->findings);
    if (status == BM_WARNINGS && !(self->settings && self->settings->exit_on_warnings))
        status = BM_OK;
    return bm_status_exit_code (status);
}
