/*  The whole agent, in a thread of this process: real sockets, real TDS, a scripted SQL Server. */
#include "tests/unit/agent/tests.h"

#include <pthread.h>
#include <signal.h>

#include "agent/shell/server.h"
#include "common/digest.h"
#include "common/log.h"
#include "tests/unit/agent/fake_sql.h"

#define S_MARK "BTS_2026_11_21_02_15_01_327"

typedef struct {
    tests_place_t *place;
    fake_sql_t *sql;
    bm_server_t *server;
    pthread_t thread;
    bool running;
    bm_status_t ended;
    tests_client_t *client; /* duties status, backup */
} s_world_t;

static void *
s_serve (void *argument)
{
    s_world_t *world = argument;
    bm_error_t error = {0};
    world->ended = bm_server_run (world->server, &error);
    return NULL;
}

static void
s_start (s_world_t *world, const char *more)
{
    bm_error_t error = {0};
    tests_configure (world->place, sh_server_address (world->sql->server), more);
    world->server = bm_server_new (world->place->config, NULL, &error);
    if (!world->server)
        fail_msg ("%s", error.text);
    assert_int_equal (pthread_create (&world->thread, NULL, s_serve, world), 0);
    world->running = true;
    world->client = tests_client_new (world->place, "full", bm_server_endpoint (world->server));
    tests_greet (world->client);
}

/*  SIGTERM, and the end of the loop; the clean stop is part of every test. */
static void
s_stop (s_world_t *world)
{
    if (world->running) {
        kill (getpid (), SIGTERM);
        pthread_join (world->thread, NULL);
        world->running = false;
    }
    bm_server_destroy (&world->server);
}

static int
s_setup (void **state)
{
    s_world_t *world = bm_alloc (sizeof *world);
    world->place = tests_place_new ();
    world->sql = fake_sql_new ();
    s_start (world, "");
    *state = world;
    return 0;
}

static int
s_teardown (void **state)
{
    s_world_t *world = *state;
    s_stop (world);
    bm_status_t ended = world->ended;
    tests_client_free (world->client);
    fake_sql_free (world->sql);
    tests_place_free (world->place);
    free (world);
    return ended == BM_OK ? 0 : -1;
}

/*  ---- orders ---- */

static Btsmark__FencedDatabase *s_fence_list[1];
static Btsmark__FencedDatabase s_fence;
static Btsmark__FenceIdentity s_identity;
static char s_login_time[64];

/*  FENCE of database X; keeps its identity for what follows. */
static void
s_take_fence (tests_client_t *client, uint32_t lease_ms)
{
    Btsmark__Fence fence = BTSMARK__FENCE__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    char *databases[] = {(char *)"X"};
    fence.instance = (char *)"SQL01";
    fence.databases = databases;
    fence.n_databases = 1;
    fence.lease_ms = lease_ms;
    order.body_case = BTSMARK__ENVELOPE__BODY_FENCE;
    order.fence = &fence;
    Btsmark__Envelope *answer = tests_ask (client, &order, BTSMARK__ENVELOPE__BODY_FENCED);
    assert_true (answer->fenced->ok);
    assert_int_equal (answer->fenced->n_fences, 1);
    btsmark__fence_identity__init (&s_identity);
    btsmark__fenced_database__init (&s_fence);
    const Btsmark__FenceIdentity *identity = answer->fenced->fences[0]->identity;
    s_identity.start_id = identity->start_id;
    s_identity.transaction_id = identity->transaction_id;
    snprintf (s_login_time, sizeof s_login_time, "%s", identity->session_login_time);
    s_identity.session_login_time = s_login_time;
    s_fence.name = (char *)"X";
    s_fence.identity = &s_identity;
    s_fence_list[0] = &s_fence;
    assert_int_equal (s_identity.start_id, client->start_id);
    assert_int_not_equal (s_identity.transaction_id, 0);
    tests_free (answer);
}

static int64_t
s_open_mark (tests_client_t *client, uint32_t lease_ms)
{
    Btsmark__Mark mark = BTSMARK__MARK__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    char *databases[] = {(char *)"X"};
    mark.instance = (char *)"SQL01";
    mark.mark = (char *)S_MARK;
    mark.databases = databases;
    mark.n_databases = 1;
    mark.lease_ms = lease_ms;
    mark.fences = s_fence_list;
    mark.n_fences = 1;
    order.body_case = BTSMARK__ENVELOPE__BODY_MARK;
    order.mark = &mark;
    Btsmark__Envelope *answer = tests_ask (client, &order, BTSMARK__ENVELOPE__BODY_MARKED);
    if (!answer->marked->ok)
        fail_msg ("%s", answer->marked->fault->text);
    int64_t transaction = answer->marked->transaction_id;
    tests_free (answer);
    return transaction;
}

