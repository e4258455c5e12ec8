#include "agent/shell/upkeep.h"

#include <stdlib.h>
#include <string.h>

#include "agent/shell/answer.h"
#include "agent/shell/path.h"
#include "agent/shell/rows.h"
#include "common/names.h"

#define S_QUERY_MS     30000
#define S_WHOLE_FAULTS 20
#define S_FAULT_BYTES  400
#define S_BATCH                                                                                    \
    50 /* files that msdb is asked about at once: its tables have no index on the device */

/*  ---- answers that fit into one message ---- */

size_t
bm_upkeep_answer_bytes (size_t files, size_t path_bytes)
{
    return path_bytes + files * (S_FAULT_BYTES + 100);
}

/*  Of many faults the first ones are told whole, the others without their remedy and cut. */
static Btsmark__Fault *
s_fault (const bm_error_t *error, size_t *told)
{
    bm_error_t cut = *error;
    if (error->status != BM_OK && ++*told > S_WHOLE_FAULTS) {
        size_t end = strlen (cut.text) < S_FAULT_BYTES ? strlen (cut.text) : S_FAULT_BYTES;
        while (end > 0 && ((unsigned char)cut.text[end] & 0xC0) == 0x80)
            end--;
        cut.text[end] = 0;
        cut.remedy[0] = 0;
    }
    return bm_answer_fault (&cut);
}

/*  ---- what msdb knows ---- */

/*  A file that msdb knows, or not. */
typedef struct s_known {
    char *file; /* as it was allowed; NULL = it was not */
    bool asked; /* msdb answered */
    bool known; /* as a backup of some database */
    char *
        stranger; /* a database that the file is a backup of, other than the one that is named; or NULL */
    int64_t bytes; /* of its part of the newest backup in it; -1 = not known */
} s_known_t;

static bool
s_same_file (const char *a, const char *b)
{
    return bm_path_is_windows (a) ? strcasecmp (a, b) == 0 : strcmp (a, b) == 0;
}

static void
s_read_known (s_known_t *known, size_t count, char *const *databases, const bm_sql_result_t *result,
              int set)
{
    for (size_t row = 0; row < bm_sql_result_rows (result, set); row++) {
        const char *file = bm_sql_result_text (result, set, row, "physical_device_name");
        const char *database = bm_sql_result_text (result, set, row, "database_name");
        for (size_t i = 0; i < count; i++) {
            if (!known[i].file || !file || !s_same_file (known[i].file, file))
                continue;
            known[i].known = true;
            known[i].bytes = bm_sql_result_int (result, set, row, "bytes", -1);
            if (databases && database && !known[i].stranger &&
                !bm_names_equal (database, databases[i]))
                known[i].stranger = bm_strdup (database);
        }
    }
}

/*  The rows of one batch; the newest last, so that its size is the one that stays. */
static bm_status_t
s_ask_batch (const bm_files_t *files, s_known_t *known, size_t count, char *const *databases,
             bm_error_t *error)
{
    char *names[S_BATCH];
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (known[i].file)
            names[used++] = known[i].file;
    if (used == 0)
        return BM_OK;
    char *list = bm_rows_list (names, used);
    char *batch = bm_format (
        "SELECT m.physical_device_name, b.database_name,"
        " COALESCE (b.compressed_backup_size, b.backup_size) / s.media_family_count AS bytes"
        " FROM msdb.dbo.backupmediafamily m"
        " JOIN msdb.dbo.backupmediaset s ON s.media_set_id = m.media_set_id"
        " JOIN msdb.dbo.backupset b ON b.media_set_id = m.media_set_id"
        " WHERE m.physical_device_name IN (%s) ORDER BY b.backup_set_id;",
        list);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, S_QUERY_MS);
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_run (files->sql, query, &result, error);
    int set = result ? bm_sql_result_find (result,
                                           (const char *[]){"physical_device_name", "bytes", NULL})
                     : -1;
    if (status == BM_OK && set < 0)
        status = bm_fail (error, BM_SQL_FAILED, "msdb gave no answer");
    if (status == BM_OK)
        s_read_known (known, count, databases, result, set);
    for (size_t i = 0; i < count; i++)
        known[i].asked = status == BM_OK;
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (batch);
    free (list);
    return status;
}

