/*  coordinator/shell/driver.c */
#include "coordinator/shell/driver.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "coordinator/shell/translate.h"

/*  An agent whose COMMIT is not over at its deadline answers UNKNOWN at that very moment, with what SQL Server has said so
 *  far, and one that could not read its sample in time says so: the slack lets that answer arrive. */
enum { CLOCK_SLACK_US = 2000000, ANSWER_SLACK_MS = 500, MESSAGE_MARK_DROPPED = 3923 };

typedef struct driver driver_t;

/*  What the core does not know of one instance. */
typedef struct member {
    driver_t *driver;
    size_t index;
    uint64_t operation; /* the order last sent; 0 = none */
    bm_action_kind_t order;
    Btsmark__FencedDatabase *fences;
    Btsmark__FenceIdentity *identities;
    size_t fence_count;
    int64_t transaction_id;
    bool sampled; /* L1 ran */
} member_t;

struct driver {
    bm_work_t *work;
    const bm_driver_in_t *in;
    bm_driver_out_t *out;
    bm_round_t *round;
    bm_actions_t *actions;
    bm_inflight_t *inflight;
    member_t *members;
    bool finished, stop_told, lock_told;
    bool tell_journaled, journal_ok, tell_lock_lost;
    bm_error_t journal_error;
    int64_t began_us;
    int64_t first_fence_us, last_release_us, first_commit_us, last_commit_us;
};

static void s_feed (driver_t *self, const bm_event_t *event);

static const bm_topology_instance_t *
s_instance (const driver_t *self, size_t index)
{
    return &self->work->topology->instances[index];
}

static const char *
s_where (const driver_t *self, size_t index)
{
    return s_instance (self, index)->real_name;
}

/* ---- orders ------------------------------------------------------------------------------------------------------ */

/*  Names of the instance's databases, or only of its tracking databases. Borrowed names; caller frees the array. */
static char **
s_names (const driver_t *self, size_t index, bool tracking_only, size_t *count)
{
    const bm_topology_instance_t *instance = s_instance (self, index);
    char **names = bm_alloc ((instance->count + 1) * sizeof *names);
    *count = 0;
    for (size_t i = 0; i < instance->count; i++) {
        bm_place_t *place = &self->work->topology->places[instance->places[i]];
        if (!tracking_only || place->has_tracking)
            names[(*count)++] = place->database;
    }
    return names;
}

static Btsmark__FencedDatabase **
s_fences (member_t *member)
{
    Btsmark__FencedDatabase **list = bm_alloc ((member->fence_count + 1) * sizeof *list);
    for (size_t i = 0; i < member->fence_count; i++)
        list[i] = &member->fences[i];
    return list;
}

static void s_on_answer (void *argument, size_t agent, const Btsmark__Envelope *answer,
                         const bm_error_t *error);

static void
s_give (member_t *member, Btsmark__Envelope *envelope, Btsmark__Envelope__BodyCase body,
        bm_action_kind_t kind, int64_t valid_ms)
{
    driver_t *self = member->driver;
    bm_delivery_t how = {.round = self->in->number, .valid_ms = valid_ms};
    how.on_answer = s_on_answer;
    how.argument = member;
    if (member->operation)
        bm_agents_forget (self->work->agents, member->operation);
    envelope->body_case = body;
    member->order = kind;
    member->operation = bm_agents_order (self->work->agents,
                                         s_instance (self, member->index)->agent, envelope, &how);
}

static void
s_send_fence (member_t *member)
{
    driver_t *self = member->driver;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Fence fence = BTSMARK__FENCE__INIT;
    fence.instance = s_instance (self, member->index)->name;
    fence.databases = s_names (self, member->index, true, &fence.n_databases);
    fence.lease_ms = (uint32_t)self->work->settings->lease_ms;
    envelope.fence = &fence;
    if (!self->first_fence_us)
        self->first_fence_us = bm_clock_mono_us ();
    s_give (member, &envelope, BTSMARK__ENVELOPE__BODY_FENCE, BM_ACTION_SEND_FENCE,
            self->work->settings->fence_deadline_ms);
    free (fence.databases);
}

static void
s_send_mark (member_t *member)
{
    driver_t *self = member->driver;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Mark mark = BTSMARK__MARK__INIT;
    mark.instance = s_instance (self, member->index)->name;
    mark.mark = (char *)self->in->mark;
    mark.databases = s_names (self, member->index, false, &mark.n_databases);
    mark.lease_ms = (uint32_t)self->work->settings->lease_ms;
    mark.n_fences = member->fence_count;
    mark.fences = s_fences (member);
    envelope.mark = &mark;
    s_give (member, &envelope, BTSMARK__ENVELOPE__BODY_MARK, BM_ACTION_SEND_MARK,
            self->work->settings->mark_deadline_ms);
    free (mark.databases);
    free (mark.fences);
}

