/*  tests/sqlhost/tds/session.h
 *  The seam between the wire (tds) and whoever runs the statements (tsql): one struct of function
 *  pointers each way.
 *
 *  The backend is what the wire calls: open, run, cancel, close. The sink is what a running request
 *  writes its answer to: columns, rows, messages, done.
 *
 *  Threads: every connection has one session thread; open, run_batch, run_rpc, reset, clear_cancel
 *  and close are called from it alone, one after another. `cancel` comes from another thread at any
 *  time between open and close. A session's sink is written to by its session thread only, with the
 *  exception of `hang_up`, which any thread may call.
 *
 *  All text is UTF-8, NUL-terminated and valid (the wire answers or refuses what is not); text
 *  values in sh_value_t also carry their length. */
#ifndef SH_TDS_SESSION_H
#define SH_TDS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sqlhost/engine/value.h"

typedef struct sh_sink sh_sink_t;
typedef struct sh_backend sh_backend_t;

/*  ---- what a client tells at login (all borrowed for the call of open) ---- */

typedef struct {
    const char *user;
    const char *password; /* plain: compare, never print, never keep */
    const char *database; /* "" = the login's default */
    const char *app_name;
    const char *host_name;
    const char *library; /* client interface name, "DB-Library", "ODBC", "Tedious" */
    const char *language;
    const char *server_name;    /* as the client spelled it */
    const char *client_address; /* "127.0.0.1:53122" */
    bool encrypted;             /* the whole session, not only the login */
    uint32_t client_pid;
    uint32_t tds_version; /* 0x71000001, 0x72090002, 0x730B0003, 0x74000004 */
    uint32_t packet_size;
} sh_login_t;

/*  What open found; the strings must live until close. */
typedef struct {
    const char *database; /* the session's database now */
    const char *language; /* "us_english" */
    uint16_t spid;        /* goes into every packet header */
} sh_opened_t;

typedef enum {
    SH_OPEN_OK,
    SH_OPEN_REFUSED, /* the sink got the message (18456, 4060, ...); then the wire closes */
    SH_OPEN_DROP     /* close without an answer (a fault on demand) */
} sh_open_t;

typedef enum {
    SH_RUN_DONE,      /* ended, well or with messages */
    SH_RUN_CANCELLED, /* stopped because of `cancel`; the wire answers the attention */
    SH_RUN_CLOSE, /* send what is in the sink, then close (severity 20 and up, KILL, shutdown) */
    SH_RUN_DROP   /* close at once, sending nothing more (a fault on demand) */
} sh_run_t;

typedef enum {
    SH_CANCEL_ATTENTION,  /* the client wants the batch stopped; the session goes on */
    SH_CANCEL_DISCONNECT, /* the client is gone or was hung up; close follows */
    SH_CANCEL_SHUTDOWN    /* the server stops; close follows */
} sh_cancel_t;

/*  ---- remote procedure call ---- */

typedef struct {
    const char *name; /* "@p1"; "" = by position */
    bool output;
    bool use_default; /* the client sent DEFAULT; value is NULL */
    sh_type_t type;   /* as the client declared it */
    sh_value_t value; /* borrowed for the call */
} sh_rpc_parameter_t;

/*  Well-known procedures (MS-TDS 2.2.6.6 RPC Request) arrive with their number AND their name. */
enum {
    SH_PROC_NONE = 0,
    SH_PROC_CURSOR = 1,
    SH_PROC_CURSOROPEN = 2,
    SH_PROC_CURSORPREPARE = 3,
    SH_PROC_CURSOREXECUTE = 4,
    SH_PROC_CURSORPREPEXEC = 5,
    SH_PROC_CURSORUNPREPARE = 6,
    SH_PROC_CURSORFETCH = 7,
    SH_PROC_CURSOROPTION = 8,
    SH_PROC_CURSORCLOSE = 9,
    SH_PROC_EXECUTESQL = 10,
    SH_PROC_PREPARE = 11,
    SH_PROC_EXECUTE = 12,
    SH_PROC_PREPEXEC = 13,
    SH_PROC_PREPEXECRPC = 14,
    SH_PROC_UNPREPARE = 15
};

typedef struct {
    const char *name; /* as sent ("dbo.p", "[db].dbo.p"), or "sp_executesql" for number 10 */
    uint16_t number;  /* SH_PROC_NONE when it was called by name */
    const sh_rpc_parameter_t *parameters;
    size_t parameter_count;
} sh_rpc_t;

/*  ---- the sink ---- */

typedef struct {
    const char *name; /* "" = no name */
    sh_type_t type;
    bool nullable;
    bool identity;
} sh_sink_column_t;

