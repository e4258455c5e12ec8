/*  tests/unit/sqlhost/test_tls.c
 *  TLS as bytes: what well-behaved client libraries do not send, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/log.h"
#include "tests/sqlhost/tds/login.h"
#include "tests/sqlhost/tds/packet.h"
#include "tests/sqlhost/tds/server.h"
#include "tests/unit/sqlhost/fake_backend.h"
#include "tests/unit/sqlhost/login_record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/ssl.h>

#define PASSWORD "p\xC3\xA4ss\xE2\x82\xACword"

static sh_tls_t *s_tls; /* for the whole program: its key takes time to make */
static sh_fake_t *s_fake;
static sh_server_t *s_server;

static int
start_with (bool tls, bool force)
{
    char error[256] = "";

    sh_log_level_set ("error");
    s_fake = fake_new ();
    sh_server_options_t options = {.listen = "127.0.0.1:0",
                                   .tls = tls ? s_tls : NULL,
                                   .force_encryption = force,
                                   .backend = &s_fake->base};
    s_server = sh_server_start (&options, error, sizeof error);
    return s_server ? 0 : -1;
}

static int
start (void **state)
{
    (void)state;
    return start_with (true, false);
}

static int
start_forced (void **state)
{
    (void)state;
    return start_with (true, true);
}

static int
start_without (void **state)
{
    (void)state;
    return start_with (false, false);
}

static int
stop (void **state)
{
    (void)state;
    bool clean = sh_server_stop (&s_server, 20000) && s_fake->open == 0;
    fake_free (s_fake);
    return clean ? 0 : -1;
}

/*  ---- a client ---- */

typedef struct {
    int fd;
    SSL_CTX *context;
    SSL *ssl; /* NULL = in the clear */
} client_t;

