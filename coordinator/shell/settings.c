#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <czmq.h>
#include "common/key.h"
#include "common/limits.h"
#include "common/names.h"
#include "common/secret.h"
#include "common/sql_access.h"
#include "coordinator/shell/settings.h"

#define S_SECOND ((int64_t)1000)
#define S_MINUTE (60 * S_SECOND)
#define S_HOUR   (60 * S_MINUTE)
#define S_DAY    (24 * S_HOUR)

/*  A duration key: where it goes, its default and bounds. A plain number is taken as seconds. */
typedef struct {
    const char *section, *key;
    size_t offset;
    int64_t fallback_ms, min_ms, max_ms;
} s_duration_t;

#define FIELD(name) offsetof (bm_settings_t, name)

static const s_duration_t s_durations[] = {
    {"group", "lock-wait", FIELD (lock_wait_ms), 30 * S_SECOND, 0, S_DAY},
    {"coordinator", "heartbeat", FIELD (heartbeat_ms), 5 * S_SECOND, 100, 10 * S_MINUTE},
    {"coordinator", "agent-timeout", FIELD (agent_timeout_ms), 20 * S_SECOND, 500, S_HOUR},
    {"coordinator", "connect-timeout", FIELD (connect_timeout_ms), 10 * S_SECOND, 100, S_HOUR},
    {"coordinator", "lock-probe", FIELD (lock_probe_ms), 5 * S_SECOND, 100, S_MINUTE},
    {"schedule", "full-retry-pause", FIELD (full_retry_pause_ms), 15 * S_MINUTE, 0, 30 * S_DAY},
    {"schedule", "log-every", FIELD (log_every_ms), 15 * S_MINUTE, 0, S_DAY},
    {"round", "retry-pause", FIELD (retry_pause_ms), 2 * S_SECOND, 1, S_HOUR},
    {"round", "lease", FIELD (lease_ms), 11 * S_SECOND, 500, BM_LIMIT_LEASE_MS},
    {"round", "greet-deadline", FIELD (greet_deadline_ms), 10 * S_SECOND, 100, S_HOUR},
    {"round", "prepare-deadline", FIELD (prepare_deadline_ms), 60 * S_SECOND, 100, S_HOUR},
    {"round", "fence-deadline", FIELD (fence_deadline_ms), 2 * S_SECOND, 50, BM_LIMIT_LEASE_MS},
    {"round", "mark-deadline", FIELD (mark_deadline_ms), 2 * S_SECOND, 50, BM_LIMIT_LEASE_MS},
    {"round", "sample-deadline", FIELD (sample_deadline_ms), 1 * S_SECOND, 50, BM_LIMIT_LEASE_MS},
    {"round", "commit-deadline", FIELD (commit_deadline_ms), 3 * S_SECOND, 50, BM_LIMIT_LEASE_MS},
    {"round", "release-deadline", FIELD (release_deadline_ms), 2 * S_SECOND, 50, BM_LIMIT_LEASE_MS},
    {"round", "prove-deadline", FIELD (prove_deadline_ms), 15 * S_SECOND, 100, S_HOUR},
    {"round", "prove-poll", FIELD (prove_poll_ms), 5 * S_SECOND, 0, S_HOUR},
    {"round", "settle-wait", FIELD (settle_wait_ms), 30 * S_SECOND, 0, S_HOUR},
    {"check", "recovery-point", FIELD (recovery_point_ms), 30 * S_MINUTE, 0, 366 * S_DAY},
    {"check", "full-age", FIELD (full_age_ms), 0, 0, 3660 * S_DAY},
    {"check", "clock-offset", FIELD (clock_offset_ms), 5 * S_SECOND, 100, S_HOUR},
};

/*  The sections that may be missing: their keys then have their defaults. */
static int
s_section (const bm_settings_t *self, const char *kind)
{
    return bm_config_find (self->config, kind, "");
}

