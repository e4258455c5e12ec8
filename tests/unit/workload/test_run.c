/*  The workload and its checker on the stand-in: work that goes well, and races that are forced step by step. */
#include <inttypes.h>
#include <pthread.h>

#include "common/clock.h"
#include "tests/unit/workload/stand.h"
#include "tests/workload/checker.h"
#include "tests/workload/copier.h"
#include "tests/workload/mover.h"
#include "tests/workload/publisher.h"
#include "tests/workload/run.h"

#define BOX "BizTalkMsgBoxDb"
#define DTA "BizTalkDTADb"

static stand_t *s_stand;
static int s_number = 1000000; /* beyond what a run publishes */
static int s_marks;

static int
s_begin (void **state)
{
    (void)state;
    if (!stand_is_there ()) {
        print_message ("sqlhost is not built: skipped\n");
        return 0;
    }
    s_stand = stand_new ();
    for (size_t i = 0; i < STAND_INSTANCES; i++)
        stand_backup (s_stand, i, true, "F");
    return 0;
}

static int
s_end (void **state)
{
    (void)state;
    if (s_stand)
        stand_destroy (s_stand);
    return 0;
}

/*  Sessions to both instances, a mover and a copier between them, and a ledger of what a test itself publishes. */
typedef struct {
    bm_sql_t *source;
    bm_sql_t *destination;
    bm_mover_t *mover;
    bm_mover_t *bam;
    bm_copier_t *copier;
    bm_ledger_list_t ledger;
    char mark[32];
    int64_t began_us;
    int64_t number;
} s_case_t;

static int
s_setup (void **state)
{
    *state = NULL;
    if (!s_stand)
        return 0;
    s_case_t *self = bm_alloc (sizeof *self);
    self->source = stand_open (s_stand, 0);
    self->destination = stand_open (s_stand, 1);
    self->mover =
        bm_mover_new (self->source, BOX, "SQL02/" BOX, self->destination, DTA, BM_DESTINATION_DTA);
    self->bam = bm_mover_new (self->source, BOX, "SQL02/" BOX, self->destination,
                              "BAMPrimaryImport", BM_DESTINATION_BAM);
    self->copier = bm_copier_new (self->source, BOX, self->destination, DTA);
    snprintf (self->mark, sizeof self->mark, "TEST_%d", ++s_marks);
    *state = self;
    return 0;
}

/*  What a test left on its way is moved, so that the next one begins with empty ways. */
static int
s_teardown (void **state)
{
    s_case_t *self = *state;
    if (!self)
        return 0;
    size_t count = 1;
    while (count && bm_mover_step (self->mover, 100, &count, NULL) == BM_OK)
        continue;
    count = 1;
    while (count && bm_mover_step (self->bam, 100, &count, NULL) == BM_OK)
        continue;
    count = 1;
    while (count && bm_copier_step (self->copier, 100, &count, NULL) == BM_OK)
        continue;
    bm_mover_destroy (&self->mover);
    bm_mover_destroy (&self->bam);
    bm_copier_destroy (&self->copier);
    bm_sql_close (&self->source);
    bm_sql_close (&self->destination);
    bm_ledger_list_clear (&self->ledger);
    free (self);
    return 0;
}

static void
s_must (bm_status_t status, const bm_error_t *error)
{
    if (status)
        fail_msg ("%s: %s", bm_status_name (status), error->text);
}

/*  A message of the test's own, in the first MessageBox alone. */
static void
s_publish (s_case_t *self)
{
    bm_error_t error = {0};
    self->number = ++s_number;
    bm_ledger_entry_t *entry =
        bm_ledger_list_add (&self->ledger, self->number, 'M', "SQL02", BOX, NULL);
    entry->asked_us = bm_clock_mono_us ();
    s_must (bm_publish_message (self->source, BOX, NULL, 1, self->number, &error), &error);
    entry->acknowledged_us = bm_clock_mono_us ();
    self->began_us = bm_clock_mono_us () + 1;
}

static void
s_mark (s_case_t *self, size_t instance)
{
    stand_mark (s_stand, instance, self->mark);
}

/*  Cuts everything at the mark and gives the verdict. */
static void
s_check (s_case_t *self, const bm_ledger_list_t *ledger, int64_t began_us, bm_verdict_t *verdict)
{
    bm_error_t error = {0};
    for (size_t i = 0; i < STAND_INSTANCES; i++)
        stand_backup (s_stand, i, false, self->mark);
    bm_snapshot_t *snapshot = bm_snapshot_new ();
    for (size_t i = 0; i < STAND_DATABASES; i++)
        s_must (bm_snapshot_load_folder (snapshot, stand_databases[i][0], stand_databases[i][1],
                                         s_stand->folder, self->mark, &error),
                &error);
    s_must (bm_check (snapshot, ledger, began_us, INT64_MAX, verdict, &error), &error);
    bm_snapshot_destroy (&snapshot);
}

