#include "agent/shell/native.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/path.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/names.h"

#define S_NAME_BYTES 255 /* of a file, on every file system that we meet */
#define S_TEXT_CHARS 128 /* NAME of a backup set; its DESCRIPTION may be 255 */

/*  ---- options ---- */

static bool
s_algorithm_ok (const char *algorithm)
{
    static const char *const known[] = {"AES_128", "AES_192", "AES_256", "TRIPLE_DES_3KEY"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp (algorithm, known[i]) == 0)
            return true;
    return false;
}

/*  Names of SQL Server's objects: sysname. */
static bool
s_sysname_ok (const char *name)
{
    return bm_names_length (name) <= 128;
}

bm_status_t
bm_native_check (const Btsmark__NativeOptions *options, const char *folder, bm_error_t *error)
{
    if (!options)
        return BM_OK;
    if (options->stripes > BM_LIMIT_STRIPES)
        return bm_fail (error, BM_PROTOCOL, "%" PRIu32 " stripes: SQL Server takes at most %d",
                        options->stripes, BM_LIMIT_STRIPES);
    if (options->max_transfer_bytes % BM_NATIVE_TRANSFER_UNIT != 0 ||
        options->max_transfer_bytes > BM_NATIVE_TRANSFER_LIMIT)
        return bm_fail (error, BM_PROTOCOL,
                        "MAXTRANSFERSIZE = %" PRIu32 ": a multiple of 64 KiB up to 4 MiB",
                        options->max_transfer_bytes);
    if (options->buffer_count > BM_NATIVE_BUFFERS_LIMIT)
        return bm_fail (error, BM_PROTOCOL, "BUFFERCOUNT = %" PRIu32 ": at most %d",
                        options->buffer_count, BM_NATIVE_BUFFERS_LIMIT);
    if (*options->encryption_algorithm && !s_algorithm_ok (options->encryption_algorithm))
        return bm_fail (error, BM_PROTOCOL, "\"%.64s\" is no algorithm of SQL Server's encryption",
                        options->encryption_algorithm);
    if (!*options->encryption_algorithm != !*options->certificate)
        return bm_fail (error, BM_PROTOCOL, "an encryption needs an algorithm and a certificate");
    if (!s_sysname_ok (options->certificate) || !s_sysname_ok (options->credential))
        return bm_fail (error, BM_PROTOCOL, "the name of a certificate or credential is too long");
    if (*options->credential && !bm_path_is_url (folder))
        return bm_fail (error, BM_PROTOCOL, "a credential goes with a URL, not with %s", folder);
    if (*options->credential && options->stripes > 1)
        return bm_fail (error, BM_PROTOCOL,
                        "a URL with a credential is one page blob: stripes need a shared access "
                        "signature, without a credential's name");
    return BM_OK;
}

/*  ---- file names ---- */

/*  What Windows, Linux and our own path rules let stand in a name; true when something was replaced. */
static bool
s_scrub (char *text)
{
    bool changed = false;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || strchr ("'\"*?<>|%/\\:", *c)) {
            *c = '_';
            changed = true;
        }
    return changed;
}

/*  Never half a character. */
static void
s_cut (char *text, size_t bytes)
{
    if (strlen (text) <= bytes)
        return;
    while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80)
        bytes--;
    text[bytes] = 0;
}

/*  Of both names as they are, a zero between them. */
static void
s_digits (const char *server, const char *database, char digits[9])
{
    uint8_t digest[BM_DIGEST_BYTES];
    char text[BM_DIGEST_TEXT_BYTES];
    size_t first = strlen (server) + 1, second = strlen (database);
    char *both = bm_alloc (first + second + 1);
    memcpy (both, server, first);
    memcpy (both + first, database, second);
    bm_digest_sha256 (both, first + second, digest);
    free (both);
    snprintf (digits, 9, "%.8s", bm_digest_text (digest, text));
}

char *
bm_native_file_name (const char *server, const char *database, bool full, const char *mark,
                     size_t stripe, size_t stripes)
{
    char *host = bm_strdup (server), *name = bm_strdup (database), *part;
    for (char *c = host; *c; c++)
        if (*c == '\\')
            *c = '$';
    bool host_changed = s_scrub (host), name_changed = s_scrub (name);
    /*  A_B and C are not to be taken for A and B_C. */
    bool ambiguous = strchr (server, '_') || strchr (server, '$') || *host == '.';
    bool unclear = host_changed || name_changed || ambiguous;
    part = stripes > 1 ? bm_format ("_%zuof%zu", stripe, stripes) : bm_strdup ("");
    size_t rest = strlen ("__Full__.bak") + 8 + strlen (mark) + strlen (part);
    size_t room = rest < S_NAME_BYTES ? S_NAME_BYTES - rest : 0;
    if (strlen (host) + strlen (name) > room) {
        unclear = true;
        s_cut (host, room / 2);
        s_cut (name, room - strlen (host));
    }
    char digits[9] = "";
    if (unclear)
        s_digits (server, database, digits);
    char *file = bm_format ("%s%s_%s_%s_%s%s%s%s.bak", *host == '.' ? "_" : "",
                            *host == '.' ? host + 1 : host, name, full ? "Full" : "Log", digits,
                            unclear ? "_" : "", mark, part);
    free (part);
    free (name);
    free (host);
    return file;
}

