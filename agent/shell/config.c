#include "agent/shell/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/path.h"
#include "common/limits.h"
#include "common/names.h"
#include "common/sql_access.h"

const char *
bm_duty_name (bm_duty_t duty)
{
    switch (duty) {
        case BM_DUTY_STATUS:
            return "status";
        case BM_DUTY_BACKUP:
            return "backup";
        case BM_DUTY_RESTORE:
            return "restore";
    }
    return "unknown";
}

const char *
bm_files_kind_name (bm_files_kind_t kind)
{
    switch (kind) {
        case BM_FILES_LOCAL:
            return "local";
        case BM_FILES_UNC:
            return "unc";
        case BM_FILES_SQL:
            return "sql";
    }
    return "unknown";
}

static bm_status_t
s_fail_at (const bm_agent_config_t *self, int section, bm_error_t *error, const char *what)
{
    const char *name = bm_config_section_name (self->file, (size_t)section);
    return bm_fail (error, BM_CONFIG, "%s:%d: [%s%s%s] %s", bm_config_path (self->file),
                    bm_config_section_line (self->file, (size_t)section),
                    bm_config_section_kind (self->file, (size_t)section), *name ? " " : "", name,
                    what);
}

/*  Names stand in program names of SQL sessions and in logs. */
static bool
s_name_ok (const char *name)
{
    if (!*name || strlen (name) > 128)
        return false;
    for (; *name; name++)
        if (!isalnum ((unsigned char)*name) && !strchr ("_-.$\\,:", *name))
            return false;
    return true;
}

static bm_status_t
s_read_agent (bm_agent_config_t *self, int section, bm_error_t *error)
{
    const char *key_file;
    int64_t parallel = 0;
    bm_config_t *file = self->file;
    if (bm_config_need_text (file, section, "name", &self->name, error) != BM_OK ||
        bm_config_text (file, section, "bind", "tcp://*:5610", &self->bind, error) != BM_OK ||
        bm_config_file (file, section, "key-file", NULL, &key_file, error) != BM_OK ||
        bm_config_int (file, section, "parallel-per-host", 2, 1, BM_LIMIT_PARALLEL, &parallel,
                       error) != BM_OK ||
        bm_config_duration (file, section, "heartbeat", 2000, 1000, 100, 60000, &self->heartbeat_ms,
                            error) != BM_OK ||
        bm_config_duration (file, section, "stop-deadline", 20000, 1000, 1000, 600000,
                            &self->stop_deadline_ms, error) != BM_OK)
        return error->status;
    self->parallel_per_host = (int)parallel;
    if (!s_name_ok (self->name))
        return s_fail_at (self, section, error, "name may hold letters, digits and _-.$ only");
    if (!key_file)
        return s_fail_at (self, section, error,
                          "key-file is missing; make one with: btsmark keygen FILE");
    self->key = bm_key_load (key_file, error);
    return self->key ? BM_OK : error->status;
}

static bm_status_t
s_read_allow (bm_agent_config_t *self, int section, bm_error_t *error)
{
    bm_allow_t *allow = &self->allow[self->allow_count];
    const char *key;
    const char *const *duties;
    size_t count = 0;
    allow->name = bm_config_section_name (self->file, (size_t)section);
    if (bm_config_need_text (self->file, section, "public-key", &key, error) != BM_OK ||
        bm_config_list (self->file, section, "duties", &duties, &count, error) != BM_OK)
        return error->status;
    if (!bm_key_public_valid (key))
        return s_fail_at (
            self, section, error,
            "public-key is not a public key: 40 characters, as btsmark keygen prints them");
    if (bm_agent_config_find_key (self, key) >= 0)
        return s_fail_at (self, section, error,
                          "has the same public-key as another [allow] section");
    memcpy (allow->public_key, key, BM_KEY_TEXT_BYTES);
    for (size_t i = 0; i < count; i++) {
        unsigned before = allow->duties;
        for (unsigned duty = BM_DUTY_STATUS; duty <= BM_DUTY_RESTORE; duty <<= 1)
            if (strcmp (duties[i], bm_duty_name ((bm_duty_t)duty)) == 0)
                allow->duties |= duty;
        if (allow->duties == before)
            return s_fail_at (self, section, error,
                              "duties: each of status, backup, restore at most once");
    }
    if (allow->duties == 0)
        return s_fail_at (self, section, error, "needs duties = status, backup");
    self->allow_count++;
    return BM_OK;
}

