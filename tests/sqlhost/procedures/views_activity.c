/*  What goes on: sessions, requests, transactions, locks, waits. */
#include <stdlib.h>
#include <string.h>

#include "builtins.h"
#include "tests/sqlhost/tsql/rights.h"

static const sh_txn_info_t *
s_txn_of (const sh_txn_info_t *list, size_t count, int session_id)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].session_id == session_id)
            return &list[i];
    return NULL;
}

/*  ---- sessions ---- */

/*  Without VIEW SERVER STATE a session sees itself. */
static bool
s_may_see (sh_session_t *session, const sh_session_info_t *info)
{
    return info->session_id == sh_esession_id (session->engine) ||
           sh_right_server (session, "VIEW SERVER STATE");
}

void
sh_define_dm_exec_sessions (sh_rowset_t *rows)
{
    sh_view_fields (
        rows,
        "session_id:s,login_time:d,host_name:n,program_name:n,host_process_id:i,client_version:i,"
        "client_interface_name:n,login_name:n,original_login_name:n,status:n,context_info:x,"
        "last_request_start_time:d,last_request_end_time:d,is_user_process:b,database_id:s,"
        "lock_timeout:i,deadlock_priority:i,open_transaction_count:i,transaction_isolation_level:s,"
        "cpu_time:i,reads:I,writes:I,logical_reads:I,row_count:I,language:n,prev_error:i");
}

void
sh_fill_dm_exec_sessions (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_session_info_t *list = NULL;
    size_t count = sh_esession_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        const sh_session_info_t *s = &list[i];
        if (!s_may_see (session, s))
            continue;
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (s->session_id);
        v[1] = sh_value_ticks (s->login_time);
        sh_cell_text (&v[2], s->host_name);
        sh_cell_text (&v[3], s->program_name);
        v[4] = sh_value_int (s->client_pid);
        v[5] = sh_value_int (7);
        sh_cell_text (&v[6], s->client_interface);
        sh_cell_text (&v[7], s->login_name);
        sh_cell_text (&v[8], s->login_name);
        sh_cell_text (&v[9], *s->command ? "running" : "sleeping");
        sh_value_t info = sh_value_blob (s->context_info, s->context_info_size);
        if (s->context_info_size)
            v[10] = sh_value_copy (&info);
        v[11] = v[12] = sh_value_ticks (s->request_time ? s->request_time : s->login_time);
        v[13] = sh_value_int (1);
        v[14] = sh_value_int (s->db_id);
        v[15] = sh_value_int (s->lock_timeout_ms);
        v[16] = sh_value_int (s->deadlock_priority);
        v[17] = sh_value_int (s->transaction_id && s->transaction_is_user ? 1 : 0);
        v[18] = sh_value_int (2);
        for (int k = 19; k <= 23; k++)
            v[k] = sh_value_int (0);
        sh_cell_text (&v[24], "us_english");
        v[25] = sh_value_int (0);
    }
    free (list);
}

void
sh_define_dm_exec_connections (sh_rowset_t *rows)
{
    sh_view_fields (rows, "session_id:i,connect_time:d,net_transport:n,protocol_type:n,"
                          "encrypt_option:n,auth_scheme:n,client_net_address:n,client_tcp_port:i,"
                          "local_tcp_port:i");
}

void
sh_fill_dm_exec_connections (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_session_info_t *list = NULL;
    size_t count = sh_esession_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        char address[65];
        snprintf (address, sizeof address, "%s", list[i].client_address);
        char *colon = strrchr (address, ':');
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (list[i].session_id);
        v[1] = sh_value_ticks (list[i].login_time);
        sh_cell_text (&v[2], "TCP");
        sh_cell_text (&v[3], "TSQL");
        sh_cell_text (&v[4], list[i].encrypted ? "TRUE" : "FALSE");
        sh_cell_text (&v[5], "SQL");
        if (colon) {
            v[7] = sh_value_int (strtol (colon + 1, NULL, 10));
            *colon = 0;
        }
        sh_cell_text (&v[6], address);
    }
    free (list);
}

/*  ---- requests ---- */

