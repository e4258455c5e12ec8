/*  tests/unit/coordinator/test_fullplan.c
 *  The plan by itself, then days of runs every 15 minutes over a model of a group: hosts go away and come back, backups fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "coordinator/core/fullplan.h"
#include "coordinator/core/retry.h"

#define MINUTE INT64_C (60000000)
#define DAY    (24 * 60 * MINUTE)
#define BEGIN  (20000 * DAY) /* 2024-10-04, a Friday, 00:00 UTC */

/* ---- one decision ------------------------------------------------------------------------------------------------ */

typedef struct case_ {
    bm_schedule_config_t config;
    bm_schedule_set_t full;
    bm_schedule_history_t history;
    bm_schedule_now_t now;
    bm_fullplan_set_t set;
    bm_fullplan_database_t databases[3];
    bool take[3];
    bm_fullplan_t plan;
} case_t;

/*  Three databases; the day's full set 7 began at midnight and holds the first two; it is 09:00. */
static void
s_make (case_t *c)
{
    *c = (case_t){
        .config = {.every = BM_EVERY_DAY, .backup_hour = -1, .retry_pause_us = 15 * MINUTE},
        .full = {.set_id = 7, .type = BM_SET_FULL, .under_repair = true, .at_utc_us = BEGIN},
        .now = {.utc_us = BEGIN + 9 * 60 * MINUTE},
        .set = {.set_id = 7}};
    for (int i = 0; i < 3; i++)
        c->databases[i] = (bm_fullplan_database_t){
            .ready = true, .voted = true, .has_full = true, .in_set = true, .held = i < 2};
}

static void
s_decide (case_t *c)
{
    c->history.sets = &c->full;
    c->history.count = 1;
    bm_fullplan_decide (&c->config, &c->history, &c->now, &c->set, c->databases, 3, c->take,
                        &c->plan);
}

static void
only_the_databases_that_failed_are_taken_again_under_the_same_set (void **state)
{
    (void)state;
    case_t c;
    s_make (&c);
    c.databases[2].attempts = 1;
    c.databases[2].last_attempt_us = c.now.utc_us - 15 * MINUTE;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_REPAIR);
    assert_int_equal (c.plan.taken, 1);
    assert_false (c.take[0] || c.take[1]);
    assert_true (c.take[2]);
}

static void
a_failed_backup_is_tried_again_after_a_pause_that_doubles_up_to_eight_hours (void **state)
{
    (void)state;
    const int pauses[] = {15, 30, 60, 120, 240, 480, 480};
    case_t c;
    s_make (&c);
    for (unsigned attempts = 1; attempts <= 7; attempts++) {
        c.databases[2].attempts = attempts;
        c.databases[2].last_attempt_us = c.now.utc_us - pauses[attempts - 1] * MINUTE + 1;
        s_decide (&c);
        assert_int_equal (c.plan.action, BM_FULLPLAN_NONE);
        assert_int_equal (c.plan.pausing, 1);
        assert_int_equal (c.plan.next_us, c.now.utc_us + 1);
        c.databases[2].last_attempt_us--;
        s_decide (&c);
        assert_int_equal (c.plan.action, BM_FULLPLAN_REPAIR);
    }
    /*  a clock that was set back does not make it wait for the future */
    c.databases[2].last_attempt_us = c.now.utc_us + DAY;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_REPAIR);
}

static void
a_database_that_could_not_be_reached_is_taken_by_the_first_run_that_reaches_it (void **state)
{
    (void)state;
    case_t c;
    s_make (&c);
    c.databases[2].ready = c.databases[2].voted = false;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_NONE);
    assert_int_equal (c.plan.out_of_reach, 1);
    c.databases[2].ready = c.databases[2].voted = true;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_REPAIR);
}

static void
a_whole_new_full_is_taken_only_in_the_next_period (void **state)
{
    (void)state;
    case_t c;
    s_make (&c);
    c.now.utc_us = BEGIN + DAY;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_WHOLE);
    assert_int_equal (c.plan.due, BM_DUE_PERIOD);
    /*  the old set is repaired until the hour of the new one */
    c.config.backup_hour = 4;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_REPAIR);
    assert_int_equal (c.plan.due, BM_DUE_NOT_YET);
}

