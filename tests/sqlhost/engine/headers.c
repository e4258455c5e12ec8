/*  Reading backup files from outside: see backup.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/backup.h"
#include "tests/sqlhost/engine/media.h"

/*  `path` is its name in messages. */
static sh_status_t
s_scan (const char *path, const char *local, sh_scan_result_t *found, sh_error_t *error)
{
    FILE *file = fopen (local, "rbe");
    memset (found, 0, sizeof *found);
    if (!file) {
        char os[256];
        sh_os_error_of (local, errno, os, sizeof os);
        return sh_fail (error, 3201, 16, 2,
                        "Cannot open backup device '%s'. Operating system error %s.", path, os);
    }
    sh_media_scan (file, found);
    fclose (file);
    if (found->empty)
        return sh_fail (error, 3254, 16, 1, "The volume on device '%s' is empty.", path);
    if (found->foreign || (found->set_count == 0 && found->torn)) {
        sh_media_scan_free (found);
        return sh_fail (error, 3241, 16, 7,
                        "The media family on device '%s' is incorrectly formed. SQL Server cannot "
                        "process this media family.",
                        path);
    }
    return SH_OK;
}

sh_status_t
sh_backup_headers (const sh_instance_t *instance, const char *path, sh_backup_header_t **out,
                   size_t *count, sh_error_t *error)
{
    sh_scan_result_t found;
    char *local = sh_path_local (instance, path);
    *out = NULL;
    *count = 0;
    sh_status_t status = s_scan (path, local, &found, error);
    free (local);
    if (status != SH_OK)
        return status;
    *out = sh_mem_alloc (found.set_count * sizeof **out);
    *count = found.set_count;
    for (size_t i = 0; i < found.set_count; i++)
        (*out)[i] = found.sets[i].header;
    sh_media_scan_free (&found);
    return SH_OK;
}

bool
sh_backup_whole (const char *local)
{
    sh_scan_result_t found;
    sh_error_t ignored = {0};
    bool whole = s_scan (local, local, &found, &ignored) == SH_OK;
    if (!whole)
        return false;
    whole = found.set_count > 0 && !found.torn;
    sh_media_scan_free (&found);
    return whole;
}

static bool
s_ignore (void *arg, uint8_t type, const void *data, size_t size)
{
    (void)arg;
    (void)type;
    (void)data;
    (void)size;
    return true;
}

/*  The stripes of one set, each at its place. */
typedef struct {
    sh_stripe_t stripes[SH_BACKUP_FILES_MAX];
    char *locals[SH_BACKUP_FILES_MAX];
    int families; /* as the headers say */
} s_stripes_t;

static void
s_free (s_stripes_t *self)
{
    for (int i = 0; i < SH_BACKUP_FILES_MAX; i++)
        free (self->locals[i]);
    free (self);
}

/*  One set in one file. */
static sh_status_t
s_set_of (const char *file, const char *local, int position, sh_set_t *set, sh_error_t *error)
{
    sh_scan_result_t found;
    sh_status_t status = s_scan (file, local, &found, error);
    if (status != SH_OK)
        return status;
    if (position < 1 || (size_t)position > found.set_count)
        status = sh_fail (error, 3287, 16, 1,
                          "The file ID %d on device '%s' is not a valid file ID.", position, file);
    else
        *set = found.sets[position - 1];
    sh_media_scan_free (&found);
    int family = status == SH_OK ? set->header.family_number : 1;
    if (family < 1 || family > SH_BACKUP_FILES_MAX)
        status = sh_fail (error, 3241, 16, 8, "The media family on device '%s' is damaged.", file);
    return status;
}

static sh_status_t
s_add (s_stripes_t *self, const char *file, char *local, int position, const uint8_t *guid,
       sh_error_t *error)
{
    sh_set_t set;
    sh_status_t status = s_set_of (file, local, position, &set, error);
    if (status != SH_OK)
        return status;
    if (guid && memcmp (guid, set.header.set_guid, 16) != 0)
        return sh_fail (error, 3258, 16, 1,
                        "The volume on device '%s' is not part of the media set that is currently "
                        "being processed. Ensure that the backup devices are loaded with the "
                        "correct media.",
                        file);
    sh_stripe_t *stripe = &self->stripes[set.header.family_number - 1];
    if (stripe->path)
        return sh_fail (error, 3227, 16, 1,
                        "The backup media on \"%s\" is part of media family %d which has already "
                        "been processed on \"%s\". Ensure that backup devices are correctly "
                        "specified.",
                        file, set.header.family_number, stripe->path);
    *stripe = (sh_stripe_t){.path = file, .local = local, .set = set};
    self->families = set.header.family_count;
    return SH_OK;
}

/*  *out is to be freed on any return. */
static sh_status_t
s_collect (const sh_instance_t *instance, const char *const *files, int file_count, int position,
           s_stripes_t **out, sh_error_t *error)
{
    s_stripes_t *self = *out = sh_mem_alloc (sizeof *self);
    const uint8_t *guid = NULL;
    if (file_count < 1 || file_count > SH_BACKUP_FILES_MAX)
        return sh_fail (error, 3205, 16, 1, "1 to %d backup devices are possible.",
                        SH_BACKUP_FILES_MAX);
    for (int i = 0; i < file_count; i++) {
        self->locals[i] = sh_path_local (instance, files[i]);
        sh_status_t status = s_add (self, files[i], self->locals[i], position, guid, error);
        if (status != SH_OK)
            return status;
        for (int k = 0; !guid; k++)
            if (self->stripes[k].path)
                guid = self->stripes[k].set.header.set_guid;
    }
    return SH_OK;
}

sh_status_t
sh_backup_header (const sh_instance_t *instance, const char *const *files, int file_count,
                  int position, sh_backup_header_t *out, sh_error_t *error)
{
    s_stripes_t *stripes = NULL;
    sh_status_t status = s_collect (instance, files, file_count, position, &stripes, error);
    for (int i = 0; status == SH_OK && i < SH_BACKUP_FILES_MAX; i++)
        if (stripes->stripes[i].path) {
            *out = stripes->stripes[i].set.header;
            break;
        }
    s_free (stripes);
    return status;
}

static sh_status_t
s_verify (const s_stripes_t *self, int file_count, bool checksum, sh_error_t *error)
{
    for (int i = 0; i < self->families; i++)
        if (i >= SH_BACKUP_FILES_MAX || !self->stripes[i].path)
            return sh_fail (error, 3132, 16, 1,
                            "The media set has %d media families but only %d are provided. All "
                            "members must be provided.",
                            self->families, file_count);
    if (checksum && !self->stripes[0].set.header.checksums)
        return sh_fail (error, 3187, 16, 1,
                        "RESTORE WITH CHECKSUM cannot be specified because the backup set does not "
                        "contain checksum information.");
    return sh_set_read (self->stripes, (size_t)self->families, s_ignore, NULL, error);
}

sh_status_t
sh_backup_verify (const sh_instance_t *instance, const char *const *files, int file_count,
                  int position, bool checksum, sh_error_t *error)
{
    s_stripes_t *stripes = NULL;
    sh_status_t status = s_collect (instance, files, file_count, position, &stripes, error);
    if (status == SH_OK)
        status = s_verify (stripes, file_count, checksum, error);
    s_free (stripes);
    return status;
}
