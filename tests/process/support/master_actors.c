#include "tests/process/support/master_actors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/process/handover.h"
#include "common/base/log.h"
#include "common/master/master.h"
#include "common/process/process.h"

/* The further descriptors of the test's fronts. */
#define ROLE_FDS 3

/* ---- the child ---- */

static int stop_pipe[2];

static void on_term(int number)
{
    ssize_t n = write(stop_pipe[1], "", 1);

    (void)number, (void)n;
}

static void tell_line(const struct spawn_self *self, const char *what)
{
    printf("%s %s %u of %llu\n", what, spawn_role_name(self->role), self->index,
           (unsigned long long)self->generation);
    fflush(stdout);
}

/* Waits for TERM or the master's end, and prints which one came. */
static int serve(const struct spawn_self *self)
{
    struct pollfd polled[2] = {{.fd = stop_pipe[0], .events = POLLIN},
                               {.fd = SPAWN_FD_CONTROL, .events = POLLIN}};

    tell_line(self, "ready");
    spawn_tell(SPAWN_READY);
    while (poll(polled, 2, -1) < 0)
        assert(errno == EINTR);
    tell_line(self, polled[0].revents ? "term" : "orphan");
    return 0;
}

static int do_crash(const struct spawn_self *self)
{
    if (self->role == SPAWN_WRITER)
        return serve(self);
    abort();
}

/* The gate of an upgrade, which starts last. */
static int do_gate_crash(const struct spawn_self *self)
{
    if (self->role != SPAWN_GATE)
        return serve(self);
    abort();
}

/* Sends a sign of life once. */
static int do_silent(const struct spawn_self *self)
{
    if (self->role == SPAWN_FRONT)
        spawn_tell(SPAWN_ALIVE);
    spawn_tell(SPAWN_READY);
    if (self->role == SPAWN_FRONT)
        spawn_tell(SPAWN_ALIVE);
    return serve(self);
}

/* One front does as above; the other one has sent SPAWN_BUSY. */
static int do_busy(const struct spawn_self *self)
{
    spawn_tell(
        SPAWN_ALIVE); /* sent before SPAWN_READY: its time starts when it is ready */
    spawn_tell(SPAWN_READY);
    if (self->role == SPAWN_FRONT && self->index == 1)
        spawn_tell(SPAWN_BUSY);
    return serve(self);
}

/* Becomes ready and dies without work done. */
static int do_ready_crash(const struct spawn_self *self)
{
    spawn_tell(SPAWN_READY);
    return self->role == SPAWN_WRITER ? serve(self) : 3;
}

/* Does some work and dies. */
static int do_did_crash(const struct spawn_self *self)
{
    if (self->role == SPAWN_WRITER)
        return serve(self);
    spawn_tell(SPAWN_READY);
    spawn_tell(SPAWN_DID);
    return 3;
}

/* Does some work and ends by itself. */
static int do_retire(const struct spawn_self *self)
{
    if (self->role == SPAWN_WRITER)
        return serve(self);
    spawn_tell(SPAWN_READY);
    spawn_tell(SPAWN_DID);
    return 0;
}

/* Ignores TERM and the master's end. */
static int do_stuck(const struct spawn_self *self)
{
    if (self->role == SPAWN_WRITER)
        return serve(self);
    signal(SIGTERM, SIG_IGN);
    tell_line(self, "stuck");
    spawn_tell(SPAWN_READY);
    for (;;)
        pause();
}

static int do_fail_start(const struct spawn_self *self)
{
    return self->role == SPAWN_WRITER ? serve(self) : EXIT_FATAL;
}

/* Prints the numbers of the inherited descriptors: they are not close-on-exec. All that
   this process or its libraries open are. */
static void print_fds(void)
{
    for (int fd = 0; fd < 64; fd++) {
        int flags = fcntl(fd, F_GETFD);

        if (flags >= 0 && (flags & FD_CLOEXEC) == 0)
            printf(" %d", fd);
    }
}

/* Prints a line of /proc/self/status without its name. */
static void print_status(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];

    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            printf(" %s%.*s", name, (int)strcspn(line + strlen(name), "\n"),
                   line + strlen(name));
    fclose(file);
}

