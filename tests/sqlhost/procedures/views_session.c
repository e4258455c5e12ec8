/*  tests/sqlhost/procedures/views_session.c: sys.dm_exec_sessions, sys.dm_exec_requests, sys.dm_os_waiting_tasks. */
#include <stdlib.h>
#include <string.h>

#include "view.h"

static const sh_view_field_t s_sessions[] = {
    {"session_id", SH_TYPE_SMALLINT, 0},
    {"login_time", SH_TYPE_DATETIME, 0},
    {"host_name", SH_TYPE_NVARCHAR, 128},
    {"program_name", SH_TYPE_NVARCHAR, 128},
    {"host_process_id", SH_TYPE_INT, 0},
    {"client_interface_name", SH_TYPE_NVARCHAR, 32},
    {"login_name", SH_TYPE_NVARCHAR, 128},
    {"original_login_name", SH_TYPE_NVARCHAR, 128},
    {"status", SH_TYPE_NVARCHAR, 30},
    {"context_info", SH_TYPE_VARBINARY, 128},
    {"last_request_start_time", SH_TYPE_DATETIME, 0},
    {"lock_timeout", SH_TYPE_INT, 0},
    {"deadlock_priority", SH_TYPE_INT, 0},
    {"is_user_process", SH_TYPE_BIT, 0},
    {"database_id", SH_TYPE_SMALLINT, 0},
    {"open_transaction_count", SH_TYPE_INT, 0},
};
SH_VIEW_DEFINE (s_sessions_define, s_sessions)

void
sh_view_sessions_define (sh_rowset_t *rows)
{
    s_sessions_define (rows);
}

static void
s_push_session (sh_rowset_t *rows, const sh_session_info_t *info)
{
    sh_view_row_t row = {.count = 0};
    sh_view_int (&row, info->session_id);
    sh_view_ticks (&row, info->login_time);
    sh_view_name (&row, info->host_name);
    sh_view_name (&row, info->program_name);
    sh_view_int (&row, info->client_pid);
    sh_view_name (&row, info->client_interface);
    sh_view_text (&row, info->login_name);
    sh_view_text (&row, info->login_name);
    sh_view_text (&row, info->command[0] ? "running" : "sleeping");
    if (info->context_info_size > 0)
        sh_view_blob (&row, info->context_info, info->context_info_size);
    else
        sh_view_null (&row);
    sh_view_ticks (&row, info->request_time ? info->request_time : info->login_time);
    sh_view_int (&row, info->lock_timeout_ms);
    sh_view_int (&row, info->deadlock_priority);
    sh_view_int (&row, 1);
    sh_view_int (&row, info->db_id);
    sh_view_int (&row, info->transaction_id && info->transaction_is_user ? 1 : 0);
    sh_view_push (rows, &row);
}

static void
s_each_session (sh_session_t *session, sh_rowset_t *rows,
                void (*push) (sh_rowset_t *rows, const sh_session_info_t *info))
{
    sh_session_info_t *list = NULL;
    size_t count = sh_esession_list (session->instance, &list);
    for (size_t i = 0; i < count; i++)
        push (rows, &list[i]);
    free (list);
}

void
sh_view_sessions_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    s_each_session (session, rows, s_push_session);
}

static const sh_view_field_t s_requests[] = {
    {"session_id", SH_TYPE_SMALLINT, 0},
    {"request_id", SH_TYPE_INT, 0},
    {"start_time", SH_TYPE_DATETIME, 0},
    {"status", SH_TYPE_NVARCHAR, 30},
    {"command", SH_TYPE_NVARCHAR, 32},
    {"database_id", SH_TYPE_SMALLINT, 0},
    {"blocking_session_id", SH_TYPE_SMALLINT, 0},
    {"wait_type", SH_TYPE_NVARCHAR, 60},
    {"wait_time", SH_TYPE_INT, 0},
    {"wait_resource", SH_TYPE_NVARCHAR, 256},
    {"open_transaction_count", SH_TYPE_INT, 0},
    {"transaction_id", SH_TYPE_BIGINT, 0},
    {"percent_complete", SH_TYPE_REAL, 0},
    {"estimated_completion_time", SH_TYPE_BIGINT, 0},
    {"total_elapsed_time", SH_TYPE_INT, 0},
};
SH_VIEW_DEFINE (s_requests_define, s_requests)

void
sh_view_requests_define (sh_rowset_t *rows)
{
    s_requests_define (rows);
}

/*  Only sessions in which something runs have a row. */
static void
s_push_request (sh_rowset_t *rows, const sh_session_info_t *info)
{
    if (!info->command[0])
        return;
    int64_t elapsed_ms = (sh_ticks_local () - info->request_time) / SH_TICKS_PER_MS;
    double percent = info->percent_complete;
    sh_view_row_t row = {.count = 0};
    sh_view_int (&row, info->session_id);
    sh_view_int (&row, 0);
    sh_view_ticks (&row, info->request_time);
    sh_view_text (&row, info->wait_type[0] ? "suspended" : "running");
    sh_view_text (&row, info->command);
    sh_view_int (&row, info->db_id);
    sh_view_int (&row, info->blocking_session_id);
    sh_view_name (&row, info->wait_type);
    sh_view_int (&row, info->wait_ms);
    sh_view_text (&row, info->wait_resource);
    sh_view_int (&row, info->transaction_id && info->transaction_is_user ? 1 : 0);
    sh_view_int (&row, info->transaction_id);
    sh_view_real (&row, percent);
    sh_view_int (&row, percent > 0 ? (int64_t)((double)elapsed_ms * (100 - percent) / percent) : 0);
    sh_view_int (&row, elapsed_ms);
    sh_view_push (rows, &row);
}

void
sh_view_requests_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    s_each_session (session, rows, s_push_request);
}

static const sh_view_field_t s_waits[] = {
    {"session_id", SH_TYPE_SMALLINT, 0},
    {"wait_duration_ms", SH_TYPE_BIGINT, 0},
    {"wait_type", SH_TYPE_NVARCHAR, 60},
    {"blocking_session_id", SH_TYPE_SMALLINT, 0},
    {"resource_description", SH_TYPE_NVARCHAR, 3072},
};
SH_VIEW_DEFINE (s_waits_define, s_waits)

void
sh_view_waits_define (sh_rowset_t *rows)
{
    s_waits_define (rows);
}

static void
s_push_wait (sh_rowset_t *rows, const sh_session_info_t *info)
{
    if (!info->wait_type[0])
        return;
    sh_view_row_t row = {.count = 0};
    sh_view_int (&row, info->session_id);
    sh_view_int (&row, info->wait_ms);
    sh_view_text (&row, info->wait_type);
    if (info->blocking_session_id)
        sh_view_int (&row, info->blocking_session_id);
    else
        sh_view_null (&row);
    sh_view_name (&row, info->wait_resource);
    sh_view_push (rows, &row);
}

void
sh_view_waits_fill (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    s_each_session (session, rows, s_push_wait);
}