static bm_status_t
s_allow_path (bm_instance_config_t *instance, const char *path, bm_error_t *error)
{
    char *clean = bm_path_normalise (path, error);
    if (!clean)
        return error->status;
    for (size_t i = 0; i < instance->allowed_count; i++)
        if (strcmp (instance->allowed_paths[i], clean) == 0) {
            free (clean);
            return BM_OK;
        }
    instance->allowed_paths =
        bm_realloc (instance->allowed_paths, (instance->allowed_count + 1) * sizeof (char *));
    instance->allowed_paths[instance->allowed_count++] = clean;
    return BM_OK;
}

/*  ---- files = local | unc:MOUNT | unc:FOLDER => MOUNT, ... | sql ---- */

static void
s_add_mount (bm_instance_config_t *instance, char *folder, char *mount)
{
    instance->mounts =
        bm_realloc (instance->mounts, (instance->mount_count + 1) * sizeof *instance->mounts);
    instance->mounts[instance->mount_count++] = (bm_mount_t){.folder = folder, .mount = mount};
}

/*  "FOLDER => MOUNT", or a MOUNT alone, which is the backup-path's. */
static bm_status_t
s_read_mount (bm_instance_config_t *instance, const char *text, bm_error_t *error)
{
    const char *arrow = strstr (text, "=>");
    const char *to = arrow ? arrow + 2 : text;
    to += strspn (to, " \t");
    size_t length = arrow ? (size_t)(arrow - text) : 0;
    while (length > 0 && isspace ((unsigned char)text[length - 1]))
        length--;
    char *from = arrow ? bm_format ("%.*s", (int)length, text) : bm_strdup (instance->backup_path);
    char *folder = bm_path_normalise (from, error);
    char *mount = folder ? bm_path_normalise (to, error) : NULL;
    free (from);
    if (mount && !bm_path_is_windows (mount) && !bm_path_is_url (mount) &&
        !bm_path_is_url (folder)) {
        s_add_mount (instance, folder, mount);
        return BM_OK;
    }
    if (mount)
        bm_fail (error, BM_CONFIG, "%s is no folder of this host", mount);
    free (folder);
    free (mount);
    return error->status;
}

static bm_status_t
s_read_mounts (bm_agent_config_t *self, bm_instance_config_t *instance, int section,
               bm_error_t *error)
{
    const char *const *items;
    size_t count = 0;
    char text[640];
    if (bm_config_list (self->file, section, "files", &items, &count, error) != BM_OK)
        return error->status;
    for (size_t i = 0; i < count; i++) {
        const char *item = i == 0 ? items[i] + strlen ("unc:") : items[i];
        if (s_read_mount (instance, item + strspn (item, " \t"), error) == BM_OK)
            continue;
        snprintf (text, sizeof text,
                  "files: \"%.120s\" should be unc:MOUNT (where this host has backup-path mounted) "
                  "or unc:FOLDER => MOUNT, FOLDER => MOUNT: %.300s",
                  items[i], error->text);
        return s_fail_at (self, section, error, text);
    }
    for (size_t i = 0; i < instance->allowed_count; i++) {
        bool mounted = false;
        for (size_t k = 0; k < instance->mount_count; k++)
            mounted |= bm_path_within (instance->allowed_paths[i], instance->mounts[k].folder);
        if (mounted)
            continue;
        snprintf (text, sizeof text,
                  "files does not say where this host has %.250s mounted: add %.250s => MOUNT",
                  instance->allowed_paths[i], instance->allowed_paths[i]);
        return s_fail_at (self, section, error, text);
    }
    return BM_OK;
}

/*  SQL Server cannot write text into a file, so a manifest needs a folder of the agent's own. */
static bm_status_t
s_read_manifest_path (bm_agent_config_t *self, bm_instance_config_t *instance, int section,
                      bm_error_t *error)
{
    const char *path;
    bm_error_t why = {0};
    if (bm_config_file (self->file, section, "manifest-path", NULL, &path, error) != BM_OK)
        return error->status;
    if (!path != (instance->files != BM_FILES_SQL))
        return s_fail_at (self, section, error,
                          path ? "manifest-path goes with files = sql alone: else manifests lie "
                                 "beside the backups"
                               : "files = sql needs manifest-path: a folder of this host, for the "
                                 "manifests of the sets");
    instance->manifest_path = path ? bm_path_normalise (path, &why) : bm_strdup ("");
    if (instance->manifest_path)
        return BM_OK;
    char text[512];
    snprintf (text, sizeof text, "manifest-path: %.400s", why.text);
    return s_fail_at (self, section, error, text);
}

