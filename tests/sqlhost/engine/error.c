#include "tests/sqlhost/engine/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

sh_status_t
sh_fail (sh_error_t *error, int number, int severity, int state, const char *format, ...)
{
    if (error) {
        va_list arguments;
        error->number = number;
        error->severity = severity;
        error->state = state;
        va_start (arguments, format);
        vsnprintf (error->text, sizeof error->text, format, arguments);
        va_end (arguments);
    }
    return SH_ERROR;
}

void
sh_error_clear (sh_error_t *error)
{
    if (error) {
        error->number = error->severity = error->state = 0;
        error->text[0] = 0;
    }
}
