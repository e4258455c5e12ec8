/*  BACKUP, and the options that RESTORE shares with it: "BACKUP (Transact-SQL)". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup_job.h"
#include "rights.h"

void
sh_job_clear (sh_job_t *job)
{
    for (int i = 0; i < job->backup.file_count; i++)
        free (job->files[i]);
    free (job->name);
    free (job->description);
    free (job->media_name);
    free (job->media_description);
}

static sh_status_t
s_devices (sh_session_t *self, const sh_stmt_t *stmt, sh_job_t *job)
{
    for (const sh_expr_t *device = stmt->devices; device; device = device->next) {
        char *path = NULL;
        if (job->backup.file_count == SH_BACKUP_FILES_MAX)
            return sh_error_set (
                self, 3205, 16, 1,
                "Too many backup devices specified for backup or restore; only %d are "
                "allowed.",
                SH_BACKUP_FILES_MAX);
        sh_status_t status = sh_eval_text (self, device, &path);
        if (status != SH_OK)
            return status;
        if (!path || !*path) {
            free (path);
            return sh_error_set (
                self, 3044, 16, 2,
                "Invalid zero-length device name. Reissue the BACKUP statement with a "
                "valid device name.");
        }
        job->files[job->backup.file_count++] = path;
    }
    job->backup.files = (const char *const *)job->files;
    return SH_OK;
}

static sh_status_t
s_option_number (sh_session_t *self, const sh_option_t *option, int *out)
{
    sh_value_t value;
    sh_type_t type = sh_type_of (SH_TYPE_INT);
    sh_status_t status = sh_eval_to (self, option->value, &type, &value);
    if (status == SH_OK)
        *out = value.kind == SH_INT ? (int)value.as.integer : 0;
    return status;
}

static sh_status_t
s_bad_value (sh_session_t *self, const char *name)
{
    return sh_error_set (self, 3217, 16, 1, "Invalid value specified for %s parameter.", name);
}

static bool
s_in_range (const char *name, int number)
{
    if (sh_same (name, "MAXTRANSFERSIZE")) /* multiples of 64 KB up to 4 MB */
        return number > 0 && number <= 4194304 && number % 65536 == 0;
    if (sh_same (name, "BLOCKSIZE"))
        return number >= 512 && number <= 65536 && (number & (number - 1)) == 0;
    if (sh_same (name, "STATS"))
        return number >= 0 && number <= 100;
    if (sh_same (name, "RETAINDAYS"))
        return number >= 0 && number <= 99999;
    return number > 0;
}

/*  Options with a number. False: not one of them. */
static bool
s_number_option (sh_session_t *self, const sh_option_t *option, sh_job_t *job, sh_status_t *status)
{
    sh_backup_t *backup = &job->backup;
    int days = 0;
    const struct {
        const char *name;
        int *out;
    } known[] = {{"STATS", &backup->stats},
                 {"MAXTRANSFERSIZE", &backup->max_transfer_size},
                 {"BLOCKSIZE", &backup->block_size},
                 {"BUFFERCOUNT", &job->buffer_count},
                 {"RETAINDAYS", &days},
                 {"FILE", &job->file_number}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!sh_same (option->name, known[i].name))
            continue;
        if ((*status = s_option_number (self, option, known[i].out)) == SH_OK &&
            !s_in_range (option->name, *known[i].out))
            *status = s_bad_value (self, known[i].name);
        if (days > 0)
            backup->expires = sh_ticks_local () + days * SH_TICKS_PER_DAY;
        return true;
    }
    return false;
}

static sh_status_t
s_expires (sh_session_t *self, const sh_option_t *option, sh_backup_t *backup)
{
    sh_value_t value;
    sh_type_t type = sh_type_of (SH_TYPE_DATETIME);
    sh_status_t status = sh_eval_to (self, option->value, &type, &value);
    if (status == SH_OK && value.kind == SH_DATETIME)
        backup->expires = value.as.ticks;
    return status;
}

/*  Options with a text. False: not one of them. */
static bool
s_text_option (sh_session_t *self, const sh_option_t *option, sh_job_t *job, sh_status_t *status)
{
    const struct {
        const char *name;
        char **out;
    } known[] = {{"NAME", &job->name},
                 {"DESCRIPTION", &job->description},
                 {"MEDIANAME", &job->media_name},
                 {"MEDIADESCRIPTION", &job->media_description}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!sh_same (option->name, known[i].name))
            continue;
        free (*known[i].out);
        *known[i].out = NULL;
        *status = sh_eval_text (self, option->value, known[i].out);
        return true;
    }
    return false;
}

/*  Two words that exclude each other. */
static sh_status_t
s_choose (sh_session_t *self, sh_choice_t *choice, sh_choice_t wanted, const char *yes,
          const char *no)
{
    if (*choice != SH_CHOICE_DEFAULT && *choice != wanted)
        return sh_error_set (self, 3031, 16, 1,
                             "Option '%s' conflicts with option(s) '%s'. Remove the conflicting "
                             "option and reissue the statement.",
                             wanted == SH_CHOICE_YES ? yes : no,
                             wanted == SH_CHOICE_YES ? no : yes);
    *choice = wanted;
    return SH_OK;
}

