#include "common/sql_access.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "common/sql_internal.h"

/*  FreeTDS cuts a line of its configuration at 255 bytes, and a value at a comment's sign. */
#define S_PATH_BYTES 200

static bm_status_t
s_wrong (const bm_config_t *config, int section, bm_error_t *error, const char *what)
{
    const char *name = bm_config_section_name (config, (size_t)section);
    return bm_fail (error, BM_CONFIG, "%s, section [%s%s%s] at line %d: %s",
                    bm_config_path (config), bm_config_section_kind (config, (size_t)section),
                    *name ? " " : "", name, bm_config_section_line (config, (size_t)section), what);
}

static bm_status_t
s_read_login (bm_config_t *config, int section, bm_sql_access_t *self, const char **login,
              const char **password_file, bm_error_t *error)
{
    int kerberos = 0;
    const char *file = NULL;
    *login = *password_file = self->principal = NULL;
    bm_status_t status =
        bm_config_choice (config, section, "authentication", "sql|kerberos", 0, &kerberos, error);
    self->kerberos = kerberos == 1;
    if (!status)
        status =
            bm_config_text (config, section, "service-principal", NULL, &self->principal, error);
    if (!status && !self->kerberos)
        status = bm_config_need_text (config, section, "login", login, error);
    if (!status && !self->kerberos)
        status = bm_config_need_text (config, section, "password-file", &file, error);
    if (!status)
        status = bm_config_file (config, section, "password-file", NULL, password_file, error);
    if (!status && self->kerberos)
        status = bm_config_text (config, section, "login", NULL, login, error);
    if (status)
        return status;
    if (self->kerberos && (*login || *password_file))
        return s_wrong (config, section, error,
                        "authentication = kerberos takes the ticket of the account that runs this "
                        "program: take login and password-file out");
    if (self->kerberos)
        *login = "(Kerberos)";
    if (!self->kerberos && self->principal)
        return s_wrong (config, section, error,
                        "service-principal goes with authentication = kerberos alone");
    return BM_OK;
}

static bool
s_path_fits (const char *path)
{
    size_t length = strlen (path);
    for (const char *c = path; *c; c++)
        if (*c == ';' || *c == '#' || iscntrl ((unsigned char)*c) || (*c == ' ' && c[1] == ' '))
            return false;
    return length <= S_PATH_BYTES && path[length - 1] != ' ';
}

static bm_status_t
s_read_authorities (bm_config_t *config, int section, bm_sql_access_t *self, bm_error_t *error)
{
    const char *text = NULL;
    self->ca_file = NULL;
    bm_status_t status = bm_config_text (config, section, "ca-file", NULL, &text, error);
    if (status || !text)
        return status;
    if (strcmp (text, "system") == 0 || strcmp (text, "none") == 0) {
        self->ca_file = text;
        return BM_OK;
    }
    status = bm_config_file (config, section, "ca-file", NULL, &self->ca_file, error);
    if (status)
        return status;
    if (!s_path_fits (self->ca_file))
        return s_wrong (config, section, error,
                        "ca-file: the whole path must be at most 200 bytes, without ; and #");
    if (access (self->ca_file, R_OK) != 0)
        return s_wrong (config, section, error,
                        "ca-file cannot be read: it is system, none, or a PEM file of authorities");
    return BM_OK;
}

static bm_status_t
s_read_tls (bm_config_t *config, int section, const char *server, bm_sql_access_t *self,
            bm_error_t *error)
{
    int encrypt = BM_SQL_ENCRYPT_REQUIRED;
    bm_sql_address_t address;
    bm_status_t status = bm_config_choice (config, section, "encrypt", "required|request|off",
                                           BM_SQL_ENCRYPT_REQUIRED, &encrypt, error);
    self->encrypt = (bm_sql_encrypt_t)encrypt;
    if (!status)
        status = s_read_authorities (config, section, self, error);
    if (!status)
        status = bm_config_text (config, section, "certificate-host", NULL, &self->certificate_host,
                                 error);
    if (status)
        return status;
    if (self->encrypt == BM_SQL_ENCRYPT_OFF && (self->ca_file || self->certificate_host))
        return s_wrong (config, section, error,
                        "encrypt = off looks at no certificate: take ca-file and certificate-host "
                        "out, or set encrypt = required");
    if (self->certificate_host && !bm_sql_access_verifies (self))
        return s_wrong (config, section, error,
                        "certificate-host is checked only with ca-file = system or a PEM file");
    if (!bm_sql_address_parse (server, &address))
        return s_wrong (config, section, error,
                        "the server is host:port, host,port, host or host\\instance");
    if (*address.instance && bm_sql_access_pins (self, &address))
        return s_wrong (config, section, error,
                        "certificate-host needs the server's port: write host:port instead of "
                        "host\\instance");
    return BM_OK;
}

bm_status_t
bm_sql_access_read (bm_config_t *config, int section, const char *server, bm_sql_access_t *self,
                    const char **login, const char **password_file, bm_error_t *error)
{
    bm_status_t status = s_read_login (config, section, self, login, password_file, error);
    return status ? status : s_read_tls (config, section, server, self, error);
}

char *
bm_sql_access_describe (const bm_sql_access_t *self)
{
    if (self->encrypt == BM_SQL_ENCRYPT_OFF)
        return bm_strdup ("no TLS");
    const char *when = self->encrypt == BM_SQL_ENCRYPT_REQUIRED ? "TLS required" : "TLS if offered";
    if (!bm_sql_access_verifies (self))
        return bm_format ("%s, any certificate", when);
    return bm_format ("%s, authorities of %s%s%s", when,
                      !self->ca_file || strcmp (self->ca_file, "system") == 0 ? "the system"
                                                                              : self->ca_file,
                      self->certificate_host ? ", certificate of " : "",
                      self->certificate_host ? self->certificate_host : "");
}
