#include "tests/unit/agent/sql_tests.h"

#include "agent/shell/prepare.h"

/*  One database as SQL Server tells of it; sound unless a test changes it. */
typedef struct {
    const char *state, *recovery, *read_only, *access, *standby, *last_log;
    const char *set_mark, *tracking, *block, *bodies, *program;
    int64_t full_bytes, prepared, log_bytes;
    bool hidden_status, blind;
    const char *server, *name; /* NULL = it does not say, OrdersDb */
} s_facts_t;

static const s_facts_t s_sound = {.state = "ONLINE",
                                  .recovery = "FULL",
                                  .read_only = "0",
                                  .access = "MULTI_USER",
                                  .standby = "0",
                                  .last_log = "35000000012300001",
                                  .set_mark = "5",
                                  .full_bytes = 1000};

static void
s_answer_list (fake_session_t *session, const s_facts_t *it, bool with_status)
{
    if (!with_status)
        fake_rows (
            session,
            "name,state_desc,recovery_model_desc,is_read_only,user_access_desc,is_in_standby", 1,
            (const char *[]){it->name ? it->name : "OrdersDb", it->state, it->recovery,
                             it->read_only, it->access, it->standby});
    else
        fake_rows (
            session,
            "name,state_desc,recovery_model_desc,is_read_only,user_access_desc,is_in_standby,"
            "last_log_backup_lsn,recovery_fork,family",
            1,
            (const char *[]){it->name ? it->name : "OrdersDb", it->state, it->recovery,
                             it->read_only, it->access, it->standby, it->last_log,
                             "6F9619FF-8B86-D011-B42D-00C04FC964FF", "F"});
}

static bool
s_script (fake_session_t *session, const char *text, const sh_rpc_t *rpc, sh_run_t *run)
{
    const s_facts_t *it = ((sql_place_t *)session->fake->argument)->argument;
    char bytes[24];
    *run = SH_RUN_DONE;
    if (strstr (text, "database_recovery_status") && it->hidden_status)
        fake_say (session, 300, 14, 1, "VIEW SERVER STATE permission was denied.");
    else if (strstr (text, "sys.databases"))
        s_answer_list (session, it, strstr (text, "database_recovery_status") != NULL);
    else if (strstr (text, "dm_exec_sessions"))
        fake_rows (session, "bm_spid,program_name", it->program ? 1 : 0,
                   (const char *[]){"77", it->program});
    else if (strstr (text, "dm_tran_active_transactions"))
        fake_one (session, "prepared", it->prepared);
    else if (strstr (text, "has_sp_SetMark")) {
        fake_rows (
            session,
            "has_sp_SetMark,has_sp_BackupBizTalkFull,has_sp_BackupBizTalkLog,has_MarkLog,"
            "has_TDDS_StreamStatus,has_TDDS_BlockTDDS,has_Tracking_Spool1",
            1, (const char *[]){it->set_mark, "6", "7", "8", it->tracking, it->block, it->bodies});
        fake_one (session, "compression", 1);
        fake_one (session, "sees_all", it->blind ? 0 : 1);
    } else if (strstr (text, "msdb.dbo.backupset")) {
        bool log = strcmp (fake_parameter (rpc, "@type"), "L") == 0;
        int64_t size = log ? it->log_bytes : it->full_bytes;
        snprintf (bytes, sizeof bytes, "%lld", (long long)size);
        fake_rows (session, "backup_size,compressed_backup_size,fork", size ? 1 : 0,
                   (const char *[]){bytes, NULL, "F"});
    } else if (strstr (text, "bm_real_name") && it->server)
        fake_rows (session, "bm_real_name", 1, (const char *[]){it->server});
    else
        return false;
    return true;
}

static char s_folder[64];

/*  What most tests leave out. */
static struct {
    const char *instance;
    bm_claims_t *claims;
    Btsmark__Method method;
} s_more;

static Btsmark__Vote *
s_prepare (sql_place_t *place, const s_facts_t *facts, Btsmark__SetType type, const char *name,
           const char *path)
{
    char *allowed[] = {s_folder};
    bm_instance_config_t instance = {.name = s_more.instance ? s_more.instance : "SQL01",
                                     .backup_path = s_folder,
                                     .allowed_paths = allowed,
                                     .allowed_count = 1,
                                     .files = BM_FILES_LOCAL};
    Btsmark__DatabaseTarget target = BTSMARK__DATABASE_TARGET__INIT, *targets[] = {&target};
    Btsmark__Prepare order = BTSMARK__PREPARE__INIT;
    target.name = (char *)(uintptr_t)name;
    target.path = (char *)(uintptr_t)path;
    order.set_type = type;
    order.databases = targets;
    order.n_databases = 1;
    order.will_mark = true;
    order.method = s_more.method;
    static s_facts_t copy; /* the script reads it until the session ends */
    copy = *facts;
    place->argument = &copy;
    place->fake->script = s_script;
    bm_prepare_t prepare = {.instance = &instance,
                            .start_id = 0xABCD,
                            .sql = place->sql,
                            .claims = s_more.claims,
                            .run = 17};
    return bm_prepare_run (&prepare, &order);
}

