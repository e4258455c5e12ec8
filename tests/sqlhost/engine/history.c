/*  The rows of msdb that a backup leaves. See internal.h. */
#include <stdio.h>
#include <string.h>

#include "tests/sqlhost/engine/internal.h"
#include "tests/sqlhost/engine/media.h"

/*  A decimal value needs its text to live. */
typedef struct {
    char text[24];
} s_decimal_t;

static sh_value_t
s_decimal (int64_t number, s_decimal_t *buffer)
{
    snprintf (buffer->text, sizeof buffer->text, "%lld", (long long)number);
    return sh_value_decimal (buffer->text);
}

/*  The media set's id when the file was there before, 0 = unknown. */
static int64_t
s_known_media (sh_instance_t *instance, const uint8_t guid[16])
{
    const sh_db_t *msdb = sh_db_by_id (instance, SH_DB_MSDB);
    const sh_table_t *table = sh_image_table (msdb->image, "dbo", "backupmediaset", NULL);
    sh_value_t wanted = sh_value_guid (guid);
    for (size_t i = 0; table && i < table->slot_count; i++) {
        const sh_row_t *row = table->slots[i].committed;
        if (row && sh_value_equal (&row->values[1], &wanted))
            return row->values[0].as.integer;
    }
    return 0;
}

/*  backupmediaset and backupmediafamily; returns the number of rows made. */
static size_t
s_media_rows (sh_instance_t *instance, const sh_backup_header_t *h, const char *const *devices,
              int64_t *media_id, sh_system_row_t *rows)
{
    size_t count = 0;
    sh_named_t media[] = {
        {"media_uuid", sh_value_guid (h->media_guid)},
        {"media_family_count", sh_value_int (h->family_count)},
        {"software_name", sh_value_text ("sqlhost")},
        {"software_vendor_id", sh_value_int (4608)},
        {"MTF_major_version", sh_value_int (1)},
        {"mirror_count", sh_value_int (1)},
        {"is_password_protected", sh_value_int (0)},
        {"is_compressed", sh_value_int (h->compressed)},
        {"is_encrypted", sh_value_int (0)},
        {"name", h->media_name[0] ? sh_value_text (h->media_name) : sh_value_null ()},
        {"description",
         h->media_description[0] ? sh_value_text (h->media_description) : sh_value_null ()},
    };
    *media_id = sh_system_row (instance, "backupmediaset", media, sizeof media / sizeof media[0],
                               &rows[count]);
    count += rows[count].row != NULL;
    for (int i = 0; i < h->family_count; i++) {
        sh_named_t family[] = {
            {"media_set_id", sh_value_int (*media_id)},
            {"family_sequence_number", sh_value_int (i + 1)},
            {"media_count", sh_value_int (1)},
            {"physical_device_name", sh_value_text (devices[i])},
            {"device_type", sh_value_int (2)},
            {"physical_block_size", sh_value_int (h->block_size)},
            {"mirror", sh_value_int (0)},
        };
        sh_system_row (instance, "backupmediafamily", family, sizeof family / sizeof family[0],
                       &rows[count]);
        count += rows[count].row != NULL;
    }
    return count;
}

static size_t
s_file_rows (sh_instance_t *instance, const sh_backup_header_t *h, int64_t set_id,
             sh_system_row_t *rows)
{
    s_decimal_t size = {""};
    char logical[140];
    size_t count = 0;
    snprintf (logical, sizeof logical, "%s_log", h->database_name);
    for (int log = 0; log < 2; log++) {
        sh_named_t file[] = {
            {"backup_set_id", sh_value_int (set_id)},
            {"file_number", sh_value_decimal (log ? "2" : "1")},
            {"file_type", sh_value_text (log ? "L" : "D")},
            {"filegroup_name", log ? sh_value_null () : sh_value_text ("PRIMARY")},
            {"page_size", sh_value_int (8192)},
            {"file_size", s_decimal (log ? h->log_bytes : h->data_bytes, &size)},
            {"logical_name", sh_value_text (log ? logical : h->database_name)},
            {"physical_name", sh_value_text (log ? h->log_file : h->data_file)},
            {"state", sh_value_int (0)},
            {"is_present", sh_value_int (1)},
        };
        sh_system_row (instance, "backupfile", file, sizeof file / sizeof file[0], &rows[count]);
        count += rows[count].row != NULL;
    }
    return count;
}

/*  15-minute units of the local zone's offset, as backupset.time_zone has it. */
static int
s_time_zone (void)
{
    int64_t utc = sh_ticks_utc ();
    return (int)((sh_ticks_utc_to_local (utc) - utc) / SH_TICKS_PER_SECOND / 900);
}

