/*  tests/unit/sqlhost/engine_fixture.h
 *  An instance in a folder of its own, sessions on it, and short words for what the tests do. */
#ifndef SH_ENGINE_FIXTURE_H
#define SH_ENGINE_FIXTURE_H

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/*  cmocka wants the four above it. */
#include <cmocka.h>

#include "tests/sqlhost/engine/engine.h"
#include "tests/unit/sqlhost/folder.h"

enum { FX_SESSIONS = 6, FX_DEADLINE_S = 30 };

typedef struct {
    char directory[64], data[128];
    sh_instance_t *instance;
    sh_esession_t *s[FX_SESSIONS];
    int db;              /* database "A" */
    char messages[4096]; /* of session 0: "number " each */
} fx_t;

static inline void
fx_ok (sh_status_t status, const sh_error_t *error)
{
    if (status != SH_OK)
        fail_msg ("status %d: %d %s", (int)status, error->number, error->text);
}

static inline void
fx_message (void *arg, const sh_error_t *message)
{
    fx_t *fx = arg;
    size_t used = strlen (fx->messages);
    snprintf (fx->messages + used, sizeof fx->messages - used, "%d ", message->number);
}

static inline void
fx_open (fx_t *fx)
{
    sh_error_t error = {0};
    sh_options_t options = {.directory = fx->data, .server_name = "SQL01"};
    fx_ok (sh_instance_open (&fx->instance, &options, &error), &error);
    for (int i = 0; i < FX_SESSIONS; i++) {
        sh_session_options_t session = {.login_name = "sa", .program_name = "test"};
        fx_ok (sh_esession_open (fx->instance, &session, &fx->s[i], &error), &error);
    }
    sh_esession_on_message (fx->s[0], fx_message, fx);
    sh_db_info_t info;
    fx->db = sh_db_find (fx->instance, "A", &info) == SH_OK ? info.id : 0;
}

static inline void
fx_close (fx_t *fx)
{
    for (int i = 0; i < FX_SESSIONS; i++)
        sh_esession_close (&fx->s[i]);
    sh_instance_close (&fx->instance);
}

static inline void
fx_reopen (fx_t *fx)
{
    fx_close (fx);
    fx_open (fx);
}

/*  ---- statements, each an autocommit transaction unless one is open ---- */

static inline bool
fx_begin_auto (sh_esession_t *s)
{
    sh_error_t error = {0};
    if (sh_txn_active (s))
        return false;
    fx_ok (sh_txn_begin (s, NULL, false, &error), &error);
    return true;
}

static inline void
fx_end_auto (sh_esession_t *s, bool own, sh_status_t status)
{
    sh_error_t error = {0};
    if (own && status == SH_OK)
        fx_ok (sh_txn_commit (s, &error), &error);
    else if (own)
        sh_txn_rollback (s);
}

static inline void
fx_begin (sh_esession_t *s)
{
    sh_error_t error = {0};
    fx_ok (sh_txn_begin (s, "t", true, &error), &error);
}

static inline void
fx_begin_marked (sh_esession_t *s, const char *mark)
{
    sh_error_t error = {0};
    fx_ok (sh_txn_begin (s, mark, true, &error), &error);
    fx_ok (sh_txn_mark (s, mark, "a description", &error), &error);
}

static inline void
fx_commit (sh_esession_t *s)
{
    sh_error_t error = {0};
    fx_ok (sh_txn_commit (s, &error), &error);
}

static inline int
fx_make_db (fx_t *fx, const char *name)
{
    sh_error_t error = {0};
    int id = 0;
    fx_ok (sh_db_create (fx->s[0], name, &id, &error), &error);
    return id;
}

static inline void
fx_create (sh_esession_t *s, int db, const sh_table_def_t *def)
{
    sh_error_t error = {0};
    bool own = fx_begin_auto (s);
    fx_ok (sh_table_create (s, db, def, &error), &error);
    fx_end_auto (s, own, SH_OK);
}

/*  T (k int not null primary key, v nvarchar(50) null) */
static inline void
fx_make_t (sh_esession_t *s, int db, const char *name)
{
    sh_column_t columns[] = {
        {.name = "k", .type = {.id = SH_TYPE_INT}},
        {.name = "v", .type = {.id = SH_TYPE_NVARCHAR, .size = 50}, .nullable = true}};
    sh_index_t key = {.name = "pk", .unique = true, .primary_key = true, .column_count = 1};
    sh_table_def_t def = {
        .name = name, .column_count = 2, .columns = columns, .index_count = 1, .indexes = &key};
    fx_create (s, db, &def);
}

/*  MarkLog (MarkName nvarchar(128) null): no key at all */
static inline void
fx_make_marklog (sh_esession_t *s, int db)
{
    sh_column_t column = {
        .name = "MarkName", .type = {.id = SH_TYPE_NVARCHAR, .size = 128}, .nullable = true};
    sh_table_def_t def = {.name = "MarkLog", .column_count = 1, .columns = &column};
    fx_create (s, db, &def);
}

