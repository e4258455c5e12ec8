/*  A client of our own that goes only as far as the TLS handshake (MS-TDS 2.2.6.5): FreeTDS says no more than that a
 *  connection failed, and an administrator needs to know which certificate is wrong, and how. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/clock.h"
#include "common/sql_internal.h"

#define S_HEADER     8
#define S_PACKET_MAX 32767
#define S_PRELOGIN   0x12
#define S_ANSWER     0x04
enum { S_ENCRYPT_ON = 1, S_ENCRYPT_NOT_SUP = 2 };

typedef struct {
    const char *server; /* as configured, for messages */
    const bm_sql_address_t *address;
    const bm_sql_access_t *access;
    int64_t deadline_ms;
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
    unsigned char packet[S_PACKET_MAX];
    bm_error_t *error;
} s_probe_t;

/*  ---- the socket ---- */

static bm_status_t
s_gone (s_probe_t *self, const char *why)
{
    return bm_fail (self->error, BM_UNREACHABLE, "SQL Server %s cannot be reached: %s",
                    self->server, why);
}

static bm_status_t
s_wait (s_probe_t *self, short events)
{
    struct pollfd item = {.fd = self->fd, .events = events};
    for (;;) {
        int64_t left = self->deadline_ms - bm_clock_mono_ms ();
        int ready = left > 0 ? poll (&item, 1, (int)left) : 0;
        if (ready > 0)
            return BM_OK;
        if (ready == 0)
            return bm_fail (self->error, BM_SQL_TIMEOUT,
                            "SQL Server %s did not answer the start of a session in time",
                            self->server);
        if (errno != EINTR)
            return s_gone (self, strerror (errno));
    }
}

static bm_status_t
s_connect_one (s_probe_t *self, const struct addrinfo *to)
{
    self->fd = socket (to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->fd < 0)
        return s_gone (self, strerror (errno));
    if (connect (self->fd, to->ai_addr, to->ai_addrlen) == 0)
        return BM_OK;
    if (errno != EINPROGRESS)
        return s_gone (self, strerror (errno));
    bm_status_t status = s_wait (self, POLLOUT);
    int problem = 0;
    socklen_t size = sizeof problem;
    if (!status && getsockopt (self->fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem)
        status = s_gone (self, strerror (problem));
    return status;
}

static bm_status_t
s_connect (s_probe_t *self)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int code = getaddrinfo (self->address->host, self->address->port, &hints, &found);
    if (code != 0)
        return s_gone (self, gai_strerror (code));
    bm_status_t status = BM_UNREACHABLE;
    for (struct addrinfo *to = found; to && status; to = to->ai_next) {
        if (self->fd >= 0)
            close (self->fd);
        status = s_connect_one (self, to);
    }
    freeaddrinfo (found);
    return status;
}

static bm_status_t
s_send (s_probe_t *self, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send (self->fd, data, size, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (errno == EAGAIN) {
            if (s_wait (self, POLLOUT))
                return self->error->status;
        } else if (errno != EINTR)
            return s_gone (self, strerror (errno));
    }
    return BM_OK;
}

static bm_status_t
s_receive (s_probe_t *self, unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t got = recv (self->fd, data, size, 0);
        if (got > 0) {
            data += got;
            size -= (size_t)got;
        } else if (got == 0)
            return s_gone (self, "it closed the connection");
        else if (errno == EAGAIN) {
            if (s_wait (self, POLLIN))
                return self->error->status;
        } else if (errno != EINTR)
            return s_gone (self, strerror (errno));
    }
    return BM_OK;
}

/*  One packet's payload into self->packet. */
static bm_status_t
s_read_packet (s_probe_t *self, unsigned char *type, size_t *size)
{
    unsigned char head[S_HEADER];
    bm_status_t status = s_receive (self, head, sizeof head);
    size_t length = status ? 0 : (size_t)(head[2] << 8 | head[3]);
    if (!status && (length < S_HEADER || length > sizeof self->packet))
        return s_gone (self, "what answers there is no SQL Server");
    *type = head[0];
    *size = length - S_HEADER;
    return status ? status : s_receive (self, self->packet, *size);
}

