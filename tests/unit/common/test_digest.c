#include "common/digest.h"
#include "tests/unit/common/tests.h"

static void
a_digest_is_the_published_one (void **state)
{
    (void)state;
    uint8_t digest[BM_DIGEST_BYTES];
    char text[BM_DIGEST_TEXT_BYTES];
    bm_digest_sha256 ("abc", 3, digest);
    assert_string_equal (bm_digest_text (digest, text),
                         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    bm_digest_sha256 ("", 0, digest);
    assert_string_equal (bm_digest_text (digest, text),
                         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (a_digest_is_the_published_one)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
