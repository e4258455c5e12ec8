/*  coordinator/shell/descriptors.c */
#include "coordinator/shell/descriptors.h"

#include <sys/resource.h>

/*  The catalogue, SQL sessions, libzmq's threads and sockets, standard streams, and some to spare. */
#define OTHERS 64

void
bm_descriptors_raise (void)
{
    struct rlimit limit;
    if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit (RLIMIT_NOFILE, &limit);
    }
}

bm_status_t
bm_descriptors_check (size_t connections, bm_error_t *error)
{
    struct rlimit limit;
    if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        connections + OTHERS <= limit.rlim_cur)
        return BM_OK;
    bm_fail (error, BM_LIMIT,
             "%zu agents or more need %zu open files or more, but this process may have %llu",
             connections, connections + OTHERS, (unsigned long long)limit.rlim_cur);
    bm_error_remedy (
        error, "raise the hard limit of open files to twice the number of agents: LimitNOFILE= of "
               "the systemd unit, or nofile in /etc/security/limits.conf");
    return BM_LIMIT;
}
