/* Terms: what operators stand between. */
#include "common/codec/jq/nodes/nodes.h"
#include "common/codec/jq/parse/parser.h"
#include "common/codec/jq/values.h"

/* Nodes that are collected before they are counted. */
struct part {
    struct part *next;
    const struct node *node;
};

struct parts {
    struct part *first, **last;
    uint32_t count;
    bool single;
};

static void add_part(struct parser *parser, struct parts *parts, const struct node *node)
{
    struct part *part = parser_alloc(parser, sizeof *part);

    if (parts->count == 0)
        *parts = (struct parts){NULL, &parts->first, 0, true};
    part->node = node;
    *parts->last = part;
    parts->last = &part->next;
    parts->count++;
    if (node->one == NULL)
        parts->single = false;
}

static struct node *node_of_parts(struct parser *parser, uint32_t at,
                                  const struct parts *parts, one_fn *one, many_fn *many)
{
    bool single = parts->count == 0 || parts->single;
    struct node *node =
        parser_node(parser, at, single ? one : NULL, single ? many_of_one : many);
    const struct node **list =
        parser_alloc(parser, (parts->count + 1) * sizeof(struct node *));

    for (struct part *part = parts->first; part != NULL; part = part->next) {
        parser_adopt(parser, node, part->node, true);
        list[node->count++] = part->node;
    }
    node->list = list;
    return node;
}

/* ---- strings */

/* expression | @format: each part is formatted when its turn comes. */
static const struct node *formatted(struct parser *parser, const struct node *part,
                                    uint32_t format)
{
    struct node *text = parser_node(parser, part->at, one_format, many_of_one);
    struct node *pipe =
        parser_node(parser, part->at, part->one != NULL ? one_pipe : NULL, many_pipe);

    text->number = format;
    text->ignores_input = false;
    pipe->a = part;
    pipe->b = text;
    parser_adopt(parser, pipe, part, true);
    return pipe;
}

static const struct node *string_with_parts(struct parser *parser, uint32_t at,
                                            struct jv first, uint32_t format)
{
    struct parts parts = {0};
    bool more = true;

    add_part(parser, &parts, parser_literal(parser, at, first));
    while (more) {
        lexer_advance(parser);
        add_part(parser, &parts, formatted(parser, parser_pipe(parser), format));
        if (!lexer_is(parser, ")"))
            lexer_expect(parser, ")");
        add_part(parser, &parts,
                 parser_literal(parser, at, lexer_string_part(parser, &more)));
    }
    return node_of_parts(parser, at, &parts, one_string, many_string);
}

const struct node *parser_string(struct parser *parser, uint32_t format)
{
    uint32_t at = parser_enter(parser);
    const struct node *node;
    bool more;
    struct jv first = lexer_string_part(parser, &more);

    node = more ? string_with_parts(parser, at, first, format)
                : parser_literal(parser, at, first);
    lexer_advance(parser);
    parser_leave(parser);
    return node;
}

static const struct node *parse_format(struct parser *parser)
{
    uint32_t at = parser->token.at;
    uint32_t format = values_format_named(parser->token.text);
    struct node *node;

    if (format == UINT32_MAX)
        parser_refuse(parser, at, "there is no format %.*s",
                      (int)(parser->token.text.len < 40 ? parser->token.text.len : 40),
                      (const char *)parser->token.text.data);
    lexer_advance(parser);
    if (parser->token.kind == TOKEN_QUOTE)
        return parser_string(parser, format);
    node = parser_node(parser, at, one_format, many_of_one);
    node->number = format;
    node->ignores_input = false;
    return node;
}

static uint32_t text_format(void)
{
    return values_format_named((struct slice){(const uint8_t *)"@text", 5});
}

static const struct node *parse_number(struct parser *parser)
{
    uint32_t at = parser->token.at;
    struct slice text = parser->token.text;
    uint8_t *copy = parser_alloc(parser, NUMBER_PLAIN_BYTES(text.len));
    struct slice plain = {copy, values_plain_number(text, copy)};
    struct jv value;

    if (!values_parse_number(NULL, plain, &value))
        parser_refuse(parser, at, "this is no number");
    lexer_advance(parser);
    return parser_literal(parser, at,
                          value.kind == JV_DOUBLE ? jv_number(value.d) : value);
}

static const struct node *field_node(struct parser *parser, uint32_t at,
                                     const struct node *of, struct jv name)
{
    struct node *node = parser_node(
        parser, at, of == NULL || of->one != NULL ? one_field : NULL, many_field);

    node->a = of;
    node->value = name;
    node->site = parser->program->site_count++;
    parser_adopt(parser, node, of, true);
    return node;
}

/* ---- objects */

