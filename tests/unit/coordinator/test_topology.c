/*  tests/unit/coordinator/test_topology.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "coordinator/shell/topology.h"
#include "tests/unit/coordinator/fake_agent.h"

/*  What an agent announces: up to two instances. */
typedef struct offer {
    const char *name, *real_name, *alias, *fault;
} offer_t;

typedef struct fixture {
    char folder[64], key_file[96];
    bm_key_t *key;
    bm_agents_t *agents;
    bm_settings_t *settings;
    fake_agent_t fakes[2];
    offer_t offers[2][2];
    bm_topology_t *topology;
} fixture_t;

static int
s_script (fake_agent_t *self, const Btsmark__Envelope *order, Btsmark__Envelope *answer)
{
    static _Thread_local Btsmark__Greeting greeting;
    static _Thread_local Btsmark__Instance instances[2], *list[2];
    static _Thread_local Btsmark__Fault faults[2];
    static _Thread_local char *aliases[2];
    const offer_t *offers = self->argument;
    (void)order;
    fake_greeting (self, &greeting, answer);
    for (int i = 0; i < 2 && offers[i].name; i++) {
        btsmark__instance__init (&instances[i]);
        instances[i].name = (char *)offers[i].name;
        instances[i].real_name = (char *)offers[i].real_name;
        if (offers[i].alias) {
            aliases[i] = (char *)offers[i].alias;
            instances[i].aliases = &aliases[i];
            instances[i].n_aliases = 1;
        }
        if (offers[i].fault) {
            btsmark__fault__init (&faults[i]);
            faults[i].status = (char *)offers[i].fault;
            faults[i].text = (char *)"it does not answer";
            instances[i].fault = &faults[i];
        }
        list[greeting.n_instances++] = &instances[i];
    }
    greeting.instances = list;
    return 1;
}

