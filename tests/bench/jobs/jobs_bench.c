/*
 * What offloading a job costs a front and gains it, without HTTP and store:
 *
 *     jobs_bench [--quick] [--ways NAME,...] [--workers N] [--seconds S]
 *                [--sizes BYTES,...] [--flights N,...]
 *     jobs_bench --mix RATE [--workers N] [--seconds S]
 *
 * A closed loop of MessagePack-to-JSON jobs in this process, a gate and real
 * workers as children, for each size and number in flight, in each way in turn:
 * the modes, and rpc and auto with memory shared with the workers ("rpc+shm"), and
 * with that and a fast path ("rpc+fast").
 * The whole table takes two minutes, --quick ten seconds. With --mix RATE instead:
 * an open loop of that many small jobs a second in mode rpc, of which every
 * hundredth is one that takes about 50 ms (it also compresses), and how long the
 * small ones take. CPU and context switches are this process's, all threads
 * (getrusage). Workers run from the build tree (OFFLOOP_BUILD, else build/).
 */
#include <errno.h>
#include <ev.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/jobs/jobs.h"
#include "server/workers/gate/gate.h"

#define MAX_LIST     8
#define MAX_FLIGHT   1024
#define MAX_WORKERS  16
#define MAX_SAMPLES  (1 << 20)
#define GATE_FD      3
#define COME_WAIT_MS 10000
#define ARENA_BYTES  (UINT64_C(64) << 20)
#define QUICK_S      0.1

/* Fronts live in this process that differ in what they share with workers. */
enum front { FRONT_PLAIN, FRONT_SHM, FRONT_FAST, FRONTS };

static const struct way {
    const char *name;
    enum jobs_mode mode;
    enum front front;
} ways[] = {{"inline", JOBS_INLINE, FRONT_PLAIN}, {"threads", JOBS_THREADS, FRONT_PLAIN},
            {"rpc", JOBS_RPC, FRONT_PLAIN},       {"rpc+shm", JOBS_RPC, FRONT_SHM},
            {"rpc+fast", JOBS_RPC, FRONT_FAST},   {"auto+fast", JOBS_AUTO, FRONT_FAST}};

#define WAYS (sizeof ways / sizeof ways[0])

static struct {
    unsigned workers;
    double seconds;
    unsigned sizes[MAX_LIST], size_count;
    unsigned flights[MAX_LIST], flight_count;
    unsigned mix;     /* jobs a second; 0 for the closed loop */
    const char *ways; /* names; NULL for all */
} options = {2, 1.0, {500, 2000, 5000, 20000, 200000, 2000000}, 6, {1, 16, 128}, 3,
             0, NULL};

/* One job slot of the closed loop. */
struct slot {
    struct job job;
    uint64_t start_ns;
};

static struct {
    struct ev_loop *loop;
    struct jobs *fronts[FRONTS];
    struct jobs *jobs; /* the one in use */
    struct slot slots[MAX_FLIGHT];
    struct slice document; /* MessagePack */
    enum jobs_mode mode;
    uint64_t end_ns;
    unsigned open; /* slots under way */
    uint64_t done;
    uint64_t failed;
    float *latency_us;
    struct list
        idle; /* jobs that may run inline: started by the loop, not by each other */
    ev_idle starter;
} bench;

/* ---- children ---- */

static pid_t start_child(char *const argv[], int fd_at_3)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    if (fd_at_3 >= 0)
        posix_spawn_file_actions_adddup2(&actions, fd_at_3, GATE_FD);
    if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0) {
        fprintf(stderr, "cannot start %s: %s\n", argv[0], strerror(errno));
        exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static int open_gate_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0 ||
        listen(fd, 8) != 0) {
        perror("gate socket");
        exit(1);
    }
    return fd;
}

/* ---- the loop ---- */

static void start(struct slot *slot);

static void on_done(struct job *job)
{
    struct slot *slot = container_of(job, struct slot, job);
    uint64_t now_ns = clock_now_ns();

    if (job->status != JOB_OK)
        bench.failed++;
    if (bench.done < MAX_SAMPLES)
        bench.latency_us[bench.done] = (float)(now_ns - slot->start_ns) / 1000.0f;
    bench.done++;
    bench.open--;
    if (now_ns < bench.end_ns)
        start(slot);
    else if (bench.open == 0)
        ev_break(bench.loop, EVBREAK_ALL);
}

static void submit(struct slot *slot)
{
    slot->job = (struct job){.call = {.op = CODEC_OP_ENCODE, .in = bench.document},
                             .mode = bench.mode,
                             .sends_result = true,
                             .done = on_done};
    jobs_submit(bench.jobs, &slot->job);
}

