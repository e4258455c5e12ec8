#include "agent/core/branch.h"

const bm_read_t bm_reads_before[BM_READS] = {BM_READ_COUNTS, BM_READ_LIST};
const bm_read_t bm_reads_after[BM_READS] = {BM_READ_LIST, BM_READ_COUNTS};

/*  The states as the documentation of the two views gives them; all that are not here come after prepared. */
enum {
    S_NOT_INITIALIZED = 0,
    S_NOT_STARTED = 1,
    S_ACTIVE = 2,
    S_DB_NONE = 0,
    S_DB_NOT_INITIALIZED = 1,
    S_DB_NO_LOG = 3,
    S_DB_LOGGED = 4,
    S_DB_PREPARED = 5,
    S_DB_COMMITTING = 12
};

/*  A database in which the transaction has logged nothing yet is as good as none. */
static int
s_rank (int32_t database_state)
{
    switch (database_state) {
        case S_DB_NONE:
            return 0;
        case S_DB_NOT_INITIALIZED:
            return 1;
        case S_DB_NO_LOG:
            return 2;
        case S_DB_LOGGED:
            return 3;
        case S_DB_PREPARED:
            return 4;
        case S_DB_COMMITTING:
            return 5;
        default:
            return 6; /* committed, rolled back */
    }
}

bool
bm_branch_in_flight (int32_t transaction_state, int32_t database_state)
{
    bool active = transaction_state == S_NOT_INITIALIZED || transaction_state == S_NOT_STARTED ||
                  transaction_state == S_ACTIVE;
    return !active || s_rank (database_state) >= s_rank (S_DB_PREPARED);
}

int32_t
bm_branch_further (int32_t a, int32_t b)
{
    return s_rank (a) >= s_rank (b) ? a : b;
}
