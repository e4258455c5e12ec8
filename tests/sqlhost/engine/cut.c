/*  A database rebuilt from its backup files: see cut.h.
 *
 *  First the sets of all files are put together (stripes by their set's guid). Then the mark is
 *  looked for in the logs, the newest full that ends at or before it is taken, and the logs that
 *  lead from the one to the other are applied. */
#include "tests/sqlhost/engine/cut.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/image.h"
#include "tests/sqlhost/engine/media.h"

typedef struct {
    sh_stripe_t *stripes; /* by family number */
    size_t count;         /* found so far */
    sh_backup_header_t header;
} s_set_t;

struct sh_cut {
    sh_image_t *image;
    char database[129];
    int64_t mark_lsn, last_lsn;
};

typedef struct {
    const sh_cut_options_t *options;
    sh_cut_t *cut;
    s_set_t *sets;
    size_t set_count, set_capacity;
    char damaged[1200]; /* the first damage met; "" = none */
    sh_error_t *error;
    /*  while reading logs */
    const char *file;
    int64_t from;  /* records below are applied already */
    int64_t found; /* LSN of the mark, 0 = not found */
    int64_t after; /* the mark must be at or behind this LSN */
    int64_t until; /* records above are not wanted */
    bool failed;
} s_work_t;

static sh_cut_status_t
s_stop (const s_work_t *work, sh_cut_status_t status)
{
    /*  What is missing may well be what could not be read. */
    if (work->damaged[0] && status != SH_CUT_USAGE && status != SH_CUT_DAMAGED) {
        char text[1024];
        sh_copy (text, sizeof text, work->error->text);
        sh_fail (work->error, 3189, 16, 1, "%s; and: %s", work->damaged, text);
        return SH_CUT_DAMAGED;
    }
    return status;
}

/*  ---- gathering the sets ---- */

static s_set_t *
s_set_of (s_work_t *work, const sh_backup_header_t *header)
{
    for (size_t i = 0; i < work->set_count; i++)
        if (memcmp (work->sets[i].header.set_guid, header->set_guid, 16) == 0)
            return &work->sets[i];
    work->sets = sh_grow (work->sets, work->set_count, &work->set_capacity, sizeof *work->sets);
    s_set_t *set = &work->sets[work->set_count++];
    memset (set, 0, sizeof *set);
    set->header = *header;
    set->stripes = sh_mem_alloc ((size_t)header->family_count * sizeof *set->stripes);
    return set;
}

static void
s_add_set (s_work_t *work, const char *path, const sh_set_t *found)
{
    const sh_backup_header_t *h = &found->header;
    if (work->options->database && !sh_name_equal (h->database_name, work->options->database))
        return;
    if (h->damaged || h->family_number < 1 || h->family_number > h->family_count) {
        if (!work->damaged[0])
            snprintf (work->damaged, sizeof work->damaged,
                      "the backup set of %s on file '%s', position %d, was terminated while it was "
                      "being created and is incomplete",
                      h->database_name, path, h->position);
        return;
    }
    s_set_t *set = s_set_of (work, h);
    sh_stripe_t *stripe = &set->stripes[h->family_number - 1];
    if (!stripe->path)
        set->count++;
    stripe->path = stripe->local = path;
    stripe->set = *found;
}

static void
s_add_file (s_work_t *work, const char *path)
{
    sh_scan_result_t found = {0};
    char os[256];
    FILE *file = fopen (path, "rbe");
    if (!file) {
        sh_os_error (errno, os, sizeof os);
        if (!work->damaged[0])
            snprintf (work->damaged, sizeof work->damaged, "file '%s' cannot be opened: %s", path,
                      os);
        return;
    }
    sh_media_scan (file, &found);
    fclose (file);
    if ((found.foreign || found.empty || found.torn) && !work->damaged[0])
        snprintf (work->damaged, sizeof work->damaged,
                  found.torn ? "file '%s' ends in an incomplete backup set"
                             : "file '%s' is not a backup of sqlhost",
                  path);
    for (size_t i = 0; i < found.set_count; i++)
        s_add_set (work, path, &found.sets[i]);
    sh_media_scan_free (&found);
}

