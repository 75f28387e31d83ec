#include "worker/serve.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/credentials/credentials.h"
#include "common/nng_faults/nng_cpus.h"
#include "common/base/log.h"
#include "common/process/spawn.h"
#include "proto/wire.h"
#include "worker/sandbox/sandbox.h"
#include "worker/crash.h"
#include "worker/link/fastpath.h"
#include "worker/link/gate.h"
#include "worker/hello.h"
#include "worker/priority.h"
#include "worker/runner.h"
#include "worker/link/seats.h"
#include "worker/link/tls.h"

/* Blocks of this size come fresh from the kernel, page fault by page fault, which halves
   the speed of documents around 1 MB; below it they are reused. */
#define SERVE_MMAP_THRESHOLD (32 << 20)
/* Free memory kept at the top of the heap, for the same reason. */
#define SERVE_TRIM_THRESHOLD (64 << 20)
/* Stacks of nng's dozen threads; jobs run on them and need little (no recursion). */
#define SERVE_STACK_BYTES (1 << 20)
/* Processors that nng is told of: it starts two threads for callbacks for each. */
#define SERVE_NNG_CPUS 2

/* Ticks without a job after which memory is given back. */
#define SERVE_TRIM_TICKS 5
/* Draining ends this long after the last job where fronts do not hang up: jobs that were
   on their way when a front heard our BYE have come by then. (One that comes later still
   is run by another worker.) */
#define SERVE_QUIET_NS (100 * NS_PER_MS)

/* Sockets to one server at most: the gate's, and those of fronts, new and draining: a
   seat and a fast path each. */
#define SERVE_SOCKETS (1 + 4 * WIRE_MAX_SEATS)

enum serve_state {
    SERVE_WORKING, /* until a signal, the master's end or max_jobs */
    SERVE_DRAINING /* until the fronts hung up, quiet, or drain_until_ns */
};

struct serve_server {
    struct gate_server address;
    struct gate *gate;
    struct seats *seats;
    unsigned connected; /* fronts, when last looked at */
};

struct serve {
    const struct worker_serve_config *config;
    struct wire_hello hello;
    struct crash_board *crashes; /* NULL for none */
    struct runner *runner;
    struct seat_world world;
    unsigned server_count;
    struct serve_server *servers;
    atomic_bool is_prompted; /* a front has asked for a hello */
    int wake_fd;             /* eventfd that nng's threads write to */
    int signal_fd;           /* TERM and INT */
    int control_fd;          /* -1 once it ended */
    enum serve_state state;
    bool has_done; /* on_did was called */
    uint64_t next_tick_ns;
    uint64_t drain_until_ns;
    uint64_t last_done;      /* jobs, when last looked at... */
    uint64_t quiet_since_ns; /* ...and when that had changed last, or work was going on */
    unsigned idle_ticks;
};

/* Any thread. */
static void serve_wake(void *arg)
{
    struct serve *serve = arg;
    const uint64_t one = 1;
    ssize_t written = write(serve->wake_fd, &one, sizeof(one));

    /* full is as good: the main thread has not looked yet */
    assert(written == sizeof(one) || errno == EAGAIN);
}

/* Any thread. */
static void serve_prompt(void *arg)
{
    struct serve *serve = arg;

    atomic_store(&serve->is_prompted, true);
    serve_wake(serve);
}

static void serve_tune_memory(void)
{
    pthread_attr_t attr;

    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, SERVE_MMAP_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, SERVE_TRIM_THRESHOLD);
    pthread_attr_init(&attr);
    if (pthread_attr_setstacksize(&attr, SERVE_STACK_BYTES) == 0)
        pthread_setattr_default_np(&attr);
    pthread_attr_destroy(&attr);
}

/* Signals come through a descriptor; every thread started later inherits the mask. */
static int serve_take_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C: the master decides */
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static struct slice serve_secret(const struct worker_serve_config *config)
{
    return config->credentials ? buf_slice(&config->credentials->secret)
                               : (struct slice){NULL, 0};
}

static int serve_open_servers(struct serve *serve)
{
    const struct worker_serve_config *config = serve->config;

    serve->servers = mem_zalloc(config->connect_count * sizeof(*serve->servers));
    for (unsigned i = 0; i < config->connect_count; i++) {
        struct serve_server *server = &serve->servers[i];

        server->address = (struct gate_server){.url = config->connect_urls[i],
                                               .secret = serve_secret(config)};
        if (worker_tls_create(server->address.url, config->credentials,
                              &server->address.tls) != 0)
            return -1;
        server->gate = gate_create(&server->address, &serve->hello, serve_wake, serve);
        if (!server->gate)
            return -1;
        server->seats =
            seats_create(&serve->world, server->address.url, server->address.tls);
        serve->server_count++;
    }
    return 0;
}

