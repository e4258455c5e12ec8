#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/backup.h"

typedef struct {
    sql_place_t *place;
    bm_instance_config_t instance;
    Btsmark__Backup order;
    int started, connects;
    bool interrupted, refuse_reconnect;
    Btsmark__NativeOptions native; /* initialised: method native */
    const char *path;              /* NULL = /tmp */
    char **allowed;                /* one, or NULL */
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
    bool native = world->native.base.descriptor != NULL;
    world->place = place;
    world->instance = (bm_instance_config_t){.name = "SQL01", .files = BM_FILES_LOCAL};
    world->instance.allowed_paths = world->allowed;
    world->instance.allowed_count = world->allowed ? 1 : 0;
    btsmark__backup__init (&world->order);
    world->order.instance = (char *)"SQL01";
    world->order.database = (char *)"X";
    world->order.type = BTSMARK__SET_TYPE__LOG;
    world->order.sequence = (char *)"BTS_1";
    if (native) {
        world->order.method = BTSMARK__METHOD__NATIVE;
        world->order.context = (char *)"btsmark run 17";
        world->order.native = &world->native;
    }
    bm_backup_t backup = {.instance = &world->instance,
                          .path = world->path ? world->path : "/tmp",
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

/*  Headers of the file: what RESTORE HEADERONLY gives, in rows of S_HEADER_COLUMNS. */
#define S_HEADER_COLUMNS                                                                           \
    "BackupType,DatabaseName,ServerName,Position,FirstLSN,LastLSN,BackupStartDate,"                \
    "BackupFinishDate,BackupSize,IsDamaged,IsCopyOnly,BackupSetGUID"
typedef struct {
    s_case_t before; /* first: what s_say_and_end looks for */
    size_t headers;
    const char *header[24];
    const char *asked; /* the statement that must come */
    bool refused;
} s_header_case_t;

static bool
s_say_and_show (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    const s_header_case_t *it = ((sql_place_t *)session->fake->argument)->argument;
    if (!strstr (text, "RESTORE HEADERONLY"))
        return s_say_and_end (session, text, rpc, run);
    *run = SH_RUN_DONE;
    if (strcmp (text, it->asked) != 0)
        fake_say (session, 50000, 16, 1, text);
    else if (it->refused)
        fake_say (session, 262, 14, 1, "CREATE DATABASE permission denied.");
    else
        fake_rows (session, S_HEADER_COLUMNS, it->headers, it->header);
    return true;
}

#define S_GOOD                                                                                     \
    "2", "X", "SQL01", "1", "35000000012300001", "35000000045600001", "2026-11-21 03:15:00.000",   \
        "2026-11-21 03:15:07.000", "4096", "0", "0"
#define S_ASKED "RESTORE HEADERONLY FROM DISK = N'/tmp/SQL01_X_Log_BTS_1.bak';"

/*  3009 has severity 16, and still the backup is good. */
static void
a_backup_that_msdb_could_not_record_is_proved_by_its_file (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    s_header_case_t it = {.before.number = 3009,
                          .headers = 1,
                          .header = {S_GOOD, "6F9619FF-8B86-D011-B42D-00C04FC964FF"},
                          .asked = S_ASKED};
    place->argument = &it;
    place->fake->script = s_say_and_show;
    Btsmark__BackupDone *done = s_run (&world, place);
    if (done->status != BTSMARK__BACKUP_STATUS__BACKUP_OK_WITH_WARNINGS)
        fail_msg ("%s", done->fault ? done->fault->text : "no fault");
    assert_true (done->row->from_header);
    assert_string_equal (done->row->uuid, "6F9619FF-8B86-D011-B42D-00C04FC964FF");
    assert_string_equal (done->row->device, "/tmp/SQL01_X_Log_BTS_1.bak");
    assert_string_equal (done->row->last_lsn, "35000000045600001");
    assert_string_equal (done->row->type, "L");
    assert_string_equal (done->fault->status, "WARNINGS");
    btsmark__backup_done__free_unpacked (done, NULL);
    /*  The procedure swallows errors, 3009 among them: then nothing is said at all. */
    it.before.number = 0;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_OK_WITH_WARNINGS, "header");
}

/*  Without a GUID in the header the id is made of it: the same each time, another one for another backup. */
static void
a_header_without_an_id_gives_the_same_one_each_time (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    s_header_case_t it = {
        .before.number = 3009, .headers = 1, .header = {S_GOOD, NULL}, .asked = S_ASKED};
    place->argument = &it;
    place->fake->script = s_say_and_show;
    char first[64] = "";
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            it.header[5] = "35000000045700001";
        Btsmark__BackupDone *done = s_run (&world, place);
        assert_non_null (done->row);
        assert_int_equal (strlen (done->row->uuid), 36);
        if (i == 0)
            snprintf (first, sizeof first, "%s", done->row->uuid);
        assert_int_equal (strcmp (first, done->row->uuid) == 0, i < 2);
        btsmark__backup_done__free_unpacked (done, NULL);
    }
    place->argument = NULL; /* it ends here */
}

