/*  tests/unit/coordinator/test_retention.c
 *  Which files may go: by hand, and against an oracle over random histories in which files really go. Each rule has a twin that
 *  leaves it out, and the oracle must notice every one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/coordinator/random_group.h"

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

/*  One database; a day is 10 LSNs: a full at its beginning, two logs, a mark in each log. */
enum { DAYS = 6, PER_DAY = 3 };
static const int64_t DAY_US = 86400000000;

typedef struct plain {
    bm_link_t links[DAYS * PER_DAY];
    bm_holding_t holdings[DAYS * PER_DAY];
    const bm_holding_t *holding_of[1];
    bm_member_t member;
    bm_mark_t marks[DAYS * 2];
    bm_mark_standing_t standings[DAYS * 2];
    char texts[DAYS * PER_DAY][2][32], lsns[DAYS * 2][32], names[DAYS * 2][32],
        files[DAYS * PER_DAY][32];
    bm_retention_in_t in;
} plain_t;

static void
s_plain_link (plain_t *self, int at, bm_link_kind_t kind, int first, int last, int64_t at_us)
{
    snprintf (self->texts[at][0], 32, "%d", first);
    snprintf (self->texts[at][1], 32, "%d", last);
    snprintf (self->files[at], 32, "f%d", at);
    self->links[at] =
        (bm_link_t){kind, self->texts[at][0], self->texts[at][1], "A", false, false, false};
    self->holdings[at] = (bm_holding_t){"SQL01", self->files[at], at + 1, at_us, false};
}

static void
s_plain (plain_t *self)
{
    memset (self, 0, sizeof *self);
    for (int day = 0; day < DAYS; day++) {
        int at = day * PER_DAY, lsn = 100 + day * 10;
        s_plain_link (self, at, BM_LINK_FULL, lsn, lsn + 1, day * DAY_US);
        s_plain_link (self, at + 1, BM_LINK_LOG, day ? lsn : lsn + 1, lsn + 5, day * DAY_US + 1);
        s_plain_link (self, at + 2, BM_LINK_LOG, lsn + 5, lsn + 10, day * DAY_US + 2);
        for (int k = 0; k < 2; k++) {
            int mark = day * 2 + k;
            snprintf (self->lsns[mark], 32, "%d", lsn + 3 + k * 5);
            snprintf (self->names[mark], 32, "D%d-%d", day, k);
            self->standings[mark] = (bm_mark_standing_t){0, self->lsns[mark], "A"};
            self->marks[mark] = (bm_mark_t){
                self->names[mark],    (uint64_t)mark,         at + 2 + k, true, BM_OUTCOME_CLEAN,
                day * DAY_US + 1 + k, &self->standings[mark], 1};
        }
    }
    self->member = (bm_member_t){"SQL01", "Db", self->links, DAYS * PER_DAY, true};
    self->holding_of[0] = self->holdings;
    self->in = (bm_retention_in_t){.members = &self->member,
                                   .holdings = self->holding_of,
                                   .member_count = 1,
                                   .marks = self->marks,
                                   .mark_count = (size_t)DAYS * 2,
                                   .keep_marks = 1,
                                   .now_us = (DAYS - 1) * DAY_US + 10};
}

/*  Which of the six days' files stay, as a bit a day; a day goes or stays whole. */
static unsigned
s_days (const plain_t *self, const bm_retention_t *decided)
{
    unsigned days = 0;
    for (int at = 0; at < DAYS * PER_DAY; at++) {
        assert_int_equal (decided->fates[0][at].goes, decided->fates[0][at - at % PER_DAY].goes);
        if (!decided->fates[0][at].goes)
            days |= 1u << (at / PER_DAY);
    }
    (void)self;
    return days;
}

static unsigned
s_kept (const plain_t *self)
{
    bm_retention_t *decided = bm_retention_decide (&self->in);
    unsigned days = s_days (self, decided);
    bm_retention_destroy (&decided);
    bm_retention_destroy (&decided);
    return days;
}

