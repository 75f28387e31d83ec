#include "server/process/config.h"

#include <stddef.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/address/endpoint.h"
#include "common/codec/codec.h"
#include "common/options/config.h"
#include "common/credentials/credentials.h"
#include "common/address/rpc_url.h"
#include "common/address/runtime_dir.h"
#include "common/base/log.h"
#include "common/base/document_name.h"
#include "common/process/privileges.h"
#include "common/process/spawn.h"
#include "server/api/access/auth.h"
#include "server/api/access/cors.h"
#include "server/http/http.h"
#include "server/jobs/jobs.h"
#include "server/store/store_url.h"

/* Longest --base-path. */
#define BASE_PATH_MAX 255

static int config_check_admin(const char *text, const char **expected_r)
{
    if (strcmp(text, "off") == 0 || endpoint_check(text, expected_r) == 0)
        return 0;
    *expected_r = "ADDR:PORT, [ADDR6]:PORT or unix:/path, numeric, or off";
    return -1;
}

/* A path as it stands in a URL: segments of the characters of names, none of them empty,
   "." or "..". */
static int config_check_jq(const char *text, const char **expected_r)
{
    *expected_r = "on, views or off";
    return *text == '\0' || server_config_programs(text) != API_PROGRAMS_BY_LISTENER ? 0
                                                                                     : -1;
}

static int config_check_base_path(const char *text, const char **expected_r)
{
    *expected_r =
        "a path of at most 255 bytes, /PREFIX or /A/B, of A-Z a-z 0-9 . _ ~ : @ - "
        "and without a slash at its end";
    if (strlen(text) > BASE_PATH_MAX)
        return -1;
    while (*text == '/') {
        size_t len = 0;

        text++;
        while (document_name_has_byte((uint8_t)text[len]))
            len++;
        if (len == 0 || (text[0] == '.' && (len == 1 || (len == 2 && text[1] == '.'))))
            return -1;
        text += len;
    }
    return *text == '\0' ? 0 : -1;
}

/* A host without its port, or any. */
static int config_check_host(const char *text, const char **expected_r)
{
    *expected_r = "a host's name without a port, or any";
    return http_host_valid(text) ? 0 : -1;
}

/* The texts of --mode, in the order of enum jobs_mode. */
static const char *const *config_mode_names(void)
{
    static const char *const names[] = {
#define X(name, text) text,
        JOBS_MODE_MAP(X)
#undef X
            NULL};

    return names;
}

/* The texts of --representation, msgpack first. */
static const char *const *config_representation_names(void)
{
    static const char *const names[] = {"msgpack", "json", NULL};

    return names;
}

/* The texts of --numbers, double first. */
static const char *const *config_numbers_names(void)
{
    static const char *const names[] = {"double", "text", NULL};

    return names;
}

static const struct option_row rows[] = {
#define GROUP       OPTION_ROW_GROUP
#define OPTION(...) OPTION_ROW(struct server_config, __VA_ARGS__)
#include "server/process/options.tbl.h"
};

/* True where both are one address, which only one listener can have. */
static bool same_address(const char *one, const char *other)
{
    const char *port = strrchr(one, ':');

    return strcmp(one, other) == 0 && (port == NULL || strcmp(port, ":0") != 0);
}

static int check_listeners(const struct server_config *config, struct buf *why)
{
    const struct option_list *listen = &config->listen;

    for (size_t i = 0; i < listen->count; i++) {
        for (size_t j = 0; j < i; j++)
            if (same_address(listen->items[i], listen->items[j])) {
                buf_printf(why, "--listen: %s is given twice", listen->items[i]);
                return -1;
            }
        if (same_address(listen->items[i], config->admin)) {
            buf_printf(why, "--admin: %s is a client listener too: expected another",
                       config->admin);
            return -1;
        }
    }
    return 0;
}

/* The master checks that its children can read the file. Each child reads it again when
   it starts: a fault that comes later must not keep a writer from starting. */
static int check_auth_file(const struct server_config *config, struct buf *why)
{
    struct buf fault = BUF_INIT;
    struct auth *auth;

    if (!server_config_has_auth(config) || spawn_is_child())
        return 0;
    auth = auth_load(config->auth_file, &fault);
    if (auth == NULL)
        buf_printf(why, "--auth-file: %s: %.*s", config->auth_file, (int)fault.len,
                   (const char *)fault.data);
    buf_free(&fault);
    if (auth == NULL)
        return -1;
    auth_destroy(&auth);
    return 0;
}

