/*  tests/unit/coordinator/fake_group.h
 *  A group on two scripted agents, SQL01 and SQL02, with a real journal: what the driver, the backups and the settling need
 *  around them. No management database: the lock always holds.
 */
#ifndef BM_FAKE_GROUP_H
#define BM_FAKE_GROUP_H

#include <unistd.h>

#include "common/log.h"
#include "coordinator/shell/work.h"
#include "tests/unit/coordinator/fake_agent.h"

enum { FAKE_AGENTS = 2 };

typedef struct fake_group {
    char folder[64], key_file[96], catalogue_file[96];
    bm_key_t *key;
    bm_settings_t *settings;
    fake_agent_t fakes[FAKE_AGENTS];
    bm_work_t work;
    bm_error_t errors[FAKE_AGENTS];
} fake_group_t;

/*  Makes the folder, key and catalogue; the agents get this script and their argument. */
static inline void
fake_group_new (fake_group_t *self, fake_script_fn *script, void *first, void *second)
{
    memset (self, 0, sizeof *self);
    snprintf (self->folder, sizeof self->folder, "/tmp/btsmark-test-group-XXXXXX");
    bm_require (mkdtemp (self->folder) != NULL);
    snprintf (self->key_file, sizeof self->key_file, "%s/key", self->folder);
    snprintf (self->catalogue_file, sizeof self->catalogue_file, "%s/catalogue.db", self->folder);
    char public_text[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    bm_require (bm_key_generate (self->key_file, "test", public_text, &error) == BM_OK);
    self->key = bm_key_load (self->key_file, &error);
    for (int i = 0; i < FAKE_AGENTS; i++)
        self->fakes[i] = (fake_agent_t){.script = script,
                                        .argument = i == 0 ? first : second,
                                        .name = i == 0 ? "SQL01" : "SQL02"};
    bm_work_t *work = &self->work;
    work->report = bm_report_new ("test");
    work->catalogue = bm_catalogue_open (self->catalogue_file, "test", &error);
    bm_require (work->catalogue != NULL);
    bm_require (bm_catalogue_run_open (work->catalogue, "test", &work->run, &error) == BM_OK);
    work->context = "btsmark run 1";
}

/*  Starts the agents, greets them, lays the rows over them. `extra` goes into the settings. */
static inline void
fake_group_start (fake_group_t *self, const char *extra, const bm_group_rows_t *rows)
{
    bm_error_t error = {0};
    bm_work_t *work = &self->work;
    for (int i = 0; i < FAKE_AGENTS; i++)
        fake_agent_start (&self->fakes[i]);
    char *text = bm_format (
        "[group]\nname = test\nmanagement-server = sql01:1433\nlogin = x\npassword-file = y\n"
        "[coordinator]\nkey-file = k\nheartbeat = 200 ms\nagent-timeout = 1 s\n%s"
        "[agent SQL01]\naddress = %s\nserver-key = %s\n[agent SQL02]\naddress = %s\nserver-key = "
        "%s\n",
        extra, self->fakes[0].address, self->fakes[0].public_key, self->fakes[1].address,
        self->fakes[1].public_key);
    work->settings = self->settings = bm_settings_parse ("test.ini", text, &error);
    if (!self->settings)
        fprintf (stderr, "%s\n", error.text);
    bm_require (self->settings != NULL);
    free (text);
    bm_agents_options_t options = {.key = self->key,
                                   .group = "test",
                                   .epoch = work->run,
                                   .connect_ms = 1500,
                                   .heartbeat_ms = 200,
                                   .resend_ms = 50};
    work->agents = bm_agents_new (&options, &error);
    for (size_t i = 0; i < FAKE_AGENTS; i++)
        bm_require (bm_agents_add (work->agents, self->settings->agents[i].name,
                                   self->settings->agents[i].address,
                                   self->settings->agents[i].server_key, &error) == BM_OK);
    bm_agents_greet_all (work->agents, FAKE_DEADLINE_MS);
    work->topology = bm_topology_new (rows, work->agents, self->settings);
}

static inline void
fake_group_stop_agents (fake_group_t *self)
{
    for (int i = 0; i < FAKE_AGENTS; i++)
        fake_agent_stop (&self->fakes[i]);
}

/*  False when the folder holds something that nobody should have left there. */
static inline bool
fake_group_destroy (fake_group_t *self)
{
    bm_work_t *work = &self->work;
    fake_group_stop_agents (self);
    bm_agents_destroy (&work->agents);
    bm_topology_destroy (&work->topology);
    bm_report_destroy (&work->report);
    bm_catalogue_close (&work->catalogue);
    bm_settings_destroy (&self->settings);
    bm_key_destroy (&self->key);
    static const char *const files[] = {"key", "key.pub", "catalogue.db", "catalogue.db-wal",
                                        "catalogue.db-shm"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = bm_format ("%s/%s", self->folder, files[i]);
        unlink (path);
        free (path);
    }
    return rmdir (self->folder) == 0;
}

/*  The greeting of an agent that serves one instance, of its own name. */
static inline void
fake_group_greet (fake_agent_t *self, Btsmark__Greeting *greeting, Btsmark__Instance *instance,
                  Btsmark__Envelope *answer)
{
    static _Thread_local Btsmark__Instance *list[1];
    fake_greeting (self, greeting, answer);
    btsmark__instance__init (instance);
    instance->name = (char *)self->name;
    instance->real_name = (char *)self->name;
    list[0] = instance;
    greeting->instances = list;
    greeting->n_instances = 1;
}

#endif
