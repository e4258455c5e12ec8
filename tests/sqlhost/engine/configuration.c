/*  The server options that somebody here may ask for; numbers, ranges and defaults as
 *  sys.configurations of SQL Server 2019 shows them. */
#include "tests/sqlhost/engine/configuration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/sqlhost/engine/internal.h"

static const sh_config_t s_options[] = {
    {117, "remote access", 0, 1, 1, 1, false},
    {SH_CONFIG_SHOW_ADVANCED, "show advanced options", 0, 1, 0, 0, false},
    {542, "remote proc trans", 0, 1, 0, 0, false},
    {1520, "remote query timeout (s)", 0, 2147483647, 600, 600, false},
    {1544, "max server memory (MB)", 128, 2147483647, 2147483647, 2147483647, true},
    {SH_CONFIG_COMPRESSION_DEFAULT, "backup compression default", 0, 1, 0, 0, false},
    {SH_CONFIG_CHECKSUM_DEFAULT, "backup checksum default", 0, 1, 0, 0, false},
    {16388, "Ole Automation Procedures", 0, 1, 0, 0, true},
    {16390, "xp_cmdshell", 0, 1, 0, 0, true},
    {16391, "Ad Hoc Distributed Queries", 0, 1, 0, 0, true},
};

enum { S_COUNT = sizeof s_options / sizeof s_options[0] };

static int64_t
s_stored (sh_instance_t *instance, const char *kind, const sh_config_t *option)
{
    char key[64];
    snprintf (key, sizeof key, "config_%s_%d", kind, option->id);
    return sh_log_meta (instance, key, option->value);
}

static void
s_store (sh_instance_t *instance, const char *kind, int id, int64_t value)
{
    char key[64];
    snprintf (key, sizeof key, "config_%s_%d", kind, id);
    sh_log_set_meta (instance, key, value);
}

static sh_config_t
s_read (sh_instance_t *instance, const sh_config_t *option)
{
    sh_config_t out = *option;
    out.value = s_stored (instance, "value", option);
    out.in_use = s_stored (instance, "in_use", option);
    return out;
}

size_t
sh_config_list (sh_instance_t *instance, sh_config_t **out)
{
    *out = sh_mem_alloc (S_COUNT * sizeof **out);
    sh_lock_instance (instance);
    for (size_t i = 0; i < S_COUNT; i++)
        (*out)[i] = s_read (instance, &s_options[i]);
    sh_unlock_instance (instance);
    return S_COUNT;
}

static sh_status_t
s_set (sh_instance_t *instance, const char *name, int64_t value, sh_config_t *before,
       sh_error_t *error)
{
    const sh_config_t *found = NULL;
    bool advanced = s_stored (instance, "in_use", &s_options[1]) != 0;
    for (size_t i = 0; i < S_COUNT; i++) {
        bool whole = strcasecmp (s_options[i].name, name) == 0;
        if (strncasecmp (s_options[i].name, name, strlen (name)) != 0 ||
            (s_options[i].advanced && !advanced))
            continue;
        if (found && !whole)
            return sh_fail (error, 15124, 16, 1, "The configuration option '%s' is not unique.",
                            name);
        found = &s_options[i];
        if (whole)
            break;
    }
    if (!found)
        return sh_fail (error, 15123, 16, 1,
                        "The configuration option '%s' does not exist, or it may be an advanced "
                        "option.",
                        name);
    if (value < found->minimum || value > found->maximum)
        return sh_fail (error, 15129, 16, 1,
                        "'%lld' is not a valid value for configuration option '%s'.",
                        (long long)value, found->name);
    if (before)
        *before = s_read (instance, found);
    s_store (instance, "value", found->id, value);
    return SH_OK;
}

sh_status_t
sh_config_set (sh_instance_t *instance, const char *name, int64_t value, sh_config_t *before,
               sh_error_t *error)
{
    sh_lock_instance (instance);
    sh_status_t status = s_set (instance, name, value, before, error);
    sh_unlock_instance (instance);
    return status;
}

void
sh_config_reconfigure (sh_instance_t *instance)
{
    sh_lock_instance (instance);
    for (size_t i = 0; i < S_COUNT; i++) {
        int64_t value = s_stored (instance, "value", &s_options[i]);
        s_store (instance, "in_use", s_options[i].id, value);
    }
    sh_unlock_instance (instance);
}

int64_t
sh_config_in_use (sh_instance_t *instance, int id)
{
    int64_t value = 0;
    sh_lock_instance (instance);
    for (size_t i = 0; i < S_COUNT; i++)
        if (s_options[i].id == id)
            value = s_stored (instance, "in_use", &s_options[i]);
    sh_unlock_instance (instance);
    return value;
}
