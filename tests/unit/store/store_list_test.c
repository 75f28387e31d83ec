/* Listings, counts and collections; cancelling at each stage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sched.h>

#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"

static int setup(void **state)
{
    return rig_set_up(state, UINT64_C(1) << 30);
}

/* A listing whose rows are written as "id=text," into one string. */
struct listing {
    struct store_list list;
    bool done;
    char text[4096];
    char last[STORE_NAME_MAX + 1];
    size_t bytes;
    struct blob *blob; /* kept if keep is set; then the test releases it */
    bool keep;
};

static void list_done(struct store_list *list)
{
    struct listing *mine = (struct listing *)(void *)list;
    size_t at = 0;

    for (size_t i = 0; i < list->count; i++) {
        const struct store_document *row = &list->documents[i];
        int shown = row->bytes.len < 20 ? (int)row->bytes.len : 0;

        at += (size_t)snprintf(mine->text + at, sizeof mine->text - at, "%.*s=%.*s,",
                               (int)row->id.len, (const char *)row->id.data, shown,
                               (const char *)row->bytes.data);
        RIG_CHECK(at < sizeof mine->text && row->version > 0);
        snprintf(mine->last, sizeof mine->last, "%.*s", (int)row->id.len,
                 (const char *)row->id.data);
        mine->bytes += row->bytes.len;
    }
    if (mine->keep)
        mine->blob = blob_ref(list->blob);
    mine->done = true;
}

static void begin_list(struct rig *rig, struct listing *l, const char *collection,
                       const char *after, size_t max_documents, size_t max_bytes)
{
    *l = (struct listing){.list = {.collection = rig_slice(collection),
                                   .after = rig_slice(after),
                                   .max_documents = max_documents,
                                   .max_bytes = max_bytes,
                                   .done = list_done}};
    store_list(rig->store, &l->list);
}

static const char *list_text(struct rig *rig, struct listing *l, const char *collection,
                             const char *after, size_t max_documents, size_t max_bytes)
{
    begin_list(rig, l, collection, after, max_documents, max_bytes);
    while (!l->done)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(l->list.status, STORE_OK);
    return l->text;
}

static void fill(struct rig *rig)
{
    assert_int_equal(rig_put_text(rig, "b", "2", "two"), STORE_CREATED);
    assert_int_equal(rig_put_text(rig, "b", "1", "one"), STORE_CREATED);
    assert_int_equal(rig_put_text(rig, "b", "3", "three"), STORE_CREATED);
    assert_int_equal(rig_put_text(rig, "a", "z", "before"), STORE_CREATED);
    assert_int_equal(rig_put_text(rig, "b-", "0", "behind"), STORE_CREATED);
}

static void list_in_order(void **state)
{
    struct rig *rig = *state;
    struct listing l;

    fill(rig);
    assert_string_equal(list_text(rig, &l, "b", "", 10, 1000), "1=one,2=two,3=three,");
    assert_false(l.list.more);
    assert_string_equal(list_text(rig, &l, "a", "", 10, 1000), "z=before,");
    assert_string_equal(list_text(rig, &l, "b-", "", 10, 1000), "0=behind,");
    assert_string_equal(list_text(rig, &l, "none", "", 10, 1000), "");
    assert_false(l.list.more);
    assert_string_equal(list_text(rig, &l, "zzz", "", 10, 1000), "");
}

static void list_after(void **state)
{
    struct rig *rig = *state;
    struct listing l;

    fill(rig);
    assert_string_equal(list_text(rig, &l, "b", "1", 10, 1000), "2=two,3=three,");
    assert_string_equal(list_text(rig, &l, "b", "11", 10, 1000), "2=two,3=three,");
    assert_string_equal(list_text(rig, &l, "b", "3", 10, 1000), "");
    assert_string_equal(list_text(rig, &l, "b-", "0", 10, 1000), "");
}

static void list_bounds(void **state)
{
    struct rig *rig = *state;
    struct listing l;

    fill(rig);
    assert_string_equal(list_text(rig, &l, "b", "", 2, 1000), "1=one,2=two,");
    assert_true(l.list.more);
    assert_string_equal(list_text(rig, &l, "b", "", 3, 1000), "1=one,2=two,3=three,");
    assert_false(l.list.more);
    assert_string_equal(list_text(rig, &l, "b", "", 10, 6), "1=one,2=two,");
    assert_true(l.list.more);
    assert_string_equal(list_text(rig, &l, "b", "", 10, 5), "1=one,");
    assert_true(l.list.more);
    assert_string_equal(list_text(rig, &l, "b", "2", 10, 0),
                        "3=three,"); /* one document in any case */
    assert_false(l.list.more);
}

