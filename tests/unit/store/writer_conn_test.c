/* The writer's side of the connection: a real writer, and a front of single bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "server/store/little_endian.h"
#include "server/store/writer/writer_protocol.h"

static int setup(void **state)
{
    return rig_set_up(state, 256 << 20);
}

static int dial(const struct rig *rig)
{
    struct sockaddr_un address;
    socklen_t len = sizeof address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    RIG_CHECK(getsockname(rig->listen_fd, (struct sockaddr *)&address, &len) == 0);
    RIG_CHECK(connect(fd, (struct sockaddr *)&address, len) == 0);
    return fd;
}

static void send_all(int fd, const void *bytes, size_t len)
{
    RIG_CHECK(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static void send_hello(int fd)
{
    uint8_t bytes[WRITER_HEAD_BYTES];

    writer_put_head(bytes, &(struct writer_head){.type = WRITER_HELLO,
                                                 .number = WRITER_MAGIC,
                                                 .version = WRITER_VERSION});
    send_all(fd, bytes, sizeof bytes);
}

/* Reads the next head; type 0 at the end of the connection. */
static struct writer_head read_head(int fd)
{
    struct writer_head head = {0};
    uint8_t bytes[WRITER_HEAD_BYTES];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_WAITALL);

    if (n == (ssize_t)sizeof bytes)
        RIG_CHECK(writer_read_head(bytes, &head) == 0);
    return head;
}

static int dial_and_greet(const struct rig *rig)
{
    int fd = dial(rig);

    send_hello(fd);
    RIG_CHECK(read_head(fd).type == WRITER_HELLO);
    return fd;
}

/* Makes a WRITE of "w/<letter>" with a document of that size; returns its length. */
static size_t put_write(uint8_t *at, char letter, uint64_t number, size_t size)
{
    writer_put_head(at, &(struct writer_head){.type = WRITER_WRITE,
                                              .format = STORE_JSON,
                                              .collection_len = 1,
                                              .id_len = 1,
                                              .number = number,
                                              .payload_len = size});
    at[WRITER_HEAD_BYTES] = 'w';
    at[WRITER_HEAD_BYTES + 1] = (uint8_t)letter;
    memset(at + WRITER_HEAD_BYTES + 2, letter, size);
    return WRITER_HEAD_BYTES + 2 + size;
}

static void byte_by_byte(void **state)
{
    struct rig *rig = *state;
    int fd = dial_and_greet(rig);
    uint8_t bytes[512];
    size_t len = put_write(bytes, 'a', 1, 20);
    struct writer_head head;

    len += put_write(bytes + len, 'b', 2, 0);
    for (size_t i = 0; i < len; i++)
        send_all(fd, bytes + i, 1);
    head = read_head(fd);
    assert_int_equal(head.type, WRITER_REPLY);
    assert_int_equal(head.status, STORE_CREATED);
    assert_int_equal(head.number, 1);
    assert_int_equal(read_head(fd).number, 2);
    assert_true(rig_has_text(rig, "w", "a", "aaaaaaaaaaaaaaaaaaaa"));
    assert_true(rig_has_text(rig, "w", "b", ""));
    close(fd);
}

static void many_in_one_send(void **state)
{
    enum { WRITES = 2000 };
    struct rig *rig = *state;
    int fd = dial_and_greet(rig);
    uint8_t *bytes = mem_alloc(WRITES * 64);
    size_t len = 0;

    for (int i = 0; i < WRITES; i++)
        len += put_write(bytes + len, (char)('a' + i % 26), (uint64_t)i, (size_t)i % 10);
    send_all(fd, bytes, len);
    for (int i = 0; i < WRITES; i++)
        assert_int_equal(read_head(fd).number, i);
    close(fd);
    mem_free(bytes);
}

/* A bad message ends the connection of that front only. */
static void bad_messages_drop_that_front(void **state)
{
    static const struct {
        bool hello;
        size_t at;
        uint8_t value;
    } bad[] = {
        {false, 0, WRITER_WRITE}, /* before its HELLO */
        {true, 0, WRITER_HELLO},
        {true, 0, WRITER_REPLY},
        {true, 0, WRITER_BYE},
        {true, 0, 0},
        {true, 0, 77},
        {true, 1, 9},  /* format */
        {true, 2, 9},  /* condition */
        {true, 3, 2},  /* remove */
        {true, 5, 2},  /* collection of 512 bytes and more */
        {true, 7, 1},  /* id of 256 bytes and more */
        {true, 31, 1}, /* an endless document */
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = dial(rig);
        uint8_t bytes[256];
        size_t len = put_write(bytes, 'x', 1, 4);

        if (bad[i].hello)
            send_hello(fd);
        bytes[bad[i].at] = bad[i].value;
        send_all(fd, bytes, len);
        assert_int_equal(read_head(fd).type, WRITER_HELLO);
        assert_int_equal(read_head(fd).type, 0); /* the end */
        close(fd);
        assert_int_equal(rig_find(rig, "w", "x"), STORE_NOT_FOUND);
    }
    assert_int_equal(rig_put_text(rig, "still", "here", "x"), STORE_CREATED);
}

