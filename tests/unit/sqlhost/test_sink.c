/*  tests/unit/sqlhost/test_sink.c
 *  Which DONE goes out when, and with which bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/packet.h"
#include "tests/sqlhost/tds/sink.h"
#include "tests/sqlhost/tds/token.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    sh_tds_sink_t out;
    sh_writer_t sent; /* packets as sent */
    bool refuse;
    int hung_up;
} fixture_t;

static bool
on_send (void *context, const uint8_t *data, size_t size)
{
    fixture_t *fixture = context;
    sh_writer_bytes (&fixture->sent, data, size);
    return !fixture->refuse;
}

static void
on_end (void *context)
{
    ((fixture_t *)context)->hung_up++;
}

static void
set_up (fixture_t *fixture, bool call)
{
    memset (fixture, 0, sizeof *fixture);
    sh_tds_sink_init (&fixture->out);
    fixture->out.version = SH_TDS_74;
    fixture->out.packet_size = 512;
    fixture->out.server_name = "S";
    fixture->out.context = fixture;
    fixture->out.send = on_send;
    fixture->out.end = on_end;
    sh_tds_sink_begin (&fixture->out, call);
}

static void
tear_down (fixture_t *fixture)
{
    sh_tds_sink_free (&fixture->out);
    sh_writer_free (&fixture->sent);
}

/*  The tokens of the one packet that was sent: "FD:11 FE:00" (DONE tokens with status), others by
 *  their token alone. Knows the lengths of what these tests write. */
static void
check_tokens (const fixture_t *fixture, const char *expected)
{
    char text[256] = "";
    size_t used = 0;
    const uint8_t *data = fixture->sent.data;

    assert_int_equal (data[1], SH_PACKET_END);
    assert_int_equal ((size_t)(data[2] << 8 | data[3]), fixture->sent.size);
    for (size_t at = 8; at < fixture->sent.size;) {
        uint8_t token = data[at];
        used += (size_t)snprintf (text + used, sizeof text - used, used ? " %02X" : "%02X", token);
        if (token >= SH_TOKEN_DONE) {
            used += (size_t)snprintf (text + used, sizeof text - used, ":%02X", data[at + 1]);
            at += 13;
        } else if (token == 0x79)
            at += 5;
        else if (token == 0xD1)
            at += 6;
        else if (token == 0x81)
            at += 3 + 4 + 2 + 2 + 1 + 2;
        else if (token == 0xAC)
            at += 1 + 2 + 1 + 1 + 4 + 2 + 2 + 5;
        else
            at += 3 + (size_t)(data[at + 1] | data[at + 2] << 8);
    }
    assert_string_equal (text, expected);
}

static void
put_rows (fixture_t *fixture, unsigned flags)
{
    sh_sink_t *sink = &fixture->out.base;
    sh_sink_column_t column = {.name = "n", .type = {.id = SH_TYPE_INT}};
    sh_value_t value = {.kind = SH_INT, .as.integer = 5};

    assert_true (sink->columns (sink, &column, 1));
    assert_true (sink->row (sink, &value, 1));
    assert_true (sink->done (sink, flags, SH_COMMAND_SELECT, 1));
}

static void
put_message (fixture_t *fixture, uint8_t severity)
{
    sh_message_t message = {.number = 50000, .severity = severity, .text = "t"};
    fixture->out.base.message (&fixture->out.base, &message);
}

static void
a_batch_that_says_nothing_still_ends_with_a_done (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, false);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    check_tokens (&fixture, "FD:00");
    tear_down (&fixture);
    set_up (&fixture, true);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    check_tokens (&fixture, "FE:00");
    tear_down (&fixture);
}

static void
every_done_but_the_last_says_that_more_follows (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, false);
    put_rows (&fixture, SH_DONE_COUNT);
    put_rows (&fixture, SH_DONE_COUNT | SH_DONE_IN_XACT);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    check_tokens (&fixture, "81 D1 FD:11 81 D1 FD:14");
    tear_down (&fixture);
}

