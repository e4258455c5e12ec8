/*  SELECT, its FROM clause and what other statements share of it. */
#include <string.h>

#include "parse.h"

sh_expr_t *
sh_parse_top (sh_parse_t *p, bool *percent, bool *ties)
{
    if (!sh_accept (p, "TOP"))
        return NULL;
    sh_expr_t *top;
    if (sh_accept_op (p, "(")) {
        top = sh_parse_expr (p);
        if (!top || !sh_expect_op (p, ")"))
            return NULL;
    } else
        top = sh_parse_simple (p);
    if (sh_accept (p, "PERCENT") && percent)
        *percent = true;
    if (sh_at2 (p, "WITH", "TIES")) {
        sh_skip (p);
        sh_skip (p);
        if (ties)
            *ties = true;
    }
    return top;
}

static const char *
s_alias (sh_parse_t *p)
{
    if (sh_accept (p, "AS")) {
        const sh_token_t *token = sh_peek (p, 0);
        if (token->kind == SH_TOKEN_STRING || token->kind == SH_TOKEN_NSTRING) {
            sh_skip (p);
            return token->text;
        }
        return sh_identifier (p);
    }
    if (sh_peek (p, 0)->kind == SH_TOKEN_STRING) {
        const char *text = sh_peek (p, 0)->text;
        sh_skip (p);
        return text;
    }
    return sh_at_identifier (p) ? sh_identifier (p) : NULL;
}

static sh_op_t
s_assign_op (const sh_parse_t *p, size_t ahead)
{
    static const struct {
        const char *text;
        sh_op_t op;
    } ops[] = {{"=", SH_OP_EQ},       {"+=", SH_OP_ADD},    {"-=", SH_OP_SUB},
               {"*=", SH_OP_MUL},     {"/=", SH_OP_DIV},    {"%=", SH_OP_MOD},
               {"&=", SH_OP_BIT_AND}, {"|=", SH_OP_BIT_OR}, {"^=", SH_OP_BIT_XOR}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (sh_next_is_op (p, ahead, ops[i].text))
            return ops[i].op;
    return SH_OP_NONE;
}

static sh_item_t *
s_item (sh_parse_t *p)
{
    sh_item_t *item = SH_NEW (p, sh_item_t);
    if (sh_at_op (p, "*")) {
        item->expr = sh_new_expr (p, SH_EXPR_STAR);
        sh_skip (p);
        return item;
    }
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR && s_assign_op (p, 1) != SH_OP_NONE) {
        item->variable = sh_variable_name (p);
        item->op = s_assign_op (p, 0);
        sh_skip (p);
        item->expr = sh_parse_expr (p);
        return item->expr ? item : NULL;
    }
    /*  alias = expr */
    const sh_token_t *token = sh_peek (p, 0);
    if ((sh_at_identifier (p) || token->kind == SH_TOKEN_STRING) && sh_next_is_op (p, 1, "=")) {
        item->alias = token->text;
        sh_skip (p);
        sh_skip (p);
        item->expr = sh_parse_expr (p);
        return item->expr ? item : NULL;
    }
    item->expr = sh_parse_expr (p);
    if (!item->expr)
        return NULL;
    if (item->expr->kind != SH_EXPR_STAR)
        item->alias = s_alias (p);
    return p->failed ? NULL : item;
}

sh_item_t *
sh_parse_items (sh_parse_t *p)
{
    sh_item_t *head = NULL, *tail = NULL;
    do {
        sh_item_t *item = s_item (p);
        if (!item)
            return NULL;
        SH_APPEND (head, tail, item);
    } while (sh_accept_op (p, ","));
    return head;
}

static const struct {
    const char *word;
    unsigned bit;
} s_hints[] = {{"NOLOCK", SH_WITH_NOLOCK},
               {"READUNCOMMITTED", SH_WITH_NOLOCK},
               {"UPDLOCK", SH_WITH_UPDLOCK},
               {"HOLDLOCK", SH_WITH_HOLDLOCK},
               {"SERIALIZABLE", SH_WITH_HOLDLOCK},
               {"REPEATABLEREAD", SH_WITH_REPEATABLEREAD},
               {"READCOMMITTED", SH_WITH_READCOMMITTED},
               {"READCOMMITTEDLOCK", SH_WITH_READCOMMITTED},
               {"TABLOCK", SH_WITH_TABLOCK},
               {"TABLOCKX", SH_WITH_TABLOCKX},
               {"READPAST", SH_WITH_READPAST},
               {"ROWLOCK", SH_WITH_ROWLOCK},
               {"PAGLOCK", SH_WITH_PAGLOCK},
               {"XLOCK", SH_WITH_XLOCK},
               {"NOWAIT", SH_WITH_NOWAIT},
               {NULL, 0}};

