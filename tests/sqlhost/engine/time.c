#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/sqlhost/engine/value.h"

/*  Days since 0001-01-01 of the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level
 *  date algorithms": days_from_civil, shifted from 1970). */
static int64_t
s_days (int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468 + 719162;
}

int64_t
sh_ticks_from_civil (const sh_civil_t *civil)
{
    int64_t seconds = s_days (civil->year, civil->month, civil->day) * 86400 + civil->hour * 3600 +
                      civil->minute * 60 + civil->second;
    return seconds * SH_TICKS_PER_SECOND + civil->fraction;
}

void
sh_ticks_to_civil (int64_t ticks, sh_civil_t *out)
{
    int64_t days = ticks / SH_TICKS_PER_DAY, rest = ticks % SH_TICKS_PER_DAY;
    if (rest < 0) {
        rest += SH_TICKS_PER_DAY;
        days--;
    }
    int64_t z = days - 719162 + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t m = (5 * of_year + 2) / 153;
    out->day = (int)(of_year - (153 * m + 2) / 5 + 1);
    out->month = (int)(m < 10 ? m + 3 : m - 9);
    out->year = (int)(year + era * 400 + (out->month <= 2));
    int64_t seconds = rest / SH_TICKS_PER_SECOND;
    out->hour = (int)(seconds / 3600);
    out->minute = (int)(seconds / 60 % 60);
    out->second = (int)(seconds % 60);
    out->fraction = (int32_t)(rest % SH_TICKS_PER_SECOND);
}

/*  For tests alone, and only in debug builds: wall time runs ahead by the seconds that stand in the file which the environment
 *  variable BTSMARK_TEST_CLOCK names. All processes of a test share the file, so days pass for
 *  all of them at once. The monotonic clock, which deadlines use, is left alone. */
static int64_t
s_shift_s (void)
{
#ifdef NDEBUG
    return 0;
#else
    const char *path = getenv ("BTSMARK_TEST_CLOCK");
    char text[32];
    int file = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t length = file < 0 ? 0 : read (file, text, sizeof text - 1);
    if (file >= 0)
        close (file);
    text[length > 0 ? length : 0] = '\0';
    return strtoll (text, NULL, 10);
#endif
}

int64_t
sh_ticks_utc (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    int64_t seconds = (int64_t)now.tv_sec + s_shift_s ();
    return SH_TICKS_UNIX + seconds * SH_TICKS_PER_SECOND + now.tv_nsec / 100;
}

int64_t
sh_ticks_utc_to_local (int64_t utc)
{
    time_t seconds = (time_t)((utc - SH_TICKS_UNIX) / SH_TICKS_PER_SECOND);
    struct tm local;
    if (!localtime_r (&seconds, &local))
        return utc;
    return utc + (int64_t)local.tm_gmtoff * SH_TICKS_PER_SECOND;
}

int64_t
sh_ticks_local (void)
{
    return sh_ticks_utc_to_local (sh_ticks_utc ());
}

int64_t
sh_ticks_to_datetime (int64_t ticks)
{
    int64_t day = ticks / SH_TICKS_PER_DAY, rest = ticks % SH_TICKS_PER_DAY;
    int64_t units = (rest * 300 + SH_TICKS_PER_SECOND / 2) / SH_TICKS_PER_SECOND;
    /*  Shown in milliseconds: .000, .003, .007. */
    int64_t ms = (units * 10 + 1) / 3;
    return day * SH_TICKS_PER_DAY + ms * SH_TICKS_PER_MS;
}