/*  `databases` (or NULL): of each file. BM_OK when msdb answered for all. */
static bm_status_t
s_ask_msdb (const bm_files_t *files, s_known_t *known, size_t count, char *const *databases,
            bm_error_t *error)
{
    if (!files->sql) {
        *error = *files->error;
        return error->status;
    }
    for (size_t at = 0; at < count; at += S_BATCH) {
        size_t some = count - at < S_BATCH ? count - at : S_BATCH;
        if (s_ask_batch (files, known + at, some, databases ? databases + at : NULL, error) !=
            BM_OK)
            return error->status;
    }
    return BM_OK;
}

static void
s_forget (s_known_t *known, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free (known[i].file);
        free (known[i].stranger);
    }
    free (known);
}

/*  ---- MEASURE_FILES ---- */

static Btsmark__MeasuredFile *
s_measured (const char *file)
{
    Btsmark__MeasuredFile *one = bm_alloc (sizeof *one);
    btsmark__measured_file__init (one);
    bm_answer_text (&one->file, file);
    one->bytes = -1;
    return one;
}

static void
s_measure (const bm_files_t *files, const char *clean, Btsmark__MeasuredFile *one, size_t *told)
{
    bm_error_t error = {0};
    bm_file_facts_t facts;
    if (bm_files_look (files, clean, &facts, &error) != BM_OK) {
        one->fault = s_fault (&error, told);
        return;
    }
    one->asked = true;
    one->exists = facts.exists;
    one->bytes = facts.bytes;
}

Btsmark__FilesMeasured *
bm_upkeep_measure (const bm_files_t *files, const Btsmark__MeasureFiles *order)
{
    bm_error_t error = {0};
    Btsmark__FilesMeasured *measured = bm_alloc (sizeof *measured);
    btsmark__files_measured__init (measured);
    bm_answer_text (&measured->instance, files->instance->name);
    measured->files = bm_alloc ((order->n_files + 1) * sizeof *measured->files);
    s_known_t *known = bm_alloc ((order->n_files + 1) * sizeof *known);
    size_t unsized = 0, told = 0;
    for (size_t i = 0; i < order->n_files; i++) {
        Btsmark__MeasuredFile *one = s_measured (order->files[i]);
        measured->files[measured->n_files++] = one;
        bm_error_t why = {0};
        char *clean = bm_files_allowed (files->instance, order->files[i], &why);
        one->fault = s_fault (&why, &told);
        known[i].bytes = -1;
        if (!clean)
            continue;
        s_measure (files, clean, one, &told);
        if (one->exists && one->bytes < 0) {
            known[i].file = bm_strdup (clean);
            unsized++;
        }
        free (clean);
    }
    /*  SQL Server says that a file exists, not how large it is: then it is as large as its backup was. */
    if (unsized > 0 && s_ask_msdb (files, known, order->n_files, NULL, &error) == BM_OK)
        for (size_t i = 0; i < order->n_files; i++)
            if (known[i].known)
                measured->files[i]->bytes = known[i].bytes;
    s_forget (known, order->n_files);
    return measured;
}

/*  ---- DELETE_FILES ---- */

static bool
s_ends (const char *file, const char *end)
{
    size_t have = strlen (file), want = strlen (end);
    return have > want && strcasecmp (file + have - want, end) == 0;
}

