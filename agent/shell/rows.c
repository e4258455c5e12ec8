#include "agent/shell/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/shell/answer.h"
#include "agent/shell/path.h"
#include "common/names.h"

const char *
bm_rows_select (void)
{
    return "SELECT b.database_name, b.server_name, b.type AS backup_type,"
           " CONVERT (nvarchar(36), b.backup_set_uuid) AS backup_uuid, b.backup_set_id, b.position,"
           " m.physical_device_name, b.first_lsn, b.last_lsn, b.checkpoint_lsn, "
           "b.database_backup_lsn,"
           " CONVERT (nvarchar(23), b.backup_start_date, 121) AS started,"
           " CONVERT (nvarchar(23), b.backup_finish_date, 121) AS finished,"
           " b.backup_size, b.compressed_backup_size,"
           " CONVERT (nvarchar(36), b.first_recovery_fork_guid) AS first_fork,"
           " CONVERT (nvarchar(36), b.last_recovery_fork_guid) AS last_fork,"
           " CONVERT (nvarchar(36), b.family_guid) AS family, b.user_name, b.is_copy_only,"
           " b.has_backup_checksums, b.recovery_model"
           " FROM msdb.dbo.backupset b"
           /*  Others are copies of MIRROR TO. */
           " JOIN msdb.dbo.backupmediafamily m ON m.media_set_id = b.media_set_id AND m.mirror = "
           "0 ";
}

const char *
bm_rows_order (void)
{
    return " ORDER BY b.backup_set_id DESC, m.family_sequence_number;";
}

int
bm_rows_find (const bm_sql_result_t *result)
{
    return bm_sql_result_find (result,
                               (const char *[]){"backup_set_id", "physical_device_name", NULL});
}

static void
s_read_texts (Btsmark__BackupRow *self, const bm_sql_result_t *result, int set, size_t row)
{
    const struct {
        char **field;
        const char *column;
    } fields[] = {{&self->database, "database_name"},
                  {&self->server, "server_name"},
                  {&self->type, "backup_type"},
                  {&self->uuid, "backup_uuid"},
                  {&self->device, "physical_device_name"},
                  {&self->first_lsn, "first_lsn"},
                  {&self->last_lsn, "last_lsn"},
                  {&self->checkpoint_lsn, "checkpoint_lsn"},
                  {&self->database_backup_lsn, "database_backup_lsn"},
                  {&self->started, "started"},
                  {&self->finished, "finished"},
                  {&self->first_fork, "first_fork"},
                  {&self->last_fork, "last_fork"},
                  {&self->family, "family"},
                  {&self->user, "user_name"},
                  {&self->recovery_model, "recovery_model"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        bm_answer_text (fields[i].field, bm_sql_result_text (result, set, row, fields[i].column));
}

static Btsmark__BackupRow *
s_read (const bm_sql_result_t *result, int set, size_t row)
{
    Btsmark__BackupRow *self = bm_alloc (sizeof *self);
    btsmark__backup_row__init (self);
    s_read_texts (self, result, set, row);
    /*  char(1) may come padded. */
    if (self->type[0] && self->type[1])
        self->type[1] = 0;
    self->backup_set_id = bm_sql_result_int (result, set, row, "backup_set_id", 0);
    self->position = (int32_t)bm_sql_result_int (result, set, row, "position", 0);
    self->bytes = bm_sql_result_int (result, set, row, "backup_size", 0);
    self->compressed_bytes =
        bm_sql_result_int (result, set, row, "compressed_backup_size", self->bytes);
    self->copy_only = bm_sql_result_int (result, set, row, "is_copy_only", 0) != 0;
    self->has_checksums = bm_sql_result_int (result, set, row, "has_backup_checksums", 0) != 0;
    return self;
}

/*  A stripe more. `devices` is only used when there are several. */
static void
s_add_device (Btsmark__BackupRow *row, const char *device)
{
    if (row->n_devices == 0)
        bm_answer_add_text (&row->devices, &row->n_devices, row->device);
    bm_answer_add_text (&row->devices, &row->n_devices, device);
}

Btsmark__BackupRow **
bm_rows_read (const bm_sql_result_t *result, int set, size_t limit, size_t *count)
{
    size_t rows = set < 0 ? 0 : bm_sql_result_rows (result, set);
    size_t most = rows < limit ? rows : limit;
    Btsmark__BackupRow **list = bm_alloc ((most + 1) * sizeof *list);
    *count = 0;
    for (size_t i = 0; i < most; i++) {
        int64_t id = bm_sql_result_int (result, set, i, "backup_set_id", 0);
        const char *device = bm_sql_result_text (result, set, i, "physical_device_name");
        if (*count > 0 && list[*count - 1]->backup_set_id == id)
            s_add_device (list[*count - 1], device ? device : "");
        else
            list[(*count)++] = s_read (result, set, i);
    }
    /*  Half of its stripes are no backup. */
    if (*count > 0 && most < rows &&
        bm_sql_result_int (result, set, most, "backup_set_id", 0) ==
            list[*count - 1]->backup_set_id)
        btsmark__backup_row__free_unpacked (list[--*count], NULL);
    return list;
}

bool
bm_rows_is_file (const Btsmark__BackupRow *row, const char *file)
{
    if (strpbrk (file, "/\\"))
        return bm_path_is_windows (file) ? strcasecmp (row->device, file) == 0
                                         : strcmp (row->device, file) == 0;
    size_t have = strlen (row->device), want = strlen (file);
    return have > want && strchr ("/\\", row->device[have - want - 1]) &&
           strcasecmp (row->device + have - want, file) == 0;
}

char *
bm_rows_list (char *const *texts, size_t count)
{
    char *list = bm_strdup (count ? "" : "NULL");
    for (size_t i = 0; i < count; i++) {
        char *literal = bm_names_literal (texts[i]);
        char *more = bm_format ("%s%s%s", list, i ? ", " : "", literal);
        free (literal);
        free (list);
        list = more;
    }
    return list;
}

char *
bm_rows_time (int64_t utc_us, char buffer[32])
{
    time_t seconds = (time_t)(utc_us / 1000000);
    struct tm parts;
    gmtime_r (&seconds, &parts);
    size_t used = strftime (buffer, 32, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf (buffer + used, 32 - used, ".%03d", (int)(utc_us / 1000 % 1000));
    return buffer;
}
