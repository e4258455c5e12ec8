/*  tests/unit/coordinator/test_agents.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "coordinator/shell/agents.h"
#include "tests/unit/coordinator/fake_agent.h"

typedef struct fixture {
    char folder[64], key_file[96];
    bm_key_t *key;
    bm_agents_t *agents;
} fixture_t;

/*  What a script does with the orders after the greeting. */
typedef struct plan {
    int drop;     /* so many answers are dropped */
    int times;    /* each answer is sent so often */
    int progress; /* so many Progress come instead of answers first */
    bool stale;   /* refuses as an agent that was started again does */
    bool silent_greet;
    uint64_t other_start_id; /* answers carry this one */
    uint64_t operations[64];
    int64_t expires_in_ms;
    size_t count;
} plan_t;

static int
s_script (fake_agent_t *self, const Btsmark__Envelope *order, Btsmark__Envelope *answer)
{
    static _Thread_local Btsmark__Greeting greeting;
    static _Thread_local Btsmark__StatusReport report;
    static _Thread_local Btsmark__Refused refused;
    static _Thread_local Btsmark__Progress progress;
    plan_t *plan = self->argument;
    if (order->body_case == BTSMARK__ENVELOPE__BODY_GREET) {
        fake_greeting (self, &greeting, answer);
        return plan->silent_greet ? 0 : 1;
    }
    plan->operations[plan->count++ % 64] = order->operation_id;
    plan->expires_in_ms =
        (int64_t)order->expires_agent_ms - (bm_clock_mono_ms () + self->clock_ahead_ms);
    if (plan->drop > 0) {
        plan->drop--;
        return 0;
    }
    if (plan->progress > 0) {
        plan->progress--;
        btsmark__progress__init (&progress);
        progress.percent = 41;
        answer->body_case = BTSMARK__ENVELOPE__BODY_PROGRESS;
        answer->progress = &progress;
        return 1;
    }
    if (plan->stale) {
        btsmark__refused__init (&refused);
        refused.why = BTSMARK__REFUSED__WHY__STALE;
        answer->body_case = BTSMARK__ENVELOPE__BODY_REFUSED;
        answer->refused = &refused;
        return 1;
    }
    if (plan->other_start_id)
        answer->start_id = plan->other_start_id;
    btsmark__status_report__init (&report);
    report.uptime_ms = 7;
    answer->body_case = BTSMARK__ENVELOPE__BODY_STATUS_REPORT;
    answer->status_report = &report;
    return plan->times ? plan->times : 1;
}

