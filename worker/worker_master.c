#include "worker/worker_master.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/address/rpc_url.h"
#include "common/address/runtime_dir.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/master/master.h"
#include "common/process/listeners.h"
#include "common/process/privileges.h"
#include "worker/broker/broker.h"
#include "worker/crash.h"

/* The broker stops first, then what runs its jobs, then what brings them together. */
enum worker_stage { STAGE_GATE, STAGE_WORKERS, STAGE_BROKER };

/* Who may connect to the job socket: the user and the group of the daemon, as with the
   gate's. */
#define LISTEN_UMASK 0117

/* The admin listener is told apart from the job socket by this. */
#define LISTEN_NTH 0
#define ADMIN_NTH  1

/* What the broker and its gate have beside the listeners; -1 where there is none. */
struct worker_shared {
    int crash_fd, gate_fd, stats_fd;
};

/* One generation of the workers. */
struct worker_plan {
    struct master_plan master; /* first: the master knows the plan by its address */
    struct master_role roles[3];
    struct worker_config *config;
    struct listeners *listeners;
    int broker_fds[SPAWN_FD_BROKER_LISTEN - SPAWN_FD_FIRST + 1];
};

struct worker_master {
    int argc;
    char **argv;
    struct worker_plan *plan; /* in use */
    struct listeners *listeners;
    struct worker_shared shared;
    struct crash_board *crashes;
};

static int *broker_fd(struct worker_plan *plan, enum spawn_broker_fd fd)
{
    return &plan->broker_fds[fd - SPAWN_FD_FIRST];
}

static void set_roles(struct worker_plan *plan)
{
    bool has_broker = worker_config_has_broker(plan->config);

    plan->roles[0] = (struct master_role){.role = SPAWN_GATE,
                                          .count = has_broker,
                                          .stage = STAGE_GATE,
                                          .alone = true, /* the address has one owner */
                                          .fds = plan->broker_fds,
                                          .fd_count = 1};
    plan->roles[1] = (struct master_role){.role = SPAWN_WORKER,
                                          .count = plan->config->processes,
                                          .stage = STAGE_WORKERS,
                                          .renewed = true,
                                          .kill_silent = true};
    plan->roles[2] =
        (struct master_role){.role = SPAWN_BROKER,
                             .count = has_broker,
                             .stage = STAGE_BROKER,
                             .renewed = true,
                             .fds = plan->broker_fds,
                             .fd_count = sizeof plan->broker_fds / sizeof(int)};
}

static int hold(struct worker_plan *plan, const char *text, size_t nth)
{
    mode_t before = umask(LISTEN_UMASK);
    int fd = listeners_use(plan->listeners, text, nth);
    int error = errno;

    umask(before);
    if (fd < 0)
        log_warn("cannot listen on %s (see --listen and --admin): %s", text,
                 strerror(error));
    return fd;
}

static int use_listeners(struct worker_plan *plan)
{
    const struct worker_config *config = plan->config;
    int *listen = broker_fd(plan, SPAWN_FD_BROKER_LISTEN);
    int *admin = broker_fd(plan, SPAWN_FD_BROKER_ADMIN);

    if (!worker_config_has_broker(config))
        return 0;
    *listen = hold(plan, config->listen, LISTEN_NTH);
    if (*listen < 0)
        return -1;
    if (worker_config_has_admin(config))
        *admin = hold(plan, config->admin, ADMIN_NTH);
    return worker_config_has_admin(config) && *admin < 0 ? -1 : 0;
}

static void plan_destroy(struct worker_plan *plan)
{
    if (*broker_fd(plan, SPAWN_FD_BROKER_LISTEN) >= 0)
        listeners_release(plan->listeners, plan->config->listen, LISTEN_NTH);
    if (*broker_fd(plan, SPAWN_FD_BROKER_ADMIN) >= 0)
        listeners_release(plan->listeners, plan->config->admin, ADMIN_NTH);
    if (plan->master.config_fd >= 0)
        close(plan->master.config_fd);
    worker_config_destroy(&plan->config);
    mem_free(plan);
}

/* Takes the configuration over; NULL with a line in the log, the configuration freed. */
static struct worker_plan *plan_create(struct worker_master *master,
                                       struct worker_config *config)
{
    struct worker_plan *plan = mem_zalloc(sizeof *plan);

    plan->config = config;
    plan->listeners = master->listeners;
    for (size_t i = 0; i < sizeof plan->broker_fds / sizeof(int); i++)
        plan->broker_fds[i] = -1;
    *broker_fd(plan, SPAWN_FD_BROKER_GATE) = master->shared.gate_fd;
    *broker_fd(plan, SPAWN_FD_BROKER_STATS) = master->shared.stats_fd;
    set_roles(plan);
    plan->master =
        (struct master_plan){.roles = plan->roles,
                             .role_count = sizeof plan->roles / sizeof *plan->roles,
                             .config_fd = worker_config_create_fd(config),
                             .shared_fd = master->shared.crash_fd,
                             .drain_timeout_ns = config->drain_timeout_ns,
                             .grace_ns = MASTER_GRACE_MS * NS_PER_MS};
    if (plan->master.config_fd < 0)
        log_warn("memory file: %m");
    if (plan->master.config_fd >= 0 && use_listeners(plan) == 0)
        return plan;
    plan_destroy(plan);
    return NULL;
}

