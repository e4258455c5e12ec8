/*  tests/sqlhost/procedures/views_transaction.c: sys.dm_tran_*. */
#include <stdlib.h>

#include "tests/sqlhost/engine/transaction.h"
#include "view.h"

static const sh_view_field_t s_locks[] = {
    {"resource_type", SH_TYPE_NVARCHAR, 60},
    {"resource_subtype", SH_TYPE_NVARCHAR, 60},
    {"resource_database_id", SH_TYPE_INT, 0},
    {"resource_description", SH_TYPE_NVARCHAR, 256},
    {"resource_associated_entity_id", SH_TYPE_BIGINT, 0},
    {"request_mode", SH_TYPE_NVARCHAR, 60},
    {"request_type", SH_TYPE_NVARCHAR, 60},
    {"request_status", SH_TYPE_NVARCHAR, 60},
    {"request_session_id", SH_TYPE_INT, 0},
    {"request_owner_type", SH_TYPE_NVARCHAR, 60},
    {"request_owner_id", SH_TYPE_BIGINT, 0},
};
SH_VIEW_DEFINE (s_locks_define, s_locks)

void
sh_view_locks_define (sh_rowset_t *rows)
{
    s_locks_define (rows);
}

void
sh_view_locks_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    sh_lock_info_t *list = NULL;
    size_t count = sh_lock_list (session->instance, &list);
    for (size_t i = 0; i < count; i++) {
        sh_view_row_t row = {.count = 0};
        sh_view_text (&row, list[i].resource_type);
        sh_view_text (&row, "");
        sh_view_int (&row, list[i].db_id);
        sh_view_text (&row, list[i].resource);
        sh_view_int (&row, list[i].object_id);
        sh_view_text (&row, list[i].mode);
        sh_view_text (&row, "LOCK");
        sh_view_text (&row, list[i].waiting ? "WAIT" : "GRANT");
        sh_view_int (&row, list[i].session_id);
        sh_view_text (&row, list[i].owner_type);
        sh_view_int (&row, list[i].transaction_id);
        sh_view_push (rows, &row);
    }
    free (list);
}

static const sh_view_field_t s_active[] = {
    {"transaction_id", SH_TYPE_BIGINT, 0},
    {"name", SH_TYPE_NVARCHAR, 32},
    {"transaction_begin_time", SH_TYPE_DATETIME, 0},
    {"transaction_type", SH_TYPE_INT, 0},
    {"transaction_uow", SH_TYPE_UNIQUEIDENTIFIER, 0},
    {"transaction_state", SH_TYPE_INT, 0},
    {"transaction_status", SH_TYPE_INT, 0},
};
SH_VIEW_DEFINE (s_active_define, s_active)

void
sh_view_active_define (sh_rowset_t *rows)
{
    s_active_define (rows);
}

/*  type 1 = read/write, 2 = read-only; state 1 = not started to change, 2 = active. */
void
sh_view_active_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    sh_txn_info_t *list = NULL;
    size_t count = sh_txn_list (session->instance, &list);
    for (size_t i = 0; i < count; i++) {
        sh_view_row_t row = {.count = 0};
        sh_view_int (&row, list[i].id);
        sh_view_text (&row, list[i].name[0] ? list[i].name : "user_transaction");
        sh_view_ticks (&row, list[i].begin_time);
        sh_view_int (&row, 1);
        sh_view_null (&row);
        sh_view_int (&row, 2);
        sh_view_int (&row, 0);
        sh_view_push (rows, &row);
    }
    free (list);
}

static const sh_view_field_t s_database[] = {
    {"transaction_id", SH_TYPE_BIGINT, 0},
    {"database_id", SH_TYPE_INT, 0},
    {"database_transaction_begin_time", SH_TYPE_DATETIME, 0},
    {"database_transaction_type", SH_TYPE_INT, 0},
    {"database_transaction_state", SH_TYPE_INT, 0},
};
SH_VIEW_DEFINE (s_database_define, s_database)

void
sh_view_database_transactions_define (sh_rowset_t *rows)
{
    s_database_define (rows);
}

/*  state 4 = has generated log records. */
void
sh_view_database_transactions_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    sh_txn_info_t *list = NULL;
    size_t count = sh_txn_list (session->instance, &list);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < list[i].database_count && k < 32; k++) {
            sh_view_row_t row = {.count = 0};
            sh_view_int (&row, list[i].id);
            sh_view_int (&row, list[i].databases[k]);
            sh_view_ticks (&row, list[i].begin_time);
            sh_view_int (&row, 1);
            sh_view_int (&row, 4);
            sh_view_push (rows, &row);
        }
    free (list);
}

static const sh_view_field_t s_session[] = {
    {"session_id", SH_TYPE_INT, 0},
    {"transaction_id", SH_TYPE_BIGINT, 0},
    {"is_user_transaction", SH_TYPE_BIT, 0},
    {"is_local", SH_TYPE_BIT, 0},
};
SH_VIEW_DEFINE (s_session_define, s_session)

void
sh_view_session_transactions_define (sh_rowset_t *rows)
{
    s_session_define (rows);
}

void
sh_view_session_transactions_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    sh_txn_info_t *list = NULL;
    size_t count = sh_txn_list (session->instance, &list);
    for (size_t i = 0; i < count; i++) {
        sh_view_row_t row = {.count = 0};
        sh_view_int (&row, list[i].session_id);
        sh_view_int (&row, list[i].id);
        sh_view_int (&row, list[i].user);
        sh_view_int (&row, 1);
        sh_view_push (rows, &row);
    }
    free (list);
}

static const sh_view_field_t s_current[] = {
    {"transaction_id", SH_TYPE_BIGINT, 0},
};
SH_VIEW_DEFINE (s_current_define, s_current)

void
sh_view_current_transaction_define (sh_rowset_t *rows)
{
    s_current_define (rows);
}

/*  One row in a transaction, none outside of one. */
void
sh_view_current_transaction_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    if (!sh_txn_active (session->engine))
        return;
    sh_view_row_t row = {.count = 0};
    sh_view_int (&row, sh_txn_id (session->engine));
    sh_view_push (rows, &row);
}
