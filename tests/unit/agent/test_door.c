/*  The port fails closed. Each test takes one protection away and shows that the message does not get through; its twin
 *  takes all of them away and shows that it does, so the test can fail. */
#include "tests/unit/agent/tests.h"

#include "agent/shell/door.h"

#define S_ARRIVES_MS 5000
#define S_STAYS_MS   700

static int
s_setup (void **state)
{
    tests_place_t *place = tests_place_new ();
    tests_configure (place, "127.0.0.1:1", "");
    *state = place;
    return 0;
}

static int
s_teardown (void **state)
{
    tests_place_free (*state);
    return 0;
}

/*  Whether a frame of this key arrives at the door; *sender_p is whom the door says it came from. */
static bool
s_arrives (const tests_place_t *place, bm_door_t *door, const char *key, int wait_ms,
           const bm_allow_t **sender_p)
{
    tests_client_t *client = tests_client_new (place, key, bm_door_endpoint (door));
    tests_send_raw (client, "hello", 5);
    zmq_pollitem_t item = {.socket = zsock_resolve (bm_door_socket (door)), .events = ZMQ_POLLIN};
    bool arrived = zmq_poll (&item, 1, wait_ms) > 0;
    if (arrived) {
        zmsg_t *message = zmsg_recv (bm_door_socket (door));
        *sender_p = bm_door_sender (door, zmsg_last (message));
        zmsg_destroy (&message);
    }
    tests_client_free (client);
    return arrived;
}

static bm_door_t *
s_open (const tests_place_t *place, const bm_door_trial_t *trial)
{
    bm_error_t error = {0};
    bm_door_t *door = bm_door_open (place->config, trial, &error);
    if (!door)
        fail_msg ("%s", error.text);
    return door;
}

static void
an_allowed_key_gets_in_and_is_known_by_its_key (void **state)
{
    tests_place_t *place = *state;
    const bm_allow_t *sender = NULL;
    bm_door_t *door = s_open (place, NULL);
    assert_true (s_arrives (place, door, "full", S_ARRIVES_MS, &sender));
    assert_non_null (sender);
    assert_string_equal (sender->name, "full");
    assert_true (s_arrives (place, door, "status", S_ARRIVES_MS, &sender));
    assert_string_equal (sender->name, "watcher");
    assert_int_equal (sender->duties, BM_DUTY_STATUS);
    bm_door_close (&door, 0);
    bm_door_close (&door, 0);
}

static void
an_unknown_key_does_not_get_in (void **state)
{
    const bm_allow_t *sender = NULL;
    bm_door_t *door = s_open (*state, NULL);
    assert_false (s_arrives (*state, door, "unknown", S_STAYS_MS, &sender));
    bm_door_close (&door, 0);
}

static void
nobody_gets_in_without_a_handler (void **state)
{
    const bm_allow_t *sender = NULL;
    bm_door_t *door = s_open (*state, &(bm_door_trial_t){.no_handler = true});
    assert_false (s_arrives (*state, door, "full", S_STAYS_MS, &sender));
    assert_false (s_arrives (*state, door, "unknown", S_STAYS_MS, &sender));
    bm_door_close (&door, 0);
}

static void
twin_without_handler_and_enforcement_everybody_gets_in (void **state)
{
    const bm_allow_t *sender = NULL;
    bm_door_t *door = s_open (
        *state, &(bm_door_trial_t){.no_handler = true, .no_enforce = true, .no_read_back = true});
    assert_true (s_arrives (*state, door, "unknown", S_ARRIVES_MS, &sender));
    assert_null (sender); /* the second wall: no proved key, no order */
    bm_door_close (&door, 0);
}

static void
nobody_gets_in_after_the_handler_died (void **state)
{
    const bm_allow_t *sender = NULL;
    bm_door_t *door = s_open (*state, NULL);
    bm_door_kill_handler (door);
    assert_false (s_arrives (*state, door, "full", S_STAYS_MS, &sender));
    assert_false (s_arrives (*state, door, "unknown", S_STAYS_MS, &sender));
    bm_door_close (&door, 0);
}