/* Without it fronts send all jobs on their seats. */
static void serve_open_fastpath(struct serve *serve)
{
    serve->world.fastpath = fastpath_start_thread(serve->runner);
    if (serve->world.fastpath)
        return;
    log_warn("no fast path: %m");
    serve->hello.capabilities &= ~(uint64_t)WIRE_CAN_FASTPATH;
}

/* All threads start here. One of nng's, or the fast path's, runs jobs; the others must go
   on meanwhile. */
static int serve_open_threads(struct serve *serve)
{
    int error;

    serve_open_fastpath(serve);
    nng_cpus_limit(SERVE_NNG_CPUS);
    error = serve_open_servers(serve);
    nng_cpus_limit(0);
    return error;
}

/* nng starts inside the first half of the sandbox and before the second. */
static int serve_open_sandboxed(struct serve *serve)
{
    const struct worker_serve_config *config = serve->config;
    struct sandbox sandbox;

    if (!config->sandbox || !sandbox_is_possible()) {
        log_info("sandbox: %s",
                 config->sandbox ? "not in a build with sanitizers" : "off");
        return serve_open_threads(serve);
    }
    if (sandbox_close_files(&sandbox, SERVE_SOCKETS * config->connect_count) != 0 ||
        serve_open_threads(serve) != 0)
        return -1;
    return sandbox_close_calls(&sandbox, config->memory_bytes);
}

/* Faults of ours are noted from now on, and those of our like told. */
static void serve_watch_crashes(struct serve *serve)
{
    if (serve->config->crash_fd < 0)
        return;
    serve->crashes = crash_open(serve->config->crash_fd);
    if (!serve->crashes) {
        log_warn("cannot map what is known of crashes: %m");
        return;
    }
    crash_watch(serve->crashes, serve->config->index);
    serve->hello.crash_count =
        crash_list(serve->crashes, clock_now_ns(), serve->hello.crashes);
}

static int serve_open(struct serve *serve)
{
    const struct worker_serve_config *config = serve->config;
    struct runner_config runner = {.engine = config->engine,
                                   .memory_bytes = config->memory_bytes,
                                   .wake = serve_wake,
                                   .wake_arg = serve,
                                   .max_jobs = config->max_jobs};

    serve_tune_memory();
    serve->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    serve->signal_fd = serve_take_signals();
    if (serve->wake_fd < 0 || serve->signal_fd < 0) {
        log_warn("cannot open an eventfd or a signalfd: %m");
        return -1;
    }
    serve->runner = runner_create(&runner);
    if (!serve->runner) {
        log_warn("no codec engine is called %s", config->engine);
        return -1;
    }
    hello_init(&serve->hello, config->engine);
    serve_watch_crashes(serve);
    serve->world = (struct seat_world){.runner = serve->runner,
                                       .hello = &serve->hello,
                                       .secret = serve_secret(config),
                                       .on_lost = serve_wake,
                                       .on_prompt = serve_prompt,
                                       .arg = serve};
    return serve_open_sandboxed(serve);
}

static void serve_drain(struct serve *serve, enum wire_bye reason, const char *why)
{
    if (serve->state == SERVE_DRAINING)
        return;
    log_info("draining: %s", why);
    serve->state = SERVE_DRAINING;
    serve->quiet_since_ns = clock_now_ns();
    serve->drain_until_ns =
        serve->quiet_since_ns + serve->config->drain_timeout_ms * NS_PER_MS;
    for (unsigned i = 0; i < serve->server_count; i++)
        seats_say_bye(serve->servers[i].seats, reason);
    runner_announce_idle(serve->runner);
}

static void serve_read_signals(struct serve *serve)
{
    struct signalfd_siginfo info;

    while (read(serve->signal_fd, &info, sizeof(info)) == sizeof(info))
        serve_drain(serve, WIRE_BYE_DRAIN, "a signal asks for it");
}

/* The master writes nothing yet; its end is what matters. */
static void serve_read_control(struct serve *serve)
{
    char note[16];
    ssize_t got = recv(serve->control_fd, note, sizeof(note), MSG_DONTWAIT);

    if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    serve->control_fd = -1;
    serve_drain(serve, WIRE_BYE_DRAIN, "the master is gone");
}

static void serve_clear_wake(struct serve *serve)
{
    uint64_t count;
    ssize_t got = read(serve->wake_fd, &count, sizeof(count));

    assert(got == sizeof(count) || errno == EAGAIN);
}

/* Asks the gate, at once where a front says so, or is gone: its successor may be there
   already. */