/* Many more documents than the limit, page by page. */
static void list_larger_than_its_bound(void **state)
{
    enum { DOCUMENTS = 200, SIZE = 50000, BOUND = 160000 };
    struct rig *rig = *state;
    uint8_t *bytes = mem_zalloc(SIZE);
    struct listing l = {.list = {.more = true}};
    char id[16], after[STORE_NAME_MAX + 1] = "";
    size_t seen = 0;

    for (int i = 0; i < DOCUMENTS; i++) {
        snprintf(id, sizeof id, "%04d", i);
        assert_int_equal(rig_put_bytes(rig, "l", id, bytes, SIZE), STORE_CREATED);
    }
    while (l.list.more) {
        list_text(rig, &l, "l", after, 1000, BOUND);
        assert_in_range(l.bytes, 1, BOUND);
        assert_true(strcmp(l.last, after) > 0);
        strcpy(after, l.last);
        seen += l.list.count;
    }
    assert_int_equal(seen, DOCUMENTS);
    mem_free(bytes);
}

static void put_as(struct rig *rig, const char *id, const char *text,
                   enum store_format format)
{
    struct rig_put put = {.put = {.key = {rig_slice("m"), rig_slice(id)},
                                  .blob = blob_new_copy(text, strlen(text)),
                                  .format = format,
                                  .done = rig_put_done}};

    store_put(rig->store, &put.put);
    blob_unref(&put.put.blob);
    assert_int_equal(rig_wait_put(rig, &put, NULL), STORE_CREATED);
}

/* The bytes from which a listing makes its reply, without a copy. */
static void list_gives_one_blob(void **state)
{
    struct rig *rig = *state;
    struct listing l = {.keep = true,
                        .list = {.collection = rig_slice("m"),
                                 .max_documents = 9,
                                 .max_bytes = 99,
                                 .divider = ',',
                                 .done = list_done}};
    static const char wanted[] = "[1],[2],packedmore{},";

    put_as(rig, "1", "[1]", STORE_JSON);
    put_as(rig, "2", "[2]", STORE_JSON);
    put_as(rig, "3", "packed", STORE_MSGPACK);
    put_as(rig, "4", "more", STORE_MSGPACK);
    put_as(rig, "5", "{}", STORE_JSON);
    store_list(rig->store, &l.list);
    while (!l.done)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_string_equal(l.text, "1=[1],2=[2],3=packed,4=more,5={},");
    assert_int_equal(l.blob->refs, 1); /* the store has released it */
    assert_int_equal(l.blob->bytes.len, strlen(wanted));
    assert_memory_equal(l.blob->bytes.data, wanted, strlen(wanted));
    blob_unref(&l.blob);
}

static void list_of_nothing_has_no_blob(void **state)
{
    struct listing l;

    list_text(*state, &l, "none", "", 9, 99);
    assert_null(l.list.blob);
}

struct counting {
    struct store_count count;
    bool done;
};

static void count_done(struct store_count *count)
{
    ((struct counting *)(void *)count)->done = true;
}

static struct store_count count_until(struct rig *rig, const char *collection,
                                      const char *after, uint64_t max)
{
    struct counting c = {.count = {.collection = rig_slice(collection),
                                   .after = rig_slice(after),
                                   .max_documents = max,
                                   .done = count_done}};

    store_count(rig->store, &c.count);
    while (!c.done)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(c.count.status, STORE_OK);
    return c.count;
}

static uint64_t count_of(struct rig *rig, const char *collection, const char *after,
                         uint64_t max)
{
    return count_until(rig, collection, after, max).documents;
}

static void count_tells_where_it_stopped(void **state)
{
    struct rig *rig = *state;
    struct store_count count;

    fill(rig);
    count = count_until(rig, "b", "", 2);
    assert_true(count.more);
    assert_int_equal(count.last_id_len, 1);
    assert_int_equal(count.last_id[0], '2');
    count = count_until(rig, "b", "1", 1);
    assert_true(count.more && count.last_id[0] == '2');
    assert_false(count_until(rig, "b", "", 3).more);
    assert_false(count_until(rig, "b", "", UINT64_MAX).more);
    assert_false(count_until(rig, "b", "1", 2).more);
    assert_false(count_until(rig, "b", "3", 1).more);
    assert_false(count_until(rig, "none", "", 1).more);
}

