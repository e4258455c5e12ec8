/*  coordinator/shell/settings.h
 *  btsmark.ini, typed: every key with its default, checked. The annotated file is deploy/btsmark.ini.
 *  Texts are owned by the settings.
 */
#ifndef BM_SETTINGS_H
#define BM_SETTINGS_H

#include "common/config.h"
#include "common/sql.h"
#include "coordinator/core/schedule.h"
#include "coordinator/shell/native_settings.h"

typedef enum { BM_METHOD_PROCEDURE = 1, BM_METHOD_NATIVE = 2 } bm_method_t;
typedef enum {
    BM_COMPRESSION_NO,
    BM_COMPRESSION_YES,
    BM_COMPRESSION_KEEP /* as adm_BackupSettings says */
} bm_compression_t;
typedef enum { BM_ZONE_UTC, BM_ZONE_LOCAL } bm_zone_t;
typedef enum { BM_DOUBTFUL_WARN, BM_DOUBTFUL_FAIL } bm_doubtful_t;

/*  An answer to SAMPLE or COMMIT may come this much later than its deadline: it must have time to arrive. */
#define BM_ANSWER_SLACK_MS 500

typedef struct bm_publish {
    char *from, *to; /* folder prefix on the SQL host; what a destination can read */
} bm_publish_t;

typedef struct bm_agent_settings {
    const char *name;
    const char *address;     /* tcp://host:port */
    const char *server_key;  /* Z85 of the agent's public key, 40 characters */
    const char *backup_path; /* NULL = [backup] path */
    bm_publish_t *publish;
    size_t publish_count;
    char *key_text; /* of server-key-file */
    int line;       /* of its section, for messages */
} bm_agent_settings_t;

typedef struct bm_settings {
    /* [group] */
    const char *group;
    const char *management_server; /* host:port, host,port or host */
    const char *management_database;
    bm_sql_access_t access;    /* to the management server */
    const char *login;         /* with Kerberos a phrase for people */
    const char *password_file; /* NULL with Kerberos */
    int64_t lock_wait_ms;

    /* [coordinator] */
    const char *key_file;
    const char *catalogue;
    bool exit_on_warnings;      /* exit-on-warnings = 3: exit code 3 instead of 0 */
    int64_t heartbeat_ms;       /* agents send progress at least this often while they work */
    int64_t agent_timeout_ms;   /* silence of an agent that is given up */
    int64_t connect_timeout_ms; /* to greet all agents */
    int64_t lock_probe_ms;

    /* [schedule] */
    bm_frequency_t full_every;
    int64_t log_every_ms;       /* marks and log sets while a full runs; 0 = none */
    int backup_hour;            /* 0..23, -1 = any */
    bm_zone_t time_zone;        /* of periods, mark names and adm_BackupHistory.BackupDateTime */
    bm_zone_t backup_hour_zone; /* the clock that backup_hour is read from */
    bool full_after_partial;
    int64_t full_retry_pause_ms; /* before a failed full is tried again; grows */

    /* [backup] */
    const char *path; /* "" = each agent's own backup-path */
    bm_compression_t compression;
    bm_method_t method;
    bm_native_settings_t native;
    const char *mark_prefix;
    bool legacy_log_shipping;

    /* [retention] */
    bool delete_files; /* files = delete; else BizTalk's own rule: rows of adm_BackupHistory only */
    size_t keep_marks; /* the newest usable marks, whatever their age */
    int64_t keep_time_ms; /* 0 = only their number counts */
    bool trim_mark_log;

    /* [round] */
    int mark_retries;       /* further rounds after the first */
    int64_t retry_pause_ms; /* base of the random, growing pause */
    int64_t lease_ms;
    int64_t greet_deadline_ms, prepare_deadline_ms, fence_deadline_ms, mark_deadline_ms;
    int64_t sample_deadline_ms, commit_deadline_ms, release_deadline_ms, prove_deadline_ms;
    int64_t prove_poll_ms;  /* logmarkhistory */
    int64_t settle_wait_ms; /* for leftover sessions before they are ended */
    bm_doubtful_t doubtful;

    /* [check] */
    int64_t recovery_point_ms; /* how old the newest usable mark may be; 0 = not judged */
    int64_t full_age_ms;       /* how old the newest full set may be; 0 = twice full-every */
    int64_t clock_offset_ms;   /* how far clocks may be apart */
    const char *const *ignored_databases; /* of others: "database" or "server/database" */
    size_t ignored_count;

    /* [agent NAME], in file order */
    bm_agent_settings_t *agents;
    size_t agent_count;

    bm_config_t *config; /* owns the texts */
} bm_settings_t;

/*  Checks everything that can be checked without another machine, also that the key and password file are private.
 *  BM_CONFIG with file and line, BM_CONFIG_SECRET, BM_LIMIT (too many agents). */
bm_settings_t *bm_settings_load (const char *path, bm_error_t *error);
/*  The same from text, without looking at the key and password file (tests, and commands that need no secret). */
bm_settings_t *bm_settings_parse (const char *name, const char *text, bm_error_t *error);
void bm_settings_destroy (bm_settings_t **self_p);

/*  Index of the agent, or -1. */
int bm_settings_agent (const bm_settings_t *self, const char *name);

/*  The backup folder for the databases of an agent: its override, else [backup] path, "" = the agent's own. */
const char *bm_settings_path (const bm_settings_t *self, int agent);

/*  `path` as a destination can read it: the longest `from` of the agent's publish-as that is its folder prefix is
 *  replaced; separators follow the target. Without one: a copy. Caller frees. */
char *bm_settings_publish (const bm_settings_t *self, int agent, const char *path);

#endif
