/*  Orders that look and clean up, against the whole agent in a thread of this process: who may give them, and what they leave
 *  alone. */
#include "tests/unit/agent/tests.h"

#include <pthread.h>
#include <signal.h>

#include "agent/shell/server.h"
#include "common/log.h"
#include "tests/unit/agent/fake_sql.h"

typedef struct {
    tests_place_t *place;
    fake_sql_t *sql;
    bm_server_t *server;
    pthread_t thread;
    bm_status_t ended;
    tests_client_t *client;  /* duties status, backup */
    tests_client_t *watcher; /* duty status */
    bool hold_look;
    int trimmed;
    int looks;
} s_world_t;

static s_world_t *s_world;

static void *
s_serve (void *argument)
{
    s_world_t *world = argument;
    bm_error_t error = {0};
    world->ended = bm_server_run (world->server, &error);
    return NULL;
}

/*  What inspecting and trimming send. */
static bool
s_script (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    *run = SH_RUN_DONE;
    if (strstr (text, "sys.databases")) {
        fake_count (session->fake, &s_world->looks, 1);
        *run = fake_hold (session, &s_world->hold_look, NULL);
        return true;
    }
    if (strstr (text, "AS bm_name")) {
        fake_rows (session, "bm_name,bm_rows", 1,
                   (const char *[]){"BTS_2026_01_01_00_00_00_000", "7"});
        return true;
    }
    if (strstr (text, "DELETE TOP")) {
        fake_count (session->fake, &s_world->trimmed, 1);
        fake_one (session, "bm_rows", 7);
        return true;
    }
    if (strstr (text, "backupmediafamily") && strstr (text, "IN (")) {
        fake_rows (session, "physical_device_name,database_name,bytes", 0, NULL);
        return true;
    }
    return false;
}

static int
s_setup (void **state)
{
    bm_error_t error = {0};
    s_world_t *world = s_world = bm_alloc (sizeof *world);
    world->place = tests_place_new ();
    world->sql = fake_sql_new ();
    world->sql->script = s_script;
    tests_configure (world->place, sh_server_address (world->sql->server), "");
    world->server = bm_server_new (world->place->config, NULL, &error);
    if (!world->server)
        fail_msg ("%s", error.text);
    assert_int_equal (pthread_create (&world->thread, NULL, s_serve, world), 0);
    world->client = tests_client_new (world->place, "full", bm_server_endpoint (world->server));
    world->watcher = tests_client_new (world->place, "status", bm_server_endpoint (world->server));
    world->watcher->operation_id = 500000;
    tests_greet (world->client);
    tests_greet (world->watcher);
    *state = world;
    return 0;
}

/*  The clean stop is part of every test. */
static int
s_teardown (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->hold_look, false);
    kill (getpid (), SIGTERM);
    pthread_join (world->thread, NULL);
    bm_server_destroy (&world->server);
    bm_status_t ended = world->ended;
    tests_client_free (world->client);
    tests_client_free (world->watcher);
    fake_sql_free (world->sql);
    tests_place_free (world->place);
    free (world);
    return ended == BM_OK ? 0 : -1;
}

/*  ---- orders ---- */

static Btsmark__Inspect s_inspect = BTSMARK__INSPECT__INIT;
static Btsmark__MeasureFiles s_measure = BTSMARK__MEASURE_FILES__INIT;
static Btsmark__DeleteFiles s_delete = BTSMARK__DELETE_FILES__INIT;
static Btsmark__TrimMarks s_trim = BTSMARK__TRIM_MARKS__INIT;
static Btsmark__DatabaseTarget s_target = BTSMARK__DATABASE_TARGET__INIT;
static Btsmark__DatabaseTarget *s_targets[] = {&s_target};
static char *s_databases[] = {(char *)"X"};

