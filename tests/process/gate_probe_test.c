/* The gate's look at itself through TLS: a listener that hands nothing on is noticed, and
   one that never let the probe in is left alone. */
#include "server/workers/nng_faults/gate_probe.h"

#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/credentials/credentials.h"
#include "common/nng_faults/tls_probe.h"
#include "server/workers/gate/gate_socket.h"
#include "server/workers/link/tls.h"

/* Where nothing comes, ctest's limit ends the test. */

static char directory[] = "/tmp/offloop-probe-XXXXXX";
static struct credentials credentials;
static char url[64];
static struct ev_loop *loop;
static struct gate_socket *rep;
static struct gate_socket *volatile kept; /* what is left to the process is no leak */
static struct nng_tls_config *tls;
static struct tls_probe *visitor;
static struct gate_probe *probe;
static unsigned asked, deaf;
static bool answers;

static char *slurp(const char *name)
{
    char path[128], *text = mem_zalloc(8192);
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, 8191, file) > 0);
    fclose(file);
    return text;
}

static int make_files(void **state)
{
    char command[256];

    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(command, sizeof command, "scripts/new-certs %s 127.0.0.1 >/dev/null",
             directory);
    if (system(command) != 0)
        return -1;
    credentials.cert = slurp("server.pem"); /* for server authentication only */
    credentials.key = slurp("server.key");
    credentials.ca = slurp("ca.pem");
    return 0;
}

static int remove_files(void **state)
{
    char command[256];

    (void)state;
    credentials_free(&credentials);
    snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command);
}

static void pick_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof url, "tls+tcp://127.0.0.1:%d", ntohs(address.sin_port));
    close(fd);
}

static void on_request(void *ctx, struct gate_request *request)
{
    static const uint8_t text[] = "no";

    (void)ctx;
    assert_true(gate_probe_is_question(gate_request_bytes(request)));
    asked++;
    if (answers)
        gate_request_answer(request, (struct slice){text, sizeof text});
    else
        gate_request_drop(request);
}

static void on_deaf(void *ctx)
{
    assert_ptr_equal(ctx, &deaf);
    deaf++;
}

/* A gate's listener that trusts the CA and, if told so, the visitor; probed. */
static void listen_and_probe(bool trusts_visitor)
{
    struct credentials mine = credentials;
    const char *why;

    asked = deaf = 0;
    answers = true;
    pick_port();
    loop = ev_loop_new(0);
    visitor = tls_probe_create();
    assert_non_null(visitor);
    mine.ca = trusts_visitor ? str_printf("%s%s", mine.ca, tls_probe_certificate(visitor))
                             : str_dup(mine.ca);
    tls = rpc_tls_create(url, &mine);
    mem_free(mine.ca);
    rep = kept = gate_socket_create(loop, tls, on_request, NULL);
    assert_int_equal(gate_socket_listen(rep, url, &why), 0);
    probe = gate_probe_create(loop, url, visitor, on_deaf, &deaf);
    assert_false(gate_probe_works(probe));
}

static void close_all(void)
{
    gate_probe_destroy(&probe);
    assert_null(probe);
    tls_probe_destroy(&visitor);
    assert_null(visitor);
    gate_socket_close(&rep);
    rpc_tls_destroy(&tls);
    ev_loop_destroy(loop);
}

static void what_falls_silent_is_deaf(void **state)
{
    (void)state;
    listen_and_probe(true);
    while (!gate_probe_works(probe))
        ev_run(loop, EVRUN_ONCE);
    assert_true(asked >= 1);
    assert_int_equal(deaf, 0);
    answers = false;
    while (deaf == 0)
        ev_run(loop, EVRUN_ONCE);
    assert_true(asked >= 3);
    close_all();
}

static void is_over(struct ev_loop *of, ev_timer *timer, int events)
{
    (void)of, (void)events;
    *(bool *)timer->data = true;
}

/* A stranger's self-made certificate opens nothing; and as the look never worked, its
   failing says nothing. */
static void who_never_got_in_counts_no_misses(void **state)
{
    bool over = false;
    ev_timer timer;

    (void)state;
    listen_and_probe(false);
    ev_timer_init(&timer, is_over, 9., 0.); /* two looks */
    timer.data = &over;
    ev_timer_start(loop, &timer);
    while (!over)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(asked, 0);
    assert_int_equal(deaf, 0);
    assert_false(gate_probe_works(probe));
    close_all();
}

static void what_comes_back_is_heard_again(void **state)
{
    const char *why;

    (void)state;
    listen_and_probe(true);
    while (!gate_probe_works(probe))
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(gate_socket_listen_again(rep, url, &why), 0);
    asked = 0;
    while (asked == 0)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(deaf, 0);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_falls_silent_is_deaf),
        cmocka_unit_test(who_never_got_in_counts_no_misses),
        cmocka_unit_test(what_comes_back_is_heard_again),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