static void counts(void **state)
{
    struct rig *rig = *state;

    fill(rig);
    assert_int_equal(count_of(rig, "b", "", UINT64_MAX), 3);
    assert_int_equal(count_of(rig, "b", "", 2), 2);
    assert_int_equal(count_of(rig, "b", "1", UINT64_MAX), 2);
    assert_int_equal(count_of(rig, "b", "1", 1), 1);
    assert_int_equal(count_of(rig, "b", "1", 2), 2);
    assert_int_equal(count_of(rig, "b", "3", 9), 0);
    assert_int_equal(count_of(rig, "b", "0", 0), 0);
    assert_int_equal(count_of(rig, "none", "", 9), 0);
    assert_int_equal(count_of(rig, "none", "x", 9), 0);
    assert_int_equal(rig_remove(rig, "b", "2"), STORE_OK);
    assert_int_equal(rig_put_text(rig, "b", "3", "again"), STORE_OK);
    assert_int_equal(count_of(rig, "b", "", UINT64_MAX), 2);
}

/* More than two slices of 10,000 keys. */
static void fill_slices(struct rig *rig)
{
    enum { DOCUMENTS = 20002, AT_ONCE = 2000 };
    struct rig_put *puts = mem_zalloc(AT_ONCE * sizeof *puts);
    char(*ids)[16] = mem_alloc(AT_ONCE * sizeof *ids);

    for (int done = 0; done < DOCUMENTS; done += AT_ONCE) {
        int end = DOCUMENTS - done < AT_ONCE ? DOCUMENTS - done : AT_ONCE;

        for (int i = 0; i < end; i++) {
            snprintf(ids[i], sizeof ids[i], "%06d", done + i);
            rig_begin_put(rig, &puts[i], "n", ids[i], "x", 1);
        }
        for (int i = 0; i < end; i++)
            assert_int_equal(rig_wait_put(rig, &puts[i], NULL), STORE_CREATED);
    }
    mem_free(ids);
    mem_free(puts);
}

static void count_in_slices(void **state)
{
    enum { DOCUMENTS = 20002 };
    struct rig *rig = *state;

    fill_slices(rig);
    assert_int_equal(count_of(rig, "n", "000000", UINT64_MAX), DOCUMENTS - 1);
    assert_int_equal(count_of(rig, "n", "0", UINT64_MAX), DOCUMENTS);
    assert_int_equal(count_of(rig, "n", "0", 20000), 20000);
    assert_int_equal(count_of(rig, "n", "0", 20001), 20001);
    assert_int_equal(count_of(rig, "n", "010000", UINT64_MAX), DOCUMENTS - 10001);
}

/* A count of several slices lets a later listing run between them. Not always (the thread
   may have been at its last slice), but a count in one step never would. */
static void count_lets_others_pass(void **state)
{
    struct rig *rig = *state;
    bool passed = false;

    fill_slices(rig);
    while (!passed) { /* limited by the rig's alarm */
        struct listing l;
        struct counting c = {.count = {.collection = rig_slice("n"),
                                       .after = rig_slice("0"),
                                       .max_documents = UINT64_MAX,
                                       .done = count_done}};

        store_count(rig->store, &c.count);
        begin_list(rig, &l, "n", "", 1, 1);
        while (!c.done || !l.done) {
            passed = passed || (l.done && !c.done);
            ev_run(rig->loop, EVRUN_ONCE);
        }
        assert_int_equal(c.count.documents, 20002);
    }
}

struct naming {
    struct store_collections collections;
    bool done;
    char text[1024];
};

static void names_done(struct store_collections *c)
{
    struct naming *mine = (struct naming *)(void *)c;
    size_t at = 0;

    for (size_t i = 0; i < c->count; i++)
        at += (size_t)snprintf(mine->text + at, sizeof mine->text - at, "%.*s:%d,",
                               (int)c->collections[i].name.len,
                               (const char *)c->collections[i].name.data,
                               (int)c->collections[i].documents);
    mine->done = true;
}

static const char *names_text(struct rig *rig, struct naming *n, const char *after,
                              size_t max)
{
    *n = (struct naming){
        .collections = {.after = rig_slice(after), .max_count = max, .done = names_done}};
    store_collections(rig->store, &n->collections);
    while (!n->done)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(n->collections.status, STORE_OK);
    return n->text;
}

static void collections(void **state)
{
    struct rig *rig = *state;
    struct naming n;

    assert_string_equal(names_text(rig, &n, "", 10), "");
    fill(rig);
    assert_string_equal(names_text(rig, &n, "", 10), "a:1,b:3,b-:1,");
    assert_false(n.collections.more);
    assert_string_equal(names_text(rig, &n, "", 2), "a:1,b:3,");
    assert_true(n.collections.more);
    assert_string_equal(names_text(rig, &n, "a", 1), "b:3,");
    assert_string_equal(names_text(rig, &n, "aa", 9), "b:3,b-:1,");
    assert_string_equal(names_text(rig, &n, "b-", 9), "");
    assert_int_equal(rig_remove(rig, "a", "z"), STORE_OK); /* its last one */
    assert_string_equal(names_text(rig, &n, "", 10), "b:3,b-:1,");
}

