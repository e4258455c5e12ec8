#include "tests/sqlhost/engine/path.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tests/sqlhost/engine/internal.h"

/*  Shares that no map holds are looked for here: there is no such folder. */
#define S_NO_SHARE "/\\\\"

static bool
s_is_separator (char c)
{
    return c == '/' || c == '\\';
}

static bool
s_is_drive (const char *path)
{
    return isalpha ((unsigned char)path[0]) && path[1] == ':' &&
           (path[2] == 0 || s_is_separator (path[2]));
}

static bool
s_is_share (const char *path)
{
    return path[0] == '\\' && path[1] == '\\';
}

/*  ---- maps ---- */

static bool
s_map_fits (const char *windows)
{
    if (s_is_drive (windows))
        return true;
    const char *share = s_is_share (windows) ? strpbrk (windows + 2, "\\/") : NULL;
    return share && share > windows + 2 && share[1] != 0 && !s_is_separator (share[1]);
}

bool
sh_path_map (sh_instance_t *instance, const char *windows, const char *folder)
{
    struct stat info;
    char *whole = realpath (folder, NULL);
    if (!whole || stat (whole, &info) != 0 || !S_ISDIR (info.st_mode) || !s_map_fits (windows)) {
        free (whole);
        return false;
    }
    sh_lock_instance (instance);
    instance->maps = sh_grow (instance->maps, instance->map_count, &instance->map_capacity,
                              sizeof *instance->maps);
    sh_map_t *map = &instance->maps[instance->map_count++];
    map->windows = sh_mem_strdup (windows);
    map->folder = sh_mem_strdup (whole);
    size_t end = strlen (map->windows);
    while (end > 0 && s_is_separator (map->windows[end - 1]))
        map->windows[--end] = 0;
    for (char *c = map->windows; *c; c++)
        if (*c == '/')
            *c = '\\';
    sh_unlock_instance (instance);
    free (whole);
    return true;
}

void
sh_path_free (sh_instance_t *instance)
{
    for (size_t i = 0; i < instance->map_count; i++) {
        free (instance->maps[i].windows);
        free (instance->maps[i].folder);
    }
    free (instance->maps);
    instance->maps = NULL;
    instance->map_count = 0;
}

/*  Length of the part of a path that is the map's; 0 = not below it. */
static size_t
s_below (const char *path, const char *windows)
{
    size_t i = 0;
    for (; windows[i]; i++) {
        bool same = s_is_separator (windows[i])
                        ? s_is_separator (path[i])
                        : tolower ((unsigned char)windows[i]) == tolower ((unsigned char)path[i]);
        if (!same)
            return 0;
    }
    return path[i] == 0 || s_is_separator (path[i]) ? i : 0;
}

static const sh_map_t *
s_find_map (const sh_instance_t *instance, const char *path, size_t *length)
{
    const sh_map_t *found = NULL;
    *length = 0;
    for (size_t i = 0; i < instance->map_count; i++) {
        size_t size = s_below (path, instance->maps[i].windows);
        if (size > *length) {
            *length = size;
            found = &instance->maps[i];
        }
    }
    return found;
}

/*  Appends the names of `rest` to a folder; ".." takes away only what it appended itself. */
static char *
s_append (const char *folder, const char *rest)
{
    size_t root = strlen (folder), size = root;
    char *out = sh_mem_alloc (root + strlen (rest) + 2);
    memcpy (out, folder, root);
    while (*rest) {
        rest += strspn (rest, "\\/");
        size_t length = strcspn (rest, "\\/");
        if (length == 2 && memcmp (rest, "..", 2) == 0) {
            while (size > root && out[--size] != '/')
                continue;
        } else if (length > 0 && !(length == 1 && *rest == '.')) {
            out[size++] = '/';
            memcpy (out + size, rest, length);
            size += length;
        }
        rest += length;
    }
    out[size] = 0;
    return out;
}

/*  ---- here and there ---- */

static char *
s_plain (const char *path)
{
    char *copy = sh_mem_strdup (path);
    for (char *p = copy; *p; p++)
        if (*p == '\\')
            *p = '/';
    return copy;
}

char *
sh_path_local (const sh_instance_t *instance, const char *path)
{
    size_t length;
    if (!instance)
        return sh_mem_strdup (path);
    const sh_map_t *map = s_find_map (instance, path, &length);
    if (map)
        return s_append (map->folder, path + length);
    if (path[0] == '/')
        return s_plain (path);
    if (s_is_share (path))
        return s_append (S_NO_SHARE, path);
    size_t size = strlen (instance->directory) + strlen (path) + 2;
    char *joined = sh_mem_alloc (size);
    snprintf (joined, size, "%s/%s", instance->directory, path);
    for (char *p = joined + strlen (instance->directory); *p; p++)
        if (*p == '\\')
            *p = '/';
    return joined;
}

char *
sh_path_shown (const sh_instance_t *instance, const char *local)
{
    const sh_map_t *found = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < instance->map_count; i++) {
        size_t size = strlen (instance->maps[i].folder);
        if (size > longest && strncmp (local, instance->maps[i].folder, size) == 0 &&
            (local[size] == 0 || local[size] == '/')) {
            longest = size;
            found = &instance->maps[i];
        }
    }
    if (!found)
        return sh_mem_strdup (local);
    size_t size = strlen (found->windows) + strlen (local + longest) + 1;
    char *out = sh_mem_alloc (size);
    snprintf (out, size, "%s%s", found->windows, local + longest);
    for (char *c = out; *c; c++)
        if (*c == '/')
            *c = '\\';
    return out;
}

bool
sh_path_windows (const sh_instance_t *instance)
{
    return instance->map_count > 0;
}

char
sh_path_drive (const sh_instance_t *instance, char from, const char **folder)
{
    for (char letter = from; letter >= 'A' && letter <= 'Z'; letter++)
        for (size_t i = 0; i < instance->map_count; i++)
            if (s_is_drive (instance->maps[i].windows) &&
                toupper ((unsigned char)instance->maps[i].windows[0]) == letter) {
                *folder = instance->maps[i].folder;
                return letter;
            }
    return 0;
}

/*  ---- errors ---- */

void
sh_os_error (int number, char *out, size_t size)
{
    switch (number) {
        case ENOENT:
        case ENOTDIR:
            snprintf (out, size, "3(The system cannot find the path specified.)");
            break;
        case EACCES:
        case EPERM:
        case EISDIR:
        case EROFS:
            snprintf (out, size, "5(Access is denied.)");
            break;
        case EWOULDBLOCK:
            snprintf (out, size,
                      "32(The process cannot access the file because it is being used "
                      "by another process.)");
            break;
        case ENOSPC:
        case EDQUOT:
            snprintf (out, size, "112(There is not enough space on the disk.)");
            break;
        default:
            snprintf (out, size, "%d(%s)", number, strerror (number));
    }
}

void
sh_os_error_of (const char *local, int number, char *out, size_t size)
{
    struct stat info;
    if (number == ENOENT && strncmp (local, S_NO_SHARE, strlen (S_NO_SHARE)) == 0) {
        snprintf (out, size, "53(The network path was not found.)");
        return;
    }
    char *folder = sh_mem_strdup (local);
    char *slash = strrchr (folder, '/');
    if (slash)
        *slash = 0;
    bool there = number == ENOENT && slash && stat (*folder ? folder : "/", &info) == 0 &&
                 S_ISDIR (info.st_mode);
    free (folder);
    if (there)
        snprintf (out, size, "2(The system cannot find the file specified.)");
    else
        sh_os_error (number, out, size);
}
