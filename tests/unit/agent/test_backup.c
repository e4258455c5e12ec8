#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/backup.h"

typedef struct {
    sql_place_t *place;
    bm_instance_config_t instance;
    Btsmark__Backup order;
    int started, connects;
    bool interrupted, refuse_reconnect;
} s_world_t;

static bm_sql_t *
s_connect (void *argument, bm_error_t *error)
{
    s_world_t *world = argument;
    if (world->connects++ > 0) {
        if (world->refuse_reconnect) {
            bm_fail (error, BM_UNREACHABLE, "nobody there");
            return NULL;
        }
        if (!bm_sql_alive (world->place->sql)) {
            bm_sql_close (&world->place->sql);
            world->place->sql = sql_open (world->place);
        }
    }
    return world->place->sql;
}

static int
s_spid (void *argument)
{
    (void)argument;
    return 51;
}

static void
s_started (void *argument)
{
    ((s_world_t *)argument)->started++;
}

static bool
s_interrupted (void *argument)
{
    return ((s_world_t *)argument)->interrupted;
}

static void
s_calm (void *argument)
{
    ((s_world_t *)argument)->interrupted = false;
}

/*  Whoever waits is told to stop. */
static bool
s_pause (void *argument, int64_t ms)
{
    (void)argument;
    (void)ms;
    return false;
}

static Btsmark__BackupDone *
s_run (s_world_t *world, sql_place_t *place)
{
    world->place = place;
    world->instance = (bm_instance_config_t){.name = "SQL01", .files = BM_FILES_LOCAL};
    btsmark__backup__init (&world->order);
    world->order.instance = (char *)"SQL01";
    world->order.database = (char *)"X";
    world->order.type = BTSMARK__SET_TYPE__LOG;
    world->order.sequence = (char *)"BTS_1";
    bm_backup_t backup = {.instance = &world->instance,
                          .path = "/tmp",
                          .hands = {.connect = s_connect,
                                    .spid = s_spid,
                                    .started = s_started,
                                    .interrupted = s_interrupted,
                                    .calm = s_calm,
                                    .pause = s_pause,
                                    .argument = world}};
    Btsmark__BackupDone *done = bm_backup_run (&backup, &world->order);
    assert_string_equal (done->database, "X");
    return done;
}

static void
s_expect (s_world_t *world, sql_place_t *place, Btsmark__BackupStatus status, const char *word)
{
    Btsmark__BackupDone *done = s_run (world, place);
    if (done->status != status)
        fail_msg ("status %d: %s", (int)done->status, done->fault ? done->fault->text : "no fault");
    if (word)
        assert_non_null (strstr (done->fault->text, word));
    btsmark__backup_done__free_unpacked (done, NULL);
}

static void
a_recorded_backup_is_ok_with_its_row (void **state)
{
    s_world_t world = {0};
    Btsmark__BackupDone *done = s_run (&world, *state);
    assert_int_equal (done->status, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    assert_null (done->fault);
    assert_string_equal (done->row->device, "/tmp/SQL01_X_Log_BTS_1.bak");
    assert_string_equal (done->row->first_lsn, "35000000012300001");
    assert_int_equal (done->row->backup_set_id, 43);
    assert_int_equal (done->file_bytes, -1); /* this agent does not see such a file */
    assert_int_equal (world.started, 1);
    btsmark__backup_done__free_unpacked (done, NULL);
}

static void
a_return_code_proves_nothing (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    place->fake->no_row = true;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_FAILED, "no record");
}

/*  Messages, then perhaps a row. */
typedef struct {
    int number;
    bool row, drop;
} s_case_t;

static bool
s_say_and_end (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    const s_case_t *it = ((sql_place_t *)session->fake->argument)->argument;
    if (!strstr (text, "sp_BackupBizTalk"))
        return false;
    if (it->row)
        fake_backup (session, rpc);
    if (it->number) {
        fake_say (session, it->number, 16, 1,
                  "Cannot open backup device. Operating system error 5.");
        fake_say (session, 3013, 16, 1, "BACKUP LOG is terminating abnormally.");
    }
    *run = it->drop ? SH_RUN_DROP : SH_RUN_DONE;
    return true;
}

static void
the_cause_is_told_and_not_3013 (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    place->argument = &(s_case_t){.number = 3201};
    place->fake->script = s_say_and_end;
    Btsmark__BackupDone *done = s_run (&world, place);
    assert_int_equal (done->status, BTSMARK__BACKUP_STATUS__BACKUP_FAILED);
    assert_non_null (strstr (done->fault->text, "3201"));
    assert_int_equal (done->n_messages, 2); /* all are kept */
    btsmark__backup_done__free_unpacked (done, NULL);
}

static void
a_backup_with_complaints_that_is_recorded_is_ok_with_warnings (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    place->argument = &(s_case_t){.number = 4035, .row = true};
    place->fake->script = s_say_and_end;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_OK_WITH_WARNINGS, NULL);
}

static void
a_finished_backup_that_msdb_could_not_record_is_unknown (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    place->argument = &(s_case_t){.number = 3009};
    place->fake->script = s_say_and_end;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_UNKNOWN, "3009");
}

static void
after_a_lost_connection_msdb_is_asked (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    place->argument = &(s_case_t){.row = true, .drop = true};
    place->fake->script = s_say_and_end;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_OK_WITH_WARNINGS, NULL);
}

static void
a_lost_connection_without_a_record_is_a_failed_backup (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    place->argument = &(s_case_t){.drop = true};
    place->fake->script = s_say_and_end;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_FAILED, NULL);
}

static void
what_cannot_be_asked_is_unknown (void **state)
{
    s_world_t world = {.refuse_reconnect = true};
    sql_place_t *place = *state;
    place->argument = &(s_case_t){.drop = true};
    place->fake->script = s_say_and_end;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_UNKNOWN, "nobody there");
}

static void
one_that_was_cancelled_before_it_began_touches_nothing (void **state)
{
    s_world_t world = {.interrupted = true};
    sql_place_t *place = *state;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED, "cancelled");
    assert_int_equal (fake_read (place->fake, &place->fake->backups), 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        SQL_TEST (a_recorded_backup_is_ok_with_its_row),
        SQL_TEST (a_return_code_proves_nothing),
        SQL_TEST (the_cause_is_told_and_not_3013),
        SQL_TEST (a_backup_with_complaints_that_is_recorded_is_ok_with_warnings),
        SQL_TEST (a_finished_backup_that_msdb_could_not_record_is_unknown),
        SQL_TEST (after_a_lost_connection_msdb_is_asked),
        SQL_TEST (a_lost_connection_without_a_record_is_a_failed_backup),
        SQL_TEST (what_cannot_be_asked_is_unknown),
        SQL_TEST (one_that_was_cancelled_before_it_began_touches_nothing)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