static Btsmark__Envelope *
s_commit (tests_client_t *client, int64_t transaction_id, uint32_t deadline_ms)
{
    Btsmark__Commit commit = BTSMARK__COMMIT__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    commit.instance = (char *)"SQL01";
    commit.mark = (char *)S_MARK;
    commit.transaction_id = transaction_id;
    commit.deadline_ms = deadline_ms;
    commit.fences = s_fence_list;
    commit.n_fences = 1;
    order.body_case = BTSMARK__ENVELOPE__BODY_COMMIT;
    order.commit = &commit;
    return tests_ask (client, &order, BTSMARK__ENVELOPE__BODY_COMMITTED);
}

static Btsmark__Envelope *
s_release (tests_client_t *client)
{
    Btsmark__Release release = BTSMARK__RELEASE__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    release.instance = (char *)"SQL01";
    release.fences = s_fence_list;
    release.n_fences = 1;
    order.body_case = BTSMARK__ENVELOPE__BODY_RELEASE;
    order.release = &release;
    return tests_ask (client, &order, BTSMARK__ENVELOPE__BODY_RELEASED);
}

static Btsmark__Backup
s_backup (void)
{
    Btsmark__Backup backup = BTSMARK__BACKUP__INIT;
    backup.instance = (char *)"sql01"; /* names do not care about case */
    backup.database = (char *)"X";
    backup.type = BTSMARK__SET_TYPE__LOG;
    backup.method = BTSMARK__METHOD__PROCEDURE;
    backup.sequence = (char *)S_MARK;
    backup.context = (char *)"btsmark run 17";
    return backup;
}

static Btsmark__Envelope
s_backup_order (Btsmark__Backup *backup)
{
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    order.body_case = BTSMARK__ENVELOPE__BODY_BACKUP;
    order.backup = backup;
    return order;
}

/*  ---- who may, and what is for us ---- */

static void
the_greeting_tells_who_we_are (void **state)
{
    s_world_t *world = *state;
    Btsmark__Greet greet = BTSMARK__GREET__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    order.body_case = BTSMARK__ENVELOPE__BODY_GREET;
    order.greet = &greet;
    Btsmark__Envelope *answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_GREETING);
    assert_string_equal (answer->greeting->agent_name, "SQL01");
    assert_int_equal (answer->greeting->start_id, bm_server_start_id (world->server));
    assert_int_equal (answer->greeting->n_instances, 1);
    const Btsmark__Instance *instance = answer->greeting->instances[0];
    assert_null (instance->fault);
    assert_string_equal (instance->real_name, "SQL01");
    assert_int_equal (instance->n_aliases, 2);
    assert_string_equal (instance->aliases[0], "sql01.example.com,1433");
    assert_string_equal (instance->backup_path, world->place->backups);
    assert_int_equal (instance->clock_utc_us, INT64_C (1795227300000000));
    assert_int_equal (answer->greeting->n_duties, 2);
    tests_free (answer);
}

static void
a_key_without_the_duty_is_refused_for_each_order (void **state)
{
    s_world_t *world = *state;
    tests_client_t *watcher =
        tests_client_new (world->place, "status", bm_server_endpoint (world->server));
    watcher->operation_id = 5000;
    tests_greet (watcher); /* the twin: what its duty covers gets through */
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    tests_expect_refusal (watcher, &order, BTSMARK__REFUSED__WHY__NO_DUTY);
    Btsmark__Settle settle = BTSMARK__SETTLE__INIT;
    Btsmark__Envelope other = BTSMARK__ENVELOPE__INIT;
    settle.instance = (char *)"SQL01";
    other.body_case = BTSMARK__ENVELOPE__BODY_SETTLE;
    other.settle = &settle;
    tests_expect_refusal (watcher, &other, BTSMARK__REFUSED__WHY__NO_DUTY);
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 0);
    tests_client_free (watcher);
}

/*  Its twin: the very same order under the key that has the duty is done. */
static void
twin_with_the_duty_the_same_order_gets_through (void **state)
{
    s_world_t *world = *state;
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    Btsmark__Envelope *answer =
        tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_BACKUP_DONE);
    assert_int_equal (answer->backup_done->status, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    assert_string_equal (answer->backup_done->row->last_lsn, "35000000045600001");
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 1);
    tests_free (answer);
}

static void
an_order_for_another_start_has_no_effect (void **state)
{
    s_world_t *world = *state;
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    order.start_id = world->client->start_id + 1;
    Btsmark__Envelope *answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_REFUSED);
    assert_int_equal (answer->refused->why, BTSMARK__REFUSED__WHY__STALE);
    assert_int_equal (answer->refused->start_id, world->client->start_id);
    tests_free (answer);
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 0);
}

static void
a_late_order_has_no_effect (void **state)
{
    s_world_t *world = *state;
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    order.expires_agent_ms = 1;
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__EXPIRED);
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 0);
}

