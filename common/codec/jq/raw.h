/*
 * MessagePack of the document, read in place.
 *
 * Nothing is trusted: every header is checked against the document's end, and a document
 * that is not what it should be ends the run with JQ_DOCUMENT. An object is looked
 * through once, whatever is read of it: run->scans keeps where its values are, and
 * objects with the names of an earlier one share its shape, so that a place in the
 * program finds its member by position.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_RAW_H
#define OFFLOOP_COMMON_CODEC_JQ_RAW_H

#include "common/codec/jq/run.h"

/* Containers inside one another in a document. */
#define RAW_MAX_DEPTH 512

/* Behind the value at `at`; counts no steps. `depth` containers may be in it. */
const uint8_t *raw_skip(struct jq_run *run, const uint8_t *at, unsigned depth);

/* Behind the container, which remembers it. */
const uint8_t *raw_end(struct jq_run *run, struct jv container);

/* The value at `at` that is not a short one: see raw_load(). */
struct jv raw_load_long(struct jq_run *run, const uint8_t *at);

/* The value at `at`: a scalar decoded, a container as it is. */
static inline struct jv raw_load(struct jq_run *run, const uint8_t *at)
{
    if (__builtin_expect(at < run->end, 1)) {
        if (*at < 0x80)
            return jv_int(*at);
        if ((*at & 0xe0) == 0xa0 && (size_t)(run->end - at) > (size_t)(*at & 31))
            return (struct jv){.kind = JV_STRING, .len = *at & 31, .at = at + 1};
    }
    return raw_load_long(run, at);
}

/* What is in a built container: raw values are decoded. Borrows and returns borrowed. */
static inline struct jv raw_resolve(struct jq_run *run, struct jv value)
{
    return value.kind == JV_RAW ? raw_load(run, value.at) : value;
}

/* How many items or members a container has, and where they begin. */
uint32_t raw_count(struct jq_run *run, struct jv container, const uint8_t **first_r);

/* A name, which must be a string, with what follows it. */
struct jv raw_name(struct jq_run *run, const uint8_t *at);

/* The object looked through. `hint` is a shape that it probably has, or NULL. What this
   returns is good until other objects are looked through. */
const struct scan *raw_scan(struct jq_run *run, struct jv object, struct shape *hint);

/* The position of the last member of that name; UINT32_MAX where there is none. */
uint32_t raw_position(const struct shape *shape, struct slice name);

/* Looks the object through, into run->recent_scan, and the name up, into the site. */
void raw_find(struct jq_run *run, struct jv object, struct slice name, struct site *site);

/* The value of the member of that name, or null; for a place in the program. */
static inline struct jv raw_member(struct jq_run *run, struct jv object,
                                   struct slice name, struct site *site)
{
    if (run->recent_scan == NULL || run->recent_scan->at != object.at ||
        run->recent_scan->shape_id != site->shape_id)
        raw_find(run, object, name, site);
    if (site->position == UINT32_MAX)
        return jv_null();
    return raw_load(run, run->recent_scan->values[site->position]);
}

#endif
