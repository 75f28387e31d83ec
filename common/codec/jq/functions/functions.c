#include "common/codec/jq/functions/functions.h"

#include "common/codec/jq/functions/strings.h"
#include "common/codec/jq/values.h"

int function_length(struct jq_run *run, const struct node *node, struct jv *args,
                    struct jv *out_r)
{
    struct jv value = args[0];

    if (value.kind == JV_NULL)
        *out_r = jv_int(0);
    else if (jv_is_string(value))
        *out_r = jv_int((int64_t)strings_length(run, value));
    else if (jv_is_array(value))
        *out_r = jv_int((int64_t)jv_array_count(run, value));
    else if (jv_is_object(value))
        *out_r = jv_int((int64_t)jv_object_count(run, value));
    else if (jv_is_number(value))
        return function_abs(run, node, args, out_r);
    else
        return flow_failf(run, node, "%s has no length", flow_describe(run, value));
    jv_drop(run, value);
    return FLOW_OK;
}

static int keys(struct jq_run *run, const struct node *node, struct jv value, bool sorted,
                struct jv *out_r)
{
    size_t count;

    if (jv_is_object(value)) {
        *out_r = sorted ? values_sorted_keys(run, value) : jv_object_keys(run, value);
        return FLOW_OK;
    }
    if (!jv_is_array(value))
        return flow_failf(run, node, "%s has no keys", flow_describe(run, value));
    count = jv_array_count(run, value);
    *out_r = jv_array(run, count);
    run_charge(run, count / 4);
    for (size_t i = 0; i < count; i++)
        *out_r = jv_array_push(run, *out_r, jv_int((int64_t)i));
    jv_drop(run, value);
    return FLOW_OK;
}

int function_keys(struct jq_run *run, const struct node *node, struct jv *args,
                  struct jv *out_r)
{
    return keys(run, node, args[0], true, out_r);
}

int function_keys_unsorted(struct jq_run *run, const struct node *node, struct jv *args,
                           struct jv *out_r)
{
    return keys(run, node, args[0], false, out_r);
}

int function_has(struct jq_run *run, const struct node *node, struct jv *args,
                 struct jv *out_r)
{
    bool has;
    int flow = values_has(run, node, args[0], args[1], &has);

    if (flow != FLOW_OK)
        return flow;
    *out_r = jv_bool(has);
    jv_drop(run, args[0]);
    jv_drop(run, args[1]);
    return FLOW_OK;
}

/* ---- contains */

static bool contains(struct jq_run *run, struct jv value, struct jv part);

static bool contains_item(struct jq_run *run, struct jv array, struct jv part)
{
    for (uint32_t i = 0; i < array.array->count; i++) {
        struct jv item = raw_resolve(run, array.array->items[i]);

        run_charge(run, 1);
        if (contains(run, item, part))
            return true;
    }
    return false;
}

static bool contains_items(struct jq_run *run, struct jv array, struct jv parts)
{
    bool all = true;

    array = jv_array_built(run, jv_ref(array));
    parts = jv_array_built(run, jv_ref(parts));
    for (uint32_t i = 0; all && i < parts.array->count; i++)
        all = contains_item(run, array, raw_resolve(run, parts.array->items[i]));
    jv_drop(run, array);
    jv_drop(run, parts);
    return all;
}

static bool contains_members(struct jq_run *run, struct jv object, struct jv parts)
{
    bool all = true;

    parts = jv_object_plain(run, jv_ref(parts));
    for (uint32_t i = 0; all && i < parts.object->count; i++) {
        struct jv_member *member = &parts.object->members[i];
        struct jv found;

        all = jv_object_find(run, object, member->key, &found);
        if (!all)
            break;
        all = contains(run, found, raw_resolve(run, member->value));
        jv_drop(run, found);
    }
    jv_drop(run, parts);
    return all;
}

/* Borrows both. */
static bool contains(struct jq_run *run, struct jv value, struct jv part)
{
    run_check_stack(run);
    run_charge(run, 1);
    if (jv_is_object(value) && jv_is_object(part))
        return contains_members(run, value, part);
    if (jv_is_array(value) && jv_is_array(part))
        return contains_items(run, value, part);
    if (jv_is_string(value) && jv_is_string(part))
        return part.len == 0 || strings_find(run, value, part, 0) != SIZE_MAX;
    return values_equal(run, value, part);
}

