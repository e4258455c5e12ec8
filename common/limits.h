/*  common/limits.h
 *  Every maximum, each tested at n and n + 1. Sizes are checked before anything is decoded.
 */
#ifndef BM_LIMITS_H
#define BM_LIMITS_H

#define BM_PROTOCOL_VERSION 2

#define BM_LIMIT_WIRE_BYTES      (1024 * 1024) /* one message on the wire */
#define BM_LIMIT_MANIFEST_BYTES  (8 * 1024 * 1024)
#define BM_LIMIT_AGENTS          1024
#define BM_LIMIT_INSTANCES       1024 /* of a group, and served by an agent: 64 */
#define BM_LIMIT_AGENT_INSTANCES 64
#define BM_LIMIT_DATABASES       4096 /* of a group */
#define BM_LIMIT_NAME_BYTES      512  /* sysname: 128 characters in UTF-8 */
#define BM_LIMIT_PATH_BYTES      4096
#define BM_LIMIT_MARK_CHARS      32  /* SQL Server cuts a transaction name in a variable */
#define BM_LIMIT_MARK_PREFIX     8   /* @MarkName nvarchar(8) of BizTalk's procedures */
#define BM_LIMIT_MESSAGES        200 /* kept of one batch; the first 100 and the last 100 */
#define BM_LIMIT_MESSAGE_BYTES   4096
#define BM_LIMIT_LEASE_MS        120000
#define BM_LIMIT_ALLOWED_KEYS    256
#define BM_LIMIT_CONFIG_BYTES    (1024 * 1024)
#define BM_LIMIT_CONFIG_LINE     8192
#define BM_LIMIT_PARALLEL        64
#define BM_LIMIT_FILES           1000 /* of one MeasureFiles or DeleteFiles */
#define BM_LIMIT_BRANCHES                                                                          \
    1000 /* listed of one sample; more are counted as one in flight all the same */
#define BM_LIMIT_FINDINGS 2000
#define BM_LIMIT_STRIPES  64

#endif
