#include "tests/workload/checker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/workload/group.h"
#include "tests/workload/message.h"

#define S_LINES 40

const char *
bm_finding_name (bm_finding_t finding)
{
    static const char *const names[BM_FINDING_KINDS] = {
        "lost message",
        "phantom",
        "torn transaction",
        "lost event",
        "doubled event",
        "orphan event",
        "lost body",
        "doubled body",
        "orphan body",
        "lost routed message",
        "doubled routed message",
    };
    bm_require ((size_t)finding < BM_FINDING_KINDS);
    return names[finding];
}

typedef struct {
    const bm_snapshot_t *snapshot;
    int64_t began_us;
    int64_t ended_us;
    bm_verdict_t *verdict;
    const bm_ledger_entry_t *entry;
    const bm_snapshot_database_t *home;
    bool present;
} s_check_t;

static void
s_find (s_check_t *check, bm_finding_t finding, const char *where, const char *why)
{
    bm_verdict_t *verdict = check->verdict;
    verdict->counts[finding]++;
    if (verdict->findings++ >= S_LINES)
        return;
    char *longer = bm_format ("%s%s: %" PRId64 " in %s: %s\n", verdict->text,
                              bm_finding_name (finding), check->entry->number, where, why);
    free (verdict->text);
    verdict->text = longer;
}

static size_t
s_rows (const s_check_t *check, const bm_snapshot_database_t *database, bm_table_t table,
        int64_t *value)
{
    return bm_snapshot_rows (database, table, check->entry->number, value);
}

/*  An event on its way: at the source (in TrackingData, with its sequence number), at the destination, or both. */
static void
s_check_event (s_check_t *check, int id, bm_table_t tracking)
{
    const bm_snapshot_database_t *destination = bm_snapshot_destination (check->snapshot, id);
    if (!destination)
        return;
    const char *where = bm_snapshot_name (destination);
    int64_t sequence = 0;
    bool waiting = s_rows (check, check->home, tracking, &sequence) > 0;
    size_t arrived = s_rows (check, destination, BM_TABLE_EVENTS, NULL);
    char *stream = bm_format ("%s/%s", check->entry->instance, check->entry->database);
    int64_t position = bm_snapshot_position (destination, stream, id);
    free (stream);
    if (!check->present) {
        if (arrived)
            s_find (check, BM_FINDING_ORPHAN_EVENT, where, "its message is not at the source");
        return;
    }
    if (arrived > 1)
        s_find (check, BM_FINDING_DOUBLED_EVENT, where, "it stands there more than once");
    if (!waiting && !arrived)
        s_find (check, BM_FINDING_LOST_EVENT, where, "deleted at the source, not here");
    if (waiting && !arrived && sequence <= position)
        s_find (check, BM_FINDING_LOST_EVENT, where,
                "the position is beyond it, it will be skipped");
    if (waiting && arrived == 1 && sequence > position)
        s_find (check, BM_FINDING_DOUBLED_EVENT, where,
                "the position is before it, it comes again");
}

static void
s_check_body (s_check_t *check)
{
    const bm_snapshot_database_t *destination =
        bm_snapshot_destination (check->snapshot, BM_DESTINATION_DTA);
    if (!destination)
        return;
    const char *where = bm_snapshot_name (destination);
    size_t spool = s_rows (check, destination, BM_TABLE_BODY_SPOOL, NULL);
    bool whole = spool && s_rows (check, destination, BM_TABLE_BODY_PARTS, NULL) &&
                 s_rows (check, destination, BM_TABLE_BODY_FRAGMENTS, NULL) >= BM_MESSAGE_FRAGMENTS;
    if (!check->present) {
        if (spool)
            s_find (check, BM_FINDING_ORPHAN_BODY, where, "its message is not at the source");
        return;
    }
    bool referenced = s_rows (check, check->home, BM_TABLE_REFERENCES, NULL) > 0;
    bool at_home = s_rows (check, check->home, BM_TABLE_PARTS, NULL) &&
                   s_rows (check, check->home, BM_TABLE_FRAGMENTS, NULL) == BM_MESSAGE_FRAGMENTS;
    if (spool > 1)
        s_find (check, BM_FINDING_DOUBLED_BODY, where, "its spool row stands there more than once");
    if (!referenced && !whole)
        s_find (check, BM_FINDING_LOST_BODY, where, "the reference is gone, the body is not whole");
    if (referenced && !at_home)
        s_find (check, BM_FINDING_LOST_BODY, check->entry->database,
                "it is referenced, but not there");
}

