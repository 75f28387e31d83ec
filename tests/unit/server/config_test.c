/* offloop-server's table: defaults, rules between options, and the way to children. */
#include "server/process/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/codec/codec.h"
#include "server/jobs/jobs.h"
#include "tests/unit/common/options_reading.h"

#define READ(config, text, ...)                         \
    read_options(server_config_program(), config, text, \
                 (const char *const[]){__VA_ARGS__, NULL}, NULL)

static void end(struct server_config *config, struct buf *text)
{
    end_reading(server_config_program(), config, text);
}

#define BASE_PATH_REFUSED(text)                                                      \
    "--base-path: \"" text "\" is not valid: expected a path of at most 255 bytes, " \
    "/PREFIX or /A/B, of A-Z a-z 0-9 . _ ~ : @ - and without a slash at its end"

static void base_paths(void **state)
{
    static const char *const good[] = {"", "/a", "/data/api", "/A.b/~c:@-_0/...", "/.a"};
    char flag[512] = "--base-path=/";
    struct server_config config;
    struct buf text;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(READ(&config, &text, "--base-path", good[i]), OPTIONS_RUN);
        assert_string_equal(config.base_path, good[i]);
        end(&config, &text);
    }
    memset(flag + strlen(flag), 'x', 254);
    assert_int_equal(READ(&config, &text, flag), OPTIONS_RUN);
    end(&config, &text);
    strcat(flag, "x");
    assert_int_equal(READ(&config, &text, flag), OPTIONS_BAD);
    end(&config, &text);
}

/* The defaults that API.md promises. */
static void defaults(void **state)
{
    struct server_config config;
    struct buf text;

    (void)state;
    assert_int_equal(READ(&config, &text, NULL), OPTIONS_RUN);
    assert_int_equal(config.host.count, 0);
    assert_int_equal(config.memory_bytes, UINT64_C(1) << 30);
    assert_int_equal(config.idle_timeout_ns, UINT64_C(75000000000));
    assert_int_equal(config.send_timeout_ns, UINT64_C(300000000000));
    assert_int_equal(config.listen.count, 1);
    assert_string_equal(config.listen.items[0], "127.0.0.1:8080");
    assert_string_equal(config.admin, "127.0.0.1:8081");
    assert_true(server_config_has_admin(&config));
    assert_string_equal(config.rpc, "ipc:///tmp/offloop-config-test/rpc.sock");
    assert_string_equal(config.store, "lmdb:data");
    assert_int_equal(config.mode, JOBS_AUTO);
    assert_string_equal(config.codec, "yajl");
    assert_int_equal(config.processes, 1);
    assert_int_equal(config.max_body_bytes, 64 << 20);
    assert_int_equal(config.queue, 1024);
    assert_true(config.job_timeout_ns == UINT64_C(10000000000));
    assert_int_equal(config.max_reply_bytes, 512 << 20);
    assert_int_equal(config.reply_cache_bytes, 32 << 20);
    assert_true(config.drain_timeout_ns == UINT64_C(30000000000));
    assert_true(config.lmdb_sync);
    assert_true(config.lmdb_max_bytes == UINT64_C(64) << 30);
    assert_false(config.mode_header);
    assert_false(config.server_timing);
    assert_string_equal(config.access_log, "off");
    assert_string_equal(config.base_path, "");
    assert_false(config.check_store);
    end(&config, &text);
}

static void modes_are_those_of_jobs(void **state)
{
    (void)state;
    for (int mode = 0; mode < JOBS_MODES; mode++) {
        char flag[64];
        struct server_config config;
        struct buf text;

        snprintf(flag, sizeof flag, "--mode=%s", jobs_mode_name((enum jobs_mode)mode));
        assert_int_equal(READ(&config, &text, flag), OPTIONS_RUN);
        assert_int_equal(config.mode, mode);
        end(&config, &text);
    }
}

