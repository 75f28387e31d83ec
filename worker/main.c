/*
 * offloop-worker: one binary for the master and its workers. Which of them
 * this process is, its environment says (common/process/spawn.h).
 */
#include <stdio.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/credentials/credentials.h"
#include "common/base/log.h"
#include "common/process/process.h"
#include "common/process/spawn.h"
#include "common/sandbox/denied_calls.h"
#include "worker/broker/broker.h"
#include "worker/config.h"
#include "worker/serve.h"
#include "worker/worker_master.h"

static void tell_ready(void)
{
    spawn_tell(SPAWN_READY);
}

static void tell_did(void)
{
    spawn_tell(SPAWN_DID);
}

static void tell_alive(void)
{
    spawn_tell(SPAWN_ALIVE);
}

static int run_worker(const struct worker_config *config,
                      const struct credentials *credentials,
                      const struct spawn_self *self)
{
    const struct option_list *connect = &config->connect;
    const char **urls = mem_alloc((connect->count + 1) * sizeof *urls);
    unsigned count = 0;

    for (size_t i = 0; i < connect->count; i++)
        urls[count++] = connect->items[i];
    if (config->broker_url[0] != '\0')
        urls[count++] = config->broker_url;
    return worker_serve_main(&(struct worker_serve_config){
        .connect_urls = urls,
        .connect_count = count,
        .credentials = credentials,
        .engine = config->codec,
        .max_jobs = config->max_jobs,
        .memory_bytes = config->memory_bytes,
        .drain_timeout_ms = config->drain_timeout_ns / NS_PER_MS,
        .control_fd = SPAWN_FD_CONTROL,
        .crash_fd = SPAWN_FD_SHARED,
        .index = self->index,
        .sandbox = config->sandbox,
        .on_ready = tell_ready,
        .on_did = tell_did,
        .on_alive = tell_alive,
    });
}

static int run_role(const struct worker_config *config,
                    const struct credentials *credentials, const struct spawn_self *self)
{
    const struct broker_config broker = {
        .url = config->broker_url,
        .engine = config->codec,
        .credentials = credentials,
        .has_admin = worker_config_has_admin(config),
        .drain_timeout_ns = config->drain_timeout_ns,
    };

    switch (self->role) {
    case SPAWN_WORKER: return run_worker(config, credentials, self);
    case SPAWN_BROKER: return broker_main(&broker, self);
    case SPAWN_GATE: return broker_gate_main(&broker, self);
    default: log_fatal("the worker daemon has no %s", spawn_role_name(self->role));
    }
}

static int run_child(const struct spawn_self *self)
{
    struct worker_config *config;
    struct credentials_options options;
    struct credentials_texts texts;
    struct credentials credentials;
    char role[32];

    snprintf(role, sizeof role, "%s %u", spawn_role_name(self->role), self->index);
    log_open(worker_config_program()->name, role);
    if (worker_config_read_fd(SPAWN_FD_CONFIG, &config) < 0)
        return EXIT_USAGE;
    options = CREDENTIALS_OPTIONS(config);
    texts = CREDENTIALS_TEXTS(config);
    credentials_unpack(&texts, &credentials);
    credentials_forget_texts(&options);
    if (config->sandbox && self->role != SPAWN_WORKER) /* which has its own */
        denied_calls_load(DENIED_SOCKETS_NETWORK);
    return run_role(config, &credentials, self);
}

static int run_master(int argc, char **argv)
{
    struct worker_config *config;
    struct credentials_texts texts;
    int result = worker_config_read(argc, argv, &config);

    if (result != 0)
        return result < 0 ? EXIT_USAGE : 0;
    texts = CREDENTIALS_TEXTS(config);
    if (credentials_are_secret(&texts))
        process_dump_no_core(); /* nor its children, which inherit that */
    return worker_master_main(config, argc, argv);
}

int main(int argc, char **argv)
{
    struct spawn_self self;
    int status;

    process_start();
    log_open(worker_config_program()->name, NULL);
    if (spawn_self_read(&self) < 0)
        return EXIT_FATAL;
    if (self.role == SPAWN_MASTER)
        return run_master(argc, argv);
    status = run_child(&self);
    fflush(NULL);
    _exit(status); /* nng's own end may hang */
}
