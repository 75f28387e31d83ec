/* A real cluster of three nodes, with slots that move and nodes that die; and fake nodes
   that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/store/fake_redis.h"
#include "tests/unit/store/redis_cluster_rig.h"
#include "tests/unit/store/store_promises.h"

#include "common/base/alloc.h"
#include "server/store/redis/place/redis_cluster.h"
#include "server/store/store.h"

static int setup(void **state)
{
    struct cluster_rig *rig = mem_zalloc(sizeof *rig);

    cluster_rig_start(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct cluster_rig *rig = *state;

    cluster_rig_stop(rig);
    mem_free(rig);
    return 0;
}

static struct cluster_rig *of(void **state)
{
    struct cluster_rig *rig = *state;

    for (int i = 0; i < CLUSTER_RIG_NODES; i++)
        redis_rig_command(&rig->nodes[i], "OK", "FLUSHALL");
    return rig;
}

static void what_the_store_promises(void **state)
{
    struct cluster_rig *rig = of(state);

    promise_put_get_delete(&rig->rig);
    promise_conditions(&rig->rig);
    promise_longest_names(&rig->rig);
}

static void collections_lie_on_all_nodes(void **state)
{
    struct cluster_rig *rig = of(state);
    struct store_check_counts counts;
    unsigned on[CLUSTER_RIG_NODES] = {0};
    char name[16], expected[256] = "";

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "c%02d", i);
        on[cluster_rig_node_of(name)]++;
        assert_int_equal(rig_put_text(&rig->rig, name, "x", "1"), STORE_CREATED);
        assert_int_equal(rig_put_text(&rig->rig, name, "x", "2"), STORE_OK);
        if (i % 2 == 0) /* an empty collection stays in the list */
            assert_int_equal(rig_remove(&rig->rig, name, "x"), STORE_OK);
        else
            snprintf(expected + strlen(expected), 16, "%s=1 ", name);
    }
    for (int i = 0; i < CLUSTER_RIG_NODES; i++)
        assert_true(on[i] > 0);
    promise_names(&rig->rig, "", 100, expected, false);
    promise_names(&rig->rig, "", 3, "c01=1 ", true);
    promise_names(&rig->rig, "c01", 1, "c03=1 ", true); /* c02 is left out */
    promise_names(&rig->rig, "c18", 9, "c19=1 ", false);
    promise_names(&rig->rig, "c19", 9, "", false);
    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url}, NULL, NULL, &counts), 0);
    assert_int_equal(counts.documents, 10);
    assert_int_equal(counts.collections, 10);
}

static void large_documents(void **state)
{
    struct cluster_rig *rig = of(state);
    uint8_t *bytes = mem_alloc(3 << 20);
    struct blob *blob;

    for (int i = 0; i < 3 << 20; i++)
        bytes[i] = (uint8_t)(i * 13 + i / 255);
    for (int i = 0; i < 4; i++) {
        char name[8];

        snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(rig_put_bytes(&rig->rig, name, "x", bytes, 3 << 20),
                         STORE_CREATED);
        assert_int_equal(rig_get_blob(&rig->rig, name, "x", &blob, NULL), STORE_OK);
        assert_int_equal(blob->bytes.len, 3 << 20);
        assert_memory_equal(blob->bytes.data, bytes, 3 << 20);
        blob_unref(&blob);
    }
    mem_free(bytes);
}

/* All keys of a slot have moved, and the store does not know it. */
static void a_slot_that_has_moved(void **state)
{
    struct cluster_rig *rig = of(state);
    unsigned slot = redis_slot_of(rig_slice("moved"));
    int from = cluster_rig_node_of("moved"), to = (from + 1) % CLUSTER_RIG_NODES;

    for (int way = 0; way < 2; way++) {
        uint8_t *bytes = mem_zalloc(1 << 20);

        assert_true(rig_put_text(&rig->rig, "moved", "x", "1") <= STORE_CREATED);
        cluster_rig_begin_move(rig, slot, from, to);
        cluster_rig_move_keys(rig, slot, from, to, 1000);
        cluster_rig_end_move(rig, slot, from, to);
        if (way == 0)
            assert_true(rig_has_text(&rig->rig, "moved", "x", "1"));
        else /* an upload finds out */
            assert_int_equal(rig_put_bytes(&rig->rig, "moved", "big", bytes, 1 << 20),
                             STORE_OK);
        assert_int_equal(rig_put_text(&rig->rig, "moved", "x", "2"), STORE_OK);
        assert_true(rig_put_bytes(&rig->rig, "moved", "big", bytes, 1 << 20) <=
                    STORE_CREATED);
        promise_names(&rig->rig, "", 9, "moved=2 ", false);
        mem_free(bytes);
        from = to;
        to = cluster_rig_node_of("moved");
    }
}

