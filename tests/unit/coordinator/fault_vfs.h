/*  tests/unit/coordinator/fault_vfs.h
 *  SQLite's file layer with a fault on demand: the Nth write or sync of a file fails, and each one after it, as on a disk that is
 *  full or gone. Everything else goes through to the real layer.
 */
#ifndef BM_FAULT_VFS_H
#define BM_FAULT_VFS_H

#include <sqlite3.h>
#include <string.h>

typedef struct {
    sqlite3_file base;
    sqlite3_file *real;
} fault_file_t;

static sqlite3_vfs *s_real_vfs;
static sqlite3_vfs s_fault_vfs;
static long s_fault_calls, s_fault_at; /* at 0 = never */

static inline int
fault_hits (void)
{
    s_fault_calls++;
    return s_fault_at > 0 && s_fault_calls >= s_fault_at;
}

#define REAL(file)              (((fault_file_t *)(file))->real)
#define CALL(file, method, ...) REAL (file)->pMethods->method (REAL (file), __VA_ARGS__)

static inline int
fault_close (sqlite3_file *f)
{
    return REAL (f)->pMethods->xClose (REAL (f));
}
static inline int
fault_read (sqlite3_file *f, void *data, int size, sqlite3_int64 at)
{
    return CALL (f, xRead, data, size, at);
}
static inline int
fault_write (sqlite3_file *f, const void *data, int size, sqlite3_int64 at)
{
    return fault_hits () ? SQLITE_FULL : CALL (f, xWrite, data, size, at);
}
static inline int
fault_truncate (sqlite3_file *f, sqlite3_int64 size)
{
    return CALL (f, xTruncate, size);
}
static inline int
fault_sync (sqlite3_file *f, int flags)
{
    return fault_hits () ? SQLITE_IOERR_FSYNC : CALL (f, xSync, flags);
}
static inline int
fault_size (sqlite3_file *f, sqlite3_int64 *size)
{
    return CALL (f, xFileSize, size);
}
static inline int
fault_lock (sqlite3_file *f, int level)
{
    return CALL (f, xLock, level);
}
static inline int
fault_unlock (sqlite3_file *f, int level)
{
    return CALL (f, xUnlock, level);
}
static inline int
fault_reserved (sqlite3_file *f, int *out)
{
    return CALL (f, xCheckReservedLock, out);
}
static inline int
fault_control (sqlite3_file *f, int op, void *argument)
{
    return CALL (f, xFileControl, op, argument);
}
static inline int
fault_sector (sqlite3_file *f)
{
    return REAL (f)->pMethods->xSectorSize (REAL (f));
}
static inline int
fault_device (sqlite3_file *f)
{
    return REAL (f)->pMethods->xDeviceCharacteristics (REAL (f));
}
static inline int
fault_shm_map (sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return CALL (f, xShmMap, page, size, extend, out);
}
static inline int
fault_shm_lock (sqlite3_file *f, int offset, int n, int flags)
{
    return CALL (f, xShmLock, offset, n, flags);
}
static inline void
fault_shm_barrier (sqlite3_file *f)
{
    REAL (f)->pMethods->xShmBarrier (REAL (f));
}
static inline int
fault_shm_unmap (sqlite3_file *f, int erase)
{
    return CALL (f, xShmUnmap, erase);
}

static inline int
fault_open (sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = fault_close,
        .xRead = fault_read,
        .xWrite = fault_write,
        .xTruncate = fault_truncate,
        .xSync = fault_sync,
        .xFileSize = fault_size,
        .xLock = fault_lock,
        .xUnlock = fault_unlock,
        .xCheckReservedLock = fault_reserved,
        .xFileControl = fault_control,
        .xSectorSize = fault_sector,
        .xDeviceCharacteristics = fault_device,
        .xShmMap = fault_shm_map,
        .xShmLock = fault_shm_lock,
        .xShmBarrier = fault_shm_barrier,
        .xShmUnmap = fault_shm_unmap,
    };
    (void)vfs;
    fault_file_t *self = (fault_file_t *)f;
    self->real = (sqlite3_file *)(void *)(self + 1);
    memset (self->real, 0, (size_t)s_real_vfs->szOsFile);
    int code = s_real_vfs->xOpen (s_real_vfs, name, self->real, flags, out_flags);
    self->base.pMethods = self->real->pMethods ? &methods : NULL;
    return code;
}

/*  From here on every database that is opened goes through the faults. */
static inline void
fault_install (void)
{
    s_real_vfs = sqlite3_vfs_find (NULL);
    s_fault_vfs = *s_real_vfs;
    s_fault_vfs.zName = "fault";
    s_fault_vfs.szOsFile = (int)sizeof (fault_file_t) + s_real_vfs->szOsFile;
    s_fault_vfs.xOpen = fault_open;
    sqlite3_vfs_register (&s_fault_vfs, 1);
}

#endif