static sh_cut_status_t
s_gather (s_work_t *work)
{
    for (size_t i = 0; i < work->options->file_count; i++)
        s_add_file (work, work->options->files[i]);
    size_t kept = 0;
    for (size_t i = 0; i < work->set_count; i++) {
        s_set_t set = work->sets[i];
        if (set.count == (size_t)set.header.family_count) {
            work->sets[kept++] = set;
            continue;
        }
        if (!work->damaged[0])
            snprintf (work->damaged, sizeof work->damaged,
                      "only %zu of the %d files of a striped backup of %s are given", set.count,
                      set.header.family_count, set.header.database_name);
        free (set.stripes);
    }
    work->set_count = kept;
    for (size_t i = 1; i < kept; i++)
        if (!sh_name_equal (work->sets[i].header.database_name,
                            work->sets[0].header.database_name)) {
            sh_fail (work->error, 1, 16, 1,
                     "the files hold backups of %s and of %s: say which database",
                     work->sets[0].header.database_name, work->sets[i].header.database_name);
            return SH_CUT_USAGE;
        }
    if (kept == 0) {
        sh_fail (work->error, 2, 16, 1, "there is no whole backup of %s in the files",
                 work->options->database ? work->options->database : "any database");
        return s_stop (work, SH_CUT_NO_FULL);
    }
    sh_copy (work->cut->database, sizeof work->cut->database, work->sets[0].header.database_name);
    return SH_CUT_OK;
}

/*  ---- records ---- */

typedef struct {
    int64_t lsn;
    char *mark;
    const void *body;
    uint32_t size;
} s_record_t;

static bool
s_get_record (sh_reader_t *in, s_record_t *out)
{
    memset (out, 0, sizeof *out);
    out->lsn = sh_get_i64 (in);
    sh_get_i64 (in); /* transaction id */
    sh_get_i64 (in); /* time */
    out->mark = sh_get_text (in);
    free (sh_get_text (in)); /* description */
    free (sh_get_text (in)); /* user */
    out->size = sh_get_u32 (in);
    out->body = sh_get (in, out->size);
    return !in->failed;
}

static bool
s_damage (s_work_t *work)
{
    sh_fail (work->error, 3189, 16, 2, "the backup set on file '%s' is damaged", work->file);
    work->failed = true;
    return false;
}

static bool
s_find_mark (void *arg, uint8_t type, const void *data, size_t size)
{
    s_work_t *work = arg;
    sh_reader_t in = {.data = data, .size = size};
    s_record_t record;
    if (type != SH_CHUNK_LOG)
        return true;
    while (in.at < in.size) {
        bool fine = s_get_record (&in, &record);
        /*  Mark names are case-sensitive. */
        bool is_it = fine && record.mark && strcmp (record.mark, work->options->mark) == 0 &&
                     record.lsn >= work->after;
        free (record.mark);
        if (!fine)
            return s_damage (work);
        if (is_it && (work->found == 0 || record.lsn < work->found))
            work->found = record.lsn;
    }
    return true;
}

static bool
s_apply_rows (s_work_t *work, sh_reader_t *in)
{
    while (in->at < in->size) {
        int object_id = (int)sh_get_u32 (in);
        int64_t rid = sh_get_i64 (in);
        sh_row_t *row = sh_row_read (in);
        sh_table_t *table = sh_image_table_by_id (work->cut->image, object_id);
        if (!row || !table || row->count != table->def->column_count || rid < 1 ||
            sh_slot_find (table, rid)) {
            sh_row_drop (row);
            return s_damage (work);
        }
        sh_slot_set (table, sh_slot_add (table, rid), row, NULL, NULL);
    }
    return true;
}

static bool
s_apply_records (s_work_t *work, sh_reader_t *in)
{
    char text[256];
    s_record_t record;
    while (in->at < in->size) {
        bool fine = s_get_record (in, &record);
        free (record.mark);
        if (!fine)
            return s_damage (work);
        if (record.lsn < work->from || record.lsn > work->until)
            continue;
        if (!sh_image_redo (work->cut->image, record.body, record.size, text, sizeof text)) {
            sh_fail (work->error, 3313, 16, 1,
                     "the log record at LSN %lld of %s (file '%s') does not fit: %s",
                     (long long)record.lsn, work->cut->database, work->file, text);
            work->failed = true;
            return false;
        }
        work->cut->last_lsn = record.lsn;
    }
    return true;
}

static bool
s_apply (void *arg, uint8_t type, const void *data, size_t size)
{
    s_work_t *work = arg;
    sh_reader_t in = {.data = data, .size = size};
    if (type == SH_CHUNK_LOG)
        return s_apply_records (work, &in);
    if (type == SH_CHUNK_ROWS)
        return s_apply_rows (work, &in);
    return sh_image_read_catalog (work->cut->image, data, size) || s_damage (work);
}

