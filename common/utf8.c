#include "common/utf8.h"

#include <stdint.h>

/*  Bytes of the character at *at, or 0 when it is malformed. */
static size_t
s_character (const unsigned char *at, size_t left)
{
    uint32_t lead = at[0];
    if (lead < 0x80)
        return lead ? 1 : 0;
    size_t size = lead >= 0xF0 ? 4 : (lead >= 0xE0 ? 3 : 2);
    if (lead < 0xC2 || lead > 0xF4 || size > left)
        return 0;
    uint32_t value = lead & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    return size;
}

bool
bm_utf8_valid (const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    while (size > 0) {
        size_t step = s_character (at, size);
        if (step == 0)
            return false;
        at += step;
        size -= step;
    }
    return true;
}
