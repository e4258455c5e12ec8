/*  coordinator/shell/topology.c */
#include "coordinator/shell/topology.h"

#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "coordinator/shell/translate.h"

/*  An instance of an agent's greeting. */
typedef struct offer {
    size_t agent;
    const Btsmark__Instance *instance;
    size_t used_as; /* index in the topology's instances, or BM_NOWHERE */
} offer_t;

typedef struct offers {
    offer_t *items;
    size_t count;
    size_t silent; /* agents that did not greet */
    const bm_agents_t *agents;
} offers_t;

static offers_t
s_offers (const bm_agents_t *agents)
{
    offers_t offers = {.agents = agents};
    for (size_t agent = 0; agent < bm_agents_count (agents); agent++) {
        const Btsmark__Greeting *greeting = bm_agents_greeting (agents, agent, NULL);
        if (!greeting) {
            offers.silent++;
            continue;
        }
        for (size_t i = 0; i < greeting->n_instances; i++) {
            offers.items = bm_realloc (offers.items, (offers.count + 1) * sizeof *offers.items);
            offers.items[offers.count++] = (offer_t){agent, greeting->instances[i], BM_NOWHERE};
        }
    }
    return offers;
}

static bool
s_has_alias (const Btsmark__Instance *instance, const char *server)
{
    for (size_t i = 0; i < instance->n_aliases; i++)
        if (bm_names_equal (instance->aliases[i], server))
            return true;
    return false;
}

typedef enum { BY_REAL_NAME, BY_ALIAS, BY_OWN_NAME } by_t;

static bool
s_matches (const Btsmark__Instance *instance, const char *server, by_t by)
{
    switch (by) {
        case BY_REAL_NAME:
            return instance->real_name[0] && bm_names_equal (instance->real_name, server);
        case BY_ALIAS:
            return s_has_alias (instance, server);
        default:
            /*  Not a name that SQL Server knows: good enough only to say why an instance cannot be asked. */
            return instance->fault && bm_names_equal (instance->name, server);
    }
}

/*  How many offers match; *first and *second are the first two. */
static size_t
s_search (const offers_t *offers, const char *server, by_t by, size_t *first, size_t *second)
{
    size_t found = 0;
    for (size_t i = 0; i < offers->count; i++) {
        if (!s_matches (offers->items[i].instance, server, by))
            continue;
        if (found == 0)
            *first = i;
        else if (found == 1)
            *second = i;
        found++;
    }
    return found;
}

static void
s_fault_two (const offers_t *offers, const char *server, size_t a, size_t b, bm_error_t *fault)
{
    const offer_t *x = &offers->items[a], *y = &offers->items[b];
    bm_fail (fault, BM_CONFIG_UNSERVED,
             "server %s of the group is served twice: by instance %s of agent %s and instance %s "
             "of agent %s",
             server, x->instance->name, bm_agents_name (offers->agents, x->agent),
             y->instance->name, bm_agents_name (offers->agents, y->agent));
    bm_error_remedy (fault,
                     "take \"%s\" out of aliases, or [instance %s] out of one of the two agent.ini",
                     server, y->instance->name);
}

/*  Nobody serves the server. An agent or SQL Server that cannot be asked now may be the one that does. */
static void
s_fault_none (const offers_t *offers, const char *server, bm_error_t *fault)
{
    size_t silent = BM_NOWHERE;
    for (size_t agent = 0; offers->silent && agent < bm_agents_count (offers->agents); agent++) {
        if (bm_agents_greeting (offers->agents, agent, NULL))
            continue;
        if (silent == BM_NOWHERE || bm_names_equal (bm_agents_name (offers->agents, agent), server))
            silent = agent;
    }
    if (silent != BM_NOWHERE) {
        bm_agents_greeting (offers->agents, silent, fault);
        return;
    }
    for (size_t i = 0; i < offers->count; i++)
        if (offers->items[i].instance->fault && !offers->items[i].instance->real_name[0]) {
            bm_translate_fault (offers->items[i].instance->fault, fault);
            return;
        }
    bm_fail (fault, BM_CONFIG_UNSERVED, "server %s of the group is served by no agent", server);
    bm_error_remedy (
        fault,
        "add the line   aliases = %s   to the [instance ...] of that SQL Server in its agent's "
        "agent.ini, or add an [agent ...] for it to btsmark.ini",
        server);
}

