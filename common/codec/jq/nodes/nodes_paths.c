/* Nodes about paths: path(f), a = b, a |= f, a += b, del(f). */
#include "common/codec/jq/nodes/flow.h"
#include "common/codec/jq/values.h"

/* ---- path */

struct path_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    const struct path *outer;
    struct jv paths; /* where they are collected */
};

/* The path as an array, or a failure where there is none. */
static int path_of(struct jq_run *run, const struct node *node, struct jv value,
                   const struct path *path, struct jv *array_r)
{
    int flow = flow_check_path(run, node, value, path);

    if (flow != FLOW_OK)
        return flow;
    jv_drop(run, value);
    *array_r = flow_path_array(run, path);
    return FLOW_OK;
}

static int give_path(struct sink *sink, struct jq_run *run, struct jv value,
                     const struct path *path)
{
    struct path_sink *own = (struct path_sink *)sink;
    struct jv array;
    int flow = path_of(run, own->node, value, path, &array);

    return flow != FLOW_OK ? flow : own->next->take(own->next, run, array, own->outer);
}

int many_path(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
              const struct path *path, struct sink *sink)
{
    struct path_sink own = {
        {give_path}, sink, node, path == NULL ? NULL : &path_none, jv_null()};

    return flow_many(run, node->a, env, in, &path_root, &own.sink);
}

static int collect_path(struct sink *sink, struct jq_run *run, struct jv value,
                        const struct path *path)
{
    struct path_sink *own = (struct path_sink *)sink;
    struct jv array;
    int flow = path_of(run, own->node, value, path, &array);

    if (flow == FLOW_OK)
        own->paths = jv_array_push(run, own->paths, array);
    return flow;
}

/* All paths of node->a in the (borrowed) input. */
static int collect_paths(struct jq_run *run, const struct node *node, struct env *env,
                         struct jv in, struct jv *paths_r)
{
    struct path_sink own = {{collect_path}, NULL, node, NULL, jv_array(run, 0)};
    int flow = flow_many(run, node->a, env, jv_ref(in), &path_root, &own.sink);

    *paths_r = own.paths;
    return flow;
}

/* ---- changing what is at paths */

struct node_change {
    struct change change;
    const struct node *node;
    struct env *env;
    struct jv operand;
    bool dropped; /* the update gave nothing: what was there is to go */
};

/* True for `.name`: no path needs to be made. (`.name?` may have none.) */
static bool is_plain_field(const struct node *node)
{
    return node->many == many_field && node->a == NULL && node->number != ACCESS_OPTIONAL;
}

static int change_field(struct jq_run *run, struct node_change *own, struct jv value,
                        struct jv key, struct jv *out_r)
{
    const struct node *node = own->node;
    struct jv old;
    int flow;

    if (!jv_is_object(value)) {
        flow = values_get(run, node, jv_ref(value), key, &old);
        if (flow != FLOW_OK)
            return flow;
    } else {
        old = jv_object_take(run, &value, key);
    }
    flow = own->change.apply(&own->change, run, old, &old);
    return flow != FLOW_OK ? flow : values_set(run, node, value, key, old, out_r);
}

/* Applies the change at all paths of node->a, one after another. Those at which it gave
   nothing are deleted at the end. */
static int change_all(struct jq_run *run, struct node_change *own, struct jv in,
                      struct jv *out_r)
{
    struct jv paths, dropped = jv_array(run, 0);
    int flow = collect_paths(run, own->node, own->env, in, &paths);

    for (uint32_t i = 0; flow == FLOW_OK && i < paths.array->count; i++) {
        struct jv path = paths.array->items[i];

        own->dropped = false;
        flow = values_change_path(run, &own->change, in, jv_ref(path), &in);
        if (flow == FLOW_OK && own->dropped)
            dropped = jv_array_push(run, dropped, jv_ref(path));
    }
    if (flow != FLOW_OK)
        return flow;
    jv_drop(run, paths);
    if (dropped.array->count > 0)
        return values_delete_paths(run, own->node, in, dropped, out_r);
    jv_drop(run, dropped);
    *out_r = in;
    return FLOW_OK;
}

static int change(struct jq_run *run, struct node_change *own, struct jv in,
                  struct jv *out_r)
{
    const struct node *where = own->node->a;
    int flow;

    if (!is_plain_field(where))
        return change_all(run, own, in, out_r);
    own->dropped = false;
    flow = change_field(run, own, in, where->value, out_r);
    if (flow == FLOW_OK && own->dropped)
        *out_r = jv_object_remove(run, *out_r, where->value);
    return flow;
}

