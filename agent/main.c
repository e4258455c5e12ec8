/*  btsmark-agent: the service beside each SQL Server. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <czmq.h>

#include "agent/shell/server.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/sql.h"
#include "common/sql_access.h"

typedef struct s_options {
    const char *config;
    bm_log_level_t level;
    int ready_fd;
    bool check;
} s_options_t;

static const char s_help[] =
    "btsmark-agent - backs up the SQL Servers of one host when its coordinator asks for it\n"
    "\n"
    "Usage: btsmark-agent -c FILE [--check] [--log-level LEVEL] [--ready-fd N]\n"
    "\n"
    "  -c, --config FILE    agent.ini: this agent's name, key, allowed coordinators, instances\n"
    "      --check          read the configuration, its key and its passwords, say what they "
    "mean,\n"
    "                       and end; nothing is opened\n"
    "      --log-level L    error, warning, info (default) or debug; the log goes to stderr\n"
    "      --ready-fd N     write one line with the real endpoint to descriptor N once it serves\n"
    "      --version        version of product and protocol\n"
    "  -h, --help           this text\n"
    "\n"
    "Setting one up:\n"
    "  1. Make the agent's key:          btsmark keygen /etc/btsmark/agent.key\n"
    "     and put its public half into [agent NAME] of the coordinator's btsmark.ini.\n"
    "  2. Put the coordinator's public key into [allow NAME] of agent.ini, with its duties:\n"
    "     status (ask), backup (mark and back up), restore. No other key gets in.\n"
    "  3. For each SQL Server an [instance NAME] with server, login, password-file (mode 0600)\n"
    "     backup-path, and ca-file: sessions to it are encrypted unless encrypt says otherwise.\n"
    "     Backups go to allowed-paths and nowhere else, whatever is asked.\n"
    "  4. btsmark-agent -c agent.ini --check, then start it as a service.\n"
    "\n"
    "SIGTERM ends it cleanly: open marks are rolled back, fences released, running backups\n"
    "cancelled in SQL Server and reported. Exit codes: 0 ended cleanly, 2 usage, 10 "
    "configuration,\n"
    "12 the port could not be opened safely, 13 something did not end before stop-deadline.\n";

enum { S_CHECK = 256, S_LEVEL, S_READY, S_VERSION };

/*  -1: go on; otherwise the exit code. */
static int
s_parse (int argc, char **argv, s_options_t *options)
{
    static const struct option known[] = {{"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, S_CHECK},
                                          {"log-level", required_argument, NULL, S_LEVEL},
                                          {"ready-fd", required_argument, NULL, S_READY},
                                          {"version", no_argument, NULL, S_VERSION},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    bm_error_t error = {0};
    char *end = NULL;
    for (int c = 0; (c = getopt_long (argc, argv, "c:h", known, NULL)) != -1;)
        switch (c) {
            case 'c':
                options->config = optarg;
                break;
            case S_CHECK:
                options->check = true;
                break;
            case S_LEVEL:
                if (bm_log_level_parse (optarg, &options->level, &error) != BM_OK) {
                    fprintf (stderr, "btsmark-agent: %s\n", error.text);
                    return bm_status_exit_code (BM_USAGE);
                }
                break;
            case S_READY:
                options->ready_fd = (int)strtol (optarg, &end, 10);
                if (end == optarg || *end || options->ready_fd < 0) {
                    fprintf (stderr, "btsmark-agent: --ready-fd takes a descriptor's number\n");
                    return bm_status_exit_code (BM_USAGE);
                }
                break;
            case S_VERSION:
                printf ("btsmark-agent %s, protocol %d\n", BTSMARK_VERSION, BM_PROTOCOL_VERSION);
                return 0;
            case 'h':
                fputs (s_help, stdout);
                return 0;
            default:
                fprintf (stderr, "Try: btsmark-agent --help\n");
                return bm_status_exit_code (BM_USAGE);
        }
    if (optind < argc || !options->config) {
        fprintf (stderr,
                 optind < argc ? "btsmark-agent: what is \"%s\"? Try: btsmark-agent --help\n"
                               : "btsmark-agent: -c FILE is missing%s. Try: btsmark-agent --help\n",
                 optind < argc ? argv[optind] : "");
        return bm_status_exit_code (BM_USAGE);
    }
    return -1;
}

static int
s_report (const bm_error_t *error)
{
    bm_log_error ("%s", error->text);
    if (*error->remedy)
        bm_log_error ("to do: %s", error->remedy);
    return bm_status_exit_code (error->status);
}

static void
s_describe_files (const bm_instance_config_t *instance)
{
    switch (instance->files) {
        case BM_FILES_LOCAL:
            printf ("  files: seen by this agent itself\n");
            break;
        case BM_FILES_UNC:
            for (size_t i = 0; i < instance->mount_count; i++)
                printf ("  files: %s is mounted here as %s\n", instance->mounts[i].folder,
                        instance->mounts[i].mount);
            break;
        case BM_FILES_SQL:
            printf ("  files: looked at and deleted through SQL Server; manifests go to %s\n",
                    instance->manifest_path);
            break;
    }
}

static void
s_describe (const bm_agent_config_t *config)
{
    printf ("agent %s listens on %s, public key %s\n", config->name, config->bind,
            bm_key_public (config->key));
    for (size_t i = 0; i < config->allow_count; i++) {
        const bm_allow_t *allow = &config->allow[i];
        printf ("allows %s (%s):%s%s%s\n", allow->name, allow->public_key,
                allow->duties & BM_DUTY_STATUS ? " status" : "",
                allow->duties & BM_DUTY_BACKUP ? " backup" : "",
                allow->duties & BM_DUTY_RESTORE ? " restore" : "");
    }
    for (size_t i = 0; i < config->instance_count; i++) {
        const bm_instance_config_t *instance = &config->instances[i];
        char *access = bm_sql_access_describe (&instance->access);
        printf ("serves %s at %s as %s (%s); backups to", instance->name, instance->server,
                instance->login, access);
        free (access);
        for (size_t k = 0; k < instance->allowed_count; k++)
            printf ("%s %s", k ? "," : "", instance->allowed_paths[k]);
        printf ("\n");
        s_describe_files (instance);
    }
    printf ("up to %d backup%s at a time\n", config->parallel_per_host,
            config->parallel_per_host == 1 ? "" : "s");
}

static void
s_tell_ready (int fd, const char *endpoint)
{
    if (fd < 0)
        return;
    if (dprintf (fd, "%s\n", endpoint) < 0)
        bm_log_warning ("nobody reads --ready-fd %d", fd);
    close (fd);
}

static int
s_serve (const s_options_t *options, const bm_agent_config_t *config)
{
    bm_error_t error = {0};
    /*  First of all: czmq would put handlers of its own on SIGINT and SIGTERM. */
    zsys_handler_set (NULL);
    zsys_init ();
    zsys_set_logstream (stderr);
    if (bm_sql_init (&error) != BM_OK)
        return s_report (&error);
    bm_server_t *server = bm_server_new (config, NULL, &error);
    if (!server) {
        bm_sql_exit ();
        return s_report (&error);
    }
    bm_log_info (
        "agent %s %s serves %zu instance(s) on %s for %zu coordinator key(s), start %016" PRIx64,
        config->name, BTSMARK_VERSION, config->instance_count, bm_server_endpoint (server),
        config->allow_count, bm_server_start_id (server));
    s_tell_ready (options->ready_fd, bm_server_endpoint (server));
    bm_status_t status = bm_server_run (server, &error);
    if (status != BM_OK) {
        /*  Threads still sit in FreeTDS: waiting for them could take for ever. */
        int code = s_report (&error);
        zsys_shutdown (); /* the last answers leave */
        fflush (NULL);
        _exit (code);
    }
    bm_server_destroy (&server);
    bm_sql_exit ();
    zsys_shutdown ();
    return 0;
}

int
main (int argc, char **argv)
{
    s_options_t options = {.level = BM_LOG_INFO, .ready_fd = -1};
    int code = s_parse (argc, argv, &options);
    if (code >= 0)
        return code;
    bm_log_open ("agent", options.level);
    bm_secret_harden_process ();
    bm_error_t error = {0};
    bm_agent_config_t *config = bm_agent_config_load (options.config, &error);
    if (!config)
        return s_report (&error);
    code = 0;
    if (options.check)
        s_describe (config);
    else
        code = s_serve (&options, config);
    bm_agent_config_destroy (&config);
    return code;
}
