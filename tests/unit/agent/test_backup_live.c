/*  Against the stand-in: native backups of a Windows host that the agent is only near, and what stands of them. */
#include "tests/unit/agent/tests.h"

#include "agent/shell/backup.h"
#include "agent/shell/prepare.h"
#include "agent/shell/upkeep.h"
#include "common/names.h"
#include "tests/unit/coordinator/live_sql.h"

static live_t s_live;
static bool s_no_live;
static char s_here[96]; /* D:\Backup of the stand-in, on this host */

typedef struct {
    bm_sql_t *sql;
    char *database;
    char *allowed[2];
    bm_mount_t mount;
    bm_instance_config_t instance;
    bm_files_t files;
    bm_error_t no_sql;
    Btsmark__NativeOptions options;
    int sequence;
} s_place_t;

static void
s_exec (bm_sql_t *sql, const char *batch)
{
    bm_error_t error = {0};
    if (bm_sql_exec (sql, batch, NULL, &error) != BM_OK)
        fail_msg ("%s\nin: %.300s", error.text, batch);
}

static void
s_exec_in (const s_place_t *place, const char *format)
{
    char *quoted = bm_names_quote (place->database);
    char *before = bm_strdup (format);
    char *at = strstr (before, "DB");
    assert_non_null (at);
    *at = 0;
    char *batch = bm_format ("%s%s%s", before, quoted, at + 2);
    s_exec (place->sql, batch);
    free (batch);
    free (before);
    free (quoted);
}

static void
s_use (s_place_t *place, bm_files_kind_t kind)
{
    place->instance.files = kind;
    place->instance.mount_count = kind == BM_FILES_UNC ? 1 : 0;
}

static int
s_setup (void **state)
{
    static int made;
    s_place_t *place = bm_alloc (sizeof *place);
    *state = place;
    if (s_no_live)
        return 0;
    place->sql = live_sql (&s_live, "master");
    if (!place->sql)
        return -1;
    place->database = bm_format ("K\xC3\xB6ln %d]'; DROP TABLE T --", ++made);
    place->allowed[0] = (char *)"D:\\Backup";
    place->allowed[1] = (char *)"https://acct/bts";
    place->mount = (bm_mount_t){.folder = place->allowed[0], .mount = s_here};
    place->instance = (bm_instance_config_t){.name = "SQL01",
                                             .backup_path = place->allowed[0],
                                             .allowed_paths = place->allowed,
                                             .allowed_count = 2,
                                             .mounts = &place->mount,
                                             .manifest_path = s_here};
    s_use (place, BM_FILES_SQL);
    place->files =
        (bm_files_t){.instance = &place->instance, .sql = place->sql, .error = &place->no_sql};
    btsmark__native_options__init (&place->options);
    s_exec_in (place, "CREATE DATABASE DB;");
    s_exec_in (place, "ALTER DATABASE DB SET RECOVERY FULL;");
    s_exec_in (place, "CREATE TABLE DB.dbo.T (id int NOT NULL PRIMARY KEY, text nvarchar(400));");
    s_exec_in (place, "INSERT INTO DB.dbo.T (id, text) VALUES (1, REPLICATE (N'x', 300));");
    return 0;
}

static int
s_teardown (void **state)
{
    s_place_t *place = *state;
    if (place->sql)
        s_exec (place->sql, "EXEC sqlhost_fault N'all', N'off';");
    bm_sql_close (&place->sql);
    free (place->database);
    free (place);
    return 0;
}

/*  ---- a backup's hands ---- */

static bm_sql_t *
s_connect (void *argument, bm_error_t *error)
{
    (void)error;
    return ((s_place_t *)argument)->sql;
}

static int
s_spid (void *argument)
{
    (void)argument;
    return 0;
}

static void
s_nothing (void *argument)
{
    (void)argument;
}

static bool
s_no (void *argument)
{
    (void)argument;
    return false;
}

static bool
s_no_pause (void *argument, int64_t ms)
{
    (void)argument;
    (void)ms;
    return false;
}

