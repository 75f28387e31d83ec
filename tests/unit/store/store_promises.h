/*
 * What store.h promises whatever keeps the documents: the same tests for every
 * backend, on an open and empty store. To be included after cmocka.
 */
#ifndef OFFLOOP_TESTS_UNIT_STORE_STORE_PROMISES_H
#define OFFLOOP_TESTS_UNIT_STORE_STORE_PROMISES_H

#include "tests/unit/store/store_rig.h"

static inline void promise_put_get_delete(struct rig *rig)
{
    assert_int_equal(rig_find(rig, "a", "1"), STORE_NOT_FOUND);
    assert_int_equal(rig_put_text(rig, "a", "1", "one"), STORE_CREATED);
    assert_true(rig_has_text(rig, "a", "1", "one"));
    assert_int_equal(rig_put_text(rig, "a", "1", "two"), STORE_OK);
    assert_true(rig_has_text(rig, "a", "1", "two"));
    assert_int_equal(rig_find(rig, "a", "2"), STORE_NOT_FOUND);
    assert_int_equal(rig_find(rig, "a1", "1"), STORE_NOT_FOUND);
    assert_int_equal(rig_remove(rig, "a", "1"), STORE_OK);
    assert_int_equal(rig_find(rig, "a", "1"), STORE_NOT_FOUND);
    assert_int_equal(rig_remove(rig, "a", "1"), STORE_NOT_FOUND);
}

static inline void promise_conditions(struct rig *rig)
{
    uint64_t v1, v2, none;

    assert_int_equal(rig_write_if(rig, "c", "x", "1", STORE_IF_PRESENT, 0, &none),
                     STORE_CONFLICT);
    assert_int_equal(rig_write_if(rig, "c", "x", "1", STORE_IF_VERSION, 1, &none),
                     STORE_CONFLICT);
    assert_int_equal(rig_write_if(rig, "c", "x", NULL, STORE_IF_VERSION, 1, &none),
                     STORE_NOT_FOUND);
    assert_int_equal(rig_write_if(rig, "c", "x", "1", STORE_IF_ABSENT, 0, &v1),
                     STORE_CREATED);
    assert_int_equal(rig_write_if(rig, "c", "x", "2", STORE_IF_ABSENT, 0, &none),
                     STORE_CONFLICT);
    assert_true(rig_has_text(rig, "c", "x", "1"));
    assert_int_equal(rig_write_if(rig, "c", "x", "2", STORE_IF_VERSION, v1, &v2),
                     STORE_OK);
    assert_int_equal(rig_write_if(rig, "c", "x", "3", STORE_IF_VERSION, v1, &none),
                     STORE_CONFLICT);
    assert_int_equal(
        rig_write_if(rig, "c", "x", "3", STORE_IF_VERSION, UINT64_MAX, &none),
        STORE_CONFLICT);
    assert_int_equal(rig_write_if(rig, "c", "x", NULL, STORE_IF_VERSION, v1, &none),
                     STORE_CONFLICT);
    assert_true(rig_has_text(rig, "c", "x", "2"));
    assert_int_equal(rig_write_if(rig, "c", "x", "3", STORE_IF_PRESENT, 0, &none),
                     STORE_OK);
    assert_int_equal(rig_write_if(rig, "c", "x", NULL, STORE_IF_PRESENT, 0, &none),
                     STORE_OK);
    assert_true(v2 > v1);
}

static inline void promise_longest_names(struct rig *rig)
{
    char name[STORE_NAME_MAX + 1];

    memset(name, '~', STORE_NAME_MAX);
    name[STORE_NAME_MAX] = 0;
    assert_int_equal(rig_put_text(rig, name, name, "x"), STORE_CREATED);
    assert_true(rig_has_text(rig, name, name, "x"));
    assert_int_equal(rig_remove(rig, name, name), STORE_OK);
}

struct promised_names {
    struct store_collections names;
    bool done;
    char text[256]; /* "a=1 b=2 " */
};

static inline void promise_on_names(struct store_collections *names)
{
    struct promised_names *named = (struct promised_names *)(void *)names;

    named->done = true;
    for (size_t i = 0; i < names->count; i++) {
        size_t len = strlen(named->text);

        snprintf(named->text + len, sizeof named->text - len, "%.*s=%llu ",
                 (int)names->collections[i].name.len,
                 (const char *)names->collections[i].name.data,
                 (unsigned long long)names->collections[i].documents);
    }
}

/* A run of collections: "a=1 b=2 ". */
static inline void promise_names(struct rig *rig, const char *after, size_t max,
                                 const char *text, bool more)
{
    struct promised_names named = {
        .names = {.after = rig_slice(after), .max_count = max, .done = promise_on_names}};

    store_collections(rig->store, &named.names);
    while (!named.done)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(named.names.status, STORE_OK);
    assert_string_equal(named.text, text);
    assert_int_equal(named.names.more, more);
}

#endif
