/*  interp.h
 *  What the interpreter's files share: the session, its frames, errors and the query processor.
 *
 *  A session belongs to one thread; only `cancel` comes from others (through the engine's session).
 *  Functions that can fail fill session->error and return a status; sh_raise decides what becomes of
 *  it (statement, scope, batch, TRY). */
#ifndef SH_INTERP_H
#define SH_INTERP_H

#include <stdio.h>
#include <sqlite3.h>

#include "arena.h"
#include "ast.h"
#include "convert.h"
#include "parser.h"
#include "tests/sqlhost/engine/engine.h"
#include "tests/sqlhost/tds/session.h"

enum { SH_NEST_MAX = 32, SH_NAME_SIZE = 129 * 4 };

typedef struct sh_session sh_session_t;
typedef struct sh_frame sh_frame_t;

/*  ---- rows in memory ---- */

typedef struct {
    const char *name; /* owned */
    sh_type_t type;
    bool nullable;
    bool identity;
} sh_field_t;

typedef struct {
    sh_field_t *fields;
    size_t field_count;
    sh_value_t *values; /* row after row, owned */
    size_t row_count;
    size_t row_room;
} sh_rowset_t;

sh_rowset_t *sh_rowset_new (void);
void sh_rowset_destroy (sh_rowset_t **self_p);
void sh_rowset_add_field (sh_rowset_t *self, const char *name, sh_type_t type, bool nullable);
/*  A row of NULLs to be filled; its values belong to the rowset. */
sh_value_t *sh_rowset_add_row (sh_rowset_t *self);
/*  Copies. */
void sh_rowset_push (sh_rowset_t *self, const sh_value_t *values);
const sh_value_t *sh_rowset_row (const sh_rowset_t *self, size_t row);

/*  ---- what procedures and views of the system are ---- */

/*  A call of a built-in procedure. Arguments are converted as the callee asks. */
typedef struct {
    const char *name; /* "@x" or NULL */
    sh_value_t value; /* owned by the call */
    sh_type_t type;
    bool output;
    bool is_default;
} sh_actual_t;

typedef struct {
    sh_actual_t *arguments;
    size_t count;
    int32_t status; /* the procedure's return status */
    bool refused;   /* it was not there, or may not be called: there is no status */
    int line;
} sh_call_t;

/*  Returns SH_OK, or SH_ERROR with session->error filled, or SH_CANCELLED, SH_KILLED. */
typedef sh_status_t (*sh_builtin_run_t) (sh_session_t *session, sh_call_t *call);

typedef struct {
    const char *name; /* without schema: "sp_getapplock" */
    sh_builtin_run_t run;
    /*  Wants sysadmin, or a grant: the database that a refusal names; NULL = everybody may. */
    const char *home;
} sh_builtin_t;

/*  A system view: `define` adds the fields, `fill` the rows as they are now. */
typedef struct {
    const char *schema; /* "sys", "INFORMATION_SCHEMA", "dbo" */
    const char *name;
    void (*define) (sh_rowset_t *rows);
    void (*fill) (sh_session_t *session, int db_id, sh_rowset_t *rows);
    const char *permission; /* of the server, that reading it wants; NULL = everybody may */
} sh_sysview_t;

enum { SH_TABLE_ARGUMENTS_MAX = 4 };

/*  A function of the system that is called in FROM. Arguments come as text, NULL = NULL. A keyed
 *  one's first columns are its arguments: for APPLY it is asked for everything (args NULL) and joined
 *  on them. */
typedef struct {
    const char *schema; /* NULL: called without one */
    const char *name;
    size_t arguments;
    bool keyed;
    void (*define) (sh_rowset_t *rows);
    sh_status_t (*fill) (sh_session_t *session, const char *const *args, sh_rowset_t *rows);
    const char *permission; /* of the server; NULL = everybody may */
} sh_table_function_t;

typedef struct {
    sh_backend_t backend;
    sh_instance_t *instance;
    const sh_builtin_t *builtins;         /* up to a NULL name */
    const sh_sysview_t *views;            /* up to a NULL name */
    const sh_table_function_t *functions; /* up to a NULL name */
} sh_host_t;

/*  ---- session ---- */

typedef struct {
    bool xact_abort;
    bool nocount;
    bool quoted_identifier;
    bool implicit_transactions;
    bool ansi_nulls;
    bool ansi_warnings;
    bool arithabort;
    bool concat_null;
    bool noexec;
    bool parseonly;
    sh_isolation_t isolation;
    int64_t lock_timeout_ms;
    int deadlock_priority;
    int64_t rowcount;
    int64_t textsize;
    int datefirst;
    int identity_insert_db; /* 0 = none */
    int identity_insert_id;
} sh_settings_t;

