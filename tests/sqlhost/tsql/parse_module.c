/*  CREATE / ALTER PROCEDURE, FUNCTION, VIEW, TRIGGER. The body is the rest of the batch. */
#include "parse.h"

static sh_stmt_t *
s_body (sh_parse_t *p)
{
    sh_stmt_t *body = sh_parse_statements (p, NULL, NULL);
    if (p->failed)
        return NULL;
    /*  A body may be empty; RETURN stands for it. */
    return body ? body : sh_new_stmt (p, SH_STMT_RETURN);
}

/*  WITH RECOMPILE, ENCRYPTION, SCHEMABINDING, EXECUTE AS ..., ... up to AS or RETURN. */
static bool
s_module_options (sh_parse_t *p, sh_module_def_t *module)
{
    if (!sh_accept (p, "WITH"))
        return true;
    do {
        if (sh_accept (p, "EXECUTE") || sh_accept (p, "EXEC")) {
            if (!sh_expect (p, "AS"))
                return false;
            module->execute_as = !sh_at (p, "CALLER");
            sh_skip (p);
        } else if (sh_accept (p, "RETURNS")) {
            sh_expect (p, "NULL");
            sh_expect (p, "ON");
            sh_expect (p, "NULL");
            sh_expect (p, "INPUT");
        } else if (!sh_accept (p, "RECOMPILE") && !sh_accept (p, "ENCRYPTION") &&
                   !sh_accept (p, "SCHEMABINDING") && !sh_accept (p, "VIEW_METADATA")) {
            sh_syntax (p);
            return false;
        }
    } while (sh_accept_op (p, ","));
    return !p->failed;
}

static bool
s_procedure (sh_parse_t *p, sh_module_def_t *module)
{
    if (sh_accept_op (p, ";"))
        sh_skip (p); /* group number */
    bool parenthesis = sh_accept_op (p, "(");
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR &&
        !(module->parameters = sh_parse_declarations (p, true)))
        return false;
    if (parenthesis && !sh_expect_op (p, ")"))
        return false;
    if (!s_module_options (p, module))
        return false;
    if (sh_accept (p, "FOR"))
        sh_expect (p, "REPLICATION");
    return sh_expect (p, "AS") && (module->body = s_body (p));
}

static bool
s_function (sh_parse_t *p, sh_module_def_t *module)
{
    if (!sh_expect_op (p, "("))
        return false;
    if (!sh_at_op (p, ")") && !(module->parameters = sh_parse_declarations (p, true)))
        return false;
    if (!sh_expect_op (p, ")") || !sh_expect (p, "RETURNS"))
        return false;
    if (sh_accept (p, "TABLE")) {
        module->returns_inline = true;
        if (!s_module_options (p, module))
            return false;
        sh_accept (p, "AS");
        if (!sh_expect (p, "RETURN"))
            return false;
        module->query = sh_parse_query (p);
        return module->query != NULL;
    }
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR) {
        sh_unsupported (p, "A multi-statement table-valued function");
        return false;
    }
    if (!sh_parse_type (p, &module->returns, 1) || !s_module_options (p, module))
        return false;
    sh_accept (p, "AS");
    if (!sh_at (p, "BEGIN")) {
        sh_syntax (p);
        return false;
    }
    return (module->body = s_body (p)) != NULL;
}

static bool
s_view (sh_parse_t *p, sh_module_def_t *module)
{
    if (sh_accept_op (p, "(")) {
        module->columns = sh_identifier_list (p);
        if (!sh_expect_op (p, ")"))
            return false;
    }
    if (!s_module_options (p, module) || !sh_expect (p, "AS") ||
        !(module->query = sh_parse_query (p)))
        return false;
    if (sh_accept (p, "WITH")) {
        sh_expect (p, "CHECK");
        sh_expect (p, "OPTION");
    }
    return !p->failed;
}

