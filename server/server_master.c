#include "server/server_master.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/endpoint.h"
#include "common/log.h"
#include "common/master.h"
#include "server/server_plan.h"
#include "server/stats/stats.h"

struct server_master {
    int argc;
    char **argv;
    struct listeners *listeners;
    int service_fds[2];
    int stats_fd;
    struct server_plan *plan; /* in use */
};

/* Slots for the fronts of this many processes: those of each reload get their own while
   the old ones drain. */
static unsigned stats_slots(unsigned processes)
{
    return 8 * processes + 8;
}

/* Makes the plan of a configuration; NULL with a line appended to why. */
static struct server_plan *create_plan(struct server_master *master,
                                       struct server_config *config, struct buf *why)
{
    return server_plan_create(config, master->listeners, master->service_fds,
                              master->stats_fd, why);
}

static void open_shared(struct server_master *master, const struct server_config *config)
{
    master->listeners = listeners_create();
    master->service_fds[0] = endpoint_listen_abstract(SOCK_STREAM);
    master->service_fds[1] = endpoint_listen_abstract(SOCK_SEQPACKET);
    if (master->service_fds[0] < 0 || master->service_fds[1] < 0)
        log_fatal("internal socket: %m");
    master->stats_fd = stats_create_fd(stats_slots(config->processes));
    if (master->stats_fd < 0)
        log_fatal("memory for statistics: %m");
}

static void on_ready(void *context, const struct master_plan *plan)
{
    struct server_master *master = context;

    /* only now does the master follow a reload: until here it could be undone */
    master->plan = (struct server_plan *)(void *)(uintptr_t)plan;
    server_plan_name_listeners(master->plan);
}

static void on_drain(void *context, const struct master_plan *plan)
{
    struct server_master *master = context;

    (void)plan;
    listeners_close(master->listeners);
}

/* The flag that a reload cannot change, NULL where there is none: what the writer and the
   gate were started with, and what the shared memory has room for. */
static const char *find_fixed(const struct server_config *now,
                              const struct server_config *next)
{
    if (strcmp(now->store, next->store) != 0)
        return "store";
    if (strcmp(now->rpc, next->rpc) != 0)
        return "rpc";
    if (now->lmdb_sync != next->lmdb_sync)
        return "lmdb-sync";
    if (now->lmdb_max_bytes != next->lmdb_max_bytes)
        return "lmdb-max";
    if (now->processes < next->processes)
        return "processes";
    return NULL;
}

static struct server_config *read_again(struct server_master *master)
{
    struct server_config *config;
    const char *fixed;

    if (server_config_read(master->argc, master->argv, &config) != 0)
        return NULL;
    fixed = find_fixed(master->plan->config, config);
    if (fixed == NULL)
        return config;
    log_warn("--%s cannot %s while the server runs", fixed,
             strcmp(fixed, "processes") == 0 ? "grow" : "change");
    server_config_destroy(&config);
    return NULL;
}

static const struct master_plan *on_reload(void *context)
{
    struct server_master *master = context;
    struct server_config *config = read_again(master);
    struct server_plan *plan = NULL;
    struct buf why = BUF_INIT;

    if (config != NULL)
        plan = create_plan(master, config, &why);
    if (plan == NULL)
        log_warn("the configuration is not reloaded%s%.*s", why.len ? ": " : "",
                 (int)why.len, (const char *)why.data);
    buf_free(&why);
    return plan == NULL ? NULL : &plan->master;
}

static void on_retire(void *context, const struct master_plan *plan)
{
    struct server_plan *retired = (struct server_plan *)(void *)(uintptr_t)plan;

    (void)context;
    server_plan_destroy(&retired);
}

int server_master_main(struct server_config *config, int argc, char **argv)
{
    struct server_master master = {.argc = argc, .argv = argv};
    const struct master_hooks hooks = {.program = server_config_program()->name,
                                       .on_ready = on_ready,
                                       .on_drain = on_drain,
                                       .on_reload = on_reload,
                                       .on_retire = on_retire,
                                       .context = &master};
    struct buf why = BUF_INIT;
    int status;

    open_shared(&master, config);
    master.plan = create_plan(&master, config, &why);
    if (master.plan == NULL)
        log_fatal("%.*s", (int)why.len, (const char *)why.data);
    listeners_warn_unused(master.listeners);
    status = master_run(&hooks, &master.plan->master);
    server_plan_destroy(&master.plan);
    listeners_destroy(&master.listeners);
    close(master.service_fds[0]);
    close(master.service_fds[1]);
    close(master.stats_fd);
    return status;
}