static struct worker_plan *plan_of(const struct master_plan *plan)
{
    return (struct worker_plan *)(void *)(uintptr_t)plan;
}

static void on_ready(void *context, const struct master_plan *plan)
{
    struct worker_master *master = context;
    const struct worker_config *config = plan_of(plan)->config;
    const char *program = worker_config_program()->name;

    master->plan = plan_of(plan);
    for (size_t i = 0; i < config->connect.count; i++)
        printf("%s: %u worker%s connect%s to %s\n", program, config->processes,
               config->processes == 1 ? "" : "s", config->processes == 1 ? "s" : "",
               config->connect.items[i]);
    fflush(stdout);
    if (worker_config_has_broker(config))
        listeners_name(master->listeners, program, "applications on", config->listen,
                       LISTEN_NTH);
    if (worker_config_has_admin(config))
        listeners_name(master->listeners, program, "operations on", config->admin,
                       ADMIN_NTH);
}

static void on_drain(void *context, const struct master_plan *plan)
{
    struct worker_master *master = context;

    (void)plan;
    listeners_close(master->listeners);
}

/* The flag that a reload cannot change, NULL where there is none. */
static const char *find_fixed(const struct worker_config *now,
                              const struct worker_config *next)
{
    if (strcmp(now->user, next->user) != 0)
        return "user";
    if (worker_config_has_broker(now) != worker_config_has_broker(next))
        return "listen"; /* there is a gate, or there is none */
    return NULL;
}

static const struct master_plan *on_reload(void *context)
{
    struct worker_master *master = context;
    struct worker_config *config;
    struct worker_plan *plan = NULL;
    const char *fixed;

    if (worker_config_read(master->argc, master->argv, &config) == 0) {
        fixed = find_fixed(master->plan->config, config);
        if (fixed == NULL) {
            worker_config_set_broker_url(config, master->plan->config->broker_url);
            plan = plan_create(master, config);
        } else {
            log_warn("--%s cannot change while the workers run", fixed);
            worker_config_destroy(&config);
        }
    }
    if (plan == NULL)
        log_warn("the configuration is not reloaded");
    return plan == NULL ? NULL : &plan->master;
}

static void on_retire(void *context, const struct master_plan *plan)
{
    (void)context;
    plan_destroy(plan_of(plan));
}

static void on_end(void *context, const struct spawn_self *child, int status)
{
    struct worker_master *master = context;

    if (child->role == SPAWN_WORKER)
        crash_take_note(master->crashes, child->index, status, clock_now_ns());
}

/* Where the broker's gate listens: of this process alone, since nobody else is to find
   it, and it may be there while the daemon before it drains. */
static char *make_broker_url(void)
{
    char *directory = runtime_dir_path();
    char *url = str_printf("ipc://%s/jobs-%ld.sock", directory, (long)getpid());
    const char *expected;

    if (rpc_url_check(url, &expected) < 0)
        log_fatal("the runtime directory gives %s: expected %s", url, expected);
    mem_free(directory);
    return url;
}

/* Makes what the job socket needs before there is a plan. */
static void open_broker(struct worker_master *master, struct worker_config *config)
{
    char *url, *directory;

    if (!worker_config_has_broker(config))
        return;
    directory = runtime_dir_path();
    privileges_give_directory(config->user, directory);
    (void)!mkdir(directory, 0750); /* listening says why it cannot be */
    mem_free(directory);
    url = make_broker_url();
    worker_config_set_broker_url(config, url);
    mem_free(url);
    master->shared.gate_fd = broker_create_gate_fd();
    master->shared.stats_fd = broker_create_stats_fd();
    if (master->shared.gate_fd < 0 || master->shared.stats_fd < 0)
        log_fatal("internal sockets: %m");
}

/* Sockets that root has made are the user's that serves at them. */
static void give_sockets(const struct worker_config *config)
{
    static const char prefix[] = "unix:";
    const char *const texts[] = {config->listen, config->admin};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strncmp(texts[i], prefix, sizeof prefix - 1) == 0)
            privileges_give_file(config->user, texts[i] + sizeof prefix - 1);
}

int worker_master_main(struct worker_config *config, int argc, char **argv)
{
    struct worker_master master = {
        .argc = argc, .argv = argv, .shared = {crash_create_fd(), -1, -1}};
    const struct master_hooks hooks = {.program = worker_config_program()->name,
                                       .on_ready = on_ready,
                                       .on_drain = on_drain,
                                       .on_reload = on_reload,
                                       .on_end = on_end,
                                       .on_retire = on_retire,
                                       .context = &master};
    int status;

    master_hold_signals();
    if (master.shared.crash_fd < 0 ||
        (master.crashes = crash_open(master.shared.crash_fd)) == NULL)
        log_fatal("memory file: %m");
    master.listeners = listeners_create();
    open_broker(&master, config);
    master.plan = plan_create(&master, config);
    if (master.plan == NULL)
        return EXIT_FATAL;
    listeners_warn_unused(master.listeners);
    give_sockets(master.plan->config);
    privileges_drop(master.plan->config->user);
    status = master_run(&hooks, &master.plan->master, NULL);
    plan_destroy(master.plan);
    listeners_destroy(&master.listeners);
    return status;
}
