/*  common/names.h
 *  Names as BizTalk and SQL Server spell them. Pure.
 */
#ifndef BM_NAMES_H
#define BM_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "common/limits.h"

#define BM_MARK_BYTES (BM_LIMIT_MARK_CHARS * 4 + 1)

/*  The mark name of sp_BuildFullMarkName: `<prefix>_<yyyy-mm-dd hh:mi:ss.mmm>`, scrubbed: space and
 *  ~!@#$%^&*()-+{[}|\:;<>,./ become _, both quote characters go, the rest stays. The time is rounded to
 *  datetime's 1/300 s. `utc_offset_minutes` 0 = UTC. BM_USAGE when the prefix is longer than 8 characters. */
bm_status_t bm_names_mark (const char *prefix, int64_t utc_us, int utc_offset_minutes,
                           char mark[BM_MARK_BYTES], bm_error_t *error);

/*  [name] with ] doubled, for T-SQL text: the one quoting function for identifiers. Caller frees. */
char *bm_names_quote (const char *identifier);
/*  N'text' with ' doubled, for the few places where T-SQL takes no parameter. Caller frees. */
char *bm_names_literal (const char *text);

/*  SQL Server's names: case does not matter (ASCII folding; other letters byte by byte). */
bool bm_names_equal (const char *a, const char *b);

/*  Folder and file joined with the folder's own separator: `\` when the folder has one and no '/', else '/'.
 *  Caller frees. */
char *bm_names_join_path (const char *folder, const char *file);

/*  The file name of BizTalk's backup procedures: `<server>_<database>_Full_<mark>.bak` or `_Log_`; `\` in the
 *  server becomes _, the server is cut at 30 characters (its cast to nvarchar without a length). Caller frees. */
char *bm_names_backup_file (const char *server, const char *database, bool full, const char *mark);

/*  Number of UTF-16 units that SQL Server counts in a UTF-8 text. */
size_t bm_names_length (const char *text);

#endif