static void
s_send_sample (member_t *member)
{
    driver_t *self = member->driver;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Sample sample = BTSMARK__SAMPLE__INIT;
    sample.instance = s_instance (self, member->index)->name;
    sample.databases = s_names (self, member->index, false, &sample.n_databases);
    /*  It looks again while something is in flight, and leaves the last quarter for its answer. */
    sample.patience_ms = (uint32_t)(self->work->settings->sample_deadline_ms * 3 / 4);
    envelope.sample = &sample;
    s_give (member, &envelope, BTSMARK__ENVELOPE__BODY_SAMPLE, BM_ACTION_SEND_SAMPLE,
            self->work->settings->sample_deadline_ms);
    free (sample.databases);
}

static void
s_send_commit (member_t *member)
{
    driver_t *self = member->driver;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Commit commit = BTSMARK__COMMIT__INIT;
    commit.instance = s_instance (self, member->index)->name;
    commit.mark = (char *)self->in->mark;
    commit.transaction_id = member->transaction_id;
    commit.deadline_ms = (uint32_t)self->work->settings->commit_deadline_ms;
    commit.n_fences = member->fence_count;
    commit.fences = s_fences (member);
    commit.check = member->sampled;
    commit.databases = s_names (self, member->index, false, &commit.n_databases);
    envelope.commit = &commit;
    if (!self->first_commit_us)
        self->first_commit_us = bm_clock_mono_us ();
    s_give (member, &envelope, BTSMARK__ENVELOPE__BODY_COMMIT, BM_ACTION_SEND_COMMIT,
            self->work->settings->commit_deadline_ms);
    free (commit.databases);
    free (commit.fences);
}

static void
s_send_release (member_t *member)
{
    driver_t *self = member->driver;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Release release = BTSMARK__RELEASE__INIT;
    release.instance = s_instance (self, member->index)->name;
    release.n_fences = member->fence_count;
    release.fences = s_fences (member);
    envelope.release = &release;
    s_give (member, &envelope, BTSMARK__ENVELOPE__BODY_RELEASE, BM_ACTION_SEND_RELEASE, 0);
    free (release.fences);
}

static void
s_send_abort (member_t *member)
{
    driver_t *self = member->driver;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Abort abort = BTSMARK__ABORT__INIT;
    abort.instance = s_instance (self, member->index)->name;
    abort.reason = (char *)bm_round_reason (self->round);
    envelope.abort = &abort;
    s_give (member, &envelope, BTSMARK__ENVELOPE__BODY_ABORT, BM_ACTION_SEND_ABORT, 0);
}

/*  The earliest time that the mark can have on the instance's own clock. */
static int64_t
s_since_us (const driver_t *self, size_t index)
{
    const bm_topology_instance_t *instance = s_instance (self, index);
    const Btsmark__Greeting *greeting =
        bm_agents_greeting (self->work->agents, instance->agent, NULL);
    int64_t ahead_us = bm_agents_clock_offset_ms (self->work->agents, instance->agent) * 1000;
    for (size_t i = 0; greeting && i < greeting->n_instances; i++)
        if (strcmp (greeting->instances[i]->name, instance->name) == 0 &&
            greeting->instances[i]->clock_utc_us)
            ahead_us += greeting->instances[i]->clock_utc_us - greeting->clock_utc_us;
    return self->began_us + ahead_us - CLOCK_SLACK_US;
}

static void
s_send_prove (member_t *member)
{
    driver_t *self = member->driver;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Prove prove = BTSMARK__PROVE__INIT;
    prove.instance = s_instance (self, member->index)->name;
    prove.mark = (char *)self->in->mark;
    prove.databases = s_names (self, member->index, false, &prove.n_databases);
    prove.since_utc_us = s_since_us (self, member->index);
    prove.poll_ms = (uint32_t)self->work->settings->prove_poll_ms;
    envelope.prove = &prove;
    s_give (member, &envelope, BTSMARK__ENVELOPE__BODY_PROVE, BM_ACTION_SEND_PROVE, 0);
    free (prove.databases);
}

