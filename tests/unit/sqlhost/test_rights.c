/*  Who may do what: logins, users, roles, GRANT and DENY, and SQL Server's refusals. */
#include "tests/unit/sqlhost/tsql_fixture.h"

static fx_t s_fx;
static fx_client_t *s_sa, *s_bob;

static fx_client_t *
s_login (const char *name, const char *database)
{
    fx_client_t *c = calloc (1, sizeof *c);
    assert_non_null (c);
    if (fx_open_as (&s_fx, c, name, "secret", database) != SH_OPEN_OK)
        fail_msg ("no session: %s", c->out);
    return c;
}

static void
s_must (const char *sql)
{
    fx_run (s_sa, sql);
    if (strchr (s_sa->out, '!'))
        fail_msg ("%s: %s", sql, s_sa->last_text);
}

static int
s_setup (void **state)
{
    (void)state;
    fx_up (&s_fx);
    s_sa = fx_client (&s_fx);
    s_must ("CREATE DATABASE d");
    s_must ("CREATE DATABASE other");
    s_must ("CREATE LOGIN bob WITH PASSWORD = 'secret'");
    s_must ("CREATE LOGIN eve WITH PASSWORD = 'secret'");
    s_must ("USE d");
    s_must ("CREATE TABLE t (k int NOT NULL, v nvarchar(20) NULL)");
    s_must ("CREATE TABLE secret (k int NOT NULL)");
    s_must ("INSERT t VALUES (1, 'one') INSERT secret VALUES (7)");
    s_must ("CREATE PROCEDURE p AS SELECT k FROM dbo.secret");
    s_must ("CREATE PROCEDURE dynamic AS EXEC ('SELECT k FROM dbo.secret')");
    s_must ("CREATE PROCEDURE across AS SELECT COUNT(*) FROM other.dbo.x");
    s_must ("CREATE VIEW w AS SELECT k FROM dbo.secret");
    s_must ("CREATE FUNCTION f () RETURNS int AS BEGIN RETURN 5 END");
    s_must ("CREATE USER bob FOR LOGIN bob");
    s_must ("CREATE ROLE readers");
    s_must ("CREATE TABLE other.dbo.x (k int)");
    s_bob = s_login ("bob", "d");
    return 0;
}

static int
s_teardown (void **state)
{
    (void)state;
    fx_leave (s_bob);
    fx_leave (s_sa);
    fx_down (&s_fx);
    return 0;
}