static void
a_message_after_the_last_statement_does_not_end_the_batch_twice (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, false);
    put_rows (&fixture, SH_DONE_COUNT);
    put_message (&fixture, 10);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    check_tokens (&fixture, "81 D1 FD:11 AB FD:00");
    tear_down (&fixture);
}

static void
an_error_marks_the_done_that_follows_it (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, false);
    put_message (&fixture, 16);
    fixture.out.base.done (&fixture.out.base, 0, 0, 0);
    put_rows (&fixture, SH_DONE_COUNT);
    put_message (&fixture, 11);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    check_tokens (&fixture, "AA FD:03 81 D1 FD:11 AA FD:02");
    tear_down (&fixture);
}

static void
a_call_ends_with_doneproc_after_status_and_values (void **state)
{
    fixture_t fixture;
    sh_type_t type = {.id = SH_TYPE_INT};
    sh_value_t value = {.kind = SH_INT, .as.integer = 5};
    (void)state;
    set_up (&fixture, true);
    sh_sink_t *sink = &fixture.out.base;
    put_rows (&fixture, SH_DONE_COUNT | SH_DONE_IN_PROC);
    sink->return_status (sink, 0);
    sink->return_value (sink, 0, "", &type, &value);
    sink->done (sink, SH_DONE_PROC, SH_COMMAND_EXECUTE, 0);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    check_tokens (&fixture, "81 D1 FF:11 79 AC FE:00");
    tear_down (&fixture);
}

static void
a_doneinproc_is_never_the_last_token (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, true);
    put_rows (&fixture, SH_DONE_IN_PROC);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    check_tokens (&fixture, "81 D1 FF:01 FE:00");
    tear_down (&fixture);
    set_up (&fixture, false);
    fixture.out.base.done (&fixture.out.base, SH_DONE_PROC, 0, 0);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    check_tokens (&fixture, "FE:00"); /* EXEC as a batch's last statement */
    tear_down (&fixture);
}

static void
a_cancelled_request_ends_and_the_attention_is_a_message_of_its_own (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, false);
    put_rows (&fixture, SH_DONE_COUNT);
    assert_true (sh_tds_sink_finish (&fixture.out, true));
    check_tokens (&fixture, "81 D1 FD:11 FD:02");
    sh_writer_clear (&fixture.sent);
    assert_true (sh_tds_sink_attention (&fixture.out));
    check_tokens (&fixture, "FD:20");
    tear_down (&fixture);
}

static void
transactions_are_announced_from_7_2_on (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, false);
    sh_sink_t *sink = &fixture.out.base;
    sink->env_transaction (sink, SH_TRAN_BEGUN, 1);
    sink->env_transaction (sink, SH_TRAN_COMMITTED, 1);
    sh_tds_sink_finish (&fixture.out, false);
    check_tokens (&fixture, "E3 E3 FD:00");
    tear_down (&fixture);
    set_up (&fixture, false);
    fixture.out.version = SH_TDS_71;
    sink = &fixture.out.base;
    sink->env_transaction (sink, SH_TRAN_BEGUN, 1);
    sh_tds_sink_finish (&fixture.out, false);
    assert_int_equal (fixture.sent.size, 8 + 9);
    tear_down (&fixture);
}

static void
flush_sends_what_there_is_and_the_message_goes_on (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, false);
    put_message (&fixture, 10);
    assert_int_equal (fixture.sent.size, 0);
    assert_true (fixture.out.base.flush (&fixture.out.base));
    size_t first = fixture.sent.size;
    assert_true (first > 8);
    assert_int_equal (fixture.sent.data[1], 0);
    assert_true (sh_tds_sink_finish (&fixture.out, false));
    assert_int_equal (fixture.sent.data[first + 1], SH_PACKET_END);
    assert_int_equal (fixture.sent.data[first + 6], 2); /* the packet's number */
    tear_down (&fixture);
}

