/*  btsmark-bench: measures btsmark on stand-ins and prints one report. Not a test: it fails only when it cannot measure. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/bench/bench.h"

static void
s_usage (FILE *to)
{
    fputs ("Usage: btsmark-bench [--quick] [--part sets|rounds|agents] [--seconds N] [--rounds N] "
           "[--out FILE]\n"
           "Measures btsmark on stand-ins for SQL Server, side by side in one run, and prints a "
           "table.\n\n"
           "  --quick       small samples: to see that it works, not to quote\n"
           "  --part NAME   only this part\n"
           "  --seconds N   what a full of one host takes on its limited disk (20)\n"
           "  --rounds N    rounds whose window and fence are measured (200)\n"
           "  --out FILE    also writes the figures as JSON\n"
           "BTSMARK_BUILD (the build folder) and BTSMARK_SOURCE must be set; tests/bench/run.sh "
           "does that.\n",
           to);
}

static bool
s_wanted (const char *part, const char *name)
{
    return !part || strcmp (part, name) == 0;
}

static json_t *
s_measure (const bm_bench_options_t *options, const char *part)
{
    json_t *report = json_object ();
    bm_cluster_t *cluster = NULL;
    if (s_wanted (part, "sets"))
        json_object_set_new (report, "sets", bm_bench_sets (options, &cluster));
    if (s_wanted (part, "rounds")) {
        if (!cluster) {
            bm_ran_t ran = {0};
            cluster = bm_cluster_start (8, 16, false);
            bm_bench_btsmark (cluster, "run", &ran, NULL);
            bm_ran_clear (&ran);
        }
        json_object_set_new (report, "rounds", bm_bench_rounds (options, cluster));
    }
    if (cluster) {
        bm_cluster_assert_clean_end (cluster, NULL);
        bm_cluster_stop (&cluster);
    }
    if (s_wanted (part, "agents"))
        json_object_set_new (report, "agents", bm_bench_agents (options));
    return report;
}

int
main (int argc, char **argv)
{
    static const struct option long_options[] = {{"quick", no_argument, NULL, 'q'},
                                                 {"part", required_argument, NULL, 'p'},
                                                 {"out", required_argument, NULL, 'o'},
                                                 {"seconds", required_argument, NULL, 's'},
                                                 {"rounds", required_argument, NULL, 'r'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {0}};
    bm_bench_options_t options = {.host_seconds = 20, .rounds = 200, .crowd_rounds = 5};
    const char *part = NULL, *out = NULL;
    for (int option; (option = getopt_long (argc, argv, "h", long_options, NULL)) != -1;)
        switch (option) {
            case 'q':
                options = (bm_bench_options_t){.host_seconds = 2, .rounds = 5, .crowd_rounds = 1};
                break;
            case 'p':
                part = optarg;
                break;
            case 's':
                options.host_seconds = strtod (optarg, NULL);
                break;
            case 'r':
                options.rounds = strtoul (optarg, NULL, 10);
                break;
            case 'o':
                out = optarg;
                break;
            default:
                s_usage (option == 'h' ? stdout : stderr);
                return option == 'h' ? 0 : 2;
        }
    if (!(options.host_seconds > 0) || options.rounds == 0) {
        s_usage (stderr);
        return 2;
    }
    json_t *report = s_measure (&options, part);
    int rc = out && json_dump_file (report, out, JSON_INDENT (2)) != 0;
    if (rc)
        fprintf (stderr, "btsmark-bench: %s cannot be written\n", out);
    json_decref (report);
    return rc;
}
