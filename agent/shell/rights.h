/*  agent/shell/rights.h
 *  What the agent's login may do on its instance and in each database of the group, and the statement that grants what it
 *  may not. Findings of topic "grants".
 */
#ifndef BM_RIGHTS_H
#define BM_RIGHTS_H

#include "agent/shell/inspect.h"

/*  Rights on the server and in msdb. */
void bm_rights_server (const bm_inspect_t *self, Btsmark__Inspected *inspected);

/*  Rights in one database that is online. False: the login may not see objects that it has no right on, so that they cannot be
 *  told from missing ones; what a run needs of them stands among the findings. */
bool bm_rights_database (const bm_inspect_t *self, const Btsmark__Inspect *order,
                         const Btsmark__DatabaseFacts *facts, Btsmark__Inspected *inspected);

#endif