/*  N (id bigint identity(1,1) primary key, v nvarchar(50) null) */
static inline void
fx_make_n (sh_esession_t *s, int db)
{
    sh_column_t columns[] = {
        {.name = "id",
         .type = {.id = SH_TYPE_BIGINT},
         .identity = true,
         .identity_seed = 1,
         .identity_increment = 1},
        {.name = "v", .type = {.id = SH_TYPE_NVARCHAR, .size = 50}, .nullable = true}};
    sh_index_t key = {.name = "pk_n", .unique = true, .primary_key = true, .column_count = 1};
    sh_table_def_t def = {
        .name = "N", .column_count = 2, .columns = columns, .index_count = 1, .indexes = &key};
    fx_create (s, db, &def);
}

static inline sh_table_t *
fx_table (sh_esession_t *s, int db, const char *name)
{
    sh_error_t error = {0};
    sh_table_t *table = NULL;
    fx_ok (sh_table_open (s, db, NULL, name, &table, &error), &error);
    return table;
}

static inline sh_status_t
fx_try_insert (sh_esession_t *s, int db, const char *name, const sh_value_t *values,
               sh_error_t *error)
{
    bool own = fx_begin_auto (s);
    sh_table_t *table = fx_table (s, db, name);
    sh_status_t status = sh_row_insert (s, table, values, NULL, NULL, error);
    sh_table_close (s, &table);
    fx_end_auto (s, own, status);
    return status;
}

static inline void
fx_insert (sh_esession_t *s, int db, const char *name, int k, const char *v)
{
    sh_error_t error = {0};
    sh_value_t values[] = {sh_value_int (k), sh_value_text (v)};
    fx_ok (fx_try_insert (s, db, name, values, &error), &error);
}

static inline int64_t
fx_insert_n (sh_esession_t *s, int db, const char *v)
{
    sh_error_t error = {0};
    sh_value_t values[] = {sh_value_null (), sh_value_text (v)};
    int64_t identity = 0;
    bool own = fx_begin_auto (s);
    sh_table_t *table = fx_table (s, db, "N");
    fx_ok (sh_row_insert (s, table, values, NULL, &identity, &error), &error);
    sh_table_close (s, &table);
    fx_end_auto (s, own, SH_OK);
    return identity;
}

static inline void
fx_insert_mark (sh_esession_t *s, int db, const char *mark)
{
    sh_error_t error = {0};
    sh_value_t value = sh_value_text (mark);
    fx_ok (fx_try_insert (s, db, "MarkLog", &value, &error), &error);
}

/*  What a scan saw: "1=a 2=b ", the status it ended with (SH_END when all is well). */
typedef struct {
    char text[512];
    int count;
    sh_status_t status;
    sh_error_t error;
} fx_rows_t;

static inline fx_rows_t
fx_scan (sh_esession_t *s, int db, const char *name, const sh_scan_t *scan)
{
    fx_rows_t out = {.count = 0};
    sh_table_t *table = NULL;
    sh_cursor_t *cursor = NULL;
    out.status = sh_table_open (s, db, NULL, name, &table, &out.error);
    if (out.status == SH_OK)
        out.status = sh_cursor_open (s, table, scan, &cursor, &out.error);
    while (out.status == SH_OK && (out.status = sh_cursor_next (cursor, &out.error)) == SH_OK) {
        const sh_value_t *values = sh_cursor_values (cursor);
        size_t used = strlen (out.text);
        if (values[0].kind == SH_TEXT)
            snprintf (out.text + used, sizeof out.text - used, "%s ", values[0].as.text);
        else
            snprintf (out.text + used, sizeof out.text - used, "%lld=%s ",
                      (long long)values[0].as.integer,
                      values[1].kind == SH_TEXT ? values[1].as.text : "-");
        out.count++;
    }
    sh_cursor_close (&cursor);
    sh_table_close (s, &table);
    return out;
}

static inline fx_rows_t
fx_read (sh_esession_t *s, int db, const char *name)
{
    sh_scan_t scan = {.isolation = SH_READ_COMMITTED};
    return fx_scan (s, db, name, &scan);
}

static inline fx_rows_t
fx_seek (sh_esession_t *s, int db, const char *name, int k, unsigned hints)
{
    static const int column = 0;
    sh_value_t value = sh_value_int (k);
    sh_scan_t scan = {.isolation = SH_READ_COMMITTED,
                      .hints = hints,
                      .equal_count = 1,
                      .equal_columns = &column,
                      .equal_values = &value};
    return fx_scan (s, db, name, &scan);
}

static inline void
fx_expect (fx_rows_t rows, const char *text)
{
    if (rows.status != SH_END)
        fail_msg ("status %d: %d %s", (int)rows.status, rows.error.number, rows.error.text);
    assert_string_equal (rows.text, text);
}

