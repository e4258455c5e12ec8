#include "tests/workload/router.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/names.h"
#include "tests/workload/message.h"

#define S_TIMEOUT_MS 60000
#define S_UOW_BYTES  37
#define S_PREFIX     25

struct bm_router {
    bm_route_end_t ends[BM_ROUTE_SIDES];
    char *databases[BM_ROUTE_SIDES]; /* quoted */
    bm_ledger_t *ledger;
    int pair;              /* whose messages it moves: nLane */
    char prefix[S_PREFIX]; /* of this lane's units of work */
    int64_t next;          /* the last part of the next one */
    char id[BM_MESSAGE_ID_BYTES];
    char uow[S_UOW_BYTES];
    bool decided;
};

bm_router_t *
bm_router_new (const bm_route_end_t ends[BM_ROUTE_SIDES], uint32_t seed, uint16_t lane,
               bm_ledger_t *ledger)
{
    bm_router_t *self = bm_alloc (sizeof *self);
    for (int side = 0; side < BM_ROUTE_SIDES; side++) {
        self->ends[side] = ends[side];
        self->databases[side] = bm_names_quote (ends[side].database);
    }
    self->ledger = ledger;
    self->pair = lane / 2;
    snprintf (self->prefix, sizeof self->prefix, "%08" PRIX32 "-%04X-4000-A000-", seed,
              (unsigned)lane);
    /*  After a restart of the workload no unit of work comes again. */
    self->next = bm_clock_utc_us () / 1000;
    return self;
}

void
bm_router_destroy (bm_router_t **self_p)
{
    bm_router_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (int side = 0; side < BM_ROUTE_SIDES; side++)
        free (self->databases[side]);
    free (self);
}

void
bm_router_sessions (bm_router_t *self, bm_sql_t *source, bm_sql_t *destination)
{
    self->ends[BM_ROUTE_SOURCE].sql = source;
    self->ends[BM_ROUTE_DESTINATION].sql = destination;
}

void
bm_router_abandon (bm_router_t *self)
{
    if (self)
        bm_router_sessions (self, NULL, NULL);
}

const char *
bm_router_uow (const bm_router_t *self)
{
    return self->uow;
}

/*  Takes the batch. */
static bm_status_t
s_run (bm_router_t *self, bm_route_side_t side, char *batch, bm_sql_result_t **result_p,
       bm_error_t *error)
{
    bm_sql_query_t *query = bm_sql_query_new (batch);
    bm_sql_query_timeout_ms (query, S_TIMEOUT_MS);
    bm_status_t status = bm_sql_run (self->ends[side].sql, query, result_p, error);
    bm_sql_query_destroy (&query);
    free (batch);
    return status;
}

bm_status_t
bm_router_publish (bm_router_t *self, uint32_t seed, int64_t number, bm_error_t *error)
{
    char id[BM_MESSAGE_ID_BYTES];
    const char *source = self->databases[BM_ROUTE_SOURCE];
    return s_run (
        self, BM_ROUTE_SOURCE,
        bm_format ("INSERT INTO %s.dbo.RoutedMessages (uidMessageID, nLane) VALUES ('%s', %d)",
                   source, bm_message_id (seed, number, id), self->pair),
        NULL, error);
}

bm_status_t
bm_router_read (bm_router_t *self, bool *found, bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    *found = false;
    /*  What another lane is just bringing here is not waited for. */
    bm_status_t status = s_run (
        self, BM_ROUTE_SOURCE,
        bm_format ("SELECT TOP (1) CONVERT (nvarchar(36), uidMessageID) AS id FROM "
                   "%s.dbo.RoutedMessages WITH (READPAST) WHERE nLane = %d ORDER BY dtTimeStamp",
                   self->databases[BM_ROUTE_SOURCE], self->pair),
        &result, error);
    const char *id = status ? NULL : bm_sql_result_text (result, 0, 0, "id");
    if (id) {
        snprintf (self->id, sizeof self->id, "%s", id);
        *found = true;
    }
    bm_sql_result_destroy (&result);
    return status;
}

bm_status_t
bm_router_move (bm_router_t *self, bm_error_t *error)
{
    bm_require (!self->uow[0]);
    self->decided = false;
    snprintf (self->uow, sizeof self->uow, "%s%012" PRIX64, self->prefix,
              (uint64_t)self->next++ & UINT64_C (0xFFFFFFFFFFFF));
    static const char begin[] = "SET NOCOUNT ON; SET XACT_ABORT ON; EXEC "
                                "master.dbo.sqlhost_dtc_join";
    bm_status_t status =
        s_run (self, BM_ROUTE_SOURCE,
               bm_format ("%s '%s'; DELETE FROM %s.dbo.RoutedMessages WHERE uidMessageID = '%s'; "
                          "IF @@ROWCOUNT <> 1 RAISERROR ('another router took it', 16, 1)",
                          begin, self->uow, self->databases[BM_ROUTE_SOURCE], self->id),
               NULL, error);
    if (status)
        return status;
    return s_run (self, BM_ROUTE_DESTINATION,
                  bm_format ("%s '%s'; INSERT INTO %s.dbo.RoutedMessages (uidMessageID, nLane) "
                             "VALUES ('%s', %d)",
                             begin, self->uow, self->databases[BM_ROUTE_DESTINATION], self->id,
                             self->pair),
                  NULL, error);
}

