/*  agent/shell/config.h
 *  What agent.ini says, checked. deploy/agent.ini is the annotated contract.
 */
#ifndef BM_AGENT_CONFIG_H
#define BM_AGENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "agent/core/participant.h"
#include "common/config.h"
#include "common/key.h"
#include "common/secret.h"
#include "common/sql.h"

/*  "status", "backup" or "restore". */
const char *bm_duty_name (bm_duty_t duty);

/*  A coordinator's key that may talk to this agent, and what it may ask for. */
typedef struct bm_allow {
    const char *name;
    char public_key[BM_KEY_TEXT_BYTES]; /* Z85 text */
    unsigned duties;                    /* bits of bm_duty_t */
} bm_allow_t;

/*  How the agent gets at the files of an instance's backups. */
typedef enum {
    BM_FILES_LOCAL, /* it sees them under the same path as SQL Server */
    BM_FILES_UNC,   /* through mounts of the SQL host's folders */
    BM_FILES_SQL    /* it asks SQL Server */
} bm_files_kind_t;

/*  A folder of the SQL host and where the agent's own host has it mounted. */
typedef struct bm_mount {
    char *folder; /* normalised, as SQL Server sees it */
    char *mount;  /* normalised, on the agent's host */
} bm_mount_t;

typedef struct bm_instance_config {
    const char *name;   /* what orders say */
    const char *server; /* host:port */
    bm_sql_access_t access;
    const char *login;     /* with Kerberos a phrase for people */
    bm_secret_t *password; /* NULL with Kerberos */
    char **aliases;        /* "name" or "name,port" */
    size_t alias_count;
    char *backup_path; /* normalised; "" = none */
    char **allowed_paths;
    size_t allowed_count; /* backup_path is always among them */
    bm_files_kind_t files;
    bm_mount_t *mounts; /* BM_FILES_UNC: every allowed path lies in one */
    size_t mount_count;
    char *manifest_path; /* BM_FILES_SQL: where manifests go, on the agent's host; else "" */
} bm_instance_config_t;

typedef struct bm_agent_config {
    bm_config_t *file; /* owns every borrowed text above and below */
    const char *name;
    const char *bind;
    bm_key_t *key;
    int parallel_per_host;
    int64_t heartbeat_ms;
    int64_t stop_deadline_ms;
    bm_allow_t *allow;
    size_t allow_count;
    bm_instance_config_t *instances;
    size_t instance_count;
} bm_agent_config_t;

/*  NULL with BM_CONFIG (file, line, what is allowed) or BM_CONFIG_SECRET. Reads the key and the passwords too. */
bm_agent_config_t *bm_agent_config_load (const char *path, bm_error_t *error);
void bm_agent_config_destroy (bm_agent_config_t **self_p);

/*  "local", "unc" or "sql". */
const char *bm_files_kind_name (bm_files_kind_t kind);

/*  Index of the key in `allow`, or -1. */
int bm_agent_config_find_key (const bm_agent_config_t *self, const char *public_key);

#endif
