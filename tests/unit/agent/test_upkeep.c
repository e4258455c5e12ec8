#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/upkeep.h"

/*  What msdb knows: file, database, bytes. */
typedef struct {
    const char *rows[6][3];
    size_t row_count, queries;
    bool fails;
    int stop_after; /* files; 0 = never */
} s_msdb_t;

typedef struct {
    sql_place_t *place;
    char folder[64];
    char *allowed[1];
    bm_instance_config_t instance;
    bm_files_t files;
    bm_error_t no_sql;
    s_msdb_t msdb;
} s_world_t;

static bool
s_script (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    s_msdb_t *msdb = ((sql_place_t *)session->fake->argument)->argument;
    (void)rpc;
    *run = SH_RUN_DONE;
    if (!strstr (text, "backupmediafamily"))
        return false;
    msdb->queries++;
    if (msdb->fails) {
        fake_say (session, 229, 14, 5, "The SELECT permission was denied.");
        return true;
    }
    const char *cells[6 * 3];
    size_t used = 0;
    for (size_t i = 0; i < msdb->row_count; i++)
        if (strstr (text, msdb->rows[i][0])) {
            memcpy (&cells[used * 3], msdb->rows[i], sizeof msdb->rows[i]);
            used++;
        }
    fake_rows (session, "physical_device_name,database_name,bytes", used, cells);
    return true;
}

static s_world_t *
s_world (void **state)
{
    s_world_t *world = bm_alloc (sizeof *world);
    world->place = *state;
    snprintf (world->folder, sizeof world->folder, "/tmp/btsmark-upkeep-XXXXXX");
    assert_non_null (mkdtemp (world->folder));
    world->allowed[0] = world->folder;
    world->instance = (bm_instance_config_t){.name = "SQL01",
                                             .allowed_paths = world->allowed,
                                             .allowed_count = 1,
                                             .manifest_path = (char *)""};
    bm_fail (&world->no_sql, BM_SQL_LOGIN, "login refused");
    world->files = (bm_files_t){
        .instance = &world->instance, .sql = world->place->sql, .error = &world->no_sql};
    world->place->argument = &world->msdb;
    world->place->fake->script = s_script;
    return world;
}

static void
s_end (s_world_t *world)
{
    zdir_t *all = zdir_new (world->folder, NULL);
    zdir_remove (all, true);
    zdir_destroy (&all);
    free (world);
}

static char *
s_write (const s_world_t *world, const char *name)
{
    char *path = bm_format ("%s/%s", world->folder, name);
    FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_true (fputs ("four", file) >= 0);
    assert_int_equal (fclose (file), 0);
    return path;
}

static bool
s_stop (void *argument)
{
    s_msdb_t *msdb = argument;
    return msdb->stop_after > 0 && --msdb->stop_after == 0;
}

/*  Deletes one file; the caller frees the answer. */
static Btsmark__FilesDeleted *
s_delete (s_world_t *world, const char *path, const char *database)
{
    Btsmark__DeleteFiles__File file = BTSMARK__DELETE_FILES__FILE__INIT, *list[] = {&file};
    Btsmark__DeleteFiles order = BTSMARK__DELETE_FILES__INIT;
    file.file = (char *)(uintptr_t)path;
    file.database = (char *)(uintptr_t)database;
    order.files = list;
    order.n_files = 1;
    Btsmark__FilesDeleted *deleted = bm_upkeep_delete (&world->files, &order, NULL, NULL);
    assert_int_equal (deleted->n_files, 1);
    return deleted;
}

static void
s_expect (s_world_t *world, const char *path, const char *database, Btsmark__FileFate fate,
          const char *word)
{
    Btsmark__FilesDeleted *deleted = s_delete (world, path, database);
    const Btsmark__DeletedFile *one = deleted->files[0];
    if (one->fate != fate || (word && (!one->fault || !strstr (one->fault->text, word))))
        fail_msg ("%s of %s: fate %d, %s", path, database, (int)one->fate,
                  one->fault ? one->fault->text : "no fault");
    assert_string_equal (one->file, path);
    assert_int_equal (one->bytes, fate == BTSMARK__FILE_FATE__FATE_DELETED ? 4 : -1);
    btsmark__files_deleted__free_unpacked (deleted, NULL);
}

