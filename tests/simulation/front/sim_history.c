#include "tests/simulation/front/sim_history.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"

#define NAMES_MAX  1024
#define STATES_MAX 4096 /* of all documents */

/* A document's states are a list through `before`. */
struct state {
    struct sim_state state;
    struct state *before; /* NULL for the first */
    struct buf bytes;     /* as stored; no blob, which would count in the budget */
};

struct name {
    uint8_t collection_len, id_len;
    uint8_t collection[16], id[48];
    struct state *now;
};

struct write {
    unsigned bulk;
    bool applied, refused;
    unsigned name;
};

static struct {
    struct name names[NAMES_MAX];
    unsigned name_count;
    struct state states[STATES_MAX];
    unsigned state_count;
    struct write writes[SIM_WRITES];
    unsigned write_count;
} base;

void sim_history_begin(void)
{
    base.name_count = base.state_count = 0;
    base.write_count = 1; /* no number is 0 */
}

void sim_history_end(void)
{
    for (unsigned i = 0; i < base.state_count; i++)
        buf_free(&base.states[i].bytes);
}

/* ---- names and states ---- */

unsigned sim_history_name(struct slice collection, struct slice id)
{
    struct name *name = base.names;
    unsigned at = 0;

    for (; at < base.name_count; at++, name++)
        if (sim_slice_is(collection, sim_history_collection_of(at)) &&
            sim_slice_is(id, sim_history_id_of(at)))
            return at;
    assert(at < NAMES_MAX && collection.len <= sizeof name->collection &&
           id.len <= sizeof name->id);
    *name = (struct name){.collection_len = (uint8_t)collection.len,
                          .id_len = (uint8_t)id.len};
    memcpy(name->collection, collection.data, collection.len);
    memcpy(name->id, id.data, id.len);
    return base.name_count++;
}

struct slice sim_history_collection_of(unsigned name)
{
    return (struct slice){base.names[name].collection, base.names[name].collection_len};
}

struct slice sim_history_id_of(unsigned name)
{
    return (struct slice){base.names[name].id, base.names[name].id_len};
}

unsigned sim_history_names(void)
{
    return base.name_count;
}

uint64_t sim_history_now(unsigned name, struct slice *bytes_r,
                         enum store_format *format_r)
{
    const struct state *now = base.names[name].now;

    *bytes_r = (struct slice){NULL, 0};
    if (now == NULL || now->state.version == 0)
        return 0;
    *bytes_r = buf_slice(&now->bytes);
    *format_r = now->state.format;
    return now->state.version;
}

static void add_state(struct name *name)
{
    struct state *state = &base.states[base.state_count++];

    assert(base.state_count <= STATES_MAX);
    *state = (struct state){.state = {.since_ns = sim_now_ns()}, .before = name->now};
    name->now = state;
}

bool sim_history_had(unsigned name, uint64_t from_ns,
                     bool (*holds)(const struct sim_state *state, uint64_t argument),
                     uint64_t argument)
{
    static const struct sim_state none = {0};
    const struct state *at = base.names[name].now;

    for (; at != NULL; at = at->before) {
        if (holds(&at->state, argument))
            return true;
        if (at->state.since_ns < from_ns)
            return false; /* the others were over before */
    }
    return holds(&none, argument);
}

const struct sim_state *sim_history_version(unsigned name, uint64_t version,
                                            struct sim_state *before_r)
{
    *before_r = (struct sim_state){0};
    for (const struct state *at = base.names[name].now; at != NULL; at = at->before)
        if (at->state.version == version && version != 0) {
            if (at->before != NULL)
                *before_r = at->before->state;
            return &at->state;
        }
    return NULL;
}

uint64_t sim_history_some_version(unsigned name, struct sim_random *random)
{
    const struct state *at = base.names[name].now;

    while (at != NULL && (at->state.version == 0 || sim_chance(random, 256)))
        at = at->before;
    return at == NULL ? 0 : at->state.version;
}

/* ---- writes by number ---- */

unsigned sim_history_plan(unsigned bulk)
{
    assert(base.write_count < SIM_WRITES);
    if (bulk == SIM_FIRST_LINE)
        bulk = base.write_count;
    base.writes[base.write_count] = (struct write){.bulk = bulk};
    return base.write_count++;
}

void sim_history_refuse(unsigned number)
{
    if (base.writes[number].applied)
        sim_fail("write %u was refused, and has taken effect", number);
    base.writes[number].refused = true;
}

bool sim_history_applied(unsigned number, unsigned *name_r)
{
    *name_r = base.writes[number].name;
    return base.writes[number].applied;
}

/* Checks that the write is one that may happen now. */
static void note_write(const struct name *name, const struct sim_document *document)
{
    unsigned number = document->patched != 0 ? document->patched : document->written;
    const struct sim_document *before = NULL;
    struct write *write = &base.writes[number];

    if (number == 0 || number >= base.write_count)
        sim_fail("write %u was never asked for", number);
    if (name->now != NULL && name->now->state.version != 0)
        before = &name->now->state.document;
    if (write->applied)
        sim_fail("write %u takes effect twice", number);
    if (write->refused)
        sim_fail("write %u takes effect after it was refused", number);
    if (document->patched != 0 &&
        (before == NULL || before->written != document->written ||
         before->padding != document->padding))
        sim_fail("patch %u is applied to what was not there", number);
    if (write->bulk != 0 && before != NULL && before->written > number &&
        base.writes[before->written].bulk == write->bulk)
        sim_fail("line %u of a bulk load takes effect after the later line %u", number,
                 before->written);
    write->applied = true;
    write->name = (unsigned)(name - base.names);
}

void sim_history_write(unsigned at, uint64_t version, struct slice bytes,
                       enum store_format format)
{
    struct name *name = &base.names[at];
    struct sim_document document;
    struct slice left = bytes;
    int result = format == STORE_JSON ? sim_document_take_json(&left, &document)
                                      : sim_document_take_msgpack(&left, &document);

    if (result != 0 || left.len != 0)
        sim_fail("what is to be stored is no document of a client's");
    note_write(name, &document);
    add_state(name);
    name->now->state.version = version;
    name->now->state.document = document;
    name->now->state.format = format;
    buf_append(&name->now->bytes, bytes.data, bytes.len);
    sim_trace("stored %.*s/%.*s: w %u, m %u", name->collection_len, name->collection,
              name->id_len, name->id, document.written, document.patched);
}

void sim_history_remove(unsigned name)
{
    add_state(&base.names[name]);
}
