/*  functions.h
 *  The ts_... functions of the query processor. */
#ifndef SH_FUNCTIONS_H
#define SH_FUNCTIONS_H

#include "bind.h"

typedef void (*sh_sql_function_t) (sqlite3_context *, int, sqlite3_value **);

typedef struct {
    const char *name;
    int count;     /* -1 = any */
    bool constant; /* same arguments, same result: SQLite may compute it once */
    sh_sql_function_t run;
} sh_sql_entry_t;

extern const sh_sql_entry_t sh_text_functions[];
extern const sh_sql_entry_t sh_number_functions[];
extern const sh_sql_entry_t sh_time_functions[];
extern const sh_sql_entry_t sh_system_functions[];
extern const sh_sql_entry_t sh_right_functions[];

typedef struct {
    sh_resolved_t where; /* texts live in the arena */
    char kind[16];
    int id;
} sh_found_t;

/*  "db.schema.object" looked up without a wait; false: none that the session may know of. */
bool sh_find_object (sh_session_t *session, const char *text, sh_arena_t *arena, sh_found_t *found);

sh_session_t *sh_function_session (sqlite3_context *context);
/*  session->error holds what went wrong; the query fails with it. */
void sh_function_fail (sqlite3_context *context, sh_status_t status);
/*  NULL in, NULL out: true when an argument is NULL (the result is NULL then). */
bool sh_any_null (int argc, sqlite3_value **argv);
const char *sh_arg_text (sqlite3_value *value);
/*  Takes a malloc'd or static text by copy. */
void sh_result_text (sqlite3_context *context, const char *text);

#endif
