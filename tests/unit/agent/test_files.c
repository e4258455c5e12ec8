#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/files.h"
#include "agent/shell/path.h"

/*  A folder of this host with what an instance's configuration makes of it. */
typedef struct {
    sql_place_t sql; /* first: what sql_tests.h expects */
    char folder[64], outside[64];
    char *allowed[1];
    bm_mount_t mount;
    bm_instance_config_t instance;
    bm_files_t files;
    bm_error_t no_sql;
    /*  What SQL Server says. */
    bool old_server, exists, is_folder, keeps, no_right;
    int deleted;
    const char *volumes[8]; /* name, free, ... */
    const char *drives[4];
    char asked[256];
} s_world_t;

static void
s_answer_exists (fake_session_t *session, const s_world_t *world, const char *columns)
{
    fake_rows (session, columns, 1,
               (const char *[]){world->exists ? "1" : "0", world->is_folder ? "1" : "0"});
}

static size_t
s_pairs (const char *const *values, size_t most)
{
    size_t count = 0;
    while (count + 1 < most && values[count])
        count += 2;
    return count / 2;
}

static bool
s_script (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    s_world_t *world = session->fake->argument;
    *run = SH_RUN_DONE;
    if (rpc)
        snprintf (world->asked, sizeof world->asked, "%s", fake_parameter (rpc, "@file"));
    bool old = strstr (text, "dm_os_file_exists") || strstr (text, "dm_os_enumerate_fixed_drives");
    if (old && world->old_server)
        fake_say (session, 208, 16, 1, "Invalid object name.");
    else if (strstr (text, "dm_os_file_exists"))
        s_answer_exists (session, world, "file_exists,file_is_a_directory");
    else if (strstr (text, "xp_fileexist") && world->no_right)
        fake_say (session, 229, 14, 5, "The EXECUTE permission was denied.");
    else if (strstr (text, "xp_fileexist"))
        s_answer_exists (session, world, "File Exists,File is a Directory");
    else if (strstr (text, "xp_delete_file")) {
        world->deleted++;
        if (world->keeps)
            fake_say (session, 22049, 16, 1, "xp_delete_file() returned error 5.");
        else
            world->exists = false;
    } else if (strstr (text, "dm_os_volume_stats"))
        fake_rows (session, "bm_volume,bm_free", s_pairs (world->volumes, 8), world->volumes);
    else if (strstr (text, "dm_os_enumerate_fixed_drives"))
        fake_rows (session, "bm_volume,bm_free", s_pairs (world->drives, 4), world->drives);
    else if (strstr (text, "xp_fixeddrives"))
        fake_rows (session, "drive,MB free", 2, (const char *[]){"C", "1", "D", "2048"});
    else
        return false;
    return true;
}

static void
s_make_folder (char folder[64])
{
    snprintf (folder, 64, "/tmp/btsmark-files-XXXXXX");
    assert_non_null (mkdtemp (folder));
}

static int
s_setup (void **state)
{
    s_world_t *world = bm_alloc (sizeof *world);
    world->sql.fake = fake_sql_new ();
    world->sql.fake->argument = world;
    world->sql.fake->script = s_script;
    world->sql.password = bm_secret_new ("secret");
    world->sql.sql = sql_open (&world->sql);
    s_make_folder (world->folder);
    s_make_folder (world->outside);
    world->allowed[0] = world->folder;
    world->instance = (bm_instance_config_t){.name = "SQL01",
                                             .backup_path = world->folder,
                                             .allowed_paths = world->allowed,
                                             .allowed_count = 1,
                                             .manifest_path = (char *)""};
    bm_fail (&world->no_sql, BM_SQL_LOGIN, "login refused");
    world->files =
        (bm_files_t){.instance = &world->instance, .sql = world->sql.sql, .error = &world->no_sql};
    *state = world;
    return 0;
}

static void
s_remove (const char *folder)
{
    zdir_t *all = zdir_new (folder, NULL);
    zdir_remove (all, true);
    zdir_destroy (&all);
}

static int
s_teardown (void **state)
{
    s_world_t *world = *state;
    bm_sql_close (&world->sql.sql);
    fake_sql_free (world->sql.fake);
    bm_secret_destroy (&world->sql.password);
    s_remove (world->folder);
    s_remove (world->outside);
    free (world);
    return 0;
}

/*  The folder is D:\Backup of a Windows host, mounted here. */
static void
s_mount (s_world_t *world, bm_files_kind_t kind)
{
    world->allowed[0] = (char *)"D:\\Backup";
    world->instance.files = kind;
    world->mount = (bm_mount_t){.folder = world->allowed[0], .mount = world->folder};
    world->instance.mounts = &world->mount;
    world->instance.mount_count = kind == BM_FILES_UNC ? 1 : 0;
}

