/*  tests/unit/sqlhost/test_server.c The whole wire, in process: our server with a scripted backend,
 *  and FreeTDS's db-lib as client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/log.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/server.h"
#include "tests/unit/sqlhost/fake_backend.h"

#include <sybdb.h>

#define PASSWORD "p\xC3\xA4ss\xE2\x82\xACword"

/*  What db-lib's handlers heard, for one connection (tests run on one thread). */
typedef struct {
    int number, state, severity, line;
    char text[256], server[64], procedure[64];
} heard_t;

static heard_t s_heard[64];
static size_t s_heard_count;
static int s_library_error;
static int s_release_on; /* the message that lets blocked batches go on */
static sh_fake_t *s_fake;
static sh_server_t *s_server;

static int
on_message (DBPROCESS *process, DBINT number, int state, int severity, char *text, char *server,
            char *procedure, int line)
{
    (void)process;
    if (s_heard_count < 64) {
        heard_t *heard = &s_heard[s_heard_count++];
        *heard = (heard_t){.number = number, .state = state, .severity = severity, .line = line};
        snprintf (heard->text, sizeof heard->text, "%s", text ? text : "");
        snprintf (heard->server, sizeof heard->server, "%s", server ? server : "");
        snprintf (heard->procedure, sizeof heard->procedure, "%s", procedure ? procedure : "");
    }
    if (number == s_release_on) {
        pthread_mutex_lock (&s_fake->lock);
        s_fake->released = INT32_MAX;
        pthread_cond_broadcast (&s_fake->changed);
        pthread_mutex_unlock (&s_fake->lock);
    }
    return 0;
}

static int
on_error (DBPROCESS *process, int severity, int number, int os, char *text, char *os_text)
{
    (void)process, (void)severity, (void)os, (void)text, (void)os_text;
    s_library_error = number;
    return number == SYBETIME ? INT_TIMEOUT : INT_CANCEL;
}

static const heard_t *
heard (int number)
{
    for (size_t i = 0; i < s_heard_count; i++)
        if (s_heard[i].number == number)
            return &s_heard[i];
    return NULL;
}

static int
start_limited (void **state, size_t connections)
{
    char error[256] = "";

    (void)state;
    sh_log_level_set ("error");
    s_fake = fake_new ();
    sh_server_options_t options = {
        .listen = "127.0.0.1:0", .connections = connections, .backend = &s_fake->base};
    s_server = sh_server_start (&options, error, sizeof error);
    if (!s_server)
        fail_msg ("%s", error);
    s_heard_count = 0;
    s_library_error = 0;
    return 0;
}

static int
start (void **state)
{
    return start_limited (state, 0);
}

static int
start_two (void **state)
{
    return start_limited (state, 2);
}

static int
stop (void **state)
{
    (void)state;
    bool clean = sh_server_stop (&s_server, 20000);
    int left = s_fake->open;
    fake_free (s_fake);
    return clean && left == 0 ? 0 : -1;
}

static DBPROCESS *
dial (int version, const char *user, const char *password, int packet_size)
{
    char address[80];
    LOGINREC *login = dblogin ();

    DBSETLUSER (login, user);
    DBSETLPWD (login, password);
    DBSETLAPP (login, "btsmark \xE2\x82\xAC");
    DBSETLHOST (login, "host");
    DBSETLCHARSET (login, "UTF-8");
    DBSETLDBNAME (login, "BizTalkMgmtDb");
    if (version)
        dbsetlversion (login, (BYTE)version);
    if (packet_size)
        DBSETLPACKET (login, packet_size);
    snprintf (address, sizeof address, "%s", sh_server_address (s_server));
    DBPROCESS *process = dbopen (login, address);
    dbloginfree (login);
    return process;
}

static DBPROCESS *
dial_well (int version)
{
    DBPROCESS *process = dial (version, "sa", PASSWORD, 0);
    assert_non_null (process);
    s_heard_count = 0;
    return process;
}

static void
ask (DBPROCESS *process, const char *text)
{
    assert_int_equal (dbcmd (process, text), SUCCEED);
    assert_int_equal (dbsqlexec (process), SUCCEED);
}

