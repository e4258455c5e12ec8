#include "agent/shell/instance.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/shell/hold.h"
#include "agent/shell/orders.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"

bm_instance_t *
bm_instance_new (bm_agent_t *agent, const bm_instance_config_t *config)
{
    bm_instance_t *self = bm_alloc (sizeof *self);
    self->agent = agent;
    self->config = config;
    self->participant = bm_participant_new (agent->start_id);
    self->query = bm_session_new (agent->sessions, config, "query");
    self->probe = bm_session_new (agent->sessions, config, "probe");
    self->commit_due_ms = self->sample_due_ms = INT64_MAX;
    return self;
}

void
bm_instance_end_sessions (bm_instance_t *self)
{
    /*  Whatever still runs there was answered already, or nobody waits for it. */
    if (self->query)
        bm_session_interrupt (self->query);
    if (self->probe)
        bm_session_interrupt (self->probe);
    bm_session_end (&self->query);
    bm_session_end (&self->probe);
    bm_hold_end_samples (self);
}

void
bm_instance_destroy (bm_instance_t **self_p)
{
    bm_instance_t *self = *self_p;
    if (!self)
        return;
    bm_participant_destroy (&self->participant);
    for (size_t i = 0; i < self->fence_count; i++)
        free (self->fence_names[i]);
    bm_sql_messages_destroy (&self->fence_messages);
    bm_sql_messages_destroy (&self->mark_messages);
    bm_sample_clear (&self->mark_sample);
    free (self);
    *self_p = NULL;
}

/*  ---- answers ---- */

static bm_error_t
s_error (const bm_deed_t *deed, const bm_error_t *detail)
{
    bm_error_t error = {0};
    if (detail && detail->status != BM_OK)
        error = *detail;
    else
        bm_fail (&error, deed->status == BM_OK ? BM_BUG : deed->status, "%s", deed->reason);
    return error;
}

static Btsmark__FenceIdentity *
s_identity (const bm_fence_identity_t *identity)
{
    Btsmark__FenceIdentity *wire = bm_alloc (sizeof *wire);
    btsmark__fence_identity__init (wire);
    wire->start_id = identity->start_id;
    wire->transaction_id = identity->transaction_id;
    bm_answer_text (&wire->session_login_time, identity->login_time);
    return wire;
}

static void
s_answer_fenced (bm_instance_t *self, bm_operation_t *operation, const bm_deed_t *deed)
{
    Btsmark__Fenced *fenced = bm_alloc (sizeof *fenced);
    btsmark__fenced__init (fenced);
    bm_answer_text (&fenced->instance, self->config->name);
    fenced->ok = deed->ok;
    fenced->fences = bm_alloc ((self->fence_count + 1) * sizeof *fenced->fences);
    for (size_t i = 0; deed->ok && i < self->fence_count; i++) {
        Btsmark__FencedDatabase *one = bm_alloc (sizeof *one);
        btsmark__fenced_database__init (one);
        bm_answer_text (&one->name, self->fence_names[i]);
        one->identity = s_identity (&bm_participant_fence (self->participant, i)->identity);
        fenced->fences[fenced->n_fences++] = one;
    }
    if (!deed->ok) {
        bm_error_t error = s_error (deed, &self->fence_error);
        fenced->fault = bm_answer_fault (&error);
        bm_wire_messages (self->fence_messages, &fenced->messages, &fenced->n_messages);
    } else
        bm_log_info ("%s: fence held in %zu tracking database(s)", self->config->name,
                     self->fence_count);
    bm_agent_answer (self->agent, operation, BTSMARK__ENVELOPE__BODY_FENCED,
                     (bm_body_t){.fenced = fenced});
}

static void
s_answer_marked (bm_instance_t *self, bm_operation_t *operation, const bm_deed_t *deed)
{
    Btsmark__Marked *marked = bm_alloc (sizeof *marked);
    btsmark__marked__init (marked);
    bm_answer_text (&marked->instance, self->config->name);
    marked->ok = deed->ok;
    marked->transaction_id = deed->ok ? deed->transaction_id : 0;
    if (!deed->ok) {
        bm_error_t error =
            s_error (deed, deed->status == BM_MARK_EXPIRED ? NULL : &self->mark_error);
        marked->fault = bm_answer_fault (&error);
    }
    bm_wire_messages (self->mark_messages, &marked->messages, &marked->n_messages);
    bm_agent_answer (self->agent, operation, BTSMARK__ENVELOPE__BODY_MARKED,
                     (bm_body_t){.marked = marked});
}