static char *
s_write (const char *folder, const char *name, const char *text)
{
    char *path = bm_format ("%s/%s", folder, name);
    FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
    assert_int_equal (fclose (file), 0);
    return path;
}

static void
s_expect_look (s_world_t *world, const char *file, bm_status_t status, bool exists, int64_t bytes)
{
    bm_error_t error = {0};
    bm_file_facts_t facts = {0};
    bm_status_t got = bm_files_look (&world->files, file, &facts, &error);
    if (got != status)
        fail_msg ("%s: %s", file, error.text);
    if (got == BM_OK && (facts.exists != exists || facts.bytes != bytes))
        fail_msg ("%s: exists %d, %lld bytes", file, facts.exists, (long long)facts.bytes);
}

static void
s_expect_remove (s_world_t *world, const char *file, bm_status_t status, bool was_gone,
                 const char *word)
{
    bm_error_t error = {0};
    bool gone = false;
    int64_t bytes;
    bm_status_t got = bm_files_remove (&world->files, file, &gone, &bytes, &error);
    if (got != status || (word && !strstr (error.text, word) && !strstr (error.remedy, word)))
        fail_msg ("%s: %s (%s)", file, error.text, error.remedy);
    if (got == BM_OK)
        assert_int_equal (gone, was_gone);
}

static void
what_this_agent_sees_it_measures_and_removes_itself (void **state)
{
    s_world_t *world = *state;
    world->files.sql = NULL; /* nobody is asked */
    char *file = s_write (world->folder, "a.bak", "four");
    s_expect_look (world, file, BM_OK, true, 4);
    s_expect_remove (world, file, BM_OK, false, NULL);
    s_expect_look (world, file, BM_OK, false, -1);
    s_expect_remove (world, file, BM_OK, true, NULL);
    free (file);
    char *deep = bm_format ("%s/no/such/folder/a.bak", world->folder);
    s_expect_remove (world, deep, BM_OK, true, NULL);
    free (deep);
}

static void
a_folder_that_is_gone_as_a_whole_tells_nothing_of_its_files (void **state)
{
    s_world_t *world = *state;
    world->allowed[0] = (char *)"/tmp/btsmark-no-such-root";
    s_expect_look (world, "/tmp/btsmark-no-such-root/a.bak", BM_IO, false, -1);
    s_expect_remove (world, "/tmp/btsmark-no-such-root/a.bak", BM_IO, false, "No such file");
}

static void
no_symbolic_link_below_the_root_is_followed (void **state)
{
    s_world_t *world = *state;
    char *target = s_write (world->outside, "precious.bak", "keep");
    char *link_file = bm_format ("%s/link.bak", world->folder);
    char *link_folder = bm_format ("%s/sub", world->folder);
    char *through = bm_format ("%s/precious.bak", link_folder);
    assert_int_equal (symlink (target, link_file), 0);
    assert_int_equal (symlink (world->outside, link_folder), 0);
    s_expect_remove (world, link_file, BM_PATH_NOT_ALLOWED, false, "symbolic link");
    s_expect_remove (world, through, BM_PATH_NOT_ALLOWED, false, "symbolic link");
    s_expect_look (world, through, BM_PATH_NOT_ALLOWED, false, -1);
    /*  The twin: without our care the same path does lead there. */
    assert_int_equal (access (through, F_OK), 0);
    assert_int_equal (access (target, F_OK), 0);
    assert_int_equal (unlink (link_folder), 0);
    free (through);
    free (link_folder);
    free (link_file);
    free (target);
}

static void
a_folder_is_never_removed (void **state)
{
    s_world_t *world = *state;
    char *folder = bm_format ("%s/sub.bak", world->folder);
    assert_int_equal (mkdir (folder, 0700), 0);
    s_expect_remove (world, folder, BM_PATH_NOT_ALLOWED, false, "no file");
    assert_int_equal (rmdir (folder), 0);
    free (folder);
    s_mount (world, BM_FILES_SQL);
    world->is_folder = true;
    s_expect_remove (world, "D:\\Backup\\x.bak", BM_PATH_NOT_ALLOWED, false, "folder");
    assert_int_equal (world->deleted, 0);
}

static void
orders_name_files_below_the_allowed_folders_only (void **state)
{
    s_world_t *world = *state;
    static const char *const bad[] = {"/etc/passwd", "relative.bak", "D:\\Backup\\a.bak"};
    bm_error_t error;
    for (size_t i = 0; i < 3; i++)
        assert_null (bm_files_allowed (&world->instance, bad[i], &error));
    assert_null (bm_files_allowed (&world->instance, world->folder, &error)); /* the root itself */
    char *out = bm_format ("%s/../x.bak", world->folder);
    assert_null (bm_files_allowed (&world->instance, out, &error));
    assert_int_equal (error.status, BM_PATH_NOT_ALLOWED);
    free (out);
    char *twice = bm_format ("%s//sub//x.bak", world->folder);
    char *clean = bm_files_allowed (&world->instance, twice, &error);
    assert_non_null (clean);
    assert_null (strstr (clean, "//"));
    free (clean);
    free (twice);
}

