/*  Cuts made by hand: one message, at every stage of its way, whole and broken. */
#include <inttypes.h>

#include "tests/unit/common/tests.h"
#include "tests/workload/checker.h"
#include "tests/workload/message.h"

#define BOX   "SQL02", "BizTalkMsgBoxDb"
#define BOX2  "SQL02", "BizTalkMsgBoxDb2"
#define DTA   "SQL03", "BizTalkDTADb"
#define BAM   "SQL03", "BAMPrimaryImport"
#define BEGAN 1000
#define ENDED 2000

typedef struct {
    bm_snapshot_t *snapshot;
    bm_ledger_list_t ledger;
    bm_verdict_t verdict;
} s_case_t;

static void
s_row (s_case_t *self, const char *instance, const char *database, const char *table,
       int64_t number, const char *extra, const char *value, const char *destination)
{
    char id[BM_MESSAGE_ID_BYTES];
    char part[BM_MESSAGE_ID_BYTES];
    char order[32];
    bm_message_id (1, number, id);
    bm_message_part_id (1, number, part);
    snprintf (order, sizeof order, "%" PRId64, number);
    const char *columns[] = {"uidMessageID", "uidPartID", "OrderId", extra, "nDestination"};
    const char *values[] = {id, part, order, value, destination};
    bm_snapshot_add_row (self->snapshot, instance, database, table, 5, columns, values);
}

static void
s_position (s_case_t *self, const char *instance, const char *database, const char *stream,
            const char *destination, const char *position)
{
    const char *columns[] = {"serverName", "destinationId", "partitionId", "lastSeqNum"};
    const char *values[] = {stream, destination, "0", position};
    bm_snapshot_add_row (self->snapshot, instance, database, "TDDS_StreamStatus", 4, columns,
                         values);
}

static void
s_event (s_case_t *self, const char *instance, const char *database, const char *table)
{
    s_row (self, instance, database, table, 1, "nSequence", "7", NULL);
}

static void
s_waiting (s_case_t *self, const char *destination)
{
    s_row (self, BOX, "TrackingData", 1, "nSequence", "7", destination);
}

static void
s_body_at_home (s_case_t *self)
{
    s_row (self, BOX, "TrackingMessageReferences", 1, "x", NULL, NULL);
    s_row (self, BOX, "Parts", 1, "x", NULL, NULL);
    s_row (self, BOX, "Fragments", 1, "nFragmentNumber", "1", NULL);
    s_row (self, BOX, "Fragments", 1, "nFragmentNumber", "2", NULL);
}

static void
s_body_parts_copied (s_case_t *self)
{
    s_row (self, DTA, "Tracking_Parts1", 1, "x", NULL, NULL);
    s_row (self, DTA, "Tracking_Fragments1", 1, "nFragmentNumber", "1", NULL);
    s_row (self, DTA, "Tracking_Fragments1", 1, "nFragmentNumber", "2", NULL);
}

static void
s_body_copied (s_case_t *self)
{
    s_body_parts_copied (self);
    s_row (self, DTA, "Tracking_Spool1", 1, "x", NULL, NULL);
}

/*  The group without a row, and message 1 in the ledger: asked at 100, acknowledged at 200. */
static int
s_setup (void **state)
{
    s_case_t *self = bm_alloc (sizeof *self);
    self->snapshot = bm_snapshot_new ();
    bm_snapshot_add_database (self->snapshot, BOX);
    bm_snapshot_add_database (self->snapshot, BOX2);
    bm_snapshot_add_table (self->snapshot, DTA, "dta_MessageInOutEvents");
    bm_snapshot_add_table (self->snapshot, BAM, "bam_Events");
    bm_ledger_entry_t *entry =
        bm_ledger_list_add (&self->ledger, 1, 'M', "SQL02", "BizTalkMsgBoxDb", "BizTalkMsgBoxDb2");
    entry->asked_us = 100;
    entry->acknowledged_us = 200;
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    s_case_t *self = *state;
    bm_verdict_clear (&self->verdict);
    bm_ledger_list_clear (&self->ledger);
    bm_snapshot_destroy (&self->snapshot);
    free (self);
    return 0;
}

