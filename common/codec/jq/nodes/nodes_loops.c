/* Nodes that give more or fewer results than they get, and those that sort by an
   expression. */
#include <math.h>

#include "common/codec/jq/nodes/flow.h"
#include "common/codec/jq/values.h"

int many_empty(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    (void)node, (void)env, (void)path, (void)sink;
    jv_drop(run, in);
    return FLOW_OK;
}

/* A loop's own sink. */
struct loop_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    struct env *env;
    struct jv in;
    const struct path *path;
    uint64_t label;
    struct jv value;
    bool found;
    double left; /* limit, skip */
};

/* Ends what gives results to the loop. */
static int stop(struct loop_sink *own, struct jq_run *run)
{
    run->break_label = own->label;
    return FLOW_BREAK;
}

/* The end of what was perhaps stopped. */
static int stopped(const struct loop_sink *own, struct jq_run *run, int flow)
{
    return flow == FLOW_BREAK && run->break_label == own->label ? FLOW_OK : flow;
}

/* ---- select */

static int select_if(struct sink *sink, struct jq_run *run, struct jv value,
                     const struct path *path)
{
    struct loop_sink *own = (struct loop_sink *)sink;
    bool wanted = jv_is_true(value);

    (void)path;
    jv_drop(run, value);
    return wanted ? own->next->take(own->next, run, jv_ref(own->in), own->path) : FLOW_OK;
}

int many_select(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, const struct path *path, struct sink *sink)
{
    struct loop_sink own = {.sink = {select_if}, .next = sink, .in = in, .path = path};
    struct jv condition;
    int flow;

    if (node->a->one == NULL) {
        flow = flow_many(run, node->a, env, jv_ref(in), NULL, &own.sink);
        jv_drop(run, in);
        return flow;
    }
    flow = flow_one(run, node->a, env, jv_ref(in), &condition);
    if (flow != FLOW_OK)
        return flow;
    if (jv_is_true(condition)) {
        jv_drop(run, condition);
        return sink->take(sink, run, in, path);
    }
    jv_drop(run, in);
    return FLOW_OK;
}

/* ---- range */

struct range_product {
    struct product product;
    const struct node *node;
    struct sink *next;
    const struct path *path;
};

static int give_range(struct range_product *own, struct jq_run *run, struct jv from,
                      struct jv to, struct jv by)
{
    int flow = FLOW_OK;
    double step = values_double(by), at = values_double(from), end = values_double(to);

    if (from.kind == JV_INT && to.kind == JV_INT && by.kind == JV_INT && by.i == 1) {
        for (int64_t i = from.i; i < to.i && flow == FLOW_OK; i++) {
            run_charge(run, 1);
            flow = own->next->take(own->next, run, jv_int(i), own->path);
        }
        return flow;
    }
    while (flow == FLOW_OK && (step > 0 ? at < end : step < 0 && at > end)) {
        run_charge(run, 1);
        flow = own->next->take(own->next, run, jv_number(at), own->path);
        at += step;
    }
    return flow;
}

static int take_bounds(struct product *product, struct jq_run *run)
{
    struct range_product *own = (struct range_product *)product;
    struct jv bounds[3] = {jv_int(0), jv_null(), jv_int(1)};

    /* Its nodes are turned round: the first argument is the outermost. */
    for (uint32_t i = 0; i < product->count; i++) {
        struct jv bound = product->args[product->count - 1 - i];

        if (!jv_is_number(bound))
            return flow_failf(run, own->node, "Range bounds must be numeric");
        values_charge_digits(run, bound);
        bounds[product->count == 1 ? 1 : i] = bound;
    }
    return give_range(own, run, bounds[0], bounds[1], bounds[2]);
}

int many_range(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    const struct node *nodes[3];
    struct jv args[3];
    struct range_product own = {{nodes, 0, env, in, args, take_bounds},
                                node,
                                sink,
                                path == NULL ? NULL : &path_none};
    int flow;

    if (node->c != NULL)
        nodes[own.product.count++] = node->c;
    if (node->b != NULL)
        nodes[own.product.count++] = node->b;
    nodes[own.product.count++] = node->a;
    flow = flow_product(&own.product, run);
    jv_drop(run, in);
    return flow;
}

/* ---- first, last, limit, skip, isempty */

static int take_first(struct sink *sink, struct jq_run *run, struct jv value,
                      const struct path *path)
{
    struct loop_sink *own = (struct loop_sink *)sink;
    int flow = own->next->take(own->next, run, value, path);

    return flow != FLOW_OK ? flow : stop(own, run);
}

