#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/names.h"
#include "common/sql_internal.h"

bm_sql_result_t *
bm_sql_result_new (void)
{
    return bm_alloc (sizeof (bm_sql_result_t));
}

static void
s_destroy_set (bm_sql_set_t *set)
{
    for (size_t i = 0; i < set->column_count; i++)
        free (set->columns[i]);
    for (size_t i = 0; i < set->row_count * set->column_count; i++)
        free (set->values[i]);
    free (set->columns);
    free (set->values);
}

void
bm_sql_messages_clear (bm_sql_messages_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free (self->items[i].procedure);
        free (self->items[i].text);
    }
    free (self->items);
    *self = (bm_sql_messages_t){0};
}

void
bm_sql_result_destroy (bm_sql_result_t **self_p)
{
    bm_sql_result_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->set_count; i++)
        s_destroy_set (&self->sets[i]);
    for (size_t i = 0; i < self->output_count; i++) {
        free (self->output_names[i]);
        free (self->output_values[i]);
    }
    free (self->sets);
    free (self->output_names);
    free (self->output_values);
    bm_sql_messages_clear (&self->messages);
    free (self);
}

bm_sql_set_t *
bm_sql_result_add_set (bm_sql_result_t *self, DBPROCESS *process)
{
    self->sets = bm_realloc (self->sets, (self->set_count + 1) * sizeof *self->sets);
    bm_sql_set_t *set = &self->sets[self->set_count++];
    *set = (bm_sql_set_t){.column_count = (size_t)dbnumcols (process)};
    set->columns = bm_alloc (set->column_count * sizeof *set->columns);
    for (size_t i = 0; i < set->column_count; i++) {
        const char *name = dbcolname (process, (int)i + 1);
        set->columns[i] = bm_strdup (name ? name : "");
    }
    return set;
}

void
bm_sql_set_add_row (bm_sql_set_t *self, char **values)
{
    if (self->row_count == self->row_capacity) {
        self->row_capacity = self->row_capacity ? 2 * self->row_capacity : 8;
        self->values = bm_realloc (self->values,
                                   self->row_capacity * self->column_count * sizeof *self->values);
    }
    memcpy (self->values + self->row_count++ * self->column_count, values,
            self->column_count * sizeof *values);
}

void
bm_sql_result_add_output (bm_sql_result_t *self, const char *name, char *value)
{
    self->output_count++;
    self->output_names =
        bm_realloc (self->output_names, self->output_count * sizeof *self->output_names);
    self->output_values =
        bm_realloc (self->output_values, self->output_count * sizeof *self->output_values);
    self->output_names[self->output_count - 1] = bm_strdup (name);
    self->output_values[self->output_count - 1] = value;
}

void
bm_sql_result_take_outputs (bm_sql_result_t *self)
{
    if (self->set_count == 0)
        return;
    bm_sql_set_t *set = &self->sets[self->set_count - 1];
    if (set->row_count != 1 || strcmp (set->columns[0], "bm_return") != 0)
        return;
    self->has_return = set->values[0] != NULL;
    self->return_status = self->has_return ? (int32_t)strtol (set->values[0], NULL, 10) : 0;
    for (size_t i = 1; i < set->column_count; i++)
        bm_sql_result_add_output (self, set->columns[i], bm_strdup (set->values[i]));
    s_destroy_set (set);
    self->set_count--;
}

size_t
bm_sql_result_sets (const bm_sql_result_t *self)
{
    return self ? self->set_count : 0;
}

static int
s_column (const bm_sql_set_t *set, const char *name)
{
    for (size_t i = 0; i < set->column_count; i++)
        if (bm_names_equal (set->columns[i], name))
            return (int)i;
    return -1;
}

int
bm_sql_result_find (const bm_sql_result_t *self, const char *const *columns)
{
    for (size_t i = 0; i < bm_sql_result_sets (self); i++) {
        size_t found = 0;
        while (columns[found] && s_column (&self->sets[i], columns[found]) >= 0)
            found++;
        if (!columns[found])
            return (int)i;
    }
    return -1;
}

size_t
bm_sql_result_rows (const bm_sql_result_t *self, int set)
{
    if (set < 0 || (size_t)set >= bm_sql_result_sets (self))
        return 0;
    return self->sets[set].row_count;
}

