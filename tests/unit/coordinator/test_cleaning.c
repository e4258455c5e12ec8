/*  tests/unit/coordinator/test_cleaning.c
 *  Retention carried out against scripted agents that keep a list of the files on their disks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coordinator/shell/catalogue_retention.h"
#include "coordinator/shell/cleaning.h"
#include "tests/unit/coordinator/fake_group.h"

enum { FILES = 64 };

/*  A host: what was taken from its disk, and how it behaves. */
typedef struct disk {
    char gone[FILES][64];
    size_t gone_count;
    bool leaves;     /* refuses to delete */
    bool leaves_one; /* only what is called so */
    bool blind;      /* cannot look */
    size_t deleted_orders, rows;
    char before[32], keep[64];
} disk_t;

typedef struct parts {
    Btsmark__Greeting greeting;
    Btsmark__Instance instance;
    Btsmark__FilesMeasured measured;
    Btsmark__MeasuredFile looks[FILES], *look_list[FILES];
    Btsmark__FilesDeleted deleted;
    Btsmark__DeletedFile fates[FILES], *fate_list[FILES];
    Btsmark__MarksTrimmed trimmed;
    Btsmark__TrimmedDatabase database, *databases[1];
    Btsmark__Fault fault;
    char names[FILES][64];
} parts_t;

static bool
s_is_gone (const disk_t *disk, const char *file)
{
    for (size_t i = 0; i < disk->gone_count; i++)
        if (strcmp (disk->gone[i], file) == 0)
            return true;
    return false;
}

static void
s_take_away (disk_t *disk, const char *file)
{
    assert_true (disk->gone_count < FILES);
    snprintf (disk->gone[disk->gone_count++], sizeof *disk->gone, "%s", file);
}

static void
s_measure (disk_t *disk, const Btsmark__MeasureFiles *order, parts_t *parts,
           Btsmark__Envelope *answer)
{
    btsmark__files_measured__init (&parts->measured);
    for (size_t i = 0; i < order->n_files; i++) {
        Btsmark__MeasuredFile *look = parts->look_list[i] = &parts->looks[i];
        btsmark__measured_file__init (look);
        snprintf (parts->names[i], sizeof *parts->names, "%s", order->files[i]);
        look->file = parts->names[i];
        look->asked = !disk->blind;
        look->exists = !s_is_gone (disk, order->files[i]);
        look->bytes = -1;
    }
    parts->measured.files = parts->look_list;
    parts->measured.n_files = order->n_files;
    answer->body_case = BTSMARK__ENVELOPE__BODY_FILES_MEASURED;
    answer->files_measured = &parts->measured;
}

static void
s_delete (disk_t *disk, const Btsmark__DeleteFiles *order, parts_t *parts,
          Btsmark__Envelope *answer)
{
    btsmark__files_deleted__init (&parts->deleted);
    btsmark__fault__init (&parts->fault);
    parts->fault.text = (char *)"a shredder is in the way";
    disk->deleted_orders++;
    for (size_t i = 0; i < order->n_files; i++) {
        Btsmark__DeletedFile *fate = parts->fate_list[i] = &parts->fates[i];
        btsmark__deleted_file__init (fate);
        snprintf (parts->names[i], sizeof *parts->names, "%s", order->files[i]->file);
        fate->file = parts->names[i];
        fate->bytes = 10;
        fate->fate = s_is_gone (disk, fate->file) ? BTSMARK__FILE_FATE__FATE_WAS_GONE
                                                  : BTSMARK__FILE_FATE__FATE_DELETED;
        if (disk->leaves || (disk->leaves_one && strstr (fate->file, "stays"))) {
            fate->fate = BTSMARK__FILE_FATE__FATE_LEFT;
            fate->fault = &parts->fault;
        } else if (fate->fate == BTSMARK__FILE_FATE__FATE_DELETED)
            s_take_away (disk, fate->file);
    }
    parts->deleted.files = parts->fate_list;
    parts->deleted.n_files = order->n_files;
    answer->body_case = BTSMARK__ENVELOPE__BODY_FILES_DELETED;
    answer->files_deleted = &parts->deleted;
}

/*  The disks belong to the agents' threads while a cleaning runs, and to the test before and after it. */
static pthread_mutex_t s_disks = PTHREAD_MUTEX_INITIALIZER;

