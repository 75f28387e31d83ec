/*
 * Values while a program runs, and the memory that they live in.
 *
 * A struct jv is 16 bytes, passed by value. Small ones are whole in it. Strings and
 * containers of the document are pointers into it: nothing of it is copied or decoded
 * before a program looks at it. What a program builds lies in blocks with a count of
 * references; a block that has one owner is changed in place.
 *
 * Who owns: a function that takes a struct jv takes the reference with it, unless its
 * comment says that it "borrows"; a result belongs to the caller. A reference that is not
 * given back costs memory until the run ends, nothing else: all blocks are freed then. So
 * paths that fail need not clean up.
 *
 * Running out of a budget ends the run at once: run_end() jumps back to jq_run(). No
 * function here returns for want of memory.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_VALUE_H
#define OFFLOOP_COMMON_CODEC_JQ_VALUE_H

#include <string.h>

#include "common/codec/jq/jq.h"

/* Containers inside one another, in what a program builds. */
#define JV_MAX_DEPTH 512

/* Longest string and most items, so that sizes fit 32 bits. */
#define JV_MAX_LEN (1u << 30)

enum jv_kind {
    JV_NULL,
    JV_FALSE,
    JV_TRUE,
    JV_INT,        /* i */
    JV_UINT,       /* u, above INT64_MAX */
    JV_DOUBLE,     /* d */
    JV_DIGITS,     /* the JSON number at .. at + len, which no double holds */
    JV_STRING,     /* the bytes at .. at + len, of the document or the program */
    JV_RAW_ARRAY,  /* MessagePack at .. at + len of the document; len 0: not known yet */
    JV_RAW_OBJECT, /* the same */
    JV_RAW,  /* any MessagePack value of the document; only inside built containers */
    JV_TEXT, /* from here on counted: a string that was built, at .. at + len */
    JV_ARRAY,
    JV_OBJECT
};

struct jv {
    uint8_t kind;
    uint32_t len;
    union {
        int64_t i;
        uint64_t u;
        double d;
        const uint8_t *at;
        struct jv_array *array;
        struct jv_object *object;
    };
};

/* What every counted block begins with; a text's bytes follow it. */
struct jv_block {
    uint32_t refs;
    uint32_t cap; /* bytes, items or members */
};

struct jv_array {
    struct jv_block block;
    uint32_t count;
    uint32_t depth; /* at least that of what is in it, and one */
    struct jv items[];
};

struct jv_member {
    struct jv key; /* a string */
    struct jv value;
};

/* Members in the order in which they came. */
struct jv_object {
    struct jv_block block;
    uint32_t count;
    uint32_t depth;
    bool repeats;    /* the document's object has names twice: the last one counts */
    uint32_t intact; /* so many first members stand as they are in the document */
    const uint8_t *intact_from, *intact_to; /* there */
    const uint8_t *unread; /* the object whose members those are to become, or NULL */
    uint32_t index_cap;    /* a power of two, or 0: no index */
    uint32_t *index;       /* positions + 1 by hash; 0 is free */
    struct jv_member members[];
};

struct jq_run;

static inline struct jv jv_null(void)
{
    return (struct jv){.kind = JV_NULL};
}

static inline struct jv jv_bool(bool value)
{
    return (struct jv){.kind = value ? JV_TRUE : JV_FALSE};
}

static inline struct jv jv_int(int64_t value)
{
    return (struct jv){.kind = JV_INT, .i = value};
}

static inline struct jv jv_uint(uint64_t value)
{
    return value > INT64_MAX ? (struct jv){.kind = JV_UINT, .u = value}
                             : jv_int((int64_t)value);
}

/* Exactly that double, 1.0 too. */
static inline struct jv jv_double(double value)
{
    return (struct jv){.kind = JV_DOUBLE, .d = value};
}

/* What a calculation gives: an integer where the double is one (but -0.0). */
static inline struct jv jv_number(double value)
{
    if (value >= -9007199254740992.0 && value <= 9007199254740992.0 &&
        value == (double)(int64_t)value && !(value == 0 && __builtin_signbit(value)))
        return jv_int((int64_t)value);
    return jv_double(value);
}

/* A string that outlives the run: a constant. */
static inline struct jv jv_constant(const char *text)
{
    return (struct jv){
        .kind = JV_STRING, .len = (uint32_t)strlen(text), .at = (const uint8_t *)text};
}

static inline bool jv_is_true(struct jv value)
{
    return value.kind > JV_FALSE;
}

static inline bool jv_is_number(struct jv value)
{
    return value.kind >= JV_INT && value.kind <= JV_DIGITS;
}

static inline bool jv_is_string(struct jv value)
{
    return value.kind == JV_STRING || value.kind == JV_TEXT;
}

static inline bool jv_is_array(struct jv value)
{
    return value.kind == JV_ARRAY || value.kind == JV_RAW_ARRAY;
}