/* ---- |= */

struct first_sink {
    struct sink sink;
    uint64_t label;
    struct jv value;
    bool found;
};

static int take_first(struct sink *sink, struct jq_run *run, struct jv value,
                      const struct path *path)
{
    struct first_sink *own = (struct first_sink *)sink;

    (void)path;
    own->value = value;
    own->found = true;
    run->break_label = own->label;
    return FLOW_BREAK;
}

static int apply_update(struct change *change_, struct jq_run *run, struct jv old,
                        struct jv *new_r)
{
    struct node_change *own = (struct node_change *)change_;
    struct first_sink first = {{take_first}, ++run->last_label, jv_null(), false};
    int flow;

    if (own->node->b->one != NULL)
        return flow_one(run, own->node->b, own->env, old, new_r);
    flow = flow_many(run, own->node->b, own->env, old, NULL, &first.sink);
    if (flow == FLOW_BREAK && run->break_label == first.label)
        flow = FLOW_OK;
    if (flow == FLOW_OK && !first.found)
        own->dropped = true;
    *new_r = first.value;
    return flow;
}

int one_update(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               struct jv *out_r)
{
    struct node_change own = {.change = {node, apply_update}, .node = node, .env = env};

    return change(run, &own, in, out_r);
}

/* ---- = += -= and so on */

static int apply_operator(struct change *change_, struct jq_run *run, struct jv old,
                          struct jv *new_r)
{
    struct node_change *own = (struct node_change *)change_;
    struct jv operand = jv_ref(own->operand);

    if (own->node->number == ASSIGN_PLAIN ||
        (own->node->number == ASSIGN_ALTERNATIVE && !jv_is_true(old))) {
        jv_drop(run, old);
        *new_r = operand;
        return FLOW_OK;
    }
    if (own->node->number == ASSIGN_ALTERNATIVE) {
        *new_r = old;
        return FLOW_OK;
    }
    return values_operate(run, own->node, own->node->number, old, operand, new_r);
}

static int operate_at(struct jq_run *run, const struct node *node, struct env *env,
                      struct jv in, struct jv operand, struct jv *out_r)
{
    struct node_change own = {
        .change = {node, apply_operator}, .node = node, .env = env, .operand = operand};
    int flow;

    if (node->number == ASSIGN_PLAIN && is_plain_field(node->a) && jv_is_object(in)) {
        *out_r = jv_object_set_at(run, in, node->a->value, operand,
                                  &run->sites[node->a->site]);
        return FLOW_OK;
    }
    if (node->number == ASSIGN_PLAIN && is_plain_field(node->a))
        return values_set(run, node, in, node->a->value, operand, out_r);
    flow = change(run, &own, in, out_r);
    jv_drop(run, operand);
    return flow;
}

int one_operate_at(struct jq_run *run, const struct node *node, struct env *env,
                   struct jv in, struct jv *out_r)
{
    struct jv operand;
    int flow = flow_one(run, node->b, env, flow_input_for(node->b, in), &operand);

    return flow != FLOW_OK ? flow : operate_at(run, node, env, in, operand, out_r);
}

struct operand_sink {
    struct sink sink;
    struct sink *next;
    const struct node *node;
    struct env *env;
    struct jv in;
    const struct path *path;
};

static int take_operand(struct sink *sink, struct jq_run *run, struct jv operand,
                        const struct path *path)
{
    struct operand_sink *own = (struct operand_sink *)sink;
    int flow = operate_at(run, own->node, own->env, jv_ref(own->in), operand, &operand);

    (void)path;
    return flow != FLOW_OK ? flow : own->next->take(own->next, run, operand, own->path);
}

int many_operate_at(struct jq_run *run, const struct node *node, struct env *env,
                    struct jv in, const struct path *path, struct sink *sink)
{
    struct operand_sink own = {
        {take_operand}, sink, node, env, in, path == NULL ? NULL : &path_none};
    int flow = flow_many(run, node->b, env, jv_ref(in), NULL, &own.sink);

    jv_drop(run, in);
    return flow;
}

/* ---- del */

int one_delete(struct jq_run *run, const struct node *node, struct env *env, struct jv in,
               struct jv *out_r)
{
    struct jv paths;
    int flow = collect_paths(run, node, env, in, &paths);

    return flow != FLOW_OK ? flow : values_delete_paths(run, node, in, paths, out_r);
}