int function_contains(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    if (strcmp(jv_type_name(args[0]), jv_type_name(args[1])) != 0)
        return flow_failf(run, node, "%s and %s cannot have their containment checked",
                          flow_describe(run, args[0]), flow_describe(run, args[1]));
    *out_r = jv_bool(contains(run, args[0], args[1]));
    jv_drop(run, args[0]);
    jv_drop(run, args[1]);
    return FLOW_OK;
}

/* ---- add, flatten, reverse */

struct add_each {
    struct each each;
    struct jv sum;
};

static int add_item(struct each *each, struct jq_run *run, struct jv key, struct jv item)
{
    struct add_each *own = (struct add_each *)each;

    (void)key;
    return values_operate(run, each->node, OPERATION_ADD, own->sum, item, &own->sum);
}

int function_add(struct jq_run *run, const struct node *node, struct jv *args,
                 struct jv *out_r)
{
    struct add_each own = {{node, false, add_item}, jv_null()};
    int flow = values_each(run, &own.each, args[0]);

    *out_r = own.sum;
    return flow;
}

struct flatten_each {
    struct each each;
    struct jv flat;
    double depth;
};

static int flatten_item(struct each *each, struct jq_run *run, struct jv key,
                        struct jv item)
{
    struct flatten_each *own = (struct flatten_each *)each;
    int flow;

    (void)key;
    if (!jv_is_array(item) || own->depth <= 0) {
        own->flat = jv_array_push(run, own->flat, item);
        return FLOW_OK;
    }
    run_check_stack(run);
    own->depth--;
    flow = values_each(run, each, item);
    own->depth++;
    return flow;
}

static int flatten(struct jq_run *run, const struct node *node, struct jv value,
                   double depth, struct jv *out_r)
{
    struct flatten_each own = {{node, false, flatten_item}, jv_array(run, 0), depth};
    int flow;

    if (depth < 0)
        return flow_failf(run, node, "flatten depth must not be negative");
    flow = values_each(run, &own.each, value);
    *out_r = own.flat;
    return flow;
}

int function_flatten(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r)
{
    return flatten(run, node, args[0], 1e9, out_r);
}

int function_flatten_to(struct jq_run *run, const struct node *node, struct jv *args,
                        struct jv *out_r)
{
    if (!jv_is_number(args[1]))
        return flow_failf(run, node, "flatten depth must be a number");
    return flatten(run, node, args[0], values_double(args[1]), out_r);
}

static struct jv reverse_text(struct jq_run *run, struct jv text)
{
    const uint8_t *at = text.at, *end = at + text.len;
    uint8_t *to;
    struct jv turned = jv_text_alloc(run, text.len, &to);
    uint32_t code;

    run_charge(run, text.len / 16);
    for (to += text.len; at < end;) {
        size_t len = strings_step(at, end, &code);

        to -= len;
        memcpy(to, at, len);
        at += len;
    }
    jv_drop(run, text);
    return turned;
}

int function_reverse(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r)
{
    struct jv value = args[0], turned;

    if (value.kind == JV_NULL ||
        (jv_is_object(value) && jv_object_count(run, value) == 0)) {
        *out_r = jv_array(run, 0);
        return FLOW_OK;
    }
    if (jv_is_string(value)) {
        *out_r = reverse_text(run, value);
        return FLOW_OK;
    }
    if (!jv_is_array(value))
        return flow_failf(run, node, "Cannot reverse %s", flow_describe(run, value));
    value = jv_array_built(run, value);
    turned = jv_array(run, value.array->count);
    run_charge(run, value.array->count / 4);
    for (uint32_t i = value.array->count; i-- > 0;)
        turned = jv_array_push(run, turned, jv_ref(value.array->items[i]));
    jv_drop(run, value);
    *out_r = turned;
    return FLOW_OK;
}

/* ---- types and texts */

int function_type(struct jq_run *run, const struct node *node, struct jv *args,
                  struct jv *out_r)
{
    (void)node;
    *out_r = jv_constant(jv_type_name(args[0]));
    jv_drop(run, args[0]);
    return FLOW_OK;
}

