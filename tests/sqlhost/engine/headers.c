/*  Reading backup files from outside: see backup.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/backup.h"
#include "tests/sqlhost/engine/media.h"

static sh_status_t
s_scan (const char *path, sh_scan_result_t *found, sh_error_t *error)
{
    FILE *file = fopen (path, "rbe");
    memset (found, 0, sizeof *found);
    if (!file) {
        char os[256];
        sh_os_error (errno, os, sizeof os);
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
sh_backup_headers (const char *path, sh_backup_header_t **out, size_t *count, sh_error_t *error)
{
    sh_scan_result_t found;
    *out = NULL;
    *count = 0;
    sh_status_t status = s_scan (path, &found, error);
    if (status != SH_OK)
        return status;
    *out = sh_mem_alloc (found.set_count * sizeof **out);
    *count = found.set_count;
    for (size_t i = 0; i < found.set_count; i++)
        (*out)[i] = found.sets[i].header;
    sh_media_scan_free (&found);
    return SH_OK;
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

sh_status_t
sh_backup_verify (const char *const *files, int file_count, int position, sh_error_t *error)
{
    sh_stripe_t stripes[SH_BACKUP_FILES_MAX];
    bool there[SH_BACKUP_FILES_MAX] = {false};
    int families = 0;
    if (file_count < 1 || file_count > SH_BACKUP_FILES_MAX)
        return sh_fail (error, 3205, 16, 1, "1 to %d backup devices are possible.",
                        SH_BACKUP_FILES_MAX);
    for (int i = 0; i < file_count; i++) {
        sh_scan_result_t found;
        sh_status_t status = s_scan (files[i], &found, error);
        if (status != SH_OK)
            return status;
        if (position < 1 || (size_t)position > found.set_count) {
            sh_media_scan_free (&found);
            return sh_fail (error, 3287, 16, 1,
                            "The file ID %d on device '%s' is not a valid file ID.", position,
                            files[i]);
        }
        sh_set_t set = found.sets[position - 1];
        sh_media_scan_free (&found);
        int family = set.header.family_number;
        families = set.header.family_count;
        if (family < 1 || family > SH_BACKUP_FILES_MAX)
            return sh_fail (error, 3241, 16, 8, "The media family on device '%s' is damaged.",
                            files[i]);
        stripes[family - 1] = (sh_stripe_t){.path = files[i], .set = set};
        there[family - 1] = true;
    }
    for (int i = 0; i < families; i++)
        if (i >= SH_BACKUP_FILES_MAX || !there[i])
            return sh_fail (error, 3132, 16, 1,
                            "The media set has %d media families but family %d is not among the "
                            "%d files given. All members must be provided.",
                            families, i + 1, file_count);
    return sh_set_read (stripes, (size_t)families, s_ignore, NULL, error);
}
