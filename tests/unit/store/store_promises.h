/*
 * Tests of what store.h promises, the same for every backend, on an open and empty
 * store. Include it after cmocka.
 */
#ifndef OFFLOOP_TESTS_UNIT_STORE_STORE_PROMISES_H
#define OFFLOOP_TESTS_UNIT_STORE_STORE_PROMISES_H

#include "common/base/list.h"
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

/* A GET with a known version returns bytes only if the document has another version. */
static inline void promise_known_version(struct rig *rig)
{
    uint64_t v1, v2;
    struct blob *blob;

    assert_false(rig_is_unchanged(rig, "k", "x", 1));
    assert_int_equal(rig_write_if(rig, "k", "x", "one", STORE_ALWAYS, 0, &v1),
                     STORE_CREATED);
    assert_true(rig_is_unchanged(rig, "k", "x", v1));
    assert_false(rig_is_unchanged(rig, "k", "x", v1 + 1));
    assert_int_equal(rig_write_if(rig, "k", "x", "two", STORE_ALWAYS, 0, &v2), STORE_OK);
    assert_false(rig_is_unchanged(rig, "k", "x", v1));
    assert_true(rig_is_unchanged(rig, "k", "x", v2));
    assert_int_equal(rig_get_blob(rig, "k", "x", &blob, &v1), STORE_OK);
    assert_int_equal(v1, v2);
    blob_unref(&blob);
    assert_int_equal(rig_remove(rig, "k", "x"), STORE_OK);
    assert_false(rig_is_unchanged(rig, "k", "x", v2));
    assert_int_equal(rig_write_if(rig, "k", "x", "one", STORE_ALWAYS, 0, &v1),
                     STORE_CREATED);
    assert_false(rig_is_unchanged(rig, "k", "x", v2));
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

/* Many puts of collection "g" at once; the versions grow. */
static inline void promise_many_at_once(struct rig *rig, int count)
{
    struct rig_put *puts = mem_zalloc((size_t)count * sizeof *puts);
    char(*ids)[16] = mem_alloc((size_t)count * sizeof *ids);

    for (int i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "%04d", i);
        rig_begin_put(rig, &puts[i], "g", ids[i], "x", 1);
    }
    for (int i = 0; i < count; i++)
        assert_int_equal(rig_wait_put(rig, &puts[i], NULL), STORE_CREATED);
    for (int i = 1; i < count; i++)
        assert_true(puts[i].put.version > puts[i - 1].put.version);
    mem_free(ids);
    mem_free(puts);
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

struct promised_range {
    struct store_list list;
    struct store_count count;
    bool done;
    bool counted;
    char text[256]; /* "a b " */
};

static inline void promise_on_range(struct store_list *list)
{
    struct promised_range *range = container_of(list, struct promised_range, list);

    range->done = true;
    for (size_t i = 0; i < list->count; i++) {
        size_t len = strlen(range->text);

        snprintf(range->text + len, sizeof range->text - len, "%.*s ",
                 (int)list->documents[i].id.len,
                 (const char *)list->documents[i].id.data);
    }
}

static inline void promise_on_count(struct store_count *count)
{
    container_of(count, struct promised_range, count)->counted = true;
}

/* Lists the documents after one id, up to another. */
static inline void promise_range(struct rig *rig, const char *after, const char *until,
                                 size_t max, const char *text, bool more)
{
    struct promised_range range = {.list = {.collection = rig_slice("l"),
                                            .after = rig_slice(after),
                                            .until = rig_slice(until),
                                            .max_documents = max,
                                            .max_bytes = 1000,
                                            .done = promise_on_range}};

    store_list(rig->store, &range.list);
    while (!range.done)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(range.list.status, STORE_OK);
    assert_string_equal(range.text, text);
    assert_int_equal(range.list.more, more);
}

/* Counts documents; checks the last one counted. */
static inline void promise_count(struct rig *rig, const char *after, uint64_t max,
                                 uint64_t documents, const char *last, bool more)
{
    struct promised_range range = {.count = {.collection = rig_slice("l"),
                                             .after = rig_slice(after),
                                             .max_documents = max,
                                             .done = promise_on_count}};

    store_count(rig->store, &range.count);
    while (!range.counted)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(range.count.status, STORE_OK);
    assert_int_equal(range.count.documents, documents);
    assert_int_equal(range.count.last_id_len, strlen(last));
    assert_memory_equal(range.count.last_id, last, strlen(last));
    assert_int_equal(range.count.more, more);
}

/* Pages and their limits: ids are compared byte by byte, a shorter one comes first. */
static inline void promise_pages(struct rig *rig)
{
    static const char *const ids[] = {"a", "b", "b.", "b.1", "c"};

    promise_count(rig, "", 9, 0, "", false);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(rig_put_text(rig, "l", ids[i], "1"), STORE_CREATED);
    promise_range(rig, "", "b", 9, "a b ", false);
    promise_range(rig, "", "b", 2, "a b ", false);
    promise_range(rig, "", "b", 1, "a ", true);
    promise_range(rig, "a", "b.", 9, "b b. ", false);
    promise_range(rig, "a", "b.0", 9, "b b. ", false);
    promise_range(rig, "b.1", "c", 9, "c ", false);
    promise_range(rig, "b", "b", 9, "", false);
    promise_range(rig, "c", "b", 9, "", false);
    promise_range(rig, "b.", "~", 9, "b.1 c ", false);
    promise_range(rig, "b.", "", 9, "b.1 c ", false);
    promise_count(rig, "", UINT64_MAX, 5, "c", false);
    promise_count(rig, "", 5, 5, "c", false);
    promise_count(rig, "", 4, 4, "b.1", true);
    promise_count(rig, "b", UINT64_MAX, 3, "c", false);
    promise_count(rig, "b", 2, 2, "b.1", true);
    promise_count(rig, "c", 2, 0, "", false);
    assert_int_equal(rig_put_text(rig, "l.", "z", "1"), STORE_CREATED);
    promise_count(rig, "", 9, 5, "c",
                  false); /* another collection's documents do not count */
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(rig_remove(rig, "l", ids[i]), STORE_OK);
    assert_int_equal(rig_remove(rig, "l.", "z"), STORE_OK);
}

#endif
