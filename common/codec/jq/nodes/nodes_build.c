/* Nodes that make values: literals, [ ], { }, strings, operators, built-in functions. */
#include "common/codec/jq/nodes/flow.h"
#include "common/codec/jq/values.h"

int one_literal(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, struct jv *out_r)
{
    (void)env;
    jv_drop(run, in);
    *out_r = node->value;
    return FLOW_OK;
}

int one_array(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              struct jv *out_r)
{
    struct collect_sink own = flow_collector(run);
    int flow = FLOW_OK;

    if (node->a != NULL)
        flow = flow_many(run, node->a, env, in, NULL, &own.sink);
    *out_r = own.array;
    return flow;
}

/* An array that is a result of the program is written while it is made: what its items
   took is used again for those that follow. */
struct written_array {
    struct sink sink;
    uint32_t count;
};

static int write_item(struct sink *sink, struct jq_run *run, struct jv value,
                      const struct path *path)
{
    struct written_array *own = (struct written_array *)sink;

    (void)path;
    values_write_item(run, value);
    jv_drop(run, value);
    own->count++;
    return FLOW_OK;
}

int many_array(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               const struct path *path, struct sink *sink)
{
    struct written_array own = {{write_item}, 0};
    int flow = FLOW_OK;

    if (sink != run->result_sink)
        return many_of_one(run, node, env, in, path, sink);
    values_begin_array(run, run_output_left(run));
    if (node->a != NULL)
        flow = flow_many(run, node->a, env, in, NULL, &own.sink);
    if (flow == FLOW_OK)
        run_take(run, values_end_array(run, own.count));
    return flow;
}

/* ---- products of any node's children, with up to so many kept on the stack */

#define FEW 8

struct node_product {
    struct product product;
    const struct node *node;
    struct sink *next;
    int (*make)(struct jq_run *run, const struct node *node, struct jv *args,
                struct jv *out_r);
};

static int give_made(struct product *product, struct jq_run *run)
{
    struct node_product *own = (struct node_product *)product;
    struct jv made, few[FEW], *args = few;
    size_t bytes = product->count * sizeof *args;
    int flow;

    if (product->count > FEW) /* `make` takes them, the product needs them again */
        args = pool_alloc(run, bytes);
    memcpy(args, product->args, bytes);
    flow = own->make(run, own->node, args, &made);
    if (args != few)
        pool_free(run, args, bytes);
    return flow != FLOW_OK ? flow : own->next->take(own->next, run, made, NULL);
}

/* Gives what `make` makes of each combination of the nodes' results. */
static int many_made(struct jq_run *run, const struct node *node,
                     const struct node *const *nodes, uint32_t count, struct env *env,
                     struct jv in, const struct path *path, struct sink *sink,
                     int (*make)(struct jq_run *run, const struct node *node,
                                 struct jv *args, struct jv *out_r))
{
    struct pathless_sink pathless = flow_pathless(sink);
    size_t bytes = (count + 1) * sizeof(struct jv);
    struct jv *args = pool_alloc(run, bytes);
    struct node_product own = {
        {nodes, count, env, in, args, give_made}, node, sink, make};
    int flow;

    if (path != NULL)
        own.next = &pathless.sink;
    flow = flow_product(&own.product, run);
    pool_free(run, args, bytes);
    jv_drop(run, in);
    return flow;
}

/* ---- { } */

static int check_key(struct jq_run *run, const struct node *node, struct jv key)
{
    if (jv_is_string(key))
        return FLOW_OK;
    return flow_failf(run, node, "Cannot use %s as object key", flow_describe(run, key));
}

/* All keys are known and different. */
static int record(struct jq_run *run, const struct node *node, struct env *env,
                  struct jv in, struct jv *out_r)
{
    struct jv object = jv_object(run, node->count / 2), value;
    int flow = FLOW_OK;