static void
s_answer_committed (bm_instance_t *self, bm_operation_t *operation, bm_committed_t commit,
                    const bm_error_t *error)
{
    static const Btsmark__CommitAnswer answers[] = {
        [BM_COMMITTED_DONE] = BTSMARK__COMMIT_ANSWER__COMMIT_DONE,
        [BM_COMMITTED_ROLLED_BACK] = BTSMARK__COMMIT_ANSWER__COMMIT_ROLLED_BACK,
        [BM_COMMITTED_UNKNOWN] = BTSMARK__COMMIT_ANSWER__COMMIT_UNKNOWN};
    Btsmark__Committed *committed = bm_alloc (sizeof *committed);
    btsmark__committed__init (committed);
    bm_answer_text (&committed->instance, self->config->name);
    committed->answer = answers[commit];
    committed->took_us = self->mark_took_us;
    bm_wire_messages (self->mark_messages, &committed->messages, &committed->n_messages);
    committed->fault = bm_answer_fault (error);
    bool sampled = commit == BM_COMMITTED_DONE && operation->order->commit->check;
    if (sampled && self->mark_sample.ran) {
        committed->sample_ran = true;
        committed->counts = bm_sample_counts (&self->mark_sample);
        bm_sample_give (&self->mark_sample, &committed->in_flight, &committed->n_in_flight);
    } else if (sampled && !committed->fault)
        committed->fault = bm_sample_fault (&self->mark_sample, self->config->login);
    self->commit_operation = 0;
    self->commit_due_ms = INT64_MAX;
    bm_agent_answer (self->agent, operation, BTSMARK__ENVELOPE__BODY_COMMITTED,
                     (bm_body_t){.committed = committed});
}

static void
s_answer_aborted (bm_instance_t *self, bm_operation_t *operation, const bm_deed_t *deed)
{
    Btsmark__Aborted *aborted = bm_alloc (sizeof *aborted);
    btsmark__aborted__init (aborted);
    bm_answer_text (&aborted->instance, self->config->name);
    aborted->nothing_held = deed->ok;
    bm_agent_answer (self->agent, operation, BTSMARK__ENVELOPE__BODY_ABORTED,
                     (bm_body_t){.aborted = aborted});
}

/*  ---- orders ---- */

static void
s_named_fence (const bm_instance_t *self, const Btsmark__FencedDatabase *wire,
               bm_named_fence_t *named)
{
    named->slot = SIZE_MAX;
    for (size_t i = 0; i < self->fence_count; i++)
        if (bm_names_equal (self->fence_names[i], wire->name))
            named->slot = i;
    if (!wire->identity)
        return;
    named->identity.start_id = wire->identity->start_id;
    named->identity.transaction_id = wire->identity->transaction_id;
    /*  A longer text than ours can be is not ours: it must not be cut until it matches. */
    const char *time = wire->identity->session_login_time;
    if (strlen (time) < sizeof named->identity.login_time)
        memcpy (named->identity.login_time, time, strlen (time) + 1);
}

static void
s_fences_of (const Btsmark__Envelope *order, Btsmark__FencedDatabase ***fences_p, size_t *count_p)
{
    *count_p = 0;
    if (order->body_case == BTSMARK__ENVELOPE__BODY_MARK) {
        *fences_p = order->mark->fences;
        *count_p = order->mark->n_fences;
    } else if (order->body_case == BTSMARK__ENVELOPE__BODY_COMMIT) {
        *fences_p = order->commit->fences;
        *count_p = order->commit->n_fences;
    } else if (order->body_case == BTSMARK__ENVELOPE__BODY_RELEASE) {
        *fences_p = order->release->fences;
        *count_p = order->release->n_fences;
    }
}

