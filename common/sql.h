/*  common/sql.h
 *  One SQL Server session over FreeTDS (db-lib). A session belongs to one thread; only bm_sql_interrupt may be
 *  called from another. Every result set is drained, every message of a batch is kept. Values reach SQL as parameters.
 */
#ifndef BM_SQL_H
#define BM_SQL_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "common/secret.h"

typedef struct bm_sql bm_sql_t;

/*  Whether a session is encrypted (TLS) from its first byte to its last. */
typedef enum {
    BM_SQL_ENCRYPT_REQUIRED, /* or there is no session */
    BM_SQL_ENCRYPT_REQUEST,  /* when the server has a certificate */
    BM_SQL_ENCRYPT_OFF       /* only the login, and only if the server wants it */
} bm_sql_encrypt_t;

/*  How a session gets at its server. All zero is the strictest: TLS with a certificate that a known authority signed for
 *  the server's name. Texts are borrowed. */
typedef struct bm_sql_access {
    bm_sql_encrypt_t encrypt;
    /*  PEM file of the authorities that are trusted; "system" = the machine's; "none" = any certificate, which keeps
     *  listeners out but proves nothing about the server. NULL = "system" when encryption is required, else "none". */
    const char *ca_file;
    const char *certificate_host; /* the name in the certificate; NULL = the host of `server` */
    bool kerberos;         /* no user and password, but the ticket of this process's account */
    const char *principal; /* of the server; NULL = MSSQLSvc/host:port */
} bm_sql_access_t;

typedef struct bm_sql_login {
    const char *server; /* "host:port", "host,port", "host" (1433) or "host\\instance" */
    bm_sql_access_t access;
    const char *user; /* not with Kerberos, as the next */
    const bm_secret_t *password;
    const char *database; /* NULL = the login's default */
    const char *program; /* program_name; names our sessions, so that a later run finds leftovers */
    int login_timeout_s; /* 0 = 10 s */
} bm_sql_login_t;

typedef struct bm_sql_message {
    int number, severity, state, line;
    char *procedure; /* "" when none */
    char *text;
} bm_sql_message_t;

typedef struct bm_sql_messages {
    bm_sql_message_t *items;
    size_t count;
    size_t dropped; /* beyond BM_LIMIT_MESSAGES */
} bm_sql_messages_t;

/*  Once per process, before any thread: global handlers of db-lib, FREETDSCONF (which is from then on ours). */
bm_status_t bm_sql_init (bm_error_t *error);
void bm_sql_exit (void);

/*  BM_SQL_LOGIN: refused, BM_SQL_TLS: the encryption that is required cannot be had or trusted, BM_UNREACHABLE: nobody
 *  there, BM_SQL_TIMEOUT. The error says which server and login, and what to do. */
bm_sql_t *bm_sql_open (const bm_sql_login_t *login, bm_error_t *error);
void bm_sql_close (bm_sql_t **self_p);
bool bm_sql_alive (const bm_sql_t *self);
const char *bm_sql_server (const bm_sql_t *self);
/*  Whether the whole session is encrypted. */
bool bm_sql_encrypted (const bm_sql_t *self);

/*  A statement and its parameters. Text parameters go as nvarchar-compatible text, at most 4000 characters, else the
 *  statement is sent in another safe way; NULL text = SQL NULL; an empty string stays an empty string. */
typedef struct bm_sql_query bm_sql_query_t;

/*  A batch with named parameters @x (sent through sp_executesql when it has any, else as a plain batch). */
bm_sql_query_t *bm_sql_query_new (const char *batch);
/*  A call of a stored procedure by RPC: "[db].dbo.sp_x"; parameters by name, also OUTPUT. */
bm_sql_query_t *bm_sql_call_new (const char *procedure);
void bm_sql_query_destroy (bm_sql_query_t **self_p);
/*  The parameters of a batch become variables declared at the head of the plain batch. For a batch that leaves a
 *  transaction open or SET options behind it: under sp_executesql the first brings error 266, and the second ends
 *  with it. */
