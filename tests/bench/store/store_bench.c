/* What the store does: puts/s with flushing on and off, at several writes in flight, and
   the loop's CPU per put and per get. Usage: store_bench [SECONDS-PER-ROW] */
#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"

#define MAP_BYTES (UINT64_C(8) << 30)
#define DOCUMENT  2048

struct lane {
    struct store_put put;
    struct flow *flow;
    char id[16];
};

struct flow {
    struct rig *rig;
    struct blob *blob;
    uint64_t started, done, end_ns;
};

static void start(struct lane *lane);

static void lane_done(struct store_put *put)
{
    struct lane *lane = (struct lane *)(void *)put;

    RIG_CHECK(put->status == STORE_OK || put->status == STORE_CREATED);
    lane->flow->done++;
    if (clock_now_ns() < lane->flow->end_ns)
        start(lane);
}

static void start(struct lane *lane)
{
    struct flow *flow = lane->flow;

    snprintf(lane->id, sizeof lane->id, "%08u",
             (unsigned)(flow->started++ * 2654435761u % 100000));
    lane->put = (struct store_put){.key = {rig_slice("bench"), rig_slice(lane->id)},
                                   .blob = flow->blob,
                                   .format = STORE_MSGPACK,
                                   .done = lane_done};
    store_put(flow->rig->store, &lane->put);
}

static void bench_puts(struct rig *rig, unsigned width, double seconds)
{
    uint8_t bytes[DOCUMENT] = {1};
    struct lane *lanes = mem_zalloc(width * sizeof *lanes);
    struct store_counters before, after;
    uint64_t begin = clock_now_ns(), cpu = clock_thread_cpu_ns();
    struct flow flow = {.rig = rig,
                        .blob = blob_new_copy(bytes, sizeof bytes),
                        .end_ns = begin + (uint64_t)(seconds * 1e9)};
    double took;

    store_read_counters(rig->store, &before);
    for (unsigned i = 0; i < width; i++) {
        lanes[i].flow = &flow;
        start(&lanes[i]);
    }
    while (flow.done < flow.started)
        ev_run(rig->loop, EVRUN_ONCE);
    took = (double)(clock_now_ns() - begin) / 1e9;
    cpu = clock_thread_cpu_ns() - cpu;
    store_read_counters(rig->store, &after);
    printf("put %d B, sync %-3s %4u in flight: %8.0f/s, %6.1f puts/commit, %5.2f us of "
           "loop CPU each\n",
           DOCUMENT, rig->sync ? "on," : "off", width, (double)flow.done / took,
           (double)flow.done / (double)(after.writer_commits - before.writer_commits),
           (double)cpu / 1e3 / (double)flow.done);
    blob_unref(&flow.blob);
    mem_free(lanes);
}

static void bench_gets(struct rig *rig, size_t size, unsigned width, double seconds)
{
    uint8_t *bytes = mem_zalloc(size);
    struct rig_get *gets = mem_zalloc(width * sizeof *gets);
    char ids[64][16];
    uint64_t begin, cpu, done = 0;

    for (unsigned i = 0; i < 64; i++) {
        snprintf(ids[i], sizeof ids[i], "%zu.%u", size, i);
        RIG_CHECK(rig_put_bytes(rig, "gets", ids[i], bytes, size) < STORE_NOT_FOUND);
    }
    begin = clock_now_ns();
    cpu = clock_thread_cpu_ns();
    while (clock_now_ns() < begin + (uint64_t)(seconds * 1e9)) {
        for (unsigned i = 0; i < width; i++)
            rig_begin_get(rig, &gets[i], "gets", ids[(done + i) % 64]);
        for (unsigned i = 0; i < width; i++) {
            while (!gets[i].done)
                ev_run(rig->loop, EVRUN_ONCE);
            blob_unref(&gets[i].blob);
        }
        done += width;
    }
    cpu = clock_thread_cpu_ns() - cpu;
    printf("get %zu B, %u at a time: %.0f/s, %.2f us of loop CPU each\n", size, width,
           (double)done / ((double)(clock_now_ns() - begin) / 1e9),
           (double)cpu / 1e3 / (double)done);
    mem_free(gets);
    mem_free(bytes);
}

int main(int argc, char **argv)
{
    static const unsigned widths[] = {1, 64, 512};
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    struct rig rig;

    for (int sync = 1; sync >= 0; sync--) {
        rig_init(&rig, MAP_BYTES);
        rig.sync = sync;
        RIG_CHECK(rig_start_writer(&rig) == 0);
        rig_open_store(&rig);
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            bench_puts(&rig, widths[i], seconds);
        if (!sync) {
            bench_gets(&rig, 2048, 1, seconds);
            bench_gets(&rig, 60000, 1, seconds);
            bench_gets(&rig, 200000, 1, seconds);
            bench_gets(&rig, 200000, 16, seconds);
        }
        rig_stop(&rig);
    }
    return 0;
}