static void
a_user_without_grants_is_refused_everything (void **state)
{
    (void)state;
    fx_expect (s_bob, "SELECT * FROM t", "!229\n");
    assert_string_equal (s_bob->last_text,
                         "The SELECT permission was denied on the object 't', database 'd', "
                         "schema 'dbo'.");
    fx_expect (s_bob, "INSERT t VALUES (2, 'x')", "!229\n");
    fx_expect (s_bob, "UPDATE t SET v = 'x'", "!229\n");
    fx_expect (s_bob, "DELETE t", "!229\n");
    fx_expect (s_bob, "TRUNCATE TABLE t", "!4701\n");
    fx_expect (s_bob, "EXEC p", "!229\n");
    fx_expect (s_bob, "DECLARE @rc int EXEC @rc = p SELECT @rc", "!229\nNULL\n");
    fx_expect (s_bob, "SELECT dbo.f()", "!229\n");
    fx_expect (s_bob, "SELECT * FROM w", "!229\n");
    fx_expect (s_bob, "CREATE TABLE mine (k int)", "!262\n");
    fx_expect (s_bob, "CREATE PROCEDURE q AS SELECT 1", "!262\n");
    fx_expect (s_bob, "ALTER TABLE t ADD z int NULL", "!1088\n");
    fx_expect (s_bob, "DROP TABLE t", "!3701\n");
    fx_expect (s_bob, "DROP DATABASE d", "!3701\n");
    fx_expect (s_bob, "ALTER DATABASE d SET RECOVERY SIMPLE", "!5011\n");
    fx_expect (s_bob, "CREATE DATABASE mine", "!262\n");
    fx_expect (s_bob, "CREATE LOGIN mallory WITH PASSWORD = 'x'", "!15247\n");
    fx_expect (s_bob, "CREATE USER eve FOR LOGIN eve", "!15247\n");
    fx_expect (s_bob, "ALTER ROLE db_owner ADD MEMBER bob", "!15151\n");
    fx_expect (s_bob, "ALTER SERVER ROLE sysadmin ADD MEMBER bob", "!15151\n");
    fx_expect (s_bob, "GRANT SELECT ON t TO bob", "!15151\n");
    fx_expect (s_bob, "GRANT CONTROL TO bob", "!4613\n");
    fx_expect (s_bob, "KILL 51", "!6102\n");
    fx_expect (s_bob, "RECONFIGURE", "!5812\n");
    fx_expect (s_bob, "EXEC sp_configure 'remote access', 0", "!15247\n=1\n");
    fx_expect (s_bob, "EXEC xp_delete_file 0, '/tmp/x'", "!229\n=1\n");
    fx_expect (s_bob, "BACKUP DATABASE d TO DISK = '/tmp/x'", "!262\n!3013\n");
    fx_expect (s_bob, "BACKUP LOG d TO DISK = '/tmp/x'", "!262\n!3013\n");
    fx_expect (s_bob, "RESTORE HEADERONLY FROM DISK = '/tmp/x'", "!262\n!3013\n");
    fx_expect (s_bob, "CREATE TABLE #t (k int) INSERT #t VALUES (1) SELECT k FROM #t", "1\n");
    fx_expect (s_sa, "SELECT COUNT(*) FROM d.dbo.t", "1\n");
}

static void
a_database_without_a_user_for_the_login_is_closed (void **state)
{
    fx_client_t c;
    (void)state;
    fx_expect (s_bob, "USE other", "!916\n");
    fx_expect (s_bob, "SELECT * FROM other.dbo.x", "!916\n");
    fx_expect (s_bob, "BACKUP LOG other TO DISK = '/tmp/x'", "!916\n!3013\n");
    fx_expect (s_bob, "SELECT HAS_DBACCESS('d'), HAS_DBACCESS('other'), HAS_DBACCESS('msdb')",
               "1|0|1\n");
    fx_expect (s_bob, "SELECT name FROM sys.databases WHERE name = 'other'", "other\n");
    assert_int_equal (fx_open_as (&s_fx, &c, "bob", "secret", "other"), SH_OPEN_REFUSED);
    assert_string_equal (c.out, "!4060\n!18456\n");
    s_must ("USE other");
    s_must ("GRANT CONNECT TO guest");
    fx_expect (s_bob, "USE other SELECT USER_NAME() USE d", "#5701\nguest\n#5701\n");
    s_must ("REVOKE CONNECT FROM guest");
    fx_expect (s_bob, "USE other", "!916\n");
    s_must ("USE d");
}