static Btsmark__BackupDone *
s_back_up (s_place_t *place, Btsmark__SetType type, Btsmark__Method method, const char *path)
{
    char sequence[32];
    Btsmark__Backup order = BTSMARK__BACKUP__INIT;
    snprintf (sequence, sizeof sequence, "BTS_%d", ++place->sequence);
    order.instance = (char *)"SQL01";
    order.database = place->database;
    order.type = type;
    order.method = method;
    order.sequence = sequence;
    order.context = (char *)"btsmark run 17";
    order.compress = true;
    order.native = &place->options;
    bm_backup_t backup = {.instance = &place->instance,
                          .path = path,
                          .hands = {.connect = s_connect,
                                    .spid = s_spid,
                                    .started = s_nothing,
                                    .interrupted = s_no,
                                    .calm = s_nothing,
                                    .pause = s_no_pause,
                                    .argument = place}};
    return bm_backup_run (&backup, &order);
}

static Btsmark__BackupDone *
s_expect (s_place_t *place, Btsmark__SetType type, Btsmark__BackupStatus status)
{
    Btsmark__BackupDone *done = s_back_up (place, type, BTSMARK__METHOD__NATIVE, "D:\\Backup");
    if (done->status != status)
        fail_msg ("status %d: %s", (int)done->status, done->fault ? done->fault->text : "no fault");
    return done;
}

static void
s_free (Btsmark__BackupDone *done)
{
    btsmark__backup_done__free_unpacked (done, NULL);
}

static void
s_expect_measured (s_place_t *place, char **files, size_t count, bool exists, int64_t least)
{
    Btsmark__MeasureFiles order = BTSMARK__MEASURE_FILES__INIT;
    order.files = files;
    order.n_files = count;
    Btsmark__FilesMeasured *measured = bm_upkeep_measure (&place->files, &order);
    for (size_t i = 0; i < count; i++) {
        const Btsmark__MeasuredFile *one = measured->files[i];
        if (!one->asked || one->exists != exists || (exists && one->bytes < least))
            fail_msg ("%s: asked %d, exists %d, %lld bytes", one->file, one->asked, one->exists,
                      (long long)one->bytes);
    }
    btsmark__files_measured__free_unpacked (measured, NULL);
}

