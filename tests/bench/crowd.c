/*  tests/bench/crowd.c: see crowd.h. */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/wire.h"
#include "tests/bench/crowd.h"

#define MAX_SOCKETS 4096
#define LSN_STEP    1000

typedef struct s_member {
    void *socket;
    char address[64], instance[32], database[32];
    uint64_t start_id;
    uint64_t last_lsn; /* of its newest backup: the next log begins there */
} s_member_t;

/*  In the crowd's own process. */
typedef struct s_crowd {
    void *context;
    char public_key[41], secret_key[41];
    s_member_t *members;
    size_t count;
    uint8_t *buffer;
} s_crowd_t;

/*  What the measuring process knows of it. A process of its own keeps the crowd's memory out of what is measured: a child
 *  that is started from a large process counts as large itself. */
struct bm_crowd {
    pid_t pid;
    char public_key[41];
    char (*addresses)[64];
};

/*  Every answer that is ever given, built in place: an answer is packed before the next one is made. */
typedef struct s_parts {
    Btsmark__Greeting greeting;
    Btsmark__Instance instance, *instances[1];
    Btsmark__Vote vote;
    Btsmark__DatabaseFacts facts, *facts_list[1];
    Btsmark__Marked marked;
    Btsmark__Sampled sampled;
    Btsmark__BranchCounts counts;
    Btsmark__Committed committed;
    Btsmark__Released released;
    Btsmark__Aborted aborted;
    Btsmark__Proof proof;
    Btsmark__DatabaseProof database_proof, *proofs[1];
    Btsmark__BackupDone done;
    Btsmark__BackupRow row;
    Btsmark__Settled settled;
    Btsmark__SettledDatabase settled_database, *settled_list[1];
    Btsmark__ManifestWritten written;
    Btsmark__MarksTrimmed trimmed;
    Btsmark__FilesDeleted deleted;
    Btsmark__Refused refused;
    char texts[6][192];
} s_parts_t;

/*  Ends the program: a measurement that cannot be made right is not made. */
static void
s_must (bool condition, const char *what)
{
    if (condition)
        return;
    fprintf (stderr, "btsmark-bench: %s: %s\n", what, zmq_strerror (zmq_errno ()));
    exit (1);
}

static char *
s_named (s_parts_t *parts, int slot, const char *kind, const s_member_t *member)
{
    snprintf (parts->texts[slot], sizeof parts->texts[slot], "%s-%s", kind, member->database);
    return parts->texts[slot];
}

static char *
s_lsn (s_parts_t *parts, int slot, uint64_t lsn)
{
    snprintf (parts->texts[slot], sizeof parts->texts[slot], "%" PRIu64, lsn);
    return parts->texts[slot];
}

static void
s_greet (const s_member_t *self, s_parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__instance__init (&parts->instance);
    parts->instance.name = parts->instance.real_name = (char *)self->instance;
    parts->instance.version = (char *)"15.0.0.0";
    parts->instance.clock_utc_us = bm_clock_utc_us ();
    parts->instances[0] = &parts->instance;
    btsmark__greeting__init (&parts->greeting);
    parts->greeting.agent_name = (char *)self->instance;
    parts->greeting.product_version = (char *)BTSMARK_VERSION;
    parts->greeting.start_id = self->start_id;
    parts->greeting.clock_mono_ms = (uint64_t)bm_clock_mono_ms ();
    parts->greeting.clock_utc_us = bm_clock_utc_us ();
    parts->greeting.instances = parts->instances;
    parts->greeting.n_instances = 1;
    answer->body_case = BTSMARK__ENVELOPE__BODY_GREETING;
    answer->greeting = &parts->greeting;
}

static void
s_vote (const s_member_t *self, s_parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__database_facts__init (&parts->facts);
    parts->facts.name = (char *)self->database;
    parts->facts.state = (char *)"ONLINE";
    parts->facts.recovery_model = (char *)"FULL";
    parts->facts.has_full = self->last_lsn > 0;
    parts->facts.has_compression_parameter = true;
    parts->facts.recovery_fork = s_named (parts, 0, "fork", self);
    parts->facts.family = s_named (parts, 1, "family", self);
    parts->facts_list[0] = &parts->facts;
    btsmark__vote__init (&parts->vote);
    parts->vote.instance = (char *)self->instance;
    parts->vote.ready = true;
    parts->vote.databases = parts->facts_list;
    parts->vote.n_databases = 1;
    answer->body_case = BTSMARK__ENVELOPE__BODY_VOTE;
    answer->vote = &parts->vote;
}