/*  The fences that an order names; caller frees. */
static bm_named_fence_t *
s_named_fences (const bm_instance_t *self, const Btsmark__Envelope *order, size_t *count_p)
{
    Btsmark__FencedDatabase **fences = NULL;
    s_fences_of (order, &fences, count_p);
    bm_named_fence_t *named = bm_alloc ((*count_p + 1) * sizeof *named);
    for (size_t i = 0; i < *count_p; i++)
        s_named_fence (self, fences[i], &named[i]);
    return named;
}

static void
s_answer_released (bm_instance_t *self, bm_operation_t *operation)
{
    const Btsmark__Release *order = operation->order->release;
    size_t count = 0;
    bm_named_fence_t *named = s_named_fences (self, operation->order, &count);
    Btsmark__Released *released = bm_alloc (sizeof *released);
    btsmark__released__init (released);
    bm_answer_text (&released->instance, self->config->name);
    released->fences = bm_alloc ((count + 1) * sizeof *released->fences);
    for (size_t i = 0; i < count; i++) {
        Btsmark__ReleasedDatabase *one = bm_alloc (sizeof *one);
        btsmark__released_database__init (one);
        const char *why_not = "";
        int64_t held_ms = 0;
        bm_answer_text (&one->name, order->fences[i]->name);
        one->stood = bm_participant_stood (self->participant, &named[i], &why_not, &held_ms);
        if (!one->stood)
            bm_answer_text (&one->why_not, why_not);
        one->held_ms = held_ms > 0 ? (uint32_t)held_ms : 0;
        released->fences[released->n_fences++] = one;
    }
    free (named);
    bm_agent_answer (self->agent, operation, BTSMARK__ENVELOPE__BODY_RELEASED,
                     (bm_body_t){.released = released});
}

/*  ---- deeds ---- */

/*  The names behind the slots, from the first START_FENCE of a round on. */
static void
s_take_fence_names (bm_instance_t *self, const bm_operation_t *operation)
{
    if (self->fence_operation == operation->id)
        return;
    for (size_t i = 0; i < self->fence_count; i++)
        free (self->fence_names[i]);
    const Btsmark__Fence *order = operation->order->fence;
    self->fence_operation = operation->id;
    self->fence_count = order->n_databases;
    for (size_t i = 0; i < self->fence_count; i++)
        self->fence_names[i] = bm_strdup (order->databases[i]);
    memset (&self->fence_error, 0, sizeof self->fence_error);
    bm_sql_messages_destroy (&self->fence_messages);
}

static void
s_start_commit (bm_instance_t *self, const bm_operation_t *operation, const bm_deed_t *deed)
{
    self->commit_operation = operation->id;
    self->commit_due_ms = bm_clock_mono_ms () + operation->order->commit->deadline_ms;
    self->mark_took_us = 0;
    bm_sample_clear (&self->mark_sample);
    bm_hold_commit (self, operation->order->commit, deed->transaction_id);
}

static void
s_refuse (bm_instance_t *self, bm_operation_t *operation, const bm_deed_t *deed)
{
    static const Btsmark__Refused__Why whys[BM_REFUSE_COUNT] = {
        [BM_REFUSE_STALE] = BTSMARK__REFUSED__WHY__STALE,
        [BM_REFUSE_EXPIRED] = BTSMARK__REFUSED__WHY__EXPIRED,
        [BM_REFUSE_OLD_EPOCH] = BTSMARK__REFUSED__WHY__OLD_EPOCH,
        [BM_REFUSE_OLD_ROUND] = BTSMARK__REFUSED__WHY__OLD_ROUND,
        [BM_REFUSE_BUSY] = BTSMARK__REFUSED__WHY__BUSY,
        [BM_REFUSE_NO_DUTY] = BTSMARK__REFUSED__WHY__NO_DUTY,
        [BM_REFUSE_BAD_REQUEST] = BTSMARK__REFUSED__WHY__BAD_REQUEST,
        [BM_REFUSE_STOPPING] = BTSMARK__REFUSED__WHY__STOPPING,
        [BM_REFUSE_OUT_OF_ORDER] = BTSMARK__REFUSED__WHY__OUT_OF_ORDER};
    bm_error_t error = {0};
    bm_fail (&error, deed->status, "%s: %s", self->config->name, deed->reason);
    bm_agent_refuse (self->agent, operation, whys[deed->why], &error);
}

