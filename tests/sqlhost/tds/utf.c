/*  tests/sqlhost/tds/utf.c */
#include "tests/sqlhost/tds/utf.h"

#define REPLACEMENT 0xFFFDu

/*  windows-1252 differs from Latin-1 in 0x80..0x9F only; five of those are unassigned, and pass
 *  through as C1 controls, as MultiByteToWideChar does. */
static const uint16_t s_cp1252[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

static void
s_put_utf8 (sh_writer_t *out, uint32_t point)
{
    uint8_t bytes[4];
    size_t count = 0;

    if (point < 0x80)
        bytes[count++] = (uint8_t)point;
    else if (point < 0x800) {
        bytes[count++] = (uint8_t)(0xC0 | point >> 6);
        bytes[count++] = (uint8_t)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        bytes[count++] = (uint8_t)(0xE0 | point >> 12);
        bytes[count++] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        bytes[count++] = (uint8_t)(0x80 | (point & 0x3F));
    } else {
        bytes[count++] = (uint8_t)(0xF0 | point >> 18);
        bytes[count++] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
        bytes[count++] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        bytes[count++] = (uint8_t)(0x80 | (point & 0x3F));
    }
    sh_writer_bytes (out, bytes, count);
}

/*  The next code point of UTF-8 at *at, which moves on by at least one byte. Overlong forms,
 *  surrogates and cut sequences give the replacement character for one byte. */
static uint32_t
s_next_utf8 (const uint8_t *data, size_t size, size_t *at)
{
    static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = data[(*at)++];
    size_t more;
    uint32_t point;

    if (first < 0x80)
        return first;
    if (first >= 0xC2 && first <= 0xDF)
        more = 1, point = first & 0x1F;
    else if ((first & 0xF0) == 0xE0)
        more = 2, point = first & 0x0F;
    else if (first >= 0xF0 && first <= 0xF4)
        more = 3, point = first & 0x07;
    else
        return REPLACEMENT;
    if (more > size - *at)
        return REPLACEMENT;
    for (size_t i = 0; i < more; i++) {
        uint8_t byte = data[*at + i];
        if ((byte & 0xC0) != 0x80)
            return REPLACEMENT;
        point = point << 6 | (byte & 0x3F);
    }
    if (point < least[more] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return REPLACEMENT;
    *at += more;
    return point;
}

bool
sh_utf_from_utf16 (sh_writer_t *out, const uint8_t *data, size_t size)
{
    if (size % 2 != 0)
        return false;
    sh_writer_reserve (out, size / 2);
    for (size_t i = 0; i < size; i += 2) {
        uint32_t unit = (uint32_t)(data[i] | data[i + 1] << 8);
        if (unit >= 0xD800 && unit <= 0xDBFF && i + 3 < size) {
            uint32_t low = (uint32_t)(data[i + 2] | data[i + 3] << 8);
            if (low >= 0xDC00 && low <= 0xDFFF) {
                s_put_utf8 (out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
                i += 2;
                continue;
            }
        }
        s_put_utf8 (out, unit >= 0xD800 && unit <= 0xDFFF ? REPLACEMENT : unit);
    }
    return true;
}

size_t
sh_utf_to_utf16 (sh_writer_t *out, const char *text, size_t size)
{
    size_t before = out->size;

    sh_writer_reserve (out, size * 2);
    for (size_t at = 0; at < size;) {
        uint32_t point = s_next_utf8 ((const uint8_t *)text, size, &at);
        if (point < 0x10000)
            sh_writer_u16 (out, (uint16_t)point);
        else {
            sh_writer_u16 (out, (uint16_t)(0xD800 + ((point - 0x10000) >> 10)));
            sh_writer_u16 (out, (uint16_t)(0xDC00 + ((point - 0x10000) & 0x3FF)));
        }
    }
    return out->size - before;
}

size_t
sh_utf_utf16_size (const char *text, size_t size)
{
    size_t bytes = 0;
    for (size_t at = 0; at < size;)
        bytes += s_next_utf8 ((const uint8_t *)text, size, &at) < 0x10000 ? 2 : 4;
    return bytes;
}

void
sh_utf_from_cp1252 (sh_writer_t *out, const uint8_t *data, size_t size)
{
    sh_writer_reserve (out, size);
    for (size_t i = 0; i < size; i++)
        s_put_utf8 (out, data[i] >= 0x80 && data[i] <= 0x9F ? s_cp1252[data[i] - 0x80] : data[i]);
}

static uint8_t
s_to_cp1252 (uint32_t point)
{
    if (point < 0x80 || (point >= 0xA0 && point <= 0xFF))
        return (uint8_t)point;
    for (size_t i = 0; i < 32; i++)
        if (s_cp1252[i] == point)
            return (uint8_t)(0x80 + i);
    return '?';
}

size_t
sh_utf_to_cp1252 (sh_writer_t *out, const char *text, size_t size)
{
    size_t before = out->size;

    sh_writer_reserve (out, size);
    for (size_t at = 0; at < size;)
        sh_writer_u8 (out, s_to_cp1252 (s_next_utf8 ((const uint8_t *)text, size, &at)));
    return out->size - before;
}
