/*  Logins: rows in instance.db, passwords as salted SHA-512 (as SQL Server keeps them). */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

enum { S_SALT = 16, S_HASH = 64 };

static void
s_hash (const uint8_t salt[S_SALT], const char *password, uint8_t out[S_HASH])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new ();
    unsigned size = 0;
    sh_require (context && EVP_DigestInit_ex (context, EVP_sha512 (), NULL) == 1 &&
                EVP_DigestUpdate (context, salt, S_SALT) == 1 &&
                EVP_DigestUpdate (context, password, strlen (password)) == 1 &&
                EVP_DigestFinal_ex (context, out, &size) == 1 && size == S_HASH);
    EVP_MD_CTX_free (context);
}

static sqlite3_stmt *
s_prepare (sh_instance_t *self, const char *sql, const char *name)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2 (self->log.sqlite, sql, -1, &statement, NULL);
    sh_require (result == SQLITE_OK);
    sqlite3_bind_text (statement, 1, name, -1, SQLITE_STATIC);
    return statement;
}

static sh_status_t
s_run (sh_instance_t *self, sqlite3_stmt *statement, sh_error_t *error)
{
    bool done = sqlite3_step (statement) == SQLITE_DONE;
    sqlite3_finalize (statement);
    if (done)
        return SH_OK;
    return sh_fail (error, 9001, 21, 1, "The log of the instance is not available: %s",
                    sqlite3_errmsg (self->log.sqlite));
}

static void
s_read (sqlite3_stmt *statement, sh_login_info_t *out)
{
    memset (out, 0, sizeof *out);
    sh_copy (out->name, sizeof out->name, (const char *)sqlite3_column_text (statement, 0));
    if (sqlite3_column_bytes (statement, 1) == 16)
        memcpy (out->sid, sqlite3_column_blob (statement, 1), 16);
    out->sysadmin = sqlite3_column_int (statement, 2) != 0;
    out->disabled = sqlite3_column_int (statement, 3) != 0;
    out->created = sqlite3_column_int64 (statement, 4);
    sh_copy (out->default_database, sizeof out->default_database,
             (const char *)sqlite3_column_text (statement, 5));
}

#define S_COLUMNS "name, sid, sysadmin, disabled, created, db, salt, hash"

static bool
s_find (sh_instance_t *self, const char *name, sh_login_info_t *info)
{
    sqlite3_stmt *statement =
        s_prepare (self, "SELECT " S_COLUMNS " FROM login WHERE name = ?", name);
    bool found = sqlite3_step (statement) == SQLITE_ROW;
    if (found && info)
        s_read (statement, info);
    sqlite3_finalize (statement);
    return found;
}

static void
s_bind_password (sqlite3_stmt *statement, int at, const char *password)
{
    uint8_t salt[S_SALT], hash[S_HASH];
    sh_require (RAND_bytes (salt, S_SALT) == 1);
    s_hash (salt, password, hash);
    sqlite3_bind_blob (statement, at, salt, S_SALT, SQLITE_TRANSIENT);
    sqlite3_bind_blob (statement, at + 1, hash, S_HASH, SQLITE_TRANSIENT);
}

sh_status_t
sh_login_create (sh_instance_t *self, const char *name, const char *password, bool sysadmin,
                 sh_error_t *error)
{
    uint8_t sid[16];
    sh_status_t status;
    sh_guid_make (sid);
    sh_lock_instance (self);
    if (s_find (self, name, NULL))
        status = sh_fail (error, 15025, 16, 1, "The server principal '%s' already exists.", name);
    else {
        sqlite3_stmt *statement =
            s_prepare (self,
                       "INSERT INTO login (name, sid, sysadmin, disabled, created, db, salt, hash)"
                       " VALUES (?1, ?2, ?3, 0, ?4, 'master', ?5, ?6)",
                       name);
        sqlite3_bind_blob (statement, 2, sid, 16, SQLITE_STATIC);
        sqlite3_bind_int (statement, 3, sysadmin);
        sqlite3_bind_int64 (statement, 4, sh_ticks_local ());
        s_bind_password (statement, 5, password);
        status = s_run (self, statement, error);
    }
    sh_unlock_instance (self);
    return status;
}

