/*  sqlhost with FreeTDS's own clients, tsql and bsqldb, as an administrator uses them. */
#include "tests/e2e/clients/stand.h"

static stand_t *s_stand;

/*  Runs a script (batches separated by GO) with tsql. `encryption` as in freetds.conf; with "require" the certificate is
 *  checked, too. What it printed. */
static const char *
s_tsql (bm_ran_t *ran, const char *script, const char *encryption, const char *password)
{
    char *conf = bm_format (
        "[stand]\nhost = localhost\nport = %s\ntds version = 7.4\nencryption = %s\n"
        "%s%s\ncheck certificate hostname = yes\n",
        s_stand->port, encryption, strcmp (encryption, "require") == 0 ? "ca file = " : "; ",
        stand_path (s_stand, "ca.pem"));
    char *variable = bm_format ("FREETDSCONF=%s", stand_write (s_stand, "freetds.conf", conf));
    char *input = bm_format ("%s\nGO\nexit\n", script);
    const char *file = stand_write (s_stand, "script.sql", input);
    stand_run (ran, (const char *[]){variable, "sh", "-c", "exec tsql \"$@\" <\"$0\" 2>&1", file,
                                     "-S", "stand", "-U", "sa", "-P", password, "-o", "q", NULL});
    free (input);
    free (variable);
    free (conf);
    return ran->out;
}

static void
s_expect (const char *out, const char *text)
{
    if (!strstr (out, text))
        fail_msg ("\"%s\" is not in:\n%s", text, out);
}

static void
tsql_logs_in_and_reads_several_result_sets (void **state)
{
    (void)state;
    bm_ran_t ran = {0};
    const char *out = s_tsql (&ran,
                              "SELECT SUSER_SNAME () AS who\nSELECT 1 AS a, N'x' AS b UNION ALL "
                              "SELECT 2, NULL\nGO\nSELECT N'second batch' AS c",
                              "off", STAND_PASSWORD);
    s_expect (out, "who\nsa\n");
    s_expect (out, "a\tb\n1\tx\n2\tNULL\n");
    s_expect (out, "c\nsecond batch\n");
    bm_ran_clear (&ran);
}

static void
tsql_is_told_of_a_wrong_password (void **state)
{
    (void)state;
    bm_ran_t ran = {0};
    const char *out = s_tsql (&ran, "SELECT 1 AS a", "off", "not-the-password");
    s_expect (out, "Msg 18456 (severity 14, state 1) from SQL01 Line 1:");
    s_expect (out, "Login failed for user 'sa'.");
    assert_null (strstr (out, "a\n1"));
    bm_ran_clear (&ran);
}

static void
tsql_sees_number_severity_state_procedure_and_line (void **state)
{
    (void)state;
    bm_ran_t ran = {0};
    const char *out = s_tsql (&ran,
                              "CREATE PROCEDURE dbo.Fails AS\nBEGIN\nSELECT 1 AS before\nRAISERROR "
                              "(N'it failed: %d', 16, 7, 42)\nEND\nGO\nEXEC dbo.Fails\nGO\n"
                              "SELECT * FROM dbo.NoSuchTable\nGO\nSELECT N'goes on' AS d\nGO\n"
                              "DROP PROCEDURE dbo.Fails",
                              "off", STAND_PASSWORD);
    s_expect (out, "before\n1\n");
    s_expect (out, "Msg 50000 (severity 16, state 7) from SQL01, Procedure Fails Line 4:");
    s_expect (out, "it failed: 42");
    s_expect (out, "Msg 208 (severity 16");
    s_expect (out, "d\ngoes on\n");
    bm_ran_clear (&ran);
}

static void
tsql_runs_transactions (void **state)
{
    (void)state;
    bm_ran_t ran = {0};
    const char *out =
        s_tsql (&ran,
                "CREATE DATABASE TranDb\nGO\nUSE TranDb\nGO\nCREATE TABLE dbo.T (Id int NOT NULL "
                "PRIMARY KEY)\nGO\nBEGIN TRANSACTION\nINSERT INTO dbo.T VALUES (1)\nCOMMIT\nGO\n"
                "BEGIN TRANSACTION\nINSERT INTO dbo.T VALUES (2)\nGO\nSELECT COUNT (*) AS inside "
                "FROM dbo.T\nGO\nROLLBACK\nGO\nSELECT COUNT (*) AS after, @@TRANCOUNT AS n FROM "
                "dbo.T\nGO\nINSERT INTO dbo.T VALUES (1)",
                "off", STAND_PASSWORD);
    s_expect (out, "inside\n2\n");
    s_expect (out, "after\tn\n1\t0\n");
    s_expect (out, "Msg 2627 (severity 14");
    bm_ran_clear (&ran);
}

static void
tsql_encrypts_the_login_alone_or_all (void **state)
{
    (void)state;
    static const char *const ways[][2] = {
        {"off", "FALSE"}, {"request", "FALSE"}, {"require", "TRUE"}};
    bm_ran_t ran = {0};
    for (size_t i = 0; i < 3; i++) {
        const char *out =
            s_tsql (&ran,
                    "SELECT encrypt_option FROM sys.dm_exec_connections WHERE "
                    "session_id = @@SPID\nSELECT REPLICATE (N'long ', 700) + N'!' AS t",
                    ways[i][0], STAND_PASSWORD);
        s_expect (out, ways[i][1]);
        s_expect (out, "long !\n");
    }
    bm_ran_clear (&ran);
}

