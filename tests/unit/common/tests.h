/*  tests/unit/common/tests.h
 *  cmocka with what it needs before it, and a folder that is made for a test and removed after it.
 */
#ifndef BM_TESTS_COMMON_H
#define BM_TESTS_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/error.h"

/*  A new folder. Freed and removed, with the files in it, by tests_folder_remove. */
static inline char *
tests_folder_new (void)
{
    char *folder = strdup ("/tmp/btsmark-test-XXXXXX");
    assert_non_null (mkdtemp (folder));
    return folder;
}

static inline char *
tests_file (const char *folder, const char *name, const void *data, size_t size, mode_t mode)
{
    char *path = bm_format ("%s/%s", folder, name);
    FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_int_equal (fwrite (data, 1, size, file), size);
    assert_int_equal (fclose (file), 0);
    assert_int_equal (chmod (path, mode), 0);
    return path;
}

/*  Removes a file and frees its path. */
static inline void
tests_file_remove (char *path)
{
    unlink (path);
    free (path);
}

static inline void
tests_folder_remove (char *folder)
{
    assert_int_equal (rmdir (folder), 0);
    free (folder);
}

#endif