static void
a_database_that_is_new_to_the_group_gets_its_own_full_and_nobody_else_does (void **state)
{
    (void)state;
    case_t c;
    s_make (&c);
    c.full.complete = c.set.complete = true;
    c.databases[2] = (bm_fullplan_database_t){.ready = true, .voted = true};
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_REPAIR);
    assert_int_equal (c.plan.taken, 1);
    assert_int_equal (c.plan.newcomers, 1);
    assert_true (c.take[2]);
    /*  one that came with a full of its own needs none before the next period */
    c.databases[2].has_full = true;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_NONE);
    /*  one that cannot be backed up (offline, SIMPLE recovery) is left alone */
    c.databases[2].has_full = c.databases[2].ready = false;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_NONE);
}

static void
with_no_set_of_ours_to_join_or_a_chain_that_broke_the_whole_group_is_taken (void **state)
{
    (void)state;
    case_t c;
    s_make (&c);
    c.full.complete = c.set.complete = true;
    c.databases[2].held = true;
    c.databases[2].has_full = false; /* restored since, or through SIMPLE recovery */
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_WHOLE);
    assert_int_equal (c.plan.due, BM_DUE_NEW_DATABASE);
    c.databases[2].held = c.databases[2].in_set = false;
    c.set.set_id = 0;
    s_decide (&c);
    assert_int_equal (c.plan.due, BM_DUE_NEW_DATABASE);
}

static void
with_legacy_log_shipping_one_new_full_set_is_taken_instead_of_a_repair (void **state)
{
    (void)state;
    case_t c;
    s_make (&c);
    c.config.legacy_log_shipping = true;
    c.full.under_repair = false;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_WHOLE);
    /*  not while a host is away: it would be one more set with a hole */
    c.databases[2].ready = false;
    s_decide (&c);
    assert_int_equal (c.plan.action, BM_FULLPLAN_NONE);
    assert_int_equal (c.plan.due, BM_DUE_LATER);
    /*  and a new database gets its full with everybody's */
    c.full.complete = c.set.complete = true;
    c.databases[2] = (bm_fullplan_database_t){.ready = true, .voted = true};
    s_decide (&c);
    assert_int_equal (c.plan.due, BM_DUE_NEW_DATABASE);
}

/* ---- days of runs ------------------------------------------------------------------------------------------------ */

enum { HOSTS = 4, EACH = 2, DATABASES = HOSTS * EACH, SETS = 512, RUNS_A_DAY = 96 };

typedef struct model_set {
    bm_schedule_set_t row;
    bool held[DATABASES];
    unsigned attempts[DATABASES];
    int64_t last_us[DATABASES];
} model_set_t;

typedef struct model {
    bm_schedule_config_t config;
    bool repairs; /* false: the twin, which takes a whole full whenever one failed */
    int64_t now_us;
    model_set_t sets[SETS];
    size_t count;
    bool down[HOSTS];
    bool fails[DATABASES]; /* full backups of it fail */
    bool has_full[DATABASES];
    unsigned fulls[DATABASES];
    unsigned unsaved[DATABASES]; /* runs whose log is not backed up */
    unsigned wholes;
    bm_fullplan_t plan;
} model_t;

static bool
s_complete (const model_set_t *set)
{
    for (int i = 0; i < DATABASES; i++)
        if (!set->held[i])
            return false;
    return true;
}

static void
s_take (model_t *m, model_set_t *set, const bool *take)
{
    for (int i = 0; i < DATABASES; i++) {
        if ((take && !take[i]) || m->down[i / EACH])
            continue;
        if (m->fails[i]) {
            set->attempts[i]++;
            set->last_us[i] = m->now_us;
            continue;
        }
        set->held[i] = m->has_full[i] = true;
        m->fulls[i]++;
    }
    set->row.complete = s_complete (set);
}