static void
s_expect_deleted (s_place_t *place, char **files, size_t count, const char *database,
                  Btsmark__FileFate fate)
{
    Btsmark__DeleteFiles__File items[8], *list[8];
    Btsmark__DeleteFiles order = BTSMARK__DELETE_FILES__INIT;
    for (size_t i = 0; i < count; i++) {
        btsmark__delete_files__file__init (&items[i]);
        items[i].file = files[i];
        items[i].database = (char *)(uintptr_t)database;
        list[i] = &items[i];
    }
    order.files = list;
    order.n_files = count;
    Btsmark__FilesDeleted *deleted = bm_upkeep_delete (&place->files, &order, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        if (deleted->files[i]->fate != fate)
            fail_msg ("%s: fate %d, %s", files[i], (int)deleted->files[i]->fate,
                      deleted->files[i]->fault ? deleted->files[i]->fault->text : "no fault");
    btsmark__files_deleted__free_unpacked (deleted, NULL);
}

static void
stripes_of_a_windows_host_are_taken_measured_and_deleted_through_sql_server (void **state)
{
    if (s_no_live)
        skip ();
    s_place_t *place = *state;
    place->options.stripes = 3;
    place->options.max_transfer_bytes = 1048576;
    place->options.buffer_count = 8;
    Btsmark__BackupDone *full =
        s_expect (place, BTSMARK__SET_TYPE__FULL, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    Btsmark__BackupDone *log =
        s_expect (place, BTSMARK__SET_TYPE__LOG, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    assert_int_equal (full->row->n_devices, 3);
    assert_string_equal (full->row->devices[0], full->row->device);
    assert_int_equal (strncmp (full->row->device, "D:\\Backup\\SQL01_K\xC3\xB6ln", 21), 0);
    assert_non_null (strstr (full->row->devices[2], "_3of3.bak"));
    assert_true (full->row->has_checksums);
    assert_true (full->row->compressed_bytes < full->row->bytes);
    assert_int_equal (full->file_bytes, -1); /* the agent does not see it */
    s_expect_measured (place, full->row->devices, 3, true, 1);
    s_expect_deleted (place, full->row->devices, 3, "Payroll", BTSMARK__FILE_FATE__FATE_LEFT);
    s_expect_deleted (place, full->row->devices, 3, place->database,
                      BTSMARK__FILE_FATE__FATE_DELETED);
    s_expect_measured (place, full->row->devices, 3, false, -1);
    s_expect_deleted (place, full->row->devices, 3, place->database,
                      BTSMARK__FILE_FATE__FATE_WAS_GONE);
    s_expect_measured (place, log->row->devices, 3, true, 1);
    s_free (full);
    s_free (log);
}

static void
through_a_mount_the_agent_weighs_and_deletes_itself (void **state)
{
    if (s_no_live)
        skip ();
    s_place_t *place = *state;
    s_use (place, BM_FILES_UNC);
    place->options.stripes = 2;
    Btsmark__BackupDone *done =
        s_expect (place, BTSMARK__SET_TYPE__FULL, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    struct stat seen;
    char *here = bm_format ("%s/%s", s_here, strrchr (done->row->devices[1], '\\') + 1);
    assert_int_equal (stat (here, &seen), 0);
    assert_true (done->file_bytes > (int64_t)seen.st_size); /* both stripes */
    s_expect_deleted (place, done->row->devices, 2, place->database,
                      BTSMARK__FILE_FATE__FATE_DELETED);
    assert_int_not_equal (stat (here, &seen), 0);
    s_free (done);
    free (here);
}

static void
a_wrong_mount_and_a_missing_folder_are_found_before_a_backup (void **state)
{
    if (s_no_live)
        skip ();
    s_place_t *place = *state;
    bm_error_t error = {0};
    int64_t room = 0;
    assert_int_equal (bm_files_probe_folder (&place->files, "D:\\Backup", false, &room, &error),
                      BM_OK);
    assert_int_equal (
        bm_files_probe_folder (&place->files, "D:\\Backup\\nowhere", false, &room, &error),
        BM_NOT_READY);
    s_use (place, BM_FILES_UNC);
    memset (&error, 0, sizeof error);
    if (bm_files_probe_folder (&place->files, "D:\\Backup", false, &room, &error) != BM_OK)
        fail_msg ("%s", error.text);
    assert_true (room > 0);
    place->mount.mount = s_live.folder; /* another folder of this host */
    assert_int_equal (bm_files_probe_folder (&place->files, "D:\\Backup", false, &room, &error),
                      BM_NOT_READY);
    assert_non_null (strstr (error.text, "is not the folder"));
}

/*  3009: the backup is good, its record is missing. The chain goes on over it. */
static void
an_unrecorded_backup_is_read_from_its_file_and_the_chain_goes_on (void **state)
{
    if (s_no_live)
        skip ();
    s_place_t *place = *state;
    place->options.stripes = 2;
    s_free (s_expect (place, BTSMARK__SET_TYPE__FULL, BTSMARK__BACKUP_STATUS__BACKUP_OK));
    s_exec (place->sql, "EXEC sqlhost_fault N'history_fail', N'1';");
    Btsmark__BackupDone *lost =
        s_expect (place, BTSMARK__SET_TYPE__LOG, BTSMARK__BACKUP_STATUS__BACKUP_OK_WITH_WARNINGS);
    s_exec (place->sql, "EXEC sqlhost_fault N'all', N'off';");
    assert_true (lost->row->from_header);
    assert_int_equal (lost->row->n_devices, 2);
    assert_int_equal (strlen (lost->row->uuid), 36);
    assert_true (*lost->row->family && *lost->row->last_fork);
    Btsmark__BackupDone *next =
        s_expect (place, BTSMARK__SET_TYPE__LOG, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    assert_false (next->row->from_header);
    assert_string_equal (next->row->first_lsn, lost->row->last_lsn);
    assert_string_equal (next->row->family, lost->row->family);
    s_free (lost);
    s_free (next);
}

static void
a_full_disk_in_mid_backup_is_a_failure_with_its_cause_and_costs_no_link (void **state)
{
    if (s_no_live)
        skip ();
    s_place_t *place = *state;
    Btsmark__BackupDone *full =
        s_expect (place, BTSMARK__SET_TYPE__FULL, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    Btsmark__BackupDone *first =
        s_expect (place, BTSMARK__SET_TYPE__LOG, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    s_exec_in (place, "INSERT INTO DB.dbo.T (id, text) VALUES (2, REPLICATE (N'y', 300));");
    s_exec (place->sql, "EXEC sqlhost_fault N'disk_full_after', N'100';");
    Btsmark__BackupDone *failed =
        s_expect (place, BTSMARK__SET_TYPE__LOG, BTSMARK__BACKUP_STATUS__BACKUP_FAILED);
    assert_non_null (strstr (failed->fault->text, "112")); /* not enough space */
    assert_null (failed->row);
    s_exec (place->sql, "EXEC sqlhost_fault N'all', N'off';");
    Btsmark__BackupDone *next =
        s_expect (place, BTSMARK__SET_TYPE__LOG, BTSMARK__BACKUP_STATUS__BACKUP_OK);
    assert_string_equal (next->row->first_lsn, first->row->last_lsn);
    s_free (full);
    s_free (first);
    s_free (failed);
    s_free (next);
}

/*  The statements are right (test_native.c); the stand-in says plainly that it does not do them. */
static void
what_the_server_does_not_do_is_a_failure_and_no_backup (void **state)
{
    if (s_no_live)
        skip ();
    s_place_t *place = *state;
    place->options.encryption_algorithm = (char *)"AES_256";
    place->options.certificate = (char *)"Cert";
    Btsmark__BackupDone *done =
        s_expect (place, BTSMARK__SET_TYPE__FULL, BTSMARK__BACKUP_STATUS__BACKUP_FAILED);
    assert_non_null (strstr (done->fault->text, "not supported"));
    s_free (done);
    btsmark__native_options__init (&place->options);
    done = s_back_up (place, BTSMARK__SET_TYPE__FULL, BTSMARK__METHOD__NATIVE, "https://acct/bts");
    assert_int_equal (done->status, BTSMARK__BACKUP_STATUS__BACKUP_FAILED);
    assert_non_null (strstr (done->fault->text, "not supported"));
    s_free (done);
}

int
main (void)
{
    bm_error_t error = {0};
    zsys_handler_set (NULL);
    if (bm_sql_init (&error) != BM_OK)
        return 1;
    int started = live_start_with (&s_live, "--map", "D:\\Backup=%s");
    if (started < 0) {
        live_stop (&s_live);
        return 1;
    }
    s_no_live = started > 0;
    if (s_no_live)
        printf ("SKIPPED: backups of a real file: no stand-in in the build folder\n");
    snprintf (s_here, sizeof s_here, "%s/files", s_live.folder);
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (stripes_of_a_windows_host_are_taken_measured_and_deleted_through_sql_server),
        T (through_a_mount_the_agent_weighs_and_deletes_itself),
        T (a_wrong_mount_and_a_missing_folder_are_found_before_a_backup),
        T (an_unrecorded_backup_is_read_from_its_file_and_the_chain_goes_on),
        T (a_full_disk_in_mid_backup_is_a_failure_with_its_cause_and_costs_no_link),
        T (what_the_server_does_not_do_is_a_failure_and_no_backup)};
#undef T
    int failed = cmocka_run_group_tests (tests, NULL, NULL);
    live_stop (&s_live);
    bm_sql_exit ();
    return failed;
}
