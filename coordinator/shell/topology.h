/*  coordinator/shell/topology.h
 *  Which agent and instance serves each database of the group. The group's rows name servers as somebody once typed them; an
 *  instance is known by its real name, then by its aliases. Rows that mean the same database become one.
 */
#ifndef BM_TOPOLOGY_H
#define BM_TOPOLOGY_H

#include "coordinator/shell/agents.h"
#include "coordinator/shell/management.h"

#define BM_NOWHERE SIZE_MAX

/*  A database of the group. */
typedef struct bm_place {
    char *server; /* as the group spells it: what the history keeps */
    char *database;
    bool is_sso;
    size_t instance; /* BM_NOWHERE: no order can reach it now, `fault` says why */
    bm_error_t fault;

    bool voted; /* what follows is known */
    char *family, *fork;
    bool has_tracking, has_full, has_compression_parameter;
    bm_error_t reason; /* what speaks against a backup; BM_OK = nothing */
} bm_place_t;

typedef struct bm_topology_instance {
    size_t agent;
    char *name; /* as the agent's configuration calls it: what orders say */
    char *real_name;
    const char
        *path; /* backup folder for orders, "" = the agent's own; borrowed from the settings */
    size_t *places;
    size_t count;
} bm_topology_instance_t;

typedef struct bm_topology {
    bm_place_t *places;
    size_t place_count;
    bm_topology_instance_t *instances; /* those that serve at least one place */
    size_t instance_count;
    size_t nowhere; /* places that nobody serves now */
    char **notes;   /* for the report: rows that collapsed */
    size_t note_count;
} bm_topology_t;

/*  From the group's rows and what the agents said when they were greeted. Agents stand in the order of the settings. */
bm_topology_t *bm_topology_new (const bm_group_rows_t *rows, const bm_agents_t *agents,
                                const bm_settings_t *settings);
void bm_topology_destroy (bm_topology_t **self_p);

/*  The first place that nobody serves, or BM_NOWHERE. */
size_t bm_topology_first_nowhere (const bm_topology_t *self);
/*  The place of an instance by the database's name, without regard to case; BM_NOWHERE when there is none. */
size_t bm_topology_find (const bm_topology_t *self, size_t instance, const char *database);
/*  Real name of the place's instance, or NULL. */
const char *bm_topology_real_name (const bm_topology_t *self, size_t place);

/*  Takes over what an instance's vote says of its databases. *error (may be NULL) gets all its reasons as one;
 *  returns whether there was none. */
bool bm_topology_vote (bm_topology_t *self, size_t instance, const Btsmark__Vote *vote,
                       bm_error_t *error);

#endif
