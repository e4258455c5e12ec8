#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/inspect.h"
#include "common/limits.h"

/*  An instance that is in order unless a test changes something. */
typedef struct {
    const char *recovery, *state, *reuse, *durability, *last_log, *program;
    const char *log_procedure, *set_mark, *tracking;
    const char *deny; /* every right whose question holds this text */
    bool no_access, blind, prepared, hidden_jobs;
    const char *job, *job_enabled, *scheduled;    /* NULL = there is no such job */
    const char *neighbour, *neighbour_sign, *dtc; /* NULL = there is none */
    int64_t full_bytes;
    Btsmark__Method method;
} s_world_t;

static const s_world_t s_sound = {.recovery = "FULL",
                                  .state = "ONLINE",
                                  .reuse = "NOTHING",
                                  .durability = "DISABLED",
                                  .last_log = "35000000012300001",
                                  .log_procedure = "7",
                                  .set_mark = "5",
                                  .full_bytes = 1000,
                                  .method = BTSMARK__METHOD__PROCEDURE};

static char s_folder[64];

/*  "SELECT SUSER_SNAME () AS bm_login, ..., HAS_PERMS_BY_NAME (...) AS may_0, ...;": one row, column by column. */
static void
s_answer_rights (fake_session_t *session, const s_world_t *it, const char *text)
{
    char columns[512] = "";
    const char *values[32];
    size_t count = 0;
    for (const char *at = text; (at = strstr (at, " AS ")); at += 4) {
        char name[32];
        snprintf (name, sizeof name, "%.*s", (int)strcspn (at + 4, ",;"), at + 4);
        snprintf (columns + strlen (columns), sizeof columns - strlen (columns), "%s%s",
                  count ? "," : "", name);
        const char *question = at;
        while (question > text && strncmp (question, "HAS_PERMS", 9) != 0)
            question--;
        char asked[400];
        snprintf (asked, sizeof asked, "%.*s", (int)(at - question), question);
        values[count] = it->deny && strstr (asked, it->deny) ? "0" : "1";
        if (strcmp (name, "bm_login") == 0)
            values[count] = "btsmark";
        else if (strcmp (name, "bm_access") == 0)
            values[count] = it->no_access ? "0" : "1";
        else if (strcmp (name, "bm_sees") == 0)
            values[count] = it->blind ? "0" : "1";
        else if (strcmp (name, "bm_procedure") == 0)
            values[count] = it->set_mark;
        count++;
    }
    fake_rows (session, columns, 1, values);
}

static void
s_answer_jobs (fake_session_t *session, const s_world_t *it)
{
    fake_rows (session, "bm_job,enabled,job", it->job ? 1 : 0,
               (const char *[]){it->job, it->job_enabled, "A1"});
    fake_rows (session, "bm_scheduled", it->scheduled ? 1 : 0, (const char *[]){it->scheduled});
}

static void
s_answer_list (fake_session_t *session, const s_world_t *it)
{
    fake_rows (session,
               "name,state_desc,recovery_model_desc,is_read_only,user_access_desc,is_in_standby,"
               "last_log_backup_lsn,recovery_fork,family",
               1,
               (const char *[]){"OrdersDb", it->state, it->recovery, "0", "MULTI_USER", "0",
                                it->last_log, "F", "F"});
}

static void
s_answer_log (fake_session_t *session, const s_world_t *it)
{
    fake_rows (session, "bm_reuse,delayed_durability_desc,bm_procedure", 1,
               (const char *[]){it->reuse, it->durability, it->log_procedure});
    fake_one (session, "bm_log_pages", 1024);
    fake_one (session, "bm_log_age_s", 600);
}

static bool
s_answer_neighbours (fake_session_t *session, const s_world_t *it, const char *text)
{
    if (strstr (text, "bm_neighbour"))
        fake_rows (session, "bm_neighbour,state_desc", it->neighbour ? 2 : 1,
                   (const char *[]){"OrdersDb", "ONLINE", it->neighbour, "ONLINE"});
    else if (strstr (text, "bm_distributed"))
        fake_rows (session, "bm_distributed", it->dtc ? 1 : 0, (const char *[]){it->dtc});
    else if (strstr (text, "bm_marklog"))
        fake_rows (session, "bm_marklog,bm_setmark,bm_tracking", 1,
                   (const char *[]){it->neighbour_sign, NULL, NULL});
    else
        return false;
    return true;
}

