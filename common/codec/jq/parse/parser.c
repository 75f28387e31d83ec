#include "common/codec/jq/parse/parser.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/codec/jq/nodes/nodes.h"
#include "common/codec/jq/values.h"

#define CHUNK_BYTES 4096

/* Brackets, pipes and other nesting that the parser follows by calling itself. */
#define MAX_NESTING 400

void parser_refuse(struct parser *parser, size_t offset, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(parser->refusal->reason, sizeof parser->refusal->reason, format, args);
    va_end(args);
    parser->refusal->offset = offset;
    longjmp(parser->leave, 1);
}

void *parser_alloc(struct parser *parser, size_t bytes)
{
    struct program_chunk *chunk;
    void *block;

    bytes = (bytes + 15) & ~(size_t)15;
    if ((size_t)(parser->free_end - parser->free_at) < bytes) {
        size_t chunk_bytes = sizeof *chunk + 16 + bytes;

        if (chunk_bytes < CHUNK_BYTES)
            chunk_bytes = CHUNK_BYTES;
        chunk = calloc(1, chunk_bytes);
        if (chunk == NULL)
            parser_refuse(parser, parser->token.at, "there is no memory for the program");
        chunk->next = parser->program->chunks;
        parser->program->chunks = chunk;
        parser->program->bytes += chunk_bytes;
        parser->free_at = (uint8_t *)chunk + 16;
        parser->free_end = (uint8_t *)chunk + chunk_bytes;
    }
    block = parser->free_at;
    parser->free_at += bytes;
    return block;
}

uint32_t parser_enter(struct parser *parser)
{
    if (++parser->nesting > MAX_NESTING)
        parser_refuse(parser, parser->token.at, "the program is nested too deeply");
    return parser->token.at;
}

void parser_leave(struct parser *parser)
{
    parser->nesting--;
}

struct node *parser_node(struct parser *parser, uint32_t at, one_fn *one, many_fn *many)
{
    struct node *node;

    if (++parser->nodes > PROGRAM_MAX_NODES)
        parser_refuse(parser, at, "the program is too long");
    node = parser_alloc(parser, sizeof *node);
    node->one = one;
    node->many = many;
    node->at = at;
    node->depth = 1;
    node->ignores_input = true;
    return node;
}

void parser_adopt(struct parser *parser, struct node *node, const struct node *child,
                  bool on_input)
{
    if (child == NULL) {
        node->ignores_input = false;
        return;
    }
    if (child->depth >= node->depth)
        node->depth = child->depth + 1;
    if (node->depth > PROGRAM_MAX_DEPTH)
        parser_refuse(parser, node->at, "the program is nested too deeply");
    if (on_input && !child->ignores_input)
        node->ignores_input = false;
}

const struct node *const *parser_list(struct parser *parser,
                                      const struct node *const *nodes, uint32_t count)
{
    const struct node **copy = parser_alloc(parser, count * sizeof(struct node *) + 1);

    memcpy(copy, nodes, count * sizeof *copy);
    return copy;
}

const struct node *parser_literal(struct parser *parser, uint32_t at, struct jv value)
{
    struct node *node = parser_node(parser, at, one_literal, many_of_one);

    node->value = value;
    return node;
}

/* ---- operators */

enum level {
    LEVEL_PIPE,
    LEVEL_COMMA,
    LEVEL_ALTERNATIVE,
    LEVEL_ASSIGN,
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_COMPARE,
    LEVEL_SUM,
    LEVEL_PRODUCT,
    LEVEL_TERM
};

enum binary {
    BINARY_PIPE,
    BINARY_COMMA,
    BINARY_ALTERNATIVE,
    BINARY_ASSIGN,
    BINARY_UPDATE,
    BINARY_OPERATE_AT,
    BINARY_AND,
    BINARY_COMPARE,
    BINARY_OPERATE
};

