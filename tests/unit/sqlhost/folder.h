/*  tests/unit/sqlhost/folder.h: removes what a fixture made. */
#ifndef SH_TEST_FOLDER_H
#define SH_TEST_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void
fx_remove_folder (const char *path)
{
    DIR *folder = opendir (path);
    for (struct dirent *entry; folder && (entry = readdir (folder)) != NULL;) {
        char *inner = NULL;
        if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
            continue;
        if (asprintf (&inner, "%s/%s", path, entry->d_name) < 0)
            abort ();
        if (unlink (inner) != 0)
            fx_remove_folder (inner);
        free (inner);
    }
    if (folder)
        closedir (folder);
    rmdir (path);
}

#endif
