/*  agent/shell/native.h
 *  BACKUP as btsmark writes it itself (method native): the statement, and the files it goes to. Pure. Every name stands in
 *  it through the one quoting function, every path as a quoted literal.
 */
#ifndef BM_NATIVE_H
#define BM_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"
#include "common/wire.h"

/*  SQL Server's own limits ("BACKUP (Transact-SQL)"). */
#define BM_NATIVE_TRANSFER_UNIT  65536
#define BM_NATIVE_TRANSFER_LIMIT (4 * 1024 * 1024)
#define BM_NATIVE_BUFFERS_LIMIT  65536
#define BM_NATIVE_DEVICE_CHARS   259 /* message 3057 beyond */

/*  Whether the options fit together and to the folder: BM_PROTOCOL with what does not. `options` NULL = defaults. */
bm_status_t
bm_native_check (const Btsmark__NativeOptions *options, const char *folder, bm_error_t *error);

/*  The file name of one stripe, from 1: `<server>_<database>_Full_<mark>.bak`, with `_2of4` before the dot when there are
 *  several. Unlike the names of BizTalk's procedures it is never cut inside the server's name, `\` of an instance becomes $,
 *  and what may not stand in a file name becomes _. A name that would not be told from another one's carries eight digits of a
 *  hash of server and database before the mark. At most 255 bytes. Caller frees. */
char *bm_native_file_name (const char *server, const char *database, bool full, const char *mark,
                           size_t stripe, size_t stripes);

typedef struct bm_native {
    char *batch;
    char **files; /* in the order of the stripes */
    size_t file_count;
} bm_native_t;

/*  `server`: SERVERPROPERTY ('servername'); `folder`: normalised. BM_NOT_READY when a device's name is too long for SQL
 *  Server. */
bm_native_t *bm_native_new (const Btsmark__Backup *order, const char *server, const char *folder,
                            bm_error_t *error);
void bm_native_destroy (bm_native_t **self_p);

/*  "DISK = N'...'" or "URL = N'...'" of a file. Caller frees. */
char *bm_native_device (const char *file);

#endif