static void
an_unknown_instance_and_a_foreign_path_are_refused (void **state)
{
    s_world_t *world = *state;
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    backup.instance = (char *)"SQL99";
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__UNKNOWN_INSTANCE);
    backup.instance = (char *)"SQL01";
    const char *const paths[] = {"/etc", "relative", "/tmp/../etc", "/tmp/x'; DROP TABLE y --"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        backup.path = (char *)paths[i];
        order.operation_id = 0;
        tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__PATH_NOT_ALLOWED);
    }
    backup.path = (char *)"";
    backup.sequence = (char *)"BTS'--";
    order.operation_id = 0;
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__BAD_REQUEST);
    backup.sequence = (char *)S_MARK;
    Btsmark__NativeOptions options = BTSMARK__NATIVE_OPTIONS__INIT;
    options.stripes = BM_LIMIT_STRIPES + 1;
    backup.method = BTSMARK__METHOD__NATIVE;
    backup.native = &options;
    order.operation_id = 0;
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__BAD_REQUEST);
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 0);
}

static void
what_cannot_be_read_is_refused_and_the_agent_goes_on (void **state)
{
    s_world_t *world = *state;
    uint8_t *large = bm_alloc (BM_LIMIT_WIRE_BYTES + 100);
    tests_send_raw (world->client, "\xFF\xFF\xFFgarbage", 10);
    Btsmark__Envelope *answer = tests_receive (world->client);
    assert_int_equal (answer->body_case, BTSMARK__ENVELOPE__BODY_REFUSED);
    assert_int_equal (answer->refused->why, BTSMARK__REFUSED__WHY__BAD_REQUEST);
    tests_free (answer);
    tests_send_raw (world->client, large, BM_LIMIT_WIRE_BYTES + 100);
    answer = tests_receive (world->client);
    assert_int_equal (answer->refused->why, BTSMARK__REFUSED__WHY__BAD_REQUEST);
    tests_free (answer);
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    order.protocol = BM_PROTOCOL_VERSION + 1;
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__VERSION);
    /*  An answer is no order. */
    Btsmark__Aborted aborted = BTSMARK__ABORTED__INIT;
    Btsmark__Envelope wrong = BTSMARK__ENVELOPE__INIT;
    wrong.body_case = BTSMARK__ENVELOPE__BODY_ABORTED;
    wrong.aborted = &aborted;
    tests_expect_refusal (world->client, &wrong, BTSMARK__REFUSED__WHY__BAD_REQUEST);
    tests_greet (world->client);
    free (large);
}

static void
a_sql_server_that_says_nothing_does_not_hold_up_the_greeting (void **state)
{
    s_world_t *world = *state;
    Btsmark__Greet greet = BTSMARK__GREET__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    fake_set (world->sql, &world->sql->mute, true);
    order.body_case = BTSMARK__ENVELOPE__BODY_GREET;
    order.greet = &greet;
    int64_t began = bm_clock_mono_ms ();
    Btsmark__Envelope *answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_GREETING);
    assert_true (bm_clock_mono_ms () - began < 8000);
    assert_string_equal (answer->greeting->instances[0]->name, "SQL01");
    assert_string_equal (answer->greeting->instances[0]->fault->status, "SQL_TIMEOUT");
    tests_free (answer);
    fake_set (world->sql, &world->sql->mute, false);
    tests_greet (world->client); /* what came too late is dropped, the next one is whole */
}

/*  ---- at most once ---- */

static void
an_order_that_comes_again_gets_the_stored_answer (void **state)
{
    s_world_t *world = *state;
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    tests_free (tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_BACKUP_DONE));
    Btsmark__Envelope *again =
        tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_BACKUP_DONE);
    assert_int_equal (again->backup_done->status, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    tests_free (again);
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 1);
    /*  Also to another connection of the same coordinator; never to another key. */
    tests_client_t *back =
        tests_client_new (world->place, "full", bm_server_endpoint (world->server));
    back->start_id = world->client->start_id;
    again = tests_ask (back, &order, BTSMARK__ENVELOPE__BODY_BACKUP_DONE);
    tests_free (again);
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 1);
    tests_client_free (back);
    tests_client_t *watcher =
        tests_client_new (world->place, "status", bm_server_endpoint (world->server));
    Btsmark__Greet greet = BTSMARK__GREET__INIT;
    Btsmark__Envelope stolen = BTSMARK__ENVELOPE__INIT;
    stolen.operation_id = order.operation_id;
    stolen.body_case = BTSMARK__ENVELOPE__BODY_GREET;
    stolen.greet = &greet;
    tests_expect_refusal (watcher, &stolen, BTSMARK__REFUSED__WHY__BAD_REQUEST);
    tests_client_free (watcher);
}

static void
a_running_backup_sends_progress_and_answers_who_asked_last (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->sql->hold_backup, true);
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    tests_send (world->client, &order);
    assert_true (fake_wait (world->sql, &world->sql->backups, 1));
    tests_client_t *back =
        tests_client_new (world->place, "full", bm_server_endpoint (world->server));
    back->start_id = world->client->start_id;
    tests_send (back, &order);
    for (int i = 0; i < 100 && !(back->progress > 0 && back->last_percent > 0); i++)
        assert_null (tests_receive_within (back, 100));
    assert_string_equal (back->last_step, "BACKUP LOG");
    assert_true (back->last_percent > 41 && back->last_percent < 42);
    fake_set (world->sql, &world->sql->hold_backup, false);
    Btsmark__Envelope *answer = tests_receive (back);
    assert_int_equal (answer->body_case, BTSMARK__ENVELOPE__BODY_BACKUP_DONE);
    tests_free (answer);
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 1);
    tests_client_free (back);
}

