/* Objects that a program builds: members in order, and an index of the larger ones. */
#include "common/codec/jq/raw.h"

/* More members than this are found by an index. */
#define SEARCH_MAX 24

static size_t object_bytes(size_t cap)
{
    return sizeof(struct jv_object) + cap * sizeof(struct jv_member);
}

/* The member at the position, or its place, is going to change. */
static inline void touch(struct jv_object *object, uint32_t position)
{
    if (position >= object->intact)
        return;
    object->intact = position;
    object->intact_to = position > 0 ? object->members[position - 1].value.at +
                                           object->members[position - 1].value.len
                                     : object->intact_from;
}

static uint32_t hash(struct jv key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ key.len;
    const uint8_t *p = key.at;
    size_t left = key.len;

    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, 8);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    for (; left > 0; left--, p++)
        h = (h ^ *p) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h ^ h >> 32);
}

static void index_add(struct jv_object *object, uint32_t position)
{
    uint32_t mask = object->index_cap - 1;
    uint32_t at = hash(object->members[position].key) & mask;

    while (object->index[at] != 0) {
        if (object->repeats && jv_same_text(object->members[object->index[at] - 1].key,
                                            object->members[position].key))
            break; /* the last of one name is found */
        at = (at + 1) & mask;
    }
    object->index[at] = position + 1;
}

static void index_drop(struct jq_run *run, struct jv_object *object)
{
    if (object->index_cap > 0)
        pool_free(run, object->index, object->index_cap * sizeof *object->index);
    object->index_cap = 0;
}

static void index_build(struct jq_run *run, struct jv_object *object)
{
    uint32_t cap = 32;

    while (cap < object->block.cap * 2)
        cap *= 2;
    index_drop(run, object);
    object->index = pool_alloc(run, cap * sizeof *object->index);
    memset(object->index, 0, cap * sizeof *object->index);
    object->index_cap = cap;
    run_charge(run, object->count / 2);
    for (uint32_t i = 0; i < object->count; i++) {
        run_charge(run, object->members[i].key.len / 64);
        index_add(object, i);
    }
}

/* The position of a built object's member, or UINT32_MAX. */
static uint32_t find(struct jq_run *run, struct jv_object *object, struct jv key)
{
    uint32_t mask, at;

    jv_object_fill(run, object);
    if (object->count <= SEARCH_MAX) {
        run_charge(run, key.len / 64);
        for (uint32_t i = object->count; i-- > 0;)
            if (jv_same_text(object->members[i].key, key))
                return i;
        return UINT32_MAX;
    }
    run_charge(run, 1 + key.len / 64);
    if (object->index_cap == 0)
        index_build(run, object);
    mask = object->index_cap - 1;
    for (at = hash(key) & mask; object->index[at] != 0; at = (at + 1) & mask) {
        if (jv_same_text(object->members[object->index[at] - 1].key, key))
            return object->index[at] - 1;
        run_charge(run, 1);
    }
    return UINT32_MAX;
}

struct jv jv_object(struct jq_run *run, size_t room)
{
    struct jv_object *object;

    if (room > JV_MAX_LEN / sizeof(struct jv_member))
        run_end(run, JQ_MEMORY, NULL);
    object = pool_alloc(run, object_bytes(room));
    object->block = (struct jv_block){1, (uint32_t)room};
    object->count = 0;
    object->depth = 1;
    object->repeats = false;
    object->intact = 0;
    object->unread = NULL;
    object->intact_from = object->intact_to = NULL;
    object->index_cap = 0;
    object->index = NULL;
    return (struct jv){.kind = JV_OBJECT, .object = object};
}

struct jv jv_object_add(struct jq_run *run, struct jv object, struct jv key,
                        struct jv value)
{
    struct jv_object *into = object.object;
    uint32_t cap = into->block.cap, depth = jv_depth(value) + 1;

    if (into->count == cap) {
        cap += cap / 2 + 4;
        if (cap > JV_MAX_LEN / sizeof(struct jv_member))
            run_end(run, JQ_MEMORY, NULL);
        run_charge(run, into->count / 8);
        index_drop(run, into);
        jv_object_fill(run, into);
        into = pool_resize(run, into, object_bytes(into->block.cap), object_bytes(cap));
        into->block.cap = cap;
        object.object = into;
    }
    if (depth > into->depth) {
        if (depth > JV_MAX_DEPTH)
            run_end(run, JQ_FAILED,
                    "the program builds a value nested more than 512 deep");
        into->depth = depth;
    }
    into->members[into->count++] = (struct jv_member){key, value};
    if (into->index_cap > 0)
        index_add(into, into->count - 1);
    return object;
}

