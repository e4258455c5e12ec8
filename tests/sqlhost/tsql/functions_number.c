/*  Numbers. An exact number arrives as decimal text, others as SQLite's own. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "functions.h"

#define S_ARGS sqlite3_context *context, int argc, sqlite3_value **argv

static void
s_result_decimal (sqlite3_context *context, const sh_decimal_t *value)
{
    char text[64];
    sh_decimal_print (value, text, sizeof text);
    sh_result_text (context, text);
}

static void
s_abs (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    sh_decimal_t number;
    switch (sqlite3_value_type (argv[0])) {
        case SQLITE_INTEGER:
            sqlite3_result_int64 (context, llabs (sqlite3_value_int64 (argv[0])));
            break;
        case SQLITE_TEXT:
            sh_decimal_parse (sh_arg_text (argv[0]), &number);
            if (number.mantissa < 0)
                number.mantissa = -number.mantissa;
            s_result_decimal (context, &number);
            break;
        default:
            sqlite3_result_double (context, fabs (sqlite3_value_double (argv[0])));
    }
}

/*  To a whole number, towards plus or minus infinity, in the scale that it had. */
static void
s_whole (sqlite3_context *context, sqlite3_value *value, bool up)
{
    sh_decimal_t number;
    switch (sqlite3_value_type (value)) {
        case SQLITE_NULL:
            break;
        case SQLITE_INTEGER:
            sqlite3_result_int64 (context, sqlite3_value_int64 (value));
            break;
        case SQLITE_TEXT: {
            sh_decimal_parse (sh_arg_text (value), &number);
            sh_int128_t power = 1;
            for (int i = 0; i < number.scale; i++)
                power *= 10;
            sh_int128_t whole = number.mantissa / power, rest = number.mantissa % power;
            if (rest > 0 && up)
                whole++;
            if (rest < 0 && !up)
                whole--;
            number.mantissa = whole * power;
            s_result_decimal (context, &number);
            break;
        }
        default:
            sqlite3_result_double (context, up ? ceil (sqlite3_value_double (value))
                                               : floor (sqlite3_value_double (value)));
    }
}

static void
s_ceiling (S_ARGS)
{
    (void)argc;
    s_whole (context, argv[0], true);
}

static void
s_floor (S_ARGS)
{
    (void)argc;
    s_whole (context, argv[0], false);
}

static void
s_round (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    int places = (int)sqlite3_value_int64 (argv[1]);
    bool cut = argc > 2 && sqlite3_value_int64 (argv[2]) != 0;
    if (places > 30)
        places = 30;
    if (places < -37)
        places = -37;
    if (sqlite3_value_type (argv[0]) == SQLITE_FLOAT) {
        double unit = pow (10, places), number = sqlite3_value_double (argv[0]) * unit;
        sqlite3_result_double (context, (cut ? trunc (number) : round (number)) / unit);
        return;
    }
    bool integer = sqlite3_value_type (argv[0]) == SQLITE_INTEGER;
    sh_decimal_t number;
    sh_decimal_parse (sh_arg_text (argv[0]), &number);
    int drop = number.scale - places;
    sh_int128_t unit = 1;
    for (int i = 0; i < drop; i++)
        unit *= 10;
    if (drop > 0) {
        sh_int128_t half = cut ? 0 : unit / 2;
        number.mantissa = (number.mantissa + (number.mantissa < 0 ? -half : half)) / unit * unit;
    }
    if (integer)
        sqlite3_result_int64 (context, (sqlite3_int64)number.mantissa);
    else
        s_result_decimal (context, &number);
}

static void
s_sign (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    double number = sqlite3_value_double (argv[0]);
    int sign = number > 0 ? 1 : number < 0 ? -1 : 0;
    if (sqlite3_value_type (argv[0]) == SQLITE_TEXT)
        sh_result_text (context, sign > 0 ? "1" : sign < 0 ? "-1" : "0");
    else
        sqlite3_result_int (context, sign);
}

static void
s_real (sqlite3_context *context, double real)
{
    if (isfinite (real)) {
        sqlite3_result_double (context, real);
        return;
    }
    sh_error_set (sh_function_session (context), 3623, 16, 1,
                  "An invalid floating point operation occurred.");
    sh_function_fail (context, SH_ERROR);
}

static void
s_power (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        s_real (context, pow (sqlite3_value_double (argv[0]), sqlite3_value_double (argv[1])));
}

static void
s_sqrt (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        s_real (context, sqrt (sqlite3_value_double (argv[0])));
}

static void
s_square (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        s_real (context, sqlite3_value_double (argv[0]) * sqlite3_value_double (argv[0]));
}

static void
s_exp (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        s_real (context, exp (sqlite3_value_double (argv[0])));
}

static void
s_log (S_ARGS)
{
    if (sh_any_null (argc, argv))
        return;
    double real = log (sqlite3_value_double (argv[0]));
    s_real (context, argc > 1 ? real / log (sqlite3_value_double (argv[1])) : real);
}

static void
s_log10 (S_ARGS)
{
    if (!sh_any_null (argc, argv))
        s_real (context, log10 (sqlite3_value_double (argv[0])));
}

static void
s_pi (S_ARGS)
{
    (void)argc;
    (void)argv;
    sqlite3_result_double (context, 3.14159265358979323846);
}

static void
s_isnumeric (S_ARGS)
{
    (void)argc;
    const char *text = sh_arg_text (argv[0]);
    char *end;
    while (isspace ((unsigned char)*text) || *text == '$')
        text++;
    strtod (text, &end);
    bool any = end != text && !isalpha ((unsigned char)text[0]);
    while (isspace ((unsigned char)*end))
        end++;
    sqlite3_result_int (context, any && !*end && !strpbrk (text, "xXpP"));
}

const sh_sql_entry_t sh_number_functions[] = {{"ts_abs", 1, true, s_abs},
                                              {"ts_ceiling", 1, true, s_ceiling},
                                              {"ts_floor", 1, true, s_floor},
                                              {"ts_round", -1, true, s_round},
                                              {"ts_sign", 1, true, s_sign},
                                              {"ts_power", 2, true, s_power},
                                              {"ts_sqrt", 1, true, s_sqrt},
                                              {"ts_square", 1, true, s_square},
                                              {"ts_exp", 1, true, s_exp},
                                              {"ts_log", -1, true, s_log},
                                              {"ts_log10", 1, true, s_log10},
                                              {"ts_pi", 0, true, s_pi},
                                              {"ts_isnumeric", 1, true, s_isnumeric},
                                              {NULL, 0, false, NULL}};