/*  ---- the round ---- */

static void
a_round_fences_marks_commits_and_releases (void **state)
{
    s_world_t *world = *state;
    s_take_fence (world->client, 10000);
    int64_t transaction = s_open_mark (world->client, 10000);
    assert_int_equal (fake_read (world->sql, &world->sql->open_marks), 1);
    Btsmark__Envelope *answer = s_commit (world->client, transaction, 5000);
    assert_int_equal (answer->committed->answer, BTSMARK__COMMIT_ANSWER__COMMIT_DONE);
    assert_null (answer->committed->fault);
    tests_free (answer);
    answer = s_release (world->client);
    assert_int_equal (answer->released->n_fences, 1);
    assert_true (answer->released->fences[0]->stood);
    tests_free (answer);
    assert_int_equal (fake_read (world->sql, &world->sql->open_marks), 0);
}

static void
a_fence_that_ran_out_did_not_stand (void **state)
{
    s_world_t *world = *state;
    s_take_fence (world->client, 10000);
    s_identity.transaction_id++; /* of a fence that an earlier start held */
    Btsmark__Envelope *answer = s_release (world->client);
    assert_false (answer->released->fences[0]->stood);
    assert_true (strlen (answer->released->fences[0]->why_not) > 0);
    tests_free (answer);
    fake_set (world->sql, &world->sql->expire_fence, true);
    world->client->round++;
    Btsmark__Fence fence = BTSMARK__FENCE__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    char *databases[] = {(char *)"X"};
    fence.instance = (char *)"SQL01";
    fence.databases = databases;
    fence.n_databases = 1;
    fence.lease_ms = 10000;
    order.body_case = BTSMARK__ENVELOPE__BODY_FENCE;
    order.fence = &fence;
    answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_FENCED);
    s_identity.transaction_id = answer->fenced->fences[0]->identity->transaction_id;
    snprintf (s_login_time, sizeof s_login_time, "%s",
              answer->fenced->fences[0]->identity->session_login_time);
    tests_free (answer);
    answer = s_release (world->client);
    assert_false (answer->released->fences[0]->stood);
    tests_free (answer);
}

static void
a_mark_is_rolled_back_when_its_lease_ends_before_commit (void **state)
{
    s_world_t *world = *state;
    s_take_fence (world->client, 10000);
    int64_t transaction = s_open_mark (world->client, 300);
    assert_true (fake_wait (world->sql, &world->sql->rollbacks, 1));
    Btsmark__Commit commit = BTSMARK__COMMIT__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    commit.instance = (char *)"SQL01";
    commit.mark = (char *)S_MARK;
    commit.transaction_id = transaction;
    commit.fences = s_fence_list;
    commit.n_fences = 1;
    order.body_case = BTSMARK__ENVELOPE__BODY_COMMIT;
    order.commit = &commit;
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__OUT_OF_ORDER);
    assert_int_equal (fake_read (world->sql, &world->sql->commits), 0);
}

static void
a_commit_that_takes_too_long_is_unknown_and_goes_on (void **state)
{
    s_world_t *world = *state;
    s_take_fence (world->client, 10000);
    int64_t transaction = s_open_mark (world->client, 10000);
    fake_set (world->sql, &world->sql->hold_commit, true);
    Btsmark__Envelope *answer = s_commit (world->client, transaction, 200);
    assert_int_equal (answer->committed->answer, BTSMARK__COMMIT_ANSWER__COMMIT_UNKNOWN);
    assert_non_null (answer->committed->fault);
    tests_free (answer);
    answer = s_release (world->client);
    assert_true (answer->released->fences[0]->stood);
    tests_free (answer);
    fake_set (world->sql, &world->sql->hold_commit, false);
    /*  It ends in the background, and then the databases tell. */
    Btsmark__Prove prove = BTSMARK__PROVE__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    char *databases[] = {(char *)"X"};
    prove.instance = (char *)"SQL01";
    prove.mark = (char *)S_MARK;
    prove.databases = databases;
    prove.n_databases = 1;
    prove.poll_ms = 1000;
    order.body_case = BTSMARK__ENVELOPE__BODY_PROVE;
    order.prove = &prove;
    answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_PROOF);
    assert_true (answer->proof->databases[0]->asked);
    assert_true (answer->proof->databases[0]->in_marklog);
    assert_true (answer->proof->databases[0]->in_history);
    assert_string_equal (answer->proof->databases[0]->lsn, "35000000040000001");
    tests_free (answer);
    assert_int_equal (fake_read (world->sql, &world->sql->rollbacks), 0);
}

/*  ---- the in-flight check ---- */

