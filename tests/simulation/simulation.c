/*
 * Simulates a front (CONTRIBUTING.md, "Simulation"): each seed is one execution.
 *
 *     simulation [--seed N] [--seeds COUNT] [--trace] [--twice] [--no-shrink]
 *                [--clients N] [--requests N] [--workers N] [--without FAULT]...
 *
 * Executions run in a child process. Where one fails, the parent says which promise was
 * broken by which seed, and looks for the smallest execution of that seed that fails,
 * too: fewer clients, requests, workers and kinds of faults. Exit status 1 then.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/loop/memory_budget.h"
#include "tests/simulation/clients/sim_clients.h"
#include "tests/simulation/front/sim_front.h"
#include "tests/simulation/system/sim_memory.h"
#include "tests/simulation/system/sim_socket.h"
#include "tests/simulation/front/sim_history.h"
#include "tests/simulation/front/sim_store.h"
#include "tests/simulation/system/sim_system.h"
#include "tests/simulation/front/sim_workers.h"
#include "tests/simulation/system/sim_world.h"

/* An execution that takes longer, of a processor, never ends. */
#define HANGS_S 60

#define MANY UINT32_MAX

static const struct {
    const char *name, *what;
} faults[] = {
#define X(name, text, what) {text, what},
    SIM_FAULT_MAP(X)
#undef X
};

/* What the child tells its parent. */
struct progress {
    uint64_t seed;
    uint64_t executions, answered, virtual_ns;
    uint64_t hash; /* of the last execution */
    char failure[SIM_FAILURE_BYTES];
};

struct options {
    uint64_t first, count;
    struct sim_limits limits;
    bool twice, shrinks;
};

static struct progress *progress;

/* ---- one execution ---- */

static void execute(uint64_t seed, const struct sim_limits *limits)
{
    uint64_t begin_ns;

    progress->seed = seed;
    sim_world_begin(seed, limits);
    sim_memory_begin();
    sim_system_begin();
    sim_sockets_begin();
    sim_history_begin();
    sim_store_begin();
    sim_workers_begin();
    begin_ns = sim_now_ns();
    sim_front_begin();
    sim_clients_begin();
    sim_front_run();
    sim_front_end();
    sim_clients_end();
    sim_workers_end();
    sim_history_end();
    sim_sockets_end();
    if (memory_budget_used() != 0)
        sim_fail("%llu bytes are counted in the memory budget at the end",
                 (unsigned long long)memory_budget_used());
    sim_memory_end();
    sim_world_end();
    progress->executions++;
    progress->answered += sim_clients_answered();
    progress->virtual_ns += sim_now_ns() - begin_ns;
    progress->hash = sim_noted();
}

static void execute_all(const struct options *options)
{
    const struct itimerval hangs = {.it_value = {.tv_sec = HANGS_S}};

    for (uint64_t i = 0; i < options->count; i++) {
        uint64_t hash;

        (void)setitimer(ITIMER_PROF, &hangs, NULL);
        execute(options->first + i, &options->limits);
        hash = progress->hash;
        if (!options->twice)
            continue;
        execute(options->first + i, &options->limits);
        if (progress->hash != hash)
            sim_fail("the second execution of a seed was another one");
    }
}

/* ---- the parent ---- */