/*  One PREPARE for an instance; the caller frees nothing. */
static uint64_t
s_order_prepare (bm_work_t *work, size_t index, bm_set_type_t type, bool will_mark,
                 const bm_delivery_t *how)
{
    const bm_topology_instance_t *instance = &work->topology->instances[index];
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    Btsmark__Prepare prepare = BTSMARK__PREPARE__INIT;
    Btsmark__DatabaseTarget *targets = bm_alloc (instance->count * sizeof *targets);
    prepare.databases = bm_alloc (instance->count * sizeof *prepare.databases);
    prepare.n_databases = instance->count;
    for (size_t i = 0; i < instance->count; i++) {
        const bm_place_t *place = &work->topology->places[instance->places[i]];
        btsmark__database_target__init (&targets[i]);
        targets[i].name = place->database;
        targets[i].path = (char *)instance->path;
        targets[i].never_compress = place->is_sso;
        prepare.databases[i] = &targets[i];
    }
    prepare.instance = instance->name;
    prepare.set_type = type == BM_SET_FULL ? BTSMARK__SET_TYPE__FULL : BTSMARK__SET_TYPE__LOG;
    prepare.context = (char *)work->context;
    prepare.will_mark = will_mark;
    prepare.method = work->settings->method == BM_METHOD_NATIVE ? BTSMARK__METHOD__NATIVE
                                                                : BTSMARK__METHOD__PROCEDURE;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_PREPARE;
    envelope.prepare = &prepare;
    uint64_t operation = bm_agents_order (work->agents, instance->agent, &envelope, how);
    free (prepare.databases);
    free (targets);
    return operation;
}

