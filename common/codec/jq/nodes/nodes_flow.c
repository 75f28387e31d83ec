/* Nodes that say what is evaluated when: | , // and if try label as reduce def. */
#include "common/codec/jq/nodes/flow.h"
#include "common/codec/jq/values.h"

/* A sink that goes on with another node. */
struct next_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    struct env *env;
    struct jv in;
    bool found;
    bool beyond; /* what failed is not what is being tried, but what follows it */
};

/* ---- | and , */

int one_pipe(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
             struct jv *out_r)
{
    int flow = flow_one(run, node->a, env, in, &in);

    return flow != FLOW_OK ? flow : flow_one(run, node->b, env, in, out_r);
}

static int pipe_on(struct sink *sink, struct jq_run *run, struct jv value,
                   const struct path *path)
{
    struct next_sink *own = (struct next_sink *)sink;

    return flow_many(run, own->node->b, own->env, value, path, own->next);
}

static int pipe_on_one(struct sink *sink, struct jq_run *run, struct jv value,
                       const struct path *path)
{
    struct next_sink *own = (struct next_sink *)sink;
    int flow = flow_one(run, own->node->b, own->env, value, &value);

    (void)path;
    return flow != FLOW_OK ? flow : own->next->take(own->next, run, value, NULL);
}

int many_pipe(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              const struct path *path, struct sink *sink)
{
    struct next_sink own = {.sink = {pipe_on}, .next = sink, .node = node, .env = env};

    if (path == NULL && node->a->one != NULL) {
        int flow = flow_one(run, node->a, env, in, &in);

        return flow != FLOW_OK ? flow : flow_tail(run, node->b, env, in, NULL, sink);
    }
    if (path == NULL && node->b->one != NULL)
        own.sink.take = pipe_on_one;
    return flow_many(run, node->a, env, in, path, &own.sink);
}

int many_comma(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    int flow = FLOW_OK;

    for (uint32_t i = 0; i < node->count && flow == FLOW_OK; i++)
        flow = flow_many(run, node->list[i], env, i + 1 < node->count ? jv_ref(in) : in,
                         path, sink);
    return flow;
}

/* ---- // */

int one_alternative(struct jq_run *run, const struct node *node, struct env *env,
                    struct jv in, struct jv *out_r)
{
    int flow = flow_one(run, node->a, env, flow_input_for(node->a, in), out_r);

    if (flow != FLOW_OK || jv_is_true(*out_r)) {
        jv_drop(run, in);
        return flow;
    }
    return flow_one(run, node->b, env, in, out_r);
}

static int take_if_true(struct sink *sink, struct jq_run *run, struct jv value,
                        const struct path *path)
{
    struct next_sink *own = (struct next_sink *)sink;

    if (!jv_is_true(value))
        return FLOW_OK;
    own->found = true;
    return own->next->take(own->next, run, value, path);
}

int many_alternative(struct jq_run *run, const struct node *node, struct env *env,
                     struct jv in, const struct path *path, struct sink *sink)
{
    struct next_sink own = {.sink = {take_if_true}, .next = sink};
    int flow = flow_many(run, node->a, env, jv_ref(in), path, &own.sink);

    if (flow != FLOW_OK || own.found) {
        jv_drop(run, in);
        return flow;
    }
    return flow_tail(run, node->b, env, in, path, sink);
}

/* ---- and, or */

/* True where the left side alone decides. */
static bool is_decided(const struct node *node, struct jv left)
{
    return jv_is_true(left) == (node->number == 1);
}

int one_and(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
            struct jv *out_r)
{
    struct jv side;
    int flow = flow_one(run, node->a, env, flow_input_for(node->a, in), &side);

    if (flow != FLOW_OK)
        return flow;
    if (is_decided(node, side)) {
        jv_drop(run, side);
        jv_drop(run, in);
        *out_r = jv_bool(node->number == 1);
        return FLOW_OK;
    }
    flow = flow_one(run, node->b, env, in, &side);
    *out_r = jv_bool(flow == FLOW_OK && jv_is_true(side));
    if (flow == FLOW_OK)
        jv_drop(run, side);
    return flow;
}

static int take_right(struct sink *sink, struct jq_run *run, struct jv value,
                      const struct path *path)
{
    struct next_sink *own = (struct next_sink *)sink;
    bool result = jv_is_true(value);

    jv_drop(run, value);
    return own->next->take(own->next, run, jv_bool(result), path);
}