static const struct infix {
    const char *text;
    uint8_t level;
    uint8_t binary;
    uint32_t number;
} infixes[] = {
    {"|", LEVEL_PIPE, BINARY_PIPE, 0},
    {",", LEVEL_COMMA, BINARY_COMMA, 0},
    {"//", LEVEL_ALTERNATIVE, BINARY_ALTERNATIVE, 0},
    {"=", LEVEL_ASSIGN, BINARY_ASSIGN, ASSIGN_PLAIN},
    {"|=", LEVEL_ASSIGN, BINARY_UPDATE, 0},
    {"+=", LEVEL_ASSIGN, BINARY_OPERATE_AT, OPERATION_ADD},
    {"-=", LEVEL_ASSIGN, BINARY_OPERATE_AT, OPERATION_SUBTRACT},
    {"*=", LEVEL_ASSIGN, BINARY_OPERATE_AT, OPERATION_MULTIPLY},
    {"/=", LEVEL_ASSIGN, BINARY_OPERATE_AT, OPERATION_DIVIDE},
    {"%=", LEVEL_ASSIGN, BINARY_OPERATE_AT, OPERATION_MODULO},
    {"//=", LEVEL_ASSIGN, BINARY_OPERATE_AT, ASSIGN_ALTERNATIVE},
    {"or", LEVEL_OR, BINARY_AND, 1},
    {"and", LEVEL_AND, BINARY_AND, 0},
    {"==", LEVEL_COMPARE, BINARY_COMPARE, COMPARE_EQUAL},
    {"!=", LEVEL_COMPARE, BINARY_COMPARE, COMPARE_UNEQUAL},
    {"<", LEVEL_COMPARE, BINARY_COMPARE, COMPARE_BELOW},
    {"<=", LEVEL_COMPARE, BINARY_COMPARE, COMPARE_AT_MOST},
    {">", LEVEL_COMPARE, BINARY_COMPARE, COMPARE_ABOVE},
    {">=", LEVEL_COMPARE, BINARY_COMPARE, COMPARE_AT_LEAST},
    {"+", LEVEL_SUM, BINARY_OPERATE, OPERATION_ADD},
    {"-", LEVEL_SUM, BINARY_OPERATE, OPERATION_SUBTRACT},
    {"*", LEVEL_PRODUCT, BINARY_OPERATE, OPERATION_MULTIPLY},
    {"/", LEVEL_PRODUCT, BINARY_OPERATE, OPERATION_DIVIDE},
    {"%", LEVEL_PRODUCT, BINARY_OPERATE, OPERATION_MODULO},
};

/* How each is evaluated; `one` is for two sides that have one, ALWAYS for any. */
static const struct evaluation {
    one_fn *one;
    many_fn *many;
    bool always;
} evaluations[] = {
    [BINARY_PIPE] = {one_pipe, many_pipe, false},
    [BINARY_ALTERNATIVE] = {one_alternative, many_alternative, false},
    [BINARY_ASSIGN] = {one_operate_at, many_operate_at, false},
    [BINARY_UPDATE] = {one_update, many_of_one, true},
    [BINARY_OPERATE_AT] = {one_operate_at, many_operate_at, false},
    [BINARY_AND] = {one_and, many_and, false},
    [BINARY_COMPARE] = {one_compare, many_compare, false},
    [BINARY_OPERATE] = {one_operate, many_operate, false},
};

static const struct infix *infix_next(const struct parser *parser)
{
    if (parser->token.kind != TOKEN_MARK && parser->token.kind != TOKEN_WORD)
        return NULL;
    for (size_t i = 0; i < sizeof infixes / sizeof infixes[0]; i++)
        if (lexer_is(parser, infixes[i].text))
            return &infixes[i];
    return NULL;
}

static const struct node *join(struct parser *parser, const struct infix *infix,
                               uint32_t at, const struct node *a, const struct node *b)
{
    const struct evaluation *how = &evaluations[infix->binary];
    bool updates = infix->level == LEVEL_ASSIGN;
    bool single = how->always || ((updates || a->one != NULL) && b->one != NULL);
    struct node *node = parser_node(parser, at, single ? how->one : NULL,
                                    single && updates ? many_of_one : how->many);

    node->a = a;
    node->b = b;
    node->number = infix->number;
    parser_adopt(parser, node, a, true);
    parser_adopt(parser, node, b, infix->binary != BINARY_PIPE);
    if (updates)
        node->ignores_input = false;
    return node;
}

static const struct node *parse_level(struct parser *parser, enum level level);

/* The rest of a, b, c ... behind its first. */
static const struct node *parse_commas(struct parser *parser, const struct node *first)
{
    const struct node *some[64], *const *list;
    struct node *comma;
    uint32_t count = 0;

    some[count++] = first;
    while (count < 64 && lexer_accept(parser, ","))
        some[count++] = parse_level(parser, LEVEL_ALTERNATIVE);
    list = parser_list(parser, some, count);
    comma = parser_node(parser, first->at, NULL, many_comma);
    comma->list = list;
    comma->count = count;
    for (uint32_t i = 0; i < count; i++)
        parser_adopt(parser, comma, list[i], true);
    return comma;
}

/* The right side: of `|` and `//` all that follows on the same level is part of it. */
static const struct node *parse_right(struct parser *parser, const struct infix *infix)
{
    bool to_the_right =
        infix->binary == BINARY_PIPE || infix->binary == BINARY_ALTERNATIVE;
    const struct node *right;

    (void)parser_enter(parser);
    right = infix->binary == BINARY_PIPE
                ? parser_pipe(parser)
                : parse_level(parser, infix->level + !to_the_right);
    parser_leave(parser);
    return right;
}

