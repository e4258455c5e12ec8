#include "tests/unit/agent/tests.h"

#include <pthread.h>

#include "agent/shell/mailbox.h"

#define S_THREADS 4
#define S_LETTERS 2000

typedef struct {
    bm_mailbox_t *mailbox;
    int count;
    int last[S_THREADS];
} s_world_t;

typedef struct {
    s_world_t *world;
    int thread, number;
} s_letter_t;

static void
s_read (void *argument)
{
    s_letter_t *letter = argument;
    assert_int_equal (letter->number, letter->world->last[letter->thread] + 1);
    letter->world->last[letter->thread] = letter->number;
    letter->world->count++;
    free (letter);
}

typedef struct {
    s_world_t *world;
    int thread;
} s_writer_t;

static void *
s_write (void *argument)
{
    s_writer_t *writer = argument;
    for (int i = 1; i <= S_LETTERS; i++) {
        s_letter_t *letter = bm_alloc (sizeof *letter);
        *letter = (s_letter_t){writer->world, writer->thread, i};
        bm_mailbox_post (writer->world->mailbox, s_read, letter);
    }
    return NULL;
}

static void
every_letter_arrives_once_and_in_its_writers_order (void **state)
{
    (void)state;
    bm_error_t error = {0};
    s_world_t world = {.mailbox = bm_mailbox_new (&error)};
    pthread_t threads[S_THREADS];
    s_writer_t writers[S_THREADS];
    for (int i = 0; i < S_THREADS; i++) {
        writers[i] = (s_writer_t){&world, i};
        assert_int_equal (pthread_create (&threads[i], NULL, s_write, &writers[i]), 0);
    }
    while (world.count < S_THREADS * S_LETTERS) {
        zmq_pollitem_t item = {.fd = bm_mailbox_fd (world.mailbox), .events = ZMQ_POLLIN};
        assert_int_equal (zmq_poll (&item, 1, 20000), 1);
        bm_mailbox_drain (world.mailbox);
    }
    for (int i = 0; i < S_THREADS; i++)
        pthread_join (threads[i], NULL);
    zmq_pollitem_t item = {.fd = bm_mailbox_fd (world.mailbox), .events = ZMQ_POLLIN};
    bm_mailbox_drain (world.mailbox);
    assert_int_equal (zmq_poll (&item, 1, 0), 0); /* it does not stay readable */
    bm_mailbox_destroy (&world.mailbox);
    bm_mailbox_destroy (&world.mailbox);
}

/*  A letter may post another one; both are read in one go. */
static void
s_post_another (void *argument)
{
    s_world_t *world = argument;
    if (++world->count < 3)
        bm_mailbox_post (world->mailbox, s_post_another, world);
}

static void
a_letter_may_post_another (void **state)
{
    (void)state;
    bm_error_t error = {0};
    s_world_t world = {.mailbox = bm_mailbox_new (&error)};
    bm_mailbox_post (world.mailbox, s_post_another, &world);
    bm_mailbox_drain (world.mailbox);
    assert_int_equal (world.count, 3);
    bm_mailbox_post (world.mailbox, s_post_another, &world);
    bm_mailbox_destroy (&world.mailbox);
    assert_int_equal (world.count, 4); /* what nobody read is called before it goes */
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_letter_arrives_once_and_in_its_writers_order),
        cmocka_unit_test (a_letter_may_post_another)};
    return cmocka_run_group_tests (tests, NULL, NULL);
}
