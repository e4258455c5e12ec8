/*  vtab.h
 *  A query processor's connection and its virtual table module. */
#ifndef SH_VTAB_H
#define SH_VTAB_H

#include "bind.h"

struct sh_processor {
    sh_processor_t *next;
    sh_session_t *session;
    sqlite3 *db;
    bool busy;
    sh_status_t status; /* why a callback failed; the error itself is in session->error */
    sh_slot_t *slots;
    size_t slot_count;
    char **layouts; /* name in 8 bytes, then the letters */
    size_t layout_count;
};

bool sh_vtab_register (sh_processor_t *connection);

#endif