static int64_t
s_set_row (sh_instance_t *instance, const sh_backup_header_t *h, int64_t media_id,
           sh_system_row_t *row)
{
    s_decimal_t lsn[4] = {{""}}, size[2] = {{""}};
    sh_named_t set[] = {
        {"backup_set_uuid", sh_value_guid (h->set_guid)},
        {"media_set_id", sh_value_int (media_id)},
        {"first_family_number", sh_value_int (1)},
        {"first_media_number", sh_value_int (1)},
        {"last_family_number", sh_value_int (h->family_count)},
        {"last_media_number", sh_value_int (1)},
        {"position", sh_value_int (h->position)},
        {"expiration_date", h->expires ? sh_value_ticks (h->expires) : sh_value_null ()},
        {"software_vendor_id", sh_value_int (4608)},
        {"name", h->name[0] ? sh_value_text (h->name) : sh_value_null ()},
        {"description", h->description[0] ? sh_value_text (h->description) : sh_value_null ()},
        {"user_name", sh_value_text (h->user_name)},
        {"software_major_version", sh_value_int (15)},
        {"software_minor_version", sh_value_int (0)},
        {"software_build_version", sh_value_int (2000)},
        {"time_zone", sh_value_int (s_time_zone ())},
        {"first_lsn", s_decimal (h->first_lsn, &lsn[0])},
        {"last_lsn", s_decimal (h->last_lsn, &lsn[1])},
        {"checkpoint_lsn", s_decimal (h->checkpoint_lsn, &lsn[2])},
        {"database_backup_lsn", s_decimal (h->database_backup_lsn, &lsn[3])},
        {"database_creation_date", sh_value_ticks (h->database_created)},
        {"backup_start_date", sh_value_ticks (h->started)},
        {"backup_finish_date", sh_value_ticks (h->finished)},
        {"type", sh_value_text (h->log ? "L" : "D")},
        {"compatibility_level", sh_value_int (h->compatibility)},
        {"database_version", sh_value_int (904)},
        {"backup_size", s_decimal (h->bytes, &size[0])},
        {"database_name", sh_value_text (h->database_name)},
        {"server_name", sh_value_text (h->server_name)},
        {"machine_name", sh_value_text (h->machine_name)},
        {"flags", sh_value_int (0)},
        {"collation_name", sh_value_text (h->collation)},
        {"is_password_protected", sh_value_int (0)},
        {"recovery_model", sh_value_text (h->recovery)},
        {"has_bulk_logged_data", sh_value_int (h->bulk_logged)},
        {"is_snapshot", sh_value_int (0)},
        {"is_readonly", sh_value_int (h->read_only)},
        {"is_single_user", sh_value_int (h->single_user)},
        {"has_backup_checksums", sh_value_int (h->checksums)},
        {"is_damaged", sh_value_int (0)},
        {"begins_log_chain", sh_value_int (h->begins_log_chain)},
        {"has_incomplete_metadata", sh_value_int (0)},
        {"is_force_offline", sh_value_int (0)},
        {"is_copy_only", sh_value_int (h->copy_only)},
        {"first_recovery_fork_guid", sh_value_guid (h->first_fork)},
        {"last_recovery_fork_guid", sh_value_guid (h->last_fork)},
        {"database_guid", sh_value_guid (h->database_guid)},
        {"family_guid", sh_value_guid (h->family_guid)},
        {"compressed_backup_size", s_decimal (h->stored_bytes, &size[1])},
    };
    return sh_system_row (instance, "backupset", set, sizeof set / sizeof set[0], row);
}

sh_status_t
sh_history_backup (sh_instance_t *instance, const sh_backup_header_t *h, const char *const *devices,
                   bool new_media, int *set_id, sh_error_t *error)
{
    sh_system_row_t rows[SH_BACKUP_FILES_MAX + 8];
    size_t count = 0;
    int64_t media_id = new_media ? 0 : s_known_media (instance, h->media_guid);
    if (media_id == 0)
        count = s_media_rows (instance, h, devices, &media_id, rows);
    int64_t id = s_set_row (instance, h, media_id, &rows[count]);
    if (!rows[count].row) {
        /*  Somebody dropped the table: the backup stands, its history does not. */
        sh_system_drop (rows, count);
        return SH_ERROR;
    }
    count++;
    count += s_file_rows (instance, h, id, &rows[count]);
    *set_id = (int)id;
    return sh_system_write (instance, rows, count, error);
}