/*  The next result set's first row, first column. */
static int
next_int (DBPROCESS *process)
{
    assert_int_equal (dbresults (process), SUCCEED);
    assert_int_equal (dbnumcols (process), 1);
    assert_int_equal (dbnextrow (process), REG_ROW);
    int value = *(DBINT *)dbdata (process, 1);
    assert_int_equal (dbnextrow (process), NO_MORE_ROWS);
    return value;
}

/*  ---- login ---- */

static void
login_is_accepted_with_the_right_password (void **state)
{
    (void)state;
    DBPROCESS *process = dial (DBVERSION_74, "sa", PASSWORD, 0);
    assert_non_null (process);
    assert_string_equal (dbname (process), "BizTalkMgmtDb");
    const char *app = strchr (strchr (s_fake->login, '|') + 1, '|') + 1;
    assert_int_equal (strncmp (s_fake->login, "sa|BizTalkMgmtDb|", 17), 0);
    assert_int_equal (strncmp (app, "btsmark \xE2\x82\xAC|host|DB-Library|", 28), 0);
    dbclose (process);
    assert_true (fake_wait_closed (s_fake));
}

static void
login_is_refused_with_18456_for_a_wrong_password (void **state)
{
    (void)state;
    assert_null (dial (DBVERSION_74, "sa", "wrong", 0));
    const heard_t *message = heard (18456);
    assert_non_null (message);
    assert_int_equal (message->severity, 14);
    assert_int_equal (message->state, 1);
    assert_string_equal (message->server, "SQL01\\TEST");
    assert_string_equal (message->text, "Login failed for user 'sa'.");
}

static void
login_that_the_session_drops_ends_without_an_answer (void **state)
{
    (void)state;
    assert_null (dial (DBVERSION_74, "drop", PASSWORD, 0));
    assert_null (heard (18456));
    assert_int_not_equal (s_library_error, 0);
}

static void
every_version_is_spoken (void **state)
{
    static const struct {
        int ours;
        uint32_t wire;
    } versions[] = {{DBVERSION_71, SH_TDS_71},
                    {DBVERSION_72, SH_TDS_72},
                    {DBVERSION_73, SH_TDS_73},
                    {DBVERSION_74, SH_TDS_74}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        DBPROCESS *process = dial_well (versions[i].ours);
        assert_int_equal (s_fake->version, versions[i].wire);
        ask (process, "sets");
        assert_int_equal (next_int (process), 1);
        dbclose (process);
    }
}

static void
packet_size_is_negotiated (void **state)
{
    static const int sizes[] = {4096, 8192, 32767};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        DBPROCESS *process = dial (DBVERSION_74, "sa", PASSWORD, sizes[i]);
        assert_non_null (process);
        assert_int_equal (dbgetpacket (process), sizes[i]);
        ask (process, "many");
        assert_int_equal (dbresults (process), SUCCEED);
        DBBIGINT row = 0;
        while (dbnextrow (process) == REG_ROW)
            assert_int_equal (*(DBBIGINT *)dbdata (process, 1), row++);
        assert_int_equal (row, 5000);
        dbclose (process);
    }
}

/*  ---- results ---- */

static void
several_results_come_in_order (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    ask (process, "sets");
    assert_int_equal (next_int (process), 1);
    assert_int_equal (DBCOUNT (process), 1);
    /*  A statement without columns or count is a result of its own, as with SQL Server. */
    assert_int_equal (dbresults (process), SUCCEED);
    assert_int_equal (dbnumcols (process), 0);
    assert_int_equal (next_int (process), 2);
    assert_int_equal (dbresults (process), SUCCEED);
    assert_int_equal (dbnumcols (process), 0);
    assert_int_equal (DBCOUNT (process), 5);
    assert_int_equal (next_int (process), 3);
    assert_int_equal (dbresults (process), NO_MORE_RESULTS);
    dbclose (process);
}