static void
s_prove (const s_member_t *self, s_parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__database_proof__init (&parts->database_proof);
    parts->database_proof.name = (char *)self->database;
    parts->database_proof.asked = true;
    parts->database_proof.in_marklog = parts->database_proof.in_history = true;
    parts->database_proof.lsn = s_lsn (parts, 0, self->last_lsn + LSN_STEP / 2);
    parts->proofs[0] = &parts->database_proof;
    btsmark__proof__init (&parts->proof);
    parts->proof.instance = (char *)self->instance;
    parts->proof.databases = parts->proofs;
    parts->proof.n_databases = 1;
    answer->body_case = BTSMARK__ENVELOPE__BODY_PROOF;
    answer->proof = &parts->proof;
}

/*  A full stands at one point; a log goes from the end of the backup before it to the next one's beginning. */
static void
s_backup (s_member_t *self, const Btsmark__Backup *order, s_parts_t *parts,
          Btsmark__Envelope *answer)
{
    bool full = order->type == BTSMARK__SET_TYPE__FULL;
    uint64_t first = self->last_lsn, last = first + LSN_STEP;
    if (full && first == 0)
        first = LSN_STEP;
    if (full)
        last = first;
    self->last_lsn = last;
    btsmark__backup_row__init (&parts->row);
    parts->row.database = (char *)self->database;
    parts->row.server = (char *)self->instance;
    parts->row.type = (char *)(full ? "D" : "L");
    parts->row.first_lsn = s_lsn (parts, 0, first);
    parts->row.last_lsn = s_lsn (parts, 1, last);
    parts->row.uuid = parts->texts[2];
    snprintf (parts->texts[2], sizeof parts->texts[2], "%s-%s-%" PRIu64, self->database,
              parts->row.type, last);
    parts->row.device = parts->texts[3];
    snprintf (parts->texts[3], sizeof parts->texts[3], "/backup/%s/%s_%.40s.bak", self->instance,
              self->database, order->sequence);
    parts->row.last_fork = parts->row.first_fork = s_named (parts, 4, "fork", self);
    parts->row.family = s_named (parts, 5, "family", self);
    parts->row.position = 1;
    parts->row.bytes = parts->row.compressed_bytes = 4096;
    parts->row.started = parts->row.finished = (char *)"2026-11-21 02:15:00.000";
    btsmark__backup_done__init (&parts->done);
    parts->done.instance = (char *)self->instance;
    parts->done.database = (char *)self->database;
    parts->done.type = order->type;
    parts->done.status = BTSMARK__BACKUP_STATUS__BACKUP_OK;
    parts->done.file_bytes = 4096;
    parts->done.row = &parts->row;
    answer->body_case = BTSMARK__ENVELOPE__BODY_BACKUP_DONE;
    answer->backup_done = &parts->done;
}

static void
s_settle (const s_member_t *self, s_parts_t *parts, Btsmark__Envelope *answer)
{
    btsmark__settled_database__init (&parts->settled_database);
    parts->settled_database.name = (char *)self->database;
    parts->settled_database.asked = true;
    parts->settled_database.recovery_fork = s_named (parts, 0, "fork", self);
    parts->settled_list[0] = &parts->settled_database;
    btsmark__settled__init (&parts->settled);
    parts->settled.instance = (char *)self->instance;
    parts->settled.databases = parts->settled_list;
    parts->settled.n_databases = 1;
    answer->body_case = BTSMARK__ENVELOPE__BODY_SETTLED;
    answer->settled = &parts->settled;
}

