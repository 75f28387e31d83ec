/*
 * A compiled program: a tree of nodes, each with the functions that evaluate it.
 *
 * The parser makes it (parser.c), flow.h says how it is evaluated. All nodes, strings
 * and names lie in the program's own memory and never change after jq_compile(), so that
 * threads may share it. What a run has to remember at a node lies in run->sites.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_PROGRAM_H
#define OFFLOOP_COMMON_CODEC_JQ_PROGRAM_H

#include "common/codec/jq/run.h"

/* Deepest tree, and most nodes. */
#define PROGRAM_MAX_DEPTH 500
#define PROGRAM_MAX_NODES 100000

struct node;
struct env;
struct sink;
struct path;

/* Evaluates a node that gives exactly one result (or fails). Takes the input. Returns a
   enum flow. */
typedef int one_fn(struct jq_run *run, const struct node *node, struct env *env,
                   struct jv in, struct jv *out_r);

/* Evaluates any node: gives each result to the sink. See flow_many(). */
typedef int many_fn(struct jq_run *run, const struct node *node, struct env *env,
                    struct jv in, const struct path *path, struct sink *sink);

/* A built-in function of values: args[0] is the input, all are taken. */
typedef int value_fn(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r);

/* A step of destructuring. */
struct pattern_step {
    enum { PATTERN_BIND, PATTERN_ITEM, PATTERN_KEY } kind;
    uint32_t from;          /* register that is looked at; 0 is the value */
    uint32_t to;            /* ITEM, KEY: register for what is found; BIND: variable */
    uint32_t index;         /* ITEM */
    const struct node *key; /* KEY: evaluated on the input of the whole expression */
    uint32_t bound;         /* KEY: how many of the variables its environment has */
};

/* What stands between `as` and `|`; alternatives bind the same variables. */
struct pattern {
    struct pattern_step *steps;
    uint32_t step_count;
    uint32_t register_count;
    uint32_t variable_count; /* of all alternatives together */
    bool plain;              /* one variable and nothing else */
    struct pattern *alternative;
};

/* A function that the program (or the prelude) defines. */
struct definition {
    const struct node *body;
    uint32_t depth; /* of the environment that it is defined in */
    uint32_t param_count;
    const bool *param_is_value; /* `$x`: evaluated before the call, too */
    bool single;                /* gives exactly one result, whatever its input */
};

/* What is in a, b and the others stands beside the functions in nodes.h. */
struct node {
    one_fn *one; /* NULL where it may give none or several */
    many_fn *many;
    uint32_t at;   /* in the text */
    uint32_t site; /* in run->sites */
    uint32_t count;
    uint32_t number; /* hops, an operator, a format */
    uint16_t depth;
    bool ignores_input;
    const struct node *a, *b, *c, *d;
    const struct node *const *list; /* `count` of them */
    union {
        const struct pattern *pattern;
        const struct definition *definition;
        value_fn *function;
    };
    struct jv value;
};

struct program_chunk {
    struct program_chunk *next;
};

struct jq_program {
    const struct node *root;
    uint32_t site_count;
    uint32_t name_count;
    size_t bytes; /* all of it */
    struct program_chunk *chunks;
};

/* Where names of closures and variables are looked up: an entry is pushed by each
   binding, and lives as long as what is bound in. */
struct env {
    struct env *up;
    union {
        struct jv value;
        struct {
            const struct node *node;
            struct env *env;
        } closure;
        uint64_t label;
    };
};

#endif
