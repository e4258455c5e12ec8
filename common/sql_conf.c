/*  FreeTDS takes the authorities, and whether to look at a certificate's name, from its configuration file alone, by the
 *  name of a section. The file is ours, in memory (a memfd): nothing is left behind by a kill, and no file of the machine or of
 *  the user has a say. It only grows, by whole sections whose names are equally long, so that a reader in another thread
 *  takes no half of one for another. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/sql_internal.h"

typedef struct s_entry {
    struct s_entry *next;
    char name[24];
    char *server;
    bm_sql_encrypt_t encrypt;
    char *ca_file;
    char *certificate_host;
    char *pin;
    int pin_fd;
} s_entry_t;

static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static s_entry_t *s_entries; /* newest first; under s_lock, as the next two */
static unsigned s_count;
static int s_file = -1;

bool
bm_sql_address_parse (const char *server, bm_sql_address_t *address)
{
    memset (address, 0, sizeof *address);
    size_t size = strlen (server);
    const char *port = strchr (server, ',');
    if (!port && !strchr (server, '\\')) {
        port = strrchr (server, ':');
        if (port && memchr (server, ':', (size_t)(port - server)) && port[-1] != ']')
            port = NULL; /* a bare address of IPv6 */
    }
    const char *instance = strchr (server, '\\');
    /*  "host\\instance,port": the port says it all. */
    if (instance)
        size = (size_t)(instance - server);
    else if (port)
        size = (size_t)(port - server);
    if (size > 1 && server[0] == '[' && server[size - 1] == ']') {
        server++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof address->host)
        return false;
    snprintf (address->host, sizeof address->host, "%.*s", (int)size, server);
    if (strpbrk (address->host, " \t;#[]=\\"))
        return false;
    if (instance && !port) {
        snprintf (address->instance, sizeof address->instance, "%s", instance + 1);
        return *address->instance && strlen (instance + 1) < sizeof address->instance &&
               !strpbrk (address->instance, " \t;#[]=\\");
    }
    const char *digits = port ? port + 1 : "1433";
    char *end;
    long number = strtol (digits, &end, 10);
    snprintf (address->port, sizeof address->port, "%ld", number);
    return strspn (digits, "0123456789") > 0 && !*end && number > 0 && number < 65536;
}

bool
bm_sql_access_verifies (const bm_sql_access_t *access)
{
    if (access->encrypt == BM_SQL_ENCRYPT_OFF)
        return false;
    if (access->ca_file)
        return strcmp (access->ca_file, "none") != 0;
    return access->encrypt == BM_SQL_ENCRYPT_REQUIRED;
}

bool
bm_sql_access_pins (const bm_sql_access_t *access, const bm_sql_address_t *address)
{
    return bm_sql_access_verifies (access) && access->certificate_host &&
           strcasecmp (access->certificate_host, address->host) != 0;
}

bm_status_t
bm_sql_conf_init (bm_error_t *error)
{
    if (s_file >= 0)
        return BM_OK;
    s_file = memfd_create ("freetds.conf", MFD_CLOEXEC);
    char path[64];
    snprintf (path, sizeof path, "/proc/self/fd/%d", s_file);
    if (s_file < 0 || access (path, R_OK) != 0 || setenv ("FREETDSCONF", path, 1) != 0)
        return bm_fail (error, BM_IO,
                        "FreeTDS's configuration cannot be written (is /proc mounted?)");
    return BM_OK;
}

static void
s_free (s_entry_t *entry)
{
    if (entry->pin_fd >= 0)
        close (entry->pin_fd);
    free (entry->server);
    free (entry->ca_file);
    free (entry->certificate_host);
    free (entry->pin);
    free (entry);
}

void
bm_sql_conf_exit (void)
{
    while (s_entries) {
        s_entry_t *next = s_entries->next;
        s_free (s_entries);
        s_entries = next;
    }
    if (s_file >= 0)
        close (s_file);
    s_file = -1;
}

static bool
s_same_text (const char *a, const char *b)
{
    return a == b || (a && b && strcmp (a, b) == 0);
}

/*  Under lock. */
static s_entry_t *
s_find (const char *server, const bm_sql_access_t *access, const char *pin)
{
    for (s_entry_t *entry = s_entries; entry; entry = entry->next)
        if (entry->encrypt == access->encrypt && strcmp (entry->server, server) == 0 &&
            s_same_text (entry->ca_file, access->ca_file) &&
            s_same_text (entry->certificate_host, access->certificate_host) &&
            (!pin || s_same_text (entry->pin, pin)))
            return entry;
    return NULL;
}

static int
s_pin_file (const char *pin)
{
    int fd = memfd_create ("pinned.pem", MFD_CLOEXEC);
    size_t size = strlen (pin);
    bm_require (fd >= 0 && write (fd, pin, size) == (ssize_t)size);
    return fd;
}

/*  Under lock: the section's text goes out in one write. */
static void
s_write (const s_entry_t *entry, const bm_sql_address_t *address, const bm_sql_access_t *access)
{
    char authorities[320] = "";
    bool verifies = bm_sql_access_verifies (access);
    if (entry->pin)
        snprintf (authorities, sizeof authorities, "ca file = /proc/self/fd/%d\n", entry->pin_fd);
    else if (verifies)
        snprintf (authorities, sizeof authorities, "ca file = %s\n",
                  access->ca_file ? access->ca_file : "system");
    char *text = bm_format ("[%s]\nhost = %s\n%s = %s\nencryption = %s\n%s"
                            "check certificate hostname = %s\n",
                            entry->name, address->host, *address->instance ? "instance" : "port",
                            *address->instance ? address->instance : address->port,
                            access->encrypt == BM_SQL_ENCRYPT_OFF ? "off" : "require", authorities,
                            verifies && !entry->pin ? "yes" : "no");
    size_t size = strlen (text);
    bm_require (write (s_file, text, size) == (ssize_t)size);
    free (text);
}

const char *
bm_sql_conf_section (const char *server, const bm_sql_address_t *address,
                     const bm_sql_access_t *access, const char *pin)
{
    pthread_mutex_lock (&s_lock);
    s_entry_t *entry = s_find (server, access, pin);
    if (!entry && (pin || !bm_sql_access_pins (access, address))) {
        entry = bm_alloc (sizeof *entry);
        snprintf (entry->name, sizeof entry->name, "btsmark-%08u", ++s_count);
        entry->server = bm_strdup (server);
        entry->encrypt = access->encrypt;
        entry->ca_file = bm_strdup (access->ca_file);
        entry->certificate_host = bm_strdup (access->certificate_host);
        entry->pin = bm_strdup (pin);
        entry->pin_fd = pin ? s_pin_file (pin) : -1;
        s_write (entry, address, access);
        entry->next = s_entries;
        s_entries = entry;
    }
    pthread_mutex_unlock (&s_lock);
    return entry ? entry->name : NULL;
}
