/*
 * Jobs of several steps: a random operation with random flags, fields and bytes. Both
 * engines must agree; a patched document is the one that a plain recursive reference
 * makes; what a projection keeps is part of the document; gzip only wraps the result; a
 * bulk job gives one sound record for each line, and what is no records is refused.
 *
 * The input: flags, operation, length of the fields, length of the argument (2 bytes),
 * then fields, argument and the job's bytes.
 */
#include "common/codec/operations/bulk.h"
#include "common/codec/coding/gzip.h"
#include "tests/fuzz/codec/fuzz_codec.h"

enum flag {
    FLAG_PRETTY = 1,
    FLAG_GZIP = 2,
    FLAG_GUNZIP = 4,
    FLAG_JSON = 8,
    FLAG_LINES = 16,
    FLAG_WRAP = 32, /* compress what is to be expanded, so that it is gzip */
    FLAG_POOR = 64, /* little memory */
    FLAG_NUMBERS = 128
};

#define HEAD_BYTES 5

/* ---- values as trees: plain, recursive, slow */

struct value {
    enum { NIL, SCALAR, ARRAY, MAP } kind;
    struct slice bytes; /* SCALAR */
    size_t count;       /* items, or pairs */
    struct value *names;
    struct value *items;
};

static size_t read_value(const uint8_t *data, size_t len, struct value *value_r);

static size_t read_items(const uint8_t *data, size_t len, size_t at, struct value *value)
{
    value->items = calloc(value->count + 1, sizeof *value->items);
    value->names = calloc(value->count + 1, sizeof *value->names);
    for (size_t i = 0; i < value->count; i++) {
        if (value->kind == MAP)
            at += read_value(data + at, len - at, &value->names[i]);
        at += read_value(data + at, len - at, &value->items[i]);
    }
    return at;
}

/* Bytes of a scalar, by its first byte; the value has been accepted by the codec. */
static size_t scalar_len(const uint8_t *p)
{
    if (*p < 0x80 || *p >= 0xe0 || (*p >= 0xc0 && *p <= 0xc3))
        return 1;
    if (*p < 0xc0)
        return 1 + (size_t)(*p & 31);
    switch (*p) {
    case 0xc7: return 3 + (size_t)p[1];
    case 0xc8: return 4 + ((size_t)p[1] << 8 | p[2]);
    case 0xc9:
        return 6 + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
    case 0xcc:
    case 0xd0: return 2;
    case 0xcd:
    case 0xd1:
    case 0xd4: return 3;
    case 0xd5: return 4;
    case 0xca:
    case 0xce:
    case 0xd2: return 5;
    case 0xd6: return 6;
    case 0xcb:
    case 0xcf:
    case 0xd3: return 9;
    case 0xd7: return 10;
    case 0xd8: return 18;
    case 0xd9: return 2 + (size_t)p[1];
    case 0xda: return 3 + ((size_t)p[1] << 8 | p[2]);
    default:
        FUZZ_CHECK(*p == 0xdb);
        return 5 + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
    }
}

static size_t read_value(const uint8_t *data, size_t len, struct value *value_r)
{
    size_t head = 1;

    FUZZ_CHECK(len > 0);
    *value_r = (struct value){.kind = SCALAR};
    if (*data >= 0x80 && *data <= 0x9f) {
        value_r->kind = *data >= 0x90 ? ARRAY : MAP;
        value_r->count = *data & 15;
    } else if (*data >= 0xdc && *data <= 0xdf) {
        value_r->kind = *data <= 0xdd ? ARRAY : MAP;
        head = *data & 1 ? 5 : 3;
        for (size_t i = 1; i < head; i++)
            value_r->count = value_r->count << 8 | data[i];
    } else {
        value_r->kind = *data == 0xc0 ? NIL : SCALAR;
        value_r->bytes = (struct slice){data, scalar_len(data)};
        return value_r->bytes.len;
    }
    return read_items(data, len, head, value_r);
}

static void free_value(struct value *value)
{
    for (size_t i = 0; value->items != NULL && i < value->count; i++) {
        free_value(&value->names[i]);
        free_value(&value->items[i]);
    }
    free(value->items);
    free(value->names);
}

/* Strings are the same whatever their headers: this leaves those out. */
static struct slice text_of(const struct value *name)
{
    uint8_t type = *name->bytes.data;
    size_t head = type < 0xc0 ? 1 : (size_t)1 + ((size_t)1 << (type - 0xd9));

    return (struct slice){name->bytes.data + head, name->bytes.len - head};
}

static bool same_name(const struct value *a, const struct value *b)
{
    struct slice one = text_of(a), two = text_of(b);

    return one.len == two.len && memcmp(one.data, two.data, one.len) == 0;
}

