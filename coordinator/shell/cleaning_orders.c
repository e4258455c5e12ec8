/*  coordinator/shell/cleaning_orders.c */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/names.h"
#include "coordinator/shell/cleaning_state.h"

/*  Files on slow shares, or asked of SQL Server one by one, take their time. */
enum { ANSWER_MS = 600000, SILENT_MS = 60000, ORDER_BYTES = BM_LIMIT_WIRE_BYTES / 4 };

/*  One order of many that are under way at once. */
typedef struct ask {
    struct asking *asking;
    size_t instance;
    size_t *items; /* what it is about: indexes of looks or files */
    size_t count, bytes;
    uint64_t operation;
} ask_t;

typedef struct asking {
    bm_work_t *work;
    bm_look_t *looks;
    bm_cleaning_t *cleaning;
    ask_t **asks;
    size_t count, waiting;
} asking_t;

size_t
bm_cleaning_instance (const bm_work_t *work, const char *real_name)
{
    const bm_topology_t *topology = work->topology;
    for (size_t i = 0; real_name && i < topology->instance_count; i++)
        if (topology->instances[i].real_name &&
            bm_names_equal (topology->instances[i].real_name, real_name))
            return i;
    return BM_NOWHERE;
}

/*  Into the instance's last order, or a new one when that is full. */
static void
s_add (asking_t *self, size_t instance, size_t item, const char *file)
{
    size_t bytes = strlen (file) + 64;
    ask_t *ask = NULL;
    for (size_t i = 0; i < self->count; i++)
        if (self->asks[i]->instance == instance && self->asks[i]->count < BM_LIMIT_FILES &&
            self->asks[i]->bytes + bytes <= ORDER_BYTES)
            ask = self->asks[i];
    if (!ask) {
        self->asks = bm_realloc (self->asks, (self->count + 1) * sizeof *self->asks);
        ask = self->asks[self->count++] = bm_alloc (sizeof *ask);
        *ask = (ask_t){.asking = self, .instance = instance};
        ask->items = bm_alloc (BM_LIMIT_FILES * sizeof *ask->items);
    }
    ask->items[ask->count++] = item;
    ask->bytes += bytes;
}

static void
s_send (asking_t *self, ask_t *ask, Btsmark__Envelope *envelope, bm_agents_answer_fn *function)
{
    bm_work_t *work = self->work;
    bm_delivery_t how = {
        .deadline_ms = ANSWER_MS, .silent_ms = SILENT_MS, .on_answer = function, .argument = ask};
    self->waiting++;
    ask->operation = bm_agents_order (work->agents, work->topology->instances[ask->instance].agent,
                                      envelope, &how);
}

/*  Until all have answered, or the process is told to stop: then those that have not are not waited for. */
static void
s_wait (asking_t *self)
{
    while (self->waiting && !bm_work_wait (self->work, 1000))
        bm_work_probe (self->work, false);
    for (size_t i = 0; i < self->count; i++)
        if (self->asks[i]->operation)
            bm_agents_forget (self->work->agents, self->asks[i]->operation);
}

static void
s_close (asking_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free (self->asks[i]->items);
        free (self->asks[i]);
    }
    free (self->asks);
}

