#include "tests/workload/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "tests/workload/group.h"
#include "tests/workload/message.h"

typedef struct {
    int64_t number;
    int64_t value;
} s_row_t;

typedef struct {
    s_row_t *rows; /* sorted by number when `sorted` */
    size_t count;
    size_t capacity;
    bool sorted;
} s_rows_t;

typedef struct {
    char *stream;
    int destination;
    int64_t position;
} s_position_t;

struct bm_snapshot_database {
    char *instance;
    char *database;
    int destination; /* BM_DESTINATION_..., -1 = no tracking database */
    s_rows_t tables[BM_TABLE_COUNT];
    s_position_t *positions;
    size_t position_count;
};

struct bm_snapshot {
    bm_snapshot_database_t *databases;
    size_t count;
};

/*  Where a message's number stands, and what else is kept of a row. */
typedef struct {
    const char *name;
    bm_table_t table;
    const char *id;    /* column with the id */
    const char *value; /* column; NULL = none */
} s_known_t;

static const s_known_t s_known[] = {
    {"Spool", BM_TABLE_SPOOL, "uidMessageID", NULL},
    {"Parts", BM_TABLE_PARTS, "uidMessageID", NULL},
    {"Fragments", BM_TABLE_FRAGMENTS, "uidPartID", NULL},
    {"TrackingMessageReferences", BM_TABLE_REFERENCES, "uidMessageID", NULL},
    {"TrackingData", BM_TABLE_TRACKING_DTA, "uidMessageID", "nSequence"}, /* or _BAM */
    {"dta_MessageInOutEvents", BM_TABLE_EVENTS, "uidMessageID", "nSequence"},
    {"bam_Events", BM_TABLE_EVENTS, "uidMessageID", "nSequence"},
    {"Tracking_Spool1", BM_TABLE_BODY_SPOOL, "uidMessageID", NULL},
    {"Tracking_Parts1", BM_TABLE_BODY_PARTS, "uidMessageID", NULL},
    {"Tracking_Fragments1", BM_TABLE_BODY_FRAGMENTS, "uidPartID", NULL},
    {"Orders", BM_TABLE_ORDERS, NULL, NULL},
    {"RoutedMessages", BM_TABLE_ROUTED, "uidMessageID", NULL},
};

bm_snapshot_t *
bm_snapshot_new (void)
{
    return bm_alloc (sizeof (bm_snapshot_t));
}

static void
s_clear (bm_snapshot_database_t *database)
{
    for (int i = 0; i < BM_TABLE_COUNT; i++)
        free (database->tables[i].rows);
    for (size_t i = 0; i < database->position_count; i++)
        free (database->positions[i].stream);
    free (database->positions);
    free (database->instance);
    free (database->database);
}

void
bm_snapshot_destroy (bm_snapshot_t **self_p)
{
    bm_snapshot_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        s_clear (&self->databases[i]);
    free (self->databases);
    free (self);
}

static bm_snapshot_database_t *
s_find (const bm_snapshot_t *self, const char *instance, const char *database)
{
    for (size_t i = 0; i < self->count; i++)
        if (bm_names_equal (self->databases[i].instance, instance) &&
            bm_names_equal (self->databases[i].database, database))
            return &self->databases[i];
    return NULL;
}

static bm_snapshot_database_t *
s_need (bm_snapshot_t *self, const char *instance, const char *database)
{
    bm_snapshot_database_t *found = s_find (self, instance, database);
    if (found)
        return found;
    self->databases = bm_realloc (self->databases, (self->count + 1) * sizeof *self->databases);
    found = &self->databases[self->count++];
    *found = (bm_snapshot_database_t){
        .instance = bm_strdup (instance), .database = bm_strdup (database), .destination = -1};
    return found;
}

void
bm_snapshot_add_database (bm_snapshot_t *self, const char *instance, const char *database)
{
    s_need (self, instance, database);
}

void
bm_snapshot_add_table (bm_snapshot_t *self, const char *instance, const char *database,
                       const char *table)
{
    bm_snapshot_database_t *found = s_need (self, instance, database);
    for (int i = BM_DESTINATION_DTA; i <= BM_DESTINATION_BAM; i++)
        if (bm_names_equal (table, bm_work_events_table (i)))
            found->destination = i;
}

