#include "common/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int64_t
s_now_us (clockid_t clock)
{
    struct timespec now;
    clock_gettime (clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
bm_clock_mono_ms (void)
{
    return s_now_us (CLOCK_MONOTONIC) / 1000;
}

int64_t
bm_clock_mono_us (void)
{
    return s_now_us (CLOCK_MONOTONIC);
}

/*  For tests alone, and only in debug builds: wall time runs ahead by the seconds that stand in the file which the environment
 *  variable BTSMARK_TEST_CLOCK names. All processes of a test, the stand-in for SQL Server too, share the file, so days pass for
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
bm_clock_utc_us (void)
{
    return s_now_us (CLOCK_REALTIME) + s_shift_s () * 1000000;
}

/*  Days since 1970-01-01 of a Gregorian date, without the C library's calendar: it needs no time zone and
 *  works for every year (Howard Hinnant's days_from_civil). */
static int64_t
s_days (int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t
s_floor_divide (int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

char *
bm_clock_rfc3339 (int64_t utc_us, char buffer[BM_CLOCK_TEXT_BYTES])
{
    int64_t ms = s_floor_divide (utc_us, 1000);
    time_t seconds = (time_t)s_floor_divide (ms, 1000);
    struct tm parts;
    if (!gmtime_r (&seconds, &parts) || parts.tm_year < -1900 || parts.tm_year > 9999 - 1900) {
        snprintf (buffer, BM_CLOCK_TEXT_BYTES, "%s", "0001-01-01T00:00:00.000Z");
        return buffer;
    }
    snprintf (buffer, BM_CLOCK_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
              (parts.tm_year + 1900) % 10000, (parts.tm_mon + 1) % 100, parts.tm_mday % 100,
              parts.tm_hour % 100, parts.tm_min % 100, parts.tm_sec % 100,
              (int)(ms - (int64_t)seconds * 1000) % 1000);
    return buffer;
}

/*  `count` digits at *text, or -1. Advances *text. */
static int
s_digits (const char **text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return -1;
        value = value * 10 + (**text - '0');
    }
    return value;
}

/*  The fraction behind the point in microseconds: one to six digits. */
static int64_t
s_fraction (const char **text)
{
    int64_t value = 0;
    int64_t unit = 100000;
    int digits = 0;
    for (; **text >= '0' && **text <= '9' && digits < 6; digits++, (*text)++, unit /= 10)
        value += (**text - '0') * unit;
    return digits ? value : -1;
}

static int
s_days_of_month (int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

int64_t
bm_clock_parse_rfc3339 (const char *text)
{
    static const char separators[] = {'-', '-', 'T', ':', ':', '\0'};
    static const int widths[] = {4, 2, 2, 2, 2, 2};
    int field[6];
    if (!text)
        return -1;
    for (int i = 0; i < 6; i++) {
        field[i] = s_digits (&text, widths[i]);
        if (field[i] < 0 || (separators[i] && *text++ != separators[i]))
            return -1;
    }
    int64_t us = 0;
    if (*text == '.') {
        text++;
        us = s_fraction (&text);
    }
    if (us < 0 || text[0] != 'Z' || text[1] != '\0' || field[1] < 1 || field[1] > 12 ||
        field[2] < 1 || field[2] > s_days_of_month (field[0], field[1]) || field[3] > 23 ||
        field[4] > 59 || field[5] > 59)
        return -1;
    int64_t seconds =
        s_days (field[0], field[1], field[2]) * 86400 + field[3] * 3600 + field[4] * 60 + field[5];
    return seconds < 0 ? -1 : seconds * 1000000 + us;
}
