/*  tests/sqlhost/procedures/backend.h
 *  All of T-SQL joined: the interpreter with its system procedures and views, as the wire's backend. */
#ifndef SH_PROCEDURES_BACKEND_H
#define SH_PROCEDURES_BACKEND_H

#include "tests/sqlhost/engine/instance.h"
#include "tests/sqlhost/tds/session.h"

/*  The instance is borrowed and must outlive the backend. */
sh_backend_t *sh_tsql_backend_new (sh_instance_t *instance);
/*  Every session must have been closed. */
void sh_tsql_backend_destroy (sh_backend_t **self_p);

#endif
