#include "tests/workload/publisher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "tests/workload/message.h"

#define S_TIMEOUT_MS 60000

/*  One batch, one transaction; takes the text. */
static bm_status_t
s_run (bm_sql_t *sql, char *statements, bm_error_t *error)
{
    char *batch = bm_format ("SET NOCOUNT ON; SET XACT_ABORT ON; BEGIN TRANSACTION; %s"
                             "COMMIT TRANSACTION",
                             statements);
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, S_TIMEOUT_MS);
    bm_status_t status = bm_sql_run (sql, query, NULL, error);
    bm_sql_query_destroy (&query);
    free (batch);
    free (statements);
    return status;
}

bm_status_t
bm_publish_message (bm_sql_t *sql, const char *box, const char *second, uint32_t seed,
                    int64_t number, bm_error_t *error)
{
    char id[BM_MESSAGE_ID_BYTES];
    char part[BM_MESSAGE_ID_BYTES];
    bm_message_id (seed, number, id);
    bm_message_part_id (seed, number, part);
    char *db = bm_names_quote (box);
    char *other = second ? bm_names_quote (second) : NULL;
    char *copy = other ? bm_format ("INSERT INTO %s.dbo.Spool (uidMessageID, nvcMessageType) "
                                    "VALUES ('%s', N'copy'); ",
                                    other, id)
                       : bm_strdup ("");
    char *statements = bm_format (
        "INSERT INTO %s.dbo.Spool (uidMessageID, nvcMessageType) VALUES ('%s', N'order'); "
        "INSERT INTO %s.dbo.Parts (uidPartID, uidMessageID, nvcPart) VALUES ('%s', '%s', N'part of "
        "%" PRId64 "'); "
        "INSERT INTO %s.dbo.Fragments (uidPartID, nFragmentNumber, nvcFragment) "
        "VALUES ('%s', 1, N'first'), ('%s', 2, N'second'); "
        "INSERT INTO %s.dbo.TrackingData (nDestination, uidMessageID, nvcEvent) "
        "VALUES (0, '%s', N'received %" PRId64 "'), (1, '%s', N'activity %" PRId64 "'); "
        "INSERT INTO %s.dbo.TrackingMessageReferences (uidMessageID) VALUES ('%s'); %s",
        db, id, db, part, id, number, db, part, part, db, id, number, id, number, db, id, copy);
    free (copy);
    free (other);
    free (db);
    return s_run (sql, statements, error);
}

static char *
s_order (const char *database, int64_t number)
{
    char *db = bm_names_quote (database);
    char *text = bm_format ("INSERT INTO %s.dbo.Orders (OrderId, Item) VALUES (%" PRId64
                            ", N'item %" PRId64 "'); ",
                            db, number, number);
    free (db);
    return text;
}

bm_status_t
bm_publish_order (bm_sql_t *sql, const char *database, const char *second, int64_t number,
                  bm_error_t *error)
{
    bm_require (number > 0 && number <= BM_MESSAGE_MOST);
    char *first = s_order (database, number);
    char *other = second ? s_order (second, number) : bm_strdup ("");
    char *statements = bm_format ("%s%s", first, other);
    free (first);
    free (other);
    return s_run (sql, statements, error);
}
