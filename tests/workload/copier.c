#include "tests/workload/copier.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"

#define S_TIMEOUT_MS 60000

struct bm_copier {
    bm_sql_t *source;
    bm_sql_t *destination;
    char *source_db; /* quoted */
    char *destination_db;
    char *ids; /* "'a', 'b'" of the messages that were read */
    bm_sql_result_t *messages;
    bm_sql_result_t *parts;
    bm_sql_result_t *fragments;
};

bm_copier_t *
bm_copier_new (bm_sql_t *source, const char *source_database, bm_sql_t *destination,
               const char *destination_database)
{
    bm_copier_t *self = bm_alloc (sizeof *self);
    self->source = source;
    self->destination = destination;
    self->source_db = bm_names_quote (source_database);
    self->destination_db = bm_names_quote (destination_database);
    return self;
}

static void
s_forget (bm_copier_t *self)
{
    bm_sql_result_destroy (&self->messages);
    bm_sql_result_destroy (&self->parts);
    bm_sql_result_destroy (&self->fragments);
    free (self->ids);
    self->ids = NULL;
}

void
bm_copier_destroy (bm_copier_t **self_p)
{
    bm_copier_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    s_forget (self);
    free (self->source_db);
    free (self->destination_db);
    free (self);
}

/*  Runs a batch and takes it. */
static bm_status_t
s_run (bm_sql_t *sql, char *batch, bm_sql_result_t **result_p, bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, S_TIMEOUT_MS);
    bm_status_t status = bm_sql_run (sql, query, result_p, error);
    bm_sql_query_destroy (&query);
    free (batch);
    return status;
}

/*  Adds a piece and frees it. */
static void
s_add (char **text_p, const char *separator, char *piece)
{
    char *longer = bm_format ("%s%s%s", *text_p, **text_p ? separator : "", piece);
    free (piece);
    free (*text_p);
    *text_p = longer;
}

bm_status_t
bm_copier_read (bm_copier_t *self, size_t most, size_t *count, bm_error_t *error)
{
    *count = 0;
    s_forget (self);
    bm_status_t status =
        s_run (self->source,
               bm_format ("SELECT TOP (%zu) r.uidMessageID AS id, s.nvcMessageType AS type FROM "
                          "%s.dbo.TrackingMessageReferences AS r JOIN %s.dbo.Spool AS s ON "
                          "s.uidMessageID = r.uidMessageID ORDER BY r.dtTimeStamp",
                          most, self->source_db, self->source_db),
               &self->messages, error);
    size_t found = status ? 0 : bm_sql_result_rows (self->messages, 0);
    if (found == 0)
        return status;
    self->ids = bm_strdup ("");
    for (size_t i = 0; i < found; i++)
        s_add (&self->ids, ", ",
               bm_format ("'%s'", bm_sql_result_text (self->messages, 0, i, "id")));
    status = s_run (self->source,
                    bm_format ("SELECT uidPartID AS part, uidMessageID AS id, nvcPart AS body FROM "
                               "%s.dbo.Parts WHERE uidMessageID IN (%s)",
                               self->source_db, self->ids),
                    &self->parts, error);
    if (status == BM_OK)
        status = s_run (self->source,
                        bm_format ("SELECT f.uidPartID AS part, f.nFragmentNumber AS number, "
                                   "f.nvcFragment AS body FROM %s.dbo.Fragments AS f JOIN "
                                   "%s.dbo.Parts AS p ON p.uidPartID = f.uidPartID WHERE "
                                   "p.uidMessageID IN (%s)",
                                   self->source_db, self->source_db, self->ids),
                        &self->fragments, error);
    if (status == BM_OK)
        *count = found;
    return status;
}

/*  Values of two columns as 'id' and N'text' literals. */
static char *
s_text (const bm_sql_result_t *result, size_t row, const char *column)
{
    const char *value = bm_sql_result_text (result, 0, row, column);
    return bm_names_literal (value ? value : "");
}

