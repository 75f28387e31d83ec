#include "tests/process/support/worker_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/codec/codec.h"
#include "tests/process/support/child.h"

int worker_fixture_setup(void **state)
{
    struct worker_fixture *fixture = mem_zalloc(sizeof(*fixture));

    fixture->server = fake_front_create();
    fixture->control = -1;
    *state = fixture;
    return 0;
}

int worker_fixture_teardown(void **state)
{
    struct worker_fixture *fixture = *state;

    child_end(fixture->pid);
    if (fixture->control >= 0)
        close(fixture->control);
    fake_front_destroy(&fixture->server);
    mem_free(fixture);
    return 0;
}

void worker_fixture_start(struct worker_fixture *fixture, const char *max_jobs,
                          const char *drain_ms, int with_control)
{
    const char *build = getenv("OFFLOOP_BUILD");
    char *path = str_printf("%s/tests/bare-worker", build ? build : "build");
    char *argv[] = {path, str_dup(max_jobs), str_dup(drain_ms),
                    str_dup(fake_front_url(fixture->server)), NULL};
    int pair[2] = {-1, -1};

    if (with_control)
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    fixture->pid = child_start(argv, pair[1]);
    if (with_control)
        close(pair[1]);
    fixture->control = pair[0];
    for (unsigned i = 0; argv[i]; i++)
        mem_free(argv[i]);
}

void worker_fixture_seat(struct worker_fixture *fixture, const char *max_jobs)
{
    fake_front_open_seat(fixture->server, 0, 1001);
    fake_front_open_gate(fixture->server);
    worker_fixture_start(fixture, max_jobs, "10000", 0);
    fake_front_expect_hello(fixture->server, 0);
}

int worker_fixture_wait(struct worker_fixture *fixture)
{
    int status = child_wait(fixture->pid, FAKE_FRONT_PATIENCE_MS);

    fixture->pid = 0;
    return status;
}

void worker_fixture_check_job(struct worker_fixture *fixture, unsigned seat)
{
    struct wire_job job = fake_front_job(4711, CODEC_OP_DECODE, "[true]");
    const struct wire_message *answer;

    fake_front_send_jobs(fixture->server, seat, &job, 1);
    answer = fake_front_expect(fixture->server, seat, WIRE_RESULTS);
    assert_int_equal(answer->results.count, 1);
    assert_int_equal(answer->results.results[0].id, 4711);
    assert_int_equal(answer->results.results[0].payload.bytes.len, 2);
    assert_memory_equal(answer->results.results[0].payload.bytes.data, "\x91\xc3", 2);
}