typedef struct sh_var sh_var_t;
struct sh_var {
    sh_var_t *next;
    char *name;
    sh_type_t type;
    sh_value_t value;
    char *table; /* a table variable: its table in tempdb */
    bool output;
};

/*  The rows that a trigger sees. */
typedef struct {
    const sh_rowset_t *inserted;
    const sh_rowset_t *deleted;
    const bool *updated; /* per column of the table; NULL = all */
    size_t column_count;
} sh_pseudo_t;

struct sh_frame {
    sh_frame_t *up;
    const char *procedure; /* NULL: a batch */
    sh_var_t *variables;
    int level;
    int try_depth;
    bool is_function;
    bool is_trigger;
    bool is_dynamic; /* EXEC (...), sp_executesql: sees the outer temp tables, not the variables */
    bool sets_kept;
    int object_id;
    const sh_script_t *script; /* what runs */
    const sh_pseudo_t *pseudo;
    int32_t status;
    sh_value_t result; /* a function's RETURN */
    sh_type_t result_type;
    const char *label; /* where GOTO goes */
    int statement_line;
};

typedef enum {
    SH_FLOW_NEXT,
    SH_FLOW_BREAK,
    SH_FLOW_CONTINUE,
    SH_FLOW_GOTO,
    SH_FLOW_RETURN,
    SH_FLOW_CATCH, /* session->pending waits for a TRY */
    SH_FLOW_SCOPE, /* this batch or module ends, its caller goes on */
    SH_FLOW_BATCH, /* the whole batch ends */
    SH_FLOW_STOP,  /* attention */
    SH_FLOW_CLOSE, /* KILL, shutdown, severity 20 */
    SH_FLOW_DROP
} sh_flow_t;

/*  An error as CATCH sees it. */
typedef struct {
    sh_error_t error;
    int line;
    char procedure[SH_NAME_SIZE];
    const sh_frame_t *not_in; /* a compile error is not caught where it happened */
} sh_caught_t;

typedef struct sh_cursor_var sh_cursor_var_t;
struct sh_cursor_var {
    sh_cursor_var_t *next;
    char *name;
    const sh_frame_t *frame; /* NULL = global */
    sh_select_t *query;
    sh_script_t *script;
    sh_rowset_t *rows; /* open: all rows */
    bool scroll;
    size_t at; /* 1-based, 0 = before the first */
};

typedef struct sh_temp sh_temp_t;
struct sh_temp {
    sh_temp_t *next;
    char *name;              /* "#t" */
    char *table;             /* its name in tempdb */
    const sh_frame_t *frame; /* dropped when it ends; NULL: the session's */
};

typedef struct sh_script_cache sh_script_cache_t;
struct sh_script_cache {
    sh_script_cache_t *next;
    uint64_t version;
    sh_script_t *script;
    int uses;
};

typedef struct sh_identity sh_identity_t;   /* who the session is in a database (rights.c) */
typedef struct sh_processor sh_processor_t; /* one query processor (query.c) */

struct sh_session {
    sh_host_t *host_of;
    sh_instance_t *instance;
    sh_esession_t *engine;
    sh_sink_t *sink;
    sh_frame_t *frame;
    char *login, *host, *program, *language;
    bool sysadmin;
    char login_database[129]; /* a reset goes back there */
    int db_id;
    char db_name[129];
    sh_settings_t set;
    sh_settings_t initial;
    int trancount;
    bool doomed;
    char tran_name[33 * 4]; /* the outermost's */
    int last_error;         /* @@ERROR */
    int64_t last_rowcount;
    int fetch_status;
    sh_value_t scope_identity; /* of the present scope */
    sh_value_t identity;       /* @@IDENTITY */
    sh_error_t error;          /* of the statement that runs */
    sh_caught_t pending;
    const sh_caught_t *catching;
    int try_depth;
    int trigger_depth;
    sh_rowset_t *capture; /* INSERT ... EXEC: results go here */
    bool capture_failed;
    bool sink_gone;
    bool drop;
    bool columns_open;
    sh_cursor_var_t *cursors;
    sh_temp_t *temps;
    unsigned temp_counter;
    sh_script_cache_t *scripts;
    sh_processor_t *connections;
    sh_identity_t *identities; /* looked up since the request began */
    struct sh_prepared *prepared;
    int prepared_counter;
    uint64_t random;
    const char *statement_text;
};

