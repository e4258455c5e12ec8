#include "common/limits.h"
#include "common/wire.h"
#include "tests/unit/common/tests.h"

/*  An envelope of our version with a Greet. */
typedef struct {
    Btsmark__Envelope envelope;
    Btsmark__Greet greet;
} s_greet_t;

static void
s_init (s_greet_t *self)
{
    btsmark__envelope__init (&self->envelope);
    btsmark__greet__init (&self->greet);
    self->envelope.protocol = BM_PROTOCOL_VERSION;
    self->envelope.operation_id = 7;
    self->envelope.body_case = BTSMARK__ENVELOPE__BODY_GREET;
    self->envelope.greet = &self->greet;
}

static Btsmark__Envelope *
s_unpack (const void *data, size_t size, bm_status_t expected, const char *word)
{
    bm_error_t error = {0};
    Btsmark__Envelope *envelope = bm_wire_unpack (data, size, &error);
    if (expected) {
        assert_null (envelope);
        assert_int_equal (error.status, expected);
        if (!strstr (error.text, word))
            fail_msg ("expected %s in: %s", word, error.text);
    } else if (!envelope) {
        fail_msg ("%s", error.text);
    }
    return envelope;
}

static void
s_refused (const Btsmark__Envelope *envelope, bm_status_t expected, const char *word)
{
    size_t size = btsmark__envelope__get_packed_size (envelope);
    uint8_t *data = bm_alloc (size);
    btsmark__envelope__pack (envelope, data);
    s_unpack (data, size, expected, word);
    free (data);
}

static void
an_envelope_comes_back_as_it_was (void **state)
{
    (void)state;
    s_greet_t message;
    s_init (&message);
    message.envelope.group = (char *)"Gruppe ä";
    message.greet.product_version = (char *)"0.1";
    message.greet.clock_utc_us = -5;
    uint8_t *data;
    size_t size;
    assert_int_equal (bm_wire_pack (&message.envelope, &data, &size, NULL), BM_OK);
    Btsmark__Envelope *envelope = s_unpack (data, size, BM_OK, "");
    assert_int_equal (envelope->operation_id, 7);
    assert_string_equal (envelope->group, "Gruppe ä");
    assert_int_equal (envelope->body_case, BTSMARK__ENVELOPE__BODY_GREET);
    assert_int_equal (envelope->greet->clock_utc_us, -5);
    assert_string_equal (bm_wire_body_name (envelope), "Greet");
    btsmark__envelope__free_unpacked (envelope, NULL);
    free (data);
}

static void
another_version_is_refused_and_named (void **state)
{
    (void)state;
    s_greet_t message;
    s_init (&message);
    message.envelope.protocol = 99;
    s_refused (&message.envelope, BM_PROTOCOL, "99");
    message.envelope.protocol = 0;
    s_refused (&message.envelope, BM_PROTOCOL, "version 0");
}

static void
an_envelope_without_a_known_body_is_refused (void **state)
{
    (void)state;
    s_greet_t message;
    s_init (&message);
    message.envelope.body_case = BTSMARK__ENVELOPE__BODY__NOT_SET;
    message.envelope.greet = NULL;
    assert_string_equal (bm_wire_body_name (&message.envelope), "empty");
    s_refused (&message.envelope, BM_PROTOCOL, "no body");
    /* field 99, of a later version: skipped, so nothing is left */
    static const uint8_t later[] = {0x08, BM_PROTOCOL_VERSION, 0x9A, 0x06, 0x01, 'x'};
    s_unpack (later, sizeof later, BM_PROTOCOL, "no body");
}