/* Half of a slot's keys have moved. */
static void a_slot_on_its_way(void **state)
{
    struct cluster_rig *rig = of(state);
    unsigned slot = redis_slot_of(rig_slice("way"));
    int from = cluster_rig_node_of("way"), to = (from + 1) % CLUSTER_RIG_NODES;
    uint8_t *bytes = mem_zalloc(1 << 20);
    struct rig_put put, large;
    struct rig_get get;

    assert_int_equal(rig_put_text(&rig->rig, "way", "gone", "1"), STORE_CREATED);
    assert_int_equal(rig_put_text(&rig->rig, "way", "here", "2"), STORE_CREATED);
    assert_int_equal(rig_put_bytes(&rig->rig, "way", "large", bytes, 1 << 20),
                     STORE_CREATED);
    cluster_rig_begin_move(rig, slot, from, to);
    cluster_rig_move_key(rig, "offloop:{way}:d:gone", from, to);
    cluster_rig_move_key(rig, "offloop:{way}:d:large", from, to);
    /* Reads find each key on its node. */
    for (int i = 0; i < 3; i++) {
        assert_true(rig_has_text(&rig->rig, "way", "gone", "1"));
        assert_true(rig_has_text(&rig->rig, "way", "here", "2"));
        assert_int_equal(rig_find(&rig->rig, "way", "none"), STORE_NOT_FOUND);
        assert_int_equal(rig_find(&rig->rig, "way", "large"), STORE_OK);
    }
    /* A document that is still with its index can be written; another write waits, then
       fails. */
    assert_int_equal(rig_put_text(&rig->rig, "way", "here", "3"), STORE_OK);
    assert_int_equal(rig_put_text(&rig->rig, "way", "gone", "4"), STORE_DOWN);
    assert_int_equal(rig_put_text(&rig->rig, "way", "new", "5"), STORE_DOWN);
    /* Writes that wait continue as soon as the slot has moved completely. */
    rig_begin_put(&rig->rig, &put, "way", "gone", "6", 1);
    rig_begin_put(&rig->rig, &large, "way", "fresh", bytes, 300000);
    for (int i = 0; i < 20; i++)
        ev_run(rig->rig.loop, EVRUN_NOWAIT);
    assert_false(put.done || large.done);
    while (cluster_rig_move_keys(rig, slot, from, to, 1000) > 0)
        ;
    cluster_rig_end_move(rig, slot, from, to);
    assert_int_equal(rig_wait_put(&rig->rig, &put, NULL), STORE_OK);
    assert_int_equal(rig_wait_put(&rig->rig, &large, NULL), STORE_CREATED);
    assert_true(rig_has_text(&rig->rig, "way", "gone", "6"));
    /* The slot moves back; a store that closes meanwhile ends the requests that wait. */
    cluster_rig_begin_move(rig, slot, to, from);
    cluster_rig_move_key(rig, "offloop:{way}:d:gone", to, from);
    rig_begin_put(&rig->rig, &put, "way", "gone", "7", 1);
    rig_begin_get(&rig->rig, &get, "way", "gone");
    while (!get.done)
        ev_run(rig->rig.loop, EVRUN_ONCE);
    assert_int_equal(get.get.status, STORE_OK);
    blob_unref(&get.blob);
    redis_rig_close(&rig->rig);
    assert_true(put.done);
    while (cluster_rig_move_keys(rig, slot, to, from, 1000) > 0)
        ;
    cluster_rig_end_move(rig, slot, to, from);
    redis_rig_open_url(&rig->rig, rig->url);
    redis_rig_await(&rig->rig, true);
    mem_free(bytes);
}