static void every_engine_is_accepted(void **state)
{
    (void)state;
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        struct server_config config;
        struct buf text;

        assert_int_equal(READ(&config, &text, "--codec", *name), OPTIONS_RUN);
        assert_string_equal(config.codec, *name);
        end(&config, &text);
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *flags[5];
        const char *line;
    } cases[] = {
        {{"--listen=localhost:80"},
         "--listen: \"localhost:80\" is not valid: expected ADDR:PORT, [ADDR6]:PORT or "
         "unix:/path, numeric"},
        {{"--listen=127.0.0.1:70000"},
         "--listen: \"127.0.0.1:70000\" is not valid: expected a port from 0 to 65535 "
         "behind the last colon"},
        {{"--admin=no"},
         "--admin: \"no\" is not valid: expected ADDR:PORT, [ADDR6]:PORT or unix:/path, "
         "numeric, or off"},
        {{"--listen=127.0.0.1:9", "--listen=127.0.0.1:9"},
         "--listen: 127.0.0.1:9 is given twice"},
        {{"--listen=127.0.0.1:9", "--admin=127.0.0.1:9"},
         "--admin: 127.0.0.1:9 is a client listener too: expected another"},
        {{"--host=docs.example:80"},
         "--host: \"docs.example:80\" is not valid: expected a host's name without a "
         "port, "
         "or any"},
        {{"--store=files:x"},
         "--store: \"files:x\" is not valid: expected lmdb:DIR, "
         "redis://[user:password@]host[:port][/db], "
         "redis+unix://[user:password@]/path[?db=N], or "
         "redis+sentinel://[user:password@]host[:port],host.../master[/db]; "
         "rediss for TLS; ?key=TEMPLATE[&scan] for values of an application"},
        {{"--user=no-such-user-here"},
         "--user: \"no-such-user-here\" is not valid: expected a user of this host"},
        {{"--base-path=/"}, BASE_PATH_REFUSED("/")},
        {{"--base-path=data"}, BASE_PATH_REFUSED("data")},
        {{"--base-path=/data/"}, BASE_PATH_REFUSED("/data/")},
        {{"--base-path=/a//b"}, BASE_PATH_REFUSED("/a//b")},
        {{"--base-path=/a/../b"}, BASE_PATH_REFUSED("/a/../b")},
        {{"--base-path=/."}, BASE_PATH_REFUSED("/.")},
        {{"--base-path=/a%20b"}, BASE_PATH_REFUSED("/a%20b")},
        {{"--base-path=/a>"}, BASE_PATH_REFUSED("/a>")},
        {{"--base-path=http://x/a"}, BASE_PATH_REFUSED("http://x/a")},
        {{"--store=lmdb:"},
         "--store: \"lmdb:\" is not valid: expected lmdb:DIR, "
         "redis://[user:password@]host[:port][/db], "
         "redis+unix://[user:password@]/path[?db=N], or "
         "redis+sentinel://[user:password@]host[:port],host.../master[/db]; "
         "rediss for TLS; ?key=TEMPLATE[&scan] for values of an application"},
        {{"--rpc=ipc://x"},
         "--rpc: \"ipc://x\" is not valid: expected ipc:///path, tcp://ADDR:PORT or "
         "tls+tcp://ADDR:PORT, numeric"},
        {{"--rpc=tcp://192.0.2.1:9"},
         "--rpc: tcp://192.0.2.1:9: plain tcp:// off this host lets everybody on the way "
         "read along: use tls+tcp://, or --allow-plain-tcp with --worker-secret"},
        {{"--rpc=tcp://192.0.2.1:9", "--allow-plain-tcp"},
         "--rpc: tcp://192.0.2.1:9: --allow-plain-tcp needs --worker-secret too"},
        {{"--rpc=tls+tcp://192.0.2.1:9"},
         "--rpc: tls+tcp://192.0.2.1:9: tls+tcp:// needs --tls-cert, --tls-key and "
         "--tls-ca"},
        {{"--tls-ca=/none"}, "--tls-ca: /none: No such file or directory"},
        {{"--worker-secret=/dev/null"},
         "--worker-secret: /dev/null: is too short: 16 random bytes at least (openssl "
         "rand "
         "-hex 32)"},
        {{"--worker-secret.text=00"}, "unknown flag --worker-secret.text (see --help)"},
        {{"--mode=fast"},
         "--mode: \"fast\" is unknown: expected inline, threads, rpc or auto"},
        {{"--processes=0"}, "--processes: \"0\" is out of range: expected 1 to 256"},
        {{"--job-timeout=0"}, "--job-timeout: \"0\" is out of range: expected 1ms to 1h"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server_config config;

        expect_refusal(server_config_program(), &config, cases[i].flags, cases[i].line);
    }
}