static void
a_header_that_is_not_this_backups_proves_nothing (void **state)
{
    static const struct {
        int column;
        const char *value;
    } wrong[] = {{0, "1"},
                 {1, "Y"},
                 {5, NULL},                      /* it broke off */
                 {6, "2026-11-21 03:14:59.000"}, /* an earlier one in the same file */
                 {7, NULL},
                 {9, "1"},
                 {10, "1"}};
    s_world_t world = {0};
    sql_place_t *place = *state;
    place->fake->script = s_say_and_show;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        s_header_case_t it = {
            .before.number = 3009, .headers = 1, .header = {S_GOOD, NULL}, .asked = S_ASKED};
        it.header[wrong[i].column] = wrong[i].value;
        place->argument = &it;
        s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_UNKNOWN, "3009");
        it.before.number = 0;
        s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_FAILED, "no record");
    }
}

static void
a_finished_backup_that_nothing_proves_is_unknown (void **state)
{
    s_world_t world = {0};
    sql_place_t *place = *state;
    s_header_case_t it = {.before.number = 3009, .asked = S_ASKED};
    place->argument = &it;
    place->fake->script = s_say_and_show;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_UNKNOWN, "3009");
    it.refused = true;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_UNKNOWN, "CREATE DATABASE");
}

/*  ---- method native: the exact calls ---- */

typedef struct {
    const char *const *calls; /* that must come, in order; NULL ends */
    size_t seen;
    int number; /* said by BACKUP */
    bool row;
} s_replay_t;

/*  Answers what was expected next, and nothing else. */
static bool
s_replay (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    s_replay_t *it = ((sql_place_t *)session->fake->argument)->argument;
    (void)rpc;
    if (strncmp (text, "BACKUP ", 7) != 0 && !strstr (text, "RESTORE") &&
        !strstr (text, "backupmediafamily"))
        return false;
    const char *want = it->calls[it->seen];
    *run = SH_RUN_DONE;
    if (!want || strncmp (text, want, strlen (want)) != 0) {
        fake_say (session, 50000, 16, 1, text);
        return true;
    }
    it->seen++;
    if (strstr (text, "backupmediafamily")) {
        fake_rows (session, "database_name,backup_type,backup_set_id,physical_device_name,last_lsn",
                   it->row ? 2 : 0,
                   (const char *[]){"X", "L", "43", "https://a/b/SQL01_X_Log_BTS_1_1of2.bak", "1",
                                    "X", "L", "43", "https://a/b/SQL01_X_Log_BTS_1_2of2.bak", "1"});
    } else if (it->number)
        fake_say (session, it->number, 16, 1, "There is not enough space on the disk.");
    return true;
}

static void
native_sends_exactly_its_statement_and_looks_for_the_record (void **state)
{
    static const char *const calls[] = {
        "BACKUP LOG [X] TO URL = N'https://a/b/SQL01_X_Log_BTS_1_1of2.bak', URL = "
        "N'https://a/b/SQL01_X_Log_BTS_1_2of2.bak' WITH CHECKSUM, FORMAT, NAME = N'btsmark run "
        "17', DESCRIPTION = N'BTS_1', NO_COMPRESSION, MAXTRANSFERSIZE = 4194304, BUFFERCOUNT = 32, "
        "ENCRYPTION (ALGORITHM = AES_256, SERVER CERTIFICATE = [Cert]), STATS = 5;",
        "SELECT b.database_name", NULL};
    s_world_t world = {.path = "https://a/b"};
    sql_place_t *place = *state;
    s_replay_t it = {.calls = calls, .row = true};
    btsmark__native_options__init (&world.native);
    world.native.stripes = 2;
    world.native.max_transfer_bytes = 4194304;
    world.native.buffer_count = 32;
    world.native.encryption_algorithm = (char *)"AES_256";
    world.native.certificate = (char *)"Cert";
    place->argument = &it;
    place->fake->script = s_replay;
    Btsmark__BackupDone *done = s_run (&world, place);
    if (done->status != BTSMARK__BACKUP_STATUS__BACKUP_OK)
        fail_msg ("%s", done->fault ? done->fault->text : "no fault");
    assert_int_equal (it.seen, 2);
    assert_int_equal (done->row->n_devices, 2);
    assert_string_equal (done->row->devices[1], "https://a/b/SQL01_X_Log_BTS_1_2of2.bak");
    assert_int_equal (world.started, 1);
    btsmark__backup_done__free_unpacked (done, NULL);
}

