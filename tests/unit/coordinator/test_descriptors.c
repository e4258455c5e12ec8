/*  tests/unit/coordinator/test_descriptors.c
 *  300 agents on a machine with 256 file descriptors: told before libzmq runs out of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "coordinator/shell/agents.h"
#include "coordinator/shell/descriptors.h"

static struct rlimit s_before;

static void
s_limit (rlim_t files)
{
    struct rlimit limit = {files, s_before.rlim_max};
    assert_int_equal (setrlimit (RLIMIT_NOFILE, &limit), 0);
}

static void
as_many_connections_as_fit_are_let_pass_and_one_more_is_not (void **state)
{
    (void)state;
    bm_error_t error = {0};
    s_limit (256);
    assert_int_equal (bm_descriptors_check (256 - 64, &error), BM_OK);
    assert_int_equal (bm_descriptors_check (256 - 63, &error), BM_LIMIT);
    assert_non_null (strstr (error.text, "256"));
    assert_non_null (strstr (error.remedy, "LimitNOFILE"));
}

static void
the_soft_limit_is_lifted_to_the_hard_one (void **state)
{
    (void)state;
    struct rlimit now;
    s_limit (256);
    bm_descriptors_raise ();
    assert_int_equal (getrlimit (RLIMIT_NOFILE, &now), 0);
    assert_int_equal (now.rlim_cur, now.rlim_max);
}

/*  The twin is libzmq itself: it would go on until a socket cannot be made, and stop the process. */
static void
three_hundred_agents_and_256_descriptors_end_with_an_error_that_names_the_limit (void **state)
{
    (void)state;
    bm_error_t error = {0};
    char path[] = "/tmp/btsmark-test-key-XXXXXX", public_text[BM_KEY_TEXT_BYTES], files[2][64];
    assert_non_null (mkdtemp (path));
    snprintf (files[0], sizeof files[0], "%s/key", path);
    snprintf (files[1], sizeof files[1], "%s/key.pub", path);
    assert_int_equal (bm_key_generate (files[0], "test", public_text, &error), BM_OK);
    bm_key_t *key = bm_key_load (files[0], &error);
    bm_agents_options_t options = {.key = key, .group = "test", .epoch = 1};
    bm_agents_t *agents = bm_agents_new (&options, &error);
    assert_non_null (agents);
    s_limit (256);
    size_t added = 0;
    for (; added < 300 && error.status == BM_OK; added++) {
        char name[32], address[64];
        snprintf (name, sizeof name, "SQL%03zu", added);
        snprintf (address, sizeof address, "tcp://127.0.0.1:%zu", 20000 + added);
        bm_agents_add (agents, name, address, public_text, &error);
    }
    assert_int_equal (error.status, BM_LIMIT);
    assert_int_equal (bm_status_exit_code (error.status), 10);
    assert_int_equal (bm_agents_count (agents), 256 - 64);
    bm_descriptors_raise ();
    bm_agents_destroy (&agents);
    bm_key_destroy (&key);
    remove (files[0]);
    remove (files[1]);
    remove (path);
}

static int
s_setup (void **state)
{
    (void)state;
    return getrlimit (RLIMIT_NOFILE, &s_before);
}

static int
s_teardown (void **state)
{
    (void)state;
    return setrlimit (RLIMIT_NOFILE, &s_before);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (
            as_many_connections_as_fit_are_let_pass_and_one_more_is_not, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (the_soft_limit_is_lifted_to_the_hard_one, s_setup,
                                         s_teardown),
        cmocka_unit_test_setup_teardown (
            three_hundred_agents_and_256_descriptors_end_with_an_error_that_names_the_limit,
            s_setup, s_teardown),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