static void
s_hand_over (void)
{
    pthread_mutex_lock (&s_disks);
    pthread_mutex_unlock (&s_disks);
}

static int
s_serve_order (fake_agent_t *self, const Btsmark__Envelope *order, Btsmark__Envelope *answer)
{
    static _Thread_local parts_t parts;
    disk_t *disk = self->argument;
    if (order->body_case == BTSMARK__ENVELOPE__BODY_GREET)
        fake_group_greet (self, &parts.greeting, &parts.instance, answer);
    else if (order->body_case == BTSMARK__ENVELOPE__BODY_MEASURE_FILES)
        s_measure (disk, order->measure_files, &parts, answer);
    else if (order->body_case == BTSMARK__ENVELOPE__BODY_DELETE_FILES)
        s_delete (disk, order->delete_files, &parts, answer);
    else if (order->body_case == BTSMARK__ENVELOPE__BODY_TRIM_MARKS) {
        snprintf (disk->before, sizeof disk->before, "%s", order->trim_marks->before);
        snprintf (disk->keep, sizeof disk->keep, "%s",
                  order->trim_marks->n_keep ? order->trim_marks->keep[0] : "");
        btsmark__marks_trimmed__init (&parts.trimmed);
        btsmark__trimmed_database__init (&parts.database);
        parts.database.name = (char *)"Db";
        parts.database.rows = disk->rows;
        parts.databases[0] = &parts.database;
        parts.trimmed.databases = parts.databases;
        parts.trimmed.n_databases = 1;
        answer->body_case = BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED;
        answer->marks_trimmed = &parts.trimmed;
    }
    return 1;
}

static int
s_script (fake_agent_t *self, const Btsmark__Envelope *order, Btsmark__Envelope *answer)
{
    pthread_mutex_lock (&s_disks);
    int times = s_serve_order (self, order, answer);
    pthread_mutex_unlock (&s_disks);
    return times;
}

/* ---- the history: two periods, each a full set and a log set with a mark ------------------------------------------ */

typedef struct fixture {
    fake_group_t group;
    disk_t disks[FAKE_AGENTS];
    bm_cleaning_t cleaning;
} fixture_t;

static const bm_group_database_t s_databases[] = {
    {"SQL01", "SQL01", "BizTalkMgmtDb", "f1", "fork-1"},
    {"SQL02", "SQL02", "BizTalkDTADb", "f2", "fork-2"}};

static bm_error_t s_error;

#define OK(call)                                                                                   \
    do {                                                                                           \
        s_error = (bm_error_t){0};                                                                 \
        if ((call) != BM_OK)                                                                       \
            fail_msg ("%s", s_error.text);                                                         \
    } while (0)

static void
s_backup (bm_catalogue_t *catalogue, int64_t set_id, int database, bm_set_type_t type, int first,
          int last, const char *mark)
{
    char uuid[32], device[64], texts[2][16];
    snprintf (uuid, sizeof uuid, "u-%d-%lld", database, (long long)set_id);
    snprintf (device, sizeof device, "/b/%d-%lld.bak", database, (long long)set_id);
    snprintf (texts[0], sizeof *texts, "%d", first);
    snprintf (texts[1], sizeof *texts, "%d", last);
    const bm_group_database_t *it = &s_databases[database];
    bm_backup_t backup = {.server = (char *)it->server,
                          .instance = (char *)it->instance,
                          .database = (char *)it->database,
                          .type = type,
                          .uuid = uuid,
                          .device = device,
                          .position = 1,
                          .first_lsn = texts[0],
                          .last_lsn = texts[1],
                          .last_fork = (char *)it->fork,
                          .bytes = 100,
                          .file_bytes = 100,
                          .ours = true,
                          .set_id = set_id,
                          .mark = (char *)mark,
                          .recorded = true};
    OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
}