/*  Severity 0..10 goes out as INFO, 11 and up as ERROR. */
typedef struct {
    int32_t number;
    uint8_t state;
    uint8_t severity;
    const char *server;    /* NULL = the instance's name */
    const char *procedure; /* NULL or "" = none */
    uint32_t line;
    const char *text;
} sh_message_t;

/*  done flags. "More follows" is not among them: the wire holds the last DONE back and knows by
 *  itself. ERROR is also set by the wire when an ERROR message went out since the last done. PROC
 *  ends a procedure and comes after its return_status and return_values. */
enum {
    SH_DONE_COUNT = 1,   /* row_count is valid (not under NOCOUNT) */
    SH_DONE_ERROR = 2,   /* the statement failed */
    SH_DONE_IN_PROC = 4, /* a statement inside a procedure: DONEINPROC */
    SH_DONE_PROC = 8,    /* the end of a procedure: DONEPROC */
    SH_DONE_IN_XACT = 16 /* a transaction is open */
};

/*  Some values of `command` (CurCmd); clients do not look at others. */
enum {
    SH_COMMAND_NONE = 0,
    SH_COMMAND_SELECT = 0xC1,
    SH_COMMAND_INSERT = 0xC3,
    SH_COMMAND_DELETE = 0xC4,
    SH_COMMAND_UPDATE = 0xC5,
    SH_COMMAND_EXECUTE = 0xE0
};

typedef enum { SH_TRAN_BEGUN = 8, SH_TRAN_COMMITTED = 9, SH_TRAN_ROLLED_BACK = 10 } sh_tran_t;

/*  Every function returns false when nothing can be sent any more (the client is gone): stop as if
 *  cancelled. After `columns`, rows come until `done`. Calls out of order (a row without columns)
 *  are a bug and abort. */
struct sh_sink {
    bool (*columns) (sh_sink_t *sink, const sh_sink_column_t *columns, size_t count);
    bool (*row) (sh_sink_t *sink, const sh_value_t *values, size_t count);
    bool (*done) (sh_sink_t *sink, unsigned flags, uint16_t command, int64_t row_count);
    bool (*message) (sh_sink_t *sink, const sh_message_t *message);
    bool (*return_status) (sh_sink_t *sink, int32_t status);
    /*  An OUTPUT parameter; ordinal counts from 0 among the call's parameters. */
    bool (*return_value) (sh_sink_t *sink, uint16_t ordinal, const char *name,
                          const sh_type_t *type, const sh_value_t *value);
    bool (*env_database) (sh_sink_t *sink, const char *now, const char *before);
    bool (*env_language) (sh_sink_t *sink, const char *now, const char *before);
    /*  The outermost BEGIN, COMMIT, ROLLBACK; id is the transaction's, never 0. */
    bool (*env_transaction) (sh_sink_t *sink, sh_tran_t what, uint64_t id);
    /*  Sends what is buffered now (RAISERROR WITH NOWAIT). */
    bool (*flush) (sh_sink_t *sink);
    /*  Any thread: ends the connection as a KILL does. The session's `cancel` (DISCONNECT) and
     *  `close` follow. */
    void (*hang_up) (sh_sink_t *sink);
};

/*  ---- the backend ---- */

struct sh_backend {
    void *instance;          /* the implementation's own */
    const char *server_name; /* in every message and LOGINACK; lives as long as the backend */

    /*  Verifies the login and makes a session. On SH_OPEN_OK *session is set and `opened` filled;
     *  otherwise *session stays NULL. The sink is the session's until close. */
    sh_open_t (*open) (sh_backend_t *backend, const sh_login_t *login, sh_sink_t *sink,
                       void **session, sh_opened_t *opened);
    sh_run_t (*run_batch) (void *session, const char *text, size_t size);
    /*  Writes statements as SH_DONE_IN_PROC, then return_status, return_values, and SH_DONE_PROC
     *  last. */
    sh_run_t (*run_rpc) (void *session, const sh_rpc_t *rpc);
    /*  Before the next request: back to the state after login (pooled connections). An open
     *  transaction is rolled back, unless it is to be kept. May be NULL. */
    sh_run_t (*reset) (void *session, bool keep_transaction);
    /*  Another thread. Sticky: a run that is under way stops soon, one that has not begun stops
     *  when it begins, until clear_cancel. Never blocks for long. */
    void (*cancel) (void *session, sh_cancel_t why);
    void (*clear_cancel) (void *session);
    /*  Rolls back, frees. */
    void (*close) (void *session);
};

#endif