/* The number of a slot's keys on a node. */
static long long count_keys(const struct redis_rig *node, unsigned slot)
{
    redisContext *context = redis_rig_connect(node);
    redisReply *reply = redisCommand(context, "CLUSTER COUNTKEYSINSLOT %u", slot);
    long long count = reply->integer;

    freeReplyObject(reply);
    redisFree(context);
    return count;
}

/* All keys are still on the node when an upload becomes the document: the script must
   not look for a key that it has removed itself, because the slot's next node might
   have it. */
static void a_slot_that_begins_to_move(void **state)
{
    struct cluster_rig *rig = of(state);
    unsigned slot = redis_slot_of(rig_slice("begun"));
    int from = cluster_rig_node_of("begun"), to = (from + 1) % CLUSTER_RIG_NODES;
    uint8_t *bytes = mem_zalloc(8 << 20);
    struct rig_put put;

    assert_int_equal(rig_put_text(&rig->rig, "begun", "x", "1"), STORE_CREATED);
    rig_begin_put(&rig->rig, &put, "begun", "x", bytes, 8 << 20);
    while (count_keys(&rig->nodes[from], slot) < 4) /* document, index, version, bytes */
        ev_run(rig->rig.loop, EVRUN_ONCE);
    assert_false(put.done);
    cluster_rig_begin_move(rig, slot, from, to);
    assert_int_equal(rig_wait_put(&rig->rig, &put, NULL), STORE_OK);
    assert_int_equal(count_keys(&rig->nodes[from], slot), 3);
    assert_int_equal(rig_find(&rig->rig, "begun", "x"), STORE_OK);
    while (cluster_rig_move_keys(rig, slot, from, to, 1000) > 0)
        ;
    cluster_rig_end_move(rig, slot, from, to);
    assert_int_equal(rig_find(&rig->rig, "begun", "x"), STORE_OK);
    mem_free(bytes);
}

/* Slots move again and again while documents are written one after another. */
static void moves_under_load(void **state)
{
    enum { DOCUMENTS = 60 };
    struct cluster_rig *rig = of(state);
    unsigned slot = redis_slot_of(rig_slice("load"));
    int at = cluster_rig_node_of("load"), first = at;
    unsigned written = 0, refused = 0;
    int newest[DOCUMENTS] = {0};
    char id[16], text[16];

    for (int round = 0; round < 3; round++) {
        int to = (at + 1) % CLUSTER_RIG_NODES;

        cluster_rig_begin_move(rig, slot, at, to);
        for (int i = 0; i < DOCUMENTS; i++) {
            enum store_status status;

            snprintf(id, sizeof id, "d%d", i);
            snprintf(text, sizeof text, "%d", round + 1);
            if (i % 3 == 0)
                cluster_rig_move_keys(rig, slot, at, to, 3);
            if (i == DOCUMENTS / 2) {
                while (cluster_rig_move_keys(rig, slot, at, to, 1000) > 0)
                    ;
                cluster_rig_end_move(rig, slot, at, to);
            }
            if (i % 3 != 0 && i < DOCUMENTS / 2)
                continue; /* up to a second for each that waits */
            if (i < DOCUMENTS / 2 && i % 30 != 0)
                continue;
            status = rig_put_text(&rig->rig, "load", id, text);
            if (status <= STORE_CREATED) {
                newest[i] = round + 1;
                written++;
            } else {
                assert_int_equal(status, STORE_DOWN);
                refused++;
            }
        }
        at = to;
    }
    assert_int_equal(at, first);
    assert_true(written >= 3 * DOCUMENTS / 2);
    for (int i = 0; i < DOCUMENTS; i++) {
        snprintf(id, sizeof id, "d%d", i);
        snprintf(text, sizeof text, "%d", newest[i]);
        if (newest[i] > 0)
            assert_true(rig_has_text(&rig->rig, "load", id, text));
    }
    printf("%u written, %u refused\n", written, refused);
}

