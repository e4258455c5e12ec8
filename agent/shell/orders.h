/*  agent/shell/orders.h
 *  From a frame to an order: who sent it, whether he may, whether it is for this start, whether it was there before. Then
 *  it goes to the instance, the queue, or the session that does it.
 */
#ifndef BM_ORDERS_H
#define BM_ORDERS_H

#include "agent/shell/agent.h"

/*  A message as it came from the door's socket (taken). */
void bm_orders_receive (bm_agent_t *agent, zmsg_t **message_p);

/*  An order that the participant let pass. */
void bm_orders_do (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation);
/*  PROVE, as the participant wants it done. */
void bm_orders_prove (bm_agent_t *agent, bm_instance_t *instance, bm_operation_t *operation,
                      bool unsettled);

/*  The running operation is to end soon: it is answered all the same. False when it cannot be cancelled. */
bool bm_orders_cancel (bm_agent_t *agent, bm_operation_t *operation, const char *why);
/*  Orders that wait for something before they begin. */
void bm_orders_tick (bm_agent_t *agent, int64_t now_ms);

/*  Of any order; "" when it names none. */
const char *bm_orders_instance (const Btsmark__Envelope *order);
const char *bm_orders_database (const Btsmark__Envelope *order);

#endif