/*  The small answers of a round. */
static bool
s_round (const s_member_t *self, const Btsmark__Envelope *order, s_parts_t *parts,
         Btsmark__Envelope *answer)
{
    btsmark__branch_counts__init (&parts->counts);
    switch (order->body_case) {
        case BTSMARK__ENVELOPE__BODY_MARK:
            btsmark__marked__init (&parts->marked);
            parts->marked.instance = (char *)self->instance;
            parts->marked.ok = true;
            parts->marked.transaction_id = 4242;
            answer->body_case = BTSMARK__ENVELOPE__BODY_MARKED;
            answer->marked = &parts->marked;
            return true;
        case BTSMARK__ENVELOPE__BODY_SAMPLE:
            btsmark__sampled__init (&parts->sampled);
            parts->sampled.instance = (char *)self->instance;
            parts->sampled.ran = true;
            parts->sampled.readings = 1;
            parts->sampled.counts = &parts->counts;
            answer->body_case = BTSMARK__ENVELOPE__BODY_SAMPLED;
            answer->sampled = &parts->sampled;
            return true;
        case BTSMARK__ENVELOPE__BODY_COMMIT:
            btsmark__committed__init (&parts->committed);
            parts->committed.instance = (char *)self->instance;
            parts->committed.answer = BTSMARK__COMMIT_ANSWER__COMMIT_DONE;
            parts->committed.sample_ran = true;
            parts->committed.counts = &parts->counts;
            answer->body_case = BTSMARK__ENVELOPE__BODY_COMMITTED;
            answer->committed = &parts->committed;
            return true;
        case BTSMARK__ENVELOPE__BODY_RELEASE:
            btsmark__released__init (&parts->released);
            answer->body_case = BTSMARK__ENVELOPE__BODY_RELEASED;
            answer->released = &parts->released;
            return true;
        case BTSMARK__ENVELOPE__BODY_ABORT:
            btsmark__aborted__init (&parts->aborted);
            parts->aborted.nothing_held = true;
            answer->body_case = BTSMARK__ENVELOPE__BODY_ABORTED;
            answer->aborted = &parts->aborted;
            return true;
        default:
            return false;
    }
}

static void
s_answer (s_member_t *self, const Btsmark__Envelope *order, s_parts_t *parts,
          Btsmark__Envelope *answer)
{
    if (s_round (self, order, parts, answer))
        return;
    switch (order->body_case) {
        case BTSMARK__ENVELOPE__BODY_GREET:
            s_greet (self, parts, answer);
            break;
        case BTSMARK__ENVELOPE__BODY_PREPARE:
            s_vote (self, parts, answer);
            break;
        case BTSMARK__ENVELOPE__BODY_PROVE:
            s_prove (self, parts, answer);
            break;
        case BTSMARK__ENVELOPE__BODY_BACKUP:
            s_backup (self, order->backup, parts, answer);
            break;
        case BTSMARK__ENVELOPE__BODY_SETTLE:
            s_settle (self, parts, answer);
            break;
        case BTSMARK__ENVELOPE__BODY_WRITE_MANIFEST:
            btsmark__manifest_written__init (&parts->written);
            parts->written.ok = true;
            parts->written.file = order->write_manifest->file_name;
            answer->body_case = BTSMARK__ENVELOPE__BODY_MANIFEST_WRITTEN;
            answer->manifest_written = &parts->written;
            break;
        case BTSMARK__ENVELOPE__BODY_TRIM_MARKS:
            btsmark__marks_trimmed__init (&parts->trimmed);
            parts->trimmed.instance = (char *)self->instance;
            answer->body_case = BTSMARK__ENVELOPE__BODY_MARKS_TRIMMED;
            answer->marks_trimmed = &parts->trimmed;
            break;
        default:
            btsmark__refused__init (&parts->refused);
            parts->refused.why = BTSMARK__REFUSED__WHY__BAD_REQUEST;
            answer->body_case = BTSMARK__ENVELOPE__BODY_REFUSED;
            answer->refused = &parts->refused;
            break;
    }
}

/*  One order, if one is there. */
static bool
s_serve (s_crowd_t *self, s_member_t *member)
{
    static s_parts_t parts;
    char routing[256];
    int routing_size = zmq_recv (member->socket, routing, sizeof routing, ZMQ_DONTWAIT);
    if (routing_size < 0)
        return false;
    int size = zmq_recv (member->socket, self->buffer, BM_LIMIT_WIRE_BYTES, 0);
    s_must (size > 0 && size <= BM_LIMIT_WIRE_BYTES, "an order could not be received");
    bm_error_t error = {0};
    Btsmark__Envelope *order = bm_wire_unpack (self->buffer, (size_t)size, &error);
    bm_require (order != NULL);
    Btsmark__Envelope answer = BTSMARK__ENVELOPE__INIT;
    answer.protocol = BM_PROTOCOL_VERSION;
    answer.operation_id = order->operation_id;
    answer.start_id = member->start_id;
    answer.epoch = order->epoch;
    answer.round = order->round;
    s_answer (member, order, &parts, &answer);
    uint8_t *data = NULL;
    size_t length = 0;
    bm_require (bm_wire_pack (&answer, &data, &length, &error) == BM_OK);
    zmq_send (member->socket, routing, (size_t)routing_size, ZMQ_SNDMORE);
    zmq_send (member->socket, data, length, 0);
    free (data);
    btsmark__envelope__free_unpacked (order, NULL);
    return true;
}

