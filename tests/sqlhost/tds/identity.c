/*  tests/sqlhost/tds/identity.c */
#include "tests/sqlhost/tds/identity.h"

#include "tests/sqlhost/tds/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

struct sh_identity {
    EVP_PKEY *key;
    X509 *certificate;
};

static bool
s_is_address (const char *name)
{
    unsigned char scrap[16];

    return inet_pton (AF_INET, name, scrap) == 1 || inet_pton (AF_INET6, name, scrap) == 1;
}

static bool
s_add (X509 *certificate, const sh_identity_t *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb (&context);
    X509V3_set_ctx (&context, issuer ? issuer->certificate : certificate, certificate, NULL, NULL,
                    0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, &context, nid, value);
    bool added = extension && X509_add_ext (certificate, extension, -1);
    X509_EXTENSION_free (extension);
    return added;
}

static bool
s_add_names (X509 *certificate, const char *const *names)
{
    sh_writer_t list = {0};

    if (!names || !names[0])
        return true;
    for (size_t i = 0; names[i]; i++) {
        char item[300];
        int size = snprintf (item, sizeof item, "%s%s:%s", i > 0 ? "," : "",
                             s_is_address (names[i]) ? "IP" : "DNS", names[i]);
        if (size < 0 || (size_t)size >= sizeof item) {
            sh_writer_free (&list);
            return false;
        }
        sh_writer_bytes (&list, item, (size_t)size);
    }
    bool added = s_add (certificate, NULL, NID_subject_alt_name, sh_writer_text (&list));
    sh_writer_free (&list);
    return added;
}

static bool
s_set_serial (X509 *certificate)
{
    uint64_t serial = 0;

    return RAND_bytes ((unsigned char *)&serial, 7) == 1 &&
           ASN1_INTEGER_set_uint64 (X509_get_serialNumber (certificate), serial);
}

static bool
s_fill (sh_identity_t *self, const sh_identity_order_t *order, const sh_identity_t *issuer)
{
    X509 *certificate = self->certificate;
    X509_NAME *name = X509_get_subject_name (certificate);
    const unsigned char *text = (const unsigned char *)order->common_name;

    return X509_set_version (certificate, X509_VERSION_3) && s_set_serial (certificate) &&
           X509_gmtime_adj (X509_getm_notBefore (certificate), (long)order->begins_s) &&
           X509_gmtime_adj (X509_getm_notAfter (certificate), (long)order->ends_s) &&
           X509_set_pubkey (certificate, self->key) &&
           X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_UTF8, text, -1, -1, 0) &&
           X509_set_issuer_name (certificate,
                                 issuer ? X509_get_subject_name (issuer->certificate) : name) &&
           s_add (certificate, issuer, NID_basic_constraints,
                  order->authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           (!order->authority ||
            s_add (certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign")) &&
           s_add_names (certificate, order->names);
}

sh_identity_t *
sh_identity_new (const sh_identity_order_t *order, const sh_identity_t *issuer)
{
    sh_identity_t *self = sh_wire_alloc (sizeof *self);

    self->key = order->elliptic ? EVP_EC_gen ("P-256") : EVP_RSA_gen (2048);
    self->certificate = X509_new ();
    if (self->key && self->certificate && s_fill (self, order, issuer) &&
        X509_sign (self->certificate, issuer ? issuer->key : self->key, EVP_sha256 ()))
        return self;
    sh_identity_destroy (&self);
    return NULL;
}

sh_identity_t *
sh_identity_fallback (void)
{
    const sh_identity_order_t order = {.common_name = "SSL_Self_Signed_Fallback",
                                       .begins_s = -3600,
                                       .ends_s = 30LL * 365 * 24 * 3600};

    return sh_identity_new (&order, NULL);
}

void
sh_identity_destroy (sh_identity_t **self_p)
{
    sh_identity_t *self = *self_p;

    if (!self)
        return;
    EVP_PKEY_free (self->key);
    X509_free (self->certificate);
    free (self);
    *self_p = NULL;
}

X509 *
sh_identity_certificate (const sh_identity_t *self)
{
    return self->certificate;
}

EVP_PKEY *
sh_identity_key (const sh_identity_t *self)
{
    return self->key;
}

static FILE *
s_create (const char *file, mode_t mode)
{
    int fd = open (file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    FILE *out = fd < 0 ? NULL : fdopen (fd, "w");

    if (!out && fd >= 0)
        close (fd);
    return out;
}

bool
sh_identity_write (const sh_identity_t *self, const char *certificate_file, const char *key_file)
{
    bool good = true;

    if (certificate_file) {
        FILE *out = s_create (certificate_file, 0644);
        good = out && PEM_write_X509 (out, self->certificate);
        good = out && fclose (out) == 0 && good;
    }
    if (key_file && good) {
        FILE *out = s_create (key_file, 0600);
        good = out && PEM_write_PrivateKey (out, self->key, NULL, NULL, 0, NULL, NULL);
        good = out && fclose (out) == 0 && good;
    }
    return good;
}
