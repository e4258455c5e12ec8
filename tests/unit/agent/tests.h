/*  tests/unit/agent/tests.h
 *  cmocka with what it needs before it; a folder with keys and configuration; a coordinator as the agent's door sees it.
 */
#ifndef BM_TESTS_AGENT_H
#define BM_TESTS_AGENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <czmq.h>

#include "agent/shell/config.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/limits.h"
#include "common/wire.h"

typedef struct {
    char folder[64];
    char backups[128];
    char server_key[BM_KEY_TEXT_BYTES];
    char full_key[BM_KEY_TEXT_BYTES];   /* duties status, backup */
    char status_key[BM_KEY_TEXT_BYTES]; /* duty status alone */
    char unknown_key[BM_KEY_TEXT_BYTES];
    bm_agent_config_t *config;
} tests_place_t;

static inline char *
tests_path (const tests_place_t *place, const char *name)
{
    return bm_format ("%s/%s", place->folder, name);
}

static inline void
tests_write (const tests_place_t *place, const char *name, const char *text)
{
    char *path = tests_path (place, name);
    FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
    assert_int_equal (fclose (file), 0);
    assert_int_equal (chmod (path, 0600), 0);
    free (path);
}

static inline void
tests_key (const tests_place_t *place, const char *name, char public_text[BM_KEY_TEXT_BYTES])
{
    bm_error_t error = {0};
    char *path = tests_path (place, name);
    if (bm_key_generate (path, name, public_text, &error) != BM_OK)
        fail_msg ("%s", error.text);
    free (path);
}

/*  A folder with four keys, a password and a backup folder. Removed by tests_place_free. */
static inline tests_place_t *
tests_place_new (void)
{
    tests_place_t *place = bm_alloc (sizeof *place);
    snprintf (place->folder, sizeof place->folder, "/tmp/btsmark-agent-XXXXXX");
    assert_non_null (mkdtemp (place->folder));
    snprintf (place->backups, sizeof place->backups, "%s/backup", place->folder);
    assert_int_equal (mkdir (place->backups, 0700), 0);
    tests_key (place, "agent", place->server_key);
    tests_key (place, "full", place->full_key);
    tests_key (place, "status", place->status_key);
    tests_key (place, "unknown", place->unknown_key);
    tests_write (place, "password", "secret\n");
    return place;
}

static inline void
tests_place_free (tests_place_t *place)
{
    bm_agent_config_destroy (&place->config);
    zdir_t *all = zdir_new (place->folder, NULL);
    zdir_remove (all, true);
    zdir_destroy (&all);
    free (place);
}

/*  agent.ini with one instance at `sql` (host:port); `more` is added to [agent]. */
static inline void
tests_configure (tests_place_t *place, const char *sql, const char *more)
{
    bm_error_t error = {0};
    char *text = bm_format (
        "[agent]\nname = SQL01\nbind = tcp://127.0.0.1:*\nkey-file = agent\n"
        "heartbeat = 100 ms\n%s"
        "[allow full]\npublic-key = %s\nduties = status, backup\n"
        "[allow watcher]\npublic-key = %s\nduties = status\n"
        "[instance SQL01]\nserver = %s\nencrypt = off\nlogin = sa\npassword-file = password\n"
        "aliases = sql01.example.com,1433, OTHER\nbackup-path = %s\n",
        more, place->full_key, place->status_key, sql, place->backups);
    tests_write (place, "agent.ini", text);
    char *path = tests_path (place, "agent.ini");
    bm_agent_config_destroy (&place->config);
    place->config = bm_agent_config_load (path, &error);
    if (!place->config)
        fail_msg ("%s", error.text);
    free (path);
    free (text);
}

/*  ---- a coordinator ---- */

typedef struct {
    zsock_t *socket;
    uint64_t start_id;
    int64_t clock_ahead_ms;
    uint64_t operation_id;
    uint64_t epoch;
    uint32_t round;
    size_t progress; /* seen while waiting for answers */
    char last_step[64];
    double last_percent;
} tests_client_t;

static inline tests_client_t *
tests_client_new (const tests_place_t *place, const char *key_name, const char *endpoint)
{
    bm_error_t error = {0};
    tests_client_t *client = bm_alloc (sizeof *client);
    char *path = tests_path (place, key_name);
    bm_key_t *key = bm_key_load (path, &error);
    assert_non_null (key);
    client->socket = zsock_new (ZMQ_DEALER);
    void *handle = zsock_resolve (client->socket);
    zsock_set_linger (client->socket, 0);
    assert_int_equal (zmq_setsockopt (handle, ZMQ_CURVE_PUBLICKEY, bm_key_public (key), 41), 0);
    assert_int_equal (zmq_setsockopt (handle, ZMQ_CURVE_SECRETKEY, bm_key_secret (key), 41), 0);
    assert_int_equal (zmq_setsockopt (handle, ZMQ_CURVE_SERVERKEY, place->server_key, 41), 0);
    assert_int_equal (zsock_connect (client->socket, "%s", endpoint), 0);
    bm_key_destroy (&key);
    free (path);
    client->operation_id = 1000;
    client->epoch = 17;
    client->round = 1;
    return client;
}