/* A turn of the loop runs what was started in the one before. */
static void on_idle(struct ev_loop *loop, ev_idle *starter, int events)
{
    struct list now = bench.idle, *link;

    (void)events;
    ev_idle_stop(loop, starter);
    now.next->prev = now.prev->next = &now;
    list_init(&bench.idle);
    while ((link = list_shift(&now)) != NULL)
        submit(container_of(link, struct slot, job.link));
}

static void start(struct slot *slot)
{
    slot->start_ns = clock_now_ns();
    bench.open++;
    if (bench.mode == JOBS_RPC || bench.mode == JOBS_THREADS) {
        submit(slot);
        return;
    }
    list_init(&slot->job.link);
    list_append(&bench.idle, &slot->job.link);
    ev_idle_start(bench.loop, &bench.starter);
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void run(unsigned size, unsigned flight, const struct way *way, double seconds,
                bool print)
{
    uint64_t start_ns = clock_now_ns(), samples;
    struct rusage before, after;
    double elapsed, cpu, switches;

    bench.mode = way->mode;
    bench.jobs = bench.fronts[way->front];
    bench.done = bench.failed = 0;
    bench.end_ns = start_ns + (uint64_t)(seconds * NS_PER_S);
    getrusage(RUSAGE_SELF, &before);
    for (unsigned i = 0; i < flight; i++)
        start(&bench.slots[i]);
    ev_run(bench.loop, 0);
    getrusage(RUSAGE_SELF, &after);
    if (!print)
        return;
    elapsed = (double)(clock_now_ns() - start_ns) / NS_PER_S;
    cpu = seconds_of(after.ru_utime) + seconds_of(after.ru_stime) -
          seconds_of(before.ru_utime) - seconds_of(before.ru_stime);
    switches =
        (double)(after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw);
    samples = bench.done < MAX_SAMPLES ? bench.done : MAX_SAMPLES;
    qsort(bench.latency_us, samples, sizeof *bench.latency_us, compare);
    printf("%7u %6u  %-8s %9.0f %9.0f %9.0f %10.2f %9.2f%s\n", size, flight, way->name,
           (double)bench.done / elapsed, (double)bench.latency_us[samples / 2],
           (double)bench.latency_us[samples * 99 / 100], cpu * 1e6 / (double)bench.done,
           switches / (double)bench.done, bench.failed ? "  FAILED JOBS" : "");
    fflush(stdout);
}

static struct blob *document;

static void keep_document(struct job *job)
{
    if (job->status != JOB_OK) {
        fprintf(stderr, "cannot make the document: %s\n", job_status_text(job->status));
        exit(1);
    }
    document = blob_ref(job->result);
}

/* A document like the sample data, of about `size` bytes of JSON, as MessagePack. */
static void make_document(unsigned size)
{
    struct buf json = BUF_INIT;
    struct job job = {.mode = JOBS_INLINE, .done = keep_document};

    buf_append_str(&json, "[");
    for (unsigned i = 0; json.len + 120 < size; i++)
        buf_printf(&json,
                   "{\"symbol\":\"NIFTY%05u\",\"strike\":%u.5,\"lot\":%u,\"active\":true,"
                   "\"greeks\":{\"delta\":0.%04u,\"note\":null}},",
                   i, 15000 + i, i % 75, i * 7919 % 10000);
    buf_append_str(&json, "\"end\"]");
    job.call.op = CODEC_OP_DECODE;
    job.call.in = buf_slice(&json);
    jobs_submit(bench.jobs, &job);
    buf_free(&json);
    bench.document = document->bytes;
}

/* ---- small jobs beside large ones ---- */

#define HEAVY_EVERY 100 /* jobs */
#define HEAVY_BYTES 3000000

static struct {
    struct slice small, large; /* documents */
    uint64_t next_ns, step_ns;
    unsigned count;
    uint64_t heavy, heavy_us;
} mix;

static void submit_mixed(void (*done)(struct job *job))
{
    struct slot *slot = bench.slots;

    while (slot < bench.slots + MAX_FLIGHT && slot->start_ns != 0)
        slot++;
    if (slot == bench.slots + MAX_FLIGHT) {
        bench.failed++; /* it cannot keep up */
        return;
    }
    slot->start_ns = mix.next_ns;
    bench.open++;
    slot->job =
        (struct job){.call = {.op = CODEC_OP_ENCODE}, .mode = JOBS_RPC, .done = done};
    slot->job.call.coding = ++mix.count % HEAVY_EVERY == 0 ? CODING_GZIP : CODING_NONE;
    slot->job.call.in = slot->job.call.coding ? mix.large : mix.small;
    jobs_submit(bench.jobs, &slot->job);
}

static void on_mixed_done(struct job *job)
{
    struct slot *slot = container_of(job, struct slot, job);
    uint64_t now_ns = clock_now_ns();

    if (job->status != JOB_OK)
        bench.failed++;
    if (job->call.coding == CODING_GZIP) {
        mix.heavy++;
        mix.heavy_us += job->codec_us;
    } else if (bench.done < MAX_SAMPLES) {
        bench.latency_us[bench.done++] = (float)(now_ns - slot->start_ns) / 1000.0f;
    }
    slot->start_ns = 0;
    bench.open--;
    if (now_ns >= bench.end_ns && bench.open == 0)
        ev_break(bench.loop, EVBREAK_ALL);
}

/* Late ones count from when they were due. */
static void on_mix_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    uint64_t now_ns = clock_now_ns();

    (void)events;
    for (; mix.next_ns <= now_ns && mix.next_ns < bench.end_ns;
         mix.next_ns += mix.step_ns) {
        submit_mixed(on_mixed_done);
    }
    if (now_ns >= bench.end_ns)
        ev_timer_stop(loop, timer);
}

