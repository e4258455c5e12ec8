/*  tests/workload/message.h
 *  Everything the workload writes is numbered. A message's number stands in its ids, so that the checker finds it again in
 *  any table.
 */
#ifndef BM_WORKLOAD_MESSAGE_H
#define BM_WORKLOAD_MESSAGE_H

#include <stdint.h>

#define BM_MESSAGE_ID_BYTES  37
#define BM_MESSAGE_FRAGMENTS 2
#define BM_MESSAGE_MOST      0x7FFFFFFF /* OrderId is an int */

/*  "xxxxxxxx-0000-4000-8000-nnnnnnnnnnnn" for the message itself, -9000- for its only part. Returns text. */
char *bm_message_id (uint32_t seed, int64_t number, char text[BM_MESSAGE_ID_BYTES]);
char *bm_message_part_id (uint32_t seed, int64_t number, char text[BM_MESSAGE_ID_BYTES]);
/*  The number in such an id; -1 when it is none. */
int64_t bm_message_number (const char *id);

#endif