/*  Message 1 is there, in both MessageBoxes. */
static void
s_published (s_case_t *self)
{
    s_row (self, BOX, "Spool", 1, "x", NULL, NULL);
    s_row (self, BOX2, "Spool", 1, "x", NULL, NULL);
}

/*  Its activity event has arrived in BAMPrimaryImport and its body in BizTalkDTADb. */
static void
s_rest_arrived (s_case_t *self)
{
    s_event (self, BAM, "bam_Events");
    s_position (self, BAM, "SQL02/BizTalkMsgBoxDb", "1", "7");
    s_body_copied (self);
}

static void
s_verdict (s_case_t *self)
{
    bm_error_t error = {0};
    bm_verdict_clear (&self->verdict);
    if (bm_check (self->snapshot, &self->ledger, BEGAN, ENDED, &self->verdict, &error))
        fail_msg ("%s", error.text);
}

static void
s_good (s_case_t *self)
{
    s_verdict (self);
    if (self->verdict.findings)
        fail_msg ("%s", self->verdict.text);
}

/*  Exactly that finding, and no other. */
static void
s_bad (s_case_t *self, bm_finding_t finding)
{
    s_verdict (self);
    if (self->verdict.findings != 1 || self->verdict.counts[finding] != 1)
        fail_msg ("expected one %s, got %zu:\n%s", bm_finding_name (finding),
                  self->verdict.findings, self->verdict.text);
    assert_non_null (strstr (self->verdict.text, bm_finding_name (finding)));
}

static void
a_message_that_waits_at_its_source_is_good (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_waiting (*state, "1");
    s_body_at_home (*state);
    s_good (*state);
    s_case_t *self = *state;
    assert_int_equal (self->verdict.messages, 1);
    assert_int_equal (self->verdict.required, 1);
    assert_int_equal (self->verdict.present, 1);
    assert_string_equal (self->verdict.text, "");
}

static void
a_message_that_has_arrived_is_good (void **state)
{
    s_published (*state);
    s_event (*state, DTA, "dta_MessageInOutEvents");
    s_position (*state, DTA, "SQL02/BizTalkMsgBoxDb", "0", "7");
    s_rest_arrived (*state);
    s_good (*state);
}

static void
a_message_between_its_two_transactions_is_healed_by_the_position (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_event (*state, DTA, "dta_MessageInOutEvents");
    s_position (*state, DTA, "SQL02/BizTalkMsgBoxDb", "0", "7");
    s_rest_arrived (*state);
    s_body_at_home (*state); /* copied, the reference not yet deleted */
    s_good (*state);
}

static void
half_a_body_is_good_while_its_reference_is_there (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_waiting (*state, "1");
    s_body_at_home (*state);
    s_body_parts_copied (*state);
    s_good (*state);
}

static void
a_message_acknowledged_before_the_round_must_be_there (void **state)
{
    s_bad (*state, BM_FINDING_LOST_MESSAGE);
}

static void
a_message_acknowledged_in_the_round_may_be_missing (void **state)
{
    s_case_t *self = *state;
    self->ledger.items[0].acknowledged_us = BEGAN;
    s_good (self);
    self->ledger.items[0].acknowledged_us = BEGAN - 1;
    s_bad (self, BM_FINDING_LOST_MESSAGE);
    self->ledger.items[0].acknowledged_us = 0; /* unknown */
    s_good (self);
}

static void
a_message_asked_for_after_the_round_must_not_be_there (void **state)
{
    s_case_t *self = *state;
    s_published (self);
    s_waiting (self, "0");
    s_waiting (self, "1");
    s_body_at_home (self);
    self->ledger.items[0].acknowledged_us = ENDED + 500;
    self->ledger.items[0].asked_us = ENDED;
    s_good (self);
    self->ledger.items[0].asked_us = ENDED + 1;
    s_bad (self, BM_FINDING_PHANTOM);
    assert_int_equal (self->verdict.forbidden, 1);
}

static void
a_transaction_over_two_databases_is_in_both_or_none (void **state)
{
    s_case_t *self = *state;
    s_row (self, BOX, "Spool", 1, "x", NULL, NULL);
    s_waiting (self, "0");
    s_waiting (self, "1");
    s_body_at_home (self);
    s_bad (self, BM_FINDING_TORN);
}