void
sh_define_dm_exec_requests (sh_rowset_t *rows)
{
    sh_view_fields (
        rows,
        "session_id:s,request_id:i,start_time:d,status:n,command:n,database_id:s,user_id:i,"
        "connection_id:g,blocking_session_id:s,wait_type:n,wait_time:i,last_wait_type:n,"
        "wait_resource:n,open_transaction_count:i,transaction_id:I,context_info:x,"
        "percent_complete:f,estimated_completion_time:I,cpu_time:i,total_elapsed_time:i,reads:I,"
        "writes:I,logical_reads:I,lock_timeout:i,deadlock_priority:i,row_count:I,prev_error:i,"
        "nest_level:i,statement_text:N");
}

static void
s_request_row (sh_rowset_t *rows, const sh_session_info_t *s)
{
    sh_value_t *v = sh_rowset_add_row (rows);
    int64_t elapsed = (sh_ticks_local () - s->request_time) / SH_TICKS_PER_MS;
    v[0] = sh_value_int (s->session_id);
    v[1] = sh_value_int (0);
    v[2] = sh_value_ticks (s->request_time);
    sh_cell_text (&v[3], *s->wait_type ? "suspended" : "running");
    sh_cell_text (&v[4], s->command);
    v[5] = sh_value_int (s->db_id);
    v[6] = sh_value_int (1);
    v[8] = sh_value_int (s->blocking_session_id);
    if (*s->wait_type)
        sh_cell_text (&v[9], s->wait_type);
    v[10] = sh_value_int (s->wait_ms);
    sh_cell_text (&v[11], *s->wait_type ? s->wait_type : "MISCELLANEOUS");
    sh_cell_text (&v[12], s->wait_resource);
    v[13] = sh_value_int (s->transaction_id && s->transaction_is_user ? 1 : 0);
    v[14] = sh_value_int (s->transaction_id);
    sh_value_t info = sh_value_blob (s->context_info, s->context_info_size);
    v[15] = sh_value_copy (&info);
    v[16] = sh_value_double (s->percent_complete);
    double rest = s->percent_complete > 0
                      ? (double)elapsed * (100.0 - s->percent_complete) / s->percent_complete
                      : 0;
    v[17] = sh_value_int ((int64_t)rest);
    v[18] = sh_value_int (0);
    v[19] = sh_value_int (elapsed);
    v[20] = v[21] = v[22] = v[25] = v[26] = sh_value_int (0);
    v[23] = sh_value_int (s->lock_timeout_ms);
    v[24] = sh_value_int (s->deadlock_priority);
    v[27] = sh_value_int (1);
    sh_cell_text (&v[28], s->text);
}

void
sh_fill_dm_exec_requests (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_session_info_t *list = NULL;
    size_t count = sh_esession_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++)
        if (*list[i].command && s_may_see (session, &list[i]))
            s_request_row (rows, &list[i]);
    free (list);
}

void
sh_define_sysprocesses (sh_rowset_t *rows)
{
    sh_view_fields (rows, "spid:s,blocked:s,waittype:x,waittime:I,lastwaittype:n,waitresource:n,"
                          "dbid:s,login_time:d,last_batch:d,open_tran:s,status:n,hostname:n,"
                          "program_name:n,cmd:n,loginame:n,context_info:x");
}

void
sh_fill_sysprocesses (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_session_info_t *list = NULL;
    size_t count = sh_esession_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        const sh_session_info_t *s = &list[i];
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (s->session_id);
        v[1] = sh_value_int (s->blocking_session_id);
        v[3] = sh_value_int (s->wait_ms);
        sh_cell_text (&v[4], s->wait_type);
        sh_cell_text (&v[5], s->wait_resource);
        v[6] = sh_value_int (s->db_id);
        v[7] = sh_value_ticks (s->login_time);
        v[8] = sh_value_ticks (s->request_time);
        v[9] = sh_value_int (s->transaction_id && s->transaction_is_user ? 1 : 0);
        sh_cell_text (&v[10], *s->command ? "running" : "sleeping");
        sh_cell_text (&v[11], s->host_name);
        sh_cell_text (&v[12], s->program_name);
        sh_cell_text (&v[13], *s->command ? s->command : "AWAITING COMMAND");
        sh_cell_text (&v[14], s->login_name);
        sh_value_t info = sh_value_blob (s->context_info, s->context_info_size);
        v[15] = sh_value_copy (&info);
    }
    free (list);
}

