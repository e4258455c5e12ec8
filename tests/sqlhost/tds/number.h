/*  tests/sqlhost/tds/number.h
 *  Decimal text ("-12.50") to and from the unsigned 128-bit integers of NUMERICN and MONEYN. */
#ifndef SH_TDS_NUMBER_H
#define SH_TDS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*  Sign and magnitude, least significant limb first. */
typedef struct {
    bool negative;
    uint32_t limb[4];
} sh_number_t;

/*  Text with an optional sign, point and exponent-free digits, brought to `scale` digits after the
 *  point (rounded half away from zero, as SQL Server does). False when it is no number or has more
 *  than 38 digits. */
bool sh_number_parse (const char *text, size_t size, unsigned scale, sh_number_t *number);
/*  Into out, at most 41 bytes with the NUL for scale <= 38. */
void sh_number_print (const sh_number_t *number, unsigned scale, char out[48]);
/*  Bytes that NUMERICN uses for a precision, the sign's byte included (MS-TDS 2.2.5.5.1.6). */
size_t sh_number_bytes (unsigned precision);
/*  Whether the magnitude fits so many bytes. */
bool sh_number_fits (const sh_number_t *number, size_t bytes);
/*  False when it does not fit int64. */
bool sh_number_to_int (const sh_number_t *number, int64_t *value);
sh_number_t sh_number_from_int (int64_t value);

/*  Day number (0 = 0001-01-01, proleptic Gregorian) to a date. */
void sh_number_date (int64_t day, int *year, int *month, int *day_of_month);

#endif
