/*  tests/unit/coordinator/test_backupset.c
 *  The backups of a set on two scripted agents: what is journaled, reported, cancelled, published.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/digest.h"
#include "coordinator/shell/backupset.h"
#include "coordinator/shell/manifest.h"
#include "tests/unit/coordinator/fake_group.h"

enum { SET_ID = 41 };

/*  What a scripted agent does with BACKUP, and what it saw. */
typedef struct plan {
    const char *fails;          /* this database's backup fails */
    const char *refuses;        /* this one's order is refused */
    const char *hangs;          /* this one's runs until it is cancelled, with progress */
    const char *proves_nothing; /* this one's answer is OK without a row */
    bool silent;                /* nothing is answered any more */
    const char *catalogue;

    int open_orders; /* of the journal, when the first BACKUP came */
    uint64_t hanging;
    bool cancelled;
    char manifest[65536];
    size_t manifest_size;
    bool manifest_hashes;
    char path[64];
    char ordered[16], compressed[16]; /* names of databases, in the order in which they came */
} plan_t;

typedef struct parts {
    Btsmark__Greeting greeting;
    Btsmark__Instance instance;
    Btsmark__BackupDone done;
    Btsmark__BackupRow row;
    Btsmark__Fault fault;
    Btsmark__SqlMessage messages[2], *message_list[2];
    Btsmark__Refused refused;
    Btsmark__Progress progress;
    Btsmark__Cancelled cancelled;
    Btsmark__ManifestWritten written;
    char uuid[64], device[128];
} parts_t;

static int
s_open_orders (const char *path)
{
    bm_error_t error = {0};
    bm_catalogue_t *catalogue = bm_catalogue_open_read_only (path, &error);
    bm_order_row_t *rows = NULL;
    size_t count = 0;
    int open = 0;
    if (catalogue && bm_catalogue_orders (catalogue, SET_ID, &rows, &count, &error) == BM_OK)
        for (size_t i = 0; i < count; i++)
            open += rows[i].status == NULL;
    bm_order_rows_destroy (&rows, count);
    bm_catalogue_close (&catalogue);
    return open;
}

static bool
s_is (const char *wanted, const char *name)
{
    return wanted && strcmp (wanted, name) == 0;
}

static void
s_done (parts_t *parts, const Btsmark__Backup *order, Btsmark__BackupStatus status,
        Btsmark__Envelope *answer)
{
    btsmark__backup_done__init (&parts->done);
    parts->done.instance = order->instance;
    parts->done.database = order->database;
    parts->done.type = order->type;
    parts->done.status = status;
    parts->done.took_ms = 5;
    parts->done.file_bytes = 4096;
    answer->body_case = BTSMARK__ENVELOPE__BODY_BACKUP_DONE;
    answer->backup_done = &parts->done;
}

static void
s_row (parts_t *parts, const Btsmark__Backup *order)
{
    btsmark__backup_row__init (&parts->row);
    snprintf (parts->uuid, sizeof parts->uuid, "UUID-%s-%d", order->database, (int)order->type);
    snprintf (parts->device, sizeof parts->device, "/backup/%s/%s_%s.bak", order->instance,
              order->database, order->sequence);
    parts->row.database = order->database;
    parts->row.type = (char *)(order->type == BTSMARK__SET_TYPE__FULL ? "D" : "L");
    parts->row.uuid = parts->uuid;
    parts->row.device = parts->device;
    parts->row.first_lsn = (char *)"100";
    parts->row.last_lsn = (char *)"200";
    parts->row.position = 1;
    parts->done.row = &parts->row;
}

static void
s_fail (parts_t *parts)
{
    btsmark__fault__init (&parts->fault);
    parts->fault.status = (char *)"BACKUP_FAILED";
    parts->fault.text = (char *)"3201: cannot open the device";
    parts->done.fault = &parts->fault;
    for (int i = 0; i < 2; i++) {
        btsmark__sql_message__init (&parts->messages[i]);
        parts->messages[i].number = i == 0 ? 3201 : 3013;
        parts->messages[i].severity = 16;
        parts->message_list[i] = &parts->messages[i];
    }
    parts->done.messages = parts->message_list;
    parts->done.n_messages = 2;
}

