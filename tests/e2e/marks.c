/*  tests/e2e/marks.c: see marks.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "common/clock.h"
#include "tests/e2e/marks.h"
#include "tests/workload/checker.h"

/*  Databases that the workload writes to, and the host each lives on in a sandbox of three. */
static const struct {
    size_t host;
    const char *database;
} s_databases[] = {{1, "BizTalkMsgBoxDb"},
                   {1, "BizTalkMsgBoxDb2"},
                   {2, "BizTalkDTADb"},
                   {2, "BAMPrimaryImport"},
                   {2, "OrdersDb"}};

typedef struct s_mark {
    char *name;
    int64_t began_us, ended_us;
} s_mark_t;

static void
s_take (bm_cluster_t *cluster, s_mark_t *mark)
{
    bm_ran_t ran = {0};
    mark->began_us = bm_clock_mono_us ();
    int code = bm_cluster_btsmark (cluster, &ran, "log", "--json", NULL);
    mark->ended_us = bm_clock_mono_us ();
    json_t *set = json_array_get (json_object_get (ran.json, "sets"), 0);
    const char *name = json_string_value (json_object_get (set, "mark"));
    const char *outcome = json_string_value (json_object_get (set, "outcome"));
    if (code != 0 || !name || !outcome || strcmp (outcome, "clean") != 0)
        fail_msg ("a clean mark was expected (exit %d):\n%s\n%s", code, ran.out, ran.err);
    mark->name = bm_strdup (name);
    bm_ran_clear (&ran);
}

static void
s_judge (bm_cluster_t *cluster, const s_mark_t *mark, const bm_ledger_list_t *ledger)
{
    bm_error_t error = {0};
    bm_snapshot_t *snapshot = bm_snapshot_new ();
    for (size_t i = 0; i < sizeof s_databases / sizeof s_databases[0]; i++) {
        const char *instance = bm_cluster_instance (cluster, s_databases[i].host);
        if (bm_snapshot_load_folder (snapshot, instance, s_databases[i].database,
                                     bm_cluster_path (cluster, "backup/%s", instance), mark->name,
                                     &error) != BM_OK)
            fail_msg ("%s: %s", mark->name, error.text);
    }
    bm_verdict_t verdict = {0};
    if (bm_check (snapshot, ledger, mark->began_us, mark->ended_us, &verdict, &error) != BM_OK)
        fail_msg ("%s: %s", mark->name, error.text);
    if (verdict.findings > 0)
        fail_msg ("%s: %zu findings\n%s", mark->name, verdict.findings, verdict.text);
    if (verdict.present == 0)
        fail_msg ("%s: there was no work to judge", mark->name);
    bm_verdict_clear (&verdict);
    bm_snapshot_destroy (&snapshot);
}

void
bm_marks_under_load (bm_cluster_t *cluster, size_t count)
{
    bm_cluster_needs_stand_in (cluster, "backup file that this test could cut at a mark");
    s_mark_t *marks = bm_alloc (count * sizeof *marks);
    for (size_t i = 0; i < count; i++)
        s_take (cluster, &marks[i]);
    bm_ledger_list_t ledger = {0};
    bm_error_t error = {0};
    if (bm_ledger_load (bm_cluster_path (cluster, "log/workload.ledger"), &ledger, &error) != BM_OK)
        fail_msg ("%s", error.text);
    for (size_t i = 0; i < count; i++) {
        s_judge (cluster, &marks[i], &ledger);
        free (marks[i].name);
    }
    bm_ledger_list_clear (&ledger);
    free (marks);
}
