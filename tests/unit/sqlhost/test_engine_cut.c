/*  A database rebuilt from its files: what was committed before the mark and nothing after it. */
#include "tests/unit/sqlhost/engine_fixture.h"

#include <sys/stat.h>

typedef struct {
    char text[512];
} s_rows_t;

static bool
s_add_row (void *arg, int64_t rid, const sh_value_t *values)
{
    s_rows_t *rows = arg;
    size_t used = strlen (rows->text);
    (void)rid;
    if (values[0].kind == SH_TEXT)
        snprintf (rows->text + used, sizeof rows->text - used, "%s ", values[0].as.text);
    else
        snprintf (rows->text + used, sizeof rows->text - used, "%lld=%s ",
                  (long long)values[0].as.integer,
                  values[1].kind == SH_TEXT ? values[1].as.text : "-");
    return true;
}

enum { S_FILES_MAX = 8 };

typedef struct {
    char paths[S_FILES_MAX][128];
    const char *files[S_FILES_MAX];
    sh_cut_options_t options;
    sh_cut_t *cut;
    sh_error_t error;
} s_cut_t;

/*  names: file names between blanks. */
static sh_cut_status_t
s_open (s_cut_t *self, const fx_t *fx, const char *names, const char *mark)
{
    memset (self, 0, sizeof *self);
    size_t count = 0;
    for (const char *at = names; *at; at += strspn (at, " ")) {
        char name[64];
        size_t length = strcspn (at, " ");
        snprintf (name, sizeof name, "%.*s", (int)length, at);
        fx_path (fx, name, self->paths[count]);
        self->files[count] = self->paths[count];
        count++;
        at += length;
    }
    self->options.files = self->files;
    self->options.file_count = count;
    self->options.mark = mark;
    return sh_cut_open (&self->cut, &self->options, &self->error);
}

static void
s_expect (s_cut_t *self, const char *table, const char *text)
{
    s_rows_t rows = {.text = ""};
    if (!self->cut)
        fail_msg ("%s", self->error.text);
    int index = sh_cut_find (self->cut, NULL, table);
    assert_true (index >= 0);
    sh_cut_rows (self->cut, (size_t)index, s_add_row, &rows);
    assert_string_equal (rows.text, text);
}

static void
s_mark (fx_t *fx, const char *mark)
{
    fx_begin_marked (fx->s[0], mark);
    fx_insert_mark (fx->s[0], fx->db, mark);
    fx_commit (fx->s[0]);
}

/*  A full, then logs 1.trn (row 1, mark m1, row 2), 2.trn (row 3, mark m2), 3.trn (row 4). */
static void
s_make_chain (fx_t *fx)
{
    fx_insert (fx->s[0], fx->db, "T", 0, "full");
    fx_backup (fx, fx->db, false, "a.bak");
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    s_mark (fx, "m1");
    fx_insert (fx->s[0], fx->db, "T", 2, "b");
    fx_backup (fx, fx->db, true, "1.trn");
    fx_insert (fx->s[0], fx->db, "T", 3, "c");
    fx_change (fx->s[0], fx->db, "T", 0, NULL);
    s_mark (fx, "m2");
    fx_backup (fx, fx->db, true, "2.trn");
    fx_insert (fx->s[0], fx->db, "T", 4, "d");
    fx_backup (fx, fx->db, true, "3.trn");
}

static void
a_cut_has_what_came_before_the_mark_and_not_what_came_after (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    s_make_chain (fx);
    assert_int_equal (s_open (&cut, fx, "3.trn 1.trn a.bak 2.trn", "m1"), SH_CUT_OK);
    s_expect (&cut, "T", "0=full 1=a ");
    s_expect (&cut, "MarkLog", "m1 ");
    assert_true (sh_cut_mark_lsn (cut.cut) == sh_cut_last_lsn (cut.cut));
    sh_cut_close (&cut.cut);
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 2.trn", "m2"), SH_CUT_OK);
    s_expect (&cut, "T", "1=a 2=b 3=c ");
    s_expect (&cut, "MarkLog", "m1 m2 ");
    sh_cut_close (&cut.cut);
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 2.trn 3.trn", NULL), SH_CUT_OK);
    s_expect (&cut, "T", "1=a 2=b 3=c 4=d ");
    sh_cut_close (&cut.cut);
}

static void
a_cut_before_the_mark_lacks_the_marked_transaction_alone (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    s_make_chain (fx);
    s_open (&cut, fx, "a.bak 1.trn 2.trn", "m2");
    sh_cut_close (&cut.cut);
    cut.options.before = true;
    assert_int_equal (sh_cut_open (&cut.cut, &cut.options, &cut.error), SH_CUT_OK);
    s_expect (&cut, "T", "1=a 2=b 3=c ");
    s_expect (&cut, "MarkLog", "m1 ");
    sh_cut_close (&cut.cut);
}