static void
s_period (fixture_t *fixture, int period)
{
    bm_catalogue_t *catalogue = fixture->group.work.catalogue;
    uint64_t run = fixture->group.work.run;
    int64_t full = period * 2 + 1, log = full + 1;
    int lsn = 100 + period * 20;
    char mark[64];
    snprintf (mark, sizeof mark, "BTS_2026_11_21_02_15_0%d_327", period);
    OK (bm_catalogue_set_open (catalogue, run, full, BM_SET_FULL, mark, "t", s_databases, 2,
                               &s_error));
    OK (bm_catalogue_set_open (catalogue, run, log, BM_SET_LOG, mark, "t", s_databases, 2,
                               &s_error));
    OK (bm_catalogue_round_intent (catalogue, run, (uint32_t)log, log, mark, period + 1,
                                   s_databases, 2, &s_error));
    OK (bm_catalogue_round_outcome (catalogue, run, (uint32_t)log, mark, log, BM_OUTCOME_CLEAN,
                                    BM_FENCES_STOOD, "", 1, 1, &s_error));
    for (int i = 0; i < 2; i++) {
        char at[16];
        snprintf (at, sizeof at, "%d", lsn + 5);
        s_backup (catalogue, full, i, BM_SET_FULL, lsn, lsn + 1, NULL);
        s_backup (catalogue, log, i, BM_SET_LOG, period ? lsn - 10 : lsn, lsn + 10, mark);
        bm_mark_proof_t proof = {.mark = mark,
                                 .server = (char *)s_databases[i].server,
                                 .instance = (char *)s_databases[i].instance,
                                 .database = (char *)s_databases[i].database,
                                 .asked = true,
                                 .in_marklog = true,
                                 .in_history = true,
                                 .lsn = at};
        OK (bm_catalogue_proof_put (catalogue, &proof, &s_error));
        OK (bm_catalogue_manifest_put (catalogue, full, s_databases[i].instance,
                                       full == 1 ? "/b/1.btsmark.json" : "/b/3.btsmark.json", "x",
                                       &s_error));
    }
    OK (bm_catalogue_set_end (catalogue, full, true, &s_error));
    OK (bm_catalogue_set_end (catalogue, log, true, &s_error));
}

static void
s_start (fixture_t *fixture, const char *extra)
{
    bm_group_row_t items[] = {{(char *)"SQL01", (char *)"BizTalkMgmtDb", false},
                              {(char *)"SQL02", (char *)"BizTalkDTADb", false}};
    bm_group_rows_t rows = {items, 2};
    fake_group_start (&fixture->group, extra, &rows);
    bm_work_t *work = &fixture->group.work;
    for (size_t i = 0; i < work->topology->place_count; i++) {
        assert_int_not_equal (work->topology->places[i].instance, BM_NOWHERE);
        work->topology->places[i].voted = true;
    }
}

static int
s_setup (void **state)
{
    fixture_t *fixture = bm_alloc (sizeof *fixture);
    *state = fixture;
    fake_group_new (&fixture->group, s_script, &fixture->disks[0], &fixture->disks[1]);
    bm_work_t *work = &fixture->group.work;
    OK (bm_catalogue_databases_put (work->catalogue, work->run, s_databases, 2, &s_error));
    s_period (fixture, 0);
    s_period (fixture, 1);
    return 0;
}

static int
s_teardown (void **state)
{
    fixture_t *fixture = *state;
    bm_cleaning_clear (&fixture->cleaning);
    assert_true (fake_group_destroy (&fixture->group));
    free (fixture);
    return 0;
}

#define ONE "[retention]\nkeep-marks = 1\nkeep-time = 0\n"

static void
s_clean (fixture_t *fixture, bool dry_run)
{
    bm_cleaning_clear (&fixture->cleaning);
    s_hand_over ();
    bm_cleaning_run (&fixture->group.work, dry_run, &fixture->cleaning);
    s_hand_over ();
}

static size_t
s_going (const fixture_t *fixture, const char *fate)
{
    size_t count = 0;
    for (size_t i = 0; i < fixture->cleaning.count; i++) {
        const bm_cleaning_file_t *file = &fixture->cleaning.files[i];
        count += file->goes && (!fate || (file->fate && strcmp (file->fate, fate) == 0));
    }
    return count;
}

