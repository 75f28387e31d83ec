#include "common/codec/operations/fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/codec/msgpack/pack.h"

/* A name in the tree; its children are a run of the same array once it is complete. */
struct node {
    uint32_t parent;
    uint32_t first; /* child */
    uint32_t count; /* of children */
    bool whole;     /* a path ends here: everything below is wanted */
    struct slice name;
};

/* nodes[0] is the root; children lie behind their parents, sorted by name. */
struct fields {
    uint32_t count;
    struct node nodes[FIELDS_MAX_NAMES + 1];
    uint8_t text[FIELDS_MAX_BYTES]; /* the names, decoded */
};

static int compare_text(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_name_end(struct slice text, size_t at)
{
    return at == text.len || text.data[at] == '.' || text.data[at] == ',';
}

/* Decodes the name at *at, up to '.', ',' or the end, to `out`; -1 where there is none or
   it has a broken escape. '%' alone is the empty name. */
static int decode_name(struct slice text, size_t *at, uint8_t *out)
{
    int len = 0;

    if (*at < text.len && text.data[*at] == '%' && is_name_end(text, *at + 1)) {
        ++*at;
        return 0;
    }
    while (!is_name_end(text, *at)) {
        uint8_t c = text.data[(*at)++];

        if (c == '%') {
            if (text.len - *at < 2 || hex_value(text.data[*at]) < 0 ||
                hex_value(text.data[*at + 1]) < 0)
                return -1;
            c = (uint8_t)(hex_value(text.data[*at]) * 16 + hex_value(text.data[*at + 1]));
            *at += 2;
        } else if (c == '+') {
            c = ' '; /* as forms encode a space in a query */
        }
        out[len++] = c;
    }
    return len > 0 ? len : -1;
}

/* The child of `parent` with that name, made where there is none; 0 where there is no
   room. Linear, over at most FIELDS_MAX_NAMES. */
static uint32_t child(struct fields *fields, uint32_t parent, struct slice name)
{
    for (uint32_t i = 1; i < fields->count; i++)
        if (fields->nodes[i].parent == parent &&
            compare_text(fields->nodes[i].name, name) == 0)
            return i;
    if (fields->count > FIELDS_MAX_NAMES)
        return 0;
    fields->nodes[fields->count] = (struct node){.parent = parent, .name = name};
    return fields->count++;
}

static int read_paths(struct fields *fields, struct slice text)
{
    size_t at = 0, used = 0;
    uint32_t node = 0;

    for (;;) {
        int len = decode_name(text, &at, fields->text + used);

        if (len < 0)
            return -1;
        node = child(fields, node, (struct slice){fields->text + used, (size_t)len});
        if (node == 0)
            return -1;
        used += (size_t)len;
        if (at == text.len || text.data[at] == ',') {
            fields->nodes[node].whole = true;
            node = 0;
        }
        if (at == text.len)
            return 0;
        at++;
    }
}

/* Orders the children of one parent. */
static int compare_nodes(const void *a, const void *b)
{
    const struct node *one = a, *two = b;

    return compare_text(one->name, two->name);
}

/* Puts the children of each node into one sorted run, breadth first: then a node's
   number in the new order is known when its children are looked for. */
static void arrange(struct fields *fields)
{
    struct fields *old = mem_alloc(sizeof *old);
    uint32_t moved[FIELDS_MAX_NAMES + 1] = {0}; /* new number -> old number */
    uint32_t count = 1;

    memcpy(old, fields, sizeof *old);
    for (uint32_t n = 0; n < count; n++) {
        struct node *node = &fields->nodes[n];

        node->first = count;
        for (uint32_t i = 1; i < old->count; i++)
            if (old->nodes[i].parent == moved[n])
                fields->nodes[count++] = old->nodes[i];
        node->count = count - node->first;
        if (node->count > 1)
            qsort(&fields->nodes[node->first], node->count, sizeof *node, compare_nodes);
        for (uint32_t i = node->first; i < count; i++)
            for (uint32_t o = 1; o < old->count; o++)
                if (old->nodes[o].parent == moved[n] &&
                    compare_text(old->nodes[o].name, fields->nodes[i].name) == 0)
                    moved[i] = o;
    }
    assert(count == fields->count);
    mem_free(old);
}

int fields_check(struct slice text)
{
    uint8_t name[FIELDS_MAX_BYTES];
    unsigned names = 0;
    size_t at = 0;

    if (text.len == 0 || text.len > FIELDS_MAX_BYTES)
        return -1;
    while (decode_name(text, &at, name) > 0 && ++names <= FIELDS_MAX_NAMES) {
        if (at == text.len)
            return 0;
        at++;
    }
    return -1;
}

struct fields *fields_parse(struct slice text)
{
    struct fields *fields;

    if (text.len == 0 || text.len > FIELDS_MAX_BYTES)
        return NULL;
    fields = mem_alloc(sizeof *fields);
    fields->count = 1;
    fields->nodes[0] = (struct node){.name = {NULL, 0}};
    if (read_paths(fields, text) != 0) {
        fields_destroy(&fields);
        return NULL;
    }
    arrange(fields);
    return fields;
}

void fields_destroy(struct fields **fields)
{
    mem_free(*fields);
    *fields = NULL;
}

static const struct node *find_child(const struct fields *fields, const struct node *node,
                                     struct slice name)
{
    uint32_t low = node->first, high = node->first + node->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_text(fields->nodes[middle].name, name);

        if (order == 0)
            return &fields->nodes[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const struct node *find_item(const struct fields *fields, const struct node *node,
                                    uint32_t index)
{
    uint8_t digits[10];
    size_t at = sizeof digits;

    do
        digits[--at] = (uint8_t)('0' + index % 10);
    while ((index /= 10) > 0);
    return find_child(fields, node, (struct slice){digits + at, sizeof digits - at});
}

static bool is_container(const struct tape *tape, struct tape_value value)
{
    enum tape_kind kind = tape_kind(tape, value);

    return kind == TAPE_MAP || kind == TAPE_ARRAY;
}

static enum codec_status put_bytes(struct engine_job *job, struct slice bytes)
{
    enum codec_status status = engine_reserve(job, bytes.len);

    if (status != CODEC_OK)
        return status;
    memcpy(job->out->data + job->out->len, bytes.data, bytes.len);
    job->out->len += bytes.len;
    return CODEC_OK;
}

/* A walk over a container's items that stops at those that are wanted. */
struct walk {
    const struct fields *fields;
    const struct tape *tape;
    const struct node *node;
    struct tape_value at;
    uint32_t items, index;
    bool map;
    /* the item found */
    struct tape_value name, value;
    const struct node *wanted;
};

static struct walk walk_open(const struct fields *fields, const struct tape *tape,
                             const struct node *node, struct tape_value container)
{
    struct walk walk = {.fields = fields, .tape = tape, .node = node};

    walk.map = tape_kind(tape, container) == TAPE_MAP;
    walk.at = tape_open(tape, container, &walk.items);
    return walk;
}

static bool walk_next(struct walk *walk)
{
    while (walk->index < walk->items) {
        uint32_t index = walk->index++;

        walk->name = walk->at;
        walk->value = walk->map ? tape_skip(walk->tape, walk->at) : walk->at;
        walk->at = tape_skip(walk->tape, walk->value);
        walk->wanted = walk->map ? find_child(walk->fields, walk->node,
                                              tape_text(walk->tape, walk->name))
                                 : find_item(walk->fields, walk->node, index);
        if (walk->wanted != NULL &&
            (walk->wanted->whole || is_container(walk->tape, walk->value)))
            return true;
    }
    return false;
}

/* Appends what `node` keeps of a container. Recurses as deep as the fields' paths and
   the document both are. */
static enum codec_status project(struct engine_job *job, const struct fields *fields,
                                 const struct tape *tape, const struct node *node,
                                 struct tape_value container)
{
    struct walk walk = walk_open(fields, tape, node, container);
    enum codec_status status = engine_reserve(job, PACK_MAX_BYTES);
    uint32_t kept = 0;

    if (status != CODEC_OK)
        return status;
    while (walk_next(&walk))
        kept++;
    job->out->len =
        (size_t)(pack_container(job->out->data + job->out->len, kept, walk.map) -
                 job->out->data);
    walk = walk_open(fields, tape, node, container);
    while (status == CODEC_OK && walk_next(&walk)) {
        if (walk.map)
            status = put_bytes(job, tape_bytes(tape, walk.name));
        if (status != CODEC_OK)
            break;
        status = walk.wanted->whole ? put_bytes(job, tape_bytes(tape, walk.value))
                                    : project(job, fields, tape, walk.wanted, walk.value);
    }
    return status;
}

static enum codec_status project_root(struct tape *tape, struct engine_job *job,
                                      const struct fields *fields)
{
    if (!is_container(tape, tape_root()))
        return put_bytes(job, tape_bytes(tape, tape_root()));
    return project(job, fields, tape, &fields->nodes[0], tape_root());
}

enum codec_status fields_project(struct projection *projection, struct engine_job *job,
                                 const struct fields *fields, struct slice documents)
{
    enum codec_status status = CODEC_OK;
    size_t at = 0, used;

    if (documents.len >= TAPE_MAX_BYTES)
        return engine_fail(job, CODEC_TOO_LARGE, 0);
    while (status == CODEC_OK && at < documents.len) {
        const struct slice rest = {documents.data + at, documents.len - at};

        status = tape_build(&projection->tape, job, rest, &used);
        if (status == CODEC_OK)
            status = project_root(&projection->tape, job, fields);
        else if (status != CODEC_MEMORY)
            job->fault_offset += at;
        at += used;
    }
    return status;
}

void projection_free(struct projection *projection)
{
    tape_free(&projection->tape);
}
