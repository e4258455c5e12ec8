/*  agent/shell/mailbox.h
 *  What other threads want done in the loop's thread. The only way from a session's thread back to the loop; every
 *  pointer crosses under one mutex, which ThreadSanitizer sees.
 */
#ifndef BM_MAILBOX_H
#define BM_MAILBOX_H

#include "common/error.h"

typedef struct bm_mailbox bm_mailbox_t;
typedef void (bm_mailbox_fn) (void *argument);

bm_mailbox_t *bm_mailbox_new (bm_error_t *error);
/*  Letters that nobody read are called before it goes: they own what they carry. */
void bm_mailbox_destroy (bm_mailbox_t **self_p);

/*  From any thread: `function (argument)` is called in the loop's thread, in order of posting. */
void bm_mailbox_post (bm_mailbox_t *self, bm_mailbox_fn *function, void *argument);

/*  Readable while letters wait. */
int bm_mailbox_fd (const bm_mailbox_t *self);
/*  In the loop's thread: calls everything that waits; also what is posted meanwhile. */
void bm_mailbox_drain (bm_mailbox_t *self);

#endif
