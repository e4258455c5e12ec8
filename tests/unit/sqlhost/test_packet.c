/*  tests/unit/sqlhost/test_packet.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sqlhost/tds/limits.h"
#include "tests/sqlhost/tds/packet.h"

#include <string.h>

static sh_packet_header_t
header_of (uint8_t type, uint8_t status, size_t payload)
{
    return (sh_packet_header_t){
        .type = type, .status = status, .length = (uint16_t)(payload + SH_PACKET_HEADER)};
}

static sh_assembly_result_t
add (sh_assembly_t *assembly, uint8_t type, uint8_t status, const char *payload)
{
    sh_packet_header_t header = header_of (type, status, strlen (payload));
    return sh_assembly_add (assembly, &header, (const uint8_t *)payload, strlen (payload));
}

static void
a_header_is_read_and_lengths_are_checked (void **state)
{
    static const struct {
        unsigned length;
        bool good;
    } lengths[] = {{0, false},    {7, false},     {8, true},
                   {32767, true}, {32768, false}, {65535, false}};
    sh_packet_header_t header;
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t data[8] = {SH_PACKET_BATCH,
                           SH_PACKET_END,
                           (uint8_t)(lengths[i].length >> 8),
                           (uint8_t)lengths[i].length,
                           1,
                           2,
                           3,
                           0};
        assert_int_equal (sh_packet_header_read (data, &header), lengths[i].good);
        assert_int_equal (header.spid, 0x0102);
        assert_int_equal (header.number, 3);
    }
}

static void
only_types_that_a_client_sends_are_taken (void **state)
{
    static const uint8_t good[] = {1, 2, 3, 6, 7, 8, 14, 16, 17, 18};
    sh_packet_header_t header;
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t data[8] = {(uint8_t)type, 1, 0, 8, 0, 0, 0, 0};
        assert_int_equal (sh_packet_header_read (data, &header),
                          memchr (good, (int)type, sizeof good) != NULL);
    }
}

static void
packets_become_one_message (void **state)
{
    sh_assembly_t assembly = {.limit = 100};
    (void)state;
    assert_int_equal (add (&assembly, SH_PACKET_BATCH, SH_PACKET_RESET, "ab"), SH_ASSEMBLY_MORE);
    assert_int_equal (add (&assembly, SH_PACKET_BATCH, 0, ""), SH_ASSEMBLY_MORE);
    assert_int_equal (add (&assembly, SH_PACKET_BATCH, SH_PACKET_END, "cd"), SH_ASSEMBLY_MESSAGE);
    assert_int_equal (assembly.body.size, 4);
    assert_memory_equal (assembly.body.data, "abcd", 4);
    assert_int_equal (assembly.type, SH_PACKET_BATCH);
    assert_int_equal (assembly.status & SH_PACKET_RESET, SH_PACKET_RESET);
    sh_assembly_clear (&assembly);
    assert_int_equal (add (&assembly, SH_PACKET_RPC, SH_PACKET_END, "x"), SH_ASSEMBLY_MESSAGE);
    assert_int_equal (assembly.status & SH_PACKET_RESET, 0);
    sh_writer_free (&assembly.body);
}

static void
a_message_may_be_taken_back (void **state)
{
    sh_assembly_t assembly = {.limit = 100};
    (void)state;
    assert_int_equal (add (&assembly, SH_PACKET_BATCH, 0, "ab"), SH_ASSEMBLY_MORE);
    assert_int_equal (add (&assembly, SH_PACKET_BATCH, SH_PACKET_END | SH_PACKET_IGNORE, "cd"),
                      SH_ASSEMBLY_IGNORED);
    assert_int_equal (add (&assembly, SH_PACKET_BATCH, SH_PACKET_END, "e"), SH_ASSEMBLY_MESSAGE);
    assert_int_equal (assembly.body.size, 1);
    sh_writer_free (&assembly.body);
}

static void
a_packet_of_another_type_inside_a_message_is_bad (void **state)
{
    sh_assembly_t assembly = {.limit = 100};
    (void)state;
    assert_int_equal (add (&assembly, SH_PACKET_BATCH, 0, "ab"), SH_ASSEMBLY_MORE);
    assert_int_equal (add (&assembly, SH_PACKET_RPC, SH_PACKET_END, "cd"), SH_ASSEMBLY_BAD);
    assert_non_null (assembly.why);
    sh_writer_free (&assembly.body);
}

static void
a_message_has_at_most_its_limit_of_bytes (void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        sh_assembly_t assembly = {.limit = 10};
        assert_int_equal (add (&assembly, SH_PACKET_BATCH, 0, "12345"), SH_ASSEMBLY_MORE);
        assert_int_equal (
            add (&assembly, SH_PACKET_BATCH, SH_PACKET_END, extra ? "123456" : "12345"),
            extra ? SH_ASSEMBLY_BAD : SH_ASSEMBLY_MESSAGE);
        sh_writer_free (&assembly.body);
    }
}

static void
a_packet_that_is_not_as_long_as_it_says_is_bad (void **state)
{
    sh_assembly_t assembly = {.limit = 100};
    sh_packet_header_t header = header_of (SH_PACKET_BATCH, SH_PACKET_END, 5);
    (void)state;
    assert_int_equal (sh_assembly_add (&assembly, &header, (const uint8_t *)"1234", 4),
                      SH_ASSEMBLY_BAD);
    sh_writer_free (&assembly.body);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_header_is_read_and_lengths_are_checked),
        cmocka_unit_test (only_types_that_a_client_sends_are_taken),
        cmocka_unit_test (packets_become_one_message),
        cmocka_unit_test (a_message_may_be_taken_back),
        cmocka_unit_test (a_packet_of_another_type_inside_a_message_is_bad),
        cmocka_unit_test (a_message_has_at_most_its_limit_of_bytes),
        cmocka_unit_test (a_packet_that_is_not_as_long_as_it_says_is_bad),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
