#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "coordinator/shell/runlock.h"

static char s_folder[64], s_catalogue[128], s_lock[160];

static int
setup (void **state)
{
    (void)state;
    snprintf (s_folder, sizeof s_folder, "/tmp/bm-runlock-XXXXXX");
    if (!mkdtemp (s_folder))
        return -1;
    snprintf (s_catalogue, sizeof s_catalogue, "%s/catalogue.db", s_folder);
    snprintf (s_lock, sizeof s_lock, "%s.lock", s_catalogue);
    return 0;
}

static int
teardown (void **state)
{
    (void)state;
    unlink (s_lock);
    return rmdir (s_folder);
}

static void
a_second_run_is_told_who_holds_the_lock (void **state)
{
    (void)state;
    bm_error_t error = {0};
    assert_false (bm_runlock_held (s_catalogue)); /* looking makes no file */
    assert_int_equal (access (s_lock, F_OK), -1);
    bm_runlock_t *first = bm_runlock_take (s_catalogue, &error);
    assert_non_null (first);
    assert_true (bm_runlock_held (s_catalogue));
    assert_null (bm_runlock_take (s_catalogue, &error));
    assert_int_equal (error.status, BM_LOCK_BUSY);
    char process[32];
    snprintf (process, sizeof process, "process %ld", (long)getpid ());
    assert_non_null (strstr (error.text, process));
    bm_runlock_release (&first);
    assert_false (bm_runlock_held (s_catalogue));
    assert_null (first);
    bm_runlock_release (&first);
    first = bm_runlock_take (s_catalogue, &error);
    assert_non_null (first);
    bm_runlock_release (&first);
}

static void
the_lock_of_a_killed_run_is_free (void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal (pipe (pipes), 0);
    pid_t child = fork ();
    if (child == 0) {
        if (bm_runlock_take (s_catalogue, NULL) && write (pipes[1], "x", 1) == 1)
            pause ();
        _exit (1);
    }
    char byte;
    assert_int_equal (read (pipes[0], &byte, 1), 1);
    bm_error_t error = {0};
    assert_null (bm_runlock_take (s_catalogue, &error));
    assert_int_equal (error.status, BM_LOCK_BUSY);
    kill (child, SIGKILL);
    assert_int_equal (waitpid (child, NULL, 0), child);
    bm_runlock_t *lock = bm_runlock_take (s_catalogue, &error);
    assert_non_null (lock);
    bm_runlock_release (&lock);
    close (pipes[0]);
    close (pipes[1]);
}

static void
a_folder_that_is_not_there_is_an_error_of_the_catalogue (void **state)
{
    (void)state;
    bm_error_t error = {0};
    assert_null (bm_runlock_take ("/nowhere/at/all/catalogue.db", &error));
    assert_int_equal (error.status, BM_CATALOGUE);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (a_second_run_is_told_who_holds_the_lock, setup, teardown),
        cmocka_unit_test_setup_teardown (the_lock_of_a_killed_run_is_free, setup, teardown),
        cmocka_unit_test (a_folder_that_is_not_there_is_an_error_of_the_catalogue),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