static void
the_newest_marks_keep_their_files_and_older_ones_go (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    assert_int_equal (s_kept (&plain), 0x20);
    plain.in.keep_marks = 2;
    assert_int_equal (s_kept (&plain), 0x20);
    plain.in.keep_marks = 3;
    assert_int_equal (s_kept (&plain), 0x30);
    plain.in.keep_marks = 1000;
    assert_int_equal (s_kept (&plain), 0x3f);
}

static void
only_usable_marks_count (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    plain.marks[11].outcome = plain.marks[10].outcome = BM_OUTCOME_TORN;
    assert_int_equal (s_kept (&plain), 0x30);
    /*  Doubtful ones count on their own: the newest that can be had on demand, and the newest usable one. */
    plain.marks[11].outcome = plain.marks[10].outcome = BM_OUTCOME_DOUBTFUL;
    assert_int_equal (s_kept (&plain), 0x30);
    plain.marks[9].outcome = plain.marks[8].outcome = BM_OUTCOME_DOUBTFUL;
    assert_int_equal (s_kept (&plain), 0x28);
}

static void
the_retention_time_keeps_marks_and_files_up_to_its_moment (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    plain.in.keep_us = plain.in.now_us - 3 * DAY_US - 2; /* day 3's last mark and log, exactly */
    assert_int_equal (s_kept (&plain), 0x38);
    plain.in.keep_us--;
    assert_int_equal (s_kept (&plain), 0x30);
}

static void
a_retained_set_stays_until_its_date_and_not_longer (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    bm_retained_set_t retained = {2, -1}; /* a log of the first day */
    plain.in.retained = &retained;
    plain.in.retained_count = 1;
    assert_int_equal (s_kept (&plain), 0x21);
    retained.until_us = plain.in.now_us + 1;
    assert_int_equal (s_kept (&plain), 0x21);
    retained.until_us = plain.in.now_us;
    assert_int_equal (s_kept (&plain), 0x20);
}

static void
a_running_restore_keeps_what_it_reads_while_its_claim_holds (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    bm_claim_t claim = {"restore", 0, "D2-1", plain.in.now_us + 1};
    plain.in.claims = &claim;
    plain.in.claim_count = 1;
    assert_int_equal (s_kept (&plain), 0x24);
    claim.mark = NULL;
    assert_int_equal (s_kept (&plain), 0x3f);
    claim.set_id = 5;
    assert_int_equal (s_kept (&plain), 0x22);
    claim.until_us = plain.in.now_us;
    assert_int_equal (s_kept (&plain), 0x20);
}

static void
the_present_chain_stays_though_no_mark_needs_it_yet (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    /*  Every mark of the last two days failed: the newest usable one is of day 3. */
    for (int i = 8; i < 12; i++)
        plain.marks[i].outcome = BM_OUTCOME_NONE;
    assert_int_equal (s_kept (&plain), 0x28);
    /*  A database that left the group has no marks to come. */
    plain.member.present = false;
    assert_int_equal (s_kept (&plain), 0x08);
}

static void
nothing_goes_when_something_stops_it_or_no_mark_is_known (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    plain.in.stop = "SQL02 cannot be asked";
    bm_retention_t *decided = bm_retention_decide (&plain.in);
    assert_int_equal (s_days (&plain, decided), 0x3f);
    assert_int_equal (decided->goes, 0);
    char *text = bm_retention_sentence (&plain.in, decided, &decided->fates[0][0]);
    assert_non_null (strstr (text, "SQL02 cannot be asked"));
    free (text);
    bm_retention_destroy (&decided);
    plain.in.stop = NULL;
    for (size_t i = 0; i < plain.in.mark_count; i++)
        plain.marks[i].outcome = BM_OUTCOME_TORN;
    decided = bm_retention_decide (&plain.in);
    assert_int_equal (decided->goes, 0);
    assert_non_null (decided->stop);
    bm_retention_destroy (&decided);
}

static void
others_files_and_files_that_are_gone_are_left_alone (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    plain.links[1].foreign = true;
    plain.holdings[2].gone = plain.links[2].unreadable = true;
    bm_retention_t *decided = bm_retention_decide (&plain.in);
    assert_true (decided->fates[0][0].goes);
    assert_int_equal (decided->fates[0][0].rule, BM_RULE_UNNEEDED);
    assert_false (decided->fates[0][1].goes);
    assert_int_equal (decided->fates[0][1].rule, BM_RULE_FOREIGN);
    assert_false (decided->fates[0][2].goes);
    assert_int_equal (decided->fates[0][2].rule, BM_RULE_GONE);
    /*  Neither is what the history and MarkLog are trimmed by. */
    assert_int_equal (decided->oldest_kept_us, 5 * DAY_US);
    assert_int_equal (decided->oldest_kept_set, 16);
    bm_retention_destroy (&decided);
}

