/* Keys and paths: reading, setting and deleting what they lead to. */
#include <math.h>

#include "common/codec/jq/functions/strings.h"
#include "common/codec/jq/values.h"

static int cannot_index(struct jq_run *run, const struct node *node, struct jv value,
                        struct jv key)
{
    if (jv_is_string(key))
        return flow_failf(run, node, "Cannot index %s with string \"%.*s\"",
                          jv_type_name(value), key.len < 100 ? (int)key.len : 100,
                          (const char *)key.at);
    return flow_failf(run, node, "Cannot index %s with %s", jv_type_name(value),
                      jv_type_name(key));
}

/* An end of a slice: a number, or null for the array's own. */
static bool slice_end(struct jq_run *run, struct jv slice, const char *name,
                      struct jv *end_r)
{
    return jv_object_find(run, slice, jv_constant(name), end_r) &&
           (end_r->kind == JV_NULL || jv_is_number(*end_r));
}

static double clamp(double at, double len)
{
    if (at < 0)
        at += len;
    return at < 0 ? 0 : at > len ? len : at;
}

/* The ends of a slice {"start": ..., "end": ...} of a value of that length. */
static bool slice_ends(struct jq_run *run, struct jv slice, size_t len, size_t *from_r,
                       size_t *to_r)
{
    struct jv start, end;
    double from = 0, to = (double)len;

    if (!slice_end(run, slice, "start", &start) || !slice_end(run, slice, "end", &end))
        return false;
    values_charge_digits(run, start);
    values_charge_digits(run, end);
    if (start.kind != JV_NULL)
        from = clamp(floor(values_double(start)), (double)len);
    if (end.kind != JV_NULL && !isnan(values_double(end))) /* NaN is the end */
        to = clamp(ceil(values_double(end)), (double)len);
    *from_r = from >= 0 ? (size_t)from : 0; /* NaN is the start */
    *to_r = to >= 0 ? (size_t)to : 0;
    if (*to_r < *from_r)
        *to_r = *from_r;
    return true;
}

static int bad_slice(struct jq_run *run, const struct node *node)
{
    return flow_failf(run, node,
                      "Start and end indices of an array slice must be numbers");
}

static int get_slice(struct jq_run *run, const struct node *node, struct jv value,
                     struct jv key, struct jv *out_r)
{
    size_t len =
        jv_is_string(value) ? strings_length(run, value) : jv_array_count(run, value);
    size_t from, to;

    if (!slice_ends(run, key, len, &from, &to))
        return bad_slice(run, node);
    *out_r = jv_is_string(value) ? strings_slice(run, value, from, to)
                                 : jv_array_slice(run, value, from, to);
    jv_drop(run, key);
    return FLOW_OK;
}

static struct jv get_item(struct jq_run *run, struct jv array, struct jv key)
{
    double at = key.kind == JV_INT ? (double)key.i : trunc(values_double(key));
    struct jv item = jv_null();

    if (at > -4e15 && at < 4e15)
        item = jv_array_get(run, array, (int64_t)at);
    jv_drop(run, array);
    return item;
}

/* The positions at which the items of `part` stand in `array`. Borrows. */
static struct jv find_items(struct jq_run *run, struct jv array, struct jv part)
{
    struct jv found = jv_array(run, 0);
    size_t count, part_count;

    array = jv_array_built(run, jv_ref(array));
    part = jv_array_built(run, jv_ref(part));
    count = array.array->count;
    part_count = part.array->count;
    for (size_t i = 0; part_count > 0 && i + part_count <= count; i++) {
        size_t same = 0;

        while (same < part_count &&
               values_equal(run, raw_resolve(run, array.array->items[i + same]),
                            raw_resolve(run, part.array->items[same])))
            same++;
        run_charge(run, 1 + same / 4);
        if (same == part_count)
            found = jv_array_push(run, found, jv_int((int64_t)i));
    }
    jv_drop(run, array);
    jv_drop(run, part);
    return found;
}

int values_get(struct jq_run *run, const struct node *node, struct jv value,
               struct jv key, struct jv *out_r)
{
    *out_r = jv_null();
    values_charge_digits(run, key);
    if (jv_is_object(value) && jv_is_string(key)) {
        (void)jv_object_find(run, value, key, out_r);
        jv_drop(run, value);
        jv_drop(run, key);
        return FLOW_OK;
    }
    if (jv_is_array(value) && jv_is_number(key)) {
        *out_r = get_item(run, value, key);
        return FLOW_OK;
    }
    if (jv_is_object(key) && (jv_is_array(value) || jv_is_string(value)))
        return get_slice(run, node, value, key, out_r);
    if (jv_is_array(value) && jv_is_array(key)) {
        *out_r = find_items(run, value, key);
        jv_drop(run, value);
        jv_drop(run, key);
        return FLOW_OK;
    }
    if (value.kind == JV_NULL &&
        (jv_is_string(key) || jv_is_number(key) || jv_is_object(key)))
        return FLOW_OK;
    return cannot_index(run, node, value, key);
}