static bool
s_script (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    (void)rpc;
    const s_world_t *it = ((sql_place_t *)session->fake->argument)->argument;
    char bytes[24];
    *run = SH_RUN_DONE;
    if (strstr (text, "SUSER_SNAME"))
        s_answer_rights (session, it, text);
    else if (strstr (text, "sysjobs") && it->hidden_jobs)
        fake_say (session, 229, 14, 5, "The SELECT permission was denied on the object 'sysjobs'.");
    else if (strstr (text, "sysjobs"))
        s_answer_jobs (session, it);
    else if (s_answer_neighbours (session, it, text))
        return true;
    else if (strstr (text, "bm_reuse"))
        s_answer_log (session, it);
    else if (strstr (text, "database_recovery_status"))
        s_answer_list (session, it);
    else if (strstr (text, "dm_exec_sessions"))
        fake_rows (session, "bm_spid,program_name", it->program ? 1 : 0,
                   (const char *[]){"77", it->program});
    else if (strstr (text, "dm_tran_active_transactions"))
        fake_one (session, "prepared", it->prepared);
    else if (strstr (text, "has_sp_SetMark")) {
        fake_rows (session,
                   "has_sp_SetMark,has_sp_BackupBizTalkFull,has_sp_BackupBizTalkLog,has_MarkLog,"
                   "has_TDDS_StreamStatus,has_TDDS_BlockTDDS,has_Tracking_Spool1",
                   1,
                   (const char *[]){it->set_mark, it->set_mark, it->log_procedure, "8",
                                    it->tracking, it->tracking, it->tracking});
        fake_one (session, "compression", 1);
        fake_one (session, "sees_all", it->blind ? 0 : 1);
    } else if (strstr (text, "msdb.dbo.backupset")) {
        snprintf (bytes, sizeof bytes, "%lld", (long long)it->full_bytes);
        fake_rows (session, "backup_size,compressed_backup_size,fork", 1,
                   (const char *[]){bytes, NULL, "F"});
    } else
        return false;
    return true;
}

static Btsmark__Inspected *
s_inspect (sql_place_t *place, const s_world_t *world)
{
    char *allowed[] = {s_folder};
    bm_instance_config_t instance = {.name = "SQL01",
                                     .login = "btsmark",
                                     .backup_path = s_folder,
                                     .allowed_paths = allowed,
                                     .allowed_count = 1,
                                     .files = BM_FILES_LOCAL};
    Btsmark__DatabaseTarget target = BTSMARK__DATABASE_TARGET__INIT, *targets[] = {&target};
    Btsmark__Inspect order = BTSMARK__INSPECT__INIT;
    target.name = (char *)(uintptr_t) "ordersdb";
    order.set_type = BTSMARK__SET_TYPE__FULL;
    order.databases = targets;
    order.n_databases = 1;
    order.management = true;
    order.method = world->method;
    static s_world_t copy; /* the script reads it until the session ends */
    copy = *world;
    place->argument = &copy;
    place->fake->script = s_script;
    bm_inspect_t inspect = {.instance = &instance, .start_id = 0xABCD, .sql = place->sql};
    return bm_inspect_run (&inspect, &order);
}

/*  Exactly one finding above "ok": of this level and topic, its text and its remedy holding these words. */
static void
s_expect (sql_place_t *place, s_world_t world, Btsmark__FindingLevel level, const char *topic,
          const char *word, const char *remedy)
{
    Btsmark__Inspected *inspected = s_inspect (place, &world);
    if (inspected->n_findings != 1) {
        for (size_t i = 0; i < inspected->n_findings; i++)
            print_error ("%d %s %s: %s\n", inspected->findings[i]->level,
                         inspected->findings[i]->topic, inspected->findings[i]->database,
                         inspected->findings[i]->text);
        fail_msg ("%zu findings, one was expected: %s", inspected->n_findings, topic);
    }
    const Btsmark__Finding *it = inspected->findings[0];
    assert_int_equal (it->level, level);
    assert_string_equal (it->topic, topic);
    if (!strstr (it->text, word))
        fail_msg ("\"%s\" does not say \"%s\"", it->text, word);
    if (!strstr (it->remedy, remedy))
        fail_msg ("\"%s\" does not say \"%s\"", it->remedy, remedy);
    btsmark__inspected__free_unpacked (inspected, NULL);
}

