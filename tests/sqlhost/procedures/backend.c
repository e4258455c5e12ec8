#include "tests/sqlhost/procedures/backend.h"

#include "builtins.h"

sh_backend_t *
sh_tsql_backend_new (sh_instance_t *instance)
{
    return &sh_host_new (instance, sh_builtins, sh_sysviews, sh_table_functions)->backend;
}

void
sh_tsql_backend_destroy (sh_backend_t **self_p)
{
    if (!*self_p)
        return;
    sh_host_t *host = (*self_p)->instance;
    sh_host_destroy (&host);
    *self_p = NULL;
}