static void
s_send_prepare (member_t *member)
{
    driver_t *self = member->driver;
    bm_delivery_t how = {.round = self->in->number,
                         .valid_ms = self->work->settings->prepare_deadline_ms,
                         .silent_ms = self->work->settings->prepare_deadline_ms,
                         .on_answer = s_on_answer,
                         .argument = member};
    if (member->operation)
        bm_agents_forget (self->work->agents, member->operation);
    member->order = BM_ACTION_SEND_PREPARE;
    member->operation = s_order_prepare (self->work, member->index, BM_SET_LOG, true, &how);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void
s_read_vote (member_t *member, const Btsmark__Vote *vote, bm_event_t *event, bm_error_t *why)
{
    driver_t *self = member->driver;
    bm_topology_t *topology = self->work->topology;
    event->kind = BM_EVENT_VOTED;
    event->ok = bm_topology_vote (topology, member->index, vote, why);
    const bm_topology_instance_t *instance = s_instance (self, member->index);
    for (size_t i = 0; i < instance->count; i++) {
        const bm_place_t *place = &topology->places[instance->places[i]];
        event->has_tracking |= place->has_tracking;
        if (!place->voted && event->ok) {
            event->ok = false;
            bm_fail (why, BM_PROTOCOL, "the vote of %s does not speak of %s", instance->real_name,
                     place->database);
        }
    }
}

static void
s_read_fenced (member_t *member, const Btsmark__Fenced *fenced, bm_event_t *event, bm_error_t *why)
{
    event->kind = BM_EVENT_FENCED;
    event->ok = fenced->ok;
    bm_translate_fault (fenced->fault, why);
    member->fences = bm_alloc ((fenced->n_fences + 1) * sizeof *member->fences);
    member->identities = bm_alloc ((fenced->n_fences + 1) * sizeof *member->identities);
    member->fence_count = fenced->n_fences;
    for (size_t i = 0; i < fenced->n_fences; i++) {
        const Btsmark__FencedDatabase *from = fenced->fences[i];
        btsmark__fenced_database__init (&member->fences[i]);
        btsmark__fence_identity__init (&member->identities[i]);
        member->fences[i].name = bm_strdup (from->name);
        member->fences[i].identity = &member->identities[i];
        member->identities[i].session_login_time = bm_strdup ("");
        if (!from->identity) {
            event->ok = false;
            bm_fail (why, BM_PROTOCOL, "the fence of %s has no identity", from->name);
            continue;
        }
        member->identities[i].start_id = from->identity->start_id;
        free (member->identities[i].session_login_time);
        member->identities[i].session_login_time = bm_strdup (from->identity->session_login_time);
        member->identities[i].transaction_id = from->identity->transaction_id;
    }
}

static void
s_read_released (driver_t *self, const Btsmark__Released *released, bm_event_t *event,
                 bm_error_t *why, const member_t *member)
{
    event->kind = BM_EVENT_RELEASED;
    event->ok = released->n_fences >= member->fence_count;
    for (size_t i = 0; i < released->n_fences; i++) {
        const Btsmark__ReleasedDatabase *fence = released->fences[i];
        if (fence->stood)
            continue;
        event->ok = false;
        bm_fail (why, BM_MARK_EXPIRED,
                 "the fence of %s on %s did not stand until the last commit: %s", fence->name,
                 s_where (self, member->index), fence->why_not);
    }
    self->last_release_us = bm_clock_mono_us ();
}

static void
s_read_proof (driver_t *self, const member_t *member, const Btsmark__Proof *proof,
              bm_event_t *event, bm_error_t *why)
{
    const bm_topology_instance_t *instance = s_instance (self, member->index);
    event->kind = BM_EVENT_PROVED;
    event->proof.unasked = (uint32_t)instance->count;
    bm_translate_fault (proof->fault, why);
    bool *seen = bm_alloc ((self->work->topology->place_count + 1) * sizeof *seen);
    for (size_t i = 0; i < proof->n_databases; i++) {
        const Btsmark__DatabaseProof *from = proof->databases[i];
        size_t found = bm_topology_find (self->work->topology, member->index, from->name);
        if (found == BM_NOWHERE || seen[found])
            continue;
        seen[found] = true;
        const bm_place_t *place = &self->work->topology->places[found];
        bm_mark_proof_clear (&self->out->proofs[found]);
        bm_translate_proof (from, self->in->mark, place->server, instance->real_name,
                            place->database, &self->out->proofs[found]);
        if (!from->asked) {
            if (why->status == BM_OK)
                bm_translate_fault (from->fault, why);
            continue;
        }
        event->proof.unasked--;
        if (from->in_marklog && from->in_history)
            event->proof.in++;
        else if (from->in_marklog || from->in_history)
            event->proof.half++;
        else
            event->proof.missing++;
    }
    free (seen);
}

/*  Why the first instance's sample did not run is what the administrator has to see to. */
static void
s_unchecked (driver_t *self, const member_t *member, const Btsmark__Fault *fault)
{
    if (self->out->unchecked.status != BM_OK)
        return;
    if (bm_translate_fault (fault, &self->out->unchecked) == BM_OK)
        bm_fail (&self->out->unchecked, BM_SQL_FAILED, "the in-flight check did not run");
    bm_error_wrap (&self->out->unchecked, "%s", s_where (self, member->index));
}

static void
s_read_sampled (driver_t *self, member_t *member, const Btsmark__Sampled *sampled,
                bm_event_t *event)
{
    bm_inflight_sample_t sample;
    bm_translate_sample (sampled->ran, sampled->counts, sampled->in_flight, sampled->n_in_flight,
                         sampled->fault ? sampled->fault->text : NULL, &sample);
    bm_inflight_before (self->inflight, member->index, &sample);
    event->kind = BM_EVENT_SAMPLED;
    event->ok = member->sampled = sample.ran;
    event->in_flight = bm_inflight_finding (self->inflight, member->index).flags != 0;
    if (!sample.ran)
        s_unchecked (self, member, sampled->fault);
    bm_translate_sample_clear (&sample);
}

/*  L2 was asked for only where L1 ran, and can be there only behind a COMMIT that is done. */
static void
s_read_second (driver_t *self, const member_t *member, const Btsmark__Committed *committed,
               bm_event_t *event)
{
    bool done = event->commit == BM_COMMIT_DONE;
    bm_inflight_sample_t sample;
    bm_translate_sample (done && committed->sample_ran, committed->counts, committed->in_flight,
                         committed->n_in_flight,
                         done && committed->fault ? committed->fault->text
                                                  : "its COMMIT was not answered as done, so what "
                                                    "was in flight behind it is not known",
                         &sample);
    event->ok = member->sampled && sample.ran;
    if (member->sampled)
        bm_inflight_after (self->inflight, member->index, &sample);
    event->in_flight = bm_inflight_finding (self->inflight, member->index).flags != 0;
    bm_translate_sample_clear (&sample);
}

static void
s_read_committed (driver_t *self, const member_t *member, const Btsmark__Committed *committed,
                  bm_event_t *event, bm_error_t *why)
{
    event->kind = BM_EVENT_COMMITTED;
    event->commit = bm_translate_commit (committed->answer);
    s_read_second (self, member, committed, event);
    event->mark_dropped =
        bm_translate_has_message (committed->messages, committed->n_messages, MESSAGE_MARK_DROPPED);
    bm_translate_fault (committed->fault, why);
    self->last_commit_us = bm_clock_mono_us ();
    for (size_t i = 0; i < committed->n_messages; i++)
        if (committed->messages[i]->number == MESSAGE_MARK_DROPPED)
            bm_report_warn (self->work->report, "%s: message 3923: %s",
                            s_where (self, member->index), committed->messages[i]->text);
}

/*  Whether the answer is of the kind that the order asks for; then *event says what it says. */
static bool
s_read_answer (member_t *member, const Btsmark__Envelope *answer, bm_event_t *event,
               bm_error_t *why)
{
    driver_t *self = member->driver;
    switch (answer->body_case) {
        case BTSMARK__ENVELOPE__BODY_VOTE:
            s_read_vote (member, answer->vote, event, why);
            return member->order == BM_ACTION_SEND_PREPARE;
        case BTSMARK__ENVELOPE__BODY_FENCED:
            s_read_fenced (member, answer->fenced, event, why);
            return member->order == BM_ACTION_SEND_FENCE;
        case BTSMARK__ENVELOPE__BODY_MARKED:
            event->kind = BM_EVENT_MARKED;
            event->ok = answer->marked->ok;
            member->transaction_id = answer->marked->transaction_id;
            bm_translate_fault (answer->marked->fault, why);
            return member->order == BM_ACTION_SEND_MARK;
        case BTSMARK__ENVELOPE__BODY_SAMPLED:
            s_read_sampled (self, member, answer->sampled, event);
            return member->order == BM_ACTION_SEND_SAMPLE;
        case BTSMARK__ENVELOPE__BODY_COMMITTED:
            s_read_committed (self, member, answer->committed, event, why);
            return member->order == BM_ACTION_SEND_COMMIT;
        case BTSMARK__ENVELOPE__BODY_RELEASED:
            s_read_released (self, answer->released, event, why, member);
            return member->order == BM_ACTION_SEND_RELEASE;
        case BTSMARK__ENVELOPE__BODY_ABORTED:
            event->kind = BM_EVENT_ABORTED;
            event->ok = answer->aborted->nothing_held;
            bm_translate_fault (answer->aborted->fault, why);
            return member->order == BM_ACTION_SEND_ABORT;
        case BTSMARK__ENVELOPE__BODY_PROOF:
            s_read_proof (self, member, answer->proof, event, why);
            return member->order == BM_ACTION_SEND_PROVE;
        default:
            return false;
    }
}

static void
s_on_answer (void *argument, size_t agent, const Btsmark__Envelope *answer, const bm_error_t *error)
{
    member_t *member = argument;
    driver_t *self = member->driver;
    (void)agent;
    bm_error_t why = *error;
    bm_event_t event = {.instance = member->index};
    member->operation = 0;
    if (error->status != BM_OK) {
        bool refused = answer && error->status != BM_AGENT_RESTARTED;
        event.kind = refused ? BM_EVENT_REFUSED : BM_EVENT_AGENT_LOST;
        event.order = member->order;
    } else if (!s_read_answer (member, answer, &event, &why)) {
        event.kind = BM_EVENT_REFUSED;
        event.order = member->order;
        bm_fail (&why, BM_PROTOCOL, "%s was answered by another kind of answer",
                 bm_action_name (member->order));
    }
    event.error = why.status == BM_OK ? NULL : &why;
    if (event.error)
        bm_error_wrap (&why, "%s", s_where (self, member->index));
    s_feed (self, &event);
}

static void
s_on_greeted (void *argument, size_t agent, const Btsmark__Envelope *answer,
              const bm_error_t *error)
{
    member_t *member = argument;
    driver_t *self = member->driver;
    const bm_topology_instance_t *instance = s_instance (self, member->index);
    (void)agent;
    bm_error_t why = *error;
    bm_event_t event = {.kind = BM_EVENT_AGENT_LOST, .instance = member->index};
    if (error->status == BM_OK) {
        const Btsmark__Instance *found = NULL;
        for (size_t i = 0; i < answer->greeting->n_instances; i++)
            if (strcmp (answer->greeting->instances[i]->name, instance->name) == 0)
                found = answer->greeting->instances[i];
        event.kind = BM_EVENT_GREETED;
        event.start_id = answer->greeting->start_id;
        if (!found)
            bm_fail (&why, BM_CONFIG_UNSERVED, "agent %s does not serve instance %s any more",
                     answer->greeting->agent_name, instance->name);
        else if (found->fault)
            bm_translate_fault (found->fault, &why);
        if (why.status != BM_OK) {
            event.kind = BM_EVENT_REFUSED;
            event.order = BM_ACTION_SEND_GREET;
        }
    }
    event.error = why.status == BM_OK ? NULL : &why;
    s_feed (self, &event);
}

/* ---- journal ----------------------------------------------------------------------------------------------------- */

static bm_group_database_t *
s_group (const bm_topology_t *topology)
{
    bm_group_database_t *databases = bm_alloc ((topology->place_count + 1) * sizeof *databases);
    for (size_t i = 0; i < topology->place_count; i++) {
        const bm_place_t *place = &topology->places[i];
        databases[i].server = place->server;
        databases[i].instance = bm_topology_real_name (topology, i);
        databases[i].database = place->database;
        databases[i].family = place->family;
        databases[i].fork = place->fork;
    }
    return databases;
}

/*  The last moment at which nothing has happened yet: the lock is looked at once more, then the name goes to the disk. */
static void
s_journal_intent (driver_t *self)
{
    bm_work_t *work = self->work;
    if (!bm_work_probe (work, true)) {
        self->tell_lock_lost = true;
        return;
    }
    bm_group_database_t *databases = s_group (work->topology);
    self->journal_ok =
        bm_catalogue_round_intent (work->catalogue, work->run, self->in->number, self->in->set_id,
                                   self->in->mark, self->began_us, databases,
                                   work->topology->place_count, &self->journal_error) == BM_OK;
    self->tell_journaled = true;
    free (databases);
}

static bm_fences_t
s_fences_stood (const driver_t *self)
{
    bool vouched = bm_round_result (self->round)->vouched;
    bm_fences_t fences = vouched ? BM_FENCES_STOOD : BM_FENCES_UNKNOWN;
    for (size_t i = 0; i < self->work->topology->instance_count; i++) {
        const bm_round_instance_t *it = bm_round_instance (self->round, i);
        if (!it->fence_sent)
            continue;
        if (it->released && !it->stood)
            return BM_FENCES_FELL;
        if (!it->released)
            fences = BM_FENCES_UNKNOWN;
    }
    return fences;
}

static void
s_measure (driver_t *self)
{
    bm_driver_out_t *out = self->out;
    out->window_us = self->first_commit_us && self->last_commit_us
                         ? self->last_commit_us - self->first_commit_us
                         : -1;
    out->fence_ms = self->first_fence_us && self->last_release_us
                        ? (self->last_release_us - self->first_fence_us) / 1000
                        : -1;
    out->fences = s_fences_stood (self);
}

/*  Of a mark that stands and is not clean: what the check found, or why it found nothing. */
static void
s_explain (driver_t *self, bm_outcome_t outcome)
{
    bm_driver_out_t *out = self->out;
    const bm_round_result_t *result = bm_round_result (self->round);
    bool open = outcome == BM_OUTCOME_DOUBTFUL || outcome == BM_OUTCOME_UNCHECKED;
    char *found = open ? bm_inflight_text (self->inflight) : NULL;
    free (out->reason);
    json_decref (out->in_flight);
    out->reason = bm_format ("%s%s%s", result->reason ? result->reason : "", found ? ": " : "",
                             found ? found : "");
    out->in_flight = bm_report_in_flight_json (self->inflight);
    free (found);
}

static void
s_journal_outcome (driver_t *self, bm_outcome_t outcome)
{
    bm_work_t *work = self->work;
    bm_error_t error = {0};
    s_measure (self);
    s_explain (self, outcome);
    for (size_t i = 0; i < work->topology->place_count; i++)
        if (self->out->proofs[i].mark &&
            bm_catalogue_proof_put (work->catalogue, &self->out->proofs[i], &error) != BM_OK)
            bm_report_fail (work->report, &error);
    if (bm_catalogue_round_outcome (work->catalogue, work->run, self->in->number, self->in->mark,
                                    self->in->set_id, outcome, self->out->fences, self->out->reason,
                                    self->out->window_us, self->out->fence_ms, &error) != BM_OK)
        bm_report_fail (work->report, &error);
}

/* ---- the core's turn --------------------------------------------------------------------------------------------- */

static void
s_perform (driver_t *self, const bm_action_t *action)
{
    member_t *member =
        action->kind <= BM_ACTION_SEND_ABORT ? &self->members[action->instance] : NULL;
    switch (action->kind) {
        case BM_ACTION_SEND_GREET:
            bm_agents_greet (self->work->agents, s_instance (self, action->instance)->agent,
                             self->work->settings->greet_deadline_ms, s_on_greeted, member);
            break;
        case BM_ACTION_SEND_PREPARE:
            s_send_prepare (member);
            break;
        case BM_ACTION_SEND_FENCE:
            s_send_fence (member);
            break;
        case BM_ACTION_SEND_MARK:
            s_send_mark (member);
            break;
        case BM_ACTION_SEND_SAMPLE:
            s_send_sample (member);
            break;
        case BM_ACTION_SEND_COMMIT:
            s_send_commit (member);
            break;
        case BM_ACTION_SEND_RELEASE:
            s_send_release (member);
            break;
        case BM_ACTION_SEND_PROVE:
            s_send_prove (member);
            break;
        case BM_ACTION_SEND_ABORT:
            s_send_abort (member);
            break;
        case BM_ACTION_JOURNAL_INTENT:
            s_journal_intent (self);
            break;
        case BM_ACTION_JOURNAL_OUTCOME:
            s_journal_outcome (self, action->outcome);
            break;
        case BM_ACTION_FINISH:
            self->finished = true;
            break;
        default:
            break; /* the deadline is asked for in the loop */
    }
}

static bool
s_begins_step (bm_round_state_t before, bm_round_state_t now)
{
    return before != now && (now == BM_ROUND_FENCING || now == BM_ROUND_MARKING);
}

static void
s_tell_state (driver_t *self, bm_round_state_t state)
{
    bm_progress_event (self->work->progress, "round",
                       json_pack ("{s:s, s:s, s:s}", "state", bm_round_state_name (state), "mark",
                                  self->in->mark, "why", bm_round_reason (self->round)),
                       "%s", "");
}

/*  One event, and what follows from it. FENCE HELD from FENCING until RELEASED: nothing here waits but the fsync of the
 *  intent and the probe of the lock, both bounded. */
static void
s_step (driver_t *self, const bm_event_t *event)
{
    bm_error_t error = {0};
    bm_round_state_t before = bm_round_state (self->round);
    bm_status_t status =
        bm_round_step (self->round, event, bm_clock_mono_ms (), self->actions, &error);
    if (status != BM_OK) {
        bm_log_warning ("round %u: %s", (unsigned)self->in->number, error.text);
        return;
    }
    bm_round_state_t now = bm_round_state (self->round);
    if (before != now)
        bm_log_info ("round %u: %s -> %s on %s: %s", (unsigned)self->in->number,
                     bm_round_state_name (before), bm_round_state_name (now),
                     bm_event_name (event->kind), bm_round_reason (self->round));
    if (s_begins_step (before, now) && !bm_work_probe (self->work, true)) {
        self->tell_lock_lost = true;
        return; /* nothing of this step is sent: the core gives it up next */
    }
    for (size_t i = 0; i < self->actions->count; i++)
        s_perform (self, &self->actions->list[i]);
    if (before != now)
        s_tell_state (self, now);
}

static void
s_feed (driver_t *self, const bm_event_t *event)
{
    s_step (self, event);
    while (self->tell_lock_lost || self->tell_journaled) {
        bm_event_t own = {0};
        bm_error_t why = {0};
        if (self->tell_lock_lost) {
            own.kind = BM_EVENT_LOCK_LOST;
            bm_fail (&why, BM_LOCK_LOST, "the session that held the backup lock was lost");
            self->lock_told = true;
        } else {
            own.kind = BM_EVENT_JOURNALED;
            own.ok = self->journal_ok;
            why = self->journal_error;
        }
        own.error = why.status == BM_OK ? NULL : &why;
        self->tell_lock_lost = self->tell_journaled = false;
        s_step (self, &own);
    }
}

static bool
s_may_probe (bm_round_state_t state)
{
    return state != BM_ROUND_SAMPLING && state != BM_ROUND_COMMITTING &&
           state != BM_ROUND_RELEASING;
}

static void
s_loop (driver_t *self)
{
    bm_event_t event = {.kind = BM_EVENT_START};
    s_feed (self, &event);
    while (!self->finished) {
        int64_t now_ms = bm_clock_mono_ms ();
        int64_t wait_ms = bm_round_deadline_ms (self->round) - now_ms;
        if (wait_ms > 1000)
            wait_ms = 1000;
        if (bm_work_wait (self->work, wait_ms) && !self->stop_told) {
            self->stop_told = true;
            event = (bm_event_t){.kind = BM_EVENT_STOP};
            s_feed (self, &event);
        }
        if (!self->lock_told && s_may_probe (bm_round_state (self->round)) &&
            !bm_work_probe (self->work, false)) {
            bm_error_t why = {0};
            bm_fail (&why, BM_LOCK_LOST, "the session that held the backup lock was lost");
            self->lock_told = true;
            event = (bm_event_t){.kind = BM_EVENT_LOCK_LOST, .error = &why};
            s_feed (self, &event);
        }
        if (!self->finished && bm_clock_mono_ms () >= bm_round_deadline_ms (self->round)) {
            event = (bm_event_t){.kind = BM_EVENT_TICK};
            s_feed (self, &event);
        }
    }
}

static void
s_members_destroy (driver_t *self)
{
    for (size_t i = 0; i < self->work->topology->instance_count; i++) {
        member_t *member = &self->members[i];
        if (member->operation)
            bm_agents_forget (self->work->agents, member->operation);
        bm_agents_forget_greetings (self->work->agents, member);
        for (size_t k = 0; k < member->fence_count; k++) {
            free (member->fences[k].name);
            free (member->identities[k].session_login_time);
        }
        free (member->fences);
        free (member->identities);
    }
    free (self->members);
}

static void
s_configure (const bm_work_t *work, bm_round_config_t *config)
{
    const bm_settings_t *settings = work->settings;
    bm_round_config_default (config, work->topology->instance_count);
    config->greeting_ms = settings->greet_deadline_ms;
    config->prepare_ms = settings->prepare_deadline_ms;
    config->fence_ms = settings->fence_deadline_ms;
    config->mark_ms = settings->mark_deadline_ms;
    config->sample_ms = settings->sample_deadline_ms + ANSWER_SLACK_MS;
    config->commit_ms = settings->commit_deadline_ms + ANSWER_SLACK_MS;
    config->release_ms = settings->release_deadline_ms;
    config->prove_ms = settings->prove_deadline_ms;
    config->lease_ms = settings->lease_ms;
}

bm_status_t
bm_driver_round (bm_work_t *work, const bm_driver_in_t *in, bm_driver_out_t *out, bm_error_t *error)
{
    *out = (bm_driver_out_t){.outcome = BM_OUTCOME_NONE, .window_us = -1, .fence_ms = -1};
    out->proof_count = work->topology->place_count;
    out->proofs = bm_alloc ((out->proof_count + 1) * sizeof *out->proofs);
    driver_t self = {.work = work, .in = in, .out = out, .began_us = bm_clock_utc_us ()};
    bm_round_config_t config;
    s_configure (work, &config);
    self.round = bm_round_new (&config, error);
    if (!self.round)
        return error->status;
    self.actions = bm_actions_new (config.instances);
    const char **names = bm_alloc (config.instances * sizeof *names);
    for (size_t i = 0; i < config.instances; i++)
        names[i] = s_where (&self, i);
    self.inflight = bm_inflight_new (names, config.instances);
    free (names);
    self.members = bm_alloc (config.instances * sizeof *self.members);
    for (size_t i = 0; i < config.instances; i++)
        self.members[i] = (member_t){.driver = &self, .index = i};
    s_loop (&self);

    const bm_round_result_t *result = bm_round_result (self.round);
    s_measure (&self);
    out->outcome = result->outcome;
    s_explain (&self, result->outcome);
    out->cause = result->cause;
    out->commit_sent = result->commit_sent;
    out->mark_dropped = result->mark_dropped;
    s_members_destroy (&self);
    bm_inflight_destroy (&self.inflight);
    bm_actions_destroy (&self.actions);
    bm_round_destroy (&self.round);
    return BM_OK;
}

void
bm_driver_out_clear (bm_driver_out_t *out)
{
    for (size_t i = 0; i < out->proof_count; i++)
        bm_mark_proof_clear (&out->proofs[i]);
    free (out->proofs);
    free (out->reason);
    json_decref (out->in_flight);
    *out = (bm_driver_out_t){0};
}

/* ---- votes outside a round --------------------------------------------------------------------------------------- */

typedef struct poll {
    bm_work_t *work;
    bm_error_t *error;
    size_t *open;
    size_t index;
    uint64_t operation;
} poll_t;

static void
s_on_vote (void *argument, size_t agent, const Btsmark__Envelope *answer, const bm_error_t *error)
{
    poll_t *poll = argument;
    (void)agent;
    bm_error_t why = *error;
    if (error->status == BM_OK && answer->body_case == BTSMARK__ENVELOPE__BODY_VOTE) {
        bm_topology_vote (poll->work->topology, poll->index, answer->vote, &why);
        for (size_t i = 0; i < answer->vote->n_warnings; i++)
            bm_report_warn (poll->work->report, "%s: %s",
                            poll->work->topology->instances[poll->index].real_name,
                            answer->vote->warnings[i]->text);
        for (size_t i = 0; i < answer->vote->n_databases; i++)
            for (size_t k = 0; k < answer->vote->databases[i]->n_warnings; k++)
                bm_report_warn (poll->work->report, "%s on %s: %s",
                                answer->vote->databases[i]->name,
                                poll->work->topology->instances[poll->index].real_name,
                                answer->vote->databases[i]->warnings[k]->text);
    } else if (error->status == BM_OK) {
        bm_fail (&why, BM_PROTOCOL, "PREPARE was answered by another kind of answer");
    }
    if (poll->error)
        *poll->error = why;
    --*poll->open;
}

void
bm_driver_prepare (bm_work_t *work, bm_set_type_t type, bm_error_t *errors)
{
    size_t count = work->topology->instance_count, open = count;
    poll_t *polls = bm_alloc ((count + 1) * sizeof *polls);
    for (size_t i = 0; i < count; i++) {
        polls[i] = (poll_t){work, errors ? &errors[i] : NULL, &open, i, 0};
        bm_delivery_t how = {.valid_ms = work->settings->prepare_deadline_ms,
                             .deadline_ms = work->settings->prepare_deadline_ms,
                             .silent_ms = work->settings->prepare_deadline_ms,
                             .on_answer = s_on_vote,
                             .argument = &polls[i]};
        polls[i].operation = s_order_prepare (work, i, type, false, &how);
    }
    while (open && !bm_work_wait (work, 1000))
        bm_work_probe (work, false);
    for (size_t i = 0; open && i < count; i++)
        bm_agents_forget (work->agents, polls[i].operation);
    free (polls);
}