static client_t
dial (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons (sh_server_port (s_server)),
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 20};
    client_t client = {.fd = socket (AF_INET, SOCK_STREAM, 0)};

    setsockopt (client.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal (connect (client.fd, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static void
hang_up (client_t *client)
{
    SSL_free (client->ssl);
    SSL_CTX_free (client->context);
    close (client->fd);
}

static bool
put (client_t *client, const void *data, size_t size)
{
    size_t written;

    if (client->ssl)
        return SSL_write_ex (client->ssl, data, size, &written) == 1;
    return send (client->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool
get (client_t *client, uint8_t *data, size_t size)
{
    while (size > 0) {
        int got = client->ssl ? SSL_read (client->ssl, data, (int)size)
                              : (int)recv (client->fd, data, size, 0);
        if (got <= 0)
            return false;
        data += got;
        size -= (size_t)got;
    }
    return true;
}

static bool
put_packet (client_t *client, uint8_t type, const void *data, size_t size)
{
    sh_writer_t out = {0};

    sh_packet_write (&out, type, true, 0, 1, data, size);
    bool sent = put (client, out.data, out.size);
    sh_writer_free (&out);
    return sent;
}

/*  One packet; its payload's size, -1 when the connection ended. */
static int
get_packet (client_t *client, uint8_t *type, uint8_t payload[SH_LIMIT_PACKET_MAX])
{
    uint8_t head[8];

    if (!get (client, head, sizeof head))
        return -1;
    int size = (head[2] << 8 | head[3]) - 8;
    *type = head[0];
    return get (client, payload, (size_t)size) ? size : -1;
}

/*  Sends PRELOGIN and gives the server's ENCRYPTION. */
static uint8_t
agree (client_t *client, uint8_t encryption)
{
    uint8_t message[] = {0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, 9, 0, 0, 0, 0, 0, encryption};
    static uint8_t payload[SH_LIMIT_PACKET_MAX];
    uint8_t type;
    sh_prelogin_t answer;
    const char *why;

    assert_true (put_packet (client, SH_PACKET_PRELOGIN, message, sizeof message));
    int size = get_packet (client, &type, payload);
    assert_true (size > 0 && type == SH_PACKET_RESPONSE);
    assert_true (sh_prelogin_parse (payload, (size_t)size, &answer, &why));
    assert_true (answer.has_encryption);
    return answer.encryption;
}

/*  The handshake inside PRELOGIN packets, of `piece` bytes each; afterwards the socket itself carries the records. */
static bool
shake_hands (client_t *client, int version, size_t piece)
{
    static uint8_t payload[SH_LIMIT_PACKET_MAX];
    BIO *in = BIO_new (BIO_s_mem ()), *out = BIO_new (BIO_s_mem ());
    int done = 0;

    client->context = SSL_CTX_new (TLS_client_method ());
    SSL_CTX_set_min_proto_version (client->context, version);
    SSL_CTX_set_max_proto_version (client->context, version);
    SSL *ssl = SSL_new (client->context);
    SSL_set_bio (ssl, in, out);
    BIO_set_mem_eof_return (in, -1);
    SSL_set_connect_state (ssl);
    for (;;) {
        done = SSL_do_handshake (ssl);
        for (int got; (got = BIO_read (out, payload, (int)piece)) > 0;)
            put_packet (client, SH_PACKET_PRELOGIN, payload, (size_t)got);
        if (done == 1 || SSL_get_error (ssl, done) != SSL_ERROR_WANT_READ)
            break;
        uint8_t type;
        int size = get_packet (client, &type, payload);
        if (size < 0)
            break;
        assert_int_equal (type, SH_PACKET_PRELOGIN);
        BIO_write (in, payload, size);
    }
    client->ssl = ssl;
    if (done == 1)
        SSL_set_fd (ssl, client->fd);
    return done == 1;
}

static bool
put_login (client_t *client)
{
    login_record_t record = {.version = SH_TDS_74, .names = {"h", "sa", PASSWORD, "app"}};
    sh_writer_t out = {0};

    login_record_build (&record, &out);
    bool sent = put_packet (client, SH_PACKET_LOGIN7, out.data, out.size);
    sh_writer_free (&out);
    return sent;
}

static bool
is_welcome (client_t *client)
{
    static uint8_t payload[SH_LIMIT_PACKET_MAX];
    uint8_t type;
    int size = get_packet (client, &type, payload);

    return size > 0 && type == SH_PACKET_RESPONSE && memchr (payload, 0xAD, (size_t)size);
}

static void
write_batch (sh_writer_t *out, const char *text)
{
    sh_writer_t body = {0};

    sh_writer_u32 (&body, 22);
    sh_writer_u32 (&body, 18);
    sh_writer_u16 (&body, 2);
    sh_writer_u64 (&body, 0);
    sh_writer_u32 (&body, 1);
    sh_utf_to_utf16 (&body, text, strlen (text));
    sh_packet_write (out, SH_PACKET_BATCH, true, 0, 1, body.data, body.size);
    sh_writer_free (&body);
}

static client_t
log_in (uint8_t encryption)
{
    client_t client = dial ();

    assert_int_equal (agree (&client, encryption), encryption);
    assert_true (shake_hands (&client, TLS1_2_VERSION, 4000));
    assert_true (put_login (&client));
    return client;
}

/*  ---- tests ---- */

static void
all_is_encrypted_when_the_client_wants_it (void **state)
{
    (void)state;
    client_t client = log_in (SH_ENCRYPT_ON);
    assert_true (is_welcome (&client));
    assert_true (s_fake->encrypted);
    hang_up (&client);
}

/*  2.2.6.5: with OFF on both sides only the first packet of LOGIN7 is encrypted, whatever follows is not. */
static void
after_a_login_that_alone_is_encrypted_all_is_in_the_clear (void **state)
{
    (void)state;
    client_t client = log_in (SH_ENCRYPT_OFF);
    sh_writer_t out = {0};
    static uint8_t payload[SH_LIMIT_PACKET_MAX];
    uint8_t type;
    SSL *ssl = client.ssl;
    client.ssl = NULL;
    write_batch (&out, "still");
    assert_true (put (&client, out.data, out.size)); /* before the login's answer is read */
    assert_true (is_welcome (&client));
    assert_false (s_fake->encrypted);
    assert_true (get_packet (&client, &type, payload) > 0);
    assert_string_equal (s_fake->text, "still");
    sh_writer_free (&out);
    client.ssl = ssl;
    hang_up (&client);
}

static void
a_handshake_in_small_packets_is_put_together (void **state)
{
    (void)state;
    client_t client = dial ();
    agree (&client, SH_ENCRYPT_ON);
    assert_true (shake_hands (&client, TLS1_2_VERSION, 37));
    assert_true (put_login (&client));
    assert_true (is_welcome (&client));
    hang_up (&client);
}

/*  SQL Server: TLS 1.3 needs TDS 8.0. */
static void
tls_1_3_is_not_spoken (void **state)
{
    (void)state;
    client_t client = dial ();
    agree (&client, SH_ENCRYPT_ON);
    assert_false (shake_hands (&client, TLS1_3_VERSION, 4000));
    hang_up (&client);
}

static void
a_client_that_cannot_encrypt_is_dropped_when_all_must (void **state)
{
    (void)state;
    client_t client = dial ();
    assert_int_equal (agree (&client, SH_ENCRYPT_NOT_SUP), SH_ENCRYPT_REQ);
    put_login (&client);
    assert_false (is_welcome (&client));
    hang_up (&client);
    client = dial (); /* nor without PRELOGIN */
    put_login (&client);
    assert_false (is_welcome (&client));
    hang_up (&client);
    assert_string_equal (s_fake->login, "");
}

static void
a_client_that_wants_the_login_encrypted_only_is_told_to_encrypt_all (void **state)
{
    (void)state;
    client_t client = dial ();
    assert_int_equal (agree (&client, SH_ENCRYPT_OFF), SH_ENCRYPT_REQ);
    assert_true (shake_hands (&client, TLS1_2_VERSION, 4000));
    assert_true (put_login (&client));
    assert_true (is_welcome (&client));
    assert_true (s_fake->encrypted);
    hang_up (&client);
}

static void
a_server_without_a_certificate_says_so_and_serves_in_the_clear (void **state)
{
    (void)state;
    client_t client = dial ();
    assert_int_equal (agree (&client, SH_ENCRYPT_ON), SH_ENCRYPT_NOT_SUP);
    put_login (&client);
    assert_true (is_welcome (&client));
    assert_false (s_fake->encrypted);
    hang_up (&client);
}

static void
garbage_where_a_handshake_must_stand_ends_the_connection (void **state)
{
    (void)state;
    static const uint8_t garbage[] = "this is no ClientHello, whatever it is";
    static uint8_t payload[SH_LIMIT_PACKET_MAX];
    uint8_t type;
    client_t client = dial ();
    agree (&client, SH_ENCRYPT_ON);
    put_packet (&client, SH_PACKET_PRELOGIN, garbage, sizeof garbage);
    while (get_packet (&client, &type, payload) >= 0) /* an alert may come */
        ;
    hang_up (&client);
    client = log_in (SH_ENCRYPT_ON); /* and the server lives */
    assert_true (is_welcome (&client));
    hang_up (&client);
}

static void
garbage_inside_the_encryption_ends_the_connection (void **state)
{
    (void)state;
    client_t client = log_in (SH_ENCRYPT_ON);
    assert_true (is_welcome (&client));
    static const uint8_t garbage[64] = {0x17, 3, 3, 0, 59};
    static uint8_t payload[SH_LIMIT_PACKET_MAX];
    uint8_t type;
    assert_int_equal (send (client.fd, garbage, sizeof garbage, MSG_NOSIGNAL), sizeof garbage);
    assert_int_equal (get_packet (&client, &type, payload), -1);
    hang_up (&client);
    assert_true (fake_wait_closed (s_fake));
}

/*  Both come out of the socket, and of one record, before the request has begun: nothing else will wake the watch. */
static void
an_attention_in_one_record_with_its_request_cancels_it (void **state)
{
    (void)state;
    client_t client = log_in (SH_ENCRYPT_ON);
    sh_writer_t out = {0};
    static uint8_t payload[SH_LIMIT_PACKET_MAX];
    uint8_t type;
    assert_true (is_welcome (&client));
    write_batch (&out, "wait");
    sh_packet_write (&out, SH_PACKET_ATTENTION, true, 0, 1, NULL, 0);
    assert_true (put (&client, out.data, out.size));
    assert_true (get_packet (&client, &type, payload) > 0);
    assert_int_equal (s_fake->why, SH_CANCEL_ATTENTION);
    sh_writer_free (&out);
    hang_up (&client);
}

/*  A record that arrives in two halves is neither lost nor taken for something else. */
static void
an_attention_whose_record_arrives_in_halves_cancels (void **state)
{
    (void)state;
    client_t client = log_in (SH_ENCRYPT_ON);
    sh_writer_t out = {0};
    uint8_t record[256], type;
    static uint8_t payload[SH_LIMIT_PACKET_MAX];
    assert_true (is_welcome (&client));
    write_batch (&out, "wait");
    assert_true (put (&client, out.data, out.size));
    assert_true (fake_wait (s_fake, &s_fake->waiting, 1));
    sh_writer_clear (&out);
    sh_packet_write (&out, SH_PACKET_ATTENTION, true, 0, 1, NULL, 0);
    BIO *records = BIO_new (BIO_s_mem ());
    SSL_set0_wbio (client.ssl, records);
    assert_true (put (&client, out.data, out.size));
    int size = BIO_read (records, record, sizeof record);
    assert_true (size > 8);
    assert_int_equal (send (client.fd, record, 7, MSG_NOSIGNAL), 7);
    assert_int_equal (send (client.fd, record + 7, (size_t)size - 7, MSG_NOSIGNAL), size - 7);
    assert_true (get_packet (&client, &type, payload) > 0);
    assert_int_equal (s_fake->why, SH_CANCEL_ATTENTION);
    sh_writer_free (&out);
    hang_up (&client);
}

static void
a_client_that_goes_away_cancels_its_request (void **state)
{
    (void)state;
    client_t client = log_in (SH_ENCRYPT_ON);
    sh_writer_t out = {0};
    assert_true (is_welcome (&client));
    write_batch (&out, "wait");
    assert_true (put (&client, out.data, out.size));
    assert_true (fake_wait (s_fake, &s_fake->waiting, 1));
    sh_writer_free (&out);
    hang_up (&client);
    assert_true (fake_wait_closed (s_fake));
    assert_int_equal (s_fake->why, SH_CANCEL_DISCONNECT);
}

static int
begin (void **state)
{
    char error[256];

    (void)state;
    s_tls = sh_tls_new (NULL, NULL, error, sizeof error);
    return s_tls ? 0 : -1;
}

static int
end (void **state)
{
    (void)state;
    sh_tls_destroy (&s_tls);
    return 0;
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (all_is_encrypted_when_the_client_wants_it, start, stop),
        cmocka_unit_test_setup_teardown (after_a_login_that_alone_is_encrypted_all_is_in_the_clear,
                                         start, stop),
        cmocka_unit_test_setup_teardown (a_handshake_in_small_packets_is_put_together, start, stop),
        cmocka_unit_test_setup_teardown (tls_1_3_is_not_spoken, start, stop),
        cmocka_unit_test_setup_teardown (a_client_that_cannot_encrypt_is_dropped_when_all_must,
                                         start_forced, stop),
        cmocka_unit_test_setup_teardown (
            a_client_that_wants_the_login_encrypted_only_is_told_to_encrypt_all, start_forced,
            stop),
        cmocka_unit_test_setup_teardown (
            a_server_without_a_certificate_says_so_and_serves_in_the_clear, start_without, stop),
        cmocka_unit_test_setup_teardown (garbage_where_a_handshake_must_stand_ends_the_connection,
                                         start, stop),
        cmocka_unit_test_setup_teardown (garbage_inside_the_encryption_ends_the_connection, start,
                                         stop),
        cmocka_unit_test_setup_teardown (an_attention_in_one_record_with_its_request_cancels_it,
                                         start, stop),
        cmocka_unit_test_setup_teardown (an_attention_whose_record_arrives_in_halves_cancels, start,
                                         stop),
        cmocka_unit_test_setup_teardown (a_client_that_goes_away_cancels_its_request, start, stop),
    };
    return cmocka_run_group_tests (tests, begin, end);
}
