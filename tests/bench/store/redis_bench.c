/* How long one turn of the loop takes, in CPU, while large documents go to a real
   redis-server and come back. Not a test: prints a table. */
#include "tests/unit/store/redis_rig.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"

struct turns {
    struct ev_prepare prepare;
    struct ev_check check;
    uint64_t since_ns; /* thread CPU when the loop came back from poll */
    uint64_t longest_ns;
    uint64_t total_ns;
    uint64_t count;
};

static void on_check(struct ev_loop *loop, struct ev_check *check, int events)
{
    struct turns *turns = check->data;

    (void)loop, (void)events;
    turns->since_ns = clock_thread_cpu_ns();
}

static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct turns *turns = prepare->data;
    uint64_t took = turns->since_ns ? clock_thread_cpu_ns() - turns->since_ns : 0;

    (void)loop, (void)events;
    turns->longest_ns = took > turns->longest_ns ? took : turns->longest_ns;
    turns->total_ns += took;
    turns->count++;
}

static void watch(struct rig *rig, struct turns *turns)
{
    ev_prepare_init(&turns->prepare, on_prepare);
    ev_set_priority(&turns->prepare, EV_MINPRI); /* after the connection's own */
    ev_check_init(&turns->check, on_check);
    ev_set_priority(&turns->check, EV_MAXPRI);
    turns->prepare.data = turns->check.data = turns;
    ev_prepare_start(rig->loop, &turns->prepare);
    ev_check_start(rig->loop, &turns->check);
}

static void print(const char *what, size_t size, struct turns *turns, uint64_t wall_ns,
                  int rounds)
{
    printf(
        "%-4s %9zu bytes: longest turn %6.0f us, %5.0f turns, CPU %7.0f us, %7.0f us in "
        "all\n",
        what, size, (double)turns->longest_ns / 1e3, (double)turns->count / rounds,
        (double)turns->total_ns / 1e3 / rounds, (double)wall_ns / 1e3 / rounds);
    turns->longest_ns = turns->total_ns = turns->count = turns->since_ns = 0;
}

static void put(struct rig *rig, struct turns *turns, struct blob *blob)
{
    struct rig_put put = {.put = {.key = {rig_slice("b"), rig_slice("x")},
                                  .blob = blob,
                                  .format = STORE_JSON,
                                  .done = rig_put_done}};

    turns->since_ns = clock_thread_cpu_ns();
    store_put(rig->store, &put.put);
    RIG_CHECK(rig_wait_put(rig, &put, NULL) <= STORE_CREATED);
}

/* Freeing what came is not counted. */
static void get(struct rig *rig, struct turns *turns)
{
    turns->since_ns = clock_thread_cpu_ns();
    RIG_CHECK(rig_find(rig, "b", "x") == STORE_OK);
}

static void measure(struct rig *rig, struct turns *turns, size_t size)
{
    enum { ROUNDS = 20 };
    uint8_t *bytes = mem_zalloc(size);
    struct blob *blob = blob_new_copy(bytes, size);
    uint64_t began = clock_now_ns();

    for (int i = 0; i < ROUNDS; i++)
        put(rig, turns, blob);
    print("put", size, turns, clock_now_ns() - began, ROUNDS);
    began = clock_now_ns();
    for (int i = 0; i < ROUNDS; i++)
        get(rig, turns);
    print("get", size, turns, clock_now_ns() - began, ROUNDS);
    blob_unref(&blob);
    mem_free(bytes);
}

int main(void)
{
    static const size_t sizes[] = {2000, 20000, 65536, 200000, 2 << 20, 16 << 20};
    struct redis_rig redis;
    struct turns turns = {0};

    redis_rig_start(&redis, NULL);
    watch(&redis.rig, &turns);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        measure(&redis.rig, &turns, sizes[i]);
    ev_prepare_stop(redis.rig.loop, &turns.prepare);
    ev_check_stop(redis.rig.loop, &turns.check);
    redis_rig_stop(&redis);
    return 0;
}
