/*  tests/sim/world.h
 *  What the parts of the simulation share: time, the queue, the network, and the truth.
 */
#ifndef BM_WORLD_H
#define BM_WORLD_H

#include <stddef.h>
#include "agent/core/branch.h"
#include "agent/core/participant.h"
#include "coordinator/core/inflight.h"
#include "coordinator/core/round.h"
#include "tests/sim/sim.h"

#define BM_SIM_INSTANCES    4
#define BM_SIM_SLOTS        2     /* tracking databases of an instance */
#define BM_SIM_DATABASES    3     /* databases of an instance */
#define BM_SIM_EVENTS       8192  /* in the queue */
#define BM_SIM_MARKS        4096  /* rounds of one run of the simulation */
#define BM_SIM_SESSIONS     16384 /* SQL sessions of one run of the simulation */
#define BM_SIM_ORDERS       65536 /* operations of one run of the simulation */
#define BM_SIM_STORED       64    /* orders an agent remembers, with their answers */
#define BM_SIM_SETTLED      8     /* open marks asked for at once */
#define BM_SIM_TRANSACTIONS 8192  /* distributed ones of one run of the simulation */
#define BM_SIM_LEASE_MS     10000
#define BM_SIM_ORDER_MS     3000 /* expiry of an order */
#define BM_SIM_NEVER        INT64_MAX

typedef enum {
    BM_BODY_GREET,
    BM_BODY_GREETING,
    BM_BODY_ORDER,
    BM_BODY_ANSWER,
    BM_BODY_REFUSED
} bm_body_t;

typedef struct bm_sim_sample {
    uint64_t prepares, commits;
    size_t listed; /* in flight */
} bm_sim_sample_t;

/*  One message between the coordinator and the agent of an instance. */
typedef struct bm_message {
    bm_body_t body;
    bm_order_kind_t order; /* of ORDER, ANSWER, REFUSED */
    bool to_agent;
    size_t instance;
    uint64_t start_id;
    uint64_t operation_id;
    uint64_t epoch;
    uint32_t round;
    int64_t expires_ms; /* the agent's clock */
    int64_t clock_ms;   /* of GREETING: the agent's clock */
    int64_t lease_ms;
    size_t mark; /* index of marks */
    size_t fence_count;
    bm_named_fence_t fences[BM_SIM_SLOTS];
    int64_t transaction_id;
    bool ok;
    bool sample_ran;
    bm_sim_sample_t sample; /* of SAMPLE's and COMMIT's answer */
    bool mark_dropped;
    bm_committed_t commit;
    bm_proof_t proof;
    size_t settled_count; /* of SETTLE and its answer */
    size_t settled[BM_SIM_SETTLED];
    bm_proof_t proofs[BM_SIM_SETTLED];
} bm_message_t;

typedef enum {
    BM_WHEN_DELIVER,
    BM_WHEN_FACT,       /* number: start id of the agent it is for */
    BM_WHEN_AGENT_TICK, /* number: start id */
    BM_WHEN_AGENT_UP,
    BM_WHEN_SERVER_UP,
    BM_WHEN_FENCE_TRY, /* number: session */
    BM_WHEN_FENCE_EXPIRES,
    BM_WHEN_FENCE_ENDS,
    BM_WHEN_MARK_OPENS,
    BM_WHEN_MARK_ROLLS_BACK,
    BM_WHEN_COMMIT_ENDS,
    BM_WHEN_SESSION_DROPS, /* SQL Server notices that its client is gone */
    BM_WHEN_MARK_DUE,      /* the lease of a mark is over, with some slack */
    BM_WHEN_COORDINATOR_UP,
    BM_WHEN_TIMER,     /* number: timer of the coordinator */
    BM_WHEN_JOURNALED, /* number: generation of the coordinator */
    BM_WHEN_DISK,      /* number: mark whose intent reaches the disk only now */
    BM_WHEN_LOST,      /* number: start id whose connection broke */
    BM_WHEN_SAMPLE,    /* the second read of L1; number: start id */
    BM_WHEN_BRANCH,    /* number: transaction, branch and step (branch.c) */
    BM_WHEN_FAULT,
    BM_WHEN_CALM,
    BM_WHEN_COUNT
} bm_when_kind_t;

typedef struct bm_when {
    int64_t at_ms;
    uint64_t order; /* of equal times: first come, first served */
    bm_when_kind_t kind;
    size_t instance;
    uint64_t number;
    bool ok;
    bm_message_t message;
    bm_fact_t fact;
} bm_when_t;

/* ---- Truth ------------------------------------------------------------------------------------- */

