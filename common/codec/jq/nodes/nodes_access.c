/* Nodes that look into values: .a, .[b], .[c:d], .[], .., getpath. */
#include "common/codec/jq/nodes/flow.h"
#include "common/codec/jq/values.h"

int one_identity(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, struct jv *out_r)
{
    (void)run, (void)node, (void)env;
    *out_r = in;
    return FLOW_OK;
}

int many_identity(struct jq_run *run, const struct node *node, struct env *env,
                  struct jv in, const struct path *path, struct sink *sink)
{
    (void)node, (void)env;
    return sink->take(sink, run, in, path);
}

/* ---- .name */

static int get_field(struct jq_run *run, const struct node *node, struct jv in,
                     struct jv *out_r)
{
    if (in.kind == JV_RAW_OBJECT) {
        *out_r = raw_member(run, in, jv_slice(node->value), &run->sites[node->site]);
        return FLOW_OK;
    }
    return values_get(run, node, in, node->value, out_r);
}

int one_field(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              struct jv *out_r)
{
    if (node->a != NULL) {
        int flow = flow_one(run, node->a, env, in, &in);

        if (flow != FLOW_OK)
            return flow;
    }
    return get_field(run, node, in, out_r);
}

/* What becomes of an access that fails. */
static int end_access(struct jq_run *run, const struct node *node, int flow)
{
    if (flow != FLOW_ERROR || node->number != ACCESS_OPTIONAL)
        return flow;
    jv_drop(run, run->error);
    return FLOW_OK;
}

struct access_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    struct jv key; /* owned by who made the sink */
};

/* The value is not part of the input: there is no path to what is in it. */
static int no_way_to(struct jq_run *run, const struct node *node, struct jv value,
                     struct jv key)
{
    return flow_failf(run, node,
                      "Invalid path expression near attempt to access element %s of %s",
                      flow_show(run, key), flow_show(run, value));
}

static int give_field(struct jq_run *run, const struct node *node, struct jv value,
                      const struct path *path, struct sink *next)
{
    struct path step = {path, node->value};
    struct jv member;
    int flow;

    if (path == &path_none)
        return no_way_to(run, node, value, node->value);
    flow = get_field(run, node, value, &member);
    return flow != FLOW_OK ? end_access(run, node, flow)
                           : next->take(next, run, member, path == NULL ? NULL : &step);
}

static int take_for_field(struct sink *sink, struct jq_run *run, struct jv value,
                          const struct path *path)
{
    struct access_sink *own = (struct access_sink *)sink;

    return give_field(run, own->node, value, path, own->next);
}

int many_field(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    struct access_sink own = {{take_for_field}, sink, node, jv_null()};

    if (node->a == NULL)
        return give_field(run, node, in, path, sink);
    return flow_many(run, node->a, env, in, path, &own.sink);
}

/* ---- .[key] */

int one_index(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              struct jv *out_r)
{
    struct jv key;
    int flow = flow_one(run, node->b, env, jv_ref(in), &key);

    if (flow == FLOW_OK && node->a != NULL)
        flow = flow_one(run, node->a, env, in, &in);
    return flow != FLOW_OK ? flow : values_get(run, node, in, key, out_r);
}

/* Gives value[key] on; the key is borrowed. */
static int give_index(struct jq_run *run, const struct node *node, struct jv value,
                      struct jv key, const struct path *path, struct sink *next)
{
    struct path step = {path, key};
    struct jv item;
    int flow = FLOW_OK;

    if (path == &path_none)
        return no_way_to(run, node, value, key);
    flow = values_get(run, node, value, jv_ref(key), &item);
    return flow != FLOW_OK ? end_access(run, node, flow)
                           : next->take(next, run, item, path == NULL ? NULL : &step);
}

static int take_for_index(struct sink *sink, struct jq_run *run, struct jv value,
                          const struct path *path)
{
    struct access_sink *own = (struct access_sink *)sink;

    return give_index(run, own->node, value, own->key, path, own->next);
}