/*  ---- the statement ---- */

char *
bm_native_device (const char *file)
{
    char *literal = bm_names_literal (file);
    char *device = bm_format ("%s = %s", bm_path_is_url (file) ? "URL" : "DISK", literal);
    free (literal);
    return device;
}

/*  *batch_p gets `more` behind it; frees `more`. */
static void
s_add (char **batch_p, char *more)
{
    char *whole = bm_format ("%s%s", *batch_p, more);
    free (more);
    free (*batch_p);
    *batch_p = whole;
}

static void
s_add_text (char **batch_p, const char *keyword, const char *text)
{
    char *cut = bm_strdup (text);
    while (bm_names_length (cut) > S_TEXT_CHARS)
        s_cut (cut, strlen (cut) - 1);
    char *literal = bm_names_literal (cut);
    s_add (batch_p, bm_format (", %s = %s", keyword, literal));
    free (literal);
    free (cut);
}

static void
s_add_options (char **batch_p, const Btsmark__Backup *order, const char *folder)
{
    const Btsmark__NativeOptions *options = order->native;
    /*  A blob cannot be appended to, and INIT is not taken for one ("SQL Server backup to URL"). */
    s_add (batch_p, bm_strdup (bm_path_is_url (folder) ? " WITH CHECKSUM, FORMAT"
                                                       : " WITH CHECKSUM, FORMAT, INIT"));
    s_add_text (batch_p, "NAME", *order->context ? order->context : "btsmark");
    s_add_text (batch_p, "DESCRIPTION", order->sequence);
    /*  Said either way: else the server's default would decide, also for SSODB. */
    s_add (batch_p, bm_strdup (order->compress ? ", COMPRESSION" : ", NO_COMPRESSION"));
    if (options && options->max_transfer_bytes > 0)
        s_add (batch_p, bm_format (", MAXTRANSFERSIZE = %" PRIu32, options->max_transfer_bytes));
    if (options && options->buffer_count > 0)
        s_add (batch_p, bm_format (", BUFFERCOUNT = %" PRIu32, options->buffer_count));
    if (options && *options->encryption_algorithm) {
        char *certificate = bm_names_quote (options->certificate);
        s_add (batch_p, bm_format (", ENCRYPTION (ALGORITHM = %s, SERVER CERTIFICATE = %s)",
                                   options->encryption_algorithm, certificate));
        free (certificate);
    }
    if (options && *options->credential) {
        char *credential = bm_names_literal (options->credential);
        s_add (batch_p, bm_format (", CREDENTIAL = %s", credential));
        free (credential);
    }
    s_add (batch_p, bm_strdup (", STATS = 5;"));
}

static bm_status_t
s_name_files (bm_native_t *self, const Btsmark__Backup *order, const char *server,
              const char *folder, bm_error_t *error)
{
    size_t stripes = order->native && order->native->stripes > 1 ? order->native->stripes : 1;
    self->files = bm_alloc (stripes * sizeof *self->files);
    for (size_t i = 0; i < stripes; i++) {
        char *name =
            bm_native_file_name (server, order->database, order->type == BTSMARK__SET_TYPE__FULL,
                                 order->sequence, i + 1, stripes);
        char *file = bm_names_join_path (folder, name);
        free (name);
        self->files[self->file_count++] = file;
        if (bm_names_length (file) <= BM_NATIVE_DEVICE_CHARS)
            continue;
        bm_fail (error, BM_NOT_READY,
                 "the backup of %s would go to a file whose path has %zu characters; SQL Server "
                 "takes %d",
                 order->database, bm_names_length (file), BM_NATIVE_DEVICE_CHARS);
        bm_error_remedy (error, "choose a shorter folder than %s", folder);
        return BM_NOT_READY;
    }
    return BM_OK;
}

bm_native_t *
bm_native_new (const Btsmark__Backup *order, const char *server, const char *folder,
               bm_error_t *error)
{
    bm_native_t *self = bm_alloc (sizeof *self);
    if (s_name_files (self, order, server, folder, error) != BM_OK) {
        bm_native_destroy (&self);
        return NULL;
    }
    char *database = bm_names_quote (order->database);
    self->batch = bm_format ("BACKUP %s %s TO",
                             order->type == BTSMARK__SET_TYPE__FULL ? "DATABASE" : "LOG", database);
    for (size_t i = 0; i < self->file_count; i++) {
        char *device = bm_native_device (self->files[i]);
        s_add (&self->batch, bm_format ("%s %s", i > 0 ? "," : "", device));
        free (device);
    }
    s_add_options (&self->batch, order, folder);
    free (database);
    return self;
}

void
bm_native_destroy (bm_native_t **self_p)
{
    bm_native_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->file_count; i++)
        free (self->files[i]);
    free (self->files);
    free (self->batch);
    free (self);
    *self_p = NULL;
}