static void
a_backup_of_the_named_database_goes (void **state)
{
    s_world_t *world = s_world (state);
    char *file = s_write (world, "SQL01_X_Log_BTS_1.bak");
    world->msdb.rows[0][0] = file;
    world->msdb.rows[0][1] = "x"; /* case does not matter */
    world->msdb.rows[0][2] = "4";
    world->msdb.row_count = 1;
    s_expect (world, file, "X", BTSMARK__FILE_FATE__FATE_DELETED, NULL);
    assert_int_not_equal (access (file, F_OK), 0);
    s_expect (world, file, "X", BTSMARK__FILE_FATE__FATE_WAS_GONE, NULL);
    free (file);
    s_end (world);
}

/*  Also when the same file holds a backup of the named one: it was appended to. */
static void
a_backup_of_another_database_is_left (void **state)
{
    s_world_t *world = s_world (state);
    char *file = s_write (world, "shared.bak");
    const char *const rows[][3] = {{file, "X", "4"}, {file, "Payroll", "4"}};
    memcpy (world->msdb.rows, rows, sizeof rows);
    world->msdb.row_count = 2;
    s_expect (world, file, "X", BTSMARK__FILE_FATE__FATE_LEFT, "Payroll");
    s_expect (world, file, "Y", BTSMARK__FILE_FATE__FATE_LEFT, "database X");
    assert_int_equal (access (file, F_OK), 0);
    world->msdb.row_count = 1;
    s_expect (world, file, "X", BTSMARK__FILE_FATE__FATE_DELETED, NULL);
    free (file);
    s_end (world);
}

static void
without_msdbs_word_nothing_goes (void **state)
{
    s_world_t *world = s_world (state);
    char *file = s_write (world, "a.bak");
    world->msdb.fails = true;
    s_expect (world, file, "X", BTSMARK__FILE_FATE__FATE_LEFT, "permission");
    world->files.sql = NULL;
    Btsmark__FilesDeleted *deleted = s_delete (world, file, "X");
    assert_string_equal (deleted->fault->status, "SQL_LOGIN");
    assert_int_equal (deleted->files[0]->fate, BTSMARK__FILE_FATE__FATE_LEFT);
    btsmark__files_deleted__free_unpacked (deleted, NULL);
    assert_int_equal (access (file, F_OK), 0);
    free (file);
    s_end (world);
}

static void
only_what_looks_like_ours_goes (void **state)
{
    s_world_t *world = s_world (state);
    char *data = s_write (world, "x.mdf"), *known = s_write (world, "odd.name");
    char *manifest = s_write (world, "BTS_1.btsmark.json"), *old = s_write (world, "old.BAK");
    world->msdb.rows[0][0] = known;
    world->msdb.rows[0][1] = "X";
    world->msdb.rows[0][2] = "4";
    world->msdb.row_count = 1;
    s_expect (world, data, "X", BTSMARK__FILE_FATE__FATE_LEFT, "not named like one");
    s_expect (world, data, "", BTSMARK__FILE_FATE__FATE_LEFT, "no manifest");
    s_expect (world, old, "", BTSMARK__FILE_FATE__FATE_LEFT, "no manifest");
    s_expect (world, manifest, "X", BTSMARK__FILE_FATE__FATE_LEFT, "not named like one");
    s_expect (world, known, "X", BTSMARK__FILE_FATE__FATE_DELETED, NULL);
    s_expect (world, manifest, "", BTSMARK__FILE_FATE__FATE_DELETED, NULL);
    s_expect (world, old, "X", BTSMARK__FILE_FATE__FATE_DELETED, NULL);
    s_expect (world, "/etc/hostname.bak", "X", BTSMARK__FILE_FATE__FATE_LEFT, "does not allow");
    s_expect (world, "x.bak", "X", BTSMARK__FILE_FATE__FATE_LEFT, "absolute");
    assert_int_equal (access (data, F_OK), 0);
    free (data);
    free (known);
    free (manifest);
    free (old);
    s_end (world);
}

