#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/session.h"

typedef struct {
    tests_place_t *place;
    fake_sql_t *fake;
    bm_mailbox_t *mailbox;
    bm_sessions_t *sessions;
    int done, skipped;
} s_world_t;

typedef struct {
    bm_job_t job;
    s_world_t *world;
    bm_status_t status;
    int spid, version;
    char login_time[64];
} s_job_t;

static int
s_setup (void **state)
{
    bm_error_t error = {0};
    s_world_t *world = bm_alloc (sizeof *world);
    world->place = tests_place_new ();
    world->fake = fake_sql_new ();
    tests_configure (world->place, sh_server_address (world->fake->server), "");
    world->mailbox = bm_mailbox_new (&error);
    world->sessions = bm_sessions_new (world->mailbox, "SQL01", 0xABCD);
    *state = world;
    return 0;
}

/*  Serves the mailbox until `*counter` has reached `least`, or for 20 s. */
static void
s_wait (s_world_t *world, const int *counter, int least)
{
    int64_t until = bm_clock_mono_ms () + 20000;
    while (*counter < least) {
        assert_true (bm_clock_mono_ms () < until);
        zmq_pollitem_t item = {.fd = bm_mailbox_fd (world->mailbox), .events = ZMQ_POLLIN};
        zmq_poll (&item, 1, 100);
        bm_mailbox_drain (world->mailbox);
        bm_sessions_nag (world->sessions);
    }
}

static void
s_wait_gone (s_world_t *world)
{
    int64_t until = bm_clock_mono_ms () + 20000;
    while (bm_sessions_live (world->sessions) > 0) {
        assert_true (bm_clock_mono_ms () < until);
        zmq_pollitem_t item = {.fd = bm_mailbox_fd (world->mailbox), .events = ZMQ_POLLIN};
        zmq_poll (&item, 1, 100);
        bm_mailbox_drain (world->mailbox);
    }
}

static int
s_teardown (void **state)
{
    s_world_t *world = *state;
    s_wait_gone (world);
    bm_sessions_destroy (&world->sessions);
    bm_mailbox_destroy (&world->mailbox);
    fake_sql_free (world->fake);
    tests_place_free (world->place);
    free (world);
    return 0;
}

static bm_session_t *
s_session (s_world_t *world)
{
    return bm_session_new (world->sessions, &world->place->config->instances[0], "btsmark run 17");
}

static void
s_work (bm_job_t *job)
{
    s_job_t *one = job->data;
    bm_error_t error = {0};
    bm_sql_t *sql = bm_session_sql (job->session, &error);
    one->status = error.status;
    if (!sql)
        return;
    one->spid = bm_session_spid (job->session);
    one->version = bm_session_version (job->session);
    snprintf (one->login_time, sizeof one->login_time, "%s", bm_session_login_time (job->session));
}

/*  Blocks in SQL Server until it is interrupted. */
static void
s_work_long (bm_job_t *job)
{
    s_job_t *one = job->data;
    bm_error_t error = {0};
    bm_sql_t *sql = bm_session_sql (job->session, &error);
    if (sql)
        one->status = bm_sql_exec (sql, "EXEC [X].dbo.TDDS_BlockTDDS;", NULL, &error);
}

static void
s_done (bm_job_t *job)
{
    s_job_t *one = job->data;
    one->world->done++;
    one->world->skipped += job->skipped;
}

static void
s_submit (s_job_t *one, s_world_t *world, bm_session_t *session, bm_job_fn *work)
{
    *one = (s_job_t){.world = world, .job = {.work = work, .done = s_done, .data = one}};
    bm_session_submit (session, &one->job);
}

static void
a_session_connects_for_its_first_job_and_knows_itself (void **state)
{
    s_world_t *world = *state;
    bm_session_t *session = s_session (world);
    s_job_t first, second;
    s_submit (&first, world, session, s_work);
    s_submit (&second, world, session, s_work);
    s_wait (world, &world->done, 2);
    assert_int_equal (first.status, BM_OK);
    assert_int_equal (first.spid, 51);
    assert_int_equal (second.spid, 51); /* one connection for both */
    assert_int_equal (first.version, 15);
    assert_string_equal (first.login_time, "2026-11-21T02:15:00.051");
    bm_session_end (&session);
    assert_null (session);
    bm_session_end (&session);
}