/* ---- setting */

static int set_slice(struct jq_run *run, const struct node *node, struct jv value,
                     struct jv key, struct jv item, struct jv *out_r)
{
    size_t count, from, to, new_count;
    struct jv whole;

    if (value.kind == JV_NULL)
        value = jv_array(run, 0);
    count = jv_array_count(run, value);
    if (!slice_ends(run, key, count, &from, &to))
        return bad_slice(run, node);
    if (!jv_is_array(item))
        return flow_failf(run, node,
                          "A slice of an array can only be assigned another array");
    new_count = jv_array_count(run, item);
    whole = jv_array(run, count - (to - from) + new_count);
    value = jv_array_built(run, value);
    item = jv_array_built(run, item);
    run_charge(run, (count + new_count) / 4);
    for (size_t i = 0; i < from; i++)
        whole = jv_array_push(run, whole, jv_ref(value.array->items[i]));
    for (size_t i = 0; i < new_count; i++)
        whole = jv_array_push(run, whole, jv_ref(item.array->items[i]));
    for (size_t i = to; i < count; i++)
        whole = jv_array_push(run, whole, jv_ref(value.array->items[i]));
    jv_drop(run, value);
    jv_drop(run, item);
    *out_r = whole;
    return FLOW_OK;
}

/* The position that a number is in an array; false where there can be none. */
static bool item_position(struct jq_run *run, struct jv array, struct jv key,
                          double *at_r)
{
    double at = trunc(values_double(key));

    if (at < 0)
        at += (double)jv_array_count(run, array);
    *at_r = at;
    return at >= 0;
}

static int set_item(struct jq_run *run, const struct node *node, struct jv array,
                    struct jv key, struct jv item, struct jv *out_r)
{
    double at;

    if (array.kind == JV_NULL)
        array = jv_array(run, 1);
    if (isnan(values_double(key)))
        return flow_failf(run, node, "Cannot set array element at NaN index");
    if (!item_position(run, array, key, &at))
        return flow_failf(run, node, "Out of bounds negative array index");
    if (at >= JV_MAX_LEN / sizeof(struct jv))
        return flow_failf(run, node, "Array index too large");
    *out_r = jv_array_set(run, array, (size_t)at, item);
    return FLOW_OK;
}

int values_set(struct jq_run *run, const struct node *node, struct jv value,
               struct jv key, struct jv item, struct jv *out_r)
{
    bool is_null = value.kind == JV_NULL;

    values_charge_digits(run, key);
    if (jv_is_string(key) && (is_null || jv_is_object(value))) {
        if (is_null)
            value = jv_object(run, 1);
        *out_r = jv_object_set(run, value, key, item);
        return FLOW_OK;
    }
    if (jv_is_number(key) && (is_null || jv_is_array(value)))
        return set_item(run, node, value, key, item, out_r);
    if (jv_is_object(key) && (is_null || jv_is_array(value)))
        return set_slice(run, node, value, key, item, out_r);
    if (jv_is_object(key) && jv_is_string(value))
        return flow_failf(run, node, "Cannot update string slices");
    if (jv_is_array(key) && jv_is_array(value))
        return flow_failf(run, node, "Cannot update field at array index of array");
    return cannot_index(run, node, value, key);
}

/* ---- paths */

static int not_a_path(struct jq_run *run, const struct node *node)
{
    return flow_failf(run, node, "Path must be specified as an array");
}

int values_get_path(struct jq_run *run, const struct node *node, struct jv value,
                    struct jv path, struct jv *out_r)
{
    size_t count;

    if (!jv_is_array(path))
        return not_a_path(run, node);
    count = jv_array_count(run, path);
    for (size_t i = 0; i < count && value.kind != JV_NULL; i++) {
        int flow =
            values_get(run, node, value, jv_array_get(run, path, (int64_t)i), &value);

        if (flow != FLOW_OK)
            return flow;
        run_charge(run, 1);
    }
    jv_drop(run, path);
    *out_r = value;
    return FLOW_OK;
}