static int
s_setup (void **state)
{
    fixture_t *fixture = bm_alloc (sizeof *fixture);
    *state = fixture;
    snprintf (fixture->folder, sizeof fixture->folder, "/tmp/btsmark-test-topology-XXXXXX");
    assert_non_null (mkdtemp (fixture->folder));
    snprintf (fixture->key_file, sizeof fixture->key_file, "%s/key", fixture->folder);
    char public_text[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    bm_key_generate (fixture->key_file, "test", public_text, &error);
    fixture->key = bm_key_load (fixture->key_file, &error);
    fixture->offers[0][0] = (offer_t){"default", "SQL01", "sql01.example.com,1433", NULL};
    fixture->offers[1][0] = (offer_t){"default", "SQL02", NULL, NULL};
    fixture->offers[1][1] = (offer_t){"two", "SQL02\\TWO", "listener", NULL};
    return 0;
}

static int
s_teardown (void **state)
{
    fixture_t *fixture = *state;
    bm_topology_destroy (&fixture->topology);
    bm_agents_destroy (&fixture->agents);
    bm_settings_destroy (&fixture->settings);
    bm_key_destroy (&fixture->key);
    char *public_file = bm_format ("%s.pub", fixture->key_file);
    unlink (public_file);
    free (public_file);
    unlink (fixture->key_file);
    rmdir (fixture->folder);
    free (fixture);
    return 0;
}

/*  Greets `up` of the two agents and lays the rows ("server", "database", ..., NULL) over them. */
static const bm_topology_t *
s_build (fixture_t *fixture, int up, const char *const *texts)
{
    bm_error_t error = {0};
    bm_agents_options_t options = {.key = fixture->key, .group = "test", .connect_ms = 600};
    fixture->agents = bm_agents_new (&options, &error);
    char *text =
        bm_strdup ("[group]\nname = test\nmanagement-server = s\nlogin = x\npassword-file = y\n"
                   "[coordinator]\nkey-file = k\n");
    for (int i = 0; i < 2; i++) {
        fake_agent_t *fake = &fixture->fakes[i];
        *fake = (fake_agent_t){.script = s_script, .argument = fixture->offers[i]};
        fake_agent_start (fake);
        if (i >= up)
            fake_agent_stop (fake);
        char name[16];
        snprintf (name, sizeof name, "host%d", i + 1);
        assert_int_equal (
            bm_agents_add (fixture->agents, name, fake->address, fake->public_key, &error), BM_OK);
        char *longer =
            bm_format ("%s[agent %s]\naddress = %s\nserver-key = %s\nbackup-path = /b/%d\n", text,
                       name, fake->address, fake->public_key, i + 1);
        free (text);
        text = longer;
    }
    fixture->settings = bm_settings_parse ("test.ini", text, &error);
    if (!fixture->settings)
        fail_msg ("%s", error.text);
    free (text);
    bm_agents_greet_all (fixture->agents, FAKE_DEADLINE_MS);
    bm_group_row_t rows[16];
    bm_group_rows_t group = {rows, 0};
    for (size_t i = 0; texts[i]; i += 2)
        rows[group.count++] = (bm_group_row_t){(char *)texts[i], (char *)texts[i + 1], false};
    fixture->topology = bm_topology_new (&group, fixture->agents, fixture->settings);
    for (int i = 0; i < up; i++)
        fake_agent_stop (&fixture->fakes[i]);
    return fixture->topology;
}

static void
servers_are_found_by_real_name_and_by_alias_whatever_their_case (void **state)
{
    const char *rows[] = {
        "sql01", "A", "SQL01.example.com,1433", "B", "LISTENER", "C", "sql02\\two", "D", NULL};
    const bm_topology_t *it = s_build (*state, 2, rows);
    assert_int_equal (it->nowhere, 0);
    assert_int_equal (it->instance_count, 2);
    assert_string_equal (bm_topology_real_name (it, 0), "SQL01");
    assert_string_equal (bm_topology_real_name (it, 1), "SQL01");
    assert_string_equal (bm_topology_real_name (it, 2), "SQL02\\TWO");
    assert_string_equal (bm_topology_real_name (it, 3), "SQL02\\TWO");
    assert_string_equal (it->instances[0].path, "/b/1");
    assert_string_equal (it->instances[1].name, "two");
    assert_string_equal (it->places[1].server, "SQL01.example.com,1433");
}

static void
rows_that_mean_one_database_become_one_under_the_real_name (void **state)
{
    const char *rows[] = {"listener", "OrdersDb", "SQL02\\TWO", "ordersdb",
                          "SQL02",    "OrdersDb", NULL};
    const bm_topology_t *it = s_build (*state, 2, rows);
    assert_int_equal (it->place_count, 2);
    assert_string_equal (it->places[0].server, "SQL02\\TWO");
    assert_int_equal (it->note_count, 1);
    assert_non_null (strstr (it->notes[0], "listener"));
}

static void
a_server_that_nobody_serves_is_a_configuration_error_with_the_line_to_add (void **state)
{
    const char *rows[] = {"SQL01", "A", "FARSERVER", "B", NULL};
    const bm_topology_t *it = s_build (*state, 2, rows);
    assert_int_equal (it->nowhere, 1);
    assert_int_equal (bm_topology_first_nowhere (it), 1);
    assert_int_equal (it->places[1].fault.status, BM_CONFIG_UNSERVED);
    assert_non_null (strstr (it->places[1].fault.text, "FARSERVER"));
    assert_non_null (strstr (it->places[1].fault.remedy, "aliases = FARSERVER"));
}

static void
a_server_that_two_serve_is_a_configuration_error_that_names_both (void **state)
{
    fixture_t *fixture = *state;
    fixture->offers[0][0].alias = "listener";
    const char *rows[] = {"listener", "A", NULL};
    const bm_topology_t *it = s_build (fixture, 2, rows);
    assert_int_equal (it->places[0].fault.status, BM_CONFIG_UNSERVED);
    assert_non_null (strstr (it->places[0].fault.text, "host1"));
    assert_non_null (strstr (it->places[0].fault.text, "host2"));
}

static void
a_real_name_wins_over_an_alias (void **state)
{
    fixture_t *fixture = *state;
    fixture->offers[0][0].alias = "SQL02";
    const char *rows[] = {"SQL02", "A", NULL};
    const bm_topology_t *it = s_build (fixture, 2, rows);
    assert_int_equal (it->nowhere, 0);
    assert_string_equal (bm_topology_real_name (it, 0), "SQL02");
}

static void
what_an_agent_that_is_down_may_serve_is_unreachable_and_not_unserved (void **state)
{
    const char *rows[] = {"SQL01", "A", "SQL02", "B", NULL};
    const bm_topology_t *it = s_build (*state, 1, rows);
    assert_int_equal (it->nowhere, 1);
    assert_int_equal (it->places[1].fault.status, BM_UNREACHABLE);
    assert_non_null (strstr (it->places[1].fault.text, "host2"));
}

static void
an_instance_whose_sql_server_does_not_answer_says_why (void **state)
{
    fixture_t *fixture = *state;
    fixture->offers[1][0] = (offer_t){"SQL02", "", NULL, "SQL_LOGIN"};
    const char *rows[] = {"SQL02", "A", NULL};
    const bm_topology_t *it = s_build (fixture, 2, rows);
    assert_int_equal (it->places[0].instance, BM_NOWHERE);
    assert_int_equal (it->places[0].fault.status, BM_SQL_LOGIN);
}

static void
a_vote_is_taken_over_with_every_reason (void **state)
{
    fixture_t *fixture = *state;
    const char *rows[] = {"SQL01", "A", "SQL01", "B", NULL};
    s_build (fixture, 2, rows);
    Btsmark__Vote vote = BTSMARK__VOTE__INIT;
    Btsmark__DatabaseFacts facts = BTSMARK__DATABASE_FACTS__INIT, *list[] = {&facts};
    Btsmark__Fault offline = BTSMARK__FAULT__INIT, simple = BTSMARK__FAULT__INIT,
                   *faults[] = {&offline, &simple};
    offline.status = (char *)"NOT_READY";
    offline.text = (char *)"it is OFFLINE";
    simple.status = (char *)"NOT_READY";
    simple.text = (char *)"it is in SIMPLE recovery";
    facts.name = (char *)"b";
    facts.has_tracking = true;
    facts.recovery_fork = (char *)"f";
    facts.reasons = faults;
    facts.n_reasons = 2;
    vote.databases = list;
    vote.n_databases = 1;
    bm_error_t error = {0};
    assert_false (bm_topology_vote (fixture->topology, 0, &vote, &error));
    const bm_place_t *place = &fixture->topology->places[1];
    assert_true (place->voted && place->has_tracking);
    assert_string_equal (place->fork, "f");
    assert_int_equal (place->reason.status, BM_NOT_READY);
    assert_non_null (strstr (place->reason.text, "OFFLINE"));
    assert_non_null (strstr (place->reason.text, "SIMPLE"));
    assert_non_null (strstr (error.text, "B on SQL01"));
    assert_false (fixture->topology->places[0].voted);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (servers_are_found_by_real_name_and_by_alias_whatever_their_case),
        TEST (rows_that_mean_one_database_become_one_under_the_real_name),
        TEST (a_server_that_nobody_serves_is_a_configuration_error_with_the_line_to_add),
        TEST (a_server_that_two_serve_is_a_configuration_error_that_names_both),
        TEST (a_real_name_wins_over_an_alias),
        TEST (what_an_agent_that_is_down_may_serve_is_unreachable_and_not_unserved),
        TEST (an_instance_whose_sql_server_does_not_answer_says_why),
        TEST (a_vote_is_taken_over_with_every_reason),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