int many_first(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    struct loop_sink own = {
        .sink = {take_first}, .next = sink, .label = ++run->last_label};

    return stopped(&own, run, flow_many(run, node->a, env, in, path, &own.sink));
}

static int keep_last(struct sink *sink, struct jq_run *run, struct jv value,
                     const struct path *path)
{
    struct loop_sink *own = (struct loop_sink *)sink;

    jv_drop(run, own->value);
    own->value = value;
    own->found = true;
    if (path != NULL && path != &path_none) {
        jv_drop(run, own->in);
        own->in = flow_path_array(run, path);
    }
    own->path = path;
    return FLOW_OK;
}

/* The last result's path lay on the stack: it is laid out anew. */
static int give_last(struct loop_sink *own, struct jq_run *run)
{
    size_t count, bytes;
    struct path *steps;
    int flow;

    if (own->path == NULL || own->path == &path_none)
        return own->next->take(own->next, run, own->value, own->path);
    count = jv_array_count(run, own->in);
    bytes = (count + 1) * sizeof *steps;
    steps = pool_alloc(run, bytes);
    for (size_t i = 0; i < count; i++)
        steps[i] =
            (struct path){i == 0 ? &path_root : &steps[i - 1], own->in.array->items[i]};
    flow = own->next->take(own->next, run, own->value,
                           count == 0 ? &path_root : &steps[count - 1]);
    pool_free(run, steps, bytes);
    return flow;
}

int many_last(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              const struct path *path, struct sink *sink)
{
    struct loop_sink own = {
        .sink = {keep_last}, .next = sink, .value = jv_null(), .in = jv_null()};
    int flow = flow_many(run, node->a, env, in, path, &own.sink);

    return flow != FLOW_OK || !own.found ? flow : give_last(&own, run);
}

static int take_limited(struct sink *sink, struct jq_run *run, struct jv value,
                        const struct path *path)
{
    struct loop_sink *own = (struct loop_sink *)sink;
    int flow;

    own->left--;
    flow = own->next->take(own->next, run, value, path);
    return flow == FLOW_OK && own->left <= 0 ? stop(own, run) : flow;
}

static int take_after(struct sink *sink, struct jq_run *run, struct jv value,
                      const struct path *path)
{
    struct loop_sink *own = (struct loop_sink *)sink;

    if (own->left <= 0)
        return own->next->take(own->next, run, value, path);
    own->left--;
    jv_drop(run, value);
    return FLOW_OK;
}

static int count_of(struct loop_sink *own, struct jq_run *run, struct jv count)
{
    if (!jv_is_number(count))
        return flow_failf(run, own->node, "Invalid arguments: %s is no count",
                          flow_describe(run, count));
    values_charge_digits(run, count);
    own->left = values_double(count);
    return FLOW_OK;
}

static int limit_to(struct sink *sink, struct jq_run *run, struct jv count,
                    const struct path *path)
{
    struct loop_sink *outer = (struct loop_sink *)sink;
    struct loop_sink own = *outer;
    int flow = count_of(&own, run, count);

    (void)path;
    if (flow != FLOW_OK || own.left == 0)
        return flow;
    own.label = ++run->last_label;
    own.sink.take = take_limited;
    if (own.left < 0) /* all, as jq does */
        return flow_many(run, own.node->b, own.env, jv_ref(own.in), own.path, own.next);
    return stopped(
        &own, run,
        flow_many(run, own.node->b, own.env, jv_ref(own.in), own.path, &own.sink));
}

int many_limit(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    struct loop_sink own = {.sink = {limit_to},
                            .next = sink,
                            .node = node,
                            .env = env,
                            .in = in,
                            .path = path};

    return flow_many(run, node->a, env, jv_ref(in), NULL, &own.sink);
}

static int skip_so_many(struct sink *sink, struct jq_run *run, struct jv count,
                        const struct path *path)
{
    struct loop_sink own = *(struct loop_sink *)sink;
    int flow = count_of(&own, run, count);

    (void)path;
    if (flow == FLOW_OK && own.left < 0)
        flow = flow_failf(run, own.node, "skip doesn't support negative count");
    own.sink.take = take_after;
    return flow != FLOW_OK ? flow
                           : flow_many(run, own.node->b, own.env, jv_ref(own.in),
                                       own.path, &own.sink);
}

