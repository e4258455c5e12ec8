/*  agent/shell/rights.h
 *  What the agent's login may do on its instance and in each database of the group, and the statement that grants what it
 *  may not. Findings of topic "grants".
 */
#ifndef BM_RIGHTS_H
#define BM_RIGHTS_H

#include "agent/shell/inspect.h"

/*  The statement that makes the login a user of the present database unless it is one: everybody gets into msdb as guest, but
 *  nothing can be granted to him there. Caller frees. */
char *bm_rights_user (const char *login);

/*  Rights on the server and in msdb. */
void bm_rights_server (const bm_inspect_t *self, Btsmark__Inspected *inspected);

typedef enum {
    BM_SIGHT_NONE, /* no access to the database: nothing in it can be asked */
    BM_SIGHT_GRANTED, /* only objects that it has a right on: others cannot be told from missing ones */
    BM_SIGHT_ALL
} bm_sight_t;

/*  Rights in one database that is online; returns what the login can see there. What a run needs stands among the findings,
 *  also of objects that cannot be seen. */
bm_sight_t bm_rights_database (const bm_inspect_t *self, const Btsmark__Inspect *order,
                               const Btsmark__DatabaseFacts *facts, Btsmark__Inspected *inspected);

#endif
