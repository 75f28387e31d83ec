/* offloop-worker's table: defaults, refusals, and the way to children. */
#include "worker/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/common/options_reading.h"

#define READ(config, text, ...)                         \
    read_options(worker_config_program(), config, text, \
                 (const char *const[]){__VA_ARGS__, NULL}, NULL)

static void end(struct worker_config *config, struct buf *text)
{
    end_reading(worker_config_program(), config, text);
}

static void defaults(void **state)
{
    struct worker_config config;
    struct buf text;
    cpu_set_t cpus;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    assert_int_equal(READ(&config, &text, NULL), OPTIONS_RUN);
    assert_int_equal(config.connect.count, 1);
    assert_string_equal(config.connect.items[0],
                        "ipc:///tmp/offloop-config-test/rpc.sock");
    assert_int_equal(config.processes, CPU_COUNT(&cpus));
    assert_string_equal(config.codec, "yajl");
    assert_int_equal(config.max_jobs, 0);
    assert_int_equal(config.memory_bytes, 1 << 30);
    assert_true(config.drain_timeout_ns == UINT64_C(30000000000));
    end(&config, &text);
}

static void several_servers(void **state)
{
    struct worker_config config;
    struct buf text;

    (void)state;
    assert_int_equal(
        READ(&config, &text, "--connect=ipc:///a", "--connect", "tcp://127.0.0.1:5"),
        OPTIONS_RUN);
    assert_int_equal(config.connect.count, 2);
    assert_string_equal(config.connect.items[1], "tcp://127.0.0.1:5");
    end(&config, &text);
}

/* With a job socket there is work without a server, so none is looked for. */
static void applications(void **state)
{
    struct worker_config config;
    struct buf text;

    (void)state;
    assert_int_equal(READ(&config, &text, "--listen=unix:/tmp/jobs.sock"), OPTIONS_RUN);
    assert_true(worker_config_has_broker(&config));
    assert_false(worker_config_has_admin(&config));
    assert_int_equal(config.connect.count, 0);
    end(&config, &text);
    assert_int_equal(READ(&config, &text, "--listen=unix:/tmp/jobs.sock",
                          "--connect=ipc:///a", "--admin=127.0.0.1:0"),
                     OPTIONS_RUN);
    assert_true(worker_config_has_admin(&config));
    assert_int_equal(config.connect.count, 1);
    end(&config, &text);
}

static void refusals(void **state)
{
    static const struct {
        const char *flags[3];
        const char *line;
    } cases[] = {
        {{"--connect=ipc:///a", "--connect=ipc:///a"},
         "--connect: ipc:///a is given twice"},
        {{"--connect=tcp://10.0.0.1:5"},
         "--connect: tcp://10.0.0.1:5: plain tcp:// off this host lets everybody on the "
         "way read along: use tls+tcp://, or --allow-plain-tcp with --worker-secret"},
        {{"--connect=tcp://10.0.0.1:5", "--allow-plain-tcp"},
         "--connect: tcp://10.0.0.1:5: --allow-plain-tcp needs --worker-secret too"},
        {{"--connect=ipc:///a", "--connect=tls+tcp://[::1]:5"},
         "--connect: tls+tcp://[::1]:5: tls+tcp:// needs --tls-cert, --tls-key and "
         "--tls-ca"},
        {{"--connect=tcp://127.0.0.1:0"},
         "--connect: \"tcp://127.0.0.1:0\" is not valid: expected a port that workers "
         "can know, not 0"},
        {{"--processes=0"}, "--processes: \"0\" is out of range: expected 1 to 1024"},
        {{"--memory=1KiB"}, "--memory: \"1KiB\" is out of range: expected 1MiB to 64TiB"},
        {{"--max-jobs=-1"},
         "--max-jobs: \"-1\" is not a number: expected a whole number"},
        {{"--listen=x"}, "--listen: \"x\" is not valid: expected unix:/path, or off"},
        {{"--listen=127.0.0.1:5"},
         "--listen: \"127.0.0.1:5\" is not valid: expected unix:/path, or off"},
        {{"--admin=127.0.0.1:5"},
         "--admin: there is no job socket to tell of: expected --listen too"},
        {{"--broker-url=ipc:///a"}, "unknown flag --broker-url (see --help)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct worker_config config;

        expect_refusal(worker_config_program(), &config, cases[i].flags, cases[i].line);
    }
}

/* What the environment decided is in the dump, so that children need none. */
static void children_read_the_same(void **state)
{
    char program[] = "offloop-worker", flag[] = "--max-jobs=7";
    char *argv[] = {program, flag, NULL};
    struct worker_config *config, *child;
    int fd;

    (void)state;
    assert_int_equal(worker_config_read(2, argv, &config), 0);
    fd = worker_config_create_fd(config);
    assert_true(fd >= 0);
    setenv("RUNTIME_DIRECTORY", "/elsewhere", 1);
    assert_int_equal(worker_config_read_fd(fd, &child), 0);
    assert_string_equal(child->connect.items[0], config->connect.items[0]);
    assert_int_equal(child->processes, config->processes);
    assert_int_equal(child->max_jobs, 7);
    set_runtime_dir(NULL);
    worker_config_destroy(&child);
    worker_config_destroy(&config);
    close(fd);
}

static void long_runtime_dir_is_named(void **state)
{
    struct worker_config config;

    (void)state;
    expect_long_runtime_dir_named(worker_config_program(), &config, "--connect");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(several_servers),
        cmocka_unit_test(applications),
        cmocka_unit_test(refusals),
        cmocka_unit_test(children_read_the_same),
        cmocka_unit_test(long_runtime_dir_is_named),
    };

    return cmocka_run_group_tests(tests, set_runtime_dir, NULL);
}