static size_t
s_stored (fixture_t *fixture)
{
    bm_stored_t *rows = NULL;
    size_t count = 0;
    OK (bm_catalogue_stored (fixture->group.work.catalogue, &rows, &count, &s_error));
    bm_stored_destroy (&rows, count);
    return count;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void
what_nothing_needs_goes_from_every_host_and_is_forgotten_when_confirmed (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture, ONE);
    s_clean (fixture, false);
    assert_null (fixture->cleaning.stop);
    assert_int_equal (s_going (fixture, "deleted"), 4 + 2); /* and the manifests of set 1 */
    assert_int_equal (fixture->cleaning.failures, 0);
    assert_int_equal (fixture->disks[0].gone_count, 3);
    assert_true (s_is_gone (&fixture->disks[1], "/b/1-2.bak"));
    assert_true (s_is_gone (&fixture->disks[1], "/b/1.btsmark.json"));
    assert_int_equal (s_stored (fixture), 4);
    int64_t bytes = 0;
    assert_int_equal (bm_cleaning_gone (&fixture->cleaning, &bytes), 6);
    assert_int_equal (bytes, 60);
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, NULL), 0);
    assert_int_equal (fixture->group.work.report->warning_count, 0);
}

static void
a_dry_run_orders_nothing_and_writes_nothing (void **state)
{
    fixture_t *fixture = *state;
    char *reason = NULL;
    s_start (fixture, ONE);
    s_clean (fixture, true);
    assert_int_equal (s_going (fixture, NULL), 4 + 2);
    assert_int_equal (fixture->disks[0].deleted_orders + fixture->disks[1].deleted_orders, 0);
    assert_int_equal (s_stored (fixture), 8);
    OK (bm_catalogue_unverified (fixture->group.work.catalogue, &reason, &s_error));
    assert_non_null (reason);
    free (reason);
}

static void
a_new_catalogue_is_verified_by_the_files_it_finds_and_a_rebuilt_one_is_not (void **state)
{
    fixture_t *fixture = *state;
    bm_catalogue_t *catalogue = fixture->group.work.catalogue;
    char *reason = NULL;
    s_start (fixture, ONE);
    OK (bm_catalogue_set_unverified (catalogue, "it was rebuilt from manifests", &s_error));
    s_clean (fixture, false);
    assert_non_null (strstr (fixture->cleaning.stop, "rebuilt"));
    assert_int_equal (fixture->disks[0].deleted_orders, 0);
    assert_int_equal (fixture->group.work.report->warning_count, 1);
    OK (bm_catalogue_set_unverified (catalogue, BM_UNVERIFIED_NEW, &s_error));
    s_clean (fixture, false);
    assert_null (fixture->cleaning.stop);
    OK (bm_catalogue_unverified (catalogue, &reason, &s_error));
    assert_null (reason);
}

static void
a_host_that_cannot_look_stops_deletion_for_all (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture, ONE);
    fixture->disks[1].blind = true;
    s_clean (fixture, false);
    assert_non_null (strstr (fixture->cleaning.stop, "SQL02"));
    assert_int_equal (fixture->disks[0].deleted_orders, 0);
    assert_int_equal (s_stored (fixture), 8);
}

static void
a_database_that_gave_no_vote_stops_deletion_for_all (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture, ONE);
    fixture->group.work.topology->places[1].voted = false;
    s_clean (fixture, false);
    assert_non_null (strstr (fixture->cleaning.stop, "BizTalkDTADb"));
    assert_int_equal (fixture->disks[0].deleted_orders + fixture->disks[1].deleted_orders, 0);
}

static void
a_missing_file_of_the_newest_mark_makes_the_one_before_it_count (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture, ONE);
    s_take_away (&fixture->disks[1], "/b/1-4.bak");
    s_clean (fixture, false);
    assert_null (fixture->cleaning.stop);
    assert_int_equal (s_going (fixture, NULL), 0);
    /*  It comes back: then the older one is not needed any more. */
    fixture->disks[1].gone_count = 0;
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, "deleted"), 4 + 2);
}

static void
a_file_that_the_host_leaves_is_told_and_tried_again (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture, ONE);
    fixture->disks[0].leaves = true;
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, "left"), 2);
    assert_int_equal (fixture->cleaning.failures, 2);
    assert_int_equal (fixture->group.work.report->warning_count, 1);
    assert_non_null (strstr (fixture->group.work.report->warnings[0], "shredder"));
    assert_int_equal (fixture->group.work.report->error.status, BM_OK);
    assert_int_equal (s_stored (fixture), 6);
    /*  Its set keeps its rows and its manifest while a file of it stands. */
    bm_set_row_t *row = NULL;
    OK (bm_catalogue_oldest_kept (fixture->group.work.catalogue, &row, &s_error));
    assert_int_equal (row->set_id, 1);
    bm_set_rows_destroy (&row, 1);
    assert_false (s_is_gone (&fixture->disks[1], "/b/1.btsmark.json"));
    fixture->disks[0].leaves = false;
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, "deleted"), 2 + 2);
    assert_int_equal (s_stored (fixture), 4);
}

