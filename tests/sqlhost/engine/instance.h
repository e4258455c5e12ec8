/*  tests/sqlhost/engine/instance.h
 *  An instance on its data directory, its sessions, its logins. Every function may be called from
 *  any thread unless it says otherwise. */
#ifndef SH_ENGINE_INSTANCE_H
#define SH_ENGINE_INSTANCE_H

#include "tests/sqlhost/engine/error.h"
#include "tests/sqlhost/engine/fault.h"
#include "tests/sqlhost/engine/value.h"

typedef struct sh_esession sh_esession_t;

typedef struct {
    const char *directory; /* made when missing */
    const char
        *server_name; /* SERVERPROPERTY('ServerName'): "SQL01", "HOST\INST"; NULL = as stored */
    bool fsync;       /* every commit reaches the disk. Off by default: what we test is a process
                                that dies, and for that the page cache is enough */
} sh_options_t;

/*  Opens, on the first time with master, tempdb, model and msdb (ids 1..4). Redoes the log: a
 *  database whose log does not fit is left SUSPECT, with a line in the error log. */
sh_status_t sh_instance_open (sh_instance_t **out, const sh_options_t *options, sh_error_t *error);
/*  Every session must have been closed. Checkpoints. NULL is fine. */
void sh_instance_close (sh_instance_t **self_p);
/*  Wakes every wait (they end with SH_KILLED) and lets none begin. */
void sh_instance_shutdown (sh_instance_t *self);
const char *sh_instance_name (const sh_instance_t *self);
/*  The part before the backslash; SERVERPROPERTY('MachineName'). */
const char *sh_instance_machine (const sh_instance_t *self);
const char *sh_instance_directory (const sh_instance_t *self);
int64_t sh_instance_started (const sh_instance_t *self); /* local ticks */
/*  Writes data files up to the log's end and cuts the log that nobody needs; the background does it
 *  by itself. */
