#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "coordinator/core/findings.h"

static void
the_most_severe_stands_first_and_gives_the_status (void **state)
{
    (void)state;
    bm_findings_t findings = {0};
    assert_int_equal (bm_findings_status (&findings), BM_OK);
    bm_findings_add (&findings, BM_LEVEL_NOTE, (bm_subject_t){.topic = "b"}, "", "a note");
    assert_int_equal (bm_findings_status (&findings), BM_OK);
    assert_null (findings.items[0].remedy);
    bm_findings_add (&findings, BM_LEVEL_WARNING, (bm_subject_t){"a", "SQL02", NULL}, "do it",
                     "a warning");
    assert_int_equal (bm_findings_status (&findings), BM_WARNINGS);
    bm_findings_fail (&findings, BM_NOT_READY, (bm_subject_t){"c", "SQL01", "OrdersDb"}, "do that",
                      "a failure of %s", "OrdersDb");
    assert_int_equal (bm_findings_status (&findings), BM_NOT_READY);
    bm_findings_fail (&findings, BM_UNREACHABLE, (bm_subject_t){"agent", "SQL03", NULL}, NULL,
                      "gone");
    assert_int_equal (bm_findings_status (&findings), BM_UNREACHABLE);
    bm_findings_sort (&findings);
    assert_string_equal (findings.items[0].topic, "agent");
    assert_string_equal (findings.items[1].text, "a failure of OrdersDb");
    assert_string_equal (findings.items[1].database, "OrdersDb");
    assert_string_equal (findings.items[2].remedy, "do it");
    assert_int_equal (findings.items[3].level, BM_LEVEL_NOTE);
    assert_int_equal (bm_findings_level_count (&findings, BM_LEVEL_FAILURE), 2);
    bm_findings_clear (&findings);
    assert_int_equal (findings.count, 0);
}

static void
what_was_said_is_not_said_again (void **state)
{
    (void)state;
    bm_findings_t findings = {0};
    for (int i = 0; i < 2; i++)
        bm_findings_add (&findings, BM_LEVEL_WARNING, (bm_subject_t){"clock", "SQL01", NULL}, "",
                         "5 s apart");
    assert_int_equal (findings.count, 1);
    bm_findings_add (&findings, BM_LEVEL_WARNING, (bm_subject_t){"clock", "SQL02", NULL}, "",
                     "5 s apart");
    assert_int_equal (findings.count, 2);
    bm_findings_clear (&findings);
}

static void
what_is_in_order_is_no_finding_of_its_topic (void **state)
{
    (void)state;
    bm_findings_t findings = {0};
    bm_findings_add (&findings, BM_LEVEL_OK, (bm_subject_t){"path", "SQL01", NULL}, "", "fine");
    assert_false (bm_findings_has (&findings, "path", NULL));
    bm_findings_add (&findings, BM_LEVEL_NOTE, (bm_subject_t){"path", "SQL02", NULL}, "", "hm");
    assert_true (bm_findings_has (&findings, "path", NULL));
    assert_true (bm_findings_has (&findings, "path", "SQL02"));
    assert_false (bm_findings_has (&findings, "path", "SQL01"));
    bm_findings_clear (&findings);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_most_severe_stands_first_and_gives_the_status),
        cmocka_unit_test (what_was_said_is_not_said_again),
        cmocka_unit_test (what_is_in_order_is_no_finding_of_its_topic),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