static void
grants_denies_and_revokes_bite_at_once (void **state)
{
    (void)state;
    s_must ("GRANT SELECT, INSERT ON OBJECT::dbo.t TO bob");
    fx_expect (s_bob, "SELECT k FROM t", "1\n");
    fx_expect (s_bob, "INSERT t VALUES (2, 'two')", "");
    fx_expect (s_bob, "DELETE t WHERE k = 2", "!229\n");
    s_must ("GRANT DELETE ON t TO bob");
    fx_expect (s_bob, "DELETE t WHERE k = 2", "");
    s_must ("DENY SELECT ON t TO bob");
    fx_expect (s_bob, "SELECT k FROM t", "!229\n");
    fx_expect (s_bob, "DELETE t WHERE k = 2", "!229\n"); /* its condition reads */
    s_must ("REVOKE SELECT ON t FROM bob");
    fx_expect (s_bob, "SELECT k FROM t", "!229\n");
    s_must ("GRANT SELECT ON SCHEMA::dbo TO bob");
    fx_expect (s_bob, "SELECT k FROM t SELECT k FROM secret", "1\n7\n");
    s_must ("DENY SELECT ON secret TO public");
    fx_expect (s_bob, "SELECT k FROM secret", "!229\n");
    s_must ("REVOKE SELECT ON secret FROM public REVOKE SELECT ON SCHEMA::dbo FROM bob");
    s_must ("GRANT EXECUTE TO bob");
    fx_expect (s_bob, "SELECT dbo.f()", "5\n");
    s_must ("REVOKE EXECUTE FROM bob REVOKE INSERT, DELETE ON t FROM bob");
    fx_expect (s_sa, "GRANT FLY ON t TO bob", "!102\n");
    fx_expect (s_sa, "GRANT SELECT ON nothing TO bob", "!15151\n");
    fx_expect (s_sa, "GRANT SELECT ON t TO nobody", "!15151\n");
    fx_expect (s_sa, "GRANT SELECT (k) ON t TO bob", "!40000\n");
    fx_expect (s_sa, "SELECT COUNT(*) FROM sys.database_permissions", "0\n");
}

static void
rights_come_through_roles_in_roles (void **state)
{
    (void)state;
    s_must ("CREATE ROLE outer_role GRANT SELECT ON t TO outer_role");
    s_must ("ALTER ROLE outer_role ADD MEMBER readers");
    fx_expect (s_bob, "SELECT k FROM t", "!229\n");
    s_must ("EXEC sp_addrolemember 'readers', 'bob'");
    fx_expect (s_bob, "SELECT k FROM t", "1\n");
    fx_expect (s_bob,
               "SELECT IS_MEMBER('readers'), IS_ROLEMEMBER('outer_role'), IS_MEMBER('db_owner'), "
               "IS_MEMBER('public'), IS_MEMBER('nothing')",
               "1|1|0|1|NULL\n");
    fx_expect (s_sa, "SELECT IS_ROLEMEMBER('outer_role', 'bob'), IS_MEMBER('db_owner')", "1|1\n");
    s_must ("ALTER ROLE readers DROP MEMBER bob");
    fx_expect (s_bob, "SELECT k FROM t", "!229\n");
    s_must ("ALTER ROLE readers ADD MEMBER bob DROP USER bob");
    s_must ("CREATE USER bob FOR LOGIN bob");
    fx_expect (s_bob, "SELECT k FROM t", "!229\n"); /* went with the user */
}

static void
fixed_roles_have_their_rights (void **state)
{
    char folder[200];
    (void)state;
    s_must ("ALTER ROLE db_datareader ADD MEMBER bob");
    fx_expect (s_bob, "SELECT k FROM t", "1\n");
    s_must ("ALTER ROLE db_denydatareader ADD MEMBER bob");
    fx_expect (s_bob, "SELECT k FROM t", "!229\n");
    s_must (
        "ALTER ROLE db_denydatareader DROP MEMBER bob ALTER ROLE db_datareader DROP MEMBER bob");
    s_must ("ALTER ROLE db_backupoperator ADD MEMBER bob");
    snprintf (folder, sizeof folder, "BACKUP DATABASE d TO DISK = '%s/b.bak' CHECKPOINT",
              s_fx.directory);
    fx_expect (s_bob, folder, "#4035\n#3014\n");
    fx_expect (s_bob, "SELECT k FROM t", "!229\n");
    fx_expect (s_bob, "SELECT COUNT(*) FROM msdb.dbo.backupset", "1\n");
    fx_expect (s_bob, "SELECT COUNT(*) FROM msdb.dbo.sysjobs", "!229\n");
    fx_expect (s_bob, "INSERT msdb.dbo.logmarkhistory (database_name) VALUES ('x')", "!229\n");
    s_must ("DENY BACKUP DATABASE TO bob");
    fx_expect (s_bob, folder, "!262\n!3013\n");
    s_must ("REVOKE BACKUP DATABASE FROM bob ALTER ROLE db_backupoperator DROP MEMBER bob");
    s_must ("ALTER ROLE db_owner ADD MEMBER bob DENY SELECT ON t TO bob");
    fx_expect (s_bob, "SELECT k FROM t", "1\n"); /* an owner is not denied anything */
    fx_expect (s_bob, "ALTER DATABASE d SET RECOVERY FULL", "");
    s_must ("ALTER ROLE db_owner DROP MEMBER bob REVOKE SELECT ON t FROM bob");
    s_must ("ALTER AUTHORIZATION ON DATABASE::d TO bob");
    fx_expect (s_bob, "SELECT USER_NAME(), k FROM t", "dbo|1\n");
    s_must ("ALTER AUTHORIZATION ON DATABASE::d TO sa");
    fx_expect (s_bob, "SELECT USER_NAME()", "bob\n");
}

