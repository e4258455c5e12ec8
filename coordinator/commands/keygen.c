/*  coordinator/commands/keygen.c */
#include <string.h>

#include "common/key.h"
#include "coordinator/commands/command.h"

static int
s_keygen (const bm_options_t *options)
{
    const char *slash = strrchr (options->argument, '/');
    const char *name = slash ? slash + 1 : options->argument;
    if (bm_option_given (options, "name"))
        name = bm_option_text (options, "name");
    char public_text[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    if (bm_key_generate (options->argument, name, public_text, &error) != BM_OK)
        return bm_command_fail (options, "keygen", &error);
    if (options->json) {
        bm_command_print_json (json_pack ("{s:s, s:s, s:n, s:i}", "file", options->argument,
                                          "public_key", public_text, "error", "exit", 0));
        return 0;
    }
    printf ("Secret key:  %s (mode 0600; it never leaves this machine)\n"
            "Public key:  %s (also in %s.pub)\n"
            "\n"
            "The key of a coordinator: name the file in btsmark.ini, and add to agent.ini of every "
            "agent\n"
            "  [allow %s]\n"
            "  public-key = %s\n"
            "  duties = status, backup\n"
            "\n"
            "The key of an agent: name the file as key-file in its agent.ini, and write in "
            "btsmark.ini\n"
            "  [agent %s]\n"
            "  address = tcp://HOST:5610\n"
            "  server-key = %s\n",
            options->argument, public_text, options->argument, name, public_text, name,
            public_text);
    return 0;
}

static const bm_option_t s_own_options[] = {
    {"name", BM_OPTION_TEXT, "NAME", "whose key it is, for people"},
    {NULL, BM_OPTION_FLAG, NULL, NULL}};

const bm_command_t bm_command_keygen = {
    "keygen",
    "make a key pair for a coordinator or an agent",
    "btsmark keygen FILE: writes a new secret key to FILE (mode 0600) and its public half to "
    "FILE.pub, and\n"
    "prints the lines to add to btsmark.ini and agent.ini. An existing file is never overwritten.\n"
    "\n"
    "Each coordinator and each agent has a key of its own. The coordinator knows each agent's "
    "public key\n"
    "(server-key); each agent lists the public keys it accepts, and what for ([allow NAME]).\n"
    "\n"
    "Examples:\n"
    "  btsmark keygen /etc/btsmark/coordinator.key --name backup01\n"
    "  btsmark keygen /etc/btsmark/agent.key --name SQL01\n",
    BM_TAKES_JSON | BM_TAKES_NO_CONFIG,
    s_keygen,
    s_own_options,
    "FILE"};