static void
a_full_of_others_is_not_relied_on_when_one_of_ours_serves (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    plain.links[15].foreign = true; /* the last day's full: its owner may delete it tomorrow */
    bm_retention_t *decided = bm_retention_decide (&plain.in);
    for (int at = 12; at < 18; at++)
        assert_false (decided->fates[0][at].goes);
    assert_true (decided->fates[0][11].goes);
    bm_retention_destroy (&decided);
}

/*  A new catalogue takes the fulls of the one before for somebody else's; marks to come stand on them. */
static void
logs_since_a_full_of_others_stay_when_there_is_none_of_ours (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    plain.in.mark_count--; /* no mark in the newest log yet */
    for (int at = 0; at < DAYS * PER_DAY; at += PER_DAY)
        plain.links[at].foreign = true;
    bm_retention_t *decided = bm_retention_decide (&plain.in);
    assert_false (decided->fates[0][17].goes);
    assert_int_equal (decided->fates[0][17].rule, BM_RULE_CHAIN);
    assert_true (decided->fates[0][14].goes);
    bm_retention_destroy (&decided);
    /*  Nor is a log needed less when its full is not known. */
    for (int at = 0; at < DAYS * PER_DAY; at += PER_DAY)
        plain.holdings[at].gone = plain.links[at].unreadable = true;
    plain.in.mark_count = 2;
    decided = bm_retention_decide (&plain.in);
    assert_false (decided->fates[0][17].goes);
    bm_retention_destroy (&decided);
}

static void
a_file_with_two_backups_goes_when_both_may (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    plain.holdings[0].device = plain.holdings[15].device; /* appended to the first day's file */
    bm_retention_t *decided = bm_retention_decide (&plain.in);
    assert_false (decided->fates[0][0].goes);
    assert_int_equal (decided->fates[0][0].rule, BM_RULE_SHARED);
    /*  And with it all that depends on it. */
    assert_false (decided->fates[0][2].goes);
    assert_int_equal (decided->fates[0][2].rule, BM_RULE_WITH);
    assert_true (decided->fates[0][3].goes);
    bm_retention_destroy (&decided);
}