/* Runs executions in a child; true where all went well. */
static bool run(const struct options *options)
{
    int status;
    pid_t child;

    fflush(NULL);
    memset(progress->failure, 0, sizeof progress->failure);
    child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (child == 0) {
        sim_keep_failure(progress->failure);
        execute_all(options);
        fflush(NULL);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        snprintf(progress->failure, sizeof progress->failure, "ends by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0 && progress->failure[0] == '\0')
        snprintf(progress->failure, sizeof progress->failure, "exits with %d",
                 WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Takes a smaller execution over where it fails, too. */
static bool shrink_to(struct options *options, const struct sim_limits *limits)
{
    struct options smaller = *options;

    smaller.limits = *limits;
    if (run(&smaller))
        return false;
    options->limits = *limits;
    return true;
}

static void shrink_number(struct options *options, unsigned *number)
{
    struct sim_limits limits;

    for (unsigned value = 1; value < 7 && value < *number; value++) {
        unsigned before = *number;

        *number = value;
        limits = options->limits;
        *number = before;
        if (shrink_to(options, &limits))
            return;
    }
}

static void shrink(struct options *options)
{
    options->count = 1;
    options->limits.trace = false;
    for (unsigned i = 0; i < SIM_FAULTS; i++) {
        struct sim_limits limits = options->limits;

        limits.without |= SIM_BIT(i);
        if (limits.without != options->limits.without)
            (void)shrink_to(options, &limits);
    }
    shrink_number(options, &options->limits.clients);
    shrink_number(options, &options->limits.requests);
    shrink_number(options, &options->limits.workers);
}

static void print_command(const struct options *options)
{
    const struct sim_limits *limits = &options->limits;

    fprintf(stderr, "    simulation --seed %llu --trace",
            (unsigned long long)options->first);
    if (limits->clients != MANY)
        fprintf(stderr, " --clients %u", limits->clients);
    if (limits->requests != MANY)
        fprintf(stderr, " --requests %u", limits->requests);
    if (limits->workers != MANY)
        fprintf(stderr, " --workers %u", limits->workers);
    for (unsigned i = 0; i < SIM_FAULTS; i++)
        if ((limits->without & SIM_BIT(i)) != 0)
            fprintf(stderr, " --without %s", faults[i].name);
    fprintf(stderr, "\n");
}

static void report_failure(struct options *options)
{
    options->first = progress->seed;
    fprintf(stderr, "simulation: seed %llu, the %llu.: %s\n",
            (unsigned long long)progress->seed,
            (unsigned long long)progress->executions + 1, progress->failure);
    if (options->shrinks) {
        shrink(options);
        (void)run(options);
        fprintf(stderr, "made smaller, it fails so: %s\n", progress->failure);
    }
    print_command(options);
}

/* The processor time of the executions: other programs may be busy, too. */
static double taken_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- the command line ---- */

static uint32_t find_fault(const char *name)
{
    for (unsigned i = 0; i < SIM_FAULTS; i++)
        if (strcmp(faults[i].name, name) == 0)
            return SIM_BIT(i);
    fprintf(stderr, "simulation: there is no fault %s, but\n", name);
    for (unsigned i = 0; i < SIM_FAULTS; i++)
        fprintf(stderr, "    %-16s %s\n", faults[i].name, faults[i].what);
    exit(2);
}

static void read_options(int argc, char **argv, struct options *options_r)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"seeds", required_argument, NULL, 'n'},
                                          {"clients", required_argument, NULL, 'c'},
                                          {"requests", required_argument, NULL, 'r'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"without", required_argument, NULL, 'o'},
                                          {"trace", no_argument, NULL, 't'},
                                          {"twice", no_argument, NULL, '2'},
                                          {"no-shrink", no_argument, NULL, 'k'},
                                          {NULL, 0, NULL, 0}};
    struct sim_limits *limits = &options_r->limits;
    int which;

    *options_r = (struct options){
        .first = 1, .count = 1, .limits = {MANY, MANY, MANY, 0, false}, .shrinks = true};
    while ((which = getopt_long(argc, argv, "", known, NULL)) != -1)
        switch (which) {
        case 's': options_r->first = strtoull(optarg, NULL, 10); break;
        case 'n': options_r->count = strtoull(optarg, NULL, 10); break;
        case 'c': limits->clients = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'r': limits->requests = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'w': limits->workers = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'o': limits->without |= find_fault(optarg); break;
        case 't': limits->trace = true; break;
        case '2': options_r->twice = true; break;
        case 'k': options_r->shrinks = false; break;
        default: exit(2);
        }
    if (limits->trace)
        options_r->shrinks = false;
}

int main(int argc, char **argv)
{
    struct options options;

    read_options(argc, argv, &options);
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    if (!run(&options)) {
        report_failure(&options);
        return 1;
    }
    printf("simulation: %llu executions, %llu requests answered, %.0f s simulated, "
           "%.1f s of a processor, %.0f executions/s\n",
           (unsigned long long)progress->executions,
           (unsigned long long)progress->answered, (double)progress->virtual_ns / 1e9,
           taken_s(), (double)progress->executions / taken_s());
    return 0;
}
