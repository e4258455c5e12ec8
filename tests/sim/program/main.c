/*  tests/sim/program/main.c
 *  btsmark-sim [--runs N] [--seed N] [--mutation NAME] [--expect-violation] [--twice] [--trace]
 *  --twice runs each seed again and compares the two, event by event.
 *  Prints the seed of the first run that breaks a rule; `--seed N --runs 1 --trace` replays it exactly.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/sim/sim.h"

typedef struct {
    uint64_t runs;
    bool expect_violation;
    bool twice;
    bm_sim_config_t config;
} s_arguments_t;

static bool
s_number (const char *text, uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    *number = text ? strtoull (text, &end, 10) : 0;
    return text && *text && *end == 0 && errno == 0;
}

static bool
s_parse (int argc, char **argv, s_arguments_t *arguments)
{
    for (int at = 1; at < argc; at++) {
        const char *value = argv[at + 1]; /* NULL after the last */
        bool good = false;
        if (strcmp (argv[at], "--trace") == 0)
            good = arguments->config.trace = true;
        else if (strcmp (argv[at], "--expect-violation") == 0)
            good = arguments->expect_violation = true;
        else if (strcmp (argv[at], "--twice") == 0)
            good = arguments->twice = true;
        else if (strcmp (argv[at], "--runs") == 0 && s_number (value, &arguments->runs))
            good = ++at > 0;
        else if (strcmp (argv[at], "--seed") == 0 && s_number (value, &arguments->config.seed))
            good = ++at > 0;
        else if (strcmp (argv[at], "--mutation") == 0 && value &&
                 bm_mutation_by_name (value, &arguments->config.mutation))
            good = ++at > 0;
        if (!good) {
            fprintf (stderr, "btsmark-sim: cannot understand %s\n", argv[at]);
            return false;
        }
    }
    return true;
}

static void
s_add (bm_sim_report_t *sum, const bm_sim_report_t *one)
{
    sum->events += one->events;
    sum->rounds += one->rounds;
    sum->faults += one->faults;
    sum->straddled += one->straddled;
    sum->digest = (sum->digest ^ one->digest) * 0x100000001b3u;
    for (int at = 0; at < BM_OUTCOME_COUNT; at++)
        sum->outcomes[at] += one->outcomes[at];
}

static void
s_print (const bm_sim_report_t *sum)
{
    printf ("%" PRIu64 " events, %u rounds, %u faults, digest %016" PRIx64 "\n", sum->events,
            sum->rounds, sum->faults, sum->digest);
    for (int at = 0; at < BM_OUTCOME_COUNT; at++)
        printf ("  %-9s %u\n", bm_outcome_name ((bm_outcome_t)at), sum->outcomes[at]);
    printf ("  straddled by a distributed transaction, in every database: %u\n", sum->straddled);
}

static bool
s_same_again (const bm_sim_config_t *config, const bm_sim_report_t *first)
{
    bm_sim_report_t second;
    bm_sim_run (config, &second);
    if (second.digest == first->digest && second.events == first->events)
        return true;
    printf ("seed %" PRIu64 ": a second run differs from the first\n", config->seed);
    return false;
}

int
main (int argc, char **argv)
{
    s_arguments_t arguments = {.runs = 1000, .config = {.seed = 1}};
    if (!s_parse (argc, argv, &arguments))
        return 2;
    printf ("seed %" PRIu64 ", %" PRIu64 " runs, mutation %s\n", arguments.config.seed,
            arguments.runs, bm_mutation_name (arguments.config.mutation));
    bm_sim_report_t sum = {0};
    bool violated = false;
    for (uint64_t run = 0; run < arguments.runs && !violated; run++) {
        bm_sim_report_t report;
        bm_sim_run (&arguments.config, &report);
        s_add (&sum, &report);
        if (arguments.twice && !s_same_again (&arguments.config, &report))
            return 1;
        violated = report.violated;
        if (violated)
            printf ("seed %" PRIu64 " at %lld ms: %s\n", arguments.config.seed,
                    (long long)report.at_ms, report.what);
        arguments.config.seed++;
    }
    s_print (&sum);
    return violated == arguments.expect_violation ? 0 : 1;
}
