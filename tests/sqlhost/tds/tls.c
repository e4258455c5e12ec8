/*  tests/sqlhost/tds/tls.c */
#include "tests/sqlhost/tds/tls.h"

#include "tests/sqlhost/tds/identity.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

struct sh_tls {
    SSL_CTX *context;
};

struct sh_channel {
    pthread_mutex_t lock; /* of all below */
    SSL *ssl;
    BIO *in;  /* from the client; owned by ssl, as the next */
    BIO *out; /* to the client */
};

static bool
s_fail (char *error, size_t size, const char *what, const char *file)
{
    char reason[256] = "no reason given";

    if (ERR_peek_error ())
        ERR_error_string_n (ERR_peek_error (), reason, sizeof reason);
    ERR_clear_error ();
    snprintf (error, size, "%s%s%s: %s", what, file ? " " : "", file ? file : "", reason);
    return false;
}

static bool
s_use_files (SSL_CTX *context, const char *certificate_file, const char *key_file, char *error,
             size_t size)
{
    if (SSL_CTX_use_certificate_chain_file (context, certificate_file) != 1)
        return s_fail (error, size, "cannot use the certificate of", certificate_file);
    if (SSL_CTX_use_PrivateKey_file (context, key_file, SSL_FILETYPE_PEM) != 1)
        return s_fail (error, size, "cannot use the key of", key_file);
    return SSL_CTX_check_private_key (context) == 1 ||
           s_fail (error, size, "the certificate does not belong to the key of", key_file);
}

static bool
s_use_fallback (SSL_CTX *context, char *error, size_t size)
{
    sh_identity_t *own = sh_identity_fallback ();
    bool good = own && SSL_CTX_use_certificate (context, sh_identity_certificate (own)) == 1 &&
                SSL_CTX_use_PrivateKey (context, sh_identity_key (own)) == 1;

    sh_identity_destroy (&own);
    return good || s_fail (error, size, "cannot make a certificate", NULL);
}

sh_tls_t *
sh_tls_new (const char *certificate_file, const char *key_file, char *error, size_t size)
{
    sh_tls_t *self = sh_wire_alloc (sizeof *self);
    bool good;

    self->context = SSL_CTX_new (TLS_server_method ());
    if (!self->context)
        good = s_fail (error, size, "OpenSSL", NULL);
    else if (certificate_file)
        good = s_use_files (self->context, certificate_file, key_file, error, size);
    else
        good = s_use_fallback (self->context, error, size);
    if (!good) {
        sh_tls_destroy (&self);
        return NULL;
    }
    /*  SQL Server: TLS 1.3 comes with TDS 8.0 only. */
    SSL_CTX_set_min_proto_version (self->context, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version (self->context, TLS1_2_VERSION);
    SSL_CTX_set_options (self->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode (self->context, SSL_SESS_CACHE_OFF);
    return self;
}

void
sh_tls_destroy (sh_tls_t **self_p)
{
    sh_tls_t *self = *self_p;

    if (!self)
        return;
    SSL_CTX_free (self->context);
    free (self);
    *self_p = NULL;
}

/*  ---- a client's channel ---- */

sh_channel_t *
sh_channel_new (sh_tls_t *tls)
{
    sh_channel_t *self = sh_wire_alloc (sizeof *self);

    pthread_mutex_init (&self->lock, NULL);
    self->ssl = SSL_new (tls->context);
    self->in = BIO_new (BIO_s_mem ());
    self->out = BIO_new (BIO_s_mem ());
    if (!self->ssl || !self->in || !self->out)
        abort ();                          /* no memory: a test double has no better answer */
    BIO_set_mem_eof_return (self->in, -1); /* empty means wait, not the end */
    SSL_set_bio (self->ssl, self->in, self->out);
    SSL_set_accept_state (self->ssl);
    return self;
}

void
sh_channel_destroy (sh_channel_t **self_p)
{
    sh_channel_t *self = *self_p;

    if (!self)
        return;
    SSL_free (self->ssl);
    pthread_mutex_destroy (&self->lock);
    free (self);
    *self_p = NULL;
}

/*  Under lock: what OpenSSL has to say goes out. */
static void
s_drain (sh_channel_t *self, sh_writer_t *out)
{
    uint8_t chunk[4096];

    for (int got; (got = BIO_read (self->out, chunk, sizeof chunk)) > 0;)
        sh_writer_bytes (out, chunk, (size_t)got);
}

/*  Under lock. */
static void
s_feed (sh_channel_t *self, const uint8_t *data, size_t size)
{
    if (size > INT_MAX || BIO_write (self->in, data, (int)size) != (int)size)
        abort ();
}

/*  Under lock: 0 = the client must send more; -1 = over. */
static int
s_judge (const sh_channel_t *self, int result)
{
    int reason = SSL_get_error (self->ssl, result);

    ERR_clear_error ();
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

sh_channel_state_t
sh_channel_handshake (sh_channel_t *self, const uint8_t *data, size_t size, sh_writer_t *out)
{
    sh_channel_state_t state = SH_CHANNEL_READY;

    pthread_mutex_lock (&self->lock);
    s_feed (self, data, size);
    ERR_clear_error ();
    int result = SSL_do_handshake (self->ssl);
    if (result != 1)
        state = s_judge (self, result) == 0 ? SH_CHANNEL_MORE : SH_CHANNEL_FAILED;
    s_drain (self, out);
    pthread_mutex_unlock (&self->lock);
    return state;
}

void
sh_channel_feed (sh_channel_t *self, const uint8_t *data, size_t size)
{
    pthread_mutex_lock (&self->lock);
    s_feed (self, data, size);
    pthread_mutex_unlock (&self->lock);
}

int
sh_channel_read (sh_channel_t *self, uint8_t *data, size_t size, bool peek)
{
    int most = size > INT_MAX ? INT_MAX : (int)size;

    pthread_mutex_lock (&self->lock);
    ERR_clear_error ();
    int got = peek ? SSL_peek (self->ssl, data, most) : SSL_read (self->ssl, data, most);
    if (got <= 0)
        got = s_judge (self, got);
    pthread_mutex_unlock (&self->lock);
    return got;
}

bool
sh_channel_write (sh_channel_t *self, const uint8_t *data, size_t size, sh_writer_t *out)
{
    size_t written = 0;

    pthread_mutex_lock (&self->lock);
    ERR_clear_error ();
    bool good =
        size == 0 || (SSL_write_ex (self->ssl, data, size, &written) == 1 && written == size);
    ERR_clear_error ();
    s_drain (self, out);
    pthread_mutex_unlock (&self->lock);
    return good;
}

void
sh_channel_end (sh_channel_t *self, sh_writer_t *out)
{
    pthread_mutex_lock (&self->lock);
    SSL_shutdown (self->ssl);
    ERR_clear_error ();
    s_drain (self, out);
    pthread_mutex_unlock (&self->lock);
}
