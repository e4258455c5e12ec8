/*  The session against sqlhost's wire with a scripted backend: what FreeTDS does is what is tested. All of it twice, in the
 *  clear and over TLS. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "tests/unit/common/tests.h"

#include "common/clock.h"
#include "common/limits.h"
#include "common/names.h"
#include "common/sql_internal.h"
#include "tests/sqlhost/tds/server.h"
#include "tests/unit/sqlhost/fake_backend.h"

typedef struct {
    sh_fake_t *fake;
    sh_server_t *server;
    bm_secret_t *password;
} s_place_t;

static sh_tls_t *s_tls; /* NULL = in the clear */

static int
s_setup (void **state)
{
    s_place_t *place = bm_alloc (sizeof *place);
    char error[256];
    place->fake = fake_new ();
    sh_server_options_t options = {
        .listen = "127.0.0.1:0", .tls = s_tls, .backend = &place->fake->base};
    place->server = sh_server_start (&options, error, sizeof error);
    assert_non_null (place->server);
    place->password = bm_secret_new ("p\xC3\xA4ss\xE2\x82\xACword");
    *state = place;
    return 0;
}

static int
s_teardown (void **state)
{
    s_place_t *place = *state;
    assert_true (sh_server_stop (&place->server, 10000));
    fake_free (place->fake);
    bm_secret_destroy (&place->password);
    free (place);
    return 0;
}

static bm_sql_login_t
s_login (const s_place_t *place)
{
    return (bm_sql_login_t){
        .server = sh_server_address (place->server),
        .access = {.encrypt = s_tls ? BM_SQL_ENCRYPT_REQUIRED : BM_SQL_ENCRYPT_OFF,
                   .ca_file = s_tls ? "none" : NULL},
        .user = "sa",
        .password = place->password,
        .database = "BizTalkMgmtDb",
        .program = "btsmark-agent SQL01/SQL01 fence"};
}

static bm_sql_t *
s_open (const s_place_t *place)
{
    bm_sql_login_t login = s_login (place);
    bm_error_t error = {0};
    bm_sql_t *sql = bm_sql_open (&login, &error);
    if (!sql)
        fail_msg ("%s", error.text);
    return sql;
}

/*  Runs a batch that must end with `expected`. */
static bm_sql_result_t *
s_exec (bm_sql_t *sql, const char *batch, bm_status_t expected, bm_error_t *error)
{
    bm_error_t own = {0};
    bm_sql_result_t *result = NULL;
    bm_status_t status = bm_sql_exec (sql, batch, &result, error ? error : &own);
    if (status != expected)
        fail_msg ("%s: %s", bm_status_name (status), error ? error->text : own.text);
    return result;
}

static void
a_login_names_the_program_and_database (void **state)
{
    s_place_t *place = *state;
    bm_sql_t *sql = s_open (place);
    assert_true (bm_sql_alive (sql));
    assert_string_equal (bm_sql_server (sql), sh_server_address (place->server));
    assert_memory_equal (place->fake->login, "sa|BizTalkMgmtDb|btsmark-agent SQL01/SQL01 fence|",
                         49);
    assert_int_equal (place->fake->version, 0x74000004);
    assert_int_equal (place->fake->encrypted, s_tls != NULL);
    assert_int_equal (bm_sql_encrypted (sql), s_tls != NULL);
    bm_sql_close (&sql);
    assert_null (sql);
    bm_sql_close (&sql);
    assert_true (fake_wait_closed (place->fake));
}

static void
a_comma_before_the_port_does_as_well (void **state)
{
    s_place_t *place = *state;
    bm_sql_login_t login = s_login (place);
    char *server = bm_format ("127.0.0.1,%u", sh_server_port (place->server));
    login.server = server;
    bm_sql_t *sql = bm_sql_open (&login, NULL);
    assert_non_null (sql);
    bm_sql_close (&sql);
    free (server);
}

static void
a_refused_login_is_told_from_an_unreachable_server (void **state)
{
    s_place_t *place = *state;
    bm_sql_login_t login = s_login (place);
    bm_error_t error = {0};
    bm_secret_t *wrong = bm_secret_new ("not-the-password");
    login.password = wrong;
    assert_null (bm_sql_open (&login, &error));
    assert_int_equal (error.status, BM_SQL_LOGIN);
    assert_non_null (strstr (error.text, "18456"));
    assert_non_null (strstr (error.text, login.server));
    assert_null (strstr (error.text, "not-the-password"));
    login.user = "drop";
    assert_null (bm_sql_open (&login, &error));
    assert_int_equal (error.status, BM_UNREACHABLE);
    login.server = "127.0.0.1:1";
    assert_null (bm_sql_open (&login, &error));
    assert_int_equal (error.status, BM_UNREACHABLE);
    assert_non_null (strstr (error.text, "127.0.0.1:1"));
    assert_null (strstr (error.text, "btsmark-0")); /* a name of our own making */
    bm_secret_destroy (&wrong);
}

