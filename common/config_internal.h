/*  common/config_internal.h
 *  What the reader (config_read.c) and the getters (config.c) share. Nobody else includes this.
 */
#ifndef BM_CONFIG_INTERNAL_H
#define BM_CONFIG_INTERNAL_H

#include "common/config.h"

typedef struct {
    char *kind;
    char *name;
    int line;
    bool known;
} s_section_t;

typedef struct {
    size_t section;
    char *key;
    char *value;
    int line;
    bool confirmed; /* libinih saw the same key in the same section */
    bool known;
} s_entry_t;

typedef struct {
    char *kind; /* of the section it was asked in */
    char *key;
} s_asked_t;

struct bm_config {
    char *path;
    char *folder; /* absolute */
    s_section_t *sections;
    size_t section_count;
    s_entry_t *entries;
    size_t entry_count;
    s_asked_t *asked; /* every key that a getter was called for */
    size_t asked_count;
    void **owned; /* lists and paths that were handed out */
    size_t owned_count;
};

/*  Fills sections and entries from a text of `size` bytes. */
bm_status_t bm_config_read (bm_config_t *self, const char *text, size_t size, bm_error_t *error);

#endif