static void
a_module_speaks_for_its_owner_but_not_through_dynamic_sql (void **state)
{
    (void)state;
    s_must ("GRANT EXECUTE ON p TO bob GRANT EXECUTE ON dynamic TO bob GRANT EXECUTE ON across TO "
            "bob GRANT SELECT ON w TO bob");
    fx_expect (s_bob, "EXEC p", "7\n=0\n");
    fx_expect (s_bob, "SELECT k FROM w", "7\n");
    fx_expect (s_bob, "EXEC dynamic", "!229\n=0\n");
    fx_run (s_bob, "EXEC across"); /* a chain ends with its database */
    assert_non_null (strstr (s_bob->out, "!916\n"));
    fx_expect (s_bob, "SELECT k FROM secret", "!229\n");
    s_must ("REVOKE EXECUTE ON p FROM bob REVOKE EXECUTE ON dynamic FROM bob REVOKE EXECUTE ON "
            "across FROM bob REVOKE SELECT ON w FROM bob");
}

static void
the_servers_state_wants_a_permission_of_the_server (void **state)
{
    (void)state;
    fx_expect (s_bob, "SELECT COUNT(*) FROM sys.dm_tran_active_transactions", "!300\n!297\n");
    fx_expect (s_bob, "SELECT COUNT(*) FROM sys.dm_os_wait_stats", "!300\n!297\n");
    fx_expect (s_bob, "SELECT * FROM sys.dm_os_file_exists('/tmp')", "!300\n!297\n");
    fx_expect (s_bob,
               "BEGIN TRY EXEC ('SELECT COUNT(*) FROM sys.dm_os_wait_stats') END TRY BEGIN CATCH "
               "SELECT ERROR_NUMBER() END CATCH",
               "297\n");
    fx_expect (s_bob,
               "SELECT COUNT(*), MAX(session_id) - @@SPID FROM sys.dm_exec_sessions SELECT "
               "COUNT(*) FROM sys.dm_exec_requests",
               "1|0\n1\n");
    fx_expect (s_sa, "GRANT VIEW SERVER STATE TO bob", "!4621\n");
    s_must ("USE master GRANT VIEW SERVER STATE TO bob");
    fx_expect (s_bob,
               "SELECT SIGN(COUNT(*)) FROM sys.dm_os_wait_stats SELECT COUNT(*) FROM "
               "sys.dm_exec_sessions",
               "1\n2\n");
    s_must ("DENY VIEW SERVER STATE TO bob");
    fx_expect (s_bob, "SELECT COUNT(*) FROM sys.dm_os_wait_stats", "!300\n!297\n");
    s_must ("REVOKE VIEW SERVER STATE FROM bob");
    s_must ("ALTER SERVER ROLE processadmin ADD MEMBER bob");
    fx_expect (s_bob,
               "SELECT IS_SRVROLEMEMBER('processadmin'), IS_SRVROLEMEMBER('sysadmin'), "
               "IS_SRVROLEMEMBER('nonsense'), HAS_PERMS_BY_NAME(NULL, NULL, 'ALTER ANY "
               "CONNECTION')",
               "1|0|NULL|1\n");
    fx_expect (s_bob, "SELECT SIGN(COUNT(*)) FROM sys.dm_os_wait_stats", "1\n");
    s_must ("ALTER SERVER ROLE processadmin DROP MEMBER bob");
    s_must ("CREATE USER bob FOR LOGIN bob GRANT EXECUTE ON xp_delete_file TO bob");
    fx_expect (s_bob, "EXEC master.dbo.xp_delete_file 0, '/no/such/file'", "!22049\n=1\n");
    s_must ("DROP USER bob USE d");
    fx_expect (s_bob, "EXEC master.dbo.xp_delete_file 0, '/no/such/file'", "!229\n=1\n");
}