static int do_inspect(const struct spawn_self *self)
{
    unsigned own = 0;

    if (self->role == SPAWN_FRONT) {
        for (char **variable = environ; *variable != NULL; variable++)
            own += strncmp(*variable, "OFFLOOP_", 8) == 0;
        printf("fds");
        print_fds();
        printf("\nvariables %u %s\nsignals", own, getenv("MASTER_TEST"));
        print_status("SigBlk:");
        print_status("Name:");
        printf("\nignored %d%d%d%d %d\n", signal(SIGINT, SIG_DFL) == SIG_IGN,
               signal(SIGHUP, SIG_DFL) == SIG_IGN, signal(SIGUSR2, SIG_DFL) == SIG_IGN,
               signal(SIGPIPE, SIG_IGN) == SIG_IGN, signal(SIGUSR1, SIG_DFL) == SIG_IGN);
        signal(SIGINT, SIG_IGN);
    }
    return serve(self);
}

static const struct {
    const char *name;
    int (*run)(const struct spawn_self *self);
} scenarios[] = {
    {"serve", serve},
    {"crash", do_crash},
    {"gate-crash", do_gate_crash},
    {"silent", do_silent},
    {"busy", do_busy},
    {"ready-crash", do_ready_crash},
    {"retire", do_retire},
    {"did-crash", do_did_crash},
    {"stuck", do_stuck},
    {"inspect", do_inspect},
    {"fail-start", do_fail_start},
};

static int run_child(const struct spawn_self *self)
{
    struct sigaction action = {.sa_handler = on_term};
    struct buf scenario = BUF_INIT;
    int (*run)(const struct spawn_self *) = NULL;

    assert(pipe2(stop_pipe, O_CLOEXEC) == 0);
    sigaction(SIGTERM, &action, NULL);
    assert(file_read_fd(SPAWN_FD_CONFIG, 64, &scenario) == 0);
    buf_append(&scenario, "", 1);
    tell_line(self, "started");
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (strcmp(scenarios[i].name, (char *)scenario.data) == 0)
            run = scenarios[i].run;
    buf_free(&scenario);
    assert(run != NULL);
    return run(self);
}

/* ---- the master ---- */

struct plan {
    struct master_plan master;
    struct master_role roles[3];
};

static const int role_fds[ROLE_FDS] = {STDERR_FILENO, -1, STDERR_FILENO};

static struct plan make_plan(const char *scenario)
{
    struct plan plan = {
        .roles = {{.role = SPAWN_WRITER, .count = 1},
                  {.role = SPAWN_FRONT,
                   .count = 2,
                   .stage = 1,
                   .renewed = true,
                   .kill_silent = strcmp(scenario, "silent") == 0,
                   .fds = role_fds,
                   .fd_count = ROLE_FDS},
                  {.role = SPAWN_GATE, .count = 1, .alone = true}},
        .master = {.role_count = getenv("MASTER_TEST_BINARY") != NULL ? 3 : 2,
                   .shared_fd = -1,
                   .drain_timeout_ns = 30 * NS_PER_MS,
                   .grace_ns = NS_PER_S},
    };
    struct slice text = {(const uint8_t *)scenario, strlen(scenario)};

    if (strcmp(scenario, "serve") == 0 || strcmp(scenario, "inspect") == 0)
        plan.master.drain_timeout_ns = 3600 * NS_PER_S;
    if (getenv("MASTER_TEST_PATIENT") != NULL)
        plan.master.drain_timeout_ns = 3600 * NS_PER_S;
    plan.master.config_fd = file_create_sealed("scenario", text);
    assert(plan.master.config_fd >= 0);
    return plan;
}

static void on_ready(void *context, const struct master_plan *plan)
{
    (void)context, (void)plan;
    printf("all ready\n");
    fflush(stdout);
}

static void on_drain(void *context, const struct master_plan *plan)
{
    (void)context, (void)plan;
    printf("drain begins\n");
    fflush(stdout);
}