#define FAILURE BTSMARK__FINDING_LEVEL__FINDING_FAILURE
#define WARNING BTSMARK__FINDING_LEVEL__FINDING_WARNING
#define NOTE    BTSMARK__FINDING_LEVEL__FINDING_NOTE

/*  One change to the sound world, written in place. */
#define EXPECT(state, change, level, topic, word, remedy)                                          \
    do {                                                                                           \
        s_world_t world = s_sound;                                                                 \
        change;                                                                                    \
        s_expect (*(state), world, level, topic, word, remedy);                                    \
    } while (0)

static void
an_instance_in_order_has_no_finding_and_all_facts (void **state)
{
    Btsmark__Inspected *inspected = s_inspect (*state, &s_sound);
    for (size_t i = 0; i < inspected->n_findings; i++)
        print_error ("%s: %s\n", inspected->findings[i]->topic, inspected->findings[i]->text);
    assert_int_equal (inspected->n_findings, 0);
    assert_null (inspected->fault);
    assert_int_equal (inspected->n_databases, 1);
    const Btsmark__DatabaseFacts *facts = inspected->databases[0];
    assert_string_equal (facts->name, "OrdersDb");
    assert_string_equal (facts->log_reuse_wait, "NOTHING");
    assert_int_equal (facts->log_bytes, 1024 * 8192);
    assert_int_equal (facts->log_backup_age_ms, 600000);
    assert_int_equal (facts->last_full_bytes, 1000);
    btsmark__inspected__free_unpacked (inspected, NULL);
}

