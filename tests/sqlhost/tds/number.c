/*  tests/sqlhost/tds/number.c */
#include "tests/sqlhost/tds/number.h"

#include <string.h>

/*  number = number * 10 + digit; false when that needs more than 128 bits. */
static bool
s_push (sh_number_t *number, unsigned digit)
{
    uint64_t carry = digit;
    for (size_t i = 0; i < 4; i++) {
        carry += (uint64_t)number->limb[i] * 10;
        number->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return carry == 0;
}

/*  number = number / 10; gives the rest. */
static unsigned
s_pop (sh_number_t *number)
{
    uint64_t rest = 0;
    for (size_t i = 4; i > 0; i--) {
        rest = rest << 32 | number->limb[i - 1];
        number->limb[i - 1] = (uint32_t)(rest / 10);
        rest %= 10;
    }
    return (unsigned)rest;
}

static void
s_increment (sh_number_t *number)
{
    for (size_t i = 0; i < 4; i++)
        if (++number->limb[i] != 0)
            return;
}

static bool
s_is_zero (const sh_number_t *number)
{
    return !(number->limb[0] | number->limb[1] | number->limb[2] | number->limb[3]);
}

/*  How many digits stand before and after the point; false when anything else stands there. */
static bool
s_shape (const char *text, size_t size, size_t *digits)
{
    bool point = false;

    *digits = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.' && !point)
            point = true;
        else if (text[i] >= '0' && text[i] <= '9')
            (*digits)++;
        else
            return false;
    }
    return *digits > 0;
}

bool
sh_number_parse (const char *text, size_t size, unsigned scale, sh_number_t *number)
{
    size_t digits;
    unsigned after = 0, used = 0;
    bool point = false, up = false;

    *number = (sh_number_t){0};
    if (size > 0 && (text[0] == '-' || text[0] == '+')) {
        number->negative = text[0] == '-';
        text++, size--;
    }
    if (!s_shape (text, size, &digits))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        if (point && after == scale) {
            up = text[i] >= '5';
            break;
        }
        after += point;
        used += used > 0 || text[i] != '0';
        if (used > 38 || !s_push (number, (unsigned)(text[i] - '0')))
            return false;
    }
    for (; after < scale; after++) {
        used += used > 0;
        if (used > 38 || !s_push (number, 0))
            return false;
    }
    if (up)
        s_increment (number);
    if (s_is_zero (number))
        number->negative = false;
    return true;
}

void
sh_number_print (const sh_number_t *number, unsigned scale, char out[48])
{
    sh_number_t rest = *number;
    char digits[48];
    size_t count = 0, at = 0;

    scale = scale > 38 ? 38 : scale;
    do
        digits[count++] = (char)('0' + s_pop (&rest));
    while (!s_is_zero (&rest) || count <= scale);
    if (number->negative)
        out[at++] = '-';
    while (count > 0) {
        if (count == scale && scale > 0)
            out[at++] = '.';
        out[at++] = digits[--count];
    }
    out[at] = 0;
}

size_t
sh_number_bytes (unsigned precision)
{
    if (precision <= 9)
        return 5;
    if (precision <= 19)
        return 9;
    return precision <= 28 ? 13 : 17;
}

bool
sh_number_fits (const sh_number_t *number, size_t bytes)
{
    for (size_t i = bytes / 4; i < 4; i++)
        if (number->limb[i] != 0)
            return false;
    return true;
}

bool
sh_number_to_int (const sh_number_t *number, int64_t *value)
{
    uint64_t magnitude = (uint64_t)number->limb[1] << 32 | number->limb[0];
    uint64_t limit = (uint64_t)INT64_MAX + (number->negative ? 1 : 0);

    if (!sh_number_fits (number, 8) || magnitude > limit)
        return false;
    *value = number->negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

sh_number_t
sh_number_from_int (int64_t value)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    sh_number_t number = {.negative = value < 0};

    number.limb[0] = (uint32_t)magnitude;
    number.limb[1] = (uint32_t)(magnitude >> 32);
    return number;
}

void
sh_number_date (int64_t day, int *year, int *month, int *day_of_month)
{
    /*  Howard Hinnant's civil_from_days, http://howardhinnant.github.io/date_algorithms.html: years
     *  begin in March, so that the leap day is the last of its year. 0001-01-01 is 306 days after
     *  0000-03-01. */
    int64_t shifted = day + 306;
    int64_t era = shifted / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march = (5 * of_year + 2) / 153;

    *day_of_month = (int)(of_year - (153 * march + 2) / 5 + 1);
    *month = (int)(march < 10 ? march + 3 : march - 9);
    *year = (int)(year_of_era + era * 400) + (*month <= 2);
}
