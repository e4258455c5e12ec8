/*  TLS to SQL Server: what is taken, what is refused, and whether the error says what to do. The server is sqlhost's wire
 *  with certificates made for each test. */
#include "tests/unit/common/tests.h"

#include "common/sql_internal.h"
#include "tests/sqlhost/tds/identity.h"
#include "tests/sqlhost/tds/server.h"
#include "tests/unit/sqlhost/fake_backend.h"

#define S_DAY (24 * 3600)

typedef struct {
    char *folder;
    char *ca_file;
    sh_identity_t *authority;
    sh_fake_t *fake;
    sh_tls_t *tls;
    sh_server_t *server;
    bm_secret_t *password;
} s_place_t;

static const char *const s_here[] = {"127.0.0.1", "localhost", NULL};
static const char *const s_elsewhere[] = {"sql01.example.com", "10.9.8.7", NULL};

static sh_identity_t *
s_authority (const char *name)
{
    sh_identity_order_t order = {.common_name = name,
                                 .begins_s = -S_DAY,
                                 .ends_s = S_DAY,
                                 .authority = true,
                                 .elliptic = true};
    sh_identity_t *made = sh_identity_new (&order, NULL);
    assert_non_null (made);
    return made;
}

static int
s_setup (void **state)
{
    s_place_t *place = bm_alloc (sizeof *place);
    place->folder = tests_folder_new ();
    place->ca_file = bm_format ("%s/ca.pem", place->folder);
    place->authority = s_authority ("Example Authority");
    assert_true (sh_identity_write (place->authority, place->ca_file, NULL));
    place->password = bm_secret_new ("p\xC3\xA4ss\xE2\x82\xACword");
    *state = place;
    return 0;
}

static void
s_stop (s_place_t *place)
{
    assert_true (sh_server_stop (&place->server, 10000));
    sh_tls_destroy (&place->tls);
    if (place->fake)
        fake_free (place->fake);
    place->fake = NULL;
}

static int
s_teardown (void **state)
{
    s_place_t *place = *state;
    s_stop (place);
    sh_identity_destroy (&place->authority);
    bm_secret_destroy (&place->password);
    static const char *const files[] = {"ca.pem", "server.pem", "server.key", "garbage.pem"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *path = bm_format ("%s/%s", place->folder, files[i]);
        unlink (path);
        free (path);
    }
    free (place->ca_file);
    tests_folder_remove (place->folder);
    free (place);
    return 0;
}

/*  The server at `listen`, with this certificate; tls = false: without any. */
static void
s_serve (s_place_t *place, const char *listen, const sh_identity_t *identity, bool tls, bool force)
{
    char error[256] = "";
    char *certificate = bm_format ("%s/server.pem", place->folder);
    char *key = bm_format ("%s/server.key", place->folder);
    if (identity)
        assert_true (sh_identity_write (identity, certificate, key));
    if (tls)
        place->tls =
            sh_tls_new (identity ? certificate : NULL, identity ? key : NULL, error, sizeof error);
    assert_string_equal (error, "");
    place->fake = fake_new ();
    sh_server_options_t options = {.listen = listen,
                                   .tls = place->tls,
                                   .force_encryption = force,
                                   .backend = &place->fake->base};
    place->server = sh_server_start (&options, error, sizeof error);
    if (!place->server)
        fail_msg ("%s", error);
    free (certificate);
    free (key);
}

/*  The server with a certificate for these names, signed by the authority. */
static void
s_serve_names (s_place_t *place, const char *listen, const char *const *names, int64_t begins_s,
               int64_t ends_s)
{
    sh_identity_order_t order = {.common_name = "sql server",
                                 .names = names,
                                 .begins_s = begins_s,
                                 .ends_s = ends_s,
                                 .elliptic = true};
    sh_identity_t *identity = sh_identity_new (&order, place->authority);
    assert_non_null (identity);
    s_serve (place, listen, identity, true, false);
    sh_identity_destroy (&identity);
}