/*  ---- transactions ---- */

void
sh_define_dm_tran_active_transactions (sh_rowset_t *rows)
{
    sh_view_fields (rows, "transaction_id:I,name:n,transaction_begin_time:d,transaction_type:i,"
                          "transaction_uow:g,transaction_state:i,transaction_status:i,dtc_state:i");
}

void
sh_fill_dm_tran_active_transactions (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_txn_info_t *list = NULL;
    size_t count = sh_txn_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (list[i].id);
        sh_cell_text (&v[1], *list[i].name  ? list[i].name
                             : list[i].user ? "user_transaction"
                                            : "implicit_transaction");
        v[2] = sh_value_ticks (list[i].begin_time);
        v[3] = sh_value_int (list[i].distributed ? 4 : 1);
        if (list[i].distributed)
            sh_cell_guid (&v[4], list[i].uow);
        v[5] = sh_value_int (list[i].state);
        v[6] = v[7] = sh_value_int (0);
    }
    free (list);
}

void
sh_define_dm_tran_database_transactions (sh_rowset_t *rows)
{
    sh_view_fields (rows, "transaction_id:I,database_id:i,database_transaction_begin_time:d,"
                          "database_transaction_type:i,database_transaction_state:i,"
                          "database_transaction_log_record_count:I");
}

void
sh_fill_dm_tran_database_transactions (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_txn_info_t *list = NULL;
    size_t count = sh_txn_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < list[i].database_count && k < 32; k++) {
            sh_value_t *v = sh_rowset_add_row (rows);
            v[0] = sh_value_int (list[i].id);
            v[1] = sh_value_int (list[i].databases[k]);
            v[2] = sh_value_ticks (list[i].begin_time);
            v[3] = sh_value_int (1);
            v[4] = sh_value_int (list[i].db_state);
            v[5] = sh_value_int ((int64_t)list[i].changes);
        }
    free (list);
}

void
sh_define_dm_tran_session_transactions (sh_rowset_t *rows)
{
    sh_view_fields (rows,
                    "session_id:i,transaction_id:I,transaction_descriptor:x,"
                    "enlist_count:i,is_user_transaction:b,is_local:b,is_enlisted:b,is_bound:b,"
                    "open_transaction_count:i");
}

void
sh_fill_dm_tran_session_transactions (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_txn_info_t *list = NULL;
    size_t count = sh_txn_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        if (list[i].session_id < 0)
            continue; /* an orphan is in no session */
        sh_value_t *v = sh_rowset_add_row (rows);
        v[0] = sh_value_int (list[i].session_id);
        v[1] = sh_value_int (list[i].id);
        v[3] = sh_value_int (*s_txn_of (list, count, list[i].session_id)->name ? 1 : 0);
        v[4] = sh_value_int (list[i].user);
        v[5] = sh_value_int (!list[i].distributed);
        v[6] = sh_value_int (list[i].distributed);
        v[7] = sh_value_int (0);
        v[8] = sh_value_int (1);
    }
    free (list);
}

void
sh_define_dm_tran_current_transaction (sh_rowset_t *rows)
{
    sh_view_fields (rows, "transaction_id:I,transaction_sequence_num:I,transaction_is_snapshot:b");
}

void
sh_fill_dm_tran_current_transaction (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    int64_t id = sh_txn_id (session->engine);
    sh_value_t *v = sh_rowset_add_row (rows);
    v[0] = sh_value_int (id);
    v[1] = v[2] = sh_value_int (0);
}

/*  ---- locks and waits ---- */

void
sh_define_dm_tran_locks (sh_rowset_t *rows)
{
    sh_view_fields (rows, "resource_type:n,resource_subtype:n,resource_database_id:i,"
                          "resource_description:n,resource_associated_entity_id:I,request_mode:n,"
                          "request_type:n,request_status:n,request_session_id:i,"
                          "request_owner_type:n,request_owner_id:I,request_owner_guid:g");
}

