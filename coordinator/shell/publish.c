/*  coordinator/shell/publish.c */
#include "coordinator/shell/publish.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/names.h"
#include "coordinator/shell/history.h"
#include "coordinator/shell/manifest.h"
#include "coordinator/shell/translate.h"

/*  A manifest is as large as the group and goes to every host: so much of it is on its way at a time, however many hosts there
 *  are. */
enum { PART_BYTES = BM_LIMIT_WIRE_BYTES / 2, WINDOW_BYTES = PART_BYTES, WRITE_DEADLINE_MS = 30000 };

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static size_t
s_instance_by_name (const bm_topology_t *topology, const char *real_name)
{
    for (size_t i = 0; real_name && i < topology->instance_count; i++)
        if (bm_names_equal (topology->instances[i].real_name, real_name))
            return i;
    return BM_NOWHERE;
}

/*  The device as a destination reads it. Caller frees. */
static char *
s_published (const bm_work_t *work, const bm_backup_t *backup)
{
    size_t instance = s_instance_by_name (work->topology, backup->instance);
    int agent = -1;
    if (instance != BM_NOWHERE)
        agent = bm_settings_agent (
            work->settings,
            bm_agents_name (work->agents, work->topology->instances[instance].agent));
    return agent < 0 ? bm_strdup (backup->device)
                     : bm_settings_publish (work->settings, agent, backup->device);
}

bm_status_t
bm_publish_row (bm_work_t *work, const bm_backup_t *backup, const char *history_time,
                bm_error_t *error)
{
    char *device = s_published (work, backup);
    bm_history_entry_t entry = {.set_id = backup->set_id,
                                .type = backup->type,
                                .mark = backup->mark,
                                .server = backup->server,
                                .database = backup->database,
                                .device = device,
                                .time = history_time};
    bm_status_t status = bm_history_insert (work->management, &entry, error);
    if (status == BM_OK)
        status = bm_catalogue_backup_recorded (work->catalogue, backup->uuid, error);
    free (device);
    return status;
}

/* ---- manifest ---------------------------------------------------------------------------------------------------- */

static bm_manifest_t *
s_manifest (bm_work_t *work, const bm_set_row_t *row, const bm_backups_t *backups)
{
    bm_manifest_t *manifest = bm_manifest_new ();
    manifest->group = bm_strdup (work->settings->group);
    manifest->product_version = bm_strdup (BTSMARK_VERSION);
    manifest->run = row->run;
    manifest->set_id = row->set_id;
    manifest->type = row->type;
    manifest->sequence = bm_strdup (row->sequence);
    manifest->mark = bm_strdup (row->mark);
    manifest->has_outcome = row->has_outcome;
    manifest->outcome = row->outcome;
    manifest->complete = row->complete;
    manifest->began_us = row->began_us;
    manifest->ended_us = row->ended_us;
    manifest->window_us = row->window_us;
    manifest->fence_ms = row->fence_ms;
    manifest->group_databases = row->databases;
    for (size_t i = 0; i < backups->count; i++) {
        const bm_backup_t *backup = &backups->items[i];
        bm_backup_t full = {0};
        bool found = false;
        bm_error_t error = {0};
        if (backup->type == BM_SET_LOG &&
            bm_catalogue_chain_start (work->catalogue, backup, &full, &found, &error) != BM_OK)
            bm_log_warning ("%s", error.text);
        char *published = s_published (work, backup);
        bm_manifest_add (manifest, backup, found ? &full : NULL, published);
        free (published);
        bm_backup_clear (&full);
    }
    return manifest;
}

/*  One file to be written by an instance's agent. */
typedef struct target {
    bm_work_t *work;
    size_t instance;
    char *folder; /* "" = the agent's own */
    uint32_t waiting;
    bool failed;
    char *file;
    uint64_t *operations;
    uint32_t parts;
} target_t;

static void
s_on_written (void *argument, size_t agent, const Btsmark__Envelope *answer,
              const bm_error_t *error)
{
    target_t *target = argument;
    bm_error_t why = *error;
    target->waiting--;
    if (why.status == BM_OK && answer->body_case != BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN)
        bm_fail (&why, BM_PROTOCOL, "WRITE_MANIFEST was answered by another kind of answer");
    else if (why.status == BM_OK && !answer->manifest_written->ok)
        bm_translate_fault (answer->manifest_written->fault, &why);
    if (why.status != BM_OK && !target->failed) {
        target->failed = true;
        bm_report_warn (target->work->report, "the manifest was not written by agent %s: %s",
                        bm_agents_name (target->work->agents, agent), why.text);
    } else if (why.status == BM_OK && answer->manifest_written->file[0]) {
        free (target->file);
        target->file = bm_strdup (answer->manifest_written->file);
    }
}