static void
an_interrupt_reaches_the_running_job (void **state)
{
    s_world_t *world = *state;
    bm_session_t *session = s_session (world);
    s_job_t job;
    s_submit (&job, world, session, s_work_long);
    assert_true (fake_wait (world->fake, &world->fake->fenced, 1));
    bm_session_interrupt (session);
    s_wait (world, &world->done, 1);
    assert_int_equal (job.status, BM_STOPPED);
    s_submit (&job, world, session, s_work); /* the next one is not affected */
    s_wait (world, &world->done, 2);
    assert_int_equal (job.status, BM_OK);
    bm_session_end (&session);
}

/*  The interrupt comes before there is a connection; only repeating it ends the job. */
static void
an_interrupt_that_came_too_early_is_repeated (void **state)
{
    s_world_t *world = *state;
    bm_session_t *session = s_session (world);
    s_job_t job;
    s_submit (&job, world, session, s_work_long);
    bm_session_interrupt (session);
    s_wait (world, &world->done, 1);
    bm_session_end (&session);
}

static void
a_cancelled_job_that_waits_is_skipped (void **state)
{
    s_world_t *world = *state;
    bm_session_t *session = s_session (world);
    s_job_t running, waiting;
    s_submit (&running, world, session, s_work_long);
    assert_true (fake_wait (world->fake, &world->fake->fenced, 1));
    s_submit (&waiting, world, session, s_work);
    bm_session_cancel (session, &waiting.job);
    assert_int_equal (fake_read (world->fake, &world->fake->attentions), 0);
    bm_session_cancel (session, &running.job);
    s_wait (world, &world->done, 2);
    assert_int_equal (world->skipped, 1);
    assert_int_equal (running.status, BM_STOPPED);
    assert_int_equal (waiting.spid, 0);
    bm_session_end (&session);
}

static void
jobs_that_wait_when_a_session_ends_are_skipped (void **state)
{
    s_world_t *world = *state;
    bm_session_t *session = s_session (world);
    s_job_t running, waiting;
    s_submit (&running, world, session, s_work_long);
    assert_true (fake_wait (world->fake, &world->fake->fenced, 1));
    s_submit (&waiting, world, session, s_work);
    /*  Told to end first, while its job surely runs; it lives until the mailbox is served. */
    bm_session_t *ending = session;
    bm_session_end (&session);
    bm_session_interrupt (ending);
    s_wait (world, &world->done, 2);
    assert_int_equal (world->skipped, 1);
    s_wait_gone (world);
    assert_true (fake_wait_none (world->fake, &world->fake->sessions));
}

static void
a_refused_login_is_told (void **state)
{
    s_world_t *world = *state;
    bm_instance_config_t *instance = &world->place->config->instances[0];
    bm_secret_destroy (&instance->password);
    instance->password = bm_secret_new ("wrong");
    bm_session_t *session = s_session (world);
    s_job_t job;
    s_submit (&job, world, session, s_work);
    s_wait (world, &world->done, 1);
    assert_int_equal (job.status, BM_SQL_LOGIN);
    bm_session_end (&session);
}

static void
a_program_name_tells_whose_session_it_is (void **state)
{
    (void)state;
    char *name = bm_session_program ("SQL01", "SQL01\\A", "btsmark run 17", 0xABCD);
    assert_string_equal (name, "btsmark-agent SQL01/SQL01\\A btsmark run 17 @000000000000abcd");
    assert_false (bm_session_is_leftover (name, "SQL01\\A", 0xABCD));
    assert_true (bm_session_is_leftover (name, "SQL01\\A", 0xABCE));
    assert_true (bm_session_is_leftover (name, "sql01\\a", 0xABCE));
    assert_false (bm_session_is_leftover (name, "SQL01", 0xABCE));
    assert_false (bm_session_is_leftover ("somebody else/SQL01\\A x", "SQL01\\A", 1));
    assert_false (bm_session_is_leftover (NULL, "SQL01\\A", 1));
    free (name);
    char longest[300];
    memset (longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    name = bm_session_program (longest, longest, longest, UINT64_MAX);
    assert_true (strlen (name) <= 128);
    assert_non_null (strstr (name, "@ffffffffffffffff"));
    free (name);
}

int
main (void)
{
    bm_error_t error = {0};
    zsys_handler_set (NULL);
    if (bm_sql_init (&error) != BM_OK)
        return 1;
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {T (a_session_connects_for_its_first_job_and_knows_itself),
                                       T (an_interrupt_reaches_the_running_job),
                                       T (an_interrupt_that_came_too_early_is_repeated),
                                       T (a_cancelled_job_that_waits_is_skipped),
                                       T (jobs_that_wait_when_a_session_ends_are_skipped),
                                       T (a_refused_login_is_told),
                                       cmocka_unit_test (a_program_name_tells_whose_session_it_is)};
#undef T
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    bm_sql_exit ();
    zsys_shutdown ();
    return failed;
}
