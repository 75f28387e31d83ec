/*
 * How programs are evaluated.
 *
 * An expression of jq gives none, one or many results. Nodes that give exactly one have a
 * function that returns it (flow_one). All have one that gives each result to a sink as
 * it comes (flow_many); what stands right of a `|` is the sink of what stands left. So
 * nothing is collected unless the program says so, and whoever wants no more results says
 * so by what its sink returns.
 *
 * Where a path is asked for (`path(f)`, `f |= g`, `del(f)`) each result comes with the
 * way from the input to it: a list of keys that lies on the stack.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_NODES_FLOW_H
#define OFFLOOP_COMMON_CODEC_JQ_NODES_FLOW_H

#include "common/codec/jq/nodes/nodes.h"
#include "common/codec/jq/raw.h"

enum flow {
    FLOW_OK,
    FLOW_ERROR, /* run->error, which `try` catches */
    FLOW_BREAK, /* to the label run->break_label */
    FLOW_TAIL   /* run->tail is to be evaluated: only flow_many() sees it */
};

/* Takes a result; `path` is NULL where no paths are wanted. */
typedef int sink_fn(struct sink *sink, struct jq_run *run, struct jv value,
                    const struct path *path);

/* The first member of who is waiting for results. */
struct sink {
    sink_fn *take;
};

/* The way to a value, last key first. The first entry of a way has no key. */
struct path {
    const struct path *up;
    struct jv key; /* borrowed: whoever made the entry owns it */
};

/* The path of what is not in the input: it cannot be followed further. */
extern const struct path path_none;

/* The start of all paths. */
extern const struct path path_root;

/* Evaluates a node that has `one`. */
static inline int flow_one(struct jq_run *run, const struct node *node, struct env *env,
                           struct jv in, struct jv *out_r)
{
    run_charge(run, 1);
    return node->one(run, node, env, in, out_r);
}

/* Evaluates any node. */
static inline int flow_many(struct jq_run *run, const struct node *node, struct env *env,
                            struct jv in, const struct path *path, struct sink *sink)
{
    int flow;

    run_charge(run, 1);
    run_check_stack(run);
    flow = node->many(run, node, env, in, path, sink);
    while (flow == FLOW_TAIL) {
        struct run_tail tail = run->tail;

        run_charge(run, 1);
        flow = tail.node->many(run, tail.node, tail.env, tail.in, tail.path, tail.sink);
    }
    return flow;
}

/* `return flow_tail(...)` is as `return flow_many(...)`, but needs no stack while the
   node is evaluated: functions that call themselves last may do so for ever. Only where a
   node's `many` returns it, and nothing of its own frame is handed on. */
static inline int flow_tail(struct jq_run *run, const struct node *node, struct env *env,
                            struct jv in, const struct path *path, struct sink *sink)
{
    run->tail = (struct run_tail){node, env, in, path, sink};
    return FLOW_TAIL;
}

/* Fails with a value; takes it. Returns FLOW_ERROR. */
int flow_fail(struct jq_run *run, const struct node *node, struct jv error);

/* Fails with a message. */
int flow_failf(struct jq_run *run, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A value as messages name it, "number (1)": its text cut where it is long. Borrows. The
   text is good until the run ends. */
const char *flow_describe(struct jq_run *run, struct jv value);

/* The value's JSON text, cut alike. */
const char *flow_show(struct jq_run *run, struct jv value);

/* Fails where values go further whose way is not known. */
int flow_check_path(struct jq_run *run, const struct node *node, struct jv value,
                    const struct path *path);

/* The path as an array. */
struct jv flow_path_array(struct jq_run *run, const struct path *path);

/* The value of an entry some hops up. */
static inline struct env *flow_env(struct env *env, uint32_t hops)
{
    for (; hops > 0; hops--)
        env = env->up;
    return env;
}

/* A copy of the input for one of several that need it, or null where it does not. */
static inline struct jv flow_input_for(const struct node *node, struct jv in)
{
    return node->ignores_input ? jv_null() : jv_ref(in);
}

/* Collects results in an array. */
struct collect_sink {
    struct sink sink;
    struct jv array;
};

/* An empty one. */
struct collect_sink flow_collector(struct jq_run *run);

/* Passes results on whose way from the input is not known. */
struct pathless_sink {
    struct sink sink;
    struct sink *next;
};

/* One that passes on to `next`. */
struct pathless_sink flow_pathless(struct sink *next);

/* Evaluates each of the nodes on the (borrowed) input, all combinations of their results,
   the last outermost; calls `then` for each with args[0 .. count). */
struct product {
    const struct node *const *nodes;
    uint32_t count;
    struct env *env;
    struct jv in;
    struct jv *args; /* of the caller; owned by `then` */
    int (*then)(struct product *product, struct jq_run *run);
};
int flow_product(struct product *product, struct jq_run *run);

/* Destructures a (taken) value; calls `then` with the environment, for each way. */
struct binding {
    const struct pattern *pattern;
    struct env *env;
    struct jv in; /* what expressions in the pattern are evaluated on; borrowed */
    const struct node *node;
    int (*then)(struct binding *binding, struct jq_run *run, struct env *env);
};
int flow_bind(struct binding *binding, struct jq_run *run, struct jv value);

#endif
