/* reduce and foreach. */
#include "common/codec/jq/nodes/flow.h"

struct fold_sink {
    struct sink sink;
    struct sink *next; /* foreach: of its results */
    const struct node *node;
    struct env *env;
    struct jv in;
    struct jv state;
    struct env *bound;       /* foreach: with the variables */
    const struct path *path; /* foreach */
};

struct fold_binding {
    struct binding binding;
    struct fold_sink *own;
};

static int keep_last(struct sink *sink, struct jq_run *run, struct jv value,
                     const struct path *path)
{
    struct fold_sink *own = (struct fold_sink *)sink;

    (void)path;
    jv_drop(run, own->state);
    own->state = value;
    return FLOW_OK;
}

/* The state is handed over, so that the update may change it in place. */
static int update_state(struct binding *binding, struct jq_run *run, struct env *env)
{
    struct fold_sink *own = ((struct fold_binding *)binding)->own;
    struct fold_sink last = {.sink = {keep_last}, .state = jv_null()};
    struct jv state = own->state;
    int flow;

    own->state = jv_null();
    if (own->node->c->one != NULL)
        return flow_one(run, own->node->c, env, state, &own->state);
    flow = flow_many(run, own->node->c, env, state, NULL, &last.sink);
    own->state = last.state;
    return flow;
}

static int fold(struct sink *sink, struct jq_run *run, struct jv value,
                const struct path *path)
{
    struct fold_sink *own = (struct fold_sink *)sink;
    struct fold_binding update = {
        {own->node->pattern, own->env, own->in, own->node, update_state}, own};

    (void)path;
    return flow_bind(&update.binding, run, value);
}

int one_reduce(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               struct jv *out_r)
{
    struct fold_sink own = {.sink = {fold}, .node = node, .env = env, .in = in};
    int flow = flow_one(run, node->b, env, flow_input_for(node->b, in), &own.state);

    if (flow == FLOW_OK)
        flow = flow_many(run, node->a, env, jv_ref(in), NULL, &own.sink);
    *out_r = own.state;
    jv_drop(run, in);
    return flow;
}

/* A start with several results: a reduce or foreach for each. */
static int reduce_from(struct sink *sink, struct jq_run *run, struct jv start,
                       const struct path *path)
{
    struct fold_sink *outer = (struct fold_sink *)sink;
    struct fold_sink own = *outer;
    int flow;

    own.sink.take = fold;
    own.state = start;
    flow = flow_many(run, own.node->a, own.env, jv_ref(own.in), NULL, &own.sink);
    return flow != FLOW_OK ? flow : own.next->take(own.next, run, own.state, path);
}

int many_reduce(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, const struct path *path, struct sink *sink)
{
    struct fold_sink own = {
        .sink = {reduce_from}, .next = sink, .node = node, .env = env, .in = in};
    struct pathless_sink pathless = flow_pathless(sink);

    if (path != NULL)
        own.next = &pathless.sink;
    return flow_many(run, node->b, env, jv_ref(in), NULL, &own.sink);
}

/* The update's result is the state and what is extracted from. */
static int take_state(struct sink *sink, struct jq_run *run, struct jv value,
                      const struct path *path)
{
    struct fold_sink *own = (struct fold_sink *)sink;

    (void)path;
    jv_drop(run, own->state);
    own->state = jv_ref(value);
    if (own->node->d == NULL)
        return own->next->take(own->next, run, value, own->path);
    return flow_many(run, own->node->d, own->bound, value, own->path, own->next);
}

static int foreach_update(struct binding *binding, struct jq_run *run, struct env *env)
{
    struct fold_sink *own = ((struct fold_binding *)binding)->own;
    struct fold_sink each = *own;
    int flow;

    each.sink.take = take_state;
    each.bound = env;
    each.state = jv_null();
    flow = flow_many(run, own->node->c, env, jv_ref(own->state), NULL, &each.sink);
    jv_drop(run, own->state);
    own->state = each.state; /* null where the update gave nothing */
    return flow;
}

static int foreach_item(struct sink *sink, struct jq_run *run, struct jv value,
                        const struct path *path)
{
    struct fold_sink *own = (struct fold_sink *)sink;
    struct fold_binding update = {
        {own->node->pattern, own->env, own->in, own->node, foreach_update}, own};

    (void)path;
    return flow_bind(&update.binding, run, value);
}

static int foreach_from(struct sink *sink, struct jq_run *run, struct jv start,
                        const struct path *path)
{
    struct fold_sink own = *(struct fold_sink *)sink;

    (void)path;
    own.sink.take = foreach_item;
    own.state = start;
    return flow_many(run, own.node->a, own.env, jv_ref(own.in), NULL, &own.sink);
}

int many_foreach(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, const struct path *path, struct sink *sink)
{
    struct fold_sink own = {.sink = {foreach_from},
                            .next = sink,
                            .node = node,
                            .env = env,
                            .in = in,
                            .path = path == NULL ? NULL : &path_none};

    return flow_many(run, node->b, env, jv_ref(in), NULL, &own.sink);
}