static void
a_mount_shows_the_windows_hosts_files (void **state)
{
    s_world_t *world = *state;
    s_mount (world, BM_FILES_UNC);
    char *sub = bm_format ("%s/full", world->folder);
    assert_int_equal (mkdir (sub, 0700), 0);
    char *file = s_write (sub, "a.bak", "five!");
    s_expect_look (world, "D:\\Backup\\full\\a.bak", BM_OK, true, 5);
    s_expect_look (world, "d:\\backup\\full\\a.bak", BM_OK, true, 5);
    s_expect_remove (world, "D:\\Backup\\full\\a.bak", BM_OK, false, NULL);
    assert_int_not_equal (access (file, F_OK), 0);
    bm_error_t error = {0};
    char *here = bm_files_manifest_folder (&world->instance, "D:\\Backup\\full", &error);
    assert_string_equal (here, sub);
    free (here);
    assert_null (bm_files_here (&world->instance, "E:\\Backup", &error));
    free (file);
    free (sub);
}

/*  An empty mount point looks like a folder whose files are all gone. */
static void
a_share_that_is_not_mounted_is_noticed (void **state)
{
    s_world_t *world = *state;
    s_mount (world, BM_FILES_UNC);
    world->exists = true; /* says SQL Server */
    s_expect_look (world, "D:\\Backup\\a.bak", BM_IO, false, -1);
    s_expect_remove (world, "D:\\Backup\\a.bak", BM_IO, false, "mount the share");
    world->exists = false;
    s_expect_remove (world, "D:\\Backup\\a.bak", BM_OK, true, NULL);
    /*  The twin: nobody to ask, so the file counts as gone. */
    world->exists = true;
    world->files.sql = NULL;
    s_expect_remove (world, "D:\\Backup\\a.bak", BM_OK, true, NULL);
}

static void
sql_server_is_asked_where_the_agent_does_not_see (void **state)
{
    s_world_t *world = *state;
    s_mount (world, BM_FILES_SQL);
    for (int old = 0; old < 2; old++) {
        world->old_server = old;
        world->exists = true;
        s_expect_look (world, "D:\\Backup\\a'b.bak", BM_OK, true, -1);
        assert_string_equal (world->asked, "D:\\Backup\\a'b.bak"); /* a parameter, no text */
        s_expect_remove (world, "D:\\Backup\\a.bak", BM_OK, false, NULL);
        assert_int_equal (world->deleted, old + 1);
        s_expect_remove (world, "D:\\Backup\\a.bak", BM_OK, true, NULL);
        assert_int_equal (world->deleted, old + 1);
    }
    world->exists = world->keeps = true;
    s_expect_remove (world, "D:\\Backup\\a.bak", BM_IO, false, "returned error 5");
    s_expect_remove (world, "D:\\Backup\\a.bak", BM_IO, false, "sysadmin");
    world->no_right = true;
    s_expect_look (world, "D:\\Backup\\a.bak", BM_SQL_FAILED, false, -1);
    world->files.sql = NULL;
    s_expect_look (world, "D:\\Backup\\a.bak", BM_SQL_LOGIN, false, -1);
    s_expect_look (world, "https://a/b.bak", BM_IO, false, -1);
}

static void
manifests_lie_where_the_agent_can_write (void **state)
{
    s_world_t *world = *state;
    bm_error_t error = {0};
    s_mount (world, BM_FILES_SQL);
    world->instance.manifest_path = world->folder;
    world->files.sql = NULL;
    char *folder = bm_files_manifest_folder (&world->instance, "D:\\Backup", &error);
    assert_string_equal (folder, world->folder);
    free (folder);
    char *file = s_write (world->folder, "BTS_1.btsmark.json", "{}");
    s_expect_look (world, "D:\\Backup\\BTS_1.btsmark.json", BM_OK, true, 2);
    char *allowed = bm_files_allowed (&world->instance, file, &error);
    assert_string_equal (allowed, file);
    free (allowed);
    s_expect_remove (world, file, BM_OK, false, NULL);
    s_expect_remove (world, "D:\\Backup\\BTS_1.btsmark.json", BM_OK, true, NULL);
    char *other = bm_format ("%s/other.bak", world->folder);
    assert_null (bm_files_allowed (&world->instance, other, &error)); /* manifests alone */
    free (other);
    free (file);
}

