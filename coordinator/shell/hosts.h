/*  coordinator/shell/hosts.h
 *  What every agent says of itself and its instances now, all of them asked at once.
 */
#ifndef BM_HOSTS_H
#define BM_HOSTS_H

#include "coordinator/shell/agents.h"

typedef struct bm_hosts {
    Btsmark__StatusReport **reports; /* one per agent; NULL: see errors */
    bm_error_t *errors;              /* one per agent */
    size_t count;
} bm_hosts_t;

/*  Greets those that have no greeting yet, then asks each what it does. */
void bm_hosts_ask (bm_agents_t *agents, int64_t greet_ms, bm_hosts_t *self);
void bm_hosts_clear (bm_hosts_t *self);

#endif