void
sh_fill_dm_tran_locks (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_lock_info_t *list = NULL;
    size_t count = sh_lock_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++) {
        sh_value_t *v = sh_rowset_add_row (rows);
        sh_cell_text (&v[0], list[i].resource_type);
        sh_cell_text (&v[1], "");
        v[2] = sh_value_int (list[i].db_id);
        sh_cell_text (&v[3], list[i].resource);
        v[4] = sh_value_int (list[i].object_id);
        sh_cell_text (&v[5], list[i].mode);
        sh_cell_text (&v[6], "LOCK");
        sh_cell_text (&v[7], list[i].waiting ? "WAIT" : "GRANT");
        v[8] = sh_value_int (list[i].session_id);
        sh_cell_text (&v[9], list[i].owner_type);
        v[10] = sh_value_int (list[i].transaction_id);
        sh_cell_guid (&v[11], list[i].uow);
    }
    free (list);
}

void
sh_define_dm_os_waiting_tasks (sh_rowset_t *rows)
{
    sh_view_fields (rows, "session_id:s,wait_duration_ms:I,wait_type:n,blocking_session_id:s,"
                          "resource_description:n");
}

void
sh_fill_dm_os_waiting_tasks (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_session_info_t *list = NULL;
    size_t count = sh_esession_list (session->instance, &list);
    (void)db_id;
    for (size_t i = 0; i < count; i++)
        if (*list[i].wait_type) {
            sh_value_t *v = sh_rowset_add_row (rows);
            v[0] = sh_value_int (list[i].session_id);
            v[1] = sh_value_int (list[i].wait_ms);
            sh_cell_text (&v[2], list[i].wait_type);
            if (list[i].blocking_session_id)
                v[3] = sh_value_int (list[i].blocking_session_id);
            sh_cell_text (&v[4], list[i].wait_resource);
        }
    free (list);
}

void
sh_define_dm_os_wait_stats (sh_rowset_t *rows)
{
    sh_view_fields (rows, "wait_type:n,waiting_tasks_count:I,wait_time_ms:I,max_wait_time_ms:I,"
                          "signal_wait_time_ms:I");
}

/*  Counts are kept of what a transaction manager asks for; the others stand at zero. */
void
sh_fill_dm_os_wait_stats (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    sh_branch_counts_t counts;
    (void)db_id;
    sh_branch_counts (session->instance, &counts);
    const struct {
        const char *type;
        int64_t count;
    } waits[] = {{"PREEMPTIVE_DTC_PREPAREREQUESTDONE", counts.prepares},
                 {"PREEMPTIVE_DTC_COMMITREQUESTDONE", counts.commits},
                 {"PREEMPTIVE_DTC_ABORTREQUESTDONE", counts.aborts},
                 {"TRAN_MARKLATCH_EX", 0},
                 {"TRAN_MARKLATCH_SH", 0},
                 {"LCK_M_X", 0},
                 {"LCK_M_S", 0},
                 {"BACKUPIO", 0},
                 {"WAITFOR", 0}};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        sh_value_t *v = sh_rowset_add_row (rows);
        sh_cell_text (&v[0], waits[i].type);
        v[1] = sh_value_int (waits[i].count);
        v[2] = v[3] = v[4] = sh_value_int (0);
    }
}

void
sh_define_dm_os_sys_info (sh_rowset_t *rows)
{
    sh_view_fields (rows, "cpu_count:i,sqlserver_start_time:d,ms_ticks:I");
}

void
sh_fill_dm_os_sys_info (sh_session_t *session, int db_id, sh_rowset_t *rows)
{
    (void)db_id;
    sh_value_t *v = sh_rowset_add_row (rows);
    v[0] = sh_value_int (2);
    v[1] = sh_value_ticks (sh_instance_started (session->instance));
    v[2] = sh_value_int ((sh_ticks_local () - sh_instance_started (session->instance)) /
                         SH_TICKS_PER_MS);
}
