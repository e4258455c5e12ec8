#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/error.h"
#include "coordinator/core/record.h"

static void
both_spellings_of_a_type_are_read_and_nothing_else (void **state)
{
    (void)state;
    bm_set_type_t type = BM_SET_LOG;
    assert_true (bm_record_type_parse ("db", &type) && type == BM_SET_FULL);
    assert_true (bm_record_type_parse ("L", &type) && type == BM_SET_LOG);
    assert_true (bm_record_type_parse ("D", &type) && type == BM_SET_FULL);
    assert_true (bm_record_type_parse ("lg", &type) && type == BM_SET_LOG);
    static const char *const others[] = {"", "I", "d", "DB", "log", NULL};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false (bm_record_type_parse (others[i], &type));
    assert_int_equal (type, BM_SET_LOG);
}

/*  Every byte of the copy is its own: what happens to the source does not reach it. */
static void
a_copy_owns_all_of_its_texts (void **state)
{
    (void)state;
    bm_backup_t from = {.bytes = 7, .recorded = true};
    char **const texts[] = {&from.server,     &from.instance,       &from.database,
                            &from.uuid,       &from.device,         &from.first_lsn,
                            &from.last_lsn,   &from.checkpoint_lsn, &from.database_backup_lsn,
                            &from.first_fork, &from.last_fork,      &from.family,
                            &from.started,    &from.finished,       &from.recovery_model,
                            &from.user,       &from.mark,           &from.mark_lsn};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = bm_format ("text %zu", i);
    bm_backup_t to;
    bm_backup_copy (&to, &from);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        memset (*texts[i], 'x', strlen (*texts[i]));
    bm_backup_clear (&from);
    assert_null (from.server);
    assert_string_equal (to.server, "text 0");
    assert_string_equal (to.mark_lsn, "text 17");
    assert_int_equal (to.bytes, 7);
    assert_true (to.recorded);
    bm_backup_clear (&to);
    bm_backup_clear (&to);
}

static void
a_list_grows_and_finds_by_uuid (void **state)
{
    (void)state;
    bm_backups_t list = {0};
    char uuid[16];
    for (int i = 0; i < 1000; i++) {
        snprintf (uuid, sizeof uuid, "u%d", i);
        bm_backup_t backup = {.uuid = uuid, .position = i};
        bm_backups_add (&list, &backup);
    }
    assert_int_equal (list.count, 1000);
    assert_int_equal (bm_backups_find (&list, "u777")->position, 777);
    assert_null (bm_backups_find (&list, "u1000"));
    assert_null (bm_backups_find (&list, NULL));
    bm_backups_clear (&list);
    assert_int_equal (list.count, 0);
    bm_backups_clear (&list);
}

static void
a_proof_is_copied_whole (void **state)
{
    (void)state;
    bm_mark_proof_t from = {.mark = "m",
                            .server = "s",
                            .database = "d",
                            .asked = true,
                            .lsn = "12"},
                    to;
    bm_mark_proof_copy (&to, &from);
    assert_string_equal (to.lsn, "12");
    assert_null (to.instance);
    assert_true (to.asked);
    bm_mark_proof_clear (&to);
    assert_null (to.mark);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (both_spellings_of_a_type_are_read_and_nothing_else),
        cmocka_unit_test (a_copy_owns_all_of_its_texts),
        cmocka_unit_test (a_list_grows_and_finds_by_uuid),
        cmocka_unit_test (a_proof_is_copied_whole),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