/*  "what" on the line of a section, in the shape of common/config's own errors. */
static bm_status_t
s_wrong (const bm_settings_t *self, int section, bm_error_t *error, const char *key,
         const char *value, const char *allowed)
{
    return bm_fail (error, BM_CONFIG, "%s, section [%s%s%s] at line %d: %s = %s: %s",
                    bm_config_path (self->config),
                    bm_config_section_kind (self->config, (size_t)section),
                    *bm_config_section_name (self->config, (size_t)section) ? " " : "",
                    bm_config_section_name (self->config, (size_t)section),
                    bm_config_section_line (self->config, (size_t)section), key, value, allowed);
}

static bm_status_t
s_need_section (bm_settings_t *self, const char *kind, int *section_p, bm_error_t *error)
{
    *section_p = s_section (self, kind);
    if (*section_p < 0)
        return bm_fail (error, BM_CONFIG, "%s: section [%s] is missing",
                        bm_config_path (self->config), kind);
    return BM_OK;
}

static bm_status_t
s_read_durations (bm_settings_t *self, bm_error_t *error)
{
    for (size_t i = 0; i < sizeof s_durations / sizeof *s_durations; i++) {
        const s_duration_t *d = &s_durations[i];
        int64_t *value = (int64_t *)(void *)((char *)self + d->offset);
        if (bm_config_duration (self->config, s_section (self, d->section), d->key, d->fallback_ms,
                                S_SECOND, d->min_ms, d->max_ms, value, error))
            return error ? error->status : BM_CONFIG;
    }
    return BM_OK;
}

static bm_status_t
s_read_group (bm_settings_t *self, bm_error_t *error)
{
    int section;
    bm_status_t status = s_need_section (self, "group", &section, error);
    if (!status)
        status = bm_config_need_text (self->config, section, "name", &self->group, error);
    if (!status)
        status = bm_config_need_text (self->config, section, "management-server",
                                      &self->management_server, error);
    if (!status)
        status = bm_config_text (self->config, section, "management-database", "BizTalkMgmtDb",
                                 &self->management_database, error);
    if (!status)
        status = bm_sql_access_read (self->config, section, self->management_server, &self->access,
                                     &self->login, &self->password_file, error);
    if (status)
        return status;
    if (strlen (self->group) > BM_LIMIT_NAME_BYTES)
        return s_wrong (self, section, error, "name", "(cut)", "at most 512 bytes");
    if (bm_names_length (self->management_database) > 128)
        return s_wrong (self, section, error, "management-database", self->management_database,
                        "a database name has at most 128 characters");
    return BM_OK;
}

static bm_status_t
s_read_coordinator (bm_settings_t *self, bm_error_t *error)
{
    int section, exit_on_warnings = 0;
    bm_status_t status = s_need_section (self, "coordinator", &section, error);
    const char *file = NULL;
    if (!status)
        status = bm_config_need_text (self->config, section, "key-file", &file, error);
    if (!status)
        status = bm_config_file (self->config, section, "key-file", NULL, &self->key_file, error);
    if (!status)
        status = bm_config_file (self->config, section, "catalogue", "catalogue.db",
                                 &self->catalogue, error);
    if (!status)
        status = bm_config_choice (self->config, section, "exit-on-warnings", "0|3", 0,
                                   &exit_on_warnings, error);
    self->exit_on_warnings = exit_on_warnings == 1;
    if (!status && self->agent_timeout_ms < self->heartbeat_ms * 2)
        return s_wrong (self, section, error, "agent-timeout", "(too short)",
                        "at least twice the heartbeat, else a busy agent is given up");
    return status;
}

static bm_status_t
s_read_schedule (bm_settings_t *self, bm_error_t *error)
{
    int section = s_section (self, "schedule"), zone = 0;
    const char *every = NULL, *hour = NULL;
    bm_status_t status = bm_config_text (self->config, section, "full-every", "d", &every, error);
    if (!status && !bm_frequency_parse (every, &self->full_every))
        return s_wrong (self, section, error, "full-every", every,
                        "one of h, d, w, m, y (hour, day, week, month, year)");
    if (!status)
        status = bm_config_text (self->config, section, "backup-hour", "any", &hour, error);
    if (status)
        return status;
    self->backup_hour = -1;
    if (strcmp (hour, "any") != 0) {
        int64_t number = 0;
        status = bm_config_int (self->config, section, "backup-hour", 0, 0, 23, &number, error);
        self->backup_hour = (int)number;
    }
    if (!status)
        status =
            bm_config_choice (self->config, section, "time-zone", "utc|local", 0, &zone, error);
    self->time_zone = zone ? BM_ZONE_LOCAL : BM_ZONE_UTC;
    int hour_zone = 0;
    if (!status)
        status = bm_config_choice (self->config, section, "backup-hour-zone", "same|local", 0,
                                   &hour_zone, error);
    self->backup_hour_zone = hour_zone ? BM_ZONE_LOCAL : self->time_zone;
    if (!status)
        status = bm_config_bool (self->config, section, "full-after-partial", false,
                                 &self->full_after_partial, error);
    return status;
}