    for (uint32_t i = 0; i < node->count && flow == FLOW_OK; i += 2) {
        const struct node *v = node->list[i + 1];

        flow = flow_one(run, v, env, flow_input_for(v, in), &value);
        if (flow == FLOW_OK)
            object = jv_object_add(run, object, node->list[i]->value, value);
    }
    jv_drop(run, in);
    *out_r = object;
    return flow;
}

int one_object(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               struct jv *out_r)
{
    struct jv object, key, value;
    int flow = FLOW_OK;

    if (node->number == OBJECT_RECORD)
        return record(run, node, env, in, out_r);
    object = jv_object(run, node->count / 2);
    for (uint32_t i = 0; i < node->count && flow == FLOW_OK; i += 2) {
        const struct node *k = node->list[i], *v = node->list[i + 1];

        flow = flow_one(run, k, env, flow_input_for(k, in), &key);
        if (flow == FLOW_OK)
            flow = check_key(run, k, key);
        if (flow == FLOW_OK)
            flow = flow_one(run, v, env, flow_input_for(v, in), &value);
        if (flow == FLOW_OK)
            object = jv_object_set(run, object, key, value);
    }
    jv_drop(run, in);
    *out_r = object;
    return flow;
}

static int make_object(struct jq_run *run, const struct node *node, struct jv *args,
                       struct jv *out_r)
{
    struct jv object = jv_object(run, node->count / 2);
    int flow = FLOW_OK;

    /* The product goes from the last to the first, the members are the other way. */
    for (uint32_t i = node->count; i >= 2 && flow == FLOW_OK; i -= 2) {
        flow = check_key(run, node, args[i - 1]);
        if (flow == FLOW_OK)
            object = jv_object_set(run, object, args[i - 1], args[i - 2]);
    }
    *out_r = object;
    return flow;
}

int many_object(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, const struct path *path, struct sink *sink)
{
    size_t bytes = (node->count + 1) * sizeof(struct node *);
    const struct node **turned = pool_alloc(run, bytes);
    int flow;

    for (uint32_t i = 0; i < node->count; i++)
        turned[i] = node->list[node->count - 1 - i];
    flow = many_made(run, node, turned, node->count, env, in, path, sink, make_object);
    pool_free(run, turned, bytes);
    return flow;
}

/* ---- strings */

static int make_string(struct jq_run *run, const struct node *node, struct jv *args,
                       struct jv *out_r)
{
    struct jv text = jv_text(run, "", 0);

    for (uint32_t i = 0; i < node->count; i++) {
        text = jv_text_append(run, text, args[i].at, args[i].len);
        jv_drop(run, args[i]);
    }
    *out_r = text;
    return FLOW_OK;
}

/* Evaluates children that have one result each; args has room for them. */
static int one_of_each(struct jq_run *run, const struct node *node, struct env *env,
                       struct jv in, struct jv *args)
{
    int flow = FLOW_OK;

    for (uint32_t i = node->count; i-- > 0 && flow == FLOW_OK;)
        flow = flow_one(run, node->list[i], env, flow_input_for(node->list[i], in),
                        &args[i]);
    return flow;
}

int one_string(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               struct jv *out_r)
{
    size_t bytes = (node->count + 1) * sizeof(struct jv);
    struct jv *args = pool_alloc(run, bytes);
    int flow = one_of_each(run, node, env, in, args);

    jv_drop(run, in);
    if (flow == FLOW_OK)
        flow = make_string(run, node, args, out_r);
    pool_free(run, args, bytes);
    return flow;
}

int many_string(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, const struct path *path, struct sink *sink)
{
    return many_made(run, node, node->list, node->count, env, in, path, sink,
                     make_string);
}

int one_format(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               struct jv *out_r)
{
    (void)env;
    return values_format(run, node, node->number, in, out_r);
}

/* ---- operators */

static int negate(struct jq_run *run, const struct node *node, struct jv *args,
                  struct jv *out_r)
{
    struct jv value = args[0];

