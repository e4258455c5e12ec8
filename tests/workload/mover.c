#include "tests/workload/mover.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "tests/workload/group.h"

#define S_TIMEOUT_MS 60000

struct bm_mover {
    bm_sql_t *source;
    bm_sql_t *destination;
    char *source_db; /* quoted */
    char *destination_db;
    char *stream;
    int id;
    int64_t position; /* lastSeqNum at the destination */
    bool has_row;     /* of TDDS_StreamStatus */
    bm_sql_result_t *events;
    int set;
};

bm_mover_t *
bm_mover_new (bm_sql_t *source, const char *source_database, const char *stream,
              bm_sql_t *destination, const char *destination_database, int destination_id)
{
    bm_mover_t *self = bm_alloc (sizeof *self);
    self->source = source;
    self->destination = destination;
    self->source_db = bm_names_quote (source_database);
    self->destination_db = bm_names_quote (destination_database);
    self->stream = bm_strdup (stream);
    self->id = destination_id;
    return self;
}

void
bm_mover_destroy (bm_mover_t **self_p)
{
    bm_mover_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    bm_sql_result_destroy (&self->events);
    free (self->source_db);
    free (self->destination_db);
    free (self->stream);
    free (self);
}

/*  Runs a batch with @stream and takes it. */
static bm_status_t
s_run (const bm_mover_t *self, bm_sql_t *sql, char *batch, bm_sql_result_t **result_p,
       bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_text (query, "@stream", self->stream);
    bm_sql_query_inline (query);
    bm_sql_query_timeout_ms (query, S_TIMEOUT_MS);
    bm_status_t status = bm_sql_run (sql, query, result_p, error);
    bm_sql_query_destroy (&query);
    free (batch);
    return status;
}

static bm_status_t
s_read_position (bm_mover_t *self, bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    bm_status_t status =
        s_run (self, self->destination,
               bm_format ("SELECT lastSeqNum FROM %s.dbo.TDDS_StreamStatus WHERE serverName = "
                          "@stream AND destinationId = %d AND partitionId = 0",
                          self->destination_db, self->id),
               &result, error);
    if (status == BM_OK) {
        self->has_row = bm_sql_result_rows (result, 0) > 0;
        self->position = bm_sql_result_int (result, 0, 0, "lastSeqNum", 0);
    }
    bm_sql_result_destroy (&result);
    return status;
}

bm_status_t
bm_mover_read (bm_mover_t *self, size_t most, size_t *count, bm_error_t *error)
{
    *count = 0;
    bm_sql_result_destroy (&self->events);
    bm_status_t status = s_read_position (self, error);
    if (status)
        return status;
    status = s_run (self, self->source,
                    bm_format ("SELECT TOP (%zu) nSequence, uidMessageID, nvcEvent FROM "
                               "%s.dbo.TrackingData WHERE nDestination = %d AND nSequence > "
                               "%" PRId64 " ORDER BY nSequence",
                               most, self->source_db, self->id, self->position),
                    &self->events, error);
    self->set = bm_sql_result_find (self->events, (const char *const[]){"nSequence", NULL});
    if (status == BM_OK)
        *count = bm_sql_result_rows (self->events, self->set);
    return status;
}

/*  "(@stream, 17, 'id', N'event'), ..." */
static char *
s_rows (const bm_mover_t *self)
{
    char *text = bm_strdup ("");
    size_t count = bm_sql_result_rows (self->events, self->set);
    for (size_t i = 0; i < count; i++) {
        const char *event = bm_sql_result_text (self->events, self->set, i, "nvcEvent");
        char *literal = bm_names_literal (event ? event : "");
        char *longer =
            bm_format ("%s%s(@stream, %" PRId64 ", '%s', %s)", text, i ? ", " : "",
                       bm_sql_result_int (self->events, self->set, i, "nSequence", 0),
                       bm_sql_result_text (self->events, self->set, i, "uidMessageID"), literal);
        free (literal);
        free (text);
        text = longer;
    }
    return text;
}

bm_status_t
bm_mover_write_destination (bm_mover_t *self, bm_error_t *error)
{
    size_t count = bm_sql_result_rows (self->events, self->set);
    if (count == 0)
        return BM_OK;
    int64_t last = bm_sql_result_int (self->events, self->set, count - 1, "nSequence", 0);
    char *position =
        self->has_row
            ? bm_format ("UPDATE %s.dbo.TDDS_StreamStatus SET lastSeqNum = %" PRId64
                         " WHERE serverName = @stream AND destinationId = %d AND partitionId = 0",
                         self->destination_db, last, self->id)
            : bm_format ("INSERT INTO %s.dbo.TDDS_StreamStatus (serverName, destinationId, "
                         "partitionId, lastSeqNum) VALUES (@stream, %d, 0, %" PRId64 ")",
                         self->destination_db, self->id, last);
    char *rows = s_rows (self);
    char *batch = bm_format ("SET NOCOUNT ON; SET XACT_ABORT ON; BEGIN TRANSACTION; %s; "
                             "INSERT INTO %s.dbo.%s (nvcSource, nSequence, uidMessageID, nvcEvent) "
                             "VALUES %s; COMMIT TRANSACTION",
                             position, self->destination_db, bm_work_events_table (self->id), rows);
    free (rows);
    free (position);
    bm_status_t status = s_run (self, self->destination, batch, NULL, error);
    if (status == BM_OK) {
        self->position = last;
        self->has_row = true;
    }
    return status;
}

bm_status_t
bm_mover_delete_source (bm_mover_t *self, bm_error_t *error)
{
    return s_run (self, self->source,
                  bm_format ("SET NOCOUNT ON; SET XACT_ABORT ON; BEGIN TRANSACTION; DELETE FROM "
                             "%s.dbo.TrackingData WHERE nDestination = %d AND nSequence <= "
                             "%" PRId64 "; COMMIT TRANSACTION",
                             self->source_db, self->id, self->position),
                  NULL, error);
}

bm_status_t
bm_mover_step (bm_mover_t *self, size_t most, size_t *count, bm_error_t *error)
{
    bm_status_t status = bm_mover_read (self, most, count, error);
    if (status == BM_OK)
        status = bm_mover_write_destination (self, error);
    if (status == BM_OK && self->has_row)
        status = bm_mover_delete_source (self, error);
    return status;
}