static void
every_rule_has_a_sentence_that_names_what_it_is_about (void **state)
{
    (void)state;
    plain_t plain;
    s_plain (&plain);
    bm_claim_t claim = {"test-restore", 8, NULL, plain.in.now_us + 1};
    bm_retained_set_t retained = {2, -1};
    plain.in.claims = &claim;
    plain.in.retained = &retained;
    plain.in.claim_count = plain.in.retained_count = 1;
    plain.in.keep_us = DAY_US + 20;
    bm_retention_t *decided = bm_retention_decide (&plain.in);
    static const struct {
        int link;
        const char *words;
    } expected[] = {
        {17, "D5-1"}, {14, "D4-1"}, {0, "set 2"}, {7, "test-restore"}, {9, "no kept mark"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        char *text =
            bm_retention_sentence (&plain.in, decided, &decided->fates[0][expected[i].link]);
        if (!strstr (text, expected[i].words))
            fail_msg ("link %d: \"%s\" lacks \"%s\"", expected[i].link, text, expected[i].words);
        free (text);
    }
    for (int rule = 0; rule < BM_RULE_COUNT_OF_RULES; rule++)
        assert_true (strlen (bm_rule_name ((bm_rule_t)rule)) > 3);
    bm_retention_destroy (&decided);
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

/*  What was asked for in one cleaning of a random group, and what stood before and after it. */
typedef struct cleaning {
    const random_group_t *group;
    bm_retention_in_t in;
    bm_retained_set_t retained[2];
    bm_claim_t claims[2];
    bool before[MEMBERS][LINKS], after[MEMBERS][LINKS], deleted[MEMBERS][LINKS];
    bool before_own[MEMBERS][LINKS], after_own[MEMBERS][LINKS]; /* without others' fulls */
} cleaning_t;

static bool
s_vouched (const bm_mark_t *mark, bool clean_only)
{
    if (!mark->has_outcome)
        return false;
    return mark->outcome == BM_OUTCOME_CLEAN ||
           (!clean_only &&
            (mark->outcome == BM_OUTCOME_UNCHECKED || mark->outcome == BM_OUTCOME_DOUBTFUL));
}

/*  Restorable before and not after; and not made to rest on others' fulls. */
static bool
s_lost (cleaning_t *self, const bm_mark_t *mark)
{
    if (oracle_restorable (self->group, mark, self->before_own) &&
        !oracle_restorable (self->group, mark, self->after_own))
        return true;
    return oracle_restorable (self->group, mark, self->before) &&
           !oracle_restorable (self->group, mark, self->after);
}

/*  The newest `keep_marks` that stood before must stand after. Marks are in the order of time. */
static const char *
s_check_newest (cleaning_t *self, bool clean_only)
{
    size_t counted = 0;
    for (size_t i = self->group->mark_count; i-- > 0 && counted < self->in.keep_marks;) {
        const bm_mark_t *mark = &self->group->marks[i];
        if (!s_vouched (mark, clean_only) || !oracle_restorable (self->group, mark, self->before))
            continue;
        counted++;
        if (s_lost (self, mark))
            return clean_only ? "one of the newest usable marks is lost"
                              : "one of the newest marks on demand is lost";
    }
    return NULL;
}

static const char *
s_check_marks (cleaning_t *self)
{
    int64_t since_us = self->in.now_us - self->in.keep_us;
    for (size_t i = 0; i < self->group->mark_count; i++) {
        const bm_mark_t *mark = &self->group->marks[i];
        bool lost = s_vouched (mark, false) && s_lost (self, mark);
        if (lost && self->in.keep_us > 0 && mark->at_us >= since_us)
            return "a mark inside the retention time is lost";
        for (size_t k = 0; k < self->in.retained_count; k++)
            if (lost && mark->set_id == self->retained[k].set_id &&
                (self->retained[k].until_us < 0 || self->retained[k].until_us > self->in.now_us))
                return "a retained set's mark is lost";
        for (size_t k = 0; k < self->in.claim_count; k++)
            if (lost && self->claims[k].until_us > self->in.now_us &&
                (self->claims[k].set_id == mark->set_id ||
                 (self->claims[k].mark && strcmp (self->claims[k].mark, mark->name) == 0)))
                return "a running restore loses its mark";
    }
    return NULL;
}

static size_t
s_newest_full (const cleaning_t *self, size_t m)
{
    size_t newest = SIZE_MAX;
    for (size_t k = 0; k < self->group->link_counts[m]; k++) {
        const bm_link_t *link = &self->group->links[m][k];
        if (link->kind == BM_LINK_FULL && !link->foreign && !link->copy_only && self->before[m][k])
            newest = k; /* they are in the order of time */
    }
    return newest;
}

/*  How far one comes from a full, trying everything. */
static unsigned
s_reach (const bm_member_t *member, const bool there[], size_t full)
{
    unsigned reach = oracle_lsn (member->links[full].last_lsn);
    for (bool more = true; more;) {
        more = false;
        for (size_t k = 0; k < member->link_count; k++) {
            const bm_link_t *log = &member->links[k];
            if (log->kind == BM_LINK_LOG && there[k] && !log->copy_only &&
                oracle_on (log, member->links[full].fork) && oracle_lsn (log->first_lsn) <= reach &&
                oracle_lsn (log->last_lsn) > reach) {
                reach = oracle_lsn (log->last_lsn);
                more = true;
            }
        }
    }
    return reach;
}

/*  The full of a log: the newest of ours that ended before it on its fork. */
static size_t
s_full_of (const cleaning_t *self, size_t m, size_t log)
{
    size_t best = SIZE_MAX;
    for (size_t k = 0; k < self->group->link_counts[m]; k++) {
        const bm_link_t *full = &self->group->links[m][k];
        if (full->kind == BM_LINK_FULL && !full->foreign && !full->copy_only &&
            self->before[m][k] && oracle_on (full, self->group->links[m][log].fork) &&
            oracle_lsn (full->last_lsn) <= oracle_lsn (self->group->links[m][log].last_lsn) &&
            (best == SIZE_MAX ||
             oracle_lsn (full->last_lsn) > oracle_lsn (self->group->links[m][best].last_lsn)))
            best = k;
    }
    return best;
}

static const char *
s_check_files (cleaning_t *self, size_t m)
{
    const random_group_t *group = self->group;
    size_t newest = s_newest_full (self, m);
    if (group->members[m].present && newest != SIZE_MAX) {
        if (self->deleted[m][newest])
            return "the newest full of a database is lost";
        if (s_reach (&group->members[m], self->after[m], newest) <
            s_reach (&group->members[m], self->before[m], newest))
            return "the present chain is cut";
    }
    for (size_t k = 0; k < group->link_counts[m]; k++) {
        const bm_link_t *link = &group->links[m][k];
        if (self->deleted[m][k] && link->foreign)
            return "a file of somebody else is deleted";
        if (self->deleted[m][k] && self->in.keep_us > 0 &&
            group->holdings[m][k].at_us >= self->in.now_us - self->in.keep_us)
            return "a file inside the retention time is deleted";
        for (size_t i = 0; i < self->in.retained_count; i++)
            if (self->deleted[m][k] && group->holdings[m][k].set_id == self->retained[i].set_id &&
                (self->retained[i].until_us < 0 || self->retained[i].until_us > self->in.now_us))
                return "a file of a retained set is deleted";
        if (link->kind != BM_LINK_LOG || link->foreign || !self->before[m][k])
            continue;
        size_t full = s_full_of (self, m, k);
        if (full != SIZE_MAX && self->deleted[m][full] != self->deleted[m][k])
            return "a full and its logs are parted";
    }
    return NULL;
}

static const char *
s_check (cleaning_t *self, const bm_retention_t *decided)
{
    const random_group_t *group = self->group;
    bool restorable = false;
    for (size_t i = 0; i < group->mark_count; i++)
        restorable |= s_vouched (&group->marks[i], false) &&
                      oracle_restorable (group, &group->marks[i], self->before);
    if (decided->goes && (self->in.stop || !restorable))
        return "files are deleted although nothing may be";
    const char *wrong = s_check_newest (self, true);
    if (!wrong)
        wrong = s_check_newest (self, false);
    if (!wrong)
        wrong = s_check_marks (self);
    for (size_t m = 0; !wrong && m < group->member_count; m++)
        wrong = s_check_files (self, m);
    return wrong;
}

static void
s_ask (cleaning_t *self, random_group_t *group, bm_retention_mutation_t mutation)
{
    memset (self, 0, sizeof *self);
    self->group = group;
    int64_t now_us = group->now * MINUTE_US;
    for (size_t i = 0; i < 2; i++) {
        self->retained[i] =
            (bm_retained_set_t){1 + (int64_t)random_below (group, STEPS),
                                random_chance (group, 50) ? -1 : now_us + (int64_t)i - 1};
        self->claims[i] =
            (bm_claim_t){"restore", 0, NULL, now_us + 1 - (int64_t)random_below (group, 2)};
        if (group->mark_count && random_chance (group, 60))
            self->claims[i].mark = group->names[random_below (group, group->mark_count)];
        else
            self->claims[i].set_id = 1 + (int64_t)random_below (group, STEPS);
    }
    self->in = (bm_retention_in_t){
        .members = group->members,
        .holdings = group->holding_of,
        .member_count = group->member_count,
        .marks = group->marks,
        .mark_count = group->mark_count,
        .retained = self->retained,
        .retained_count = random_below (group, 4) == 0 ? 2 : 0,
        .claims = self->claims,
        .claim_count = random_below (group, 4) == 0 ? 2 : 0,
        .keep_marks = 1 + random_below (group, 3),
        .keep_us = random_chance (group, 50) ? 0 : (int64_t)random_below (group, 8) * MINUTE_US,
        .now_us = now_us,
        .stop = random_chance (group, 4) ? "a database cannot be asked" : NULL,
        .mutation = mutation};
}

/*  Decides, deletes, looks. What is wrong, or NULL. */
static const char *
s_clean (random_group_t *group, bm_retention_mutation_t mutation, size_t *deleted)
{
    static cleaning_t cleaning;
    s_ask (&cleaning, group, mutation);
    bm_retention_t *decided = bm_retention_decide (&cleaning.in);
    oracle_there (group, cleaning.before);
    for (size_t m = 0; m < group->member_count; m++)
        for (size_t k = 0; k < group->link_counts[m]; k++) {
            bool others_full =
                group->links[m][k].kind == BM_LINK_FULL && group->links[m][k].foreign;
            cleaning.deleted[m][k] = decided->fates[m][k].goes;
            cleaning.after[m][k] = cleaning.before[m][k] && !cleaning.deleted[m][k];
            cleaning.before_own[m][k] = cleaning.before[m][k] && !others_full;
            cleaning.after_own[m][k] = cleaning.after[m][k] && !others_full;
        }
    const char *wrong = s_check (&cleaning, decided);
    *deleted += decided->goes;
    for (size_t m = 0; m < group->member_count; m++)
        for (size_t k = 0; k < group->link_counts[m]; k++)
            if (cleaning.deleted[m][k])
                group->links[m][k].unreadable = group->holdings[m][k].gone = true;
    bm_retention_destroy (&decided);
    return wrong;
}

/*  A whole life: backups, losses, cleanings. */
static const char *
s_live (uint64_t seed, bm_retention_mutation_t mutation, size_t *deleted)
{
    static random_group_t group;
    const char *wrong = NULL;
    random_begin (&group, seed);
    for (int i = 0; i < STEPS && !wrong; i++) {
        random_step (&group);
        if (random_chance (&group, 10))
            random_losses (&group, 2);
        if (random_chance (&group, 30))
            wrong = s_clean (&group, mutation, deleted);
    }
    return wrong;
}

static void
no_history_loses_a_file_that_the_kept_marks_need (void **state)
{
    (void)state;
    size_t deleted = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        const char *wrong = s_live (seed, BM_RETENTION_WHOLE, &deleted);
        if (wrong)
            fail_msg ("seed %llu: %s", (unsigned long long)seed, wrong);
    }
    assert_true (deleted > 5000); /* it does delete */
}

static void
the_oracle_notices_each_rule_that_is_left_out (void **state)
{
    (void)state;
    for (int mutation = BM_RETENTION_NO_COUNT; mutation <= BM_RETENTION_ANY_FULL; mutation++) {
        const char *wrong = NULL;
        size_t deleted = 0;
        uint64_t seed = 0;
        while (!wrong && ++seed <= 6000)
            wrong = s_live (seed, (bm_retention_mutation_t)mutation, &deleted);
        if (wrong)
            print_message ("without rule %2d: seed %llu: %s\n", mutation, (unsigned long long)seed,
                           wrong);
        else
            fail_msg ("rule %d may be left out and nobody notices", mutation);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_newest_marks_keep_their_files_and_older_ones_go),
        cmocka_unit_test (only_usable_marks_count),
        cmocka_unit_test (the_retention_time_keeps_marks_and_files_up_to_its_moment),
        cmocka_unit_test (a_retained_set_stays_until_its_date_and_not_longer),
        cmocka_unit_test (a_running_restore_keeps_what_it_reads_while_its_claim_holds),
        cmocka_unit_test (the_present_chain_stays_though_no_mark_needs_it_yet),
        cmocka_unit_test (nothing_goes_when_something_stops_it_or_no_mark_is_known),
        cmocka_unit_test (others_files_and_files_that_are_gone_are_left_alone),
        cmocka_unit_test (a_full_of_others_is_not_relied_on_when_one_of_ours_serves),
        cmocka_unit_test (logs_since_a_full_of_others_stay_when_there_is_none_of_ours),
        cmocka_unit_test (a_file_with_two_backups_goes_when_both_may),
        cmocka_unit_test (every_rule_has_a_sentence_that_names_what_it_is_about),
        cmocka_unit_test (no_history_loses_a_file_that_the_kept_marks_need),
        cmocka_unit_test (the_oracle_notices_each_rule_that_is_left_out),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