static void
malformed_bytes_are_refused (void **state)
{
    (void)state;
    static const uint8_t cut_varint[] = {0x08, BM_PROTOCOL_VERSION, 0x80};
    static const uint8_t cut_length[] = {0x08, BM_PROTOCOL_VERSION, 0x3A, 0x05, 'x'};
    static const uint8_t endless[] = {0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                      0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    static const uint8_t group[] = {0x08, BM_PROTOCOL_VERSION, 0x53, 0x54};
    static const uint8_t field_zero[] = {0x08, BM_PROTOCOL_VERSION, 0x02, 0x00};
    static const uint8_t wrong_type[] = {0x08, BM_PROTOCOL_VERSION, 0x38, 0x01};
    static const uint8_t huge[] = {0x08, BM_PROTOCOL_VERSION, 0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F};
    s_unpack (cut_varint, sizeof cut_varint, BM_PROTOCOL, "malformed");
    s_unpack (cut_length, sizeof cut_length, BM_PROTOCOL, "malformed");
    s_unpack (endless, sizeof endless, BM_PROTOCOL, "malformed");
    s_unpack (group, sizeof group, BM_PROTOCOL, "malformed");
    s_unpack (field_zero, sizeof field_zero, BM_PROTOCOL, "malformed");
    s_unpack (wrong_type, sizeof wrong_type, BM_PROTOCOL, "wire type");
    s_unpack (huge, sizeof huge, BM_PROTOCOL, "malformed");
    s_unpack ("", 0, BM_PROTOCOL, "version 0");
}

static void
every_cut_of_a_good_message_is_refused_or_read_without_harm (void **state)
{
    (void)state;
    s_greet_t message;
    s_init (&message);
    message.greet.product_version = (char *)"0.1";
    uint8_t *data;
    size_t size;
    assert_int_equal (bm_wire_pack (&message.envelope, &data, &size, NULL), BM_OK);
    for (size_t i = 0; i < size; i++) {
        uint8_t *copy = bm_alloc (i); /* so that a read beyond it is seen */
        memcpy (copy, data, i);
        Btsmark__Envelope *envelope = bm_wire_unpack (copy, i, NULL);
        if (envelope)
            btsmark__envelope__free_unpacked (envelope, NULL);
        free (copy);
    }
    free (data);
}

static void
text_that_is_not_utf8_or_holds_a_nul_is_refused (void **state)
{
    (void)state;
    s_greet_t message;
    s_init (&message);
    message.envelope.group = (char *)"a\xFF";
    s_refused (&message.envelope, BM_PROTOCOL, "group is not UTF-8");
    message.envelope.group = (char *)"";
    message.greet.product_version = (char *)"\xC3";
    s_refused (&message.envelope, BM_PROTOCOL, "product_version is not UTF-8");
    static const uint8_t nul[] = {0x08, BM_PROTOCOL_VERSION, 0x3A, 0x03, 'a', 0x00, 'b'};
    s_unpack (nul, sizeof nul, BM_PROTOCOL, "group is not UTF-8");
}

static void
a_message_may_be_as_large_as_the_limit_and_no_larger (void **state)
{
    (void)state;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__WriteManifest manifest = BTSMARK__WRITE_MANIFEST__INIT;
    envelope.protocol = BM_PROTOCOL_VERSION;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST;
    envelope.write_manifest = &manifest;
    manifest.content.data = bm_alloc (BM_LIMIT_WIRE_BYTES);
    manifest.content.len = BM_LIMIT_WIRE_BYTES - 64;
    size_t rest = btsmark__envelope__get_packed_size (&envelope);
    manifest.content.len += BM_LIMIT_WIRE_BYTES - rest;
    uint8_t *data;
    size_t size;
    bm_error_t error = {0};
    assert_int_equal (bm_wire_pack (&envelope, &data, &size, &error), BM_OK);
    assert_int_equal (size, BM_LIMIT_WIRE_BYTES);
    Btsmark__Envelope *read = s_unpack (data, size, BM_OK, "");
    btsmark__envelope__free_unpacked (read, NULL);
    free (data);
    manifest.content.len++;
    assert_int_equal (bm_wire_pack (&envelope, &data, &size, &error), BM_LIMIT);
    assert_null (data);
    s_refused (&envelope, BM_LIMIT, "larger");
    free (manifest.content.data);
}

/*  A Prove of `count` databases with empty names. */
static void
s_prove (size_t count, bm_status_t expected)
{
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Prove prove = BTSMARK__PROVE__INIT;
    envelope.protocol = BM_PROTOCOL_VERSION;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_PROVE;
    envelope.prove = &prove;
    prove.n_databases = count;
    prove.databases = bm_alloc (count * sizeof *prove.databases);
    for (size_t i = 0; i < count; i++)
        prove.databases[i] = (char *)"";
    size_t size = btsmark__envelope__get_packed_size (&envelope);
    uint8_t *data = bm_alloc (size);
    btsmark__envelope__pack (&envelope, data);
    Btsmark__Envelope *read = s_unpack (data, size, expected, "Prove.databases");
    if (read)
        btsmark__envelope__free_unpacked (read, NULL);
    free (prove.databases);
    free (data);
}

/*  A Marked of `count` messages, through the converter. */
static void
s_messages (size_t count, bm_status_t expected)
{
    Btsmark__Envelope *envelope = bm_alloc (sizeof *envelope);
    btsmark__envelope__init (envelope);
    Btsmark__Marked *marked = bm_alloc (sizeof *marked);
    btsmark__marked__init (marked);
    envelope->protocol = BM_PROTOCOL_VERSION;
    envelope->body_case = BTSMARK__ENVELOPE__BODY_MARKED;
    envelope->marked = marked;
    bm_sql_message_t one = {3013, 16, 1, 5, (char *)"p", (char *)"text"};
    bm_sql_messages_t all = {bm_alloc (count * sizeof one), count, 0};
    for (size_t i = 0; i < count; i++)
        all.items[i] = one;
    bm_wire_messages (&all, &marked->messages, &marked->n_messages);
    free (all.items);
    size_t size = btsmark__envelope__get_packed_size (envelope);
    uint8_t *data = bm_alloc (size);
    btsmark__envelope__pack (envelope, data);
    btsmark__envelope__free_unpacked (envelope, NULL); /* frees what the converter made */
    Btsmark__Envelope *read = s_unpack (data, size, expected, "Marked.messages");
    if (read) {
        assert_int_equal (read->marked->n_messages, count);
        assert_int_equal (read->marked->messages[count - 1]->number, 3013);
        assert_string_equal (read->marked->messages[count - 1]->text, "text");
        btsmark__envelope__free_unpacked (read, NULL);
    }
    free (data);
}

/*  A Greeting of `count` instances. */
static void
s_instances (size_t count, bm_status_t expected)
{
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Greeting greeting = BTSMARK__GREETING__INIT;
    Btsmark__Instance instance = BTSMARK__INSTANCE__INIT;
    envelope.protocol = BM_PROTOCOL_VERSION;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_GREETING;
    envelope.greeting = &greeting;
    greeting.n_instances = count;
    greeting.instances = bm_alloc (count * sizeof *greeting.instances);
    for (size_t i = 0; i < count; i++)
        greeting.instances[i] = &instance;
    size_t size = btsmark__envelope__get_packed_size (&envelope);
    uint8_t *data = bm_alloc (size);
    btsmark__envelope__pack (&envelope, data);
    Btsmark__Envelope *read = s_unpack (data, size, expected, "Greeting.instances");
    if (read)
        btsmark__envelope__free_unpacked (read, NULL);
    free (greeting.instances);
    free (data);
}

static void
an_unreadable_order_still_names_its_version_and_id (void **state)
{
    (void)state;
    s_greet_t message;
    s_init (&message);
    message.envelope.protocol = 99;
    uint8_t *data;
    size_t size;
    uint32_t protocol = 0;
    uint64_t id = 0;
    assert_int_equal (bm_wire_pack (&message.envelope, &data, &size, NULL), BM_OK);
    assert_true (bm_wire_peek (data, size, &protocol, &id));
    assert_int_equal (protocol, 99);
    assert_int_equal (id, 7);
    assert_false (bm_wire_peek (data, size - 1, &protocol, &id));
    assert_false (bm_wire_peek (data, BM_LIMIT_WIRE_BYTES + 1, &protocol, &id));
    free (data);
}

static void
a_list_may_be_as_long_as_its_limit_and_no_longer (void **state)
{
    (void)state;
    s_prove (BM_LIMIT_DATABASES, BM_OK);
    s_prove (BM_LIMIT_DATABASES + 1, BM_LIMIT);
    s_instances (BM_LIMIT_AGENT_INSTANCES, BM_OK);
    s_instances (BM_LIMIT_AGENT_INSTANCES + 1, BM_LIMIT);
    s_messages (BM_LIMIT_MESSAGES, BM_OK);
    s_messages (BM_LIMIT_MESSAGES + 1, BM_LIMIT);
}

static void
no_messages_are_an_empty_list (void **state)
{
    (void)state;
    Btsmark__SqlMessage **items;
    size_t count;
    bm_wire_messages (NULL, &items, &count);
    assert_null (items);
    assert_int_equal (count, 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_envelope_comes_back_as_it_was),
        cmocka_unit_test (another_version_is_refused_and_named),
        cmocka_unit_test (an_envelope_without_a_known_body_is_refused),
        cmocka_unit_test (malformed_bytes_are_refused),
        cmocka_unit_test (every_cut_of_a_good_message_is_refused_or_read_without_harm),
        cmocka_unit_test (text_that_is_not_utf8_or_holds_a_nul_is_refused),
        cmocka_unit_test (a_message_may_be_as_large_as_the_limit_and_no_larger),
        cmocka_unit_test (a_list_may_be_as_long_as_its_limit_and_no_longer),
        cmocka_unit_test (no_messages_are_an_empty_list),
        cmocka_unit_test (an_unreadable_order_still_names_its_version_and_id),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
