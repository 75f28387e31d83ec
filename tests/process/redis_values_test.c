/* The values of an application in Redis: what happens to one between two commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/store/fake_redis.h"

#include "common/loop/background_free.h"
#include "common/loop/memory_budget.h"
#include "server/store/redis/place/redis_slot.h"
#include "server/store/redis/redis_script.h"

#define KEYS "?key=doc:{collection}:{id}"

#define GREET    "ROLE *1\r\n$6\r\nmaster\r\nCONFIG -ERR no\r\nSCRIPT -ERR no\r\n"
#define NOTHING  "$0\r\n\r\n"
#define DOCUMENT "$7\r\n{\"a\":1}\r\n"

struct faked {
    struct rig rig;
    struct fake_redis *fake;
};

static void start(struct faked *faked, const char *script)
{
    char url[96];

    alarm(RIG_ALARM_S);
    faked->rig.loop = ev_loop_new(EVFLAG_AUTO);
    faked->fake = fake_redis_start(faked->rig.loop, script);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d" KEYS, fake_redis_port(faked->fake));
    faked->rig.store = store_open(
        faked->rig.loop, &(struct store_config){.url = url, .max_value_bytes = 8 << 20});
    redis_rig_await(&faked->rig, true);
}

static void stop(struct faked *faked)
{
    store_close(&faked->rig.store);
    fake_redis_stop(&faked->fake);
    ev_loop_destroy(faked->rig.loop);
    alarm(0);
}

/* The application writes the value after GETRANGE found none, and before EXISTS. */
static void write_before_exists(struct fake_redis *fake, const char *word)
{
    if (strcmp(word, "EVAL") == 0)
        fake->script = GREET "GETRANGE " DOCUMENT "EVAL *0\r\n";
}

static void a_value_that_comes_while_it_is_looked_for(void **state)
{
    struct faked faked = {0};

    (void)state;
    start(&faked, GREET "GETRANGE " NOTHING "EXISTS :1\r\n");
    faked.fake->on_command = write_before_exists;
    assert_true(rig_has_text(&faked.rig, "c", "x", "{\"a\":1}"));
    stop(&faked);
}

/* It comes and goes all the time: no answer is right, but an empty value is wrong. */
static void a_value_that_never_stays(void **state)
{
    struct faked faked = {0};

    (void)state;
    start(&faked, GREET "GETRANGE " NOTHING "EXISTS :1\r\nEVAL *0\r\n");
    assert_int_equal(rig_find(&faked.rig, "c", "x"), STORE_DOWN);
    stop(&faked);
}

/* ---- a large value that takes longer than the silence that a connection allows */

#define PIECE 65536

/* Sends the reply of the script, some bytes at a time. */
struct slow {
    struct ev_timer timer;
    struct fake_redis *fake;
    struct buf reply;
    size_t sent, step;
};

static void send_some(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct slow *slow = timer->data;
    size_t left = slow->reply.len - slow->sent;
    size_t len = left < slow->step ? left : slow->step;

    (void)loop, (void)events;
    for (int i = 0; len > 0 && i < FAKE_CLIENTS; i++) {
        struct fake_client *client = &slow->fake->clients[i];

        if (client->reader == NULL)
            continue;
        RIG_CHECK(write(client->io.fd, slow->reply.data + slow->sent, len) ==
                  (ssize_t)len);
        slow->sent += len;
        return;
    }
}

static struct slow *slow_one; /* for on_command */

static void begin_to_send(struct fake_redis *fake, const char *word)
{
    if (strcmp(word, "EVAL") == 0)
        ev_timer_start(fake->loop, &slow_one->timer);
}

/* Reads a value of 56 pieces that comes with so many bytes in a quarter of a second. */
static enum store_status read_slowly(size_t step)
{
    enum { PIECES = 56 };
    struct faked faked = {0};
    struct slow slow = {.step = step};
    struct buf script = BUF_INIT, piece = BUF_INIT;
    struct blob *blob;
    enum store_status status;

