#include "agent/shell/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/shell/path.h"
#include "common/names.h"

#define S_QUERY_MS 30000

/*  ---- which path is whose ---- */

/*  The longest allowed path that holds the file below it, or NULL. */
static const char *
s_root (const bm_instance_config_t *instance, const char *file)
{
    const char *root = NULL;
    for (size_t i = 0; i < instance->allowed_count; i++) {
        const char *one = instance->allowed_paths[i];
        if (bm_path_within (file, one) && *bm_path_below (file, one) &&
            (!root || strlen (one) > strlen (root)))
            root = one;
    }
    return root;
}

static bool
s_is_manifest (const char *file)
{
    size_t size = strlen (file);
    return size > 13 && strcmp (file + size - 13, ".btsmark.json") == 0;
}

/*  Without any folder. */
static const char *
s_name (const char *file)
{
    const char *slash = strrchr (file, bm_path_is_windows (file) ? '\\' : '/');
    return slash ? slash + 1 : file;
}

/*  Manifests lie beside the backups, but where only SQL Server sees those. */
static bool
s_in_manifest_path (const bm_instance_config_t *instance, const char *file)
{
    return instance->files == BM_FILES_SQL && s_is_manifest (file);
}

char *
bm_files_allowed (const bm_instance_config_t *instance, const char *file, bm_error_t *error)
{
    char *clean = bm_path_normalise (file, error);
    if (!clean)
        return NULL;
    if (s_root (instance, clean))
        return clean;
    if (s_in_manifest_path (instance, clean) && bm_path_within (clean, instance->manifest_path))
        return clean;
    bm_fail (error, BM_PATH_NOT_ALLOWED, "[instance %s] does not allow %s", instance->name, clean);
    bm_error_remedy (error,
                     "add its folder to allowed-paths in [instance %s] of the agent's "
                     "configuration",
                     instance->name);
    free (clean);
    return NULL;
}

/*  The agent's own path of what lies in `mount`. */
static char *
s_through (const bm_mount_t *mount, const char *path)
{
    const char *below = bm_path_below (path, mount->folder);
    char *here = *below ? bm_names_join_path (mount->mount, below) : bm_strdup (mount->mount);
    if (bm_path_is_windows (path))
        for (char *c = here; *c; c++)
            if (*c == '\\')
                *c = '/';
    return here;
}

static const bm_mount_t *
s_mount (const bm_instance_config_t *instance, const char *path)
{
    const bm_mount_t *best = NULL;
    for (size_t i = 0; i < instance->mount_count; i++) {
        const bm_mount_t *one = &instance->mounts[i];
        if (bm_path_within (path, one->folder) &&
            (!best || strlen (one->folder) > strlen (best->folder)))
            best = one;
    }
    return best;
}

char *
bm_files_here (const bm_instance_config_t *instance, const char *path, bm_error_t *error)
{
    if (s_in_manifest_path (instance, path))
        return bm_names_join_path (instance->manifest_path, s_name (path));
    const bm_mount_t *mount = s_mount (instance, path);
    if (mount)
        return s_through (mount, path);
    if (instance->files == BM_FILES_LOCAL && !bm_path_is_windows (path) && !bm_path_is_url (path))
        return bm_strdup (path);
    bm_fail (error, BM_IO, "[instance %s] has files = %s: the agent itself does not see %s",
             instance->name, bm_files_kind_name (instance->files), path);
    return NULL;
}

char *
bm_files_manifest_folder (const bm_instance_config_t *instance, const char *folder,
                          bm_error_t *error)
{
    if (instance->files == BM_FILES_SQL)
        return bm_strdup (instance->manifest_path);
    return bm_files_here (instance, folder, error);
}

/*  ---- files that the agent sees ---- */

/*  The folder of the file, opened from its root down so that no symbolic link below the root is followed; -1 with errno.
 *  *name_p points into `below`; NULL when it is the root that cannot be opened: then nothing is known of the file. */
