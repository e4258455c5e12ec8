/*  common/clock_shift.h
 *  For tests alone, and only in debug builds: wall time runs ahead by the seconds that stand in the file which the environment
 *  variable BTSMARK_TEST_CLOCK names. All processes of a test, the stand-in for SQL Server too, share the file, so days pass for
 *  all of them at once. Deadlines and leases use the monotonic clock, which is left alone.
 */
#ifndef BM_CLOCK_SHIFT_H
#define BM_CLOCK_SHIFT_H

#include <stdint.h>

#ifdef NDEBUG

static inline int64_t
bm_clock_shift_s (void)
{
    return 0;
}

#else

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/*  0 when the variable is not set or the file cannot be read. */
static inline int64_t
bm_clock_shift_s (void)
{
    const char *path = getenv ("BTSMARK_TEST_CLOCK");
    char text[32];
    int file = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t length = file < 0 ? 0 : read (file, text, sizeof text - 1);
    if (file >= 0)
        close (file);
    text[length > 0 ? length : 0] = '\0';
    return strtoll (text, NULL, 10);
}

#endif
#endif
