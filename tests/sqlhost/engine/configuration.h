/*  tests/sqlhost/engine/configuration.h
 *  Server options: sp_configure, RECONFIGURE, sys.configurations. A value takes effect when it is
 *  reconfigured; both survive a restart. */
#ifndef SH_ENGINE_CONFIGURATION_H
#define SH_ENGINE_CONFIGURATION_H

#include "tests/sqlhost/engine/instance.h"

enum {
    SH_CONFIG_SHOW_ADVANCED = 518,
    SH_CONFIG_COMPRESSION_DEFAULT = 1579,
    SH_CONFIG_CHECKSUM_DEFAULT = 1584
};

typedef struct {
    int id;
    const char *name; /* static */
    int64_t minimum, maximum, value, in_use;
    bool advanced;
} sh_config_t;

/*  The caller frees *out. */
size_t sh_config_list (sh_instance_t *instance, sh_config_t **out);
/*  A beginning of the name will do when it is the only one. 15123 no such option (or an advanced one
 *  while they are not shown), 15124 several, 15129 not a value of it. `before` may be NULL. */
sh_status_t sh_config_set (sh_instance_t *instance, const char *name, int64_t value,
                           sh_config_t *before, sh_error_t *error);
void sh_config_reconfigure (sh_instance_t *instance);
int64_t sh_config_in_use (sh_instance_t *instance, int id);

#endif
