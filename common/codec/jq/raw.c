#include "common/codec/jq/raw.h"

#include "common/codec/codec.h"

static void __attribute__((noreturn)) bad(struct jq_run *run)
{
    run_end(run, JQ_DOCUMENT, NULL);
}

static uint32_t read_be(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* What a first byte says: how long the header is with fixed content, how many bytes of
   length follow the first byte, and what the length counts. */
enum counts { COUNTS_NOTHING, COUNTS_BYTES, COUNTS_ITEMS, COUNTS_PAIRS, COUNTS_BAD };

struct form {
    uint8_t fixed; /* bytes, the first and those of the length among them */
    uint8_t length_bytes;
    uint8_t counts;
};

/* c0 to df. */
static const struct form forms[32] = {
    {1, 0, COUNTS_NOTHING},  {1, 0, COUNTS_BAD},     {1, 0, COUNTS_NOTHING},
    {1, 0, COUNTS_NOTHING},  {2, 1, COUNTS_BAD},     {3, 2, COUNTS_BAD},
    {5, 4, COUNTS_BAD},      {3, 1, COUNTS_BYTES},   {4, 2, COUNTS_BYTES},
    {6, 4, COUNTS_BYTES},    {5, 0, COUNTS_NOTHING}, {9, 0, COUNTS_NOTHING},
    {2, 0, COUNTS_NOTHING},  {3, 0, COUNTS_NOTHING}, {5, 0, COUNTS_NOTHING},
    {9, 0, COUNTS_NOTHING},  {2, 0, COUNTS_NOTHING}, {3, 0, COUNTS_NOTHING},
    {5, 0, COUNTS_NOTHING},  {9, 0, COUNTS_NOTHING}, {3, 0, COUNTS_NOTHING},
    {4, 0, COUNTS_NOTHING},  {6, 0, COUNTS_NOTHING}, {10, 0, COUNTS_NOTHING},
    {18, 0, COUNTS_NOTHING}, {2, 1, COUNTS_BYTES},   {3, 2, COUNTS_BYTES},
    {5, 4, COUNTS_BYTES},    {3, 2, COUNTS_ITEMS},   {5, 4, COUNTS_ITEMS},
    {3, 2, COUNTS_PAIRS},    {5, 4, COUNTS_PAIRS}};

/* The bytes of values whose first byte says it all; 0 for others. */
static const uint8_t short_bytes[256] =
    {
#define ONE4(n) n, n, n, n
#define ONES(n) ONE4(n), ONE4(n), ONE4(n), ONE4(n)
        ONES(1), ONES(1), ONES(1), ONES(1), ONES(1), ONES(1), ONES(1), ONES(1), /* 00 to
                                                                                   7f */
        ONES(0), ONES(0), /* to 9f */
        1,       2,       3,       4,       5,       6,       7,       8,       9,
        10,      11,      12,      13,      14,      15,      16, /* strings */
        17,      18,      19,      20,      21,      22,      23,      24,      25,
        26,      27,      28,      29,      30,      31,      32,      1,       0,
        1,       1,       0,       0,       0,       0,       0,       0,       5,
        9,       2,       3,       5,       9, /* c0 to cf */
        2,       3,       5,       9,       3,       4,       6,       10,      18,
        0,       0,       0,       0,       0,       0,       0, /* to df */
        ONES(1), ONES(1)
#undef ONES
#undef ONE4
};

/* No short value has more. */
#define SHORT_MAX_BYTES 32

/* Moves behind the header and bytes of a value; returns how many values are in it. */
static inline uint64_t skip_head(struct jq_run *run, const uint8_t **at)
{
    const uint8_t *p = *at;
    uint64_t left, length;
    uint8_t first;
    struct form form;

    if (__builtin_expect(p >= run->end, 0))
        bad(run);
    first = *p;
    left = (uint64_t)(run->end - p);
    if (first < 0x80 || first >= 0xe0) {
        *at = p + 1;
        return 0;
    }
    if (first < 0xa0) {
        *at = p + 1;
        return (uint64_t)(first & 15) << (first < 0x90);
    }
    if (first < 0xc0) {
        if (left <= (first & 31u))
            bad(run);
        *at = p + 1 + (first & 31);
        return 0;
    }
    form = forms[first - 0xc0];
    if (form.counts == COUNTS_BAD || left < form.fixed)
        bad(run);
    *at = p + form.fixed;
    if (form.length_bytes == 0)
        return 0;
    length = read_be(p + 1, form.length_bytes);
    if (form.counts >= COUNTS_ITEMS)
        return length << (form.counts == COUNTS_PAIRS);
    if (length > left - form.fixed)
        bad(run);
    *at += length;
    return 0;
}

/* Behind a value in a container. */
static inline const uint8_t *skip_within(struct jq_run *run, const uint8_t *at)
{
    if (run->end - at >= SHORT_MAX_BYTES && short_bytes[*at] > 0)
        return at + short_bytes[*at];
    return raw_skip(run, at, RAW_MAX_DEPTH);
}

static inline bool is_container(uint8_t first)
{
    return (first >= 0x80 && first < 0xa0) || (first >= 0xdc && first <= 0xdf);
}

static void check_depth(struct jq_run *run, const uint8_t *at, unsigned open,
                        unsigned depth)
{
    if (open >= depth && at < run->end && is_container(*at))
        run_end(run, JQ_FAILED, "the result is nested more than 512 deep");
}

/* Behind what is in a container that has been opened, one of `depth` that may be. */
static const uint8_t *skip_items(struct jq_run *run, const uint8_t *at, uint64_t items,
                                 unsigned depth)
{
    uint64_t left[RAW_MAX_DEPTH];
    unsigned open = 0;

    left[0] = items;
    for (;;) {
        uint64_t within;

        while (left[open] == 0) {
            if (open == 0)
                return at;
            open--;
        }
        left[open]--;
        if (run->end - at >= SHORT_MAX_BYTES && short_bytes[*at] > 0) {
            at += short_bytes[*at];
            continue;
        }
        check_depth(run, at, open + 1, depth);
        within = skip_head(run, &at);
        if (within > 0) {
            run_charge(run, 1 + within / 32);
            left[++open] = within;
        }
    }
}

const uint8_t *raw_skip(struct jq_run *run, const uint8_t *at, unsigned depth)
{
    uint64_t items;

    check_depth(run, at, 0, depth);
    items = skip_head(run, &at);
    run_charge(run, items / 32);
    return items == 0 ? at : skip_items(run, at, items, depth);
}

const uint8_t *raw_end(struct jq_run *run, struct jv container)
{
    if (container.len > 0)
        return container.at + container.len;
    for (unsigned i = 0; i < SCANS; i++)
        if (run->scans[i].at == container.at)
            return run->scans[i].end;
    return raw_skip(run, container.at, RAW_MAX_DEPTH);
}

static uint64_t read_be64(const uint8_t *at)
{
    return (uint64_t)read_be(at, 4) << 32 | read_be(at + 4, 4);
}

static struct jv load_integer(const uint8_t *at)
{
    switch (*at) {
    case 0xcc: return jv_int(at[1]);
    case 0xcd: return jv_int(read_be(at + 1, 2));
    case 0xce: return jv_int(read_be(at + 1, 4));
    case 0xcf: return jv_uint(read_be64(at + 1));
    case 0xd0: return jv_int((int8_t)at[1]);
    case 0xd1: return jv_int((int16_t)read_be(at + 1, 2));
    case 0xd2: return jv_int((int32_t)read_be(at + 1, 4));
    default: return jv_int((int64_t)read_be64(at + 1));
    }
}

static struct jv load_float(struct jq_run *run, const uint8_t *at)
{
    double value;

    if (*at == 0xca) {
        uint32_t bits = read_be(at + 1, 4);
        float narrow;

        memcpy(&narrow, &bits, sizeof narrow);
        value = (double)narrow;
    } else {
        uint64_t bits = read_be64(at + 1);

        memcpy(&value, &bits, sizeof value);
    }
    if (!__builtin_isfinite(value))
        bad(run);
    return jv_double(value);
}

/* A string or the digits of a number: what stands behind a header of `head` bytes. */
static struct jv load_bytes(struct jq_run *run, enum jv_kind kind, const uint8_t *at,
                            size_t head, size_t len)
{
    if ((size_t)(run->end - at) < head || (size_t)(run->end - at) - head < len)
        bad(run);
    return (struct jv){.kind = (uint8_t)kind, .len = (uint32_t)len, .at = at + head};
}

/* Digits are checked when they are used or written: number.h of this folder. */
static struct jv load_ext(struct jq_run *run, const uint8_t *at)
{
    unsigned length_bytes = *at <= 0xc9 ? 1u << (*at - 0xc7) : 0;
    size_t len = length_bytes > 0 ? read_be(at + 1, length_bytes) : 1u << (*at - 0xd4);
    struct jv digits = load_bytes(run, JV_DIGITS, at, 2 + length_bytes, len);

    if (at[1 + length_bytes] != CODEC_EXT_NUMBER)
        bad(run);
    return digits;
}

struct jv raw_load_long(struct jq_run *run, const uint8_t *at)
{
    size_t left;

    if (at >= run->end)
        bad(run);
    left = (size_t)(run->end - at);
    if (*at >= 0xe0)
        return jv_int((int8_t)*at);
    if (*at < 0xa0)
        return (struct jv){.kind = *at < 0x90 ? JV_RAW_OBJECT : JV_RAW_ARRAY, .at = at};
    if (*at < 0xc0)
        bad(run);
    if (left < forms[*at - 0xc0].fixed || forms[*at - 0xc0].counts == COUNTS_BAD)
        bad(run);
    switch (*at) {
    case 0xc0: return jv_null();
    case 0xc2:
    case 0xc3: return jv_bool(*at == 0xc3);
    case 0xca:
    case 0xcb: return load_float(run, at);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xcf:
    case 0xd3: return load_integer(at);
    case 0xd9: return load_bytes(run, JV_STRING, at, 2, at[1]);
    case 0xda: return load_bytes(run, JV_STRING, at, 3, read_be(at + 1, 2));
    case 0xdb: return load_bytes(run, JV_STRING, at, 5, read_be(at + 1, 4));
    case 0xdc:
    case 0xdd: return (struct jv){.kind = JV_RAW_ARRAY, .at = at};
    case 0xde:
    case 0xdf: return (struct jv){.kind = JV_RAW_OBJECT, .at = at};
    default: return load_ext(run, at);
    }
}

uint32_t raw_count(struct jq_run *run, struct jv container, const uint8_t **first_r)
{
    const uint8_t *at = container.at;
    uint64_t values;

    if (at >= run->end || !is_container(*at))
        bad(run);
    values = skip_head(run, &at);
    if (values > (uint64_t)(run->end - at))
        bad(run);
    *first_r = at;
    return (uint32_t)(container.kind == JV_RAW_OBJECT ? values / 2 : values);
}

struct jv raw_name(struct jq_run *run, const uint8_t *at)
{
    struct jv name = raw_load(run, at);

    if (name.kind != JV_STRING)
        bad(run);
    return name;
}

/* ---- objects that are looked through */

static inline uint64_t load8(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/* The bits of the first `bytes` (1 to 8) bytes in memory of a word. */
static inline uint64_t first_bytes(unsigned bytes)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return UINT64_MAX << (64 - 8 * bytes);
#else
    return UINT64_MAX >> (64 - 8 * bytes);
#endif
}

/* A name that a shape knows; 16 bytes can be read from `at` on. */
static void note_name(struct shape_name *name, const uint8_t *at, uint32_t bytes,
                      uint32_t len)
{
    uint8_t copy[16] = {0};

    memcpy(copy, at, bytes < 16 ? bytes : 16);
    *name = (struct shape_name){.at = at, .bytes = bytes, .len = len};
    name->mask = first_bytes(bytes < 8 ? bytes : 8);
    name->first = load8(copy) & name->mask;
    if (bytes > 8) {
        name->second_at = bytes < 16 ? bytes - 8 : 8;
        name->second = load8(copy + name->second_at);
    } else {
        name->second = load8(copy);
    }
    name->second_mask = bytes > 8 ? UINT64_MAX : name->mask;
    name->second &= name->second_mask;
}

/* True where the name stands at p, from where 16 bytes can be read. */
static inline bool is_name(const uint8_t *p, const struct shape_name *name)
{
    uint64_t differs = ((load8(p) ^ name->first) & name->mask) |
                       ((load8(p + name->second_at) ^ name->second) & name->second_mask);

    return differs == 0 &&
           (name->bytes <= 16 || memcmp(p + 16, name->at + 16, name->bytes - 16) == 0);
}

static struct shape *new_shape(struct jq_run *run, uint32_t count,
                               const struct shape *like, uint32_t alike)
{
    struct shape_name *names = NULL;
    struct shape *shape = &run->shapes[run->next_shape++ % SHAPES];

    if (shape == like) /* its names are still wanted */
        shape = &run->shapes[run->next_shape++ % SHAPES];
    if (shape->cap < count) {
        names = pool_alloc(run, count * sizeof *names);
        if (shape->cap > 0)
            pool_free(run, shape->names, shape->cap * sizeof *names);
        shape->names = names;
        shape->cap = count;
    }
    if (alike > 0)
        memcpy(shape->names, like->names, alike * sizeof *names);
    shape->longest = alike > 0 ? like->longest : 0;
    shape->count = count;
    shape->repeats = SHAPE_UNKNOWN;
    shape->id = ++run->last_shape_id;
    return shape;
}

/* So many bytes behind a name, comparing and skipping a short value needs no checks. */
#define NAME_ROOM_BYTES (16 + SHORT_MAX_BYTES)

/* The names that equal the hint's are passed, as long as far from the document's end;
   returns how many. */
static uint32_t scan_quickly(struct jq_run *run, const uint8_t **values,
                             const struct shape *hint, const uint8_t **at)
{
    const uint8_t *p = *at;
    const struct shape_name *name = hint->names, *end;

    if (hint->count == 0 || (size_t)(run->end - p) < hint->longest + NAME_ROOM_BYTES)
        return 0;
    end = name + hint->count;
    for (const uint8_t *safe = run->end - hint->longest - NAME_ROOM_BYTES;
         name < end && p <= safe && is_name(p, name); name++) {
        p += name->bytes;
        *values++ = p;
        if (__builtin_expect(short_bytes[*p] > 0, 1))
            p += short_bytes[*p];
        else
            p = raw_skip(run, p, RAW_MAX_DEPTH);
    }
    *at = p;
    return (uint32_t)(name - hint->names);
}

/* The same for all names. */
static uint32_t scan_alike(struct jq_run *run, struct scan *scan,
                           const struct shape *hint, const uint8_t **at)
{
    uint32_t i = scan_quickly(run, scan->values, hint, at);
    const uint8_t *p = *at;

    for (; i < hint->count; i++) {
        const struct shape_name *name = &hint->names[i];

        if ((size_t)(run->end - p) <= name->bytes ||
            memcmp(p, name->at, name->bytes) != 0)
            break;
        p += name->bytes;
        scan->values[i] = p;
        p = skip_within(run, p);
    }
    *at = p;
    return i;
}

static void scan_names(struct jq_run *run, struct scan *scan, struct shape *shape,
                       uint32_t from, const uint8_t *at)
{
    for (uint32_t i = from; i < scan->count; i++) {
        struct jv name = raw_name(run, at);
        const uint8_t *value = name.at + name.len;

        note_name(&shape->names[i], at, (uint32_t)(value - at), name.len);
        if (value - at > shape->longest)
            shape->longest = (uint32_t)(value - at);
        scan->values[i] = value;
        at = skip_within(run, value);
    }
    scan->end = at;
}

static struct scan *free_scan(struct jq_run *run, uint32_t count)
{
    struct scan *scan = &run->scans[run->next_scan++ % SCANS];

    scan->at = NULL;
    if (scan->cap <= count) {
        const uint8_t **values = pool_alloc(run, (count + 1) * sizeof *values);

        if (scan->cap > 0)
            pool_free(run, scan->values, scan->cap * sizeof *values);
        scan->values = values;
        scan->cap = count + 1;
    }
    scan->count = count;
    return scan;
}

static const struct scan *scan_object(struct jq_run *run, struct jv object,
                                      struct shape *hint)
{
    const uint8_t *at;
    uint32_t count = raw_count(run, object, &at), alike = 0;
    struct scan *scan;

    run_charge(run, 1 + count / 4);
    scan = free_scan(run, count);
    if (hint == NULL)
        hint = run->recent_shape;
    if (hint != NULL && hint->count == count)
        alike = scan_alike(run, scan, hint, &at);
    else
        hint = NULL;
    if (hint != NULL && alike == count) {
        scan->shape = hint;
        scan->end = at;
    } else {
        scan->shape = new_shape(run, count, hint, alike);
        scan_names(run, scan, scan->shape, alike, at);
    }
    run_charge(run, scan->shape->longest / 64); /* its names were compared or noted */
    scan->values[count] = scan->end;
    run->recent_shape = scan->shape;
    scan->shape_id = scan->shape->id;
    scan->at = object.at;
    run->recent_scan = scan;
    return scan;
}

const struct scan *raw_scan(struct jq_run *run, struct jv object, struct shape *hint)
{
    for (unsigned i = 0; i < SCANS; i++)
        if (run->scans[i].at == object.at &&
            run->scans[i].shape->id == run->scans[i].shape_id)
            return &run->scans[i];
    return scan_object(run, object, hint);
}

uint32_t raw_position(const struct shape *shape, struct slice name)
{
    for (uint32_t i = shape->count; i-- > 0;) {
        const struct shape_name *one = &shape->names[i];

        if (one->len == name.len &&
            memcmp(one->at + one->bytes - one->len, name.data, name.len) == 0)
            return i;
    }
    return UINT32_MAX;
}

void raw_find(struct jq_run *run, struct jv object, struct slice name, struct site *site)
{
    struct shape *hint = site->shape;
    const struct scan *scan = run->recent_scan;

    if (scan != NULL && scan->at == object.at && scan->shape_id == site->shape_id)
        return;
    if (hint != NULL && hint->id != site->shape_id)
        hint = NULL;
    scan = raw_scan(run, object, hint);
    run->recent_scan = scan;
    if (scan->shape_id == site->shape_id)
        return;
    run_charge(run, scan->count / 8 + name.len / 64);
    site->shape = scan->shape;
    site->shape_id = scan->shape_id;
    site->position = raw_position(scan->shape, name);
}