static unsigned
s_hint_bit (const char *word)
{
    for (size_t i = 0; s_hints[i].word; i++)
        if (sh_same (word, s_hints[i].word))
            return s_hints[i].bit;
    return 0;
}

static void
s_index_hint (sh_parse_t *p)
{
    /*  INDEX (i, ...) or INDEX = i: the choice of an index changes no result. */
    sh_skip (p);
    if (sh_accept_op (p, "=")) {
        sh_skip (p);
        return;
    }
    if (!sh_expect_op (p, "("))
        return;
    while (!p->failed && !sh_accept_op (p, ")")) {
        if (sh_peek (p, 0)->kind == SH_TOKEN_END)
            sh_syntax (p);
        sh_skip (p);
    }
}

/*  WITH (NOLOCK, ...), or the old form (NOLOCK). */
unsigned
sh_parse_hints (sh_parse_t *p)
{
    unsigned hints = 0;
    bool with = sh_at (p, "WITH") && sh_next_is_op (p, 1, "(");
    if (!with && !(sh_at_op (p, "(") && s_hint_bit (sh_peek (p, 1)->text)))
        return 0;
    if (with)
        sh_skip (p);
    sh_skip (p);
    do {
        if (sh_at (p, "INDEX")) {
            s_index_hint (p);
            continue;
        }
        const char *word = sh_peek (p, 0)->text;
        unsigned bit = s_hint_bit (word);
        if (!bit) {
            sh_refuse (p, 321, 15, "\"%.100s\" is not a recognized table hints option.", word);
            return 0;
        }
        hints |= bit;
        sh_skip (p);
    } while (sh_accept_op (p, ",") || (!p->failed && !sh_at_op (p, ")")));
    sh_expect_op (p, ")");
    return hints;
}

sh_row_t *
sh_parse_rows (sh_parse_t *p)
{
    sh_row_t *head = NULL, *tail = NULL;
    do {
        sh_row_t *row = SH_NEW (p, sh_row_t);
        if (!sh_expect_op (p, "(") || !(row->values = sh_parse_expr_list (p)) ||
            !sh_expect_op (p, ")"))
            return NULL;
        SH_APPEND (head, tail, row);
    } while (sh_accept_op (p, ","));
    return head;
}

static void
s_source_alias (sh_parse_t *p, sh_source_t *source)
{
    if (sh_accept (p, "AS"))
        source->alias = sh_identifier (p);
    else if (sh_at_identifier (p))
        source->alias = sh_identifier (p);
    if (source->alias && sh_at_op (p, "(") && !s_hint_bit (sh_peek (p, 1)->text)) {
        sh_skip (p);
        source->columns = sh_identifier_list (p);
        sh_expect_op (p, ")");
    }
}

static sh_source_t *
s_parenthesized_source (sh_parse_t *p, sh_source_t *source)
{
    sh_skip (p);
    if (sh_at (p, "SELECT") || sh_at (p, "WITH")) {
        source->kind = SH_SOURCE_QUERY;
        source->query = sh_parse_query (p);
        if (!source->query)
            return NULL;
    } else if (sh_accept (p, "VALUES")) {
        source->kind = SH_SOURCE_VALUES;
        source->rows = sh_parse_rows (p);
        if (!source->rows)
            return NULL;
    } else {
        sh_source_t *inner = sh_parse_from (p);
        return inner && sh_expect_op (p, ")") ? inner : NULL;
    }
    if (!sh_expect_op (p, ")"))
        return NULL;
    s_source_alias (p, source);
    if (!source->alias && !p->failed)
        return sh_syntax (p);
    return source;
}

/*  One table-like thing without joins. */
sh_source_t *
sh_parse_table (sh_parse_t *p)
{
    sh_source_t *source = SH_NEW (p, sh_source_t);
    source->line = sh_peek (p, 0)->line;
    if (sh_at_op (p, "("))
        return s_parenthesized_source (p, source);
    source->kind = SH_SOURCE_TABLE;
    if (sh_peek (p, 0)->kind == SH_TOKEN_VAR) {
        source->variable = sh_variable_name (p);
        source->name.object = source->variable;
    } else if (sh_at (p, "OPENROWSET") || sh_at (p, "OPENQUERY") || sh_at (p, "OPENXML") ||
               sh_at (p, "OPENDATASOURCE"))
        return sh_unsupported (p, sh_peek (p, 0)->text);
    else if (!sh_parse_name (p, &source->name))
        return NULL;
    if (sh_at_op (p, "(") && !s_hint_bit (sh_peek (p, 1)->text)) {
        source->kind = SH_SOURCE_FUNCTION;
        sh_skip (p);
        if (!sh_at_op (p, ")") && !(source->args = sh_parse_expr_list (p)))
            return NULL;
        if (!sh_expect_op (p, ")"))
            return NULL;
    }
    source->hints |= sh_parse_hints (p);
    s_source_alias (p, source);
    source->hints |= sh_parse_hints (p);
    if (sh_at (p, "PIVOT") || sh_at (p, "UNPIVOT") || sh_at (p, "TABLESAMPLE"))
        return sh_unsupported (p, sh_peek (p, 0)->text);
    return p->failed ? NULL : source;
}

