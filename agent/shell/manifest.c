#include "agent/shell/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/names.h"

#define S_OPEN    16     /* manifests whose parts are still coming */
#define S_KEEP_MS 300000 /* of the others the rest never came */

typedef struct s_open {
    char *owner, *folder, *file_name;
    uint32_t next, parts;
    uint8_t digest[BM_DIGEST_BYTES];
    uint8_t *content;
    size_t size;
    int64_t touched_ms;
} s_open_t;

struct bm_manifests {
    s_open_t open[S_OPEN];
};

bm_manifests_t *
bm_manifests_new (void)
{
    return bm_alloc (sizeof (bm_manifests_t));
}

static void
s_drop (s_open_t *one)
{
    free (one->owner);
    free (one->folder);
    free (one->file_name);
    free (one->content);
    memset (one, 0, sizeof *one);
}

void
bm_manifests_destroy (bm_manifests_t **self_p)
{
    if (!*self_p)
        return;
    for (size_t i = 0; i < S_OPEN; i++)
        s_drop (&(*self_p)->open[i]);
    free (*self_p);
    *self_p = NULL;
}

/*  The open one of this part, or NULL. */
static s_open_t *
s_find (bm_manifests_t *self, const bm_manifest_part_t *part)
{
    for (size_t i = 0; i < S_OPEN; i++) {
        s_open_t *one = &self->open[i];
        if (one->owner && strcmp (one->owner, part->owner) == 0 &&
            strcmp (one->folder, part->folder) == 0 &&
            strcmp (one->file_name, part->file_name) == 0)
            return one;
    }
    return NULL;
}

static s_open_t *
s_begin (bm_manifests_t *self, const bm_manifest_part_t *part, int64_t now_ms)
{
    s_open_t *one = s_find (self, part);
    for (size_t i = 0; i < S_OPEN && !one; i++)
        if (!self->open[i].owner || now_ms - self->open[i].touched_ms > S_KEEP_MS)
            one = &self->open[i];
    if (!one)
        return NULL;
    s_drop (one);
    one->owner = bm_strdup (part->owner);
    one->folder = bm_strdup (part->folder);
    one->file_name = bm_strdup (part->file_name);
    one->parts = part->parts;
    memcpy (one->digest, part->digest, sizeof one->digest);
    return one;
}

static bm_status_t
s_append (s_open_t *one, const bm_manifest_part_t *part, int64_t now_ms, bm_error_t *error)
{
    if (one->size + part->size > BM_LIMIT_MANIFEST_BYTES) {
        s_drop (one);
        return bm_fail (error, BM_LIMIT, "manifest %s is larger than %d bytes", part->file_name,
                        BM_LIMIT_MANIFEST_BYTES);
    }
    one->content = bm_realloc (one->content, one->size + part->size + 1);
    if (part->size > 0)
        memcpy (one->content + one->size, part->content, part->size);
    one->size += part->size;
    one->next++;
    one->touched_ms = now_ms;
    return BM_OK;
}

static bm_status_t
s_finish (s_open_t *one, bm_manifest_whole_t **whole_p, bm_error_t *error)
{
    uint8_t digest[BM_DIGEST_BYTES];
    bm_digest_sha256 (one->content, one->size, digest);
    bm_status_t status = BM_OK;
    if (memcmp (digest, one->digest, sizeof digest) != 0)
        status = bm_fail (error, BM_PROTOCOL,
                          "manifest %s did not arrive whole: its SHA-256 is another one",
                          one->file_name);
    else {
        bm_manifest_whole_t *whole = bm_alloc (sizeof *whole);
        whole->folder = bm_strdup (one->folder);
        whole->file_name = bm_strdup (one->file_name);
        whole->content = one->content;
        whole->size = one->size;
        one->content = NULL;
        *whole_p = whole;
    }
    s_drop (one);
    return status;
}

bm_status_t
bm_manifests_take (bm_manifests_t *self, const bm_manifest_part_t *part, int64_t now_ms,
                   bm_manifest_whole_t **whole_p, bm_error_t *error)
{
    *whole_p = NULL;
    if (part->parts == 0 || part->part >= part->parts)
        return bm_fail (error, BM_PROTOCOL, "manifest part %u of %u", part->part, part->parts);
    s_open_t *one = part->part == 0 ? s_begin (self, part, now_ms) : s_find (self, part);
    if (!one && part->part == 0)
        return bm_fail (error, BM_LIMIT, "more than %d manifests are arriving at once", S_OPEN);
    bool fits = one && one->parts == part->parts &&
                memcmp (one->digest, part->digest, sizeof one->digest) == 0;
    if (fits && part->part < one->next)
        return BM_OK; /* we have it: the sender repeats it */
    if (!fits || part->part != one->next) {
        if (one)
            s_drop (one);
        return bm_fail (error, BM_PROTOCOL, "manifest %s: part %u came without the ones before it",
                        part->file_name, part->part);
    }
    bm_status_t status = s_append (one, part, now_ms, error);
    if (status == BM_OK && one->next == one->parts)
        status = s_finish (one, whole_p, error);
    return status;
}

static int
s_write_all (int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write (fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        data += written;
        size -= (size_t)written;
    }
    return fsync (fd) == 0 ? 0 : errno;
}

static int
s_sync_folder (const char *folder)
{
    int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int failed = fsync (fd) == 0 ? 0 : errno;
    close (fd);
    return failed;
}

bm_status_t
bm_manifest_write (const bm_manifest_whole_t *self, char **file_p, bm_error_t *error)
{
    char *file = bm_names_join_path (self->folder, self->file_name);
    char *part = bm_format ("%s.part", file);
    int failed = 0;
    int fd = open (part, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        failed = errno;
    else {
        failed = s_write_all (fd, self->content, self->size);
        close (fd);
        if (!failed && rename (part, file) != 0)
            failed = errno;
        if (!failed)
            failed = s_sync_folder (self->folder);
        else
            unlink (part);
    }
    free (part);
    if (!failed) {
        *file_p = file;
        return BM_OK;
    }
    bm_fail (error, BM_IO, "manifest %s could not be written: %s", file, strerror (failed));
    free (file);
    return BM_IO;
}

void
bm_manifest_whole_destroy (bm_manifest_whole_t **self_p)
{
    if (!*self_p)
        return;
    free ((*self_p)->folder);
    free ((*self_p)->file_name);
    free ((*self_p)->content);
    free (*self_p);
    *self_p = NULL;
}
