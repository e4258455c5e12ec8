/*  tests/bench/agents.c: how the coordinator grows with the number of agents (see bench.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/crowd.h"
#include "tests/bench/figures.h"

static const size_t s_sizes[] = {16, 64, 256, 1000};

enum { SIZES = sizeof s_sizes / sizeof *s_sizes };

/*  The group gets the crowd's databases, the configuration its agents. */
static void
s_join (bm_cluster_t *cluster, const bm_crowd_t *crowd, size_t agents)
{
    FILE *ini = fopen (bm_cluster_path (cluster, "btsmark.ini"), "a");
    bm_require (ini != NULL);
    bm_sql_t *sql = bm_cluster_sql (cluster, 0, "BizTalkMgmtDb");
    for (size_t i = 0; i < agents; i++) {
        fprintf (ini, "\n[agent CROWD%04zu]\naddress = %s\nserver-key = \"%s\"\n", i + 1,
                 bm_crowd_address (crowd, i), bm_crowd_server_key (crowd));
        char *row = bm_format ("INSERT INTO dbo.adm_OtherBackupDatabases VALUES (N'Crowd%04zu', "
                               "N'Crowd%04zu', N'CROWD%04zu', N'-')",
                               i + 1, i + 1, i + 1);
        bm_error_t error = {0};
        bm_require (bm_sql_exec (sql, row, NULL, &error) == BM_OK);
        free (row);
    }
    bm_sql_close (&sql);
    bm_require (fclose (ini) == 0);
}

typedef struct s_cost {
    bm_samples_t seconds, window_us;
    long peak_kib;
} s_cost_t;

static void
s_measure (const bm_bench_options_t *options, size_t agents, s_cost_t *cost)
{
    bm_cluster_t *cluster = bm_cluster_start (1, 1, false);
    bm_crowd_t *crowd = bm_crowd_start (agents);
    bm_ran_t ran = {0};
    s_join (cluster, crowd, agents);
    bm_bench_btsmark (cluster, "run", &ran, NULL); /* the first full */
    for (size_t i = 0; i < options->crowd_rounds; i++) {
        double seconds = 0;
        bm_bench_btsmark (cluster, "log", &ran, &seconds);
        json_t *set = json_array_get (json_object_get (ran.json, "sets"), 0);
        bm_samples_add (&cost->seconds, seconds);
        bm_samples_add (&cost->window_us,
                        (double)json_integer_value (json_object_get (set, "window_us")));
        if (ran.peak_kib > cost->peak_kib)
            cost->peak_kib = ran.peak_kib;
    }
    bm_ran_clear (&ran);
    bm_crowd_stop (&crowd);
    bm_cluster_assert_clean_end (cluster, NULL);
    bm_cluster_stop (&cluster);
}

json_t *
bm_bench_agents (const bm_bench_options_t *options)
{
    json_t *list = json_array ();
    double per_agent[SIZES];
    long peak_256 = 0;
    printf ("A log set with many agents (scripted, in one process), p50 of %zu\n"
            "  agents   whole run    per agent   mark window   per agent   coordinator\n",
            options->crowd_rounds);
    for (size_t i = 0; i < SIZES; i++) {
        s_cost_t cost = {0};
        s_measure (options, s_sizes[i], &cost);
        double seconds = bm_samples_percentile (&cost.seconds, 50);
        double window = bm_samples_percentile (&cost.window_us, 50);
        per_agent[i] = window / (double)s_sizes[i];
        peak_256 = s_sizes[i] == 256 ? cost.peak_kib : peak_256;
        printf ("  %6zu  %8.2f s  %8.2f ms  %9.2f ms  %8.1f us  %7.1f MiB\n", s_sizes[i], seconds,
                seconds * 1e3 / (double)s_sizes[i], window / 1e3, per_agent[i],
                (double)cost.peak_kib / 1024);
        fflush (stdout);
        json_array_append_new (list,
                               json_pack ("{s:I, s:o, s:o, s:I}", "agents", (json_int_t)s_sizes[i],
                                          "run_seconds", bm_samples_json (&cost.seconds),
                                          "window_us", bm_samples_json (&cost.window_us),
                                          "coordinator_kib", (json_int_t)cost.peak_kib));
        bm_samples_clear (&cost.seconds);
        bm_samples_clear (&cost.window_us);
    }
    double growth = per_agent[SIZES - 1] / per_agent[1];
    printf ("  target: coordinator at most 32 MiB with 256 agents: %s (%.1f MiB)\n",
            bm_bench_verdict (peak_256 <= 32 * 1024), (double)peak_256 / 1024);
    printf ("  target: cost grows linearly up to 1,000 agents: %s (mark window per agent, 1,000 "
            "against 64: "
            "%.2f times)\n\n",
            bm_bench_verdict (growth <= 1.5), growth);
    return json_pack ("{s:o, s:b, s:f, s:b}", "agents", list, "memory_met", peak_256 <= 32 * 1024,
                      "window_per_agent_1000_to_64", growth, "linear_met", growth <= 1.5);
}