static int
s_backup (plan_t *plan, const Btsmark__Envelope *envelope, parts_t *parts,
          Btsmark__Envelope *answer)
{
    const Btsmark__Backup *order = envelope->backup;
    strncat (plan->ordered, order->database, sizeof plan->ordered - strlen (plan->ordered) - 1);
    if (order->compress)
        strncat (plan->compressed, order->database,
                 sizeof plan->compressed - strlen (plan->compressed) - 1);
    if (!plan->open_orders)
        plan->open_orders = s_open_orders (plan->catalogue);
    if (s_is (plan->refuses, order->database)) {
        btsmark__refused__init (&parts->refused);
        parts->refused.why = BTSMARK__REFUSED__WHY__PATH_NOT_ALLOWED;
        answer->body_case = BTSMARK__ENVELOPE__BODY_REFUSED;
        answer->refused = &parts->refused;
        return 1;
    }
    if (s_is (plan->hangs, order->database) && !plan->cancelled) {
        plan->hanging = envelope->operation_id;
        btsmark__progress__init (&parts->progress);
        parts->progress.percent = 41;
        answer->body_case = BTSMARK__ENVELOPE__BODY_PROGRESS;
        answer->progress = &parts->progress;
        return 1;
    }
    if (s_is (plan->hangs, order->database)) {
        s_done (parts, order, BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED, answer);
    } else if (s_is (plan->fails, order->database)) {
        s_done (parts, order, BTSMARK__BACKUP_STATUS__BACKUP_FAILED, answer);
        s_fail (parts);
    } else {
        s_done (parts, order, BTSMARK__BACKUP_STATUS__BACKUP_OK, answer);
        if (!s_is (plan->proves_nothing, order->database))
            s_row (parts, order);
    }
    return !plan->silent;
}

static void
s_manifest (plan_t *plan, const Btsmark__WriteManifest *order, parts_t *parts,
            Btsmark__Envelope *answer)
{
    uint8_t digest[BM_DIGEST_BYTES];
    bm_require (order->content.len < sizeof plan->manifest && order->parts == 1);
    memcpy (plan->manifest, order->content.data, order->content.len);
    plan->manifest_size = order->content.len;
    bm_digest_sha256 (plan->manifest, plan->manifest_size, digest);
    plan->manifest_hashes = order->sha256.len == sizeof digest &&
                            memcmp (order->sha256.data, digest, sizeof digest) == 0;
    snprintf (plan->path, sizeof plan->path, "%s", order->path);
    btsmark__manifest_written__init (&parts->written);
    parts->written.ok = true;
    parts->written.file = order->file_name;
    answer->body_case = BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN;
    answer->manifest_written = &parts->written;
}

static int
s_script (fake_agent_t *self, const Btsmark__Envelope *order, Btsmark__Envelope *answer)
{
    static _Thread_local parts_t parts;
    plan_t *plan = self->argument;
    switch (order->body_case) {
        case BTSMARK__ENVELOPE__BODY_GREET:
            fake_group_greet (self, &parts.greeting, &parts.instance, answer);
            return 1;
        case BTSMARK__ENVELOPE__BODY_BACKUP:
            return s_backup (plan, order, &parts, answer);
        case BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST:
            s_manifest (plan, order->write_manifest, &parts, answer);
            return 1;
        default:
            plan->cancelled |= order->cancel->target_operation_id == plan->hanging;
            btsmark__cancelled__init (&parts.cancelled);
            parts.cancelled.found = true;
            answer->body_case = BTSMARK__ENVELOPE__BODY_CANCELLED;
            answer->cancelled = &parts.cancelled;
            return 1;
    }
}

/* ---- the fixture ------------------------------------------------------------------------------------------------- */

typedef struct fixture {
    fake_group_t group;
    plan_t plans[FAKE_AGENTS];
    bm_report_set_t *report;
    bm_backupset_t *set;
    bm_error_t error;
} fixture_t;

static int
s_setup (void **state)
{
    fixture_t *fixture = bm_alloc (sizeof *fixture);
    *state = fixture;
    fake_group_new (&fixture->group, s_script, &fixture->plans[0], &fixture->plans[1]);
    fixture->plans[0].catalogue = fixture->plans[1].catalogue = fixture->group.catalogue_file;
    return 0;
}

static int
s_teardown (void **state)
{
    fixture_t *fixture = *state;
    bm_backupset_destroy (&fixture->set);
    assert_true (fake_group_destroy (&fixture->group));
    free (fixture);
    return 0;
}