static void
check_text (DBPROCESS *process, int id, const char *expected)
{
    char text[256];
    int size = dbconvert (process, dbcoltype (process, id), dbdata (process, id),
                          dbdatlen (process, id), SYBCHAR, (BYTE *)text, sizeof text - 1);
    assert_true (size >= 0);
    text[size] = 0;
    if (strcmp (text, expected) != 0)
        fail_msg ("column %d (%s): '%s', expected '%s'", id, dbcolname (process, id), text,
                  expected);
}

static void
check_date (DBPROCESS *process, int id, bool has_date, bool has_seconds, int version)
{
    DBDATEREC2 date;

    if (version < DBVERSION_73 && id != SH_TYPE_DATETIME && id != SH_TYPE_SMALLDATETIME)
        return;
    assert_int_equal (
        dbanydatecrack (process, &date, dbcoltype (process, id), dbdata (process, id)), SUCCEED);
    if (has_date) {
        assert_int_equal (date.dateyear, 2024);
        assert_int_equal (date.datemonth, 0);
        assert_int_equal (date.datedmonth, 2);
    }
    if (id != SH_TYPE_DATE) {
        assert_int_equal (date.datehour, 10);
        assert_int_equal (date.dateminute, 20);
        assert_int_equal (date.datesecond, has_seconds ? 45 : 0);
    }
}

static void
check_numbers (DBPROCESS *process)
{
    check_text (process, SH_TYPE_BIT, "1");
    check_text (process, SH_TYPE_TINYINT, "101");
    check_text (process, SH_TYPE_SMALLINT, "102");
    check_text (process, SH_TYPE_INT, "103");
    check_text (process, SH_TYPE_BIGINT, "-9223372036854775808");
    check_text (process, SH_TYPE_NUMERIC, "1234567890123456789012.125");
    check_text (process, SH_TYPE_MONEY, "-1234.5000");
    check_text (process, SH_TYPE_SMALLMONEY, "-1234.5000");
    check_text (process, SH_TYPE_REAL, "-1.5");
    check_text (process, SH_TYPE_FLOAT, "-1.5");
    check_text (process, SH_TYPE_UNIQUEIDENTIFIER, "6F9619FF-8B86-D011-B42D-00C04FC964FF");
}

static void
check_strings (DBPROCESS *process)
{
    static const int narrow[] = {SH_TYPE_CHAR, SH_TYPE_VARCHAR, SH_TYPE_TEXT, SH_TYPE_NCHAR};
    for (size_t i = 0; i < 4; i++)
        check_text (process, narrow[i], "\xE2\x82\xAC \xC3\xA4z");
    check_text (process, SH_TYPE_NVARCHAR, "\xE2\x82\xAC \xD0\x96\xF0\x9F\x98\x80");
    check_text (process, SH_TYPE_NTEXT, "\xF0\x9F\x98\x80");
    check_text (process, SH_TYPE_XML, "<a>\xE2\x82\xAC</a>");
    check_text (process, SH_TYPE_BINARY, "0001feff");
    check_text (process, SH_TYPE_VARBINARY, "0001feff");
    check_text (process, SH_TYPE_IMAGE, "0001feff");
    check_text (process, SH_TYPE_TIMESTAMP, "00000000000007d1");
}

static void
check_types (int version)
{
    DBPROCESS *process = dial_well (version);
    ask (process, "types");
    assert_int_equal (dbresults (process), SUCCEED);
    assert_int_equal (dbnumcols (process), FAKE_COLUMNS);
    assert_int_equal (dbnextrow (process), REG_ROW);
    for (int id = 1; id <= FAKE_COLUMNS; id++)
        assert_string_equal (dbcolname (process, id), sh_type_name ((sh_type_id_t)id));
    check_numbers (process);
    check_strings (process);
    check_date (process, SH_TYPE_DATE, true, false, version);
    check_date (process, SH_TYPE_TIME, false, true, version);
    check_date (process, SH_TYPE_DATETIME2, true, true, version);
    check_date (process, SH_TYPE_DATETIME, true, true, version);
    check_date (process, SH_TYPE_SMALLDATETIME, true, false, version);
    if (version < DBVERSION_73) {
        check_text (process, SH_TYPE_DATE, "2024-01-02");
        check_text (process, SH_TYPE_TIME, "10:20:45.000");
        check_text (process, SH_TYPE_DATETIME2, "2024-01-02 10:20:45.0000000");
    }
    assert_int_equal (dbnextrow (process), REG_ROW);
    for (int id = 1; id <= FAKE_COLUMNS; id++)
        assert_int_equal (dbdatlen (process, id), 0);
    assert_int_equal (dbnextrow (process), NO_MORE_ROWS);
    assert_int_equal (DBCOUNT (process), 2);
    assert_int_equal (dbresults (process), NO_MORE_RESULTS);
    dbclose (process);
}

