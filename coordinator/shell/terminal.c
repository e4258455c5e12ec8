/*  coordinator/shell/terminal.c */
#include "coordinator/shell/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LEAST_TEXT = 20 };

bool
bm_terminal_rewritable (int fd)
{
    const char *kind = getenv ("TERM");
    return isatty (fd) && kind && *kind && strcmp (kind, "dumb") != 0;
}

size_t
bm_terminal_columns (int fd, size_t otherwise)
{
    struct winsize size = {0};
    return ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : otherwise;
}

size_t
bm_terminal_rows (int fd, size_t otherwise)
{
    struct winsize size = {0};
    return ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : otherwise;
}

static bool
s_continues (char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

size_t
bm_terminal_cells (const char *text)
{
    size_t cells = 0;
    for (; *text; text++)
        cells += !s_continues (*text);
    return cells;
}

size_t
bm_terminal_cut (const char *text, size_t cells)
{
    size_t bytes = 0;
    for (; text[bytes]; bytes++)
        if (!s_continues (text[bytes]) && cells-- == 0)
            break;
    return bytes;
}

void
bm_terminal_wrap (FILE *to, size_t columns, const char *lead, const char *text)
{
    size_t column = bm_terminal_cells (lead);
    size_t indent = column + LEAST_TEXT <= columns ? column : 4;
    fputs (lead, to);
    bool first = true;
    while (*text) {
        size_t bytes = strcspn (text, " \n");
        char word[1024];
        snprintf (word, sizeof word, "%.*s", (int)bytes, text);
        size_t cells = bm_terminal_cells (word);
        if (!first && column + 1 + cells > columns) {
            fprintf (to, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        fprintf (to, "%s%.*s", first ? "" : " ", (int)bytes, text);
        column += cells + (first ? 0 : 1);
        first = false;
        text += bytes;
        text += strspn (text, " \n");
    }
    fputc ('\n', to);
}
