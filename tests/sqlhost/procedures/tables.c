/*  Functions that are called in FROM. */
#include <errno.h>
#include <fnmatch.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "builtins.h"
#include "files.h"

void
sh_send_rows (sh_session_t *session, sh_rowset_t **rows_p)
{
    sh_out_rowset (session, *rows_p);
    sh_out_done (session, SH_COMMAND_SELECT, true, (int64_t)(*rows_p)->row_count);
    sh_rowset_destroy (rows_p);
}

/*  ---- sys.dm_os_file_exists ---- */

static void
s_define_file_exists (sh_rowset_t *rows)
{
    sh_view_fields (rows, "file_exists:i,file_is_a_directory:i,parent_directory_exists:i");
}

static sh_status_t
s_fill_file_exists (sh_session_t *session, const char *const *args, sh_rowset_t *rows)
{
    sh_look_t look = sh_look_at (session, args[0]);
    sh_value_t *row = sh_rowset_add_row (rows);
    row[0] = sh_value_int (look.exists);
    row[1] = sh_value_int (look.folder);
    row[2] = sh_value_int (look.parent);
    return SH_OK;
}

/*  ---- sys.dm_os_enumerate_filesystem (folder, pattern) ---- */

static void
s_define_filesystem (sh_rowset_t *rows)
{
    sh_view_fields (rows, "full_filesystem_path:N,parent_directory:N,file_or_directory_name:N,"
                          "level:i,is_directory:b,is_read_only:b,is_system:b,is_hidden:b,"
                          "has_integrity_stream:b,is_temporary:b,is_sparse:b,creation_time:d,"
                          "last_access_time:d,last_write_time:d,size_in_bytes:I");
}

static sh_value_t
s_stamp (const struct timespec *at)
{
    static const sh_civil_t epoch = {.year = 1970, .month = 1, .day = 1};
    int64_t utc = sh_ticks_from_civil (&epoch) + (int64_t)at->tv_sec * SH_TICKS_PER_SECOND +
                  at->tv_nsec / 1000000 * SH_TICKS_PER_MS;
    return sh_value_ticks (sh_ticks_to_datetime (sh_ticks_utc_to_local (utc)));
}

static void
s_file_row (const sh_session_t *session, sh_rowset_t *rows, const char *folder, const char *name,
            const struct stat *info, int level)
{
    sh_value_t *v = sh_rowset_add_row (rows);
    char *local = sh_printf ("%s/%s", folder, name);
    char *whole = sh_path_shown (session->instance, local);
    char *parent = sh_path_shown (session->instance, folder);
    sh_cell_text (&v[0], whole);
    sh_cell_text (&v[1], parent);
    sh_cell_text (&v[2], name);
    v[3] = sh_value_int (level);
    v[4] = sh_value_int (S_ISDIR (info->st_mode));
    v[5] = sh_value_int ((info->st_mode & S_IWUSR) == 0);
    v[6] = v[8] = v[9] = v[10] = sh_value_int (0);
    v[7] = sh_value_int (name[0] == '.');
    v[11] = s_stamp (&info->st_ctim);
    v[12] = s_stamp (&info->st_atim);
    v[13] = s_stamp (&info->st_mtim);
    v[14] = sh_value_int (S_ISDIR (info->st_mode) ? 0 : (int64_t)info->st_size);
    free (parent);
    free (whole);
    free (local);
}

static void
s_walk_files (const sh_session_t *session, sh_rowset_t *rows, const char *folder,
              const char *pattern, int level)
{
    struct dirent **names = NULL;
    int count = scandir (folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        struct stat info;
        char *local = sh_printf ("%s/%s", folder, name);
        if (strcmp (name, ".") != 0 && strcmp (name, "..") != 0 && lstat (local, &info) == 0) {
            if (fnmatch (pattern, name, FNM_CASEFOLD) == 0)
                s_file_row (session, rows, folder, name, &info, level);
            if (S_ISDIR (info.st_mode))
                s_walk_files (session, rows, local, pattern, level + 1);
        }
        free (local);
        free (names[i]);
    }
    free (names);
}

static sh_status_t
s_fill_filesystem (sh_session_t *session, const char *const *args, sh_rowset_t *rows)
{
    if (!args[0])
        return SH_OK;
    char *local = sh_path_local (session->instance, args[0]);
    size_t end = strlen (local);
    while (end > 1 && local[end - 1] == '/')
        local[--end] = 0;
    s_walk_files (session, rows, local, args[1] ? args[1] : "*", 0);
    free (local);
    return SH_OK;
}

/*  ---- volumes ---- */

sh_volume_t
sh_volume_of (const sh_session_t *session, const char *folder)
{
    sh_volume_t volume = {.total = 0};
    struct statvfs room;
    if (statvfs (folder, &room) == 0) {
        volume.total = (int64_t)(room.f_blocks * room.f_frsize);
        volume.available = (int64_t)(room.f_bavail * room.f_frsize);
        volume.read_only = (room.f_flag & ST_RDONLY) != 0;
    }
    int64_t told = sh_fault_get (session->instance, SH_FAULT_DISK_FREE);
    if (told > 0)
        volume.available = told;
    return volume;
}