static bm_status_t
s_need (s_check_t *check, const char *name, const bm_snapshot_database_t **database,
        bm_error_t *error)
{
    *database = bm_snapshot_find (check->snapshot, check->entry->instance, name);
    if (*database)
        return BM_OK;
    return bm_fail (error, BM_USAGE, "%s on %s is in the ledger, but not in the snapshot", name,
                    check->entry->instance);
}

/*  Wherever it is by now: once. */
static void
s_check_routed (s_check_t *check)
{
    const bm_ledger_entry_t *entry = check->entry;
    size_t rows = bm_snapshot_rows_everywhere (check->snapshot, BM_TABLE_ROUTED, entry->number);
    bool required = entry->acknowledged_us && entry->acknowledged_us < check->began_us;
    bool forbidden = entry->asked_us > check->ended_us;
    check->verdict->messages++;
    check->verdict->required += required;
    check->verdict->forbidden += forbidden;
    check->verdict->present += rows > 0;
    if (required && rows == 0)
        s_find (check, BM_FINDING_LOST_ROUTED, "every database", "it stands in none");
    if (rows > 1)
        s_find (check, BM_FINDING_DOUBLED_ROUTED, "every database", "it stands in more than one");
    if (forbidden && rows)
        s_find (check, BM_FINDING_PHANTOM, entry->database, "asked for after the round, and there");
}

static bm_status_t
s_check_entry (s_check_t *check, bm_error_t *error)
{
    const bm_ledger_entry_t *entry = check->entry;
    if (entry->kind == 'R') {
        s_check_routed (check);
        return BM_OK;
    }
    bm_table_t table = entry->kind == 'M' ? BM_TABLE_SPOOL : BM_TABLE_ORDERS;
    const bm_snapshot_database_t *second = NULL;
    if (s_need (check, entry->database, &check->home, error) ||
        (entry->second && s_need (check, entry->second, &second, error)))
        return BM_USAGE;
    check->present = s_rows (check, check->home, table, NULL) > 0;
    bool required = entry->acknowledged_us && entry->acknowledged_us < check->began_us;
    bool forbidden = entry->asked_us > check->ended_us;
    check->verdict->messages++;
    check->verdict->required += required;
    check->verdict->forbidden += forbidden;
    check->verdict->present += check->present;
    if (required && !check->present)
        s_find (check, BM_FINDING_LOST_MESSAGE, entry->database,
                "acknowledged before the round, and not there");
    if (forbidden && check->present)
        s_find (check, BM_FINDING_PHANTOM, entry->database, "asked for after the round, and there");
    if (second && (s_rows (check, second, table, NULL) > 0) != check->present)
        s_find (check, BM_FINDING_TORN, entry->second,
                check->present ? "missing here, present in the other" : "present only here");
    if (entry->kind == 'M') {
        s_check_event (check, BM_DESTINATION_DTA, BM_TABLE_TRACKING_DTA);
        s_check_event (check, BM_DESTINATION_BAM, BM_TABLE_TRACKING_BAM);
        s_check_body (check);
    }
    return BM_OK;
}

bm_status_t
bm_check (const bm_snapshot_t *snapshot, const bm_ledger_list_t *ledger, int64_t began_us,
          int64_t ended_us, bm_verdict_t *verdict, bm_error_t *error)
{
    *verdict = (bm_verdict_t){.text = bm_strdup ("")};
    s_check_t check = {
        .snapshot = snapshot, .began_us = began_us, .ended_us = ended_us, .verdict = verdict};
    for (size_t i = 0; i < ledger->count; i++) {
        check.entry = &ledger->items[i];
        if (s_check_entry (&check, error)) {
            bm_verdict_clear (verdict);
            return BM_USAGE;
        }
    }
    return BM_OK;
}

void
bm_verdict_clear (bm_verdict_t *verdict)
{
    free (verdict->text);
    *verdict = (bm_verdict_t){0};
}