/* The same for the views. */
static int check_views(const struct server_config *config, struct buf *why)
{
    struct buf fault = BUF_INIT;
    struct views *views;
    int result;

    if (!server_config_has_views(config) || spawn_is_child())
        return 0;
    views = views_load(config->views, &fault);
    result = views != NULL ? 0 : -1;
    if (views == NULL)
        buf_printf(why, "--views: %.*s", (int)fault.len, (const char *)fault.data);
    buf_free(&fault);
    views_destroy(&views);
    return result;
}

void server_config_warn(const struct server_config *config)
{
    for (size_t i = 0; i < config->listen.count && !server_config_has_auth(config); i++) {
        struct endpoint endpoint;
        const char *expected;

        if (endpoint_parse(config->listen.items[i], &endpoint, &expected) == 0 &&
            !endpoint_is_local(&endpoint))
            log_warn("%s can be reached from other hosts and there is no --auth-file: "
                     "anybody there can read, change and delete every document",
                     config->listen.items[i]);
    }
}

/* The master reads the files. A child finds their contents in its configuration. */
static int check_credentials(struct server_config *config, struct buf *why)
{
    const struct credentials_options options = CREDENTIALS_OPTIONS(config);
    struct credentials_texts texts;

    if (credentials_load(&options, why) < 0)
        return -1;
    texts = CREDENTIALS_TEXTS(config);
    return credentials_check_url(&texts, config->allow_plain_tcp, "--rpc", config->rpc,
                                 why);
}

static int resolve(void *context, struct buf *why)
{
    struct server_config *config = context;
    const char *expected;

    if (config->rpc == NULL) {
        config->rpc = runtime_dir_rpc_url();
        if (rpc_url_check(config->rpc, &expected) < 0) {
            buf_printf(why, "--rpc: the runtime directory gives %s: expected %s",
                       config->rpc, expected);
            return -1;
        }
    }
    if (check_credentials(config, why) < 0 || check_auth_file(config, why) < 0 ||
        check_views(config, why) < 0)
        return -1;
    return check_listeners(config, why);
}

static const struct options_program program = {
    .name = "offloop-server",
    .summary = "An event-loop JSON document server that offloads its codec to workers.",
    .env_prefix = "OFFLOOP_SERVER_",
    .config_size = sizeof(struct server_config),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .resolve = resolve,
};

const struct options_program *server_config_program(void)
{
    return &program;
}

int server_config_read(int argc, char **argv, struct server_config **config_r)
{
    void *config;
    int result = config_read(&program, argc, argv, &config);

    *config_r = config;
    return result;
}

int server_config_read_fd(int fd, struct server_config **config_r)
{
    void *config;
    int result = config_read_fd(&program, fd, &config);

    *config_r = config;
    return result;
}

int server_config_create_fd(const struct server_config *config)
{
    return config_create_fd(&program, config);
}

void server_config_destroy(struct server_config **config)
{
    void *plain = *config;

    config_destroy(&program, &plain);
    *config = NULL;
}

bool server_config_has_admin(const struct server_config *config)
{
    return strcmp(config->admin, "off") != 0;
}

uint64_t server_config_store_timeout_ns(const struct server_config *config)
{
    const uint64_t least = 5 * NS_PER_S, most = 60 * NS_PER_S;

    if (config->job_timeout_ns < least)
        return least;
    return config->job_timeout_ns < most ? config->job_timeout_ns : most;
}

bool server_config_has_views(const struct server_config *config)
{
    return strcmp(config->views, "off") != 0;
}

enum api_programs server_config_programs(const char *text)
{
    if (strcmp(text, "on") == 0)
        return API_PROGRAMS_ON;
    if (strcmp(text, "views") == 0)
        return API_PROGRAMS_VIEWS;
    return strcmp(text, "off") == 0 ? API_PROGRAMS_OFF : API_PROGRAMS_BY_LISTENER;
}

bool server_config_has_auth(const struct server_config *config)
{
    return strcmp(config->auth_file, "off") != 0;
}