/*  A path that SQL Server takes as it is: a drive, a share, a Linux path or a URL; "" = the agent's own. */
static bool
s_is_absolute (const char *path)
{
    return *path == '\0' || *path == '/' || strncmp (path, "\\\\", 2) == 0 ||
           (isalpha ((unsigned char)path[0]) && path[1] == ':' &&
            (path[2] == '\\' || path[2] == '/')) ||
           strncmp (path, "https://", 8) == 0 || strncmp (path, "s3://", 5) == 0;
}

static bm_status_t
s_check_path (bm_settings_t *self, int section, const char *key, const char *path,
              bm_error_t *error)
{
    if (strlen (path) > BM_LIMIT_PATH_BYTES)
        return s_wrong (self, section, error, key, "(cut)", "at most 4096 bytes");
    if (!s_is_absolute (path))
        return s_wrong (self, section, error, key, path,
                        "a whole path as SQL Server sees it, for example D:\\Backup, "
                        "\\\\server\\share or /srv/backup");
    return BM_OK;
}

/*  "keep", or yes or no in any of their spellings. */
static bm_status_t
s_read_compression (bm_settings_t *self, int section, bm_error_t *error)
{
    const char *text = NULL;
    bool on = false;
    bm_status_t status = bm_config_text (self->config, section, "compression", "no", &text, error);
    self->compression = BM_COMPRESSION_KEEP;
    if (status || strcmp (text, "keep") == 0)
        return status;
    status = bm_config_bool (self->config, section, "compression", false, &on, NULL);
    self->compression = on ? BM_COMPRESSION_YES : BM_COMPRESSION_NO;
    return status ? s_wrong (self, section, error, "compression", text, "yes, no or keep") : BM_OK;
}

static bm_status_t
s_read_backup (bm_settings_t *self, bm_error_t *error)
{
    int section = s_section (self, "backup"), method = 0;
    bm_status_t status = bm_config_text (self->config, section, "path", "", &self->path, error);
    if (!status)
        status = s_read_compression (self, section, error);
    if (!status)
        status = bm_config_choice (self->config, section, "method", "procedure|native", 0, &method,
                                   error);
    self->method = method ? BM_METHOD_NATIVE : BM_METHOD_PROCEDURE;
    if (!status)
        status = bm_native_settings_read (self->config, section, method == 1, &self->native, error);
    if (!status)
        status =
            bm_config_text (self->config, section, "mark-prefix", "BTS", &self->mark_prefix, error);
    if (!status)
        status = bm_config_bool (self->config, section, "legacy-log-shipping", false,
                                 &self->legacy_log_shipping, error);
    if (status)
        return status;
    char mark[BM_MARK_BYTES];
    bm_error_t cause = {0};
    if (!*self->mark_prefix || bm_names_mark (self->mark_prefix, 0, 0, mark, &cause))
        return s_wrong (self, section, error, "mark-prefix", self->mark_prefix,
                        "1 to 8 characters, as @MarkName of BizTalk's job");
    if (self->method == BM_METHOD_PROCEDURE && strncmp (self->path, "https://", 8) == 0)
        return s_wrong (self, section, error, "path", self->path,
                        "a URL goes with method = native: BizTalk's procedures back up to disk");
    return s_check_path (self, section, "path", self->path, error);
}

/*  The key of the first version: an administrator is told what to write, and nothing is deleted by a rule that he did not
 *  see. */