static void
s_do_answer (bm_instance_t *self, bm_operation_t *operation, const bm_deed_t *deed)
{
    bm_error_t error = {0};
    switch (deed->kind) {
        case BM_DEED_ANSWER_FENCED:
            s_answer_fenced (self, operation, deed);
            break;
        case BM_DEED_ANSWER_MARKED:
            s_answer_marked (self, operation, deed);
            break;
        case BM_DEED_ANSWER_COMMITTED:
            if (!deed->ok)
                error = s_error (deed, &self->mark_error);
            s_answer_committed (self, operation, deed->commit, &error);
            break;
        case BM_DEED_ANSWER_RELEASED:
            s_answer_released (self, operation);
            break;
        case BM_DEED_ANSWER_ABORTED:
            s_answer_aborted (self, operation, deed);
            break;
        default:
            bm_require (false);
    }
}

/*  What comes again is found among the stored answers before the participant sees it. If it is not there, its answer was
 *  dropped to make room: it may not be done again, so its sender is told to ask the databases. */
static void
s_refuse_forgotten (bm_instance_t *self, bm_operation_t *operation)
{
    bm_error_t error = {0};
    bm_fail (&error, BM_STALE, "%s: %s was answered before; the answer is no longer kept",
             self->config->name, bm_wire_body_name (operation->order));
    bm_agent_refuse (self->agent, operation, BTSMARK__REFUSED__WHY__EXPIRED, &error);
}

/*  Deeds that belong to one operation. */
static void
s_do_for (bm_instance_t *self, bm_operation_t *operation, const bm_deed_t *deed)
{
    switch (deed->kind) {
        case BM_DEED_START_FENCE:
            s_take_fence_names (self, operation);
            bm_hold_fence (self, operation->order, deed->slot, deed->lease_ms);
            break;
        case BM_DEED_START_MARK:
            memset (&self->mark_error, 0, sizeof self->mark_error);
            bm_hold_samples (self, operation->order);
            bm_hold_mark (self, operation->order, deed->lease_ms);
            break;
        case BM_DEED_COMMIT:
            s_start_commit (self, operation, deed);
            break;
        case BM_DEED_SAMPLE:
            bm_hold_sample (self, operation);
            break;
        case BM_DEED_PROVE:
            bm_orders_prove (self->agent, self, operation, deed->unsettled);
            break;
        case BM_DEED_PASS:
            bm_orders_do (self->agent, self, operation);
            break;
        case BM_DEED_REPEAT:
            s_refuse_forgotten (self, operation);
            break;
        case BM_DEED_REFUSE:
            s_refuse (self, operation, deed);
            break;
        default:
            s_do_answer (self, operation, deed);
    }
}

static void
s_do (bm_instance_t *self, const bm_deed_t *deed)
{
    if (deed->kind == BM_DEED_END_FENCE) {
        bm_hold_end_fence (self, deed->slot);
        return;
    }
    if (deed->kind == BM_DEED_ROLLBACK) {
        bm_log_info ("%s: the open mark is rolled back: %s", self->config->name, deed->reason);
        bm_hold_rollback (self);
        return;
    }
    bm_operation_t *operation = bm_operations_by_id (self->agent->operations, deed->operation_id);
    /*  A COMMIT that was answered UNKNOWN at its deadline is answered again when it ends: only logged. */
    if (!operation || operation->answer)
        return;
    s_do_for (self, operation, deed);
}

static void
s_do_all (bm_instance_t *self, bm_deeds_t *deeds)
{
    for (size_t i = 0; i < deeds->count; i++)
        s_do (self, &deeds->list[i]);
    free (deeds);
    bm_participant_state_t state = bm_participant_state (self->participant);
    if (self->sampling && state != BM_PARTICIPANT_MARKING && state != BM_PARTICIPANT_MARKED)
        bm_hold_end_samples (self);
}

void
bm_instance_fact (bm_instance_t *self, const bm_fact_t *fact)
{
    bm_deeds_t *deeds = bm_alloc (sizeof *deeds);
    bm_participant_fact (self->participant, fact, bm_clock_mono_ms (), deeds);
    s_do_all (self, deeds);
}

