#include "common/codec/jq/nodes/flow.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/codec/jq/functions/strings.h"
#include "common/codec/jq/values.h"

/* Longest text of a value in a message. */
#define DESCRIBED_BYTES 14

const struct path path_none = {NULL, {.kind = JV_NULL}};
const struct path path_root = {NULL, {.kind = JV_NULL}};

int flow_fail(struct jq_run *run, const struct node *node, struct jv error)
{
    run->error = error;
    run->error_at = node->at;
    return FLOW_ERROR;
}

int flow_failf(struct jq_run *run, const struct node *node, const char *format, ...)
{
    char text[400];
    va_list args;
    int len;

    run_charge(run, 4);
    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len >= (int)sizeof text)
        len = sizeof text - 1;
    return flow_fail(run, node, jv_text(run, text, len > 0 ? (size_t)len : 0));
}

/* What stands for the rest, and how much of a value is shown then: whole code points. */
static const char rest[] = "...";

static size_t shown(struct jv text)
{
    size_t len = 0;
    uint32_t code;

    for (;;) {
        size_t step = strings_step(text.at + len, text.at + text.len, &code);

        if (len + step > DESCRIBED_BYTES - strlen(rest))
            return len;
        len += step;
    }
}

const char *flow_show(struct jq_run *run, struct jv value)
{
    struct jv text = values_to_json(run, jv_ref(value));
    char *described = pool_alloc(run, 64);
    bool cut = text.len > DESCRIBED_BYTES;

    snprintf(described, 64, "%.*s%s", cut ? (int)shown(text) : (int)text.len,
             (const char *)text.at, cut ? rest : "");
    jv_drop(run, text);
    return described;
}

const char *flow_describe(struct jq_run *run, struct jv value)
{
    const char *shown_value = flow_show(run, value);
    char *described = pool_alloc(run, 64);

    snprintf(described, 64, "%s (%s)", jv_type_name(value), shown_value);
    return described;
}

int flow_check_path(struct jq_run *run, const struct node *node, struct jv value,
                    const struct path *path)
{
    if (path != &path_none)
        return FLOW_OK;
    return flow_failf(run, node, "Invalid path expression with result %s",
                      flow_show(run, value));
}

struct jv flow_path_array(struct jq_run *run, const struct path *path)
{
    size_t count = 0;
    struct jv array;

    for (const struct path *at = path; at->up != NULL; at = at->up)
        count++;
    run_charge(run, count / 4);
    array = jv_array(run, count);
    array.array->count = (uint32_t)count;
    for (const struct path *at = path; at->up != NULL; at = at->up) {
        array.array->items[--count] = jv_ref(at->key);
        if (jv_depth(at->key) + 1 > array.array->depth)
            array.array->depth = jv_depth(at->key) + 1;
    }
    return array;
}

int many_of_one(struct jq_run *run, const struct node *node, struct env *env,
                struct jv in, const struct path *path, struct sink *sink)
{
    struct jv out;
    int flow = node->one(run, node, env, in, &out);

    return flow != FLOW_OK ? flow
                           : sink->take(sink, run, out, path == NULL ? NULL : &path_none);
}

/* ---- collecting */

static int collect(struct sink *sink, struct jq_run *run, struct jv value,
                   const struct path *path)
{
    struct collect_sink *own = (struct collect_sink *)sink;

    (void)path;
    own->array = jv_array_push(run, own->array, value);
    return FLOW_OK;
}

struct collect_sink flow_collector(struct jq_run *run)
{
    return (struct collect_sink){{collect}, jv_array(run, 0)};
}

static int pass_without_path(struct sink *sink, struct jq_run *run, struct jv value,
                             const struct path *path)
{
    struct pathless_sink *own = (struct pathless_sink *)sink;

    (void)path;
    return own->next->take(own->next, run, value, &path_none);
}

struct pathless_sink flow_pathless(struct sink *next)
{
    return (struct pathless_sink){{pass_without_path}, next};
}

/* ---- products */

struct product_sink {
    struct sink sink;
    struct product *product;
    uint32_t left; /* nodes still to be evaluated, from the last */
};

static int product_from(struct product *product, struct jq_run *run, uint32_t left);

static int take_factor(struct sink *sink, struct jq_run *run, struct jv value,
                       const struct path *path)
{
    struct product_sink *own = (struct product_sink *)sink;
    int flow;

    (void)path;
    own->product->args[own->left] = value;
    flow = product_from(own->product, run, own->left);
    jv_drop(run, value);
    return flow;
}

