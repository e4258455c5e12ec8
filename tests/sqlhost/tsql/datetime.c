/*  Dates as text: what SQL Server reads under us_english and CONVERT's styles. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "convert.h"

static const char *const s_months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static bool
s_leap (int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool
s_valid (const sh_civil_t *c)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    int last = days[c->month - 1] + (c->month == 2 && s_leap (c->year));
    return c->day <= last && c->hour >= 0 && c->hour < 24 && c->minute >= 0 && c->minute < 60 &&
           c->second >= 0 && c->second < 60;
}

static const char *
s_blank (const char *at)
{
    while (isspace ((unsigned char)*at))
        at++;
    return at;
}

/*  Up to `most` digits; returns how many were read. */
static int
s_number (const char **at, int most, int *out)
{
    int count = 0;
    *out = 0;
    while (count < most && isdigit ((unsigned char)**at)) {
        *out = *out * 10 + (**at - '0');
        (*at)++;
        count++;
    }
    return count;
}

static int32_t
s_fraction (const char **at)
{
    int32_t ticks = 0, unit = SH_TICKS_PER_SECOND / 10;
    while (isdigit ((unsigned char)**at)) {
        ticks += unit * (**at - '0');
        unit /= 10;
        (*at)++;
    }
    return ticks;
}

static int
s_month (const char **at)
{
    static const char *const full[] = {"January",   "February", "March",    "April",
                                       "May",       "June",     "July",     "August",
                                       "September", "October",  "November", "December"};
    for (int i = 0; i < 12; i++) {
        size_t size = strlen (full[i]);
        if (strncasecmp (*at, full[i], size) == 0) {
            *at += size;
            return i + 1;
        }
    }
    for (int i = 0; i < 12; i++)
        if (strncasecmp (*at, s_months[i], 3) == 0) {
            *at += 3;
            return i + 1;
        }
    return 0;
}

static void
s_century (int digits, int *year)
{
    if (digits <= 2)
        *year += *year < 50 ? 2000 : 1900;
}

/*  May 6 2014, 6 May 2014, May 2014-less forms: a month's name somewhere. */
static bool
s_date_named (const char **at, sh_civil_t *c)
{
    const char *p = *at;
    int first = 0, digits = s_number (&p, 4, &first);
    p = s_blank (p);
    if (*p == '-')
        p++;
    c->month = s_month (&p);
    if (!c->month)
        return false;
    while (*p == ',' || *p == '-' || isspace ((unsigned char)*p))
        p++;
    int second = 0, third = 0;
    int second_digits = s_number (&p, 4, &second);
    if (!second_digits)
        return false;
    if (digits) {
        c->day = first;
        c->year = second;
        s_century (second_digits, &c->year);
    } else if (second_digits == 4) {
        c->year = second;
        c->day = 1;
    } else {
        while (*p == ',' || isspace ((unsigned char)*p))
            p++;
        const char *before = p;
        int third_digits = s_number (&p, 4, &third);
        if (!third_digits || *p == ':') {
            p = before;
            return false;
        }
        c->day = second;
        c->year = third;
        s_century (third_digits, &c->year);
    }
    *at = p;
    return true;
}

/*  yyyymmdd, yyyy-mm-dd, mm/dd/yyyy with - / . */
static bool
s_date_numeric (const char **at, sh_civil_t *c)
{
    const char *p = *at;
    int a, b, d;
    int a_digits = s_number (&p, 8, &a);
    if (a_digits == 8) {
        c->year = a / 10000;
        c->month = a / 100 % 100;
        c->day = a % 100;
        *at = p;
        return true;
    }
    if ((a_digits == 4 || a_digits == 6) && (!*p || isspace ((unsigned char)*p))) {
        c->year = a_digits == 4 ? a : a / 10000; /* yyyy, yymmdd */
        if (a_digits == 6) {
            s_century (2, &c->year);
            c->month = a / 100 % 100;
            c->day = a % 100;
        }
        *at = p;
        return true;
    }
    char separator = *p;
    if (!a_digits || !separator || !strchr ("-/.", separator))
        return false;
    p++;
    if (!s_number (&p, 2, &b) || *p != separator)
        return false;
    p++;
    int d_digits = s_number (&p, 4, &d);
    if (!d_digits)
        return false;
    if (a_digits == 4) {
        c->year = a;
        c->month = b;
        c->day = d;
    } else {
        c->month = a;
        c->day = b;
        c->year = d;
        s_century (d_digits, &c->year);
    }
    *at = p;
    return true;
}

