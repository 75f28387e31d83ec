/*
 * offloop-server: one binary for the master and its children. The environment
 * tells a process which of them it is (common/process/spawn.h).
 */
#include <stdio.h>
#include <unistd.h>

#include "common/credentials/credentials.h"
#include "common/process/handover.h"
#include "common/base/log.h"
#include "common/process/privileges.h"
#include "common/process/process.h"
#include "common/process/spawn.h"
#include "common/sandbox/denied_calls.h"
#include "server/process/check_store.h"
#include "server/process/config.h"
#include "server/process/front.h"
#include "server/workers/gate/gate.h"
#include "server/process/server_master.h"
#include "server/store/writer/writer.h"

static void tell_ready(void *context)
{
    (void)context;
    spawn_tell(SPAWN_READY);
}

static void tell_did(void *context)
{
    (void)context;
    spawn_tell(SPAWN_DID);
}

/* The next turn of the loop is due soon, or later where is_busy. */
static void tell_alive(void *context, bool is_busy)
{
    (void)context;
    spawn_tell(is_busy ? SPAWN_BUSY : SPAWN_ALIVE);
}

static void tell_gate_alive(void *context)
{
    (void)context;
    spawn_tell(SPAWN_ALIVE);
}

/* Logs after a failed start which option is to blame, and what to change. */
static int explain(int status, const char *flag, const char *value, const char *way_out)
{
    if (status == EXIT_FATAL)
        log_warn("cannot serve with %s %s (see above): %s", flag, value, way_out);
    return status;
}

/* Wipes the texts of the credentials, which the child has unpacked or does not need. */
static void forget_texts(struct server_config *config)
{
    const struct credentials_options options = CREDENTIALS_OPTIONS(config);

    credentials_forget_texts(&options);
}

static int run_writer(struct server_config *config)
{
    int status;

    forget_texts(config);
    status = store_writer_main(&(struct store_writer_config){
        .url = config->store,
        .lmdb_max = config->lmdb_max_bytes,
        .sync = config->lmdb_sync,
        .listen_fd = SPAWN_FD_FIRST,
        .control_fd = SPAWN_FD_CONTROL,
        .on_ready = tell_ready,
        .on_did = tell_did,
        .on_alive = tell_alive,
    });

    return explain(
        status, "--store", config->store,
        "give a directory that this user may write, or one in a directory that "
        "is there");
}

static int run_gate(struct server_config *config, const struct spawn_self *self)
{
    const struct credentials_texts texts = CREDENTIALS_TEXTS(config);
    struct credentials credentials;
    int status;

    credentials_unpack(&texts, &credentials);
    forget_texts(config);
    status = rpc_gate_main(&(struct rpc_gate_config){
        .rpc_url = config->rpc,
        .generation = self->generation,
        .credentials = &credentials,
        .listen_fd = SPAWN_FD_FIRST,
        .control_fd = SPAWN_FD_CONTROL,
        .on_ready = tell_ready,
        .on_did = tell_did,
        .on_alive = tell_gate_alive,
    });

    return explain(
        status, "--rpc", config->rpc,
        "give another one, or another RUNTIME_DIRECTORY that this user may write");
}

static int run_child(const struct spawn_self *self)
{
    struct server_config *config;
    char role[32];

    snprintf(role, sizeof role, "%s %u", spawn_role_name(self->role), self->index);
    log_open(server_config_program()->name, role);
    if (server_config_read_fd(SPAWN_FD_CONFIG, &config) < 0)
        return EXIT_USAGE;
    if (config->sandbox)
        denied_calls_load(DENIED_SOCKETS_NONE);
    switch (self->role) {
    case SPAWN_FRONT: return front_main(config, self);
    case SPAWN_WRITER: return run_writer(config);
    case SPAWN_GATE: return run_gate(config, self);
    default: log_fatal("the server has no %s", spawn_role_name(self->role));
    }
}

/* After an upgrade: goes on with what the binary before left. */
static int run_next_master(int argc, char **argv, struct handover **left)
{
    int status = server_master_main(NULL, argc, argv, *left);

    handover_destroy(left);
    return status;
}

static int run_master(int argc, char **argv)
{
    struct server_config *config;
    struct credentials_texts texts;
    struct handover *left;
    int status;

    if (handover_take(&left) < 0)
        return EXIT_FATAL;
    if (left != NULL)
        return run_next_master(argc, argv, &left);
    status = server_config_read(argc, argv, &config);
    if (status != 0)
        return status < 0 ? EXIT_USAGE : 0;
    texts = CREDENTIALS_TEXTS(config);
    if (credentials_are_secret(&texts))
        process_dump_no_core(); /* its children inherit that */
    if (!config->check_store) {
        server_config_warn(config);
        return server_master_main(config, argc, argv, NULL);
    }
    privileges_drop(config->user);
    status = check_store(config);
    server_config_destroy(&config);
    return status;
}

int main(int argc, char **argv)
{
    struct spawn_self self;
    int status;

    process_start();
    log_open(server_config_program()->name, NULL);
    if (spawn_self_read(&self) < 0)
        return EXIT_FATAL;
    if (self.role == SPAWN_MASTER)
        return run_master(argc, argv);
    status = run_child(&self);
    fflush(NULL);
    _exit(status); /* the end of nng may hang */
}
