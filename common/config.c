#include "common/config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/names.h"

/*  The folder of a file, absolute. */
static char *
s_folder_of (const char *path)
{
    char *copy = bm_strdup (path);
    char *slash = strrchr (copy, '/');
    char *folder = NULL;
    if (slash == copy)
        folder = bm_strdup ("/");
    else if (slash)
        *slash = '\0';
    if (!folder)
        folder = realpath (slash ? copy : ".", NULL);
    if (!folder)
        folder = bm_strdup (slash ? copy : ".");
    free (copy);
    return folder;
}

static bm_config_t *
s_new (const char *path)
{
    bm_config_t *self = bm_alloc (sizeof *self);
    self->path = bm_strdup (path);
    self->folder = s_folder_of (path);
    return self;
}

static bm_config_t *
s_read (const char *path, const char *text, size_t size, bm_error_t *error)
{
    bm_config_t *self = s_new (path);
    if (bm_config_read (self, text, size, error))
        bm_config_destroy (&self);
    return self;
}

bm_config_t *
bm_config_load (const char *path, bm_error_t *error)
{
    FILE *file = fopen (path, "re");
    if (!file) {
        bm_fail (error, BM_CONFIG, "%s cannot be read: %s", path, strerror (errno));
        bm_error_remedy (error, "name the configuration file with -c FILE, or correct its rights");
        return NULL;
    }
    char *text = bm_alloc (BM_LIMIT_CONFIG_BYTES + 2);
    size_t size = fread (text, 1, BM_LIMIT_CONFIG_BYTES + 1, file);
    bm_config_t *self = NULL;
    if (ferror (file))
        bm_fail (error, BM_CONFIG, "%s cannot be read: %s", path, strerror (errno));
    else
        self = s_read (path, text, size, error);
    fclose (file);
    free (text);
    return self;
}

bm_config_t *
bm_config_parse (const char *name, const char *text, bm_error_t *error)
{
    return s_read (name, text, strlen (text), error);
}

void
bm_config_destroy (bm_config_t **self_p)
{
    bm_config_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->section_count; i++) {
        free (self->sections[i].kind);
        free (self->sections[i].name);
    }
    for (size_t i = 0; i < self->entry_count; i++) {
        free (self->entries[i].key);
        free (self->entries[i].value);
    }
    for (size_t i = 0; i < self->asked_count; i++) {
        free (self->asked[i].kind);
        free (self->asked[i].key);
    }
    for (size_t i = 0; i < self->owned_count; i++)
        free (self->owned[i]);
    free (self->sections);
    free (self->entries);
    free (self->asked);
    free (self->owned);
    free (self->path);
    free (self->folder);
    free (self);
}

const char *
bm_config_path (const bm_config_t *self)
{
    return self->path;
}

size_t
bm_config_sections (const bm_config_t *self)
{
    return self->section_count;
}

const char *
bm_config_section_kind (const bm_config_t *self, size_t section)
{
    bm_require (section < self->section_count);
    return self->sections[section].kind;
}

const char *
bm_config_section_name (const bm_config_t *self, size_t section)
{
    bm_require (section < self->section_count);
    return self->sections[section].name;
}

int
bm_config_section_line (const bm_config_t *self, size_t section)
{
    bm_require (section < self->section_count);
    return self->sections[section].line;
}

int
bm_config_find (const bm_config_t *self, const char *kind, const char *name)
{
    for (size_t i = 0; i < self->section_count; i++)
        if (strcmp (self->sections[i].kind, kind) == 0 &&
            bm_names_equal (self->sections[i].name, name))
            return (int)i;
    return -1;
}

void
bm_config_know_section (bm_config_t *self, int section)
{
    if (section < 0)
        return;
    bm_require ((size_t)section < self->section_count);
    self->sections[section].known = true;
}

static void
s_note_asked (bm_config_t *self, const char *kind, const char *key)
{
    for (size_t i = 0; i < self->asked_count; i++)
        if (strcmp (self->asked[i].kind, kind) == 0 && strcmp (self->asked[i].key, key) == 0)
            return;
    self->asked = bm_realloc (self->asked, (self->asked_count + 1) * sizeof *self->asked);
    self->asked[self->asked_count++] = (s_asked_t){bm_strdup (kind), bm_strdup (key)};
}

/*  The entry, or NULL when the key or the whole section is absent. */
static const s_entry_t *
s_get (bm_config_t *self, int section, const char *key)
{
    if (section < 0)
        return NULL;
    bm_config_know_section (self, section);
    s_note_asked (self, self->sections[section].kind, key);
    for (size_t i = 0; i < self->entry_count; i++)
        if (self->entries[i].section == (size_t)section &&
            strcmp (self->entries[i].key, key) == 0) {
            self->entries[i].known = true;
            return &self->entries[i];
        }
    return NULL;
}

