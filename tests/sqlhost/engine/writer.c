#include "tests/sqlhost/engine/writer.h"

#include "tests/sqlhost/engine/configuration.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*  ---- opening ---- */

static sh_status_t
s_cannot_open (const sh_writer_t *self, int i, int number, sh_error_t *error)
{
    char os[256];
    sh_os_error_of (self->paths[i], number, os, sizeof os);
    return sh_fail (error, 3201, 16, 1,
                    "Cannot open backup device '%s'. Operating system error %s.", self->names[i],
                    os);
}

static sh_status_t
s_open_file (sh_writer_t *self, int i, sh_error_t *error)
{
    int fd = open (self->paths[i], O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return s_cannot_open (self, i, errno, error);
    struct stat info;
    if (fstat (fd, &info) != 0 || !S_ISREG (info.st_mode)) {
        close (fd);
        return s_cannot_open (self, i, EACCES, error);
    }
    if (flock (fd, LOCK_EX | LOCK_NB) != 0) {
        close (fd);
        return s_cannot_open (self, i, EWOULDBLOCK, error);
    }
    self->files[i] = fdopen (fd, "r+b");
    sh_require (self->files[i] != NULL);
    return SH_OK;
}

/*  What is stated must fit the media set that stays; INIT keeps it too ("BACKUP (Transact-SQL)":
 *  INIT "preserves the media header", where the compression is written). */
static sh_status_t
s_check_media (sh_writer_t *self, int i, const sh_backup_t *backup, const sh_scan_result_t *found,
               sh_error_t *error)
{
    const sh_media_t *media = &found->media;
    if (media->family_count == 1 && self->file_count > 1)
        return sh_fail (error, 3259, 16, 1,
                        "The volume on device '%s' is not part of a multiple family media set. "
                        "BACKUP WITH FORMAT can be used to form a new media set.",
                        self->names[i]);
    if (media->family_count != self->file_count)
        return sh_fail (error, 3231, 16, 1,
                        "The media loaded on \"%s\" is formatted to support %d media families, but "
                        "%d media families are expected according to the backup device "
                        "specification.",
                        self->names[i], media->family_count, self->file_count);
    if (media->family_number != i + 1 || (i > 0 && memcmp (media->guid, self->media.guid, 16) != 0))
        return sh_fail (error, 3258, 16, 1,
                        "The volume on device '%s' is not part of the media set that is currently "
                        "being processed. Ensure that the backup devices are loaded with the "
                        "correct media.",
                        self->names[i]);
    if (backup->compress != SH_CHOICE_DEFAULT &&
        media->compressed != (backup->compress == SH_CHOICE_YES))
        return sh_fail (error, 3098, 16, 2,
                        "The backup cannot be performed because '%s' was requested after the media "
                        "was formatted with an incompatible structure. To append to this media "
                        "set, either omit '%s' or specify '%s'. Alternatively, you can create a "
                        "new media set by using WITH FORMAT in your BACKUP statement. If you use "
                        "WITH FORMAT on an existing media set, all its backup sets will be "
                        "overwritten.",
                        media->compressed ? "NO_COMPRESSION" : "COMPRESSION",
                        media->compressed ? "NO_COMPRESSION" : "COMPRESSION",
                        media->compressed ? "COMPRESSION" : "NO_COMPRESSION");
    self->compress = media->compressed;
    return SH_OK;
}

/*  INIT may overwrite what has expired. */
static sh_status_t
s_check_expired (const sh_writer_t *self, int i, const sh_scan_result_t *found, sh_error_t *error)
{
    for (size_t k = 0; k < found->set_count; k++) {
        int64_t expires = found->sets[k].header.expires;
        sh_civil_t day;
        if (expires <= sh_ticks_local ())
            continue;
        sh_ticks_to_civil (expires, &day);
        return sh_fail (error, 4030, 16, 1,
                        "The medium on device '%s' expires on %04d-%02d-%02d %02d:%02d:%02d and "
                        "cannot be overwritten.",
                        self->names[i], day.year, day.month, day.day, day.hour, day.minute,
                        day.second);
    }
    return SH_OK;
}

/*  Behind what is torn nothing can be found any more. */
static sh_status_t
s_check_append (const sh_writer_t *self, int i, const sh_scan_result_t *found, sh_error_t *error)
{
    if (found->torn)
        return sh_fail (error, 3266, 16, 1,
                        "The backup data at the end of '%s' is incorrectly formatted. Backup sets "
                        "on the media might be damaged and unusable. No additional backup sets can "
                        "be appended to the media set.",
                        self->names[i]);
    return SH_OK;
}

static sh_status_t
s_look (sh_writer_t *self, int i, const sh_backup_t *backup, sh_error_t *error)
{
    sh_scan_result_t found;
    sh_status_t status = SH_OK;
    sh_media_scan (self->files[i], &found);
    if (backup->format || found.empty)
        self->new_media = true;
    else if (found.foreign)
        status = sh_fail (error, 3242, 16, 2,
                          "The file on device '%s' is not a valid Microsoft Tape Format backup "
                          "set.",
                          self->names[i]);
    else {
        status = s_check_media (self, i, backup, &found, error);
        if (status == SH_OK && backup->init && !backup->skip)
            status = s_check_expired (self, i, &found, error);
        if (status == SH_OK && !backup->init)
            status = s_check_append (self, i, &found, error);
    }
    if (status == SH_OK && !self->new_media) {
        memcpy (self->media.guid, found.media.guid, 16);
        self->position = backup->init ? 1 : (int)found.set_count + 1;
        self->rewind = backup->init;
    }
    sh_media_scan_free (&found);
    return status;
}

sh_status_t
sh_writer_open (sh_writer_t *self, sh_esession_t *session, const sh_backup_t *backup,
                sh_error_t *error)
{
    sh_status_t status = SH_OK;
    memset (self, 0, sizeof *self);
    self->session = session;
    self->file_count = backup->file_count;
    self->compress = backup->compress == SH_CHOICE_DEFAULT
                         ? sh_config_in_use (session->instance, SH_CONFIG_COMPRESSION_DEFAULT) != 0
                         : backup->compress == SH_CHOICE_YES;
    self->transfer_size =
        backup->max_transfer_size > 0 ? (size_t)backup->max_transfer_size : SH_CHUNK_RAW;
    self->position = 1;
    for (int i = 0; i < backup->file_count && status == SH_OK; i++) {
        const char *given = backup->files[i];
        self->paths[i] = sh_path_local (session->instance, given);
        bool whole = given[0] == '/' || given[0] == '\\' || (given[0] && given[1] == ':');
        self->names[i] = whole ? given : self->paths[i];
        status = s_open_file (self, i, error);
    }
    for (int i = 0; i < backup->file_count && status == SH_OK; i++)
        status = s_look (self, i, backup, error);
    if (status != SH_OK) {
        sh_writer_close (self);
        return status;
    }
    if (self->new_media) {
        sh_guid_make (self->media.guid);
        self->position = 1;
    }
    return SH_OK;
}

/*  ---- writing ---- */

static sh_status_t
s_write_failed (const sh_writer_t *self, int i, int number, sh_error_t *error)
{
    char os[256];
    sh_os_error (number, os, sizeof os);
    return sh_fail (error, 3202, 16, 1, "Write on \"%s\" failed: %s", self->names[i], os);
}

/*  A backup keeps the value that it began with, so that a test can hold one and let others pass. */
static bool
s_not_held (void *arg)
{
    const sh_writer_t *self = arg;
    return self->hold_after == 0 || self->written < self->hold_after ||
           sh_fault_locked (self->session->instance, SH_FAULT_BACKUP_HOLD_AFTER) == 0;
}

/*  When the instance's disk, which all of its backups share, is done with what was just written; 0
 *  = it is as fast as the machine's. */
static int64_t
s_disk_free_ms_locked (sh_writer_t *self)
{
    sh_instance_t *instance = self->session->instance;
    int64_t rate = sh_fault_locked (instance, SH_FAULT_DISK_RATE);
    int64_t bytes = self->written - self->charged, now_us = sh_now_ms () * 1000;
    self->charged = self->written;
    self->rate = rate;
    if (rate <= 0) {
        instance->disk_free_us = 0;
        return 0;
    }
    if (instance->disk_free_us < now_us)
        instance->disk_free_us = now_us;
    instance->disk_free_us += bytes * 1000000 / rate;
    return instance->disk_free_us / 1000;
}

/*  A disk that is told another rate is not waited for any longer. */
static bool
s_rate_changed (void *arg)
{
    const sh_writer_t *self = arg;
    return sh_fault_locked (self->session->instance, SH_FAULT_DISK_RATE) != self->rate;
}

/*  After each write: a slow disk, a held backup, a dropped session; and whoever wants us to
 *  stop. */
static sh_status_t
s_after_write (sh_writer_t *self, sh_error_t *error)
{
    sh_esession_t *session = self->session;
    sh_lock_instance (session->instance);
    if (self->drop)
        session->killed = session->dropped = true;
    sh_status_t status = sh_esession_check_locked (session, error);
    int64_t free_ms = s_disk_free_ms_locked (self);
    if (status == SH_OK && free_ms > 0)
        status =
            sh_esession_wait_locked (session, "BACKUPIO", free_ms, s_rate_changed, self, error);
    if (status == SH_OK && !s_not_held (self))
        status = sh_esession_wait_locked (session, "BACKUPIO", -1, s_not_held, self, error);
    sh_unlock_instance (session->instance);
    return status;
}

static sh_status_t
s_write (sh_writer_t *self, int i, const sh_bytes_t *bytes, sh_error_t *error)
{
    int64_t limit = sh_fault_get (self->session->instance, SH_FAULT_DISK_FULL_AFTER);
    size_t fits = bytes->size;
    if (limit > 0 && self->written + (int64_t)bytes->size > limit)
        fits = limit > self->written ? (size_t)(limit - self->written) : 0;
    errno = 0;
    size_t done = fwrite (bytes->data, 1, fits, self->files[i]);
    self->written += (int64_t)done;
    if (done < fits || fflush (self->files[i]) != 0)
        return s_write_failed (self, i, errno ? errno : EIO, error);
    if (fits < bytes->size)
        return s_write_failed (self, i, ENOSPC, error);
    return SH_OK;
}

static sh_status_t
s_write_chunk (sh_writer_t *self, int i, uint8_t type, const sh_bytes_t *payload, sh_error_t *error)
{
    sh_bytes_t chunk = {0};
    sh_chunk_make (&chunk, type, 0, false, payload->data, payload->size);
    sh_status_t status = s_write (self, i, &chunk, error);
    sh_bytes_free (&chunk);
    return status;
}

/*  Leaves the media chunk alone in the file. */
static bool
s_cut_sets (FILE *file)
{
    sh_chunk_t chunk;
    rewind (file);
    if (sh_chunk_read (file, &chunk, NULL) != SH_CHUNK_OK)
        return false;
    long end = ftell (file);
    return end > 0 && ftruncate (fileno (file), end) == 0;
}

sh_status_t
sh_writer_begin (sh_writer_t *self, sh_backup_header_t *header, sh_error_t *error)
{
    sh_status_t status = SH_OK;
    header->position = self->position;
    header->family_count = self->file_count;
    memcpy (header->media_guid, self->media.guid, 16);
    for (int i = 0; i < self->file_count && status == SH_OK; i++) {
        sh_bytes_t payload = {0};
        if (self->new_media && ftruncate (fileno (self->files[i]), 0) != 0)
            status = s_write_failed (self, i, errno, error);
        if (self->rewind && !s_cut_sets (self->files[i]))
            status = s_write_failed (self, i, errno, error);
        fseek (self->files[i], 0, SEEK_END);
        self->media.family_number = (uint8_t)(i + 1);
        self->media.family_count = (uint8_t)self->file_count;
        self->media.compressed = self->compress;
        if (status == SH_OK && self->new_media) {
            sh_media_put (&payload, &self->media);
            status = s_write_chunk (self, i, SH_CHUNK_MEDIA, &payload, error);
        }
        header->family_number = i + 1;
        payload.size = 0;
        sh_header_put (&payload, header);
        if (status == SH_OK)
            status = s_write_chunk (self, i, SH_CHUNK_HEADER, &payload, error);
        sh_bytes_free (&payload);
    }
    return status == SH_OK ? s_after_write (self, error) : status;
}

static sh_status_t
s_flush (sh_writer_t *self, sh_error_t *error)
{
    sh_bytes_t chunk = {0};
    if (self->pending.size == 0)
        return SH_OK;
    int i = (int)(self->sequence % (uint32_t)self->file_count);
    sh_chunk_make (&chunk, self->pending_type, self->sequence, self->compress, self->pending.data,
                   self->pending.size);
    self->raw += (int64_t)self->pending.size;
    self->stored += (int64_t)chunk.size;
    self->sequence++;
    self->pending.size = 0;
    sh_status_t status = s_write (self, i, &chunk, error);
    sh_bytes_free (&chunk);
    return status == SH_OK ? s_after_write (self, error) : status;
}

/*  A slow disk shows progress and can be cut off at any time: about ten chunks a second. */
static size_t
s_chunk_size (sh_writer_t *self)
{
    int64_t rate = sh_fault_get (self->session->instance, SH_FAULT_DISK_RATE);
    if (rate <= 0 || (size_t)rate / 10 >= self->transfer_size)
        return self->transfer_size;
    return rate / 10 < 256 ? 256 : (size_t)(rate / 10);
}

sh_status_t
sh_writer_put (sh_writer_t *self, uint8_t type, const void *data, size_t size, sh_error_t *error)
{
    sh_status_t status = SH_OK;
    if (self->pending.size > 0 &&
        (type != self->pending_type || self->pending.size + size > s_chunk_size (self)))
        status = s_flush (self, error);
    self->pending_type = type;
    sh_put (&self->pending, data, size);
    return status;
}

sh_status_t
sh_writer_end (sh_writer_t *self, sh_backup_header_t *header, sh_error_t *error)
{
    sh_status_t status = s_flush (self, error);
    header->bytes = self->raw;
    header->stored_bytes = self->stored;
    for (int i = 0; i < self->file_count && status == SH_OK; i++) {
        sh_bytes_t payload = {0};
        sh_trailer_put (&payload, header, self->sequence);
        status = s_write_chunk (self, i, SH_CHUNK_TRAILER, &payload, error);
        if (status == SH_OK && self->session->instance->fsync && fsync (fileno (self->files[i])))
            status = s_write_failed (self, i, errno, error);
        sh_bytes_free (&payload);
    }
    return status;
}

void
sh_writer_close (sh_writer_t *self)
{
    for (int i = 0; i < self->file_count; i++) {
        if (self->files[i])
            fclose (self->files[i]);
        free (self->paths[i]);
        self->files[i] = NULL;
        self->paths[i] = NULL;
    }
    sh_bytes_free (&self->pending);
}
