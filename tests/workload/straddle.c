#include "tests/workload/straddle.h"

#include <stdio.h>
#include <string.h>

#include "common/names.h"

enum { S_BEFORE = 1, S_AFTER = 2, S_UNKNOWN = 4, S_BRANCHES = 2 };

static int
s_side (const bm_ledger_branch_t *branch, const bm_mark_lsn_t *marks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bm_names_equal (branch->instance, marks[i].instance))
            return branch->lsn < marks[i].lsn ? S_BEFORE : S_AFTER;
    return S_UNKNOWN;
}

void
bm_straddle_count (const bm_ledger_list_t *ledger, const bm_mark_lsn_t *marks, size_t count,
                   bm_straddle_t *out)
{
    *out = (bm_straddle_t){0};
    for (size_t i = 0; i < ledger->branch_count;) {
        const bm_ledger_branch_t *first = &ledger->branches[i];
        int sides = 0, branches = 0;
        for (; i < ledger->branch_count && strcasecmp (ledger->branches[i].uow, first->uow) == 0;
             i++)
            if (ledger->branches[i].instance) {
                sides |= s_side (&ledger->branches[i], marks, count);
                branches++;
            }
        if (branches < S_BRANCHES || (sides & S_UNKNOWN))
            out->unknown++;
        else if (sides == S_BEFORE)
            out->before++;
        else if (sides == S_AFTER)
            out->after++;
        else if (out->straddling++ == 0)
            snprintf (out->first, sizeof out->first, "%s", first->uow);
    }
}
