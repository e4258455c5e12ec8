#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/key.h"
#include "common/limits.h"
#include "coordinator/shell/settings.h"

#define KEY         "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define GROUP       "[group]\nname = G\nmanagement-server = sql01:1433\nlogin = sa\npassword-file = pw\n"
#define COORDINATOR "[coordinator]\nkey-file = key\n"
#define AGENT       "[agent SQL01]\naddress = tcp://sql01:5610\nserver-key = " KEY "\n"
#define MINIMAL     GROUP COORDINATOR AGENT

static bm_settings_t *
parsed (const char *text)
{
    bm_error_t error = {0};
    bm_settings_t *settings = bm_settings_parse ("btsmark.ini", text, &error);
    if (!settings)
        fail_msg ("%s", error.text);
    return settings;
}

/*  The text is refused, and the error names what is wrong. */
static void
assert_refused (const char *text, const char *names)
{
    bm_error_t error = {0};
    bm_settings_t *settings = bm_settings_parse ("btsmark.ini", text, &error);
    assert_null (settings);
    assert_int_equal (error.status, BM_CONFIG);
    if (!strstr (error.text, names))
        fail_msg ("\"%s\" does not name \"%s\"", error.text, names);
    assert_non_null (strstr (error.text, "btsmark.ini"));
}

static void
every_key_has_the_default_that_the_annotated_file_shows (void **state)
{
    (void)state;
    bm_settings_t *s = parsed (MINIMAL);
    assert_string_equal (s->management_database, "BizTalkMgmtDb");
    assert_int_equal (s->lock_wait_ms, 30000);
    assert_false (s->exit_on_warnings);
    assert_int_equal (s->heartbeat_ms, 5000);
    assert_int_equal (s->full_every, BM_EVERY_DAY);
    assert_int_equal (s->backup_hour, -1);
    assert_int_equal (s->time_zone, BM_ZONE_UTC);
    assert_string_equal (s->path, "");
    assert_false (s->compression);
    assert_int_equal (s->method, BM_METHOD_PROCEDURE);
    assert_string_equal (s->mark_prefix, "BTS");
    assert_true (s->delete_files && s->trim_mark_log);
    assert_int_equal (s->keep_marks, 3);
    assert_int_equal (s->keep_time_ms, 14 * 86400000LL);
    assert_int_equal (s->mark_retries, 2);
    assert_int_equal (s->lease_ms, 11000);
    assert_int_equal (s->commit_deadline_ms, 3000);
    assert_int_equal (s->prove_poll_ms, 5000);
    assert_int_equal (s->doubtful, BM_DOUBTFUL_WARN);
    assert_int_equal (s->agent_count, 1);
    assert_string_equal (s->agents[0].server_key, KEY);
    assert_non_null (strstr (s->catalogue, "catalogue.db"));
    bm_settings_destroy (&s);
    assert_null (s);
    bm_settings_destroy (&s);
}

/*  The file with every "; key = value" line made real must be good, too, and say the same as its defaults. */
/*  Lines that explain a value, and keys that only go with another one's value. */
static bool
s_is_prose (const char *text)
{
    static const char *const words[] = {
        "procedure = ",       "path =", "off = ", "kerberos = ", "delete = ", "trim = ",
        "service-principal ="};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp (text, words[i], strlen (words[i])) == 0)
            return true;
    return false;
}