/*  How many reasons, and that one of them says `word`. */
static void
s_expect (sql_place_t *place, s_facts_t facts, size_t reasons, const char *word)
{
    Btsmark__Vote *vote = s_prepare (place, &facts, BTSMARK__SET_TYPE__LOG, "ordersdb", "");
    const Btsmark__DatabaseFacts *one = vote->databases[0];
    bool said = !word;
    for (size_t i = 0; i < one->n_reasons; i++)
        said = said || (word && strstr (one->reasons[i]->text, word));
    if (one->n_reasons != reasons || !said)
        fail_msg ("%zu reason(s), the first: %s", one->n_reasons,
                  one->n_reasons ? one->reasons[0]->text : "none");
    assert_int_equal (vote->ready, reasons == 0);
    btsmark__vote__free_unpacked (vote, NULL);
}

static void
a_sound_database_is_ready_with_all_its_facts (void **state)
{
    Btsmark__Vote *vote = s_prepare (*state, &s_sound, BTSMARK__SET_TYPE__LOG, "ordersdb", "");
    const Btsmark__DatabaseFacts *one = vote->databases[0];
    assert_true (vote->ready);
    assert_string_equal (one->name, "OrdersDb"); /* as it is really spelled */
    assert_string_equal (one->path, s_folder);
    assert_true (one->has_full);
    assert_true (one->has_compression_parameter);
    assert_false (one->has_tracking);
    assert_true (one->free_bytes > 0);
    assert_int_equal (one->last_full_bytes, 1000);
    assert_string_equal (one->recovery_fork, "6F9619FF-8B86-D011-B42D-00C04FC964FF");
    btsmark__vote__free_unpacked (vote, NULL);
    zdir_t *folder = zdir_new (s_folder, NULL);
    assert_int_equal (zdir_count (folder), 0); /* the probe is gone */
    zdir_destroy (&folder);
}

static void
every_reason_is_named_and_not_only_the_first (void **state)
{
    s_facts_t bad = s_sound;
    bad.read_only = "1";
    bad.standby = "1";
    bad.access = "SINGLE_USER";
    bad.recovery = "SIMPLE";
    bad.set_mark = NULL;
    bad.last_log = NULL;
    s_expect (*state, bad, 6, "SIMPLE");
    s_expect (*state, bad, 6, "sp_SetMark");
    s_expect (*state, bad, 6, "no full backup");
    s_expect (*state, bad, 6, "standby");
}

static void
an_offline_database_is_not_looked_into (void **state)
{
    s_facts_t bad = s_sound;
    bad.state = "RESTORING";
    s_expect (*state, bad, 1, "RESTORING");
}

static void
bulk_logged_is_a_warning (void **state)
{
    s_facts_t facts = s_sound;
    facts.recovery = "BULK_LOGGED";
    Btsmark__Vote *vote = s_prepare (*state, &facts, BTSMARK__SET_TYPE__LOG, "OrdersDb", "");
    assert_true (vote->ready);
    assert_int_equal (vote->databases[0]->n_warnings, 1);
    assert_non_null (strstr (vote->databases[0]->warnings[0]->text, "3923"));
    btsmark__vote__free_unpacked (vote, NULL);
}

static void
what_the_login_may_not_see_is_not_taken_for_absent (void **state)
{
    s_facts_t facts = s_sound;
    facts.blind = true;
    Btsmark__Vote *vote = s_prepare (*state, &facts, BTSMARK__SET_TYPE__LOG, "OrdersDb", "");
    assert_false (vote->ready);
    assert_int_equal (vote->databases[0]->n_reasons, 1);
    assert_non_null (strstr (vote->databases[0]->reasons[0]->text, "tracking tables"));
    assert_non_null (strstr (vote->databases[0]->reasons[0]->remedy,
                             "USE [OrdersDb]; GRANT VIEW DEFINITION TO ["));
    btsmark__vote__free_unpacked (vote, NULL);
}

static void
a_tracking_database_needs_its_fence (void **state)
{
    s_facts_t facts = s_sound;
    facts.tracking = "9";
    s_expect (*state, facts, 1, "TDDS_BlockTDDS");
    facts.block = "10";
    s_expect (*state, facts, 0, NULL);
}