/*  Why an answer is none; BM_OK when it is. */
static bm_status_t
s_answered (const bm_error_t *error, bool right_body, const Btsmark__Fault *fault, bm_error_t *why)
{
    if (error->status != BM_OK)
        *why = *error;
    else if (!right_body)
        bm_fail (why, BM_PROTOCOL, "another kind of answer came");
    else if (fault)
        bm_fail (why, BM_UNREACHABLE, "%s", fault->text);
    return why->status;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static void
s_look_failed (bm_look_t *look, const char *text)
{
    if (!look->asked && !look->problem)
        look->problem = bm_strdup (text);
}

static void
s_on_measured (void *argument, size_t agent, const Btsmark__Envelope *answer,
               const bm_error_t *error)
{
    ask_t *ask = argument;
    bm_look_t *looks = ask->asking->looks;
    bm_error_t why = {0};
    (void)agent;
    ask->asking->waiting--;
    ask->operation = 0;
    bool right =
        error->status == BM_OK && answer->body_case == BTSMARK__ENVELOPE__BODY_FILES_MEASURED;
    const Btsmark__FilesMeasured *measured = right ? answer->files_measured : NULL;
    s_answered (error, right, measured ? measured->fault : NULL, &why);
    for (size_t i = 0; measured && i < measured->n_files; i++) {
        const Btsmark__MeasuredFile *file = measured->files[i];
        for (size_t k = 0; k < ask->count; k++) {
            /*  They come in the order in which they were asked for: the first look is the right one. */
            bm_look_t *look = &looks[ask->items[(i + k) % ask->count]];
            if (strcmp (look->file, file->file) != 0)
                continue;
            look->asked = file->asked;
            look->exists = file->exists;
            if (!file->asked)
                s_look_failed (look, file->fault ? file->fault->text : "it could not be looked at");
            break;
        }
    }
    for (size_t i = 0; i < ask->count; i++)
        s_look_failed (&looks[ask->items[i]],
                       why.status != BM_OK ? why.text : "the agent did not answer for it");
}

void
bm_cleaning_look (bm_work_t *work, bm_look_t *looks, size_t count)
{
    asking_t self = {.work = work, .looks = looks};
    for (size_t i = 0; i < count; i++) {
        size_t instance = bm_cleaning_instance (work, looks[i].instance);
        if (instance == BM_NOWHERE)
            looks[i].problem = bm_format ("no agent serves %s now", looks[i].instance);
        else
            s_add (&self, instance, i, looks[i].file);
    }
    for (size_t i = 0; i < self.count; i++) {
        ask_t *ask = self.asks[i];
        Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
        Btsmark__MeasureFiles order = BTSMARK__MEASURE_FILES__INIT;
        order.instance = work->topology->instances[ask->instance].name;
        order.files = bm_alloc ((ask->count + 1) * sizeof *order.files);
        order.n_files = ask->count;
        for (size_t k = 0; k < ask->count; k++)
            order.files[k] = (char *)looks[ask->items[k]].file;
        envelope.body_case = BTSMARK__ENVELOPE__BODY_MEASURE_FILES;
        envelope.measure_files = &order;
        s_send (&self, ask, &envelope, s_on_measured);
        free (order.files);
    }
    s_wait (&self);
    for (size_t i = 0; i < count; i++)
        s_look_failed (&looks[i], "btsmark was told to stop");
    s_close (&self);
}

/* ---- deleting ---------------------------------------------------------------------------------------------------- */

static void
s_take_fate (bm_cleaning_file_t *file, const Btsmark__DeletedFile *deleted)
{
    file->fate = "left";
    if (deleted->fate == BTSMARK__FILE_FATE__FATE_DELETED)
        file->fate = "deleted";
    else if (deleted->fate == BTSMARK__FILE_FATE__FATE_WAS_GONE)
        file->fate = "was gone";
    else
        file->problem =
            bm_strdup (deleted->fault ? deleted->fault->text : "the agent left it, and not why");
    if (deleted->bytes >= 0)
        file->bytes = deleted->bytes;
}

/*  Without an answer the journal stays open: the next cleaning looks what became of the file. A backup of several stripes is gone
 *  when all of them are: until then its first one counts as left, and is ordered again. */
static void
s_close_removals (bm_work_t *work, bm_cleaning_t *cleaning)
{
    bm_removal_end_t *ends = bm_alloc ((cleaning->count + 1) * sizeof *ends);
    size_t count = 0;
    bm_error_t error = {0};
    for (size_t i = 0; i < cleaning->count; i++) {
        const bm_cleaning_file_t *file = &cleaning->files[i];
        if (!file->removal || !file->fate || file->closed)
            continue;
        cleaning->files[i].closed = true;
        bm_removal_end_t *end = &ends[count++];
        *end = (bm_removal_end_t){file->removal, file->bytes, file->fate, file->problem};
        for (size_t k = 1; k <= file->stripes; k++)
            if (!file[k].fate || strcmp (file[k].fate, "left") == 0) {
                end->fate = "left";
                end->text = "another stripe of the same backup stands";
            }
    }
    if (count && bm_catalogue_removals_close (work->catalogue, ends, count, &error) != BM_OK)
        bm_report_warn (work->report, "%s", error.text);
    free (ends);
}

static void
s_on_deleted (void *argument, size_t agent, const Btsmark__Envelope *answer,
              const bm_error_t *error)
{
    ask_t *ask = argument;
    bm_cleaning_t *cleaning = ask->asking->cleaning;
    bm_error_t why = {0};
    (void)agent;
    ask->asking->waiting--;
    ask->operation = 0;
    bool right =
        error->status == BM_OK && answer->body_case == BTSMARK__ENVELOPE__BODY_FILES_DELETED;
    const Btsmark__FilesDeleted *deleted = right ? answer->files_deleted : NULL;
    s_answered (error, right, deleted ? deleted->fault : NULL, &why);
    for (size_t i = 0; deleted && i < deleted->n_files; i++)
        for (size_t k = 0; k < ask->count; k++) {
            bm_cleaning_file_t *file = &cleaning->files[ask->items[(i + k) % ask->count]];
            if (strcmp (file->file, deleted->files[i]->file) != 0 || file->fate)
                continue;
            s_take_fate (file, deleted->files[i]);
            break;
        }
    for (size_t i = 0; i < ask->count; i++) {
        bm_cleaning_file_t *file = &cleaning->files[ask->items[i]];
        if (!file->fate && !file->problem)
            file->problem =
                bm_strdup (why.status != BM_OK ? why.text : "the agent did not answer for it");
    }
}

static void
s_order_deletion (asking_t *self, ask_t *ask)
{
    bm_work_t *work = self->work;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__DeleteFiles order = BTSMARK__DELETE_FILES__INIT;
    Btsmark__DeleteFiles__File *files = bm_alloc ((ask->count + 1) * sizeof *files);
    order.instance = work->topology->instances[ask->instance].name;
    order.context = (char *)work->context;
    order.files = bm_alloc ((ask->count + 1) * sizeof *order.files);
    order.n_files = ask->count;
    for (size_t k = 0; k < ask->count; k++) {
        const bm_cleaning_file_t *file = &self->cleaning->files[ask->items[k]];
        btsmark__delete_files__file__init (&files[k]);
        files[k].file = file->file;
        files[k].database = file->database ? file->database : (char *)"";
        order.files[k] = &files[k];
    }
    envelope.body_case = BTSMARK__ENVELOPE__BODY_DELETE_FILES;
    envelope.delete_files = &order;
    s_send (self, ask, &envelope, s_on_deleted);
    free (order.files);
    free (files);
}

void
bm_cleaning_delete (bm_work_t *work, bm_cleaning_t *cleaning)
{
    asking_t self = {.work = work, .cleaning = cleaning};
    for (size_t i = 0; i < cleaning->count; i++) {
        bm_cleaning_file_t *file = &cleaning->files[i];
        if (!file->removal || file->fate)
            continue;
        size_t instance = bm_cleaning_instance (work, file->instance);
        bm_require (instance != BM_NOWHERE);
        s_add (&self, instance, i, file->file);
    }
    for (size_t i = 0; i < self.count; i++)
        s_order_deletion (&self, self.asks[i]);
    s_wait (&self);
    s_close_removals (work, cleaning);
    s_close (&self);
}

/* ---- MarkLog ----------------------------------------------------------------------------------------------------- */

static void
s_on_trimmed (void *argument, size_t agent, const Btsmark__Envelope *answer,
              const bm_error_t *error)
{
    ask_t *ask = argument;
    bm_cleaning_t *cleaning = ask->asking->cleaning;
    bm_work_t *work = ask->asking->work;
    const char *where = work->topology->instances[ask->instance].real_name;
    bm_error_t why = {0};
    (void)agent;
    ask->asking->waiting--;
    ask->operation = 0;
    bool right =
        error->status == BM_OK && answer->body_case == BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED;
    const Btsmark__MarksTrimmed *trimmed = right ? answer->marks_trimmed : NULL;
    if (s_answered (error, right, trimmed ? trimmed->fault : NULL, &why) != BM_OK) {
        cleaning->failures++;
        bm_report_warn (work->report, "MarkLog was not trimmed on %s: %s", where, why.text);
    }
    for (size_t i = 0; trimmed && i < trimmed->n_databases; i++) {
        const Btsmark__TrimmedDatabase *it = trimmed->databases[i];
        if (it->fault) {
            cleaning->failures++;
            bm_report_warn (work->report, "MarkLog of %s on %s was not trimmed: %s", it->name,
                            where, it->fault->text);
        }
        if (it->rows == 0)
            continue;
        cleaning->trims =
            bm_realloc (cleaning->trims, (cleaning->trim_count + 1) * sizeof *cleaning->trims);
        cleaning->trims[cleaning->trim_count++] =
            (bm_cleaning_trim_t){bm_strdup (where), bm_strdup (it->name), it->rows};
    }
}

void
bm_cleaning_trim (bm_work_t *work, bm_cleaning_t *cleaning, char **keep, size_t keep_count)
{
    const bm_topology_t *topology = work->topology;
    asking_t self = {.work = work, .cleaning = cleaning};
    for (size_t i = 0; i < topology->instance_count; i++) {
        const bm_topology_instance_t *instance = &topology->instances[i];
        Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
        Btsmark__TrimMarks order = BTSMARK__TRIM_MARKS__INIT;
        order.instance = instance->name;
        order.databases = bm_alloc ((instance->count + 1) * sizeof *order.databases);
        order.n_databases = instance->count;
        for (size_t k = 0; k < instance->count; k++)
            order.databases[k] = topology->places[instance->places[k]].database;
        order.before = cleaning->mark_log_before;
        order.keep = keep;
        order.n_keep = keep_count;
        order.dry_run = cleaning->dry_run;
        order.context = (char *)(work->context ? work->context : "btsmark clean");
        envelope.body_case = BTSMARK__ENVELOPE__BODY_TRIM_MARKS;
        envelope.trim_marks = &order;
        s_add (&self, i, i, "");
        s_send (&self, self.asks[self.count - 1], &envelope, s_on_trimmed);
        free (order.databases);
    }
    s_wait (&self);
    s_close (&self);
}
