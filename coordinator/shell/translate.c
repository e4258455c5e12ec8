/*  coordinator/shell/translate.c */
#include "coordinator/shell/translate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bm_status_t
bm_translate_fault (const Btsmark__Fault *fault, bm_error_t *error)
{
    if (!fault)
        return BM_OK;
    bm_status_t status = bm_status_by_name (fault->status);
    bool known = strcmp (bm_status_name (status), fault->status) == 0 && status != BM_OK;
    bm_fail (error, known ? status : BM_PROTOCOL, "%s", fault->text);
    if (error && fault->remedy[0])
        bm_error_remedy (error, "%s", fault->remedy);
    return known ? status : BM_PROTOCOL;
}

bm_status_t
bm_translate_faults (Btsmark__Fault *const *faults, size_t count, bm_error_t *error)
{
    if (count == 0)
        return BM_OK;
    bm_error_t first = {0};
    bm_translate_fault (faults[0], &first);
    char *text = bm_strdup (first.text);
    for (size_t i = 1; i < count; i++) {
        char *joined = bm_format ("%s; %s", text, faults[i]->text);
        free (text);
        text = joined;
    }
    bm_fail (error, first.status, "%s", text);
    if (error)
        bm_error_remedy (error, "%s", first.remedy);
    free (text);
    return first.status;
}

bm_sql_messages_t *
bm_translate_messages (Btsmark__SqlMessage *const *items, size_t count)
{
    if (count == 0)
        return NULL;
    bm_sql_messages_t *messages = bm_alloc (sizeof *messages);
    messages->items = bm_alloc (count * sizeof *messages->items);
    messages->count = count;
    for (size_t i = 0; i < count; i++) {
        bm_sql_message_t *to = &messages->items[i];
        to->number = items[i]->number;
        to->severity = items[i]->severity;
        to->state = items[i]->state;
        to->line = items[i]->line;
        to->procedure = bm_strdup (items[i]->procedure);
        to->text = bm_strdup (items[i]->text);
    }
    return messages;
}

bool
bm_translate_has_message (Btsmark__SqlMessage *const *items, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (items[i]->number == number)
            return true;
    return false;
}

/*  The wire has no NULL text: empty is "not known". */
static char *
s_text (const char *text)
{
    return text && text[0] ? bm_strdup (text) : NULL;
}

static const char *
s_told (const char *text)
{
    return text && text[0] ? text : "the in-flight check did not run";
}

/*  `devices` begins with `device`. */
static char *
s_more_devices (const Btsmark__BackupRow *row)
{
    char *text = NULL;
    for (size_t i = 1; i < row->n_devices; i++) {
        char *longer =
            text ? bm_format ("%s\n%s", text, row->devices[i]) : s_text (row->devices[i]);
        free (text);
        text = longer;
    }
    return text;
}

void
bm_translate_backup (const Btsmark__BackupRow *row, const char *server, const char *instance,
                     int64_t file_bytes, bm_backup_t *backup)
{
    memset (backup, 0, sizeof *backup);
    backup->server = s_text (server);
    backup->instance = s_text (instance);
    backup->database = s_text (row->database);
    bm_record_type_parse (row->type, &backup->type);
    backup->uuid = s_text (row->uuid);
    for (char *c = backup->uuid; c && *c; c++)
        *c = (char)tolower ((unsigned char)*c);
    backup->device = s_text (row->device);
    backup->more_devices = s_more_devices (row);
    backup->position = row->position;
    backup->first_lsn = s_text (row->first_lsn);
    backup->last_lsn = s_text (row->last_lsn);
    backup->checkpoint_lsn = s_text (row->checkpoint_lsn);
    backup->database_backup_lsn = s_text (row->database_backup_lsn);
    backup->first_fork = s_text (row->first_fork);
    backup->last_fork = s_text (row->last_fork);
    backup->family = s_text (row->family);
    backup->started = s_text (row->started);
    backup->finished = s_text (row->finished);
    backup->bytes = row->bytes;
    backup->compressed_bytes = row->compressed_bytes;
    backup->file_bytes = file_bytes;
    backup->recovery_model = s_text (row->recovery_model);
    backup->user = s_text (row->user);
    backup->copy_only = row->copy_only;
    backup->has_checksums = row->has_checksums;
}

void
bm_translate_proof (const Btsmark__DatabaseProof *proof, const char *mark, const char *server,
                    const char *instance, const char *database, bm_mark_proof_t *to)
{
    memset (to, 0, sizeof *to);
    to->mark = s_text (mark);
    to->server = s_text (server);
    to->instance = s_text (instance);
    to->database = s_text (database);
    to->asked = proof->asked;
    to->in_marklog = proof->in_marklog;
    to->in_history = proof->in_history;
    to->lsn = s_text (proof->lsn);
    to->mark_time = s_text (proof->mark_time);
}

void
bm_translate_sample (bool ran, const Btsmark__BranchCounts *counts,
                     Btsmark__Branch *const *branches, size_t count, const char *why_not,
                     bm_inflight_sample_t *sample)
{
    memset (sample, 0, sizeof *sample);
    sample->ran = ran && counts;
    sample->why_not = sample->ran ? NULL : s_told (why_not);
    if (!sample->ran)
        return;
    sample->prepares = counts->prepares;
    sample->commits = counts->commits;
    bm_inflight_branch_t *list = bm_alloc ((count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = (bm_inflight_branch_t){.unit_of_work = branches[i]->unit_of_work,
                                         .transaction_id = branches[i]->transaction_id,
                                         .transaction_state = branches[i]->transaction_state,
                                         .database_state = branches[i]->database_transaction_state,
                                         .databases = (const char *const *)branches[i]->databases,
                                         .database_count = branches[i]->n_databases};
    sample->branches = list;
    sample->branch_count = count;
}

void
bm_translate_sample_clear (bm_inflight_sample_t *sample)
{
    free ((void *)sample->branches);
    memset (sample, 0, sizeof *sample);
}

bm_commit_answer_t
bm_translate_commit (Btsmark__CommitAnswer answer)
{
    switch (answer) {
        case BTSMARK__COMMIT_ANSWER__COMMIT_DONE:
            return BM_COMMIT_DONE;
        case BTSMARK__COMMIT_ANSWER__COMMIT_ROLLED_BACK:
            return BM_COMMIT_ROLLED_BACK;
        default:
            return BM_COMMIT_UNKNOWN;
    }
}

bm_database_status_t
bm_translate_status (Btsmark__BackupStatus status)
{
    switch (status) {
        case BTSMARK__BACKUP_STATUS__BACKUP_OK:
            return BM_DATABASE_OK;
        case BTSMARK__BACKUP_STATUS__BACKUP_OK_WITH_WARNINGS:
            return BM_DATABASE_OK_WITH_WARNINGS;
        case BTSMARK__BACKUP_STATUS__BACKUP_FAILED:
        case BTSMARK__BACKUP_STATUS__BACKUP_CANCELLED:
            return BM_DATABASE_FAILED;
        default:
            return BM_DATABASE_UNKNOWN;
    }
}