static void
without_the_view_msdb_tells_of_the_full (void **state)
{
    s_facts_t facts = s_sound;
    facts.hidden_status = true;
    s_expect (*state, facts, 0, NULL);
    facts.full_bytes = 0;
    s_expect (*state, facts, 1, "no full backup");
}

static void
a_full_needs_room (void **state)
{
    s_facts_t facts = s_sound;
    facts.full_bytes = INT64_C (1) << 60;
    Btsmark__Vote *vote = s_prepare (*state, &facts, BTSMARK__SET_TYPE__FULL, "OrdersDb", "");
    assert_false (vote->ready);
    assert_non_null (strstr (vote->databases[0]->reasons[0]->text, "free"));
    btsmark__vote__free_unpacked (vote, NULL);
    s_expect (*state, facts, 0, NULL); /* a log does not */
}

/*  Not even a log that is too large is left out: it would only grow. */
static void
a_log_without_room_is_warned_about_and_tried (void **state)
{
    s_facts_t facts = s_sound;
    facts.log_bytes = INT64_C (1) << 60;
    Btsmark__Vote *vote = s_prepare (*state, &facts, BTSMARK__SET_TYPE__LOG, "OrdersDb", "");
    assert_true (vote->ready);
    assert_int_equal (vote->databases[0]->n_warnings, 1);
    assert_string_equal (vote->databases[0]->warnings[0]->topic, "space");
    assert_int_equal (vote->databases[0]->last_log_bytes, facts.log_bytes);
    btsmark__vote__free_unpacked (vote, NULL);
}

/*  Two instances of a cluster whose names are one in their first 30 characters, one folder, one database name. */
static void
two_instances_that_would_write_one_file_are_noticed (void **state)
{
    s_facts_t facts = s_sound;
    static const struct {
        const char *instance, *server;
        Btsmark__Method method;
        bool ready;
    } steps[] = {{"A", "CLUSTER-NAME-OF-THIRTY-LETTERS\\A", BTSMARK__METHOD__PROCEDURE, true},
                 {"C", "CLUSTER-NAME-OF-THIRTY-LETTER\\C", BTSMARK__METHOD__PROCEDURE, true},
                 {"B", "CLUSTER-NAME-OF-THIRTY-LETTERS\\B", BTSMARK__METHOD__NATIVE, true},
                 {"B", "CLUSTER-NAME-OF-THIRTY-LETTERS\\B", BTSMARK__METHOD__PROCEDURE, false},
                 {"B", NULL, BTSMARK__METHOD__PROCEDURE, true}}; /* it does not say: not judged */
    s_more.claims = bm_claims_new ();
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        facts.server = steps[i].server;
        s_more.instance = steps[i].instance;
        s_more.method = steps[i].method;
        Btsmark__Vote *vote = s_prepare (*state, &facts, BTSMARK__SET_TYPE__LOG, "OrdersDb", "");
        if (vote->ready != steps[i].ready)
            fail_msg ("step %zu", i);
        if (!vote->ready) {
            assert_string_equal (vote->databases[0]->reasons[0]->topic, "duplicate");
            assert_non_null (strstr (vote->databases[0]->reasons[0]->text, "of B and of A"));
        }
        btsmark__vote__free_unpacked (vote, NULL);
    }
    bm_claims_destroy (&s_more.claims);
    memset (&s_more, 0, sizeof s_more);
}

/*  BizTalk's procedures put the name into the file's name as it is; ours is fit for a file. */
static void
a_name_that_no_file_can_have_needs_method_native (void **state)
{
    s_facts_t facts = s_sound;
    static const struct {
        const char *name;
        bool fits;
    } names[] = {{"a/b", false},       {"a\\b", false}, {"a:b", false},
                 {"a*b", false},       {"a]b", true},   {"'; DROP TABLE x --", true},
                 {"K\xC3\xB6ln", true}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        facts.name = names[i].name;
        for (int native = 0; native < 2; native++) {
            s_more.method = native ? BTSMARK__METHOD__NATIVE : BTSMARK__METHOD__PROCEDURE;
            Btsmark__Vote *vote =
                s_prepare (*state, &facts, BTSMARK__SET_TYPE__LOG, names[i].name, "");
            if (vote->ready != (native || names[i].fits))
                fail_msg ("%s: %s", names[i].name,
                          vote->ready ? "ready" : vote->databases[0]->reasons[0]->text);
            btsmark__vote__free_unpacked (vote, NULL);
        }
    }
    memset (&s_more, 0, sizeof s_more);
}

