/*  Exact numbers: a 128-bit mantissa and a scale, as wide as SQL Server's 38 digits. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "convert.h"

static const int s_digits_max = 38;

static sh_int128_t
s_power (int n)
{
    sh_int128_t power = 1;
    while (n-- > 0)
        power *= 10;
    return power;
}

static sh_int128_t
s_abs (sh_int128_t value)
{
    return value < 0 ? -value : value;
}

bool
sh_decimal_fits (const sh_decimal_t *value, int precision)
{
    return s_abs (value->mantissa) < s_power (precision);
}

bool
sh_decimal_parse (const char *text, sh_decimal_t *out)
{
    *out = (sh_decimal_t){0};
    while (isspace ((unsigned char)*text))
        text++;
    bool minus = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    int digits = 0;
    bool any = false, point = false;
    for (; isdigit ((unsigned char)*text) || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        any = true;
        if (digits == s_digits_max) {
            if (!point)
                return false;
            continue; /* digits beyond what fits behind the point */
        }
        out->mantissa = out->mantissa * 10 + (*text - '0');
        if (out->mantissa)
            digits++;
        if (point)
            out->scale++;
    }
    while (isspace ((unsigned char)*text))
        text++;
    if (minus)
        out->mantissa = -out->mantissa;
    return any && !*text;
}

void
sh_decimal_print (const sh_decimal_t *value, char *out, size_t size)
{
    char digits[48];
    int count = 0;
    sh_int128_t rest = s_abs (value->mantissa);
    do {
        digits[count++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while ((rest || count <= value->scale) && count < 46);
    size_t at = 0;
    if (value->mantissa < 0 && at + 1 < size)
        out[at++] = '-';
    while (count > 0 && at + 1 < size) {
        if (count == value->scale && at + 2 < size)
            out[at++] = '.';
        out[at++] = digits[--count];
    }
    out[at] = 0;
}

bool
sh_decimal_scale (sh_decimal_t *value, int scale)
{
    while (value->scale < scale) {
        if (s_abs (value->mantissa) > s_power (s_digits_max) / 10)
            return false;
        value->mantissa *= 10;
        value->scale++;
    }
    if (value->scale > scale) {
        sh_int128_t power = s_power (value->scale - scale);
        sh_int128_t half = power / 2;
        value->mantissa = (value->mantissa + (value->mantissa < 0 ? -half : half)) / power;
        value->scale = scale;
    }
    return sh_decimal_fits (value, s_digits_max);
}

int
sh_decimal_compare (const sh_decimal_t *a, const sh_decimal_t *b)
{
    sh_decimal_t x = *a, y = *b;
    int scale = x.scale > y.scale ? x.scale : y.scale;
    if (!sh_decimal_scale (&x, scale) || !sh_decimal_scale (&y, scale)) {
        double p = sh_decimal_real (a), q = sh_decimal_real (b);
        return p < q ? -1 : p > q;
    }
    return x.mantissa < y.mantissa ? -1 : x.mantissa > y.mantissa;
}

double
sh_decimal_real (const sh_decimal_t *value)
{
    return (double)value->mantissa / (double)s_power (value->scale);
}

static int
s_divide (const sh_decimal_t *a, const sh_decimal_t *b, int scale, sh_decimal_t *out)
{
    if (!b->mantissa)
        return 8134;
    /*  Long division: whole part, then digit by digit, so that nothing overflows. */
    sh_int128_t up = s_abs (a->mantissa), down = s_abs (b->mantissa);
    int have = a->scale - b->scale;
    sh_int128_t whole = up / down, rest = up % down;
    while (have < scale + 1) {
        if (whole > s_power (s_digits_max) / 10 || rest > s_power (s_digits_max) / 10)
            return 8115;
        whole = whole * 10 + rest * 10 / down;
        rest = rest * 10 % down;
        have++;
    }
    out->mantissa = (a->mantissa < 0) != (b->mantissa < 0) ? -whole : whole;
    out->scale = have;
    /*  SQL Server cuts the quotient. */
    if (have > scale) {
        out->mantissa /= s_power (have - scale);
        out->scale = scale;
    }
    return 0;
}

static int
s_multiply (const sh_decimal_t *a, const sh_decimal_t *b, sh_decimal_t *out)
{
    if (a->mantissa && s_abs (b->mantissa) > s_power (s_digits_max) / s_abs (a->mantissa))
        return 8115;
    out->mantissa = a->mantissa * b->mantissa;
    out->scale = a->scale + b->scale;
    return 0;
}

int
sh_decimal_compute (char op, const sh_decimal_t *a, const sh_decimal_t *b, int scale,
                    sh_decimal_t *out)
{
    *out = (sh_decimal_t){0};
    int failure = 0;
    if (op == '/')
        failure = s_divide (a, b, scale, out);
    else if (op == '*')
        failure = s_multiply (a, b, out);
    else {
        sh_decimal_t x = *a, y = *b;
        int common = x.scale > y.scale ? x.scale : y.scale;
        if (!sh_decimal_scale (&x, common) || !sh_decimal_scale (&y, common))
            return 8115;
        if (op == '%' && !y.mantissa)
            return 8134;
        out->mantissa = op == '+'   ? x.mantissa + y.mantissa
                        : op == '-' ? x.mantissa - y.mantissa
                                    : x.mantissa % y.mantissa;
        out->scale = common;
    }
    if (!failure && !sh_decimal_scale (out, scale))
        failure = 8115;
    return failure;
}

int
sh_decimal_text_compare (const char *a, const char *b)
{
    sh_decimal_t x, y;
    if (!sh_decimal_parse (a, &x) || !sh_decimal_parse (b, &y))
        return strcmp (a, b);
    return sh_decimal_compare (&x, &y);
}
