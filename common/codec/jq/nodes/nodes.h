/*
 * The kinds of nodes: the functions that evaluate each. In the comments: which children
 * it has. A child that may be missing is NULL. Those with `one_` are used only where all
 * children that are evaluated for results have `one` themselves.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_NODES_NODES_H
#define OFFLOOP_COMMON_CODEC_JQ_NODES_NODES_H

#include "common/codec/jq/program.h"

/* many of nodes that have one, and whose results are not part of the input. */
many_fn many_of_one;

/* ---- nodes_access.c; number: ACCESS_OPTIONAL where `?` follows, which covers this one
   access and not what it is made to */
#define ACCESS_OPTIONAL 1
one_fn one_identity;
many_fn many_identity;
one_fn one_field; /* a (or the input), value: the name, site */
many_fn many_field;
one_fn one_index; /* a, b: the key */
many_fn many_index;
one_fn one_slice; /* a, b: from, c: to */
many_fn many_slice;
many_fn many_iterate; /* a */
many_fn many_descend; /* `..` */
many_fn many_recurse; /* a: the step */
many_fn many_repeat;  /* a */
many_fn many_getpath; /* a: paths */

/* ---- nodes_build.c */

/* All keys are literals, each another one. */
#define OBJECT_RECORD 1

one_fn one_literal; /* value */
one_fn one_array;   /* a, or none: empty */
many_fn many_array;
one_fn one_object; /* list: key, value, key, value; number: OBJECT_RECORD or 0 */
many_fn many_object;
one_fn one_string; /* list: texts, joined */
many_fn many_string;
one_fn one_format; /* number */
one_fn one_negate; /* a */
many_fn many_negate;
one_fn one_operate; /* a, b; number: the operator */
many_fn many_operate;
one_fn one_compare; /* a, b; number: see enum comparison */
many_fn many_compare;
one_fn one_function; /* list: arguments; function */
many_fn many_function;

enum comparison {
    COMPARE_EQUAL,
    COMPARE_UNEQUAL,
    COMPARE_BELOW,
    COMPARE_AT_MOST,
    COMPARE_ABOVE,
    COMPARE_AT_LEAST
};

/* ---- nodes_flow.c */
one_fn one_pipe; /* a, b */
many_fn many_pipe;
many_fn many_comma;     /* list */
one_fn one_alternative; /* a, b */
many_fn many_alternative;
one_fn one_and; /* a, b; number: 0 and, 1 or */
many_fn many_and;
one_fn one_if; /* a, b, c (or none: the input) */
many_fn many_if;
many_fn many_try;    /* a, b: the handler (or none) */
many_fn many_label;  /* a */
many_fn many_break;  /* number: hops */
one_fn one_variable; /* number: hops */
one_fn one_bind;     /* a, pattern, b */
many_fn many_bind;

/* ---- nodes_folds.c */
one_fn one_reduce; /* a, pattern, b: start, c: update */
many_fn many_reduce;
many_fn many_foreach; /* a, pattern, b: start, c: update, d: extract (or none) */

/* ---- nodes_flow.c, too */
one_fn one_call; /* definition, list: arguments, number: hops to its environment */
many_fn many_call;
many_fn many_closure; /* number: hops */

/* ---- nodes_paths.c */
many_fn many_path;     /* a */
one_fn one_update;     /* a, b */
one_fn one_operate_at; /* a, b; number: the operator, or ASSIGN_ALTERNATIVE */
many_fn many_operate_at;
one_fn one_delete; /* a */

#define ASSIGN_ALTERNATIVE 100
#define ASSIGN_PLAIN       101

/* ---- nodes_loops.c */
many_fn many_empty;
many_fn many_select; /* a */
many_fn many_range;  /* a, b (or none), c (or none) */
many_fn many_first;  /* a */
many_fn many_last;   /* a */
many_fn many_limit;  /* a: how many, b */
many_fn many_skip;   /* a: how many, b */
many_fn many_until;  /* a: condition, b: step */
many_fn many_while;  /* a: condition, b: step */
one_fn one_any;      /* a: generator, b: condition; number: 0 any, 1 all */
one_fn one_is_empty; /* a */
one_fn one_sort_by;  /* a; number: see enum sorting */

enum sorting { SORTING_SORT, SORTING_GROUP, SORTING_UNIQUE, SORTING_MIN, SORTING_MAX };

#endif
