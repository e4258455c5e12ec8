/*  tests/sqlhost/tds/sink.h
 *  The sink that turns a session's answers into tokens and packets. It holds the last DONE back
 *  until it knows whether more follows. No I/O of its own: packets go to a function. Used by the
 *  session's thread, except sh_tds_sink_stop and base.hang_up: any thread. */
#ifndef SH_TDS_SINK_H
#define SH_TDS_SINK_H

#include <stdatomic.h>

#include "tests/sqlhost/tds/session.h"
#include "tests/sqlhost/tds/wire.h"

typedef struct {
    sh_sink_t base; /* first: a sh_sink_t * is a sh_tds_sink_t * */

    /*  Set by the owner before use. */
    uint32_t version;
    uint32_t packet_size;
    uint16_t spid;
    const char *server_name;
    void *context;
    /*  Sends whole packets; false: the client is gone. */
    bool (*send) (void *context, const uint8_t *data, size_t size);
    void (*end) (void *context); /* for hang_up */

    /*  Its own. */
    sh_writer_t tokens; /* not yet in a packet */
    sh_writer_t packets;
    uint8_t packet_number;
    sh_type_t *types; /* of the result set that is open */
    size_t type_count;
    bool in_rows;
    bool call; /* the request is an RPC: its last token is a DONEPROC */
    bool error_since_done;
    struct {
        bool held;
        uint8_t token;
        uint16_t status;
        uint16_t command;
        uint64_t row_count;
    } last;
    bool broken;
    atomic_bool stopped;
} sh_tds_sink_t;

/*  Fills in the sink's functions; the owner's fields are set afterwards. */
void sh_tds_sink_init (sh_tds_sink_t *self);
void sh_tds_sink_free (sh_tds_sink_t *self);
/*  A new response begins. */
void sh_tds_sink_begin (sh_tds_sink_t *self, bool call);
/*  The response ends: the last DONE, and the packet that ends the message. `cancelled`: the request
 *  was broken off, and its last DONE says so. False: the client is gone. */
bool sh_tds_sink_finish (sh_tds_sink_t *self, bool cancelled);
/*  Answers an attention, in a message of its own. */
bool sh_tds_sink_attention (sh_tds_sink_t *self);
/*  Appends what was written by sh_token_* (the login's tokens); nothing may be held back. */
sh_writer_t *sh_tds_sink_raw (sh_tds_sink_t *self);
/*  Rows are refused from now on, until the next sh_tds_sink_begin. */
void sh_tds_sink_stop (sh_tds_sink_t *self);

#endif