static struct blob *document_of(unsigned size)
{
    struct blob *made;

    make_document(size);
    made = document;
    document = NULL;
    return made;
}

static void run_mix(void)
{
    struct blob *small = document_of(500), *large = document_of(HEAVY_BYTES);
    uint64_t samples;
    ev_timer timer;

    mix.small = small->bytes;
    mix.large = large->bytes;
    mix.step_ns = NS_PER_S / options.mix;
    mix.next_ns = clock_now_ns();
    bench.end_ns = mix.next_ns + (uint64_t)(options.seconds * NS_PER_S);
    ev_timer_init(&timer, on_mix_timer, 0.0005, 0.0005);
    ev_timer_start(bench.loop, &timer);
    ev_run(bench.loop, 0);
    samples = bench.done;
    qsort(bench.latency_us, samples, sizeof *bench.latency_us, compare);
    printf("%llu small jobs: p50 %.0f us, p99 %.0f us, max %.0f us; %llu large ones of "
           "%.1f ms%s\n",
           (unsigned long long)samples, (double)bench.latency_us[samples / 2],
           (double)bench.latency_us[samples * 99 / 100],
           (double)bench.latency_us[samples - 1], (unsigned long long)mix.heavy,
           (double)mix.heavy_us / 1000 / (double)(mix.heavy > 0 ? mix.heavy : 1),
           bench.failed ? "  FAILED JOBS" : "");
    blob_unref(&small);
    blob_unref(&large);
}

/* ---- the program ---- */

static unsigned parse_list(const char *text, unsigned list[MAX_LIST], unsigned max)
{
    unsigned count = 0;
    char *end;

    do {
        unsigned long value = strtoul(text, &end, 10);

        if (end == text || value == 0 || value > max || count == MAX_LIST)
            return 0;
        list[count++] = (unsigned)value;
        text = end + 1;
    } while (*end == ',');
    return *end == '\0' ? count : 0;
}

static int parse_options(int argc, char **argv)
{
    unsigned one[MAX_LIST];
    int first = argc > 1 && strcmp(argv[1], "--quick") == 0 ? 2 : 1;

    if (first == 2)
        options.seconds = QUICK_S;
    for (int i = first; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];

        if (strcmp(argv[i], "--workers") == 0 && parse_list(value, one, MAX_WORKERS) == 1)
            options.workers = one[0];
        else if (strcmp(argv[i], "--ways") == 0)
            options.ways = value;
        else if (strcmp(argv[i], "--seconds") == 0 && atof(value) > 0)
            options.seconds = atof(value);
        else if (strcmp(argv[i], "--mix") == 0 && parse_list(value, one, 100000) == 1)
            options.mix = one[0];
        else if (strcmp(argv[i], "--sizes") == 0)
            options.size_count = parse_list(value, options.sizes, 1u << 27);
        else if (strcmp(argv[i], "--flights") == 0)
            options.flight_count = parse_list(value, options.flights, MAX_FLIGHT);
        else
            return -1;
    }
    return (argc - first) % 2 == 0 && options.size_count > 0 && options.flight_count > 0
               ? 0
               : -1;
}

static void on_come_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
}

