/*  tests/sqlhost/engine/path.h
 *  Paths as statements write them, and where their files are on this machine.
 *
 *  A map puts a Windows path ("D:\Backup", "\\host\share") on a local folder, so that programs that
 *  work with Windows paths can be run end to end. Below a map, backslash and slash both part names,
 *  and ".." does not lead out. What no map holds: a path that begins with '/' has its backslashes
 *  turned to '/' (SQL Server on Linux takes both, and BizTalk's procedures join folder and file with
 *  a backslash); a drive ("C:\x") or a plain name is looked for in the data directory, so that a
 *  drive fails with error 3 unless somebody made such a folder; a share fails with error 53. */
#ifndef SH_ENGINE_PATH_H
#define SH_ENGINE_PATH_H

#include "tests/sqlhost/engine/instance.h"

/*  Before the first session. The longest map that fits counts. False: `windows` is no drive's and no
 *  share's path, or there is no such folder. */
bool sh_path_map (sh_instance_t *instance, const char *windows, const char *folder);
/*  Where the file of a statement's path is; the caller frees. instance NULL: no maps, the path as it
 *  is. */
char *sh_path_local (const sh_instance_t *instance, const char *path);
/*  How a local path is shown: by its map, if one holds it. The caller frees. */
char *sh_path_shown (const sh_instance_t *instance, const char *local);
/*  True when the instance has maps and so plays a server on Windows. */
bool sh_path_windows (const sh_instance_t *instance);
/*  The next drive letter with a map at or behind `from` ('A'), and a folder on it; 0 = no more. */
char sh_path_drive (const sh_instance_t *instance, char from, const char **folder);

/*  "3(The system cannot find the path specified.)" for an errno, as SQL Server words it. */
void sh_os_error (int number, char *out, size_t size);
/*  The same for a local file that could not be opened: tells a missing file (2) from a missing folder
 *  (3) and a share that is not there (53). */
void sh_os_error_of (const char *local, int number, char *out, size_t size);

#endif
