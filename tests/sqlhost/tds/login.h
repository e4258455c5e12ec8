/*  tests/sqlhost/tds/login.h
 *  PRELOGIN (MS-TDS 2.2.6.5) and LOGIN7 (2.2.6.4), parsed from a whole message. Pure. */
#ifndef SH_TDS_LOGIN_H
#define SH_TDS_LOGIN_H

#include "tests/sqlhost/tds/wire.h"

#define SH_TDS_70 0x70000000u
#define SH_TDS_71 0x71000001u
#define SH_TDS_72 0x72090002u
#define SH_TDS_73 0x730B0003u
#define SH_TDS_74 0x74000004u

/*  PRELOGIN's ENCRYPTION byte */
enum { SH_ENCRYPT_OFF = 0, SH_ENCRYPT_ON = 1, SH_ENCRYPT_NOT_SUP = 2, SH_ENCRYPT_REQ = 3 };

typedef struct {
    bool has_encryption;
    uint8_t encryption;
    bool has_thread_id;
    bool has_mars;
    uint8_t mars;
} sh_prelogin_t;

/*  False with a reason in *why when the message is malformed. */
bool
sh_prelogin_parse (const uint8_t *data, size_t size, sh_prelogin_t *prelogin, const char **why);
/*  What the server answers to the client's ENCRYPTION (2.2.6.5). `available`: it has a certificate; `forced`: it takes
 *  encrypted clients only. TLS follows unless the answer is NOT_SUP; after OFF it ends with the first packet of LOGIN7. */
uint8_t sh_prelogin_encryption (const sh_prelogin_t *client, bool available, bool forced);
/*  Our answer: version, that encryption, no MARS. */
void sh_prelogin_answer (sh_writer_t *out, uint8_t encryption);

typedef struct {
    uint32_t tds_version; /* one of SH_TDS_*: what the session will speak */
    uint32_t asked_version;
    uint32_t packet_size;
    uint32_t client_pid;
    bool integrated;      /* wants SSPI */
    bool change_password; /* wants to set a new password */
    bool extension;       /* sent feature extensions: expects FEATUREEXTACK */
    char *host_name;
    char *user;
    char *password; /* wiped by sh_login7_free */
    char *app_name;
    char *server_name;
    char *library;
    char *language;
    char *database;
} sh_login7_t;

/*  Every offset is checked against the record, every length against its limit, before a byte of
 *  it is decoded. False with a reason in *why (which never holds data of the record). */
bool sh_login7_parse (const uint8_t *data, size_t size, sh_login7_t *login, const char **why);
void sh_login7_free (sh_login7_t *login);

#endif