/*  A log set over four databases, A and B on SQL01, C and D on SQL02, and one that nobody serves. */
static void
s_start_some (fixture_t *fixture, const size_t *places, size_t place_count)
{
    bm_error_t error = {0};
    bm_work_t *work = &fixture->group.work;
    bm_group_row_t rows[] = {{(char *)"SQL01", (char *)"A", false},
                             {(char *)"SQL01", (char *)"B", true}, /* the SSO database */
                             {(char *)"SQL02", (char *)"C", false},
                             {(char *)"SQL02", (char *)"D", false},
                             {(char *)"SQL09", (char *)"E", false}};
    bm_group_rows_t group = {rows, 5};
    fake_group_start (&fixture->group, "", &group);
    bm_group_database_t databases[5];
    for (size_t i = 0; i < 5; i++)
        databases[i] = (bm_group_database_t){rows[i].server, NULL, rows[i].database, NULL, NULL};
    assert_int_equal (bm_catalogue_set_open (work->catalogue, work->run, SET_ID, BM_SET_LOG,
                                             "BTS_X", "2026-11-21 02:15:01.327", databases, 5,
                                             &error),
                      BM_OK);
    fixture->report =
        bm_report_set_add (work->report, SET_ID, BM_SET_LOG, places ? place_count : 5);
    fixture->report->has_outcome = true;
    fixture->report->outcome = BM_OUTCOME_UNCHECKED;
    static bm_mark_proof_t proofs[5];
    for (size_t i = 0; i < 4; i++)
        proofs[i] = (bm_mark_proof_t){.mark = (char *)"BTS_X", .asked = true, .lsn = (char *)"150"};
    bm_backupset_in_t in = {.set_id = SET_ID,
                            .type = BM_SET_LOG,
                            .sequence = "BTS_X",
                            .mark = "BTS_X",
                            .outcome = BM_OUTCOME_UNCHECKED,
                            .proofs = proofs,
                            .history_time = "2026-11-21 02:15:01.327",
                            .places = places,
                            .place_count = place_count,
                            .report = fixture->report};
    fixture->set = bm_backupset_start (work, &in);
}

static void
s_start (fixture_t *fixture)
{
    s_start_some (fixture, NULL, 0);
}

static void
s_end (fixture_t *fixture)
{
    int64_t until_ms = bm_clock_mono_ms () + FAKE_DEADLINE_MS;
    while (!bm_backupset_serve (fixture->set) && bm_clock_mono_ms () < until_ms)
        bm_work_wait (&fixture->group.work, 100);
    assert_true (bm_backupset_serve (fixture->set));
    bm_backupset_finish (fixture->set, &fixture->error);
    fake_group_stop_agents (&fixture->group);
}

static const char *
s_status (const fixture_t *fixture, size_t database)
{
    return bm_database_status_name (fixture->report->databases[database].status);
}

static void
s_assert_journal (fixture_t *fixture, const char *database, const char *status)
{
    bm_order_row_t *rows = NULL;
    size_t count = 0;
    bm_error_t error = {0};
    assert_int_equal (
        bm_catalogue_orders (fixture->group.work.catalogue, SET_ID, &rows, &count, &error), BM_OK);
    const char *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp (rows[i].database, database) == 0)
            found = rows[i].status;
    assert_non_null (found);
    assert_string_equal (found, status);
    bm_order_rows_destroy (&rows, count);
}

/* ---- the promises ------------------------------------------------------------------------------------------------ */

static void
every_database_that_can_be_reached_is_backed_up_and_the_other_is_skipped_with_its_reason (
    void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture);
    s_end (fixture);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal (s_status (fixture, i), "ok");
        assert_string_equal (fixture->report->databases[i].mark_lsn, "150");
        assert_int_equal (fixture->report->databases[i].bytes, 4096);
    }
    assert_string_equal (s_status (fixture, 4), "skipped");
    assert_int_equal (fixture->report->databases[4].error.status, BM_CONFIG_UNSERVED);
    assert_false (fixture->report->complete);
    assert_int_not_equal (fixture->error.status, BM_OK);
}

static void
each_order_is_in_the_journal_before_it_is_sent (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture);
    s_end (fixture);
    assert_true (fixture->plans[0].open_orders >= 1);
    assert_true (fixture->plans[1].open_orders >= 1);
    s_assert_journal (fixture, "A", "ok");
}

static void
a_failed_backup_keeps_every_message_and_does_not_stop_the_others (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].fails = "A";
    s_start (fixture);
    s_end (fixture);
    assert_string_equal (s_status (fixture, 0), "failed");
    assert_int_equal (fixture->report->databases[0].messages->count, 2);
    assert_int_equal (fixture->report->databases[0].messages->items[0].number, 3201);
    for (size_t i = 1; i < 4; i++)
        assert_string_equal (s_status (fixture, i), "ok");
    s_assert_journal (fixture, "A", "failed");
}

