/*  coordinator/shell/grants.h
 *  What the coordinator's login may do in the management database, and the statement that grants what it may not.
 */
#ifndef BM_GRANTS_H
#define BM_GRANTS_H

#include "coordinator/core/findings.h"
#include "coordinator/shell/management.h"

/*  Topics: grants, management (an object that is not there). BM_OK when it could be asked. */
bm_status_t
bm_grants_check (bm_management_t *management, bm_findings_t *findings, bm_error_t *error);

#endif