void
sh_define_dm_os_enumerate_fixed_drives (sh_rowset_t *rows)
{
    sh_view_fields (rows, "fixed_drive_path:n,drive_type:i,drive_type_desc:n,"
                          "free_space_in_bytes:I");
}

static void
s_drive_row (const sh_session_t *session, sh_rowset_t *rows, const char *path, const char *folder)
{
    sh_value_t *v = sh_rowset_add_row (rows);
    sh_cell_text (&v[0], path);
    v[1] = sh_value_int (3);
    sh_cell_text (&v[2], "DRIVE_FIXED");
    v[3] = sh_value_int (sh_volume_of (session, folder).available);
}

void
sh_fill_dm_os_enumerate_fixed_drives (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    const char *folder = NULL;
    (void)db_id;
    if (!sh_path_windows (session->instance))
        s_drive_row (session, rows, "/", "/");
    for (char letter = 'A'; (letter = sh_path_drive (session->instance, letter, &folder)) != 0;
         letter++) {
        char path[4] = {letter, ':', '\\', 0};
        s_drive_row (session, rows, path, folder);
    }
}

/*  "sys.dm_os_volume_stats (Transact-SQL)": on Linux what names the volume is NULL. */
static void
s_define_volume_stats (sh_rowset_t *rows)
{
    sh_view_fields (rows, "database_id:i,file_id:i,volume_mount_point:n,volume_id:n,"
                          "logical_volume_name:n,file_system_type:n,total_bytes:I,"
                          "available_bytes:I,supports_compression:t,supports_alternate_streams:t,"
                          "supports_sparse_files:t,is_read_only:t,is_compressed:t,"
                          "incurs_seek_penalty:t");
}

static void
s_volume_row (const sh_session_t *session, sh_rowset_t *rows, const sh_db_info_t *db, bool log)
{
    const char *file = log ? db->log_file : db->data_file;
    sh_volume_t volume = sh_volume_of (session, sh_instance_directory (session->instance));
    sh_value_t *v = sh_rowset_add_row (rows);
    v[0] = sh_value_int (db->id);
    v[1] = sh_value_int (log ? 2 : 1);
    if (file[0] && file[1] == ':') {
        char mount[4] = {file[0], ':', '\\', 0};
        sh_cell_text (&v[2], mount);
        sh_cell_text (&v[4], "");
        sh_cell_text (&v[5], "NTFS");
        v[8] = v[9] = v[10] = sh_value_int (1);
        v[12] = sh_value_int (0);
    }
    v[6] = sh_value_int (volume.total);
    v[7] = sh_value_int (volume.available);
    v[11] = sh_value_int (volume.read_only);
}

/*  Without arguments: of all files. */
static sh_status_t
s_fill_volume_stats (sh_session_t *session, const char *const *args, sh_rowset_t *rows)
{
    sh_db_info_t *list = NULL;
    size_t count = sh_db_list (session->instance, &list);
    for (size_t i = 0; i < count * 2; i++) {
        const sh_db_info_t *db = &list[i / 2];
        bool log = i % 2;
        if (!args || (args[0] && args[1] && strtol (args[0], NULL, 10) == db->id &&
                      strtol (args[1], NULL, 10) == (log ? 2 : 1)))
            s_volume_row (session, rows, db, log);
    }
    free (list);
    return SH_OK;
}

/*  ---- STRING_SPLIT ---- */

static void
s_define_split (sh_rowset_t *rows)
{
    sh_view_fields (rows, "value:N");
}

static sh_status_t
s_fill_split (sh_session_t *session, const char *const *args, sh_rowset_t *rows)
{
    const char *text = args[0], *separator = args[1];
    size_t width = separator ? strlen (separator) : 0;
    (void)session;
    while (text && width) {
        const char *end = strstr (text, separator);
        size_t size = end ? (size_t)(end - text) : strlen (text);
        sh_rowset_add_row (rows)[0] = sh_value_own (text, size);
        text = end ? end + width : NULL;
    }
    return SH_OK;
}

const sh_table_function_t sh_table_functions[] = {
    {"sys", "dm_os_file_exists", 1, false, s_define_file_exists, s_fill_file_exists,
     "VIEW SERVER STATE"},
    {"sys", "dm_os_enumerate_filesystem", 2, false, s_define_filesystem, s_fill_filesystem,
     "VIEW SERVER STATE"},
    {"sys", "dm_os_volume_stats", 2, true, s_define_volume_stats, s_fill_volume_stats,
     "VIEW SERVER STATE"},
    {"sys", "fn_my_permissions", 2, false, sh_define_my_permissions, sh_fill_my_permissions, NULL},
    {NULL, "fn_my_permissions", 2, false, sh_define_my_permissions, sh_fill_my_permissions, NULL},
    {NULL, "STRING_SPLIT", 2, false, s_define_split, s_fill_split, NULL},
    {NULL, NULL, 0, false, NULL, NULL, NULL}};