static bm_status_t
s_read_files (bm_agent_config_t *self, bm_instance_config_t *instance, int section,
              bm_error_t *error)
{
    const char *files, *unseen = NULL;
    for (size_t i = 0; i < instance->allowed_count && !unseen; i++)
        if (bm_path_is_windows (instance->allowed_paths[i]) ||
            bm_path_is_url (instance->allowed_paths[i]))
            unseen = instance->allowed_paths[i];
    if (bm_config_text (self->file, section, "files", unseen ? "sql" : "local", &files, error) !=
        BM_OK)
        return error->status;
    if (strcmp (files, "remote") == 0)
        return s_fail_at (self, section, error,
                          "files = remote is now files = sql (with manifest-path = FOLDER), or "
                          "files = unc:MOUNT when this host has the backup folder mounted");
    if (strncmp (files, "unc:", 4) == 0) {
        instance->files = BM_FILES_UNC;
        if (s_read_mounts (self, instance, section, error) != BM_OK)
            return error->status;
    } else if (strcmp (files, "sql") == 0)
        instance->files = BM_FILES_SQL;
    else if (strcmp (files, "local") != 0)
        return s_fail_at (self, section, error, "files is local, unc:MOUNT or sql");
    else if (unseen) {
        char text[512];
        snprintf (text, sizeof text,
                  "files = local, but %.300s is no folder of this host: take sql or unc:MOUNT",
                  unseen);
        return s_fail_at (self, section, error, text);
    }
    return s_read_manifest_path (self, instance, section, error);
}

static bm_status_t
s_read_paths (bm_agent_config_t *self, bm_instance_config_t *instance, int section,
              bm_error_t *error)
{
    const char *backup_path;
    const char *const *allowed;
    size_t count = 0;
    bm_config_t *file = self->file;
    if (bm_config_text (file, section, "backup-path", "", &backup_path, error) != BM_OK ||
        bm_config_list (file, section, "allowed-paths", &allowed, &count, error) != BM_OK)
        return error->status;
    bm_status_t status = BM_OK;
    if (*backup_path) {
        status = s_allow_path (instance, backup_path, error);
        instance->backup_path = bm_strdup (status == BM_OK ? instance->allowed_paths[0] : "");
    } else
        instance->backup_path = bm_strdup ("");
    for (size_t i = 0; i < count && status == BM_OK; i++)
        status = s_allow_path (instance, allowed[i], error);
    if (status != BM_OK) {
        char text[512];
        snprintf (text, sizeof text, "backup-path or allowed-paths: %.400s", error->text);
        return s_fail_at (self, section, error, text);
    }
    if (instance->allowed_count == 0)
        return s_fail_at (self, section, error,
                          "needs backup-path or allowed-paths: the folders that backups may go to");
    return s_read_files (self, instance, section, error);
}

/*  "sql01.example.com,1433" is one name as SQL Server's tools write it, so a bare number belongs to the name before it. */
static bm_status_t
s_read_aliases (bm_agent_config_t *self, bm_instance_config_t *instance, int section,
                bm_error_t *error)
{
    const char *const *items;
    size_t count = 0;
    if (bm_config_list (self->file, section, "aliases", &items, &count, error) != BM_OK)
        return error->status;
    instance->aliases = bm_alloc ((count + 1) * sizeof *instance->aliases);
    for (size_t i = 0; i < count; i++) {
        bool port = items[i][strspn (items[i], "0123456789")] == 0;
        if (port && instance->alias_count == 0)
            return s_fail_at (self, section, error, "aliases: a port without a name before it");
        if (!port) {
            instance->aliases[instance->alias_count++] = bm_strdup (items[i]);
            continue;
        }
        char **last = &instance->aliases[instance->alias_count - 1];
        char *whole = bm_format ("%s,%s", *last, items[i]);
        free (*last);
        *last = whole;
    }
    return BM_OK;
}