static int
s_setup (void **state)
{
    fixture_t *fixture = bm_alloc (sizeof *fixture);
    snprintf (fixture->folder, sizeof fixture->folder, "/tmp/btsmark-test-agents-XXXXXX");
    assert_non_null (mkdtemp (fixture->folder));
    snprintf (fixture->key_file, sizeof fixture->key_file, "%s/key", fixture->folder);
    char public_text[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    assert_int_equal (bm_key_generate (fixture->key_file, "test", public_text, &error), BM_OK);
    fixture->key = bm_key_load (fixture->key_file, &error);
    assert_non_null (fixture->key);
    bm_agents_options_t options = {.key = fixture->key,
                                   .group = "test",
                                   .epoch = 17,
                                   .connect_ms = 1500,
                                   .heartbeat_ms = 200,
                                   .silent_heartbeats = 5,
                                   .resend_ms = 40};
    fixture->agents = bm_agents_new (&options, &error);
    assert_non_null (fixture->agents);
    *state = fixture;
    return 0;
}

static int
s_teardown (void **state)
{
    fixture_t *fixture = *state;
    bm_agents_destroy (&fixture->agents);
    bm_agents_destroy (&fixture->agents);
    bm_key_destroy (&fixture->key);
    char file[128];
    snprintf (file, sizeof file, "%s.pub", fixture->key_file);
    unlink (file);
    unlink (fixture->key_file);
    assert_int_equal (rmdir (fixture->folder), 0);
    free (fixture);
    return 0;
}

static void
s_add (fixture_t *fixture, fake_agent_t *fake, const char *name)
{
    bm_error_t error = {0};
    assert_int_equal (
        bm_agents_add (fixture->agents, name, fake->address, fake->public_key, &error), BM_OK);
}

static void
s_start (fixture_t *fixture, fake_agent_t *fake, plan_t *plan)
{
    *fake = (fake_agent_t){.script = s_script, .argument = plan, .clock_ahead_ms = 5000000};
    fake_agent_start (fake);
    s_add (fixture, fake, "SQL01");
}

/*  What came of an order. */
typedef struct heard {
    int answers, progress;
    bm_error_t error;
    uint64_t uptime_ms;
} heard_t;

static void
s_on_answer (void *argument, size_t agent, const Btsmark__Envelope *answer, const bm_error_t *error)
{
    heard_t *heard = argument;
    (void)agent;
    heard->answers++;
    heard->error = *error;
    if (answer && answer->body_case == BTSMARK__ENVELOPE__BODY_STATUS_REPORT)
        heard->uptime_ms = answer->status_report->uptime_ms;
}

static void
s_on_progress (void *argument, size_t agent, const Btsmark__Progress *progress)
{
    heard_t *heard = argument;
    (void)agent;
    if (progress->percent > 40)
        heard->progress++;
}

static uint64_t
s_order (fixture_t *fixture, heard_t *heard, int64_t deadline_ms)
{
    *heard = (heard_t){0};
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Status status = BTSMARK__STATUS__INIT;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_STATUS;
    envelope.status = &status;
    bm_delivery_t how = {.valid_ms = 2000,
                         .deadline_ms = deadline_ms,
                         .on_answer = s_on_answer,
                         .on_progress = s_on_progress,
                         .argument = heard};
    return bm_agents_order (fixture->agents, 0, &envelope, &how);
}

static void
s_wait (fixture_t *fixture, const heard_t *heard)
{
    int64_t until_ms = bm_clock_mono_ms () + FAKE_DEADLINE_MS;
    while (!heard->answers && bm_clock_mono_ms () < until_ms)
        bm_agents_wait (fixture->agents, 100, -1);
    assert_int_equal (heard->answers, 1);
}

/* ---- greeting ---- */

static void
greeting_teaches_the_start_id_and_an_orders_expiry_is_on_the_agents_clock (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {0};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    const Btsmark__Greeting *greeting = bm_agents_greeting (fixture->agents, 0, NULL);
    assert_non_null (greeting);
    assert_true (greeting->start_id == fake.start_id);
    heard_t heard;
    s_order (fixture, &heard, FAKE_DEADLINE_MS);
    s_wait (fixture, &heard);
    assert_int_equal (heard.error.status, BM_OK);
    assert_int_equal (heard.uptime_ms, 7);
    fake_agent_stop (&fake);
    assert_in_range (plan.expires_in_ms, 1000, 3000);
}

static void
an_agent_that_refuses_our_key_is_refused (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {0};
    fake_agent_t fake = {.script = s_script, .argument = &plan};
    char secret[41];
    zmq_curve_keypair (fake.allowed, secret);
    fake_agent_start (&fake);
    s_add (fixture, &fake, "SQL01");
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    bm_error_t error = {0};
    assert_null (bm_agents_greeting (fixture->agents, 0, &error));
    assert_int_equal (error.status, BM_REFUSED);
    assert_non_null (strstr (error.text, "SQL01"));
    assert_non_null (strstr (error.text, fake.address));
    assert_non_null (strstr (error.remedy, bm_key_public (fixture->key)));
    fake_agent_stop (&fake);
}

static void
an_agent_with_another_key_than_configured_is_a_wrong_server_key (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {0};
    fake_agent_t fake = {.script = s_script, .argument = &plan};
    fake_agent_start (&fake);
    char wrong[41], secret[41];
    zmq_curve_keypair (wrong, secret);
    bm_error_t error = {0};
    assert_int_equal (bm_agents_add (fixture->agents, "SQL01", fake.address, wrong, &error), BM_OK);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    assert_null (bm_agents_greeting (fixture->agents, 0, &error));
    assert_int_equal (error.status, BM_WRONG_SERVER_KEY);
    assert_non_null (strstr (error.remedy, "SQL01"));
    fake_agent_stop (&fake);
}

static void
an_agent_that_is_down_is_unreachable_with_its_address (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {0};
    fake_agent_t fake = {.script = s_script, .argument = &plan};
    fake_agent_start (&fake);
    fake_agent_stop (&fake); /* the port was ours a moment ago: nobody listens there now */
    s_add (fixture, &fake, "SQL01");
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    bm_error_t error = {0};
    assert_null (bm_agents_greeting (fixture->agents, 0, &error));
    assert_int_equal (error.status, BM_UNREACHABLE);
    assert_non_null (strstr (error.text, fake.address));
}

static void
an_agent_that_takes_the_greeting_and_says_nothing_is_unreachable (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {.silent_greet = true};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, 400);
    bm_error_t error = {0};
    assert_null (bm_agents_greeting (fixture->agents, 0, &error));
    assert_int_equal (error.status, BM_UNREACHABLE);
    fake_agent_stop (&fake);
}