static void
an_unknown_database_is_a_reason (void **state)
{
    Btsmark__Vote *vote = s_prepare (*state, &s_sound, BTSMARK__SET_TYPE__LOG, "Other", "");
    assert_int_equal (vote->databases[0]->n_reasons, 1);
    assert_string_equal (vote->databases[0]->state, "");
    btsmark__vote__free_unpacked (vote, NULL);
}

static void
paths_come_from_our_own_configuration_only (void **state)
{
    Btsmark__Vote *vote = s_prepare (*state, &s_sound, BTSMARK__SET_TYPE__LOG, "OrdersDb", "/etc");
    assert_string_equal (vote->databases[0]->reasons[0]->status, "PATH_NOT_ALLOWED");
    btsmark__vote__free_unpacked (vote, NULL);
    char *below = bm_format ("%s/sub", s_folder);
    vote = s_prepare (*state, &s_sound, BTSMARK__SET_TYPE__LOG, "OrdersDb", below);
    assert_string_equal (vote->databases[0]->reasons[0]->status, "NOT_READY"); /* it is not there */
    btsmark__vote__free_unpacked (vote, NULL);
    assert_int_equal (mkdir (below, 0700), 0);
    vote = s_prepare (*state, &s_sound, BTSMARK__SET_TYPE__LOG, "OrdersDb", below);
    assert_true (vote->ready);
    btsmark__vote__free_unpacked (vote, NULL);
    rmdir (below);
    free (below);
}

static void
leftovers_and_old_prepared_transactions_are_named (void **state)
{
    s_facts_t facts = s_sound;
    facts.program = "btsmark-agent SQL01/SQL01 btsmark run 16 @0000000000001111";
    facts.prepared = 2;
    Btsmark__Vote *vote = s_prepare (*state, &facts, BTSMARK__SET_TYPE__LOG, "OrdersDb", "");
    assert_false (vote->ready);
    assert_non_null (strstr (vote->reasons[0]->text, "77"));
    assert_int_equal (vote->n_warnings, 1);
    btsmark__vote__free_unpacked (vote, NULL);
    facts.program = "btsmark-agent SQL01/SQL01 btsmark run 17 @000000000000abcd"; /* our own */
    vote = s_prepare (*state, &facts, BTSMARK__SET_TYPE__LOG, "OrdersDb", "");
    assert_true (vote->ready);
    btsmark__vote__free_unpacked (vote, NULL);
}

static void
an_instance_that_cannot_be_asked_says_so (void **state)
{
    (void)state;
    char *allowed[] = {s_folder};
    bm_error_t error = {0};
    bm_fail (&error, BM_SQL_LOGIN, "login refused");
    bm_instance_config_t instance = {.name = "SQL01",
                                     .backup_path = s_folder,
                                     .allowed_paths = allowed,
                                     .allowed_count = 1,
                                     .files = BM_FILES_LOCAL};
    Btsmark__Prepare order = BTSMARK__PREPARE__INIT;
    bm_prepare_t prepare = {.instance = &instance, .error = &error};
    Btsmark__Vote *vote = bm_prepare_run (&prepare, &order);
    assert_false (vote->ready);
    assert_string_equal (vote->reasons[0]->status, "SQL_LOGIN");
    btsmark__vote__free_unpacked (vote, NULL);
}

int
main (void)
{
    zsys_handler_set (NULL);
    snprintf (s_folder, sizeof s_folder, "/tmp/btsmark-prepare-XXXXXX");
    if (!mkdtemp (s_folder))
        return 1;
    const struct CMUnitTest tests[] = {
        SQL_TEST (a_sound_database_is_ready_with_all_its_facts),
        SQL_TEST (every_reason_is_named_and_not_only_the_first),
        SQL_TEST (an_offline_database_is_not_looked_into),
        SQL_TEST (bulk_logged_is_a_warning),
        SQL_TEST (what_the_login_may_not_see_is_not_taken_for_absent),
        SQL_TEST (a_tracking_database_needs_its_fence),
        SQL_TEST (without_the_view_msdb_tells_of_the_full),
        SQL_TEST (a_full_needs_room),
        SQL_TEST (a_log_without_room_is_warned_about_and_tried),
        SQL_TEST (two_instances_that_would_write_one_file_are_noticed),
        SQL_TEST (a_name_that_no_file_can_have_needs_method_native),
        SQL_TEST (an_unknown_database_is_a_reason),
        SQL_TEST (paths_come_from_our_own_configuration_only),
        SQL_TEST (leftovers_and_old_prepared_transactions_are_named),
        cmocka_unit_test (an_instance_that_cannot_be_asked_says_so)};
    int failed = sql_main (tests, sizeof tests / sizeof *tests);
    rmdir (s_folder);
    return failed;
}