int function_not(struct jq_run *run, const struct node *node, struct jv *args,
                 struct jv *out_r)
{
    (void)node;
    *out_r = jv_bool(!jv_is_true(args[0]));
    jv_drop(run, args[0]);
    return FLOW_OK;
}

int function_error(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    *out_r = jv_null();
    return flow_fail(run, node, args[0]);
}

int function_error_with(struct jq_run *run, const struct node *node, struct jv *args,
                        struct jv *out_r)
{
    jv_drop(run, args[0]);
    *out_r = jv_null();
    return flow_fail(run, node, args[1]);
}

int function_tostring(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    (void)node;
    *out_r = values_to_string(run, args[0]);
    return FLOW_OK;
}

/* The text without the white space of JSON at its ends. */
static struct slice without_space(struct jv text)
{
    static const char space[] = " \t\r\n";
    struct slice rest = jv_slice(text);

    while (rest.len > 0 && memchr(space, rest.data[0], 4) != NULL) {
        rest.data++;
        rest.len--;
    }
    while (rest.len > 0 && memchr(space, rest.data[rest.len - 1], 4) != NULL)
        rest.len--;
    return rest;
}

int function_tonumber(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    struct jv text = args[0];
    struct slice number;
    uint8_t *plain;

    if (jv_is_number(text)) {
        *out_r = text;
        return FLOW_OK;
    }
    if (jv_is_string(text)) {
        run_charge(run, text.len / 16);
        number = without_space(text);
        if (values_parse_number(run, number, out_r))
            return FLOW_OK;
        plain = pool_alloc(run, NUMBER_PLAIN_BYTES(number.len));
        if (values_parse_number(
                run, (struct slice){plain, values_plain_number(number, plain)}, out_r))
            return FLOW_OK;
        if (values_is_nan(number))
            return function_nan(run, node, args, out_r);
    }
    return flow_failf(run, node, "%s cannot be parsed as a number",
                      flow_describe(run, text));
}

int function_toboolean(struct jq_run *run, const struct node *node, struct jv *args,
                       struct jv *out_r)
{
    struct jv value = args[0];

    if (value.kind == JV_FALSE || value.kind == JV_TRUE) {
        *out_r = value;
        return FLOW_OK;
    }
    for (int i = 0; i < 2; i++)
        if (jv_is_string(value) &&
            jv_same_text(value, jv_constant(i ? "true" : "false"))) {
            *out_r = jv_bool(i == 1);
            jv_drop(run, value);
            return FLOW_OK;
        }
    return flow_failf(run, node, "%s cannot be parsed as a boolean",
                      flow_describe(run, value));
}

int function_tojson(struct jq_run *run, const struct node *node, struct jv *args,
                    struct jv *out_r)
{
    (void)node;
    *out_r = values_to_json(run, args[0]);
    return FLOW_OK;
}

int function_fromjson(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    if (!jv_is_string(args[0]))
        return flow_failf(run, node, "%s only strings can be parsed",
                          flow_describe(run, args[0]));
    return values_from_json(run, node, args[0], out_r);
}

int function_format(struct jq_run *run, const struct node *node, struct jv *args,
                    struct jv *out_r)
{
    uint8_t name[16] = "@";
    uint32_t format = UINT32_MAX;

    if (jv_is_string(args[1]) && args[1].len < sizeof name - 1) {
        memcpy(name + 1, args[1].at, args[1].len);
        format = values_format_named((struct slice){name, args[1].len + 1u});
    }
    if (format == UINT32_MAX)
        return flow_failf(run, node, "%s is not a valid format",
                          flow_describe(run, args[1]));
    return values_format(run, node, format, args[0], out_r);
}

/* ---- paths */

struct set_change {
    struct change change;
    struct jv value;
};

static int set_value(struct change *change, struct jq_run *run, struct jv old,
                     struct jv *new_r)
{
    jv_drop(run, old);
    *new_r = ((struct set_change *)change)->value;
    return FLOW_OK;
}

int function_setpath(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r)
{
    struct set_change own = {{node, set_value}, args[2]};

    return values_change_path(run, &own.change, args[0], args[1], out_r);
}

int function_delpaths(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    return values_delete_paths(run, node, args[0], args[1], out_r);
}