static int
s_open_parent (const char *root, char *below, char **name_p)
{
    int folder = open (root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *rest = below, *slash;
    *name_p = NULL;
    if (folder < 0)
        return -1;
    while (folder >= 0 && (slash = strchr (rest, '/'))) {
        *slash = 0;
        int next = openat (folder, rest, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int failed = errno;
        close (folder);
        errno = failed;
        folder = next;
        rest = slash + 1;
    }
    *name_p = rest;
    return folder;
}

/*  The root as the agent sees it, and what lies below it. */
static bm_status_t
s_split_here (const bm_instance_config_t *instance, const char *file, char **root_p, char **below_p,
              bm_error_t *error)
{
    const char *root = s_root (instance, file);
    if (s_in_manifest_path (instance, file)) {
        *root_p = bm_strdup (instance->manifest_path);
        *below_p = bm_strdup (s_name (file));
        return BM_OK;
    }
    if (!root)
        return bm_fail (error, BM_PATH_NOT_ALLOWED, "[instance %s] does not allow %s",
                        instance->name, file);
    *root_p = bm_files_here (instance, root, error);
    if (!*root_p)
        return error->status;
    *below_p = bm_strdup (bm_path_below (file, root));
    if (bm_path_is_windows (file))
        for (char *c = *below_p; *c; c++)
            if (*c == '\\')
                *c = '/';
    return BM_OK;
}

static bm_status_t
s_no_plain_file (const char *file, const char *what, bm_error_t *error)
{
    bm_fail (error, BM_PATH_NOT_ALLOWED, "%s: %s", file, what);
    bm_error_remedy (error, "name the real folder in allowed-paths, or look at who put it there");
    return BM_PATH_NOT_ALLOWED;
}

static bm_status_t
s_errno (const char *file, int failed, bm_error_t *error)
{
    if (failed == ELOOP || failed == ENOTDIR)
        return s_no_plain_file (file, "a symbolic link or a file stands where a folder should be",
                                error);
    return bm_fail (error, BM_IO, "%s: %s", file, strerror (failed));
}

/*  Looks at the file, and removes it when told to, both in the folder that was opened. */
static bm_status_t
s_touch_here (const bm_files_t *self, const char *file, bool remove, bm_file_facts_t *facts,
              bm_error_t *error)
{
    char *root = NULL, *below = NULL, *name = NULL;
    struct stat seen;
    *facts = (bm_file_facts_t){.exists = false, .bytes = -1};
    if (s_split_here (self->instance, file, &root, &below, error) != BM_OK)
        return error->status;
    int folder = s_open_parent (root, below, &name), failed = 0;
    if (folder < 0 || fstatat (folder, name, &seen, AT_SYMLINK_NOFOLLOW) != 0)
        failed = errno;
    bm_status_t status = BM_OK;
    if (failed && !name)
        status =
            bm_fail (error, BM_IO, "%s cannot be looked at: %s: %s", file, root, strerror (failed));
    else if (failed && failed != ENOENT)
        status = s_errno (file, failed, error);
    else if (!failed && !S_ISREG (seen.st_mode))
        status = s_no_plain_file (
            file, S_ISLNK (seen.st_mode) ? "it is a symbolic link" : "it is no file", error);
    else if (!failed) {
        *facts = (bm_file_facts_t){.exists = true, .bytes = (int64_t)seen.st_size};
        if (remove && unlinkat (folder, name, 0) != 0 && errno != ENOENT)
            status = s_errno (file, errno, error);
    }
    if (folder >= 0)
        close (folder);
    free (root);
    free (below);
    return status;
}

/*  ---- files that SQL Server sees ---- */

static bm_status_t
s_query (const bm_files_t *self, const char *batch, const char *file, bm_sql_result_t **result_p,
         bm_error_t *error)
{
    if (!self->sql) {
        *error = *self->error;
        return error->status;
    }
    bm_sql_query_t *query = bm_sql_query_new (batch);
    if (file)
        bm_sql_query_text (query, "@file", file);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_status_t status = bm_sql_run (self->sql, query, result_p, error);
    bm_sql_query_destroy (&query);
    return status;
}

/*  Two ways to ask: sys.dm_os_file_exists came with SQL Server 2017, xp_fileexist is older than all that we meet. */
static bm_status_t
s_ask_exists (const bm_files_t *self, const char *file, bool *exists, bool *folder,
              bm_error_t *error)
{
    static const struct {
        const char *batch, *exists, *folder;
    } ways[] = {{"SELECT file_exists, file_is_a_directory FROM sys.dm_os_file_exists (@file);",
                 "file_exists", "file_is_a_directory"},
                {"EXEC master.dbo.xp_fileexist @file;", "File Exists", "File is a Directory"}};
    bm_status_t status = BM_SQL_FAILED;
    for (size_t i = 0; i < 2 && status == BM_SQL_FAILED; i++) {
        bm_sql_result_t *result = NULL;
        memset (error, 0, sizeof *error);
        status = s_query (self, ways[i].batch, file, &result, error);
        int set = result ? bm_sql_result_find (result, (const char *[]){ways[i].exists, NULL}) : -1;
        if (status == BM_OK && (set < 0 || bm_sql_result_rows (result, set) != 1))
            status =
                bm_fail (error, BM_SQL_FAILED, "SQL Server does not say whether %s exists", file);
        if (status == BM_OK) {
            *exists = bm_sql_result_int (result, set, 0, ways[i].exists, 0) != 0;
            *folder = bm_sql_result_int (result, set, 0, ways[i].folder, 0) != 0;
        }
        bm_sql_result_destroy (&result);
    }
    return status;
}

static bm_status_t
s_look_by_sql (const bm_files_t *self, const char *file, bm_file_facts_t *facts, bm_error_t *error)
{
    bool exists = false, folder = false;
    *facts = (bm_file_facts_t){.exists = false, .bytes = -1};
    if (bm_path_is_url (file))
        return bm_fail (error, BM_IO, "%s: SQL Server does not tell whether a URL is there", file);
    if (s_ask_exists (self, file, &exists, &folder, error) != BM_OK)
        return bm_error_wrap (error, "%s cannot be looked at", file);
    if (folder)
        return s_no_plain_file (file, "it is a folder", error);
    facts->exists = exists;
    return BM_OK;
}

static bool
s_seen_here (const bm_instance_config_t *instance, const char *file)
{
    return instance->files != BM_FILES_SQL || s_in_manifest_path (instance, file);
}

/*  A share that is not mounted looks like an empty folder. So a file that seems to be missing there is asked for in SQL
 *  Server too, as far as it can be asked. */
static bm_status_t
s_check_missing (const bm_files_t *self, const char *file, bm_error_t *error)
{
    bool exists = false, folder = false;
    bm_error_t ignored = {0};
    if (self->instance->files != BM_FILES_UNC || !self->sql ||
        s_ask_exists (self, file, &exists, &folder, &ignored) != BM_OK || !exists)
        return BM_OK;
    char *here = bm_files_here (self->instance, file, &ignored);
    bm_fail (error, BM_IO, "SQL Server sees %s, but there is no %s here", file, here ? here : "?");
    bm_error_remedy (error,
                     "mount the share, or correct files = unc:... in [instance %s] of the "
                     "agent's configuration",
                     self->instance->name);
    free (here);
    return BM_IO;
}

bm_status_t
bm_files_look (const bm_files_t *self, const char *file, bm_file_facts_t *facts, bm_error_t *error)
{
    if (!s_seen_here (self->instance, file))
        return s_look_by_sql (self, file, facts, error);
    bm_status_t status = s_touch_here (self, file, false, facts, error);
    return status == BM_OK && !facts->exists ? s_check_missing (self, file, error) : status;
}

/*  What xp_delete_file said counts for nothing: the file is there or it is not. It looks into a file before it deletes it,
 *  so what is no whole backup (one that broke off) stays. Needs sysadmin. */
static bm_status_t
s_remove_by_sql (const bm_files_t *self, const char *file, bool *was_gone, bm_error_t *error)
{
    bm_file_facts_t facts;
    bm_error_t cause = {0};
    if (s_look_by_sql (self, file, &facts, error) != BM_OK)
        return error->status;
    *was_gone = !facts.exists;
    if (!facts.exists)
        return BM_OK;
    s_query (self, "EXEC master.dbo.xp_delete_file 0, @file;", file, NULL, &cause);
    if (s_look_by_sql (self, file, &facts, error) != BM_OK)
        return error->status;
    if (!facts.exists)
        return BM_OK;
    bm_fail (error, BM_IO, "SQL Server did not delete %s%s%.300s", file, *cause.text ? ": " : "",
             cause.text);
    bm_error_remedy (error, "xp_delete_file wants a login that is sysadmin, and takes whole "
                            "backups only; or let the agent delete: files = unc:MOUNT");
    return BM_IO;
}

bm_status_t
bm_files_remove (const bm_files_t *self, const char *file, bool *was_gone, int64_t *bytes,
                 bm_error_t *error)
{
    bm_file_facts_t facts;
    *bytes = -1;
    if (!s_seen_here (self->instance, file))
        return s_remove_by_sql (self, file, was_gone, error);
    bm_status_t status = s_touch_here (self, file, true, &facts, error);
    *was_gone = !facts.exists;
    *bytes = facts.bytes;
    return status == BM_OK && !facts.exists ? s_check_missing (self, file, error) : status;
}

/*  ---- folders ---- */

/*  Writes and syncs one byte: a folder that can be listed is not yet one that can be written. */
static int
s_make_file (const char *file)
{
    int fd = open (file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    int failed = write (fd, "b", 1) == 1 && fsync (fd) == 0 ? 0 : errno;
    close (fd);
    return failed;
}

static bm_status_t
s_cannot_write (const bm_files_t *self, const char *folder, const char *here, int failed,
                bm_error_t *error)
{
    if (self->instance->files == BM_FILES_UNC)
        bm_fail (error, BM_NOT_READY, "the agent cannot write to %s, where it sees %s: %s", here,
                 folder, strerror (failed));
    else
        bm_fail (error, BM_NOT_READY, "the agent cannot write to %s: %s", here, strerror (failed));
    bm_error_remedy (error, "make the folder and let the agent's and SQL Server's service accounts "
                            "write there, or correct backup-path");
    return BM_NOT_READY;
}

/*  A mount of something else than the folder that SQL Server writes to would be noticed when the backups are needed. */
static bm_status_t
s_same_folder (const bm_files_t *self, const char *folder, const char *here, const char *name,
               bm_error_t *error)
{
    bool exists = false, is_folder = false;
    bm_error_t ignored = {0};
    if (self->instance->files != BM_FILES_UNC || !self->sql)
        return BM_OK;
    char *file = bm_names_join_path (folder, name);
    bm_status_t status = s_ask_exists (self, file, &exists, &is_folder, &ignored);
    free (file);
    if (status != BM_OK || exists)
        return BM_OK; /* not every login may ask */
    bm_fail (error, BM_NOT_READY,
             "%s is not the folder that SQL Server calls %s: a file that the "
             "agent made there is not seen by SQL Server",
             here, folder);
    bm_error_remedy (error,
                     "mount the right share, or correct files = unc:... in [instance %s] of "
                     "the agent's configuration",
                     self->instance->name);
    return BM_NOT_READY;
}

static bm_status_t
s_probe_here (const bm_files_t *self, const char *folder, bool look_only, int64_t *free_bytes,
              bm_error_t *error)
{
    char *here = bm_files_here (self->instance, folder, error);
    if (!here)
        return error->status;
    struct statvfs room;
    if (statvfs (here, &room) == 0)
        *free_bytes = (int64_t)(room.f_bavail * room.f_frsize);
    bm_status_t status = BM_OK;
    if (look_only) {
        if (access (here, W_OK | X_OK) != 0)
            status = s_cannot_write (self, folder, here, errno, error);
        free (here);
        return status;
    }
    char *name =
        bm_format (".btsmark-probe-%ld-%lx", (long)getpid (), (unsigned long)pthread_self ());
    char *file = bm_names_join_path (here, name);
    int failed = s_make_file (file);
    if (!failed)
        status = s_same_folder (self, folder, here, name, error);
    if (failed != EEXIST && unlink (file) != 0 && !failed)
        failed = errno;
    if (failed)
        status = s_cannot_write (self, folder, here, failed, error);
    free (file);
    free (name);
    free (here);
    return status;
}

/*  Room as SQL Server sees it: volumes that hold database files (mounted folders are among them), then all drives. The
 *  longest one that the folder lies in counts; a share is in none. */
static int64_t
s_room_by_sql (const bm_files_t *self, const char *folder)
{
    static const char *const batches[] = {
        "SELECT DISTINCT v.volume_mount_point AS bm_volume, v.available_bytes AS bm_free"
        " FROM sys.master_files f CROSS APPLY sys.dm_os_volume_stats (f.database_id, f.file_id) v;",
        "SELECT fixed_drive_path AS bm_volume, free_space_in_bytes AS bm_free"
        " FROM sys.dm_os_enumerate_fixed_drives;"};
    int64_t room = -1;
    size_t longest = 0;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        bm_sql_result_t *result = NULL;
        bm_error_t ignored = {0};
        s_query (self, batches[i], NULL, &result, &ignored);
        int set = result ? bm_sql_result_find (result, (const char *[]){"bm_volume", NULL}) : -1;
        for (size_t row = 0; set >= 0 && row < bm_sql_result_rows (result, set); row++) {
            const char *text = bm_sql_result_text (result, set, row, "bm_volume");
            char *volume = text ? bm_path_normalise (text, &ignored) : NULL;
            if (volume && bm_path_within (folder, volume) && strlen (volume) > longest) {
                longest = strlen (volume);
                room = bm_sql_result_int (result, set, row, "bm_free", -1);
            }
            free (volume);
        }
        bm_sql_result_destroy (&result);
    }
    return room;
}

/*  xp_fixeddrives: drive letters and MB, for what is older than SQL Server 2017. */
static int64_t
s_room_by_drive (const bm_files_t *self, const char *folder)
{
    bm_sql_result_t *result = NULL;
    bm_error_t ignored = {0};
    int64_t room = -1;
    if (!bm_path_is_windows (folder) || folder[0] == '\\')
        return -1;
    s_query (self, "EXEC master.dbo.xp_fixeddrives;", NULL, &result, &ignored);
    int set = result ? bm_sql_result_find (result, (const char *[]){"drive", "MB free", NULL}) : -1;
    for (size_t row = 0; set >= 0 && row < bm_sql_result_rows (result, set); row++) {
        const char *drive = bm_sql_result_text (result, set, row, "drive");
        if (drive && strncasecmp (drive, folder, 1) == 0)
            room = bm_sql_result_int (result, set, row, "MB free", -1) * 1024 * 1024;
    }
    bm_sql_result_destroy (&result);
    return room;
}

/*  A manifest that cannot be written is no reason to leave a backup out; whoever checks beforehand wants to know. */
static bm_status_t
s_look_at_manifest_path (const bm_files_t *self, bm_error_t *error)
{
    const char *folder = self->instance->manifest_path;
    if (access (folder, W_OK | X_OK) == 0)
        return BM_OK;
    bm_fail (error, BM_NOT_READY, "the agent cannot write manifests to %s: %s", folder,
             strerror (errno));
    bm_error_remedy (error, "make the folder and let the agent's service account write there, or "
                            "correct manifest-path");
    return BM_NOT_READY;
}

static bm_status_t
s_probe_by_sql (const bm_files_t *self, const char *folder, bool look_only, int64_t *free_bytes,
                bm_error_t *error)
{
    bool exists = false, is_folder = false;
    bm_error_t ignored = {0};
    if (look_only && s_look_at_manifest_path (self, error) != BM_OK)
        return error->status;
    if (!self->sql || bm_path_is_url (folder))
        return BM_OK; /* that SQL Server cannot be asked is said elsewhere */
    *free_bytes = s_room_by_sql (self, folder);
    if (*free_bytes < 0)
        *free_bytes = s_room_by_drive (self, folder);
    if (s_ask_exists (self, folder, &exists, &is_folder, &ignored) != BM_OK || is_folder)
        return BM_OK;
    bm_fail (error, BM_NOT_READY, "SQL Server sees no folder %s", folder);
    bm_error_remedy (error, "make the folder and let SQL Server's service account write there, or "
                            "correct backup-path");
    return BM_NOT_READY;
}

bm_status_t
bm_files_probe_folder (const bm_files_t *self, const char *folder, bool look_only,
                       int64_t *free_bytes, bm_error_t *error)
{
    *free_bytes = -1;
    return self->instance->files == BM_FILES_SQL
               ? s_probe_by_sql (self, folder, look_only, free_bytes, error)
               : s_probe_here (self, folder, look_only, free_bytes, error);
}