static void a_node_that_is_killed(void **state)
{
    struct cluster_rig *rig = of(state);
    const char *names[CLUSTER_RIG_NODES] = {NULL};
    static char all[64][8];
    int dead = 2;
    const char *why;

    for (int i = 0; i < 64; i++) {
        snprintf(all[i], sizeof all[i], "k%d", i);
        names[cluster_rig_node_of(all[i])] = all[i];
    }
    for (int i = 0; i < CLUSTER_RIG_NODES; i++)
        assert_int_equal(rig_put_text(&rig->rig, names[i], "x", "1"), STORE_CREATED);
    redis_rig_end_server(&rig->nodes[dead], SIGKILL);
    while (rig_find(&rig->rig, names[dead], "x") != STORE_DOWN)
        ev_run(rig->rig.loop, EVRUN_ONCE);
    /* A node dies: its slots are refused at once, the others work, and the store is
       ready. */
    for (int i = 0; i < 200; i++) {
        struct rig_get get;

        rig_begin_get(&rig->rig, &get, names[dead], "x");
        assert_true(get.done);
        assert_int_equal(get.get.status, STORE_DOWN);
        assert_int_equal(rig_put_text(&rig->rig, names[0], "x", "2"), STORE_OK);
        assert_true(rig_has_text(&rig->rig, names[1], "x", "1"));
    }
    assert_true(store_is_ready(rig->rig.store, &why));
    redis_rig_start_server(&rig->nodes[dead]);
    while (rig_find(&rig->rig, names[dead], "x") != STORE_OK)
        ev_run(rig->rig.loop, EVRUN_ONCE);
    while (!cluster_rig_is_whole(rig))
        ev_run(rig->rig.loop, EVRUN_ONCE);
    while (rig_put_text(&rig->rig, names[dead], "x", "3") != STORE_OK)
        ev_run(rig->rig.loop, EVRUN_ONCE);
}

/* ---- fake nodes ---- */

#define QUIET "CONFIG -ERR no\r\nSCRIPT -ERR no\r\nROLE -ERR no\r\n"

static void start_fake(struct rig *rig, struct fake_redis **fake, const char *script)
{
    alarm(RIG_ALARM_S);
    rig->loop = ev_loop_new(EVFLAG_AUTO);
    *fake = fake_redis_start(rig->loop, script);
}

static void open_fake(struct rig *rig, struct fake_redis **fake)
{
    char url[64];

    snprintf(url, sizeof url, "redis+cluster://127.0.0.1:%d", fake_redis_port(*fake));
    rig->store = store_open(rig->loop, &(struct store_config){.url = url});
    RIG_CHECK(rig->store != NULL);
}

static void close_fake(struct rig *rig, struct fake_redis **fake)
{
    store_close(&rig->store);
    fake_redis_stop(fake);
    ev_loop_destroy(rig->loop);
    alarm(0);
}

static void maps_that_make_no_sense(void **state)
{
    static const char twice[] = /* slot 5 */
        "*2\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\nh\r\n:1\r\n"
        "*3\r\n:5\r\n:5\r\n*2\r\n$1\r\nh\r\n:1\r\n";
    static const char *const maps[] = {
        "-ERR This instance has cluster support disabled\r\n",
        "*0\r\n",
        "*-1\r\n",
        ":1\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nh\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:65536\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        twice,
    };

    (void)state;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        struct fake_redis *fake;
        struct rig rig;
        char script[256];
        unsigned before;
        const char *why;

        snprintf(script, sizeof script, QUIET "CLUSTER %s", maps[i]);
        start_fake(&rig, &fake, script);
        open_fake(&rig, &fake);
        assert_false(store_is_ready(rig.store, &why));
        assert_int_equal(rig_find(&rig, "c", "x"), STORE_DOWN);
        before = fake->commands; /* it asks again */
        while (fake->commands == before)
            ev_run(rig.loop, EVRUN_ONCE);
        close_fake(&rig, &fake);
    }
}

/* A map is used once it is read completely; the loop runs between the steps.
 */