static bm_status_t
s_refuse_keep_days (bm_settings_t *self, bm_error_t *error)
{
    const char *days = NULL;
    int section = s_section (self, "backup");
    bm_status_t status = bm_config_text (self->config, section, "keep-days", NULL, &days, error);
    if (status || !days)
        return status;
    status = s_wrong (self, section, error, "keep-days", days,
                      "is not a key any more: how long backups are kept stands in [retention]");
    bm_error_remedy (error,
                     "take this line out and write a section [retention] with keep-time = %s d; "
                     "it deletes backup files, too, unless files = keep stands there",
                     strcmp (days, "0") == 0 ? "36500" : days);
    return status;
}

static bm_status_t
s_read_retention (bm_settings_t *self, bm_error_t *error)
{
    int section = s_section (self, "retention"), files = 0, mark_log = 0;
    int64_t marks = 3;
    bm_status_t status = s_refuse_keep_days (self, error);
    if (!status)
        status = bm_config_choice (self->config, section, "files", "delete|keep", 0, &files, error);
    if (!status)
        status = bm_config_int (self->config, section, "keep-marks", 3, 1, 100000, &marks, error);
    if (!status)
        status = bm_config_duration (self->config, section, "keep-time", 14 * S_DAY, S_DAY, 0,
                                     36500 * S_DAY, &self->keep_time_ms, error);
    if (!status)
        status =
            bm_config_choice (self->config, section, "mark-log", "trim|keep", 0, &mark_log, error);
    self->delete_files = files == 0;
    self->keep_marks = (size_t)marks;
    self->trim_mark_log = mark_log == 0;
    return status;
}

static bm_status_t
s_read_round (bm_settings_t *self, bm_error_t *error)
{
    int section = s_section (self, "round"), doubtful = 0;
    int64_t retries = 2;
    bm_status_t status =
        bm_config_int (self->config, section, "mark-retries", 2, 0, 100, &retries, error);
    self->mark_retries = (int)retries;
    if (!status)
        status =
            bm_config_choice (self->config, section, "doubtful", "warn|fail", 0, &doubtful, error);
    self->doubtful = doubtful ? BM_DOUBTFUL_FAIL : BM_DOUBTFUL_WARN;
    if (status)
        return status;
    int64_t held = self->fence_deadline_ms + self->mark_deadline_ms + self->sample_deadline_ms +
                   self->commit_deadline_ms + self->release_deadline_ms + 2 * BM_ANSWER_SLACK_MS;
    if (held > self->lease_ms)
        return bm_fail (
            error, BM_CONFIG,
            "%s: [round] lease = %lld ms is shorter than the deadlines inside it (fence + "
            "mark + sample + commit + release, and a second for answers = %lld ms): a fence would "
            "run out before the "
            "round may end",
            bm_config_path (self->config), (long long)self->lease_ms, (long long)held);
    return BM_OK;
}

/*  "FROM => TO" in place: the text is a copy of ours, kept until the settings go. */
static bm_status_t
s_read_publish (bm_settings_t *self, int section, bm_agent_settings_t *agent, bm_error_t *error)
{
    const char *const *values = NULL;
    size_t count = 0;
    bm_status_t status =
        bm_config_list (self->config, section, "publish-as", &values, &count, error);
    if (status || count == 0)
        return status;
    agent->publish = bm_alloc (count * sizeof *agent->publish);
    for (size_t i = 0; i < count; i++) {
        const char *arrow = strstr (values[i], "=>");
        const char *to = arrow ? arrow + 2 : "";
        to += strspn (to, " \t");
        size_t length = arrow ? (size_t)(arrow - values[i]) : 0;
        while (length > 0 && isspace ((unsigned char)values[i][length - 1]))
            length--;
        if (length == 0 || *to == '\0')
            return s_wrong (self, section, error, "publish-as", values[i],
                            "FOLDER => SHARE, for example D:\\Backup => \\\\SQL01\\Backup");
        char *from = bm_format ("%.*s", (int)length, values[i]);
        while (length > 1 && (from[length - 1] == '/' || from[length - 1] == '\\'))
            from[--length] = '\0';
        agent->publish[i] = (bm_publish_t){from, bm_strdup (to)};
        agent->publish_count = i + 1;
    }
    return BM_OK;
}

