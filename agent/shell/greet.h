/*  agent/shell/greet.h
 *  Who we are, which instances we serve and what they say of themselves: for GREET, and with what runs, for STATUS.
 */
#ifndef BM_GREET_H
#define BM_GREET_H

#include "agent/shell/agent.h"

/*  Asks every instance at once; answered when all have answered or failed, at the latest after 4 s: a SQL Server that says
 *  nothing is no reason for the agent to be taken for dead. */
void bm_greet (bm_agent_t *agent, bm_operation_t *operation);
void bm_greet_tick (bm_agent_t *agent, int64_t now_ms);

#endif
