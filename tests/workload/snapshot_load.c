#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "tests/sqlhost/engine/cut.h"
#include "tests/workload/snapshot.h"

#define S_COLUMNS    64
#define S_TEXT_BYTES 64

typedef struct {
    bm_snapshot_t *snapshot;
    const char *instance;
    const char *database;
    const sh_table_def_t *table;
    const char *columns[S_COLUMNS];
} s_walk_t;

/*  Only ids, numbers and names matter here. */
static const char *
s_text (const sh_value_t *value, char buffer[S_TEXT_BYTES])
{
    switch (value->kind) {
        case SH_INT:
            snprintf (buffer, S_TEXT_BYTES, "%" PRId64, value->as.integer);
            return buffer;
        case SH_GUID:
            sh_guid_print (value->as.guid, buffer);
            return buffer;
        case SH_TEXT:
        case SH_DECIMAL:
            return value->as.text;
        default:
            return NULL;
    }
}

static bool
s_on_row (void *argument, int64_t rid, const sh_value_t *values)
{
    (void)rid;
    const s_walk_t *walk = argument;
    char buffers[S_COLUMNS][S_TEXT_BYTES];
    const char *texts[S_COLUMNS];
    int count = walk->table->column_count < S_COLUMNS ? walk->table->column_count : S_COLUMNS;
    for (int i = 0; i < count; i++)
        texts[i] = s_text (&values[i], buffers[i]);
    bm_snapshot_add_row (walk->snapshot, walk->instance, walk->database, walk->table->name,
                         (size_t)count, walk->columns, texts);
    return true;
}

static void
s_take (bm_snapshot_t *self, const char *instance, const char *database, const sh_cut_t *cut)
{
    bm_snapshot_add_database (self, instance, database);
    for (size_t i = 0; i < sh_cut_table_count (cut); i++) {
        s_walk_t walk = {self, instance, database, sh_cut_table (cut, i), {NULL}};
        for (int k = 0; k < walk.table->column_count && k < S_COLUMNS; k++)
            walk.columns[k] = walk.table->columns[k].name;
        bm_snapshot_add_table (self, instance, database, walk.table->name);
        sh_cut_rows (cut, i, s_on_row, &walk);
    }
}

bm_status_t
bm_snapshot_load (bm_snapshot_t *self, const char *instance, const char *database,
                  const char *const *files, size_t file_count, const char *mark, bm_error_t *error)
{
    sh_cut_options_t options = {
        .files = files, .file_count = file_count, .database = database, .mark = mark};
    sh_error_t why = {0};
    sh_cut_t *cut = NULL;
    sh_cut_status_t status = sh_cut_open (&cut, &options, &why);
    if (status)
        return bm_fail (error, status == SH_CUT_NO_MARK ? BM_MARK_MISSING : BM_VERIFY_FAILED,
                        "%s on %s cannot be cut at %s: %s", database, instance,
                        mark ? mark : "its end", why.text);
    s_take (self, instance, database, cut);
    sh_cut_close (&cut);
    return BM_OK;
}

/*  "<server>_<database>_Full_<mark>.bak" or "_Log_". */
static bool
s_is_backup_of (const char *file, const char *database)
{
    char *full = bm_format ("_%s_Full_", database);
    char *log = bm_format ("_%s_Log_", database);
    bool is = strstr (file, full) || strstr (file, log);
    free (full);
    free (log);
    return is;
}

bm_status_t
bm_snapshot_load_folder (bm_snapshot_t *self, const char *instance, const char *database,
                         const char *folder, const char *mark, bm_error_t *error)
{
    DIR *listing = opendir (folder);
    if (!listing)
        return bm_fail (error, BM_IO, "%s cannot be read: %s", folder, strerror (errno));
    char **files = NULL;
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir (listing));)
        if (s_is_backup_of (entry->d_name, database)) {
            files = bm_realloc (files, (count + 1) * sizeof *files);
            files[count++] = bm_names_join_path (folder, entry->d_name);
        }
    closedir (listing);
    bm_status_t status =
        count ? bm_snapshot_load (self, instance, database, (const char *const *)files, count, mark,
                                  error)
              : bm_fail (error, BM_VERIFY_FAILED, "%s holds no backup of %s", folder, database);
    for (size_t i = 0; i < count; i++)
        free (files[i]);
    free (files);
    return status;
}