static bool is_word(const struct parser *parser)
{
    return parser->token.kind == TOKEN_WORD;
}

static struct jv token_text(const struct parser *parser)
{
    return (struct jv){.kind = JV_STRING,
                       .len = (uint32_t)parser->token.text.len,
                       .at = parser->token.text.data};
}

/* Names lie in the caller's text: the program keeps copies. */
struct jv parser_copied_text(struct parser *parser)
{
    struct jv text = token_text(parser);
    uint8_t *copy = parser_alloc(parser, text.len + 1);

    memcpy(copy, text.at, text.len);
    text.at = copy;
    return text;
}

/* The member of the input that a key names: {a} is {a: .a}. */
static const struct node *member_named(struct parser *parser, const struct node *key)
{
    struct node *node;

    if (key->one == one_literal && key->value.kind == JV_STRING)
        return field_node(parser, key->at, NULL, key->value);
    node = parser_node(parser, key->at, key->one != NULL ? one_index : NULL, many_index);

    node->b = key;
    node->site = parser->program->site_count++;
    node->ignores_input = false;
    parser_adopt(parser, node, key, true);
    return node;
}

static const struct node *parse_key(struct parser *parser, bool *must_have_value_r)
{
    const struct node *key;
    uint32_t at = parser->token.at;

    *must_have_value_r = false;
    if (parser->token.kind == TOKEN_QUOTE)
        return parser_string(parser, text_format());
    if (parser->token.kind == TOKEN_FORMAT)
        return parse_format(parser);
    if (lexer_accept(parser, "(")) {
        *must_have_value_r = true;
        (void)parser_enter(parser);
        key = parser_pipe(parser);
        parser_leave(parser);
        lexer_expect(parser, ")");
        return key;
    }
    if (parser->token.kind == TOKEN_NUMBER) {
        *must_have_value_r = true;
        return parse_number(parser);
    }
    if (!is_word(parser))
        parser_refuse(parser, at, "an object's name is missing here");
    key = parser_literal(parser, at, parser_copied_text(parser));
    lexer_advance(parser);
    return key;
}

static void parse_member(struct parser *parser, struct parts *parts)
{
    const struct node *key, *value;
    uint32_t at = parser->token.at;
    bool must_have_value;

    if (parser->token.kind == TOKEN_VAR) {
        key = parser_literal(parser, at, parser_copied_text(parser));
        value = parser_variable(parser);
        if (lexer_is(parser, ":")) {
            lexer_advance(parser);
            key = value;
            value = parser_value(parser);
        }
    } else {
        key = parse_key(parser, &must_have_value);
        if (lexer_accept(parser, ":"))
            value = parser_value(parser);
        else if (must_have_value)
            parser_refuse(parser, parser->token.at, "':' and a value are missing here");
        else
            value = member_named(parser, key);
    }
    add_part(parser, parts, key);
    add_part(parser, parts, value);
}

/* Keys up to which all are compared with each other. */
#define RECORD_MAX 64

static bool is_record(const struct node *object)
{
    if (object->count > 2 * RECORD_MAX)
        return false;
    for (uint32_t i = 0; i < object->count; i += 2) {
        const struct node *key = object->list[i];

        if (key->one != one_literal || key->value.kind != JV_STRING)
            return false;
        for (uint32_t j = 0; j < i; j += 2)
            if (jv_same_text(object->list[j]->value, key->value))
                return false;
    }
    return true;
}

static const struct node *parse_object(struct parser *parser)
{
    struct parts parts = {0};
    uint32_t at = parser_enter(parser);
    struct node *node;

    lexer_advance(parser);
    while (!lexer_is(parser, "}")) {
        parse_member(parser, &parts);
        if (!lexer_accept(parser, ",") && !lexer_is(parser, "}"))
            lexer_expect(parser, "}");
    }
    lexer_advance(parser);
    parser_leave(parser);
    node = node_of_parts(parser, at, &parts, one_object, many_object);
    node->number = is_record(node) ? OBJECT_RECORD : 0;
    return node;
}

static const struct node *parse_array(struct parser *parser)
{
    uint32_t at = parser_enter(parser);
    struct node *node = parser_node(parser, at, one_array, many_array);

    lexer_advance(parser);
    if (!lexer_is(parser, "]")) {
        node->a = parser_pipe(parser);
        parser_adopt(parser, node, node->a, true);
    }
    lexer_expect(parser, "]");
    parser_leave(parser);
    return node;
}

static const struct node *parse_minus(struct parser *parser)
{
    uint32_t at = parser_enter(parser);
    const struct node *a;
    struct node *node;

    lexer_advance(parser);
    a = parser_postfix(parser);
    parser_leave(parser);
    node = parser_node(parser, at, a->one != NULL ? one_negate : NULL, many_negate);
    node->a = a;
    parser_adopt(parser, node, a, true);
    return node;
}

