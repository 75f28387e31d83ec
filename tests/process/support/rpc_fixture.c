#include "tests/process/support/rpc_fixture.h"

#include <dirent.h>
#include <ev.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "tests/process/support/child.h"

#define GATE_LISTEN_FD      3
#define NOTICE_S            0.01 /* how often a condition is looked at, events aside */
#define MAX_FD              1024
#define NNG_CLOSES_WITHIN_S 5

/* The one that is not destroyed yet: one test runs at a time. */
static struct rpc_fixture *current;

/* ---- the gate ---- */

static void say_ready(void *ctx)
{
    (void)ctx;
    puts("ready");
    fflush(stdout);
}

int rpc_fixture_gate(char **argv, int (*gate_main)(const struct rpc_gate_config *))
{
    struct rpc_gate_config config = {.rpc_url = argv[1],
                                     .generation = 1,
                                     .listen_fd = GATE_LISTEN_FD,
                                     .control_fd = -1,
                                     .on_ready = say_ready};

    log_open("test", "gate");
    _exit(gate_main(&config));
}

static int open_gate_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    /* Only the family: the kernel picks an abstract name. */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

/* Starts a child with its stdout in a pipe, and waits for its first line. */
static pid_t start_and_hear(char **argv, int pass_fd)
{
    int ends[2], stdout_before = dup(STDOUT_FILENO);
    char line[16];
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    pid = child_start(argv, pass_fd);
    dup2(stdout_before, STDOUT_FILENO);
    close(stdout_before);
    assert_true(read(ends[0], line, sizeof line) > 0);
    close(ends[0]);
    return pid;
}

void rpc_fixture_start_gate(struct rpc_fixture *fixture)
{
    char self[] = "/proc/self/exe";
    char *argv[] = {self, fixture->url, NULL};

    assert_int_equal(fixture->gate, 0);
    fixture->gate = start_and_hear(argv, fixture->gate_fd);
}

void rpc_fixture_stop_gate(struct rpc_fixture *fixture, int signal)
{
    int status;

    if (fixture->gate == 0)
        return;
    kill(fixture->gate, signal);
    status = child_wait(fixture->gate, RPC_FIXTURE_PATIENCE_S * 1000);
    assert_int_equal(status, signal == SIGKILL ? -SIGKILL : 0);
    fixture->gate = 0;
}

/* ---- workers ---- */

static char *program(const char *name)
{
    const char *build = getenv("OFFLOOP_BUILD");

    return str_printf("%s/tests/%s", build == NULL ? "build" : build, name);
}

unsigned rpc_fixture_start_worker(struct rpc_fixture *fixture, const char *mode,
                                  unsigned n)
{
    char *path = program(mode == NULL ? "bare-worker" : "fake-worker");
    char *number = str_printf("%u", n), *text = str_dup(mode == NULL ? "0" : mode);
    char drain[] = "1000";
    char *fake[] = {path, fixture->url, text, number, NULL};
    char *bare[] = {path, text, drain, fixture->url, NULL};
    unsigned place = 0;
    int quiet = dup(STDOUT_FILENO);

    while (fixture->workers[place] != 0)
        assert_true(++place < RPC_FIXTURE_WORKERS);
    fflush(stdout);
    assert_non_null(freopen("/dev/null", "a", stdout));
    fixture->workers[place] = child_start(mode == NULL ? bare : fake, -1);
    dup2(quiet, STDOUT_FILENO);
    close(quiet);
    mem_free(path);
    mem_free(number);
    mem_free(text);
    return place;
}

void rpc_fixture_kill_worker(struct rpc_fixture *fixture, unsigned place)
{
    child_end(fixture->workers[place]);
    fixture->workers[place] = 0;
}

/* ---- the front ---- */

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

void rpc_fixture_start_front(struct rpc_fixture *fixture)
{
    assert_null(fixture->jobs);
    fixture->jobs = jobs_create(fixture->loop, &fixture->config);
}

void rpc_fixture_stop_front(struct rpc_fixture *fixture)
{
    jobs_destroy(&fixture->jobs);
}

/* ---- the whole ---- */

bool rpc_fixture_is_slow(void)
{
    const char *fastpath = getenv("OFFLOOP_FASTPATH");

    return fastpath != NULL && strcmp(fastpath, "off") == 0;
}

struct rpc_fixture *rpc_fixture_create(const struct jobs_config *config)
{
    struct rpc_fixture *fixture = mem_zalloc(sizeof *fixture);

    assert_null(current);
    current = fixture;
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/offloop-rpc-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->loop = ev_loop_new(0);
    fixture->gate_fd = open_gate_socket();
    fixture->config = *config;
    fixture->config.gate_listen_fd = fixture->gate_fd;
    fixture->config.generation = 1;
    fixture->config.stats = &fixture->stats;
    fixture->config.fastpath = !rpc_fixture_is_slow();
    snprintf(fixture->url, sizeof fixture->url, "ipc://%s/rpc", fixture->directory);
    fixture->config.rpc_url = fixture->url;
    /* nng keeps descriptors of its own from its first use on. */
    rpc_fixture_start_front(fixture);
    rpc_fixture_stop_front(fixture);
    fixture->fds = count_fds();
    return fixture;
}