/*  The key itself, or a file of `btsmark keygen`'s public half. */
static bm_status_t
s_read_server_key (bm_settings_t *self, int section, bm_agent_settings_t *agent, bm_error_t *error)
{
    const char *file = NULL;
    bm_status_t status =
        bm_config_text (self->config, section, "server-key", NULL, &agent->server_key, error);
    if (!status)
        status = bm_config_file (self->config, section, "server-key-file", NULL, &file, error);
    if (status)
        return status;
    if ((agent->server_key != NULL) == (file != NULL))
        return s_wrong (self, section, error, "server-key",
                        agent->server_key ? "and server-key-file" : "missing",
                        "give one of server-key and server-key-file");
    if (file) {
        zcert_t *certificate = zcert_load (file);
        if (!certificate)
            return s_wrong (self, section, error, "server-key-file", file,
                            "no such file, or not a public key as `btsmark keygen` writes it");
        agent->server_key = agent->key_text = bm_strdup (zcert_public_txt (certificate));
        zcert_destroy (&certificate);
    }
    if (!bm_key_public_valid (agent->server_key))
        return s_wrong (self, section, error, "server-key", agent->server_key,
                        "not a public key: 40 characters of Z85, as `btsmark keygen` prints them");
    return BM_OK;
}

static bm_status_t
s_read_agent (bm_settings_t *self, size_t section, bm_error_t *error)
{
    bm_agent_settings_t *agent = &self->agents[self->agent_count++];
    int at = (int)section;
    agent->name = bm_config_section_name (self->config, section);
    agent->line = bm_config_section_line (self->config, section);
    if (!*agent->name || strlen (agent->name) > BM_LIMIT_NAME_BYTES)
        return bm_fail (error, BM_CONFIG,
                        "%s, line %d: an agent's section is [agent NAME], one for each agent",
                        bm_config_path (self->config), agent->line);
    bm_status_t status = bm_config_need_text (self->config, at, "address", &agent->address, error);
    if (status)
        return status;
    const char *port = strrchr (agent->address, ':');
    if (strncmp (agent->address, "tcp://", 6) != 0 || port <= agent->address + 6 ||
        strspn (port + 1, "0123456789") != strlen (port + 1) || strlen (port + 1) < 1 ||
        strlen (port + 1) > 5 || strtol (port + 1, NULL, 10) > 65535)
        return s_wrong (self, at, error, "address", agent->address,
                        "tcp://host:port, for example tcp://sql01.example.com:5610");
    status = s_read_server_key (self, at, agent, error);
    if (!status)
        status = bm_config_text (self->config, at, "backup-path", NULL, &agent->backup_path, error);
    if (!status && agent->backup_path)
        status = s_check_path (self, at, "backup-path", agent->backup_path, error);
    if (!status)
        status = s_read_publish (self, at, agent, error);
    return status;
}

static bm_status_t
s_read_agents (bm_settings_t *self, bm_error_t *error)
{
    size_t sections = bm_config_sections (self->config), count = 0;
    for (size_t i = 0; i < sections; i++)
        count += strcmp (bm_config_section_kind (self->config, i), "agent") == 0;
    if (count == 0)
        return bm_fail (error, BM_CONFIG,
                        "%s: there is no [agent NAME] section: nobody serves the group",
                        bm_config_path (self->config));
    if (count > BM_LIMIT_AGENTS)
        return bm_fail (error, BM_LIMIT, "%s: %zu agents, at most %d are served",
                        bm_config_path (self->config), count, BM_LIMIT_AGENTS);
    self->agents = bm_alloc (count * sizeof *self->agents);
    for (size_t i = 0; i < sections; i++)
        if (strcmp (bm_config_section_kind (self->config, i), "agent") == 0 &&
            s_read_agent (self, i, error))
            return error ? error->status : BM_CONFIG;
    return BM_OK;
}

