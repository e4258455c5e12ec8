/*  Files and drives as SQL Server's procedures show them. The xp_ procedures on files are not
 *  documented by Microsoft; what is built here is what they were seen to do:
 *
 *      xp_delete_file   codykonior.com, "Experiments with master.sys.xp_delete_file", and
 *                       blog.netnerds.net, "When xp_delete_file doesn't work as expected": it reads
 *                       a file's header and passes over what is no whole backup; the time that
 *                       counts is that of the last write, and a file of exactly that time stays; one
 *                       level of folders below
 *      xp_dirtree       path, depth (0 = all), files too (1) */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "builtins.h"
#include "files.h"

/*  ---- looking ---- */

sh_look_t
sh_look_at (const sh_session_t *session, const char *path)
{
    sh_look_t look = {.exists = false};
    struct stat info;
    char *local = path ? sh_path_local (session->instance, path) : NULL;
    bool there = local && stat (local, &info) == 0;
    look.folder = there && S_ISDIR (info.st_mode);
    look.exists = there && !look.folder;
    char *slash = local ? strrchr (local, '/') : NULL;
    if (slash && slash != local)
        *slash = 0;
    look.parent = slash && stat (local, &info) == 0 && S_ISDIR (info.st_mode);
    free (local);
    return look;
}

/*  xp_fileexist path [, @exists OUTPUT]. Who is no sysadmin is told that there is nothing. */
sh_status_t
sh_proc_fileexist (sh_session_t *session, sh_call_t *call)
{
    char *path = sh_call_text (session, call, "@filename", 0);
    sh_look_t look = {.exists = false};
    if (session->sysadmin)
        look = sh_look_at (session, path);
    if (call->count > 1)
        sh_call_output (call, "@exists", 1, sh_value_int (look.exists), sh_type_of (SH_TYPE_INT));
    else {
        sh_rowset_t *rows = sh_rowset_new ();
        sh_type_t bit = sh_type_of (SH_TYPE_BIT);
        sh_rowset_add_field (rows, "File Exists", bit, false);
        sh_rowset_add_field (rows, "File is a Directory", bit, false);
        sh_rowset_add_field (rows, "Parent Directory Exists", bit, false);
        sh_value_t *row = sh_rowset_add_row (rows);
        row[0] = sh_value_int (look.exists);
        row[1] = sh_value_int (look.folder);
        row[2] = sh_value_int (look.parent);
        sh_send_rows (session, &rows);
    }
    free (path);
    return SH_OK;
}

/*  "xp_x() returned error 2, 'The system cannot find the file specified.'" */
static sh_status_t
s_failed (sh_session_t *session, int number, const char *procedure, const char *local, int os)
{
    char text[256];
    sh_os_error_of (local, os, text, sizeof text);
    char *words = strchr (text, '(');
    size_t end = strlen (text);
    if (words && text[end - 1] == ')')
        text[end - 1] = 0;
    if (words)
        *words++ = 0;
    return sh_error_set (session, number, 16, 1, "%s() returned error %s, '%s'", procedure, text,
                         words ? words : "");
}

/*  ---- folders ---- */

sh_status_t
sh_proc_create_subdir (sh_session_t *session, sh_call_t *call)
{
    char *path = sh_call_text (session, call, "@path", 0);
    char *real = path ? sh_path_local (session->instance, path) : NULL;
    sh_status_t status = SH_OK;
    struct stat info;
    for (char *slash = real ? real + 1 : NULL; slash && (slash = strchr (slash, '/')); slash++) {
        *slash = 0;
        mkdir (real, 0755);
        *slash = '/';
    }
    if (!real)
        status = sh_error_set (session, 22048, 16, 1,
                               "Error executing extended stored procedure: Invalid Parameter");
    else if (mkdir (real, 0755) != 0) {
        int failed = errno;
        if (stat (real, &info) != 0 || !S_ISDIR (info.st_mode))
            status = s_failed (session, 22048, "xp_create_subdir", real, failed);
    }
    free (real);
    free (path);
    return status;
}

typedef struct {
    sh_rowset_t *rows;
    int depth; /* how deep; 0 = all */
    bool files;
} s_tree_t;

/*  Names in order, folders' contents behind them. */
static void
s_walk_tree (const s_tree_t *tree, const char *folder, int level)
{
    struct dirent **names = NULL;
    int count = scandir (folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        struct stat info;
        char *whole = sh_printf ("%s/%s", folder, name);
        if (strcmp (name, ".") != 0 && strcmp (name, "..") != 0 && stat (whole, &info) == 0) {
            bool inner = S_ISDIR (info.st_mode);
            if (inner || tree->files) {
                sh_value_t *row = sh_rowset_add_row (tree->rows);
                row[0] = sh_value_own (name, strlen (name));
                row[1] = sh_value_int (level);
                if (tree->files)
                    row[2] = sh_value_int (!inner);
            }
            if (inner && (tree->depth == 0 || level < tree->depth))
                s_walk_tree (tree, whole, level + 1);
        }
        free (whole);
        free (names[i]);
    }
    free (names);
}

static int64_t
s_number (sh_session_t *session, const sh_call_t *call, const char *name, size_t position)
{
    sh_value_t value;
    if (!sh_call_argument (session, call, name, position, sh_type_of (SH_TYPE_INT), &value))
        return 0;
    return value.as.integer;
}

