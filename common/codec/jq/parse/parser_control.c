/* if, try, reduce, foreach, label. */
#include "common/codec/jq/nodes/nodes.h"
#include "common/codec/jq/parse/parser.h"

/* Behind `if` or `elif`. */
const struct node *parser_if(struct parser *parser)
{
    uint32_t at = parser_enter(parser);
    const struct node *a, *b, *c = NULL;
    struct node *node;

    lexer_advance(parser);
    a = parser_pipe(parser);
    lexer_expect(parser, "then");
    b = parser_pipe(parser);
    if (lexer_is(parser, "elif")) {
        c = parser_if(parser);
    } else {
        if (lexer_accept(parser, "else"))
            c = parser_pipe(parser);
        lexer_expect(parser, "end");
    }
    parser_leave(parser);
    node = parser_node(
        parser, at,
        a->one != NULL && b->one != NULL && (c == NULL || c->one != NULL) ? one_if : NULL,
        many_if);
    node->a = a;
    node->b = b;
    node->c = c;
    parser_adopt(parser, node, a, true);
    parser_adopt(parser, node, b, true);
    parser_adopt(parser, node, c, true);
    return node;
}

const struct node *parser_try(struct parser *parser)
{
    uint32_t at = parser_enter(parser);
    struct node *node = parser_node(parser, at, NULL, many_try);

    lexer_advance(parser);
    node->a = parser_postfix(parser);
    parser_adopt(parser, node, node->a, true);
    if (lexer_accept(parser, "catch")) {
        node->b = parser_postfix(parser);
        parser_adopt(parser, node, node->b, false);
    }
    parser_leave(parser);
    return node;
}

/* A fold's start, which does not see the fold's variables. */
static const struct node *parse_outside(struct parser *parser, struct scope *outer,
                                        uint32_t outer_depth)
{
    struct scope *scope = parser->scope;
    uint32_t depth = parser->depth;
    const struct node *start;

    parser->scope = outer;
    parser->depth = outer_depth;
    start = parser_pipe(parser);
    parser->scope = scope;
    parser->depth = depth;
    return start;
}

const struct node *parser_fold(struct parser *parser, bool is_reduce)
{
    uint32_t at = parser_enter(parser), depth = parser->depth;
    struct scope *scope = parser->scope;
    struct node *node =
        parser_node(parser, at, NULL, is_reduce ? many_reduce : many_foreach);
    const struct pattern *pattern;

    lexer_advance(parser);
    node->a = parser_fold_source(parser);
    lexer_expect(parser, "as");
    pattern = parser_patterns(parser);
    node->pattern = pattern;
    lexer_expect(parser, "(");
    node->b = parse_outside(parser, scope, depth);
    lexer_expect(parser, ";");
    node->c = parser_pipe(parser);
    if (!is_reduce && lexer_accept(parser, ";"))
        node->d = parser_pipe(parser);
    lexer_expect(parser, ")");
    parser_forget(parser, scope, depth);
    if (is_reduce && node->b->one != NULL) {
        node->one = one_reduce;
        node->many = many_of_one;
    }
    parser_adopt(parser, node, node->a, true);
    parser_adopt(parser, node, node->b, true);
    parser_adopt(parser, node, node->c, false);
    if (node->d != NULL)
        parser_adopt(parser, node, node->d, false);
    if (!pattern->plain)
        node->ignores_input = false;
    parser_leave(parser);
    return node;
}

const struct node *parser_label(struct parser *parser)
{
    uint32_t at = parser_enter(parser), depth = parser->depth;
    struct scope *scope = parser->scope;
    struct node *node = parser_node(parser, at, NULL, many_label);

    lexer_advance(parser);
    if (parser->token.kind != TOKEN_VAR)
        parser_refuse(parser, parser->token.at, "the label's $name is missing here");
    (void)parser_declare(parser, SCOPE_LABEL, jv_slice(parser_copied_text(parser)));
    lexer_advance(parser);
    lexer_expect(parser, "|");
    node->a = parser_pipe(parser);
    parser_forget(parser, scope, depth);
    parser_adopt(parser, node, node->a, true);
    parser_leave(parser);
    return node;
}