static const char *
s_value (size_t count, const char *const *columns, const char *const *values, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (bm_names_equal (columns[i], name))
            return values[i];
    return NULL;
}

static int64_t
s_number (const char *text)
{
    return text ? strtoll (text, NULL, 10) : -1;
}

static void
s_add (s_rows_t *rows, int64_t number, int64_t value)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? 2 * rows->capacity : 64;
        rows->rows = bm_realloc (rows->rows, rows->capacity * sizeof *rows->rows);
    }
    rows->rows[rows->count++] = (s_row_t){number, value};
    rows->sorted = false;
}

static void
s_add_position (bm_snapshot_database_t *database, const char *stream, int destination,
                int64_t position)
{
    database->positions = bm_realloc (database->positions,
                                      (database->position_count + 1) * sizeof *database->positions);
    database->positions[database->position_count++] =
        (s_position_t){bm_strdup (stream ? stream : ""), destination, position};
}

void
bm_snapshot_add_row (bm_snapshot_t *self, const char *instance, const char *database,
                     const char *table, size_t count, const char *const *columns,
                     const char *const *values)
{
    bm_snapshot_add_table (self, instance, database, table);
    bm_snapshot_database_t *found = s_need (self, instance, database);
    if (bm_names_equal (table, "TDDS_StreamStatus"))
        s_add_position (found, s_value (count, columns, values, "serverName"),
                        (int)s_number (s_value (count, columns, values, "destinationId")),
                        s_number (s_value (count, columns, values, "lastSeqNum")));
    for (size_t i = 0; i < sizeof s_known / sizeof *s_known; i++) {
        const s_known_t *known = &s_known[i];
        if (!bm_names_equal (table, known->name))
            continue;
        bm_table_t kind = known->table;
        if (kind == BM_TABLE_TRACKING_DTA &&
            s_number (s_value (count, columns, values, "nDestination")) == BM_DESTINATION_BAM)
            kind = BM_TABLE_TRACKING_BAM;
        int64_t number = known->id ? bm_message_number (s_value (count, columns, values, known->id))
                                   : s_number (s_value (count, columns, values, "OrderId"));
        int64_t value =
            known->value ? s_number (s_value (count, columns, values, known->value)) : 0;
        s_add (&found->tables[kind], number, value);
    }
}

const bm_snapshot_database_t *
bm_snapshot_find (const bm_snapshot_t *self, const char *instance, const char *database)
{
    return s_find (self, instance, database);
}

const bm_snapshot_database_t *
bm_snapshot_destination (const bm_snapshot_t *self, int destination)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->databases[i].destination == destination)
            return &self->databases[i];
    return NULL;
}

const char *
bm_snapshot_name (const bm_snapshot_database_t *database)
{
    return database->database;
}

static int
s_by_number (const void *a, const void *b)
{
    const s_row_t *left = a;
    const s_row_t *right = b;
    int order = (left->number > right->number) - (left->number < right->number);
    return order ? order : (left->value > right->value) - (left->value < right->value);
}

size_t
bm_snapshot_rows (const bm_snapshot_database_t *database, bm_table_t table, int64_t number,
                  int64_t *value)
{
    s_rows_t *rows = (s_rows_t *)(uintptr_t)&database->tables[table];
    if (!rows->sorted && rows->count) /* at the first look after the last row */
        qsort (rows->rows, rows->count, sizeof *rows->rows, s_by_number);
    rows->sorted = true;
    size_t low = 0;
    size_t high = rows->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows->rows[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    size_t found = 0;
    while (low + found < rows->count && rows->rows[low + found].number == number)
        found++;
    if (found && value)
        *value = rows->rows[low].value;
    return found;
}

size_t
bm_snapshot_rows_everywhere (const bm_snapshot_t *self, bm_table_t table, int64_t number)
{
    size_t rows = 0;
    for (size_t i = 0; i < self->count; i++)
        rows += bm_snapshot_rows (&self->databases[i], table, number, NULL);
    return rows;
}

int64_t
bm_snapshot_position (const bm_snapshot_database_t *database, const char *stream, int destination)
{
    for (size_t i = 0; i < database->position_count; i++)
        if (database->positions[i].destination == destination &&
            bm_names_equal (database->positions[i].stream, stream))
            return database->positions[i].position;
    return 0;
}
