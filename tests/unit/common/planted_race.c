/*  tests/unit/common/planted_race.c
 *  A race on purpose between an actor of czmq and the thread that made it. It is registered in the ThreadSanitizer build
 *  alone, and passes when the race is reported: so no suppression hides the races of our own actors. */
#include <czmq.h>

static int s_count;

static void
s_racing_actor (zsock_t *pipe, void *arguments)
{
    (void)arguments;
    zsock_signal (pipe, 0);
    s_count++; /* the race, with main */
    bool terminated = false;
    while (!terminated) {
        char *command = zstr_recv (pipe);
        terminated = !command || streq (command, "$TERM");
        zstr_free (&command);
    }
}

int
main (void)
{
    zsys_handler_set (NULL);
    zactor_t *actor = zactor_new (s_racing_actor, NULL);
    if (!actor)
        return 2;
    s_count++; /* the race, with s_racing_actor */
    zactor_destroy (&actor);
    zsys_shutdown ();
    return 0;
}
