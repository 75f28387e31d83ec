/*
 * From text to nodes: what the parser's files share.
 *
 * One pass: names are looked up as they are read, because jq wants them defined before.
 * A parser lives on the stack of jq_compile(). A text that is no program leaves by
 * parser_refuse(), back to there; all memory is the program's and freed with it.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_PARSE_PARSER_H
#define OFFLOOP_COMMON_CODEC_JQ_PARSE_PARSER_H

#include "common/codec/jq/program.h"

enum token_kind {
    TOKEN_END,
    TOKEN_FIELD,  /* .name; text is the name */
    TOKEN_WORD,   /* a name or keyword */
    TOKEN_VAR,    /* $name; text is the name */
    TOKEN_FORMAT, /* @name; text has the @ */
    TOKEN_NUMBER,
    TOKEN_QUOTE, /* the start of a string, which the parser reads on */
    TOKEN_MARK   /* text is the operator or bracket */
};

struct token {
    enum token_kind kind;
    uint32_t at;
    struct slice text;
};

/* A name that can be used here. */
struct scope {
    struct scope *up;
    enum { SCOPE_VARIABLE, SCOPE_CLOSURE, SCOPE_LABEL, SCOPE_FUNCTION } kind;
    struct slice name;
    uint32_t arity; /* FUNCTION */
    uint32_t depth; /* of the environment with its entry; FUNCTION: where it is defined */
    struct definition *definition;
};

/* A function of the prelude that this program uses. */
struct used {
    struct used *next;
    const char *name;
    uint32_t arity;
    struct definition *definition;
};

struct parser {
    struct jq_program *program;
    uint8_t *free_at, *free_end; /* of the newest chunk */
    const uint8_t *start, *end, *next;
    struct token token; /* the next one */
    struct scope *scope;
    uint32_t depth; /* entries of the environment here */
    unsigned nesting;
    bool before_as; /* an `as` that comes now belongs to reduce or foreach */
    uint32_t nodes;
    bool in_prelude;
    uint32_t prelude_at; /* where the program calls what is being read of the prelude */
    struct used *used;
    struct jq_refusal *refusal;
    jmp_buf leave;
};

/* ---- lexer.c */

/* Reads the next token into parser->token. */
void lexer_advance(struct parser *parser);

/* True where the next token is that mark or word. */
bool lexer_is(const struct parser *parser, const char *text);

/* Passes it if it is next; says whether. */
bool lexer_accept(struct parser *parser, const char *text);

/* Passes it, or refuses the program. */
void lexer_expect(struct parser *parser, const char *text);

/* The bytes of a string up to its end or to `\(`, decoded; parser->next stands behind
   its opening quote or a closing `)`. *more_r: an expression follows. */
struct jv lexer_string_part(struct parser *parser, bool *more_r);

/* True for the words that cannot be functions. */
bool lexer_is_keyword(struct slice word);

/* ---- parser.c */

/* Refuses the program. */
void parser_refuse(struct parser *parser, size_t offset, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

/* Memory of the program, zeroed. */
void *parser_alloc(struct parser *parser, size_t bytes);

/* A new node that stands at `at`. */
struct node *parser_node(struct parser *parser, uint32_t at, one_fn *one, many_fn *many);

/* Notes that `child` is part of the node, and evaluated on its input where `on_input`. */
void parser_adopt(struct parser *parser, struct node *node, const struct node *child,
                  bool on_input);

/* A copy of a list of nodes. */
const struct node *const *parser_list(struct parser *parser,
                                      const struct node *const *nodes, uint32_t count);

/* `a | b` with all that binds tighter. */
const struct node *parser_pipe(struct parser *parser);

/* Only what may stand as an object's value: no comma. */
const struct node *parser_value(struct parser *parser);

/* What may stand between `reduce` or `foreach` and `as`. */
const struct node *parser_fold_source(struct parser *parser);

/* What may stand behind `try`. */
const struct node *parser_postfix(struct parser *parser);

/* Notes one more level of brackets and the like; refuses too many. Returns the offset. */
uint32_t parser_enter(struct parser *parser);
void parser_leave(struct parser *parser);

/* A literal. */
const struct node *parser_literal(struct parser *parser, uint32_t at, struct jv value);

/* ---- parser_terms.c */

/* A term without what may follow it, `.a` of `.a.b`. */
const struct node *parser_term(struct parser *parser);

/* A term with `.a`, `[b]` and `?` behind it, but no `as`. */
const struct node *parser_source(struct parser *parser);

/* The next token's text, copied to the program: what the caller gave need not last. */
struct jv parser_copied_text(struct parser *parser);

/* A string with its interpolations; the token is its quote. */
const struct node *parser_string(struct parser *parser, uint32_t format);

/* ---- parser_control.c; each begins with its word */
const struct node *parser_if(struct parser *parser);
const struct node *parser_try(struct parser *parser);
const struct node *parser_label(struct parser *parser);

/* reduce or foreach. */
const struct node *parser_fold(struct parser *parser, bool is_reduce);

/* ---- parser_names.c */

/* `def name(params): body;`, up to its semicolon. */
void parser_definition(struct parser *parser);

/* A call of a function; the token is its name. */
const struct node *parser_call(struct parser *parser);

/* $name; the token is it. */
const struct node *parser_variable(struct parser *parser);

/* Makes a name known. VARIABLE, CLOSURE, LABEL take an entry of the environment. */
struct scope *parser_declare(struct parser *parser, int kind, struct slice name);

/* Forgets the names declared since. */
void parser_forget(struct parser *parser, struct scope *scope, uint32_t depth);

/* `break $name`, behind the word. */
const struct node *parser_break(struct parser *parser, uint32_t at);

/* The patterns behind `as`; declares their variables. */
const struct pattern *parser_patterns(struct parser *parser);

/* ---- builtins.c */

/* A node for a call of what is built in; NULL where nothing is. */
struct node *builtin_call(struct parser *parser, uint32_t at, struct slice name,
                          const struct node *const *args, uint32_t count);

/* Refuses with the reason where the name is one of those that are left out. */
void builtin_refuse(struct parser *parser, uint32_t at, struct slice name);

/* The text of a function of the prelude; NULL where there is none. */
const char *prelude_find(struct slice name, uint32_t arity, const char **name_r);

#endif