static inline bool jv_is_object(struct jv value)
{
    return value.kind == JV_OBJECT || value.kind == JV_RAW_OBJECT;
}

static inline struct slice jv_slice(struct jv string)
{
    return (struct slice){string.at, string.len};
}

static inline struct jv_block *jv_block_of(struct jv value)
{
    return value.kind == JV_TEXT
               ? (struct jv_block *)(uintptr_t)(value.at - sizeof(struct jv_block))
               : &value.array->block;
}

/* One more reference. */
static inline struct jv jv_ref(struct jv value)
{
    if (value.kind >= JV_TEXT)
        jv_block_of(value)->refs++;
    return value;
}

/* Frees a block that nothing refers to any more, and gives back what it holds. */
void jv_free(struct jq_run *run, struct jv value);

/* Gives a reference back. */
static inline void jv_drop(struct jq_run *run, struct jv value)
{
    if (value.kind >= JV_TEXT && --jv_block_of(value)->refs == 0)
        jv_free(run, value);
}

/* ---- strings */

/* A string of len bytes to be written at (uint8_t *)value.at. */
struct jv jv_text_alloc(struct jq_run *run, size_t len, uint8_t **bytes_r);

/* A copy of the bytes. */
struct jv jv_text(struct jq_run *run, const void *bytes, size_t len);

/* A formatted string. */
struct jv jv_textf(struct jq_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The string with bytes added to its end (bytes may lie in it). */
struct jv jv_text_append(struct jq_run *run, struct jv string, const void *bytes,
                         size_t len);

/* True where both (borrowed) strings hold the same bytes. */
static inline bool jv_same_text(struct jv a, struct jv b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* ---- arrays */

/* An empty array with room for some items. */
struct jv jv_array(struct jq_run *run, size_t room);

/* How many items; borrows. */
size_t jv_array_count(struct jq_run *run, struct jv array);

/* The item, or null where there is none; borrows the array. */
struct jv jv_array_get(struct jq_run *run, struct jv array, int64_t index);

/* The array with an item added. */
struct jv jv_array_push(struct jq_run *run, struct jv array, struct jv item);

/* The array with that item replaced; nulls fill what lies between. */
struct jv jv_array_set(struct jq_run *run, struct jv array, size_t index, struct jv item);

/* The items [from, to), which are in the array. */
struct jv jv_array_slice(struct jq_run *run, struct jv array, size_t from, size_t to);

/* A JV_ARRAY with one owner and the same items. */
struct jv jv_array_own(struct jq_run *run, struct jv array, size_t room);

/* ---- objects */

/* An empty object with room for some members. */
struct jv jv_object(struct jq_run *run, size_t room);

/* How many members, of one name only the last; borrows. */
size_t jv_object_count(struct jq_run *run, struct jv object);

/* The member's value, of several the last, and whether there is one; borrows both. */
bool jv_object_find(struct jq_run *run, struct jv object, struct jv key,
                    struct jv *value_r);

/* The object with that member set; a new one comes last. */
struct jv jv_object_set(struct jq_run *run, struct jv object, struct jv key,
                        struct jv value);

/* As jv_object_set(), for a place in the program. */
struct site;
struct jv jv_object_set_at(struct jq_run *run, struct jv object, struct jv key,
                           struct jv value, struct site *site);

/* The object without that member; borrows the key. */
struct jv jv_object_remove(struct jq_run *run, struct jv object, struct jv key);

/* Takes the member's value out of the object, which becomes own and has null there; null
   where there is none. Borrows the key. */
struct jv jv_object_take(struct jq_run *run, struct jv *object, struct jv key);

/* A JV_OBJECT with one owner and the same members. */
struct jv jv_object_own(struct jq_run *run, struct jv object);

/* A JV_OBJECT, perhaps shared, with the same members, of one name only the last. */
struct jv jv_object_plain(struct jq_run *run, struct jv object);

/* Reads the members of the document that an object holds unread. */
void jv_object_fill(struct jq_run *run, struct jv_object *object);

/* True where no name stands in the object twice; borrows. */
bool jv_object_is_plain(struct jq_run *run, struct jv object);

/* A JV_ARRAY with the same items, perhaps shared. */
struct jv jv_array_built(struct jq_run *run, struct jv array);

/* A new member that the (built, own) object does not have. */
struct jv jv_object_add(struct jq_run *run, struct jv object, struct jv key,
                        struct jv value);

/* The names, in the members' order. */
struct jv jv_object_keys(struct jq_run *run, struct jv object);

/* ---- all */

/* Depth of a built container, at least; 0 of all else. */
static inline uint32_t jv_depth(struct jv value)
{
    return value.kind == JV_ARRAY    ? value.array->depth
           : value.kind == JV_OBJECT ? value.object->depth
                                     : 0;
}

/* The name of the type, "number"; borrows. */
const char *jv_type_name(struct jv value);

#endif
