#include "tests/unit/agent/tests.h"

#include "agent/shell/claims.h"

/*  Whose claim stands in the way of one file; the caller frees. */
static char *
s_take (bm_claims_t *claims, const char *instance, uint64_t run, const char *folder,
        const char *name)
{
    char *rival = NULL;
    bm_claim_t claim = {
        .instance = instance, .run = run, .folders = &folder, .names = &name, .count = 1};
    bm_claims_take (claims, &claim, &rival);
    return rival;
}

static void
s_expect (bm_claims_t *claims, const char *instance, uint64_t run, const char *folder,
          const char *name, const char *rival)
{
    char *got = s_take (claims, instance, run, folder, name);
    if (got && rival ? strcmp (got, rival) != 0 : got || rival)
        fail_msg ("%s: %s", instance, got ? got : "no rival");
    free (got);
}

static void
one_file_of_two_instances_is_noticed (void **state)
{
    (void)state;
    bm_claims_t *claims = bm_claims_new ();
    s_expect (claims, "A", 1, "/b", "S_Db_Full_.bak", NULL);
    s_expect (claims, "B", 1, "/b", "S_Other_Full_.bak", NULL);
    s_expect (claims, "C", 1, "/b", "s_DB_Full_.bak", "A");
    s_expect (claims, "D", 1, "/c", "S_Db_Full_.bak", NULL);
    s_expect (claims, "E", 1, NULL, "S_Db_Full_.bak", NULL);
    s_expect (claims, "F", 1, "/B", "S_Db_Full_.bak", NULL); /* another folder on Linux */
    bm_claims_destroy (&claims);
    bm_claims_destroy (&claims);
}

static void
paths_of_windows_are_compared_as_windows_does (void **state)
{
    (void)state;
    bm_claims_t *claims = bm_claims_new ();
    s_expect (claims, "A", 1, "D:\\Backup", "S_Db_Full_.bak", NULL);
    s_expect (claims, "B", 1, "d:\\backup", "S_Db_Full_.bak", "A");
    bm_claims_destroy (&claims);
}

static void
an_instance_is_no_rival_of_itself_nor_of_another_run (void **state)
{
    (void)state;
    bm_claims_t *claims = bm_claims_new ();
    s_expect (claims, "A", 1, "/b", "f", NULL);
    s_expect (claims, "a", 1, "/b", "f", NULL);
    s_expect (claims, "B", 2, "/b", "f", NULL);
    s_expect (claims, "A", 2, "/b", "f", "B"); /* its claim of run 1 is gone */
    s_expect (claims, "C", 1, "/b", "f", NULL);
    bm_claims_destroy (&claims);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (one_file_of_two_instances_is_noticed),
        cmocka_unit_test (paths_of_windows_are_compared_as_windows_does),
        cmocka_unit_test (an_instance_is_no_rival_of_itself_nor_of_another_run)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
