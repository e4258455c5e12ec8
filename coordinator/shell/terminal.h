/*  coordinator/shell/terminal.h
 *  How wide a line may be, and text that keeps to it.
 */
#ifndef BM_TERMINAL_H
#define BM_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define BM_TERMINAL_COLUMNS 96 /* of text that goes to no terminal */

/*  A terminal whose lines can be rewritten: not TERM=dumb, nor an unset TERM. */
bool bm_terminal_rewritable (int fd);
/*  Asked anew each time: people resize. `otherwise` when it is no terminal or does not say. */
size_t bm_terminal_columns (int fd, size_t otherwise);
size_t bm_terminal_rows (int fd, size_t otherwise);

/*  Cells of a text in UTF-8, each character counted as one. */
size_t bm_terminal_cells (const char *text);
/*  Bytes of `text` that fill at most so many cells. */
size_t bm_terminal_cut (const char *text, size_t cells);

/*  `lead`, then the text broken between words at `columns`, further lines indented under its beginning; ends the line. A lead
 *  that leaves little room indents by 4. */
void bm_terminal_wrap (FILE *to, size_t columns, const char *lead, const char *text);

#endif
