#include "tests/workload/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
s_id (uint32_t seed, const char *group, int64_t number, char text[BM_MESSAGE_ID_BYTES])
{
    snprintf (text, BM_MESSAGE_ID_BYTES, "%08" PRIX32 "-0000-4000-%s-%012" PRIX64, seed, group,
              (uint64_t)number & UINT64_C (0xFFFFFFFFFFFF));
    return text;
}

char *
bm_message_id (uint32_t seed, int64_t number, char text[BM_MESSAGE_ID_BYTES])
{
    return s_id (seed, "8000", number, text);
}

char *
bm_message_part_id (uint32_t seed, int64_t number, char text[BM_MESSAGE_ID_BYTES])
{
    return s_id (seed, "9000", number, text);
}

int64_t
bm_message_number (const char *id)
{
    if (!id || strlen (id) != BM_MESSAGE_ID_BYTES - 1 || id[23] != '-')
        return -1;
    char *end = NULL;
    long long number = strtoll (id + 24, &end, 16);
    return *end ? -1 : number;
}