/*  The verdict holds that finding once and nothing else; BM_FINDING_KINDS: nothing at all. */
static void
s_expect (s_case_t *self, bm_finding_t finding)
{
    bm_verdict_t verdict;
    s_check (self, &self->ledger, self->began_us, &verdict);
    size_t wanted = finding == BM_FINDING_KINDS ? 0 : 1;
    if (verdict.findings != wanted || (wanted && verdict.counts[finding] != 1))
        fail_msg ("wanted %s, got %zu findings:\n%s", wanted ? bm_finding_name (finding) : "none",
                  verdict.findings, verdict.text);
    bm_verdict_clear (&verdict);
}

#define NEEDS_STAND(state)                                                                         \
    if (!*(state))                                                                                 \
    skip ()

static void
s_read_one (s_case_t *self)
{
    bm_error_t error = {0};
    size_t count;
    s_must (bm_mover_read (self->mover, 10, &count, &error), &error);
    assert_int_equal (count, 1);
}

static void
an_event_is_whole_at_every_step_of_its_way (void **state)
{
    NEEDS_STAND (state);
    for (int step = 0; step < 3; step++) {
        s_case_t *self = *state;
        bm_error_t error = {0};
        s_publish (self);
        s_read_one (self);
        if (step > 0)
            s_must (bm_mover_write_destination (self->mover, &error), &error);
        if (step > 1)
            s_must (bm_mover_delete_source (self->mover, &error), &error);
        s_mark (self, 0);
        s_mark (self, 1);
        s_expect (self, BM_FINDING_KINDS);
        s_teardown (state);
        s_setup (state);
    }
}

static void
an_event_that_moves_between_two_marks_is_lost (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    s_publish (self);
    s_read_one (self);
    s_mark (self, 1); /* the destination is marked, and not fenced */
    s_must (bm_mover_write_destination (self->mover, &error), &error);
    s_must (bm_mover_delete_source (self->mover, &error), &error);
    s_mark (self, 0);
    s_expect (self, BM_FINDING_LOST_EVENT);
}

static void
an_event_of_a_message_that_is_cut_off_is_an_orphan (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    size_t count;
    s_mark (self, 0); /* the source is marked first, the destination is not fenced */
    s_publish (self);
    self->began_us = 0;
    s_must (bm_mover_step (self->mover, 10, &count, &error), &error);
    s_mark (self, 1);
    s_expect (self, BM_FINDING_ORPHAN_EVENT);
}

static void
a_body_that_moves_between_two_marks_is_lost (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    size_t count;
    s_publish (self);
    s_must (bm_copier_read (self->copier, 10, &count, &error), &error);
    assert_int_equal (count, 1);
    s_must (bm_copier_write_parts (self->copier, &error), &error);
    s_must (bm_copier_write_fragments (self->copier, &error), &error);
    s_mark (self, 1);
    s_must (bm_copier_write_spool (self->copier, &error), &error);
    s_must (bm_copier_delete_source (self->copier, &error), &error);
    s_mark (self, 0);
    s_expect (self, BM_FINDING_LOST_BODY);
}

static void
a_body_is_whole_at_every_step_of_its_way (void **state)
{
    NEEDS_STAND (state);
    static bm_status_t (*const steps[]) (bm_copier_t *, bm_error_t *) = {
        bm_copier_write_parts, bm_copier_write_fragments, bm_copier_write_spool,
        bm_copier_delete_source};
    s_case_t *self = *state;
    bm_error_t error = {0};
    size_t count;
    s_publish (self);
    s_must (bm_copier_read (self->copier, 10, &count, &error), &error);
    for (size_t i = 0; i < 4; i++) {
        s_must (steps[i](self->copier, &error), &error);
        snprintf (self->mark, sizeof self->mark, "TEST_%d", ++s_marks);
        s_mark (self, 0);
        s_mark (self, 1);
        s_expect (self, BM_FINDING_KINDS);
    }
}

static void
a_mover_that_starts_again_goes_on_at_its_position (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    size_t count;
    s_publish (self);
    s_read_one (self);
    s_must (bm_mover_write_destination (self->mover, &error), &error);
    bm_mover_destroy (&self->mover); /* dies before it deletes */
    self->mover =
        bm_mover_new (self->source, BOX, "SQL02/" BOX, self->destination, DTA, BM_DESTINATION_DTA);
    s_must (bm_mover_step (self->mover, 10, &count, &error), &error);
    assert_int_equal (count, 0); /* nothing comes again, and the source is cleared */
    s_mark (self, 0);
    s_mark (self, 1);
    s_expect (self, BM_FINDING_KINDS);
}

typedef struct {
    s_case_t *test;
    bm_status_t status;
    int64_t ended_us;
} s_writer_t;