/*  A server that is not what the authority vouches for: FreeTDS ends it before the login. */
static void
tsql_refuses_a_certificate_of_a_strange_authority (void **state)
{
    (void)state;
    sh_identity_order_t order = {.common_name = "another authority",
                                 .begins_s = -3600,
                                 .ends_s = 3600,
                                 .authority = true,
                                 .elliptic = true};
    sh_identity_t *other = sh_identity_new (&order, NULL);
    bm_ran_t ran = {0};
    char *right = bm_strdup (stand_path (s_stand, "ca.pem"));
    char *kept = bm_format ("%s.kept", right);
    assert_int_equal (rename (right, kept), 0);
    assert_true (sh_identity_write (other, right, NULL));
    const char *out = s_tsql (&ran, "SELECT 1 AS a", "require", STAND_PASSWORD);
    assert_int_equal (rename (kept, right), 0);
    assert_null (strstr (out, "a\n1"));
    s_expect (out, "Error 20002");
    bm_ran_clear (&ran);
    sh_identity_destroy (&other);
    free (right);
    free (kept);
}

/*  bsqldb: results to stdout, messages to stderr. */
static int
s_bsqldb (bm_ran_t *ran, const char *script, const char *password)
{
    char *server = bm_format ("localhost:%s", s_stand->port);
    const char *file = stand_write (s_stand, "script.sql", script);
    int code = stand_run (ran, (const char *[]){"bsqldb", "-S", server, "-U", "sa", "-P", password,
                                                "-i", file, "-t", "|", "-h", NULL});
    free (server);
    return code;
}

static void
bsqldb_runs_a_script_and_prints_its_rows (void **state)
{
    (void)state;
    bm_ran_t ran = {0};
    int code =
        s_bsqldb (&ran,
                  "CREATE DATABASE BsqlDb\nGO\nUSE BsqlDb\nGO\nCREATE TABLE dbo.B (Id int NOT "
                  "NULL PRIMARY KEY, Name nvarchar(40) NULL, At datetime NULL, Amount "
                  "decimal(10,2) NULL)\nGO\nINSERT INTO dbo.B VALUES (1, N'one', "
                  "'2024-02-29T12:34:56', 12.34)\nINSERT INTO dbo.B VALUES (2, NULL, NULL, "
                  "NULL)\nGO\nSELECT Id, Name, Amount FROM dbo.B ORDER BY Id\nGO\nSELECT "
                  "COUNT (*) FROM dbo.B\nGO\n",
                  STAND_PASSWORD);
    if (code != 0)
        fail_msg ("bsqldb ended with %d:\n%s%s", code, ran.out, ran.err);
    s_expect (ran.out, "1|one");
    s_expect (ran.out, "12.34");
    s_expect (ran.out, "2|NULL");
    bm_ran_clear (&ran);
}

static void
bsqldb_ends_with_an_error_when_a_batch_fails (void **state)
{
    (void)state;
    bm_ran_t ran = {0};
    assert_int_not_equal (s_bsqldb (&ran, "RAISERROR (N'it failed', 16, 3)\nGO\n", STAND_PASSWORD),
                          0);
    s_expect (ran.err, "it failed");
    assert_int_not_equal (s_bsqldb (&ran, "SELECT 1\nGO\n", "not-the-password"), 0);
    s_expect (ran.err, "Login failed");
    bm_ran_clear (&ran);
}

/*  More than one packet holds, over TLS and without. */
static void
tsql_takes_a_large_value_whole (void **state)
{
    (void)state;
    static const char *const ways[] = {"off", "require"};
    bm_ran_t ran = {0};
    for (size_t i = 0; i < 2; i++) {
        const char *out = s_tsql (
            &ran, "SELECT N'begin' AS b, REPLICATE (CONVERT (varchar(max), 'x'), 20000) + '!' AS t",
            ways[i], STAND_PASSWORD);
        const char *begin = strstr (out, "begin\txx");
        assert_non_null (begin);
        assert_int_equal (strspn (begin + 6, "x"), 20000);
        assert_int_equal (begin[20006], '!');
    }
    bm_ran_clear (&ran);
}

static int
s_begin (void **state)
{
    (void)state;
    s_stand = stand_new ();
    return 0;
}

static int
s_end (void **state)
{
    (void)state;
    stand_destroy (&s_stand);
    return 0;
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (tsql_logs_in_and_reads_several_result_sets),
        cmocka_unit_test (tsql_is_told_of_a_wrong_password),
        cmocka_unit_test (tsql_sees_number_severity_state_procedure_and_line),
        cmocka_unit_test (tsql_runs_transactions),
        cmocka_unit_test (tsql_encrypts_the_login_alone_or_all),
        cmocka_unit_test (tsql_refuses_a_certificate_of_a_strange_authority),
        cmocka_unit_test (bsqldb_runs_a_script_and_prints_its_rows),
        cmocka_unit_test (bsqldb_ends_with_an_error_when_a_batch_fails),
        cmocka_unit_test (tsql_takes_a_large_value_whole),
    };
    return cmocka_run_group_tests (tests, s_begin, s_end);
}
