#include "server/process/server_master.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/address/endpoint.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/master/master.h"
#include "common/process/privileges.h"
#include "server/process/output_files.h"
#include "server/process/server_plan.h"
#include "server/stats/stats.h"

struct server_master {
    int argc;
    char **argv;
    char *binary; /* what an upgrade executes */
    struct listeners *listeners;
    struct server_shared shared;
    struct server_plan *plan;    /* in use */
    struct server_plan *upgrade; /* under way, with sockets and memory of its own */
};

/* Slots for the fronts of so many processes. The fronts of each reload get slots of their
   own while the fronts before them drain. */
static unsigned stats_slots(unsigned processes)
{
    return 8 * processes + 8;
}

/* The path of the binary as the user gave it, so that an upgrade follows a symbolic link
   that was changed. For a binary that was found in $PATH, the path where it lies. */
static char *find_binary(const char *name)
{
    char cwd[PATH_MAX], place[PATH_MAX];
    ssize_t len;

    if (name[0] == '/')
        return str_dup(name);
    if (strchr(name, '/') != NULL && getcwd(cwd, sizeof cwd) != NULL)
        return str_printf("%s/%s", cwd, name);
    len = readlink("/proc/self/exe", place, sizeof place - 1);
    if (len < 0)
        log_fatal("/proc/self/exe: %m");
    return str_printf("%.*s", (int)len, place);
}

/* Makes the plan of a configuration; NULL with a line appended to why. */
static struct server_plan *create_plan(struct server_master *master,
                                       struct server_config *config, struct buf *why)
{
    return server_plan_create(config, master->listeners, &master->shared, why);
}