/*  At a join keyword: fills *join and goes past JOIN or APPLY. */
static bool
s_join (sh_parse_t *p, sh_join_t *join)
{
    if (sh_at2 (p, "CROSS", "APPLY") || sh_at2 (p, "OUTER", "APPLY")) {
        *join = sh_at (p, "CROSS") ? SH_JOIN_CROSS_APPLY : SH_JOIN_OUTER_APPLY;
        sh_skip (p);
        sh_skip (p);
        return true;
    }
    if (sh_at2 (p, "CROSS", "JOIN")) {
        *join = SH_JOIN_CROSS;
        sh_skip (p);
        sh_skip (p);
        return true;
    }
    if (sh_at (p, "JOIN"))
        *join = SH_JOIN_INNER;
    else if (sh_at (p, "INNER"))
        *join = SH_JOIN_INNER;
    else if (sh_at (p, "LEFT") && !sh_next_is_op (p, 1, "("))
        *join = SH_JOIN_LEFT;
    else if (sh_at (p, "RIGHT") && !sh_next_is_op (p, 1, "("))
        *join = SH_JOIN_RIGHT;
    else if (sh_at (p, "FULL"))
        *join = SH_JOIN_FULL;
    else
        return false;
    if (!sh_at (p, "JOIN")) {
        sh_skip (p);
        sh_accept (p, "OUTER");
        if (sh_at (p, "LOOP") || sh_at (p, "HASH") || sh_at (p, "MERGE"))
            sh_skip (p);
    }
    return sh_expect (p, "JOIN");
}

static sh_source_t *
s_joined (sh_parse_t *p)
{
    if (!sh_deeper (p))
        return NULL;
    sh_source_t *left = sh_parse_table (p);
    sh_join_t join;
    while (left && s_join (p, &join)) {
        sh_source_t *both = SH_NEW (p, sh_source_t);
        both->kind = SH_SOURCE_JOIN;
        both->line = left->line;
        both->join = join;
        both->left = left;
        bool bare =
            join == SH_JOIN_CROSS || join == SH_JOIN_CROSS_APPLY || join == SH_JOIN_OUTER_APPLY;
        /*  a JOIN b JOIN c ON .. ON ..: the right side may be a join of its own. */
        both->right = sh_parse_table (p);
        sh_join_t inner;
        if (!bare && both->right && !sh_at (p, "ON") && s_join (p, &inner)) {
            sh_source_t *nested = SH_NEW (p, sh_source_t);
            nested->kind = SH_SOURCE_JOIN;
            nested->join = inner;
            nested->left = both->right;
            nested->right = sh_parse_table (p);
            if (!nested->right || !sh_expect (p, "ON") || !(nested->on = sh_parse_condition (p)))
                return NULL;
            both->right = nested;
        }
        if (!both->right)
            return NULL;
        if (!bare && (!sh_expect (p, "ON") || !(both->on = sh_parse_condition (p))))
            return NULL;
        left = both;
    }
    p->depth--;
    return p->failed ? NULL : left;
}

sh_source_t *
sh_parse_from (sh_parse_t *p)
{
    sh_source_t *head = NULL, *tail = NULL;
    do {
        sh_source_t *item = s_joined (p);
        if (!item)
            return NULL;
        SH_APPEND (head, tail, item);
    } while (sh_accept_op (p, ","));
    return head;
}

static bool
s_group (sh_parse_t *p, sh_select_t *query)
{
    if (sh_accept (p, "GROUP")) {
        if (!sh_expect (p, "BY"))
            return false;
        if (sh_at (p, "ROLLUP") || sh_at (p, "CUBE") || sh_at (p, "GROUPING")) {
            sh_unsupported (p, "GROUP BY ROLLUP, CUBE and GROUPING SETS");
            return false;
        }
        if (!(query->group = sh_parse_expr_list (p)))
            return false;
    }
    if (sh_accept (p, "HAVING") && !(query->having = sh_parse_condition (p)))
        return false;
    return true;
}

