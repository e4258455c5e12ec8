/*  Results and messages: to the client, or into the rows that INSERT ... EXEC collects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interp.h"

static void
s_sent (sh_session_t *self, bool ok)
{
    if (!ok)
        self->sink_gone = true;
}

static bool
s_capture_columns (sh_session_t *self, const sh_field_t *fields, size_t count)
{
    sh_rowset_t *rows = self->capture;
    if (!rows->field_count) {
        for (size_t i = 0; i < count; i++)
            sh_rowset_add_field (rows, fields[i].name, fields[i].type, true);
        return true;
    }
    if (rows->field_count == count)
        return true;
    self->capture_failed = true;
    return false;
}

bool
sh_out_columns (sh_session_t *self, const sh_field_t *fields, size_t count)
{
    if (self->capture)
        return s_capture_columns (self, fields, count);
    sh_sink_column_t *columns = sh_alloc ((count + 1) * sizeof *columns);
    for (size_t i = 0; i < count; i++)
        columns[i] = (sh_sink_column_t){.name = fields[i].name,
                                        .type = fields[i].type,
                                        .nullable = fields[i].nullable,
                                        .identity = fields[i].identity};
    s_sent (self, self->sink->columns (self->sink, columns, count));
    self->columns_open = true;
    free (columns);
    return !self->sink_gone;
}

/*  Captured rows are brought to the types of the first result. */
static void
s_capture_row (sh_session_t *self, const sh_value_t *values, size_t count)
{
    if (!self->capture_failed && self->capture->field_count == count)
        sh_rowset_push (self->capture, values);
}

bool
sh_out_row (sh_session_t *self, const sh_value_t *values, size_t count)
{
    if (self->capture) {
        s_capture_row (self, values, count);
        return true;
    }
    s_sent (self, self->sink->row (self->sink, values, count));
    return !self->sink_gone;
}

void
sh_out_done (sh_session_t *self, uint16_t command, bool counted, int64_t rows)
{
    unsigned flags = 0;
    if (self->capture || (self->frame && (self->frame->is_function || self->frame->is_trigger)))
        return;
    if (counted && !self->set.nocount)
        flags |= SH_DONE_COUNT;
    if (self->frame && self->frame->level > 0)
        flags |= SH_DONE_IN_PROC;
    if (self->trancount > 0)
        flags |= SH_DONE_IN_XACT;
    self->columns_open = false;
    s_sent (self, self->sink->done (self->sink, flags, command, rows));
}

/*  A failed statement ends with a DONE too; after columns it must, also when a CATCH goes on. Then no ERROR token went out,
 *  and DONE_ERROR is set behind one only (MS-TDS 2.2.7.6). */
void
sh_out_failed (sh_session_t *self, bool caught)
{
    if (self->capture || self->sink_gone || (caught && !self->columns_open))
        return;
    self->columns_open = false;
    unsigned flags = (caught ? 0u : SH_DONE_ERROR) |
                     (self->frame && self->frame->level > 0 ? SH_DONE_IN_PROC : 0u) |
                     (self->trancount > 0 ? SH_DONE_IN_XACT : 0u);
    s_sent (self, self->sink->done (self->sink, flags, SH_COMMAND_NONE, 0));
}

void
sh_out_rowset (sh_session_t *self, const sh_rowset_t *rows)
{
    if (!sh_out_columns (self, rows->fields, rows->field_count))
        return;
    for (size_t i = 0; i < rows->row_count && !self->sink_gone; i++)
        sh_out_row (self, sh_rowset_row (rows, i), rows->field_count);
}

void
sh_out_message (sh_session_t *self, const sh_error_t *error, int line)
{
    const sh_frame_t *frame = self->frame;
    sh_message_t message = {.number = error->number,
                            .state = (uint8_t)(error->state & 255),
                            .severity = (uint8_t)(error->severity & 255),
                            .procedure = frame ? frame->procedure : NULL,
                            .line = line > 0 ? (uint32_t)line : 0,
                            .text = error->text};
    s_sent (self, self->sink->message (self->sink, &message));
}

void
sh_out_info (sh_session_t *self, int number, const char *format, ...)
{
    sh_error_t message = {.number = number, .severity = number ? 10 : 0, .state = 1};
    va_list args;
    va_start (args, format);
    vsnprintf (message.text, sizeof message.text, format, args);
    va_end (args);
    sh_out_message (self, &message, self->frame ? self->frame->statement_line : 0);
}

void
sh_out_transaction (sh_session_t *self, sh_tran_t what, int64_t id)
{
    s_sent (self, self->sink->env_transaction (self->sink, what, (uint64_t)id));
}
