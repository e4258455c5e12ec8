#include <pthread.h>

#include "common/clock.h"
#include "tests/unit/common/tests.h"
#include "tests/workload/ledger.h"

typedef struct {
    char *folder;
    char *path;
} s_place_t;

static int
s_setup (void **state)
{
    s_place_t *place = bm_alloc (sizeof *place);
    place->folder = tests_folder_new ();
    place->path = bm_format ("%s/ledger", place->folder);
    *state = place;
    return 0;
}

static int
s_teardown (void **state)
{
    s_place_t *place = *state;
    tests_file_remove (place->path);
    tests_folder_remove (place->folder);
    free (place);
    return 0;
}

static void
what_was_asked_and_acknowledged_comes_back (void **state)
{
    s_place_t *place = *state;
    int64_t before = bm_clock_mono_us ();
    for (int turn = 0; turn < 2; turn++) { /* opened again, it goes on */
        bm_ledger_t *ledger = bm_ledger_open (place->path, NULL);
        assert_int_equal (bm_ledger_ask (ledger, 10 + turn, 'M', "SQL02", "Box", "Box2", NULL), 0);
        assert_int_equal (bm_ledger_ask (ledger, 2 + turn, 'O', "SQL03", "OrdersDb", NULL, NULL),
                          0);
        assert_int_equal (bm_ledger_acknowledge (ledger, 10 + turn, NULL), 0);
        bm_ledger_close (&ledger);
        assert_null (ledger);
        bm_ledger_close (&ledger);
    }
    bm_ledger_list_t list;
    assert_int_equal (bm_ledger_load (place->path, &list, NULL), BM_OK);
    assert_int_equal (list.count, 4);
    assert_int_equal (list.items[0].number, 2);
    assert_int_equal (list.items[0].kind, 'O');
    assert_null (list.items[0].second);
    assert_int_equal (list.items[0].acknowledged_us, 0);
    assert_int_equal (list.items[3].number, 11);
    assert_string_equal (list.items[3].instance, "SQL02");
    assert_string_equal (list.items[3].database, "Box");
    assert_string_equal (list.items[3].second, "Box2");
    assert_true (list.items[3].asked_us >= before);
    assert_true (list.items[3].acknowledged_us >= list.items[3].asked_us);
    bm_ledger_list_clear (&list);
}

static void
a_line_that_the_writer_could_not_end_is_ignored (void **state)
{
    s_place_t *place = *state;
    static const char text[] = "Q\t1\t100\tM\tS\tD\t-\nK\t1\t200\nQ\t2\t300\tM\tS";
    free (tests_file (place->folder, "ledger", text, sizeof text - 1, 0644));
    bm_ledger_list_t list;
    assert_int_equal (bm_ledger_load (place->path, &list, NULL), BM_OK);
    assert_int_equal (list.count, 1);
    assert_int_equal (list.items[0].acknowledged_us, 200);
    bm_ledger_list_clear (&list);
}

static void
a_foreign_line_is_refused_with_its_number (void **state)
{
    s_place_t *place = *state;
    static const char text[] = "Q\t1\t100\tM\tS\tD\t-\nhello\n";
    free (tests_file (place->folder, "ledger", text, sizeof text - 1, 0644));
    bm_ledger_list_t list;
    bm_error_t error = {0};
    assert_int_equal (bm_ledger_load (place->path, &list, &error), BM_PROTOCOL);
    assert_non_null (strstr (error.text, ":2 "));
    assert_int_equal (list.count, 0);
}

static void
decisions_and_branches_come_back_by_unit_of_work (void **state)
{
    s_place_t *place = *state;
    static const char one[] = "00000001-0000-4000-A000-000000000001";
    static const char two[] = "00000001-0000-4000-A000-000000000002";
    bm_ledger_t *ledger = bm_ledger_open (place->path, NULL);
    assert_int_equal (bm_ledger_decide (ledger, two, NULL), 0);
    assert_int_equal (bm_ledger_branch (ledger, one, "SQL02", "Box", 77, NULL), 0);
    assert_int_equal (bm_ledger_decide (ledger, one, NULL), 0);
    bm_ledger_close (&ledger);
    bm_ledger_list_t list;
    assert_int_equal (bm_ledger_load (place->path, &list, NULL), BM_OK);
    assert_int_equal (list.count, 0);
    assert_int_equal (list.branch_count, 3);
    assert_string_equal (list.branches[0].uow, one);
    assert_null (list.branches[0].instance);
    assert_string_equal (list.branches[1].instance, "SQL02");
    assert_string_equal (list.branches[1].database, "Box");
    assert_int_equal (list.branches[1].lsn, 77);
    assert_string_equal (list.branches[2].uow, two);
    assert_true (bm_ledger_list_decided (&list, "00000001-0000-4000-a000-000000000002"));
    assert_false (bm_ledger_list_decided (&list, "00000001-0000-4000-A000-000000000003"));
    bm_ledger_list_clear (&list);
    static const char text[] = "B\tshort\t1\tSQL02\tBox\t77\n";
    free (tests_file (place->folder, "ledger", text, sizeof text - 1, 0644));
    assert_int_equal (bm_ledger_load (place->path, &list, NULL), BM_PROTOCOL);
}

static void
a_missing_ledger_is_empty (void **state)
{
    s_place_t *place = *state;
    bm_ledger_list_t list;
    assert_int_equal (bm_ledger_load (place->path, &list, NULL), BM_OK);
    assert_int_equal (list.count, 0);
    bm_error_t error = {0};
    assert_null (bm_ledger_open ("/nonexistent/ledger", &error));
    assert_int_equal (error.status, BM_IO);
}

typedef struct {
    bm_ledger_t *ledger;
    int64_t first;
} s_writer_t;

static void *
s_write (void *argument)
{
    s_writer_t *writer = argument;
    for (int64_t i = 0; i < 250; i++) {
        bm_ledger_ask (writer->ledger, writer->first + i, 'M', "SQL02", "Box", NULL, NULL);
        bm_ledger_acknowledge (writer->ledger, writer->first + i, NULL);
    }
    return NULL;
}

static void
lines_of_several_threads_do_not_mix (void **state)
{
    s_place_t *place = *state;
    bm_ledger_t *ledger = bm_ledger_open (place->path, NULL);
    pthread_t threads[4];
    s_writer_t writers[4];
    for (int i = 0; i < 4; i++) {
        writers[i] = (s_writer_t){ledger, 1 + 250 * i};
        pthread_create (&threads[i], NULL, s_write, &writers[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
    bm_ledger_close (&ledger);
    bm_ledger_list_t list;
    assert_int_equal (bm_ledger_load (place->path, &list, NULL), BM_OK);
    assert_int_equal (list.count, 1000);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal (list.items[i].number, i + 1);
        assert_true (list.items[i].acknowledged_us > 0);
    }
    bm_ledger_list_clear (&list);
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (what_was_asked_and_acknowledged_comes_back),
        T (a_line_that_the_writer_could_not_end_is_ignored),
        T (a_foreign_line_is_refused_with_its_number),
        T (decisions_and_branches_come_back_by_unit_of_work),
        T (a_missing_ledger_is_empty),
        T (lines_of_several_threads_do_not_mix),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
