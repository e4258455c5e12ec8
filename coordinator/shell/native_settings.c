/*  coordinator/shell/native_settings.c */
#include "coordinator/shell/native_settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/names.h"

#define S_TRANSFER_UNIT  65536
#define S_TRANSFER_LIMIT (4 * 1024 * 1024)

static bm_status_t
s_wrong (const bm_config_t *config, int section, const char *key, const char *value,
         const char *allowed, bm_error_t *error)
{
    return bm_fail (error, BM_CONFIG, "%s, section [%s] at line %d: %s = %.200s: %s",
                    bm_config_path (config), bm_config_section_kind (config, (size_t)section),
                    bm_config_section_line (config, (size_t)section), key, value, allowed);
}

/*  "1024 KiB", "4 MiB", or bytes. */
static bm_status_t
s_read_transfer (bm_config_t *config, int section, int *bytes_p, bm_error_t *error)
{
    const char *text;
    bm_status_t status = bm_config_text (config, section, "max-transfer-size", "0", &text, error);
    if (status)
        return status;
    char *end = NULL;
    long long number = strtoll (text, &end, 10);
    const char *unit = end + strspn (end, " \t");
    long long scale = -1;
    if (*unit == '\0')
        scale = 1;
    else if (strcmp (unit, "KiB") == 0)
        scale = 1024;
    else if (strcmp (unit, "MiB") == 0)
        scale = 1024LL * 1024;
    bool good = end != text && scale > 0 && number >= 0 && number <= S_TRANSFER_LIMIT / scale &&
                number * scale % S_TRANSFER_UNIT == 0;
    if (!good)
        return s_wrong (config, section, "max-transfer-size", text,
                        "a multiple of 64 KiB up to 4 MiB, for example 1024 KiB; 0 = SQL Server's "
                        "own",
                        error);
    *bytes_p = (int)(number * scale);
    return BM_OK;
}

static bm_status_t
s_read_encryption (bm_config_t *config, int section, bm_native_settings_t *self, bm_error_t *error)
{
    static const char *const written[] = {"none", "aes-128", "aes-192", "aes-256", "triple-des"};
    static const char *const sent[] = {"", "AES_128", "AES_192", "AES_256", "TRIPLE_DES_3KEY"};
    int choice = 0;
    bm_status_t status =
        bm_config_choice (config, section, "encryption-algorithm",
                          "none|aes-128|aes-192|aes-256|triple-des", 0, &choice, error);
    if (!status)
        status = bm_config_text (config, section, "encryption-certificate", "", &self->certificate,
                                 error);
    if (status)
        return status;
    self->encryption_algorithm = sent[choice];
    if (choice > 0 && !*self->certificate)
        return s_wrong (config, section, "encryption-algorithm", written[choice],
                        "needs encryption-certificate = the name of a certificate in each "
                        "instance's master database",
                        error);
    if (choice == 0 && *self->certificate)
        return s_wrong (config, section, "encryption-certificate", self->certificate,
                        "needs encryption-algorithm = aes-256 (or another)", error);
    if (bm_names_length (self->certificate) > 128)
        return s_wrong (config, section, "encryption-certificate", "(cut)",
                        "at most 128 characters", error);
    return BM_OK;
}

static bm_status_t
s_read_keys (bm_config_t *config, int section, bm_native_settings_t *self, bm_error_t *error)
{
    int64_t stripes = 1, buffers = 0;
    bm_status_t status =
        bm_config_int (config, section, "stripes", 1, 1, BM_LIMIT_STRIPES, &stripes, error);
    if (!status)
        status = bm_config_int (config, section, "buffer-count", 0, 0, 65536, &buffers, error);
    if (!status)
        status = s_read_transfer (config, section, &self->max_transfer_bytes, error);
    if (!status)
        status = s_read_encryption (config, section, self, error);
    if (!status)
        status = bm_config_text (config, section, "credential", "", &self->credential, error);
    self->stripes = (int)stripes;
    self->buffer_count = (int)buffers;
    if (!status && bm_names_length (self->credential) > 128)
        return s_wrong (config, section, "credential", "(cut)", "at most 128 characters", error);
    if (!status && *self->credential && self->stripes > 1)
        return s_wrong (config, section, "stripes", "(several)",
                        "a URL with a credential takes one file: stripes need a shared access "
                        "signature, without credential",
                        error);
    return status;
}

bm_status_t
bm_native_settings_read (bm_config_t *config, int section, bool native, bm_native_settings_t *self,
                         bm_error_t *error)
{
    bm_status_t status = s_read_keys (config, section, self, error);
    if (status || native)
        return status;
    const char *key = NULL;
    if (self->stripes > 1)
        key = "stripes";
    else if (self->max_transfer_bytes > 0)
        key = "max-transfer-size";
    else if (self->buffer_count > 0)
        key = "buffer-count";
    else if (*self->encryption_algorithm)
        key = "encryption-algorithm";
    else if (*self->credential)
        key = "credential";
    if (key)
        return s_wrong (config, section, key, "(set)",
                        "goes with method = native: BizTalk's procedures know no such option",
                        error);
    return BM_OK;
}

void
bm_native_settings_put (const bm_native_settings_t *self, Btsmark__NativeOptions *options)
{
    options->stripes = (uint32_t)self->stripes;
    options->max_transfer_bytes = (uint32_t)self->max_transfer_bytes;
    options->buffer_count = (uint32_t)self->buffer_count;
    options->encryption_algorithm = (char *)self->encryption_algorithm;
    options->certificate = (char *)self->certificate;
    options->credential = (char *)self->credential;
}