/*  Index of the offer, or BM_NOWHERE and why. */
static size_t
s_match (const offers_t *offers, const char *server, bm_error_t *fault)
{
    for (by_t by = BY_REAL_NAME; by <= BY_OWN_NAME; by++) {
        size_t first = BM_NOWHERE, second = BM_NOWHERE;
        size_t found = s_search (offers, server, by, &first, &second);
        if (found == 0)
            continue;
        bm_require (offers->items && first < offers->count);
        if (found > 1) {
            s_fault_two (offers, server, first, second, fault);
            return BM_NOWHERE;
        }
        const Btsmark__Instance *instance = offers->items[first].instance;
        if (!instance->fault)
            return first;
        bm_translate_fault (instance->fault, fault);
        return BM_NOWHERE;
    }
    s_fault_none (offers, server, fault);
    return BM_NOWHERE;
}

static size_t
s_use (bm_topology_t *self, offer_t *offer, const bm_agents_t *agents,
       const bm_settings_t *settings)
{
    bm_require (offer);
    if (offer->used_as != BM_NOWHERE)
        return offer->used_as;
    self->instances =
        bm_realloc (self->instances, (self->instance_count + 1) * sizeof *self->instances);
    bm_topology_instance_t *instance = &self->instances[self->instance_count];
    *instance = (bm_topology_instance_t){0};
    instance->agent = offer->agent;
    instance->name = bm_strdup (offer->instance->name);
    instance->real_name = bm_strdup (offer->instance->real_name);
    int section = bm_settings_agent (settings, bm_agents_name (agents, offer->agent));
    instance->path = section >= 0 ? bm_settings_path (settings, section) : "";
    return offer->used_as = self->instance_count++;
}

static void
s_note (bm_topology_t *self, char *text)
{
    self->notes = bm_realloc (self->notes, (self->note_count + 1) * sizeof *self->notes);
    self->notes[self->note_count++] = text;
}

/*  The row means a database that is there already: the spelling that is the real name stays. */
static void
s_collapse (bm_topology_t *self, size_t place, const bm_group_row_t *row)
{
    bm_place_t *it = &self->places[place];
    const char *real_name = self->instances[it->instance].real_name;
    s_note (self, bm_format ("%s.%s and %s.%s are the same database of %s: it is backed up once",
                             it->server, it->database, row->server, row->database, real_name));
    it->is_sso |= row->is_sso;
    if (!bm_names_equal (it->server, real_name) && bm_names_equal (row->server, real_name)) {
        free (it->server);
        it->server = bm_strdup (row->server);
    }
}

static void
s_add_place (bm_topology_t *self, const bm_group_row_t *row, size_t instance,
             const bm_error_t *fault)
{
    bm_place_t *place = &self->places[self->place_count];
    place->server = bm_strdup (row->server);
    place->database = bm_strdup (row->database);
    place->is_sso = row->is_sso;
    place->instance = instance;
    place->fault = *fault;
    if (instance == BM_NOWHERE) {
        self->nowhere++;
    } else {
        bm_topology_instance_t *it = &self->instances[instance];
        it->places = bm_realloc (it->places, (it->count + 1) * sizeof *it->places);
        it->places[it->count++] = self->place_count;
    }
    self->place_count++;
}