static void
a_transaction_that_is_only_in_the_second_database_is_torn (void **state)
{
    s_case_t *self = *state;
    self->ledger.items[0].acknowledged_us = 0;
    s_row (self, BOX2, "Spool", 1, "x", NULL, NULL);
    s_bad (self, BM_FINDING_TORN);
}

static void
an_event_at_neither_end_is_lost (void **state)
{
    s_published (*state);
    s_rest_arrived (*state);
    s_bad (*state, BM_FINDING_LOST_EVENT);
}

static void
an_event_behind_the_position_that_did_not_arrive_is_lost (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_position (*state, DTA, "SQL02/BizTalkMsgBoxDb", "0", "7");
    s_rest_arrived (*state);
    s_bad (*state, BM_FINDING_LOST_EVENT);
}

static void
the_position_of_another_stream_says_nothing (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_position (*state, DTA, "SQL02/BizTalkMsgBoxDb2", "0", "7");
    s_position (*state, DTA, "SQL02/BizTalkMsgBoxDb", "1", "7");
    s_position (*state, DTA, "SQL02/BizTalkMsgBoxDb", "0", "6");
    s_rest_arrived (*state);
    s_good (*state);
}

static void
an_event_that_arrived_and_comes_again_is_doubled (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_event (*state, DTA, "dta_MessageInOutEvents");
    s_position (*state, DTA, "SQL02/BizTalkMsgBoxDb", "0", "6");
    s_rest_arrived (*state);
    s_bad (*state, BM_FINDING_DOUBLED_EVENT);
}

static void
an_event_that_arrived_twice_is_doubled (void **state)
{
    s_published (*state);
    s_event (*state, DTA, "dta_MessageInOutEvents");
    s_event (*state, DTA, "dta_MessageInOutEvents");
    s_rest_arrived (*state);
    s_bad (*state, BM_FINDING_DOUBLED_EVENT);
}

static void
an_activity_is_checked_as_an_event_is (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_body_at_home (*state);
    s_bad (*state, BM_FINDING_LOST_EVENT);
    assert_non_null (strstr (((s_case_t *)*state)->verdict.text, "BAMPrimaryImport"));
}

static void
an_event_without_its_message_is_an_orphan (void **state)
{
    s_case_t *self = *state;
    self->ledger.items[0].acknowledged_us = 0;
    s_event (self, DTA, "dta_MessageInOutEvents");
    s_bad (self, BM_FINDING_ORPHAN_EVENT);
}

static void
a_body_whose_reference_went_before_its_spool_row_came_is_lost (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_waiting (*state, "1");
    s_body_parts_copied (*state);
    s_bad (*state, BM_FINDING_LOST_BODY);
}

static void
a_body_that_is_not_whole_is_lost (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_waiting (*state, "1");
    s_row (*state, DTA, "Tracking_Spool1", 1, "x", NULL, NULL);
    s_row (*state, DTA, "Tracking_Parts1", 1, "x", NULL, NULL);
    s_row (*state, DTA, "Tracking_Fragments1", 1, "nFragmentNumber", "1", NULL);
    s_bad (*state, BM_FINDING_LOST_BODY);
}

static void
a_reference_without_a_body_is_lost (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_waiting (*state, "1");
    s_row (*state, BOX, "TrackingMessageReferences", 1, "x", NULL, NULL);
    s_body_parts_copied (*state);
    s_bad (*state, BM_FINDING_LOST_BODY);
}

static void
a_body_that_stands_there_twice_is_doubled (void **state)
{
    s_published (*state);
    s_waiting (*state, "0");
    s_waiting (*state, "1");
    s_body_copied (*state);
    s_row (*state, DTA, "Tracking_Spool1", 1, "x", NULL, NULL);
    s_bad (*state, BM_FINDING_DOUBLED_BODY);
}

static void
a_body_without_its_message_is_an_orphan (void **state)
{
    s_case_t *self = *state;
    self->ledger.items[0].acknowledged_us = 0;
    s_body_copied (self);
    s_bad (self, BM_FINDING_ORPHAN_BODY);
}

