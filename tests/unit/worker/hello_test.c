/* A worker's identity: new in every process, complete, and a hello that encodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/wire.h"
#include "worker/hello.h"

static void test_identity(void **state)
{
    struct wire_hello one;
    struct wire_hello other;

    (void)state;
    hello_init(&one, "yajl");
    hello_init(&other, "yajl");
    assert_memory_not_equal(&one.worker, &other.worker, sizeof(one.worker));
    assert_memory_equal(&one.host, &other.host, sizeof(one.host));
    assert_int_equal(one.pid, getpid());
    assert_int_equal(one.credits, 2);
    assert_int_equal(one.engine.len, 4);
}

/* The boot id, dashes and all, is the host id in hexadecimal. */
static void test_host_is_the_boot_id(void **state)
{
    struct wire_hello hello;
    char expected[64] = "";
    char hex[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");

    (void)state;
    assert_non_null(file);
    assert_non_null(fgets(expected, sizeof(expected), file));
    fclose(file);
    hello_init(&hello, "yajl");
    for (unsigned i = 0, at = 0; i < WIRE_ID_BYTES; i++) {
        at += (unsigned)sprintf(hex + at, "%02x", hello.host.bytes[i]);
        if (i == 3 || i == 5 || i == 7 || i == 9)
            hex[at++] = '-';
    }
    assert_memory_equal(hex, expected, 36);
}

static void test_it_encodes(void **state)
{
    static struct wire_message message;
    struct wire_hello hello;
    struct buf out = BUF_INIT;

    (void)state;
    hello_init(&hello, "direct");
    wire_put_hello(&out, &hello);
    assert_int_equal(wire_decode(buf_slice(&out), &message, NULL), WIRE_OK);
    assert_memory_equal(&message.hello.worker, &hello.worker, sizeof(hello.worker));
    assert_memory_equal(message.hello.engine.data, "direct", 6);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_host_is_the_boot_id),
        cmocka_unit_test(test_it_encodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