static void a_map_of_thousands_of_ranges(void **state)
{
    enum { RANGES = 4096, EACH = REDIS_SLOTS / RANGES };
    struct buf script = BUF_INIT;
    struct fake_redis *fake;
    struct rig rig;
    const char *why;

    (void)state;
    start_fake(&rig, &fake, "");
    buf_printf(&script, QUIET "GETRANGE $0\r\n\r\nCLUSTER *%d\r\n", RANGES);
    for (int i = 0; i < RANGES; i++)
        buf_printf(&script, "*3\r\n:%d\r\n:%d\r\n*2\r\n$0\r\n\r\n:%d\r\n", i * EACH,
                   i * EACH + EACH - 1, fake_redis_port(fake));
    buf_append(&script, "", 1);
    fake->script = (const char *)script.data;
    open_fake(&rig, &fake);
    while (!store_is_ready(rig.store, &why))
        ev_run(rig.loop, EVRUN_ONCE);
    for (int i = 0; i < 100; i++) {
        char name[8];

        snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(rig_find(&rig, name, "x"), STORE_NOT_FOUND);
    }
    close_fake(&rig, &fake);
    buf_free(&script);
}

/* A host of "" or NULL means the node that was asked; redirections have a limit. */
static void redirections_that_lead_nowhere(void **state)
{
    static const char *const answers[] = {
        "-MOVED\r\n",
        "-MOVED 1 :0\r\n",
        "-MOVED 99999 :1\r\n",
        "-ASK 1 nowhere\r\n",
        "-TRYAGAIN\r\n",
        "-CLUSTERDOWN\r\n",
        "-MOVED 1 :%d\r\n",
        "-ASK 1 :%d\r\n",
        /* no server listens there: no write is unsure */
        "-MOVED 1 127.0.0.1:1\r\n",
        "-ASK 1 127.0.0.1:1\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        static char script[512];
        struct fake_redis *fake;
        struct rig rig;
        char answer[64];
        const char *why;
        int len;

        start_fake(&rig, &fake, script);
        RIG_CHECK(sizeof answer > strlen(answers[i]) + 8);
        if (strstr(answers[i], "%d") != NULL)
            snprintf(answer, sizeof answer, "-%s 1 :%d\r\n",
                     answers[i][1] == 'M' ? "MOVED" : "ASK", fake_redis_port(fake));
        else
            strcpy(answer, answers[i]);
        len = snprintf(script, sizeof script,
                       QUIET "CLUSTER *1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n%s:%d\r\n",
                       i % 2 ? "$0\r\n\r\n" : "$-1\r\n", fake_redis_port(fake));
        snprintf(script + len, sizeof script - (size_t)len,
                 "GETRANGE %sEVAL %sASKING +OK\r\n", answer, answer);
        open_fake(&rig, &fake);
        while (!store_is_ready(rig.store, &why))
            ev_run(rig.loop, EVRUN_ONCE);
        assert_int_equal(rig_find(&rig, "c", "x"), STORE_DOWN);
        assert_int_equal(rig_put_text(&rig, "c", "x", "1"), STORE_DOWN);
        close_fake(&rig, &fake);
    }
}

/* ---- two fake nodes ---- */

/* The first name whose slot is below `half`, or the first whose slot is not. */
static void name_in(char name[8], unsigned half, bool below)
{
    unsigned i = 0;

    do
        snprintf(name, 8, "n%u", i++);
    while ((redis_slot_of(rig_slice(name)) < half) != below);
}

/* A node moves the slot while commands are under way to it, and then answers LOADING.
   That concerns this node, not the one to which the request was redirected. */