static bool same_value(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    if (a->items == NULL)
        return a->bytes.len == b->bytes.len &&
               memcmp(a->bytes.data, b->bytes.data, a->bytes.len) == 0;
    for (size_t i = 0; i < a->count; i++)
        if ((a->kind == MAP && !same_name(&a->names[i], &b->names[i])) ||
            !same_value(&a->items[i], &b->items[i]))
            return false;
    return true;
}

/* ---- RFC 7396, word for word */

static struct value copy_value(const struct value *from)
{
    struct value copy = *from;

    if (from->items == NULL)
        return copy;
    copy.items = calloc(from->count + 1, sizeof *copy.items);
    copy.names = calloc(from->count + 1, sizeof *copy.names);
    for (size_t i = 0; i < from->count; i++) {
        if (from->kind == MAP)
            copy.names[i] = copy_value(&from->names[i]);
        copy.items[i] = copy_value(&from->items[i]);
    }
    return copy;
}

static void remove_at(struct value *map, size_t at)
{
    free_value(&map->names[at]);
    free_value(&map->items[at]);
    map->count--;
    memmove(map->names + at, map->names + at + 1, (map->count - at) * sizeof *map->names);
    memmove(map->items + at, map->items + at + 1, (map->count - at) * sizeof *map->items);
    map->names[map->count] = map->items[map->count] = (struct value){.kind = NIL};
}

/* Leaves the last member of that name only (or none); returns its place, or count. */
static size_t keep_last(struct value *map, const struct value *name, bool none)
{
    size_t found = map->count;

    for (size_t i = map->count; i-- > 0;) {
        if (!same_name(&map->names[i], name))
            continue;
        if (found == map->count && !none) {
            found = i;
            continue;
        }
        remove_at(map, i);
        if (!none)
            found--;
        else
            found = map->count;
    }
    return found;
}

static struct value merged(const struct value *target, const struct value *patch)
{
    struct value result = {.kind = MAP};

    if (patch->kind != MAP)
        return copy_value(patch);
    if (target != NULL && target->kind == MAP)
        result = copy_value(target);
    result.names =
        realloc(result.names, (result.count + patch->count + 1) * sizeof *result.names);
    result.items =
        realloc(result.items, (result.count + patch->count + 1) * sizeof *result.items);
    for (size_t i = 0; i < patch->count; i++) {
        bool none = patch->items[i].kind == NIL;
        size_t at = keep_last(&result, &patch->names[i], none);
        struct value value;

        if (none)
            continue;
        value = merged(at < result.count ? &result.items[at] : NULL, &patch->items[i]);
        if (at < result.count)
            free_value(&result.items[at]);
        else
            result.names[result.count++] = copy_value(&patch->names[i]);
        result.items[at] = value;
    }
    return result;
}

static bool has_duplicates(const struct value *patch)
{
    if (patch->kind != MAP)
        return false;
    for (size_t i = 0; i < patch->count; i++) {
        for (size_t j = 0; j < i; j++)
            if (same_name(&patch->names[i], &patch->names[j]))
                return true;
        if (has_duplicates(&patch->items[i]))
            return true;
    }
    return false;
}

/* True where `part` is `whole` with members and items left out. */
static bool is_part(const struct value *part, const struct value *whole)
{
    size_t at = 0;

    if (part->kind != whole->kind)
        return false;
    if (part->items == NULL)
        return same_value(part, whole);
    for (size_t i = 0; i < part->count; i++, at++) {
        while (at < whole->count &&
               ((part->kind == MAP && !same_name(&part->names[i], &whole->names[at])) ||
                !is_part(&part->items[i], &whole->items[at])))
            at++;
        if (at == whole->count)
            return false;
    }
    return true;
}

/* ---- running */

static struct codec *codec_of(size_t i)
{
    static struct codec *codecs[2];

    if (codecs[i] == NULL)
        codecs[i] = codec_create(i == 0 ? "yajl" : "direct");
    return codecs[i];
}

/* Runs with both engines, which must agree; `out` takes the result. Under little memory
   they differ in what scratch they need. */
static struct codec_fault run(const struct codec_call *call, struct buf *out)
{
    struct buf other = BUF_INIT;
    struct codec_fault faults[2];
    bool poor;

    FUZZ_CHECK(codec_run(codec_of(0), call, out, &faults[0]) == faults[0].status);
    FUZZ_CHECK(codec_run(codec_of(1), call, &other, &faults[1]) == faults[1].status);
    for (size_t i = 0; i < 2; i++)
        FUZZ_CHECK(faults[i].status == CODEC_OK || (i ? &other : out)->data == NULL);
    poor = faults[0].status == CODEC_MEMORY || faults[1].status == CODEC_MEMORY ||
           (call->op == CODEC_OP_BULK && call->max_memory < FUZZ_MAX_MEMORY);
    if (!poor) {
        FUZZ_CHECK(faults[0].status == faults[1].status);
        FUZZ_CHECK(faults[0].offset == faults[1].offset);
        fuzz_check_same(out, &other);
    }
    buf_free(&other);
    return faults[0];
}

