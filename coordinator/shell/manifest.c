#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "common/clock.h"
#include "common/digest.h"
#include "common/limits.h"
#include "coordinator/core/chain.h"
#include "coordinator/shell/manifest.h"

#define S_HASH_KEY "\"sha256\":\""

bm_manifest_t *
bm_manifest_new (void)
{
    bm_manifest_t *self = bm_alloc (sizeof *self);
    self->began_us = self->ended_us = self->window_us = self->fence_ms = -1;
    return self;
}

void
bm_manifest_destroy (bm_manifest_t **self_p)
{
    bm_manifest_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->database_count; i++) {
        bm_backup_clear (&self->databases[i].backup);
        bm_backup_clear (&self->databases[i].full);
        free (self->databases[i].published);
    }
    free (self->databases);
    free (self->group);
    free (self->product_version);
    free (self->sequence);
    free (self->mark);
    free (self);
    *self_p = NULL;
}

void
bm_manifest_add (bm_manifest_t *self, const bm_backup_t *backup, const bm_backup_t *full,
                 const char *published)
{
    /*  Doubled at each power of two: the capacity is known from the count. */
    size_t count = self->database_count;
    if ((count & (count - 1)) == 0)
        self->databases =
            bm_realloc (self->databases, (count ? count * 2 : 1) * sizeof *self->databases);
    bm_manifest_database_t *database = &self->databases[self->database_count++];
    memset (database, 0, sizeof *database);
    bm_backup_copy (&database->backup, backup);
    database->has_full = full != NULL;
    if (full)
        bm_backup_copy (&database->full, full);
    database->published = bm_strdup (published);
}

char *
bm_manifest_file_name (const bm_manifest_t *self)
{
    return self->mark ? bm_format ("%s.btsmark.json", self->mark)
                      : bm_format ("%lld.btsmark.json", (long long)self->set_id);
}

/* ---- writing ---- */

/*  A key is always there; absent = null. A text that is not UTF-8 makes the whole manifest fail. */
static void
s_put_text (json_t *object, const char *key, const char *value, bool *ok)
{
    json_t *text = value ? json_string (value) : json_null ();
    if (!text || json_object_set_new (object, key, text) != 0)
        *ok = false;
}

static void
s_put_int (json_t *object, const char *key, int64_t value)
{
    json_object_set_new (object, key, json_integer (value));
}

static void
s_put_or_null (json_t *object, const char *key, int64_t value)
{
    json_object_set_new (object, key, value < 0 ? json_null () : json_integer (value));
}

static void
s_put_time (json_t *object, const char *key, int64_t utc_us)
{
    char text[BM_CLOCK_TEXT_BYTES];
    json_object_set_new (object, key,
                         utc_us < 0 ? json_null () : json_string (bm_clock_rfc3339 (utc_us, text)));
}

/*  Every text of a backup with its key: writing and reading cannot differ. */
typedef struct {
    const char *key;
    size_t offset;
    bool lsn;
} s_field_t;

#define TEXT(key, name)                                                                            \
    {                                                                                              \
        key, offsetof (bm_backup_t, name), false                                                   \
    }
#define LSN(name)                                                                                  \
    {                                                                                              \
#name, offsetof(bm_backup_t, name), true                                                   \
    }

static const s_field_t s_fields[] = {
    TEXT ("server", server),
    TEXT ("instance", instance),
    TEXT ("database", database),
    TEXT ("uuid", uuid),
    TEXT ("file", device),
    LSN (first_lsn),
    LSN (last_lsn),
    LSN (checkpoint_lsn),
    LSN (database_backup_lsn),
    TEXT ("first_recovery_fork", first_fork),
    TEXT ("last_recovery_fork", last_fork),
    TEXT ("family", family),
    TEXT ("started_local", started),
    TEXT ("finished_local", finished),
    TEXT ("recovery_model", recovery_model),
    TEXT ("user", user),
    TEXT ("mark", mark),
    LSN (mark_lsn),
};
#define S_FIELD_COUNT (sizeof s_fields / sizeof *s_fields)

static char **
s_field (bm_backup_t *backup, const s_field_t *field)
{
    return (char **)(void *)((char *)backup + field->offset);
}