/* Waits for the key, then evaluates what it is looked up in. */
struct key_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    struct env *env;
    struct jv in;
    const struct path *path;
};

static int look_up(struct key_sink *own, struct jq_run *run, struct jv key)
{
    struct access_sink access = {{take_for_index}, own->next, own->node, key};
    struct jv in = jv_ref(own->in);
    int flow;

    if (own->node->a == NULL)
        flow = give_index(run, own->node, in, key, own->path, own->next);
    else
        flow = flow_many(run, own->node->a, own->env, in, own->path, &access.sink);
    jv_drop(run, key);
    return flow;
}

static int take_key(struct sink *sink, struct jq_run *run, struct jv key,
                    const struct path *path)
{
    (void)path;
    return look_up((struct key_sink *)sink, run, key);
}

int many_index(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    struct key_sink own = {{take_key}, sink, node, env, in, path};
    int flow = flow_many(run, node->b, env, jv_ref(in), NULL, &own.sink);

    jv_drop(run, in);
    return flow;
}

/* ---- .[from:to] */

static struct jv slice_key(struct jq_run *run, struct jv from, struct jv to)
{
    struct jv key = jv_object(run, 2);

    key = jv_object_add(run, key, jv_constant("start"), from);
    return jv_object_add(run, key, jv_constant("end"), to);
}

int one_slice(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              struct jv *out_r)
{
    struct jv from = jv_null(), to = jv_null();
    int flow = FLOW_OK;

    if (node->b != NULL)
        flow = flow_one(run, node->b, env, jv_ref(in), &from);
    if (flow == FLOW_OK && node->c != NULL)
        flow = flow_one(run, node->c, env, jv_ref(in), &to);
    if (flow == FLOW_OK && node->a != NULL)
        flow = flow_one(run, node->a, env, in, &in);
    return flow != FLOW_OK ? flow
                           : values_get(run, node, in, slice_key(run, from, to), out_r);
}

struct slice_product {
    struct product product;
    struct key_sink key;
};

static int take_ends(struct product *product, struct jq_run *run)
{
    struct slice_product *own = (struct slice_product *)product;
    const struct node *node = own->key.node;
    struct jv *args = product->args;
    struct jv from = node->b != NULL ? args[0] : jv_null();
    struct jv to = node->c != NULL ? args[node->b != NULL] : jv_null();

    return look_up(&own->key, run, slice_key(run, from, to));
}

int many_slice(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    const struct node *ends[2];
    struct jv args[2];
    struct slice_product own = {{ends, 0, env, in, args, take_ends},
                                {{take_key}, sink, node, env, in, path}};
    int flow;

    if (node->b != NULL)
        ends[own.product.count++] = node->b;
    if (node->c != NULL)
        ends[own.product.count++] = node->c;
    flow = flow_product(&own.product, run);
    jv_drop(run, in);
    return flow;
}

/* ---- .[] */

struct iterate_each {
    struct each each;
    struct sink *next;
    const struct path *path;
};

static int give_item(struct each *each, struct jq_run *run, struct jv key, struct jv item)
{
    struct iterate_each *own = (struct iterate_each *)each;
    struct path step = {own->path, key};
    int flow;

    if (own->path == NULL)
        return own->next->take(own->next, run, item, NULL);
    flow = own->next->take(own->next, run, item, &step);
    jv_drop(run, key);
    return flow;
}

static int iterate(struct jq_run *run, const struct node *node, struct jv value,
                   const struct path *path, struct sink *next)
{
    struct iterate_each own = {{node, path != NULL, give_item}, next, path};
    int flow = FLOW_OK;

    if (node->number == ACCESS_OPTIONAL && !jv_is_array(value) && !jv_is_object(value)) {
        jv_drop(run, value);
        return FLOW_OK;
    }
    if (path == &path_none)
        flow = flow_failf(run, node,
                          "Invalid path expression near attempt to iterate through %s",
                          flow_show(run, value));
    return flow != FLOW_OK ? flow : values_each(run, &own.each, value);
}

