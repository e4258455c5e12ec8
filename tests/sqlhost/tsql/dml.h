/*  dml.h
 *  What INSERT, UPDATE, DELETE and SELECT INTO share. */
#ifndef SH_DML_H
#define SH_DML_H

#include "interp.h"

/*  The table that a statement changes, open until sh_target_close. */
typedef struct {
    sh_resolved_t where;
    sh_table_t *table;
    const sh_table_def_t *def;
    bool *updated;        /* per column: UPDATE assigns it */
    sh_expr_t **defaults; /* per column, parsed when first asked for */
    sh_arena_t *arena;
} sh_target_t;

/*  Rows before and after, for OUTPUT and triggers; either may be NULL. */
typedef struct {
    sh_rowset_t *inserted;
    sh_rowset_t *deleted;
} sh_changes_t;

sh_status_t sh_target_open (sh_session_t *self, const sh_name_t *name, sh_target_t *target);
/*  229 unless the session may do that ("INSERT", ...) with it. */
sh_status_t
sh_target_check_right (sh_session_t *self, const sh_target_t *target, const char *permission);
void sh_target_close (sh_session_t *self, sh_target_t *target);
/*  The column's number, -1 = none (207 is filled). */
int sh_target_column (sh_session_t *self, const sh_target_t *target, const char *name);
/*  The default's value, brought to the column's type; *value is owned. */
sh_status_t
sh_target_default (sh_session_t *self, sh_target_t *target, int column, sh_value_t *value);
sh_status_t sh_target_convert (sh_session_t *self, const sh_target_t *target, int column,
                               const sh_value_t *in, const sh_type_t *type, sh_value_t *out);
/*  CHECK constraints over the new rows: 547. */
sh_status_t sh_target_check (sh_session_t *self, const sh_target_t *target, const char *verb,
                             const sh_rowset_t *rows);
bool sh_target_has_checks (const sh_target_t *target);
sh_rowset_t *sh_target_rows (const sh_target_t *target);
/*  Inserts rows of a rowset; columns[i] is the target column of field i. Fills changes->inserted
 *  when it is not NULL. */
sh_status_t sh_insert_rows (sh_session_t *self, sh_target_t *target, const sh_rowset_t *rows,
                            const int *columns, size_t count, sh_changes_t *changes);
/*  OUTPUT: to the client or into a table. */
sh_status_t
sh_output_clause (sh_session_t *self, const sh_stmt_t *stmt, const sh_changes_t *changes);

sh_flow_t sh_exec_insert (sh_session_t *self, const sh_stmt_t *stmt);
sh_flow_t sh_exec_change (sh_session_t *self, const sh_stmt_t *stmt); /* UPDATE, DELETE */
/*  Runs a statement that writes: transaction, retry when a row was changed under it. `run` may be
 *  called again from the start. */
typedef sh_status_t (*sh_write_run_t) (sh_session_t *self, const sh_stmt_t *stmt, sh_flow_t *flow,
                                       int64_t *rows);
sh_flow_t
sh_exec_write (sh_session_t *self, const sh_stmt_t *stmt, uint16_t command, sh_write_run_t run);

#endif