/*  All files of a striped backup, in order; null = "file" alone. */
static json_t *
s_files_json (const bm_backup_t *backup, bool *ok)
{
    if (!backup->more_devices)
        return json_null ();
    json_t *array = json_array ();
    if (json_array_append_new (array, json_string (backup->device)) != 0)
        *ok = false;
    for (const char *line = backup->more_devices; *line;) {
        size_t size = strcspn (line, "\n");
        if (json_array_append_new (array, json_stringn (line, size)) != 0)
            *ok = false;
        line += size + (line[size] == '\n');
    }
    return array;
}

static json_t *
s_backup_json (const bm_backup_t *backup, bool *ok)
{
    json_t *object = json_object ();
    bm_backup_t copy = *backup;
    for (size_t i = 0; i < S_FIELD_COUNT; i++)
        s_put_text (object, s_fields[i].key, *s_field (&copy, &s_fields[i]), ok);
    json_object_set_new (object, "files", s_files_json (backup, ok));
    s_put_text (object, "type", bm_set_type_name (backup->type), ok);
    s_put_int (object, "position", backup->position);
    s_put_int (object, "bytes", backup->bytes);
    s_put_int (object, "compressed_bytes", backup->compressed_bytes);
    s_put_or_null (object, "file_bytes", backup->file_bytes);
    json_object_set_new (object, "has_checksums", json_boolean (backup->has_checksums));
    return object;
}

static json_t *
s_manifest_json (const bm_manifest_t *self, bool *ok)
{
    json_t *root = json_object (), *databases = json_array ();
    s_put_int (root, "format", BM_MANIFEST_FORMAT);
    s_put_text (root, "sha256", "", ok);
    s_put_text (root, "product", "btsmark", ok);
    s_put_text (root, "product_version", self->product_version, ok);
    s_put_text (root, "group", self->group, ok);
    s_put_int (root, "run", (int64_t)self->run);
    s_put_int (root, "set_id", self->set_id);
    s_put_text (root, "type", bm_set_type_name (self->type), ok);
    s_put_text (root, "sequence", self->sequence, ok);
    s_put_text (root, "mark", self->mark, ok);
    s_put_text (root, "outcome", self->has_outcome ? bm_outcome_name (self->outcome) : NULL, ok);
    json_object_set_new (root, "complete", json_boolean (self->complete));
    s_put_time (root, "began", self->began_us);
    s_put_time (root, "ended", self->ended_us);
    s_put_or_null (root, "window_us", self->window_us);
    s_put_or_null (root, "fence_ms", self->fence_ms);
    s_put_int (root, "group_databases", (int64_t)self->group_databases);
    for (size_t i = 0; i < self->database_count; i++) {
        const bm_manifest_database_t *d = &self->databases[i];
        json_t *object = s_backup_json (&d->backup, ok);
        s_put_text (object, "published", d->published, ok);
        json_object_set_new (object, "full",
                             d->has_full ? s_backup_json (&d->full, ok) : json_null ());
        json_array_append_new (databases, object);
    }
    json_object_set_new (root, "databases", databases);
    return root;
}

/*  Where the hash's digits stand in a canonical text, NULL when it is none. No value can look like the key: quotes are
 *  escaped inside values, and no other object has it. */
static char *
s_hash_place (char *text)
{
    char *key = strstr (text, S_HASH_KEY);
    return key ? key + strlen (S_HASH_KEY) : NULL;
}