static bool
s_trigger (sh_parse_t *p, sh_module_def_t *module)
{
    if (!sh_expect (p, "ON"))
        return false;
    if (sh_at (p, "DATABASE") || sh_at2 (p, "ALL", "SERVER")) {
        sh_unsupported (p, "A DDL trigger");
        return false;
    }
    if (!sh_parse_name (p, &module->on) || !s_module_options (p, module))
        return false;
    if (sh_at (p, "INSTEAD")) {
        sh_unsupported (p, "An INSTEAD OF trigger");
        return false;
    }
    if (!sh_accept (p, "FOR") && !sh_expect (p, "AFTER"))
        return false;
    do {
        if (sh_accept (p, "INSERT"))
            module->after_insert = true;
        else if (sh_accept (p, "UPDATE"))
            module->after_update = true;
        else if (sh_expect (p, "DELETE"))
            module->after_delete = true;
    } while (sh_accept_op (p, ","));
    if (sh_accept (p, "NOT")) {
        sh_expect (p, "FOR");
        sh_expect (p, "REPLICATION");
    }
    return !p->failed && sh_expect (p, "AS") && (module->body = s_body (p));
}

static sh_object_kind_t
s_kind (const sh_parse_t *p, size_t ahead)
{
    if (sh_next_is (p, ahead, "PROCEDURE") || sh_next_is (p, ahead, "PROC"))
        return SH_OBJECT_PROCEDURE;
    if (sh_next_is (p, ahead, "FUNCTION"))
        return SH_OBJECT_FUNCTION;
    if (sh_next_is (p, ahead, "VIEW"))
        return SH_OBJECT_VIEW;
    return sh_next_is (p, ahead, "TRIGGER") ? SH_OBJECT_TRIGGER : SH_OBJECT_NONE;
}

static const char *
s_kind_name (sh_object_kind_t kind)
{
    switch (kind) {
        case SH_OBJECT_PROCEDURE:
            return "PROCEDURE";
        case SH_OBJECT_FUNCTION:
            return "FUNCTION";
        case SH_OBJECT_VIEW:
            return "VIEW";
        default:
            return "TRIGGER";
    }
}

sh_stmt_t *
sh_parse_module (sh_parse_t *p)
{
    bool alter = sh_at (p, "ALTER");
    if (!alter && !sh_at (p, "CREATE"))
        return NULL;
    size_t ahead = 1;
    bool or_alter = !alter && sh_next_is (p, 1, "OR") && sh_next_is (p, 2, "ALTER");
    if (or_alter)
        ahead = 3;
    sh_object_kind_t kind = s_kind (p, ahead);
    if (kind == SH_OBJECT_NONE)
        return NULL;
    size_t first = p->pos;
    for (size_t i = 0; i < first; i++)
        if (p->tokens[i].kind != SH_TOKEN_OP || p->tokens[i].text[0] != ';')
            return sh_refuse (p, 111, 15, "'%s %s' must be the first statement in a query batch.",
                              alter ? "ALTER" : "CREATE", s_kind_name (kind));
    sh_stmt_t *stmt = sh_new_stmt (p, SH_STMT_CREATE_MODULE);
    sh_module_def_t *module = SH_NEW (p, sh_module_def_t);
    module->kind = kind;
    module->alter = alter;
    module->or_alter = or_alter;
    stmt->module = module;
    p->pos += ahead + 1;
    bool ok = sh_parse_name (p, &module->name);
    if (ok && module->name.database)
        return sh_refuse (
            p, 166, 15,
            "'CREATE/ALTER %s' does not allow specifying the database name as a prefix "
            "to the object name.",
            s_kind_name (kind));
    if (ok && kind == SH_OBJECT_PROCEDURE)
        ok = s_procedure (p, module);
    else if (ok && kind == SH_OBJECT_FUNCTION)
        ok = s_function (p, module);
    else if (ok && kind == SH_OBJECT_VIEW)
        ok = s_view (p, module);
    else if (ok)
        ok = s_trigger (p, module);
    return ok && !p->failed ? stmt : NULL;
}
