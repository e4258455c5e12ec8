/*  tests/sqlhost/main.c
 *  The stand-in for SQL Server as a process: options, signals, and the joining of its rooms. */
#include "tests/sqlhost/engine/engine.h"
#include "tests/sqlhost/procedures/backend.h"
#include "tests/sqlhost/tds/log.h"
#include "tests/sqlhost/tds/server.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { FAULT_MAX = 32, MAP_MAX = 16, PASSWORD_MAX = 128, STOP_MS = 15000 };

typedef struct {
    const char *name;
    const char *data;
    const char *listen;
    const char *password_file;
    int ready_fd;
    size_t connections;
    bool fsync;
    const char *certificate;
    const char *key;
    bool force_encryption;
    bool no_tls;
    char *faults[FAULT_MAX];
    size_t fault_count;
    char *maps[MAP_MAX];
    size_t map_count;
} s_options_t;

typedef struct {
    sh_instance_t *instance;
    sh_backend_t *backend;
    sh_tls_t *tls;
    sh_server_t *server;
} s_host_t;

static const char s_help[] =
    "Usage: sqlhost --data DIR [OPTION]...\n"
    "A stand-in for SQL Server that speaks TDS 7.1 to 7.4 and keeps real data. It is a test "
    "double:\n"
    "never use it for data that matters.\n"
    "\n"
    "  --data DIR                the instance's directory; made when missing\n"
    "  --name INSTANCE           SERVERPROPERTY('ServerName'), as SQL01 or HOST\\INST;\n"
    "                            needed once, then kept in the directory\n"
    "  --listen HOST:PORT        default 127.0.0.1:1433; port 0 takes a free one\n"
    "  --sa-password-file FILE   its first line becomes the password of sa; needed once\n"
    "  --ready-fd N              writes HOST:PORT and a newline there when it serves\n"
    "  --connections N           clients at a time, 1 to 1024 (default 1024)\n"
    "  --tls-certificate FILE    PEM, with its chain; --tls-key FILE belongs to it. Without them\n"
    "                            a self-signed one is made, as SQL Server does\n"
    "  --tls-key FILE            PEM\n"
    "  --force-encryption        refuses clients that do not encrypt\n"
    "  --no-tls                  as a server without a certificate: nothing is encrypted\n"
    "  --fsync                   every commit reaches the disk\n"
    "  --map WINDOWS=DIR         a path of Windows, D:\\Backup or \\\\host\\share, stands for a "
    "folder\n"
    "                            here (repeatable)\n"
    "  --fault NAME=VALUE        a fault on demand (repeatable), as sqlhost_fault sets at run "
    "time\n"
    "  --log-level LEVEL         error, warn, info (default) or debug; the log goes to stderr\n"
    "  --version, --help\n"
    "\n"
    "SIGTERM stops it: running batches are cancelled, open transactions rolled back.\n"
    "Exit codes: 0 stopped as asked, 1 could not serve, 2 wrong usage.\n";

/*  ---- options ---- */

enum {
    OPTION_DATA = 1,
    OPTION_NAME,
    OPTION_LISTEN,
    OPTION_PASSWORD,
    OPTION_READY,
    OPTION_CONNECTIONS,
    OPTION_CERTIFICATE,
    OPTION_KEY,
    OPTION_FORCE_ENCRYPTION,
    OPTION_NO_TLS,
    OPTION_FSYNC,
    OPTION_MAP,
    OPTION_FAULT,
    OPTION_LEVEL,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct option s_long_options[] = {
    {"data", required_argument, NULL, OPTION_DATA},
    {"name", required_argument, NULL, OPTION_NAME},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"sa-password-file", required_argument, NULL, OPTION_PASSWORD},
    {"ready-fd", required_argument, NULL, OPTION_READY},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"tls-certificate", required_argument, NULL, OPTION_CERTIFICATE},
    {"tls-key", required_argument, NULL, OPTION_KEY},
    {"force-encryption", no_argument, NULL, OPTION_FORCE_ENCRYPTION},
    {"no-tls", no_argument, NULL, OPTION_NO_TLS},
    {"fsync", no_argument, NULL, OPTION_FSYNC},
    {"map", required_argument, NULL, OPTION_MAP},
    {"fault", required_argument, NULL, OPTION_FAULT},
    {"log-level", required_argument, NULL, OPTION_LEVEL},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0}};

