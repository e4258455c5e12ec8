/*  coordinator/shell/native_settings.h
 *  The keys of [backup] that belong to method = native: how BACKUP is written when btsmark issues it itself.
 */
#ifndef BM_NATIVE_SETTINGS_H
#define BM_NATIVE_SETTINGS_H

#include "common/config.h"
#include "common/wire.h"

typedef struct bm_native_settings {
    int stripes;                      /* 1 .. BM_LIMIT_STRIPES */
    int max_transfer_bytes;           /* 0 = SQL Server's own */
    int buffer_count;                 /* 0 = SQL Server's own */
    const char *encryption_algorithm; /* as T-SQL writes it; "" = none */
    const char *certificate;
    const char *credential;
} bm_native_settings_t;

/*  `native`: method = native; else a key of these that is set is an error. BM_CONFIG with section, line, key and what is
 *  allowed. Texts are the configuration's. */
bm_status_t bm_native_settings_read (bm_config_t *config, int section, bool native,
                                     bm_native_settings_t *self, bm_error_t *error);

/*  Fills `options`; its texts are borrowed from the settings. */
void bm_native_settings_put (const bm_native_settings_t *self, Btsmark__NativeOptions *options);

#endif
