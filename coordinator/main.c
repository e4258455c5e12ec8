/*  coordinator/main.c
 *  btsmark: dispatches to the commands.
 */
#include <czmq.h>
#include <stdio.h>
#include <string.h>

#include "common/secret.h"
#include "coordinator/commands/command.h"
#include "coordinator/shell/descriptors.h"

static void
s_help (FILE *to)
{
    fputs ("btsmark: consistent, marked backups of a BizTalk group that is spread over several SQL "
           "hosts\n"
           "\n"
           "usage: btsmark COMMAND [OPTIONS]\n"
           "\n",
           to);
    for (size_t i = 0; bm_commands[i]; i++)
        fprintf (to, "  %-12s %s\n", bm_commands[i]->name, bm_commands[i]->summary);
    fputs (
        "\n"
        "  btsmark COMMAND --help    what it does, its options, examples\n"
        "  btsmark --version\n"
        "\n"
        "A first day:\n"
        "  btsmark keygen /etc/btsmark/coordinator.key    then put the printed lines into each "
        "agent.ini\n"
        "  btsmark agents                                 does every agent answer, and its SQL "
        "Server?\n"
        "  btsmark check                                  would a run work? each obstacle with "
        "what "
        "to do\n"
        "  btsmark run                                    then from a scheduler, every 15 minutes\n"
        "  btsmark marks                                  what the group can be restored to\n"
        "\n"
        "The configuration is -c FILE, else $BTSMARK_CONFIG, else " BM_CONFIG_DEFAULT "\n",
        to);
}

int
main (int argc, char **argv)
{
    zsys_handler_set (NULL); /* czmq would take SIGINT and SIGTERM for itself */
    bm_secret_harden_process ();
    bm_descriptors_raise (); /* a connection for each of up to 1,024 agents */
    bm_log_open ("btsmark", BM_LOG_WARNING);
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp (word, "--version") == 0) {
        puts ("btsmark " BTSMARK_VERSION);
        return 0;
    }
    if (strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0 || strcmp (word, "help") == 0) {
        const bm_command_t *command = argc > 2 ? bm_command_find (argv[2]) : NULL;
        char *page[] = {(char *)word, (char *)"--help", NULL};
        if (command)
            return bm_command_call (command, 2, page);
        s_help (stdout);
        return 0;
    }
    const bm_command_t *command = bm_command_find (word);
    if (command)
        return bm_command_call (command, argc - 1, argv + 1);
    bm_options_t options = {0};
    for (int i = 1; i < argc; i++)
        options.json |= strcmp (argv[i], "--json") == 0;
    bm_error_t error = {0};
    bm_fail (&error, BM_USAGE, "btsmark: there is no command \"%s\"", word);
    bm_error_remedy (&error, "see btsmark --help");
    if (word[0])
        return bm_command_fail (&options, "btsmark", &error);
    s_help (stderr);
    return bm_status_exit_code (BM_USAGE);
}
