/*  tests/sqlhost/engine/writer.h
 *  Writes one backup set to its files, with the faults of a slow, full or broken disk. Used by the
 *  session's thread alone, without the instance's lock. */
#ifndef SH_ENGINE_WRITER_H
#define SH_ENGINE_WRITER_H

#include "tests/sqlhost/engine/internal.h"
#include "tests/sqlhost/engine/media.h"

typedef struct {
    sh_esession_t *session;
    int file_count;
    char *paths[SH_BACKUP_FILES_MAX];       /* where they are */
    const char *names[SH_BACKUP_FILES_MAX]; /* as the statement calls them, if wholly */
    FILE *files[SH_BACKUP_FILES_MAX];
    sh_media_t media;
    int position;   /* of the new set */
    bool new_media; /* the files hold no media set that we go on with */
    bool rewind;    /* INIT: the media set stays, its backup sets go */
    bool compress;  /* as stated, or as the media set is */
    size_t transfer_size;
    sh_bytes_t pending; /* raw bytes of the next chunk */
    uint8_t pending_type;
    uint32_t sequence;
    int64_t raw, stored; /* bytes of data chunks so far */
    int64_t charged;     /* of `written`: the disk's time for it is taken */
    int64_t written;     /* all bytes, for the faults */
    int64_t rate;        /* the fault, as the last wait began */
    int64_t hold_after;  /* the fault as it was when the backup began */
    bool drop;           /* the fault: this session is dropped after its first chunk */
} sh_writer_t;

/*  Opens, and finds out whether to append. 3201, 3242, 3266, 3098, 3231, 3258, 3259, 4030. */
sh_status_t sh_writer_open (sh_writer_t *self, sh_esession_t *session, const sh_backup_t *backup,
                            sh_error_t *error);
/*  Media chunk (when new) and H in every file. */
sh_status_t sh_writer_begin (sh_writer_t *self, sh_backup_header_t *header, sh_error_t *error);
/*  Adds raw bytes; whole items only: a chunk never ends inside one. */
sh_status_t
sh_writer_put (sh_writer_t *self, uint8_t type, const void *data, size_t size, sh_error_t *error);
/*  The last chunk, T in every file, flushed. */
sh_status_t sh_writer_end (sh_writer_t *self, sh_backup_header_t *header, sh_error_t *error);
/*  Closes the files as they are. */
void sh_writer_close (sh_writer_t *self);

#endif