static void front_that_leaves_midway(void **state)
{
    struct rig *rig = *state;
    uint8_t bytes[20000];
    size_t len = put_write(bytes, 'm', 1, 10000);

    for (size_t cut = 0; cut < len; cut += 997) {
        int fd = dial_and_greet(rig);

        send_all(fd, bytes, cut);
        shutdown(fd, SHUT_WR);
        assert_int_equal(read_head(fd).type, 0);
        close(fd);
    }
    assert_int_equal(rig_find(rig, "w", "m"), STORE_NOT_FOUND);
    assert_int_equal(rig_put_text(rig, "w", "m", "x"), STORE_CREATED);
}

/* A front that shuts down after a complete write still gets its answer. */
static void half_close_is_answered(void **state)
{
    struct rig *rig = *state;
    int fd = dial_and_greet(rig);
    uint8_t bytes[256];

    send_all(fd, bytes, put_write(bytes, 'h', 9, 100));
    shutdown(fd, SHUT_WR);
    assert_int_equal(read_head(fd).number, 9);
    assert_int_equal(read_head(fd).type, 0);
    assert_int_equal(rig_find(rig, "w", "h"), STORE_OK);
    close(fd);
}

/* The writer stops to read from a front that reads no answers; other fronts are
   served. */
static void front_that_does_not_read(void **state)
{
    struct rig *rig = *state;
    int fd = dial_and_greet(rig);
    uint8_t bytes[64];
    size_t len = put_write(bytes, 'd', 1, 0);
    uint64_t sent = 0, got = 0;
    ssize_t n;

    while (sent < 200000) {
        n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n == (ssize_t)len) {
            sent++;
        } else if (rig_put_text(rig, "other", "front", "x") < STORE_NOT_FOUND &&
                   rig_put_text(rig, "other", "front", "y") == STORE_OK) {
            break; /* stopped, while others are served */
        }
    }
    assert_true(sent > 100 && sent < 200000);
    shutdown(fd, SHUT_WR);
    while (read_head(fd).type == WRITER_REPLY)
        got++;
    assert_int_equal(got, sent);
    close(fd);
}

static void large_document(void **state)
{
    enum { SIZE = 64 << 20 };
    struct rig *rig = *state;
    int fd = dial_and_greet(rig);
    uint8_t *bytes = mem_alloc(SIZE + 100);
    struct blob *blob;

    send_all(fd, bytes, put_write(bytes, 'L', 1, SIZE));
    assert_int_equal(read_head(fd).status, STORE_CREATED);
    assert_int_equal(rig_get_blob(rig, "w", "L", &blob, NULL), STORE_OK);
    assert_int_equal(blob->bytes.len, SIZE);
    assert_memory_equal(blob->bytes.data, bytes + WRITER_HEAD_BYTES + 2, SIZE);
    blob_unref(&blob);
    close(fd);
    mem_free(bytes);
}

/* SIGTERM: the writer sends BYE, finishes the write that has begun, and ends. */
static void term_drains(void **state)
{
    struct rig *rig = *state;
    int fd = dial_and_greet(rig);
    uint8_t bytes[256];
    size_t len = put_write(bytes, 't', 1, 100);
    int status;

    store_close(&rig->store);
    send_all(fd, bytes, 60);
    RIG_CHECK(kill(rig->writer, SIGTERM) == 0);
    assert_int_equal(read_head(fd).type, WRITER_BYE);
    send_all(fd, bytes + 60, len - 60);
    shutdown(fd, SHUT_WR);
    assert_int_equal(read_head(fd).status, STORE_CREATED);
    assert_int_equal(read_head(fd).type, 0);
    status = rig_wait_writer(rig);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(fd);
    RIG_CHECK(rig_start_writer(rig) == 0);
    rig_open_store(rig);
    assert_int_equal(rig_find(rig, "w", "t"), STORE_OK);
}

/* The master is gone: the writer serves until the last front has closed. */
static void orphan_serves_its_fronts(void **state)
{
    struct rig *rig = *state;
    int status;

    shutdown(rig->control_fd, SHUT_RDWR);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_put_text(rig, "o", "x", "1"), i ? STORE_OK : STORE_CREATED);
    store_close(&rig->store);
    status = rig_wait_writer(rig);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void interrupt_is_ignored(void **state)
{
    struct rig *rig = *state;

    RIG_CHECK(kill(rig->writer, SIGINT) == 0);
    assert_int_equal(rig_put_text(rig, "i", "x", "1"), STORE_CREATED);
}

static void bad_configurations(void **state)
{
    struct store_writer_config config = {.url = "redis://x", .lmdb_max = 1 << 20};

    (void)state;
    config.listen_fd = config.control_fd = -1;
    assert_int_equal(store_writer_main(&config), 1);
    config.url = "lmdb:/tmp";
    assert_int_equal(store_writer_main(&config), 1);
}

#define WITH_WRITER(test) cmocka_unit_test_setup_teardown(test, setup, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WRITER(byte_by_byte),
        WITH_WRITER(many_in_one_send),
        WITH_WRITER(bad_messages_drop_that_front),
        WITH_WRITER(front_that_leaves_midway),
        WITH_WRITER(half_close_is_answered),
        WITH_WRITER(front_that_does_not_read),
        WITH_WRITER(large_document),
        WITH_WRITER(term_drains),
        WITH_WRITER(orphan_serves_its_fronts),
        WITH_WRITER(interrupt_is_ignored),
        cmocka_unit_test(bad_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