/* Takes the child out of the value where that leaves it the only owner. */
static int take_child(struct jq_run *run, const struct node *node, struct jv *value,
                      struct jv key, struct jv *child_r)
{
    double at;

    if (jv_is_object(*value) && jv_is_string(key)) {
        *child_r = jv_object_take(run, value, key);
        return FLOW_OK;
    }
    if (jv_is_array(*value) && jv_is_number(key) &&
        item_position(run, *value, key, &at) && at < jv_array_count(run, *value)) {
        struct jv *item;

        *value = jv_array_own(run, *value, 0);
        item = &value->array->items[(size_t)at];
        *child_r = raw_resolve(run, *item);
        *item = jv_null();
        return FLOW_OK;
    }
    return values_get(run, node, jv_ref(*value), jv_ref(key), child_r);
}

static int change_from(struct jq_run *run, struct change *change, struct jv value,
                       struct jv path, size_t depth, struct jv *out_r)
{
    struct jv key, child, changed;
    int flow;

    if (depth == jv_array_count(run, path))
        return change->apply(change, run, value, out_r);
    run_check_stack(run);
    run_charge(run, 1);
    key = jv_array_get(run, path, (int64_t)depth);
    flow = take_child(run, change->node, &value, key, &child);
    if (flow == FLOW_OK)
        flow = change_from(run, change, child, path, depth + 1, &changed);
    if (flow != FLOW_OK)
        return flow;
    return values_set(run, change->node, value, key, changed, out_r);
}

int values_change_path(struct jq_run *run, struct change *change, struct jv value,
                       struct jv path, struct jv *out_r)
{
    int flow;

    if (!jv_is_array(path))
        return not_a_path(run, change->node);
    flow = change_from(run, change, value, path, 0, out_r);
    jv_drop(run, path);
    return flow;
}

/* ---- deleting */

static int delete_range(struct jq_run *run, const struct node *node, struct jv value,
                        struct jv key, struct jv *out_r)
{
    size_t from, to;
    struct jv *items;

    if (!slice_ends(run, key, jv_array_count(run, value), &from, &to))
        return bad_slice(run, node);
    value = jv_array_own(run, value, 0);
    items = value.array->items;
    for (size_t i = from; i < to; i++)
        jv_drop(run, items[i]);
    run_charge(run, (value.array->count - from) / 16);
    memmove(items + from, items + to, (value.array->count - to) * sizeof *items);
    value.array->count -= (uint32_t)(to - from);
    *out_r = value;
    return FLOW_OK;
}

static int delete_item(struct jq_run *run, struct jv value, struct jv key,
                       struct jv *out_r)
{
    struct jv *item;
    double at;

    *out_r = value;
    if (!item_position(run, value, key, &at) || at >= jv_array_count(run, value))
        return FLOW_OK;
    value = jv_array_own(run, value, 0);
    item = &value.array->items[(size_t)at];
    jv_drop(run, *item);
    run_charge(run, (value.array->count - (size_t)at) / 16);
    memmove(item, item + 1, (value.array->count - (size_t)at - 1) * sizeof *item);
    value.array->count--;
    *out_r = value;
    return FLOW_OK;
}

static int delete_key(struct jq_run *run, const struct node *node, struct jv value,
                      struct jv key, struct jv *out_r)
{
    if (value.kind == JV_NULL) {
        *out_r = value;
        return FLOW_OK;
    }
    if (jv_is_object(value) && jv_is_string(key)) {
        *out_r = jv_object_remove(run, value, key);
        return FLOW_OK;
    }
    if (jv_is_array(value) && jv_is_number(key))
        return delete_item(run, value, key, out_r);
    if (jv_is_array(value) && jv_is_object(key))
        return delete_range(run, node, value, key, out_r);
    if (jv_is_object(value) || jv_is_array(value))
        return flow_failf(run, node, "Cannot delete %s %s", jv_type_name(key),
                          jv_is_array(value) ? "element of array" : "field of object");
    return flow_failf(run, node, "Cannot delete fields from %s", jv_type_name(value));
}

static int delete_from(struct jq_run *run, const struct node *node, struct jv value,
                       struct jv path, size_t depth, struct jv *out_r)
{
    struct jv key = jv_array_get(run, path, (int64_t)depth), child;
    int flow;

