/*  rights.h
 *  Who a session is in a database and what it may do there: logins, users, roles, GRANT and DENY.
 *
 *  A sysadmin may everything. A database's owner, a member of db_owner and the user dbo may
 *  everything in it. Otherwise a permission counts that was granted to the user, to one of its roles
 *  (also through roles in roles) or to public, on the object, its schema or the database, by its own
 *  name or as CONTROL; a DENY anywhere among them outweighs it. ("Permissions Hierarchy (Database
 *  Engine)", "Determining Effective Database Engine Permissions", "Database-Level Roles",
 *  "Server-Level Roles".)
 *
 *  Kept as records of the engine (catalog.h): in a database
 *
 *      USER    name = the user, text = its login ("" = none)
 *      ROLE    name = the role
 *      MEMBER  schema = role, name = member
 *      PERM    schema = to whom, name = "O:SELECT:1234", "S:SELECT:dbo", "D:BACKUP LOG:",
 *              text = GRANT, WITH (grant option) or DENY
 *
 *  and in master SRVMEMBER (schema = server role, name = login) and SRVPERM (schema = login or server
 *  role, name = the permission). */
#ifndef SH_RIGHTS_H
#define SH_RIGHTS_H

#include "interp.h"

extern const char *const sh_database_roles[]; /* the fixed ones, from id 16384 on; up to NULL */
extern const char *const sh_server_roles[];   /* the fixed ones, from id 3 on; up to NULL */

/*  The user's name in a database ("dbo", "guest", ...), NULL when the login has no access. Valid to
 *  the request's end. */
const char *sh_right_user (sh_session_t *self, int db_id);
/*  What was asked so far in this request is looked up anew. */
void sh_rights_forget (sh_session_t *self);

bool sh_right_server (sh_session_t *self, const char *permission);
bool sh_right_database (sh_session_t *self, int db_id, const char *permission);
bool sh_right_schema (sh_session_t *self, int db_id, const char *schema, const char *permission);
bool sh_right_object (sh_session_t *self, int db_id, const char *schema, int object_id,
                      const char *permission);
/*  Metadata visibility: any permission on it will do. */
bool sh_right_sees (sh_session_t *self, int db_id, const char *schema, int object_id);
/*  By name, roles in roles too; user NULL = the session's own. */
bool sh_right_member (sh_session_t *self, int db_id, const char *role, const char *user);
bool sh_right_server_member (sh_session_t *self, const char *role, const char *login);

/*  Permissions that there are, up to NULL; a database has those of objects too. */
extern const char *const sh_server_permissions[], *const sh_database_permissions[],
                                                      *const sh_object_permissions[];
/*  NULL = no such. Gives the name in capitals. */
const char *sh_permission_server (const char *name);
const char *sh_permission_database (const char *name);
const char *sh_permission_object (const char *name);

enum { SH_ROLE_ID = 16384, SH_SERVER_ROLE_ID = 3, SH_LOGIN_ID = 256 };

/*  sys.database_principals.principal_id, sys.server_principals.principal_id; -1 = none. */
int sh_principal_id (sh_session_t *session, int db_id, const char *name);
int sh_server_principal_id (sh_session_t *session, const char *name);

/*  Checks that fill session->error: 916; 300 (told) and 297; 262; 229. The last honours ownership
 *  chains: what a module does in its own database is not asked for again. */
sh_status_t sh_check_access (sh_session_t *self, int db_id);
sh_status_t sh_check_server (sh_session_t *self, const char *permission);
sh_status_t sh_check_database (sh_session_t *self, int db_id, const char *permission);
sh_status_t sh_check_object (sh_session_t *self, int db_id, const char *schema, const char *object,
                             int object_id, const char *permission);
/*  229 of a procedure that belongs to the system: of msdb, or of the hidden resource database, whose
 *  grants stand in master. */
sh_status_t sh_check_system (sh_session_t *self, const char *object, const char *home);

/*  exec_rights.c: GRANT, DENY, REVOKE, and the principals that they speak of. */
sh_status_t sh_exec_permission (sh_session_t *self, const sh_stmt_t *stmt);
sh_status_t sh_exec_principal (sh_session_t *self, const sh_stmt_t *stmt);
sh_status_t sh_exec_server_role (sh_session_t *self, const sh_stmt_t *stmt);

#endif
