/*  common/config.h
 *  An INI file, read by libinih through a reader of ours that refuses, with file and line, what libinih would
 *  cut, join or hide without a word: lines over the limit, indented continuation lines, a section or key that
 *  is repeated, a value with " ;" unless quoted. Every key that the program did not ask for is an error.
 */
#ifndef BM_CONFIG_H
#define BM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

typedef struct bm_config bm_config_t;

bm_config_t *bm_config_load (const char *path, bm_error_t *error);
bm_config_t *bm_config_parse (const char *name, const char *text, bm_error_t *error);
void bm_config_destroy (bm_config_t **self_p);

const char *bm_config_path (const bm_config_t *self);

/*  Sections in file order: "agent SQL01" is kind "agent", name "SQL01"; a plain section has name "". */
size_t bm_config_sections (const bm_config_t *self);
const char *bm_config_section_kind (const bm_config_t *self, size_t section);
const char *bm_config_section_name (const bm_config_t *self, size_t section);
int bm_config_section_line (const bm_config_t *self, size_t section);
/*  Index of the section, or -1. */
int bm_config_find (const bm_config_t *self, const char *kind, const char *name);

/*  Getters note that the key is known. `fallback` is used when the key is absent; a NULL fallback for text means
 *  required for bm_config_need_text. Bad values: BM_CONFIG with file, line, what was read and what is allowed. */
bm_status_t bm_config_text (bm_config_t *self, int section, const char *key, const char *fallback,
                            const char **value, bm_error_t *error); /* borrowed */
bm_status_t bm_config_need_text (bm_config_t *self, int section, const char *key,
                                 const char **value, bm_error_t *error);
bm_status_t bm_config_int (bm_config_t *self, int section, const char *key, int64_t fallback,
                           int64_t min, int64_t max, int64_t *value, bm_error_t *error);
bm_status_t bm_config_bool (bm_config_t *self, int section, const char *key, bool fallback,
                            bool *value, bm_error_t *error); /* yes|no|true|false|1|0 */
/*  Milliseconds from "500 ms", "10 s", "15 min", "2 h", "14 d", a plain number taken as `unit_ms`. */
bm_status_t bm_config_duration (bm_config_t *self, int section, const char *key,
                                int64_t fallback_ms, int64_t unit_ms, int64_t min_ms,
                                int64_t max_ms, int64_t *value_ms, bm_error_t *error);
/*  One of `choices` ("a|b|c"): its index. */
bm_status_t bm_config_choice (bm_config_t *self, int section, const char *key, const char *choices,
                              int fallback, int *value, bm_error_t *error);
/*  A comma-separated list, trimmed, NULL-terminated array owned by the config. Absent = empty. */
bm_status_t bm_config_list (bm_config_t *self, int section, const char *key,
                            const char *const **values, size_t *count, bm_error_t *error);

/*  A path of the file, made absolute against the configuration file's own folder. Owned by the config. */
bm_status_t bm_config_file (bm_config_t *self, int section, const char *key, const char *fallback,
                            const char **value, bm_error_t *error);

/*  BM_CONFIG that names every key and section nobody asked for, with the nearest known key. */
bm_status_t bm_config_finish (bm_config_t *self, bm_error_t *error);

/*  A section is known although no key of it is read. */
void bm_config_know_section (bm_config_t *self, int section);

#endif