static void
the_annotated_file_is_what_is_read (void **state)
{
    (void)state;
    const char *source = getenv ("BTSMARK_SOURCE");
    if (!source)
        skip ();
    char path[4096];
    snprintf (path, sizeof path, "%s/deploy/btsmark.ini", source);
    FILE *file = fopen (path, "r");
    assert_non_null (file);
    char line[1024], *text = NULL;
    size_t size = 0;
    FILE *whole = open_memstream (&text, &size);
    while (fgets (line, sizeof line, file)) {
        char *key = line;
        if (strncmp (line, "; ", 2) == 0) {
            size_t word = strspn (line + 2, "abcdefghijklmnopqrstuvwxyz-");
            if (word > 0 && strncmp (line + 2 + word, " =", 2) == 0 && !strstr (line, "[backup]") &&
                !strstr (line, "tcp://host") && !strstr (line, "publish-as") &&
                !s_is_prose (line + 2))
                key += 2;
        }
        fputs (key, whole);
    }
    fclose (file);
    fclose (whole);
    bm_settings_t *shown = parsed (text), *defaults = parsed (MINIMAL);
    assert_int_equal (shown->lock_wait_ms, defaults->lock_wait_ms);
    assert_int_equal (shown->agent_timeout_ms, defaults->agent_timeout_ms);
    assert_int_equal (shown->full_retry_pause_ms, defaults->full_retry_pause_ms);
    assert_int_equal (shown->keep_marks, defaults->keep_marks);
    assert_int_equal (shown->keep_time_ms, defaults->keep_time_ms);
    assert_int_equal (shown->delete_files, defaults->delete_files);
    assert_int_equal (shown->trim_mark_log, defaults->trim_mark_log);
    assert_int_equal (shown->mark_retries, defaults->mark_retries);
    assert_int_equal (shown->prepare_deadline_ms, defaults->prepare_deadline_ms);
    assert_int_equal (shown->release_deadline_ms, defaults->release_deadline_ms);
    assert_int_equal (shown->prove_deadline_ms, defaults->prove_deadline_ms);
    assert_int_equal (shown->settle_wait_ms, defaults->settle_wait_ms);
    assert_int_equal (shown->doubtful, defaults->doubtful);
    assert_int_equal (shown->recovery_point_ms, defaults->recovery_point_ms);
    assert_int_equal (shown->full_age_ms, defaults->full_age_ms);
    assert_int_equal (shown->clock_offset_ms, defaults->clock_offset_ms);
    assert_int_equal (shown->ignored_count, 0);
    assert_int_equal (shown->backup_hour, defaults->backup_hour);
    assert_int_equal (shown->backup_hour_zone, defaults->backup_hour_zone);
    assert_int_equal (shown->compression, defaults->compression);
    bm_settings_destroy (&shown);
    bm_settings_destroy (&defaults);
    free (text);
}

static void
a_wrong_value_is_refused_with_its_section_and_key (void **state)
{
    (void)state;
    assert_refused (COORDINATOR AGENT, "[group]");
    assert_refused (GROUP AGENT, "[coordinator]");
    assert_refused (GROUP COORDINATOR, "[agent NAME]");
    assert_refused ("[group]\nname = G\nlogin = sa\npassword-file = pw\n" COORDINATOR AGENT,
                    "management-server");
    assert_refused (MINIMAL "[schedule]\nfull-every = x\n", "full-every");
    assert_refused (MINIMAL "[schedule]\nbackup-hour = 24\n", "backup-hour");
    assert_refused (MINIMAL "[schedule]\nfull-every = daily\n", "one of h, d, w, m, y");
    assert_refused (MINIMAL "[schedule]\nbackup-hour = -1\n", "backup-hour");
    assert_refused (MINIMAL "[schedule]\ntime-zone = cet\n", "time-zone");
    assert_refused (MINIMAL "[schedule]\nbackup-hour-zone = utc\n", "backup-hour-zone");
    assert_refused (MINIMAL "[backup]\ncompression = maybe\n", "yes, no or keep");
    assert_refused (MINIMAL "[backup]\nmethod = copy\n", "method");
    assert_refused (MINIMAL "[backup]\nmark-prefix = NINECHARS\n", "mark-prefix");
    assert_refused (MINIMAL "[backup]\npath = backup\n", "path");
    assert_refused (MINIMAL "[backup]\npath = D:backup\n", "path");
    assert_refused (MINIMAL "backup-path = ./backup\n", "backup-path");
    assert_refused (MINIMAL "[retention]\nkeep-marks = 0\n", "keep-marks");
    assert_refused (MINIMAL "[retention]\nkeep-marks = 100001\n", "keep-marks");
    assert_refused (MINIMAL "[retention]\nkeep-time = 36501 d\n", "keep-time");
    assert_refused (MINIMAL "[retention]\nfiles = some\n", "delete|keep");
    assert_refused (MINIMAL "[retention]\nmark-log = no\n", "trim|keep");
    assert_refused (MINIMAL "[round]\ndoubtful = maybe\n", "doubtful");
    assert_refused (MINIMAL "[round]\nlease = 5 min\n", "lease");
    assert_refused (MINIMAL "[round]\nmark-retires = 3\n", "mark-retires");
    assert_refused (GROUP COORDINATOR "exit-on-warnings = 1\n" AGENT, "exit-on-warnings");
    assert_refused (GROUP COORDINATOR "[agent A]\naddress = sql01:5610\nserver-key = " KEY "\n",
                    "tcp://");
    assert_refused (GROUP COORDINATOR "[agent A]\naddress = tcp://sql01:66000\nserver-key = " KEY
                                      "\n",
                    "address");
    assert_refused (GROUP COORDINATOR "[agent A]\naddress = tcp://sql01:5610\nserver-key = short\n",
                    "server-key");
    assert_refused (GROUP COORDINATOR "[agent A]\naddress = tcp://sql01:5610\n", "server-key");
    assert_refused (MINIMAL "publish-as = D:\\Backup\n", "publish-as");
    assert_refused (MINIMAL "[agent sql01]\naddress = tcp://x:1\nserver-key = " KEY "\n",
                    "stands already");
}

