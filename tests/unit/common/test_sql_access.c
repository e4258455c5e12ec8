/*  What a configuration section may say about getting at SQL Server. */
#include "tests/unit/common/tests.h"

#include "common/sql_access.h"
#include "common/sql_internal.h"

#define S_LOGIN "login = sa\npassword-file = pw\n"

typedef struct {
    bm_config_t *config;
    bm_sql_access_t access;
    const char *login, *password_file;
    bm_status_t status;
    bm_error_t error;
} s_read_t;

static s_read_t
s_read (const char *lines, const char *server)
{
    s_read_t read = {0};
    char *text = bm_format ("[group]\n%s", lines);
    read.config = bm_config_parse ("test.ini", text, &read.error);
    assert_non_null (read.config);
    read.status = bm_sql_access_read (read.config, 0, server, &read.access, &read.login,
                                      &read.password_file, &read.error);
    if (!read.status)
        read.status = bm_config_finish (read.config, &read.error);
    free (text);
    return read;
}

static void
s_refused (const char *lines, const char *server, const char *why)
{
    s_read_t read = s_read (lines, server);
    if (read.status != BM_CONFIG || !strstr (read.error.text, why) ||
        !strstr (read.error.text, "test.ini"))
        fail_msg ("%s: %s, expected: %s", bm_status_name (read.status), read.error.text, why);
    bm_config_destroy (&read.config);
}

static void
encryption_with_a_signed_certificate_is_the_default (void **state)
{
    (void)state;
    s_read_t read = s_read (S_LOGIN, "sql01");
    assert_int_equal (read.status, BM_OK);
    assert_int_equal (read.access.encrypt, BM_SQL_ENCRYPT_REQUIRED);
    assert_null (read.access.ca_file);
    assert_true (bm_sql_access_verifies (&read.access));
    assert_false (read.access.kerberos);
    assert_string_equal (read.login, "sa");
    assert_non_null (strstr (read.password_file, "pw"));
    char *text = bm_sql_access_describe (&read.access);
    assert_string_equal (text, "TLS required, authorities of the system");
    free (text);
    bm_config_destroy (&read.config);
}

static void
each_way_of_encryption_is_described (void **state)
{
    static const struct {
        const char *lines, *description;
        bool verifies;
    } rows[] = {{"encrypt = off\n", "no TLS", false},
                {"encrypt = request\n", "TLS if offered, any certificate", false},
                {"encrypt = request\nca-file = system\n",
                 "TLS if offered, authorities of the system", true},
                {"ca-file = none\n", "TLS required, any certificate", false},
                {"ca-file = /dev/null\ncertificate-host = sql01.example.com\n",
                 "TLS required, authorities of /dev/null, certificate of sql01.example.com", true}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *lines = bm_format (S_LOGIN "%s", rows[i].lines);
        s_read_t read = s_read (lines, "10.0.0.1:1433");
        if (read.status)
            fail_msg ("%s", read.error.text);
        char *text = bm_sql_access_describe (&read.access);
        assert_string_equal (text, rows[i].description);
        assert_int_equal (bm_sql_access_verifies (&read.access), rows[i].verifies);
        free (text);
        free (lines);
        bm_config_destroy (&read.config);
    }
}

static void
what_contradicts_itself_is_refused (void **state)
{
    (void)state;
    s_refused (S_LOGIN "encrypt = maybe\n", "sql01", "required");
    s_refused (S_LOGIN "encrypt = off\nca-file = system\n", "sql01", "take ca-file");
    s_refused (S_LOGIN "encrypt = off\ncertificate-host = a\n", "sql01", "certificate-host");
    s_refused (S_LOGIN "ca-file = none\ncertificate-host = a\n", "sql01", "certificate-host");
    s_refused (S_LOGIN "encrypt = request\ncertificate-host = a\n", "sql01", "certificate-host");
    s_refused (S_LOGIN "ca-file = /nowhere/ca.pem\n", "sql01", "cannot be read");
    s_refused (S_LOGIN "ca-file = /tmp/a#b.pem\n", "sql01", "without ; and #");
    s_refused (S_LOGIN "certificate-host = a\n", "sql01\\BTS", "port");
    s_refused (S_LOGIN, "sql01:port", "host:port");
    s_refused ("login = sa\n", "sql01", "password-file");
    s_refused ("password-file = pw\n", "sql01", "login");
}

static void
the_path_of_authorities_has_a_limit (void **state)
{
    char name[256];
    (void)state;
    for (size_t length = 200; length <= 201; length++) {
        memset (name, 'a', sizeof name);
        name[0] = '/';
        name[length] = '\0';
        char *lines = bm_format (S_LOGIN "ca-file = %s\n", name);
        s_refused (lines, "sql01", length <= 200 ? "cannot be read" : "at most 200 bytes");
        free (lines);
    }
}

static void
kerberos_needs_no_login_and_takes_none (void **state)
{
    (void)state;
    s_read_t read = s_read ("authentication = kerberos\nservice-principal = MSSQLSvc/a:1\n", "a");
    if (read.status)
        fail_msg ("%s", read.error.text);
    assert_true (read.access.kerberos);
    assert_string_equal (read.access.principal, "MSSQLSvc/a:1");
    assert_null (read.password_file);
    assert_non_null (read.login); /* for people */
    bm_config_destroy (&read.config);
    s_refused ("authentication = kerberos\nlogin = sa\n", "a", "take login");
    s_refused ("authentication = kerberos\npassword-file = pw\n", "a", "take login");
    s_refused (S_LOGIN "service-principal = MSSQLSvc/a:1\n", "a", "authentication = kerberos");
    s_refused (S_LOGIN "authentication = ntlm\n", "a", "kerberos");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (encryption_with_a_signed_certificate_is_the_default),
        cmocka_unit_test (each_way_of_encryption_is_described),
        cmocka_unit_test (what_contradicts_itself_is_refused),
        cmocka_unit_test (the_path_of_authorities_has_a_limit),
        cmocka_unit_test (kerberos_needs_no_login_and_takes_none),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