static void
a_server_that_says_nothing_is_given_up_in_time (void **state)
{
    s_place_t *place = *state;
    int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal (bind (listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal (listen (listener, 4), 0);
    getsockname (listener, (struct sockaddr *)&address, &size);
    char *server = bm_format ("127.0.0.1:%u", ntohs (address.sin_port));
    bm_sql_login_t login = s_login (place);
    login.server = server;
    login.login_timeout_s = 1;
    bm_error_t error = {0};
    int64_t before = bm_clock_mono_ms ();
    assert_null (bm_sql_open (&login, &error));
    assert_int_equal (error.status, BM_SQL_TIMEOUT);
    assert_in_range (bm_clock_mono_ms () - before, 500, 5000);
    free (server);
    close (listener);
}

static void
every_type_comes_as_text (void **state)
{
    s_place_t *place = *state;
    static const char *const expected[] = {"1",
                                           "101",
                                           "102",
                                           "103",
                                           "-9223372036854775808",
                                           "1234567890123456789012.125",
                                           NULL,
                                           NULL,
                                           "-1.5",
                                           "-1.5",
                                           "2024-01-02",
                                           "10:20:45.000",
                                           NULL,
                                           "2024-01-02 10:20:45.000",
                                           "2024-01-02 10:20:45.000"};
    bm_sql_t *sql = s_open (place);
    bm_sql_result_t *result = s_exec (sql, "types", BM_OK, NULL);
    assert_int_equal (bm_sql_result_rows (result, 0), 2);
    for (int i = 0; i < 15; i++)
        if (expected[i])
            assert_string_equal (
                bm_sql_result_text (result, 0, 0, sh_type_name ((sh_type_id_t)(i + 1))),
                expected[i]);
    assert_int_equal (bm_sql_result_int (result, 0, 0, "bigint", 0), INT64_MIN);
    assert_string_equal (bm_sql_result_text (result, 0, 0, "nvarchar"),
                         "\xE2\x82\xAC \xD0\x96\xF0\x9F\x98\x80");
    assert_string_equal (bm_sql_result_text (result, 0, 0, "varchar"), "\xE2\x82\xAC \xC3\xA4z");
    assert_string_equal (bm_sql_result_text (result, 0, 0, "xml"), "<a>\xE2\x82\xAC</a>");
    assert_string_equal (bm_sql_result_text (result, 0, 0, "varbinary"), "0x0001FEFF");
    assert_string_equal (bm_sql_result_text (result, 0, 0, "uniqueidentifier"),
                         "6F9619FF-8B86-D011-B42D-00C04FC964FF");
    for (int i = 0; i < FAKE_COLUMNS; i++)
        assert_null (bm_sql_result_text (result, 0, 1, sh_type_name ((sh_type_id_t)(i + 1))));
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
}

static void
a_failed_statement_is_not_the_end_of_its_batch (void **state)
{
    s_place_t *place = *state;
    bm_sql_t *sql = s_open (place);
    bm_error_t error = {0};
    bm_sql_result_t *result = s_exec (sql, "messages", BM_SQL_FAILED, &error);
    assert_memory_equal (error.text, "3013 (severity 16, state 7", 26);
    assert_int_equal (bm_sql_result_sets (result), 2);
    int set = bm_sql_result_find (result, (const char *const[]){"two", NULL});
    assert_int_equal (bm_sql_result_int (result, set, 0, "two", 0), 2);
    const bm_sql_messages_t *messages = bm_sql_result_messages (result);
    assert_int_equal (messages->count, 2);
    assert_string_equal (messages->items[0].text, "informs \xE2\x82\xAC");
    assert_int_equal (messages->items[0].severity, 10);
    assert_int_equal (messages->items[0].line, 42);
    assert_string_equal (messages->items[0].procedure, "dbo.p_\xC3\xA9t\xC3\xA9");
    bm_sql_result_destroy (&result);
    result = s_exec (sql, "sets", BM_OK, NULL); /* and the session goes on */
    assert_int_equal (bm_sql_result_sets (result), 3);
    set = bm_sql_result_find (result, (const char *const[]){"c", NULL});
    assert_int_equal (bm_sql_result_int (result, set, 0, "c", 0), 3);
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
}

static void
a_return_status_is_seen (void **state)
{
    s_place_t *place = *state;
    bm_sql_t *sql = s_open (place);
    bm_sql_result_t *result = s_exec (sql, "exec", BM_OK, NULL);
    assert_true (bm_sql_result_has_return (result));
    assert_int_equal (bm_sql_result_return (result), -6);
    bm_sql_result_destroy (&result);
    result = s_exec (sql, "sets", BM_OK, NULL);
    assert_false (bm_sql_result_has_return (result));
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
}

/*  What came back for a parameter: the scripted procedure answers each as a result set. */
static const char *
s_echo (const bm_sql_result_t *result, const char *name)
{
    return bm_sql_result_text (
        result, bm_sql_result_find (result, (const char *const[]){name, NULL}), 0, name);
}

static void
parameters_of_a_call_arrive_and_outputs_come_back (void **state)
{
    s_place_t *place = *state;
    bm_sql_t *sql = s_open (place);
    char *longest = bm_alloc (4000 * 3 + 1);
    for (size_t i = 0; i < 4000; i++)
        memcpy (longest + 3 * i, "\xE2\x82\xAC", 3);
    bm_sql_query_t *query = bm_sql_call_new ("[db].dbo.sp_x");
    bm_sql_query_text (query, "@short", "it's \xE2\x82\xAC \xF0\x9F\x98\x80");
    bm_sql_query_text (query, "@long", longest);
    bm_sql_query_text (query, "@null", NULL);
    bm_sql_query_int (query, "@int", INT64_MIN);
    bm_sql_query_bit (query, "@bit", true);
    bm_sql_query_output_text (query, "@out");
    bm_sql_result_t *result = NULL;
    bm_error_t error = {0};
    if (bm_sql_run (sql, query, &result, &error))
        fail_msg ("%s", error.text);
    assert_string_equal (place->fake->text, "0:[db].dbo.sp_x");
    assert_string_equal (s_echo (result, "@short"), "it's \xE2\x82\xAC \xF0\x9F\x98\x80");
    assert_string_equal (s_echo (result, "@long"), longest);
    assert_null (s_echo (result, "@null"));
    assert_string_equal (s_echo (result, "@int"), "-9223372036854775808");
    assert_string_equal (s_echo (result, "@bit"), "1");
    assert_int_equal (bm_sql_result_return (result), 6);
    assert_null (bm_sql_result_output (result, "@out")); /* NULL went in */
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    free (longest);
    bm_sql_close (&sql);
}

static void
parameters_of_a_batch_go_through_sp_executesql (void **state)
{
    s_place_t *place = *state;
    bm_sql_t *sql = s_open (place);
    bm_sql_query_t *query = bm_sql_query_new ("SELECT @a");
    bm_sql_query_text (query, "@a", "x");
    bm_sql_result_t *result = NULL;
    assert_int_equal (bm_sql_run (sql, query, &result, NULL), BM_OK);
    assert_non_null (strstr (place->fake->text, ":sp_executesql"));
    assert_string_equal (s_echo (result, "@a"), "x");
    bm_sql_result_destroy (&result);
    bm_sql_query_destroy (&query);
    bm_sql_close (&sql);
}

static void
a_missing_procedure_is_an_error_with_its_number (void **state)
{
    s_place_t *place = *state;
    bm_sql_t *sql = s_open (place);
    bm_sql_query_t *query = bm_sql_call_new ("missing");
    bm_error_t error = {0};
    assert_int_equal (bm_sql_run (sql, query, NULL, &error), BM_SQL_FAILED);
    assert_memory_equal (error.text, "2812 ", 5);
    bm_sql_query_destroy (&query);
    bm_sql_close (&sql);
}

/*  ---- interrupts ---- */

typedef struct {
    s_place_t *place;
    const char *batch;
    bool is_call;
    int64_t timeout_ms;
    bm_sql_t *sql;
    bm_status_t status;
    bm_error_t error;
    int messages;
    int64_t ended_us;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} s_runner_t;

static void
s_on_message (void *argument, const bm_sql_message_t *message)
{
    s_runner_t *runner = argument;
    (void)message;
    pthread_mutex_lock (&runner->lock);
    runner->messages++;
    pthread_cond_broadcast (&runner->changed);
    pthread_mutex_unlock (&runner->lock);
}

static void *
s_run (void *argument)
{
    s_runner_t *runner = argument;
    bm_sql_query_t *query =
        runner->is_call ? bm_sql_call_new (runner->batch) : bm_sql_query_new (runner->batch);
    bm_sql_query_on_message (query, s_on_message, runner);
    bm_sql_query_timeout_ms (query, runner->timeout_ms);
    runner->status = bm_sql_run (runner->sql, query, NULL, &runner->error);
    runner->ended_us = bm_clock_mono_us ();
    bm_sql_query_destroy (&query);
    return NULL;
}

static void
s_start (s_runner_t *runner, s_place_t *place, const char *batch)
{
    runner->place = place;
    runner->batch = batch;
    runner->sql = s_open (place);
    pthread_mutex_init (&runner->lock, NULL);
    pthread_cond_init (&runner->changed, NULL);
    pthread_create (&runner->thread, NULL, s_run, runner);
}

static void
s_finish (s_runner_t *runner)
{
    assert_true (bm_sql_alive (runner->sql));
    bm_sql_result_t *result = s_exec (runner->sql, "sets", BM_OK, NULL); /* goes on as before */
    assert_int_equal (bm_sql_result_sets (result), 3);
    bm_sql_result_destroy (&result);
    bm_sql_close (&runner->sql);
    pthread_cond_destroy (&runner->changed);
    pthread_mutex_destroy (&runner->lock);
}

/*  Interrupts a batch that waits in the server; at most 100 ms later it has ended. */
static void
s_interrupted_in_time (s_place_t *place, const char *batch, bool is_call)
{
    s_runner_t runner = {.is_call = is_call};
    s_start (&runner, place, batch);
    assert_true (fake_wait (place->fake, &place->fake->waiting, 1));
    if (strcmp (batch, "nowait") == 0) { /* the message is here while the batch still runs */
        pthread_mutex_lock (&runner.lock);
        while (runner.messages == 0)
            pthread_cond_wait (&runner.changed, &runner.lock);
        pthread_mutex_unlock (&runner.lock);
    }
    int64_t before = bm_clock_mono_us ();
    bm_sql_interrupt (runner.sql);
    pthread_join (runner.thread, NULL);
    assert_int_equal (runner.status, BM_STOPPED);
    if (runner.ended_us - before >= 100000)
        fail_msg ("the attention took %lld us", (long long)(runner.ended_us - before));
    assert_int_equal (place->fake->why, SH_CANCEL_ATTENTION);
    s_finish (&runner);
}

static void
an_interrupt_ends_a_waiting_batch_at_once (void **state)
{
    for (int i = 0; i < 20; i++)
        s_interrupted_in_time (*state, "wait", false);
}

static void
an_interrupt_ends_a_batch_after_its_first_message (void **state)
{
    for (int i = 0; i < 20; i++)
        s_interrupted_in_time (*state, "nowait", false);
}

static void
an_interrupt_ends_a_waiting_call (void **state)
{
    s_interrupted_in_time (*state, "wait", true);
}

static void
an_interrupt_ends_a_flood_of_rows (void **state)
{
    s_place_t *place = *state;
    s_runner_t runner = {0};
    s_start (&runner, place, "endless");
    int64_t until = bm_clock_mono_ms () + 30000;
    bool seen = false;
    while (!seen && bm_clock_mono_ms () < until) { /* the batch has arrived */
        pthread_mutex_lock (&place->fake->lock);
        seen = strcmp (place->fake->text, "endless") == 0;
        pthread_mutex_unlock (&place->fake->lock);
    }
    assert_true (seen);
    bm_sql_interrupt (runner.sql);
    pthread_join (runner.thread, NULL);
    assert_int_equal (runner.status, BM_STOPPED);
    s_finish (&runner);
}

static void
an_interrupt_without_a_batch_has_no_effect (void **state)
{
    s_place_t *place = *state;
    bm_sql_t *sql = s_open (place);
    bm_sql_interrupt (sql);
    bm_sql_result_t *result = s_exec (sql, "sets", BM_OK, NULL);
    bm_sql_result_destroy (&result);
    bm_sql_interrupt (sql);
    result = s_exec (sql, "sets", BM_OK, NULL);
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
}

static void
many_interrupts_at_any_time_do_no_harm (void **state)
{
    s_place_t *place = *state;
    s_runner_t runner = {0};
    for (int i = 0; i < 30; i++) {
        s_start (&runner, place, i % 2 ? "many" : "sets");
        for (int k = 0; k < 1 + i % 5; k++)
            bm_sql_interrupt (runner.sql);
        pthread_join (runner.thread, NULL);
        assert_true (runner.status == BM_OK || runner.status == BM_STOPPED);
        s_finish (&runner);
    }
}

static void
a_deadline_ends_the_batch_and_the_session_lives (void **state)
{
    s_place_t *place = *state;
    s_runner_t runner = {.timeout_ms = 300};
    int64_t before = bm_clock_mono_ms ();
    s_start (&runner, place, "wait");
    pthread_join (runner.thread, NULL);
    assert_int_equal (runner.status, BM_SQL_TIMEOUT);
    assert_in_range (bm_clock_mono_ms () - before, 300, 3500);
    s_finish (&runner);
}

static void
a_lost_connection_is_told (void **state)
{
    s_place_t *place = *state;
    static const char *const batches[] = {"drop", "close"};
    for (size_t i = 0; i < 2; i++) {
        bm_sql_t *sql = s_open (place);
        bm_error_t error = {0};
        bm_sql_result_t *result = NULL;
        assert_int_equal (bm_sql_exec (sql, batches[i], &result, &error), BM_SQL_LOST);
        assert_false (bm_sql_alive (sql));
        assert_int_equal (bm_sql_result_message (result, 596) != NULL, i == 1);
        bm_sql_result_destroy (&result);
        assert_int_equal (bm_sql_exec (sql, "sets", &result, &error), BM_SQL_LOST);
        assert_null (result);
        bm_sql_close (&sql);
    }
}

static void
large_results_are_whole (void **state)
{
    s_place_t *place = *state;
    bm_sql_t *sql = s_open (place);
    bm_sql_result_t *result = s_exec (sql, "many", BM_OK, NULL);
    assert_int_equal (bm_sql_result_rows (result, 0), 5000);
    assert_int_equal (bm_sql_result_int (result, 0, 4999, "n", 0), 4999);
    bm_sql_result_destroy (&result);
    result = s_exec (sql, "large", BM_OK, NULL);
    assert_int_equal (strlen (bm_sql_result_text (result, 0, 1, "text")), 1000000);
    bm_sql_result_destroy (&result);
    bm_sql_close (&sql);
}

static void
sessions_in_several_threads_do_not_disturb_each_other (void **state)
{
    s_place_t *place = *state;
    s_runner_t runners[6] = {0};
    for (int i = 0; i < 6; i++)
        s_start (&runners[i], place, i % 2 ? "wait" : "many");
    assert_true (fake_wait (place->fake, &place->fake->waiting, 3));
    for (int i = 1; i < 6; i += 2)
        bm_sql_interrupt (runners[i].sql);
    for (int i = 0; i < 6; i++) {
        pthread_join (runners[i].thread, NULL);
        assert_int_equal (runners[i].status, i % 2 ? BM_STOPPED : BM_OK);
        s_finish (&runners[i]);
    }
}

/*  ---- a network that swallows everything ---- */

/*  Passes bytes between one client and the server until it is told to swallow them. */
typedef struct {
    int listener;
    int client;
    int server;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    bool swallows;
} s_wire_t;

/*  True: go on. */
static bool
s_pass (s_wire_t *wire, int from, int to)
{
    char data[4096];
    ssize_t got = recv (from, data, sizeof data, MSG_DONTWAIT);
    if (got == 0)
        return false;
    pthread_mutex_lock (&wire->lock);
    bool swallows = wire->swallows;
    pthread_mutex_unlock (&wire->lock);
    return got < 0 || swallows || send (to, data, (size_t)got, MSG_NOSIGNAL) == got;
}

static void *
s_carry (void *argument)
{
    s_wire_t *wire = argument;
    wire->client = accept (wire->listener, NULL, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                  .sin_port = htons (wire->port)};
    wire->server = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect (wire->server, (struct sockaddr *)&address, sizeof address) != 0)
        return NULL;
    for (bool goes_on = true; goes_on;) {
        struct pollfd wait[] = {{wire->client, POLLIN, 0}, {wire->server, POLLIN, 0}};
        poll (wait, 2, 20);
        goes_on =
            s_pass (wire, wire->client, wire->server) && s_pass (wire, wire->server, wire->client);
    }
    return NULL;
}

/*  Listens in front of the server; returns the address. */
static char *
s_wire_start (s_wire_t *wire, const s_place_t *place)
{
    *wire = (s_wire_t){.listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                       .port = sh_server_port (place->server)};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    assert_int_equal (bind (wire->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal (listen (wire->listener, 1), 0);
    getsockname (wire->listener, (struct sockaddr *)&address, &size);
    pthread_mutex_init (&wire->lock, NULL);
    pthread_create (&wire->thread, NULL, s_carry, wire);
    return bm_format ("127.0.0.1:%u", ntohs (address.sin_port));
}

static void
s_wire_stop (s_wire_t *wire)
{
    pthread_join (wire->thread, NULL);
    close (wire->client);
    close (wire->server);
    close (wire->listener);
    pthread_mutex_destroy (&wire->lock);
}

static void
a_server_that_does_not_answer_the_attention_is_given_up (void **state)
{
    s_place_t *place = *state;
    s_wire_t wire;
    char *server = s_wire_start (&wire, place);
    bm_sql_login_t login = s_login (place);
    login.server = server;
    s_runner_t runner = {.batch = "wait", .sql = bm_sql_open (&login, NULL)};
    assert_non_null (runner.sql);
    pthread_mutex_init (&runner.lock, NULL);
    pthread_cond_init (&runner.changed, NULL);
    bm_sql_attention_ms = 1500;
    pthread_create (&runner.thread, NULL, s_run, &runner);
    assert_true (fake_wait (place->fake, &place->fake->waiting, 1));
    pthread_mutex_lock (&wire.lock);
    wire.swallows = true;
    pthread_mutex_unlock (&wire.lock);
    int64_t before = bm_clock_mono_ms ();
    bm_sql_interrupt (runner.sql);
    assert_in_range (bm_clock_mono_ms () - before, 0, 500); /* whoever asks does not wait for it */
    pthread_join (runner.thread, NULL);
    bm_sql_attention_ms = 15000;
    assert_in_range (bm_clock_mono_ms () - before, 1400, 6000);
    assert_int_equal (runner.status, BM_STOPPED);
    assert_non_null (strstr (runner.error.text, "connection"));
    assert_false (bm_sql_alive (runner.sql));
    bm_sql_close (&runner.sql);
    s_wire_stop (&wire);
    pthread_cond_destroy (&runner.changed);
    pthread_mutex_destroy (&runner.lock);
    free (server);
}

static int
s_begin_tls (void **state)
{
    char error[256];
    (void)state;
    s_tls = sh_tls_new (NULL, NULL, error, sizeof error);
    return s_tls && bm_sql_init (NULL) == BM_OK ? 0 : -1;
}

static int
s_begin (void **state)
{
    (void)state;
    return bm_sql_init (NULL) == BM_OK ? 0 : -1;
}

static int
s_end (void **state)
{
    (void)state;
    bm_sql_exit ();
    sh_tls_destroy (&s_tls);
    return 0;
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_login_names_the_program_and_database),
        T (a_comma_before_the_port_does_as_well),
        T (a_refused_login_is_told_from_an_unreachable_server),
        T (a_server_that_says_nothing_is_given_up_in_time),
        T (every_type_comes_as_text),
        T (a_failed_statement_is_not_the_end_of_its_batch),
        T (a_return_status_is_seen),
        T (parameters_of_a_call_arrive_and_outputs_come_back),
        T (parameters_of_a_batch_go_through_sp_executesql),
        T (a_missing_procedure_is_an_error_with_its_number),
        T (an_interrupt_ends_a_waiting_batch_at_once),
        T (an_interrupt_ends_a_batch_after_its_first_message),
        T (an_interrupt_ends_a_waiting_call),
        T (an_interrupt_ends_a_flood_of_rows),
        T (an_interrupt_without_a_batch_has_no_effect),
        T (many_interrupts_at_any_time_do_no_harm),
        T (a_deadline_ends_the_batch_and_the_session_lives),
        T (a_lost_connection_is_told),
        T (a_server_that_does_not_answer_the_attention_is_given_up),
        T (large_results_are_whole),
        T (sessions_in_several_threads_do_not_disturb_each_other),
    };
    int failed = cmocka_run_group_tests_name ("in the clear", tests, s_begin, s_end);
    return failed + cmocka_run_group_tests_name ("over TLS", tests, s_begin_tls, s_end);
}
