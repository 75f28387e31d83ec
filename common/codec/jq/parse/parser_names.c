/* Names: definitions, calls, variables, labels, and the patterns that bind variables. */
#include "common/codec/jq/nodes/nodes.h"
#include "common/codec/jq/parse/parser.h"

/* Most parameters of a function, and most variables and steps of one pattern. */
#define MAX_PARAMS 32
#define MAX_STEPS  200

static bool same_name(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static int shown(struct slice name)
{
    return name.len < 60 ? (int)name.len : 60;
}

struct scope *parser_declare(struct parser *parser, int kind, struct slice name)
{
    struct scope *scope = parser_alloc(parser, sizeof *scope);

    if (kind != SCOPE_FUNCTION)
        parser->depth++;
    scope->up = parser->scope;
    scope->kind = kind;
    scope->name = name;
    scope->depth = parser->depth;
    parser->scope = scope;
    return scope;
}

void parser_forget(struct parser *parser, struct scope *scope, uint32_t depth)
{
    parser->scope = scope;
    parser->depth = depth;
}

static struct slice take_name(struct parser *parser)
{
    size_t len = parser->token.text.len;
    uint8_t *copy = parser_alloc(parser, len + 1);

    memcpy(copy, parser->token.text.data, len);
    lexer_advance(parser);
    return (struct slice){copy, len};
}

/* ---- definitions */

struct params {
    struct slice names[MAX_PARAMS];
    bool is_value[MAX_PARAMS];
    uint32_t count;
};

static void parse_params(struct parser *parser, struct params *params)
{
    if (!lexer_accept(parser, "("))
        return;
    do {
        bool is_value = parser->token.kind == TOKEN_VAR;

        if (!is_value && parser->token.kind != TOKEN_WORD)
            parser_refuse(parser, parser->token.at, "a parameter's name is missing here");
        if (params->count == MAX_PARAMS)
            parser_refuse(parser, parser->token.at, "a function has too many parameters");
        params->is_value[params->count] = is_value;
        params->names[params->count++] = take_name(parser);
    } while (lexer_accept(parser, ";"));
    lexer_expect(parser, ")");
}

/* First all parameters as functions, then those with a `$` as variables. */
static void declare_params(struct parser *parser, const struct params *params)
{
    for (uint32_t i = 0; i < params->count; i++)
        (void)parser_declare(parser, SCOPE_CLOSURE, params->names[i]);
    for (uint32_t i = 0; i < params->count; i++)
        if (params->is_value[i])
            (void)parser_declare(parser, SCOPE_VARIABLE, params->names[i]);
}

static bool has_closures(const struct params *params)
{
    for (uint32_t i = 0; i < params->count; i++)
        if (!params->is_value[i])
            return true;
    return false;
}

void parser_definition(struct parser *parser)
{
    struct params *params = parser_alloc(parser, sizeof *params);
    struct definition *definition = parser_alloc(parser, sizeof *definition);
    struct scope *scope;
    uint32_t depth = parser->depth;

    (void)parser_enter(parser);
    lexer_advance(parser);
    if (parser->token.kind != TOKEN_WORD || lexer_is_keyword(parser->token.text))
        parser_refuse(parser, parser->token.at, "the function's name is missing here");
    scope = parser_declare(parser, SCOPE_FUNCTION, take_name(parser));
    scope->definition = definition;
    parse_params(parser, params);
    scope->arity = params->count;
    definition->param_count = params->count;
    definition->param_is_value = params->is_value;
    definition->depth = depth;
    lexer_expect(parser, ":");
    declare_params(parser, params);
    definition->body = parser_pipe(parser);
    definition->single = definition->body->one != NULL && !has_closures(params);
    parser_forget(parser, scope, depth);
    parser_leave(parser);
    lexer_expect(parser, ";");
}

/* The prelude's function, read when it is first used. */
static struct definition *use_prelude(struct parser *parser, struct slice name,
                                      uint32_t arity, uint32_t at)
{
    const char *own_name, *text = prelude_find(name, arity, &own_name);
    struct parser outer = *parser;
    struct used *used;

    if (text == NULL)
        return NULL;
    for (used = parser->used; used != NULL; used = used->next)
        if (strcmp(used->name, own_name) == 0 && used->arity == arity)
            return used->definition;
    parser->in_prelude = true;
    parser->prelude_at = at;
    parser->next = (const uint8_t *)text;
    parser->end = parser->next + strlen(text);
    parser->scope = NULL;
    parser->depth = 0;
    lexer_advance(parser);
    parser_definition(parser);
    used = parser_alloc(parser, sizeof *used);
    *used = (struct used){parser->used, own_name, arity, parser->scope->definition};
    parser->used = used;
    parser->in_prelude = outer.in_prelude;
    parser->prelude_at = outer.prelude_at;
    parser->next = outer.next;
    parser->end = outer.end;
    parser->scope = outer.scope;
    parser->depth = outer.depth;
    parser->token = outer.token;
    return used->definition;
}

/* ---- calls */

struct arguments {
    const struct node *list[MAX_PARAMS];
    uint32_t count;
};

static void parse_arguments(struct parser *parser, struct arguments *arguments)
{
    if (!lexer_accept(parser, "("))
        return;
    (void)parser_enter(parser);
    do {
        if (arguments->count == MAX_PARAMS)
            parser_refuse(parser, parser->token.at, "a call has too many arguments");
        arguments->list[arguments->count++] = parser_pipe(parser);
    } while (lexer_accept(parser, ";"));
    parser_leave(parser);
    lexer_expect(parser, ")");
}

static struct scope *find_function(const struct parser *parser, struct slice name,
                                   uint32_t arity)
{
    struct scope *scope = parser->scope;

    for (; scope != NULL; scope = scope->up) {
        if (scope->kind == SCOPE_FUNCTION && scope->arity == arity &&
            same_name(scope->name, name))
            return scope;
        if (scope->kind == SCOPE_CLOSURE && arity == 0 && same_name(scope->name, name))
            return scope;
    }
    return NULL;
}

static const struct node *call_node(struct parser *parser, uint32_t at,
                                    const struct definition *definition,
                                    const struct arguments *arguments)
{
    struct node *node = parser_node(parser, at, NULL, many_call);
    bool single = definition->single;

    for (uint32_t i = 0; i < arguments->count; i++) {
        parser_adopt(parser, node, arguments->list[i], true);
        if (arguments->list[i]->one == NULL)
            single = false;
    }
    node->one = single ? one_call : NULL;
    node->definition = definition;
    node->number = parser->depth - definition->depth;
    node->list = parser_list(parser, arguments->list, arguments->count);
    node->count = arguments->count;
    node->ignores_input = false;
    return node;
}

static const struct node *closure_node(struct parser *parser, uint32_t at,
                                       const struct scope *scope)
{
    struct node *node = parser_node(parser, at, NULL, many_closure);

    node->number = parser->depth - scope->depth;
    node->ignores_input = false;
    return node;
}

const struct node *parser_call(struct parser *parser)
{
    struct arguments arguments = {.count = 0};
    uint32_t at = parser->token.at;
    struct slice name = take_name(parser);
    const struct definition *definition;
    const struct scope *scope;
    const struct node *node;

    parse_arguments(parser, &arguments);
    scope = find_function(parser, name, arguments.count);
    if (scope != NULL && scope->kind == SCOPE_CLOSURE)
        return closure_node(parser, at, scope);
    if (scope != NULL)
        return call_node(parser, at, scope->definition, &arguments);
    node = builtin_call(parser, at, name, arguments.list, arguments.count);
    if (node != NULL)
        return node;
    definition = use_prelude(parser, name, arguments.count, at);
    if (definition != NULL)
        return call_node(parser, at, definition, &arguments);
    builtin_refuse(parser, at, name);
    parser_refuse(parser, at, "there is no function %.*s/%u", shown(name),
                  (const char *)name.data, arguments.count);
}

/* ---- variables and labels */

static const struct scope *find_variable(const struct parser *parser, int kind,
                                         struct slice name)
{
    const struct scope *scope = parser->scope;

    while (scope != NULL && ((int)scope->kind != kind || !same_name(scope->name, name)))
        scope = scope->up;
    return scope;
}

/* {"file": ..., "line": ...} of the place in the program. */
static const struct node *location(struct parser *parser, uint32_t at)
{
    static const char *const names[] = {"file", "line"};
    const struct node *list[4];
    struct node *node = parser_node(parser, at, one_object, many_of_one);
    int64_t line = 1;

    for (uint32_t i = 0; i < at; i++)
        line += parser->start[i] == '\n';
    for (int i = 0; i < 2; i++)
        list[2 * i] = parser_literal(parser, at, jv_constant(names[i]));
    list[1] = parser_literal(parser, at, jv_constant("<top-level>"));
    list[3] = parser_literal(parser, at, jv_int(line));
    node->list = parser_list(parser, list, 4);
    node->count = 4;
    node->depth = 2;
    return node;
}

const struct node *parser_variable(struct parser *parser)
{
    uint32_t at = parser->token.at;
    struct slice name = take_name(parser);
    const struct scope *scope = find_variable(parser, SCOPE_VARIABLE, name);
    struct node *node;

    if (scope == NULL) {
        if (same_name(name, (struct slice){(const uint8_t *)"__loc__", 7}))
            return location(parser, at);
        builtin_refuse(parser, at, (struct slice){name.data - 0, name.len});
        parser_refuse(parser, at, "there is no variable $%.*s", shown(name),
                      (const char *)name.data);
    }
    node = parser_node(parser, at, one_variable, many_of_one);
    node->number = parser->depth - scope->depth;
    return node;
}

const struct node *parser_break(struct parser *parser, uint32_t at)
{
    const struct scope *scope;
    struct node *node;
    struct slice name;

    if (parser->token.kind != TOKEN_VAR)
        parser_refuse(parser, parser->token.at, "the label's $name is missing here");
    name = take_name(parser);
    scope = find_variable(parser, SCOPE_LABEL, name);
    if (scope == NULL)
        parser_refuse(parser, at, "there is no label $%.*s", shown(name),
                      (const char *)name.data);
    node = parser_node(parser, at, NULL, many_break);
    node->number = parser->depth - scope->depth;
    return node;
}

/* ---- patterns */

struct pattern_parser {
    struct pattern_step steps[MAX_STEPS];
    uint32_t step_count;
    uint32_t registers;
    const struct scope *outer; /* variables of the pattern are declared above it */
    uint32_t outer_depth;
};

static struct pattern_step *add_step(struct parser *parser, struct pattern_parser *own,
                                     int kind, uint32_t from)
{
    struct pattern_step *step;

    if (own->step_count == MAX_STEPS)
        parser_refuse(parser, parser->token.at, "a pattern is too long");
    step = &own->steps[own->step_count++];
    *step = (struct pattern_step){.kind = kind, .from = from};
    return step;
}

/* The variable's position among those of the pattern; declares it where it is new. */
static uint32_t pattern_variable(struct parser *parser, struct pattern_parser *own,
                                 struct slice name)
{
    const struct scope *scope = parser->scope;

    for (; scope != own->outer; scope = scope->up)
        if (same_name(scope->name, name))
            return scope->depth - own->outer_depth - 1;
    return parser_declare(parser, SCOPE_VARIABLE, name)->depth - own->outer_depth - 1;
}

static void parse_pattern(struct parser *parser, struct pattern_parser *own,
                          uint32_t from);

static void parse_variable_pattern(struct parser *parser, struct pattern_parser *own,
                                   uint32_t from)
{
    uint32_t position = pattern_variable(parser, own, take_name(parser));

    add_step(parser, own, PATTERN_BIND, from)->to = position;
}

static void parse_array_pattern(struct parser *parser, struct pattern_parser *own,
                                uint32_t from)
{
    uint32_t index = 0;

    do {
        struct pattern_step *step = add_step(parser, own, PATTERN_ITEM, from);
        uint32_t to = ++own->registers;

        step->index = index++;
        step->to = to;
        parse_pattern(parser, own, to);
    } while (lexer_accept(parser, ","));
    lexer_expect(parser, "]");
}

static const struct node *parse_pattern_key(struct parser *parser)
{
    const struct node *key;
    uint32_t at = parser->token.at;

    if (parser->token.kind == TOKEN_WORD) {
        struct slice name = take_name(parser);

        return parser_literal(
            parser, at,
            (struct jv){.kind = JV_STRING, .len = (uint32_t)name.len, .at = name.data});
    }
    if (parser->token.kind == TOKEN_QUOTE)
        return parser_string(parser, 0);
    lexer_expect(parser, "(");
    key = parser_pipe(parser);
    lexer_expect(parser, ")");
    return key;
}

static void parse_member_pattern(struct parser *parser, struct pattern_parser *own,
                                 uint32_t from)
{
    uint32_t bound = parser->depth - own->outer_depth, to, position = UINT32_MAX;
    struct pattern_step *step = add_step(parser, own, PATTERN_KEY, from);
    uint32_t at = parser->token.at;

    to = step->to = ++own->registers;
    step->bound = bound;
    if (parser->token.kind == TOKEN_VAR) {
        struct slice name = take_name(parser);

        step->key = parser_literal(
            parser, at,
            (struct jv){.kind = JV_STRING, .len = (uint32_t)name.len, .at = name.data});
        position = pattern_variable(parser, own, name);
        add_step(parser, own, PATTERN_BIND, to)->to = position;
    } else {
        step->key = parse_pattern_key(parser);
    }
    if (lexer_accept(parser, ":"))
        parse_pattern(parser, own, to);
    else if (position == UINT32_MAX)
        lexer_expect(parser, ":");
}

static void parse_pattern(struct parser *parser, struct pattern_parser *own,
                          uint32_t from)
{
    (void)parser_enter(parser);
    if (parser->token.kind == TOKEN_VAR) {
        parse_variable_pattern(parser, own, from);
    } else if (lexer_accept(parser, "[")) {
        parse_array_pattern(parser, own, from);
    } else {
        lexer_expect(parser, "{");
        do
            parse_member_pattern(parser, own, from);
        while (lexer_accept(parser, ","));
        lexer_expect(parser, "}");
    }
    parser_leave(parser);
}

const struct pattern *parser_patterns(struct parser *parser)
{
    struct pattern_parser *own = parser_alloc(parser, sizeof *own);
    struct pattern *first = NULL, **next = &first, *pattern;

    own->outer = parser->scope;
    own->outer_depth = parser->depth;
    do {
        own->step_count = own->registers = 0;
        parse_pattern(parser, own, 0);
        *next = pattern = parser_alloc(parser, sizeof *pattern);
        next = &pattern->alternative;
        pattern->steps = parser_alloc(parser, own->step_count * sizeof *own->steps);
        memcpy(pattern->steps, own->steps, own->step_count * sizeof *own->steps);
        pattern->step_count = own->step_count;
        pattern->register_count = own->registers + 1;
    } while (lexer_accept(parser, "?//"));
    for (pattern = first; pattern != NULL; pattern = pattern->alternative)
        pattern->variable_count = parser->depth - own->outer_depth;
    first->plain = first->alternative == NULL && first->step_count == 1 &&
                   first->steps[0].kind == PATTERN_BIND;
    return first;
}