static void
the_schedule_of_the_job_is_said_in_its_letters_and_clocks (void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bm_frequency_t every;
        int hour;
        bm_zone_t zone, hour_zone;
    } cases[] = {
        {"full-every = W\nbackup-hour = 0\n", BM_EVERY_WEEK, 0, BM_ZONE_UTC, BM_ZONE_UTC},
        {"full-every = h\nbackup-hour = 23\n", BM_EVERY_HOUR, 23, BM_ZONE_UTC, BM_ZONE_UTC},
        {"full-every = m\ntime-zone = local\n", BM_EVERY_MONTH, -1, BM_ZONE_LOCAL, BM_ZONE_LOCAL},
        {"full-every = y\nbackup-hour = any\n", BM_EVERY_YEAR, -1, BM_ZONE_UTC, BM_ZONE_UTC},
        /*  BizTalk's own: UTC days, the hour by the local clock */
        {"backup-hour-zone = local\n", BM_EVERY_DAY, -1, BM_ZONE_UTC, BM_ZONE_LOCAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = bm_format ("%s[schedule]\n%s", MINIMAL, cases[i].text);
        bm_error_t error = {0};
        bm_settings_t *s = bm_settings_parse ("b.ini", text, &error);
        assert_non_null (s);
        assert_int_equal (s->full_every, cases[i].every);
        assert_int_equal (s->backup_hour, cases[i].hour);
        assert_int_equal (s->time_zone, cases[i].zone);
        assert_int_equal (s->backup_hour_zone, cases[i].hour_zone);
        bm_settings_destroy (&s);
        free (text);
    }
}

static void
compression_is_written_or_left_as_the_group_has_it (void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bm_compression_t compression;
    } cases[] = {{"yes", BM_COMPRESSION_YES},
                 {"1", BM_COMPRESSION_YES},
                 {"no", BM_COMPRESSION_NO},
                 {"false", BM_COMPRESSION_NO},
                 {"keep", BM_COMPRESSION_KEEP}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = bm_format ("%s[backup]\ncompression = %s\n", MINIMAL, cases[i].text);
        bm_error_t error = {0};
        bm_settings_t *s = bm_settings_parse ("b.ini", text, &error);
        assert_non_null (s);
        assert_int_equal (s->compression, cases[i].compression);
        bm_settings_destroy (&s);
        free (text);
    }
}

static void
a_lease_must_hold_the_deadlines_inside_it (void **state)
{
    (void)state;
    bm_settings_t *s = parsed (MINIMAL "[round]\nlease = 13 s\ncommit-deadline = 5 s\n");
    assert_int_equal (s->lease_ms, 13000);
    bm_settings_destroy (&s);
    assert_refused (MINIMAL "[round]\nlease = 12999 ms\ncommit-deadline = 5 s\n", "lease");
}

static void
as_many_agents_as_the_limit_are_read_and_one_more_is_not (void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream (&text, &size);
        fputs (GROUP COORDINATOR, file);
        for (int i = 0; i < BM_LIMIT_AGENTS + more; i++)
            fprintf (file, "[agent A%d]\naddress = tcp://h:1\nserver-key = %s\n", i, KEY);
        fclose (file);
        bm_error_t error = {0};
        bm_settings_t *s = bm_settings_parse ("many.ini", text, &error);
        assert_int_equal (s != NULL, !more);
        if (more)
            assert_int_equal (error.status, BM_LIMIT);
        bm_settings_destroy (&s);
        free (text);
    }
}