static void
every_type_arrives_in_7_1 (void **state)
{
    (void)state;
    check_types (DBVERSION_71);
}

static void
every_type_arrives_in_7_2 (void **state)
{
    (void)state;
    check_types (DBVERSION_72);
}

static void
every_type_arrives_in_7_3 (void **state)
{
    (void)state;
    check_types (DBVERSION_73);
}

static void
every_type_arrives_in_7_4 (void **state)
{
    (void)state;
    check_types (DBVERSION_74);
}

static void
a_value_longer_than_a_packet_arrives_whole (void **state)
{
    static const int versions[] = {DBVERSION_71, DBVERSION_74};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        DBPROCESS *process = dial_well (versions[i]);
        ask (process, "large");
        assert_int_equal (dbresults (process), SUCCEED);
        for (int row = 0; row < 2; row++) {
            assert_int_equal (dbnextrow (process), REG_ROW);
            assert_int_equal (dbdatlen (process, 2), 1000000);
            assert_int_equal (dbdata (process, 2)[999999], 'x');
        }
        assert_int_equal (dbnextrow (process), NO_MORE_ROWS);
        dbclose (process);
    }
}

static void
a_value_that_does_not_fit_its_column_is_an_error (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    dbcmd (process, "unfit");
    dbsqlexec (process);
    while (dbresults (process) != NO_MORE_RESULTS)
        while (dbnextrow (process) != NO_MORE_ROWS)
            ;
    const heard_t *message = heard (245);
    assert_non_null (message);
    assert_int_equal (message->severity, 16);
    dbclose (process);
}

/*  ---- messages ---- */

static void
messages_carry_number_state_severity_procedure_and_line (void **state)
{
    static const int versions[] = {DBVERSION_71, DBVERSION_72, DBVERSION_74};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        DBPROCESS *process = dial_well (versions[i]);
        dbcmd (process, "messages");
        dbsqlexec (process);
        assert_int_equal (next_int (process), 1);
        /*  FAIL is not the end: what follows is still there. */
        assert_int_equal (dbresults (process), FAIL);
        assert_int_equal (next_int (process), 2);
        assert_int_equal (dbresults (process), NO_MORE_RESULTS);
        const heard_t *info = heard (50000), *error = heard (3013);
        assert_non_null (info);
        assert_non_null (error);
        assert_int_equal (info->severity, 10);
        assert_string_equal (info->text, "informs \xE2\x82\xAC");
        assert_int_equal (error->severity, 16);
        assert_int_equal (error->state, 7);
        assert_int_equal (error->line, 42);
        assert_string_equal (error->procedure, "dbo.p_\xC3\xA9t\xC3\xA9");
        assert_string_equal (error->server, "SQL01\\TEST");
        assert_string_equal (error->text, "BACKUP LOG is terminating abnormally.");
        dbclose (process);
    }
}

static void
a_changed_database_reaches_the_client (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    ask (process, "use");
    assert_string_equal (dbname (process), "BizTalkDTADb");
    assert_int_equal (heard (5701)->severity, 0);
    ask (process, "begin");
    assert_int_equal (dbresults (process), SUCCEED);
    dbclose (process);
}

/*  ---- calls ---- */

