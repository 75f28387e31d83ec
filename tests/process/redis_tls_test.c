/* The store over TLS: a real redis-server with --tls-port, and good and bad certificates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/process/support/child.h"
#include "tests/unit/store/redis_certs.h"
#include "tests/unit/store/store_promises.h"

#include <sys/socket.h>

#include "common/base/clock.h"
#include "server/store/redis/redis_flight.h"

struct tls_rig {
    struct redis_rig redis; /* the test itself uses its plain port */
    int port;               /* over TLS */
    char dir[64];           /* certificates */
    struct rig rig;
};

static struct tls_rig *rig_of(void **state)
{
    return *state;
}

static void start_server(struct tls_rig *t, const char *certificate, const char *clients)
{
    static char crt[96], key[96], ca[96], port[16];
    const char *more[] = {"--tls-port",
                          port,
                          "--tls-cert-file",
                          crt,
                          "--tls-key-file",
                          key,
                          "--tls-ca-cert-file",
                          ca,
                          "--tls-auth-clients",
                          clients,
                          NULL};

    t->port = redis_rig_free_port();
    snprintf(port, sizeof port, "%d", t->port);
    snprintf(crt, sizeof crt, "%s/%s.crt", t->dir, certificate);
    snprintf(key, sizeof key, "%s/%s.key", t->dir, certificate);
    snprintf(ca, sizeof ca, "%s/ca.crt", t->dir);
    redis_rig_init(&t->redis, more);
}

/* Opens a store with these certificate files, NULL for none. */
static void open_store(struct tls_rig *t, const char *host, const char *ca,
                       const char *own)
{
    char url[96], name[32];
    char *texts[3] = {NULL, NULL, NULL};
    struct store_config config = {.url = url, .writer_listen_fd = -1};

    snprintf(url, sizeof url, "rediss://%s:%d/0", host, t->port);
    if (ca != NULL)
        texts[0] = redis_certs_read(t->dir, ca);
    if (own != NULL) {
        snprintf(name, sizeof name, "%s.crt", own);
        texts[1] = redis_certs_read(t->dir, name);
        snprintf(name, sizeof name, "%s.key", own);
        texts[2] = redis_certs_read(t->dir, name);
    }
    config.tls = (struct store_tls){.ca = texts[0], .cert = texts[1], .key = texts[2]};
    t->rig.loop = ev_loop_new(EVFLAG_AUTO);
    t->rig.store = store_open(t->rig.loop, &config);
    RIG_CHECK(t->rig.store != NULL);
    for (int i = 0; i < 3; i++)
        mem_free(texts[i]);
}

static void check_refused(struct tls_rig *t, const char *host, const char *ca,
                          const char *own, const char *why)
{
    const char *said;

    open_store(t, host, ca, own);
    while (store_is_ready(t->rig.store, &said) || strstr(said, why) == NULL)
        ev_run(t->rig.loop, EVRUN_ONCE);
    assert_int_equal(rig_find(&t->rig, "c", "x"), STORE_DOWN);
    redis_rig_close(&t->rig);
}

static int make(void **state)
{
    struct tls_rig *t = mem_zalloc(sizeof *t);

    signal(SIGPIPE, SIG_IGN); /* as the daemons do */
    snprintf(t->dir, sizeof t->dir, "/tmp/offloop-certs-XXXXXX");
    RIG_CHECK(mkdtemp(t->dir) != NULL);
    redis_certs_make(t->dir);
    *state = t;
    return 0;
}

static int clear(void **state)
{
    struct tls_rig *t = *state;

    RIG_CHECK(nftw(t->dir, redis_rig_remove, 16, FTW_DEPTH | FTW_PHYS) == 0);
    mem_free(t);
    return 0;
}