/*  Options that are a word. False: not one of them. */
static bool
s_word_option (sh_session_t *self, const char *name, sh_job_t *job, sh_status_t *status)
{
    static const char *const harmless[] = {"NOREWIND", "REWIND",        "NOUNLOAD",
                                           "UNLOAD",   "STOP_ON_ERROR", "CONTINUE_AFTER_ERROR"};
    struct {
        const char *yes, *no;
        sh_choice_t *choice;
    } pairs[] = {{"CHECKSUM", "NO_CHECKSUM", &job->backup.checksum},
                 {"COMPRESSION", "NO_COMPRESSION", &job->backup.compress},
                 {"INIT", "NOINIT", &job->init},
                 {"FORMAT", "NOFORMAT", &job->format},
                 {"SKIP", "NOSKIP", &job->skip}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        bool yes = sh_same (name, pairs[i].yes);
        if (!yes && !sh_same (name, pairs[i].no))
            continue;
        *status = s_choose (self, pairs[i].choice, yes ? SH_CHOICE_YES : SH_CHOICE_NO, pairs[i].yes,
                            pairs[i].no);
        return true;
    }
    if (sh_same (name, "COPY_ONLY"))
        return job->backup.copy_only = true;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (sh_same (name, harmless[i]))
            return true;
    return false;
}

static sh_status_t
s_option (sh_session_t *self, const sh_option_t *option, sh_job_t *job)
{
    sh_status_t status = SH_OK;
    bool plain = !option->value && !option->list;
    if (plain && s_word_option (self, option->name, job, &status))
        return status;
    if (plain && sh_same (option->name, "STATS")) {
        job->backup.stats = 10;
        return SH_OK;
    }
    if (option->value && (s_number_option (self, option, job, &status) ||
                          s_text_option (self, option, job, &status)))
        return status;
    if (option->value && sh_same (option->name, "EXPIREDATE"))
        return s_expires (self, option, &job->backup);
    if (sh_same (option->name, "CREDENTIAL") && option->value)
        return SH_OK; /* of a URL, which is refused itself */
    char text[160];
    snprintf (text, sizeof text, "The option %.100s", option->name);
    return sh_error_unsupported (self, text);
}

sh_status_t
sh_job_prepare (sh_session_t *self, const sh_stmt_t *stmt, sh_job_t *job)
{
    sh_status_t status = SH_OK;
    for (const sh_option_t *option = stmt->options; option && status == SH_OK;
         option = option->next)
        status = s_option (self, option, job);
    if (status == SH_OK && stmt->flag2)
        status = sh_error_unsupported (self, "A backup device of type URL");
    sh_backup_t *backup = &job->backup;
    backup->format = job->format == SH_CHOICE_YES;
    backup->init = job->init == SH_CHOICE_YES || backup->format;
    backup->skip = job->skip == SH_CHOICE_YES || backup->format;
    if (status == SH_OK && backup->format && job->init == SH_CHOICE_NO)
        status = sh_error_set (self, 3031, 16, 1,
                               "Option 'FORMAT' conflicts with option(s) 'NOINIT'. Remove the "
                               "conflicting option and reissue the statement.");
    return status == SH_OK ? s_devices (self, stmt, job) : status;
}

static sh_status_t
s_database (sh_session_t *self, const sh_stmt_t *stmt, int *db_id)
{
    char *name = NULL;
    sh_status_t status = SH_OK;
    if (stmt->text)
        name = sh_strdup (stmt->text);
    else
        status = sh_eval_text (self, stmt->name_expr, &name);
    sh_db_info_t info;
    if (status == SH_OK && (!name || sh_db_find (self->instance, name, &info) != SH_OK))
        status = sh_error_set (
            self, 911, 16, 11,
            "Database '%s' does not exist. Make sure that the name is entered correctly.",
            name ? name : "");
    if (status == SH_OK) {
        *db_id = info.id;
        status = sh_db_usable (self->engine, info.id, &self->error);
    }
    if (status == SH_OK)
        status = sh_check_access (self, info.id);
    if (status == SH_OK)
        status = sh_check_database (self, info.id, stmt->flag ? "BACKUP LOG" : "BACKUP DATABASE");
    free (name);
    return status;
}

/*  The cause, then 3013. In a TRY only the last one can be caught, as in SQL Server. */
sh_flow_t
sh_job_failed (sh_session_t *self, const sh_stmt_t *stmt, const char *what)
{
    if (self->error.number == 3009 || self->error.number == SH_NOT_SUPPORTED)
        return sh_raise (self, SH_ERROR, stmt->line);
    if (!self->try_depth)
        sh_out_message (self, &self->error, stmt->line);
    sh_error_set (self, 3013, 16, 1, "%s is terminating abnormally.", what);
    return sh_raise (self, SH_ERROR, stmt->line);
}

sh_flow_t
sh_exec_backup (sh_session_t *self, const sh_stmt_t *stmt)
{
    sh_job_t job = {.backup = {.log = stmt->flag}};
    const char *what = stmt->flag ? "BACKUP LOG" : "BACKUP DATABASE";
    sh_status_t status = SH_OK;
    if (self->trancount > 0)
        status =
            sh_error_set (self, 3021, 16, 0,
                          "Cannot perform a backup or restore operation within a transaction.");
    if (status == SH_OK)
        status = sh_job_prepare (self, stmt, &job);
    if (status == SH_OK)
        status = s_database (self, stmt, &job.backup.db_id);
    if (status == SH_OK) {
        job.backup.name = job.name;
        job.backup.description = job.description;
        job.backup.media_name = job.media_name;
        job.backup.media_description = job.media_description;
        sh_esession_request (self->engine, what, self->statement_text, job.backup.db_id);
        status = sh_backup (self->engine, &job.backup, NULL, &self->error);
        sh_esession_request (self->engine, "SELECT", self->statement_text, self->db_id);
    }
    sh_job_clear (&job);
    if (status == SH_ERROR)
        return sh_job_failed (self, stmt, what);
    sh_flow_t flow = sh_raise (self, status, stmt->line);
    if (status == SH_OK)
        sh_out_done (self, SH_COMMAND_NONE, false, 0);
    return flow;
}