/*  xp_dirtree path, depth, files. A folder that is not there has no rows. */
sh_status_t
sh_proc_dirtree (sh_session_t *session, sh_call_t *call)
{
    char *path = sh_call_text (session, call, "@directory", 0);
    sh_rowset_t *rows = sh_rowset_new ();
    s_tree_t tree = {.rows = rows,
                     .depth = (int)s_number (session, call, "@depth", 1),
                     .files = s_number (session, call, "@file", 2) != 0};
    sh_rowset_add_field (rows, "subdirectory", sh_type_nvarchar (512), true);
    sh_rowset_add_field (rows, "depth", sh_type_of (SH_TYPE_INT), true);
    if (tree.files)
        sh_rowset_add_field (rows, "file", sh_type_of (SH_TYPE_INT), true);
    if (path && session->sysadmin) {
        char *local = sh_path_local (session->instance, path);
        s_walk_tree (&tree, local, 1);
        free (local);
    }
    sh_send_rows (session, &rows);
    free (path);
    return SH_OK;
}

/*  ---- drives ---- */

/*  xp_fixeddrives: a letter and whole megabytes; on Linux the one root is C. */
sh_status_t
sh_proc_fixeddrives (sh_session_t *session, sh_call_t *call)
{
    (void)call;
    sh_rowset_t *rows = sh_rowset_new ();
    sh_rowset_add_field (rows, "drive", sh_type_make (SH_TYPE_CHAR, 1), true);
    sh_rowset_add_field (rows, "MB free", sh_type_of (SH_TYPE_INT), true);
    const char *folder = "/";
    char letter = 'C';
    if (sh_path_windows (session->instance))
        letter = sh_path_drive (session->instance, 'A', &folder);
    while (letter) {
        sh_value_t *row = sh_rowset_add_row (rows);
        sh_cell_text (&row[0], (const char[2]){letter});
        row[1] = sh_value_int (sh_volume_of (session, folder).available / (1024 * 1024));
        letter = sh_path_windows (session->instance)
                     ? sh_path_drive (session->instance, (char)(letter + 1), &folder)
                     : 0;
    }
    sh_send_rows (session, &rows);
    return SH_OK;
}

/*  ---- deleting ---- */

typedef struct {
    sh_session_t *session;
    bool reports;          /* kind 1: texts of maintenance plans, any file */
    const char *extension; /* NULL = any */
    time_t before;         /* last written before it; 0 = whenever */
} s_delete_t;

static bool
s_extension_fits (const char *name, const char *extension)
{
    const char *dot = strrchr (name, '.');
    if (!extension || !*extension)
        return true;
    return dot && strcasecmp (dot + 1, *extension == '.' ? extension + 1 : extension) == 0;
}

/*  0, or the errno that it could not be deleted for. */
static int
s_delete_one (const s_delete_t *job, const char *local, const struct stat *info)
{
    if (job->before && info->st_mtime >= job->before)
        return 0;
    if (!job->reports && !sh_backup_whole (local))
        return 0;
    return unlink (local) == 0 ? 0 : errno;
}

static void
s_delete_folder (const s_delete_t *job, const char *folder, bool below)
{
    struct dirent **names = NULL;
    int count = scandir (folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        struct stat info;
        char *whole = sh_printf ("%s/%s", folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && lstat (whole, &info) == 0) {
            if (S_ISDIR (info.st_mode) && below)
                s_delete_folder (job, whole, false);
            else if (S_ISREG (info.st_mode) && s_extension_fits (names[i]->d_name, job->extension))
                s_delete_one (job, whole, &info);
        }
        free (whole);
        free (names[i]);
    }
    free (names);
}

/*  A local time as the seconds that a file's stamp has. */
static time_t
s_seconds (int64_t ticks)
{
    sh_civil_t at;
    sh_ticks_to_civil (ticks, &at);
    struct tm tm = {.tm_year = at.year - 1900,
                    .tm_mon = at.month - 1,
                    .tm_mday = at.day,
                    .tm_hour = at.hour,
                    .tm_min = at.minute,
                    .tm_sec = at.second,
                    .tm_isdst = -1};
    return mktime (&tm);
}

static sh_status_t
s_delete (const s_delete_t *job, const char *local, bool below)
{
    struct stat info;
    if (stat (local, &info) != 0)
        return s_failed (job->session, 22049, "xp_delete_file", local, errno);
    if (S_ISDIR (info.st_mode)) {
        s_delete_folder (job, local, below);
        return SH_OK;
    }
    int failed = s_delete_one (job, local, &info);
    return failed ? s_failed (job->session, 22049, "xp_delete_file", local, failed) : SH_OK;
}

/*  xp_delete_file kind, file or folder [, extension [, before [, folders below]]] */
sh_status_t
sh_proc_delete_file (sh_session_t *session, sh_call_t *call)
{
    char *path = sh_call_text (session, call, "@path", 1);
    char *extension = sh_call_text (session, call, "@extension", 2);
    int64_t kind = s_number (session, call, "@kind", 0);
    s_delete_t job = {.session = session, .reports = kind == 1, .extension = extension};
    sh_value_t before;
    sh_status_t status = SH_OK;
    if (sh_call_argument (session, call, "@before", 3, sh_type_of (SH_TYPE_DATETIME), &before))
        job.before = s_seconds (before.as.ticks);
    if (!path || kind < 0 || kind > 1)
        status = sh_error_set (session, 22049, 16, 1,
                               "Error executing extended stored procedure: Invalid Parameter");
    else {
        char *local = sh_path_local (session->instance, path);
        status = s_delete (&job, local, s_number (session, call, "@below", 4) != 0);
        free (local);
    }
    free (extension);
    free (path);
    return status;
}