typedef struct bm_sim_mark {
    uint64_t epoch;
    uint32_t round;
    bool intended; /* its name is in the journal, on the disk */
    bool judged;   /* the coordinator said what became of it */
    bool settled;  /* a later run said it */
    bm_outcome_t outcome;
    bool in[BM_SIM_INSTANCES];
    bool dropped[BM_SIM_INSTANCES];
    int64_t at_ms[BM_SIM_INSTANCES];
    uint64_t step[BM_SIM_INSTANCES]; /* of its COMMIT, among all ends of transactions */
} bm_sim_mark_t;

/*  A branch on one instance; its commit record stands at ended_step (0 = not yet). */
typedef struct bm_sim_branch {
    size_t instance;
    bool prepared;
    bool prepare_counted;
    bool gone; /* from the list */
    uint64_t ended_step;
} bm_sim_branch_t;

typedef struct bm_sim_transaction {
    bool lurks;
    bm_sim_branch_t branches[2];
} bm_sim_transaction_t;

typedef enum {
    BM_SESSION_WAITS,
    BM_SESSION_HOLDS,
    BM_SESSION_COMMITS,
    BM_SESSION_OVER
} bm_session_state_t;

/*  A session of SQL Server that holds a fence or a mark. */
typedef struct bm_sim_session {
    bool is_fence;
    bm_session_state_t state;
    bool orphan; /* its client is gone: nobody hears of it */
    size_t instance;
    size_t slot;
    size_t mark;
    uint64_t start_id; /* of the agent that opened it */
    int64_t transaction_id;
    int64_t lease_ms;
    int64_t give_up_ms; /* LOCK_TIMEOUT */
    int64_t from_ms;    /* held from .. until */
    int64_t until_ms;
} bm_sim_session_t;

typedef struct bm_sim_operation {
    uint64_t start_id;
    int64_t expires_ms; /* virtual time */
    uint32_t effects;
} bm_sim_operation_t;

/* ---- Parts ------------------------------------------------------------------------------------- */

typedef struct bm_sim_agent {
    bool up;
    uint64_t start_id;
    int64_t frozen_until_ms;
    int64_t last_fact_ms;
    int64_t clock_base_ms;
    int64_t cut_until_ms; /* of its link */
    size_t slots;         /* tracking databases */
    bool server_up;
    uint64_t prepares, commits; /* counted since SQL Server started */
    bm_sim_sample_t after;      /* L2 of the mark that is being committed, as far as it is read */
    bm_participant_t *participant;
    size_t fence_sessions[BM_SIM_SLOTS];
    size_t mark_session;
    bm_message_t stored[BM_SIM_STORED]; /* orders */
    bm_message_t answers[BM_SIM_STORED];
    bool answered[BM_SIM_STORED];
    size_t next_stored;
} bm_sim_agent_t;

typedef enum { BM_PHASE_SETTLING, BM_PHASE_ROUND, BM_PHASE_PAUSE } bm_phase_t;

typedef struct bm_sim_peer {
    uint64_t start_id;
    int64_t clock_offset_ms; /* agent's clock minus ours */
    uint64_t operation_ids[BM_ORDER_COUNT];
    uint64_t greet_id;
    size_t fence_count;
    bm_named_fence_t fences[BM_SIM_SLOTS];
    int64_t transaction_id;
    bool settled;
    bm_proof_t proofs[BM_SIM_SETTLED];
    bool early;      /* mutation: RELEASE was sent early */
    bool early_kept; /* its answer waits */
    bm_message_t early_answer;
} bm_sim_peer_t;

typedef struct bm_sim_coordinator {
    bool up;
    uint64_t generation;
    int64_t frozen_until_ms;
    bm_phase_t phase;
    uint64_t timer; /* the one that counts */
    uint64_t epoch; /* on the disk */
    uint32_t round;
    size_t mark;
    bm_round_t *core;
    bm_inflight_t *inflight;
    bm_actions_t *actions;
    size_t settled_count;
    size_t settled[BM_SIM_SETTLED];
    bm_sim_peer_t peers[BM_SIM_INSTANCES];
} bm_sim_coordinator_t;

/*  How rough it is, in per mille; drawn from the seed. */
typedef struct bm_sim_weather {
    uint32_t drop;
    uint32_t repeat;
    uint32_t slow;
    uint32_t stall;
    uint32_t refuse; /* SQL Server fails something */
    int64_t fault_every_ms;
    int64_t branch_every_ms; /* 0 = no distributed transactions */
    bool slow_views;         /* much happens between the two reads of a sample */
    bool samples;
} bm_sim_weather_t;