static const struct node *parse_brackets(struct parser *parser)
{
    const struct node *inner;

    (void)parser_enter(parser);
    lexer_advance(parser);
    inner = parser_pipe(parser);
    lexer_expect(parser, ")");
    parser_leave(parser);
    return inner;
}

/* ---- fields and the like */

static struct node *index_node(struct parser *parser, uint32_t at, const struct node *of,
                               const struct node *key)
{
    struct node *node = parser_node(
        parser, at,
        (of == NULL || of->one != NULL) && key->one != NULL ? one_index : NULL,
        many_index);

    node->a = of;
    node->b = key;
    node->site = parser->program->site_count++;
    parser_adopt(parser, node, of, true);
    parser_adopt(parser, node, key, true);
    return node;
}

static const struct node *slice_node(struct parser *parser, uint32_t at,
                                     const struct node *of, const struct node *from,
                                     const struct node *to)
{
    bool single = (of == NULL || of->one != NULL) &&
                  (from == NULL || from->one != NULL) && (to == NULL || to->one != NULL);
    struct node *node = parser_node(parser, at, single ? one_slice : NULL, many_slice);

    node->a = of;
    node->b = from;
    node->c = to;
    parser_adopt(parser, node, of, true);
    if (from != NULL)
        parser_adopt(parser, node, from, true);
    if (to != NULL)
        parser_adopt(parser, node, to, true);
    return node;
}

/* Behind `[`, of a value. */
static const struct node *parse_bracketed(struct parser *parser, uint32_t at,
                                          const struct node *of)
{
    const struct node *from = NULL, *to = NULL;
    struct node *node;

    if (lexer_accept(parser, "]")) {
        node = parser_node(parser, at, NULL, many_iterate);
        node->a = of;
        parser_adopt(parser, node, of, true);
        return node;
    }
    (void)parser_enter(parser);
    if (!lexer_is(parser, ":"))
        from = parser_pipe(parser);
    parser_leave(parser);
    if (lexer_accept(parser, "]")) {
        if (from->many == many_of_one && from->one == one_literal &&
            from->value.kind == JV_STRING)
            return field_node(parser, at, of, from->value);
        return index_node(parser, at, of, from);
    }
    lexer_expect(parser, ":");
    (void)parser_enter(parser);
    if (!lexer_is(parser, "]"))
        to = parser_pipe(parser);
    else if (from == NULL)
        parser_refuse(parser, parser->token.at, "a slice needs one of its ends");
    parser_leave(parser);
    lexer_expect(parser, "]");
    return slice_node(parser, at, of, from, to);
}

static const struct node *field_of_string(struct parser *parser, uint32_t at,
                                          const struct node *of)
{
    const struct node *key = parser_string(parser, text_format());

    if (key->one == one_literal)
        return field_node(parser, at, of, key->value);
    return index_node(parser, at, of, key);
}

static const struct node *identity_node(struct parser *parser, uint32_t at)
{
    struct node *node = parser_node(parser, at, one_identity, many_identity);

    node->ignores_input = false;
    return node;
}

/* `.`, and what stands right behind it. */
static const struct node *parse_dot(struct parser *parser)
{
    uint32_t at = parser->token.at;

    lexer_advance(parser);
    if (parser->token.kind == TOKEN_QUOTE)
        return field_of_string(parser, at, NULL);
    if (lexer_accept(parser, "["))
        return parse_bracketed(parser, at, NULL);
    return identity_node(parser, at);
}

static const struct node *parse_field(struct parser *parser, const struct node *of)
{
    uint32_t at = parser->token.at;
    struct jv name = parser_copied_text(parser);

    lexer_advance(parser);
    return field_node(parser, at, of, name);
}

/* true, false, null. */
static const struct node *parse_constant(struct parser *parser)
{
    static const char *const words[] = {"null", "false", "true"};
    static const enum jv_kind kinds[] = {JV_NULL, JV_FALSE, JV_TRUE};
    uint32_t at = parser->token.at;

    for (int i = 0; i < 3; i++)
        if (lexer_accept(parser, words[i]))
            return parser_literal(parser, at, (struct jv){.kind = (uint8_t)kinds[i]});
    return NULL;
}

