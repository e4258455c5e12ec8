/*  tests/workload/group.h
 *  What there is to work on: MessageBoxes, tracking databases and databases with orders, found on the instances.
 */
#ifndef BM_WORKLOAD_GROUP_H
#define BM_WORKLOAD_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/sql.h"

enum { BM_DESTINATION_DTA = 0, BM_DESTINATION_BAM = 1 };

typedef struct bm_work_instance {
    char *name;   /* "SQL01" */
    char *server; /* "host:port" */
} bm_work_instance_t;

/*  A MessageBox. */
typedef struct bm_work_box {
    size_t instance;
    char *database;
    char *
        second; /* another MessageBox of this instance, that gets a copy in the same transaction; NULL = none */
    char *stream; /* "SQL02/BizTalkMsgBoxDb": its name in TDDS_StreamStatus */
} bm_work_box_t;

/*  A tracking database. */
typedef struct bm_work_target {
    size_t instance;
    char *database;
    int destination; /* BM_DESTINATION_... */
} bm_work_target_t;

/*  Databases with a table Orders on one instance: a transaction writes to two of them. */
typedef struct bm_work_orders {
    size_t instance;
    char *database;
    char *second; /* NULL = none */
} bm_work_orders_t;

/*  A database that holds routed messages. */
typedef struct bm_work_place {
    size_t instance;
    char *database;
    bool is_box;
} bm_work_place_t;

typedef struct bm_work_group {
    bm_work_instance_t *instances;
    size_t instance_count;
    bm_work_box_t *boxes;
    size_t box_count;
    bm_work_target_t *targets;
    size_t target_count;
    bm_work_orders_t *orders;
    size_t orders_count;
    bm_work_place_t *places;
    size_t place_count;
    char *user;
    const bm_secret_t *password; /* borrowed */
    const char *ca_file; /* borrowed; TLS with a certificate of these authorities; NULL = no TLS */
} bm_work_group_t;

bm_work_group_t *bm_work_group_new (const char *user, const bm_secret_t *password);
void bm_work_group_destroy (bm_work_group_t **self_p);
/*  "SQL01=127.0.0.1:41433"; BM_USAGE otherwise. */
bm_status_t bm_work_group_add (bm_work_group_t *self, const char *text, bm_error_t *error);
/*  Asks every instance for its databases. */
bm_status_t bm_work_group_discover (bm_work_group_t *self, bm_error_t *error);
/*  Two places on two instances that messages are routed between, MessageBoxes before others. False: there are none. */
bool bm_work_group_route (const bm_work_group_t *self, const bm_work_place_t **from,
                          const bm_work_place_t **to);
/*  A session to an instance; program_name is "btsmark-workload <what>". */
bm_sql_t *bm_work_group_open (const bm_work_group_t *self, size_t instance, const char *what,
                              bm_error_t *error);
/*  The table that takes a destination's events. */
const char *bm_work_events_table (int destination);

#endif
