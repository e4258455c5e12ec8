#include "tests/sqlhost/engine/fault.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"

static const char *const s_names[SH_FAULT_COUNT] = {
    [SH_FAULT_LATENCY_MS] = "latency_ms",
    [SH_FAULT_DISK_RATE] = "disk_rate",
    [SH_FAULT_DISK_FULL_AFTER] = "disk_full_after",
    [SH_FAULT_DISK_FREE] = "disk_free",
    [SH_FAULT_BACKUP_HOLD_AFTER] = "backup_hold_after",
    [SH_FAULT_DROP_BACKUP] = "drop_backup",
    [SH_FAULT_HISTORY_FAIL] = "history_fail",
    [SH_FAULT_COMMIT_DELAY_MS] = "commit_delay_ms",
    [SH_FAULT_COMMIT_HOLD] = "commit_hold",
    [SH_FAULT_MARK_STALL_OFF] = "mark_stall_off",
    [SH_FAULT_MARK_STALL_TIMEOUT_MS] = "mark_stall_timeout_ms",
    [SH_FAULT_MARK_STALL_DELAY_MS] = "mark_stall_delay_ms",
    [SH_FAULT_MARK_STALL_HOLD] = "mark_stall_hold",
    [SH_FAULT_MARK_TIMEOUT_KEEPS] = "mark_timeout_keeps",
    [SH_FAULT_DTC_PREPARE_DELAY_MS] = "dtc_prepare_delay_ms",
    [SH_FAULT_DTC_PREPARE_HOLD] = "dtc_prepare_hold",
    [SH_FAULT_DTC_COMMIT_DELAY_MS] = "dtc_commit_delay_ms",
    [SH_FAULT_DTC_COMMIT_HOLD] = "dtc_commit_hold",
    [SH_FAULT_DTC_COUNT_DELAY_MS] = "dtc_count_delay_ms",
    [SH_FAULT_DTC_COUNT_HOLD] = "dtc_count_hold",
    [SH_FAULT_DTC_LISTED_DELAY_MS] = "dtc_listed_delay_ms",
    [SH_FAULT_DTC_LISTED_HOLD] = "dtc_listed_hold",
    [SH_FAULT_KILL_BEFORE_COMMIT] = "kill_before_commit",
    [SH_FAULT_KILL_AFTER_COMMIT] = "kill_after_commit",
    [SH_FAULT_ERROR_AT] = "error_at",
    [SH_FAULT_ERROR_NUMBER] = "error_number",
    [SH_FAULT_DROP_AT] = "drop_at",
    [SH_FAULT_REFUSE_LOGIN] = "refuse_login",
};

const char *
sh_fault_name (sh_fault_id_t id)
{
    return id < SH_FAULT_COUNT ? s_names[id] : "?";
}

static bool
s_number (const char *text, char end, int64_t *out, const char **rest)
{
    char *stop;
    *out = strtoll (text, &stop, 10);
    if (stop == text || *out < 0 || (*stop != 0 && *stop != end))
        return false;
    *rest = *stop ? stop + 1 : stop;
    return true;
}

/*  "before", "after:3"; fills the two counted faults. */
static bool
s_set_kill (int64_t *faults, const char *value)
{
    bool before = strncmp (value, "before", 6) == 0;
    const char *rest = value + (before ? 6 : 5);
    int64_t count = 1;
    if (!before && strncmp (value, "after", 5) != 0)
        return false;
    if (*rest == ':') {
        if (!s_number (rest + 1, 0, &count, &rest))
            return false;
    } else if (*rest != 0)
        return false;
    faults[before ? SH_FAULT_KILL_BEFORE_COMMIT : SH_FAULT_KILL_AFTER_COMMIT] = count;
    return true;
}

static bool
s_set (int64_t *faults, const char *name, const char *value)
{
    bool off = strcmp (value, "off") == 0;
    if (strcmp (name, "all") == 0) {
        if (off)
            memset (faults, 0, SH_FAULT_COUNT * sizeof *faults);
        return off;
    }
    if (strcmp (name, "kill_at_commit") == 0) {
        if (!off)
            return s_set_kill (faults, value);
        faults[SH_FAULT_KILL_BEFORE_COMMIT] = faults[SH_FAULT_KILL_AFTER_COMMIT] = 0;
        return true;
    }
    for (int id = 0; id < SH_FAULT_COUNT; id++)
        if (strcmp (name, s_names[id]) == 0) {
            const char *rest = "";
            int64_t number = 0, second = 0;
            char end = id == SH_FAULT_ERROR_AT ? ':' : 0;
            if (!off && !s_number (value, end, &number, &rest))
                return false;
            if (*rest && !s_number (rest, 0, &second, &rest))
                return false;
            faults[id] = number;
            if (second)
                faults[SH_FAULT_ERROR_NUMBER] = second;
            return true;
        }
    return false;
}

bool
sh_fault_set (sh_instance_t *instance, const char *name, const char *value)
{
    sh_lock_instance (instance);
    bool done = s_set (instance->faults, name, value);
    sh_wake_all (instance);
    sh_unlock_instance (instance);
    return done;
}

int64_t
sh_fault_locked (const sh_instance_t *self, sh_fault_id_t id)
{
    return self->faults[id];
}

int64_t
sh_fault_get (sh_instance_t *instance, sh_fault_id_t id)
{
    sh_lock_instance (instance);
    int64_t value = instance->faults[id];
    sh_unlock_instance (instance);
    return value;
}

bool
sh_fault_count_locked (sh_instance_t *self, sh_fault_id_t id)
{
    return self->faults[id] > 0 && --self->faults[id] == 0;
}

bool
sh_fault_count_down (sh_instance_t *instance, sh_fault_id_t id)
{
    sh_lock_instance (instance);
    bool strikes = sh_fault_count_locked (instance, id);
    sh_unlock_instance (instance);
    return strikes;
}