static void
an_agent_that_comes_back_is_greeted_again_on_a_new_connection (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {0};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    uint64_t first = bm_agents_greeting (fixture->agents, 0, NULL)->start_id;
    fake_agent_stop (&fake);
    bm_error_t gone = {0};
    bm_fail (&gone, BM_UNREACHABLE, "given up");
    bm_agents_give_up (fixture->agents, 0, &gone);
    assert_null (bm_agents_greeting (fixture->agents, 0, NULL));
    fake.start_id = first + 2;
    fake_agent_start (&fake);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    assert_non_null (bm_agents_greeting (fixture->agents, 0, NULL));
    assert_true (bm_agents_greeting (fixture->agents, 0, NULL)->start_id == first + 2);
    fake_agent_stop (&fake);
}

static void
greetings_of_one_agent_that_are_under_way_are_joined (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {0};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    heard_t a = {0}, b = {0}, forgotten = {0};
    bm_agents_greet (fixture->agents, 0, FAKE_DEADLINE_MS, s_on_answer, &a);
    bm_agents_greet (fixture->agents, 0, FAKE_DEADLINE_MS, s_on_answer, &b);
    bm_agents_greet (fixture->agents, 0, FAKE_DEADLINE_MS, s_on_answer, &forgotten);
    bm_agents_forget_greetings (fixture->agents, &forgotten);
    s_wait (fixture, &a);
    s_wait (fixture, &b);
    assert_int_equal (forgotten.answers, 0);
    fake_agent_stop (&fake);
}

/* ---- orders ---- */

static void
an_order_without_an_answer_is_sent_again_under_the_same_operation_id (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {.drop = 2};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    heard_t heard;
    uint64_t operation = s_order (fixture, &heard, FAKE_DEADLINE_MS);
    s_wait (fixture, &heard);
    assert_int_equal (heard.error.status, BM_OK);
    assert_true (bm_agents_resent (fixture->agents) >= 2);
    fake_agent_stop (&fake);
    assert_true (plan.count >= 3);
    for (size_t i = 0; i < plan.count; i++)
        assert_true (plan.operations[i] == operation);
}

static void
a_repeated_answer_is_given_on_once (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {.times = 3};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    heard_t heard, second;
    s_order (fixture, &heard, FAKE_DEADLINE_MS);
    s_wait (fixture, &heard);
    s_order (fixture, &second, FAKE_DEADLINE_MS);
    s_wait (fixture, &second);
    assert_int_equal (heard.answers, 1);
    assert_true (bm_agents_dropped (fixture->agents) >= 2);
    fake_agent_stop (&fake);
}

static void
a_stale_refusal_says_that_the_agent_was_restarted (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {.stale = true};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    heard_t heard;
    s_order (fixture, &heard, FAKE_DEADLINE_MS);
    s_wait (fixture, &heard);
    assert_int_equal (heard.error.status, BM_AGENT_RESTARTED);
    fake_agent_stop (&fake);
}

