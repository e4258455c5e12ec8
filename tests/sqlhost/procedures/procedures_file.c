/*  tests/sqlhost/procedures/procedures_file.c: what extended procedures see of the server's disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "procedure.h"

/*  One row: File Exists, File is a Directory, Parent Directory Exists; or the first as an OUTPUT parameter. */
sh_status_t
sh_xp_fileexist (sh_session_t *session, sh_call_t *call)
{
    char *path = sh_argument_text (call, 0, "@filename");
    if (!path)
        return sh_error_set (session, 22001, 16, 1, "xp_fileexist takes a file name.");
    struct stat info;
    bool there = stat (path, &info) == 0;
    bool directory = there && S_ISDIR (info.st_mode);
    char *slash = strrchr (path, '/');
    bool parent = true;
    if (slash && slash != path) {
        *slash = '\0';
        parent = stat (path, &info) == 0 && S_ISDIR (info.st_mode);
    }
    free (path);
    sh_actual_t *out = sh_argument (call, 1, "@exists");
    if (out && out->output) {
        sh_value_clear (&out->value);
        out->value = sh_value_int (there && !directory);
        out->type = sh_type_of (SH_TYPE_INT);
        return SH_OK;
    }
    sh_rowset_t *rows = sh_rowset_new ();
    static const char *const names[] = {"File Exists", "File is a Directory",
                                        "Parent Directory Exists"};
    for (size_t i = 0; i < 3; i++)
        sh_rowset_add_field (rows, names[i], sh_type_of (SH_TYPE_TINYINT), true);
    const sh_value_t values[] = {sh_value_int (there && !directory), sh_value_int (directory),
                                 sh_value_int (parent)};
    sh_rowset_push (rows, values);
    sh_out_rowset (session, rows);
    sh_rowset_destroy (&rows);
    return SH_OK;
}

sh_status_t
sh_xp_create_subdir (sh_session_t *session, sh_call_t *call)
{
    char *path = sh_argument_text (call, 0, "@path");
    if (!path)
        return sh_error_set (session, 22001, 16, 1, "xp_create_subdir takes a path.");
    int rc = mkdir (path, 0700);
    int why = errno;
    if (rc != 0 && why != EEXIST)
        sh_error_set (session, 22048, 16, 1, "xp_create_subdir() returned error %d, '%s'", why,
                      strerror (why));
    free (path);
    return rc == 0 || why == EEXIST ? SH_OK : SH_ERROR;
}
