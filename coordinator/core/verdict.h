/*  coordinator/core/verdict.h
 *  What all instances of a round say together about its mark, after COMMIT was sent. Pure.
 *
 *  In this order: torn when an instance has it and another certainly lacks it; unknown when a database could not be
 *  asked; none when all were asked, none has it and none said that it committed; unproven when an instance committed
 *  but a database of it does not show the mark; doubtful when a fence did not stand, a COMMIT was not known to be done
 *  when the fences were released, something was in flight, or a second sample is missing; unchecked when the
 *  in-flight check did not run; else clean.
 */
#ifndef BM_VERDICT_H
#define BM_VERDICT_H

#include "coordinator/core/round.h"

/*  *reason: static text. */
bm_outcome_t bm_verdict (const bm_round_instance_t *instances, size_t n, const char **reason);

/*  Whether the round itself knows nothing against its mark, whatever the databases could be asked: each COMMIT was known to
 *  be done while every fence stood, and the in-flight check, where it ran, found nothing. A mark that is settled later is
 *  doubtful without that. */
bool bm_verdict_vouched (const bm_round_instance_t *instances, size_t n);

#endif