static sh_status_t
s_missing (const char *name, sh_error_t *error)
{
    return sh_fail (error, 15151, 16, 1,
                    "Cannot find the login '%s', because it does not exist or you do not have "
                    "permission.",
                    name);
}

sh_status_t
sh_login_alter (sh_instance_t *self, const char *name, const char *password,
                const char *default_database, const bool *sysadmin, const bool *disabled,
                sh_error_t *error)
{
    sh_status_t status;
    sh_lock_instance (self);
    if (!s_find (self, name, NULL))
        status = s_missing (name, error);
    else {
        sqlite3_stmt *statement =
            s_prepare (self,
                       "UPDATE login SET db = coalesce (?2, db),"
                       " sysadmin = coalesce (?3, sysadmin),"
                       " disabled = coalesce (?4, disabled), salt = coalesce (?5, salt),"
                       " hash = coalesce (?6, hash) WHERE name = ?1",
                       name);
        if (default_database)
            sqlite3_bind_text (statement, 2, default_database, -1, SQLITE_STATIC);
        if (sysadmin)
            sqlite3_bind_int (statement, 3, *sysadmin);
        if (disabled)
            sqlite3_bind_int (statement, 4, *disabled);
        if (password)
            s_bind_password (statement, 5, password);
        status = s_run (self, statement, error);
    }
    sh_unlock_instance (self);
    return status;
}

sh_status_t
sh_login_drop (sh_instance_t *self, const char *name, sh_error_t *error)
{
    sh_status_t status;
    sh_lock_instance (self);
    if (!s_find (self, name, NULL))
        status = s_missing (name, error);
    else
        status = s_run (self, s_prepare (self, "DELETE FROM login WHERE name = ?", name), error);
    sh_unlock_instance (self);
    return status;
}

bool
sh_login_check (sh_instance_t *self, const char *name, const char *password, sh_login_info_t *info)
{
    uint8_t hash[S_HASH];
    bool right = false;
    sh_login_info_t found;
    sh_lock_instance (self);
    sqlite3_stmt *statement =
        s_prepare (self, "SELECT " S_COLUMNS " FROM login WHERE name = ?", name);
    if (sqlite3_step (statement) == SQLITE_ROW && sqlite3_column_bytes (statement, 6) == S_SALT &&
        sqlite3_column_bytes (statement, 7) == S_HASH) {
        s_read (statement, &found);
        s_hash (sqlite3_column_blob (statement, 6), password, hash);
        right = !found.disabled &&
                CRYPTO_memcmp (hash, sqlite3_column_blob (statement, 7), S_HASH) == 0;
        if (right && info)
            *info = found;
    }
    sqlite3_finalize (statement);
    sh_unlock_instance (self);
    return right;
}

sh_status_t
sh_login_find (sh_instance_t *self, const char *name, sh_login_info_t *info)
{
    sh_lock_instance (self);
    bool found = s_find (self, name, info);
    sh_unlock_instance (self);
    return found ? SH_OK : SH_END;
}

size_t
sh_login_list (sh_instance_t *self, sh_login_info_t **out)
{
    size_t count = 0, capacity = 0;
    *out = NULL;
    sh_lock_instance (self);
    sqlite3_stmt *statement =
        s_prepare (self, "SELECT " S_COLUMNS " FROM login ORDER BY created", NULL);
    while (sqlite3_step (statement) == SQLITE_ROW) {
        *out = sh_grow (*out, count, &capacity, sizeof **out);
        s_read (statement, &(*out)[count++]);
    }
    sqlite3_finalize (statement);
    sh_unlock_instance (self);
    return count;
}