    buf_printf(&piece, "$%d\r\n", PIECE);
    memset(buf_reserve(&piece, PIECE), '1', PIECE);
    piece.len += PIECE;
    buf_append_str(&piece, "\r\n");
    buf_printf(&slow.reply, "*%d\r\n", PIECES);
    for (int i = 0; i < PIECES; i++)
        buf_append(&slow.reply, piece.data, piece.len);
    buf_printf(&script, GREET "STRLEN :%d\r\nGETRANGE ", PIECES * PIECE);
    buf_append(&script, piece.data, piece.len);
    buf_append(&script, "", 1);
    start(&faked, (const char *)script.data);
    slow.fake = faked.fake;
    ev_timer_init(&slow.timer, send_some, 0., 0.25);
    slow.timer.data = &slow;
    slow_one = &slow;
    faked.fake->on_command = begin_to_send;
    status = rig_get_blob(&faked.rig, "c", "x", &blob, NULL);
    if (status == STORE_OK)
        assert_int_equal(blob->bytes.len, PIECES * PIECE);
    else
        assert_true(slow.sent < slow.reply.len);
    blob_unref(&blob);
    ev_timer_stop(faked.rig.loop, &slow.timer);
    stop(&faked);
    buf_free(&slow.reply);
    buf_free(&script);
    buf_free(&piece);
    return status;
}

/* 3.5 MiB in 7 s. */
static void a_slow_reply_is_no_silence(void **state)
{
    (void)state;
    assert_int_equal(read_slowly(2 * PIECE), STORE_OK);
}

static void a_reply_of_a_few_bytes_now_and_then_is_silence(void **state)
{
    (void)state;
    assert_int_equal(read_slowly(100), STORE_DOWN);
}

/* ---- a client that leaves */

/* 20 pieces: of full size they would have more than a MiB. */
#define MANY_PIECES "EVAL *20\r\n" FIVE_PIECES FIVE_PIECES FIVE_PIECES FIVE_PIECES
#define FIVE_PIECES          \
    "$1\r\n1\r\n$1\r\n1\r\n" \
    "$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"

static struct rig_get *leaving; /* for on_command */

static void leave(struct fake_redis *fake, const char *word)
{
    if (strcmp(word, "EVAL") != 0)
        return;
    store_cancel(&leaving->get.request);
    fake->script = GREET "GETRANGE $1\r\n1\r\n" MANY_PIECES;
}

/* Pieces of 64 MiB are a thousand blocks: the loop does not free them. */
static void pieces_for_nobody_are_freed_elsewhere(void **state)
{
    struct faked faked = {0};
    struct rig_get get;
    struct buf script = BUF_INIT;
    uint64_t freed = background_free_count();

    (void)state;
    buf_printf(&script, GREET "STRLEN :%d\r\nGETRANGE $%d\r\n", 20 * PIECE, PIECE);
    memset(buf_reserve(&script, PIECE), '1', PIECE);
    script.len += PIECE;
    buf_append_str(&script, "\r\n");
    buf_append(&script, "", 1);
    start(&faked, (const char *)script.data);
    background_free_start();
    faked.fake->on_command = leave;
    leaving = &get;
    rig_begin_get(&faked.rig, &get, "c", "x");
    while (faked.fake->script == (const char *)script.data)
        ev_run(faked.rig.loop, EVRUN_ONCE);
    assert_int_equal(rig_find(&faked.rig, "c", "y"), STORE_OK); /* behind the pieces */
    assert_false(get.done);
    background_free_stop();
    assert_int_equal(background_free_count(), freed + 1);
    stop(&faked);
    buf_free(&script);
}

/* ---- a cluster of three, of which two have slots at a time */

enum { HALF = 8192 };

struct run {
    struct store_list list;
    bool done;
    enum store_status status;
    char first[8]; /* the id of the first document */
    unsigned count;
    bool more;
};

static void on_run(struct store_list *list)
{
    struct run *run = (struct run *)(void *)list;

    run->done = true;
    run->status = list->status;
    run->count = (unsigned)list->count;
    run->more = list->more;
    run->first[0] = '\0';
    if (list->count > 0)
        snprintf(run->first, sizeof run->first, "%.*s", (int)list->documents[0].id.len,
                 (const char *)list->documents[0].id.data);
}

static void read_run(struct rig *rig, struct run *run, size_t most)
{
    run->list.collection = rig_slice("c");
    run->list.max_documents = most;
    run->list.max_bytes = 1 << 18;
    run->list.divider = '\n';
    run->list.is_scan = true;
    run->list.done = on_run;
    run->done = false;
    store_list(rig->store, &run->list);
    while (!run->done)
        ev_run(rig->loop, EVRUN_ONCE);
}

static int by_port(const void *a, const void *b)
{
    struct fake_redis *const *one = a, *const *other = b;

    return (*one)->port - (*other)->port;
}

/* What a node answers: a cluster of these two, with one document at this node. */
static void write_script(char script[512], const struct fake_redis *low,
                         const struct fake_redis *high, const char *id, const char *value)
{
    snprintf(script, 512,
             "CONFIG -ERR no\r\nSCRIPT -ERR no\r\nROLE -ERR no\r\nGETRANGE %s"
             "SCAN *2\r\n$1\r\n0\r\n*1\r\n$7\r\ndoc:c:%s\r\n"
             "CLUSTER *2\r\n*3\r\n:0\r\n:%d\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n"
             "*3\r\n:%d\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n",
             value, id, HALF - 1, low->port, HALF, high->port);
}