static bool
s_number (const char *text, long least, long most, long *number)
{
    char *end;

    errno = 0;
    *number = strtol (text, &end, 10);
    return errno == 0 && end != text && *end == 0 && *number >= least && *number <= most;
}

static int
s_wrong (const char *what, const char *value)
{
    fprintf (stderr, "sqlhost: %s: '%s'\nTry 'sqlhost --help'.\n", what, value);
    return EXIT_USAGE;
}

/*  False: not one of TLS. */
static bool
s_take_tls_option (s_options_t *options, int option)
{
    switch (option) {
        case OPTION_CERTIFICATE:
            options->certificate = optarg;
            return true;
        case OPTION_KEY:
            options->key = optarg;
            return true;
        case OPTION_FORCE_ENCRYPTION:
            options->force_encryption = true;
            return true;
        case OPTION_NO_TLS:
            options->no_tls = true;
            return true;
        default:
            return false;
    }
}

/*  -1: go on. */
static int
s_take_option (s_options_t *options, int option)
{
    long number;

    if (s_take_tls_option (options, option))
        return -1;
    switch (option) {
        case OPTION_DATA:
            options->data = optarg;
            return -1;
        case OPTION_NAME:
            options->name = optarg;
            return -1;
        case OPTION_LISTEN:
            options->listen = optarg;
            return -1;
        case OPTION_PASSWORD:
            options->password_file = optarg;
            return -1;
        case OPTION_READY:
            if (!s_number (optarg, 0, 65535, &number) || fcntl ((int)number, F_GETFD) < 0)
                return s_wrong ("--ready-fd is no open descriptor", optarg);
            options->ready_fd = (int)number;
            return -1;
        case OPTION_CONNECTIONS:
            if (!s_number (optarg, 1, 1024, &number))
                return s_wrong ("--connections must be 1 to 1024", optarg);
            options->connections = (size_t)number;
            return -1;
        case OPTION_FSYNC:
            options->fsync = true;
            return -1;
        case OPTION_FAULT:
            if (options->fault_count == FAULT_MAX || !strchr (optarg, '='))
                return s_wrong ("--fault wants NAME=VALUE, at most 32 times", optarg);
            options->faults[options->fault_count++] = optarg;
            return -1;
        case OPTION_MAP:
            if (options->map_count == MAP_MAX || !strchr (optarg, '='))
                return s_wrong ("--map wants WINDOWS=DIR, at most 16 times", optarg);
            options->maps[options->map_count++] = optarg;
            return -1;
        case OPTION_LEVEL:
            if (!sh_log_level_set (optarg))
                return s_wrong ("--log-level must be error, warn, info or debug", optarg);
            return -1;
        case OPTION_VERSION:
            printf ("sqlhost %s\n", BTSMARK_VERSION);
            return EXIT_OK;
        case OPTION_HELP:
            fputs (s_help, stdout);
            return EXIT_OK;
        default:
            fputs ("Try 'sqlhost --help'.\n", stderr);
            return EXIT_USAGE;
    }
}