static void
a_missing_link_is_named_with_its_lsn (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    char lsn[32];
    fx_backup (fx, fx->db, false, "a.bak");
    sh_backup_result_t one = fx_backup (fx, fx->db, true, "1.trn");
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_backup (fx, fx->db, true, "2.trn");
    s_mark (fx, "m");
    fx_backup (fx, fx->db, true, "3.trn");
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 3.trn", "m"), SH_CUT_GAP);
    snprintf (lsn, sizeof lsn, "%lld", (long long)one.last_lsn);
    assert_non_null (strstr (cut.error.text, lsn));
    assert_non_null (strstr (cut.error.text, "3.trn"));
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 3.trn", "none"), SH_CUT_GAP);
    assert_int_equal (s_open (&cut, fx, "1.trn 2.trn 3.trn", "m"), SH_CUT_NO_FULL);
}

static void
a_mark_that_is_not_there_is_said_so (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    s_make_chain (fx);
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 2.trn", "m3"), SH_CUT_NO_MARK);
    assert_non_null (strstr (cut.error.text, "m3"));
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 2.trn", "M1"), SH_CUT_NO_MARK);
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn", "m2"), SH_CUT_NO_MARK);
    assert_int_equal (s_open (&cut, fx, "", "m2"), SH_CUT_USAGE);
}

static void
a_damaged_file_is_said_so (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    char path[128];
    struct stat info;
    s_make_chain (fx);
    fx_path (fx, "1.trn", path);
    assert_int_equal (stat (path, &info), 0);
    assert_int_equal (truncate (path, info.st_size - 5), 0);
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 2.trn", "m2"), SH_CUT_DAMAGED);
    assert_non_null (strstr (cut.error.text, "1.trn"));
    assert_int_equal (s_open (&cut, fx, "a.bak nothing.trn", "m2"), SH_CUT_DAMAGED);
}

static void
a_torn_set_at_the_end_of_a_file_does_not_hide_the_whole_ones (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    sh_error_t error = {0};
    fx_backup (fx, fx->db, false, "a.bak");
    s_mark (fx, "m");
    fx_backup (fx, fx->db, true, "a.trn");
    assert_true (sh_fault_set (fx->instance, "disk_full_after", "100"));
    assert_int_equal (fx_try_backup (fx, fx->s[0], fx->db, true, "a.trn", NULL, &error), SH_ERROR);
    assert_int_equal (s_open (&cut, fx, "a.bak a.trn", "m"), SH_CUT_OK);
    s_expect (&cut, "MarkLog", "m ");
    sh_cut_close (&cut.cut);
}

static void
several_databases_in_the_files_must_be_told_apart (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    int b = fx_make_db (fx, "B");
    fx_make_t (fx->s[0], b, "T");
    fx_insert (fx->s[0], b, "T", 1, "of b");
    s_make_chain (fx);
    fx_backup (fx, b, false, "a.bak");
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn", "m1"), SH_CUT_USAGE);
    cut.options.database = "a";
    assert_int_equal (sh_cut_open (&cut.cut, &cut.options, &cut.error), SH_CUT_OK);
    s_expect (&cut, "T", "0=full 1=a ");
    sh_cut_close (&cut.cut);
    cut.options.database = "B";
    cut.options.mark = NULL;
    assert_int_equal (sh_cut_open (&cut.cut, &cut.options, &cut.error), SH_CUT_OK);
    s_expect (&cut, "T", "1=of b ");
    sh_cut_close (&cut.cut);
}

static void
tables_made_changed_and_dropped_along_the_chain_are_replayed (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    sh_error_t error = {0};
    sh_column_t added = {.name = "more", .type = {.id = SH_TYPE_INT}, .nullable = true};
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_backup (fx, fx->db, false, "a.bak");
    fx_begin (fx->s[0]);
    fx_make_t (fx->s[0], fx->db, "U");
    fx_insert (fx->s[0], fx->db, "U", 1, "u");
    sh_table_t *table = fx_table (fx->s[0], fx->db, "T");
    fx_ok (sh_table_add_column (fx->s[0], table, &added, NULL, &error), &error);
    sh_table_close (fx->s[0], &table);
    fx_commit (fx->s[0]);
    fx_begin (fx->s[0]);
    fx_ok (sh_table_drop (fx->s[0], fx->db, NULL, "N", &error), &error);
    fx_commit (fx->s[0]);
    fx_backup (fx, fx->db, true, "a.trn");
    assert_int_equal (s_open (&cut, fx, "a.bak a.trn", NULL), SH_CUT_OK);
    s_expect (&cut, "U", "1=u ");
    s_expect (&cut, "T", "1=a ");
    assert_int_equal (sh_cut_find (cut.cut, NULL, "N"), -1);
    size_t t = (size_t)sh_cut_find (cut.cut, NULL, "T");
    assert_int_equal (sh_cut_table (cut.cut, t)->column_count, 3);
    sh_cut_close (&cut.cut);
}

static void
s_full (void *arg)
{
    fx_task_t *task = arg;
    task->status =
        fx_try_backup (task->fx, task->s, task->fx->db, false, "b.bak", NULL, &task->error);
}

