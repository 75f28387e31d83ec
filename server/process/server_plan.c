#include "server/process/server_plan.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/store/store_url.h"

/* How many of the listeners before `i` have the same text. */
static size_t count_before(const struct option_list *listen, size_t i)
{
    size_t count = 0;

    for (size_t j = 0; j < i; j++)
        count += strcmp(listen->items[j], listen->items[i]) == 0;
    return count;
}

/* The admin listener is told apart from a client listener of the same text (port 0). */
#define ADMIN_NTH SIZE_MAX

static int fail_listen(struct buf *why, const char *text)
{
    buf_printf(why, "cannot listen on %s (see --listen and --admin): %s", text,
               strerror(errno));
    return -1;
}

static int use_listeners(struct server_plan *plan, struct buf *why)
{
    const struct option_list *listen = &plan->config->listen;
    int *clients = plan->front_fds + (SPAWN_FD_CLIENT - SPAWN_FD_FIRST);
    int *admin = plan->front_fds + (SPAWN_FD_ADMIN - SPAWN_FD_FIRST);

    for (size_t i = 0; i < listen->count; i++) {
        clients[i] =
            listeners_use(plan->listeners, listen->items[i], count_before(listen, i));
        if (clients[i] < 0)
            return fail_listen(why, listen->items[i]);
        plan->used++;
    }
    if (server_config_has_admin(plan->config)) {
        *admin = listeners_use(plan->listeners, plan->config->admin, ADMIN_NTH);
        if (*admin < 0)
            return fail_listen(why, plan->config->admin);
    }
    return 0;
}

static void release_listeners(struct server_plan *plan)
{
    const struct option_list *listen = &plan->config->listen;

    for (size_t i = plan->used; i-- > 0;)
        listeners_release(plan->listeners, listen->items[i], count_before(listen, i));
    if (plan->front_fds[SPAWN_FD_ADMIN - SPAWN_FD_FIRST] >= 0)
        listeners_release(plan->listeners, plan->config->admin, ADMIN_NTH);
}

/* Longer than the timeout of fronts, so that they notice first that a writer hangs, and
   log it. */
static uint64_t writer_silent_ms(const struct server_config *config)
{
    return server_config_store_timeout_ns(config) / NS_PER_MS + 3000;
}

static void set_roles(struct server_plan *plan)
{
    const int *writer_fd = &plan->shared.service_fds[SPAWN_FD_WRITER - SPAWN_FD_FIRST];
    const int *gate_fd = &plan->shared.service_fds[SPAWN_FD_GATE - SPAWN_FD_FIRST];

    plan->roles[0] =
        (struct master_role){.role = SPAWN_WRITER,
                             .count = store_url_needs_writer(plan->config->store),
                             .stage = SERVER_STAGE_SERVICES,
                             .kill_silent = true,
                             .silent_ms = writer_silent_ms(plan->config),
                             .fds = writer_fd,
                             .fd_count = 1};
    plan->roles[1] = (struct master_role){.role = SPAWN_GATE,
                                          .count = 1,
                                          .stage = SERVER_STAGE_SERVICES,
                                          .alone = true, /* the address has one owner */
                                          .kill_silent = true,
                                          .fds = gate_fd,
                                          .fd_count = 1};
    plan->roles[2] = (struct master_role){.role = SPAWN_FRONT,
                                          .count = plan->config->processes,
                                          .stage = SERVER_STAGE_FRONTS,
                                          .renewed = true,
                                          .fds = plan->front_fds,
                                          .fd_count = plan->front_fd_count};
}

static void allot_fds(struct server_plan *plan)
{
    plan->front_fd_count = SPAWN_FD_CLIENT - SPAWN_FD_FIRST + plan->config->listen.count;
    plan->front_fds = mem_alloc(plan->front_fd_count * sizeof *plan->front_fds);
    for (size_t i = 0; i < plan->front_fd_count; i++)
        plan->front_fds[i] = -1;
    for (int i = 0; i < 2; i++) {
        assert(plan->shared.service_fds[i] >= 0);
        plan->front_fds[i] = plan->shared.service_fds[i];
    }
}

struct server_plan *server_plan_create(struct server_config *config,
                                       struct listeners *listeners,
                                       const struct server_shared *shared,
                                       struct buf *why)
{
    struct server_plan *plan = mem_zalloc(sizeof *plan);

    plan->config = config;
    plan->listeners = listeners;
    plan->shared = *shared;
    allot_fds(plan);
    set_roles(plan);
    plan->master =
        (struct master_plan){.roles = plan->roles,
                             .role_count = sizeof plan->roles / sizeof *plan->roles,
                             .config_fd = server_config_create_fd(config),
                             .shared_fd = shared->stats_fd,
                             .drain_timeout_ns = config->drain_timeout_ns,
                             .grace_ns = MASTER_GRACE_MS * NS_PER_MS};
    if (plan->master.config_fd < 0)
        buf_printf(why, "memory file: %s", strerror(errno));
    if (plan->master.config_fd < 0 || use_listeners(plan, why) < 0)
        server_plan_destroy(&plan);
    return plan;
}

void server_plan_destroy(struct server_plan **plan)
{
    if (*plan == NULL)
        return;
    release_listeners(*plan);
    if ((*plan)->master.config_fd >= 0)
        close((*plan)->master.config_fd);
    mem_free((*plan)->front_fds);
    server_config_destroy(&(*plan)->config);
    mem_free(*plan);
    *plan = NULL;
}

void server_plan_name_listeners(const struct server_plan *plan)
{
    const char *program = server_config_program()->name;
    const struct option_list *listen = &plan->config->listen;

    for (size_t i = 0; i < listen->count; i++)
        listeners_name(plan->listeners, program, "listening on", listen->items[i],
                       count_before(listen, i));
    if (server_config_has_admin(plan->config))
        listeners_name(plan->listeners, program, "operations on", plan->config->admin,
                       ADMIN_NTH);
}