typedef struct bm_world {
    bm_sim_config_t config;
    bm_sim_report_t *report;
    uint64_t random;
    int64_t now_ms;
    uint64_t next_order;
    uint64_t next_start_id;
    uint64_t next_operation_id;
    int64_t next_transaction_id;
    int64_t calm_at_ms;
    bool calm;
    uint32_t good_in_calm;
    bm_sim_weather_t weather;
    size_t instances;
    bm_sim_agent_t agents[BM_SIM_INSTANCES];
    bm_sim_coordinator_t coordinator;
    uint64_t step;
    size_t mark_count;
    size_t transaction_count;
    size_t session_count;
    size_t first_live; /* every session before it is over */
    size_t queue_count;
    bm_sim_mark_t marks[BM_SIM_MARKS];
    bm_sim_transaction_t transactions[BM_SIM_TRANSACTIONS];
    bm_sim_session_t sessions[BM_SIM_SESSIONS];
    bm_sim_operation_t operations[BM_SIM_ORDERS];
    uint16_t heap[BM_SIM_EVENTS]; /* of places in queue, the next one first */
    uint16_t free_places[BM_SIM_EVENTS];
    bm_when_t queue[BM_SIM_EVENTS];
} bm_world_t;

/* ---- world.c ----------------------------------------------------------------------------------- */

int64_t bm_world_between (bm_world_t *world, int64_t low, int64_t high);
bool bm_world_chance (bm_world_t *world, uint32_t per_mille);
/*  Puts a copy into the queue, `in_ms` from now. */
void bm_world_push (bm_world_t *world, const bm_when_t *when, int64_t in_ms);
/*  Hands a message to the network. */
void bm_world_send (bm_world_t *world, const bm_message_t *message);
void
bm_world_trace (bm_world_t *world, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* ---- check.c: the rules ------------------------------------------------------------------------ */

void
bm_check_fail (bm_world_t *world, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
/*  An order takes effect on an instance (I5). */
void bm_check_effect (bm_world_t *world, size_t instance, uint64_t operation_id);
/*  A COMMIT reaches SQL Server (I9). */
void bm_check_commit (bm_world_t *world, size_t mark);
/*  The coordinator says what became of a mark (I1, I8). */
void bm_check_outcome (bm_world_t *world, size_t mark, bm_outcome_t outcome);
/*  The lease of a mark is over (I2). */
void bm_check_mark_due (bm_world_t *world, size_t session);
void bm_check_fence_over (bm_world_t *world, size_t session);
void bm_check_end (bm_world_t *world);

/* ---- server.c: the model of SQL Server --------------------------------------------------------- */

size_t bm_server_start_fence (bm_world_t *world, size_t instance, size_t slot, int64_t lease_ms);
void bm_server_end_fence (bm_world_t *world, size_t session);
size_t bm_server_start_mark (bm_world_t *world, size_t instance, size_t mark, int64_t lease_ms);
void bm_server_rollback (bm_world_t *world, size_t session);
void bm_server_commit (bm_world_t *world, size_t session);
bm_proof_t bm_server_read (bm_world_t *world, size_t instance, size_t mark);
void bm_server_lose_client (bm_world_t *world, size_t instance);
void bm_server_crash (bm_world_t *world, size_t instance);
void bm_server_kill_one (bm_world_t *world, size_t instance, bool fence);
void bm_server_when (bm_world_t *world, const bm_when_t *when);

/* ---- branch.c: distributed transactions -------------------------------------------------------- */

/*  Between the two reads of a sample. */
int64_t bm_branch_pause (bm_world_t *world);
void bm_branch_start (bm_world_t *world);
/*  L1 has just begun on the instance, or its mark has just been committed. */
void bm_branch_wake (bm_world_t *world, size_t instance, bool behind_mark);
void bm_branch_when (bm_world_t *world, const bm_when_t *when);
void
bm_branch_read (const bm_world_t *world, size_t instance, bm_read_t read, bm_sim_sample_t *sample);
bool bm_branch_straddles (const bm_world_t *world, const bm_sim_mark_t *mark);

/* ---- agent.c: the agent's shell ---------------------------------------------------------------- */

void bm_sim_agent_start (bm_world_t *world, size_t instance);
void bm_sim_agent_kill (bm_world_t *world, size_t instance);
void bm_sim_agent_message (bm_world_t *world, const bm_message_t *message);
/*  The order of a sample's reads: the agent's, or a mutation's. */
const bm_read_t *bm_sim_agent_reads (const bm_world_t *world, bool after);
void bm_sim_agent_sample (bm_world_t *world, const bm_when_t *when);
void bm_sim_agent_fact (bm_world_t *world, size_t instance, const bm_fact_t *fact);
int64_t bm_sim_agent_clock (const bm_world_t *world, size_t instance);

/* ---- coordinator.c: the coordinator's shell ---------------------------------------------------- */

void bm_sim_coordinator_start (bm_world_t *world);
void bm_sim_coordinator_kill (bm_world_t *world);
void bm_sim_coordinator_message (bm_world_t *world, const bm_message_t *message);
void bm_sim_coordinator_when (bm_world_t *world, const bm_when_t *when);
/*  LOCK_LOST, STOP, and AGENT_LOST of an instance. */
void bm_sim_coordinator_event (bm_world_t *world, bm_event_kind_t kind, size_t instance);

#endif