static int64_t
s_lease (const Btsmark__Envelope *order)
{
    if (order->body_case == BTSMARK__ENVELOPE__BODY_FENCE)
        return order->fence->lease_ms;
    return order->body_case == BTSMARK__ENVELOPE__BODY_MARK ? order->mark->lease_ms : 0;
}

void
bm_instance_order (bm_instance_t *self, bm_operation_t *operation, bm_order_kind_t kind)
{
    const Btsmark__Envelope *wire = operation->order;
    size_t count = 0;
    bm_named_fence_t *named = s_named_fences (self, wire, &count);
    bm_order_t order = {.kind = kind,
                        .duties = operation->allow->duties,
                        .group = bm_participant_group (operation->allow->public_key, wire->group),
                        .start_id = wire->start_id,
                        .operation_id = wire->operation_id,
                        .epoch = wire->epoch,
                        .round = wire->round,
                        .expires_ms = (int64_t)wire->expires_agent_ms,
                        .lease_ms = s_lease (wire),
                        .fence_count = count,
                        .fences = named};
    if (wire->body_case == BTSMARK__ENVELOPE__BODY_FENCE)
        order.fence_count = wire->fence->n_databases;
    if (wire->body_case == BTSMARK__ENVELOPE__BODY_COMMIT)
        order.transaction_id = wire->commit->transaction_id;
    bm_deeds_t *deeds = bm_alloc (sizeof *deeds);
    bm_participant_order (self->participant, &order, bm_clock_mono_ms (), deeds);
    s_do_all (self, deeds);
    free (named);
}

/*  COMMIT may take as long as SQL Server lets it; whoever asked for it waits no longer than its deadline and then asks the
 *  databases. The session goes on, and its end is logged. */
static void
s_check_commit (bm_instance_t *self, int64_t now_ms)
{
    if (now_ms < self->commit_due_ms)
        return;
    bm_operation_t *operation =
        bm_operations_by_id (self->agent->operations, self->commit_operation);
    self->commit_due_ms = INT64_MAX;
    if (!operation || operation->answer)
        return;
    bm_error_t error = {0};
    bm_fail (&error, BM_SQL_TIMEOUT,
             "COMMIT of mark %s is not answered after its deadline of %u ms; it goes on",
             operation->order->commit->mark, operation->order->commit->deadline_ms);
    bm_log_warning ("%s: %s", self->config->name, error.text);
    s_answer_committed (self, operation, BM_COMMITTED_UNKNOWN, &error);
}

/*  Whoever asked for a sample does not wait past its expiry: the round goes on without the check. */
static void
s_check_sample (bm_instance_t *self, int64_t now_ms)
{
    if (now_ms < self->sample_due_ms)
        return;
    bm_operation_t *operation =
        bm_operations_by_id (self->agent->operations, self->sample_operation);
    self->sample_due_ms = INT64_MAX;
    if (!operation || operation->answer)
        return;
    Btsmark__Sampled *sampled = bm_alloc (sizeof *sampled);
    btsmark__sampled__init (sampled);
    bm_answer_text (&sampled->instance, self->config->name);
    sampled->fault = bm_answer_fault_new (
        BM_SQL_TIMEOUT, "the in-flight check did not run: its views were not read in time");
    bm_log_warning ("%s: %s", self->config->name, sampled->fault->text);
    bm_session_interrupt (self->sampling);
    bm_agent_answer (self->agent, operation, BTSMARK__ENVELOPE__BODY_SAMPLED,
                     (bm_body_t){.sampled = sampled});
}

void
bm_instance_tick (bm_instance_t *self, int64_t now_ms)
{
    if (now_ms >= bm_participant_due_ms (self->participant))
        bm_instance_fact (self, &(bm_fact_t){.kind = BM_FACT_TICK});
    s_check_commit (self, now_ms);
    s_check_sample (self, now_ms);
}

void
bm_instance_stop (bm_instance_t *self)
{
    bm_instance_fact (self, &(bm_fact_t){.kind = BM_FACT_STOP});
}

bool
bm_instance_idle (const bm_instance_t *self)
{
    for (size_t i = 0; i < BM_PARTICIPANT_FENCES; i++)
        if (self->fences[i])
            return false;
    return !self->mark && bm_participant_state (self->participant) == BM_PARTICIPANT_IDLE;
}