/*  Fence and mark; the first reading, which only proves the session, is over. */
static int64_t
s_ready_to_sample (s_world_t *world)
{
    s_take_fence (world->client, 10000);
    int64_t transaction = s_open_mark (world->client, 10000);
    assert_true (fake_wait (world->sql, &world->sql->samples, 1));
    return transaction;
}

static Btsmark__Envelope *
s_sample (tests_client_t *client, uint32_t patience_ms, int64_t valid_ms)
{
    static char *databases[] = {(char *)"X", (char *)"Y"};
    Btsmark__Sample sample = BTSMARK__SAMPLE__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    sample.instance = (char *)"SQL01";
    sample.databases = databases;
    sample.n_databases = 2;
    sample.patience_ms = patience_ms;
    order.body_case = BTSMARK__ENVELOPE__BODY_SAMPLE;
    order.sample = &sample;
    order.expires_agent_ms = (uint64_t)(bm_clock_mono_ms () + client->clock_ahead_ms + valid_ms);
    return tests_ask (client, &order, BTSMARK__ENVELOPE__BODY_SAMPLED);
}

static Btsmark__Envelope *
s_commit_checked (tests_client_t *client, int64_t transaction_id)
{
    static char *databases[] = {(char *)"X", (char *)"Y"};
    Btsmark__Commit commit = BTSMARK__COMMIT__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    commit.instance = (char *)"SQL01";
    commit.mark = (char *)S_MARK;
    commit.transaction_id = transaction_id;
    commit.deadline_ms = 5000;
    commit.fences = s_fence_list;
    commit.n_fences = 1;
    commit.check = true;
    commit.databases = databases;
    commit.n_databases = 2;
    order.body_case = BTSMARK__ENVELOPE__BODY_COMMIT;
    order.commit = &commit;
    return tests_ask (client, &order, BTSMARK__ENVELOPE__BODY_COMMITTED);
}

static void
both_samples_tell_counts_and_what_is_in_flight (void **state)
{
    s_world_t *world = *state;
    int64_t transaction = s_ready_to_sample (world);
    fake_count (world->sql, &world->sql->branches_done, 17);
    Btsmark__Envelope *answer = s_sample (world->client, 0, 5000);
    assert_true (answer->sampled->ran);
    assert_int_equal (answer->sampled->counts->prepares, 17);
    assert_int_equal (answer->sampled->counts->commits, 17);
    assert_int_equal (answer->sampled->n_in_flight, 0);
    assert_int_equal (answer->sampled->readings, 1);
    tests_free (answer);
    pthread_mutex_lock (&world->sql->lock);
    world->sql->branches_done = 18;
    world->sql->in_flight = 1;
    pthread_mutex_unlock (&world->sql->lock);
    answer = s_commit_checked (world->client, transaction);
    assert_int_equal (answer->committed->answer, BTSMARK__COMMIT_ANSWER__COMMIT_DONE);
    assert_true (answer->committed->sample_ran);
    assert_null (answer->committed->fault);
    assert_int_equal (answer->committed->counts->prepares, 18);
    assert_int_equal (answer->committed->n_in_flight, 1);
    assert_int_equal (answer->committed->in_flight[0]->n_databases, 2);
    tests_free (answer);
    tests_free (s_release (world->client));
}

/*  What is in flight is looked at again while patience lasts: most branches end within some ms. */
static void
a_sample_is_read_again_while_something_is_in_flight (void **state)
{
    s_world_t *world = *state;
    s_ready_to_sample (world);
    pthread_mutex_lock (&world->sql->lock);
    world->sql->in_flight = 2;
    pthread_mutex_unlock (&world->sql->lock);
    Btsmark__Envelope *answer = s_sample (world->client, 10000, 15000);
    assert_true (answer->sampled->ran);
    assert_int_equal (answer->sampled->n_in_flight, 0);
    assert_int_equal (answer->sampled->readings, 3);
    tests_free (answer);
}

/*  Its twin: without patience the first reading is the answer. */
static void
without_patience_the_first_reading_counts (void **state)
{
    s_world_t *world = *state;
    s_ready_to_sample (world);
    pthread_mutex_lock (&world->sql->lock);
    world->sql->in_flight = 2;
    pthread_mutex_unlock (&world->sql->lock);
    Btsmark__Envelope *answer = s_sample (world->client, 0, 15000);
    assert_int_equal (answer->sampled->n_in_flight, 1);
    assert_int_equal (answer->sampled->readings, 1);
    tests_free (answer);
}