static void close_shared(struct server_shared *shared)
{
    int *fds[] = {&shared->service_fds[0], &shared->service_fds[1], &shared->stats_fd};

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

/* -1 with errno; then nothing is left open. */
static int open_shared(struct server_shared *shared, const struct server_config *config)
{
    shared->service_fds[0] = endpoint_listen_abstract(SOCK_STREAM);
    shared->service_fds[1] = endpoint_listen_abstract(SOCK_SEQPACKET);
    shared->stats_fd = stats_create_fd(stats_slots(config->processes));
    if (shared->service_fds[0] >= 0 && shared->service_fds[1] >= 0 &&
        shared->stats_fd >= 0)
        return 0;
    close_shared(shared);
    return -1;
}

static void on_ready(void *context, const struct master_plan *plan)
{
    struct server_master *master = context;

    /* A reload could be undone until now. */
    master->plan = (struct server_plan *)(void *)(uintptr_t)plan;
    server_plan_name_listeners(master->plan);
}

static void on_drain(void *context, const struct master_plan *plan)
{
    struct server_master *master = context;

    (void)plan;
    listeners_close(master->listeners);
}

/* A flag that differs and that a reload cannot change, because the writer and the gate
   were started with it or the shared memory was made for it. NULL for none. */
static const char *find_fixed(const struct server_config *now,
                              const struct server_config *next)
{
    if (strcmp(now->store, next->store) != 0)
        return "store";
    if (strcmp(now->rpc, next->rpc) != 0)
        return "rpc";
    if (strcmp(now->worker_secret_text, next->worker_secret_text) != 0)
        return "worker-secret";
    if (strcmp(now->tls_cert_text, next->tls_cert_text) != 0)
        return "tls-cert";
    if (strcmp(now->tls_key_text, next->tls_key_text) != 0)
        return "tls-key";
    if (strcmp(now->tls_ca_text, next->tls_ca_text) != 0)
        return "tls-ca";
    if (now->lmdb_sync != next->lmdb_sync)
        return "lmdb-sync";
    if (now->lmdb_max_bytes != next->lmdb_max_bytes)
        return "lmdb-max";
    if (strcmp(now->user, next->user) != 0)
        return "user";
    if (now->processes < next->processes)
        return "processes";
    return NULL;
}

static struct server_config *read_again(struct server_master *master, struct buf *why)
{
    struct server_config *config;
    const char *fixed;

    if (server_config_read(master->argc, master->argv, &config) != 0)
        return NULL;
    fixed = find_fixed(master->plan->config, config);
    if (fixed == NULL && output_files_check(config, why) == 0) {
        server_config_warn(config);
        return config;
    }
    if (fixed != NULL)
        log_warn("--%s cannot %s while the server runs", fixed,
                 strcmp(fixed, "processes") == 0 ? "grow" : "change");
    server_config_destroy(&config);
    return NULL;
}

static const struct master_plan *on_reload(void *context)
{
    struct server_master *master = context;
    struct buf why = BUF_INIT;
    struct server_config *config = read_again(master, &why);
    struct server_plan *plan = NULL;

    if (config != NULL)
        plan = create_plan(master, config, &why);
    if (plan == NULL)
        log_warn("the configuration is not reloaded%s%.*s", why.len ? ": " : "",
                 (int)why.len, (const char *)why.data);
    buf_free(&why);
    return plan == NULL ? NULL : &plan->master;
}

/* A copy of the configuration in force. The next binary reads the files themselves at a
   HUP. */
static struct server_config *copy_config(const struct server_plan *plan)
{
    struct server_config *config;

    if (server_config_read_fd(plan->master.config_fd, &config) < 0)
        log_panic("the configuration in force cannot be read again");
    return config;
}

/* The socket of the gate stays, and so does its address, so that new fronts have workers
   at once. A writer of the next binary serves its own fronts only, and its memory of
   counters may have another layout: both are new. */
static int open_upgrade(struct server_master *master, struct server_shared *shared)
{
    *shared = master->shared;
    if (open_shared(shared, master->plan->config) < 0)
        return -1;
    close(shared->service_fds[1]);
    shared->service_fds[1] = dup(master->shared.service_fds[1]);
    if (shared->service_fds[1] >= 0)
        return 0;
    close_shared(shared);
    return -1;
}

static const struct master_plan *on_upgrade(void *context)
{
    struct server_master *master = context;
    struct server_shared shared;
    struct buf why = BUF_INIT;

    if (open_upgrade(master, &shared) < 0) {
        log_warn("no upgrade: internal socket: %m");
        return NULL;
    }
    master->upgrade =
        server_plan_create(copy_config(master->plan), master->listeners, &shared, &why);
    if (master->upgrade == NULL) {
        log_warn("no upgrade: %.*s", (int)why.len, (const char *)why.data);
        buf_free(&why);
        close_shared(&shared);
        return NULL;
    }
    master->upgrade->master.path = master->binary;
    return &master->upgrade->master;
}

/* Keeps a descriptor for the next binary. */
static void leave_fd(struct handover *handover, const char *key, int fd)
{
    handover_put(handover, key, "%d", fd);
    handover_keep_fd(handover, fd);
}

static void on_leave(void *context, const struct master_plan *plan,
                     struct handover *handover)
{
    struct server_master *master = context;
    const struct server_shared *shared = &master->upgrade->shared;

    assert(plan == &master->upgrade->master);
    leave_fd(handover, "config", plan->config_fd);
    leave_fd(handover, "writer", shared->service_fds[0]);
    leave_fd(handover, "gate", shared->service_fds[1]);
    leave_fd(handover, "stats", shared->stats_fd);
    listeners_leave(master->listeners, handover);
}

static void on_retire(void *context, const struct master_plan *plan)
{
    struct server_master *master = context;
    struct server_plan *retired = (struct server_plan *)(void *)(uintptr_t)plan;

    if (retired == master->upgrade) {
        close_shared(&retired->shared);
        master->upgrade = NULL;
    }
    server_plan_destroy(&retired);
}

/* The descriptor that the master before left under that key. */
static int take_fd(const struct handover *left, const char *key)
{
    const char *record = handover_get(left, key, 0);

    if (record == NULL)
        log_fatal("the master before left no %s", key);
    return handover_fd(atoi(record));
}

/* Opens what children share, or takes what the master before left. Returns the
   configuration, which then is that of the master before. */
static struct server_config *open_all(struct server_master *master,
                                      struct server_config *config,
                                      const struct handover *left)
{
    int config_fd;

    if (left == NULL) {
        master->listeners = listeners_create();
        if (open_shared(&master->shared, config) < 0)
            log_fatal("internal sockets: %m");
        return config;
    }
    assert(config == NULL);
    config_fd = take_fd(left, "config");
    if (server_config_read_fd(config_fd, &config) < 0)
        log_fatal("the configuration of the master before cannot be read");
    close(config_fd);
    master->shared = (struct server_shared){
        {take_fd(left, "writer"), take_fd(left, "gate")}, take_fd(left, "stats")};
    master->listeners = listeners_take(left);
    return config;
}

/* Gives the user the directories in which children make files, and becomes that user. */
static void drop_privileges(const struct server_config *config)
{
    const char *path = text_after(config->rpc, "ipc://");
    const char *store = text_after(config->store, "lmdb:");
    char *directory;

    if (path != NULL) {
        directory = str_dup(path);
        *strrchr(directory, '/') = '\0';
        if (directory[0] != '\0')
            privileges_give_directory(config->user, directory);
        mem_free(directory);
    }
    if (store != NULL)
        privileges_give_directory(config->user, store);
    privileges_drop(config->user);
    if (config->sandbox)
        privileges_forgo();
}

int server_master_main(struct server_config *config, int argc, char **argv,
                       const struct handover *left)
{
    struct server_master master = {.argc = argc, .argv = argv};
    const struct master_hooks hooks = {.program = server_config_program()->name,
                                       .on_ready = on_ready,
                                       .on_drain = on_drain,
                                       .on_reload = on_reload,
                                       .on_upgrade = on_upgrade,
                                       .on_leave = on_leave,
                                       .on_retire = on_retire,
                                       .argv = argv,
                                       .context = &master};
    struct buf why = BUF_INIT;
    int status;

    master_hold_signals();
    master.binary = find_binary(argv[0]);
    config = open_all(&master, config, left);
    master.plan = create_plan(&master, config, &why);
    if (master.plan == NULL)
        log_fatal("%.*s", (int)why.len, (const char *)why.data);
    listeners_close_unused(master.listeners);
    if (left == NULL)
        listeners_warn_unused(master.listeners);
    drop_privileges(master.plan->config);
    if (left == NULL && output_files_check(master.plan->config, &why) < 0)
        log_fatal("%.*s", (int)why.len, (const char *)why.data);
    status = master_run(&hooks, &master.plan->master, left);
    server_plan_destroy(&master.plan);
    listeners_destroy(&master.listeners);
    close_shared(&master.shared);
    mem_free(master.binary);
    return status;
}