/*  A run: the full's step, then everybody's log. */
static void
s_run (model_t *m)
{
    bm_schedule_set_t rows[SETS];
    bm_fullplan_database_t databases[DATABASES];
    bool take[DATABASES];
    model_set_t *newest = m->count ? &m->sets[m->count - 1] : NULL;
    for (size_t i = 0; i < m->count; i++)
        rows[i] = m->sets[i].row;
    if (newest && !newest->row.complete && m->repairs && !m->config.legacy_log_shipping)
        rows[m->count - 1].under_repair = true;
    bm_schedule_history_t history = {.sets = rows, .count = m->count};
    bm_fullplan_set_t set = {.set_id = newest && m->repairs ? newest->row.set_id : 0,
                             .complete = newest && newest->row.complete};
    for (int i = 0; i < DATABASES; i++) {
        bool up = !m->down[i / EACH];
        databases[i] = (bm_fullplan_database_t){.ready = up,
                                                .voted = up,
                                                .has_full = m->has_full[i],
                                                .in_set = newest,
                                                .held = newest && newest->held[i],
                                                .attempts = newest ? newest->attempts[i] : 0,
                                                .last_attempt_us = newest ? newest->last_us[i] : 0};
    }
    bm_schedule_now_t now = {.utc_us = m->now_us};
    bm_fullplan_decide (&m->config, &history, &now, &set, databases, DATABASES, take, &m->plan);
    if (m->plan.action == BM_FULLPLAN_WHOLE) {
        assert_true (m->count < SETS);
        newest = &m->sets[m->count++];
        newest->row = (bm_schedule_set_t){
            .set_id = (int64_t)m->count, .type = BM_SET_FULL, .at_utc_us = m->now_us};
        m->wholes++;
        s_take (m, newest, NULL);
    } else if (m->plan.action == BM_FULLPLAN_REPAIR) {
        s_take (m, newest, take);
    }
    for (int i = 0; i < DATABASES; i++)
        m->unsaved[i] = m->down[i / EACH] || !m->has_full[i] ? m->unsaved[i] + 1 : 0;
    m->now_us += 15 * MINUTE;
}

static void
s_begin (model_t *m, bm_frequency_t every, bool legacy)
{
    memset (m, 0, sizeof *m);
    m->config = (bm_schedule_config_t){.every = every,
                                       .backup_hour = 2,
                                       .legacy_log_shipping = legacy,
                                       .retry_pause_us = 15 * MINUTE};
    m->repairs = true;
    m->now_us = BEGIN + 2 * 60 * MINUTE;
}

static unsigned
s_most_fulls (const model_t *m)
{
    unsigned most = 0;
    for (int i = 0; i < DATABASES; i++)
        most = m->fulls[i] > most ? m->fulls[i] : most;
    return most;
}

/*  Three days and a bit without the last host: from the second hour of day 1 to noon of day 4. */
static void
s_three_days (model_t *m)
{
    for (int run = 0; run < 4; run++)
        s_run (m);
    m->down[HOSTS - 1] = true;
    for (int run = 0; run < 3 * RUNS_A_DAY + 36; run++) {
        s_run (m);
        for (int i = 0; i < DATABASES - EACH; i++)
            assert_int_equal (m->unsaved[i], 0);
    }
}

static void
three_days_with_a_host_down_cost_nobody_an_extra_full_and_one_run_repairs_everything (void **state)
{
    (void)state;
    const struct {
        bm_frequency_t every;
        unsigned periods; /* that began meanwhile */
    } cases[] = {{BM_EVERY_DAY, 4}, {BM_EVERY_WEEK, 2}, {BM_EVERY_MONTH, 1}};
    static model_t m;
    for (size_t at = 0; at < 3; at++) {
        s_begin (&m, cases[at].every, false);
        s_three_days (&m);
        assert_int_equal (s_most_fulls (&m), cases[at].periods);
        assert_int_equal (m.wholes, cases[at].periods);
        m.down[HOSTS - 1] = false;
        s_run (&m);
        assert_int_equal (s_most_fulls (&m), cases[at].periods);
        assert_true (s_complete (&m.sets[m.count - 1]));
        for (int i = 0; i < DATABASES; i++)
            assert_int_equal (m.unsaved[i], 0);
        s_run (&m);
        assert_int_equal (m.plan.action, BM_FULLPLAN_NONE);
    }
}

