/*  tests/sqlhost/tds/limits.h
 *  Every maximum of the wire. Each is checked before anything is decoded, and tested at n and
 *  n + 1. */
#ifndef SH_TDS_LIMITS_H
#define SH_TDS_LIMITS_H

/*  MS-TDS 2.2.3.1.3 Length: a packet is 512 to 32,767 bytes, its header of 8 included. */
#define SH_LIMIT_PACKET_MIN     512
#define SH_LIMIT_PACKET_MAX     32767
#define SH_LIMIT_PACKET_DEFAULT 4096

/*  One client message (a batch, a call) after reassembly; SQL Server: 65,536 packets. */
#define SH_LIMIT_MESSAGE_BYTES (16u * 1024 * 1024)
/*  MS-TDS 2.2.6.4 LOGIN7 Length: less than 128 KiB. */
#define SH_LIMIT_LOGIN_BYTES (128u * 1024 - 1)
/*  MS-TDS 2.2.6.4: names in the login record, in characters; the attached file's is longer. */
#define SH_LIMIT_LOGIN_NAME   128
#define SH_LIMIT_PRELOGIN     4096
#define SH_LIMIT_PRELOGIN_OPT 16

/*  SQL Server takes 2,100 parameters in a call. */
#define SH_LIMIT_RPC_PARAMETERS 2100
/*  Calls in one RPC message. */
#define SH_LIMIT_RPC_CALLS 1000
/*  A procedure's name, database and schema included, in characters (usVarByte of the name). */
#define SH_LIMIT_RPC_NAME 1046
/*  A parameter's name, '@' included. */
#define SH_LIMIT_PARAMETER_NAME 128
/*  SQL Server: columns in a SELECT. */
#define SH_LIMIT_COLUMNS 4096
/*  MS-TDS 2.2.5.4.2: bytes of a value that is not MAX. */
#define SH_LIMIT_SHORT_BYTES 8000
/*  The text of an ERROR or INFO, in UTF-16 units: its token's length has 16 bits. */
#define SH_LIMIT_MESSAGE_TEXT 4000

/*  Clients at a time; one more is closed at once with a log line. */
#define SH_LIMIT_CONNECTIONS 1024
/*  From accept to the end of the login. */
#define SH_LIMIT_LOGIN_MS 15000
/*  A client that does not read: after this long a send gives up and the connection is closed. */
#define SH_LIMIT_SEND_MS 60000

#endif
