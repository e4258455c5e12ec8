#include "common/config_internal.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/names.h"
#include "common/utf8.h"

/*  libinih as packaged holds names of at most 49 bytes. */
#define S_NAME_BYTES 49

typedef struct {
    bm_config_t *config;
    const char *at;
    const char *end;
    int line;
    bm_error_t *error;
    bm_status_t status;
} s_reader_t;

__attribute__ ((format (printf, 2, 3))) static bool
s_refuse (s_reader_t *self, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    self->status =
        bm_fail (self->error, BM_CONFIG, "%s:%d: %s", self->config->path, self->line, text);
    return false;
}

static bool
s_is_blank (char c)
{
    return c == ' ' || c == '\t';
}

/*  Cuts white space at both ends, in place. */
static char *
s_trim (char *text)
{
    text += strspn (text, " \t\r");
    size_t length = strlen (text);
    while (length > 0 && strchr (" \t\r", text[length - 1]))
        text[--length] = '\0';
    return text;
}

static bool
s_take_section (s_reader_t *self, char *line)
{
    bm_config_t *config = self->config;
    size_t length = strlen (line);
    if (line[length - 1] != ']' || strchr (line, ']') != line + length - 1)
        return s_refuse (self, "a section is one [kind name] alone on its line");
    line[length - 1] = '\0';
    char *kind = s_trim (line + 1);
    if (!*kind || strlen (kind) > S_NAME_BYTES)
        return s_refuse (self, "the name of a section has 1 to %d bytes", S_NAME_BYTES);
    char *name = kind + strcspn (kind, " \t");
    if (*name)
        *name++ = '\0';
    name = s_trim (name);
    for (size_t i = 0; i < config->section_count; i++)
        if (strcmp (config->sections[i].kind, kind) == 0 &&
            bm_names_equal (config->sections[i].name, name))
            return s_refuse (self, "section [%s%s%s] stands already in line %d", kind,
                             *name ? " " : "", name, config->sections[i].line);
    config->sections =
        bm_realloc (config->sections, (config->section_count + 1) * sizeof *config->sections);
    config->sections[config->section_count++] =
        (s_section_t){bm_strdup (kind), bm_strdup (name), self->line, false};
    return true;
}

/*  The value without its quotes; NULL when libinih, or a person, would read it differently than it is
 *  written. */
static char *
s_value (s_reader_t *self, char *value)
{
    size_t length = strlen (value);
    if (*value == '"') {
        if (length < 2 || strchr (value + 1, '"') != value + length - 1) {
            s_refuse (self, "a quoted value ends with its second quote, at the end of the line");
            return NULL;
        }
        value[length - 1] = '\0';
        return value + 1;
    }
    for (char *at = value; *at; at++)
        if ((*at == ';' || *at == '#') && (at == value || s_is_blank (at[-1]))) {
            s_refuse (self,
                      "a value with \" %c\" must stand in quotes; a comment has a line of its own",
                      *at);
            return NULL;
        }
    return value;
}