static void
a_procedure_in_a_batch_gives_its_status (void **state)
{
    static const int versions[] = {DBVERSION_71, DBVERSION_74};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        DBPROCESS *process = dial_well (versions[i]);
        ask (process, "exec");
        assert_int_equal (next_int (process), 1);
        while (dbresults (process) != NO_MORE_RESULTS)
            ;
        assert_int_equal (dbhasretstat (process), TRUE);
        assert_int_equal (dbretstatus (process), -6);
        dbclose (process);
    }
}

static void
call_with_output (int version)
{
    DBPROCESS *process = dial_well (version);
    DBINT number = 41;
    DBBIGINT large = INT64_C (-5000000000);
    char text[] = "\xE2\x82\xAC\xC3\xA4";

    assert_int_equal (dbrpcinit (process, "[BizTalkMgmtDb].dbo.p", 0), SUCCEED);
    dbrpcparam (process, "@n", DBRPCRETURN, SYBINT4, -1, -1, (BYTE *)&number);
    dbrpcparam (process, "@in", 0, SYBINT8, -1, -1, (BYTE *)&large);
    dbrpcparam (process, "@text", DBRPCRETURN, SYBVARCHAR, 4000, 5, (BYTE *)text);
    dbrpcparam (process, "@null", DBRPCRETURN, SYBVARCHAR, 100, 0, NULL);
    assert_int_equal (dbrpcsend (process), SUCCEED);
    assert_int_equal (dbsqlok (process), SUCCEED);
    assert_int_equal (next_int (process), 41);
    while (dbresults (process) != NO_MORE_RESULTS)
        while (dbnextrow (process) != NO_MORE_ROWS)
            ;
    assert_string_equal (s_fake->text, "0:[BizTalkMgmtDb].dbo.p");
    assert_int_equal (dbretstatus (process), 4);
    assert_int_equal (dbnumrets (process), 3);
    assert_string_equal (dbretname (process, 1), "@n");
    assert_int_equal (*(DBINT *)dbretdata (process, 1), 41);
    assert_string_equal (dbretname (process, 2), "@text");
    assert_int_equal (dbretlen (process, 2), 5);
    assert_memory_equal (dbretdata (process, 2), text, 5);
    assert_null (dbretdata (process, 3));
    dbclose (process);
}

static void
a_call_gives_output_parameters_and_status (void **state)
{
    (void)state;
    call_with_output (DBVERSION_71);
    call_with_output (DBVERSION_72);
    call_with_output (DBVERSION_73);
    call_with_output (DBVERSION_74);
}

static void
a_call_of_a_missing_procedure_fails_and_the_session_lives (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    dbrpcinit (process, "missing", 0);
    dbrpcsend (process);
    assert_int_equal (dbsqlok (process), FAIL);
    assert_non_null (heard (2812));
    while (dbresults (process) != NO_MORE_RESULTS)
        ;
    ask (process, "sets");
    assert_int_equal (next_int (process), 1);
    dbclose (process);
}

/*  ---- attention, disconnect, hang-up ---- */

static void
attention_ends_a_blocked_batch (const char *batch, int version)
{
    DBPROCESS *process = dial_well (version);
    int before = s_fake->cancelled;
    dbcmd (process, batch);
    assert_int_equal (dbsqlsend (process), SUCCEED);
    assert_true (fake_wait (s_fake, &s_fake->waiting, 1));
    assert_int_equal (dbcancel (process), SUCCEED); /* returns when the DONE with ATTN is read */
    assert_int_equal (s_fake->cancelled, before + 1);
    assert_int_equal (s_fake->why, SH_CANCEL_ATTENTION);
    ask (process, "sets");
    assert_int_equal (next_int (process), 1);
    dbclose (process);
    assert_true (fake_wait_closed (s_fake));
}

static void
attention_is_answered_while_the_backend_blocks (void **state)
{
    (void)state;
    attention_ends_a_blocked_batch ("wait", DBVERSION_71);
    attention_ends_a_blocked_batch ("wait", DBVERSION_74);
    attention_ends_a_blocked_batch ("nowait", DBVERSION_74);
    assert_int_equal (s_fake->cleared, 3);
}