static int take_for_iterate(struct sink *sink, struct jq_run *run, struct jv value,
                            const struct path *path)
{
    struct access_sink *own = (struct access_sink *)sink;

    return iterate(run, own->node, value, path, own->next);
}

int many_iterate(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, const struct path *path, struct sink *sink)
{
    struct access_sink own = {{take_for_iterate}, sink, node, jv_null()};

    if (node->a == NULL)
        return iterate(run, node, in, path, sink);
    return flow_many(run, node->a, env, in, path, &own.sink);
}

/* ---- .. and recurse */

struct descend_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    struct env *env;
};

static int descend(struct descend_sink *own, struct jq_run *run, struct jv value,
                   const struct path *path)
{
    struct iterate_each each = {{own->node, path != NULL, give_item}, &own->sink, path};
    int flow;

    run_charge(run, 1);
    run_check_stack(run);
    flow = own->next->take(own->next, run, jv_ref(value), path);
    if (flow == FLOW_OK && (jv_is_array(value) || jv_is_object(value)))
        return values_each(run, &each.each, value);
    return flow;
}

static int take_for_descend(struct sink *sink, struct jq_run *run, struct jv value,
                            const struct path *path)
{
    return descend((struct descend_sink *)sink, run, value, path);
}

int many_descend(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, const struct path *path, struct sink *sink)
{
    struct descend_sink own = {{take_for_descend}, sink, node, env};

    return descend(&own, run, in, path);
}

static int recurse(struct descend_sink *own, struct jq_run *run, struct jv value,
                   const struct path *path)
{
    int flow = own->next->take(own->next, run, jv_ref(value), path);

    return flow != FLOW_OK
               ? flow
               : flow_many(run, own->node->a, own->env, value, path, &own->sink);
}

static int take_for_recurse(struct sink *sink, struct jq_run *run, struct jv value,
                            const struct path *path)
{
    return recurse((struct descend_sink *)sink, run, value, path);
}

/* With a single step there is no tree but a chain, of any length. */
static int recurse_chain(struct descend_sink *own, struct jq_run *run, struct jv value)
{
    for (;;) {
        int flow = own->next->take(own->next, run, jv_ref(value), NULL);

        if (flow == FLOW_OK)
            flow = flow_one(run, own->node->a, own->env, value, &value);
        if (flow != FLOW_OK)
            return flow;
    }
}

int many_recurse(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, const struct path *path, struct sink *sink)
{
    struct descend_sink own = {{take_for_recurse}, sink, node, env};

    if (node->a->one != NULL && path == NULL)
        return recurse_chain(&own, run, in);
    return recurse(&own, run, in, path);
}

/* ---- getpath */

static int take_for_getpath(struct sink *sink, struct jq_run *run, struct jv keys,
                            const struct path *unused)
{
    struct key_sink *own = (struct key_sink *)sink;
    struct path *steps;
    struct jv value;
    size_t count;
    int flow = flow_check_path(run, own->node, own->in, own->path);

    (void)unused;
    if (flow == FLOW_OK)
        flow = values_get_path(run, own->node, jv_ref(own->in), jv_ref(keys), &value);
    if (flow != FLOW_OK)
        return flow;
    if (own->path == NULL)
        return own->next->take(own->next, run, value, NULL);
    keys = jv_array_built(run, keys);
    count = keys.array->count;
    run_charge(run, count / 4);
    steps = pool_alloc(run, (count + 1) * sizeof *steps);
    for (size_t i = 0; i < count; i++)
        steps[i] = (struct path){i == 0 ? own->path : &steps[i - 1],
                                 raw_resolve(run, keys.array->items[i])};
    flow =
        own->next->take(own->next, run, value, count > 0 ? &steps[count - 1] : own->path);
    pool_free(run, steps, (count + 1) * sizeof *steps);
    jv_drop(run, keys);
    return flow;
}

int many_getpath(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, const struct path *path, struct sink *sink)
{
    struct key_sink own = {{take_for_getpath}, sink, node, env, in, path};
    int flow = flow_many(run, node->a, env, jv_ref(in), NULL, &own.sink);

    jv_drop(run, in);
    return flow;
}