int many_skip(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              const struct path *path, struct sink *sink)
{
    struct loop_sink own = {.sink = {skip_so_many},
                            .next = sink,
                            .node = node,
                            .env = env,
                            .in = in,
                            .path = path};

    return flow_many(run, node->a, env, jv_ref(in), NULL, &own.sink);
}

static int find_one(struct sink *sink, struct jq_run *run, struct jv value,
                    const struct path *path)
{
    struct loop_sink *own = (struct loop_sink *)sink;

    (void)path;
    jv_drop(run, value);
    own->found = true;
    return stop(own, run);
}

int one_is_empty(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, struct jv *out_r)
{
    struct loop_sink own = {.sink = {find_one}, .label = ++run->last_label};
    int flow = stopped(&own, run, flow_many(run, node->a, env, in, NULL, &own.sink));

    *out_r = jv_bool(!own.found);
    return flow;
}

/* ---- any and all */

static int decide(struct sink *sink, struct jq_run *run, struct jv value,
                  const struct path *path)
{
    struct loop_sink *own = (struct loop_sink *)sink;
    bool is_true = jv_is_true(value);

    (void)path;
    jv_drop(run, value);
    if (is_true == (own->node->number == 1))
        return FLOW_OK; /* as long as all are true, or none is */
    own->found = true;
    return stop(own, run);
}

static int look_at(struct sink *sink, struct jq_run *run, struct jv value,
                   const struct path *path)
{
    struct loop_sink *own = (struct loop_sink *)sink;
    struct loop_sink inner = {.sink = {decide}, .node = own->node, .label = own->label};
    int flow = flow_many(run, own->node->b, own->env, value, NULL, &inner.sink);

    (void)path;
    own->found |= inner.found;
    return flow;
}

int one_any(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
            struct jv *out_r)
{
    struct loop_sink own = {
        .sink = {look_at}, .node = node, .env = env, .label = ++run->last_label};
    int flow = stopped(&own, run, flow_many(run, node->a, env, in, NULL, &own.sink));

    *out_r = jv_bool(own.found != (node->number == 1));
    return flow;
}

/* ---- until, while, repeat */

/* Evaluates the condition and the step as long as each gives one result: then the loop
   needs no stack. The general form calls itself. */
static int until_from(struct loop_sink *own, struct jq_run *run, struct jv value);

static int until_again(struct sink *sink, struct jq_run *run, struct jv value,
                       const struct path *path)
{
    (void)path;
    return until_from((struct loop_sink *)sink, run, value);
}

static int until_decided(struct sink *sink, struct jq_run *run, struct jv condition,
                         const struct path *path)
{
    struct loop_sink *decision = (struct loop_sink *)sink;
    struct loop_sink own = *decision;

    (void)path;
    own.sink.take = until_again;
    if (jv_is_true(condition))
        return own.next->take(own.next, run, jv_ref(own.in), own.path);
    return flow_many(run, own.node->b, own.env, jv_ref(own.in), NULL, &own.sink);
}

static int until_from(struct loop_sink *own, struct jq_run *run, struct jv value)
{
    struct loop_sink decision = *own;
    struct jv condition;
    int flow;

    while (own->node->a->one != NULL && own->node->b->one != NULL) {
        flow = flow_one(run, own->node->a, own->env, jv_ref(value), &condition);
        if (flow != FLOW_OK)
            return flow;
        if (jv_is_true(condition))
            return own->next->take(own->next, run, value, own->path);
        flow = flow_one(run, own->node->b, own->env, value, &value);
        if (flow != FLOW_OK)
            return flow;
    }
    decision.sink.take = until_decided;
    decision.in = value;
    return flow_many(run, own->node->a, own->env, jv_ref(value), NULL, &decision.sink);
}

int many_until(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    struct loop_sink own = {.sink = {until_again},
                            .next = sink,
                            .node = node,
                            .env = env,
                            .path = path == NULL ? NULL : &path_none};

    return until_from(&own, run, in);
}

int many_repeat(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, const struct path *path, struct sink *sink)
{
    int flow = FLOW_OK;

    while (flow == FLOW_OK)
        flow = flow_many(run, node->a, env, jv_ref(in), path, sink);
    jv_drop(run, in);
    return flow;
}

static int while_from(struct loop_sink *own, struct jq_run *run, struct jv value);

static int while_again(struct sink *sink, struct jq_run *run, struct jv value,
                       const struct path *path)
{
    (void)path;
    return while_from((struct loop_sink *)sink, run, value);
}

