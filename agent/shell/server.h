/*  agent/shell/server.h
 *  The agent's loop: door, signals, mailbox, clock. It runs until SIGTERM or SIGINT and then ends cleanly: open marks rolled
 *  back, fences released, running backups cancelled in SQL Server, each reported to who asked.
 */
#ifndef BM_SERVER_H
#define BM_SERVER_H

#include "agent/shell/config.h"
#include "agent/shell/door.h"

typedef struct bm_server bm_server_t;

/*  Opens the door; call bm_sql_init before. Blocks SIGTERM and SIGINT in this thread, so before any other is made.
 *  `trial` is NULL outside tests. */
bm_server_t *
bm_server_new (const bm_agent_config_t *config, const bm_door_trial_t *trial, bm_error_t *error);
void bm_server_destroy (bm_server_t **self_p);

const char *bm_server_endpoint (const bm_server_t *self);
uint64_t bm_server_start_id (const bm_server_t *self);

/*  Serves. BM_OK after a clean stop. BM_STOPPED when something did not end before the stop deadline: then threads are
 *  still running, nothing may be destroyed any more, and the caller's only way is _exit. */
bm_status_t bm_server_run (bm_server_t *self, bm_error_t *error);

#endif