static bm_sql_t *
s_open (const s_place_t *place, const bm_sql_access_t *access, bm_error_t *error)
{
    bm_sql_login_t login = {.server = sh_server_address (place->server),
                            .access = *access,
                            .user = "sa",
                            .password = place->password,
                            .program = "btsmark-test",
                            .login_timeout_s = 5};
    memset (error, 0, sizeof *error);
    return bm_sql_open (&login, error);
}

static void
s_expect_open (const s_place_t *place, const bm_sql_access_t *access, bool encrypted)
{
    bm_error_t error;
    bm_sql_t *sql = s_open (place, access, &error);
    if (!sql)
        fail_msg ("%s", error.text);
    assert_int_equal (bm_sql_encrypted (sql), encrypted);
    assert_int_equal (place->fake->encrypted, encrypted);
    assert_int_equal (bm_sql_exec (sql, "many", NULL, &error), BM_OK);
    bm_sql_close (&sql);
}

/*  Refused, with these words in the text and the remedy. */
static void
s_expect_refused (const s_place_t *place, const bm_sql_access_t *access, const char *text,
                  const char *remedy)
{
    bm_error_t error;
    bm_sql_t *sql = s_open (place, access, &error);
    if (sql)
        fail_msg ("a session that should have been refused: %s", text);
    if (error.status != BM_SQL_TLS || !strstr (error.text, text) ||
        !strstr (error.text, sh_server_address (place->server)) || !strstr (error.remedy, remedy))
        fail_msg ("%s: %s (%s)\nexpected: %s (%s)", bm_status_name (error.status), error.text,
                  error.remedy, text, remedy);
}

static void
a_certificate_of_a_trusted_authority_for_the_name_is_taken (void **state)
{
    s_place_t *place = *state;
    s_serve_names (place, "127.0.0.1:0", s_here, -S_DAY, S_DAY);
    bm_sql_access_t access = {.ca_file = place->ca_file};
    s_expect_open (place, &access, true);
}

static void
a_server_without_encryption_is_refused_when_it_is_required (void **state)
{
    s_place_t *place = *state;
    s_serve (place, "127.0.0.1:0", NULL, false, false);
    bm_sql_access_t access = {.ca_file = place->ca_file};
    s_expect_refused (place, &access, "offers no encryption", "encrypt = off");
    access.encrypt = BM_SQL_ENCRYPT_REQUEST;
    s_expect_open (place, &access, false);
    access = (bm_sql_access_t){.encrypt = BM_SQL_ENCRYPT_OFF};
    s_expect_open (place, &access, false);
}

static void
an_unknown_authority_is_refused_unless_any_is_taken (void **state)
{
    s_place_t *place = *state;
    sh_identity_t *stranger = s_authority ("Strange Authority"), *known = place->authority;
    place->authority = stranger;
    s_serve_names (place, "127.0.0.1:0", s_here, -S_DAY, S_DAY);
    place->authority = known;
    sh_identity_destroy (&stranger);
    bm_sql_access_t access = {.ca_file = place->ca_file};
    s_expect_refused (place, &access, "signed by CN=Strange Authority", "in ca-file");
    access.ca_file = NULL; /* the system's do not know it either */
    s_expect_refused (place, &access, "no authority of this system", "Strange Authority");
    access.encrypt = BM_SQL_ENCRYPT_REQUEST;
    access.ca_file = place->ca_file;
    s_expect_refused (place, &access, "signed by CN=Strange Authority", "in ca-file");
    access.ca_file = NULL;
    s_expect_open (place, &access, true);
    access = (bm_sql_access_t){.ca_file = "none"};
    s_expect_open (place, &access, true);
}

static void
the_certificate_that_a_server_makes_itself_is_named_as_such (void **state)
{
    s_place_t *place = *state;
    s_serve (place, "127.0.0.1:0", NULL, true, false);
    bm_sql_access_t access = {.ca_file = place->ca_file};
    s_expect_refused (place, &access, "SSL_Self_Signed_Fallback", "ca-file = none");
    access.ca_file = "none";
    s_expect_open (place, &access, true);
}

