/*  agent/shell/claims.h
 *  Which backup files the instances of this agent are about to write for one run. BizTalk's procedures append to a file that
 *  is there and cut the server's name at 30 characters, so two instances that write into one folder could put two backups into
 *  one file, and nothing would say so. From any thread.
 */
#ifndef BM_CLAIMS_H
#define BM_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

typedef struct bm_claims bm_claims_t;

bm_claims_t *bm_claims_new (void);
void bm_claims_destroy (bm_claims_t **self_p);

/*  The files of one instance; they replace those that it claimed before. `run` tells runs of all groups apart: what was
 *  claimed for another run is no rival. `folder` is compared as its host compares paths, names without regard to case.
 *  rivals[i] becomes the name of the instance (caller frees) that claimed file i in this run, or NULL. */
typedef struct bm_claim {
    const char *instance;
    uint64_t run;
    const char *const *folders, *const *names; /* `count` of each; a NULL folder claims nothing */
    size_t count;
} bm_claim_t;

void bm_claims_take (bm_claims_t *self, const bm_claim_t *claim, char **rivals);

#endif