static void
three_days_with_a_host_down_and_legacy_log_shipping_cost_one_extra_full_when_it_is_back (
    void **state)
{
    (void)state;
    static model_t m;
    s_begin (&m, BM_EVERY_DAY, true);
    s_three_days (&m);
    assert_int_equal (s_most_fulls (&m), 4);
    m.down[HOSTS - 1] = false;
    s_run (&m);
    assert_int_equal (s_most_fulls (&m), 5);
    assert_true (s_complete (&m.sets[m.count - 1]));
    for (int run = 0; run < 20; run++)
        s_run (&m);
    assert_int_equal (s_most_fulls (&m), 5);
}

/*  The same days without the repair: whoever takes a whole full whenever one failed takes many. */
static void
twin_without_the_repair_takes_many_fulls_of_the_hosts_that_are_well (void **state)
{
    (void)state;
    static model_t m;
    s_begin (&m, BM_EVERY_DAY, false);
    m.repairs = false;
    s_three_days (&m);
    assert_true (s_most_fulls (&m) > 12);
}

/*  What must hold after any run of any history. */
static void
s_check (const model_t *m)
{
    for (int i = 0; i < DATABASES; i++) {
        if (!m->down[i / EACH] && m->has_full[i])
            assert_int_equal (m->unsaved[i], 0);
        unsigned held = 0;
        for (size_t s = 0; s < m->count; s++)
            held += m->sets[s].held[i];
        assert_int_equal (m->fulls[i], held); /* never two fulls of a database in one set */
    }
    for (size_t s = 1; s < m->count; s++) /* never two whole fulls in one period */
        assert_int_not_equal (
            bm_schedule_period (m->config.every, m->sets[s].row.at_utc_us, 0),
            bm_schedule_period (m->config.every, m->sets[s - 1].row.at_utc_us, 0));
}

static void
whatever_fails_and_comes_back_nobody_takes_two_fulls_in_a_period_and_all_is_repaired_in_the_end (
    void **state)
{
    (void)state;
    static model_t m;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t random = seed;
        s_begin (&m, (bm_frequency_t)(BM_EVERY_DAY + bm_retry_random (&random) % 2), false);
        for (int run = 0; run < 4 * RUNS_A_DAY; run++) {
            if (bm_retry_random (&random) % 40 == 0)
                m.down[bm_retry_random (&random) % HOSTS] ^= true;
            if (bm_retry_random (&random) % 40 == 0)
                m.fails[bm_retry_random (&random) % DATABASES] ^= true;
            s_run (&m);
            s_check (&m);
        }
        memset (m.down, 0, sizeof m.down);
        memset (m.fails, 0, sizeof m.fails);
        /*  the longest pause is eight hours; a new set may have begun just before */
        for (int run = 0; run < 33; run++)
            s_run (&m);
        s_check (&m);
        if (!s_complete (&m.sets[m.count - 1]))
            fail_msg ("seed %llu: the newest full set is not complete", (unsigned long long)seed);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (only_the_databases_that_failed_are_taken_again_under_the_same_set),
        cmocka_unit_test (
            a_failed_backup_is_tried_again_after_a_pause_that_doubles_up_to_eight_hours),
        cmocka_unit_test (
            a_database_that_could_not_be_reached_is_taken_by_the_first_run_that_reaches_it),
        cmocka_unit_test (a_whole_new_full_is_taken_only_in_the_next_period),
        cmocka_unit_test (
            a_database_that_is_new_to_the_group_gets_its_own_full_and_nobody_else_does),
        cmocka_unit_test (
            with_no_set_of_ours_to_join_or_a_chain_that_broke_the_whole_group_is_taken),
        cmocka_unit_test (with_legacy_log_shipping_one_new_full_set_is_taken_instead_of_a_repair),
        cmocka_unit_test (
            three_days_with_a_host_down_cost_nobody_an_extra_full_and_one_run_repairs_everything),
        cmocka_unit_test (
            three_days_with_a_host_down_and_legacy_log_shipping_cost_one_extra_full_when_it_is_back),
        cmocka_unit_test (twin_without_the_repair_takes_many_fulls_of_the_hosts_that_are_well),
        cmocka_unit_test (
            whatever_fails_and_comes_back_nobody_takes_two_fulls_in_a_period_and_all_is_repaired_in_the_end),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