void bm_sql_query_inline (bm_sql_query_t *self);
void bm_sql_query_text (bm_sql_query_t *self, const char *name, const char *value);
void bm_sql_query_int (bm_sql_query_t *self, const char *name, int64_t value); /* bigint */
void bm_sql_query_bit (bm_sql_query_t *self, const char *name, bool value);
void bm_sql_query_output_text (bm_sql_query_t *self,
                               const char *name); /* nvarchar(4000) OUTPUT, NULL in */
/*  Called in the session's thread for each message as it arrives (RAISERROR ... WITH NOWAIT). */
typedef void (bm_sql_on_message_fn) (void *argument, const bm_sql_message_t *message);
void bm_sql_query_on_message (bm_sql_query_t *self, bm_sql_on_message_fn *function, void *argument);
/*  0 = no limit (BACKUP). Whole seconds in db-lib: rounded up. */
void bm_sql_query_timeout_ms (bm_sql_query_t *self, int64_t timeout_ms);

/*  All result sets of a batch as text (UTF-8; NULL = SQL NULL; numbers decimal; datetime "yyyy-mm-dd hh:mi:ss.mmm"). */
typedef struct bm_sql_result bm_sql_result_t;

/*  Runs to the last result set, also after a failure. *result_p (may be NULL) is given on failure too: its messages
 *  tell why; NULL only when nothing came. Statuses: BM_SQL_LOST, BM_SQL_TIMEOUT, BM_STOPPED (interrupted), or
 *  BM_SQL_FAILED: the server reported a message of severity > 10; error->text begins with the root cause's number. */
bm_status_t bm_sql_run (bm_sql_t *self, const bm_sql_query_t *query, bm_sql_result_t **result_p,
                        bm_error_t *error);
/*  new + run + destroy for a batch without parameters. */
bm_status_t
bm_sql_exec (bm_sql_t *self, const char *batch, bm_sql_result_t **result_p, bm_error_t *error);
void bm_sql_result_destroy (bm_sql_result_t **self_p);

size_t bm_sql_result_sets (const bm_sql_result_t *self);
/*  The first result set that has all the named columns (NULL-terminated list), or -1: results are found by their
 *  columns, not by their position (a COMMIT between two SELECTs shows as a result without columns). */
int bm_sql_result_find (const bm_sql_result_t *self, const char *const *columns);
size_t bm_sql_result_rows (const bm_sql_result_t *self, int set);
/*  Borrowed; NULL for SQL NULL or an unknown column. Column names without regard to case. */
const char *
bm_sql_result_text (const bm_sql_result_t *self, int set, size_t row, const char *column);
int64_t bm_sql_result_int (const bm_sql_result_t *self, int set, size_t row, const char *column,
                           int64_t when_null);
bool bm_sql_result_has_return (const bm_sql_result_t *self);
int32_t bm_sql_result_return (const bm_sql_result_t *self);
const char *bm_sql_result_output (const bm_sql_result_t *self, const char *parameter);
const bm_sql_messages_t *bm_sql_result_messages (const bm_sql_result_t *self);
const bm_sql_message_t *
bm_sql_result_message (const bm_sql_result_t *self, int number); /* or NULL */
/*  The first message of severity > 10 that is not 3013 or another message that always comes last; or NULL. */
const bm_sql_message_t *bm_sql_result_cause (const bm_sql_result_t *self);

/*  From any thread: the running batch gets an attention as soon as the owner can send it (well under 100 ms); the next
 *  bm_sql_run is not affected when nothing was running. */
void bm_sql_interrupt (bm_sql_t *self);

bm_sql_messages_t *bm_sql_messages_dup (const bm_sql_messages_t *self);
void bm_sql_messages_destroy (bm_sql_messages_t **self_p);

#endif