static void an_error_is_about_who_said_it(void **state)
{
    enum { HALF = 8000, SIZE = 300000 };
    static char scripts[2][512];
    struct fake_redis *first, *second;
    struct rig rig = {0};
    char map[192], there[8], here[8];
    uint8_t *bytes = mem_zalloc(SIZE);
    const char *why;

    (void)state;
    name_in(here, HALF, true);
    name_in(there, HALF, false);
    start_fake(&rig, &first, scripts[0]);
    second = fake_redis_start(rig.loop, scripts[1]);
    snprintf(map, sizeof map,
             "CLUSTER *2\r\n*3\r\n:0\r\n:%d\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n"
             "*3\r\n:%d\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
             HALF - 1, fake_redis_port(first), HALF, fake_redis_port(second));
    snprintf(scripts[0], sizeof scripts[0],
             QUIET "%sGETRANGE $0\r\n\r\n"
                   "SETRANGE -MOVED %u 127.0.0.1:%d\r\nEXPIRE -LOADING\r\n",
             map, redis_slot_of(rig_slice(here)), fake_redis_port(second));
    snprintf(scripts[1], sizeof scripts[1], QUIET "%sGETRANGE $0\r\n\r\nUNLINK :0\r\n",
             map);
    open_fake(&rig, &first);
    while (!store_is_ready(rig.store, &why) ||
           rig_find(&rig, here, "x") != STORE_NOT_FOUND ||
           rig_find(&rig, there, "x") != STORE_NOT_FOUND)
        ev_run(rig.loop, EVRUN_ONCE);
    assert_int_equal(rig_put_bytes(&rig, here, "x", bytes, SIZE), STORE_DOWN);
    assert_int_equal(rig_find(&rig, there, "x"), STORE_NOT_FOUND);
    assert_int_equal(rig_find(&rig, here, "x"),
                     STORE_NOT_FOUND); /* it is connected now */
    mem_free(bytes);
    fake_redis_stop(&second);
    close_fake(&rig, &first);
}

/* The map of many_nodes(): each slot is a range of its own, on one of NODES. */
enum { SLOTS = 1024, NODES = 200 };

static unsigned node_of(unsigned slot)
{
    return slot * 37 % NODES;
}

/* Nodes with different hosts or ports are different nodes, in any order. */
static void many_nodes(void **state)
{
    struct buf script = BUF_INIT;
    struct redis_conn *conns[NODES] = {NULL};
    struct redis_cluster *cluster;
    struct fake_redis *fake;
    struct redis_url url;
    struct rig rig;
    char text[64];

    (void)state;
    buf_printf(&script, QUIET "CLUSTER *%d\r\n", SLOTS);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        buf_printf(&script, "*3\r\n:%u\r\n:%u\r\n*2\r\n$9\r\n127.9.9.%u\r\n:%u\r\n", slot,
                   slot, node_of(slot) % 2, 1 + node_of(slot) / 2);
    buf_append(&script, "", 1);
    start_fake(&rig, &fake, (const char *)script.data);
    snprintf(text, sizeof text, "redis+cluster://127.0.0.1:%d", fake_redis_port(fake));
    RIG_CHECK(redis_url_parse(text, &url) == 0);
    cluster = redis_cluster_create(rig.loop, &url, NULL);
    while (redis_cluster_conn(cluster, 0) == NULL)
        ev_run(rig.loop, EVRUN_ONCE);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        struct redis_conn *conn = redis_cluster_conn(cluster, slot);

        assert_non_null(conn);
        if (slot < NODES)
            for (unsigned i = 0; i < NODES; i++)
                assert_ptr_not_equal(conn, conns[i]);
        if (slot < NODES)
            conns[node_of(slot)] = conn;
        assert_ptr_equal(conn, conns[node_of(slot)]);
    }
    assert_null(redis_cluster_conn(cluster, SLOTS));
    assert_non_null(redis_cluster_node(cluster, NODES - 1));
    assert_null(redis_cluster_node(cluster, NODES));
    redis_cluster_destroy(&cluster);
    redis_url_free(&url);
    buf_free(&script);
    fake_redis_stop(&fake);
    ev_loop_destroy(rig.loop);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_store_promises),
        cmocka_unit_test(collections_lie_on_all_nodes),
        cmocka_unit_test(large_documents),
        cmocka_unit_test(a_slot_that_has_moved),
        cmocka_unit_test(a_slot_on_its_way),
        cmocka_unit_test(a_slot_that_begins_to_move),
        cmocka_unit_test(moves_under_load),
        cmocka_unit_test(a_node_that_is_killed),
        cmocka_unit_test(maps_that_make_no_sense),
        cmocka_unit_test(a_map_of_thousands_of_ranges),
        cmocka_unit_test(redirections_that_lead_nowhere),
        cmocka_unit_test(an_error_is_about_who_said_it),
        cmocka_unit_test(many_nodes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