/* The first collection whose document x is in the upper half of the slots. */
static void name_in_upper_half(char name[8])
{
    char key[32];
    unsigned i = 0;

    do {
        snprintf(name, 8, "n%u", i++);
        snprintf(key, sizeof key, "doc:%s:x", name);
    } while (redis_slot_of(rig_slice(key)) < HALF);
}

/* Nodes are looked through in the order of their ports. A node with a lower port takes
   over from one that is still to come: the scan must not end as if it had seen all. */
static void a_scan_notices_that_other_nodes_have_the_slots(void **state)
{
    static const char number[] = "$1\r\n1\r\n";
    static char scripts[3][512];
    struct fake_redis *nodes[3];
    struct rig rig = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct run run = {0};
    char url[96], moved[64], name[8];
    const char *why;

    (void)state;
    alarm(RIG_ALARM_S);
    for (int i = 0; i < 3; i++)
        nodes[i] = fake_redis_start(rig.loop, "");
    qsort(nodes, 3, sizeof nodes[0], by_port);
    for (int i = 0; i < 3; i++) {
        write_script(scripts[i], nodes[1], nodes[2], (const char *[]){"a", "b", "c"}[i],
                     number);
        nodes[i]->script = scripts[i];
    }
    snprintf(url, sizeof url, "redis+cluster://127.0.0.1:%d" KEYS, nodes[1]->port);
    rig.store = store_open(
        rig.loop, &(struct store_config){.url = url, .max_value_bytes = 1 << 20});
    name_in_upper_half(name);
    while (!store_is_ready(rig.store, &why) || rig_find(&rig, name, "x") != STORE_OK)
        ev_run(rig.loop, EVRUN_ONCE);
    read_run(&rig, &run, 1);
    assert_int_equal(run.status, STORE_OK);
    assert_string_equal(run.first, "b");
    snprintf(moved, sizeof moved, "-MOVED %u 127.0.0.1:%d\r\n", HALF, nodes[0]->port);
    for (int i = 0; i < 3; i++)
        write_script(scripts[i], nodes[1], nodes[0], (const char *[]){"a", "b", "c"}[i],
                     i == 2 ? moved : number);
    assert_int_equal(rig_find(&rig, name, "x"), STORE_OK); /* the front learns of it */
    read_run(&rig, &run, 1);
    assert_int_equal(run.status, STORE_DOWN);
    store_list_end(&run.list);
    store_close(&rig.store);
    for (int i = 0; i < 3; i++)
        fake_redis_stop(&nodes[i]);
    ev_loop_destroy(rig.loop);
    alarm(0);
}

/* ---- --check-store */

static pid_t run_elsewhere(struct fake_redis *fake)
{
    pid_t pid = fork();

    RIG_CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ev_loop_fork(fake->loop);
    ev_run(fake->loop, 0);
    _exit(98);
}

static int check_with(const char *value, struct store_check_counts *counts_r)
{
    struct buf script = BUF_INIT;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct fake_redis *fake;
    char url[96];
    pid_t pid;
    int rc;

    alarm(RIG_ALARM_S);
    buf_printf(&script, GREET "SCAN *2\r\n$1\r\n0\r\n*1\r\n$7\r\ndoc:c:x\r\nGET %s",
               value);
    buf_append(&script, "", 1);
    fake = fake_redis_start(loop, (const char *)script.data);
    pid = run_elsewhere(fake);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d" KEYS, fake->port);
    *counts_r = (struct store_check_counts){0};
    rc = store_check(&(struct store_config){.url = url}, NULL, NULL, counts_r);
    RIG_CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    fake_redis_stop(&fake);
    ev_loop_destroy(loop);
    buf_free(&script);
    alarm(0);
    return rc;
}

/* SCAN names strings only. One that is another type by the time of GET is no finding, as
   one that is gone. */
static void a_check_does_not_end_at_a_key_that_changes(void **state)
{
    struct store_check_counts counts;

    (void)state;
    assert_int_equal(check_with(DOCUMENT, &counts), 0);
    assert_int_equal(counts.documents, 1);
    assert_int_equal(check_with("$-1\r\n", &counts), 0);
    assert_int_equal(counts.documents, 0);
    assert_int_equal(check_with("-WRONGTYPE it is a hash\r\n", &counts), 0);
    assert_int_equal(counts.documents + counts.damaged, 0);
    assert_int_equal(check_with("-NOPERM no\r\n", &counts), -1);
}