static int
s_parse (int argc, char **argv, s_options_t *options)
{
    int option;

    while ((option = getopt_long (argc, argv, "", s_long_options, NULL)) != -1) {
        int code = s_take_option (options, option);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return s_wrong ("an argument that is no option", argv[optind]);
    if (!options->data)
        return s_wrong ("--data is missing", "");
    if (!options->certificate != !options->key)
        return s_wrong ("--tls-certificate and --tls-key belong together", "");
    if (options->no_tls && (options->certificate || options->force_encryption))
        return s_wrong ("--no-tls goes with no other option of TLS", "");
    return -1;
}

/*  ---- start ---- */

/*  The file's first line; false with a log line when there is none that could be a password. */
static bool
s_read_password (const char *file, char password[PASSWORD_MAX + 2])
{
    int fd = open (file, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        sh_log (SH_LOG_ERROR, "cannot open the password file %s: %s", file, strerror (errno));
        return false;
    }
    ssize_t size = read (fd, password, PASSWORD_MAX + 1);
    int saved = errno;
    close (fd);
    if (size < 0) {
        sh_log (SH_LOG_ERROR, "cannot read the password file %s: %s", file, strerror (saved));
        return false;
    }
    password[size] = 0;
    size_t length = strcspn (password, "\r\n");
    password[length] = 0;
    if (length > 0 && length <= PASSWORD_MAX)
        return true;
    sh_log (SH_LOG_ERROR, "the first line of %s must be a password of 1 to %d bytes", file,
            PASSWORD_MAX);
    explicit_bzero (password, PASSWORD_MAX + 2);
    return false;
}

/*  sa gets the file's password; without a file it must have one already. */
static bool
s_set_up_sa (sh_instance_t *instance, const char *file)
{
    char password[PASSWORD_MAX + 2];
    sh_error_t error = {0};
    bool exists = sh_login_find (instance, "sa", NULL) == SH_OK;
    sh_status_t status;

    if (!file) {
        if (!exists)
            sh_log (SH_LOG_ERROR, "a new instance needs --sa-password-file");
        return exists;
    }
    if (!s_read_password (file, password))
        return false;
    if (exists)
        status = sh_login_alter (instance, "sa", password, NULL, NULL, NULL, &error);
    else
        status = sh_login_create (instance, "sa", password, true, &error);
    explicit_bzero (password, sizeof password);
    if (status != SH_OK)
        sh_log (SH_LOG_ERROR, "cannot set up the login sa: %s", error.text);
    return status == SH_OK;
}

static bool
s_set_maps (sh_instance_t *instance, const s_options_t *options)
{
    for (size_t i = 0; i < options->map_count; i++) {
        char *windows = options->maps[i];
        char *folder = strchr (windows, '=');
        *folder++ = 0;
        if (!sh_path_map (instance, windows, folder)) {
            sh_log (SH_LOG_ERROR,
                    "--map %s=%s: wants a drive (D:\\Backup) or a share (\\\\host\\share) and a "
                    "folder that is there",
                    windows, folder);
            return false;
        }
        sh_log (SH_LOG_INFO, "%s stands for %s", windows, folder);
    }
    return true;
}

static bool
s_set_faults (sh_instance_t *instance, const s_options_t *options)
{
    for (size_t i = 0; i < options->fault_count; i++) {
        char *name = options->faults[i];
        char *value = strchr (name, '=');
        *value++ = 0;
        if (!sh_fault_set (instance, name, value)) {
            sh_log (SH_LOG_ERROR, "--fault %s=%s: no such fault, or a value that it does not take",
                    name, value);
            return false;
        }
        sh_log (SH_LOG_INFO, "fault %s = %s", name, value);
    }
    return true;
}

static bool
s_start (s_host_t *host, const s_options_t *options)
{
    char text[256];
    sh_error_t error = {0};
    const sh_options_t engine = {
        .directory = options->data, .server_name = options->name, .fsync = options->fsync};

    if (sh_instance_open (&host->instance, &engine, &error) != SH_OK) {
        sh_log (SH_LOG_ERROR, "cannot open the instance in %s: %s", options->data, error.text);
        return false;
    }
    if (!s_set_up_sa (host->instance, options->password_file) ||
        !s_set_faults (host->instance, options) || !s_set_maps (host->instance, options))
        return false;
    if (!options->no_tls) {
        host->tls = sh_tls_new (options->certificate, options->key, text, sizeof text);
        if (!host->tls) {
            sh_log (SH_LOG_ERROR, "%s", text);
            return false;
        }
    }
    host->backend = sh_tsql_backend_new (host->instance);
    const sh_server_options_t server = {.listen = options->listen,
                                        .connections = options->connections,
                                        .tls = host->tls,
                                        .force_encryption = options->force_encryption,
                                        .backend = host->backend};
    host->server = sh_server_start (&server, text, sizeof text);
    if (!host->server)
        sh_log (SH_LOG_ERROR, "%s", text);
    return host->server;
}

static bool
s_say_ready (const s_host_t *host, int fd)
{
    char line[96];

    if (fd < 0)
        return true;
    int size = snprintf (line, sizeof line, "%s\n", sh_server_address (host->server));
    bool written = write (fd, line, (size_t)size) == size;
    if (!written)
        sh_log (SH_LOG_ERROR, "cannot write to --ready-fd %d: %s", fd, strerror (errno));
    if (fd > STDERR_FILENO)
        close (fd);
    return written;
}

/*  ---- stop ---- */

/*  False: threads are left; only the end of the process remains. */
static bool
s_stop (s_host_t *host)
{
    if (host->instance)
        sh_instance_shutdown (host->instance);
    if (!sh_server_stop (&host->server, STOP_MS))
        return false;
    sh_tls_destroy (&host->tls);
    sh_tsql_backend_destroy (&host->backend);
    sh_instance_close (&host->instance);
    return true;
}

/*  Blocked before the first thread is made, so that every thread inherits it. */
static int
s_block_signals (void)
{
    sigset_t set;

    signal (SIGPIPE, SIG_IGN);
    sigemptyset (&set);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGHUP);
    if (pthread_sigmask (SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd (-1, &set, SFD_CLOEXEC);
}

static void
s_wait_signal (int fd)
{
    struct signalfd_siginfo info;

    for (;;) {
        ssize_t size = read (fd, &info, sizeof info);
        if (size == sizeof info && info.ssi_signo != SIGHUP) {
            sh_log (SH_LOG_INFO, "%s: stopping", strsignal ((int)info.ssi_signo));
            return;
        }
        if (size < 0 && errno != EINTR) {
            sh_log (SH_LOG_ERROR, "cannot wait for signals: %s", strerror (errno));
            return;
        }
    }
}

/*  A client is a descriptor: take all that the system gives. */
static void
s_raise_descriptors (void)
{
    struct rlimit limit;

    if (getrlimit (RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit (RLIMIT_NOFILE, &limit);
    }
}

int
main (int argc, char **argv)
{
    s_options_t options = {.listen = "127.0.0.1:1433", .ready_fd = -1};
    s_host_t host = {0};
    int code = s_parse (argc, argv, &options);

    if (code >= 0)
        return code;
    int signals = s_block_signals ();
    if (signals < 0) {
        sh_log (SH_LOG_ERROR, "cannot take signals: %s", strerror (errno));
        return EXIT_FAILED;
    }
    s_raise_descriptors ();
    bool serving = s_start (&host, &options);
    if (serving) {
        sh_log (SH_LOG_INFO, "%s serves at %s, data in %s", sh_instance_name (host.instance),
                sh_server_address (host.server), options.data);
        serving = s_say_ready (&host, options.ready_fd);
    }
    if (serving)
        s_wait_signal (signals);
    if (!s_stop (&host)) {
        sh_log (SH_LOG_ERROR, "not everything stopped in time: ending anyway");
        _exit (EXIT_FAILED);
    }
    close (signals);
    if (serving)
        sh_log (SH_LOG_INFO, "stopped");
    return serving ? EXIT_OK : EXIT_FAILED;
}