/* ---- cancelling ---- */

static void must_not_run(struct store_list *list)
{
    (void)list;
    log_panic("done of a cancelled request ran");
}

static void must_not_run_get(struct store_get *get)
{
    (void)get;
    log_panic("done of a cancelled request ran");
}

static void must_not_run_put(struct store_put *put)
{
    (void)put;
    log_panic("done of a cancelled request ran");
}

/* Each is freed at once, so that the sanitizers find any later use. */
static void cancel_reads_in_the_thread(void **state)
{
    struct rig *rig = *state;
    struct listing l;
    uint8_t *bytes = mem_zalloc(1 << 20);

    fill(rig);
    assert_int_equal(rig_put_bytes(rig, "big", "x", bytes, 1 << 20), STORE_CREATED);
    for (int i = 0; i < 200; i++) {
        struct store_list *list = mem_zalloc(sizeof *list);
        struct store_get *get = mem_zalloc(sizeof *get);

        *list = (struct store_list){.collection = rig_slice("b"),
                                    .max_documents = 9,
                                    .max_bytes = 9,
                                    .done = must_not_run};
        store_list(rig->store, list);
        get->key = (struct store_key){rig_slice("big"), rig_slice("x")};
        get->done = must_not_run_get;
        store_get(rig->store, get);
        for (int n = 0; n < i; n++)
            sched_yield(); /* the thread gets more and more time */
        assert_non_null(list->request.backend);
        assert_non_null(get->request.backend);
        store_cancel(&list->request);
        store_cancel(&get->request);
        store_cancel(&list->request); /* no-op */
        mem_free(list);
        mem_free(get);
    }
    assert_string_equal(list_text(rig, &l, "b", "2", 9, 99), "3=three,");
    mem_free(bytes);
}

static struct store_put *begin_doomed_put(struct rig *rig, struct blob *blob)
{
    struct store_put *put = mem_zalloc(sizeof *put);

    *put = (struct store_put){.key = {rig_slice("c"), rig_slice("x")},
                              .blob = blob,
                              .format = STORE_JSON,
                              .done = must_not_run_put};
    store_put(rig->store, put);
    return put;
}

static void cancel_writes(void **state)
{
    struct rig *rig = *state;
    uint8_t *bytes = mem_zalloc(4 << 20);
    struct blob *blob = blob_new_copy(bytes, 4 << 20);
    struct store_put *put;

    /* queued: it does not happen */
    put = begin_doomed_put(rig, blob);
    store_cancel(&put->request);
    mem_free(put);
    assert_int_equal(rig_put_text(rig, "c", "y", "1"), STORE_CREATED);
    assert_int_equal(rig_find(rig, "c", "x"), STORE_NOT_FOUND);
    /* partly sent: it goes on */
    put = begin_doomed_put(rig, blob);
    ev_run(rig->loop, EVRUN_NOWAIT);
    store_cancel(&put->request);
    mem_free(put);
    assert_int_equal(rig_put_text(rig, "c", "y", "2"), STORE_OK);
    assert_int_equal(rig_find(rig, "c", "x"), STORE_OK);
    assert_int_equal(blob->refs, 1);
    blob_unref(&blob);
    mem_free(bytes);
}

static void cancel_of_an_unused_request(void **state)
{
    struct store_get get = {.done = NULL};

    (void)state;
    store_cancel(&get.request);
    assert_null(get.request.backend);
}

static void close_with_orphans(void **state)
{
    struct rig *rig = *state;
    uint8_t *bytes = mem_zalloc(4 << 20);
    struct store_get get = {.key = {rig_slice("big"), rig_slice("x")}};

    assert_int_equal(rig_put_bytes(rig, "big", "x", bytes, 4 << 20), STORE_CREATED);
    for (int i = 0; i < 50; i++) {
        store_get(rig->store, &get);
        store_cancel(&get.request);
    }
    store_close(&rig->store);
    rig_open_store(rig);
    mem_free(bytes);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(list_in_order),
        WITH_STORE(list_after),
        WITH_STORE(list_bounds),
        WITH_STORE(list_larger_than_its_bound),
        WITH_STORE(list_gives_one_blob),
        WITH_STORE(list_of_nothing_has_no_blob),
        WITH_STORE(counts),
        WITH_STORE(count_tells_where_it_stopped),
        WITH_STORE(count_in_slices),
        WITH_STORE(count_lets_others_pass),
        WITH_STORE(collections),
        WITH_STORE(cancel_reads_in_the_thread),
        WITH_STORE(cancel_writes),
        cmocka_unit_test(cancel_of_an_unused_request),
        WITH_STORE(close_with_orphans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