/*  UPDATE T SET v = ? WHERE k = ? (v NULL: DELETE), as the interpreter does it. */
static inline sh_status_t
fx_try_change (sh_esession_t *s, int db, const char *name, int k, const char *v, sh_error_t *error)
{
    static const int column = 0;
    sh_value_t value = sh_value_int (k);
    sh_scan_t scan = {.isolation = SH_READ_COMMITTED,
                      .hints = SH_HINT_TARGET,
                      .equal_count = 1,
                      .equal_columns = &column,
                      .equal_values = &value};
    sh_cursor_t *cursor = NULL;
    bool own = fx_begin_auto (s);
    sh_table_t *table = fx_table (s, db, name);
    sh_status_t status = sh_cursor_open (s, table, &scan, &cursor, error);
    while (status == SH_OK && (status = sh_cursor_next (cursor, error)) == SH_OK) {
        sh_value_t values[] = {value, sh_value_text (v)};
        int64_t rid = sh_cursor_rid (cursor), version = sh_cursor_version (cursor);
        status = v ? sh_row_update (s, table, rid, version, values, error)
                   : sh_row_delete (s, table, rid, version, error);
    }
    sh_cursor_close (&cursor);
    sh_table_close (s, &table);
    if (status == SH_END)
        status = SH_OK;
    fx_end_auto (s, own, status);
    return status;
}

static inline void
fx_change (sh_esession_t *s, int db, const char *name, int k, const char *v)
{
    sh_error_t error = {0};
    fx_ok (fx_try_change (s, db, name, k, v, &error), &error);
}

/*  ---- threads ---- */

typedef struct {
    pthread_t thread;
    fx_t *fx;
    sh_esession_t *s;
    void (*run) (void *task);
    int number;
    const char *name;
    sh_status_t status;
    sh_error_t error;
    fx_rows_t rows;
    int result;
} fx_task_t;

static inline void *
fx_run (void *arg)
{
    fx_task_t *task = arg;
    task->run (task);
    return NULL;
}

static inline void
fx_start (fx_task_t *task, fx_t *fx, sh_esession_t *s, void (*run) (void *task))
{
    task->fx = fx;
    task->s = s;
    task->run = run;
    assert_int_equal (pthread_create (&task->thread, NULL, fx_run, task), 0);
}

static inline void
fx_join (fx_task_t *task)
{
    struct timespec until;
    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += FX_DEADLINE_S;
    assert_int_equal (pthread_timedjoin_np (task->thread, NULL, &until), 0);
}

/*  Until the session waits for something that begins with `wait` ("" = anything). */
static inline void
fx_until_waits (fx_t *fx, sh_esession_t *s, const char *wait)
{
    time_t until = time (NULL) + FX_DEADLINE_S;
    for (bool waits = false; !waits; sched_yield ()) {
        sh_session_info_t *list;
        size_t count = sh_esession_list (fx->instance, &list);
        for (size_t i = 0; i < count; i++)
            if (list[i].session_id == sh_esession_id (s) && list[i].wait_type[0] &&
                strncmp (list[i].wait_type, wait, strlen (wait)) == 0)
                waits = true;
        free (list);
        assert_true (time (NULL) < until);
    }
}

/*  ---- backups ---- */

static inline void
fx_path (const fx_t *fx, const char *name, char out[128])
{
    snprintf (out, 128, "%s/%s", fx->directory, name);
}

static inline sh_status_t
fx_try_backup (fx_t *fx, sh_esession_t *s, int db, bool log, const char *file,
               sh_backup_result_t *result, sh_error_t *error)
{
    char path[128];
    const char *files[] = {path};
    fx_path (fx, file, path);
    sh_backup_t backup = {.db_id = db, .log = log, .file_count = 1, .files = files};
    return sh_backup (s, &backup, result, error);
}

static inline sh_backup_result_t
fx_backup (fx_t *fx, int db, bool log, const char *file)
{
    sh_error_t error = {0};
    sh_backup_result_t result = {.position = 0};
    fx_ok (fx_try_backup (fx, fx->s[0], db, log, file, &result, &error), &error);
    return result;
}

/*  ---- set-up: database A with T, MarkLog and N ---- */

static inline int
fx_setup (void **state)
{
    fx_t *fx = calloc (1, sizeof *fx);
    snprintf (fx->directory, sizeof fx->directory, "/tmp/sqlhost-test-XXXXXX");
    if (!fx || !mkdtemp (fx->directory))
        return -1;
    snprintf (fx->data, sizeof fx->data, "%s/data", fx->directory);
    fx_open (fx);
    fx->db = fx_make_db (fx, "A");
    fx_make_t (fx->s[0], fx->db, "T");
    fx_make_marklog (fx->s[0], fx->db);
    fx_make_n (fx->s[0], fx->db);
    *state = fx;
    return 0;
}

static inline int
fx_teardown (void **state)
{
    fx_t *fx = *state;
    fx_close (fx);
    fx_remove_folder (fx->directory);
    free (fx);
    return 0;
}

#define FX_TEST(name) cmocka_unit_test_setup_teardown (name, fx_setup, fx_teardown)

#endif
