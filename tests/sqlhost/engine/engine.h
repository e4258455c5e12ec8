/*  tests/sqlhost/engine/engine.h
 *  The storage engine of the stand-in, all of it:
 *
 *      value.h        values, types, time, guids
 *      error.h        status and error
 *      fault.h        faults on demand
 *      instance.h     open and close, logins, sessions, cancel, kill, DMV rows of sessions
 *      catalog.h      databases, tables, modules
 *      transaction.h  transactions, marks, application locks, lock list
 *      branch.h       branches of distributed transactions: join, prepare, end by unit of work
 *      row.h          cursors, insert, update, delete
 *      backup.h       BACKUP, headers of backup files
 *      configuration.h server options
 *      cut.h          a database rebuilt from its files to a mark
 *
 *  How it is built. The whole of every database lives in memory, guarded by one lock of the
 *  instance; waits release it. A commit writes ONE row to instance.db (SQLite, WAL): that is the
 *  commit point. Data files (one SQLite file a database) follow in the background and hold the
 *  LSN that they stand at; opening loads them and redoes the log behind that LSN. */
#ifndef SH_ENGINE_ENGINE_H
#define SH_ENGINE_ENGINE_H

#include "tests/sqlhost/engine/backup.h"
#include "tests/sqlhost/engine/branch.h"
#include "tests/sqlhost/engine/catalog.h"
#include "tests/sqlhost/engine/configuration.h"
#include "tests/sqlhost/engine/cut.h"
#include "tests/sqlhost/engine/error.h"
#include "tests/sqlhost/engine/fault.h"
#include "tests/sqlhost/engine/instance.h"
#include "tests/sqlhost/engine/path.h"
#include "tests/sqlhost/engine/row.h"
#include "tests/sqlhost/engine/transaction.h"
#include "tests/sqlhost/engine/value.h"

#endif