static bool takes_no_second(enum level level)
{
    return level == LEVEL_ASSIGN || level == LEVEL_COMPARE;
}

/* Operators of this level and above. */
static const struct node *parse_level(struct parser *parser, enum level level)
{
    const struct node *left = parser_postfix(parser);
    const struct infix *infix;
    int last = -1;

    while ((infix = infix_next(parser)) != NULL && infix->level >= level) {
        uint32_t at = parser->token.at;

        if (infix->level == last && takes_no_second(infix->level))
            parser_refuse(parser, at, "'%s' needs brackets here", infix->text);
        last = infix->level;
        if (infix->binary == BINARY_COMMA) {
            left = parse_commas(parser, left);
            continue;
        }
        lexer_advance(parser);
        left = join(parser, infix, at, left, parse_right(parser, infix));
    }
    return left;
}

static const struct node *parse_definitions(struct parser *parser)
{
    struct scope *scope = parser->scope;
    uint32_t depth = parser->depth;
    const struct node *body;

    (void)parser_enter(parser);
    parser_definition(parser);
    body = parser_pipe(parser);
    parser_leave(parser);
    parser_forget(parser, scope, depth);
    return body;
}

const struct node *parser_pipe(struct parser *parser)
{
    bool before_as = parser->before_as;
    const struct node *pipe;

    parser->before_as = false;
    pipe = lexer_is(parser, "def") ? parse_definitions(parser)
                                   : parse_level(parser, LEVEL_PIPE);
    parser->before_as = before_as;
    return pipe;
}

const struct node *parser_fold_source(struct parser *parser)
{
    bool before_as = parser->before_as;
    const struct node *source;

    parser->before_as = true;
    source = parse_level(parser, LEVEL_ALTERNATIVE);
    parser->before_as = before_as;
    return source;
}

const struct node *parser_value(struct parser *parser)
{
    const struct node *left = parse_level(parser, LEVEL_ALTERNATIVE);

    if (lexer_is(parser, "|")) {
        uint32_t at = parser->token.at;

        lexer_advance(parser);
        (void)parser_enter(parser);
        left = join(parser, &infixes[0], at, left, parser_value(parser));
        parser_leave(parser);
    }
    return left;
}

/* ---- the whole */

static void declare_names(struct parser *parser, const struct slice *names, size_t count)
{
    struct slice text;
    uint8_t *copy;

    for (size_t i = 0; i < count; i++) {
        copy = parser_alloc(parser, names[i].len + 1);
        memcpy(copy, names[i].data, names[i].len);
        text = (struct slice){copy, names[i].len};
        (void)parser_declare(parser, SCOPE_VARIABLE, text);
    }
}

static void parse_program(struct parser *parser, const struct slice *names, size_t count)
{
    size_t len = (size_t)(parser->end - parser->start);

    if (len > JQ_MAX_TEXT_BYTES)
        parser_refuse(parser, JQ_MAX_TEXT_BYTES, "the program is longer than %d bytes",
                      JQ_MAX_TEXT_BYTES);
    if (count > JQ_MAX_NAMES)
        parser_refuse(parser, 0, "there are more than %d arguments", JQ_MAX_NAMES);
    declare_names(parser, names, count);
    lexer_advance(parser);
    if (parser->token.kind == TOKEN_END) { /* nothing but comments: the input itself */
        parser->program->root = parser_node(parser, 0, one_identity, many_identity);
        return;
    }
    parser->program->root = parser_pipe(parser);
    if (parser->token.kind != TOKEN_END)
        parser_refuse(parser, parser->token.at,
                      "the program could end here, but more follows");
}

struct jq_program *jq_compile(struct slice text, const struct slice *names, size_t count,
                              struct jq_refusal *refusal_r)
{
    static const uint8_t nothing[1];
    struct parser parser = {.refusal = refusal_r};
    struct jq_program *program = calloc(1, sizeof *program);

    *refusal_r = (struct jq_refusal){0, "there is no memory for the program"};
    if (program == NULL)
        return NULL;
    program->bytes = sizeof *program;
    program->name_count = (uint32_t)count;
    parser.program = program;
    parser.start = parser.next = text.len > 0 ? text.data : nothing;
    parser.end = parser.start + text.len;
    if (setjmp(parser.leave) != 0) {
        jq_destroy(&parser.program);
        return NULL;
    }
    parse_program(&parser, names, count);
    refusal_r->reason[0] = 0;
    return parser.program;
}

void jq_destroy(struct jq_program **program)
{
    struct program_chunk *next;

    if (*program == NULL)
        return;
    for (struct program_chunk *chunk = (*program)->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(*program);
    *program = NULL;
}

size_t jq_program_bytes(const struct jq_program *program)
{
    return program->bytes;
}
