/*  request.h
 *  What the wire asks for: batches and calls. */
#ifndef SH_REQUEST_H
#define SH_REQUEST_H

#include "interp.h"

sh_run_t sh_request_batch (void *session, const char *text, size_t size);
sh_run_t sh_request_rpc (void *session, const sh_rpc_t *rpc);

/*  sp_prepare's handles. */
typedef struct sh_prepared sh_prepared_t;
struct sh_prepared {
    sh_prepared_t *next;
    int handle;
    char *text;
    char *parameters;
};

void sh_prepared_free (sh_session_t *self);

#endif