/*  One SELECT without set operators and ORDER BY. */
static sh_select_t *
s_select_core (sh_parse_t *p)
{
    if (sh_at_op (p, "(")) {
        sh_skip (p);
        sh_select_t *inner = sh_parse_query (p);
        return inner && sh_expect_op (p, ")") ? inner : NULL;
    }
    sh_select_t *query = SH_NEW (p, sh_select_t);
    query->line = sh_peek (p, 0)->line;
    if (!sh_expect (p, "SELECT"))
        return NULL;
    if (sh_accept (p, "DISTINCT"))
        query->distinct = true;
    else
        sh_accept (p, "ALL");
    query->top = sh_parse_top (p, &query->top_percent, &query->top_ties);
    if (p->failed || !(query->items = sh_parse_items (p)))
        return NULL;
    if (sh_accept (p, "INTO")) {
        query->into = SH_NEW (p, sh_name_t);
        if (!sh_parse_name (p, query->into))
            return NULL;
    }
    if (sh_accept (p, "FROM") && !(query->from = sh_parse_from (p)))
        return NULL;
    if (sh_accept (p, "WHERE") && !(query->where = sh_parse_condition (p)))
        return NULL;
    return s_group (p, query) ? query : NULL;
}

static sh_setop_t
s_set_op (sh_parse_t *p)
{
    if (sh_accept (p, "UNION"))
        return sh_accept (p, "ALL") ? SH_SET_UNION_ALL : SH_SET_UNION;
    if (sh_accept (p, "EXCEPT"))
        return SH_SET_EXCEPT;
    return sh_accept (p, "INTERSECT") ? SH_SET_INTERSECT : SH_SET_NONE;
}

static bool
s_tail (sh_parse_t *p, sh_select_t *query)
{
    if (sh_accept (p, "ORDER") && (!sh_expect (p, "BY") || !(query->order = sh_parse_order (p))))
        return false;
    if (query->order && sh_accept (p, "OFFSET")) {
        query->offset = sh_parse_expr (p);
        if (!sh_accept (p, "ROWS"))
            sh_expect (p, "ROW");
        if (sh_accept (p, "FETCH")) {
            if (!sh_accept (p, "NEXT"))
                sh_expect (p, "FIRST");
            query->fetch = sh_parse_expr (p);
            if (!sh_accept (p, "ROWS"))
                sh_expect (p, "ROW");
            sh_expect (p, "ONLY");
        }
    }
    if (sh_at (p, "FOR") && (sh_next_is (p, 1, "XML") || sh_next_is (p, 1, "JSON"))) {
        sh_unsupported (p, "FOR XML and FOR JSON");
        return false;
    }
    if (sh_accept (p, "OPTION")) {
        /*  Query hints change no result. */
        sh_expect_op (p, "(");
        for (int depth = 1; depth && !p->failed;) {
            if (sh_peek (p, 0)->kind == SH_TOKEN_END)
                sh_syntax (p);
            depth += sh_at_op (p, "(") ? 1 : sh_at_op (p, ")") ? -1 : 0;
            sh_skip (p);
        }
    }
    return !p->failed;
}

sh_cte_t *
sh_parse_ctes (sh_parse_t *p)
{
    sh_cte_t *head = NULL, *tail = NULL;
    if (!sh_accept (p, "WITH"))
        return NULL;
    do {
        sh_cte_t *cte = SH_NEW (p, sh_cte_t);
        if (!(cte->name = sh_identifier (p)))
            return NULL;
        if (sh_accept_op (p, "(")) {
            cte->columns = sh_identifier_list (p);
            if (!sh_expect_op (p, ")"))
                return NULL;
        }
        if (!sh_expect (p, "AS") || !sh_expect_op (p, "(") || !(cte->query = sh_parse_query (p)) ||
            !sh_expect_op (p, ")"))
            return NULL;
        SH_APPEND (head, tail, cte);
    } while (sh_accept_op (p, ","));
    return head;
}

sh_select_t *
sh_parse_query (sh_parse_t *p)
{
    if (!sh_deeper (p))
        return NULL;
    sh_cte_t *ctes = sh_parse_ctes (p);
    sh_select_t *query = p->failed ? NULL : s_select_core (p);
    sh_setop_t op;
    while (query && (op = s_set_op (p)) != SH_SET_NONE) {
        sh_select_t *both = SH_NEW (p, sh_select_t);
        both->line = query->line;
        both->op = op;
        both->left = query;
        both->right = s_select_core (p);
        /*  INTERSECT binds closer. */
        while (both->right && op != SH_SET_INTERSECT && sh_accept (p, "INTERSECT")) {
            sh_select_t *inner = SH_NEW (p, sh_select_t);
            inner->op = SH_SET_INTERSECT;
            inner->left = both->right;
            inner->right = s_select_core (p);
            both->right = inner->right ? inner : NULL;
        }
        if (!both->right)
            return NULL;
        query = both;
    }
    if (!query || !s_tail (p, query))
        return NULL;
    if (ctes)
        query->ctes = ctes;
    p->depth--;
    return query;
}