static void
an_answer_of_another_start_is_not_taken_for_an_answer (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {.other_start_id = 4711};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    heard_t heard;
    s_order (fixture, &heard, FAKE_DEADLINE_MS);
    s_wait (fixture, &heard);
    assert_int_equal (heard.error.status, BM_AGENT_RESTARTED);
    assert_int_equal (heard.uptime_ms, 0);
    fake_agent_stop (&fake);
}

static void
silence_of_an_agent_with_an_open_order_is_a_lost_agent (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {.drop = 1000};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    heard_t heard;
    int64_t began_ms = bm_clock_mono_ms ();
    s_order (fixture, &heard, 0);
    s_wait (fixture, &heard);
    assert_int_equal (heard.error.status, BM_UNREACHABLE);
    assert_true (bm_clock_mono_ms () - began_ms >= 900);
    assert_int_equal (bm_agents_open_orders (fixture->agents), 0);
    fake_agent_stop (&fake);
}

static void
progress_keeps_an_order_alive_beyond_the_silence_that_ends_it (void **state)
{
    fixture_t *fixture = *state;
    /*  Resends come at 40, 120, 280, 600, then every 320 ms: nine of them take longer than the second of silence. */
    plan_t plan = {.progress = 8};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    heard_t heard;
    int64_t began_ms = bm_clock_mono_ms ();
    s_order (fixture, &heard, 0);
    s_wait (fixture, &heard);
    assert_int_equal (heard.error.status, BM_OK);
    assert_int_equal (heard.progress, 8);
    assert_true (bm_clock_mono_ms () - began_ms >= 1000);
    fake_agent_stop (&fake);
}

static void
a_deadline_ends_an_order (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {.drop = 1000};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    heard_t heard;
    s_order (fixture, &heard, 150);
    s_wait (fixture, &heard);
    assert_int_equal (heard.error.status, BM_UNREACHABLE);
    fake_agent_stop (&fake);
}

static void
a_forgotten_order_is_not_heard_of_again (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {0};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    heard_t forgotten, heard;
    bm_agents_forget (fixture->agents, s_order (fixture, &forgotten, FAKE_DEADLINE_MS));
    s_order (fixture, &heard, FAKE_DEADLINE_MS);
    s_wait (fixture, &heard);
    assert_int_equal (forgotten.answers, 0);
    assert_int_equal (bm_agents_open_orders (fixture->agents), 0);
    fake_agent_stop (&fake);
}

static void
an_order_to_an_agent_that_was_not_greeted_fails_with_the_greetings_error (void **state)
{
    fixture_t *fixture = *state;
    plan_t plan = {0};
    fake_agent_t fake;
    s_start (fixture, &fake, &plan);
    heard_t heard;
    s_order (fixture, &heard, 0);
    assert_int_equal (heard.answers, 0); /* callbacks come from the wait only */
    s_wait (fixture, &heard);
    assert_int_equal (heard.error.status, BM_UNREACHABLE);
    assert_int_equal (atomic_load (&fake.orders), 0);
    fake_agent_stop (&fake);
}

/* ---- many, and wrong ---- */

enum { MANY = 24 };

static void
many_agents_are_greeted_at_the_same_time_and_one_that_is_down_costs_only_itself (void **state)
{
    fixture_t *fixture = *state;
    static fake_agent_t fakes[MANY];
    static plan_t plans[MANY];
    memset (fakes, 0, sizeof fakes);
    memset (plans, 0, sizeof plans);
    for (int i = 0; i < MANY; i++) {
        fakes[i].script = s_script;
        fakes[i].argument = &plans[i];
        fake_agent_start (&fakes[i]);
        char name[16];
        snprintf (name, sizeof name, "SQL%02d", i);
        s_add (fixture, &fakes[i], name);
    }
    fake_agent_stop (&fakes[5]);
    int64_t began_ms = bm_clock_mono_ms ();
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    assert_true (bm_clock_mono_ms () - began_ms < 5000);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal (bm_agents_greeting (fixture->agents, i, NULL) != NULL, i != 5);
    for (int i = 0; i < MANY; i++)
        if (i != 5)
            fake_agent_stop (&fakes[i]);
}

