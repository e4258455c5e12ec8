/*  common/sql_access.h
 *  How a session gets at SQL Server, as a configuration section says it: login and password file, or Kerberos; TLS.
 */
#ifndef BM_SQL_ACCESS_H
#define BM_SQL_ACCESS_H

#include "common/config.h"
#include "common/sql.h"

/*  Reads login, password-file, authentication, service-principal, encrypt, ca-file and certificate-host of a section.
 *  With Kerberos *login is a phrase for people and *password_file NULL. `server` is what certificate-host stands in for. BM_CONFIG. */
bm_status_t
bm_sql_access_read (bm_config_t *config, int section, const char *server, bm_sql_access_t *access,
                    const char **login, const char **password_file, bm_error_t *error);

/*  In one clause for people: "TLS required, authorities of /etc/btsmark/ca.pem". Caller frees. */
char *bm_sql_access_describe (const bm_sql_access_t *access);

#endif