    if (!jv_is_number(value))
        return flow_failf(run, node, "%s cannot be negated", flow_describe(run, value));
    if (value.kind == JV_DOUBLE || (value.kind == JV_INT && value.i == 0)) {
        *out_r = jv_double(-values_double(value));
        return FLOW_OK;
    }
    return values_operate(run, node, OPERATION_SUBTRACT, jv_int(0), value, out_r);
}

int one_negate(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               struct jv *out_r)
{
    int flow = flow_one(run, node->a, env, in, &in);

    return flow != FLOW_OK ? flow : negate(run, node, &in, out_r);
}

int many_negate(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, const struct path *path, struct sink *sink)
{
    return many_made(run, node, &node->a, 1, env, in, path, sink, negate);
}

/* Both sides of an operator, the right one first. */
static inline int two_sides(struct jq_run *run, const struct node *node, struct env *env,
                            struct jv in, struct jv *a_r, struct jv *b_r)
{
    int flow = flow_one(run, node->b, env, flow_input_for(node->b, in), b_r);

    return flow != FLOW_OK ? flow : flow_one(run, node->a, env, in, a_r);
}

static int operate(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    return values_operate(run, node, node->number, args[0], args[1], out_r);
}

int one_operate(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, struct jv *out_r)
{
    struct jv a, b;
    int flow = two_sides(run, node, env, in, &a, &b);

    return flow != FLOW_OK ? flow : values_operate(run, node, node->number, a, b, out_r);
}

int many_operate(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, const struct path *path, struct sink *sink)
{
    const struct node *sides[] = {node->a, node->b};

    return many_made(run, node, sides, 2, env, in, path, sink, operate);
}

static bool holds(enum comparison comparison, int order)
{
    switch (comparison) {
    case COMPARE_BELOW: return order < 0;
    case COMPARE_AT_MOST: return order <= 0;
    case COMPARE_ABOVE: return order > 0;
    default: return order >= 0;
    }
}

static int compare(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    struct jv a = args[0], b = args[1];
    enum comparison comparison = node->number;

    if (comparison <= COMPARE_UNEQUAL)
        *out_r = jv_bool(values_equal(run, a, b) == (comparison == COMPARE_EQUAL));
    else
        *out_r = jv_bool(holds(comparison, values_compare(run, a, b)));
    jv_drop(run, a);
    jv_drop(run, b);
    return FLOW_OK;
}

int one_compare(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, struct jv *out_r)
{
    struct jv sides[2];
    int flow = two_sides(run, node, env, in, &sides[0], &sides[1]);

    return flow != FLOW_OK ? flow : compare(run, node, sides, out_r);
}

int many_compare(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, const struct path *path, struct sink *sink)
{
    const struct node *sides[] = {node->a, node->b};

    return many_made(run, node, sides, 2, env, in, path, sink, compare);
}

/* ---- built-in functions of values */

static int call_function(struct jq_run *run, const struct node *node, struct jv *args,
                         struct jv *out_r)
{
    for (uint32_t i = 0; i <= node->count; i++)
        values_charge_digits(run, args[i]);
    return node->function(run, node, args, out_r);
}

int one_function(struct jq_run *run, const struct node *node, struct env *env,
                 struct jv in, struct jv *out_r)
{
    struct jv args[FEW];
    int flow = one_of_each(run, node, env, in, args + 1);

    args[0] = in;
    return flow != FLOW_OK ? flow : call_function(run, node, args, out_r);
}

int many_function(struct jq_run *run, const struct node *node, struct env *env,
                  struct jv in, const struct path *path, struct sink *sink)
{
    static const struct node input = {
        .one = one_identity, .many = many_identity, .depth = 1};
    const struct node *nodes[FEW];

    nodes[0] = &input;
    for (uint32_t i = 0; i < node->count; i++)
        nodes[i + 1] = node->list[i];
    return many_made(run, node, nodes, node->count + 1, env, in, path, sink,
                     call_function);
}