static inline void
tests_client_free (tests_client_t *client)
{
    zsock_destroy (&client->socket);
    free (client);
}

static inline void
tests_send_raw (tests_client_t *client, const void *data, size_t size)
{
    zframe_t *frame = zframe_new (data, size);
    assert_int_equal (zframe_send (&frame, client->socket, 0), 0);
}

/*  Fills in identity and expiry (unless set) and sends; returns the operation id. The envelope is the caller's. */
static inline uint64_t
tests_send (tests_client_t *client, Btsmark__Envelope *envelope)
{
    uint8_t *data = NULL;
    size_t size = 0;
    bm_error_t error = {0};
    envelope->protocol = envelope->protocol ? envelope->protocol : BM_PROTOCOL_VERSION;
    if (envelope->operation_id == 0)
        envelope->operation_id = ++client->operation_id;
    if (envelope->body_case != BTSMARK__ENVELOPE__BODY_GREET) {
        envelope->start_id = envelope->start_id ? envelope->start_id : client->start_id;
        if (envelope->expires_agent_ms == 0)
            envelope->expires_agent_ms =
                (uint64_t)(bm_clock_mono_ms () + client->clock_ahead_ms + 30000);
    }
    envelope->epoch = envelope->epoch ? envelope->epoch : client->epoch;
    envelope->round = envelope->round ? envelope->round : client->round;
    envelope->group = (char *)"BizTalk Group";
    assert_int_equal (bm_wire_pack (envelope, &data, &size, &error), BM_OK);
    tests_send_raw (client, data, size);
    free (data);
    return envelope->operation_id;
}

/*  The next message but Progress, or NULL after `deadline_ms`. */
static inline Btsmark__Envelope *
tests_receive_within (tests_client_t *client, int64_t deadline_ms)
{
    int64_t until = bm_clock_mono_ms () + deadline_ms;
    for (;;) {
        int64_t left = until - bm_clock_mono_ms ();
        zmq_pollitem_t item = {.socket = zsock_resolve (client->socket), .events = ZMQ_POLLIN};
        if (left <= 0 || zmq_poll (&item, 1, left) <= 0)
            return NULL;
        zframe_t *frame = zframe_recv (client->socket);
        bm_error_t error = {0};
        Btsmark__Envelope *answer =
            bm_wire_unpack (zframe_data (frame), zframe_size (frame), &error);
        zframe_destroy (&frame);
        if (!answer)
            fail_msg ("%s", error.text);
        if (answer->body_case != BTSMARK__ENVELOPE__BODY_PROGRESS)
            return answer;
        client->progress++;
        snprintf (client->last_step, sizeof client->last_step, "%s", answer->progress->step);
        client->last_percent = answer->progress->percent;
        btsmark__envelope__free_unpacked (answer, NULL);
    }
}

static inline Btsmark__Envelope *
tests_receive (tests_client_t *client)
{
    Btsmark__Envelope *answer = tests_receive_within (client, 20000);
    if (!answer)
        fail_msg ("no answer within 20 s");
    return answer;
}

static inline void
tests_free (Btsmark__Envelope *answer)
{
    btsmark__envelope__free_unpacked (answer, NULL);
}

/*  Sends and waits for the answer of that kind. */
static inline Btsmark__Envelope *
tests_ask (tests_client_t *client, Btsmark__Envelope *envelope, Btsmark__Envelope__BodyCase kind)
{
    uint64_t id = tests_send (client, envelope);
    Btsmark__Envelope *answer = tests_receive (client);
    if (answer->body_case != kind)
        fail_msg ("the answer is %s%s%s", bm_wire_body_name (answer),
                  answer->body_case == BTSMARK__ENVELOPE__BODY_REFUSED ? ": " : "",
                  answer->body_case == BTSMARK__ENVELOPE__BODY_REFUSED
                      ? answer->refused->fault->text
                      : "");
    assert_int_equal (answer->operation_id, id);
    return answer;
}

static inline void
tests_expect_refusal (tests_client_t *client, Btsmark__Envelope *envelope,
                      Btsmark__Refused__Why why)
{
    Btsmark__Envelope *answer = tests_ask (client, envelope, BTSMARK__ENVELOPE__BODY_REFUSED);
    if (answer->refused->why != why)
        fail_msg ("refused for another reason (%d): %s", (int)answer->refused->why,
                  answer->refused->fault->text);
    tests_free (answer);
}

/*  Learns start id and clock. */
static inline void
tests_greet (tests_client_t *client)
{
    Btsmark__Greet greet = BTSMARK__GREET__INIT;
    Btsmark__Envelope envelope = BTSMARK__ENVELOPE__INIT;
    envelope.body_case = BTSMARK__ENVELOPE__BODY_GREET;
    envelope.greet = &greet;
    Btsmark__Envelope *answer = tests_ask (client, &envelope, BTSMARK__ENVELOPE__BODY_GREETING);
    client->start_id = answer->greeting->start_id;
    client->clock_ahead_ms = (int64_t)answer->greeting->clock_mono_ms - bm_clock_mono_ms ();
    tests_free (answer);
}

#endif