static void by_address_and_by_name(void **state)
{
    struct tls_rig *t = rig_of(state);

    start_server(t, "server", "no");
    open_store(t, "127.0.0.1", "ca.crt", NULL);
    redis_rig_await(&t->rig, true);
    promise_put_get_delete(&t->rig);
    promise_conditions(&t->rig);
    promise_longest_names(&t->rig);
    redis_rig_close(&t->rig);
    if (redis_rig_has_localhost()) {
        open_store(t, "localhost", "ca.crt", NULL);
        redis_rig_await(&t->rig, true);
        assert_int_equal(rig_put_text(&t->rig, "c", "x", "1"), STORE_CREATED);
        redis_rig_close(&t->rig);
    }
    redis_rig_end(&t->redis);
}

static void large_documents(void **state)
{
    static const size_t sizes[] = {0, 16384, 65536, 65537, 1000000, 20 << 20};
    struct tls_rig *t = rig_of(state);

    start_server(t, "server", "no");
    open_store(t, "127.0.0.1", "ca.crt", NULL);
    redis_rig_await(&t->rig, true);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *bytes = mem_alloc(sizes[i] + 1);
        struct blob *blob;

        for (size_t n = 0; n < sizes[i]; n++)
            bytes[n] = (uint8_t)(n * 31 + n / 253);
        assert_true(rig_put_bytes(&t->rig, "s", "x", bytes, sizes[i]) <= STORE_CREATED);
        assert_int_equal(rig_get_blob(&t->rig, "s", "x", &blob, NULL), STORE_OK);
        assert_int_equal(blob->bytes.len, sizes[i]);
        assert_memory_equal(blob->bytes.data, bytes, sizes[i]);
        blob_unref(&blob);
        mem_free(bytes);
    }
    redis_rig_close(&t->rig);
    redis_rig_end(&t->redis);
}

static void other_certificates_are_refused(void **state)
{
    struct tls_rig *t = rig_of(state);

    start_server(t, "elsewhere", "no");
    check_refused(t, "127.0.0.1", "ca.crt", NULL, "TLS"); /* another host's */
    if (redis_rig_has_localhost())
        check_refused(t, "localhost", "ca.crt", NULL, "TLS");
    redis_rig_end(&t->redis);
    start_server(t, "server", "no");
    check_refused(t, "127.0.0.1", "other-ca.crt", NULL, "TLS");
    check_refused(t, "127.0.0.1", NULL, NULL, "TLS");  /* the system's CAs */
    check_refused(t, "127.0.0.2", "ca.crt", NULL, ""); /* no server listens there */
    redis_rig_end(&t->redis);
}

static void a_server_that_wants_a_certificate(void **state)
{
    struct tls_rig *t = rig_of(state);

    start_server(t, "server", "yes");
    check_refused(t, "127.0.0.1", "ca.crt", NULL, "lost");
    check_refused(t, "127.0.0.1", "ca.crt", "other-ca", "lost");
    open_store(t, "127.0.0.1", "ca.crt", "client");
    redis_rig_await(&t->rig, true);
    assert_int_equal(rig_put_text(&t->rig, "c", "x", "1"), STORE_CREATED);
    redis_rig_close(&t->rig);
    redis_rig_end(&t->redis);
}

static void only_new_versions_of_tls(void **state)
{
    struct tls_rig *t = rig_of(state);

    start_server(t, "server", "no");
    redis_rig_command(&t->redis, "OK", "CONFIG SET tls-protocols TLSv1.1");
    check_refused(t, "127.0.0.1", "ca.crt", NULL, "TLS");
    redis_rig_command(&t->redis, "OK", "CONFIG SET tls-protocols TLSv1.2");
    open_store(t, "127.0.0.1", "ca.crt", NULL);
    redis_rig_await(&t->rig, true);
    promise_put_get_delete(&t->rig);
    redis_rig_close(&t->rig);
    redis_rig_end(&t->redis);
}

static void a_plain_port_is_no_tls(void **state)
{
    struct tls_rig *t = rig_of(state);

    start_server(t, "server", "no");
    t->port = t->redis.port;
    check_refused(t, "127.0.0.1", "ca.crt", NULL, "no connection");
    redis_rig_end(&t->redis);
}

