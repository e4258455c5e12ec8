#include <stdlib.h>

#include "interp.h"

sh_rowset_t *
sh_rowset_new (void)
{
    return sh_alloc (sizeof (sh_rowset_t));
}

void
sh_rowset_destroy (sh_rowset_t **self_p)
{
    sh_rowset_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->row_count * self->field_count; i++)
        sh_value_clear (&self->values[i]);
    for (size_t i = 0; i < self->field_count; i++)
        free ((void *)(uintptr_t)self->fields[i].name);
    free (self->values);
    free (self->fields);
    free (self);
    *self_p = NULL;
}

void
sh_rowset_add_field (sh_rowset_t *self, const char *name, sh_type_t type, bool nullable)
{
    self->fields = sh_realloc (self->fields, (self->field_count + 1) * sizeof *self->fields);
    self->fields[self->field_count++] =
        (sh_field_t){.name = sh_strdup (name ? name : ""), .type = type, .nullable = nullable};
}

sh_value_t *
sh_rowset_add_row (sh_rowset_t *self)
{
    if (self->row_count == self->row_room) {
        self->row_room = self->row_room ? self->row_room * 2 : 16;
        self->values =
            sh_realloc (self->values, self->row_room * self->field_count * sizeof *self->values);
    }
    sh_value_t *row = self->values + self->row_count++ * self->field_count;
    for (size_t i = 0; i < self->field_count; i++)
        row[i] = sh_value_null ();
    return row;
}

void
sh_rowset_push (sh_rowset_t *self, const sh_value_t *values)
{
    sh_value_t *row = sh_rowset_add_row (self);
    for (size_t i = 0; i < self->field_count; i++)
        row[i] = sh_value_copy (&values[i]);
}

const sh_value_t *
sh_rowset_row (const sh_rowset_t *self, size_t row)
{
    return self->values + row * self->field_count;
}