static Btsmark__Envelope
s_envelope (Btsmark__Envelope__BodyCase body)
{
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    order.body_case = body;
    switch (body) {
        case BTSMARK__ENVELOPE__BODY_INSPECT:
            s_inspect.instance = (char *)"SQL01";
            s_inspect.databases = s_targets;
            s_inspect.n_databases = 1;
            s_target.name = (char *)"X";
            order.inspect = &s_inspect;
            break;
        case BTSMARK__ENVELOPE__BODY_MEASURE_FILES:
            btsmark__measure_files__init (&s_measure);
            s_measure.instance = (char *)"SQL01";
            order.measure_files = &s_measure;
            break;
        case BTSMARK__ENVELOPE__BODY_DELETE_FILES:
            btsmark__delete_files__init (&s_delete);
            s_delete.instance = (char *)"SQL01";
            order.delete_files = &s_delete;
            break;
        case BTSMARK__ENVELOPE__BODY_TRIM_MARKS:
            btsmark__trim_marks__init (&s_trim);
            s_trim.instance = (char *)"SQL01";
            s_trim.databases = s_databases;
            s_trim.n_databases = 1;
            s_trim.before = (char *)"2026_02_01_00_00_00_000";
            order.trim_marks = &s_trim;
            break;
        default:
            fail_msg ("no such order here");
    }
    return order;
}

static const struct {
    Btsmark__Envelope__BodyCase order, answer;
    bool looks; /* duty status is enough, whatever run goes on */
} s_kinds[] = {
    {BTSMARK__ENVELOPE__BODY_INSPECT, BTSMARK__ENVELOPE__BODY_INSPECTED, true},
    {BTSMARK__ENVELOPE__BODY_MEASURE_FILES, BTSMARK__ENVELOPE__BODY_FILES_MEASURED, true},
    {BTSMARK__ENVELOPE__BODY_DELETE_FILES, BTSMARK__ENVELOPE__BODY_FILES_DELETED, false},
    {BTSMARK__ENVELOPE__BODY_TRIM_MARKS, BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED, false}};
#define S_KINDS (sizeof s_kinds / sizeof *s_kinds)

static void
whoever_may_look_may_not_clean_up (void **state)
{
    s_world_t *world = *state;
    for (size_t i = 0; i < S_KINDS; i++) {
        Btsmark__Envelope order = s_envelope (s_kinds[i].order);
        if (s_kinds[i].looks)
            tests_free (tests_ask (world->watcher, &order, s_kinds[i].answer));
        else
            tests_expect_refusal (world->watcher, &order, BTSMARK__REFUSED__WHY__NO_DUTY);
        order = s_envelope (s_kinds[i].order);
        tests_free (tests_ask (world->client, &order, s_kinds[i].answer));
    }
}

static void
an_order_of_another_start_or_too_late_does_nothing (void **state)
{
    s_world_t *world = *state;
    for (size_t i = 0; i < S_KINDS; i++) {
        Btsmark__Envelope order = s_envelope (s_kinds[i].order);
        order.start_id = world->client->start_id + 1;
        tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__STALE);
        order = s_envelope (s_kinds[i].order);
        order.expires_agent_ms = 1;
        tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__EXPIRED);
    }
    assert_int_equal (fake_read (world->sql, &world->trimmed), 0);
    assert_int_equal (fake_read (world->sql, &world->looks), 0);
}

/*  A check may run with the last run's epoch, or none; a clean-up of an older run is over. */
static void
looking_needs_no_epoch_and_moves_none (void **state)
{
    s_world_t *world = *state;
    uint64_t epoch = world->client->epoch;
    Btsmark__Envelope order = s_envelope (BTSMARK__ENVELOPE__BODY_TRIM_MARKS);
    tests_free (tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED));
    for (size_t i = 0; i < S_KINDS; i++) {
        order = s_envelope (s_kinds[i].order);
        order.epoch = epoch - 1;
        if (s_kinds[i].looks)
            tests_free (tests_ask (world->client, &order, s_kinds[i].answer));
        else
            tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__OLD_EPOCH);
    }
    for (size_t i = 0; i < S_KINDS; i++) {
        if (!s_kinds[i].looks)
            continue;
        order = s_envelope (s_kinds[i].order);
        order.epoch = epoch + 5;
        tests_free (tests_ask (world->client, &order, s_kinds[i].answer));
    }
    order = s_envelope (BTSMARK__ENVELOPE__BODY_TRIM_MARKS); /* the run's own epoch still counts */
    tests_free (tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED));
}