static void
s_expect_probe (s_world_t *world, const char *folder, bool look_only, bm_status_t status,
                int64_t room)
{
    bm_error_t error = {0};
    int64_t bytes = -2;
    if (bm_files_probe_folder (&world->files, folder, look_only, &bytes, &error) != status)
        fail_msg ("%s: %s", folder, error.text);
    if (room == -2 ? bytes <= 0 : bytes != room)
        fail_msg ("%s: room %lld", folder, (long long)bytes);
}

static void
room_is_that_of_the_longest_volume_that_holds_the_folder (void **state)
{
    s_world_t *world = *state;
    s_mount (world, BM_FILES_SQL);
    world->is_folder = true;
    const char *const volumes[] = {"C:\\", "100", "D:\\", "200", "D:\\Backup\\big", "300", NULL};
    memcpy (world->volumes, volumes, sizeof volumes);
    const char *const drives[] = {"E:\\", "400", NULL};
    memcpy (world->drives, drives, sizeof drives);
    s_expect_probe (world, "D:\\Backup", false, BM_OK, 200);
    s_expect_probe (world, "D:\\Backup\\bigger", false, BM_OK, 200);
    s_expect_probe (world, "d:\\backup\\big\\x", false, BM_OK, 300);
    s_expect_probe (world, "E:\\x", false, BM_OK, 400);
    s_expect_probe (world, "\\\\nas\\share", false, BM_OK, -1);
    memset (world->volumes, 0, sizeof world->volumes);
    world->old_server = true;
    s_expect_probe (world, "D:\\Backup", false, BM_OK, INT64_C (2048) * 1024 * 1024);
    world->is_folder = false;
    s_expect_probe (world, "D:\\Backup", false, BM_NOT_READY, INT64_C (2048) * 1024 * 1024);
}

/*  It keeps no backup from being taken, so only who checks beforehand is told. */
static void
a_folder_for_manifests_that_cannot_be_written_is_told_by_a_check (void **state)
{
    s_world_t *world = *state;
    s_mount (world, BM_FILES_SQL);
    world->is_folder = true;
    world->instance.manifest_path = (char *)"/tmp/btsmark-no-such-root";
    s_expect_probe (world, "D:\\Backup", false, BM_OK, INT64_C (2048) * 1024 * 1024);
    s_expect_probe (world, "D:\\Backup", true, BM_NOT_READY, -1);
    world->instance.manifest_path = world->folder;
    s_expect_probe (world, "D:\\Backup", true, BM_OK, INT64_C (2048) * 1024 * 1024);
}

static void
a_folder_is_tried_and_left_as_it_was (void **state)
{
    s_world_t *world = *state;
    s_expect_probe (world, world->folder, false, BM_OK, -2);
    s_expect_probe (world, world->folder, true, BM_OK, -2);
    s_expect_probe (world, "/tmp/btsmark-no-such-root", false, BM_NOT_READY, -1);
    s_expect_probe (world, "/tmp/btsmark-no-such-root", true, BM_NOT_READY, -1);
    assert_int_equal (rmdir (world->folder), 0); /* nothing is left in it */
    assert_int_equal (mkdir (world->folder, 0700), 0);
}

static void
a_mount_of_another_folder_is_noticed_before_a_backup (void **state)
{
    s_world_t *world = *state;
    s_mount (world, BM_FILES_UNC);
    world->exists = true; /* SQL Server sees the file that the agent made */
    s_expect_probe (world, "D:\\Backup", false, BM_OK, -2);
    assert_non_null (strstr (world->asked, "D:\\Backup\\.btsmark-probe-"));
    world->exists = false;
    s_expect_probe (world, "D:\\Backup", false, BM_NOT_READY, -2);
    world->old_server = world->no_right = true; /* a login that may not ask */
    s_expect_probe (world, "D:\\Backup", false, BM_OK, -2);
    assert_int_equal (rmdir (world->folder), 0);
    assert_int_equal (mkdir (world->folder, 0700), 0);
}

int
main (void)
{
    zsys_handler_set (NULL);
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (what_this_agent_sees_it_measures_and_removes_itself),
        T (a_folder_that_is_gone_as_a_whole_tells_nothing_of_its_files),
        T (no_symbolic_link_below_the_root_is_followed),
        T (a_folder_is_never_removed),
        T (orders_name_files_below_the_allowed_folders_only),
        T (a_mount_shows_the_windows_hosts_files),
        T (a_share_that_is_not_mounted_is_noticed),
        T (sql_server_is_asked_where_the_agent_does_not_see),
        T (manifests_lie_where_the_agent_can_write),
        T (room_is_that_of_the_longest_volume_that_holds_the_folder),
        T (a_folder_for_manifests_that_cannot_be_written_is_told_by_a_check),
        T (a_folder_is_tried_and_left_as_it_was),
        T (a_mount_of_another_folder_is_noticed_before_a_backup)};
#undef T
    return sql_main (tests, sizeof tests / sizeof *tests);
}