static void serve_ask(struct serve_server *server, bool is_prompted)
{
    unsigned connected = seats_connected(server->seats);
    struct wire_welcome welcome;

    if (is_prompted || connected < server->connected)
        gate_hurry(server->gate);
    server->connected = connected;
    /* First what was said, so that who was in a hurry meanwhile asks again now. */
    if (gate_take_welcome(server->gate, &welcome))
        seats_update(server->seats, &welcome);
    gate_tick(server->gate);
}

static bool serve_is_delivered(const struct serve *serve)
{
    for (unsigned i = 0; i < serve->server_count; i++)
        if (!seats_are_delivered(serve->servers[i].seats))
            return false;
    return true;
}

/* What nng's threads left for us. A draining worker takes no new seats. */
static void serve_look(struct serve *serve)
{
    uint64_t done = runner_jobs_done(serve->runner);
    bool is_prompted = atomic_exchange(&serve->is_prompted, false);

    if (done && !serve->has_done) {
        serve->has_done = true;
        if (serve->config->on_did)
            serve->config->on_did();
    }
    if (runner_is_worn(serve->runner))
        serve_drain(serve, WIRE_BYE_RETIRE, "it has done its share of jobs");
    if (done != serve->last_done || !runner_is_idle(serve->runner) ||
        !serve_is_delivered(serve)) {
        serve->last_done = done;
        serve->quiet_since_ns = clock_now_ns();
        serve->idle_ticks = 0;
    }
    if (serve->state == SERVE_DRAINING)
        return;
    for (unsigned i = 0; i < serve->server_count; i++)
        serve_ask(&serve->servers[i], is_prompted);
}

static void serve_tick(struct serve *serve)
{
    if (serve->config->on_alive)
        serve->config->on_alive();
    if (serve->crashes)
        serve->hello.crash_count =
            crash_list(serve->crashes, clock_now_ns(), serve->hello.crashes);
    for (unsigned i = 0; i < serve->server_count; i++)
        seats_tick(serve->servers[i].seats);
    if (++serve->idle_ticks == SERVE_TRIM_TICKS)
        runner_trim(serve->runner);
}

static bool serve_is_connected(const struct serve *serve)
{
    for (unsigned i = 0; i < serve->server_count; i++)
        if (seats_connected(serve->servers[i].seats) != 0)
            return true;
    return false;
}

/* True once draining is over. A front hangs up when it has all its answers; one that does
   not is left after a quiet while. */
static bool serve_is_over(const struct serve *serve)
{
    uint64_t now_ns = clock_now_ns();

    if (serve->state != SERVE_DRAINING)
        return false;
    if (now_ns >= serve->drain_until_ns) {
        if (!runner_is_idle(serve->runner))
            log_warn("jobs are unfinished after the drain timeout");
        return true;
    }
    if (!runner_is_idle(serve->runner))
        return false;
    return !serve_is_connected(serve) || now_ns - serve->quiet_since_ns >= SERVE_QUIET_NS;
}

/* How long the main thread may sleep: while draining, hang-ups are looked for often. */
static int serve_timeout_ms(const struct serve *serve)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t left_ns = serve->next_tick_ns > now_ns ? serve->next_tick_ns - now_ns : 0;
    int left_ms = (int)(left_ns / NS_PER_MS) + 1;

    return serve->state == SERVE_DRAINING && left_ms > 20 ? 20 : left_ms;
}

static void serve_loop(struct serve *serve)
{
    while (!serve_is_over(serve)) {
        struct pollfd fds[] = {{serve->wake_fd, POLLIN, 0},
                               {serve->signal_fd, POLLIN, 0},
                               {serve->control_fd, POLLIN, 0}};

        if (poll(fds, sizeof(fds) / sizeof(*fds), serve_timeout_ms(serve)) < 0 &&
            errno != EINTR)
            log_fatal("poll: %m");
        if (fds[1].revents)
            serve_read_signals(serve);
        if (fds[2].revents)
            serve_read_control(serve);
        serve_clear_wake(serve);
        serve_look(serve);
        if (clock_now_ns() >= serve->next_tick_ns) {
            serve->next_tick_ns = clock_now_ns() + WIRE_ALIVE_EVERY_MS * NS_PER_MS;
            serve_tick(serve);
        }
    }
}

int worker_serve_main(const struct worker_serve_config *config)
{
    /* never freed: nng's threads may be inside until _exit() */
    struct serve *serve = mem_zalloc(sizeof(*serve));

    assert(config->connect_count >= 1);
    serve->config = config;
    serve->control_fd = config->control_fd;
    priority_lower();
    if (serve_open(serve) != 0)
        return EXIT_FATAL;
    if (config->on_ready)
        config->on_ready();
    serve_loop(serve);
    return 0;
}