/* The MessagePack of a job's input or argument; -1 where it is not valid. */
static int pack(struct slice in, bool json, bool keep_numbers, struct buf *out)
{
    struct codec_call call = {.op = json ? CODEC_OP_DECODE : CODEC_OP_VALIDATE,
                              .keep_numbers = keep_numbers,
                              .in = in,
                              .max_output = SIZE_MAX,
                              .max_memory = SIZE_MAX};
    struct codec_fault fault;

    return codec_run(codec_of(1), &call, out, &fault) == CODEC_OK ? 0 : -1;
}

/* A PATCH that was not compressed, against the reference. */
static void check_patch(const struct codec_call *call, struct slice patch_text,
                        struct codec_fault fault, const struct buf *out)
{
    bool json = call->format == CODEC_FORMAT_JSON, keep = json || call->keep_numbers;
    struct buf target = BUF_INIT, patch = BUF_INIT, made = BUF_INIT;
    struct value before = {.kind = NIL}, change = {.kind = NIL}, after = {.kind = NIL},
                 expected;

    if (pack(call->in, json, keep, &target) != 0 ||
        pack(patch_text, true, keep, &patch) != 0) {
        FUZZ_CHECK(fault.status != CODEC_OK);
    } else if (fault.status == CODEC_OK) {
        read_value(target.data, target.len, &before);
        read_value(patch.data, patch.len, &change);
        FUZZ_CHECK(!has_duplicates(&change));
        FUZZ_CHECK(pack(buf_slice(out), json, keep, &made) == 0);
        read_value(made.data, made.len, &after);
        expected = merged(&before, &change);
        FUZZ_CHECK(same_value(&expected, &after));
        free_value(&expected);
    } else if (fault.status == CODEC_DUPLICATE) {
        read_value(patch.data, patch.len, &change);
        FUZZ_CHECK(has_duplicates(&change));
    }
    free_value(&before);
    free_value(&change);
    free_value(&after);
    buf_free(&target);
    buf_free(&patch);
    buf_free(&made);
}

/* A PROJECT of one document that was not compressed: less of the same. */
static void check_project(const struct codec_call *call, const struct buf *out)
{
    struct buf document = BUF_INIT;
    struct value whole = {.kind = NIL}, part = {.kind = NIL};

    if (pack(call->in, call->format == CODEC_FORMAT_JSON, call->keep_numbers,
             &document) == 0) {
        read_value(document.data, document.len, &whole);
        FUZZ_CHECK(read_value(out->data, out->len, &part) == out->len);
        FUZZ_CHECK(is_part(&part, &whole));
    }
    free_value(&whole);
    free_value(&part);
    buf_free(&document);
}

/* The same job with its result compressed is the same result, compressed where it is
 * long. */
static void check_gzip(struct codec_call call, const struct buf *plain)
{
    struct buf zipped = BUF_INIT, again = BUF_INIT;

    call.coding = CODING_GZIP;
    FUZZ_CHECK(run(&call, &zipped).status == CODEC_OK);
    if (plain->len > CODEC_CODED_MIN_BYTES) {
        FUZZ_CHECK(gzip_expand(buf_slice(&zipped), SIZE_MAX, &again) == CODEC_OK);
        fuzz_check_same(plain, &again);
    } else {
        fuzz_check_same(plain, &zipped); /* not worth it */
    }
    buf_free(&zipped);
    buf_free(&again);
}

/* As many records as lines, each sound, and documents that the codec takes. */
static void check_bulk(const struct codec_call *call, const struct buf *out)
{
    struct slice rest = buf_slice(out), lines = call->in;
    struct bulk_record record;

    while (lines.len > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.data) : lines.len;
        bool blank = bulk_is_blank((struct slice){lines.data, len});

        FUZZ_CHECK(bulk_read(&rest, &record) == 0);
        FUZZ_CHECK(blank == (record.status == CODEC_OK && record.id.len == 0));
        FUZZ_CHECK(record.status == CODEC_OK || record.offset <= len ||
                   record.offset == BULK_NO_OFFSET);
        if (record.id.len > 0) {
            struct buf document = BUF_INIT;

            FUZZ_CHECK(pack(record.document, call->format == CODEC_FORMAT_JSON, false,
                            &document) == 0);
            buf_free(&document);
        }
        len += end != NULL;
        lines = (struct slice){lines.data + len, lines.len - len};
    }
    FUZZ_CHECK(rest.len == 0);
}