static void
a_deletion_whose_answer_was_lost_is_settled_by_the_next_cleaning (void **state)
{
    fixture_t *fixture = *state;
    bm_catalogue_t *catalogue = fixture->group.work.catalogue;
    s_start (fixture, ONE);
    bm_removal_t removals[] = {{.kind = "backup",
                                .instance = "SQL01",
                                .file = "/b/0-1.bak",
                                .database = "BizTalkMgmtDb",
                                .set_id = 1,
                                .bytes = 100,
                                .why = "old"},
                               {.kind = "backup",
                                .instance = "SQL01",
                                .file = "/b/0-2.bak",
                                .database = "BizTalkMgmtDb",
                                .set_id = 2,
                                .bytes = 100,
                                .why = "old"}};
    OK (bm_catalogue_removals_open (catalogue, fixture->group.work.run, INT64_MAX, removals, 2,
                                    &s_error));
    s_take_away (&fixture->disks[0], "/b/0-1.bak");
    s_clean (fixture, false);
    bm_removal_row_t *rows = NULL;
    size_t count = 0;
    OK (bm_catalogue_removals_unsettled (catalogue, &rows, &count, &s_error));
    assert_int_equal (count, 0);
    assert_int_equal (s_going (fixture, "deleted"), 3 + 2); /* the other one was still there */
    assert_int_equal (s_stored (fixture), 4);
}

/*  The first set's full of SQL01 has a second stripe. */
static void
s_stripe (fixture_t *fixture, int64_t set_id, char *second)
{
    bm_catalogue_t *catalogue = fixture->group.work.catalogue;
    bm_backups_t backups = {0};
    OK (bm_catalogue_set_backups (catalogue, set_id, &backups, &s_error));
    for (size_t i = 0; i < backups.count; i++)
        if (strcmp (backups.items[i].server, "SQL01") == 0) {
            bm_backup_t backup = backups.items[i];
            backup.more_devices = second;
            OK (bm_catalogue_backup_put (catalogue, &backup, &s_error));
        }
    bm_backups_clear (&backups);
}

static void
a_striped_backup_goes_with_all_its_stripes_or_stays_known (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture, ONE);
    s_stripe (fixture, 1, "/b/stays");
    fixture->disks[0].leaves_one = true;
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, "left"), 1);
    assert_true (s_is_gone (&fixture->disks[0], "/b/0-1.bak"));
    assert_int_equal (s_stored (fixture), 5);
    fixture->disks[0].leaves_one = false;
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, "was gone"), 1);
    assert_true (s_is_gone (&fixture->disks[0], "/b/stays"));
    assert_int_equal (s_stored (fixture), 4);
}

static void
a_missing_stripe_makes_the_backup_unreadable (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture, ONE);
    s_stripe (fixture, 4, "/b/second");
    s_take_away (&fixture->disks[0], "/b/second");
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, NULL), 0); /* the older mark is the newest usable one */
    fixture->disks[0].gone_count = 0;
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, "deleted"), 4 + 2);
}

static void
nothing_goes_when_a_restore_began_meanwhile (void **state)
{
    fixture_t *fixture = *state;
    bm_catalogue_t *catalogue = fixture->group.work.catalogue;
    int64_t claim = 0, decided_us = bm_clock_utc_us ();
    bm_removal_t removal = {.kind = "backup", .instance = "SQL01", .file = "/b/0-1.bak"};
    OK (bm_catalogue_claim (catalogue, "restore", 2, NULL, "by hand", bm_clock_utc_us () + 60000000,
                            &claim, &s_error));
    bm_error_t error = {0};
    assert_int_equal (bm_catalogue_removals_open (catalogue, fixture->group.work.run, decided_us,
                                                  &removal, 1, &error),
                      BM_BUSY);
    bm_removal_row_t *rows = NULL;
    size_t count = 0;
    OK (bm_catalogue_removals_unsettled (catalogue, &rows, &count, &s_error));
    assert_int_equal (count, 0);
    /*  The claim keeps the set from the next decision on, and no longer than it holds. */
    s_start (fixture, ONE);
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, NULL), 0);
    OK (bm_catalogue_claim_renew (catalogue, claim, bm_clock_utc_us () - 1, &s_error));
    s_clean (fixture, false);
    assert_int_equal (s_going (fixture, "deleted"), 4 + 2);
    OK (bm_catalogue_claim_end (catalogue, claim, &s_error));
}

