/*  tests/bench/sets.c: a set takes as long as the slowest host, not the sum (see bench.h). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/bench/bench.h"

/*  Of a row in the stand-in's files. */
#define BALLAST_ROW_BYTES 4000
#define BALLAST_BYTES     (4 * 1024 * 1024)

static const size_t s_sizes[] = {1, 2, 4, 8};

enum { SIZES = sizeof s_sizes / sizeof *s_sizes };

typedef struct s_row {
    double btsmark, plain;
} s_row_t;

void
bm_bench_btsmark (bm_cluster_t *cluster, const char *command, bm_ran_t *ran, double *seconds_p)
{
    int64_t began = bm_clock_mono_us ();
    int code = bm_cluster_btsmark (cluster, ran, command, "--json", NULL);
    if (seconds_p)
        *seconds_p = (double)(bm_clock_mono_us () - began) / 1e6;
    json_t *sets = json_object_get (ran->json, "sets");
    bool complete = code == 0 && json_array_size (sets) > 0;
    size_t i;
    json_t *set;
    json_array_foreach (sets, i, set) complete =
        complete && json_is_true (json_object_get (set, "complete"));
    if (complete)
        return;
    fprintf (stderr, "btsmark-bench: btsmark %s ended with %d:\n%.4000s\n%.4000s\n", command, code,
             ran->out, ran->err);
    exit (1);
}

const char *
bm_bench_verdict (bool met)
{
    return met ? "met" : "missed";
}

/*  The databases of the ballast are named after the first eight, in the order of the hosts. */
static char *
s_ballast_database (size_t hosts, size_t host)
{
    for (size_t number = 9;; number++)
        if ((number - 1) % hosts == host)
            return bm_format ("Custom%zu", number);
}

static void
s_add_ballast (bm_cluster_t *cluster, size_t host, int64_t bytes)
{
    char *database = s_ballast_database (bm_cluster_hosts (cluster), host);
    char *batch = bm_format ("USE [%s];"
                             "IF OBJECT_ID(N'dbo.Ballast') IS NULL CREATE TABLE dbo.Ballast "
                             "(Filler nvarchar(4000) NOT NULL);"
                             "DECLARE @i int; SET @i = 0;"
                             "BEGIN TRANSACTION;"
                             "WHILE @i < %lld BEGIN INSERT INTO dbo.Ballast VALUES "
                             "(REPLICATE(N'x', 4000)); SET @i = @i + 1 END;"
                             "COMMIT",
                             database, (long long)(bytes / BALLAST_ROW_BYTES));
    bm_cluster_exec (cluster, host, batch);
    free (batch);
    free (database);
}

static int64_t
s_full_bytes (bm_cluster_t *cluster, size_t host)
{
    char *text = bm_cluster_value (cluster, host,
                                   "SELECT CAST(SUM(backup_size) AS bigint) AS total FROM "
                                   "msdb.dbo.backupset AS b WHERE type = 'D' AND "
                                   "backup_set_id = (SELECT MAX(backup_set_id) FROM "
                                   "msdb.dbo.backupset AS n WHERE n.type = 'D' AND "
                                   "n.database_name = b.database_name)",
                                   "total");
    int64_t bytes = text ? strtoll (text, NULL, 10) : 0;
    free (text);
    return bytes;
}

/*  Fills every host up to the same size. Returns it. */
static int64_t
s_level (bm_cluster_t *cluster)
{
    bm_ran_t ran = {0};
    size_t hosts = bm_cluster_hosts (cluster);
    int64_t most = 0;
    bm_bench_btsmark (cluster, "full", &ran, NULL);
    bm_ran_clear (&ran);
    for (size_t i = 0; i < hosts; i++)
        if (s_full_bytes (cluster, i) > most)
            most = s_full_bytes (cluster, i);
    for (size_t i = 0; i < hosts; i++)
        s_add_ballast (cluster, i, most + BALLAST_BYTES - s_full_bytes (cluster, i));
    return most + BALLAST_BYTES;
}

static void
s_limit_disks (bm_cluster_t *cluster, int64_t bytes_per_second)
{
    char *rate = bm_format ("%lld", (long long)bytes_per_second);
    for (size_t i = 0; i < bm_cluster_hosts (cluster); i++)
        bm_cluster_fault (cluster, i, "disk_rate", rate);
    free (rate);
}

/*  "SQL03", or "sql03.sandbox.example,1433" as the group's rows also spell it. */
static size_t
s_host_of (const bm_cluster_t *cluster, const char *server)
{
    size_t number = strlen (server) > 3 ? strtoul (server + 3, NULL, 10) : 0;
    bm_require (number >= 1 && number <= bm_cluster_hosts (cluster));
    return number - 1;
}

