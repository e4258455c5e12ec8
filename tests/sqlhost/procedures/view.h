/*  tests/sqlhost/procedures/view.h
 *  What the files of the system views share: columns as a list, rows as values in its order. Column names and types as the SQL
 *  Server documentation of each view has them; only those that somebody may look at, never one with made-up contents. */
#ifndef SH_PROCEDURES_VIEW_H
#define SH_PROCEDURES_VIEW_H

#include "tests/sqlhost/tsql/interp.h"

/*  All of them, up to a NULL name. */
extern const sh_sysview_t sh_system_views[];

typedef struct {
    const char *name;
    sh_type_id_t type;
    int32_t size; /* of text and binary */
} sh_view_field_t;

enum { SH_VIEW_FIELDS_MAX = 48 };

/*  A row under way: values in the order of the fields, copied by sh_view_push. */
typedef struct {
    sh_value_t values[SH_VIEW_FIELDS_MAX];
    size_t count;
} sh_view_row_t;

void sh_view_define (sh_rowset_t *rows, const sh_view_field_t *fields, size_t count);
void sh_view_int (sh_view_row_t *row, int64_t value);
void sh_view_real (sh_view_row_t *row, double value);
/*  Borrowed until the push; NULL = NULL. */
void sh_view_text (sh_view_row_t *row, const char *value);
/*  NULL when empty. */
void sh_view_name (sh_view_row_t *row, const char *value);
void sh_view_ticks (sh_view_row_t *row, int64_t ticks);
void sh_view_guid (sh_view_row_t *row, const uint8_t guid[16]);
void sh_view_blob (sh_view_row_t *row, const void *data, size_t size);
void sh_view_null (sh_view_row_t *row);
/*  The row must have as many values as the rowset has fields. */
void sh_view_push (sh_rowset_t *rows, sh_view_row_t *row);

/*  DEFINE for a list `fields` of the file. */
#define SH_VIEW_DEFINE(function, fields)                                                           \
    static void function (sh_rowset_t *rows)                                                       \
    {                                                                                              \
        sh_view_define (rows, fields, sizeof (fields) / sizeof (fields)[0]);                       \
    }

/*  views_database.c */
void sh_view_databases_define (sh_rowset_t *rows);
void sh_view_databases_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_recovery_define (sh_rowset_t *rows);
void sh_view_recovery_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_files_define (sh_rowset_t *rows);
void sh_view_files_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_logins_define (sh_rowset_t *rows);
void sh_view_logins_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_configurations_define (sh_rowset_t *rows);
void sh_view_configurations_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
/*  views_session.c */
void sh_view_sessions_define (sh_rowset_t *rows);
void sh_view_sessions_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_requests_define (sh_rowset_t *rows);
void sh_view_requests_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_waits_define (sh_rowset_t *rows);
void sh_view_waits_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
/*  views_transaction.c */
void sh_view_locks_define (sh_rowset_t *rows);
void sh_view_locks_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_active_define (sh_rowset_t *rows);
void sh_view_active_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_database_transactions_define (sh_rowset_t *rows);
void sh_view_database_transactions_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_session_transactions_define (sh_rowset_t *rows);
void sh_view_session_transactions_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_current_transaction_define (sh_rowset_t *rows);
void sh_view_current_transaction_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
/*  views_object.c */
void sh_view_objects_define (sh_rowset_t *rows);
void sh_view_objects_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_tables_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_procedures_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_views_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_triggers_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_modules_define (sh_rowset_t *rows);
void sh_view_modules_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_columns_define (sh_rowset_t *rows);
void sh_view_columns_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_indexes_define (sh_rowset_t *rows);
void sh_view_indexes_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_parameters_define (sh_rowset_t *rows);
void sh_view_parameters_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_schemas_define (sh_rowset_t *rows);
void sh_view_schemas_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);
void sh_view_information_define (sh_rowset_t *rows);
void sh_view_information_fill (sh_session_t *session, int db_id, sh_rowset_t *rows);

#endif
