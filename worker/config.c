#include "worker/config.h"

#include <sched.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/address/endpoint.h"
#include "common/codec/codec.h"
#include "common/options/config.h"
#include "common/process/privileges.h"
#include "common/credentials/credentials.h"
#include "common/address/rpc_url.h"
#include "common/address/runtime_dir.h"

#define NO_LISTENER "off"

static int worker_config_check_listen(const char *text, const char **expected_r)
{
    static const char prefix[] = "unix:";

    if (strcmp(text, NO_LISTENER) == 0 ||
        (strncmp(text, prefix, sizeof prefix - 1) == 0 &&
         endpoint_check(text, expected_r) == 0))
        return 0;
    *expected_r = "unix:/path, or off";
    return -1;
}

static int worker_config_check_admin(const char *text, const char **expected_r)
{
    if (strcmp(text, NO_LISTENER) == 0 || endpoint_check(text, expected_r) == 0)
        return 0;
    *expected_r = "ADDR:PORT, [ADDR6]:PORT or unix:/path, numeric, or off";
    return -1;
}

static const struct option_row rows[] = {
#define GROUP       OPTION_ROW_GROUP
#define OPTION(...) OPTION_ROW(struct worker_config, __VA_ARGS__)
#include "worker/options.tbl.h"
};

/* The CPUs this process may run on. */
static unsigned count_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    return CPU_COUNT(&set) > 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int check_connect(const struct worker_config *config, struct buf *why)
{
    const struct option_list *connect = &config->connect;

    for (size_t i = 0; i < connect->count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(connect->items[i], connect->items[j]) == 0) {
                buf_printf(why, "--connect: %s is given twice", connect->items[i]);
                return -1;
            }
    return 0;
}

/* The master reads the files; a child finds in its configuration what they held. */
static int check_trust(struct worker_config *config, struct buf *why)
{
    const struct credentials_options options = CREDENTIALS_OPTIONS(config);
    struct credentials_texts texts;

    if (credentials_load(&options, why) < 0)
        return -1;
    texts = CREDENTIALS_TEXTS(config);
    for (size_t i = 0; i < config->connect.count; i++)
        if (credentials_check_url(&texts, config->allow_plain_tcp, "--connect",
                                  config->connect.items[i], why) < 0)
            return -1;
    return 0;
}

static int resolve(void *context, struct buf *why)
{
    struct worker_config *config = context;
    struct option_list *connect = &config->connect;
    const char *expected;

    if (config->processes == 0)
        config->processes = count_cpus();
    if (worker_config_has_admin(config) && !worker_config_has_broker(config)) {
        buf_printf(why,
                   "--admin: there is no job socket to tell of: expected --listen too");
        return -1;
    }
    /* With a job socket workers have something to do without any server. */
    if (connect->count == 0 && !worker_config_has_broker(config)) {
        connect->items = mem_alloc(sizeof *connect->items);
        connect->items[connect->count++] = runtime_dir_rpc_url();
        if (rpc_url_check(connect->items[0], &expected) < 0) {
            buf_printf(why, "--connect: the runtime directory gives %s: expected %s",
                       connect->items[0], expected);
            return -1;
        }
    }
    return check_connect(config, why) == 0 ? check_trust(config, why) : -1;
}

static const struct options_program program = {
    .name = "offloop-worker",
    .summary =
        "Worker processes that transcode JSON for offloop-server and for applications.",
    .env_prefix = "OFFLOOP_WORKER_",
    .config_size = sizeof(struct worker_config),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .resolve = resolve,
};

bool worker_config_has_broker(const struct worker_config *config)
{
    return strcmp(config->listen, NO_LISTENER) != 0;
}

bool worker_config_has_admin(const struct worker_config *config)
{
    return strcmp(config->admin, NO_LISTENER) != 0;
}

void worker_config_set_broker_url(struct worker_config *config, const char *url)
{
    mem_free(config->broker_url);
    config->broker_url = str_dup(url);
}

const struct options_program *worker_config_program(void)
{
    return &program;
}

int worker_config_read(int argc, char **argv, struct worker_config **config_r)
{
    void *config;
    int result = config_read(&program, argc, argv, &config);

    *config_r = config;
    return result;
}

int worker_config_read_fd(int fd, struct worker_config **config_r)
{
    void *config;
    int result = config_read_fd(&program, fd, &config);

    *config_r = config;
    return result;
}

int worker_config_create_fd(const struct worker_config *config)
{
    return config_create_fd(&program, config);
}

void worker_config_destroy(struct worker_config **config)
{
    void *plain = *config;

    config_destroy(&program, &plain);
    *config = NULL;
}
