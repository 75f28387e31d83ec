/* Built-in functions about arrays and positions. */
#include "common/codec/jq/functions/functions.h"
#include "common/codec/jq/functions/strings.h"
#include "common/codec/jq/values.h"

/* ---- entries */

struct entries_each {
    struct each each;
    struct jv entries;
};

static int add_entry(struct each *each, struct jq_run *run, struct jv key, struct jv item)
{
    struct entries_each *own = (struct entries_each *)each;
    struct jv entry = jv_object(run, 2);

    entry = jv_object_add(run, entry, jv_constant("key"), key);
    entry = jv_object_add(run, entry, jv_constant("value"), item);
    own->entries = jv_array_push(run, own->entries, entry);
    return FLOW_OK;
}

int function_to_entries(struct jq_run *run, const struct node *node, struct jv *args,
                        struct jv *out_r)
{
    struct entries_each own = {{node, true, add_entry}, jv_array(run, 0)};
    int flow;

    if (!jv_is_object(args[0]) && !jv_is_array(args[0]))
        return flow_failf(run, node, "%s has no keys", flow_describe(run, args[0]));
    flow = values_each(run, &own.each, args[0]);
    *out_r = own.entries;
    return flow;
}

/* The first of the members of an entry that is there; of values also null and false. */
static bool entry_part(struct jq_run *run, struct jv entry, const char *const *names,
                       bool any, struct jv *part_r)
{
    bool found = false;

    *part_r = jv_null();
    for (; *names != NULL; names++) {
        struct jv part;

        if (!jv_object_find(run, entry, jv_constant(*names), &part))
            continue;
        if (any || jv_is_true(part) || (!found && part.kind == JV_FALSE)) {
            *part_r = part;
            found = true;
            if (any || jv_is_true(part))
                return true;
        }
    }
    return found;
}

static int take_entry(struct each *each, struct jq_run *run, struct jv key,
                      struct jv entry)
{
    static const char *const keys[] = {"key", "k", "name", "Name", "Key", "K", NULL};
    static const char *const values[] = {"value", "v", "Value", "V", NULL};
    struct entries_each *own = (struct entries_each *)each;
    struct jv name, value;

    (void)key;
    if (!jv_is_object(entry))
        return values_get(run, each->node, entry, jv_constant("key"), &entry);
    (void)entry_part(run, entry, keys, false, &name);
    (void)entry_part(run, entry, values, true, &value);
    if (name.kind == JV_FALSE || name.kind == JV_TRUE || name.kind == JV_NULL ||
        jv_is_number(name))
        name = values_to_json(run, name);
    if (!jv_is_string(name))
        return flow_failf(run, each->node, "Cannot use %s as object key",
                          flow_describe(run, name));
    jv_drop(run, entry);
    own->entries = jv_object_set(run, own->entries, name, value);
    return FLOW_OK;
}

int function_from_entries(struct jq_run *run, const struct node *node, struct jv *args,
                          struct jv *out_r)
{
    struct entries_each own = {{node, false, take_entry}, jv_object(run, 4)};
    int flow = values_each(run, &own.each, args[0]);

    *out_r = own.entries;
    return flow;
}

/* ---- transpose */

/* Null, and what has the length 0, is an empty row. */
static bool is_empty_row(struct jq_run *run, struct jv row)
{
    return row.kind == JV_NULL || (jv_is_string(row) && row.len == 0) ||
           (jv_is_number(row) && values_double(row) == 0) ||
           (jv_is_object(row) && jv_object_count(run, row) == 0);
}

static int check_rows(struct jq_run *run, const struct node *node, struct jv rows,
                      size_t *width_r)
{
    *width_r = 0;
    for (uint32_t i = 0; i < rows.array->count; i++) {
        struct jv row = raw_resolve(run, rows.array->items[i]);
        size_t count;

        run_charge(run, 1);
        if (!jv_is_array(row) && !is_empty_row(run, row))
            return flow_failf(run, node, "%s cannot be a row to transpose",
                              flow_describe(run, row));
        count = jv_is_array(row) ? jv_array_count(run, row) : 0;
        if (count > *width_r)
            *width_r = count;
    }
    return FLOW_OK;
}

