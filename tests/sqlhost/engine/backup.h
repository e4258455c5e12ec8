/*  tests/sqlhost/engine/backup.h
 *  BACKUP DATABASE and BACKUP LOG, and reading what they wrote. Paths are resolved as path.h says; messages
 *  and msdb call a file as the statement did. */
#ifndef SH_ENGINE_BACKUP_H
#define SH_ENGINE_BACKUP_H

#include "tests/sqlhost/engine/catalog.h"

enum { SH_BACKUP_FILES_MAX = 64 };

/*  Stated in the statement, or left to the rules: a set that is appended is compressed as its media
 *  set is, a new media set as the server option "backup compression default" says; a set has
 *  checksums when it is compressed or "backup checksum default" says so. (Microsoft, "Behavior of
 *  compressed backups when you append backups to an existing media set"; "BACKUP (Transact-SQL)",
 *  CHECKSUM.) */
typedef enum { SH_CHOICE_DEFAULT, SH_CHOICE_NO, SH_CHOICE_YES } sh_choice_t;

typedef struct {
    int db_id;
    bool log;
    bool copy_only;
    bool init;            /* overwrite the sets in the file, keep its media set; default: append */
    bool format;          /* a new media set; implies init and skip */
    bool skip;            /* sets that have not expired are no obstacle for init */
    sh_choice_t checksum; /* recorded; the container checks itself in any case */
    sh_choice_t compress;
    int stats;             /* STATS = n: 3211 every n percent; 0 = none */
    int max_transfer_size; /* bytes of one chunk; 0 = SH_CHUNK_RAW */
    int block_size;        /* 0 = 512 */
    int64_t expires;       /* local ticks; 0 = at once */
    const char *name, *description, *media_name, *media_description; /* may be NULL */
    int file_count;
    const char *const *files;
} sh_backup_t;

typedef struct {
    uint8_t set_guid[16];
    int position;
    int64_t bytes, stored_bytes; /* before and after compression */
    int64_t first_lsn, last_lsn;
    int backup_set_id; /* msdb */
} sh_backup_result_t;

/*  3021 inside a user transaction is checked here. Sends 4035, 3014, 3211 through on_message.
 *  Errors come with their cause only; 3013 ("terminating abnormally") after it is the caller's
 *  to add (so for 3201, 3202, 3266, 4208, 4214, 3023, ... everything but 3009). 3009: the backup
 *  is good, *result is filled. SH_CANCELLED leaves a partial file and no row. result may be
 *  NULL. */
sh_status_t sh_backup (sh_esession_t *session, const sh_backup_t *backup,
                       sh_backup_result_t *result, sh_error_t *error);

/*  What RESTORE HEADERONLY shows of one set. */
typedef struct {
    char name[129], description[256];
    bool log;
    bool compressed, checksums, copy_only, begins_log_chain, bulk_logged, read_only, single_user;
    bool damaged; /* ends before its trailer, or a chunk's checksum is wrong */
    int position;
    char user_name[129], server_name[129], machine_name[129], database_name[129];
    int64_t database_created, started, finished; /* local ticks */
    int64_t bytes, stored_bytes;
    int64_t first_lsn, last_lsn, checkpoint_lsn, database_backup_lsn;
    int compatibility;
    char collation[65], recovery[61];
    uint8_t set_guid[16], media_guid[16], database_guid[16], family_guid[16], first_fork[16],
        last_fork[16];
    int family_number, family_count;
    int64_t expires; /* local ticks; 0 = at once */
    int block_size;
    char media_name[129], media_description[256];
    char data_file[1024], log_file[1024];
    int64_t data_bytes, log_bytes; /* sizes of the database's files */
} sh_backup_header_t;

/*  Reading: instance NULL takes paths as they are. All sets of a file. 3201 cannot open, 3254/3241 not a backup. A set that ends before its trailer
 *  is listed with `damaged` set (3256 is for who wants to read it). The caller frees *out. */
sh_status_t sh_backup_headers (const sh_instance_t *instance, const char *path,
                               sh_backup_header_t **out, size_t *count, sh_error_t *error);
/*  A local file that holds backup sets, of which each ends. */
bool sh_backup_whole (const char *local);
/*  One set's header from any of its stripes; files that do not belong together: 3258; 3287 no such
 *  position. */
sh_status_t
sh_backup_header (const sh_instance_t *instance, const char *const *files, int file_count,
                  int position, sh_backup_header_t *out, sh_error_t *error);
/*  Reads a set through, all stripes given: 3256 incomplete, 3189 damaged, 3132 stripe missing, 3258
 *  stripes of different media sets, 3187 with `checksum` when the set has none. */
sh_status_t sh_backup_verify (const sh_instance_t *instance, const char *const *files,
                              int file_count, int position, bool checksum, sh_error_t *error);

#endif