static void
looking_makes_no_file (void **state)
{
    Btsmark__Inspected *inspected = s_inspect (*state, &s_sound);
    assert_true (inspected->databases[0]->free_bytes > 0);
    btsmark__inspected__free_unpacked (inspected, NULL);
    /*  A file that is made and removed again leaves its trace in the folder's time of change. */
    struct stat before, after;
    assert_int_equal (stat (s_folder, &before), 0);
    inspected = s_inspect (*state, &s_sound);
    btsmark__inspected__free_unpacked (inspected, NULL);
    assert_int_equal (stat (s_folder, &after), 0);
    assert_int_equal (before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    assert_int_equal (before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void
what_a_run_would_refuse_is_a_failure (void **state)
{
    EXPECT (state, world.recovery = "SIMPLE", FAILURE, "recovery-model", "SIMPLE",
            "SET RECOVERY FULL");
    EXPECT (state, world.recovery = "BULK_LOGGED", WARNING, "recovery-model", "BULK_LOGGED", "");
    EXPECT (state, world.state = "SUSPECT", FAILURE, "state", "SUSPECT", "ONLINE");
    EXPECT (state, world.full_bytes = INT64_MAX / 2, FAILURE, "space", "MiB free", "make room");
    EXPECT (state, world.log_procedure = NULL, FAILURE, "procedures", "sp_BackupBizTalkLog",
            "Backup_Setup_All_Procs.sql");
}

static void
a_database_without_a_full_gets_it_from_the_next_run (void **state)
{
    EXPECT (state, world.last_log = NULL, NOTE, "no-full", "coming run", "force-full");
}

static void
native_backups_need_no_procedure (void **state)
{
    s_world_t world = s_sound;
    world.log_procedure = NULL;
    world.method = BTSMARK__METHOD__NATIVE;
    world.deny = "sp_BackupBizTalk";
    Btsmark__Inspected *inspected = s_inspect (*state, &world);
    assert_int_equal (inspected->n_findings, 0);
    btsmark__inspected__free_unpacked (inspected, NULL);
}

static void
each_right_that_lacks_comes_with_its_grant (void **state)
{
    EXPECT (state, world.deny = "VIEW SERVER STATE", WARNING, "grants", "unchecked",
            "GRANT VIEW SERVER STATE TO [btsmark]");
    EXPECT (state, world.deny = "ALTER ANY CONNECTION", WARNING, "grants", "cannot be ended",
            "GRANT ALTER ANY CONNECTION");
    EXPECT (state, world.deny = "logmarkhistory", FAILURE, "grants", "no mark can be proved",
            "GRANT SELECT ON dbo.logmarkhistory TO [btsmark]");
    EXPECT (state, world.deny = "N'BACKUP LOG'", FAILURE, "grants", "no log backup",
            "USE [OrdersDb]; GRANT BACKUP LOG TO [btsmark];");
    EXPECT (state, world.deny = "N'BACKUP DATABASE'", FAILURE, "grants", "no full backup",
            "GRANT BACKUP DATABASE");
    EXPECT (state, (world.deny = "VIEW DEFINITION", world.blind = true), FAILURE, "grants",
            "tracking tables", "USE [OrdersDb]; GRANT VIEW DEFINITION TO [btsmark];");
    EXPECT (state, world.deny = "sp_SetMark', N'OBJECT', N'EXECUTE'", FAILURE, "grants",
            "no mark can be placed", "GRANT EXECUTE ON dbo.sp_SetMark TO [btsmark]");
    EXPECT (state, world.deny = "sp_BackupBizTalkLog", FAILURE, "grants", "no log backup",
            "GRANT EXECUTE ON dbo.sp_BackupBizTalkLog");
    EXPECT (state, world.deny = "MarkLog', N'OBJECT', N'SELECT'", FAILURE, "grants",
            "no mark can be proved", "GRANT SELECT ON dbo.MarkLog");
    EXPECT (state, world.deny = "N'DELETE'", NOTE, "grants", "old rows", "GRANT DELETE");
    EXPECT (state, (world.tracking = "9", world.deny = "TDDS_BlockTDDS"), FAILURE, "grants",
            "no fence", "GRANT EXECUTE ON dbo.TDDS_BlockTDDS");
    EXPECT (state, (world.tracking = "9", world.deny = "Tracking_Spool1"), FAILURE, "grants",
            "no fence", "GRANT SELECT ON dbo.Tracking_Spool1");
}

static void
a_login_without_a_user_or_role_is_told_once (void **state)
{
    EXPECT (
        state,
        (world.no_access = true, world.set_mark = world.log_procedure = NULL, world.blind = true),
        FAILURE, "grants", "no access", "CREATE USER [btsmark] FOR LOGIN [btsmark]");
    EXPECT (state, (world.set_mark = world.log_procedure = NULL, world.blind = true), FAILURE,
            "grants", "BTS_BACKUP_USERS", "ALTER ROLE BTS_BACKUP_USERS ADD MEMBER [btsmark]");
}

static void
a_procedure_that_is_not_there_is_no_missing_right (void **state)
{
    s_world_t world = s_sound;
    world.set_mark = world.log_procedure = NULL;
    Btsmark__Inspected *inspected = s_inspect (*state, &world);
    assert_true (inspected->n_findings >= 3);
    for (size_t i = 0; i < inspected->n_findings; i++)
        assert_string_equal (inspected->findings[i]->topic, "procedures");
    btsmark__inspected__free_unpacked (inspected, NULL);
}

static void
the_old_job_beside_us_is_a_failure (void **state)
{
    EXPECT (state, (world.job = "Nightly marks", world.job_enabled = "1", world.scheduled = "A1"),
            FAILURE, "old-job", "Nightly marks",
            "sp_update_job @job_name = N'Nightly marks', @enabled = 0");
    EXPECT (state, (world.job = "Nightly marks", world.job_enabled = "1", world.scheduled = "B2"),
            WARNING, "old-job", "no schedule", "sp_update_job");
    EXPECT (state, world.hidden_jobs = true, WARNING, "old-job", "could not be looked for",
            "GRANT SELECT ON dbo.sysjobs TO [btsmark]");
    s_world_t world = s_sound;
    world.job = "Backup BizTalk Server (BizTalkMgmtDb)";
    world.job_enabled = "0";
    world.scheduled = "A1";
    Btsmark__Inspected *inspected = s_inspect (*state, &world);
    assert_int_equal (inspected->n_findings, 0);
    btsmark__inspected__free_unpacked (inspected, NULL);
}

static void
databases_that_were_forgotten_are_named (void **state)
{
    EXPECT (state, world.neighbour = "EsbExceptionDb", WARNING, "stray-database",
            "name of one of BizTalk's", "adm_OtherBackupDatabases");
    EXPECT (state, (world.neighbour = "Invoices", world.neighbour_sign = "9"), WARNING,
            "stray-database", "dbo.MarkLog", "VALUES (N'Invoices'");
    EXPECT (state, (world.neighbour = "Invoices", world.dtc = "Invoices"), WARNING,
            "stray-database", "distributed transactions", "Backup_Setup_All_Procs.sql");
    EXPECT (state, world.neighbour = "BAMArchive", NOTE, "stray-database", "BAM's archive", "");
    s_world_t world = s_sound;
    world.neighbour = "Cookbook";
    Btsmark__Inspected *inspected = s_inspect (*state, &world);
    assert_int_equal (inspected->n_findings, 0);
    btsmark__inspected__free_unpacked (inspected, NULL);
}

static void
what_keeps_the_log_is_explained (void **state)
{
    EXPECT (state, world.reuse = "ACTIVE_TRANSACTION", NOTE, "log-reuse", "open", "DBCC OPENTRAN");
    EXPECT (state, world.reuse = "REPLICATION", WARNING, "log-reuse", "change data capture",
            "log reader");
    EXPECT (state, world.reuse = "AVAILABILITY_REPLICA", WARNING, "log-reuse", "replica", "group");
}

static void
work_that_may_be_lost_is_told (void **state)
{
    EXPECT (state, world.durability = "FORCED", WARNING, "delayed-durability", "lost",
            "ALTER DATABASE [OrdersDb] SET DELAYED_DURABILITY = DISABLED");
    EXPECT (state, world.durability = "ALLOWED", NOTE, "delayed-durability", "allows", "DISABLED");
    EXPECT (state, world.prepared = true, WARNING, "prepared-transactions", "prepared",
            "sys.dm_tran_active_transactions");
    EXPECT (state, world.program = "btsmark-agent SQL01/SQL01 btsmark run 16 @0000000000001111",
            NOTE, "leftover-session", "77", "");
}

static void
an_instance_that_cannot_be_asked_says_why (void **state)
{
    (void)state;
    bm_error_t error = {0};
    bm_fail (&error, BM_SQL_LOGIN, "login refused");
    bm_instance_config_t instance = {.name = "SQL01"};
    Btsmark__Inspect order = BTSMARK__INSPECT__INIT;
    bm_inspect_t inspect = {.instance = &instance, .error = &error};
    Btsmark__Inspected *inspected = bm_inspect_run (&inspect, &order);
    assert_string_equal (inspected->fault->status, "SQL_LOGIN");
    assert_int_equal (inspected->n_findings, 0);
    btsmark__inspected__free_unpacked (inspected, NULL);
}

static void
findings_end_at_the_limit_and_say_so (void **state)
{
    (void)state;
    Btsmark__Inspected *inspected = bm_alloc (sizeof *inspected);
    btsmark__inspected__init (inspected);
    for (size_t i = 0; i < BM_LIMIT_FINDINGS - 1; i++)
        bm_inspect_add (inspected, NOTE, "test", NULL, NULL, "finding %zu", i);
    assert_string_equal (inspected->findings[inspected->n_findings - 1]->topic, "test");
    for (size_t i = 0; i < 3; i++)
        bm_inspect_add (inspected, NOTE, "test", NULL, NULL, "one more");
    assert_int_equal (inspected->n_findings, BM_LIMIT_FINDINGS);
    assert_string_equal (inspected->findings[BM_LIMIT_FINDINGS - 1]->topic, "limit");
    btsmark__inspected__free_unpacked (inspected, NULL);
}

int
main (void)
{
    zsys_handler_set (NULL);
    snprintf (s_folder, sizeof s_folder, "/tmp/btsmark-inspect-XXXXXX");
    if (!mkdtemp (s_folder))
        return 1;
    const struct CMUnitTest tests[] = {
        SQL_TEST (an_instance_in_order_has_no_finding_and_all_facts),
        SQL_TEST (looking_makes_no_file),
        SQL_TEST (what_a_run_would_refuse_is_a_failure),
        SQL_TEST (a_database_without_a_full_gets_it_from_the_next_run),
        SQL_TEST (native_backups_need_no_procedure),
        SQL_TEST (each_right_that_lacks_comes_with_its_grant),
        SQL_TEST (a_login_without_a_user_or_role_is_told_once),
        SQL_TEST (a_procedure_that_is_not_there_is_no_missing_right),
        SQL_TEST (the_old_job_beside_us_is_a_failure),
        SQL_TEST (databases_that_were_forgotten_are_named),
        SQL_TEST (what_keeps_the_log_is_explained),
        SQL_TEST (work_that_may_be_lost_is_told),
        cmocka_unit_test (an_instance_that_cannot_be_asked_says_why),
        cmocka_unit_test (findings_end_at_the_limit_and_say_so)};
    int failed = sql_main (tests, sizeof tests / sizeof *tests);
    rmdir (s_folder);
    return failed;
}
