/*  tests/sqlhost/tds/wiretype.h
 *  Data type tokens (MS-TDS 2.2.5.4). */
#ifndef SH_TDS_WIRETYPE_H
#define SH_TDS_WIRETYPE_H

enum {
    SH_WIRE_NULL = 0x1F,
    SH_WIRE_IMAGE = 0x22,
    SH_WIRE_TEXT = 0x23,
    SH_WIRE_GUID = 0x24,
    SH_WIRE_OLD_VARBINARY = 0x25,
    SH_WIRE_INTN = 0x26,
    SH_WIRE_OLD_VARCHAR = 0x27,
    SH_WIRE_DATEN = 0x28,
    SH_WIRE_TIMEN = 0x29,
    SH_WIRE_DATETIME2N = 0x2A,
    SH_WIRE_OLD_BINARY = 0x2D,
    SH_WIRE_OLD_CHAR = 0x2F,
    SH_WIRE_INT1 = 0x30,
    SH_WIRE_BIT = 0x32,
    SH_WIRE_INT2 = 0x34,
    SH_WIRE_DECIMAL = 0x37,
    SH_WIRE_INT4 = 0x38,
    SH_WIRE_DATETIM4 = 0x3A,
    SH_WIRE_FLT4 = 0x3B,
    SH_WIRE_MONEY = 0x3C,
    SH_WIRE_DATETIME = 0x3D,
    SH_WIRE_FLT8 = 0x3E,
    SH_WIRE_NUMERIC = 0x3F,
    SH_WIRE_NTEXT = 0x63,
    SH_WIRE_BITN = 0x68,
    SH_WIRE_DECIMALN = 0x6A,
    SH_WIRE_NUMERICN = 0x6C,
    SH_WIRE_FLTN = 0x6D,
    SH_WIRE_MONEYN = 0x6E,
    SH_WIRE_DATETIMN = 0x6F,
    SH_WIRE_MONEY4 = 0x7A,
    SH_WIRE_INT8 = 0x7F,
    SH_WIRE_VARBINARY = 0xA5,
    SH_WIRE_VARCHAR = 0xA7,
    SH_WIRE_BINARY = 0xAD,
    SH_WIRE_CHAR = 0xAF,
    SH_WIRE_NVARCHAR = 0xE7,
    SH_WIRE_NCHAR = 0xEF,
    SH_WIRE_XML = 0xF1
};

/*  2.2.5.2.3 Partially Length-prefixed: lengths that are none. */
#define SH_PLP_NULL    UINT64_MAX
#define SH_PLP_UNKNOWN (UINT64_MAX - 1)

#endif