    run_check_stack(run);
    run_charge(run, 1);
    if (depth + 1 == jv_array_count(run, path))
        return delete_key(run, node, value, key, out_r);
    flow = values_get(run, node, jv_ref(value), jv_ref(key), &child);
    if (flow != FLOW_OK)
        return flow;
    *out_r = value;
    if (child.kind == JV_NULL)
        return FLOW_OK;
    jv_drop(run, child);
    flow = take_child(run, node, &value, key, &child);
    if (flow == FLOW_OK)
        flow = delete_from(run, node, child, path, depth + 1, &child);
    return flow != FLOW_OK ? flow : values_set(run, node, value, key, child, out_r);
}

/* Adds the path that ends with each of the positions of a slice. */
static struct jv add_positions(struct jq_run *run, struct jv paths, struct jv path,
                               size_t from, size_t to)
{
    size_t last = path.array->count - 1;

    for (; from < to; from++) {
        struct jv one = jv_array_slice(run, jv_ref(path), 0, last);

        run_charge(run, 1);
        one = jv_array_push(run, one, jv_int((int64_t)from));
        paths = jv_array_push(run, paths, one);
    }
    jv_drop(run, path);
    return paths;
}

/* Makes one key of a slice, at i, of an array of that length and the position or slice in
   it that follows. False where what follows is neither. */
static bool join_keys(struct jq_run *run, struct jv_array *path, uint32_t i, size_t len)
{
    struct jv *keys = &path->items[i], slice;
    size_t from, to, first, last;
    double at;

    run_charge(run, 4 + (path->count - i) / 16);
    if (!slice_ends(run, keys[0], len, &from, &to))
        return false;
    if (jv_is_number(keys[1])) {
        at = trunc(values_double(keys[1]));
        if (at < 0)
            at += (double)(to - from);
        if (!(at >= 0 && at < (double)(to - from)))
            return false;
        slice = jv_int((int64_t)(from + (size_t)at));
    } else if (jv_is_object(keys[1]) &&
               slice_ends(run, keys[1], to - from, &first, &last)) {
        slice = jv_object(run, 2);
        slice = jv_object_add(run, slice, jv_constant("start"),
                              jv_int((int64_t)(from + first)));
        slice =
            jv_object_add(run, slice, jv_constant("end"), jv_int((int64_t)(from + last)));
    } else {
        return false;
    }
    jv_drop(run, keys[0]);
    jv_drop(run, keys[1]);
    keys[0] = slice;
    path->count--;
    memmove(keys + 1, keys + 2, (path->count - i - 1) * sizeof *keys);
    return true;
}

/* Adds a path to those that are to be deleted from the (borrowed) value: positions are
   counted from the start of the array as it is now, and slices become positions, so that
   one deletion does not move what another one means. */
static struct jv add_resolved(struct jq_run *run, struct jv paths, struct jv value,
                              struct jv path)
{
    static const struct node quiet = {.at = 0};
    size_t from, to;

    path = jv_array_own(run, path, 0);
    for (uint32_t i = 0; i < path.array->count; i++)
        path.array->items[i] = raw_resolve(run, path.array->items[i]);
    value = jv_ref(value);
    for (uint32_t i = 0; i < path.array->count; i++) {
        struct jv *key = &path.array->items[i];
        double at;

        run_charge(run, 1);
        while (jv_is_array(value) && jv_is_object(*key) && i + 1 < path.array->count &&
               join_keys(run, path.array, i, jv_array_count(run, value)))
            ;
        if (jv_is_array(value) && jv_is_number(*key) && values_double(*key) < 0 &&
            item_position(run, value, *key, &at))
            *key = jv_number(at);
        else if (jv_is_array(value) && jv_is_object(*key) && i + 1 == path.array->count &&
                 slice_ends(run, *key, jv_array_count(run, value), &from, &to))
            return add_positions(run, paths, path, from, to);
        if (values_get(run, &quiet, value, jv_ref(*key), &value) != FLOW_OK)
            break; /* deleting will say so */
    }
    return jv_array_push(run, paths, path);
}

static int resolve_paths(struct jq_run *run, const struct node *node, struct jv value,
                         struct jv paths, struct jv *resolved_r)
{
    paths = jv_array_built(run, paths);
    *resolved_r = jv_array(run, paths.array->count);
    for (uint32_t i = 0; i < paths.array->count; i++) {
        struct jv path = raw_resolve(run, paths.array->items[i]);

        if (!jv_is_array(path))
            return flow_failf(run, node, "Path must be specified as array, not %s",
                              jv_type_name(path));
        *resolved_r = add_resolved(run, *resolved_r, value, jv_ref(path));
    }
    jv_drop(run, paths);
    *resolved_r = values_sort(run, *resolved_r);
    return FLOW_OK;
}