/*  Without VIEW SERVER STATE the mark is placed all the same; whoever asks is told what to grant. */
static void
a_right_that_is_missing_costs_the_check_and_not_the_mark (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->sql->no_right, true);
    int64_t transaction = s_ready_to_sample (world);
    Btsmark__Envelope *answer = s_sample (world->client, 1000, 5000);
    assert_false (answer->sampled->ran);
    assert_non_null (strstr (answer->sampled->fault->text, "VIEW SERVER STATE"));
    assert_non_null (strstr (answer->sampled->fault->remedy, "GRANT VIEW SERVER STATE TO [sa]"));
    tests_free (answer);
    answer = s_commit_checked (world->client, transaction);
    assert_int_equal (answer->committed->answer, BTSMARK__COMMIT_ANSWER__COMMIT_DONE);
    assert_false (answer->committed->sample_ran);
    assert_non_null (strstr (answer->committed->fault->remedy, "GRANT VIEW SERVER STATE"));
    tests_free (answer);
    tests_free (s_release (world->client));
}

/*  Views that hang are given up at the order's expiry, in a session of their own: the mark stays open and is committed. */
static void
a_sample_that_hangs_is_given_up_in_time_and_the_mark_stays (void **state)
{
    s_world_t *world = *state;
    int64_t transaction = s_ready_to_sample (world);
    fake_set (world->sql, &world->sql->hold_sample, true);
    Btsmark__Envelope *answer = s_sample (world->client, 100, 300);
    assert_false (answer->sampled->ran);
    assert_string_equal (answer->sampled->fault->status, "SQL_TIMEOUT");
    tests_free (answer);
    assert_true (fake_wait (world->sql, &world->sql->attentions, 1));
    assert_int_equal (fake_read (world->sql, &world->sql->rollbacks), 0);
    fake_set (world->sql, &world->sql->hold_sample, false);
    answer = s_commit (world->client, transaction, 5000);
    assert_int_equal (answer->committed->answer, BTSMARK__COMMIT_ANSWER__COMMIT_DONE);
    tests_free (answer);
    tests_free (s_release (world->client));
}

/*  ABORT does not wait for a sample that hangs. */
static void
abort_ends_a_sample_that_hangs (void **state)
{
    s_world_t *world = *state;
    s_ready_to_sample (world);
    fake_set (world->sql, &world->sql->hold_sample, true);
    Btsmark__Sample sample = BTSMARK__SAMPLE__INIT;
    Btsmark__Abort abort = BTSMARK__ABORT__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT, end = BTSMARK__ENVELOPE__INIT;
    sample.instance = abort.instance = (char *)"SQL01";
    order.body_case = BTSMARK__ENVELOPE__BODY_SAMPLE;
    order.sample = &sample;
    tests_send (world->client, &order);
    assert_true (fake_wait (world->sql, &world->sql->samples, 2));
    end.body_case = BTSMARK__ENVELOPE__BODY_ABORT;
    end.abort = &abort;
    uint64_t aborting = tests_send (world->client, &end);
    bool aborted = false, sampled = false;
    for (int i = 0; i < 2; i++) {
        Btsmark__Envelope *answer = tests_receive (world->client);
        aborted |= answer->operation_id == aborting && answer->aborted->nothing_held;
        sampled |= answer->body_case == BTSMARK__ENVELOPE__BODY_SAMPLED && !answer->sampled->ran;
        tests_free (answer);
    }
    assert_true (aborted && sampled);
    assert_int_equal (fake_read (world->sql, &world->sql->rollbacks), 1);
}

static void
abort_lets_everything_go (void **state)
{
    s_world_t *world = *state;
    s_take_fence (world->client, 10000);
    s_open_mark (world->client, 10000);
    Btsmark__Abort abort = BTSMARK__ABORT__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    abort.instance = (char *)"SQL01";
    order.body_case = BTSMARK__ENVELOPE__BODY_ABORT;
    order.abort = &abort;
    Btsmark__Envelope *answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_ABORTED);
    assert_true (answer->aborted->nothing_held);
    tests_free (answer);
    assert_int_equal (fake_read (world->sql, &world->sql->open_marks), 0);
    assert_int_equal (fake_read (world->sql, &world->sql->rollbacks), 1);
}

/*  ---- backups ---- */

static void
backups_of_a_host_run_up_to_its_limit_and_the_others_wait (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->sql->hold_backup, true);
    Btsmark__Backup backup = s_backup ();
    for (int i = 0; i < 3; i++) {
        Btsmark__Envelope order = s_backup_order (&backup);
        tests_send (world->client, &order);
    }
    assert_true (fake_wait (world->sql, &world->sql->backups, 2));
    assert_null (tests_receive_within (world->client, 300));
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 2);
    fake_set (world->sql, &world->sql->hold_backup, false);
    for (int i = 0; i < 3; i++)
        tests_free (tests_receive (world->client));
    assert_int_equal (fake_read (world->sql, &world->sql->backups), 3);
}

static void
a_procedure_that_says_well_done_without_a_row_is_a_failed_backup (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->sql->no_row, true);
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    Btsmark__Envelope *answer =
        tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_BACKUP_DONE);
    assert_int_equal (answer->backup_done->status, BTSMARK__BACKUP_STATUS__BACKUP_FAILED);
    assert_null (answer->backup_done->row);
    assert_non_null (answer->backup_done->fault);
    tests_free (answer);
}