static bm_status_t
s_read_instance (bm_agent_config_t *self, int section, bm_error_t *error)
{
    bm_instance_config_t *instance = &self->instances[self->instance_count++];
    const char *password_file;
    bm_config_t *file = self->file;
    instance->name = bm_config_section_name (file, (size_t)section);
    if (!s_name_ok (instance->name))
        return s_fail_at (self, section, error,
                          "needs a name of letters, digits and _-.$\\ after the word instance");
    for (size_t i = 0; i + 1 < self->instance_count; i++)
        if (bm_names_equal (self->instances[i].name, instance->name))
            return s_fail_at (self, section, error, "stands twice (case does not matter)");
    if (bm_config_need_text (file, section, "server", &instance->server, error) != BM_OK ||
        bm_sql_access_read (file, section, instance->server, &instance->access, &instance->login,
                            &password_file, error) != BM_OK ||
        s_read_aliases (self, instance, section, error) != BM_OK)
        return error->status;
    if (password_file && !(instance->password = bm_secret_from_file (password_file, error)))
        return error->status;
    return s_read_paths (self, instance, section, error);
}

static bm_status_t
s_read_sections (bm_agent_config_t *self, bm_error_t *error)
{
    size_t sections = bm_config_sections (self->file);
    self->allow = bm_alloc ((sections + 1) * sizeof *self->allow);
    self->instances = bm_alloc ((sections + 1) * sizeof *self->instances);
    for (size_t i = 0; i < sections; i++) {
        const char *kind = bm_config_section_kind (self->file, i);
        bm_status_t status = BM_OK;
        if (strcmp (kind, "allow") == 0)
            status = s_read_allow (self, (int)i, error);
        else if (strcmp (kind, "instance") == 0)
            status = s_read_instance (self, (int)i, error);
        if (status != BM_OK)
            return status;
    }
    const char *path = bm_config_path (self->file);
    if (self->allow_count == 0)
        return bm_fail (error, BM_CONFIG,
                        "%s: no [allow NAME] section: nobody could give this agent an order", path);
    if (self->instance_count == 0)
        return bm_fail (error, BM_CONFIG, "%s: no [instance NAME] section: no SQL Server to serve",
                        path);
    if (self->allow_count > BM_LIMIT_ALLOWED_KEYS)
        return bm_fail (error, BM_LIMIT, "%s: more than %d [allow] sections", path,
                        BM_LIMIT_ALLOWED_KEYS);
    if (self->instance_count > BM_LIMIT_AGENT_INSTANCES)
        return bm_fail (error, BM_LIMIT, "%s: more than %d [instance] sections", path,
                        BM_LIMIT_AGENT_INSTANCES);
    return BM_OK;
}

static bm_status_t
s_load (bm_agent_config_t *self, bm_error_t *error)
{
    int section = bm_config_find (self->file, "agent", "");
    if (section < 0)
        return bm_fail (error, BM_CONFIG, "%s: there is no [agent] section",
                        bm_config_path (self->file));
    bm_status_t status = s_read_agent (self, section, error);
    if (status == BM_OK)
        status = s_read_sections (self, error);
    return status == BM_OK ? bm_config_finish (self->file, error) : status;
}

bm_agent_config_t *
bm_agent_config_load (const char *path, bm_error_t *error)
{
    bm_agent_config_t *self = bm_alloc (sizeof *self);
    self->file = bm_config_load (path, error);
    if (!self->file || s_load (self, error) != BM_OK)
        bm_agent_config_destroy (&self);
    return self;
}

void
bm_agent_config_destroy (bm_agent_config_t **self_p)
{
    bm_agent_config_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->instance_count; i++) {
        bm_instance_config_t *instance = &self->instances[i];
        bm_secret_destroy (&instance->password);
        for (size_t k = 0; k < instance->allowed_count; k++)
            free (instance->allowed_paths[k]);
        free (instance->allowed_paths);
        free (instance->backup_path);
        for (size_t k = 0; k < instance->mount_count; k++) {
            free (instance->mounts[k].folder);
            free (instance->mounts[k].mount);
        }
        free (instance->mounts);
        free (instance->manifest_path);
        for (size_t k = 0; k < instance->alias_count; k++)
            free (instance->aliases[k]);
        free (instance->aliases);
    }
    bm_key_destroy (&self->key);
    free (self->instances);
    free (self->allow);
    bm_config_destroy (&self->file);
    free (self);
    *self_p = NULL;
}

int
bm_agent_config_find_key (const bm_agent_config_t *self, const char *public_key)
{
    for (size_t i = 0; i < self->allow_count; i++)
        if (strcmp (self->allow[i].public_key, public_key) == 0)
            return (int)i;
    return -1;
}
