/*  coordinator/core/record.h
 *  What a database's own tables say of a backup or a mark, in the form that the catalogue, the history, settling and
 *  the manifest share. Pure: plain data. Every text is owned by its record; NULL = not known.
 *  LSNs stay decimal text: numeric(25,0) does not fit 64 bits.
 */
#ifndef BM_RECORD_H
#define BM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "coordinator/core/set.h"

/*  From "db" and "lg" of adm_BackupHistory or "D" and "L" of msdb; false when the code is none of them. */
bool bm_record_type_parse (const char *code, bm_set_type_t *type);

/*  A row of msdb.dbo.backupset, and what it is to us. Identity: uuid. */
typedef struct bm_backup {
    char *server;   /* as the group spells it: adm_BackupHistory.ServerName */
    char *instance; /* real instance name, SERVERPROPERTY ('servername') */
    char *database;
    bm_set_type_t type;
    char *uuid; /* backup_set_uuid, lower case */
    char *device;
    char *
        more_devices; /* the further stripes of a striped backup, one a line; NULL = device alone */
    int position;
    char *first_lsn, *last_lsn, *checkpoint_lsn, *database_backup_lsn;
    char *first_fork, *last_fork, *family;
    char *started, *finished; /* as SQL Server says, local time of the instance */
    int64_t bytes, compressed_bytes;
    int64_t file_bytes; /* as the agent sees the file; -1 when it cannot */
    char *recovery_model, *user;
    bool copy_only, has_checksums;

    bool ours;      /* taken by a run of btsmark for set_id */
    int64_t set_id; /* 0 = belongs to no set */
    char *mark;     /* NULL for a full, or when no mark was placed */
    char *mark_lsn; /* of `mark` in this database */
    bool recorded;  /* its row stands in adm_BackupHistory */
} bm_backup_t;

void bm_backup_clear (bm_backup_t *self); /* frees the texts, zeroes the struct */
void bm_backup_copy (bm_backup_t *to, const bm_backup_t *from);

typedef struct bm_backups {
    bm_backup_t *items;
    size_t count;
} bm_backups_t;

/*  Appends a copy. */
void bm_backups_add (bm_backups_t *self, const bm_backup_t *backup);
const bm_backup_t *bm_backups_find (const bm_backups_t *self, const char *uuid);
void bm_backups_clear (bm_backups_t *self);

/*  What one database says of one mark. */
typedef struct bm_mark_proof {
    char *mark, *server, *instance, *database;
    bool asked; /* false: could not be asked */
    bool in_marklog;
    bool in_history; /* msdb.dbo.logmarkhistory */
    char *lsn;
    char *mark_time; /* local time of the instance */
} bm_mark_proof_t;

void bm_mark_proof_clear (bm_mark_proof_t *self);
void bm_mark_proof_copy (bm_mark_proof_t *to, const bm_mark_proof_t *from);

#endif