const char *
bm_sql_result_text (const bm_sql_result_t *self, int set, size_t row, const char *column)
{
    if (row >= bm_sql_result_rows (self, set))
        return NULL;
    const bm_sql_set_t *from = &self->sets[set];
    int index = s_column (from, column);
    return index < 0 ? NULL : from->values[row * from->column_count + (size_t)index];
}

int64_t
bm_sql_result_int (const bm_sql_result_t *self, int set, size_t row, const char *column,
                   int64_t when_null)
{
    const char *text = bm_sql_result_text (self, set, row, column);
    return text ? strtoll (text, NULL, 10) : when_null;
}

bool
bm_sql_result_has_return (const bm_sql_result_t *self)
{
    return self && self->has_return;
}

int32_t
bm_sql_result_return (const bm_sql_result_t *self)
{
    return self ? self->return_status : 0;
}

const char *
bm_sql_result_output (const bm_sql_result_t *self, const char *parameter)
{
    for (size_t i = 0; self && i < self->output_count; i++)
        if (bm_names_equal (self->output_names[i], parameter))
            return self->output_values[i];
    return NULL;
}

const bm_sql_messages_t *
bm_sql_result_messages (const bm_sql_result_t *self)
{
    return self ? &self->messages : NULL;
}

const bm_sql_message_t *
bm_sql_result_message (const bm_sql_result_t *self, int number)
{
    for (size_t i = 0; self && i < self->messages.count; i++)
        if (self->messages.items[i].number == number)
            return &self->messages.items[i];
    return NULL;
}

/*  Messages that follow a cause and never are one. */
static bool
s_is_consequence (int number)
{
    static const int numbers[] = {
        3013,                   /* BACKUP or RESTORE is terminating abnormally */
        3041,                   /* BACKUP failed to complete */
        3621,                   /* the statement has been terminated */
        3998, 3930, 3931, 3609, /* the transaction cannot be committed any more */
        266,                    /* transaction counts differ after EXECUTE */
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

const bm_sql_message_t *
bm_sql_messages_cause (const bm_sql_messages_t *self)
{
    const bm_sql_message_t *consequence = NULL;
    for (size_t i = 0; i < self->count; i++) {
        const bm_sql_message_t *message = &self->items[i];
        if (message->severity <= 10)
            continue;
        if (!s_is_consequence (message->number))
            return message;
        if (!consequence)
            consequence = message;
    }
    return consequence;
}

const bm_sql_message_t *
bm_sql_result_cause (const bm_sql_result_t *self)
{
    return self ? bm_sql_messages_cause (&self->messages) : NULL;
}

static bm_sql_message_t
s_copy (const bm_sql_message_t *message)
{
    const char *text = message->text ? message->text : "";
    const char *procedure = message->procedure ? message->procedure : "";
    bm_sql_message_t copy = *message;
    copy.text = bm_sql_text_dup (text, strlen (text), BM_LIMIT_MESSAGE_BYTES);
    copy.procedure = bm_sql_text_dup (procedure, strlen (procedure), BM_LIMIT_NAME_BYTES);
    return copy;
}

void
bm_sql_messages_add (bm_sql_messages_t *self, const bm_sql_message_t *message)
{
    const size_t half = BM_LIMIT_MESSAGES / 2;
    if (self->count == BM_LIMIT_MESSAGES) { /* the oldest of the last ones goes */
        free (self->items[half].procedure);
        free (self->items[half].text);
        memmove (self->items + half, self->items + half + 1,
                 (BM_LIMIT_MESSAGES - half - 1) * sizeof *self->items);
        self->count--;
        self->dropped++;
    }
    self->items = bm_realloc (self->items, (self->count + 1) * sizeof *self->items);
    self->items[self->count++] = s_copy (message);
}

bm_sql_messages_t *
bm_sql_messages_dup (const bm_sql_messages_t *self)
{
    bm_sql_messages_t *copy = bm_alloc (sizeof *copy);
    for (size_t i = 0; self && i < self->count; i++)
        bm_sql_messages_add (copy, &self->items[i]);
    copy->dropped = self ? self->dropped : 0;
    return copy;
}

void
bm_sql_messages_destroy (bm_sql_messages_t **self_p)
{
    if (*self_p)
        bm_sql_messages_clear (*self_p);
    free (*self_p);
    *self_p = NULL;
}