bm_status_t
bm_copier_write_parts (bm_copier_t *self, bm_error_t *error)
{
    char *batch = bm_strdup ("");
    for (size_t i = 0; i < bm_sql_result_rows (self->parts, 0); i++) {
        const char *part = bm_sql_result_text (self->parts, 0, i, "part");
        char *body = s_text (self->parts, i, "body");
        s_add (&batch, "; ",
               bm_format ("IF NOT EXISTS (SELECT 1 FROM %s.dbo.Tracking_Parts1 WHERE uidPartID = "
                          "'%s') INSERT INTO %s.dbo.Tracking_Parts1 (uidPartID, uidMessageID, "
                          "nvcPart) VALUES ('%s', '%s', %s)",
                          self->destination_db, part, self->destination_db, part,
                          bm_sql_result_text (self->parts, 0, i, "id"), body));
        free (body);
    }
    return s_run (self->destination, batch, NULL, error);
}

bm_status_t
bm_copier_write_fragments (bm_copier_t *self, bm_error_t *error)
{
    char *batch = bm_strdup ("");
    for (size_t i = 0; i < bm_sql_result_rows (self->fragments, 0); i++) {
        const char *part = bm_sql_result_text (self->fragments, 0, i, "part");
        const char *number = bm_sql_result_text (self->fragments, 0, i, "number");
        char *body = s_text (self->fragments, i, "body");
        s_add (&batch, "; ",
               bm_format ("IF NOT EXISTS (SELECT 1 FROM %s.dbo.Tracking_Fragments1 WHERE "
                          "uidPartID = '%s' AND nFragmentNumber = %s) INSERT INTO "
                          "%s.dbo.Tracking_Fragments1 (uidPartID, nFragmentNumber, nvcFragment) "
                          "VALUES ('%s', %s, %s)",
                          self->destination_db, part, number, self->destination_db, part, number,
                          body));
        free (body);
    }
    return s_run (self->destination, batch, NULL, error);
}

bm_status_t
bm_copier_write_spool (bm_copier_t *self, bm_error_t *error)
{
    char *batch = bm_strdup ("");
    for (size_t i = 0; i < bm_sql_result_rows (self->messages, 0); i++) {
        const char *id = bm_sql_result_text (self->messages, 0, i, "id");
        char *type = s_text (self->messages, i, "type");
        s_add (&batch, "; ",
               bm_format ("IF NOT EXISTS (SELECT 1 FROM %s.dbo.Tracking_Spool1 WHERE uidMessageID "
                          "= '%s') INSERT INTO %s.dbo.Tracking_Spool1 (uidMessageID, "
                          "nvcMessageType) VALUES ('%s', %s)",
                          self->destination_db, id, self->destination_db, id, type));
        free (type);
    }
    return s_run (self->destination, batch, NULL, error);
}

bm_status_t
bm_copier_delete_source (bm_copier_t *self, bm_error_t *error)
{
    if (!self->ids)
        return BM_OK;
    return s_run (
        self->source,
        bm_format ("SET NOCOUNT ON; SET XACT_ABORT ON; BEGIN TRANSACTION; "
                   "DELETE FROM %s.dbo.Fragments WHERE uidPartID IN (SELECT uidPartID FROM "
                   "%s.dbo.Parts WHERE uidMessageID IN (%s)); "
                   "DELETE FROM %s.dbo.Parts WHERE uidMessageID IN (%s); "
                   "DELETE FROM %s.dbo.TrackingMessageReferences WHERE uidMessageID IN (%s); "
                   "COMMIT TRANSACTION",
                   self->source_db, self->source_db, self->ids, self->source_db, self->ids,
                   self->source_db, self->ids),
        NULL, error);
}

bm_status_t
bm_copier_step (bm_copier_t *self, size_t most, size_t *count, bm_error_t *error)
{
    bm_status_t status = bm_copier_read (self, most, count, error);
    if (status || *count == 0)
        return status;
    status = bm_copier_write_parts (self, error);
    if (status == BM_OK)
        status = bm_copier_write_fragments (self, error);
    if (status == BM_OK)
        status = bm_copier_write_spool (self, error);
    if (status == BM_OK)
        status = bm_copier_delete_source (self, error);
    return status;
}
