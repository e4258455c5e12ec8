/*  Redo stops on whatever does not fit, and an instance that meets it says so. */
#include "tests/unit/sqlhost/engine_fixture.h"

#include <sqlite3.h>

#include "tests/sqlhost/engine/image.h"

enum { S_TABLE = 100 };

static sh_image_t *
s_image (void)
{
    sh_column_t columns[] = {{.name = "a", .type = {.id = SH_TYPE_INT}}};
    sh_table_def_t def = {
        .schema = "dbo", .name = "T", .object_id = S_TABLE, .column_count = 1, .columns = columns};
    sh_image_t *image = sh_image_new (5);
    sh_image_add_table (image, sh_table_new (5, &def));
    return image;
}

/*  One row operation and its end; what the end claims as inserts, updates, deletes. */
static bool
s_redo (sh_image_t *image, int op, int table, int64_t rid, const uint32_t counts[3], char *text)
{
    sh_bytes_t body = {0};
    sh_value_t value = sh_value_int (1);
    sh_row_t *row = op == SH_OP_DELETE ? NULL : sh_row_new (&value, 1);
    sh_op_row (&body, op, table, rid, row);
    sh_op_end (&body, counts);
    bool done = sh_image_redo (image, body.data, body.size, text, 256);
    sh_row_drop (row);
    sh_bytes_free (&body);
    return done;
}

static const uint32_t s_insert[] = {1, 0, 0}, s_update[] = {0, 1, 0}, s_delete[] = {0, 0, 1};

static void
redo_stops_on_a_missing_table (void **state)
{
    char text[256] = "";
    sh_image_t *image = s_image ();
    (void)state;
    assert_true (s_redo (image, SH_OP_INSERT, S_TABLE, 1, s_insert, text));
    assert_false (s_redo (image, SH_OP_INSERT, S_TABLE + 1, 1, s_insert, text));
    assert_non_null (strstr (text, "table that is not there"));
    sh_image_free (image);
}

static void
redo_stops_on_a_row_that_does_not_fit (void **state)
{
    char text[256] = "";
    sh_image_t *image = s_image ();
    (void)state;
    assert_true (s_redo (image, SH_OP_INSERT, S_TABLE, 1, s_insert, text));
    assert_false (s_redo (image, SH_OP_INSERT, S_TABLE, 1, s_insert, text));
    assert_false (s_redo (image, SH_OP_UPDATE, S_TABLE, 2, s_update, text));
    assert_false (s_redo (image, SH_OP_DELETE, S_TABLE, 2, s_delete, text));
    assert_true (s_redo (image, SH_OP_UPDATE, S_TABLE, 1, s_update, text));
    assert_true (s_redo (image, SH_OP_DELETE, S_TABLE, 1, s_delete, text));
    assert_false (s_redo (image, SH_OP_DELETE, S_TABLE, 1, s_delete, text));
    sh_image_free (image);
}

static void
redo_stops_on_wrong_row_counts (void **state)
{
    char text[256] = "";
    sh_image_t *image = s_image ();
    (void)state;
    assert_false (s_redo (image, SH_OP_INSERT, S_TABLE, 1, s_update, text));
    assert_non_null (strstr (text, "row counts"));
    sh_image_free (image);
}

/*  Every prefix of a record, and every flipped byte, is refused or harmless; none crashes. */
static void
redo_survives_damage (void **state)
{
    char text[256];
    sh_bytes_t body = {0};
    uint32_t counts[] = {1, 0, 0};
    sh_value_t value = sh_value_int (1);
    sh_row_t *row = sh_row_new (&value, 1);
    sh_image_t *model = s_image ();
    (void)state;
    sh_module_t module = {.schema = "dbo", .name = "p", .kind = "P", .text = "x", .object_id = 7};
    sh_put_u8 (&body, SH_OP_MODULE);
    sh_module_write (&body, &module);
    sh_table_def_t def = *model->tables[0]->def;
    def.object_id = 200;
    sh_put_u8 (&body, SH_OP_CREATE);
    sh_def_put (&body, &def);
    sh_op_row (&body, SH_OP_INSERT, S_TABLE, 1, row);
    sh_op_end (&body, counts);
    for (size_t size = 0; size < body.size; size++) {
        sh_image_t *image = s_image ();
        assert_false (sh_image_redo (image, body.data, size, text, sizeof text));
        sh_image_free (image);
    }
    for (size_t i = 0; i < body.size; i++) {
        sh_image_t *image = s_image ();
        body.data[i] ^= 0xFF;
        sh_image_redo (image, body.data, body.size, text, sizeof text);
        body.data[i] ^= 0xFF;
        sh_image_free (image);
    }
    sh_image_free (model);
    sh_row_drop (row);
    sh_bytes_free (&body);
}

/*  The twin: with the whole record the instance comes up, with a row taken out of the data file
 *  below an update it is SUSPECT, and the others are not touched. */
static void
s_spoil (const fx_t *fx, const char *sql)
{
    char path[256];
    sqlite3 *sqlite = NULL;
    snprintf (path, sizeof path, "%s/db%d.mdf", fx->data, fx->db);
    assert_int_equal (sqlite3_open (path, &sqlite), SQLITE_OK);
    assert_int_equal (sqlite3_exec (sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close (sqlite);
}

static void
a_database_whose_log_does_not_fit_is_suspect_and_the_others_come_up (void **state)
{
    fx_t *fx = *state;
    sh_error_t error = {0};
    sh_db_info_t info;
    sh_table_t *table = NULL;
    int b = fx_make_db (fx, "B");
    fx_make_t (fx->s[0], b, "T");
    fx_insert (fx->s[0], b, "T", 1, "b");
    fx_backup (fx, fx->db, false, "a.bak"); /* from here on the log stays */
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_insert (fx->s[0], fx->db, "T", 2, "a");
    fx_close (fx);
    s_spoil (fx, "UPDATE meta SET value = 0; DELETE FROM line; DELETE FROM catalog;");
    fx_open (fx);
    assert_int_equal (sh_db_get (fx->instance, fx->db, &info), SH_OK);
    assert_int_equal (info.state, SH_STATE_SUSPECT);
    assert_int_equal (sh_table_open (fx->s[0], fx->db, NULL, "T", &table, &error), SH_ERROR);
    assert_int_equal (error.number, 926);
    fx_expect (fx_read (fx->s[0], b, "T"), "1=b ");
}

static void
redo_brings_a_data_file_up_to_the_log (void **state)
{
    fx_t *fx = *state;
    fx_backup (fx, fx->db, false, "a.bak");
    fx_insert (fx->s[0], fx->db, "T", 1, "a");
    fx_reopen (fx);
    fx_change (fx->s[0], fx->db, "T", 1, "b");
    fx_insert (fx->s[0], fx->db, "T", 2, "c");
    fx_reopen (fx);
    fx_expect (fx_read (fx->s[0], fx->db, "T"), "1=b 2=c ");
    fx_expect (fx_seek (fx->s[0], fx->db, "T", 2, 0), "2=c ");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (redo_stops_on_a_missing_table),
        cmocka_unit_test (redo_stops_on_a_row_that_does_not_fit),
        cmocka_unit_test (redo_stops_on_wrong_row_counts),
        cmocka_unit_test (redo_survives_damage),
        FX_TEST (a_database_whose_log_does_not_fit_is_suspect_and_the_others_come_up),
        FX_TEST (redo_brings_a_data_file_up_to_the_log),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