/*  hh:mm[:ss[.fff|:fff]] [AM|PM]; hh AM */
static bool
s_time (const char **at, sh_civil_t *c)
{
    const char *p = *at;
    if (!s_number (&p, 2, &c->hour))
        return false;
    bool colon = *p == ':';
    if (colon) {
        p++;
        if (!s_number (&p, 2, &c->minute))
            return false;
        if (*p == ':') {
            p++;
            if (!s_number (&p, 2, &c->second))
                return false;
            if (*p == '.') {
                p++;
                c->fraction = s_fraction (&p);
            } else if (*p == ':') {
                int ms = 0;
                p++;
                s_number (&p, 3, &ms);
                c->fraction = ms * SH_TICKS_PER_MS;
            }
        }
    }
    p = s_blank (p);
    bool pm = strncasecmp (p, "PM", 2) == 0, am = strncasecmp (p, "AM", 2) == 0;
    if (pm || am) {
        if (c->hour < 1 || c->hour > 12)
            return false;
        c->hour = c->hour % 12 + (pm ? 12 : 0);
        p += 2;
    } else if (!colon)
        return false;
    *at = p;
    return true;
}

/*  Z or +hh:mm behind an ISO time: the clock reading is brought to UTC. */
static bool
s_zone (const char **at, int *minutes)
{
    const char *p = s_blank (*at);
    *minutes = 0;
    if (*p == 'Z' || *p == 'z')
        p++;
    else if (*p == '+' || *p == '-') {
        int sign = *p++ == '-' ? -1 : 1;
        int hour, minute;
        if (s_number (&p, 2, &hour) != 2 || *p++ != ':' || s_number (&p, 2, &minute) != 2)
            return false;
        *minutes = sign * (hour * 60 + minute);
    }
    *at = p;
    return true;
}

bool
sh_time_parse (const char *text, int64_t *ticks)
{
    sh_civil_t c = {.year = 1900, .month = 1, .day = 1};
    const char *at = s_blank (text);
    if (!*at) {
        *ticks = SH_TICKS_1900; /* an empty string is 1900-01-01 */
        return true;
    }
    sh_civil_t named = c; /* a try that fails may leave anything in it */
    bool date = s_date_numeric (&at, &c);
    if (!date && s_date_named (&at, &named)) {
        c = named;
        date = true;
    }
    int zone = 0;
    if (date && (*at == 'T' || *at == 't'))
        at++;
    at = s_blank (at);
    if (*at && !s_time (&at, &c))
        return false;
    if (!s_zone (&at, &zone) || *s_blank (at) || !s_valid (&c))
        return false;
    *ticks = sh_ticks_from_civil (&c) - (int64_t)zone * 60 * SH_TICKS_PER_SECOND;
    return true;
}

static void
s_12_hours (const sh_civil_t *c, int *hour, const char **half)
{
    *hour = c->hour % 12 ? c->hour % 12 : 12;
    *half = c->hour < 12 ? "AM" : "PM";
}

/*  ".123": datetime shows milliseconds, datetime2 (n) n digits, smalldatetime none. */
static void
s_fraction_text (const sh_civil_t *c, const sh_type_t *type, char separator, char out[16])
{
    int digits = type->id == SH_TYPE_DATETIME        ? 3
                 : type->id == SH_TYPE_SMALLDATETIME ? 0
                                                     : type->scale;
    if (type->id == SH_TYPE_DATE)
        digits = 0;
    out[0] = 0;
    if (!digits)
        return;
    char all[16];
    snprintf (all, sizeof all, "%07d", (int)c->fraction);
    snprintf (out, 16, "%c%.*s", separator, digits, all);
}