static void *
s_write (void *argument)
{
    s_writer_t *writer = argument;
    writer->status = bm_mover_write_destination (writer->test->mover, NULL);
    writer->ended_us = bm_clock_mono_us ();
    return NULL;
}

static void
a_fence_keeps_the_mover_out (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_sql_t *fence = stand_open (s_stand, 1);
    s_publish (self);
    s_read_one (self);
    stand_exec (fence, "BEGIN TRANSACTION; EXEC " DTA ".dbo.TDDS_BlockTDDS");
    s_writer_t writer = {.test = self};
    pthread_t thread;
    pthread_create (&thread, NULL, s_write, &writer);
    s_mark (self, 1); /* the writer has all the time of both marks and does not come through */
    s_mark (self, 0);
    int64_t released_us = bm_clock_mono_us ();
    stand_exec (fence, "ROLLBACK");
    pthread_join (thread, NULL);
    bm_sql_close (&fence);
    assert_int_equal (writer.status, BM_OK);
    assert_true (writer.ended_us >= released_us);
    s_expect (self, BM_FINDING_KINDS);
}

static void
a_run_publishes_moves_and_copies_everything (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    char *path = bm_format ("%s/ledger", s_stand->folder);
    bm_ledger_t *ledger = bm_ledger_open (path, &error);
    assert_int_equal (s_stand->group->box_count, 2);
    assert_int_equal (s_stand->group->target_count, 2);
    assert_int_equal (s_stand->group->orders_count, 1);
    bm_work_options_t options = {.group = s_stand->group,
                                 .ledger = ledger,
                                 .first = 1,
                                 .count = 60,
                                 .rate = 1000,
                                 .seed = 1};
    bm_work_run_t *run = bm_work_run_start (&options);
    assert_true (bm_work_run_wait (run, 60000));
    bm_work_run_stop (&run);
    assert_null (run);
    bm_ledger_close (&ledger);
    s_mark (self, 0);
    s_mark (self, 1);
    bm_ledger_list_t list;
    s_must (bm_ledger_load (path, &list, &error), &error);
    assert_int_equal (list.count, 60);
    bm_verdict_t verdict;
    s_check (self, &list, INT64_MAX, &verdict);
    if (verdict.findings)
        fail_msg ("%s", verdict.text);
    assert_int_equal (verdict.required, 60);
    assert_int_equal (verdict.present, 60);
    bm_verdict_clear (&verdict);
    bm_ledger_list_clear (&list);
    bm_sql_result_t *result = NULL; /* and nothing is left on its way */
    s_must (bm_sql_exec (self->source,
                         "SELECT (SELECT COUNT(*) FROM " BOX ".dbo.TrackingData) AS events, "
                         "(SELECT COUNT(*) FROM " BOX ".dbo.TrackingMessageReferences) AS bodies",
                         &result, &error),
            &error);
    assert_int_equal (bm_sql_result_int (result, 0, 0, "events", -1), 0);
    assert_int_equal (bm_sql_result_int (result, 0, 0, "bodies", -1), 0);
    bm_sql_result_destroy (&result);
    free (path);
}

static void
a_run_is_stopped_in_the_middle_and_its_cut_is_good (void **state)
{
    NEEDS_STAND (state);
    s_case_t *self = *state;
    bm_error_t error = {0};
    char *path = bm_format ("%s/ledger2", s_stand->folder);
    bm_ledger_t *ledger = bm_ledger_open (path, &error);
    bm_work_options_t options = {
        .group = s_stand->group, .ledger = ledger, .first = 10000, .rate = 1000, .seed = 1};
    bm_work_run_t *run = bm_work_run_start (&options);
    assert_false (bm_work_run_wait (run, 500));
    bm_work_run_stop (&run);
    bm_ledger_close (&ledger);
    s_mark (self, 0);
    s_mark (self, 1);
    bm_ledger_list_t list;
    s_must (bm_ledger_load (path, &list, &error), &error);
    assert_true (list.count > 0);
    bm_verdict_t verdict;
    s_check (self, &list, INT64_MAX, &verdict);
    if (verdict.findings)
        fail_msg ("%s", verdict.text);
    bm_verdict_clear (&verdict);
    bm_ledger_list_clear (&list);
    free (path);
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_run_publishes_moves_and_copies_everything),
        T (an_event_is_whole_at_every_step_of_its_way),
        T (an_event_that_moves_between_two_marks_is_lost),
        T (an_event_of_a_message_that_is_cut_off_is_an_orphan),
        T (a_body_is_whole_at_every_step_of_its_way),
        T (a_body_that_moves_between_two_marks_is_lost),
        T (a_mover_that_starts_again_goes_on_at_its_position),
        T (a_fence_keeps_the_mover_out),
        T (a_run_is_stopped_in_the_middle_and_its_cut_is_good),
    };
    return cmocka_run_group_tests (tests, s_begin, s_end);
}
