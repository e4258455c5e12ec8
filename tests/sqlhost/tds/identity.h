/*  tests/sqlhost/tds/identity.h
 *  A key and its X.509 certificate, made on the spot: what SQL Server makes for itself when it is given none, and what
 *  tests need (an authority, a certificate of another name, one that has run out). */
#ifndef SH_TDS_IDENTITY_H
#define SH_TDS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <openssl/x509.h>

typedef struct sh_identity sh_identity_t;

typedef struct {
    const char *common_name;
    /*  NULL-terminated, DNS names or IP addresses; NULL = no alternative names. */
    const char *const *names;
    int64_t begins_s; /* from now on; negative = in the past */
    int64_t ends_s;
    bool authority; /* may sign others */
    bool elliptic;  /* P-256, quick to make; else RSA of 2048 bits, as SQL Server's own */
} sh_identity_order_t;

/*  Signed by `issuer`, or by itself when that is NULL. NULL when OpenSSL refuses the order. */
sh_identity_t *sh_identity_new (const sh_identity_order_t *order, const sh_identity_t *issuer);
/*  What SQL Server makes at its start: CN=SSL_Self_Signed_Fallback, with no name of the host. */
sh_identity_t *sh_identity_fallback (void);
void sh_identity_destroy (sh_identity_t **self_p);
/*  Borrowed. */
X509 *sh_identity_certificate (const sh_identity_t *self);
EVP_PKEY *sh_identity_key (const sh_identity_t *self);
/*  As PEM; the key's file gets mode 0600. Either name may be NULL. */
bool
sh_identity_write (const sh_identity_t *self, const char *certificate_file, const char *key_file);

#endif