static void
orders_are_in_both_databases_or_none (void **state)
{
    s_case_t *self = *state;
    bm_ledger_list_clear (&self->ledger);
    bm_ledger_entry_t *entry =
        bm_ledger_list_add (&self->ledger, 5, 'O', "SQL03", "OrdersDb", "Custom9");
    entry->asked_us = 100;
    entry->acknowledged_us = 200;
    s_row (self, "SQL03", "OrdersDb", "Orders", 5, "x", NULL, NULL);
    s_row (self, "SQL03", "Custom9", "Orders", 5, "x", NULL, NULL);
    s_good (self);
    entry->number = 6;
    s_bad (self, BM_FINDING_LOST_MESSAGE);
    s_row (self, "SQL03", "OrdersDb", "Orders", 6, "x", NULL, NULL);
    s_bad (self, BM_FINDING_TORN);
}

static void
a_routed_message_is_in_exactly_one_database_wherever_that_is (void **state)
{
    s_case_t *self = *state;
    bm_ledger_list_clear (&self->ledger);
    bm_ledger_entry_t *entry =
        bm_ledger_list_add (&self->ledger, 5, 'R', "SQL02", "BizTalkMsgBoxDb", NULL);
    entry->asked_us = 100;
    entry->acknowledged_us = 200;
    s_bad (self, BM_FINDING_LOST_ROUTED);
    s_row (self, "SQL03", "OrdersDb", "RoutedMessages", 5, "x", NULL, NULL);
    s_good (self);
    s_row (self, BOX, "RoutedMessages", 5, "x", NULL, NULL);
    s_bad (self, BM_FINDING_DOUBLED_ROUTED);
    entry->number = 6; /* in the round: there or not */
    entry->acknowledged_us = 0;
    s_good (self);
    entry->number = 5;
    entry->asked_us = ENDED + 1;
    s_verdict (self);
    assert_int_equal (self->verdict.counts[BM_FINDING_PHANTOM], 1);
}

static void
a_database_that_was_not_cut_is_no_verdict (void **state)
{
    s_case_t *self = *state;
    bm_error_t error = {0};
    bm_ledger_list_add (&self->ledger, 2, 'M', "SQL09", "BizTalkMsgBoxDb", NULL);
    assert_int_equal (
        bm_check (self->snapshot, &self->ledger, BEGAN, ENDED, &self->verdict, &error), BM_USAGE);
    assert_non_null (strstr (error.text, "SQL09"));
}

static void
many_findings_are_all_counted (void **state)
{
    s_case_t *self = *state;
    for (int64_t i = 2; i <= 1000; i++)
        bm_ledger_list_add (&self->ledger, i, 'M', BOX, NULL)->acknowledged_us = 300;
    s_verdict (self);
    assert_int_equal (self->verdict.counts[BM_FINDING_LOST_MESSAGE], 1000);
    assert_int_equal (self->verdict.findings, 1000);
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_message_that_waits_at_its_source_is_good),
        T (a_message_that_has_arrived_is_good),
        T (a_message_between_its_two_transactions_is_healed_by_the_position),
        T (half_a_body_is_good_while_its_reference_is_there),
        T (a_message_acknowledged_before_the_round_must_be_there),
        T (a_message_acknowledged_in_the_round_may_be_missing),
        T (a_message_asked_for_after_the_round_must_not_be_there),
        T (a_transaction_over_two_databases_is_in_both_or_none),
        T (a_transaction_that_is_only_in_the_second_database_is_torn),
        T (an_event_at_neither_end_is_lost),
        T (an_event_behind_the_position_that_did_not_arrive_is_lost),
        T (the_position_of_another_stream_says_nothing),
        T (an_event_that_arrived_and_comes_again_is_doubled),
        T (an_event_that_arrived_twice_is_doubled),
        T (an_activity_is_checked_as_an_event_is),
        T (an_event_without_its_message_is_an_orphan),
        T (a_body_whose_reference_went_before_its_spool_row_came_is_lost),
        T (a_body_that_is_not_whole_is_lost),
        T (a_reference_without_a_body_is_lost),
        T (a_body_that_stands_there_twice_is_doubled),
        T (a_body_without_its_message_is_an_orphan),
        T (orders_are_in_both_databases_or_none),
        T (a_routed_message_is_in_exactly_one_database_wherever_that_is),
        T (a_database_that_was_not_cut_is_no_verdict),
        T (many_findings_are_all_counted),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