static void
cancel_ends_a_running_backup_in_sql_server (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->sql->hold_backup, true);
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    uint64_t id = tests_send (world->client, &order);
    assert_true (fake_wait (world->sql, &world->sql->backups, 1));
    Btsmark__Cancel cancel = BTSMARK__CANCEL__INIT;
    Btsmark__Envelope other = BTSMARK__ENVELOPE__INIT;
    cancel.target_operation_id = id;
    cancel.reason = (char *)"the operator wants it";
    other.body_case = BTSMARK__ENVELOPE__BODY_CANCEL;
    other.cancel = &cancel;
    tests_send (world->client, &other);
    for (int i = 0; i < 2; i++) {
        Btsmark__Envelope *answer = tests_receive (world->client);
        if (answer->body_case == BTSMARK__ENVELOPE__BODY_CANCELLED)
            assert_true (answer->cancelled->found);
        else {
            assert_int_equal (answer->operation_id, id);
            assert_int_equal (answer->backup_done->status,
                              BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED);
        }
        tests_free (answer);
    }
    assert_int_equal (fake_read (world->sql, &world->sql->attentions), 1);
}

static void
a_backup_that_ignores_the_attention_is_killed (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->sql->hold_backup, true);
    fake_set (world->sql, &world->sql->deaf, true);
    fake_set (world->sql, &world->sql->no_row, true);
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    uint64_t id = tests_send (world->client, &order);
    assert_true (fake_wait (world->sql, &world->sql->backups, 1));
    Btsmark__Cancel cancel = BTSMARK__CANCEL__INIT;
    Btsmark__Envelope other = BTSMARK__ENVELOPE__INIT;
    cancel.target_operation_id = id;
    other.body_case = BTSMARK__ENVELOPE__BODY_CANCEL;
    other.cancel = &cancel;
    tests_free (tests_ask (world->client, &other, BTSMARK__ENVELOPE__BODY_CANCELLED));
    assert_true (fake_wait (world->sql, &world->sql->kills, 1));
    Btsmark__Envelope *answer = tests_receive (world->client);
    assert_int_equal (answer->operation_id, id);
    assert_int_equal (answer->backup_done->status, BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED);
    tests_free (answer);
}

/*  A backup of run 17 still runs here when run 18 settles: it is waited for, then cancelled; only then the truth is read. */
static void
settling_ends_what_an_earlier_run_left_in_this_agent (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->sql->hold_backup, true);
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    uint64_t id = tests_send (world->client, &order);
    assert_true (fake_wait (world->sql, &world->sql->backups, 1));
    Btsmark__Settle settle = BTSMARK__SETTLE__INIT;
    Btsmark__Envelope other = BTSMARK__ENVELOPE__INIT;
    settle.instance = (char *)"SQL01";
    settle.context_prefix = (char *)"btsmark-agent ";
    settle.wait_ms = 300;
    other.body_case = BTSMARK__ENVELOPE__BODY_SETTLE;
    other.settle = &settle;
    world->client->epoch++;
    tests_send (world->client, &other);
    Btsmark__Envelope *answer = tests_receive (world->client);
    assert_int_equal (answer->operation_id, id); /* the backup first */
    assert_int_equal (answer->backup_done->status, BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED);
    tests_free (answer);
    answer = tests_receive (world->client);
    assert_int_equal (answer->body_case, BTSMARK__ENVELOPE__BODY_SETTLED);
    assert_null (answer->settled->fault);
    tests_free (answer);
}

static void
a_manifest_arrives_in_parts_and_is_written_where_backups_may_go (void **state)
{
    s_world_t *world = *state;
    const char *text = "{\"set\": 17}";
    uint8_t digest[BM_DIGEST_BYTES];
    bm_digest_sha256 (text, strlen (text), digest);
    Btsmark__WriteManifest manifest = BTSMARK__WRITE_MANIFEST__INIT;
    Btsmark__Envelope order = BTSMARK__ENVELOPE__INIT;
    manifest.instance = (char *)"SQL01";
    manifest.file_name = (char *)S_MARK ".btsmark.json";
    manifest.parts = 2;
    manifest.sha256 = (ProtobufCBinaryData){sizeof digest, digest};
    manifest.content = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t)text};
    order.body_case = BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST;
    order.write_manifest = &manifest;
    Btsmark__Envelope *answer =
        tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN);
    assert_true (answer->manifest_written->ok);
    tests_free (answer);
    order.operation_id = 0;
    manifest.part = 1;
    manifest.content = (ProtobufCBinaryData){strlen (text) - 5, (uint8_t *)(uintptr_t)text + 5};
    answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN);
    assert_true (answer->manifest_written->ok);
    char *file = bm_format ("%s/" S_MARK ".btsmark.json", world->place->backups);
    assert_string_equal (answer->manifest_written->file, file);
    assert_int_equal (access (file, R_OK), 0);
    tests_free (answer);
    free (file);
    order.operation_id = 0;
    manifest.file_name = (char *)"../escape.btsmark.json";
    answer = tests_ask (world->client, &order, BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN);
    assert_false (answer->manifest_written->ok);
    tests_free (answer);
    order.operation_id = 0;
    manifest.path = (char *)"/etc";
    tests_expect_refusal (world->client, &order, BTSMARK__REFUSED__WHY__PATH_NOT_ALLOWED);
}