void rpc_fixture_set_url(struct rpc_fixture *fixture, const char *url)
{
    snprintf(fixture->url, sizeof fixture->url, "%s", url);
}

struct rpc_fixture *rpc_fixture_create_running(const struct jobs_config *config,
                                               unsigned count, const char *mode)
{
    struct rpc_fixture *fixture = rpc_fixture_create(config);

    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    for (unsigned i = 0; i < count; i++)
        rpc_fixture_start_worker(fixture, mode, 0);
    rpc_fixture_run_until_workers(fixture, count);
    return fixture;
}

/* Nothing but . and .. may be there, once everybody has left in order. */
static void check_directory(const struct rpc_fixture *fixture)
{
    DIR *dir = opendir(fixture->directory);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            fail_msg("%s was left in %s", entry->d_name, fixture->directory);
    closedir(dir);
    assert_int_equal(rmdir(fixture->directory), 0);
}

/* For the one who reads that a test failed. */
static void print_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) {
        struct sockaddr_un own = {0}, peer = {0};
        char target[128] = "";

        (void)getsockname(atoi(entry->d_name), (struct sockaddr *)&own,
                          &(socklen_t){sizeof own});
        (void)getpeername(atoi(entry->d_name), (struct sockaddr *)&peer,
                          &(socklen_t){sizeof peer});
        if (readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1) > 0)
            print_message("open: %s %s %.107s %.107s\n", entry->d_name, target,
                          own.sun_path, peer.sun_path);
    }
    closedir(dir);
}

/* How many connections to seats of the fixture are open here. */
static int count_seat_connections(const struct rpc_fixture *fixture)
{
    int count = 0;

    for (int fd = 0; fd < MAX_FD; fd++) {
        struct sockaddr_un own = {0}, peer;

        if (getpeername(fd, (struct sockaddr *)&peer, &(socklen_t){sizeof peer}) == 0 &&
            getsockname(fd, (struct sockaddr *)&own, &(socklen_t){sizeof own}) == 0)
            count += strncmp(own.sun_path, fixture->directory,
                             strlen(fixture->directory)) == 0;
    }
    return count;
}

/* nng closes on threads of its own, also what an earlier test left it with: waits until
   no descriptor is open that was not before. What nng 1.5.2 accepts while its listener is
   being closed, it may keep for ever: that is none of ours. */
static void wait_for_fds(const struct rpc_fixture *fixture)
{
    int i = 0;

    while (count_fds() > fixture->fds && i++ < RPC_FIXTURE_PATIENCE_S * 100) {
        if (i > NNG_CLOSES_WITHIN_S * 100 &&
            count_fds() - count_seat_connections(fixture) <= fixture->fds) {
            print_message("nng has lost %d connections\n",
                          count_seat_connections(fixture));
            return;
        }
        usleep(10000);
    }
    if (count_fds() <= fixture->fds)
        return;
    print_fds();
    fail_msg("%d descriptors are open, %d were before", count_fds(), fixture->fds);
}

void rpc_fixture_destroy(struct rpc_fixture **fixture)
{
    struct rpc_fixture *f = *fixture;

    for (unsigned i = 0; i < RPC_FIXTURE_WORKERS; i++)
        if (f->workers[i] != 0)
            rpc_fixture_kill_worker(f, i);
    rpc_fixture_stop_front(f);
    rpc_fixture_stop_gate(f, SIGTERM);
    wait_for_fds(f);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    close(f->gate_fd);
    ev_loop_destroy(f->loop);
    check_directory(f);
    mem_free(f);
    *fixture = current = NULL;
}

int rpc_fixture_teardown(void **state)
{
    struct rpc_fixture *f = current;

    (void)state;
    current = NULL;
    if (f == NULL)
        return 0;
    for (unsigned i = 0; i < RPC_FIXTURE_WORKERS; i++)
        child_end(f->workers[i]);
    child_end(f->gate);
    return 0; /* the test has failed already; its front and its files stay */
}

/* ---- running ---- */

static void on_notice(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
}

/* Returns false where patience ended first. */
static bool run_until(struct rpc_fixture *fixture, bool (*is_true)(void *ctx), void *ctx,
                      double patience_s)
{
    uint64_t end_ns = clock_now_ns() + (uint64_t)(patience_s * NS_PER_S);
    bool happened;
    ev_timer notice;

    ev_timer_init(&notice, on_notice, NOTICE_S, NOTICE_S);
    ev_timer_start(fixture->loop, &notice);
    while (!(happened = is_true(ctx)) && clock_now_ns() < end_ns)
        ev_run(fixture->loop, EVRUN_ONCE);
    ev_timer_stop(fixture->loop, &notice);
    return happened;
}