static void killed_and_hung(void **state)
{
    struct tls_rig *t = rig_of(state);
    struct rig_get get;

    start_server(t, "server", "no");
    open_store(t, "127.0.0.1", "ca.crt", NULL);
    redis_rig_await(&t->rig, true);
    for (int round = 0; round < 3; round++) {
        assert_true(rig_put_text(&t->rig, "c", "x", "kept") <= STORE_CREATED);
        redis_rig_end_server(&t->redis, SIGKILL);
        redis_rig_await(&t->rig, false);
        assert_int_equal(rig_find(&t->rig, "c", "x"), STORE_DOWN);
        redis_rig_start_server(&t->redis);
        redis_rig_await(&t->rig, true);
        assert_true(rig_has_text(&t->rig, "c", "x", "kept"));
    }
    child_stop(t->redis.pid);
    rig_begin_get(&t->rig, &get, "c", "x");
    redis_rig_close(&t->rig); /* with a request under way */
    RIG_CHECK(kill(t->redis.pid, SIGCONT) == 0);
    assert_true(get.done);
    assert_int_equal(get.get.status, STORE_DOWN);
    redis_rig_end(&t->redis);
}

/* ---- a server that breaks TLS ---- */

static int listen_here(int *port_r)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    RIG_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0);
    RIG_CHECK(listen(fd, 8) == 0);
    RIG_CHECK(getsockname(fd, (struct sockaddr *)&any, &len) == 0);
    *port_r = ntohs(any.sin_port);
    return fd;
}

static void servers_that_talk_nonsense(void **state)
{
    static const char *const answers[] = {"", "\x15\x03\x03\x00\x02\x02\x28",
                                          "\x16\x03\x03\xff\xff", "-ERR no\r\n",
                                          "\x16\x03\x03\x00\x04\x0e\x00\x00\x00"};
    struct tls_rig *t = rig_of(state);
    int fd = listen_here(&t->port);
    const char *why;

    alarm(RIG_ALARM_S);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        size_t len = i == 4 ? 9 : i == 1 ? 7 : strlen(answers[i]);
        int peer;

        open_store(t, "127.0.0.1", "ca.crt", NULL);
        peer = accept(fd, NULL, NULL);
        RIG_CHECK(peer >= 0 && write(peer, answers[i], len) == (ssize_t)len);
        shutdown(peer, SHUT_WR);
        while (store_is_ready(t->rig.store, &why) || strstr(why, "TLS") == NULL)
            ev_run(t->rig.loop, EVRUN_ONCE);
        close(peer);
        redis_rig_close(&t->rig);
    }
    close(fd);
    alarm(0);
}

static void certificates_that_are_none(void **state)
{
    struct tls_rig *t = rig_of(state);
    char *crt = redis_certs_read(t->dir, "client.crt");
    char *key = redis_certs_read(t->dir, "client.key");
    char *other = redis_certs_read(t->dir, "server.key");
    const struct store_tls bad[] = {{.ca = ""},
                                    {.ca = "-----BEGIN CERTIFICATE-----\n"},
                                    {.cert = crt, .key = ""},
                                    {.cert = "", .key = key},
                                    {.cert = crt, .key = crt},
                                    {.cert = crt, .key = other}};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct store_config config = {.url = "rediss://127.0.0.1", .tls = bad[i]};

        assert_null(store_open(loop, &config));
    }
    ev_loop_destroy(loop);
    mem_free(crt);
    mem_free(key);
    mem_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_address_and_by_name),
        cmocka_unit_test(large_documents),
        cmocka_unit_test(other_certificates_are_refused),
        cmocka_unit_test(a_server_that_wants_a_certificate),
        cmocka_unit_test(only_new_versions_of_tls),
        cmocka_unit_test(a_plain_port_is_no_tls),
        cmocka_unit_test(killed_and_hung),
        cmocka_unit_test(servers_that_talk_nonsense),
        cmocka_unit_test(certificates_that_are_none),
    };

    return cmocka_run_group_tests(tests, make, clear);
}
