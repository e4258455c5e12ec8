/*  tests/sqlhost/tds/tls.h
 *  TLS of a connection (OpenSSL), as SQL Server does it in TDS 7: up to TLS 1.2, the handshake inside PRELOGIN packets,
 *  afterwards records straight on the socket. Pure: bytes in, bytes out. */
#ifndef SH_TDS_TLS_H
#define SH_TDS_TLS_H

#include "tests/sqlhost/tds/wire.h"

/*  The server's certificate and key; any thread. */
typedef struct sh_tls sh_tls_t;

/*  PEM files; the certificate's may hold its chain. Both NULL: a certificate of its own, made now.
 *  NULL with a sentence in `error`. */
sh_tls_t *sh_tls_new (const char *certificate_file, const char *key_file, char *error, size_t size);
void sh_tls_destroy (sh_tls_t **self_p);

/*  One client's. Any thread: each call takes its lock. */
typedef struct sh_channel sh_channel_t;

/*  The longest record: 2^14 bytes, what ciphers may add, and its header (RFC 5246 6.2.3). */
#define SH_CHANNEL_RECORD (16384 + 2048 + 5)

sh_channel_t *sh_channel_new (sh_tls_t *tls);
void sh_channel_destroy (sh_channel_t **self_p);

typedef enum { SH_CHANNEL_MORE, SH_CHANNEL_READY, SH_CHANNEL_FAILED } sh_channel_state_t;

/*  Takes what the client sent of the handshake and appends the answer. */
sh_channel_state_t
sh_channel_handshake (sh_channel_t *self, const uint8_t *data, size_t size, sh_writer_t *out);
/*  Records, or parts of them, as they came from the socket. */
void sh_channel_feed (sh_channel_t *self, const uint8_t *data, size_t size);
/*  The plain bytes, at most `size`: how many; 0 = more must be fed; -1 = ended or broken. With
 *  `peek` they stay. */
int sh_channel_read (sh_channel_t *self, uint8_t *data, size_t size, bool peek);
/*  Appends the records of `data`. */
bool sh_channel_write (sh_channel_t *self, const uint8_t *data, size_t size, sh_writer_t *out);
/*  Appends the end of the channel. */
void sh_channel_end (sh_channel_t *self, sh_writer_t *out);

#endif
