/*  tests/unit/sqlhost/test_connection.c
 *  What a well-behaved client library never sends: raw bytes to a served connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/log.h"
#include "tests/sqlhost/tds/packet.h"
#include "tests/sqlhost/tds/server.h"
#include "tests/sqlhost/tds/token.h"
#include "tests/unit/sqlhost/fake_backend.h"
#include "tests/unit/sqlhost/login_record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSWORD "p\xC3\xA4ss\xE2\x82\xACword"

static sh_fake_t *s_fake;
static sh_server_t *s_server;
static sh_writer_t s_answer; /* the last message, packets taken apart */
static size_t s_largest;     /* its largest packet */

static int
start_with (unsigned login_ms)
{
    char error[256] = "";

    sh_log_level_set ("error");
    s_fake = fake_new ();
    sh_server_options_t options = {.listen = "127.0.0.1:0",
                                   .login_ms = login_ms,
                                   .send_ms = login_ms,
                                   .backend = &s_fake->base};
    s_server = sh_server_start (&options, error, sizeof error);
    return s_server ? 0 : -1;
}

static int
start (void **state)
{
    (void)state;
    return start_with (0);
}

static int
start_hasty (void **state)
{
    (void)state;
    return start_with (200);
}

static int
stop (void **state)
{
    (void)state;
    bool clean = sh_server_stop (&s_server, 20000) && s_fake->open == 0;
    fake_free (s_fake);
    sh_writer_free (&s_answer);
    return clean ? 0 : -1;
}

/*  ---- a client of bytes ---- */