/*  Until the process is ended by a signal. */
static void
s_run (s_crowd_t *self)
{
    zmq_pollitem_t *items = bm_alloc (self->count * sizeof *items);
    for (size_t i = 0; i < self->count; i++)
        items[i] = (zmq_pollitem_t){self->members[i].socket, 0, ZMQ_POLLIN, 0};
    for (;;) {
        if (zmq_poll (items, (int)self->count, -1) <= 0)
            continue;
        for (size_t i = 0; i < self->count; i++)
            while (items[i].revents & ZMQ_POLLIN && s_serve (self, &self->members[i]))
                ;
    }
}

static void
s_bind (s_crowd_t *self, size_t i)
{
    s_member_t *member = &self->members[i];
    const int one = 1, zero = 0;
    snprintf (member->instance, sizeof member->instance, "CROWD%04zu", i + 1);
    snprintf (member->database, sizeof member->database, "Crowd%04zu", i + 1);
    member->start_id = (uint64_t)bm_clock_mono_us () * MAX_SOCKETS + i + 1;
    member->socket = zmq_socket (self->context, ZMQ_ROUTER);
    s_must (member->socket != NULL, "no more sockets");
    zmq_setsockopt (member->socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (member->socket, ZMQ_CURVE_SERVER, &one, sizeof one);
    zmq_setsockopt (member->socket, ZMQ_CURVE_SECRETKEY, self->secret_key, 41);
    s_must (zmq_bind (member->socket, "tcp://127.0.0.1:*") == 0, "a port could not be bound");
    size_t size = sizeof member->address;
    zmq_getsockopt (member->socket, ZMQ_LAST_ENDPOINT, member->address, &size);
}

/*  The child: binds, tells its key and its addresses, serves. */
static void
s_child (size_t agents, FILE *to_parent)
{
    s_crowd_t self = {.context = zmq_ctx_new (), .count = agents};
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    zmq_ctx_set (self.context, ZMQ_MAX_SOCKETS, MAX_SOCKETS);
    s_must (zmq_curve_keypair (self.public_key, self.secret_key) == 0, "no CURVE key");
    self.buffer = bm_alloc (BM_LIMIT_WIRE_BYTES);
    self.members = bm_alloc (agents * sizeof *self.members);
    fwrite (self.public_key, 1, sizeof self.public_key, to_parent);
    for (size_t i = 0; i < agents; i++) {
        s_bind (&self, i);
        fwrite (self.members[i].address, 1, sizeof self.members[i].address, to_parent);
    }
    s_must (fclose (to_parent) == 0, "the addresses could not be told");
    s_run (&self);
}

bm_crowd_t *
bm_crowd_start (size_t agents)
{
    bm_crowd_t *self = bm_alloc (sizeof *self);
    int ends[2];
    s_must (pipe (ends) == 0, "no pipe");
    fflush (stdout);
    self->pid = fork ();
    s_must (self->pid >= 0, "no process");
    if (self->pid == 0) {
        close (ends[0]);
        s_child (agents, fdopen (ends[1], "wb"));
    }
    close (ends[1]);
    FILE *from_child = fdopen (ends[0], "rb");
    self->addresses = bm_alloc (agents * sizeof *self->addresses);
    bool told = fread (self->public_key, sizeof self->public_key, 1, from_child) == 1 &&
                fread (self->addresses, sizeof *self->addresses, agents, from_child) == agents;
    s_must (told, "the crowd did not start");
    fclose (from_child);
    return self;
}

void
bm_crowd_stop (bm_crowd_t **self_p)
{
    bm_crowd_t *self = *self_p;
    if (!self)
        return;
    kill (self->pid, SIGKILL);
    waitpid (self->pid, NULL, 0);
    free (self->addresses);
    free (self);
    *self_p = NULL;
}

const char *
bm_crowd_address (const bm_crowd_t *self, size_t agent)
{
    return self->addresses[agent];
}

const char *
bm_crowd_server_key (const bm_crowd_t *self)
{
    return self->public_key;
}
