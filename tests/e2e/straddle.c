/*  tests/e2e/straddle.c: see straddle.h. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <cmocka.h>
#include "common/clock.h"
#include "tests/e2e/straddle.h"
#include "tests/workload/straddle.h"

enum { HOSTS = 3, DATABASES = 8, FIRST_BOX = 1, SECOND_BOX = 2, READY_MS = 60000, HELD_MS = 20 };

typedef struct s_round {
    char *mark; /* NULL: none was placed */
    char *outcome;
} s_round_t;

bm_cluster_t *
bm_straddle_cluster (void)
{
    setenv ("BTSMARK_SANDBOX_BOXES", "apart", 1);
    bm_cluster_t *cluster = bm_cluster_start (HOSTS, DATABASES, false);
    unsetenv ("BTSMARK_SANDBOX_BOXES");
    bm_cluster_edit (cluster, "btsmark.ini", "[coordinator]",
                     "[round]\nmark-retries = 0\ndoubtful = warn\n\n[coordinator]");
    bm_ran_t ran = {0};
    if (bm_cluster_btsmark (cluster, &ran, "full", "--json", NULL) != 0)
        fail_msg ("the full backups the chains begin with:\n%s\n%s", ran.out, ran.err);
    bm_ran_clear (&ran);
    return cluster;
}

/*  ---- the work ---- */

static void
s_load (const char *path, bm_ledger_list_t *list)
{
    bm_error_t error = {0};
    bm_ledger_list_clear (list);
    if (bm_ledger_load (path, list, &error) != BM_OK)
        fail_msg ("%s", error.text);
}

/*  Returns when messages are on their way. The seed keeps the ids of one run apart from another's. */
static bm_process_t *
s_start (bm_cluster_t *cluster, const char *ledger, int seed, int64_t rate)
{
    char *program = bm_format ("%s/btsmark-workload", getenv ("BTSMARK_BUILD"));
    char *route = bm_format ("%" PRId64, rate);
    char *seed_text = bm_format ("%d", seed);
    char *servers[HOSTS];
    for (size_t i = 0; i < HOSTS; i++)
        servers[i] =
            bm_format ("%s=%s", bm_cluster_instance (cluster, i), bm_cluster_address (cluster, i));
    const char *arguments[] = {program,
                               "run",
                               "--instance",
                               servers[0],
                               "--instance",
                               servers[1],
                               "--instance",
                               servers[2],
                               "--login",
                               "sa",
                               "--password-file",
                               bm_cluster_path (cluster, "sa.password"),
                               "--ca-file",
                               bm_cluster_path (cluster, "keys/ca.pem"),
                               "--ledger",
                               ledger,
                               "--rate",
                               "5",
                               "--seed",
                               seed_text,
                               "--route",
                               route,
                               NULL};
    bm_process_t *process = bm_process_spawn (arguments);
    bm_ledger_list_t list = {0};
    int64_t deadline = bm_clock_mono_ms () + READY_MS;
    while (list.branch_count < 10) {
        poll (NULL, 0, 50);
        s_load (ledger, &list);
        if (bm_clock_mono_ms () > deadline)
            fail_msg ("no message was routed in %d s", READY_MS / 1000);
    }
    bm_ledger_list_clear (&list);
    for (size_t i = 0; i < HOSTS; i++)
        free (servers[i]);
    free (seed_text);
    free (route);
    free (program);
    return process;
}

static void
s_stop (bm_process_t **process)
{
    bm_ran_t ran = {0};
    bm_process_signal (*process, SIGTERM);
    if (bm_process_wait_end (*process, &ran, READY_MS) != 0)
        fail_msg ("the workload failed:\n%s", ran.err);
    bm_ran_clear (&ran);
    bm_process_destroy (process);
}

static void
s_force (bm_cluster_t *cluster, int slow_ms)
{
    char *slow = bm_format ("%d", slow_ms);
    char *held = bm_format ("%d", slow_ms > 0 ? HELD_MS : 0);
    bm_cluster_fault (cluster, SECOND_BOX, "commit_delay_ms", slow);
    bm_cluster_fault (cluster, FIRST_BOX, "dtc_commit_delay_ms", held);
    bm_cluster_fault (cluster, SECOND_BOX, "dtc_commit_delay_ms", held);
    free (slow);
    free (held);
}

/*  ---- the rounds ---- */

