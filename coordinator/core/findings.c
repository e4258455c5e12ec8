#include "coordinator/core/findings.h"

#include <stdlib.h>
#include <string.h>

static const char *const s_names[BM_LEVEL_COUNT] = {
    [BM_LEVEL_OK] = "ok",
    [BM_LEVEL_NOTE] = "note",
    [BM_LEVEL_WARNING] = "warning",
    [BM_LEVEL_FAILURE] = "failure",
};

const char *
bm_level_name (bm_level_t level)
{
    bm_require (level < BM_LEVEL_COUNT);
    return s_names[level];
}

static bool
s_same (const char *a, const char *b)
{
    return strcmp (a ? a : "", b ? b : "") == 0;
}

static bool
s_stands (const bm_findings_t *self, bm_subject_t about, const char *text)
{
    for (size_t i = 0; i < self->count; i++)
        if (s_same (self->items[i].topic, about.topic) &&
            s_same (self->items[i].server, about.server) &&
            s_same (self->items[i].database, about.database) &&
            strcmp (self->items[i].text, text) == 0)
            return true;
    return false;
}

static const char *
s_filled (const char *text)
{
    return text && *text ? text : NULL;
}

__attribute__ ((format (printf, 6, 0))) static void
s_append (bm_findings_t *self, bm_level_t level, bm_status_t status, bm_subject_t about,
          const char *remedy, const char *format, va_list arguments)
{
    char *text = bm_format_list (format, arguments);
    if (s_stands (self, about, text)) {
        free (text);
        return;
    }
    self->items = bm_realloc (self->items, (self->count + 1) * sizeof *self->items);
    self->items[self->count++] = (bm_finding_t){.level = level,
                                                .status = status,
                                                .topic = bm_strdup (about.topic),
                                                .server = bm_strdup (s_filled (about.server)),
                                                .database = bm_strdup (s_filled (about.database)),
                                                .text = text,
                                                .remedy = bm_strdup (s_filled (remedy))};
}

void
bm_findings_fail (bm_findings_t *self, bm_status_t status, bm_subject_t about, const char *remedy,
                  const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    s_append (self, BM_LEVEL_FAILURE, status, about, remedy, format, arguments);
    va_end (arguments);
}

void
bm_findings_add (bm_findings_t *self, bm_level_t level, bm_subject_t about, const char *remedy,
                 const char *format, ...)
{
    bm_require (level != BM_LEVEL_FAILURE);
    va_list arguments;
    va_start (arguments, format);
    s_append (self, level, level == BM_LEVEL_WARNING ? BM_WARNINGS : BM_OK, about, remedy, format,
              arguments);
    va_end (arguments);
}

void
bm_findings_error (bm_findings_t *self, bm_subject_t about, const bm_error_t *error)
{
    if (error->status != BM_OK)
        bm_findings_fail (self, error->status, about, error->remedy, "%s", error->text);
}

void
bm_findings_clear (bm_findings_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free (self->items[i].topic);
        free (self->items[i].server);
        free (self->items[i].database);
        free (self->items[i].text);
        free (self->items[i].remedy);
    }
    free (self->items);
    *self = (bm_findings_t){0};
}

static int
s_compare_text (const char *a, const char *b)
{
    return strcmp (a ? a : "", b ? b : "");
}

static int
s_compare (const void *left, const void *right)
{
    const bm_finding_t *a = left, *b = right;
    if (a->level != b->level)
        return a->level > b->level ? -1 : 1;
    int order = s_compare_text (a->topic, b->topic);
    if (order == 0)
        order = s_compare_text (a->server, b->server);
    if (order == 0)
        order = s_compare_text (a->database, b->database);
    return order ? order : s_compare_text (a->text, b->text);
}

void
bm_findings_sort (bm_findings_t *self)
{
    if (self->count > 1)
        qsort (self->items, self->count, sizeof *self->items, s_compare);
}

size_t
bm_findings_level_count (const bm_findings_t *self, bm_level_t level)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += self->items[i].level == level;
    return count;
}

bool
bm_findings_has (const bm_findings_t *self, const char *topic, const char *server)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].level != BM_LEVEL_OK && strcmp (self->items[i].topic, topic) == 0 &&
            (!server || s_same (self->items[i].server, server)))
            return true;
    return false;
}

bm_status_t
bm_findings_status (const bm_findings_t *self)
{
    bm_status_t status = BM_OK;
    for (size_t i = 0; i < self->count; i++)
        status = bm_status_worse (status, self->items[i].status);
    return status;
}