/* ---- with a real server */

static void start_real(struct redis_rig *redis, uint64_t max_value_bytes)
{
    char url[96];

    redis_rig_init(redis, NULL);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d" KEYS, redis->port);
    redis->rig.loop = ev_loop_new(EVFLAG_AUTO);
    redis->rig.store = store_open(
        redis->rig.loop,
        &(struct store_config){.url = url, .max_value_bytes = max_value_bytes});
    redis_rig_await(&redis->rig, true);
}

static void an_empty_value_is_there(void **state)
{
    struct redis_rig redis;

    (void)state;
    start_real(&redis, 1 << 20);
    assert_int_equal(rig_find(&redis.rig, "c", "x"), STORE_NOT_FOUND);
    redis_rig_command(&redis, "OK", "SET doc:c:x %s", "");
    assert_true(rig_has_text(&redis.rig, "c", "x", ""));
    redis_rig_command(&redis, "1", "DEL doc:c:x");
    assert_int_equal(rig_find(&redis.rig, "c", "x"), STORE_NOT_FOUND);
    redis_rig_stop(&redis);
}

/* In its last millisecond a key has 0 ms to live, and still a time to live. Redis runs
   the script with PTTL as it is then. */
static void a_time_to_live_that_is_nearly_over_stays(void **state)
{
    static const char last_ms[] =
        "local real = redis\n"
        "local redis = {sha1hex = real.sha1hex, call = function(name, ...)\n"
        "  if name == 'PTTL' then return 0 end\n"
        "  return real.call(name, ...)\n"
        "end}\n";
    struct redis_rig redis;
    struct buf script = BUF_INIT;

    (void)state;
    redis_rig_init(&redis, NULL);
    buf_printf(&script, "%slocal function run() %s end\nrun()\n", last_ms,
               redis_script_text(REDIS_SCRIPT_SET));
    buf_append_str(&script, "return real.call('PTTL', KEYS[1]) == -1 and 0 or 1");
    buf_append(&script, "", 1);
    redis_rig_command(&redis, "OK", "SET doc:c:x old PX 1000000");
    redis_rig_command(&redis, "OK", "SET upload new");
    redis_rig_command(&redis, "1", "EVAL %s 2 doc:c:x upload - - s 3",
                      (const char *)script.data);
    buf_free(&script);
    redis_rig_end(&redis);
}

/* Memory for five of them at a time, but many reads start behind a small value. */
static void a_scan_of_large_values_needs_the_memory_of_one(void **state)
{
    enum { LARGE = 600 << 10, LARGE_ONES = 60, SMALL_ONES = 3 };
    struct redis_rig redis;
    struct run run = {0};
    unsigned count = 0;

    (void)state;
    start_real(&redis, 1 << 20);
    for (int i = 0; i < LARGE_ONES; i++)
        redis_rig_command(&redis, NULL, "SETRANGE doc:c:l%d %d 1", i, LARGE - 1);
    for (int i = 0; i < SMALL_ONES; i++)
        redis_rig_command(&redis, "OK", "SET doc:c:s%d 1", i);
    memory_budget_set_limit(8 << 20);
    do {
        read_run(&redis.rig, &run, 100);
        assert_int_equal(run.status, STORE_OK);
        count += run.count;
    } while (run.more);
    assert_int_equal(count, LARGE_ONES + SMALL_ONES);
    store_list_end(&run.list);
    /* alone, and still too large */
    memory_budget_set_limit(1 << 20);
    run = (struct run){0};
    do
        read_run(&redis.rig, &run, 100);
    while (run.status == STORE_OK && run.more);
    assert_int_equal(run.status, STORE_NO_MEMORY);
    store_list_end(&run.list);
    memory_budget_set_limit(0);
    redis_rig_stop(&redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_comes_while_it_is_looked_for),
        cmocka_unit_test(a_value_that_never_stays),
        cmocka_unit_test(a_slow_reply_is_no_silence),
        cmocka_unit_test(a_reply_of_a_few_bytes_now_and_then_is_silence),
        cmocka_unit_test(pieces_for_nobody_are_freed_elsewhere),
        cmocka_unit_test(a_scan_notices_that_other_nodes_have_the_slots),
        cmocka_unit_test(a_check_does_not_end_at_a_key_that_changes),
        cmocka_unit_test(an_empty_value_is_there),
        cmocka_unit_test(a_scan_of_large_values_needs_the_memory_of_one),
        cmocka_unit_test(a_time_to_live_that_is_nearly_over_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