static bm_status_t
s_write_packet (s_probe_t *self, const unsigned char *data, size_t size)
{
    unsigned char packet[S_HEADER + 4096] = {S_PRELOGIN, 1};
    packet[2] = (unsigned char)((size + S_HEADER) >> 8);
    packet[3] = (unsigned char)(size + S_HEADER);
    packet[6] = 1;
    memcpy (packet + S_HEADER, data, size);
    return s_send (self, packet, size + S_HEADER);
}

/*  ---- PRELOGIN ---- */

/*  What the server answers to a client that wants encryption. */
static bm_status_t
s_prelogin (s_probe_t *self, int *encryption)
{
    static const unsigned char message[] = {0,           0,  11, 0, 6,    1,
                                            0,           17, 0,  1, 0xFF,    /* options */
                                            9,           0,  0,  0, 0,    0, /* version */
                                            S_ENCRYPT_ON};
    unsigned char type = 0;
    size_t size = 0;
    bm_status_t status = s_write_packet (self, message, sizeof message);
    if (!status)
        status = s_read_packet (self, &type, &size);
    if (status)
        return status;
    *encryption = S_ENCRYPT_NOT_SUP;
    for (size_t at = 0; type == S_ANSWER && at + 5 <= size; at += 5) {
        const unsigned char *option = self->packet + at;
        size_t offset = (size_t)(option[1] << 8 | option[2]);
        if (option[0] == 0xFF)
            return BM_OK;
        if (option[0] == 1 && offset < size)
            *encryption = self->packet[offset];
    }
    return type == S_ANSWER ? BM_OK : s_gone (self, "what answers there is no SQL Server");
}

/*  ---- the handshake ---- */

static bm_status_t
s_fail_tls (s_probe_t *self, const char *what)
{
    char reason[200] = "no reason given";
    if (ERR_peek_error ())
        ERR_error_string_n (ERR_peek_error (), reason, sizeof reason);
    ERR_clear_error ();
    bm_fail (self->error, BM_SQL_TLS, "SQL Server %s: %s: %s", self->server, what, reason);
    bm_error_remedy (self->error, "let SQL Server offer TLS 1.2 (its error log and the machine's "
                                  "Schannel settings say what it refuses)");
    return BM_SQL_TLS;
}

/*  Whether the authorities could be loaded. */
static bm_status_t
s_load_authorities (s_probe_t *self)
{
    const char *file = self->access->ca_file;
    self->context = SSL_CTX_new (TLS_client_method ());
    if (!self->context)
        return s_fail_tls (self, "OpenSSL");
    if (!bm_sql_access_verifies (self->access))
        return BM_OK;
    if (!file || strcmp (file, "system") == 0)
        return SSL_CTX_set_default_verify_paths (self->context) == 1
                   ? BM_OK
                   : s_fail_tls (self, "the system's authorities cannot be read");
    if (SSL_CTX_load_verify_locations (self->context, file, NULL) == 1)
        return BM_OK;
    s_fail_tls (self, "its certificate cannot be judged");
    bm_error_wrap (self->error, "ca-file %s cannot be used", file);
    bm_error_remedy (self->error, "give ca-file the PEM text of the authority's certificate "
                                  "(-----BEGIN CERTIFICATE-----)");
    return BM_SQL_TLS;
}

/*  What OpenSSL has to say goes out in PRELOGIN packets. */
static bm_status_t
s_flush (s_probe_t *self)
{
    unsigned char chunk[4096 - S_HEADER];
    bm_status_t status = BM_OK;
    for (int got; !status && (got = BIO_read (self->out, chunk, sizeof chunk)) > 0;)
        status = s_write_packet (self, chunk, (size_t)got);
    return status;
}