/*  More files than one question of msdb takes, and a stop in the middle. */
static void
a_stop_leaves_the_rest_and_says_so (void **state)
{
    enum { FILES = 120, STOP = 70 };
    s_world_t *world = s_world (state);
    Btsmark__DeleteFiles__File files[FILES], *list[FILES];
    for (size_t i = 0; i < FILES; i++) {
        char name[32];
        snprintf (name, sizeof name, "%03zu.bak", i);
        btsmark__delete_files__file__init (&files[i]);
        files[i].file = s_write (world, name);
        files[i].database = (char *)"X";
        list[i] = &files[i];
    }
    Btsmark__DeleteFiles order = BTSMARK__DELETE_FILES__INIT;
    order.files = list;
    order.n_files = FILES;
    world->msdb.stop_after = STOP + 1;
    Btsmark__FilesDeleted *deleted = bm_upkeep_delete (&world->files, &order, s_stop, &world->msdb);
    assert_int_equal (world->msdb.queries, 3);
    assert_string_equal (deleted->fault->status, "STOPPED");
    for (size_t i = 0; i < FILES; i++) {
        const Btsmark__DeletedFile *one = deleted->files[i];
        assert_int_equal (one->fate, i < STOP ? BTSMARK__FILE_FATE__FATE_DELETED
                                              : BTSMARK__FILE_FATE__FATE_LEFT);
        assert_int_equal (access (files[i].file, F_OK), i < STOP ? -1 : 0);
        if (i >= STOP)
            assert_string_equal (one->fault->status, "STOPPED");
        free (files[i].file);
    }
    btsmark__files_deleted__free_unpacked (deleted, NULL);
    s_end (world);
}

static Btsmark__FilesMeasured *
s_measure (s_world_t *world, char **files, size_t count)
{
    Btsmark__MeasureFiles order = BTSMARK__MEASURE_FILES__INIT;
    order.files = files;
    order.n_files = count;
    return bm_upkeep_measure (&world->files, &order);
}

static void
each_file_is_measured_or_says_why_not (void **state)
{
    s_world_t *world = s_world (state);
    char *file = s_write (world, "a.bak"), *gone = bm_format ("%s/b.bak", world->folder);
    char *paths[] = {file, gone, (char *)"/etc/hostname"};
    world->files.sql = NULL;
    Btsmark__FilesMeasured *measured = s_measure (world, paths, 3);
    assert_true (measured->files[0]->asked && measured->files[0]->exists);
    assert_int_equal (measured->files[0]->bytes, 4);
    assert_true (measured->files[1]->asked);
    assert_false (measured->files[1]->exists);
    assert_false (measured->files[2]->asked);
    assert_string_equal (measured->files[2]->fault->status, "PATH_NOT_ALLOWED");
    btsmark__files_measured__free_unpacked (measured, NULL);
    free (file);
    free (gone);
    s_end (world);
}

/*  A file that SQL Server says exists; nobody can weigh it. */
static bool
s_exists (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    *run = SH_RUN_DONE;
    if (!strstr (text, "dm_os_file_exists"))
        return s_script (session, text, rpc, run);
    fake_rows (session, "file_exists,file_is_a_directory", 1, (const char *[]){"1", "0"});
    return true;
}

static void
a_file_that_cannot_be_weighed_is_as_large_as_its_backup (void **state)
{
    s_world_t *world = s_world (state);
    world->allowed[0] = (char *)"D:\\Backup";
    world->instance.files = BM_FILES_SQL;
    world->place->fake->script = s_exists;
    char *paths[] = {(char *)"D:\\Backup\\a.bak", (char *)"D:\\Backup\\b.bak"};
    const char *const rows[][3] = {{"D:\\Backup\\a.bak", "X", "1000"},
                                   {"D:\\Backup\\a.bak", "X", "2000"}};
    memcpy (world->msdb.rows, rows, sizeof rows);
    world->msdb.row_count = 2;
    Btsmark__FilesMeasured *measured = s_measure (world, paths, 2);
    assert_int_equal (measured->files[0]->bytes, 2000); /* the newest */
    assert_true (measured->files[1]->exists);
    assert_int_equal (measured->files[1]->bytes, -1);
    btsmark__files_measured__free_unpacked (measured, NULL);
    s_end (world);
}

int
main (void)
{
    zsys_handler_set (NULL);
    const struct CMUnitTest tests[] = {
        SQL_TEST (a_backup_of_the_named_database_goes),
        SQL_TEST (a_backup_of_another_database_is_left),
        SQL_TEST (without_msdbs_word_nothing_goes),
        SQL_TEST (only_what_looks_like_ours_goes),
        SQL_TEST (a_stop_leaves_the_rest_and_says_so),
        SQL_TEST (each_file_is_measured_or_says_why_not),
        SQL_TEST (a_file_that_cannot_be_weighed_is_as_large_as_its_backup)};
    return sql_main (tests, sizeof tests / sizeof *tests);
}