static void
status_tells_what_is_waited_for (void **state)
{
    s_world_t *world = *state;
    fake_set (world->sql, &world->sql->hold_backup, true);
    Btsmark__Backup backup = s_backup ();
    Btsmark__Envelope order = s_backup_order (&backup);
    tests_send (world->client, &order);
    assert_true (fake_wait (world->sql, &world->sql->backups, 1));
    tests_client_t *watcher =
        tests_client_new (world->place, "status", bm_server_endpoint (world->server));
    watcher->operation_id = 5000;
    tests_greet (watcher);
    Btsmark__Status status = BTSMARK__STATUS__INIT;
    Btsmark__Envelope other = BTSMARK__ENVELOPE__INIT;
    other.body_case = BTSMARK__ENVELOPE__BODY_STATUS;
    other.status = &status;
    Btsmark__Envelope *answer = tests_ask (watcher, &other, BTSMARK__ENVELOPE__BODY_STATUS_REPORT);
    assert_int_equal (answer->status_report->n_activities, 1);
    assert_non_null (strstr (answer->status_report->activities[0], "log backup of X on sql01"));
    assert_int_equal (answer->status_report->greeting->running_backups, 1);
    tests_free (answer);
    tests_client_free (watcher);
    fake_set (world->sql, &world->sql->hold_backup, false);
    tests_free (tests_receive (world->client));
}

/*  ---- the end ---- */

static void
sigterm_rolls_back_releases_and_reports_cancelled_backups (void **state)
{
    s_world_t *world = *state;
    s_take_fence (world->client, 10000);
    s_open_mark (world->client, 10000);
    fake_set (world->sql, &world->sql->hold_backup, true);
    Btsmark__Backup backup = s_backup ();
    uint64_t last = 0;
    for (int i = 0; i < 3; i++) {
        Btsmark__Envelope order = s_backup_order (&backup);
        last = tests_send (world->client, &order);
    }
    assert_true (fake_wait (world->sql, &world->sql->backups, 2));
    s_stop (world);
    assert_int_equal (world->ended, BM_OK);
    for (int i = 0; i < 3; i++) {
        Btsmark__Envelope *answer = tests_receive (world->client);
        assert_int_equal (answer->body_case, BTSMARK__ENVELOPE__BODY_BACKUP_DONE);
        assert_int_equal (answer->backup_done->status, BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED);
        assert_true (answer->operation_id <= last);
        tests_free (answer);
    }
    assert_true (fake_wait_none (world->sql, &world->sql->sessions));
    assert_int_equal (fake_read (world->sql, &world->sql->open_marks), 0);
    assert_int_equal (fake_read (world->sql, &world->sql->rollbacks), 1);
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
        T (the_greeting_tells_who_we_are),
        T (a_key_without_the_duty_is_refused_for_each_order),
        T (twin_with_the_duty_the_same_order_gets_through),
        T (an_order_for_another_start_has_no_effect),
        T (a_late_order_has_no_effect),
        T (an_unknown_instance_and_a_foreign_path_are_refused),
        T (what_cannot_be_read_is_refused_and_the_agent_goes_on),
        T (a_sql_server_that_says_nothing_does_not_hold_up_the_greeting),
        T (an_order_that_comes_again_gets_the_stored_answer),
        T (a_running_backup_sends_progress_and_answers_who_asked_last),
        T (a_round_fences_marks_commits_and_releases),
        T (a_fence_that_ran_out_did_not_stand),
        T (a_mark_is_rolled_back_when_its_lease_ends_before_commit),
        T (a_commit_that_takes_too_long_is_unknown_and_goes_on),
        T (both_samples_tell_counts_and_what_is_in_flight),
        T (a_sample_is_read_again_while_something_is_in_flight),
        T (without_patience_the_first_reading_counts),
        T (a_right_that_is_missing_costs_the_check_and_not_the_mark),
        T (a_sample_that_hangs_is_given_up_in_time_and_the_mark_stays),
        T (abort_ends_a_sample_that_hangs),
        T (abort_lets_everything_go),
        T (backups_of_a_host_run_up_to_its_limit_and_the_others_wait),
        T (a_procedure_that_says_well_done_without_a_row_is_a_failed_backup),
        T (settling_ends_what_an_earlier_run_left_in_this_agent),
        T (a_manifest_arrives_in_parts_and_is_written_where_backups_may_go),
        T (status_tells_what_is_waited_for),
        T (cancel_ends_a_running_backup_in_sql_server),
        T (a_backup_that_ignores_the_attention_is_killed),
        T (sigterm_rolls_back_releases_and_reports_cancelled_backups)};
#undef T
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    bm_sql_exit ();
    zsys_shutdown ();
    return failed;
}