/*  Takes the configuration. */
static bm_settings_t *
s_new (bm_config_t *config, bm_error_t *error)
{
    if (!config)
        return NULL;
    bm_error_t local = {0};
    bm_error_t *why = error ? error : &local;
    bm_settings_t *self = bm_alloc (sizeof *self);
    self->config = config;
    bm_status_t status = s_read_durations (self, why);
    if (!status)
        status = s_read_group (self, why);
    if (!status)
        status = s_read_coordinator (self, why);
    if (!status)
        status = s_read_schedule (self, why);
    if (!status)
        status = s_read_backup (self, why);
    if (!status)
        status = s_read_retention (self, why);
    if (!status)
        status = s_read_round (self, why);
    if (!status)
        status = bm_config_list (config, s_section (self, "check"), "ignore-databases",
                                 &self->ignored_databases, &self->ignored_count, why);
    if (!status)
        status = s_read_agents (self, why);
    if (!status)
        status = bm_config_finish (config, why);
    if (status)
        bm_settings_destroy (&self);
    return self;
}

bm_settings_t *
bm_settings_load (const char *path, bm_error_t *error)
{
    bm_settings_t *self = s_new (bm_config_load (path, error), error);
    if (self && (bm_secret_check_file (self->key_file, error) ||
                 (self->password_file && bm_secret_check_file (self->password_file, error))))
        bm_settings_destroy (&self);
    return self;
}

bm_settings_t *
bm_settings_parse (const char *name, const char *text, bm_error_t *error)
{
    return s_new (bm_config_parse (name, text, error), error);
}

void
bm_settings_destroy (bm_settings_t **self_p)
{
    bm_settings_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->agent_count; i++) {
        for (size_t j = 0; j < self->agents[i].publish_count; j++) {
            free (self->agents[i].publish[j].from);
            free (self->agents[i].publish[j].to);
        }
        free (self->agents[i].publish);
        free (self->agents[i].key_text);
    }
    free (self->agents);
    bm_config_destroy (&self->config);
    free (self);
    *self_p = NULL;
}

int
bm_settings_agent (const bm_settings_t *self, const char *name)
{
    for (size_t i = 0; i < self->agent_count; i++)
        if (bm_names_equal (self->agents[i].name, name))
            return (int)i;
    return -1;
}

const char *
bm_settings_path (const bm_settings_t *self, int agent)
{
    const char *own = agent >= 0 ? self->agents[agent].backup_path : NULL;
    return own ? own : self->path;
}

static bool
s_is_separator (char c)
{
    return c == '/' || c == '\\';
}

/*  Length of the folder prefix of `path` that is `from`, 0 when it is none. Windows' paths compare without case. */
static size_t
s_folder_prefix (const char *path, const char *from)
{
    bool windows = strchr (from, '\\') != NULL;
    size_t i = 0;
    for (; from[i]; i++) {
        bool same =
            path[i] == from[i] || (s_is_separator (path[i]) && s_is_separator (from[i])) ||
            (windows && tolower ((unsigned char)path[i]) == tolower ((unsigned char)from[i]));
        if (!same)
            return 0;
    }
    bool at_border =
        path[i] == '\0' || s_is_separator (path[i]) || (i > 0 && s_is_separator (from[i - 1]));
    return at_border ? i : 0;
}

char *
bm_settings_publish (const bm_settings_t *self, int agent, const char *path)
{
    const bm_publish_t *best = NULL;
    size_t length = 0;
    for (size_t i = 0; agent >= 0 && i < self->agents[agent].publish_count; i++) {
        const bm_publish_t *publish = &self->agents[agent].publish[i];
        size_t prefix = s_folder_prefix (path, publish->from);
        if (prefix > length) {
            best = publish;
            length = prefix;
        }
    }
    if (!best)
        return bm_strdup (path);
    size_t keep = strlen (best->to);
    while (keep > 1 && s_is_separator (best->to[keep - 1]))
        keep--;
    while (s_is_separator (path[length]))
        length++;
    char separator = strchr (best->to, '\\') ? '\\' : '/';
    char *published = path[length]
                          ? bm_format ("%.*s%c%s", (int)keep, best->to, separator, path + length)
                          : bm_format ("%.*s", (int)keep, best->to);
    for (char *c = published + keep; *c; c++)
        if (s_is_separator (*c))
            *c = separator;
    return published;
}
