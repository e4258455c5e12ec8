/*  tests/unit/coordinator/random_group.h
 *  A group with a random history of backups and marks, from one seed: fulls and logs, forks, gaps, copy-only and foreign ones, missing
 *  files, databases that come and go, LSNs that are equal. And oracles that know nothing of the code under test: they follow every
 *  way there is, one backup at a time.
 */
#ifndef RANDOM_GROUP_H
#define RANDOM_GROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "coordinator/core/retention.h"

enum { MEMBERS = 4, LINKS = 64, MARKS = 24, STEPS = 26, LSN_TEXT = 8 };

/*  Where one database is now. */
typedef struct random_life {
    unsigned lsn, backed_up; /* now, and where the last log backup ended */
    bool has_full;
    size_t fork;
} random_life_t;

typedef struct random_group {
    uint64_t state;
    size_t member_count, mark_count;
    bm_member_t members[MEMBERS];
    bm_link_t links[MEMBERS][LINKS];
    bm_holding_t holdings[MEMBERS][LINKS];
    const bm_holding_t *holding_of[MEMBERS];
    size_t link_counts[MEMBERS];
    char firsts[MEMBERS][LINKS][LSN_TEXT], lasts[MEMBERS][LINKS][LSN_TEXT];
    char devices[MEMBERS][LINKS][32];
    bm_mark_t marks[MARKS];
    bm_mark_standing_t standings[MARKS][MEMBERS];
    char lsns[MARKS][MEMBERS][LSN_TEXT];
    char names[MARKS][16];
    int now; /* steps so far: a minute each */
    random_life_t lives[MEMBERS];
} random_group_t;

static const int64_t MINUTE_US = 60000000;
static const char *const FORKS[] = {"11aa", "22bb"};

static inline uint64_t
random_below (random_group_t *self, uint64_t n)
{
    self->state = self->state * 6364136223846793005u + 1442695040888963407u;
    return (self->state >> 33) % n;
}

static inline bool
random_chance (random_group_t *self, unsigned percent)
{
    return random_below (self, 100) < percent;
}

static inline bm_link_t *
random_add (random_group_t *self, size_t m, bm_link_kind_t kind, unsigned first, unsigned last,
            const char *fork)
{
    size_t k = self->link_counts[m];
    if (k == LINKS)
        return NULL;
    self->members[m].link_count = ++self->link_counts[m];
    snprintf (self->firsts[m][k], LSN_TEXT, "%u", first);
    snprintf (self->lasts[m][k], LSN_TEXT, "%u", last);
    snprintf (self->devices[m][k], sizeof self->devices[m][k], "/b/m%zu-%zu", m, k);
    self->links[m][k] =
        (bm_link_t){kind, self->firsts[m][k], self->lasts[m][k], fork, false, false, false};
    self->holdings[m][k] =
        (bm_holding_t){"SQL01", self->devices[m][k], self->now + 1, self->now * MINUTE_US, false};
    return &self->links[m][k];
}

static inline void
random_backups (random_group_t *self, size_t m, random_life_t *life)
{
    unsigned last = life->lsn;
    if (random_chance (self, life->has_full ? 15 : 90)) {
        bm_link_t *full =
            random_add (self, m, BM_LINK_FULL, last - (unsigned)random_below (self, 2), last,
                        FORKS[life->fork]);
        if (full) {
            full->foreign = random_chance (self, 20);
            full->copy_only = full->foreign && random_chance (self, 30);
        }
        life->has_full = true;
    }
    if (life->has_full && random_chance (self, 88)) {
        /*  A log backup that nobody knows of makes a gap. */
        bm_link_t *log =
            random_chance (self, 95)
                ? random_add (self, m, BM_LINK_LOG, life->backed_up, last, FORKS[life->fork])
                : NULL;
        if (log)
            log->foreign = random_chance (self, 12);
        life->backed_up = last;
    }
    if (life->has_full && random_chance (self, 5)) {
        bm_link_t *copy =
            random_add (self, m, BM_LINK_LOG, life->backed_up, last + 1, FORKS[life->fork]);
        if (copy)
            copy->copy_only = copy->foreign = true;
    }
}

static inline void
random_mark (random_group_t *self)
{
    const random_life_t *lives = self->lives;
    static const bm_outcome_t outcomes[] = {
        BM_OUTCOME_CLEAN,     BM_OUTCOME_CLEAN,    BM_OUTCOME_CLEAN, BM_OUTCOME_CLEAN,
        BM_OUTCOME_UNCHECKED, BM_OUTCOME_DOUBTFUL, BM_OUTCOME_TORN,  BM_OUTCOME_UNKNOWN};
    if (self->mark_count == MARKS)
        return;
    size_t at = self->mark_count++;
    bm_mark_t *mark = &self->marks[at];
    snprintf (self->names[at], sizeof self->names[at], "M%03d", self->now);
    *mark = (bm_mark_t){.name = self->names[at],
                        .run = (uint64_t)self->now,
                        .set_id = self->now + 1,
                        .has_outcome = random_chance (self, 97),
                        .outcome = outcomes[random_below (self, 8)],
                        .at_us = self->now * MINUTE_US,
                        .standings = self->standings[at]};
    for (size_t m = 0; m < self->member_count; m++) {
        if (!self->members[m].present)
            continue;
        bm_mark_standing_t *standing = &self->standings[at][mark->standing_count++];
        snprintf (self->lsns[at][m], LSN_TEXT, "%u", lives[m].lsn);
        *standing = (bm_mark_standing_t){m, random_chance (self, 98) ? self->lsns[at][m] : NULL,
                                         FORKS[lives[m].fork]};
    }
}

