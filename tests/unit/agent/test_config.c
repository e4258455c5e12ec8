#include "tests/unit/agent/tests.h"

static int
s_setup (void **state)
{
    *state = tests_place_new ();
    return 0;
}

static int
s_teardown (void **state)
{
    tests_place_free (*state);
    return 0;
}

/*  A sound file, in which %s are: [agent] lines, [allow] duties, [instance] lines, more sections. */
static void
s_write (const tests_place_t *place, const char *agent, const char *duties, const char *instance,
         const char *more)
{
    char *text = bm_format ("[agent]\nname = SQL01\nkey-file = agent\n%s\n"
                            "[allow full]\npublic-key = %s\nduties = %s\n"
                            "[instance SQL01]\nserver = localhost:1433\nlogin = sa\n%s\n%s",
                            agent, place->full_key, duties, instance, more);
    tests_write (place, "agent.ini", text);
    free (text);
}

#define S_INSTANCE "password-file = password\nbackup-path = /backup"

static bm_status_t
s_load (tests_place_t *place, bm_error_t *error)
{
    char *path = tests_path (place, "agent.ini");
    memset (error, 0, sizeof *error);
    bm_agent_config_destroy (&place->config);
    place->config = bm_agent_config_load (path, error);
    free (path);
    return place->config ? BM_OK : error->status;
}

static void
s_expect (tests_place_t *place, bm_status_t status, const char *word)
{
    bm_error_t error;
    assert_int_equal (s_load (place, &error), status);
    if (!strstr (error.text, word))
        fail_msg ("\"%s\" does not say %s", error.text, word);
    assert_null (strstr (error.text, "secret"));
}

static void
a_sound_file_has_these_defaults (void **state)
{
    tests_place_t *place = *state;
    bm_error_t error;
    s_write (place, "", "status, backup", S_INSTANCE, "");
    if (s_load (place, &error) != BM_OK)
        fail_msg ("%s", error.text);
    const bm_agent_config_t *config = place->config;
    assert_string_equal (config->bind, "tcp://*:5610");
    assert_int_equal (config->parallel_per_host, 2);
    assert_int_equal (config->heartbeat_ms, 2000);
    assert_int_equal (config->stop_deadline_ms, 20000);
    assert_int_equal (config->allow[0].duties, BM_DUTY_STATUS | BM_DUTY_BACKUP);
    assert_int_equal (bm_agent_config_find_key (config, place->full_key), 0);
    assert_int_equal (bm_agent_config_find_key (config, place->unknown_key), -1);
    const bm_instance_config_t *instance = &config->instances[0];
    assert_string_equal (instance->backup_path, "/backup");
    assert_int_equal (instance->allowed_count, 1);
    assert_int_equal (instance->files, BM_FILES_LOCAL);
    assert_int_equal (instance->alias_count, 0);
}

static void
aliases_and_paths_are_lists (void **state)
{
    tests_place_t *place = *state;
    bm_error_t error;
    s_write (place, "", "status",
             "password-file = password\nmanifest-path = m\nallowed-paths = D:\\A\\, D:\\B\naliases "
             "= a, b,1433 , c",
             "");
    if (s_load (place, &error) != BM_OK)
        fail_msg ("%s", error.text);
    const bm_instance_config_t *instance = &place->config->instances[0];
    assert_int_equal (instance->alias_count, 3);
    assert_string_equal (instance->aliases[1], "b,1433");
    assert_int_equal (instance->allowed_count, 2);
    assert_string_equal (instance->allowed_paths[0], "D:\\A");
    assert_string_equal (instance->backup_path, "");
    assert_int_equal (instance->files,
                      BM_FILES_SQL); /* a Windows host is looked at through SQL Server */
}

/*  One instance with these paths and files; the answer of the parser. */
static bm_status_t
s_files (tests_place_t *place, const char *lines, bm_error_t *error)
{
    char *instance = bm_format ("password-file = password\n%s", lines);
    s_write (place, "", "status", instance, "");
    free (instance);
    return s_load (place, error);
}

static void
a_mount_stands_for_the_backup_path_or_for_the_folder_before_it (void **state)
{
    tests_place_t *place = *state;
    bm_error_t error;
    if (s_files (place, "backup-path = D:\\Backup\nfiles = unc:/mnt/sql01/", &error) != BM_OK)
        fail_msg ("%s", error.text);
    const bm_instance_config_t *instance = &place->config->instances[0];
    assert_int_equal (instance->files, BM_FILES_UNC);
    assert_int_equal (instance->mount_count, 1);
    assert_string_equal (instance->mounts[0].folder, "D:\\Backup");
    assert_string_equal (instance->mounts[0].mount, "/mnt/sql01");
    if (s_files (place,
                 "backup-path = D:\\Backup\\full\nallowed-paths = \\\\NAS\\bts\n"
                 "files = unc:D:\\Backup => /mnt/d, \\\\NAS\\bts=>/mnt/nas",
                 &error) != BM_OK)
        fail_msg ("%s", error.text);
    instance = &place->config->instances[0];
    assert_int_equal (instance->mount_count, 2);
    assert_string_equal (instance->mounts[1].folder, "\\\\NAS\\bts");
    assert_string_equal (instance->mounts[1].mount, "/mnt/nas");
}

