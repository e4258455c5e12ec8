#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "common/clock.h"
#include "coordinator/shell/runlock.h"

struct bm_runlock {
    int fd;
};

/*  Who holds it, from the file's only line; "" when it cannot be read. */
static void
s_holder (int fd, char *text, size_t size)
{
    ssize_t length = pread (fd, text, size - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn (text, "\n")] = '\0';
}

static bm_status_t
s_lock (int fd, const char *path, bm_error_t *error)
{
    if (flock (fd, LOCK_EX | LOCK_NB) == 0)
        return BM_OK;
    if (errno != EWOULDBLOCK)
        return bm_fail (error, BM_CATALOGUE, "the lock file %s cannot be locked: %s", path,
                        strerror (errno));
    char holder[256];
    s_holder (fd, holder, sizeof holder);
    bm_fail (error, BM_LOCK_BUSY, "another run of this configuration is going on: %s (%s)",
             *holder ? holder : "its process is not known", path);
    bm_error_remedy (error, "wait for it to end; nothing was touched");
    return BM_LOCK_BUSY;
}

static void
s_write_holder (int fd)
{
    char now[BM_CLOCK_TEXT_BYTES];
    char *line = bm_format ("process %ld, since %s\n", (long)getpid (),
                            bm_clock_rfc3339 (bm_clock_utc_us (), now));
    /*  For people only: the lock itself does not depend on it. */
    if (ftruncate (fd, 0) == 0 && pwrite (fd, line, strlen (line), 0) < 0)
        errno = 0;
    free (line);
}

bm_runlock_t *
bm_runlock_take (const char *catalogue_path, bm_error_t *error)
{
    char *path = bm_format ("%s.lock", catalogue_path);
    int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bm_runlock_t *self = NULL;
    if (fd < 0) {
        bm_fail (error, BM_CATALOGUE, "the lock file %s cannot be made: %s", path,
                 strerror (errno));
    } else if (s_lock (fd, path, error)) {
        close (fd);
    } else {
        s_write_holder (fd);
        self = bm_alloc (sizeof *self);
        self->fd = fd;
    }
    free (path);
    return self;
}

void
bm_runlock_release (bm_runlock_t **self_p)
{
    if (!*self_p)
        return;
    /*  The file stays: removing it would let two runs lock two different files of one name. */
    close ((*self_p)->fd);
    free (*self_p);
    *self_p = NULL;
}

/*  "1: FLOCK  ADVISORY  WRITE 4711 08:01:393219 0 EOF" of /proc/locks: the last of the three numbers is the inode. Two file
 *  systems may share a number; then the device tells. */
static bool
s_is_lock_of (const char *line, const struct stat *file)
{
    unsigned major_number, minor_number;
    unsigned long long inode;
    const char *flock_word = strstr (line, "FLOCK");
    if (!flock_word || strstr (line, "->"))
        return false;
    if (sscanf (flock_word, "FLOCK %*s %*s %*d %x:%x:%llu", &major_number, &minor_number, &inode) !=
        3)
        return false;
    return inode == file->st_ino && major_number == major (file->st_dev) &&
           minor_number == minor (file->st_dev);
}

bool
bm_runlock_held (const char *catalogue_path)
{
    char *path = bm_format ("%s.lock", catalogue_path);
    struct stat file;
    bool there = stat (path, &file) == 0, held = false;
    free (path);
    FILE *locks = there ? fopen ("/proc/locks", "re") : NULL;
    char line[256];
    while (locks && !held && fgets (line, sizeof line, locks))
        held = s_is_lock_of (line, &file);
    if (locks)
        fclose (locks);
    return held;
}