bm_status_t
bm_router_prepare (bm_router_t *self, bm_route_side_t side, bm_error_t *error)
{
    return s_run (self, side, bm_format ("EXEC master.dbo.sqlhost_dtc_prepare '%s'", self->uow),
                  NULL, error);
}

bm_status_t
bm_router_decide (bm_router_t *self, bm_error_t *error)
{
    bm_status_t status = self->ledger ? bm_ledger_decide (self->ledger, self->uow, error) : BM_OK;
    self->decided = status == BM_OK;
    return status;
}

static bm_status_t
s_commit (bm_router_t *self, bm_route_side_t side, const char *uow, bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    bm_status_t status = s_run (self, side,
                                bm_format ("DECLARE @lsn bigint; EXEC "
                                           "master.dbo.sqlhost_dtc_commit '%s', @lsn OUTPUT; "
                                           "SELECT @lsn AS lsn",
                                           uow),
                                &result, error);
    int set = status ? -1 : bm_sql_result_find (result, (const char *const[]){"lsn", NULL});
    if (set >= 0 && self->ledger)
        status = bm_ledger_branch (self->ledger, uow, self->ends[side].instance,
                                   self->ends[side].database,
                                   bm_sql_result_int (result, set, 0, "lsn", 0), error);
    bm_sql_result_destroy (&result);
    return status;
}

bm_status_t
bm_router_commit (bm_router_t *self, bm_route_side_t side, bm_error_t *error)
{
    bm_require (self->decided);
    return s_commit (self, side, self->uow, error);
}

bm_status_t
bm_router_step (bm_router_t *self, bool *found, bm_error_t *error)
{
    bm_status_t status = bm_router_read (self, found, error);
    if (status || !*found)
        return status;
    bm_route_side_t first = self->next % 2 ? BM_ROUTE_SOURCE : BM_ROUTE_DESTINATION;
    bm_route_side_t second = first == BM_ROUTE_SOURCE ? BM_ROUTE_DESTINATION : BM_ROUTE_SOURCE;
    status = bm_router_move (self, error);
    if (status == BM_OK)
        status = bm_router_prepare (self, first, error);
    if (status == BM_OK)
        status = bm_router_prepare (self, second, error);
    if (status == BM_OK)
        status = bm_router_decide (self, error);
    if (status == BM_OK)
        status = bm_router_commit (self, first, error);
    if (status == BM_OK)
        status = bm_router_commit (self, second, error);
    if (status == BM_OK)
        self->uow[0] = '\0';
    return status;
}

/*  ---- recovery ---- */

static bool
s_is_decided (const bm_router_t *self, const bm_ledger_list_t *known, const char *uow)
{
    if (self->decided && strcasecmp (uow, self->uow) == 0)
        return true;
    return known && bm_ledger_list_decided (known, uow);
}

/*  A branch whose session is just ending may still come to be prepared: it is waited for, by another try. */
static bm_status_t
s_recover_side (bm_router_t *self, bm_route_side_t side, const bm_ledger_list_t *known,
                bm_error_t *error)
{
    bm_sql_result_t *result = NULL;
    bm_status_t status = s_run (
        self, side,
        bm_format (
            "SELECT CONVERT (nvarchar(36), transaction_uow) AS uow, transaction_state AS state "
            "FROM sys.dm_tran_active_transactions WHERE transaction_state IN (2, 5) AND "
            "CONVERT (nvarchar(36), transaction_uow) LIKE '%s%%'",
            self->prefix),
        &result, error);
    size_t count = status ? 0 : bm_sql_result_rows (result, 0);
    for (size_t i = 0; status == BM_OK && i < count; i++) {
        const char *uow = bm_sql_result_text (result, 0, i, "uow");
        if (bm_sql_result_int (result, 0, i, "state", 0) != 5)
            status = bm_fail (error, BM_SQL_FAILED, "%s is still ending on %s", uow,
                              self->ends[side].instance);
        else if (s_is_decided (self, known, uow))
            status = s_commit (self, side, uow, error);
        else
            status =
                s_run (self, side, bm_format ("EXEC master.dbo.sqlhost_dtc_rollback '%s'", uow),
                       NULL, error);
    }
    bm_sql_result_destroy (&result);
    return status;
}

bm_status_t
bm_router_recover (bm_router_t *self, const bm_ledger_list_t *known, bm_error_t *error)
{
    bm_status_t status = s_recover_side (self, BM_ROUTE_SOURCE, known, error);
    if (status == BM_OK)
        status = s_recover_side (self, BM_ROUTE_DESTINATION, known, error);
    if (status == BM_OK)
        self->uow[0] = '\0';
    return status;
}
