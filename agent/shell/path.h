/*  agent/shell/path.h
 *  Backup folders as data: `\` or `/`, of a Windows or another SQL host. No file is touched here.
 */
#ifndef BM_PATH_H
#define BM_PATH_H

#include <stdbool.h>
#include "common/error.h"

/*  The folder (or file) without doubled or trailing separators. BM_PATH_NOT_ALLOWED for a relative path, one with a `.` or
 *  `..` component, with a quote, a control character or a wildcard, or longer than BM_LIMIT_PATH_BYTES; on Windows also
 *  for a second colon and for names that end with a dot or a space. Caller frees. */
char *bm_path_normalise (const char *path, bm_error_t *error);

/*  Both normalised: `path` is `root` or lies below it. Without regard to case for Windows paths. */
bool bm_path_within (const char *path, const char *root);

/*  A drive letter or a UNC path. */
bool bm_path_is_windows (const char *path);

/*  https://account.blob.core.windows.net/container/folder, or s3://... */
bool bm_path_is_url (const char *path);

/*  What of `path` lies below `root` (both normalised, bm_path_within), without a separator before it; "" = root itself. */
const char *bm_path_below (const char *path, const char *root);

/*  A file name without any folder: letters, digits, `_-.=` and what lies beyond ASCII; not hidden, no `..`. */
bool bm_path_file_name_ok (const char *name);

/*  A mark name as it may stand in a file name and in T-SQL that BizTalk's procedures build from text. */
bool bm_path_mark_ok (const char *mark);

#endif