static void
a_certificate_for_another_name_is_refused (void **state)
{
    s_place_t *place = *state;
    s_serve_names (place, "127.0.0.1:0", s_elsewhere, -S_DAY, S_DAY);
    bm_sql_access_t access = {.ca_file = place->ca_file};
    s_expect_refused (place, &access, "is for sql01.example.com, 10.9.8.7, and not for 127.0.0.1",
                      "certificate-host: sql01.example.com");
    access.certificate_host = "sql02.example.com";
    s_expect_refused (place, &access, "not for sql02.example.com", "sql01.example.com");
}

static void
a_certificate_out_of_its_time_is_refused (void **state)
{
    s_place_t *place = *state;
    s_serve_names (place, "127.0.0.1:0", s_here, -2 * S_DAY, -S_DAY);
    bm_sql_access_t access = {.ca_file = place->ca_file};
    s_expect_refused (place, &access, "expired at 20", "new certificate");
    s_stop (place);
    s_serve_names (place, "127.0.0.1:0", s_here, S_DAY, 2 * S_DAY);
    s_expect_refused (place, &access, "is not valid before 20", "clock");
}

static void
the_name_in_the_certificate_may_be_told (void **state)
{
    s_place_t *place = *state;
    s_serve_names (place, "127.0.0.1:0", s_elsewhere, -S_DAY, S_DAY);
    bm_sql_access_t access = {.ca_file = place->ca_file, .certificate_host = "sql01.example.com"};
    s_expect_open (place, &access, true);
    s_expect_open (place, &access, true);
    access.certificate_host = "10.9.8.7";
    s_expect_open (place, &access, true);
}

/*  FreeTDS was told to trust one certificate; a renewed one is looked at anew, another server's never taken. */
static void
a_renewed_certificate_is_taken_and_a_strange_one_is_not (void **state)
{
    s_place_t *place = *state;
    static const char *const other[] = {"sql02.example.com", NULL};
    s_serve_names (place, "127.0.0.1:0", s_elsewhere, -S_DAY, S_DAY);
    bm_sql_access_t access = {.ca_file = place->ca_file, .certificate_host = "sql01.example.com"};
    s_expect_open (place, &access, true);
    char *listen = bm_strdup (sh_server_address (place->server));
    s_stop (place);
    s_serve_names (place, listen, s_elsewhere, -S_DAY, 2 * S_DAY);
    s_expect_open (place, &access, true);
    s_stop (place);
    s_serve_names (place, listen, other, -S_DAY, S_DAY);
    s_expect_refused (place, &access, "is for sql02.example.com", "sql02.example.com");
    free (listen);
}

static void
a_server_that_forces_encryption_gets_it_from_everybody (void **state)
{
    s_place_t *place = *state;
    bm_error_t error;
    s_serve (place, "127.0.0.1:0", NULL, true, true);
    bm_sql_access_t access = {.encrypt = BM_SQL_ENCRYPT_OFF};
    bm_sql_t *sql = s_open (place, &access, &error);
    assert_non_null (sql);
    assert_true (place->fake->encrypted);
    bm_sql_close (&sql);
}

static void
authorities_that_cannot_be_read_are_named (void **state)
{
    s_place_t *place = *state;
    s_serve_names (place, "127.0.0.1:0", s_here, -S_DAY, S_DAY);
    char *garbage = tests_file (place->folder, "garbage.pem", "garbage\n", 8, 0600);
    bm_sql_access_t access = {.ca_file = garbage};
    s_expect_refused (place, &access, "garbage.pem cannot be used", "BEGIN CERTIFICATE");
    access.ca_file = "/nowhere/ca.pem";
    s_expect_refused (place, &access, "/nowhere/ca.pem cannot be used", "BEGIN CERTIFICATE");
    free (garbage);
}

static void
a_refused_login_is_the_servers_word_and_not_the_certificates (void **state)
{
    s_place_t *place = *state;
    s_serve_names (place, "127.0.0.1:0", s_here, -S_DAY, S_DAY);
    bm_secret_t *right = place->password;
    bm_error_t error;
    bm_sql_access_t access = {.ca_file = place->ca_file};
    place->password = bm_secret_new ("not-the-password");
    assert_null (s_open (place, &access, &error));
    assert_int_equal (error.status, BM_SQL_LOGIN);
    assert_non_null (strstr (error.text, "18456"));
    bm_secret_destroy (&place->password);
    place->password = right;
}