static void
a_refused_order_is_a_failed_backup_with_the_agents_reason (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].refuses = "C";
    s_start (fixture);
    s_end (fixture);
    assert_string_equal (s_status (fixture, 2), "failed");
    assert_int_equal (fixture->report->databases[2].error.status, BM_PATH_NOT_ALLOWED);
}

static void
an_ok_without_a_row_of_msdb_is_not_believed (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].proves_nothing = "B";
    s_start (fixture);
    s_end (fixture);
    assert_string_equal (s_status (fixture, 1), "unknown");
    assert_int_equal (fixture->report->databases[1].error.status, BM_BACKUP_FAILED);
}

static void
backups_of_an_agent_that_falls_silent_are_unknown_not_failed (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[1].silent = true;
    s_start (fixture);
    s_end (fixture);
    assert_string_equal (s_status (fixture, 0), "ok");
    assert_string_equal (s_status (fixture, 2), "unknown");
    assert_int_equal (fixture->report->databases[2].error.status, BM_UNREACHABLE);
    s_assert_journal (fixture, "C", "unknown");
}

static void
a_running_backup_is_cancelled_by_its_operation_id (void **state)
{
    fixture_t *fixture = *state;
    fixture->plans[0].hangs = "A";
    s_start (fixture);
    int64_t until_ms = bm_clock_mono_ms () + FAKE_DEADLINE_MS;
    while (!atomic_load (&fixture->group.fakes[0].bodies[BTSMARK__ENVELOPE__BODY_BACKUP]) &&
           bm_clock_mono_ms () < until_ms)
        bm_work_wait (&fixture->group.work, 50);
    bm_backupset_cancel (fixture->set, "stop");
    s_end (fixture);
    assert_true (fixture->plans[0].cancelled);
    assert_string_equal (s_status (fixture, 0), "failed");
}

static void
the_whole_sets_manifest_goes_into_every_hosts_folder (void **state)
{
    fixture_t *fixture = *state;
    bm_error_t error = {0};
    s_start (fixture);
    s_end (fixture);
    for (int i = 0; i < FAKE_AGENTS; i++) {
        plan_t *plan = &fixture->plans[i];
        assert_string_equal (plan->path, i == 0 ? "/backup/SQL01" : "/backup/SQL02");
        assert_true (plan->manifest_hashes);
        bm_manifest_t *manifest =
            bm_manifest_parse ("x", plan->manifest, plan->manifest_size, &error);
        if (!manifest)
            fail_msg ("%s", error.text);
        assert_int_equal (manifest->database_count, 4);
        assert_int_equal (manifest->group_databases, 5);
        assert_false (manifest->complete);
        bm_manifest_destroy (&manifest);
    }
}

static void
only_the_databases_that_are_asked_for_are_taken_and_reported (void **state)
{
    fixture_t *fixture = *state;
    const size_t places[] = {1, 2};
    s_start_some (fixture, places, 2);
    s_end (fixture);
    assert_string_equal (fixture->plans[0].ordered, "B");
    assert_string_equal (fixture->plans[1].ordered, "C");
    assert_string_equal (fixture->report->databases[0].database, "B");
    assert_string_equal (fixture->report->databases[1].database, "C");
    assert_string_equal (fixture->report->databases[1].mark_lsn, "150");
    assert_string_equal (s_status (fixture, 0), "ok");
    assert_string_equal (s_status (fixture, 1), "ok");
}

static void
what_is_compressed_is_what_the_group_says_and_never_the_sso_database (void **state)
{
    fixture_t *fixture = *state;
    fixture->group.work.compress = true;
    s_start (fixture);
    s_end (fixture);
    assert_string_equal (fixture->plans[0].ordered, "AB");
    assert_string_equal (fixture->plans[0].compressed, "A");
    assert_string_equal (fixture->plans[1].compressed, "CD");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (
            every_database_that_can_be_reached_is_backed_up_and_the_other_is_skipped_with_its_reason),
        TEST (each_order_is_in_the_journal_before_it_is_sent),
        TEST (a_failed_backup_keeps_every_message_and_does_not_stop_the_others),
        TEST (a_refused_order_is_a_failed_backup_with_the_agents_reason),
        TEST (an_ok_without_a_row_of_msdb_is_not_believed),
        TEST (backups_of_an_agent_that_falls_silent_are_unknown_not_failed),
        TEST (a_running_backup_is_cancelled_by_its_operation_id),
        TEST (the_whole_sets_manifest_goes_into_every_hosts_folder),
        TEST (only_the_databases_that_are_asked_for_are_taken_and_reported),
        TEST (what_is_compressed_is_what_the_group_says_and_never_the_sso_database),
    };
    bm_log_open ("test", BM_LOG_ERROR);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