/* ---- objects of the document, whose names may repeat */

/* True where a name of the shape stands in it twice. */
static bool shape_repeats(struct jq_run *run, struct shape *shape)
{
    struct jv seen;

    if (shape->repeats != SHAPE_UNKNOWN)
        return shape->repeats == SHAPE_REPEATS;
    seen = jv_object(run, shape->count);
    shape->repeats = SHAPE_PLAIN;
    for (uint32_t i = 0; i < shape->count; i++) {
        const struct shape_name *name = &shape->names[i];
        struct jv key = {.kind = JV_STRING,
                         .len = name->len,
                         .at = name->at + name->bytes - name->len};

        if (find(run, seen.object, key) != UINT32_MAX) {
            shape->repeats = SHAPE_REPEATS;
            break;
        }
        seen = jv_object_add(run, seen, key, jv_null());
    }
    jv_drop(run, seen);
    return shape->repeats == SHAPE_REPEATS;
}

/* Room for all members of an object of the document, which jv_object_fill() reads when
   they are first looked at: often they only pass through. */
static struct jv copy_raw_members(struct jq_run *run, struct jv raw)
{
    const struct scan *scan = raw_scan(run, raw, NULL);
    struct jv own = jv_object(run, scan->count + 1);
    const uint8_t *first;

    (void)raw_count(run, raw, &first);
    own.object->count = own.object->intact = scan->count;
    own.object->intact_from = first;
    own.object->intact_to = scan->end;
    own.object->unread = raw.at;
    own.object->repeats = shape_repeats(run, scan->shape);
    return own;
}

void jv_object_fill(struct jq_run *run, struct jv_object *object)
{
    struct jv raw = {.kind = JV_RAW_OBJECT, .at = object->unread};
    const struct scan *scan;
    const uint8_t *end;

    if (object->unread == NULL)
        return;
    scan = raw_scan(run, raw, NULL);
    run_charge(run, scan->count / 4);
    end = scan->end;
    for (uint32_t i = scan->count; i-- > 0;) {
        const struct shape_name *name = &scan->shape->names[i];
        const uint8_t *value = scan->values[i];

        object->members[i] = (struct jv_member){
            {.kind = JV_STRING, .len = name->len, .at = value - name->len},
            {.kind = JV_RAW, .len = (uint32_t)(end - value), .at = value}};
        end = value - name->bytes;
    }
    object->unread = NULL;
}

/* The object with the last value of each name where the first stood. */
static struct jv without_repeats(struct jq_run *run, struct jv object)
{
    struct jv plain = jv_object(run, object.object->count);

    jv_object_fill(run, object.object);
    for (uint32_t i = 0; i < object.object->count; i++) {
        struct jv_member *member = &object.object->members[i];

        plain = jv_object_set(run, plain, jv_ref(member->key), jv_ref(member->value));
    }
    jv_drop(run, object);
    return plain;
}

struct jv jv_object_own(struct jq_run *run, struct jv object)
{
    struct jv_object *from = object.object;
    struct jv own;

    if (object.kind == JV_RAW_OBJECT)
        return copy_raw_members(run, object);
    if (from->block.refs == 1)
        return object;
    own = jv_object(run, from->count + 1);
    run_charge(run, from->count / 4);
    jv_object_fill(run, from);
    for (uint32_t i = 0; i < from->count; i++)
        own.object->members[i] = (struct jv_member){jv_ref(from->members[i].key),
                                                    jv_ref(from->members[i].value)};
    own.object->count = from->count;
    own.object->depth = from->depth;
    own.object->repeats = from->repeats;
    own.object->intact = from->intact;
    own.object->intact_from = from->intact_from;
    own.object->intact_to = from->intact_to;
    jv_drop(run, object);
    return own;
}

struct jv jv_object_plain(struct jq_run *run, struct jv object)
{
    if (object.kind == JV_RAW_OBJECT)
        object = copy_raw_members(run, object);
    jv_object_fill(run, object.object);
    return object.object->repeats ? without_repeats(run, object) : object;
}

bool jv_object_is_plain(struct jq_run *run, struct jv object)
{
    if (object.kind == JV_RAW_OBJECT)
        return !shape_repeats(run, raw_scan(run, object, NULL)->shape);
    return !object.object->repeats;
}

