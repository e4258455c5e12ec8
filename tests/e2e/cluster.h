/*  tests/e2e/cluster.h
 *  A sandbox as a fixture: real stand-ins, real agents, real files in a temporary folder. Made by deploy/sandbox.sh, as a
 *  user would. Everything that was started is ended by its id; the folder goes when the end was
 *  clean (bm_cluster_assert_clean_end) and BTSMARK_KEEP is not set.
 *  A failure of the fixture itself fails the test at once (cmocka's fail).
 *
 *  With BTSMARK_SQLSERVER_HOSTS (and the other variables of deploy/servers.sh) the group is made on those SQL Servers
 *  instead, and dropped afterwards. Then a test that needs more of them than there are, a fault of the stand-in, its
 *  processes or its file format, or the backup files on this machine, says SKIPPED and why. One test program at a time:
 *  ctest -j 1 -L e2e-short, since all use the same databases.
 */
#ifndef BM_CLUSTER_H
#define BM_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>
#include "common/sql.h"

typedef struct bm_cluster bm_cluster_t;

/*  What a program said and how it ended. */
typedef struct bm_ran {
    int exit_code; /* -1 when a signal ended it */
    int signal;
    long peak_kib; /* the most memory that it ever had resident */
    char *out;     /* stdout, NUL-terminated */
    char *err;     /* stderr */
    json_t *json;  /* stdout as one JSON object; NULL when it is none */
} bm_ran_t;

bm_cluster_t *bm_cluster_start (int hosts, int databases, bool workload);
void bm_cluster_stop (bm_cluster_t **self_p);

/*  Whether the group stands on SQL Servers that were given. */
bool bm_cluster_is_given (const bm_cluster_t *self);
/*  On given SQL Servers: says SKIPPED and why, and ends the test there. */
void bm_cluster_needs_stand_in (const bm_cluster_t *self, const char *why);
/*  Before bm_cluster_start, for a program whose tests all need the stand-in: ends it as skipped. */
void bm_cluster_program_needs_stand_in (const char *why);
/*  The first, unless the given servers' backup folder is this machine's too (BTSMARK_SQLSERVER_FILES = local). */
void bm_cluster_needs_files (const bm_cluster_t *self);

const char *bm_cluster_dir (const bm_cluster_t *self);
/*  A path below the cluster's folder; valid until the cluster stops. */
const char *bm_cluster_path (bm_cluster_t *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
size_t bm_cluster_hosts (const bm_cluster_t *self);
const char *
bm_cluster_instance (const bm_cluster_t *self, size_t host); /* "SQL01"; its real name */
/*  The folder on this machine where the instance's agent writes manifests; valid until the cluster stops. */
const char *bm_cluster_manifests (bm_cluster_t *self, size_t host);
const char *bm_cluster_address (const bm_cluster_t *self, size_t host); /* "127.0.0.1:41433" */
const char *
bm_cluster_agent (const bm_cluster_t *self, size_t host); /* "SQL01": the agent that serves it */

/*  A session as sa to an instance; closed by the caller. */
bm_sql_t *bm_cluster_sql (bm_cluster_t *self, size_t host, const char *database);
/*  Runs a batch and gives the first row's first column of the first result set that has `column` (freed by the caller),
 *  NULL when there is no row; fails the test on an error. */
char *bm_cluster_value (bm_cluster_t *self, size_t host, const char *batch, const char *column);
void bm_cluster_exec (bm_cluster_t *self, size_t host, const char *batch);
/*  EXEC master.dbo.sqlhost_fault name, value at an instance. */
void bm_cluster_fault (bm_cluster_t *self, size_t host, const char *name, const char *value);

/*  btsmark with -c of this cluster: bm_cluster_btsmark (c, &ran, "run", "--json", NULL). Frees what *ran held before. */
int bm_cluster_btsmark (bm_cluster_t *self, bm_ran_t *ran, ...) __attribute__ ((sentinel));
/*  Any program of the build folder (or an absolute path). */
int bm_cluster_run (bm_cluster_t *self, bm_ran_t *ran, const char *program, ...)
    __attribute__ ((sentinel));
void bm_ran_clear (bm_ran_t *ran);

/*  A program in the background: wait for text on its stderr, or for its end. Deadlines in milliseconds; passing one fails
 *  the test with what was read so far; so does a sanitizer's report on its stderr. */
typedef struct bm_process bm_process_t;
bm_process_t *bm_cluster_spawn_btsmark (bm_cluster_t *self, ...) __attribute__ ((sentinel));
bm_process_t *bm_process_spawn (const char *const *arguments);
pid_t bm_process_id (const bm_process_t *self);
void bm_process_wait_text (bm_process_t *self, const char *text, int64_t deadline_ms);
/*  Its stderr as far as it was read; valid until the next call. */
const char *bm_process_err (const bm_process_t *self);
int bm_process_wait_end (bm_process_t *self, bm_ran_t *ran, int64_t deadline_ms);
void bm_process_signal (bm_process_t *self, int signal);
void bm_process_destroy (bm_process_t **self_p);

/*  Processes of the sandbox by name: "sqlhost-SQL02", "agent-SQL01", "workload". */
pid_t bm_cluster_process (bm_cluster_t *self, const char *name);
void bm_cluster_kill (bm_cluster_t *self, const char *name,
                      int signal); /* and waits for the end, but for STOP/CONT */
/*  Starts again whatever does not run. */
void bm_cluster_resume (bm_cluster_t *self);
/*  The text of DIR/log/<name>.log (freed by the caller). */
char *bm_cluster_log (bm_cluster_t *self, const char *name);
/*  Fails the test when a log of the cluster holds an ERROR line that matches none of `allowed` (NULL-terminated), a
 *  sanitizer's report, or the password of sa. */
void bm_cluster_assert_logs (bm_cluster_t *self, const char *const *allowed);
/*  Ends every process of the cluster, then looks at the logs as above: leaks and some races are reported at the very end.
 *  The last test of every group; fails also when a process had to be killed. */
void bm_cluster_assert_clean_end (bm_cluster_t *self, const char *const *allowed);
/*  Whether the text holds a report of one of the compilers' sanitizers. */
bool bm_sanitizer_reported (const char *text);

/*  Replaces the first `from` by `to` in a file of the cluster ("btsmark.ini"); fails the test when it is not there. */
void bm_cluster_edit (bm_cluster_t *self, const char *file, const char *from, const char *to);

#endif
