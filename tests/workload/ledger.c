#include "tests/workload/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#define S_LINE_BYTES 4096
#define S_FIELDS     7

struct bm_ledger {
    int fd;
    char *path;
};

bm_ledger_t *
bm_ledger_open (const char *path, bm_error_t *error)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
        bm_fail (error, BM_IO, "%s cannot be written: %s", path, strerror (errno));
        return NULL;
    }
    bm_ledger_t *self = bm_alloc (sizeof *self);
    self->fd = fd;
    self->path = bm_strdup (path);
    return self;
}

void
bm_ledger_close (bm_ledger_t **self_p)
{
    if (*self_p) {
        close ((*self_p)->fd);
        free ((*self_p)->path);
    }
    free (*self_p);
    *self_p = NULL;
}

/*  Lines of several threads do not mix: one append is one write. */
static bm_status_t
s_write (bm_ledger_t *self, const char *line, int length, bm_error_t *error)
{
    bm_require (length > 0 && length < S_LINE_BYTES);
    if (write (self->fd, line, (size_t)length) != length)
        return bm_fail (error, BM_IO, "%s cannot be written: %s", self->path, strerror (errno));
    return BM_OK;
}

bm_status_t
bm_ledger_ask (bm_ledger_t *self, int64_t number, char kind, const char *instance,
               const char *database, const char *second, bm_error_t *error)
{
    char line[S_LINE_BYTES];
    int length =
        snprintf (line, sizeof line, "Q\t%" PRId64 "\t%" PRId64 "\t%c\t%s\t%s\t%s\n", number,
                  bm_clock_mono_us (), kind, instance, database, second ? second : "-");
    return s_write (self, line, length, error);
}

bm_status_t
bm_ledger_acknowledge (bm_ledger_t *self, int64_t number, bm_error_t *error)
{
    char line[S_LINE_BYTES];
    int length =
        snprintf (line, sizeof line, "K\t%" PRId64 "\t%" PRId64 "\n", number, bm_clock_mono_us ());
    return s_write (self, line, length, error);
}

bm_status_t
bm_ledger_decide (bm_ledger_t *self, const char *uow, bm_error_t *error)
{
    char line[S_LINE_BYTES];
    int length = snprintf (line, sizeof line, "C\t%s\t%" PRId64 "\n", uow, bm_clock_mono_us ());
    return s_write (self, line, length, error);
}

bm_status_t
bm_ledger_branch (bm_ledger_t *self, const char *uow, const char *instance, const char *database,
                  int64_t lsn, bm_error_t *error)
{
    char line[S_LINE_BYTES];
    int length = snprintf (line, sizeof line, "B\t%s\t%" PRId64 "\t%s\t%s\t%" PRId64 "\n", uow,
                           bm_clock_mono_us (), instance, database, lsn);
    return s_write (self, line, length, error);
}

bm_ledger_entry_t *
bm_ledger_list_add (bm_ledger_list_t *list, int64_t number, char kind, const char *instance,
                    const char *database, const char *second)
{
    if ((list->count & (list->count - 1)) == 0) /* doubled at each power of two */
        list->items =
            bm_realloc (list->items, (list->count ? 2 * list->count : 1) * sizeof *list->items);
    bm_ledger_entry_t *entry = &list->items[list->count++];
    *entry = (bm_ledger_entry_t){.number = number,
                                 .kind = kind,
                                 .instance = bm_strdup (instance),
                                 .database = bm_strdup (database),
                                 .second = bm_strdup (second)};
    return entry;
}

void
bm_ledger_list_clear (bm_ledger_list_t *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free (list->items[i].instance);
        free (list->items[i].database);
        free (list->items[i].second);
    }
    free (list->items);
    for (size_t i = 0; i < list->branch_count; i++) {
        free (list->branches[i].instance);
        free (list->branches[i].database);
    }
    free (list->branches);
    *list = (bm_ledger_list_t){0};
}

static int
s_by_uow (const void *a, const void *b)
{
    const bm_ledger_branch_t *left = a;
    const bm_ledger_branch_t *right = b;
    int order = strcasecmp (left->uow, right->uow);
    if (order)
        return order;
    return (left->instance != NULL) - (right->instance != NULL);
}

bool
bm_ledger_list_decided (const bm_ledger_list_t *list, const char *uow)
{
    for (size_t i = 0; i < list->branch_count; i++)
        if (!list->branches[i].instance && strcasecmp (list->branches[i].uow, uow) == 0)
            return true;
    return false;
}