static void port_0_may_stand_twice(void **state)
{
    struct server_config config;
    struct buf text;

    (void)state;
    assert_int_equal(READ(&config, &text, "--listen=127.0.0.1:0", "--listen=127.0.0.1:0",
                          "--admin=127.0.0.1:0"),
                     OPTIONS_RUN);
    assert_int_equal(config.listen.count, 2);
    end(&config, &text);
}

static void admin_off(void **state)
{
    struct server_config config;
    struct buf text;

    (void)state;
    assert_int_equal(READ(&config, &text, "--admin=off"), OPTIONS_RUN);
    assert_false(server_config_has_admin(&config));
    end(&config, &text);
}

static void long_runtime_dir_is_named(void **state)
{
    struct server_config config;

    (void)state;
    expect_long_runtime_dir_named(server_config_program(), &config, "--rpc");
}

/* What a child reads is what its master resolved, whatever the child's environment. */
static void children_read_the_same(void **state)
{
    char *argv[] = {strdup("offloop-server"),         strdup("--listen=[::1]:0"),
                    strdup("--listen=unix:/tmp/a b"), strdup("--max-body=1GiB"),
                    strdup("--mode=inline"),          NULL};
    struct server_config *config, *child;
    int fd;

    (void)state;
    assert_int_equal(server_config_read(5, argv, &config), 0);
    fd = server_config_create_fd(config);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), -1); /* sealed */
    setenv("OFFLOOP_SERVER_MODE", "rpc", 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(server_config_read_fd(fd, &child), 0);
        assert_int_equal(child->mode, JOBS_INLINE);
        assert_int_equal(child->max_body_bytes, 1 << 30);
        assert_string_equal(child->listen.items[1], "unix:/tmp/a b");
        assert_string_equal(child->rpc, config->rpc);
        server_config_destroy(&child);
        assert_null(child);
    }
    unsetenv("OFFLOOP_SERVER_MODE");
    server_config_destroy(&config);
    close(fd);
    for (int i = 0; i < 5; i++)
        free(argv[i]);
}

static void help_has_every_flag(void **state)
{
    const struct options_program *program = server_config_program();
    struct buf help = BUF_INIT;

    (void)state;
    options_help(program, &help);
    buf_append(&help, "", 1);
    for (size_t i = 0; i < program->row_count; i++) {
        char flag[64];

        snprintf(flag, sizeof flag, "  --%s", program->rows[i].name);
        if (program->rows[i].kind != OPTION_GROUP)
            assert_int_equal(strstr((char *)help.data, flag) == NULL,
                             program->rows[i].internal);
    }
    buf_free(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(base_paths),
        cmocka_unit_test(modes_are_those_of_jobs),
        cmocka_unit_test(every_engine_is_accepted),
        cmocka_unit_test(refusals),
        cmocka_unit_test(port_0_may_stand_twice),
        cmocka_unit_test(admin_off),
        cmocka_unit_test(long_runtime_dir_is_named),
        cmocka_unit_test(children_read_the_same),
        cmocka_unit_test(help_has_every_flag),
    };

    return cmocka_run_group_tests(tests, set_runtime_dir, NULL);
}