size_t jv_object_count(struct jq_run *run, struct jv object)
{
    const uint8_t *first;
    size_t count;

    if (jv_object_is_plain(run, object))
        return object.kind == JV_OBJECT ? object.object->count
                                        : raw_count(run, object, &first);
    object = jv_object_plain(run, jv_ref(object));
    count = object.object->count;
    jv_drop(run, object);
    return count;
}

bool jv_object_find(struct jq_run *run, struct jv object, struct jv key,
                    struct jv *value_r)
{
    uint32_t position;

    if (object.kind == JV_RAW_OBJECT) {
        const struct scan *scan = raw_scan(run, object, NULL);

        position = raw_position(scan->shape, jv_slice(key));
        run_charge(run, scan->count / 8 + key.len / 64);
        if (position != UINT32_MAX)
            *value_r = raw_load(run, scan->values[position]);
    } else {
        position = find(run, object.object, key);
        if (position != UINT32_MAX)
            *value_r = jv_ref(raw_resolve(run, object.object->members[position].value));
    }
    return position != UINT32_MAX;
}

static void remove_at(struct jq_run *run, struct jv_object *object, uint32_t position)
{
    struct jv_member *member = &object->members[position];

    touch(object, position);
    index_drop(run, object);
    run_charge(run, (object->count - position) / 16);
    jv_drop(run, member->key);
    jv_drop(run, member->value);
    memmove(member, member + 1, (object->count - position - 1) * sizeof *member);
    object->count--;
}

/* Takes away the members of that name before the position; returns where it is then. */
static uint32_t remove_earlier(struct jq_run *run, struct jv_object *object,
                               uint32_t position, struct jv key)
{
    if (object->repeats)
        run_charge(run, position / 8);
    for (uint32_t i = position; object->repeats && i-- > 0;) {
        if (!jv_same_text(object->members[i].key, key))
            continue;
        remove_at(run, object, i);
        position--;
    }
    return position;
}

struct jv jv_object_set(struct jq_run *run, struct jv object, struct jv key,
                        struct jv value)
{
    uint32_t position, depth = jv_depth(value) + 1;
    struct jv_member *member;

    object = jv_object_own(run, object);
    position = find(run, object.object, key);
    if (position == UINT32_MAX)
        return jv_object_add(run, object, key, value);
    position = remove_earlier(run, object.object, position, key);
    if (depth > JV_MAX_DEPTH)
        run_end(run, JQ_FAILED, "the program builds a value nested more than 512 deep");
    if (depth > object.object->depth)
        object.object->depth = depth;
    touch(object.object, position);
    member = &object.object->members[position];
    jv_drop(run, key);
    jv_drop(run, member->value);
    member->value = value;
    return object;
}

struct jv jv_object_set_at(struct jq_run *run, struct jv object, struct jv key,
                           struct jv value, struct site *site)
{
    uint32_t position;

    if (object.kind != JV_RAW_OBJECT)
        return jv_object_set(run, object, key, value);
    raw_find(run, object, jv_slice(key), site);
    position = site->position;
    object = copy_raw_members(run, object);
    if (position == UINT32_MAX)
        return jv_object_add(run, object, key, value);
    return jv_object_set(run, object, key, value);
}

struct jv jv_object_take(struct jq_run *run, struct jv *object, struct jv key)
{
    uint32_t position;
    struct jv value;

    *object = jv_object_own(run, *object);
    position = find(run, object->object, key);
    if (position == UINT32_MAX)
        return jv_null();
    touch(object->object, position);
    value = object->object->members[position].value;
    object->object->members[position].value = jv_null();
    return raw_resolve(run, value);
}

struct jv jv_object_remove(struct jq_run *run, struct jv object, struct jv key)
{
    uint32_t position;

    object = jv_object_own(run, object);
    position = find(run, object.object, key);
    if (position == UINT32_MAX)
        return object;
    position = remove_earlier(run, object.object, position, key);
    remove_at(run, object.object, position);
    return object;
}

struct jv jv_object_keys(struct jq_run *run, struct jv object)
{
    struct jv keys;

    object = jv_object_plain(run, object);
    keys = jv_array(run, object.object->count);
    run_charge(run, object.object->count / 4);
    for (uint32_t i = 0; i < object.object->count; i++)
        keys.array->items[i] = jv_ref(object.object->members[i].key);
    keys.array->count = object.object->count;
    jv_drop(run, object);
    return keys;
}