/*  As the job does it: the group's view, then one procedure call after another, each at its server. Seconds. */
static double
s_plain (bm_cluster_t *cluster, const char *procedure, const char *sequence)
{
    bm_sql_t *management = bm_cluster_sql (cluster, 0, "BizTalkMgmtDb");
    bm_error_t error = {0};
    bm_sql_result_t *rows = NULL;
    bm_require (bm_sql_exec (management, "EXEC dbo.sp_GetBackupDatabasesForServer", &rows,
                             &error) == BM_OK);
    const char *columns[] = {"ServerName", "DatabaseName", NULL};
    int set = bm_sql_result_find (rows, columns);
    bm_require (set >= 0);
    int64_t began = bm_clock_mono_us ();
    for (size_t i = 0; i < bm_sql_result_rows (rows, set); i++) {
        size_t host = s_host_of (cluster, bm_sql_result_text (rows, set, i, "ServerName"));
        char *batch = bm_format (
            "DECLARE @location nvarchar(4000); EXEC [%s].dbo.%s @seq = N'%s', @path = N'%s', "
            "@BackupLocation = @location OUTPUT",
            bm_sql_result_text (rows, set, i, "DatabaseName"), procedure, sequence,
            bm_cluster_path (cluster, "backup/%s", bm_cluster_instance (cluster, host)));
        bm_cluster_exec (cluster, host, batch);
        free (batch);
    }
    double seconds = (double)(bm_clock_mono_us () - began) / 1e6;
    bm_sql_result_destroy (&rows);
    bm_sql_close (&management);
    return seconds;
}

/*  The first agent of a sandbox serves two instances: as many backups at a time as two agents would run. */
static void
s_even_agents (bm_cluster_t *cluster)
{
    bm_cluster_edit (cluster, "agent-SQL01.ini", "[agent]\n", "[agent]\nparallel-per-host = 8\n");
    bm_cluster_kill (cluster, "agent-SQL01", SIGTERM);
    bm_cluster_resume (cluster);
}

static void
s_compare (bm_cluster_t *cluster, const bm_bench_options_t *options, s_row_t *full, s_row_t *log)
{
    bm_ran_t ran = {0};
    int64_t bytes = s_level (cluster);
    int64_t rate = (int64_t)((double)bytes / options->host_seconds);
    s_limit_disks (cluster, rate);
    bm_bench_btsmark (cluster, "full", &ran, &full->btsmark);
    full->plain = s_plain (cluster, "sp_BackupBizTalkFull", "BENCH_FULL");
    /*  The same work for each log set: what the hosts' ballast grew by. The log before it is emptied at full speed. */
    s_limit_disks (cluster, 0);
    bm_bench_btsmark (cluster, "log", &ran, NULL);
    for (size_t i = 0; i < bm_cluster_hosts (cluster); i++)
        s_add_ballast (cluster, i, BALLAST_BYTES);
    s_limit_disks (cluster, rate);
    bm_bench_btsmark (cluster, "log", &ran, &log->btsmark);
    s_limit_disks (cluster, 0);
    for (size_t i = 0; i < bm_cluster_hosts (cluster); i++)
        s_add_ballast (cluster, i, BALLAST_BYTES);
    s_limit_disks (cluster, rate);
    log->plain = s_plain (cluster, "sp_BackupBizTalkLog", "BENCH_LOG");
    s_limit_disks (cluster, 0);
    bm_ran_clear (&ran);
}

static void
s_add (json_t *list, size_t hosts, const char *type, const s_row_t *row)
{
    printf ("  %5zu  %-4s  %9.2f s  %9.2f s  %7.2f\n", hosts, type, row->btsmark, row->plain,
            row->plain / row->btsmark);
    fflush (stdout);
    json_array_append_new (list, json_pack ("{s:I, s:s, s:f, s:f, s:f}", "hosts", (json_int_t)hosts,
                                            "type", type, "btsmark_seconds", row->btsmark,
                                            "plain_seconds", row->plain, "ratio",
                                            row->plain / row->btsmark));
}

json_t *
bm_bench_sets (const bm_bench_options_t *options, bm_cluster_t **cluster_p)
{
    json_t *list = json_array ();
    s_row_t full = {0}, log = {0};
    printf ("A set of equal hosts, each with a disk of its own that takes %.0f s for a full\n"
            "  hosts  set    btsmark      plain T-SQL  times faster\n",
            options->host_seconds);
    for (size_t i = 0; i < SIZES; i++) {
        bm_cluster_t *cluster = bm_cluster_start ((int)s_sizes[i], (int)(8 + s_sizes[i]), false);
        s_even_agents (cluster);
        s_compare (cluster, options, &full, &log);
        s_add (list, s_sizes[i], "db", &full);
        s_add (list, s_sizes[i], "lg", &log);
        if (i + 1 < SIZES) {
            bm_cluster_assert_clean_end (cluster, NULL);
            bm_cluster_stop (&cluster);
        } else
            *cluster_p = cluster;
    }
    double ratio = full.plain / full.btsmark;
    printf ("  target: 8 equal hosts at least 7.6 times faster: %s (%.2f)\n\n",
            bm_bench_verdict (ratio >= 7.6), ratio);
    return json_pack ("{s:f, s:o, s:f, s:b}", "host_seconds", options->host_seconds, "sets", list,
                      "target_ratio", 7.6, "met", ratio >= 7.6);
}