bm_status_t
bm_manifest_build (const bm_manifest_t *self, char **text_p, size_t *size_p,
                   char sha256[BM_MANIFEST_SHA256_BYTES], bm_error_t *error)
{
    bool ok = true;
    *text_p = NULL;
    *size_p = 0;
    if (self->database_count > BM_LIMIT_DATABASES)
        return bm_fail (error, BM_LIMIT, "a manifest of %zu databases, at most %d are written",
                        self->database_count, BM_LIMIT_DATABASES);
    json_t *root = s_manifest_json (self, &ok);
    char *text = ok ? json_dumps (root, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref (root);
    if (!text)
        return bm_fail (error, BM_PROTOCOL,
                        "the manifest of set %lld holds a text that is not UTF-8",
                        (long long)self->set_id);
    uint8_t digest[BM_DIGEST_BYTES];
    char *empty = bm_format ("%s\n", text);
    bm_digest_sha256 (empty, strlen (empty), digest);
    bm_digest_text (digest, sha256);
    char *place = s_hash_place (empty);
    bm_require (place && *place == '"');
    *text_p = bm_format ("%.*s%s%s", (int)(place - empty), empty, sha256, place);
    *size_p = strlen (*text_p);
    free (empty);
    free (text);
    if (*size_p <= BM_LIMIT_MANIFEST_BYTES)
        return BM_OK;
    bm_fail (error, BM_LIMIT, "the manifest of set %lld has %zu bytes, at most %d are written",
             (long long)self->set_id, *size_p, BM_LIMIT_MANIFEST_BYTES);
    free (*text_p);
    *text_p = NULL;
    *size_p = 0;
    return BM_LIMIT;
}

/* ---- reading ---- */

typedef struct {
    const char *name;
    bm_error_t *error;
    bm_status_t status;
} s_reader_t;

static void
s_bad (s_reader_t *reader, const char *key)
{
    if (!reader->status)
        reader->status =
            bm_fail (reader->error, BM_VERIFY_FAILED,
                     "manifest %s: \"%s\" is missing or not of its kind", reader->name, key);
}

static char *
s_get_text (s_reader_t *reader, const json_t *object, const char *key, bool may_be_null)
{
    const json_t *value = json_object_get (object, key);
    if (json_is_string (value) && strlen (json_string_value (value)) == json_string_length (value))
        return bm_strdup (json_string_value (value));
    if (!may_be_null || !json_is_null (value))
        s_bad (reader, key);
    return NULL;
}

static int64_t
s_get_int (s_reader_t *reader, const json_t *object, const char *key, int64_t when_null)
{
    const json_t *value = json_object_get (object, key);
    if (json_is_integer (value) && json_integer_value (value) >= 0)
        return json_integer_value (value);
    if (when_null >= 0 || !json_is_null (value))
        s_bad (reader, key);
    return when_null;
}

static bool
s_get_bool (s_reader_t *reader, const json_t *object, const char *key)
{
    const json_t *value = json_object_get (object, key);
    if (!json_is_boolean (value))
        s_bad (reader, key);
    return json_is_true (value);
}

static int64_t
s_get_time (s_reader_t *reader, const json_t *object, const char *key)
{
    char *text = s_get_text (reader, object, key, true);
    int64_t utc_us = text ? bm_clock_parse_rfc3339 (text) : -1;
    if (text && utc_us < 0)
        s_bad (reader, key);
    free (text);
    return utc_us;
}

static bm_set_type_t
s_get_type (s_reader_t *reader, const json_t *object)
{
    bm_set_type_t type = BM_SET_FULL;
    char *code = s_get_text (reader, object, "type", false);
    if (!bm_record_type_parse (code, &type))
        s_bad (reader, "type");
    free (code);
    return type;
}

/*  Behind the first one, which is "file"; manifests of earlier versions have no such key. */
static char *
s_get_more_files (s_reader_t *reader, const json_t *object)
{
    const json_t *array = json_object_get (object, "files");
    char *files = NULL;
    if (!array || json_is_null (array))
        return NULL;
    size_t count = json_array_size (array);
    if (count < 2 || count > BM_LIMIT_STRIPES)
        s_bad (reader, "files");
    for (size_t i = 1; i < count && i < BM_LIMIT_STRIPES; i++) {
        const char *file = json_string_value (json_array_get (array, i));
        if (!file || !*file || strchr (file, '\n')) {
            s_bad (reader, "files");
            break;
        }
        char *more = files ? bm_format ("%s\n%s", files, file) : bm_strdup (file);
        free (files);
        files = more;
    }
    return files;
}

static void
s_read_backup (s_reader_t *reader, const json_t *object, bm_backup_t *backup)
{
    for (size_t i = 0; i < S_FIELD_COUNT; i++) {
        char *text = s_get_text (reader, object, s_fields[i].key, true);
        if (text && s_fields[i].lsn && !bm_lsn_valid (text))
            s_bad (reader, s_fields[i].key);
        *s_field (backup, &s_fields[i]) = text;
    }
    if (!backup->server || !backup->database)
        s_bad (reader, "database");
    backup->more_devices = s_get_more_files (reader, object);
    backup->type = s_get_type (reader, object);
    backup->position = (int)(s_get_int (reader, object, "position", 0) & INT32_MAX);
    backup->bytes = s_get_int (reader, object, "bytes", 0);
    backup->compressed_bytes = s_get_int (reader, object, "compressed_bytes", 0);
    backup->file_bytes = s_get_int (reader, object, "file_bytes", -1);
    backup->has_checksums = s_get_bool (reader, object, "has_checksums");
    backup->ours = true;
}

static void
s_read_databases (s_reader_t *reader, const json_t *root, bm_manifest_t *self)
{
    const json_t *array = json_object_get (root, "databases");
    if (!json_is_array (array) || json_array_size (array) > BM_LIMIT_DATABASES) {
        s_bad (reader, "databases");
        return;
    }
    for (size_t i = 0; i < json_array_size (array); i++) {
        const json_t *object = json_array_get (array, i), *full = json_object_get (object, "full");
        bm_backup_t backup = {0}, start = {0};
        s_read_backup (reader, object, &backup);
        backup.set_id = self->set_id;
        if (json_is_object (full))
            s_read_backup (reader, full, &start);
        else if (!json_is_null (full))
            s_bad (reader, "full");
        char *published = s_get_text (reader, object, "published", true);
        bm_manifest_add (self, &backup, json_is_object (full) ? &start : NULL, published);
        free (published);
        bm_backup_clear (&backup);
        bm_backup_clear (&start);
    }
}

static void
s_read_manifest (s_reader_t *reader, const json_t *root, bm_manifest_t *self)
{
    if (s_get_int (reader, root, "format", 0) != BM_MANIFEST_FORMAT)
        s_bad (reader, "format");
    self->product_version = s_get_text (reader, root, "product_version", true);
    self->group = s_get_text (reader, root, "group", false);
    self->run = (uint64_t)s_get_int (reader, root, "run", 0);
    self->set_id = s_get_int (reader, root, "set_id", 0);
    self->type = s_get_type (reader, root);
    self->sequence = s_get_text (reader, root, "sequence", true);
    self->mark = s_get_text (reader, root, "mark", true);
    char *outcome = s_get_text (reader, root, "outcome", true);
    self->has_outcome = outcome != NULL;
    if (outcome && !bm_outcome_by_name (outcome, &self->outcome))
        s_bad (reader, "outcome");
    free (outcome);
    self->complete = s_get_bool (reader, root, "complete");
    self->began_us = s_get_time (reader, root, "began");
    self->ended_us = s_get_time (reader, root, "ended");
    self->window_us = s_get_int (reader, root, "window_us", -1);
    self->fence_ms = s_get_int (reader, root, "fence_ms", -1);
    self->group_databases = (size_t)s_get_int (reader, root, "group_databases", 0);
    s_read_databases (reader, root, self);
}

/*  The text with its hash emptied must have that hash. */
static bm_status_t
s_check_hash (const char *name, const char *text, size_t size, bm_error_t *error)
{
    char *copy = bm_alloc (size + 1);
    memcpy (copy, text, size);
    char *place = strlen (copy) == size ? s_hash_place (copy) : NULL;
    bool same = false;
    if (place && strspn (place, "0123456789abcdef") == BM_DIGEST_TEXT_BYTES - 1) {
        char stands[BM_DIGEST_TEXT_BYTES], is[BM_DIGEST_TEXT_BYTES];
        uint8_t digest[BM_DIGEST_BYTES];
        memcpy (stands, place, sizeof stands - 1);
        stands[sizeof stands - 1] = '\0';
        memmove (place, place + sizeof stands - 1, strlen (place + sizeof stands - 1) + 1);
        bm_digest_sha256 (copy, strlen (copy), digest);
        same = strcmp (stands, bm_digest_text (digest, is)) == 0;
    }
    free (copy);
    if (same)
        return BM_OK;
    bm_fail (error, BM_VERIFY_FAILED,
             "manifest %s: its SHA-256 is not that of its text: it was changed or is not whole",
             name);
    bm_error_remedy (error, "take the copy in another host's backup folder");
    return BM_VERIFY_FAILED;
}

bm_manifest_t *
bm_manifest_parse (const char *name, const char *text, size_t size, bm_error_t *error)
{
    if (size > BM_LIMIT_MANIFEST_BYTES) {
        bm_fail (error, BM_LIMIT, "manifest %s has %zu bytes, at most %d are read", name, size,
                 BM_LIMIT_MANIFEST_BYTES);
        return NULL;
    }
    if (s_check_hash (name, text, size, error))
        return NULL;
    json_error_t why;
    json_t *root = json_loadb (text, size, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object (root)) {
        bm_fail (error, BM_VERIFY_FAILED, "manifest %s is not JSON: line %d: %s", name, why.line,
                 why.text);
        json_decref (root);
        return NULL;
    }
    bm_manifest_t *self = bm_manifest_new ();
    s_reader_t reader = {name, error, BM_OK};
    s_read_manifest (&reader, root, self);
    json_decref (root);
    if (reader.status)
        bm_manifest_destroy (&self);
    return self;
}