bm_topology_t *
bm_topology_new (const bm_group_rows_t *rows, const bm_agents_t *agents,
                 const bm_settings_t *settings)
{
    bm_topology_t *self = bm_alloc (sizeof *self);
    self->places = bm_alloc ((rows->count + 1) * sizeof *self->places);
    offers_t offers = s_offers (agents);
    for (size_t i = 0; i < rows->count; i++) {
        const bm_group_row_t *row = &rows->items[i];
        bm_error_t fault = {0};
        size_t offer = s_match (&offers, row->server, &fault);
        size_t instance =
            offer == BM_NOWHERE ? BM_NOWHERE : s_use (self, &offers.items[offer], agents, settings);
        size_t same =
            instance == BM_NOWHERE ? BM_NOWHERE : bm_topology_find (self, instance, row->database);
        if (same != BM_NOWHERE)
            s_collapse (self, same, row);
        else
            s_add_place (self, row, instance, &fault);
    }
    free (offers.items);
    return self;
}

void
bm_topology_destroy (bm_topology_t **self_p)
{
    bm_topology_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->place_count; i++) {
        free (self->places[i].server);
        free (self->places[i].database);
        free (self->places[i].family);
        free (self->places[i].fork);
    }
    for (size_t i = 0; i < self->instance_count; i++) {
        free (self->instances[i].name);
        free (self->instances[i].real_name);
        free (self->instances[i].places);
    }
    for (size_t i = 0; i < self->note_count; i++)
        free (self->notes[i]);
    free (self->notes);
    free (self->places);
    free (self->instances);
    free (self);
    *self_p = NULL;
}

size_t
bm_topology_first_nowhere (const bm_topology_t *self)
{
    for (size_t i = 0; i < self->place_count; i++)
        if (self->places[i].instance == BM_NOWHERE)
            return i;
    return BM_NOWHERE;
}

size_t
bm_topology_find (const bm_topology_t *self, size_t instance, const char *database)
{
    const bm_topology_instance_t *it = &self->instances[instance];
    for (size_t i = 0; i < it->count; i++)
        if (bm_names_equal (self->places[it->places[i]].database, database))
            return it->places[i];
    return BM_NOWHERE;
}

const char *
bm_topology_real_name (const bm_topology_t *self, size_t place)
{
    size_t instance = self->places[place].instance;
    return instance == BM_NOWHERE ? NULL : self->instances[instance].real_name;
}

static void
s_replace (char **text, const char *with)
{
    if (!with[0])
        return;
    free (*text);
    *text = bm_strdup (with);
}

bool
bm_topology_vote (bm_topology_t *self, size_t instance, const Btsmark__Vote *vote,
                  bm_error_t *error)
{
    bm_error_t first = {0};
    bm_translate_faults (vote->reasons, vote->n_reasons, &first);
    for (size_t i = 0; i < vote->n_databases; i++) {
        const Btsmark__DatabaseFacts *facts = vote->databases[i];
        size_t found = bm_topology_find (self, instance, facts->name);
        if (found == BM_NOWHERE)
            continue;
        bm_place_t *place = &self->places[found];
        place->voted = true;
        place->has_tracking = facts->has_tracking;
        place->has_full = facts->has_full;
        place->has_compression_parameter = facts->has_compression_parameter;
        s_replace (&place->family, facts->family);
        s_replace (&place->fork, facts->recovery_fork);
        place->reason = (bm_error_t){0};
        if (facts->n_reasons)
            bm_translate_faults (facts->reasons, facts->n_reasons, &place->reason);
        if (place->reason.status != BM_OK && first.status == BM_OK) {
            first = place->reason;
            bm_error_wrap (&first, "%s on %s", place->database,
                           self->instances[instance].real_name);
        }
    }
    if (!vote->ready && first.status == BM_OK)
        bm_fail (&first, BM_NOT_READY, "instance %s is not ready and does not say why",
                 self->instances[instance].real_name);
    if (error && first.status != BM_OK)
        *error = first;
    return vote->ready;
}