/*  ---- session.c ---- */

sh_host_t *sh_host_new (sh_instance_t *instance, const sh_builtin_t *builtins,
                        const sh_sysview_t *views, const sh_table_function_t *functions);
void sh_host_destroy (sh_host_t **self_p);
sh_session_t *sh_session_new (sh_host_t *server, sh_sink_t *sink);
void sh_session_reset_settings (sh_session_t *self);
/*  Into a database: 911, 942, ... `tell` sends the ENVCHANGE and 5701. */
sh_status_t sh_session_use (sh_session_t *self, const char *name, bool tell);
/*  Without checks and telling: for a module's own database. */
void sh_session_set_db (sh_session_t *self, int db_id);

/*  ---- output (output.c): to the client, or into a capture ---- */

bool sh_out_columns (sh_session_t *self, const sh_field_t *fields, size_t count);
bool sh_out_row (sh_session_t *self, const sh_value_t *values, size_t count);
void sh_out_done (sh_session_t *self, uint16_t command, bool counted, int64_t rows);
void sh_out_failed (sh_session_t *self, bool caught);
void sh_out_rowset (sh_session_t *self, const sh_rowset_t *rows);
void sh_out_message (sh_session_t *self, const sh_error_t *message, int line);
void sh_out_info (sh_session_t *self, int number, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
void sh_out_transaction (sh_session_t *self, sh_tran_t what, int64_t id);

/*  ---- errors (raise.c) ---- */

/*  Fills session->error; returns SH_ERROR. */
sh_status_t sh_error_set (sh_session_t *self, int number, int severity, int state,
                          const char *format, ...) __attribute__ ((format (printf, 5, 6)));
/*  "<what> is not supported by sqlhost." */
sh_status_t sh_error_unsupported (sh_session_t *self, const char *what);
/*  What follows from a statement's end: SH_FLOW_NEXT for SH_OK; for an error that is in
 *  session->error see "errors" in raise.c. */
sh_flow_t sh_raise (sh_session_t *self, sh_status_t status, int line);
/*  RAISERROR: XACT_ABORT does not look at it. */
sh_flow_t sh_raise_user (sh_session_t *self, int line, bool throw);

/*  ---- expressions and queries ---- */

/*  *value is owned. */
sh_status_t sh_eval (sh_session_t *self, const sh_expr_t *expr, sh_value_t *value, sh_type_t *type);
sh_status_t
sh_eval_to (sh_session_t *self, const sh_expr_t *expr, const sh_type_t *to, sh_value_t *value);
/*  A condition: unknown is false. */
sh_status_t sh_eval_condition (sh_session_t *self, const sh_expr_t *expr, bool *truth);
/*  As text, NULL when the value is NULL; the caller frees. */
sh_status_t sh_eval_text (sh_session_t *self, const sh_expr_t *expr, char **text);

typedef struct sh_query sh_query_t;

/*  For UPDATE and DELETE: which of the sources is the target. */
typedef struct {
    const sh_source_t *target;
    const sh_cte_t *ctes;
    const sh_pseudo_t *pseudo; /* inserted and deleted, for OUTPUT */
} sh_query_options_t;

sh_status_t sh_query_open (sh_session_t *self, const sh_select_t *select,
                           const sh_query_options_t *options, sh_query_t **out);
/*  SH_OK: a row; SH_END; else as an error. */
sh_status_t sh_query_next (sh_query_t *query);
size_t sh_query_count (const sh_query_t *query);
const sh_field_t *sh_query_fields (const sh_query_t *query);
/*  Borrowed until next or close. */
sh_value_t sh_query_value (const sh_query_t *query, size_t column);
void sh_query_close (sh_query_t **query_p);
/*  All rows at once. */
sh_status_t sh_query_rows (sh_session_t *self, const sh_select_t *select,
                           const sh_query_options_t *options, sh_rowset_t **out);
void sh_processors_close (sh_session_t *self);

/*  ---- names (names.c) ---- */

typedef struct {
    int db_id;
    const char *schema; /* never NULL */
    const char *object;
    bool temp;
} sh_resolved_t;

/*  Database part to id (its state is checked), schema default dbo, #temp and @table to tempdb. */
sh_status_t sh_resolve (sh_session_t *self, const sh_name_t *name, sh_resolved_t *out);
sh_status_t
sh_resolve_in (sh_session_t *self, int db_id, const sh_name_t *name, sh_resolved_t *out);
/*  "a.b.c" as written, into room of the arena of the error text. */
void sh_name_text (const sh_name_t *name, char *out, size_t size);
const sh_sysview_t *sh_sysview_find (const sh_session_t *self, const sh_name_t *name);
sh_var_t *sh_var_find (const sh_session_t *self, const char *name);
sh_var_t *sh_var_add (sh_session_t *self, const char *name, const sh_type_t *type);
/*  Takes the value (converted to the variable's type). */
sh_status_t
sh_var_set (sh_session_t *self, sh_var_t *var, const sh_value_t *value, const sh_type_t *type);
const char *sh_temp_find (const sh_session_t *self, const char *name);
sh_status_t sh_temp_add (sh_session_t *self, const char *name, char **table);
void sh_temp_forget (sh_session_t *self, const char *name);
/*  Drops what belongs to a frame (NULL: everything). */
void sh_temp_drop (sh_session_t *self, const sh_frame_t *frame);
void sh_table_variable_drop (sh_session_t *self, const char *table);
/*  @@x; false: no such. *value is owned. */
bool sh_global (sh_session_t *self, const char *name, sh_value_t *value, sh_type_t *type);

/*  ---- modules (module.c) ---- */

/*  The parsed text of a stored module: cached by version, valid until sh_script_release. */
sh_script_t *sh_script_acquire (sh_session_t *self, const sh_module_t *module);
void sh_script_release (sh_session_t *self, sh_script_t *script);
void sh_scripts_free (sh_session_t *self);
/*  A scalar function's call; *value is owned. */
sh_status_t sh_function_call (sh_session_t *self, int db_id, const sh_module_t *module,
                              const sh_value_t *values, const sh_type_t *types, size_t count,
                              sh_value_t *value);
sh_flow_t sh_exec_call (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_string (sh_session_t *self, const sh_stmt_t *stmt);
/*  Calls a procedure by name with values; OUTPUT values come back in `call`. top: of an RPC. */
sh_flow_t sh_call_procedure (sh_session_t *self, const sh_name_t *name, sh_call_t *call, int line);
/*  Runs a text in a frame of its own: EXEC (...), sp_executesql (parameters may be NULL). */
sh_flow_t sh_run_text (sh_session_t *self, const char *text, size_t size, sh_variable_t *parameters,
                       sh_call_t *call, int line);
/*  Runs the statements in a frame: pushes it, hoists its variables, cleans up behind it. */
sh_flow_t sh_run_frame (sh_session_t *self, sh_frame_t *frame, const sh_stmt_t *body);
/*  AFTER triggers of a table. */
sh_flow_t sh_fire_triggers (sh_session_t *self, int db_id, const sh_table_def_t *def, char event,
                            const sh_pseudo_t *pseudo, int line);
bool sh_has_trigger (sh_session_t *self, int db_id, const sh_table_def_t *def, char event);

/*  ---- statements ---- */

sh_flow_t sh_exec (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_list (sh_session_t *self, const sh_stmt_t *list);
sh_flow_t sh_exec_dml (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_select (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_ddl (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_module (sh_session_t *self, const sh_stmt_t *stmt);
/*  KILL of a session or of a unit of work. */
sh_status_t sh_exec_kill (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_admin (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_backup (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_restore (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_set (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_tran (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_cursor (sh_session_t *self, const sh_stmt_t *stmt);
void sh_cursors_free (sh_session_t *self, const sh_frame_t *frame);
/*  Everything goes, also what an error or the end of the session does. */
void sh_rollback_all (sh_session_t *self);
/*  The session works in a branch from now on; it does so no more. */
void sh_tran_joined (sh_session_t *self);
void sh_tran_left (sh_session_t *self, int64_t id, bool committed);
/*  Somebody else prepared or rolled back the branch that the session worked in, between two requests. Then this request
 *  fails (8525, in session->error): nothing of it may run outside the transaction. */
bool sh_tran_lost (sh_session_t *self);

/*  A statement that writes: opens the autocommit transaction if need be. */
typedef struct {
    bool autocommit;
    size_t position;
} sh_write_t;

sh_status_t sh_write_begin (sh_session_t *self, sh_write_t *write);
/*  Commits or undoes by `status`; returns the status that holds in the end. */
sh_status_t sh_write_end (sh_session_t *self, sh_write_t *write, sh_status_t status);
/*  CREATE TABLE, also for # tables, @ tables, SELECT INTO. */
sh_status_t sh_create_table (sh_session_t *self, const sh_resolved_t *where,
                             const sh_column_def_t *columns, const sh_key_def_t *keys);

#endif