static struct plan plans[2];
static const char *next_scenario;

static const struct master_plan *on_reload(void *context)
{
    (void)context;
    if (next_scenario == NULL) {
        log_warn("no reload");
        return NULL;
    }
    plans[1] = make_plan(next_scenario);
    plans[1].master.roles = plans[1].roles;
    next_scenario = NULL;
    return &plans[1].master;
}

static const struct master_plan *on_upgrade(void *context)
{
    const struct master_plan *plan = on_reload(context);

    if (plan != NULL)
        plans[1].master.path = getenv("MASTER_TEST_BINARY");
    return plan;
}

static void on_leave(void *context, const struct master_plan *plan,
                     struct handover *handover)
{
    (void)context;
    handover_put(handover, "config", "%d", plan->config_fd);
    handover_keep_fd(handover, plan->config_fd);
}

/* The first plan: its scenario is from the command line or the master before. */
static struct plan first_plan(const char *scenario, const struct handover *left)
{
    struct buf text = BUF_INIT;
    struct plan plan;
    int fd;

    if (left == NULL)
        return make_plan(scenario);
    fd = handover_fd(atoi(handover_get(left, "config", 0)));
    assert(file_read_fd(fd, 64, &text) == 0);
    close(fd);
    buf_append(&text, "", 1);
    plan = make_plan((const char *)text.data);
    buf_free(&text);
    return plan;
}

static void on_retire(void *context, const struct master_plan *plan)
{
    (void)context;
    printf("retired plan %d\n", plan == &plans[1].master);
    fflush(stdout);
    close(plan->config_fd);
}

static int run_master(const char *scenario, const char *next, char *const *argv)
{
    bool upgrades = getenv("MASTER_TEST_BINARY") != NULL;
    struct handover *left;
    int result;
    const struct master_hooks hooks = {.program = "master-test",
                                       .on_upgrade = upgrades ? on_upgrade : NULL,
                                       .on_leave = on_leave,
                                       .argv = argv,
                                       .on_ready = on_ready,
                                       .on_drain = on_drain,
                                       .on_reload = on_reload,
                                       .on_retire = on_retire};

    assert(handover_take(&left) == 0);
    next_scenario = next;
    plans[0] = first_plan(scenario, left);
    plans[0].master.roles = plans[0].roles;
    result = master_run(&hooks, &plans[0].master, left);
    handover_destroy(&left);
    return result;
}

/* ---- main() and the test's calls ---- */

static char self_path[4096];

int master_actors_main(int argc, char **argv, int (*tests)(void))
{
    struct spawn_self self;

    process_start();
    log_open("master-test", NULL);
    if (spawn_self_read(&self) < 0)
        return EXIT_FATAL;
    if (self.role != SPAWN_MASTER)
        return run_child(&self);
    if (argc >= 3 && strcmp(argv[1], "master") == 0)
        return run_master(argv[2], argc > 3 ? argv[3] : NULL, argv);
    if (readlink("/proc/self/exe", self_path, sizeof self_path - 1) < 0)
        log_fatal("/proc/self/exe: %m");
    daemon_adopt_orphans();
    return tests();
}

struct daemon *master_actors_start(const char *scenario, const char *next)
{
    return daemon_start((const char *const[]){self_path, "master", scenario, next, NULL});
}

struct daemon *master_actors_ready(const char *scenario, const char *next)
{
    struct daemon *d = master_actors_start(scenario, next);

    daemon_expect(d, "all ready");
    return d;
}

struct daemon *master_actors_upgrade(const char *binary, const char *next)
{
    struct daemon *d;

    setenv("MASTER_TEST_BINARY", binary != NULL ? binary : self_path, 1);
    d = master_actors_ready("serve", next);
    unsetenv("MASTER_TEST_BINARY");
    daemon_signal(d, SIGUSR2);
    return d;
}

void master_actors_drain(struct daemon *d)
{
    daemon_signal(d, SIGTERM);
    assert_int_equal(daemon_wait(d), 0);
}

void master_actors_end(struct daemon *d)
{
    master_actors_drain(d);
    daemon_end(d);
}
