#include "tests/unit/common/tests.h"
#include "tests/workload/message.h"

static void
a_number_comes_back_from_its_ids (void **state)
{
    (void)state;
    char id[BM_MESSAGE_ID_BYTES];
    static const int64_t numbers[] = {1, 255, BM_MESSAGE_MOST};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal (bm_message_number (bm_message_id (7, numbers[i], id)), numbers[i]);
        assert_int_equal (bm_message_number (bm_message_part_id (7, numbers[i], id)), numbers[i]);
    }
    assert_string_equal (bm_message_id (0xABCDEF01, 18, id),
                         "ABCDEF01-0000-4000-8000-000000000012");
}

static void
other_texts_have_no_number (void **state)
{
    (void)state;
    assert_int_equal (bm_message_number (NULL), -1);
    assert_int_equal (bm_message_number (""), -1);
    assert_int_equal (bm_message_number ("ABCDEF01-0000-4000-8000-00000000001"), -1);
    assert_int_equal (bm_message_number ("ABCDEF01-0000-4000-8000-00000000001x"), -1);
    assert_int_equal (bm_message_number ("ABCDEF01-0000-4000-8000 000000000011"), -1);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_number_comes_back_from_its_ids),
        cmocka_unit_test (other_texts_have_no_number),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