static void
questions_about_permissions_are_answered (void **state)
{
    (void)state;
    const char *ask = "SELECT HAS_PERMS_BY_NAME(N'[d]', N'DATABASE', N'BACKUP LOG'), "
                      "HAS_PERMS_BY_NAME(N'[d].dbo.t', N'OBJECT', N'SELECT'), "
                      "HAS_PERMS_BY_NAME(N'[d].dbo.t', N'OBJECT', N'DELETE'), "
                      "HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE'), "
                      "HAS_PERMS_BY_NAME(N'none', N'DATABASE', N'BACKUP LOG'), "
                      "HAS_PERMS_BY_NAME(N'd.dbo.none', N'OBJECT', N'SELECT')";
    fx_expect (s_sa, ask, "1|1|1|1|NULL|NULL\n");
    fx_expect (s_bob, ask, "0|NULL|NULL|0|NULL|NULL\n");
    s_must ("GRANT BACKUP LOG TO bob GRANT SELECT ON t TO bob");
    fx_expect (s_bob, ask, "1|1|0|0|NULL|NULL\n");
    fx_expect (s_bob, "SELECT permission_name FROM fn_my_permissions('dbo.t', 'OBJECT')",
               "SELECT\n");
    fx_expect (s_bob, "SELECT permission_name FROM sys.fn_my_permissions(NULL, 'DATABASE')",
               "BACKUP LOG\nCONNECT\n");
    fx_expect (s_bob, "SELECT permission_name FROM fn_my_permissions(NULL, 'SERVER')",
               "CONNECT SQL\nVIEW ANY DATABASE\n");
    s_must ("REVOKE BACKUP LOG FROM bob REVOKE SELECT ON t FROM bob");
}

static void
objects_without_any_permission_are_not_seen (void **state)
{
    (void)state;
    fx_expect (s_bob, "SELECT OBJECT_ID('dbo.t'), OBJECT_ID('d.dbo.p')", "NULL|NULL\n");
    fx_expect (s_bob, "SELECT COUNT(*) FROM sys.objects", "0\n");
    s_must ("GRANT EXECUTE ON p TO bob");
    fx_expect (s_bob, "SELECT name FROM sys.procedures WHERE object_id = OBJECT_ID('dbo.p')",
               "p\n");
    fx_expect (s_bob, "SELECT COUNT(*) FROM sys.columns", "0\n");
    s_must ("REVOKE EXECUTE ON p FROM bob GRANT VIEW DEFINITION TO bob");
    fx_expect (s_bob, "SELECT SIGN(OBJECT_ID('dbo.t')), COUNT(*) FROM sys.tables", "1|2\n");
    s_must ("REVOKE VIEW DEFINITION FROM bob");
    fx_expect (s_bob, "SELECT COUNT(*) FROM sys.master_files", "0\n");
}