/*  SH_CUT_REPLAY and SH_CUT_DAMAGED are told apart by the error's number. */
static sh_cut_status_t
s_read_set (s_work_t *work, const s_set_t *set,
            bool (*each) (void *arg, uint8_t type, const void *data, size_t size))
{
    work->file = set->stripes[0].path;
    work->failed = false;
    sh_status_t status = sh_set_read (set->stripes, set->count, each, work, work->error);
    if (status == SH_OK)
        return SH_CUT_OK;
    return work->failed && work->error->number == 3313 ? SH_CUT_REPLAY : SH_CUT_DAMAGED;
}

/*  ---- choosing ---- */

static int
s_by_lsn (const void *a, const void *b)
{
    const sh_backup_header_t *x = &((const s_set_t *)a)->header;
    const sh_backup_header_t *y = &((const s_set_t *)b)->header;
    if (x->first_lsn != y->first_lsn)
        return x->first_lsn < y->first_lsn ? -1 : 1;
    return (x->last_lsn > y->last_lsn) - (x->last_lsn < y->last_lsn);
}

/*  The newest full that ends at or before `lsn` (any when 0); the oldest when asked so. */
static const s_set_t *
s_choose_full (const s_work_t *work, int64_t lsn, bool oldest)
{
    const s_set_t *best = NULL;
    for (size_t i = 0; i < work->set_count; i++) {
        const sh_backup_header_t *h = &work->sets[i].header;
        if (h->log || (lsn > 0 && h->last_lsn > lsn))
            continue;
        if (!best ||
            (oldest ? h->last_lsn < best->header.last_lsn : h->last_lsn > best->header.last_lsn))
            best = &work->sets[i];
    }
    return best;
}

static bool
s_same_fork (const s_set_t *a, const s_set_t *b)
{
    return memcmp (a->header.last_fork, b->header.first_fork, 16) == 0;
}

/*  The log that goes on from `at`: the one that reaches furthest. */
static const s_set_t *
s_next_log (const s_work_t *work, const s_set_t *full, int64_t at)
{
    const s_set_t *best = NULL;
    for (size_t i = 0; i < work->set_count; i++) {
        const sh_backup_header_t *h = &work->sets[i].header;
        if (!h->log || h->first_lsn > at || h->last_lsn <= at ||
            !s_same_fork (full, &work->sets[i]))
            continue;
        if (!best || h->last_lsn > best->header.last_lsn)
            best = &work->sets[i];
    }
    return best;
}

/*  Text for a chain that ends at `at`; true when a later log shows that a link is missing. */
static bool
s_explain_gap (s_work_t *work, const s_set_t *full, int64_t at)
{
    const s_set_t *later = NULL;
    for (size_t i = 0; i < work->set_count && !later; i++)
        if (work->sets[i].header.log && work->sets[i].header.first_lsn > at)
            later = &work->sets[i];
    if (later)
        sh_fail (work->error, 4305, 16, 1,
                 "the log chain of %s has a gap: no log backup goes on from LSN %lld; the next one "
                 "given begins at LSN %lld (file '%s')%s",
                 work->cut->database, (long long)at, (long long)later->header.first_lsn,
                 later->stripes[0].path,
                 s_same_fork (full, later) ? "" : ", on another recovery fork");
    return later != NULL;
}

static sh_cut_status_t
s_look_for_mark (s_work_t *work)
{
    const s_set_t *oldest = s_choose_full (work, 0, true);
    if (!oldest) {
        sh_fail (work->error, 3118, 16, 1, "there is no full backup of %s in the files",
                 work->cut->database);
        return s_stop (work, SH_CUT_NO_FULL);
    }
    work->after = oldest->header.last_lsn;
    for (size_t i = 0; i < work->set_count; i++) {
        if (!work->sets[i].header.log)
            continue;
        sh_cut_status_t status = s_read_set (work, &work->sets[i], s_find_mark);
        if (status != SH_CUT_OK)
            return status;
    }
    if (work->found)
        return SH_CUT_OK;
    int64_t at = oldest->header.last_lsn;
    for (const s_set_t *log; (log = s_next_log (work, oldest, at)) != NULL;)
        at = log->header.last_lsn;
    if (s_explain_gap (work, oldest, at))
        return s_stop (work, SH_CUT_GAP);
    sh_fail (work->error, 4334, 16, 1,
             "mark '%s' is not in the log backups of %s (LSN %lld to %lld)", work->options->mark,
             work->cut->database, (long long)oldest->header.last_lsn, (long long)at);
    return s_stop (work, SH_CUT_NO_MARK);
}

/*  ---- rebuilding ---- */

