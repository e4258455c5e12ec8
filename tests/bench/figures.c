/*  tests/bench/figures.c: see figures.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "tests/bench/figures.h"

void
bm_samples_add (bm_samples_t *self, double value)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 64;
        self->values = bm_realloc (self->values, self->room * sizeof *self->values);
    }
    self->values[self->count++] = value;
}

void
bm_samples_clear (bm_samples_t *self)
{
    free (self->values);
    *self = (bm_samples_t){0};
}

static int
s_compare (const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double
bm_samples_percentile (bm_samples_t *self, double percent)
{
    if (self->count == 0)
        return 0;
    qsort (self->values, self->count, sizeof *self->values, s_compare);
    size_t rank = (size_t)ceil (percent / 100 * (double)self->count);
    return self->values[rank > 0 ? rank - 1 : 0];
}

json_t *
bm_samples_json (bm_samples_t *self)
{
    return json_pack ("{s:f, s:f, s:f, s:I}", "p50", bm_samples_percentile (self, 50), "p99",
                      bm_samples_percentile (self, 99), "max", bm_samples_percentile (self, 100),
                      "count", (json_int_t)self->count);
}

static long
s_status_kib (int pid, const char *field)
{
    char path[64], line[256];
    long kib = -1;
    snprintf (path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen (path, "r");
    if (!file)
        return -1;
    while (kib < 0 && fgets (line, sizeof line, file))
        if (strncmp (line, field, strlen (field)) == 0)
            kib = strtol (line + strlen (field), NULL, 10);
    fclose (file);
    return kib;
}

long
bm_peak_kib (int pid)
{
    return s_status_kib (pid, "VmHWM:");
}

long
bm_resident_kib (int pid)
{
    return s_status_kib (pid, "VmRSS:");
}
