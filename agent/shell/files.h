/*  agent/shell/files.h
 *  The files of an instance's backups, as this agent gets at them: itself, through a mount of the SQL host's folders, or by
 *  asking SQL Server (`files` in agent.ini). Paths are those of SQL Server, normalised, and lie within the allowed ones.
 *  Blocks in the session's thread.
 */
#ifndef BM_FILES_H
#define BM_FILES_H

#include "agent/shell/config.h"
#include "common/sql.h"

typedef struct bm_files {
    const bm_instance_config_t *instance;
    bm_sql_t *sql; /* of the instance; NULL: it cannot be asked, `error` says why */
    const bm_error_t *error;
} bm_files_t;

typedef struct bm_file_facts {
    bool exists;
    int64_t bytes; /* -1 = not known */
} bm_file_facts_t;

/*  A file that an order names: normalised, below one of the allowed paths. A manifest of an instance with files = sql lies
 *  in its manifest-path, whatever folder is named. NULL with BM_PATH_NOT_ALLOWED. Caller frees. */
char *bm_files_allowed (const bm_instance_config_t *instance, const char *file, bm_error_t *error);

/*  Where the agent itself sees a folder or file of SQL Server's; NULL with BM_IO when it does not. Caller frees. */
char *bm_files_here (const bm_instance_config_t *instance, const char *path, bm_error_t *error);

/*  Where the manifests of a backup folder are written; NULL with BM_IO. Caller frees. */
char *bm_files_manifest_folder (const bm_instance_config_t *instance, const char *folder,
                                bm_error_t *error);

/*  BM_OK: *facts tell. BM_PATH_NOT_ALLOWED: it is no plain file, or a symbolic link stands in its way. Else it could not
 *  be looked at. */
bm_status_t
bm_files_look (const bm_files_t *self, const char *file, bm_file_facts_t *facts, bm_error_t *error);

/*  The file goes; BM_OK also when it was gone before (*was_gone). *bytes = what is free now, -1 = not known. */
bm_status_t bm_files_remove (const bm_files_t *self, const char *file, bool *was_gone,
                             int64_t *bytes, bm_error_t *error);

/*  Whether backups can go to the folder, as far as it can be told: where the agent sees it, by making a file there
 *  (`look_only`: by its mode). *free_bytes is the room there, -1 = not known. BM_NOT_READY with what to do. */
bm_status_t bm_files_probe_folder (const bm_files_t *self, const char *folder, bool look_only,
                                   int64_t *free_bytes, bm_error_t *error);

#endif
