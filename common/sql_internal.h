/*  common/sql_internal.h
 *  What the files of the SQL session share: sql.c (session), sql_query.c, sql_result.c, sql_value.c. Nobody else
 *  includes this.
 */
#ifndef BM_SQL_INTERNAL_H
#define BM_SQL_INTERNAL_H

#include <sybfront.h>
#include <sybdb.h>

#include "common/sql.h"

/*  An nvarchar parameter holds this many UTF-16 units; more would go as varchar and lose characters. */
#define BM_SQL_PARAMETER_CHARS 4000

typedef enum { BM_SQL_TEXT, BM_SQL_INT, BM_SQL_BIT, BM_SQL_OUTPUT } bm_sql_kind_t;

typedef struct {
    bm_sql_kind_t kind;
    char *name; /* with its @ */
    char *text; /* NULL = SQL NULL */
    int64_t number;
    BYTE bit;
} bm_sql_parameter_t;

struct bm_sql_query {
    char *text; /* the batch, or the procedure's name */
    bool is_call;
    bool is_inline;
    bm_sql_parameter_t *parameters;
    size_t parameter_count;
    bm_sql_on_message_fn *on_message;
    void *argument;
    int64_t timeout_ms;
};

typedef struct {
    size_t column_count;
    char **columns;
    size_t row_count;
    size_t row_capacity;
    char **values; /* row by row */
} bm_sql_set_t;

struct bm_sql_result {
    size_t set_count;
    bm_sql_set_t *sets;
    bool has_return;
    int32_t return_status;
    size_t output_count;
    char **output_names;
    char **output_values;
    bm_sql_messages_t messages;
};

/*  How long a server may take to answer an attention; then the connection is given up. A rollback comes before the answer.
 *  A variable, so that a test need not wait for it. */
extern int64_t bm_sql_attention_ms;

/*  ---- sql_conf.c ---- */

typedef struct {
    char host[256];
    char instance[128]; /* "" = none: then port */
    char port[8];
} bm_sql_address_t;

/*  False when it is none. Without a port: 1433. */
bool bm_sql_address_parse (const char *server, bm_sql_address_t *address);
/*  Whether the server's certificate is looked at. */
bool bm_sql_access_verifies (const bm_sql_access_t *access);
/*  Whether the name in the certificate is not the one that FreeTDS would look for: then the very certificate that the
 *  probe found good is pinned. */
bool bm_sql_access_pins (const bm_sql_access_t *access, const bm_sql_address_t *address);

bm_status_t bm_sql_conf_init (bm_error_t *error);
void bm_sql_conf_exit (void);
/*  The name of a section of FreeTDS's configuration that says all this, for dbopen; made when there is none yet. `pin`:
 *  PEM text of the one certificate to trust; NULL = as `access` says, or the certificate pinned last. NULL: something
 *  is to be pinned and is not yet. Any thread; valid until bm_sql_conf_exit. */
const char *bm_sql_conf_section (const char *server, const bm_sql_address_t *address,
                                 const bm_sql_access_t *access, const char *pin);

/*  ---- sql_probe.c ---- */

/*  Looks at a server from outside FreeTDS, which keeps its reasons to itself: reaches it, agrees on encryption as a client
 *  that requires it, and judges the certificate as `access` says. BM_OK (*pin: the certificate as PEM, caller frees),
 *  BM_UNREACHABLE, BM_SQL_TIMEOUT, or BM_SQL_TLS with the reason and the remedy. *offered: the server can encrypt. */
bm_status_t
bm_sql_probe (const char *server, const bm_sql_address_t *address, const bm_sql_access_t *access,
              int timeout_s, bool *offered, char **pin, bm_error_t *error);

/*  ---- sql_query.c ---- */

/*  Whether the query can go as a remote procedure call; else it goes as bm_sql_query_plain. */
bool bm_sql_query_is_rpc (const bm_sql_query_t *self);
/*  The same as one plain batch with literals. A call's return status and outputs come back as its last result set, which
 *  bm_sql_result_take_outputs takes out again. Caller frees. */
char *bm_sql_query_plain (const bm_sql_query_t *self);
/*  Sends it. The parameters are copied by db-lib while it sends. */
RETCODE bm_sql_query_send (const bm_sql_query_t *self, DBPROCESS *process);

/*  ---- sql_result.c ---- */

bm_sql_result_t *bm_sql_result_new (void);
bm_sql_set_t *bm_sql_result_add_set (bm_sql_result_t *self, DBPROCESS *process);
/*  Takes ownership of the values' texts: column_count of them. */
void bm_sql_set_add_row (bm_sql_set_t *self, char **values);
void bm_sql_result_add_output (bm_sql_result_t *self, const char *name, char *value);
void bm_sql_result_take_outputs (bm_sql_result_t *self);
void bm_sql_messages_add (bm_sql_messages_t *self, const bm_sql_message_t *message);
const bm_sql_message_t *bm_sql_messages_cause (const bm_sql_messages_t *self);
void bm_sql_messages_clear (bm_sql_messages_t *self);

/*  ---- sql_value.c ---- */

/*  A value as text; NULL for SQL NULL. Caller frees. */
char *bm_sql_value_text (DBPROCESS *process, int type, const BYTE *data, DBINT size);
/*  A copy that is UTF-8 without control NULs, at most `limit` bytes, cut at a character. */
char *bm_sql_text_dup (const char *text, size_t size, size_t limit);

#endif