static bm_status_t
s_handshake (s_probe_t *self)
{
    self->ssl = SSL_new (self->context);
    self->in = BIO_new (BIO_s_mem ());
    self->out = BIO_new (BIO_s_mem ());
    bm_require (self->ssl && self->in && self->out);
    BIO_set_mem_eof_return (self->in, -1);
    SSL_set_bio (self->ssl, self->in, self->out);
    SSL_set_connect_state (self->ssl);
    ERR_clear_error ();
    for (;;) {
        int result = SSL_do_handshake (self->ssl);
        if (result != 1 && SSL_get_error (self->ssl, result) != SSL_ERROR_WANT_READ)
            return s_fail_tls (self, "the TLS handshake failed");
        if (s_flush (self))
            return self->error->status;
        if (result == 1)
            return BM_OK;
        unsigned char type = 0;
        size_t size = 0;
        if (s_read_packet (self, &type, &size))
            return self->error->status;
        BIO_write (self->in, self->packet, (int)size);
    }
}

/*  ---- the certificate ---- */

static void
s_print_name (const X509_NAME *name, char *text, size_t size)
{
    BIO *out = BIO_new (BIO_s_mem ());
    X509_NAME_print_ex (out, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    int got = BIO_read (out, text, (int)size - 1);
    text[got > 0 ? got : 0] = '\0';
    BIO_free (out);
}

static void
s_print_time (const ASN1_TIME *at, char *text, size_t size)
{
    BIO *out = BIO_new (BIO_s_mem ());
    ASN1_TIME_print_ex (out, at, ASN1_DTFLGS_ISO8601);
    int got = BIO_read (out, text, (int)size - 1);
    text[got > 0 ? got : 0] = '\0';
    BIO_free (out);
}

/*  "sql01.example.com, 10.0.0.1": the names that the certificate is for. */
static void
s_print_names (X509 *certificate, char *text, size_t size)
{
    size_t used = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i (certificate, NID_subject_alt_name, NULL, NULL);
    *text = '\0';
    for (int i = 0; names && i < sk_GENERAL_NAME_num (names) && used < size; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value (names, i);
        char one[256] = "";
        if (name->type == GEN_DNS)
            snprintf (one, sizeof one, "%.*s", ASN1_STRING_length (name->d.dNSName),
                      (const char *)ASN1_STRING_get0_data (name->d.dNSName));
        else if (name->type == GEN_IPADD)
            inet_ntop (ASN1_STRING_length (name->d.iPAddress) == 4 ? AF_INET : AF_INET6,
                       ASN1_STRING_get0_data (name->d.iPAddress), one, sizeof one);
        if (*one)
            used += (size_t)snprintf (text + used, size - used, "%s%s", used ? ", " : "", one);
    }
    GENERAL_NAMES_free (names);
    if (!*text)
        s_print_name (X509_get_subject_name (certificate), text, size);
}

static bm_status_t
s_out_of_time (s_probe_t *self, X509 *certificate, bool expired)
{
    char at[64];
    s_print_time (expired ? X509_get0_notAfter (certificate) : X509_get0_notBefore (certificate),
                  at, sizeof at);
    bm_fail (self->error, BM_SQL_TLS,
             expired ? "the certificate of SQL Server %s expired at %s"
                     : "the certificate of SQL Server %s is not valid before %s",
             self->server, at);
    bm_error_remedy (self->error,
                     expired
                         ? "give SQL Server a new certificate and restart it; is the clock of "
                           "this host right?"
                         : "set the clock of this host, or give SQL Server another certificate");
    return BM_SQL_TLS;
}

static bm_status_t
s_untrusted (s_probe_t *self, X509 *certificate, long reason)
{
    char subject[200], issuer[200];
    const char *file = self->access->ca_file ? self->access->ca_file : "system";
    bool own = strcmp (file, "system") != 0;
    s_print_name (X509_get_subject_name (certificate), subject, sizeof subject);
    s_print_name (X509_get_issuer_name (certificate), issuer, sizeof issuer);
    bm_fail (self->error, BM_SQL_TLS,
             "the certificate of SQL Server %s (%s, signed by %s) is signed by no authority of %s: "
             "%s",
             self->server, subject, issuer, own ? file : "this system",
             X509_verify_cert_error_string (reason));
    if (strstr (subject, "SSL_Self_Signed_Fallback"))
        bm_error_remedy (
            self->error,
            "SQL Server made it itself, for want of one: give it a certificate of your "
            "authority and name that in ca-file; ca-file = none encrypts but does not "
            "prove who answers");
    else
        bm_error_remedy (self->error,
                         "name the PEM file of the authority %s in ca-file, or give SQL Server a "
                         "certificate of one that is trusted",
                         issuer);
    return BM_SQL_TLS;
}

static bm_status_t
s_wrong_name (s_probe_t *self, X509 *certificate, const char *host)
{
    char names[400];
    s_print_names (certificate, names, sizeof names);
    bm_fail (self->error, BM_SQL_TLS,
             "the certificate of SQL Server %s is for %s, and not for %s: is it another server?",
             self->server, names, host);
    bm_error_remedy (self->error,
                     "if it is the right server, write one of these names as its address or as "
                     "certificate-host: %s",
                     names);
    return BM_SQL_TLS;
}

static bm_status_t
s_judge (s_probe_t *self, X509 *certificate)
{
    long reason = SSL_get_verify_result (self->ssl);
    const char *host = self->access->certificate_host;
    if (!host)
        host = self->address->host;
    if (X509_cmp_current_time (X509_get0_notAfter (certificate)) < 0)
        return s_out_of_time (self, certificate, true);
    if (X509_cmp_current_time (X509_get0_notBefore (certificate)) > 0)
        return s_out_of_time (self, certificate, false);
    if (reason != X509_V_OK)
        return s_untrusted (self, certificate, reason);
    if (X509_check_ip_asc (certificate, host, 0) != 1 &&
        X509_check_host (certificate, host, 0, 0, NULL) != 1)
        return s_wrong_name (self, certificate, host);
    return BM_OK;
}

static char *
s_pem (X509 *certificate)
{
    BIO *out = BIO_new (BIO_s_mem ());
    char *data = NULL;
    bm_require (out && PEM_write_bio_X509 (out, certificate) == 1);
    long size = BIO_get_mem_data (out, &data);
    char *text = bm_format ("%.*s", (int)size, data);
    BIO_free (out);
    return text;
}

static bm_status_t
s_examine (s_probe_t *self, bool *offered, char **pin)
{
    int encryption = S_ENCRYPT_NOT_SUP;
    bm_status_t status = s_connect (self);
    if (!status)
        status = s_prelogin (self, &encryption);
    if (status)
        return status;
    *offered = encryption != S_ENCRYPT_NOT_SUP;
    if (!*offered) {
        bm_fail (self->error, BM_SQL_TLS,
                 "SQL Server %s offers no encryption, and it is required here", self->server);
        bm_error_remedy (
            self->error,
            "give SQL Server a certificate (SQL Server Configuration Manager, Protocols) "
            "and restart it; only on a network that nobody else can read: encrypt = off");
        return BM_SQL_TLS;
    }
    status = s_load_authorities (self);
    if (!status)
        status = s_handshake (self);
    X509 *certificate = status ? NULL : SSL_get1_peer_certificate (self->ssl);
    if (!status && !certificate)
        status = s_fail_tls (self, "it showed no certificate");
    if (!status && bm_sql_access_verifies (self->access))
        status = s_judge (self, certificate);
    if (!status)
        *pin = s_pem (certificate);
    X509_free (certificate);
    return status;
}

bm_status_t
bm_sql_probe (const char *server, const bm_sql_address_t *address, const bm_sql_access_t *access,
              int timeout_s, bool *offered, char **pin, bm_error_t *error)
{
    bm_error_t own = {0};
    s_probe_t *self = bm_alloc (sizeof *self);
    self->server = server;
    self->address = address;
    self->access = access;
    self->deadline_ms = bm_clock_mono_ms () + (int64_t)timeout_s * 1000;
    self->fd = -1;
    self->error = &own;
    *offered = false;
    *pin = NULL;
    bm_status_t status = s_examine (self, offered, pin);
    SSL_free (self->ssl);
    SSL_CTX_free (self->context);
    if (self->fd >= 0)
        close (self->fd);
    free (self);
    if (status && error)
        *error = own;
    return status;
}
