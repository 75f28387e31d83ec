#include "common/codec/operations/fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/codec/msgpack/pack.h"
#include "common/codec/sort.h"
#include "common/codec/operations/bytes.h"

/* The cost of a look-up, in units of a budget. */
#define ITEM_WORK 32

/* A name in the tree; its children are a run of the same array. */
struct node {
    uint32_t first; /* child */
    uint32_t count; /* of children */
    bool whole;     /* a path ends here: everything below is wanted */
    struct slice name;
};

/* nodes[0] is the root. Children come after their parents, sorted by name. */
struct fields {
    uint32_t count;
    struct node nodes[FIELDS_MAX_NAMES + 1];
    uint8_t text[FIELDS_MAX_BYTES]; /* the names, decoded */
};

static bool is_name_end(struct slice text, size_t at)
{
    return at == text.len || text.data[at] == '.' || text.data[at] == ',';
}

/* Decodes the name at *at, up to '.', ',' or the end, to `out`. -1 where there is no name
   or its escape is malformed. '%' alone is the empty name. */
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
            int byte = -1;

            if (text.len - *at >= 2)
                byte = hex_byte_value(text.data[*at], text.data[*at + 1]);
            if (byte < 0)
                return -1;
            c = (uint8_t)byte;
            *at += 2;
        } else if (c == '+') {
            c = ' '; /* in a query, HTML forms encode a space as + */
        }
        out[len++] = c;
    }
    return len > 0 ? len : -1;
}

/* A path, while the tree is built. */
struct path {
    const struct slice *at;  /* its next name */
    const struct slice *end; /* after its last one */
};

/* The paths that lead through a node: a range of the sorted paths. */
struct run {
    uint32_t from, to;
};

/* The input of the tree. */
struct paths {
    struct slice *names;
    struct path *paths;
    uint32_t count;                        /* of paths */
    struct run runs[FIELDS_MAX_NAMES + 1]; /* by node */
};

/* Orders paths, so that those with the same first names are neighbours. */
static int compare_paths(const void *a, const void *b)
{
    const struct path *one = a, *two = b;
    const struct slice *p = one->at, *q = two->at;

    for (; p < one->end && q < two->end; p++, q++) {
        int order = bytes_compare(*p, *q);

        if (order != 0)
            return order;
    }
    return p < one->end ? 1 : q < two->end ? -1 : 0;
}

/* Space for as many names and paths as the text can hold. */
static void make_paths(struct paths *paths, struct slice text)
{
    size_t most = 1;

    for (size_t i = 0; i < text.len; i++)
        most += text.data[i] == ',' || text.data[i] == '.';
    paths->names = mem_alloc(most * sizeof *paths->names);
    paths->paths = mem_alloc(most * sizeof *paths->paths);
    paths->count = 0;
}

/* Decodes the names and lists the paths. -1 where a name is malformed. */
static int read_paths(struct fields *fields, struct paths *paths, struct slice text)
{
    struct slice *name = paths->names, *first = name;
    size_t at = 0, used = 0;

    for (;;) {
        int len = decode_name(text, &at, fields->text + used);

        if (len < 0)
            return -1;
        *name++ = (struct slice){fields->text + used, (size_t)len};
        used += (size_t)len;
        if (at == text.len || text.data[at] == ',') {
            paths->paths[paths->count++] = (struct path){first, name};
            first = name;
        }
        if (at == text.len)
            return 0;
        at++;
    }
}

/* Makes the node's children from the paths that lead through it. -1 where there is no
   space for them. */
static int make_children(struct fields *fields, struct paths *paths, struct node *node,
                         struct run run)
{
    node->first = fields->count;
    for (uint32_t i = run.from; i < run.to; i++) {
        struct path *path = &paths->paths[i];
        uint32_t last = fields->count - 1;

        if (path->at == path->end) {
            node->whole = true;
            continue;
        }
        if (fields->count == node->first ||
            bytes_compare(fields->nodes[last].name, *path->at) != 0) {
            if (fields->count > FIELDS_MAX_NAMES)
                return -1;
            last = fields->count++;
            fields->nodes[last] = (struct node){.name = *path->at};
            paths->runs[last] = (struct run){i, i};
        }
        paths->runs[last].to = i + 1;
        path->at++;
    }
    node->count = fields->count - node->first;
    return 0;
}

