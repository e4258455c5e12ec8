/*  tests/sqlhost/engine/cut.h
 *  A database as it was at a mark, rebuilt in memory from its full
 *  and its log backups; no server and no data directory needed. */
#ifndef SH_ENGINE_CUT_H
#define SH_ENGINE_CUT_H

#include "tests/sqlhost/engine/backup.h"

typedef struct sh_cut sh_cut_t;

typedef struct {
    const char *const *files; /* in any order; all sets in them count */
    size_t file_count;
    const char *database; /* NULL: the files must hold one only */
    const char *mark;     /* NULL: to the end of the chain */
    bool before;          /* without the marked transaction */
} sh_cut_options_t;

typedef enum {
    SH_CUT_OK,
    SH_CUT_USAGE,   /* no file, several databases */
    SH_CUT_DAMAGED, /* a file cannot be read or its checksum is wrong */
    SH_CUT_NO_FULL,
    SH_CUT_GAP,     /* a link of the chain is missing; the text names the LSN and the database */
    SH_CUT_NO_MARK, /* the chain is whole as far as it goes, but the mark is not in it */
    SH_CUT_REPLAY   /* a log record does not fit the data */
} sh_cut_status_t;

/*  On anything but SH_CUT_OK *out stays NULL and error->text says what is missing. */
sh_cut_status_t sh_cut_open (sh_cut_t **out, const sh_cut_options_t *options, sh_error_t *error);
void sh_cut_close (sh_cut_t **self_p);
const char *sh_cut_database (const sh_cut_t *self);
int64_t sh_cut_mark_lsn (const sh_cut_t *self); /* 0 without a mark */
int64_t sh_cut_last_lsn (const sh_cut_t *self); /* of the last record applied */
size_t sh_cut_table_count (const sh_cut_t *self);
const sh_table_def_t *sh_cut_table (const sh_cut_t *self, size_t index);
/*  -1: none. schema NULL = dbo. */
int sh_cut_find (const sh_cut_t *self, const char *schema, const char *name);
/*  Rows in rid order; each gets one value per column. False from `each` ends the walk. */
void sh_cut_rows (const sh_cut_t *self, size_t table,
                  bool (*each) (void *arg, int64_t rid, const sh_value_t *values), void *arg);

#endif