static void
kerberos_without_a_ticket_is_explained (void **state)
{
    s_place_t *place = *state;
    bm_error_t error;
    char *cache = bm_format ("FILE:%s/no-such-cache", place->folder);
    setenv ("KRB5CCNAME", cache, 1);
    setenv ("KRB5_CONFIG", "/dev/null", 1);
    s_serve_names (place, "127.0.0.1:0", s_here, -S_DAY, S_DAY);
    bm_sql_access_t access = {.ca_file = place->ca_file, .kerberos = true};
    assert_null (s_open (place, &access, &error));
    assert_int_equal (error.status, BM_SQL_LOGIN);
    assert_non_null (strstr (error.text, "no ticket"));
    assert_non_null (strstr (error.remedy, "kinit"));
    assert_non_null (strstr (error.remedy, "MSSQLSvc/127.0.0.1:"));
    access.principal = "MSSQLSvc/sql01.example.com:1433@EXAMPLE.COM";
    assert_null (s_open (place, &access, &error));
    assert_non_null (strstr (error.remedy, access.principal));
    access.ca_file = NULL; /* what stands before the login is told before it */
    s_expect_refused (place, &access, "no authority of this system", "ca-file");
    unsetenv ("KRB5CCNAME");
    unsetenv ("KRB5_CONFIG");
    free (cache);
}

static void
an_address_is_a_host_with_a_port_or_an_instance (void **state)
{
    static const struct {
        const char *server, *host, *port, *instance;
    } rows[] = {{"sql01", "sql01", "1433", ""},
                {"sql01:2433", "sql01", "2433", ""},
                {"sql01,2433", "sql01", "2433", ""},
                {"sql01\\A,2433", "sql01", "2433", ""},
                {"sql01\\BTS", "sql01", "", "BTS"},
                {"[fe80::1]:2433", "fe80::1", "2433", ""},
                {"[fe80::1]", "fe80::1", "1433", ""},
                {"fe80::1", "fe80::1", "1433", ""},
                {"sql01:", "", "", NULL},
                {"sql01:0", "", "", NULL},
                {"sql01:65536", "", "", NULL},
                {"sql01:1433x", "", "", NULL},
                {":1433", "", "", NULL},
                {"sql 01", "", "", NULL},
                {"sql01\\", "", "", NULL},
                {"sql01;host=x", "", "", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bm_sql_address_t address;
        bool good = bm_sql_address_parse (rows[i].server, &address);
        if (good != (rows[i].instance != NULL))
            fail_msg ("%s is %s", rows[i].server, good ? "taken" : "refused");
        if (!good)
            continue;
        assert_string_equal (address.host, rows[i].host);
        assert_string_equal (address.port, rows[i].port);
        assert_string_equal (address.instance, rows[i].instance);
    }
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
    return 0;
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_certificate_of_a_trusted_authority_for_the_name_is_taken),
        T (a_server_without_encryption_is_refused_when_it_is_required),
        T (an_unknown_authority_is_refused_unless_any_is_taken),
        T (the_certificate_that_a_server_makes_itself_is_named_as_such),
        T (a_certificate_for_another_name_is_refused),
        T (a_certificate_out_of_its_time_is_refused),
        T (the_name_in_the_certificate_may_be_told),
        T (a_renewed_certificate_is_taken_and_a_strange_one_is_not),
        T (a_server_that_forces_encryption_gets_it_from_everybody),
        T (authorities_that_cannot_be_read_are_named),
        T (a_refused_login_is_the_servers_word_and_not_the_certificates),
        T (kerberos_without_a_ticket_is_explained),
        cmocka_unit_test (an_address_is_a_host_with_a_port_or_an_instance),
    };
    return cmocka_run_group_tests (tests, s_begin, s_end);
}