static void
files_that_nobody_could_reach_are_told_with_what_to_write (void **state)
{
    static const struct {
        const char *lines, *word;
    } bad[] = {
        {"backup-path = D:\\Backup\nfiles = remote", "files = sql"},
        {"backup-path = D:\\Backup", "manifest-path"},
        {"backup-path = D:\\Backup\nfiles = sql", "manifest-path"},
        {"backup-path = /b\nmanifest-path = /m", "manifest-path goes with files = sql"},
        {"backup-path = D:\\Backup\nfiles = local", "no folder of this host"},
        {"backup-path = https://a/b\nfiles = local", "no folder of this host"},
        {"backup-path = D:\\Backup\nallowed-paths = E:\\B\nfiles = unc:/mnt/d", "E:\\B => MOUNT"},
        {"backup-path = D:\\Backup\nfiles = unc:", "unc:MOUNT"},
        {"backup-path = D:\\Backup\nfiles = unc:mnt", "unc:MOUNT"},
        {"backup-path = D:\\Backup\nfiles = unc:D:\\Backup => E:\\x", "no folder of this host"},
        {"allowed-paths = D:\\Backup\nfiles = unc:/mnt/d", "unc:MOUNT"},
        {"backup-path = https://a/b\nfiles = unc:/mnt/d", "unc:MOUNT"},
        {"backup-path = /b\nfiles = nfs", "local, unc:MOUNT or sql"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bm_error_t error = {0};
        if (s_files (*state, bad[i].lines, &error) != BM_CONFIG ||
            !strstr (error.text, bad[i].word))
            fail_msg ("%s: %s", bad[i].lines, error.text);
    }
}

static void
what_is_wrong_is_told_with_what_is_right (void **state)
{
    tests_place_t *place = *state;
    s_write (place, "colour = blue", "status", S_INSTANCE, "");
    s_expect (place, BM_CONFIG, "colour");
    s_write (place, "parallel-per-host = 65", "status", S_INSTANCE, "");
    s_expect (place, BM_CONFIG, "parallel-per-host");
    s_write (place, "", "status, cook", S_INSTANCE, "");
    s_expect (place, BM_CONFIG, "duties");
    s_write (place, "", "", S_INSTANCE, "");
    s_expect (place, BM_CONFIG, "duties");
    s_write (place, "", "status", "password-file = password", "");
    s_expect (place, BM_CONFIG, "backup-path");
    s_write (place, "", "status", "password-file = password\nbackup-path = ../backup", "");
    s_expect (place, BM_CONFIG, "absolute");
    s_write (place, "", "status", "backup-path = /backup", "");
    s_expect (place, BM_CONFIG, "password-file");
    s_write (place, "", "status", S_INSTANCE "\naliases = 1433", "");
    s_expect (place, BM_CONFIG, "aliases");
    s_write (place, "", "status", S_INSTANCE,
             "[instance sql01]\nserver = x\nlogin = sa\n" S_INSTANCE "\n");
    s_expect (place, BM_CONFIG, "instance sql01");
    s_write (place, "", "status", S_INSTANCE,
             "[allow other]\npublic-key = short\nduties = status\n");
    s_expect (place, BM_CONFIG, "public-key");
}

static void
a_key_that_stands_twice_is_refused (void **state)
{
    tests_place_t *place = *state;
    char *more = bm_format ("[allow again]\npublic-key = %s\nduties = status\n", place->full_key);
    s_write (place, "", "status", S_INSTANCE, more);
    s_expect (place, BM_CONFIG, "public-key");
    free (more);
}

static void
nobody_allowed_or_nothing_served_is_refused (void **state)
{
    tests_place_t *place = *state;
    tests_write (place, "agent.ini", "[agent]\nname = A\nkey-file = agent\n");
    s_expect (place, BM_CONFIG, "[allow NAME]");
    char *text = bm_format ("[agent]\nname = A\nkey-file = agent\n[allow x]\npublic-key = %s\n"
                            "duties = status\n",
                            place->full_key);
    tests_write (place, "agent.ini", text);
    s_expect (place, BM_CONFIG, "[instance NAME]");
    tests_write (place, "agent.ini", "[allow x]\n");
    s_expect (place, BM_CONFIG, "[agent]");
    free (text);
}

static void
secrets_must_be_private_files (void **state)
{
    tests_place_t *place = *state;
    char *password = tests_path (place, "password"), *key = tests_path (place, "agent");
    s_write (place, "", "status", S_INSTANCE, "");
    assert_int_equal (chmod (password, 0644), 0);
    s_expect (place, BM_CONFIG_SECRET, "password");
    assert_int_equal (unlink (password), 0);
    s_expect (place, BM_CONFIG_SECRET, "password");
    tests_write (place, "password", "secret\n");
    assert_int_equal (chmod (key, 0640), 0);
    s_expect (place, BM_CONFIG_SECRET, "agent");
    free (password);
    free (key);
}

int
main (void)
{
#define T(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests[] = {
        T (a_sound_file_has_these_defaults),
        T (aliases_and_paths_are_lists),
        T (a_mount_stands_for_the_backup_path_or_for_the_folder_before_it),
        T (files_that_nobody_could_reach_are_told_with_what_to_write),
        T (what_is_wrong_is_told_with_what_is_right),
        T (a_key_that_stands_twice_is_refused),
        T (nobody_allowed_or_nothing_served_is_refused),
        T (secrets_must_be_private_files)};
#undef T
    return cmocka_run_group_tests (tests, NULL, NULL);
}