/* Breadth first, so that the children of a node are one range, in the paths' order. */
static int make_tree(struct fields *fields, struct paths *paths)
{
    sort_items(paths->paths, paths->count, sizeof *paths->paths, compare_paths);
    fields->count = 1;
    fields->nodes[0] = (struct node){.name = {NULL, 0}};
    paths->runs[0] = (struct run){0, paths->count};
    for (uint32_t n = 0; n < fields->count; n++)
        if (make_children(fields, paths, &fields->nodes[n], paths->runs[n]) != 0)
            return -1;
    return 0;
}

int fields_check(struct slice text)
{
    uint8_t name[FIELDS_MAX_BYTES];
    unsigned names = 0;
    size_t at = 0;

    if (text.len == 0 || text.len > FIELDS_MAX_BYTES)
        return -1;
    while (decode_name(text, &at, name) >= 0 && ++names <= FIELDS_MAX_NAMES) {
        if (at == text.len)
            return 0;
        at++;
    }
    return -1;
}

struct fields *fields_parse(struct slice text)
{
    struct fields *fields;
    struct paths paths;

    if (text.len == 0 || text.len > FIELDS_MAX_BYTES)
        return NULL;
    fields = mem_alloc(sizeof *fields);
    make_paths(&paths, text);
    if (read_paths(fields, &paths, text) != 0 || make_tree(fields, &paths) != 0)
        fields_destroy(&fields);
    mem_free(paths.names);
    mem_free(paths.paths);
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
        int order = bytes_compare(fields->nodes[middle].name, name);

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

/* A walk over a container's items that stops at those that are wanted. */
struct walk {
    struct engine_job *job;
    enum codec_status status; /* OK, or why the walk ended before the last item */
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

static struct walk walk_open(struct engine_job *job, const struct fields *fields,
                             const struct tape *tape, const struct node *node,
                             struct tape_value container)
{
    struct walk walk = {
        .job = job, .status = CODEC_OK, .fields = fields, .tape = tape, .node = node};

    walk.map = tape_kind(tape, container) == TAPE_MAP;
    walk.at = tape_open(tape, container, &walk.items);
    return walk;
}

static bool walk_next(struct walk *walk)
{
    while (walk->index < walk->items) {
        uint32_t index = walk->index++;

        walk->status = engine_spend(walk->job, ITEM_WORK);
        if (walk->status != CODEC_OK)
            return false;
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

/* Appends the part of a container that `node` keeps. Recurses as deep as the fields'
   paths and the document both are. */
static enum codec_status project(struct engine_job *job, const struct fields *fields,
                                 const struct tape *tape, const struct node *node,
                                 struct tape_value container)
{
    struct walk walk = walk_open(job, fields, tape, node, container);
    enum codec_status status = engine_reserve(job, PACK_MAX_BYTES);
    uint32_t kept = 0;

    if (status != CODEC_OK)
        return status;
    while (walk_next(&walk))
        kept++;
    if (walk.status != CODEC_OK)
        return walk.status;
    job->out->len =
        (size_t)(pack_container(job->out->data + job->out->len, kept, walk.map) -
                 job->out->data);
    walk = walk_open(job, fields, tape, node, container);
    while (status == CODEC_OK && walk_next(&walk)) {
        if (walk.map)
            status = bytes_append(job, tape_bytes(tape, walk.name));
        if (status != CODEC_OK)
            break;
        status = walk.wanted->whole ? bytes_append(job, tape_bytes(tape, walk.value))
                                    : project(job, fields, tape, walk.wanted, walk.value);
    }
    return status == CODEC_OK ? walk.status : status;
}

static enum codec_status project_root(struct tape *tape, struct engine_job *job,
                                      const struct fields *fields)
{
    if (!is_container(tape, tape_root()))
        return bytes_append(job, tape_bytes(tape, tape_root()));
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