static void *
s_own (bm_config_t *self, void *memory)
{
    self->owned = bm_realloc (self->owned, (self->owned_count + 1) * sizeof *self->owned);
    self->owned[self->owned_count++] = memory;
    return memory;
}

static bm_status_t
s_bad (const bm_config_t *self, const s_entry_t *entry, bm_error_t *error, const char *allowed)
{
    return bm_fail (error, BM_CONFIG, "%s:%d: %s = %s: allowed is %s", self->path, entry->line,
                    entry->key, entry->value, allowed);
}

bm_status_t
bm_config_text (bm_config_t *self, int section, const char *key, const char *fallback,
                const char **value, bm_error_t *error)
{
    (void)error;
    const s_entry_t *entry = s_get (self, section, key);
    *value = entry ? entry->value : fallback;
    return BM_OK;
}

bm_status_t
bm_config_need_text (bm_config_t *self, int section, const char *key, const char **value,
                     bm_error_t *error)
{
    const s_entry_t *entry = s_get (self, section, key);
    if (section < 0)
        return bm_fail (error, BM_CONFIG, "%s: the section that must say %s is missing", self->path,
                        key);
    const s_section_t *in = &self->sections[section];
    if (!entry)
        return bm_fail (error, BM_CONFIG, "%s:%d: section [%s%s%s] must say %s", self->path,
                        in->line, in->kind, *in->name ? " " : "", in->name, key);
    if (!*entry->value)
        return s_bad (self, entry, error, "a text that is not empty");
    *value = entry->value;
    return BM_OK;
}

bm_status_t
bm_config_int (bm_config_t *self, int section, const char *key, int64_t fallback, int64_t min,
               int64_t max, int64_t *value, bm_error_t *error)
{
    const s_entry_t *entry = s_get (self, section, key);
    *value = fallback;
    if (!entry)
        return BM_OK;
    char *end = NULL;
    errno = 0;
    long long number = strtoll (entry->value, &end, 10);
    if (errno || end == entry->value || *end || isspace ((unsigned char)entry->value[0]) ||
        number < min || number > max) {
        char allowed[96];
        snprintf (allowed, sizeof allowed, "a number from %" PRId64 " to %" PRId64, min, max);
        return s_bad (self, entry, error, allowed);
    }
    *value = number;
    return BM_OK;
}

bm_status_t
bm_config_bool (bm_config_t *self, int section, const char *key, bool fallback, bool *value,
                bm_error_t *error)
{
    static const char *const words[] = {"no", "yes", "false", "true", "0", "1"};
    const s_entry_t *entry = s_get (self, section, key);
    *value = fallback;
    if (!entry)
        return BM_OK;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp (entry->value, words[i]) == 0) {
            *value = i % 2 == 1;
            return BM_OK;
        }
    return s_bad (self, entry, error, "yes or no");
}

/*  Milliseconds of a unit's name; 0 when there is no such unit. */
static int64_t
s_unit_ms (const char *unit, int64_t default_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},    {"sec", 1000},
                 {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    if (!*unit)
        return default_ms;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp (units[i].name, unit) == 0)
            return units[i].ms;
    return 0;
}

static void
s_duration_text (int64_t ms, char *text, size_t size)
{
    if (ms % 86400000 == 0 && ms)
        snprintf (text, size, "%" PRId64 " d", ms / 86400000);
    else if (ms % 3600000 == 0 && ms)
        snprintf (text, size, "%" PRId64 " h", ms / 3600000);
    else if (ms % 60000 == 0 && ms)
        snprintf (text, size, "%" PRId64 " min", ms / 60000);
    else if (ms % 1000 == 0)
        snprintf (text, size, "%" PRId64 " s", ms / 1000);
    else
        snprintf (text, size, "%" PRId64 " ms", ms);
}

bm_status_t
bm_config_duration (bm_config_t *self, int section, const char *key, int64_t fallback_ms,
                    int64_t unit_ms, int64_t min_ms, int64_t max_ms, int64_t *value_ms,
                    bm_error_t *error)
{
    const s_entry_t *entry = s_get (self, section, key);
    *value_ms = fallback_ms;
    if (!entry)
        return BM_OK;
    char *end = NULL;
    errno = 0;
    long long number = strtoll (entry->value, &end, 10);
    bool digits = end != entry->value && isdigit ((unsigned char)entry->value[0]);
    int64_t unit = digits && !errno ? s_unit_ms (end + strspn (end, " \t"), unit_ms) : 0;
    int64_t ms;
    if (!unit || __builtin_mul_overflow (number, unit, &ms) || ms < min_ms || ms > max_ms) {
        char least[48];
        char most[48];
        char allowed[160];
        s_duration_text (min_ms, least, sizeof least);
        s_duration_text (max_ms, most, sizeof most);
        snprintf (allowed, sizeof allowed, "a time from %s to %s (ms, s, min, h, d)", least, most);
        return s_bad (self, entry, error, allowed);
    }
    *value_ms = ms;
    return BM_OK;
}