static void
marklog_is_trimmed_up_to_the_oldest_backup_that_stays_and_open_marks_stay (void **state)
{
    fixture_t *fixture = *state;
    bm_catalogue_t *catalogue = fixture->group.work.catalogue;
    s_start (fixture, ONE);
    fixture->disks[0].rows = 7;
    OK (bm_catalogue_round_intent (catalogue, fixture->group.work.run, 9, 4, "BTS_open", 5,
                                   s_databases, 2, &s_error));
    s_clean (fixture, false);
    assert_int_equal (strlen (fixture->disks[0].before), 23);
    assert_string_equal (fixture->disks[0].before, fixture->disks[1].before);
    assert_string_equal (fixture->disks[1].keep, "BTS_open");
    assert_int_equal (fixture->cleaning.trim_count, 1);
    assert_int_equal (fixture->cleaning.trims[0].rows, 7);
}

static void
with_files_kept_no_host_is_asked_for_anything (void **state)
{
    fixture_t *fixture = *state;
    s_start (fixture, "[retention]\nfiles = keep\nkeep-time = 36 h\n");
    s_clean (fixture, false);
    assert_true (fixture->cleaning.files_kept);
    assert_int_equal (fixture->cleaning.count, 0);
    assert_int_equal (fixture->cleaning.history_days, 2);
    assert_int_equal (fixture->disks[0].before[0], '\0');
}

static void
rows_of_the_history_stay_as_long_as_a_file_of_their_set (void **state)
{
    (void)state;
    const int64_t day = 86400000000, now = 1000 * day;
    assert_int_equal (bm_cleaning_history_days (now, 14 * 86400000LL, now - day), 14);
    assert_int_equal (bm_cleaning_history_days (now, 14 * 86400000LL, now - 14 * day), 15);
    assert_int_equal (bm_cleaning_history_days (now, 14 * 86400000LL, now - 400 * day), 401);
    /*  BackupDateTime may be local time: an hour more than it is. */
    assert_int_equal (bm_cleaning_history_days (now, 0, now - 15 * day + 3600000000), 16);
    assert_int_equal (bm_cleaning_history_days (now, 0, -1), 1);
    assert_int_equal (bm_cleaning_history_days (now, 3600000, -1), 1);
    assert_int_equal (bm_cleaning_history_days (now, 0, now + day), 1);
    /*  @DaysToKeep is a smallint: what does not fit is not cleared at all. */
    assert_int_equal (bm_cleaning_history_days (40000 * day, 0, 7234 * day), 32767);
    assert_int_equal (bm_cleaning_history_days (40000 * day, 0, 7233 * day), 0);
}

#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    bm_log_open ("test", BM_LOG_ERROR);
    const struct CMUnitTest tests[] = {
        T (what_nothing_needs_goes_from_every_host_and_is_forgotten_when_confirmed),
        T (a_dry_run_orders_nothing_and_writes_nothing),
        T (a_new_catalogue_is_verified_by_the_files_it_finds_and_a_rebuilt_one_is_not),
        T (a_host_that_cannot_look_stops_deletion_for_all),
        T (a_database_that_gave_no_vote_stops_deletion_for_all),
        T (a_missing_file_of_the_newest_mark_makes_the_one_before_it_count),
        T (a_file_that_the_host_leaves_is_told_and_tried_again),
        T (a_deletion_whose_answer_was_lost_is_settled_by_the_next_cleaning),
        T (a_striped_backup_goes_with_all_its_stripes_or_stays_known),
        T (a_missing_stripe_makes_the_backup_unreadable),
        T (nothing_goes_when_a_restore_began_meanwhile),
        T (marklog_is_trimmed_up_to_the_oldest_backup_that_stays_and_open_marks_stay),
        T (with_files_kept_no_host_is_asked_for_anything),
        cmocka_unit_test (rows_of_the_history_stay_as_long_as_a_file_of_their_set),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