static int
s_by_number (const void *a, const void *b)
{
    const bm_ledger_entry_t *left = a;
    const bm_ledger_entry_t *right = b;
    return (left->number > right->number) - (left->number < right->number);
}

/*  Cuts a line at its tabs. */
static size_t
s_split (char *line, char *fields[S_FIELDS])
{
    size_t count = 0;
    char *rest = line;
    while (rest && count < S_FIELDS)
        fields[count++] = strsep (&rest, "\t");
    return count;
}

typedef struct {
    int64_t number;
    int64_t us;
} s_acknowledged_t;

typedef struct {
    s_acknowledged_t *items;
    size_t count;
} s_acknowledged_list_t;

/*  C and B. */
static bool
s_take_branch (char *const *fields, size_t count, bm_ledger_list_t *list)
{
    bool decides = strcmp (fields[0], "C") == 0;
    if (count != (decides ? 3 : 6) || strlen (fields[1]) != 36)
        return false;
    list->branches = bm_realloc (list->branches, (list->branch_count + 1) * sizeof *list->branches);
    bm_ledger_branch_t *branch = &list->branches[list->branch_count++];
    *branch = (bm_ledger_branch_t){.us = strtoll (fields[2], NULL, 10)};
    snprintf (branch->uow, sizeof branch->uow, "%s", fields[1]);
    if (!decides) {
        branch->instance = bm_strdup (fields[3]);
        branch->database = bm_strdup (fields[4]);
        branch->lsn = strtoll (fields[5], NULL, 10);
    }
    return true;
}

static bool
s_take (char *line, bm_ledger_list_t *list, s_acknowledged_list_t *acknowledged)
{
    char *fields[S_FIELDS];
    size_t count = s_split (line, fields);
    if (strcmp (fields[0], "C") == 0 || strcmp (fields[0], "B") == 0)
        return s_take_branch (fields, count, list);
    if (count == 3 && strcmp (fields[0], "K") == 0) {
        acknowledged->items = bm_realloc (acknowledged->items,
                                          (acknowledged->count + 1) * sizeof *acknowledged->items);
        acknowledged->items[acknowledged->count++] =
            (s_acknowledged_t){strtoll (fields[1], NULL, 10), strtoll (fields[2], NULL, 10)};
        return true;
    }
    if (count != S_FIELDS || strcmp (fields[0], "Q") != 0 || strlen (fields[3]) != 1)
        return false;
    const char *second = strcmp (fields[6], "-") == 0 ? NULL : fields[6];
    bm_ledger_list_add (list, strtoll (fields[1], NULL, 10), fields[3][0], fields[4], fields[5],
                        second)
        ->asked_us = strtoll (fields[2], NULL, 10);
    return true;
}

static void
s_join (bm_ledger_list_t *list, const s_acknowledged_list_t *acknowledged)
{
    if (list->count)
        qsort (list->items, list->count, sizeof *list->items, s_by_number);
    if (list->branch_count)
        qsort (list->branches, list->branch_count, sizeof *list->branches, s_by_uow);
    for (size_t i = 0; i < acknowledged->count; i++) {
        bm_ledger_entry_t key = {.number = acknowledged->items[i].number};
        bm_ledger_entry_t *entry =
            list->count ? bsearch (&key, list->items, list->count, sizeof key, s_by_number) : NULL;
        if (entry)
            entry->acknowledged_us = acknowledged->items[i].us;
    }
}

bm_status_t
bm_ledger_load (const char *path, bm_ledger_list_t *list, bm_error_t *error)
{
    *list = (bm_ledger_list_t){0};
    FILE *file = fopen (path, "re");
    if (!file && errno == ENOENT)
        return BM_OK;
    if (!file)
        return bm_fail (error, BM_IO, "%s cannot be read: %s", path, strerror (errno));
    bm_status_t status = BM_OK;
    s_acknowledged_list_t acknowledged = {0};
    char line[S_LINE_BYTES];
    for (int number = 1; status == BM_OK && fgets (line, sizeof line, file); number++) {
        char *end = strchr (line, '\n');
        if (!end)
            break; /* the writer was killed inside it */
        *end = '\0';
        if (!s_take (line, list, &acknowledged))
            status = bm_fail (error, BM_PROTOCOL, "%s:%d is no line of a ledger", path, number);
    }
    fclose (file);
    s_join (list, &acknowledged);
    free (acknowledged.items);
    if (status)
        bm_ledger_list_clear (list);
    return status;
}