/* Evaluates nodes[left - 1] and those before. */
static int product_from(struct product *product, struct jq_run *run, uint32_t left)
{
    struct product_sink own = {{take_factor}, product, 0};

    if (left == 0) {
        /* Each value is used as often as those before it give results. */
        for (uint32_t i = 0; i < product->count; i++)
            (void)jv_ref(product->args[i]);
        return product->then(product, run);
    }
    own.left = left - 1;
    return flow_many(run, product->nodes[left - 1], product->env,
                     flow_input_for(product->nodes[left - 1], product->in), NULL,
                     &own.sink);
}

int flow_product(struct product *product, struct jq_run *run)
{
    return product_from(product, run, product->count);
}

/* ---- destructuring */

struct destructuring {
    struct binding *binding;
    const struct pattern *pattern;
    struct env *entries; /* the variables, first one first */
    struct jv *registers;
    struct env *env; /* with all of them */
};

struct key_sink {
    struct sink sink;
    struct destructuring *own;
    uint32_t step;
};

static int destructure(struct destructuring *own, struct jq_run *run, uint32_t from);

/* registers[step->to] = registers[step->from][key] */
static int follow(struct destructuring *own, struct jq_run *run,
                  const struct pattern_step *step, struct jv key)
{
    return values_get(run, own->binding->node, jv_ref(own->registers[step->from]), key,
                      &own->registers[step->to]);
}

static int take_key(struct sink *sink, struct jq_run *run, struct jv key,
                    const struct path *path)
{
    struct key_sink *taken = (struct key_sink *)sink;
    const struct pattern_step *step = &taken->own->pattern->steps[taken->step];
    int flow;

    (void)path;
    if (!jv_is_string(key))
        return flow_failf(run, taken->own->binding->node, "Cannot index %s with %s",
                          jv_type_name(taken->own->registers[step->from]),
                          jv_type_name(key));
    flow = follow(taken->own, run, step, key);
    return flow != FLOW_OK ? flow : destructure(taken->own, run, taken->step + 1);
}

static int destructure_key(struct destructuring *own, struct jq_run *run, uint32_t at)
{
    const struct pattern_step *step = &own->pattern->steps[at];
    struct key_sink sink = {{take_key}, own, at};
    struct env *env =
        step->bound > 0 ? &own->entries[step->bound - 1] : own->binding->env;

    return flow_many(run, step->key, env, jv_ref(own->binding->in), NULL, &sink.sink);
}

/* The steps from there on, then what is to be done with the variables. */
static int destructure(struct destructuring *own, struct jq_run *run, uint32_t from)
{
    for (uint32_t i = from; i < own->pattern->step_count; i++) {
        const struct pattern_step *step = &own->pattern->steps[i];
        int flow = FLOW_OK;

        if (step->kind == PATTERN_KEY)
            return destructure_key(own, run, i);
        if (step->kind == PATTERN_BIND)
            own->entries[step->to].value = jv_ref(own->registers[step->from]);
        else
            flow = follow(own, run, step, jv_int(step->index));
        if (flow != FLOW_OK)
            return flow;
    }
    return own->binding->then(own->binding, run, own->env);
}

/* Tries the alternatives until one (with all that follows) does not fail. */
static int bind_pattern(struct binding *binding, struct jq_run *run, struct jv value)
{
    const struct pattern *pattern = binding->pattern;
    uint32_t count = pattern->variable_count;
    struct destructuring own = {.binding = binding};
    int flow;

    own.entries = pool_alloc(run, count * sizeof *own.entries + 1);
    do {
        own.pattern = pattern;
        own.registers = pool_alloc(run, pattern->register_count * sizeof *own.registers);
        own.registers[0] = value;
        for (uint32_t i = 0; i < count; i++) {
            own.entries[i].up = i > 0 ? &own.entries[i - 1] : binding->env;
            own.entries[i].value = jv_null();
        }
        own.env = count > 0 ? &own.entries[count - 1] : binding->env;
        flow = destructure(&own, run, 0);
        pool_free(run, own.registers, pattern->register_count * sizeof *own.registers);
        pattern = pattern->alternative;
    } while (flow == FLOW_ERROR && pattern != NULL);
    pool_free(run, own.entries, count * sizeof *own.entries + 1);
    jv_drop(run, value);
    return flow;
}

int flow_bind(struct binding *binding, struct jq_run *run, struct jv value)
{
    struct env entry = {.up = binding->env, .value = value};
    int flow;

    if (!binding->pattern->plain)
        return bind_pattern(binding, run, value);
    flow = binding->then(binding, run, &entry);
    jv_drop(run, entry.value);
    return flow;
}