static void
full_packets_go_out_by_themselves_and_none_is_empty (void **state)
{
    fixture_t fixture;
    (void)state;
    /*  Fill exactly one packet, and one byte less and more. */
    for (size_t extra = 0; extra < 3; extra++) {
        set_up (&fixture, false);
        for (size_t i = 0; i < 512 - 8 - 13 - 1 + extra; i++)
            sh_writer_u8 (sh_tds_sink_raw (&fixture.out), 0);
        assert_true (sh_tds_sink_finish (&fixture.out, false));
        size_t last = extra < 2 ? 0 : 512;
        assert_int_equal (fixture.sent.size, 512 - 1 + extra + (extra < 2 ? 0 : 8));
        assert_int_equal (fixture.sent.data[last + 1], SH_PACKET_END);
        tear_down (&fixture);
    }
}

static void
a_stopped_sink_takes_no_rows_and_says_so (void **state)
{
    fixture_t fixture;
    sh_sink_column_t column = {.name = "n", .type = {.id = SH_TYPE_INT}};
    sh_value_t value = {.kind = SH_INT, .as.integer = 5};
    (void)state;
    set_up (&fixture, false);
    sh_sink_t *sink = &fixture.out.base;
    assert_true (sink->columns (sink, &column, 1));
    sh_tds_sink_stop (&fixture.out);
    assert_false (sink->row (sink, &value, 1));
    assert_false (sink->done (sink, 0, 0, 0));
    assert_true (sh_tds_sink_finish (&fixture.out, true));
    check_tokens (&fixture, "81 FD:01 FD:02");
    sh_tds_sink_begin (&fixture.out, false);
    assert_true (sink->columns (sink, &column, 1));
    tear_down (&fixture);
}

static void
a_client_that_is_gone_is_told_to_the_session (void **state)
{
    fixture_t fixture;
    (void)state;
    set_up (&fixture, false);
    fixture.refuse = true;
    put_message (&fixture, 10);
    assert_false (fixture.out.base.flush (&fixture.out.base));
    assert_false (fixture.out.base.done (&fixture.out.base, 0, 0, 0));
    assert_false (sh_tds_sink_finish (&fixture.out, false));
    fixture.out.base.hang_up (&fixture.out.base);
    assert_int_equal (fixture.hung_up, 1);
    tear_down (&fixture);
}

static void
a_text_longer_than_its_limit_is_cut_between_characters (void **state)
{
    static char text[4 * SH_LIMIT_MESSAGE_TEXT + 8];
    (void)state;
    for (size_t lead = 0; lead < 2; lead++) {
        size_t size = 0;
        sh_writer_t out = {0};
        if (lead)
            text[size++] = 'a';
        for (size_t i = 0; i < SH_LIMIT_MESSAGE_TEXT / 2 + 1; i++, size += 4)
            memcpy (text + size, "\xF0\x9F\x98\x80", 5);
        sh_message_t message = {.number = 1, .text = text};
        sh_token_message (&out, SH_TDS_74, &message, "S");
        /*  An odd place would split a pair: one unit less is sent. */
        assert_int_equal (out.data[9] | out.data[10] << 8, SH_LIMIT_MESSAGE_TEXT - lead);
        assert_int_equal (out.data[1] | out.data[2] << 8, out.size - 3);
        sh_writer_free (&out);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_batch_that_says_nothing_still_ends_with_a_done),
        cmocka_unit_test (every_done_but_the_last_says_that_more_follows),
        cmocka_unit_test (a_message_after_the_last_statement_does_not_end_the_batch_twice),
        cmocka_unit_test (an_error_marks_the_done_that_follows_it),
        cmocka_unit_test (a_call_ends_with_doneproc_after_status_and_values),
        cmocka_unit_test (a_doneinproc_is_never_the_last_token),
        cmocka_unit_test (a_cancelled_request_ends_and_the_attention_is_a_message_of_its_own),
        cmocka_unit_test (transactions_are_announced_from_7_2_on),
        cmocka_unit_test (flush_sends_what_there_is_and_the_message_goes_on),
        cmocka_unit_test (full_packets_go_out_by_themselves_and_none_is_empty),
        cmocka_unit_test (a_stopped_sink_takes_no_rows_and_says_so),
        cmocka_unit_test (a_client_that_is_gone_is_told_to_the_session),
        cmocka_unit_test (a_text_longer_than_its_limit_is_cut_between_characters),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
