#include "worker/worker_master.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/master/master.h"
#include "worker/crash.h"
#include "common/process/privileges.h"

/* One generation of the workers. */
struct worker_plan {
    struct master_plan master; /* first: the master knows the plan by its address */
    struct master_role role;
    struct worker_config *config;
};

struct worker_master {
    int argc;
    char **argv;
    struct worker_plan *plan; /* in use */
    int crash_fd;
    struct crash_board *crashes;
};

/* Takes the configuration over; NULL with errno, the configuration freed. */
static struct worker_plan *plan_create(struct worker_config *config, int crash_fd)
{
    struct worker_plan *plan = mem_zalloc(sizeof *plan);

    plan->config = config;
    plan->role = (struct master_role){.role = SPAWN_WORKER,
                                      .count = config->processes,
                                      .renewed = true,
                                      .kill_silent = true};
    plan->master = (struct master_plan){.roles = &plan->role,
                                        .role_count = 1,
                                        .config_fd = worker_config_create_fd(config),
                                        .shared_fd = crash_fd,
                                        .drain_timeout_ns = config->drain_timeout_ns,
                                        .grace_ns = MASTER_GRACE_MS * NS_PER_MS};
    if (plan->master.config_fd >= 0)
        return plan;
    worker_config_destroy(&plan->config);
    mem_free(plan);
    return NULL;
}

static void plan_destroy(struct worker_plan *plan)
{
    close(plan->master.config_fd);
    worker_config_destroy(&plan->config);
    mem_free(plan);
}

static struct worker_plan *plan_of(const struct master_plan *plan)
{
    return (struct worker_plan *)(void *)(uintptr_t)plan;
}

static void on_ready(void *context, const struct master_plan *plan)
{
    struct worker_master *master = context;
    const struct worker_config *config = plan_of(plan)->config;

    master->plan = plan_of(plan);
    for (size_t i = 0; i < config->connect.count; i++)
        printf("%s: %u worker%s connect%s to %s\n", worker_config_program()->name,
               config->processes, config->processes == 1 ? "" : "s",
               config->processes == 1 ? "s" : "", config->connect.items[i]);
    fflush(stdout);
}

static const struct master_plan *on_reload(void *context)
{
    struct worker_master *master = context;
    struct worker_config *config;
    struct worker_plan *plan = NULL;
    bool is_same_user;

    if (worker_config_read(master->argc, master->argv, &config) == 0) {
        is_same_user = strcmp(config->user, master->plan->config->user) == 0;
        if (is_same_user) {
            plan = plan_create(config, master->crash_fd);
        } else {
            log_warn("--user cannot change while the workers run");
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

    crash_take_note(master->crashes, child->index, status, clock_now_ns());
}

int worker_master_main(struct worker_config *config, int argc, char **argv)
{
    struct worker_master master = {
        .argc = argc, .argv = argv, .crash_fd = crash_create_fd()};
    const struct master_hooks hooks = {.program = worker_config_program()->name,
                                       .on_ready = on_ready,
                                       .on_reload = on_reload,
                                       .on_end = on_end,
                                       .on_retire = on_retire,
                                       .context = &master};
    int status;

    if (master.crash_fd < 0 || (master.crashes = crash_open(master.crash_fd)) == NULL ||
        (master.plan = plan_create(config, master.crash_fd)) == NULL)
        log_fatal("memory file: %m");
    privileges_drop(config->user);
    status = master_run(&hooks, &master.plan->master, NULL);
    plan_destroy(master.plan);
    return status;
}