static bool all_came(void)
{
    for (unsigned i = 0; i < FRONTS; i++)
        if (jobs_workers(bench.fronts[i]) < options.workers)
            return false;
    return true;
}

static void wait_for_workers(void)
{
    uint64_t end_ns = clock_now_ns() + COME_WAIT_MS * NS_PER_MS;
    ev_timer timer;

    ev_timer_init(&timer, on_come_timer, 0.01, 0.01);
    ev_timer_start(bench.loop, &timer);
    while (!all_came() && clock_now_ns() < end_ns)
        ev_run(bench.loop, EVRUN_ONCE);
    ev_timer_stop(bench.loop, &timer);
    if (all_came())
        return;
    fprintf(stderr, "the workers did not come\n");
    exit(1);
}

static bool is_wanted(const struct way *way)
{
    size_t len = strlen(way->name);

    for (const char *at = options.ways; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, way->name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return options.ways == NULL;
}

static void run_ways(unsigned size, unsigned flight)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (!is_wanted(&ways[i]))
            continue;
        run(size, flight, &ways[i], options.seconds / 5, false);
        run(size, flight, &ways[i], options.seconds, true);
    }
}

static void run_all(void)
{
    printf("%7s %6s  %-8s %9s %9s %9s %10s %9s\n", "bytes", "flight", "way", "jobs/s",
           "p50 us", "p99 us", "CPU us/job", "switches");
    for (unsigned s = 0; s < options.size_count; s++) {
        make_document(options.sizes[s]);
        for (unsigned f = 0; f < options.flight_count; f++)
            run_ways(options.sizes[s], options.flights[f]);
        blob_unref(&document);
    }
}

static int gate(char **argv)
{
    struct rpc_gate_config config = {
        .rpc_url = argv[2], .generation = 1, .listen_fd = GATE_FD, .control_fd = -1};

    _exit(rpc_gate_main(&config));
}

static void start_children(char *url, int gate_fd, pid_t pids[MAX_WORKERS + 1])
{
    const char *build = getenv("OFFLOOP_BUILD");
    char *worker = str_printf("%s/tests/bare-worker", build == NULL ? "build" : build);
    char self[] = "/proc/self/exe", word[] = "gate", zero[] = "0", drain[] = "1000";
    char *gate_argv[] = {self, word, url, NULL};
    char *worker_argv[] = {worker, zero, drain, url, NULL};

    pids[0] = start_child(gate_argv, gate_fd);
    for (unsigned i = 0; i < options.workers; i++)
        pids[i + 1] = start_child(worker_argv, -1);
    mem_free(worker);
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/offloop-bench-XXXXXX";
    struct jobs_config config = {0};
    pid_t pids[MAX_WORKERS + 1];
    char *url;

    if (argc == 3 && strcmp(argv[1], "gate") == 0)
        return gate(argv);
    if (parse_options(argc, argv) != 0) {
        fprintf(stderr, "usage: jobs_bench [--quick] [--ways NAME,...] [--workers N] "
                        "[--seconds S] [--sizes BYTES,...] [--flights N,...] "
                        "[--mix RATE]\n");
        return 2;
    }
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        return 1;
    }
    url = str_printf("ipc://%s/rpc", directory);
    config.gate_listen_fd = open_gate_socket();
    config.rpc_url = url;
    start_children(url, config.gate_listen_fd, pids);
    mem_reuse(1 << 20, 8 << 20); /* as fronts do */
    bench.loop = ev_default_loop(0);
    bench.latency_us = mem_alloc(MAX_SAMPLES * sizeof *bench.latency_us);
    list_init(&bench.idle);
    ev_idle_init(&bench.starter, on_idle);
    for (unsigned i = 0; i < FRONTS; i++) {
        config.front_index = (int)i;
        config.generation = i + 1;
        config.arena_bytes = i == FRONT_PLAIN ? 0 : ARENA_BYTES;
        config.fastpath = i == FRONT_FAST;
        bench.fronts[i] = jobs_create(bench.loop, &config);
    }
    bench.jobs = bench.fronts[FRONT_FAST];
    wait_for_workers();
    if (options.mix > 0)
        run_mix();
    else
        run_all();
    for (unsigned i = 0; i < FRONTS; i++)
        jobs_destroy(&bench.fronts[i]);
    for (unsigned i = 0; i <= options.workers; i++) {
        kill(pids[i], SIGTERM);
        waitpid(pids[i], NULL, 0);
    }
    rmdir(directory);
    fflush(stdout);
    _exit(0);
}