/* Bytes that no codec made, read as records: all in bounds. */
static void check_hostile_records(struct slice bytes)
{
    struct bulk_record record;
    size_t before = bytes.len;

    while (bulk_read(&bytes, &record) == 0) {
        FUZZ_CHECK(bytes.len + BULK_HEAD_BYTES + record.id.len + record.document.len ==
                   before);
        FUZZ_CHECK(record.id.len == 0 || document_name_is_valid(record.id));
        before = bytes.len;
    }
}

/* A budget that is spent at the `left`-th question. */
struct counted_budget {
    struct codec_budget base;
    unsigned left;
};

static bool count_down(struct codec_budget *budget, size_t ahead)
{
    struct counted_budget *counted =
        (struct counted_budget *)budget; /* its first member */

    FUZZ_CHECK(counted->left > 0);
    return --counted->left == 0 || ahead > SIZE_MAX / 2;
}

/* A job with a budget is stopped and leaves nothing, or ends as it does without one. */
static void check_stops(struct codec_call call, const struct codec_fault *expected,
                        const struct buf *whole)
{
    for (unsigned questions = 1; questions < 12; questions *= 3) {
        struct counted_budget budget = {{.is_spent = count_down}, questions};
        struct buf out = BUF_INIT;
        struct codec_fault fault;

        call.budget = &budget.base;
        (void)!codec_run(codec_of(questions / 2 % 2), &call, &out, &fault);
        if (fault.status == CODEC_STOPPED) {
            FUZZ_CHECK(budget.left == 0 && out.len == 0);
        } else {
            FUZZ_CHECK(fault.status == expected->status && out.len == whole->len);
            FUZZ_CHECK(out.len == 0 || memcmp(out.data, whole->data, out.len) == 0);
        }
        buf_free(&out);
    }
}

static void check_call(struct codec_call *call, unsigned flags, struct slice patch_text)
{
    struct buf out = BUF_INIT;
    struct codec_fault fault = run(call, &out);

    if (!(flags & FLAG_POOR) && fault.status != CODEC_MEMORY)
        check_stops(*call, &fault, &out);
    if (call->op == CODEC_OP_PATCH && !(flags & FLAG_POOR) &&
        (!call->gunzip || flags & FLAG_WRAP))
        check_patch(call, patch_text, fault, &out);
    if (fault.status == CODEC_OK && call->op == CODEC_OP_PROJECT && !call->ids &&
        call->fields.len > 0)
        check_project(call, &out);
    if (fault.status == CODEC_OK && call->op == CODEC_OP_BULK)
        check_bulk(call, &out);
    else if (fault.status == CODEC_OK && flags & FLAG_GZIP && !(flags & FLAG_POOR))
        check_gzip(*call, &out);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct codec_call call = {.max_output = FUZZ_MAX_OUTPUT,
                              .max_memory = FUZZ_MAX_MEMORY,
                              .max_expanded = FUZZ_MAX_OUTPUT / 16};
    struct buf wrapped = BUF_INIT;
    struct slice text;
    size_t fields_len, argument_len;
    uint8_t *copy;

    if (size < HEAD_BYTES)
        return 0;
    size -= HEAD_BYTES;
    fields_len = data[2] < size ? data[2] : size;
    argument_len = (size_t)data[3] << 8 | data[4];
    if (argument_len > size - fields_len)
        argument_len = size - fields_len;
    copy = malloc(size + 1); /* what lies behind it is seen */
    memcpy(copy, data + HEAD_BYTES, size);
    call.op = (enum codec_op)(data[1] % CODEC_OPS);
    call.pretty = data[0] & FLAG_PRETTY;
    call.gunzip = call.ids = data[0] & FLAG_GUNZIP; /* no operation looks at both */
    call.keep_numbers = data[0] & FLAG_NUMBERS;
    call.format = data[0] & FLAG_JSON ? CODEC_FORMAT_JSON : CODEC_FORMAT_MSGPACK;
    call.separator = data[0] & FLAG_LINES ? '\n' : ',';
    call.fields = (struct slice){copy, fields_len};
    call.argument = (struct slice){copy + fields_len, argument_len};
    call.in = (struct slice){copy + fields_len + argument_len,
                             size - fields_len - argument_len};
    if (data[0] & FLAG_POOR)
        call.max_memory = 64 * (size_t)data[2];
    text = call.argument;
    if (call.gunzip && data[0] & FLAG_WRAP) {
        struct slice *wrap = call.op == CODEC_OP_PATCH ? &call.argument : &call.in;

        FUZZ_CHECK(gzip_compress(*wrap, SIZE_MAX, &wrapped) == CODEC_OK);
        *wrap = buf_slice(&wrapped);
    }
    check_hostile_records(call.in);
    check_call(&call, data[0], text);
    buf_free(&wrapped);
    free(copy);
    return 0;
}