/*  A credential opens the blob for the header too. */
static void
native_to_a_page_blob_names_its_credential_each_time (void **state)
{
    static const char *const calls[] = {
        "BACKUP LOG [X] TO URL = N'https://a/b/SQL01_X_Log_BTS_1.bak' WITH CHECKSUM, FORMAT, NAME "
        "= "
        "N'btsmark run 17', DESCRIPTION = N'BTS_1', NO_COMPRESSION, CREDENTIAL = N'it''s', STATS = "
        "5;",
        "SELECT b.database_name",
        "RESTORE HEADERONLY FROM URL = N'https://a/b/SQL01_X_Log_BTS_1.bak' WITH CREDENTIAL = "
        "N'it''s';",
        NULL};
    s_world_t world = {.path = "https://a/b"};
    sql_place_t *place = *state;
    s_replay_t it = {.calls = calls};
    btsmark__native_options__init (&world.native);
    world.native.credential = (char *)"it's";
    place->argument = &it;
    place->fake->script = s_replay;
    s_expect (&world, place, BTSMARK__BACKUP_STATUS__BACKUP_FAILED, "no record");
    assert_int_equal (it.seen, 3);
}

static void
the_piece_of_a_backup_that_broke_off_is_named (void **state)
{
    static const char *const calls[] = {"BACKUP LOG [X] TO DISK = N'", "SELECT b.database_name",
                                        NULL};
    char folder[] = "/tmp/btsmark-piece-XXXXXX";
    assert_non_null (mkdtemp (folder));
    char *allowed[] = {folder};
    s_world_t world = {.path = folder, .allowed = allowed};
    sql_place_t *place = *state;
    s_replay_t it = {.calls = calls, .number = 3202};
    btsmark__native_options__init (&world.native);
    place->argument = &it;
    place->fake->script = s_replay;
    char *file = bm_format ("%s/SQL01_X_Log_BTS_1.bak", folder);
    FILE *piece = fopen (file, "we");
    assert_non_null (piece);
    assert_int_equal (fclose (piece), 0);
    Btsmark__BackupDone *done = s_run (&world, place);
    assert_int_equal (done->status, BTSMARK__BACKUP_STATUS__BACKUP_FAILED);
    assert_non_null (strstr (done->fault->text, "3202"));
    assert_non_null (strstr (done->fault->remedy, file));
    btsmark__backup_done__free_unpacked (done, NULL);
    assert_int_equal (unlink (file), 0);
    /*  SQL Server took it away: there is nothing to name. */
    it.seen = 0;
    done = s_run (&world, place);
    assert_null (strstr (done->fault->remedy, file));
    btsmark__backup_done__free_unpacked (done, NULL);
    assert_int_equal (rmdir (folder), 0);
    free (file);
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
        SQL_TEST (a_backup_that_msdb_could_not_record_is_proved_by_its_file),
        SQL_TEST (a_header_without_an_id_gives_the_same_one_each_time),
        SQL_TEST (a_header_that_is_not_this_backups_proves_nothing),
        SQL_TEST (a_finished_backup_that_nothing_proves_is_unknown),
        SQL_TEST (native_sends_exactly_its_statement_and_looks_for_the_record),
        SQL_TEST (native_to_a_page_blob_names_its_credential_each_time),
        SQL_TEST (the_piece_of_a_backup_that_broke_off_is_named),
        SQL_TEST (after_a_lost_connection_msdb_is_asked),
        SQL_TEST (a_lost_connection_without_a_record_is_a_failed_backup),
        SQL_TEST (what_cannot_be_asked_is_unknown),
        SQL_TEST (one_that_was_cancelled_before_it_began_touches_nothing)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