bm_status_t
bm_config_choice (bm_config_t *self, int section, const char *key, const char *choices,
                  int fallback, int *value, bm_error_t *error)
{
    const s_entry_t *entry = s_get (self, section, key);
    *value = fallback;
    if (!entry)
        return BM_OK;
    size_t length = strlen (entry->value);
    int index = 0;
    for (const char *at = choices;; index++) {
        size_t choice = strcspn (at, "|");
        if (choice == length && strncmp (at, entry->value, length) == 0) {
            *value = index;
            return BM_OK;
        }
        if (!at[choice])
            break;
        at += choice + 1;
    }
    return s_bad (self, entry, error, choices);
}

bm_status_t
bm_config_list (bm_config_t *self, int section, const char *key, const char *const **values,
                size_t *count, bm_error_t *error)
{
    const s_entry_t *entry = s_get (self, section, key);
    size_t capacity = 1;
    for (const char *at = entry ? entry->value : ""; *at; at++)
        capacity += *at == ',';
    char **list = s_own (self, bm_alloc ((capacity + 1) * sizeof *list));
    *values = (const char *const *)list;
    *count = 0;
    if (!entry || !*entry->value)
        return BM_OK;
    char *copy = s_own (self, bm_strdup (entry->value));
    for (char *at = copy; at;) {
        char *comma = strchr (at, ',');
        if (comma)
            *comma = '\0';
        at += strspn (at, " \t");
        size_t length = strlen (at);
        while (length > 0 && (at[length - 1] == ' ' || at[length - 1] == '\t'))
            at[--length] = '\0';
        if (length == 0)
            return s_bad (self, entry, error, "a list with commas between its items, none empty");
        list[(*count)++] = at;
        at = comma ? comma + 1 : NULL;
    }
    return BM_OK;
}

bm_status_t
bm_config_file (bm_config_t *self, int section, const char *key, const char *fallback,
                const char **value, bm_error_t *error)
{
    bm_status_t status = bm_config_text (self, section, key, fallback, value, error);
    if (status == BM_OK && *value && **value && **value != '/')
        *value = s_own (
            self, bm_format ("%s/%s", strcmp (self->folder, "/") ? self->folder : "", *value));
    return status;
}

/*  How many letters must change, come or go to make one word of the other (Levenshtein). */
static size_t
s_distance (const char *a, const char *b)
{
    size_t width = strlen (b) + 1;
    size_t *row = bm_alloc (width * sizeof *row);
    for (size_t j = 0; j < width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j < width; j++) {
            size_t cost = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < cost)
                cost = row[j] + 1;
            if (row[j - 1] + 1 < cost)
                cost = row[j - 1] + 1;
            row[j] = cost;
        }
    }
    size_t result = row[width - 1];
    free (row);
    return result;
}

static const char *
s_nearest (const bm_config_t *self, const s_entry_t *entry)
{
    const char *nearest = NULL;
    size_t least = strlen (entry->key) / 2 + 2;
    for (size_t i = 0; i < self->asked_count; i++) {
        if (strcmp (self->asked[i].kind, self->sections[entry->section].kind) != 0)
            continue;
        size_t distance = s_distance (entry->key, self->asked[i].key);
        if (distance < least) {
            least = distance;
            nearest = self->asked[i].key;
        }
    }
    return nearest;
}

static void
s_append (char **text_p, char *more)
{
    char *old = *text_p;
    *text_p = bm_format ("%s%s%s", old ? old : "", old ? "; " : "", more);
    free (old);
    free (more);
}

bm_status_t
bm_config_finish (bm_config_t *self, bm_error_t *error)
{
    char *unknown = NULL;
    for (size_t i = 0; i < self->section_count; i++)
        if (!self->sections[i].known)
            s_append (&unknown,
                      bm_format ("line %d: there is no section [%s%s%s]", self->sections[i].line,
                                 self->sections[i].kind, *self->sections[i].name ? " " : "",
                                 self->sections[i].name));
    for (size_t i = 0; i < self->entry_count; i++) {
        const s_entry_t *entry = &self->entries[i];
        if (entry->known || !self->sections[entry->section].known)
            continue;
        const char *nearest = s_nearest (self, entry);
        s_append (&unknown, bm_format ("line %d: there is no key %s%s%s%s", entry->line, entry->key,
                                       nearest ? " (did you mean " : "", nearest ? nearest : "",
                                       nearest ? "?)" : ""));
    }
    if (!unknown)
        return BM_OK;
    bm_fail (error, BM_CONFIG, "%s: %s", self->path, unknown);
    free (unknown);
    return BM_CONFIG;
}
