/*  agent/shell/neighbours.h
 *  What stands beside the group on its instances and spoils its backups: a SQL Agent job that takes the same log backups (topic
 *  "old-job"), and databases that look like BizTalk's but that the group's view does not list ("stray-database").
 */
#ifndef BM_NEIGHBOURS_H
#define BM_NEIGHBOURS_H

#include "agent/shell/inspect.h"

/*  Jobs are known by what their steps call, whatever their name. Enabled and on a schedule: a failure. */
void bm_neighbours_jobs (const bm_inspect_t *self, const Btsmark__Inspect *order,
                         Btsmark__Inspected *inspected);

/*  Databases that are not in the order. */
void bm_neighbours_databases (const bm_inspect_t *self, const Btsmark__Inspect *order,
                              Btsmark__Inspected *inspected);

#endif