static int
dial (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons (sh_server_port (s_server)),
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket (AF_INET, SOCK_STREAM, 0);

    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    assert_int_equal (connect (fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static bool
put (int fd, const void *data, size_t size)
{
    return send (fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool
put_packet (int fd, uint8_t type, uint8_t status, const void *data, size_t size)
{
    sh_writer_t out = {0};

    sh_packet_write (&out, type, false, 0, 1, data, size);
    out.data[1] = status;
    bool sent = put (fd, out.data, out.size);
    sh_writer_free (&out);
    return sent;
}

static bool
get (int fd, uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t got = recv (fd, data, size, 0);
        if (got <= 0)
            return false;
        data += got;
        size -= (size_t)got;
    }
    return true;
}

static bool
get_message (int fd)
{
    static uint8_t payload[65536];
    uint8_t head[8];

    sh_writer_clear (&s_answer);
    s_largest = 0;
    do {
        if (!get (fd, head, sizeof head))
            return false;
        assert_int_equal (head[0], SH_PACKET_RESPONSE);
        size_t length = (size_t)(head[2] << 8 | head[3]);
        if (length > s_largest)
            s_largest = length;
        if (!get (fd, payload, length - 8))
            return false;
        sh_writer_bytes (&s_answer, payload, length - 8);
    } while (!(head[1] & SH_PACKET_END));
    return true;
}

static bool
closed (int fd)
{
    uint8_t byte;
    ssize_t got = recv (fd, &byte, 1, 0);

    return got == 0 || (got < 0 && errno == ECONNRESET);
}

static bool
put_login (int fd, uint32_t version, uint32_t packet_size, uint8_t flags2, uint8_t flags3)
{
    login_record_t record = {.version = version,
                             .packet_size = packet_size,
                             .flags2 = flags2,
                             .flags3 = flags3,
                             .names = {"h", "sa", PASSWORD, "app"}};
    sh_writer_t out = {0};

    login_record_build (&record, &out);
    bool sent = put_packet (fd, SH_PACKET_LOGIN7, SH_PACKET_END, out.data, out.size);
    sh_writer_free (&out);
    return sent;
}

static int
log_in (uint32_t version, uint32_t packet_size)
{
    int fd = dial ();

    assert_true (put_login (fd, version, packet_size, 0, 0));
    assert_true (get_message (fd));
    assert_non_null (memchr (s_answer.data, 0xAD, s_answer.size)); /* LOGINACK */
    return fd;
}

static void
put_headers (sh_writer_t *out, uint32_t version)
{
    if (version < SH_TDS_72)
        return;
    sh_writer_u32 (out, 22);
    sh_writer_u32 (out, 18);
    sh_writer_u16 (out, 2);
    sh_writer_u64 (out, 0);
    sh_writer_u32 (out, 1);
}

static bool
put_batch (int fd, uint32_t version, uint8_t status, const char *text)
{
    sh_writer_t out = {0};

    put_headers (&out, version);
    sh_utf_to_utf16 (&out, text, strlen (text));
    bool sent = put_packet (fd, SH_PACKET_BATCH, status, out.data, out.size);
    sh_writer_free (&out);
    return sent;
}

/*  The token and status of the message's last DONE. */
static void
check_last_done (uint32_t version, uint8_t token, uint16_t status)
{
    size_t size = version >= SH_TDS_72 ? 13 : 9;

    assert_true (s_answer.size >= size);
    const uint8_t *done = s_answer.data + s_answer.size - size;
    assert_int_equal (done[0], token);
    assert_int_equal (done[1] | done[2] << 8, status);
}

/*  An ERROR or INFO of this number stands in the answer. */
static bool
says (int32_t number)
{
    for (size_t i = 0; i + 7 <= s_answer.size; i++) {
        const uint8_t *at = s_answer.data + i;
        if ((at[0] == 0xAA || at[0] == 0xAB) &&
            (at[3] | at[4] << 8 | at[5] << 16 | at[6] << 24) == number)
            return true;
    }
    return false;
}

static void
check_lives (int fd, uint32_t version)
{
    assert_true (put_batch (fd, version, SH_PACKET_END, "still"));
    assert_true (get_message (fd));
    assert_string_equal (s_fake->text, "still");
    check_last_done (version, SH_TOKEN_DONE, 0);
}

/*  ---- login ---- */

static void
a_login_without_prelogin_is_taken (void **state)
{
    (void)state;
    int fd = log_in (SH_TDS_71, 0);
    check_lives (fd, SH_TDS_71);
    close (fd);
}

static void
integrated_authentication_is_refused (void **state)
{
    (void)state;
    int fd = dial ();
    put_login (fd, SH_TDS_74, 0, 0x80, 0);
    assert_true (get_message (fd));
    assert_true (says (18452));
    assert_true (closed (fd));
    close (fd);
}

static void
a_change_of_password_is_refused (void **state)
{
    (void)state;
    int fd = dial ();
    put_login (fd, SH_TDS_74, 0, 0, 1);
    assert_true (get_message (fd));
    assert_true (says (18456));
    assert_true (closed (fd));
    close (fd);
}

static void
a_version_before_7_1_is_refused (void **state)
{
    (void)state;
    int fd = dial ();
    put_login (fd, SH_TDS_70, 0, 0, 0);
    assert_true (get_message (fd));
    assert_true (says (17836));
    assert_true (closed (fd));
    close (fd);
}

static void
feature_extensions_are_acknowledged_as_none (void **state)
{
    (void)state;
    int fd = dial ();
    put_login (fd, SH_TDS_74, 0, 0, 0x10);
    assert_true (get_message (fd));
    const uint8_t *done = s_answer.data + s_answer.size - 13;
    assert_int_equal (done[-2], 0xAE);
    assert_int_equal (done[-1], 0xFF);
    close (fd);
}

static void
a_client_that_does_not_log_in_is_closed (void **state)
{
    (void)state;
    int silent = dial (), slow = dial ();
    const uint8_t part[] = {SH_PACKET_PRELOGIN, 1, 0};
    assert_true (put (slow, part, sizeof part));
    assert_true (closed (silent));
    assert_true (closed (slow));
    close (silent);
    close (slow);
}

static void
a_client_that_does_not_read_is_closed (void **state)
{
    (void)state;
    int fd = log_in (SH_TDS_74, 0);
    put_batch (fd, SH_TDS_74, SH_PACKET_END, "types");
    assert_true (get_message (fd));
    put_batch (fd, SH_TDS_74, SH_PACKET_END, "forever"); /* rows without end, never read */
    assert_true (fake_wait_closed (s_fake));
    close (fd);
}

static void
a_login_longer_than_its_limit_is_closed (void **state)
{
    static uint8_t payload[30000];
    (void)state;
    int fd = dial ();
    for (size_t sent = 0; sent <= SH_LIMIT_LOGIN_BYTES; sent += sizeof payload)
        if (!put_packet (fd, SH_PACKET_LOGIN7, 0, payload, sizeof payload))
            break;
    assert_true (closed (fd));
    close (fd);
}

static void
a_request_before_the_login_is_closed (void **state)
{
    (void)state;
    int fd = dial ();
    put_batch (fd, SH_TDS_71, SH_PACKET_END, "types");
    assert_true (closed (fd));
    close (fd);
    assert_string_equal (s_fake->text, "");
}

/*  ---- packets ---- */

static void
packets_have_the_size_that_was_agreed (void **state)
{
    static const struct {
        uint32_t asked;
        size_t given;
    } sizes[] = {{1, 512},  {511, 512},     {512, 512},    {513, 513},
                 {0, 4096}, {32767, 32767}, {32768, 32767}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = log_in (SH_TDS_74, sizes[i].asked);
        put_batch (fd, SH_TDS_74, SH_PACKET_END, "many");
        assert_true (get_message (fd));
        assert_int_equal (s_largest, sizes[i].given);
        close (fd);
    }
}

static void
a_batch_over_many_packets_is_one (void **state)
{
    (void)state;
    int fd = log_in (SH_TDS_71, 0);
    for (const char *c = "still"; *c; c++) {
        const char unit[2] = {*c, 0};
        assert_true (put_packet (fd, SH_PACKET_BATCH, c[1] ? 0 : SH_PACKET_END, unit, 2));
    }
    assert_true (get_message (fd));
    assert_string_equal (s_fake->text, "still");
    close (fd);
}

static void
a_message_of_the_limit_is_run_and_one_byte_more_is_closed (void **state)
{
    static uint8_t payload[32000];
    (void)state;
    for (size_t i = 0; i < sizeof payload; i += 2)
        payload[i] = ' ';
    for (size_t extra = 0; extra < 2; extra++) {
        int fd = log_in (SH_TDS_71, 32767);
        size_t left = SH_LIMIT_MESSAGE_BYTES + extra * 2;
        bool sent = true;
        while (left > 0 && sent) {
            size_t size = left < sizeof payload ? left : sizeof payload;
            left -= size;
            sent = put_packet (fd, SH_PACKET_BATCH, left ? 0 : SH_PACKET_END, payload, size);
        }
        if (extra)
            assert_true (closed (fd));
        else {
            assert_true (get_message (fd));
            assert_int_equal (s_fake->size, SH_LIMIT_MESSAGE_BYTES / 2);
        }
        close (fd);
    }
}

static void
malformed_messages_are_closed (void **state)
{
    static const struct {
        uint8_t type, size, data[8];
    } cases[] = {{SH_PACKET_BATCH, 3, {4, 0, 0}},             /* no headers */
                 {SH_PACKET_BATCH, 5, {4, 0, 0, 0, 'a'}},     /* half a character */
                 {SH_PACKET_RPC, 6, {4, 0, 0, 0, 0, 0}},      /* no name */
                 {SH_PACKET_RPC, 7, {4, 0, 0, 0, 1, 0, 'p'}}, /* cut */
                 {SH_PACKET_TRANSACTION, 5, {4, 0, 0, 0, 5}}, /* cut */
                 {SH_PACKET_LOGIN7, 1, {0}},                  /* at the wrong time */
                 {SH_PACKET_PRELOGIN, 1, {0xFF}},
                 {SH_PACKET_SSPI, 1, {0}}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = log_in (SH_TDS_74, 0);
        assert_true (put_packet (fd, cases[i].type, SH_PACKET_END, cases[i].data, cases[i].size));
        if (!closed (fd))
            fail_msg ("case %zu was answered", i);
        close (fd);
    }
}

/*  A small generator with a fixed seed: the same bytes in every run. */
static uint32_t
random_of (uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void
garbage_ends_only_its_own_connection (void **state)
{
    static const uint8_t types[] = {1, 3, 6, 7, 14, 16, 17, 18, 99};
    uint32_t seed = 20240102;
    (void)state;
    int witness = log_in (SH_TDS_74, 0);
    for (int round = 0; round < 300; round++) {
        int fd = round % 3 ? log_in (round % 2 ? SH_TDS_74 : SH_TDS_71, 0) : dial ();
        uint8_t data[200];
        size_t size = random_of (&seed) % sizeof data;
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)(random_of (&seed) % 5 ? random_of (&seed) % 4 : random_of (&seed));
        if (round % 5)
            put_packet (fd, types[random_of (&seed) % sizeof types], SH_PACKET_END, data, size);
        else
            put (fd, data, size);
        close (fd);
    }
    check_lives (witness, SH_TDS_74);
    close (witness);
    assert_true (fake_wait_closed (s_fake));
}

/*  ---- requests ---- */

static void
an_attention_when_idle_is_answered (void **state)
{
    static const uint32_t versions[] = {SH_TDS_71, SH_TDS_74};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int fd = log_in (versions[i], 0);
        assert_true (put_packet (fd, SH_PACKET_ATTENTION, SH_PACKET_END, "", 0));
        assert_true (get_message (fd));
        check_last_done (versions[i], SH_TOKEN_DONE, SH_STATUS_ATTN);
        check_lives (fd, versions[i]);
        close (fd);
    }
}

static void
an_attention_in_the_middle_of_a_message_is_answered (void **state)
{
    (void)state;
    int fd = log_in (SH_TDS_71, 0);
    put_packet (fd, SH_PACKET_BATCH, 0, "a\0", 2);
    put_packet (fd, SH_PACKET_ATTENTION, SH_PACKET_END, "", 0);
    assert_true (get_message (fd));
    check_last_done (SH_TDS_71, SH_TOKEN_DONE, SH_STATUS_ATTN);
    put_packet (fd, SH_PACKET_BATCH, 0, "a\0", 2);
    put_packet (fd, SH_PACKET_BATCH, SH_PACKET_END | SH_PACKET_IGNORE, "b\0", 2);
    check_lives (fd, SH_TDS_71);
    close (fd);
}

static void
an_attention_ends_a_running_batch_with_its_done (void **state)
{
    (void)state;
    int fd = log_in (SH_TDS_74, 0);
    put_batch (fd, SH_TDS_74, SH_PACKET_END, "wait");
    assert_true (fake_wait (s_fake, &s_fake->waiting, 1));
    put_packet (fd, SH_PACKET_ATTENTION, SH_PACKET_END, "", 0);
    assert_true (get_message (fd));
    check_last_done (SH_TDS_74, SH_TOKEN_DONE, SH_STATUS_ERROR);
    assert_true (get_message (fd));
    assert_int_equal (s_answer.size, 13);
    check_last_done (SH_TDS_74, SH_TOKEN_DONE, SH_STATUS_ATTN);
    check_lives (fd, SH_TDS_74);
    assert_int_equal (s_fake->cleared, 1);
    close (fd);
}

static void
a_client_that_goes_after_sending_too_much_is_noticed (void **state)
{
    (void)state;
    int fd = log_in (SH_TDS_74, 0);
    put_batch (fd, SH_TDS_74, SH_PACKET_END, "wait");
    assert_true (fake_wait (s_fake, &s_fake->waiting, 1));
    put_batch (fd, SH_TDS_74, SH_PACKET_END, "too early");
    close (fd);
    assert_true (fake_wait_closed (s_fake));
    assert_int_equal (s_fake->why, SH_CANCEL_DISCONNECT);
}

static void
an_unknown_data_type_is_answered_with_8009 (void **state)
{
    sh_writer_t out = {0};
    (void)state;
    int fd = log_in (SH_TDS_72, 0);
    put_headers (&out, SH_TDS_72);
    sh_writer_u16 (&out, 1);
    sh_writer_u16 (&out, 'p');
    sh_writer_u16 (&out, 0);
    sh_writer_u8 (&out, 0);
    sh_writer_u8 (&out, 0);
    sh_writer_u8 (&out, 0x67);
    put_packet (fd, SH_PACKET_RPC, SH_PACKET_END, out.data, out.size);
    assert_true (get_message (fd));
    assert_true (says (8009));
    check_last_done (SH_TDS_72, SH_TOKEN_DONEPROC, SH_STATUS_ERROR);
    check_lives (fd, SH_TDS_72);
    sh_writer_free (&out);
    close (fd);
}

static void
bulk_load_is_refused_and_the_session_lives (void **state)
{
    (void)state;
    int fd = log_in (SH_TDS_74, 0);
    put_packet (fd, SH_PACKET_BULK, SH_PACKET_END, "anything", 8);
    assert_true (get_message (fd));
    assert_true (says (40517));
    check_last_done (SH_TDS_74, SH_TOKEN_DONE, SH_STATUS_ERROR);
    check_lives (fd, SH_TDS_74);
    close (fd);
}

static void
a_transaction_request_runs_its_statement (void **state)
{
    sh_writer_t out = {0};
    (void)state;
    int fd = log_in (SH_TDS_74, 0);
    put_headers (&out, SH_TDS_74);
    sh_writer_u16 (&out, 5);
    sh_writer_u16 (&out, 0);
    put_packet (fd, SH_PACKET_TRANSACTION, SH_PACKET_END, out.data, out.size);
    assert_true (get_message (fd));
    assert_string_equal (s_fake->text, "BEGIN TRANSACTION");
    out.size = 22;
    sh_writer_u16 (&out, 0); /* the address of MSDTC */
    sh_writer_u16 (&out, 0);
    put_packet (fd, SH_PACKET_TRANSACTION, SH_PACKET_END, out.data, out.size);
    assert_true (get_message (fd));
    assert_true (says (40517));
    check_lives (fd, SH_TDS_74);
    sh_writer_free (&out);
    close (fd);
}

static void
a_reset_comes_before_the_request (void **state)
{
    (void)state;
    int fd = log_in (SH_TDS_74, 0);
    put_batch (fd, SH_TDS_74, SH_PACKET_END | SH_PACKET_RESET, "still");
    assert_true (get_message (fd));
    assert_memory_equal (s_answer.data, "\xE3\x03\x00\x12\x00\x00", 6);
    assert_int_equal (s_fake->resets, 1);
    put_batch (fd, SH_TDS_74, SH_PACKET_END | SH_PACKET_RESET_KEEP, "still");
    assert_true (get_message (fd));
    assert_int_equal (s_fake->resets, 101);
    close (fd);
}

static void
a_message_has_at_most_1000_calls (void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        sh_writer_t out = {0};
        int fd = log_in (SH_TDS_71, 32767);
        for (size_t i = 0; i < SH_LIMIT_RPC_CALLS + extra; i++) {
            if (i > 0)
                sh_writer_u8 (&out, 0x80);
            sh_writer_u16 (&out, 1);
            sh_writer_u16 (&out, 'p');
            sh_writer_u16 (&out, 0);
        }
        put_packet (fd, SH_PACKET_RPC, SH_PACKET_END, out.data, out.size);
        if (extra)
            assert_false (get_message (fd));
        else {
            assert_true (get_message (fd));
            check_last_done (SH_TDS_71, SH_TOKEN_DONEPROC, 0);
        }
        sh_writer_free (&out);
        close (fd);
    }
}

static void
two_calls_in_a_message_end_with_one_last_doneproc (void **state)
{
    sh_writer_t out = {0};
    (void)state;
    int fd = log_in (SH_TDS_74, 0);
    put_headers (&out, SH_TDS_74);
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            sh_writer_u8 (&out, 0xFF);
        sh_writer_u16 (&out, 1);
        sh_writer_u16 (&out, 'p');
        sh_writer_u16 (&out, 0);
    }
    put_packet (fd, SH_PACKET_RPC, SH_PACKET_END, out.data, out.size);
    assert_true (get_message (fd));
    /*  RETURNSTATUS, DONEPROC with more; the same again without. */
    assert_int_equal (s_answer.size, 2 * (5 + 13));
    assert_int_equal (s_answer.data[0], 0x79);
    assert_int_equal (s_answer.data[5], SH_TOKEN_DONEPROC);
    assert_int_equal (s_answer.data[6], SH_STATUS_MORE);
    check_last_done (SH_TDS_74, SH_TOKEN_DONEPROC, 0);
    sh_writer_free (&out);
    close (fd);
}

#define SERVED(test) cmocka_unit_test_setup_teardown (test, start, stop)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        SERVED (a_login_without_prelogin_is_taken),
        SERVED (integrated_authentication_is_refused),
        SERVED (a_change_of_password_is_refused),
        SERVED (a_version_before_7_1_is_refused),
        SERVED (feature_extensions_are_acknowledged_as_none),
        cmocka_unit_test_setup_teardown (a_client_that_does_not_log_in_is_closed, start_hasty,
                                         stop),
        cmocka_unit_test_setup_teardown (a_client_that_does_not_read_is_closed, start_hasty, stop),
        SERVED (a_login_longer_than_its_limit_is_closed),
        SERVED (a_request_before_the_login_is_closed),
        SERVED (packets_have_the_size_that_was_agreed),
        SERVED (a_batch_over_many_packets_is_one),
        SERVED (a_message_of_the_limit_is_run_and_one_byte_more_is_closed),
        SERVED (malformed_messages_are_closed),
        SERVED (garbage_ends_only_its_own_connection),
        SERVED (an_attention_when_idle_is_answered),
        SERVED (an_attention_in_the_middle_of_a_message_is_answered),
        SERVED (an_attention_ends_a_running_batch_with_its_done),
        SERVED (a_client_that_goes_after_sending_too_much_is_noticed),
        SERVED (an_unknown_data_type_is_answered_with_8009),
        SERVED (bulk_load_is_refused_and_the_session_lives),
        SERVED (a_transaction_request_runs_its_statement),
        SERVED (a_reset_comes_before_the_request),
        SERVED (a_message_has_at_most_1000_calls),
        SERVED (two_calls_in_a_message_end_with_one_last_doneproc),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