/*  Applies logs from the full on until `until` is covered (INT64_MAX: as far as they go). */
static sh_cut_status_t
s_roll_forward (s_work_t *work, const s_set_t *full, int64_t cover)
{
    int64_t at = full->header.last_lsn;
    while (at <= cover) {
        const s_set_t *log = s_next_log (work, full, at);
        if (!log)
            break;
        work->from = at;
        sh_cut_status_t status = s_read_set (work, log, s_apply);
        if (status != SH_CUT_OK)
            return status;
        at = log->header.last_lsn;
    }
    if (cover != INT64_MAX && at <= cover) {
        if (!s_explain_gap (work, full, at))
            sh_fail (work->error, 4305, 16, 1,
                     "the log chain of %s ends at LSN %lld; mark '%s' is at LSN %lld",
                     work->cut->database, (long long)at, work->options->mark, (long long)cover);
        return s_stop (work, SH_CUT_GAP);
    }
    if (cover == INT64_MAX && s_explain_gap (work, full, at))
        return s_stop (work, SH_CUT_GAP);
    return SH_CUT_OK;
}

static sh_cut_status_t
s_rebuild (s_work_t *work)
{
    sh_cut_status_t status = s_gather (work);
    if (status != SH_CUT_OK)
        return status;
    qsort (work->sets, work->set_count, sizeof *work->sets, s_by_lsn);
    if (work->options->mark)
        status = s_look_for_mark (work);
    if (status != SH_CUT_OK)
        return status;
    const s_set_t *full = s_choose_full (work, work->found, false);
    if (!full) {
        sh_fail (work->error, 3118, 16, 1, "there is no full backup of %s in the files",
                 work->cut->database);
        return s_stop (work, SH_CUT_NO_FULL);
    }
    work->until = INT64_MAX;
    if (work->found)
        work->until = work->options->before ? work->found - 1 : work->found;
    work->from = full->header.first_lsn;
    work->cut->mark_lsn = work->found;
    status = s_read_set (work, full, s_apply);
    if (status == SH_CUT_OK)
        status = s_roll_forward (work, full, work->found ? work->found : INT64_MAX);
    return status;
}

sh_cut_status_t
sh_cut_open (sh_cut_t **out, const sh_cut_options_t *options, sh_error_t *error)
{
    sh_error_t own = {0};
    s_work_t *work = sh_mem_alloc (sizeof *work);
    *out = NULL;
    work->options = options;
    work->error = error ? error : &own;
    work->cut = sh_mem_alloc (sizeof *work->cut);
    work->cut->image = sh_image_new (0);
    sh_cut_status_t status = SH_CUT_USAGE;
    if (options->file_count == 0)
        sh_fail (work->error, 3, 16, 1, "no backup files are given");
    else
        status = s_rebuild (work);
    if (status == SH_CUT_OK) {
        *out = work->cut;
        sh_error_clear (error);
    } else
        sh_cut_close (&work->cut);
    for (size_t i = 0; i < work->set_count; i++)
        free (work->sets[i].stripes);
    free (work->sets);
    free (work);
    return status;
}

void
sh_cut_close (sh_cut_t **self_p)
{
    sh_cut_t *self = *self_p;
    if (!self)
        return;
    sh_image_free (self->image);
    free (self);
    *self_p = NULL;
}

/*  ---- looking at it ---- */

const char *
sh_cut_database (const sh_cut_t *self)
{
    return self->database;
}

int64_t
sh_cut_mark_lsn (const sh_cut_t *self)
{
    return self->mark_lsn;
}

int64_t
sh_cut_last_lsn (const sh_cut_t *self)
{
    return self->last_lsn;
}

size_t
sh_cut_table_count (const sh_cut_t *self)
{
    return self->image->table_count;
}

const sh_table_def_t *
sh_cut_table (const sh_cut_t *self, size_t index)
{
    return self->image->tables[index]->def;
}

int
sh_cut_find (const sh_cut_t *self, const char *schema, const char *name)
{
    for (size_t i = 0; i < self->image->table_count; i++) {
        const sh_table_def_t *def = self->image->tables[i]->def;
        if (sh_name_equal (def->name, name) && sh_name_equal (def->schema, schema ? schema : "dbo"))
            return (int)i;
    }
    return -1;
}

void
sh_cut_rows (const sh_cut_t *self, size_t table,
             bool (*each) (void *arg, int64_t rid, const sh_value_t *values), void *arg)
{
    const sh_table_t *data = self->image->tables[table];
    for (size_t i = 0; i < data->slot_count; i++)
        if (data->slots[i].committed &&
            !each (arg, data->slots[i].rid, data->slots[i].committed->values))
            return;
}