/*  One that hangs in SQL Server keeps neither the run's questions nor others that look waiting. */
static void
an_inspection_that_hangs_holds_up_nobody (void **state)
{
    s_world_t *world = *state;
    Btsmark__Envelope inspect = s_envelope (BTSMARK__ENVELOPE__BODY_INSPECT);
    fake_set (world->sql, &world->hold_look, true);
    uint64_t hanging = tests_send (world->watcher, &inspect);
    assert_true (fake_wait (world->sql, &world->looks, 1));
    Btsmark__Prove prove = BTSMARK__PROVE__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    prove.instance = (char *)"SQL01";
    prove.mark = (char *)"BTS_2026_11_21_02_15_01_327";
    prove.databases = s_databases;
    prove.n_databases = 1;
    order.body_case = BTSMARK__ENVELOPE__BODY_PROVE;
    order.prove = &prove;
    tests_free (tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_PROOF));
    order = s_envelope (BTSMARK__ENVELOPE__BODY_MEASURE_FILES);
    tests_free (tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_FILES_MEASURED));
    fake_set (world->sql, &world->hold_look, false);
    Btsmark__Envelope *answer = tests_receive (world->watcher);
    assert_int_equal (answer->operation_id, hanging);
    assert_int_equal (answer->body_case, BTSMARK__ENVELOPE__BODY_INSPECTED);
    tests_free (answer);
}

/*  Each has a login of its own, so there is an end to them. */
static void
too_many_at_once_are_refused_and_the_next_one_gets_through (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->hold_look, true);
    for (int i = 0; i < 4; i++) {
        Btsmark__Envelope inspect = s_envelope (BTSMARK__ENVELOPE__BODY_INSPECT);
        tests_send (world->watcher, &inspect);
    }
    assert_true (fake_wait (world->sql, &world->looks, 4));
    Btsmark__Envelope more = s_envelope (BTSMARK__ENVELOPE__BODY_INSPECT);
    tests_expect_refusal (world->client, &more, BTSMARK__REFUSED__WHY__BUSY);
    fake_set (world->sql, &world->hold_look, false);
    for (int i = 0; i < 4; i++)
        tests_free (tests_receive (world->watcher));
    more = s_envelope (BTSMARK__ENVELOPE__BODY_INSPECT);
    tests_free (tests_ask (world->client, &more, BTSMARK__ENVELOPE__BODY_INSPECTED));
}

static void
an_inspection_can_be_cancelled (void **state)
{
    s_world_t *world = *state;
    Btsmark__Envelope inspect = s_envelope (BTSMARK__ENVELOPE__BODY_INSPECT);
    fake_set (world->sql, &world->hold_look, true);
    uint64_t hanging = tests_send (world->client, &inspect);
    assert_true (fake_wait (world->sql, &world->looks, 1));
    Btsmark__Cancel cancel = BTSMARK__CANCEL__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    cancel.target_operation_id = hanging;
    order.body_case = BTSMARK__ENVELOPE__BODY_CANCEL;
    order.cancel = &cancel;
    uint64_t id = tests_send (world->client, &order);
    for (int i = 0; i < 2; i++) {
        Btsmark__Envelope *answer = tests_receive (world->client);
        if (answer->operation_id == id)
            assert_true (answer->cancelled->found);
        else
            assert_int_equal (answer->body_case, BTSMARK__ENVELOPE__BODY_INSPECTED);
        tests_free (answer);
    }
    assert_true (fake_read (world->sql, &world->sql->attentions) > 0);
}

static void
lists_of_files_are_limited (void **state)
{
    s_world_t *world = *state;
    char *names[BM_LIMIT_FILES + 1];
    for (size_t i = 0; i <= BM_LIMIT_FILES; i++)
        names[i] = (char *)"/tmp/x.bak";
    Btsmark__Envelope order = s_envelope (BTSMARK__ENVELOPE__BODY_MEASURE_FILES);
    s_measure.files = names;
    s_measure.n_files = BM_LIMIT_FILES;
    Btsmark__Envelope *answer =
        tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_FILES_MEASURED);
    assert_int_equal (answer->files_measured->n_files, BM_LIMIT_FILES);
    assert_string_equal (answer->files_measured->files[0]->fault->status, "PATH_NOT_ALLOWED");
    tests_free (answer);
    order = s_envelope (BTSMARK__ENVELOPE__BODY_MEASURE_FILES);
    s_measure.files = names;
    s_measure.n_files = BM_LIMIT_FILES + 1;
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__BAD_REQUEST);
}