static bool
s_is_key (const char *key)
{
    size_t length =
        strspn (key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return length > 0 && length <= S_NAME_BYTES && key[length] == '\0';
}

static bool
s_take_entry (s_reader_t *self, char *line)
{
    bm_config_t *config = self->config;
    char *equal = strchr (line, '=');
    if (!equal)
        return s_refuse (self, "neither [section] nor key = value");
    if (config->section_count == 0)
        return s_refuse (self, "a key stands before the first [section]");
    *equal = '\0';
    char *key = s_trim (line);
    if (!s_is_key (key))
        return s_refuse (self, "a key has 1 to %d letters, digits, - and _", S_NAME_BYTES);
    size_t section = config->section_count - 1;
    for (size_t i = 0; i < config->entry_count; i++)
        if (config->entries[i].section == section && strcmp (config->entries[i].key, key) == 0)
            return s_refuse (self, "%s stands already in line %d", key, config->entries[i].line);
    char *value = s_value (self, s_trim (equal + 1));
    if (!value)
        return false;
    config->entries =
        bm_realloc (config->entries, (config->entry_count + 1) * sizeof *config->entries);
    config->entries[config->entry_count++] =
        (s_entry_t){section, bm_strdup (key), bm_strdup (value), self->line, false, false};
    return true;
}

/*  One line, checked. False: refused. *kind_p: what it is: '[' section, '=' entry, ' ' nothing. */
static bool
s_take_line (s_reader_t *self, const char *start, size_t size, char *kind_p)
{
    *kind_p = ' ';
    if (size > BM_LIMIT_CONFIG_LINE)
        return s_refuse (self, "the line is longer than %d bytes", BM_LIMIT_CONFIG_LINE);
    if (!bm_utf8_valid (start, size))
        return s_refuse (self, "the line is not UTF-8 text");
    char *copy = bm_alloc (size + 1);
    memcpy (copy, start, size);
    char *line = s_trim (copy);
    bool good = true;
    if (*line == '\0' || *line == ';' || *line == '#') {
        /* nothing to take */
    } else if (line != copy) {
        good = s_refuse (self, "the line is indented; a value cannot go on in the next line");
    } else if (*line == '[') {
        *kind_p = '[';
        good = s_take_section (self, line);
    } else {
        *kind_p = '=';
        good = s_take_entry (self, line);
    }
    free (copy);
    return good;
}

/*  libinih's reader. It cuts lines at 200 bytes and values at " ;", so it is handed the names and, instead of
 *  the value, its number in our table. */
static char *
s_read_line (char *buffer, int size, void *stream)
{
    s_reader_t *self = stream;
    if (self->at >= self->end || self->status)
        return NULL;
    const char *newline = memchr (self->at, '\n', (size_t)(self->end - self->at));
    const char *end = newline ? newline : self->end;
    const char *start = self->at;
    self->at = newline ? newline + 1 : self->end;
    self->line++;
    char kind;
    if (!s_take_line (self, start, (size_t)(end - start), &kind))
        return NULL;
    const bm_config_t *config = self->config;
    int length = 0;
    if (kind == '[')
        length = snprintf (buffer, (size_t)size, "[%zu]\n", config->section_count - 1);
    else if (kind == '=')
        length = snprintf (buffer, (size_t)size, "%s=%zu\n",
                           config->entries[config->entry_count - 1].key, config->entry_count - 1);
    else
        length = snprintf (buffer, (size_t)size, "\n");
    bm_require (length > 0 && length < size);
    return buffer;
}

static int
s_on_entry (void *user, const char *section, const char *key, const char *value)
{
    s_reader_t *self = user;
    size_t number = (size_t)strtoull (value, NULL, 10);
    bm_require (number < self->config->entry_count);
    s_entry_t *entry = &self->config->entries[number];
    entry->confirmed =
        strcmp (entry->key, key) == 0 && (size_t)strtoull (section, NULL, 10) == entry->section;
    return entry->confirmed;
}

bm_status_t
bm_config_read (bm_config_t *self, const char *text, size_t size, bm_error_t *error)
{
    if (size > BM_LIMIT_CONFIG_BYTES)
        return bm_fail (error, BM_CONFIG, "%s is larger than %d bytes", self->path,
                        BM_LIMIT_CONFIG_BYTES);
    if (size >= 3 && memcmp (text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    s_reader_t reader = {self, text, text + size, 0, error, BM_OK};
    int line = ini_parse_stream (s_read_line, &reader, s_on_entry, &reader);
    if (reader.status)
        return reader.status;
    if (line)
        return bm_fail (error, BM_CONFIG, "%s:%d: neither [section] nor key = value", self->path,
                        line > 0 ? line : reader.line);
    for (size_t i = 0; i < self->entry_count; i++)
        bm_require (self->entries[i].confirmed);
    return BM_OK;
}