static int while_decided(struct sink *sink, struct jq_run *run, struct jv condition,
                         const struct path *path)
{
    struct loop_sink own = *(struct loop_sink *)sink;
    int flow;

    (void)path;
    if (!jv_is_true(condition))
        return FLOW_OK;
    own.sink.take = while_again;
    flow = own.next->take(own.next, run, jv_ref(own.in), own.path);
    return flow != FLOW_OK
               ? flow
               : flow_many(run, own.node->b, own.env, jv_ref(own.in), NULL, &own.sink);
}

static int while_from(struct loop_sink *own, struct jq_run *run, struct jv value)
{
    struct loop_sink decision = *own;
    struct jv condition;
    int flow;

    while (own->node->a->one != NULL && own->node->b->one != NULL) {
        flow = flow_one(run, own->node->a, own->env, jv_ref(value), &condition);
        if (flow != FLOW_OK || !jv_is_true(condition))
            return flow;
        flow = own->next->take(own->next, run, jv_ref(value), own->path);
        if (flow == FLOW_OK)
            flow = flow_one(run, own->node->b, own->env, value, &value);
        if (flow != FLOW_OK)
            return flow;
    }
    decision.sink.take = while_decided;
    decision.in = value;
    return flow_many(run, own->node->a, own->env, jv_ref(value), NULL, &decision.sink);
}

int many_while(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    struct loop_sink own = {.sink = {while_again},
                            .next = sink,
                            .node = node,
                            .env = env,
                            .path = path == NULL ? NULL : &path_none};

    return while_from(&own, run, in);
}

/* ---- sort_by and its kin */

/* The expression's results on each item, as an array for each. */
static int keys_of(struct jq_run *run, const struct node *node, struct env *env,
                   struct jv array, struct jv *keys_r)
{
    struct jv keys = jv_array(run, array.array->count);
    int flow = FLOW_OK;

    for (uint32_t i = 0; i < array.array->count && flow == FLOW_OK; i++) {
        struct jv item = jv_ref(raw_resolve(run, array.array->items[i])), key;

        run_charge(run, 1);
        if (node->a == NULL) {
            key = item;
        } else if (node->a->one != NULL) {
            flow = flow_one(run, node->a, env, item, &key);
        } else {
            struct collect_sink all = flow_collector(run);

            flow = flow_many(run, node->a, env, item, NULL, &all.sink);
            key = all.array;
        }
        if (flow == FLOW_OK)
            keys = jv_array_push(run, keys, key);
    }
    *keys_r = keys;
    return flow;
}

/* From sorted items: arrays of those with equal keys, or the first of each. */
static struct jv group(struct jq_run *run, struct jv items, struct jv keys, bool whole)
{
    struct jv groups = jv_array(run, 0), one;
    uint32_t count = items.array->count;

    for (uint32_t i = 0, next; i < count; i = next) {
        next = i + 1;
        while (next < count &&
               values_equal(run, keys.array->items[i], keys.array->items[next]))
            next++;
        one = whole ? jv_array_slice(run, jv_ref(items), i, next)
                    : jv_ref(items.array->items[i]);
        groups = jv_array_push(run, groups, one);
    }
    jv_drop(run, items);
    return groups;
}

static struct jv least(struct jq_run *run, struct jv items, struct jv keys, bool greatest)
{
    uint32_t found = 0;

    if (items.array->count == 0)
        return jv_null();
    for (uint32_t i = 1; i < items.array->count; i++) {
        int order = values_compare(run, keys.array->items[i], keys.array->items[found]);

        if (greatest ? order >= 0 : order < 0)
            found = i;
    }
    return jv_ref(raw_resolve(run, items.array->items[found]));
}

int one_sort_by(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, struct jv *out_r)
{
    struct jv items, keys;
    int flow;

    if (!jv_is_array(in))
        return flow_failf(run, node,
                          node->number >= SORTING_MIN
                              ? "Cannot iterate over %s"
                              : "%s cannot be sorted, as it is not an array",
                          flow_describe(run, in));
    items = jv_array_built(run, in);
    flow = keys_of(run, node, env, items, &keys);
    if (flow != FLOW_OK)
        return flow;
    if (node->number == SORTING_MIN || node->number == SORTING_MAX) {
        *out_r = least(run, items, keys, node->number == SORTING_MAX);
        return FLOW_OK;
    }
    items = values_sort_by(run, items, keys, &keys);
    *out_r = node->number == SORTING_SORT
                 ? items
                 : group(run, items, keys, node->number == SORTING_GROUP);
    jv_drop(run, keys);
    return FLOW_OK;
}