static void
twin_after_the_handler_died_everybody_gets_in_without_enforcement (void **state)
{
    const bm_allow_t *sender = NULL;
    bm_door_t *door = s_open (*state, &(bm_door_trial_t){.no_enforce = true, .no_read_back = true});
    bm_door_kill_handler (door);
    assert_true (s_arrives (*state, door, "unknown", S_ARRIVES_MS, &sender));
    assert_null (sender);
    bm_door_close (&door, 0);
}

/*  Domain without enforcement, and enforcement without domain: the door stays closed, so nothing listens at all. */
static void
a_door_that_reads_back_wrong_is_not_opened (void **state)
{
    tests_place_t *place = *state;
    bm_error_t error = {0};
    assert_null (bm_door_open (place->config, &(bm_door_trial_t){.no_enforce = true}, &error));
    assert_int_equal (error.status, BM_REFUSED);
    assert_non_null (strstr (error.text, "93"));
    assert_null (bm_door_open (place->config, &(bm_door_trial_t){.no_domain = true}, &error));
    assert_int_equal (error.status, BM_REFUSED);
    assert_non_null (strstr (error.text, "domain"));
}

static void
twin_a_domain_without_enforcement_lets_strangers_in_when_the_handler_is_gone (void **state)
{
    const bm_allow_t *sender = NULL;
    bm_door_trial_t trial = {.no_enforce = true, .no_handler = true, .no_read_back = true};
    bm_door_t *door = s_open (*state, &trial);
    assert_true (s_arrives (*state, door, "unknown", S_ARRIVES_MS, &sender));
    bm_door_close (&door, 0);
}

/*  A handler of somebody else in this process would answer for us: then ours cannot bind, and the port stays closed. */
static void
a_second_handler_in_the_process_keeps_the_door_closed (void **state)
{
    tests_place_t *place = *state;
    bm_error_t error = {0};
    bm_door_t *door = s_open (place, NULL);
    assert_null (bm_door_open (place->config, NULL, &error));
    assert_int_equal (error.status, BM_REFUSED);
    bm_door_close (&door, 0);
}

static void
an_address_in_use_is_a_clear_error (void **state)
{
    tests_place_t *place = *state;
    bm_error_t error = {0};
    zsock_t *other = zsock_new (ZMQ_ROUTER);
    int port = zsock_bind (other, "tcp://127.0.0.1:*");
    char *bind = bm_format ("tcp://127.0.0.1:%d", port);
    place->config->bind = bind;
    assert_null (bm_door_open (place->config, NULL, &error));
    assert_int_equal (error.status, BM_CONFIG);
    assert_non_null (strstr (error.text, bind));
    zsock_destroy (&other);
    free (bind);
}

int
main (void)
{
    zsys_handler_set (NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (an_allowed_key_gets_in_and_is_known_by_its_key, s_setup,
                                         s_teardown),
        cmocka_unit_test_setup_teardown (an_unknown_key_does_not_get_in, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (nobody_gets_in_without_a_handler, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (twin_without_handler_and_enforcement_everybody_gets_in,
                                         s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (nobody_gets_in_after_the_handler_died, s_setup,
                                         s_teardown),
        cmocka_unit_test_setup_teardown (
            twin_after_the_handler_died_everybody_gets_in_without_enforcement, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (a_door_that_reads_back_wrong_is_not_opened, s_setup,
                                         s_teardown),
        cmocka_unit_test_setup_teardown (
            twin_a_domain_without_enforcement_lets_strangers_in_when_the_handler_is_gone, s_setup,
            s_teardown),
        cmocka_unit_test_setup_teardown (a_second_handler_in_the_process_keeps_the_door_closed,
                                         s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (an_address_in_use_is_a_clear_error, s_setup, s_teardown)};
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    zsys_shutdown ();
    return failed;
}