static void
s_take (bm_cluster_t *cluster, s_round_t *round)
{
    bm_ran_t ran = {0};
    bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL);
    json_t *set = json_array_get (json_object_get (ran.json, "sets"), 0);
    const char *mark = json_string_value (json_object_get (set, "mark"));
    const char *outcome = json_string_value (json_object_get (set, "outcome"));
    if (!set || !outcome)
        fail_msg ("btsmark log says nothing of its set:\n%s\n%s", ran.out, ran.err);
    round->mark = mark ? bm_strdup (mark) : NULL;
    round->outcome = bm_strdup (outcome);
    bm_ran_clear (&ran);
}

/*  0: the instance does not have the mark. */
static int64_t
s_mark_lsn (bm_cluster_t *cluster, size_t host, const char *mark)
{
    char *batch = bm_format ("SELECT CONVERT (nvarchar(30), MIN (lsn)) AS lsn FROM "
                             "msdb.dbo.logmarkhistory WHERE mark_name = N'%s'",
                             mark);
    char *lsn = bm_cluster_value (cluster, host, batch, "lsn");
    int64_t number = lsn ? strtoll (lsn, NULL, 10) : 0;
    free (lsn);
    free (batch);
    return number;
}

static void
s_judge (bm_cluster_t *cluster, const s_round_t *round, const bm_ledger_list_t *ledger,
         bm_straddle_row_t *row)
{
    bool clean = strcmp (round->outcome, "clean") == 0;
    bool doubtful = strcmp (round->outcome, "doubtful") == 0;
    row->clean += clean;
    row->doubtful += doubtful;
    row->other += !clean && !doubtful;
    if (!round->mark)
        return;
    bm_mark_lsn_t marks[] = {
        {bm_cluster_instance (cluster, FIRST_BOX), s_mark_lsn (cluster, FIRST_BOX, round->mark)},
        {bm_cluster_instance (cluster, SECOND_BOX), s_mark_lsn (cluster, SECOND_BOX, round->mark)}};
    if (!marks[0].lsn || !marks[1].lsn) {
        if (clean)
            fail_msg ("%s is called clean, but stands on one instance only", round->mark);
        return;
    }
    bm_straddle_t straddle;
    bm_straddle_count (ledger, marks, 2, &straddle);
    /*  Every transaction was brought to its end. */
    assert_int_equal (straddle.unknown, 0);
    assert_true (straddle.before > 0);
    bool straddled = straddle.straddling > 0;
    if (straddled && clean)
        print_error ("%s is called clean, and %s straddles it\n", round->mark, straddle.first);
    row->straddled += straddled;
    row->clean_straddled += straddled && clean;
    row->whole += !straddled;
    row->whole_clean += !straddled && clean;
}

bm_straddle_row_t
bm_straddle_rounds (bm_cluster_t *cluster, const char *name, int64_t rate, size_t rounds,
                    int slow_ms)
{
    static int runs;
    bm_straddle_row_t row = {.name = name, .rate = rate, .rounds = rounds};
    const char *path = bm_cluster_path (cluster, "log/straddle%d.ledger", ++runs);
    s_round_t *taken = bm_alloc (rounds * sizeof *taken);
    s_force (cluster, slow_ms);
    bm_process_t *work = s_start (cluster, path, runs, rate);
    bm_ledger_list_t ledger = {0};
    s_load (path, &ledger);
    size_t branches = ledger.branch_count;
    int64_t began = bm_clock_mono_us ();
    for (size_t i = 0; i < rounds; i++)
        s_take (cluster, &taken[i]);
    s_load (path, &ledger);
    /*  A line of a decision and two of commits stand for four branch events. */
    row.measured = (double)(ledger.branch_count - branches) * 4 / 3 * 1e6 /
                   (double)(bm_clock_mono_us () - began);
    s_stop (&work);
    s_load (path, &ledger);
    for (size_t i = 0; i < rounds; i++) {
        s_judge (cluster, &taken[i], &ledger, &row);
        free (taken[i].mark);
        free (taken[i].outcome);
    }
    s_force (cluster, 0);
    bm_ledger_list_clear (&ledger);
    free (taken);
    return row;
}

void
bm_straddle_print (const bm_straddle_row_t *row, bool first)
{
    if (first)
        print_message ("%-22s %6s %9s %6s %5s %8s %5s %9s %15s %11s\n", "", "asked", "measured",
                       "rounds", "clean", "doubtful", "other", "straddled", "clean&straddled",
                       "clean/whole");
    print_message ("%-22s %4" PRId64 "/s %7.1f/s %6zu %5zu %8zu %5zu %9zu %15zu %5zu/%zu\n",
                   row->name, row->rate, row->measured, row->rounds, row->clean, row->doubtful,
                   row->other, row->straddled, row->clean_straddled, row->whole_clean, row->whole);
    fflush (stdout); /* the next row takes minutes */
}