/*  The worst that can be answered still fits: a long path and a long fault for each. */
static void
an_answer_about_many_long_paths_fits_or_is_not_begun (void **state)
{
    s_world_t *world = *state;
    enum { FILES = 1000, LONG = 450 };
    char *names[FILES];
    for (size_t i = 0; i < FILES; i++) {
        names[i] = bm_alloc (LONG + 50);
        memset (names[i], 'x', LONG + 49);
        names[i][0] = '/';
        names[i][LONG] = 0;
    }
    Btsmark__Envelope order = s_envelope (BTSMARK__ENVELOPE__BODY_MEASURE_FILES);
    s_measure.files = names;
    s_measure.n_files = FILES;
    Btsmark__Envelope *answer =
        tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_FILES_MEASURED);
    assert_true (*answer->files_measured->files[0]->fault->remedy != 0);
    assert_string_equal (answer->files_measured->files[FILES - 1]->fault->status,
                         "PATH_NOT_ALLOWED");
    assert_string_equal (answer->files_measured->files[FILES - 1]->fault->remedy, "");
    tests_free (answer);
    for (size_t i = 0; i < FILES; i++)
        names[i][LONG] = 'x';
    order = s_envelope (BTSMARK__ENVELOPE__BODY_MEASURE_FILES);
    s_measure.files = names;
    s_measure.n_files = FILES;
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__BAD_REQUEST);
    for (size_t i = 0; i < FILES; i++)
        free (names[i]);
}

static void
a_file_is_deleted_once_however_often_the_order_comes (void **state)
{
    s_world_t *world = *state;
    char *path = bm_format ("%s/SQL01_X_Log_BTS_1.bak", world->place->backups);
    FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_int_equal (fclose (file), 0);
    Btsmark__DeleteFiles__File one = BTSMARK__DELETE_FILES__FILE__INIT, *list[] = {&one};
    one.file = path;
    one.database = (char *)"X";
    Btsmark__Envelope order = s_envelope (BTSMARK__ENVELOPE__BODY_DELETE_FILES);
    s_delete.files = list;
    s_delete.n_files = 1;
    for (int i = 0; i < 2; i++) {
        Btsmark__Envelope *answer =
            tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_FILES_DELETED);
        assert_int_equal (answer->files_deleted->files[0]->fate,
                          BTSMARK__FILE_FATE__FATE_DELETED); /* the stored answer */
        tests_free (answer);
    }
    assert_int_not_equal (access (path, F_OK), 0);
    free (path);
}

static void
marks_are_trimmed_by_a_time_and_a_dry_run_only_counts (void **state)
{
    s_world_t *world = *state;
    Btsmark__Envelope order = s_envelope (BTSMARK__ENVELOPE__BODY_TRIM_MARKS);
    s_trim.dry_run = true;
    Btsmark__Envelope *answer =
        tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED);
    assert_int_equal (answer->marks_trimmed->databases[0]->rows, 7);
    assert_int_equal (fake_read (world->sql, &world->trimmed), 0);
    tests_free (answer);
    order = s_envelope (BTSMARK__ENVELOPE__BODY_TRIM_MARKS);
    answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED);
    assert_int_equal (answer->marks_trimmed->databases[0]->rows, 7);
    assert_int_equal (fake_read (world->sql, &world->trimmed), 1);
    tests_free (answer);
    order = s_envelope (BTSMARK__ENVELOPE__BODY_TRIM_MARKS);
    s_trim.before = (char *)"'; DROP TABLE MarkLog --";
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__BAD_REQUEST);
    order = s_envelope (BTSMARK__ENVELOPE__BODY_TRIM_MARKS);
    s_trim.n_databases = 0;
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__BAD_REQUEST);
}

int
main (void)
{
    bm_error_t error = {0};
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGTERM);
    pthread_sigmask (SIG_BLOCK, &set, NULL);
    zsys_handler_set (NULL);
    bm_log_open ("agent", BM_LOG_ERROR);
    if (bm_sql_init (&error) != BM_OK)
        return 1;
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (whoever_may_look_may_not_clean_up),
        T (an_order_of_another_start_or_too_late_does_nothing),
        T (looking_needs_no_epoch_and_moves_none),
        T (an_inspection_that_hangs_holds_up_nobody),
        T (too_many_at_once_are_refused_and_the_next_one_gets_through),
        T (an_inspection_can_be_cancelled),
        T (lists_of_files_are_limited),
        T (an_answer_about_many_long_paths_fits_or_is_not_begun),
        T (a_file_is_deleted_once_however_often_the_order_comes),
        T (marks_are_trimmed_by_a_time_and_a_dry_run_only_counts)};
#undef T
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    zsys_shutdown ();
    bm_sql_exit ();
    return failed;
}