static void
a_path_is_published_by_its_longest_folder (void **state)
{
    (void)state;
    bm_settings_t *s =
        parsed (MINIMAL "publish-as = D:\\Backup => \\\\SQL01\\Backup, "
                        "D:\\Backup\\bts\\ => \\\\NAS\\bts\\, /srv/backup => /mnt/sql01\n");
    const char *const cases[][2] = {
        {"D:\\Backup\\x.bak", "\\\\SQL01\\Backup\\x.bak"},
        {"d:\\backup\\sub\\x.bak", "\\\\SQL01\\Backup\\sub\\x.bak"},
        {"D:\\Backup\\bts\\x.bak", "\\\\NAS\\bts\\x.bak"},
        {"D:\\Backups\\x.bak", "D:\\Backups\\x.bak"},
        {"/srv/backup/SQL01/x.bak", "/mnt/sql01/SQL01/x.bak"},
        {"/srv/Backup/x.bak", "/srv/Backup/x.bak"},
        {"/srv/backup2/x.bak", "/srv/backup2/x.bak"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *published = bm_settings_publish (s, 0, cases[i][0]);
        assert_string_equal (published, cases[i][1]);
        free (published);
    }
    bm_settings_destroy (&s);
}

static void
an_agents_own_path_is_taken_before_the_common_one (void **state)
{
    (void)state;
    bm_settings_t *s =
        parsed (MINIMAL "backup-path = /own\n[agent B]\naddress = tcp://b:5610\nserver-key = " KEY
                        "\n[backup]\npath = /all\n");
    assert_string_equal (bm_settings_path (s, bm_settings_agent (s, "sql01")), "/own");
    assert_string_equal (bm_settings_path (s, bm_settings_agent (s, "B")), "/all");
    assert_int_equal (bm_settings_agent (s, "C"), -1);
    bm_settings_destroy (&s);
}

static void
write_file (const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen (path, "w");
    assert_non_null (file);
    fputs (text, file);
    fclose (file);
    assert_int_equal (chmod (path, mode), 0);
}

static void
a_password_file_that_others_can_read_is_refused (void **state)
{
    (void)state;
    char folder[] = "/tmp/bm-settings-XXXXXX", path[512];
    assert_non_null (mkdtemp (folder));
    assert_int_equal (chdir (folder), 0);
    snprintf (path, sizeof path, "%s/btsmark.ini", folder);
    char public_text[BM_KEY_TEXT_BYTES];
    bm_error_t error = {0};
    write_file ("btsmark.ini",
                GROUP COORDINATOR "[agent A]\naddress = tcp://a:5610\nserver-key-file = key.pub\n",
                0600);
    write_file ("pw", "secret\n", 0644);
    assert_int_equal (bm_key_generate ("key", "test", public_text, &error), BM_OK);
    bm_settings_t *s = bm_settings_load (path, &error);
    assert_null (s);
    assert_int_equal (error.status, BM_CONFIG_SECRET);
    assert_null (strstr (error.text, "secret\n"));

    assert_int_equal (chmod ("pw", 0600), 0);
    memset (&error, 0, sizeof error);
    s = bm_settings_load (path, &error);
    if (!s)
        fail_msg ("%s", error.text);
    assert_string_equal (s->agents[0].server_key, public_text);
    bm_settings_destroy (&s);

    unlink ("key.pub");
    assert_null (bm_settings_load (path, &error));
    assert_int_equal (error.status, BM_CONFIG);
    unlink ("key");
    unlink ("pw");
    unlink ("btsmark.ini");
    assert_int_equal (chdir ("/"), 0);
    rmdir (folder);
}

static void
the_old_key_for_the_history_is_refused_with_what_to_write_instead (void **state)
{
    (void)state;
    bm_error_t error = {0};
    assert_null (bm_settings_parse ("btsmark.ini", MINIMAL "[backup]\nkeep-days = 30\n", &error));
    assert_int_equal (error.status, BM_CONFIG);
    assert_non_null (strstr (error.text, "keep-days = 30"));
    assert_non_null (strstr (error.remedy, "[retention] with keep-time = 30 d"));
    error = (bm_error_t){0};
    assert_null (bm_settings_parse ("btsmark.ini", MINIMAL "[backup]\nkeep-days = 0\n", &error));
    assert_non_null (strstr (error.remedy, "keep-time = 36500 d"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_key_has_the_default_that_the_annotated_file_shows),
        cmocka_unit_test (the_annotated_file_is_what_is_read),
        cmocka_unit_test (a_wrong_value_is_refused_with_its_section_and_key),
        cmocka_unit_test (the_old_key_for_the_history_is_refused_with_what_to_write_instead),
        cmocka_unit_test (the_schedule_of_the_job_is_said_in_its_letters_and_clocks),
        cmocka_unit_test (compression_is_written_or_left_as_the_group_has_it),
        cmocka_unit_test (a_lease_must_hold_the_deadlines_inside_it),
        cmocka_unit_test (as_many_agents_as_the_limit_are_read_and_one_more_is_not),
        cmocka_unit_test (a_path_is_published_by_its_longest_folder),
        cmocka_unit_test (an_agents_own_path_is_taken_before_the_common_one),
        cmocka_unit_test (a_password_file_that_others_can_read_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
