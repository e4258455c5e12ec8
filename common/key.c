#include "common/key.h"

#include <czmq.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/secret.h"

#define S_FILE_BYTES 8192

struct bm_key {
    char public_text[BM_KEY_TEXT_BYTES];
    char secret_text[BM_KEY_TEXT_BYTES];
};

/*  Makes an empty file of that mode, and only if there is none: what czmq writes into it afterwards never
 *  stands there with a wider mode, and no key is overwritten. */
static bm_status_t
s_create (const char *path, mode_t mode, bm_error_t *error)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        if (errno != EEXIST)
            return bm_fail (error, BM_IO, "%s cannot be written: %s", path, strerror (errno));
        bm_fail (error, BM_USAGE, "%s exists and a key is never overwritten", path);
        bm_error_remedy (error, "name another file, or remove this one if nobody uses the key");
        return BM_USAGE;
    }
    int failed = fchmod (fd, mode);
    close (fd);
    return failed ? bm_fail (error, BM_IO, "%s: the mode cannot be set: %s", path, strerror (errno))
                  : BM_OK;
}

static bm_status_t
s_save (zcert_t *cert, const char *path, const char *public_path, bm_error_t *error)
{
    bm_status_t status = s_create (path, 0600, error);
    if (status)
        return status;
    status = s_create (public_path, 0644, error);
    if (status == BM_OK &&
        (zcert_save_secret (cert, path) || zcert_save_public (cert, public_path)))
        status = bm_fail (error, BM_IO, "%s cannot be written: %s", path, strerror (errno));
    if (status == BM_OK && (chmod (path, 0600) || chmod (public_path, 0644)))
        status = bm_fail (error, BM_IO, "%s: the mode cannot be set: %s", path, strerror (errno));
    if (status)
        unlink (path); /* made by us just now; half a pair is of no use */
    return status;
}

bm_status_t
bm_key_generate (const char *path, const char *name, char public_text[BM_KEY_TEXT_BYTES],
                 bm_error_t *error)
{
    zcert_t *cert = zcert_new ();
    if (!cert)
        return bm_fail (error, BM_BUG, "libzmq makes no CURVE keys: it was built without them");
    zcert_set_meta (cert, "name", "%s", name);
    char *public_path = bm_format ("%s.pub", path);
    bm_status_t status = s_save (cert, path, public_path, error);
    if (status == BM_OK)
        snprintf (public_text, BM_KEY_TEXT_BYTES, "%s", zcert_public_txt (cert));
    free (public_path);
    zcert_destroy (&cert);
    return status;
}

/*  The value of `key = "..."` in a certificate. zconfig is not used for reading: on a malformed file it writes
 *  to stdout, where one JSON object is promised. */
static bool
s_value (const char *text, const char *key, char value[BM_KEY_TEXT_BYTES])
{
    size_t length = strlen (key);
    for (const char *line = text; line; line = strchr (line, '\n')) {
        line += strspn (line, " \t\r\n");
        if (strncmp (line, key, length) != 0)
            continue;
        const char *at = line + length;
        at += strspn (at, " \t");
        if (*at++ != '=')
            continue;
        at += strspn (at, " \t");
        if (*at++ != '"' || strcspn (at, "\"\n") != BM_KEY_TEXT_BYTES - 1 ||
            at[BM_KEY_TEXT_BYTES - 1] != '"')
            return false;
        snprintf (value, BM_KEY_TEXT_BYTES, "%s", at);
        return true;
    }
    return false;
}

static bool
s_parse (const char *text, bm_key_t *key)
{
    char derived[BM_KEY_TEXT_BYTES];
    return s_value (text, "public-key", key->public_text) &&
           s_value (text, "secret-key", key->secret_text) &&
           bm_key_public_valid (key->public_text) && bm_key_public_valid (key->secret_text) &&
           zmq_curve_public (derived, key->secret_text) == 0 &&
           strcmp (derived, key->public_text) == 0;
}

/*  Reads a whole small file; 0 when it cannot be read or is too large. */
static size_t
s_read (const char *path, char text[S_FILE_BYTES])
{
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size_t size = 0;
    ssize_t got;
    while (size < S_FILE_BYTES && (got = read (fd, text + size, S_FILE_BYTES - size)) > 0)
        size += (size_t)got;
    close (fd);
    return size < S_FILE_BYTES ? size : 0;
}

bm_key_t *
bm_key_load (const char *path, bm_error_t *error)
{
    if (bm_secret_check_file (path, error)) {
        if (error && access (path, F_OK) != 0)
            bm_error_remedy (error, "make a key with: btsmark keygen %s", path);
        return NULL;
    }
    char text[S_FILE_BYTES];
    size_t size = s_read (path, text);
    text[size < sizeof text ? size : 0] = '\0';
    bm_key_t *self = bm_alloc (sizeof *self);
    bool good = s_parse (text, self);
    bm_secret_wipe (text, sizeof text);
    if (!good) {
        bm_key_destroy (&self);
        bm_fail (error, BM_CONFIG_SECRET, "%s holds no secret key with its own public key", path);
        bm_error_remedy (error, "make a key with: btsmark keygen FILE");
    }
    return self;
}

void
bm_key_destroy (bm_key_t **self_p)
{
    if (*self_p)
        bm_secret_wipe (*self_p, sizeof **self_p);
    free (*self_p);
    *self_p = NULL;
}

const char *
bm_key_public (const bm_key_t *self)
{
    return self->public_text;
}

const char *
bm_key_secret (const bm_key_t *self)
{
    return self->secret_text;
}

bool
bm_key_public_valid (const char *text)
{
    uint8_t data[32];
    if (!text || strlen (text) != BM_KEY_TEXT_BYTES - 1)
        return false;
    bool valid = zmq_z85_decode (data, text) != NULL;
    bm_secret_wipe (data, sizeof data);
    return valid;
}