/*  Restored to an earlier moment: the same LSNs come again, on another fork. */
static inline void
random_restore (random_group_t *self, random_life_t *life)
{
    if (life->fork == 0 && life->has_full && life->lsn > 6 && random_chance (self, 2)) {
        life->fork = 1;
        life->lsn -= 3;
        life->backed_up = life->lsn;
        life->has_full = false;
    }
}

static inline void
random_step (random_group_t *self)
{
    random_life_t *lives = self->lives;
    self->now++;
    bool marked = random_chance (self, 80);
    for (size_t m = 0; m < self->member_count; m++)
        lives[m].lsn += (unsigned)random_below (self, 3); /* nothing happens in an idle database */
    if (marked)
        random_mark (self);
    for (size_t m = 0; m < self->member_count; m++) {
        if (!self->members[m].present || random_chance (self, 8)) /* its host is down */
            continue;
        if (marked)
            lives[m].lsn++;
        random_backups (self, m, &lives[m]);
        random_restore (self, &lives[m]);
    }
    size_t who = random_below (self, self->member_count);
    if (random_chance (self, 4))
        self->members[who].present = !self->members[who].present;
}

/*  A file is lost now and then, whoever's it is. */
static inline void
random_losses (random_group_t *self, unsigned percent)
{
    for (size_t m = 0; m < self->member_count; m++)
        for (size_t k = 0; k < self->link_counts[m]; k++)
            if (random_chance (self, percent))
                self->links[m][k].unreadable = self->holdings[m][k].gone = true;
}

static inline void
random_begin (random_group_t *self, uint64_t seed)
{
    memset (self, 0, sizeof *self);
    self->state = seed * 2654435761u + 1;
    self->member_count = 1 + random_below (self, MEMBERS);
    for (size_t m = 0; m < self->member_count; m++) {
        self->lives[m] = (random_life_t){5, 5, false, 0};
        self->members[m] =
            (bm_member_t){"SQL01", "Db", self->links[m], 0, random_chance (self, 90)};
        self->holding_of[m] = self->holdings[m];
    }
}

static inline void
random_group (random_group_t *self, uint64_t seed)
{
    random_begin (self, seed);
    for (int i = 0; i < STEPS; i++)
        random_step (self);
    random_losses (self, 3);
}

/* ---- oracles ----------------------------------------------------------------------------------------------------- */

static inline unsigned
oracle_lsn (const char *text)
{
    unsigned value = 0;
    for (; *text; text++)
        value = value * 10 + (unsigned)(*text - '0');
    return value;
}

static inline bool
oracle_on (const bm_link_t *link, const char *fork)
{
    return !fork || !link->fork || strcmp (link->fork, fork) == 0;
}

/*  Every log that joins is tried, and from there every log again. `there[k]` = the file of link k can be read. */
static inline bool
oracle_go_on (const bm_member_t *member, const bool there[], bool used[], unsigned reach,
              unsigned mark, const char *fork)
{
    for (size_t k = 0; k < member->link_count; k++) {
        const bm_link_t *log = &member->links[k];
        if (used[k] || !there[k] || log->kind != BM_LINK_LOG || log->copy_only ||
            !oracle_on (log, fork))
            continue;
        unsigned first = oracle_lsn (log->first_lsn), last = oracle_lsn (log->last_lsn);
        if (first > reach || reach > last)
            continue;
        if (first <= mark && mark < last)
            return true;
        used[k] =
            true; /* a way that led nowhere from here leads nowhere from a later place either */
        if (oracle_go_on (member, there, used, last, mark, fork))
            return true;
    }
    return false;
}

static inline bool
oracle_covers (const bm_member_t *member, const bool there[], const char *lsn, const char *fork)
{
    if (!lsn)
        return false;
    unsigned mark = oracle_lsn (lsn);
    for (size_t k = 0; k < member->link_count; k++) {
        const bm_link_t *full = &member->links[k];
        bool used[LINKS] = {false};
        if (full->kind == BM_LINK_FULL && there[k] && oracle_on (full, fork) &&
            oracle_lsn (full->last_lsn) <= mark &&
            oracle_go_on (member, there, used, oracle_lsn (full->last_lsn), mark, fork))
            return true;
    }
    return false;
}

/*  With these files, can the group as it was be brought to the mark? */
static inline bool
oracle_restorable (const random_group_t *self, const bm_mark_t *mark, bool there[][LINKS])
{
    for (size_t i = 0; i < mark->standing_count; i++) {
        const bm_mark_standing_t *it = &mark->standings[i];
        if (!oracle_covers (&self->members[it->member], there[it->member], it->lsn, it->fork))
            return false;
    }
    return mark->standing_count > 0;
}

static inline void
oracle_there (const random_group_t *self, bool there[][LINKS])
{
    for (size_t m = 0; m < self->member_count; m++)
        for (size_t k = 0; k < self->members[m].link_count; k++)
            there[m][k] = !self->links[m][k].unreadable && !self->holdings[m][k].gone;
}

#endif
