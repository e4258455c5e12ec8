#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define S_LIMIT_BYTES 1024

struct bm_secret {
    size_t length;
    char text[];
};

static bm_secret_t *
s_new (const char *text, size_t length)
{
    bm_secret_t *self = bm_alloc (sizeof *self + length + 1);
    self->length = length;
    memcpy (self->text, text, length);
    return self;
}

bm_secret_t *
bm_secret_new (const char *text)
{
    return s_new (text, strlen (text));
}

void
bm_secret_destroy (bm_secret_t **self_p)
{
    if (*self_p)
        bm_secret_wipe ((*self_p)->text, (*self_p)->length);
    free (*self_p);
    *self_p = NULL;
}

const char *
bm_secret_reveal (const bm_secret_t *self)
{
    return self->text;
}

void
bm_secret_wipe (void *data, size_t size)
{
    explicit_bzero (data, size);
}

static bm_status_t
s_check (int fd, const char *path, bm_error_t *error)
{
    struct stat found;
    if (fstat (fd, &found) != 0 || !S_ISREG (found.st_mode))
        return bm_fail (error, BM_CONFIG_SECRET, "%s is not a regular file", path);
    if (found.st_uid != geteuid () && found.st_uid != 0)
        return bm_fail (error, BM_CONFIG_SECRET,
                        "%s belongs to user %u, neither to this account (%u) nor to root", path,
                        (unsigned)found.st_uid, (unsigned)geteuid ());
    if (found.st_mode & 077) {
        bm_fail (error, BM_CONFIG_SECRET, "%s can be accessed by others: its mode is %04o", path,
                 (unsigned)(found.st_mode & 07777));
        bm_error_remedy (error, "chmod 0600 %s", path);
        return BM_CONFIG_SECRET;
    }
    return BM_OK;
}

static int
s_open (const char *path, bm_error_t *error)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        bm_fail (error, BM_CONFIG_SECRET, "%s cannot be read: %s", path, strerror (errno));
    return fd;
}

bm_status_t
bm_secret_check_file (const char *path, bm_error_t *error)
{
    int fd = s_open (path, error);
    if (fd < 0)
        return BM_CONFIG_SECRET;
    bm_status_t status = s_check (fd, path, error);
    close (fd);
    return status;
}

/*  The first line of what was read: a NUL, nothing at all or too much of it is refused. */
static bm_secret_t *
s_first_line (const char *path, const char *data, size_t size, bm_error_t *error)
{
    const char *end = memchr (data, '\n', size);
    size_t length = end ? (size_t)(end - data) : size;
    if (length > 0 && data[length - 1] == '\r')
        length--;
    if (length == 0 || memchr (data, '\0', length))
        bm_fail (error, BM_CONFIG_SECRET, "the first line of %s is %s", path,
                 length == 0 ? "empty" : "not text");
    else if (length > S_LIMIT_BYTES)
        bm_fail (error, BM_CONFIG_SECRET, "the first line of %s is longer than %d bytes", path,
                 S_LIMIT_BYTES);
    else
        return s_new (data, length);
    return NULL;
}

bm_secret_t *
bm_secret_from_file (const char *path, bm_error_t *error)
{
    int fd = s_open (path, error);
    if (fd < 0)
        return NULL;
    bm_secret_t *self = NULL;
    if (s_check (fd, path, error) == BM_OK) {
        char data[S_LIMIT_BYTES + 3]; /* with a line end, and one more to see that it is too long */
        size_t size = 0;
        ssize_t got;
        while (size < sizeof data && (got = read (fd, data + size, sizeof data - size)) > 0)
            size += (size_t)got;
        self = s_first_line (path, data, size, error);
        bm_secret_wipe (data, sizeof data);
    }
    close (fd);
    return self;
}

void
bm_secret_harden_process (void)
{
    struct rlimit none = {0, 0};
    setrlimit (RLIMIT_CORE, &none);
    prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
}