/*  The full holds work of its own time and the log backup that was taken meanwhile overlaps it. */
static void
a_full_that_ran_while_work_went_on_joins_the_logs (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    fx_task_t full = {0};
    fx_backup (fx, fx->db, false, "a.bak");
    fx_insert (fx->s[0], fx->db, "T", 1, "before");
    assert_true (sh_fault_set (fx->instance, "backup_hold_after", "1"));
    fx_start (&full, fx, fx->s[1], s_full);
    fx_until_waits (fx, fx->s[1], "BACKUPIO");
    fx_insert (fx->s[0], fx->db, "T", 2, "meanwhile");
    fx_change (fx->s[0], fx->db, "T", 1, "changed");
    assert_true (sh_fault_set (fx->instance, "backup_hold_after", "100000000"));
    fx_backup (fx, fx->db, true, "1.trn");
    fx_insert (fx->s[0], fx->db, "T", 4, "in both");
    fx_ok (sh_instance_checkpoint (fx->instance, &full.error), &full.error);
    assert_true (sh_fault_set (fx->instance, "backup_hold_after", "off"));
    fx_join (&full);
    fx_ok (full.status, &full.error);
    assert_int_equal (s_open (&cut, fx, "b.bak", NULL), SH_CUT_OK);
    s_expect (&cut, "T", "1=changed 2=meanwhile 4=in both ");
    sh_cut_close (&cut.cut);
    fx_insert (fx->s[0], fx->db, "T", 3, "after");
    s_mark (fx, "m");
    fx_backup (fx, fx->db, true, "2.trn");
    assert_int_equal (s_open (&cut, fx, "b.bak 1.trn 2.trn", "m"), SH_CUT_OK);
    s_expect (&cut, "T", "1=changed 2=meanwhile 4=in both 3=after ");
    sh_cut_close (&cut.cut);
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 2.trn", "m"), SH_CUT_OK);
    s_expect (&cut, "T", "1=changed 2=meanwhile 4=in both 3=after ");
    sh_cut_close (&cut.cut);
}

static void
an_open_transaction_is_not_in_a_backup (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    fx_begin (fx->s[1]);
    fx_insert (fx->s[1], fx->db, "T", 1, "open");
    fx_make_t (fx->s[1], fx->db, "U");
    fx_backup (fx, fx->db, false, "a.bak");
    fx_backup (fx, fx->db, true, "1.trn");
    fx_commit (fx->s[1]);
    fx_backup (fx, fx->db, true, "2.trn");
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn", NULL), SH_CUT_OK);
    s_expect (&cut, "T", "");
    assert_int_equal (sh_cut_find (cut.cut, NULL, "U"), -1);
    sh_cut_close (&cut.cut);
    assert_int_equal (s_open (&cut, fx, "a.bak 1.trn 2.trn", NULL), SH_CUT_OK);
    s_expect (&cut, "T", "1=open ");
    s_expect (&cut, "U", "");
    sh_cut_close (&cut.cut);
}

static void
a_striped_compressed_backup_is_rebuilt_from_all_its_files (void **state)
{
    fx_t *fx = *state;
    s_cut_t cut;
    sh_error_t error = {0};
    char one[128], two[128];
    const char *files[] = {one, two};
    fx_path (fx, "1.bak", one);
    fx_path (fx, "2.bak", two);
    sh_backup_t backup = {
        .db_id = fx->db, .file_count = 2, .files = files, .compress = SH_CHOICE_YES};
    fx_begin (fx->s[0]);
    for (int i = 0; i < 5000; i++)
        fx_insert (fx->s[0], fx->db, "N", 1000 + i, "a row of some length, to have many chunks");
    fx_commit (fx->s[0]);
    fx_ok (sh_backup (fx->s[0], &backup, NULL, &error), &error);
    assert_int_equal (s_open (&cut, fx, "2.bak", NULL), SH_CUT_DAMAGED);
    assert_int_equal (s_open (&cut, fx, "2.bak 1.bak", NULL), SH_CUT_OK);
    s_rows_t rows = {.text = ""};
    sh_cut_rows (cut.cut, (size_t)sh_cut_find (cut.cut, NULL, "N"), s_add_row, &rows);
    assert_memory_equal (rows.text, "1000=", 5);
    sh_cut_close (&cut.cut);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        FX_TEST (a_cut_has_what_came_before_the_mark_and_not_what_came_after),
        FX_TEST (a_cut_before_the_mark_lacks_the_marked_transaction_alone),
        FX_TEST (a_missing_link_is_named_with_its_lsn),
        FX_TEST (a_mark_that_is_not_there_is_said_so),
        FX_TEST (a_damaged_file_is_said_so),
        FX_TEST (a_torn_set_at_the_end_of_a_file_does_not_hide_the_whole_ones),
        FX_TEST (several_databases_in_the_files_must_be_told_apart),
        FX_TEST (tables_made_changed_and_dropped_along_the_chain_are_replayed),
        FX_TEST (a_full_that_ran_while_work_went_on_joins_the_logs),
        FX_TEST (an_open_transaction_is_not_in_a_backup),
        FX_TEST (a_striped_compressed_backup_is_rebuilt_from_all_its_files),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
