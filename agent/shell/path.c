#include "agent/shell/path.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/names.h"

bool
bm_path_is_windows (const char *path)
{
    return strncmp (path, "\\\\", 2) == 0 || (isalpha ((unsigned char)path[0]) && path[1] == ':' &&
                                              (path[2] == '\\' || path[2] == '/'));
}

/*  Bytes of the scheme with its slashes, 0 = no URL. */
static size_t
s_scheme (const char *path)
{
    return strncmp (path, "https://", 8) == 0 ? 8 : strncmp (path, "s3://", 5) == 0 ? 5 : 0;
}

bool
bm_path_is_url (const char *path)
{
    return s_scheme (path) > 0;
}

/*  BizTalk's procedures put the path into T-SQL as text, so a quote would end that text: it is never let through. */
static bool
s_character_ok (unsigned char c)
{
    return c >= 0x20 && c != 0x7f && !strchr ("'\"*?<>|%", c);
}

/*  Windows drops dots and spaces at the end of a name (".. " is ".." there), and opens another stream of a file behind a
 *  colon ("Naming Files, Paths, and Namespaces"). */
static bool
s_component_ok (const char *start, size_t length, bool windows, bool drive)
{
    if ((length == 1 && start[0] == '.') || (length == 2 && memcmp (start, "..", 2) == 0))
        return false;
    if (!windows)
        return true;
    char last = start[length - 1];
    return last != '.' && last != ' ' && (drive || !memchr (start, ':', length));
}

/*  Copies component by component; false when one is `.` or `..`. */
static bool
s_copy (char *to, const char *from, bool windows)
{
    const char *separators = windows ? "\\/" : "/";
    char separator = windows ? '\\' : '/';
    size_t used = s_scheme (from);
    const char *begin = from;
    if (used > 0)
        memcpy (to, from, used);
    from += used;
    if (windows && strncmp (from, "\\\\", 2) == 0)
        to[used++] = separator;
    if (used == 0 && !windows)
        to[used++] = separator;
    if (windows && from[0] == '\\')
        to[used++] = separator;
    while (*from) {
        from += strspn (from, separators);
        size_t length = strcspn (from, separators);
        if (length == 0)
            break;
        if (!s_component_ok (from, length, windows, from == begin))
            return false;
        if (used > 0 && to[used - 1] != separator)
            to[used++] = separator;
        memcpy (to + used, from, length);
        used += length;
        from += length;
    }
    if (windows && used == 2 && to[1] == ':')
        to[used++] = separator; /* "D:" alone is a folder that changes */
    to[used] = 0;
    return true;
}

char *
bm_path_normalise (const char *path, bm_error_t *error)
{
    size_t size = strlen (path);
    bool windows = bm_path_is_windows (path);
    bool url = bm_path_is_url (path) && strlen (path) > s_scheme (path);
    if (size == 0 || size > BM_LIMIT_PATH_BYTES || (!windows && !url && path[0] != '/')) {
        bm_fail (error, BM_PATH_NOT_ALLOWED, "path \"%.200s\" is not an absolute folder", path);
        return NULL;
    }
    for (const char *c = path; *c; c++)
        if (!s_character_ok ((unsigned char)*c)) {
            bm_fail (error, BM_PATH_NOT_ALLOWED,
                     "a backup path holds a quote, a wildcard or a control character at byte %zu",
                     (size_t)(c - path) + 1);
            return NULL;
        }
    char *clean = bm_alloc (size + 2);
    if (!s_copy (clean, path, windows)) {
        bm_fail (error, BM_PATH_NOT_ALLOWED,
                 "path \"%.200s\" has a . or .. in it, or a name that Windows reads as another",
                 path);
        free (clean);
        return NULL;
    }
    return clean;
}

bool
bm_path_within (const char *path, const char *root)
{
    bool windows = bm_path_is_windows (root);
    if (windows != bm_path_is_windows (path) || bm_path_is_url (root) != bm_path_is_url (path))
        return false;
    size_t size = strlen (root);
    if (size == 1 && root[0] == '/')
        return path[0] == '/';
    if (windows && root[size - 1] == '\\')
        size--;
    int differs = windows ? strncasecmp (path, root, size) : strncmp (path, root, size);
    return differs == 0 && (path[size] == 0 || path[size] == (windows ? '\\' : '/'));
}

const char *
bm_path_below (const char *path, const char *root)
{
    const char *rest = path + strlen (root);
    return rest + strspn (rest, bm_path_is_windows (path) ? "\\" : "/");
}

bool
bm_path_file_name_ok (const char *name)
{
    size_t size = strlen (name);
    if (size == 0 || size > 255 || name[0] == '.' || strstr (name, ".."))
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum ((unsigned char)*c) && (unsigned char)*c < 0x80 && !strchr ("_-.=", *c))
            return false;
    return true;
}

bool
bm_path_mark_ok (const char *mark)
{
    if (mark[0] == 0 || bm_names_length (mark) > BM_LIMIT_MARK_CHARS)
        return false;
    for (const char *c = mark; *c; c++)
        if (!isalnum ((unsigned char)*c) && (unsigned char)*c < 0x80 && !strchr ("_=]", *c))
            return false;
    return true;
}