static bool
s_date_styles (const sh_civil_t *c, int style, char *out, size_t size)
{
    const char *month = s_months[c->month - 1];
    int year = style >= 100 ? c->year : c->year % 100;
    const char *wide = style >= 100 ? "%04d" : "%02d";
    char y[8];
    snprintf (y, sizeof y, wide[2] == '4' ? "%04d" : "%02d", year);
    switch (style % 100) {
        case 1:
            return snprintf (out, size, "%02d/%02d/%s", c->month, c->day, y) > 0;
        case 2:
            return snprintf (out, size, "%s.%02d.%02d", y, c->month, c->day) > 0;
        case 3:
            return snprintf (out, size, "%02d/%02d/%s", c->day, c->month, y) > 0;
        case 4:
            return snprintf (out, size, "%02d.%02d.%s", c->day, c->month, y) > 0;
        case 5:
            return snprintf (out, size, "%02d-%02d-%s", c->day, c->month, y) > 0;
        case 6:
            return snprintf (out, size, "%02d %s %s", c->day, month, y) > 0;
        case 7:
            return snprintf (out, size, "%s %02d, %s", month, c->day, y) > 0;
        case 10:
            return snprintf (out, size, "%02d-%02d-%s", c->month, c->day, y) > 0;
        case 11:
            return snprintf (out, size, "%s/%02d/%02d", y, c->month, c->day) > 0;
        case 12:
            return snprintf (out, size, "%s%02d%02d", y, c->month, c->day) > 0;
        default:
            return false;
    }
}

static bool
s_time_styles (const sh_civil_t *c, const sh_type_t *type, int style, char *out, size_t size)
{
    char fraction[16], colon[16];
    const char *half;
    int hour;
    const char *month = s_months[c->month - 1];
    s_12_hours (c, &hour, &half);
    s_fraction_text (c, type, '.', fraction);
    s_fraction_text (c, type, ':', colon);
    switch (style) {
        case 0:
        case 100:
            return snprintf (out, size, "%s %2d %04d %2d:%02d%s", month, c->day, c->year, hour,
                             c->minute, half) > 0;
        case 8:
        case 24:
        case 108:
            return snprintf (out, size, "%02d:%02d:%02d", c->hour, c->minute, c->second) > 0;
        case 9:
        case 109:
            return snprintf (out, size, "%s %2d %04d %2d:%02d:%02d%s%s", month, c->day, c->year,
                             hour, c->minute, c->second, colon, half) > 0;
        case 13:
        case 113:
            return snprintf (out, size, "%02d %s %04d %02d:%02d:%02d%s", c->day, month, c->year,
                             c->hour, c->minute, c->second, colon) > 0;
        case 14:
        case 114:
            return snprintf (out, size, "%02d:%02d:%02d%s", c->hour, c->minute, c->second, colon) >
                   0;
        case 20:
        case 120:
            return snprintf (out, size, "%04d-%02d-%02d %02d:%02d:%02d", c->year, c->month, c->day,
                             c->hour, c->minute, c->second) > 0;
        case 21:
        case 25:
        case 121:
            return snprintf (out, size, "%04d-%02d-%02d %02d:%02d:%02d%s", c->year, c->month,
                             c->day, c->hour, c->minute, c->second, fraction) > 0;
        case 23:
            return snprintf (out, size, "%04d-%02d-%02d", c->year, c->month, c->day) > 0;
        case 126:
        case 127:
            /*  Without a fraction when it is zero. */
            return snprintf (out, size, "%04d-%02d-%02dT%02d:%02d:%02d%s%s", c->year, c->month,
                             c->day, c->hour, c->minute, c->second, c->fraction ? fraction : "",
                             style == 127 ? "Z" : "") > 0;
        default:
            return false;
    }
}

bool
sh_time_format (int64_t ticks, const sh_type_t *type, int style, char *out, size_t size)
{
    sh_civil_t c;
    sh_ticks_to_civil (type->id == SH_TYPE_TIME ? ticks + SH_TICKS_1900 : ticks, &c);
    char fraction[16];
    if (type->id == SH_TYPE_DATE &&
        (style == 0 || style == 20 || style == 120 || style == 121 || style == 21 || style == 126))
        return snprintf (out, size, "%04d-%02d-%02d", c.year, c.month, c.day) > 0;
    if (type->id == SH_TYPE_TIME) {
        s_fraction_text (&c, type, '.', fraction);
        return snprintf (out, size, "%02d:%02d:%02d%s", c.hour, c.minute, c.second, fraction) > 0;
    }
    /*  Without a style datetime2 reads as 121 does. */
    if (type->id == SH_TYPE_DATETIME2 && style == 0)
        style = 121;
    return s_time_styles (&c, type, style, out, size) || s_date_styles (&c, style, out, size);
}