static int take_left(struct sink *sink, struct jq_run *run, struct jv value,
                     const struct path *path)
{
    struct next_sink *own = (struct next_sink *)sink;
    struct next_sink right = {.sink = {take_right}, .next = own->next};

    (void)path;
    if (is_decided(own->node, value))
        return own->next->take(own->next, run, jv_bool(own->node->number == 1), NULL);
    return flow_many(run, own->node->b, own->env, jv_ref(own->in), NULL, &right.sink);
}

int many_and(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
             const struct path *path, struct sink *sink)
{
    struct pathless_sink pathless = flow_pathless(sink);
    struct next_sink own = {.sink = {take_left},
                            .next = path != NULL ? &pathless.sink : sink,
                            .node = node,
                            .env = env,
                            .in = in};

    return flow_many(run, node->a, env, jv_ref(in), NULL, &own.sink);
}

/* ---- if */

int one_if(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
           struct jv *out_r)
{
    const struct node *branch;
    struct jv condition;
    int flow = flow_one(run, node->a, env, flow_input_for(node->a, in), &condition);

    if (flow != FLOW_OK)
        return flow;
    branch = jv_is_true(condition) ? node->b : node->c;
    jv_drop(run, condition);
    if (branch != NULL)
        return flow_one(run, branch, env, in, out_r);
    *out_r = in;
    return FLOW_OK;
}

struct if_sink {
    struct next_sink next;
    const struct path *path;
};

static int branch_on(struct sink *sink, struct jq_run *run, struct jv value,
                     const struct path *path)
{
    struct if_sink *own = (struct if_sink *)sink;
    const struct node *node = own->next.node;
    const struct node *branch = jv_is_true(value) ? node->b : node->c;
    struct jv in = jv_ref(own->next.in);

    (void)path;
    jv_drop(run, value);
    if (branch == NULL)
        return own->next.next->take(own->next.next, run, in, own->path);
    return flow_many(run, branch, own->next.env, in, own->path, own->next.next);
}

int many_if(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
            const struct path *path, struct sink *sink)
{
    struct if_sink own = {
        {.sink = {branch_on}, .next = sink, .node = node, .env = env, .in = in}, path};
    struct jv condition;
    int flow;

    if (node->a->one == NULL) {
        flow = flow_many(run, node->a, env, jv_ref(in), NULL, &own.next.sink);
        jv_drop(run, in);
        return flow;
    }
    flow = flow_one(run, node->a, env, flow_input_for(node->a, in), &condition);
    if (flow != FLOW_OK)
        return flow;
    node = jv_is_true(condition) ? node->b : node->c;
    jv_drop(run, condition);
    return node == NULL ? sink->take(sink, run, in, path)
                        : flow_tail(run, node, env, in, path, sink);
}

/* ---- try, label */

static int pass_on(struct sink *sink, struct jq_run *run, struct jv value,
                   const struct path *path)
{
    struct next_sink *own = (struct next_sink *)sink;
    int flow = own->next->take(own->next, run, value, path);

    if (flow != FLOW_OK)
        own->beyond = true;
    return flow;
}

int many_try(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
             const struct path *path, struct sink *sink)
{
    struct next_sink own = {.sink = {pass_on}, .next = sink};
    int flow = flow_many(run, node->a, env, in, path, &own.sink);

    if (flow != FLOW_ERROR || own.beyond)
        return flow;
    if (node->b == NULL) {
        jv_drop(run, run->error);
        return FLOW_OK;
    }
    return flow_many(run, node->b, env, run->error, path == NULL ? NULL : &path_none,
                     sink);
}

int many_label(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    struct env entry = {.up = env, .label = ++run->last_label};
    int flow = flow_many(run, node->a, &entry, in, path, sink);

    return flow == FLOW_BREAK && run->break_label == entry.label ? FLOW_OK : flow;
}

int many_break(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    (void)path, (void)sink;
    jv_drop(run, in);
    run->break_label = flow_env(env, node->number)->label;
    return FLOW_BREAK;
}

/* ---- as */

int one_variable(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, struct jv *out_r)
{
    jv_drop(run, in);
    *out_r = jv_ref(flow_env(env, node->number)->value);
    return FLOW_OK;
}

int one_bind(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
             struct jv *out_r)
{
    struct env entry = {.up = env};
    int flow = flow_one(run, node->a, env, flow_input_for(node->a, in), &entry.value);

    if (flow != FLOW_OK)
        return flow;
    flow = flow_one(run, node->b, &entry, in, out_r);
    jv_drop(run, entry.value);
    return flow;
}

struct bind_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    struct env *env;
    struct jv in;
    const struct path *path;
};