/*  Backups that msdb does not know any more are known by their names; nothing else is. */
static bm_status_t
s_may_go (const Btsmark__DeleteFiles__File *file, const s_known_t *known, bm_error_t *error)
{
    if (!*file->database) {
        if (s_ends (known->file, ".btsmark.json"))
            return BM_OK;
        return bm_fail (error, BM_PATH_NOT_ALLOWED, "%s is no manifest", known->file);
    }
    if (known->stranger)
        return bm_fail (error, BM_PATH_NOT_ALLOWED,
                        "msdb knows %s as a backup of database %s, not of %s", known->file,
                        known->stranger, file->database);
    if (!known->known && !s_ends (known->file, ".bak") && !s_ends (known->file, ".trn"))
        return bm_fail (error, BM_PATH_NOT_ALLOWED,
                        "msdb knows no backup in %s, and it is not named like one", known->file);
    return BM_OK;
}

static void
s_delete (const bm_files_t *files, const Btsmark__DeleteFiles__File *file, const s_known_t *known,
          Btsmark__DeletedFile *one, size_t *told)
{
    bm_error_t error = {0};
    bool was_gone = false;
    one->fate = BTSMARK__FILE_FATE__FATE_LEFT;
    if (s_may_go (file, known, &error) == BM_OK &&
        bm_files_remove (files, known->file, &was_gone, &one->bytes, &error) == BM_OK) {
        one->fate = was_gone ? BTSMARK__FILE_FATE__FATE_WAS_GONE : BTSMARK__FILE_FATE__FATE_DELETED;
        if (!was_gone && one->bytes < 0)
            one->bytes = known->bytes;
        return;
    }
    one->bytes = -1;
    one->fault = s_fault (&error, told);
}

static Btsmark__DeletedFile *
s_deleted (const char *file)
{
    Btsmark__DeletedFile *one = bm_alloc (sizeof *one);
    btsmark__deleted_file__init (one);
    bm_answer_text (&one->file, file);
    one->fate = BTSMARK__FILE_FATE__FATE_LEFT;
    one->bytes = -1;
    return one;
}

Btsmark__FilesDeleted *
bm_upkeep_delete (const bm_files_t *files, const Btsmark__DeleteFiles *order,
                  bm_upkeep_stop_fn *stop, void *argument)
{
    bm_error_t error = {0};
    size_t told = 0;
    Btsmark__FilesDeleted *deleted = bm_alloc (sizeof *deleted);
    btsmark__files_deleted__init (deleted);
    bm_answer_text (&deleted->instance, files->instance->name);
    deleted->files = bm_alloc ((order->n_files + 1) * sizeof *deleted->files);
    s_known_t *known = bm_alloc ((order->n_files + 1) * sizeof *known);
    char **databases = bm_alloc ((order->n_files + 1) * sizeof *databases);
    for (size_t i = 0; i < order->n_files; i++) {
        bm_error_t why = {0};
        Btsmark__DeletedFile *one = s_deleted (order->files[i]->file);
        deleted->files[deleted->n_files++] = one;
        databases[i] = order->files[i]->database;
        known[i].bytes = -1;
        known[i].file = bm_files_allowed (files->instance, order->files[i]->file, &why);
        one->fault = s_fault (&why, &told);
    }
    /*  Without msdb's word nothing goes. */
    if (s_ask_msdb (files, known, order->n_files, databases, &error) != BM_OK)
        bm_error_wrap (&error, "no file was deleted on %s: msdb cannot be asked what they hold",
                       files->instance->name);
    for (size_t i = 0; i < order->n_files && error.status == BM_OK; i++) {
        if (stop && stop (argument))
            bm_fail (&error, BM_STOPPED, "told to stop: the remaining files were left");
        else if (known[i].file)
            s_delete (files, order->files[i], &known[i], deleted->files[i], &told);
    }
    deleted->fault = bm_answer_fault (&error);
    for (size_t i = 0; i < order->n_files && error.status != BM_OK; i++)
        if (deleted->files[i]->fate == BTSMARK__FILE_FATE__FATE_LEFT && !deleted->files[i]->fault)
            deleted->files[i]->fault = s_fault (&error, &told);
    s_forget (known, order->n_files);
    free (databases);
    return deleted;
}