void rpc_fixture_run_until(struct rpc_fixture *fixture, bool (*is_true)(void *ctx),
                           void *ctx)
{
    if (!run_until(fixture, is_true, ctx, RPC_FIXTURE_PATIENCE_S))
        fail_msg("waited in vain");
}

struct awaited_workers {
    struct jobs *jobs;
    unsigned count;
};

static bool are_there(void *ctx)
{
    struct awaited_workers *awaited = ctx;

    return jobs_workers(awaited->jobs) == awaited->count;
}

void rpc_fixture_run_until_workers(struct rpc_fixture *fixture, unsigned count)
{
    struct awaited_workers awaited = {fixture->jobs, count};

    rpc_fixture_run_until(fixture, are_there, &awaited);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

void rpc_fixture_run_for(struct rpc_fixture *fixture, double seconds)
{
    (void)run_until(fixture, never, NULL, seconds);
}

/* ---- jobs ---- */

static void on_done(struct job *job)
{
    struct rpc_fixture_job *mine = container_of(job, struct rpc_fixture_job, job);

    mine->done++;
    assert_int_equal(job->state, JOB_DONE);
    if (job->status == JOB_OK)
        mine->result = blob_ref(job->result);
}

void rpc_fixture_submit(struct rpc_fixture *fixture, struct rpc_fixture_job *job,
                        const char *text)
{
    memset(job, 0, sizeof *job);
    buf_append_str(&job->input, text);
    rpc_fixture_submit_again(fixture, job);
}

unsigned rpc_fixture_count_maps(const char *name)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, name) != NULL;
    fclose(maps);
    return count;
}

void rpc_fixture_expect_no_maps(const char *name)
{
    for (int i = 0; i < RPC_FIXTURE_PATIENCE_S * 100 && rpc_fixture_count_maps(name) > 0;
         i++)
        usleep(10000);
    assert_int_equal(rpc_fixture_count_maps(name), 0);
}

char *rpc_fixture_pad(const char *text, size_t bytes)
{
    size_t len = strlen(text);
    char *padded = malloc(bytes + 1);

    assert_non_null(padded);
    assert_true(len <= bytes);
    memcpy(padded, text, len);
    memset(padded + len, ' ', bytes - len);
    padded[bytes] = '\0';
    return padded;
}

static void submit(struct rpc_fixture *fixture, struct rpc_fixture_job *job,
                   enum jobs_mode mode)
{
    blob_unref(&job->result);
    job->done = 0;
    job->job = (struct job){
        .call = {.op = job->job.call.transform ? CODEC_OP_ENCODE : CODEC_OP_DECODE,
                 .keep_numbers = job->job.call.keep_numbers,
                 .transform = job->job.call.transform,
                 .argument = job->job.call.argument,
                 .in = buf_slice(&job->input)},
        .share_key = {job->job.share_key[0]},
        .mode = mode,
        .done = on_done};
    jobs_submit(fixture->jobs, &job->job);
}

void rpc_fixture_submit_again(struct rpc_fixture *fixture, struct rpc_fixture_job *job)
{
    submit(fixture, job, JOBS_RPC);
}

void rpc_fixture_submit_in(struct rpc_fixture *fixture, struct rpc_fixture_job *job,
                           const char *text, enum jobs_mode mode)
{
    memset(job, 0, sizeof *job);
    buf_append_str(&job->input, text);
    submit(fixture, job, mode);
}

struct awaited_jobs {
    struct rpc_fixture_job *jobs;
    unsigned count;
    unsigned first_open; /* those before are done */
};

static bool are_done(void *ctx)
{
    struct awaited_jobs *awaited = ctx;

    while (awaited->first_open < awaited->count &&
           awaited->jobs[awaited->first_open].done > 0)
        awaited->first_open++;
    return awaited->first_open == awaited->count;
}

void rpc_fixture_run_jobs(struct rpc_fixture *fixture, struct rpc_fixture_job *jobs,
                          unsigned count)
{
    struct awaited_jobs awaited = {jobs, count, 0};

    rpc_fixture_run_until(fixture, are_done, &awaited);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(jobs[i].done, 1);
}

void rpc_fixture_check_result(struct rpc_fixture *fixture, struct rpc_fixture_job *job)
{
    struct rpc_fixture_job here = {.input = job->input};

    here.job = (struct job){.call = {.op = CODEC_OP_DECODE, .in = buf_slice(&job->input)},
                            .mode = JOBS_INLINE,
                            .done = on_done};
    jobs_submit(fixture->jobs, &here.job);
    assert_int_equal(here.job.status, JOB_OK);
    assert_int_equal(job->job.status, JOB_OK);
    assert_int_equal(job->job.ran, JOBS_RPC);
    assert_non_null(job->result);
    assert_int_equal(job->result->bytes.len, here.result->bytes.len);
    assert_memory_equal(job->result->bytes.data, here.result->bytes.data,
                        here.result->bytes.len);
    blob_unref(&here.result);
}

void rpc_fixture_job_free(struct rpc_fixture_job *job)
{
    blob_unref(&job->result);
    buf_free(&job->input);
}