static void
principals_and_permissions_are_listed (void **state)
{
    (void)state;
    s_must ("ALTER ROLE readers ADD MEMBER bob GRANT SELECT ON t TO readers WITH GRANT OPTION DENY "
            "BACKUP LOG TO bob");
    fx_expect (s_sa,
               "SELECT r.name, m.name FROM sys.database_role_members x JOIN "
               "sys.database_principals r ON r.principal_id = x.role_principal_id JOIN "
               "sys.database_principals m ON m.principal_id = x.member_principal_id WHERE m.name "
               "= 'bob'",
               "readers|bob\n");
    fx_expect (s_sa,
               "SELECT p.name, x.permission_name, x.type, x.state, x.class_desc, "
               "OBJECT_NAME(x.major_id) FROM sys.database_permissions x JOIN "
               "sys.database_principals p ON p.principal_id = x.grantee_principal_id ORDER BY 1",
               "bob|BACKUP "
               "LOG|BALO|D|DATABASE|NULL\nouter_role|SELECT|SL|G|OBJECT_OR_COLUMN|t\nreaders|"
               "SELECT|SL|W|OBJECT_OR_COLUMN|t\n");
    fx_expect (s_sa,
               "SELECT p.name, l.name FROM sys.database_principals p JOIN sys.server_principals l "
               "ON l.sid = p.sid WHERE p.type = 'S' ORDER BY 1",
               "bob|bob\ndbo|sa\n");
    fx_expect (s_sa,
               "SELECT l.name FROM sys.server_role_members x JOIN sys.server_principals r ON "
               "r.principal_id = x.role_principal_id JOIN sys.server_principals l ON "
               "l.principal_id = x.member_principal_id WHERE r.name = 'sysadmin'",
               "sa\n");
    s_must ("USE master GRANT ALTER ANY CONNECTION TO eve");
    fx_expect (s_sa,
               "SELECT x.permission_name, x.state_desc FROM sys.server_permissions x JOIN "
               "sys.server_principals l ON l.principal_id = x.grantee_principal_id WHERE l.name = "
               "'eve' ORDER BY 1",
               "ALTER ANY CONNECTION|GRANT\nCONNECT SQL|GRANT\n");
    s_must ("USE d");
    fx_expect (s_bob, "SELECT COUNT(*) FROM sys.server_principals WHERE type = 'S'", "2\n");
}

static void
rights_outlive_a_restart (void **state)
{
    sh_error_t error = {0};
    (void)state;
    s_must ("GRANT SELECT ON t TO bob");
    fx_leave (s_bob);
    fx_leave (s_sa);
    sh_tsql_backend_destroy (&s_fx.backend);
    sh_instance_close (&s_fx.instance);
    sh_options_t options = {.directory = s_fx.data};
    assert_int_equal (sh_instance_open (&s_fx.instance, &options, &error), SH_OK);
    s_fx.backend = sh_tsql_backend_new (s_fx.instance);
    s_sa = fx_client (&s_fx);
    s_bob = s_login ("bob", "d");
    fx_expect (s_bob, "SELECT k FROM t", "1\n");
    fx_expect (s_bob, "SELECT k FROM secret", "!229\n");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_user_without_grants_is_refused_everything),
        cmocka_unit_test (a_database_without_a_user_for_the_login_is_closed),
        cmocka_unit_test (grants_denies_and_revokes_bite_at_once),
        cmocka_unit_test (rights_come_through_roles_in_roles),
        cmocka_unit_test (fixed_roles_have_their_rights),
        cmocka_unit_test (a_module_speaks_for_its_owner_but_not_through_dynamic_sql),
        cmocka_unit_test (the_servers_state_wants_a_permission_of_the_server),
        cmocka_unit_test (questions_about_permissions_are_answered),
        cmocka_unit_test (objects_without_any_permission_are_not_seen),
        cmocka_unit_test (principals_and_permissions_are_listed),
        cmocka_unit_test (rights_outlive_a_restart)};
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