static void
names_addresses_and_keys_are_checked_when_an_agent_is_added (void **state)
{
    fixture_t *fixture = *state;
    char key[41], secret[41];
    zmq_curve_keypair (key, secret);
    bm_error_t error = {0};
    assert_int_equal (bm_agents_add (fixture->agents, "A", "tcp://127.0.0.1:1", key, &error),
                      BM_OK);
    assert_int_equal (bm_agents_add (fixture->agents, "A", "tcp://127.0.0.1:2", key, &error),
                      BM_CONFIG);
    assert_int_equal (bm_agents_add (fixture->agents, "B", "tcp://127.0.0.1:1", key, &error),
                      BM_CONFIG);
    assert_int_equal (bm_agents_add (fixture->agents, "B", "tcp://127.0.0.1:2", "short", &error),
                      BM_CONFIG);
    assert_int_equal (bm_agents_count (fixture->agents), 1);
}

static void
the_number_of_agents_has_a_limit (void **state)
{
    fixture_t *fixture = *state;
    char key[41], secret[41], name[24], address[40];
    zmq_curve_keypair (key, secret);
    bm_error_t error = {0};
    for (int i = 0; i < BM_LIMIT_AGENTS; i++) {
        snprintf (name, sizeof name, "A%d", i);
        snprintf (address, sizeof address, "tcp://127.0.0.1:%d", i + 1);
        assert_int_equal (bm_agents_add (fixture->agents, name, address, key, &error), BM_OK);
    }
    assert_int_equal (
        bm_agents_add (fixture->agents, "one more", "tcp://127.0.0.1:9999", key, &error), BM_LIMIT);
}

static void
an_address_that_is_none_is_a_configuration_error (void **state)
{
    fixture_t *fixture = *state;
    char key[41], secret[41];
    zmq_curve_keypair (key, secret);
    bm_error_t error = {0};
    assert_int_equal (bm_agents_add (fixture->agents, "A", "sql01:5610", key, &error), BM_OK);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    assert_null (bm_agents_greeting (fixture->agents, 0, &error));
    assert_int_equal (error.status, BM_CONFIG);
    assert_non_null (strstr (error.text, "sql01:5610"));
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (greeting_teaches_the_start_id_and_an_orders_expiry_is_on_the_agents_clock),
        TEST (an_agent_that_refuses_our_key_is_refused),
        TEST (an_agent_with_another_key_than_configured_is_a_wrong_server_key),
        TEST (an_agent_that_is_down_is_unreachable_with_its_address),
        TEST (an_agent_that_takes_the_greeting_and_says_nothing_is_unreachable),
        TEST (an_agent_that_comes_back_is_greeted_again_on_a_new_connection),
        TEST (greetings_of_one_agent_that_are_under_way_are_joined),
        TEST (an_order_without_an_answer_is_sent_again_under_the_same_operation_id),
        TEST (a_repeated_answer_is_given_on_once),
        TEST (a_stale_refusal_says_that_the_agent_was_restarted),
        TEST (an_answer_of_another_start_is_not_taken_for_an_answer),
        TEST (silence_of_an_agent_with_an_open_order_is_a_lost_agent),
        TEST (progress_keeps_an_order_alive_beyond_the_silence_that_ends_it),
        TEST (a_deadline_ends_an_order),
        TEST (a_forgotten_order_is_not_heard_of_again),
        TEST (an_order_to_an_agent_that_was_not_greeted_fails_with_the_greetings_error),
        TEST (many_agents_are_greeted_at_the_same_time_and_one_that_is_down_costs_only_itself),
        TEST (names_addresses_and_keys_are_checked_when_an_agent_is_added),
        TEST (the_number_of_agents_has_a_limit),
        TEST (an_address_that_is_none_is_a_configuration_error),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