int function_transpose(struct jq_run *run, const struct node *node, struct jv *args,
                       struct jv *out_r)
{
    struct jv rows, columns = jv_array(run, 0);
    size_t width;
    int flow;

    if (!jv_is_array(args[0]))
        return flow_failf(run, node, "Cannot iterate over %s",
                          flow_describe(run, args[0]));
    rows = jv_array_own(run, args[0], 0);
    flow = check_rows(run, node, rows, &width);
    if (flow != FLOW_OK)
        return flow;
    for (uint32_t i = 0; i < rows.array->count; i++) {
        struct jv *row = &rows.array->items[i];

        *row = raw_resolve(run, *row);
        *row = jv_is_array(*row) ? jv_array_built(run, *row) : jv_array(run, 0);
    }
    for (size_t at = 0; at < width; at++) {
        struct jv column = jv_array(run, rows.array->count);

        run_charge(run, rows.array->count);
        for (uint32_t i = 0; i < rows.array->count; i++)
            column = jv_array_push(run, column,
                                   jv_array_get(run, rows.array->items[i], (int64_t)at));
        columns = jv_array_push(run, columns, column);
    }
    jv_drop(run, rows);
    *out_r = columns;
    return FLOW_OK;
}

/* ---- indices */

/* The positions of a part of a string, in code points. */
static struct jv find_text(struct jq_run *run, struct jv text, struct jv part)
{
    struct jv found = jv_array(run, 0);
    size_t at, from = 0, done = 0, count = 0;

    if (part.len == 0)
        return found;
    while ((at = strings_find(run, text, part, from)) != SIZE_MAX) {
        struct jv before = {
            .kind = JV_STRING, .len = (uint32_t)(at - done), .at = text.at + done};

        count += strings_length(run, before);
        done = at;
        found = jv_array_push(run, found, jv_int((int64_t)count));
        from = at + 1;
    }
    return found;
}

static int indices(struct jq_run *run, const struct node *node, struct jv value,
                   struct jv part, struct jv *out_r)
{
    struct jv one;

    if (value.kind == JV_NULL) {
        *out_r = jv_null();
        return FLOW_OK;
    }
    if (jv_is_string(value) && jv_is_string(part)) {
        *out_r = find_text(run, value, part);
        jv_drop(run, value);
        jv_drop(run, part);
        return FLOW_OK;
    }
    if (jv_is_array(value) && !jv_is_array(part)) {
        one = jv_array_push(run, jv_array(run, 1), part);
        return values_get(run, node, value, one, out_r);
    }
    return values_get(run, node, value, part, out_r);
}

int function_indices(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r)
{
    return indices(run, node, args[0], args[1], out_r);
}

static int end_of_indices(struct jq_run *run, const struct node *node, struct jv *args,
                          int64_t which, struct jv *out_r)
{
    struct jv found;
    int flow = indices(run, node, args[0], args[1], &found);

    if (flow != FLOW_OK)
        return flow;
    return values_get(run, node, found, jv_int(which), out_r);
}

int function_index(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    return end_of_indices(run, node, args, 0, out_r);
}

int function_rindex(struct jq_run *run, const struct node *node, struct jv *args,
                    struct jv *out_r)
{
    return end_of_indices(run, node, args, -1, out_r);
}

int function_bsearch(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r)
{
    struct jv array = args[0];
    size_t from = 0, to;

    if (!jv_is_array(array))
        return flow_failf(run, node, "%s cannot be searched from",
                          flow_describe(run, array));
    array = jv_array_built(run, array);
    to = array.array->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order =
            values_compare(run, raw_resolve(run, array.array->items[middle]), args[1]);

        if (order == 0) {
            *out_r = jv_int((int64_t)middle);
            return FLOW_OK;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *out_r = jv_int(-1 - (int64_t)from);
    return FLOW_OK;
}