struct body_binding {
    struct binding binding;
    struct bind_sink *own;
};

static int evaluate_body(struct binding *binding, struct jq_run *run, struct env *env)
{
    struct bind_sink *own = ((struct body_binding *)binding)->own;

    return flow_many(run, own->node->b, env, jv_ref(own->in), own->path, own->next);
}

static int bind(struct sink *sink, struct jq_run *run, struct jv value,
                const struct path *path)
{
    struct bind_sink *own = (struct bind_sink *)sink;
    struct body_binding body = {
        {own->node->pattern, own->env, own->in, own->node, evaluate_body}, own};

    (void)path;
    return flow_bind(&body.binding, run, value);
}

int many_bind(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              const struct path *path, struct sink *sink)
{
    struct bind_sink own = {{bind}, sink, node, env, in, path};
    int flow = flow_many(run, node->a, env, jv_ref(in), NULL, &own.sink);

    jv_drop(run, in);
    return flow;
}

/* ---- calls */

/* Room for the entries that a call adds: each parameter as a function and a variable. */
static size_t entries_bytes(const struct node *node)
{
    return (2 * node->count + 1) * sizeof(struct env);
}

/* The environment of the body with all parameters as functions. */
static struct env *push_closures(const struct node *node, struct env *env,
                                 struct env *entries)
{
    struct env *top = flow_env(env, node->number);

    for (uint32_t i = 0; i < node->count; i++) {
        entries[i].up = top;
        entries[i].closure.node = node->list[i];
        entries[i].closure.env = env;
        top = &entries[i];
    }
    return top;
}

int one_call(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
             struct jv *out_r)
{
    const struct definition *definition = node->definition;
    struct env *entries, *top;
    uint32_t count = node->count;
    int flow = FLOW_OK;

    run_check_stack(run);
    entries = pool_alloc(run, entries_bytes(node));
    top = push_closures(node, env, entries);
    for (uint32_t i = 0; i < node->count && flow == FLOW_OK; i++) {
        if (!definition->param_is_value[i])
            continue;
        entries[count].up = top;
        flow = flow_one(run, node->list[i], env, flow_input_for(node->list[i], in),
                        &entries[count].value);
        top = &entries[count++];
    }
    if (flow == FLOW_OK)
        flow = flow_one(run, definition->body, top, in, out_r);
    while (flow == FLOW_OK && count > node->count)
        jv_drop(run, entries[--count].value);
    pool_free(run, entries, entries_bytes(node));
    return flow;
}

struct call_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    struct env *env; /* of the caller */
    struct env *top; /* of the body, so far */
    struct jv in;
    const struct path *path;
    uint32_t param; /* the one that is being evaluated */
};

/* Evaluates the parameters with a `$` from there on, one inside the other, then the
   body. */
static int call_from(struct call_sink *own, struct jq_run *run, uint32_t param);

static int take_argument(struct sink *sink, struct jq_run *run, struct jv value,
                         const struct path *path)
{
    struct call_sink own = *(struct call_sink *)sink;
    struct env entry = {.up = own.top, .value = value};
    int flow;

    (void)path;
    own.top = &entry;
    flow = call_from(&own, run, own.param + 1);
    jv_drop(run, value);
    return flow;
}

static int call_from(struct call_sink *own, struct jq_run *run, uint32_t param)
{
    const struct definition *definition = own->node->definition;

    while (param < own->node->count && !definition->param_is_value[param])
        param++;
    if (param == own->node->count)
        return flow_many(run, definition->body, own->top, jv_ref(own->in), own->path,
                         own->next);
    own->param = param;
    return flow_many(run, own->node->list[param], own->env, jv_ref(own->in), NULL,
                     &own->sink);
}

int many_call(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              const struct path *path, struct sink *sink)
{
    struct env *entries;
    struct call_sink own = {.sink = {take_argument},
                            .next = sink,
                            .node = node,
                            .env = env,
                            .in = in,
                            .path = path};
    int flow;

    if (node->count == 0)
        return flow_tail(run, node->definition->body, flow_env(env, node->number), in,
                         path, sink);
    entries = pool_alloc(run, entries_bytes(node));
    own.top = push_closures(node, env, entries);
    flow = call_from(&own, run, 0);
    pool_free(run, entries, entries_bytes(node));
    jv_drop(run, in);
    return flow;
}

int many_closure(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, const struct path *path, struct sink *sink)
{
    struct env *entry = flow_env(env, node->number);

    return flow_tail(run, entry->closure.node, entry->closure.env, in, path, sink);
}