int values_delete_paths(struct jq_run *run, const struct node *node, struct jv value,
                        struct jv paths, struct jv *out_r)
{
    struct jv path, last = jv_null();
    int flow;

    if (!jv_is_array(paths))
        return flow_failf(run, node, "Paths must be specified as an array");
    flow = resolve_paths(run, node, value, paths, &paths);
    if (flow != FLOW_OK)
        return flow;
    if (paths.array->count > 0 && paths.array->items[0].array->count == 0) {
        jv_drop(run, paths); /* all of it */
        jv_drop(run, value);
        *out_r = jv_null();
        return FLOW_OK;
    }
    for (size_t i = paths.array->count; i-- > 0 && flow == FLOW_OK;) {
        path = paths.array->items[i];
        if (jv_is_array(last) && values_equal(run, path, last))
            continue; /* what is deleted is deleted once */
        last = path;
        flow = delete_from(run, node, value, path, 0, &value);
    }
    jv_drop(run, paths);
    *out_r = value;
    return flow;
}

int values_has(struct jq_run *run, const struct node *node, struct jv value,
               struct jv key, bool *has_r)
{
    struct jv found = jv_null();

    if (jv_is_object(value) && jv_is_string(key)) {
        *has_r = jv_object_find(run, value, key, &found);
        jv_drop(run, found);
        return FLOW_OK;
    }
    if (jv_is_array(value) && jv_is_number(key)) {
        double at = values_double(key);

        *has_r = at >= 0 && at < (double)jv_array_count(run, value);
        return FLOW_OK;
    }
    if (value.kind == JV_NULL) {
        *has_r = false;
        return FLOW_OK;
    }
    return flow_failf(run, node, "Cannot check whether %s has a %s key",
                      jv_type_name(value), jv_type_name(key));
}

/* ---- going through containers */

static int each_raw_item(struct jq_run *run, struct each *each, struct jv array)
{
    const uint8_t *at;
    uint32_t count = raw_count(run, array, &at);
    int flow = FLOW_OK;

    for (uint32_t i = 0; i < count && flow == FLOW_OK; i++) {
        struct jv item = raw_load(run, at);
        const uint8_t *start = at;

        run_charge(run, 1);
        if (item.kind == JV_STRING)
            at = item.at + item.len;
        else if (item.kind != JV_RAW_ARRAY && item.kind != JV_RAW_OBJECT)
            at = raw_skip(run, at, RAW_MAX_DEPTH);
        flow = each->take(each, run, jv_int(i), item);
        if (at == start && flow == FLOW_OK && i + 1 < count)
            at = raw_end(run, item); /* known now where it was looked through */
    }
    return flow;
}

static int each_raw_member(struct jq_run *run, struct each *each, struct jv object)
{
    const uint8_t *at;
    uint32_t count = raw_count(run, object, &at);
    int flow = FLOW_OK;

    for (uint32_t i = 0; i < count && flow == FLOW_OK; i++) {
        struct jv name = raw_name(run, at), item;

        run_charge(run, 1);
        item = raw_load(run, name.at + name.len);
        at = raw_skip(run, name.at + name.len, RAW_MAX_DEPTH);
        flow = each->take(each, run, name, item);
    }
    return flow;
}

static int each_built(struct jq_run *run, struct each *each, struct jv value)
{
    int flow = FLOW_OK;

    if (value.kind == JV_ARRAY) {
        for (uint32_t i = 0; i < value.array->count && flow == FLOW_OK; i++) {
            run_charge(run, 1);
            flow = each->take(each, run, jv_int(i),
                              jv_ref(raw_resolve(run, value.array->items[i])));
        }
    } else {
        for (uint32_t i = 0; i < value.object->count && flow == FLOW_OK; i++) {
            struct jv_member *member = &value.object->members[i];

            run_charge(run, 1);
            flow =
                each->take(each, run, each->with_keys ? jv_ref(member->key) : jv_null(),
                           jv_ref(raw_resolve(run, member->value)));
        }
    }
    jv_drop(run, value);
    return flow;
}

int values_each(struct jq_run *run, struct each *each, struct jv value)
{
    if (value.kind == JV_RAW_ARRAY)
        return each_raw_item(run, each, value);
    if (value.kind == JV_RAW_OBJECT && jv_object_is_plain(run, value))
        return each_raw_member(run, each, value);
    if (jv_is_object(value))
        value = jv_object_plain(run, value);
    if (value.kind == JV_ARRAY || value.kind == JV_OBJECT)
        return each_built(run, each, value);
    return flow_failf(run, each->node, "Cannot iterate over %s",
                      flow_describe(run, value));
}