static void
s_send (target_t *target, const char *file_name, const char *text, size_t size,
        const uint8_t digest[BM_DIGEST_BYTES])
{
    const bm_topology_instance_t *instance = &target->work->topology->instances[target->instance];
    target->parts = (uint32_t)((size + PART_BYTES - 1) / PART_BYTES);
    target->operations = bm_alloc ((target->parts + 1) * sizeof *target->operations);
    for (uint32_t part = 0; part < target->parts; part++) {
        size_t from = (size_t)part * PART_BYTES;
        Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
        Btsmark__WriteManifest write = BTSMARK__WRITE_MANIFEST__INIT;
        write.instance = instance->name;
        write.path = target->folder;
        write.file_name = (char *)file_name;
        write.part = part;
        write.parts = target->parts;
        write.content.data = (uint8_t *)text + from;
        write.content.len = size - from < PART_BYTES ? size - from : PART_BYTES;
        write.sha256.data = (uint8_t *)digest;
        write.sha256.len = BM_DIGEST_BYTES;
        envelope.body_case = BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST;
        envelope.write_manifest = &write;
        bm_delivery_t how = {
            .deadline_ms = WRITE_DEADLINE_MS, .on_answer = s_on_written, .argument = target};
        target->waiting++;
        target->operations[part] =
            bm_agents_order (target->work->agents, instance->agent, &envelope, &how);
    }
}

/*  The folder that an instance's backups of this set stand in; "" when it has none. Caller frees. */
static char *
s_folder (const bm_topology_instance_t *instance, const bm_backups_t *backups)
{
    for (size_t i = 0; i < backups->count; i++) {
        char *folder = NULL, *file = NULL;
        if (backups->items[i].device && backups->items[i].instance &&
            bm_names_equal (backups->items[i].instance, instance->real_name) &&
            bm_history_split (backups->items[i].device, &folder, &file, NULL) == BM_OK) {
            free (file);
            return folder;
        }
    }
    return bm_strdup (instance->path);
}

/*  One target for each agent and folder: instances that share a folder share the file. `only` is per instance, NULL = all. */
static target_t *
s_targets (bm_work_t *work, const bm_backups_t *backups, const bool *only, size_t *count)
{
    const bm_topology_t *topology = work->topology;
    target_t *targets = bm_alloc ((topology->instance_count + 1) * sizeof *targets);
    *count = 0;
    for (size_t i = 0; i < topology->instance_count; i++) {
        const bm_topology_instance_t *instance = &topology->instances[i];
        if ((only && !only[i]) || !bm_agents_greeting (work->agents, instance->agent, NULL))
            continue;
        char *folder = s_folder (instance, backups);
        bool known = false;
        for (size_t k = 0; folder[0] && k < *count; k++)
            known |= topology->instances[targets[k].instance].agent == instance->agent &&
                     strcmp (targets[k].folder, folder) == 0;
        if (known)
            free (folder);
        else
            targets[(*count)++] = (target_t){.work = work, .instance = i, .folder = folder};
    }
    return targets;
}

/*  Waits until at most so many parts are on their way; each has its own deadline. */
static void
s_wait (bm_work_t *work, const target_t *targets, size_t count, size_t at_most)
{
    for (;;) {
        size_t waiting = 0;
        for (size_t i = 0; i < count; i++)
            waiting += targets[i].waiting;
        if (waiting <= at_most)
            return;
        bm_work_wait (work, 1000);
        bm_work_probe (work, false);
    }
}

/*  A manifest that was written serves every instance of that agent whose folder it is. */
static void
s_note_written (const target_t *target, int64_t set_id, const bm_backups_t *backups,
                const char *hex)
{
    bm_work_t *work = target->work;
    const bm_topology_t *topology = work->topology;
    for (size_t i = 0; i < topology->instance_count; i++) {
        bm_error_t error = {0};
        if (topology->instances[i].agent != topology->instances[target->instance].agent)
            continue;
        char *folder = s_folder (&topology->instances[i], backups);
        if ((i == target->instance || (folder[0] && strcmp (folder, target->folder) == 0)) &&
            bm_catalogue_manifest_put (work->catalogue, set_id, topology->instances[i].real_name,
                                       target->file, hex, &error) != BM_OK)
            bm_report_fail (work->report, &error);
        free (folder);
    }
}

