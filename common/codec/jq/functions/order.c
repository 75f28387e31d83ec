/* Order and equality of values, and sorting. */
#include "common/codec/jq/values.h"

/* The place of each kind in the order of types. */
static const uint8_t ranks[] = {
    [JV_NULL] = 0,  [JV_FALSE] = 1,     [JV_TRUE] = 2,       [JV_INT] = 3,
    [JV_UINT] = 3,  [JV_DOUBLE] = 3,    [JV_DIGITS] = 3,     [JV_STRING] = 4,
    [JV_TEXT] = 4,  [JV_RAW_ARRAY] = 5, [JV_RAW_OBJECT] = 6, [JV_ARRAY] = 5,
    [JV_OBJECT] = 6};

static int compare_strings(struct jv a, struct jv b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

    if (order != 0)
        return order < 0 ? -1 : 1;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int compare_arrays(struct jq_run *run, struct jv a, struct jv b)
{
    int order = 0;
    uint32_t i;

    a = jv_array_built(run, jv_ref(a));
    b = jv_array_built(run, jv_ref(b));
    for (i = 0; order == 0 && i < a.array->count && i < b.array->count; i++)
        order = values_compare(run, raw_resolve(run, a.array->items[i]),
                               raw_resolve(run, b.array->items[i]));
    if (order == 0)
        order = a.array->count < b.array->count ? -1 : a.array->count > b.array->count;
    jv_drop(run, a);
    jv_drop(run, b);
    return order;
}

/* First the sorted names, then the values in their order. */
static int compare_objects(struct jq_run *run, struct jv a, struct jv b)
{
    struct jv names = values_sorted_keys(run, jv_ref(a));
    struct jv others = values_sorted_keys(run, jv_ref(b));
    int order = compare_arrays(run, names, others);

    for (uint32_t i = 0; order == 0 && i < names.array->count; i++) {
        struct jv x = jv_null(), y = jv_null();

        (void)jv_object_find(run, a, names.array->items[i], &x);
        (void)jv_object_find(run, b, names.array->items[i], &y);
        order = values_compare(run, x, y);
        jv_drop(run, x);
        jv_drop(run, y);
    }
    jv_drop(run, names);
    jv_drop(run, others);
    return order;
}

int values_compare(struct jq_run *run, struct jv a, struct jv b)
{
    uint8_t rank = ranks[a.kind];

    run_charge(run, 1);
    if (rank != ranks[b.kind])
        return rank < ranks[b.kind] ? -1 : 1;
    switch (rank) {
    case 3:
        values_charge_digits(run, a);
        values_charge_digits(run, b);
        return values_compare_numbers(a, b);
    case 4:
        run_charge(run, (a.len < b.len ? a.len : b.len) / 64);
        return compare_strings(a, b);
    case 5: run_check_stack(run); return compare_arrays(run, a, b);
    case 6: run_check_stack(run); return compare_objects(run, a, b);
    default: return 0;
    }
}

bool values_equal(struct jq_run *run, struct jv a, struct jv b)
{
    if (ranks[a.kind] != ranks[b.kind])
        return false;
    if (ranks[a.kind] == 4) {
        if (a.len == b.len)
            run_charge(run, a.len / 64);
        return jv_same_text(a, b);
    }
    if (jv_is_array(a) && jv_array_count(run, a) != jv_array_count(run, b))
        return false;
    if (jv_is_object(a) && jv_object_count(run, a) != jv_object_count(run, b))
        return false;
    return values_compare(run, a, b) == 0;
}

/* ---- sorting */

struct entry {
    struct jv key;
    struct jv item;
};

/* Merges the sorted [from, middle) and [middle, to) of one into the other. */
static void merge_runs(struct jq_run *run, const struct entry *one, struct entry *other,
                       size_t from, size_t middle, size_t to)
{
    size_t a = from, b = middle;

    for (size_t i = from; i < to; i++) {
        bool second =
            b < to && (a == middle || values_compare(run, one[b].key, one[a].key) < 0);

        other[i] = one[second ? b++ : a++];
    }
}

static bool is_sorted(struct jq_run *run, const struct entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (values_compare(run, entries[i].key, entries[i - 1].key) < 0)
            return false;
    return true;
}

/* Sorts; returns which of the two blocks holds the result. */
static struct entry *sort(struct jq_run *run, struct entry *entries, struct entry *spare,
                          size_t count)
{
    if (is_sorted(run, entries, count))
        return entries;
    for (size_t width = 1; width < count; width *= 2) {
        struct entry *sorted = spare;

        for (size_t from = 0; from < count; from += 2 * width) {
            size_t middle = from + width < count ? from + width : count;
            size_t to = middle + width < count ? middle + width : count;

            merge_runs(run, entries, spare, from, middle, to);
        }
        spare = entries;
        entries = sorted;
    }
    return entries;
}

struct jv values_sort_by(struct jq_run *run, struct jv array, struct jv keys,
                         struct jv *sorted_keys_r)
{
    size_t count = jv_array_count(run, array), bytes = count * sizeof(struct entry) + 1;
    struct entry *entries = pool_alloc(run, bytes), *spare = pool_alloc(run, bytes);
    struct entry *sorted;

    array = jv_array_own(run, array, 0);
    keys = jv_array_own(run, keys, 0);
    for (size_t i = 0; i < count; i++)
        entries[i] =
            (struct entry){raw_resolve(run, keys.array->items[i]), array.array->items[i]};
    sorted = sort(run, entries, spare, count);
    for (size_t i = 0; i < count; i++) {
        keys.array->items[i] = sorted[i].key;
        array.array->items[i] = sorted[i].item;
    }
    pool_free(run, entries, bytes);
    pool_free(run, spare, bytes);
    *sorted_keys_r = keys;
    return array;
}

struct jv values_sort(struct jq_run *run, struct jv array)
{
    struct jv keys;

    array = values_sort_by(run, array, jv_ref(array), &keys);
    jv_drop(run, keys);
    return array;
}

struct jv values_sorted_keys(struct jq_run *run, struct jv object)
{
    return values_sort(run, jv_object_keys(run, object));
}