sh_status_t sh_instance_checkpoint (sh_instance_t *self, sh_error_t *error);
/*  A line in DIRECTORY/ERRORLOG. */
void sh_instance_note (sh_instance_t *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/*  ---- logins ---- */

typedef struct {
    char name[129];
    bool sysadmin;
    bool disabled;
    uint8_t sid[16];
    int64_t created; /* local ticks */
    char default_database[129];
} sh_login_info_t;

/*  15025 when there is one; 15151 when there is none. A password is stored salted and hashed. */
sh_status_t sh_login_create (sh_instance_t *self, const char *name, const char *password,
                             bool sysadmin, sh_error_t *error);
/*  NULL leaves a field as it is. */
sh_status_t sh_login_alter (sh_instance_t *self, const char *name, const char *password,
                            const char *default_database, const bool *sysadmin,
                            const bool *disabled, sh_error_t *error);
sh_status_t sh_login_drop (sh_instance_t *self, const char *name, sh_error_t *error);
/*  True and info filled (may be NULL) when name and password are right and it is not disabled. */
bool
sh_login_check (sh_instance_t *self, const char *name, const char *password, sh_login_info_t *info);
/*  SH_END when there is none. */
sh_status_t sh_login_find (sh_instance_t *self, const char *name, sh_login_info_t *info);
/*  The caller frees *out. */
size_t sh_login_list (sh_instance_t *self, sh_login_info_t **out);

/*  ---- sessions ---- */

typedef struct {
    const char *login_name;
    const char *host_name;
    const char *program_name;
    const char *client_interface;
    const char *client_address;
    bool encrypted;
    uint32_t client_pid;
} sh_session_options_t;

/*  An informational message (severity <= 10) while a call runs, in the calling thread, no lock
 *  held. */
typedef void (*sh_on_message_t) (void *arg, const sh_error_t *message);

/*  Registers a session with the next free spid from 51 on. One thread at a time uses it; only the
 *  functions marked "any thread" may be called beside. */
sh_status_t sh_esession_open (sh_instance_t *instance, const sh_session_options_t *options,
                              sh_esession_t **out, sh_error_t *error);
/*  Rolls back, releases every lock. */
void sh_esession_close (sh_esession_t **self_p);
sh_instance_t *sh_esession_instance (sh_esession_t *self);
int sh_esession_id (const sh_esession_t *self); /* @@SPID */
const char *sh_esession_login (const sh_esession_t *self);
void sh_esession_on_message (sh_esession_t *self, sh_on_message_t on_message, void *arg);
/*  Milliseconds, -1 = for ever (the default), 0 = do not wait: SET LOCK_TIMEOUT. */
void sh_esession_set_lock_timeout (sh_esession_t *self, int64_t timeout_ms);
int64_t sh_esession_lock_timeout (const sh_esession_t *self);
/*  -10..10, SET DEADLOCK_PRIORITY (LOW -5, NORMAL 0, HIGH 5). */
void sh_esession_set_deadlock_priority (sh_esession_t *self, int priority);
/*  At most 128 bytes, SET CONTEXT_INFO. */
void sh_esession_set_context_info (sh_esession_t *self, const void *data, size_t size);
size_t sh_esession_context_info (sh_esession_t *self, uint8_t out[128]);
/*  For sys.dm_exec_requests: what runs now ("SELECT", "WAITFOR", ...; NULL = idle), its text
 *  (copied, cut), and the session's database. */
void sh_esession_request (sh_esession_t *self, const char *command, const char *text, int db_id);
/*  The database that the session stands in (a lock on it: DROP DATABASE fails with 3702). */
void sh_esession_use (sh_esession_t *self, int db_id);

/*  Any thread. Ends the wait under way (lock, WAITFOR, backup, held commit) at once; sticky until
 *  cleared, so that a wait which has not begun yet ends as well. */
void sh_esession_cancel (sh_esession_t *self);
void sh_esession_cancel_clear (sh_esession_t *self);
/*  Any thread, as KILL does; cannot be taken back: every later call that waits returns SH_KILLED
 *  (596). */
void sh_esession_kill (sh_esession_t *self);
/*  SH_OK, SH_CANCELLED or SH_KILLED (error filled): to be asked between statements and rows. */
sh_status_t sh_esession_check (sh_esession_t *self, sh_error_t *error);
/*  KILL by number: 6106 no such session, 6104 own one. `on_kill` of the target (set below) is
 *  called too. */
sh_status_t sh_esession_kill_id (sh_esession_t *self, int session_id, sh_error_t *error);
/*  Called by KILL from the killer's thread, engine lock held: must only set a flag or shut a
 *  socket down. */
void sh_esession_on_kill (sh_esession_t *self, void (*on_kill) (void *arg), void *arg);

/*  WAITFOR DELAY: SH_OK after the time, else SH_CANCELLED or SH_KILLED. */
sh_status_t sh_esession_wait (sh_esession_t *self, int64_t delay_ms, sh_error_t *error);

typedef struct {
    int session_id;
    char login_name[129], host_name[129], program_name[129], client_interface[33],
        client_address[65];
    bool encrypted;
    uint32_t client_pid;
    int64_t login_time; /* local ticks */
    uint8_t context_info[128];
    size_t context_info_size;
    int64_t lock_timeout_ms;
    int deadlock_priority;
    int db_id;
    bool killed;
    /*  request; command "" = idle */
    char command[33];
    char text[4001];
    int64_t request_time; /* local ticks; when idle: of the last one */
    char
        wait_type[61]; /* "" = not waiting; "LCK_M_X", "WAITFOR", "BACKUPIO", "TRAN_MARKLATCH_EX" */
    char wait_resource[257];
    int64_t wait_ms;
    int blocking_session_id; /* 0 = none */
    double percent_complete;
    /*  transaction; id 0 = none */
    int64_t transaction_id;
    bool transaction_is_user;
} sh_session_info_t;

/*  The caller frees *out. */
size_t sh_esession_list (sh_instance_t *instance, sh_session_info_t **out);

#endif