static void
s_write_all (bm_work_t *work, int64_t set_id, const bm_backups_t *backups, const char *file_name,
             const char *text, size_t size, bool *only)
{
    uint8_t digest[BM_DIGEST_BYTES];
    bm_digest_sha256 (text, size, digest);
    char hex[BM_DIGEST_TEXT_BYTES];
    bm_digest_text (digest, hex);
    size_t count;
    target_t *targets = s_targets (work, backups, only, &count);
    size_t window = WINDOW_BYTES / (size < PART_BYTES ? size + 1 : PART_BYTES);
    for (size_t i = 0; i < count; i++) {
        s_wait (work, targets, i, window - 1);
        s_send (&targets[i], file_name, text, size, digest);
    }
    s_wait (work, targets, count, 0);
    for (size_t i = 0; i < count; i++) {
        if (!targets[i].failed && targets[i].file)
            s_note_written (&targets[i], set_id, backups, hex);
        if (only)
            only[targets[i].instance] = !targets[i].failed;
        free (targets[i].folder);
        free (targets[i].file);
        free (targets[i].operations);
    }
    free (targets);
}

/*  `only`, when it is not NULL, names the instances to write to, and is false afterwards where that failed. */
static void
s_publish (bm_work_t *work, int64_t set_id, bool *only)
{
    bm_error_t error = {0};
    bm_set_row_t *row = NULL;
    bm_backups_t backups = {0};
    if (bm_catalogue_set (work->catalogue, set_id, &row, &error) != BM_OK ||
        bm_catalogue_set_backups (work->catalogue, set_id, &backups, &error) != BM_OK)
        bm_report_warn (work->report, "the manifest of set %lld was not written: %s",
                        (long long)set_id, error.text);
    if (error.status == BM_OK && row) {
        bm_manifest_t *manifest = s_manifest (work, row, &backups);
        char *name = bm_manifest_file_name (manifest);
        char *text = NULL;
        size_t size = 0;
        char sha256[BM_MANIFEST_SHA256_BYTES];
        if (bm_manifest_build (manifest, &text, &size, sha256, &error) == BM_OK)
            s_write_all (work, set_id, &backups, name, text, size, only);
        else
            bm_report_warn (work->report, "the manifest of set %lld was not written: %s",
                            (long long)set_id, error.text);
        free (text);
        free (name);
        bm_manifest_destroy (&manifest);
    }
    bm_backups_clear (&backups);
    bm_set_rows_destroy (&row, row ? 1 : 0);
}

void
bm_publish_manifest (bm_work_t *work, int64_t set_id)
{
    s_publish (work, set_id, NULL);
}

void
bm_publish_owed (bm_work_t *work)
{
    bm_error_t error = {0};
    bm_owed_manifest_t *owed = NULL;
    size_t owed_count = 0, count = work->topology->instance_count;
    /*  An instance that does not take one is not asked again by this run. */
    bool *failed = bm_alloc ((count + 1) * sizeof *failed);
    bool *only = bm_alloc ((count + 1) * sizeof *only);
    if (bm_catalogue_manifests_owed (work->catalogue, work->run, &owed, &owed_count, &error) !=
        BM_OK)
        bm_report_warn (work->report, "%s", error.text);
    for (size_t i = 0; i < owed_count && !bm_stop_requested (work->stop);) {
        int64_t set_id = owed[i].set_id;
        bool any = false;
        memset (only, 0, count * sizeof *only);
        for (; i < owed_count && owed[i].set_id == set_id; i++) {
            size_t instance = s_instance_by_name (work->topology, owed[i].instance);
            if (instance != BM_NOWHERE && !failed[instance])
                any = only[instance] = true;
        }
        if (!any)
            continue;
        bool *asked = bm_alloc ((count + 1) * sizeof *asked);
        memcpy (asked, only, count * sizeof *asked);
        s_publish (work, set_id, only);
        for (size_t k = 0; k < count; k++)
            failed[k] |= asked[k] && !only[k];
        free (asked);
    }
    bm_owed_manifests_destroy (&owed, owed_count);
    free (failed);
    free (only);
}