static const struct node *parse_word(struct parser *parser)
{
    uint32_t at = parser->token.at;
    const struct node *constant = parse_constant(parser);

    if (constant != NULL)
        return constant;
    if (lexer_is(parser, "if"))
        return parser_if(parser);
    if (lexer_is(parser, "try"))
        return parser_try(parser);
    if (lexer_is(parser, "reduce"))
        return parser_fold(parser, true);
    if (lexer_is(parser, "foreach"))
        return parser_fold(parser, false);
    if (lexer_is(parser, "label"))
        return parser_label(parser);
    if (lexer_is(parser, "def"))
        return parser_pipe(parser);
    if (lexer_is(parser, "import") || lexer_is(parser, "include"))
        parser_refuse(parser, at, "modules are not part of this language");
    if (lexer_accept(parser, "break"))
        return parser_break(parser, at);
    if (lexer_is_keyword(parser->token.text))
        parser_refuse(parser, at, "'%.*s' has no meaning here",
                      (int)parser->token.text.len, (const char *)parser->token.text.data);
    return parser_call(parser);
}

const struct node *parser_term(struct parser *parser)
{
    struct node *node;

    switch (parser->token.kind) {
    case TOKEN_FIELD: return parse_field(parser, NULL);
    case TOKEN_WORD: return parse_word(parser);
    case TOKEN_VAR: return parser_variable(parser);
    case TOKEN_FORMAT: return parse_format(parser);
    case TOKEN_NUMBER: return parse_number(parser);
    case TOKEN_QUOTE: return parser_string(parser, text_format());
    default: break;
    }
    if (lexer_is(parser, "."))
        return parse_dot(parser);
    if (lexer_is(parser, "("))
        return parse_brackets(parser);
    if (lexer_is(parser, "["))
        return parse_array(parser);
    if (lexer_is(parser, "{"))
        return parse_object(parser);
    if (lexer_is(parser, "-"))
        return parse_minus(parser);
    if (lexer_is(parser, "..")) {
        node = parser_node(parser, parser->token.at, NULL, many_descend);
        node->ignores_input = false;
        lexer_advance(parser);
        return node;
    }
    if (parser->token.kind == TOKEN_END)
        parser_refuse(parser, parser->token.at,
                      "the program ends where a value is missing");
    parser_refuse(parser, parser->token.at, "a value is missing here");
}

static bool is_access(const struct node *node)
{
    return (node->many == many_field || node->many == many_index ||
            node->many == many_slice || node->many == many_iterate) &&
           node->number != ACCESS_OPTIONAL;
}

/* A term with `?` behind it: of `.a.b` it is the last access that may fail, of `(.a.b)`
   any. */
static const struct node *optional_node(struct parser *parser, const struct node *of,
                                        bool in_brackets)
{
    struct node *node = parser_node(parser, parser->token.at, NULL, many_try);

    if (!in_brackets && is_access(of)) {
        *node = *of;
        node->one = NULL;
        node->number = ACCESS_OPTIONAL;
        return node;
    }
    node->a = of;
    parser_adopt(parser, node, of, true);
    return node;
}

const struct node *parser_source(struct parser *parser)
{
    bool in_brackets = lexer_is(parser, "(");
    const struct node *term = parser_term(parser);

    for (;; in_brackets = false) {
        uint32_t at = parser->token.at;

        if (parser->token.kind == TOKEN_FIELD) {
            term = parse_field(parser, term);
        } else if (lexer_accept(parser, "[")) {
            term = parse_bracketed(parser, at, term);
        } else if (lexer_is(parser, "?")) {
            term = optional_node(parser, term, in_brackets);
            lexer_advance(parser);
        } else if (lexer_is(parser, "?//")) { /* not in a pattern: `?` and `//` */
            term = optional_node(parser, term, in_brackets);
            parser->token.text.data++;
            parser->token.text.len--;
        } else if (lexer_accept(parser, ".")) {
            if (parser->token.kind == TOKEN_QUOTE)
                term = field_of_string(parser, at, term);
            else if (lexer_accept(parser, "["))
                term = parse_bracketed(parser, at, term);
            else
                parser_refuse(parser, at, "a name or '[' is missing behind this dot");
        } else {
            return term;
        }
    }
}

const struct node *parser_postfix(struct parser *parser)
{
    struct scope *scope = parser->scope;
    uint32_t depth = parser->depth, at = parser_enter(parser);
    const struct node *source = parser_source(parser);
    struct node *node;
    bool single;

    parser_leave(parser);
    if (parser->before_as || !lexer_accept(parser, "as"))
        return source;
    node = parser_node(parser, at, NULL, many_bind);
    node->a = source;
    node->pattern = parser_patterns(parser);
    lexer_expect(parser, "|");
    (void)parser_enter(parser);
    node->b = parser_pipe(parser);
    parser_leave(parser);
    parser_forget(parser, scope, depth);
    single = source->one != NULL && node->pattern->plain && node->b->one != NULL;
    node->one = single ? one_bind : NULL;
    parser_adopt(parser, node, source, true);
    parser_adopt(parser, node, node->b, true);
    if (!node->pattern->plain)
        node->ignores_input = false;
    return node;
}
