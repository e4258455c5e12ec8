/*  tests/unit/agent/sql_tests.h
 *  A session to the scripted SQL Server, for the rooms that only speak SQL.
 */
#ifndef BM_SQL_TESTS_H
#define BM_SQL_TESTS_H

#include "tests/unit/agent/tests.h"

#include "common/sql.h"
#include "tests/unit/agent/fake_sql.h"

typedef struct {
    fake_sql_t *fake;
    bm_secret_t *password;
    bm_sql_t *sql;
    void *argument;
} sql_place_t;

static inline bm_sql_t *
sql_open (const sql_place_t *place)
{
    bm_error_t error = {0};
    bm_sql_login_t login = {.server = sh_server_address (place->fake->server),
                            .access = {.encrypt = BM_SQL_ENCRYPT_OFF},
                            .user = "sa",
                            .password = place->password,
                            .program = "btsmark-agent test"};
    bm_sql_t *sql = bm_sql_open (&login, &error);
    if (!sql)
        fail_msg ("%s", error.text);
    return sql;
}

static inline int
sql_setup (void **state)
{
    sql_place_t *place = bm_alloc (sizeof *place);
    place->fake = fake_sql_new ();
    place->fake->argument = place;
    place->password = bm_secret_new ("secret");
    place->sql = sql_open (place);
    *state = place;
    return 0;
}

static inline int
sql_teardown (void **state)
{
    sql_place_t *place = *state;
    bm_sql_close (&place->sql);
    fake_sql_free (place->fake);
    bm_secret_destroy (&place->password);
    free (place);
    return 0;
}

#define SQL_TEST(name) cmocka_unit_test_setup_teardown (name, sql_setup, sql_teardown)

static inline int
sql_main (const struct CMUnitTest *tests, size_t count)
{
    bm_error_t error = {0};
    if (bm_sql_init (&error) != BM_OK)
        return 1;
    int failed = _cmocka_run_group_tests ("agent", tests, count, NULL, NULL);
    bm_sql_exit ();
    return failed;
}

#endif
