/* Heads of the messages between fronts and the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/store/little_endian.h"
#include "server/store/writer/writer_protocol.h"

static const struct writer_head good_write = {.type = WRITER_WRITE,
                                              .format = STORE_JSON,
                                              .condition = STORE_IF_VERSION,
                                              .collection_len = 255,
                                              .id_len = 1,
                                              .number = UINT64_MAX,
                                              .version = 42,
                                              .payload_len = STORE_DOCUMENT_MAX};

/* The head after it was written and read. */
static struct writer_head read_back(const struct writer_head *head)
{
    uint8_t bytes[WRITER_HEAD_BYTES];
    struct writer_head back;

    writer_put_head(bytes, head);
    assert_int_equal(writer_read_head(bytes, &back), 0);
    return back;
}

static void write_goes_both_ways(void **state)
{
    struct writer_head head = read_back(&good_write);

    (void)state;
    assert_int_equal(head.type, WRITER_WRITE);
    assert_int_equal(head.format, STORE_JSON);
    assert_int_equal(head.condition, STORE_IF_VERSION);
    assert_false(head.remove);
    assert_int_equal(head.collection_len, 255);
    assert_int_equal(head.id_len, 1);
    assert_true(head.number == UINT64_MAX);
    assert_true(head.version == 42);
    assert_true(head.payload_len == STORE_DOCUMENT_MAX);
}

/* The other end of each range. */
static void smallest_write_goes_both_ways(void **state)
{
    const struct writer_head small = {.type = WRITER_WRITE,
                                      .format = STORE_MSGPACK,
                                      .collection_len = 1,
                                      .id_len = STORE_NAME_MAX};
    struct writer_head head = read_back(&small);

    (void)state;
    assert_int_equal(head.format, STORE_MSGPACK);
    assert_int_equal(head.condition, small.condition);
    assert_int_equal(head.collection_len, 1);
    assert_int_equal(head.id_len, STORE_NAME_MAX);
    assert_true(head.number == 0 && head.version == 0 && head.payload_len == 0);
}

static void reply_goes_both_ways(void **state)
{
    struct writer_head reply = {.type = WRITER_REPLY,
                                .status = STORE_CREATED,
                                .number = 7,
                                .version = 8,
                                .commits = 9,
                                .writes = 10};
    struct writer_head head = read_back(&reply);

    (void)state;
    assert_int_equal(head.type, WRITER_REPLY);
    assert_int_equal(head.status, STORE_CREATED);
    assert_true(head.number == 7 && head.version == 8);
    assert_true(head.commits == 9 && head.writes == 10);
    assert_true(head.payload_len == 0);
}

static void hello_and_bye(void **state)
{
    struct writer_head hello = {.type = WRITER_HELLO,
                                .number = WRITER_MAGIC,
                                .version = WRITER_VERSION,
                                .last_version = 77};
    struct writer_head bye = {.type = WRITER_BYE};
    uint8_t bytes[WRITER_HEAD_BYTES];
    struct writer_head head;

    (void)state;
    writer_put_head(bytes, &hello);
    assert_memory_equal(bytes + 8, "olwriter", 8);
    assert_int_equal(writer_read_head(bytes, &head), 0);
    assert_true(head.last_version == 77 && head.writes == 0);
    bytes[1] = STORE_JSON;
    assert_int_equal(writer_read_head(bytes, &head), -1);
    bytes[1] = 0;
    bytes[24] = 1;
    assert_int_equal(writer_read_head(bytes, &head), -1);
    writer_put_head(bytes, &hello);
    le_put(bytes + 16, 8, WRITER_VERSION + 1);
    assert_int_equal(writer_read_head(bytes, &head), -1);
    writer_put_head(bytes, &hello);
    bytes[8] ^= 1;
    assert_int_equal(writer_read_head(bytes, &head), -1);
    writer_put_head(bytes, &bye);
    assert_int_equal(writer_read_head(bytes, &head), 0);
    for (size_t i = 1; i < WRITER_HEAD_BYTES; i++) {
        writer_put_head(bytes, &bye);
        bytes[i] = 1;
        assert_int_equal(writer_read_head(bytes, &head), -1);
    }
}

/* offset, width, a value that no WRITE may have there */
static void each_rule_of_a_write(void **state)
{
    static const struct {
        size_t at, width;
        uint64_t value;
    } bad[] = {
        {0, 1, 0},           {0, 1, 5},   {0, 1, 255},
        {1, 1, 0},           {1, 1, 3},   {2, 1, STORE_IF_VERSION + 1},
        {3, 1, 2},           {3, 1, 1}, /* a delete with a format and a document */
        {4, 2, 0},           {4, 2, 256}, {4, 2, 65535},
        {6, 2, 0},           {6, 2, 256}, {24, 8, STORE_DOCUMENT_MAX + 1},
        {24, 8, UINT64_MAX}, {32, 8, 1},
    };
    uint8_t bytes[WRITER_HEAD_BYTES];
    struct writer_head head;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        writer_put_head(bytes, &good_write);
        le_put(bytes + bad[i].at, bad[i].width, bad[i].value);
        assert_int_equal(writer_read_head(bytes, &head), -1);
    }
}

static void delete_has_no_document(void **state)
{
    struct writer_head remove = {
        .type = WRITER_WRITE, .remove = true, .collection_len = 1, .id_len = 1};
    uint8_t bytes[WRITER_HEAD_BYTES];
    struct writer_head head;

    (void)state;
    writer_put_head(bytes, &remove);
    assert_int_equal(writer_read_head(bytes, &head), 0);
    assert_true(head.remove);
    le_put(bytes + 24, 8, 1);
    assert_int_equal(writer_read_head(bytes, &head), -1);
    writer_put_head(bytes, &remove);
    bytes[1] = STORE_JSON;
    assert_int_equal(writer_read_head(bytes, &head), -1);
}

static void reply_rules(void **state)
{
    struct writer_head reply = {.type = WRITER_REPLY, .status = STORE_OK, .number = 1};
    uint8_t bytes[WRITER_HEAD_BYTES];
    struct writer_head head;

    (void)state;
    writer_put_head(bytes, &reply);
    bytes[1] = STORE_ERROR;
    assert_int_equal(writer_read_head(bytes, &head), 0);
    assert_int_equal(head.status, STORE_ERROR);
    assert_true(head.format == 0 && head.payload_len == 0);
    bytes[1] = STORE_ERROR + 1;
    assert_int_equal(writer_read_head(bytes, &head), -1);
    for (size_t i = 2; i < 8; i++) {
        writer_put_head(bytes, &reply);
        bytes[i] = 1;
        assert_int_equal(writer_read_head(bytes, &head), -1);
    }
}

static void peer_of_a_pair_is_ours(void **state)
{
    int pair[2], fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_true(writer_peer_is_ours(pair[0]));
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(pipe(fds), 0);
    assert_false(writer_peer_is_ours(fds[0]));
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_goes_both_ways),
        cmocka_unit_test(smallest_write_goes_both_ways),
        cmocka_unit_test(reply_goes_both_ways),
        cmocka_unit_test(hello_and_bye),
        cmocka_unit_test(each_rule_of_a_write),
        cmocka_unit_test(delete_has_no_document),
        cmocka_unit_test(reply_rules),
        cmocka_unit_test(peer_of_a_pair_is_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