static void
attention_stops_a_result_that_has_no_end (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    ask (process, "endless");
    assert_int_equal (dbresults (process), SUCCEED);
    assert_int_equal (dbnextrow (process), REG_ROW);
    assert_int_equal (dbcancel (process), SUCCEED);
    ask (process, "sets");
    assert_int_equal (next_int (process), 1);
    dbclose (process);
}

static void
a_time_out_of_the_client_leaves_the_session_usable (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    dbsetopt (process, DBSETTIME, "1", 1);
    dbcmd (process, "wait");
    assert_int_equal (dbsqlexec (process), FAIL);
    assert_int_equal (s_library_error, SYBETIME);
    assert_int_equal (dbcancel (process), SUCCEED);
    assert_int_equal (s_fake->cancelled, 1);
    ask (process, "sets");
    assert_int_equal (next_int (process), 1);
    dbclose (process);
}

static void
a_flushed_message_arrives_while_the_batch_runs (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    dbcmd (process, "nowait");
    dbsqlsend (process);
    /*  The handler lets the batch go on: were the message held back, both would wait. */
    s_release_on = 50000;
    dbsetopt (process, DBSETTIME, "20", 2);
    assert_int_equal (dbsqlok (process), SUCCEED);
    s_release_on = 0;
    assert_non_null (heard (50000));
    dbclose (process);
}

static void
a_disconnect_cancels_what_runs (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    dbcmd (process, "wait");
    dbsqlsend (process);
    assert_true (fake_wait (s_fake, &s_fake->waiting, 1));
    dbclose (process);
    assert_true (fake_wait_closed (s_fake));
    assert_int_equal (s_fake->cancelled, 1);
}

static void
a_hang_up_ends_an_idle_and_a_running_session (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    s_fake->sink->hang_up (s_fake->sink);
    assert_true (fake_wait_closed (s_fake));
    dbclose (process);
    process = dial_well (DBVERSION_74);
    dbcmd (process, "wait");
    dbsqlsend (process);
    assert_true (fake_wait (s_fake, &s_fake->waiting, 1));
    s_fake->sink->hang_up (s_fake->sink);
    assert_true (fake_wait_closed (s_fake));
    assert_int_equal (s_fake->why, SH_CANCEL_DISCONNECT);
    dbclose (process);
}

static void
a_closing_session_says_why_first (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    dbcmd (process, "close");
    dbsqlexec (process);
    assert_non_null (heard (596));
    assert_int_equal (heard (596)->severity, 21);
    dbcmd (process, "sets");
    assert_int_equal (dbsqlexec (process), FAIL);
    assert_true (dbdead (process));
    dbclose (process);
    assert_true (fake_wait_closed (s_fake));
}

static void
a_dropped_session_ends_without_an_answer (void **state)
{
    (void)state;
    DBPROCESS *process = dial_well (DBVERSION_74);
    dbcmd (process, "drop");
    assert_int_equal (dbsqlexec (process), FAIL);
    assert_true (dbdead (process));
    assert_int_equal (s_heard_count, 0);
    dbclose (process);
}

/*  ---- many ---- */

static void
sixty_sessions_run_at_a_time (void **state)
{
    enum { SESSIONS = 60 };
    DBPROCESS *processes[SESSIONS];
    (void)state;
    for (int i = 0; i < SESSIONS; i++) {
        processes[i] = dial_well (i % 2 ? DBVERSION_74 : DBVERSION_71);
        dbcmd (processes[i], "meet60"); /* nobody goes on until all sixty run */
        assert_int_equal (dbsqlsend (processes[i]), SUCCEED);
    }
    for (int i = 0; i < SESSIONS; i++) {
        assert_int_equal (dbsqlok (processes[i]), SUCCEED);
        assert_int_equal (next_int (processes[i]), 1);
        dbclose (processes[i]);
    }
    assert_true (fake_wait_closed (s_fake));
}

