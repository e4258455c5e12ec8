/*  tests/bench/rounds.c: what a round costs the group (see bench.h). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/figures.h"
#include "tests/bench/floor.h"

typedef struct s_cost {
    bm_samples_t window_us, fence_ms;
    size_t clean, others;
} s_cost_t;

static void
s_measure (bm_cluster_t *cluster, size_t rounds, s_cost_t *cost)
{
    bm_ran_t ran = {0};
    for (size_t i = 0; i < rounds; i++) {
        bm_bench_btsmark (cluster, "log", &ran, NULL);
        json_t *set = json_array_get (json_object_get (ran.json, "sets"), 0);
        bm_samples_add (&cost->window_us,
                        (double)json_integer_value (json_object_get (set, "window_us")));
        bm_samples_add (&cost->fence_ms,
                        (double)json_integer_value (json_object_get (set, "fence_ms")));
        const char *outcome = json_string_value (json_object_get (set, "outcome"));
        if (outcome && strcmp (outcome, "clean") == 0)
            cost->clean++;
        else
            cost->others++;
    }
    bm_ran_clear (&ran);
}

static void
s_line (const char *what, bm_samples_t *samples, const char *unit)
{
    printf ("  %-46s %10.0f %10.0f %10.0f %s\n", what, bm_samples_percentile (samples, 50),
            bm_samples_percentile (samples, 99), bm_samples_percentile (samples, 100), unit);
}

static void
s_stall (bm_cluster_t *cluster, const char *off)
{
    for (size_t i = 0; i < bm_cluster_hosts (cluster); i++)
        bm_cluster_fault (cluster, i, "mark_stall_off", off);
}

/*  The most resident memory of an agent that has done nothing yet: it is started anew for this. */
static long
s_idle_agent_kib (bm_cluster_t *cluster)
{
    bm_cluster_kill (cluster, "agent-SQL03", SIGTERM);
    bm_cluster_resume (cluster);
    return bm_peak_kib (bm_cluster_process (cluster, "agent-SQL03"));
}

static json_t *
s_cost_json (s_cost_t *cost)
{
    return json_pack ("{s:o, s:o, s:I, s:I}", "window_us", bm_samples_json (&cost->window_us),
                      "fence_ms", bm_samples_json (&cost->fence_ms), "clean",
                      (json_int_t)cost->clean, "others", (json_int_t)cost->others);
}

json_t *
bm_bench_rounds (const bm_bench_options_t *options, bm_cluster_t *cluster)
{
    s_cost_t on = {0}, off = {0};
    bm_samples_t wire = {0}, with_commit = {0};
    printf ("%zu rounds on %zu hosts                                   p50        p99        max\n",
            options->rounds, bm_cluster_hosts (cluster));
    bm_floor_measure (cluster, options->rounds, &wire, &with_commit);
    s_line ("floor: raw ZeroMQ, no SQL", &wire, "us");
    s_line ("floor: raw ZeroMQ and one bare COMMIT", &with_commit, "us");
    s_measure (cluster, options->rounds, &on);
    s_line ("mark window (first COMMIT to last answer)", &on.window_us, "us");
    s_line ("fence held", &on.fence_ms, "ms");
    s_stall (cluster, "1");
    s_measure (cluster, options->rounds, &off);
    s_stall (cluster, "0");
    s_line ("mark window, COMMIT's stall off", &off.window_us, "us");
    s_line ("fence held, COMMIT's stall off", &off.fence_ms, "ms");
    double ratio =
        bm_samples_percentile (&on.window_us, 99) / bm_samples_percentile (&with_commit, 99);
    long busy = bm_peak_kib (bm_cluster_process (cluster, "agent-SQL03"));
    long idle = s_idle_agent_kib (cluster);
    printf ("  clean marks: %zu of %zu\n", on.clean + off.clean,
            on.clean + on.others + off.clean + off.others);
    printf ("  target: window p99 at most twice the floor with COMMIT: %s (%.2f)\n",
            bm_bench_verdict (ratio <= 2), ratio);
    printf (
        "  target: an idle agent at most 24 MiB: %s (%.1f MiB; %.1f MiB at most in %zu rounds)\n\n",
        bm_bench_verdict (idle <= 24 * 1024), (double)idle / 1024, (double)busy / 1024,
        2 * options->rounds);
    json_t *json =
        json_pack ("{s:I, s:o, s:o, s:o, s:o, s:f, s:b, s:I, s:I, s:b}", "hosts",
                   (json_int_t)bm_cluster_hosts (cluster), "floor_wire_us", bm_samples_json (&wire),
                   "floor_commit_us", bm_samples_json (&with_commit), "stall_on", s_cost_json (&on),
                   "stall_off", s_cost_json (&off), "window_to_floor_p99", ratio, "window_met",
                   ratio <= 2, "agent_idle_kib", (json_int_t)idle, "agent_busy_kib",
                   (json_int_t)busy, "agent_met", idle <= 24 * 1024);
    bm_samples_clear (&wire);
    bm_samples_clear (&with_commit);
    bm_samples_clear (&on.window_us);
    bm_samples_clear (&on.fence_ms);
    bm_samples_clear (&off.window_us);
    bm_samples_clear (&off.fence_ms);
    return json;
}