static void
one_client_more_than_the_limit_is_turned_away (void **state)
{
    (void)state;
    DBPROCESS *first = dial_well (DBVERSION_74), *second = dial_well (DBVERSION_74);
    assert_int_equal (sh_server_count (s_server), 2);
    assert_null (dial (DBVERSION_74, "sa", PASSWORD, 0));
    dbclose (first);
    /*  The place is free again as soon as the thread is joined. */
    DBPROCESS *third = NULL;
    for (int i = 0; i < 1000 && !third; i++)
        third = dial (DBVERSION_74, "sa", PASSWORD, 0);
    assert_non_null (third);
    dbclose (second);
    dbclose (third);
}

static void
stop_ends_sessions_that_block (void **state)
{
    (void)state;
    DBPROCESS *running = dial_well (DBVERSION_74), *idle = dial_well (DBVERSION_71);
    dbcmd (running, "wait");
    dbsqlsend (running);
    assert_true (fake_wait (s_fake, &s_fake->waiting, 1));
    assert_true (sh_server_stop (&s_server, 10000));
    assert_null (s_server);
    assert_int_equal (s_fake->open, 0);
    assert_int_equal (s_fake->why, SH_CANCEL_SHUTDOWN);
    dbclose (running);
    dbclose (idle);
}

static void
an_address_that_is_none_is_refused_with_a_sentence (void **state)
{
    static const char *const addresses[] = {"nowhere", "127.0.0.1:", "127.0.0.1:x",
                                            "127.0.0.1:65536", "host.invalid:0"};
    char error[256];
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        sh_server_options_t options = {.listen = addresses[i], .backend = &s_fake->base};
        error[0] = 0;
        assert_null (sh_server_start (&options, error, sizeof error));
        assert_true (error[0] != 0);
    }
    sh_server_options_t taken = {.listen = sh_server_address (s_server), .backend = &s_fake->base};
    assert_null (sh_server_start (&taken, error, sizeof error));
    assert_non_null (strstr (error, "cannot listen at"));
}

#define SERVED(test)  cmocka_unit_test_setup_teardown (test, start, stop)
#define LIMITED(test) cmocka_unit_test_setup_teardown (test, start_two, stop)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        SERVED (login_is_accepted_with_the_right_password),
        SERVED (login_is_refused_with_18456_for_a_wrong_password),
        SERVED (login_that_the_session_drops_ends_without_an_answer),
        SERVED (every_version_is_spoken),
        SERVED (packet_size_is_negotiated),
        SERVED (several_results_come_in_order),
        SERVED (every_type_arrives_in_7_1),
        SERVED (every_type_arrives_in_7_2),
        SERVED (every_type_arrives_in_7_3),
        SERVED (every_type_arrives_in_7_4),
        SERVED (a_value_longer_than_a_packet_arrives_whole),
        SERVED (a_value_that_does_not_fit_its_column_is_an_error),
        SERVED (messages_carry_number_state_severity_procedure_and_line),
        SERVED (a_changed_database_reaches_the_client),
        SERVED (a_procedure_in_a_batch_gives_its_status),
        SERVED (a_call_gives_output_parameters_and_status),
        SERVED (a_call_of_a_missing_procedure_fails_and_the_session_lives),
        SERVED (attention_is_answered_while_the_backend_blocks),
        SERVED (attention_stops_a_result_that_has_no_end),
        SERVED (a_time_out_of_the_client_leaves_the_session_usable),
        SERVED (a_flushed_message_arrives_while_the_batch_runs),
        SERVED (a_disconnect_cancels_what_runs),
        SERVED (a_hang_up_ends_an_idle_and_a_running_session),
        SERVED (a_closing_session_says_why_first),
        SERVED (a_dropped_session_ends_without_an_answer),
        SERVED (sixty_sessions_run_at_a_time),
        LIMITED (one_client_more_than_the_limit_is_turned_away),
        SERVED (stop_ends_sessions_that_block),
        SERVED (an_address_that_is_none_is_refused_with_a_sentence),
    };

    setenv ("FREETDSCONF", "/dev/null", 1);
    dbinit ();
    dbsetmaxprocs (200);
    dbsetlogintime (20);
    dbmsghandle (on_message);
    dberrhandle (on_error);
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    dbexit ();
    return failed;
}
